/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/payload.h"

#include "base/error.h"
#include "base/fd.h"
#include "install/entry.h"
#include "install/placefile.h"
#include "install/rootdir.h"
#include "install/verifier.h"

#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmfiles.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct AshPayload {
	int import_fd, root_fd; /* of the host's mounts */
	bool may_link;
};

struct AshPayloadPackage {
	const AshPayload *payload;
	char *nevra;
	AshEntry *entry;
	int entry_fd;
	rpmfiles files;
	guint count;
	const AshPayloadFile *decisions; /* borrowed, while placing */
	GString *notices;                /* borrowed, while placing */
	GHashTable *links;   /* first index of a set of hard links -> AshPlaceLink */
	int dir;             /* index of the open directory in the header's list, or -1 */
	int dir_fd;
	int host_dir_fd;     /* the same on the mount of the import cache, for links; or -1 */
};

AshPayload *
ash_payload_new(const char *import_dir, const char *root_path, bool may_link, GError **error)
{
	g_autoptr(AshPayload) payload = g_new0(AshPayload, 1);

	payload->may_link = may_link;
	payload->root_fd = -1;
	payload->import_fd = ash_fd_open(AT_FDCWD, import_dir, O_PATH | O_DIRECTORY, 0, error);
	if (payload->import_fd < 0)
		return NULL;
	payload->root_fd = ash_fd_open(AT_FDCWD, root_path, O_PATH | O_DIRECTORY, 0, error);
	return payload->root_fd >= 0 ? g_steal_pointer(&payload) : NULL;
}

void
ash_payload_free(AshPayload *payload)
{
	if (payload == NULL)
		return;
	ash_fd_clear(&payload->import_fd);
	ash_fd_clear(&payload->root_fd);
	g_free(payload);
}

static rpmFileAction
get_action(const AshPayloadPackage *package, guint index)
{
	return (rpmFileAction) package->decisions[index].action;
}

static bool
is_skipped(const AshPayloadPackage *package, guint index)
{
	rpmFileAction action = get_action(package, index);

	return XFA_SKIPPING(action) || (rpmfilesFFlags(package->files, (int) index) & RPMFILE_GHOST) != 0;
}

static gboolean
throw_at(const AshPayloadPackage *package, guint index, GError **error)
{
	char *path = rpmfilesFN(package->files, (int) index);

	ash_prefix(error, "package \"%s\": cannot place \"%s\"", package->nevra, path);
	free(path);
	return FALSE;
}

/* Makes the directory of file @index the open one. */
static gboolean
enter_dir(AshPayloadPackage *package, guint index, bool create, GError **error)
{
	int dir = rpmfilesDI(package->files, (int) index);
	const char *path = rpmfilesDN(package->files, dir);

	if (dir == package->dir)
		return TRUE;
	ash_fd_clear(&package->dir_fd);
	ash_fd_clear(&package->host_dir_fd);
	package->dir = -1;
	package->dir_fd = ash_root_dir_open(path, create, error);
	if (package->dir_fd < 0)
		return throw_at(package, index, error);
	package->dir = dir;
	return TRUE;
}

static void
describe(AshPayloadPackage *package, guint index, AshPlaceFile *ret_file)
{
	const char *name = rpmfilesBN(package->files, (int) index);

	*ret_file = (AshPlaceFile) {
		.dir_fd = package->dir_fd,
		.dir = rpmfilesDN(package->files, rpmfilesDI(package->files, (int) index)),
		.name = *name != '\0' ? name : "/",
		.mode = package->decisions[index].mode,
		.uid = package->decisions[index].uid,
		.gid = package->decisions[index].gid,
		.mtime = (gint64) rpmfilesFMtime(package->files, (int) index),
		.device = rpmfilesFRdev(package->files, (int) index),
		.action = get_action(package, index),
		.link_target = rpmfilesFLink(package->files, (int) index),
		.caps = rpmfilesFCaps(package->files, (int) index),
		.entry_fd = package->entry_fd,
		.link_dir_fd = -1,
		.notices = package->notices,
	};
}

/* Directories come first, and those on the way to other files with them: nothing that is put into them changes before. */
static gboolean
place_dir(AshPayloadPackage *package, guint index, GError **error)
{
	AshPlaceFile file;

	if (is_skipped(package, index))
		return TRUE;
	if (!enter_dir(package, index, get_action(package, index) == FA_CREATE, error))
		return FALSE;
	if (!S_ISDIR(package->decisions[index].mode))
		return TRUE;
	describe(package, index, &file);
	return ash_place_dir(&file, error) || throw_at(package, index, error);
}

static void
link_free(gpointer data)
{
	AshPlaceLink *link = data;

	ash_fd_clear(&link->dir_fd);
	g_free(link->name);
	g_free(link);
}

/*
 * Of a set of hard links the content comes with the last one, and so do owner, mode and time of all. If that one is left
 * out, owner and mode are those of the first that is not.
 */
