/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/unpack.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmfi.h>
#include <rpm/rpmfileutil.h>
#include <rpm/rpmpgp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 16
#define COPY_MODE 0600
/* What a plain file's mode may have, and must have: anybody's to read by its owner, nobody else's to replace. */
#define SHARED_BITS 0775
#define SHARED_LEAST 0400

/* These are edited on the running system, and by scriptlets; a copy from the start costs less than one later. */
static const char *const unshared_dirs[] = { "/etc/", "/var/" };

typedef struct {
	const char *nevra, *path; /* borrowed: for errors */
	int dir_fd;
	rpmfiles files;
	AshEntry *entry;          /* borrowed */
} Unpacking;

static bool
is_root(const char *name)
{
	return name == NULL || strcmp(name, "root") == 0;
}

/* By what the header says; whether the file system can mark it is seen later. */
static bool
is_sharable(rpmfiles files, int index)
{
	mode_t bits = rpmfilesFMode(files, index) & 07777;
	const char *caps = rpmfilesFCaps(files, index);
	const char *dir = rpmfilesDN(files, rpmfilesDI(files, index));

	for (gsize i = 0; i < G_N_ELEMENTS(unshared_dirs); i++)
		if (g_str_has_prefix(dir, unshared_dirs[i]))
			return false;
	return bits == ((bits & SHARED_BITS) | SHARED_LEAST) && is_root(rpmfilesFUser(files, index)) &&
	       is_root(rpmfilesFGroup(files, index)) && (caps == NULL || *caps == '\0') &&
	       rpmfilesFLinks(files, index, NULL) == 1 && (rpmfilesFFlags(files, index) & RPMFILE_CONFIG) == 0;
}

static gboolean
throw_damaged(const Unpacking *job, const char *file, int code, GError **error)
{
	int saved = errno;
	char *reason = rpmfileStrerror(code);

	errno = saved;
	if (code == RPMERR_WRITE_FAILED)
		ash_throw_errno(error, "package \"%s\": cannot unpack \"%s\"", job->nevra, file != NULL ? file : job->path);
	else
		ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\" is damaged%s%s: %s", job->nevra, job->path,
			  file != NULL ? " at its file " : "", file != NULL ? file : "", reason);
	free(reason);
	return FALSE;
}

static gboolean
unpack_content(Unpacking *job, rpmfi archive, int fd, AshEntryFile *file, GError **error)
{
	int algorithm = 0;
	size_t length = 0;
	/* librpm closes what it is given, and its own buffer is small; the copy of the number keeps ours open. */
	FD_t out = fdDup(fd);
	errno = 0;
	int code = out != NULL ? rpmfiArchiveReadToFile(archive, out, 0) : RPMERR_OPEN_FAILED;

	/* A write that was cut short has failed too but says no reason: with a regular file that is want of room. */
	if (code == RPMERR_WRITE_FAILED && errno == 0)
		errno = ENOSPC;
	int saved = errno;
	if (out != NULL)
		Fclose(out);
	errno = saved;
	if (code != 0)
		return throw_damaged(job, rpmfiFN(archive), code, error);
	const unsigned char *sum = rpmfilesFDigest(job->files, (int) file->index, &algorithm, &length);
	if (algorithm == PGPHASHALGO_SHA256 && length == sizeof file->sha256 && sum != NULL) {
		memcpy(file->sha256, sum, length);
		return TRUE;
	}
	g_autofree char *hex = ash_sha256_fd_hex(fd, error);
	return hex != NULL && ash_hex_decode(hex, file->sha256, sizeof file->sha256);
}

/* Gives the file its mode and time; the mark comes first, while it may still be written to. */
static gboolean
set_metadata(int fd, const Unpacking *job, AshEntryFile *file, GError **error)
{
	struct timespec times[2] = { { .tv_sec = file->mtime }, { .tv_sec = file->mtime } };
	struct stat info;

	file->shared = file->shared && ash_shared_mark(fd, NULL);
	file->mode = file->shared ? rpmfilesFMode(job->files, (int) file->index) & 07777 : COPY_MODE;
	if (fstat(fd, &info) < 0 || (info.st_gid != getegid() && fchown(fd, (uid_t) -1, getegid()) < 0) ||
	    fchmod(fd, file->mode) < 0 || futimens(fd, times) < 0)
		return ash_throw_errno(error, "package \"%s\": cannot unpack", job->nevra);
	return TRUE;
}

