/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/cosimeta.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "disk/filesystem/probe.h"
#include "disk/gpt/gpttable.h"
#include "disk/verity/verity.h"
#include "model/lock.h"
#include "model/mount.h"

#include <string.h>

#define SECTOR_BYTES   512
#define SHA384_DIGITS  96
/* No number of bytes has more digits than this, which doubles still hold. */
#define MOST_BYTES     ((guint64) 1 << 53)
#define LOCK_PATH      "usr/lib/ashlar/packages.lock"
/* os-release(5): the first is what counts, and most often a link to the second. */
#define OS_RELEASE     "etc/os-release"
#define OS_RELEASE_LIB "usr/lib/os-release"
/* Of the header at sector 1 (UEFI 2.10 5.3.2). */
#define ENTRIES_LBA_AT 72
#define N_ENTRIES_AT   80
#define ENTRY_BYTES_AT 84
#define MAX_TABLE_BYTES ((guint64) 1 << 20)

static void
region_free(AshCosiRegion *region)
{
	g_free(region->fs_uuid);
	g_free(region->path);
	g_free(region->sha384);
	g_free(region);
}

void
ash_cosi_meta_free(AshCosiMeta *meta)
{
	if (meta == NULL)
		return;
	g_ptr_array_unref(meta->regions);
	g_clear_pointer(&meta->locks, g_ptr_array_unref);
	g_free(meta->os_release);
	g_free(meta);
}

/* Takes over @path. */
static AshCosiRegion *
add_region(AshCosiMeta *meta, char *path, guint64 offset, guint64 bytes)
{
	AshCosiRegion *region = g_new0(AshCosiRegion, 1);

	region->path = path;
	region->offset = offset;
	region->bytes = bytes;
	region->compressed = MOST_BYTES;
	region->sha384 = g_strnfill(SHA384_DIGITS, '0');
	g_ptr_array_add(meta->regions, region);
	return region;
}

/* From the start of the disk to the end of the entries, as the header says. */
static gboolean
add_table(AshCosiMeta *meta, int fd, GError **error)
{
	guint8 header[SECTOR_BYTES];
	guint64 lba, end;
	guint32 n, entry;

	if (!ash_fd_read_exact(fd, header, sizeof(header), SECTOR_BYTES, error))
		return FALSE;
	memcpy(&lba, header + ENTRIES_LBA_AT, sizeof(lba));
	memcpy(&n, header + N_ENTRIES_AT, sizeof(n));
	memcpy(&entry, header + ENTRY_BYTES_AT, sizeof(entry));
	lba = GUINT64_FROM_LE(lba);
	end = (guint64) GUINT32_FROM_LE(n) * GUINT32_FROM_LE(entry);
	if (memcmp(header, "EFI PART", 8) != 0 || lba > MAX_TABLE_BYTES || end > MAX_TABLE_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "its partition table is damaged");
	add_region(meta, g_strdup("images/gpt.raw.zst"), 0, lba * SECTOR_BYTES + end);
	return TRUE;
}

static const char *
find_mount_point(const AshCosiMeta *meta, AshPartitionRole role, const char *label)
{
	for (guint i = 0; meta->source->mounts != NULL && i < meta->source->mounts->len; i++) {
		const AshMount *mount = meta->source->mounts->pdata[i];

		if (g_strcmp0(mount->label, label) == 0)
			return mount->mount_point;
	}
	return role == ASH_PARTITION_ESP ? meta->esp : ash_partition_role_get_mount_point(role);
}

static bool
is_taken(const AshCosiMeta *meta, const char *mount_point)
{
	for (guint i = 0; i < meta->regions->len; i++) {
		const AshCosiRegion *region = meta->regions->pdata[i];

		if (g_strcmp0(region->mount_point, mount_point) == 0)
			return true;
	}
	return false;
}

/* What is mounted from a partition: a file system that can be seen, where nothing else is. */
static void
find_file_system(const AshCosiMeta *meta, int fd, const char *mount_point, AshCosiRegion *region)
{
	g_auto(AshProbe) probe = { 0 };
	AshFsKind kind;

	if (mount_point == NULL || is_taken(meta, mount_point))
		return;
	ash_probe_read(fd, region->offset, region->bytes, &probe);
	if (probe.content == NULL || probe.uuid == NULL || !ash_fs_kind_parse(probe.content, &kind))
		return;
	region->mount_point = mount_point;
	region->fs_type = ash_fs_kind_to_string(kind);
	region->fs_uuid = g_steal_pointer(&probe.uuid);
}

