/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/vfat/vfat.h"
#include "test-disk-common.h"

#define MIB ((guint64) 1024 * 1024)

static const AshVfatOptions options = {
    .volume_id = 0x1234abcd, .label = "ESP", .epoch = TEST_EPOCH};

static void
add_file(GPtrArray *files, const char *path, GBytes *bytes)
{
	g_autoptr(AshContent) content = ash_content_new_from_bytes(bytes);

	g_ptr_array_add(files, ash_vfat_file_new(path, content));
}

static GPtrArray *
make_files(void)
{
	GPtrArray *files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_vfat_file_free);
	g_autofree guint8 *large = g_malloc(3000001);
	g_autoptr(GBytes) small = g_bytes_new("timeout 3\n", 10);
	g_autoptr(GBytes) empty = g_bytes_new("", 0);
	g_autoptr(GBytes) big = NULL;

	for (guint i = 0; i < 3000001; i++)
		large[i] = (guint8) (i * 31 + i / 4096);
	big = g_bytes_new(large, 3000001);
	add_file(files, "EFI/BOOT/BOOTX64.EFI", big);
	add_file(files, "loader/loader.conf", small);
	add_file(files, "EFI/Linux/a-rather-long-name_of_a_system_1.20300401+3.efi", big);
	add_file(files, "loader/empty", empty);
	/* One that has something in it, and one that has not. */
	g_ptr_array_add(files, ash_vfat_file_new("EFI/Linux", NULL));
	g_ptr_array_add(files, ash_vfat_file_new("EFI/Tools", NULL));
	return files;
}

static int
write_image(Fixture *fixture, const char *name, guint64 mib)
{
	g_autoptr(GPtrArray) files = make_files();
	g_autoptr(GError) error = NULL;
	int fd = fixture_create(fixture, name, (mib + 3) * MIB);

	ash_vfat_write(&options, files, fd, 2 * MIB, mib * MIB, NULL, &error);
	g_assert_no_error(error);
	return fd;
}

/* A FAT32 must have so many clusters: at every size, fsck.vfat has nothing to say and nothing
 * outside is touched. */
