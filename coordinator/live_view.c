/* SPDX-License-Identifier: Apache-2.0
 *
 * live_view.c - the streams that come in, and the thread that writes what is due
 *
 * Nodes' threads add streams to a list under the lock, and fill pipes. The writer alone has the merge; it
 * looks at everything when its bell rings, or when the next packet is due. It waits for the viewer in
 * live_out only: then pipes become full, and the nodes' threads wait as well.
 */
#include "live_parts.h"

#include "live_out.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAIT_MAX_MS 1000
#define SLICE (64u << 10)		/* what a pipe holds: each one that is taken shows that the viewer reads */

struct live_view {
	struct live_view_plan plan;
	pthread_t thread;
	bool running;
	int bell, ended;
	struct fleet_streams streams;
	volatile bool give_up;
	uint64_t taken;			/* slices, atomic */
	pthread_mutex_t lock;
	/* under lock */
	struct live_node **nodes;
	size_t n;
	bool finishing, hurried, closed;
	/* the writer's, until it has ended */
	struct live_merge *merge;
	struct buf out;
	struct live_view_end end;
};

static void ring(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		errno = 0;		/* full: it rings */
}

/* ---- streams ---- */

static void *begin_stream(void *arg, const struct fleet_node *n, size_t index)
{
	struct live_view *v = arg;
	struct live_node *s = xcalloc(1, sizeof(*s));

	*s = (struct live_node){
		.view = v, .pipe = live_pipe_new(v->bell), .index = index,
		.name = xstrdup(n->plan->name), .clock = n->clock,
	};
	pthread_mutex_lock(&v->lock);
	v->nodes = xrealloc(v->nodes, v->n + 1, sizeof(struct live_node *));
	v->nodes[v->n++] = s;
	if (v->closed)
		live_pipe_close(s->pipe);
	pthread_mutex_unlock(&v->lock);
	ring(v->bell);
	return s;
}

static int take(void *stream, const void *p, size_t n)
{
	struct live_node *s = stream;

	return live_pipe_put(s->pipe, p, n);
}

static void end_stream(void *stream)
{
	struct live_node *s = stream;

	live_pipe_end(s->pipe);
}

static void cut_stream(void *stream)
{
	struct live_node *s = stream;

	live_pipe_close(s->pipe);
}

/* ---- the writer ---- */

static void add_input(struct live_view *v, struct live_node *s)
{
	const struct capfile_source from = {
		.read = live_pipe_read, .arg = s->pipe, .fd = -1, .read_size = LIVE_PIPE_BYTES,
	};

	s->input = live_merge_add(v->merge, s->name, &from);
}

/* Inputs for the streams that began, and the clocks as they are; how many streams there are. */
static size_t look_at_streams(struct live_view *v, bool *finishing, bool *hurried)
{
	size_t n;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n; i++) {
		struct live_node *s = v->nodes[i];
		const struct merge_clock clock = {
			.offset_ns = s->clock.offset_ns,
			.drift = (double)s->clock.drift_ppb / (double)NS_PER_S,
			.from_ns = s->clock.at_ns + s->clock.offset_ns,
		};

		if (!s->input)
			add_input(v, s);
		if (v->plan.corrects_clocks)
			live_merge_set_clock(s->input, &clock);
	}
	n = v->n;
	*finishing = v->finishing;
	*hurried = v->hurried;
	pthread_mutex_unlock(&v->lock);
	return n;
}

/* Only the writer changes what it reads here: streams stay where they are. */
static struct live_node *stream_at(struct live_view *v, size_t i)
{
	struct live_node *s;

	pthread_mutex_lock(&v->lock);
	s = v->nodes[i];
	pthread_mutex_unlock(&v->lock);
	return s;
}

/* True: there is more at once. *over: all streams are. */
static bool read_streams(struct live_view *v, size_t n, bool *over)
{
	bool more = false;

	*over = true;
	for (size_t i = 0; i < n; i++) {
		struct live_node *s = stream_at(v, i);
		int r = live_merge_read(s->input, &v->end.err);

		more |= r == LIVE_E_MORE;
		*over &= live_merge_is_over(s->input);
		/* its agent has no reason to go on */
		if (r < 0)
			live_pipe_close(s->pipe);
	}
	return more;
}

/* False: there is nobody who would read more. */
static bool write_out(struct live_view *v)
{
	int r = 0;

	for (size_t at = 0, n; r == 0 && at < v->out.len; at += n) {
		n = v->out.len - at < SLICE ? v->out.len - at : SLICE;
		r = live_out(v->plan.out_fd, v->out.data + at, n, &v->give_up);
		if (r == 0)
			__atomic_fetch_add(&v->taken, 1, __ATOMIC_RELAXED);
	}
	buf_reset(&v->out);
	if (r == -EPIPE || r == -ECONNRESET)
		v->end.viewer_gone = true;
	else if (r < 0 && r != -ECANCELED)
		err_set(&v->end.err, r, "cannot write the packets: %s", strerror(-r));
	return r == 0;
}

