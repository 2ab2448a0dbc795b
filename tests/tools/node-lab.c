/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes what ashlar-node works on, as plain files:
 *
 *   node-lab disk DISK ESP-DIRECTORY VERSION ROOT-IMAGE SLOT-MIB     a disk with slots a (VERSION) and b; prints the root hash
 *   node-lab publish RELEASES NOW VERSION ROOT-IMAGE [OPTION...]     adds a release and offers it in channel "stable"
 *   node-lab channel RELEASES NOW VERSION OPTION...                  changes its entry
 *   node-lab renew RELEASES NOW                                      signs again
 *
 * Options: barrier, withdrawn, wave=START:PERCENT, minimum=VERSION, etc=FILE, uki-for=ROOT-HASH, recipe (of the kernel image), recipe=FILE (is it),
 * cost=FROM:TREE-BYTES:DATA-BYTES:DELTA-BYTES (made up). The system is "lab", its ref "lab/x86_64/vm", its
 * key RELEASES.key. Root images are any whole blocks.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/keyfile.h"
#include "disk/gpt/gpt.h"
#include "disk/gpt/place.h"
#include "disk/uki/uki.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "model/release.h"
#include "pack/delta.h"
#include "pack/frames.h"
#include "test-disk-pe.h"
#include "tuf/repository.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define REF      "lab/x86_64/vm"
#define NAME     "lab"
#define MIB      ((guint64) 1024 * 1024)
#define DAY      86400
#define UKI_BODY (96 * 1024)

/* The end of the program, if something cannot be done. */
static void
must(gboolean ok, GError *error)
{
	if (ok)
		return;
	fprintf(stderr, "node-lab: %s\n", error != NULL ? error->message : "failed");
	exit(1);
}

/* The same salt for all, as one system's releases have. */
static const guint8 salt[ASH_VERITY_SALT_BYTES] = "a salt that all of the lab share";

static guint64
file_bytes(int fd)
{
	struct stat st;

	must(fstat(fd, &st) == 0, NULL);
	return (guint64) st.st_size;
}

/* Content that no two versions share, and a kernel command line with the root hash. */
static GBytes *
make_uki(const char *version, const char *root_hash)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", 0x400);
	g_autofree char *cmdline = g_strdup_printf("roothash=%s console=ttyS0", root_hash);
	g_autofree char *osrel = g_strdup_printf("ID=lab\nIMAGE_ID=%s\nIMAGE_VERSION=%s\n", NAME, version);
	guint8 *body = g_malloc(UKI_BODY);

	for (gsize i = 0; i < UKI_BODY; i++)
		body[i] = (guint8) (g_str_hash(version) >> (i % 24));
	g_autoptr(GBytes) kernel = g_bytes_new_take(body, UKI_BODY);
	g_autoptr(GBytes) os_release = g_bytes_new(osrel, strlen(osrel));
	g_autoptr(AshContent) kernel_content = ash_content_new_from_bytes(kernel);
	const AshUkiParts parts = { .stub = stub, .linux_ = kernel_content, .osrel = os_release, .cmdline = cmdline, .uname = "6.1" };
	g_autoptr(AshContent) uki = ash_uki_build(&parts, &error);
	must(uki != NULL, error);
	GBytes *bytes = ash_content_load(uki, &error);
	must(bytes != NULL, error);
	return bytes;
}

/* The hash area of an image. *@ret_hash: hex, owned. */
static GBytes *
make_tree(int image_fd, char **ret_hash)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	const guint64 bytes = file_bytes(image_fd), area = ash_hash_area_bytes(bytes);
	FILE *file = tmpfile();
	guint8 hash[ASH_SHA256_SIZE];
	const AshUuid uuid = { { 1, 2, 3 } };

	must(ash_fd_copy_range(image_fd, 0, fileno(file), 0, bytes, &error), error);
	const AshVerityPlace place = { .fd = fileno(file), .data_bytes = bytes, .hash_offset = bytes, .hash_bytes = area };
	must(ash_verity_format(ctx, &place, salt, &uuid, hash, &error), error);
	guint8 *tree = g_malloc(area);
	must(ash_fd_read_exact(fileno(file), tree, area, bytes, &error), error);
	fclose(file);
	*ret_hash = ash_hex_encode(hash, sizeof(hash));
	return g_bytes_new_take(tree, area);
}

