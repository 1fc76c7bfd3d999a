/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_context.c - a node's arm request out of the plan, and the plan again out of reports
 *
 * The agents keep the request's context and give it back, so that any coordinator of the
 * cluster can gather a capture that another one began. One node's context holds its own arm
 * request (without hosts: they follow from the networks), what stands beside each target in
 * the plan, what was asked for, and of the other nodes only which targets were meant to be
 * captured there: enough to say what is missing when a node never answers again.
 *
 * A context comes back from an agent, so it is read like anything hostile; most of that is
 * wire_arm_decode's work.
 */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include "units.h"

#define LEASE_MS 60000
#define GRACE_MS 10000			/* from a capture's end by its duration to its deadline */
#define GRACE_SSH_MS 130000		/* the same where a node may be reached by ssh (fleet_arm.c) */
#define HOST_MAX 200
#define MISSING_MAX 256			/* of the plan's own, kept in a context */

/* ---- a context ---- */

static json_t *make_texts(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, jx_text(texts[i]));
	return list;
}

/* Beside arm.targets, in the same order. */
static json_t *make_targets(const struct plan_node *n)
{
	json_t *list = json_array();

	for (const struct target *t = n->targets; t < n->targets + n->n_targets; t++)
		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "service",
						      jx_text(t->service), "service_id",
						      jx_text(t->service_id), "task",
						      jx_text(t->task), "image", jx_text(t->image),
						      "slot", (json_int_t)t->slot, "also",
						      make_texts(t->also, t->n_also)));
	return list;
}

static json_t *make_others(const struct plan *p, const struct plan_node *self)
{
	json_t *list = json_array();

	for (const struct plan_node *n = p->nodes; n < p->nodes + p->n_nodes; n++) {
		json_t *targets;

		if (n == self)
			continue;
		targets = json_array();
		for (size_t i = 0; i < n->n_targets; i++) {
			cleanup_free char *what = target_what(&n->targets[i]);

			json_array_append_new(targets, jx_text(what));
		}
		json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "id", jx_text(n->id),
						      "name", jx_text(n->name), "targets",
						      targets));
	}
	return list;
}

static json_t *make_missing(const struct plan *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->missing.n && i < MISSING_MAX; i++) {
		const struct missing *m = &p->missing.items[i];

		json_array_append_new(list,
				      json_pack("{s:o, s:o, s:o, s:o}", "what", jx_text(m->what),
						"node", jx_text(m->node), "reason",
						jx_text(m->reason), "error", jx_text(m->error)));
	}
	return list;
}

static json_t *bare_arm(const struct wire_arm *a)
{
	struct wire_arm bare = *a;

	bare.hosts = NULL;
	bare.n_hosts = 0;
	return wire_arm_encode(&bare);
}

/* ---- to the agent ---- */

static void make_wanted(const struct target *t, struct wire_wanted *out)
{
	*out = (struct wire_wanted){
		.key = xstrdup(t->key), .kind = t->kind, .label = xstrdup(t->key),
		.container_id = xstrdup_null(t->container_id), .task_id = xstrdup_null(t->task_id),
		.filter = xstrdup_null(t->filter),
		.networks = cluster_copy_networks(t->networks, t->n_networks),
		.n_networks = t->n_networks,
	};
}

static int64_t grace(const struct plan *p)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t k = 0; k < p->nodes[i].n_routes; k++)
			if (p->nodes[i].routes[k] != ROUTE_AGENT)
				return GRACE_SSH_MS;
	return GRACE_MS;
}

/* Tests do not wait for a minute. */
static int64_t lease_ms(void)
{
	const char *text = getenv("SWARMCAP_TEST_LEASE");
	int64_t ms;

	if (!text || units_parse_duration(text, &ms) || ms < 1 || ms > LEASE_MS)
		return LEASE_MS;
	return ms;
}

static int64_t deadline(const struct plan *p, const struct request *r)
{
	if (r->duration_ms <= 0 || r->duration_ms > WIRE_DEADLINE_MAX_MS - grace(p))
		return WIRE_DEADLINE_MAX_MS;
	return r->duration_ms + grace(p);
}

