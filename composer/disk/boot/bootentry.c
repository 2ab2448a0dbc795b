/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/bootentry.h"

#include "base/osrelease.h"

char *
ash_boot_entry_path(const AshBootEntry *entry)
{
	g_autofree char *counter = entry->tries > 0 ? g_strdup_printf("+%u", entry->tries) : g_strdup("");

	return g_strdup_printf(ASH_BOOT_ENTRY_DIR "/%s-%s%s.conf", entry->token, entry->release, counter);
}

char *
ash_boot_entry_file_path(const AshBootEntry *entry, const char *name)
{
	return g_strdup_printf("%s/%s/%s", entry->token, entry->release, name);
}

char *
ash_boot_entry_format(const AshBootEntry *entry)
{
	g_autofree char *pretty = ash_os_release_value(entry->os_release, "PRETTY_NAME");
	g_autofree char *image = ash_os_release_value(entry->os_release, "IMAGE_ID");
	g_autofree char *id = ash_os_release_value(entry->os_release, "ID");
	g_autofree char *linux_path = ash_boot_entry_file_path(entry, "linux");
	g_autofree char *initrd_path = ash_boot_entry_file_path(entry, "initrd");
	const char *sort_key = image != NULL ? image : id;
	g_autoptr(GString) text = g_string_new(NULL);

	if (pretty != NULL)
		g_string_append_printf(text, "title      %s\n", pretty);
	else
		g_string_append_printf(text, "title      Linux %s\n", entry->release);
	g_string_append_printf(text, "version    %s\n", entry->release);
	if (sort_key != NULL)
		g_string_append_printf(text, "sort-key   %s\n", sort_key);
	g_string_append_printf(text, "options    %s\n", entry->cmdline);
	g_string_append_printf(text, "linux      /%s\n", linux_path);
	if (entry->has_initrd)
		g_string_append_printf(text, "initrd     /%s\n", initrd_path);
	return g_string_free(g_steal_pointer(&text), FALSE);
}
