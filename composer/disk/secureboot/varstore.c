/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/secureboot/varstore.h"

#include "base/digest.h"
#include "base/error.h"

#include <string.h>

/* EFI_FIRMWARE_VOLUME_HEADER (PI 1.7, 3.2.1): where its signature and its length are. */
#define VOLUME_SIGNATURE    40
#define VOLUME_HEADER_BYTES 48
#define VOLUME_LEAST_BYTES  56

#define VARIABLE_START 0x55aa
#define VARIABLE_ADDED 0x3f
/* Non-volatile, boot services, runtime, time-based authenticated write access. */
#define KEY_ATTRIBUTES 0x27

typedef struct __attribute__((packed)) {
	guint8 guid[16];
	guint32 bytes; /* of the store, this header included */
	guint8 format, state;
	guint8 reserved[6];
} StoreHeader;

G_STATIC_ASSERT(sizeof(StoreHeader) == 28);

typedef struct __attribute__((packed)) {
	guint16 start;
	guint8 state, reserved;
	guint32 attributes;
	guint64 count;
	guint8 time[16]; /* EFI_TIME */
	guint32 key_index;
	guint32 name_bytes, data_bytes;
	guint8 vendor[16];
} VariableHeader;

G_STATIC_ASSERT(sizeof(VariableHeader) == 60);

typedef struct __attribute__((packed)) {
	guint8 type[16];
	guint32 list_bytes, header_bytes, signature_bytes;
	guint8 owner[16];
} SignatureList;

#define STORE_GUID    "aaf32c78-947b-439a-a180-2e144ec37792" /* gEfiAuthenticatedVariableGuid */
#define GLOBAL_GUID   "8be4df61-93ca-11d2-aa0d-00e098032b8c" /* EFI_GLOBAL_VARIABLE */
#define DATABASE_GUID "d719b2cb-3d3a-4596-a3bc-dad00e67656f" /* EFI_IMAGE_SECURITY_DATABASE_GUID */
#define X509_GUID     "a5c059a1-94e4-4aa7-87b5-ab155c2bf072" /* EFI_CERT_X509_GUID */
/* Of the entries; any will do. */
#define OWNER_GUID "5a3f1c52-0e0c-4d55-9d3e-2a3f7b6c8d11"

/* The platform key last: with it the others need a signature. */
static const struct {
	const char *name, *vendor;
} keys[] = { { "db", DATABASE_GUID }, { "KEK", GLOBAL_GUID }, { "PK", GLOBAL_GUID } };

/* As UEFI has it: the first three fields are little-endian. */
static void
put_guid(guint8 to[16], const char *text)
{
	static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	AshUuid uuid;

	if (ash_uuid_parse(text, &uuid))
		for (guint i = 0; i < sizeof(order); i++)
			to[i] = uuid.bytes[order[i]];
}

/* Where variables go, and where the store ends. */
static gboolean
find_room(const guint8 *data, gsize length, gsize *ret_at, gsize *ret_end, GError **error)
{
	StoreHeader store = { .bytes = 0 };
	guint8 guid[16];
	gsize at = length >= VOLUME_LEAST_BYTES ? (gsize) (data[VOLUME_HEADER_BYTES] | data[VOLUME_HEADER_BYTES + 1] << 8) : 0;

	put_guid(guid, STORE_GUID);
	if (at > 0 && memcmp(data + VOLUME_SIGNATURE, "_FVH", 4) == 0 && at + sizeof(store) <= length)
		memcpy(&store, data + at, sizeof(store));
	gsize bytes = GUINT32_FROM_LE(store.bytes);
	if (memcmp(store.guid, guid, sizeof(guid)) != 0 || bytes <= sizeof(store) || bytes > length - at)
		return ash_throw(error, ASH_ERROR_CONFIG, "it is no template of UEFI variables");
	*ret_at = at + sizeof(store);
	*ret_end = at + bytes;
	/* Flash that nothing was written to. */
	if (bytes < sizeof(store) + 2 || data[*ret_at] != 0xff || data[*ret_at + 1] != 0xff)
		return ash_throw(error, ASH_ERROR_CONFIG, "it has variables already");
	return TRUE;
}

static GBytes *
make_list(const AshCertificate *certificate)
{
	g_autoptr(GBytes) der = ash_certificate_dup_der(certificate);
	g_autoptr(GByteArray) list = g_byte_array_new();
	gsize length;
	const guint8 *data = g_bytes_get_data(der, &length);
	SignatureList head = {
		.list_bytes = GUINT32_TO_LE((guint32) (sizeof(head) + length)),
		.signature_bytes = GUINT32_TO_LE((guint32) (sizeof(head.owner) + length)),
	};

	put_guid(head.type, X509_GUID);
	put_guid(head.owner, OWNER_GUID);
	g_byte_array_append(list, (const guint8 *) &head, sizeof(head));
	g_byte_array_append(list, data, (guint) length);
	return g_byte_array_free_to_bytes(g_steal_pointer(&list));
}

/* Each begins at a multiple of four bytes. */
static void
add_variable(GByteArray *out, const char *name, const char *vendor, GBytes *value)
{
	static const guint8 fill[4] = { 0xff, 0xff, 0xff, 0xff };
	gsize length, name_bytes = 2 * (strlen(name) + 1);
	const guint8 *data = g_bytes_get_data(value, &length);
	VariableHeader head = {
		.start = GUINT16_TO_LE(VARIABLE_START),
		.state = VARIABLE_ADDED,
		.attributes = GUINT32_TO_LE(KEY_ATTRIBUTES),
		.name_bytes = GUINT32_TO_LE((guint32) name_bytes),
		.data_bytes = GUINT32_TO_LE((guint32) length),
	};

	put_guid(head.vendor, vendor);
	g_byte_array_append(out, (const guint8 *) &head, sizeof(head));
	for (gsize i = 0; i < name_bytes / 2; i++) {
		const guint8 unit[2] = { (guint8) name[i], 0 };
		g_byte_array_append(out, unit, sizeof(unit));
	}
	g_byte_array_append(out, data, (guint) length);
	g_byte_array_append(out, fill, (4 - out->len % 4) % 4);
}

GBytes *
ash_varstore_enroll(GBytes *template, const AshCertificate *certificate, GError **error)
{
	g_autoptr(GBytes) list = make_list(certificate);
	g_autoptr(GByteArray) variables = g_byte_array_new();
	gsize length, at = 0, end = 0;
	const guint8 *data = g_bytes_get_data(template, &length);

	if (!find_room(data, length, &at, &end, error))
		return NULL;
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		add_variable(variables, keys[i].name, keys[i].vendor, list);
	if (variables->len > end - at)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "it has no room for the certificate");
	guint8 *copy = g_memdup2(data, length);
	memcpy(copy + at, variables->data, variables->len);
	return g_bytes_new_take(copy, length);
}
