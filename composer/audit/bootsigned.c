/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/bootsigned.h"

#include <string.h>

/* What names of certificates say whose key is known to all. */
static const char *const test_phrases[] = { "do not trust", "do not ship", "snakeoil", "testroot", "testsub", "testcert" };

static bool
has_word(const char *text, const char *word)
{
	const gsize length = strlen(word);

	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		if ((at == text || !g_ascii_isalnum(at[-1])) && !g_ascii_isalnum(at[length]))
			return true;
	return false;
}

static bool
is_test(const char *subject)
{
	g_autofree char *lower = g_ascii_strdown(subject, -1);

	for (gsize i = 0; i < G_N_ELEMENTS(test_phrases); i++)
		if (strstr(lower, test_phrases[i]) != NULL)
			return true;
	return has_word(lower, "test");
}

static char *
format_day(gint64 time)
{
	g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time);

	return date != NULL ? g_date_time_format(date, "%F") : g_strdup("?");
}

static void
check_certificate(const char *path, const AshCertificate *signer, gint64 now, AshAuditReport *report)
{
	g_autofree char *subject = ash_certificate_dup_subject(signer), *weakness = ash_certificate_dup_weakness(signer);
	gint64 from, until;

	ash_certificate_get_validity(signer, &from, &until);
	if (now < from || now > until) {
		g_autofree char *day = format_day(now < from ? from : until);
		ash_audit_report_add(report, ASH_RULE_BOOT_CERTIFICATE_EXPIRED, path, subject, "the certificate \"%s\" %s %s", subject,
				     now < from ? "is not valid before" : "expired on", day);
	}
	if (weakness != NULL)
		ash_audit_report_add(report, ASH_RULE_BOOT_CERTIFICATE_WEAK, path, subject, "the certificate \"%s\": %s", subject, weakness);
	if (is_test(subject))
		ash_audit_report_add(report, ASH_RULE_BOOT_TEST_KEY, path, subject, "signed by \"%s\"", subject);
}

static bool
is_signed_by(const AshAuditBootFile *file, const AshCertificate *signer)
{
	g_autofree char *wanted = ash_certificate_dup_fingerprint(signer);

	for (guint i = 0; i < file->signers->len; i++) {
		g_autofree char *found = ash_certificate_dup_fingerprint(g_ptr_array_index(file->signers, i));
		if (strcmp(found, wanted) == 0)
			return true;
	}
	return false;
}

static bool
shares_signer(const AshAuditBootFile *a, const AshAuditBootFile *b)
{
	for (guint i = 0; i < a->signers->len; i++)
		if (is_signed_by(b, g_ptr_array_index(a->signers, i)))
			return true;
	return false;
}

/* The first that is rightly signed; NULL if none is. */
static const AshAuditBootFile *
find_signed(const GPtrArray *files)
{
	for (guint i = 0; i < files->len; i++) {
		const AshAuditBootFile *file = g_ptr_array_index(files, i);
		if (file->signers->len > 0)
			return file;
	}
	return NULL;
}

static void
check_signers(const AshAuditBootFile *file, const AshAuditBootFile *first, AshAuditReport *report)
{
	if (shares_signer(file, first))
		return;
	g_autofree char *ours = ash_certificate_dup_subject(g_ptr_array_index(file->signers, 0));
	g_autofree char *theirs = ash_certificate_dup_subject(g_ptr_array_index(first->signers, 0));
	ash_audit_report_add(report, ASH_RULE_BOOT_SIGNERS_DIFFER, file->path, NULL, "signed by \"%s\", but \"/%s\" by \"%s\"", ours, first->path, theirs);
}

static void
check_file(const AshAuditBootFile *file, const AshAuditBootFile *first, gint64 now, AshAuditReport *report)
{
	for (guint i = 0; i < file->problems->len; i++)
		ash_audit_report_add(report, ASH_RULE_BOOT_BAD_SIGNATURE, file->path, NULL, "%s", (const char *) g_ptr_array_index(file->problems, i));
	for (guint i = 0; i < file->signers->len; i++)
		check_certificate(file->path, g_ptr_array_index(file->signers, i), now, report);
	if (file->signers->len > 0)
		check_signers(file, first, report);
	else if (file->problems->len == 0)
		/* Of what is signed in part somebody wanted all of it to be. */
		ash_audit_report_add_at(report, ASH_RULE_BOOT_UNSIGNED, first != NULL ? ASH_AUDIT_ERROR : ASH_AUDIT_NOTE, file->path, NULL, "%s",
					first != NULL ? "not signed, while other files are" : "not signed");
}

void
ash_boot_signed_check(const GPtrArray *files, gint64 now, AshAuditReport *report)
{
	const AshAuditBootFile *first = find_signed(files);

	for (guint i = 0; i < files->len; i++)
		check_file(g_ptr_array_index(files, i), first, now, report);
}
