/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/artifact.h"

#include "archive/oci.h"
#include "archive/tar.h"
#include "archive/wsl.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/record.h"
#include "compose/commitlabels.h"
#include "compose/encapsulate.h"
#include "compose/layers.h"
#include "compose/mkfsroot.h"
#include "compose/vartree.h"
#include "config/kickstart.h"
#include "config/kslayout.h"
#include "disk/image/image.h"
#include "store/history.h"
#include "store/sysroot.h"
#include "store/tree.h"

#include <fcntl.h>
#include <string.h>

static const AshField notes_fields[] = {
	ASH_FIELD(AshImageNotes, name, ASH_FIELD_STRING),
	ASH_FIELD(AshImageNotes, kernel_append, ASH_FIELD_STRING),
	ASH_FIELD(AshImageNotes, boot_timeout, ASH_FIELD_INT),
	ASH_FIELD(AshImageNotes, disks, ASH_FIELD_STRING),
	{ NULL },
};

/* What every writer of one kind of artifact is given. */
typedef struct {
	AshContext *ctx;
	AshFsTree *tree;
	AshFsTree *var_tree; /* or NULL */
	const AshImageType *type;
	const AshImageNotes *notes;
	const AshCommitInfo *info;
	const char *out_dir;
	char *stem; /* file name without extension: NAME-TYPE */
	const char *leaf_cache; /* in the store */
	AshUuid seed;
	const AshImageOptions *options;
	AshMkfsRoot mkfs_root;
	GPtrArray *artifacts;
} Job;

char *
ash_image_notes_format(const AshImageNotes *notes)
{
	JsonObject *object = ash_record_to_json(notes, notes_fields, TRUE);
	char *text = ash_json_object_to_string(object, FALSE);

	json_object_unref(object);
	return text;
}

static void
notes_clear(AshImageNotes *notes)
{
	g_clear_pointer(&notes->name, g_free);
	g_clear_pointer(&notes->kernel_append, g_free);
	g_clear_pointer(&notes->disks, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshImageNotes, notes_clear)

/* @given: JSON in place of the commit's own, or NULL. */
static gboolean
load_notes(AshStore *store, const char *commit, const char *given, AshImageNotes *notes, GError **error)
{
	g_autofree char *text = given != NULL ? g_strdup(given) : ash_store_get_metadata(store, commit, ASH_IMAGE_NOTES_KEY, error);

	if (text == NULL)
		return ash_prefix(error, "commit \"%s\" was not made by \"ashlar build\"", commit);
	JsonObject *object = ash_json_parse_object(text, -1, ASH_IMAGE_NOTES_KEY, error);
	if (object == NULL)
		return FALSE;
	gboolean ok = ash_record_from_json(notes, notes_fields, object, error);
	json_object_unref(object);
	if (ok && notes->name == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "commit \"%s\" does not name its system", commit);
	return ok;
}

gboolean
ash_artifact_apply_disks(AshStore *store, const char *commit, AshImageType *type, GError **error)
{
	g_auto(AshImageNotes) notes = { .boot_timeout = -1 };

	if (!load_notes(store, commit, NULL, &notes, error))
		return FALSE;
	if (notes.disks == NULL)
		return TRUE;
	g_autoptr(AshSpec) spec = ash_kickstart_parse(notes.disks, strlen(notes.disks), notes.name, NULL, NULL, error);
	return spec != NULL && ash_kslayout_apply(spec, type, spec->notices, error);
}

/* Adds the file that was just written. */
static gboolean
add_artifact(Job *job, const char *path, const char *format, GError **error)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, path, &st, error))
		return FALSE;
	g_autofree char *sha256 = ash_sha256_fd_hex(fd, error);
	if (sha256 == NULL)
		return FALSE;
	AshArtifact *artifact = g_new0(AshArtifact, 1);
	artifact->type = g_strdup(job->type->name);
	artifact->path = g_canonicalize_filename(path, NULL);
	artifact->format = g_strdup(format);
	artifact->size = (guint64) st.st_size;
	artifact->sha256 = g_steal_pointer(&sha256);
	artifact->commit = g_strdup(job->info->checksum);
	g_ptr_array_add(job->artifacts, artifact);
	return TRUE;
}

