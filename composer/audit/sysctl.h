/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/**
 * AshSysctl: what sysctl.d(5) sets when a system starts: files of /etc, /run, /usr/local/lib and /usr/lib in the order of their
 * names, one of several of the same name counts; later settings win; keys named in full win over patterns.
 */
typedef struct AshSysctl AshSysctl;

/** Empty. */
AshSysctl *ash_sysctl_new(void);
void ash_sysctl_free(AshSysctl *sysctl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSysctl, ash_sysctl_free)
/** Adds the settings of one file. @path is kept with them. */
void ash_sysctl_parse(AshSysctl *sysctl, const char *text, const char *path);
/** The value of "fs/protected_symlinks", and where it is set (may be NULL). Borrowed; NULL if nothing sets it. */
const char *ash_sysctl_get(const AshSysctl *sysctl, const char *key, const char **ret_path);

/** The rules "sysctl-*". */
void ash_sysctl_check(const AshAudit *audit);
