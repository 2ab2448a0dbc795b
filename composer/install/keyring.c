/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/keyring.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <rpm/rpmpgp.h>
#include <stdlib.h>
#include <string.h>

#define ARMOR_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define ARMOR_END "-----END PGP PUBLIC KEY BLOCK-----"
#define KEY_FILE_MAX (4 * 1024 * 1024)

static void
add_key(rpmKeyring keyring, const guint8 *packets, gsize length)
{
	rpmPubkey key = rpmPubkeyNew(packets, length);
	int count = 0;

	if (key == NULL)
		return;
	rpmKeyringAddKey(keyring, key);
	rpmPubkey *subkeys = rpmGetSubkeys(key, &count);
	for (int i = 0; i < count; i++) {
		rpmKeyringAddKey(keyring, subkeys[i]);
		rpmPubkeyFree(subkeys[i]);
	}
	free(subkeys);
	rpmPubkeyFree(key);
}

/* Certificates follow one another in a file. Returns how many were taken. */
static guint
add_packets(rpmKeyring keyring, const guint8 *packets, gsize length)
{
	guint count = 0;

	while (length > 0) {
		size_t used = 0;
		if (pgpPubKeyCertLen(packets, length, &used) != 0 || used == 0)
			break;
		add_key(keyring, packets, used);
		packets += used;
		length -= used;
		count++;
	}
	return count;
}

static guint
add_armored(rpmKeyring keyring, const char *text)
{
	guint count = 0;

	for (const char *begin = strstr(text, ARMOR_BEGIN); begin != NULL; begin = strstr(begin + 1, ARMOR_BEGIN)) {
		const char *end = strstr(begin, ARMOR_END);
		if (end == NULL)
			break;
		g_autofree char *block = g_strndup(begin, (gsize) (end - begin) + strlen(ARMOR_END));
		g_autofree char *line = g_strconcat(block, "\n", NULL);
		uint8_t *packets = NULL;
		size_t length = 0;
		if (pgpParsePkts(line, &packets, &length) == PGPARMOR_PUBKEY)
			count += add_packets(keyring, packets, length);
		free(packets);
	}
	return count;
}

static char *
key_path(const char *file, const char *what, GError **error)
{
	g_autoptr(GError) local = NULL;
	char *path = g_str_has_prefix(file, "file:") ? g_filename_from_uri(file, NULL, &local) : g_strdup(file);

	if (path == NULL)
		ash_throw(error, ASH_ERROR_CONFIG, "repository \"%s\": key \"%s\": %s", what, file, local->message);
	return path;
}

static gboolean
add_file(rpmKeyring keyring, const char *file, const char *what, AshDigest *digest, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *path = key_path(file, what, error);
	gsize length = 0;

	if (path == NULL)
		return FALSE;
	g_autofree char *data = ash_file_load(AT_FDCWD, path, KEY_FILE_MAX, &length, &local);
	if (data == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "repository \"%s\": key: %s", what, local->message);
	guint count = strstr(data, ARMOR_BEGIN) != NULL ? add_armored(keyring, data)
							: add_packets(keyring, (const guint8 *) data, length);
	if (count == 0)
		return ash_throw(error, ASH_ERROR_TRUST, "repository \"%s\": \"%s\" holds no OpenPGP public key", what,
				 path);
	ash_digest_update(digest, &length, sizeof length);
	ash_digest_update(digest, data, length);
	return TRUE;
}

rpmKeyring
ash_keyring_load(const char *const *files, const char *what, AshDigest *digest, GError **error)
{
	rpmKeyring keyring = rpmKeyringNew();

	for (gsize i = 0; files[i] != NULL; i++) {
		if (add_file(keyring, files[i], what, digest, error))
			continue;
		rpmKeyringFree(keyring);
		return NULL;
	}
	return keyring;
}
