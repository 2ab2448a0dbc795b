/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/** Whether text from a configuration file may go where it is meant to go. None of them is given NULL. */

/** Only ASCII letters, digits and the characters of @others; not empty. */
bool ash_check_word(const char *text, const char *others);
/** A user or group name as shadow's useradd(8) takes it: at most 32 characters, not only digits. */
bool ash_check_account_name(const char *text);
/** A host name of one or more labels (RFC 1123 2.1), at most 64 characters (hostname(7)). */
bool ash_check_hostname(const char *text);
/** An absolute path with no "..", "//", colon or control character. */
bool ash_check_path(const char *text);
/** No colon and no control character: may stand in a field of passwd(5). */
bool ash_check_field(const char *text);
/** An IPv4 address. */
bool ash_check_ipv4(const char *text);
/** An IPv6 address; with "/PREFIX" if @with_prefix allows it. */
bool ash_check_ipv6(const char *text, bool with_prefix);
/** A systemd unit name, suffix included or not. */
bool ash_check_unit(const char *text);
/** The name of a network interface (at most 15 characters). */
bool ash_check_interface(const char *text);
