/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

G_DEFINE_QUARK(ash-error-quark, ash_error)

typedef struct {
	const char *name;
	int exit_status;
} ErrorKind;

/* The exit statuses are promised in README and ashlar(1). */
static const ErrorKind error_kinds[] = {
	[ASH_ERROR_INTERNAL] = { "internal", 1 },     [ASH_ERROR_USAGE] = { "usage", 2 },
	[ASH_ERROR_CONFIG] = { "config", 3 },         [ASH_ERROR_UNSOLVABLE] = { "unsolvable", 4 },
	[ASH_ERROR_FETCH] = { "fetch", 5 },           [ASH_ERROR_TRUST] = { "trust", 6 },
	[ASH_ERROR_SCRIPT] = { "script", 7 },         [ASH_ERROR_NO_SPACE] = { "no-space", 8 },
	[ASH_ERROR_EXPIRED] = { "expired", 9 },       [ASH_ERROR_ROLLBACK] = { "rollback", 10 },
	[ASH_ERROR_FINDINGS] = { "findings", 11 },
	[ASH_ERROR_UNCHANGED] = { "unchanged", 77 },  [ASH_ERROR_CANCELLED] = { "cancelled", 130 },
};

gboolean
ash_throw(GError **error, AshErrorCode code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	GError *made = g_error_new_valist(ASH_ERROR, (int) code, format, args);
	va_end(args);
	g_propagate_error(error, made);
	return FALSE;
}

gboolean
ash_throw_errno(GError **error, const char *format, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	AshErrorCode code = saved == ENOSPC || saved == EDQUOT ? ASH_ERROR_NO_SPACE : ASH_ERROR_INTERNAL;
	return ash_throw(error, code, "%s: %s", text, g_strerror(saved));
}

gboolean
ash_prefix(GError **error, const char *format, ...)
{
	va_list args;

	if (error == NULL || *error == NULL)
		return FALSE;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_prefix_error(error, "%s: ", text);
	return FALSE;
}

AshErrorCode
ash_error_code(const GError *error)
{
	if (error->domain == ASH_ERROR)
		return (AshErrorCode) error->code;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return ASH_ERROR_CANCELLED;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE) ||
	    g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC))
		return ASH_ERROR_NO_SPACE;
	return ASH_ERROR_INTERNAL;
}

int
ash_error_exit_status(const GError *error)
{
	return error_kinds[ash_error_code(error)].exit_status;
}

const char *
ash_error_code_to_string(AshErrorCode code)
{
	return error_kinds[code].name;
}
