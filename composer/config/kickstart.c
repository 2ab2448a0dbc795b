/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kickstart.h"

#include "base/error.h"
#include "base/file.h"
#include "config/check.h"
#include "config/kssection.h"
#include "config/lexer.h"
#include "model/strv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KICKSTART_MAX     (4 * 1024 * 1024)
#define INCLUDE_DEPTH_MAX 32

/* One file that is being read; files that include it are below it. */
typedef struct Frame Frame;
struct Frame {
	const Frame *below;
	const char *file; /* as in errors */
	const char *dir;  /* of relative includes; NULL: nothing may be included */
	AshLexer lexer;
	bool has_end;     /* there is a "%end" in it: sections of files before Fedora 8 end where the next one begins */
	guint depth;
	dev_t device;
	ino_t inode;
};

typedef struct {
	AshKsState state;
	AshKsSection *section;      /* that is being read, or NULL */
	const Frame *section_frame; /* it began in */
	bool skipping;              /* up to %end: the section's header was wrong */
	bool resolved;              /* the line read last was an include, and its file has been read */
	const AshKickstartOptions *options; /* never NULL */
} Reader;

static gboolean read_frame(Reader *reader, Frame *frame, GError **error);

AshKsFindings *
ash_ks_findings_new(void)
{
	AshKsFindings *findings = g_new0(AshKsFindings, 1);

	findings->problems = g_ptr_array_new_with_free_func((GDestroyNotify) g_error_free);
	findings->refusals = g_ptr_array_new_with_free_func(g_free);
	findings->notices = g_ptr_array_new_with_free_func(g_free);
	return findings;
}

void
ash_ks_findings_free(AshKsFindings *findings)
{
	if (findings == NULL)
		return;
	g_ptr_array_unref(findings->problems);
	g_ptr_array_unref(findings->refusals);
	g_ptr_array_unref(findings->notices);
	g_free(findings);
}

/* A step that failed is a finding, if they are asked for; the reading goes on then. */
static gboolean
go_on(Reader *reader, gboolean done, GError *problem, GError **error)
{
	if (done)
		return TRUE;
	if (reader->options->findings == NULL) {
		g_propagate_error(error, problem);
		return FALSE;
	}
	g_ptr_array_add(reader->options->findings->problems, problem);
	return TRUE;
}

static bool
is_remote(const char *path)
{
	return strstr(path, "://") != NULL || g_str_has_prefix(path, "nfs:");
}

static gboolean throw_at(const char *origin, GError **error, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

static gboolean
throw_at(const char *origin, GError **error, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s: %s", origin, text);
}

/* Whether @path is the name of a file that a script of %pre can have written. */
static bool
is_from_pre(const char *path)
{
	return g_str_has_prefix(path, "/tmp/") || g_str_has_prefix(path, "/run/");
}

/* The file is identified by device and inode: names can differ. */
static gboolean
identify(Frame *frame, const char *path, const char *origin, const char *command, GError **error)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return throw_at(origin, error, "%s: \"%s\" cannot be read: %s", command, path,
				g_strerror(errno));
	if (!S_ISREG(status.st_mode))
		return throw_at(origin, error, "%s: \"%s\" is no regular file", command, path);
	frame->device = status.st_dev;
	frame->inode = status.st_ino;
	for (const Frame *below = frame->below; below != NULL; below = below->below)
		if (below->device == status.st_dev && below->inode == status.st_ino)
			return throw_at(origin, error, "%s: \"%s\" includes itself", command, path);
	return TRUE;
}

/* What %pre wrote may not be a link to a file of the host. */
static gboolean
check_beneath(const char *path, const char *dir, const char *origin, const char *command, GError **error)
{
	g_autofree char *real = realpath(path, NULL);
	g_autofree char *real_dir = realpath(dir, NULL);
	gsize length = real_dir != NULL ? strlen(real_dir) : 0;

	if (real != NULL && length > 0 && strncmp(real, real_dir, length) == 0 && real[length] == '/')
		return TRUE;
	if (real == NULL)
		return TRUE; /* identify() says why */
	return throw_at(origin, error, "%s: \"%s\" leads out of the folder of %%pre", command, path);
}

/* The text is read from its beginning. */
static void
start_frame(Frame *frame, const char *text, gsize length)
{
	ash_lexer_init(&frame->lexer, text, length);
	frame->has_end = g_str_has_prefix(text, "%end") ||
			 g_strstr_len(text, (gssize) length, "\n%end") != NULL;
}

