/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/strictjson.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
	const char *text;
	gsize length;
	gsize at;
	guint depth;     /* of what is open */
	guint max_depth;
	AshErrorCode code;
	const char *what;
} Reader;

static JsonNode *read_value(Reader *reader, GError **error);

static gboolean
fail(const Reader *reader, gsize at, const char *problem, GError **error)
{
	return ash_throw(error, reader->code, "\"%s\": byte %" G_GSIZE_FORMAT ": %s", reader->what, at, problem);
}

#define fail_null(...) (fail(__VA_ARGS__), NULL)

/* The next byte, or NUL at the end: which no token has, since the text is checked to have none. */
static char
peek(const Reader *reader)
{
	return reader->at < reader->length ? reader->text[reader->at] : '\0';
}

static void
skip_blanks(Reader *reader)
{
	while (reader->at < reader->length && strchr(" \t\r\n", reader->text[reader->at]) != NULL)
		reader->at++;
}

static bool
take(Reader *reader, char c)
{
	if (peek(reader) != c)
		return false;
	reader->at++;
	return true;
}

/* Four hexadecimal digits after "\u"; -1 if they are not. */
static gint32
read_unit(Reader *reader)
{
	gint32 unit = 0;

	for (int i = 0; i < 4; i++) {
		int digit = g_ascii_xdigit_value(peek(reader));
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
		reader->at++;
	}
	return unit;
}

static gboolean
read_unicode_escape(Reader *reader, GString *out, GError **error)
{
	gsize start = reader->at - 2;
	gint32 unit = read_unit(reader);

	if (unit >= 0xd800 && unit <= 0xdbff && reader->length - reader->at >= 6 &&
	    reader->text[reader->at] == '\\' && reader->text[reader->at + 1] == 'u') {
		reader->at += 2;
		gint32 low = read_unit(reader);
		unit = low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : -1;
	}
	if (unit == 0)
		return fail(reader, start, "\\u0000 in a string", error);
	if (unit < 0 || (unit >= 0xd800 && unit <= 0xdfff))
		return fail(reader, start, "\\u without a character", error);
	g_string_append_unichar(out, (gunichar) unit);
	return TRUE;
}

static gboolean
read_escape(Reader *reader, GString *out, GError **error)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char c = peek(reader);
	const char *found = c != '\0' ? strchr(names, c) : NULL;

	reader->at++;
	if (c == 'u')
		return read_unicode_escape(reader, out, error);
	if (found == NULL)
		return fail(reader, reader->at - 2, "unknown escape in a string", error);
	g_string_append_c(out, values[found - names]);
	return TRUE;
}

/* After the opening quote. */
static char *
read_string(Reader *reader, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);

	for (;;) {
		char c = peek(reader);
		if (reader->at >= reader->length)
			return fail_null(reader, reader->at, "the text ends in a string", error);
		if ((guchar) c < 0x20)
			return fail_null(reader, reader->at, "control character in a string", error);
		reader->at++;
		if (c == '"')
			return g_string_free(g_steal_pointer(&out), FALSE);
		if (c != '\\')
			g_string_append_c(out, c);
		else if (!read_escape(reader, out, error))
			return NULL;
	}
}

static JsonNode *
read_integer(Reader *reader, GError **error)
{
	gsize start = reader->at;
	bool negative = take(reader, '-');
	gsize digits = reader->at;
	gint64 value;

	while (g_ascii_isdigit(peek(reader)))
		reader->at++;
	gsize count = reader->at - digits;
	if (count == 0)
		return fail_null(reader, start, "not a JSON value", error);
	if (peek(reader) == '.' || peek(reader) == 'e' || peek(reader) == 'E')
		return fail_null(reader, start, "a number that is no integer", error);
	if (reader->text[digits] == '0' && (count > 1 || negative))
		return fail_null(reader, start, "an integer with leading zeros, or -0", error);
	g_autofree char *text = g_strndup(reader->text + start, reader->at - start);
	if (count > 19 || !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &value, NULL))
		return fail_null(reader, start, "an integer beyond 64 bits", error);
	return json_node_init_int(json_node_alloc(), value);
}