static gboolean
unpack_file(Unpacking *job, rpmfi archive, int index, GError **error)
{
	AshEntryFile file = { .index = (guint32) index };
	char name[NAME_SIZE];
	ash_autofd int fd = -1;

	file.size = rpmfilesFSize(job->files, index);
	file.mtime = (gint64) rpmfilesFMtime(job->files, index);
	file.shared = is_sharable(job->files, index);
	snprintf(name, sizeof name, "%d", index);
	fd = ash_fd_open(job->dir_fd, name, O_RDWR | O_CREAT | O_EXCL, COPY_MODE, error);
	if (fd < 0 || !unpack_content(job, archive, fd, &file, error) || !set_metadata(fd, job, &file, error))
		return FALSE;
	g_array_append_val(job->entry->files, file);
	return TRUE;
}

static gboolean
unpack_all(Unpacking *job, rpmfi archive, GError **error)
{
	int index;

	while ((index = rpmfiNext(archive)) >= 0)
		if (S_ISREG(rpmfilesFMode(job->files, index)) && !unpack_file(job, archive, index, error))
			return FALSE;
	return index == RPMERR_ITER_END || throw_damaged(job, NULL, index, error);
}

static gboolean
unpack_payload(Unpacking *job, Header header, FD_t fd, GError **error)
{
	const char *compressor = headerGetString(header, RPMTAG_PAYLOADCOMPRESSOR);
	g_autofree char *mode = g_strconcat("r.", compressor != NULL ? compressor : "gzip", NULL);
	FD_t payload = Fdopen(fdDup(Fileno(fd)), mode);
	rpmfi archive = payload != NULL ? rpmfiNewArchiveReader(payload, job->files, RPMFI_ITER_READ_ARCHIVE_OMIT_HARDLINKS)
					: NULL;
	gboolean good = archive != NULL ? unpack_all(job, archive, error)
					: ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": \"%s\": its compression \"%s\" is unknown",
						    job->nevra, job->path, mode + 2);

	rpmfiFree(archive);
	if (payload != NULL)
		Fclose(payload);
	return good;
}

/* What librpm reads of a package whose payload it leaves alone. */
static gboolean
save_header(AshEntry *entry, Header header, FD_t fd, int dir_fd, GError **error)
{
	const char *digest = headerGetString(header, RPMTAG_SHA256HEADER);
	off_t size = lseek(Fileno(fd), 0, SEEK_CUR);
	ash_autofd int to = ash_fd_open(dir_fd, ASH_ENTRY_HEADER, O_RDWR | O_CREAT | O_EXCL, COPY_MODE, error);

	if (to < 0)
		return FALSE;
	if (size < 0)
		return ash_throw_errno(error, "cannot read a package");
	entry->header_size = (guint64) size;
	entry->header_digest = g_strdup(digest != NULL ? digest : "");
	if (!ash_fd_copy_range(Fileno(fd), 0, to, 0, entry->header_size, error))
		return FALSE;
	g_autofree char *hex = ash_sha256_fd_hex(to, error);
	return hex != NULL && ash_hex_decode(hex, entry->header_sha256, sizeof entry->header_sha256);
}

static int
compare_files(gconstpointer a, gconstpointer b)
{
	const AshEntryFile *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

AshEntry *
ash_unpack(Header header, FD_t fd, const char *nevra, const char *path, int dir_fd, GError **error)
{
	g_autoptr(AshEntry) entry = ash_entry_new();
	Unpacking job = { .nevra = nevra, .path = path, .dir_fd = dir_fd, .entry = entry };

	entry->nevra = g_strdup(nevra);
	if (!save_header(entry, header, fd, dir_fd, error))
		return NULL;
	job.files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES, RPMFI_NOFILEDEPS | RPMFI_NOFILECLASS);
	gboolean good = rpmfilesFC(job.files) == 0 || unpack_payload(&job, header, fd, error);
	rpmfilesFree(job.files);
	g_array_sort(entry->files, compare_files);
	return good ? g_steal_pointer(&entry) : NULL;
}