static gboolean
add_partitions(AshCosiMeta *meta, int fd, GError **error)
{
	g_autoptr(AshGptTable) table = ash_gpt_table_load(fd, error);
	const GPtrArray *entries = table != NULL ? ash_gpt_table_get_entries(table) : NULL;

	for (guint i = 0; entries != NULL && i < entries->len; i++) {
		const AshGptEntry *entry = entries->pdata[i];
		AshPartitionRole role = ASH_PARTITION_LINUX;
		AshCosiRegion *region;

		(void) ash_partition_role_from_guid(&entry->type, &role);
		region = add_region(meta, g_strdup_printf("images/%u-%s.raw.zst", entry->index + 1, ash_partition_role_to_string(role)),
				    entry->offset, entry->bytes);
		region->number = entry->index + 1;
		region->type = entry->type;
		region->uuid = entry->uuid;
		find_file_system(meta, fd, find_mount_point(meta, role, entry->label), region);
	}
	return entries != NULL;
}

/* The two partitions that the root hash names. */
static void
find_hash_partition(AshCosiMeta *meta)
{
	guint8 root_hash[ASH_SHA256_SIZE];
	AshUuid data, hash;
	guint number = 0;

	if (meta->source->root_hash == NULL || !ash_hex_decode(meta->source->root_hash, root_hash, sizeof(root_hash)))
		return;
	ash_verity_partition_uuids(root_hash, &data, &hash);
	for (guint i = 1; i < meta->regions->len; i++) {
		const AshCosiRegion *region = meta->regions->pdata[i];

		if (memcmp(&region->uuid, &hash, sizeof(hash)) == 0)
			number = region->number;
	}
	for (guint i = 1; i < meta->regions->len; i++) {
		AshCosiRegion *region = meta->regions->pdata[i];

		if (region->mount_point != NULL && memcmp(&region->uuid, &data, sizeof(data)) == 0)
			region->hash = number;
	}
}

static char *
load_text(const AshFsTree *tree, const char *path, GError **error)
{
	g_autoptr(GBytes) bytes = ash_fs_tree_load(tree, path, error);
	gsize length = 0;
	const char *text = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;

	if (bytes == NULL)
		return NULL;
	return g_utf8_make_valid(text != NULL ? text : "", (gssize) length);
}

static gboolean
load_system(AshCosiMeta *meta, GError **error)
{
	const AshFsTree *tree = meta->source->tree;
	g_autofree char *lock = NULL;

	meta->os_release = load_text(tree, ash_fs_tree_resolve(tree, OS_RELEASE) != NULL ? OS_RELEASE : OS_RELEASE_LIB, error);
	if (meta->os_release == NULL)
		return FALSE;
	if (ash_fs_tree_resolve(tree, LOCK_PATH) == NULL)
		return TRUE;
	lock = load_text(tree, LOCK_PATH, error);
	meta->locks = lock != NULL ? ash_lock_parse(lock, LOCK_PATH, error) : NULL;
	return meta->locks != NULL;
}

/* Whether there is one, and where its own line of fstab has it. */
static bool
find_esp(AshCosiMeta *meta)
{
	const AshUuid type = ash_partition_role_type_guid(ASH_PARTITION_ESP);

	for (guint i = 1; i < meta->regions->len; i++) {
		const AshCosiRegion *region = meta->regions->pdata[i];

		if (memcmp(&region->type, &type, sizeof(type)) != 0 || region->mount_point == NULL)
			continue;
		meta->esp = region->mount_point;
		return true;
	}
	return false;
}

AshCosiMeta *
ash_cosi_meta_new(int fd, guint64 disk_bytes, const AshCosiSource *source, GError **error)
{
	g_autoptr(AshCosiMeta) meta = g_new0(AshCosiMeta, 1);

	meta->source = source;
	meta->disk_bytes = disk_bytes;
	meta->regions = g_ptr_array_new_with_free_func((GDestroyNotify) region_free);
	/* As systemd-gpt-auto-generator(8) decides. */
	meta->esp = ash_fs_tree_lookup(source->tree, "efi") != NULL ? "/efi" : "/boot";
	if (!add_table(meta, fd, error) || !add_partitions(meta, fd, error) || !load_system(meta, error))
		return NULL;
	if (!find_esp(meta))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "COSI describes systems that boot: it needs a partition with role \"esp\"");
	find_hash_partition(meta);
	return g_steal_pointer(&meta);
}

static void
set_uuid(JsonObject *object, const char *member, const AshUuid *uuid)
{
	char text[ASH_UUID_STRING_SIZE];

	ash_uuid_format(uuid, text);
	json_object_set_string_member(object, member, text);
}

static JsonObject *
describe_image(const AshCosiRegion *region)
{
	JsonObject *image = json_object_new();

	json_object_set_string_member(image, "path", region->path);
	json_object_set_int_member(image, "compressedSize", (gint64) region->compressed);
	json_object_set_int_member(image, "uncompressedSize", (gint64) region->bytes);
	json_object_set_string_member(image, "sha384", region->sha384);
	return image;
}

static const AshCosiRegion *
find_number(const AshCosiMeta *meta, guint number)
{
	for (guint i = 1; i < meta->regions->len; i++) {
		const AshCosiRegion *region = meta->regions->pdata[i];

		if (region->number == number)
			return region;
	}
	return NULL;
}

