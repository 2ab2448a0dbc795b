/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/boot.h"
#include "disk/gpt/gpt.h"
#include "disk/image/image.h"
#include "disk/inspect/inspect.h"
#include "disk/uki/uki.h"
#include "disk/verity/verity.h"
#include "disk/vfat/vfat.h"
#include "test-disk-common.h"
#include "test-disk-pe.h"

#include <sys/resource.h>

static const AshUuid seed = {{0xa5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

/* As much of a system as a disk needs; @initramfs as tree_file() has it. */
static AshFsTree *
make_system_with(Fixture *fixture, const char *initramfs)
{
	AshFsTree *tree = tree_new();
	AshFsNode *usr = tree_dir(tree->root, "usr");
	AshFsNode *lib = tree_dir(usr, "lib");
	AshFsNode *modules = tree_dir(tree_dir(lib, "modules"), "6.1.0-test");
	AshFsNode *systemd = tree_dir(lib, "systemd");
	AshFsNode *efi = tree_dir(tree_dir(systemd, "boot"), "efi");
	g_autofree char *stub = pe_make_stub_file(fixture->dir, 0x400);

	tree_link(tree->root, "lib", "usr/lib");
	tree_dir(tree->root, "var");
	tree_file(lib, "os-release", "ID=demo\nVERSION_ID=1\nPRETTY_NAME=\"Demo 1\"\n");
	tree_file(tree_dir(lib, "ashlar"), "packages.lock", "demo-1-1.noarch\n");
	tree_file(modules, "vmlinuz", "this is a kernel");
	tree_file(modules, "initramfs.img", initramfs);
	tree_file(efi, "linuxx64.efi.stub", stub);
	tree_file(efi, "systemd-bootx64.efi", "this is a boot loader");
	tree_file(usr, "data", "@20000000");
	ash_fs_tree_finish(tree);
	return tree;
}

static AshFsTree *
make_system(Fixture *fixture)
{
	return make_system_with(fixture, "@3000000");
}

static AshFsTree *
make_var(void)
{
	AshFsTree *tree = tree_new();
	AshFsNode *log = tree_dir(tree_dir(tree->root, "log"), "journal");

	log->mode = S_IFDIR | 02755;
	log->gid = 190;
	tree_link(tree->root, "run", "../run");
	ash_fs_tree_finish(tree);
	return tree;
}

static AshPartition *
add_partition(AshLayout *layout, AshPartitionRole role, AshFsKind fs, char slot, const char *label,
	      guint64 mib)
{
	AshPartition *partition = ash_partition_new(role);

	partition->fs = fs;
	partition->slot = slot;
	partition->label = g_strdup(label);
	partition->size = mib * 1024 * 1024;
	partition->read_only = role == ASH_PARTITION_ROOT || role == ASH_PARTITION_ROOT_VERITY;
	g_ptr_array_add(layout->partitions, partition);
	return partition;
}

static AshImageType *
make_type(AshFsKind root_fs, bool verity)
{
	static const AshDiskFormat formats[] = {ASH_DISK_RAW, ASH_DISK_QCOW2, ASH_DISK_VHD};
	AshImageType *type = ash_image_type_new("vm");
	AshLayout *layout = ash_layout_new();

	type->kind = ASH_IMAGE_DISK;
	g_clear_pointer(&type->layout, ash_layout_free);
	type->layout = layout;
	g_free(type->kernel_cmdline);
	type->kernel_cmdline = g_strdup("console=ttyS0 rw");
	type->boot_tries = 3;
	type->boot_timeout = 2;
	g_array_set_size(type->formats, 0);
	g_array_append_vals(type->formats, formats, G_N_ELEMENTS(formats));
	add_partition(layout, ASH_PARTITION_ESP, ASH_FS_VFAT, 0, "esp", 64);
	add_partition(layout, ASH_PARTITION_ROOT, root_fs, 'a', "@NAME@_@VERSION@", 0)
	    ->headroom_percent = 50;
	if (verity) {
		add_partition(layout, ASH_PARTITION_ROOT_VERITY, ASH_FS_NONE, 'a',
			      "@NAME@_@VERSION@_verity", 0);
		add_partition(layout, ASH_PARTITION_ROOT, root_fs, 'b', "_empty", 0)->empty = true;
		add_partition(layout, ASH_PARTITION_ROOT_VERITY, ASH_FS_NONE, 'b', "_empty", 0)
		    ->empty = true;
	}
	add_partition(layout, ASH_PARTITION_VAR, ASH_FS_EXT4, 0, "var", 64)->grow = true;
	return type;
}

static GPtrArray *
build_with(Fixture *fixture, const AshImageType *type, const char *stem, bool checksums)
{
	g_autoptr(AshFsTree) tree = make_system(fixture);
	g_autoptr(AshFsTree) var = make_var();
	g_autoptr(GPtrArray) artifacts =
	    g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autoptr(GError) error = NULL;
	g_autofree char *output_dir = fixture_path(fixture, "out");
	AshDiskRequest request = {
	    .tree = tree,
	    .var_tree = var,
	    .type = type,
	    .name = "demo",
	    .version = "1.0",
	    .stem = stem,
	    .seed = seed,
	    .epoch = TEST_EPOCH,
	    .kernel_append = " quiet ",
	    .boot_timeout = -1,
	    .output_dir = output_dir,
	    .checksums = checksums,
	};

	g_assert_true(ash_file_mkdirs(AT_FDCWD, output_dir, 0755, &error));
	ash_disk_build(fixture->ctx, &request, artifacts, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(artifacts->len, ==, type->formats->len);
	/* What the root of a verity disk does without is only left out of that. */
	g_assert_nonnull(ash_boot_find_initrd(tree));
	return g_steal_pointer(&artifacts);
}

static GPtrArray *
build(Fixture *fixture, const AshImageType *type, const char *stem)
{
	return build_with(fixture, type, stem, true);
}

static bool
have_tools(void)
{
	return have_program("qemu-img");
}

static void
check_partitions(int fd, const char *root_hash)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshLayout) layout = ash_gpt_read(fd, &error);
	guint8 hash[ASH_SHA256_SIZE];
	AshUuid data_uuid, hash_uuid;
	AshPartition *root, *verity;

	g_assert_no_error(error);
	g_assert_cmpuint(layout->partitions->len, ==, 6);
	root = ash_layout_find(layout, ASH_PARTITION_ROOT, 0);
	verity = ash_layout_find(layout, ASH_PARTITION_ROOT_VERITY, 0);
	g_assert_cmpstr(root->label, ==, "demo_1.0");
	g_assert_cmpstr(verity->label, ==, "demo_1.0_verity");
	g_assert_true(ash_hex_decode(root_hash, hash, sizeof(hash)));
	ash_verity_partition_uuids(hash, &data_uuid, &hash_uuid);
	g_assert_cmpmem(&root->uuid, 16, &data_uuid, 16);
	g_assert_cmpmem(&verity->uuid, 16, &hash_uuid, 16);
	g_assert_cmpuint(root->flags, ==, ASH_GPT_FLAG_READ_ONLY);
	g_assert_cmpstr(((AshPartition *) layout->partitions->pdata[3])->label, ==, "_empty");
	g_assert_cmpuint(((AshPartition *) layout->partitions->pdata[3])->size, ==, root->size);
	g_assert_cmpuint(((AshPartition *) layout->partitions->pdata[3])->flags & ASH_GPT_FLAG_NO_AUTO, !=, 0);
	g_assert_cmpuint(((AshPartition *) layout->partitions->pdata[5])->flags, ==,
			 ASH_GPT_FLAG_GROW);
}

static void
check_esp(int fd, const char *root_hash)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshLayout) layout = ash_gpt_read(fd, &error);
	g_autoptr(AshVfatReader) fat =
	    ash_vfat_open(fd, ash_layout_find(layout, ASH_PARTITION_ESP, 0)->offset, &error);
	g_auto(GStrv) names = ash_vfat_list(fat, "EFI/Linux", &error);
	g_autoptr(GBytes) uki = ash_vfat_load(fat, "efi/linux/demo_1.0+3.efi", &error);
	g_autoptr(GArray) sections = ash_uki_list(uki, &error);
	g_autofree char *cmdline = ash_uki_get_text(uki, sections, ".cmdline");
	g_autofree char *expected =
	    g_strdup_printf("roothash=%s console=ttyS0 rw quiet", root_hash);
	g_autofree char *uname = ash_uki_get_text(uki, sections, ".uname");

	g_assert_no_error(error);
	g_assert_cmpstr(names[0], ==, "demo_1.0+3.efi");
	g_assert_null(names[1]);
	g_assert_cmpstr(cmdline, ==, expected);
	g_assert_cmpstr(uname, ==, "6.1.0-test");
}

