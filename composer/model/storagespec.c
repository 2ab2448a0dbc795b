/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/storagespec.h"

#include "model/strv.h"

static const char *const kind_names[] = {
	[ASH_VOLUME_PARTITION] = "part", [ASH_VOLUME_LOGICAL] = "logvol",
	[ASH_VOLUME_RAID] = "raid",      [ASH_VOLUME_BTRFS] = "btrfs",
	[ASH_VOLUME_GROUP] = "volgroup", [ASH_VOLUME_MOUNT] = "mount",
};

static const char *const scheme_names[] = {
	[ASH_AUTOPART_UNSET] = NULL,     [ASH_AUTOPART_PLAIN] = "plain",
	[ASH_AUTOPART_LVM] = "lvm",      [ASH_AUTOPART_THINP] = "thinp",
	[ASH_AUTOPART_BTRFS] = "btrfs",
};

const char *
ash_volume_kind_to_string(AshVolumeKind kind)
{
	return kind_names[kind];
}

const char *
ash_autopart_scheme_to_string(AshAutopartScheme scheme)
{
	return scheme_names[scheme];
}

gboolean
ash_autopart_scheme_parse(const char *text, AshAutopartScheme *ret_scheme)
{
	for (guint i = 0; i < G_N_ELEMENTS(scheme_names); i++) {
		if (g_strcmp0(scheme_names[i], text) != 0)
			continue;
		*ret_scheme = i;
		return TRUE;
	}
	return FALSE;
}

void
ash_encryption_spec_clear(AshEncryptionSpec *encryption)
{
	const AshEncryptionSpec empty = ASH_ENCRYPTION_SPEC_INIT;

	g_free(encryption->passphrase);
	g_free(encryption->cipher);
	g_free(encryption->luks_version);
	g_free(encryption->pbkdf);
	*encryption = empty;
}

AshVolumeSpec *
ash_volume_spec_new(AshVolumeKind kind, const char *origin)
{
	const AshEncryptionSpec plain = ASH_ENCRYPTION_SPEC_INIT;
	AshVolumeSpec *volume = g_new0(AshVolumeSpec, 1);

	volume->kind = kind;
	volume->percent = -1;
	volume->members = ash_strv_new();
	volume->encryption = plain;
	volume->origin = g_strdup(origin);
	return volume;
}

void
ash_volume_spec_free(AshVolumeSpec *volume)
{
	if (volume == NULL)
		return;
	g_free(volume->mount_point);
	g_free(volume->fstype);
	g_free(volume->label);
	g_free(volume->fsoptions);
	g_free(volume->mkfsoptions);
	g_free(volume->disk);
	g_free(volume->name);
	g_free(volume->group);
	g_free(volume->level);
	g_strfreev(volume->members);
	ash_encryption_spec_clear(&volume->encryption);
	g_free(volume->origin);
	g_free(volume);
}

void
ash_storage_spec_init(AshStorageSpec *storage)
{
	const AshEncryptionSpec plain = ASH_ENCRYPTION_SPEC_INIT;

	*storage = (AshStorageSpec){
		.autopart = { .home = true, .boot = true, .swap = true, .encryption = plain },
		.volumes = g_ptr_array_new_with_free_func((GDestroyNotify) ash_volume_spec_free),
	};
}

void
ash_storage_spec_clear(AshStorageSpec *storage)
{
	ash_encryption_spec_clear(&storage->autopart.encryption);
	g_clear_pointer(&storage->autopart.fstype, g_free);
	g_clear_pointer(&storage->autopart.origin, g_free);
	g_clear_pointer(&storage->reqpart, g_free);
	g_clear_pointer(&storage->disk_label, g_free);
	g_clear_pointer(&storage->volumes, g_ptr_array_unref);
}

const AshVolumeSpec *
ash_storage_spec_find(const AshStorageSpec *storage, const char *mount_point)
{
	for (guint i = storage->volumes->len; i > 0; i--) {
		const AshVolumeSpec *volume = g_ptr_array_index(storage->volumes, i - 1);

		if (g_strcmp0(volume->mount_point, mount_point) == 0)
			return volume;
	}
	return NULL;
}

bool
ash_storage_spec_is_set(const AshStorageSpec *storage)
{
	return storage->autopart.set || storage->reqpart != NULL || storage->volumes->len > 0;
}

