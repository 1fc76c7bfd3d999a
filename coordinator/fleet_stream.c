/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_stream.c - a live capture: beside each node's conversation a thread that hears its stream
 *
 * By a connection of its own, since the conversation goes on meanwhile. It ends with the stream: when
 * the agent's capture has ended, or when who takes the bytes wants no more. The conversation's
 * thread starts it, and waits for it before it lets the link go.
 */
#include "fleet_parts.h"

#include <errno.h>

static void *hear(void *arg)
{
	struct fleet_talk *t = arg;
	struct fleet_stream *s = &t->stream;
	const struct fleet_job *job = &t->fleet->job;
	int rc = link_stream(s->link, job->plan->id, job->stream->take, s->to, &s->over, &s->err);

	s->broken = rc != 0 && rc != -EPIPE && rc != -ECANCELED;
	if (s->broken)
		fleet_tell(t, FLEET_NODE_GONE, NULL, s->err.text);
	s->rc = rc;
	job->stream->end(s->to);
	return NULL;
}

void fleet_stream_start(struct fleet_talk *t)
{
	const struct fleet_streams *job = t->fleet->job.stream;
	struct fleet_stream *s = &t->stream;
	int rc;

	if (!job)
		return;
	s->rc = link_again(&s->link, t->link, &s->err);
	s->broken = s->rc != 0;
	if (s->broken) {
		fleet_tell(t, FLEET_NODE_GONE, NULL, s->err.text);
		return;
	}
	s->to = job->begin(job->arg, t->node, t->index);
	rc = fleet_start_thread(&s->thread, hear, t);
	s->running = rc == 0;
	if (rc == 0)
		return;
	job->end(s->to);
	s->broken = true;
	s->rc = err_set(&s->err, -rc, "cannot start a thread for its stream");
}

void fleet_stream_end(struct fleet_talk *t)
{
	struct fleet_stream *s = &t->stream;

	__atomic_store_n(&s->over, true, __ATOMIC_RELAXED);
	if (s->running) {
		t->fleet->job.stream->cut(s->to);
		pthread_join(s->thread, NULL);
	}
	s->running = false;
	link_free(take_ptr(&s->link));
	if (s->broken && !t->node->reason)
		fleet_blame(t, fleet_loss(s->rc), &s->err);
}
