/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/entry.h"

#include <rpm/rpmfiles.h>
#include <sys/stat.h>

/** One file to be put into an open directory, as librpm's unpacking does it. */

typedef struct {
	int dir_fd;
	const char *dir, *name;      /* the directory as packages write it, for notices; and what is made in it */
	mode_t mode;                 /* type and permissions that it is to have; and so on */
	uid_t uid;
	gid_t gid;
	gint64 mtime;                /* seconds */
	dev_t device;
	rpmFileAction action;
	const char *link_target;     /* of a symbolic link */
	const char *caps;            /* cap_from_text(3); NULL or "": none */
	const AshEntryFile *content; /* of a regular file */
	int entry_fd;                /* where that is */
	int link_dir_fd;             /* @dir_fd's directory on the mount of @entry_fd; -1: to be copied */
	GString *notices;            /* gets a line for each file that has another name now */
} AshPlaceFile;

/** Where the first of a set of hard links went. */
typedef struct {
	int dir_fd; /* owned */
	char *name; /* owned */
} AshPlaceLink;

/** Makes or adapts a directory. What is in its way is removed, but a symbolic link to a directory is kept. */
gboolean ash_place_dir(const AshPlaceFile *file, GError **error);

/**
 * Makes anything else; what is in its way is replaced in one step. *@ret_name (owned, may be NULL): the name it got, another
 * than @file->name where a configuration file was kept.
 */
gboolean ash_place_node(const AshPlaceFile *file, char **ret_name, GError **error);

/** Makes a hard link to what was made before. */
gboolean ash_place_link(const AshPlaceFile *file, const AshPlaceLink *first, GError **error);
