/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/sbom.h"

#include "base/digest.h"
#include "base/json.h"

#include <string.h>

/* SPDX identifiers (SPDX 2.3, 3.2) hold letters, digits, "." and "-" only; the number keeps them apart. */
static char *
package_id(const AshPackage *package, guint number)
{
	g_autofree char *name = g_strdup(package->name);

	for (char *at = name; *at != '\0'; at++)
		if (!g_ascii_isalnum(*at) && *at != '.' && *at != '-')
			*at = '-';
	return g_strdup_printf("SPDXRef-Package-%u-%s", number, name);
}

/* "pkg:rpm/bash@5.2-1?arch=x86_64&epoch=1" (package-url specification, type rpm). */
static char *
package_url(const AshPackage *package)
{
	g_autofree char *name = g_uri_escape_string(package->name, NULL, FALSE);
	g_autofree char *version = g_uri_escape_string(package->version, NULL, FALSE);
	g_autofree char *release = g_uri_escape_string(package->release, NULL, FALSE);
	g_autoptr(GString) url = g_string_new(NULL);

	g_string_printf(url, "pkg:rpm/%s@%s-%s?arch=%s", name, version, release, package->arch);
	if (package->epoch > 0)
		g_string_append_printf(url, "&epoch=%u", package->epoch);
	return g_string_free(g_steal_pointer(&url), FALSE);
}

static JsonArray *
array_of(JsonObject *object)
{
	JsonArray *array = json_array_new();

	json_array_add_object_element(array, object);
	return array;
}

static JsonObject *
package_to_json(const AshPackage *package, const char *id)
{
	g_autofree char *evr = ash_package_dup_evr(package);
	g_autofree char *url = package_url(package);
	JsonObject *object = json_object_new(), *checksum = json_object_new(), *reference = json_object_new();

	json_object_set_string_member(object, "SPDXID", id);
	json_object_set_string_member(object, "name", package->name);
	json_object_set_string_member(object, "versionInfo", evr);
	json_object_set_string_member(object, "downloadLocation", "NOASSERTION");
	json_object_set_boolean_member(object, "filesAnalyzed", FALSE);
	json_object_set_string_member(object, "licenseConcluded", "NOASSERTION");
	json_object_set_string_member(object, "licenseDeclared", "NOASSERTION");
	if (package->license != NULL)
		json_object_set_string_member(object, "licenseComments", package->license);
	if (package->source != NULL)
		json_object_set_string_member(object, "sourceInfo", package->source);
	json_object_set_string_member(checksum, "algorithm", "SHA256");
	json_object_set_string_member(checksum, "checksumValue", package->sha256);
	json_object_set_array_member(object, "checksums", array_of(checksum));
	json_object_set_string_member(reference, "referenceCategory", "PACKAGE-MANAGER");
	json_object_set_string_member(reference, "referenceType", "purl");
	json_object_set_string_member(reference, "referenceLocator", url);
	json_object_set_array_member(object, "externalRefs", array_of(reference));
	return object;
}

static JsonObject *
describes(const char *id)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "spdxElementId", "SPDXRef-DOCUMENT");
	json_object_set_string_member(object, "relationshipType", "DESCRIBES");
	json_object_set_string_member(object, "relatedSpdxElement", id);
	return object;
}

static JsonObject *
creation_info(guint64 epoch)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) epoch);
	g_autofree char *created = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
	JsonObject *object = json_object_new();
	JsonArray *creators = json_array_new();

	json_object_set_string_member(object, "created", created);
	json_array_add_string_element(creators, "Tool: ashlar");
	json_object_set_array_member(object, "creators", creators);
	return object;
}

static char *
document_namespace(const char *key)
{
	AshUuid base, uuid;
	guint8 sum[ASH_SHA256_SIZE];

	ash_sha256(key, strlen(key), sum);
	memcpy(base.bytes, sum, sizeof(base.bytes));
	uuid = ash_uuid_derive(&base, "sbom");
	g_autofree char *text = ash_uuid_to_string(&uuid);
	return g_strconcat("urn:uuid:", text, NULL);
}

char *
ash_sbom_format(const AshPackageSet *set, const char *name, const char *key, guint64 epoch)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autofree char *document = document_namespace(key);
	JsonArray *packages = json_array_new(), *relationships = json_array_new();

	for (guint i = 0; i < set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(set->packages, i);
		g_autofree char *id = package_id(package, i + 1);
		json_array_add_object_element(packages, package_to_json(package, id));
		json_array_add_object_element(relationships, describes(id));
	}
	json_object_set_string_member(object, "spdxVersion", "SPDX-2.3");
	json_object_set_string_member(object, "dataLicense", "CC0-1.0");
	json_object_set_string_member(object, "SPDXID", "SPDXRef-DOCUMENT");
	json_object_set_string_member(object, "name", name);
	json_object_set_string_member(object, "documentNamespace", document);
	json_object_set_object_member(object, "creationInfo", creation_info(epoch));
	json_object_set_array_member(object, "packages", packages);
	json_object_set_array_member(object, "relationships", relationships);
	return ash_json_object_to_string(object, FALSE);
}
