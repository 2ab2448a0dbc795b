/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/size.h"
#include "disk/ext4/ext4.h"
#include "disk/ext4/used.h"
#include "disk/luks/luks.h"
#include "test-disk-common.h"

#define PASSPHRASE   "correct horse"
#define PARTITION    ((guint64) 48 * ASH_MIB)
#define START        ((guint64) 2 * ASH_MIB)
#define RECOVERY_KEY "cccbcdce-cfcgchci-cjckclcn-crctcucv-bcbbbdbe-bfbgbhbi-bjbkblbn-brbtbubv"

static const AshUuid uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

/* Quick: nothing is guarded here. */
static AshEncryption
describe(AshPbkdf pbkdf, int sector_bytes)
{
	AshEncryption how = {
		.kind = ASH_ENCRYPTION_LUKS2,
		.pbkdf = pbkdf,
		.pbkdf_memory = 32,
		.pbkdf_iterations = pbkdf == ASH_PBKDF_ARGON2ID ? 4 : 1000,
		.pbkdf_threads = 1,
		.sector_bytes = sector_bytes,
	};

	ash_encryption_fill_defaults(&how);
	return how;
}

static AshLuks *
make(const AshEncryption *how, const guint8 *test_key)
{
	g_autoptr(AshSecret) passphrase = ash_secret_new(PASSPHRASE, -1);
	g_autoptr(AshSecret) key_file = ash_secret_new("\0\1\n\3", 4);
	g_autoptr(AshSecret) recovery_key = ash_secret_new(RECOVERY_KEY, -1);
	g_autoptr(GError) error = NULL;
	const AshLuksKey keys[] = {
		{ ASH_LUKS_PASSPHRASE, passphrase },
		{ ASH_LUKS_KEY_FILE, key_file },
		{ ASH_LUKS_RECOVERY_KEY, recovery_key },
	};
	const AshLuksOptions options = { uuid, "var", how, keys, G_N_ELEMENTS(keys), test_key };
	AshLuks *luks = ash_luks_new(&options, &error);

	g_assert_no_error(error);
	return luks;
}

/* A disk with the volume in the middle and "x" around it. */
static int
make_disk(Fixture *fixture)
{
	int fd = fixture_create(fixture, "disk", START + PARTITION + ASH_MIB);
	AshExt4Options options = { .uuid = uuid, .label = "var", .epoch = TEST_EPOCH };
	g_autoptr(AshFsTree) tree = tree_new();
	g_autoptr(GError) error = NULL;

	tree_file(tree_dir(tree->root, "lib"), "file", "content of a file");
	ash_fs_tree_finish(tree);
	ash_ext4_write(fixture->ctx, tree, &options, fd, START + ASH_LUKS_DATA_OFFSET, PARTITION - ASH_LUKS_DATA_OFFSET, &error);
	g_assert_no_error(error);
	g_assert_cmpint(pwrite(fd, "x", 1, (off_t) START - 1), ==, 1);
	g_assert_cmpint(pwrite(fd, "x", 1, (off_t) (START + PARTITION)), ==, 1);
	return fd;
}

static void
seal(Fixture *fixture, const AshLuks *luks, int fd, bool fill)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) used = fill ? NULL : ash_ext4_list_used(fd, START + ASH_LUKS_DATA_OFFSET, &error);
	char around[2] = "";

	g_assert_no_error(error);
	ash_luks_seal(fixture->ctx, luks, fd, START, PARTITION, used, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(pread(fd, around, 1, (off_t) START - 1) + pread(fd, around + 1, 1, (off_t) (START + PARTITION)), ==, 2);
	g_assert_cmpmem(around, 2, "xx", 2);
}

static void
in_shell(Fixture *fixture, int status, const char *script)
{
	g_free(run_command(status, "cd '%s' && { %s; }", fixture->dir, script));
}

static void
check_keys(Fixture *fixture)
{
	in_shell(fixture, 0, "dd if=disk of=part bs=1M skip=2 count=48 conv=sparse status=none && truncate -s 48M part");
	in_shell(fixture, 0, "cryptsetup isLuks --type luks2 part && test $(cryptsetup luksUUID part) = 01020304-0506-0708-090a-0b0c0d0e0f10");
	in_shell(fixture, 0, "printf '" PASSPHRASE "' | cryptsetup luksOpen --test-passphrase --key-slot 0 part");
	in_shell(fixture, 0, "printf '\\0\\1\\n\\3' >key && cryptsetup luksOpen --test-passphrase --key-slot 1 --key-file key part");
	in_shell(fixture, 0, "printf " RECOVERY_KEY " | cryptsetup luksOpen --test-passphrase --key-slot 2 part");
	in_shell(fixture, 2, "printf wrong | cryptsetup luksOpen --test-passphrase part");
	in_shell(fixture, 0,
		 "cryptsetup luksDump --dump-json-metadata part | jq -e '.tokens[\"0\"] == {type: \"systemd-recovery\", keyslots: [\"2\"]} and "
		 "(.keyslots | length) == 3 and .segments[\"0\"].offset == \"16777216\" and .segments[\"0\"].size == \"dynamic\"'");
}

