/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/tidy.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "publish/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DEPTH 16

void
ash_tidy_report_clear(AshTidyReport *report)
{
	g_clear_pointer(&report->releases, g_ptr_array_unref);
	g_clear_pointer(&report->commits, g_hash_table_unref);
}

static bool
is_for_all(const AshChannelEntry *entry, guint64 now)
{
	const AshWave *last = entry->waves->len > 0 ? g_ptr_array_index(entry->waves, entry->waves->len - 1) : NULL;

	return !entry->withdrawn && (last == NULL || (last->percent == 100 && last->start <= now));
}

/* What is older than the oldest of the last --keep versions for all nodes is offered to nobody. */
static guint
trim(AshChannel *channel, const AshTidyOptions *options)
{
	guint seen = 0, first = channel->entries->len, removed = 0;

	while (first > 0 && seen < options->keep)
		seen += is_for_all(g_ptr_array_index(channel->entries, --first), options->now) ? 1 : 0;
	for (guint i = first; seen == options->keep && i-- > 0;) {
		const AshChannelEntry *entry = g_ptr_array_index(channel->entries, i);
		/* One that was withdrawn stays as long as others: a node may have it in its slot, and must hear of that. */
		if ((entry->barrier && !entry->withdrawn) || entry->published + options->keep_seconds > options->now)
			continue;
		g_ptr_array_remove_index(channel->entries, i);
		removed++;
	}
	return removed;
}

static gboolean
trim_channels(AshReleaseDir *dir, const char *ref, const AshTidyOptions *options, GHashTable *offered, AshTidyReport *report, GError **error)
{
	g_auto(GStrv) names = ash_release_dir_list_channels(dir, ref);

	for (char **name = names; *name != NULL; name++) {
		g_autoptr(AshChannel) channel = NULL;
		if (!ash_release_dir_load_channel(dir, ref, *name, &channel, error))
			return FALSE;
		const guint removed = trim(channel, options);
		report->entries += removed;
		if (removed > 0 && !options->dry_run && !ash_release_dir_set_channel(dir, channel, error))
			return FALSE;
		for (guint i = 0; i < channel->entries->len; i++)
			g_hash_table_add(offered, g_strdup(((const AshChannelEntry *) g_ptr_array_index(channel->entries, i))->version));
	}
	return TRUE;
}

