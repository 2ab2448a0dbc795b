/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree-dump.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/shared.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_MAX 65536

typedef struct {
	gint64 since;
	GString *text;
	GHashTable *seen; /* "device:inode" -> path */
} Dump;

static gint
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
list_sorted(const char *path)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	DIR *dir = opendir(path);

	for (struct dirent *item = dir != NULL ? readdir(dir) : NULL; item != NULL; item = readdir(dir))
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(item->d_name));
	if (dir != NULL)
		closedir(dir);
	g_ptr_array_sort(names, compare_names);
	return names;
}

static void
dump_xattrs(Dump *dump, const char *path)
{
	g_autofree char *names = g_malloc(XATTR_MAX);
	g_autofree guint8 *value = g_malloc(XATTR_MAX);
	ssize_t length = llistxattr(path, names, XATTR_MAX);

	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		if (strcmp(name, ASH_SHARED_XATTR) == 0 || strcmp(name, ASH_SHARED_OBJECT_XATTR) == 0)
			continue;
		ssize_t got = lgetxattr(path, name, value, XATTR_MAX);
		g_autofree char *hex = ash_hex_encode(value, got > 0 ? (gsize) got : 0);
		g_string_append_printf(dump->text, " %s=%s", name, hex);
	}
}

static gboolean
dump_content(Dump *dump, const char *path, const struct stat *info, GError **error)
{
	if (S_ISLNK(info->st_mode)) {
		g_autofree char *target = g_malloc0((gsize) info->st_size + 1);
		if (readlink(path, target, (gsize) info->st_size) < 0)
			return ash_throw_errno(error, "\"%s\"", path);
		g_string_append_printf(dump->text, " -> %s", target);
	} else if (S_ISREG(info->st_mode)) {
		ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);
		g_autofree char *sum = fd >= 0 ? ash_sha256_fd_hex(fd, error) : NULL;
		if (sum == NULL)
			return FALSE;
		g_string_append_printf(dump->text, " %" G_GINT64_FORMAT " %s", (gint64) info->st_size, sum);
	}
	return TRUE;
}

static gboolean
dump_node(Dump *dump, const char *path, const char *shown, GError **error)
{
	struct stat info;

	if (lstat(path, &info) < 0)
		return ash_throw_errno(error, "\"%s\"", path);
	g_string_append_printf(dump->text, "%s %06o %u:%u %u:%u", shown, info.st_mode, info.st_uid, info.st_gid,
			       major(info.st_rdev), minor(info.st_rdev));
	if (info.st_mtim.tv_sec >= dump->since)
		g_string_append(dump->text, " now");
	else
		g_string_append_printf(dump->text, " %" G_GINT64_FORMAT ".%09ld", (gint64) info.st_mtim.tv_sec,
				       info.st_mtim.tv_nsec);
	if (!dump_content(dump, path, &info, error))
		return FALSE;
	dump_xattrs(dump, path);
	char *key = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64) info.st_dev, (guint64) info.st_ino);
	const char *first = g_hash_table_lookup(dump->seen, key);
	if (first != NULL)
		g_string_append_printf(dump->text, " = %s", first);
	if (first == NULL)
		g_hash_table_insert(dump->seen, key, g_strdup(shown));
	else
		g_free(key);
	g_string_append_c(dump->text, '\n');
	if (!S_ISDIR(info.st_mode))
		return TRUE;
	g_autoptr(GPtrArray) names = list_sorted(path);
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		g_autofree char *below = g_build_filename(path, name, NULL), *show = g_strconcat(shown, "/", name, NULL);
		if (!dump_node(dump, below, show, error))
			return FALSE;
	}
	return TRUE;
}

JsonObject *
tree_dump_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	Dump dump = { .since = json_object_get_int_member(request, "since") };
	JsonObject *reply = NULL;

	dump.text = g_string_new(NULL);
	dump.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (dump_node(&dump, json_object_get_string_member(request, "root"), "", error)) {
		g_autofree char *base64 = g_base64_encode((const guchar *) dump.text->str, dump.text->len);
		reply = json_object_new();
		/* File names need not be UTF-8. */
		json_object_set_string_member(reply, "text", base64);
	}
	g_string_free(dump.text, TRUE);
	g_hash_table_unref(dump.seen);
	return reply;
}

char *
tree_dump(AshContext *ctx, const char *root, gint64 since, GError **error)
{
	g_autoptr(JsonObject) request = json_object_new();
	gsize length = 0;

	json_object_set_string_member(request, "root", root);
	json_object_set_int_member(request, "since", since);
	g_autoptr(JsonObject) reply = ash_worker_call(ctx, TREE_DUMP_WORKER, request, error);
	if (reply == NULL)
		return NULL;
	g_autofree guchar *text = g_base64_decode(json_object_get_string_member(reply, "text"), &length);
	return g_strndup((const char *) text, length);
}
