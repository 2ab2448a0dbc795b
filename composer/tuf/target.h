/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

/** Length and digests of a file, as far as they are known. */
typedef struct {
	gint64 version; /* of metadata */
	gint64 length;  /* bytes; -1: not told */
	bool has_hashes; /* some, though perhaps of no known kind */
	char *sha256;   /* hex, may be NULL */
	char *sha512;   /* hex, may be NULL */
} AshTufFile;

/** A target (TUF 1.0 4.5). */
typedef struct {
	char *path;         /* relative, "/" between components, none of them "." or ".." */
	AshTufFile file;    /* the length is always known, and at least one digest */
	JsonObject *custom; /* may be NULL */
} AshTufTarget;

/** A copy, sharing @custom. Owned. */
AshTufTarget *ash_tuf_target_copy(const AshTufTarget *target);
void ash_tuf_target_free(AshTufTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufTarget, ash_tuf_target_free)

/** Where a target's file is below the address of targets: "DIR/DIGEST.NAME" with consistent snapshots (TUF 1.0 6.2). Owned. */
char *ash_tuf_target_dup_location(const AshTufTarget *target, bool consistent);
/** ASH_ERROR_TRUST unless @data has the length and every digest of @file that is told. @what names it. */
gboolean ash_tuf_file_check(const AshTufFile *file, GBytes *data, const char *what, GError **error);
/** True for a path that a target may have. */
bool ash_tuf_target_is_path(const char *path);

/** Length and digests from @object ("length", which must be there if @needs_length, and "hashes"). ASH_ERROR_TRUST. */
gboolean ash_tuf_file_parse(JsonObject *object, bool needs_length, AshTufFile *ret_file, GError **error);
void ash_tuf_file_clear(AshTufFile *file);
/** A target called @path. ASH_ERROR_TRUST. Owned. */
AshTufTarget *ash_tuf_target_parse(const char *path, JsonObject *object, GError **error);
