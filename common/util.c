/* SPDX-License-Identifier: Apache-2.0
 *
 * util.c - memory, descriptors, time and small strings
 */
#include "util.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Neither stdio nor atexit handlers: both may want memory. */
void util_out_of_memory(void)
{
	static const char text[] = "out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		util_out_of_memory();
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		util_out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		util_out_of_memory();

	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		util_out_of_memory();
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

char *xstrdup_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);

	if (n < 0)
		util_out_of_memory();
	return s;
}

void util_freep(void *pp)
{
	free(*(void **)pp);
	*(void **)pp = NULL;
}

int util_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

void util_closep(int *fd)
{
	*fd = util_close(*fd);
}

void util_fclosep(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	*f = NULL;
	errno = saved;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static _Atomic int64_t shift_ns;

int64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME) + clock_shift_ns();
}

int64_t clock_kernel_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void clock_set_shift_ns(int64_t ns)
{
	atomic_store_explicit(&shift_ns, ns, memory_order_relaxed);
}

int64_t clock_shift_ns(void)
{
	return atomic_load_explicit(&shift_ns, memory_order_relaxed);
}

int64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void clock_sleep_ms(long ms)
{
	int64_t until = clock_mono_ns() + (ms > 0 ? ms : 0) * NS_PER_MS;
	struct timespec ts = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void util_random_hex(char *out, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char byte;

	for (size_t i = 0; i < n; i++) {
		while (getrandom(&byte, 1, 0) != 1)
			;
		out[2 * i] = digits[byte >> 4];
		out[2 * i + 1] = digits[byte & 15];
	}
	out[2 * n] = '\0';
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

size_t str_utf8(const char *s, uint32_t *cp_out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t cp = n == 1 ? *p : *p & (0x7f >> n);

	if (!n || !*p)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;

	*cp_out = cp;
	return n;
}
