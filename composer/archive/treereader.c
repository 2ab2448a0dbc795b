/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/treereader.h"

#include "archive/ocilayout.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "base/strictjson.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES  ((gsize) (256 * ASH_KIB))
#define MAX_NAMES     (8 * 1024 * 1024)
#define MAX_BYTES     (256 * ASH_GIB) /* of all contents: a small archive can unpack to more than any disk */
#define WHITEOUT      ".wh."
#define OPAQUE        ".wh..wh..opq"
#define OSTREE_REPO   "sysroot/ostree/repo"

static const struct {
	gsize at, length;
	const char *bytes;
} magics[] = {
	{ 0, 2, "\x1f\x8b" }, { 0, 4, "\x28\xb5\x2f\xfd" }, { 0, 6, "\xfd" "7zXZ" }, { 0, 3, "BZh" }, { 257, 5, "ustar" },
};

/* Contents, one behind the other. */
typedef struct {
	int fd;
	guint64 end;
} Spool;

typedef struct {
	AshContext *ctx;
	Spool *spool;      /* of the tree */
	AshFsTree *tree;
	GHashTable *nodes; /* path -> AshFsNode */
} Loader;

bool
ash_treereader_detect(const char *path)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, NULL);
	guint8 head[512] = { 0 };

	if (fd < 0 || pread(fd, head, sizeof(head), 0) < 0)
		return false;
	for (gsize i = 0; i < G_N_ELEMENTS(magics); i++) {
		if (memcmp(head + magics[i].at, magics[i].bytes, magics[i].length) == 0)
			return true;
	}
	return false;
}

static void
spool_free(gpointer data)
{
	Spool *spool = data;

	ash_fd_clear(&spool->fd);
	g_free(spool);
}

static Spool *
spool_new(AshContext *ctx, GError **error)
{
	const char *dir = ctx->cache_dir != NULL && g_file_test(ctx->cache_dir, G_FILE_TEST_IS_DIR) ? ctx->cache_dir : g_get_tmp_dir();
	g_autofree char *path = g_build_filename(dir, ".archive-XXXXXX", NULL);
	int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
	Spool *spool;

	if (fd < 0)
		return ash_throw_errno_null(error, "cannot make a temporary file in \"%s\"", dir);
	(void) unlink(path);
	spool = g_new0(Spool, 1);
	spool->fd = fd;
	return spool;
}

/* A node's content is the offset of its bytes. */
static guint64
get_offset(const AshFsNode *node)
{
	return g_ascii_strtoull(node->content, NULL, 10);
}

static int
open_node(const AshFsNode *node, gpointer user_data, GError **error)
{
	const Spool *spool = user_data;
	ash_autofd int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0) {
		ash_throw_errno(error, "cannot make a file in memory");
		return -1;
	}
	return ash_fd_copy_range(spool->fd, get_offset(node), fd, 0, node->size, error) ? ash_fd_steal(&fd) : -1;
}

static AshFsTree *
tree_new(Spool *spool)
{
	AshFsTree *tree = ash_fs_tree_new();

	tree->open = open_node;
	tree->user_data = spool;
	tree->free_user_data = spool_free;
	return tree;
}

/* "usr/bin/x" of "./usr//bin/x/". Owned; NULL if it leads out. */
static char *
clean_path(const char *path, GError **error)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	g_autoptr(GPtrArray) kept = g_ptr_array_new();

	for (char **name = names; *name != NULL; name++) {
		if (strcmp(*name, "..") == 0)
			return ash_throw_null(error, ASH_ERROR_CONFIG, "the name \"%s\" leads out of the archive", path);
		if ((*name)[0] != '\0' && strcmp(*name, ".") != 0)
			g_ptr_array_add(kept, *name);
	}
	g_ptr_array_add(kept, NULL);
	return g_strjoinv("/", (char **) kept->pdata);
}

