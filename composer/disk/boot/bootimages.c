/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/bootimages.h"

#include "disk/boot/bootentry.h"
#include "disk/secureboot/authenticode.h"
#include "disk/vfat/vfat.h"

#include <string.h>

static const char *const directories[] = { "EFI/BOOT", "EFI/Linux", "EFI/systemd" };

static void
image_free(gpointer data)
{
	AshBootImage *image = data;

	g_free(image->path);
	g_clear_pointer(&image->signatures, g_ptr_array_unref);
	g_free(image->problem);
	g_free(image);
}

static void
add_image(GPtrArray *list, AshVfatReader *fat, const char *path)
{
	AshBootImage *image = g_new0(AshBootImage, 1);
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) bytes = ash_vfat_load(fat, path, &error);
	g_autoptr(AshContent) content = bytes != NULL ? ash_content_new_from_bytes(bytes) : NULL;

	image->path = g_strdup(path);
	image->signatures = content != NULL ? ash_authenticode_list(content, &error) : NULL;
	if (image->signatures == NULL) {
		image->signatures = g_ptr_array_new();
		image->problem = g_strdup(error->message);
	}
	g_ptr_array_add(list, image);
}

static void
add_directory(GPtrArray *list, AshVfatReader *fat, const char *directory)
{
	g_auto(GStrv) names = ash_vfat_list(fat, directory, NULL);

	for (guint i = 0; names != NULL && names[i] != NULL; i++) {
		g_autofree char *lower = g_ascii_strdown(names[i], -1);
		g_autofree char *path = g_build_filename(directory, names[i], NULL);

		if (g_str_has_suffix(lower, ".efi"))
			add_image(list, fat, path);
	}
}

/* The file behind "linux" or "efi" in the text of an entry, without "/" in front. Owned; NULL if there is none. */
static char *
find_kernel(GBytes *entry)
{
	gsize length;
	const char *data = g_bytes_get_data(entry, &length);
	g_autofree char *text = g_strndup(data, length);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		const char *value = strpbrk(*line, " \t");
		const gsize key = value != NULL ? (gsize) (value - *line) : 0;

		if ((key == strlen("linux") && strncmp(*line, "linux", key) == 0) || (key == strlen("efi") && strncmp(*line, "efi", key) == 0)) {
			g_autofree char *path = g_strstrip(g_strdup(value));
			return g_strdup(path + strspn(path, "/"));
		}
	}
	return NULL;
}

/* Several entries may have the same kernel. */
static void
add_entries(GPtrArray *list, AshVfatReader *fat)
{
	g_auto(GStrv) names = ash_vfat_list(fat, ASH_BOOT_ENTRY_DIR, NULL);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; names != NULL && names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(ASH_BOOT_ENTRY_DIR, names[i], NULL);
		g_autoptr(GBytes) entry = ash_vfat_load(fat, path, NULL);
		char *kernel = entry != NULL ? find_kernel(entry) : NULL;

		if (kernel != NULL && g_hash_table_add(seen, kernel))
			add_image(list, fat, kernel);
	}
}

static int
compare_images(gconstpointer a, gconstpointer b)
{
	const AshBootImage *const *first = a, *const *second = b;

	return strcmp((*first)->path, (*second)->path);
}

GPtrArray *
ash_boot_images_list(int fd, guint64 offset)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(image_free);
	g_autoptr(AshVfatReader) fat = ash_vfat_open(fd, offset, NULL);

	if (fat == NULL)
		return list;
	for (guint i = 0; i < G_N_ELEMENTS(directories); i++)
		add_directory(list, fat, directories[i]);
	add_entries(list, fat);
	g_ptr_array_sort(list, compare_images);
	return list;
}
