/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/userns.h"

#include "base/error.h"
#include "base/file.h"
#include "base/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The two maps of a user namespace, and where each takes its ids from. */
typedef struct {
	const char *map;  /* file in /proc/PID */
	const char *subs; /* subordinate ids of ordinary users */
	const char *option; /* of usermod(8), that adds some */
	AshTool tool;
} IdKind;

static const IdKind id_kinds[] = {
	{ "uid_map", "/etc/subuid", "--add-subuids", ASH_TOOL_NEWUIDMAP },
	{ "gid_map", "/etc/subgid", "--add-subgids", ASH_TOOL_NEWGIDMAP },
};

char *
ash_userns_identity_map(const char *own_map, const char *what, GError **error)
{
	g_autoptr(GString) lines = g_string_new(NULL);
	g_auto(GStrv) extents = g_strsplit(own_map, "\n", -1);
	guint64 next = 0;
	bool found = true;

	while (next < ASH_USERNS_IDS && found) {
		found = false;
		for (gsize i = 0; extents[i] != NULL && !found; i++) {
			guint64 inside, outside, count;
			if (sscanf(extents[i], "%" G_GUINT64_FORMAT "%" G_GUINT64_FORMAT "%" G_GUINT64_FORMAT,
				   &inside, &outside, &count) != 3)
				continue;
			if (next < inside || next - inside >= count)
				continue;
			guint64 end = MIN(inside + count, ASH_USERNS_IDS);
			g_string_append_printf(lines,
					       "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
					       "\n",
					       next, next, end - next);
			next = end;
			found = true;
		}
	}
	if (next < ASH_USERNS_IDS)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"%s\" of this container has no id %" G_GUINT64_FORMAT
				      ": start it with at least %u ids",
				      what, next, ASH_USERNS_IDS);
	return g_string_free(g_steal_pointer(&lines), FALSE);
}

/* One line "user:start:count" of subuid(5), where user is a name or a number. */
static bool
parse_subid_line(const char *line, const char *name, uid_t id, AshIdRange *ret_range)
{
	g_auto(GStrv) fields = g_strsplit(line, ":", 4);
	g_autofree char *number = g_strdup_printf("%u", (guint) id);
	guint64 start, count;

	if (g_strv_length(fields) != 3)
		return false;
	if (g_strcmp0(fields[0], name) != 0 && strcmp(fields[0], number) != 0)
		return false;
	if (!g_ascii_string_to_unsigned(g_strstrip(fields[1]), 10, 1, G_MAXUINT32, &start, NULL) ||
	    !g_ascii_string_to_unsigned(g_strstrip(fields[2]), 10, 1, G_MAXUINT32, &count, NULL))
		return false;
	*ret_range = (AshIdRange){ start, count };
	return true;
}

GArray *
ash_userns_parse_subids(const char *text, const char *file, const char *name, uid_t id, GError **error)
{
	g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(AshIdRange));
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint64 missing = ASH_USERNS_IDS - 1;

	for (gsize i = 0; lines[i] != NULL && missing > 0; i++) {
		AshIdRange range;
		if (!parse_subid_line(lines[i], name, id, &range))
			continue;
		range.count = MIN(range.count, missing);
		missing -= range.count;
		g_array_append_val(ranges, range);
	}
	if (missing > 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"%s\" gives user \"%s\" too few ids (%" G_GUINT64_FORMAT " more needed): run "
				      "\"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s\" as root",
				      file, name, missing, name);
	return g_steal_pointer(&ranges);
}

static char *
dup_user_name(void)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
		return g_strdup(entry.pw_name);
	return g_strdup_printf("%u", (guint) getuid());
}

/* The ranges of the calling user in one of the two files. */
static GArray *
load_subids(const IdKind *kind, GError **error)
{
	g_autofree char *text = NULL, *name = dup_user_name();

	if (!ash_file_load_optional(AT_FDCWD, kind->subs, &text, NULL, error))
		return NULL;
	return ash_userns_parse_subids(text != NULL ? text : "", kind->subs, name, getuid(), error);
}

/* The identity lines of one map, for root. */
static char *
load_identity(const IdKind *kind, GError **error)
{
	g_autofree char *path = g_build_filename("/proc/self", kind->map, NULL);
	g_autofree char *own = ash_file_load(AT_FDCWD, path, 0, NULL, error);

	if (own == NULL)
		return NULL;
	return ash_userns_identity_map(own, path, error);
}

gboolean
ash_userns_check(GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(id_kinds); i++) {
		if (geteuid() == 0) {
			g_autofree char *lines = load_identity(&id_kinds[i], error);
			if (lines == NULL)
				return FALSE;
			continue;
		}
		g_autoptr(GArray) ranges = load_subids(&id_kinds[i], error);
		g_autofree char *tool = ranges != NULL ? ash_tool_find(id_kinds[i].tool, error) : NULL;
		if (tool == NULL)
			return FALSE;
	}
	return TRUE;
}

static gboolean
map_as_root(const IdKind *kind, pid_t pid, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, kind->map);
	g_autofree char *lines = load_identity(kind, error);

	if (lines == NULL)
		return FALSE;
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	/* The kernel takes a map in one write only. */
	ssize_t written = fd >= 0 ? write(fd, lines, strlen(lines)) : -1;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	if (written < 0)
		return ash_throw_errno(error, "cannot map ids in \"%s\"", path);
	return TRUE;
}

static gboolean
map_as_user(AshContext *ctx, const IdKind *kind, pid_t pid, GError **error)
{
	g_autoptr(GArray) ranges = load_subids(kind, error);
	g_autoptr(AshRun) run = ranges != NULL ? ash_run_new(kind->tool, error) : NULL;
	guint64 next = 1;

	if (run == NULL)
		return FALSE;
	ash_run_argf(run, "%d", (int) pid);
	ash_run_args(run, "0", NULL);
	ash_run_argf(run, "%u", (guint) (kind->tool == ASH_TOOL_NEWUIDMAP ? getuid() : getgid()));
	ash_run_args(run, "1", NULL);
	for (guint i = 0; i < ranges->len; i++) {
		const AshIdRange *range = &g_array_index(ranges, AshIdRange, i);
		ash_run_argf(run, "%" G_GUINT64_FORMAT, next);
		ash_run_argf(run, "%" G_GUINT64_FORMAT, range->start);
		ash_run_argf(run, "%" G_GUINT64_FORMAT, range->count);
		next += range->count;
	}
	return ash_run_sync(run, ctx, NULL, error);
}

gboolean
ash_userns_map(AshContext *ctx, pid_t pid, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(id_kinds); i++) {
		gboolean mapped = geteuid() == 0 ? map_as_root(&id_kinds[i], pid, error)
						 : map_as_user(ctx, &id_kinds[i], pid, error);
		if (!mapped)
			return FALSE;
	}
	return TRUE;
}
