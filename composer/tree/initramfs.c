/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/inputcache.h"
#include "base/openlog.h"
#include "base/shared.h"
#include "tree/dracuthide.h"
#include "tree/dracutinputs.h"
#include "tree/dracutmodules.h"
#include "tree/dracutrun.h"
#include "tree/dracutview.h"
#include "tree/kernel.h"
#include "tree/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The initramfs is a sequence of archives, which the kernel unpacks one over the other (its Documentation/driver-api/early-userspace/
 * buffer-format): the base part, which knows no kernel, and the kernel's. Each is made, and kept, by itself.
 */

/* Where the parts are until they are joined: as ASH_DRACUT_WORK_DIR, seen by nobody. */
#define PARTS_DIR "dev/.ashlar-initramfs-parts"
/* Raise it whenever what dracut is given (but for its arguments), or what counts as its input, is another. */
#define INITRAMFS_VERSION "2"
#define INITRAMFS_NAME "initramfs.img"
/* Where an uncompressed archive may begin. */
#define PART_ALIGNMENT 4
/* What dracut of this version is from, and the latest time that it leaves in an archive. */
#define DRACUT_FILE "usr/lib/dracut/dracut-functions.sh"
/* Enough of a digest to tell the parts of one image apart. */
#define PART_ID_LENGTH 16

/* One archive. */
typedef struct {
	const char *name;  /* NULL: there is no other */
	char *title;       /* as in AshInputCache */
	char *key;
	char *digest;      /* of the kept one that is the same; NULL: there is none */
	char *why;         /* that is so */
	AshDracutRun run;
	int fd;            /* of the archive, once there is one */
} Part;

static void
part_free(gpointer data)
{
	Part *part = data;

	g_free(part->title);
	g_free(part->key);
	g_free(part->digest);
	g_free(part->why);
	ash_dracut_run_clear(&part->run);
	ash_fd_clear(&part->fd);
	g_free(part);
}

/* All that one initramfs is made by. */
typedef struct {
	AshTreeRoot *root;      /* borrowed */
	char *version;          /* of the kernel */
	char *path;             /* of the image, from the root */
	guint64 epoch;          /* seconds: SOURCE_DATE_EPOCH */
	gint64 time_limit;      /* seconds: no time in an archive is later */
	char *options;          /* digest of what all parts are made by; the beginning of their keys */
	GHashTable *views;      /* ash_dracut_views() */
	GPtrArray *hidden;      /* ash_dracut_list_hidden() */
	GPtrArray *parts;       /* of Part, in their order */
	AshInputReader *reader;
} Job;

static void
job_clear(Job *job)
{
	g_free(job->version);
	g_free(job->path);
	g_free(job->options);
	g_clear_pointer(&job->views, g_hash_table_unref);
	g_clear_pointer(&job->hidden, g_ptr_array_unref);
	g_clear_pointer(&job->parts, g_ptr_array_unref);
	g_clear_pointer(&job->reader, ash_input_reader_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

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
		"--filesystems", "erofs ext4 overlay vfat", "--compress", choose_compressor(root),
	};
	GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

	add_words(argv, words, G_N_ELEMENTS(words));
	return argv;
}

/* One digest of everything that is known before dracut runs. */
static char *
digest_words(const Job *job, const GPtrArray *argv)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *numbers = g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT, job->epoch, job->time_limit);

	ash_digest_update_string(digest, INITRAMFS_VERSION);
	ash_digest_update_string(digest, numbers);
	for (guint i = 0; i < argv->len && g_ptr_array_index(argv, i) != NULL; i++)
		ash_digest_update_string(digest, g_ptr_array_index(argv, i));
	return ash_digest_finish_hex(digest);
}

/* Which runs there are: the words for each of them alone, and what they are told to be the kernel. */
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
add_part(Job *job, const PartKind *kind)
{
	Part *part = g_new0(Part, 1);
	const char *const last[] = { "--kver", kind->without_kernel ? "none" : job->version };
	g_autofree char *kernel = g_strdup_printf("kernel \"%s\"", job->version);
	AshDracutRun *run = &part->run;

	part->fd = -1;
	part->name = kind->name;
	part->title = g_strdup(kind->title != NULL ? kind->title : kernel);
	run->without_kernel = kind->without_kernel;
	run->output = g_strdup_printf("%u.img", job->parts->len);
	run->argv = make_argv(job->root);
	add_words(run->argv, kind->words, G_N_ELEMENTS(kind->words));
	add_words(run->argv, last, G_N_ELEMENTS(last));
	g_ptr_array_add(run->argv, g_build_filename(ASH_DRACUT_OUTPUT_DIR, run->output, NULL));
	g_ptr_array_add(run->argv, NULL);
	g_autofree char *digest = digest_words(job, run->argv);
	part->key = g_strdup_printf("%s-%.*s", job->options, PART_ID_LENGTH, digest);
	g_ptr_array_add(job->parts, part);
}

