/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"
#include "config/ksvolume.h"
#include "model/strv.h"

#include <string.h>

/* Commands about disks. They only say what is wanted: kslayout.c finds out what an image type can have of it. */

#define FIELD(member)   G_STRUCT_OFFSET(AshKsVolumeValues, member)
#define ESCROW          "an image holds no key for an escrow agent; keep the passphrase or a recovery key"
#define HARDWARE_KEYS   "the encryption of a drive belongs to one machine; use LUKS without it"
#define NO_PROFILES     "put the options into --mkfsoptions"
#define ONE_DISK        "the image is the one disk there is"
#define NO_CACHE        "an image has no second, faster disk"
#define BYTES_PER_INODE "use --mkfsoptions=\"-i N\""
#define OLD_GEOMETRY    "partitions lie in the order of the image type"

/* clang-format off */
#define ENCRYPTION_OPTIONS \
	{ "--encrypted", ASH_OPTION_FLAG, FIELD(encrypted) }, \
	{ "--passphrase", ASH_OPTION_STRING, FIELD(passphrase) }, \
	{ "--cipher", ASH_OPTION_STRING, FIELD(cipher) }, \
	{ "--luks-version", ASH_OPTION_STRING, FIELD(luks_version) }, \
	{ "--pbkdf", ASH_OPTION_STRING, FIELD(pbkdf) }, \
	{ "--pbkdf-memory", ASH_OPTION_INT, FIELD(pbkdf_memory) }, \
	{ "--pbkdf-time", ASH_OPTION_INT, FIELD(pbkdf_time) }, \
	{ "--pbkdf-iterations", ASH_OPTION_INT, FIELD(pbkdf_iterations) }, \
	{ "--escrowcert", ASH_OPTION_REFUSED_VALUE, .text = ESCROW }, \
	{ "--backuppassphrase", ASH_OPTION_REFUSED, .text = ESCROW }, \
	{ "--hw-passphrase", ASH_OPTION_REFUSED_VALUE, .text = HARDWARE_KEYS }

#define FILE_SYSTEM_OPTIONS \
	{ "--fstype", ASH_OPTION_STRING, FIELD(fstype) }, \
	{ "--fsoptions", ASH_OPTION_STRING, FIELD(fsoptions) }, \
	{ "--mkfsoptions", ASH_OPTION_STRING, FIELD(mkfsoptions) }, \
	{ "--label", ASH_OPTION_STRING, FIELD(label) }, \
	{ "--noformat", ASH_OPTION_FLAG, FIELD(noformat) }, \
	{ "--fsprofile", ASH_OPTION_REFUSED_VALUE, .text = NO_PROFILES }, \
	{ "--bytes-per-inode", ASH_OPTION_REFUSED_VALUE, .text = BYTES_PER_INODE, .deprecated = true }

#define SIZE_OPTIONS \
	{ "--size", ASH_OPTION_INT, FIELD(size) }, \
	{ "--maxsize", ASH_OPTION_INT, FIELD(maxsize) }, \
	{ "--grow", ASH_OPTION_FLAG, FIELD(grow) }, \
	{ "--recommended", ASH_OPTION_FLAG, FIELD(recommended) }, \
	{ "--hibernation", ASH_OPTION_FLAG, FIELD(recommended) }, \
	{ "--resize", ASH_OPTION_FLAG, FIELD(resize) }

static const AshOptionDef part_options[] = {
	SIZE_OPTIONS,
	FILE_SYSTEM_OPTIONS,
	{ "--type", ASH_OPTION_STRING, FIELD(fstype) },
	{ "--ondisk", ASH_OPTION_STRING, FIELD(disk) },
	{ "--ondrive", ASH_OPTION_STRING, FIELD(disk) },
	{ "--onpart", ASH_OPTION_STRING, FIELD(name) },
	{ "--usepart", ASH_OPTION_STRING, FIELD(name) },
	ENCRYPTION_OPTIONS,
	{ "--asprimary", ASH_OPTION_IGNORED, .text = "partitions of a GPT are all primary" },
	{ "--onbiosdisk", ASH_OPTION_IGNORED_VALUE, .text = ONE_DISK },
	{ "--active", ASH_OPTION_IGNORED, .text = "UEFI knows no active partition", .deprecated = true },
	{ "--start", ASH_OPTION_IGNORED_VALUE, .text = OLD_GEOMETRY, .deprecated = true },
	{ "--end", ASH_OPTION_IGNORED_VALUE, .text = OLD_GEOMETRY, .deprecated = true },
	{ NULL },
};