/* Forgets what is at @path, if @itself, and below it. */
static void
remove_path(Loader *loader, const char *path, bool itself)
{
	g_autofree char *prefix = g_strconcat(path, path[0] != '\0' ? "/" : "", NULL);
	AshFsNode *node = g_hash_table_lookup(loader->nodes, path);
	GHashTableIter iter;
	gpointer key;

	if (node == NULL)
		return;
	if (node->children != NULL && node->children->len > 0) {
		g_hash_table_iter_init(&iter, loader->nodes);
		while (g_hash_table_iter_next(&iter, &key, NULL)) {
			if (g_str_has_prefix(key, prefix) && ((const char *) key)[0] != '\0')
				g_hash_table_iter_remove(&iter);
		}
		g_ptr_array_set_size(node->children, 0);
	}
	if (itself && node->parent != NULL) {
		g_hash_table_remove(loader->nodes, path);
		ash_fs_node_take(node);
		ash_fs_node_free(node);
	}
}

/* The node at @path, of that type, with the directories above it. */
static AshFsNode *
take_node(Loader *loader, const char *path, guint32 mode, GError **error)
{
	AshFsNode *node = g_hash_table_lookup(loader->nodes, path), *parent;
	g_autofree char *above = NULL;
	const char *slash;

	if (node != NULL && S_ISDIR(node->mode) && S_ISDIR(mode)) {
		node->mode = mode;
		return node;
	}
	if (path[0] == '\0')
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the root is no directory");
	if (g_hash_table_size(loader->nodes) >= MAX_NAMES)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "more than %d names", MAX_NAMES);
	remove_path(loader, path, true);
	slash = strrchr(path, '/');
	above = slash != NULL ? g_strndup(path, (gsize) (slash - path)) : g_strdup("");
	parent = g_hash_table_lookup(loader->nodes, above);
	if (parent == NULL || !S_ISDIR(parent->mode))
		parent = take_node(loader, above, S_IFDIR | 0755, error);
	if (parent == NULL)
		return NULL;
	node = ash_fs_node_new(parent, slash != NULL ? slash + 1 : path, mode);
	g_hash_table_insert(loader->nodes, g_strdup(path), node);
	return node;
}

static gboolean
throw_archive(struct archive *archive, GError **error)
{
	const char *text = archive_error_string(archive);

	return ash_throw(error, ASH_ERROR_CONFIG, "the archive is damaged: %s", text != NULL ? text : "it ends too early");
}

static gboolean
read_content(Loader *loader, struct archive *archive, AshFsNode *node, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
	Spool *spool = loader->spool;
	guint64 start = spool->end;
	la_ssize_t got;

	while ((got = archive_read_data(archive, buffer, BUFFER_BYTES)) > 0) {
		if (spool->end > MAX_BYTES)
			return ash_throw(error, ASH_ERROR_CONFIG, "the archive unpacks to too much");
		if (!ash_fd_write_all(spool->fd, buffer, (gsize) got, spool->end, error))
			return FALSE;
		spool->end += (guint64) got;
	}
	if (got < 0)
		return throw_archive(archive, error);
	node->size = spool->end - start;
	if (node->size > 0)
		node->content = g_strdup_printf("%" G_GUINT64_FORMAT, start);
	return ash_context_check(loader->ctx, error);
}

static void
copy_capability(struct archive_entry *entry, AshFsNode *node)
{
	const char *name;
	const void *value;
	gsize length;

	(void) archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &length) == ARCHIVE_OK) {
		if (name != NULL && strcmp(name, "security.capability") == 0)
			ash_fs_node_add_xattr(node, name, value, length);
	}
}

static void
copy_owner(struct archive_entry *entry, AshFsNode *node)
{
	node->uid = (guint32) archive_entry_uid(entry);
	node->gid = (guint32) archive_entry_gid(entry);
	node->mtime = archive_entry_mtime(entry);
}

