/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmheaders.h"

#include "base/error.h"
#include "install/rpmconfig.h"

#include <fcntl.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmts.h>

static gboolean
read_all(rpmts ts, const char *root, AshRpmHeaderFunc func, gpointer user_data, GError **error)
{
	rpmdbMatchIterator iterator;
	Header header;

	/* They were checked when they were installed. */
	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (rpmtsSetRootDir(ts, root) != 0 || rpmtsOpenDB(ts, O_RDONLY) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "librpm cannot read the package database");
	iterator = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	while ((header = rpmdbNextIterator(iterator)) != NULL)
		func(header, user_data);
	rpmdbFreeIterator(iterator);
	return TRUE;
}

gboolean
ash_rpm_headers_read(const char *root, AshRpmHeaderFunc func, gpointer user_data, GError **error)
{
	if (!ash_rpm_configure(error))
		return FALSE;
	rpmts ts = rpmtsCreate();
	gboolean ok = read_all(ts, root, func, user_data, error);
	rpmtsFree(ts);
	return ok;
}
