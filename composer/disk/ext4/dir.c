/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/ext4/dir.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* A name has a header, and takes a multiple of four. */
#define ENTRY_HEADER_BYTES 8
#define ENTRY_UNIT         4
/* "." and ".." */
#define DOT_BYTES          12
#define DOTS_BYTES         (2 * DOT_BYTES)
/* Where the pairs of hash and block begin: in the root behind the two names and its description, elsewhere behind a name that is none. */
#define ROOT_PAIRS_AT      (DOTS_BYTES + sizeof(struct ext2_dx_root_info))
#define NODE_PAIRS_AT      ENTRY_HEADER_BYTES

/** A name and where it belongs. */
typedef struct {
	const AshExt4Entry *entry;
	ext2_dirhash_t hash, minor;
} Hashed;

/** A block below the index, and the least hash of what is in it or below; the lowest bit says that some of that hash are in the block before. */
typedef struct {
	guint32 hash, block;
} Pair;

/** A directory being written. */
typedef struct {
	ext2_filsys fs;
	ext2_ino_t ino, parent;
	guint8 *block;  /* buffer */
	guint32 next;   /* block of the directory: the first that was not written */
} Writer;

static guint
measure(const char *name)
{
	return (guint) (ENTRY_HEADER_BYTES + strlen(name) + ENTRY_UNIT - 1) / ENTRY_UNIT * ENTRY_UNIT;
}

/* Room for names. */
static guint
get_room(ext2_filsys fs)
{
	return fs->blocksize - (guint) sizeof(struct ext2_dir_entry_tail);
}

static int
choose_type(guint32 mode)
{
	static const struct {
		guint32 type;
		int number;
	} types[] = { { S_IFREG, EXT2_FT_REG_FILE }, { S_IFDIR, EXT2_FT_DIR }, { S_IFLNK, EXT2_FT_SYMLINK }, { S_IFCHR, EXT2_FT_CHRDEV },
		      { S_IFBLK, EXT2_FT_BLKDEV }, { S_IFIFO, EXT2_FT_FIFO }, { S_IFSOCK, EXT2_FT_SOCK } };

	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if (types[i].type == (mode & S_IFMT))
			return types[i].number;
	return EXT2_FT_UNKNOWN;
}

/* A name at @at that takes @bytes. */
static void
put_entry(const Writer *writer, guint at, guint bytes, const AshExt4Entry *entry)
{
	struct ext2_dir_entry *dirent = (struct ext2_dir_entry *) (writer->block + at);

	dirent->inode = entry->ino;
	(void) ext2fs_set_rec_len(writer->fs, bytes, dirent);
	ext2fs_dirent_set_name_len(dirent, (int) strlen(entry->name));
	ext2fs_dirent_set_file_type(dirent, choose_type(entry->mode));
	memcpy(dirent->name, entry->name, strlen(entry->name));
}

static void
put_dots(const Writer *writer, guint parent_bytes)
{
	const AshExt4Entry self = { ".", writer->ino, S_IFDIR }, parent = { "..", writer->parent, S_IFDIR };

	put_entry(writer, 0, DOT_BYTES, &self);
	put_entry(writer, DOT_BYTES, parent_bytes, &parent);
}

/* The buffer becomes the block @at of the directory, with its checksum. */
static errcode_t
save_block(Writer *writer, guint32 at)
{
	blk64_t block = 0;
	errcode_t rc = ext2fs_bmap2(writer->fs, writer->ino, NULL, NULL, 0, at, NULL, &block);

	if (rc == 0)
		rc = ext2fs_write_dir_block4(writer->fs, block, writer->block, 0, writer->ino);
	memset(writer->block, 0, writer->fs->blocksize);
	return rc;
}

static void
put_tail(const Writer *writer)
{
	ext2fs_initialize_dirent_tail(writer->fs, EXT2_DIRENT_TAIL(writer->block, writer->fs->blocksize));
}

