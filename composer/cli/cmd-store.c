/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "cli/render.h"
#include "store/diff.h"
#include "store/history.h"
#include "store/tree.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Commands that look at commits: log, ls, diff, cat. */
typedef struct {
	AshCommonOptions common;
	char **arguments;
	AshStore *store;
} StoreCommand;

static void
store_command_clear(StoreCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_clear_pointer(&command->store, ash_store_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StoreCommand, store_command_clear)

static gboolean
begin(AshCommandEnv *env, const GOptionEntry *entries, int argc, char **argv, int least, int most,
      StoreCommand *command, GError **error)
{
	if (!ash_command_parse(env, entries, argc, argv, least, most, &command->common, &command->arguments, error))
		return FALSE;
	command->store = ash_store_open(command->common.store, false, error);
	return command->store != NULL;
}

static void
print_json(JsonArray *array, const char *member)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_array_member(object, member, array);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static void
print_commits(GPtrArray *commits, bool json)
{
	JsonArray *array = json ? json_array_new() : NULL;

	for (guint i = 0; i < commits->len; i++) {
		const AshCommitInfo *info = g_ptr_array_index(commits, i);
		g_autofree char *time = ash_render_time(info->timestamp);
		if (json)
			json_array_add_object_element(array, ash_render_commit(info));
		else
			printf("commit %s\n  ref %s  version %s  %s  packages %u\n", info->checksum, info->ref,
			       info->version, time, info->packages != NULL ? info->packages->len : 0);
	}
	if (json)
		print_json(array, "commits");
}

/* Without an argument: the newest commit of every ref. */
static GPtrArray *
newest_commits(AshStore *store, GError **error)
{
	g_autoptr(GPtrArray) commits = g_ptr_array_new_with_free_func((GDestroyNotify) ash_commit_info_free);
	g_auto(GStrv) refs = ash_store_list_refs(store, error);

	if (refs == NULL)
		return NULL;
	for (char **ref = refs; *ref != NULL; ref++) {
		AshCommitInfo *info = ash_store_info(store, *ref, error);
		if (info == NULL)
			return NULL;
		g_ptr_array_add(commits, info);
	}
	return g_steal_pointer(&commits);
}

gboolean
ash_command_log(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(StoreCommand) command = { 0 };
	int max = 0;
	const GOptionEntry entries[] = {
		{ "max", 'n', 0, G_OPTION_ARG_INT, &max, "Show at most so many commits", "NUMBER" },
		{ NULL },
	};

	if (!begin(env, entries, argc, argv, 0, 1, &command, error))
		return FALSE;
	g_autoptr(GPtrArray) commits =
		command.arguments[0] != NULL
			? ash_store_log(command.store, command.arguments[0], (guint) MAX(max, 0), error)
			: newest_commits(command.store, error);
	if (commits == NULL)
		return FALSE;
	print_commits(commits, command.common.json);
	return TRUE;
}

/* "-rw-r--r--", as ls(1) shows it. */
static void
format_mode(guint32 mode, char ret_text[11])
{
	g_snprintf(ret_text, 11, "%c%c%c%c%c%c%c%c%c%c", S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : '-',
		   mode & S_IRUSR ? 'r' : '-', mode & S_IWUSR ? 'w' : '-',
		   mode & S_ISUID ? (mode & S_IXUSR ? 's' : 'S') : mode & S_IXUSR ? 'x' : '-', mode & S_IRGRP ? 'r' : '-',
		   mode & S_IWGRP ? 'w' : '-',
		   mode & S_ISGID ? (mode & S_IXGRP ? 's' : 'S') : mode & S_IXGRP ? 'x' : '-', mode & S_IROTH ? 'r' : '-',
		   mode & S_IWOTH ? 'w' : '-',
		   mode & S_ISVTX ? (mode & S_IXOTH ? 't' : 'T') : mode & S_IXOTH ? 'x' : '-');
}

typedef struct {
	JsonArray *array; /* NULL: text */
} Listing;

static gboolean
list_node(AshFsNode *node, gpointer user_data, GError **error)
{
	const Listing *listing = user_data;
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *time = ash_render_time((guint64) MAX(node->mtime, 0));
	char mode[11];

	format_mode(node->mode, mode);
	if (listing->array == NULL) {
		printf("%s %5u %5u %10" G_GUINT64_FORMAT " %s /%s%s%s\n", mode, node->uid, node->gid, node->size, time,
		       path, node->target != NULL ? " -> " : "", node->target != NULL ? node->target : "");
		return TRUE;
	}
	g_autofree char *absolute = g_strconcat("/", path, NULL);
	JsonObject *object = json_object_new();
	json_object_set_string_member(object, "path", absolute);
	json_object_set_string_member(object, "mode", mode);
	json_object_set_int_member(object, "uid", node->uid);
	json_object_set_int_member(object, "gid", node->gid);
	json_object_set_int_member(object, "size", (gint64) node->size);
	json_object_set_int_member(object, "mtime", node->mtime);
	if (node->target != NULL)
		json_object_set_string_member(object, "target", node->target);
	if (node->content != NULL)
		json_object_set_string_member(object, "object", node->content);
	json_array_add_object_element(listing->array, object);
	return TRUE;
}

static gboolean
list_packages(const StoreCommand *command, GError **error)
{
	g_autoptr(AshCommitInfo) info = ash_store_info(command->store, command->arguments[0], error);

	if (info == NULL)
		return FALSE;
	JsonArray *array = command->common.json ? json_array_new() : NULL;
	for (guint i = 0; info->packages != NULL && i < info->packages->len; i++) {
		const char *nevra = g_ptr_array_index(info->packages, i);
		if (array != NULL)
			json_array_add_string_element(array, nevra);
		else
			puts(nevra);
	}
	if (array != NULL)
		print_json(array, "packages");
	return TRUE;
}

static gboolean
list_files(const StoreCommand *command, GError **error)
{
	g_autoptr(AshFsTree) tree = ash_store_load_tree(command->store, command->arguments[0], error);
	const char *path = command->arguments[1] != NULL ? command->arguments[1] : "/";

	if (tree == NULL)
		return FALSE;
	AshFsNode *node = ash_fs_tree_resolve(tree, path);
	if (node == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is not in \"%s\"", path, command->arguments[0]);
	Listing listing = { .array = command->common.json ? json_array_new() : NULL };
	AshFsTree below = { .root = node };
	gboolean ok = ash_fs_tree_walk(&below, list_node, &listing, error);
	if (listing.array != NULL)
		print_json(listing.array, "files");
	return ok;
}

gboolean
ash_command_ls(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(StoreCommand) command = { 0 };
	gboolean packages = FALSE;
	const GOptionEntry entries[] = {
		{ "packages", 'p', 0, G_OPTION_ARG_NONE, &packages, "List packages instead of files", NULL },
		{ NULL },
	};

	if (!begin(env, entries, argc, argv, 1, 2, &command, error))
		return FALSE;
	return packages ? list_packages(&command, error) : list_files(&command, error);
}

/* "+" added, "-" removed, "~" modified, as the lock's diff has it. */
static char
change_sign(AshChangeKind kind)
{
	static const char signs[] = { [ASH_CHANGE_ADDED] = '+', [ASH_CHANGE_REMOVED] = '-', [ASH_CHANGE_MODIFIED] = '~' };

	return signs[kind];
}

static void
print_diff(const AshStoreDiff *diff)
{
	for (guint i = 0; i < diff->packages->len; i++) {
		const AshPackageChange *change = g_ptr_array_index(diff->packages, i);
		printf("%c package %s.%s %s%s%s\n", change_sign(change->kind), change->name, change->arch,
		       change->from != NULL ? change->from : "", change->kind == ASH_CHANGE_MODIFIED ? " -> " : "",
		       change->to != NULL ? change->to : "");
	}
	for (guint i = 0; i < diff->files->len; i++) {
		const AshFileChange *change = g_ptr_array_index(diff->files, i);
		printf("%c %s\n", change_sign(change->kind), change->path);
	}
}

static void
print_diff_json(const AshStoreDiff *diff)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *packages = json_array_new(), *files = json_array_new();

	for (guint i = 0; i < diff->packages->len; i++) {
		const AshPackageChange *change = g_ptr_array_index(diff->packages, i);
		JsonObject *element = json_object_new();
		json_object_set_string_member(element, "change", ash_change_kind_to_string(change->kind));
		json_object_set_string_member(element, "name", change->name);
		json_object_set_string_member(element, "arch", change->arch);
		json_object_set_string_member(element, "from", change->from);
		json_object_set_string_member(element, "to", change->to);
		json_array_add_object_element(packages, element);
	}
	for (guint i = 0; i < diff->files->len; i++) {
		const AshFileChange *change = g_ptr_array_index(diff->files, i);
		JsonObject *element = json_object_new();
		json_object_set_string_member(element, "change", ash_change_kind_to_string(change->kind));
		json_object_set_string_member(element, "path", change->path);
		json_array_add_object_element(files, element);
	}
	json_object_set_array_member(object, "packages", packages);
	json_object_set_array_member(object, "files", files);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

gboolean
ash_command_diff(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(StoreCommand) command = { 0 };

	if (!begin(env, NULL, argc, argv, 1, 2, &command, error))
		return FALSE;
	g_autofree char *before = g_strconcat(command.arguments[0], "^", NULL);
	const char *from = command.arguments[1] != NULL ? command.arguments[0] : before;
	const char *to = command.arguments[1] != NULL ? command.arguments[1] : command.arguments[0];
	g_autoptr(AshStoreDiff) diff = ash_store_diff(command.store, from, to, error);
	if (diff == NULL)
		return FALSE;
	if (command.common.json)
		print_diff_json(diff);
	else
		print_diff(diff);
	return TRUE;
}

gboolean
ash_command_cat(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(StoreCommand) command = { 0 };

	if (!begin(env, NULL, argc, argv, 2, -1, &command, error))
		return FALSE;
	g_autoptr(AshFsTree) tree = ash_store_load_tree(command.store, command.arguments[0], error);
	if (tree == NULL)
		return FALSE;
	for (char **path = command.arguments + 1; *path != NULL; path++) {
		g_autoptr(GBytes) bytes = ash_fs_tree_load(tree, *path, error);
		if (bytes == NULL)
			return FALSE;
		fwrite(g_bytes_get_data(bytes, NULL), 1, g_bytes_get_size(bytes), stdout);
	}
	return TRUE;
}
