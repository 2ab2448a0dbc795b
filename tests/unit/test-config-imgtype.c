/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "config/imgtype.h"
#include "config/imgtypekeys.h"
#include "model/strv.h"

#include <glib/gstdio.h>
#include <string.h>

#include "golden.h"

static char *data_dir;

static char *
format_error(const char *name)
{
	g_autoptr(GError) error = NULL;
	AshImageType *type = ash_imgtype_load(name, data_dir, &error);
	g_auto(GStrv) parts = NULL;
	g_autofree char *text = NULL;

	g_assert_null(type);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	parts = g_strsplit(error->message, data_dir, -1);
	text = g_strjoinv("@DATA@", parts);
	return g_strconcat(text, "\n", NULL);
}

static AshImageType *
load(const char *name)
{
	g_autoptr(GError) error = NULL;
	AshImageType *type = ash_imgtype_load(name, data_dir, &error);

	g_assert_no_error(error);
	return type;
}

static bool
contains(char **strv, const char *text)
{
	return g_strv_contains((const char *const *) strv, text);
}

/* What ashlar.imgtype(5) promises of the types we ship. */
static void
test_shipped(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) names = ash_imgtype_list(data_dir, &error);
	g_autofree char *list = NULL;

	g_assert_no_error(error);
	list = g_strjoinv(" ", names);
	g_assert_cmpstr(list, ==,
			"azure-cvm azure-gen1 azure-traditional azure-vm container distroless ostree-container ostree-vm qemu-grub qemu-traditional qemu-vm qemu-vm-encrypted "
			"qemu-vm-signed qemu-vm-tpm2 trident wsl");
	for (guint i = 0; names[i] != NULL; i++) {
		g_autoptr(AshImageType) type = load(names[i]);

		g_assert_cmpstr(type->name, ==, names[i]);
		/* One commit for all of these. */
		g_assert_cmpstr(type->variant, ==, type->system == ASH_SYSTEM_OSTREE ? "ostree" : names[i]);
		g_assert_cmpstr(type->description, !=, "");
	}
}

static void
check_vm_layout(const AshLayout *layout)
{
	static const struct {
		AshPartitionRole role;
		AshFsKind fs;
		char slot;
		bool empty, grow, read_only;
		guint64 size;
	} expected[] = {
		{ ASH_PARTITION_ESP, ASH_FS_VFAT, 0, false, false, false, 256 * ASH_MIB },
		{ ASH_PARTITION_ROOT_VERITY, ASH_FS_NONE, 'a', false, false, true, 0 },
		{ ASH_PARTITION_ROOT, ASH_FS_EROFS, 'a', false, false, true, 0 },
		{ ASH_PARTITION_ROOT_VERITY, ASH_FS_NONE, 'b', true, false, true, 0 },
		{ ASH_PARTITION_ROOT, ASH_FS_NONE, 'b', true, false, true, 0 },
		{ ASH_PARTITION_VAR, ASH_FS_EXT4, 0, false, true, false, 512 * ASH_MIB },
	};

	g_assert_cmpuint(layout->partitions->len, ==, G_N_ELEMENTS(expected));
	for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
		const AshPartition *partition = g_ptr_array_index(layout->partitions, i);
		AshUuid guid = ash_partition_role_type_guid(expected[i].role);

		g_assert_cmpint(partition->role, ==, expected[i].role);
		g_assert_cmpint(partition->fs, ==, expected[i].fs);
		g_assert_cmpint(partition->slot, ==, expected[i].slot);
		g_assert_true(partition->empty == expected[i].empty);
		g_assert_true(partition->grow == expected[i].grow);
		g_assert_true(partition->read_only == expected[i].read_only);
		g_assert_cmpuint(partition->size, ==, expected[i].size);
		g_assert_cmpmem(&partition->type_guid, sizeof(guid), &guid, sizeof(guid));
		g_assert_nonnull(partition->label);
		if (partition->empty)
			g_assert_cmpstr(partition->label, ==, "_empty");
	}
}

