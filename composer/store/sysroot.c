/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/sysroot.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/osrelease.h"
#include "store/barerepo.h"
#include "store/history.h"
#include "store/sysrootlabels.h"
#include "store/tree.h"

#include <string.h>
#include <sys/stat.h>

#define MODULES "usr/lib/modules"

/* The first boot configuration that libostree would write: it takes turns between boot.0 and boot.1, and their parts .0 and .1. */
#define LOADER    "loader.1"
#define BOOT      "boot.1"
#define BOOT_PART "boot.1.1"
#define BOOT_REF  "1/1/0"

/* As libostree names the files of a kernel. */
typedef struct {
	char *release;
	const AshFsNode *kernel, *initramfs; /* of the commit's tree; initramfs: NULL if there is none */
	char *checksum;                      /* hex: of one after the other */
	char *kernel_name, *initramfs_name, *directory; /* the last below /boot/ostree */
} Kernel;

static void
kernel_clear(Kernel *kernel)
{
	g_free(kernel->release);
	g_free(kernel->checksum);
	g_free(kernel->kernel_name);
	g_free(kernel->initramfs_name);
	g_free(kernel->directory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Kernel, kernel_clear)

/* A root while it is made. */
typedef struct {
	const AshSysrootOptions *options;
	const AshCommitInfo *info;
	AshFsTree *commit; /* its tree */
	AshFsNode *root, *repo; /* of what is made */
	AshFsNode *deployment, *etc, *var, *origin;
	Kernel kernel;
} Maker;

static void
maker_clear(Maker *maker)
{
	kernel_clear(&maker->kernel);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Maker, maker_clear)

static AshFsNode *
add_directory(const Maker *maker, AshFsNode *parent, const char *name)
{
	return ash_bare_add_directory(parent, name, 0755, maker->options->epoch);
}

static AshFsNode *
add_text(const Maker *maker, AshFsNode *parent, const char *name, const char *text)
{
	return ash_bare_add_text(parent, name, text, maker->options->epoch);
}

static void
add_link(const Maker *maker, AshFsNode *parent, const char *name, const char *target)
{
	ash_bare_add_link(parent, name, target, maker->options->epoch);
}

/* "a/b/c" below @parent: all directories, which must not be there, but the last element, which is *@ret_name (borrowed from @path). */
static AshFsNode *
add_parents(const Maker *maker, AshFsNode *parent, const char *path, const char **ret_name)
{
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);

	for (gsize i = 0; parts[i + 1] != NULL; i++)
		parent = add_directory(maker, parent, parts[i]);
	*ret_name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	return parent;
}

static const AshFsNode *
find_file(const AshFsTree *tree, const char *release, const char *name)
{
	g_autofree char *path = g_strdup_printf(MODULES "/%s/%s", release, name);
	const AshFsNode *node = ash_fs_tree_lookup(tree, path);

	return node != NULL && S_ISREG(node->mode) ? node : NULL;
}

static gboolean
digest_node(const AshFsTree *tree, const AshFsNode *node, AshDigest *digest, GError **error)
{
	g_autofree char *buffer = g_malloc(1024 * 1024);
	ash_autofd int fd = ash_fs_tree_open(tree, node, error);

	if (fd < 0)
		return FALSE;
	for (guint64 at = 0; at < node->size;) {
		gsize part = (gsize) MIN(node->size - at, 1024 * 1024);
		if (!ash_fd_read_exact(fd, buffer, part, at, error))
			return FALSE;
		ash_digest_update(digest, buffer, part);
		at += part;
	}
	return TRUE;
}

