/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/nodedisk.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/verity/verity.h"
#include "model/release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HALF_BYTES 16
#define SYSFS_SECTOR_BYTES 512

/* The value of roothash= in the kernel's command line. Owned; NULL: there is none. */
static char *
find_running_hash(const AshNodePlaces *places)
{
	g_autofree char *cmdline = ash_node_places_read(places, "/proc/cmdline");
	g_auto(GStrv) words = g_strsplit_set(cmdline != NULL ? cmdline : "", " \t\n", -1);
	guint8 hash[ASH_SHA256_SIZE];
	char *found = NULL;

	/* The kernel's rule for repeated words: the last one counts. */
	for (guint i = 0; words[i] != NULL; i++) {
		const char *value = g_str_has_prefix(words[i], "roothash=") ? words[i] + strlen("roothash=") : NULL;
		if (value == NULL || !ash_hex_decode(value, hash, sizeof(hash)))
			continue;
		g_free(found);
		found = g_ascii_strdown(value, -1);
	}
	return found;
}

/* "vda2" is a directory below that of "vda" in sysfs. Owned; NULL: unknown. */
static char *
find_whole_disk(const char *partition)
{
	g_autofree char *name = g_path_get_basename(partition);
	g_autofree char *link = g_strconcat("/sys/class/block/", name, NULL);
	g_autofree char *real = realpath(link, NULL);

	if (real == NULL)
		return NULL;
	g_autofree char *parent = g_path_get_dirname(real);
	g_autofree char *disk = g_path_get_basename(parent);
	return g_strconcat("/dev/", disk, NULL);
}

static char *
find_disk(const AshNodePlaces *places, const char *root_hash, GError **error)
{
	guint8 hash[ASH_SHA256_SIZE];
	AshUuid data, tree;
	char text[ASH_UUID_STRING_SIZE];

	if (places->disk != NULL)
		return g_strdup(places->disk);
	if (root_hash == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "this machine does not run from a slot: its kernel command line has no roothash= (--disk names a disk)");
	ash_hex_decode(root_hash, hash, sizeof(hash));
	ash_verity_partition_uuids(hash, &data, &tree);
	ash_uuid_format(&data, text);
	g_autofree char *link = g_strconcat("/dev/disk/by-partuuid/", text, NULL);
	g_autofree char *partition = realpath(link, NULL);
	g_autofree char *disk = partition != NULL ? find_whole_disk(partition) : NULL;
	if (disk == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\", the running root, is not to be found (--disk names its disk)", link);
	return g_steal_pointer(&disk);
}

/* The version in a label NAME_VERSION; of a system without a known name, what is behind the first "_". Owned. */
static char *
parse_label(const char *name, const char *label)
{
	const char *version = NULL;

	if (strcmp(label, ASH_NODE_EMPTY_LABEL) == 0)
		return NULL;
	if (name == NULL)
		version = strchr(label, '_');
	else if (g_str_has_prefix(label, name) && label[strlen(name)] == '_')
		version = label + strlen(name);
	return version != NULL && ash_release_is_version(version + 1) ? g_strdup(version + 1) : NULL;
}

static void
read_slot(AshNodeDisk *disk, AshNodeSlot *slot)
{
	guint8 hash[ASH_SHA256_SIZE];

	memcpy(hash, slot->data->uuid.bytes, HALF_BYTES);
	memcpy(hash + HALF_BYTES, slot->hash->uuid.bytes, HALF_BYTES);
	g_autofree char *hex = ash_hex_encode(hash, sizeof(hash));
	g_strlcpy(slot->root_hash, hex, sizeof(slot->root_hash));
	g_free(slot->label);
	slot->label = g_strdup(slot->data->label);
	g_clear_pointer(&slot->version, g_free);
	/* Half a change of labels is none. */
	if (strcmp(slot->data->label, slot->hash->label) == 0)
		slot->version = parse_label(disk->name, slot->label);
}