/* Every partition looked at by the programs that own its format. */
static void
test_others(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);
	g_autoptr(GPtrArray) artifacts = NULL;
	g_autoptr(AshLayout) layout = NULL;
	g_autofree char *raw = fixture_path(fixture, "out/disk.raw");
	ash_autofd int fd = -1;
	static const char *const checks[] = {"fsck.vfat -n", "fsck.erofs", NULL,
					     NULL,           NULL,         "e2fsck -fn"};

	if (!have_tools() || !have_program("sfdisk") || !have_program("e2fsck") ||
	    !have_program("fsck.erofs") || !have_program("veritysetup"))
		return;
	artifacts = build(fixture, type, "disk");
	fd = open(raw, O_RDONLY | O_CLOEXEC);
	check_partitions(fd, ((AshArtifact *) artifacts->pdata[0])->root_hash);
	check_esp(fd, ((AshArtifact *) artifacts->pdata[0])->root_hash);
	layout = ash_gpt_read(fd, NULL);
	g_free(run_command(0, "sfdisk --verify '%s' | grep -q 'No errors detected'", raw));
	for (guint i = 0; i < layout->partitions->len; i++) {
		AshPartition *partition = layout->partitions->pdata[i];
		g_autofree char *part = g_strdup_printf("%s/part-%u", fixture->dir, i);

		g_free(run_command(0,
				   "dd if='%s' of='%s' bs=1M conv=sparse skip=%" G_GUINT64_FORMAT
				   " count=%" G_GUINT64_FORMAT
				   " status=none && truncate -s %" G_GUINT64_FORMAT " '%s'",
				   raw, part, partition->offset >> 20, partition->size >> 20,
				   partition->size, part));
		if (checks[i] != NULL)
			g_free(run_command(0, "%s '%s'", checks[i], part));
	}
	g_free(run_command(0, "veritysetup verify '%s/part-1' '%s/part-2' %s", fixture->dir,
			   fixture->dir, ((AshArtifact *) artifacts->pdata[0])->root_hash));
}

