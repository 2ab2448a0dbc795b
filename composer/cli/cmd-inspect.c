/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/osrelease.h"
#include "base/size.h"
#include "base/table.h"
#include "disk/inspect/imagesignature.h"
#include "disk/inspect/inspect.h"
#include "model/lock.h"

#include <stdio.h>
#include <string.h>

static const char *const verdict_names[] = {
	[ASH_DISK_UNCHECKED] = "not checked", [ASH_DISK_VALID] = "verified", [ASH_DISK_INVALID] = "INVALID"
};

/* Of the first root that has a lock; NULL if none has, or it cannot be read. */
static AshPackageSet *
find_packages(const AshDiskInfo *info, GPtrArray **ret_locks)
{
	for (guint i = 0; i < info->roots->len; i++) {
		const AshDiskRoot *root = g_ptr_array_index(info->roots, i);
		if (root->lock == NULL)
			continue;
		*ret_locks = ash_lock_parse(root->lock, "packages.lock", NULL);
		if (*ret_locks != NULL && (*ret_locks)->len > 0)
			return ((AshLock *) g_ptr_array_index(*ret_locks, 0))->set;
	}
	return NULL;
}

static JsonObject *
partition_to_json(const AshDiskContent *content)
{
	const AshPartition *partition = content->partition;
	JsonObject *object = json_object_new();
	g_autofree char *type = ash_uuid_to_string(&partition->type_guid);
	g_autofree char *uuid = ash_uuid_to_string(&partition->uuid);

	json_object_set_string_member(object, "role", ash_partition_role_to_string(partition->role));
	json_object_set_string_member(object, "label", partition->label);
	json_object_set_string_member(object, "type", type);
	json_object_set_string_member(object, "uuid", uuid);
	json_object_set_int_member(object, "offset", (gint64) partition->offset);
	json_object_set_int_member(object, "size", (gint64) partition->size);
	json_object_set_string_member(object, "content", content->content);
	json_object_set_string_member(object, "fs_uuid", content->fs_uuid);
	json_object_set_int_member(object, "used", (gint64) content->used);
	return object;
}

static JsonArray *
signatures_to_json(const GPtrArray *signatures)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; signatures != NULL && i < signatures->len; i++) {
		const AshImageSignature *signature = g_ptr_array_index(signatures, i);
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "signer", signature->signer);
		json_object_set_string_member(object, "certificate_sha256", signature->fingerprint);
		json_object_set_string_member(object, "problem", signature->problem);
		json_array_add_object_element(array, object);
	}
	return array;
}

static JsonObject *
uki_to_json(const AshDiskUki *uki)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "path", uki->path);
	json_object_set_int_member(object, "size", (gint64) uki->size);
	json_object_set_string_member(object, "cmdline", uki->cmdline);
	json_object_set_string_member(object, "uname", uki->uname);
	json_object_set_string_member(object, "root_hash", uki->root_hash);
	json_object_set_array_member(object, "signatures", signatures_to_json(uki->signatures));
	json_object_set_string_member(object, "problem", uki->problem);
	return object;
}

static JsonObject *
root_to_json(const AshDiskRoot *root)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "label", root->partition->label);
	json_object_set_string_member(object, "root_hash", root->root_hash);
	json_object_set_string_member(object, "signature_certificate_sha256", root->signed_by);
	json_object_set_boolean_member(object, "verified", root->verity == ASH_DISK_VALID);
	json_object_set_string_member(object, "problem", root->problem);
	json_object_set_string_member(object, "os_release", root->os_release);
	return object;
}

static void
print_json(const AshDiskInfo *info, const AshPackageSet *packages)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *partitions = json_array_new(), *ukis = json_array_new(), *roots = json_array_new();
	JsonArray *nevras = json_array_new();

	for (guint i = 0; i < info->contents->len; i++)
		json_array_add_object_element(partitions, partition_to_json(g_ptr_array_index(info->contents, i)));
	for (guint i = 0; i < info->ukis->len; i++)
		json_array_add_object_element(ukis, uki_to_json(g_ptr_array_index(info->ukis, i)));
	for (guint i = 0; i < info->roots->len; i++)
		json_array_add_object_element(roots, root_to_json(g_ptr_array_index(info->roots, i)));
	for (guint i = 0; packages != NULL && i < packages->packages->len; i++) {
		g_autofree char *nevra = ash_package_dup_nevra(g_ptr_array_index(packages->packages, i));
		json_array_add_string_element(nevras, nevra);
	}
	json_object_set_string_member(object, "format", ash_disk_format_to_string(info->format));
	json_object_set_int_member(object, "size", (gint64) info->disk_bytes);
	json_object_set_array_member(object, "partitions", partitions);
	json_object_set_array_member(object, "ukis", ukis);
	json_object_set_array_member(object, "loader_signatures", signatures_to_json(info->loader_signatures));
	json_object_set_array_member(object, "roots", roots);
	json_object_set_array_member(object, "packages", nevras);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static void