const char *
ash_storage_spec_get_passphrase(const AshStorageSpec *storage)
{
	if (storage->autopart.encryption.encrypted && storage->autopart.encryption.passphrase != NULL)
		return storage->autopart.encryption.passphrase;
	for (guint i = 0; i < storage->volumes->len; i++) {
		const AshVolumeSpec *volume = g_ptr_array_index(storage->volumes, i);

		if (volume->encryption.encrypted && volume->encryption.passphrase != NULL)
			return volume->encryption.passphrase;
	}
	return NULL;
}

static void
add_option(GString *line, const char *name, const char *value)
{
	if (value == NULL)
		return;
	g_autofree char *quoted = g_shell_quote(value);
	g_string_append_printf(line, " --%s=%s", name, quoted);
}

static void
add_flag(GString *line, const char *name, bool is_set)
{
	if (is_set)
		g_string_append_printf(line, " --%s", name);
}

static void
add_number(GString *line, const char *name, gint64 value, gint64 unset)
{
	if (value != unset)
		g_string_append_printf(line, " --%s=%" G_GINT64_FORMAT, name, value);
}

static void
add_encryption(GString *line, const AshEncryptionSpec *encryption)
{
	add_flag(line, "encrypted", encryption->encrypted);
	add_option(line, "cipher", encryption->cipher);
	add_option(line, "luks-version", encryption->luks_version);
	add_option(line, "pbkdf", encryption->pbkdf);
	add_number(line, "pbkdf-memory", encryption->pbkdf_memory, -1);
	add_number(line, "pbkdf-time", encryption->pbkdf_time, -1);
	add_number(line, "pbkdf-iterations", encryption->pbkdf_iterations, -1);
}

static void
add_autopart(GString *text, const AshAutopartSpec *autopart)
{
	g_string_append(text, "autopart");
	add_option(text, "type", ash_autopart_scheme_to_string(autopart->scheme));
	add_option(text, "fstype", autopart->fstype);
	add_flag(text, "nohome", !autopart->home);
	add_flag(text, "noboot", !autopart->boot);
	add_flag(text, "noswap", !autopart->swap);
	add_encryption(text, &autopart->encryption);
	g_string_append_c(text, '\n');
}

static void
add_group(GString *text, const AshVolumeSpec *group)
{
	g_autofree char *name = g_shell_quote(group->name);

	g_string_append_printf(text, "volgroup %s", name);
	/* The unit of the option is the KiB. */
	add_number(text, "pesize", (gint64) (group->extent_bytes / 1024), 0);
	for (char **member = group->members; *member != NULL; member++) {
		g_autofree char *quoted = g_shell_quote(*member);
		g_string_append_printf(text, " %s", quoted);
	}
	g_string_append_c(text, '\n');
}

/* "part", or "logvol". */
static void
add_volume(GString *text, const AshVolumeSpec *volume)
{
	g_autofree char *mount_point = g_shell_quote(volume->mount_point);

	g_string_append_printf(text, "%s %s", ash_volume_kind_to_string(volume->kind), mount_point);
	if (volume->kind == ASH_VOLUME_LOGICAL) {
		add_option(text, "vgname", volume->group);
		add_option(text, "name", volume->name);
		add_number(text, "percent", volume->percent, -1);
	}
	add_option(text, "fstype", volume->fstype);
	/* The unit of the language is the MiB. */
	add_number(text, "size", (gint64) (volume->size / (1024 * 1024)), 0);
	add_number(text, "maxsize", (gint64) (volume->max_size / (1024 * 1024)), 0);
	add_flag(text, "grow", volume->grow);
	add_flag(text, "recommended", volume->recommended);
	add_option(text, "label", volume->label);
	add_option(text, "fsoptions", volume->fsoptions);
	add_encryption(text, &volume->encryption);
	g_string_append_c(text, '\n');
}

char *
ash_storage_spec_to_kickstart(const AshStorageSpec *storage)
{
	g_autoptr(GString) text = g_string_new(NULL);

	if (storage->autopart.set)
		add_autopart(text, &storage->autopart);
	for (guint i = 0; i < storage->volumes->len; i++) {
		const AshVolumeSpec *volume = g_ptr_array_index(storage->volumes, i);

		if (volume->kind == ASH_VOLUME_GROUP)
			add_group(text, volume);
		else if (volume->mount_point != NULL && (volume->kind == ASH_VOLUME_PARTITION || volume->kind == ASH_VOLUME_LOGICAL))
			add_volume(text, volume);
	}
	return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}