/* What "ostree admin" works on. */
static AshFsTree *
make_sysroot(const char *cmdline, gpointer user_data, GError **error)
{
	const Job *job = user_data;
	const AshImageType *type = job->type;
	const char *osname = type->ostree_osname != NULL ? type->ostree_osname : job->notes->name;
	g_autoptr(AshLabels) labels = NULL;

	if (!ash_commit_labels_open(job->tree, &labels, error))
		return NULL;
	const AshSysrootOptions options = {
		.commit = job->info->checksum,
		.osname = osname,
		.remote = type->ostree_remote != NULL ? type->ostree_remote : osname,
		.url = type->ostree_url,
		.verify = type->ostree_verify,
		.ref = type->ostree_ref != NULL ? type->ostree_ref : job->info->ref,
		.cmdline = cmdline,
		.timeout = job->notes->boot_timeout >= 0 ? (guint) job->notes->boot_timeout : type->boot_timeout,
		.epoch = job->info->timestamp,
		.label = labels != NULL ? ash_labels_lookup : NULL,
		.label_data = labels,
	};

	return ash_store_make_sysroot(job->mkfs_root.store, &options, error);
}

/* What a container is made of besides the tree itself. */
typedef struct {
	AshLayers *layers;
	GPtrArray *trees;
	const char *last_layer_label;
} Deal;

