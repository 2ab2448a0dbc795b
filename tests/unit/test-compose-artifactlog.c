/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/artifactlog.h"

#include "base/file.h"
#include "base/json.h"
#include "model/manifest.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *dir, *path;
	AshImageType *type;
	AshStageKey *key;
	JsonObject *entry; /* of one file, written and noted */
} Fixture;

static const AshImageOptions no_options = { 0 };

static AshArtifact *
make_artifact(const char *path)
{
	AshArtifact *artifact = g_new0(AshArtifact, 1);

	artifact->type = g_strdup("thing");
	artifact->path = g_strdup(path);
	artifact->format = g_strdup("raw");
	artifact->size = 5;
	artifact->sha256 = g_strdup("abcd");
	artifact->commit = g_strdup("c0ffee");
	return artifact;
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);

	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->path = g_build_filename(fixture->dir, "thing.raw", NULL);
	g_assert_true(g_file_set_contents(fixture->path, "bytes", 5, NULL));
	fixture->type = ash_image_type_new("thing");
	fixture->type->digest = g_strdup("1234");
	fixture->key = ash_artifact_log_key("c0ffee", fixture->type, &no_options);
	g_ptr_array_add(artifacts, make_artifact(fixture->path));
	g_autoptr(JsonObject) entry = ash_artifact_log_entry(fixture->key, artifacts);
	g_autofree char *text = ash_json_object_to_string(entry, TRUE);
	fixture->entry = ash_json_parse_object(text, -1, "entry", NULL);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->path);
	ash_image_type_free(fixture->type);
	ash_stage_key_free(fixture->key);
	json_object_unref(fixture->entry);
}

static void
assert_found(const Fixture *fixture, const AshStageKey *key, const char *dir, bool wanted, const char *why)
{
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autofree char *said = NULL;

	g_assert_cmpint(ash_artifact_log_find(fixture->entry, key, dir, artifacts, &said), ==, wanted);
	g_assert_cmpuint(artifacts->len, ==, wanted ? 1 : 0);
	g_assert_true(g_pattern_match_simple(why, said));
	if (wanted)
		g_assert_cmpstr(((AshArtifact *) g_ptr_array_index(artifacts, 0))->sha256, ==, "abcd");
}

static void
test_untouched(Fixture *fixture, gconstpointer data)
{
	assert_found(fixture, fixture->key, fixture->dir, true, "nothing changed");
}

static void
test_other_directory(Fixture *fixture, gconstpointer data)
{
	assert_found(fixture, fixture->key, "/nowhere", false, "*another directory*");
}

static void
test_gone(Fixture *fixture, gconstpointer data)
{
	g_unlink(fixture->path);
	assert_found(fixture, fixture->key, fixture->dir, false, "*is gone");
}

/* Written to, with its size and time set back: the change time tells. */
static void
test_changed(Fixture *fixture, gconstpointer data)
{
	struct stat before;

	g_assert_cmpint(stat(fixture->path, &before), ==, 0);
	const struct timespec times[2] = { before.st_atim, before.st_mtim };
	g_usleep(20000);
	int fd = open(fixture->path, O_WRONLY);
	g_assert_cmpint(pwrite(fd, "B", 1, 0), ==, 1);
	g_assert_cmpint(futimens(fd, times), ==, 0);
	close(fd);
	assert_found(fixture, fixture->key, fixture->dir, false, "*changed by others");
}

static void
test_other_key(Fixture *fixture, gconstpointer data)
{
	const AshUuid seed = { { 1 } };
	const AshImageOptions with_seed = { .seed = &seed }, with_checksums = { .checksums = true };
	g_autoptr(AshStageKey) commit = ash_artifact_log_key("decaf", fixture->type, &no_options);
	g_autoptr(AshStageKey) seeded = ash_artifact_log_key("c0ffee", fixture->type, &with_seed);

	assert_found(fixture, commit, fixture->dir, false, "commit changed");
	assert_found(fixture, seeded, fixture->dir, false, "seed changed");
	g_autoptr(AshStageKey) hashed = ash_artifact_log_key("c0ffee", fixture->type, &with_checksums);
	assert_found(fixture, hashed, fixture->dir, false, "checksums changed");
	g_autoptr(GBytes) layout = g_bytes_new_static("layout", 6);
	const AshImageOptions with_anchor = { .anchor = layout };
	g_autoptr(AshStageKey) anchored = ash_artifact_log_key("c0ffee", fixture->type, &with_anchor);
	assert_found(fixture, anchored, fixture->dir, false, "anchor changed");
	g_free(fixture->type->digest);
	fixture->type->digest = g_strdup("5678");
	g_autoptr(AshStageKey) typed = ash_artifact_log_key("c0ffee", fixture->type, &no_options);
	assert_found(fixture, typed, fixture->dir, false, "image type changed");
}

static void
test_no_entry(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new();
	g_autofree char *why = NULL;

	g_assert_false(ash_artifact_log_find(NULL, fixture->key, fixture->dir, artifacts, &why));
	g_assert_cmpstr(why, ==, "first time");
}

/* One that was not hashed is known again all the same. */
static void
test_no_digest(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autofree char *why = NULL;

	g_ptr_array_add(artifacts, make_artifact(fixture->path));
	g_clear_pointer(&((AshArtifact *) artifacts->pdata[0])->sha256, g_free);
	g_autoptr(JsonObject) entry = ash_artifact_log_entry(fixture->key, artifacts);
	g_autofree char *text = ash_json_object_to_string(entry, TRUE);
	g_autoptr(JsonObject) read = ash_json_parse_object(text, -1, "entry", NULL);
	g_assert_true(ash_artifact_log_find(read, fixture->key, fixture->dir, found, &why));
	g_assert_null(((AshArtifact *) found->pdata[0])->sha256);
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/compose/artifactlog/untouched", test_untouched);
	ADD("/compose/artifactlog/other-directory", test_other_directory);
	ADD("/compose/artifactlog/gone", test_gone);
	ADD("/compose/artifactlog/changed", test_changed);
	ADD("/compose/artifactlog/other-key", test_other_key);
	ADD("/compose/artifactlog/no-entry", test_no_entry);
	ADD("/compose/artifactlog/no-digest", test_no_digest);
	return g_test_run();
}
