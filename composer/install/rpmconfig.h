/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * Sets librpm up for this process, once: its own table of architectures, and instead of all macro files of this
 * machine (/usr/lib/rpm/macros, /etc/rpm, ~/.rpmmacros) a fixed few macros, so that the host has no say in what is
 * installed. No plugins. Nothing is printed. Thread-safe.
 */
gboolean ash_rpm_configure(GError **error);

/** Sets %_install_langs: only for the process that installs. NULL or empty: all languages. */
void ash_rpm_set_languages(const char *const *langs);
