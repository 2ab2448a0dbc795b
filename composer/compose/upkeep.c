/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/upkeep.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "install/entry.h"

#include <fcntl.h>
#include <string.h>

G_STATIC_ASSERT(sizeof(ASH_ENTRY_LAYOUT) == sizeof(ASH_IMPORT_LAYOUT));

static AshStore *
open_store(JsonObject *request, GError **error)
{
	const char *dir = ash_json_get_string(request, "store", error);

	return dir != NULL ? ash_store_open(dir, false, error) : NULL;
}

JsonObject *
ash_upkeep_prune_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	AshPruneOptions options = { 0 };
	g_autoptr(AshStore) store = open_store(request, error);
	g_autoptr(AshPruneReport) report = NULL;

	if (store != NULL && ash_record_from_json(&options, ash_prune_options_fields, request, error))
		report = ash_store_prune(ctx, store, &options, error);
	g_free(options.ref);
	return report != NULL ? ash_record_to_json(report, ash_prune_report_fields, TRUE) : NULL;
}

AshPruneReport *
ash_upkeep_prune(AshContext *ctx, const char *store_dir, const AshPruneOptions *options, GError **error)
{
	g_autofree char *dir = g_canonicalize_filename(store_dir, NULL);
	g_autoptr(JsonObject) request = ash_record_to_json(options, ash_prune_options_fields, TRUE), reply = NULL;
	g_autoptr(AshPruneReport) report = ash_prune_report_new();

	json_object_set_string_member(request, "store", dir);
	if (!ash_worker_check(error))
		return NULL;
	reply = ash_worker_call(ctx, ASH_PRUNE_WORKER, request, error);
	if (reply == NULL || !ash_record_from_json(report, ash_prune_report_fields, reply, error))
		return NULL;
	return g_steal_pointer(&report);
}

/* Files that the manifest does not name: nobody reads them, but something is wrong. */
static gboolean
check_names(const AshEntry *package, int fd, GError **error)
{
	g_autofree char *path = ash_file_fd_path(fd);
	g_autoptr(GDir) dir = g_dir_open(path, 0, error);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		guint64 index;
		if (strcmp(name, ASH_ENTRY_HEADER) == 0 || strcmp(name, ASH_ENTRY_MANIFEST) == 0)
			continue;
		if (!g_ascii_string_to_unsigned(name, 10, 0, G_MAXUINT32, &index, NULL) ||
		    ash_entry_find(package, (guint32) index) == NULL)
			return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" does not belong there", name);
	}
	return dir != NULL;
}

static gboolean
check_import(int dir_fd, const AshStoreEntry *entry, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	g_autoptr(AshEntry) package = fd >= 0 ? ash_entry_load(fd, error) : NULL;

	return package != NULL && ash_entry_check_content(package, fd, error) && check_names(package, fd, error);
}

/* KEY-DIGEST.img in initramfs and memo holds its digest, KEY.manifest is checked by whoever reads it. */
static gboolean
check_result(int dir_fd, const AshStoreEntry *entry, GError **error)
{
	const char *digest = strrchr(entry->key, '-');
	ash_autofd int fd = -1;

	if (g_str_has_suffix(entry->key, ".manifest") || g_str_has_suffix(entry->key, ".tmp"))
		return TRUE;
	if (digest == NULL || !g_str_has_suffix(entry->key, ".img"))
		return ash_throw(error, ASH_ERROR_TRUST, "not made by this version of the program");
	fd = ash_fd_open(dir_fd, entry->path, O_RDONLY | O_NOFOLLOW, 0, error);
	g_autofree char *found = fd >= 0 ? ash_sha256_fd_hex(fd, error) : NULL;
	if (found == NULL)
		return FALSE;
	return strncmp(digest + 1, found, strlen(digest + 1) - strlen(".img")) == 0 ||
	       ash_throw(error, ASH_ERROR_TRUST, "its content is not what its name says");
}

JsonObject *
ash_upkeep_check_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	const AshCheckOptions options = {
		.repair = json_object_get_boolean_member(request, "repair"),
		.check = { [ASH_ENTRY_IMPORT] = check_import, [ASH_ENTRY_INITRAMFS] = check_result,
			   [ASH_ENTRY_MEMO] = check_result },
	};
	g_autoptr(AshStore) store = open_store(request, error);
	g_autoptr(AshCheckReport) report = store != NULL ? ash_store_check(ctx, store, &options, error) : NULL;

	return report != NULL ? ash_record_to_json(report, ash_check_report_fields, TRUE) : NULL;
}

AshCheckReport *
ash_upkeep_check(AshContext *ctx, const char *store_dir, bool repair, GError **error)
{
	g_autofree char *dir = g_canonicalize_filename(store_dir, NULL);
	g_autoptr(JsonObject) request = json_object_new(), reply = NULL;
	g_autoptr(AshCheckReport) report = ash_check_report_new();

	json_object_set_string_member(request, "store", dir);
	json_object_set_boolean_member(request, "repair", repair);
	if (!ash_worker_check(error))
		return NULL;
	reply = ash_worker_call(ctx, ASH_CHECK_WORKER, request, error);
	if (reply == NULL || !ash_record_from_json(report, ash_check_report_fields, reply, error))
		return NULL;
	return g_steal_pointer(&report);
}