static void
deal_clear(Deal *deal)
{
	g_clear_pointer(&deal->layers, ash_layers_free);
	g_clear_pointer(&deal->trees, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Deal, deal_clear)

static gboolean
deal_by_packages(const Job *job, GHashTable *labels, Deal *deal, GError **error)
{
	return ash_compose_layers(job->tree, (guint) job->type->oci_layers, &deal->layers, error);
}

/* As ostree-ext reads it. */
static gboolean
deal_commit(const Job *job, GHashTable *labels, Deal *deal, GError **error)
{
	deal->trees = ash_encapsulate(job->mkfs_root.store, job->info->checksum, job->tree, (guint) job->type->oci_layers, labels, error);
	deal->last_layer_label = ASH_ENCAPSULATE_LAST_LABEL;
	return deal->trees != NULL;
}

/* By AshSystemKind. */
static const struct {
	AshRootTreeMaker make_root_tree; /* what the root of a disk has, if that is not the tree; else NULL */
	gboolean (*deal)(const Job *job, GHashTable *labels, Deal *deal, GError **error); /* layers of a container */
} systems[] = {
	[ASH_SYSTEM_ATOMIC] = { NULL, deal_by_packages },
	[ASH_SYSTEM_TRADITIONAL] = { NULL, deal_by_packages },
	[ASH_SYSTEM_OSTREE] = { make_sysroot, deal_commit },
};

/* *@ret_previous, owned, must live as long as the request is used. */
static gboolean
make_disk_request(Job *job, AshErofsLayout **ret_previous, AshDiskRequest *ret_request, GError **error)
{
	GBytes *anchor = job->options->anchor;
	AshErofsLayout *previous = anchor != NULL ? ash_erofs_layout_parse(anchor, error) : NULL;

	if (anchor != NULL && previous == NULL)
		return ash_prefix(error, "anchor");
	*ret_previous = previous;
	*ret_request = (AshDiskRequest){
		.tree = job->tree,
		.var_tree = job->var_tree,
		.type = job->type,
		.name = job->notes->name,
		.version = job->info->version,
		.stem = job->stem,
		.seed = job->seed,
		.epoch = job->info->timestamp,
		.kernel_append = job->notes->kernel_append,
		.boot_timeout = job->notes->boot_timeout,
		.output_dir = job->out_dir,
		.commit = job->info->checksum,
		.checksums = job->options->checksums,
		.layout = true,
		.pcr_key = job->options->pcr_key,
		.signer = job->options->signer,
		.secrets = job->options->keys != NULL ? &job->options->keys->disk : NULL,
		.previous_layout = previous,
		.leaf_cache = job->leaf_cache,
		.initrd_ahead = job->options->initrd_ahead,
		.make_root = job->type->root_writer == ASH_ROOT_WRITER_MKFS_EROFS ? ash_mkfs_root_make : NULL,
		.make_root_data = &job->mkfs_root,
		.make_root_tree = systems[job->type->system].make_root_tree,
		.make_root_tree_data = job,
	};
	return TRUE;
}

static gboolean
write_disk(Job *job, GError **error)
{
	g_autoptr(AshErofsLayout) previous = NULL;
	AshDiskRequest request;

	return make_disk_request(job, &previous, &request, error) && ash_disk_build(job->ctx, &request, job->artifacts, error);
}

/* NAME=VALUE strings as a table that owns its strings. */
static GHashTable *
pairs_to_table(char **pairs)
{
	GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	for (; *pairs != NULL; pairs++) {
		const char *equals = strchr(*pairs, '=');
		if (equals != NULL)
			g_hash_table_insert(table, g_strndup(*pairs, (gsize) (equals - *pairs)), g_strdup(equals + 1));
	}
	return table;
}

static gboolean
write_oci(Job *job, GError **error)
{
	const AshImageType *type = job->type;
	g_autofree char *path = g_strdup_printf("%s/%s.oci.tar", job->out_dir, job->stem);
	g_autoptr(GHashTable) labels = pairs_to_table(type->oci_labels);
	g_autoptr(GHashTable) annotations = pairs_to_table(type->oci_annotations);
	g_auto(Deal) deal = { 0 };

	if (!systems[type->system].deal(job, labels, &deal, error))
		return FALSE;
	const AshOciOptions options = {
		.architecture = "x86_64",
		.epoch = job->info->timestamp,
		.title = job->notes->name,
		.version = job->info->version,
		.ref_name = "latest",
		.env = (const char *const *) type->oci_env,
		.entrypoint = (const char *const *) type->oci_entrypoint,
		.cmd = (const char *const *) type->oci_cmd,
		.user = type->oci_user,
		.working_dir = type->oci_workdir,
		.labels = labels,
		.annotations = annotations,
		.ports = (const char *const *) type->oci_ports,
		.volumes = (const char *const *) type->oci_volumes,
		.stop_signal = type->oci_stop_signal,
		.layers = deal.layers,
		.trees = deal.trees,
		.last_layer_label = deal.last_layer_label,
		.compression = type->compression,
		.level = MAX(type->compression_level, 0),
	};

	return ash_oci_write_file(job->ctx, job->tree, &options, path, error) &&
	       add_artifact(job, path, "oci-archive", error);
}

/* The second part of NAME/ARCHITECTURE/VARIANT. Owned. */
static char *
dup_architecture(const AshCommitInfo *info)
{
	g_auto(GStrv) parts = g_strsplit(info->ref != NULL ? info->ref : "", "/", -1);

	return g_strdup(g_strv_length(parts) == 3 ? parts[1] : "x86_64");
}

/* For "wsl --install"; only who knows where the file will be can have one. */
static gboolean
write_wsl_manifest(Job *job, GError **error)
{
	const AshImageType *type = job->type;
	const AshArtifact *file = g_ptr_array_index(job->artifacts, job->artifacts->len - 1);
	const char *name = type->wsl_default_name != NULL ? type->wsl_default_name : job->notes->name;
	g_autofree char *path = g_strdup_printf("%s/%s.DistributionInfo.json", job->out_dir, job->stem);
	g_autofree char *file_name = g_path_get_basename(file->path), *architecture = dup_architecture(job->info);
	g_autofree char *friendly_name = type->wsl_friendly_name != NULL ? g_strdup(type->wsl_friendly_name)
									 : g_strjoin(" ", name, job->info->version, NULL);
	const AshWslEntry entry = {
		.name = name,
		.flavor = type->wsl_flavor,
		.friendly_name = friendly_name,
		.architecture = architecture,
		.url = type->wsl_url,
		.file_name = file_name,
		.sha256 = file->sha256,
	};

	if (type->wsl_url == NULL || *type->wsl_url == '\0')
		return TRUE;
	return ash_wsl_manifest_write_file(&entry, path, error) && add_artifact(job, path, "wsl-manifest", error);
}

static gboolean
write_wsl(Job *job, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s/%s.wsl", job->out_dir, job->stem);

	return ash_wsl_write_file(job->ctx, job->tree, MAX(job->type->compression_level, 0), path, error) &&
	       add_artifact(job, path, "wsl", error) && write_wsl_manifest(job, error);
}

static gboolean
write_tar(Job *job, GError **error)
{
	static const char *const extensions[] = {
		[ASH_COMPRESS_NONE] = "tar", [ASH_COMPRESS_GZIP] = "tar.gz", [ASH_COMPRESS_ZSTD] = "tar.zst"
	};
	const AshTarOptions options = { .prefix = "./" };
	g_autofree char *path =
		g_strdup_printf("%s/%s.%s", job->out_dir, job->stem, extensions[job->type->compression]);

	return ash_tar_write_file(job->ctx, job->tree, &options, job->type->compression,
				  MAX(job->type->compression_level, 0), path, error) &&
	       add_artifact(job, path, "tar", error);
}

/* By AshImageKind. */
static gboolean (*const writers[])(Job *job, GError **error) = {
	[ASH_IMAGE_DISK] = write_disk,
	[ASH_IMAGE_OCI] = write_oci,
	[ASH_IMAGE_WSL] = write_wsl,
	[ASH_IMAGE_TAR] = write_tar,
};

/*
 * The commit's checksum covers the whole content and its version; two image types get different identifiers, so that their
 * disks can be attached to one machine.
 */
static AshUuid
default_seed(const char *commit, const char *type)
{
	AshUuid base;
	guint8 sum[ASH_SHA256_SIZE];

	ash_sha256(commit, strlen(commit), sum);
	memcpy(base.bytes, sum, sizeof(base.bytes));
	return ash_uuid_derive(&base, type);
}

/* Another program's commit need not say what ours do. */
static void
complete_info(AshCommitInfo *info, const AshImageNotes *notes, const AshImageType *type)
{
	if (info->ref == NULL)
		info->ref = g_strdup_printf("%s/x86_64/%s", notes->name, type->variant);
	if (info->version == NULL)
		info->version = g_strndup(info->checksum, ASH_COMMIT_SHORT_LENGTH);
}

gboolean
ash_artifact_write(AshContext *ctx, AshStore *store, const char *commit, const AshImageType *type,
		   const char *out_dir, const AshImageOptions *options, GPtrArray *artifacts, GError **error)
{
	g_auto(AshImageNotes) notes = { .boot_timeout = -1 };
	g_autoptr(AshCommitInfo) info = ash_store_info(store, commit, error);

	if (info == NULL || !load_notes(store, info->checksum, options->notes, &notes, error))
		return FALSE;
	complete_info(info, &notes, type);
	g_autoptr(AshFsTree) tree = ash_store_load_tree(store, info->checksum, error);
	if (tree == NULL)
		return FALSE;
	g_autoptr(AshFsTree) var_tree = ash_var_tree_new(tree);
	g_autofree char *stem = g_strdup_printf("%s-%s", notes.name, type->name);
	g_autofree char *leaf_cache = g_build_filename(ash_store_get_dir(store), "leaves", NULL);
	Job job = {
		.ctx = ctx,
		.tree = tree,
		.var_tree = var_tree,
		.type = type,
		.notes = &notes,
		.info = info,
		.out_dir = out_dir,
		.stem = stem,
		.leaf_cache = leaf_cache,
		.seed = options->seed != NULL ? *options->seed : default_seed(info->checksum, type->name),
		.options = options,
		.mkfs_root = { store, info->checksum },
		.artifacts = artifacts,
	};
	return writers[type->kind](&job, error) ? TRUE : ash_prefix(error, "image type \"%s\"", type->name);
}

void
ash_artifact_identity_clear(AshArtifactIdentity *identity)
{
	g_clear_pointer(&identity->commit, g_free);
	g_clear_pointer(&identity->ref, g_free);
	g_clear_pointer(&identity->name, g_free);
	g_clear_pointer(&identity->version, g_free);
	g_clear_pointer(&identity->architecture, g_free);
}

/* A ref is NAME/ARCHITECTURE/VARIANT. */
static gboolean
identify(const AshCommitInfo *info, const AshImageNotes *notes, AshArtifactIdentity *ret, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(info->ref != NULL ? info->ref : "", "/", -1);

	if (g_strv_length(parts) != 3 || info->version == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "commit \"%s\" has no ref or version: it was not made by \"ashlar build\"",
				 info->checksum);
	ret->commit = g_strdup(info->checksum);
	ret->ref = g_strdup(info->ref);
	ret->name = g_strdup(notes->name);
	ret->version = g_strdup(info->version);
	ret->architecture = g_strdup(parts[1]);
	ret->timestamp = info->timestamp;
	return TRUE;
}

gboolean
ash_artifact_write_parts(AshContext *ctx, AshStore *store, const char *commit, const AshImageType *type, const char *out_dir,
			 const AshImageOptions *options, AshDiskParts *ret_parts, AshArtifactIdentity *ret_identity, GError **error)
{
	g_auto(AshImageNotes) notes = { .boot_timeout = -1 };
	g_autoptr(AshCommitInfo) info = ash_store_info(store, commit, error);
	g_autoptr(AshErofsLayout) previous = NULL;
	AshDiskRequest request;

	if (info == NULL || !load_notes(store, info->checksum, NULL, &notes, error) || !identify(info, &notes, ret_identity, error))
		return FALSE;
	g_autoptr(AshFsTree) tree = ash_store_load_tree(store, info->checksum, error);
	Job job = {
		.ctx = ctx,
		.tree = tree,
		.type = type,
		.notes = &notes,
		.info = info,
		.out_dir = out_dir,
		.stem = (char *) "slot",
		.seed = options->seed != NULL ? *options->seed : default_seed(info->checksum, type->name),
		.options = options,
		.mkfs_root = { store, info->checksum },
	};
	return tree != NULL && make_disk_request(&job, &previous, &request, error) &&
	       ash_disk_parts_write(ctx, &request, ret_parts, error);
}
