/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Slots under bad networks and power cuts. Every write to a slot goes through our own pwrite(2), which records it: the record is then replayed up
 * to each point, as a power cut would leave the disk, and a plain second run must make the slot right.
 */
#include "node/plan.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "node-fixture.h"
#include "node-server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define N     640
#define BYTES ((guint64) N * BLOCK)

/* A write, or (length 0) a sync. */
typedef struct {
	int fd;
	guint64 offset;
	gsize length;
	guint8 *data;
} Event;

/* What happens to the slot with these descriptors. */
static struct {
	GMutex lock;
	GArray *events; /* NULL: nothing is recorded */
	int fds[2];
	guint fail_after; /* writes; then ENOSPC. 0: never */
	guint flip_at;    /* this write, from 1 on, changes a bit on its way; 0: none */
	guint writes;
} record;

static bool
is_recorded(int fd)
{
	return record.events != NULL && (fd == record.fds[0] || fd == record.fds[1]);
}

ssize_t
pwrite(int fd, const void *data, size_t length, off_t offset)
{
	g_autofree guint8 *copy = NULL;

	if (is_recorded(fd)) {
		g_mutex_lock(&record.lock);
		Event event = { fd, (guint64) offset, length, g_memdup2(data, length) };
		g_array_append_val(record.events, event);
		record.writes++;
		if (record.writes == record.flip_at) {
			copy = g_memdup2(data, length);
			copy[length / 2] ^= 4;
			data = copy;
		}
		bool fail = record.fail_after > 0 && record.writes > record.fail_after;
		g_mutex_unlock(&record.lock);
		if (fail) {
			errno = ENOSPC;
			return -1;
		}
	}
	return syscall(SYS_pwrite64, fd, data, length, offset);
}

int
fdatasync(int fd)
{
	if (is_recorded(fd)) {
		g_mutex_lock(&record.lock);
		Event event = { .fd = fd };
		g_array_append_val(record.events, event);
		g_mutex_unlock(&record.lock);
	}
	return (int) syscall(SYS_fdatasync, fd);
}

static void
start_record(const NodeSlot *slot)
{
	record.events = g_array_new(FALSE, FALSE, sizeof(Event));
	record.fds[0] = slot->view.data.fd;
	record.fds[1] = slot->view.hash.fd;
	record.writes = record.fail_after = record.flip_at = 0;
}

static GArray *
stop_record(void)
{
	return g_steal_pointer(&record.events);
}

static void
free_events(GArray *events)
{
	for (guint i = 0; i < events->len; i++)
		g_free(g_array_index(events, Event, i).data);
	g_array_unref(events);
}

/* A release and two slots with older content: the target in a state that makes all kinds of steps. */
typedef struct {
	char *dir, *url;
	guint8 *old, *new, *before; /* active slot, release, target */
	NodeSlot *active, *target;
	guint8 *hash_before;
	AshRelease *release;
	NodeServer *server;
	AshContext *ctx;
} Case;

/* What a test wants, in the string that it is given: a web server, a delta. */
static bool
wants(gconstpointer data, const char *what)
{
	return data != NULL && strstr(data, what) != NULL;
}