static void
test_qemu_vm(void)
{
	g_autoptr(AshImageType) type = load("qemu-vm");

	g_assert_cmpint(type->kind, ==, ASH_IMAGE_DISK);
	g_assert_true(type->bootable);
	g_assert_cmpint(type->from_kickstart, ==, ASH_FROM_KICKSTART_ALL);
	g_assert_cmpuint(type->formats->len, ==, 1);
	g_assert_cmpint(g_array_index(type->formats, AshDiskFormat, 0), ==, ASH_DISK_QCOW2);
	g_assert_nonnull(strstr(type->kernel_cmdline, "console=ttyS0"));
	g_assert_cmpuint(type->boot_tries, ==, 3);
	g_assert_true(contains(type->initramfs_modules, "ashlar"));
	g_assert_true(contains(type->initramfs_drivers, "dm_verity"));
	g_assert_cmpint(type->initramfs_compression, ==, ASH_INITRAMFS_COMPRESSION_NONE);
	check_vm_layout(type->layout);
}

static void
test_encryption(void)
{
	g_autoptr(AshImageType) type = load("qemu-vm-encrypted");
	const AshPartition *var = ash_layout_find(type->layout, ASH_PARTITION_VAR, 0);
	const AshPartition *root = ash_layout_find(type->layout, ASH_PARTITION_ROOT, 'a');

	check_vm_layout(type->layout);
	g_assert_cmpint(var->encryption.kind, ==, ASH_ENCRYPTION_LUKS2);
	g_assert_cmpint(root->encryption.kind, ==, ASH_ENCRYPTION_NONE);
	g_assert_true(var->encryption.passphrase && var->encryption.recovery_key && !var->encryption.key_file);
	g_assert_cmpint(var->encryption.pbkdf, ==, ASH_PBKDF_ARGON2ID);
	g_assert_cmpint(var->encryption.pbkdf_memory, ==, 65536);
	g_assert_cmpint(var->encryption.key_bits, ==, 256);
	g_assert_cmpint(var->encryption.sector_bytes, ==, 4096);
	/* The initramfs must open it. */
	g_assert_true(type->var_encrypted);
	g_assert_true(contains(type->initramfs_modules, "crypt"));
}

static void
test_azure_vm(void)
{
	g_autoptr(AshImageType) type = load("azure-vm");

	g_assert_cmpuint(type->formats->len, ==, 1);
	g_assert_cmpint(g_array_index(type->formats, AshDiskFormat, 0), ==, ASH_DISK_VHD);
	g_assert_true(contains(type->packages_add, "waagent"));
	/* "@base" keeps the base's drivers. */
	g_assert_true(contains(type->initramfs_drivers, "hv_storvsc"));
	g_assert_true(contains(type->initramfs_drivers, "virtio_blk"));
	g_assert_false(contains(type->initramfs_drivers, "@base"));
	g_assert_nonnull(strstr(type->kernel_cmdline, "earlyprintk=ttyS0"));
	check_vm_layout(type->layout);
}

/* A type beside a kickstart finds the base that we ship, and that one's base. */
static void
test_azurelinux(void)
{
	g_autofree char *path = g_build_filename(data_dir, "kickstarts", "azurelinux-4-azure-vm.toml", NULL);
	g_autoptr(AshImageType) type = load(path);

	g_assert_cmpstr(type->name, ==, "azurelinux-4-azure-vm");
	g_assert_true(contains(type->packages_add, "WALinuxAgent"));
	g_assert_false(contains(type->packages_add, "waagent"));
	check_vm_layout(type->layout);
}

static void
test_archives(void)
{
	g_autoptr(AshImageType) container = load("container");
	g_autoptr(AshImageType) wsl = load("wsl");

	g_assert_cmpint(container->kind, ==, ASH_IMAGE_OCI);
	g_assert_false(container->bootable);
	g_assert_null(container->layout);
	g_assert_cmpint(container->compression, ==, ASH_COMPRESS_GZIP);
	g_assert_cmpint(container->weak_deps, ==, 0);
	g_assert_cmpint(wsl->kind, ==, ASH_IMAGE_WSL);
	g_assert_cmpint(wsl->compression, ==, ASH_COMPRESS_GZIP);
	g_assert_cmpint(wsl->wsl_default_uid, ==, 1000);
	g_assert_true(wsl->wsl_systemd);
	g_assert_true(contains(wsl->services_mask, "console-getty.service"));
	g_assert_true(wsl->wsl_shortcut && wsl->wsl_terminal);
	g_assert_cmpstr(wsl->wsl_terminal_profile, ==, "/usr/lib/wsl/terminal-profile.json");
	g_assert_null(wsl->wsl_url);
}