static gboolean
pair_partitions(AshNodeDisk *disk, GError **error)
{
	const GPtrArray *entries = ash_gpt_table_get_entries(disk->table);
	guint n_data = 0, n_hash = 0, n_sig = 0;

	disk->esp_offset = 0;
	for (guint i = 0; i < entries->len; i++) {
		const AshGptEntry *entry = entries->pdata[i];
		AshPartitionRole role;
		if (!ash_partition_role_from_guid(&entry->type, &role))
			continue;
		if (role == ASH_PARTITION_ESP && disk->esp_offset == 0) {
			disk->esp_offset = entry->offset;
			disk->esp_index = entry->index;
		}
		if (role == ASH_PARTITION_ROOT && n_data++ < G_N_ELEMENTS(disk->slots))
			disk->slots[n_data - 1].data = entry;
		if (role == ASH_PARTITION_ROOT_VERITY && n_hash++ < G_N_ELEMENTS(disk->slots))
			disk->slots[n_hash - 1].hash = entry;
		if (role == ASH_PARTITION_ROOT_VERITY_SIG && n_sig++ < G_N_ELEMENTS(disk->slots))
			disk->slots[n_sig - 1].sig = entry;
	}
	/* One alone is of no known slot. */
	for (guint i = 0; i < G_N_ELEMENTS(disk->slots) && n_sig != G_N_ELEMENTS(disk->slots); i++)
		disk->slots[i].sig = NULL;
	if (n_data == G_N_ELEMENTS(disk->slots) && n_hash == G_N_ELEMENTS(disk->slots))
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "\"%s\" has %u partitions for a root and %u for a hash tree, and updates need two of each: "
			 "make the image with a type that has slots a and b",
			 disk->path, n_data, n_hash);
}

static gboolean
read_slots(AshNodeDisk *disk, GError **error)
{
	if (!pair_partitions(disk, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(disk->slots); i++) {
		disk->slots[i].letter = (char) ('a' + i);
		read_slot(disk, &disk->slots[i]);
	}
	return TRUE;
}

/* Both slots with the same content could not be told apart, neither by us nor by the initramfs. */
static gboolean
find_active(AshNodeDisk *disk, const char *root_hash, GError **error)
{
	AshNodeSlot *found = NULL;

	if (root_hash == NULL)
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(disk->slots); i++) {
		if (strcmp(disk->slots[i].root_hash, root_hash) != 0)
			continue;
		if (found != NULL)
			return ash_throw(error, ASH_ERROR_CONFIG, "both slots of \"%s\" claim to be the running system", disk->path);
		found = &disk->slots[i];
	}
	if (found == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "the running system (root hash %.12s...) is in no slot of \"%s\"", root_hash, disk->path);
	found->active = true;
	disk->active = found;
	disk->target = found == &disk->slots[0] ? &disk->slots[1] : &disk->slots[0];
	disk->root_is_known = true;
	return TRUE;
}

static gboolean
open_disk(AshNodeDisk *disk, bool writable, GError **error)
{
	struct stat st;

	disk->fd = ash_fd_open(AT_FDCWD, disk->path, writable ? O_RDWR : O_RDONLY, 0, error);
	if (disk->fd < 0 || !ash_fd_stat(disk->fd, disk->path, &st, error))
		return FALSE;
	disk->is_block = S_ISBLK(st.st_mode);
	disk->table = ash_gpt_table_load(disk->fd, error);
	return disk->table != NULL || ash_prefix(error, "\"%s\"", disk->path);
}

AshNodeDisk *
ash_node_disk_open(const AshNodePlaces *places, const char *name, bool writable, GError **error)
{
	g_autoptr(AshNodeDisk) disk = g_new0(AshNodeDisk, 1);
	g_autofree char *root_hash = find_running_hash(places);

	disk->fd = -1;
	disk->name = g_strdup(name);
	disk->path = find_disk(places, root_hash, error);
	if (disk->path == NULL || !open_disk(disk, writable, error) || !read_slots(disk, error) || !find_active(disk, root_hash, error))
		return NULL;
	if (disk->name == NULL && disk->active != NULL && disk->active->version != NULL)
		disk->name = g_strndup(disk->active->label, strlen(disk->active->label) - strlen(disk->active->version) - 1);
	return g_steal_pointer(&disk);
}

void
ash_node_disk_free(AshNodeDisk *disk)
{
	if (disk == NULL)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(disk->slots); i++) {
		g_free(disk->slots[i].label);
		g_free(disk->slots[i].version);
	}
	ash_gpt_table_free(disk->table);
	/* A writer that closes the disk makes udev look at its table again, and change the links. */
	ash_fd_clear(&disk->fd);
	g_free(disk->path);
	g_free(disk->name);
	g_free(disk);
}