static gboolean
include_path(Reader *reader, const Frame *below, const char *path, const char *origin,
	     const char *command, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *text = NULL;
	gsize length = 0;
	Frame frame = { .below = below, .file = path, .dir = dir, .depth = below->depth + 1 };

	if (frame.depth > INCLUDE_DEPTH_MAX)
		return throw_at(origin, error, "%s: more than %d files deep", command,
				INCLUDE_DEPTH_MAX);
	if (!identify(&frame, path, origin, command, error))
		return FALSE;
	text = ash_file_load(AT_FDCWD, path, KICKSTART_MAX, &length, error);
	if (text == NULL)
		return ash_prefix(error, "%s: %s", origin, command);
	if (!ash_lexer_check_text(text, length, path, error))
		return FALSE;
	start_frame(&frame, text, length);
	return read_frame(reader, &frame, error);
}

/* %include FILE and %ksappend FILE are one here: the file is read in place of the line. */
static gboolean
read_include(Reader *reader, Frame *frame, const char *origin, const char *const *words,
	     GError **error)
{
	const AshKickstartOptions *options = reader->options;
	const AshOptionPlace place = { .origin = origin,
				       .command = words[0],
				       .notices = reader->state.spec->notices,
				       .refusals = reader->state.refusals };
	g_autofree char *path = NULL;

	if (words[1] == NULL || *words[1] == '\0' || words[2] != NULL)
		return throw_at(origin, error, "%s: one file is expected", words[0]);
	if (is_remote(words[1]))
		return ash_option_refuse(&place, error, "\"%s\" is not fetched; download it and name the file",
					 words[1]);
	if (frame->dir == NULL)
		return throw_at(origin, error, "%s: no file can be included here", words[0]);
	if (g_str_has_prefix(words[1], "/tmp/") && options->pre_dir != NULL)
		path = g_build_filename(options->pre_dir, words[1] + strlen("/tmp/"), NULL);
	else if (g_path_is_absolute(words[1]) || g_str_equal(frame->dir, "."))
		path = g_strdup(words[1]);
	else
		path = g_build_filename(frame->dir, words[1], NULL);
	if (is_from_pre(words[1]) && options->run_pre == NULL && reader->state.refusals != NULL &&
	    !g_file_test(path, G_FILE_TEST_EXISTS)) {
		ash_option_notice(&place, "\"%s\" is not read: it is for %%pre to write", words[1]);
		return TRUE;
	}
	if (options->pre_dir != NULL && g_str_has_prefix(words[1], "/tmp/") &&
	    !check_beneath(path, options->pre_dir, origin, words[0], error))
		return FALSE;
	if (!include_path(reader, frame, path, origin, words[0], error))
		return FALSE;
	reader->resolved = true;
	return TRUE;
}

static bool
is_include(const char *word)
{
	return g_str_equal(word, "%include") || g_str_equal(word, "%ksappend");
}

/* The words of a line, with its place in the error. */
static char **
split_line(Reader *reader, const char *line, const char *origin, GError **error)
{
	bool glued_comment = false;
	char **words = ash_lexer_split(line, &glued_comment, error);

	if (words == NULL)
		ash_prefix(error, "%s", origin);
	else if (glued_comment)
		g_ptr_array_add(reader->state.spec->notices,
				g_strdup_printf("%s: %s: a comment begins inside a word; put "
						"quotes around a value with \"#\"",
						origin, words[0]));
	return words;
}

static gboolean
end_section(Reader *reader, const Frame *frame, const char *origin, GError **error)
{
	if (reader->section_frame != frame)
		return throw_at(origin, error, "%%end: %s began in another file, at %s",
				ash_kssection_get_name(reader->section),
				ash_kssection_get_origin(reader->section));
	gboolean finished = ash_kssection_finish(reader->section, error);
	g_clear_pointer(&reader->section, ash_kssection_free);
	return finished;
}

/* A section without %end: that of an old file is over, any other is an error. */
static gboolean
finish_unfinished(Reader *reader, GError **error)
{
	if (!reader->section_frame->has_end) {
		g_ptr_array_add(reader->state.spec->notices,
				g_strdup_printf("%s: %s: " ASH_KS_DEPRECATED "sections end with %%end",
						ash_kssection_get_origin(reader->section),
						ash_kssection_get_name(reader->section)));
		return end_section(reader, reader->section_frame, "", error);
	}
	throw_at(ash_kssection_get_origin(reader->section), error,
		 "%s: the section does not end with %%end", ash_kssection_get_name(reader->section));
	g_clear_pointer(&reader->section, ash_kssection_free);
	return FALSE;
}

static gboolean read_command_line(Reader *reader, Frame *frame, const char *line, const char *origin,
				  GError **error);

/* A line of a section. Only lines that begin with one of our own words are looked at; scripts may
 * have "%" too. */
