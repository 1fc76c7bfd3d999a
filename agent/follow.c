/* SPDX-License-Identifier: Apache-2.0
 *
 * follow.c - tasks that start on this node find the captures that follow their service
 *
 * The engine answers questions about a container only when its start is over, so whoever asks at
 * the first event, when its networks are connected, waits in line before whoever ends it: a task that lives for
 * a few milliseconds is still there when the answer comes. Asking is the crew's, some at a time.
 *
 * `known` keeps what was asked last, so that a container's several events are one question; it is
 * a ring, and what falls out of it may be asked again, which harms nobody (capture_join).
 */
#include "follow.h"
#include "candidate.h"
#include "log.h"
#include "netns_watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define KNOWN_MAX 512
#define ID_MAX 65
#define IDLE_MS 1000			/* what nobody tells of: a netns directory that is made */
#define BUSY_MS 5			/* while candidates wait, and namespaces are mounted */
#define PENDING_MS 1
#define SWEEP_MAX 512
#define AGAIN_MS 250			/* between two sweeps for what was missed: an engine that fails is not rushed */
#define TASKS "com.docker.swarm.task.id"

enum knowledge { KNOWN_NOTHING, KNOWN_ASKING, KNOWN_ASK_AGAIN, KNOWN_DONE };

struct known {
	char id[ID_MAX];
	enum knowledge state;
};

struct follow {
	const struct node *node;
	struct captures *captures;
	struct crew *crew;
	struct netns_watch *netns;
	pthread_t thread;
	int64_t swept_ns;		/* the thread's */
	atomic_bool stopping, missed;
	int bell;			/* one of these has become true */
	pthread_mutex_t lock;
	struct known known[KNOWN_MAX];	/* under lock */
	size_t next;
};

struct question {
	struct follow *follow;
	char id[ID_MAX];
};

/* ---- all captures ---- */

static bool anybody_follows(struct follow *f)
{
	bool any = false;
	size_t n;
	struct capture **all = captures_all(f->captures, &n);

	for (size_t i = 0; i < n; i++)
		any |= capture_follows(all[i], NULL);
	captures_give_back(all, n);
	return any;
}

static void offer(void *arg, const char *file, int ns)
{
	struct follow *f = arg;
	size_t n;
	struct capture **all = captures_all(f->captures, &n);

	for (size_t i = 0; i < n; i++)
		capture_offer(all[i], file, ns);
	captures_give_back(all, n);
}

/* Each capture takes the task or lets its namespace go; t->service_id NULL: it is no task. */
static void hand_out(struct follow *f, const struct local_task *t, struct engine *e)
{
	size_t n;
	struct capture **all = captures_all(f->captures, &n);

	for (size_t i = 0; i < n; i++) {
		if (t->service_id && capture_follows(all[i], t))
			capture_join(all[i], t, e, NULL);
		else if (t->netns_file)
			capture_disown(all[i], t->netns_file);
	}
	captures_give_back(all, n);
}

/* ---- what is known ---- */

/* The lock is held. NULL: nothing. */
static struct known *find(struct follow *f, const char *id)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (f->known[i].state && !strcmp(f->known[i].id, id))
			return &f->known[i];
	return NULL;
}

/* The lock is held. The oldest place of which nothing is awaited. */
static struct known *make_place(struct follow *f, const char *id)
{
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		struct known *k = &f->known[f->next++ % KNOWN_MAX];

		if (k->state == KNOWN_ASKING || k->state == KNOWN_ASK_AGAIN)
			continue;
		snprintf(k->id, sizeof(k->id), "%s", id);
		return k;
	}
	return NULL;
}

/* True: it is to be asked about. */
static bool begin(struct follow *f, const char *id)
{
	struct known *k;
	bool begun = false;

	pthread_mutex_lock(&f->lock);
	k = find(f, id);
	if (k && k->state == KNOWN_ASKING)
		k->state = KNOWN_ASK_AGAIN;
	if (!k) {
		k = make_place(f, id);
		begun = k;
		if (k)
			k->state = KNOWN_ASKING;
	}
	pthread_mutex_unlock(&f->lock);
	return begun;
}

/* False: another event came meanwhile, and the last answer did not settle it. */
static bool conclude(struct follow *f, const char *id, bool settled)
{
	struct known *k;
	bool over;

	pthread_mutex_lock(&f->lock);
	k = find(f, id);
	over = !k || settled || k->state != KNOWN_ASK_AGAIN;
	if (k)
		k->state = settled ? KNOWN_DONE : over ? KNOWN_NOTHING : KNOWN_ASKING;
	pthread_mutex_unlock(&f->lock);
	return over;
}

/* Another capture may want what the ones before did not. */
static void forget_done(struct follow *f)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (f->known[i].state == KNOWN_DONE)
			f->known[i].state = KNOWN_NOTHING;
	pthread_mutex_unlock(&f->lock);
}

/* ---- questions ---- */

