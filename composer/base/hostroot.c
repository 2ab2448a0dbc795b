/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hostroot.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const folders[] = { "dev", "proc", "sys", "run", "tmp", "root", "etc", "var/tmp", "mnt/sysimage", "usr" };

/* Where programs and their libraries are: links into /usr, or folders of their own on older systems. */
static const char *const programs[] = { "bin", "sbin", "lib", "lib64", "lib32", "libx32" };

/* What programs of some distributions are found by. */
static const char *const helpers[] = { "/etc/alternatives", "/etc/ld.so.cache" };

/* Names for the ids that are there anyway. */
static const char passwd_text[] = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
static const char group_text[] = "root:x:0:\nnogroup:x:65534:\n";

static void
add_bind(GStrvBuilder *binds, const char *path)
{
	g_strv_builder_add(binds, path);
	g_strv_builder_add(binds, path);
}

/* As on the host: a link stays one, a folder is bound. */
static gboolean
add_programs(int fd, const char *name, GStrvBuilder *binds, GError **error)
{
	g_autofree char *path = g_strconcat("/", name, NULL);
	g_autofree char *target = g_file_read_link(path, NULL);

	if (target != NULL)
		return symlinkat(target, fd, name) == 0 || ash_throw_errno(error, "cannot make \"%s\"", name);
	if (!g_file_test(path, G_FILE_TEST_IS_DIR))
		return TRUE;
	add_bind(binds, path);
	return ash_file_mkdirs(fd, name, 0755, error);
}

/* The place where a helper is bound; those that the host lacks are left out. */
static gboolean
add_helper(int fd, const char *path, GStrvBuilder *binds, GError **error)
{
	if (!g_file_test(path, G_FILE_TEST_EXISTS))
		return TRUE;
	add_bind(binds, path);
	if (g_file_test(path, G_FILE_TEST_IS_DIR))
		return ash_file_mkdirs(fd, path + 1, 0755, error);
	return ash_file_write(fd, path + 1, "", 0, 0644, error);
}

static gboolean
fill(int fd, GStrvBuilder *binds, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
		if (!ash_file_mkdirs(fd, folders[i], 0755, error))
			return FALSE;
	add_bind(binds, "/usr");
	for (gsize i = 0; i < G_N_ELEMENTS(programs); i++)
		if (!add_programs(fd, programs[i], binds, error))
			return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(helpers); i++)
		if (!add_helper(fd, helpers[i], binds, error))
			return FALSE;
	return ash_file_write(fd, "etc/passwd", passwd_text, -1, 0644, error) &&
	       ash_file_write(fd, "etc/group", group_text, -1, 0644, error);
}

gboolean
ash_host_root_make(AshHostRoot *ret_root, GError **error)
{
	g_autoptr(GStrvBuilder) binds = g_strv_builder_new();

	*ret_root = (AshHostRoot) { .path = g_dir_make_tmp("ashlar-host-XXXXXX", error) };
	if (ret_root->path == NULL)
		return FALSE;
	int fd = ash_file_open_dir(AT_FDCWD, ret_root->path, false, error);
	if (fd < 0)
		return FALSE;
	gboolean filled = fill(fd, binds, error);
	close(fd);
	ret_root->binds = g_strv_builder_end(binds);
	return filled;
}

void
ash_host_root_clear(AshHostRoot *root)
{
	if (root->path != NULL)
		ash_file_remove_tree(AT_FDCWD, root->path, NULL);
	g_clear_pointer(&root->path, g_free);
	g_clear_pointer(&root->binds, g_strfreev);
}
