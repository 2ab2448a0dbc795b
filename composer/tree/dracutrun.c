/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/dracutrun.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "tree/dracuthide.h"
#include "tree/dracutmodules.h"
#include "tree/kernel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define VIEWS_DIR ASH_DRACUT_WORK_DIR "/views"
#define EMPTY_DIR ASH_DRACUT_WORK_DIR "/empty"
#define HIDDEN_DIR ASH_DRACUT_WORK_DIR "/hidden"
#define TIMEOUT_SECONDS 600
#define ERROR_LINES 15
/* ldd(1) is a shell script that tries each program thrice; ours is in its place. */
#define DRACUT_ENV "DRACUT_LDD=/" ASH_DRACUT_OWN_MODULE_DIR "/ldd"

const char *const ash_dracut_kernel_dirs[] = { ASH_KERNEL_MODULES_DIR, "boot", NULL };

/* What all runs are given. */
typedef struct {
	const AshTreeRoot *root;
	const GPtrArray *runs;
	const char *output_dir;
	GHashTable *views;
	guint64 epoch;
} Plan;

/* One run, in a thread of its own or ours. */
typedef struct {
	const Plan *plan;
	const AshDracutRun *run;
	GPtrArray *binds; /* of owned char *, NULL-terminated pairs */
	GThread *thread;
	GError *error;
	gboolean ok;
} Task;

static void
task_free(gpointer data)
{
	Task *task = data;

	g_clear_pointer(&task->binds, g_ptr_array_unref);
	g_clear_error(&task->error);
	g_free(task);
}

void
ash_dracut_run_clear(AshDracutRun *run)
{
	g_clear_pointer(&run->argv, g_ptr_array_unref);
	g_clear_pointer(&run->output, g_free);
}

/* A file that is needed for these runs only: nothing waits for the disk. */
static gboolean
write_file(int dir, const char *name, const char *text, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, error);

	return fd >= 0 && ash_fd_write_all(fd, text, strlen(text), 0, error);
}

static gboolean
write_views(const AshTreeRoot *root, GHashTable *views, GPtrArray *binds, GError **error)
{
	ash_autofd int dir = ash_fd_open_in_root(root->fd, VIEWS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	GHashTableIter iter;
	gpointer path, text;
	gboolean ok = dir >= 0;

	g_hash_table_iter_init(&iter, views);
	while (ok && g_hash_table_iter_next(&iter, &path, &text)) {
		g_autofree char *number = g_strdup_printf("%u", binds->len);
		g_ptr_array_add(binds, g_strconcat("/", path, NULL));
		g_ptr_array_add(binds, g_build_filename(root->request->root_path, VIEWS_DIR, number, NULL));
		ok = write_file(dir, number, text, error);
	}
	return ok;
}

static gpointer
dup_string(gconstpointer text, gpointer unused)
{
	return g_strdup(text);
}

static GPtrArray *
make_binds(const AshTreeRoot *root, const GPtrArray *views, const AshDracutRun *run)
{
	GPtrArray *binds = g_ptr_array_copy((GPtrArray *) views, dup_string, NULL);

	g_ptr_array_set_free_func(binds, g_free);
	for (gsize i = 0; run->without_kernel && ash_dracut_kernel_dirs[i] != NULL; i++) {
		const char *path = ash_dracut_kernel_dirs[i];
		ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
		if (fd < 0)
			continue;
		g_ptr_array_add(binds, g_strconcat("/", path, NULL));
		g_ptr_array_add(binds, g_build_filename(root->request->root_path, EMPTY_DIR, NULL));
	}
	g_ptr_array_add(binds, NULL);
	return binds;
}

/* dracut makes it for root only; nothing in it is secret. */
static gboolean
set_mode(const AshTreeRoot *root, const char *path, GError **error)
{
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_RDONLY | O_NOFOLLOW, 0, error);

	if (fd < 0)
		return FALSE;
	if (fchmod(fd, 0644) < 0)
		return ash_throw_errno(error, "cannot set the mode of \"/%s\"", path);
	return TRUE;
}

