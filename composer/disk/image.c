/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "base/size.h"
#include "disk/boot.h"
#include "disk/erofs.h"
#include "disk/ext4.h"
#include "disk/formats.h"
#include "disk/gpt.h"
#include "disk/leafcache.h"
#include "disk/place.h"
#include "disk/verity.h"
#include "disk/vfat.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* erofs.rst: its zstd. */
#define FIRST_KERNEL_WITH_ZSTD "6.10"

/** A disk while it is built. */
typedef struct {
	AshContext *ctx;
	const AshDiskRequest *request;
	AshLayout *layout;
	AshBootFiles *boot; /* NULL if the type does not boot */
	guint64 *content;   /* bytes per partition */
	AshFsNode *initrd;  /* taken out of the tree meanwhile; NULL: none was */
	AshErofs *erofs;    /* the root, in every slot that is to have it; NULL if it is of another kind */
	int root_fd;        /* of a file that is the root, made by another; else -1 */
	guint64 root_bytes; /* of that */
	char *partial;      /* name of the raw file in output_dir */
	int dir_fd;
	int fd;            /* of the raw file */
	AshUsedMap *used;  /* of it */
	GArray *files;     /* of AshFileCopy: of the root in it, if they are as they are; or NULL */
	char *root_hash;   /* hex; NULL without verity */
	AshUuid root_uuid; /* PARTUUID of the first root partition */
	GPtrArray *secret_files; /* of char *: paths of recovery keys */
} Build;

static void
build_clear(Build *build)
{
	g_clear_pointer(&build->initrd, ash_fs_node_put_back);
	g_clear_pointer(&build->layout, ash_layout_free);
	g_clear_pointer(&build->boot, ash_boot_files_free);
	g_clear_pointer(&build->content, g_free);
	g_clear_pointer(&build->erofs, ash_erofs_free);
	g_clear_pointer(&build->partial, g_free);
	g_clear_pointer(&build->root_hash, g_free);
	g_clear_pointer(&build->used, ash_used_map_free);
	g_clear_pointer(&build->files, g_array_unref);
	g_clear_pointer(&build->secret_files, g_ptr_array_unref);
	ash_fd_clear(&build->root_fd);
	ash_fd_clear(&build->fd);
	ash_fd_clear(&build->dir_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Build, build_clear)

/* Names end up in labels, file names and version comparisons: only characters that mean the same in
 * all. */
static gboolean
check_word(const char *text, const char *what, const char *extra, GError **error)
{
	const char *end = text;

	while (g_ascii_isalnum(*end) || (*end != '\0' && strchr(extra, *end) != NULL))
		end++;
	if (*end == '\0' && end != text && text[0] != '.')
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "the %s \"%s\" may only have letters, digits and the characters %s", what,
			 text, extra);
}

static char *
expand_label(const AshDiskRequest *request, const AshPartition *partition)
{
	g_autoptr(GString) label = g_string_new(partition->label != NULL ? partition->label : "");

	if (partition->empty)
		return g_strdup("_empty");
	g_string_replace(label, "@NAME@", request->name, 0);
	g_string_replace(label, "@VERSION@", request->version, 0);
	return g_strdup(label->str);
}

/* Gives everything that is known before content is: labels, identifiers, flags. */
static void
identify_partition(const AshDiskRequest *request, AshPartition *partition, guint index)
{
	g_autofree char *purpose = g_strdup_printf("partition-%u-%s", index,
						   ash_partition_role_to_string(partition->role));
	g_autofree char *label = expand_label(request, partition);

	g_free(partition->label);
	partition->label = g_steal_pointer(&label);
	partition->type_guid = ash_partition_role_type_guid(partition->role);
	partition->uuid = ash_uuid_derive(&request->seed, purpose);
	if (partition->grow)
		partition->flags |= ASH_GPT_FLAG_GROW;
	if (partition->read_only)
		partition->flags |= ASH_GPT_FLAG_READ_ONLY;
	/* Tools that pick the root by type and newest label would take a free slot for one: systemd 252 compares "_empty" too. */
	if (partition->empty)
		partition->flags |= ASH_GPT_FLAG_NO_AUTO;
}