/* Another name of a file that came before: the same offset says so until all is read. */
static gboolean
add_hardlink(Loader *loader, const char *path, const char *target, GError **error)
{
	g_autofree char *clean = clean_path(target, error);
	const AshFsNode *first = clean != NULL ? g_hash_table_lookup(loader->nodes, clean) : NULL;
	const AshFsXattr *xattr;
	AshFsNode *node;

	if (clean == NULL)
		return FALSE;
	if (first == NULL || S_ISDIR(first->mode) || strcmp(clean, path) == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\" is a link to \"%s\", which is no file", path, target);
	node = take_node(loader, path, first->mode, error);
	if (node == NULL)
		return FALSE;
	ash_fs_node_copy_content(node, first);
	node->mtime = first->mtime;
	xattr = ash_fs_node_get_xattr(first, "security.capability");
	if (xattr != NULL)
		ash_fs_node_add_xattr(node, xattr->name, xattr->value, xattr->length);
	return TRUE;
}

/* OCI image specification 1.1, layer.md, "Whiteouts". TRUE in *@ret_done if the entry was one. */
static void
apply_whiteout(Loader *loader, const char *path, bool *ret_done)
{
	g_autofree char *base = g_path_get_basename(path);
	const char *slash = strrchr(path, '/');
	g_autofree char *above = slash != NULL ? g_strndup(path, (gsize) (slash - path)) : g_strdup("");
	g_autofree char *hidden = NULL;

	*ret_done = g_str_has_prefix(base, WHITEOUT);
	if (!*ret_done)
		return;
	if (strcmp(base, OPAQUE) == 0) {
		remove_path(loader, above, false);
		return;
	}
	hidden = g_strconcat(above, above[0] != '\0' ? "/" : "", base + strlen(WHITEOUT), NULL);
	remove_path(loader, hidden, true);
}

static gboolean
add_entry(Loader *loader, struct archive *archive, struct archive_entry *entry, bool is_layer, GError **error)
{
	const char *name = archive_entry_pathname(entry), *target = archive_entry_hardlink(entry);
	g_autofree char *path = name != NULL ? clean_path(name, error) : NULL;
	guint32 mode = archive_entry_mode(entry);
	bool done = false;
	AshFsNode *node;

	if (path == NULL)
		return name != NULL ? FALSE : ash_throw(error, ASH_ERROR_CONFIG, "an entry without a name");
	if (is_layer)
		apply_whiteout(loader, path, &done);
	if (done)
		return TRUE;
	if (target != NULL)
		return add_hardlink(loader, path, target, error);
	/* Devices, sockets and the like hold nothing. */
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		return TRUE;
	node = take_node(loader, path, mode, error);
	if (node == NULL)
		return FALSE;
	copy_owner(entry, node);
	if (S_ISLNK(mode)) {
		node->target = g_strdup(archive_entry_symlink(entry) != NULL ? archive_entry_symlink(entry) : "");
		node->size = strlen(node->target);
		return TRUE;
	}
	copy_capability(entry, node);
	return S_ISDIR(mode) || read_content(loader, archive, node, error);
}

