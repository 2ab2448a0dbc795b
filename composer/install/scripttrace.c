/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scripttrace.h"

#include "base/fd.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LENGTH 4096
/* As many as the kernel follows (path_resolution(7)). */
#define LINKS_MAX 40
#define HEAD_LENGTH 4096 /* bytes of a program that tell what runs it */

/* A directory before the scriptlet made or removed a name in it. */
typedef struct {
	char *stat, *open;
} DirState;

struct AshScriptTrace {
	AshScriptReader *reader; /* borrowed */
	char *script;
	bool started, opened_stdin;
	char *odd;
	GHashTable *inputs;  /* kind and path -> AshScriptInput */
	GHashTable *seen;    /* set of kind and path: asked for since the scriptlet made a link the last time */
	GHashTable *written; /* set of paths without links */
	GHashTable *dirs;    /* path without links -> DirState */
	GPtrArray *sorted;   /* of AshScriptInput, borrowed; once asked for */
};

void
ash_script_input_free(AshScriptInput *input)
{
	g_free(input->path);
	g_free(input->state);
	g_free(input);
}

static void
dir_state_free(gpointer data)
{
	DirState *state = data;

	g_free(state->stat);
	g_free(state->open);
	g_free(state);
}

AshScriptTrace *
ash_script_trace_new(AshScriptReader *reader, const char *script)
{
	AshScriptTrace *trace = g_new0(AshScriptTrace, 1);

	trace->reader = reader;
	trace->script = g_strdup(script);
	trace->inputs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) ash_script_input_free);
	trace->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	trace->written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	trace->dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, dir_state_free);
	return trace;
}

void
ash_script_trace_free(AshScriptTrace *trace)
{
	if (trace == NULL)
		return;
	g_free(trace->script);
	g_free(trace->odd);
	g_hash_table_unref(trace->inputs);
	g_hash_table_unref(trace->seen);
	g_hash_table_unref(trace->written);
	g_hash_table_unref(trace->dirs);
	g_clear_pointer(&trace->sorted, g_ptr_array_unref);
	g_free(trace);
}

static void
make_odd(AshScriptTrace *trace, const char *why, const char *path)
{
	if (trace->odd == NULL)
		trace->odd = g_strdup_printf("%s%s%s", why, path != NULL ? ": /" : "", path != NULL ? path : "");
}

/* Without empty parts and ".": from the root, "." for the root. ".." stays, a link may be before it. */
static char *
normalise(const char *path)
{
	g_autofree char *text = g_malloc(strlen(path) + 2);
	char *end = text;

	while (*path != '\0') {
		gsize length = strcspn(path, "/");
		if (length > 1 || (length == 1 && *path != '.')) {
			if (end != text)
				*end++ = '/';
			memcpy(end, path, length);
			end += length;
		}
		path += length + (path[length] == '/' ? 1 : 0);
	}
	if (end == text)
		*end++ = '.';
	*end = '\0';
	return g_steal_pointer(&text);
}

/* @path seen from the directory @base, which is a path without links: ".." at its start is where @base is, made by the scriptlet or not. */
static char *
join(const char *base, const char *path)
{
	g_autofree char *dir = g_strdup(strcmp(base, ".") == 0 ? "" : base);

	while (g_str_has_prefix(path, "../") || g_str_has_prefix(path, "./") || *path == '/' || strcmp(path, "..") == 0) {
		gsize dots = strspn(path, ".");
		char *slash = dots == 2 ? strrchr(dir, '/') : NULL;
		if (dots == 2)
			*(slash != NULL ? slash : dir) = '\0';
		path += dots;
		path += strspn(path, "/");
	}
	g_autofree char *text = g_strconcat(dir, "/", path, NULL);
	return normalise(text);
}

/* What a descriptor of the process (AT_FDCWD: its directory) is, from the root; NULL if it is not there, or has no name there. */
static char *
fd_path(const AshScriptTrace *trace, pid_t pid, int number)
{
	char link[64], text[PATH_LENGTH + 1];

	if (number == AT_FDCWD)
		snprintf(link, sizeof link, "/proc/%d/cwd", (int) pid);
	else
		snprintf(link, sizeof link, "/proc/%d/fd/%d", (int) pid, number);
	ssize_t length = readlink(link, text, PATH_LENGTH);
	if (length <= 0)
		return NULL;
	text[length] = '\0';
	if (g_str_has_suffix(text, " (deleted)"))
		return NULL;
	return ash_script_reader_strip(trace->reader, text);
}

