/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/verify.h"

#include "base/error.h"
#include "install/filepaths.h"
#include "install/verifier.h"

typedef struct {
	AshContext *ctx;
	GPtrArray *packages;   /* borrowed, of AshPackage */
	AshVerifier *verifier;
	int next, done;        /* atomic */
	GMutex lock;           /* for all below */
	AshFilePaths *paths;
	GError *failure;       /* the one of the first package in order */
	int failed_index;
} Verification;

static void
verification_clear(Verification *job)
{
	g_clear_pointer(&job->verifier, ash_verifier_free);
	g_clear_pointer(&job->paths, ash_file_paths_free);
	g_clear_error(&job->failure);
	g_mutex_clear(&job->lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Verification, verification_clear)

static gboolean
verify_package(Verification *job, const AshPackage *package, GError **error)
{
	g_autofree char *nevra = ash_package_dup_nevra(package);
	FD_t fd = ash_verifier_open(package, error);
	Header header = NULL;

	if (fd == NULL)
		return FALSE;
	gboolean good = ash_verifier_check(job->verifier, package, fd, &header, error);
	Fclose(fd);
	if (!good)
		return FALSE;
	g_mutex_lock(&job->lock);
	good = ash_file_paths_add(job->paths, nevra, header, error);
	g_mutex_unlock(&job->lock);
	headerFree(header);
	return good;
}

/* Of several failures the first in the set's order is told, however the threads ran. */
static void
note_failure(Verification *job, int index, GError *failure)
{
	g_mutex_lock(&job->lock);
	if (job->failure == NULL || index < job->failed_index) {
		g_clear_error(&job->failure);
		job->failure = g_steal_pointer(&failure);
		job->failed_index = index;
	}
	g_mutex_unlock(&job->lock);
	g_clear_error(&failure);
}

static gpointer
verify_some(gpointer data)
{
	Verification *job = data;

	for (;;) {
		int index = g_atomic_int_add(&job->next, 1);
		GError *failure = NULL;
		if (index >= (int) job->packages->len || !ash_context_check(job->ctx, NULL))
			return NULL;
		if (!verify_package(job, g_ptr_array_index(job->packages, index), &failure))
			note_failure(job, index, failure);
		int done = g_atomic_int_add(&job->done, 1) + 1;
		ash_progress_count(job->ctx->progress, (guint64) done, job->packages->len, "packages");
	}
}

static void
verify_all(Verification *job)
{
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	guint count = MAX(1, MIN(job->ctx->jobs, job->packages->len));

	for (guint i = 0; i < count; i++)
		g_ptr_array_add(threads, g_thread_new("verify", verify_some, job));
	for (guint i = 0; i < count; i++)
		g_thread_join(g_ptr_array_index(threads, i));
}

gboolean
ash_verify_packages(AshContext *ctx, const AshPackageSet *set, GPtrArray *confs, GError **error)
{
	g_auto(Verification) job = { .ctx = ctx, .packages = set->packages };

	g_mutex_init(&job.lock);
	job.paths = ash_file_paths_new();
	job.verifier = ash_verifier_new(confs, error);
	if (job.verifier == NULL)
		return FALSE;
	verify_all(&job);
	if (job.failure != NULL) {
		g_propagate_error(error, g_steal_pointer(&job.failure));
		return FALSE;
	}
	return ash_context_check(ctx, error) && ash_file_paths_check(job.paths, error);
}