/* One "name": value into @object. */
static gboolean
read_member(Reader *reader, JsonObject *object, GError **error)
{
	gsize start = reader->at;

	if (!take(reader, '"'))
		return fail(reader, start, "a member's name was expected", error);
	g_autofree char *name = read_string(reader, error);
	if (name == NULL)
		return FALSE;
	if (json_object_has_member(object, name))
		return fail(reader, start, "a member that is there already", error);
	skip_blanks(reader);
	if (!take(reader, ':'))
		return fail(reader, reader->at, "\":\" was expected", error);
	JsonNode *value = read_value(reader, error);
	if (value == NULL)
		return FALSE;
	json_object_set_member(object, name, value);
	return TRUE;
}

static gboolean
read_element(Reader *reader, JsonArray *array, GError **error)
{
	JsonNode *value = read_value(reader, error);

	if (value == NULL)
		return FALSE;
	json_array_add_element(array, value);
	return TRUE;
}

/* The rest of an object (into @object) or array (into @array) after its opening bracket, up to @close. */
static gboolean
read_items(Reader *reader, JsonObject *object, JsonArray *array, char close, GError **error)
{
	if (++reader->depth > reader->max_depth)
		return fail(reader, reader->at, "nested too deeply", error);
	skip_blanks(reader);
	for (bool first = true; !take(reader, close); first = false) {
		if (!first && !take(reader, ','))
			return fail(reader, reader->at, "\",\" or the end of the list was expected", error);
		skip_blanks(reader);
		if (!(object != NULL ? read_member(reader, object, error) : read_element(reader, array, error)))
			return FALSE;
		skip_blanks(reader);
	}
	reader->depth--;
	return TRUE;
}

static JsonNode *
read_object(Reader *reader, GError **error)
{
	g_autoptr(JsonObject) object = json_object_new();

	if (!read_items(reader, object, NULL, '}', error))
		return NULL;
	return json_node_init_object(json_node_alloc(), object);
}

static JsonNode *
read_array(Reader *reader, GError **error)
{
	g_autoptr(JsonArray) array = json_array_new();

	if (!read_items(reader, NULL, array, ']', error))
		return NULL;
	return json_node_init_array(json_node_alloc(), array);
}

static bool
take_word(Reader *reader, const char *word)
{
	gsize length = strlen(word);

	if (reader->length - reader->at < length || memcmp(reader->text + reader->at, word, length) != 0)
		return false;
	reader->at += length;
	return true;
}

static JsonNode *
read_value(Reader *reader, GError **error)
{
	skip_blanks(reader);
	if (take(reader, '{'))
		return read_object(reader, error);
	if (take(reader, '['))
		return read_array(reader, error);
	if (take(reader, '"')) {
		g_autofree char *text = read_string(reader, error);
		return text != NULL ? json_node_init_string(json_node_alloc(), text) : NULL;
	}
	if (take_word(reader, "true"))
		return json_node_init_boolean(json_node_alloc(), TRUE);
	if (take_word(reader, "false"))
		return json_node_init_boolean(json_node_alloc(), FALSE);
	if (take_word(reader, "null"))
		return json_node_init_null(json_node_alloc());
	return read_integer(reader, error);
}

static gboolean
check_text(const Reader *reader, gsize most, GError **error)
{
	const char *end;

	if (reader->length > most)
		return ash_throw(error, reader->code, "\"%s\": %" G_GSIZE_FORMAT " bytes are more than the %" G_GSIZE_FORMAT " allowed",
				 reader->what, reader->length, most);
	if (reader->length >= 3 && memcmp(reader->text, "\xef\xbb\xbf", 3) == 0)
		return fail(reader, 0, "a byte-order mark", error);
	if (!g_utf8_validate_len(reader->text, reader->length, &end))
		return fail(reader, (gsize) (end - reader->text), "not UTF-8, or NUL", error);
	return TRUE;
}

