/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/entries.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	const char *name, *dir;
	const char *stamp; /* in an entry: its mtime is when the entry was used last; NULL: see last_use() */
} Place;

static const Place places[ASH_ENTRY_KINDS] = {
	[ASH_ENTRY_IMPORT] = { "import", "import", "manifest" },
	[ASH_ENTRY_ROOT] = { "root", "roots", NULL },
	[ASH_ENTRY_INITRAMFS] = { "initramfs", "initramfs", NULL },
	[ASH_ENTRY_MEMO] = { "memo", "memo", NULL },
	[ASH_ENTRY_LEAVES] = { "leaves", "leaves", NULL },
	[ASH_ENTRY_RECORD] = { "record", "stages", NULL },
};

void
ash_store_entry_free(AshStoreEntry *entry)
{
	if (entry == NULL)
		return;
	g_free(entry->path);
	g_free(entry->key);
	g_free(entry);
}

const char *
ash_entry_kind_to_string(AshEntryKind kind)
{
	return places[kind].name;
}

/* The mtime of a root's directory is its system's own; a change of the inode is its keeping. */
static gint64
last_use(AshStore *store, const Place *place, const char *path)
{
	g_autofree char *stamp = place->stamp != NULL ? g_build_filename(path, place->stamp, NULL) : NULL;
	struct stat info;

	if ((stamp != NULL && fstatat(store->dir_fd, stamp, &info, AT_SYMLINK_NOFOLLOW) == 0) ||
	    fstatat(store->dir_fd, path, &info, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(info.st_mode) ? info.st_ctime : info.st_mtime;
	return 0;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static gboolean
list_below(int dir_fd, const char *name, const char *prefix, GPtrArray *paths, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, name, error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		g_autofree char *path = g_strconcat(prefix, entry->d_name, NULL);
		if (entry->d_type != DT_DIR) {
			g_ptr_array_add(paths, g_steal_pointer(&path));
			continue;
		}
		g_autofree char *below = g_strconcat(path, "/", NULL);
		if (!list_below(dirfd(stream), entry->d_name, below, paths, error))
			return FALSE;
	}
	return TRUE;
}

GPtrArray *
ash_store_list_files(AshStore *store, const char *dir, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

	if (ash_file_exists(store->dir_fd, dir) && !list_below(store->dir_fd, dir, "", paths, error))
		return NULL;
	g_ptr_array_sort(paths, compare_strings);
	return g_steal_pointer(&paths);
}

/* Names in a directory, which may be missing. */
static GPtrArray *
list_names(AshStore *store, const char *path, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *absolute = g_build_filename(store->dir, path, NULL);
	g_autoptr(DIR) stream = NULL;
	struct dirent *entry;

	if (!ash_file_exists(store->dir_fd, path))
		return g_steal_pointer(&names);
	stream = opendir(absolute);
	if (stream == NULL)
		return ash_throw_errno_null(error, "cannot read the directory \"%s\"", absolute);
	while ((entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(entry->d_name));
	return g_steal_pointer(&names);
}

static void
add_entry(AshStore *store, AshEntryKind kind, const char *dir, const char *name, bool known, GPtrArray *entries)
{
	AshStoreEntry *entry = g_new0(AshStoreEntry, 1);

	entry->kind = kind;
	entry->path = g_build_filename(dir, name, NULL);
	entry->key = g_strdup(name);
	entry->known = known;
	entry->used = last_use(store, &places[kind], entry->path);
	g_ptr_array_add(entries, entry);
}

/* import/1/ab: packages by digest. */
static gboolean
list_import_bucket(AshStore *store, const char *dir, const char *bucket, GPtrArray *entries, GError **error)
{
	g_autofree char *path = g_build_filename(dir, bucket, NULL);
	g_autoptr(GPtrArray) names = list_names(store, path, error);

	for (guint i = 0; names != NULL && i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		add_entry(store, ASH_ENTRY_IMPORT, path, name,
			  ash_hex_is(name, ASH_SHA256_HEX_SIZE - 1) && g_str_has_prefix(name, bucket), entries);
	}
	return names != NULL;
}

/* import/1 */
static gboolean
list_import_layout(AshStore *store, GPtrArray *entries, GError **error)
{
	const char *dir = "import/" ASH_IMPORT_LAYOUT;
	g_autoptr(GPtrArray) buckets = list_names(store, dir, error);
	gboolean ok = buckets != NULL;

	for (guint i = 0; ok && i < buckets->len; i++) {
		const char *bucket = g_ptr_array_index(buckets, i);
		if (ash_hex_is(bucket, 2))
			ok = list_import_bucket(store, dir, bucket, entries, error);
		else
			add_entry(store, ASH_ENTRY_IMPORT, dir, bucket, false, entries);
	}
	return ok;
}

static gboolean
list_entries(AshStore *store, AshEntryKind kind, GPtrArray *entries, GError **error)
{
	const char *dir = places[kind].dir;
	g_autoptr(GPtrArray) names =
		kind == ASH_ENTRY_RECORD ? ash_store_list_files(store, dir, error) : list_names(store, dir, error);

	if (names == NULL)
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		bool layout = kind == ASH_ENTRY_IMPORT && strcmp(name, ASH_IMPORT_LAYOUT) == 0;
		if (!layout)
			add_entry(store, kind, dir, name, kind != ASH_ENTRY_IMPORT && name[0] != '.', entries);
	}
	return kind != ASH_ENTRY_IMPORT || list_import_layout(store, entries, error);
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
	const AshStoreEntry *first = *(const AshStoreEntry *const *) a, *second = *(const AshStoreEntry *const *) b;

	if (first->used != second->used)
		return first->used > second->used ? -1 : 1;
	return strcmp(first->path, second->path);
}

GPtrArray *
ash_store_list_entries(AshStore *store, AshEntryKind kind, GError **error)
{
	g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify) ash_store_entry_free);

	if (!list_entries(store, kind, entries, error))
		return NULL;
	g_ptr_array_sort(entries, compare_entries);
	return g_steal_pointer(&entries);
}
