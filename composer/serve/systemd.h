/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/** What systemd passes to a service, without its library: sd_listen_fds(3), sd_notify(3). */

/**
 * Sockets that were opened for us (LISTEN_FDS, LISTEN_PID), listening ones; the environment variables are removed. GPtrArray of GSocket,
 * owned, empty if there are none; NULL on failure.
 */
GPtrArray *ash_systemd_take_sockets(GError **error);

/** Tells the service manager @state ("READY=1"), if there is one that wants to know. */
void ash_systemd_notify(const char *state);
