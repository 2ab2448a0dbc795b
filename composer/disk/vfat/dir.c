/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/vfat/dir.h"

#include "base/error.h"
#include "disk/vfat/vfat.h"

#include <stdbool.h>
#include <string.h>

#define BASE_BYTES  8
#define MAX_UNITS   255
#define FIRST_YEAR  1980
#define LAST_YEAR   2107
#define MAX_NUMBERS 999999

void
ash_vfat_node_free(AshVfatNode *node)
{
	if (node == NULL)
		return;
	g_free(node->name);
	g_clear_pointer(&node->content, ash_content_unref);
	g_clear_pointer(&node->children, g_ptr_array_unref);
	g_free(node);
}

static AshVfatNode *
node_new(AshVfatNode *parent, const char *name, bool is_directory)
{
	AshVfatNode *node = g_new0(AshVfatNode, 1);

	node->name = g_strdup(name);
	node->parent = parent;
	if (is_directory)
		node->children = g_ptr_array_new_with_free_func((GDestroyNotify) ash_vfat_node_free);
	if (parent != NULL)
		g_ptr_array_add(parent->children, node);
	return node;
}

/* Names are the same without regard to case. */
static AshVfatNode *
find_child(const AshVfatNode *directory, const char *name)
{
	g_autofree char *wanted = g_utf8_casefold(name, -1);

	for (guint i = 0; i < directory->children->len; i++) {
		AshVfatNode *child = directory->children->pdata[i];
		g_autofree char *folded = g_utf8_casefold(child->name, -1);

		if (strcmp(folded, wanted) == 0)
			return child;
	}
	return NULL;
}

static gboolean
check_name(const char *name, GError **error)
{
	gsize length = strlen(name);
	glong units = 0;
	g_autofree gunichar2 *utf16 = g_utf8_to_utf16(name, -1, NULL, &units, NULL);
	bool good = utf16 != NULL && units > 0 && units <= MAX_UNITS && name[length - 1] != '.' && name[length - 1] != ' ';

	for (const char *at = name; good && *at != '\0'; at++)
		good = (guint8) *at >= ' ' && *at != 0x7f && strchr("\"*/:<>?\\|", *at) == NULL;
	return good || ash_throw(error, ASH_ERROR_CONFIG, "a FAT file system cannot have the name \"%s\"", name);
}

/* The character that a short name has for @c; '\0': none, '_': another. */
static char
short_character(char c)
{
	if (c == ' ' || c == '.')
		return '\0';
	return g_ascii_isalnum(c) || strchr("$%'-_@~`!(){}^#&", c) != NULL ? g_ascii_toupper(c) : '_';
}

/* Puts as much of @text as fits into @field; whether that says the same. */
static bool
shorten(const char *text, gsize length, guint8 *field, gsize most)
{
	gsize n = 0;
	bool same = true;

	for (gsize i = 0; i < length; i++) {
		char c = short_character(text[i]);
		same = same && c == g_ascii_toupper(text[i]) && n < most;
		if (c != '\0' && n < most)
			field[n++] = (guint8) c;
	}
	return same;
}

static bool
is_taken(const AshVfatNode *node)
{
	for (guint i = 0; i < node->parent->children->len; i++) {
		const AshVfatNode *other = node->parent->children->pdata[i];

		if (other == node)
			break;
		if (memcmp(other->short_name, node->short_name, ASH_VFAT_NAME_BYTES) == 0)
			return true;
	}
	return false;
}

/* "NAME~1", "NAME~2" ... */
static void
number_name(AshVfatNode *node, guint number)
{
	g_autofree char *tail = g_strdup_printf("~%u", number);
	gsize at = 0, length = strlen(tail);

	while (at < BASE_BYTES - length && node->short_name[at] != ' ' && node->short_name[at] != '~')
		at++;
	memset(node->short_name + at, ' ', BASE_BYTES - at);
	memcpy(node->short_name + at, tail, length);
}

