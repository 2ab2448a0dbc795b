/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/errand.h"

#include "base/error.h"
#include "pack/registry.h"
#include "pack/registrymanifest.h"

struct AshRegistryCopy {
	AshRegistry *registry;
	GHashTable *metadata; /* path -> AshObjectRef; NULL: not yet fetched */
};

AshRegistryCopy *
ash_registry_copy_new(const char *url, const char *credentials, GError **error)
{
	AshRegistry *registry = ash_registry_new(url, credentials, error);
	AshRegistryCopy *copy;

	if (registry == NULL)
		return NULL;
	copy = g_new0(AshRegistryCopy, 1);
	copy->registry = registry;
	return copy;
}

void
ash_registry_copy_free(AshRegistryCopy *copy)
{
	if (copy == NULL)
		return;
	g_clear_pointer(&copy->registry, ash_registry_free);
	g_clear_pointer(&copy->metadata, g_hash_table_unref);
	g_free(copy);
}

/* Not from this copy, and why. */
static bool
give_up(AshTransfer *transfer, AshReplyVerdict verdict, const char *why)
{
	transfer->judged = true;
	transfer->verdict = verdict;
	g_free(transfer->why);
	transfer->why = g_strdup(why);
	return false;
}

static void
begin_errand(AshTransfer *transfer, char *url, gsize most, bool is_token)
{
	g_clear_pointer(&transfer->errand, g_byte_array_unref);
	transfer->errand = g_byte_array_new();
	transfer->errand_max = most;
	transfer->errand_is_token = is_token;
	transfer->accept = is_token ? NULL : ASH_REGISTRY_TYPE_MANIFEST;
	g_free(transfer->url);
	transfer->url = url;
	transfer->redirects = 0;
}

void
ash_registry_copy_authorize(const AshRegistryCopy *copy, AshTransfer *transfer)
{
	g_free(transfer->authorization);
	transfer->authorization = g_strdup(ash_registry_get_authorization(copy->registry, transfer->url));
	transfer->generation = ash_registry_get_generation(copy->registry);
}

bool
ash_registry_copy_aim(AshRegistryCopy *copy, AshTransfer *transfer, const char *path)
{
	g_autofree char *digest = ash_registry_digest_of_path(path);
	const AshObjectRef *ref = digest == NULL && copy->metadata != NULL ? g_hash_table_lookup(copy->metadata, path) : NULL;

	g_clear_pointer(&transfer->errand, g_byte_array_unref);
	transfer->accept = NULL;
	transfer->redirects = 0;
	if (digest == NULL && copy->metadata == NULL) {
		begin_errand(transfer, ash_registry_manifest_url(copy->registry, ASH_REGISTRY_METADATA_TAG), ASH_REGISTRY_MAX_MANIFEST_BYTES, false);
	} else if (digest == NULL && ref == NULL) {
		return give_up(transfer, ASH_REPLY_MISSING, "the manifest \"" ASH_REGISTRY_METADATA_TAG "\" does not name it");
	} else {
		g_free(transfer->url);
		transfer->url = ash_registry_blob_url(copy->registry, digest != NULL ? digest : ref->sha256);
	}
	ash_registry_copy_authorize(copy, transfer);
	return true;
}

bool
ash_registry_copy_answer(AshRegistryCopy *copy, AshTransfer *transfer, const char *path)
{
	g_autoptr(GError) error = NULL;
	const char *authorization;
	char *url;

	if (transfer->errand != NULL && transfer->errand_is_token)
		return give_up(transfer, ASH_REPLY_STRANGER, "the token server does not accept our credentials");
	/* Another transfer has asked in the meantime. */
	if (transfer->generation != ash_registry_get_generation(copy->registry))
		return ash_registry_copy_aim(copy, transfer, path);
	if (!ash_registry_answer(copy->registry, transfer->reply.challenge, false, &url, &authorization, &error))
		return give_up(transfer, ASH_REPLY_STRANGER, error->message);
	if (url == NULL)
		return ash_registry_copy_aim(copy, transfer, path);
	begin_errand(transfer, url, ASH_REGISTRY_MAX_TOKEN_BYTES, true);
	g_free(transfer->authorization);
	transfer->authorization = g_strdup(authorization);
	return true;
}

bool
ash_registry_copy_take(AshRegistryCopy *copy, AshTransfer *transfer)
{
	g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(g_steal_pointer(&transfer->errand));
	g_autoptr(GError) error = NULL;
	guint64 version;

	if (transfer->errand_is_token) {
		if (!ash_registry_take_token(copy->registry, bytes, &error))
			return give_up(transfer, ASH_REPLY_WRONG, error->message);
		return true;
	}
	GHashTable *files = ash_registry_manifest_parse(bytes, "the manifest \"" ASH_REGISTRY_METADATA_TAG "\"", &version, &error);
	if (files == NULL)
		return give_up(transfer, ASH_REPLY_WRONG, error->message);
	g_clear_pointer(&copy->metadata, g_hash_table_unref);
	copy->metadata = files;
	return true;
}
