/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we write must not change unnoticed: nodes find blocks of an old version by their digests.
 * The digests are in tests/golden/disk/digests; after a wanted change ASHLAR_UPDATE_GOLDEN=1 makes
 * this program write them anew.
 */
#include "disk/erofs/erofs.h"
#include "disk/format/qcow2.h"
#include "disk/format/vhd.h"
#include "disk/gpt/gpt.h"
#include "disk/gpt/place.h"
#include "disk/uki/uki.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "test-disk-common.h"
#include "test-disk-pe.h"

static const AshUuid uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static char *
make_erofs(Fixture *fixture)
{
	g_autoptr(AshFsTree) tree = tree_new();
	AshFsNode *usr = tree_dir(tree->root, "usr");
	AshFsNode *many = tree_dir(usr, "many");
	AshErofsOptions options = {.uuid = uuid, .label = "golden", .epoch = TEST_EPOCH};
	ash_autofd int fd = fixture_create(fixture, "erofs", 0);
	g_autofree char *target = g_strnfill(3000, 't');
	g_autoptr(GError) error = NULL;
	AshFsNode *node;
	g_autoptr(AshErofs) erofs = NULL;

	for (guint i = 0; i < 700; i++) {
		g_autofree char *name = g_strdup_printf("file-%u", i);
		g_autofree char *content = g_strnfill(i * 13, 'c');

		tree_file(many, name, content);
	}
	tree_link(usr, "long", target);
	tree_link(usr, "short", "many");
	node = tree_file(usr, "labelled", "x");
	ash_fs_node_add_xattr(node, "security.selinux", "system_u:object_r:usr_t:s0", 27);
	tree_hardlink(usr, "again", node);
	ash_fs_tree_finish(tree);
	erofs = ash_erofs_new(fixture->ctx, tree, &options, &error);
	g_assert_no_error(error);
	ash_erofs_write(fixture->ctx, erofs, fd, 0, NULL, NULL, &error);
	g_assert_no_error(error);
	return digest_of(fd);
}

static char *
make_verity(Fixture *fixture)
{
	ash_autofd int fd = fixture_create(fixture, "verity", 0);
	guint8 salt[ASH_VERITY_SALT_BYTES] = {5};
	guint8 root_hash[ASH_SHA256_SIZE];
	AshVerityPlace place = {.fd = fd, .data_bytes = 300 * 4096, .hash_offset = 300 * 4096};
	g_autoptr(GError) error = NULL;

	for (guint i = 0; i < 300; i += 3)
		g_assert_cmpint(pwrite(fd, &i, sizeof(i), i * 4096), ==, sizeof(i));
	place.hash_bytes = ash_hash_area_bytes(place.data_bytes);
	g_assert_cmpint(ftruncate(fd, (off_t) (place.hash_offset + place.hash_bytes)), ==, 0);
	ash_verity_format(fixture->ctx, &place, salt, &uuid, root_hash, &error);
	g_assert_no_error(error);
	return digest_of(fd);
}

static char *
make_gpt(Fixture *fixture)
{
	g_autoptr(AshLayout) layout = ash_layout_new();
	ash_autofd int fd = fixture_create(fixture, "gpt", 8 << 20);
	guint64 content[3] = {0};
	g_autoptr(GError) error = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(content); i++) {
		AshPartition *partition = ash_partition_new((AshPartitionRole) i);

		partition->size = 1 << 20;
		partition->label = g_strdup_printf("demo_%u", i);
		partition->uuid = uuid;
		partition->uuid.bytes[0] = (guint8) i;
		partition->flags = i == 1 ? ASH_GPT_FLAG_READ_ONLY : 0;
		g_ptr_array_add(layout->partitions, partition);
	}
	layout->disk_uuid = uuid;
	layout->size = 8 << 20;
	g_assert_true(ash_place_layout(layout, content, NULL));
	ash_gpt_write(fd, layout, &error);
	g_assert_no_error(error);
	return digest_of(fd);
}

static char *
make_uki(Fixture *fixture)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", 0x400);
	g_autoptr(GBytes) kernel = g_bytes_new_static("kernel", 6);
	g_autoptr(AshContent) linux_ = ash_content_new_from_bytes(kernel);
	AshUkiParts parts = {
	    .stub = stub, .linux_ = linux_, .osrel = kernel, .cmdline = "quiet", .uname = "6.1"};
	g_autoptr(AshContent) content = ash_uki_build(&parts, NULL);
	g_autoptr(GBytes) uki = ash_content_load(content, NULL);

	return ash_sha256_hex(g_bytes_get_data(uki, NULL), (gssize) g_bytes_get_size(uki));
}

static char *
make_vhd(Fixture *fixture)
{
	ash_autofd int fd = fixture_create(fixture, "vhd", 40 << 20);

	g_assert_true(ash_vhd_append_footer(fd, 40 << 20, &uuid, TEST_EPOCH, NULL));
	return digest_of(fd);
}

static char *
make_qcow2(Fixture *fixture)
{
	ash_autofd int raw_fd = fixture_create(fixture, "raw", 700 << 20);
	ash_autofd int fd = fixture_create(fixture, "qcow2", 0);
	char *sha256 = NULL;

	for (off_t at = 4096; at < 700 << 20; at += 37 << 20)
		g_assert_cmpint(pwrite(raw_fd, "data", 4, at), ==, 4);
	g_autoptr(AshReread) raw = ash_reread_new(raw_fd, NULL);
	g_assert_true(ash_qcow2_write(fixture->ctx, raw, 700 << 20, fd, &sha256, NULL));
	return sha256;
}

static const struct {
	const char *name;
	char *(*make)(Fixture *fixture);
} cases[] = {
    {"erofs", make_erofs}, {"verity", make_verity}, {"gpt", make_gpt},
    {"uki", make_uki},     {"vhd", make_vhd},     {"qcow2", make_qcow2},
};

static void
test_digests(Fixture *fixture, gconstpointer data)
{
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : "..";
	g_autofree char *path = g_build_filename(top, "tests/golden/disk/digests", NULL);
	g_autoptr(GString) found = g_string_new(NULL);
	g_autofree char *expected = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *digest = cases[i].make(fixture);

		g_string_append_printf(found, "%s %s\n", cases[i].name, digest);
	}
	if (g_getenv("ASHLAR_UPDATE_GOLDEN") != NULL)
		g_assert_true(g_file_set_contents(path, found->str, -1, NULL));
	g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
	g_assert_cmpstr(found->str, ==, expected);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/disk/golden/digests", Fixture, NULL, fixture_set_up, test_digests,
		   fixture_tear_down);
	return g_test_run();
}
