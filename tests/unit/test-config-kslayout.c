/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/kickstart.h"
#include "config/kslayout.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
	AshImageType *type;
	GPtrArray *notices;
} Fixture;

static void
add(AshLayout *layout, AshPartitionRole role, AshFsKind fs, char slot, bool empty)
{
	AshPartition *partition = ash_partition_new(role);

	partition->fs = fs;
	partition->slot = slot;
	partition->empty = empty;
	g_free(partition->label);
	partition->label = g_strdup_printf("%s%c", ash_partition_role_to_string(role), slot != 0 ? slot : '0');
	g_ptr_array_add(layout->partitions, partition);
}

/* As our own types for machines: a root with two slots, of which one is empty. */
static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->type = ash_image_type_new("vm");
	fixture->type->kind = ASH_IMAGE_DISK;
	fixture->type->digest = g_strdup("d1");
	fixture->type->layout = ash_layout_new();
	add(fixture->type->layout, ASH_PARTITION_ESP, ASH_FS_VFAT, 0, false);
	add(fixture->type->layout, ASH_PARTITION_ROOT, ASH_FS_EROFS, 'a', false);
	add(fixture->type->layout, ASH_PARTITION_ROOT, ASH_FS_NONE, 'b', true);
	add(fixture->type->layout, ASH_PARTITION_VAR, ASH_FS_EXT4, 0, false);
	fixture->notices = g_ptr_array_new_with_free_func(g_free);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	ash_image_type_free(fixture->type);
	g_ptr_array_unref(fixture->notices);
}

static gboolean
apply(Fixture *fixture, const char *text, GError **error)
{
	g_autoptr(GError) wrong = NULL;
	g_autoptr(AshSpec) spec = ash_kickstart_parse(text, strlen(text), "x.ks", NULL, NULL, &wrong);

	g_assert_no_error(wrong);
	return ash_kslayout_apply(spec, fixture->type, fixture->notices, error);
}

static const AshPartition *
find(const Fixture *fixture, AshPartitionRole role, char slot)
{
	return ash_layout_find(fixture->type->layout, role, slot);
}

static void
test_sizes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(apply(fixture,
			    "part /boot/efi --fstype=efi --size=300\n"
			    "part / --fstype=erofs --size=1000 --grow\n"
			    "part /var --fstype=ext4 --size=64 --grow\n"
			    "part biosboot --size=1\n",
			    &error));
	g_assert_no_error(error);
	g_assert_cmpuint(find(fixture, ASH_PARTITION_ESP, 0)->size, ==, 300 * MIB);
	g_assert_cmpuint(find(fixture, ASH_PARTITION_ROOT, 'a')->size, ==, 1000 * MIB);
	g_assert_cmpuint(find(fixture, ASH_PARTITION_ROOT, 'b')->size, ==, 1000 * MIB);
	g_assert_cmpuint(find(fixture, ASH_PARTITION_VAR, 0)->size, ==, 64 * MIB);
	g_assert_true(find(fixture, ASH_PARTITION_VAR, 0)->grow);
	g_assert_false(find(fixture, ASH_PARTITION_ROOT, 'a')->grow);
	/* "/" keeps its size, and there is no partition for a BIOS: two lines. */
	g_assert_cmpuint(fixture->notices->len, ==, 2);
	g_assert_cmpstr(fixture->type->digest, !=, "d1");
}

static void
test_nothing(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = {
		"", "lang C\n", "autopart\n", "autopart --type=plain --fstype=erofs --noswap\n", "zerombr\nclearpart --all\nreqpart\n",
	};

	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(apply(fixture, texts[i], &error));
		g_assert_no_error(error);
		g_assert_cmpstr(fixture->type->digest, ==, "d1");
		g_assert_cmpuint(fixture->notices->len, ==, 0);
	}
}

static const AshPartition *
find_mounted(const Fixture *fixture, const char *mount_point)
{
	const AshPartition *partition = ash_layout_find_mount_point(fixture->type->layout, mount_point);

	g_assert_nonnull(partition);
	return partition;
}

