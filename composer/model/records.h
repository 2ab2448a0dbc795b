/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/record.h"

/*
 * Tables of fields (base/record.h): what a worker process is given of each struct, and what the key of a
 * tree is computed from.
 */

/** AshSpec, all that shapes a tree: repositories and the package request are not in it, the lock is what counts of them, nor the boot loader's options. */
extern const AshField ash_spec_fields[];
/** AshScriptSpec, whole. */
extern const AshField ash_script_spec_fields[];
/** AshImageType, all that shapes a tree: disks and archives are written later, from the commit. */
extern const AshField ash_image_type_tree_fields[];
/** AshPackageRequest, whole. */
extern const AshField ash_package_request_fields[];
/** AshPackageRequest, all that shapes a transaction beyond the lock. */
extern const AshField ash_install_option_fields[];
