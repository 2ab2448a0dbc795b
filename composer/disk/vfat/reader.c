/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/vfat/vfat.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/vfat/format.h"

#include <string.h>

/* Everything here is outside bytes: every chain is bounded by the number of clusters, every number is checked before it is used. */
#define MAX_FILE_BYTES      ASH_GIB
#define MAX_DIRECTORY_BYTES (2 * ASH_MIB) /* 65,536 entries */

struct AshVfatReader {
	int fd; /* borrowed */
	guint64 base;
	guint32 cluster_bytes;
	guint64 fat;  /* offset of the first table, bytes */
	guint64 data; /* offset of cluster 2, bytes */
	guint32 clusters;
	guint32 root_cluster;
};

/** One directory entry. */
typedef struct {
	char *name;
	guint32 cluster;
	guint32 bytes;
	bool is_directory;
} Entry;

AshVfatReader *
ash_vfat_open(int fd, guint64 offset, GError **error)
{
	g_autoptr(AshVfatReader) reader = g_new0(AshVfatReader, 1);
	guint8 boot[512];
	guint32 sector_bytes, cluster_sectors, total_sectors, fat_sectors;
	guint64 data_sector;

	if (!ash_fd_read_exact(fd, boot, sizeof(boot), offset, error))
		return NULL;
	sector_bytes = ash_vfat_get16(boot + 11);
	cluster_sectors = boot[13];
	total_sectors = ash_vfat_get32(boot + 32);
	fat_sectors = ash_vfat_get32(boot + 36);
	if (boot[510] != 0x55 || boot[511] != 0xaa || ash_vfat_get16(boot + 17) != 0 ||
	    ash_vfat_get16(boot + 22) != 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "not a FAT32 file system");
	if (sector_bytes < 512 || sector_bytes > 4096 || (sector_bytes & (sector_bytes - 1)) != 0 ||
	    cluster_sectors == 0 || cluster_sectors > 128)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "FAT32: odd sector or cluster size");
	data_sector = ash_vfat_get16(boot + 14) + (guint64) boot[16] * fat_sectors;
	if (data_sector >= total_sectors)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "FAT32: tables are larger than the file system");
	reader->fd = fd;
	reader->base = offset;
	reader->cluster_bytes = sector_bytes * cluster_sectors;
	reader->fat = offset + (guint64) ash_vfat_get16(boot + 14) * sector_bytes;
	reader->data = offset + data_sector * sector_bytes;
	reader->clusters = (guint32) ((total_sectors - data_sector) / cluster_sectors);
	reader->clusters =
	    (guint32) MIN(reader->clusters, (guint64) fat_sectors * sector_bytes / 4);
	reader->root_cluster = ash_vfat_get32(boot + 44) & ASH_VFAT_CLUSTER_MASK;
	return g_steal_pointer(&reader);
}

void
ash_vfat_close(AshVfatReader *reader)
{
	g_free(reader);
}

/* Reads a chain: up to @limit bytes, or the whole of a directory if @limit is 0. */
static GByteArray *
read_chain(AshVfatReader *reader, guint32 cluster, guint64 limit, GError **error)
{
	g_autoptr(GByteArray) out = g_byte_array_new();
	guint64 most = limit != 0 ? limit : MAX_DIRECTORY_BYTES;

	while (cluster < ASH_VFAT_END_OF_CHAIN && (limit == 0 || out->len < limit)) {
		gsize part = (gsize) MIN(reader->cluster_bytes,
					 limit != 0 ? limit - out->len : reader->cluster_bytes);
		gsize at = out->len;
		guint8 next[4];

		if (cluster < 2 || cluster - 2 >= reader->clusters || at + part > most)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "FAT32: a chain of clusters is damaged");
		g_byte_array_set_size(out, (guint) (at + part));
		if (!ash_fd_read_exact(
			reader->fd, out->data + at, part,
			reader->data + (guint64) (cluster - 2) * reader->cluster_bytes, error) ||
		    !ash_fd_read_exact(reader->fd, next, sizeof(next),
				       reader->fat + (guint64) cluster * 4, error))
			return NULL;
		cluster = ash_vfat_get32(next) & ASH_VFAT_CLUSTER_MASK;
	}
	if (out->len < limit)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "FAT32: a file is shorter than its entry says");
	return g_steal_pointer(&out);
}

static void
entry_clear(Entry *entry)
{
	g_free(entry->name);
}

/* "NAME    EXT" with the flags that say which half is in lower case (byte 12). */
static char *
short_name(const guint8 *raw)
{
	GString *name = g_string_new(NULL);

	for (guint i = 0; i < 11; i++) {
		bool lower = (raw[12] & (i < 8 ? 0x08 : 0x10)) != 0;

		if (raw[i] == ' ')
			continue;
		if (i >= 8 && strchr(name->str, '.') == NULL)
			g_string_append_c(name, '.');
		g_string_append_c(name, raw[i] >= 0x80 ? '?'
					: lower        ? g_ascii_tolower((char) raw[i])
						       : (char) raw[i]);
	}
	return g_string_free(name, FALSE);
}

