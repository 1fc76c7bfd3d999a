/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_target.c - one target of a tap: its thread, from the source's start to whole files
 */
#include "tap_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tap_stream.h"
#include "tap_talk.h"

void tap_note(struct tap_target *t, const char *text)
{
	struct wire_target *s = t->seen;
	struct buf safe = BUF_INIT(WIRE_TEXT_MAX);

	if (buf_add_safe(&safe, text)) {
		buf_release(&safe);
		return;
	}
	pthread_mutex_lock(&t->tap->lock);
	for (size_t i = 0; i < s->n_notes; i++)
		if (!strcmp(s->notes[i], safe.data)) {
			pthread_mutex_unlock(&t->tap->lock);
			buf_release(&safe);
			return;
		}
	if (s->n_notes < WIRE_NOTES_MAX) {
		s->notes = xrealloc(s->notes, s->n_notes + 1, sizeof(*s->notes));
		s->notes[s->n_notes++] = buf_take(&safe);
	}
	pthread_mutex_unlock(&t->tap->lock);
	buf_release(&safe);
}

/* ---- starting ---- */

/* No more than TAP_STARTS_MAX at a time: each is processes on the node. False: too late. */
static bool take_turn(struct tap *tap)
{
	bool late;

	pthread_mutex_lock(&tap->lock);
	while (tap->starting >= TAP_STARTS_MAX)
		pthread_cond_wait(&tap->changed, &tap->lock);
	late = clock_mono_ns() > tap->arm_until_ns;
	tap->starting += !late;
	pthread_mutex_unlock(&tap->lock);
	return !late;
}

static void give_turn(struct tap *tap)
{
	pthread_mutex_lock(&tap->lock);
	tap->starting--;
	pthread_cond_broadcast(&tap->changed);
	pthread_mutex_unlock(&tap->lock);
}

static int start_source(struct tap_run *r, struct err *err)
{
	struct tap *tap = r->t->tap;
	int rc;

	if (!take_turn(tap))
		return err_set(err, -ETIMEDOUT, "the node has too many targets to start in time");
	rc = tap->at.source->start(tap->at.arg, &tap->arm, r->t->wanted, &r->feed, &r->interfaces,
				   &r->n_interfaces, err);
	give_turn(tap);
	return rc;
}

/* What the source knew is as good as what was said. */
static void merge_interfaces(struct tap_run *r)
{
	struct tap_talk *h = r->feed.heard;

	for (size_t i = 0; i < r->n_interfaces && h->n_interfaces < WIRE_INTERFACES_MAX; i++) {
		if (tap_talk_find(h, r->interfaces[i].index))
			continue;
		h->interfaces = xrealloc(h->interfaces, h->n_interfaces + 1,
					 sizeof(*h->interfaces));
		h->interfaces[h->n_interfaces++] = r->interfaces[i];
	}
}

static void note_route(struct tap_run *r)
{
	const struct tap_talk *h = r->feed.heard;

	if (r->t->tap->at.source->note)
		tap_note(r->t, r->t->tap->at.source->note);
	if (fileset_loses_interfaces(r->file))
		tap_note(r->t, "a pcap file does not tell interfaces apart");
	for (size_t i = 0; i < h->n_notes; i++)
		tap_note(r->t, h->notes[i]);
}

static void settle(struct tap_target *t, enum wire_state state, const struct err *err)
{
	pthread_mutex_lock(&t->tap->lock);
	t->seen->state = state;
	if (err && err->code)
		t->seen->error = xstrdup(err->text);
	t->settled = true;
	pthread_cond_broadcast(&t->tap->changed);
	pthread_mutex_unlock(&t->tap->lock);
}

static void show_start(struct tap_run *r)
{
	struct tap *tap = r->t->tap;

	pthread_mutex_lock(&tap->lock);
	if (!tap->skew_ns)
		tap->skew_ns = r->feed.heard->skew_ns;
	r->t->seen->started_ns = clock_wall_ns() + r->feed.heard->skew_ns;
	r->t->seen->bytes = fileset_bytes(r->file);
	pthread_mutex_unlock(&tap->lock);
}

/* ---- the end ---- */

