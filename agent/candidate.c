/* SPDX-License-Identifier: Apache-2.0
 *
 * candidate.c - namespaces that are captured before it is known whose they are
 *
 * When the ring is opened the namespace is empty but for loopback. The kernel tells of interfaces
 * and addresses that come (rtnetlink): they are listed then, since after the task's death, which may
 * be milliseconds away, their names are not to be had any more. A capture on one interface
 * (-i) gets its ring when that interface is there and up.
 */
#include "candidate.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct entry {
	char *file;
	int ns, news;			/* news: the kernel's, of the namespace's interfaces */
	struct netns_id netns;
	struct sniff *sniff;		/* NULL: its interface is not there yet */
	int64_t opened_ns, since_ns;	/* wall; monotonic */
	int64_t gone_ns;		/* monotonic: its file is not there any more; 0: it is */
};

struct candidates {
	struct candidate_options o;	/* its texts are borrowed */
	pthread_mutex_t lock;
	bool closed;
	struct entry v[CANDIDATES_MAX];
	size_t n;
};

static void release(struct entry *e)
{
	sniff_close(e->sniff);
	util_close(e->ns);
	util_close(e->news);
	free(e->file);
	*e = (struct entry){ .ns = -1, .news = -1 };
}

/* The lock is held. */
static void drop(struct candidates *c, size_t i)
{
	release(&c->v[i]);
	c->v[i] = c->v[--c->n];
}

/* ---- opening ---- */

struct opening {
	const struct candidates *c;
	struct entry *e;
};

static int open_news(struct entry *e, struct err *err)
{
	const struct sockaddr_nl to = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};

	e->news = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (e->news < 0 || bind(e->news, (const struct sockaddr *)&to, sizeof(to)))
		return err_errno(err, "cannot learn of new interfaces");
	return 0;
}

static int open_ring(const struct candidates *c, struct entry *e, struct err *err)
{
	const struct sniff_options o = {
		.interface = c->o.interface, .program = c->o.program, .filter = c->o.filter,
		.snaplen = c->o.snaplen, .retire_ms = c->o.retire_ms, .budget = c->o.budget,
		.ring_bytes = c->o.ring_bytes, .early = true,
	};
	int r = sniff_open(&e->sniff, &o, err);

	if (!r)
		r = sniff_bind(e->sniff, err);
	if (r) {
		sniff_close(e->sniff);
		e->sniff = NULL;
	}
	return r;
}

static int open_inside(void *arg, struct err *err)
{
	struct opening *w = arg;
	int r = w->e->news < 0 ? open_news(w->e, err) : 0;

	if (r)
		return r;
	r = open_ring(w->c, w->e, err);
	w->e->opened_ns = clock_wall_ns();
	return r;
}

static bool waits_for_interface(const struct candidates *c, int result)
{
	return result == -ENODEV && c->o.interface;
}

/* The lock is held. */
static int open_entry(struct candidates *c, struct entry *e, struct err *err)
{
	struct opening w = { c, e };
	int r = netns_run(e->ns, open_inside, &w, err);

	return waits_for_interface(c, r) ? 0 : r;
}

