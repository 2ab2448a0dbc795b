/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** What a call tells of, or does to, the file that it names. */
typedef enum {
	ASH_WATCH_STAT,     /* looks at it, without what is in it; AT_SYMLINK_NOFOLLOW as its flags say */
	ASH_WATCH_LSTAT,    /* the same, of a link itself */
	ASH_WATCH_ATTR,     /* looks at its extended attributes */
	ASH_WATCH_OPEN,     /* as the flags of open(2) say: reads, writes, makes */
	ASH_WATCH_OPEN_HOW, /* the same, with a struct open_how in memory */
	ASH_WATCH_CREAT,    /* makes it, or empties it */
	ASH_WATCH_EXEC,     /* runs it */
	ASH_WATCH_NAME,     /* makes, replaces or removes this name */
	ASH_WATCH_LINK,     /* makes this name, a symbolic link */
	ASH_WATCH_SOURCE,   /* takes what has this name for another one */
	ASH_WATCH_CHANGE,   /* changes content, owner, mode, times or attributes; AT_SYMLINK_NOFOLLOW as its flags say */
	ASH_WATCH_LCHANGE,  /* the same, of a link itself */
	ASH_WATCH_ODD,      /* nothing that a list of files could tell: another root, a socket */
} AshWatchEffect;

/** One system call that names a file, and the places of its arguments, -1 if it has no such one. A call with two names has two entries. */
typedef struct {
	const char *name;
	AshWatchEffect effect;
	gint8 dir;   /* descriptor of the directory, or the descriptor itself if there is no path */
	gint8 path;
	gint8 flags;
} AshWatchCall;

/** All of them but those that the sandbox refuses, ended by a NULL name. */
extern const AshWatchCall ash_watch_calls[];
