/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"
#include "model/strv.h"

#include <string.h>

static void
set_string(char **field, const char *text)
{
	g_free(*field);
	*field = g_strdup(text);
}

/* "de_AT.UTF-8", "sr_RS@latin", "C.UTF-8" */
static bool
is_locale(const char *text)
{
	return ash_check_word(text, "_.@-") && g_ascii_isalpha(*text);
}

typedef struct {
	char **addsupport;
} LangValues;

static const AshOptionDef lang_options[] = {
	{ "--addsupport", ASH_OPTION_LIST, G_STRUCT_OFFSET(LangValues, addsupport) },
	{ NULL },
};

static gboolean
handle_lang(AshKsCall *call, GError **error)
{
	const LangValues *values = call->values;

	if (!is_locale(call->args[0]))
		return ash_option_throw(&call->place, error, "\"%s\" is no locale", call->args[0]);
	for (guint i = 0; values->addsupport[i] != NULL; i++)
		if (!is_locale(values->addsupport[i]))
			return ash_option_throw(&call->place, error,
						"--addsupport: \"%s\" is no locale",
						values->addsupport[i]);
	set_string(&call->spec->lang, call->args[0]);
	ash_strv_replace(&call->spec->lang_support, (const char *const *) values->addsupport);
	return TRUE;
}

typedef struct {
	char *vckeymap;
	char **xlayouts;
} KeyboardValues;

static const AshOptionDef keyboard_options[] = {
	{ "--vckeymap", ASH_OPTION_STRING, G_STRUCT_OFFSET(KeyboardValues, vckeymap) },
	{ "--xlayouts", ASH_OPTION_LIST, G_STRUCT_OFFSET(KeyboardValues, xlayouts) },
	{ "--switch", ASH_OPTION_IGNORED_VALUE, .text = "layout switching is not configured" },
	{ NULL },
};

static gboolean
handle_keyboard(AshKsCall *call, GError **error)
{
	const KeyboardValues *values = call->values;
	const char *keymap = values->vckeymap != NULL ? values->vckeymap : call->args[0];

	if (keymap != NULL && *keymap == '\0')
		keymap = NULL;
	if (keymap == NULL && values->xlayouts[0] == NULL)
		return ash_option_throw(&call->place, error,
					"--vckeymap, --xlayouts or a keymap is expected");
	if (keymap != NULL && !ash_check_word(keymap, "_.-"))
		return ash_option_throw(&call->place, error, "\"%s\" is no keymap", keymap);
	for (guint i = 0; values->xlayouts[i] != NULL; i++)
		if (!ash_check_word(values->xlayouts[i], "_.- ()"))
			return ash_option_throw(&call->place, error,
						"--xlayouts: \"%s\" is no layout",
						values->xlayouts[i]);
	set_string(&call->spec->keymap, keymap);
	ash_strv_replace(&call->spec->xlayouts, (const char *const *) values->xlayouts);
	return TRUE;
}

typedef struct {
	bool utc, nontp;
	char **ntpservers;
} TimezoneValues;

static const AshOptionDef timezone_options[] = {
	{ "--utc", ASH_OPTION_FLAG, G_STRUCT_OFFSET(TimezoneValues, utc) },
	{ "--isUtc", ASH_OPTION_FLAG, G_STRUCT_OFFSET(TimezoneValues, utc), .deprecated = true },
	{ "--nontp", ASH_OPTION_FLAG, G_STRUCT_OFFSET(TimezoneValues, nontp), .deprecated = true },
	{ "--ntpservers", ASH_OPTION_LIST, G_STRUCT_OFFSET(TimezoneValues, ntpservers),
	  .deprecated = true },
	{ NULL },
};

/* A name below /usr/share/zoneinfo. */
static bool
is_timezone(const char *text)
{
	return ash_check_word(text, "_+-/") && g_ascii_isalpha(*text) &&
	       strstr(text, "//") == NULL && !g_str_has_suffix(text, "/");
}

static gboolean
check_time_servers(AshKsCall *call, char **servers, GError **error)
{
	for (guint i = 0; servers[i] != NULL; i++)
		if (!ash_check_hostname(servers[i]) && !ash_check_ipv4(servers[i]) &&
		    !ash_check_ipv6(servers[i], false))
			return ash_option_throw(&call->place, error,
						"time server \"%s\" is no host name or address",
						servers[i]);
	return TRUE;
}

