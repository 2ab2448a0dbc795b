/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmrun.h"

#include "base/copyup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "install/placer.h"
#include "install/rpmconfig.h"
#include "install/rpmdb.h"
#include "install/scriptlog.h"
#include "install/scriptrunner.h"

#include <fcntl.h>
#include <rpm/header.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmprob.h>
#include <rpm/rpmps.h>
#include <rpm/rpmts.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SCRIPT_TIMEOUT_SECONDS 300
#define ERROR_LINES 12

/* One package, opened before the sandbox closed around us. */
typedef struct {
	const AshTransactionPackage *plan; /* borrowed */
	int fd;
	FD_t open; /* while librpm unpacks it */
	guint64 built; /* seconds; once its header was read */
} Element;

struct AshRpmRun {
	const AshTransactionPlan *plan; /* borrowed */
	AshContext *ctx;                /* borrowed, while installing */
	int root_fd;                    /* of the root, while installing; else -1 */
	GArray *elements;               /* of Element, sorted by NEVRA */
	rpmts ts;
	AshPlacer *placer;              /* NULL: librpm unpacks */
	AshScriptRunner *runner;        /* NULL: all scriptlets run */
	AshScriptLog *log;
	AshTransactionResult *result;
	GPtrArray *notices;  /* of char *: librpm's warnings */
	GString *complaints; /* librpm's errors, one a line */
	GString *script_complaints; /* what librpm said since the current scriptlet began */
	bool in_script;
	GError *failure;     /* the first scriptlet that failed */
	guint64 installed;
	guint64 triggers_built; /* when the newest package with triggers was built */
};

/* Names that people know, of the tags that librpm reports. */
static const struct {
	rpmTagVal tag;
	const char *kind;
} script_kinds[] = {
	{ RPMTAG_PRETRANS, "%pretrans" },
	{ RPMTAG_PREIN, "%pre" },
	{ RPMTAG_POSTIN, "%post" },
	{ RPMTAG_POSTTRANS, "%posttrans" },
	{ RPMTAG_TRIGGERPREIN, "%triggerprein" },
	{ RPMTAG_TRIGGERIN, "%triggerin" },
	{ RPMTAG_FILETRIGGERIN, "%filetriggerin" },
	{ RPMTAG_TRANSFILETRIGGERIN, "%transfiletriggerin" },
};

static const char *
script_kind(rpmTagVal tag)
{
	for (gsize i = 0; i < G_N_ELEMENTS(script_kinds); i++)
		if (script_kinds[i].tag == tag)
			return script_kinds[i].kind;
	return rpmTagGetName(tag);
}

static void
element_clear(gpointer data)
{
	Element *element = data;

	ash_fd_clear(&element->fd);
}

static int
compare_elements(gconstpointer a, gconstpointer b)
{
	const Element *x = a, *y = b;

	return strcmp(x->plan->nevra, y->plan->nevra);
}

AshRpmRun *
ash_rpm_run_new(const AshTransactionPlan *plan, GError **error)
{
	g_autoptr(AshRpmRun) run = g_new0(AshRpmRun, 1);

	run->plan = plan;
	run->root_fd = -1;
	run->elements = g_array_new(FALSE, FALSE, sizeof(Element));
	g_array_set_clear_func(run->elements, element_clear);
	run->result = ash_transaction_result_new();
	run->notices = g_ptr_array_new_with_free_func(g_free);
	run->complaints = g_string_new(NULL);
	run->script_complaints = g_string_new(NULL);
	/* Hundreds of packages stay open at once. */
	ash_fd_raise_limit();
	for (guint i = 0; i < plan->packages->len; i++) {
		Element element = { g_ptr_array_index(plan->packages, i), -1, NULL, 0 };
		element.fd = ash_fd_open(AT_FDCWD, element.plan->path, O_RDONLY, 0, error);
		if (element.fd < 0)
			return NULL;
		g_array_append_val(run->elements, element);
	}
	/* The order of equal packages must not depend on how they came. */
	g_array_sort(run->elements, compare_elements);
	if (!ash_rpm_configure(error))
		return NULL;
	if (plan->import_dir != NULL) {
		run->placer = ash_placer_new(plan->import_dir, plan->root_path, ash_copyup_available(), error);
		if (run->placer == NULL)
			return NULL;
	}
	/* Without it scriptlets take longer, and that is all. */
	if (plan->memo_dir != NULL && ash_copyup_available())
		run->runner = ash_script_runner_new(plan->memo_dir, NULL);
	ash_rpm_set_languages((const char *const *) plan->inst_langs);
	return g_steal_pointer(&run);
}

