/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solver/testrepo.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/package.h"

#include <glib/gstdio.h>
#include <string.h>

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/* The state between lines lives in the strings: an open element is closed by what follows. */
#define PACKAGE_END "</format></package>\n"
#define PACKAGE_FILES_END "</package>\n"

static const struct {
	const char *keyword, *element;
} dependency_kinds[] = {
	{ "provides", "rpm:provides" },       { "requires", "rpm:requires" },     { "conflicts", "rpm:conflicts" },
	{ "obsoletes", "rpm:obsoletes" },     { "recommends", "rpm:recommends" }, { "suggests", "rpm:suggests" },
	{ "supplements", "rpm:supplements" }, { "enhances", "rpm:enhances" },
};

static const struct {
	const char *sign, *flags;
} relations[] = { { "=", "EQ" }, { "<", "LT" }, { ">", "GT" }, { "<=", "LE" }, { ">=", "GE" } };

TestRepo *
test_repo_new(const char *id)
{
	TestRepo *repo = g_new0(TestRepo, 1);

	repo->id = g_strdup(id);
	repo->primary = g_string_new(NULL);
	repo->filelists = g_string_new(NULL);
	repo->groups = g_string_new(NULL);
	repo->environments = g_string_new(NULL);
	repo->sums = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	repo->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	repo->excludes = g_ptr_array_new_with_free_func(g_free);
	repo->includes = g_ptr_array_new_with_free_func(g_free);
	repo->priority = 99;
	repo->cost = 1000;
	return repo;
}

void
test_repo_free(TestRepo *repo)
{
	g_free(repo->id);
	g_string_free(repo->primary, TRUE);
	g_string_free(repo->filelists, TRUE);
	g_string_free(repo->groups, TRUE);
	g_string_free(repo->environments, TRUE);
	g_hash_table_unref(repo->sums);
	g_hash_table_unref(repo->files);
	g_ptr_array_unref(repo->excludes);
	g_ptr_array_unref(repo->includes);
	g_free(repo);
}

/* Inserts before the end of the open element of @xml. */
static void
insert_before(GString *xml, const char *end, const char *text)
{
	g_assert_true(g_str_has_suffix(xml->str, end));
	g_string_insert(xml, (gssize)(xml->len - strlen(end)), text);
}

static char *
version_attributes(const char *evr)
{
	const char *colon = strchr(evr, ':'), *version = colon != NULL ? colon + 1 : evr, *dash = strrchr(version, '-');
	g_autofree char *epoch = colon != NULL ? g_strndup(evr, (gsize)(colon - evr)) : g_strdup("0");
	g_autofree char *only = dash != NULL ? g_strndup(version, (gsize)(dash - version)) : g_strdup(version);

	return dash != NULL ? g_strdup_printf("epoch=\"%s\" ver=\"%s\" rel=\"%s\"", epoch, only, dash + 1)
			    : g_strdup_printf("epoch=\"%s\" ver=\"%s\"", epoch, only);
}

/* "name", "name >= evr" or "(rich)". */
static char *
dependency_entry(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", 3);

	if (*text != '(' && g_strv_length(words) == 3)
		for (gsize i = 0; i < G_N_ELEMENTS(relations); i++)
			if (g_str_equal(words[1], relations[i].sign)) {
				g_autofree char *version = version_attributes(words[2]);
				return g_strdup_printf("<rpm:entry name=\"%s\" flags=\"%s\" %s/>", words[0],
						       relations[i].flags, version);
			}
	return g_markup_printf_escaped("<rpm:entry name=\"%s\"/>", text);
}

static void
add_dependency(TestRepo *repo, const char *element, const char *text)
{
	g_autofree char *entry = dependency_entry(text);
	g_autofree char *xml = g_strdup_printf("<%s>%s</%s>", element, entry, element);

	insert_before(repo->primary, PACKAGE_END, xml);
}