static gboolean
handle_timezone(AshKsCall *call, GError **error)
{
	const TimezoneValues *values = call->values;
	const char *zone = call->args[0];

	if (zone == NULL && !values->utc && !values->nontp && values->ntpservers[0] == NULL)
		return ash_option_throw(&call->place, error,
					"a time zone or an option is expected");
	if (zone != NULL && !is_timezone(zone))
		return ash_option_throw(&call->place, error,
					"\"%s\" is no time zone (\"Europe/Vienna\")", zone);
	if (values->nontp && values->ntpservers[0] != NULL)
		return ash_option_throw(&call->place, error,
					"--nontp and --ntpservers contradict each other");
	if (!check_time_servers(call, values->ntpservers, error))
		return FALSE;
	if (zone != NULL)
		set_string(&call->spec->timezone, zone);
	call->spec->timezone_utc = values->utc;
	if (values->nontp)
		call->spec->ntp_disabled = true;
	ash_strv_add_all(&call->spec->ntp_servers, (const char *const *) values->ntpservers);
	return TRUE;
}

typedef struct {
	char **servers, **pools;
	bool disable, nts;
} TimesourceValues;

static const AshOptionDef timesource_options[] = {
	{ "--ntp-server", ASH_OPTION_LIST, G_STRUCT_OFFSET(TimesourceValues, servers) },
	{ "--ntp-pool", ASH_OPTION_LIST, G_STRUCT_OFFSET(TimesourceValues, pools) },
	{ "--ntp-disable", ASH_OPTION_FLAG, G_STRUCT_OFFSET(TimesourceValues, disable) },
	{ "--nts", ASH_OPTION_FLAG, G_STRUCT_OFFSET(TimesourceValues, nts) },
	{ NULL },
};

static gboolean
handle_timesource(AshKsCall *call, GError **error)
{
	const TimesourceValues *values = call->values;
	guint said = (values->servers[0] != NULL) + (values->pools[0] != NULL) + values->disable;

	if (said != 1)
		return ash_option_throw(
			&call->place, error,
			"exactly one of --ntp-server, --ntp-pool and --ntp-disable is expected");
	if (!check_time_servers(call, values->servers, error) ||
	    !check_time_servers(call, values->pools, error))
		return FALSE;
	if (values->disable && values->nts)
		return ash_option_throw(&call->place, error, "--nts goes with a server or pool");
	if (values->nts) {
		ash_strv_add_all(&call->spec->ntp_nts, (const char *const *) values->servers);
		ash_strv_add_all(&call->spec->ntp_nts, (const char *const *) values->pools);
	}
	ash_strv_add_all(&call->spec->ntp_servers, (const char *const *) values->servers);
	ash_strv_add_all(&call->spec->ntp_pools, (const char *const *) values->pools);
	if (values->disable)
		call->spec->ntp_disabled = true;
	return TRUE;
}

typedef struct {
	char **enabled, **disabled;
} ServicesValues;

static const AshOptionDef services_options[] = {
	{ "--enabled", ASH_OPTION_LIST, G_STRUCT_OFFSET(ServicesValues, enabled) },
	{ "--disabled", ASH_OPTION_LIST, G_STRUCT_OFFSET(ServicesValues, disabled) },
	{ NULL },
};

/* systemctl(1): a name without a suffix means a service. */
static char *
dup_unit_name(const char *name)
{
	static const char *const suffixes[] = { ".service", ".socket",    ".target", ".timer",
						".mount",   ".automount", ".path",   ".swap",
						".slice",   ".scope",     ".device" };

	for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++)
		if (g_str_has_suffix(name, suffixes[i]))
			return g_strdup(name);
	return g_strconcat(name, ".service", NULL);
}

/* The later line decides about a unit, as with systemctl. */
static gboolean
add_units(AshKsCall *call, char **names, char ***to, char ***from, GError **error)
{
	for (guint i = 0; names[i] != NULL; i++) {
		g_autofree char *unit = dup_unit_name(names[i]);

		if (!ash_check_unit(unit))
			return ash_option_throw(&call->place, error, "\"%s\" is no unit name",
						names[i]);
		ash_strv_remove(from, unit);
		ash_strv_add_unique(to, unit);
	}
	return TRUE;
}