static AshPackageRequest *
sample_request(void)
{
	AshPackageRequest *request = ash_package_request_new();

	ash_strv_add(&request->names, "curl");
	ash_strv_add(&request->names, "linux-image-cloud-amd64");
	ash_strv_add(&request->names, "kernel");
	ash_strv_add(&request->excludes, "nano");
	ash_strv_add(&request->groups, "core");
	ash_strv_add(&request->environments, "server");
	return request;
}

static void
test_request_of_container(void)
{
	g_autoptr(AshImageType) type = load("container");
	g_autoptr(AshPackageRequest) request = sample_request();
	g_autoptr(AshPackageRequest) result = ash_image_type_dup_request(type, request);

	g_assert_cmpuint(g_strv_length(result->names), ==, 1);
	g_assert_cmpstr(result->names[0], ==, "curl");
	g_assert_cmpuint(g_strv_length(result->groups), ==, 1);
	g_assert_cmpstr(result->groups[0], ==, "container-base");
	g_assert_cmpuint(g_strv_length(result->environments), ==, 0);
	g_assert_true(contains(result->excludes, "nano"));
	g_assert_true(contains(result->excludes, "linux-image*"));
	g_assert_false(result->core);
	g_assert_false(result->weak_deps);
	g_assert_false(result->docs);
}

static void
test_request_of_vm(void)
{
	g_autoptr(AshImageType) type = load("azure-vm");
	g_autoptr(AshPackageRequest) request = sample_request();
	g_autoptr(AshPackageRequest) result = ash_image_type_dup_request(type, request);

	g_assert_cmpuint(g_strv_length(result->names), ==, 5);
	g_assert_true(contains(result->names, "waagent"));
	g_assert_true(contains(result->groups, "core"));
	g_assert_true(contains(result->environments, "server"));
	g_assert_true(result->core);
	g_assert_true(result->weak_deps);
	g_assert_true(result->docs);
}

static JsonObject *
load_schema(void)
{
	g_autofree char *path = g_build_filename(data_dir, "data", "imgtype.schema.json", NULL);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	JsonObject *schema = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, &error));
	schema = ash_json_parse_object(text, -1, path, &error);
	g_assert_no_error(error);
	return schema;
}

/* Leaves of the schema by path: "packages.add" -> its object; "partition" is the one array of
 * tables. */
static void
collect_leaves(GHashTable *leaves, const char *prefix, JsonObject *table)
{
	JsonObject *properties = json_object_get_object_member(table, "properties");
	g_autoptr(GList) names = json_object_get_members(properties);

	g_assert_false(json_object_get_boolean_member(table, "additionalProperties"));
	for (GList *name = names; name != NULL; name = name->next) {
		JsonObject *node = json_object_get_object_member(properties, name->data);
		g_autofree char *path = g_strconcat(prefix, name->data, NULL);
		g_autofree char *below = g_strconcat(path, ".", NULL);

		g_assert_true(json_object_has_member(node, "description"));
		if (json_object_has_member(node, "properties"))
			collect_leaves(leaves, below, node);
		else if (g_str_equal(path, ASH_IMG_PARTITION))
			collect_leaves(leaves, below, json_object_get_object_member(node, "items"));
		else
			g_hash_table_insert(leaves, g_steal_pointer(&path), node);
	}
}

static void
check_choices(const AshImgKey *key, char **choices, JsonObject *node)
{
	JsonObject *holder =
		key->type == ASH_TOML_STRINGS ? json_object_get_object_member(node, "items") : node;
	JsonArray *values = json_object_get_array_member(holder, "enum");

	g_assert_cmpuint(json_array_get_length(values), ==, g_strv_length(choices));
	for (guint i = 0; choices[i] != NULL; i++)
		g_assert_cmpstr(json_array_get_string_element(values, i), ==, choices[i]);
}