static const AshOptionDef logvol_options[] = {
	{ "--name", ASH_OPTION_STRING, FIELD(name), .required = true },
	{ "--vgname", ASH_OPTION_STRING, FIELD(group), .required = true },
	SIZE_OPTIONS,
	{ "--percent", ASH_OPTION_INT, FIELD(percent) },
	FILE_SYSTEM_OPTIONS,
	{ "--useexisting", ASH_OPTION_FLAG, FIELD(existing) },
	ENCRYPTION_OPTIONS,
	{ "--thinpool", ASH_OPTION_FLAG, FIELD(thinpool) },
	{ "--thin", ASH_OPTION_FLAG, FIELD(thin) },
	{ "--poolname", ASH_OPTION_STRING, FIELD(pool) },
	{ "--chunksize", ASH_OPTION_INT, FIELD(chunksize) },
	{ "--metadatasize", ASH_OPTION_INT, FIELD(metadatasize) },
	{ "--profile", ASH_OPTION_STRING, FIELD(profile) },
	{ "--cachesize", ASH_OPTION_REFUSED_VALUE, .text = NO_CACHE },
	{ "--cachemode", ASH_OPTION_REFUSED_VALUE, .text = NO_CACHE },
	{ "--cachepvs", ASH_OPTION_REFUSED_VALUE, .text = NO_CACHE },
	{ NULL },
};

static const AshOptionDef raid_options[] = {
	{ "--device", ASH_OPTION_STRING, FIELD(name), .required = true },
	{ "--level", ASH_OPTION_STRING, FIELD(level) },
	{ "--spares", ASH_OPTION_INT, FIELD(spares) },
	{ "--chunksize", ASH_OPTION_INT, FIELD(chunksize) },
	{ "--useexisting", ASH_OPTION_FLAG, FIELD(existing) },
	FILE_SYSTEM_OPTIONS,
	ENCRYPTION_OPTIONS,
	{ NULL },
};

static const AshOptionDef btrfs_options[] = {
	{ "--label", ASH_OPTION_STRING, FIELD(label) },
	{ "--data", ASH_OPTION_STRING, FIELD(level) },
	{ "--metadata", ASH_OPTION_STRING, FIELD(metadata_level) },
	{ "--subvol", ASH_OPTION_FLAG, FIELD(subvolume) },
	{ "--parent", ASH_OPTION_STRING, FIELD(group) },
	{ "--name", ASH_OPTION_STRING, FIELD(name) },
	{ "--mkfsoptions", ASH_OPTION_STRING, FIELD(mkfsoptions) },
	{ "--noformat", ASH_OPTION_FLAG, FIELD(noformat) },
	{ "--useexisting", ASH_OPTION_FLAG, FIELD(existing) },
	{ NULL },
};

static const AshOptionDef volgroup_options[] = {
	{ "--noformat", ASH_OPTION_FLAG, FIELD(noformat) },
	{ "--useexisting", ASH_OPTION_FLAG, FIELD(existing) },
	{ "--reserved-space", ASH_OPTION_INT, FIELD(reserved_space) },
	{ "--reserved-percent", ASH_OPTION_INT, FIELD(reserved_percent) },
	{ "--pesize", ASH_OPTION_INT, FIELD(chunksize) },
	{ NULL },
};

static const AshOptionDef mount_options[] = {
	{ "--reformat", ASH_OPTION_OPTIONAL, FIELD(fstype) },
	{ "--mkfsoptions", ASH_OPTION_STRING, FIELD(mkfsoptions) },
	{ "--mountoptions", ASH_OPTION_STRING, FIELD(fsoptions) },
	{ NULL },
};
/* clang-format on */

static gboolean
check_names(AshKsCall *call, const AshKsVolumeValues *values, GError **error)
{
	const char *const names[] = { values->name, values->group, values->pool, values->disk };

	for (guint i = 0; i < G_N_ELEMENTS(names); i++)
		if (names[i] != NULL && !ash_check_field(names[i]) && !g_str_has_prefix(names[i], "/dev/"))
			return ash_option_throw(&call->place, error, "\"%s\" is no name", names[i]);
	return TRUE;
}

static gboolean
handle_part(AshKsCall *call, GError **error)
{
	AshKsVolumeValues *values = call->values;

	if (values->resize && (values->name == NULL || values->size == -1))
		return ash_option_throw(&call->place, error, "--resize goes with --onpart and --size");
	if (g_strcmp0(values->fstype, "tmpfs") == 0 && (values->grow || values->maxsize != -1))
		return ash_option_throw(&call->place, error,
					"a tmpfs has neither --grow nor --maxsize");
	return check_names(call, values, error) &&
	       ash_ksvolume_add(call, ASH_VOLUME_PARTITION, values, error);
}