/* True: it is settled. False: its process never ran so far, or there was no answer. */
static bool ask(struct follow *f, const char *id)
{
	cleanup_free char *path = xasprintf("/containers/%s/json", id);
	cleanup_json json_t *answer = NULL;
	struct engine *e = NULL;
	struct err err = ERR_INIT;
	struct local_task t = { 0 };
	bool settled = true;
	int r = engine_open_host(&e, f->node->engine, &err);

	if (!r)
		r = engine_get(e, path, &answer, &err);
	if (r) {
		log_debug("container %.12s: %s", id, err.text);
		engine_close(e);
		/* no other event may come: the next sweep asks again */
		if (r != ENGINE_E_NOT_FOUND)
			follow_missed(f);
		return r == ENGINE_E_NOT_FOUND;
	}
	r = local_task_decode(answer, &t);
	settled = r || t.started;
	if (settled)
		hand_out(f, &t, e);
	local_task_release(&t);
	engine_close(e);
	return settled;
}

static void answer(void *job)
{
	struct question *q = job;

	while (!conclude(q->follow, q->id,
			 atomic_load(&q->follow->stopping) || ask(q->follow, q->id)))
		continue;
	free(q);
}

static bool is_id(const char *id)
{
	size_t n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return n > 0 && n < ID_MAX && !id[n];
}

void follow_container(struct follow *f, const char *id)
{
	struct question *q;

	if (!is_id(id) || !anybody_follows(f) || !begin(f, id))
		return;
	q = xcalloc(1, sizeof(*q));
	q->follow = f;
	snprintf(q->id, sizeof(q->id), "%s", id);
	crew_run(f->crew, answer, q);
}

void follow_missed(struct follow *f)
{
	atomic_store(&f->missed, true);
	eventfd_write(f->bell, 1);
}

static void sweep(void *job)
{
	struct follow *f = job;
	cleanup_free char *filters = engine_filters("label", TASKS, NULL);
	cleanup_free char *path = xasprintf("/containers/json?%s", filters);
	cleanup_json json_t *all = NULL;
	struct engine *e = NULL;
	struct err err = ERR_INIT;
	int r = engine_open_host(&e, f->node->engine, &err);

	if (!r)
		r = engine_get(e, path, &all, &err);
	engine_close(e);
	if (r) {
		log_debug("the running containers: %s", err.text);
		follow_missed(f);
	}
	for (size_t i = 0; i < json_array_size(all) && i < SWEEP_MAX; i++)
		follow_container(f, jx_str(json_array_get(all, i), "Id", ""));
}

/* ---- the thread ---- */

/* Candidates that wait, of all captures. */
static size_t tick(struct follow *f)
{
	const int64_t now = clock_mono_ns();
	bool wanted = now - f->swept_ns >= AGAIN_MS * NS_PER_MS && atomic_exchange(&f->missed, false);
	size_t n, waiting = 0;
	struct capture **all = captures_all(f->captures, &n);

	for (size_t i = 0; i < n; i++) {
		waiting += capture_follow_tick(all[i]);
		wanted |= capture_wants_sweep(all[i]);
	}
	captures_give_back(all, n);
	if (wanted && anybody_follows(f)) {
		f->swept_ns = now;
		forget_done(f);
		crew_run(f->crew, sweep, f);
	}
	return waiting;
}

static void *follow(void *arg)
{
	struct follow *f = arg;
	struct pollfd p[] = {
		{ .fd = netns_watch_fd(f->netns), .events = POLLIN },
		{ .fd = captures_news(f->captures), .events = POLLIN },
		{ .fd = f->bell, .events = POLLIN },
	};
	eventfd_t n;

	while (!atomic_load(&f->stopping)) {
		size_t waiting = tick(f);
		bool pending = netns_watch_is_pending(f->netns);

		poll(p, ARRAY_SIZE(p), pending ? PENDING_MS : waiting ? BUSY_MS : IDLE_MS);
		for (size_t i = 1; i < ARRAY_SIZE(p); i++)
			if (p[i].revents)
				eventfd_read(p[i].fd, &n);
		netns_watch_look(f->netns, offer, f);
	}
	return NULL;
}

static void release(struct follow *f)
{
	crew_free(f->crew);
	netns_watch_free(f->netns);
	util_close(f->bell);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static int start(struct follow *f, struct err *err)
{
	int rc = netns_watch_new(&f->netns, f->node->netns_dir, err);

	if (rc)
		return rc;
	f->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->bell < 0)
		return err_errno(err, "cannot make an event descriptor");
	errno = pthread_create(&f->thread, NULL, follow, f);
	return errno ? err_errno(err, "cannot start the thread that follows tasks") : 0;
}

int follow_start(struct follow **out, const struct node *n, struct captures *r, struct err *err)
{
	struct follow *f = xcalloc(1, sizeof(*f));
	int rc;

	*f = (struct follow){ .node = n, .captures = r, .crew = crew_new(), .bell = -1 };
	pthread_mutex_init(&f->lock, NULL);
	rc = start(f, err);
	if (rc)
		release(f);
	else
		*out = f;
	return rc;
}

void follow_stop(struct follow *f)
{
	if (!f)
		return;
	atomic_store(&f->stopping, true);
	eventfd_write(f->bell, 1);
	pthread_join(f->thread, NULL);
	release(f);
}
