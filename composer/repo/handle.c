/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "repo/handle.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <errno.h>
#include <string.h>

#define USER_AGENT "ashlar/" PACKAGE_VERSION
#define PARALLEL_DOWNLOADS 8L

static bool
is_cancelled(AshContext *ctx)
{
	return ctx->cancellable != NULL && g_cancellable_is_cancelled(ctx->cancellable);
}

int
ash_repo_callback_status(AshContext *ctx)
{
	return is_cancelled(ctx) ? LR_CB_ERROR : LR_CB_OK;
}

static int
on_progress(void *data, double total, double now)
{
	return ash_repo_callback_status(data);
}

/* librepo does not pass ENOSPC on; a file system that is full tells. */
static bool
is_full(const char *dir)
{
	ash_autofd int fd = dir != NULL ? ash_fd_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0, NULL) : -1;

	return fd >= 0 && ash_file_is_full(fd);
}

/* librepo tells a size that the server announces wrongly only by its text. */
static bool
is_untrusted(const GError *cause)
{
	return cause->code == LRE_BADCHECKSUM || cause->code == LRE_BADGPG ||
	       strstr(cause->message, "Content-Length") != NULL || strstr(cause->message, "checksum") != NULL;
}

static AshErrorCode
classify(AshContext *ctx, const char *dest_dir, const GError *cause)
{
	if (is_cancelled(ctx) || cause->code == LRE_CBINTERRUPTED || cause->code == LRE_INTERRUPTED)
		return ASH_ERROR_CANCELLED;
	if (is_untrusted(cause))
		return ASH_ERROR_TRUST;
	if (is_full(dest_dir) || strstr(cause->message, g_strerror(ENOSPC)) != NULL)
		return ASH_ERROR_NO_SPACE;
	return ASH_ERROR_FETCH;
}

gboolean
ash_repo_throw(AshContext *ctx, const AshRepoConf *conf, const char *dest_dir, GError *cause, GError **error)
{
	g_autoptr(GError) owned = cause;

	/* Some causes are several lines, such as an XML parser's. */
	g_strdelimit(g_strchomp(owned->message), "\n", ' ');
	return ash_throw(error, classify(ctx, dest_dir, owned), "repository \"%s\": %s", conf->id, owned->message);
}

void
ash_repo_add_detail(GError *cause, const char *mirror_error)
{
	if (mirror_error == NULL || strstr(cause->message, mirror_error) != NULL)
		return;
	g_autofree char *message = g_steal_pointer(&cause->message);
	cause->message = g_strdup_printf("%s: %s", message, mirror_error);
}

/* librepo wants URLs; people write paths. */
static char *
url_of(const char *text)
{
	return g_path_is_absolute(text) ? g_filename_to_uri(text, NULL, NULL) : g_strdup(text);
}

static gboolean
set_urls(LrHandle *handle, const AshRepoConf *conf, const char *first_url, GError **error)
{
	g_autoptr(GPtrArray) urls = g_ptr_array_new_with_free_func(g_free);

	if (first_url != NULL)
		g_ptr_array_add(urls, g_strdup(first_url));
	for (char **url = conf->baseurls; *url != NULL; url++)
		if (g_strcmp0(*url, first_url) != 0)
			g_ptr_array_add(urls, url_of(*url));
	if (urls->len == 0)
		return TRUE;
	g_ptr_array_add(urls, NULL);
	return lr_handle_setopt(handle, error, LRO_URLS, urls->pdata);
}

static gboolean
set_strings(LrHandle *handle, const AshRepoConf *conf, const char *dest_dir, GError **error)
{
	const struct {
		LrHandleOption option;
		const char *value;
	} options[] = {
		{ LRO_DESTDIR, dest_dir },
		{ LRO_USERAGENT, USER_AGENT },
		{ LRO_MIRRORLISTURL, conf->mirrorlist },
		{ LRO_METALINKURL, conf->metalink },
		{ LRO_PROXY, conf->proxy },
		{ LRO_SSLCACERT, conf->sslcacert },
		{ LRO_SSLCLIENTCERT, conf->sslclientcert },
		{ LRO_SSLCLIENTKEY, conf->sslclientkey },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
		if (options[i].value != NULL &&
		    !lr_handle_setopt(handle, error, options[i].option, options[i].value))
			return FALSE;
	return TRUE;
}

static gboolean
set_numbers(LrHandle *handle, const AshRepoConf *conf, GError **error)
{
	const struct {
		LrHandleOption option;
		long value;
	} options[] = {
		{ LRO_REPOTYPE, LR_YUMREPO },
		{ LRO_FETCHMIRRORS, 1 },
		{ LRO_SSLVERIFYPEER, conf->sslverify },
		{ LRO_SSLVERIFYHOST, conf->sslverify },
		{ LRO_PROXY_SSLVERIFYPEER, conf->sslverify },
		{ LRO_PROXY_SSLVERIFYHOST, conf->sslverify },
		{ LRO_MAXPARALLELDOWNLOADS, PARALLEL_DOWNLOADS },
		{ LRO_MAXDOWNLOADSPERMIRROR, PARALLEL_DOWNLOADS },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
		if (!lr_handle_setopt(handle, error, options[i].option, options[i].value))
			return FALSE;
	return TRUE;
}

static gboolean
set_callbacks(LrHandle *handle, AshContext *ctx, GError **error)
{
	return lr_handle_setopt(handle, error, LRO_PROGRESSCB, on_progress) &&
	       lr_handle_setopt(handle, error, LRO_PROGRESSDATA, ctx);
}

static const char *const schemes[] = { "file:///", "http://", "https://" };

static gboolean
check_url(const AshRepoConf *conf, const char *url, GError **error)
{
	for (gsize i = 0; url != NULL && i < G_N_ELEMENTS(schemes); i++)
		if (g_str_has_prefix(url, schemes[i]))
			return TRUE;
	return url == NULL || g_path_is_absolute(url) ||
	       ash_throw(error, ASH_ERROR_CONFIG, "%s: repository \"%s\": \"%s\" is not a file, http or https URL",
			 conf->origin != NULL ? conf->origin : "?", conf->id, url);
}

static gboolean
check_urls(const AshRepoConf *conf, GError **error)
{
	for (char **url = conf->baseurls; *url != NULL; url++)
		if (!check_url(conf, *url, error))
			return FALSE;
	return check_url(conf, conf->mirrorlist, error) && check_url(conf, conf->metalink, error);
}

LrHandle *
ash_repo_handle_new(AshContext *ctx, const AshRepoConf *conf, const char *first_url, const char *dest_dir,
		    GError **error)
{
	g_autoptr(LrHandle) handle = lr_handle_init();
	g_autoptr(LrResult) result = lr_result_init();
	GError *cause = NULL;

	if (conf->baseurls[0] == NULL && conf->mirrorlist == NULL && conf->metalink == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "%s: repository \"%s\": no baseurl, mirrorlist or metalink says where it is",
				      conf->origin != NULL ? conf->origin : "?", conf->id);
	if (!check_urls(conf, error))
		return NULL;
	if (!set_urls(handle, conf, first_url, &cause) || !set_strings(handle, conf, dest_dir, &cause) ||
	    !set_numbers(handle, conf, &cause) || !set_callbacks(handle, ctx, &cause) ||
	    !lr_handle_perform(handle, result, &cause)) {
		ash_repo_throw(ctx, conf, dest_dir, cause, error);
		return NULL;
	}
	return g_steal_pointer(&handle);
}
