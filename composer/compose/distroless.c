/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/distroless.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "compose/rpmtree.h"
#include "model/lock.h"
#include "model/strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_DIR "var/lib/rpmmanifest"

/* Of package managers; no scanner shall take what is left of a database for one. */
static const char *const manager_files[] = {
	"usr/lib/sysimage/rpm", "usr/lib/sysimage/libdnf5", "usr/lib/rpm", "usr/share/dnf5", "etc/dnf", "etc/yum.repos.d", "etc/rpm",
	"var/lib/rpm", "var/lib/rpm-state", "var/lib/dnf", "var/cache/dnf", "var/cache/libdnf5", "var/cache/yum",
};

/* Programs read trusted certificates there, though their package has gone. */
static const char *const trust_dirs[] = { "etc/pki/", "etc/ssl/", "var/lib/ca-certificates/" };

typedef struct {
	int fd;
	AshRpmOwners *owners;
	const char *const *strip;
	GHashTable *providers; /* name or capability -> 1 + index of its first package; borrowed */
	bool *keep;            /* of each package */
	GPtrArray *links;      /* of char *: those that led somewhere */
} Distroless;

static const AshRpmOwner *
get_package(const Distroless *work, guint index)
{
	return g_ptr_array_index(work->owners->packages, index);
}

static void
find_providers(Distroless *work)
{
	for (guint i = 0; i < work->owners->packages->len; i++) {
		const AshRpmOwner *package = get_package(work, i);

		g_hash_table_insert(work->providers, package->name, GUINT_TO_POINTER(i + 1));
		for (guint j = 0; package->provides[j] != NULL; j++)
			if (!g_hash_table_contains(work->providers, package->provides[j]))
				g_hash_table_insert(work->providers, package->provides[j], GUINT_TO_POINTER(i + 1));
	}
}

/* 1 + the index of who provides it; 0: nobody. */
static guint
find_provider(const Distroless *work, const char *name)
{
	guint place = GPOINTER_TO_UINT(g_hash_table_lookup(work->providers, name));

	if (place == 0 && *name == '/') {
		const AshRpmOwned *owned = g_hash_table_lookup(work->owners->files, name + 1);
		place = owned != NULL ? owned->package + 1 : 0;
	}
	return place;
}

static void
keep_package(Distroless *work, guint place, GArray *pending)
{
	guint index = place - 1;

	if (place == 0 || work->keep[index] || ash_strv_any_glob_matches(work->strip, get_package(work, index)->name))
		return;
	work->keep[index] = true;
	g_array_append_val(pending, index);
}

/* A rich dependency asks for any of its names that are there, unless it sets a condition: then the condition's package asks, too. */
static void
keep_required(Distroless *work, const char *name, GArray *pending)
{
	g_auto(GStrv) words = NULL;

	if (*name != '(') {
		keep_package(work, find_provider(work, name), pending);
		return;
	}
	if (strstr(name, " if ") != NULL || strstr(name, " unless ") != NULL)
		return;
	words = g_strsplit_set(name, "() ", -1);
	for (guint i = 0; words[i] != NULL; i++)
		if (*words[i] != '\0')
			keep_package(work, find_provider(work, words[i]), pending);
}

/* What was asked for, and what that needs. */
static gboolean
choose(Distroless *work, const char *lock_text, GError **error)
{
	g_autoptr(GPtrArray) locks = ash_lock_parse(lock_text, "lock", error);
	g_autoptr(GArray) pending = g_array_new(FALSE, FALSE, sizeof(guint));

	if (locks == NULL)
		return FALSE;
	for (guint i = 0; i < locks->len; i++) {
		const AshLock *lock = g_ptr_array_index(locks, i);
		for (guint j = 0; j < lock->set->packages->len; j++) {
			const AshPackage *package = g_ptr_array_index(lock->set->packages, j);
			if (package->reason == ASH_REASON_USER || package->reason == ASH_REASON_GROUP)
				keep_package(work, find_provider(work, package->name), pending);
		}
	}
	if (pending->len == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "packages.strip: no package would be left: name some in %%packages or \"packages.add\"");
	while (pending->len > 0) {
		const AshRpmOwner *package = get_package(work, g_array_index(pending, guint, pending->len - 1));

		g_array_set_size(pending, pending->len - 1);
		for (guint i = 0; package->requires[i] != NULL; i++)
			keep_required(work, package->requires[i], pending);
	}
	return TRUE;
}

static bool
leads_somewhere(const Distroless *work, const char *path)
{
	ash_autofd int fd = ash_fd_open_in_root(work->fd, path, O_PATH, 0, NULL);

	return fd >= 0;
}

static bool
stays(const Distroless *work, const AshRpmOwned *owned)
{
	bool found = work->keep[owned->package];

	for (guint i = 0; owned->more != NULL && i < owned->more->len; i++)
		found = found || work->keep[g_array_index(owned->more, guint, i)];
	return found;
}

static gboolean find_links(Distroless *work, int dir_fd, const char *prefix, GError **error);

static gboolean
find_links_at(Distroless *work, int dir_fd, const char *prefix, const char *name, GError **error)
{
	g_autofree char *path = g_strconcat(prefix, *prefix != '\0' ? "/" : "", name, NULL);
	struct stat info;

	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "\"/%s\"", path);
	if (S_ISDIR(info.st_mode)) {
		ash_autofd int below = ash_fd_open(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
		return below >= 0 && find_links(work, below, path, error);
	}
	const AshRpmOwned *owned = g_hash_table_lookup(work->owners->files, path);
	if (S_ISLNK(info.st_mode) && (owned == NULL || !stays(work, owned)) && leads_somewhere(work, path))
		g_ptr_array_add(work->links, g_steal_pointer(&path));
	return TRUE;
}

