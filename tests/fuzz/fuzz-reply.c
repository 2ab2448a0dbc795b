/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/reply.h"

#include <string.h>

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/reply", NULL };

/* Any headers give a verdict; a part is only taken if it is the one that was asked for. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const AshReplyWish wish = { .ranged = true, .start = 10, .end = 20, .total = 100 };
	AshReply reply = { .content_length = -1, .range_total = -1 };
	g_autofree char *why = NULL;
	const char *text = (const char *) data;

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t length = end != NULL ? (size_t) (end - text) + 1 : size;

		if (!ash_reply_add_line(&reply, text, length))
			break;
		text += length;
		size -= length;
	}
	AshReplyVerdict verdict = ash_reply_judge(&reply, &wish, &why);
	g_assert_true((verdict == ASH_REPLY_TAKE) == (why == NULL));
	if (verdict == ASH_REPLY_TAKE)
		g_assert_true(reply.status == 206 && reply.has_range && reply.range_start == 10 && reply.range_end == 19 && !reply.encoded);
	g_assert_cmpuint(reply.retry_after, <=, ASH_REPLY_MAX_RETRY_AFTER);
	return 0;
}