static void
case_set_up(Case *c, gconstpointer data)
{
	g_autofree guint8 *fresh = node_image_new(7, BYTES);
	GError *error = NULL;

	c->dir = g_dir_make_tmp("ash-apply-XXXXXX", &error);
	g_assert_no_error(error);
	c->old = node_image_new(1, BYTES);
	c->before = g_memdup2(c->old, BYTES);
	memcpy(c->before + 64 * BLOCK, fresh + 64 * BLOCK, 128 * BLOCK);
	c->new = g_memdup2(c->old, BYTES);
	memcpy(c->new + 50 * BLOCK, fresh + 70 * BLOCK, 40 * BLOCK);   /* moved within the target */
	memcpy(c->new + 200 * BLOCK, fresh + 300 * BLOCK, 30 * BLOCK); /* new */
	memcpy(c->new + 500 * BLOCK, fresh + 300 * BLOCK, 3 * BLOCK);  /* equal */
	memcpy(c->new + 600 * BLOCK, fresh + 600 * BLOCK, BLOCK);
	memset(c->new + 400 * BLOCK, 0, 20 * BLOCK);
	for (guint i = 100; wants(data, "delta") && i < 200; i += 2) /* changed a little */
		c->new[i * BLOCK + 1000] ^= 1;
	c->active = node_slot_new_image(c->dir, "active", c->old, BYTES);
	c->target = node_slot_new_image(c->dir, "target", c->before, BYTES);
	c->hash_before = g_malloc(c->target->view.hash.bytes);
	g_assert_true(ash_fd_read_exact(c->target->view.hash.fd, c->hash_before, c->target->view.hash.bytes, 0, NULL));
	g_autoptr(NodeSlot) made = node_slot_new_image(c->dir, "made", c->new, BYTES);
	c->release = node_release_publish(c->dir, made, BYTES, "2");
	if (wants(data, "delta"))
		node_release_add_delta(c->dir, c->release, c->active, NULL, made, BYTES);
	c->server = wants(data, "server") ? node_server_new(c->dir, NULL, NULL) : NULL;
	c->url = c->server != NULL ? g_strdup(c->server->url) : g_strdup_printf("file://%s", c->dir);
	c->ctx = ash_context_new();
	c->ctx->jobs = 2;
}

static void
case_tear_down(Case *c, gconstpointer data)
{
	node_server_free(c->server);
	node_slot_free(c->active);
	node_slot_free(c->target);
	ash_release_free(c->release);
	ash_context_free(c->ctx);
	ash_file_remove_tree(AT_FDCWD, c->dir, NULL);
	g_free(c->old);
	g_free(c->new);
	g_free(c->before);
	g_free(c->hash_before);
	g_free(c->dir);
	g_free(c->url);
}

static void
put(int fd, const guint8 *data, gsize length, guint64 offset)
{
	GError *error = NULL;

	ash_fd_write_all(fd, data, length, offset, &error);
	g_assert_no_error(error);
}

/* The target as it was before all. */
static void
reset_target(Case *c)
{
	put(c->target->view.data.fd, c->before, BYTES, 0);
	put(c->target->view.hash.fd, c->hash_before, c->target->view.hash.bytes, 0);
	c->target->view.known = true;
}

/* @timeout: seconds; short only where something stalls, because the machine may be busy. */
static gboolean
update_at_cost(Case *c, guint timeout, AshPlanCost *ret_cost, guint64 *ret_received, GError **error)
{
	const char *urls[] = { c->url, NULL };
	AshSourceOptions options = { .urls = urls, .pause = 1, .timeout = timeout, .attempts = 3 };
	g_autoptr(AshSource) source = ash_source_new(&options, NULL);
	g_autoptr(AshPlan) plan = ash_plan_make(c->ctx, source, c->release, &c->active->view, &c->target->view, error);
	gboolean ok = plan != NULL && ash_plan_apply(c->ctx, plan, error);

	if (ret_cost != NULL && plan != NULL)
		*ret_cost = *ash_plan_get_cost(plan);
	if (ret_received != NULL)
		*ret_received = ash_source_get_received(source);
	return ok;
}

static gboolean
update(Case *c, guint timeout, guint64 *ret_received, GError **error)
{
	return update_at_cost(c, timeout, NULL, ret_received, error);
}

/* After whatever happened: each block is an old one or the right new one, and a plain run makes all right. */
static void
assert_converges(Case *c, guint64 max_received, const char *what)
{
	g_autofree guint8 *data = g_malloc(BYTES);
	guint64 received;
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_fd_read_exact(c->target->view.data.fd, data, BYTES, 0, NULL));
	for (guint64 i = 0; i < N; i++) {
		if (memcmp(data + i * BLOCK, c->new + i * BLOCK, BLOCK) != 0 && memcmp(data + i * BLOCK, c->before + i * BLOCK, BLOCK) != 0)
			g_error("%s: block %" G_GUINT64_FORMAT " is neither old nor new", what, i);
	}
	update(c, 20, &received, &error);
	if (error != NULL)
		g_error("%s: %s", what, error->message);
	g_assert_true(node_slot_has_release(c->target, c->release));
	if (received > max_received)
		g_error("%s: the second run fetched %" G_GUINT64_FORMAT " bytes", what, received);
}

