/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/pairing.h"

#include <string.h>

struct AshPairing {
	GHashTable *by_path; /* borrowed path to borrowed AshDeltaFile */
	GHashTable *by_name; /* owned name without digits to GPtrArray of borrowed AshDeltaFile */
};

/* "libfoo.so.1.2.3" and "libfoo.so.1.3.0" are versions of one file. */
static char *
make_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = g_strdup(slash != NULL ? slash + 1 : path), *out = name;

	for (const char *in = name; *in != '\0'; in++)
		if (!g_ascii_isdigit(*in))
			*out++ = *in;
	*out = '\0';
	return name;
}

AshPairing *
ash_pairing_new(const GPtrArray *files)
{
	AshPairing *pairing = g_new0(AshPairing, 1);

	pairing->by_path = g_hash_table_new(g_str_hash, g_str_equal);
	pairing->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
	for (guint i = 0; files != NULL && i < files->len; i++) {
		AshDeltaFile *file = g_ptr_array_index(files, i);
		g_autofree char *name = make_name(file->path);
		GPtrArray *same = g_hash_table_lookup(pairing->by_name, name);
		if (same == NULL) {
			same = g_ptr_array_new();
			g_hash_table_insert(pairing->by_name, g_steal_pointer(&name), same);
		}
		g_ptr_array_add(same, file);
		g_hash_table_insert(pairing->by_path, file->path, file);
	}
	return pairing;
}

void
ash_pairing_free(AshPairing *pairing)
{
	if (pairing == NULL)
		return;
	g_hash_table_unref(pairing->by_path);
	g_hash_table_unref(pairing->by_name);
	g_free(pairing);
}

static gsize
count_common_ends(const char *a, const char *b)
{
	const gsize a_length = strlen(a), b_length = strlen(b), least = MIN(a_length, b_length);
	gsize front = 0, back = 0;

	while (front < least && a[front] == b[front])
		front++;
	while (back < least - front && a[a_length - 1 - back] == b[b_length - 1 - back])
		back++;
	return front + back;
}

const AshDeltaFile *
ash_pairing_find(const AshPairing *pairing, const char *path)
{
	const AshDeltaFile *best = g_hash_table_lookup(pairing->by_path, path);
	gsize best_common = 0;

	if (best != NULL)
		return best;
	g_autofree char *name = make_name(path);
	const GPtrArray *same = g_hash_table_lookup(pairing->by_name, name);
	for (guint i = 0; same != NULL && i < same->len; i++) {
		const AshDeltaFile *file = g_ptr_array_index(same, i);
		const gsize common = count_common_ends(file->path, path);
		if (common > best_common) {
			best_common = common;
			best = file;
		}
	}
	return best;
}
