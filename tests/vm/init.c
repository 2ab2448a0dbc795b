/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only program of a machine that mounts images and lists them. /plan of its initramfs has one line each:
 *
 *   module FILE              is loaded
 *   output DEVICE            where the listing goes
 *   mount NAME TYPE DEVICE   read-only; each line of its listing begins with NAME
 *
 * Behind the last one comes the line "end". Then the machine is switched off.
 */
#include "listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define MOUNT_POINT "/mnt"

typedef struct {
	const char *name;
	GHashTable *firsts; /* inode number to path, of files with several names */
	guint entries;
} Walk;

static FILE *output;

static void
say(const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	printf("init: %s\n", text);
	fflush(stdout);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
add_xattrs(GString *line, const char *path, guint32 mode)
{
	static char names[1 << 16], value[1 << 16];
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	gssize length = llistxattr(path, names, sizeof(names));

	if (length < 0)
		g_string_append_printf(line, " errno-%d", errno);
	for (char *name = names; name < names + length; name += strlen(name) + 1)
		g_ptr_array_add(sorted, name);
	g_ptr_array_sort(sorted, compare_names);
	for (guint i = 0; i < sorted->len; i++) {
		const char *name = sorted->pdata[i];
		gssize bytes;

		if (!listing_shows_xattr(mode, name))
			continue;
		bytes = lgetxattr(path, name, value, sizeof(value));
		if (bytes < 0)
			g_string_append_printf(line, " %s:errno-%d", name, errno);
		else
			listing_add_xattr(line, name, value, (gsize) bytes);
	}
}

/* The first name of the inode, if @path is not it. */
static const char *
find_first(Walk *walk, const struct stat *st, const char *path)
{
	const char *first;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return NULL;
	first = g_hash_table_lookup(walk->firsts, GSIZE_TO_POINTER(st->st_ino));
	if (first == NULL)
		g_hash_table_insert(walk->firsts, GSIZE_TO_POINTER(st->st_ino), g_strdup(path));
	return first;
}

static void
list_entry(Walk *walk, const char *full, const char *path, const struct stat *st)
{
	static char target[1 << 16];
	g_autoptr(GString) line = g_string_new(NULL);
	gssize length = S_ISLNK(st->st_mode) ? readlink(full, target, sizeof(target) - 1) : 0;
	const ListingEntry entry = {
		.mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid, .links = st->st_nlink, .rdev = st->st_rdev,
		.size = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (guint64) st->st_size : 0,
		.mtime = st->st_mtim.tv_sec, .nanoseconds = (guint32) st->st_mtim.tv_nsec,
		.first = find_first(walk, st, path), .target = target,
		.fd = S_ISREG(st->st_mode) ? open(full, O_RDONLY) : -1,
	};

	target[MAX(length, 0)] = '\0';
	listing_add(line, path, &entry);
	add_xattrs(line, full, entry.mode);
	fprintf(output, "%s %s\n", walk->name, line->str);
	walk->entries++;
	if (entry.fd >= 0)
		close(entry.fd);
}

static GPtrArray *
read_names(const char *full)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	DIR *dir = opendir(full);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(entry->d_name));
	if (dir == NULL)
		say("cannot read %s: %s", full, strerror(errno));
	else
		closedir(dir);
	g_ptr_array_sort(names, compare_names);
	return names;
}

/* @path: below the mount point, "" for it. */
static void
list(Walk *walk, const char *path)
{
	g_autofree char *full = g_strconcat(MOUNT_POINT "/", path, NULL);
	g_autoptr(GPtrArray) names = NULL;
	struct stat st;

	if (lstat(full, &st) < 0) {
		fprintf(output, "%s %s errno-%d\n", walk->name, path, errno);
		return;
	}
	list_entry(walk, full, path, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	names = read_names(full);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *child = path[0] != '\0' ? g_strconcat(path, "/", names->pdata[i], NULL) : g_strdup(names->pdata[i]);
		list(walk, child);
	}
}

static void
mount_and_list(const char *name, const char *type, const char *device)
{
	g_autoptr(GHashTable) firsts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	Walk walk = { .name = name, .firsts = firsts };
	gint64 begun = g_get_monotonic_time();

	if (mount(device, MOUNT_POINT, type, MS_RDONLY | MS_NOATIME, NULL) < 0) {
		fprintf(output, "%s is not mounted: %s\n", name, strerror(errno));
		return;
	}
	list(&walk, "");
	say("%s: %u entries in %.1f s", name, walk.entries, (double) (g_get_monotonic_time() - begun) / 1e6);
	if (umount(MOUNT_POINT) < 0)
		fprintf(output, "%s is not unmounted: %s\n", name, strerror(errno));
}

static void
load_module(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		say("%s cannot be loaded: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The driver finds its disks after it was loaded. */
static void
open_output(const char *device)
{
	for (int i = 0; i < 100 && (output = fopen(device, "w")) == NULL; i++)
		g_usleep(G_USEC_PER_SEC / 10);
	if (output == NULL) {
		say("%s: %s", device, strerror(errno));
		output = stdout;
	}
}

static void
run_line(char **words)
{
	const guint n = g_strv_length(words);

	if (n == 2 && strcmp(words[0], "module") == 0)
		load_module(words[1]);
	else if (n == 2 && strcmp(words[0], "output") == 0)
		open_output(words[1]);
	else if (n == 4 && strcmp(words[0], "mount") == 0)
		mount_and_list(words[1], words[2], words[3]);
}

int
main(void)
{
	g_autofree char *plan = NULL;
	g_auto(GStrv) lines = NULL;

	if (getpid() != 1)
		return EXIT_FAILURE;
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	output = stdout;
	g_file_get_contents("/plan", &plan, NULL, NULL);
	lines = g_strsplit(plan != NULL ? plan : "", "\n", -1);
	for (char **line = lines; *line != NULL; line++) {
		g_auto(GStrv) words = g_strsplit(*line, " ", -1);
		run_line(words);
	}
	fputs("end\n", output);
	fflush(output);
	fsync(fileno(output));
	say("done");
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return EXIT_FAILURE;
}
