/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/esp.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "model/release.h"
#include "node/espfind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_DIR    "EFI/Linux"
#define ENTRY_SUFFIX ".efi"
#define PART_SUFFIX  ".efi.part"
#define MAX_TRIES    1000
/* Beside the file itself: clusters of the directory, rounding. */
#define ROOM_MARGIN ((guint64) 256 * 1024)

void
ash_boot_entry_free(AshBootEntry *entry)
{
	g_free(entry->file);
	g_free(entry->version);
	g_free(entry);
}

/* "+3", "+2-1" at the end of a stem: cut off. */
static bool
cut_counter(char *stem, AshBootEntry *entry)
{
	char *plus = strrchr(stem, '+'), *end;

	entry->counted = false;
	if (plus == NULL)
		return true;
	if (!g_ascii_isdigit(plus[1]))
		return false;
	const guint64 left = g_ascii_strtoull(plus + 1, &end, 10);
	guint64 done = 0;
	if (*end == '-' && g_ascii_isdigit(end[1]))
		done = g_ascii_strtoull(end + 1, &end, 10);
	if (*end != '\0' || left >= MAX_TRIES || done >= MAX_TRIES)
		return false;
	*plus = '\0';
	entry->counted = true;
	entry->left = (guint) left;
	entry->done = (guint) done;
	return true;
}

bool
ash_boot_entry_parse(const char *name, const char *file, AshBootEntry *ret_entry)
{
	const gsize length = strlen(file), suffix = strlen(ENTRY_SUFFIX), prefix = strlen(name);
	AshBootEntry entry = { 0 };

	/* FAT keeps case, and does not care. */
	if (length <= suffix + prefix + 1 || g_ascii_strcasecmp(file + length - suffix, ENTRY_SUFFIX) != 0 ||
	    g_ascii_strncasecmp(file, name, prefix) != 0 || file[prefix] != '_')
		return false;
	g_autofree char *stem = g_strndup(file + prefix + 1, length - suffix - prefix - 1);
	if (!cut_counter(stem, &entry) || !ash_release_is_version(stem))
		return false;
	entry.file = g_strdup(file);
	entry.version = g_steal_pointer(&stem);
	*ret_entry = entry;
	return true;
}

bool
ash_boot_entry_is_exhausted(const AshBootEntry *entry)
{
	return entry->counted && entry->left == 0;
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
	const AshBootEntry *one = *(AshBootEntry *const *) a, *other = *(AshBootEntry *const *) b;
	const int order = strverscmp(one->version, other->version);

	if (order != 0)
		return order;
	/* Of one version, the one that systemd-boot prefers comes last. */
	if (ash_boot_entry_is_exhausted(one) != ash_boot_entry_is_exhausted(other))
		return ash_boot_entry_is_exhausted(one) ? -1 : 1;
	return one->counted != other->counted ? (one->counted ? -1 : 1) : strcmp(one->file, other->file);
}

static gboolean
fail(const AshNodeEsp *esp, const char *what, GError **error)
{
	if (errno == EROFS)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: the EFI system partition \"%s\" is read-only: \"mount -o remount,rw %s\"; if that fails or "
				 "does not last, the file system is damaged: fsck.fat(8)", what, esp->path, esp->path);
	if (errno == ENOSPC)
		return ash_throw(error, ASH_ERROR_NO_SPACE, "%s: the EFI system partition \"%s\" is full: remove what is not needed there", what,
				 esp->path);
	return ash_throw_errno(error, "%s: the EFI system partition \"%s\"", what, esp->path);
}

static gboolean
sync_directory(const AshNodeEsp *esp, GError **error)
{
	return fsync(esp->dir_fd) == 0 || fail(esp, "cannot sync", error);
}

static bool
is_leftover(const AshNodeEsp *esp, const char *file)
{
	return g_str_has_suffix(file, PART_SUFFIX) && esp->name != NULL && g_str_has_prefix(file, esp->name);
}