/* "Basis-Name Generation Algorithm" and "Numeric-Tail Generation Algorithm" of the specification. */
static gboolean
make_short_name(AshVfatNode *node, GError **error)
{
	const char *dot = strrchr(node->name, '.');
	gsize base = dot != NULL && dot != node->name ? (gsize) (dot - node->name) : strlen(node->name);
	const char *extension = node->name + base + (node->name[base] == '.');

	memset(node->short_name, ' ', ASH_VFAT_NAME_BYTES);
	bool same = shorten(node->name, base, node->short_name, BASE_BYTES);
	same = shorten(extension, strlen(extension), node->short_name + BASE_BYTES, ASH_VFAT_NAME_BYTES - BASE_BYTES) && same;
	if (same && !is_taken(node))
		return TRUE;
	for (guint number = 1; number <= MAX_NUMBERS; number++) {
		number_name(node, number);
		if (!is_taken(node))
			return TRUE;
	}
	return ash_throw(error, ASH_ERROR_CONFIG, "a FAT directory has too many names like \"%s\"", node->name);
}

static AshVfatNode *
add_node(AshVfatNode *parent, const char *name, bool is_directory, GError **error)
{
	if (!check_name(name, error))
		return NULL;
	AshVfatNode *node = node_new(parent, name, is_directory);
	return make_short_name(node, error) ? node : NULL;
}

static gboolean
add_file(AshVfatNode *root, const AshVfatFile *file, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(file->path, "/", -1);
	bool is_directory = file->content == NULL;
	AshVfatNode *at = root;

	if (parts[0] == NULL)
		return check_name("", error);
	for (guint i = 0; parts[i] != NULL; i++) {
		AshVfatNode *found = find_child(at, parts[i]);
		bool is_last = parts[i + 1] == NULL;

		if (found != NULL && ((is_last && !is_directory) || found->children == NULL))
			return ash_throw(error, ASH_ERROR_CONFIG, "a FAT file system cannot have \"%s\" twice", file->path);
		at = found != NULL ? found : add_node(at, parts[i], !is_last || is_directory, error);
		if (at == NULL)
			return FALSE;
	}
	if (is_directory)
		return TRUE;
	if (ash_content_get_size(file->content) > G_MAXUINT32)
		return ash_throw(error, ASH_ERROR_CONFIG, "a FAT file system cannot have a file of 4 GiB: \"%s\"", file->path);
	if (ash_content_get_size(file->content) > 0)
		at->content = ash_content_ref(file->content);
	return TRUE;
}

AshVfatNode *
ash_vfat_tree_new(GPtrArray *files, GError **error)
{
	g_autoptr(AshVfatNode) root = node_new(NULL, NULL, true);

	for (guint i = 0; i < files->len; i++)
		if (!add_file(root, files->pdata[i], error))
			return NULL;
	return g_steal_pointer(&root);
}

/* Entries of a long name; none if the short one says it all. */
static guint
count_long_parts(const AshVfatNode *node)
{
	guint8 plain[ASH_VFAT_NAME_BYTES + 1];
	const char *dot = strchr(node->name, '.');
	gsize base = dot != NULL ? (gsize) (dot - node->name) : strlen(node->name);
	glong units = 0;

	memset(plain, ' ', sizeof(plain));
	if (base <= BASE_BYTES && (dot == NULL || strlen(dot + 1) <= ASH_VFAT_NAME_BYTES - BASE_BYTES)) {
		memcpy(plain, node->name, base);
		if (dot != NULL)
			memcpy(plain + BASE_BYTES, dot + 1, strlen(dot + 1));
		if (memcmp(plain, node->short_name, ASH_VFAT_NAME_BYTES) == 0)
			return 0;
	}
	g_free(g_utf8_to_utf16(node->name, -1, NULL, &units, NULL));
	return ((guint) units + ASH_VFAT_LONG_UNITS - 1) / ASH_VFAT_LONG_UNITS;
}

guint64
ash_vfat_node_get_bytes(const AshVfatNode *node, const char *label)
{
	guint64 entries = node->parent != NULL ? 2 : *label != '\0';

	if (node->children == NULL)
		return node->content != NULL ? ash_content_get_size(node->content) : 0;
	for (guint i = 0; i < node->children->len; i++)
		entries += 1 + count_long_parts(node->children->pdata[i]);
	return entries * ASH_VFAT_ENTRY_BYTES;
}