/* The number in "proc/self/fd/N" and the like, and what follows; -1 if it is nothing of that kind. */
static int
parse_fd_name(const char *path, const char **ret_rest)
{
	static const struct {
		const char *name;
		int number; /* -1: the name goes on with it */
	} names[] = {
		{ "dev/stdin", 0 }, { "dev/stdout", 1 }, { "dev/stderr", 2 }, { "dev/fd/", -1 },
		{ "proc/self/fd/", -1 }, { "proc/thread-self/fd/", -1 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!g_str_has_prefix(path, names[i].name))
			continue;
		const char *rest = path + strlen(names[i].name);
		char *end = NULL;
		long number = names[i].number;
		if (number < 0 && g_ascii_isdigit(*rest)) {
			number = strtol(rest, &end, 10);
			rest = end;
		}
		if (number < 0 || number > G_MAXINT || (*rest != '\0' && *rest != '/'))
			continue;
		*ret_rest = rest;
		return (int) number;
	}
	return -1;
}

/* What /proc says of a process is the process's own. */
static bool
is_process(const char *path)
{
	if (!g_str_has_prefix(path, "proc/"))
		return false;
	path += strlen("proc/");
	return g_ascii_isdigit(*path) || g_str_has_prefix(path, "self") || g_str_has_prefix(path, "thread-self") ||
	       strcmp(path, "mounts") == 0;
}

/* The path that a call names, from the root; NULL: it does not count. */
static char *
call_path(AshScriptTrace *trace, const AshWatchedCall *call)
{
	g_autofree char *joined = NULL;
	const char *rest;

	if (call->path != NULL && *call->path == '/') {
		joined = normalise(call->path);
	} else {
		g_autofree char *base = fd_path(trace, call->pid, call->dir_fd);
		/* Pipes, and files without a name. */
		if (base == NULL && (call->path == NULL || *call->path == '\0'))
			return NULL;
		if (base == NULL) {
			make_odd(trace, "it looks from a directory that has no name", NULL);
			return NULL;
		}
		joined = join(base, call->path != NULL ? call->path : "");
	}
	int number = parse_fd_name(joined, &rest);
	if (number >= 0) {
		g_autofree char *base = fd_path(trace, call->pid, number);
		trace->opened_stdin = trace->opened_stdin || number == 0;
		g_autofree char *text = base != NULL ? g_strconcat(base, rest, NULL) : NULL;
		return text != NULL ? normalise(text) : NULL;
	}
	return is_process(joined) || strcmp(joined, trace->script) == 0 ? NULL : g_steal_pointer(&joined);
}

static bool
is_written(const AshScriptTrace *trace, const char *place)
{
	return place != NULL && g_hash_table_contains(trace->written, place);
}

static char *
make_key(AshScriptInputKind kind, const char *path)
{
	return g_strdup_printf("%c%s", (char) kind, path);
}

static bool
has_input(const AshScriptTrace *trace, AshScriptInputKind kind, const char *path)
{
	g_autofree char *key = make_key(kind, path);

	return g_hash_table_contains(trace->inputs, key);
}

/* What a directory was like before its names were changed; NULL if they were not. */
static const char *
earlier_state(const AshScriptTrace *trace, AshScriptInputKind kind, const char *place)
{
	const DirState *state = place != NULL ? g_hash_table_lookup(trace->dirs, place) : NULL;

	if (state == NULL || kind == ASH_SCRIPT_INPUT_ATTR)
		return NULL;
	return kind == ASH_SCRIPT_INPUT_OPEN ? state->open : state->stat;
}

/* Where the link @place leads, from the root, with @rest after it. Owned; NULL if it is none. */
static char *
follow_link(const AshScriptTrace *trace, const char *place, const char *rest)
{
	g_autofree char *target = ash_script_reader_read_link(trace->reader, place);

	if (target == NULL)
		return NULL;
	g_autofree char *dir = *target == '/' ? g_strdup(".") : g_path_get_dirname(place);
	g_autofree char *text = g_strconcat(target, rest, NULL);
	return join(dir, text);
}