/* What a fault in the release's objects does to an update. */
typedef struct {
	const char *name, *script;
	int code; /* -1: none */
} Fault;

#define ALL(rest) "[{'path': 'objects', " rest "}]"

static const Fault faults[] = {
	{ "none", "[]", -1 },
	{ "reset", ALL("'do': 'reset', 'skip': 2"), ASH_ERROR_FETCH },
	{ "reset-often", ALL("'do': 'reset', 'times': 2"), -1 },
	{ "truncate", ALL("'do': 'truncate', 'at': 5000, 'times': 2"), -1 },
	{ "truncate-ever", ALL("'do': 'truncate', 'at': 100"), ASH_ERROR_FETCH },
	{ "stall", ALL("'do': 'stall', 'at': 5000, 'skip': 1, 'times': 2"), -1 },
	{ "drip", ALL("'do': 'drip', 'rate': 50, 'times': 2"), -1 },
	{ "flip-once", ALL("'do': 'flip', 'at': 5000, 'times': 1"), -1 },
	{ "flip-leaves", "[{'path': 'objects/TREE', 'do': 'flip', 'at': 9000}]", ASH_ERROR_TRUST },
	{ "flip-root", "[{'path': 'objects/TREE', 'do': 'flip', 'at': 4100}]", ASH_ERROR_TRUST },
	{ "flip-superblock", "[{'path': 'objects/TREE', 'do': 'flip', 'at': 90}]", ASH_ERROR_TRUST },
	{ "flip-table", "[{'path': 'objects/TABLE', 'do': 'flip', 'at': 40}]", ASH_ERROR_TRUST },
	{ "flip-frame", "[{'path': 'objects/PACK', 'do': 'flip', 'at': MIDDLE}]", ASH_ERROR_TRUST },
	{ "flip-frame-once", "[{'path': 'objects/PACK', 'do': 'flip', 'at': MIDDLE, 'times': 1}]", -1 },
	{ "whole", ALL("'do': 'whole'"), -1 },
	{ "shift", ALL("'do': 'shift'"), ASH_ERROR_FETCH },
	{ "shift-lie", "[{'path': 'objects/PACK', 'do': 'shift', 'lie': true}]", ASH_ERROR_TRUST },
	{ "total", ALL("'do': 'total'"), ASH_ERROR_FETCH },
	{ "part", ALL("'do': 'part', 'times': 2"), -1 },
	{ "replace", ALL("'do': 'replace', 'with': 'active.data', 'skip': 2"), ASH_ERROR_FETCH },
	{ "endless", ALL("'do': 'endless'"), -1 },
	{ "endless-chunked", ALL("'do': 'endless', 'chunked': true"), -1 },
	{ "missing", "[{'path': 'objects/PACK', 'do': 'status', 'status': 404}]", ASH_ERROR_FETCH },
	{ "busy", ALL("'do': 'status', 'status': 503, 'times': 2"), -1 },
	{ "busy-ever", ALL("'do': 'status', 'status': 503, 'skip': 3"), ASH_ERROR_FETCH },
	{ "loop", ALL("'do': 'redirect', 'to': '{path}', 'skip': 1"), ASH_ERROR_FETCH },
	{ "gzip", ALL("'do': 'gzip', 'skip': 1"), ASH_ERROR_FETCH },
};

/* Replaces the names of objects by their digests. */
static char *
make_script(const Case *c, const char *text)
{
	const AshPackSegment *pack = g_ptr_array_index(c->release->segments, 0);
	const char *delta = c->release->deltas->len > 0 ? ((AshReleaseDelta *) c->release->deltas->pdata[0])->object.sha256 : "-none-";
	/* All frames but the one of zeros have about the same length: this is in the one of blocks 208 to 223. */
	g_autofree char *middle = g_strdup_printf("%" G_GUINT64_FORMAT, pack->object.size / 39 * 27 / 2);
	const struct {
		const char *name, *digest;
	} names[] = { { "DELTA", delta }, { "TREE", c->release->tree.sha256 }, { "TABLE", c->release->frames.sha256 }, { "PACK", pack->object.sha256 } };
	g_autoptr(GString) script = g_string_new(text);

	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_strdup_printf("%.2s/%s", names[i].digest, names[i].digest);

		g_string_replace(script, names[i].name, path, 0);
	}
	g_string_replace(script, "MIDDLE", middle, 0);
	return g_string_free(g_steal_pointer(&script), FALSE);
}

