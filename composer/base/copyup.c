/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/copyup.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/procpath.h"
#include "base/shared.h"
#include "base/writecall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Wake the other side on this very processor: linux/seccomp.h of 6.6. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* Times that a name may be gone before it is found; each is a rename that happened in between. */
#define NAME_TRIES 3
#define PATH_LENGTH 4096
#define SHORT_PATH_LENGTH 128
#define PAGE_LENGTH 4096

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

/* What waits: the call and where it writes to. */
typedef struct {
	const struct seccomp_notif *notif;
	AshProcPath path;
	char text[PATH_LENGTH + 1];
} Target;

/* The name of an inode that was shared, after it got one of its own. */
typedef struct {
	bool broken;
	int dir;
	char *name;
} Place;

static void
place_clear(Place *place)
{
	ash_fd_clear(&place->dir);
	g_free(place->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* A path by which calls that take no descriptor reach one of ours. */
typedef struct {
	char text[32];
} FdPath;

static FdPath
fd_path(int fd)
{
	FdPath path;

	snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
	return path;
}

static bool
still_waits(const AshCopyup *copyup, const Target *target)
{
	return ioctl(copyup->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &target->notif->id) == 0;
}

/* The directory and the name of @fd, if it still has that name. */
static bool
find_place(const AshCopyup *copyup, int fd, const struct stat *info, Place *place)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	char path[PATH_LENGTH + 1];
	struct stat found;
	ssize_t length = readlink(fd_path(fd).text, path, PATH_LENGTH);

	if (length <= 1 || *path != '/')
		return false;
	path[length] = '\0';
	char *slash = strrchr(path, '/');
	g_autofree char *name = g_strdup(slash + 1);
	*slash = '\0';
	ash_autofd int dir = (int) syscall(SYS_openat2, copyup->base, *path != '\0' ? path : "/", &how, sizeof how);
	if (dir < 0 || fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW) < 0 || found.st_ino != info->st_ino ||
	    found.st_dev != info->st_dev)
		return false;
	place->dir = ash_fd_steal(&dir);
	place->name = g_steal_pointer(&name);
	return true;
}

/* What the caller is told when there is no copy. */
static int
break_error(const GError *error, int dir)
{
	if (g_error_matches(error, ASH_ERROR, ASH_ERROR_NO_SPACE))
		return ENOSPC;
	return faccessat(dir, ".", W_OK, AT_EACCESS) < 0 && errno == EROFS ? EROFS : EIO;
}

static bool
is_marked(const char *path)
{
	return getxattr(path, ASH_SHARED_XATTR, NULL, 0) >= 0;
}

/* ENOENT: it is shared, and has no name that we could change. */
static int
break_shared(const AshCopyup *copyup, const Target *target, int fd, Place *place)
{
	g_autoptr(GError) error = NULL;
	struct stat info;

	if (fstat(fd, &info) < 0)
		return errno;
	/* What has no name is shared with nobody; with one link, it may be the name of somebody else. */
	if (!S_ISREG(info.st_mode) || info.st_nlink == 0 || !is_marked(fd_path(fd).text))
		return 0;
	if (!still_waits(copyup, target))
		return ESRCH;
	if (!find_place(copyup, fd, &info, place))
		return ENOENT;
	if (!ash_shared_break(place->dir, place->name, &error))
		return break_error(error, place->dir);
	place->broken = info.st_nlink > 1;
	return 0;
}

/* What the process' descriptor is like. */
static bool
load_fd_info(pid_t pid, int number, int *ret_flags, gint64 *ret_position)
{
	char path[64], text[256];
	long long position = 0;
	unsigned flags = 0;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, number);
	ash_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (length <= 0)
		return false;
	text[length] = '\0';
	if (sscanf(text, "pos: %lld flags: %o", &position, &flags) != 2)
		return false;
	*ret_flags = (int) flags;
	*ret_position = position;
	return true;
}

