/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/verifier.h"

#include "base/digest.h"
#include "base/error.h"
#include "install/keyring.h"
#include "install/rpmconfig.h"
#include "model/repoconf.h"

#include <errno.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>
#include <string.h>

/* Whom to trust for the packages of one repository. */
typedef struct {
	bool signatures; /* FALSE: digests only */
	rpmKeyring keyring;
	char *digest;
} Trust;

struct AshVerifier {
	GHashTable *trusts; /* repository id -> Trust */
};

/* librpm has one log for the process; each thread that verifies keeps its own part of it. */
static GPrivate thread_log;
static GMutex log_lock;
static guint log_users;

static void
trust_free(gpointer data)
{
	Trust *trust = data;

	rpmKeyringFree(trust->keyring);
	g_free(trust->digest);
	g_free(trust);
}

static int
on_log(rpmlogRec record, rpmlogCallbackData data)
{
	GString *log = g_private_get(&thread_log);

	if (log != NULL)
		g_string_append(log, rpmlogRecMessage(record));
	return 0;
}

static void
take_log(void)
{
	g_mutex_lock(&log_lock);
	if (log_users++ == 0) {
		/* Each item's result is told at this level, and only there. */
		rpmSetVerbosity(RPMLOG_INFO);
		rpmlogSetCallback(on_log, NULL);
	}
	g_mutex_unlock(&log_lock);
}

static void
leave_log(void)
{
	g_mutex_lock(&log_lock);
	if (--log_users == 0) {
		rpmlogSetCallback(NULL, NULL);
		rpmSetVerbosity(RPMLOG_ERR);
	}
	g_mutex_unlock(&log_lock);
}

static gboolean
add_trust(AshVerifier *verifier, const AshRepoConf *conf, GError **error)
{
	Trust *trust = g_new0(Trust, 1);
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update_string(digest, conf->gpgcheck ? "signed" : "any");
	trust->signatures = conf->gpgcheck;
	trust->keyring = conf->gpgcheck
				 ? ash_keyring_load((const char *const *) conf->gpgkeys, conf->id, digest, error)
				 : rpmKeyringNew();
	trust->digest = ash_digest_finish_hex(digest);
	g_hash_table_replace(verifier->trusts, g_strdup(conf->id), trust);
	if (trust->keyring == NULL)
		return FALSE;
	if (conf->gpgcheck && conf->gpgkeys[0] == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: repository \"%s\" has no gpgkey, and its packages must be signed (gpgcheck)",
				 conf->origin != NULL ? conf->origin : "repositories", conf->id);
	return TRUE;
}

AshVerifier *
ash_verifier_new(GPtrArray *confs, GError **error)
{
	if (!ash_rpm_configure(error))
		return NULL;
	g_autoptr(AshVerifier) verifier = g_new0(AshVerifier, 1);
	take_log();
	verifier->trusts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, trust_free);
	for (guint i = 0; i < confs->len; i++)
		if (!add_trust(verifier, g_ptr_array_index(confs, i), error))
			return NULL;
	return g_steal_pointer(&verifier);
}

void
ash_verifier_free(AshVerifier *verifier)
{
	if (verifier == NULL)
		return;
	leave_log();
	g_hash_table_unref(verifier->trusts);
	g_free(verifier);
}

const char *
ash_verifier_get_trust(const AshVerifier *verifier, const char *repo_id)
{
	const Trust *trust = g_hash_table_lookup(verifier->trusts, repo_id);

	return trust != NULL ? trust->digest : NULL;
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

static gboolean
check_signatures(const Trust *trust, rpmts ts, const AshPackage *package, const char *nevra, FD_t fd, GError **error)
{
	struct rpmQVKArguments_s arguments = { 0 };
	g_autoptr(GString) log = g_string_new(NULL);

	rpmtsSetKeyring(ts, trust->keyring);
	rpmtsSetVfyLevel(ts, trust->signatures ? RPMSIG_VERIFIABLE_TYPE : RPMSIG_DIGEST_TYPE);
	rpmtsSetVfyFlags(ts, trust->signatures ? RPMVSF_DEFAULT : RPMVSF_MASK_NOSIGNATURES);
	g_private_set(&thread_log, log);
	int bad = rpmVerifySignatures(&arguments, ts, fd, nevra);
	g_private_set(&thread_log, NULL);
	if (bad == 0)
		return TRUE;
	g_autofree char *reason = reason_from_log(log->str);
	return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is not to be trusted: %s", nevra, package->path,
			 reason);
}

/* Takes the header of a file that was checked; leaves @fd at the payload. */
static Header
read_header(rpmts ts, FD_t fd, const char *path, const char *nevra, GError **error)
{
	Header header = NULL;

	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (Fseek(fd, 0, SEEK_SET) < 0 || rpmReadPackageFile(ts, fd, nevra, &header) != RPMRC_OK)
		return ash_throw_null(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is no RPM package", nevra, path);
	g_autofree char *found = headerGetAsString(header, RPMTAG_NEVRA);
	if (g_strcmp0(found, nevra) == 0)
		return header;
	headerFree(header);
	return ash_throw_null(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is \"%s\"", nevra, path, found);
}

gboolean
ash_verifier_check(const AshVerifier *verifier, const AshPackage *package, FD_t fd, Header *ret_header, GError **error)
{
	const Trust *trust = g_hash_table_lookup(verifier->trusts, package->repo_id);
	g_autofree char *nevra = ash_package_dup_nevra(package);

	if (trust == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\": its repository \"%s\" is not configured",
				 nevra, package->path, package->repo_id);
	rpmts ts = rpmtsCreate();
	Header header = NULL;
	if (check_signatures(trust, ts, package, nevra, fd, error))
		header = read_header(ts, fd, package->path, nevra, error);
	rpmtsFree(ts);
	if (header != NULL)
		*ret_header = header;
	return header != NULL;
}

FD_t
ash_verifier_open(const AshPackage *package, GError **error)
{
	FD_t fd = Fopen(package->path, "r.ufdio");

	if (fd != NULL && !Ferror(fd))
		return fd;
	int saved = errno;
	g_autofree char *nevra = ash_package_dup_nevra(package);
	Fclose(fd);
	return ash_throw_null(error, ASH_ERROR_FETCH, "package \"%s\": \"%s\": %s", nevra, package->path,
			      g_strerror(saved));
}

Header
ash_verifier_read_header(FD_t fd, const char *path, const char *nevra, GError **error)
{
	rpmts ts = rpmtsCreate();
	/* Without one librpm would look for keys in a database. */
	rpmKeyring nobody = rpmKeyringNew();

	rpmtsSetKeyring(ts, nobody);
	rpmKeyringFree(nobody);
	Header header = read_header(ts, fd, path, nevra, error);
	rpmtsFree(ts);
	return header;
}