static gboolean
read_section_line(Reader *reader, Frame *frame, const char *line, const char *origin,
		  GError **error)
{
	const char *start = line + strspn(line, " \t");
	g_autofree char *first = g_strndup(start, strcspn(start, " \t\r"));

	if (g_str_equal(first, "%end"))
		return end_section(reader, frame, origin, error);
	if (ash_kssection_is_name(first)) {
		GError *problem = NULL;

		gboolean done = finish_unfinished(reader, &problem);
		return go_on(reader, done, problem, error) &&
		       read_command_line(reader, frame, line, origin, error);
	}
	if (is_include(first) && ash_kssection_follows_includes(reader->section)) {
		g_auto(GStrv) words = split_line(reader, line, origin, error);

		return words != NULL &&
		       read_include(reader, frame, origin, (const char *const *) words, error);
	}
	return ash_kssection_add_line(reader->section, origin, line, error);
}

static gboolean
read_command_line(Reader *reader, Frame *frame, const char *line, const char *origin,
		  GError **error)
{
	g_auto(GStrv) split = split_line(reader, line, origin, error);
	const char *const *words = (const char *const *) split;

	if (words == NULL)
		return FALSE;
	if (words[0] == NULL)
		return TRUE;
	if (is_include(words[0]))
		return read_include(reader, frame, origin, words, error);
	if (g_str_equal(words[0], "%end"))
		return throw_at(origin, error, "%%end: no section is open");
	if (words[0][0] != '%')
		return ash_kscommand_run(&reader->state, origin, words, error);
	reader->section = ash_kssection_begin(&reader->state, origin, words, error);
	reader->section_frame = frame;
	reader->skipping = reader->section == NULL;
	return reader->section != NULL;
}

/* A line whose words are not looked at: it belongs to a section with a wrong header. */
static void
skip_line(Reader *reader, const char *line)
{
	const char *start = line + strspn(line, " \t");

	if (g_str_has_prefix(start, "%end") && (start[4] == '\0' || g_ascii_isspace(start[4])))
		reader->skipping = false;
}

static gboolean
read_line(Reader *reader, Frame *frame, char *first, GError **error)
{
	g_autofree char *line = first;
	g_autofree char *origin = g_strdup_printf("%s:%u", frame->file, frame->lexer.line);
	GError *problem = NULL;
	gboolean done = TRUE;

	if (reader->skipping) {
		skip_line(reader, line);
	} else if (reader->section != NULL) {
		done = read_section_line(reader, frame, line, origin, &problem);
	} else {
		line = ash_lexer_continue_line(&frame->lexer, g_steal_pointer(&line));
		done = read_command_line(reader, frame, line, origin, &problem);
	}
	return go_on(reader, done, problem, error);
}

/* What has been read since @start, unless it stands for another file that is there instead. */
static void
keep_text(Reader *reader, const Frame *frame, const char *start)
{
	GString *flat = reader->options->flat;

	if (flat == NULL || reader->resolved)
		return;
	g_string_append_len(flat, start, frame->lexer.next - start);
	if (flat->len > 0 && flat->str[flat->len - 1] != '\n')
		g_string_append_c(flat, '\n');
}

static gboolean
read_frame(Reader *reader, Frame *frame, GError **error)
{
	for (;;) {
		const char *start = frame->lexer.next;
		char *line = ash_lexer_next_line(&frame->lexer);

		if (line == NULL)
			break;
		reader->resolved = false;
		if (!read_line(reader, frame, line, error))
			return FALSE;
		keep_text(reader, frame, start);
	}
	if (reader->section != NULL && reader->section_frame == frame) {
		GError *problem = NULL;

		gboolean done = finish_unfinished(reader, &problem);
		return go_on(reader, done, problem, error);
	}
	return TRUE;
}

/* "web" of "/srv/web.ks": it goes into refs, labels and file names. */
static char *
dup_system_name(const char *file, GError **error)
{
	g_autofree char *name = g_path_get_basename(file);

	if (g_str_has_suffix(name, ".ks"))
		name[strlen(name) - strlen(".ks")] = '\0';
	if (!ash_check_word(name, "_.-") || *name == '.' || *name == '-') {
		throw_at(file, error,
			 "\"%s\" cannot be the name of a system: use letters, digits and \"_.-\"",
			 name);
		return NULL;
	}
	return g_steal_pointer(&name);
}

/* The folder of the kickstart comes first. */
static char **
list_repo_dirs(const char *dir, const AshKickstartOptions *options)
{
	char **dirs = ash_strv_new();

	if (dir != NULL)
		ash_strv_add(&dirs, dir);
	if (options->repo_dirs != NULL)
		ash_strv_add_all(&dirs, options->repo_dirs);
	return dirs;
}

