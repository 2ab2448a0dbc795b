/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshRegistry: a release directory as a repository of an OCI registry (OCI distribution specification 1.1): addresses, and who one is there.
 * Nothing here talks to it: "ashlar push" and ashlar-node have their own ways.
 *
 *     objects/ab/DIGEST, targets/REF/DIGEST.NAME.json   the blob sha256:DIGEST
 *     metadata/NAME.json                                the blob that the manifest with the tag "metadata" gives for this path
 *
 * A manifest for each release refers to the blobs that it consists of, so that the registry keeps them (pack/registrymanifest.h).
 *
 * Not to be used by two threads at once.
 */
typedef struct AshRegistry AshRegistry;

/** The tag of the one manifest that changes. */
#define ASH_REGISTRY_METADATA_TAG "metadata"
/** Replies of token servers are not longer, bytes. */
#define ASH_REGISTRY_MAX_TOKEN_BYTES (64 * 1024)

/** True for what begins with "oci:" or "oci+http:". */
bool ash_registry_is_url(const char *url);

/**
 * "oci://HOST[:PORT]/REPOSITORY": by HTTPS, but by HTTP on this machine's own addresses (localhost, 127.0.0.0/8, [::1]), as others do; with "oci+http:"
 * by HTTP everywhere. @credentials: a file as Docker's config.json; NULL: none. ASH_ERROR_CONFIG if the address or the file is wrong. Owned.
 */
AshRegistry *ash_registry_new(const char *url, const char *credentials, GError **error);
void ash_registry_free(AshRegistry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRegistry, ash_registry_free)

/** "HOST[:PORT]/REPOSITORY". Borrowed. */
const char *ash_registry_get_name(const AshRegistry *registry);

/** Addresses for HTTP. Owned. */
char *ash_registry_blob_url(const AshRegistry *registry, const char *sha256_hex);
char *ash_registry_manifest_url(const AshRegistry *registry, const char *tag_or_digest);
char *ash_registry_upload_url(const AshRegistry *registry);

/** Of its tags (distribution specification 1.1, "Content Discovery"), in pages. Owned. */
char *ash_registry_tags_url(const AshRegistry *registry);

/** The next page that the header Link (RFC 8288) of a reply from @url names; NULL: none, or elsewhere than in the registry. Owned. */
char *ash_registry_next_page(const AshRegistry *registry, const char *url, const char *link);

/** The digest in the name of an object or a target below a release directory; hex, owned. NULL if @path is none of these. */
char *ash_registry_digest_of_path(const char *path);

/** The tag of a release: made for people, nobody looks for it. Owned. */
char *ash_registry_release_tag(const char *ref, const char *version);

/**
 * The value of the header Authorization for a request to @url, or NULL: only the registry itself is told who we are, no address that it
 * redirects to. Borrowed until the next call.
 */
const char *ash_registry_get_authorization(const AshRegistry *registry, const char *url);

/** Goes up by one whenever ash_registry_get_authorization() changes. */
guint ash_registry_get_generation(const AshRegistry *registry);

/**
 * Answers a WWW-Authenticate (RFC 9110 11.6.1) of a reply 401. *@ret_token_url (owned): from there a token is to be fetched by GET, with the header
 * Authorization *@ret_authorization (borrowed, NULL: none), and to be given to ash_registry_take_token(); NULL: repeat the request at once. @push: to write
 * and to take away, too. ASH_ERROR_FETCH if there is no answer: no credentials, wrong ones, or a way that is not ours.
 */
gboolean ash_registry_answer(AshRegistry *registry, const char *challenge, bool push, char **ret_token_url, const char **ret_authorization,
			     GError **error);

/** Takes the reply of a token server. ASH_ERROR_FETCH if there is no token in it. */
gboolean ash_registry_take_token(AshRegistry *registry, GBytes *reply, GError **error);