/* Puts the file @name, or what "/proc/self/fd/N" of ours leads to, in the place of the process' descriptor. */
static int
replace_fd(const AshCopyup *copyup, const Target *target, int number, int dir, const char *name)
{
	gint64 position = 0;
	int flags = 0;

	if (!load_fd_info((pid_t) target->notif->pid, number, &flags, &position))
		return EPERM;
	/* The kernel hands no O_PATH descriptor over: one for reading can do all that it could. */
	int kept = (flags & O_PATH) != 0 ? O_RDONLY : flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_NOFOLLOW | O_TMPFILE);
	ash_autofd int fd = openat(dir, name, kept | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (position != 0)
		lseek(fd, position, SEEK_SET);
	struct seccomp_notif_addfd add = {
		.id = target->notif->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (guint32) fd,
		.newfd = (guint32) number,
		.newfd_flags = (guint32) (flags & O_CLOEXEC),
	};
	return ioctl(copyup->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? errno : 0;
}

/* The file has no name any more: the descriptor gets a copy without one. */
static int
replace_by_nameless(const AshCopyup *copyup, const Target *target, int number, int fd)
{
	g_autoptr(GError) error = NULL;
	ash_autofd int from = open(fd_path(fd).text, O_RDONLY | O_CLOEXEC);
	ash_autofd int to = openat(copyup->base, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (to < 0)
		to = openat(copyup->base, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		return EPERM;
	if (!ash_shared_copy(from, to, &error))
		return break_error(error, copyup->base);
	return replace_fd(copyup, target, number, AT_FDCWD, fd_path(to).text);
}

static int
guard_fd(const AshCopyup *copyup, const Target *target, int number)
{
	g_auto(Place) place = { .dir = -1 };
	char path[64];

	/* One call for most of them: descriptors of new files. */
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int) target->notif->pid, number);
	if (!is_marked(path))
		return errno == EACCES || errno == EPERM ? errno : 0;
	ash_autofd int fd = ash_proc_path_open_fd((pid_t) target->notif->pid, number);
	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	int failed = break_shared(copyup, target, fd, &place);
	if (failed == ENOENT)
		return replace_by_nameless(copyup, target, number, fd);
	if (failed != 0 || !place.broken)
		return failed;
	return replace_fd(copyup, target, number, place.dir, place.name);
}

/* The call itself will find the same. */
static bool
is_no_target(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || errnum == ENAMETOOLONG || errnum == EBADF;
}

static int
guard_path(const AshCopyup *copyup, const Target *target)
{
	int failed = 0;

	for (guint tries = 0; tries < NAME_TRIES; tries++) {
		g_auto(Place) place = { .dir = -1 };
		int magic = ASH_PROC_PATH_PLAIN;
		ash_autofd int fd = ash_proc_path_open(&target->path, &magic);
		if (fd < 0)
			return is_no_target(errno) ? 0 : errno;
		if (magic >= 0)
			return guard_fd(copyup, target, magic);
		failed = break_shared(copyup, target, fd, &place);
		/* Another process' descriptor leads to the old inode still. */
		if (failed == 0 && place.broken && magic == ASH_PROC_PATH_FOREIGN)
			return EPERM;
		if (failed != ENOENT)
			return failed;
	}
	return EPERM;
}

/* Reads memory of the process; a string may end before the page that follows it does not exist. */
static int
read_memory(const Target *target, guint64 address, void *buffer, gsize length, gsize *ret_length)
{
	gsize first = MIN(length, PAGE_LENGTH - address % PAGE_LENGTH);
	struct iovec local = { buffer, length };
	struct iovec remote[2] = {
		{ (void *) (guintptr) address, first },
		{ (void *) (guintptr) (address + first), length - first },
	};
	ssize_t got = process_vm_readv((pid_t) target->notif->pid, &local, 1, remote, length > first ? 2 : 1, 0);

	if (got < 0)
		return errno;
	*ret_length = (gsize) got;
	return 0;
}

/* ENOENT if the call will find no text there. */
static int
read_text(Target *target, guint64 address)
{
	/* Most are short; what is copied for nothing costs more than a second call. */
	static const gsize lengths[] = { SHORT_PATH_LENGTH, PATH_LENGTH };
	gsize length = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
		int failed = address != 0 ? read_memory(target, address, target->text, lengths[i], &length) : EFAULT;
		if (failed != 0)
			return failed == EFAULT || failed == ESRCH ? ENOENT : failed;
		if (memchr(target->text, '\0', length) != NULL)
			return 0;
	}
	return ENOENT;
}

