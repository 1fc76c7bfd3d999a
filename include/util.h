/* SPDX-License-Identifier: Apache-2.0
 *
 * util.h - memory, descriptors, time: the small things that everyone needs
 *
 * Both programs end when memory does: the x* functions report and exit.
 * Buffers that a peer can grow have ceilings of their own (buf.h).
 *
 * Locals are released by attribute, and handed over visibly:
 *
 *	cleanup_free char *name = NULL;
 *	cleanup_close int fd = -1;
 *	...
 *	*out = take_ptr(&name);
 *	return take_fd(&fd);
 */
#ifndef UTIL_H
#define UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

#define cleanup(fn) __attribute__((cleanup(fn)))
#define cleanup_free cleanup(util_freep)
#define cleanup_close cleanup(util_closep)
#define cleanup_file cleanup(util_fclosep)

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
/* n * size is checked for overflow. */
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
/* NULL-safe: xstrdup or NULL. */
char *xstrdup_null(const char *s);
/* For libraries that answer NULL when memory ends. */
_Noreturn void util_out_of_memory(void);

void util_freep(void *pp);
void util_closep(int *fd);
void util_fclosep(FILE **f);
/* Close if open, keep errno; returns -1, to be assigned. */
int util_close(int fd);

static inline void *util_take(void *pp)
{
	void *p = *(void **)pp;

	*(void **)pp = NULL;
	return p;
}
#define take_ptr(pp) ((__typeof__(*(pp)))util_take(pp))

static inline int take_fd(int *fd)
{
	int n = *fd;

	*fd = -1;
	return n;
}

/*
 * Nanoseconds. clock_wall_ns is CLOCK_REALTIME, clock_mono_ns CLOCK_MONOTONIC. A test may shift the
 * first one; clock_kernel_ns is as the kernel stamps packets, whatever was shifted.
 */
int64_t clock_wall_ns(void);
int64_t clock_kernel_ns(void);
int64_t clock_mono_ns(void);
void clock_set_shift_ns(int64_t ns);
int64_t clock_shift_ns(void);
/* Sleeps, resumed after signals. */
void clock_sleep_ms(long ms);

/* Whole buffers: retried after EINTR and short counts. 0 or -errno; -EIO at end of file. */
int util_read_full(int fd, void *p, size_t n);
int util_write_full(int fd, const void *p, size_t n);
/* A whole small file as text, NUL-terminated. NULL with errno set; EFBIG past ceiling. */
char *util_read_file(const char *path, size_t ceiling);
/*
 * Writes dirfd/name so that it exists only when it is whole: hidden name, fsync, rename.
 * The name has no '/'; mode is set whatever the umask. 0 or -errno.
 */
int util_write_file_at(int dirfd, const char *name, const void *p, size_t n, mode_t mode);
/*
 * rm -r of dirfd/name, never following links. 0 or -errno, the first one, with the rest removed;
 * a name that is not there is fine; -ELOOP past 64 levels.
 */
int util_remove_tree_at(int dirfd, const char *name);

/* n random bytes as 2n lower-case hex digits and NUL. */
void util_random_hex(char *out, size_t n);
bool str_starts(const char *s, const char *prefix);
/* Bytes (1-4) of the UTF-8 character that s begins with; 0, *cp_out untouched: none, or the end. */
size_t str_utf8(const char *s, uint32_t *cp_out);

#endif
