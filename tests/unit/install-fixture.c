/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install-fixture.h"

#include "base/file.h"

#include <fcntl.h>
#include <string.h>

char *
ash_fixture_run(const char *format, ...)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *errors = NULL;
	char *output = NULL;
	int status = 0;
	va_list args;

	va_start(args, format);
	g_autofree char *line = g_strdup_vprintf(format, args);
	va_end(args);
	const char *argv[] = { "/bin/sh", "-c", line, NULL };
	g_spawn_sync(NULL, (char **) argv, NULL, 0, NULL, NULL, &output, &errors, &status, &error);
	g_assert_no_error(error);
	if (status != 0)
		g_error("\"%s\" failed: %s", line, errors);
	return output;
}

bool
ash_rpm_fixture_setup(AshRpmFixture *fixture)
{
	g_autofree char *program = g_find_program_in_path("rpmbuild");

	if (program == NULL) {
		g_test_skip("rpmbuild is missing (package rpm or rpm-build)");
		return false;
	}
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->paths = g_ptr_array_new_with_free_func(g_free);
	return true;
}

void
ash_rpm_fixture_clear(AshRpmFixture *fixture)
{
	if (fixture->dir == NULL)
		return;
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_clear_pointer(&fixture->dir, g_free);
	g_clear_pointer(&fixture->paths, g_ptr_array_unref);
}

char *
ash_rpm_fixture_build(AshRpmFixture *fixture, const char *name, const char *preamble, const char *body)
{
	g_autofree char *spec = g_strdup_printf("%s/%s.spec", fixture->dir, name);
	g_autofree char *text = g_strdup_printf("Name: %s\nVersion: 1\nRelease: 1\nSummary: summary-of-it\nLicense: none\n"
						"BuildArch: noarch\nAutoReqProv: no\n%s\n%%description\ntest\n"
						"%%install\nmkdir -p %%{buildroot}\n"
						"if test -d %s/FILES; then cp -a %s/FILES/. %%{buildroot}/; fi\n%s\n",
						name, preamble, fixture->dir, fixture->dir, body);

	g_assert_true(g_file_set_contents(spec, text, -1, NULL));
	g_free(ash_fixture_run("SOURCE_DATE_EPOCH=1600000000 rpmbuild -bb --quiet --define '_topdir %s/top' "
			       "--define '_rpmdir %s' --define '_rpmfilename %%%%{NAME}-%%%%{VERSION}-%%%%{RELEASE}.%%%%{ARCH}.rpm' "
			       "--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' "
			       "--define '_build_id_links none' --define '__os_install_post %%{nil}' "
			       "--define '_unpackaged_files_terminate_build 0' "
			       "--define '_binaries_in_noarch_packages_terminate_build 0' %s",
			       fixture->dir, fixture->dir, spec));
	char *path = g_strdup_printf("%s/%s-1-1.noarch.rpm", fixture->dir, name);
	g_ptr_array_add(fixture->paths, g_strdup(path));
	return path;
}

char *
ash_rpm_fixture_build_shell(AshRpmFixture *fixture)
{
	g_free(ash_fixture_run("cd %s && mkdir -p FILES/usr/bin FILES/usr/lib FILES/usr/lib64 && cd FILES && "
			       "ln -s usr/bin bin && ln -s usr/lib lib && ln -s usr/lib64 lib64 && "
			       "for p in sh sleep cat touch id ln ls mkdir mv rm; do cp -L $(command -v $p) usr/bin/$p; done && "
			       "for l in $(ldd usr/bin/* | grep -o '/[^ ]*' | grep -v :$ | sort -u); do "
			       "mkdir -p ./$(dirname $l) && cp -L $l ./$l; done",
			       fixture->dir));
	char *path = ash_rpm_fixture_build(fixture, "shell", "Provides: /bin/sh", "%files\n/usr\n/bin\n/lib\n/lib64\n");
	g_autofree char *files = g_build_filename(fixture->dir, "FILES", NULL);
	ash_file_remove_tree(AT_FDCWD, files, NULL);
	return path;
}
