/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/luks/luks.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/size.h"
#include "base/xts.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECTOR_BYTES 512
#define CHUNK_BYTES  ASH_MIB
#define LABEL_BYTES  47
/* What systemd-cryptenroll(1) takes for keys that nobody can guess. */
#define QUICK_HASH       "sha512"
#define QUICK_ITERATIONS 1000
#define SLOW_HASH        "sha256"

struct AshLuks {
	AshSecret *volume_key;
	gsize sector_bytes;
	int header_fd; /* of a memory file that begins with header and keyslots */
};

/** A header being made. */
typedef struct {
	const AshLuksOptions *options;
	const AshSecret *volume_key;
	struct crypt_device *device;
	char *said; /* by libcryptsetup last; NULL: nothing */
} Maker;

static void
maker_clear(Maker *maker)
{
	g_clear_pointer(&maker->device, crypt_free);
	g_clear_pointer(&maker->said, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Maker, maker_clear)

static void
note_message(int level, const char *message, void *data)
{
	Maker *maker = data;

	if (level != CRYPT_LOG_ERROR)
		return;
	g_free(maker->said);
	maker->said = g_strstrip(g_strdup(message));
}

/* libcryptsetup returns negative numbers of errno. */
static gboolean
throw_crypt(const Maker *maker, int rc, const char *what, GError **error)
{
	const AshErrorCode code = rc == -EINVAL || rc == -ERANGE ? ASH_ERROR_CONFIG : rc == -ENOSPC ? ASH_ERROR_NO_SPACE : ASH_ERROR_INTERNAL;

	return ash_throw(error, code, "%s: %s", what, maker->said != NULL ? maker->said : g_strerror(-rc));
}

/* Fixed numbers: those that a benchmark finds are of the machine that composes, and the other one waits for them. */
static struct crypt_pbkdf_type
get_pbkdf(const AshEncryption *how, AshLuksKeyKind kind)
{
	struct crypt_pbkdf_type pbkdf = { .type = CRYPT_KDF_PBKDF2, .hash = QUICK_HASH, .iterations = QUICK_ITERATIONS };

	pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
	if (kind != ASH_LUKS_PASSPHRASE)
		return pbkdf;
	pbkdf.hash = SLOW_HASH;
	pbkdf.iterations = (uint32_t) how->pbkdf_iterations;
	if (how->pbkdf != ASH_PBKDF_ARGON2ID)
		return pbkdf;
	pbkdf.type = CRYPT_KDF_ARGON2ID;
	pbkdf.max_memory_kb = (uint32_t) how->pbkdf_memory;
	pbkdf.parallel_threads = (uint32_t) how->pbkdf_threads;
	return pbkdf;
}

static gboolean
format(Maker *maker, GError **error)
{
	const AshLuksOptions *options = maker->options;
	g_autofree char *uuid = ash_uuid_to_string(&options->uuid);
	g_autofree char *label = g_strndup(options->label != NULL ? options->label : "", LABEL_BYTES);
	/* Of the digest of the volume key, which is random as well. */
	struct crypt_pbkdf_type pbkdf = get_pbkdf(options->how, ASH_LUKS_KEY_FILE);
	struct crypt_params_luks2 params = {
		.pbkdf = &pbkdf,
		.sector_size = (uint32_t) options->how->sector_bytes,
		.label = label,
	};
	int rc = crypt_set_data_offset(maker->device, ASH_LUKS_DATA_OFFSET / SECTOR_BYTES);

	if (rc == 0)
		rc = crypt_format(maker->device, CRYPT_LUKS2, "aes", "xts-plain64", uuid, (const char *) maker->volume_key->data,
				  maker->volume_key->length, &params);
	return rc >= 0 || throw_crypt(maker, rc, "LUKS2 header", error);
}

static gboolean
add_token(Maker *maker, int slot, GError **error)
{
	g_autofree char *json = g_strdup_printf("{\"type\":\"systemd-recovery\",\"keyslots\":[\"%d\"]}", slot);
	int rc = crypt_token_json_set(maker->device, CRYPT_ANY_TOKEN, json);

	return rc >= 0 || throw_crypt(maker, rc, "LUKS2 token of the recovery key", error);
}

static gboolean
add_key(Maker *maker, const AshLuksKey *key, int slot, GError **error)
{
	struct crypt_pbkdf_type pbkdf = get_pbkdf(maker->options->how, key->kind);
	int rc = crypt_set_pbkdf_type(maker->device, &pbkdf);

	if (rc == 0)
		rc = crypt_keyslot_add_by_volume_key(maker->device, slot, (const char *) maker->volume_key->data, maker->volume_key->length,
						     (const char *) key->secret->data, key->secret->length);
	if (rc < 0)
		return throw_crypt(maker, rc, "LUKS2 keyslot", error);
	return key->kind != ASH_LUKS_RECOVERY_KEY || add_token(maker, slot, error);
}

static gboolean
make_header(Maker *maker, int fd, GError **error)
{
	g_autofree char *path = ash_file_fd_path(fd);
	int rc = crypt_init(&maker->device, path);

	if (rc < 0)
		return throw_crypt(maker, rc, "libcryptsetup", error);
	crypt_set_log_callback(maker->device, note_message, maker);
	/* Nobody else knows the file, and the place for locks is the system's. */
	(void) crypt_metadata_locking(maker->device, 0);
	if (!format(maker, error))
		return FALSE;
	for (guint i = 0; i < maker->options->n_keys; i++) {
		if (!add_key(maker, &maker->options->keys[i], (int) i, error))
			return FALSE;
	}
	return TRUE;
}

/* libcryptsetup sets itself up at the first call and is not for several threads; images are written side by side. */
static gboolean
make_header_alone(Maker *maker, int fd, GError **error)
{
	static GMutex lock;
	gboolean made;

	g_mutex_lock(&lock);
	made = make_header(maker, fd, error);
	g_mutex_unlock(&lock);
	return made;
}

AshLuks *
ash_luks_new(const AshLuksOptions *options, GError **error)
{
	const gsize key_bytes = (gsize) options->how->key_bits / 4; /* two keys: XTS */
	g_autoptr(AshLuks) luks = g_new0(AshLuks, 1);
	g_auto(Maker) maker = { .options = options };

	g_return_val_if_fail(options->n_keys > 0, NULL);
	luks->sector_bytes = (gsize) options->how->sector_bytes;
	luks->header_fd = memfd_create("luks2", MFD_CLOEXEC);
	if (luks->header_fd < 0 || ftruncate(luks->header_fd, (off_t) (ASH_LUKS_DATA_OFFSET + ASH_XTS_MAX_SECTOR_BYTES)) < 0)
		return ash_throw_errno_null(error, "LUKS2 header: there is no memory for it");
	luks->volume_key = options->test_key != NULL ? ash_secret_new(options->test_key, (gssize) key_bytes) : ash_secret_new_random(key_bytes, error);
	maker.volume_key = luks->volume_key;
	if (luks->volume_key == NULL || !make_header_alone(&maker, luks->header_fd, error))
		return NULL;
	return g_steal_pointer(&luks);
}

void
ash_luks_free(AshLuks *luks)
{
	if (luks == NULL)
		return;
	ash_secret_free(luks->volume_key);
	ash_fd_clear(&luks->header_fd);
	g_free(luks);
}

/** A volume being encrypted. */
typedef struct {
	AshContext *ctx;
	const AshLuks *luks;
	int fd;
	guint64 base;   /* of the volume's data in the file */
	GArray *chunks; /* of AshLuksRange: at most CHUNK_BYTES each */
	AshUsedMap *used;
} Sealing;

static void
add_chunks(GArray *chunks, guint64 offset, guint64 length)
{
	while (length > 0) {
		const AshLuksRange chunk = { offset, MIN(length, CHUNK_BYTES - offset % CHUNK_BYTES) };

		g_array_append_val(chunks, chunk);
		offset += chunk.length;
		length -= chunk.length;
	}
}

static gboolean
seal_chunk(guint index, gpointer user_data, GError **error)
{
	const Sealing *sealing = user_data;
	const AshLuks *luks = sealing->luks;
	const AshLuksRange *chunk = &g_array_index(sealing->chunks, AshLuksRange, index);
	const guint64 at = sealing->base + chunk->offset;
	const gsize length = (gsize) chunk->length;
	g_autofree guint8 *data = g_malloc(length);
	g_autoptr(AshXts) xts = ash_xts_new(luks->volume_key->data, luks->volume_key->length, error);

	if (xts == NULL || !ash_context_check(sealing->ctx, error) || !ash_fd_read_exact(sealing->fd, data, length, at, error) ||
	    !ash_xts_encrypt(xts, chunk->offset, luks->sector_bytes, data, length, error) ||
	    !ash_fd_write_all(sealing->fd, data, length, at, error))
		return FALSE;
	if (sealing->used != NULL)
		ash_used_map_add(sealing->used, at, data, length);
	return TRUE;
}

static gboolean
write_header(const AshLuks *luks, int fd, guint64 offset, AshUsedMap *used, GError **error)
{
	g_autofree guint8 *data = g_malloc(CHUNK_BYTES);

	for (guint64 at = 0; at < ASH_LUKS_DATA_OFFSET; at += CHUNK_BYTES) {
		if (!ash_fd_read_exact(luks->header_fd, data, CHUNK_BYTES, at, error) ||
		    !ash_fd_write_all(fd, data, CHUNK_BYTES, offset + at, error))
			return FALSE;
		if (used != NULL)
			ash_used_map_add(used, offset + at, data, CHUNK_BYTES);
	}
	return TRUE;
}

gboolean
ash_luks_seal(AshContext *ctx, const AshLuks *luks, int fd, guint64 offset, guint64 bytes, const GArray *ranges, AshUsedMap *used,
	      GError **error)
{
	g_autoptr(GArray) chunks = g_array_new(FALSE, FALSE, sizeof(AshLuksRange));
	Sealing sealing = { ctx, luks, fd, offset + ASH_LUKS_DATA_OFFSET, chunks, used };

	g_return_val_if_fail(bytes > ASH_LUKS_DATA_OFFSET && bytes % ASH_XTS_MAX_SECTOR_BYTES == 0, FALSE);
	if (ranges == NULL)
		add_chunks(chunks, 0, bytes - ASH_LUKS_DATA_OFFSET);
	for (guint i = 0; ranges != NULL && i < ranges->len; i++) {
		const AshLuksRange *range = &g_array_index(ranges, AshLuksRange, i);

		add_chunks(chunks, range->offset, range->length);
	}
	return ash_parallel_run(ctx, chunks->len, seal_chunk, &sealing, error) && write_header(luks, fd, offset, used, error);
}
