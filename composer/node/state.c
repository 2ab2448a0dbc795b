/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/state.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#define FORMAT        1
#define SEED_BYTES    16
#define MAX_HISTORY   200
#define DAY_SECONDS   86400
#define MODE_STATE    0600

const AshField ash_node_journal_fields[] = {
	ASH_FIELD(AshNodeJournal, format, ASH_FIELD_UINT64),
	ASH_FIELD(AshNodeJournal, state, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, version, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, root_hash, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, slot, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, uki_sha256, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, uki_size, ASH_FIELD_UINT64),
	ASH_FIELD(AshNodeJournal, release, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, old_root_hash, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, from_version, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, boot_id, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeJournal, time, ASH_FIELD_UINT64),
	{ NULL },
};

static const AshField bad_fields[] = {
	ASH_FIELD(AshNodeBad, version, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeBad, root_hash, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeBad, reason, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeBad, time, ASH_FIELD_UINT64),
	{ NULL },
};

const AshField ash_node_marks_fields[] = {
	ASH_FIELD(AshNodeMarks, format, ASH_FIELD_UINT64),
	ASH_FIELD(AshNodeMarks, high_water, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeMarks, day, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeMarks, day_bytes, ASH_FIELD_UINT64),
	ASH_FIELD_EACH(AshNodeMarks, bad, bad_fields, AshNodeBad),
	{ NULL },
};

const AshField ash_node_event_fields[] = {
	ASH_FIELD(AshNodeEvent, time, ASH_FIELD_UINT64),
	ASH_FIELD(AshNodeEvent, event, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeEvent, version, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeEvent, from_version, ASH_FIELD_STRING),
	ASH_FIELD(AshNodeEvent, bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshNodeEvent, text, ASH_FIELD_STRING),
	{ NULL },
};

/* history.json */
typedef struct {
	guint64 format;
	GPtrArray *events;
} HistoryFile;

static const AshField history_fields[] = {
	ASH_FIELD(HistoryFile, format, ASH_FIELD_UINT64),
	ASH_FIELD_EACH(HistoryFile, events, ash_node_event_fields, AshNodeEvent),
	{ NULL },
};

static void
bad_free(gpointer data)
{
	AshNodeBad *bad = data;

	g_free(bad->version);
	g_free(bad->root_hash);
	g_free(bad->reason);
	g_free(bad);
}

static void
event_free(gpointer data)
{
	AshNodeEvent *event = data;

	g_free(event->event);
	g_free(event->version);
	g_free(event->from_version);
	g_free(event->text);
	g_free(event);
}

static void
journal_clear(AshNodeJournal *journal)
{
	char **const members[] = { &journal->state, &journal->version, &journal->root_hash, &journal->slot, &journal->uki_sha256,
				   &journal->release, &journal->old_root_hash, &journal->from_version, &journal->boot_id };

	for (guint i = 0; i < G_N_ELEMENTS(members); i++)
		g_clear_pointer(members[i], g_free);
	*journal = (AshNodeJournal){ .format = FORMAT };
}

static void
marks_init(AshNodeMarks *marks)
{
	*marks = (AshNodeMarks){ .format = FORMAT, .bad = g_ptr_array_new_with_free_func(bad_free) };
}

static void
marks_clear(AshNodeMarks *marks)
{
	g_free(marks->high_water);
	g_free(marks->day);
	g_ptr_array_unref(marks->bad);
}

void
ash_node_state_free(AshNodeState *state)
{
	if (state == NULL)
		return;
	journal_clear(&state->journal);
	marks_clear(&state->marks);
	g_ptr_array_unref(state->history);
	g_ptr_array_unref(state->notes);
	g_free(state->seed);
	g_free(state->dir);
	ash_fd_clear(&state->lock_fd);
	ash_fd_clear(&state->dir_fd);
	g_free(state);
}

/* A file that cannot be used is put aside, so that somebody can look at it, and never in the way. */
static void
put_aside(AshNodeState *state, const char *name, const char *suffix, const char *why)
{
	g_autofree char *aside = g_strconcat(name, suffix, NULL);

	if (state->mode == ASH_NODE_STATE_WRITE)
		(void) renameat(state->dir_fd, name, state->dir_fd, aside);
	g_ptr_array_add(state->notes, g_strdup_printf("\"%s/%s\" %s", state->dir, name, why));
}

