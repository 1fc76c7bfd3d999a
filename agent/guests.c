/* SPDX-License-Identifier: Apache-2.0
 *
 * guests.c - who is connected over TCP, and who leaves: strangers, for room or out of patience
 *
 * The list is in order of arrival. A guest that was told to leave counts no more, but stays on
 * the list until its owner has noticed. Each holds a descriptor of its own for the socket: the
 * owner may close its own at any moment, and the number must not mean another file when we
 * shut it down. A thread of its own turns out who stays a stranger for too long: the server's time-out
 * is one of idleness, which a byte now and then renews for ever.
 */
#include "guests.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define TICKS 5		/* looks within one patience */

struct guest {
	struct guest *next;
	int fd;
	bool known, leaving;
	int64_t since_ns;	/* monotonic */
	uint8_t address[16];	/* IPv4 as ::ffff:a.b.c.d */
};

struct guests {
	pthread_mutex_t lock;
	struct guest *first;
	size_t all, per_address;
	int64_t patience_ns;
	pthread_cond_t ending;
	bool ended, watched;
	pthread_t thread;
};

static void leave(struct guest *x)
{
	x->leaving = true;
	if (x->fd >= 0)
		shutdown(x->fd, SHUT_RDWR);
}

static void *watch(void *arg)
{
	struct guests *g = arg;
	struct timespec until;

	pthread_mutex_lock(&g->lock);
	while (!g->ended) {
		int64_t now = clock_mono_ns(), next = now + g->patience_ns / TICKS;

		for (struct guest *x = g->first; x; x = x->next)
			if (!x->known && !x->leaving && now - x->since_ns > g->patience_ns)
				leave(x);
		until = (struct timespec){ next / NS_PER_S, next % NS_PER_S };
		pthread_cond_timedwait(&g->ending, &g->lock, &until);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

struct guests *guests_new(size_t all, size_t per_address, long patience_ms)
{
	struct guests *g = xcalloc(1, sizeof(*g));
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->ending, &monotonic);
	pthread_condattr_destroy(&monotonic);
	g->all = all;
	g->per_address = per_address;
	g->patience_ns = patience_ms * NS_PER_MS;
	g->watched = pthread_create(&g->thread, NULL, watch, g) == 0;
	return g;
}

void guests_free(struct guests *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	g->ended = true;
	pthread_cond_signal(&g->ending);
	pthread_mutex_unlock(&g->lock);
	if (g->watched)
		pthread_join(g->thread, NULL);
	pthread_cond_destroy(&g->ending);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void set_address(uint8_t out[16], const struct sockaddr *from)
{
	memset(out, 0, 16);
	if (from && from->sa_family == AF_INET) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	} else if (from && from->sa_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
	}
}

static bool is_of(const struct guest *x, const uint8_t *address)
{
	return !address || !memcmp(x->address, address, sizeof(x->address));
}

/* address NULL: everybody */
static size_t count(const struct guests *g, const uint8_t *address)
{
	size_t n = 0;

	for (const struct guest *x = g->first; x; x = x->next)
		n += !x->leaving && is_of(x, address);
	return n;
}

/* The oldest stranger; newest, when all others are known. */
static void make_room(struct guests *g, const uint8_t *address, struct guest *newest)
{
	for (struct guest *x = g->first; x; x = x->next) {
		if (x->leaving || x->known || !is_of(x, address))
			continue;
		leave(x);
		return;
	}
	leave(newest);
}

struct guest *guests_add(struct guests *g, int fd, const struct sockaddr *from)
{
	struct guest *x = xcalloc(1, sizeof(*x)), **end;

	x->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	x->since_ns = clock_mono_ns();
	set_address(x->address, from);

	pthread_mutex_lock(&g->lock);
	for (end = &g->first; *end; end = &(*end)->next)
		;
	*end = x;
	if (count(g, x->address) > g->per_address)
		make_room(g, x->address, x);
	else if (count(g, NULL) > g->all)
		make_room(g, NULL, x);
	pthread_mutex_unlock(&g->lock);
	return x;
}

void guests_know(struct guests *g, struct guest *guest)
{
	pthread_mutex_lock(&g->lock);
	guest->known = true;
	pthread_mutex_unlock(&g->lock);
}

void guests_remove(struct guests *g, struct guest *guest)
{
	struct guest **at;

	pthread_mutex_lock(&g->lock);
	for (at = &g->first; *at != guest; at = &(*at)->next)
		;
	*at = guest->next;
	pthread_mutex_unlock(&g->lock);
	util_close(guest->fd);
	free(guest);
}
