/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kssection.h"

#include <string.h>

typedef struct {
	char *filename, *dir, *type;
} CertificateValues;

#define FIELD(member) G_STRUCT_OFFSET(CertificateValues, member)

static const AshOptionDef certificate_options[] = {
	{ "--filename", ASH_OPTION_STRING, FIELD(filename), .required = true },
	{ "--dir", ASH_OPTION_STRING, FIELD(dir) },
	{ "--type", ASH_OPTION_STRING, FIELD(type) },
	{ NULL },
};

static gboolean
certificate_begin(AshKsCall *call, gpointer *ret_data, GError **error)
{
	const CertificateValues *values = call->values;

	if (!ash_check_word(values->filename, "_.+-") || *values->filename == '.')
		return ash_option_throw(&call->place, error, "--filename: \"%s\" is no file name",
					values->filename);
	if (values->dir != NULL && !ash_check_path(values->dir))
		return ash_option_throw(&call->place, error, "--dir: \"%s\" is no absolute path", values->dir);
	if (values->type != NULL && !g_str_equal(values->type, "anchor"))
		return ash_option_throw(&call->place, error, "--type: \"%s\" is none; there is \"anchor\"",
					values->type);
	if (values->type == NULL && values->dir == NULL)
		return ash_option_throw(&call->place, error, "--dir or --type is required");
	if (values->type != NULL && values->dir != NULL)
		ash_option_notice(&call->place, "--dir has no effect: --type=%s says where it goes", values->type);
	*ret_data = g_string_new(NULL);
	return TRUE;
}

static gboolean
certificate_add_line(AshKsCall *call, gpointer data, const char *line, GError **error)
{
	GString *text = data;

	g_string_append(text, line);
	g_string_append_c(text, '\n');
	return TRUE;
}

static gboolean
certificate_finish(AshKsCall *call, gpointer data, GError **error)
{
	const CertificateValues *values = call->values;
	const GString *text = data;
	const char *begin = strstr(text->str, "-----BEGIN ");

	if (begin == NULL || strstr(begin, "-----END ") == NULL)
		return ash_option_throw(&call->place, error,
					"there is no certificate (\"-----BEGIN CERTIFICATE-----\") in it");
	if (strstr(text->str, "PRIVATE KEY-----") != NULL)
		return ash_option_throw(&call->place, error,
					"there is a private key in it, which no image should have");
	g_autofree char *path = values->type == NULL ? g_build_filename(values->dir, values->filename, NULL)
						     : g_strdup(values->filename);
	g_ptr_array_add(call->spec->certificates,
			ash_certificate_spec_new(path, text->str, call->place.origin));
	return TRUE;
}

static void
text_free(gpointer data)
{
	g_string_free(data, TRUE);
}

const AshKsSectionDef ash_ks_certificate_section = {
	.name = "%certificate",
	.options = certificate_options,
	.values_size = sizeof(CertificateValues),
	.begin = certificate_begin,
	.add_line = certificate_add_line,
	.finish = certificate_finish,
	.free_data = text_free,
};
