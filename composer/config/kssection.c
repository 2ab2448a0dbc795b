/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kssection.h"

#include "base/error.h"
#include "config/nearest.h"
#include "model/strv.h"

struct AshKsSection {
	const AshKsSectionDef *def;
	AshKsCall call;
	char *origin;
	gpointer data;
};

#define AFTER_FAILURE "nothing is run on a failure; the error is printed"

static const AshKsSectionDef onerror_section = { .name = "%onerror",
						 .status = ASH_KS_MOOT,
						 .text = AFTER_FAILURE };
static const AshKsSectionDef traceback_section = { .name = "%traceback",
						   .status = ASH_KS_MOOT,
						   .text = AFTER_FAILURE };
static const AshKsSectionDef anaconda_section = {
	.name = "%anaconda",
	.status = ASH_KS_MOOT,
	.text = "it configures the installer, and none runs",
};

static gboolean addon_begin(AshKsCall *call, gpointer *ret_data, GError **error);
static const AshOptionDef addon_options[] = { { NULL } };
static const AshKsSectionDef addon_section = {
	.name = "%addon",
	.options = addon_options,
	.begin = addon_begin,
};

static const AshKsSectionDef *const section_defs[] = {
	&ash_ks_packages_section,    &ash_ks_post_section,        &ash_ks_pre_section,
	&ash_ks_pre_install_section, &ash_ks_certificate_section, &onerror_section,
	&traceback_section,          &anaconda_section,           &addon_section,
};

/*
 * Add-ons are programs of the installer, whose sections nobody else can read. That of kdump reserves memory, which an image
 * does by the kernel command line.
 */
static gboolean
addon_begin(AshKsCall *call, gpointer *ret_data, GError **error)
{
	const char *name = call->args[0];

	if (name == NULL)
		return ash_option_throw(&call->place, error, "the name of an add-on is expected");
	if (g_str_equal(name, "com_redhat_kdump"))
		ash_option_notice(&call->place,
				  "\"%s\" has no effect: use \"bootloader --append=crashkernel=...\"",
				  name);
	else
		ash_option_notice(&call->place,
				  "\"%s\" has no effect: add-ons belong to the installer; do it in a %%post script",
				  name);
	return TRUE;
}

static const AshKsSectionDef *
find_def(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(section_defs); i++)
		if (g_str_equal(section_defs[i]->name, name))
			return section_defs[i];
	return NULL;
}

bool
ash_kssection_is_name(const char *word)
{
	return find_def(word) != NULL;
}

const char *
ash_kssection_get_name(const AshKsSection *section)
{
	return section->def->name;
}

const char *
ash_kssection_get_origin(const AshKsSection *section)
{
	return section->origin;
}

bool
ash_kssection_follows_includes(const AshKsSection *section)
{
	return section->def->add_line != NULL;
}

static void
throw_unknown(const char *origin, const char *name, GError **error)
{
	const char *names[G_N_ELEMENTS(section_defs) + 4] = { "%include", "%ksappend", "%end" };
	g_autofree char *hint = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(section_defs); i++)
		names[i + 3] = section_defs[i]->name;
	hint = ash_nearest_hint(name, names);
	ash_throw(error, ASH_ERROR_CONFIG, "%s: %s: unknown section \"%s\"%s", origin, name, name,
		  hint);
}

/* Reads the words after the name; begins what is carried out. */
static gboolean
begin_section(AshKsSection *section, const char *const *words, GError **error)
{
	const AshKsSectionDef *def = section->def;
	AshKsCall *call = &section->call;

	if (def->status == ASH_KS_REFUSED)
		return ash_option_refuse(&call->place, error, "is not carried out: %s", def->text);
	if (def->status == ASH_KS_MOOT) {
		ash_option_notice(&call->place, "has no effect: %s", def->text);
		return TRUE;
	}
	if (def == &addon_section) {
		/* An add-on's options are its own. */
		ash_strv_replace(&call->args, words + 1);
		return def->begin(call, &section->data, error);
	}
	if (!ash_option_parse(&call->place, def->options, words + 1, call->values, &call->args,
			      error))
		return FALSE;
	if (g_strv_length(call->args) > def->max_args)
		return ash_option_throw(&call->place, error, "unexpected argument \"%s\"",
					call->args[def->max_args]);
	return def->begin(call, &section->data, error);
}

AshKsSection *
ash_kssection_begin(AshKsState *state, const char *origin, const char *const *words, GError **error)
{
	const AshKsSectionDef *def = find_def(words[0]);
	g_autoptr(AshKsSection) section = NULL;

	if (def == NULL) {
		throw_unknown(origin, words[0], error);
		return NULL;
	}
	section = g_new0(AshKsSection, 1);
	section->def = def;
	section->origin = g_strdup(origin);
	section->call = (AshKsCall){
		.state = state,
		.spec = state->spec,
		.place = { .origin = section->origin,
			   .command = def->name,
			   .notices = state->spec->notices,
			   .refusals = state->refusals },
		.values = g_malloc0(MAX(def->values_size, 1)),
		.args = ash_strv_new(),
	};
	if (def->options != NULL)
		ash_option_init(def->options, section->call.values);
	if (!begin_section(section, words, error))
		return NULL;
	return g_steal_pointer(&section);
}

gboolean
ash_kssection_add_line(AshKsSection *section, const char *origin, const char *line, GError **error)
{
	if (section->def->add_line == NULL)
		return TRUE;
	section->call.place.origin = origin;
	return section->def->add_line(&section->call, section->data, line, error);
}

gboolean
ash_kssection_finish(AshKsSection *section, GError **error)
{
	section->call.place.origin = section->origin;
	return section->def->finish == NULL ||
	       section->def->finish(&section->call, section->data, error);
}

const AshKsSectionDef *const *
ash_kssection_list(guint *ret_count)
{
	*ret_count = G_N_ELEMENTS(section_defs);
	return section_defs;
}

void
ash_kssection_free(AshKsSection *section)
{
	if (section == NULL)
		return;
	if (section->def->options != NULL)
		ash_option_clear(section->def->options, section->call.values);
	g_free(section->call.values);
	g_strfreev(section->call.args);
	if (section->def->free_data != NULL && section->data != NULL)
		section->def->free_data(section->data);
	g_free(section->origin);
	g_free(section);
}