void
ash_rpm_run_free(AshRpmRun *run)
{
	if (run == NULL)
		return;
	rpmlogSetCallback(NULL, NULL);
	g_clear_pointer(&run->ts, rpmtsFree);
	g_clear_pointer(&run->placer, ash_placer_free);
	g_clear_pointer(&run->runner, ash_script_runner_free);
	g_clear_pointer(&run->log, ash_script_log_free);
	ash_fd_clear(&run->root_fd);
	g_array_unref(run->elements);
	g_clear_pointer(&run->result, ash_transaction_result_free);
	g_ptr_array_unref(run->notices);
	g_string_free(run->complaints, TRUE);
	g_string_free(run->script_complaints, TRUE);
	g_clear_error(&run->failure);
	g_free(run);
}

/* Everything that librpm would print comes here. */
static int
on_log(rpmlogRec record, rpmlogCallbackData data)
{
	AshRpmRun *run = data;
	const char *message = rpmlogRecMessage(record);
	rpmlogLvl level = rpmlogRecPriority(record);

	if (level > RPMLOG_WARNING)
		return 0;
	if (run->in_script)
		g_string_append(run->script_complaints, message);
	else if (level <= RPMLOG_ERR)
		g_string_append(run->complaints, message);
	else
		g_ptr_array_add(run->notices, g_strchomp(g_strdup(message)));
	return 0;
}

/* "%post(foo-1.0-1.x86_64) scriptlet failed, exit status 3" into its parts; they name the owner of a trigger. */
static bool
parse_complaint(const char *text, char **ret_kind, char **ret_package, char **ret_reason)
{
	static const char *const patterns[] = {
		"(%[a-z]+)\\(([^)\\n]+)\\) scriptlet failed, ([^\\n]+)",
		/* Lua shortens long names to "name..." */
		"lua script failed: \\[string \"(%[a-z]+)\\(([^)\\n]+?)(?:\\)|\\.\\.\\.)\"\\]:([^\\n]+)",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(patterns); i++) {
		g_autoptr(GRegex) regex = g_regex_new(patterns[i], 0, 0, NULL);
		g_autoptr(GMatchInfo) match = NULL;
		if (!g_regex_match(regex, text, 0, &match))
			continue;
		*ret_kind = g_match_info_fetch(match, 1);
		*ret_package = g_match_info_fetch(match, 2);
		*ret_reason = g_match_info_fetch(match, 3);
		return true;
	}
	return false;
}

/* The one package whose NEVRA begins with @prefix; else @prefix itself. Owned. */
static char *
complete_name(const AshRpmRun *run, const char *prefix)
{
	for (guint i = 0; i < run->elements->len; i++) {
		const char *nevra = g_array_index(run->elements, Element, i).plan->nevra;
		if (g_str_has_prefix(nevra, prefix))
			return g_strdup(nevra);
	}
	return g_strdup(prefix);
}

/* librpm's names of scriptlets are the tags'; people know those of spec files. */
static const char *
spec_kind(const char *kind)
{
	if (strcmp(kind, "%prein") == 0)
		return "%pre";
	return strcmp(kind, "%postin") == 0 ? "%post" : kind;
}

/* Nothing further is run or unpacked; librpm comes to its end quickly. */
static void
stop(AshRpmRun *run)
{
	rpmtsSetFlags(run->ts, rpmtsFlags(run->ts) | RPMTRANS_FLAG_NOSCRIPTS | RPMTRANS_FLAG_NOTRIGGERS |
				       _noTransScripts | _noTransTriggers | RPMTRANS_FLAG_JUSTDB);
}

static void
note_script_failure(AshRpmRun *run, const AshScriptRecord *record, bool timed_out)
{
	g_autofree char *kind = NULL, *package = NULL, *reason = NULL;
	g_autofree char *lines = ash_sandbox_quote_lines(record->output, ERROR_LINES);

	if (!parse_complaint(run->script_complaints->str, &kind, &package, &reason)) {
		kind = g_strdup(record->kind);
		package = g_strdup(record->package);
		reason = g_strchomp(g_strdup(run->script_complaints->str));
	}
	g_autofree char *whole = complete_name(run, package);
	if (timed_out) {
		g_free(reason);
		reason = g_strdup_printf("it ran longer than its limit of %u seconds",
					 run->plan->script_timeout_seconds != 0 ? run->plan->script_timeout_seconds
										: DEFAULT_SCRIPT_TIMEOUT_SECONDS);
	}
	ash_throw(&run->failure, ASH_ERROR_SCRIPT, "package \"%s\": %s failed (%s)%s", whole, spec_kind(kind),
		  reason, lines);
	stop(run);
}

