/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/placer.h"

#include "base/error.h"
#include "base/fd.h"
#include "install/filestates.h"
#include "install/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmlog.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_MAX (256 * 1024 * 1024)
/*
 * It may be behind by so many packages. Both sides would wait for each other for ever if it could not get rid of its answers while
 * we cannot get rid of a request: a socket holds these answers, and before a larger request none is left.
 */
#define PENDING_MAX   8
#define NOTICES_MAX   (8 * 1024)  /* bytes */
#define REQUEST_SMALL (32 * 1024) /* bytes */

struct AshPlacer {
	int channel;
	pid_t pid;
	guint pending; /* answers to come */
};

/*
 * Messages: a length in bytes, then as many. To the placer: first its root and the packages as NUL-terminated strings;
 * then for each package an array of AshPayloadFile. From it, once it is ready and for each package: an Answer, and then the
 * text of the error, or notices, one a line.
 */
typedef struct {
	gint32 failed; /* 0, or 1 + AshErrorCode */
} Answer;

static gboolean
send_all(int fd, const void *data, gsize length, GError **error)
{
	for (gsize done = 0; done < length;) {
		ssize_t sent = send(fd, (const char *) data + done, length - done, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return ash_throw_errno(error, "the process that places files has ended");
		done += sent > 0 ? (gsize) sent : 0;
	}
	return TRUE;
}

static gboolean
send_message(int fd, const void *data, gsize length, GError **error)
{
	guint64 size = length;

	return send_all(fd, &size, sizeof size, error) && send_all(fd, data, length, error);
}

static gboolean
receive_all(int fd, void *data, gsize length, GError **error)
{
	for (gsize done = 0; done < length;) {
		ssize_t got = recv(fd, (char *) data + done, length - done, 0);
		if (got == 0)
			return ash_throw(error, ASH_ERROR_INTERNAL, "the process that places files has ended");
		if (got < 0 && errno != EINTR)
			return ash_throw_errno(error, "the process that places files");
		done += got > 0 ? (gsize) got : 0;
	}
	return TRUE;
}

/* Owned, with a NUL after it; NULL on failure and at the end. */
static char *
receive_message(int fd, gsize *ret_length, GError **error)
{
	guint64 size = 0;

	if (!receive_all(fd, &size, sizeof size, error))
		return NULL;
	if (size > MESSAGE_MAX)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "the process that places files talks nonsense");
	g_autofree char *data = g_malloc0((gsize) size + 1);
	if (!receive_all(fd, data, (gsize) size, error))
		return NULL;
	*ret_length = (gsize) size;
	return g_steal_pointer(&data);
}

/* From here to run_placer() we are in the other process. */

static gboolean
answer(int channel, const GString *notices, const GError *failure, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	Answer head = { failure != NULL ? 1 + (gint32) ash_error_code(failure) : 0 };

	g_string_append_len(text, (const char *) &head, sizeof head);
	g_string_append(text, failure != NULL ? failure->message : notices->str);
	if (text->len > NOTICES_MAX)
		g_string_append(g_string_truncate(text, NOTICES_MAX), "...");
	return send_message(channel, text->str, text->len, error);
}

static gboolean
serve_package(AshPayload *payload, int channel, const char *nevra, const char *sha256, GError **error)
{
	g_autoptr(GString) notices = g_string_new(NULL);
	g_autoptr(GError) failure = NULL;
	gsize length = 0;
	/* Read ahead, while the transaction is busy with the one before. */
	g_autoptr(AshPayloadPackage) package = ash_payload_open(payload, nevra, sha256, &failure);
	g_autofree char *request = receive_message(channel, &length, error);

	if (request == NULL)
		return FALSE;
	if (package != NULL)
		ash_payload_place(package, (const AshPayloadFile *) request, (guint) (length / sizeof(AshPayloadFile)), notices,
				  &failure);
	return answer(channel, notices, failure, error);
}

/* What fails here is known to the transaction: it was answered, or the channel is closed. */
static gboolean
serve(AshPayload *payload, int channel, GError **error)
{
	gsize length = 0;
	g_autofree char *request = receive_message(channel, &length, error);

	if (request == NULL)
		return FALSE;
	if (chroot(request) < 0)
		return ash_throw_errno(error, "cannot enter \"%s\"", request);
	for (const char *nevra = request + strlen(request) + 1; nevra < request + length;) {
		const char *sha256 = nevra + strlen(nevra) + 1;
		if (!serve_package(payload, channel, nevra, sha256, error))
			return FALSE;
		nevra = sha256 + strlen(sha256) + 1;
	}
	return TRUE;
}

/* Before the transaction goes into the sandbox: opens what it will need, and says so. */
static gboolean
prepare(const char *import_dir, const char *root_path, bool may_link, int channel, AshPayload **ret_payload)
{
	g_autoptr(GString) nothing = g_string_new(NULL);
	g_autoptr(GError) failure = NULL;

	*ret_payload = ash_payload_new(import_dir, root_path, may_link, &failure);
	return answer(channel, nothing, failure, NULL) && failure == NULL;
}

