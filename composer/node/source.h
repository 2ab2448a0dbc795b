/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/release.h"

/**
 * Where releases are fetched from: one or more copies of a release directory, over HTTP(S), from the registry of container images that they were
 * pushed to ("oci://HOST/REPOSITORY": pack/registry.h), or as local directories ("file:///..."). Only single
 * ranges are asked for (RFC 9110 14.2), several at a time; what comes is checked against what was asked for, and asked for again - after a
 * pause, or from the next copy - where it is not. Redirects are followed five times, never from https to http, never elsewhere.
 *
 * One thread at a time may use a source.
 */
typedef struct {
	const char *const *urls; /* NULL-terminated, of one or more release directories, the preferred one first */
	guint connections;       /* at most this many at once; 0: 6 */
	guint64 rate;            /* bytes a second over all connections; 0: any */
	guint64 budget;          /* bytes of bodies in all; 0: any */
	guint timeout;           /* seconds without progress after which a request is given up; 0: 30 */
	guint pause;             /* milliseconds before the first repetition, doubled for each further one; 0: 500 */
	guint attempts;          /* without progress, after which a request fails; 0: 8 */
	const char *ca_file;     /* PEM; NULL: the system's */
	const char *user_agent;  /* NULL: "ashlar-node/VERSION" */
	const char *credentials_file; /* for registries, as Docker's config.json; NULL: none */
	const char *proxy;       /* URL; NULL: what http_proxy, https_proxy, all_proxy and no_proxy say */
} AshSourceOptions;

typedef struct AshSource AshSource;

/** ASH_ERROR_CONFIG if an address is none of http, https, file and oci. @options is copied. Owned. */
AshSource *ash_source_new(const AshSourceOptions *options, GError **error);
void ash_source_free(AshSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSource, ash_source_free)

/**
 * Loads the file at @path below the release directory, at most @max_bytes long. *@ret_bytes: owned; NULL with *@ret_missing true if all copies
 * that answer say that there is none (HTTP 403, 404, 410). ASH_ERROR_FETCH if it cannot be had, ASH_ERROR_TRUST if it is longer.
 * *@ret_bytes and *@ret_missing are written on success only; @ret_missing may be NULL: then missing is ASH_ERROR_FETCH.
 */
gboolean ash_source_load(AshContext *ctx, AshSource *source, const char *path, guint64 max_bytes, GBytes **ret_bytes, bool *ret_missing,
			 GError **error);

/** Loads an object whole; size and digest are checked, ASH_ERROR_TRUST if no copy has the right one. For small ones. Owned. */
GBytes *ash_source_load_object(AshContext *ctx, AshSource *source, const AshObjectRef *object, GError **error);

/**
 * Writes an object into @fd from its offset 0 on. What @fd has already is taken for the beginning of the same object: only the rest is
 * fetched, and if the digest is not right then, everything is, once. Afterwards @fd has exactly the object's bytes, not synced. Errors as
 * of ash_source_load_object(); @fd then has what a next call goes on with.
 */
gboolean ash_source_save_object(AshContext *ctx, AshSource *source, const AshObjectRef *object, int fd, GError **error);

/** Bytes of bodies that have come so far, those thrown away included. */
guint64 ash_source_get_received(const AshSource *source);
/** Requests made so far, repetitions included. */
guint64 ash_source_get_requests(const AshSource *source);

/** A part of an object. */
typedef struct {
	const AshObjectRef *object;
	guint64 offset, length; /* bytes; length > 0 */
} AshSourceRange;

/**
 * Takes @length bytes at @position bytes from the beginning of range @index. Bytes of one range come in order, those of different ranges in any.
 * ASH_ERROR_TRUST: they are not what they should be; the unit they belong to is then fetched again, from another copy if there is one. Any other error ends
 * the whole call.
 */
typedef gboolean (*AshSourceSink)(guint index, guint64 position, const guint8 *data, gsize length, gpointer user_data, GError **error);

/**
 * Fetches @n ranges, calling @sink from this thread; ranges of one object are in ascending order and do not overlap. After a complaint of @sink the
 * range goes on at the last multiple of @unit (bytes from its beginning; 0: at its beginning). @first_copy: which copy to begin with, counted
 * from the preferred one, so that what turns out to be wrong later can be had from another.
 */
gboolean ash_source_fetch_ranges(AshContext *ctx, AshSource *source, const AshSourceRange *ranges, guint n, guint64 unit, guint first_copy,
				 AshSourceSink sink, gpointer user_data, GError **error);