static void
test_network(Case *c, gconstpointer data)
{
	guint64 all = c->release->tree.size + c->release->frames.size;

	if (c->server == NULL) {
		g_test_skip("python3 is needed");
		return;
	}
	for (guint i = 0; i < c->release->segments->len; i++)
		all += ((AshPackSegment *) g_ptr_array_index(c->release->segments, i))->object.size;
	for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
		const Fault *fault = &faults[i];
		g_autofree char *script = make_script(c, fault->script);
		g_autoptr(GError) error = NULL;

		reset_target(c);
		node_server_set_script(c->server, script);
		const bool stalls = strstr(fault->script, "'stall'") != NULL || strstr(fault->script, "'drip'") != NULL;
		gboolean ok = update(c, stalls ? 1 : 20, NULL, &error);
		if (ok != (fault->code < 0) || (!ok && (int) ash_error_code(error) != fault->code))
			g_error("%s: %s", fault->name, error != NULL ? error->message : "success");
		g_assert_true(!ok || node_slot_has_release(c->target, c->release));
		node_server_set_script(c->server, "[]");
		c->target->view.known = false;
		assert_converges(c, all, fault->name);
		g_test_message("%s: good", fault->name);
	}
}

/* What happens to a delta stops no update: what it does not make comes from frames. */
static const Fault delta_faults[] = {
	{ "none", "[]", -1 },
	{ "reset", ALL("'do': 'reset', 'times': 2"), -1 },
	{ "missing", "[{'path': 'objects/DELTA', 'do': 'status', 'status': 404}]", -1 },
	{ "busy-ever", "[{'path': 'objects/DELTA', 'do': 'status', 'status': 503}]", -1 },
	{ "cut", "[{'path': 'objects/DELTA', 'do': 'truncate', 'at': 9000, 'times': 2}]", -1 },
	{ "cut-ever", "[{'path': 'objects/DELTA', 'do': 'truncate', 'at': 9000}]", -1 },
	{ "stall", "[{'path': 'objects/DELTA', 'do': 'stall', 'at': 9000, 'times': 1}]", -1 },
	{ "flip-header", "[{'path': 'objects/DELTA', 'do': 'flip', 'at': 20}]", -1 },
	{ "flip-steps", "[{'path': 'objects/DELTA', 'do': 'flip', 'at': 60}]", -1 },
	{ "flip-data", "[{'path': 'objects/DELTA', 'do': 'flip', 'at': 70000}]", -1 },
	{ "flip-once", "[{'path': 'objects/DELTA', 'do': 'flip', 'at': 20, 'times': 1}]", -1 },
	{ "shift-lie", "[{'path': 'objects/DELTA', 'do': 'shift', 'lie': true}]", -1 },
	{ "replace", "[{'path': 'objects/DELTA', 'do': 'replace', 'with': 'active.data'}]", -1 },
	{ "endless", "[{'path': 'objects/DELTA', 'do': 'endless'}]", -1 },
	{ "garbage", "[{'path': 'objects/DELTA', 'do': 'garbage'}]", -1 },
	{ "frames-too", ALL("'do': 'status', 'status': 404, 'skip': 3"), ASH_ERROR_FETCH },
};