/* The path behind the first link on the way of @path that the scriptlet has made itself: it was not there before. Owned, may be NULL. */
static char *
redirect(const AshScriptTrace *trace, const char *path, bool follow)
{
	for (const char *end = path; *end != '\0';) {
		mode_t mode = 0;
		end += strspn(end, "/");
		end += strcspn(end, "/");
		if (*end == '\0' && !follow)
			break;
		g_autofree char *part = g_strndup(path, (gsize) (end - path));
		g_autofree char *place = ash_script_reader_resolve(trace->reader, part, false, &mode);
		if (S_ISLNK(mode) && is_written(trace, place))
			return follow_link(trace, place, end);
	}
	return NULL;
}

/* Notes the state of a name that is asked for the first time and was not made by the scriptlet. */
static void
take_plain(AshScriptTrace *trace, AshScriptInputKind kind, const char *path)
{
	if (has_input(trace, kind, path) ||
	    (kind == ASH_SCRIPT_INPUT_STAT && has_input(trace, ASH_SCRIPT_INPUT_OPEN, path)))
		return;
	g_autofree char *place = g_hash_table_size(trace->written) > 0
					 ? ash_script_reader_resolve(trace->reader, path, kind != ASH_SCRIPT_INPUT_LSTAT, NULL)
					 : NULL;
	if (is_written(trace, place))
		return;
	const char *earlier = earlier_state(trace, kind, place);
	AshScriptInput *input = g_new0(AshScriptInput, 1);
	input->kind = kind;
	input->path = g_strdup(path);
	input->state = earlier != NULL ? g_strdup(earlier) : ash_script_reader_look(trace->reader, kind, path);
	g_hash_table_insert(trace->inputs, make_key(kind, path), input);
	g_clear_pointer(&trace->sorted, g_ptr_array_unref);
}

static void
take(AshScriptTrace *trace, AshScriptInputKind kind, const char *path)
{
	g_autofree char *current = g_strdup(path);

	/* What is asked again is as it was, or the scriptlet's own, unless a new link leads elsewhere. */
	if (!g_hash_table_add(trace->seen, make_key(kind, path)))
		return;
	for (guint links = 0; links < LINKS_MAX && g_hash_table_size(trace->written) > 0; links++) {
		char *next = redirect(trace, current, kind != ASH_SCRIPT_INPUT_LSTAT);
		if (next == NULL)
			break;
		g_free(current);
		current = next;
	}
	take_plain(trace, kind, current);
}

/* A name comes or goes at @place: the directory that it is in is another one from now on. */
static void
write_name(AshScriptTrace *trace, const char *place)
{
	g_autofree char *dir = g_path_get_dirname(place);

	if (!g_hash_table_contains(trace->written, dir) && !g_hash_table_contains(trace->dirs, dir)) {
		DirState *state = g_new0(DirState, 1);
		state->stat = ash_script_reader_look(trace->reader, ASH_SCRIPT_INPUT_STAT, dir);
		state->open = ash_script_reader_look(trace->reader, ASH_SCRIPT_INPUT_OPEN, dir);
		g_hash_table_insert(trace->dirs, g_steal_pointer(&dir), state);
	}
	g_hash_table_add(trace->written, g_strdup(place));
}

static bool
is_device(const char *place)
{
	return g_str_has_prefix(place, "dev/") && !g_str_has_prefix(place, "dev/shm/");
}

static void
on_open_for_writing(AshScriptTrace *trace, const char *path, guint64 flags)
{
	bool follow = (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	mode_t mode = 0;
	g_autofree char *place = ash_script_reader_resolve(trace->reader, path, follow, &mode);

	if (place != NULL && is_device(place))
		return;
	if (place == NULL || (mode == 0 && (flags & O_CREAT) == 0)) {
		take(trace, ASH_SCRIPT_INPUT_STAT, path);
		return;
	}
	if (is_written(trace, place))
		return;
	take(trace, mode == 0 || (flags & O_TRUNC) != 0 ? ASH_SCRIPT_INPUT_STAT : ASH_SCRIPT_INPUT_OPEN, path);
	if (mode != 0) {
		g_hash_table_add(trace->written, g_steal_pointer(&place));
		return;
	}
	g_autofree char *name = ash_script_reader_look(trace->reader, ASH_SCRIPT_INPUT_LSTAT, path);
	/* A link to something that is not there: the new file would be that. */
	if (*name != '-')
		make_odd(trace, "it writes through a link that leads nowhere", path);
	write_name(trace, place);
}

static void
on_open(AshScriptTrace *trace, const char *path, guint64 flags)
{
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		take(trace, ASH_SCRIPT_INPUT_STAT, path);
		return;
	}
	if ((flags & O_PATH) == 0 && (flags & (O_ACCMODE | O_TRUNC | O_CREAT)) != 0) {
		on_open_for_writing(trace, path, flags);
		return;
	}
	if ((flags & O_NOFOLLOW) != 0)
		take(trace, ASH_SCRIPT_INPUT_LSTAT, path);
	take(trace, (flags & O_PATH) != 0 ? ASH_SCRIPT_INPUT_STAT : ASH_SCRIPT_INPUT_OPEN, path);
}