JsonNode *
ash_strict_json_parse(const char *text, gsize length, const AshJsonLimits *limits, const char *what, GError **error)
{
	const AshJsonLimits none = { 0 };
	const AshJsonLimits *set = limits != NULL ? limits : &none;
	Reader reader = {
		.text = text,
		.length = length,
		.max_depth = set->depth > 0 ? set->depth : ASH_STRICT_JSON_DEPTH,
		.code = set->code != ASH_ERROR_INTERNAL ? set->code : ASH_ERROR_TRUST,
		.what = what,
	};

	if (!check_text(&reader, set->bytes > 0 ? set->bytes : ASH_STRICT_JSON_BYTES, error))
		return NULL;
	g_autoptr(JsonNode) node = read_value(&reader, error);
	if (node == NULL)
		return NULL;
	skip_blanks(&reader);
	if (reader.at < length)
		return fail_null(&reader, reader.at, "text after the value", error);
	return g_steal_pointer(&node);
}

JsonNode *
ash_strict_json_parse_object(const char *text, gsize length, const AshJsonLimits *limits, const char *what, GError **error)
{
	g_autoptr(JsonNode) node = ash_strict_json_parse(text, length, limits, what, error);

	if (node != NULL && !JSON_NODE_HOLDS_OBJECT(node))
		return ash_throw_null(error, limits != NULL && limits->code != ASH_ERROR_INTERNAL ? limits->code : ASH_ERROR_TRUST,
				      "\"%s\": not a JSON object", what);
	return g_steal_pointer(&node);
}

static gboolean
throw_type(const char *member, const char *type, GError **error)
{
	return ash_throw(error, ASH_ERROR_TRUST, "member \"%s\" is missing or not %s", member, type);
}

const char *
ash_strict_json_string(JsonObject *object, const char *member, GError **error)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node == NULL || json_node_get_value_type(node) != G_TYPE_STRING)
		return throw_type(member, "a string", error), NULL;
	return json_node_get_string(node);
}

gboolean
ash_strict_json_int(JsonObject *object, const char *member, gint64 least, gint64 most, gint64 *ret_value, GError **error)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node == NULL || json_node_get_value_type(node) != G_TYPE_INT64)
		return throw_type(member, "an integer", error);
	gint64 value = json_node_get_int(node);
	if (value < least || value > most)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "member \"%s\" is %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, member,
				 value, least, most);
	*ret_value = value;
	return TRUE;
}

gboolean
ash_strict_json_bool(JsonObject *object, const char *member, gboolean *ret_value, GError **error)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node == NULL || json_node_get_value_type(node) != G_TYPE_BOOLEAN)
		return throw_type(member, "true or false", error);
	*ret_value = json_node_get_boolean(node);
	return TRUE;
}

JsonObject *
ash_strict_json_object(JsonObject *object, const char *member, GError **error)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
		return throw_type(member, "an object", error), NULL;
	return json_node_get_object(node);
}

JsonArray *
ash_strict_json_array(JsonObject *object, const char *member, GError **error)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node))
		return throw_type(member, "an array", error), NULL;
	return json_node_get_array(node);
}

char **
ash_strict_json_strv(JsonObject *object, const char *member, GError **error)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	JsonArray *array = ash_strict_json_array(object, member, error);

	if (array == NULL)
		return NULL;
	for (guint i = 0; i < json_array_get_length(array); i++) {
		JsonNode *element = json_array_get_element(array, i);
		if (json_node_get_value_type(element) != G_TYPE_STRING)
			return throw_type(member, "an array of strings", error), NULL;
		g_strv_builder_add(builder, json_node_get_string(element));
	}
	return g_strv_builder_end(builder);
}
