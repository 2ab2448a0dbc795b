/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include "tuf-fixture.h"

#include <string.h>

#define add(path, test) g_test_add("/tuf/client/" path, TufFixture, NULL, tuf_fixture_set_up, test, tuf_fixture_tear_down)

static void
test_refresh(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_autoptr(GError) error = NULL;
	bool changed = false;

	g_assert_true(ash_tuf_client_refresh(client, &changed, &error));
	g_assert_true(changed);
	g_autofree char *first = tuf_take_requests(f);
	g_assert_cmpstr(first, ==, "2.root.json timestamp.json 1.snapshot.json 1.targets.json");
	g_assert_true(ash_tuf_client_refresh(client, &changed, &error));
	g_assert_false(changed);
	g_autofree char *second = tuf_take_requests(f);
	g_assert_cmpstr(second, ==, "2.root.json timestamp.json");
	g_assert_cmpint(ash_tuf_client_get_version(client, ASH_TUF_TARGETS), ==, 1);
	g_assert_cmpint(ash_tuf_client_get_expiry(client), ==, TUF_NOW + 30 * TUF_DAY);
	tuf_publish_next(f);
	g_assert_true(ash_tuf_client_refresh(client, &changed, &error));
	g_assert_true(changed);
}

/* What is stored is what came, to the byte. */
static void
test_state(TufFixture *f, gconstpointer data)
{
	static const char *const names[][2] = { { "root.json", "metadata/1.root.json" },
						{ "timestamp.json", "metadata/timestamp.json" },
						{ "snapshot.json", "metadata/1.snapshot.json" },
						{ "targets.json", "metadata/1.targets.json" } };

	tuf_bootstrap(f);
	tuf_refresh(f);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		gsize length;
		g_autofree char *text = ash_file_load(f->state_fd, names[i][0], 0, &length, NULL);
		g_autoptr(GBytes) bytes = g_bytes_new(text, length);
		g_assert_true(g_bytes_equal(bytes, g_hash_table_lookup(f->files, names[i][1])));
	}
}

static void
test_without_consistent_snapshots(TufFixture *f, gconstpointer data)
{
	g_autoptr(AshTufTarget) target = NULL;

	f->consistent = f->with_hashes = false;
	g_hash_table_insert(f->targets, g_strdup("dir/file name"), g_strdup("content"));
	tuf_publish_role(f, ASH_TUF_ROOT);
	tuf_publish(f);
	tuf_bootstrap(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_refresh(client, NULL, NULL));
	g_assert_true(ash_tuf_client_find_target(client, "dir/file name", &target, NULL));
	g_autofree char *requests = tuf_take_requests(f);
	g_assert_cmpstr(requests, ==, "2.root.json timestamp.json snapshot.json targets.json");
	g_autofree char *location = ash_tuf_client_dup_location(client, target);
	g_assert_cmpstr(location, ==, "dir/file%20name");
}

static void
test_no_root(TufFixture *f, gconstpointer data)
{
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_assert_cmpuint(f->requests->len, ==, 0);
}

static void
test_bad_bootstrap(TufFixture *f, gconstpointer data)
{
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_autoptr(GError) error = NULL;

	tuf_edit(f, "metadata/1.root.json", "\"version\" : 1", "\"version\" : 2");
	g_assert_false(ash_tuf_client_bootstrap(client, g_hash_table_lookup(f->files, "metadata/1.root.json"), &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 0);
}

/* A newer image brings a newer root; an older one takes nothing back. */
static void
test_bootstrap_again(TufFixture *f, gconstpointer data)
{
	g_autoptr(AshTufClient) client = tuf_client(f);

	tuf_bootstrap(f);
	tuf_publish_next_root(f);
	g_assert_true(ash_tuf_client_bootstrap(client, g_hash_table_lookup(f->files, "metadata/2.root.json"), NULL));
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 2);
	tuf_bootstrap(f);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 2);
}