static errcode_t
write_single(Writer *writer, const GArray *entries)
{
	guint room = get_room(writer->fs), at = DOTS_BYTES;

	put_dots(writer, entries->len > 0 ? DOT_BYTES : room - DOT_BYTES);
	for (guint i = 0; i < entries->len; i++) {
		const AshExt4Entry *entry = &g_array_index(entries, AshExt4Entry, i);
		guint bytes = i + 1 < entries->len ? measure(entry->name) : room - at;

		put_entry(writer, at, bytes, entry);
		at += bytes;
	}
	put_tail(writer);
	return save_block(writer, 0);
}

static int
compare_hashed(gconstpointer a, gconstpointer b)
{
	const Hashed *left = a, *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	if (left->minor != right->minor)
		return left->minor < right->minor ? -1 : 1;
	return strcmp(left->entry->name, right->entry->name);
}

static errcode_t
hash_entries(ext2_filsys fs, const GArray *entries, GArray *ret_hashed)
{
	for (guint i = 0; i < entries->len; i++) {
		Hashed hashed = { .entry = &g_array_index(entries, AshExt4Entry, i) };
		errcode_t rc = ext2fs_dirhash2(fs->super->s_def_hash_version, hashed.entry->name, (int) strlen(hashed.entry->name), NULL, 0,
					       fs->super->s_hash_seed, &hashed.hash, &hashed.minor);

		if (rc != 0)
			return rc;
		g_array_append_val(ret_hashed, hashed);
	}
	g_array_sort(ret_hashed, compare_hashed);
	return 0;
}

/* How many from @first on one block takes. */
static guint
count_fitting(const Writer *writer, const GArray *hashed, guint first)
{
	guint room = get_room(writer->fs), taken = 0, i = first;

	while (i < hashed->len && taken + measure(g_array_index(hashed, Hashed, i).entry->name) <= room)
		taken += measure(g_array_index(hashed, Hashed, i++).entry->name);
	return i - first;
}

static guint
count_leaves(const Writer *writer, const GArray *hashed)
{
	guint leaves = 0;

	for (guint i = 0; i < hashed->len; leaves++)
		i += count_fitting(writer, hashed, i);
	return leaves;
}

static errcode_t
write_leaf(Writer *writer, const GArray *hashed, guint first, guint n)
{
	guint room = get_room(writer->fs), at = 0;

	for (guint i = 0; i < n; i++) {
		const AshExt4Entry *entry = g_array_index(hashed, Hashed, first + i).entry;
		guint bytes = i + 1 < n ? measure(entry->name) : room - at;

		put_entry(writer, at, bytes, entry);
		at += bytes;
	}
	put_tail(writer);
	return save_block(writer, writer->next++);
}

static errcode_t
write_leaves(Writer *writer, const GArray *hashed, GArray *ret_pairs)
{
	errcode_t rc = 0;

	for (guint i = 0, n; rc == 0 && i < hashed->len; i += n) {
		guint32 hash = g_array_index(hashed, Hashed, i).hash;
		bool continued = i > 0 && g_array_index(hashed, Hashed, i - 1).hash == hash;
		const Pair pair = { hash | continued, writer->next };

		n = count_fitting(writer, hashed, i);
		g_array_append_val(ret_pairs, pair);
		rc = write_leaf(writer, hashed, i, n);
	}
	return rc;
}

/* How many pairs a block has room for, a checksum behind them. */
static guint
get_limit(ext2_filsys fs, gsize at)
{
	return (guint) ((fs->blocksize - at - sizeof(struct ext2_dx_tail)) / sizeof(struct ext2_dx_entry));
}

/* The first has no hash: in its place is how many there are. */
static void
put_pairs(const Writer *writer, gsize at, const GArray *pairs, guint first, guint n)
{
	struct ext2_dx_entry *entries = (struct ext2_dx_entry *) (writer->block + at);
	struct ext2_dx_countlimit *count = (struct ext2_dx_countlimit *) entries;

	for (guint i = 0; i < n; i++) {
		const Pair *pair = &g_array_index(pairs, Pair, first + i);

		entries[i].hash = ext2fs_cpu_to_le32(pair->hash);
		entries[i].block = ext2fs_cpu_to_le32(pair->block);
	}
	count->limit = ext2fs_cpu_to_le16((guint16) get_limit(writer->fs, at));
	count->count = ext2fs_cpu_to_le16((guint16) n);
}

