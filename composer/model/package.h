/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** Why a package is in the set. */
typedef enum {
	ASH_REASON_USER,       /* named in %packages or by the image type */
	ASH_REASON_GROUP,      /* member of a comps group that was asked for */
	ASH_REASON_DEPENDENCY, /* required by another */
	ASH_REASON_WEAK,       /* recommended or supplementing */
} AshReason;

/** "user", "group", "dependency", "weak". */
const char *ash_reason_to_string(AshReason reason);
gboolean ash_reason_parse(const char *text, AshReason *ret_reason);

/** One resolved package. */
typedef struct {
	char *name, *version, *release, *arch;
	guint32 epoch;
	char *repo_id;
	char *location;       /* relative to the repository's base_url, or absolute URL */
	char *sha256;         /* of the whole .rpm file, hex, as the verified metadata says */
	guint64 size;         /* bytes of the .rpm file */
	guint64 install_size; /* bytes installed */
	guint64 build_time;   /* seconds since the epoch */
	char *source;         /* name of the source RPM file, may be NULL */
	char *license;        /* may be NULL */
	AshReason reason;
	char *path;           /* the downloaded file, absolute; NULL until fetched */
} AshPackage;

AshPackage *ash_package_new(void);
void ash_package_free(AshPackage *package);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPackage, ash_package_free)

/** "name-[epoch:]version-release.arch". Owned. */
char *ash_package_dup_nevra(const AshPackage *package);
/** "[epoch:]version-release". Owned. */
char *ash_package_dup_evr(const AshPackage *package);
/** Splits name-[epoch:]version-release.arch into new strings of @ret_package; FALSE (no error) if it is not one. */
gboolean ash_package_parse_nevra(const char *nevra, AshPackage *ret_package);

/** A resolved set, sorted by name, arch, then version: an array of AshPackage, owned by the set. */
typedef struct {
	GPtrArray *packages;
} AshPackageSet;

AshPackageSet *ash_package_set_new(void);
void ash_package_set_free(AshPackageSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPackageSet, ash_package_set_free)
/** Sorts by name, arch, version. */
void ash_package_set_sort(AshPackageSet *set);
/** Borrowed; NULL if absent. */
AshPackage *ash_package_set_find(const AshPackageSet *set, const char *name);
guint64 ash_package_set_total_size(const AshPackageSet *set);
guint64 ash_package_set_total_install_size(const AshPackageSet *set);
/** The newest build_time of all: the default SOURCE_DATE_EPOCH of what is made of the set. */
guint64 ash_package_set_newest_build_time(const AshPackageSet *set);