/* Few scriptlets tell that they could not write; and there may be room again when all is done. */
static void
require_room(AshRpmRun *run, const AshScriptRecord *record)
{
	g_autofree char *subject = g_strdup_printf("package \"%s\": %s", record->package, record->kind);

	if (run->failure == NULL && !ash_file_require_room(run->root_fd, subject, &run->failure))
		stop(run);
}

static void
set_epoch(guint64 seconds)
{
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, seconds);

	g_setenv("SOURCE_DATE_EPOCH", text, TRUE);
}

/*
 * A scriptlet's time is its package's: what it writes is then the same whatever else there is in the system. librpm does not say whose
 * trigger it runs after the transaction.
 */
static void
script_begin(AshRpmRun *run, const Element *element, rpmTagVal tag)
{
	/* What it sees is the root with all packages that came before. */
	if (run->placer != NULL && run->failure == NULL && !ash_placer_wait(run->placer, &run->failure))
		stop(run);
	run->in_script = true;
	set_epoch(element != NULL ? element->built : run->triggers_built);
	g_string_truncate(run->script_complaints, 0);
	ash_script_log_begin(run->log, element != NULL ? element->plan->nevra : "", script_kind(tag));
}

static void
script_end(AshRpmRun *run, rpmRC outcome)
{
	bool timed_out = false;
	AshScriptRecord *record = ash_script_log_end(run->log, &timed_out);

	run->in_script = false;
	set_epoch(run->plan->epoch);
	g_ptr_array_add(run->result->scripts, record);
	if (outcome != RPMRC_OK && run->failure == NULL)
		note_script_failure(run, record, timed_out);
	require_room(run, record);
}

static FD_t
open_element(Element *element)
{
	if (lseek(element->fd, 0, SEEK_SET) < 0)
		return NULL;
	element->open = fdDup(element->fd);
	return element->open;
}

/* Now %pre has run, and librpm would unpack: with this flag it leaves the files to us, and nothing else. */
static void
place_files(AshRpmRun *run, const Element *element, rpmte te)
{
	if (run->placer == NULL || element == NULL || element->plan->sha256 == NULL || run->failure != NULL)
		return;
	rpmtsSetFlags(run->ts, rpmtsFlags(run->ts) | RPMTRANS_FLAG_JUSTDB);
	if (!ash_placer_place(run->placer, te, &run->failure))
		stop(run);
}

static void
package_begin(AshRpmRun *run, const Element *element, rpmte te)
{
	ash_progress_count(run->ctx->progress, run->installed, run->elements->len, "packages");
	if (element != NULL)
		ash_progress_item(run->ctx->progress, element->plan->nevra);
	run->installed++;
	place_files(run, element, te);
}

/* Scriptlets, triggers and the database go on as if librpm had unpacked. */
static void
package_end(AshRpmRun *run)
{
	if (run->failure == NULL)
		rpmtsSetFlags(run->ts, rpmtsFlags(run->ts) & ~RPMTRANS_FLAG_JUSTDB);
}

static void *
on_notify(const void *te, const rpmCallbackType what, const rpm_loff_t amount, const rpm_loff_t total, fnpyKey key,
	  rpmCallbackData data)
{
	AshRpmRun *run = data;
	Element *element = (Element *) key;

	switch (what) {
	case RPMCALLBACK_INST_OPEN_FILE:
		return element != NULL ? open_element(element) : NULL;
	case RPMCALLBACK_INST_CLOSE_FILE:
		if (element != NULL && element->open != NULL)
			Fclose(element->open);
		if (element != NULL)
			element->open = NULL;
		break;
	case RPMCALLBACK_INST_START:
		package_begin(run, element, (rpmte) te);
		break;
	case RPMCALLBACK_INST_STOP:
		package_end(run);
		break;
	case RPMCALLBACK_SCRIPT_START:
		script_begin(run, element, (rpmTagVal) amount);
		break;
	case RPMCALLBACK_SCRIPT_STOP:
		script_end(run, (rpmRC) total);
		break;
	default:
		break;
	}
	return NULL;
}