static errcode_t
write_root(Writer *writer, const GArray *pairs, guint levels)
{
	struct ext2_dx_root_info *info = (struct ext2_dx_root_info *) (writer->block + DOTS_BYTES);

	put_dots(writer, writer->fs->blocksize - DOT_BYTES);
	info->hash_version = writer->fs->super->s_def_hash_version;
	info->info_length = sizeof(*info);
	info->indirect_levels = (guint8) levels;
	put_pairs(writer, ROOT_PAIRS_AT, pairs, 0, pairs->len);
	return save_block(writer, 0);
}

/* Pairs of @leaves in blocks of their own, and pairs of those. */
static errcode_t
write_nodes(Writer *writer, const GArray *leaves, GArray *ret_pairs)
{
	guint limit = get_limit(writer->fs, NODE_PAIRS_AT);
	errcode_t rc = 0;

	for (guint i = 0; rc == 0 && i < leaves->len; i += limit) {
		const Pair pair = { g_array_index(leaves, Pair, i).hash, writer->next };
		struct ext2_dir_entry *none = (struct ext2_dir_entry *) writer->block;

		g_array_append_val(ret_pairs, pair);
		(void) ext2fs_set_rec_len(writer->fs, writer->fs->blocksize, none);
		put_pairs(writer, NODE_PAIRS_AT, leaves, i, MIN(limit, leaves->len - i));
		rc = save_block(writer, writer->next++);
	}
	return rc;
}

static errcode_t
set_indexed(ext2_filsys fs, ext2_ino_t ino)
{
	struct ext2_inode inode;
	errcode_t rc = ext2fs_read_inode(fs, ino, &inode);

	inode.i_flags |= EXT2_INDEX_FL;
	return rc != 0 ? rc : ext2fs_write_inode(fs, ino, &inode);
}

/* Leaves behind the root, then what is between. */
static errcode_t
write_indexed(Writer *writer, const GArray *entries)
{
	g_autoptr(GArray) hashed = g_array_new(FALSE, FALSE, sizeof(Hashed)), pairs = g_array_new(FALSE, FALSE, sizeof(Pair));
	g_autoptr(GArray) above = g_array_new(FALSE, FALSE, sizeof(Pair));
	guint root_limit = get_limit(writer->fs, ROOT_PAIRS_AT), node_limit = get_limit(writer->fs, NODE_PAIRS_AT), leaves, nodes;
	errcode_t rc = hash_entries(writer->fs, entries, hashed);

	if (rc != 0)
		return rc;
	leaves = count_leaves(writer, hashed);
	nodes = leaves > root_limit ? (leaves + node_limit - 1) / node_limit : 0;
	if (nodes > root_limit)
		return EXT2_ET_DIR_NO_SPACE;
	for (guint i = 0; rc == 0 && i < leaves + nodes; i++)
		rc = ext2fs_expand_dir(writer->fs, writer->ino);
	writer->next = 1;
	if (rc == 0)
		rc = write_leaves(writer, hashed, pairs);
	if (rc == 0 && nodes > 0)
		rc = write_nodes(writer, pairs, above);
	if (rc == 0)
		rc = write_root(writer, nodes > 0 ? above : pairs, nodes > 0);
	return rc == 0 ? set_indexed(writer->fs, writer->ino) : rc;
}

errcode_t
ash_ext4_dir_write(ext2_filsys fs, ext2_ino_t ino, ext2_ino_t parent, const GArray *entries)
{
	g_autofree guint8 *block = g_malloc0(fs->blocksize);
	Writer writer = { .fs = fs, .ino = ino, .parent = parent, .block = block };
	guint64 bytes = DOTS_BYTES;

	for (guint i = 0; i < entries->len; i++)
		bytes += measure(g_array_index(entries, AshExt4Entry, i).name);
	return bytes <= get_room(fs) ? write_single(&writer, entries) : write_indexed(&writer, entries);
}