static void
test_formats(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);
	g_autoptr(GPtrArray) artifacts = NULL;
	g_autofree char *output = NULL;
	struct stat st;
	g_autofree char *raw = fixture_path(fixture, "out/disk.raw");
	g_autofree char *expected = NULL;

	if (!have_tools())
		return;
	artifacts = build(fixture, type, "disk");
	g_assert_cmpint(stat(raw, &st), ==, 0);
	/* Most of the disk is room: holes. */
	g_assert_cmpint(st.st_blocks * 512, <, st.st_size / 2);
	expected = g_strdup_printf("\"virtual-size\": %" G_GINT64_FORMAT ",", (gint64) st.st_size);
	output =
	    run_command(0, "cd '%s/out' && qemu-img info --output=json disk.qcow2", fixture->dir);
	g_assert_nonnull(strstr(output, expected));
	g_free(output);
	output = run_command(0, "cd '%s/out' && qemu-img info -f vpc --output=json disk.vhd",
			     fixture->dir);
	g_assert_nonnull(strstr(output, expected));
	g_free(output);
	output = run_command(0,
			     "cd '%s/out' && qemu-img compare disk.raw disk.qcow2 && qemu-img "
			     "compare -f raw -F vpc disk.raw disk.vhd",
			     fixture->dir);
	g_free(output);
	output = run_command(0, "cd '%s/out' && ls -A", fixture->dir);
	g_assert_cmpstr(output, ==, "disk.qcow2\ndisk.raw\ndisk.vhd\n");
}