/* A system of two slots has two kernel images: the updater puts the new one beside that which runs. */
static guint64
measure_esp(const AshBootFiles *boot, bool has_two)
{
	const guint64 loaders = 2 * g_bytes_get_size(boot->loader);
	guint64 uki = g_bytes_get_size(boot->stub) + ash_content_get_size(boot->kernel) + ASH_MIB;

	uki += boot->initrd != NULL ? ash_content_get_size(boot->initrd) : 0;
	const guint64 bytes = loaders + (has_two ? 2 : 1) * uki;
	return ash_size_round_up(bytes + bytes / 50 + ASH_MIB, ASH_MIB);
}

static bool
has_free_slot(const AshLayout *layout)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = layout->partitions->pdata[i];
		if (partition->role == ASH_PARTITION_ROOT && partition->empty)
			return true;
	}
	return false;
}

static AshUuid
derive_fs_uuid(const Build *build, const AshPartition *partition, const char *what)
{
	g_autofree char *purpose =
	    g_strdup_printf("%s-%s", ash_partition_role_to_string(partition->role), what);

	return ash_uuid_derive(&build->request->seed, purpose);
}

/* A kernel that cannot read its root would be found out only by booting it. */
static gboolean
check_kernel(const Build *build, GError **error)
{
	const char *release = build->boot != NULL ? build->boot->kernel_release : NULL;

	if (release == NULL || build->request->type->root_compression != ASH_ROOT_COMPRESSION_ZSTD ||
	    strverscmp(release, FIRST_KERNEL_WITH_ZSTD) >= 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "the kernel \"%s\" cannot read a root compressed with zstd, Linux " FIRST_KERNEL_WITH_ZSTD
			 " is the first: set \"root_compression\" to \"lz4hc\"", release);
}

static AshErofsOptions
make_erofs_options(const Build *build, const AshPartition *partition)
{
	const AshDiskRequest *request = build->request;
	AshErofsOptions options = {
		.uuid = derive_fs_uuid(build, partition, "fs"),
		.epoch = request->epoch,
		.compression = request->type->root_compression,
		.previous = request->previous_layout,
	};
	gsize label_bytes = MIN(strlen(request->name), sizeof(options.label));

	memcpy(options.label, request->name, label_bytes);
	return options;
}

static gboolean
make_root_file(Build *build, const AshErofsOptions *options, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *left_out = build->initrd != NULL ? ash_fs_node_dup_path(build->initrd) : NULL;
	AshRootFile root = { .tree = request->tree, .left_out = left_out, .options = *options };

	build->root_fd = ash_root_file_make(build->ctx, &root, request->output_dir, request->make_root, request->make_root_data,
					    &build->root_bytes, error);
	return build->root_fd >= 0;
}

/* Once for all slots. Sets *@ret_bytes. */
static gboolean
plan_erofs(Build *build, const AshPartition *partition, guint64 *ret_bytes, GError **error)
{
	const AshErofsOptions options = make_erofs_options(build, partition);

	if (build->erofs == NULL && build->root_fd < 0) {
		if (!check_kernel(build, error))
			return FALSE;
		if (build->request->make_root != NULL && !make_root_file(build, &options, error))
			return FALSE;
		if (build->request->make_root == NULL)
			build->erofs = ash_erofs_new(build->ctx, build->request->tree, &options, error);
	}
	if (build->erofs == NULL && build->root_fd < 0)
		return FALSE;
	*ret_bytes = build->erofs != NULL ? ash_erofs_get_bytes(build->erofs) : build->root_bytes;
	return TRUE;
}

