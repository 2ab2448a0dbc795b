/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/condition.h"

#include <stdio.h>
#include <string.h>

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* Length of the entity tag at @text, quotes and "W/" included; 0: there is none. */
static gsize
tag_length(const char *text)
{
	const gsize prefix = g_str_has_prefix(text, "W/") ? 2 : 0;

	if (text[prefix] != '"')
		return 0;
	const char *end = strchr(text + prefix + 1, '"');
	return end != NULL ? (gsize) (end - text) + 1 : 0;
}

/* If @list ("*" or tags) has @etag; weak ones count only if @weak. */
static bool
list_has(const char *list, const char *etag, bool weak)
{
	list += strspn(list, " \t,");
	if (*list == '*')
		return true;
	while (*list != '\0') {
		const gsize length = tag_length(list);
		const bool is_weak = g_str_has_prefix(list, "W/");
		if (length == 0)
			return false;
		const char *tag = list + (is_weak ? 2 : 0);
		if ((weak || !is_weak) && strlen(etag) == (gsize) (list + length - tag) && strncmp(tag, etag, strlen(etag)) == 0)
			return true;
		list += length;
		list += strspn(list, " \t,");
	}
	return false;
}

bool
ash_condition_parse_date(const char *text, gint64 *ret)
{
	int day, year, hour, minute, second, end = 0;
	char month[4];

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month, &year, &hour, &minute, &second, &end) != 6 ||
	    end == 0 || text[end] != '\0')
		return false;
	for (guint i = 0; i < G_N_ELEMENTS(months); i++) {
		if (strcmp(month, months[i]) != 0)
			continue;
		g_autoptr(GDateTime) time = g_date_time_new_utc(year, (int) i + 1, day, hour, minute, MIN(second, 59));
		if (time == NULL)
			return false;
		*ret = g_date_time_to_unix(time);
		return true;
	}
	return false;
}

char *
ash_condition_format_date(gint64 seconds)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

	if (time == NULL)
		return NULL;
	return g_strdup_printf("%s, %02d %s %04d %02d:%02d:%02d GMT", days[g_date_time_get_day_of_week(time) - 1],
			       g_date_time_get_day_of_month(time), months[g_date_time_get_month(time) - 1], g_date_time_get_year(time),
			       g_date_time_get_hour(time), g_date_time_get_minute(time), g_date_time_get_second(time));
}

AshConditionVerdict
ash_condition_judge(const AshConditions *conditions, const AshValidators *validators)
{
	gint64 date;

	if (conditions->if_match != NULL) {
		if (!list_has(conditions->if_match, validators->etag, false))
			return ASH_CONDITION_FAILED;
	} else if (conditions->if_unmodified_since != NULL && ash_condition_parse_date(conditions->if_unmodified_since, &date) &&
		   validators->modified > date) {
		return ASH_CONDITION_FAILED;
	}
	if (conditions->if_none_match != NULL)
		return list_has(conditions->if_none_match, validators->etag, true) ? ASH_CONDITION_NOT_MODIFIED : ASH_CONDITION_GO_ON;
	if (conditions->if_modified_since != NULL && ash_condition_parse_date(conditions->if_modified_since, &date) &&
	    validators->modified <= date)
		return ASH_CONDITION_NOT_MODIFIED;
	return ASH_CONDITION_GO_ON;
}

bool
ash_condition_allows_range(const AshConditions *conditions, const AshValidators *validators)
{
	gint64 date;

	if (conditions->if_range == NULL)
		return true;
	if (ash_condition_parse_date(conditions->if_range, &date))
		return date == validators->modified;
	return *conditions->if_range != '*' && list_has(conditions->if_range, validators->etag, false);
}