static gboolean
read_entries(Loader *loader, struct archive *archive, bool is_layer, GError **error)
{
	struct archive_entry *entry;
	int rc;

	while ((rc = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (!add_entry(loader, archive, entry, is_layer, error))
			return FALSE;
	}
	return rc == ARCHIVE_EOF || throw_archive(archive, error);
}

/* Bytes of a file from @at on. */
typedef struct {
	int fd;
	guint64 at, end;
	guint8 buffer[64 * 1024];
} Range;

static la_ssize_t
read_range(struct archive *archive, void *user_data, const void **ret_buffer)
{
	Range *range = user_data;
	gsize part = (gsize) MIN(range->end - range->at, sizeof(range->buffer));
	ssize_t got = part > 0 ? pread(range->fd, range->buffer, part, (off_t) range->at) : 0;

	if (got < 0) {
		archive_set_error(archive, errno, "cannot read");
		return -1;
	}
	range->at += (guint64) got;
	*ret_buffer = range->buffer;
	return got;
}

/* Puts the entries of the tar in bytes @at to @end of @fd into the tree. */
static gboolean
read_tar(Loader *loader, int fd, guint64 at, guint64 end, bool is_layer, GError **error)
{
	struct archive *archive = archive_read_new();
	g_autofree Range *range = g_new0(Range, 1);
	gboolean ok;

	range->fd = fd;
	range->at = at;
	range->end = end;
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_format_tar(archive);
	ok = archive_read_open(archive, range, NULL, read_range, NULL) == ARCHIVE_OK ? read_entries(loader, archive, is_layer, error)
										    : throw_archive(archive, error);
	archive_read_free(archive);
	return ok;
}

typedef struct {
	GHashTable *firsts; /* offset as text -> AshFsNode */
} Linker;

static gboolean
link_node(AshFsNode *node, gpointer user_data, GError **error)
{
	const Linker *linker = user_data;
	AshFsNode *first;

	if (!S_ISREG(node->mode) || node->content == NULL)
		return TRUE;
	first = g_hash_table_lookup(linker->firsts, node->content);
	if (first == NULL)
		g_hash_table_insert(linker->firsts, node->content, node);
	node->hardlink = first;
	return TRUE;
}

static void
finish(AshFsTree *tree)
{
	g_autoptr(GHashTable) firsts = g_hash_table_new(g_str_hash, g_str_equal);
	Linker linker = { firsts };

	ash_fs_tree_finish(tree);
	ash_fs_tree_walk(tree, link_node, &linker, NULL);
	ash_fs_tree_finish(tree);
}

static Loader
loader_new(AshContext *ctx, AshFsTree *tree)
{
	Loader loader = { ctx, tree->user_data, tree, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };

	g_hash_table_insert(loader.nodes, g_strdup(""), tree->root);
	return loader;
}

static AshFsTree *
load_layers(AshContext *ctx, const AshFsTree *outer, bool as_system, GError **error)
{
	const Spool *blobs = outer->user_data;
	g_autoptr(JsonNode) manifest = ash_oci_layout_load_manifest(outer, error);
	JsonArray *layers = manifest != NULL ? ash_strict_json_array(json_node_get_object(manifest), "layers", error) : NULL;
	Spool *spool = layers != NULL ? spool_new(ctx, error) : NULL;
	g_autoptr(AshFsTree) tree = spool != NULL ? tree_new(spool) : NULL;
	g_autoptr(GHashTable) nodes = NULL;
	Loader loader;

	if (tree == NULL)
		return NULL;
	loader = loader_new(ctx, tree);
	nodes = loader.nodes;
	for (guint i = 0; i < json_array_get_length(layers); i++) {
		JsonNode *layer = json_array_get_element(layers, i);
		AshFsNode *blob;

		if (!JSON_NODE_HOLDS_OBJECT(layer))
			return ash_throw_null(error, ASH_ERROR_CONFIG, "a layer is no object");
		blob = ash_oci_layout_find_blob(outer, json_node_get_object(layer), error);
		if (blob == NULL || !read_tar(&loader, blobs->fd, get_offset(blob), get_offset(blob) + blob->size, true, error))
			return NULL;
	}
	/* The files of an encapsulated commit have second names there, by their checksums. */
	if (as_system)
		remove_path(&loader, OSTREE_REPO, true);
	finish(tree);
	return g_steal_pointer(&tree);
}

static AshFsTree *
load_outer(AshContext *ctx, int fd, guint64 size, GError **error)
{
	Spool *spool = spool_new(ctx, error);
	g_autoptr(AshFsTree) tree = spool != NULL ? tree_new(spool) : NULL;
	g_autoptr(GHashTable) nodes = NULL;
	Loader loader;

	if (tree == NULL)
		return NULL;
	loader = loader_new(ctx, tree);
	nodes = loader.nodes;
	if (!read_tar(&loader, fd, 0, size, false, error))
		return NULL;
	finish(tree);
	return g_steal_pointer(&tree);
}

AshFsTree *
ash_treereader_load_members(AshContext *ctx, const char *path, GError **error)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, path, &st, error))
		return NULL;
	AshFsTree *members = load_outer(ctx, fd, (guint64) st.st_size, error);
	return members != NULL ? members : (ash_prefix(error, "\"%s\"", path), NULL);
}

