/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/imagetype.h"

/**
 * Carries out what @spec says about disks in the layout of @type, as far as such a type can have it, and, if the system is a commit
 * (ostreesetup, ostreecontainer), where its upgrades come from; its digest changes with them. What is said and has no place in it is a line in @notices (of char *) if the system is the same without, else
 * ASH_ERROR_CONFIG "file:line: command: what is wrong" with what to do. Types without a disk stay as they are.
 */
gboolean ash_kslayout_apply(const AshSpec *spec, AshImageType *type, GPtrArray *notices, GError **error);