static void
write_bytes(int fd, GBytes *bytes, guint64 offset)
{
	g_autoptr(GError) error = NULL;

	must(ash_fd_write_all(fd, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), offset, &error), error);
}

static AshPartition *
add_partition(AshLayout *layout, AshPartitionRole role, const char *label, guint64 mib)
{
	AshPartition *partition = ash_partition_new(role);
	const guint8 number = (guint8) layout->partitions->len;
	guint64 end = MIB;

	if (number > 0) {
		const AshPartition *last = layout->partitions->pdata[number - 1];
		end = last->offset + last->size;
	}
	partition->type_guid = ash_partition_role_type_guid(role);
	partition->uuid = (AshUuid){ { 0x10, number, 7 } };
	partition->label = g_strdup(label);
	partition->offset = end;
	partition->size = mib * MIB;
	partition->flags = role == ASH_PARTITION_ESP || role == ASH_PARTITION_VAR ? 0 : ASH_GPT_FLAG_READ_ONLY;
	if (strcmp(label, "_empty") == 0)
		partition->flags |= ASH_GPT_FLAG_NO_AUTO;
	g_ptr_array_add(layout->partitions, partition);
	return partition;
}

static void
command_disk(char **argv)
{
	const char *disk = argv[0], *esp = argv[1], *version = argv[2], *image = argv[3];
	const guint64 slot_mib = g_ascii_strtoull(argv[4], NULL, 10);
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *label = g_strdup_printf("%s_%s", NAME, version);
	g_autofree char *hash = NULL;
	guint8 sum[ASH_SHA256_SIZE];
	ash_autofd int image_fd = ash_fd_open(AT_FDCWD, image, O_RDONLY, 0, &error);
	ash_autofd int fd = open(disk, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(image_fd >= 0 && fd >= 0, error);
	g_autoptr(GBytes) tree = make_tree(image_fd, &hash);
	add_partition(layout, ASH_PARTITION_ESP, "esp", 1);
	AshPartition *hash_a = add_partition(layout, ASH_PARTITION_ROOT_VERITY, label, 1);
	AshPartition *root_a = add_partition(layout, ASH_PARTITION_ROOT, label, slot_mib);
	add_partition(layout, ASH_PARTITION_ROOT_VERITY, "_empty", 1);
	add_partition(layout, ASH_PARTITION_ROOT, "_empty", slot_mib);
	AshPartition *var = add_partition(layout, ASH_PARTITION_VAR, "var", 1);
	ash_hex_decode(hash, sum, sizeof(sum));
	ash_verity_partition_uuids(sum, &root_a->uuid, &hash_a->uuid);
	layout->disk_uuid = (AshUuid){ { 0x20, 1 } };
	layout->size = var->offset + var->size + MIB;
	must(ftruncate(fd, (off_t) layout->size) == 0 && ash_gpt_write(fd, layout, &error), error);
	must(ash_fd_copy_range(image_fd, 0, fd, root_a->offset, file_bytes(image_fd), &error), error);
	write_bytes(fd, tree, hash_a->offset);
	g_autofree char *entry = g_strdup_printf("%s/EFI/Linux/%s.efi", esp, label);
	g_autofree char *dir = g_path_get_dirname(entry);
	g_autoptr(GBytes) uki = make_uki(version, hash);
	must(ash_file_mkdirs(AT_FDCWD, dir, 0755, &error), error);
	must(g_file_set_contents(entry, g_bytes_get_data(uki, NULL), (gssize) g_bytes_get_size(uki), &error), error);
	printf("%s\n", hash);
}

typedef struct {
	const char *dir;
	GByteArray *segment;
	AshRelease *release;
} Packer;

static void
put_object(const char *dir, GBytes *bytes, AshObjectRef *ref)
{
	g_autoptr(GError) error = NULL;

	g_free(ref->sha256);
	ref->sha256 = ash_sha256_hex(g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes));
	ref->size = g_bytes_get_size(bytes);
	g_autofree char *below = ash_object_ref_path(ref);
	g_autofree char *path = g_build_filename(dir, below, NULL);
	g_autofree char *parent = g_path_get_dirname(path);
	must(ash_file_mkdirs(AT_FDCWD, parent, 0755, &error), error);
	must(g_file_set_contents(path, g_bytes_get_data(bytes, NULL), (gssize) ref->size, &error), error);
}

