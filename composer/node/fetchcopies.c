/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "node/fetching.h"
#include "pack/registry.h"

#include <string.h>

#define MAX_COPIES	  32 /* bits of AshRequest.missing */

static gboolean
read_url(AshFetchCopy *copy, const char *url, const char *credentials, GError **error)
{
	copy->url = g_strdup(url);
	for (gsize n = strlen(url); n > 0 && copy->url[n - 1] == '/'; n--)
		copy->url[n - 1] = '\0';
	if (ash_registry_is_url(url)) {
		copy->registry = ash_registry_copy_new(copy->url, credentials, error);
		return copy->registry != NULL;
	}
	if (g_ascii_strncasecmp(url, "file:", 5) == 0)
		copy->dir = g_filename_from_uri(copy->url, NULL, NULL);
	if (copy->dir != NULL || g_ascii_strncasecmp(url, "http://", 7) == 0 || g_ascii_strncasecmp(url, "https://", 8) == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is no address of a release directory: it begins with https:, http:, file: or oci:", url);
}

gboolean
ash_fetch_copies_read(AshFetcher *fetcher, const char *const *urls, const char *credentials, GError **error)
{
	guint n = urls != NULL ? g_strv_length((char **) urls) : 0;

	if (n == 0 || n > MAX_COPIES)
		return ash_throw(error, ASH_ERROR_CONFIG, "there must be 1 to %d addresses of release directories, not %u", MAX_COPIES, n);
	fetcher->copies = g_new0(AshFetchCopy, n);
	fetcher->n_copies = n;
	for (guint i = 0; i < n; i++)
		if (!read_url(&fetcher->copies[i], urls[i], credentials, error))
			return FALSE;
	return TRUE;
}

void
ash_fetch_copies_clear(AshFetcher *fetcher)
{
	for (guint i = 0; i < fetcher->n_copies; i++) {
		g_free(fetcher->copies[i].url);
		g_free(fetcher->copies[i].dir);
		ash_registry_copy_free(fetcher->copies[i].registry);
	}
	g_clear_pointer(&fetcher->copies, g_free);
}

bool
ash_fetch_is_part(const AshRequest *request)
{
	return request->total > 0 && (request->offset + request->done > 0 || request->offset + request->length < request->total);
}

guint
ash_fetch_choose_copy(const AshFetcher *fetcher, const AshRequest *request)
{
	for (guint pass = 0; pass < 2; pass++) {
		for (guint i = 0; i < fetcher->n_copies; i++) {
			guint copy = (fetcher->preferred + request->first_copy + request->shift + i) % fetcher->n_copies;

			if ((request->useless >> copy & 1) != 0 || (pass == 0 && fetcher->copies[copy].no_ranges && ash_fetch_is_part(request)))
				continue;
			return copy;
		}
	}
	return fetcher->n_copies;
}