/* In steps of two seconds, from 1980 on. */
static guint32
make_time(guint64 epoch)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) MIN(epoch, (guint64) G_MAXINT32 * 2));
	int year = time != NULL ? g_date_time_get_year(time) : 0;

	if (year < FIRST_YEAR)
		return 1 << 21 | 1 << 16;
	if (year > LAST_YEAR)
		return (guint32) (LAST_YEAR - FIRST_YEAR) << 25 | 12 << 21 | 31 << 16;
	return (guint32) (year - FIRST_YEAR) << 25 | (guint32) g_date_time_get_month(time) << 21 |
	       (guint32) g_date_time_get_day_of_month(time) << 16 | (guint32) g_date_time_get_hour(time) << 11 |
	       (guint32) g_date_time_get_minute(time) << 5 | (guint32) g_date_time_get_second(time) / 2;
}

static void
add_entry(GByteArray *list, const guint8 *short_name, guint8 attributes, guint32 cluster, guint32 bytes, guint32 time)
{
	guint8 entry[ASH_VFAT_ENTRY_BYTES] = { 0 };

	memcpy(entry, short_name, ASH_VFAT_NAME_BYTES);
	entry[11] = attributes;
	ash_vfat_put32(entry + 14, time);
	ash_vfat_put16(entry + 18, (guint16) (time >> 16));
	ash_vfat_put16(entry + 20, (guint16) (cluster >> 16));
	ash_vfat_put32(entry + 22, time);
	ash_vfat_put16(entry + 26, (guint16) cluster);
	ash_vfat_put32(entry + 28, bytes);
	g_byte_array_append(list, entry, sizeof(entry));
}

static guint8
checksum(const guint8 *short_name)
{
	guint8 sum = 0;

	for (guint i = 0; i < ASH_VFAT_NAME_BYTES; i++)
		sum = (guint8) ((sum >> 1 | sum << 7) + short_name[i]);
	return sum;
}

/* The last part comes first; behind the name's end comes a zero, then ones. */
static void
add_long_name(GByteArray *list, const AshVfatNode *node)
{
	glong units = 0;
	g_autofree gunichar2 *name = g_utf8_to_utf16(node->name, -1, NULL, &units, NULL);
	guint parts = count_long_parts(node);

	for (guint part = parts; part > 0; part--) {
		guint8 entry[ASH_VFAT_ENTRY_BYTES] = { 0 };

		entry[0] = (guint8) (part | (part == parts ? ASH_VFAT_LAST_PART : 0));
		entry[11] = ASH_VFAT_ATTR_LONG_NAME;
		entry[13] = checksum(node->short_name);
		for (guint i = 0; i < ASH_VFAT_LONG_UNITS; i++) {
			glong at = (glong) (part - 1) * ASH_VFAT_LONG_UNITS + i;
			ash_vfat_put16(entry + ash_vfat_long_places[i], at <= units ? name[at] : 0xffff);
		}
		g_byte_array_append(list, entry, sizeof(entry));
	}
}

/* ".." of what is in the root has no cluster. */
static void
add_dots(GByteArray *list, const AshVfatNode *node, guint32 time)
{
	guint32 above = node->parent->parent != NULL ? node->parent->cluster : 0;

	add_entry(list, (const guint8 *) ".          ", ASH_VFAT_ATTR_DIRECTORY, node->cluster, 0, time);
	add_entry(list, (const guint8 *) "..         ", ASH_VFAT_ATTR_DIRECTORY, above, 0, time);
}

static void
add_label(GByteArray *list, const char *label, guint32 time)
{
	g_autofree char *padded = g_strdup_printf("%-11.11s", label);

	add_entry(list, (const guint8 *) padded, ASH_VFAT_ATTR_VOLUME, 0, 0, time);
}

GByteArray *
ash_vfat_node_list(const AshVfatNode *node, const char *label, guint64 epoch)
{
	GByteArray *list = g_byte_array_new();
	guint32 time = make_time(epoch);

	if (node->parent != NULL)
		add_dots(list, node, time);
	else if (*label != '\0')
		add_label(list, label, time);
	for (guint i = 0; i < node->children->len; i++) {
		const AshVfatNode *child = node->children->pdata[i];
		bool is_directory = child->children != NULL;

		add_long_name(list, child);
		add_entry(list, child->short_name, is_directory ? ASH_VFAT_ATTR_DIRECTORY : ASH_VFAT_ATTR_ARCHIVE, child->cluster,
			  is_directory ? 0 : (guint32) ash_vfat_node_get_bytes(child, label), time);
	}
	return list;
}