/** Parts of a long name, which come before the entry, last part first. */
typedef struct {
	gunichar2 units[ASH_VFAT_LONG_UNITS * ASH_VFAT_LONG_PARTS];
	guint parts;
} LongName;

static void
collect_long_name(LongName *name, const guint8 *raw)
{
	guint number = raw[0] & 0x3f;

	if ((raw[0] & ASH_VFAT_LAST_PART) != 0) {
		memset(name, 0, sizeof(*name));
		name->parts = number;
	}
	if (number == 0 || number > ASH_VFAT_LONG_PARTS || name->parts > ASH_VFAT_LONG_PARTS)
		return;
	for (guint i = 0; i < ASH_VFAT_LONG_UNITS; i++)
		name->units[(number - 1) * ASH_VFAT_LONG_UNITS + i] = ash_vfat_get16(raw + ash_vfat_long_places[i]);
}

static char *
finish_name(LongName *name, const guint8 *raw)
{
	g_autofree char *text = NULL;
	glong length = 0;

	if (name->parts > 0 && name->parts <= ASH_VFAT_LONG_PARTS) {
		while (length < (glong) (name->parts * ASH_VFAT_LONG_UNITS) && name->units[length] != 0)
			length++;
		text = g_utf16_to_utf8(name->units, length, NULL, NULL, NULL);
	}
	name->parts = 0;
	if (text != NULL && text[0] != '\0' && strchr(text, '/') == NULL)
		return g_steal_pointer(&text);
	return short_name(raw);
}

static GArray *
read_directory(AshVfatReader *reader, guint32 cluster, GError **error)
{
	g_autoptr(GByteArray) data = read_chain(reader, cluster, 0, error);
	g_autoptr(GArray) entries = g_array_new(FALSE, TRUE, sizeof(Entry));
	LongName name = {.parts = 0};

	if (data == NULL)
		return NULL;
	g_array_set_clear_func(entries, (GDestroyNotify) entry_clear);
	for (gsize at = 0; at + ASH_VFAT_ENTRY_BYTES <= data->len && data->data[at] != 0;
	     at += ASH_VFAT_ENTRY_BYTES) {
		const guint8 *raw = data->data + at;
		Entry entry = {.bytes = ash_vfat_get32(raw + 28)};

		if (raw[0] == 0xe5)
			continue;
		if ((raw[11] & 0x3f) == ASH_VFAT_ATTR_LONG_NAME) {
			collect_long_name(&name, raw);
			continue;
		}
		if ((raw[11] & ASH_VFAT_ATTR_VOLUME) != 0)
			continue;
		entry.cluster = ((guint32) ash_vfat_get16(raw + 20) << 16 | ash_vfat_get16(raw + 26)) & ASH_VFAT_CLUSTER_MASK;
		entry.is_directory = (raw[11] & ASH_VFAT_ATTR_DIRECTORY) != 0;
		entry.name = finish_name(&name, raw);
		g_array_append_val(entries, entry);
	}
	return g_steal_pointer(&entries);
}

static gboolean
find_entry(AshVfatReader *reader, const char *path, Entry *ret_entry, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);

	*ret_entry = (Entry){.cluster = reader->root_cluster, .is_directory = true};
	for (guint i = 0; parts[i] != NULL; i++) {
		g_autoptr(GArray) entries = NULL;
		bool found = false;

		if (parts[i][0] == '\0')
			continue;
		entries = ret_entry->is_directory
			      ? read_directory(reader, ret_entry->cluster, error)
			      : NULL;
		if (entries == NULL && ret_entry->is_directory)
			return FALSE;
		for (guint j = 0; entries != NULL && j < entries->len && !found; j++) {
			const Entry *entry = &g_array_index(entries, Entry, j);

			found = g_ascii_strcasecmp(entry->name, parts[i]) == 0;
			if (found)
				*ret_entry = (Entry){NULL, entry->cluster, entry->bytes,
						     entry->is_directory};
		}
		if (!found)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "no file \"%s\" in the FAT file system", path);
	}
	return TRUE;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char **
ash_vfat_list(AshVfatReader *reader, const char *path, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GArray) entries = NULL;
	Entry directory;

	if (!find_entry(reader, path, &directory, error))
		return NULL;
	if (!directory.is_directory)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" is no directory", path);
	entries = read_directory(reader, directory.cluster, error);
	if (entries == NULL)
		return NULL;
	for (guint i = 0; i < entries->len; i++) {
		const char *name = g_array_index(entries, Entry, i).name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			g_ptr_array_add(names, g_strdup(name));
	}
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

GBytes *
ash_vfat_load(AshVfatReader *reader, const char *path, GError **error)
{
	GByteArray *data;
	Entry file;

	if (!find_entry(reader, path, &file, error))
		return NULL;
	if (file.is_directory || file.bytes > MAX_FILE_BYTES)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" is no file of at most 1 GiB",
				      path);
	if (file.bytes == 0)
		return g_bytes_new(NULL, 0);
	data = read_chain(reader, file.cluster, file.bytes, error);
	return data != NULL ? g_byte_array_free_to_bytes(data) : NULL;
}
