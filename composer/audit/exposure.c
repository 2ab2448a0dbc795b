/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/exposure.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"

#include <fcntl.h>
#include <string.h>

#define SCORE_LINE "Overall exposure level for "
/* So many units that cannot be rated, and none that could: it is not the units. */
#define FAILURES_MOST 8

typedef struct {
	const AshAudit *audit;
	char *dir;         /* temporary, with unit files only */
	GPtrArray *units;  /* of AshUnit, borrowed */
	const AshUnit *common; /* drop-ins of all services; may be NULL */
	GHashTable *index; /* name -> number in units, plus one */
	guint failures;
	bool succeeded;    /* once at least */
	char *problem;     /* of the last one */
} Rating;

/* All into one directory: which it was is decided already. */
static gboolean
copy_node(const Rating *rating, const AshFsNode *node, const char *dir, const char *name, GError **error)
{
	g_autofree char *text = ash_audit_load_node(rating->audit, node);
	g_autofree char *parent = g_build_filename(rating->dir, "usr/lib/systemd/system", dir, NULL);
	g_autofree char *full = g_build_filename(parent, name, NULL);

	if (text == NULL)
		return TRUE;
	return ash_file_mkdirs(AT_FDCWD, parent, 0755, error) && ash_file_write(AT_FDCWD, full, text, -1, 0644, error);
}

static gboolean
copy_dropins(const Rating *rating, const AshUnit *unit, GError **error)
{
	g_autofree char *dir = g_strdup_printf("%s.d", unit->name);

	for (guint i = 0; i < unit->dropins->len; i++) {
		const AshFsNode *node = g_ptr_array_index(unit->dropins, i);

		if (!copy_node(rating, node, dir, node->name, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
copy_units(const Rating *rating, GError **error)
{
	for (guint i = 0; i < rating->units->len; i++) {
		const AshUnit *unit = g_ptr_array_index(rating->units, i);

		g_hash_table_insert(rating->index, unit->name, GUINT_TO_POINTER(i + 1));
		if (!copy_node(rating, unit->node, ".", unit->name, error) || !copy_dropins(rating, unit, error))
			return FALSE;
	}
	return rating->common == NULL || copy_dropins(rating, rating->common, error);
}

/* "NAME: 9.6 UNSAFE ..."; templates are rated as an instance "i". */
static void
read_score(const Rating *rating, const char *line)
{
	const char *colon = strstr(line, ": ");
	g_autofree char *name = colon != NULL ? g_strndup(line, (gsize) (colon - line)) : NULL;
	g_auto(GStrv) parts = name != NULL ? g_strsplit(name, "@i.", 2) : NULL;
	g_autofree char *template = name != NULL ? g_strjoinv("@.", parts) : NULL;
	guint index;

	if (name == NULL)
		return;
	index = GPOINTER_TO_UINT(g_hash_table_lookup(rating->index, template));
	if (index == 0)
		index = GPOINTER_TO_UINT(g_hash_table_lookup(rating->index, name));
	if (index > 0) {
		AshAuditService *service = g_ptr_array_index(rating->audit->report->services, index - 1);

		service->exposure = (gint) (g_ascii_strtod(colon + 2, NULL) * 10 + 0.5);
	}
}

static void
read_scores(const Rating *rating, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		const char *at = strstr(*line, SCORE_LINE);

		if (at != NULL)
			read_score(rating, at + strlen(SCORE_LINE));
	}
}

static gboolean
run(const Rating *rating, guint first, guint n, GError **error)
{
	g_autoptr(AshRun) analyze = ash_run_new(ASH_TOOL_SYSTEMD_ANALYZE, error);
	g_autoptr(GBytes) output = NULL;

	if (analyze == NULL)
		return FALSE;
	/* As JSON it has everything but the score. */
	ash_run_args(analyze, "security", "--offline=true", "--no-pager", "--threshold=100", NULL);
	ash_run_argf(analyze, "--root=%s", rating->dir);
	for (guint i = first; i < first + n; i++)
		ash_run_arg(analyze, ((AshUnit *) g_ptr_array_index(rating->units, i))->name);
	if (!ash_run_sync(analyze, rating->audit->ctx, &output, error))
		return FALSE;
	read_scores(rating, g_bytes_get_data(output, NULL));
	return TRUE;
}

/* One unit that it cannot read fails them all: the halves are tried then. */
static void
rate_range(Rating *rating, guint first, guint n)
{
	g_autoptr(GError) error = NULL;

	if (n == 0 || (rating->failures >= FAILURES_MOST && !rating->succeeded))
		return;
	if (run(rating, first, n, &error)) {
		rating->succeeded = true;
		return;
	}
	if (n == 1) {
		rating->failures++;
		g_free(rating->problem);
		/* Its first line says enough. */
		rating->problem = g_strndup(error->message, strcspn(error->message, "\n"));
		return;
	}
	rate_range(rating, first, n / 2);
	rate_range(rating, first + n / 2, n - n / 2);
}

static void
rate_all(Rating *rating)
{
	const AshAuditReport *report = rating->audit->report;
	guint missing = 0;

	rate_range(rating, 0, rating->units->len);
	for (guint i = 0; i < report->services->len; i++)
		missing += ((const AshAuditService *) g_ptr_array_index(report->services, i))->exposure < 0;
	if (missing > 0)
		ash_audit_report_notice(rating->audit->report, "exposure of %u services: %s", missing,
					rating->problem != NULL ? rating->problem : "systemd-analyze does not rate them");
}

void
ash_exposure_rate(const AshAudit *audit, const AshUnitSet *set, GPtrArray *services)
{
	g_autoptr(GHashTable) index = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GError) error = NULL;
	g_autofree char *tool = services->len > 0 ? ash_tool_find(ASH_TOOL_SYSTEMD_ANALYZE, &error) : NULL;
	g_autofree char *dir = tool != NULL ? g_dir_make_tmp("ashlar-audit-XXXXXX", &error) : NULL;
	Rating rating = { .audit = audit, .dir = dir, .units = services, .common = ash_unit_set_get_common(set, "service"), .index = index };

	if (services->len == 0)
		return;
	if (dir != NULL && copy_units(&rating, &error))
		rate_all(&rating);
	if (error != NULL)
		ash_audit_report_notice(audit->report, "exposure of services: %s", error->message);
	if (dir != NULL)
		(void) ash_file_remove_tree(AT_FDCWD, dir, NULL);
	g_free(rating.problem);
}