/* Partitions that the type does not have are made: before /var, which grows, unless it is they who are to grow. */
static void
test_new(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *partitions = fixture->type->layout->partitions;

	((AshPartition *) find(fixture, ASH_PARTITION_VAR, 0))->grow = true;
	g_assert_true(apply(fixture,
			    "part swap --size=64 --label=paging --fsoptions=pri=5\n"
			    "part /srv --size=20 --fstype=ext4 --label=files --fsoptions=nodev,noatime\n"
			    "part /var/log --size=30\n"
			    "part /home --fstype=xfs --size=300 --grow --maxsize=900\n"
			    "part /boot --size=500\n",
			    &error));
	g_assert_no_error(error);
	g_assert_cmpuint(partitions->len, ==, 8);
	g_assert_true(g_ptr_array_index(partitions, 7) == find_mounted(fixture, "/home"));
	g_assert_cmpint(find_mounted(fixture, "/home")->role, ==, ASH_PARTITION_HOME);
	g_assert_cmpint(find_mounted(fixture, "/home")->fs, ==, ASH_FS_XFS);
	g_assert_true(find_mounted(fixture, "/home")->grow);
	g_assert_cmpuint(find_mounted(fixture, "/home")->max_size, ==, 900 * MIB);
	g_assert_false(find(fixture, ASH_PARTITION_VAR, 0)->grow);
	g_assert_cmpstr(find_mounted(fixture, "/srv")->fs_label, ==, "files");
	g_assert_cmpstr(find_mounted(fixture, "/srv")->mount_options, ==, "nodev,noatime");
	g_assert_cmpint(find_mounted(fixture, "/var/log")->role, ==, ASH_PARTITION_LINUX);
	g_assert_cmpstr(find_mounted(fixture, "/var/log")->label, ==, "var-log");
	g_assert_cmpint(find_mounted(fixture, "/var/log")->fs, ==, ASH_FS_EXT4);
	g_assert_cmpint(find(fixture, ASH_PARTITION_SWAP, 0)->fs, ==, ASH_FS_SWAP);
	/* "/boot". */
	g_assert_cmpuint(fixture->notices->len, ==, 1);
	g_assert_cmpuint(fixture->type->mounts->len, ==, 5);
	g_assert_cmpstr(ash_mounts_find(fixture->type->mounts, NULL)->options, ==, "pri=5");
}

static void
test_swap(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(apply(fixture, "part swap --recommended\n", &error));
	g_assert_no_error(error);
	g_assert_cmpuint(find(fixture, ASH_PARTITION_SWAP, 0)->size, ==, 2048 * MIB);
	g_assert_cmpuint(fixture->notices->len, ==, 1);
}

static void
test_no_swap(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	fixture->type->swap = false;
	g_assert_true(apply(fixture, "part swap --size=64\n", &error));
	g_assert_null(find(fixture, ASH_PARTITION_SWAP, 0));
	g_assert_cmpuint(fixture->notices->len, ==, 1);
}

/* Who was said first to grow, does. */
static void
test_two_grow(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	((AshPartition *) find(fixture, ASH_PARTITION_VAR, 0))->grow = true;
	g_assert_true(apply(fixture, "part /var --size=64 --grow\npart /home --size=20 --grow\n", &error));
	g_assert_true(find(fixture, ASH_PARTITION_VAR, 0)->grow);
	g_assert_false(find_mounted(fixture, "/home")->grow);
	g_assert_cmpuint(fixture->notices->len, ==, 1);
}

