/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "model/package.h"

/** Where the RPM database of a composed system is, from its root. */
#define ASH_RPMDB_DIR "usr/lib/sysimage/rpm"

/** Name of the worker that installs; its entry in the program's table is ash_transaction_worker(). */
#define ASH_TRANSACTION_WORKER "transaction"

/** One package to install. */
typedef struct {
	char *path;   /* absolute path of the .rpm file, verified by ash_verify_packages(); or of its header in the import cache */
	char *nevra;  /* what its header must say */
	char *sha256; /* not NULL: its files come from the import cache's entry of this name, and the payload is not read */
} AshTransactionPackage;

/** What to install, and how. */
typedef struct {
	char *root_path;       /* absolute; an empty directory, or one left by us */
	char *import_dir;      /* absolute: the import cache (install/import.h); NULL: librpm unpacks the payloads itself */
	char *memo_dir;        /* absolute: what scriptlets did in earlier transactions (install/scriptmemo.h); NULL: all run */
	GPtrArray *packages;   /* of AshTransactionPackage */
	bool docs;             /* FALSE: files marked %doc are left out */
	char **inst_langs;     /* languages of %lang files; NULL or empty: all */
	guint64 epoch;         /* seconds: the install time that the database says; SOURCE_DATE_EPOCH of scriptlets is when their package was built */
	guint script_timeout_seconds; /* limit of each scriptlet; 0: 300 */
} AshTransactionPlan;

/** One scriptlet that ran. */
typedef struct {
	char *package; /* NEVRA; of a trigger, the package that fired it; may be "" */
	char *kind;    /* "%pre", "%post", "%triggerin" ... */
	char *output;  /* standard output and error; may be "" */
	double seconds;
} AshScriptRecord;

/** What happened. */
typedef struct {
	GPtrArray *scripts; /* of AshScriptRecord, in the order they ran */
	char **notices;     /* librpm's own warnings; never NULL */
	guint reused_scripts; /* of them, those that an earlier run stood for */
	guint kept_scripts;   /* those that will, the next time */
} AshTransactionResult;

/** An empty plan: documentation and all languages are installed. */
AshTransactionPlan *ash_transaction_plan_new(const char *root_path);
/**
 * Adds a whole set: package paths must be set, and be those that ash_importer_finish() left if the plan's import_dir is
 * set already.
 */
void ash_transaction_plan_add_set(AshTransactionPlan *plan, const AshPackageSet *set);
void ash_transaction_plan_add(AshTransactionPlan *plan, const char *path, const char *nevra);
/** Adds a package of the import cache: @path is its header file, @sha256 (hex) the digest of its RPM file. */
void ash_transaction_plan_add_imported(AshTransactionPlan *plan, const char *path, const char *nevra, const char *sha256);
void ash_transaction_plan_free(AshTransactionPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTransactionPlan, ash_transaction_plan_free)

AshTransactionResult *ash_transaction_result_new(void);
void ash_transaction_result_free(AshTransactionResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTransactionResult, ash_transaction_result_free)

/**
 * Installs in one librpm transaction, in a worker and its sandbox (base/worker.h). Scriptlets, triggers and Lua
 * run as in rpm(8); different from it, a failing %post or trigger is an error. The same packages and plan always give
 * the same bytes, the database at ASH_RPMDB_DIR included, whether payloads are unpacked or come from the import cache.
 *
 * ASH_ERROR_SCRIPT names package, scriptlet and its last lines; ASH_ERROR_NO_SPACE; ASH_ERROR_UNSOLVABLE for
 * dependencies and file conflicts (with both owners); ASH_ERROR_TRUST if a file is not the package it should be.
 */
AshTransactionResult *ash_transaction_install(AshContext *ctx, const AshTransactionPlan *plan, GError **error);

/** The same with a worker that was started before: ash_worker_start(ASH_TRANSACTION_WORKER). */
AshTransactionResult *ash_transaction_install_by(AshWorker *worker, AshContext *ctx, const AshTransactionPlan *plan, GError **error);

/** The version of librpm, which shapes what a transaction writes. Borrowed. */
const char *ash_transaction_version(void);

/** The worker's side of it. */
JsonObject *ash_transaction_worker(AshContext *ctx, JsonObject *request, GError **error);
