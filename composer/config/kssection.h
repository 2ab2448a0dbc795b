/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/kscommand.h"

/** A section of a kickstart file, "%name" to "%end", while it is read. */
typedef struct AshKsSection AshKsSection;

/** Opens the section words[0] begins. Owned; NULL and an error if it is unknown, not carried out, or its options are wrong. */
AshKsSection *ash_kssection_begin(AshKsState *state, const char *origin, const char *const *words, GError **error);
/** One line of it, without its line feed. */
gboolean ash_kssection_add_line(AshKsSection *section, const char *origin, const char *line, GError **error);
/** At %end: hands what was read to the spec. */
gboolean ash_kssection_finish(AshKsSection *section, GError **error);
void ash_kssection_free(AshKsSection *section);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshKsSection, ash_kssection_free)

/** "%packages" */
const char *ash_kssection_get_name(const AshKsSection *section);
/** "file:line" of its first line */
const char *ash_kssection_get_origin(const AshKsSection *section);
/** True if "%include" in it is followed. */
bool ash_kssection_follows_includes(const AshKsSection *section);
/** True if a line that begins with @word begins a section. */
bool ash_kssection_is_name(const char *word);

/** One kind of section. */
typedef struct {
	const char *name;
	AshKsStatus status;
	const AshOptionDef *options;
	gsize values_size;
	guint max_args;
	const char *text; /* MOOT: why; REFUSED: what to do */
	/** Takes over the values of the header; may set *@ret_data, given to the other functions. */
	gboolean (*begin)(AshKsCall *call, gpointer *ret_data, GError **error);
	gboolean (*add_line)(AshKsCall *call, gpointer data, const char *line, GError **error);
	gboolean (*finish)(AshKsCall *call, gpointer data, GError **error);
	GDestroyNotify free_data;
} AshKsSectionDef;

extern const AshKsSectionDef ash_ks_packages_section;    /* kspackages.c */
extern const AshKsSectionDef ash_ks_post_section;        /* ksscript.c */
extern const AshKsSectionDef ash_ks_pre_section;         /* ksscript.c */
extern const AshKsSectionDef ash_ks_pre_install_section; /* ksscript.c */
extern const AshKsSectionDef ash_ks_certificate_section; /* kscertificate.c */

/** All of them, borrowed. */
const AshKsSectionDef *const *ash_kssection_list(guint *ret_count);