static void count(const struct tap_run *r, struct pcapng_stats *all)
{
	const struct tap_talk *h = r->feed.heard;

	*all = (struct pcapng_stats){ .received = -1, .dropped = -1 };
	if (r->classic) {
		all->dropped = h->dropped_kernel;
		if (all->dropped >= 0 && h->dropped_interface > 0)
			all->dropped += h->dropped_interface;
		/* what it calls "received by filter" counts loopback packets twice */
		if (h->captured >= tap_stream_copies(r->stream))
			all->received = h->captured - tap_stream_copies(r->stream) +
					(all->dropped > 0 ? all->dropped : 0);
		return;
	}
	for (size_t i = 0; i < r->n_stats; i++) {
		if (r->stats[i].received >= 0)
			all->received = (all->received < 0 ? 0 : all->received) +
					r->stats[i].received % WIRE_COUNT_MAX;
		if (r->stats[i].dropped >= 0)
			all->dropped = (all->dropped < 0 ? 0 : all->dropped) +
				       r->stats[i].dropped % WIRE_COUNT_MAX;
	}
}

static void note_end(struct tap_run *r, const struct pcapng_stats *all)
{
	const struct tap_talk *h = r->feed.heard;
	cleanup_free char *text = NULL;

	if (all->dropped < 0)
		tap_note(r->t, "how many packets were dropped is not known: the end of the "
			       "capture did not tell");
	if (h->dropped_interface > 0) {
		text = xasprintf("%lld of the dropped packets were dropped by interfaces",
				 (long long)h->dropped_interface);
		tap_note(r->t, text);
	}
}

static void finish(struct tap_run *r)
{
	struct wire_target *s = r->t->seen;
	struct pcapng_stats all;
	struct fileset_end w = { .start_ns = s->started_ns, .end_ns = r->stop_ns };
	int64_t packets = fileset_packets(r->file);
	int rc;

	count(r, &all);
	fileset_set_dropped(r->file, all.dropped);
	rc = fileset_finish(r->file, &w, &r->err);
	for (size_t i = 0; i < w.n_files; i++)
		tap_run_add_file(r, &w.files[i]);
	free(w.files);
	note_end(r, &all);

	pthread_mutex_lock(&r->t->tap->lock);
	s->bytes = 0;
	for (size_t i = 0; i < s->n_files; i++)
		s->bytes += s->files[i].bytes;
	s->packets = packets;
	s->truncated = fileset_truncated(r->file);
	s->received = all.received < packets ? packets : all.received;
	s->dropped_kernel = all.dropped < 0 ? 0 : all.dropped;
	s->end = rc ? WIRE_END_ERROR : r->end;
	s->stopped_ns = r->stop_ns;
	pthread_mutex_unlock(&r->t->tap->lock);
	settle(r->t, WIRE_ENDED, &r->err);
}

static void set_end(struct tap_target *t, enum wire_end end)
{
	pthread_mutex_lock(&t->tap->lock);
	t->seen->end = end;
	pthread_mutex_unlock(&t->tap->lock);
}

static void *target_main(void *arg)
{
	struct tap_target *t = arg;
	struct tap *tap = t->tap;
	struct tap_talk heard;
	struct tap_run r = { .t = t, .feed = { .packets = -1, .talk = -1, .stdin_fd = -1,
					       .heard = &heard } };
	struct err err = ERR_INIT;
	int rc;

	tap_talk_init(&heard);
	rc = start_source(&r, &err);
	if (!rc) {
		merge_interfaces(&r);
		rc = tap_run_open(&r, &err);
		if (rc) {
			r.feed.stdin_fd = util_close(r.feed.stdin_fd);
			tap->at.source->stop(tap->at.arg, &r.feed);
		}
	}
	if (rc) {
		if (heard.gone || heard.why == TAP_WHY_DIED)
			set_end(t, WIRE_END_TASK_ENDED);
		settle(t, WIRE_FAILED, &err);
	} else {
		note_route(&r);
		show_start(&r);
		tap_run_show_interfaces(&r);
		settle(t, WIRE_ARMED, NULL);
		tap_run_pump(&r);
		finish(&r);
	}
	tap_run_release(&r);
	tap_talk_release(&heard);
	return NULL;
}

/* ---- from outside ---- */

int tap_target_begin(struct tap_target *t, struct err *err)
{
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->wake < 0)
		return err_errno(err, "cannot watch the target");
	errno = pthread_create(&t->thread, NULL, target_main, t);
	if (errno)
		return err_errno(err, "cannot start a thread for the target");
	t->has_thread = true;
	return 0;
}

void tap_target_stop(struct tap_target *t, enum wire_end end)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&t->tap->lock);
	if (!t->wanted_end)
		t->wanted_end = end;
	pthread_mutex_unlock(&t->tap->lock);
	if (t->wake >= 0 && write(t->wake, &one, sizeof(one)) < 0)
		errno = 0;	/* full: it is awake already */
}

void tap_target_release(struct tap_target *t)
{
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	t->has_thread = false;
	t->wake = util_close(t->wake);
}