static void
test_delta_network(Case *c, gconstpointer data)
{
	if (c->server == NULL) {
		g_test_skip("python3 is needed");
		return;
	}
	for (guint i = 0; i < G_N_ELEMENTS(delta_faults); i++) {
		const Fault *fault = &delta_faults[i];
		g_autofree char *script = make_script(c, fault->script);
		g_autoptr(GError) error = NULL;
		AshPlanCost cost = { 0 };

		reset_target(c);
		node_server_set_script(c->server, script);
		gboolean ok = update_at_cost(c, strstr(fault->script, "'stall'") != NULL ? 1 : 20, &cost, NULL, &error);
		if (ok != (fault->code < 0) || (!ok && (int) ash_error_code(error) != fault->code))
			g_error("%s: %s", fault->name, error != NULL ? error->message : "success");
		g_assert_cmpuint(cost.delta_bytes, >, 0);
		g_assert_true(!ok || node_slot_has_release(c->target, c->release));
		node_server_set_script(c->server, "[]");
		c->target->view.known = false;
		assert_converges(c, G_MAXUINT64, fault->name);
		g_test_message("%s: good", fault->name);
	}
}

/* What is told before is what comes; it is less than without the delta; a delta from elsewhere, or a longer one, is not taken. */
static void
test_delta_cost(Case *c, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	AshReleaseDelta *delta = g_ptr_array_index(c->release->deltas, 0);
	AshPlanCost cost, other;
	guint64 received, other_received;

	reset_target(c);
	g_assert_true(update_at_cost(c, 20, &cost, &received, &error));
	g_assert_cmpuint(cost.delta_bytes, ==, delta->object.size);
	g_assert_cmpuint(cost.data_bytes, ==, 0);
	g_assert_cmpuint(received, ==, cost.tree_bytes + cost.delta_bytes);
	g_assert_true(node_slot_has_release(c->target, c->release));
	delta->from_root_hash[0] = delta->from_root_hash[0] == '0' ? '1' : '0';
	reset_target(c);
	g_assert_true(update_at_cost(c, 20, &other, &other_received, &error));
	g_assert_cmpuint(other.delta_bytes, ==, 0);
	g_assert_cmpuint(other_received, ==, other.tree_bytes + other.data_bytes);
	g_assert_cmpuint(other_received, >, received);
	g_free(delta->from_root_hash);
	delta->from_root_hash = g_strdup(c->active->view.root_hash);
	delta->object.size = other.data_bytes;
	reset_target(c);
	g_assert_true(update_at_cost(c, 20, &other, NULL, &error));
	g_assert_cmpuint(other.delta_bytes, ==, 0);
	g_assert_no_error(error);
}

/* One that is what the release says, but was made from another image; and an active slot whose blocks are not what they were. */
static void
test_delta_lies(Case *c, gconstpointer data)
{
	g_autofree guint8 *image = node_image_new(23, BYTES);
	g_autoptr(NodeSlot) other = node_slot_new_image(c->dir, "other", image, BYTES);
	g_autoptr(NodeSlot) made = node_slot_new_image(c->dir, "made", c->new, BYTES);
	g_autoptr(GError) error = NULL;
	AshPlanCost cost;
	guint64 received;

	for (guint i = 100; i < 300; i += 3) /* where the delta copies, and where it adds */
		put(c->active->view.data.fd, image, 100, i * BLOCK + 2000);
	reset_target(c);
	g_assert_true(update_at_cost(c, 20, &cost, &received, &error));
	g_assert_cmpuint(cost.delta_bytes, >, 0);
	g_assert_cmpuint(received, >, cost.tree_bytes + cost.delta_bytes);
	g_assert_true(node_slot_has_release(c->target, c->release));

	put(other->view.data.fd, c->new, BYTES, 0); /* "all of it is there" */
	put(c->active->view.data.fd, c->old, BYTES, 0);
	g_ptr_array_set_size(c->release->deltas, 0);
	node_release_add_delta(c->dir, c->release, c->active, other, made, BYTES);
	reset_target(c);
	g_assert_true(update_at_cost(c, 20, &cost, &received, &error));
	g_assert_cmpuint(cost.delta_bytes, >, 0);
	g_assert_cmpuint(received, >, cost.tree_bytes + cost.delta_bytes);
	g_assert_true(node_slot_has_release(c->target, c->release));
}

/* Whether what a useless delta leaves to be fetched may be. */
typedef struct {
	bool yes;
	guint64 bytes; /* what was asked about */
	guint asked;
} More;

static gboolean
say(guint64 bytes, gpointer user_data, GError **error)
{
	More *more = user_data;

	more->bytes = bytes;
	more->asked++;
	return more->yes || ash_throw(error, ASH_ERROR_SCRIPT, "no");
}

