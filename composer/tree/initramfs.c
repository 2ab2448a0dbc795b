/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/openlog.h"
#include "base/shared.h"
#include "tree/dracuthide.h"
#include "tree/dracutinputs.h"
#include "tree/dracutmodules.h"
#include "tree/dracutview.h"
#include "tree/initramfspart.h"
#include "tree/kernel.h"
#include "tree/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Where the parts are until they are joined: as ASH_DRACUT_WORK_DIR, seen by nobody. */
#define PARTS_DIR "dev/.ashlar-initramfs-parts"
#define INITRAMFS_NAME "initramfs.img"

/* All that one initramfs is made by. */
typedef struct {
	AshTreeRoot *root;      /* borrowed */
	char *path;             /* of the image, from the root */
	const char *dir;        /* where what was made is kept, borrowed; NULL: nowhere */
	AshInitramfsOptions options;
	GHashTable *views;      /* ash_dracut_views() */
	GPtrArray *hidden;      /* ash_dracut_list_hidden() */
	GPtrArray *parts;       /* of AshInitramfsPart */
	int dir_fd;             /* of that */
	AshContentCache *contents; /* in it */
	AshInputReader *reader;
} Job;

static void
job_clear(Job *job)
{
	g_free(job->path);
	ash_initramfs_options_clear(&job->options);
	g_clear_pointer(&job->views, g_hash_table_unref);
	g_clear_pointer(&job->hidden, g_ptr_array_unref);
	g_clear_pointer(&job->parts, g_ptr_array_unref);
	g_clear_pointer(&job->reader, ash_input_reader_free);
	g_clear_pointer(&job->contents, ash_content_cache_free);
	ash_fd_clear(&job->dir_fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

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
	whole->key = g_strconcat(job->options.digest, "-image", NULL);
	whole->cache = (AshInputCache){ job->dir, whole->key, "the image" };
	whole->digests = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < job->parts->len; i++) {
		AshInitramfsPart *part = g_ptr_array_index(job->parts, i);
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
		const AshInitramfsPart *part = g_ptr_array_index(job->parts, i);
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

static int
open_parts_dir(const Job *job, GError **error)
{
	return ash_fd_open_in_root(job->root->fd, PARTS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
}

/* Keeps what dracut has made, unless it cannot be told of what: then the next build runs it again, which is no error. */
static gboolean
keep_part(const Job *job, AshInitramfsPart *part, char **opened, GError **error)
{
	static const char *const nothing[] = { NULL };
	/* In the sandbox, /dev is another: in the tree's we alone have been. */
	const char *const own[] = { job->path, "dev", NULL };
	const AshDracutLook look = { job->reader, job->views, own,
				     part->run.without_kernel ? ash_dracut_kernel_dirs : nothing };
	const AshInputCache cache = ash_initramfs_part_cache(part, job->dir);
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
		AshInitramfsPart *part = g_ptr_array_index(job->parts, i);
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
		AshInitramfsPart *part = g_ptr_array_index(job->parts, i);
		if (part->fd < 0)
			g_ptr_array_add(runs, &part->run);
	}
	if (!ash_dracut_run_all(job->root, runs, PARTS_DIR, job->views, job->hidden, job->options.epoch, error))
		return FALSE;
	ash_autofd int dir = open_parts_dir(job, error);
	if (dir < 0)
		return FALSE;
	for (guint i = 0; i < job->parts->len; i++) {
		AshInitramfsPart *part = g_ptr_array_index(job->parts, i);
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

static gboolean
join_parts(const Job *job, GError **error)
{
	const char *name;
	ash_autofd int dir = open_place(job, &name, error);
	ash_autofd int fd = dir >= 0 ? ash_fd_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, error) : -1;

	return fd >= 0 && ash_initramfs_parts_join(job->parts, fd, error);
}

static void
open_reader(Job *job)
{
	job->reader = ash_input_reader_new(job->root->fd, job->options.time_limit, job->views);
	ash_input_reader_ignore(job->reader, job->path);
	for (guint i = 0; i < job->hidden->len; i++)
		ash_input_reader_ignore(job->reader, g_ptr_array_index(job->hidden, i));
	/* Without it inputs are read each time. */
	job->dir_fd = ash_file_open_dir(AT_FDCWD, job->dir, true, NULL);
	if (job->dir_fd < 0)
		return;
	job->contents = ash_content_cache_new(job->dir_fd, "contents.manifest");
	ash_input_reader_set_contents(job->reader, job->contents);
}

/* Takes the archives of earlier runs that read what is there now, and runs dracut for the others. */
static gboolean
make_or_reuse(Job *job, AshTreeReport *report, GError **error)
{
	open_reader(job);
	if (ash_initramfs_parts_match(job->parts, job->dir, job->reader) && use_whole(job)) {
		report->initramfs_note = g_strdup("nothing that it is made of has changed");
		return TRUE;
	}
	ash_initramfs_parts_open(job->parts, job->dir);
	report->initramfs_note = ash_initramfs_parts_explain(job->parts);
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

	if (job->dir != NULL) {
		gboolean made = make_or_reuse(job, report, error);
		if (job->contents != NULL)
			ash_content_cache_save(job->contents);
		return made;
	}
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
	job->views = ash_dracut_views(job->root, error);
	if (job->views != NULL)
		job->hidden = ash_dracut_list_hidden(job->root, (char **) job->options.words->pdata, error);
	if (job->hidden == NULL)
		return FALSE;
	job->parts = ash_initramfs_parts_new(&job->options);
	return make_image(job, error);
}

/*
 * The initramfs, by the tree's own dracut(8): only the modules and drivers of the image type, nothing of this machine, and
 * our module, which is in the tree while dracut runs only. Its parts (tree/initramfspart.h) are made, and kept, each by itself.
 */
gboolean
ash_step_initramfs(AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	g_auto(Job) job = { .root = root, .dir = root->request->initramfs_dir, .dir_fd = -1 };

	if (type->initramfs_modules == NULL || type->initramfs_modules[0] == NULL)
		return TRUE;
	if (!ash_tree_root_has_program(root, "dracut"))
		return ash_throw(error, ASH_ERROR_CONFIG, "initramfs: this system has no dracut: add the package to %%packages");
	g_autofree char *version = ash_kernel_find(root, error);
	if (version == NULL || !ash_dracut_check_modules(root, type->initramfs_modules, error))
		return FALSE;
	job.path = g_build_filename(ASH_KERNEL_MODULES_DIR, version, INITRAMFS_NAME, NULL);
	ash_initramfs_options_init(&job.options, root, version);
	gboolean made = copy_module(root, error) && prepare_and_make(&job, error);
	made = ash_tree_root_remove(root, PARTS_DIR, made ? error : NULL) && made;
	return ash_tree_root_remove(root, ASH_DRACUT_OWN_MODULE_DIR, made ? error : NULL) && made;
}
