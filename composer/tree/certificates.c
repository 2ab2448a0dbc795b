/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>

/* Where a distribution's tool looks for authorities that this machine trusts, and the tool. */
static const struct {
	const char *program, *dir;
	const char *suffix; /* that names must have; NULL: any */
	const char *argument;
} trust_stores[] = {
	{ "update-ca-trust", "etc/pki/ca-trust/source/anchors", NULL, "extract" },
	{ "update-ca-certificates", "usr/local/share/ca-certificates", ".crt", NULL },
};

static gsize
find_store(const AshTreeRoot *root)
{
	gsize i = 0;

	while (i < G_N_ELEMENTS(trust_stores) && !ash_tree_root_has_program(root, trust_stores[i].program))
		i++;
	return i;
}

static gboolean
save_anchor(const AshTreeRoot *root, const AshCertificateSpec *certificate, gsize store, GError **error)
{
	const char *suffix = trust_stores[store].suffix;
	bool named = suffix == NULL || g_str_has_suffix(certificate->path, suffix);
	g_autofree char *name = g_strconcat(certificate->path, named ? NULL : suffix, NULL);
	g_autofree char *path = g_build_filename(trust_stores[store].dir, name, NULL);

	return ash_tree_root_save(root, path, certificate->text, 0644, error);
}

/* %certificate: files where they are to be; authorities where the system's tool finds them, which then runs. */
gboolean
ash_step_certificates(AshTreeRoot *root, GError **error)
{
	GPtrArray *certificates = root->request->spec->certificates;
	gsize store = find_store(root);
	bool anchors = false;

	for (guint i = 0; i < certificates->len; i++) {
		const AshCertificateSpec *certificate = g_ptr_array_index(certificates, i);
		bool anchor = *certificate->path != '/';

		if (anchor && store == G_N_ELEMENTS(trust_stores))
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "%s: %%certificate: nothing here makes \"%s\" trusted: add the package ca-certificates",
					 certificate->origin, certificate->path);
		if (anchor ? !save_anchor(root, certificate, store, error)
			   : !ash_tree_root_save(root, certificate->path + strspn(certificate->path, "/"), certificate->text, 0644, error))
			return FALSE;
		anchors = anchors || anchor;
	}
	if (!anchors)
		return TRUE;
	const char *const argv[] = { trust_stores[store].program, trust_stores[store].argument, NULL };
	return ash_tree_root_run(root, argv, error);
}
