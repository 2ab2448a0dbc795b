/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/dracutmodules.h"

#include "base/error.h"

#include <string.h>

#define OWN_MODULE "ashlar"
#define SCRIPT "module-setup.sh"

/* How scripts speak of the kernel and its modules. */
static const char *const kernel_words[] = {
	"$kernel", "${kernel", "$srcmods", "${srcmods", "modinfo -", "modprobe -", "depmod -", "lib/modules/", "check_kernel", "instmods",
	"uname -r",
};

/* Those that do so outside of installkernel(), or of what it calls, and nothing is missed of. */
static const char *const known[] = {
	"dm",      /* a hook if there is a module: ours puts it in */
	"fs-lib",  /* a helper of its installkernel() */
	"systemd", /* modules named in modules-load.d: ours puts them in */
	NULL,
};

/* Those that change what others have put in. */
static const char *const inseparable[] = { "squash", "squash-lib", "squash-squashfs", "squash-erofs", "fips", NULL };

/* What dracut's configuration may add modules by. */
static const char *const configurations[] = { "etc/dracut.conf.d", "usr/lib/dracut/dracut.conf.d" };

typedef struct {
	const AshTreeRoot *root;
	char **present;      /* directories of modules */
	GHashTable *queued;  /* set of names, borrowed from present */
	GPtrArray *queue;    /* the same, in the order of finding */
} Closure;

/* The directory of a module; NULL: there is none. */
static const char *
find_module(char **present, const char *name)
{
	for (; *present != NULL; present++)
		if (strlen(*present) > 2 && strcmp(*present + 2, name) == 0)
			return *present;
	return NULL;
}

gboolean
ash_dracut_check_modules(const AshTreeRoot *root, char **modules, GError **error)
{
	g_auto(GStrv) present = ash_tree_root_list(root, ASH_DRACUT_MODULES_DIR);

	for (; *modules != NULL; modules++)
		if (strcmp(*modules, OWN_MODULE) != 0 && find_module(present, *modules) == NULL)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "initramfs: dracut of this system has no module \"%s\" (\"/%s\")", *modules,
					 ASH_DRACUT_MODULES_DIR);
	return TRUE;
}

/* Those words of a text that are modules. */
static void
queue_words(Closure *closure, const char *text)
{
	g_auto(GStrv) words = g_strsplit_set(text, " \t\n\"'=+();", -1);

	for (char **word = words; *word != NULL; word++) {
		const char *dir = find_module(closure->present, *word);
		if (dir != NULL && g_hash_table_add(closure->queued, (gpointer) (dir + 2)))
			g_ptr_array_add(closure->queue, (gpointer) (dir + 2));
	}
}

/* The lines of a script that are no comments, of the function @only if not NULL, or without it: up to the brace at a line's start. */
static char *
take_lines(const char *script, const char *function, bool inside)
{
	g_auto(GStrv) lines = g_strsplit(script, "\n", -1);
	g_autofree char *head = g_strconcat(function, "(", NULL);
	g_autoptr(GString) taken = g_string_new(NULL);
	bool in = false;

	for (char **line = lines; *line != NULL; line++) {
		in = in || g_str_has_prefix(*line, head);
		g_autofree char *stripped = g_strstrip(g_strdup(*line));
		if (in == inside && *stripped != '#')
			g_string_append_printf(taken, "%s\n", stripped);
		if (in && (g_str_has_prefix(*line, "}") || (g_str_has_prefix(*line, head) && g_str_has_suffix(*line, "}"))))
			in = false;
	}
	return g_string_free(g_steal_pointer(&taken), FALSE);
}

static bool
names_kernel(const char *script)
{
	g_autofree char *rest = take_lines(script, "installkernel", false);

	for (gsize i = 0; i < G_N_ELEMENTS(kernel_words); i++)
		if (strstr(rest, kernel_words[i]) != NULL)
			return true;
	return false;
}

/* Whether a module can be, and what it depends on into the queue. */
static bool
check_module(Closure *closure, const char *name)
{
	g_autofree char *path =
		g_build_filename(ASH_DRACUT_MODULES_DIR, find_module(closure->present, name), SCRIPT, NULL);
	g_autofree char *script = NULL;

	if (g_strv_contains(inseparable, name) || !ash_tree_root_load(closure->root, path, &script, NULL))
		return false;
	/* Modules without one are of very old versions. */
	if (script == NULL)
		return false;
	g_autofree char *depends = take_lines(script, "depends", true);
	queue_words(closure, depends);
	return strcmp(name, OWN_MODULE) == 0 || g_strv_contains(known, name) || !names_kernel(script);
}

static void
queue_configured(Closure *closure)
{
	g_autofree char *main_text = NULL;

	if (ash_tree_root_load(closure->root, "etc/dracut.conf", &main_text, NULL) && main_text != NULL) {
		g_autofree char *lines = take_lines(main_text, "none", false);
		queue_words(closure, lines);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(configurations); i++) {
		g_auto(GStrv) names = ash_tree_root_list(closure->root, configurations[i]);
		for (gsize j = 0; names[j] != NULL; j++) {
			g_autofree char *path = g_build_filename(configurations[i], names[j], NULL), *text = NULL;
			if (!ash_tree_root_load(closure->root, path, &text, NULL) || text == NULL)
				continue;
			g_autofree char *lines = take_lines(text, "none", false);
			queue_words(closure, lines);
		}
	}
}

bool
ash_dracut_is_separable(const AshTreeRoot *root, char **modules)
{
	g_auto(GStrv) present = ash_tree_root_list(root, ASH_DRACUT_MODULES_DIR);
	g_autoptr(GHashTable) queued = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GPtrArray) queue = g_ptr_array_new();
	Closure closure = { root, present, queued, queue };
	g_autofree char *asked = g_strjoinv(" ", modules);

	queue_words(&closure, asked);
	queue_configured(&closure);
	for (guint i = 0; i < queue->len; i++)
		if (!check_module(&closure, g_ptr_array_index(queue, i)))
			return false;
	return g_hash_table_contains(queued, OWN_MODULE);
}