/* The file's content is its NEVRA; so every package has a digest of its own. */
static void
begin_package(TestRepo *repo, const char *nevra)
{
	g_autoptr(AshPackage) package = ash_package_new();

	if (!ash_package_parse_nevra(nevra, package))
		g_error("test repository \"%s\": not a NEVRA: \"%s\"", repo->id, nevra);
	g_autofree char *content = g_strdup_printf("%s of %s\n", nevra, repo->id);
	g_autofree char *sum = ash_sha256_hex(content, -1);
	g_autofree char *evr = ash_package_dup_evr(package);
	g_autofree char *version = version_attributes(evr);
	g_string_append_printf(
		repo->primary,
		"<package type=\"rpm\"><name>%s</name><arch>%s</arch><version %s/>"
		"<checksum type=\"sha256\" pkgid=\"YES\">%s</checksum><summary>s</summary><description>d</description>"
		"<time file=\"1\" build=\"%u\"/><size package=\"%zu\" installed=\"%u\" archive=\"1\"/>"
		"<location href=\"Packages/%s.rpm\"/><format><rpm:license>MIT</rpm:license>"
		"<rpm:sourcerpm>%s-%s-%s.src.rpm</rpm:sourcerpm>" PACKAGE_END,
		package->name, package->arch, version, sum, 1000 + repo->n_packages, strlen(content),
		10000 + repo->n_packages, nevra, package->name, package->version, package->release);
	g_string_append_printf(repo->filelists,
			       "<package pkgid=\"%s\" name=\"%s\" arch=\"%s\"><version %s/>" PACKAGE_FILES_END, sum,
			       package->name, package->arch, version);
	repo->n_packages++;
	g_hash_table_insert(repo->sums, g_strdup(nevra), g_strdup(sum));
	g_hash_table_insert(repo->files, g_strdup(nevra), g_steal_pointer(&content));
	g_autofree char *self = g_strdup_printf("%s = %s", package->name, evr);
	add_dependency(repo, "rpm:provides", self);
}

/* primary.xml has those files only that createrepo_c puts there. */
static void
add_file(TestRepo *repo, const char *path)
{
	g_autofree char *xml = g_markup_printf_escaped("<file>%s</file>", path);

	insert_before(repo->filelists, PACKAGE_FILES_END, xml);
	if (strstr(path, "bin/") != NULL || g_str_has_prefix(path, "/etc/"))
		insert_before(repo->primary, PACKAGE_END, xml);
}

#define GROUP_END "</packagelist></group>\n"
#define ENVIRONMENT_END "</environment>\n"

static void
begin_group(TestRepo *repo, const char *id)
{
	g_string_append_printf(repo->groups,
			       "<group><id>%s</id><name>Group %s</name><name xml:lang=\"de\">Gruppe</name><packagelist>" GROUP_END,
			       id, id);
}

static void
add_member(TestRepo *repo, const char *keyword, const char *rest)
{
	g_auto(GStrv) words = g_strsplit(rest, " ", 2);
	g_autofree char *xml =
		words[1] != NULL ? g_strdup_printf("<packagereq type=\"%s\" requires=\"%s\">%s</packagereq>", keyword,
						   words[1], words[0])
				 : g_strdup_printf("<packagereq type=\"%s\">%s</packagereq>", keyword, words[0]);

	insert_before(repo->groups, GROUP_END, xml);
}

static void
begin_environment(TestRepo *repo, const char *id)
{
	g_string_append_printf(repo->environments, "<environment><id>%s</id><name>Environment %s</name>" ENVIRONMENT_END,
			       id, id);
}

static void
add_to_environment(TestRepo *repo, const char *list, const char *id)
{
	g_autofree char *xml = g_strdup_printf("<%s><groupid>%s</groupid></%s>", list, id, list);

	insert_before(repo->environments, ENVIRONMENT_END, xml);
}

static gboolean
is_member_type(const char *keyword)
{
	static const char *const types[] = { "mandatory", "default", "optional", "conditional", NULL };

	return g_strv_contains(types, keyword);
}

