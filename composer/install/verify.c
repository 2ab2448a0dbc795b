/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/verify.h"

#include "base/error.h"
#include "install/filepaths.h"
#include "install/keyring.h"
#include "install/rpmconfig.h"
#include "model/repoconf.h"

#include <errno.h>
#include <rpm/header.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>
#include <string.h>

/* Whom to trust for the packages of one repository. */
typedef struct {
	bool signatures; /* FALSE: digests only */
	rpmKeyring keyring;
} Trust;

typedef struct {
	AshContext *ctx;
	GPtrArray *packages;  /* borrowed, of AshPackage */
	GHashTable *trusts;   /* repository id -> Trust */
	int next, done;       /* atomic */
	GMutex lock;          /* for all below */
	AshFilePaths *paths;
	GHashTable *logs;     /* GThread * -> GString *: what librpm says in each thread */
	GError *failure;      /* the one of the first package in order */
	int failed_index;
} Verification;

static void
trust_free(gpointer data)
{
	Trust *trust = data;

	rpmKeyringFree(trust->keyring);
	g_free(trust);
}

static void
free_log(gpointer data)
{
	g_string_free(data, TRUE);
}

static void
verification_clear(Verification *job)
{
	g_clear_pointer(&job->trusts, g_hash_table_unref);
	g_clear_pointer(&job->paths, ash_file_paths_free);
	g_clear_pointer(&job->logs, g_hash_table_unref);
	g_clear_error(&job->failure);
	g_mutex_clear(&job->lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Verification, verification_clear)

static int
on_log(rpmlogRec record, rpmlogCallbackData data)
{
	Verification *job = data;

	g_mutex_lock(&job->lock);
	GString *log = g_hash_table_lookup(job->logs, g_thread_self());
	if (log != NULL)
		g_string_append(log, rpmlogRecMessage(record));
	g_mutex_unlock(&job->lock);
	return 0;
}

static gboolean
add_trust(Verification *job, const AshRepoConf *conf, GError **error)
{
	Trust *trust = g_new0(Trust, 1);

	trust->signatures = conf->gpgcheck;
	trust->keyring = conf->gpgcheck ? ash_keyring_load((const char *const *) conf->gpgkeys, conf->id, error)
					: rpmKeyringNew();
	g_hash_table_replace(job->trusts, g_strdup(conf->id), trust);
	if (trust->keyring == NULL)
		return FALSE;
	if (conf->gpgcheck && conf->gpgkeys[0] == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: repository \"%s\" has no gpgkey, and its packages must be signed (gpgcheck)",
				 conf->origin != NULL ? conf->origin : "repositories", conf->id);
	return TRUE;
}

/* What librpm says of a signature or digest, the gravest first, and what it means to people. */
static const struct {
	const char *mark, *meaning;
} outcomes[] = {
	{ ": BAD", "it is damaged or was changed" },
	{ ": NOKEY", "it is signed, but by no key of its repository" },
	{ ": NOTTRUSTED", "it is signed by a key that is not trusted" },
	{ ": NOTFOUND", "it is not signed" },
};

/* Joins the lines with @mark, without the mark and what follows. NULL if there are none. */
static char *
join_marked(char *const *lines, const char *mark)
{
	g_autoptr(GString) joined = g_string_new(NULL);

	for (gsize i = 0; lines[i] != NULL; i++) {
		const char *at = strstr(lines[i], mark);
		const char *start = lines[i] + strspn(lines[i], " ");
		if (at == NULL)
			continue;
		g_string_append(joined, joined->len > 0 ? ", " : "");
		g_string_append_len(joined, start, at - start);
	}
	return joined->len > 0 ? g_string_free(g_steal_pointer(&joined), FALSE) : NULL;
}

/* Of librpm's lines "    Header V4 RSA/SHA256 Signature, key ID 1234: NOKEY", those that say what is wrong. */
static char *
reason_from_log(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
		g_autofree char *items = join_marked(lines, outcomes[i].mark);
		if (items != NULL)
			return g_strdup_printf("%s (%s)", outcomes[i].meaning, items);
	}
	return g_strdup("it is no RPM package, or cut short");
}

/* Takes what librpm has said in this thread since the last call. Owned. */
static char *
take_log(Verification *job)
{
	g_mutex_lock(&job->lock);
	GString *log = g_hash_table_lookup(job->logs, g_thread_self());
	char *text = reason_from_log(log->str);
	g_string_truncate(log, 0);
	g_mutex_unlock(&job->lock);
	return text;
}

