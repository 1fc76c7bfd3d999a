/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_doctor.c - tells whether every node can capture, and if not, why and what to do
 */
#include "cmd.h"

#include "agents.h"
#include "checkup.h"
#include "probe.h"
#include "log.h"
#include "service_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CLOCK_PROBES 8

struct doctor {
	struct reach *reach;
	struct engine *engine;		/* its */
	struct cluster cluster;
	struct creds creds;
	struct service_now now;
	struct agents agents;
	json_t *rows;
	bool deployed;
	bool sick;
};

static void doctor_release(struct doctor *d)
{
	json_decref(d->rows);
	agents_release(&d->agents);
	service_now_release(&d->now);
	creds_release(&d->creds);
	cluster_release(&d->cluster);
	reach_close(d->reach);
}

static int load_credentials(struct doctor *d, const struct request *r, struct err *err)
{
	cleanup_free char *dir = creds_dir(r->credentials, d->cluster.id);
	int rc = creds_load(&d->creds, dir, err);

	if (rc < 0)
		return rc;
	if (*d->now.ca && strcmp(d->creds.ca_fingerprint, d->now.ca) != 0)
		return err_set(err, -EPERM,
			       "the agents belong to another CA (%.16s...) than the credentials in "
			       "'%s' (%.16s...): name theirs with --credentials, or finish a "
			       "rotation with `swarmcap deploy`", d->now.ca, dir,
			       d->creds.ca_fingerprint);
	return 0;
}

static int look(struct doctor *d, const struct request *r, struct err *err)
{
	int rc = reach_open(&d->reach, r, err);

	if (rc < 0)
		return rc;
	d->engine = reach_engine(d->reach);
	rc = cluster_load_nodes(d->engine, &d->cluster, err);
	if (rc == 0)
		rc = service_find(d->engine, &d->now, err);
	if (rc < 0 || rc == SERVICE_E_NONE)
		return rc < 0 ? rc : 0;
	d->deployed = true;
	return load_credentials(d, r, err);
}

static void judge_client(struct doctor *d)
{
	int64_t days = checkup_days(d->creds.client_expires_ns, clock_wall_ns());

	if (!d->deployed || days >= CHECKUP_DAYS)
		return;
	d->sick = true;
	if (days < 0)
		log_warn("the certificate in '%s' has expired: `swarmcap deploy --rotate`",
			 d->creds.client_file);
	else
		log_warn("the certificate in '%s' ends in %" PRId64 " days: "
			 "`swarmcap deploy --rotate`", d->creds.client_file, days);
}

static void examine(struct doctor *d, const struct request *r)
{
	const struct agents_how how = { .reach = d->reach, .creds = &d->creds, .port = d->now.port,
					.clock_probes = CLOCK_PROBES };
	const struct probe_how probing = { .reach = d->reach, .request = r, .cluster = &d->cluster,
					   .deployed = d->deployed };
	cleanup_free struct probe *probes = NULL;
	int64_t now = clock_wall_ns();

	agents_init(&d->agents, &d->cluster);
	for (size_t i = 0; i < d->agents.n; i++)
		d->agents.items[i].ask = d->deployed &&
					 strcmp(d->cluster.nodes[i].state, "ready") == 0;
	agents_ask(&d->agents, &how);
	probes = xcalloc(d->agents.n, sizeof(*probes));
	probe_all(&probing, &d->agents, probes);

	d->rows = json_array();
	for (size_t i = 0; i < d->agents.n; i++) {
		json_t *row = checkup_node(&d->agents.items[i], now);

		checkup_add_routes(row, &probes[i], d->deployed);
		json_array_append_new(d->rows, row);
	}
}

static void print_json(const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		cleanup_free char *line = jx_dump(row);

		puts(line);
	}
}

/* What would make a better route work than the one that would be used; all of them where none is. */
static void say_better(const json_t *row)
{
	const char *use = jx_str(row, "use", "");
	json_t *route;
	size_t i;

	json_array_foreach(json_object_get(row, "routes"), i, route) {
		if (!strcmp(jx_str(route, "route", ""), use))
			return;
		if (*jx_str(route, "why", ""))
			log_info("%s: %s: %s", jx_str(row, "node", ""), jx_str(route, "route", ""),
				 jx_str(route, "why", ""));
	}
}

static void advise(struct doctor *d)
{
	size_t i, k;
	json_t *row, *problem;

	json_array_foreach(d->rows, i, row) {
		say_better(row);
		json_array_foreach(json_object_get(row, "problems"), k, problem) {
			d->sick = true;
			log_warn("%s: %s", jx_str(row, "node", ""), json_string_value(problem));
		}
	}
}

int cmd_doctor(struct request *r)
{
	cleanup(doctor_release) struct doctor d = { 0 };
	struct err err = ERR_INIT;

	if (look(&d, r, &err) < 0)
		return cmd_fail(r, EXIT_FAILED, &err);
	examine(&d, r);
	if (r->json)
		print_json(d.rows);
	else
		checkup_print(stdout, d.rows);
	fflush(stdout);
	judge_client(&d);
	advise(&d);
	return d.sick ? EXIT_PARTIAL : EXIT_OK;
}