gboolean
ash_node_esp_reload(AshNodeEsp *esp, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(esp->dir_fd, ".", error);
	struct dirent *found;
	struct stat st;

	if (stream == NULL)
		return FALSE;
	g_ptr_array_set_size(esp->entries, 0);
	g_ptr_array_set_size(esp->leftovers, 0);
	while ((found = ash_fd_next_entry(stream)) != NULL) {
		AshBootEntry entry;
		if (is_leftover(esp, found->d_name))
			g_ptr_array_add(esp->leftovers, g_strdup(found->d_name));
		if (esp->name == NULL || !ash_boot_entry_parse(esp->name, found->d_name, &entry))
			continue;
		if (fstatat(esp->dir_fd, found->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			entry.bytes = (guint64) st.st_size;
		g_ptr_array_add(esp->entries, g_memdup2(&entry, sizeof(entry)));
	}
	g_ptr_array_sort(esp->entries, compare_entries);
	return TRUE;
}

AshNodeEsp *
ash_node_esp_open(const AshNodePlaces *places, const AshNodeDisk *disk, GError **error)
{
	g_autoptr(AshNodeEsp) esp = g_new0(AshNodeEsp, 1);
	ash_autofd int base_fd = -1;

	esp->dir_fd = esp->mount_fd = -1;
	esp->name = g_strdup(disk->name);
	esp->entries = g_ptr_array_new_with_free_func((GDestroyNotify) ash_boot_entry_free);
	esp->leftovers = g_ptr_array_new_with_free_func(g_free);
	if (!ash_node_esp_find_directory(places, disk, &esp->path, &esp->mount_fd, error))
		return NULL;
	if (esp->mount_fd < 0)
		base_fd = ash_fd_open(AT_FDCWD, esp->path, O_RDONLY | O_DIRECTORY, 0, error);
	if (esp->mount_fd < 0 && base_fd < 0)
		return NULL;
	esp->dir_fd = openat(esp->mount_fd >= 0 ? esp->mount_fd : base_fd, ENTRY_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (esp->dir_fd < 0 && errno == ENOENT)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the EFI system partition \"%s\" has no \"%s\": this system is not booted by "
				      "kernel images from there", esp->path, ENTRY_DIR);
	if (esp->dir_fd < 0)
		return ash_throw_errno_null(error, "cannot open \"%s\" of the EFI system partition \"%s\"", ENTRY_DIR, esp->path);
	return ash_node_esp_reload(esp, error) ? g_steal_pointer(&esp) : NULL;
}

void
ash_node_esp_free(AshNodeEsp *esp)
{
	if (esp == NULL)
		return;
	ash_fd_clear(&esp->dir_fd);
	ash_fd_clear(&esp->mount_fd);
	g_free(esp->path);
	g_free(esp->name);
	g_ptr_array_unref(esp->entries);
	g_ptr_array_unref(esp->leftovers);
	g_free(esp);
}

const AshBootEntry *
ash_node_esp_find(const AshNodeEsp *esp, const char *version)
{
	for (guint i = esp->entries->len; i-- > 0;) {
		const AshBootEntry *entry = esp->entries->pdata[i];
		if (strcmp(entry->version, version) == 0)
			return entry;
	}
	return NULL;
}

static guint64
reclaimable(const AshNodeEsp *esp, const char *kept)
{
	guint64 bytes = 0;
	struct stat st;

	for (guint i = 0; i < esp->leftovers->len; i++)
		if (fstatat(esp->dir_fd, esp->leftovers->pdata[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (guint64) st.st_size;
	for (guint i = 0; i < esp->entries->len; i++) {
		const AshBootEntry *entry = esp->entries->pdata[i];
		if (g_strcmp0(entry->version, kept) != 0)
			bytes += entry->bytes;
	}
	return bytes;
}

gboolean
ash_node_esp_check_room(const AshNodeEsp *esp, guint64 bytes, const char *kept, GError **error)
{
	guint64 room = 0;

	if (faccessat(esp->dir_fd, ".", W_OK, 0) < 0)
		return fail(esp, "cannot write", error);
	if (!ash_file_free_space(esp->dir_fd, &room, error))
		return FALSE;
	room += reclaimable(esp, kept);
	if (room >= bytes + ROOM_MARGIN)
		return TRUE;
	g_autofree char *need = ash_size_format(bytes + ROOM_MARGIN), *have = ash_size_format(room);
	return ash_throw(error, ASH_ERROR_NO_SPACE,
			 "the EFI system partition \"%s\" has room for %s, the new kernel image needs %s: remove what does not "
			 "belong there, such as FSCK*.REC and images of other systems", esp->path, have, need);
}

char *
ash_node_esp_part_name(const AshNodeEsp *esp, const char *version)
{
	return g_strdup_printf("%s_%s%s", esp->name, version, PART_SUFFIX);
}

int
ash_node_esp_open_part(const AshNodeEsp *esp, const char *version, GError **error)
{
	g_autofree char *part = ash_node_esp_part_name(esp, version);
	const int fd = openat(esp->dir_fd, part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		fail(esp, "cannot write the kernel image", error);
	return fd;
}

static gboolean
remove_file(AshNodeEsp *esp, const char *file, GError **error)
{
	return unlinkat(esp->dir_fd, file, 0) == 0 || errno == ENOENT || fail(esp, "cannot remove an old file", error);
}

gboolean
ash_node_esp_clean(AshNodeEsp *esp, const char *kept, GError **error)
{
	g_autofree char *part = kept != NULL ? ash_node_esp_part_name(esp, kept) : NULL;
	guint removed = 0;

	for (guint i = 0; i < esp->leftovers->len; i++) {
		if (g_strcmp0(esp->leftovers->pdata[i], part) == 0)
			continue;
		if (!remove_file(esp, esp->leftovers->pdata[i], error))
			return FALSE;
		removed++;
	}
	return removed == 0 || (sync_directory(esp, error) && ash_node_esp_reload(esp, error));
}

static bool
is_in(const char *version, const char *const *versions)
{
	for (guint i = 0; versions[i] != NULL; i++)
		if (strcmp(version, versions[i]) == 0)
			return true;
	return false;
}

/* Those whose version is (@others: is not) in the list. */
static gboolean
remove_entries(AshNodeEsp *esp, const char *const *versions, bool others, guint *ret_removed, GError **error)
{
	*ret_removed = 0;
	for (guint i = 0; i < esp->entries->len; i++) {
		const AshBootEntry *entry = esp->entries->pdata[i];
		if (is_in(entry->version, versions) == others)
			continue;
		if (!remove_file(esp, entry->file, error))
			return FALSE;
		++*ret_removed;
	}
	return *ret_removed == 0 || (sync_directory(esp, error) && ash_node_esp_reload(esp, error));
}

gboolean
ash_node_esp_remove(AshNodeEsp *esp, const char *version, GError **error)
{
	const char *const versions[] = { version, NULL };
	guint removed;

	return remove_entries(esp, versions, false, &removed, error);
}

gboolean
ash_node_esp_remove_others(AshNodeEsp *esp, const char *const *versions, guint *ret_removed, GError **error)
{
	return remove_entries(esp, versions, true, ret_removed, error);
}

static gboolean
rename_entry(AshNodeEsp *esp, const char *from, const char *to, GError **error)
{
	if (strcmp(from, to) != 0 && renameat(esp->dir_fd, from, esp->dir_fd, to) < 0)
		return fail(esp, "cannot rename the kernel image", error);
	return sync_directory(esp, error) && ash_node_esp_reload(esp, error);
}

gboolean
ash_node_esp_count(AshNodeEsp *esp, const char *version, int left, GError **error)
{
	const AshBootEntry *entry = ash_node_esp_find(esp, version);

	if (entry == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "version \"%s\" has no kernel image on the EFI system partition \"%s\"", version, esp->path);
	g_autofree char *old = g_strdup(entry->file);
	g_autofree char *name = left < 0 ? g_strdup_printf("%s_%s%s", esp->name, version, ENTRY_SUFFIX)
					 : g_strdup_printf("%s_%s+%d%s", esp->name, version, left, ENTRY_SUFFIX);
	return rename_entry(esp, old, name, error);
}

gboolean
ash_node_esp_commit(AshNodeEsp *esp, const char *version, guint tries, GError **error)
{
	g_autofree char *part = ash_node_esp_part_name(esp, version);
	g_autofree char *name = g_strdup_printf("%s_%s+%u%s", esp->name, version, tries, ENTRY_SUFFIX);

	return rename_entry(esp, part, name, error);
}
