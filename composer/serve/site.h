/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** What a request is for: a label of metrics. */
typedef enum {
	ASH_SITE_METADATA,
	ASH_SITE_TARGETS,
	ASH_SITE_OBJECTS,
	ASH_SITE_OSTREE,
	ASH_SITE_SYSUPDATE,
	ASH_SITE_OTHER,   /* other files, and what is not there */
	ASH_SITE_PAGE,    /* for people: the page and what it loads */
	ASH_SITE_API,
	ASH_SITE_REPORT,
	ASH_SITE_METRICS,
} AshSiteClass;
#define ASH_SITE_N_CLASSES 10

/** "metadata", ... Static. */
const char *ash_site_class_to_string(AshSiteClass class);

/** A file of a release directory, open for reading, and what HTTP says about it. */
typedef struct {
	int fd;
	guint64 bytes;
	gint64 modified;     /* seconds since 1970 */
	char *etag;          /* with quotes: the digest that the name has, else made of time and size */
	const char *type;    /* media type; static */
	const char *caching; /* value of Cache-Control; static */
} AshSiteFile;

void ash_site_file_clear(AshSiteFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSiteFile, ash_site_file_clear)

/**
 * The path of a request target ("/objects/ab/abc%20d", not decoded) as one below the release directory; NULL if it names nothing that is
 * served: "." and "..", hidden files, empty components, encoded slashes, control characters, what a publisher has not finished ("tmp/"). Owned.
 */
char *ash_site_decode_path(const char *target);

/** By the first component of a path that ash_site_decode_path() made. */
AshSiteClass ash_site_classify(const char *path);

/**
 * Opens such a path below @dir_fd. Symbolic links are not followed, anywhere in it. 0, or an errno: ENOENT if it is not there or no plain file.
 */
int ash_site_open(int dir_fd, const char *path, AshSiteFile *ret_file);
