/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>

/* What the kernel has from elsewhere needs no line. */
#define READ_ONLY_ROOT "# The root file system is read-only and found by its root hash; /etc is an overlay kept in /var.\n"
#define TMP            "/tmp"
#define TMP_LINE       "tmpfs\t" TMP "\ttmpfs\tmode=1777,nosuid,nodev,size=50%\t0\t0\n"
/*
 * /var of a read-only root is mounted in the initrd, by the same name (dracut/90ashlar); the line lets systemd know it, grow it and leave it
 * alone at shutdown, when /etc still needs it.
 */
#define VAR            "/var"
#define VAR_OPTIONS    "rw,x-initrd.mount,x-systemd.growfs"
#define GROW           "x-systemd.growfs"

/* Lines that a package or a %post script put there stay. */
static gboolean
put_before(AshTreeRoot *root, const char *path, const char *lines, mode_t mode, GError **error)
{
	g_autofree char *old = NULL;

	if (!ash_tree_root_load(root, path, &old, error))
		return FALSE;
	g_autofree char *text = g_strconcat(lines, old, NULL);
	return ash_tree_root_save(root, path, text, mode, error);
}

static bool
has_read_only_root(const GPtrArray *mounts)
{
	return ash_mounts_find(mounts, "/") == NULL;
}

static bool
is_early_var(const GPtrArray *mounts, const AshMount *mount)
{
	return has_read_only_root(mounts) && g_strcmp0(mount->mount_point, VAR) == 0;
}

static char *
dup_options(const GPtrArray *mounts, const AshMount *mount)
{
	const char *options = mount->options != NULL ? mount->options : "defaults";

	if (is_early_var(mounts, mount))
		return g_strdup(VAR_OPTIONS);
	return mount->grow ? g_strconcat(options, "," GROW, NULL) : g_strdup(options);
}

/* First field of a line: a logical volume and what is opened have a name of their own. */
static char *
dup_source(const AshMount *mount)
{
	if (mount->device != NULL)
		return g_strdup(mount->device);
	return g_strconcat(mount->encrypted ? "/dev/mapper/" : "PARTLABEL=", mount->label, NULL);
}

static void
add_line(GString *text, const GPtrArray *mounts, const AshMount *mount)
{
	g_autofree char *source = dup_source(mount), *options = dup_options(mounts, mount);
	bool is_early = is_early_var(mounts, mount);

	g_string_append_printf(text, "%s\t%s\t%s\t%s\t0\t%d\n", source,
			       mount->mount_point != NULL ? mount->mount_point : "none", mount->fs, options,
			       is_early ? 0 : mount->check_pass);
}

/* What the initrd has opened stays open to the end; the rest is asked for when it is mounted. */
static void
add_volume(GString *text, const GPtrArray *mounts, const AshMount *mount)
{
	bool is_early = is_early_var(mounts, mount) || g_strcmp0(mount->mount_point, "/") == 0;

	if (mount->encrypted)
		g_string_append_printf(text, "%s\tPARTLABEL=%s\tnone\tluks%s\n", mount->label, mount->label, is_early ? ",x-initrd.attach" : "");
}

static gboolean
make_mount_points(AshTreeRoot *root, GError **error)
{
	const GPtrArray *mounts = root->request->type->mounts;

	for (guint i = 0; i < mounts->len; i++) {
		const AshMount *mount = g_ptr_array_index(mounts, i);
		const char *path = mount->mount_point != NULL ? mount->mount_point + strspn(mount->mount_point, "/") : "";

		if (*path != '\0' && !ash_tree_root_mkdirs(root, path, 0755, error))
			return FALSE;
	}
	return TRUE;
}