static void wait_for_news(struct live_view *v)
{
	struct pollfd fds[] = {
		{ .fd = v->bell, .events = POLLIN },
		{ .fd = v->plan.out_fd, .events = 0 },	/* it tells of a reader that has gone */
	};
	const int64_t due = live_merge_due(v->merge), now = clock_wall_ns();
	int64_t ms = due == INT64_MAX ? WAIT_MAX_MS : due <= now ? 0 : (due - now) / NS_PER_MS + 1;
	uint64_t count;

	poll(fds, ARRAY_SIZE(fds), (int)(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS));
	if (fds[0].revents && read(v->bell, &count, sizeof(count)) < 0)
		errno = 0;
	v->end.viewer_gone = live_out_is_closed(v->plan.out_fd);
}

static bool finish(struct live_view *v)
{
	while (live_merge_due(v->merge) != INT64_MAX) {
		live_merge_take(v->merge, INT64_MAX, &v->out);
		if (!write_out(v))
			return false;
	}
	live_merge_end(v->merge, &v->out);
	return write_out(v);
}

/* True: all that came was written, and nothing more comes. */
static bool run(struct live_view *v)
{
	while (!v->end.viewer_gone && !__atomic_load_n(&v->give_up, __ATOMIC_RELAXED)) {
		bool finishing, hurried, over, more;
		size_t n = look_at_streams(v, &finishing, &hurried);

		more = read_streams(v, n, &over);
		if ((finishing && over) || hurried)
			return finish(v) && over;
		live_merge_take(v->merge, clock_wall_ns(), &v->out);
		if (v->out.len && !write_out(v))
			break;
		if (!more)
			wait_for_news(v);
	}
	return false;
}

static void *writer(void *arg)
{
	struct live_view *v = arg;

	v->end.cut_short = !run(v);
	live_merge_count(v->merge, &v->end.counts);
	ring(v->ended);
	return NULL;
}

/* ---- for the main thread ---- */

static int start_writer(struct live_view *v, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&v->thread, NULL, writer, v);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	v->running = rc == 0;
	return rc ? err_set(err, -rc, "cannot start a thread: %s", strerror(rc)) : 0;
}

int live_view_start(struct live_view **out, const struct live_view_plan *p, struct err *err)
{
	struct live_view *v = xcalloc(1, sizeof(*v));
	cleanup_free char *comment =
		xasprintf("live: in order of time within %lld ms%s",
			  (long long)(p->delay_ns / NS_PER_MS),
			  p->corrects_clocks ? ", corrected by the offset of each node's clock" : "");
	int r = 0;

	v->plan = *p;
	v->streams = (struct fleet_streams){ begin_stream, take, end_stream, cut_stream, v };
	v->out = (struct buf)BUF_INIT(LIVE_MERGE_OUT);
	v->merge = live_merge_new(p->delay_ns, comment);
	pthread_mutex_init(&v->lock, NULL);
	v->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	v->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->bell < 0 || v->ended < 0)
		r = err_errno(err, "cannot make an event descriptor");
	if (!r)
		r = start_writer(v, err);
	if (r)
		live_view_free(v);
	else
		*out = v;
	return r;
}

const struct fleet_streams *live_view_streams(struct live_view *v)
{
	return &v->streams;
}

int live_view_ended_fd(const struct live_view *v)
{
	return v->ended;
}

uint64_t live_view_taken(const struct live_view *v)
{
	return __atomic_load_n(&v->taken, __ATOMIC_RELAXED);
}

void live_view_set_clocks(struct live_view *v, struct fleet *f)
{
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n; i++)
		v->nodes[i]->clock = fleet_clock(f, v->nodes[i]->index);
	pthread_mutex_unlock(&v->lock);
}

void live_view_finish(struct live_view *v)
{
	pthread_mutex_lock(&v->lock);
	v->finishing = true;
	pthread_mutex_unlock(&v->lock);
	ring(v->bell);
}

void live_view_hurry(struct live_view *v)
{
	pthread_mutex_lock(&v->lock);
	v->hurried = true;
	pthread_mutex_unlock(&v->lock);
	ring(v->bell);
}

void live_view_give_up(struct live_view *v)
{
	__atomic_store_n(&v->give_up, true, __ATOMIC_RELAXED);
	ring(v->bell);
}

void live_view_join(struct live_view *v, struct live_view_end *out)
{
	if (v->running)
		pthread_join(v->thread, NULL);
	v->running = false;
	pthread_mutex_lock(&v->lock);
	v->closed = true;
	for (size_t i = 0; i < v->n; i++)
		live_pipe_close(v->nodes[i]->pipe);
	pthread_mutex_unlock(&v->lock);
	if (out)
		*out = v->end;
}

void live_view_free(struct live_view *v)
{
	if (!v)
		return;
	live_merge_free(v->merge);
	for (size_t i = 0; i < v->n; i++) {
		live_pipe_free(v->nodes[i]->pipe);
		free(v->nodes[i]->name);
		free(v->nodes[i]);
	}
	free(v->nodes);
	buf_release(&v->out);
	util_close(v->bell);
	util_close(v->ended);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
