/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/** The rules "secret-*" and "identity-*" that go by names: host keys, machine ID, seeds, credentials, histories, logs. */
void ash_secrets_check(const AshAudit *audit);
/**
 * Those that go by content, for one file that is no ELF file: private keys and tokens. @data: its first @length bytes, followed by
 * a NUL. From any thread.
 */
void ash_secrets_scan(const AshAudit *audit, const AshFsNode *node, const char *path, const char *data, gsize length);

/** What a PEM block (RFC 7468, RFC 4880 6.2) of a private key in @data is, e.g. "RSA PRIVATE KEY", with a body; owned, NULL if there is none. */
char *ash_secrets_find_key(const char *data, gsize length);