const char *
ash_node_slot_name(const AshNodeSlot *slot)
{
	return slot->letter == 'a' ? "a" : "b";
}

AshNodeSlot *
ash_node_disk_find(AshNodeDisk *disk, const char *root_hash)
{
	for (guint i = 0; i < G_N_ELEMENTS(disk->slots); i++)
		if (disk->slots[i].version != NULL && strcmp(disk->slots[i].root_hash, root_hash) == 0)
			return &disk->slots[i];
	return NULL;
}

static bool
sysfs_number_is(const char *dir, const char *name, guint64 wanted)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *text = NULL;
	guint64 number;

	return g_file_get_contents(path, &text, NULL, NULL) &&
	       g_ascii_string_to_unsigned(g_strstrip(text), 10, 0, G_MAXUINT64, &number, NULL) && number == wanted;
}

/* The kernel's name for the partition, by its number, with its place compared: the table may have been changed under it. Owned. */
static char *
find_node(const AshNodeDisk *disk, const AshGptEntry *entry)
{
	g_autofree char *name = g_path_get_basename(disk->path);
	g_autofree char *top = g_strconcat("/sys/class/block/", name, NULL);
	g_autoptr(GDir) dir = g_dir_open(top, 0, NULL);
	const char *child;

	while (dir != NULL && (child = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(top, child, NULL);
		if (sysfs_number_is(path, "partition", entry->index + 1) &&
		    sysfs_number_is(path, "start", entry->offset / SYSFS_SECTOR_BYTES) &&
		    sysfs_number_is(path, "size", entry->bytes / SYSFS_SECTOR_BYTES))
			return g_strconcat("/dev/", child, NULL);
	}
	return NULL;
}

static gboolean
open_part(const AshNodeDisk *disk, const AshGptEntry *entry, bool writable, int *fd, AshSlotPart *part, GError **error)
{
	*part = (AshSlotPart){ .fd = disk->fd, .offset = entry->offset, .bytes = entry->bytes };
	if (!disk->is_block)
		return TRUE;
	g_autofree char *node = find_node(disk, entry);
	if (node == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "the kernel does not know partition %u of \"%s\" as its table has it: reboot first",
				 entry->index + 1, disk->path);
	*fd = open(node, (writable ? O_RDWR | O_EXCL : O_RDONLY) | O_CLOEXEC);
	if (*fd < 0 && errno == EBUSY)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\", the slot for the update, is in use (mounted?)", node);
	if (*fd < 0)
		return ash_throw_errno(error, "cannot open \"%s\"", node);
	part->fd = *fd;
	part->offset = 0;
	return TRUE;
}

gboolean
ash_node_slot_open(const AshNodeDisk *disk, const AshNodeSlot *slot, bool writable, AshNodeSlotFiles *ret_files, GError **error)
{
	g_auto(AshNodeSlotFiles) files = { .data_fd = -1, .hash_fd = -1 };

	if (writable && (slot->active || !disk->root_is_known))
		return ash_throw(error, ASH_ERROR_INTERNAL, "slot %c is the running system's and must not be written", slot->letter);
	g_strlcpy(files.view.root_hash, slot->root_hash, sizeof(files.view.root_hash));
	files.view.known = slot->version != NULL;
	if (!open_part(disk, slot->data, writable, &files.data_fd, &files.view.data, error) ||
	    !open_part(disk, slot->hash, writable, &files.hash_fd, &files.view.hash, error))
		return FALSE;
	*ret_files = files;
	files.data_fd = files.hash_fd = -1;
	return TRUE;
}

void
ash_node_slot_files_clear(AshNodeSlotFiles *files)
{
	ash_fd_clear(&files->data_fd);
	ash_fd_clear(&files->hash_fd);
}

gboolean
ash_node_slot_write_sig(const AshNodeDisk *disk, const AshNodeSlot *slot, GBytes *content, GError **error)
{
	ash_autofd int fd = -1;
	AshSlotPart part;
	gsize length = content != NULL ? g_bytes_get_size(content) : 0;

	if (slot->sig == NULL)
		return TRUE;
	if (slot->active || !disk->root_is_known)
		return ash_throw(error, ASH_ERROR_INTERNAL, "slot %c is the running system's and must not be written", slot->letter);
	if (!open_part(disk, slot->sig, true, &fd, &part, error))
		return FALSE;
	const gsize bytes = (gsize) MIN(part.bytes, ASH_RELEASE_SIG_MAX_BYTES);
	if (length > bytes)
		return ash_throw(error, ASH_ERROR_NO_SPACE, "the signature of the root hash has %zu bytes, its partition %zu", length, bytes);
	g_autofree guint8 *buffer = g_malloc0(bytes);
	if (length > 0)
		memcpy(buffer, g_bytes_get_data(content, NULL), length);
	if (!ash_fd_write_all(part.fd, buffer, bytes, part.offset, error))
		return FALSE;
	return fsync(part.fd) == 0 || ash_throw_errno(error, "cannot sync the signature of the root hash");
}

