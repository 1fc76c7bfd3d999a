/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_pump.c - one tapped target from its stream's header to its end
 *
 * A round waits for packets, talk or an order; talk is read first, so that what the node says
 * about its stop is known when packets behind it come. An order closes the source's stdin; the
 * source then ends its stream itself, and only a source that does not is left behind.
 */
#include "tap_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tap_stream.h"
#include "tap_talk.h"

#define ROUND_MS 250
#define FLUSH_MS 250		/* as an agent's */
#define BEAT_NS (5 * NS_PER_S)	/* the far side's lease is 60 s */
#define HEADER_MS 4000		/* tcpdump writes it at once */
#define TOLD_NS (8 * NS_PER_S)	/* the far side takes 1.1 s, and kills after five more */
#define WORDS_MS 4000		/* for the last words behind the end of the stream */
#define ROUND_PACKETS 8192

static bool is_cancelled(const struct tap_run *r)
{
	const volatile bool *c = r->t->tap->at.cancel;

	return c && __atomic_load_n(c, __ATOMIC_RELAXED);
}

int tap_read_talk(struct tap_feed *f, int timeout_ms)
{
	struct pollfd p = { .fd = f->talk, .events = POLLIN };
	char text[4096];
	ssize_t n;

	if (f->talk < 0)
		return 1;
	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	n = read(f->talk, text, sizeof(text));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		tap_talk_end(f->heard);
		f->talk = util_close(f->talk);
		return 1;
	}
	tap_talk_feed(f->heard, text, (size_t)n);
	if (f->heard->time_ns && !f->heard->skew_ns)
		f->heard->skew_ns = f->heard->time_ns - clock_wall_ns();
	return 0;
}

int tap_await_listening(struct tap_feed *f, int timeout_ms, volatile bool *cancel, struct err *err)
{
	int64_t until = clock_mono_ns() + timeout_ms * NS_PER_MS;

	while (!f->heard->listening) {
		if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED))
			return err_set(err, -ECANCELED, "cancelled");
		if (clock_mono_ns() > until)
			return err_set(err, -ETIMEDOUT, "tcpdump did not start within %d ms%s%s",
				       timeout_ms, f->heard->words.len ? ": " : "",
				       f->heard->words.data);
		if (tap_read_talk(f, 100) && !f->heard->listening)
			return tap_talk_blame(f->heard, err);
	}
	return 0;
}

/* ---- opening ---- */

static int take_header(struct tap_run *r, const struct tap_event *e, struct err *err)
{
	int rc;

	tap_run_make_files(r, e->kind == TAP_HEADER);
	if (e->kind == TAP_HEADER)
		rc = tap_run_declare(r, e->link_type, err);
	else
		rc = tap_run_declare_told(r, e, err);
	return rc ? rc : fileset_begin(r->file, err);
}

int tap_run_open(struct tap_run *r, struct err *err)
{
	int64_t until = clock_mono_ns() + HEADER_MS * NS_PER_MS;
	struct tap_event e;
	int rc;

	fcntl(r->feed.packets, F_SETFL, fcntl(r->feed.packets, F_GETFL) | O_NONBLOCK);
	if (r->feed.stdin_fd >= 0)
		fcntl(r->feed.stdin_fd, F_SETFL, fcntl(r->feed.stdin_fd, F_GETFL) | O_NONBLOCK);
	r->stream = tap_stream_new(r->feed.packets);
	while ((rc = tap_stream_next(r->stream, &e, err)) == -EAGAIN) {
		struct pollfd p = { .fd = r->feed.packets, .events = POLLIN };

		if (clock_mono_ns() > until || is_cancelled(r))
			return err_set(err, -ETIMEDOUT, "the stream of packets does not begin");
		poll(&p, 1, 100);
	}
	if (rc < 0)
		return rc;
	if (rc) {
		while (!tap_read_talk(&r->feed, 1000) && clock_mono_ns() < until)
			;
		return tap_talk_blame(r->feed.heard, err);
	}
	if (e.kind != TAP_HEADER && e.kind != TAP_INTERFACE)
		return err_set(err, -EINVAL, "the stream of packets begins without an interface");
	r->beat_ns = clock_mono_ns();
	return take_header(r, &e, err);
}

