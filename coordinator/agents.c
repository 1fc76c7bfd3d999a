/* SPDX-License-Identifier: Apache-2.0
 *
 * agents.c - every agent asked how it is, side by side
 *
 * A few threads take one node after another from a common counter. Each writes only the
 * entries that it took, and all are joined before anyone reads: there is nothing to lock.
 */
#include "agents.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define WIDTH 32		/* agents asked at the same time */
#define BUSY_SHOWN 5		/* captures of one node that are named */
#define CALL_MS 10000

struct round {
	struct agents *agents;
	const struct agents_how *how;
	size_t next;		/* atomic */
};

/* ---- one agent */

static bool is_busy(const struct wire_report *r)
{
	return r->running || (!r->fetched && !r->dropped);
}

static char *busy_text(const struct wire_report *reports, size_t n)
{
	cleanup_buf struct buf b = BUF_INIT(BUSY_SHOWN * 64 + 64);
	size_t busy = 0;

	for (size_t i = 0; i < n; i++)
		if (is_busy(&reports[i]) && busy++ < BUSY_SHOWN)
			buf_addf(&b, "%s%s (%s)", b.len ? ", " : "", reports[i].id,
				 reports[i].running ? "running" : "not fetched");
	if (busy > BUSY_SHOWN)
		buf_addf(&b, " and %zu more", busy - BUSY_SHOWN);
	return busy ? buf_take(&b) : NULL;
}

static int ask_captures(struct link *l, struct agent *a)
{
	int r = link_list(l, &a->reports, &a->n_reports, &a->err);

	if (r == 0)
		a->busy = busy_text(a->reports, a->n_reports);
	return r;
}

static int ask_link(struct link *l, struct agent *a, const struct agents_how *how)
{
	int r = link_info(l, &a->info, &a->err);

	if (r != 0)
		return r;
	if (strcmp(a->info.node_id, a->node->id) != 0)
		return err_set(&a->err, -ESTALE, "another node's agent answers at %s ('%s')",
			       a->node->address, a->info.hostname);
	if (how->targets) {
		r = link_targets(l, &a->targets, &a->err);
		if (r != 0)
			return r;
	}
	if (how->clock_probes) {
		r = link_clock(l, how->clock_probes, &a->clock, &a->err);
		if (r != 0)
			return r;
	}
	return how->list ? ask_captures(l, a) : 0;
}

static void forget(struct agent *a)
{
	wire_info_release(&a->info);
	a->info = (struct wire_info){ 0 };
	a->clock = (struct link_clock){ 0 };
	jx_freep(&a->targets);
	a->targets = NULL;
	free(a->busy);
	a->busy = NULL;
	for (size_t i = 0; i < a->n_reports; i++)
		wire_report_release(&a->reports[i]);
	free(a->reports);
	a->reports = NULL;
	a->n_reports = 0;
	a->answers = false;
	err_reset(&a->err);
}

static void ask_one(struct agent *a, const struct agents_how *how)
{
	const struct link_place at = {
		.address = a->node->address, .port = how->port, .creds = how->creds,
	};
	struct link *l = NULL;

	forget(a);
	if (!*a->node->address) {
		err_set(&a->err, -EDESTADDRREQ, "its address is not known to the manager");
		return;
	}
	if (reach_agent(how->reach, &at, &l, &a->err) < 0)
		return;
	link_set_timeout(l, CALL_MS);
	a->answers = ask_link(l, a, how) == 0;
	link_free(l);
}

/* ---- all of them */

static void *work(void *arg)
{
	struct round *r = arg;
	size_t i;

	while ((i = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED)) < r->agents->n)
		if (r->agents->items[i].ask)
			ask_one(&r->agents->items[i], r->how);
	return NULL;
}

/* This thread works too: without a single other one all are still asked. */
void agents_ask(struct agents *a, const struct agents_how *how)
{
	struct round r = { a, how, 0 };
	pthread_t threads[WIDTH];
	size_t n = 0;

	while (n < WIDTH && n + 1 < a->n && pthread_create(&threads[n], NULL, work, &r) == 0)
		n++;
	work(&r);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

void agents_init(struct agents *a, const struct cluster *c)
{
	a->items = xcalloc(c->n_nodes, sizeof(*a->items));
	a->n = c->n_nodes;
	for (size_t i = 0; i < a->n; i++)
		a->items[i].node = &c->nodes[i];
}

void agents_release(struct agents *a)
{
	for (size_t i = 0; i < a->n; i++)
		forget(&a->items[i]);
	free(a->items);
	*a = (struct agents)AGENTS_INIT;
}

const char *agents_absence(const struct cluster_node *n)
{
	if (strcmp(n->state, "ready") != 0)
		return strcmp(n->state, "down") == 0 ? "down" : "not reached by the manager";
	if (strcmp(n->availability, "drain") == 0)
		return "drained";
	if (strcmp(n->availability, "pause") == 0)
		return "paused";
	if (*n->os && strcmp(n->os, "linux") != 0)
		return "not running Linux";
	return NULL;
}

/* Of a node where no agent is due nobody expects an answer: it is told as not reached. */
static int check_answers(const struct agents *a, struct err *err)
{
	cleanup_buf struct buf b = BUF_INIT(ERR_TEXT_MAX / 2);
	bool cut = false;

	for (size_t i = 0; i < a->n; i++) {
		const struct agent *one = &a->items[i];

		if (one->ask && !one->answers && !agents_absence(one->node) &&
		    buf_addf(&b, "%s%s: %s", b.len ? "; " : "", one->node->name,
			     one->err.text) < 0)
			cut = true;
	}
	if (b.len == 0 && !cut)
		return 0;
	return err_set(err, -EHOSTUNREACH,
		       "cannot tell whether captures lie on nodes that do not answer (%s%s): "
		       "`swarmcap doctor` may tell why; or --force", b.len ? b.data : "",
		       cut ? "; ..." : "");
}

int agents_check_idle(const struct cluster *c, const struct agents_how *asked, bool all,
		      struct err *err)
{
	const struct agents_how how = {
		.reach = asked->reach, .creds = asked->creds, .port = asked->port, .list = true,
	};
	cleanup_agents struct agents a = AGENTS_INIT;
	cleanup_buf struct buf b = BUF_INIT(ERR_TEXT_MAX / 2);
	bool cut = false;

	agents_init(&a, c);
	for (size_t i = 0; i < a.n; i++)
		a.items[i].ask = strcmp(a.items[i].node->state, "ready") == 0;
	agents_ask(&a, &how);

	for (size_t i = 0; i < a.n; i++)
		if (a.items[i].busy && buf_addf(&b, "%s%s: %s", b.len ? "; " : "",
						a.items[i].node->name, a.items[i].busy) < 0)
			cut = true;
	if (b.len == 0 && !cut)
		return all ? check_answers(&a, err) : 0;
	return err_set(err, -EBUSY,
		       "captures run or were not fetched yet (%s%s): `swarmcap fetch ID` or "
		       "`swarmcap rm ID` first, or --force", b.data, cut ? "; ..." : "");
}