/* What the partitions of the image's layout are mounted as: fstab(5), crypttab(5), and the directories. */
gboolean
ash_step_fstab(AshTreeRoot *root, GError **error)
{
	const GPtrArray *mounts = root->request->type->mounts;
	g_autoptr(GString) fstab = g_string_new(has_read_only_root(mounts) ? READ_ONLY_ROOT : NULL);
	g_autoptr(GString) crypttab = g_string_new(NULL);

	for (guint i = 0; i < mounts->len; i++) {
		add_line(fstab, mounts, g_ptr_array_index(mounts, i));
		add_volume(crypttab, mounts, g_ptr_array_index(mounts, i));
	}
	if (has_read_only_root(mounts) && ash_mounts_find(mounts, TMP) == NULL)
		g_string_append(fstab, TMP_LINE);
	return put_before(root, "etc/fstab", fstab->str, 0644, error) &&
	       (crypttab->len == 0 || put_before(root, "etc/crypttab", crypttab->str, 0600, error)) && make_mount_points(root, error);
}

static gboolean
save_growth(AshTreeRoot *root, const AshMount *mount, bool by_tpm2, GError **error)
{
	g_autofree char *path = g_strdup_printf("usr/lib/repart.d/50-%s.conf", mount->label);
	g_autoptr(GString) text = g_string_new("[Partition]\n");

	g_string_append_printf(text, "Type=%s\nLabel=%s\nGrowFileSystem=yes\n", ash_partition_role_get_repart_type(mount->role),
			       mount->label);
	if (mount->max_size != 0)
		g_string_append_printf(text, "SizeMaxBytes=%" G_GUINT64_FORMAT "\n", mount->max_size);
	/* The TPM's own volume is made at the first boot; a partition that is there is only grown. */
	if (by_tpm2)
		g_string_append(text, "Format=ext4\nEncrypt=tpm2\n");
	return ash_tree_root_save(root, path, text->str, 0644, error);
}

/*
 * A commit is for disks of any layout: what it knows is that its deployments are in the root partition, which is the last one. That is mounted by the initramfs, at
 * /sysroot, so no line of fstab(5) can have it grown. Others may deploy the commit where that cannot be, on a read-only /sysroot say: no failure of the machine.
 */
#define GROWFS    "usr/lib/systemd/systemd-growfs"
#define GROW_UNIT "ashlar-grow-root.service"

static const char grow_unit[] = "[Unit]\n"
				"Description=Grow the file system of all deployments to the end of its partition\n"
				"DefaultDependencies=no\n"
				"Conflicts=shutdown.target\n"
				"After=systemd-repart.service systemd-remount-fs.service ostree-remount.service\n"
				"Before=sysinit.target shutdown.target\n"
				"ConditionPathIsMountPoint=/sysroot\n"
				"\n"
				"[Service]\n"
				"Type=oneshot\n"
				"RemainAfterExit=yes\n"
				"ExecStart=-/" GROWFS " /sysroot\n"
				"TimeoutSec=0\n";

gboolean
ash_step_growth_ostree(AshTreeRoot *root, GError **error)
{
	if (!ash_tree_root_has_program(root, "systemd-repart") || !ash_tree_root_has(root, GROWFS))
		return TRUE;
	return ash_tree_root_save(root, "usr/lib/repart.d/50-root.conf", "[Partition]\nType=root\nGrowFileSystem=yes\n", 0644, error) &&
	       ash_tree_root_save(root, "usr/lib/systemd/system/" GROW_UNIT, grow_unit, 0644, error) &&
	       ash_tree_root_mkdirs(root, "usr/lib/systemd/system/sysinit.target.wants", 0755, error) &&
	       ash_tree_root_link(root, "usr/lib/systemd/system/sysinit.target.wants/" GROW_UNIT, "../" GROW_UNIT, error);
}

/*
 * A volume group grows with its partition: then one logical volume gets all that is free, before its file system is mounted and grown
 * (x-systemd.growfs). Nothing is free at later boots, which is no failure. Only the last partition of a disk grows, so there is one such volume.
 */
#define LVM           "usr/sbin/lvm"
#define LVM_GROW_UNIT "ashlar-grow-lvm.service"