/* The plan that says before what it takes takes no more unasked; after a no, what the delta made is there for the next one. */
static void
test_delta_more(Case *c, gconstpointer data)
{
	const char *urls[] = { c->url, NULL };
	const AshSourceOptions options = { .urls = urls, .pause = 1, .timeout = 20, .attempts = 3 };

	for (guint i = 0; i < 3; i++) {
		g_autoptr(AshSource) source = ash_source_new(&options, NULL);
		g_autoptr(GError) error = NULL;
		More more = { .yes = i != 1 };

		for (guint block = 100; i > 0 && block < 300; block += 3)
			put(c->active->view.data.fd, c->old, 100, block * BLOCK + 2000);
		reset_target(c);
		g_autoptr(AshPlan) plan = ash_plan_make(c->ctx, source, c->release, &c->active->view, &c->target->view, &error);
		g_assert_no_error(error);
		const AshPlanCost *cost = ash_plan_get_cost(plan);
		const guint64 planned = cost->tree_bytes + cost->delta_bytes;
		ash_plan_set_more(plan, say, &more);
		const gboolean done = ash_plan_apply(c->ctx, plan, &error);
		g_assert_cmpuint(more.asked, ==, i == 0 ? 0 : 1);
		g_assert_true(done == more.yes);
		if (!done)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_SCRIPT);
		else
			g_assert_true(node_slot_has_release(c->target, c->release));
		g_assert_cmpuint(ash_source_get_received(source), ==, planned + (done ? more.bytes : 0));
		g_assert_true(i == 0 || more.bytes > 0);
		if (done)
			continue;
		c->target->view.known = false;
		assert_converges(c, planned + more.bytes, "after a no");
	}
}

/* Writes events before @n, the last of them only by half if @torn; of those since the last sync each only with some luck, if @lossy. */
static void
replay(Case *c, const GArray *events, guint n, bool torn, GRand *lossy)
{
	guint synced = 0;

	reset_target(c);
	for (guint i = 0; i < n; i++) {
		if (g_array_index(events, Event, i).length == 0)
			synced = i;
	}
	for (guint i = 0; i < n; i++) {
		const Event *event = &g_array_index(events, Event, i);
		gsize length = torn && i == n - 1 ? event->length / 2 / 512 * 512 : event->length;

		if (length > 0 && (lossy == NULL || i < synced || g_rand_boolean(lossy)))
			put(event->fd, event->data, length, event->offset);
	}
}

static void
test_power_cuts(Case *c, gconstpointer data)
{
	g_autoptr(GRand) random = g_rand_new_with_seed(3);
	g_autofree char *root_hash = g_strdup(c->target->view.root_hash);
	g_autoptr(GError) error = NULL;
	guint64 received;

	reset_target(c);
	start_record(c->target);
	update(c, 20, &received, &error);
	GArray *events = stop_record();
	g_assert_no_error(error);
	g_assert_true(node_slot_has_release(c->target, c->release));
	g_assert_cmpuint(events->len, >, 8);
	g_test_message("%u writes and syncs, %" G_GUINT64_FORMAT " bytes fetched", events->len, received);
	/* A second run may fetch frames again whose blocks were written in part, and what was moved within the target. */
	const guint64 most = received + 40 * BLOCK + 3 * ASH_RELEASE_FRAME_BYTES;
	for (guint n = 0; n <= events->len; n++) {
		g_autofree char *what = g_strdup_printf("cut after %u of %u", n, events->len);

		for (guint i = 0; i < 4; i++) {
			replay(c, events, n, false, i < 2 ? NULL : random);
			/* Even if somebody takes it for what it was to be. */
			c->target->view.known = i % 2 == 1;
			g_strlcpy(c->target->view.root_hash, c->release->root_hash, sizeof(c->target->view.root_hash));
			assert_converges(c, most, what);
		}
	}
	g_strlcpy(c->target->view.root_hash, root_hash, sizeof(c->target->view.root_hash));
	free_events(events);
}