static void
test_impossible(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "part / --fstype=ext4 --size=9", "x.ks:1: part: \"/\": image type \"vm\" has it in erofs: remove --fstype=ext4" },
		{ "part /usr --size=9", "\"/usr\": image type \"vm\" cannot have it as a partition of its own" },
		{ "part swap", "add --size or --recommended" },
		{ "part /home --size=9 --fstype=btrfs", "say --fstype=ext4 or --fstype=xfs" },
		{ "part /home --size=9 --fstype=erofs", "remove --fstype=erofs" },
		{ "part /home --size=9 --fstype=xfs --label=1234567890123", "at most 12 bytes" },
		{ "part / --size=9 --label=x", "remove --label" },
		{ "part /home --size=9 --mkfsoptions=-K", "remove --mkfsoptions" },
		{ "part /var --size=9 --mkfsoptions=-K", "remove --mkfsoptions" },
		{ "part /var --size=9 --fsoptions=noatime", "remove --fsoptions" },
		{ "part /var --onpart=sda1", "remove --onpart" },
		{ "part pv.1 --size=9", "has no volume group on it" },
		{ "volgroup vg pv.1", "x.ks:1: volgroup: \"vg\": image type \"vm\" has no partition \"pv.1\": say \"part pv.N --size=MIB\"" },
		{ "logvol / --vgname=a --name=b --size=9", "logvol: \"/\": image type \"vm\" has its root in a partition, which is changed as a whole" },
		{ "raid / --device=md0 --level=1 raid.1 raid.2", "raid: \"/\"" },
		{ "btrfs / btrfs.1", "btrfs: \"/\"" },
		{ "mount /dev/sda1 /", "mount: \"/\"" },
		{ "part / --size=9 --ondisk=vda\npart /var --size=9 --ondisk=vdb", "x.ks:2: part: \"/var\": image type \"vm\" is one disk" },
		{ "part / --size=9 --encrypted", "\"/\": image type \"vm\" does not encrypt it" },
		{ "part /boot/efi --size=9 --encrypted", "does not encrypt it" },
		{ "part /var --size=9 --encrypted --luks-version=luks1", "remove --luks-version=luks1" },
		{ "part /var --size=9 --encrypted --cipher=serpent-xts-plain64", "remove --cipher=serpent-xts-plain64" },
		{ "part /var --size=9 --encrypted --pbkdf=argon2i", "say --pbkdf=argon2id" },
		{ "part /var --size=9 --encrypted --pbkdf-time=1000", "say --pbkdf-iterations" },
		{ "part /var --size=9 --encrypted --pbkdf=pbkdf2 --pbkdf-memory=1000", "goes with --pbkdf=argon2id" },
		{ "part /var --size=9 --encrypted --pbkdf=argon2id --pbkdf-memory=1", "takes 32 to" },
		{ "part /var --size=9 --encrypted --pbkdf=pbkdf2 --pbkdf-iterations=9", "takes 1000 at least" },
		{ "autopart --type=lvm", "x.ks:1: autopart: image type \"vm\" has its root in a partition, which is changed as a whole: remove --type=lvm" },
		{ "autopart --type=thinp", "x.ks:1: autopart: image type \"vm\" has plain partitions: remove --type=thinp" },
		{ "autopart --fstype=xfs", "remove --fstype=xfs" },
		{ "ostreecontainer --url=x.example/y", "x.ks:1: ostreecontainer: image type \"vm\" is made of packages: use one with system \"ostree\"" },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(apply(fixture, cases[i].text, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		if (strstr(error->message, cases[i].expected) == NULL)
			g_error("\"%s\" is not in \"%s\"", cases[i].expected, error->message);
	}
}

static void
test_encryption(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	const AshEncryption *encryption = &find(fixture, ASH_PARTITION_VAR, 0)->encryption;

	g_assert_true(apply(fixture, "part /var --size=64 --encrypted --passphrase=x --pbkdf=pbkdf2 --pbkdf-iterations=5000", &error));
	g_assert_no_error(error);
	g_assert_cmpint(encryption->kind, ==, ASH_ENCRYPTION_LUKS2);
	g_assert_true(encryption->passphrase);
	g_assert_cmpint(encryption->pbkdf, ==, ASH_PBKDF_PBKDF2);
	g_assert_cmpint(encryption->pbkdf_iterations, ==, 5000);
	g_assert_cmpint(encryption->key_bits, ==, 256);
	g_assert_true(fixture->type->var_encrypted);
}

static void
test_autopart_encryption(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	const AshEncryption *encryption = &find(fixture, ASH_PARTITION_VAR, 0)->encryption;

	g_assert_true(apply(fixture, "autopart --encrypted --luks-version=luks2 --cipher=aes-xts-plain64 --pbkdf-memory=65536", &error));
	g_assert_no_error(error);
	g_assert_cmpint(encryption->kind, ==, ASH_ENCRYPTION_LUKS2);
	g_assert_cmpint(encryption->pbkdf_memory, ==, 65536);
	g_assert_cmpint(find(fixture, ASH_PARTITION_ROOT, 'a')->encryption.kind, ==, ASH_ENCRYPTION_NONE);
}

