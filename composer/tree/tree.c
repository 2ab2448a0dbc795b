/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/tree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tree/dracuthide.h"
#include "tree/steps.h"

#include <fcntl.h>

/* The kinds of trees that a step is for. */
enum {
	FOR_ATOMIC = 1 << 0, /* machines with a read-only root, /var apart */
	FOR_OCI = 1 << 1,
	FOR_WSL = 1 << 2,
	FOR_TAR = 1 << 3,
	FOR_TRADITIONAL = 1 << 4, /* machines with one writable root */
	FOR_OSTREE = 1 << 5,      /* machines whose trees ostree(1) deploys */
	FOR_FIXED = FOR_ATOMIC | FOR_OSTREE,            /* that come as a whole, /var apart */
	FOR_DISK = FOR_ATOMIC | FOR_TRADITIONAL,        /* that are for one disk */
	FOR_BOOTABLE = FOR_DISK | FOR_OSTREE,           /* that have a kernel */
	FOR_ALL = FOR_BOOTABLE | FOR_OCI | FOR_WSL | FOR_TAR,
	FOR_SYSTEMS = FOR_BOOTABLE | FOR_WSL | FOR_TAR, /* that run services */
	FOR_MACHINES = FOR_BOOTABLE | FOR_TAR,          /* that have a network of their own */
};

typedef struct {
	const char *name;
	guint kinds;
	guint weight; /* of its time */
	AshTreeStepFunc run;
} Step;

/*
 * In this order: what the kickstart says, then its scripts, which may change all of that; then what makes the tree
 * bootable; then cleaning, and /var, once nothing writes there any more; last what gives things other places.
 */
static const Step steps[] = {
	{ "Skeleton", FOR_ALL, 1, ash_step_skeleton },
	{ "Locale", FOR_ALL, 1, ash_step_locale },
	{ "Keymap", FOR_SYSTEMS, 1, ash_step_keymap },
	{ "Time zone", FOR_ALL, 1, ash_step_timezone },
	{ "Host name", FOR_MACHINES, 1, ash_step_hostname },
	{ "Users", FOR_ALL, 2, ash_step_users },
	{ "Network", FOR_MACHINES, 1, ash_step_network },
	{ "Time servers", FOR_MACHINES, 1, ash_step_ntp },
	{ "Firewall", FOR_MACHINES, 2, ash_step_firewall },
	{ "Certificates", FOR_ALL, 1, ash_step_certificates },
	{ "Authentication", FOR_ALL, 1, ash_step_authselect },
	{ "Desktop", FOR_SYSTEMS, 1, ash_step_desktop },
	{ "SELinux", FOR_MACHINES, 1, ash_step_selinux },
	{ "Host keys", FOR_SYSTEMS, 1, ash_step_host_keys },
	{ "Services", FOR_SYSTEMS, 3, ash_step_services },
	{ "WSL", FOR_WSL, 1, ash_step_wsl },
	{ "Release", FOR_ALL, 1, ash_step_release },
	{ "RPM", FOR_ALL, 1, ash_step_rpm },
	{ "Scripts", FOR_ALL, 10, ash_step_scripts },
	{ "Lock", FOR_ALL, 1, ash_step_lock },
	{ "File systems", FOR_DISK, 1, ash_step_fstab },
	{ "Growth", FOR_DISK, 1, ash_step_growth },
	{ "Growth of the root", FOR_OSTREE, 1, ash_step_growth_ostree },
	{ "Package-managed", FOR_TRADITIONAL, 1, ash_step_traditional },
	{ "Kernel", FOR_BOOTABLE, 5, ash_step_kernel },
	{ "Initramfs", FOR_BOOTABLE, 100, ash_step_initramfs },
	{ "Boot loader", FOR_OSTREE, 1, ash_step_grub },
	{ "Boot loader", FOR_TRADITIONAL, 1, ash_step_grub_bios },
	{ "Cleanup", FOR_ALL, 1, ash_step_cleanup },
	{ "WSL rules", FOR_WSL, 1, ash_step_wsl_tidy },
	{ "Top level", FOR_FIXED, 1, ash_step_toplevel },
	{ "Modules of the policy", FOR_OSTREE, 1, ash_step_ostree_policy },
	{ "Labels", FOR_FIXED, 1, ash_step_selinux_paths },
	{ "Labels of file systems", FOR_TRADITIONAL, 1, ash_step_selinux_file_systems },
	{ "Variable data", FOR_FIXED, 1, ash_step_var },
	{ "Machine ID", FOR_ALL, 1, ash_step_machine_id },
	{ "OSTree", FOR_OSTREE, 1, ash_step_ostree },
};

static guint
kind_of(const AshImageType *type)
{
	static const guint kinds[] = {
		[ASH_IMAGE_DISK] = FOR_ATOMIC,
		[ASH_IMAGE_OCI] = FOR_OCI,
		[ASH_IMAGE_WSL] = FOR_WSL,
		[ASH_IMAGE_TAR] = FOR_TAR,
	};
	static const guint systems[] = {
		[ASH_SYSTEM_ATOMIC] = FOR_ATOMIC,
		[ASH_SYSTEM_TRADITIONAL] = FOR_TRADITIONAL,
		[ASH_SYSTEM_OSTREE] = FOR_OSTREE,
	};

	return type->bootable ? systems[type->system] : kinds[type->kind];
}

static gboolean
run_step(AshTreeRoot *root, const Step *step, GError **error)
{
	if (!ash_context_check(root->ctx, error))
		return FALSE;
	ash_progress_begin(root->ctx->progress, step->name, step->weight);
	gboolean done = step->run(root, error);
	ash_progress_end(root->ctx->progress);
	/* Few programs tell that they could not write; and a later step may make room. */
	return done && ash_file_require_room(root->fd, step->name, error);
}

void
ash_tree_report_clear(AshTreeReport *report)
{
	g_clear_pointer(&report->initramfs_note, g_free);
}

gboolean
ash_tree_apply(AshContext *ctx, const AshTreeRequest *request, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, request->root_path, false, error);
	AshTreeRoot root = { .ctx = ctx, .request = request, .fd = fd };
	guint kind = kind_of(request->type), total = 0;

	if (fd < 0)
		return FALSE;
	g_autoptr(GHashTable) installed = ash_dracut_list_installed(&root);
	root.installed = installed;
	for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
		total += (steps[i].kinds & kind) != 0 ? steps[i].weight : 0;
	ash_progress_set_total_weight(ctx->progress, total);
	for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
		if ((steps[i].kinds & kind) != 0 && !run_step(&root, &steps[i], error))
			return FALSE;
	return TRUE;
}