static gboolean
find_kernel(Maker *maker, GError **error)
{
	const AshFsNode *modules = ash_fs_tree_lookup(maker->commit, MODULES);
	g_autoptr(AshDigest) digest = ash_digest_new();
	Kernel *kernel = &maker->kernel;

	for (guint i = 0; modules != NULL && modules->children != NULL && i < modules->children->len; i++) {
		const AshFsNode *release = g_ptr_array_index(modules->children, i);
		const AshFsNode *found = find_file(maker->commit, release->name, "vmlinuz");
		if (found == NULL)
			continue;
		kernel->kernel = found;
		g_free(kernel->release);
		kernel->release = g_strdup(release->name);
	}
	if (kernel->kernel == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "it has no kernel \"/" MODULES "/VERSION/vmlinuz\"");
	kernel->initramfs = find_file(maker->commit, kernel->release, "initramfs.img");
	if (!digest_node(maker->commit, kernel->kernel, digest, error) ||
	    (kernel->initramfs != NULL && !digest_node(maker->commit, kernel->initramfs, digest, error)))
		return FALSE;
	kernel->checksum = ash_digest_finish_hex(digest);
	kernel->kernel_name = g_strdup_printf("vmlinuz-%s", kernel->release);
	kernel->initramfs_name = g_strdup_printf("initramfs-%s.img", kernel->release);
	kernel->directory = g_strdup_printf("%s-%s", maker->options->osname, kernel->checksum);
	return TRUE;
}

/* Of the deployment in /ostree/deploy/OSNAME/deploy. Owned. */
static char *
dup_deployment_name(const Maker *maker)
{
	return g_strdup_printf("%s.0", maker->info->checksum);
}

static char *
dup_refspec(const Maker *maker)
{
	return g_strdup_printf("%s:%s", maker->options->remote, maker->options->ref);
}

static char *
format_config(const Maker *maker)
{
	const AshSysrootOptions *options = maker->options;
	g_autofree char *remote = options->url != NULL ? g_strdup_printf("\n[remote \"%s\"]\nurl=%s\ngpg-verify=%s\n", options->remote, options->url,
									 options->verify ? "true" : "false")
						       : g_strdup("");

	return g_strdup_printf("[core]\nrepo_version=1\nmode=bare\n%s", remote);
}

/* What the repository has beside its objects. The second ref is libostree's own: it holds what is deployed. */
static void
fill_repo(const Maker *maker, AshFsNode *repo)
{
	AshFsNode *refs = add_directory(maker, repo, "refs"), *heads = add_directory(maker, refs, "heads"), *below;
	g_autofree char *remote = g_strdup_printf("remotes/%s/%s", maker->options->remote, maker->options->ref);
	g_autofree char *line = g_strdup_printf("%s\n", maker->info->checksum), *config = format_config(maker);
	const char *name;

	add_directory(maker, refs, "mirrors");
	below = add_parents(maker, refs, remote, &name);
	add_text(maker, below, name, line);
	below = add_parents(maker, heads, "ostree/" BOOT_REF, &name);
	add_text(maker, below, name, line);
	add_text(maker, repo, "config", config);
	add_directory(maker, repo, "extensions");
	add_directory(maker, repo, "state");
	add_directory(maker, add_directory(maker, repo, "tmp"), "cache");
}

/* As ostree_sysroot_init_osname() makes it; the rest is for tmpfiles.d(5) in the system. */
static void
add_var(Maker *maker, AshFsNode *os)
{
	AshFsNode *var = add_directory(maker, os, "var");

	maker->var = var;
	ash_bare_add_directory(var, "tmp", 01777, maker->options->epoch);
	add_directory(maker, var, "lib");
	add_directory(maker, var, "log");
	add_link(maker, var, "run", "../run");
	add_link(maker, var, "lock", "../run/lock");
	/* Else the first upgrade would label all that is in /var by then. */
	if (maker->options->label != NULL)
		add_text(maker, var, ".ostree-selabeled", "");
}

/* Files that are written to: nothing of it is shared with the repository. */
static AshFsNode *
copy_tree(const Maker *maker, AshFsNode *parent, const char *name, const AshFsNode *source)
{
	AshFsNode *copy = ash_bare_copy_node(parent, name, source);

	if (source->children == NULL)
		return copy;
	copy->mtime = (gint64) maker->options->epoch;
	for (guint i = 0; i < source->children->len; i++) {
		const AshFsNode *child = g_ptr_array_index(source->children, i);
		copy_tree(maker, copy, child->name, child);
	}
	return copy;
}

