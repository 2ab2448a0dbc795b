/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/secureboot/detached.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "disk/secureboot/authenticode.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MANIFEST_FORMAT     1
#define MAX_SIGNATURE_BYTES 65536

/** A file that was exported. */
typedef struct {
	const char *name; /* static */
	char *sha256;
	char *authenticode; /* hex; NULL: it is no image */
} Exported;

struct AshDetached {
	char *dir;
	AshBootSigner signer;
	GPtrArray *exported; /* of Exported */
};

/* What may come back. */
static const char *const imported[] = { ASH_SIGNED_UKI, ASH_SIGNED_KERNEL, ASH_SIGNED_LOADER, ASH_SIGNED_SHIM, ASH_SIGNED_GRUB,
					ASH_SIGNED_MOK_MANAGER, ASH_DETACHED_SIGNATURE };

static void
exported_free(gpointer data)
{
	Exported *file = data;

	g_free(file->sha256);
	g_free(file->authenticode);
	g_free(file);
}

static AshDetached *
detached_new(const char *dir)
{
	AshDetached *detached = g_new0(AshDetached, 1);

	detached->dir = g_strdup(dir);
	detached->exported = g_ptr_array_new_with_free_func(exported_free);
	return detached;
}

void
ash_detached_free(AshDetached *detached)
{
	if (detached == NULL)
		return;
	g_free(detached->dir);
	g_free(detached->signer.identity);
	g_ptr_array_unref(detached->exported);
	g_free(detached);
}

const AshBootSigner *
ash_detached_get_signer(const AshDetached *detached)
{
	return &detached->signer;
}

static void
add_exported(AshDetached *detached, const char *name, AshDigest *digest, const guint8 *authenticode)
{
	Exported *file = g_new0(Exported, 1);

	file->name = name;
	file->sha256 = ash_digest_finish_hex(digest);
	file->authenticode = authenticode != NULL ? ash_hex_encode(authenticode, ASH_SHA256_SIZE) : NULL;
	g_ptr_array_add(detached->exported, file);
}

static gboolean
write_image(const char *path, AshContent *image, GError **error)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, error);

	return fd >= 0 && (ash_content_write(image, fd, error) || ash_prefix(error, "\"%s\"", path));
}

static AshContent *
export_image(const AshBootSigner *signer, const char *name, AshContent *image, GError **error)
{
	AshDetached *detached = (AshDetached *) signer->data;
	g_autofree char *path = g_build_filename(detached->dir, name, NULL);
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 authenticode[ASH_SHA256_SIZE];

	if (!ash_authenticode_digest(image, authenticode, error) || !ash_content_update_digest(image, digest, error) ||
	    !write_image(path, image, error))
		return NULL;
	add_exported(detached, g_intern_string(name), digest, authenticode);
	return ash_content_ref(image);
}

AshDetached *
ash_detached_new_export(const char *dir, GError **error)
{
	g_autoptr(AshDetached) detached = detached_new(dir);

	if (!ash_file_mkdirs(AT_FDCWD, dir, 0755, error))
		return NULL;
	detached->signer = (AshBootSigner) { .sign_image = export_image, .data = detached, .identity = g_strdup("none") };
	return g_steal_pointer(&detached);
}

static gboolean
export_root_hash(AshDetached *detached, const char *root_hash, GError **error)
{
	g_autofree char *path = g_build_filename(detached->dir, ASH_SIGNED_ROOT_HASH, NULL);
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update(digest, root_hash, strlen(root_hash));
	add_exported(detached, ASH_SIGNED_ROOT_HASH, digest, NULL);
	return ash_file_save(AT_FDCWD, path, root_hash, -1, 0644, error);
}

static JsonObject *
describe(const Exported *file)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "name", file->name);
	json_object_set_string_member(object, "kind", file->authenticode != NULL ? "pe" : "text");
	json_object_set_string_member(object, "sha256", file->sha256);
	if (file->authenticode != NULL)
		json_object_set_string_member(object, "authenticode_sha256", file->authenticode);
	/* Where the signature is expected: in the image, or beside the text. */
	json_object_set_string_member(object, "signed_as", file->authenticode != NULL ? file->name : ASH_DETACHED_SIGNATURE);
	return object;
}

gboolean
ash_detached_finish_export(AshDetached *detached, const AshDetachedSubject *subject, GError **error)
{
	g_autofree char *path = g_build_filename(detached->dir, ASH_DETACHED_MANIFEST, NULL);
	g_autoptr(JsonObject) manifest = json_object_new();
	JsonArray *files = json_array_new();

	if (subject->root_hash != NULL && !export_root_hash(detached, subject->root_hash, error)) {
		json_array_unref(files);
		return FALSE;
	}
	json_object_set_int_member(manifest, "format", MANIFEST_FORMAT);
	json_object_set_string_member(manifest, "name", subject->name);
	json_object_set_string_member(manifest, "version", subject->version);
	json_object_set_string_member(manifest, "type", subject->type);
	json_object_set_string_member(manifest, "commit", subject->commit);
	for (guint i = 0; i < detached->exported->len; i++)
		json_array_add_object_element(files, describe(g_ptr_array_index(detached->exported, i)));
	json_object_set_array_member(manifest, "files", files);
	g_autofree char *text = ash_json_object_to_string(manifest, TRUE);
	return ash_file_save(AT_FDCWD, path, text, -1, 0644, error);
}