static void
check_leaf(const AshImgKey *key, JsonObject *node)
{
	static const char *const types[] = {
		[ASH_TOML_STRING] = "string",
		[ASH_TOML_INTEGER] = "integer",
		[ASH_TOML_BOOLEAN] = "boolean",
		[ASH_TOML_STRINGS] = "array",
	};
	g_auto(GStrv) choices = ash_img_key_dup_choices(key);

	g_assert_cmpstr(json_object_get_string_member(node, "type"), ==, types[key->type]);
	if (key->type == ASH_TOML_INTEGER) {
		g_assert_cmpint(json_object_get_int_member(node, "minimum"), ==, key->min);
		g_assert_cmpint(json_object_get_int_member(node, "maximum"), ==, key->max);
	}
	if (choices != NULL)
		check_choices(key, choices, node);
	else
		g_assert_false(json_object_has_member(node, "enum"));
}

static void
test_schema_agrees(void)
{
	g_autoptr(JsonObject) schema = load_schema();
	g_autoptr(GHashTable) leaves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	guint n = 0;
	const AshImgKey *keys = ash_img_keys(&n);

	collect_leaves(leaves, "", schema);
	for (guint i = 0; i < n; i++) {
		JsonObject *node = g_hash_table_lookup(leaves, keys[i].path);

		if (node == NULL)
			g_error("key \"%s\" is not in the schema", keys[i].path);
		check_leaf(&keys[i], node);
	}
	g_assert_cmpuint(g_hash_table_size(leaves), ==, n);
}

/* The manual page names every key. */
static void
test_manual_agrees(void)
{
	g_autofree char *path = g_build_filename(data_dir, "data", "man", "ashlar.imgtype.5", NULL);
	g_autofree char *text = NULL;
	guint n = 0;
	const AshImgKey *keys = ash_img_keys(&n);

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	for (guint i = 0; i < n; i++) {
		const char *dot = strrchr(keys[i].path, '.');
		g_autofree char *macro =
			g_strdup_printf(".It Ic %s ", dot != NULL ? dot + 1 : keys[i].path);

		if (strstr(text, macro) == NULL)
			g_error("key \"%s\" is not in the manual page", keys[i].path);
	}
}

static void
test_choices_are_parsed(void)
{
	guint n = 0;
	const AshImgKey *keys = ash_img_keys(&n);

	for (guint i = 0; i < n; i++) {
		g_auto(GStrv) choices = ash_img_key_dup_choices(&keys[i]);

		for (guint j = 0; choices != NULL && choices[j] != NULL; j++) {
			g_autoptr(GArray) formats =
				g_array_new(FALSE, FALSE, sizeof(AshDiskFormat));
			gpointer field = formats;
			char *strings[] = { choices[j], NULL };
			AshTomlItem item = { .type = keys[i].type,
					     .string = choices[j],
					     .strings = strings };
			g_autoptr(GError) error = NULL;

			g_assert_true(keys[i].set(&keys[i], &field, &item, false, &error));
			g_assert_no_error(error);
		}
	}
}

