/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/worker.h"
#include "install/transaction.h"

#include <rpm/rpmlib.h>
#include <rpm/rpmts.h>
#include <stdio.h>

/* For developers: installs .rpm files into a directory, as a build does. install-cli ROOT FILE... */

static const AshWorkerEntry workers[] = { { ASH_TRANSACTION_WORKER, ash_transaction_worker }, { NULL, NULL } };

static char *
read_nevra(const char *path)
{
	rpmts ts = rpmtsCreate();
	FD_t fd = Fopen(path, "r.ufdio");
	Header header = NULL;
	char *nevra = NULL;

	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (rpmReadPackageFile(ts, fd, path, &header) == RPMRC_OK)
		nevra = headerGetAsString(header, RPMTAG_NEVRA);
	headerFree(header);
	Fclose(fd);
	rpmtsFree(ts);
	return nevra;
}

static void
show(const AshTransactionResult *result)
{
	for (guint i = 0; i < result->scripts->len; i++) {
		const AshScriptRecord *record = g_ptr_array_index(result->scripts, i);
		printf("%6.3f %s %s\n%s", record->seconds, record->package, record->kind, record->output);
	}
	for (gsize i = 0; result->notices[i] != NULL; i++)
		printf("notice: %s\n", result->notices[i]);
}

int
main(int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_autofree char *root = g_canonicalize_filename(argv[1], NULL);
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(root);
	plan->epoch = 1700000000;
	plan->docs = g_getenv("NODOCS") == NULL;
	for (int i = 2; i < argc; i++) {
		g_autofree char *path = g_canonicalize_filename(argv[i], NULL), *nevra = read_nevra(path);
		ash_transaction_plan_add(plan, path, nevra);
	}
	g_autoptr(AshTransactionResult) result = ash_transaction_install(ctx, plan, &error);
	if (result == NULL) {
		fprintf(stderr, "install-cli: %s\n", error->message);
		return ash_error_exit_status(error);
	}
	show(result);
	return 0;
}
