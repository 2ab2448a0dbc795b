/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/writecall.h"

#include <linux/fs.h>
#include <linux/fsverity.h>
#include <unistd.h>

const AshWriteCall ash_write_calls[] = {
	{ "openat", ASH_WRITE_CALL_OPEN, 0, 1, 2 },
	{ "open", ASH_WRITE_CALL_OPEN, -1, 0, 1 },
	{ "openat2", ASH_WRITE_CALL_OPEN_HOW, 0, 1, 2 },
	{ "creat", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "truncate", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "truncate64", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "fchmod", ASH_WRITE_CALL_FD, 0, -1, -1 },
	{ "fchmodat", ASH_WRITE_CALL_FOLLOW, 0, 1, -1 },
	{ "chmod", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "fchown", ASH_WRITE_CALL_FD, 0, -1, -1 },
	{ "fchown32", ASH_WRITE_CALL_FD, 0, -1, -1 },
	{ "fchownat", ASH_WRITE_CALL_AT, 0, 1, 4 },
	{ "chown", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "chown32", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "lchown", ASH_WRITE_CALL_NOFOLLOW, -1, 0, -1 },
	{ "lchown32", ASH_WRITE_CALL_NOFOLLOW, -1, 0, -1 },
	{ "utimensat", ASH_WRITE_CALL_AT, 0, 1, 3 },
	{ "utimensat_time64", ASH_WRITE_CALL_AT, 0, 1, 3 },
	{ "futimesat", ASH_WRITE_CALL_FOLLOW, 0, 1, -1 },
	{ "utimes", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "utime", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "fsetxattr", ASH_WRITE_CALL_FD, 0, -1, -1, 1 },
	{ "setxattr", ASH_WRITE_CALL_FOLLOW, -1, 0, -1, 1 },
	{ "lsetxattr", ASH_WRITE_CALL_NOFOLLOW, -1, 0, -1, 1 },
	{ "fremovexattr", ASH_WRITE_CALL_FD, 0, -1, -1 },
	{ "removexattr", ASH_WRITE_CALL_FOLLOW, -1, 0, -1 },
	{ "lremovexattr", ASH_WRITE_CALL_NOFOLLOW, -1, 0, -1 },
	{ "link", ASH_WRITE_CALL_NOFOLLOW, -1, 0, -1 },
	{ "linkat", ASH_WRITE_CALL_LINK, 0, 1, 4 },
	{ "ioctl", ASH_WRITE_CALL_IOCTL, 0, -1, -1 },
	{ NULL, ASH_WRITE_CALL_FD, -1, -1, -1 },
};

/* The second line is what 32-bit programs use. */
const guint32 ash_write_ioctls[] = {
	FS_IOC_SETFLAGS,   FS_IOC_FSSETXATTR,   FS_IOC_SETVERSION, FS_IOC_ENABLE_VERITY,
	FS_IOC32_SETFLAGS, FS_IOC32_SETVERSION, 0,
};

long
ash_write_call(long number, long a, long b, long c, long d, long e)
{
	return syscall(number, a, b, c, d, e, (long) ASH_WRITE_CALL_OWN);
}