static gboolean
handle_services(AshKsCall *call, GError **error)
{
	const ServicesValues *values = call->values;
	AshSpec *spec = call->spec;

	if (values->enabled[0] == NULL && values->disabled[0] == NULL)
		return ash_option_throw(&call->place, error,
					"--enabled= or --disabled= is expected");
	for (guint i = 0; values->enabled[i] != NULL; i++)
		if (g_strv_contains((const char *const *) values->disabled, values->enabled[i]))
			return ash_option_throw(&call->place, error,
						"\"%s\" is both enabled and disabled",
						values->enabled[i]);
	return add_units(call, values->disabled, &spec->services_disabled, &spec->services_enabled,
			 error) &&
	       add_units(call, values->enabled, &spec->services_enabled, &spec->services_disabled,
			 error);
}

typedef struct {
	int mode;
} SelinuxValues;

static const AshOptionDef selinux_options[] = {
	{ "--enforcing", ASH_OPTION_SET, 0, .value = ASH_SELINUX_ENFORCING },
	{ "--permissive", ASH_OPTION_SET, 0, .value = ASH_SELINUX_PERMISSIVE },
	{ "--disabled", ASH_OPTION_SET, 0, .value = ASH_SELINUX_DISABLED },
	{ NULL },
};

static gboolean
handle_selinux(AshKsCall *call, GError **error)
{
	const SelinuxValues *values = call->values;

	if (values->mode == -1)
		return ash_option_throw(
			&call->place, error,
			"one of --enforcing, --permissive and --disabled is expected");
	call->spec->selinux = values->mode;
	return TRUE;
}

typedef struct {
	int mode;
} FirstbootValues;

#define RECONFIG 2

static const AshOptionDef firstboot_options[] = {
	{ "--enable", ASH_OPTION_SET, 0, .value = 1 },
	{ "--enabled", ASH_OPTION_SET, 0, .value = 1 },
	{ "--disable", ASH_OPTION_SET, 0, .value = 0 },
	{ "--disabled", ASH_OPTION_SET, 0, .value = 0 },
	{ "--reconfig", ASH_OPTION_SET, 0, .value = RECONFIG },
	{ NULL },
};

static gboolean
handle_firstboot(AshKsCall *call, GError **error)
{
	const FirstbootValues *values = call->values;

	if (values->mode == RECONFIG)
		ash_option_notice(&call->place, "--reconfig is taken as --enabled");
	/* As in pykickstart, the bare command switches it off. */
	call->spec->firstboot = values->mode > 0;
	return TRUE;
}

static const AshOptionDef no_options[] = {
	{ NULL },
};

static gboolean
handle_skipx(AshKsCall *call, GError **error)
{
	call->spec->skip_x = true;
	return TRUE;
}

typedef struct {
	char *append;
	int timeout;
} BootloaderValues;

#define BOOT_DECIDED  "the image type decides where and which boot loader there is"
#define OLD_LOADERS   "images boot with systemd-boot"
#define BOOT_PASSWORD "the boot menu has no password; sign the kernel with Secure Boot instead"