G_NORETURN static void
run_placer(const char *import_dir, const char *root_path, bool may_link, int channel)
{
	g_autoptr(AshPayload) payload = NULL;
	int here = STDERR_FILENO + 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Nothing else of the worker's is ours to hold. */
	if (channel != here && dup2(channel, here) < 0)
		_exit(1);
	close_range((unsigned int) here + 1, ~0U, 0);
	rpmSetVerbosity(RPMLOG_CRIT);
	/* The end of the channel is how it is told to stop. */
	bool good = prepare(import_dir, root_path, may_link, here, &payload) && serve(payload, here, NULL);
	_exit(good ? 0 : 1);
}

/* End of the other process' part. */

static gboolean
take_answer(AshPlacer *placer, GError **error)
{
	Answer head;
	gsize length = 0;
	g_autofree char *reply = receive_message(placer->channel, &length, error);

	if (reply == NULL)
		return FALSE;
	if (length < sizeof head)
		return ash_throw(error, ASH_ERROR_INTERNAL, "the process that places files talks nonsense");
	memcpy(&head, reply, sizeof head);
	const char *text = reply + sizeof head;
	if (head.failed != 0)
		return ash_throw(error, (AshErrorCode) (head.failed - 1), "%s", text);
	g_auto(GStrv) notices = g_strsplit(text, "\n", -1);
	for (gsize i = 0; notices[i] != NULL; i++)
		if (*notices[i] != '\0')
			rpmlog(RPMLOG_WARNING, "%s\n", notices[i]);
	return TRUE;
}

AshPlacer *
ash_placer_new(const char *import_dir, const char *root_path, bool may_link, GError **error)
{
	g_autoptr(AshPlacer) placer = g_new0(AshPlacer, 1);
	int channel[2];

	placer->channel = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0)
		return ash_throw_errno_null(error, "cannot start a process to place files");
	ash_autofd int theirs = channel[1];
	placer->channel = channel[0];
	placer->pid = fork();
	if (placer->pid < 0)
		return ash_throw_errno_null(error, "cannot start a process to place files");
	if (placer->pid == 0) {
		close(placer->channel);
		run_placer(import_dir, root_path, may_link, theirs);
	}
	ash_fd_clear(&theirs);
	return take_answer(placer, error) ? g_steal_pointer(&placer) : NULL;
}

void
ash_placer_free(AshPlacer *placer)
{
	if (placer == NULL)
		return;
	ash_fd_clear(&placer->channel);
	while (placer->pid > 0 && waitpid(placer->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g_free(placer);
}

gboolean
ash_placer_start(AshPlacer *placer, const char *root, GPtrArray *packages, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_append_len(text, root, (gssize) strlen(root) + 1);
	for (guint i = 0; i < packages->len; i++) {
		const char *part = g_ptr_array_index(packages, i);
		g_string_append_len(text, part, (gssize) strlen(part) + 1);
	}
	return send_message(placer->channel, text->str, text->len, error);
}

/* Whose names are looked up in the root, where a package that is still to be placed may have them. */
static bool
has_other_owner(rpmfiles files, guint count)
{
	for (guint i = 0; i < count; i++)
		if (g_strcmp0(rpmfilesFUser(files, (int) i), "root") != 0 || g_strcmp0(rpmfilesFGroup(files, (int) i), "root") != 0)
			return true;
	return false;
}

/* A missing user or group is root's, with librpm's own warning. */
static AshPayloadFile *
describe(rpmfiles files, const AshFileStates *states)
{
	g_autofree AshPayloadFile *described = g_new0(AshPayloadFile, states->count);
	struct stat info;

	for (guint i = 0; i < states->count; i++) {
		if (rpmfilesStat(files, (int) i, 1, &info) != 0)
			return NULL;
		described[i] = (AshPayloadFile) { info.st_mode, info.st_uid, info.st_gid, states->actions[i] };
	}
	return g_steal_pointer(&described);
}

static gboolean
wait_for(AshPlacer *placer, guint most, GError **error)
{
	while (placer->pending > most) {
		placer->pending--;
		if (!take_answer(placer, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_placer_wait(AshPlacer *placer, GError **error)
{
	return wait_for(placer, 0, error);
}

gboolean
ash_placer_place(AshPlacer *placer, rpmte element, GError **error)
{
	rpmfiles files = rpmteFiles(element);
	guint count = (guint) rpmfilesFC(files);
	gsize length = count * sizeof(AshPayloadFile);
	AshFileStates states = { 0 };
	bool now = length > REQUEST_SMALL || has_other_owner(files, count);
	bool ready = wait_for(placer, now ? 0 : PENDING_MAX - 1, error);
	bool known = ready && (count == 0 || ash_file_states_get(element, count, &states));
	g_autofree AshPayloadFile *described = known ? describe(files, &states) : NULL;

	rpmfilesFree(files);
	if (!ready)
		return FALSE;
	if (!known || (described == NULL && count > 0))
		return ash_throw(error, ASH_ERROR_INTERNAL, "package \"%s\": librpm does not say what becomes of its files",
				 rpmteNEVRA(element));
	ash_file_states_note(&states);
	placer->pending++;
	return send_message(placer->channel, described, length, error);
}
