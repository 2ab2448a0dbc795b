/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/signing.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/keyfile.h"

#include <fcntl.h>
#include <string.h>

#define MOST_DAYS (20 * 366)

void
ash_signing_clear(AshSigning *signing)
{
	g_clear_pointer(&signing->key_dir, g_free);
	g_clear_pointer(&signing->keys, g_strfreev);
	g_clear_pointer(&signing->expires, g_strfreev);
	g_clear_pointer(&signing->loaded, g_ptr_array_unref);
}

static gboolean
parse_validity(const char *text, AshTufValidity *validity, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, "=", 2);
	AshTufRole role;
	guint64 days;

	if (g_strv_length(parts) != 2 || !ash_tuf_role_parse(parts[0], &role) ||
	    !g_ascii_string_to_unsigned(parts[1], 10, 1, MOST_DAYS, &days, NULL))
		return ash_throw(error, ASH_ERROR_USAGE,
				 "--expires \"%s\" is not ROLE=DAYS: root, targets, snapshot or timestamp, and a number from 1 to %d", text, MOST_DAYS);
	validity->days[role] = (guint) days;
	return TRUE;
}

static gboolean
load_key(AshSigning *signing, const char *name, bool must_sign, GError **error)
{
	g_autoptr(AshKey) key = ash_key_file_load(name, NULL, error);

	if (key == NULL)
		return FALSE;
	if (ash_key_is_private(key))
		g_ptr_array_add(signing->loaded, g_steal_pointer(&key));
	else if (must_sign)
		return ash_throw(error, ASH_ERROR_USAGE, "key \"%s\" is only the public part: it cannot sign", name);
	return TRUE;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Public keys may lie beside the private ones. */
static gboolean
load_dir(AshSigning *signing, GError **error)
{
	g_autoptr(GError) problem = NULL;
	g_autoptr(GDir) dir = g_dir_open(signing->key_dir, 0, &problem);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name;

	if (dir == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--key-dir \"%s\" cannot be read: %s", signing->key_dir, problem->message);
	while ((name = g_dir_read_name(dir)) != NULL)
		if (g_str_has_suffix(name, ".pem"))
			g_ptr_array_add(names, g_build_filename(signing->key_dir, name, NULL));
	g_ptr_array_sort(names, compare_names);
	for (guint i = 0; i < names->len; i++)
		if (!load_key(signing, g_ptr_array_index(names, i), false, error))
			return FALSE;
	return TRUE;
}

gboolean
ash_signing_load(AshSigning *signing, GError **error)
{
	signing->loaded = g_ptr_array_new_with_free_func((GDestroyNotify) ash_key_unref);
	for (char **text = signing->expires; text != NULL && *text != NULL; text++)
		if (!parse_validity(*text, &signing->validity, error))
			return FALSE;
	if (signing->key_dir != NULL && !load_dir(signing, error))
		return FALSE;
	for (char **name = signing->keys; name != NULL && *name != NULL; name++)
		if (!load_key(signing, *name, true, error))
			return FALSE;
	if (signing->loaded->len > 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_USAGE, "no private key is given to sign with: add --key-dir DIR or --key FILE");
}

static char *
key_path(const AshSigning *signing, AshTufRole role)
{
	return g_strdup_printf("%s/%s.pem", signing->key_dir, ash_tuf_role_to_string(role));
}

gboolean
ash_signing_make_keys(const AshSigning *signing, GError **error)
{
	if (signing->key_dir == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "no directory for the keys is given: add --key-dir DIR");
	if (!ash_file_mkdirs(AT_FDCWD, signing->key_dir, 0700, error))
		return FALSE;
	for (AshTufRole role = 0; role < ASH_TUF_N_ROLES; role++) {
		g_autofree char *path = key_path(signing, role);
		if (ash_file_exists(AT_FDCWD, path))
			continue;
		g_autoptr(AshKey) key = ash_key_generate(ASH_KEY_ED25519, error);
		if (key == NULL || !ash_key_file_save(key, AT_FDCWD, path, NULL, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_signing_create(const AshSigning *signing, const char *path, GError **error)
{
	GPtrArray *keys[ASH_TUF_N_ROLES] = { NULL };
	const guint64 thresholds[ASH_TUF_N_ROLES] = { 0 };
	gboolean ok = TRUE;
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, path, false, error);

	for (AshTufRole role = 0; role < ASH_TUF_N_ROLES; role++) {
		g_autofree char *name = key_path(signing, role);
		AshKey *key = ok && fd >= 0 ? ash_key_file_load(name, NULL, error) : NULL;
		keys[role] = g_ptr_array_new_with_free_func((GDestroyNotify) ash_key_unref);
		if (key != NULL)
			g_ptr_array_add(keys[role], key);
		ok = key != NULL;
	}
	ok = ok && ash_tuf_repository_create(fd, keys, thresholds, &signing->validity, ash_signing_now(), error);
	for (AshTufRole role = 0; role < ASH_TUF_N_ROLES; role++)
		g_ptr_array_unref(keys[role]);
	return ok;
}

gint64
ash_signing_now(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}