static const AshOptionDef bootloader_options[] = {
	{ "--append", ASH_OPTION_STRING, G_STRUCT_OFFSET(BootloaderValues, append) },
	{ "--timeout", ASH_OPTION_INT, G_STRUCT_OFFSET(BootloaderValues, timeout) },
	{ "--location", ASH_OPTION_IGNORED_VALUE, .text = BOOT_DECIDED },
	{ "--boot-drive", ASH_OPTION_IGNORED_VALUE, .text = BOOT_DECIDED },
	{ "--driveorder", ASH_OPTION_IGNORED_VALUE, .text = BOOT_DECIDED },
	{ "--leavebootorder", ASH_OPTION_IGNORED,
	  .text = "a disk image does not touch the firmware's boot order" },
	{ "--nombr", ASH_OPTION_IGNORED, .text = "images boot by UEFI" },
	{ "--disabled", ASH_OPTION_IGNORED, .text = BOOT_DECIDED },
	{ "--sdboot", ASH_OPTION_IGNORED, .text = "systemd-boot is what images have" },
	{ "--default", ASH_OPTION_IGNORED_VALUE, .text = "an image has one kernel" },
	{ "--extlinux", ASH_OPTION_REFUSED,
	  .text = "images boot with systemd-boot; remove the option" },
	{ "--password", ASH_OPTION_REFUSED_VALUE, .text = BOOT_PASSWORD },
	{ "--md5pass", ASH_OPTION_REFUSED_VALUE, .text = BOOT_PASSWORD },
	{ "--iscrypted", ASH_OPTION_REFUSED, .text = BOOT_PASSWORD },
	{ "--upgrade", ASH_OPTION_IGNORED, .text = "an image is always composed anew", .deprecated = true },
	{ "--hvargs", ASH_OPTION_IGNORED_VALUE, .text = OLD_LOADERS, .deprecated = true },
	{ "--useLilo", ASH_OPTION_IGNORED, .text = OLD_LOADERS, .deprecated = true },
	{ "--lba32", ASH_OPTION_IGNORED, .text = OLD_LOADERS, .deprecated = true },
	{ "--linear", ASH_OPTION_IGNORED, .text = OLD_LOADERS, .deprecated = true },
	{ "--nolinear", ASH_OPTION_IGNORED, .text = OLD_LOADERS, .deprecated = true },
	{ NULL },
};

/* The root file system is found by its dm-verity root hash: nothing else may name one. */
static gboolean
check_kernel_arguments(AshKsCall *call, const char *text, GError **error)
{
	static const char *const decided[] = { "root=", "roothash=", "rootfstype=",
					       "systemd.verity" };
	g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

	for (guint i = 0; words[i] != NULL; i++)
		for (guint j = 0; j < G_N_ELEMENTS(decided); j++)
			if (g_str_has_prefix(words[i], decided[j]))
				return ash_option_throw(
					&call->place, error,
					"--append: the image type says \"%s\"; remove \"%s\"",
					decided[j], words[i]);
	return TRUE;
}

static gboolean
handle_bootloader(AshKsCall *call, GError **error)
{
	const BootloaderValues *values = call->values;

	if (values->append != NULL && !check_kernel_arguments(call, values->append, error))
		return FALSE;
	set_string(&call->spec->kernel_append, values->append);
	call->spec->boot_timeout = values->timeout;
	return TRUE;
}

const AshKsCommand ash_ks_system_commands[] = {
	{ .name = "lang",
	  .handler = handle_lang,
	  .options = lang_options,
	  .values_size = sizeof(LangValues),
	  .min_args = 1,
	  .max_args = 1,
	  .once = true },
	{ .name = "keyboard",
	  .handler = handle_keyboard,
	  .options = keyboard_options,
	  .values_size = sizeof(KeyboardValues),
	  .max_args = 1,
	  .once = true },
	{ .name = "timezone",
	  .handler = handle_timezone,
	  .options = timezone_options,
	  .values_size = sizeof(TimezoneValues),
	  .max_args = 1,
	  .once = true },
	{ .name = "timesource",
	  .handler = handle_timesource,
	  .options = timesource_options,
	  .values_size = sizeof(TimesourceValues) },
	{ .name = "services",
	  .handler = handle_services,
	  .options = services_options,
	  .values_size = sizeof(ServicesValues) },
	{ .name = "selinux",
	  .handler = handle_selinux,
	  .options = selinux_options,
	  .values_size = sizeof(SelinuxValues),
	  .once = true },
	{ .name = "firstboot",
	  .handler = handle_firstboot,
	  .options = firstboot_options,
	  .values_size = sizeof(FirstbootValues),
	  .once = true },
	{ .name = "skipx", .handler = handle_skipx, .options = no_options },
	{ .name = "bootloader",
	  .handler = handle_bootloader,
	  .options = bootloader_options,
	  .values_size = sizeof(BootloaderValues),
	  .once = true,
	  .with_commit = true },
	{ .name = "lilo",
	  .handler = handle_bootloader,
	  .options = bootloader_options,
	  .values_size = sizeof(BootloaderValues),
	  .deprecated = true,
	  .text = "use \"bootloader\"",
	  .with_commit = true },
	{ NULL },
};
