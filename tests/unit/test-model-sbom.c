/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "model/sbom.h"

static AshPackageSet *
make_set(void)
{
	AshPackageSet *set = ash_package_set_new();
	AshPackage *package = ash_package_new();

	g_assert_true(ash_package_parse_nevra("libstdc++6-3:1.0-2~a.x86_64", package));
	package->sha256 = g_strdup("aa");
	package->source = g_strdup("gcc-1.0-2.src.rpm");
	package->license = g_strdup("GPL and more");
	g_ptr_array_add(set->packages, package);
	return set;
}

static void
test_document(void)
{
	g_autoptr(AshPackageSet) set = make_set();
	g_autofree char *text = ash_sbom_format(set, "demo 1", "key", 0);
	g_autofree char *again = ash_sbom_format(set, "demo 1", "key", 0);
	g_autofree char *other = ash_sbom_format(set, "demo 1", "other key", 0);
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) object = ash_json_parse_object(text, -1, "sbom", &error);

	g_assert_no_error(error);
	g_assert_cmpstr(text, ==, again);
	g_assert_cmpstr(text, !=, other);
	g_assert_cmpstr(ash_json_get_string(object, "spdxVersion", NULL), ==, "SPDX-2.3");
	JsonObject *info = json_object_get_object_member(object, "creationInfo");
	g_assert_cmpstr(ash_json_get_string(info, "created", NULL), ==, "1970-01-01T00:00:00Z");
	JsonObject *package = json_array_get_object_element(json_object_get_array_member(object, "packages"), 0);
	g_assert_cmpstr(ash_json_get_string(package, "SPDXID", NULL), ==, "SPDXRef-Package-1-libstdc--6");
	g_assert_cmpstr(ash_json_get_string(package, "versionInfo", NULL), ==, "3:1.0-2~a");
	JsonObject *reference =
		json_array_get_object_element(json_object_get_array_member(package, "externalRefs"), 0);
	g_assert_cmpstr(ash_json_get_string(reference, "referenceLocator", NULL), ==,
			"pkg:rpm/libstdc%2B%2B6@1.0-2~a?arch=x86_64&epoch=3");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/sbom/document", test_document);
	return g_test_run();
}