static void
add_parts(Job *job)
{
	bool two = ash_dracut_is_separable(job->root, job->root->request->type->initramfs_modules);
	const PartKind *kinds = two ? two_parts : one_part;

	job->parts = g_ptr_array_new_with_free_func(part_free);
	for (gsize i = 0; i < (two ? G_N_ELEMENTS(two_parts) : G_N_ELEMENTS(one_part)); i++)
		add_part(job, &kinds[i]);
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
static void
set_times(Job *job)
{
	guint64 dracut = time_of(job->root, DRACUT_FILE);

	job->epoch = MIN(dracut, job->root->request->epoch);
	job->time_limit = (gint64) dracut;
}

static AshInputCache
get_cache(const Job *job, const Part *part)
{
	return (AshInputCache){ job->root->request->initramfs_dir, part->key, part->title };
}

/* The archives that were made of what is there now. False if one has to be made. */
static bool
find_parts(Job *job)
{
	bool all = true;

	for (guint i = 0; i < job->parts->len; i++) {
		Part *part = g_ptr_array_index(job->parts, i);
		const AshInputCache cache = get_cache(job, part);
		part->digest = ash_input_cache_match(&cache, job->reader, &part->why);
		all = all && part->digest != NULL;
	}
	return all;
}

/* The image of these very parts is kept, too, so that its bytes need not be written again: its inputs are their digests. */
typedef struct {
	char *key;
	AshInputCache cache;
	GHashTable *digests; /* name -> digest, borrowed */
	AshInputReader *reader;
} Whole;

static void
whole_clear(Whole *whole)
{
	g_free(whole->key);
	g_clear_pointer(&whole->reader, ash_input_reader_free);
	g_clear_pointer(&whole->digests, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Whole, whole_clear)

static void
whole_init(Whole *whole, const Job *job)
{
	whole->key = g_strconcat(job->options, "-image", NULL);
	whole->cache = (AshInputCache){ job->root->request->initramfs_dir, whole->key, "the image" };
	whole->digests = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < job->parts->len; i++) {
		Part *part = g_ptr_array_index(job->parts, i);
		g_hash_table_insert(whole->digests, part->key, part->digest);
	}
	whole->reader = ash_input_reader_new(-1, 0, whole->digests);
}

/* A new file in the place of the image, its directory and name; whatever was there is removed. */
static int
open_place(const Job *job, const char **ret_name, GError **error)
{
	ash_autofd int dir = ash_tree_root_open_parent(job->root, job->path, false, ret_name, error);

	if (dir < 0)
		return -1;
	if (unlinkat(dir, *ret_name, 0) < 0 && errno != ENOENT) {
		ash_throw_errno(error, "cannot replace \"/%s\" in the tree", job->path);
		return -1;
	}
	return ash_fd_steal(&dir);
}

/* Uses the kept image of the parts that were found; false if there is none. */
static bool
use_whole(const Job *job)
{
	g_auto(Whole) whole = { NULL };
	g_autofree char *why = NULL;
	const char *name;

	whole_init(&whole, job);
	g_autofree char *digest = ash_input_cache_match(&whole.cache, whole.reader, &why);
	g_autofree char *kept = digest != NULL ? ash_input_cache_get(&whole.cache, digest) : NULL;
	ash_autofd int dir = kept != NULL ? open_place(job, &name, NULL) : -1;
	return dir >= 0 && ash_shared_clone(AT_FDCWD, kept, dir, name, true, NULL);
}

static void
keep_whole(const Job *job)
{
	g_auto(Whole) whole = { NULL };
	g_autoptr(GPtrArray) inputs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_input_free);
	g_autoptr(GError) error = NULL;
	const char *name;

	whole_init(&whole, job);
	for (guint i = 0; i < job->parts->len; i++) {
		const Part *part = g_ptr_array_index(job->parts, i);
		if (part->digest == NULL)
			return;
		const char *input = ash_input_reader_take(whole.reader, ASH_INPUT_VIEW, part->key);
		g_ptr_array_add(inputs, ash_input_new(ASH_INPUT_VIEW, part->key, input));
	}
	ash_autofd int dir = ash_tree_root_open_parent(job->root, job->path, false, &name, &error);
	g_autofree char *digest = dir >= 0 ? ash_input_cache_add(&whole.cache, inputs, dir, name, &error) : NULL;
	if (digest == NULL)
		ash_progress_message(job->root->ctx->progress, "note: this initramfs is not kept: %s", error->message);
}