/** What is changed of an entry of the table. */
typedef struct {
	guint index;
	AshUuid uuid;
	guint64 flags;
} Change;

static Change
change_of(const AshGptEntry *entry, guint64 set, guint64 cleared)
{
	return (Change){ entry->index, entry->uuid, (entry->flags | set) & ~cleared };
}

static gboolean
relabel(AshNodeDisk *disk, AshNodeSlot *slot, const char *label, const guint8 *hash, guint64 set, guint64 cleared, GError **error)
{
	const guint n = slot->sig != NULL ? 3 : 2;
	/* The entries themselves are gone with the first change. */
	Change changes[] = { change_of(slot->data, set, cleared), change_of(slot->hash, set, cleared),
			     change_of(slot->sig != NULL ? slot->sig : slot->hash, set, cleared) };

	if (slot->active || !disk->root_is_known)
		return ash_throw(error, ASH_ERROR_INTERNAL, "slot %c is the running system's and keeps its labels", slot->letter);
	if (hash != NULL)
		ash_verity_partition_uuids(hash, &changes[0].uuid, &changes[1].uuid);
	gboolean ok = TRUE;
	for (guint i = 0; ok && i < n; i++)
		ok = ash_gpt_table_set(disk->table, changes[i].index, &changes[i].uuid, label, changes[i].flags, error);
	/* Others that look at block devices (udev, systemd-repart) wait or come back: https://systemd.io/BLOCK_DEVICE_LOCKING */
	const bool locked = flock(disk->fd, LOCK_EX) == 0;
	ok = ok && ash_gpt_table_store(disk->table, disk->fd, error);
	if (locked)
		(void) flock(disk->fd, LOCK_UN);
	/* The list of entries is a new one in any case. */
	return read_slots(disk, ok ? error : NULL) && ok;
}

gboolean
ash_node_slot_mark_empty(AshNodeDisk *disk, AshNodeSlot *slot, GError **error)
{
	return relabel(disk, slot, ASH_NODE_EMPTY_LABEL, NULL, ASH_GPT_FLAG_NO_AUTO, 0, error);
}

gboolean
ash_node_slot_mark_filled(AshNodeDisk *disk, AshNodeSlot *slot, const char *version, const char *root_hash, GError **error)
{
	g_autofree char *label = g_strdup_printf("%s_%s", disk->name, version);
	guint8 hash[ASH_SHA256_SIZE];

	if (!ash_hex_decode(root_hash, hash, sizeof(hash)))
		return ash_throw(error, ASH_ERROR_INTERNAL, "\"%s\" is no root hash", root_hash);
	return relabel(disk, slot, label, hash, ASH_GPT_FLAG_READ_ONLY, ASH_GPT_FLAG_NO_AUTO, error);
}

gboolean
ash_node_slot_verify(AshContext *ctx, const AshNodeDisk *disk, const AshNodeSlot *slot, GError **error)
{
	guint8 hash[ASH_SHA256_SIZE];

	if (!ash_hex_decode(slot->root_hash, hash, sizeof(hash)))
		return ash_throw(error, ASH_ERROR_INTERNAL, "slot %c has no root hash", slot->letter);
	/* By the disk, not by the partition nodes: their page caches are not the same, and the disk's own has not what we wrote. */
	const AshVerityPlace place = {
		.fd = disk->fd,
		.data_offset = slot->data->offset,
		.data_bytes = slot->data->bytes,
		.hash_offset = slot->hash->offset,
		.hash_bytes = slot->hash->bytes,
	};
	(void) posix_fadvise(disk->fd, 0, 0, POSIX_FADV_DONTNEED);
	return ash_verity_verify(ctx, &place, hash, error) || ash_prefix(error, "slot %c", slot->letter);
}
