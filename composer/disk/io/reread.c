/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/io/reread.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"

#include <string.h>

#define BLOCK ((guint64) 4096)

struct AshReread {
	int disk;
	const AshUsedMap *used;
	const AshFsTree *tree;
	GArray *copies; /* of AshFileCopy, by offset; NULL: none */
	GArray *places; /* of AshContentPlace, by offset; NULL: none */
	guint next;     /* the first file that may lie behind what was read last */
	guint opened;   /* whose file is open, if one is */
	int file;
};

AshReread *
ash_reread_new(int fd, const AshUsedMap *used)
{
	AshReread *reread = g_new0(AshReread, 1);

	reread->disk = fd;
	reread->used = used;
	reread->file = -1;
	return reread;
}

AshReread *
ash_reread_dup(const AshReread *reread)
{
	AshReread *copy = ash_reread_new(reread->disk, reread->used);

	if (reread->copies != NULL)
		ash_reread_set_files(copy, reread->tree, reread->copies);
	if (reread->places != NULL)
		ash_reread_set_contents(copy, reread->places);
	return copy;
}

void
ash_reread_free(AshReread *reread)
{
	if (reread == NULL)
		return;
	g_clear_pointer(&reread->copies, g_array_unref);
	g_clear_pointer(&reread->places, g_array_unref);
	ash_fd_clear(&reread->file);
	g_free(reread);
}

void
ash_reread_set_files(AshReread *reread, const AshFsTree *tree, GArray *copies)
{
	reread->tree = tree;
	reread->copies = g_array_ref(copies);
}

void
ash_reread_set_contents(AshReread *reread, GArray *places)
{
	reread->places = g_array_ref(places);
}

int
ash_reread_get_fd(const AshReread *reread)
{
	return reread->disk;
}

bool
ash_reread_knows(const AshReread *reread, guint64 index)
{
	return reread->used != NULL && ash_used_map_knows(reread->used, index);
}

static const AshFileCopy *
get_copy(const AshReread *reread, guint index)
{
	return &g_array_index(reread->copies, AshFileCopy, index);
}

static guint64
get_end(const AshFileCopy *copy)
{
	return copy->offset + ash_size_round_up(copy->node->size, BLOCK);
}

/* The first file that ends behind @offset; the number of files if there is none. */
static guint
find_file(AshReread *reread, guint64 offset)
{
	guint n = reread->copies != NULL ? reread->copies->len : 0;

	if (reread->next > 0 && get_end(get_copy(reread, reread->next - 1)) > offset)
		reread->next = 0;
	while (reread->next < n && get_end(get_copy(reread, reread->next)) <= offset)
		reread->next++;
	return reread->next;
}

static gboolean
read_file(AshReread *reread, guint index, guint64 from, guint8 *buffer, gsize length, GError **error)
{
	const AshFileCopy *copy = get_copy(reread, index);
	gsize content = (gsize) MIN(length, from < copy->node->size ? copy->node->size - from : 0);

	memset(buffer + content, 0, length - content);
	if (reread->file >= 0 && reread->opened != index)
		ash_fd_clear(&reread->file);
	if (reread->file < 0)
		reread->file = ash_fs_tree_open(reread->tree, copy->node, error);
	reread->opened = index;
	if (reread->file < 0 || !ash_fd_read_exact(reread->file, buffer, content, from, error)) {
		g_autofree char *path = ash_fs_node_dup_path(copy->node);

		return ash_prefix(error, "\"/%s\"", path);
	}
	return TRUE;
}

/* The first content that ends behind @offset; NULL: none. They are few. */
static const AshContentPlace *
find_place(const AshReread *reread, guint64 offset)
{
	for (guint i = 0; reread->places != NULL && i < reread->places->len; i++) {
		const AshContentPlace *place = &g_array_index(reread->places, AshContentPlace, i);
		if (place->offset + ash_content_get_size(place->content) > offset)
			return place;
	}
	return NULL;
}

/* From the disk itself, or from a content that it is to have. Sets *@ret_part: as much as comes from one of them. */
static gboolean
read_other(const AshReread *reread, guint8 *buffer, gsize length, guint64 offset, gsize *ret_part, GError **error)
{
	const AshContentPlace *place = find_place(reread, offset);
	guint64 start = place != NULL ? place->offset : G_MAXUINT64;

	if (start > offset) {
		*ret_part = (gsize) MIN(length, start - offset);
		return ash_fd_read_exact(reread->disk, buffer, *ret_part, offset, error);
	}
	*ret_part = (gsize) MIN(length, start + ash_content_get_size(place->content) - offset);
	return ash_content_read(place->content, buffer, *ret_part, offset - start, error);
}

gboolean
ash_reread_read(AshReread *reread, void *buffer, gsize length, guint64 offset, GError **error)
{
	guint8 *to = buffer;
	guint n = reread->copies != NULL ? reread->copies->len : 0;
	gsize part;

	for (guint64 end = offset + length; offset < end; offset += part, to += part) {
		guint index = find_file(reread, offset);
		const AshFileCopy *copy = index < n ? get_copy(reread, index) : NULL;
		gboolean ok;

		if (copy != NULL && copy->offset <= offset) {
			part = (gsize) (MIN(end, get_end(copy)) - offset);
			ok = read_file(reread, index, offset - copy->offset, to, part, error);
		} else {
			part = (gsize) ((copy != NULL ? MIN(end, copy->offset) : end) - offset);
			ok = read_other(reread, to, part, offset, &part, error);
		}
		if (!ok)
			return FALSE;
	}
	return TRUE;
}
