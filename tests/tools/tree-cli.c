/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "base/worker.h"
#include "config/imgtype.h"
#include "config/kickstart.h"
#include "model/records.h"
#include "tree/tree.h"

#include <stdio.h>

/* For developers: makes a tree of an installed root, as a build does. tree-cli DATA_DIR ROOT KICKSTART TYPE [INITRAMFS_DIR] */

static JsonObject *
run(AshContext *ctx, JsonObject *request, GError **error)
{
	g_autoptr(AshSpec) spec = ash_spec_new("");
	g_autoptr(AshImageType) type = ash_image_type_new("");
	g_auto(AshTreeReport) report = { 0 };
	AshTreeRequest tree = {
		.root_path = ash_json_get_string(request, "root", NULL),
		.spec = spec,
		.type = type,
		.version = "1.0",
		.epoch = 1700000000,
		.lock_text = "# lock\n",
		.data_dir = ctx->data_dir,
		.initramfs_dir = ash_json_get_string_optional(request, "initramfs"),
		.report = &report,
	};

	if (!ash_record_from_json(spec, ash_spec_fields, json_object_get_object_member(request, "spec"), error) ||
	    !ash_record_from_json(type, ash_image_type_tree_fields, json_object_get_object_member(request, "type"), error))
		return NULL;
	type->kind = type->tree_kind;
	if (!ash_tree_apply(ctx, &tree, error))
		return NULL;
	if (report.initramfs_note != NULL)
		ash_progress_message(ctx->progress, "initramfs: %s: %s", report.initramfs_ran ? "made" : "reused",
				     report.initramfs_note);
	return json_object_new();
}

static const AshWorkerEntry workers[] = { { "run", run }, { NULL, NULL } };

static void
show(const AshProgressEvent *event, gpointer user_data)
{
	if (event->kind == ASH_PROGRESS_STEP_END && event->seconds > 0.01)
		printf("%7.2f %s\n", event->seconds, event->step);
	if (event->kind == ASH_PROGRESS_MESSAGE)
		printf("        %s\n", event->text);
}

int
main(int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(JsonObject) request = json_object_new();
	g_autoptr(GError) error = NULL;
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	ctx->data_dir = g_canonicalize_filename(argv[1], NULL);
	ctx->progress = ash_progress_new(show, NULL);
	g_autofree char *root = g_canonicalize_filename(argv[2], NULL);
	g_autoptr(AshSpec) spec = ash_kickstart_load(argv[3], NULL, &error);
	g_autoptr(AshImageType) type = spec != NULL ? ash_imgtype_load(argv[4], ctx->data_dir, &error) : NULL;
	g_autofree char *initramfs = argc > 5 ? g_canonicalize_filename(argv[5], NULL) : NULL;
	if (type != NULL) {
		json_object_set_string_member(request, "initramfs", initramfs);
		json_object_set_string_member(request, "root", root);
		json_object_set_object_member(request, "spec", ash_record_to_json(spec, ash_spec_fields, TRUE));
		json_object_set_object_member(request, "type", ash_record_to_json(type, ash_image_type_tree_fields, TRUE));
	}
	g_autoptr(JsonObject) reply = type != NULL ? ash_worker_call(ctx, "run", request, &error) : NULL;
	if (reply == NULL) {
		fprintf(stderr, "tree-cli: %s\n", error->message);
		return ash_error_exit_status(error);
	}
	return 0;
}