/* Bytes that a partition's content takes; 0 and @error if it cannot be held. */
static gboolean
measure_partition(Build *build, const AshPartition *partition, guint64 *ret_bytes, GError **error)
{
	const AshDiskRequest *request = build->request;

	*ret_bytes = 0;
	if (partition->empty)
		return TRUE;
	if (partition->role == ASH_PARTITION_ROOT && partition->fs == ASH_FS_EROFS)
		return plan_erofs(build, partition, ret_bytes, error) || ash_prefix(error, "root file system");
	if (partition->role == ASH_PARTITION_ROOT)
		*ret_bytes = ash_ext4_estimate(request->tree);
	else if (partition->role == ASH_PARTITION_ESP && build->boot != NULL)
		*ret_bytes = MAX(measure_esp(build->boot, has_free_slot(build->layout)), ASH_VFAT_MIN_BYTES);
	else if (partition->fs == ASH_FS_EXT4)
		*ret_bytes = ash_ext4_estimate(
		    partition->role == ASH_PARTITION_VAR ? request->var_tree : NULL);
	return TRUE;
}

/* Every program that will be run, named before work starts if it is missing. */
static gboolean
check_tools(const AshDiskRequest *request, GError **error)
{
	static const AshTool esp_tools[] = {ASH_TOOL_MKFS_VFAT, ASH_TOOL_MMD, ASH_TOOL_MCOPY};
	bool has_esp = ash_layout_find(request->type->layout, ASH_PARTITION_ESP, 0) != NULL;

	for (guint i = 0; has_esp && i < G_N_ELEMENTS(esp_tools); i++) {
		g_autofree char *path = ash_tool_find(esp_tools[i], error);

		if (path == NULL)
			return FALSE;
	}
	return TRUE;
}

static gboolean
check_request(const AshDiskRequest *request, GError **error)
{
	if (request->type->layout == NULL || request->type->formats->len == 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "it has no disk layout or no format");
	for (guint i = 0; i < request->type->layout->partitions->len; i++) {
		const AshPartition *partition = request->type->layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_ROOT && !partition->empty && partition->fs != ASH_FS_EROFS &&
		    partition->fs != ASH_FS_EXT4)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "a root partition is erofs or ext4");
	}
	return check_tools(request, error) && check_word(request->name, "name", "._-", error) &&
	       check_word(request->version, "version", ".~^-", error);
}

static gboolean
load_boot_files(Build *build, GError **error)
{
	const AshDiskRequest *request = build->request;

	build->boot = ash_boot_files_load(request->tree, error);
	return build->boot != NULL && (request->type->initramfs_compression != ASH_INITRAMFS_COMPRESSION_NONE ||
				       ash_boot_files_unpack_initrd(build->boot, error));
}

/* A root with a hash tree is booted by a kernel image, which has it: in the root it would be one more thing that updates have to fetch. */
static void
hide_initrd(Build *build)
{
	AshFsNode *initrd = ash_layout_find(build->layout, ASH_PARTITION_ROOT_VERITY, 0) != NULL ? ash_boot_find_initrd(build->request->tree)
												 : NULL;

	if (initrd == NULL)
		return;
	ash_fs_node_take(initrd);
	build->initrd = initrd;
}

/* The plan: every partition's place, before a byte is written. */
static gboolean
plan_disk(Build *build, GError **error)
{
	const AshDiskRequest *request = build->request;
	guint n;

	if (!check_request(request, error))
		return FALSE;
	build->layout = ash_layout_copy(request->type->layout);
	build->layout->disk_uuid = ash_uuid_derive(&request->seed, "disk");
	n = build->layout->partitions->len;
	build->content = g_new0(guint64, n + 1);
	if (ash_layout_find(build->layout, ASH_PARTITION_ESP, 0) != NULL && !load_boot_files(build, error))
		return FALSE;
	hide_initrd(build);
	for (guint i = 0; i < n; i++) {
		AshPartition *partition = build->layout->partitions->pdata[i];

		identify_partition(request, partition, i);
		if (!measure_partition(build, partition, &build->content[i], error))
			return FALSE;
		build->content[i] += ash_seal_overhead(partition);
	}
	return ash_place_layout(build->layout, build->content, error);
}