static gboolean
check_thin(AshKsCall *call, const AshKsVolumeValues *values, GError **error)
{
	if (values->thin && values->thinpool)
		return ash_option_throw(&call->place, error,
					"--thin and --thinpool contradict each other");
	if (values->thin && values->pool == NULL)
		return ash_option_throw(&call->place, error, "--thin needs --poolname");
	if (!values->thinpool && (values->chunksize != -1 || values->metadatasize != -1))
		return ash_option_throw(&call->place, error,
					"--chunksize and --metadatasize go with --thinpool");
	return TRUE;
}

static gboolean
handle_logvol(AshKsCall *call, GError **error)
{
	AshKsVolumeValues *values = call->values;
	bool sized = values->size != -1 || values->percent != -1 || values->recommended;

	if (!check_thin(call, values, error))
		return FALSE;
	if (values->resize && (!values->existing || values->size == -1))
		return ash_option_throw(&call->place, error, "--resize goes with --useexisting and --size");
	if (!sized && !values->existing && !values->noformat)
		return ash_option_throw(&call->place, error, "--size or --percent is expected");
	if (values->percent != -1 && (values->percent < 1 || values->percent > 100))
		return ash_option_throw(&call->place, error, "--percent takes 1 to 100");
	if (values->percent != -1 && values->size != -1)
		return ash_option_throw(&call->place, error,
					"--size and --percent contradict each other");
	return check_names(call, values, error) &&
	       ash_ksvolume_add(call, ASH_VOLUME_LOGICAL, values, error);
}

/* "RAID1", "raid1" and "1" are the same; what is none stays as it is. */
static void
set_level(char **level)
{
	g_autofree char *lower = *level != NULL ? g_ascii_strdown(*level, -1) : NULL;

	if (lower == NULL)
		return;
	g_free(*level);
	*level = g_ascii_isdigit(*lower) ? g_strconcat("raid", lower, NULL) : g_strdup(lower);
}

static gboolean
check_level(AshKsCall *call, const char *level, const char *const *levels, GError **error)
{
	if (level == NULL || g_strv_contains(levels, level))
		return TRUE;
	return ash_option_throw(&call->place, error, "\"%s\" is no level", level);
}

static gboolean
handle_raid(AshKsCall *call, GError **error)
{
	static const char *const levels[] = { "raid0", "raid1", "raid4", "raid5", "raid6", "raid10",
					      "linear", NULL };
	AshKsVolumeValues *values = call->values;
	bool existing = values->existing || values->noformat;

	set_level(&values->level);
	if (!check_level(call, values->level, levels, error))
		return FALSE;
	if (!existing && values->level == NULL)
		return ash_option_throw(&call->place, error, "--level is required");
	if (!existing && call->args[1] == NULL)
		return ash_option_throw(&call->place, error, "the partitions of the array are missing");
	if (existing && call->args[1] != NULL)
		return ash_option_throw(&call->place, error, "an array that exists has its members");
	return check_names(call, values, error) &&
	       ash_ksvolume_add(call, ASH_VOLUME_RAID, values, error);
}

static gboolean
handle_btrfs(AshKsCall *call, GError **error)
{
	static const char *const levels[] = { "raid0", "raid1", "raid5", "raid6", "raid10",
					      "single", "dup", NULL };
	AshKsVolumeValues *values = call->values;
	bool existing = values->existing || values->noformat;

	set_level(&values->level);
	set_level(&values->metadata_level);
	if (!check_level(call, values->level, levels, error) ||
	    !check_level(call, values->metadata_level, levels, error))
		return FALSE;
	if (values->subvolume && values->name == NULL)
		return ash_option_throw(&call->place, error, "--subvol needs --name");
	/* The parent may be said as an argument, as members are. */
	if (values->subvolume && values->group == NULL && call->args[1] == NULL)
		return ash_option_throw(&call->place, error, "--subvol needs its parent");
	if (!values->subvolume && !existing && call->args[1] == NULL)
		return ash_option_throw(&call->place, error, "the partitions of the file system are missing");
	return check_names(call, values, error) &&
	       ash_ksvolume_add(call, ASH_VOLUME_BTRFS, values, error);
}

