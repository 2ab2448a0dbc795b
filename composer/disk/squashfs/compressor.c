/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/squashfs/tree.h"

/** A compressor of the library in one of our own. */
typedef struct {
	sqfs_compressor_t base;
	sqfs_compressor_t *inner;
} Compressor;

static sqfs_compressor_t *wrap(sqfs_compressor_t *inner);

static void
destroy(sqfs_object_t *object)
{
	Compressor *compressor = (Compressor *) object;

	sqfs_destroy(compressor->inner);
	g_free(compressor);
}

static sqfs_object_t *
copy(const sqfs_object_t *object)
{
	sqfs_compressor_t *inner = sqfs_copy(((const Compressor *) object)->inner);

	return inner != NULL ? (sqfs_object_t *) wrap(inner) : NULL;
}

static void
get_configuration(const sqfs_compressor_t *base, sqfs_compressor_config_t *config)
{
	const Compressor *compressor = (const Compressor *) base;

	compressor->inner->get_configuration(compressor->inner, config);
}

static int
write_options(sqfs_compressor_t *base, sqfs_file_t *file)
{
	Compressor *compressor = (Compressor *) base;

	return compressor->inner->write_options(compressor->inner, file);
}

static int
read_options(sqfs_compressor_t *base, sqfs_file_t *file)
{
	Compressor *compressor = (Compressor *) base;

	return compressor->inner->read_options(compressor->inner, file);
}

static sqfs_s32
compress(sqfs_compressor_t *base, const sqfs_u8 *in, sqfs_u32 bytes, sqfs_u8 *out, sqfs_u32 room)
{
	Compressor *compressor = (Compressor *) base;
	sqfs_s32 result = compressor->inner->do_block(compressor->inner, in, bytes, out, room);

	return result > 0 && (sqfs_u32) result >= bytes ? 0 : result;
}

/* Takes over @inner. */
static sqfs_compressor_t *
wrap(sqfs_compressor_t *inner)
{
	Compressor *compressor = g_new0(Compressor, 1);

	compressor->inner = inner;
	compressor->base.base.destroy = destroy;
	compressor->base.base.copy = copy;
	compressor->base.get_configuration = get_configuration;
	compressor->base.write_options = write_options;
	compressor->base.read_options = read_options;
	compressor->base.do_block = compress;
	return &compressor->base;
}

int
ash_squashfs_compressor_new(const sqfs_compressor_config_t *config, sqfs_compressor_t **ret_compressor)
{
	sqfs_compressor_t *inner = NULL;
	int rc = sqfs_compressor_create(config, &inner);

	if (rc == 0)
		*ret_compressor = wrap(inner);
	return rc;
}
