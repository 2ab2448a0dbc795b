/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/**
 * AshAccounts: /etc/passwd, group, shadow, gshadow, subuid and subgid of a tree (passwd(5), shadow(5) ...), edited in
 * memory: lines that are there stay as they are and where they are, new ones come last. Deterministic, unlike
 * useradd(8): no clock, no random salt.
 */
typedef struct AshAccounts AshAccounts;

/** Reads them all; one that is missing is empty. Owned. */
AshAccounts *ash_accounts_load(const AshTreeRoot *root, GError **error);
/** Writes what changed, with the modes that the files had, or have on a new system. */
gboolean ash_accounts_save(AshAccounts *accounts, const AshTreeRoot *root, GError **error);
void ash_accounts_free(AshAccounts *accounts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAccounts, ash_accounts_free)

typedef struct {
	guint uid, gid;
	char *home; /* owned */
} AshAccount;
void ash_account_clear(AshAccount *account);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshAccount, ash_account_clear)

/** FALSE (no error) if there is no such user. */
gboolean ash_accounts_find(const AshAccounts *accounts, const char *user, AshAccount *ret_account);

/** Makes a group unless it is there; @gid -1: the first free one from 1000. ASH_ERROR_CONFIG if the number is taken. *@ret_gid may be NULL. */
gboolean ash_accounts_add_group(AshAccounts *accounts, const char *name, int gid, guint *ret_gid, GError **error);
/** Makes a user with a group of its own name, or changes the one that is there to what @user says. @shell is used if it says none. */
gboolean ash_accounts_add_user(AshAccounts *accounts, const AshUserSpec *user, const char *shell, guint64 epoch,
			       GError **error);
/** Adds the user to a group that is there. */
gboolean ash_accounts_join(AshAccounts *accounts, const char *user, const char *group, GError **error);
/** Sets the second field of shadow: a crypt(5) hash, "!" and the like. @epoch: the day of the change. */
gboolean ash_accounts_set_password(AshAccounts *accounts, const char *user, const char *hash, guint64 epoch,
				   GError **error);

/** Replaces every password hash, and every empty password, by "!": nobody logs in with one. Users whom that befell; owned. */
char **ash_accounts_lock_passwords(AshAccounts *accounts);

/**
 * SHA-512 crypt(5) of @password with a salt derived from @user and @system, so that the same kickstart gives the same
 * line. Owned.
 */
char *ash_accounts_hash_password(const char *password, const char *user, const char *system, GError **error);