/* The kernels of a package-managed system are elsewhere. */
static void
test_root_encryption(Fixture *fixture, gconstpointer data)
{
	const char *const texts[] = { "part / --encrypted --passphrase=x", "autopart --encrypted --passphrase=x" };

	fixture->type->system = ASH_SYSTEM_TRADITIONAL;
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		AshPartition *root = ash_partition_new(ASH_PARTITION_ROOT);

		root->fs = ASH_FS_EXT4;
		root->label = g_strdup("root");
		g_ptr_array_set_size(fixture->type->layout->partitions, 0);
		g_ptr_array_add(fixture->type->layout->partitions, root);
		g_assert_true(apply(fixture, texts[i], &error));
		g_assert_no_error(error);
		g_assert_cmpint(root->encryption.kind, ==, ASH_ENCRYPTION_LUKS2);
		g_assert_true(g_strv_contains((const char *const *) fixture->type->initramfs_modules, "crypt"));
		g_assert_false(fixture->type->var_encrypted);
	}
}

/* A container has no disk: whatever is said about one is for the other types of the same kickstart. */
static void
test_no_disk(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_clear_pointer(&fixture->type->layout, ash_layout_free);
	g_assert_true(apply(fixture, "part / --fstype=xfs --size=9\npart swap --size=9\n", &error));
	g_assert_no_error(error);
	g_assert_false(apply(fixture, "ostreesetup --osname=a --url=http://o.example/ --ref=r", NULL));
}

/* What a commit keeps of it does the same to a type, and keeps no passphrase. */
static void
test_kept(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = {
		"part / --size=2000\npart /var --fstype=ext4 --size=700 --grow --encrypted --passphrase=secret --cipher=aes-xts-plain64 "
		"--pbkdf=pbkdf2 --pbkdf-iterations=5000\npart /boot/efi --fstype=efi --size=300 --fsoptions=\"umask=0077,shortname=winnt\"\n",
		"autopart --type=plain --nohome --noswap --encrypted --passphrase=secret --luks-version=luks2 --pbkdf=argon2id --pbkdf-memory=65536 "
		"--pbkdf-iterations=6\n",
		"part /var --size=700 --encrypted\npart pv.1 --size=200\nvolgroup v --pesize=8192 pv.1\nlogvol /home --vgname=v --name=h --percent=50 --fstype=xfs\n"
		"logvol swap --vgname=v --name=s --size=10 --label=l\n",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(AshSpec) spec = ash_kickstart_parse(texts[i], strlen(texts[i]), "x.ks", NULL, NULL, &error);
		g_autofree char *kept = ash_storage_spec_to_kickstart(&spec->storage);
		g_autoptr(AshSpec) again = ash_kickstart_parse(kept, strlen(kept), "x.ks", NULL, NULL, &error);
		g_assert_no_error(error);
		g_autofree char *twice = ash_storage_spec_to_kickstart(&again->storage);
		g_assert_cmpstr(kept, ==, twice);
		g_assert_null(strstr(kept, "secret"));

		g_autoptr(AshImageType) type = ash_image_type_new("vm"), other = ash_image_type_new("vm");
		ash_layout_free(type->layout);
		ash_layout_free(other->layout);
		type->layout = ash_layout_copy(fixture->type->layout);
		other->layout = ash_layout_copy(fixture->type->layout);
		g_assert_true(ash_kslayout_apply(spec, type, fixture->notices, &error));
		g_assert_true(ash_kslayout_apply(again, other, fixture->notices, &error));
		g_assert_cmpstr(type->digest, ==, other->digest);
		g_assert_true(other->var_encrypted);
	}
	AshStorageSpec nothing;
	ash_storage_spec_init(&nothing);
	g_assert_null(ash_storage_spec_to_kickstart(&nothing));
	ash_storage_spec_clear(&nothing);
}

/* A type whose packages are managed: its root can be in a group. */
static void
make_traditional(Fixture *fixture)
{
	AshImageType *type = fixture->type;

	type->system = ASH_SYSTEM_TRADITIONAL;
	ash_layout_free(type->layout);
	type->layout = ash_layout_new();
	add(type->layout, ASH_PARTITION_ESP, ASH_FS_VFAT, 0, false);
	add(type->layout, ASH_PARTITION_ROOT, ASH_FS_EXT4, 0, false);
	AshPartition *root = ash_layout_find(type->layout, ASH_PARTITION_ROOT, 0);
	root->grow = true;
	root->headroom_percent = 50;
}