void plan_arm(const struct plan *p, const struct plan_node *n, const struct request *r,
	      const struct cluster *c, struct wire_arm *out)
{
	*out = (struct wire_arm){
		.node_id = xstrdup(n->id), .node_name = xstrdup(n->name),
		.attached = !r->detached, .live = r->live, .lease_ms = lease_ms(), .deadline_ms = deadline(p, r),
		.filter = xstrdup_null(r->filter_resolved ? r->filter_resolved : r->filter),
		.interface = xstrdup_null(r->interface), .snaplen = r->snaplen, .format = r->format,
		.max_bytes = r->max_bytes, .max_packets = r->max_packets,
		.rotate_bytes = r->rotate_bytes, .rotate_ms = r->rotate_ms,
		.keep_files = r->keep_files,
		.targets = xcalloc(n->n_targets, sizeof(*out->targets)), .n_targets = n->n_targets,
		.follow = wire_services_copy(p->follow, p->n_follow), .n_follow = p->n_follow,
		.hosts = xcalloc(p->n_hosts, sizeof(*out->hosts)), .n_hosts = p->n_hosts,
	};
	memcpy(out->id, p->id, sizeof(out->id));
	for (size_t i = 0; i < n->n_targets; i++)
		make_wanted(&n->targets[i], &out->targets[i]);
	for (size_t i = 0; i < p->n_hosts; i++)
		out->hosts[i] = (struct wire_host){ xstrdup(p->hosts[i].address),
						    xstrdup(p->hosts[i].name) };

	out->context = json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				 "cluster", jx_text(c->id), "manager", jx_text(c->self_name),
				 "selectors", make_texts(r->selectors, r->n_selectors), "filter",
				 jx_text(r->filter), "duration_ms", (json_int_t)r->duration_ms,
				 "address", jx_text(n->address), "file_host", jx_text(n->file_host),
				 "arm", bare_arm(out), "targets", make_targets(n), "others",
				 make_others(p, n), "missing", make_missing(p), "notes",
				 make_texts(p->notes, p->n_notes));
}

/* ---- from the agents ---- */

static char *text_or_null(const json_t *j, const char *path)
{
	return xstrdup_null(jx_str(j, path, NULL));
}

static void restore_also(const json_t *beside, struct target *t)
{
	const json_t *list = jx_get(beside, "also"), *name;
	size_t i;

	t->also = xcalloc(json_array_size(list) + 1, sizeof(*t->also));
	json_array_foreach(list, i, name) {
		if (json_is_string(name))
			t->also[t->n_also++] = xstrdup(json_string_value(name));
	}
}

/* Takes what it can use of w. */
static struct target target_from(struct wire_wanted *w, const json_t *beside, const char *node_id)
{
	int64_t slot = jx_int(beside, "slot", 0);
	struct target t = {
		.kind = w->kind, .slot = slot > 0 ? slot : 0, .node_id = xstrdup(node_id),
		.service = text_or_null(beside, "service"),
		.service_id = text_or_null(beside, "service_id"),
		.task = text_or_null(beside, "task"), .image = text_or_null(beside, "image"),
	};

	t.key = take_ptr(&w->key);
	t.task_id = take_ptr(&w->task_id);
	t.container_id = take_ptr(&w->container_id);
	t.filter = take_ptr(&w->filter);
	t.networks = take_ptr(&w->networks);
	t.n_networks = w->n_networks;
	w->n_networks = 0;
	restore_also(beside, &t);
	return t;
}

static void add_node(struct plan *p, struct wire_arm *a, const json_t *context)
{
	const json_t *beside = jx_get(context, "targets");
	struct plan_node *n;

	p->nodes = xrealloc(p->nodes, p->n_nodes + 1, sizeof(*p->nodes));
	n = &p->nodes[p->n_nodes++];
	*n = (struct plan_node){
		.id = take_ptr(&a->node_id),
		.name = xstrdup(a->node_name ? a->node_name : ""),
		.address = xstrdup(jx_str(context, "address", "")),
		.route = "agent",
		.targets = xcalloc(a->n_targets, sizeof(*n->targets)), .n_targets = a->n_targets,
	};
	n->file_host = names_clean(jx_str(context, "file_host", n->name), HOST_MAX);
	for (size_t i = 0; i < a->n_targets; i++)
		n->targets[i] = target_from(&a->targets[i], json_array_get(beside, i), n->id);
}

/* An agent that lost the request: its targets are all that is known. */
static void add_bare_node(struct plan *p, const struct wire_report *report)
{
	struct plan_node *n;

	p->nodes = xrealloc(p->nodes, p->n_nodes + 1, sizeof(*p->nodes));
	n = &p->nodes[p->n_nodes++];
	*n = (struct plan_node){
		.id = xstrdup(report->node_id), .name = xstrdup(report->node_name),
		.address = xstrdup(""), .route = "agent",
		.file_host = names_clean(report->node_name, HOST_MAX),
		.targets = xcalloc(report->n_targets, sizeof(*n->targets)),
		.n_targets = report->n_targets,
	};
	for (size_t i = 0; i < report->n_targets; i++)
		n->targets[i] = (struct target){
			.kind = WIRE_TASK, .key = xstrdup(report->targets[i].key),
			.node_id = xstrdup(report->node_id),
			.container_id = xstrdup_null(report->targets[i].container_id),
			.image = xstrdup_null(report->targets[i].image),
		};
}

