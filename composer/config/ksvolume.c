/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/ksvolume.h"

#include "config/check.h"
#include "model/strv.h"

#include <string.h>

#define MIB (1024 * 1024)

/* A command without such an option leaves its number 0. */
static int
said(int number)
{
	return number > 0 ? number : -1;
}

gboolean
ash_ksvolume_set_encryption(AshKsCall *call, AshKsVolumeValues *values,
			    AshEncryptionSpec *encryption, GError **error)
{
	static const char *const versions[] = { "luks1", "luks2", "luks2-hw-opal", "luks2-hw-opal-only", NULL };
	static const char *const functions[] = { "argon2i", "argon2id", "pbkdf2", NULL };

	if (values->luks_version != NULL && !g_strv_contains(versions, values->luks_version))
		return ash_option_throw(&call->place, error,
					"--luks-version takes \"luks1\" or \"luks2\", not \"%s\"",
					values->luks_version);
	if (values->luks_version != NULL && strchr(values->luks_version, '-') != NULL &&
	    !ash_option_refuse(&call->place, error,
			       "--luks-version=%s is not carried out: the encryption of a drive belongs to "
			       "one machine; use luks2",
			       values->luks_version))
		return FALSE;
	if (values->pbkdf != NULL && !g_strv_contains(functions, values->pbkdf))
		return ash_option_throw(&call->place, error,
					"--pbkdf takes \"argon2i\", \"argon2id\" or \"pbkdf2\", not \"%s\"",
					values->pbkdf);
	if (values->pbkdf_time > 0 && values->pbkdf_iterations > 0)
		return ash_option_throw(&call->place, error,
					"--pbkdf-time and --pbkdf-iterations contradict each other");
	if (values->cipher != NULL && !ash_check_word(values->cipher, "-:_"))
		return ash_option_throw(&call->place, error, "--cipher: \"%s\" is none", values->cipher);
	if (!values->encrypted && values->passphrase != NULL)
		ash_option_notice(&call->place, "--passphrase has no effect: it goes with --encrypted");
	encryption->encrypted = values->encrypted;
	encryption->passphrase = g_steal_pointer(&values->passphrase);
	encryption->cipher = g_steal_pointer(&values->cipher);
	encryption->luks_version = g_steal_pointer(&values->luks_version);
	encryption->pbkdf = g_steal_pointer(&values->pbkdf);
	encryption->pbkdf_memory = said(values->pbkdf_memory);
	encryption->pbkdf_time = said(values->pbkdf_time);
	encryption->pbkdf_iterations = said(values->pbkdf_iterations);
	return TRUE;
}

/* What stands where a mount point can: a path, or what a partition is for without one. */
static bool
is_mount_point(const char *text)
{
	static const char *const words[] = { "swap", "none", "biosboot", "prepboot", "bootloader", NULL };
	static const char *const members[] = { "pv.", "raid.", "btrfs." };

	for (guint i = 0; i < G_N_ELEMENTS(members); i++)
		if (g_str_has_prefix(text, members[i]))
			return true;
	return ash_check_path(text) || g_strv_contains(words, text);
}

/* "//boot/" is "/boot". */
static char *
dup_mount_point(const char *text)
{
	g_autoptr(GString) path = g_string_new(text);

	if (*text != '/')
		return g_strdup(text);
	g_string_replace(path, "//", "/", 0);
	if (path->len > 1 && path->str[path->len - 1] == '/')
		g_string_truncate(path, path->len - 1);
	return g_strdup(path->str);
}