static gboolean
read_all(AshSpec *spec, Frame *frame, const char *const *repo_dirs,
	 const AshKickstartOptions *options, GPtrArray *pre_scripts, GError **error)
{
	static const char *const none[] = { NULL };
	g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	Reader reader = {
		.state = {
			.spec = spec,
			.repo_dirs = repo_dirs,
			.repo_urls = options->repo_urls != NULL ? options->repo_urls : none,
			.vars = &options->vars,
			.said = said,
			.refusals = options->findings != NULL ? options->findings->refusals : NULL,
			.pre_scripts = pre_scripts,
		},
		.options = options,
	};
	gboolean ok = read_frame(&reader, frame, error);

	g_clear_pointer(&reader.section, ash_kssection_free);
	if (ok && reader.state.pre_passed && options->run_pre == NULL)
		g_ptr_array_add(spec->notices, g_strdup_printf("%s: %%pre is not run here", frame->file));
	/* A first reading, for %pre, passes over what is wrong. */
	ok = ok && (pre_scripts != NULL || ash_kscommand_check_source(&reader.state, error));
	return ok && (spec->ostree.set || ash_ks_add_remaining_repos(&reader.state, error));
}

/*
 * What %pre writes is included by lines that may stand before it, so its scripts run first. They are found by a reading that
 * passes over all else, and over files that are not there yet.
 */
static gboolean
run_pre_scripts(const Frame *frame, const char *text, gsize length, const char *const *repo_dirs,
		const AshKickstartOptions *options, bool *ret_any, GError **error)
{
	g_autoptr(AshKsFindings) findings = ash_ks_findings_new();
	g_autoptr(AshSpec) spec = ash_spec_new("pre");
	g_autoptr(GPtrArray) scripts =
		g_ptr_array_new_with_free_func((GDestroyNotify) ash_script_spec_free);
	AshKickstartOptions scan = *options;
	Frame scanned = *frame;

	scan.findings = findings;
	scan.run_pre = NULL;
	scan.flat = NULL;
	start_frame(&scanned, text, length);
	read_all(spec, &scanned, repo_dirs, &scan, scripts, NULL);
	*ret_any = scripts->len > 0;
	return scripts->len == 0 || options->run_pre(scripts, options->run_pre_data, error);
}

static AshSpec *
parse_frame(Frame *frame, const char *text, gsize length, const AshKickstartOptions *given,
	    GError **error)
{
	AshKickstartOptions options = { NULL };
	g_autofree char *name = dup_system_name(frame->file, error);
	g_autoptr(AshSpec) spec = NULL;
	bool any_pre = false;

	if (given != NULL)
		options = *given;
	g_auto(GStrv) dirs = list_repo_dirs(frame->dir, &options);
	const char *const *repo_dirs = (const char *const *) dirs;
	if (name == NULL || !ash_lexer_check_text(text, length, frame->file, error))
		return NULL;
	if (options.run_pre != NULL &&
	    !run_pre_scripts(frame, text, length, repo_dirs, &options, &any_pre, error))
		return NULL;
	/* Only where a script could have written it, a name in /tmp is no file of this machine. */
	if (!any_pre)
		options.pre_dir = NULL;
	spec = ash_spec_new(name);
	start_frame(frame, text, length);
	if (!read_all(spec, frame, repo_dirs, &options, NULL, error))
		return NULL;
	for (guint i = 0; options.findings != NULL && i < spec->notices->len; i++)
		g_ptr_array_add(options.findings->notices, g_strdup(g_ptr_array_index(spec->notices, i)));
	return g_steal_pointer(&spec);
}

AshSpec *
ash_kickstart_parse(const char *text, gsize length, const char *file, const char *dir,
		    const AshKickstartOptions *options, GError **error)
{
	Frame frame = { .file = file, .dir = dir };

	return parse_frame(&frame, text, length, options, error);
}

AshSpec *
ash_kickstart_load_full(const char *path, const AshKickstartOptions *options, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *text = NULL;
	gsize length = 0;
	struct stat status;
	Frame frame = { .file = path, .dir = dir };

	if (stat(path, &status) != 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "%s: cannot be read: %s", path,
				      g_strerror(errno));
	frame.device = status.st_dev;
	frame.inode = status.st_ino;
	text = ash_file_load(AT_FDCWD, path, KICKSTART_MAX, &length, error);
	return text != NULL ? parse_frame(&frame, text, length, options, error) : NULL;
}

AshSpec *
ash_kickstart_load(const char *path, const char *const *repo_dirs, GError **error)
{
	const AshKickstartOptions options = { .repo_dirs = repo_dirs };

	return ash_kickstart_load_full(path, &options, error);
}