static gboolean
open_raw(Build *build, GError **error)
{
	g_autofree char *name = ash_formats_file_name(build->request->stem, ASH_DISK_RAW);

	build->dir_fd = ash_file_open_dir(AT_FDCWD, build->request->output_dir, false, error);
	if (build->dir_fd < 0)
		return FALSE;
	/* One name: what a killed build left is overwritten by the next. */
	build->partial = g_strdup_printf(".%s.partial", name);
	build->fd =
	    ash_fd_open(build->dir_fd, build->partial, O_RDWR | O_CREAT | O_TRUNC, 0644, error);
	if (build->fd < 0)
		return FALSE;
	if (ftruncate(build->fd, (off_t) build->layout->size) < 0)
		return ash_throw_errno(error,
				       "cannot make a disk file of %" G_GUINT64_FORMAT " bytes",
				       build->layout->size);
	build->used = ash_used_map_new(build->layout->size);
	return TRUE;
}

static gboolean
write_ext4(Build *build, const AshPartition *partition, const AshFsTree *tree, GError **error)
{
	AshExt4Options options = {
	    .uuid = derive_fs_uuid(build, partition, "fs"),
	    .hash_seed = derive_fs_uuid(build, partition, "hash-seed"),
	    .epoch = build->request->epoch,
	};

	g_strlcpy(options.label, partition->label, sizeof(options.label));
	return ash_ext4_write(build->ctx, tree, &options, build->fd, partition->offset,
			      partition->size, error);
}

/** Those who look at the root while it is written. */
typedef struct {
	AshVerityTree *hash_tree; /* or NULL */
	AshUsedMap *used;
	guint64 base; /* of the root in the disk file */
} Onlookers;

static void
show_written(guint64 offset, const guint8 *data, gsize length, gpointer user_data)
{
	const Onlookers *onlookers = user_data;

	if (onlookers->hash_tree != NULL)
		ash_verity_tree_add(onlookers->hash_tree, offset, data, length);
	ash_used_map_add(onlookers->used, onlookers->base + offset, data, length);
}

/* @offset: in the disk file. */
static void
show_in_disk(guint64 offset, const guint8 *data, gsize length, gpointer user_data)
{
	const Onlookers *onlookers = user_data;

	show_written(offset - onlookers->base, data, length, user_data);
}

/* Taken from the cache, or left to be read. */
static bool
take_leaves(const AshFileCopy *copy, const Onlookers *onlookers, AshLeafCache *cache)
{
	const guint8 *leaves = ash_leaf_cache_find(cache, copy->node);
	guint64 n = ash_size_round_up(copy->node->size, ASH_VERITY_BLOCK_BYTES) / ASH_VERITY_BLOCK_BYTES;

	if (leaves == NULL)
		return false;
	ash_verity_tree_set_leaves(onlookers->hash_tree, copy->offset - onlookers->base, leaves, n);
	for (guint64 i = 0; i < n; i++)
		if (!ash_verity_tree_is_zero_leaf(onlookers->hash_tree, leaves + i * ASH_SHA256_SIZE))
			ash_used_map_mark(onlookers->used, copy->offset + i * ASH_VERITY_BLOCK_BYTES);
	return true;
}

/* Files that will not be in the disk file itself: only those are read whose hashes are not known. */
static gboolean
hash_files(Build *build, Onlookers *onlookers, const guint8 *salt, GError **error)
{
	g_autoptr(AshLeafCache) cache = ash_leaf_cache_open(build->request->leaf_cache, salt, ASH_VERITY_SALT_BYTES);
	g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(AshFileCopy));

	for (guint i = 0; i < build->files->len; i++) {
		const AshFileCopy *copy = &g_array_index(build->files, AshFileCopy, i);
		if (!take_leaves(copy, onlookers, cache))
			g_array_append_vals(others, copy, 1);
	}
	if (!ash_filecopy_run(build->ctx, build->request->tree, others, -1, show_in_disk, onlookers, error))
		return FALSE;
	for (guint i = 0; i < others->len; i++) {
		const AshFileCopy *copy = &g_array_index(others, AshFileCopy, i);
		ash_leaf_cache_add(cache, copy->node,
				   ash_verity_tree_get_leaves(onlookers->hash_tree, copy->offset - onlookers->base));
	}
	ash_leaf_cache_save(cache);
	return TRUE;
}

