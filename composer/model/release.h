/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * What is published of one version of a system, and which versions a channel offers. Both are TUF targets (TUF 1.0 4.5): JSON
 * whose length and SHA-256 the signed metadata holds; everything else is an object, named by its own digest in here.
 *
 * A release directory holds, below one address:
 *
 *     metadata/N.root.json N.targets.json N.snapshot.json timestamp.json     the only one that changes is the last
 *     targets/REF/DIGEST.VERSION.json                                         releases (AshRelease)
 *     targets/REF/channels/DIGEST.NAME.json                                   channels (AshChannel)
 *     objects/ab/DIGEST                                                       everything else, immutable
 *
 * Target paths are "REF/VERSION.json" and "REF/channels/NAME.json"; consistent snapshots put the digest before the last component.
 */
#define ASH_RELEASE_FORMAT 1
#define ASH_RELEASE_BLOCK_BYTES 4096
/** Content of one frame of a pack: sixteen blocks; the last frame of an image may be shorter. */
#define ASH_RELEASE_FRAME_BYTES (64 * 1024)
/** No segment of a pack is longer, bytes. */
#define ASH_RELEASE_SEGMENT_BYTES (64 * 1024 * 1024)
/** No recipe of a kernel image is longer, bytes: nodes have it in memory. */
#define ASH_RELEASE_RECIPE_MAX_BYTES (8 * 1024 * 1024)
/** No signature of a root hash is longer, bytes. */
#define ASH_RELEASE_SIG_MAX_BYTES 65536
/** No JSON of a release or channel is longer, bytes. */
#define ASH_RELEASE_MAX_JSON_BYTES (4 * 1024 * 1024)

/** An immutable file of a release directory: "objects/ab/abcdef..." */
typedef struct {
	char *sha256; /* hex; NULL: there is no such object */
	guint64 size; /* bytes */
} AshObjectRef;

/** Path of an object below the release directory. Owned. */
char *ash_object_ref_path(const AshObjectRef *object);

/** A stretch of frames, one behind the other. */
typedef struct {
	AshObjectRef object;
	guint64 frames;
} AshPackSegment;

/** How to make this root image out of another one. */
typedef struct {
	char *from_version;
	char *from_root_hash; /* hex */
	AshObjectRef object;  /* pack/delta.h */
} AshReleaseDelta;

/** What an update from an earlier version takes, in bytes of data over the network. */
typedef struct {
	char *from_version;
	char *from_root_hash;
	guint64 tree_bytes;     /* blocks of the hash tree */
	guint64 data_bytes;     /* compressed frames */
	guint64 requests;
	guint64 delta_bytes;    /* of the delta for this pair; 0: there is none */
	guint64 kernel_bytes;   /* of the kernel image, or its recipe; 0: not told */
} AshReleaseCost;

typedef struct {
	/* identity */
	guint64 format;        /* ASH_RELEASE_FORMAT */
	char *ref;             /* NAME/ARCHITECTURE/VARIANT */
	char *name, *version;  /* of labels and of the UKI */
	char *architecture;
	char *commit;          /* OSTree commit, hex */
	guint64 timestamp;     /* seconds: SOURCE_DATE_EPOCH */
	char *minimum;         /* oldest version that may update to it; NULL: any */

	/* the root file system and its dm-verity tree: block size 4096, SHA-256, hash type 1 */
	guint64 root_bytes;    /* of data, whole blocks */
	char *root_hash;       /* hex */
	char *salt;            /* hex */
	AshObjectRef tree;     /* the hash area as it is on disk: superblock, then levels, root first */

	/* pack/frames.h: the root file system in compressed frames */
	guint64 frame_bytes;   /* ASH_RELEASE_FRAME_BYTES */
	AshObjectRef frames;   /* table of lengths */
	GPtrArray *segments;   /* of AshPackSegment */

	AshObjectRef uki;      /* EFI/Linux/NAME_VERSION.efi */
	AshObjectRef uki_recipe; /* a delta (pack/delta.h) that makes it of this release's root file system; may be absent. Who does not know it, or
				  * cannot use it, takes the whole */
	AshObjectRef verity_sig; /* the signature of the root hash, as its partition has it (disk/verity/signature.h); may be absent */
	AshObjectRef etc;      /* the defaults in /etc: lines "sha256  mode  path"; may be absent */
	AshObjectRef sbom;     /* may be absent */
	AshObjectRef layout;   /* where everything is in the root file system (disk/erofs/layout.h): for the next version; may be absent */
	AshObjectRef anchor;   /* the layout of an earlier version that this one was made with; may be absent */
	GPtrArray *deltas;     /* of AshReleaseDelta */
	GPtrArray *costs;      /* of AshReleaseCost, newest first */
} AshRelease;

AshRelease *ash_release_new(void);
void ash_release_free(AshRelease *release);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRelease, ash_release_free)

/** What a node fetches to have the kernel image: its recipe if there is one, else all of it. Borrowed. */
const AshObjectRef *ash_release_get_kernel_object(const AshRelease *release);

/** When a share of the nodes may take a version. */
typedef struct {
	guint64 start;   /* seconds since 1970 */
	guint64 percent; /* of all nodes, 1 to 100, those of earlier waves included */
} AshWave;

typedef struct {
	char *version;
	guint64 published; /* seconds since 1970 */
	bool withdrawn;    /* not to be taken; who runs it stays until a newer one comes */
	bool barrier;      /* older nodes take this one before any later */
	GPtrArray *waves;  /* of AshWave, by start; empty: all nodes at once */
} AshChannelEntry;

typedef struct {
	guint64 format;
	char *ref, *name;   /* "stable" */
	GPtrArray *entries; /* of AshChannelEntry, oldest version first (strverscmp(3)) */
} AshChannel;

AshChannel *ash_channel_new(void);
void ash_channel_free(AshChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshChannel, ash_channel_free)

/** Target paths. Owned. */
char *ash_release_target_path(const char *ref, const char *version);
char *ash_channel_target_path(const char *ref, const char *channel);

/** JSON text, indented, stable. Owned. */
char *ash_release_format(const AshRelease *release);
char *ash_channel_format(const AshChannel *channel);

/**
 * Parses and checks: format, every digest, sizes that fit each other (whole blocks, hash area, frames and segments), versions and
 * names without anything that a file name or a label must not have. @what names it in errors. ASH_ERROR_TRUST. Owned.
 */
AshRelease *ash_release_parse(const char *text, gsize length, const char *what, GError **error);
AshChannel *ash_channel_parse(const char *text, gsize length, const char *what, GError **error);

/** A version as labels and file names may have it: 1 to 64 of letters, digits and "._-~^", not beginning with "." or "-". */
bool ash_release_is_version(const char *text);
/** A ref: such components with "/" between, at most 256 bytes. */
bool ash_release_is_ref(const char *text);

/**
 * The place of a node in all roll-outs of @version, from 0 to 99: a function of its seed (a secret of the node) and the version,
 * so that not always the same nodes come first. It is in a wave if the place is below its percent.
 */
guint ash_wave_place(const char *node_seed, const char *version);

/**
 * The entry that a node at @current should take at @now (seconds) having the seed @node_seed: the newest that is newer than @current,
 * not withdrawn, and whose waves have reached the node (@ignore_waves: all); if barriers lie between, the first of them. NULL: none.
 * *@ret_next: when a later wave will reach it; 0: none will. Borrowed.
 */
const AshChannelEntry *ash_channel_choose(const AshChannel *channel, const char *current, const char *node_seed, guint64 now,
					  bool ignore_waves, guint64 *ret_next);
