/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/source.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "node/fetcher.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES (256 * 1024)

struct AshSource {
	AshFetcher *fetcher;
};

AshSource *
ash_source_new(const AshSourceOptions *options, GError **error)
{
	g_autoptr(AshSource) source = g_new0(AshSource, 1);

	source->fetcher = ash_fetcher_new(options, error);
	return source->fetcher != NULL ? g_steal_pointer(&source) : NULL;
}

void
ash_source_free(AshSource *source)
{
	if (source == NULL)
		return;
	g_clear_pointer(&source->fetcher, ash_fetcher_free);
	g_free(source);
}

guint64
ash_source_get_received(const AshSource *source)
{
	return ash_fetcher_get_received(source->fetcher);
}

guint64
ash_source_get_requests(const AshSource *source)
{
	return ash_fetcher_get_requests(source->fetcher);
}

static gboolean
append_to_array(AshRequest *request, const guint8 *data, gsize length, GError **error)
{
	GByteArray *array = request->user_data;

	g_byte_array_set_size(array, (guint) request->done);
	g_byte_array_append(array, data, (guint) length);
	return TRUE;
}

gboolean
ash_source_load(AshContext *ctx, AshSource *source, const char *path, guint64 max_bytes, GBytes **ret_bytes, bool *ret_missing,
		GError **error)
{
	g_autoptr(GByteArray) array = g_byte_array_new();
	AshRequest request = { .path = path, .length = MIN(max_bytes, G_MAXINT32), .sink = append_to_array, .user_data = array };
	gboolean ok = ash_fetcher_run(ctx, source->fetcher, &request, 1, error);
	bool missing = !ok && request.missing != 0 && request.missing == request.useless && ret_missing != NULL;

	if (ok)
		g_byte_array_set_size(array, (guint) request.done);
	ash_request_clear(&request);
	if (!ok && (!missing || (error != NULL && ash_error_code(*error) != ASH_ERROR_FETCH)))
		return FALSE;
	if (missing)
		g_clear_error(error);
	if (ret_missing != NULL)
		*ret_missing = missing;
	*ret_bytes = ok ? g_byte_array_free_to_bytes(g_steal_pointer(&array)) : NULL;
	return TRUE;
}

/* An object that is being written, hashed as it comes. */
typedef struct {
	int fd;             /* -1: into @array */
	GByteArray *array;
	AshDigest *digest;  /* of the first @hashed bytes */
	guint64 hashed;
	const AshObjectRef *object;
} Save;

static gboolean
check_digest(Save *save, GError **error)
{
	g_autofree char *hex = ash_digest_finish_hex(save->digest);

	ash_digest_reset(save->digest);
	save->hashed = 0;
	if (g_ascii_strcasecmp(hex, save->object->sha256) == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_TRUST, "its SHA-256 is %s", hex);
}

/* The digest is checked with the last bytes, so that a complaint makes the fetcher take another copy. */
static gboolean
take_bytes(AshRequest *request, const guint8 *data, gsize length, GError **error)
{
	Save *save = request->user_data;

	if (request->done < save->hashed) { /* it begins anew after a complaint */
		ash_digest_reset(save->digest);
		save->hashed = 0;
	}
	ash_digest_update(save->digest, data, length);
	save->hashed += length;
	if (save->fd < 0) {
		g_byte_array_set_size(save->array, (guint) request->done);
		g_byte_array_append(save->array, data, (guint) length);
	} else if (!ash_fd_write_all(save->fd, data, length, request->done, error)) {
		return FALSE;
	}
	return save->hashed < save->object->size || check_digest(save, error);
}

/* Hashes what the file has already. */
static gboolean
hash_beginning(AshContext *ctx, Save *save, guint64 bytes, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(CHUNK_BYTES);

	while (save->hashed < bytes) {
		gsize n = (gsize) MIN(CHUNK_BYTES, bytes - save->hashed);

		if (!ash_context_check(ctx, error) || !ash_fd_read_exact(save->fd, buffer, n, save->hashed, error))
			return FALSE;
		ash_digest_update(save->digest, buffer, n);
		save->hashed += n;
	}
	return TRUE;
}

static gboolean
save_object(AshContext *ctx, AshSource *source, Save *save, GError **error)
{
	g_autofree char *path = ash_object_ref_path(save->object);
	AshRequest request = {
		.path = path, .length = save->object->size, .total = save->object->size, .sink = take_bytes, .user_data = save,
	};
	gboolean ok;

	request.done = request.progress = save->hashed;
	if (save->object->size == 0 || save->hashed == save->object->size) {
		if (check_digest(save, NULL))
			return TRUE;
		request.done = request.progress = 0;
		if (save->object->size == 0)
			return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is empty, its digest is not", path);
	}
	ok = ash_fetcher_run(ctx, source->fetcher, &request, 1, error);
	ash_request_clear(&request);
	return ok;
}

GBytes *
ash_source_load_object(AshContext *ctx, AshSource *source, const AshObjectRef *object, GError **error)
{
	g_autoptr(GByteArray) array = g_byte_array_new();
	g_autoptr(AshDigest) digest = ash_digest_new();
	Save save = { .fd = -1, .array = array, .digest = digest, .object = object };

	if (object->size > G_MAXINT32)
		return ash_throw_null(error, ASH_ERROR_TRUST, "object \"%s\" is too large to be loaded", object->sha256);
	return save_object(ctx, source, &save, error) ? g_byte_array_free_to_bytes(g_steal_pointer(&array)) : NULL;
}

gboolean
ash_source_save_object(AshContext *ctx, AshSource *source, const AshObjectRef *object, int fd, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	Save save = { .fd = fd, .digest = digest, .object = object };
	struct stat st;

	if (!ash_fd_stat(fd, object->sha256, &st, error) ||
	    !hash_beginning(ctx, &save, MIN((guint64) st.st_size, object->size), error) || !save_object(ctx, source, &save, error))
		return FALSE;
	if ((guint64) st.st_size > object->size && ftruncate(fd, (off_t) object->size) < 0)
		return ash_throw_errno(error, "cannot shorten \"%s\"", object->sha256);
	return TRUE;
}

/* The sink of the caller, for the requests of one call. */
typedef struct {
	AshSourceSink sink;
	gpointer user_data;
} Ranges;

static gboolean
pass_on(AshRequest *request, const guint8 *data, gsize length, GError **error)
{
	const Ranges *ranges = request->user_data;

	return ranges->sink(request->index, request->done, data, length, ranges->user_data, error);
}

gboolean
ash_source_fetch_ranges(AshContext *ctx, AshSource *source, const AshSourceRange *ranges, guint n, guint64 unit, guint first_copy,
			AshSourceSink sink, gpointer user_data, GError **error)
{
	Ranges common = { .sink = sink, .user_data = user_data };
	g_autofree AshRequest *requests = g_new0(AshRequest, n);
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	gboolean ok;

	for (guint i = 0; i < n; i++) {
		AshRequest *request = &requests[i];

		if (i == 0 || ranges[i].object != ranges[i - 1].object)
			g_ptr_array_add(paths, ash_object_ref_path(ranges[i].object));
		*request = (AshRequest){ .path = g_ptr_array_index(paths, paths->len - 1), .offset = ranges[i].offset,
					 .length = ranges[i].length, .total = ranges[i].object->size, .unit = unit, .sink = pass_on,
					 .user_data = &common, .index = i, .first_copy = first_copy };
	}
	ok = ash_fetcher_run(ctx, source->fetcher, requests, n, error);
	for (guint i = 0; i < n; i++)
		ash_request_clear(&requests[i]);
	return ok;
}