/* ---- ending ---- */

/* The order to stop; halt: at once, what is still under way is not wanted. */
static void tell(struct tap_run *r, bool halt)
{
	const char *word = r->t->tap->at.source->halt;

	if (r->told)
		return;
	r->told = true;
	r->told_ns = clock_mono_ns();
	if (halt && word && r->feed.stdin_fd >= 0 &&
	    write(r->feed.stdin_fd, word, strlen(word)) < 0)
		errno = 0;	/* the end of stdin says it too */
	r->feed.stdin_fd = util_close(r->feed.stdin_fd);
}

static void end(struct tap_run *r, enum wire_end why, bool halt)
{
	if (!r->end)
		r->end = why;
	tell(r, halt);
}

/* A packet was not taken, or was the last one. */
static void end_by_file(struct tap_run *r, int rc)
{
	enum wire_end why = WIRE_END_ERROR;

	if (rc == FILESET_E_PACKETS)
		why = WIRE_END_PACKETS;
	else if (rc == FILESET_E_BYTES)
		why = WIRE_END_BYTES;
	else if (rc == -ENOSPC || rc == -EDQUOT)
		why = WIRE_END_DISK_FLOOR;
	r->full = true;
	/* a limit that is reached by the last packets after the order is the reason, as an agent's */
	r->end = why;
	end(r, why, true);
}

static void take_orders(struct tap_run *r)
{
	enum wire_end wanted;

	pthread_mutex_lock(&r->t->tap->lock);
	wanted = r->t->wanted_end;
	pthread_mutex_unlock(&r->t->tap->lock);
	if (is_cancelled(r) && !wanted)
		wanted = WIRE_END_STOPPED;
	if (wanted)
		end(r, wanted, false);
	if (r->told && clock_mono_ns() - r->told_ns > TOLD_NS) {
		err_set(&r->err, -ETIMEDOUT, "the far end did not end its stream in time");
		r->drained = true;
	}
}

static void beat(struct tap_run *r)
{
	const char *word = r->t->tap->at.source->beat;
	int64_t now = clock_mono_ns();

	if (!word || r->feed.stdin_fd < 0 || now - r->beat_ns < BEAT_NS)
		return;
	r->beat_ns = now;
	if (write(r->feed.stdin_fd, word, strlen(word)) < 0)
		errno = 0;	/* dead: the stream's end says so */
}

/* ---- packets ---- */

static void take_stats(struct tap_run *r, const struct pcapng_stats *s)
{
	while (r->n_stats <= s->interface) {
		r->stats = xrealloc(r->stats, r->n_stats + 1, sizeof(*r->stats));
		r->stats[r->n_stats++] = (struct pcapng_stats){ .received = -1, .dropped = -1 };
	}
	r->stats[s->interface] = *s;
	r->stats[s->interface].comment = NULL;
}

static int take_packet(struct tap_run *r, struct tap_event *e)
{
	int64_t stop = r->feed.heard->stop_ns;
	size_t taken;
	int rc;

	if (r->full || (stop && e->packet.ts_ns > stop))
		return 0;
	if (r->classic) {
		rc = tap_run_interface(r, e->index, &e->packet.interface, &r->err);
		if (rc)
			return rc;
	}
	return fileset_add(r->file, &e->packet, 1, &taken, &r->err);
}

static int take_event(struct tap_run *r, struct tap_event *e)
{
	int rc = 0;

	if (e->kind == TAP_PACKET)
		return take_packet(r, e);
	if (e->kind == TAP_STATS)
		take_stats(r, &e->stats);
	else if (e->kind == TAP_INTERFACE && !r->full)
		rc = tap_run_declare_told(r, e, &r->err);
	if (e->kind == TAP_INTERFACE && !rc)
		tap_run_show_interfaces(r);
	return rc;
}

static void take_packets(struct tap_run *r)
{
	struct tap_event e;
	int rc = 0;

	for (int i = 0; i < ROUND_PACKETS && !r->drained; i++) {
		rc = tap_stream_next(r->stream, &e, &r->err);
		if (rc == -EAGAIN)
			break;
		if (rc) {
			r->drained = true;
			if (rc < 0)
				end(r, WIRE_END_ERROR, true);
			break;
		}
		rc = take_event(r, &e);
		if (rc && !r->full)
			end_by_file(r, rc);
	}
	if (r->full)
		return;
	rc = fileset_tick(r->file, clock_mono_ns(), FLUSH_MS, &r->err);
	if (rc)
		end_by_file(r, rc);
}