static gboolean
check_common(AshKsCall *call, const AshKsVolumeValues *values, GError **error)
{
	if (values->mkfsoptions != NULL && (values->noformat || values->existing))
		return ash_option_throw(&call->place, error,
					"--mkfsoptions goes with a new file system only");
	if (values->fstype != NULL && *values->fstype != '\0' && !ash_check_field(values->fstype))
		return ash_option_throw(&call->place, error, "--fstype: \"%s\" is no file system",
					values->fstype);
	if (values->fsoptions != NULL && strpbrk(values->fsoptions, " \t\n") != NULL)
		return ash_option_throw(&call->place, error,
					"--fsoptions: \"%s\" has white space; options stand between commas",
					values->fsoptions);
	if (values->maxsize > 0 && values->maxsize < values->size)
		return ash_option_throw(&call->place, error, "--maxsize is less than --size");
	return TRUE;
}

static void
remove_earlier(AshKsCall *call, const AshVolumeSpec *volume)
{
	GPtrArray *volumes = call->spec->storage.volumes;

	if (volume->mount_point == NULL || *volume->mount_point != '/')
		return;
	for (guint i = 0; i < volumes->len; i++) {
		const AshVolumeSpec *other = g_ptr_array_index(volumes, i);

		if (g_strcmp0(other->mount_point, volume->mount_point) != 0)
			continue;
		ash_option_notice(&call->place, "replaces what %s said about \"%s\"", other->origin,
				  volume->mount_point);
		g_ptr_array_remove_index(volumes, i);
		return;
	}
}

static void
take_values(AshVolumeSpec *volume, AshKsVolumeValues *values)
{
	/* As with anaconda, an empty text is nothing said. */
	if (values->fstype != NULL && *values->fstype != '\0')
		volume->fstype = g_steal_pointer(&values->fstype);
	volume->size = values->size > 0 ? (guint64) values->size * MIB : 0;
	volume->max_size = values->maxsize > 0 ? (guint64) values->maxsize * MIB : 0;
	volume->percent = said(values->percent);
	volume->grow = values->grow;
	volume->thin = values->thin || values->thinpool;
	volume->reserved = values->reserved_space > 0 || values->reserved_percent > 0;
	if (volume->kind == ASH_VOLUME_GROUP && values->chunksize > 0)
		volume->extent_bytes = (guint64) values->chunksize * 1024;
	volume->recommended = values->recommended;
	volume->label = g_steal_pointer(&values->label);
	volume->fsoptions = g_steal_pointer(&values->fsoptions);
	volume->mkfsoptions = g_steal_pointer(&values->mkfsoptions);
	volume->disk = g_steal_pointer(&values->disk);
	volume->name = g_steal_pointer(&values->name);
	volume->group = g_steal_pointer(&values->group);
	volume->level = g_steal_pointer(&values->level);
}

gboolean
ash_ksvolume_add(AshKsCall *call, AshVolumeKind kind, AshKsVolumeValues *values, GError **error)
{
	g_autoptr(AshVolumeSpec) volume = ash_volume_spec_new(kind, call->place.origin);
	guint place = kind == ASH_VOLUME_MOUNT ? 1 : 0;
	const char *first = call->args[place];

	if (kind != ASH_VOLUME_GROUP && !is_mount_point(first))
		return ash_option_throw(&call->place, error,
					"\"%s\" is no mount point: a path, \"swap\", \"biosboot\", \"pv.N\", "
					"\"raid.N\" or \"btrfs.N\" is expected",
					first);
	if (!check_common(call, values, error) ||
	    !ash_ksvolume_set_encryption(call, values, &volume->encryption, error))
		return FALSE;
	volume->existing = values->noformat || values->existing ||
			   (kind == ASH_VOLUME_PARTITION && values->name != NULL);
	take_values(volume, values);
	if (kind == ASH_VOLUME_GROUP || kind == ASH_VOLUME_MOUNT)
		volume->name = g_strdup(call->args[0]);
	if (kind != ASH_VOLUME_GROUP)
		volume->mount_point = dup_mount_point(first);
	ash_strv_add_all(&volume->members, (const char *const *) call->args + place + 1);
	remove_earlier(call, volume);
	g_ptr_array_add(call->spec->storage.volumes, g_steal_pointer(&volume));
	return TRUE;
}
