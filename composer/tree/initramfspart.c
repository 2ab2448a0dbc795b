/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/initramfspart.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "tree/dracutmodules.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Raise it whenever what dracut is given (but for its arguments), or what counts as its input, is another. */
#define INITRAMFS_VERSION "2"
/* Where an uncompressed archive may begin. */
#define PART_ALIGNMENT 4
/* What dracut of this version is from, and the latest time that it leaves in an archive. */
#define DRACUT_FILE "usr/lib/dracut/dracut-functions.sh"
/* Enough of a digest to tell the parts of one image apart. */
#define PART_ID_LENGTH 16

/* Which runs there are, and the words for each of them alone. */
typedef struct {
	const char *name;
	const char *title; /* NULL: the kernel */
	bool without_kernel;
	const char *words[3];
} PartKind;

static const PartKind two_parts[] = {
	{ "base part", "the base part", true, { "--no-kernel", NULL } },
	/* Of several directories it would make one with a long name. */
	{ "kernel part", NULL, false, { "--kernel-only", "--libdirs", "/lib" } },
};
static const PartKind one_part[] = { { NULL, NULL, false, { NULL } } };

static void
part_free(gpointer data)
{
	AshInitramfsPart *part = data;

	g_free(part->title);
	g_free(part->key);
	g_free(part->digest);
	g_free(part->why);
	ash_dracut_run_clear(&part->run);
	ash_fd_clear(&part->fd);
	g_free(part);
}

/*
 * The compressor that the tree has, and that the kernel is sure to know. zstd works on pieces of a fixed size, on its cores at the same time:
 * their size shapes the bytes, the number of threads does not. Level 9 would take twice as long for 4 % less.
 */
static const char *
choose_compressor(const AshTreeRoot *root)
{
	if (ash_tree_root_has_program(root, "zstd"))
		return "zstd -q -6 -T4 -B4M";
	return ash_tree_root_has_program(root, "gzip") ? "gzip -n -9" : "cat";
}

static void
add_words(GPtrArray *argv, const char *const *words, gsize count)
{
	for (gsize i = 0; i < count && words[i] != NULL; i++)
		g_ptr_array_add(argv, g_strdup(words[i]));
}

/* What all parts have in common. */
static GPtrArray *
make_argv(const AshTreeRoot *root)
{
	const AshImageType *type = root->request->type;
	g_autofree char *modules = g_strjoinv(" ", type->initramfs_modules);
	g_autofree char *drivers = g_strjoinv(" ", type->initramfs_drivers);
	const char *const words[] = {
		"dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--no-early-microcode", "--reproducible",
		"--nostrip", "--nohardlink", "--tmpdir", "/tmp", "--modules", modules, "--drivers", drivers,
		"--filesystems", ASH_INITRAMFS_FILE_SYSTEMS, "--compress", choose_compressor(root),
	};
	GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

	add_words(argv, words, G_N_ELEMENTS(words));
	g_ptr_array_add(argv, NULL);
	return argv;
}

/* One digest of everything that is known before dracut runs. */
static char *
digest_words(const AshInitramfsOptions *options, const GPtrArray *words)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *numbers =
		g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT, options->epoch, options->time_limit);

	ash_digest_update_string(digest, INITRAMFS_VERSION);
	ash_digest_update_string(digest, numbers);
	for (guint i = 0; i + 1 < words->len; i++)
		ash_digest_update_string(digest, g_ptr_array_index(words, i));
	return ash_digest_finish_hex(digest);
}

/* When a file was last changed; 0 if it is missing. */
static guint64
time_of(const AshTreeRoot *root, const char *path)
{
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH, 0, NULL);
	struct stat info;

	return fd >= 0 && fstat(fd, &info) == 0 ? (guint64) MAX(info.st_mtime, 0) : 0;
}

/*
 * The times in an initramfs must not change with every package that does, nor with the kernel: none is later than dracut itself, as its
 * package has it. Older versions go by that file's time, newer ones by SOURCE_DATE_EPOCH.
 */
void
ash_initramfs_options_init(AshInitramfsOptions *options, const AshTreeRoot *root, const char *version)
{
	guint64 dracut = time_of(root, DRACUT_FILE);

	options->root = root;
	options->version = g_strdup(version);
	options->epoch = MIN(dracut, root->request->epoch);
	options->time_limit = (gint64) dracut;
	options->words = make_argv(root);
	options->digest = digest_words(options, options->words);
}

void
ash_initramfs_options_clear(AshInitramfsOptions *options)
{
	g_clear_pointer(&options->version, g_free);
	g_clear_pointer(&options->words, g_ptr_array_unref);
	g_clear_pointer(&options->digest, g_free);
}

