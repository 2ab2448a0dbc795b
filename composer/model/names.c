/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/names.h"

gboolean
ash_names_find(const AshNames *names, const char *text, guint *ret_value)
{
	for (guint i = 0; i < names->n; i++) {
		if (g_str_equal(names->names[i], text)) {
			*ret_value = i;
			return TRUE;
		}
	}
	return FALSE;
}
