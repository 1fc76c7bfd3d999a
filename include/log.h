/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h - lines for people, on stderr
 *
 * One line per call, written with one write(2), control characters shown as \xNN so that
 * no peer's text reaches a terminal raw. Levels: error < warn < info < debug.
 */
#ifndef LOG_H
#define LOG_H

#include "util.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Set once in main: the name before each line ("swarmcap: ") and the last level shown. */
void log_init(const char *program, enum log_level level);
void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
