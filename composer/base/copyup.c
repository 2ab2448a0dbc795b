/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/copyup.h"

#include "base/calltarget.h"
#include "base/fd.h"
#include "base/shared.h"
#include "base/writecall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Wake the other side on this very processor: linux/seccomp.h of 6.6. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* An outcome of a call that is no error. */
#define PRETEND (-1)

/* Of one architecture: the numbers of ash_write_calls and ash_watch_calls. */
typedef struct {
	guint32 token;
	int *numbers, *watched;
} CallNumbers;

struct AshCopyup {
	int listener;
	int base;               /* "/" of the supervised processes' mount namespace */
	CallNumbers numbers[2]; /* native, and 32-bit */
	AshCopyupWatch watch;   /* may be NULL */
	gpointer watch_data;
	guint8 *request;        /* struct seccomp_notif, as large as the kernel has it */
	gsize request_size;
};

static void
apply_open_flags(AshCallTarget *target, guint64 flags)
{
	target->path.follow = (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

/* False if the flags say that nothing is written. */
static bool
apply_open_how(AshCallTarget *target, guint64 address)
{
	struct open_how how = { 0 };
	gsize length = 0;

	/* Unreadable: the call fails, too. */
	if (ash_call_target_read_memory(target, address, &how, sizeof how, &length) != 0 || length < sizeof how)
		return true;
	apply_open_flags(target, how.flags);
	target->path.in_root = (how.resolve & RESOLVE_IN_ROOT) != 0;
	return (how.flags & (O_ACCMODE | O_TRUNC)) != 0 && (how.flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

/* False if the call changes no file's inode. */
static bool
apply_flags(const AshWriteCall *call, AshCallTarget *target)
{
	const __u64 *args = target->notif->data.args;

	switch (call->kind) {
	case ASH_WRITE_CALL_OPEN:
		apply_open_flags(target, args[call->flags]);
		return true;
	case ASH_WRITE_CALL_OPEN_HOW:
		return apply_open_how(target, args[call->flags]);
	case ASH_WRITE_CALL_AT:
		target->path.follow = (args[call->flags] & AT_SYMLINK_NOFOLLOW) == 0;
		return true;
	case ASH_WRITE_CALL_LINK:
		target->path.follow = (args[call->flags] & AT_SYMLINK_FOLLOW) != 0;
		return true;
	case ASH_WRITE_CALL_FOLLOW:
		target->path.follow = true;
		return true;
	case ASH_WRITE_CALL_NOFOLLOW:
	case ASH_WRITE_CALL_FD:
	case ASH_WRITE_CALL_IOCTL:
	default:
		return true;
	}
}

/* A call with a path, which is a descriptor after all if that is empty or not there. */
static int
guard_path_call(const AshWriteCall *call, AshCallTarget *target)
{
	const __u64 *args = target->notif->data.args;
	int dir_fd = call->dir >= 0 ? (int) args[call->dir] : AT_FDCWD;

	/* utimensat(2), futimesat(2) and others without a path. */
	if (call->dir >= 0 && args[call->path] == 0)
		return dir_fd >= 0 ? ash_call_target_guard_fd(target, dir_fd) : 0;
	int failed = ash_call_target_read_text(target, args[call->path]);
	if (failed != 0)
		return failed == ENOENT ? 0 : failed;
	if (*target->text == '\0')
		return dir_fd >= 0 ? ash_call_target_guard_fd(target, dir_fd) : 0;
	target->path = (AshProcPath){
		.pid = (pid_t) target->notif->pid,
		.dir_fd = dir_fd,
		.path = target->text,
	};
	return apply_flags(call, target) ? ash_call_target_guard_path(target) : 0;
}

static const AshWriteCall *
find_call(const AshCopyup *copyup, const struct seccomp_data *data)
{
	for (gsize i = 0; i < G_N_ELEMENTS(copyup->numbers); i++) {
		const CallNumbers *numbers = &copyup->numbers[i];
		if (numbers->token != data->arch)
			continue;
		for (gsize j = 0; ash_write_calls[j].name != NULL; j++)
			if (numbers->numbers[j] == data->nr)
				return &ash_write_calls[j];
	}
	return NULL;
}

/* Who copies a file with its attributes (cp -a) would mark the copy, which is his own. */
static bool
sets_mark(const AshWriteCall *call, AshCallTarget *target)
{
	return call->attribute > 0 && ash_call_target_read_text(target, target->notif->data.args[call->attribute]) == 0 &&
	       (strcmp(target->text, ASH_SHARED_XATTR) == 0 || strcmp(target->text, ASH_SHARED_OBJECT_XATTR) == 0);
}

/* A watched call that is asked about whatever its flags are: as the filter would decide (base/callfilter.c). */
static bool
writes(const AshWriteCall *call, const AshCallTarget *target)
{
	guint64 flags = call->kind == ASH_WRITE_CALL_OPEN ? target->notif->data.args[call->flags] : 0;

	return call->kind != ASH_WRITE_CALL_OPEN ||
	       ((flags & (O_ACCMODE | O_TRUNC)) != 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL));
}

/* Tells of one name in a call. */
static void
tell_name(const AshCopyup *copyup, const AshWatchCall *call, AshCallTarget *target)
{
	const __u64 *args = target->notif->data.args;
	AshWatchedCall told = {
		.pid = (pid_t) target->notif->pid,
		.effect = call->effect,
		.dir_fd = call->dir >= 0 ? (int) args[call->dir] : AT_FDCWD,
		.flags = call->flags >= 0 ? args[call->flags] : 0,
	};

	if (call->effect == ASH_WATCH_OPEN_HOW) {
		struct open_how how = { 0 };
		gsize length = 0;
		told.effect = ASH_WATCH_OPEN;
		if (ash_call_target_read_memory(target, told.flags, &how, sizeof how, &length) != 0 || length < sizeof how ||
		    (how.resolve & RESOLVE_IN_ROOT) != 0)
			told.effect = ASH_WATCH_ODD;
		told.flags = how.flags;
	}
	if (call->effect == ASH_WATCH_CREAT) {
		told.effect = ASH_WATCH_OPEN;
		told.flags = O_CREAT | O_WRONLY | O_TRUNC;
	}
	if (call->path >= 0 && args[call->path] != 0) {
		if (ash_call_target_read_text(target, args[call->path]) != 0)
			told.effect = ASH_WATCH_ODD;
		told.path = target->text;
	}
	copyup->watch(&told, copyup->watch_data);
}

static void
tell(const AshCopyup *copyup, AshCallTarget *target)
{
	const AshWatchedCall odd = { .pid = (pid_t) target->notif->pid, .effect = ASH_WATCH_ODD, .dir_fd = AT_FDCWD };
	bool known = false;

	for (gsize i = 0; i < G_N_ELEMENTS(copyup->numbers); i++) {
		const CallNumbers *numbers = &copyup->numbers[i];
		if (numbers->token != target->notif->data.arch)
			continue;
		for (gsize j = 0; ash_watch_calls[j].name != NULL; j++)
			if (numbers->watched[j] == target->notif->data.nr) {
				tell_name(copyup, &ash_watch_calls[j], target);
				known = true;
			}
	}
	if (!known)
		copyup->watch(&odd, copyup->watch_data);
}

/* 0 if the call may go on, PRETEND if it is to succeed without, else the error that it gets. */
static int
guard_call(const AshCopyup *copyup, AshCallTarget *target)
{
	const AshWriteCall *call = find_call(copyup, &target->notif->data);

	if (target->notif->pid == 0)
		return EPERM;
	if (call == NULL)
		return copyup->watch != NULL ? 0 : EPERM;
	if (copyup->watch != NULL && !writes(call, target))
		return 0;
	if (sets_mark(call, target))
		return PRETEND;
	if (call->path >= 0)
		return guard_path_call(call, target);
	return ash_call_target_guard_fd(target, (int) target->notif->data.args[call->dir]);
}

void
ash_copyup_serve(AshCopyup *copyup)
{
	AshCallTarget target;

	target.listener = copyup->listener;
	target.base = copyup->base;
	target.notif = (const struct seccomp_notif *) (gconstpointer) copyup->request;
	memset(copyup->request, 0, copyup->request_size);
	if (ioctl(copyup->listener, SECCOMP_IOCTL_NOTIF_RECV, copyup->request) < 0)
		return;
	if (copyup->watch != NULL && target.notif->pid != 0)
		tell(copyup, &target);
	int failed = guard_call(copyup, &target);
	struct seccomp_notif_resp answer = {
		.id = target.notif->id,
		.error = failed > 0 ? -failed : 0,
		.flags = failed == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0,
	};
	/* It fails if who asked is gone, which needs no answer. */
	ioctl(copyup->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void
ash_copyup_set_watch(AshCopyup *copyup, AshCopyupWatch watch, gpointer data)
{
	copyup->watch = watch;
	copyup->watch_data = data;
}

int
ash_copyup_get_fd(const AshCopyup *copyup)
{
	return copyup->listener;
}

static void
load_numbers(CallNumbers *numbers, guint32 token)
{
	gsize count = 0, watched = 0;

	while (ash_write_calls[count].name != NULL)
		count++;
	while (ash_watch_calls[watched].name != NULL)
		watched++;
	numbers->token = token;
	numbers->numbers = g_new(int, count);
	for (gsize i = 0; i < count; i++)
		numbers->numbers[i] = seccomp_syscall_resolve_name_arch(token, ash_write_calls[i].name);
	numbers->watched = g_new(int, watched);
	for (gsize i = 0; i < watched; i++)
		numbers->watched[i] = seccomp_syscall_resolve_name_arch(token, ash_watch_calls[i].name);
}

static AshCopyup *
copyup_new(int listener, int base)
{
	g_autoptr(AshCopyup) copyup = g_new0(AshCopyup, 1);
	struct seccomp_notif_sizes sizes = { 0 };

	copyup->listener = listener;
	copyup->base = base;
	load_numbers(&copyup->numbers[0], seccomp_arch_native());
	load_numbers(&copyup->numbers[1], SCMP_ARCH_X86);
	syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
	copyup->request_size = MAX(sizes.seccomp_notif, sizeof(struct seccomp_notif));
	copyup->request = g_malloc0(copyup->request_size);
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, 0);
	return g_steal_pointer(&copyup);
}

void
ash_copyup_free(AshCopyup *copyup)
{
	if (copyup == NULL)
		return;
	ash_fd_clear(&copyup->listener);
	ash_fd_clear(&copyup->base);
	for (gsize i = 0; i < G_N_ELEMENTS(copyup->numbers); i++) {
		g_free(copyup->numbers[i].numbers);
		g_free(copyup->numbers[i].watched);
	}
	g_free(copyup->request);
	g_free(copyup);
}

/* A message of one byte with two descriptors (unix(7), SCM_RIGHTS). */
typedef struct {
	char byte;
	struct iovec data;
	struct msghdr message;
	union {
		char room[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr header; /* for its alignment */
	} control;
} FdMessage;

static void
message_prepare(FdMessage *message)
{
	memset(message, 0, sizeof *message);
	message->data = (struct iovec){ &message->byte, 1 };
	message->message.msg_iov = &message->data;
	message->message.msg_iovlen = 1;
	message->message.msg_control = message->control.room;
	message->message.msg_controllen = sizeof message->control.room;
}

bool
ash_copyup_send(int channel, int listener)
{
	ash_autofd int base = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return base >= 0 && ash_copyup_send_base(channel, listener, base);
}

bool
ash_copyup_send_base(int channel, int listener, int base)
{
	int fds[2] = { listener, base };
	FdMessage message;

	message_prepare(&message);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message.message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(header), fds, sizeof fds);
	return sendmsg(channel, &message.message, MSG_NOSIGNAL) == 1;
}

AshCopyup *
ash_copyup_receive(int channel)
{
	ash_autofd int taken = channel;
	FdMessage message;
	int fds[2];
	ssize_t got;

	message_prepare(&message);
	do {
		got = recvmsg(taken, &message.message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message.message) : NULL;
	if (header == NULL || header->cmsg_len != CMSG_LEN(sizeof fds)) {
		errno = got < 0 ? errno : EPIPE;
		return NULL;
	}
	memcpy(fds, CMSG_DATA(header), sizeof fds);
	return copyup_new(fds[0], fds[1]);
}
