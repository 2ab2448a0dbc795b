/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/inputcache.h"
#include "base/openlog.h"
#include "base/sandbox.h"
#include "base/shared.h"
#include "tree/dracutinputs.h"
#include "tree/dracutview.h"
#include "tree/kernel.h"
#include "tree/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DRACUT_MODULES_DIR "usr/lib/dracut/modules.d"
#define OWN_MODULE_DIR DRACUT_MODULES_DIR "/90ashlar"
/* What ash_dracut_views() says, while dracut runs: not below /tmp, which is a link in some trees. */
#define VIEWS_DIR ".ashlar-views"
#define INITRAMFS_TIMEOUT_SECONDS 600
#define ERROR_LINES 15
/* Raise it whenever what dracut is given (but for its arguments), or what counts as its input, is another. */
#define INITRAMFS_VERSION "1"
/* Where dracut writes: on the sandbox's own tmpfs nothing would be left of it. */
#define INITRAMFS_NAME "initramfs.img"

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

/* Modules that dracut of this tree does not have are an error of the image type; ours is put in. */
static gboolean
check_modules(const AshTreeRoot *root, char **modules, GError **error)
{
	g_auto(GStrv) present = ash_tree_root_list(root, DRACUT_MODULES_DIR);

	for (gsize i = 0; modules[i] != NULL; i++) {
		bool found = strcmp(modules[i], "ashlar") == 0;
		for (gsize j = 0; present[j] != NULL && !found; j++)
			found = strlen(present[j]) > 2 && strcmp(present[j] + 2, modules[i]) == 0;
		if (!found)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "initramfs: dracut of this system has no module \"%s\" (\"/%s\")", modules[i],
					 DRACUT_MODULES_DIR);
	}
	return TRUE;
}

/* What one run of dracut is given. */
typedef struct {
	AshTreeRoot *root;   /* borrowed */
	char *version;       /* of the kernel */
	char *path;          /* of the image, from the root */
	GPtrArray *argv;     /* of owned char *, NULL-terminated */
	guint64 epoch;       /* seconds: SOURCE_DATE_EPOCH */
	GHashTable *views;   /* ash_dracut_views() */
} Job;

