/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "serve/site.h"

/** Counters since the start, of one thread. */
typedef struct AshMetrics AshMetrics;
AshMetrics *ash_metrics_new(gint64 started);
void ash_metrics_free(AshMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshMetrics, ash_metrics_free)

/** What became of a report. */
typedef enum {
	ASH_METRICS_REPORT_KEPT,
	ASH_METRICS_REPORT_REFUSED, /* not a report, or not of a system that is published here */
	ASH_METRICS_REPORT_LIMITED, /* one too many from an address, or for the database */
} AshMetricsReport;
#define ASH_METRICS_N_REPORTS 3

/** One reply that is over: its HTTP status, the bytes of its body that were sent, whether the client went away before the end. */
void ash_metrics_count(AshMetrics *metrics, AshSiteClass class, guint status, guint64 bytes, bool aborted);
void ash_metrics_count_report(AshMetrics *metrics, AshMetricsReport report);
/** One connection that there was no room for. */
void ash_metrics_count_refused(AshMetrics *metrics);

/** The text format of Prometheus, version 0.0.4, with gauges for connections open and nodes known (-1: not kept). Owned. */
char *ash_metrics_format(const AshMetrics *metrics, guint connections, gint64 nodes);
