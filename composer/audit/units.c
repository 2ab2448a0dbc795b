/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/units.h"

#include "audit/exposure.h"
#include "audit/unitset.h"

#include <stdlib.h>
#include <string.h>

/* Tenths of systemd-analyze's scale; from there on it says "UNSAFE". */
#define EXPOSURE_MOST 90

static const struct {
	const char *key, *kind;
} listen_keys[] = {
	{ "ListenStream", "stream" },
	{ "ListenDatagram", "datagram" },
	{ "ListenSequentialPacket", "sequential packets" },
};

/* Services that send passwords or files in the clear (the registry of IANA). */
static const struct {
	guint port;
	const char *service;
} cleartext_ports[] = {
	{ 21, "ftp" }, { 23, "telnet" }, { 69, "tftp" }, { 79, "finger" }, { 512, "rexec" }, { 513, "rlogin" }, { 514, "rsh" },
};

void
ash_units_parse_address(const char *address, guint *ret_port, bool *ret_local)
{
	const char *colon = strrchr(address, ':');
	const char *number = colon != NULL ? colon + 1 : address;
	guint64 port = 0;

	*ret_port = 0;
	*ret_local = true;
	if (address[0] == '/' || address[0] == '@' || g_str_has_prefix(address, "vsock:") ||
	    !g_ascii_string_to_unsigned(number, 10, 1, G_MAXUINT16, &port, NULL))
		return;
	*ret_port = (guint) port;
	*ret_local = g_str_has_prefix(address, "127.") || g_str_has_prefix(address, "[::1]") || g_str_has_prefix(address, "localhost:");
}

static AshAuditService *
add_service(const AshAudit *audit, const AshUnit *unit)
{
	g_auto(GStrv) filter = ash_unitfile_get_words(unit->file, "Service", "SystemCallFilter");
	const char *user = ash_unitfile_get(unit->file, "Service", "User");
	AshAuditService *service = g_new0(AshAuditService, 1);

	service->unit = g_utf8_make_valid(unit->name, -1);
	service->path = g_utf8_make_valid(unit->path, -1);
	service->user = g_utf8_make_valid(user != NULL ? user : "", -1);
	service->filter = g_strjoinv(" ", filter);
	service->enabled = unit->started;
	service->exposure = -1;
	g_ptr_array_add(audit->report->services, service);
	return service;
}

/* What runs once and ends is hardly worth a confinement of its own. */
static bool
is_daemon(const AshUnit *unit)
{
	const char *type = ash_unitfile_get(unit->file, "Service", "Type");

	return type == NULL || strcmp(type, "oneshot") != 0;
}

static void
check_service(const AshAudit *audit, const AshUnit *unit, const AshAuditService *service)
{
	if (!unit->started)
		return;
	if (strcmp(unit->name, "debug-shell.service") == 0)
		ash_audit_report_add(audit->report, ASH_RULE_UNIT_DEBUG_SHELL, unit->path, unit->name, "it is started at boot");
	if (!is_daemon(unit))
		return;
	if (service->exposure >= EXPOSURE_MOST)
		ash_audit_report_add(audit->report, ASH_RULE_UNIT_EXPOSED, unit->path, unit->name, "exposure %d.%d", service->exposure / 10,
				     service->exposure % 10);
	if (service->filter[0] == '\0')
		ash_audit_report_add(audit->report, ASH_RULE_UNIT_NO_SYSCALL_FILTER, unit->path, unit->name, "no SystemCallFilter=");
}

static const char *
find_cleartext(guint port)
{
	for (gsize i = 0; i < G_N_ELEMENTS(cleartext_ports); i++) {
		if (cleartext_ports[i].port == port)
			return cleartext_ports[i].service;
	}
	return NULL;
}

static void
add_socket(const AshAudit *audit, const AshUnit *unit, const char *kind, const char *address)
{
	AshAuditSocket *socket = g_new0(AshAuditSocket, 1);
	const char *cleartext;

	socket->unit = g_utf8_make_valid(unit->name, -1);
	socket->path = g_utf8_make_valid(unit->path, -1);
	socket->kind = g_strdup(kind);
	socket->address = g_utf8_make_valid(address, -1);
	socket->enabled = unit->started;
	ash_units_parse_address(address, &socket->port, &socket->local);
	g_ptr_array_add(audit->report->sockets, socket);
	if (!socket->enabled || socket->local)
		return;
	cleartext = find_cleartext(socket->port);
	ash_audit_report_add(audit->report, ASH_RULE_PORT_OPEN, unit->path, address, "%s listens on %s (%s)", unit->name, address, kind);
	if (cleartext != NULL)
		ash_audit_report_add(audit->report, ASH_RULE_PORT_CLEARTEXT, unit->path, address, "%s listens on port %u: %s", unit->name,
				     socket->port, cleartext);
}

static void
check_socket(const AshAudit *audit, const AshUnit *unit)
{
	for (gsize i = 0; i < G_N_ELEMENTS(listen_keys); i++) {
		const GPtrArray *values = ash_unitfile_get_all(unit->file, "Socket", listen_keys[i].key);

		for (guint j = 0; values != NULL && j < values->len; j++)
			add_socket(audit, unit, listen_keys[i].kind, g_ptr_array_index(values, j));
	}
}

void
ash_units_check(const AshAudit *audit)
{
	g_autoptr(AshUnitSet) set = ash_unit_set_load(audit);
	g_autoptr(GPtrArray) units = ash_unit_set_list(set);
	g_autoptr(GPtrArray) services = g_ptr_array_new(); /* of AshUnit, beside report->services */

	for (guint i = 0; i < units->len; i++) {
		const AshUnit *unit = g_ptr_array_index(units, i);

		if (g_str_has_suffix(unit->name, ".service")) {
			g_ptr_array_add(services, (gpointer) unit);
			add_service(audit, unit);
		} else if (g_str_has_suffix(unit->name, ".socket")) {
			check_socket(audit, unit);
		}
	}
	ash_exposure_rate(audit, set, services);
	for (guint i = 0; i < services->len; i++)
		check_service(audit, g_ptr_array_index(services, i), g_ptr_array_index(audit->report->services, i));
}
