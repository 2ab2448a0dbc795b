/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "model/release.h"

#include <string.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* 200 blocks: 12 whole frames and one of eight blocks; two levels of hashes. */
static const char release_text[] =
	"{\n"
	"  \"format\" : 1,\n"
	"  \"ref\" : \"node/x86_64/machine\",\n"
	"  \"name\" : \"node\",\n"
	"  \"version\" : \"2026.11~rc1\",\n"
	"  \"architecture\" : \"x86_64\",\n"
	"  \"commit\" : \"" A64 "\",\n"
	"  \"timestamp\" : 1700000000,\n"
	"  \"minimum\" : \"2026.01\",\n"
	"  \"root_bytes\" : 819200,\n"
	"  \"root_hash\" : \"" B64 "\",\n"
	"  \"salt\" : \"" A64 "\",\n"
	"  \"tree\" : { \"sha256\" : \"" A64 "\", \"size\" : 16384 },\n"
	"  \"frame_bytes\" : 65536,\n"
	"  \"frames\" : { \"sha256\" : \"" B64 "\", \"size\" : 77 },\n"
	"  \"segments\" : [ { \"object\" : { \"sha256\" : \"" A64 "\", \"size\" : 5000 }, \"frames\" : 10 },\n"
	"                 { \"object\" : { \"sha256\" : \"" B64 "\", \"size\" : 2000 }, \"frames\" : 3 } ],\n"
	"  \"uki\" : { \"sha256\" : \"" B64 "\", \"size\" : 999 },\n"
	"  \"etc\" : { \"sha256\" : null, \"size\" : 0 },\n"
	"  \"sbom\" : { \"sha256\" : \"" A64 "\", \"size\" : 5 },\n"
	"  \"deltas\" : [ { \"from_version\" : \"2026.10\", \"from_root_hash\" : \"" A64 "\", \"object\" : { \"sha256\" : \"" B64
	"\", \"size\" : 321 } } ],\n"
	"  \"costs\" : [ { \"from_version\" : \"2026.09\", \"from_root_hash\" : \"" A64
	"\", \"tree_bytes\" : 1, \"data_bytes\" : 2, \"requests\" : 3, \"delta_bytes\" : 0 } ]\n"
	"}\n";

static const char channel_text[] =
	"{\n"
	"  \"format\" : 1,\n"
	"  \"ref\" : \"node/x86_64/machine\",\n"
	"  \"name\" : \"stable\",\n"
	"  \"entries\" : [\n"
	"    { \"version\" : \"1.9\", \"published\" : 100, \"withdrawn\" : true, \"barrier\" : false, \"waves\" : [] },\n"
	"    { \"version\" : \"1.10\", \"published\" : 200, \"withdrawn\" : false, \"barrier\" : true,\n"
	"      \"waves\" : [ { \"start\" : 1000, \"percent\" : 5 }, { \"start\" : 2000, \"percent\" : 100 } ] }\n"
	"  ]\n"
	"}\n";

typedef struct {
	const char *name;
	const char *from, *to; /* the first @from in the good text becomes @to */
} Fault;

