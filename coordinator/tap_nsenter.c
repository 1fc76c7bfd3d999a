/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_nsenter.c - the route ssh-nsenter: the node's own nsenter and tcpdump, over ssh
 *
 * One channel per target. sshd lets a connection have ten of them (MaxSessions) unless its
 * configuration says otherwise, so targets are spread over as many connections as they need, where
 * the caller can open more.
 */
#include "tap_parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "reach.h"
#include "tap_far.h"
#include "tap_talk.h"

#define FIRST_CHANNELS 6	/* of the connection that others use too (clock, Engine) */
#define FURTHER_CHANNELS 8
#define SEATS_MAX 64		/* connections: 512 targets */
#define CHECK_MS 15000
#define LISTEN_MS 15000		/* as a helper's */
#define END_MS 3000

struct seat {
	struct remote *remote;
	int used;
	bool ours;
};

struct nsenter {
	struct seat seats[SEATS_MAX];
	size_t n;
	bool sudo;
	char *version;
	int (*more)(void *arg, struct remote **out, struct err *err);
	void *more_arg;
	volatile bool *cancel;
	pthread_mutex_t lock;
};

/* One running capture. */
struct flow {
	struct seat *seat;
	struct remote_process process;
};

/* ---- connections ---- */

static int room_of(const struct nsenter *s, const struct seat *seat)
{
	return (seat->ours ? FURTHER_CHANNELS : s->more ? FIRST_CHANNELS : INT32_MAX) - seat->used;
}

/* The lock is held, also while one is opened: who waits here needs it too. */
static struct seat *find_seat(struct nsenter *s, struct err *err)
{
	struct seat *seat;

	for (size_t i = 0; i < s->n; i++)
		if (room_of(s, &s->seats[i]) > 0)
			return &s->seats[i];
	if (s->n == SEATS_MAX) {
		err_set(err, -EUSERS, "too many targets on one node for this route");
		return NULL;
	}
	seat = &s->seats[s->n];
	*seat = (struct seat){ .ours = true };
	if (s->more(s->more_arg, &seat->remote, err))
		return NULL;
	s->n++;
	return seat;
}

static struct seat *take_seat(struct nsenter *s, struct err *err)
{
	struct seat *seat;

	pthread_mutex_lock(&s->lock);
	seat = find_seat(s, err);
	if (seat)
		seat->used++;
	pthread_mutex_unlock(&s->lock);
	return seat;
}

static void give_seat(struct nsenter *s, struct seat *seat)
{
	pthread_mutex_lock(&s->lock);
	seat->used--;
	pthread_mutex_unlock(&s->lock);
}

/* ---- the check ---- */

static char *find_version(const char *text)
{
	const char *at = strstr(text, "version ");
	struct buf b = BUF_INIT(256);
	cleanup_free char *line = NULL;

	if (!at)
		return NULL;
	at += 8;
	line = xasprintf("%.*s", (int)(strcspn(at, "\n") & 63), at);
	buf_add_safe(&b, line);
	return buf_take(&b);
}

static int check(void *arg, struct err *err)
{
	struct nsenter *s = arg;
	cleanup_free char *quoted = remote_quote(tap_far_check);
	cleanup_free char *command = xasprintf("sh -c %s", quoted);
	cleanup_buf struct buf out = BUF_INIT(4096), errs = BUF_INIT(4096);
	struct remote_job job = { .command = command, .out = &out, .errs = &errs,
				  .timeout_ms = CHECK_MS };
	struct tap_talk talk;
	struct err why = ERR_INIT;
	int rc = remote_do(s->seats[0].remote, &job, err);

	if (rc)
		return rc;
	s->sudo = !str_starts(out.data, "uid 0\n");
	s->version = find_version(out.data);
	if (job.status == 0)
		return 0;
	tap_talk_init(&talk);
	tap_talk_feed(&talk, errs.data, errs.len);
	tap_talk_end(&talk);
	tap_talk_blame(&talk, &why);
	tap_talk_release(&talk);
	err_set(err, why.code, "%s", why.text);
	return REACH_E_CLOSED;
}