/* What is said is what others compute; a raw disk beside others has one only on request, and one alone always. */
static void
test_digests(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);

	if (!have_tools())
		return;
	for (guint n_formats = 3; n_formats > 0; n_formats--) {
		for (guint checksums = 0; checksums < 2; checksums++) {
			g_autoptr(GPtrArray) artifacts = NULL;

			g_array_set_size(type->formats, n_formats);
			artifacts = build_with(fixture, type, "disk", checksums);
			for (guint i = 0; i < artifacts->len; i++) {
				const AshArtifact *artifact = artifacts->pdata[i];
				g_autofree char *sum = run_command(0, "sha256sum <'%s'", artifact->path);

				if (i == 0 && n_formats > 1 && !checksums)
					g_assert_null(artifact->sha256);
				else
					g_assert_true(g_str_has_prefix(sum, artifact->sha256));
			}
		}
	}
}

static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(GPOINTER_TO_INT(data), true);
	g_autoptr(GPtrArray) one = NULL;
	g_autoptr(GPtrArray) two = NULL;

	if (!have_tools())
		return;
	one = build(fixture, type, "one");
	g_usleep(2100 * 1000); /* FAT times have two-second steps */
	two = build(fixture, type, "two");
	for (guint i = 0; i < one->len; i++)
		g_assert_cmpstr(((AshArtifact *) one->pdata[i])->sha256, ==,
				((AshArtifact *) two->pdata[i])->sha256);
}

/* Kilobytes that this process and its children have had at most. */
static glong
get_peak(void)
{
	struct rusage ours, theirs;

	g_assert_cmpint(getrusage(RUSAGE_SELF, &ours), ==, 0);
	g_assert_cmpint(getrusage(RUSAGE_CHILDREN, &theirs), ==, 0);
	return MAX(ours.ru_maxrss, theirs.ru_maxrss);
}

/* It goes from the store to the disk without ever being in memory as a whole. */
static void
test_large_initramfs(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);
	g_autoptr(AshFsTree) tree = make_system_with(fixture, "@300000000");
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autoptr(GError) error = NULL;
	AshDiskRequest request = {
	    .tree = tree,
	    .type = type,
	    .name = "demo",
	    .version = "1.0",
	    .stem = "large",
	    .seed = seed,
	    .epoch = TEST_EPOCH,
	    .boot_timeout = -1,
	    .output_dir = fixture->dir,
	};
	glong before;

	if (!have_tools())
		return;
	ash_layout_find(type->layout, ASH_PARTITION_ESP, 0)->size = (guint64) 640 << 20;
	g_array_set_size(type->formats, 2);
	before = get_peak();
	ash_disk_build(fixture->ctx, &request, artifacts, &error);
	g_assert_no_error(error);
	/* The sanitizers take memory of their own. */
	g_assert_cmpint(get_peak() - before, <, 100000);
}

static AshDiskInfo *
inspect(Fixture *fixture, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/out/%s", fixture->dir, name);
	g_autoptr(GError) error = NULL;
	AshDiskInfo *info = ash_disk_inspect(fixture->ctx, path, &error);

	g_assert_no_error(error);
	return info;
}

static void
check_info(const AshDiskInfo *info, const char *root_hash)
{
	static const char *const contents[] = {"vfat", "erofs", "verity", "zero", "zero", "ext4"};
	const AshDiskUki *uki = info->ukis->pdata[0];
	const AshDiskRoot *root = info->roots->pdata[0];

	g_assert_cmpuint(info->contents->len, ==, G_N_ELEMENTS(contents));
	for (guint i = 0; i < G_N_ELEMENTS(contents); i++)
		g_assert_cmpstr(((AshDiskContent *) info->contents->pdata[i])->content, ==,
				contents[i]);
	g_assert_cmpstr(((AshDiskContent *) info->contents->pdata[0])->fs_label, ==, "ESP");
	g_assert_cmpstr(((AshDiskContent *) info->contents->pdata[5])->fs_label, ==, "var");
	g_assert_true(info->boots_by_default);
	g_assert_cmpstr(info->loader_conf, ==, "timeout 2\n");
	g_assert_cmpuint(info->ukis->len, ==, 1);
	g_assert_null(uki->problem);
	g_assert_cmpstr(uki->path, ==, "EFI/Linux/demo_1.0+3.efi");
	g_assert_cmpstr(uki->root_hash, ==, root_hash);
	g_assert_nonnull(strstr(uki->os_release, "VERSION_ID=1"));
	g_assert_cmpuint(info->roots->len, ==, 1);
	g_assert_null(root->problem);
	g_assert_cmpint(root->verity, ==, ASH_DISK_VALID);
	g_assert_cmpstr(root->root_hash, ==, root_hash);
	g_assert_cmpstr(root->lock, ==, "demo-1-1.noarch\n");
	g_assert_nonnull(strstr(root->os_release, "ID=demo"));
}

