/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/metrics.h"

#define STATUS_LEAST 100
#define STATUS_END   600

typedef struct {
	guint64 requests, bytes;
} Count;

struct AshMetrics {
	gint64 started;
	Count counts[ASH_SITE_N_CLASSES][STATUS_END - STATUS_LEAST];
	guint64 aborted[ASH_SITE_N_CLASSES];
	guint64 reports[ASH_METRICS_N_REPORTS];
	guint64 refused;
};

static const char *const report_names[ASH_METRICS_N_REPORTS] = { "kept", "refused", "limited" };

AshMetrics *
ash_metrics_new(gint64 started)
{
	AshMetrics *metrics = g_new0(AshMetrics, 1);

	metrics->started = started;
	return metrics;
}

void
ash_metrics_free(AshMetrics *metrics)
{
	g_free(metrics);
}

void
ash_metrics_count(AshMetrics *metrics, AshSiteClass class, guint status, guint64 bytes, bool aborted)
{
	if (status < STATUS_LEAST || status >= STATUS_END)
		status = STATUS_END - 1;
	Count *count = &metrics->counts[class][status - STATUS_LEAST];
	count->requests++;
	count->bytes += bytes;
	if (aborted)
		metrics->aborted[class]++;
}

void
ash_metrics_count_report(AshMetrics *metrics, AshMetricsReport report)
{
	metrics->reports[report]++;
}

void
ash_metrics_count_refused(AshMetrics *metrics)
{
	metrics->refused++;
}

static void
begin_family(GString *text, const char *name, const char *type, const char *help)
{
	g_string_append_printf(text, "# HELP ashlar_serve_%s %s\n# TYPE ashlar_serve_%s %s\n", name, help, name, type);
}

static void
add_counts(GString *text, const AshMetrics *metrics, const char *name, gsize member)
{
	for (guint class = 0; class < ASH_SITE_N_CLASSES; class++)
		for (guint i = 0; i < STATUS_END - STATUS_LEAST; i++) {
			const Count *count = &metrics->counts[class][i];
			if (count->requests > 0)
				g_string_append_printf(text, "ashlar_serve_%s{class=\"%s\",status=\"%u\"} %" G_GUINT64_FORMAT "\n", name,
						       ash_site_class_to_string((AshSiteClass) class), i + STATUS_LEAST,
						       G_STRUCT_MEMBER(guint64, count, member));
		}
}

static void
add_gauges(GString *text, const AshMetrics *metrics, guint connections, gint64 nodes)
{
	begin_family(text, "connections", "gauge", "Connections open now.");
	g_string_append_printf(text, "ashlar_serve_connections %u\n", connections);
	begin_family(text, "connections_refused_total", "counter", "Connections that there was no room for.");
	g_string_append_printf(text, "ashlar_serve_connections_refused_total %" G_GUINT64_FORMAT "\n", metrics->refused);
	if (nodes >= 0) {
		begin_family(text, "nodes", "gauge", "Nodes whose last report is kept.");
		g_string_append_printf(text, "ashlar_serve_nodes %" G_GINT64_FORMAT "\n", nodes);
	}
	begin_family(text, "start_time_seconds", "gauge", "When this server was started, seconds since 1970.");
	g_string_append_printf(text, "ashlar_serve_start_time_seconds %" G_GINT64_FORMAT "\n", metrics->started);
}

char *
ash_metrics_format(const AshMetrics *metrics, guint connections, gint64 nodes)
{
	GString *text = g_string_new(NULL);

	begin_family(text, "requests_total", "counter", "Requests answered, by what was asked for and HTTP status.");
	add_counts(text, metrics, "requests_total", G_STRUCT_OFFSET(Count, requests));
	begin_family(text, "response_bytes_total", "counter", "Bytes of bodies sent.");
	add_counts(text, metrics, "response_bytes_total", G_STRUCT_OFFSET(Count, bytes));
	begin_family(text, "aborted_total", "counter", "Replies that were not taken to their end.");
	for (guint class = 0; class < ASH_SITE_N_CLASSES; class++)
		if (metrics->aborted[class] > 0)
			g_string_append_printf(text, "ashlar_serve_aborted_total{class=\"%s\"} %" G_GUINT64_FORMAT "\n",
					       ash_site_class_to_string((AshSiteClass) class), metrics->aborted[class]);
	begin_family(text, "reports_total", "counter", "Reports of nodes, by what became of them.");
	for (guint i = 0; i < ASH_METRICS_N_REPORTS; i++)
		g_string_append_printf(text, "ashlar_serve_reports_total{result=\"%s\"} %" G_GUINT64_FORMAT "\n", report_names[i],
				       metrics->reports[i]);
	add_gauges(text, metrics, connections, nodes);
	return g_string_free(text, FALSE);
}
