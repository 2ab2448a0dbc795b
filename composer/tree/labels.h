/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshLabels: SELinux labels by the tree's own policy (its file_contexts), on a host with or without SELinux.
 */
typedef struct AshLabels AshLabels;

/** *@ret_labels is NULL (no error) if the tree has no policy, or SELINUX=disabled. */
gboolean ash_labels_open(const char *root_path, AshLabels **ret_labels, GError **error);
void ash_labels_free(AshLabels *labels);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshLabels, ash_labels_free)

/**
 * The label of @path ("/usr/bin/sh"; what is in /usr/etc has that of /etc) with @mode, owned; NULL if the policy has none (<<none>>). @labels is an AshLabels:
 * the type of store/scan.h's AshLabelFunc. From one thread at a time.
 */
char *ash_labels_lookup(const char *path, guint32 mode, gpointer labels);