static void
test_root_volume(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	const AshPartition *physical, *root, *home;

	make_traditional(fixture);
	g_assert_true(apply(fixture,
			    "part pv.01 --size=900 --grow\nvolgroup vg-a --pesize=8192 pv.01\n"
			    "logvol /home --vgname=vg-a --name=home --percent=25 --fsoptions=nodev\n"
			    "logvol / --vgname=vg-a --name=root --size=500 --grow\nlogvol swap --vgname=vg-a --name=s --size=64\n",
			    &error));
	g_assert_no_error(error);
	g_assert_cmpuint(fixture->type->layout->partitions->len, ==, 2);
	g_assert_cmpuint(fixture->type->layout->volumes->len, ==, 3);
	physical = find(fixture, ASH_PARTITION_LVM, 0);
	g_assert_cmpstr(physical->label, ==, "pv.01");
	g_assert_cmpstr(physical->group, ==, "vg-a");
	g_assert_cmpuint(physical->extent_bytes, ==, 8 * MIB);
	g_assert_cmpuint(physical->min_size, ==, 900 * MIB);
	g_assert_true(physical->grow);
	root = find(fixture, ASH_PARTITION_ROOT, 0);
	g_assert_true(ash_partition_is_volume(root));
	g_assert_cmpstr(root->label, ==, "root");
	g_assert_cmpuint(root->size, ==, 0);
	g_assert_cmpuint(root->min_size, ==, 500 * MIB);
	home = ash_layout_find_mount_point(fixture->type->layout, "/home");
	g_assert_cmpint(home->percent, ==, 25);
	/* What the system and its initramfs need for it. */
	g_assert_true(g_strv_contains((const char *const *) fixture->type->packages_add, "lvm2"));
	g_assert_true(g_strv_contains((const char *const *) fixture->type->initramfs_modules, "lvm"));
	const AshMount *mount = ash_mounts_find(fixture->type->mounts, "/");
	g_assert_cmpstr(mount->device, ==, "/dev/mapper/vg--a-root");
	g_assert_cmpstr(mount->grows_on, ==, "pv.01");
	mount = ash_mounts_find(fixture->type->mounts, "/home");
	g_assert_cmpstr(mount->options, ==, "nodev");
	g_assert_null(mount->grows_on);
}

/* Beside partitions of the type, which stay; /var keeps what is left of the disk. */
static void
test_data_volumes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	fixture->type->swap = false;
	((AshPartition *) ash_layout_find(fixture->type->layout, ASH_PARTITION_VAR, 0))->grow = true;
	g_assert_true(apply(fixture, "part pv.1 --size=300\nvolgroup v pv.1\nlogvol /srv --vgname=v --name=files --size=100 --fstype=xfs\nlogvol swap --vgname=v --name=s --size=9\n",
			    &error));
	g_assert_no_error(error);
	g_assert_cmpuint(fixture->type->layout->partitions->len, ==, 5);
	g_assert_true(((AshPartition *) g_ptr_array_index(fixture->type->layout->partitions, 4))->role == ASH_PARTITION_VAR);
	g_assert_cmpuint(fixture->type->layout->volumes->len, ==, 1);
	g_assert_cmpuint(fixture->notices->len, ==, 1);
	g_assert_nonnull(strstr(g_ptr_array_index(fixture->notices, 0), "has no swap"));
	g_assert_false(g_strv_contains((const char *const *) fixture->type->initramfs_modules, "lvm"));
	g_assert_cmpstr(ash_mounts_find(fixture->type->mounts, "/srv")->volume, ==, "v/files");
}

static void
test_autopart_lvm(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	make_traditional(fixture);
	g_assert_true(apply(fixture, "autopart --type=lvm\n", &error));
	g_assert_no_error(error);
	const AshMount *mount = ash_mounts_find(fixture->type->mounts, "/");
	g_assert_cmpstr(mount->volume, ==, "system/root");
	g_assert_cmpstr(mount->grows_on, ==, "pv.system");
	g_assert_cmpuint(find(fixture, ASH_PARTITION_ROOT, 0)->headroom_percent, ==, 50);
}