/* Those that are kept; what is not as it should be has to be made, too. */
static void
open_kept(Job *job)
{
	for (guint i = 0; i < job->parts->len; i++) {
		Part *part = g_ptr_array_index(job->parts, i);
		const AshInputCache cache = get_cache(job, part);
		g_autofree char *path = part->digest != NULL ? ash_input_cache_get(&cache, part->digest) : NULL;
		if (path != NULL)
			part->fd = ash_fd_open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0, NULL);
		if (part->fd < 0 && part->digest != NULL)
			part->why = g_strdup("the file that was kept is missing or damaged");
		if (part->fd < 0)
			g_clear_pointer(&part->digest, g_free);
	}
}

static int
open_parts_dir(const Job *job, GError **error)
{
	return ash_fd_open_in_root(job->root->fd, PARTS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
}

/* Keeps what dracut has made, unless it cannot be told of what: then the next build runs it again, which is no error. */
static gboolean
keep_part(const Job *job, Part *part, char **opened, GError **error)
{
	static const char *const nothing[] = { NULL };
	const char *const own[] = { job->path, PARTS_DIR, ASH_DRACUT_WORK_DIR, NULL };
	const AshDracutLook look = { job->reader, job->views, own,
				     part->run.without_kernel ? ash_dracut_kernel_dirs : nothing };
	const AshInputCache cache = get_cache(job, part);
	g_autoptr(GPtrArray) inputs = ash_dracut_inputs(job->root, &look, opened, error);
	ash_autofd int dir = inputs != NULL ? open_parts_dir(job, error) : -1;

	if (dir >= 0)
		part->digest = ash_input_cache_add(&cache, inputs, dir, part->run.output, error);
	return part->digest != NULL;
}

static void
keep_parts(const Job *job, AshOpenLog *log)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) opened = ash_openlog_stop(log, &error);

	for (guint i = 0; opened != NULL && error == NULL && i < job->parts->len; i++) {
		Part *part = g_ptr_array_index(job->parts, i);
		if (part->digest == NULL)
			keep_part(job, part, opened, &error);
	}
	if (error != NULL)
		ash_progress_message(job->root->ctx->progress, "note: this initramfs is not kept: %s", error->message);
}

/* Runs dracut for all parts that there are none of. */
static gboolean
run_parts(Job *job, GError **error)
{
	g_autoptr(GPtrArray) runs = g_ptr_array_new();

	for (guint i = 0; i < job->parts->len; i++) {
		Part *part = g_ptr_array_index(job->parts, i);
		if (part->fd < 0)
			g_ptr_array_add(runs, &part->run);
	}
	if (!ash_dracut_run_all(job->root, runs, PARTS_DIR, job->views, job->hidden, job->epoch, error))
		return FALSE;
	ash_autofd int dir = open_parts_dir(job, error);
	if (dir < 0)
		return FALSE;
	for (guint i = 0; i < job->parts->len; i++) {
		Part *part = g_ptr_array_index(job->parts, i);
		if (part->fd < 0)
			part->fd = ash_fd_open(dir, part->run.output, O_RDONLY | O_NOFOLLOW, 0, error);
		if (part->fd < 0)
			return FALSE;
	}
	return TRUE;
}

static gboolean
run_and_keep_parts(Job *job, GError **error)
{
	g_autoptr(GError) unwatched = NULL;
	g_autoptr(AshOpenLog) log = ash_openlog_start(job->root->fd, &unwatched);

	if (!run_parts(job, error))
		return FALSE;
	if (log != NULL)
		keep_parts(job, log);
	else
		ash_progress_message(job->root->ctx->progress, "note: this initramfs is not kept: %s", unwatched->message);
	return TRUE;
}

/* The parts one after the other, each where the kernel may look for a next one; it skips zeros. */
static gboolean
join_parts(const Job *job, GError **error)
{
	const char *name;
	ash_autofd int dir = open_place(job, &name, error);
	ash_autofd int fd = dir >= 0 ? ash_fd_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, error) : -1;
	guint64 offset = 0;

	if (fd < 0)
		return FALSE;
	for (guint i = 0; i < job->parts->len; i++) {
		const Part *part = g_ptr_array_index(job->parts, i);
		struct stat info;
		if (!ash_fd_stat(part->fd, part->run.output, &info, error) ||
		    !ash_fd_copy_range(part->fd, 0, fd, offset, (guint64) info.st_size, error))
			return FALSE;
		offset += ((guint64) info.st_size + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
	}
	if (ftruncate(fd, (off_t) offset) < 0)
		return ash_throw_errno(error, "cannot write \"/%s\"", job->path);
	return TRUE;
}