/* Of a release that was published without a channel, for a while. */
static gboolean
is_young(AshReleaseDir *dir, const char *target, const AshTidyOptions *options, bool *ret_young, GError **error)
{
	g_autofree char *path = NULL;
	g_autoptr(GBytes) bytes = NULL;
	struct stat st;

	if (!ash_release_dir_load_file(dir, target, &path, &bytes, error))
		return FALSE;
	if (fstatat(ash_release_dir_get_fd(dir), path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot look at \"%s\"", path);
	*ret_young = (guint64) st.st_mtime + options->keep_seconds > options->now;
	return TRUE;
}

static gboolean
unpublish(AshReleaseDir *dir, const char *ref, const AshTidyOptions *options, GHashTable *offered, AshTidyReport *report, GError **error)
{
	g_auto(GStrv) versions = ash_release_dir_list_versions(dir, ref);

	for (char **version = versions; *version != NULL; version++) {
		g_autofree char *target = ash_release_target_path(ref, *version);
		bool young = false;

		if (g_hash_table_contains(offered, *version))
			continue;
		if (!is_young(dir, target, options, &young, error))
			return FALSE;
		if (young)
			continue;
		ash_tuf_repository_remove_target(ash_release_dir_get_tuf(dir), target);
		g_ptr_array_add(report->releases, g_strdup_printf("%s %s", ref, *version));
	}
	return TRUE;
}

gboolean
ash_tidy_offers(AshReleaseDir *dir, const AshTidyOptions *options, AshTidyReport *report, bool *ret_changed, GError **error)
{
	g_auto(GStrv) refs = ash_release_dir_list_refs(dir);

	report->releases = g_ptr_array_new_with_free_func(g_free);
	if (options->ref != NULL && !g_strv_contains((const char *const *) refs, options->ref))
		return ash_throw(error, ASH_ERROR_USAGE, "nothing is published as \"%s\"", options->ref);
	for (char **ref = refs; *ref != NULL; ref++) {
		g_autoptr(GHashTable) offered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		if (options->ref != NULL && strcmp(*ref, options->ref) != 0)
			continue;
		if (!trim_channels(dir, *ref, options, offered, report, error) || !unpublish(dir, *ref, options, offered, report, error))
			return FALSE;
	}
	*ret_changed = report->entries > 0 || report->releases->len > 0;
	return TRUE;
}

/* Files below a directory, which need not be there. */
static gboolean
list_files(int dir_fd, const char *path, guint depth, GPtrArray *files, GError **error)
{
	if (!ash_file_exists(dir_fd, path))
		return TRUE;
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, path, error);
	const struct dirent *entry;

	while (stream != NULL && (entry = ash_fd_next_entry(stream)) != NULL) {
		g_autofree char *below = g_build_filename(path, entry->d_name, NULL);
		struct stat st;
		if (fstatat(dir_fd, below, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return ash_throw_errno(error, "cannot look at \"%s\"", below);
		if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH && !list_files(dir_fd, below, depth + 1, files, error))
			return FALSE;
		if (S_ISREG(st.st_mode))
			g_ptr_array_add(files, g_steal_pointer(&below));
	}
	return stream != NULL;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The number and role of "metadata/N.ROLE.json". Roots are for ever: nodes follow them one by one. */
static bool
split_metadata(const char *path, guint64 *ret_number, const char **ret_role)
{
	const char *name = path + strlen(ASH_TUF_METADATA_DIR "/");
	char *end;

	if (!g_str_has_prefix(path, ASH_TUF_METADATA_DIR "/") || !g_ascii_isdigit(*name))
		return false;
	*ret_number = g_ascii_strtoull(name, &end, 10);
	*ret_role = end;
	return *end == '.' && strcmp(end, ".root.json") != 0;
}

typedef struct {
	AshReleaseDir *dir;
	const AshTidyOptions *options;
	GHashTable *used;   /* paths */
	GHashTable *newest; /* ".ROLE.json" -> guint64 * */
	const char *view_dir;
	GHashTable *view_files;
	AshTidyReport *report;
} Tidy;

static void
tidy_clear(Tidy *tidy)
{
	g_clear_pointer(&tidy->used, g_hash_table_unref);
	g_clear_pointer(&tidy->newest, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tidy, tidy_clear)

static void
note_metadata(Tidy *tidy, const char *path)
{
	const char *role;
	guint64 number;

	if (split_metadata(path, &number, &role))
		g_hash_table_replace(tidy->newest, g_strdup(role), g_memdup2(&number, sizeof(number)));
}

/* All that the metadata in force leads to. */
static gboolean
find_used(Tidy *tidy, GError **error)
{
	g_autoptr(AshInventory) inventory = ash_inventory_new(tidy->dir, error);

	if (inventory == NULL)
		return FALSE;
	for (guint i = 0; i < inventory->releases->len; i++) {
		const AshInventoryRelease *release = g_ptr_array_index(inventory->releases, i);
		g_hash_table_add(tidy->used, g_strdup(release->path));
		for (guint k = 0; k < release->objects->len; k++)
			g_hash_table_add(tidy->used, ash_object_ref_path(g_ptr_array_index(release->objects, k)));
	}
	for (guint i = 0; i < inventory->channels->len; i++)
		g_hash_table_add(tidy->used, g_strdup(g_ptr_array_index(inventory->channels, i)));
	for (guint i = 0; i < inventory->metadata->len; i++)
		note_metadata(tidy, g_ptr_array_index(inventory->metadata, i));
	return TRUE;
}

static bool
is_used(const Tidy *tidy, const char *path)
{
	const guint64 *newest;
	const char *role;
	guint64 number;

	if (g_str_has_prefix(path, ASH_TUF_METADATA_DIR "/")) {
		newest = split_metadata(path, &number, &role) ? g_hash_table_lookup(tidy->newest, role) : NULL;
		return newest == NULL || number >= *newest;
	}
	if (tidy->view_dir != NULL && g_str_has_prefix(path, tidy->view_dir))
		return g_hash_table_contains(tidy->view_files, path);
	return g_hash_table_contains(tidy->used, path);
}

/* Since when each file is of no use; one that is damaged is as good as none. */
static GHashTable *
load_unused(const Tidy *tidy)
{
	g_autoptr(GHashTable) since = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autofree char *text = ash_file_load(ash_release_dir_get_fd(tidy->dir), ASH_TIDY_UNUSED, 0, NULL, NULL);
	g_autoptr(JsonObject) object = text != NULL ? ash_json_parse_object(text, -1, ASH_TIDY_UNUSED, NULL) : NULL;
	g_autoptr(GList) names = object != NULL ? json_object_get_members(object) : NULL;

	for (const GList *at = names; at != NULL; at = at->next) {
		JsonNode *node = json_object_get_member(object, at->data);
		const gint64 seconds = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : 0;
		if (seconds > 0 && (guint64) seconds <= tidy->options->now)
			g_hash_table_replace(since, g_strdup(at->data), g_memdup2(&seconds, sizeof(seconds)));
	}
	return g_steal_pointer(&since);
}

static gboolean
save_unused(const Tidy *tidy, JsonObject *unused, GError **error)
{
	g_autofree char *text = ash_json_object_to_string(unused, TRUE);
	const int dir_fd = ash_release_dir_get_fd(tidy->dir);

	if (json_object_get_size(unused) > 0)
		return ash_file_save(dir_fd, ASH_TIDY_UNUSED, text, -1, 0644, error);
	return unlinkat(dir_fd, ASH_TIDY_UNUSED, 0) == 0 || errno == ENOENT || ash_throw_errno(error, "cannot remove \"%s\"", ASH_TIDY_UNUSED);
}

/* The commit of a release that is still there. */
static void
note_commit(Tidy *tidy, const char *path)
{
	g_autofree char *text = g_str_has_prefix(path, "targets/")
					? ash_file_load(ash_release_dir_get_fd(tidy->dir), path, ASH_RELEASE_MAX_JSON_BYTES, NULL, NULL)
					: NULL;
	g_autoptr(JsonObject) object = text != NULL ? ash_json_parse_object(text, -1, path, NULL) : NULL;
	const char *commit = object != NULL ? ash_json_get_string_optional(object, "commit") : NULL;

	if (commit != NULL)
		g_hash_table_add(tidy->report->commits, g_strdup(commit));
}

/* What is to go now, and in @unused what waits. */
static gboolean
sort_files(Tidy *tidy, const GPtrArray *files, GPtrArray *going, JsonObject *unused, GError **error)
{
	g_autoptr(GHashTable) since = load_unused(tidy);
	const guint64 now = tidy->options->now;

	for (guint i = 0; i < files->len; i++) {
		const char *path = g_ptr_array_index(files, i);
		const gint64 *known = g_hash_table_lookup(since, path);
		struct stat st;

		if (is_used(tidy, path)) {
			note_commit(tidy, path);
			continue;
		}
		if (fstatat(ash_release_dir_get_fd(tidy->dir), path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return ash_throw_errno(error, "cannot look at \"%s\"", path);
		const bool goes = tidy->options->grace_seconds == 0 || (known != NULL && (guint64) *known + tidy->options->grace_seconds <= now);
		const guint64 bytes = st.st_nlink > 1 && g_str_has_prefix(path, "objects/") ? 0 : (guint64) st.st_size;
		*(goes ? &tidy->report->files : &tidy->report->waiting) += 1;
		*(goes ? &tidy->report->bytes : &tidy->report->waiting_bytes) += bytes;
		if (goes) {
			g_ptr_array_add(going, (gpointer) path);
			continue;
		}
		note_commit(tidy, path);
		json_object_set_int_member(unused, path, known != NULL ? *known : (gint64) now);
	}
	return TRUE;
}

gboolean
ash_tidy_files(AshContext *ctx, AshReleaseDir *dir, const AshTidyOptions *options, const char *view_dir, GHashTable *view_files,
	       AshTidyReport *report, GError **error)
{
	const char *const places[] = { "objects", "targets", ASH_TUF_METADATA_DIR, view_dir };
	const int dir_fd = ash_release_dir_get_fd(dir);
	g_auto(Tidy) tidy = { .dir = dir, .options = options, .view_dir = view_dir, .view_files = view_files, .report = report };
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free), going = g_ptr_array_new();
	g_autoptr(JsonObject) unused = json_object_new();

	tidy.used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	tidy.newest = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	report->commits = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (!find_used(&tidy, error))
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
		if (places[i] != NULL && !list_files(dir_fd, places[i], 0, files, error))
			return FALSE;
	g_ptr_array_sort(files, compare_strings);
	if (!sort_files(&tidy, files, going, unused, error))
		return FALSE;
	if (options->dry_run)
		return TRUE;
	/* Killed between the two, the next run finds what is left without a date, and waits for it: nothing goes too early. */
	if (!save_unused(&tidy, unused, error))
		return FALSE;
	for (guint i = 0; i < going->len; i++)
		if (!ash_context_check(ctx, error) ||
		    (unlinkat(dir_fd, g_ptr_array_index(going, i), 0) < 0 &&
		     !ash_throw_errno(error, "cannot remove \"%s\"", (const char *) g_ptr_array_index(going, i))))
			return FALSE;
	return TRUE;
}
