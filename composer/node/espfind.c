/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/espfind.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Where systemd-gpt-auto-generator, distributions and people mount it. */
static const char *const usual_places[] = { "/efi", "/boot", "/boot/efi" };

/* Name in /dev of partition @index of the disk. Owned; NULL: unknown. */
static char *
find_device(const AshNodeDisk *disk)
{
	g_autofree char *name = g_path_get_basename(disk->path);
	const bool digit = g_ascii_isdigit(name[strlen(name) - 1]);

	return g_strdup_printf("/dev/%s%s%u", name, digit ? "p" : "", disk->esp_index + 1);
}

/* A field of mountinfo has blanks and the like as \040. In place. */
static void
unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] != '\0' && in[3] != '\0') {
			*out++ = (char) ((in[1] - '0') * 64 + (in[2] - '0') * 8 + in[3] - '0');
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/* proc_pid_mountinfo(5): the place where the whole file system of device @major:@minor is mounted last. Owned; NULL: nowhere. */
static char *
find_mount(const AshNodePlaces *places, dev_t device)
{
	g_autofree char *wanted = g_strdup_printf("%u:%u", major(device), minor(device));
	g_autofree char *text = ash_node_places_read(places, "/proc/self/mountinfo");
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
	char *found = NULL;

	for (guint i = 0; lines[i] != NULL; i++) {
		g_auto(GStrv) fields = g_strsplit(lines[i], " ", 6);
		if (g_strv_length(fields) < 6 || strcmp(fields[2], wanted) != 0 || strcmp(fields[3], "/") != 0)
			continue;
		g_free(found);
		unescape(fields[4]);
		found = g_strdup(fields[4]);
	}
	return found;
}

/* An automount shows what is below only after somebody has looked. */
static void
wake_automounts(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(usual_places); i++) {
		g_autofree char *inside = g_strconcat(usual_places[i], "/.", NULL);
		ash_autofd int fd = open(inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void) fd;
	}
}

/* A mount that is in no namespace: it is there as long as its descriptor. */
static int
mount_for_us(const char *device, GError **error)
{
	ash_autofd int context = fsopen("vfat", FSOPEN_CLOEXEC);
	int fd = -1;

	if (context >= 0 && fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) == 0 &&
	    fsconfig(context, FSCONFIG_SET_STRING, "umask", "0077", 0) == 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		ash_throw_errno(error, "the EFI system partition \"%s\" is mounted nowhere, and cannot be (mount it at /efi)", device);
	return fd;
}

gboolean
ash_node_esp_find_directory(const AshNodePlaces *places, const AshNodeDisk *disk, char **ret_path, int *ret_mount_fd, GError **error)
{
	struct stat st;

	*ret_mount_fd = -1;
	if (places->esp != NULL) {
		*ret_path = g_strdup(places->esp);
		return TRUE;
	}
	if (disk->esp_offset == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" has no EFI system partition (--esp names a directory)", disk->path);
	g_autofree char *device = find_device(disk);
	if (!disk->is_block || stat(device, &st) < 0 || !S_ISBLK(st.st_mode))
		return ash_throw(error, ASH_ERROR_CONFIG, "the EFI system partition of \"%s\" is no device here: --esp names a directory", disk->path);
	wake_automounts();
	*ret_path = find_mount(places, st.st_rdev);
	if (*ret_path != NULL)
		return TRUE;
	*ret_mount_fd = mount_for_us(device, error);
	if (*ret_mount_fd < 0)
		return FALSE;
	*ret_path = g_steal_pointer(&device);
	return TRUE;
}