/* What the kernel itself loads to run an ELF program (ELF-64 object file format, PT_INTERP). Owned, may be NULL. */
static char *
find_loader(const guint8 *head, gsize length)
{
	Elf64_Ehdr elf;
	Elf64_Phdr part;

	if (length < sizeof elf)
		return NULL;
	memcpy(&elf, head, sizeof elf);
	for (guint i = 0; i < elf.e_phnum; i++) {
		guint64 at = elf.e_phoff + (guint64) i * elf.e_phentsize;
		if (elf.e_phoff > length || at + sizeof part > length)
			return NULL;
		memcpy(&part, head + at, sizeof part);
		if (part.p_type == PT_INTERP && part.p_offset < length && part.p_filesz < length - part.p_offset)
			return g_strndup((const char *) head + part.p_offset, part.p_filesz);
	}
	return NULL;
}

/* The program that runs the program @path. Owned, may be NULL. */
static char *
find_interpreter(const AshScriptTrace *trace, const char *path)
{
	guint8 head[HEAD_LENGTH + 1];
	g_autofree char *place = ash_script_reader_resolve(trace->reader, path, true, NULL);
	ash_autofd int fd = place != NULL ? ash_script_reader_open(trace->reader, place) : -1;
	ssize_t length = fd >= 0 ? pread(fd, head, HEAD_LENGTH, 0) : -1;

	if (length < SELFMAG)
		return NULL;
	head[length] = '\0';
	if (memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS64)
		return find_loader(head, (gsize) length);
	if (memcmp(head, "#!", 2) != 0)
		return NULL;
	const char *name = (const char *) head + 2 + strspn((const char *) head + 2, " \t");
	return g_strndup(name, strcspn(name, " \t\n"));
}

static void
on_exec(AshScriptTrace *trace, const char *path)
{
	g_autofree char *current = g_strdup(path);

	/* A script's interpreter may be a script; the kernel goes on for a few. */
	for (guint depth = 0; depth < 6 && current != NULL; depth++) {
		take(trace, ASH_SCRIPT_INPUT_OPEN, current);
		g_autofree char *next = find_interpreter(trace, current);
		g_free(current);
		current = next != NULL ? normalise(next) : NULL;
	}
}

static void
on_name(AshScriptTrace *trace, const char *path)
{
	g_autofree char *place = ash_script_reader_resolve(trace->reader, path, false, NULL);

	take(trace, ASH_SCRIPT_INPUT_LSTAT, path);
	if (place != NULL)
		write_name(trace, place);
}

static void
on_link(AshScriptTrace *trace, const char *path)
{
	on_name(trace, path);
	g_hash_table_remove_all(trace->seen);
}

static void
on_source(AshScriptTrace *trace, const char *path)
{
	mode_t mode = 0;
	g_autofree char *place = ash_script_reader_resolve(trace->reader, path, false, &mode);

	take(trace, ASH_SCRIPT_INPUT_LSTAT, path);
	if (mode == 0)
		return;
	/* What is in it gets other names that no call tells. */
	if (S_ISDIR(mode))
		make_odd(trace, "it renames a directory", path);
	if (S_ISREG(mode))
		take(trace, ASH_SCRIPT_INPUT_OPEN, path);
	write_name(trace, place);
	if (S_ISLNK(mode))
		g_hash_table_remove_all(trace->seen);
}

static void
on_change(AshScriptTrace *trace, const char *path, bool follow)
{
	mode_t mode = 0;
	g_autofree char *place = ash_script_reader_resolve(trace->reader, path, follow, &mode);

	if (place != NULL && is_device(place))
		return;
	take(trace, !follow ? ASH_SCRIPT_INPUT_LSTAT : ASH_SCRIPT_INPUT_STAT, path);
	if (mode == 0 || is_written(trace, place))
		return;
	if (S_ISREG(mode))
		take(trace, ASH_SCRIPT_INPUT_OPEN, path);
	g_hash_table_add(trace->written, g_steal_pointer(&place));
}

