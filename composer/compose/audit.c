/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/audit.h"

#include "archive/treereader.h"
#include "audit/bootsigned.h"
#include "audit/unowned.h"
#include "compose/deployed.h"
#include "compose/rpmtree.h"
#include "disk/boot/bootimages.h"
#include "disk/inspect/imagetree.h"
#include "disk/secureboot/authenticode.h"
#include "install/rpmfiles.h"
#include "store/tree.h"

/* Where systemd mounts the EFI system partition. */
#define ESP_MOUNT "efi"

static AshFsTree *
load_commit(const char *store_dir, const char *target, GError **error)
{
	g_autoptr(AshStore) store = ash_store_open(store_dir, false, error);

	return store != NULL ? ash_store_load_tree(store, target, error) : NULL;
}

static AshFsTree *
load_any(AshContext *ctx, const char *store_dir, const char *target, GPtrArray **ret_notices, GPtrArray **ret_boot, GError **error)
{
	if (!g_file_test(target, G_FILE_TEST_IS_REGULAR))
		return load_commit(store_dir, target, error);
	if (ash_treereader_detect(target))
		return ash_treereader_load(ctx, target, error);
	return ash_image_load_tree(ctx, target, ret_notices, ret_boot, error);
}

static AshFsTree *
load(AshContext *ctx, const char *store_dir, const char *target, GPtrArray **ret_notices, GPtrArray **ret_boot, GError **error)
{
	AshFsTree *tree = load_any(ctx, store_dir, target, ret_notices, ret_boot, error);

	return tree != NULL ? ash_deployed_tree(tree) : NULL;
}

static void
check_unowned(const AshFsTree *tree, AshAuditReport *report)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) paths = NULL;
	char *dir = NULL;

	if (!ash_rpmtree_has_database(tree))
		return;
	dir = ash_rpmtree_extract(tree, &error);
	paths = dir != NULL ? ash_rpmfiles_list(dir, &error) : NULL;
	if (paths != NULL)
		ash_unowned_check(tree, paths, report);
	else
		ash_audit_report_notice(report, "files that no package owns: %s", error->message);
	ash_rpmtree_remove(dir);
}

static void
boot_file_free(gpointer data)
{
	AshAuditBootFile *file = data;

	g_free(file->path);
	g_ptr_array_unref(file->signers);
	g_ptr_array_unref(file->problems);
	g_free(file);
}

static AshAuditBootFile *
boot_file_new(const AshBootImage *image)
{
	AshAuditBootFile *file = g_new0(AshAuditBootFile, 1);

	file->path = g_build_filename(ESP_MOUNT, image->path, NULL);
	file->signers = g_ptr_array_new();
	file->problems = g_ptr_array_new();
	for (guint i = 0; i < image->signatures->len; i++) {
		const AshAuthenticode *signature = g_ptr_array_index(image->signatures, i);
		if (signature->is_right)
			g_ptr_array_add(file->signers, signature->signer);
		else
			g_ptr_array_add(file->problems, signature->problem);
	}
	return file;
}

static void
check_boot(const GPtrArray *images, AshAuditReport *report)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(boot_file_free);

	for (guint i = 0; i < images->len; i++) {
		const AshBootImage *image = g_ptr_array_index(images, i);
		if (image->problem == NULL)
			g_ptr_array_add(files, boot_file_new(image));
		else
			ash_audit_report_notice(report, "signatures of \"/" ESP_MOUNT "/%s\": %s", image->path, image->problem);
	}
	ash_boot_signed_check(files, g_get_real_time() / G_USEC_PER_SEC, report);
}

AshAuditReport *
ash_compose_audit(AshContext *ctx, const char *store_dir, const char *target, GError **error)
{
	g_autoptr(GPtrArray) notices = NULL, boot = NULL;
	g_autoptr(AshFsTree) tree = load(ctx, store_dir, target, &notices, &boot, error);
	g_autoptr(AshAuditReport) report = tree != NULL ? ash_audit_run(ctx, tree, error) : NULL;

	if (report != NULL)
		check_unowned(tree, report);
	if (report != NULL && boot != NULL)
		check_boot(boot, report);
	for (guint i = 0; report != NULL && notices != NULL && i < notices->len; i++)
		ash_audit_report_notice(report, "%s", (const char *) g_ptr_array_index(notices, i));
	if (report != NULL)
		ash_audit_report_finish(report);
	return g_steal_pointer(&report);
}
