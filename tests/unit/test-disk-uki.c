/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "disk/uki/uki.h"
#include "test-disk-common.h"
#include "test-disk-pe.h"

static GBytes *
bytes(const char *text)
{
	return g_bytes_new(text, strlen(text));
}

static GBytes *
build(GBytes *stub, GError **error)
{
	g_autoptr(GBytes) kernel_bytes = bytes("kernel");
	g_autoptr(GBytes) initrd_bytes = bytes("a longer initramfs");
	g_autoptr(AshContent) kernel = ash_content_new_from_bytes(kernel_bytes);
	g_autoptr(AshContent) initrd = ash_content_new_from_bytes(initrd_bytes);
	g_autoptr(AshContent) uki = NULL;
	g_autoptr(GBytes) osrel = bytes("ID=demo\n");
	AshUkiParts parts = {
	    .stub = stub,
	    .linux_ = kernel,
	    .initrd = initrd,
	    .osrel = osrel,
	    .cmdline = "root=x quiet",
	    .uname = "6.1",
	};

	uki = ash_uki_build(&parts, error);
	return uki != NULL ? ash_content_load(uki, error) : NULL;
}

static void
check(GBytes *uki)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) sections = ash_uki_list(uki, &error);
	g_autofree char *cmdline = NULL;
	g_autofree char *osrel = NULL;
	g_autoptr(GBytes) initrd = NULL;

	g_assert_no_error(error);
	cmdline = ash_uki_get_text(uki, sections, ".cmdline");
	osrel = ash_uki_get_text(uki, sections, ".osrel");
	initrd = ash_uki_get(uki, sections, ".initrd");
	g_assert_cmpstr(cmdline, ==, "root=x quiet");
	g_assert_cmpstr(osrel, ==, "ID=demo");
	g_assert_cmpmem(g_bytes_get_data(initrd, NULL), g_bytes_get_size(initrd),
			"a longer initramfs", 18);
	g_assert_null(ash_uki_get(uki, sections, ".none"));
}

static void
test_build(void)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", 0x400);
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) one = build(stub, &error);
	g_autoptr(GBytes) two = build(stub, &error);
	g_autoptr(GArray) sections = NULL;

	g_assert_no_error(error);
	check(one);
	g_assert_true(g_bytes_equal(one, two));
	sections = ash_uki_list(one, NULL);
	g_assert_cmpuint(sections->len, ==, 6);
	g_assert_cmpstr(g_array_index(sections, AshUkiSection, 0).name, ==, ".sbat");
}

/* The stub that distributions ship, and what binutils think of the result. */
static void
test_real_stub(Fixture *fixture, gconstpointer data)
{
	static const char stub_path[] = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
	g_autofree char *path = fixture_path(fixture, "uki.efi");
	g_autofree char *content = NULL;
	g_autofree char *output = NULL;
	g_autoptr(GBytes) stub = NULL;
	g_autoptr(GBytes) uki = NULL;
	g_autoptr(GError) error = NULL;
	gsize length = 0;

	if (!g_file_get_contents(stub_path, &content, &length, NULL)) {
		g_test_skip("systemd-boot-efi is not installed");
		return;
	}
	stub = g_bytes_new(content, length);
	uki = build(stub, &error);
	g_assert_no_error(error);
	check(uki);
	if (!have_program("objdump") || !have_program("objcopy"))
		return;
	g_assert_true(g_file_set_contents(path, g_bytes_get_data(uki, NULL),
					  (gssize) g_bytes_get_size(uki), NULL));
	g_free(
	    run_command(0,
			"cd '%s' && objcopy -O binary --only-section=.cmdline uki.efi cmdline && "
			"test \"$(cat cmdline)\" = 'root=x quiet'",
			fixture->dir));
	g_free(run_command(
	    0,
	    "cd '%s' && objcopy -O binary --only-section=.sbat uki.efi one && "
	    "objcopy -O binary --only-section=.sbat -I pei-x86-64 %s two && cmp one two",
	    fixture->dir, stub_path));
	output = run_command(0, "objdump -p '%s'", path);
	g_assert_nonnull(strstr(output, "SizeOfImage"));
}

static void
test_no_room(void)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", 0x200);
	g_autoptr(GError) error = NULL;

	g_assert_null(build(stub, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "no room"));
}

static void
test_signed(void)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", 0x400);
	gsize length = 0;
	guint8 *data = g_bytes_unref_to_data(g_steal_pointer(&stub), &length);
	g_autoptr(GBytes) signed_stub = NULL;
	g_autoptr(GError) error = NULL;

	pe_put(data, 0x80 + 24 + 144 + 4, 100, 4);
	signed_stub = g_bytes_new_take(data, length);
	g_assert_null(build(signed_stub, &error));
	g_assert_nonnull(strstr(error->message, "signed"));
}

/* No cut-off or scribbled-over file may be read beyond its end: the sanitizers see it. */
static void
test_damage(void)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", 0x400);
	g_autoptr(GBytes) uki = build(stub, NULL);
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(uki, &length);

	for (gsize cut = 0; cut < 0x400; cut += 7) {
		g_autofree guint8 *copy = g_memdup2(data, cut);
		g_autoptr(GBytes) image = g_bytes_new_static(copy, cut);

		g_assert_null(ash_uki_list(image, NULL));
	}
	for (guint i = 0; i < 2000; i++) {
		g_autofree guint8 *copy = g_memdup2(data, length);
		g_autoptr(GBytes) image = NULL;
		g_autoptr(GArray) sections = NULL;

		copy[g_test_rand_int_range(0, 0x400)] = (guint8) g_test_rand_int();
		image = g_bytes_new_static(copy, length);
		sections = ash_uki_list(image, NULL);
		for (guint j = 0; sections != NULL && j < sections->len; j++)
			g_free(ash_uki_get_text(image, sections,
						g_array_index(sections, AshUkiSection, j).name));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disk/uki/build", test_build);
	g_test_add("/disk/uki/real-stub", Fixture, NULL, fixture_set_up, test_real_stub,
		   fixture_tear_down);
	g_test_add_func("/disk/uki/no-room", test_no_room);
	g_test_add_func("/disk/uki/signed", test_signed);
	g_test_add_func("/disk/uki/damage", test_damage);
	return g_test_run();
}