static void
test_sizes(Fixture *fixture, gconstpointer data)
{
	static const guint mibs[] = {34, 64, 100, 128, 256, 260, 512, 1024, 2048};

	if (!have_program("fsck.vfat"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(mibs); i++) {
		g_autofree char *output = NULL;

		close(write_image(fixture, "disk", mibs[i]));
		output =
		    run_command(0,
				"cd '%s' && dd if=disk of=part bs=1M conv=sparse skip=2 count=%u "
				"status=none && truncate -s %uM part && fsck.vfat -n part",
				fixture->dir, mibs[i], mibs[i]);
		g_assert_null(strstr(output, "Warning"));
		g_assert_null(strstr(output, "WARNING"));
		g_assert_nonnull(strstr(output, "10 files"));
		g_free(run_command(
		    0,
		    "cd '%s' && test -z \"$(head -c 2097152 disk | tr -d '\\0' | head -c 1)\" && "
		    "test -z \"$(tail -c 1048576 disk | tr -d '\\0' | head -c 1)\"",
		    fixture->dir));
	}
}

static void
test_reader(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) files = make_files();
	g_autoptr(AshVfatReader) reader = NULL;
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) names = NULL;
	g_autofree char *joined = NULL;
	ash_autofd int fd = -1;

	fd = write_image(fixture, "disk", 64);
	reader = ash_vfat_open(fd, 2 * MIB, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < files->len; i++) {
		const AshVfatFile *file = files->pdata[i];
		if (file->content == NULL)
			continue;
		g_autoptr(GBytes) expected = ash_content_load(file->content, NULL);
		g_autoptr(GBytes) content = ash_vfat_load(reader, file->path, &error);

		g_assert_no_error(error);
		g_assert_true(g_bytes_equal(content, expected));
	}
	names = ash_vfat_list(reader, "", &error);
	joined = g_strjoinv(" ", names);
	g_assert_cmpstr(joined, ==, "EFI loader");
	g_auto(GStrv) none = ash_vfat_list(reader, "EFI/Tools", &error);
	g_assert_no_error(error);
	g_assert_null(none[0]);
	g_assert_null(ash_vfat_load(reader, "loader/none", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(ash_vfat_load(reader, "loader", &error));
	g_clear_error(&error);
	g_assert_null(ash_vfat_list(reader, "loader/empty", &error));
	g_assert_null(ash_vfat_open(fd, MIB, NULL));
}

/* Scribbles over tables and directories: any answer but a crash or a hang. */
static void
test_reader_damage(Fixture *fixture, gconstpointer data)
{
	ash_autofd int fd = -1;
	guint8 head[512];

	fd = write_image(fixture, "disk", 34);
	g_assert_cmpint(pread(fd, head, sizeof(head), 2 * MIB), ==, sizeof(head));
	for (guint i = 0; i < 600; i++) {
		/* Boot sector, first table sector, or root directory and its neighbours. */
		static const guint64 at[] = {0, 32 * 512, 0x80000};
		guint64 offset = 2 * MIB + at[i % 3] + (guint64) g_test_rand_int_range(0, 2048);
		guint8 byte = (guint8) g_test_rand_int();
		g_autoptr(AshVfatReader) reader = NULL;
		GBytes *content;

		g_assert_cmpint(pwrite(fd, &byte, 1, (off_t) offset), ==, 1);
		reader = ash_vfat_open(fd, 2 * MIB, NULL);
		g_assert_cmpint(pwrite(fd, head, sizeof(head), 2 * MIB), ==, sizeof(head));
		if (reader == NULL)
			continue;
		g_strfreev(ash_vfat_list(reader, "EFI/Linux", NULL));
		content = ash_vfat_load(reader, "EFI/BOOT/BOOTX64.EFI", NULL);
		g_clear_pointer(&content, g_bytes_unref);
	}
}

static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	ash_autofd int one = -1;
	ash_autofd int two = -1;
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;

	one = write_image(fixture, "one", 64);
	g_usleep(2100 * 1000); /* FAT times have two-second steps */
	two = write_image(fixture, "two", 64);
	first = digest_of(one);
	second = digest_of(two);
	g_assert_cmpstr(first, ==, second);
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) files = make_files();
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 40 * MIB);

	g_assert_false(ash_vfat_write(&options, files, fd, 0, 33 * MIB, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	for (guint i = 0; i < 12; i++) {
		g_autofree char *name = g_strdup_printf("x%u", i);
		g_ptr_array_add(files, ash_vfat_file_new(name, ((AshVfatFile *) files->pdata[0])->content));
	}
	g_assert_false(ash_vfat_write(&options, files, fd, 0, 34 * MIB, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "raise its \"size\""));
}

static void
test_bad_names(Fixture *fixture, gconstpointer data)
{
	static const char *const paths[] = { "", "a//b", "a\\b", "a:b", "end.", "end ", "what?", "tab\t", "\xff", "loader/loader.conf",
					     "LOADER/Loader.Conf", "loader", "loader/empty/x" };
	ash_autofd int fd = fixture_create(fixture, "disk", 40 * MIB);

	for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GPtrArray) files = make_files();
		g_autoptr(GError) error = NULL;

		g_ptr_array_add(files, ash_vfat_file_new(paths[i], ((AshVfatFile *) files->pdata[0])->content));
		g_assert_false(ash_vfat_write(&options, files, fd, 0, 40 * MIB, NULL, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
	g_assert_cmpint(lseek(fd, 0, SEEK_DATA), ==, -1);
}

/* Names that mtools must find, in directories of several clusters; fsck.vfat has nothing against them. */
static void
test_names(Fixture *fixture, gconstpointer data)
{
	static const char *const odd[] = { "UPPER.TXT", "lower.txt", "Mixed.Txt", "two.dots.txt", ".hidden", "a", "thirteen.name", "exactly8.abc",
					   "with space.txt", "plus+minus=.cfg", "long-name-that-has-one-part", "\xc3\xa4\xc3\xb6\xc3\xbc" };
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_vfat_file_free);
	g_autoptr(GString) expected = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 64 * MIB);

	if (!have_program("fsck.vfat") || !have_program("mtype"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(odd) + 300; i++) {
		g_autofree char *path = i < G_N_ELEMENTS(odd) ? g_strdup_printf("d/e/%s", odd[i]) : g_strdup_printf("d/e/a name like the others %u", i);
		g_autofree char *text = g_strdup_printf("%s\n", path);
		g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

		add_file(files, path, bytes);
		g_string_append(expected, text);
	}
	ash_vfat_write(&options, files, fd, 0, 64 * MIB, NULL, &error);
	g_assert_no_error(error);
	g_free(run_command(0, "cd '%s' && fsck.vfat -n disk", fixture->dir));
	for (guint i = 0; i < files->len; i += i < 20 ? 1 : 60) {
		const AshVfatFile *file = files->pdata[i];
		/* mtools read names by the locale. */
		if (!g_str_is_ascii(file->path))
			continue;
		g_autofree char *found = run_command(0, "cd '%s' && mtype -i disk '::/%s'", fixture->dir, file->path);
		g_assert_true(g_str_has_prefix(found, file->path));
	}
	g_autoptr(AshVfatReader) reader = ash_vfat_open(fd, 0, &error);
	g_assert_no_error(error);
	g_auto(GStrv) names = ash_vfat_list(reader, "d/e", &error);
	g_assert_cmpuint(g_strv_length(names), ==, files->len);
}

/* Contents that are left out are where they would have been. */
static void
test_left(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) files = make_files();
	g_autoptr(GArray) places = ash_content_places_new();
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "left", 67 * MIB);
	ash_autofd int whole = write_image(fixture, "whole", 64);

	ash_vfat_write(&options, files, fd, 2 * MIB, 64 * MIB, places, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(places->len, ==, 3); /* one is empty */
	for (guint i = 0; i < places->len; i++) {
		const AshContentPlace *place = &g_array_index(places, AshContentPlace, i);
		g_autoptr(GBytes) bytes = ash_content_load(place->content, NULL);
		gsize length;
		const guint8 *content = g_bytes_get_data(bytes, &length);

		g_assert_cmpint(pwrite(fd, content, length, (off_t) place->offset), ==, (gssize) length);
	}
	g_autofree char *first = digest_of(whole);
	g_autofree char *second = digest_of(fd);
	g_assert_cmpstr(first, ==, second);
}

#define ADD(name, func)                                                                            \
	g_test_add("/disk/vfat/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("sizes", test_sizes);
	ADD("reader", test_reader);
	ADD("reader-damage", test_reader_damage);
	ADD("same-bytes", test_same_bytes);
	ADD("refusals", test_refusals);
	ADD("bad-names", test_bad_names);
	ADD("names", test_names);
	ADD("left", test_left);
	return g_test_run();
}