static void restore_request(const struct wire_arm *a, const json_t *context, struct request *r)
{
	const json_t *selectors = jx_get(context, "selectors"), *s;
	int64_t duration = jx_int(context, "duration_ms", 0);
	size_t i;

	r->n_selectors = 0;
	json_array_foreach(selectors, i, s) {
		if (json_is_string(s) && r->n_selectors < REQUEST_SELECTORS_MAX)
			r->selectors[r->n_selectors++] = (char *)json_string_value(s);
	}
	free(r->filter);
	r->filter = text_or_null(context, "filter");
	r->interface = jx_str(context, "arm.interface", NULL);
	r->snaplen = a->snaplen;
	r->format = a->format;
	r->duration_ms = duration > 0 ? duration : 0;
	r->max_bytes = a->max_bytes;
	r->max_packets = a->max_packets;
	r->rotate_bytes = a->rotate_bytes;
	r->rotate_ms = a->rotate_ms;
	r->keep_files = a->keep_files;
}

static void restore_missing(struct plan *p, const json_t *context)
{
	const json_t *m;
	size_t i;

	json_array_foreach(jx_get(context, "missing"), i, m) {
		if (i < MISSING_MAX)
			missing_add(&p->missing, jx_str(m, "what", "?"), jx_str(m, "node", NULL),
				    jx_str(m, "reason", "error"), jx_str(m, "error", NULL));
	}
	json_array_foreach(jx_get(context, "notes"), i, m) {
		if (json_is_string(m) && i < WIRE_NOTES_MAX)
			plan_note(p, "%s", json_string_value(m));
	}
}

static bool is_known(const struct plan *p, const char *node_id)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		if (strcmp(p->nodes[i].id, node_id) == 0)
			return true;
	return false;
}

static void add_absent_nodes(struct plan *p, const json_t *context)
{
	const json_t *node, *what;
	size_t i, j;

	json_array_foreach(jx_get(context, "others"), i, node) {
		const char *name = jx_str(node, "name", "?");

		if (is_known(p, jx_str(node, "id", "")))
			continue;
		json_array_foreach(jx_get(node, "targets"), j, what) {
			const char *text = json_string_value(what);

			missing_add(&p->missing, text ? text : "?", name, "no-report",
				    "its node told nothing of this capture: that was gathered or "
				    "removed before, or the node did not answer");
		}
	}
}

static void restore_cluster(const struct plan *p, const json_t *context, struct cluster *c)
{
	cluster_release(c);
	c->id = xstrdup(jx_str(context, "cluster", ""));
	c->self_name = xstrdup(jx_str(context, "manager", ""));
	c->self_node_id = xstrdup("");
	c->self_address = xstrdup("");
	c->nodes = xcalloc(p->n_nodes, sizeof(*c->nodes));
	for (; c->n_nodes < p->n_nodes; c->n_nodes++) {
		const struct plan_node *n = &p->nodes[c->n_nodes];

		c->nodes[c->n_nodes] = (struct cluster_node){
			.id = xstrdup(n->id),
			.name = xstrdup(n->name),
			.address = xstrdup(n->address),
			.state = xstrdup("ready"),
			.availability = xstrdup("active"),
			.os = xstrdup("linux"),
			.arch = xstrdup(""),
			.engine_version = xstrdup(""),
		};
	}
}

/* True when the context was understood; the first of them tells what was asked for. */
static bool add_report(struct plan *p, const struct wire_report *report, struct request *r)
{
	struct wire_arm a = { 0 };
	bool good = report->context &&
		    wire_arm_decode(jx_get(report->context, "arm"), &a, NULL) == 0 &&
		    strcmp(a.id, report->id) == 0 && strcmp(a.node_id, report->node_id) == 0;

	if (good && !p->kept) {
		p->kept = json_incref(report->context);
		restore_request(&a, p->kept, r);
		p->follow = take_ptr(&a.follow);
		p->n_follow = a.n_follow;
		a.n_follow = 0;
	}
	if (good)
		add_node(p, &a, report->context);
	else
		add_bare_node(p, report);
	wire_arm_release(&a);
	return good;
}

int plan_from_reports(const struct wire_report *reports, size_t n, struct plan *plan,
		      struct request *r, struct cluster *c, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!add_report(plan, &reports[i], r))
			plan_note(plan, "node %s does not know what was asked for",
				  reports[i].node_name);
	if (!plan->kept)
		return err_set(err, -EINVAL, "no node knows what this capture was asked to be");

	memcpy(plan->id, reports[0].id, sizeof(plan->id));
	restore_missing(plan, plan->kept);
	add_absent_nodes(plan, plan->kept);
	plan_finish(plan);
	restore_cluster(plan, plan->kept, c);
	return 0;
}