/* A raw file that nobody gets, and who writes qcow2 takes the files from the tree: they need not be in it. */
static bool
is_for_qcow2_alone(const Build *build)
{
	const GArray *formats = build->request->type->formats;

	return formats->len == 1 && g_array_index(formats, AshDiskFormat, 0) == ASH_DISK_QCOW2;
}

/* @hash_tree and @salt: NULL, or of what is written here. */
static gboolean
write_erofs(Build *build, const AshPartition *partition, AshVerityTree *hash_tree, const guint8 *salt, GError **error)
{
	Onlookers onlookers = { hash_tree, build->used, partition->offset };
	bool is_first = build->files == NULL, leave = is_first && hash_tree != NULL && is_for_qcow2_alone(build);

	if (build->root_fd >= 0)
		return ash_root_file_copy(build->ctx, build->root_fd, build->root_bytes, build->fd, partition->offset, show_written,
					  &onlookers, error);
	ash_erofs_leave_files(build->erofs, leave);
	if (!ash_erofs_write(build->ctx, build->erofs, build->fd, partition->offset, show_written, &onlookers, error))
		return FALSE;
	if (is_first && partition->encryption.kind == ASH_ENCRYPTION_NONE)
		build->files = ash_erofs_list_files(build->erofs, partition->offset);
	return !leave || hash_files(build, &onlookers, salt, error);
}

/* Versions of one system share the salt, so that equal blocks have equal hashes and an update can
 * tell. */
static void
derive_salt(const char *name, guint8 ret_salt[ASH_VERITY_SALT_BYTES])
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update_string(digest, "ashlar verity salt 1");
	ash_digest_update_string(digest, name);
	ash_digest_finish(digest, ret_salt);
}

static void
name_by_root_hash(Build *build, AshPartition *root, AshPartition *hash, const guint8 root_hash[ASH_SHA256_SIZE])
{
	ash_verity_partition_uuids(root_hash, &root->uuid, &hash->uuid);
	g_free(build->root_hash);
	build->root_hash = ash_hex_encode(root_hash, ASH_SHA256_SIZE);
}

/* The blocks are hashed as they are written. */
static gboolean
write_erofs_with_tree(Build *build, AshPartition *root, const AshVerityPlace *place, const guint8 *salt,
		      const AshUuid *uuid, guint8 *ret_root_hash, GError **error)
{
	g_autoptr(AshVerityTree) tree = ash_verity_tree_new(place->data_bytes, salt, error);

	return tree != NULL && write_erofs(build, root, tree, salt, error) &&
	       ash_verity_tree_write(tree, place, uuid, ret_root_hash, error);
}

/* @index: of @root in the layout. A hash tree covers the file system, not the room behind it. */
static gboolean
write_with_hash_tree(Build *build, AshPartition *root, guint index, AshPartition *hash, GError **error)
{
	AshUuid uuid = derive_fs_uuid(build, hash, "fs");
	guint8 salt[ASH_VERITY_SALT_BYTES], root_hash[ASH_SHA256_SIZE];
	bool is_erofs = root->fs == ASH_FS_EROFS;
	AshVerityPlace place = {
	    .fd = build->fd,
	    .data_offset = root->offset,
	    .data_bytes = is_erofs ? build->content[index] : root->size,
	    .hash_offset = hash->offset,
	    .hash_bytes = hash->size,
	};
	gboolean ok;

	derive_salt(build->request->name, salt);
	ok = is_erofs ? write_erofs_with_tree(build, root, &place, salt, &uuid, root_hash, error)
		      : write_ext4(build, root, build->request->tree, error) &&
				ash_verity_format(build->ctx, &place, salt, &uuid, root_hash, error);
	if (ok)
		name_by_root_hash(build, root, hash, root_hash);
	return ok;
}

