/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * How a scriptlet comes to install/scriptrunner.h. librpm forks and calls execv(3) for each one, and offers no other place to step
 * in: its plugins are loaded from files, and cannot take a scriptlet over. A program's own definition of a function
 * is what the libraries it is linked with call (ELF gABI, symbol resolution), so ours is that execv(): in a process that
 * was forked from the one that said ash_script_exec_use() it asks the runner first, everywhere else it is execve(2). If a
 * librpm calls something else, all scriptlets simply run.
 */
void ash_script_exec_use(int channel);
