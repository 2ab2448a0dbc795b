/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/keyfile.h"

#include <stdbool.h>

/** Where passphrases and PINs come from: a file, else the terminal. */
typedef struct {
	AshContext *ctx;
	const char *file;  /* its first line is used; may be NULL */
	const char *option; /* that names the file, in errors; "--passphrase-file" */
	AshPassphrase ask; /* set up by ash_passphrase_source_init() */
} AshPassphraseSource;

/** Fills @source, which must stay where it is: @file and @ctx are borrowed. */
void ash_passphrase_source_init(AshPassphraseSource *source, AshContext *ctx, const char *file);

/** A new passphrase for @what, typed twice on a terminal. Owned, to be wiped. ASH_ERROR_USAGE if they differ or are empty. */
char *ash_passphrase_choose(const AshPassphraseSource *source, const char *what, GError **error);