/* Missing or damaged: the record keeps what it has. */
static gboolean
load_record(AshNodeState *state, const char *name, gpointer record, const AshField *fields, const guint64 *format, GError **error)
{
	g_autofree char *text = NULL;
	gsize length = 0;

	if (!ash_file_load_optional(state->dir_fd, name, &text, &length, error))
		return FALSE;
	if (text == NULL)
		return TRUE;
	g_autoptr(JsonObject) object = ash_json_parse_object(text, (gssize) length, name, NULL);
	if (object == NULL || !ash_record_from_json(record, fields, object, NULL)) {
		put_aside(state, name, ".damaged", "is damaged: what it said is lost");
		return TRUE;
	}
	if (*format > FORMAT)
		put_aside(state, name, ".newer", "was written by a newer program: what is known of it is used");
	return TRUE;
}

static gboolean
save_record(AshNodeState *state, const char *name, gconstpointer record, const AshField *fields, GError **error)
{
	g_autoptr(JsonObject) object = ash_record_to_json(record, fields, TRUE);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);

	if (!ash_file_save(state->dir_fd, name, text, -1, MODE_STATE, error))
		return ash_prefix(error, "the state of updates");
	return fsync(state->dir_fd) == 0 || ash_throw_errno(error, "cannot sync \"%s\"", state->dir);
}

static gboolean
load_records(AshNodeState *state, GError **error)
{
	HistoryFile history = { .format = FORMAT, .events = state->history };

	if (!load_record(state, "journal.json", &state->journal, ash_node_journal_fields, &state->journal.format, error) ||
	    !load_record(state, "marks.json", &state->marks, ash_node_marks_fields, &state->marks.format, error) ||
	    !load_record(state, "history.json", &history, history_fields, &history.format, error))
		return FALSE;
	const AshNodeJournal *journal = &state->journal;
	/* Half a journal is none. */
	if (journal->state != NULL && (journal->version == NULL || journal->root_hash == NULL || journal->uki_sha256 == NULL))
		journal_clear(&state->journal);
	state->journal.format = state->marks.format = FORMAT;
	for (guint i = state->marks.bad->len; i-- > 0;)
		if (((AshNodeBad *) state->marks.bad->pdata[i])->version == NULL)
			g_ptr_array_remove_index(state->marks.bad, i);
	return TRUE;
}

static bool
is_seed(const char *text)
{
	guint8 bytes[SEED_BYTES];

	return ash_hex_decode(text, bytes, sizeof(bytes));
}

static gboolean
load_seed(AshNodeState *state, GError **error)
{
	g_autofree char *text = NULL;
	guint8 bytes[SEED_BYTES];

	if (!ash_file_load_optional(state->dir_fd, "seed", &text, NULL, error))
		return FALSE;
	if (text != NULL && is_seed(g_strstrip(text))) {
		state->seed = g_steal_pointer(&text);
		return TRUE;
	}
	if (text != NULL)
		put_aside(state, "seed", ".damaged", "is damaged: a new one gives the node another place in roll-outs");
	if (state->mode == ASH_NODE_STATE_READ)
		return TRUE;
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return ash_throw_errno(error, "no random numbers");
	state->seed = ash_hex_encode(bytes, sizeof(bytes));
	return ash_file_save(state->dir_fd, "seed", state->seed, -1, MODE_STATE, error);
}

static gboolean
take_lock(AshNodeState *state, GError **error)
{
	state->lock_fd = ash_fd_open(state->dir_fd, "lock", O_RDWR | O_CREAT, MODE_STATE, error);
	if (state->lock_fd < 0)
		return ash_prefix(error, "the state of updates");
	if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return TRUE;
	if (errno == EWOULDBLOCK)
		return ash_throw(error, ASH_ERROR_CONFIG, "another ashlar-node is at work (it holds \"%s/lock\"): try again when it is done", state->dir);
	return ash_throw_errno(error, "cannot lock \"%s/lock\"", state->dir);
}

/* What an interruption left of new files: nobody but us, who have the lock, writes any. */
static void
remove_leftovers(const AshNodeState *state, const char *name)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(state->dir_fd, name, NULL);
	struct dirent *entry;

	while (stream != NULL && (entry = ash_fd_next_entry(stream)) != NULL)
		if (g_str_has_suffix(entry->d_name, ".tmp"))
			(void) unlinkat(dirfd(stream), entry->d_name, 0);
}

