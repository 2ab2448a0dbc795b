/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "cli/render.h"
#include "cli/sealing.h"
#include "base/table.h"
#include "compose/build.h"
#include "compose/exportunsigned.h"
#include "config/imgtype.h"

#include <stdio.h>

typedef struct {
	AshCommonOptions common;
	char **arguments, **types, **formats;
	char *out_dir, *seed, *anchor, *export_dir;
	AshSealing sealing;
	gboolean explain, checksums;
} ImageOptions;

static void
image_options_clear(ImageOptions *options)
{
	ash_common_options_clear(&options->common);
	g_strfreev(options->arguments);
	g_strfreev(options->types);
	g_strfreev(options->formats);
	g_free(options->out_dir);
	g_free(options->seed);
	g_free(options->anchor);
	g_free(options->export_dir);
	ash_sealing_clear(&options->sealing);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageOptions, image_options_clear)

static gboolean
parse(AshCommandEnv *env, int argc, char **argv, ImageOptions *options, AshUuid *ret_seed, GError **error)
{
	const GOptionEntry entries[] = {
		{ "type", 't', 0, G_OPTION_ARG_STRING_ARRAY, &options->types, "An image type; may be given several times", "TYPE" },
		{ "format", 'f', 0, G_OPTION_ARG_STRING_ARRAY, &options->formats,
		  "Write disks in this format and not in those of the type: " ASH_DISK_FORMAT_NAMES, "FORMAT" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->out_dir, "Where images go (default: here)", "DIR" },
		{ "seed", 0, 0, G_OPTION_ARG_STRING, &options->seed,
		  "Derive identifiers from this (default: from the content)", "UUID" },
		{ "anchor", 0, 0, G_OPTION_ARG_FILENAME, &options->anchor,
		  "Keep what is unchanged where this layout of an earlier version has it; \"none\": pack anew", "FILE" },
		ASH_SEALING_ENTRIES(&options->sealing),
		{ "export-unsigned", 0, 0, G_OPTION_ARG_FILENAME, &options->export_dir,
		  "Make no image, but write what a key elsewhere has to sign for it into this directory", "DIR" },
		ASH_BOOT_IMPORT_ENTRY(&options->sealing.boot),
		{ "checksums", 0, 0, G_OPTION_ARG_NONE, &options->checksums, "Compute a SHA-256 of raw disks, too", NULL },
		{ "explain", 0, 0, G_OPTION_ARG_NONE, &options->explain, "Say of each image why it was written, or not", NULL },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 1, 1, &options->common, &options->arguments, error))
		return FALSE;
	if (options->types == NULL)
		return ash_throw(error, ASH_ERROR_USAGE,
				 "no image type is given: add -t TYPE (\"ashlar types\" lists them)");
	if ((options->export_dir != NULL || options->sealing.boot.import_dir != NULL) && options->types[1] != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "%s goes with one image type: their kernel images differ",
				 options->export_dir != NULL ? "--export-unsigned" : "--import-signed");
	if (options->export_dir != NULL && (options->sealing.boot.import_dir != NULL || options->sealing.boot.key_name != NULL))
		return ash_throw(error, ASH_ERROR_USAGE, "--export-unsigned goes with neither --import-signed nor --secure-boot-key");
	if (options->seed != NULL && !ash_uuid_parse(options->seed, ret_seed))
		return ash_throw(error, ASH_ERROR_USAGE, "--seed \"%s\" is not a UUID", options->seed);
	return TRUE;
}

static gboolean
export_unsigned(AshCommandEnv *env, AshStore *store, const ImageOptions *options, const AshImageOptions *images, GError **error)
{
	g_autoptr(AshDetached) detached = ash_detached_new_export(options->export_dir, error);

	if (detached == NULL || !ash_export_unsigned(env->ctx, store, options->arguments[0], options->types[0], images, detached, error))
		return FALSE;
	ash_terminal_clear(env->terminal);
	g_autofree const char **names = ash_detached_list(detached);
	for (const char **name = names; *name != NULL; name++)
		printf("%s/%s\n", options->export_dir, *name);
	return TRUE;
}

gboolean
ash_command_image(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(ImageOptions) options = { 0 };
	AshUuid seed;

	if (!parse(env, argc, argv, &options, &seed, error))
		return FALSE;
	g_autoptr(AshStore) store = ash_store_open(options.common.store, false, error);
	if (store == NULL)
		return FALSE;
	g_autoptr(GBytes) anchor = NULL;
	if (!ash_command_load_anchor(options.anchor, &anchor, error))
		return FALSE;
	const AshSecretSource *secrets = ash_sealing_prepare(&options.sealing, env, error);
	if (secrets == NULL)
		return FALSE;
	const AshImageOptions images = { .seed = options.seed != NULL ? &seed : NULL,
					 .formats = (const char *const *) options.formats,
					 .checksums = options.checksums,
					 .anchor = anchor,
					 .pcr_key = options.sealing.pcr_key,
					 .signer = ash_boot_signing_get(&options.sealing.boot),
					 .secrets = secrets };
	if (options.export_dir != NULL)
		return export_unsigned(env, store, &options, &images, error);
	g_autoptr(AshBuildResult) result =
		ash_build_images(env->ctx, store, options.arguments[0], (const char *const *) options.types,
				 options.out_dir != NULL ? options.out_dir : ".", &images, error);
	if (result == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	ash_render_result(result, options.explain, options.common.json);
	return TRUE;
}

gboolean
ash_command_types(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	static const char *const headings[] = { "type", "kind", "variant", "what it is", NULL };
	g_auto(AshCommonOptions) common = { 0 };
	g_auto(GStrv) arguments = NULL;
	g_autoptr(AshTable) table = ash_table_new(headings);

	if (!ash_command_parse(env, NULL, argc, argv, 0, 0, &common, &arguments, error))
		return FALSE;
	g_auto(GStrv) names = ash_imgtype_list(env->ctx->data_dir, error);
	for (char **name = names; name != NULL && *name != NULL; name++) {
		g_autoptr(AshImageType) type = ash_imgtype_load(*name, env->ctx->data_dir, error);
		if (type == NULL)
			return FALSE;
		ash_table_add(table, type->name, ash_image_kind_to_string(type->kind), type->variant, type->description);
	}
	ash_table_print(table);
	return names != NULL;
}
