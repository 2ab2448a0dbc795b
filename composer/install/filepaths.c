/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/filepaths.h"

#include "base/error.h"

#include <rpm/rpmfi.h>
#include <rpm/rpmfiles.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *target;
	const char *nevra; /* interned */
} Link;

/* One directory that a package puts files into. */
typedef struct {
	char *path, *example;
	const char *nevra; /* interned */
} Place;

struct AshFilePaths {
	GHashTable *links;    /* path -> Link */
	GPtrArray *places;    /* of Place */
	GStringChunk *names;
};

/* As many as the kernel follows. */
#define LINKS_MAX 40

/* Absolute links that other packages' files have gone through since before there was /usr merging. */
static const char *const usual_targets[] = {
	"/run", "/run/lock", "/var/run", "/var/tmp", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/lib32",
	"/usr/libx32",
};

static void
link_free(gpointer data)
{
	Link *link = data;

	g_free(link->target);
	g_free(link);
}

static void
place_free(gpointer data)
{
	Place *place = data;

	g_free(place->path);
	g_free(place->example);
	g_free(place);
}

AshFilePaths *
ash_file_paths_new(void)
{
	AshFilePaths *paths = g_new0(AshFilePaths, 1);

	paths->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, link_free);
	paths->places = g_ptr_array_new_with_free_func(place_free);
	paths->names = g_string_chunk_new(4096);
	return paths;
}

void
ash_file_paths_free(AshFilePaths *paths)
{
	if (paths == NULL)
		return;
	g_hash_table_unref(paths->links);
	g_ptr_array_unref(paths->places);
	g_string_chunk_free(paths->names);
	g_free(paths);
}

/* "/usr/bin/sh": absolute, and every element a name. "/" itself is well-formed. */
static bool
is_well_formed(const char *path)
{
	if (*path != '/')
		return false;
	if (path[1] == '\0')
		return true;
	for (const char *element = path + 1;; element++) {
		gsize length = strcspn(element, "/");
		if (length == 0 || (length == 1 && *element == '.') || (length == 2 && strncmp(element, "..", 2) == 0))
			return false;
		element += length;
		if (*element == '\0')
			return true;
	}
}

static void
add_place(AshFilePaths *paths, GHashTable *seen, const char *nevra, const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);

	if (g_hash_table_contains(seen, dir))
		return;
	Place *place = g_new0(Place, 1);
	place->path = g_steal_pointer(&dir);
	place->example = g_strdup(path);
	place->nevra = nevra;
	g_ptr_array_add(paths->places, place);
	g_hash_table_add(seen, place->path);
}

static void
add_link(AshFilePaths *paths, const char *nevra, const char *path, const char *target)
{
	Link *link = g_new0(Link, 1);

	link->target = g_strdup(target);
	link->nevra = nevra;
	g_hash_table_replace(paths->links, g_strdup(path), link);
}

gboolean
ash_file_paths_add(AshFilePaths *paths, const char *nevra, Header header, GError **error)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	rpmfiles files = rpmfilesNew(NULL, header, 0, RPMFI_FLAGS_ONLY_FILENAMES & ~(RPMFI_NOFILEMODES | RPMFI_NOFILELINKTOS | RPMFI_NOFILEFLAGS));
	const char *name = g_string_chunk_insert_const(paths->names, nevra);
	gboolean good = TRUE;

	for (int i = 0; i < (int) rpmfilesFC(files) && good; i++) {
		char *path = rpmfilesFN(files, i);
		if (!is_well_formed(path)) {
			good = ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": its file \"%s\" has no proper path", nevra, path);
		} else if ((rpmfilesFFlags(files, i) & RPMFILE_GHOST) == 0) {
			add_place(paths, seen, name, path);
			if (S_ISLNK(rpmfilesFMode(files, i)))
				add_link(paths, name, path, rpmfilesFLink(files, i));
		}
		free(path);
	}
	rpmfilesFree(files);
	return good;
}

static bool
is_usual(const char *target)
{
	for (gsize i = 0; i < G_N_ELEMENTS(usual_targets); i++)
		if (strcmp(usual_targets[i], target) == 0)
			return true;
	return false;
}

/* @target, as seen from the directory of @link_path, as a plain absolute path; NULL if it climbs above the root. */
static char *
resolve_target(const char *link_path, const char *target)
{
	g_autofree char *dir = g_path_get_dirname(link_path);
	g_autofree char *whole = *target == '/' ? g_strdup(target) : g_build_filename(dir, target, NULL);
	g_auto(GStrv) elements = g_strsplit(whole, "/", -1);
	g_autoptr(GPtrArray) kept = g_ptr_array_new();

	for (gsize i = 0; elements[i] != NULL; i++) {
		if (*elements[i] == '\0' || strcmp(elements[i], ".") == 0)
			continue;
		if (strcmp(elements[i], "..") != 0)
			g_ptr_array_add(kept, elements[i]);
		else if (kept->len > 0)
			g_ptr_array_remove_index(kept, kept->len - 1);
		else
			return NULL;
	}
	g_ptr_array_add(kept, NULL);
	g_autofree char *joined = g_strjoinv("/", (char **) kept->pdata);
	return g_strconcat("/", joined, NULL);
}

/* The first link on the way to @path (@path included). */
static const Link *
find_link(const AshFilePaths *paths, const char *path, char **ret_link_path)
{
	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		g_autofree char *prefix = slash != NULL ? g_strndup(path, (gsize) (slash - path)) : g_strdup(path);
		const Link *link = g_hash_table_lookup(paths->links, prefix);
		if (link != NULL) {
			*ret_link_path = g_steal_pointer(&prefix);
			return link;
		}
		if (slash == NULL)
			return NULL;
	}
}

static gboolean
check_place(const AshFilePaths *paths, const Place *place, GError **error)
{
	g_autofree char *path = g_strdup(place->path);

	for (guint i = 0; i < LINKS_MAX; i++) {
		g_autofree char *link_path = NULL;
		const Link *link = find_link(paths, path, &link_path);
		if (link == NULL)
			return TRUE;
		g_autofree char *target = resolve_target(link_path, link->target);
		bool allowed = *link->target != '/' || (link->nevra != place->nevra && is_usual(link->target));
		if (target == NULL || !allowed)
			return ash_throw(error, ASH_ERROR_TRUST,
					 "package \"%s\": its file \"%s\" goes through the link \"%s\" to \"%s\" of package "
					 "\"%s\"",
					 place->nevra, place->example, link_path, link->target, link->nevra);
		char *next = g_strconcat(target, path + strlen(link_path), NULL);
		g_free(path);
		path = next;
	}
	return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\": its file \"%s\" goes through too many links",
			 place->nevra, place->example);
}

gboolean
ash_file_paths_check(const AshFilePaths *paths, GError **error)
{
	for (guint i = 0; i < paths->places->len; i++)
		if (!check_place(paths, g_ptr_array_index(paths->places, i), error))
			return FALSE;
	return TRUE;
}