static AshPartition *
find_hash_partition(const Build *build, const AshPartition *root)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		AshPartition *partition = build->layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_ROOT_VERITY && partition->slot == root->slot &&
		    !partition->empty)
			return partition;
	}
	return NULL;
}

static gboolean
write_root(Build *build, AshPartition *root, guint index, GError **error)
{
	AshPartition *hash = find_hash_partition(build, root);
	gboolean ok;

	ash_progress_begin(build->ctx->progress, "Root file system", 60);
	if (hash != NULL)
		ok = write_with_hash_tree(build, root, index, hash, error);
	else if (root->fs == ASH_FS_EROFS)
		ok = write_erofs(build, root, NULL, NULL, error);
	else
		ok = write_ext4(build, root, build->request->tree, error);
	if (!ok)
		return ash_prefix(error, "root file system");
	ash_progress_end(build->ctx->progress);
	build->root_uuid = root->uuid;
	return TRUE;
}

/* How the kernel finds its root: through the hash tree, or by its partition. */
static char *
make_cmdline(const Build *build)
{
	const AshPartition *root = ash_layout_find(build->layout, ASH_PARTITION_ROOT, 0);
	g_autofree char *root_arg = NULL;
	const char *parts[4] = {NULL, ash_seal_cmdline(build->layout), build->request->type->kernel_cmdline,
				build->request->kernel_append};
	char uuid[ASH_UUID_STRING_SIZE];

	ash_uuid_format(&build->root_uuid, uuid);
	if (build->root_hash != NULL)
		root_arg = g_strdup_printf("roothash=%s", build->root_hash);
	else if (root != NULL)
		root_arg =
		    g_strdup_printf("root=PARTUUID=%s %s", uuid,
				    root->read_only || root->fs == ASH_FS_EROFS ? "ro" : "rw");
	parts[0] = root_arg;
	return ash_boot_join_cmdline(parts, G_N_ELEMENTS(parts));
}

static AshVfatOptions
get_esp_options(const Build *build, const AshPartition *esp)
{
	AshVfatOptions options = {.label = "ESP", .epoch = build->request->epoch};
	AshUuid id = derive_fs_uuid(build, esp, "fs");

	memcpy(&options.volume_id, id.bytes, sizeof(options.volume_id));
	options.volume_id = GUINT32_FROM_BE(options.volume_id);
	return options;
}

static gboolean
format_esps(Build *build, GError **error)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		const AshPartition *esp = build->layout->partitions->pdata[i];
		AshVfatOptions options;

		if (esp->role != ASH_PARTITION_ESP || esp->empty)
			continue;
		options = get_esp_options(build, esp);
		if (!ash_vfat_format(build->ctx, &options, build->fd, esp->offset, esp->size, error))
			return ash_prefix(error, "EFI system partition");
	}
	return TRUE;
}

static gboolean
write_esp(Build *build, AshPartition *esp, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *cmdline = make_cmdline(build);
	g_autoptr(GPtrArray) files = NULL;
	AshVfatOptions fat = get_esp_options(build, esp);
	AshBootOptions boot = {
	    .name = request->name,
	    .version = request->version,
	    .cmdline = cmdline,
	    .tries = request->type->boot_tries,
	    .pcr_key = request->pcr_key,
	    .timeout = request->boot_timeout >= 0 ? (guint) request->boot_timeout
						  : request->type->boot_timeout,
	};

	files = ash_boot_list_esp(build->boot, &boot, error);
	return files != NULL &&
	       ash_vfat_fill(build->ctx, &fat, files, build->fd, esp->offset, esp->size, error);
}