static AshInitramfsPart *
new_part(const AshInitramfsOptions *options, const PartKind *kind, guint number)
{
	AshInitramfsPart *part = g_new0(AshInitramfsPart, 1);
	const char *const last[] = { "--kver", kind->without_kernel ? "none" : options->version };
	g_autofree char *kernel = g_strdup_printf("kernel \"%s\"", options->version);
	AshDracutRun *run = &part->run;

	part->fd = -1;
	part->name = kind->name;
	part->title = g_strdup(kind->title != NULL ? kind->title : kernel);
	run->without_kernel = kind->without_kernel;
	run->output = g_strdup_printf("%u.img", number);
	run->argv = make_argv(options->root);
	g_ptr_array_set_size(run->argv, (int) run->argv->len - 1);
	add_words(run->argv, kind->words, G_N_ELEMENTS(kind->words));
	add_words(run->argv, last, G_N_ELEMENTS(last));
	g_ptr_array_add(run->argv, g_build_filename(ASH_DRACUT_OUTPUT_DIR, run->output, NULL));
	g_ptr_array_add(run->argv, NULL);
	g_autofree char *digest = digest_words(options, run->argv);
	part->key = g_strdup_printf("%s-%.*s", options->digest, PART_ID_LENGTH, digest);
	return part;
}

GPtrArray *
ash_initramfs_parts_new(const AshInitramfsOptions *options)
{
	bool two = ash_dracut_is_separable(options->root, options->root->request->type->initramfs_modules);
	const PartKind *kinds = two ? two_parts : one_part;
	GPtrArray *parts = g_ptr_array_new_with_free_func(part_free);

	for (guint i = 0; i < (two ? G_N_ELEMENTS(two_parts) : G_N_ELEMENTS(one_part)); i++)
		g_ptr_array_add(parts, new_part(options, &kinds[i], i));
	return parts;
}

AshInputCache
ash_initramfs_part_cache(const AshInitramfsPart *part, const char *dir)
{
	return (AshInputCache){ dir, part->key, part->title };
}

bool
ash_initramfs_parts_match(const GPtrArray *parts, const char *dir, AshInputReader *reader)
{
	bool all = true;

	for (guint i = 0; i < parts->len; i++) {
		AshInitramfsPart *part = g_ptr_array_index(parts, i);
		const AshInputCache cache = ash_initramfs_part_cache(part, dir);
		part->digest = ash_input_cache_match(&cache, reader, &part->why);
		all = all && part->digest != NULL;
	}
	return all;
}

void
ash_initramfs_parts_open(const GPtrArray *parts, const char *dir)
{
	for (guint i = 0; i < parts->len; i++) {
		AshInitramfsPart *part = g_ptr_array_index(parts, i);
		const AshInputCache cache = ash_initramfs_part_cache(part, dir);
		g_autofree char *path = part->digest != NULL ? ash_input_cache_get(&cache, part->digest) : NULL;
		if (path != NULL)
			part->fd = ash_fd_open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0, NULL);
		if (part->fd < 0 && part->digest != NULL)
			part->why = g_strdup("the file that was kept is missing or damaged");
		if (part->fd < 0)
			g_clear_pointer(&part->digest, g_free);
	}
}

char *
ash_initramfs_parts_explain(const GPtrArray *parts)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const AshInitramfsPart *first = g_ptr_array_index(parts, 0);
	bool equal = true;

	for (guint i = 0; i < parts->len; i++) {
		const AshInitramfsPart *part = g_ptr_array_index(parts, i);
		equal = equal && g_strcmp0(part->why, first->why) == 0;
		if (part->why != NULL)
			g_string_append_printf(text, "%s%s: %s", text->len > 0 ? "; " : "", part->name, part->why);
	}
	return equal ? g_strdup(first->why) : g_string_free(g_steal_pointer(&text), FALSE);
}

/* The kernel skips zeros between them. */
gboolean
ash_initramfs_parts_join(const GPtrArray *parts, int fd, GError **error)
{
	guint64 offset = 0;

	for (guint i = 0; i < parts->len; i++) {
		const AshInitramfsPart *part = g_ptr_array_index(parts, i);
		struct stat info;
		if (!ash_fd_stat(part->fd, part->run.output, &info, error) ||
		    !ash_fd_copy_range(part->fd, 0, fd, offset, (guint64) info.st_size, error))
			return FALSE;
		offset += ((guint64) info.st_size + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
	}
	return ftruncate(fd, (off_t) offset) == 0 || ash_throw_errno(error, "cannot write the initramfs");
}
