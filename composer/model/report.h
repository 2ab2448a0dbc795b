/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * What a node that was told to ([Report] of ashlar-node.conf(5)) says about itself to "ashlar serve": one JSON object, sent by POST to
 * REPORT-URL. It names no host, no user and no address; the node's id is made for this purpose alone.
 */
#define ASH_REPORT_FORMAT 1
/** No report has more bytes of JSON. */
#define ASH_REPORT_MAX_BYTES 4096
/** No reason has more bytes of UTF-8. */
#define ASH_REPORT_MAX_REASON 300
/** Hexadecimal digits of a node's id. */
#define ASH_REPORT_NODE_DIGITS 32

typedef enum {
	ASH_REPORT_OK,       /* runs a version that is not on trial; it may be waiting for its place in a roll-out */
	ASH_REPORT_UPDATING, /* a newer version is fetched, applied, or on trial */
	ASH_REPORT_FAILED,   /* the last update, the version it led to, or a health check failed: see the reason */
} AshReportState;
#define ASH_REPORT_N_STATES 3

/** "ok", "updating", "failed". Static. */
const char *ash_report_state_to_string(AshReportState state);

typedef struct {
	char *ref;      /* NAME/ARCHITECTURE/VARIANT */
	char *channel;
	char *node;     /* ASH_REPORT_NODE_DIGITS hexadecimal digits: see ash_report_make_id() */
	char *version;  /* that runs */
	char *wanted;   /* what the channel has for this node in the end; NULL: nothing newer than what runs */
	AshReportState state;
	int place;      /* in the roll-out of @wanted, else of @version, 0 to 99 (ash_wave_place()); -1: not said */
	char *reason;   /* of a failure, for a person; NULL: none */
} AshReport;

AshReport *ash_report_new(void);
void ash_report_free(AshReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshReport, ash_report_free)

/**
 * The id by which the node with the secret @seed is known at @url: the same there always, another one elsewhere, and nothing can be
 * computed from it. Owned.
 */
char *ash_report_make_id(const char *seed, const char *url);

/** Sets the reason: what is not plain text of one line becomes a blank, and what is too long is cut. NULL: none. */
void ash_report_set_reason(AshReport *report, const char *text);

/** JSON on one line. Owned. */
char *ash_report_format(const AshReport *report);

/**
 * Parses what came from a stranger: strict JSON (base/strictjson.h), all members checked; those not known are left out. ASH_ERROR_TRUST saying
 * what is wrong. Owned.
 */
AshReport *ash_report_parse(const char *text, gsize length, GError **error);
