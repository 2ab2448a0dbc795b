/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/terminal.h"

#include "base/json.h"
#include "base/size.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 80
#define BAR_COLUMNS 20
/* Steps nested deeper than this are only seen as the item that is worked on. */
#define PLAIN_DEPTH 2

struct AshTerminal {
	AshProgressMode mode;
	gint64 begun_at;
	bool drawn; /* a bar is on the screen */
	/* for the rate of the innermost step */
	char *rate_step;
	gint64 rate_at;
	guint64 rate_done;
};

static const char *const mode_names[] = {
	[ASH_PROGRESS_MODE_AUTO] = "auto", [ASH_PROGRESS_MODE_BAR] = "bar",   [ASH_PROGRESS_MODE_PLAIN] = "plain",
	[ASH_PROGRESS_MODE_JSON] = "json", [ASH_PROGRESS_MODE_NONE] = "none",
};

gboolean
ash_progress_mode_parse(const char *text, AshProgressMode *ret_mode)
{
	for (gsize i = 0; i < G_N_ELEMENTS(mode_names); i++) {
		if (strcmp(text, mode_names[i]) == 0) {
			*ret_mode = (AshProgressMode) i;
			return TRUE;
		}
	}
	return FALSE;
}

AshTerminal *
ash_terminal_new(AshProgressMode mode)
{
	AshTerminal *terminal = g_new0(AshTerminal, 1);
	const char *term = g_getenv("TERM");
	bool can_draw = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;

	if (mode == ASH_PROGRESS_MODE_AUTO)
		mode = can_draw ? ASH_PROGRESS_MODE_BAR : ASH_PROGRESS_MODE_PLAIN;
	terminal->mode = mode;
	terminal->begun_at = g_get_monotonic_time();
	return terminal;
}

void
ash_terminal_clear(AshTerminal *terminal)
{
	if (terminal->drawn)
		fputs("\r\033[K", stderr);
	terminal->drawn = false;
}

void
ash_terminal_free(AshTerminal *terminal)
{
	if (terminal == NULL)
		return;
	ash_terminal_clear(terminal);
	g_free(terminal->rate_step);
	g_free(terminal);
}

static guint
columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return DEFAULT_COLUMNS;
}

/* "12 MiB/s, 0:34 left" of the innermost step; "" while too little is known. */
static char *
format_rate(AshTerminal *terminal, const AshProgressEvent *event)
{
	gint64 now = g_get_monotonic_time();

	if (g_strcmp0(terminal->rate_step, event->step) != 0) {
		g_free(terminal->rate_step);
		terminal->rate_step = g_strdup(event->step);
		terminal->rate_at = now;
		terminal->rate_done = event->done;
	}
	double seconds = (double) (now - terminal->rate_at) / G_TIME_SPAN_SECOND;
	if (seconds < 1 || event->done <= terminal->rate_done || event->total <= event->done)
		return g_strdup("");
	double rate = (double) (event->done - terminal->rate_done) / seconds;
	guint left = (guint) ((double) (event->total - event->done) / rate);
	if (g_strcmp0(event->unit, "B") != 0)
		return g_strdup_printf(", %u:%02u left", left / 60, left % 60);
	g_autofree char *speed = ash_size_format((guint64) rate);
	return g_strdup_printf(", %s/s, %u:%02u left", speed, left / 60, left % 60);
}

/* "340 of 1,024 packages" or "12 MiB of 340 MiB" */
static char *
format_count(const AshProgressEvent *event)
{
	if (event->total == 0)
		return g_strdup("");
	if (g_strcmp0(event->unit, "B") != 0)
		return g_strdup_printf(" %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " %s", event->done,
				       event->total, event->unit != NULL ? event->unit : "");
	g_autofree char *done = ash_size_format(event->done);
	g_autofree char *total = ash_size_format(event->total);
	return g_strdup_printf(" %s/%s", done, total);
}

static void
draw_bar(AshTerminal *terminal, const AshProgressEvent *event)
{
	guint filled = (guint) (event->fraction * BAR_COLUMNS + 0.5);
	g_autofree char *count = format_count(event);
	g_autofree char *rate = format_rate(terminal, event);
	g_autoptr(GString) line = g_string_new("[");

	for (guint i = 0; i < BAR_COLUMNS; i++)
		g_string_append_c(line, i < filled ? '#' : '.');
	g_string_append_printf(line, "] %3d%% %s%s%s", (int) (event->fraction * 100), event->step, count, rate);
	if (event->item != NULL)
		g_string_append_printf(line, "  %s", event->item);
	g_autofree char *fitting = g_utf8_make_valid(line->str, (gssize) MIN(line->len, columns() - 1));
	fprintf(stderr, "\r\033[K%s", fitting);
	fflush(stderr);
	terminal->drawn = true;
}

static void
print_step(AshTerminal *terminal, const AshProgressEvent *event)
{
	if (event->depth >= PLAIN_DEPTH)
		return;
	ash_terminal_clear(terminal);
	fprintf(stderr, "%*s%-*s %7.2f s\n", (int) event->depth * 2, "", 40 - (int) event->depth * 2,
		event->step, event->seconds);
}

static void
print_json(const AshProgressEvent *event)
{
	static const char *const kinds[] = { "begin", "update", "end", "message" };
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_string_member(object, "event", kinds[event->kind]);
	json_object_set_string_member(object, "step", event->step);
	json_object_set_int_member(object, "depth", event->depth);
	json_object_set_double_member(object, "fraction", event->fraction);
	if (event->item != NULL)
		json_object_set_string_member(object, "item", event->item);
	if (event->total > 0) {
		json_object_set_int_member(object, "done", (gint64) event->done);
		json_object_set_int_member(object, "total", (gint64) event->total);
		json_object_set_string_member(object, "unit", event->unit);
	}
	if (event->kind == ASH_PROGRESS_STEP_END)
		json_object_set_double_member(object, "seconds", event->seconds);
	if (event->text != NULL)
		json_object_set_string_member(object, "text", event->text);
	g_autofree char *text = ash_json_object_to_string(object, FALSE);
	fprintf(stderr, "%s\n", text);
}

static void
show(const AshProgressEvent *event, gpointer user_data)
{
	AshTerminal *terminal = user_data;

	if (terminal->mode == ASH_PROGRESS_MODE_NONE)
		return;
	if (terminal->mode == ASH_PROGRESS_MODE_JSON) {
		print_json(event);
		return;
	}
	if (event->kind == ASH_PROGRESS_MESSAGE) {
		ash_terminal_clear(terminal);
		fprintf(stderr, "%s\n", event->text);
	} else if (event->kind == ASH_PROGRESS_STEP_END) {
		print_step(terminal, event);
	} else if (terminal->mode == ASH_PROGRESS_MODE_BAR) {
		draw_bar(terminal, event);
	}
}

AshProgress *
ash_terminal_progress(AshTerminal *terminal)
{
	return ash_progress_new(show, terminal);
}
