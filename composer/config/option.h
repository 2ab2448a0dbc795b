/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/kickstart.h"

#include <glib.h>
#include <stdbool.h>

/** What an option of a kickstart command does to the struct of values that its table describes. */
typedef enum {
	ASH_OPTION_FLAG,    /* bool: true */
	ASH_OPTION_UNFLAG,  /* bool: false */
	ASH_OPTION_STRING,  /* char *: the value */
	ASH_OPTION_OPTIONAL, /* char *: the value after "=", or in a word that is neither option nor path; "" without one */
	ASH_OPTION_INT,     /* int: a number >= 0; -1 if the option is not given */
	ASH_OPTION_BOOL,    /* int: 1 for on/yes/true/1, 0 for off/no/false/0; -1 if not given */
	ASH_OPTION_SET,     /* int: .value; -1 if not given */
	ASH_OPTION_LIST,    /* char **: words between commas, appended */
	ASH_OPTION_CONST,   /* char **: .text appended */
	ASH_OPTION_IGNORED, /* takes no value; accepted with the notice .text */
	ASH_OPTION_IGNORED_VALUE, /* takes a value; accepted with the notice .text */
	ASH_OPTION_REFUSED, /* an error; .text says what to do */
	ASH_OPTION_REFUSED_VALUE, /* likewise, takes a value */
} AshOptionKind;

/** One option; a table of them ends with a NULL name. */
typedef struct {
	const char *name;  /* "--name" */
	AshOptionKind kind;
	gsize offset;      /* into the values */
	bool required;
	int value;         /* SET */
	const char *text;  /* CONST, IGNORED, REFUSED */
	bool deprecated;   /* kickstart has dropped it, or is about to: worth a notice */
} AshOptionDef;

/** Where a line stands and who is told of what has no effect. All borrowed. */
typedef struct {
	const char *origin;  /* "file:line" */
	const char *command; /* "repo", "%packages" */
	GPtrArray *notices;  /* of char * */
	GPtrArray *refusals; /* of char *: what is right and not carried out, instead of an error; NULL: an error */
} AshOptionPlace;

/** What the text of a notice about old syntax begins with. */
#define ASH_OPTION_DEPRECATED ASH_KS_DEPRECATED

/** Adds "origin: command: text" to the notices. */
void ash_option_notice(const AshOptionPlace *place, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** Sets ASH_ERROR_CONFIG "origin: command: text"; returns FALSE. */
gboolean ash_option_throw(const AshOptionPlace *place, GError **error, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/**
 * For what is right but not carried out: as ash_option_throw() with the text "is not carried out: ...", unless the place
 * collects refusals: TRUE then, and the caller goes on as if it were done.
 */
gboolean ash_option_refuse(const AshOptionPlace *place, GError **error, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/** Makes @values (zeroed memory) ready: numbers -1, lists empty. */
void ash_option_init(const AshOptionDef *defs, gpointer values);
/** Frees strings and lists in @values, which is left zeroed. */
void ash_option_clear(const AshOptionDef *defs, gpointer values);

/**
 * Reads @words (a line without its first word) into @values. "--opt=value" and "--opt value" are the same;
 * a value that begins with "-" and has no space must be joined by "=". "--" ends the options. A name may be cut short as
 * long as it stays the only one. What is no option is appended to *@positional.
 */
gboolean ash_option_parse(const AshOptionPlace *place, const AshOptionDef *defs, const char *const *words,
			  gpointer values, char ***positional, GError **error);

/** True if an option of this kind has a value. */
bool ash_option_takes_value(AshOptionKind kind);

/** Splits at commas, strips white space, drops empty words. Owned. */
char **ash_option_split_commas(const char *text);