static gboolean
take_frames(const void *data, gsize length, gpointer user_data, GError **error)
{
	Packer *packer = user_data;

	g_byte_array_append(packer->segment, data, (guint) length);
	return TRUE;
}

static gboolean
finish_segment(guint64 frames, gpointer user_data, GError **error)
{
	Packer *packer = user_data;
	AshPackSegment *segment = g_new0(AshPackSegment, 1);
	g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(packer->segment);

	packer->segment = g_byte_array_new();
	segment->frames = frames;
	put_object(packer->dir, bytes, &segment->object);
	g_ptr_array_add(packer->release->segments, segment);
	return TRUE;
}

static const char *
find_option(char **options, const char *name)
{
	for (; *options != NULL; options++)
		if (g_str_has_prefix(*options, name) && ((*options)[strlen(name)] == '=' || (*options)[strlen(name)] == '\0'))
			return (*options)[strlen(name)] == '=' ? *options + strlen(name) + 1 : *options;
	return NULL;
}

/* Writes a target's file and enters it. */
static void
put_target(AshTufRepository *repository, const char *dir, const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *digest = ash_sha256_hex(text, -1);
	g_autofree char *parent = g_path_get_dirname(path), *base = g_path_get_basename(path);
	g_autofree char *full = g_strdup_printf("%s/targets/%s/%s.%s", dir, parent, digest, base);
	g_autofree char *folder = g_path_get_dirname(full);

	must(ash_file_mkdirs(AT_FDCWD, folder, 0755, &error), error);
	must(g_file_set_contents(full, text, -1, &error), error);
	must(ash_tuf_repository_set_target(repository, path, strlen(text), digest, NULL, &error), error);
}

static AshKey *
load_key(const char *dir)
{
	g_autofree char *path = g_strconcat(dir, ".key", NULL);
	g_autoptr(GError) error = NULL;
	AshKey *key;

	if (g_file_test(path, G_FILE_TEST_EXISTS)) {
		key = ash_key_file_load(path, NULL, &error);
		must(key != NULL, error);
		return key;
	}
	key = ash_key_generate(ASH_KEY_ED25519, &error);
	must(key != NULL && ash_key_file_save(key, AT_FDCWD, path, NULL, &error), error);
	return key;
}

static AshTufRepository *
open_repository(const char *dir, GPtrArray *keys, gint64 now)
{
	static const guint64 thresholds[ASH_TUF_N_ROLES] = { 0 };
	static const AshTufValidity validity = { { 0 } };
	GPtrArray *const roles[ASH_TUF_N_ROLES] = { keys, keys, keys, keys };
	g_autoptr(GError) error = NULL;

	must(ash_file_mkdirs(AT_FDCWD, dir, 0755, &error), error);
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, dir, false, &error);
	g_autofree char *first = g_build_filename(dir, "metadata", "1.root.json", NULL);
	if (!g_file_test(first, G_FILE_TEST_EXISTS))
		must(ash_tuf_repository_create(dir_fd, roles, thresholds, &validity, now, &error), error);
	AshTufRepository *repository = ash_tuf_repository_open(dir_fd, &error);
	must(repository != NULL, error);
	return repository;
}

/* The channel as it is, kept beside the releases. */
static AshChannel *
load_channel(const char *dir)
{
	g_autofree char *path = g_strconcat(dir, ".channel", NULL);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	AshChannel *channel;

	if (g_file_get_contents(path, &text, NULL, NULL)) {
		channel = ash_channel_parse(text, strlen(text), path, &error);
		must(channel != NULL, error);
		return channel;
	}
	channel = ash_channel_new();
	channel->format = ASH_RELEASE_FORMAT;
	channel->ref = g_strdup(REF);
	channel->name = g_strdup("stable");
	return channel;
}

