/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/inputcache.h"
#include "tree/dracutrun.h"

/**
 * The archives that an initramfs is joined of, in their order: the base part, which knows no kernel, and the kernel's. The kernel
 * unpacks them one over the other (its Documentation/driver-api/early-userspace/buffer-format). Where dracut's modules
 * do not allow that (ash_dracut_is_separable()), there is one for all.
 */
typedef struct {
	const char *name;  /* for explanations; NULL: it is the only one */
	char *title;       /* as in AshInputCache */
	char *key;         /* the same; begins with the digest of the options */
	char *digest;      /* hex, of the kept archive that is the same; NULL: there is none */
	char *why;         /* that is so, as half a sentence */
	AshDracutRun run;
	int fd;            /* of the archive; -1: it has to be made */
} AshInitramfsPart;

/** Whose drivers every initramfs has. */
#define ASH_INITRAMFS_FILE_SYSTEMS "erofs ext4 overlay vfat"

/** What the parts are made by. */
typedef struct {
	const AshTreeRoot *root; /* borrowed */
	char *version;           /* of the kernel */
	guint64 epoch;           /* seconds: SOURCE_DATE_EPOCH */
	gint64 time_limit;       /* seconds: no time in an archive is later */
	GPtrArray *words;        /* what all runs of dracut are told: of owned char *, NULL-terminated */
	char *digest;            /* hex, of all of this but the kernel */
} AshInitramfsOptions;

/** @version is copied. */
void ash_initramfs_options_init(AshInitramfsOptions *options, const AshTreeRoot *root, const char *version);
void ash_initramfs_options_clear(AshInitramfsOptions *options);

/** Of AshInitramfsPart; owned. */
GPtrArray *ash_initramfs_parts_new(const AshInitramfsOptions *options);

/** Where kept archives of this part are, @dir being the caches' directory; everything is borrowed. */
AshInputCache ash_initramfs_part_cache(const AshInitramfsPart *part, const char *dir);

/** Finds the kept archives of what @reader takes now, not looking at themselves: digest or why. True if there are all. */
bool ash_initramfs_parts_match(const GPtrArray *parts, const char *dir, AshInputReader *reader);

/** Opens those; one that is not what its digest says is no longer found. */
void ash_initramfs_parts_open(const GPtrArray *parts, const char *dir);

/** Why archives have to be made, and which; as half a sentence, owned; NULL: none has. */
char *ash_initramfs_parts_explain(const GPtrArray *parts);

/** Writes the archives one after the other into the empty file @fd, each where the kernel may look for one. All are open. */
gboolean ash_initramfs_parts_join(const GPtrArray *parts, int fd, GError **error);