/* systemd.unit(5), "STRING ESCAPING FOR INCLUSION IN UNIT NAMES"; ours has no slash, and no dot in front. Owned. */
static char *
escape(const char *name)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (; *name != '\0'; name++) {
		if (g_ascii_isalnum(*name) || strchr(":_.", *name) != NULL)
			g_string_append_c(text, *name);
		else
			g_string_append_printf(text, "\\x%02x", (guchar) *name);
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The root has one of two units, by the version of systemd; other mounts are after local-fs-pre.target. Owned. */
static char *
make_volume_unit(const AshMount *mount)
{
	g_autofree char *label = escape(mount->grows_on);

	return g_strdup_printf("[Unit]\n"
			       "Description=Grow a volume group to the end of its partition\n"
			       "DefaultDependencies=no\n"
			       "Conflicts=shutdown.target\n"
			       "Wants=dev-disk-by\\x2dpartlabel-%s.device local-fs-pre.target\n"
			       "After=dev-disk-by\\x2dpartlabel-%s.device systemd-repart.service systemd-remount-fs.service\n"
			       "Before=local-fs-pre.target systemd-growfs@-.service systemd-growfs-root.service shutdown.target\n"
			       "\n"
			       "[Service]\n"
			       "Type=oneshot\n"
			       "RemainAfterExit=yes\n"
			       "ExecStart=-/" LVM " pvresize /dev/disk/by-partlabel/%s\n"
			       "ExecStart=-/" LVM " lvextend -l +100%%%%FREE %s\n"
			       "TimeoutSec=0\n",
			       label, label, mount->grows_on, mount->volume);
}

/* Where lvm(8) keeps copies of the metadata: directories that it makes itself would not have the labels of an SELinux policy. */
static gboolean
make_volume_backups(AshTreeRoot *root, GError **error)
{
	return ash_tree_root_mkdirs(root, "etc/lvm/archive", 0700, error) && ash_tree_root_mkdirs(root, "etc/lvm/backup", 0700, error);
}

static gboolean
save_volume_growth(AshTreeRoot *root, const AshMount *mount, GError **error)
{
	g_autofree char *path = g_strdup_printf("usr/lib/repart.d/50-%s.conf", mount->grows_on);
	g_autofree char *unit = make_volume_unit(mount);
	g_autoptr(GString) text = g_string_new("[Partition]\n");

	g_string_append_printf(text, "Type=%s\nLabel=%s\n", ash_partition_role_get_repart_type(ASH_PARTITION_LVM), mount->grows_on);
	if (mount->max_size != 0)
		g_string_append_printf(text, "SizeMaxBytes=%" G_GUINT64_FORMAT "\n", mount->max_size);
	return make_volume_backups(root, error) && ash_tree_root_save(root, path, text->str, 0644, error) &&
	       ash_tree_root_save(root, "usr/lib/systemd/system/" LVM_GROW_UNIT, unit, 0644, error) &&
	       ash_tree_root_mkdirs(root, "usr/lib/systemd/system/sysinit.target.wants", 0755, error) &&
	       ash_tree_root_link(root, "usr/lib/systemd/system/sysinit.target.wants/" LVM_GROW_UNIT, "../" LVM_GROW_UNIT, error);
}

/* repart.d(5): at boot the last partition is grown to the end of the disk, if systemd-repart is there. */
gboolean
ash_step_growth(AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	bool has_repart = ash_tree_root_has_program(root, "systemd-repart");

	if (!has_repart && type->var_tpm2)
		return ash_throw(error, ASH_ERROR_CONFIG, "the first boot makes /var by systemd-repart, which is in no package of the system");
	for (guint i = 0; has_repart && i < type->mounts->len; i++) {
		const AshMount *mount = g_ptr_array_index(type->mounts, i);
		bool by_tpm2 = type->var_tpm2 && g_strcmp0(mount->mount_point, VAR) == 0;

		if (!mount->grow)
			continue;
		if (!(mount->volume != NULL ? save_volume_growth(root, mount, error) : save_growth(root, mount, by_tpm2, error)))
			return FALSE;
	}
	return TRUE;
}
