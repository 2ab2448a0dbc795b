/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/tree.h"

#include "base/error.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 256
/* Names in a file system; a hostile one can have more directory entries than bytes of its own. */
#define MAX_NODES (8 * 1024 * 1024)

typedef struct {
	AshErofsReader *reader;
	guint32 source;
	GHashTable *directories; /* nid + 1: each has one name only */
	GHashTable *files;       /* nid + 1 -> first AshFsNode of an inode with several names */
	guint n_nodes;
} Filler;

typedef struct {
	char *name;
	guint64 nid;
} Entry;

static void
entry_clear(gpointer data)
{
	g_free(((Entry *) data)->name);
}

static bool
add_entry(const char *name, guint64 nid, gpointer user_data)
{
	Entry entry = { NULL, nid };

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	entry.name = g_strdup(name);
	g_array_append_val((GArray *) user_data, entry);
	return false;
}

static gboolean fill_directory(Filler *filler, AshFsNode *node, guint64 nid, guint depth, GError **error);

static gboolean
fill_capability(Filler *filler, AshFsNode *node, guint64 nid, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(GBytes) value = ash_erofs_get_xattr_nid(filler->reader, nid, "security.capability", &local);

	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (value != NULL)
		ash_fs_node_add_xattr(node, "security.capability", g_bytes_get_data(value, NULL), g_bytes_get_size(value));
	return TRUE;
}

static gboolean
fill_file(Filler *filler, AshFsNode *node, const AshErofsStat *stat, GError **error)
{
	gpointer key = GSIZE_TO_POINTER((gsize) stat->nid + 1);

	node->number = filler->source;
	if (stat->size > 0)
		node->content = g_strdup_printf("%" G_GUINT64_FORMAT, stat->nid);
	if (stat->nlink > 1) {
		node->hardlink = g_hash_table_lookup(filler->files, key);
		if (node->hardlink == NULL)
			g_hash_table_insert(filler->files, key, node);
	}
	return fill_capability(filler, node, stat->nid, error);
}

/* What there is no node for, sockets and the like, is left out. */
static gboolean
fill_entry(Filler *filler, AshFsNode *parent, const Entry *entry, guint depth, GError **error)
{
	AshErofsStat stat;
	AshFsNode *node;

	if (!ash_erofs_stat_nid(filler->reader, entry->nid, &stat, error))
		return FALSE;
	if (!S_ISREG(stat.mode) && !S_ISDIR(stat.mode) && !S_ISLNK(stat.mode))
		return TRUE;
	if (filler->n_nodes++ >= MAX_NODES)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: more than %d names", MAX_NODES);
	node = ash_fs_node_new(parent, entry->name, stat.mode);
	node->uid = stat.uid;
	node->gid = stat.gid;
	node->mtime = stat.mtime;
	node->size = S_ISDIR(stat.mode) ? 0 : stat.size;
	if (S_ISDIR(stat.mode))
		return fill_directory(filler, node, entry->nid, depth + 1, error);
	if (S_ISREG(stat.mode))
		return fill_file(filler, node, &stat, error);
	node->target = ash_erofs_read_link_nid(filler->reader, entry->nid, error);
	return node->target != NULL;
}

static gboolean
fill_directory(Filler *filler, AshFsNode *node, guint64 nid, guint depth, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));

	g_array_set_clear_func(entries, entry_clear);
	if (depth > MAX_DEPTH || !g_hash_table_add(filler->directories, GSIZE_TO_POINTER((gsize) nid + 1)))
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is in itself, or in two others");
	if (!ash_erofs_each_entry(filler->reader, nid, add_entry, entries, error))
		return FALSE;
	for (guint i = 0; i < entries->len; i++) {
		if (!fill_entry(filler, node, &g_array_index(entries, Entry, i), depth, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_erofs_tree_fill(AshErofsReader *reader, AshFsNode *root, guint32 source, GError **error)
{
	g_autoptr(GHashTable) directories = g_hash_table_new(NULL, NULL), files = g_hash_table_new(NULL, NULL);
	Filler filler = { reader, source, directories, files };
	AshErofsStat stat;

	if (!ash_erofs_stat_nid(reader, ash_erofs_get_root(reader), &stat, error))
		return FALSE;
	root->mode = stat.mode;
	root->uid = stat.uid;
	root->gid = stat.gid;
	return fill_directory(&filler, root, stat.nid, 0, error);
}
