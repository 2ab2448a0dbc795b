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
 * toml++ 3.3 asserts where bad input leads ("a = [1,,2"), and without assertions it tells the compiler to
 * assume them: both are made an exception of ours.
 */
struct BrokenAssumption : std::exception {
	const char *
	what() const noexcept override
	{
		return "malformed value";
	}
};

#define TOML_ASSERT(condition)                                                                                         \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			throw BrokenAssumption();                                                                      \
	} while (false)
#define TOML_ASSERT_ASSUME(condition) TOML_ASSERT(condition)
/* Where an assertion stands in a function that cannot throw, the program ends, as it would have. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wexceptions"
#else
#pragma GCC diagnostic ignored "-Wterminate"
#endif
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace
{

struct Failure {
	guint line;
	std::string text;
};

/* The end of the string that begins at @at: behind its closing quotes, or where it cannot go on. */
gsize
skip_string(std::string_view text, gsize at)
{
	const char quote = text[at];
	const bool is_long = text.substr(at, 3) == std::string(3, quote);
	const std::string closing(is_long ? 3 : 1, quote);

	for (at += closing.size(); at < text.size(); at++) {
		if (text[at] == '\n' && !is_long)
			return at;
		if (text[at] == '\\' && quote == '"') {
			at++;
		} else if (text.substr(at, closing.size()) == closing) {
			at += closing.size();
			/* Up to two more belong to a long string. */
			for (int i = 0; is_long && i < 2 && at < text.size() && text[at] == quote; i++)
				at++;
			return at;
		}
	}
	return text.size();
}

/*
 * TOML 1.0 has characters outside ASCII in strings and comments only; toml++ 3.3 behaves in an undefined way when it meets one
 * of them where it looks for white space, so it must not.
 */
void
check_ascii(std::string_view text)
{
	gsize at = 0;

	while (at < text.size()) {
		if (text[at] == '#') {
			at = std::min(text.find('\n', at), text.size());
		} else if (text[at] == '"' || text[at] == '\'') {
			at = skip_string(text, at);
		} else if (static_cast<unsigned char>(text[at]) >= 0x80) {
			guint line = 1 + std::count(text.begin(), text.begin() + at, '\n');

			throw Failure { line, "a character outside ASCII stands outside of strings and comments" };
		} else {
			at++;
		}
	}
}

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
	return std::all_of(array.begin(), array.end(), [](const toml::node &node) { return node.is_string(); });
}

bool
all_tables(const toml::array &array)
{
	return !array.empty() &&
	       std::all_of(array.begin(), array.end(), [](const toml::node &node) { return node.is_table(); });
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
		AshTomlItem *item = add_item(items, path, array, strings ? ASH_TOML_STRINGS : ASH_TOML_OTHER);

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
			throw Failure { node.source().begin.line, "a string has a NUL character" };
		add_item(items, path, node, ASH_TOML_STRING)->string = g_strdup(string->get().c_str());
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
		throw Failure { line, "key \"" + std::string(key) + "\": only letters, digits, \"_\" and \"-\" make a key" };
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
		"a string", "a whole number", "true or false", "an array of strings", "a table", "an array of tables",
		"a value of another type",
	};

	return names[type];
}

extern "C" GPtrArray *
ash_toml_parse(const char *text, gsize length, const char *file, GError **error)
{
	GPtrArray *items = g_ptr_array_new_with_free_func(reinterpret_cast<GDestroyNotify>(ash_toml_item_free));

	try {
		check_ascii(std::string_view(text, length));

		toml::table root = toml::parse(std::string_view(text, length));

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