/* Free space is garbage then, and still the file system is whole. */
static void
check_content(Fixture *fixture, int sector_bytes)
{
	g_autofree char *top = g_canonicalize_filename(g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : "..", NULL);
	g_autofree char *decrypt = g_strdup_printf("cryptsetup luksDump --batch-mode --dump-volume-key --volume-key-file vk --key-file key part && "
						   "/usr/bin/python3 '%s/tests/unit/luks-decrypt.py' part vk %d plain",
						   top, sector_bytes);

	in_shell(fixture, 0, decrypt);
	in_shell(fixture, 0, "e2fsck -fn plain && debugfs -R 'cat /lib/file' plain | grep -qx 'content of a file'");
}

static bool
can_check(void)
{
	/* The system's own, which has the module. */
	if (!have_program("/usr/bin/python3"))
		return false;
	return have_program("cryptsetup") && have_program("jq") && have_program("e2fsck") && have_program("debugfs");
}

static void
test_open(Fixture *fixture, gconstpointer data)
{
	const AshEncryption how = describe(ASH_PBKDF_ARGON2ID, 4096);
	g_autoptr(AshLuks) luks = make(&how, NULL);
	ash_autofd int fd = make_disk(fixture);

	seal(fixture, luks, fd, false);
	if (!can_check())
		return;
	check_keys(fixture);
	check_content(fixture, 4096);
	in_shell(fixture, 0, "cryptsetup luksDump --dump-json-metadata part | jq -e '.keyslots[\"0\"].kdf.type == \"argon2id\" and .keyslots[\"1\"].kdf.type == \"pbkdf2\"'");
}

static void
test_pbkdf2(Fixture *fixture, gconstpointer data)
{
	const AshEncryption how = describe(ASH_PBKDF_PBKDF2, 512);
	g_autoptr(AshLuks) luks = make(&how, NULL);
	ash_autofd int fd = make_disk(fixture);

	seal(fixture, luks, fd, false);
	if (!can_check())
		return;
	check_keys(fixture);
	check_content(fixture, 512);
	in_shell(fixture, 0, "cryptsetup luksDump --dump-json-metadata part | jq -e '.keyslots[\"0\"].kdf.type == \"pbkdf2\" and .segments[\"0\"].sector_size == 512'");
}

static guint64
count_blocks(int fd)
{
	struct stat st;

	g_assert_cmpint(fstat(fd, &st), ==, 0);
	return (guint64) st.st_blocks;
}

/* Free space stays a hole, unless all is to be encrypted. */
static void
test_holes(Fixture *fixture, gconstpointer data)
{
	const AshEncryption how = describe(ASH_PBKDF_PBKDF2, 4096);
	g_autoptr(AshLuks) luks = make(&how, NULL);
	ash_autofd int fd = make_disk(fixture);
	guint8 end[4096];

	seal(fixture, luks, fd, false);
	g_assert_cmpint(pread(fd, end, sizeof(end), (off_t) (START + PARTITION - sizeof(end))), ==, sizeof(end));
	for (guint i = 0; i < sizeof(end); i++)
		g_assert_cmpint(end[i], ==, 0);
	ash_fd_clear(&fd);
	fd = make_disk(fixture);
	seal(fixture, luks, fd, true);
	g_assert_cmpuint(count_blocks(fd) * 512, >=, PARTITION);
}

/* The volume key of a test makes the content the same twice, the header not. */
static void
test_test_key(Fixture *fixture, gconstpointer data)
{
	const AshEncryption how = describe(ASH_PBKDF_PBKDF2, 4096);
	guint8 content[2][4096];
	guint8 key[64];

	for (guint i = 0; i < sizeof(key); i++)
		key[i] = (guint8) (i * 3);
	for (guint i = 0; i < 2; i++) {
		g_autoptr(AshLuks) luks = make(&how, key);
		ash_autofd int fd = make_disk(fixture);

		seal(fixture, luks, fd, false);
		g_assert_cmpint(pread(fd, content[i], 4096, (off_t) (START + ASH_LUKS_DATA_OFFSET)), ==, 4096);
	}
	g_assert_cmpmem(content[0], 4096, content[1], 4096);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/disk/luks/open", Fixture, NULL, fixture_set_up, test_open, fixture_tear_down);
	g_test_add("/disk/luks/pbkdf2", Fixture, NULL, fixture_set_up, test_pbkdf2, fixture_tear_down);
	g_test_add("/disk/luks/holes", Fixture, NULL, fixture_set_up, test_holes, fixture_tear_down);
	g_test_add("/disk/luks/test-key", Fixture, NULL, fixture_set_up, test_test_key, fixture_tear_down);
	return g_test_run();
}
