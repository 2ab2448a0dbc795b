/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/format/qcow2*.c: what is on disk (docs/interop/qcow2.txt of QEMU, version 3). All numbers are big endian. */

#include "disk/format/clusters.h"

#define ASH_QCOW2_CLUSTER_BITS 16

/** What one cluster of each kind of table has. */
#define ASH_QCOW2_L2_ENTRIES       (ASH_CLUSTER_BYTES / sizeof(guint64))
#define ASH_QCOW2_REFCOUNT_ENTRIES (ASH_CLUSTER_BYTES / sizeof(guint16))

/** In entries of L1 and L2: exactly one reference, so that a writer need not copy the cluster first. */
#define ASH_QCOW2_COPIED     ((guint64) 1 << 63)
#define ASH_QCOW2_COMPRESSED ((guint64) 1 << 62)

#define ASH_QCOW2_SECTOR_BYTES 512

/** At the start; zeros behind it end the (empty) list of its extensions. */
typedef struct __attribute__((packed)) {
	char magic[4];
	guint32 version;
	guint64 backing_file_offset;
	guint32 backing_file_bytes;
	guint32 cluster_bits;
	guint64 disk_bytes;
	guint32 encryption;
	guint32 l1_entries;
	guint64 l1_offset;
	guint64 refcount_table_offset;
	guint32 refcount_table_clusters;
	guint32 n_snapshots;
	guint64 snapshots_offset;
	guint64 incompatible_features;
	guint64 compatible_features;
	guint64 autoclear_features;
	guint32 refcount_order; /* 1 << 4 bits */
	guint32 header_bytes;
	guint8 compression; /* 0: zlib, which is also said if nothing is compressed */
	guint8 padding[7];
} AshQcow2Header;

G_STATIC_ASSERT(sizeof(AshQcow2Header) == 112);
G_STATIC_ASSERT(ASH_CLUSTER_BYTES == (guint64) 1 << ASH_QCOW2_CLUSTER_BITS);

/** L2 tables that have entries for the clusters of @map. */
guint64 ash_qcow2_count_l2_tables(const AshClusterMap *map);
