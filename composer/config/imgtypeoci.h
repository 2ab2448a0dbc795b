/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/imgtypecheck.h"

/**
 * Checks the keys of table "oci", which become the configuration of a container image (OCI image specification 1.1, config.md) and
 * its annotations (annotations.md). ASH_ERROR_CONFIG "file:line: key: ...".
 */
gboolean ash_img_check_oci(AshImgLoader *loader, const char *file, GError **error);
