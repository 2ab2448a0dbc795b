/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/** The steps of tree.c, one a line; each says at its code what it does. */
typedef gboolean (*AshTreeStepFunc)(AshTreeRoot *root, GError **error);

/* locale.c */
gboolean ash_step_locale(AshTreeRoot *root, GError **error);
gboolean ash_step_keymap(AshTreeRoot *root, GError **error);
gboolean ash_step_timezone(AshTreeRoot *root, GError **error);
/* identity.c */
gboolean ash_step_hostname(AshTreeRoot *root, GError **error);
gboolean ash_step_release(AshTreeRoot *root, GError **error);
gboolean ash_step_lock(AshTreeRoot *root, GError **error);
gboolean ash_step_machine_id(AshTreeRoot *root, GError **error);
gboolean ash_step_rpm(AshTreeRoot *root, GError **error);
/* users.c */
gboolean ash_step_users(AshTreeRoot *root, GError **error);
/* network.c */
gboolean ash_step_network(AshTreeRoot *root, GError **error);
gboolean ash_step_firewall(AshTreeRoot *root, GError **error);
/* timesource.c */
gboolean ash_step_ntp(AshTreeRoot *root, GError **error);
/* login.c */
gboolean ash_step_authselect(AshTreeRoot *root, GError **error);
gboolean ash_step_desktop(AshTreeRoot *root, GError **error);
/* certificates.c */
gboolean ash_step_certificates(AshTreeRoot *root, GError **error);
/* services.c */
gboolean ash_step_services(AshTreeRoot *root, GError **error);
/* selinux.c */
gboolean ash_step_selinux(AshTreeRoot *root, GError **error);
gboolean ash_step_selinux_paths(AshTreeRoot *root, GError **error);
gboolean ash_step_selinux_file_systems(AshTreeRoot *root, GError **error);
/* scripts.c */
gboolean ash_step_scripts(AshTreeRoot *root, GError **error);
/* wsl.c */
gboolean ash_step_wsl(AshTreeRoot *root, GError **error);
/* wsltidy.c */
gboolean ash_step_wsl_tidy(AshTreeRoot *root, GError **error);
/* fstab.c */
gboolean ash_step_fstab(AshTreeRoot *root, GError **error);
gboolean ash_step_growth(AshTreeRoot *root, GError **error);
gboolean ash_step_growth_ostree(AshTreeRoot *root, GError **error);
/* boot.c */
gboolean ash_step_host_keys(AshTreeRoot *root, GError **error);
/* traditional.c */
gboolean ash_step_traditional(AshTreeRoot *root, GError **error);
/* kernel.c */
gboolean ash_step_kernel(AshTreeRoot *root, GError **error);
/* initramfs.c */
gboolean ash_step_initramfs(AshTreeRoot *root, GError **error);
/* cleanup.c */
gboolean ash_step_skeleton(AshTreeRoot *root, GError **error);
gboolean ash_step_cleanup(AshTreeRoot *root, GError **error);
/* grub.c */
gboolean ash_step_grub(AshTreeRoot *root, GError **error);
gboolean ash_step_grub_bios(AshTreeRoot *root, GError **error);
/* ostree.c */
gboolean ash_step_ostree(AshTreeRoot *root, GError **error);
/* ostreepolicy.c */
gboolean ash_step_ostree_policy(AshTreeRoot *root, GError **error);
/* var.c */
gboolean ash_step_toplevel(AshTreeRoot *root, GError **error);
gboolean ash_step_var(AshTreeRoot *root, GError **error);
