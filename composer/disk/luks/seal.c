/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/luks/seal.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/ext4/used.h"
#include "disk/luks/luks.h"

#include <fcntl.h>
#include <string.h>

#define MAX_KEYS         3
#define VOLUME_KEY_BYTES 64

/** Keys of a partition, collected. */
typedef struct {
	AshLuksKey keys[MAX_KEYS];
	guint n;
	AshSecret *recovery; /* NULL: none */
	guint8 test_key[VOLUME_KEY_BYTES];
} Keys;

static void
keys_clear(Keys *keys)
{
	g_clear_pointer(&keys->recovery, ash_secret_free);
	explicit_bzero(keys->test_key, sizeof(keys->test_key));
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Keys, keys_clear)

guint64
ash_seal_overhead(const AshPartition *partition)
{
	return partition->encryption.kind != ASH_ENCRYPTION_NONE ? ASH_LUKS_DATA_OFFSET : 0;
}

bool
ash_seal_is_deferred(const AshPartition *partition)
{
	return partition->encryption.kind != ASH_ENCRYPTION_NONE && partition->encryption.tpm2;
}

AshPartition
ash_seal_inner(const AshPartition *partition)
{
	AshPartition inner = *partition;

	inner.offset += ash_seal_overhead(partition);
	inner.size -= ash_seal_overhead(partition);
	return inner;
}

const char *
ash_seal_cmdline(const AshLayout *layout)
{
	const AshPartition *var = layout != NULL ? ash_layout_find(layout, ASH_PARTITION_VAR, 0) : NULL;

	if (var == NULL || var->encryption.kind == ASH_ENCRYPTION_NONE)
		return NULL;
	return var->encryption.tpm2 ? "ashlar.var=tpm2" : "ashlar.var=luks";
}

/* Of the volume. */
static AshUuid
derive_uuid(const AshUuid *seed, const AshPartition *partition)
{
	g_autofree char *purpose = g_strdup_printf("luks-%s", partition->label);

	return ash_uuid_derive(seed, purpose);
}

char *
ash_seal_root_cmdline(const AshUuid *seed, const AshPartition *root)
{
	char text[ASH_UUID_STRING_SIZE];
	AshUuid uuid;

	if (root == NULL || root->encryption.kind == ASH_ENCRYPTION_NONE)
		return NULL;
	uuid = derive_uuid(seed, root);
	ash_uuid_format(&uuid, text);
	return g_strdup_printf("rd.luks.name=%s=%s", text, root->label);
}

static void
derive(const AshSealRequest *request, const char *what, guint8 ret_sum[ASH_SHA256_SIZE])
{
	g_autofree char *purpose = g_strdup_printf("ashlar luks %s %s", what, request->partition->label);

	ash_seed_derive(request->secrets->test_seed, purpose, ret_sum);
}

static void
derive_volume_key(const AshSealRequest *request, guint8 ret_key[VOLUME_KEY_BYTES])
{
	derive(request, "volume key 1", ret_key);
	derive(request, "volume key 2", ret_key + ASH_SHA256_SIZE);
}

static AshSecret *
make_recovery_key(const AshSealRequest *request, GError **error)
{
	guint8 bytes[ASH_SHA256_SIZE];

	if (request->secrets->test_seed == NULL)
		return ash_secret_new_recovery_key(error);
	derive(request, "recovery key", bytes);
	return ash_secret_format_recovery_key(bytes);
}

static gboolean
add_key(Keys *keys, bool wanted, AshLuksKeyKind kind, const AshSecret *secret, const char *what, GError **error)
{
	if (!wanted)
		return TRUE;
	if (secret == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "there is no %s for it: give one with --luks-%s-file", what, what);
	keys->keys[keys->n++] = (AshLuksKey) { kind, secret };
	return TRUE;
}

static gboolean
collect_keys(const AshSealRequest *request, Keys *keys, GError **error)
{
	const AshEncryption *how = &request->partition->encryption;

	if (how->recovery_key)
		keys->recovery = make_recovery_key(request, error);
	if (how->recovery_key && keys->recovery == NULL)
		return FALSE;
	if (request->secrets->test_seed != NULL)
		derive_volume_key(request, keys->test_key);
	return add_key(keys, how->passphrase, ASH_LUKS_PASSPHRASE, request->secrets->passphrase, "passphrase", error) &&
	       add_key(keys, how->key_file, ASH_LUKS_KEY_FILE, request->secrets->key_file, "key", error) &&
	       add_key(keys, how->recovery_key, ASH_LUKS_RECOVERY_KEY, keys->recovery, "recovery-key", error);
}

static GArray *
only_range(guint64 length)
{
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(AshLuksRange));
	const AshLuksRange range = { 0, ash_size_round_up(length, 4096) };

	if (length > 0)
		g_array_append_val(ranges, range);
	return ranges;
}

/* What of the volume somebody will read. The rest are holes, unless they are to be encrypted too (NULL). */
static gboolean
list_used(const AshSealRequest *request, int fd, GArray **ret_ranges, GError **error)
{
	const AshPartition inner = ash_seal_inner(request->partition);

	*ret_ranges = NULL;
	bool is_whole = ash_fs_kind_get_traits(inner.fs)->read_only;
	/* Of others we do not know what their drivers expect to be zero. */
	if (inner.encryption.fill || (inner.fs != ASH_FS_EXT4 && inner.fs != ASH_FS_NONE && !is_whole))
		return TRUE;
	if (inner.fs == ASH_FS_EXT4)
		*ret_ranges = ash_ext4_list_used(fd, inner.offset, error);
	else
		*ret_ranges = only_range(is_whole ? request->content_bytes : 0);
	return *ret_ranges != NULL;
}

/* A key of an earlier image in the same place would open nothing any more. */
static char *
save_recovery_key(const AshSealRequest *request, const AshSecret *key, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s/%s.%s.recovery-key", request->output_dir, request->stem, request->partition->label);

	return ash_secret_save(key, AT_FDCWD, path, error) ? g_steal_pointer(&path) : NULL;
}

gboolean
ash_seal_partition(AshContext *ctx, const AshSealRequest *request, int fd, AshUsedMap *used, char **ret_recovery_path, GError **error)
{
	const AshPartition *partition = request->partition;
	g_auto(Keys) keys = { .n = 0 };
	g_autoptr(GArray) ranges = NULL;
	g_autoptr(AshLuks) luks = NULL;

	*ret_recovery_path = NULL;
	if (!collect_keys(request, &keys, error) || !list_used(request, fd, &ranges, error))
		return FALSE;
	const AshLuksOptions options = {
		.uuid = derive_uuid(&request->seed, partition),
		.label = partition->label,
		.how = &partition->encryption,
		.keys = keys.keys,
		.n_keys = keys.n,
		.test_key = request->secrets->test_seed != NULL ? keys.test_key : NULL,
	};
	luks = ash_luks_new(&options, error);
	if (luks == NULL || !ash_luks_seal(ctx, luks, fd, partition->offset, partition->size, ranges, used, error))
		return FALSE;
	if (keys.recovery != NULL)
		*ret_recovery_path = save_recovery_key(request, keys.recovery, error);
	return keys.recovery == NULL || *ret_recovery_path != NULL;
}
