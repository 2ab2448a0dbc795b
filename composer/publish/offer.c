/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/offer.h"

#include "base/error.h"

#include <string.h>

AshChannelEntry *
ash_offer_find(const AshChannel *channel, const char *version)
{
	for (guint i = 0; i < channel->entries->len; i++) {
		AshChannelEntry *entry = g_ptr_array_index(channel->entries, i);
		if (strcmp(entry->version, version) == 0)
			return entry;
	}
	return NULL;
}

static AshChannelEntry *
add_entry(AshChannel *channel, const char *version, guint64 now)
{
	AshChannelEntry *entry = g_new0(AshChannelEntry, 1);
	guint at = 0;

	entry->version = g_strdup(version);
	entry->published = now;
	entry->waves = g_ptr_array_new_with_free_func(g_free);
	while (at < channel->entries->len &&
	       strverscmp(((AshChannelEntry *) g_ptr_array_index(channel->entries, at))->version, version) < 0)
		at++;
	g_ptr_array_insert(channel->entries, (gint) at, entry);
	return entry;
}

static bool
is_same(const GPtrArray *a, const GPtrArray *b)
{
	if (a->len != b->len)
		return false;
	for (guint i = 0; i < a->len; i++)
		if (memcmp(a->pdata[i], b->pdata[i], sizeof(AshWave)) != 0)
			return false;
	return true;
}

static bool
set_waves(AshChannelEntry *entry, const GPtrArray *waves)
{
	if (is_same(entry->waves, waves))
		return false;
	g_ptr_array_set_size(entry->waves, 0);
	for (guint i = 0; i < waves->len; i++)
		g_ptr_array_add(entry->waves, g_memdup2(waves->pdata[i], sizeof(AshWave)));
	return true;
}

bool
ash_offer_set(AshChannel *channel, const char *version, const AshOffer *offer)
{
	AshChannelEntry *entry = ash_offer_find(channel, version);
	bool changed = entry == NULL || entry->withdrawn;

	if (entry == NULL)
		entry = add_entry(channel, version, offer->now);
	entry->withdrawn = false;
	if (offer->barrier >= 0 && entry->barrier != (offer->barrier == 1)) {
		entry->barrier = offer->barrier == 1;
		changed = true;
	}
	return (offer->waves != NULL && set_waves(entry, offer->waves)) || changed;
}

gboolean
ash_offer_withdraw(AshChannel *channel, const char *version, bool *ret_changed, GError **error)
{
	AshChannelEntry *entry = ash_offer_find(channel, version);

	if (entry == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "channel \"%s\" does not offer \"%s\": \"ashlar channel show\" lists what it does", channel->name,
				 version);
	*ret_changed = !entry->withdrawn;
	entry->withdrawn = true;
	return TRUE;
}

const AshChannelEntry *
ash_offer_newest(const AshChannel *channel)
{
	for (guint i = channel->entries->len; i-- > 0;) {
		const AshChannelEntry *entry = g_ptr_array_index(channel->entries, i);
		if (!entry->withdrawn)
			return entry;
	}
	return NULL;
}