/* A state that somebody or something spoiled is got anew, but not without a root. */
static void
test_spoiled_state(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	g_assert_true(ash_file_write(f->state_fd, "timestamp.json", "{", -1, 0644, NULL));
	g_assert_true(ash_file_write(f->state_fd, "snapshot.json", "", -1, 0644, NULL));
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 1);
	g_assert_true(ash_file_write(f->state_fd, "root.json", "[]", -1, 0644, NULL));
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	tuf_bootstrap(f);
	tuf_refresh(f);
}

/* T01: each role unsigned, or signed by a key that has no say, or its bytes changed after. */
static void
test_signatures(TufFixture *f, gconstpointer data)
{
	static const char *const files[] = { "metadata/timestamp.json", "metadata/1.snapshot.json", "metadata/1.targets.json" };

	tuf_bootstrap(f);
	f->with_hashes = false;
	for (guint role = ASH_TUF_TIMESTAMP; role < ASH_TUF_N_ROLES; role++) {
		tuf_set_keys(f->signers[role], -1);
		tuf_publish(f);
		tuf_refresh_fails(f, ASH_ERROR_TRUST);
		tuf_set_keys(f->signers[role], 7, -1);
		tuf_publish(f);
		tuf_refresh_fails(f, ASH_ERROR_TRUST);
		tuf_set_keys(f->signers[role], (int) role, -1);
		tuf_publish(f);
		tuf_edit(f, files[role - ASH_TUF_TIMESTAMP], "\"expires\" : \"2026-", "\"expires\" : \"2027-");
		tuf_refresh_fails(f, ASH_ERROR_TRUST);
		g_autofree char *name = g_strconcat(ash_tuf_role_to_string((AshTufRole) role), ".json", NULL);
		g_assert_cmpint(tuf_state_version(f, name), ==, 0);
		tuf_publish(f);
	}
	tuf_refresh(f);
}

/* A signature that is none does no harm beside one that is. */
static void
test_other_signatures(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_edit(f, "metadata/timestamp.json", "\"signatures\" : [",
		 "\"signatures\" : [ { \"keyid\": \"x\", \"sig\": \"\" }, { \"keyid\": \"y\", \"sig\": \"no hex\" },");
	tuf_refresh(f);
}

/* T02 */
static void
test_threshold(TufFixture *f, gconstpointer data)
{
	f->threshold[ASH_TUF_TIMESTAMP] = 2;
	tuf_set_keys(f->named[ASH_TUF_TIMESTAMP], 1, 4, 5, -1);
	tuf_publish_role(f, ASH_TUF_ROOT);
	tuf_bootstrap(f);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 4, -1);
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 4, 4, -1);
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 4, 6, -1);
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 4, 5, -1);
	tuf_publish(f);
	tuf_refresh(f);
}

static void
test_unreachable_threshold(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->threshold[ASH_TUF_SNAPSHOT] = 3;
	tuf_publish_next_root(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 0);
}

/* T03: expired, and just now, for each role. */
static void
test_expired(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	for (guint role = ASH_TUF_TIMESTAMP; role < ASH_TUF_N_ROLES; role++) {
		f->expires[role] = TUF_NOW - TUF_DAY;
		tuf_publish_next(f);
		tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
		f->expires[role] = TUF_NOW;
		tuf_publish_next(f);
		tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
		g_autofree char *name = g_strconcat(ash_tuf_role_to_string((AshTufRole) role), ".json", NULL);
		g_assert_cmpint(tuf_state_version(f, name), ==, 0);
		f->expires[role] = TUF_NOW + 1;
		tuf_publish_next(f);
	}
	tuf_refresh(f);
}

/* An expired root is trusted for the way to the next, and for nothing else. */
static void
test_expired_root(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->expires[ASH_TUF_ROOT] = TUF_NOW - TUF_DAY;
	tuf_publish_next_root(f);
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 1);
	f->expires[ASH_TUF_ROOT] = TUF_NOW + TUF_DAY;
	tuf_publish_next_root(f);
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 2);
}

