/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Engines are deprecated, but the only way to tokens before pkcs11-provider: Debian 12, Ubuntu 22.04, RHEL 9. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/keytoken.h"

#include "base/error.h"
#include "base/file.h"
#include "base/keyevp.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>
#if !defined(OPENSSL_NO_ENGINE) && __has_include(<openssl/engine.h>)
#include <openssl/engine.h>
#define HAVE_ENGINE 1
#endif

#define MAX_PIN_BYTES 4096
#define NOT_INSTALLED \
	"\"%s\": OpenSSL has no way to PKCS#11 tokens; install its provider or engine (Debian: pkcs11-provider, or " \
	"libengine-pkcs11-openssl; Fedora: pkcs11-provider)"

/* The value of @name in the query or path of the URI, unescaped. Owned; NULL if it has none. */
static char *
dup_attribute(const char *uri, const char *name)
{
	g_auto(GStrv) parts = g_strsplit_set(uri + strlen("pkcs11:"), ";?&", -1);
	gsize length = strlen(name);

	for (char **part = parts; *part != NULL; part++)
		if (strncmp(*part, name, length) == 0 && (*part)[length] == '=')
			return g_uri_unescape_string(*part + length + 1, NULL);
	return NULL;
}

/* The PIN of the URI itself, or asked for. Owned; NULL if there is none. */
static gboolean
find_pin(const char *uri, const AshPassphrase *passphrase, char **ret_pin, GError **error)
{
	g_autofree char *source = dup_attribute(uri, "pin-source");

	*ret_pin = dup_attribute(uri, "pin-value");
	if (*ret_pin != NULL || (source == NULL && passphrase == NULL))
		return TRUE;
	if (source == NULL) {
		*ret_pin = passphrase->ask(passphrase->data, uri, error);
		return *ret_pin != NULL;
	}
	const char *path = g_str_has_prefix(source, "file:") ? source + strlen("file:") : source;
	*ret_pin = ash_file_load(AT_FDCWD, path, MAX_PIN_BYTES, NULL, error);
	if (*ret_pin == NULL)
		return ash_prefix(error, "pin-source");
	(*ret_pin)[strcspn(*ret_pin, "\r\n")] = '\0';
	return TRUE;
}

/* pem_password_cb of a PIN that is known. */
static int
give_pin(char *buffer, int size, int writing, void *data)
{
	const char *pin = data;
	gsize length = pin != NULL ? strlen(pin) : 0;

	if (length == 0 || length > (gsize) size)
		return -1;
	memcpy(buffer, pin, length);
	return (int) length;
}

static EVP_PKEY *
find_in_store(OSSL_STORE_CTX *store)
{
	EVP_PKEY *found = NULL;

	while (found == NULL && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
			found = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	return found;
}

static EVP_PKEY *
load_by_provider(const char *uri, char *pin)
{
	UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(give_pin, 0);
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, method, pin, NULL, NULL);
	EVP_PKEY *pkey = NULL;

	if (store != NULL) {
		OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
		pkey = find_in_store(store);
		OSSL_STORE_close(store);
	}
	UI_destroy_method(method);
	return pkey;
}

static AshKey *
throw_not_loaded(const char *uri, GError **error)
{
	g_autofree char *problem = ash_key_dup_openssl_error();

	return ash_throw_null(error, ASH_ERROR_CONFIG,
			      "\"%s\": no such private key on a token, its library cannot be loaded, or the PIN is wrong (%s); \"p11tool --list-all\" or \"pkcs11-tool -O\" "
			      "shows what there is",
			      uri, problem);
}

#ifdef HAVE_ENGINE
static void
free_engine(gpointer engine)
{
	ENGINE_finish(engine);
	ENGINE_free(engine);
}

/* The engine knows but ";" between attributes, and none of the query's that it is given by other ways. Owned. */
static char *
dup_engine_uri(const char *uri)
{
	g_auto(GStrv) parts = g_strsplit_set(uri + strlen("pkcs11:"), ";?&", -1);
	g_autoptr(GString) text = g_string_new("pkcs11:");

	for (char **part = parts; *part != NULL; part++)
		if (!g_str_has_prefix(*part, "module-") && !g_str_has_prefix(*part, "pin-"))
			g_string_append_printf(text, "%s%s", text->str[text->len - 1] == ':' ? "" : ";", *part);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
set_up_engine(ENGINE *engine, const char *uri, const char *pin, GError **error)
{
	g_autofree char *module = dup_attribute(uri, "module-path");

	/* What fails is in our own message. */
	(void) ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 0);
	if ((module == NULL || ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module, 0) == 1) &&
	    (pin == NULL || ENGINE_ctrl_cmd_string(engine, "PIN", pin, 0) == 1) && ENGINE_init(engine) == 1)
		return TRUE;
	g_autofree char *problem = ash_key_dup_openssl_error();
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "\"%s\": the token's library cannot be used (%s); \"module-path=\" in the URI names it", uri, problem);
}

/* A functional reference, or NULL. */
static ENGINE *
open_engine(const char *uri, const char *pin, GError **error)
{
	OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
	ENGINE *engine = ENGINE_by_id("pkcs11");
	if (engine == NULL) {
		ERR_clear_error();
		return ash_throw_null(error, ASH_ERROR_CONFIG, NOT_INSTALLED, uri);
	}
	if (set_up_engine(engine, uri, pin, error))
		return engine;
	ENGINE_free(engine);
	return NULL;
}

static AshKey *
load_by_engine(const char *uri, const char *pin, GError **error)
{
	ENGINE *engine = open_engine(uri, pin, error);

	if (engine == NULL)
		return NULL;
	g_autofree char *engine_uri = dup_engine_uri(uri);
	EVP_PKEY *pkey = ENGINE_load_private_key(engine, engine_uri, NULL, NULL);
	AshKey *key = pkey != NULL ? ash_key_new_from_evp(pkey, true, uri, error) : throw_not_loaded(uri, error);
	if (key != NULL)
		ash_key_keep_token(key, engine, free_engine);
	else
		free_engine(engine);
	return key;
}
#else
static AshKey *
load_by_engine(const char *uri, const char *pin, GError **error)
{
	return ash_throw_null(error, ASH_ERROR_CONFIG, NOT_INSTALLED, uri);
}
#endif

static void
unload_provider(gpointer provider)
{
	OSSL_PROVIDER_unload(provider);
}

static AshKey *
load(const char *uri, char *pin, GError **error)
{
	OSSL_PROVIDER *provider = OSSL_PROVIDER_try_load(NULL, "pkcs11", 1);

	if (provider == NULL) {
		ERR_clear_error();
		return load_by_engine(uri, pin, error);
	}
	EVP_PKEY *pkey = load_by_provider(uri, pin);
	AshKey *key = pkey != NULL ? ash_key_new_from_evp(pkey, true, uri, error) : throw_not_loaded(uri, error);
	if (key != NULL)
		ash_key_keep_token(key, provider, unload_provider);
	else
		unload_provider(provider);
	return key;
}

AshKey *
ash_key_token_load(const char *uri, const AshPassphrase *passphrase, GError **error)
{
	char *pin;

	if (!find_pin(uri, passphrase, &pin, error))
		return NULL;
	AshKey *key = load(uri, pin, error);
	ash_key_file_wipe(pin);
	return key;
}