static void
apply_open_flags(Target *target, guint64 flags)
{
	target->path.follow = (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

/* False if the flags say that nothing is written. */
static bool
apply_open_how(Target *target, guint64 address)
{
	struct open_how how = { 0 };
	gsize length = 0;

	/* Unreadable: the call fails, too. */
	if (read_memory(target, address, &how, sizeof how, &length) != 0 || length < sizeof how)
		return true;
	apply_open_flags(target, how.flags);
	target->path.in_root = (how.resolve & RESOLVE_IN_ROOT) != 0;
	return (how.flags & (O_ACCMODE | O_TRUNC)) != 0 && (how.flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

/* False if the call changes no file's inode. */
static bool
apply_flags(const AshWriteCall *call, Target *target)
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
guard_path_call(const AshCopyup *copyup, const AshWriteCall *call, Target *target)
{
	const __u64 *args = target->notif->data.args;
	int dir_fd = call->dir >= 0 ? (int) args[call->dir] : AT_FDCWD;

	/* utimensat(2), futimesat(2) and others without a path. */
	if (call->dir >= 0 && args[call->path] == 0)
		return dir_fd >= 0 ? guard_fd(copyup, target, dir_fd) : 0;
	int failed = read_text(target, args[call->path]);
	if (failed != 0)
		return failed == ENOENT ? 0 : failed;
	if (*target->text == '\0')
		return dir_fd >= 0 ? guard_fd(copyup, target, dir_fd) : 0;
	target->path = (AshProcPath){
		.pid = (pid_t) target->notif->pid,
		.dir_fd = dir_fd,
		.path = target->text,
	};
	return apply_flags(call, target) ? guard_path(copyup, target) : 0;
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
sets_mark(const AshWriteCall *call, Target *target)
{
	return call->attribute > 0 && read_text(target, target->notif->data.args[call->attribute]) == 0 &&
	       (strcmp(target->text, ASH_SHARED_XATTR) == 0 || strcmp(target->text, ASH_SHARED_OBJECT_XATTR) == 0);
}

/* A watched call that is asked about whatever its flags are: as the filter would decide (base/callfilter.c). */
static bool
writes(const AshWriteCall *call, const Target *target)
{
	guint64 flags = call->kind == ASH_WRITE_CALL_OPEN ? target->notif->data.args[call->flags] : 0;

	return call->kind != ASH_WRITE_CALL_OPEN ||
	       ((flags & (O_ACCMODE | O_TRUNC)) != 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL));
}

/* Tells of one name in a call. */
static void
tell_name(const AshCopyup *copyup, const AshWatchCall *call, Target *target)
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
		if (read_memory(target, told.flags, &how, sizeof how, &length) != 0 || length < sizeof how ||
		    (how.resolve & RESOLVE_IN_ROOT) != 0)
			told.effect = ASH_WATCH_ODD;
		told.flags = how.flags;
	}
	if (call->effect == ASH_WATCH_CREAT) {
		told.effect = ASH_WATCH_OPEN;
		told.flags = O_CREAT | O_WRONLY | O_TRUNC;
	}
	if (call->path >= 0 && args[call->path] != 0) {
		if (read_text(target, args[call->path]) != 0)
			told.effect = ASH_WATCH_ODD;
		told.path = target->text;
	}
	copyup->watch(&told, copyup->watch_data);
}

static void
tell(const AshCopyup *copyup, Target *target)
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
guard_call(const AshCopyup *copyup, Target *target)
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
		return guard_path_call(copyup, call, target);
	return guard_fd(copyup, target, (int) target->notif->data.args[call->dir]);
}

void
ash_copyup_serve(AshCopyup *copyup)
{
	Target target;

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

/* The descriptors of who started us stay with them: somebody may wait for their end. */
static int
keep_only(int channel)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	channel = dup2(channel, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0U, 0);
	return channel;
}

G_NORETURN static void
supervise(int channel)
{
	setsid();
	prctl(PR_SET_NAME, "ashlar-guard", 0, 0, 0);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	g_autoptr(AshCopyup) copyup = ash_copyup_receive(keep_only(channel));
	if (copyup == NULL)
		_exit(1);
	for (;;) {
		struct pollfd wait = { copyup->listener, POLLIN, 0 };
		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			_exit(1);
		if ((wait.revents & POLLIN) != 0)
			ash_copyup_serve(copyup);
		else if (wait.revents != 0)
			_exit(0);
	}
}

int
ash_copyup_start(GError **error)
{
	int ends[2], status;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		ash_throw_errno(error, "cannot start the guard of shared files");
		return -1;
	}
	ash_autofd int ours = ends[0], theirs = ends[1];
	/* Twice, so that whoever waits for any child of his does not get this one. */
	pid_t pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			supervise(theirs);
		_exit(pid < 0 ? 1 : 0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0) {
		ash_throw_errno(error, "cannot start the guard of shared files");
		return -1;
	}
	return ash_fd_steal(&ours);
}

/* Asks the kernel in a child: a filter stays for ever. System calls only. */
static bool
probe(void)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { G_N_ELEMENTS(allow), allow };
	struct seccomp_notif_addfd add = { .srcfd = 0 };
	int status = -1;

	pid_t pid = (pid_t) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		int listener = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
		add.srcfd = (guint32) listener;
		/* There is no such call to answer: ENOENT, and EINVAL before 5.9. */
		_exit(listener >= 0 && ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 && errno == ENOENT ? 0 : 1);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

/* A supervisor finds processes in /proc by their number, and reads their memory. */
static bool
can_look(void)
{
	char text[32] = "", copy[sizeof text];
	struct iovec local = { copy, sizeof copy }, remote = { text, sizeof text };

	return readlink("/proc/self", text, sizeof text - 1) > 0 && atoi(text) == getpid() &&
	       process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t) sizeof text;
}

bool
ash_copyup_available(void)
{
	static gsize answer = 0;

	if (g_once_init_enter(&answer))
		g_once_init_leave(&answer, can_look() && probe() ? 2 : 1);
	return answer == 2;
}