const char **
ash_detached_list(const AshDetached *detached)
{
	const char **names = g_new0(const char *, detached->exported->len + 1);

	for (guint i = 0; i < detached->exported->len; i++)
		names[i] = ((const Exported *) g_ptr_array_index(detached->exported, i))->name;
	return names;
}

/* A type asks for files by what it signs; not all of them need have come back. */
static gboolean
check_is_there(const char *path, GError **error)
{
	return ash_file_exists(AT_FDCWD, path) ||
	       ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is not there: this image needs it signed (\"" ASH_DETACHED_MANIFEST "\" says what is)", path);
}

static AshContent *
open_image(const char *path, GError **error)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, path, &st, error))
		return NULL;
	if (!S_ISREG(st.st_mode))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" is no file", path);
	AshContent *content = ash_content_new();
	ash_content_add_fd(content, ash_fd_steal(&fd), (guint64) st.st_size);
	return content;
}

/* All signatures are sound ones of that image, and there is one. */
static gboolean
check_signatures(AshContent *image, GError **error)
{
	g_autoptr(GPtrArray) signatures = ash_authenticode_list(image, error);

	if (signatures == NULL)
		return FALSE;
	if (signatures->len == 0)
		return ash_throw(error, ASH_ERROR_TRUST, "it is not signed");
	for (guint i = 0; i < signatures->len; i++) {
		const AshAuthenticode *signature = g_ptr_array_index(signatures, i);
		if (!signature->is_right)
			return ash_throw(error, ASH_ERROR_TRUST, "%s", signature->problem);
	}
	return TRUE;
}

static AshContent *
import_image(const AshBootSigner *signer, const char *name, AshContent *image, GError **error)
{
	const AshDetached *detached = signer->data;
	g_autofree char *path = g_build_filename(detached->dir, name, NULL);
	g_autoptr(AshContent) done = check_is_there(path, error) ? open_image(path, error) : NULL;
	guint8 ours[ASH_SHA256_SIZE], theirs[ASH_SHA256_SIZE];

	if (done == NULL || !ash_authenticode_digest(image, ours, error))
		return NULL;
	if (!ash_authenticode_digest(done, theirs, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	if (memcmp(ours, theirs, sizeof(ours)) != 0)
		return ash_throw_null(error, ASH_ERROR_TRUST,
				      "\"%s\" is not what this image has, with a signature: was it exported from this commit, for this type, with the same options?", path);
	if (!check_signatures(done, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	return g_steal_pointer(&done);
}

static GBytes *
import_root_hash(const AshBootSigner *signer, const char *root_hash, GError **error)
{
	const AshDetached *detached = signer->data;
	g_autofree char *path = g_build_filename(detached->dir, ASH_DETACHED_SIGNATURE, NULL);
	gsize length;

	if (!check_is_there(path, error))
		return NULL;
	char *text = ash_file_load(AT_FDCWD, path, MAX_SIGNATURE_BYTES, &length, error);
	g_autoptr(GBytes) der = text != NULL ? g_bytes_new_take(text, length) : NULL;

	if (der == NULL)
		return NULL;
	if (!ash_pkcs7_verify_detached(der, signer->certificate, root_hash, strlen(root_hash), error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	return g_steal_pointer(&der);
}

/* Of all that may be imported, and of whom root hashes must be. Sets *@ret_n. */
static char *
digest_files(const char *dir, const AshCertificate *certificate, guint *ret_n, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *fingerprint = certificate != NULL ? ash_certificate_dup_fingerprint(certificate) : NULL;

	*ret_n = 0;
	ash_digest_update_string(digest, fingerprint);
	for (guint i = 0; i < G_N_ELEMENTS(imported); i++) {
		g_autofree char *path = g_build_filename(dir, imported[i], NULL);
		g_autoptr(AshContent) content = ash_file_exists(AT_FDCWD, path) ? open_image(path, error) : NULL;
		if (content == NULL && ash_file_exists(AT_FDCWD, path))
			return NULL;
		ash_digest_update_string(digest, imported[i]);
		if (content != NULL && !ash_content_update_digest(content, digest, error))
			return ash_prefix(error, "\"%s\"", path), NULL;
		*ret_n += content != NULL;
	}
	return ash_digest_finish_hex(digest);
}

AshDetached *
ash_detached_new_import(const char *dir, const AshCertificate *certificate, GError **error)
{
	g_autoptr(AshDetached) detached = detached_new(dir);
	guint n;
	char *identity = digest_files(dir, certificate, &n, error);

	if (identity == NULL)
		return NULL;
	detached->signer = (AshBootSigner) {
		.sign_image = import_image,
		.sign_root_hash = import_root_hash,
		.certificate = certificate,
		.data = detached,
		.identity = identity,
	};
	if (n == 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" has nothing signed: neither images nor \"" ASH_DETACHED_SIGNATURE "\"", dir);
	return g_steal_pointer(&detached);
}