static void
job_clear(Job *job)
{
	g_free(job->version);
	g_free(job->path);
	g_clear_pointer(&job->argv, g_ptr_array_unref);
	g_clear_pointer(&job->views, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static GPtrArray *
make_argv(const AshTreeRoot *root, const char *version, const char *path)
{
	const AshImageType *type = root->request->type;
	g_autofree char *modules = g_strjoinv(" ", type->initramfs_modules);
	g_autofree char *drivers = g_strjoinv(" ", type->initramfs_drivers);
	g_autofree char *absolute = g_strconcat("/", path, NULL);
	const char *const words[] = {
		"dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--no-early-microcode", "--reproducible",
		"--nostrip", "--nohardlink", "--tmpdir", "/tmp", "--kver", version, "--modules", modules, "--drivers",
		drivers, "--filesystems", "erofs ext4 overlay vfat", "--compress", choose_compressor(root), absolute,
	};
	GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

	for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
		g_ptr_array_add(argv, g_strdup(words[i]));
	g_ptr_array_add(argv, NULL);
	return argv;
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
 * The times in an initramfs must not change with every package that does: none is later than the kernel, as its package has it. The
 * system's own epoch, the limit of all times in it, is the newest package's.
 */
static guint64
choose_epoch(const AshTreeRoot *root, const char *version)
{
	g_autofree char *kernel = g_build_filename(ASH_KERNEL_MODULES_DIR, version, "vmlinuz", NULL);

	return MIN(time_of(root, kernel), root->request->epoch);
}

/* Which is later: what newer versions of dracut limit times to, or what older ones do. Ours are all limited by one of these. */
static gint64
time_limit(const Job *job)
{
	return (gint64) MAX(job->epoch, time_of(job->root, "usr/lib/dracut/dracut-functions.sh"));
}

static gboolean
run_dracut(const Job *job, const char *const *binds, GError **error)
{
	g_autofree char *output = NULL;
	int status = 0;
	const AshSandboxCommand command = {
		.root_path = job->root->request->root_path,
		.argv = (const char *const *) job->argv->pdata,
		.bind_pairs = binds,
		.timeout_seconds = INITRAMFS_TIMEOUT_SECONDS,
		.epoch = job->epoch,
	};

	if (!ash_sandbox_run(job->root->ctx, &command, &output, &status, error))
		return ash_prefix(error, "initramfs");
	g_autofree char *lines = ash_sandbox_quote_lines(output, ERROR_LINES);
	/* dracut goes on after many a failure; without the module that mounts /var the image is of no use. */
	if (status != 0 || !ash_tree_root_has(job->root, job->path) || strstr(output, "dracut: FAILED") != NULL)
		return ash_throw(error, ASH_ERROR_SCRIPT, "initramfs: dracut failed (exit status %d)%s", status, lines);
	return TRUE;
}

/* A file that is needed for this run only: nothing waits for the disk. */
static gboolean
write_file(int dir, const char *name, const char *text, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, error);

	return fd >= 0 && ash_fd_write_all(fd, text, strlen(text), 0, error);
}

/* A new, empty directory of the tree. */
static int
make_dir(const AshTreeRoot *root, const char *path, GError **error)
{
	if (!ash_tree_root_remove(root, path, error) || !ash_tree_root_mkdirs(root, path, 0755, error))
		return -1;
	return ash_fd_open_in_root(root->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
}

static gboolean
write_views(const Job *job, GPtrArray *binds, GError **error)
{
	ash_autofd int dir = make_dir(job->root, VIEWS_DIR, error);
	GHashTableIter iter;
	gpointer path, text;
	gboolean ok = dir >= 0;

	g_hash_table_iter_init(&iter, job->views);
	while (ok && g_hash_table_iter_next(&iter, &path, &text)) {
		g_autofree char *number = g_strdup_printf("%u", binds->len);
		g_ptr_array_add(binds, g_strconcat("/", path, NULL));
		g_ptr_array_add(binds, g_build_filename(job->root->request->root_path, VIEWS_DIR, number, NULL));
		ok = write_file(dir, number, text, error);
	}
	g_ptr_array_add(binds, NULL);
	return ok;
}

/* Runs it with the views over the files that they are of; what is killed leaves them to whoever removes the root. */
static gboolean
run_with_views(const Job *job, GError **error)
{
	g_autoptr(GPtrArray) binds = g_ptr_array_new_with_free_func(g_free);
	gboolean ok = write_views(job, binds, error) && run_dracut(job, (const char *const *) binds->pdata, error);

	return ash_tree_root_remove(job->root, VIEWS_DIR, ok ? error : NULL) && ok;
}

/* All that is known before dracut runs. */
static char *
make_key(const Job *job)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *numbers = g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT, job->epoch, time_limit(job));

	ash_digest_update_string(digest, INITRAMFS_VERSION);
	ash_digest_update_string(digest, numbers);
	for (guint i = 0; i < job->argv->len; i++)
		ash_digest_update_string(digest, g_ptr_array_index(job->argv, i));
	return ash_digest_finish_hex(digest);
}

/* dracut makes it for root only; nothing in it is secret. */
static gboolean
set_mode(const Job *job, GError **error)
{
	ash_autofd int fd = ash_fd_open_in_root(job->root->fd, job->path, O_RDONLY | O_NOFOLLOW, 0, error);

	if (fd < 0)
		return FALSE;
	if (fchmod(fd, 0644) < 0)
		return ash_throw_errno(error, "cannot set the mode of \"/%s\"", job->path);
	return TRUE;
}

static gboolean
make_new(const Job *job, GError **error)
{
	return run_with_views(job, error) && set_mode(job, error);
}

/* Keeps what dracut has made, unless it cannot be told of what: then the next build runs it again, which is no error. */
static void
keep_image(const Job *job, const AshInputCache *cache, AshInputReader *reader, AshOpenLog *log)
{
	const char *const own[] = { job->path, VIEWS_DIR, NULL };
	g_autoptr(GError) error = NULL;
	const char *name;
	g_auto(GStrv) opened = ash_openlog_stop(log, &error);
	g_autoptr(GPtrArray) inputs =
		opened != NULL ? ash_dracut_inputs(job->root, reader, opened, own, job->views, &error) : NULL;
	ash_autofd int dir =
		inputs != NULL ? ash_tree_root_open_parent(job->root, job->path, false, &name, &error) : -1;

	if (dir < 0 || !ash_input_cache_add(cache, inputs, dir, name, &error))
		ash_progress_message(job->root->ctx->progress, "note: this initramfs is not kept: %s", error->message);
}

static gboolean
use_image(const Job *job, const char *kept, GError **error)
{
	const char *name;
	ash_autofd int dir = ash_tree_root_open_parent(job->root, job->path, false, &name, error);

	if (dir < 0)
		return FALSE;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return ash_throw_errno(error, "cannot replace \"/%s\" in the tree", job->path);
	return ash_shared_clone(AT_FDCWD, kept, dir, name, true, error);
}

/* Takes the image of an earlier run that read what is there now, or runs dracut and keeps what it makes. */
static gboolean
make_or_reuse(const Job *job, AshTreeReport *report, GError **error)
{
	g_autofree char *key = make_key(job), *title = g_strdup_printf("kernel \"%s\"", job->version);
	const AshInputCache cache = { .dir = job->root->request->initramfs_dir, .key = key, .title = title };
	g_autoptr(AshInputReader) reader = ash_input_reader_new(job->root->fd, time_limit(job), job->views);
	g_autoptr(GError) unused = NULL, unwatched = NULL;

	ash_input_reader_ignore(reader, job->path);
	g_autofree char *kept = ash_input_cache_find(&cache, reader, &report->initramfs_note);
	if (kept != NULL && use_image(job, kept, &unused)) {
		report->initramfs_note = g_strdup("nothing that it is made of has changed");
		return TRUE;
	}
	/* Somebody else may have removed it just now. */
	if (kept != NULL)
		report->initramfs_note = g_strdup(unused->message);
	report->initramfs_ran = true;
	g_autoptr(AshOpenLog) log = ash_openlog_start(job->root->fd, &unwatched);
	if (!make_new(job, error))
		return FALSE;
	if (log != NULL)
		keep_image(job, &cache, reader, log);
	else
		ash_progress_message(job->root->ctx->progress, "note: this initramfs is not kept: %s", unwatched->message);
	return TRUE;
}

/* Our module, into the tree: owner and mode of our files are this machine's, and dracut keeps what it finds. */
static gboolean
copy_module(const AshTreeRoot *root, GError **error)
{
	g_autofree char *path = g_build_filename(root->request->data_dir, "dracut", "90ashlar", NULL);
	ash_autofd int data = ash_file_open_dir(AT_FDCWD, path, false, error);
	const AshTreeRoot source = { .fd = data };
	g_auto(GStrv) names = data >= 0 ? ash_tree_root_list(&source, ".") : NULL;
	ash_autofd int dir = data >= 0 ? make_dir(root, OWN_MODULE_DIR, error) : -1;

	if (dir < 0)
		return FALSE;
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *text = ash_file_load(data, names[i], 0, NULL, error);
		if (text == NULL || !write_file(dir, names[i], text, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
make_image(const Job *job, GError **error)
{
	g_auto(AshTreeReport) own = { 0 };
	AshTreeReport *report = job->root->request->report != NULL ? job->root->request->report : &own;

	if (job->root->request->initramfs_dir != NULL)
		return make_or_reuse(job, report, error);
	report->initramfs_ran = true;
	report->initramfs_note = g_strdup("none are kept");
	return make_new(job, error);
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
	job.views = job.version != NULL ? ash_dracut_views(root, error) : NULL;
	if (job.views == NULL || !check_modules(root, type->initramfs_modules, error))
		return FALSE;
	job.path = g_build_filename(ASH_KERNEL_MODULES_DIR, job.version, INITRAMFS_NAME, NULL);
	job.argv = make_argv(root, job.version, job.path);
	job.epoch = choose_epoch(root, job.version);
	if (!copy_module(root, error))
		return FALSE;
	gboolean made = make_image(&job, error);
	return ash_tree_root_remove(root, OWN_MODULE_DIR, made ? error : NULL) && made;
}