/* All formats show the same disk. */
static void
test_inspect(Fixture *fixture, gconstpointer data)
{
	static const char *const names[] = {"disk.raw", "disk.qcow2", "disk.vhd"};
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);
	g_autoptr(GPtrArray) artifacts = NULL;
	guint64 disk_bytes = 0;

	if (!have_tools())
		return;
	artifacts = build(fixture, type, "disk");
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(AshDiskInfo) info = inspect(fixture, names[i]);

		g_assert_cmpint(info->format, ==, i);
		g_assert_true(disk_bytes == 0 || disk_bytes == info->disk_bytes);
		disk_bytes = info->disk_bytes;
		check_info(info, ((AshArtifact *) artifacts->pdata[i])->root_hash);
	}
}

/* One flipped bit in a root's data must be found, and named. */
static void
test_inspect_damage(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);
	g_autoptr(GPtrArray) artifacts = NULL;
	g_autoptr(AshDiskInfo) good = NULL;
	g_autoptr(AshDiskInfo) bad = NULL;
	g_autofree char *raw = fixture_path(fixture, "out/disk.raw");
	ash_autofd int fd = -1;
	AshDiskRoot *root;

	if (!have_tools())
		return;
	artifacts = build(fixture, type, "disk");
	good = inspect(fixture, "disk.raw");
	fd = open(raw, O_WRONLY | O_CLOEXEC);
	root = good->roots->pdata[0];
	g_assert_cmpint(pwrite(fd, "!", 1, (off_t) root->partition->offset + 3 * 4096 + 17), ==, 1);
	bad = inspect(fixture, "disk.raw");
	root = bad->roots->pdata[0];
	g_assert_cmpint(root->verity, ==, ASH_DISK_INVALID);
	g_assert_nonnull(strstr(root->problem, "data block 3 "));
}

