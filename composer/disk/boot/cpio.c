/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/cpio.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>
#include <sys/stat.h>

#define MAGIC_BYTES  6
#define NUMBER_BYTES 8
#define HEADER_BYTES 110
/* The numbers behind the magic, by their place. */
#define MODE_FIELD      1
#define FILE_BYTES_FIELD 6
#define NAME_BYTES_FIELD 11
/* The kernel takes no longer name, NUL bytes included: PATH_MAX. */
#define MAX_NAME_BYTES 4096
/* After names and contents. */
#define PADDING 4
#define TRAILER "TRAILER!!!"

typedef enum { BETWEEN, HEADER, NAME, CONTENT } State;

struct AshCpioAligner {
	AshCpioSink sink;
	gpointer user_data;
	State state;
	bool had_any;          /* archives that ended */
	GByteArray *collected; /* owned: header and name, as far as they have come */
	gsize wanted;          /* bytes in it, for the next thing to be done */
	guint64 rest;          /* of the content, padding included */
	guint64 position;      /* in what was written */
};

AshCpioAligner *
ash_cpio_aligner_new(AshCpioSink sink, gpointer user_data)
{
	AshCpioAligner *aligner = g_new0(AshCpioAligner, 1);

	aligner->sink = sink;
	aligner->user_data = user_data;
	aligner->collected = g_byte_array_new();
	return aligner;
}

void
ash_cpio_aligner_free(AshCpioAligner *aligner)
{
	if (aligner == NULL)
		return;
	g_byte_array_unref(aligner->collected);
	g_free(aligner);
}

bool
ash_cpio_aligner_is_done(const AshCpioAligner *aligner)
{
	return aligner->state == BETWEEN && aligner->had_any;
}

static gboolean
throw_damaged(GError **error, const char *what)
{
	return ash_throw(error, ASH_ERROR_CONFIG, "the initramfs is damaged: %s", what);
}

static gboolean
write_out(AshCpioAligner *aligner, const void *data, gsize length, GError **error)
{
	aligner->position += length;
	return length == 0 || aligner->sink(data, length, aligner->user_data, error);
}

/* A number of the header; what is no hexadecimal digit ends it. */
static guint64
get_number(const AshCpioAligner *aligner, guint field)
{
	char text[NUMBER_BYTES + 1] = { 0 };

	memcpy(text, aligner->collected->data + MAGIC_BYTES + field * NUMBER_BYTES, NUMBER_BYTES);
	return g_ascii_strtoull(text, NULL, 16);
}

static guint64
padded(guint64 bytes)
{
	return ash_size_round_up(bytes, PADDING);
}

static gboolean
take_header(AshCpioAligner *aligner, GError **error)
{
	const guint8 *header = aligner->collected->data;
	const guint64 name_bytes = get_number(aligner, NAME_BYTES_FIELD);

	if (memcmp(header, "070701", MAGIC_BYTES) != 0 && memcmp(header, "070702", MAGIC_BYTES) != 0)
		return throw_damaged(error, "an entry does not begin as one");
	for (gsize i = MAGIC_BYTES; i < HEADER_BYTES; i++)
		if (!g_ascii_isxdigit(header[i]))
			return throw_damaged(error, "an entry has a wrong number");
	if (name_bytes == 0 || name_bytes > MAX_NAME_BYTES)
		return throw_damaged(error, "an entry has a name that is too long");
	aligner->state = NAME;
	aligner->wanted = padded(HEADER_BYTES + name_bytes);
	return TRUE;
}

/* How long the name is to be, so that the content is where it should be. */
static gsize
choose_name_bytes(const AshCpioAligner *aligner, gsize name_bytes)
{
	const bool is_file = S_ISREG((mode_t) get_number(aligner, MODE_FIELD)) && get_number(aligner, FILE_BYTES_FIELD) > 0;
	const guint64 start = aligner->position + HEADER_BYTES;
	const gsize longer = ash_size_round_up(start + name_bytes, ASH_CPIO_ALIGNMENT) - start;

	return is_file && longer <= MAX_NAME_BYTES ? longer : name_bytes;
}

static gboolean
take_name(AshCpioAligner *aligner, GError **error)
{
	const guint8 *name = aligner->collected->data + HEADER_BYTES;
	const gsize room = get_number(aligner, NAME_BYTES_FIELD), length = strnlen((const char *) name, room);
	char number[NUMBER_BYTES + 1];

	if (length == room)
		return throw_damaged(error, "a name does not end");
	const bool is_last = strcmp((const char *) name, TRAILER) == 0;
	const gsize name_bytes = choose_name_bytes(aligner, length + 1);
	g_autofree guint8 *out = g_malloc0(padded(HEADER_BYTES + name_bytes));
	memcpy(out, aligner->collected->data, HEADER_BYTES);
	g_snprintf(number, sizeof(number), "%08X", (guint) name_bytes);
	memcpy(out + MAGIC_BYTES + NAME_BYTES_FIELD * NUMBER_BYTES, number, NUMBER_BYTES);
	memcpy(out + HEADER_BYTES, name, length);
	aligner->rest = padded(get_number(aligner, FILE_BYTES_FIELD));
	aligner->state = is_last && aligner->rest == 0 ? BETWEEN : aligner->rest > 0 ? CONTENT : HEADER;
	aligner->had_any = aligner->had_any || is_last;
	g_byte_array_set_size(aligner->collected, 0);
	aligner->wanted = HEADER_BYTES;
	return write_out(aligner, out, padded(HEADER_BYTES + name_bytes), error);
}

/* Zeros between archives; the next one, if it is there. */
static gsize
skip_zeros(AshCpioAligner *aligner, const guint8 *data, gsize length)
{
	gsize used = 0;

	while (used < length && data[used] == 0)
		used++;
	if (used < length && data[used] == '0') {
		aligner->state = HEADER;
		aligner->wanted = HEADER_BYTES;
	}
	return used;
}

static gboolean
collect(AshCpioAligner *aligner, const guint8 *data, gsize length, gsize *ret_used, GError **error)
{
	*ret_used = MIN(length, aligner->wanted - aligner->collected->len);
	g_byte_array_append(aligner->collected, data, (guint) *ret_used);
	if (aligner->collected->len < aligner->wanted)
		return TRUE;
	return aligner->state == HEADER ? take_header(aligner, error) : take_name(aligner, error);
}

static gboolean
pass(AshCpioAligner *aligner, const guint8 *data, gsize length, gsize *ret_used, GError **error)
{
	*ret_used = (gsize) MIN(length, aligner->rest);
	aligner->rest -= *ret_used;
	if (aligner->rest == 0)
		aligner->state = HEADER;
	return write_out(aligner, data, *ret_used, error);
}

gboolean
ash_cpio_aligner_feed(AshCpioAligner *aligner, const void *data, gsize length, gsize *ret_used, GError **error)
{
	gsize used;

	for (*ret_used = 0; *ret_used < length; *ret_used += used) {
		const guint8 *next = (const guint8 *) data + *ret_used;
		const gsize rest = length - *ret_used;
		gboolean ok = TRUE;
		used = 0;
		if (aligner->state == BETWEEN)
			used = skip_zeros(aligner, next, rest);
		else if (aligner->state == CONTENT)
			ok = pass(aligner, next, rest, &used, error);
		else
			ok = collect(aligner, next, rest, &used, error);
		if (!ok)
			return FALSE;
		if (aligner->state == BETWEEN && used == 0)
			break;
	}
	return TRUE;
}