static void
test_inheritance(void)
{
	static const char text[] = "base = \"container\"\n[packages]\nadd = [\"nginx\"]\ndrop = "
				   "[\"@base\", \"bash\"]\n"
				   "[oci]\ncmd = []\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(AshImageType) type =
		ash_imgtype_parse(text, strlen(text), "/nonexistent/web.toml", data_dir, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(type->name, ==, "web");
	/* The name of the base is not inherited, nor is what is named after it. */
	g_assert_cmpstr(type->variant, ==, "web");
	g_assert_true(contains(type->packages_drop, "dracut*"));
	g_assert_true(contains(type->packages_drop, "bash"));
	g_assert_true(contains(type->packages_add, "nginx"));
	g_assert_cmpuint(g_strv_length(type->oci_cmd), ==, 0);
}

/* A command's words are kept as they are; other lists are sets. */
static void
test_container(void)
{
	static const char text[] = "kind = \"oci\"\n[oci]\ncmd = [\"x\", \"-v\", \"-v\", \"\"]\nports = [\"80\", \"53/udp\", \"80\"]\n"
				   "user = \"1000:web\"\nstop_signal = \"SIGRTMIN+3\"\nvolumes = [\"/data\"]\nannotations = [\"a.b=c=d\"]\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(AshImageType) type = ash_imgtype_parse(text, strlen(text), "/nonexistent/web.toml", data_dir, &error);
	g_autofree char *cmd = NULL, *ports = NULL;

	g_assert_no_error(error);
	cmd = g_strjoinv(" ", type->oci_cmd);
	g_assert_cmpstr(cmd, ==, "x -v -v ");
	ports = g_strjoinv(" ", type->oci_ports);
	g_assert_cmpstr(ports, ==, "80 53/udp");
	g_assert_cmpstr(type->oci_user, ==, "1000:web");
	g_assert_cmpstr(type->oci_stop_signal, ==, "SIGRTMIN+3");
}

/* Characters outside ASCII go round toml++ as escapes, and come back; lines stay where they are. */
static void
test_not_ascii(void)
{
	static const char text[] = "# \xc3\x9c\ndescription = \"\xc3\x9c \xf0\x9f\x98\x80 "
				   "\\\"q\\u00e4\" # \xe2\x82\xac\n"
				   "[packages]\nadd = [\"\"\"\xc3\xa4\"\"x\"\"\"]\nx = 1\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) items = ash_toml_parse(text, strlen(text), "x.toml", &error);
	const AshTomlItem *item = NULL;

	g_assert_no_error(error);
	g_assert_cmpuint(items->len, ==, 4);
	item = g_ptr_array_index(items, 0);
	g_assert_cmpstr(item->string, ==, "\xc3\x9c \xf0\x9f\x98\x80 \"q\xc3\xa4");
	item = g_ptr_array_index(items, 2);
	g_assert_cmpstr(item->strings[0], ==, "\xc3\xa4\"\"x");
	item = g_ptr_array_index(items, 3);
	g_assert_cmpuint(item->line, ==, 5);
}

/* What a person asks for on the command line. */
static void
test_other_formats(void)
{
	static const char *const good[] = { "vhd", "raw", "vhd", NULL }, *const bad[] = { "raw", "floppy", NULL };
	g_autoptr(AshImageType) type = load("qemu-vm");
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_imgtype_set_formats(type, NULL, &error));
	g_assert_cmpuint(type->formats->len, ==, 1);
	g_assert_true(ash_imgtype_set_formats(type, good, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(type->formats->len, ==, 2);
	g_assert_false(ash_imgtype_set_formats(type, bad, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
	g_assert_nonnull(strstr(error->message, "\"floppy\""));
}

int
main(int argc, char **argv)
{
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : ".";
	int result = 0;

	g_test_init(&argc, &argv, NULL);
	data_dir = g_canonicalize_filename(top, NULL);
	golden_add("/imgtype/must-fail", "imgtype/must-fail", ".toml", ".error", format_error);
	g_test_add_func("/imgtype/shipped", test_shipped);
	g_test_add_func("/imgtype/qemu-vm", test_qemu_vm);
	g_test_add_func("/imgtype/other-formats", test_other_formats);
	g_test_add_func("/imgtype/azure-vm", test_azure_vm);
	g_test_add_func("/imgtype/encryption", test_encryption);
	g_test_add_func("/imgtype/azurelinux", test_azurelinux);
	g_test_add_func("/imgtype/archives", test_archives);
	g_test_add_func("/imgtype/request-of-container", test_request_of_container);
	g_test_add_func("/imgtype/request-of-vm", test_request_of_vm);
	g_test_add_func("/imgtype/inheritance", test_inheritance);
	g_test_add_func("/imgtype/container", test_container);
	g_test_add_func("/imgtype/schema-agrees", test_schema_agrees);
	g_test_add_func("/imgtype/manual-agrees", test_manual_agrees);
	g_test_add_func("/toml/not-ascii", test_not_ascii);
	g_test_add_func("/imgtype/choices-are-parsed", test_choices_are_parsed);
	result = g_test_run();
	g_free(data_dir);
	return result;
}
