/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one C++ file: toml++ behind a C interface. No exception leaves it. */
#include "config/toml.h"

extern "C" {
#include "base/error.h"
}

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>

/*
 * toml++ 3.3 asserts where bad input leads ("a = [1,,2"), and without assertions it tells the
 * compiler to assume them: both are made an exception of ours.
 */
struct BrokenAssumption : std::exception {
	const char *
	what() const noexcept override
	{
		return "malformed value";
	}
};

#define TOML_ASSERT(condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			throw BrokenAssumption();                                                  \
	} while (false)
#define TOML_ASSERT_ASSUME(condition) TOML_ASSERT(condition)
/* Where an assertion stands in a function that cannot throw, the program ends, as it would have. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wexceptions"
#else
#pragma GCC diagnostic ignored "-Wterminate"
#endif
#define TOML_HEADER_ONLY       1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace
{

struct Failure {
	guint line;
	std::string text;
};

/*
 * toml++ 3.3 behaves in an undefined way when it meets some characters outside ASCII where none may
 * be, even when it only looks ahead. So it is given none: in strings they are written as escapes,
 * in comments as "?", and anywhere else they are wrong anyway. Lines stay where they are.
 */
class AsciiWriter
{
      public:
	explicit AsciiWriter(std::string_view text) : rest(text)
	{
	}

	std::string
	convert()
	{
		while (!rest.empty()) {
			if (rest[0] == '#')
				copy_comment();
			else if (rest[0] == '"' || rest[0] == '\'')
				copy_string();
			else
				copy_plain();
		}
		return out;
	}

      private:
	std::string_view rest;
	std::string out;
	guint line = 1;

	static bool
	is_ascii(char c)
	{
		return static_cast<unsigned char>(c) < 0x80;
	}

	void
	copy(gsize n)
	{
		line += std::count(rest.begin(), rest.begin() + n, '\n');
		out.append(rest.substr(0, n));
		rest.remove_prefix(n);
	}

	/* Only ASCII may stand here. */
	void
	copy_plain()
	{
		if (!is_ascii(rest[0]))
			throw Failure{
				line,
				"a character outside ASCII stands outside of strings and comments"
			};
		copy(1);
	}

	void
	copy_comment()
	{
		for (; !rest.empty() && rest[0] != '\n'; rest.remove_prefix(1))
			out += is_ascii(rest[0]) ? rest[0] : '?';
	}

	void
	copy_escaped(char quote)
	{
		char escape[sizeof("\\UXXXXXXXX")];
		gunichar c = g_utf8_get_char(rest.data());

		if (quote == '\'')
			throw Failure{ line, "in \'...\' there is ASCII only; use \"...\"" };
		g_snprintf(escape, sizeof(escape), "\\U%08X", c);
		out += escape;
		rest.remove_prefix(g_utf8_next_char(rest.data()) - rest.data());
	}

	/* Up to the closing quotes, or where the string cannot go on. */
	void
	copy_string()
	{
		const char quote = rest[0];
		const bool is_long = rest.substr(0, 3) == std::string(3, quote);
		const std::string closing(is_long ? 3 : 1, quote);

		copy(closing.size());
		while (!rest.empty() && (is_long || rest[0] != '\n')) {
			if (rest.substr(0, closing.size()) == closing) {
				copy(closing.size());
				return;
			}
			if (rest[0] == '\\' && quote == '"') {
				copy(1);
				if (!rest.empty())
					copy_plain();
			} else if (is_ascii(rest[0])) {
				copy(1);
			} else {
				copy_escaped(quote);
			}
		}
	}
};

AshTomlItem *
add_item(GPtrArray *items, const std::string &path, const toml::node &node, AshTomlType type)
{
	AshTomlItem *item = g_new0(AshTomlItem, 1);

	item->path = g_strdup(path.c_str());
	item->line = node.source().begin.line;
	item->type = type;
	g_ptr_array_add(items, item);
	return item;
}

bool
all_strings(const toml::array &array)
{
	return std::all_of(array.begin(), array.end(),
			   [](const toml::node &node) { return node.is_string(); });
}

bool
all_tables(const toml::array &array)
{
	return !array.empty() &&
	       std::all_of(array.begin(), array.end(),
			   [](const toml::node &node) { return node.is_table(); });
}