static void
note_build_time(AshRpmRun *run, Element *element, Header header)
{
	static const rpmTagVal triggers[] = { RPMTAG_TRIGGERSCRIPTS, RPMTAG_FILETRIGGERSCRIPTS, RPMTAG_TRANSFILETRIGGERSCRIPTS };

	element->built = headerGetNumber(header, RPMTAG_BUILDTIME);
	for (gsize i = 0; i < G_N_ELEMENTS(triggers); i++)
		if (headerIsEntry(header, triggers[i]))
			run->triggers_built = MAX(run->triggers_built, element->built);
}

static gboolean
add_element(AshRpmRun *run, Element *element, GError **error)
{
	Header header = NULL;
	FD_t fd = open_element(element);
	rpmRC outcome = fd != NULL ? rpmReadPackageFile(run->ts, fd, element->plan->nevra, &header) : RPMRC_FAIL;

	if (fd != NULL)
		Fclose(fd);
	element->open = NULL;
	if (outcome != RPMRC_OK || header == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is no RPM package", element->plan->nevra,
				 element->plan->path);
	g_autofree char *nevra = headerGetAsString(header, RPMTAG_NEVRA);
	note_build_time(run, element, header);
	int failed = rpmtsAddInstallElement(run->ts, header, element, 0, NULL);
	headerFree(header);
	if (g_strcmp0(nevra, element->plan->nevra) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" holds \"%s\"", element->plan->nevra,
				 element->plan->path, nevra);
	if (failed != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "package \"%s\" cannot be installed", nevra);
	return TRUE;
}

/* All of librpm's problems, one a line; the code is the one of the first that has its own. */
static gboolean
throw_problems(rpmps problems, const char *what, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	AshErrorCode code = ASH_ERROR_UNSOLVABLE;
	rpmpsi iterator = rpmpsInitIterator(problems);

	for (rpmProblem problem = rpmpsiNext(iterator); problem != NULL; problem = rpmpsiNext(iterator)) {
		rpmProblemType type = rpmProblemGetType(problem);
		g_autofree char *line = rpmProblemString(problem);
		if (type == RPMPROB_DISKSPACE || type == RPMPROB_DISKNODES)
			code = ASH_ERROR_NO_SPACE;
		g_string_append_printf(text, "%s%s", text->len > 0 ? "; " : "", line);
	}
	rpmpsFreeIterator(iterator);
	return ash_throw(error, code, "%s: %s", what, text->str);
}

static gboolean
check_problems(AshRpmRun *run, const char *what, GError **error)
{
	rpmps problems = rpmtsProblems(run->ts);
	gboolean good = rpmpsNumProblems(problems) == 0;

	if (!good)
		throw_problems(problems, what, error);
	rpmpsFree(problems);
	return good;
}

/* The line that says that the disk is full; NULL: none does. What librpm says after it follows from it. */
static const char *
find_full_disk(char **lines)
{
	static const char *const phrases[] = { "No space left on device", "disk is full", "Disk quota exceeded" };

	for (char **line = lines; *line != NULL; line++)
		for (gsize i = 0; i < G_N_ELEMENTS(phrases); i++)
			if (strstr(*line, phrases[i]) != NULL)
				return *line;
	return NULL;
}

static gboolean
throw_complaints(AshRpmRun *run, GError **error)
{
	g_auto(GStrv) lines = g_strsplit(run->complaints->str, "\n", -1);
	const char *full = find_full_disk(lines);

	if (full != NULL)
		return ash_throw(error, ASH_ERROR_NO_SPACE, "the packages cannot be installed: %s", full);
	/* What SQLite may call an I/O error. */
	if (!ash_file_require_room(run->root_fd, "the packages cannot be installed", error))
		return FALSE;
	g_autofree char *text = ash_sandbox_last_lines(run->complaints->str, ERROR_LINES);
	return ash_throw(error, ASH_ERROR_INTERNAL, "the packages cannot be installed: %s",
			 *text != '\0' ? text : "librpm gives no reason");
}

