/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repo/keyring.h"

#include "base/error.h"
#include "base/file.h"
#include "base/runner.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#define ARMOR_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define ARMOR_END "-----END PGP PUBLIC KEY BLOCK-----"
#define KEYRING_NAME "keyring.gpg"
#define STATUS_PREFIX "[GNUPG:] "

/* The lines of one armored block: headers up to an empty line, base64, a checksum line that starts with "=". */
static gboolean
dearmor_block(char **lines, gsize count, GByteArray *packets)
{
	g_autoptr(GString) base64 = g_string_new(NULL);
	gsize i = 0;

	while (i < count && lines[i][0] != '\0')
		i++;
	for (i++; i < count && lines[i][0] != '='; i++)
		g_string_append(base64, lines[i]);
	if (base64->len == 0)
		return FALSE;
	gsize length = 0;
	g_autofree guchar *data = g_base64_decode(base64->str, &length);
	g_byte_array_append(packets, data, (guint)length);
	return length > 0;
}

static gboolean
dearmor_lines(char **lines, GByteArray *packets)
{
	gsize begin = 0;
	bool inside = false, found = false;

	for (gsize i = 0; lines[i] != NULL; i++) {
		g_strstrip(lines[i]);
		if (g_str_equal(lines[i], ARMOR_BEGIN)) {
			inside = true;
			begin = i + 1;
		} else if (inside && g_str_equal(lines[i], ARMOR_END)) {
			if (!dearmor_block(lines + begin, i - begin, packets))
				return FALSE;
			inside = false;
			found = true;
		}
	}
	return found && !inside;
}

GByteArray *
ash_keyring_dearmor(const char *text, gsize length)
{
	g_autoptr(GByteArray) packets = g_byte_array_new();

	/* Every OpenPGP packet starts with bit 7 set (RFC 9580 4.2); text never does. */
	if (length > 0 && ((guint8)text[0] & 0x80) != 0) {
		g_byte_array_append(packets, (const guint8 *)text, (guint)length);
		return g_steal_pointer(&packets);
	}
	g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
	return dearmor_lines(lines, packets) ? g_steal_pointer(&packets) : NULL;
}

static gboolean
append_key(const AshRepoConf *conf, const char *key, GByteArray *ring, GError **error)
{
	gsize length = 0;
	g_autofree char *path =
		g_str_has_prefix(key, "file:") ? g_filename_from_uri(key, NULL, NULL) : g_strdup(key);

	if (path == NULL || !g_path_is_absolute(path))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "repository \"%s\": gpgkey: \"%s\" is neither an absolute path nor a file: URL", conf->id,
				 key);
	g_autofree char *text = ash_file_load(AT_FDCWD, path, 0, &length, error);
	if (text == NULL) {
		if (error != NULL && *error != NULL)
			(*error)->code = ASH_ERROR_CONFIG;
		return ash_prefix(error, "repository \"%s\": gpgkey", conf->id);
	}
	g_autoptr(GByteArray) packets = ash_keyring_dearmor(text, length);
	if (packets == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "repository \"%s\": gpgkey: \"%s\" holds no OpenPGP public key", conf->id, path);
	g_byte_array_append(ring, packets->data, packets->len);
	return TRUE;
}

static gboolean
write_keyring(const AshRepoConf *conf, const char *path, GError **error)
{
	g_autoptr(GByteArray) ring = g_byte_array_new();

	if (conf->gpgkeys[0] == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "repository \"%s\": repo_gpgcheck is on but no gpgkey names whom to trust: give gpgkey=, or "
				 "repo_gpgcheck=0 to do without",
				 conf->id);
	for (char **key = conf->gpgkeys; *key != NULL; key++)
		if (!append_key(conf, *key, ring, error))
			return FALSE;
	return ash_file_save(AT_FDCWD, path, ring->data, ring->len, 0600, error);
}

/* gpgv's exit status counts a signature whose key has expired as good; its status lines tell. */
static const struct {
	const char *keyword, *meaning;
} bad_statuses[] = {
	{ "EXPKEYSIG ", "its key has expired" },
	{ "REVKEYSIG ", "its key was revoked" },
	{ "EXPSIG ", "it has expired" },
	{ "BADSIG ", "it does not belong to this file" },
};

static gboolean
check_status(const AshRepoConf *conf, const char *status, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(bad_statuses); i++) {
		g_autofree char *line = g_strconcat(STATUS_PREFIX, bad_statuses[i].keyword, NULL);
		if (strstr(status, line) != NULL)
			return ash_throw(error, ASH_ERROR_TRUST, "repository \"%s\": signature of repomd.xml: %s",
					 conf->id, bad_statuses[i].meaning);
	}
	if (strstr(status, STATUS_PREFIX "VALIDSIG ") == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "repository \"%s\": repomd.xml has no valid signature", conf->id);
	return TRUE;
}

/* Of what gpgv says only the last line tells what is wrong. Borrowed. */
static const char *
gist_of(char *message)
{
	static const char program[] = "gpgv: ";
	const char *last = strrchr(g_strchomp(message), '\n');

	last = last != NULL ? last + 1 : message;
	return g_str_has_prefix(last, program) ? last + strlen(program) : last;
}

static gboolean
run_gpgv(AshContext *ctx, const AshRepoConf *conf, const char *work_dir, const char *ring_path,
	 const char *signature_path, const char *data_path, GError **error)
{
	g_autoptr(GBytes) output = NULL;
	g_autoptr(GError) cause = NULL;
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_GPGV, error);

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "--homedir", work_dir, "--status-fd", "1", "--weak-digest", "SHA1", "--keyring", ring_path,
		     signature_path, data_path, NULL);
	if (!ash_run_sync(run, ctx, &output, &cause)) {
		if (ash_error_code(cause) == ASH_ERROR_CANCELLED) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return FALSE;
		}
		return ash_throw(error, ASH_ERROR_TRUST,
				 "repository \"%s\": the signature of repomd.xml is not good: %s", conf->id,
				 gist_of(cause->message));
	}
	gsize length = 0;
	const char *data = g_bytes_get_data(output, &length);
	g_autofree char *status = g_strndup(data != NULL ? data : "", length);
	return check_status(conf, status, error);
}

gboolean
ash_keyring_verify(AshContext *ctx, const AshRepoConf *conf, const char *work_dir, const char *signature_path,
		   const char *data_path, GError **error)
{
	g_autofree char *ring_path = g_build_filename(work_dir, KEYRING_NAME, NULL);

	return write_keyring(conf, ring_path, error) &&
	       run_gpgv(ctx, conf, work_dir, ring_path, signature_path, data_path, error);
}