static gboolean
verify_signatures(Verification *job, rpmts ts, const AshPackage *package, const char *nevra, FD_t fd, GError **error)
{
	const Trust *trust = g_hash_table_lookup(job->trusts, package->repo_id);
	struct rpmQVKArguments_s arguments = { 0 };

	if (trust == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\": its repository \"%s\" is not configured",
				 nevra, package->path, package->repo_id);
	rpmtsSetKeyring(ts, trust->keyring);
	rpmtsSetVfyLevel(ts, trust->signatures ? RPMSIG_VERIFIABLE_TYPE : RPMSIG_DIGEST_TYPE);
	rpmtsSetVfyFlags(ts, trust->signatures ? RPMVSF_DEFAULT : RPMVSF_MASK_NOSIGNATURES);
	int bad = rpmVerifySignatures(&arguments, ts, fd, nevra);
	g_autofree char *reason = take_log(job);
	if (bad != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is not to be trusted: %s", nevra,
				 package->path, reason);
	return TRUE;
}

static gboolean
verify_header(Verification *job, rpmts ts, const AshPackage *package, const char *nevra, FD_t fd, GError **error)
{
	Header header = NULL;

	if (Fseek(fd, 0, SEEK_SET) < 0 || rpmReadPackageFile(ts, fd, nevra, &header) != RPMRC_OK)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is no RPM package", nevra, package->path);
	g_autofree char *found = headerGetAsString(header, RPMTAG_NEVRA);
	gboolean good = g_strcmp0(found, nevra) == 0;
	if (!good)
		ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is \"%s\"", nevra, package->path, found);
	g_mutex_lock(&job->lock);
	good = good && ash_file_paths_add(job->paths, nevra, header, error);
	g_mutex_unlock(&job->lock);
	headerFree(header);
	return good;
}

static gboolean
verify_package(Verification *job, rpmts ts, const AshPackage *package, GError **error)
{
	g_autofree char *nevra = ash_package_dup_nevra(package);
	FD_t fd = Fopen(package->path, "r.ufdio");

	if (fd == NULL || Ferror(fd)) {
		int saved = errno;
		Fclose(fd);
		errno = saved;
		return ash_throw(error, ASH_ERROR_FETCH, "package \"%s\": \"%s\": %s", nevra, package->path,
				 g_strerror(errno));
	}
	gboolean good = verify_signatures(job, ts, package, nevra, fd, error) &&
			verify_header(job, ts, package, nevra, fd, error);
	Fclose(fd);
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
	rpmts ts = rpmtsCreate();

	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	g_mutex_lock(&job->lock);
	g_hash_table_insert(job->logs, g_thread_self(), g_string_new(NULL));
	g_mutex_unlock(&job->lock);
	for (;;) {
		int index = g_atomic_int_add(&job->next, 1);
		GError *failure = NULL;
		if (index >= (int) job->packages->len || !ash_context_check(job->ctx, NULL))
			break;
		if (!verify_package(job, ts, g_ptr_array_index(job->packages, index), &failure))
			note_failure(job, index, failure);
		int done = g_atomic_int_add(&job->done, 1) + 1;
		ash_progress_count(job->ctx->progress, (guint64) done, job->packages->len, "packages");
	}
	rpmtsFree(ts);
	return NULL;
}

static void
verify_all(Verification *job)
{
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	guint count = MAX(1, MIN(job->ctx->jobs, job->packages->len));

	/* Each item's result is told at this level, and only there. */
	rpmSetVerbosity(RPMLOG_INFO);
	rpmlogSetCallback(on_log, job);
	for (guint i = 0; i < count; i++)
		g_ptr_array_add(threads, g_thread_new("verify", verify_some, job));
	for (guint i = 0; i < count; i++)
		g_thread_join(g_ptr_array_index(threads, i));
	rpmlogSetCallback(NULL, NULL);
	rpmSetVerbosity(RPMLOG_ERR);
}

gboolean
ash_verify_packages(AshContext *ctx, const AshPackageSet *set, GPtrArray *confs, GError **error)
{
	g_auto(Verification) job = { .ctx = ctx, .packages = set->packages };

	g_mutex_init(&job.lock);
	job.trusts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, trust_free);
	job.logs = g_hash_table_new_full(NULL, NULL, NULL, free_log);
	job.paths = ash_file_paths_new();
	if (!ash_rpm_configure(error))
		return FALSE;
	for (guint i = 0; i < confs->len; i++)
		if (!add_trust(&job, g_ptr_array_index(confs, i), error))
			return FALSE;
	verify_all(&job);
	if (job.failure != NULL) {
		g_propagate_error(error, g_steal_pointer(&job.failure));
		return FALSE;
	}
	return ash_context_check(ctx, error) && ash_file_paths_check(job.paths, error);
}