/* T08: the same valid metadata served beyond its time. */
static void
test_freeze(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->expires[ASH_TUF_TIMESTAMP] = TUF_NOW + 7 * TUF_DAY;
	tuf_publish_next(f);
	tuf_refresh(f);
	f->now = TUF_NOW + 7 * TUF_DAY;
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_autoptr(GError) error = NULL;
	g_assert_false(ash_tuf_client_load(client, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_EXPIRED);
}

/* T04 */
static void
test_timestamp_rollback(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_publish_next(f);
	tuf_refresh(f);
	f->version[ASH_TUF_TIMESTAMP] = 1;
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 2);
}

/* T04: another content of the same version is not looked at. */
static void
test_equivocation(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->told[ASH_TUF_SNAPSHOT] = 100;
	tuf_publish(f);
	tuf_refresh(f);
	g_autofree char *text = ash_file_load(f->state_fd, "timestamp.json", 0, NULL, NULL);
	g_assert_null(strstr(text, "\"version\" : 100"));
}

static void
test_snapshot_rollback(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_publish_next(f);
	tuf_refresh(f);
	f->version[ASH_TUF_SNAPSHOT] = 1;
	f->version[ASH_TUF_TIMESTAMP] = 3;
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 2);
}

static void
test_targets_rollback(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_publish_next(f);
	tuf_refresh(f);
	f->version[ASH_TUF_TARGETS] = 1;
	f->version[ASH_TUF_SNAPSHOT] = f->version[ASH_TUF_TIMESTAMP] = 3;
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "targets.json"), ==, 2);
}

/* The state without its timestamp still knows the snapshot. */
static void
test_rollback_without_timestamp(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_publish_next(f);
	tuf_refresh(f);
	g_assert_true(ash_file_remove_tree(f->state_fd, "timestamp.json", NULL));
	f->version[ASH_TUF_SNAPSHOT] = 1;
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 2);
}

static void
test_role_removed(TufFixture *f, gconstpointer data)
{
	static const TufDelegation delegations[] = { { "A", "targets", "*", false, 4, 4 }, { NULL } };

	f->delegations = delegations;
	tuf_publish(f);
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->delegations = NULL;
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
}

/* T05: versions raised to the end by a stolen key, undone by the next root; not without it. */
static void
test_fast_forward(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->version[ASH_TUF_TIMESTAMP] = f->version[ASH_TUF_SNAPSHOT] = f->version[ASH_TUF_TARGETS] = G_MAXINT64;
	tuf_publish(f);
	tuf_refresh(f);
	f->version[ASH_TUF_TIMESTAMP] = f->version[ASH_TUF_SNAPSHOT] = f->version[ASH_TUF_TARGETS] = 2;
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	/* A key more changes nothing of that. */
	tuf_set_keys(f->named[ASH_TUF_TIMESTAMP], 1, 4, -1);
	tuf_publish_next_root(f);
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	tuf_set_keys(f->named[ASH_TUF_TIMESTAMP], 4, -1);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 4, -1);
	tuf_publish_next_root(f);
	tuf_publish(f);
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "targets.json"), ==, 2);
}

/* T06 */
static void
test_mix_and_match(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->told[ASH_TUF_SNAPSHOT] = 2;
	tuf_publish(f);
	g_hash_table_insert(f->files, g_strdup("metadata/2.snapshot.json"),
			    g_bytes_ref(g_hash_table_lookup(f->files, "metadata/1.snapshot.json")));
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 0);
	f->told[ASH_TUF_SNAPSHOT] = 0;
	f->told[ASH_TUF_TARGETS] = 2;
	tuf_publish_next(f);
	g_hash_table_insert(f->files, g_strdup("metadata/2.targets.json"),
			    g_bytes_ref(g_hash_table_lookup(f->files, "metadata/1.targets.json")));
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
}

static void
test_hash_mismatch(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->wrong_hash = true;
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 1);
}

static void
test_wrong_type(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 1, 2, -1);
	f->type[ASH_TUF_TIMESTAMP] = "snapshot";
	tuf_publish(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
}

