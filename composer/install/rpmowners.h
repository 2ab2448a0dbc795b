/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** A package of a database, with what is said of it to those who look for known flaws; all owned, NULL where the header says nothing. */
typedef struct {
	char *name, *version, *release, *arch, *vendor, *source_rpm;
	char *source; /* name of the source package; its own if the header does not say */
	char **requires; /* what it needs to run, not what only its scripts need: names of packages, capabilities, absolute paths; rich ones in brackets */
	char **provides; /* names */
	gint64 epoch; /* -1: none */
	guint64 install_time, build_time; /* seconds */
	guint64 size;                     /* bytes, as the header says */
} AshRpmOwner;

/** What a package says of one of its files. */
typedef struct {
	guint package;  /* index */
	GArray *more;   /* of guint: others that own it as well; NULL: none */
	guint32 mtime;  /* seconds */
	guint64 size;   /* bytes */
} AshRpmOwned;

/** Who owns what. */
typedef struct {
	GPtrArray *packages; /* of AshRpmOwner, sorted by name, version and architecture */
	GHashTable *files;   /* path without leading slash -> AshRpmOwned; of several owners the first */
} AshRpmOwners;

/** Reads the database ASH_RPMDB_DIR below @root, beside which librpm may write. Owned; NULL if it cannot be read. */
AshRpmOwners *ash_rpm_owners_load(const char *root, GError **error);
void ash_rpm_owners_free(AshRpmOwners *owners);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRpmOwners, ash_rpm_owners_free)