char **
dup_strings(const toml::array &array)
{
	char **strings = g_new0(char *, array.size() + 1);
	gsize n = 0;

	for (const toml::node &node : array)
		strings[n++] = g_strdup(node.as_string()->get().c_str());
	return strings;
}

void walk_table(GPtrArray *items, const std::string &prefix, const toml::table &table);

void
walk_array(GPtrArray *items, const std::string &path, const toml::array &array)
{
	if (!all_tables(array)) {
		bool strings = all_strings(array);
		AshTomlItem *item =
			add_item(items, path, array, strings ? ASH_TOML_STRINGS : ASH_TOML_OTHER);

		if (strings)
			item->strings = dup_strings(array);
		return;
	}
	for (const toml::node &element : array) {
		add_item(items, path, element, ASH_TOML_ELEMENT);
		walk_table(items, path + ".", *element.as_table());
	}
}

void
walk_value(GPtrArray *items, const std::string &path, const toml::node &node)
{
	if (const toml::table *table = node.as_table()) {
		add_item(items, path, node, ASH_TOML_TABLE);
		walk_table(items, path + ".", *table);
	} else if (const toml::array *array = node.as_array()) {
		walk_array(items, path, *array);
	} else if (const auto *string = node.as_string()) {
		/* A NUL would cut a C string short: no value of ours may have one. */
		if (string->get().find('\0') != std::string::npos)
			throw Failure{ node.source().begin.line, "a string has a NUL character" };
		add_item(items, path, node, ASH_TOML_STRING)->string =
			g_strdup(string->get().c_str());
	} else if (const auto *integer = node.as_integer()) {
		add_item(items, path, node, ASH_TOML_INTEGER)->integer = integer->get();
	} else if (const auto *boolean = node.as_boolean()) {
		add_item(items, path, node, ASH_TOML_BOOLEAN)->boolean = boolean->get();
	} else {
		add_item(items, path, node, ASH_TOML_OTHER);
	}
}

/* Paths are joined by dots, so a key must not have one; quoted keys serve no purpose here. */
void
check_key(std::string_view key, guint line)
{
	bool ok = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
		return g_ascii_isalnum(c) || c == '_' || c == '-';
	});

	if (!ok)
		throw Failure{ line,
			       "key \"" + std::string(key) +
				       "\": only letters, digits, \"_\" and \"-\" make a key" };
}

void
walk_table(GPtrArray *items, const std::string &prefix, const toml::table &table)
{
	for (const auto &[key, node] : table) {
		check_key(key.str(), key.source().begin.line);
		walk_value(items, prefix + std::string(key.str()), node);
	}
}

/* A table is sorted by key; the file's order is what errors and elements go by. */
gint
compare_lines(gconstpointer a, gconstpointer b)
{
	const AshTomlItem *first = *static_cast<const AshTomlItem *const *>(a);
	const AshTomlItem *second = *static_cast<const AshTomlItem *const *>(b);

	return (first->line > second->line) - (first->line < second->line);
}

void
fail(GError **error, const char *file, guint line, const char *text)
{
	ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s", file, line, text);
}

} // namespace

extern "C" void
ash_toml_item_free(AshTomlItem *item)
{
	if (item == nullptr)
		return;
	g_free(item->path);
	g_free(item->string);
	g_strfreev(item->strings);
	g_free(item);
}

extern "C" const char *
ash_toml_type_to_string(AshTomlType type)
{
	static const char *const names[] = {
		"a string", "a whole number",     "true or false",           "an array of strings",
		"a table",  "an array of tables", "a value of another type",
	};

	return names[type];
}

extern "C" GPtrArray *
ash_toml_parse(const char *text, gsize length, const char *file, GError **error)
{
	GPtrArray *items = g_ptr_array_new_with_free_func(
		reinterpret_cast<GDestroyNotify>(ash_toml_item_free));

	try {
		const std::string ascii = AsciiWriter(std::string_view(text, length)).convert();
		toml::table root = toml::parse(std::string_view(ascii));

		walk_table(items, "", root);
		g_ptr_array_sort(items, compare_lines);
		return items;
	} catch (const toml::parse_error &e) {
		fail(error, file, e.source().begin.line, std::string(e.description()).c_str());
	} catch (const Failure &failure) {
		fail(error, file, failure.line, failure.text.c_str());
	} catch (const std::exception &e) {
		fail(error, file, 1, e.what());
	}
	g_ptr_array_unref(items);
	return nullptr;
}