static void
test_wrong_volumes(Fixture *fixture, gconstpointer data)
{
#define GROUP "part pv.1 --size=100\nvolgroup v pv.1\n"
	static const struct {
		const char *text, *expected;
	} wrong[] = {
		{ "part pv.1 --size=9", "x.ks:1: part: \"pv.1\": image type \"vm\" has no volume group on it" },
		{ "logvol /srv --vgname=v --name=n --size=40", "logvol: \"/srv\": image type \"vm\" has no volume group \"v\": say \"volgroup v pv.N\"" },
		{ "part pv.1 --size=9\npart pv.2 --size=9\nvolgroup v pv.1 pv.2", "x.ks:3: volgroup: \"v\": image type \"vm\" is one disk, and has a group on one partition" },
		{ GROUP "volgroup w pv.1", "has \"pv.1\" in the group \"v\" already" },
		{ GROUP "part pv.2 --size=9\nvolgroup v pv.2", "has that group already" },
		{ "part pv.1 --size=9\nvolgroup v --pesize=3000 pv.1", "a power of two: say --pesize=4096" },
		{ "part pv.1 --size=9\nvolgroup v --reserved-percent=10 pv.1", "remove --reserved-space and --reserved-percent" },
		{ "volgroup v --useexisting", "makes a new disk" },
		{ "part pv.1 --size=9\nvolgroup a:b pv.1", "has no volume named \"a:b\"" },
		{ GROUP "logvol /srv --vgname=v --name=x_tmeta --size=9", "has no volume named \"x_tmeta\"" },
		{ GROUP "logvol /srv --vgname=v --name=n --size=9\nlogvol /home --vgname=v --name=n --size=9", "has \"v/n\" already" },
		{ GROUP "logvol none --thinpool --vgname=v --name=n --size=9", "has no thin pools" },
		{ GROUP "logvol /srv --thin --poolname=p --vgname=v --name=n --size=9", "has no thin pools" },
		{ GROUP "logvol /srv --vgname=v --name=n --useexisting", "makes a new disk" },
		{ GROUP "logvol /srv --vgname=v --name=n --size=9 --encrypted", "does not encrypt logical volumes" },
		{ "part pv.1 --size=9 --encrypted\nvolgroup v pv.1", "does not encrypt volume groups" },
		{ "part pv.1 --size=9 --fstype=ext4\nvolgroup v pv.1", "remove --fstype=ext4" },
		{ "part pv.1 --onpart=sda1\nvolgroup v pv.1", "makes a new disk" },
		{ GROUP "logvol /boot --vgname=v --name=n --size=9", "know no logical volumes: say \"part\" in place of \"logvol\"" },
		{ GROUP "logvol /usr --vgname=v --name=n --size=9", "it is a directory there" },
		{ GROUP "logvol swap --vgname=v --name=n --recommended --fstype=ext4", "remove --fstype=ext4" },
		{ GROUP "logvol /srv --vgname=v --name=n --size=9 --mkfsoptions=x", "remove --mkfsoptions" },
		{ GROUP "logvol none --vgname=v --name=n --size=9", "it is a directory there" },
		{ "autopart --type=lvm --encrypted", "does not encrypt volume groups" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;

		tear_down(fixture, NULL);
		set_up(fixture, NULL);
		make_traditional(fixture);
		g_assert_false(apply(fixture, wrong[i].text, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		if (strstr(error->message, wrong[i].expected) == NULL)
			g_error("\"%s\" is not in \"%s\"", wrong[i].expected, error->message);
	}
#undef GROUP
	/* Of a system that is changed as a whole, and of one that is a commit. */
	g_autoptr(GError) var = NULL, commit = NULL;
	tear_down(fixture, NULL);
	set_up(fixture, NULL);
	g_assert_false(apply(fixture, "logvol /var --vgname=v --name=n --size=9", &var));
	g_assert_nonnull(strstr(var->message, "mounts it in the initramfs by its partition"));
	fixture->type->system = ASH_SYSTEM_OSTREE;
	g_assert_false(apply(fixture, "part pv.1 --size=9\nvolgroup v pv.1", &commit));
	g_assert_nonnull(strstr(commit->message, "for disks of any layout"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define TEST(name, function) g_test_add("/kslayout/" name, Fixture, NULL, set_up, function, tear_down)
	TEST("kept", test_kept);
	TEST("sizes", test_sizes);
	TEST("nothing", test_nothing);
	TEST("new", test_new);
	TEST("swap", test_swap);
	TEST("no-swap", test_no_swap);
	TEST("two-grow", test_two_grow);
	TEST("impossible", test_impossible);
	TEST("encryption", test_encryption);
	TEST("autopart-encryption", test_autopart_encryption);
	TEST("root-encryption", test_root_encryption);
	TEST("root-volume", test_root_volume);
	TEST("data-volumes", test_data_volumes);
	TEST("autopart-lvm", test_autopart_lvm);
	TEST("wrong-volumes", test_wrong_volumes);
	TEST("no-disk", test_no_disk);
	return g_test_run();
}
