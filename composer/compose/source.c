/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/source.h"

#include "archive/ocilayout.h"
#include "archive/treereader.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strictjson.h"
#include "compose/encapsulate.h"
#include "store/pull.h"
#include "store/unencapsulate.h"

#include <string.h>

#define BASEARCH "x86_64"

struct AshSource {
	const AshOstreeSpec *spec;
	char *ref;              /* at the remote, variables replaced */
	AshEncapsulated commit; /* of either kind */
	AshFsTree *layers;      /* of a container */
};

void
ash_source_free(AshSource *source)
{
	if (source == NULL)
		return;
	g_free(source->ref);
	ash_encapsulated_clear(&source->commit);
	g_clear_pointer(&source->layers, ash_fs_tree_free);
	g_free(source);
}

const char *
ash_source_get_commit(const AshSource *source)
{
	return source->commit.checksum;
}

const char *
ash_source_get_version(const AshSource *source)
{
	return source->commit.version;
}

guint64
ash_source_get_timestamp(const AshSource *source)
{
	return source->commit.timestamp;
}

static const char *
command_of(const AshOstreeSpec *spec)
{
	return spec->container ? "ostreecontainer" : "ostreesetup";
}

static AshPullSource
make_pull_source(const AshSource *source)
{
	const AshOstreeSpec *spec = source->spec;

	return (AshPullSource){ .url = spec->url, .remote = spec->remote, .ref = source->ref, .verify = spec->verify };
}

/* "fedora/38/${basearch}/silverblue", as installers read it. */
static char *
dup_ref(const char *ref)
{
	g_autoptr(GString) text = g_string_new(ref);

	g_string_replace(text, "${basearch}", BASEARCH, 0);
	g_string_replace(text, "$basearch", BASEARCH, 0);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
find_at_remote(AshContext *ctx, AshSource *source, GError **error)
{
	source->ref = dup_ref(source->spec->ref);
	const AshPullSource pull = make_pull_source(source);

	source->commit.checksum = ash_pull_find(ctx, &pull, &source->commit.version, &source->commit.timestamp, error);
	return source->commit.checksum != NULL;
}

/* Files on this machine; and a signature that can be checked, or none wanted. */
static gboolean
check_container(const AshOstreeSpec *spec, GError **error)
{
	if (strcmp(spec->transport, "oci-archive") != 0 && strcmp(spec->transport, "oci") != 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: ostreecontainer: transport \"%s\" is not carried out: fetch the image into a file (skopeo copy docker://%s oci-archive:FILE), "
				 "and say --transport=oci-archive --url=FILE",
				 spec->origin, spec->transport, spec->url);
	if (spec->verify && spec->remote == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: ostreecontainer: signatures of containers are not checked: say --no-signature-verification, or --remote=NAME if "
				 "the commit in it is signed with a key that OSTree of this machine trusts",
				 spec->origin);
	return TRUE;
}

/* An image that was derived from one of a commit has more layers: what is in them is not in the commit. */
static gboolean
check_layers(const AshFsTree *members, GError **error)
{
	g_autoptr(JsonNode) config = ash_oci_layout_load_config(members, error);
	JsonObject *inner = config != NULL ? ash_strict_json_object(json_node_get_object(config), "config", error) : NULL;
	JsonObject *labels = inner != NULL ? ash_strict_json_object(inner, "Labels", error) : NULL;
	JsonObject *rootfs = labels != NULL ? ash_strict_json_object(json_node_get_object(config), "rootfs", error) : NULL;
	g_auto(GStrv) diff_ids = rootfs != NULL ? ash_strict_json_strv(rootfs, "diff_ids", error) : NULL;

	if (diff_ids == NULL)
		return FALSE;
	const char *last = ash_json_get_string_optional(labels, ASH_ENCAPSULATE_LAST_LABEL);
	guint count = g_strv_length(diff_ids);
	if (last != NULL && (count == 0 || strcmp(diff_ids[count - 1], last) != 0))
		return ash_throw(error, ASH_ERROR_CONFIG, "it has layers on top of those of its commit: name the image that it was derived from");
	return TRUE;
}

static gboolean
load_container(AshContext *ctx, AshSource *source, GError **error)
{
	g_autoptr(AshFsTree) members = ash_treereader_load_layout(ctx, source->spec->url, error);

	if (members == NULL)
		return FALSE;
	if (!check_layers(members, error))
		return ash_prefix(error, "\"%s\"", source->spec->url);
	source->layers = ash_treereader_load_layers(ctx, members, error);
	return (source->layers != NULL && ash_store_find_encapsulated(source->layers, &source->commit, error)) ||
	       ash_prefix(error, "\"%s\"", source->spec->url);
}

static gboolean
prefix_source(const AshSource *source, GError **error)
{
	return ash_prefix(error, "%s: %s", source->spec->origin, command_of(source->spec));
}

AshSource *
ash_source_find(AshContext *ctx, const AshOstreeSpec *spec, GError **error)
{
	g_autoptr(AshSource) source = g_new0(AshSource, 1);

	source->spec = spec;
	if (spec->container && !check_container(spec, error))
		return NULL;
	if (spec->container ? !load_container(ctx, source, error) : !find_at_remote(ctx, source, error))
		return prefix_source(source, error), NULL;
	return g_steal_pointer(&source);
}

/* That of a repository was checked when it was found: libostree keeps none whose signature is wrong. */
static gboolean
check_signature(AshContext *ctx, const AshSource *source, AshStore *store, GError **error)
{
	return !source->spec->container || !source->spec->verify || ash_pull_verify(ctx, store, source->commit.checksum, error);
}

gboolean
ash_source_look_up(AshContext *ctx, const AshSource *source, AshStore *store, bool *ret_has, GError **error)
{
	bool has = false;

	if (!ash_pull_has(store, source->commit.checksum, &has, error))
		return FALSE;
	/* It may be there from a build that asked for no signature. */
	if (has && !check_signature(ctx, source, store, error))
		return prefix_source(source, error);
	*ret_has = has;
	return TRUE;
}

static gboolean
bring_container(AshContext *ctx, const AshSource *source, AshStore *store, GError **error)
{
	return ash_store_import_encapsulated(ctx, store, source->layers, source->commit.checksum, error) && check_signature(ctx, source, store, error);
}

gboolean
ash_source_bring(AshContext *ctx, const AshSource *source, AshStore *store, GError **error)
{
	const AshPullSource pull = make_pull_source(source);
	gboolean done = source->spec->container ? bring_container(ctx, source, store, error)
						: ash_pull_commit(ctx, store, &pull, source->commit.checksum, error);

	return done || prefix_source(source, error);
}
