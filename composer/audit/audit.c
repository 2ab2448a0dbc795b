/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/audit.h"

#include "audit/accounts.h"
#include "audit/contents.h"
#include "audit/modes.h"
#include "audit/secrets.h"
#include "audit/sysctl.h"
#include "audit/units.h"
#include "base/parallel.h"

/* Families beside the contents of files, which take the longest by far and are split among all threads. */
typedef void (*Family)(const AshAudit *audit);

static const Family families[] = {
	ash_units_check, ash_modes_check, ash_secrets_check, ash_sysctl_check, ash_audit_accounts_check,
};

typedef struct {
	AshAudit audit;
	AshContents *contents;
} Job;

static gboolean
run_part(guint index, gpointer user_data, GError **error)
{
	const Job *job = user_data;

	if (!ash_context_check(job->audit.ctx, error))
		return FALSE;
	if (index < G_N_ELEMENTS(families))
		families[index](&job->audit);
	else
		ash_contents_check(job->contents, index - G_N_ELEMENTS(families));
	return TRUE;
}

AshAuditReport *
ash_audit_run(AshContext *ctx, const AshFsTree *tree, GError **error)
{
	g_autoptr(AshAuditReport) report = ash_audit_report_new();
	Job job = { .audit = { ctx, tree, report } };
	g_autoptr(AshContents) contents = ash_contents_new(&job.audit);
	guint n = G_N_ELEMENTS(families) + ash_contents_count_parts(contents);

	job.contents = contents;
	if (!ash_parallel_run(ctx, n, run_part, &job, error))
		return NULL;
	ash_audit_report_finish(report);
	return g_steal_pointer(&report);
}
