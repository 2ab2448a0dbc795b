/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/contents.h"

#include "audit/elf.h"
#include "audit/elfrules.h"
#include "audit/secrets.h"
#include "base/fd.h"
#include "base/size.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_PER_PART 128
/* A key or a token is in a small file, or at the begin of one. */
#define HEAD_BYTES ((gsize) 256 * 1024)

struct AshContents {
	const AshAudit *audit;
	GPtrArray *nodes; /* of AshFsNode, borrowed */
};

static gboolean
list_node(AshFsNode *node, gpointer user_data, GError **error)
{
	if (S_ISREG(node->mode) && node->size > 0 && node->hardlink == NULL)
		g_ptr_array_add(user_data, node);
	return TRUE;
}

AshContents *
ash_contents_new(const AshAudit *audit)
{
	AshContents *contents = g_new0(AshContents, 1);

	contents->audit = audit;
	contents->nodes = g_ptr_array_new();
	ash_fs_tree_walk((AshFsTree *) audit->tree, list_node, contents->nodes, NULL);
	audit->report->files = contents->nodes->len;
	return contents;
}

void
ash_contents_free(AshContents *contents)
{
	if (contents == NULL)
		return;
	g_ptr_array_unref(contents->nodes);
	g_free(contents);
}

guint
ash_contents_count_parts(const AshContents *contents)
{
	return (contents->nodes->len + FILES_PER_PART - 1) / FILES_PER_PART;
}

/* By a mapping: of a large program only what is looked at is read. */
static void
check_elf(const AshAudit *audit, const AshFsNode *node, const char *path, int fd)
{
	struct stat st = { 0 };
	void *data = fstat(fd, &st) < 0 ? MAP_FAILED : mmap(NULL, (gsize) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (data == MAP_FAILED) {
		ash_audit_report_notice(audit->report, "\"/%s\" cannot be read: %s", path, g_strerror(errno));
		return;
	}
	ash_elfrules_check(audit, node, path, data, (gsize) st.st_size);
	munmap(data, (gsize) st.st_size);
}

static void
check_file(const AshAudit *audit, const AshFsNode *node, guint8 *buffer)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = ash_fs_tree_open(audit->tree, node, &error);
	gsize length = MIN(node->size, HEAD_BYTES);

	if (fd < 0 || !ash_fd_read_exact(fd, buffer, length, 0, &error)) {
		ash_audit_report_notice(audit->report, "\"/%s\" cannot be read: %s", path, error->message);
		return;
	}
	if (ash_elf_detect(buffer, length))
		check_elf(audit, node, path, fd);
	else
		ash_secrets_scan(audit, node, path, (const char *) buffer, length);
}

void
ash_contents_check(const AshContents *contents, guint index)
{
	g_autofree guint8 *buffer = g_malloc(HEAD_BYTES + 1);
	guint end = MIN((index + 1) * FILES_PER_PART, contents->nodes->len);

	for (guint i = index * FILES_PER_PART; i < end; i++)
		check_file(contents->audit, g_ptr_array_index(contents->nodes, i), buffer);
}
