/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>

/* "foo" is foo.service, as systemctl(1) has it. Owned. */
static char *
unit_name(const char *name)
{
	return strchr(name, '.') != NULL ? g_strdup(name) : g_strconcat(name, ".service", NULL);
}

static gboolean
run_systemctl(AshTreeRoot *root, const char *verb, GPtrArray *units, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();

	if (units->len == 0)
		return TRUE;
	g_ptr_array_add(argv, (gpointer) "systemctl");
	g_ptr_array_add(argv, (gpointer) "--no-reload");
	g_ptr_array_add(argv, (gpointer) verb);
	for (guint i = 0; i < units->len; i++)
		g_ptr_array_add(argv, g_ptr_array_index(units, i));
	g_ptr_array_add(argv, NULL);
	return ash_tree_root_run(root, (const char *const *) argv->pdata, error);
}

static void
collect(GPtrArray *units, char **names)
{
	for (gsize i = 0; names != NULL && names[i] != NULL; i++)
		g_ptr_array_add(units, unit_name(names[i]));
}

/* What is not there needs no disabling. */
static void
drop_missing(const AshTreeRoot *root, GPtrArray *units)
{
	for (guint i = 0; i < units->len; i++)
		if (!ash_tree_root_has_unit(root, g_ptr_array_index(units, i)))
			g_ptr_array_remove_index(units, i--);
}

/*
 * A unit to enable must be there in a machine. Other kinds of trees leave packages of the machine out on purpose: one kickstart
 * serves them all, and what is left out is said.
 */
static gboolean
check_enabled(const AshTreeRoot *root, GPtrArray *units, GError **error)
{
	for (guint i = 0; i < units->len; i++) {
		const char *unit = g_ptr_array_index(units, i);
		if (ash_tree_root_has_unit(root, unit))
			continue;
		if (root->request->type->bootable)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "service \"%s\" cannot be enabled: no package of this system has it", unit);
		ash_progress_message(root->ctx->progress, "note: service \"%s\" is not in this kind of image", unit);
		g_ptr_array_remove_index(units, i--);
	}
	return TRUE;
}

/*
 * A mask is a link to /dev/null, whether the unit is there or not; systemctl(1) would not mask a unit that
 * a package has put into /etc.
 */
static gboolean
mask_units(const AshTreeRoot *root, char **names, GError **error)
{
	for (gsize i = 0; names != NULL && names[i] != NULL; i++) {
		g_autofree char *unit = unit_name(names[i]);
		g_autofree char *path = g_build_filename("etc/systemd/system", unit, NULL);
		if (!ash_tree_root_link(root, path, "/dev/null", error))
			return FALSE;
	}
	return TRUE;
}

/* kickstart "firstboot": initial-setup and its like, where they are. */
static void
collect_firstboot(const AshTreeRoot *root, GPtrArray *enable, GPtrArray *disable)
{
	static const char *const units[] = { "initial-setup.service", "initial-setup-graphical.service" };
	int firstboot = root->request->spec->firstboot;

	for (gsize i = 0; i < G_N_ELEMENTS(units); i++)
		if (firstboot >= 0 && ash_tree_root_has_unit(root, units[i]))
			g_ptr_array_add(firstboot != 0 ? enable : disable, g_strdup(units[i]));
}

/*
 * Packages have enabled what their distribution's presets say. Then comes the kickstart; the image type has the last word, because
 * it knows where the system will run.
 */
gboolean
ash_step_services(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;
	const AshImageType *type = root->request->type;
	g_autoptr(GPtrArray) type_on = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) type_off = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) on = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) off = g_ptr_array_new_with_free_func(g_free);

	collect(type_on, type->services_enable);
	collect(type_off, type->services_disable);
	collect(on, spec->services_enabled);
	collect(off, spec->services_disabled);
	if (!ash_tree_root_has_program(root, "systemctl")) {
		if (on->len > 0 && type->bootable)
			return ash_throw(error, ASH_ERROR_CONFIG, "service \"%s\" cannot be enabled: this system has no systemd",
					 (char *) g_ptr_array_index(on, 0));
		return TRUE;
	}
	collect_firstboot(root, on, off);
	drop_missing(root, type_off);
	drop_missing(root, off);
	return check_enabled(root, type_on, error) && check_enabled(root, on, error) &&
	       run_systemctl(root, "disable", off, error) && run_systemctl(root, "enable", on, error) &&
	       run_systemctl(root, "disable", type_off, error) && run_systemctl(root, "enable", type_on, error) &&
	       mask_units(root, type->services_mask, error);
}
