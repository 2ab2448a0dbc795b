/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/kickstart.h"
#include "config/option.h"

/** What the commands of one kickstart share while it is read. All borrowed but @said. */
typedef struct {
	AshSpec *spec;
	const char *const *repo_dirs; /* never NULL */
	const char *const *repo_urls; /* never NULL */
	const AshRepoVars *vars;
	GHashTable *said;             /* command name -> "file:line" it was last said at */
	GPtrArray *refusals;          /* as in AshOptionPlace */
	GPtrArray *pre_scripts;       /* of AshScriptSpec: %pre and then %pre-install; NULL: they are passed over */
	bool pre_passed;              /* a %pre was passed over */
} AshKsState;

/** One command line, taken apart. */
typedef struct {
	AshKsState *state;
	AshSpec *spec;
	AshOptionPlace place;
	gpointer values; /* the struct that the command's options fill in; strings may be stolen */
	char **args;     /* what is no option */
} AshKsCall;

typedef gboolean (*AshKsHandler)(AshKsCall *call, GError **error);

typedef enum {
	ASH_KS_DONE,    /* carried out */
	ASH_KS_MOOT,    /* an image build makes it moot: a notice with .text */
	ASH_KS_REFUSED, /* known, not carried out: an error with .text as the remedy */
} AshKsStatus;

/** One command; tables end with a NULL name. */
typedef struct {
	const char *name;
	AshKsStatus status;
	AshKsHandler handler;
	const AshOptionDef *options; /* of a DONE command */
	gsize values_size;           /* bytes */
	guint min_args, max_args;
	bool free_words;             /* DONE: its words are another program's; all of them are arguments */
	bool once;                   /* saying it again replaces what was said: worth a notice */
	bool deprecated;             /* kickstart has dropped it, or is about to: worth a notice */
	const char *text;            /* MOOT: why; REFUSED: what to do; DONE and deprecated: what to say instead */
	const char *conflicts;       /* DONE: names that cannot be said before it, between spaces; may be NULL */
	bool with_commit;            /* DONE: can be said of a system that is not composed of packages (ostreesetup, ostreecontainer) */
	const char *known;           /* MOOT, REFUSED: its options, "--flag --with-value= ..."; NULL: any words */
} AshKsCommand;

/** Carries out the command in words[0]. */
gboolean ash_kscommand_run(AshKsState *state, const char *origin, const char *const *words, GError **error);

/** "carried out", "no effect", "refused" */
const char *ash_ks_status_to_string(AshKsStatus status);

/** All names that pykickstart knows, with the status they have here: borrowed entries, in table order. Owned array. */
GPtrArray *ash_kscommand_list(void);

/** ASH_ERROR_CONFIG if a system that comes as a commit (ostreesetup, ostreecontainer) is told what only one of packages can be. */
gboolean ash_kscommand_check_source(AshKsState *state, GError **error);

/** The tables, one per file. */
extern const AshKsCommand ash_ks_repo_commands[];    /* ksrepo.c: url repo */
extern const AshKsCommand ash_ks_account_commands[]; /* ksaccount.c: rootpw user group sshkey */
extern const AshKsCommand ash_ks_system_commands[];  /* kssystem.c: lang ... bootloader */
extern const AshKsCommand ash_ks_network_commands[]; /* ksnetwork.c: network firewall */
extern const AshKsCommand ash_ks_storage_commands[]; /* ksstorage.c: part ... autopart */
extern const AshKsCommand ash_ks_login_commands[];   /* kslogin.c: authselect auth xconfig langsupport */
extern const AshKsCommand ash_ks_source_commands[];  /* kssource.c: ostreesetup ostreecontainer */
extern const AshKsCommand ash_ks_other_commands[];   /* ksother.c: known, not carried out */

/** Applies the "ID=URL" of state->repo_urls that no command did. */
gboolean ash_ks_add_remaining_repos(AshKsState *state, GError **error);
