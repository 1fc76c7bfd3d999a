/* SPDX-License-Identifier: Apache-2.0
 *
 * rollout.c - waits until the agents of one service answer, with a line for each node
 *
 * An agent that answers may be the one that is about to be replaced. So a node counts only
 * when Swarm runs a task of the new specification there: its order is stop-first, hence
 * nothing of the old one is left by then.
 */
#include "rollout.h"

#include "agents.h"
#include "log.h"
#include "service_call.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define WAIT_NS (60 * NS_PER_S)
#define PATIENCE_NS (8 * NS_PER_S)	/* with nodes where every task so far has failed */
#define HOPELESS 3			/* failures of one node */
#define PAUSE_MS 250

/* What the waiting remembers of one node. */
struct state {
	bool wanted, done;
	int failures;
	char *why;		/* the last failed task's words; NULL: none */
};

struct wait {
	const struct rollout *ro;
	struct agents agents;
	struct state *states;
	struct rollout_result result;
};

static void wait_init(struct wait *w, const struct rollout *ro)
{
	*w = (struct wait){ .ro = ro };
	agents_init(&w->agents, ro->cluster);
	w->states = xcalloc(w->agents.n, sizeof(*w->states));
	for (size_t i = 0; i < w->agents.n; i++) {
		w->states[i].wanted = !agents_absence(w->agents.items[i].node);
		w->result.wanted += w->states[i].wanted;
	}
}

static void wait_release(struct wait *w)
{
	for (size_t i = 0; i < w->agents.n; i++)
		free(w->states[i].why);
	free(w->states);
	agents_release(&w->agents);
}

static int look_at_tasks(struct wait *w, struct err *err)
{
	const struct rollout *ro = w->ro;
	cleanup_json json_t *tasks = NULL;
	int r = service_tasks(ro->engine, SWARMCAP_SERVICE, ro->service_id, &tasks, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < w->agents.n; i++) {
		struct agent *a = &w->agents.items[i];
		struct state *s = &w->states[i];
		struct service_task t;

		service_task_of(tasks, a->node->id, ro->digest, ro->force_update, &t);
		a->ask = s->wanted && !s->done && t.up;
		s->failures = t.failures;
		free(s->why);
		s->why = xstrdup_null(t.why);
	}
	return 0;
}

static void greet(struct wait *w)
{
	for (size_t i = 0; i < w->agents.n; i++) {
		const struct agent *a = &w->agents.items[i];

		if (!a->ask || !a->answers)
			continue;
		w->states[i].done = true;
		w->result.answering++;
		w->result.other_version += strcmp(a->info.version, SWARMCAP_VERSION) != 0;
		log_info("%s: agent %s answers on %s:%u", a->node->name, a->info.version,
			 a->node->address, w->ro->port);
	}
}

/* Nothing more is to be expected: on each node that is not done, tasks only fail. */
static bool hopeless(const struct wait *w)
{
	for (size_t i = 0; i < w->agents.n; i++)
		if (w->states[i].wanted && !w->states[i].done && w->states[i].failures < HOPELESS)
			return false;
	return true;
}

static int wait_for_all(struct wait *w, struct err *err)
{
	const struct agents_how how = {
		.reach = w->ro->reach, .creds = w->ro->creds, .port = w->ro->port,
	};
	int64_t start = clock_mono_ns();

	for (;;) {
		int64_t waited;
		int r = look_at_tasks(w, err);

		if (r < 0)
			return r;
		agents_ask(&w->agents, &how);
		greet(w);

		waited = clock_mono_ns() - start;
		if (w->result.answering == w->result.wanted || waited > WAIT_NS ||
		    (waited > PATIENCE_NS && hopeless(w)))
			return 0;
		clock_sleep_ms(PAUSE_MS);
	}
}

static void tell_the_rest(const struct wait *w)
{
	for (size_t i = 0; i < w->agents.n; i++) {
		const struct agent *a = &w->agents.items[i];
		const struct state *s = &w->states[i];

		if (!s->wanted)
			log_info("%s: no agent: the node is %s", a->node->name,
				 agents_absence(a->node));
		else if (!s->done)
			log_warn("%s: no agent answers: %s%s", a->node->name,
				 s->why ? s->why : *a->err.text ? a->err.text :
				 "Swarm has not started its task",
				 s->why ? service_advice(s->why) : "");
	}
}

int rollout_wait(const struct rollout *ro, struct rollout_result *out, struct err *err)
{
	cleanup(wait_release) struct wait w;
	int r;

	wait_init(&w, ro);
	r = wait_for_all(&w, err);
	if (r < 0)
		return r;
	tell_the_rest(&w);
	*out = w.result;
	return 0;
}