/* Links below the directory @dir_fd that lead somewhere; those of packages that stay are as they are meant to be. */
static gboolean
find_links(Distroless *work, int dir_fd, const char *prefix, GError **error)
{
	int copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	gboolean ok = TRUE;

	if (dir == NULL)
		return ash_throw_errno(error, "cannot read \"/%s\"", prefix);
	for (struct dirent *entry = readdir(dir); entry != NULL && ok; entry = readdir(dir))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ok = find_links_at(work, dir_fd, prefix, entry->d_name, error);
	closedir(dir);
	return ok;
}

/* Of a directory only if it is empty. */
static gboolean
remove_path(const Distroless *work, const char *path, bool only_links, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
	ash_autofd int dir = ash_fd_open_in_root(work->fd, parent, O_PATH | O_DIRECTORY, 0, NULL);
	struct stat info;

	if (dir < 0 || fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || (only_links && !S_ISLNK(info.st_mode)))
		return TRUE;
	if (unlinkat(dir, name, S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return ash_throw_errno(error, "cannot remove \"/%s\"", path);
	return TRUE;
}

static bool
is_trusted(const char *path)
{
	for (guint i = 0; i < G_N_ELEMENTS(trust_dirs); i++)
		if (g_str_has_prefix(path, trust_dirs[i]))
			return true;
	return false;
}

/* Names of later ones come first, so that what is in a directory goes before it. */
static int
compare_backwards(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) b, *(const char *const *) a);
}

static gboolean
remove_packages(const Distroless *work, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new();
	GHashTableIter iter;
	gpointer path, value;

	g_hash_table_iter_init(&iter, work->owners->files);
	while (g_hash_table_iter_next(&iter, &path, &value)) {
		const AshRpmOwned *owned = value;
		if (!stays(work, owned) && !is_trusted(path))
			g_ptr_array_add(paths, path);
	}
	g_ptr_array_sort(paths, compare_backwards);
	for (guint i = 0; i < paths->len; i++)
		if (!remove_path(work, g_ptr_array_index(paths, i), false, error))
			return FALSE;
	return TRUE;
}

static gboolean
remove_links(const Distroless *work, GError **error)
{
	for (guint i = 0; i < work->links->len; i++) {
		const char *path = g_ptr_array_index(work->links, i);
		if (!leads_somewhere(work, path) && !remove_path(work, path, true, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
remove_manager(const Distroless *work, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(manager_files); i++) {
		g_autofree char *parent = g_path_get_dirname(manager_files[i]), *name = g_path_get_basename(manager_files[i]);
		ash_autofd int dir = ash_fd_open_in_root(work->fd, parent, O_PATH | O_DIRECTORY, 0, NULL);

		if (dir >= 0 && ash_file_exists(dir, name) && !ash_file_remove_tree(dir, name, error))
			return FALSE;
	}
	return TRUE;
}

/* As rpm --query --all would say with the formats that Azure Linux's own images are made with; ten fields, "(none)" for what is not said. */
static void
add_manifest_lines(const AshRpmOwner *package, GString *names, GString *all)
{
	const char *none = "(none)";
	g_autofree char *epoch = package->epoch >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, package->epoch) : g_strdup(none);

	g_string_append_printf(names, "%s-%s-%s.%s\n", package->name, package->version, package->release, package->arch);
	g_string_append_printf(all, "%s\t%s-%s\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%s\t%s\t%" G_GUINT64_FORMAT "\t%s\t%" G_GINT64_FORMAT "\t%s\n",
			       package->name, package->version, package->release, package->install_time, package->build_time,
			       package->vendor != NULL ? package->vendor : none, epoch, package->size, package->arch, MAX(package->epoch, 0),
			       package->source_rpm != NULL ? package->source_rpm : none);
}

static gboolean
write_manifests(const Distroless *work, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL), all = g_string_new(NULL);
	ash_autofd int dir = -1;

	for (guint i = 0; i < work->owners->packages->len; i++)
		if (work->keep[i])
			add_manifest_lines(get_package(work, i), names, all);
	if (!ash_file_mkdirs(work->fd, MANIFEST_DIR, 0755, error))
		return FALSE;
	dir = ash_fd_open_in_root(work->fd, MANIFEST_DIR, O_RDONLY | O_DIRECTORY, 0, error);
	return dir >= 0 && ash_file_save(dir, "container-manifest-1", names->str, (gssize) names->len, 0644, error) &&
	       ash_file_save(dir, "container-manifest-2", all->str, (gssize) all->len, 0644, error);
}

gboolean
ash_distroless_apply(const char *root, const AshImageType *type, const char *lock_text, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, root, false, error);
	g_autoptr(AshRpmOwners) owners = fd >= 0 ? ash_rpmtree_load_owners_of_root(fd, error) : NULL;
	g_autoptr(GHashTable) providers = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func(g_free);
	g_autofree bool *keep = NULL;

	if (owners == NULL)
		return FALSE;
	keep = g_new0(bool, owners->packages->len);
	Distroless work = {
		.fd = fd, .owners = owners, .strip = (const char *const *) type->packages_strip, .providers = providers, .keep = keep, .links = links,
	};
	find_providers(&work);
	return choose(&work, lock_text, error) && find_links(&work, fd, "", error) && remove_packages(&work, error) &&
	       remove_links(&work, error) && remove_manager(&work, error) && write_manifests(&work, error);
}
