/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>

#define ACCOUNT_NAME_MAX     32
#define HOST_NAME_MAX_LENGTH 64
#define LABEL_MAX            63
#define INTERFACE_MAX        15
#define UNIT_MAX             255

bool
ash_check_word(const char *text, const char *others)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (!g_ascii_isalnum(*text) && strchr(others, *text) == NULL)
			return false;
	return true;
}

bool
ash_check_account_name(const char *text)
{
	gsize length = strlen(text);
	g_autofree char *stem = g_strndup(text, g_str_has_suffix(text, "$") ? length - 1 : length);

	return length <= ACCOUNT_NAME_MAX && *stem != '-' && ash_check_word(stem, "._-") &&
	       strspn(stem, "0123456789") != strlen(stem) && !g_str_equal(stem, ".") &&
	       !g_str_equal(stem, "..");
}

bool
ash_check_hostname(const char *text)
{
	g_auto(GStrv) labels = g_strsplit(text, ".", -1);

	if (*text == '\0' || strlen(text) > HOST_NAME_MAX_LENGTH)
		return false;
	for (guint i = 0; labels[i] != NULL; i++) {
		gsize length = strlen(labels[i]);

		if (length > LABEL_MAX || !ash_check_word(labels[i], "-") || labels[i][0] == '-' ||
		    labels[i][length - 1] == '-')
			return false;
	}
	return true;
}

bool
ash_check_field(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == ':' || g_ascii_iscntrl(*text))
			return false;
	return true;
}

bool
ash_check_path(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "/", -1);

	return *text == '/' && ash_check_field(text) && strstr(text, "//") == NULL &&
	       !g_strv_contains((const char *const *) parts, "..");
}

bool
ash_check_ipv4(const char *text)
{
	struct in_addr address;

	return inet_pton(AF_INET, text, &address) == 1;
}

bool
ash_check_ipv6(const char *text, bool with_prefix)
{
	struct in6_addr address;
	const char *slash = with_prefix ? strchr(text, '/') : NULL;
	g_autofree char *host = slash != NULL ? g_strndup(text, slash - text) : g_strdup(text);

	if (slash != NULL && !g_ascii_string_to_unsigned(slash + 1, 10, 0, 128, NULL, NULL))
		return false;
	return inet_pton(AF_INET6, host, &address) == 1;
}

bool
ash_check_unit(const char *text)
{
	return strlen(text) <= UNIT_MAX && *text != '.' && ash_check_word(text, ":_.@\\-");
}

bool
ash_check_interface(const char *text)
{
	return strlen(text) <= INTERFACE_MAX && *text != '-' && ash_check_word(text, "_.-") &&
	       !g_str_equal(text, ".") && !g_str_equal(text, "..");
}
