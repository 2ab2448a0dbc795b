/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/package.h"

#include <string.h>

static const char *const reason_names[] = {
	[ASH_REASON_USER] = "user",
	[ASH_REASON_GROUP] = "group",
	[ASH_REASON_DEPENDENCY] = "dependency",
	[ASH_REASON_WEAK] = "weak",
};

const char *
ash_reason_to_string(AshReason reason)
{
	g_return_val_if_fail((gsize)reason < G_N_ELEMENTS(reason_names), "?");
	return reason_names[reason];
}

gboolean
ash_reason_parse(const char *text, AshReason *ret_reason)
{
	for (gsize i = 0; i < G_N_ELEMENTS(reason_names); i++)
		if (g_str_equal(text, reason_names[i])) {
			*ret_reason = (AshReason)i;
			return TRUE;
		}
	return FALSE;
}

AshPackage *
ash_package_new(void)
{
	return g_new0(AshPackage, 1);
}

void
ash_package_free(AshPackage *package)
{
	if (package == NULL)
		return;
	g_free(package->name);
	g_free(package->version);
	g_free(package->release);
	g_free(package->arch);
	g_free(package->repo_id);
	g_free(package->location);
	g_free(package->sha256);
	g_free(package->source);
	g_free(package->license);
	g_free(package->path);
	g_free(package);
}

char *
ash_package_dup_evr(const AshPackage *package)
{
	if (package->epoch == 0)
		return g_strdup_printf("%s-%s", package->version, package->release);
	return g_strdup_printf("%u:%s-%s", package->epoch, package->version, package->release);
}

char *
ash_package_dup_nevra(const AshPackage *package)
{
	g_autofree char *evr = ash_package_dup_evr(package);

	return g_strdup_printf("%s-%s.%s", package->name, evr, package->arch);
}

/* An epoch is a 32-bit number (rpm's RPMTAG_EPOCH); *@version moves past "epoch:" if there is one. */
static gboolean
take_epoch(const char **version, guint32 *ret_epoch)
{
	const char *colon = strchr(*version, ':');
	guint64 epoch = 0;

	if (colon != NULL) {
		g_autofree char *digits = g_strndup(*version, (gsize)(colon - *version));
		if (!g_ascii_string_to_unsigned(digits, 10, 0, G_MAXUINT32, &epoch, NULL))
			return FALSE;
		*version = colon + 1;
	}
	*ret_epoch = (guint32)epoch;
	return TRUE;
}

gboolean
ash_package_parse_nevra(const char *nevra, AshPackage *ret_package)
{
	g_autofree char *text = g_strdup(nevra);
	char *dot = strrchr(text, '.');

	if (dot == NULL || dot[1] == '\0')
		return FALSE;
	*dot = '\0';
	char *release = strrchr(text, '-');
	if (release == NULL || release[1] == '\0')
		return FALSE;
	*release++ = '\0';
	char *evr = strrchr(text, '-');
	if (evr == NULL || evr == text)
		return FALSE;
	*evr++ = '\0';

	const char *version = evr;
	guint32 epoch;
	if (!take_epoch(&version, &epoch) || *version == '\0' || strchr(version, ':') != NULL)
		return FALSE;

	g_free(ret_package->name);
	g_free(ret_package->version);
	g_free(ret_package->release);
	g_free(ret_package->arch);
	ret_package->name = g_strdup(text);
	ret_package->epoch = epoch;
	ret_package->version = g_strdup(version);
	ret_package->release = g_strdup(release);
	ret_package->arch = g_strdup(dot + 1);
	return TRUE;
}

AshPackageSet *
ash_package_set_new(void)
{
	AshPackageSet *set = g_new0(AshPackageSet, 1);

	set->packages = g_ptr_array_new_with_free_func((GDestroyNotify)ash_package_free);
	return set;
}

void
ash_package_set_free(AshPackageSet *set)
{
	if (set == NULL)
		return;
	g_ptr_array_unref(set->packages);
	g_free(set);
}

/* Bytes, not rpm's version order: the order only has to be total and stable. */
static int
compare_packages(gconstpointer a, gconstpointer b)
{
	const AshPackage *left = *(AshPackage *const *)a, *right = *(AshPackage *const *)b;
	int order = strcmp(left->name, right->name);

	if (order == 0)
		order = strcmp(left->arch, right->arch);
	if (order == 0)
		order = left->epoch < right->epoch ? -1 : left->epoch > right->epoch;
	if (order == 0)
		order = strcmp(left->version, right->version);
	if (order == 0)
		order = strcmp(left->release, right->release);
	return order != 0 ? order : g_strcmp0(left->repo_id, right->repo_id);
}

void
ash_package_set_sort(AshPackageSet *set)
{
	g_ptr_array_sort(set->packages, compare_packages);
}

AshPackage *
ash_package_set_find(const AshPackageSet *set, const char *name)
{
	for (guint i = 0; i < set->packages->len; i++) {
		AshPackage *package = g_ptr_array_index(set->packages, i);
		if (g_str_equal(package->name, name))
			return package;
	}
	return NULL;
}

guint64
ash_package_set_total_size(const AshPackageSet *set)
{
	guint64 total = 0;

	for (guint i = 0; i < set->packages->len; i++)
		total += ((AshPackage *)g_ptr_array_index(set->packages, i))->size;
	return total;
}

guint64
ash_package_set_total_install_size(const AshPackageSet *set)
{
	guint64 total = 0;

	for (guint i = 0; i < set->packages->len; i++)
		total += ((AshPackage *)g_ptr_array_index(set->packages, i))->install_size;
	return total;
}

guint64
ash_package_set_newest_build_time(const AshPackageSet *set)
{
	guint64 newest = 0;

	for (guint i = 0; i < set->packages->len; i++)
		newest = MAX(newest, ((AshPackage *)g_ptr_array_index(set->packages, i))->build_time);
	return newest;
}