/* @partition has the place of the content: behind the LUKS header if it is encrypted. */
static gboolean
write_content(Build *build, AshPartition *partition, guint index, GError **error)
{
	const AshFsTree *tree = partition->role == ASH_PARTITION_VAR ? build->request->var_tree : NULL;

	if (partition->role == ASH_PARTITION_ROOT)
		return write_root(build, partition, index, error);
	if (partition->role == ASH_PARTITION_ESP)
		return write_esp(build, partition, error) || ash_prefix(error, "EFI system partition");
	return partition->fs != ASH_FS_EXT4 || write_ext4(build, partition, tree, error) ||
	       ash_prefix(error, "partition \"%s\"", partition->label);
}

static gboolean
write_sealed(Build *build, AshPartition *partition, guint index, GError **error)
{
	const AshDiskRequest *request = build->request;
	const AshDiskSecrets none = { 0 };
	AshPartition inner = ash_seal_inner(partition);
	const AshSealRequest seal = {
		.partition = partition,
		.seed = request->seed,
		.content_bytes = build->content[index] - ash_seal_overhead(partition),
		.secrets = request->secrets != NULL ? request->secrets : &none,
		.output_dir = request->output_dir,
		.stem = request->stem,
	};
	char *recovery_path = NULL;

	if (!write_content(build, &inner, index, error))
		return FALSE;
	if (!ash_seal_partition(build->ctx, &seal, build->fd, build->used, &recovery_path, error))
		return ash_prefix(error, "encrypted partition \"%s\"", partition->label);
	if (recovery_path != NULL)
		g_ptr_array_add(build->secret_files, recovery_path);
	return TRUE;
}

static gboolean
write_role(Build *build, AshPartitionRole role, GError **error)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		AshPartition *partition = build->layout->partitions->pdata[i];
		gboolean ok;

		if (partition->role != role || partition->empty || ash_seal_is_deferred(partition))
			continue;
		ok = partition->encryption.kind != ASH_ENCRYPTION_NONE ? write_sealed(build, partition, i, error)
								       : write_content(build, partition, i, error);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

static gboolean
write_table(Build *build, GError **error)
{
	g_autoptr(AshLayout) written = ash_layout_copy(build->layout);

	for (guint i = written->partitions->len; i > 0; i--) {
		if (ash_seal_is_deferred(written->partitions->pdata[i - 1]))
			g_ptr_array_remove_index(written->partitions, i - 1);
	}
	return ash_gpt_write(build->fd, written, error);
}

/* The root hash names the root partitions and goes into the UKI: roots before the ESP, the table
 * last. */