/* Why dracut ran, and for which of the parts; as half a sentence, owned. */
static char *
explain(const Job *job)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const Part *first = g_ptr_array_index(job->parts, 0);
	bool equal = true;

	for (guint i = 0; i < job->parts->len; i++) {
		const Part *part = g_ptr_array_index(job->parts, i);
		equal = equal && g_strcmp0(part->why, first->why) == 0;
		if (part->why != NULL)
			g_string_append_printf(text, "%s%s: %s", text->len > 0 ? "; " : "", part->name, part->why);
	}
	return equal ? g_strdup(first->why) : g_string_free(g_steal_pointer(&text), FALSE);
}

/* Takes the archives of earlier runs that read what is there now, and runs dracut for the others. */
static gboolean
make_or_reuse(Job *job, AshTreeReport *report, GError **error)
{
	job->reader = ash_input_reader_new(job->root->fd, job->time_limit, job->views);
	ash_input_reader_ignore(job->reader, job->path);
	for (guint i = 0; i < job->hidden->len; i++)
		ash_input_reader_ignore(job->reader, g_ptr_array_index(job->hidden, i));
	if (find_parts(job) && use_whole(job)) {
		report->initramfs_note = g_strdup("nothing that it is made of has changed");
		return TRUE;
	}
	open_kept(job);
	report->initramfs_note = explain(job);
	report->initramfs_ran = report->initramfs_note != NULL;
	if (!report->initramfs_ran)
		report->initramfs_note = g_strdup("nothing that its parts are made of has changed");
	else if (!run_and_keep_parts(job, error))
		return FALSE;
	if (!join_parts(job, error))
		return FALSE;
	keep_whole(job);
	return TRUE;
}

static gboolean
make_image(Job *job, GError **error)
{
	g_auto(AshTreeReport) own = { 0 };
	AshTreeReport *report = job->root->request->report != NULL ? job->root->request->report : &own;

	if (job->root->request->initramfs_dir != NULL)
		return make_or_reuse(job, report, error);
	report->initramfs_ran = true;
	report->initramfs_note = g_strdup("none are kept");
	return run_parts(job, error) && join_parts(job, error);
}

/* Our module, into the tree: owner and mode of our files are this machine's, and dracut keeps what it finds. */
static gboolean
copy_module(const AshTreeRoot *root, GError **error)
{
	g_autofree char *path = g_build_filename(root->request->data_dir, "dracut", "90ashlar", NULL);
	ash_autofd int data = ash_file_open_dir(AT_FDCWD, path, false, error);
	const AshTreeRoot source = { .fd = data };
	g_auto(GStrv) names = data >= 0 ? ash_tree_root_list(&source, ".") : NULL;

	if (data < 0 || !ash_tree_root_remove(root, ASH_DRACUT_OWN_MODULE_DIR, error))
		return FALSE;
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *text = ash_file_load(data, names[i], 0, NULL, error);
		g_autofree char *file = g_build_filename(ASH_DRACUT_OWN_MODULE_DIR, names[i], NULL);
		mode_t mode = text != NULL && g_str_has_prefix(text, "#!") ? 0755 : 0644;
		if (text == NULL || !ash_tree_root_save(root, file, text, mode, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
prepare_and_make(Job *job, GError **error)
{
	g_autoptr(GPtrArray) words = make_argv(job->root);

	set_times(job);
	job->options = digest_words(job, words);
	g_ptr_array_add(words, NULL);
	job->views = ash_dracut_views(job->root, error);
	job->hidden = job->views != NULL ? ash_dracut_list_hidden(job->root, (char **) words->pdata, error) : NULL;
	if (job->hidden == NULL)
		return FALSE;
	add_parts(job);
	return make_image(job, error);
}

/*
 * The initramfs, by the tree's own dracut(8): only the modules and drivers of the image type, nothing of this machine, and
 * our module, which is in the tree while dracut runs only.
 */
gboolean
ash_step_initramfs(AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	g_auto(Job) job = { .root = root };

	if (type->initramfs_modules == NULL || type->initramfs_modules[0] == NULL)
		return TRUE;
	if (!ash_tree_root_has_program(root, "dracut"))
		return ash_throw(error, ASH_ERROR_CONFIG, "initramfs: this system has no dracut: add the package to %%packages");
	job.version = ash_kernel_find(root, error);
	if (job.version == NULL || !ash_dracut_check_modules(root, type->initramfs_modules, error))
		return FALSE;
	job.path = g_build_filename(ASH_KERNEL_MODULES_DIR, job.version, INITRAMFS_NAME, NULL);
	gboolean made = copy_module(root, error) && prepare_and_make(&job, error);
	made = ash_tree_root_remove(root, PARTS_DIR, made ? error : NULL) && made;
	return ash_tree_root_remove(root, ASH_DRACUT_OWN_MODULE_DIR, made ? error : NULL) && made;
}