AshNodeState *
ash_node_state_open(const AshNodePlaces *places, AshNodeStateMode mode, GError **error)
{
	g_autoptr(AshNodeState) state = g_new0(AshNodeState, 1);

	state->dir_fd = state->lock_fd = -1;
	state->mode = mode;
	state->dir = ash_node_places_state(places);
	state->history = g_ptr_array_new_with_free_func(event_free);
	state->notes = g_ptr_array_new_with_free_func(g_free);
	state->journal.format = FORMAT;
	marks_init(&state->marks);
	if (mode == ASH_NODE_STATE_READ) {
		state->dir_fd = open(state->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (state->dir_fd < 0 && errno == ENOENT)
			return g_steal_pointer(&state);
		if (state->dir_fd < 0)
			return ash_throw_errno_null(error, "cannot open \"%s\"", state->dir);
	} else {
		if (!ash_file_mkdirs(AT_FDCWD, state->dir, 0700, error))
			return NULL;
		state->dir_fd = ash_file_open_dir(AT_FDCWD, state->dir, false, error);
		if (state->dir_fd < 0 || !take_lock(state, error))
			return NULL;
		remove_leftovers(state, ".");
		remove_leftovers(state, "tuf");
	}
	if (!load_records(state, error) || !load_seed(state, error))
		return NULL;
	return g_steal_pointer(&state);
}

gboolean
ash_node_state_save_journal(AshNodeState *state, GError **error)
{
	return save_record(state, "journal.json", &state->journal, ash_node_journal_fields, error);
}

gboolean
ash_node_state_save_marks(AshNodeState *state, GError **error)
{
	return save_record(state, "marks.json", &state->marks, ash_node_marks_fields, error);
}

gboolean
ash_node_state_end_journal(AshNodeState *state, GError **error)
{
	if (state->journal.state == NULL)
		return TRUE;
	journal_clear(&state->journal);
	return ash_node_state_save_journal(state, error);
}

gboolean
ash_node_state_log(AshNodeState *state, guint64 now, const char *event, const char *version, const char *from_version, guint64 bytes,
		   const char *text, GError **error)
{
	AshNodeEvent *added = g_new0(AshNodeEvent, 1);
	HistoryFile file = { .format = FORMAT, .events = state->history };

	added->time = now;
	added->event = g_strdup(event);
	added->version = g_strdup(version);
	added->from_version = g_strdup(from_version);
	added->bytes = bytes;
	added->text = g_strdup(text);
	g_ptr_array_add(state->history, added);
	if (state->history->len > MAX_HISTORY)
		g_ptr_array_remove_range(state->history, 0, state->history->len - MAX_HISTORY);
	return save_record(state, "history.json", &file, history_fields, error);
}

bool
ash_node_state_is_at(const AshNodeState *state, const char *journal_state)
{
	return g_strcmp0(state->journal.state, journal_state) == 0;
}

const AshNodeBad *
ash_node_state_find_bad(const AshNodeState *state, const char *version)
{
	for (guint i = 0; i < state->marks.bad->len; i++) {
		const AshNodeBad *bad = state->marks.bad->pdata[i];
		if (strcmp(bad->version, version) == 0)
			return bad;
	}
	return NULL;
}

gboolean
ash_node_state_add_bad(AshNodeState *state, const char *version, const char *root_hash, const char *reason, guint64 now, GError **error)
{
	if (ash_node_state_find_bad(state, version) != NULL)
		return TRUE;
	AshNodeBad *bad = g_new0(AshNodeBad, 1);
	bad->version = g_strdup(version);
	bad->root_hash = g_strdup(root_hash);
	bad->reason = g_strdup(reason);
	bad->time = now;
	g_ptr_array_add(state->marks.bad, bad);
	return ash_node_state_save_marks(state, error) && ash_node_state_log(state, now, "bad", version, NULL, 0, reason, error);
}

gboolean
ash_node_state_forget_bad(AshNodeState *state, const char *version, GError **error)
{
	for (guint i = 0; i < state->marks.bad->len; i++) {
		if (strcmp(((AshNodeBad *) state->marks.bad->pdata[i])->version, version) != 0)
			continue;
		g_ptr_array_remove_index(state->marks.bad, i);
		return ash_node_state_save_marks(state, error);
	}
	return TRUE;
}

static char *
format_day(guint64 now)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) (now - now % DAY_SECONDS));

	return time != NULL ? g_date_time_format(time, "%Y-%m-%d") : g_strdup("");
}

guint64
ash_node_state_get_day_bytes(const AshNodeState *state, guint64 now)
{
	g_autofree char *day = format_day(now);

	return g_strcmp0(state->marks.day, day) == 0 ? state->marks.day_bytes : 0;
}

gboolean
ash_node_state_add_day_bytes(AshNodeState *state, guint64 now, guint64 bytes, GError **error)
{
	if (bytes == 0)
		return TRUE;
	state->marks.day_bytes = ash_node_state_get_day_bytes(state, now) + bytes;
	g_free(state->marks.day);
	state->marks.day = format_day(now);
	return ash_node_state_save_marks(state, error);
}

void
ash_node_state_set(char **member, const char *value)
{
	char *copy = g_strdup(value);

	g_free(*member);
	*member = copy;
}
