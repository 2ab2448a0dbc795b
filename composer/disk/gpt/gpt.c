/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/gpt/gpt.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/gpt/place.h"

#include <errno.h>
#include <libfdisk.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECTOR_BYTES    512
#define MAX_LABEL_UNITS 36

typedef struct fdisk_context GptContext;
typedef struct fdisk_partition GptPartition;
typedef struct fdisk_table GptTable;
typedef struct fdisk_parttype GptType;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GptContext, fdisk_unref_context)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GptPartition, fdisk_unref_partition)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GptTable, fdisk_unref_table)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GptType, fdisk_unref_parttype)

/* libfdisk returns -errno, or 1 where it would have asked. */
static gboolean
throw_fdisk(GError **error, int rc, const char *what)
{
	errno = rc < 0 ? -rc : EINVAL;
	return ash_throw_errno(error, "partition table: %s", what);
}

static GptContext *
open_context(int fd, gboolean read_only, GError **error)
{
	g_autoptr(GptContext) context = fdisk_new_context();
	g_autofree char *path = ash_file_fd_path(fd);
	int rc;

	if (context == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "partition table: out of memory");
	fdisk_disable_dialogs(context, 1);
	/* Not what the file system below happens to prefer: the same bytes everywhere. */
	(void) fdisk_save_user_sector_size(context, SECTOR_BYTES, SECTOR_BYTES);
	rc = fdisk_assign_device_by_fd(context, fd, path, read_only);
	if (rc != 0) {
		throw_fdisk(error, rc, "cannot read the disk file");
		return NULL;
	}
	return g_steal_pointer(&context);
}

static gboolean
check_label(const AshPartition *partition, GError **error)
{
	glong units = 0;
	g_autofree gunichar2 *utf16 = NULL;

	if (partition->label == NULL)
		return TRUE;
	utf16 = g_utf8_to_utf16(partition->label, -1, NULL, &units, NULL);
	if (utf16 == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "partition label \"%s\" is not UTF-8",
				 partition->label);
	if (units > MAX_LABEL_UNITS)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "partition label \"%s\" has %ld characters, a GPT holds %d: "
				 "shorten the name or version",
				 partition->label, units, MAX_LABEL_UNITS);
	return TRUE;
}

static gboolean
describe_partition(GptContext *context, const AshPartition *partition, GptPartition *out,
		   GError **error)
{
	struct fdisk_label *label = fdisk_get_label(context, "gpt");
	char type_text[ASH_UUID_STRING_SIZE];
	char uuid_text[ASH_UUID_STRING_SIZE];
	g_autoptr(GptType) type = NULL;
	int rc = 0;

	ash_uuid_format(&partition->type_guid, type_text);
	ash_uuid_format(&partition->uuid, uuid_text);
	type = fdisk_label_parse_parttype(label, type_text);
	if (type == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "partition type GUID \"%s\" is refused",
				 type_text);
	fdisk_partition_partno_follow_default(out, 0);
	fdisk_partition_end_follow_default(out, 0);
	fdisk_partition_size_explicit(out, 1);
	if ((rc = fdisk_partition_set_start(out, partition->offset / SECTOR_BYTES)) != 0 ||
	    (rc = fdisk_partition_set_size(out, partition->size / SECTOR_BYTES)) != 0 ||
	    (rc = fdisk_partition_set_type(out, type)) != 0 ||
	    (rc = fdisk_partition_set_uuid(out, uuid_text)) != 0 ||
	    (rc = fdisk_partition_set_name(out,
					   partition->label != NULL ? partition->label : "")) != 0)
		return throw_fdisk(error, rc, "cannot describe a partition");
	return TRUE;
}

static gboolean
add_partition(GptContext *context, const AshPartition *partition, guint index, GError **error)
{
	g_autoptr(GptPartition) entry = fdisk_new_partition();
	size_t number = index;
	int rc;

	if (!check_label(partition, error) || !describe_partition(context, partition, entry, error))
		return FALSE;
	rc = fdisk_partition_set_partno(entry, index);
	if (rc == 0)
		rc = fdisk_add_partition(context, entry, &number);
	if (rc == 0 && partition->flags != 0)
		rc = fdisk_gpt_set_partition_attrs(context, number, partition->flags);
	if (rc != 0)
		return throw_fdisk(error, rc, "cannot add a partition");
	return TRUE;
}

static gboolean
write_label(int fd, const AshLayout *layout, GError **error)
{
	g_autoptr(GptContext) context = open_context(fd, FALSE, error);
	char disk_text[ASH_UUID_STRING_SIZE];
	int rc;

	if (context == NULL)
		return FALSE;
	rc = fdisk_create_disklabel(context, "gpt");
	ash_uuid_format(&layout->disk_uuid, disk_text);
	if (rc == 0)
		rc = fdisk_set_disklabel_id_from_string(context, disk_text);
	if (rc != 0)
		return throw_fdisk(error, rc, "cannot make a GPT");
	for (guint i = 0; i < layout->partitions->len; i++) {
		if (!add_partition(context, layout->partitions->pdata[i], i, error))
			return FALSE;
	}
	rc = fdisk_write_disklabel(context);
	if (rc != 0)
		return throw_fdisk(error, rc, "cannot write");
	(void) fdisk_deassign_device(context, 1);
	return TRUE;
}