static void
test_inspect_refusals(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = fixture_path(fixture, "zeros");
	g_autofree char *empty = fixture_path(fixture, "empty");
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "zeros", 4 << 20);

	g_assert_null(ash_disk_inspect(fixture->ctx, path, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(ash_disk_inspect(fixture->ctx, fixture->dir, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	close(fixture_create(fixture, "empty", 0));
	g_assert_null(ash_disk_inspect(fixture->ctx, empty, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	/* A qcow2 file that wants /etc/passwd as its backing file. */
	g_assert_cmpint(pwrite(fd, "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\x70\0\0\0\x0b", 20, 0), ==, 20);
	g_assert_null(ash_disk_inspect(fixture->ctx, path, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "refers to another file"));
}

/* Only a VHD: the raw file itself becomes it. */
static void
test_vhd_alone(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EXT4, false);
	g_autoptr(GPtrArray) artifacts = NULL;
	g_autofree char *output = NULL;

	if (!have_tools())
		return;
	g_array_remove_range(type->formats, 0, 2);
	artifacts = build(fixture, type, "disk");
	g_assert_null(((AshArtifact *) artifacts->pdata[0])->root_hash);
	output = run_command(0, "cd '%s/out' && ls -A", fixture->dir);
	g_assert_cmpstr(output, ==, "disk.vhd\n");
}

/* Who wants nothing but qcow2 gets the same as who wants more, though the raw file never has the files. */
static void
test_qcow2_alone(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(GPOINTER_TO_INT(data), true);
	g_autoptr(GPtrArray) all = NULL, alone = NULL;
	g_autofree char *output = NULL;

	if (!have_tools())
		return;
	all = build(fixture, type, "all");
	g_array_remove_index(type->formats, 2);
	g_array_remove_index(type->formats, 0);
	alone = build(fixture, type, "alone");
	const AshArtifact *artifact = alone->pdata[0], *other = all->pdata[1];
	g_assert_cmpstr(artifact->sha256, ==, other->sha256);
	g_assert_cmpstr(artifact->root_hash, ==, other->root_hash);
	output = run_command(0, "cd '%s/out' && cmp alone.qcow2 all.qcow2 && ls -A", fixture->dir);
	g_assert_cmpstr(output, ==, "all.qcow2\nall.raw\nall.vhd\nalone.qcow2\n");
}

static AshFsTree *
load_last(gpointer data)
{
	return data != NULL ? make_system(data) : NULL;
}

/* What was unpacked for the last version serves the next one if it has the same initramfs, and no other. */
static void
test_initramfs_ahead(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshInitrdAhead) ahead = ash_initrd_ahead_new(load_last, fixture, NULL);
	g_autoptr(AshInitrdAhead) first = ash_initrd_ahead_new(load_last, NULL, NULL);
	g_autoptr(AshFsTree) same = make_system(fixture), other = make_system_with(fixture, "@3000001");
	g_autoptr(AshContent) content = ash_initrd_ahead_get(ahead, ash_boot_find_initrd(same));

	g_assert_nonnull(content);
	g_assert_cmpuint(ash_content_get_size(content), ==, 3000000);
	g_assert_null(ash_initrd_ahead_get(ahead, ash_boot_find_initrd(other)));
	g_assert_null(ash_initrd_ahead_get(ahead, NULL));
	g_assert_null(ash_initrd_ahead_get(first, ash_boot_find_initrd(same)));
	g_assert_null(ash_initrd_ahead_get(NULL, ash_boot_find_initrd(same)));
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshImageType) type = make_type(ASH_FS_EROFS, true);
	g_autoptr(AshFsTree) tree = make_system(fixture);
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *output = NULL;
	g_autofree char *output_dir = fixture_path(fixture, "out");
	AshDiskRequest request = {
	    .tree = tree,
	    .type = type,
	    .name = "demo",
	    .version = "1+2",
	    .stem = "x",
	    .output_dir = output_dir,
	};

	g_assert_true(ash_file_mkdirs(AT_FDCWD, output_dir, 0755, &error));
	g_assert_false(ash_disk_build(fixture->ctx, &request, artifacts, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	/* The kernel of make_system() is of Linux 6.1. */
	request.version = "1";
	type->root_compression = ASH_ROOT_COMPRESSION_ZSTD;
	g_assert_false(ash_disk_build(fixture->ctx, &request, artifacts, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "6.10"));
	g_clear_error(&error);
	type->root_compression = ASH_ROOT_COMPRESSION_NONE;
	/* Too small for what goes into it: said before anything is written, and nothing is left. */
	request.version = "1";
	ash_layout_find(type->layout, ASH_PARTITION_ROOT, 'a')->size = 1024 * 1024;
	g_assert_false(ash_disk_build(fixture->ctx, &request, artifacts, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "\"demo_1\""));
	output = run_command(0, "ls -A '%s'", output_dir);
	g_assert_cmpstr(output, ==, "");
}

#define ADD(name, data, func)                                                                      \
	g_test_add("/disk/image/" name, Fixture, data, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("others", NULL, test_others);
	ADD("formats", NULL, test_formats);
	ADD("digests", NULL, test_digests);
	ADD("same-bytes/erofs", GINT_TO_POINTER(ASH_FS_EROFS), test_same_bytes);
	ADD("same-bytes/ext4", GINT_TO_POINTER(ASH_FS_EXT4), test_same_bytes);
	ADD("large-initramfs", NULL, test_large_initramfs);
	ADD("initramfs-ahead", NULL, test_initramfs_ahead);
	ADD("inspect", NULL, test_inspect);
	ADD("inspect-damage", NULL, test_inspect_damage);
	ADD("inspect-refusals", NULL, test_inspect_refusals);
	ADD("vhd-alone", NULL, test_vhd_alone);
	ADD("qcow2-alone/erofs", GINT_TO_POINTER(ASH_FS_EROFS), test_qcow2_alone);
	ADD("qcow2-alone/ext4", GINT_TO_POINTER(ASH_FS_EXT4), test_qcow2_alone);
	ADD("refusals", NULL, test_refusals);
	return g_test_run();
}
