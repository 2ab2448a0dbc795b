/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmowners.h"

#include "base/error.h"
#include "install/rpmheaders.h"
#include "install/transaction.h"
#include "model/strv.h"

#include <rpm/header.h>
#include <rpm/rpmds.h>
#include <rpm/rpmfiles.h>
#include <stdlib.h>
#include <string.h>

/* What only scriptlets need, or rpm itself. */
#define FOR_SCRIPTS                                                                                                     \
	(RPMSENSE_PREREQ | RPMSENSE_PRETRANS | RPMSENSE_POSTTRANS | RPMSENSE_INTERP | RPMSENSE_SCRIPT_PRE | RPMSENSE_SCRIPT_POST | \
	 RPMSENSE_SCRIPT_PREUN | RPMSENSE_SCRIPT_POSTUN | RPMSENSE_SCRIPT_VERIFY | RPMSENSE_RPMLIB)

/* A package while the others are read. */
typedef struct {
	AshRpmOwner *owner;
	Header header;
} Entry;

static void
owner_free(gpointer data)
{
	AshRpmOwner *owner = data;

	g_free(owner->name);
	g_free(owner->version);
	g_free(owner->release);
	g_free(owner->arch);
	g_free(owner->vendor);
	g_free(owner->source_rpm);
	g_free(owner->source);
	g_strfreev(owner->requires);
	g_strfreev(owner->provides);
	g_free(owner);
}

static void
entry_clear(gpointer data)
{
	Entry *entry = data;

	g_clear_pointer(&entry->owner, owner_free);
	headerFree(entry->header);
}

static char *
dup_tag(Header header, rpmTag tag)
{
	return g_strdup(headerGetString(header, tag));
}

/* "glibc" of "glibc-2.36-9.src.rpm" */
static char *
dup_source_name(const AshRpmOwner *owner)
{
	g_autofree char *name = g_strdup(owner->source_rpm != NULL ? owner->source_rpm : "");

	for (guint i = 0; i < 2; i++) {
		char *dash = strrchr(name, '-');

		if (dash == NULL || dash == name)
			return g_strdup(owner->name);
		*dash = '\0';
	}
	return g_steal_pointer(&name);
}

/* Names of the dependencies that have none of @without; versions were checked when they were installed together. */
static char **
dup_dependencies(Header header, rpmTagVal tag, rpmsenseFlags without)
{
	g_auto(GStrv) names = ash_strv_new();
	rpmds dependencies = rpmdsNew(header, tag, 0);

	while (rpmdsNext(dependencies) >= 0)
		if ((rpmdsFlags(dependencies) & without) == 0)
			ash_strv_add_unique(&names, rpmdsN(dependencies));
	rpmdsFree(dependencies);
	return g_steal_pointer(&names);
}

static AshRpmOwner *
new_owner(Header header)
{
	AshRpmOwner *owner = g_new0(AshRpmOwner, 1);

	owner->name = dup_tag(header, RPMTAG_NAME);
	owner->version = dup_tag(header, RPMTAG_VERSION);
	owner->release = dup_tag(header, RPMTAG_RELEASE);
	owner->arch = dup_tag(header, RPMTAG_ARCH);
	owner->vendor = dup_tag(header, RPMTAG_VENDOR);
	owner->source_rpm = dup_tag(header, RPMTAG_SOURCERPM);
	owner->source = dup_source_name(owner);
	owner->requires = dup_dependencies(header, RPMTAG_REQUIRENAME, FOR_SCRIPTS);
	owner->provides = dup_dependencies(header, RPMTAG_PROVIDENAME, 0);
	owner->epoch = headerIsEntry(header, RPMTAG_EPOCH) ? (gint64) headerGetNumber(header, RPMTAG_EPOCH) : -1;
	owner->install_time = headerGetNumber(header, RPMTAG_INSTALLTIME);
	owner->build_time = headerGetNumber(header, RPMTAG_BUILDTIME);
	owner->size = headerGetNumber(header, headerIsEntry(header, RPMTAG_LONGSIZE) ? RPMTAG_LONGSIZE : RPMTAG_SIZE);
	return owner;
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
	const AshRpmOwner *x = ((const Entry *) a)->owner, *y = ((const Entry *) b)->owner;
	int order = g_strcmp0(x->name, y->name);

	if (order == 0)
		order = g_strcmp0(x->version, y->version);
	if (order == 0)
		order = g_strcmp0(x->release, y->release);
	return order != 0 ? order : g_strcmp0(x->arch, y->arch);
}

static void
owned_free(gpointer data)
{
	AshRpmOwned *owned = data;

	g_clear_pointer(&owned->more, g_array_unref);
	g_free(owned);
}

static void
add_file(AshRpmOwners *owners, const char *path, const AshRpmOwned *file)
{
	AshRpmOwned *owned = g_hash_table_lookup(owners->files, path);

	if (owned == NULL) {
		g_hash_table_insert(owners->files, g_strdup(path), g_memdup2(file, sizeof *file));
		return;
	}
	if (owned->more == NULL)
		owned->more = g_array_new(FALSE, FALSE, sizeof(guint));
	g_array_append_val(owned->more, file->package);
}

static void
add_files(AshRpmOwners *owners, Header header, guint package)
{
	rpmfiles files = rpmfilesNew(NULL, header, 0, 0);
	int n = rpmfilesFC(files);

	for (int i = 0; i < n; i++) {
		char *path = rpmfilesFN(files, i);
		const AshRpmOwned file = { package, NULL, (guint32) rpmfilesFMtime(files, i), rpmfilesFSize(files, i) };

		if (rpmfilesFState(files, i) == RPMFILE_STATE_NORMAL)
			add_file(owners, path + strspn(path, "/"), &file);
		free(path);
	}
	rpmfilesFree(files);
}

static void
take_header(Header header, gpointer entries)
{
	const Entry entry = { new_owner(header), headerLink(header) };

	g_array_append_vals(entries, &entry, 1);
}

AshRpmOwners *
ash_rpm_owners_load(const char *root, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	AshRpmOwners *owners;

	g_array_set_clear_func(entries, entry_clear);
	if (!ash_rpm_headers_read(root, take_header, entries, error))
		return NULL;
	g_array_sort(entries, compare_entries);
	owners = g_new0(AshRpmOwners, 1);
	owners->packages = g_ptr_array_new_with_free_func(owner_free);
	owners->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, owned_free);
	for (guint i = 0; i < entries->len; i++) {
		Entry *entry = &g_array_index(entries, Entry, i);

		g_ptr_array_add(owners->packages, g_steal_pointer(&entry->owner));
		add_files(owners, entry->header, i);
	}
	return owners;
}

void
ash_rpm_owners_free(AshRpmOwners *owners)
{
	if (owners == NULL)
		return;
	g_ptr_array_unref(owners->packages);
	g_hash_table_unref(owners->files);
	g_free(owners);
}