/* ---- one target ---- */

static void drop_flow(struct nsenter *s, struct flow *f)
{
	remote_process_release(&f->process);
	give_seat(s, f->seat);
	free(f);
}

static int begin(struct nsenter *s, const char *command, struct flow **out, struct err *err)
{
	struct flow *f = xcalloc(1, sizeof(*f));
	int rc;

	f->process = (struct remote_process)REMOTE_PROCESS_NULL;
	f->seat = take_seat(s, err);
	if (!f->seat) {
		rc = err ? err->code : -EUSERS;
		free(f);
		return rc ? rc : -EUSERS;
	}
	rc = remote_start(f->seat->remote, command, &f->process, err);
	if (rc) {
		if (rc != -EPIPE && !s->more)
			err_add(err, " (sshd's MaxSessions limits the targets of this route)");
		drop_flow(s, f);
		return rc;
	}
	*out = f;
	return 0;
}

static int start(void *arg, const struct wire_arm *a, const struct wire_wanted *w,
		 struct tap_feed *out, struct tap_interface **interfaces, size_t *n,
		 struct err *err)
{
	struct nsenter *s = arg;
	cleanup_free char *command = NULL;
	struct flow *f = NULL;
	int rc;

	if ((w->kind != WIRE_TASK && w->kind != WIRE_CONTAINER) || !w->container_id)
		return err_set(err, -ENOTSUP, "ssh-nsenter captures containers only: hosts, overlays and "
			       "ingress take the routes agent, local or ssh-push");
	command = tap_far_command(a, w, s->sudo);
	rc = begin(s, command, &f, err);
	if (rc)
		return rc;
	*interfaces = NULL;
	*n = 0;
	out->packets = take_fd(&f->process.out);
	out->talk = take_fd(&f->process.err);
	out->stdin_fd = take_fd(&f->process.in);
	out->arg = f;
	rc = tap_await_listening(out, LISTEN_MS, s->cancel, err);
	if (!rc)
		return 0;
	/* stdin closes: the far side ends by itself, whatever it was at */
	out->stdin_fd = util_close(out->stdin_fd);
	drop_flow(s, f);
	out->arg = NULL;
	return rc;
}

static void stop(void *arg, struct tap_feed *feed)
{
	struct flow *f = feed->arg;

	if (!f)
		return;
	if (f->process.end)
		remote_wait(&f->process, END_MS);
	drop_flow(arg, f);
	feed->arg = NULL;
}

static bool alive(void *arg, const struct tap_feed *feed)
{
	struct nsenter *s = arg;
	const struct flow *f = feed->arg;

	return remote_alive(f ? f->seat->remote : s->seats[0].remote);
}

static void release(void *arg)
{
	struct nsenter *s = arg;

	for (size_t i = 0; i < s->n; i++)
		if (s->seats[i].ours)
			remote_close(s->seats[i].remote);
	pthread_mutex_destroy(&s->lock);
	free(s->version);
	free(s);
}

static const struct tap_source source = {
	.check = check, .start = start, .stop = stop, .alive = alive, .free = release,
	.beat = "h\n", .halt = "x\n", .list = "l\n",
	.note = "captured by the node's tcpdump: cooked headers instead of link-layer ones where all "
		"interfaces are captured; drops are not counted per interface",
};

int tap_nsenter_open(struct link **out, const struct tap_place *base, struct remote *r,
		     const struct request *request, struct err *err)
{
	struct nsenter *s = xcalloc(1, sizeof(*s));
	struct tap_place at = *base;
	int rc;

	s->seats[0].remote = r;
	s->n = 1;
	s->more = base->more;
	s->more_arg = base->more_arg;
	s->cancel = base->cancel;
	pthread_mutex_init(&s->lock, NULL);
	rc = check(s, err);
	if (rc) {
		release(s);
		return rc;
	}
	at.source = &source;
	at.arg = s;
	at.remote = r;
	if (s->version)
		at.version = s->version;
	return tap_open(out, &at, err);
}