static gboolean
write_raw(Build *build, GError **error)
{
	static const AshPartitionRole order[] = {ASH_PARTITION_VAR, ASH_PARTITION_LINUX,
						 ASH_PARTITION_ROOT, ASH_PARTITION_ESP};

	/* mkfs.vfat syncs the file: there is nothing in it yet. */
	if (!open_raw(build, error) || !format_esps(build, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
		if (!write_role(build, order[i], error))
			return FALSE;
	}
	if (!write_table(build, error))
		return FALSE;
	ash_fd_start_write_back(build->fd, 0, build->layout->size);
	return TRUE;
}

static AshArtifact *
describe_artifact(const Build *build, AshDiskFormat format, const char *sha256, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *name = ash_formats_file_name(request->stem, format);
	AshArtifact *artifact;
	struct stat st;

	if (fstatat(build->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno_null(error, "cannot stat \"%s\"", name);
	artifact = g_new0(AshArtifact, 1);
	artifact->type = g_strdup(request->type->name);
	artifact->path = g_build_filename(request->output_dir, name, NULL);
	artifact->format = g_strdup(ash_disk_format_to_string(format));
	artifact->size = (guint64) st.st_size;
	artifact->sha256 = g_strdup(sha256);
	artifact->root_hash = g_strdup(build->root_hash);
	artifact->commit = g_strdup(request->commit);
	artifact->test_keys = ash_image_type_is_encrypted(request->type) && request->secrets != NULL && request->secrets->test_seed != NULL;
	return artifact;
}

/* The place of everything in the root: the next version is made with it. */
static gboolean
write_layout(Build *build, GPtrArray *ret_artifacts, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *name = g_strconcat(request->stem, ASH_DISK_LAYOUT_SUFFIX, NULL);
	g_autoptr(AshErofsLayout) layout = ash_erofs_dup_layout(build->erofs);
	g_autoptr(GBytes) bytes = ash_erofs_layout_save(layout);
	AshArtifact *artifact;
	gsize length;
	const char *data = g_bytes_get_data(bytes, &length);

	if (!ash_file_write(build->dir_fd, name, data, (gssize) length, 0644, error))
		return FALSE;
	artifact = g_new0(AshArtifact, 1);
	artifact->type = g_strdup(request->type->name);
	artifact->path = g_build_filename(request->output_dir, name, NULL);
	artifact->format = g_strdup("layout");
	artifact->size = length;
	artifact->sha256 = ash_sha256_hex(data, (gssize) length);
	artifact->commit = g_strdup(request->commit);
	g_ptr_array_add(ret_artifacts, artifact);
	return TRUE;
}

static gboolean
list_secret_files(Build *build, GPtrArray *ret_artifacts, GError **error)
{
	for (guint i = 0; i < build->secret_files->len; i++) {
		AshArtifact *artifact;
		struct stat st;

		if (stat(build->secret_files->pdata[i], &st) < 0)
			return ash_throw_errno(error, "cannot stat \"%s\"", (const char *) build->secret_files->pdata[i]);
		artifact = g_new0(AshArtifact, 1);
		artifact->type = g_strdup(build->request->type->name);
		artifact->path = g_strdup(build->secret_files->pdata[i]);
		artifact->format = g_strdup("recovery-key");
		artifact->size = (guint64) st.st_size;
		artifact->commit = g_strdup(build->request->commit);
		g_ptr_array_add(ret_artifacts, artifact);
	}
	return TRUE;
}

static gboolean
write_formats(Build *build, GPtrArray *ret_artifacts, GError **error)
{
	const AshDiskRequest *request = build->request;
	const GArray *wanted = request->type->formats;
	g_autoptr(GPtrArray) digests = NULL;
	g_autoptr(AshReread) content = ash_reread_new(build->fd, build->used);
	AshFormatsRequest formats = {
	    .output_dir = request->output_dir,
	    .stem = request->stem,
	    .partial = build->partial,
	    .fd = build->fd,
	    .disk_bytes = build->layout->size,
	    .vhd_uuid = ash_uuid_derive(&request->seed, "vhd"),
	    .epoch = request->epoch,
	    .formats = wanted,
	    .checksums = request->checksums,
	    .content = content,
	};

	if (build->files != NULL)
		ash_reread_set_files(content, request->tree, build->files);
	if (!ash_formats_write(build->ctx, &formats, &digests, error))
		return FALSE;
	for (guint i = 0; i < wanted->len; i++) {
		AshArtifact *artifact = describe_artifact(build, g_array_index(wanted, AshDiskFormat, i),
							  digests->pdata[i], error);

		if (artifact == NULL)
			return FALSE;
		g_ptr_array_add(ret_artifacts, artifact);
	}
	return TRUE;
}

gboolean
ash_disk_build(AshContext *ctx, const AshDiskRequest *request, GPtrArray *ret_artifacts,
	       GError **error)
{
	g_auto(Build) build = {.ctx = ctx, .request = request, .root_fd = -1, .fd = -1, .dir_fd = -1};
	gboolean ok;

	build.secret_files = g_ptr_array_new_with_free_func(g_free);
	ok = plan_disk(&build, error) && write_raw(&build, error);

	if (ok) {
		ash_progress_begin(ctx->progress, "Disk formats", 20);
		ok = write_formats(&build, ret_artifacts, error) &&
		     (!request->layout || build.erofs == NULL || write_layout(&build, ret_artifacts, error)) &&
		     list_secret_files(&build, ret_artifacts, error);
		ash_progress_end(ctx->progress);
	}
	if (!ok && build.partial != NULL)
		(void) unlinkat(build.dir_fd, build.partial, 0);
	return ok;
}