gboolean
test_repo_line(TestRepo *repo, const char *keyword, const char *rest)
{
	for (gsize i = 0; i < G_N_ELEMENTS(dependency_kinds); i++)
		if (g_str_equal(keyword, dependency_kinds[i].keyword)) {
			add_dependency(repo, dependency_kinds[i].element, rest);
			return TRUE;
		}
	if (g_str_equal(keyword, "package"))
		begin_package(repo, rest);
	else if (g_str_equal(keyword, "file"))
		add_file(repo, rest);
	else if (g_str_equal(keyword, "group"))
		begin_group(repo, rest);
	else if (is_member_type(keyword))
		add_member(repo, keyword, rest);
	else if (g_str_equal(keyword, "environment"))
		begin_environment(repo, rest);
	else if (g_str_equal(keyword, "grouplist") || g_str_equal(keyword, "optionlist"))
		add_to_environment(repo, keyword, rest);
	else if (g_str_equal(keyword, "priority"))
		repo->priority = (int)g_ascii_strtoll(rest, NULL, 10);
	else if (g_str_equal(keyword, "cost"))
		repo->cost = (int)g_ascii_strtoll(rest, NULL, 10);
	else if (g_str_equal(keyword, "hide"))
		g_ptr_array_add(repo->excludes, g_strdup(rest));
	else if (g_str_equal(keyword, "show"))
		g_ptr_array_add(repo->includes, g_strdup(rest));
	else
		return FALSE;
	return TRUE;
}

static void
save(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *parent = g_path_get_dirname(path);
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
	g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
}

static void
save_record(GString *repomd, const char *dir, const char *type, const char *text)
{
	g_autofree char *name = g_strdup_printf("repodata/%s.xml", type);
	g_autofree char *sum = ash_sha256_hex(text, -1);

	save(dir, name, text);
	g_string_append_printf(repomd,
			       "<data type=\"%s\"><checksum type=\"sha256\">%s</checksum>"
			       "<open-checksum type=\"sha256\">%s</open-checksum><location href=\"%s\"/>"
			       "<timestamp>1</timestamp><size>%zu</size></data>\n",
			       type, sum, sum, name, strlen(text));
}

void
test_repo_write(TestRepo *repo, const char *dir)
{
	g_autofree char *primary = g_strdup_printf(
		XML_HEAD "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" "
			 "xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"%u\">\n%s</metadata>\n",
		repo->n_packages, repo->primary->str);
	g_autofree char *filelists = g_strdup_printf(
		XML_HEAD "<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"%u\">\n%s</filelists>\n",
		repo->n_packages, repo->filelists->str);
	g_autofree char *comps = g_strdup_printf(
		XML_HEAD "<!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">\n<comps>\n%s%s</comps>\n",
		repo->groups->str, repo->environments->str);
	g_autoptr(GString) repomd = g_string_new(
		XML_HEAD "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision>\n");
	GHashTableIter iter;
	gpointer nevra, content;

	save_record(repomd, dir, "primary", primary);
	save_record(repomd, dir, "filelists", filelists);
	if (repo->groups->len + repo->environments->len > 0)
		save_record(repomd, dir, "group", comps);
	g_string_append(repomd, "</repomd>\n");
	save(dir, "repodata/repomd.xml", repomd->str);
	g_hash_table_iter_init(&iter, repo->files);
	while (g_hash_table_iter_next(&iter, &nevra, &content)) {
		g_autofree char *name = g_strdup_printf("Packages/%s.rpm", (char *)nevra);
		save(dir, name, content);
	}
}

TestRepo *
test_repo_from_text(const char *text, const char *dir)
{
	TestRepo *repo = test_repo_new("demo");
	g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

	for (char **line = lines; *line != NULL; line++) {
		g_auto(GStrv) words = g_strsplit(g_strstrip(*line), " ", 2);
		if (words[0] != NULL && *words[0] != '\0' && !test_repo_line(repo, words[0], words[1] != NULL ? words[1] : ""))
			g_error("test repository: unknown line \"%s\"", *line);
	}
	test_repo_write(repo, dir);
	return repo;
}