/* /ostree but for the links of the boot configuration. */
static gboolean
add_deployment(Maker *maker, AshStore *store, AshFsNode *ostree, GError **error)
{
	AshFsNode *os = add_directory(maker, add_directory(maker, ostree, "deploy"), maker->options->osname);
	AshFsNode *deploy = add_directory(maker, os, "deploy");
	g_autofree char *name = dup_deployment_name(maker), *origin_name = g_strconcat(name, ".origin", NULL);
	g_autofree char *refspec = dup_refspec(maker), *origin = g_strdup_printf("[origin]\nrefspec=%s\n", refspec);
	const AshFsNode *etc = ash_fs_tree_lookup(maker->commit, "usr/etc");

	maker->deployment = add_directory(maker, deploy, name);
	maker->repo = add_directory(maker, ostree, "repo");
	if (etc == NULL || !S_ISDIR(etc->mode) || ash_fs_tree_lookup(maker->commit, "etc") != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "its configuration is not in \"/usr/etc\" alone: it was not composed for an image type with system \"ostree\"");
	if (!ash_bare_add_commit(store, maker->info->checksum, maker->commit, maker->repo, maker->deployment, maker->options->epoch, error))
		return FALSE;
	maker->etc = copy_tree(maker, maker->deployment, "etc", etc);
	maker->origin = add_text(maker, deploy, origin_name, origin);
	fill_repo(maker, maker->repo);
	add_var(maker, os);
	return TRUE;
}

/* By which the initramfs finds the deployment: ostree=/ostree/boot.1/OSNAME/CHECKSUM/0. */
static void
add_boot_links(const Maker *maker, AshFsNode *ostree)
{
	g_autofree char *name = dup_deployment_name(maker);
	g_autofree char *target = g_strdup_printf("../../../deploy/%s/deploy/%s", maker->options->osname, name);
	AshFsNode *part = add_directory(maker, ostree, BOOT_PART);
	AshFsNode *checksum = add_directory(maker, add_directory(maker, part, maker->options->osname), maker->kernel.checksum);

	add_link(maker, checksum, "0", target);
	add_link(maker, ostree, BOOT, BOOT_PART);
}

/* "Mortar Linux 1 2.0 (ostree:0)": libostree finds its own entries by the end of the title. */
static char *
dup_title(const Maker *maker)
{
	g_autoptr(GBytes) bytes = ash_fs_tree_load(maker->commit, "usr/lib/os-release", NULL);
	gsize length = 0;
	const char *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
	g_autofree char *text = g_strndup(data, length);
	g_autofree char *name = ash_os_release_value(text, "PRETTY_NAME");
	const char *title = name != NULL ? name : "Linux", *version = maker->info->version;

	if (version == NULL || strstr(title, version) != NULL)
		return g_strdup_printf("%s (ostree:0)", title);
	return g_strdup_printf("%s %s (ostree:0)", title, version);
}

static void
add_boot_configuration(const Maker *maker, AshFsNode *boot)
{
	const AshSysrootOptions *options = maker->options;
	const Kernel *kernel = &maker->kernel;
	AshFsNode *loader = add_directory(maker, boot, LOADER);
	g_autofree char *title = dup_title(maker), *name = g_strdup_printf("ostree-1-%s.conf", options->osname);
	g_autofree char *cmdline = g_strdup_printf("%s ostree=/ostree/" BOOT "/%s/%s/0", options->cmdline, options->osname, kernel->checksum);
	g_autofree char *linux_path = g_strdup_printf("/ostree/%s/%s", kernel->directory, kernel->kernel_name);
	g_autofree char *initrd_path = g_strdup_printf("/ostree/%s/%s", kernel->directory, kernel->initramfs_name);
	g_autofree char *entry = g_strdup_printf("title %s\nversion 1\noptions %s\nlinux %s\n%s%s%s", title, cmdline, linux_path,
						 kernel->initramfs != NULL ? "initrd " : "", kernel->initramfs != NULL ? initrd_path : "",
						 kernel->initramfs != NULL ? "\n" : "");
	/* In tenths of a second. With 0 the menu would wait for ever. */
	g_autofree char *syslinux = g_strdup_printf("TIMEOUT %u\nDEFAULT %s\nLABEL %s\n\tKERNEL /boot%s\n%s%s%s\tAPPEND %s\n", MAX(options->timeout * 10, 1),
						    title, title, linux_path, kernel->initramfs != NULL ? "\tINITRD /boot" : "",
						    kernel->initramfs != NULL ? initrd_path : "", kernel->initramfs != NULL ? "\n" : "", cmdline);

	add_text(maker, add_directory(maker, loader, "entries"), name, entry);
	add_text(maker, loader, "syslinux.cfg", syslinux);
	add_link(maker, boot, "loader", LOADER);
	/* Where libostree looks whether this backend is wanted. */
	add_link(maker, add_directory(maker, boot, "syslinux"), "syslinux.cfg", "../loader/syslinux.cfg");
	add_link(maker, boot, "boot", ".");
}

