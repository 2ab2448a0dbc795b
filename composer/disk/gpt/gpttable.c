/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/gpt/gpttable.h"

#include "base/error.h"
#include "base/fd.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIGNATURE        "EFI PART"
#define HEADER_BYTES     92
#define ENTRY_BYTES      128
#define MAX_ENTRIES      1024
#define MAX_LABEL_UNITS  36
#define PRIMARY_LBA      1

/* UEFI 2.10 table 5.5; little-endian. */
typedef struct __attribute__((packed)) {
	char signature[8];
	guint32 revision, header_bytes, header_crc, reserved;
	guint64 my_lba, alternate_lba, first_usable_lba, last_usable_lba;
	guint8 disk_guid[16];
	guint64 entries_lba;
	guint32 n_entries, entry_bytes, entries_crc;
} Header;
G_STATIC_ASSERT(sizeof(Header) == HEADER_BYTES);

/* UEFI 2.10 table 5.6 */
typedef struct __attribute__((packed)) {
	guint8 type[16], uuid[16];
	guint64 first_lba, last_lba, flags;
	guint16 label[MAX_LABEL_UNITS];
} Entry;
G_STATIC_ASSERT(sizeof(Entry) == ENTRY_BYTES);

/* One of the two copies, as it is on the disk. */
typedef struct {
	bool valid;
	guint8 *sector; /* the header's, whole: what a later revision has behind ours is kept */
	guint8 *entries;
} Copy;

struct AshGptTable {
	guint32 sector_bytes;
	guint64 disk_bytes;
	Copy primary, backup;
	guint8 *entries; /* as they are to be */
	gsize entries_bytes;
	GPtrArray *list; /* of AshGptEntry */
};