static gboolean
handle_volgroup(AshKsCall *call, GError **error)
{
	AshKsVolumeValues *values = call->values;
	bool existing = values->existing || values->noformat;

	if (!existing && call->args[1] == NULL)
		return ash_option_throw(&call->place, error, "the partitions of the volume group are missing");
	if (existing && call->args[1] != NULL)
		return ash_option_throw(&call->place, error, "a volume group that exists has its members");
	if (values->reserved_percent != -1 &&
	    (values->reserved_percent < 1 || values->reserved_percent > 99))
		return ash_option_throw(&call->place, error, "--reserved-percent takes 1 to 99");
	return ash_ksvolume_add(call, ASH_VOLUME_GROUP, values, error);
}

static gboolean
handle_mount(AshKsCall *call, GError **error)
{
	AshKsVolumeValues *values = call->values;

	if (values->fstype == NULL && values->mkfsoptions != NULL)
		return ash_option_throw(&call->place, error, "--mkfsoptions needs --reformat");
	values->noformat = values->fstype == NULL;
	return ash_ksvolume_add(call, ASH_VOLUME_MOUNT, values, error);
}

static const AshOptionDef reqpart_options[] = {
	{ "--add-boot", ASH_OPTION_FLAG, 0 },
	{ NULL },
};

static gboolean
handle_reqpart(AshKsCall *call, GError **error)
{
	AshStorageSpec *storage = &call->spec->storage;

	g_free(storage->reqpart);
	storage->reqpart = g_strdup(call->place.origin);
	storage->reqpart_boot = *(const bool *) call->values;
	return TRUE;
}

typedef struct {
	char *disklabel;
} ClearpartValues;

#define ON_NEW_DISK "the disk of an image is new and empty"

static const AshOptionDef clearpart_options[] = {
	{ "--disklabel", ASH_OPTION_STRING, G_STRUCT_OFFSET(ClearpartValues, disklabel) },
	{ "--all", ASH_OPTION_FLAG, sizeof(ClearpartValues) },
	{ "--initlabel", ASH_OPTION_FLAG, sizeof(ClearpartValues) },
	{ "--linux", ASH_OPTION_FLAG, sizeof(ClearpartValues) },
	{ "--none", ASH_OPTION_IGNORED, .text = ON_NEW_DISK },
	{ "--drives", ASH_OPTION_IGNORED_VALUE, .text = ON_NEW_DISK },
	{ "--list", ASH_OPTION_IGNORED_VALUE, .text = ON_NEW_DISK },
	{ "--cdl", ASH_OPTION_IGNORED, .text = ON_NEW_DISK },
	{ NULL },
};

static gboolean
handle_clearpart(AshKsCall *call, GError **error)
{
	static const char *const labels[] = { "gpt", "msdos", "mbr", "dasd", "mac", NULL };
	ClearpartValues *values = call->values;
	AshStorageSpec *storage = &call->spec->storage;

	if (values->disklabel == NULL || *values->disklabel == '\0')
		return TRUE;
	if (!g_strv_contains(labels, values->disklabel))
		return ash_option_throw(&call->place, error, "--disklabel: \"%s\" is none",
					values->disklabel);
	if (!g_str_equal(values->disklabel, "gpt") &&
	    !ash_option_refuse(&call->place, error,
			       "--disklabel=%s is not carried out: images have a GPT; remove the option",
			       values->disklabel))
		return FALSE;
	g_free(storage->disk_label);
	storage->disk_label = g_steal_pointer(&values->disklabel);
	return TRUE;
}

static const AshOptionDef zerombr_options[] = {
	{ NULL },
};

/* A new disk has nothing to be zeroed: done as it is. */
static gboolean
handle_zerombr(AshKsCall *call, GError **error)
{
	if (call->args[0] != NULL)
		ash_option_notice(&call->place, ASH_OPTION_DEPRECATED "it takes no argument");
	return TRUE;
}

typedef struct {
	char **drives, **only_use;
	bool interactive;
} IgnorediskValues;

static const AshOptionDef ignoredisk_options[] = {
	{ "--drives", ASH_OPTION_LIST, G_STRUCT_OFFSET(IgnorediskValues, drives) },
	{ "--only-use", ASH_OPTION_LIST, G_STRUCT_OFFSET(IgnorediskValues, only_use) },
	{ "--interactive", ASH_OPTION_FLAG, G_STRUCT_OFFSET(IgnorediskValues, interactive), .deprecated = true },
	{ NULL },
};

/* The one disk there is, is used, whatever its name. */
static gboolean
handle_ignoredisk(AshKsCall *call, GError **error)
{
	const IgnorediskValues *values = call->values;

	if (values->drives[0] == NULL && values->only_use[0] == NULL && !values->interactive)
		return ash_option_throw(&call->place, error, "--drives or --only-use is expected");
	if (values->drives[0] != NULL && values->only_use[0] != NULL)
		return ash_option_throw(&call->place, error,
					"--drives and --only-use contradict each other");
	return TRUE;
}

