/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/signing.h"

#include "base/error.h"
#include "base/keyfile.h"
#include "cli/passphrase.h"

#include <string.h>

#define MOST_DAYS (20 * 366)

void
ash_signing_clear(AshSigning *signing)
{
	g_clear_pointer(&signing->key_dir, g_free);
	g_clear_pointer(&signing->keys, g_strfreev);
	g_clear_pointer(&signing->days, g_strfreev);
	g_clear_pointer(&signing->passphrase_file, g_free);
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
				 "--days \"%s\" is not ROLE=N: root, targets, snapshot or timestamp, and a number from 1 to %d", text, MOST_DAYS);
	validity->days[role] = (guint) days;
	return TRUE;
}

static gboolean
load_key(AshSigning *signing, const AshPassphraseSource *source, const char *name, bool must_sign, GError **error)
{
	g_autoptr(AshKey) key = ash_key_file_load(name, &source->ask, error);

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
load_dir(AshSigning *signing, const AshPassphraseSource *source, GError **error)
{
	g_autoptr(GError) problem = NULL;
	g_autoptr(GDir) dir = g_dir_open(signing->key_dir, 0, &problem);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name;

	if (dir == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--key-dir \"%s\" cannot be read: %s", signing->key_dir, problem->message);
	while ((name = g_dir_read_name(dir)) != NULL)
		if (g_str_has_suffix(name, ".pem") || g_str_has_suffix(name, ".key"))
			g_ptr_array_add(names, g_build_filename(signing->key_dir, name, NULL));
	g_ptr_array_sort(names, compare_names);
	for (guint i = 0; i < names->len; i++)
		if (!load_key(signing, source, g_ptr_array_index(names, i), false, error))
			return FALSE;
	return TRUE;
}

gboolean
ash_signing_load(AshSigning *signing, AshContext *ctx, GError **error)
{
	AshPassphraseSource source;

	ash_passphrase_source_init(&source, ctx, signing->passphrase_file);
	signing->loaded = g_ptr_array_new_with_free_func((GDestroyNotify) ash_key_unref);
	for (char **text = signing->days; text != NULL && *text != NULL; text++)
		if (!parse_validity(*text, &signing->validity, error))
			return FALSE;
	if (signing->key_dir != NULL && !load_dir(signing, &source, error))
		return FALSE;
	for (char **name = signing->keys; name != NULL && *name != NULL; name++)
		if (!load_key(signing, &source, *name, true, error))
			return FALSE;
	if (signing->loaded->len > 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_USAGE, "no private key is given to sign with: add --key FILE or --key-dir DIR (\"ashlar key generate\" makes keys)");
}

gint64
ash_signing_now(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}