/* What the report shows while the target is captured. */
static void publish(struct tap_run *r)
{
	struct wire_target *s = r->t->seen;

	pthread_mutex_lock(&r->t->tap->lock);
	s->packets = fileset_packets(r->file);
	s->bytes = fileset_bytes(r->file);
	s->truncated = fileset_truncated(r->file);
	s->received = s->packets;
	pthread_mutex_unlock(&r->t->tap->lock);
}

static void wait(struct tap_run *r)
{
	struct pollfd p[3] = {
		{ .fd = r->feed.packets, .events = POLLIN },
		{ .fd = r->feed.talk, .events = POLLIN },
		{ .fd = r->t->wake, .events = POLLIN },
	};
	uint64_t n;

	poll(p, 3, ROUND_MS);
	if (p[2].revents && read(r->t->wake, &n, sizeof(n)) < 0)
		errno = 0;	/* somebody was faster */
	if (p[1].revents)
		tap_read_talk(&r->feed, 0);
}

/* ---- why it ended ---- */

static bool is_alive(struct tap_run *r)
{
	const struct tap *tap = r->t->tap;

	if (tap->at.source->alive)
		return tap->at.source->alive(tap->at.arg, &r->feed);
	return !tap->at.remote || remote_alive(tap->at.remote);
}

static void judge_silence(struct tap_run *r, bool here)
{
	/* a cut cable may take longer to be noticed than we wait for the answer to a stop */
	bool late = r->err.code == -ETIMEDOUT;

	if (!here || late) {
		r->end = WIRE_END_NODE_LOST;
		err_reset(&r->err);
		err_set(&r->err, -EPIPE, here ? "the node did not answer the stop in time"
					      : "the ssh connection to the node broke");
		return;
	}
	if (r->end)
		return;
	r->end = WIRE_END_ERROR;
	tap_talk_blame(r->feed.heard, &r->err);
}

static void judge(struct tap_run *r, bool here)
{
	static const enum wire_end ends[] = {
		[TAP_WHY_DIED] = WIRE_END_TASK_ENDED, [TAP_WHY_LEASE] = WIRE_END_LEASE_EXPIRED,
		[TAP_WHY_DEADLINE] = WIRE_END_DURATION, [TAP_WHY_SIGNAL] = WIRE_END_ERROR,
	};
	enum tap_why why = r->feed.heard->why;

	if (why == TAP_WHY_NONE) {
		judge_silence(r, here);
		return;
	}
	if (r->end)
		return;
	r->end = (size_t)why < ARRAY_SIZE(ends) && ends[why] ? ends[why] : WIRE_END_ERROR;
	if (r->end == WIRE_END_ERROR)
		tap_talk_blame(r->feed.heard, &r->err);
}

void tap_run_pump(struct tap_run *r)
{
	int64_t until;
	bool here;

	while (!r->drained) {
		wait(r);
		take_orders(r);
		take_packets(r);
		beat(r);
		publish(r);
	}
	tell(r, false);
	until = clock_mono_ns() + WORDS_MS * NS_PER_MS;
	while (!tap_read_talk(&r->feed, 200) && clock_mono_ns() < until && !is_cancelled(r))
		;
	r->stop_ns = clock_wall_ns() + r->feed.heard->skew_ns;
	if (r->feed.heard->stop_ns && r->feed.heard->stop_ns < r->stop_ns)
		r->stop_ns = r->feed.heard->stop_ns;
	here = is_alive(r);
	r->t->tap->at.source->stop(r->t->tap->at.arg, &r->feed);
	judge(r, here);
}

void tap_run_release(struct tap_run *r)
{
	tap_stream_free(r->stream);
	fileset_free(r->file);
	free(r->stats);
	free(r->indices);
	free(r->interfaces);
	util_close(r->feed.packets);
	util_close(r->feed.talk);
	util_close(r->feed.stdin_fd);
	r->feed.packets = r->feed.talk = r->feed.stdin_fd = -1;
}
