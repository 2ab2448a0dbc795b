/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "disk/xfs/reader.h"

#include <sys/mman.h>

#include "fuzz.h"

#define MAX_FILES 50
/* What a file is said to have is not what it has: holes cost nothing, and more than this is not looked at. */
#define MAX_SIZE (1 << 20)

const char *const fuzz_corpora[] = { "fuzz/corpus/xfs", NULL };

typedef struct {
	AshXfsReader *reader;
	guint left;
} Visit;

static gboolean
visit(AshFsNode *node, gpointer data, GError **error)
{
	Visit *self = data;

	g_assert_true(node->parent == NULL || (*node->name != '\0' && strchr(node->name, '/') == NULL));
	if (node->content == NULL || node->size > MAX_SIZE || self->left == 0)
		return TRUE;
	self->left--;
	ash_autofd int to = memfd_create("content", MFD_CLOEXEC);
	g_autoptr(GError) refused = NULL;
	if (to >= 0 && !ash_xfs_reader_copy(self->reader, g_ascii_strtoull(node->content, NULL, 10), to, &refused))
		g_assert_error(refused, ASH_ERROR, ASH_ERROR_CONFIG);
	return TRUE;
}

/* Any bytes can be read in bounded time and memory. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ash_autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(AshFsTree) tree = ash_fs_tree_new();
	g_autoptr(AshXfsReader) reader = NULL;
	g_autoptr(GError) error = NULL;

	if (fd < 0 || !ash_fd_write_all(fd, data, size, 0, NULL))
		return 0;
	reader = ash_xfs_reader_open(fd, 0, size, &error);
	if (reader == NULL || !ash_xfs_reader_fill(reader, tree->root, 0, &error)) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		return 0;
	}
	Visit state = { reader, MAX_FILES };
	ash_fs_tree_finish(tree);
	return ash_fs_tree_walk(tree, visit, &state, NULL) ? 0 : 1;
}
