/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"
#include "base/certificate.h"

/** What firmware or a boot loader starts, and who has signed it for Secure Boot. */
typedef struct {
	char *path;          /* from the root: "efi/EFI/BOOT/BOOTX64.EFI" */
	GPtrArray *signers;  /* of AshCertificate (borrowed): of signatures that are right */
	GPtrArray *problems; /* of const char *: what is wrong with the others */
} AshAuditBootFile;

/** The rules "boot-*", over @files (of AshAuditBootFile); certificates are to be valid at @now (seconds since 1970). */
void ash_boot_signed_check(const GPtrArray *files, gint64 now, AshAuditReport *report);