static AshChannelEntry *
find_entry(AshChannel *channel, const char *version, guint64 now)
{
	for (guint i = 0; i < channel->entries->len; i++) {
		AshChannelEntry *entry = channel->entries->pdata[i];
		if (strcmp(entry->version, version) == 0)
			return entry;
	}
	AshChannelEntry *entry = g_new0(AshChannelEntry, 1);
	entry->version = g_strdup(version);
	entry->published = now;
	entry->waves = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(channel->entries, entry);
	return entry;
}

static void
offer(AshTufRepository *repository, const char *dir, const char *version, guint64 now, char **options)
{
	g_autoptr(AshChannel) channel = load_channel(dir);
	AshChannelEntry *entry = find_entry(channel, version, now);
	const char *wave = find_option(options, "wave");
	g_autofree char *path = ash_channel_target_path(REF, "stable"), *kept = g_strconcat(dir, ".channel", NULL);

	entry->barrier = find_option(options, "barrier") != NULL;
	entry->withdrawn = find_option(options, "withdrawn") != NULL;
	if (wave != NULL) {
		AshWave *added = g_new0(AshWave, 1);
		char *colon;
		added->start = g_ascii_strtoull(wave, &colon, 10);
		added->percent = g_ascii_strtoull(colon + 1, NULL, 10);
		g_ptr_array_add(entry->waves, added);
	}
	g_autofree char *text = ash_channel_format(channel);
	must(g_file_set_contents(kept, text, -1, NULL), NULL);
	put_target(repository, dir, path, text);
}

static GBytes *
load_file(const char *path)
{
	g_autoptr(GError) error = NULL;
	char *text;
	gsize length;

	must(g_file_get_contents(path, &text, &length, &error), error);
	return g_bytes_new_take(text, length);
}

static GBytes *
make_delta(const AshDeltaImage *from, const AshDeltaImage *to)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	FILE *file = tmpfile();
	AshDeltaStats stats;

	must(ash_delta_write(ctx, from, to, 3, fileno(file), &stats, &error), error);
	guint8 *bytes = g_malloc(stats.delta_bytes);
	must(ash_fd_read_exact(fileno(file), bytes, stats.delta_bytes, 0, &error), error);
	fclose(file);
	return g_bytes_new_take(bytes, stats.delta_bytes);
}

/* The delta from a root image to its kernel image. */
static GBytes *
make_recipe(int image_fd, GBytes *uki)
{
	FILE *uki_file = tmpfile();
	const AshDeltaImage from = { image_fd, 0, file_bytes(image_fd), NULL }, to = { fileno(uki_file), 0, g_bytes_get_size(uki), NULL };

	write_bytes(fileno(uki_file), uki, 0);
	GBytes *recipe = make_delta(&from, &to);
	fclose(uki_file);
	return recipe;
}

/* @option: "VERSION:IMAGE", what it is from. */
static void
add_delta(AshRelease *release, const char *dir, int image_fd, const char *option)
{
	g_auto(GStrv) parts = g_strsplit(option, ":", 2);
	g_autoptr(GError) error = NULL;
	AshReleaseDelta *delta = g_new0(AshReleaseDelta, 1);
	ash_autofd int fd = ash_fd_open(AT_FDCWD, parts[1], O_RDONLY, 0, &error);

	must(fd >= 0, error);
	const AshDeltaImage from = { fd, 0, file_bytes(fd), NULL }, to = { image_fd, 0, file_bytes(image_fd), NULL };
	g_autoptr(GBytes) tree = make_tree(fd, &delta->from_root_hash), bytes = make_delta(&from, &to);
	delta->from_version = g_strdup(parts[0]);
	put_object(dir, bytes, &delta->object);
	g_ptr_array_add(release->deltas, delta);
}