/* CRC-32 (ISO 3309), of which a table has some 16 KiB: bit by bit is quick enough. */
static guint32
crc32(const void *data, gsize length)
{
	const guint8 *bytes = data;
	guint32 crc = 0xffffffff;

	for (gsize i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc;
}

static void
swap_guid(const guint8 in[16], guint8 out[16])
{
	static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (guint i = 0; i < sizeof(order); i++)
		out[i] = in[order[i]];
}

static Header *
header_of(const Copy *copy)
{
	return (Header *) copy->sector;
}

static guint32
header_crc(const Header *header)
{
	g_autofree guint8 *bytes = g_memdup2(header, GUINT32_FROM_LE(header->header_bytes));

	((Header *) bytes)->header_crc = 0;
	return crc32(bytes, GUINT32_FROM_LE(header->header_bytes));
}

static gsize
entries_size(const Header *header)
{
	return (gsize) GUINT32_FROM_LE(header->n_entries) * ENTRY_BYTES;
}

static bool
is_header(const AshGptTable *table, const Header *header, guint64 lba)
{
	const guint32 bytes = GUINT32_FROM_LE(header->header_bytes), count = GUINT32_FROM_LE(header->n_entries);

	return memcmp(header->signature, SIGNATURE, sizeof(header->signature)) == 0 && bytes >= HEADER_BYTES &&
	       bytes <= table->sector_bytes && header_crc(header) == GUINT32_FROM_LE(header->header_crc) &&
	       GUINT64_FROM_LE(header->my_lba) == lba && GUINT32_FROM_LE(header->entry_bytes) == ENTRY_BYTES && count > 0 &&
	       count <= MAX_ENTRIES && GUINT64_FROM_LE(header->entries_lba) < table->disk_bytes / table->sector_bytes;
}

/* A copy that cannot be read is one that is not valid. */
static void
load_copy(const AshGptTable *table, int fd, guint64 lba, Copy *copy)
{
	copy->sector = g_malloc0(table->sector_bytes);
	if (lba == 0 || lba >= table->disk_bytes / table->sector_bytes ||
	    !ash_fd_read_exact(fd, copy->sector, table->sector_bytes, lba * table->sector_bytes, NULL))
		return;
	const Header *header = header_of(copy);
	if (!is_header(table, header, lba))
		return;
	copy->entries = g_malloc0(entries_size(header));
	copy->valid = ash_fd_read_exact(fd, copy->entries, entries_size(header),
					GUINT64_FROM_LE(header->entries_lba) * table->sector_bytes, NULL) &&
		      crc32(copy->entries, entries_size(header)) == GUINT32_FROM_LE(header->entries_crc);
}

static void
entry_free(gpointer data)
{
	AshGptEntry *entry = data;

	g_free(entry->label);
	g_free(entry);
}

static char *
read_label(const Entry *entry)
{
	guint16 units[MAX_LABEL_UNITS + 1] = { 0 };

	memcpy(units, entry->label, sizeof(entry->label));
	for (guint i = 0; i < MAX_LABEL_UNITS; i++)
		units[i] = GUINT16_FROM_LE(units[i]);
	char *label = g_utf16_to_utf8(units, -1, NULL, NULL, NULL);
	return label != NULL ? label : g_strdup("\357\277\275");
}

static int
compare_offsets(gconstpointer a, gconstpointer b)
{
	const AshGptEntry *one = *(AshGptEntry *const *) a, *other = *(AshGptEntry *const *) b;

	return one->offset < other->offset ? -1 : one->offset > other->offset;
}

static gboolean
list_entries(AshGptTable *table, GError **error)
{
	static const guint8 unused[16] = { 0 };
	const Entry *entries = (const Entry *) table->entries;

	g_ptr_array_set_size(table->list, 0);
	for (guint i = 0; i < table->entries_bytes / ENTRY_BYTES; i++) {
		const guint64 first = GUINT64_FROM_LE(entries[i].first_lba), last = GUINT64_FROM_LE(entries[i].last_lba);
		if (memcmp(entries[i].type, unused, sizeof(unused)) == 0)
			continue;
		if (first > last || last >= table->disk_bytes / table->sector_bytes)
			return ash_throw(error, ASH_ERROR_CONFIG, "partition table: partition %u is not on the disk", i + 1);
		AshGptEntry *entry = g_new0(AshGptEntry, 1);
		entry->index = i;
		swap_guid(entries[i].type, entry->type.bytes);
		swap_guid(entries[i].uuid, entry->uuid.bytes);
		entry->label = read_label(&entries[i]);
		entry->flags = GUINT64_FROM_LE(entries[i].flags);
		entry->offset = first * table->sector_bytes;
		entry->bytes = (last - first + 1) * table->sector_bytes;
		g_ptr_array_add(table->list, entry);
	}
	g_ptr_array_sort(table->list, compare_offsets);
	return TRUE;
}

static gboolean
measure_disk(AshGptTable *table, int fd, GError **error)
{
	struct stat st;
	int sector = 512;

	if (!ash_fd_stat(fd, "disk", &st, error))
		return FALSE;
	table->disk_bytes = (guint64) st.st_size;
	if (S_ISBLK(st.st_mode) &&
	    (ioctl(fd, BLKGETSIZE64, &table->disk_bytes) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0))
		return ash_throw_errno(error, "cannot ask the disk for its size");
	if (sector < 512 || sector > 65536 || (sector & (sector - 1)) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "the disk has sectors of %d bytes", sector);
	table->sector_bytes = (guint32) sector;
	return TRUE;
}

AshGptTable *
ash_gpt_table_load(int fd, GError **error)
{
	g_autoptr(AshGptTable) table = g_new0(AshGptTable, 1);

	table->list = g_ptr_array_new_with_free_func(entry_free);
	if (!measure_disk(table, fd, error))
		return NULL;
	load_copy(table, fd, PRIMARY_LBA, &table->primary);
	/* On a disk that was made larger the backup still is where the primary one says. */
	const guint64 last = table->disk_bytes / table->sector_bytes - 1;
	load_copy(table, fd, table->primary.valid ? GUINT64_FROM_LE(header_of(&table->primary)->alternate_lba) : last,
		  &table->backup);
	const Copy *good = table->primary.valid ? &table->primary : &table->backup;
	if (!good->valid)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the disk has no valid GPT partition table");
	table->entries_bytes = entries_size(header_of(good));
	table->entries = g_memdup2(good->entries, table->entries_bytes);
	return list_entries(table, error) ? g_steal_pointer(&table) : NULL;
}

void
ash_gpt_table_free(AshGptTable *table)
{
	if (table == NULL)
		return;
	g_free(table->primary.sector);
	g_free(table->primary.entries);
	g_free(table->backup.sector);
	g_free(table->backup.entries);
	g_free(table->entries);
	g_ptr_array_unref(table->list);
	g_free(table);
}

const GPtrArray *
ash_gpt_table_get_entries(const AshGptTable *table)
{
	return table->list;
}

static bool
says(const AshGptTable *table, const Copy *copy)
{
	return copy->valid && entries_size(header_of(copy)) == table->entries_bytes &&
	       memcmp(copy->entries, table->entries, table->entries_bytes) == 0;
}

bool
ash_gpt_table_is_sound(const AshGptTable *table)
{
	return table->primary.valid && table->backup.valid &&
	       entries_size(header_of(&table->primary)) == entries_size(header_of(&table->backup)) &&
	       memcmp(table->primary.entries, table->backup.entries, entries_size(header_of(&table->primary))) == 0;
}

gboolean
ash_gpt_table_set(AshGptTable *table, guint index, const AshUuid *uuid, const char *label, guint64 flags, GError **error)
{
	glong units = 0;
	g_autofree gunichar2 *utf16 = g_utf8_to_utf16(label, -1, NULL, &units, NULL);

	if (utf16 == NULL || units > MAX_LABEL_UNITS)
		return ash_throw(error, ASH_ERROR_CONFIG, "partition label \"%s\" does not fit into the %d characters that a GPT has",
				 label, MAX_LABEL_UNITS);
	g_return_val_if_fail(index < table->entries_bytes / ENTRY_BYTES, FALSE);
	Entry *entry = (Entry *) table->entries + index;
	swap_guid(uuid->bytes, entry->uuid);
	entry->flags = GUINT64_TO_LE(flags);
	memset(entry->label, 0, sizeof(entry->label));
	for (glong i = 0; i < units; i++)
		entry->label[i] = GUINT16_TO_LE(utf16[i]);
	return list_entries(table, error);
}

static guint64
entries_sectors(const AshGptTable *table)
{
	return (table->entries_bytes + table->sector_bytes - 1) / table->sector_bytes;
}

/* Where new entries of the primary table can go without touching those that count; 0: there is no room. */
static guint64
find_spare_place(const AshGptTable *table)
{
	const guint64 sectors = entries_sectors(table), used = GUINT64_FROM_LE(header_of(&table->primary)->entries_lba);
	const guint64 places[] = { PRIMARY_LBA + 1, PRIMARY_LBA + 1 + sectors };
	guint64 room = table->disk_bytes;

	if (table->list->len > 0)
		room = ((const AshGptEntry *) table->list->pdata[0])->offset;
	for (guint i = 0; i < G_N_ELEMENTS(places); i++)
		if ((used + sectors <= places[i] || places[i] + sectors <= used) &&
		    (places[i] + sectors) * table->sector_bytes <= room)
			return places[i];
	return 0;
}

static gboolean
write_synced(int fd, const void *data, gsize length, guint64 offset, GError **error)
{
	if (!ash_fd_write_all(fd, data, length, offset, error))
		return ash_prefix(error, "partition table");
	return fdatasync(fd) == 0 || ash_throw_errno(error, "partition table: cannot write");
}

/* Entries to @lba, synced, then the header that says so, synced. */
static gboolean
write_copy(AshGptTable *table, int fd, Copy *copy, guint64 lba, GError **error)
{
	Header *header = header_of(copy);
	const guint64 end = lba + entries_sectors(table);

	header->entries_lba = GUINT64_TO_LE(lba);
	header->n_entries = GUINT32_TO_LE((guint32) (table->entries_bytes / ENTRY_BYTES));
	header->entries_crc = GUINT32_TO_LE(crc32(table->entries, table->entries_bytes));
	if (GUINT64_FROM_LE(header->my_lba) != PRIMARY_LBA && table->primary.valid)
		header->first_usable_lba = header_of(&table->primary)->first_usable_lba;
	else if (GUINT64_FROM_LE(header->my_lba) == PRIMARY_LBA && GUINT64_FROM_LE(header->first_usable_lba) < end)
		header->first_usable_lba = GUINT64_TO_LE(end);
	header->header_crc = GUINT32_TO_LE(header_crc(header));
	if (!write_synced(fd, table->entries, table->entries_bytes, lba * table->sector_bytes, error) ||
	    !write_synced(fd, copy->sector, table->sector_bytes, GUINT64_FROM_LE(header->my_lba) * table->sector_bytes, error))
		return FALSE;
	g_free(copy->entries);
	copy->entries = g_memdup2(table->entries, table->entries_bytes);
	copy->valid = true;
	return TRUE;
}

/* A damaged copy gets the other one's header, with the places turned round. */
static void
adopt_header(const AshGptTable *table, const Copy *from, Copy *to, bool to_primary)
{
	const guint64 own = GUINT64_FROM_LE(header_of(from)->my_lba), other = GUINT64_FROM_LE(header_of(from)->alternate_lba);

	memcpy(to->sector, from->sector, table->sector_bytes);
	header_of(to)->my_lba = GUINT64_TO_LE(other);
	header_of(to)->alternate_lba = GUINT64_TO_LE(own);
	header_of(to)->entries_lba = GUINT64_TO_LE(to_primary ? PRIMARY_LBA + 1 : other - entries_sectors(table));
}

static gboolean
store_backup(AshGptTable *table, int fd, GError **error)
{
	return says(table, &table->backup) ||
	       write_copy(table, fd, &table->backup, GUINT64_FROM_LE(header_of(&table->backup)->entries_lba), error);
}

gboolean
ash_gpt_table_store(AshGptTable *table, int fd, GError **error)
{
	const bool primary_was_valid = table->primary.valid;
	guint64 spare = 0;

	if (says(table, &table->primary) && says(table, &table->backup))
		return TRUE;
	if (!table->primary.valid)
		adopt_header(table, &table->backup, &table->primary, true);
	else if (!table->backup.valid)
		adopt_header(table, &table->primary, &table->backup, false);
	if (primary_was_valid)
		spare = find_spare_place(table);
	/* 1. the backup first, where the primary table has to be written in place or is not valid anyway */
	if (spare == 0 && primary_was_valid && !store_backup(table, fd, error))
		return FALSE;
	/* 2. the primary table: entries where nobody reads them, then the one sector that counts */
	if (!says(table, &table->primary) &&
	    !write_copy(table, fd, &table->primary,
			spare != 0 ? spare : GUINT64_FROM_LE(header_of(&table->primary)->entries_lba), error))
		return FALSE;
	/* 3. the backup follows */
	return store_backup(table, fd, error);
}