static gboolean
place_hard_link(AshPayloadPackage *package, guint index, AshPlaceFile *file, const int *set, guint count, GError **error)
{
	AshPlaceLink *first = g_hash_table_lookup(package->links, GINT_TO_POINTER(set[0]));
	guint last = (guint) set[count - 1];

	if (first != NULL)
		return ash_place_link(file, first, error);
	file->content = ash_entry_find(package->entry, last);
	file->caps = rpmfilesFCaps(package->files, (int) last);
	file->mtime = (gint64) rpmfilesFMtime(package->files, (int) last);
	if (!is_skipped(package, last)) {
		file->mode = package->decisions[last].mode;
		file->uid = package->decisions[last].uid;
		file->gid = package->decisions[last].gid;
	}
	first = g_new0(AshPlaceLink, 1);
	first->dir_fd = -1;
	g_hash_table_insert(package->links, GINT_TO_POINTER(set[0]), first);
	return ash_place_node(file, &first->name, error) &&
	       ((first->dir_fd = fcntl(file->dir_fd, F_DUPFD_CLOEXEC, 0)) >= 0 || ash_throw_errno(error, "no descriptor left"));
}

static void
add_content(AshPayloadPackage *package, guint index, AshPlaceFile *file)
{
	file->content = ash_entry_find(package->entry, index);
	if (file->content == NULL || !file->content->shared || !package->payload->may_link)
		return;
	if (package->host_dir_fd < 0)
		package->host_dir_fd = ash_root_dir_on_host(package->payload->root_fd, file->dir, package->dir_fd);
	file->link_dir_fd = package->host_dir_fd;
}

static gboolean
place_other(AshPayloadPackage *package, guint index, GError **error)
{
	AshPlaceFile file;
	const int *set = NULL;
	guint count = rpmfilesFLinks(package->files, (int) index, &set);

	if (is_skipped(package, index) || S_ISDIR(package->decisions[index].mode))
		return TRUE;
	if (!enter_dir(package, index, false, error))
		return FALSE;
	describe(package, index, &file);
	if (count > 1 && set != NULL && S_ISREG(file.mode))
		return place_hard_link(package, index, &file, set, count, error) || throw_at(package, index, error);
	if (S_ISREG(file.mode))
		add_content(package, index, &file);
	return ash_place_node(&file, NULL, error) || throw_at(package, index, error);
}

static gboolean
read_header(AshPayloadPackage *package, GError **error)
{
	FD_t fd = NULL;
	ash_autofd int file = ash_fd_open(package->entry_fd, ASH_ENTRY_HEADER, O_RDONLY, 0, error);

	if (file < 0)
		return FALSE;
	fd = fdDup(file);
	Header header = ash_verifier_read_header(fd, ASH_ENTRY_HEADER, package->nevra, error);
	Fclose(fd);
	if (header == NULL)
		return FALSE;
	package->files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES,
				     RPMFI_KEEPHEADER | RPMFI_NOFILEDEPS | RPMFI_NOFILECLASS | RPMFI_NOFILECOLORS);
	headerFree(header);
	package->count = (guint) rpmfilesFC(package->files);
	return TRUE;
}

AshPayloadPackage *
ash_payload_open(const AshPayload *payload, const char *nevra, const char *sha256, GError **error)
{
	g_autoptr(AshPayloadPackage) package = g_new0(AshPayloadPackage, 1);
	g_autofree char *path = ash_entry_path(sha256);

	package->payload = payload;
	package->nevra = g_strdup(nevra);
	package->entry_fd = package->dir = package->dir_fd = package->host_dir_fd = -1;
	package->links = g_hash_table_new_full(NULL, NULL, NULL, link_free);
	if (path == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "package \"%s\" has no digest", nevra);
	package->entry_fd = ash_fd_open(payload->import_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
	if (package->entry_fd >= 0)
		package->entry = ash_entry_load(package->entry_fd, error);
	if (package->entry != NULL && read_header(package, error))
		return g_steal_pointer(&package);
	ash_prefix(error, "package \"%s\": import cache", nevra);
	return NULL;
}

void
ash_payload_package_free(AshPayloadPackage *package)
{
	if (package == NULL)
		return;
	rpmfilesFree(package->files);
	g_clear_pointer(&package->entry, ash_entry_free);
	g_clear_pointer(&package->links, g_hash_table_unref);
	ash_fd_clear(&package->entry_fd);
	ash_fd_clear(&package->dir_fd);
	ash_fd_clear(&package->host_dir_fd);
	g_free(package->nevra);
	g_free(package);
}

gboolean
ash_payload_place(AshPayloadPackage *package, const AshPayloadFile *files, guint count, GString *notices, GError **error)
{
	gboolean good = TRUE;

	if (count != package->count)
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": the import cache has another of that name", package->nevra);
	package->decisions = files;
	package->notices = notices;
	for (guint i = 0; i < count && good; i++)
		good = place_dir(package, i, error);
	package->dir = -1;
	for (guint i = 0; i < count && good; i++)
		good = place_other(package, i, error);
	return good;
}