static const Fault release_faults[] = {
	{ "no-json", "{", "[" },
	{ "format-newer", "\"format\" : 1", "\"format\" : 2" },
	{ "format-absent", "\"format\" : 1,", "" },
	{ "format-text", "\"format\" : 1", "\"format\" : \"1\"" },
	{ "format-object", "\"format\" : 1", "\"format\" : {}" },
	{ "ref-absent", "\"ref\" : \"node/x86_64/machine\",", "" },
	{ "ref-number", "\"node/x86_64/machine\"", "7" },
	{ "ref-up", "node/x86_64/machine", "node/../machine" },
	{ "ref-absolute", "node/x86_64/machine", "/node/machine" },
	{ "ref-empty-part", "node/x86_64/machine", "node//machine" },
	{ "name-slash", "\"name\" : \"node\"", "\"name\" : \"no/de\"" },
	{ "name-empty", "\"name\" : \"node\"", "\"name\" : \"\"" },
	{ "name-option", "\"name\" : \"node\"", "\"name\" : \"-node\"" },
	{ "version-dot", "2026.11~rc1", ".2026" },
	{ "version-blank", "2026.11~rc1", "2026 11" },
	{ "version-plus", "2026.11~rc1", "2026+3" },
	{ "version-long", "2026.11~rc1", A64 "a" },
	{ "version-line", "2026.11~rc1", "2026\\n11" },
	{ "version-nul", "2026.11~rc1", "2026\\u000011/../" },
	{ "architecture", "\"architecture\" : \"x86_64\"", "\"architecture\" : \"x86 64\"" },
	{ "commit-short", "\"commit\" : \"" A64 "\"", "\"commit\" : \"aa\"" },
	{ "commit-upper", "\"commit\" : \"a", "\"commit\" : \"A" },
	{ "minimum", "\"2026.01\"", "\"../01\"" },
	{ "root-zero", "819200", "0" },
	{ "root-part-block", "819200", "819201" },
	{ "root-negative", "819200", "-819200" },
	{ "root-fraction", "819200", "819200.0" },
	{ "root-huge", "819200", "9223372036854771712" },
	{ "root-over-64-bits", "819200", "99999999999999999999999" },
	{ "root-other-frames", "819200", "1638400" },
	{ "root-hash", "\"root_hash\" : \"b", "\"root_hash\" : \"x" },
	{ "salt-absent", "\"salt\" : \"" A64 "\",", "" },
	{ "salt-long", "\"salt\" : \"", "\"salt\" : \"aa" },
	{ "tree-size", "16384", "20480" },
	{ "tree-absent", "\"tree\" : {", "\"no\" : {" },
	{ "tree-list", "\"tree\" : { \"sha256\" : \"" A64 "\", \"size\" : 16384 }", "\"tree\" : []" },
	{ "tree-path", "\"tree\" : { \"sha256\" : \"" A64, "\"tree\" : { \"sha256\" : \"../../../../../etc/passwd" },
	{ "frame-bytes", "65536", "131072" },
	{ "frames-empty", "\"size\" : 77", "\"size\" : 0" },
	{ "segments-fewer", "\"frames\" : 3 }", "\"frames\" : 2 }" },
	{ "segments-more", "\"frames\" : 3 }", "\"frames\" : 4 }" },
	{ "segments-none", "\"frames\" : 3 }", "\"frames\" : 0 }" },
	{ "segment-too-large", "\"size\" : 5000", "\"size\" : 67108865" },
	{ "segment-empty", "\"size\" : 5000", "\"size\" : 0" },
	{ "segments-object", "\"segments\" : [", "\"segments\" : {}, \"x\" : [" },
	{ "segments-numbers", "\"segments\" : [", "\"segments\" : [ 1, " },
	{ "uki-absent", "\"uki\"", "\"ku\"" },
	{ "recipe-digest", "\"sbom\"", "\"uki_recipe\" : { \"sha256\" : \"z\", \"size\" : 1 }, \"sbom\"" },
	{ "recipe-size", "\"sbom\"", "\"uki_recipe\" : { \"size\" : 8388609 }, \"sbom\"" },
	{ "layout-digest", "\"sbom\"", "\"layout\" : { \"sha256\" : \"z\", \"size\" : 1 }, \"sbom\"" },
	{ "etc-without-size", "\"sha256\" : null, \"size\" : 0", "\"sha256\" : \"" A64 "\", \"size\" : 0" },
	{ "sbom-digest", "\"sbom\" : { \"sha256\" : \"a", "\"sbom\" : { \"sha256\" : \"/" },
	{ "delta-version", "2026.10", "2026/10" },
	{ "delta-size", "\"size\" : 321", "\"size\" : -1" },
	{ "cost-version", "2026.09", "" },
	{ "cost-hash", "\"2026.09\", \"from_root_hash\" : \"a", "\"2026.09\", \"from_root_hash\" : \"" },
	{ "trailing", "}\n", "" },
};