/* One regular file of a directory among the members. */
static gboolean
add_file(Loader *loader, int dir_fd, const char *name, const char *path, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, name, O_RDONLY | O_NOFOLLOW, 0, error);
	Spool *spool = loader->spool;
	AshFsNode *node;
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, path, &st, error))
		return FALSE;
	if (!S_ISREG(st.st_mode))
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is no file", path);
	node = take_node(loader, path, S_IFREG | 0644, error);
	if (node == NULL || !ash_fd_copy_range(fd, 0, spool->fd, spool->end, (guint64) st.st_size, error))
		return FALSE;
	node->size = (guint64) st.st_size;
	if (node->size > 0)
		node->content = g_strdup_printf("%" G_GUINT64_FORMAT, spool->end);
	spool->end += node->size;
	return ash_context_check(loader->ctx, error);
}

/* What of a layout in a directory belongs to it. */
static gboolean
add_layout(Loader *loader, int fd, GError **error)
{
	g_autoptr(DIR) blobs = NULL;
	struct dirent *entry;
	gboolean ok = TRUE;

	if (!add_file(loader, fd, "oci-layout", "oci-layout", error) || !add_file(loader, fd, "index.json", "index.json", error))
		return FALSE;
	blobs = ash_fd_open_stream(fd, ASH_OCI_LAYOUT_BLOBS, error);
	if (blobs == NULL)
		return FALSE;
	while (ok && (entry = ash_fd_next_entry(blobs)) != NULL) {
		g_autofree char *path = g_build_filename(ASH_OCI_LAYOUT_BLOBS, entry->d_name, NULL);
		ok = add_file(loader, dirfd(blobs), entry->d_name, path, error);
	}
	return ok;
}

static AshFsTree *
load_directory(AshContext *ctx, const char *path, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, path, false, error);
	Spool *spool = fd >= 0 ? spool_new(ctx, error) : NULL;
	g_autoptr(AshFsTree) tree = spool != NULL ? tree_new(spool) : NULL;
	g_autoptr(GHashTable) nodes = NULL;
	Loader loader;

	if (tree == NULL)
		return NULL;
	loader = loader_new(ctx, tree);
	nodes = loader.nodes;
	if (!add_layout(&loader, fd, error))
		return NULL;
	ash_fs_tree_finish(tree);
	return g_steal_pointer(&tree);
}

AshFsTree *
ash_treereader_load_layout(AshContext *ctx, const char *path, GError **error)
{
	bool is_directory = g_file_test(path, G_FILE_TEST_IS_DIR);
	g_autoptr(AshFsTree) members = is_directory ? load_directory(ctx, path, error) : ash_treereader_load_members(ctx, path, error);

	if (members == NULL)
		return is_directory ? (ash_prefix(error, "\"%s\" is no OCI image layout", path), NULL) : NULL;
	if (ash_oci_layout_get_index(members) == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" is no OCI image layout: it has no \"oci-layout\" or no \"index.json\"", path);
	return ash_oci_layout_check(members, error) ? g_steal_pointer(&members) : (ash_prefix(error, "\"%s\"", path), NULL);
}

AshFsTree *
ash_treereader_load_layers(AshContext *ctx, const AshFsTree *members, GError **error)
{
	return load_layers(ctx, members, false, error);
}

AshFsTree *
ash_treereader_load(AshContext *ctx, const char *path, GError **error)
{
	g_autoptr(AshFsTree) outer = ash_treereader_load_members(ctx, path, error), inner = NULL;

	if (outer == NULL)
		return NULL;
	if (ash_oci_layout_get_index(outer) == NULL)
		inner = g_steal_pointer(&outer);
	else
		inner = load_layers(ctx, outer, true, error);
	if (inner == NULL)
		return ash_prefix(error, "\"%s\"", path), NULL;
	if (ash_fs_tree_lookup(inner, "usr") == NULL && ash_fs_tree_lookup(inner, "etc") == NULL && ash_fs_tree_lookup(inner, "bin") == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\": there is no system in it: none of usr, etc and bin", path);
	return g_steal_pointer(&inner);
}
