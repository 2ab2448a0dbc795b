/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>

/* Where time comes from: chrony, or systemd-timesyncd. */

static const char *const services[] = { "chronyd.service", "chrony.service", "systemd-timesyncd.service", "ntpd.service", "ntpsec.service" };

/* Which folders of sources chrony has, by where its configuration is. */
static const struct {
	const char *conf, *dir;
} layouts[] = {
	{ "etc/chrony/chrony.conf", "/etc/chrony/sources.d" },
	{ "etc/chrony.conf", "/etc/chrony.d" },
};

static bool
names_source(const char *line)
{
	static const char *const words[] = { "server", "pool", "peer" };
	gsize length = strcspn(line, " \t");

	for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
		if (strlen(words[i]) == length && strncmp(line, words[i], length) == 0)
			return true;
	return false;
}

/* The servers of the distribution give way to those of the kickstart; the folder with these is read. */
static gboolean
rewrite_chrony(const AshTreeRoot *root, const char *path, const char *dir, GError **error)
{
	g_autofree char *text = NULL, *wanted = g_strdup_printf("sourcedir %s", dir);
	g_autoptr(GString) out = g_string_new(NULL);
	bool found = false;

	if (!ash_tree_root_load(root, path, &text, error))
		return FALSE;
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
	for (gsize i = 0; lines[i] != NULL && !(*lines[i] == '\0' && lines[i + 1] == NULL); i++) {
		g_string_append_printf(out, "%s%s\n", names_source(lines[i]) ? "# " : "", lines[i]);
		found = found || strcmp(lines[i], wanted) == 0;
	}
	if (!found)
		g_string_append_printf(out, "%s\n", wanted);
	return ash_tree_root_rewrite(root, path, out->str, 0644, error);
}

static void
put_sources(GString *sources, const AshSpec *spec, const char *kind, char **names)
{
	for (gsize i = 0; names != NULL && names[i] != NULL; i++)
		g_string_append_printf(sources, "%s %s iburst%s\n", kind, names[i],
				       g_strv_contains((const char *const *) spec->ntp_nts, names[i]) ? " nts" : "");
}

static gboolean
set_up_chrony(const AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;
	g_autoptr(GString) sources = g_string_new(NULL);
	gsize layout = ash_tree_root_has(root, "etc/chrony") ? 0 : 1;
	g_autofree char *path = g_build_filename(layouts[layout].dir + 1, "ashlar.sources", NULL);

	put_sources(sources, spec, "server", spec->ntp_servers);
	put_sources(sources, spec, "pool", spec->ntp_pools);
	return rewrite_chrony(root, layouts[layout].conf, layouts[layout].dir, error) &&
	       ash_tree_root_save(root, path, sources->str, 0644, error);
}

/* timesyncd.conf(5). It does not know NTS (RFC 8915). */
static gboolean
set_up_timesyncd(const AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;
	g_autofree char *servers = g_strjoinv(" ", spec->ntp_servers);
	g_autofree char *pools = g_strjoinv(" ", spec->ntp_pools);
	g_autofree char *text = g_strdup_printf("[Time]\nNTP=%s%s%s\n", servers, *servers != '\0' && *pools != '\0' ? " " : "", pools);

	if (spec->ntp_nts[0] != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "timesource --nts: systemd-timesyncd cannot ask \"%s\" with NTS: add the package chrony",
				 spec->ntp_nts[0]);
	return ash_tree_root_save(root, "etc/systemd/timesyncd.conf.d/ashlar.conf", text, 0644, error);
}

static gboolean
disable_all(AshTreeRoot *root, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(services); i++) {
		const char *const argv[] = { "systemctl", "--no-reload", "disable", services[i], NULL };
		if (ash_tree_root_has_unit(root, services[i]) && !ash_tree_root_run(root, argv, error))
			return FALSE;
	}
	return TRUE;
}

/* timesource, and timezone --ntpservers and --nontp before it. */
gboolean
ash_step_ntp(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;

	if (spec->ntp_disabled)
		return disable_all(root, error);
	if (spec->ntp_servers[0] == NULL && spec->ntp_pools[0] == NULL)
		return TRUE;
	if (ash_tree_root_has_program(root, "chronyd"))
		return set_up_chrony(root, error);
	if (ash_tree_root_has_unit(root, "systemd-timesyncd.service"))
		return set_up_timesyncd(root, error);
	return ash_throw(error, ASH_ERROR_CONFIG, "timesource: this system has neither chrony nor systemd-timesyncd for \"%s\"",
			 spec->ntp_servers[0] != NULL ? spec->ntp_servers[0] : spec->ntp_pools[0]);
}