static const Fault channel_faults[] = {
	{ "format", "\"format\" : 1", "\"format\" : 0" },
	{ "ref", "node/x86_64", "node/.." },
	{ "name", "\"stable\"", "\"sta/ble\"" },
	{ "name-absent", "\"name\" : \"stable\",", "" },
	{ "entries-number", "\"entries\" : [", "\"entries\" : 1, \"x\" : [" },
	{ "entry-text", "\"entries\" : [", "\"entries\" : [ \"1.0\"," },
	{ "version-absent", "\"version\" : \"1.9\",", "" },
	{ "version-order", "\"1.9\"", "\"1.11\"" },
	{ "version-twice", "\"1.9\"", "\"1.10\"" },
	{ "withdrawn-text", "\"withdrawn\" : true", "\"withdrawn\" : \"true\"" },
	{ "withdrawn-number", "\"withdrawn\" : true", "\"withdrawn\" : 1" },
	{ "published-negative", "\"published\" : 100", "\"published\" : -100" },
	{ "waves-object", "\"waves\" : []", "\"waves\" : {}" },
	{ "waves-number", "\"waves\" : []", "\"waves\" : [ 5 ]" },
	{ "wave-zero", "\"percent\" : 5", "\"percent\" : 0" },
	{ "wave-over", "\"percent\" : 100", "\"percent\" : 101" },
	{ "wave-falls", "\"percent\" : 5", "\"percent\" : 100" },
	{ "wave-back", "\"start\" : 2000", "\"start\" : 999" },
	{ "wave-without-share", ", \"percent\" : 5", "" },
};

static char *
spoil(const char *text, const Fault *fault)
{
	const char *at = strstr(text, fault->from);

	g_assert_nonnull(at);
	return g_strdup_printf("%.*s%s%s", (int) (at - text), text, fault->to, at + strlen(fault->from));
}

static void
test_release(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshRelease) release = ash_release_parse(release_text, strlen(release_text), "r", &error);

	g_assert_no_error(error);
	g_assert_cmpstr(release->version, ==, "2026.11~rc1");
	g_assert_cmpuint(release->segments->len, ==, 2);
	g_assert_cmpuint(((AshPackSegment *) release->segments->pdata[1])->frames, ==, 3);
	g_assert_null(release->etc.sha256);
	g_assert_cmpuint(((AshReleaseDelta *) release->deltas->pdata[0])->object.size, ==, 321);
	g_assert_cmpuint(((AshReleaseCost *) release->costs->pdata[0])->requests, ==, 3);
	g_autofree char *text = ash_release_format(release);
	g_autoptr(AshRelease) again = ash_release_parse(text, strlen(text), "r", &error);
	g_assert_no_error(error);
	g_autofree char *same = ash_release_format(again);
	g_assert_cmpstr(text, ==, same);
}

