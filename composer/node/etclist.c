/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/etclist.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE_BYTES (64 * 1024 * 1024)
#define MAX_LINK_BYTES 4096
#define MAX_DEPTH      32
#define LINK_MODE      0777

static void
file_free(gpointer data)
{
	AshNodeEtcFile *file = data;

	g_free(file->sha256);
	g_free(file);
}

AshNodeEtcList *
ash_node_etc_list_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_free);
}

/* Takes @sha256. */
static void
add(AshNodeEtcList *list, const char *path, char *sha256, guint mode, bool is_link)
{
	AshNodeEtcFile *file = g_new0(AshNodeEtcFile, 1);

	file->sha256 = sha256;
	file->mode = is_link ? LINK_MODE : mode & 07777;
	file->is_link = is_link;
	g_hash_table_replace(list, g_strdup(path), file);
}

bool
ash_node_etc_file_equal(const AshNodeEtcFile *one, const AshNodeEtcFile *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return strcmp(one->sha256, other->sha256) == 0 && (one->is_link || other->is_link || one->mode == other->mode);
}

static gboolean
add_regular(AshNodeEtcList *list, int dir_fd, const char *name, const char *path, guint mode, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, error);
	char *sha256 = fd >= 0 ? ash_sha256_fd_hex(fd, error) : NULL;

	if (sha256 == NULL)
		return ash_prefix(error, "/etc/%s", path);
	add(list, path, sha256, mode, false);
	return TRUE;
}

static gboolean read_directory(AshNodeEtcList *list, int dir_fd, const char *name, const char *prefix, guint depth, GError **error);

static gboolean
read_entry(AshNodeEtcList *list, int dir_fd, const char *name, const char *path, guint depth, GError **error)
{
	char target[MAX_LINK_BYTES];
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || ash_throw_errno(error, "cannot look at \"/etc/%s\"", path);
	if (S_ISDIR(st.st_mode))
		return read_directory(list, dir_fd, name, path, depth + 1, error);
	if (S_ISREG(st.st_mode))
		return add_regular(list, dir_fd, name, path, st.st_mode, error);
	if (!S_ISLNK(st.st_mode))
		return TRUE;
	const gssize length = readlinkat(dir_fd, name, target, sizeof(target));
	if (length < 0)
		return ash_throw_errno(error, "cannot read the link \"/etc/%s\"", path);
	add(list, path, ash_sha256_hex(target, length), LINK_MODE, true);
	return TRUE;
}

static gboolean
read_directory(AshNodeEtcList *list, int dir_fd, const char *name, const char *prefix, guint depth, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, name, error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	if (depth > MAX_DEPTH)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"/etc/%s\": directories are nested too deep", prefix);
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		g_autofree char *path = *prefix != '\0' ? g_build_filename(prefix, entry->d_name, NULL) : g_strdup(entry->d_name);
		if (!read_entry(list, dirfd(stream), entry->d_name, path, depth, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_node_etc_list_read_directory(AshNodeEtcList *list, int dir_fd, const char *name, GError **error)
{
	return read_directory(list, dir_fd, name, "", 0, error);
}

static gboolean read_erofs(AshNodeEtcList *list, AshErofsReader *reader, const char *path, guint depth, GError **error);

static gboolean
read_erofs_entry(AshNodeEtcList *list, AshErofsReader *reader, const char *path, guint depth, GError **error)
{
	const char *below = path + strlen("etc/");
	AshErofsStat st;

	if (!ash_erofs_stat(reader, path, false, &st, error))
		return FALSE;
	if (S_ISDIR(st.mode))
		return read_erofs(list, reader, path, depth + 1, error);
	if (S_ISLNK(st.mode)) {
		g_autofree char *target = ash_erofs_read_link(reader, path, error);
		if (target == NULL)
			return FALSE;
		add(list, below, ash_sha256_hex(target, -1), LINK_MODE, true);
		return TRUE;
	}
	if (!S_ISREG(st.mode))
		return TRUE;
	g_autoptr(GBytes) bytes = ash_erofs_load(reader, path, MAX_FILE_BYTES, error);
	if (bytes == NULL)
		return FALSE;
	add(list, below, ash_sha256_hex(g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes)), st.mode, false);
	return TRUE;
}

static gboolean
read_erofs(AshNodeEtcList *list, AshErofsReader *reader, const char *path, guint depth, GError **error)
{
	g_auto(GStrv) names = ash_erofs_list(reader, path, error);

	if (names == NULL)
		return FALSE;
	if (depth > MAX_DEPTH)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\": directories are nested too deep", path);
	for (guint i = 0; names[i] != NULL; i++) {
		g_autofree char *child = g_build_filename(path, names[i], NULL);
		if (!read_erofs_entry(list, reader, child, depth, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_node_etc_list_read_erofs(AshNodeEtcList *list, AshErofsReader *reader, GError **error)
{
	return read_erofs(list, reader, "etc", 0, error);
}

gboolean
ash_node_etc_list_parse(AshNodeEtcList *list, const char *text, GError **error)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint8 sum[ASH_SHA256_SIZE];

	for (guint i = 0; lines[i] != NULL; i++) {
		g_auto(GStrv) fields = g_strsplit(lines[i], "  ", 3);
		char *end = NULL;
		if (*lines[i] == '\0')
			continue;
		const guint64 mode = g_strv_length(fields) == 3 ? g_ascii_strtoull(fields[1], &end, 8) : 0;
		if (end == NULL || end == fields[1] || *end != '\0' || *fields[2] == '\0')
			return ash_throw(error, ASH_ERROR_TRUST, "line %u of the defaults of /etc is not \"sha256  mode  path\"", i + 1);
		/* Directories and the like have no content. */
		if (!ash_hex_decode(fields[0], sum, sizeof(sum)))
			continue;
		add(list, fields[2], g_ascii_strdown(fields[0], -1), (guint) mode, S_ISLNK(mode));
	}
	return TRUE;
}