static void
note_call(AshScriptTrace *trace, const AshWatchedCall *call, const char *path)
{
	bool no_follow = (call->flags & AT_SYMLINK_NOFOLLOW) != 0;

	switch (call->effect) {
	case ASH_WATCH_STAT:
		take(trace, no_follow ? ASH_SCRIPT_INPUT_LSTAT : ASH_SCRIPT_INPUT_STAT, path);
		break;
	case ASH_WATCH_LSTAT:
		take(trace, ASH_SCRIPT_INPUT_LSTAT, path);
		break;
	case ASH_WATCH_ATTR:
		take(trace, ASH_SCRIPT_INPUT_ATTR, path);
		break;
	case ASH_WATCH_OPEN:
		on_open(trace, path, call->flags);
		break;
	case ASH_WATCH_EXEC:
		on_exec(trace, path);
		break;
	case ASH_WATCH_NAME:
		on_name(trace, path);
		break;
	case ASH_WATCH_LINK:
		on_link(trace, path);
		break;
	case ASH_WATCH_SOURCE:
		on_source(trace, path);
		break;
	case ASH_WATCH_CHANGE:
		on_change(trace, path, !no_follow);
		break;
	case ASH_WATCH_LCHANGE:
		on_change(trace, path, false);
		break;
	case ASH_WATCH_OPEN_HOW:
	case ASH_WATCH_CREAT:
	case ASH_WATCH_ODD:
	default:
		make_odd(trace, "it makes a call that no list of files can tell", NULL);
	}
}

void
ash_script_trace_call(const AshWatchedCall *call, gpointer data)
{
	AshScriptTrace *trace = data;

	trace->started = trace->started || call->effect == ASH_WATCH_EXEC;
	if (!trace->started || trace->odd != NULL)
		return;
	/* fstat(3) of a descriptor: what opened it has told all. */
	if (call->effect == ASH_WATCH_STAT && call->path != NULL && *call->path == '\0')
		return;
	g_autofree char *path = call->effect != ASH_WATCH_ODD ? call_path(trace, call) : NULL;
	if (path != NULL || call->effect == ASH_WATCH_ODD)
		note_call(trace, call, path);
}

const char *
ash_script_trace_get_odd(const AshScriptTrace *trace)
{
	return trace->odd;
}

bool
ash_script_trace_has_opened_stdin(const AshScriptTrace *trace)
{
	return trace->opened_stdin;
}

static int
compare_inputs(gconstpointer a, gconstpointer b)
{
	const AshScriptInput *x = *(const AshScriptInput *const *) a, *y = *(const AshScriptInput *const *) b;
	int order = strcmp(x->path, y->path);

	return order != 0 ? order : (int) x->kind - (int) y->kind;
}

GPtrArray *
ash_script_trace_list_inputs(AshScriptTrace *trace)
{
	GHashTableIter iter;
	gpointer input;

	if (trace->sorted != NULL)
		return trace->sorted;
	trace->sorted = g_ptr_array_new();
	g_hash_table_iter_init(&iter, trace->inputs);
	while (g_hash_table_iter_next(&iter, NULL, &input))
		g_ptr_array_add(trace->sorted, input);
	g_ptr_array_sort(trace->sorted, compare_inputs);
	return trace->sorted;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
ash_script_trace_list_written(AshScriptTrace *trace)
{
	GPtrArray *written = g_ptr_array_new();
	GHashTableIter iter;
	gpointer path;

	g_hash_table_iter_init(&iter, trace->written);
	while (g_hash_table_iter_next(&iter, &path, NULL))
		g_ptr_array_add(written, path);
	g_ptr_array_sort(written, compare_strings);
	return written;
}

GPtrArray *
ash_script_trace_list_touched(AshScriptTrace *trace)
{
	GPtrArray *touched = g_ptr_array_new();
	GHashTableIter iter;
	gpointer path;

	g_hash_table_iter_init(&iter, trace->dirs);
	while (g_hash_table_iter_next(&iter, &path, NULL))
		if (!g_hash_table_contains(trace->written, path))
			g_ptr_array_add(touched, path);
	g_ptr_array_sort(touched, compare_strings);
	return touched;
}
