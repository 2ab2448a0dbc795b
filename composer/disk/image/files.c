/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image/build.h"

#include "base/error.h"

#include <string.h>
#include <sys/stat.h>

#define FSTAB   "etc/fstab"
#define CMDLINE "etc/kernel/cmdline"
#define TRIES   "etc/kernel/tries"

#define BY_LABEL "PARTLABEL="

/* "UUID=..." of the file system. Owned. */
static char *
make_source(const AshDiskBuild *build, const AshPartition *partition)
{
	char text[ASH_UUID_STRING_SIZE];

	if (partition->fs == ASH_FS_VFAT) {
		guint32 id = ash_disk_build_volume_id(build, partition);

		return g_strdup_printf("UUID=%04X-%04X", id >> 16, id & 0xffff);
	}
	AshUuid uuid = ash_disk_build_uuid(build, partition, "fs");
	ash_uuid_format(&uuid, text);
	return g_strconcat("UUID=", text, NULL);
}

/* What the kernel's command line says of a writable root. Owned. */
static char *
make_root_argument(const AshDiskBuild *build, const AshPartition *root)
{
	g_autofree char *source = make_source(build, root);
	g_autofree char *name = ash_partition_is_volume(root) ? ash_partition_dup_mapper_name(root) : NULL;

	/* dracut.cmdline(7): the one volume that the initramfs activates. */
	if (name != NULL)
		return g_strdup_printf("root=/dev/mapper/%s rd.lvm.lv=%s/%s rw", name, root->group, root->label);
	return g_strdup_printf("root=%s rw", source);
}

static const AshPartition *
find_label(const AshDiskBuild *build, const char *label, gsize length)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		const AshPartition *partition = build->layout->partitions->pdata[i];

		if (strlen(partition->label) == length && strncmp(partition->label, label, length) == 0)
			return partition;
	}
	return NULL;
}

/* Lines of fstab(5) name partitions by their labels, which another disk of the machine may have, too. */
static char *
make_fstab(const AshDiskBuild *build, const char *by_label)
{
	g_auto(GStrv) lines = g_strsplit(by_label, "\n", -1);

	for (guint i = 0; lines[i] != NULL; i++) {
		const char *label = lines[i] + strlen(BY_LABEL);
		gsize length = g_str_has_prefix(lines[i], BY_LABEL) ? strcspn(label, " \t") : 0;
		const AshPartition *partition = length > 0 ? find_label(build, label, length) : NULL;
		g_autofree char *source = partition != NULL ? make_source(build, partition) : NULL;

		if (source == NULL)
			continue;
		char *line = g_strconcat(source, label + length, NULL);
		g_free(lines[i]);
		lines[i] = line;
	}
	return g_strjoinv("\n", lines);
}

/* Its owner and label are those of the file that the tree has. */
static gboolean
put_file(AshDiskBuild *build, const char *path, const char *text, GError **error)
{
	AshFsNode *node = ash_fs_tree_resolve(build->request->tree, path);
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

	if (node == NULL || !S_ISREG(node->mode) || node->hardlink != NULL || node->nlink > 1)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the commit has no plain file \"/%s\": it was not composed for an image type with system \"traditional\"", path);
	ash_fs_node_set_bytes(node, bytes);
	node->mtime = (gint64) build->request->epoch;
	return TRUE;
}

/* Boot counting of later kernels: no file, no counting. Beside the command line, with its owner and label. */
static void
add_tries(AshDiskBuild *build)
{
	const guint tries = build->request->type->boot_tries;
	const AshFsNode *cmdline = ash_fs_tree_resolve(build->request->tree, CMDLINE);
	g_autofree char *text = g_strdup_printf("%u\n", tries);
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	AshFsNode *node;

	if (tries == 0 || ash_fs_tree_resolve(build->request->tree, TRIES) != NULL)
		return;
	node = ash_fs_node_new(cmdline->parent, strrchr(TRIES, '/') + 1, cmdline->mode);
	node->uid = cmdline->uid;
	node->gid = cmdline->gid;
	node->mtime = cmdline->mtime;
	node->nlink = 1;
	for (guint i = 0; cmdline->xattrs != NULL && i < cmdline->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(cmdline->xattrs, AshFsXattr, i);
		ash_fs_node_add_xattr(node, xattr->name, xattr->value, xattr->length);
	}
	ash_fs_node_set_bytes(node, bytes);
	ash_fs_node_take(node);
	ash_fs_node_put_back(node);
}

static gboolean
put_fstab(AshDiskBuild *build, GError **error)
{
	g_autoptr(GBytes) old = ash_fs_tree_load(build->request->tree, FSTAB, error);
	gsize length = 0;
	const char *data = old != NULL ? g_bytes_get_data(old, &length) : NULL;
	g_autofree char *by_label = old != NULL ? g_strndup(data != NULL ? data : "", length) : NULL;
	g_autofree char *text = old != NULL ? make_fstab(build, by_label) : NULL;

	return text != NULL && put_file(build, FSTAB, text, error);
}

gboolean
ash_disk_build_fill_files(AshDiskBuild *build, GError **error)
{
	const AshPartition *root = ash_layout_find(build->layout, ASH_PARTITION_ROOT, 0);
	g_autofree char *cmdline = NULL;
	g_autofree char *line = NULL;

	if (build->request->type->system == ASH_SYSTEM_ATOMIC)
		return TRUE;
	build->root_argument = make_root_argument(build, root);
	cmdline = ash_disk_build_cmdline(build);
	if (build->request->make_root_tree != NULL) {
		build->root_tree = build->request->make_root_tree(cmdline, build->request->make_root_tree_data, error);
		return build->root_tree != NULL;
	}
	line = g_strconcat(cmdline, "\n", NULL);
	if (!put_fstab(build, error) || !put_file(build, CMDLINE, line, error))
		return FALSE;
	add_tries(build);
	return TRUE;
}