static void
test_missing(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	tuf_publish_next(f);
	g_hash_table_remove(f->files, "metadata/2.targets.json");
	tuf_refresh_fails(f, ASH_ERROR_FETCH);
	g_assert_cmpint(tuf_state_version(f, "snapshot.json"), ==, 2);
	g_assert_cmpint(tuf_state_version(f, "targets.json"), ==, 1);
	g_hash_table_remove(f->files, "metadata/timestamp.json");
	tuf_refresh_fails(f, ASH_ERROR_FETCH);
	tuf_publish(f);
	tuf_refresh(f);
}

/* A network that fails is not a root that is not there. */
static void
test_network(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->failing = "metadata/2.root.json";
	tuf_refresh_fails(f, ASH_ERROR_FETCH);
	g_assert_cmpint(tuf_state_version(f, "timestamp.json"), ==, 0);
}

/* Nothing is taken that is longer than allowed, told or not. */
static void
test_limits(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->limits.timestamp_bytes = 100;
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	f->limits = (AshTufLimits) { .snapshot_bytes = 100 };
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_autofree char *requests = tuf_take_requests(f);
	g_assert_null(strstr(requests, "snapshot"));
	f->limits = (AshTufLimits) { 0 };
	tuf_refresh(f);
}

static void
test_root_rotation(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_set_keys(f->named[ASH_TUF_ROOT], 4, -1);
	tuf_set_keys(f->signers[ASH_TUF_ROOT], 0, 4, -1);
	tuf_publish_next_root(f);
	tuf_set_keys(f->signers[ASH_TUF_ROOT], 4, -1);
	tuf_publish_next_root(f);
	tuf_publish_next_root(f);
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 4);
}

/* T09: by the new key alone, by the old key alone, by one that was revoked. */
static void
test_root_signatures(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_set_keys(f->named[ASH_TUF_ROOT], 4, -1);
	tuf_set_keys(f->signers[ASH_TUF_ROOT], 4, -1);
	tuf_publish_next_root(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	tuf_set_keys(f->signers[ASH_TUF_ROOT], 0, -1);
	tuf_publish_role(f, ASH_TUF_ROOT);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 1);
	tuf_set_keys(f->signers[ASH_TUF_ROOT], 0, 4, -1);
	tuf_publish_role(f, ASH_TUF_ROOT);
	tuf_refresh(f);
	tuf_set_keys(f->named[ASH_TUF_ROOT], 0, -1);
	tuf_set_keys(f->signers[ASH_TUF_ROOT], 0, -1);
	tuf_publish_next_root(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 2);
}

/* T09: no link may be missing, and each says what it is. */
static void
test_root_chain(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_publish_next_root(f);
	tuf_publish_next_root(f);
	g_hash_table_remove(f->files, "metadata/2.root.json");
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 1);
	g_hash_table_insert(f->files, g_strdup("metadata/2.root.json"),
			    g_bytes_ref(g_hash_table_lookup(f->files, "metadata/3.root.json")));
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	g_hash_table_insert(f->files, g_strdup("metadata/2.root.json"),
			    g_bytes_ref(g_hash_table_lookup(f->files, "metadata/1.root.json")));
	tuf_refresh_fails(f, ASH_ERROR_ROLLBACK);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 1);
}

/* T09: so many in one refresh, the others in the next. */
static void
test_root_limit(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	for (int i = 0; i < 10; i++)
		tuf_publish_next_root(f);
	f->limits.root_versions = 4;
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 5);
	tuf_refresh(f);
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "root.json"), ==, 11);
}

/* Other roles' new keys count from the root that names them on. */
static void
test_role_rotation(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	for (guint role = ASH_TUF_TIMESTAMP; role < ASH_TUF_N_ROLES; role++)
		tuf_set_keys(f->named[role], 4 + (int) role - 1, -1);
	tuf_publish_next_root(f);
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	for (guint role = ASH_TUF_TIMESTAMP; role < ASH_TUF_N_ROLES; role++)
		tuf_set_keys(f->signers[role], 4 + (int) role - 1, -1);
	tuf_publish_next(f);
	tuf_refresh(f);
	g_assert_cmpint(tuf_state_version(f, "targets.json"), ==, 3);
}

