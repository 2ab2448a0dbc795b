/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A file system as text, one line an entry, parents first and names in the order of their bytes:
 *
 *   PATH MODE UID GID SIZE MTIME.NANOSECONDS LINKS CONTENT XATTR=LENGTH:SUM...
 *
 * Written by make-images from what is to be in an image, and by init from what a kernel finds there.
 */
#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef struct {
	guint32 mode, uid, gid;
	guint64 size, links; /* size: of files and symbolic links */
	gint64 mtime;
	guint32 nanoseconds;
	guint64 rdev;
	const char *first;  /* path of the inode's first name, if this is another one */
	const char *target; /* of a symbolic link */
	int fd;             /* of a file */
} ListingEntry;

static inline void
listing_add_escaped(GString *out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (g_ascii_isgraph(*c) && *c != '\\')
			g_string_append_c(out, *c);
		else
			g_string_append_printf(out, "\\%03o", (guint8) *c);
	}
}

/* Not against malice: a SHA-256 would take most of the time that a test in an emulated machine has. */
static inline guint64
listing_sum(guint64 sum, const guint8 *data, gsize length)
{
	for (gsize i = 0; i < length; i += sizeof(guint64)) {
		guint64 word = 0;

		memcpy(&word, data + i, MIN(sizeof(word), length - i));
		sum = (sum ^ word) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	return sum;
}

/* What reads give is in the listing, errors too. */
static inline void
listing_add_content(GString *out, int fd)
{
	static guint8 buffer[1 << 20];
	guint64 sum = 0, bytes = 0;

	for (;;) {
		gsize filled = 0;
		gssize n = 1;

		while (filled < sizeof(buffer) && (n = pread(fd, buffer + filled, sizeof(buffer) - filled, (off_t) (bytes + filled))) > 0)
			filled += (gsize) n;
		sum = listing_sum(sum, buffer, filled);
		bytes += filled;
		if (n < 0)
			g_string_append_printf(out, "errno-%d-at-", errno);
		if (n <= 0)
			break;
	}
	g_string_append_printf(out, "%" G_GUINT64_FORMAT ":%016" G_GINT64_MODIFIER "x", bytes, sum);
}

/* The line up to the xattrs. */
static inline void
listing_add(GString *out, const char *path, const ListingEntry *entry)
{
	listing_add_escaped(out, path[0] != '\0' ? path : ".");
	g_string_append_printf(out, " %06o %u %u %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT ".%09u %" G_GUINT64_FORMAT " ", entry->mode, entry->uid,
			       entry->gid, entry->size, entry->mtime, entry->nanoseconds, entry->links);
	if (entry->first != NULL) {
		g_string_append_c(out, '=');
		listing_add_escaped(out, entry->first);
	} else if (S_ISLNK(entry->mode)) {
		listing_add_escaped(out, entry->target);
	} else if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode)) {
		g_string_append_printf(out, "%u,%u", major(entry->rdev), minor(entry->rdev));
	} else if (S_ISREG(entry->mode)) {
		listing_add_content(out, entry->fd);
	} else {
		g_string_append_c(out, '-');
	}
}

/* The kernel gives nobody "user." attributes of what is neither a file nor a directory (xattr(7)), and links have no access control lists. */
static inline bool
listing_shows_xattr(guint32 mode, const char *name)
{
	if (S_ISLNK(mode) && g_str_has_prefix(name, "system.posix_acl"))
		return false;
	return S_ISREG(mode) || S_ISDIR(mode) || !g_str_has_prefix(name, "user.");
}

static inline void
listing_add_xattr(GString *out, const char *name, const void *value, gsize length)
{
	g_string_append_c(out, ' ');
	listing_add_escaped(out, name);
	g_string_append_printf(out, "=%" G_GSIZE_FORMAT ":%016" G_GINT64_MODIFIER "x", length, listing_sum(0, value, length));
}
