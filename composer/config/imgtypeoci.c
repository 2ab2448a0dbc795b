/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/imgtypeoci.h"

#include "base/error.h"
#include "config/check.h"
#include "model/strv.h"

#include <signal.h>
#include <string.h>

#define PORT_MAX 65535

/* Set by the writer itself. */
static const char *const own_annotations[] = { "org.opencontainers.image.created", "org.opencontainers.image.ref.name" };

/* A number without sign or leading zeros, not over @max. */
static bool
is_number(const char *text, gsize length, guint max)
{
	guint number = 0;

	for (gsize i = 0; i < length; i++) {
		if (!g_ascii_isdigit(text[i]) || (number = number * 10 + (guint) (text[i] - '0')) > max)
			return false;
	}
	return length > 0 && (*text != '0' || length == 1);
}

static gboolean
check_pairs(AshImgLoader *loader, char **pairs, const char *file, const char *key, GError **error)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; pairs[i] != NULL; i++) {
		if (strchr(pairs[i], '=') == NULL || *pairs[i] == '=')
			return ash_img_throw_key(loader, file, key, error, "\"%s\" is not NAME=VALUE", pairs[i]);
		char *name = g_strndup(pairs[i], strcspn(pairs[i], "="));
		if (g_hash_table_contains(names, name)) {
			g_autofree char *twice = name;
			return ash_img_throw_key(loader, file, key, error, "\"%s\" is said twice", twice);
		}
		g_hash_table_add(names, name);
	}
	return TRUE;
}

static gboolean
check_annotations(AshImgLoader *loader, const char *file, GError **error)
{
	static const char key[] = "oci.annotations";
	char **pairs = loader->type->oci_annotations;

	if (!check_pairs(loader, pairs, file, key, error))
		return FALSE;
	for (guint i = 0; pairs[i] != NULL; i++) {
		g_autofree char *name = g_strndup(pairs[i], strcspn(pairs[i], "="));
		for (guint j = 0; j < G_N_ELEMENTS(own_annotations); j++)
			if (g_str_equal(own_annotations[j], name))
				return ash_img_throw_key(loader, file, key, error, "\"%s\" follows from the build", name);
	}
	return TRUE;
}

/* "80", "80/tcp", "53/udp" */
static bool
is_port(const char *text)
{
	gsize length = strcspn(text, "/");

	return is_number(text, length, PORT_MAX) && *text != '0' &&
	       (text[length] == '\0' || g_str_equal(text + length, "/tcp") || g_str_equal(text + length, "/udp"));
}

static gboolean
check_ports(AshImgLoader *loader, const char *file, GError **error)
{
	char **ports = loader->type->oci_ports;

	for (guint i = 0; ports[i] != NULL; i++)
		if (!is_port(ports[i]))
			return ash_img_throw_key(loader, file, "oci.ports", error,
						 "\"%s\" is not PORT, PORT/tcp or PORT/udp with a port from 1 to %d", ports[i], PORT_MAX);
	return TRUE;
}

static gboolean
check_volumes(AshImgLoader *loader, const char *file, GError **error)
{
	char **volumes = loader->type->oci_volumes;

	for (guint i = 0; volumes[i] != NULL; i++)
		if (!ash_check_path(volumes[i]))
			return ash_img_throw_key(loader, file, "oci.volumes", error, "\"%s\" is no absolute path", volumes[i]);
	return TRUE;
}

/* One of "user", "uid" */
static bool
is_account(const char *text)
{
	return ash_check_account_name(text) || is_number(text, strlen(text), G_MAXINT32 / 10);
}

static bool
is_user(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", 2);

	return parts[0] != NULL && is_account(parts[0]) && (parts[1] == NULL || is_account(parts[1]));
}

/* "SIGRTMIN+3", "SIGRTMAX-1" */
static bool
is_realtime_signal(const char *text)
{
	static const char *const bases[] = { "SIGRTMIN", "SIGRTMAX" };
	static const char signs[] = { '+', '-' };

	for (guint i = 0; i < G_N_ELEMENTS(bases); i++) {
		gsize length = strlen(bases[i]);

		if (g_str_equal(text, bases[i]) || (g_str_has_prefix(text, bases[i]) && text[length] == signs[i] &&
						    is_number(text + length + 1, strlen(text + length + 1), 30)))
			return true;
	}
	return false;
}

static bool
is_signal(const char *text)
{
	if (is_number(text, strlen(text), 64))
		return *text != '0';
	for (int i = 1; i < SIGSYS + 1; i++) {
		const char *name = sigabbrev_np(i);

		if (name != NULL && g_str_has_prefix(text, "SIG") && g_str_equal(text + strlen("SIG"), name))
			return true;
	}
	return is_realtime_signal(text);
}

gboolean
ash_img_check_oci(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;

	if (type->oci_workdir != NULL && !ash_check_path(type->oci_workdir))
		return ash_img_throw_key(loader, file, "oci.workdir", error, "\"%s\" is no absolute path", type->oci_workdir);
	if (type->oci_user != NULL && !is_user(type->oci_user))
		return ash_img_throw_key(loader, file, "oci.user", error, "\"%s\" is no USER, UID, USER:GROUP or UID:GID", type->oci_user);
	if (type->oci_stop_signal != NULL && !is_signal(type->oci_stop_signal))
		return ash_img_throw_key(loader, file, "oci.stop_signal", error, "\"%s\" is no signal (\"SIGTERM\", \"SIGRTMIN+3\", \"15\")",
					 type->oci_stop_signal);
	return check_pairs(loader, type->oci_env, file, "oci.env", error) &&
	       check_pairs(loader, type->oci_labels, file, "oci.labels", error) && check_annotations(loader, file, error) &&
	       check_ports(loader, file, error) && check_volumes(loader, file, error);
}
