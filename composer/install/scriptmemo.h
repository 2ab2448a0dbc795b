/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/scriptresult.h"
#include "install/scripttrace.h"

/**
 * AshScriptMemo: what scriptlets did in earlier transactions, and what each depended on. As in base/inputcache.h, a key stands for what
 * is known beforehand (text, arguments, environment); under it are the last few runs, each a list of inputs with their
 * states and a list of results. In the directory: KEY.manifest, and KEY-DIGEST.img for each file among the results.
 * Everything is checked by digest when it is used; what is damaged, missing or of another version does not exist.
 */
typedef struct AshScriptMemo AshScriptMemo;

/** One run of a scriptlet that ended well. */
typedef struct {
	char *stdin_digest; /* hex; NULL: it did not read its standard input */
	char *output;       /* what it wrote to standard output and error */
	GPtrArray *inputs;  /* of AshScriptInput */
	GPtrArray *results; /* of AshScriptResult, by path */
} AshScriptRun;

AshScriptRun *ash_script_run_new(void);
void ash_script_run_free(AshScriptRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptRun, ash_script_run_free)

/** The directory @dir is made when needed, and stays open. */
AshScriptMemo *ash_script_memo_new(const char *dir, GError **error);
void ash_script_memo_free(AshScriptMemo *memo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptMemo, ash_script_memo_free)

/** The digests of shared files that are kept beside the runs; borrowed. Whoever ends saves them. */
AshContentCache *ash_script_memo_get_contents(AshScriptMemo *memo);

/** The key (hex, owned) of the scriptlet @text run as @argv, of which argv[1] is a random name, in @env (both NULL-terminated). */
char *ash_script_memo_make_key(const char *text, char **argv, char **env);

/** A run under @key whose inputs are what @reader sees now, and whose files are there and right; NULL if there is none. Owned. */
AshScriptRun *ash_script_memo_find(AshScriptMemo *memo, const char *key, AshScriptReader *reader, const char *stdin_digest);

/** Does to the root what the run did. */
gboolean ash_script_memo_apply(AshScriptMemo *memo, const char *key, const AshScriptRun *run, int root_fd, GError **error);

/**
 * Keeps what @trace saw: the states of everything that was written are taken now. Times from @fresh (seconds) on are
 * those of the run. An error says why it cannot be kept.
 */
gboolean ash_script_memo_keep(AshScriptMemo *memo, const char *key, AshScriptTrace *trace, int root_fd, gint64 fresh,
			      const char *stdin_digest, const char *output, GError **error);