static JsonArray *
describe_file_systems(const AshCosiMeta *meta)
{
	JsonArray *images = json_array_new();

	for (guint i = 0; i < meta->regions->len; i++) {
		const AshCosiRegion *region = meta->regions->pdata[i];
		const AshCosiRegion *hash = region->hash != 0 ? find_number(meta, region->hash) : NULL;
		JsonObject *image;

		if (region->mount_point == NULL)
			continue;
		image = json_object_new();
		json_object_set_object_member(image, "image", describe_image(region));
		json_object_set_string_member(image, "mountPoint", region->mount_point);
		json_object_set_string_member(image, "fsType", region->fs_type);
		json_object_set_string_member(image, "fsUuid", region->fs_uuid);
		set_uuid(image, "partType", &region->type);
		if (hash != NULL) {
			JsonObject *verity = json_object_new();

			json_object_set_object_member(verity, "image", describe_image(hash));
			json_object_set_string_member(verity, "roothash", meta->source->root_hash);
			json_object_set_object_member(image, "verity", verity);
		}
		json_array_add_object_element(images, image);
	}
	return images;
}

static JsonObject *
describe_disk(const AshCosiMeta *meta)
{
	JsonObject *disk = json_object_new();
	JsonArray *regions = json_array_new();

	json_object_set_int_member(disk, "size", (gint64) meta->disk_bytes);
	json_object_set_string_member(disk, "type", "gpt");
	json_object_set_int_member(disk, "lbaSize", SECTOR_BYTES);
	for (guint i = 0; i < meta->regions->len; i++) {
		const AshCosiRegion *region = meta->regions->pdata[i];
		JsonObject *object = json_object_new();

		json_object_set_object_member(object, "image", describe_image(region));
		json_object_set_string_member(object, "type", region->number == 0 ? "primary-gpt" : "partition");
		if (region->number != 0)
			json_object_set_int_member(object, "number", region->number);
		json_array_add_object_element(regions, object);
	}
	json_object_set_array_member(disk, "gptRegions", regions);
	return disk;
}

static JsonArray *
describe_packages(const AshCosiMeta *meta)
{
	JsonArray *packages = json_array_new();

	for (guint i = 0; meta->locks != NULL && i < meta->locks->len; i++) {
		const AshLock *lock = meta->locks->pdata[i];

		for (guint j = 0; j < lock->set->packages->len; j++) {
			const AshPackage *package = lock->set->packages->pdata[j];
			JsonObject *object = json_object_new();

			json_object_set_string_member(object, "name", package->name);
			json_object_set_string_member(object, "version", package->version);
			json_object_set_string_member(object, "release", package->release);
			json_object_set_string_member(object, "arch", package->arch);
			json_array_add_object_element(packages, object);
		}
	}
	return packages;
}

static JsonObject *
describe_bootloader(const AshCosiMeta *meta)
{
	g_autofree char *path = g_strdup_printf("%s/%s", meta->esp, meta->source->boot_path);
	JsonObject *bootloader = json_object_new(), *systemd_boot, *entry;
	JsonArray *entries;

	json_object_set_string_member(bootloader, "type", meta->source->boot_path != NULL ? "systemd-boot" : "grub");
	if (meta->source->boot_path == NULL)
		return bootloader;
	systemd_boot = json_object_new();
	entry = json_object_new();
	entries = json_array_new();
	json_object_set_string_member(entry, "type", meta->source->boot_type);
	json_object_set_string_member(entry, "path", path);
	json_object_set_string_member(entry, "cmdline", meta->source->cmdline);
	json_object_set_string_member(entry, "kernel", meta->source->kernel_release);
	json_array_add_object_element(entries, entry);
	json_object_set_array_member(systemd_boot, "entries", entries);
	json_object_set_object_member(bootloader, "systemdBoot", systemd_boot);
	return bootloader;
}

char *
ash_cosi_meta_format(const AshCosiMeta *meta)
{
	JsonObject *root = json_object_new(), *compression = json_object_new();
	char *text;

	json_object_set_string_member(root, "version", "1.2");
	json_object_set_string_member(root, "osArch", "x86_64");
	set_uuid(root, "id", &meta->source->id);
	json_object_set_string_member(root, "osRelease", meta->os_release);
	json_object_set_array_member(root, "images", describe_file_systems(meta));
	json_object_set_object_member(root, "disk", describe_disk(meta));
	json_object_set_array_member(root, "osPackages", describe_packages(meta));
	json_object_set_object_member(root, "bootloader", describe_bootloader(meta));
	json_object_set_int_member(compression, "maxWindowLog", ASH_COSI_WINDOW_LOG);
	json_object_set_object_member(root, "compression", compression);
	text = ash_json_object_to_string(root, TRUE);
	json_object_unref(root);
	return text;
}
