/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Where some bytes of the new image come from. */
typedef enum {
	ASH_DELTA_COPY,  /* they are in the old image */
	ASH_DELTA_ADD,   /* they are in the old image but for some bytes: differences are in the delta */
	ASH_DELTA_EXTRA, /* they are in the delta */
	ASH_DELTA_ZERO,  /* they are zero */
} AshDeltaOpKind;

/** A step of a delta: steps make the new image from its start to its end. */
typedef struct {
	AshDeltaOpKind kind;
	guint64 length; /* bytes */
	guint64 old;    /* byte offset in the old image: of ASH_DELTA_COPY and ASH_DELTA_ADD */
} AshDeltaOp;