static void
link_object(const Maker *maker, AshFsNode *directory, const char *name, const AshFsNode *source)
{
	ash_bare_copy_node(directory, name, source)->hardlink = source->size > 0 ? ash_bare_find_object(maker->repo, source->content) : NULL;
}

/* The kernel and the initramfs are the files of the deployment by another name, as libostree links them. */
static void
add_kernel(const Maker *maker, AshFsNode *boot)
{
	const Kernel *kernel = &maker->kernel;
	AshFsNode *directory = add_directory(maker, add_directory(maker, boot, "ostree"), kernel->directory);

	link_object(maker, directory, kernel->kernel_name, kernel->kernel);
	if (kernel->initramfs != NULL)
		link_object(maker, directory, kernel->initramfs_name, kernel->initramfs);
}

static int
open_in_commit(const AshFsNode *node, gpointer commit, GError **error)
{
	AshFsTree *tree = commit;

	return tree->open(node, tree->user_data, error);
}

static void
label(const Maker *maker, AshFsNode *boot, AshFsNode *ostree)
{
	const AshSysrootParts parts = {
		.root = maker->root,
		.boot = boot,
		.ostree = ostree,
		.deployment = maker->deployment,
		.etc = maker->etc,
		.var = maker->var,
		.origin = maker->origin,
		/* The file system has one; what the tree has of it is its label. */
		.lost_and_found = ash_bare_add_directory(maker->root, "lost+found", 0700, maker->options->epoch),
	};

	ash_sysroot_label(&parts, maker->options->label, maker->options->label_data);
}

static gboolean
fill(Maker *maker, AshStore *store, GError **error)
{
	AshFsNode *boot = add_directory(maker, maker->root, "boot"), *ostree = add_directory(maker, maker->root, "ostree");

	if (!find_kernel(maker, error) || !add_deployment(maker, store, ostree, error))
		return FALSE;
	add_boot_links(maker, ostree);
	add_boot_configuration(maker, boot);
	add_kernel(maker, boot);
	if (maker->options->label != NULL)
		label(maker, boot, ostree);
	return TRUE;
}

AshFsTree *
ash_store_make_sysroot(AshStore *store, const AshSysrootOptions *options, GError **error)
{
	g_autoptr(AshCommitInfo) info = ash_store_info(store, options->commit, error);
	g_autoptr(AshFsTree) tree = ash_fs_tree_new();
	AshFsTree *commit = info != NULL ? ash_store_load_tree(store, info->checksum, error) : NULL;

	if (commit == NULL)
		return NULL;
	tree->open = open_in_commit;
	tree->user_data = commit;
	tree->free_user_data = (GDestroyNotify) ash_fs_tree_free;
	tree->root->mode = S_IFDIR | 0755;
	tree->root->mtime = (gint64) options->epoch;
	g_auto(Maker) maker = { .options = options, .info = info, .commit = commit, .root = tree->root };
	if (!fill(&maker, store, error))
		return ash_prefix(error, "commit \"%s\"", info->checksum), NULL;
	ash_fs_tree_finish(tree);
	return g_steal_pointer(&tree);
}
