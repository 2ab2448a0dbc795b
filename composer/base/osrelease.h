/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** The value of NAME=VALUE in the text of an os-release(5) file, unquoted; NULL if it has none. @text may be NULL. Owned. */
char *ash_os_release_value(const char *text, const char *name);
