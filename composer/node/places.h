/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * Where things are on this machine, and what time it is. All of it can be set on the command line, so that everything can be tried on
 * plain files: a disk image, a directory as the EFI system partition, a directory as "/".
 */
typedef struct {
	char *root;   /* "/"; below it /etc, /usr, /proc, /run, /var and /sys are looked for */
	char *disk;   /* disk or disk image; NULL: the one with the running root */
	char *esp;    /* directory; NULL: where the EFI system partition is mounted */
	char *state;  /* directory; NULL: /var/lib/ashlar/node */
	char *config; /* one file in place of node.conf and all drop-ins; may be NULL */
	guint64 now;  /* seconds since 1970; 0: the clock's */
} AshNodePlaces;

void ash_node_places_clear(AshNodePlaces *places);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshNodePlaces, ash_node_places_clear)

/** @path, which begins with "/", below places->root. Owned. */
char *ash_node_places_path(const AshNodePlaces *places, const char *path);
/** The content of a small file below the root, stripped; NULL if it cannot be read. Owned. */
char *ash_node_places_read(const AshNodePlaces *places, const char *path);
/** The directory of our state. Owned. */
char *ash_node_places_state(const AshNodePlaces *places);
/** Seconds since 1970. */
guint64 ash_node_places_now(const AshNodePlaces *places);