print_partitions(const AshDiskInfo *info)
{
	static const char *const headings[] = { "partition", ">offset", ">size", "content", ">used", "label", "PARTUUID", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < info->contents->len; i++) {
		const AshDiskContent *content = g_ptr_array_index(info->contents, i);
		const AshPartition *partition = content->partition;
		g_autofree char *offset = ash_size_format(partition->offset);
		g_autofree char *size = ash_size_format(partition->size);
		g_autofree char *used = ash_size_format(content->used);
		g_autofree char *uuid = ash_uuid_to_string(&partition->uuid);
		ash_table_add(table, ash_partition_role_to_string(partition->role), offset, size, content->content,
			      content->used > 0 ? used : NULL, partition->label, uuid);
	}
	ash_table_print(table);
}

static void
print_signatures(const GPtrArray *signatures)
{
	for (guint i = 0; signatures != NULL && i < signatures->len; i++) {
		const AshImageSignature *signature = g_ptr_array_index(signatures, i);
		printf("  %s %s%s%s\n", signature->problem == NULL ? "signed by" : "NOT RIGHTLY signed by",
		       signature->signer != NULL ? signature->signer : "somebody", signature->problem != NULL ? ": " : "",
		       signature->problem != NULL ? signature->problem : "");
	}
}

static void
print_ukis(const AshDiskInfo *info)
{
	for (guint i = 0; i < info->ukis->len; i++) {
		const AshDiskUki *uki = g_ptr_array_index(info->ukis, i);
		g_autofree char *size = ash_size_format(uki->size);
		printf("\nkernel image %s (%s)\n", uki->path, size);
		if (uki->problem != NULL)
			printf("  cannot be read: %s\n", uki->problem);
		if (uki->uname != NULL)
			printf("  kernel %s\n", uki->uname);
		if (uki->cmdline != NULL)
			printf("  command line %s\n", uki->cmdline);
		print_signatures(uki->signatures);
	}
	if (info->loader_signatures != NULL && info->loader_signatures->len > 0)
		printf("\nboot loader EFI/BOOT/BOOTX64.EFI\n");
	print_signatures(info->loader_signatures);
	if (!info->boots_by_default)
		printf("\nno EFI/BOOT/BOOTX64.EFI: firmware finds no default boot loader\n");
}

static void
print_roots(const AshDiskInfo *info, const AshPackageSet *packages)
{
	for (guint i = 0; i < info->roots->len; i++) {
		const AshDiskRoot *root = g_ptr_array_index(info->roots, i);
		g_autofree char *name = ash_os_release_value(root->os_release, "PRETTY_NAME");
		g_autofree char *version = ash_os_release_value(root->os_release, "IMAGE_VERSION");
		printf("\nroot %s: verity %s\n", root->partition->label, verdict_names[root->verity]);
		if (root->problem != NULL)
			printf("  %s\n", root->problem);
		if (root->root_hash != NULL)
			printf("  root hash %s\n", root->root_hash);
		if (root->signed_by != NULL)
			printf("  signed by the certificate with SHA-256 %s\n", root->signed_by);
		if (name != NULL)
			printf("  system %s, image version %s\n", name, version != NULL ? version : "-");
	}
	if (packages == NULL)
		return;
	printf("\n%u packages\n", packages->packages->len);
	for (guint i = 0; i < packages->packages->len; i++) {
		g_autofree char *nevra = ash_package_dup_nevra(g_ptr_array_index(packages->packages, i));
		printf("  %s\n", nevra);
	}
}

/* What was found is shown first; that it is wrong is the exit status. */
static gboolean
judge(const AshDiskInfo *info, GError **error)
{
	for (guint i = 0; i < info->roots->len; i++) {
		const AshDiskRoot *root = g_ptr_array_index(info->roots, i);
		if (root->verity == ASH_DISK_INVALID)
			return ash_throw(error, ASH_ERROR_TRUST, "\"%s\": root \"%s\" does not match its root hash: %s",
					 info->path, root->partition->label,
					 root->problem != NULL ? root->problem : "a block differs");
	}
	return TRUE;
}

gboolean
ash_command_inspect(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(AshCommonOptions) common = { 0 };
	g_auto(GStrv) arguments = NULL;
	g_autoptr(GPtrArray) locks = NULL;

	if (!ash_command_parse(env, NULL, argc, argv, 1, 1, &common, &arguments, error))
		return FALSE;
	g_autoptr(AshDiskInfo) info = ash_disk_inspect(env->ctx, arguments[0], error);
	if (info == NULL)
		return FALSE;
	const AshPackageSet *packages = find_packages(info, &locks);
	ash_terminal_clear(env->terminal);
	if (common.json) {
		print_json(info, packages);
		return judge(info, error);
	}
	print_partitions(info);
	print_ukis(info);
	print_roots(info, packages);
	return judge(info, error);
}