void candidates_add(struct candidates *c, const char *file, int ns)
{
	struct err err = ERR_INIT;
	struct entry *e;
	int r;

	pthread_mutex_lock(&c->lock);
	if (c->closed || c->n == CANDIDATES_MAX) {
		pthread_mutex_unlock(&c->lock);
		return;
	}
	e = &c->v[c->n];
	*e = (struct entry){ .file = xstrdup(file), .ns = fcntl(ns, F_DUPFD_CLOEXEC, 0), .news = -1,
			     .since_ns = clock_mono_ns() };
	r = e->ns < 0 ? err_errno(&err, "cannot keep a namespace")
		      : netns_identify(e->ns, &e->netns, &err);
	if (!r)
		r = open_entry(c, e, &err);
	if (r) {
		log_debug("namespace %s: %s", file, err.text);
		release(e);
	} else {
		c->n++;
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- waiting ---- */

static bool has_news(const struct entry *e)
{
	char buf[8192];
	bool any = false;
	ssize_t n;

	while ((n = recv(e->news, buf, sizeof(buf), MSG_TRUNC)) > 0 || (n < 0 && errno == ENOBUFS))
		any = true;
	return any;
}

static bool is_over(const struct candidates *c, struct entry *e, int64_t now)
{
	if (!e->gone_ns && !netns_shows(c->o.netns_dir, e->file, &e->netns))
		e->gone_ns = now;
	return now - e->since_ns > c->o.age_ms * NS_PER_MS ||
	       (e->gone_ns && now - e->gone_ns > c->o.gone_ms * NS_PER_MS);
}

void candidates_tick(struct candidates *c)
{
	int64_t now = clock_mono_ns();

	pthread_mutex_lock(&c->lock);
	for (size_t i = c->n; i-- > 0;) {
		struct entry *e = &c->v[i];
		bool news = has_news(e);
		int r = 0;

		if (news && e->sniff)
			sniff_refresh(e->sniff, NULL);
		else if (news)
			r = open_entry(c, e, NULL);
		if (r || is_over(c, e, now))
			drop(c, i);
	}
	pthread_mutex_unlock(&c->lock);
}

size_t candidates_count(struct candidates *c)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = c->n;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* ---- the end of waiting ---- */

/* The lock is held. n: there is none. */
static size_t find(const struct candidates *c, const char *file)
{
	size_t i = 0;

	while (i < c->n && strcmp(c->v[i].file, file))
		i++;
	return i;
}

bool candidates_take(struct candidates *c, const char *file, struct candidate *out)
{
	bool taken = false;
	size_t i;

	pthread_mutex_lock(&c->lock);
	i = find(c, file);
	if (i < c->n && c->v[i].sniff) {
		struct entry *e = &c->v[i];

		/* a task that is dead by now has lost what was not listed in time */
		sniff_refresh(e->sniff, NULL);
		*out = (struct candidate){ .file = take_ptr(&e->file), .netns = e->netns,
					   .sniff = take_ptr(&e->sniff),
					   .opened_ns = e->opened_ns };
		taken = true;
	}
	if (i < c->n)
		drop(c, i);
	pthread_mutex_unlock(&c->lock);
	return taken;
}

void candidates_drop(struct candidates *c, const char *file)
{
	size_t i;

	pthread_mutex_lock(&c->lock);
	i = find(c, file);
	if (i < c->n)
		drop(c, i);
	pthread_mutex_unlock(&c->lock);
}

void candidate_release(struct candidate *c)
{
	sniff_close(c->sniff);
	free(c->file);
	*c = (struct candidate){ 0 };
}

/* ---- all of them ---- */

struct candidates *candidates_new(const struct candidate_options *o)
{
	struct candidates *c = xcalloc(1, sizeof(*c));

	c->o = *o;
	c->o.ring_bytes = o->ring_bytes ? o->ring_bytes : CANDIDATE_RING_BYTES;
	c->o.retire_ms = o->retire_ms ? o->retire_ms : SNIFF_RETIRE_MS;
	c->o.age_ms = o->age_ms ? o->age_ms : CANDIDATE_AGE_MS;
	c->o.gone_ms = o->gone_ms ? o->gone_ms : CANDIDATE_GONE_MS;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void candidates_halt(struct candidates *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	for (size_t i = c->n; i-- > 0;) {
		if (c->v[i].sniff)
			sniff_halt(c->v[i].sniff);
		else
			drop(c, i);
	}
	pthread_mutex_unlock(&c->lock);
}

void candidates_close(struct candidates *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	while (c->n)
		drop(c, c->n - 1);
	pthread_mutex_unlock(&c->lock);
}

void candidates_free(struct candidates *c)
{
	if (!c)
		return;
	candidates_close(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