static void
fill_release(AshRelease *release, const char *dir, const char *image, char **options)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) table = NULL;
	const char *uki_for = find_option(options, "uki-for"), *etc = find_option(options, "etc"),
		   *recipe = find_option(options, "recipe"), *delta = find_option(options, "delta");
	Packer packer = { .dir = dir, .segment = g_byte_array_new(), .release = release };
	const AshFramesSink sink = { .write = take_frames, .finish = finish_segment };
	ash_autofd int fd = ash_fd_open(AT_FDCWD, image, O_RDONLY, 0, &error);

	must(fd >= 0, error);
	release->root_bytes = file_bytes(fd);
	release->salt = ash_hex_encode(salt, sizeof(salt));
	g_autoptr(GBytes) tree = make_tree(fd, &release->root_hash);
	put_object(dir, tree, &release->tree);
	must(ash_frames_write(ctx, fd, 0, release->root_bytes, 1, &sink, &packer, &table, &error), error);
	put_object(dir, table, &release->frames);
	g_byte_array_unref(packer.segment);
	g_autoptr(GBytes) uki = make_uki(release->version, uki_for != NULL ? uki_for : release->root_hash);
	put_object(dir, uki, &release->uki);
	if (recipe != NULL) {
		g_autoptr(GBytes) bytes = strcmp(recipe, "recipe") == 0 ? make_recipe(fd, uki) : load_file(recipe);
		put_object(dir, bytes, &release->uki_recipe);
	}
	if (delta != NULL)
		add_delta(release, dir, fd, delta);
	if (etc != NULL) {
		g_autoptr(GBytes) bytes = load_file(etc);
		put_object(dir, bytes, &release->etc);
	}
}

static void
add_costs(AshRelease *release, char **options)
{
	for (; *options != NULL; options++) {
		if (!g_str_has_prefix(*options, "cost="))
			continue;
		g_auto(GStrv) parts = g_strsplit(*options + strlen("cost="), ":", 4);
		AshReleaseCost *cost = g_new0(AshReleaseCost, 1);
		must(g_strv_length(parts) == 4, NULL);
		cost->from_version = g_strdup(parts[0]);
		cost->from_root_hash = ash_sha256_hex(parts[0], -1);
		cost->tree_bytes = g_ascii_strtoull(parts[1], NULL, 10);
		cost->data_bytes = g_ascii_strtoull(parts[2], NULL, 10);
		cost->delta_bytes = g_ascii_strtoull(parts[3], NULL, 10);
		cost->requests = 7;
		g_ptr_array_add(release->costs, cost);
	}
}

static void
add_release(AshTufRepository *repository, const char *dir, const char *version, const char *image, guint64 now, char **options)
{
	g_autoptr(AshRelease) release = ash_release_new();
	g_autofree char *path = ash_release_target_path(REF, version);
	g_autoptr(GError) error = NULL;

	release->format = ASH_RELEASE_FORMAT;
	release->frame_bytes = ASH_RELEASE_FRAME_BYTES;
	release->ref = g_strdup(REF);
	release->name = g_strdup(NAME);
	release->version = g_strdup(version);
	release->architecture = g_strdup("x86_64");
	release->commit = ash_sha256_hex(version, -1);
	release->timestamp = now;
	release->minimum = g_strdup(find_option(options, "minimum"));
	fill_release(release, dir, image, options);
	add_costs(release, options);
	g_autofree char *text = ash_release_format(release);
	g_autoptr(AshRelease) again = ash_release_parse(text, strlen(text), path, &error);
	must(again != NULL, error);
	put_target(repository, dir, path, text);
}

static void
command_publish(char **argv, bool release, bool entry)
{
	const char *dir = argv[0], *version = release || entry ? argv[2] : NULL;
	const gint64 now = g_ascii_strtoll(argv[1], NULL, 10);
	g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func((GDestroyNotify) ash_key_unref);
	g_autoptr(GError) error = NULL;

	g_ptr_array_add(keys, load_key(dir));
	g_autoptr(AshTufRepository) repository = open_repository(dir, keys, now);
	if (release)
		add_release(repository, dir, version, argv[3], (guint64) now, argv + 4);
	if (entry)
		offer(repository, dir, version, (guint64) now, argv + (release ? 4 : 3));
	must(ash_tuf_repository_commit(repository, keys, NULL, now, false, NULL, &error), error);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int least;
	} commands[] = { { "disk", 7 }, { "publish", 6 }, { "channel", 5 }, { "renew", 4 } };

	for (guint i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0 || argc < commands[i].least)
			continue;
		if (i == 0)
			command_disk(argv + 2);
		else
			command_publish(argv + 2, i == 1, i <= 2);
		return 0;
	}
	fprintf(stderr, "node-lab: see the comment at the top of node-lab.c\n");
	return 2;
}
