/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/labels.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tree/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <selinux/label.h>
#include <selinux/selinux.h>

struct AshLabels {
	struct selabel_handle *handle;
	bool is_ostree; /* /etc is at /usr/etc */
};

static int
on_selinux_log(int type, const char *format, ...)
{
	return 0;
}

static struct selabel_handle *
open_contexts(const char *path)
{
	struct selinux_opt options[] = {
		{ SELABEL_OPT_PATH, path },
		/* Contexts are checked by the policy of the tree, not by that of this machine, if any. */
		{ SELABEL_OPT_VALIDATE, NULL },
	};
	union selinux_callback callback = { .func_log = on_selinux_log };

	selinux_set_callback(SELINUX_CB_LOG, callback);
	return selabel_open(SELABEL_CTX_FILE, options, G_N_ELEMENTS(options));
}

gboolean
ash_labels_open(const char *root_path, AshLabels **ret_labels, GError **error)
{
	g_autofree char *inside = NULL;
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, root_path, false, error);
	const AshTreeRoot root = { .fd = fd };

	*ret_labels = NULL;
	if (fd < 0 || !ash_selinux_find_contexts(&root, &inside, error))
		return FALSE;
	if (inside == NULL)
		return TRUE;
	/* libselinux opens file_contexts.local and the rest beside it by name. */
	g_autofree char *path = g_build_filename(root_path, inside, NULL);
	struct selabel_handle *handle = open_contexts(path);
	if (handle == NULL)
		return ash_throw_errno(error, "cannot read the SELinux file contexts \"/%s\" of the tree", inside);
	*ret_labels = g_new0(AshLabels, 1);
	(*ret_labels)->handle = handle;
	(*ret_labels)->is_ostree = g_str_has_prefix(inside, "usr/");
	return TRUE;
}

void
ash_labels_free(AshLabels *labels)
{
	if (labels == NULL)
		return;
	selabel_close(labels->handle);
	g_free(labels);
}

char *
ash_labels_lookup(const char *path, guint32 mode, gpointer labels)
{
	AshLabels *self = labels;
	char *context = NULL;

	if (self->is_ostree && (g_str_equal(path, "/usr/etc") || g_str_has_prefix(path, "/usr/etc/")))
		path += strlen("/usr");
	if (selabel_lookup_raw(self->handle, &context, path, (int) mode) < 0)
		return NULL;
	char *owned = g_strdup(context);
	freecon(context);
	return owned;
}
