/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What planning and applying an update takes, against the least that it could: reading the old slot, writing the new one and hashing.
 *
 *     node-apply publish DIR DATA HASH                       makes a release directory, and DIR/release.json
 *     node-apply apply URL DIR/release.json DATA HASH TARGET_DATA TARGET_HASH
 *         CA_FILE in the environment: PEM, for https
 *     node-apply least DATA HASH TARGET_DATA                 reads DATA hashing it, writes as much, syncs, reads it back hashing it
 *
 * Prints one line of JSON.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/verity/verity.h"
#include "node-fixture.h"
#include "pack/hashtree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static double
now(void)
{
	return (double) g_get_monotonic_time() / G_USEC_PER_SEC;
}

static long
peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* The root hash that a hash area has. */
static guint64
believe(NodeSlot *slot)
{
	AshVeritySuperblock sb;
	AshHashSpec spec = { .data_bytes = 0 };
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *hex = NULL;
	guint8 block[ASH_VERITY_BLOCK_BYTES], sum[ASH_SHA256_SIZE];

	if (!ash_verity_read_superblock(slot->view.hash.fd, 0, &sb, NULL))
		return 0;
	memcpy(spec.salt, sb.salt, sizeof(spec.salt));
	ash_fd_read_exact(slot->view.hash.fd, block, sizeof(block), sizeof(block), NULL);
	ash_hash_block(digest, &spec, block, sum);
	hex = ash_hex_encode(sum, sizeof(sum));
	g_strlcpy(slot->view.root_hash, hex, sizeof(slot->view.root_hash));
	slot->view.known = true;
	return sb.data_bytes;
}

static int
do_publish(char **argv)
{
	g_autoptr(NodeSlot) slot = node_slot_open(argv[1], argv[2]);
	guint64 bytes = believe(slot);
	g_autoptr(AshRelease) release = node_release_publish(argv[0], slot, bytes, "1");
	g_autofree char *text = ash_release_format(release);
	g_autofree char *path = g_build_filename(argv[0], "release.json", NULL);
	guint64 sum = 0;

	for (guint i = 0; i < release->segments->len; i++)
		sum += ((AshPackSegment *) g_ptr_array_index(release->segments, i))->object.size;
	printf("{\"root_bytes\": %lu, \"tree_bytes\": %lu, \"frames_bytes\": %lu, \"table_bytes\": %lu}\n", bytes, release->tree.size, sum,
	       release->frames.size);
	return ash_file_write(AT_FDCWD, path, text, -1, 0644, NULL) ? 0 : 1;
}

static int
do_apply(char **argv)
{
	const char *urls[] = { argv[0], NULL };
	AshSourceOptions options = { .urls = urls, .ca_file = g_getenv("CA_FILE") };
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(NodeSlot) active = node_slot_open(argv[2], argv[3]);
	g_autoptr(NodeSlot) target = node_slot_open(argv[4], argv[5]);
	g_autofree char *text = ash_file_load(AT_FDCWD, argv[1], 0, NULL, NULL);
	g_autoptr(AshRelease) release = ash_release_parse(text, strlen(text), argv[1], NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshSource) source = ash_source_new(&options, &error);
	double start = now();
	long planned_kib;

	believe(active);
	believe(target);
	g_autoptr(AshPlan) plan = ash_plan_make(ctx, source, release, &active->view, &target->view, &error);
	double planned = now();
	guint64 planned_requests = ash_source_get_requests(source);
	planned_kib = peak_kib();
	if (plan == NULL || !ash_plan_apply(ctx, plan, &error)) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	const AshPlanCost *cost = ash_plan_get_cost(plan);
	printf("{\"plan_s\": %.2f, \"apply_s\": %.2f, \"tree_bytes\": %lu, \"tree_requests\": %lu, \"data_bytes\": %lu, \"requests\": %lu, "
	       "\"copied\": %lu, \"kept\": %lu, \"fetched\": %lu, \"received\": %lu, \"all_requests\": %lu, \"plan_kib\": %ld, \"peak_kib\": %ld}\n",
	       planned - start, now() - planned, cost->tree_bytes, planned_requests, cost->data_bytes, cost->requests, cost->copied_bytes,
	       cost->kept_bytes, cost->fetched_blocks * 4096, ash_source_get_received(source), ash_source_get_requests(source), planned_kib,
	       peak_kib());
	return 0;
}

/* The same threads and buffers for both passes. */
static void
pass(int from, int to, guint64 bytes)
{
	g_autofree guint8 *buffer = g_malloc(1 << 20);
	g_autoptr(AshDigest) digest = ash_digest_new();
	AshHashSpec spec = { .data_bytes = bytes };
	guint8 sum[ASH_SHA256_SIZE];

	posix_fadvise(from, 0, 0, POSIX_FADV_DONTNEED);
	for (guint64 at = 0, n; at < bytes; at += n) {
		n = MIN(bytes - at, 1 << 20);
		if (!ash_fd_read_exact(from, buffer, n, at, NULL))
			abort();
		for (guint64 i = 0; i < n; i += 4096)
			ash_hash_block(digest, &spec, buffer + i, sum);
		if (to >= 0 && !ash_fd_write_all(to, buffer, n, at, NULL))
			abort();
		posix_fadvise(from, (off_t) at, (off_t) n, POSIX_FADV_DONTNEED);
	}
	if (to >= 0 && fdatasync(to) < 0)
		abort();
}

static int
do_least(char **argv)
{
	g_autoptr(NodeSlot) slot = node_slot_open(argv[0], argv[1]);
	ash_autofd int to = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	guint64 bytes = believe(slot);
	double start = now();

	pass(slot->view.data.fd, to, bytes);
	double written = now();
	pass(to, -1, bytes);
	printf("{\"copy_s\": %.2f, \"read_back_s\": %.2f}\n", written - start, now() - written);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "publish") == 0)
		return do_publish(argv + 2);
	if (argc == 8 && strcmp(argv[1], "apply") == 0)
		return do_apply(argv + 2);
	if (argc == 5 && strcmp(argv[1], "least") == 0)
		return do_least(argv + 2);
	fprintf(stderr, "usage: see the first lines of tests/bench/node-apply.c\n");
	return 2;
}
