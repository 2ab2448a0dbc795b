/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** The conditions of a request (RFC 9110 13.1), as its headers have them; NULL: not there. */
typedef struct {
	const char *if_match, *if_none_match;
	const char *if_modified_since, *if_unmodified_since;
	const char *if_range;
} AshConditions;

/** What they are compared with. */
typedef struct {
	const char *etag; /* with its quotes; a strong one */
	gint64 modified;  /* seconds since 1970 */
} AshValidators;

typedef enum {
	ASH_CONDITION_GO_ON,
	ASH_CONDITION_NOT_MODIFIED, /* 304 */
	ASH_CONDITION_FAILED,       /* 412 */
} AshConditionVerdict;

/** In the order of RFC 9110 13.2.2, for GET and HEAD of what exists. Dates that are none do not count. */
AshConditionVerdict ash_condition_judge(const AshConditions *conditions, const AshValidators *validators);

/** False if an If-Range header says that the client has parts of something else: then it is to get the whole. */
bool ash_condition_allows_range(const AshConditions *conditions, const AshValidators *validators);

/** A date of HTTP (RFC 9110 5.6.7, IMF-fixdate) to seconds since 1970; false: it is none. */
bool ash_condition_parse_date(const char *text, gint64 *ret);
/** And back. Owned. */
char *ash_condition_format_date(gint64 time);