/* A sector may be old or new: then a block may be neither, which the second run must see. */
static void
test_torn(Case *c, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	reset_target(c);
	start_record(c->target);
	update(c, 20, NULL, &error);
	GArray *events = stop_record();
	g_assert_no_error(error);
	for (guint n = 1; n <= events->len; n++) {
		replay(c, events, n, true, NULL);
		c->target->view.known = n % 2 == 0; /* even if somebody wrongly believes the old tree */
		update(c, 20, NULL, &error);
		g_assert_no_error(error);
		g_assert_true(node_slot_has_release(c->target, c->release));
	}
	free_events(events);
}

/* A disk that does not keep what is written: seen when it is read back, and mended; one that is full: an error, and the next run goes on. */
static void
test_bad_disk(Case *c, gconstpointer data)
{
	guint writes = 0;

	for (guint n = 1; n == 1 || n <= writes; n++) {
		g_autoptr(GError) error = NULL;

		reset_target(c);
		start_record(c->target);
		record.flip_at = n;
		update(c, 20, NULL, &error);
		writes = MAX(writes, record.writes);
		free_events(stop_record());
		if (error != NULL) /* the hash area is written once */
			g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		else
			g_assert_true(node_slot_has_release(c->target, c->release));
		g_clear_error(&error);
		c->target->view.known = false;
		update(c, 20, NULL, &error);
		g_assert_no_error(error);
		g_assert_true(node_slot_has_release(c->target, c->release));
	}
	for (guint n = 1; n < writes / 2; n++) {
		g_autoptr(GError) error = NULL;

		reset_target(c);
		start_record(c->target);
		record.fail_after = n;
		g_assert_false(update(c, 20, NULL, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
		free_events(stop_record());
		c->target->view.known = false;
		assert_converges(c, G_MAXUINT64, "full disk");
	}
}

/* Cancelled at any moment. */
static gpointer
cancel_soon(gpointer data)
{
	g_usleep(3000);
	g_cancellable_cancel(data);
	return NULL;
}

static void
test_cancel(Case *c, gconstpointer data)
{
	for (guint i = 0; i < 10; i++) {
		g_autoptr(GError) error = NULL;
		GThread *thread;

		reset_target(c);
		thread = g_thread_new("cancel", cancel_soon, c->ctx->cancellable);
		if (update(c, 20, NULL, &error))
			g_assert_true(node_slot_has_release(c->target, c->release));
		else
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
		g_thread_join(thread);
		g_cancellable_reset(c->ctx->cancellable);
		c->target->view.known = false;
		assert_converges(c, G_MAXUINT64, "cancelled");
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("no_proxy", "*", TRUE); /* whatever the machine has */
	g_test_add("/node/apply/network", Case, "server", case_set_up, test_network, case_tear_down);
	g_test_add("/node/apply/power-cuts", Case, NULL, case_set_up, test_power_cuts, case_tear_down);
	g_test_add("/node/apply/torn", Case, NULL, case_set_up, test_torn, case_tear_down);
	g_test_add("/node/apply/bad-disk", Case, NULL, case_set_up, test_bad_disk, case_tear_down);
	g_test_add("/node/apply/cancel", Case, NULL, case_set_up, test_cancel, case_tear_down);
	g_test_add("/node/apply/delta/network", Case, "delta, server", case_set_up, test_delta_network, case_tear_down);
	g_test_add("/node/apply/delta/cost", Case, "delta", case_set_up, test_delta_cost, case_tear_down);
	g_test_add("/node/apply/delta/more", Case, "delta", case_set_up, test_delta_more, case_tear_down);
	g_test_add("/node/apply/delta/lies", Case, "delta", case_set_up, test_delta_lies, case_tear_down);
	g_test_add("/node/apply/delta/power-cuts", Case, "delta", case_set_up, test_power_cuts, case_tear_down);
	g_test_add("/node/apply/delta/torn", Case, "delta", case_set_up, test_torn, case_tear_down);
	g_test_add("/node/apply/delta/bad-disk", Case, "delta", case_set_up, test_bad_disk, case_tear_down);
	g_test_add("/node/apply/delta/cancel", Case, "delta", case_set_up, test_cancel, case_tear_down);
	return g_test_run();
}
