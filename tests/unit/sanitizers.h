/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ASH_TEST_UNDER_ASAN: 1 if built with the address sanitizer (gcc says it by a macro, clang by a feature). Its search for
 * leaks ends a process that may not use ptrace(2) and does not see our files, as one in the sandbox, with an error.
 */
#if defined(__SANITIZE_ADDRESS__)
#define ASH_TEST_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASH_TEST_UNDER_ASAN 1
#endif
#endif
#ifndef ASH_TEST_UNDER_ASAN
#define ASH_TEST_UNDER_ASAN 0
#endif