/* clang-format off */
static const AshOptionDef autopart_options[] = {
	{ "--type", ASH_OPTION_STRING, FIELD(level) },
	{ "--nolvm", ASH_OPTION_FLAG, FIELD(nolvm) },
	{ "--fstype", ASH_OPTION_STRING, FIELD(fstype) },
	{ "--nohome", ASH_OPTION_FLAG, FIELD(nohome) },
	{ "--noboot", ASH_OPTION_FLAG, FIELD(noboot) },
	{ "--noswap", ASH_OPTION_FLAG, FIELD(noswap) },
	{ "--hibernation", ASH_OPTION_FLAG, FIELD(recommended) },
	ENCRYPTION_OPTIONS,
	{ NULL },
};
/* clang-format on */

static gboolean
set_scheme(AshKsCall *call, AshKsVolumeValues *values, AshAutopartSpec *autopart, GError **error)
{
	const char *type = values->level;

	if (values->nolvm && type == NULL)
		type = "plain";
	/* The older names. */
	if (g_strcmp0(type, "partition") == 0)
		type = "plain";
	if (type != NULL && !ash_autopart_scheme_parse(type, &autopart->scheme))
		return ash_option_throw(&call->place, error,
					"--type takes \"plain\", \"lvm\", \"thinp\" or \"btrfs\", not \"%s\"",
					type);
	if (g_strcmp0(values->fstype, "btrfs") == 0)
		return ash_option_throw(&call->place, error, "--fstype=btrfs: use --type=btrfs");
	if (values->fstype != NULL && autopart->scheme == ASH_AUTOPART_BTRFS)
		return ash_option_throw(&call->place, error,
					"--fstype and --type=btrfs contradict each other");
	return TRUE;
}

static gboolean
handle_autopart(AshKsCall *call, GError **error)
{
	AshKsVolumeValues *values = call->values;
	AshAutopartSpec *autopart = &call->spec->storage.autopart;

	if (values->noswap && values->recommended)
		return ash_option_throw(&call->place, error,
					"--noswap and --hibernation contradict each other");
	if (!set_scheme(call, values, autopart, error) ||
	    !ash_ksvolume_set_encryption(call, values, &autopart->encryption, error))
		return FALSE;
	autopart->set = true;
	autopart->home = !values->nohome;
	autopart->boot = !values->noboot;
	autopart->swap = !values->noswap;
	g_free(autopart->fstype);
	autopart->fstype = g_steal_pointer(&values->fstype);
	g_free(autopart->origin);
	autopart->origin = g_strdup(call->place.origin);
	return TRUE;
}

#define VOLUME(command_name, function, least, most, others)                                        \
	{                                                                                          \
		.name = command_name, .handler = handle_##function, .options = function##_options, \
		.values_size = sizeof(AshKsVolumeValues), .min_args = least, .max_args = most,     \
		.conflicts = others, .with_commit = true                                           \
	}

const AshKsCommand ash_ks_storage_commands[] = {
	VOLUME("part", part, 1, 1, "autopart mount"),
	VOLUME("partition", part, 1, 1, "autopart mount"),
	VOLUME("logvol", logvol, 1, 1, "autopart mount"),
	VOLUME("volgroup", volgroup, 1, G_MAXUINT, "autopart mount"),
	VOLUME("raid", raid, 1, G_MAXUINT, "autopart mount"),
	VOLUME("btrfs", btrfs, 1, G_MAXUINT, "autopart mount"),
	VOLUME("mount", mount, 2, 2, "autopart part partition raid volgroup logvol reqpart"),
	VOLUME("autopart", autopart, 0, 0, "part partition raid volgroup logvol reqpart mount"),
	{ .name = "reqpart",
	  .handler = handle_reqpart,
	  .options = reqpart_options,
	  .values_size = sizeof(bool),
	  .conflicts = "autopart mount",
	  .once = true,
	  .with_commit = true },
	{ .name = "clearpart",
	  .handler = handle_clearpart,
	  .options = clearpart_options,
	  .values_size = sizeof(ClearpartValues) + sizeof(bool),
	  .with_commit = true },
	{ .name = "zerombr", .handler = handle_zerombr, .options = zerombr_options, .max_args = 1, .with_commit = true },
	{ .name = "ignoredisk",
	  .handler = handle_ignoredisk,
	  .options = ignoredisk_options,
	  .values_size = sizeof(IgnorediskValues),
	  .with_commit = true },
	{ NULL },
};