static void
test_release_fault(gconstpointer data)
{
	g_autofree char *text = spoil(release_text, data);
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_release_parse(text, strlen(text), "the file", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_nonnull(strstr(error->message, "the file"));
}

static void
test_channel_fault(gconstpointer data)
{
	g_autofree char *text = spoil(channel_text, data);
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_channel_parse(text, strlen(text), "the file", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

/* No prefix of a file may crash, or pass. */
static void
test_short(void)
{
	for (gsize length = 0; length + 2 < strlen(release_text); length++)
		g_assert_null(ash_release_parse(release_text, length, "r", NULL));
	for (gsize length = 0; length + 2 < strlen(channel_text); length++)
		g_assert_null(ash_channel_parse(channel_text, length, "c", NULL));
}

static void
test_channel(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshChannel) channel = ash_channel_parse(channel_text, strlen(channel_text), "c", &error);

	g_assert_no_error(error);
	g_assert_cmpuint(channel->entries->len, ==, 2);
	const AshChannelEntry *entry = channel->entries->pdata[1];
	g_assert_true(entry->barrier);
	g_assert_cmpuint(entry->waves->len, ==, 2);
	g_assert_cmpuint(((AshWave *) entry->waves->pdata[1])->start, ==, 2000);
	g_autofree char *text = ash_channel_format(channel);
	g_autoptr(AshChannel) again = ash_channel_parse(text, strlen(text), "c", &error);
	g_autofree char *same = ash_channel_format(again);
	g_assert_cmpstr(text, ==, same);
}

static void
test_paths(void)
{
	const AshObjectRef object = { .sha256 = (char *) A64, .size = 1 };
	g_autofree char *path = ash_object_ref_path(&object), *release = ash_release_target_path("a/b/c", "1"),
			*channel = ash_channel_target_path("a/b/c", "stable");

	g_assert_cmpstr(path, ==, "objects/aa/" A64);
	g_assert_cmpstr(release, ==, "a/b/c/1.json");
	g_assert_cmpstr(channel, ==, "a/b/c/channels/stable.json");
}

/** What a node at @current takes at @now. Entries: "VERSION[!][-][:START/PERCENT...]", "!" a barrier, "-" withdrawn. */
typedef struct {
	const char *name;
	const char *entries[5];
	const char *current;
	guint64 now;
	guint place; /* of the node: a seed is sought that has it for every version */
	gboolean ignore_waves;
	const char *expected; /* NULL: nothing */
	guint64 next;
} Choice;

static const Choice choices[] = {
	{ "newest", { "1", "2", "10" }, "1", 0, 0, FALSE, "10", 0 },
	{ "none", { "1", "2" }, "2", 0, 0, FALSE, NULL, 0 },
	{ "never-back", { "1", "2" }, "3", 0, 0, FALSE, NULL, 0 },
	{ "empty", { NULL }, "1", 0, 0, FALSE, NULL, 0 },
	{ "withdrawn", { "2", "3-" }, "1", 0, 0, FALSE, "2", 0 },
	{ "withdrawn-all", { "2-", "3-" }, "1", 0, 0, FALSE, NULL, 0 },
	{ "withdrawn-runs-on", { "2-" }, "2", 0, 0, FALSE, NULL, 0 },
	{ "barrier", { "2!", "3" }, "1", 0, 0, FALSE, "2", 0 },
	{ "barrier-passed", { "2!", "3" }, "2", 0, 0, FALSE, "3", 0 },
	{ "barrier-second", { "2", "3!", "4" }, "1", 0, 0, FALSE, "3", 0 },
	{ "barrier-withdrawn", { "2!-", "3" }, "1", 0, 0, FALSE, "3", 0 },
	{ "barrier-first-of-two", { "2!", "3!", "4" }, "1", 0, 0, FALSE, "2", 0 },
	{ "wave-first", { "2:100/50,200/100" }, "1", 150, 49, FALSE, "2", 0 },
	{ "wave-not-yet", { "2:100/50,200/100" }, "1", 150, 50, FALSE, NULL, 200 },
	{ "wave-before-all", { "2:100/50,200/100" }, "1", 99, 0, FALSE, NULL, 100 },
	{ "wave-at-start", { "2:100/50" }, "1", 100, 0, FALSE, "2", 0 },
	{ "wave-never", { "2:100/50" }, "1", 999, 50, FALSE, NULL, 0 },
	{ "wave-ignored", { "2:100/50" }, "1", 0, 99, TRUE, "2", 0 },
	{ "wave-older-meanwhile", { "2", "3:500/100" }, "1", 100, 99, FALSE, "2", 500 },
	{ "wave-barrier-waits", { "2!:500/100", "3" }, "1", 100, 0, FALSE, NULL, 500 },
	{ "wave-barrier-ignored", { "2!:500/100", "3" }, "1", 100, 0, TRUE, "2", 0 },
};

static void
add_entry(AshChannel *channel, const char *text)
{
	const char *colon = strchr(text, ':');
	g_autofree char *head = g_strndup(text, colon != NULL ? (gsize) (colon - text) : strlen(text));
	g_auto(GStrv) waves = g_strsplit(colon != NULL ? colon + 1 : "", ",", -1);
	AshChannelEntry *entry = g_new0(AshChannelEntry, 1);

	entry->barrier = strchr(head, '!') != NULL;
	entry->withdrawn = strchr(head, '-') != NULL;
	entry->version = g_strndup(head, strcspn(head, "!-"));
	entry->waves = g_ptr_array_new_with_free_func(g_free);
	for (char **text_wave = waves; *text_wave != NULL; text_wave++) {
		AshWave *wave = g_new0(AshWave, 1);
		char *slash;
		wave->start = g_ascii_strtoull(*text_wave, &slash, 10);
		wave->percent = g_ascii_strtoull(slash + 1, NULL, 10);
		g_ptr_array_add(entry->waves, wave);
	}
	g_ptr_array_add(channel->entries, entry);
}

/* A seed that has this place in the roll-outs of versions 2 and 3. */
static char *
find_seed(guint place)
{
	for (guint i = 0;; i++) {
		g_autofree char *seed = g_strdup_printf("%u", i);
		if (ash_wave_place(seed, "2") == place && ash_wave_place(seed, "3") == place)
			return g_steal_pointer(&seed);
	}
}

static void
test_choice(gconstpointer data)
{
	const Choice *choice = data;
	g_autoptr(AshChannel) channel = ash_channel_new();
	g_autofree char *seed = find_seed(choice->place);
	guint64 next = 7;

	for (guint i = 0; choice->entries[i] != NULL; i++)
		add_entry(channel, choice->entries[i]);
	const AshChannelEntry *entry = ash_channel_choose(channel, choice->current, seed, choice->now, choice->ignore_waves, &next);
	g_assert_cmpstr(entry != NULL ? entry->version : NULL, ==, choice->expected);
	g_assert_cmpuint(next, ==, choice->next);
}

/* Every place has its share of nodes, and a node is not always among the first. */
static void
test_places(void)
{
	guint counts[100] = { 0 }, same = 0;

	for (guint i = 0; i < 20000; i++) {
		g_autofree char *seed = g_strdup_printf("node %u", i);
		const guint place = ash_wave_place(seed, "1.0");
		g_assert_cmpuint(place, <, 100);
		g_assert_cmpuint(place, ==, ash_wave_place(seed, "1.0"));
		counts[place]++;
		same += place == ash_wave_place(seed, "1.1");
	}
	for (guint i = 0; i < 100; i++)
		g_assert_true(counts[i] > 120 && counts[i] < 280);
	g_assert_cmpuint(same, <, 400);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/release/good", test_release);
	g_test_add_func("/model/release/channel", test_channel);
	g_test_add_func("/model/release/short", test_short);
	g_test_add_func("/model/release/paths", test_paths);
	g_test_add_func("/model/release/places", test_places);
	for (gsize i = 0; i < G_N_ELEMENTS(release_faults); i++) {
		g_autofree char *path = g_strdup_printf("/model/release/must-fail/%s", release_faults[i].name);
		g_test_add_data_func(path, &release_faults[i], test_release_fault);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(channel_faults); i++) {
		g_autofree char *path = g_strdup_printf("/model/release/channel-must-fail/%s", channel_faults[i].name);
		g_test_add_data_func(path, &channel_faults[i], test_channel_fault);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(choices); i++) {
		g_autofree char *path = g_strdup_printf("/model/release/choose/%s", choices[i].name);
		g_test_add_data_func(path, &choices[i], test_choice);
	}
	return g_test_run();
}
