/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/gzip.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#define BLOCK_SIZE ((gsize) 256 * 1024)

/* As far back as deflate can refer (RFC 1951). */
#define DICTIONARY_SIZE ((gsize) 32 * 1024)

/* Blocks on their way for each thread: enough that none waits for the writer. */
#define BLOCKS_PER_JOB 4

/* Room for the empty block of a flush, which deflateBound() leaves out. */
#define FLUSH_SIZE 16

typedef struct {
	guint8 *input; /* the dictionary, then the block */
	gsize dictionary_length, length;
	bool last;
	guint8 *output;
	gsize output_length;
	uLong crc;
	bool done; /* under lock */
} Block;

struct AshGzip {
	AshSinkFunc sink;
	gpointer user_data;
	int level;
	guint max_pending;
	GThreadPool *pool;
	GMutex lock;
	GCond done;
	GQueue pending; /* of Block, in the order of the stream; touched by the caller's thread only */
	Block *current; /* being filled */
	uLong crc;
	guint32 size;   /* modulo 2^32, as the trailer has it */
	bool started;
};

static void
block_free(Block *block)
{
	g_free(block->input);
	g_free(block->output);
	g_free(block);
}

/* @before, which may be NULL, is full. */
static Block *
block_new(const Block *before)
{
	Block *block = g_new0(Block, 1);

	block->input = g_malloc(DICTIONARY_SIZE + BLOCK_SIZE);
	if (before == NULL)
		return block;
	block->dictionary_length = DICTIONARY_SIZE;
	memcpy(block->input, before->input + before->dictionary_length + before->length - DICTIONARY_SIZE,
	       DICTIONARY_SIZE);
	return block;
}

static void
deflate_block(Block *block, int level)
{
	z_stream stream = { 0 };
	/* Only a lack of memory can fail here and below, and GLib's own allocations abort on that as well. */
	int status = deflateInit2(&stream, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	uLong bound;

	g_assert(status == Z_OK);
	if (block->dictionary_length > 0)
		deflateSetDictionary(&stream, block->input, (uInt) block->dictionary_length);
	bound = deflateBound(&stream, block->length) + FLUSH_SIZE;
	block->output = g_malloc(bound);
	stream.next_in = block->input + block->dictionary_length;
	stream.avail_in = (uInt) block->length;
	stream.next_out = block->output;
	stream.avail_out = (uInt) bound;
	status = deflate(&stream, block->last ? Z_FINISH : Z_SYNC_FLUSH);
	g_assert(status == (block->last ? Z_STREAM_END : Z_OK) && stream.avail_in == 0 && stream.avail_out > 0);
	block->output_length = bound - stream.avail_out;
	deflateEnd(&stream);
	block->crc = crc32(0, block->input + block->dictionary_length, (uInt) block->length);
}

static void
run_block(gpointer data, gpointer user_data)
{
	Block *block = data;
	AshGzip *gzip = user_data;

	deflate_block(block, gzip->level);
	g_mutex_lock(&gzip->lock);
	block->done = true;
	g_cond_signal(&gzip->done);
	g_mutex_unlock(&gzip->lock);
}

AshGzip *
ash_gzip_new(int level, guint jobs, AshSinkFunc sink, gpointer user_data)
{
	AshGzip *gzip = g_new0(AshGzip, 1);

	gzip->sink = sink;
	gzip->user_data = user_data;
	gzip->level = level;
	gzip->max_pending = jobs * BLOCKS_PER_JOB;
	g_mutex_init(&gzip->lock);
	g_cond_init(&gzip->done);
	g_queue_init(&gzip->pending);
	gzip->pool = g_thread_pool_new(run_block, gzip, (gint) jobs, FALSE, NULL);
	gzip->current = block_new(NULL);
	gzip->crc = crc32(0, NULL, 0);
	return gzip;
}

void
ash_gzip_free(AshGzip *gzip)
{
	if (gzip == NULL)
		return;
	g_thread_pool_free(gzip->pool, TRUE, TRUE);
	g_queue_clear_full(&gzip->pending, (GDestroyNotify) block_free);
	block_free(gzip->current);
	g_mutex_clear(&gzip->lock);
	g_cond_clear(&gzip->done);
	g_free(gzip);
}

static gboolean
start_stream(AshGzip *gzip, GError **error)
{
	/* RFC 1952 2.3: deflate, no flags, no time, no hint of the level, Unix. */
	static const guint8 header[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };

	gzip->started = true;
	return gzip->sink(gzip->user_data, header, sizeof(header), error);
}

/* Waits for the oldest block and hands it on. */
static gboolean
write_oldest(AshGzip *gzip, GError **error)
{
	Block *block = g_queue_pop_head(&gzip->pending);
	gboolean ok;

	g_mutex_lock(&gzip->lock);
	while (!block->done)
		g_cond_wait(&gzip->done, &gzip->lock);
	g_mutex_unlock(&gzip->lock);
	gzip->crc = crc32_combine(gzip->crc, block->crc, (z_off_t) block->length);
	gzip->size += (guint32) block->length;
	ok = (gzip->started || start_stream(gzip, error)) &&
	     gzip->sink(gzip->user_data, block->output, block->output_length, error);
	block_free(block);
	return ok;
}

static gboolean
push_current(AshGzip *gzip, GError **error)
{
	Block *block = gzip->current;

	gzip->current = block_new(block->last ? NULL : block);
	g_queue_push_tail(&gzip->pending, block);
	g_thread_pool_push(gzip->pool, block, NULL);
	return g_queue_get_length(&gzip->pending) < gzip->max_pending || write_oldest(gzip, error);
}

gboolean
ash_gzip_write(AshGzip *gzip, const void *data, gsize length, GError **error)
{
	const guint8 *at = data;

	while (length > 0) {
		Block *block = gzip->current;
		gsize part = MIN(length, BLOCK_SIZE - block->length);

		memcpy(block->input + block->dictionary_length + block->length, at, part);
		block->length += part;
		at += part;
		length -= part;
		if (block->length == BLOCK_SIZE && !push_current(gzip, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_gzip_finish(AshGzip *gzip, GError **error)
{
	guint32 trailer[2];

	gzip->current->last = true;
	if (!push_current(gzip, error))
		return FALSE;
	while (!g_queue_is_empty(&gzip->pending)) {
		if (!write_oldest(gzip, error))
			return FALSE;
	}
	trailer[0] = GUINT32_TO_LE((guint32) gzip->crc);
	trailer[1] = GUINT32_TO_LE(gzip->size);
	return gzip->sink(gzip->user_data, trailer, sizeof(trailer), error);
}
