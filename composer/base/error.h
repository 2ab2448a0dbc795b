/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * ASH_ERROR: the one error domain of this program.
 *
 * A code exists for each thing that a caller or the exit status tells apart; ash_error_exit_status()
 * maps them. Each message names its subject in double quotes and, where it can be known, the remedy.
 */
#define ASH_ERROR (ash_error_quark())
GQuark ash_error_quark(void);

typedef enum {
	ASH_ERROR_INTERNAL,   /* a bug, or a foreign library that failed without our knowing why */
	ASH_ERROR_USAGE,      /* the command line is wrong */
	ASH_ERROR_CONFIG,     /* kickstart, image type, .repo file or lock: "file:line: key: what is wrong" */
	ASH_ERROR_UNSOLVABLE, /* no package set satisfies the request */
	ASH_ERROR_FETCH,      /* metadata or package cannot be had */
	ASH_ERROR_TRUST,      /* signature, digest or size is wrong or missing */
	ASH_ERROR_SCRIPT,     /* a scriptlet or a %post script failed */
	ASH_ERROR_NO_SPACE,   /* ENOSPC, or not enough space before work starts */
	ASH_ERROR_EXPIRED,    /* signed metadata is past its time, or the clock is wrong */
	ASH_ERROR_ROLLBACK,   /* signed metadata is older than what is trusted already */
	ASH_ERROR_FINDINGS,   /* not an error: "ashlar audit" found what --fail-on asks for */
	ASH_ERROR_UNCHANGED,  /* not an error: nothing to do, and the caller asked to be told */
	ASH_ERROR_CANCELLED,  /* interrupted by a signal */
} AshErrorCode;

/** Sets @error and returns FALSE, so that a check reads "return ash_throw(...)". */
gboolean ash_throw(GError **error, AshErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** As ash_throw(), with ": " and the text of errno appended; ENOSPC and EDQUOT become ASH_ERROR_NO_SPACE. */
gboolean ash_throw_errno(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** As ash_throw(), returning NULL: for functions that return a pointer. */
#define ash_throw_null(error, ...) (ash_throw((error), __VA_ARGS__), NULL)
#define ash_throw_errno_null(error, ...) (ash_throw_errno((error), __VA_ARGS__), NULL)

/** Puts "text: " before the message of @error; does nothing if it is not set. Returns FALSE. */
gboolean ash_prefix(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** The code of @error in our domain; foreign domains are mapped (G_IO_ERROR_NO_SPACE, _CANCELLED), else INTERNAL. */
AshErrorCode ash_error_code(const GError *error);

/** The exit status that README and ashlar(1) promise for @error: 1 internal ... 10 rollback, 11 findings, 77, 130. */
int ash_error_exit_status(const GError *error);

/** A name for JSON output: "config", "trust", ... Borrowed, static. */
const char *ash_error_code_to_string(AshErrorCode code);
