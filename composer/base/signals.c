/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/signals.h"

#include <pthread.h>
#include <signal.h>

static void
fill_signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

static gpointer
wait_for_signals(gpointer user_data)
{
	AshContext *ctx = user_data;
	sigset_t set;
	int number;

	fill_signal_set(&set);
	for (;;)
		if (sigwait(&set, &number) == 0)
			g_cancellable_cancel(ctx->cancellable);
	return NULL;
}

void
ash_signals_cancel(AshContext *ctx)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	fill_signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	g_thread_unref(g_thread_new("signals", wait_for_signals, ctx));
}

void
ash_signals_unblock(void)
{
	sigset_t set;

	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}