/* What only a revoked key has signed is trusted no more, though it is here and nothing newer is. */
static void
test_revoked(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	tuf_set_keys(f->named[ASH_TUF_TARGETS], 4, -1);
	tuf_publish_next_root(f);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
	tuf_refresh_fails(f, ASH_ERROR_TRUST);
}

static void
test_targets(TufFixture *f, gconstpointer data)
{
	g_autoptr(AshTufTarget) target = NULL, other = NULL;
	g_autoptr(GError) error = NULL;

	g_hash_table_insert(f->targets, g_strdup("a/one"), g_strdup("first"));
	g_hash_table_insert(f->targets, g_strdup("two"), g_strdup("second"));
	tuf_publish(f);
	tuf_bootstrap(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_false(ash_tuf_client_find_target(client, "two", &target, &error));
	g_clear_error(&error);
	g_assert_true(ash_tuf_client_refresh(client, NULL, NULL));
	g_assert_true(ash_tuf_client_find_target(client, "a/one", &target, NULL));
	g_assert_nonnull(target);
	g_autoptr(GBytes) bytes = ash_tuf_client_fetch_target(client, target, 100, &error);
	g_assert_no_error(error);
	g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "first", 5);
	g_assert_null(ash_tuf_client_fetch_target(client, target, 4, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_true(ash_tuf_client_find_target(client, "three", &other, NULL));
	g_assert_null(other);
	g_assert_true(ash_tuf_client_find_target(client, "../one", &other, NULL));
	g_assert_null(other);
	g_autoptr(GPtrArray) paths = ash_tuf_client_list_targets(client, "a/");
	g_assert_cmpuint(paths->len, ==, 1);
}

/* A target that was changed, cut or drawn out, or is gone. */
static void
test_target_substituted(TufFixture *f, gconstpointer data)
{
	static const char *const contents[] = { "wrong!", "content", "conten", "content and more", "" };
	g_autoptr(AshTufTarget) target = NULL;

	g_hash_table_insert(f->targets, g_strdup("file"), g_strdup("content"));
	tuf_publish(f);
	tuf_bootstrap(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_refresh(client, NULL, NULL));
	g_assert_true(ash_tuf_client_find_target(client, "file", &target, NULL));
	g_autofree char *location = ash_tuf_client_dup_location(client, target);
	g_autofree char *stored = g_strconcat("targets/", location, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(contents); i++) {
		g_autoptr(GError) error = NULL;
		g_hash_table_insert(f->files, g_strdup(stored), g_bytes_new(contents[i], strlen(contents[i])));
		g_autoptr(GBytes) bytes = ash_tuf_client_fetch_target(client, target, 100, &error);
		g_assert_cmpint(bytes != NULL, ==, strcmp(contents[i], "content") == 0);
		g_assert_true(bytes != NULL || g_error_matches(error, ASH_ERROR, ASH_ERROR_TRUST));
	}
	g_autoptr(GError) error = NULL;
	g_hash_table_remove(f->files, stored);
	g_assert_null(ash_tuf_client_fetch_target(client, target, 100, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
}

/* Visits roles for @path and says in which order; @found is whether the target is. */
static void
check_search(TufFixture *f, const TufDelegation *delegations, const char *path, const char *visited, bool found)
{
	g_autoptr(AshTufTarget) target = NULL;
	g_autoptr(GError) error = NULL;

	f->delegations = delegations;
	tuf_publish_next(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_refresh(client, NULL, &error));
	g_free(tuf_take_requests(f));
	g_assert_true(ash_tuf_client_find_target(client, path, &target, &error));
	g_assert_no_error(error);
	g_autofree char *requests = tuf_take_requests(f);
	g_assert_cmpstr(requests, ==, visited);
	g_assert_cmpint(target != NULL, ==, found);
}

static void
forget_roles(TufFixture *f)
{
	static const char *const names[] = { "A.json", "B.json", "C.json", "D.json" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		g_assert_true(ash_file_remove_tree(f->state_fd, names[i], NULL));
	g_assert_true(ash_file_remove_tree(f->state_fd, "snapshot.json", NULL));
	g_assert_true(ash_file_remove_tree(f->state_fd, "timestamp.json", NULL));
}

typedef struct {
	TufDelegation delegations[6];
	const char *path, *visited;
	bool found;
} Graph;

static const Graph graphs[] = {
	{ { { "A", "targets", "*", 0, 4, 4 }, { "B", "targets", "*", 0, 5, 5 }, { "C", "A", "*", 0, 6, 6 }, { "D", "A", "*", 0, 7, 7 } },
	  "x", "1.A.json 1.C.json 1.D.json 1.B.json", false },
	/* terminating */
	{ { { "A", "targets", "*", 0, 4, 4 }, { "B", "targets", "*", 0, 5, 5 }, { "C", "A", "*", 1, 6, 6 }, { "D", "A", "*", 0, 7, 7 } },
	  "x", "1.A.json 1.C.json", false },
	{ { { "A", "targets", "*.py", 1, 4, 4 }, { "B", "targets", "*", 0, 5, 5 } }, "x", "1.B.json", false },
	/* a circle, and two ways to one role */
	{ { { "A", "targets", "*", 0, 4, 4 }, { "B", "A", "*", 0, 5, 5 }, { "A", "B", "*", 0, 4, 4 }, { "C", "B", "*", 0, 6, 6 } },
	  "x", "1.A.json 1.B.json 1.C.json", false },
	{ { { "A", "targets", "*", 0, 4, 4 }, { "B", "targets", "*", 0, 5, 5 }, { "C", "A", "*.py", 0, 6, 6 }, { "C", "B", "*", 0, 6, 6 } },
	  "x", "1.A.json 1.B.json 1.C.json", false },
	/* found, but only where all on the way may tell of it */
	{ { { "A", "targets", "*.doc,foo-?.tgz", 0, 4, 4 }, { "B", "targets", "rel/*/*", 0, 5, 5 }, { "C", "B", "rel/x/*", 0, 6, 6, "rel/x/v1" } },
	  "rel/x/v1", "1.B.json 1.C.json", true },
	{ { { "B", "targets", "rel/*/*", 0, 5, 5 }, { "C", "B", "rel/x/*", 0, 6, 6, "rel/z/v1" } }, "rel/z/v1", "1.B.json", false },
	{ { { "A", "targets", "*.md", 0, 4, 4, "rel/README.md" } }, "rel/README.md", "", false },
	{ { { "A", "targets", "*", 0, 4, 4, "x" }, { "B", "targets", "*", 0, 5, 5, "x" } }, "x", "1.A.json", true },
};

static void
test_delegations(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	for (gsize i = 0; i < G_N_ELEMENTS(graphs); i++) {
		check_search(f, graphs[i].delegations, graphs[i].path, graphs[i].visited, graphs[i].found);
		forget_roles(f);
	}
}

static void
test_delegation_limit(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->limits.delegations = 2;
	check_search(f, graphs[0].delegations, "x", "1.A.json 1.C.json", false);
}

/* A role that was got is not fetched again, by its name and by nothing that leads out of the state. */
static void
test_delegation_kept(TufFixture *f, gconstpointer data)
{
	static const TufDelegation delegations[] = { { "../A?", "targets", "*", 0, 4, 4, "x" }, { NULL } };

	tuf_bootstrap(f);
	check_search(f, delegations, "x", "1...%2FA%3F.json", true);
	g_assert_true(ash_file_exists(f->state_fd, "..%2FA%3F.json"));
	check_search(f, delegations, "x", "", true);
}

static void
check_search_fails(TufFixture *f, const TufDelegation *delegations, const char *path, AshErrorCode code)
{
	g_autoptr(AshTufTarget) target = NULL;
	g_autoptr(GError) error = NULL;

	f->delegations = delegations;
	tuf_publish_next(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_refresh(client, NULL, &error));
	g_assert_false(ash_tuf_client_find_target(client, path, &target, &error));
	g_assert_error(error, ASH_ERROR, (int) code);
	g_assert_false(ash_file_exists(f->state_fd, "A.json"));
}

static void
test_delegation_refused(TufFixture *f, gconstpointer data)
{
	static const TufDelegation wrong_key[] = { { "A", "targets", "*", 0, 4, 5, "x" }, { NULL } };
	static const TufDelegation expired[] = { { "A", "targets", "*", 0, 4, 4, "x", TUF_NOW }, { NULL } };

	tuf_bootstrap(f);
	check_search_fails(f, wrong_key, "x", ASH_ERROR_TRUST);
	check_search_fails(f, expired, "x", ASH_ERROR_EXPIRED);
}

static void
test_delegation_unlisted(TufFixture *f, gconstpointer data)
{
	static const TufDelegation delegations[] = { { "A", "targets", "*", 0, 4, 4, "x", 0, true }, { NULL } };

	tuf_bootstrap(f);
	check_search_fails(f, delegations, "x", ASH_ERROR_TRUST);
}

/* One role by two ways with different keys: good by one is not good by the other. */
static void
test_delegation_by_another_way(TufFixture *f, gconstpointer data)
{
	static const TufDelegation delegations[] = { { "A", "targets", "a/*", 0, 4, 4 },
						     { "B", "targets", "b/*", 0, 5, 5 },
						     { "C", "A", "a/*", 0, 6, 6, "a/x" },
						     { "C", "B", "b/*", 0, 7, 6, "a/x" },
						     { NULL } };
	g_autoptr(AshTufTarget) target = NULL, other = NULL;
	g_autoptr(GError) error = NULL;

	tuf_bootstrap(f);
	f->delegations = delegations;
	tuf_publish_next(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_refresh(client, NULL, &error));
	g_assert_true(ash_tuf_client_find_target(client, "a/x", &target, &error));
	g_assert_nonnull(target);
	g_assert_false(ash_tuf_client_find_target(client, "b/x", &other, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

/* A clock that is ten years ahead sees all expired; corrected, everything is as it was. */
static void
test_clock_ahead(TufFixture *f, gconstpointer data)
{
	f->issued[ASH_TUF_TIMESTAMP] = TUF_NOW - TUF_DAY;
	tuf_publish(f);
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->now = TUF_NOW + 3650 * TUF_DAY;
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	f->now = TUF_NOW;
	tuf_refresh(f);
}

/* A clock at 1970 is raised by the image's time, and by what metadata told of its signing: no expired metadata gets in. */
static void
test_clock_behind(TufFixture *f, gconstpointer data)
{
	f->now = 0;
	f->expires[ASH_TUF_SNAPSHOT] = TUF_NOW - TUF_DAY;
	tuf_publish(f);
	tuf_bootstrap(f);
	f->floor = TUF_NOW;
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	f->floor = 0;
	f->issued[ASH_TUF_TIMESTAMP] = TUF_NOW - TUF_DAY;
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	f->expires[ASH_TUF_SNAPSHOT] = TUF_NOW + TUF_DAY;
	tuf_publish_next(f);
	tuf_refresh(f);
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_load(client, NULL));
	g_assert_cmpint(ash_tuf_client_get_time(client), ==, TUF_NOW - TUF_DAY);
}

/* A stolen timestamp key that tells of the far future stops a node only until the next root takes its say away. */
static void
test_clock_lie(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	tuf_refresh(f);
	f->issued[ASH_TUF_TIMESTAMP] = TUF_NOW + 9999 * TUF_DAY;
	f->expires[ASH_TUF_TIMESTAMP] = TUF_NOW + 10000 * TUF_DAY;
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	f->issued[ASH_TUF_TIMESTAMP] = 0;
	f->expires[ASH_TUF_TIMESTAMP] = TUF_NOW + TUF_DAY;
	tuf_publish_next(f);
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	tuf_set_keys(f->named[ASH_TUF_TIMESTAMP], 4, -1);
	tuf_set_keys(f->signers[ASH_TUF_TIMESTAMP], 4, -1);
	tuf_publish_next_root(f);
	tuf_publish_next(f);
	tuf_refresh(f);
}

/* The same of a targets key; the root that ends it is taken at once. */
static void
test_clock_lie_of_targets(TufFixture *f, gconstpointer data)
{
	tuf_bootstrap(f);
	f->issued[ASH_TUF_TARGETS] = TUF_NOW + 9999 * TUF_DAY;
	f->expires[ASH_TUF_TARGETS] = TUF_NOW + 10000 * TUF_DAY;
	tuf_publish(f);
	tuf_refresh(f);
	tuf_refresh_fails(f, ASH_ERROR_EXPIRED);
	f->issued[ASH_TUF_TARGETS] = 0;
	tuf_set_keys(f->named[ASH_TUF_TARGETS], 4, -1);
	tuf_set_keys(f->signers[ASH_TUF_TARGETS], 4, -1);
	tuf_publish_next_root(f);
	tuf_publish_next(f);
	tuf_refresh(f);
}

/* Without the network, what was refreshed is there, and nothing else is. */
static void
test_load(TufFixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshTufTarget) target = NULL;

	g_hash_table_insert(f->targets, g_strdup("x"), g_strdup("x"));
	tuf_publish(f);
	tuf_bootstrap(f);
	g_autoptr(AshTufClient) early = tuf_client(f);
	g_assert_false(ash_tuf_client_load(early, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	tuf_refresh(f);
	g_free(tuf_take_requests(f));
	g_autoptr(AshTufClient) client = tuf_client(f);
	g_assert_true(ash_tuf_client_load(client, NULL));
	g_assert_true(ash_tuf_client_find_target(client, "x", &target, NULL));
	g_assert_nonnull(target);
	g_assert_cmpuint(f->requests->len, ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("refresh", test_refresh);
	add("state", test_state);
	add("without-consistent-snapshots", test_without_consistent_snapshots);
	add("no-root", test_no_root);
	add("bad-bootstrap", test_bad_bootstrap);
	add("bootstrap-again", test_bootstrap_again);
	add("spoiled-state", test_spoiled_state);
	add("signatures", test_signatures);
	add("other-signatures", test_other_signatures);
	add("threshold", test_threshold);
	add("unreachable-threshold", test_unreachable_threshold);
	add("expired", test_expired);
	add("expired-root", test_expired_root);
	add("freeze", test_freeze);
	add("timestamp-rollback", test_timestamp_rollback);
	add("equivocation", test_equivocation);
	add("snapshot-rollback", test_snapshot_rollback);
	add("targets-rollback", test_targets_rollback);
	add("rollback-without-timestamp", test_rollback_without_timestamp);
	add("role-removed", test_role_removed);
	add("fast-forward", test_fast_forward);
	add("mix-and-match", test_mix_and_match);
	add("hash-mismatch", test_hash_mismatch);
	add("wrong-type", test_wrong_type);
	add("missing", test_missing);
	add("network", test_network);
	add("limits", test_limits);
	add("root-rotation", test_root_rotation);
	add("root-signatures", test_root_signatures);
	add("root-chain", test_root_chain);
	add("root-limit", test_root_limit);
	add("role-rotation", test_role_rotation);
	add("revoked", test_revoked);
	add("targets", test_targets);
	add("target-substituted", test_target_substituted);
	add("delegations", test_delegations);
	add("delegation-limit", test_delegation_limit);
	add("delegation-kept", test_delegation_kept);
	add("delegation-refused", test_delegation_refused);
	add("delegation-unlisted", test_delegation_unlisted);
	add("delegation-by-another-way", test_delegation_by_another_way);
	add("clock-ahead", test_clock_ahead);
	add("clock-behind", test_clock_behind);
	add("clock-lie", test_clock_lie);
	add("clock-lie-of-targets", test_clock_lie_of_targets);
	add("load", test_load);
	return g_test_run();
}
