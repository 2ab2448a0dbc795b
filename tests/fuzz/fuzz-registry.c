/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "pack/registry.h"
#include "pack/registrymanifest.h"

#include <string.h>

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/registry", NULL };

#define ORIGIN "https://registry.example/"

static void
check_error(const GError *error)
{
	g_assert_true(error != NULL && error->domain == ASH_ERROR);
}

/* Layers that have names are objects with digests. */
static void
try_manifest(GBytes *bytes)
{
	g_autoptr(GError) error = NULL;
	guint64 version;
	g_autoptr(GHashTable) files = ash_registry_manifest_parse(bytes, "manifest", &version, &error);
	GHashTableIter iter;
	gpointer path, blob;

	if (files == NULL) {
		check_error(error);
		return;
	}
	g_hash_table_iter_init(&iter, files);
	while (g_hash_table_iter_next(&iter, &path, &blob)) {
		const AshObjectRef *ref = blob;
		g_assert_true(g_utf8_validate(path, -1, NULL));
		g_assert_cmpuint(strlen(ref->sha256), ==, 64);
		g_assert_cmpuint(ref->size, <=, G_MAXINT64);
	}
}

static void
try_tags(const AshRegistry *registry, GBytes *bytes)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) tags = ash_registry_tags_parse(bytes, &error);
	g_autofree char *url = ash_registry_tags_url(registry), *next = NULL;
	gsize length;
	const char *data = g_bytes_get_data(bytes, &length);
	g_autofree char *link = g_strndup(length > 0 ? data : "", length);

	if (tags == NULL)
		check_error(error);
	(void) ash_registry_manifest_is_release(bytes);
	next = ash_registry_next_page(registry, url, link);
	g_assert_true(next == NULL || g_str_has_prefix(next, ORIGIN));
}

/* What becomes a header of ours has no line ends, and nobody but the registry is told. */
static void
check_authorization(const AshRegistry *registry)
{
	const char *value = ash_registry_get_authorization(registry, ORIGIN "v2/");

	g_assert_true(value == NULL || strpbrk(value, "\r\n") == NULL);
	g_assert_null(ash_registry_get_authorization(registry, "https://registry.example.org/"));
}

static void
try_token(AshRegistry *registry, GBytes *bytes)
{
	g_autoptr(GError) error = NULL;

	if (!ash_registry_take_token(registry, bytes, &error))
		check_error(error);
	check_authorization(registry);
}

/* Any challenge gives an address by HTTPS, or an error. */
static void
try_challenge(AshRegistry *registry, GBytes *bytes)
{
	gsize length;
	const char *data = g_bytes_get_data(bytes, &length);
	g_autofree char *challenge = g_strndup(length > 0 ? data : "", length), *url = NULL;
	g_autoptr(GError) error = NULL;
	const char *authorization = NULL;

	if (!ash_registry_answer(registry, challenge, false, &url, &authorization, &error)) {
		check_error(error);
		return;
	}
	g_assert_true(url == NULL || g_str_has_prefix(url, "https://"));
	check_authorization(registry);
}

/* The first byte says what it is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(AshRegistry) registry = ash_registry_new("oci://registry.example/lab/nodes", NULL, NULL);
	g_autoptr(GBytes) bytes = size > 0 ? g_bytes_new(data + 1, size - 1) : NULL;

	if (bytes == NULL)
		return 0;
	if (*data == 'm')
		try_manifest(bytes);
	else if (*data == 'l')
		try_tags(registry, bytes);
	else if (*data == 't')
		try_token(registry, bytes);
	else
		try_challenge(registry, bytes);
	return 0;
}