static gboolean
prepare(AshRpmRun *run, const char *root, GError **error)
{
	guint seconds = run->plan->script_timeout_seconds;

	run->log = ash_script_log_new(seconds != 0 ? seconds : DEFAULT_SCRIPT_TIMEOUT_SECONDS, error);
	if (run->log == NULL)
		return FALSE;
	/* Scriptlets' standard output is only kept from this level on. */
	rpmSetVerbosity(RPMLOG_INFO);
	rpmlogSetCallback(on_log, run);
	run->ts = rpmtsCreate();
	if (rpmtsSetRootDir(run->ts, root) != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "librpm does not take the root");
	rpmtsSetTid(run->ts, (rpm_tid_t) run->plan->epoch);
	/* Verified before they got here (install/verify.h). */
	rpmtsSetVSFlags(run->ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	rpmtsSetVfyLevel(run->ts, RPMSIG_NONE_TYPE);
	rpmtsSetFlags(run->ts, RPMTRANS_FLAG_NOPLUGINS | RPMTRANS_FLAG_NOCONTEXTS |
				       (run->plan->docs ? 0 : RPMTRANS_FLAG_NODOCS));
	rpmtsSetNotifyCallback(run->ts, on_notify, run);
	/* It gets the element instead of its header. */
	rpmtsSetNotifyStyle(run->ts, 1);
	/* librpm closes what it is given with the transaction. */
	rpmtsSetScriptFd(run->ts, fdDup(ash_script_log_get_fd(run->log)));
	for (guint i = 0; i < run->elements->len; i++)
		if (!add_element(run, &g_array_index(run->elements, Element, i), error))
			return FALSE;
	if (rpmtsCheck(run->ts) != 0 || !check_problems(run, "these packages do not fit together", error))
		/* Without problems of the packages, it is the database that could not be made. */
		return error != NULL && *error != NULL ? FALSE : throw_complaints(run, error);
	rpmtsOrder(run->ts);
	rpmtsClean(run->ts);
	return TRUE;
}

/* Tells it which packages come from the cache, in the order of the transaction. */
static gboolean
start_placer(AshRpmRun *run, const char *root, GError **error)
{
	g_autoptr(GPtrArray) packages = g_ptr_array_new();
	rpmtsi iterator = rpmtsiInit(run->ts);

	for (rpmte te = rpmtsiNext(iterator, TR_ADDED); te != NULL; te = rpmtsiNext(iterator, TR_ADDED)) {
		const Element *element = rpmteKey(te);
		if (element->plan->sha256 == NULL)
			continue;
		g_ptr_array_add(packages, element->plan->nevra);
		g_ptr_array_add(packages, element->plan->sha256);
	}
	rpmtsiFree(iterator);
	return ash_placer_start(run->placer, root, packages, error);
}

static gboolean
transact(AshRpmRun *run, GError **error)
{
	rpmprobFilterFlags ignored = RPMPROB_FILTER_VERIFY | RPMPROB_FILTER_OLDPACKAGE | RPMPROB_FILTER_IGNOREARCH;

	/* Links need none of the space that librpm would count. */
	if (run->placer != NULL)
		ignored |= RPMPROB_FILTER_DISKSPACE | RPMPROB_FILTER_DISKNODES;
	int outcome = rpmtsRun(run->ts, NULL, ignored);
	if (run->placer != NULL && run->failure == NULL)
		ash_placer_wait(run->placer, &run->failure);

	if (run->failure != NULL) {
		g_propagate_error(error, g_steal_pointer(&run->failure));
		return FALSE;
	}
	if (!check_problems(run, "these packages cannot be installed together", error))
		return FALSE;
	if (outcome != 0 || run->complaints->len > 0)
		return throw_complaints(run, error);
	return TRUE;
}

static gboolean
start_helpers(AshRpmRun *run, const char *root, GError **error)
{
	if (run->placer != NULL && !start_placer(run, root, error))
		return FALSE;
	return run->runner == NULL || ash_script_runner_start(run->runner, root, error);
}

static gboolean
count_scripts(AshRpmRun *run, GError **error)
{
	AshScriptRunnerCount count = { 0, 0 };

	if (run->runner != NULL && !ash_script_runner_count(run->runner, &count, error))
		return FALSE;
	run->result->reused_scripts = count.reused;
	run->result->kept_scripts = count.kept;
	return TRUE;
}

AshTransactionResult *
ash_rpm_run_install(AshRpmRun *run, AshContext *ctx, const char *root, GError **error)
{
	run->ctx = ctx;
	run->root_fd = ash_file_open_dir(AT_FDCWD, root, false, error);
	if (run->root_fd < 0 || !prepare(run, root, error) || !start_helpers(run, root, error) || !transact(run, error) ||
	    !count_scripts(run, error))
		return NULL;
	/* To close the database makes room, and what it could not write before that (statistics of its indices) it does without. */
	if (!ash_file_require_room(run->root_fd, "the package database", error))
		return NULL;
	g_clear_pointer(&run->ts, rpmtsFree);
	if (!ash_rpmdb_clean(root, error))
		return NULL;
	g_ptr_array_add(run->notices, NULL);
	run->result->notices = g_strdupv((char **) run->notices->pdata);
	g_ptr_array_remove_index(run->notices, run->notices->len - 1);
	return g_steal_pointer(&run->result);
}
