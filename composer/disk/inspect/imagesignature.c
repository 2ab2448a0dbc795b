/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/inspect/imagesignature.h"

#include "base/fd.h"
#include "disk/secureboot/authenticode.h"
#include "disk/verity/signature.h"

#include <string.h>

static void
signature_free(gpointer data)
{
	AshImageSignature *signature = data;

	g_free(signature->signer);
	g_free(signature->fingerprint);
	g_free(signature->problem);
	g_free(signature);
}

static AshImageSignature *
describe(const AshAuthenticode *found)
{
	AshImageSignature *signature = g_new0(AshImageSignature, 1);

	signature->signer = found->signer != NULL ? ash_certificate_dup_subject(found->signer) : NULL;
	signature->fingerprint = found->signer != NULL ? ash_certificate_dup_fingerprint(found->signer) : NULL;
	signature->problem = g_strdup(found->problem);
	return signature;
}

GPtrArray *
ash_image_signatures_list(GBytes *image)
{
	GPtrArray *signatures = g_ptr_array_new_with_free_func(signature_free);
	g_autoptr(AshContent) content = ash_content_new_from_bytes(image);
	g_autoptr(GPtrArray) found = ash_authenticode_list(content, NULL);

	for (guint i = 0; found != NULL && i < found->len; i++)
		g_ptr_array_add(signatures, describe(g_ptr_array_index(found, i)));
	return signatures;
}

char *
ash_image_signature_find_root(int fd, guint64 offset, guint64 bytes, const char *root_hash)
{
	const gsize length = (gsize) MIN(bytes, 16 * ASH_VERITY_SIG_BYTES);
	g_autofree char *data = g_malloc(length + 1);
	g_autoptr(AshVeritySig) sig = ash_fd_read_exact(fd, data, length, offset, NULL) ? ash_verity_sig_parse(data, length, NULL) : NULL;

	return sig != NULL && strcmp(sig->root_hash, root_hash) == 0 ? g_strdup(sig->fingerprint) : NULL;
}