static gboolean
run_dracut(const Task *task, GError **error)
{
	const AshTreeRoot *root = task->plan->root;
	g_autofree char *output = NULL, *path = g_build_filename(task->plan->output_dir, task->run->output, NULL);
	g_autofree char *host_dir = g_build_filename(root->request->root_path, task->plan->output_dir, NULL);
	const char *const output_pairs[] = { ASH_DRACUT_OUTPUT_DIR, host_dir, NULL }, *const env[] = { DRACUT_ENV, NULL };
	int status = 0;
	const AshSandboxCommand command = {
		.root_path = root->request->root_path,
		.argv = (const char *const *) task->run->argv->pdata,
		.env = env,
		.bind_pairs = (const char *const *) task->binds->pdata,
		.output_pairs = output_pairs,
		.timeout_seconds = TIMEOUT_SECONDS,
		.epoch = task->plan->epoch,
		/* Then it need not be guarded from writing to shared files, which takes time; and two runs cannot disturb one another. */
		.read_only = true,
	};

	if (!ash_sandbox_run(root->ctx, &command, &output, &status, error))
		return ash_prefix(error, "initramfs");
	g_autofree char *lines = ash_sandbox_quote_lines(output, ERROR_LINES);
	/* dracut goes on after many a failure; without the module that mounts /var the image is of no use. */
	if (status != 0 || !ash_tree_root_has(root, path) || strstr(output, "dracut: FAILED") != NULL)
		return ash_throw(error, ASH_ERROR_SCRIPT, "initramfs: dracut failed (exit status %d)%s", status, lines);
	return set_mode(root, path, error);
}

static gpointer
run_task(gpointer data)
{
	Task *task = data;

	task->ok = run_dracut(task, &task->error);
	return NULL;
}

/* The last one in this thread; waits for all, and tells of the first that failed. */
static gboolean
run_tasks(const GPtrArray *tasks, GError **error)
{
	for (guint i = 0; i < tasks->len; i++) {
		Task *task = g_ptr_array_index(tasks, i);
		task->thread = i + 1 < tasks->len ? g_thread_try_new("dracut", run_task, task, NULL) : NULL;
		if (task->thread == NULL)
			run_task(task);
	}
	for (guint i = 0; i < tasks->len; i++) {
		Task *task = g_ptr_array_index(tasks, i);
		if (task->thread != NULL)
			g_thread_join(task->thread);
	}
	for (guint i = 0; i < tasks->len; i++) {
		Task *task = g_ptr_array_index(tasks, i);
		if (!task->ok) {
			g_propagate_error(error, g_steal_pointer(&task->error));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean
run_with_views(const Plan *plan, GError **error)
{
	g_autoptr(GPtrArray) tasks = g_ptr_array_new_with_free_func(task_free);
	g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);

	if (!ash_tree_root_mkdirs(plan->root, VIEWS_DIR, 0755, error) ||
	    !ash_tree_root_mkdirs(plan->root, EMPTY_DIR, 0755, error) ||
	    !ash_tree_root_mkdirs(plan->root, plan->output_dir, 0755, error) ||
	    !write_views(plan->root, plan->views, pairs, error))
		return FALSE;
	for (guint i = 0; i < plan->runs->len; i++) {
		Task *task = g_new0(Task, 1);
		task->plan = plan;
		task->run = g_ptr_array_index(plan->runs, i);
		task->binds = make_binds(plan->root, pairs, task->run);
		g_ptr_array_add(tasks, task);
	}
	return run_tasks(tasks, error);
}

gboolean
ash_dracut_run_all(const AshTreeRoot *root, const GPtrArray *runs, const char *output_dir, GHashTable *views,
		   const GPtrArray *hidden, guint64 epoch, GError **error)
{
	const Plan plan = { root, runs, output_dir, views, epoch };

	if (!ash_tree_root_remove(root, ASH_DRACUT_WORK_DIR, error))
		return FALSE;
	gboolean ok = ash_dracut_hide(root, hidden, HIDDEN_DIR, error) && run_with_views(&plan, error);
	/* What is killed leaves all this to whoever removes the root. */
	ok = ash_dracut_unhide(root, hidden, HIDDEN_DIR, ok ? error : NULL) && ok;
	return ash_tree_root_remove(root, ASH_DRACUT_WORK_DIR, ok ? error : NULL) && ok;
}