/*
 * libfdisk syncs after each write, which would wait for the whole disk: it is given a file in memory instead, and its sectors
 * are copied.
 */
gboolean
ash_gpt_write(int fd, const AshLayout *layout, GError **error)
{
	ash_autofd int memory_fd = memfd_create("gpt", MFD_CLOEXEC);
	guint64 backup = layout->size - ASH_PLACE_BACKUP_TABLE_BYTES;
	struct stat st;

	if (!ash_place_check(layout, error) || !ash_fd_stat(fd, "disk file", &st, error))
		return FALSE;
	if ((guint64) st.st_size != layout->size)
		return ash_throw(error, ASH_ERROR_INTERNAL, "disk file is not of the layout's size");
	if (memory_fd < 0 || ftruncate(memory_fd, st.st_size) < 0)
		return ash_throw_errno(error, "cannot make a file in memory");
	return write_label(memory_fd, layout, error) &&
	       ash_fd_copy_range(memory_fd, 0, fd, 0, ASH_PLACE_TABLE_BYTES, error) &&
	       ash_fd_copy_range(memory_fd, backup, fd, backup, ASH_PLACE_BACKUP_TABLE_BYTES, error);
}

static AshPartition *
read_partition(GptContext *context, GptPartition *entry, GError **error)
{
	g_autoptr(AshPartition) partition = ash_partition_new(ASH_PARTITION_LINUX);
	GptType *type = fdisk_partition_get_type(entry);
	const char *type_text = type != NULL ? fdisk_parttype_get_string(type) : NULL;
	const char *uuid_text = fdisk_partition_get_uuid(entry);
	const char *label = fdisk_partition_get_name(entry);
	guint64 flags = 0;

	if (type_text == NULL || !ash_uuid_parse(type_text, &partition->type_guid) ||
	    uuid_text == NULL || !ash_uuid_parse(uuid_text, &partition->uuid))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "partition table: an entry has no type or GUID");
	(void) ash_partition_role_from_guid(&partition->type_guid, &partition->role);
	/* Names are anybody's bytes: what does not convert is shown with replacement characters. */
	partition->label = label != NULL ? g_utf8_make_valid(label, -1) : g_strdup("");
	partition->offset = (guint64) fdisk_partition_get_start(entry) * SECTOR_BYTES;
	partition->size = (guint64) fdisk_partition_get_size(entry) * SECTOR_BYTES;
	if (fdisk_gpt_get_partition_attrs(context, fdisk_partition_get_partno(entry), &flags) == 0)
		partition->flags = flags;
	partition->grow = (partition->flags & ASH_GPT_FLAG_GROW) != 0;
	partition->read_only = (partition->flags & ASH_GPT_FLAG_READ_ONLY) != 0;
	partition->empty = strcmp(partition->label, "_empty") == 0;
	return g_steal_pointer(&partition);
}

static gboolean
read_table(GptContext *context, AshLayout *layout, GError **error)
{
	g_autoptr(GptTable) table = NULL;
	GptTable *raw = NULL;
	int rc = fdisk_get_partitions(context, &raw);

	if (rc != 0)
		return throw_fdisk(error, rc, "cannot read entries");
	table = raw;
	fdisk_table_sort_partitions(table, fdisk_partition_cmp_start);
	for (size_t i = 0; i < fdisk_table_get_nents(table); i++) {
		GptPartition *entry = fdisk_table_get_partition(table, i);
		AshPartition *partition = read_partition(context, entry, error);

		if (partition == NULL)
			return FALSE;
		g_ptr_array_add(layout->partitions, partition);
	}
	return TRUE;
}

AshLayout *
ash_gpt_read(int fd, GError **error)
{
	g_autoptr(GptContext) context = open_context(fd, TRUE, error);
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autofree char *id = NULL;

	if (context == NULL)
		return NULL;
	if (!fdisk_is_label(context, GPT))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "not a disk image: it has no GPT partition table");
	if (fdisk_get_disklabel_id(context, &id) != 0 || !ash_uuid_parse(id, &layout->disk_uuid))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "partition table: the disk GUID cannot be read");
	layout->size = (guint64) fdisk_get_nsectors(context) * SECTOR_BYTES;
	if (!read_table(context, layout, error) || !ash_place_check(layout, error))
		return NULL;
	(void) fdisk_deassign_device(context, 1);
	return g_steal_pointer(&layout);
}
