/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_undeploy.c - takes the agent away, leaving nothing behind
 *
 * Swarm removes the service and its containers, not the volume that each node made for the
 * spool: a global job of the same image does that, and goes too. The job is created first, and
 * fails and is started again until the agent lets go of the volume: so an undeploy that dies
 * has either done nothing or left the job, by which the next one goes on.
 *
 * What a node that the job does not reach keeps is told. The credentials stay: they are the
 * deployer's, the only copy, and nothing of the cluster.
 */
#include "cmd.h"

#include "agents.h"
#include "log.h"
#include "secrets.h"
#include "service_call.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define GONE_NS (40 * NS_PER_S)		/* the agents' grace is 10 s of it */
#define JOB_NS (60 * NS_PER_S)		/* once the agents are gone */
#define PATIENCE_NS (10 * NS_PER_S)	/* with a node where it only fails */
#define HOPELESS 3			/* failures there */
#define PAUSE_MS 250

struct undeploy {
	const struct request *request;
	struct reach *reach;
	struct engine *engine;		/* its */
	struct cluster cluster;
	struct creds creds;
	char *dir;
	struct service_now now;
	char *job_id;
	size_t unreached;
};

static void undeploy_release(struct undeploy *u)
{
	service_now_release(&u->now);
	free(u->job_id);
	creds_release(&u->creds);
	free(u->dir);
	cluster_release(&u->cluster);
	reach_close(u->reach);
}

/* Only who can ask the agents can know that nothing is lost. */
static int check_idle(struct undeploy *u, struct err *err)
{
	struct err why = ERR_INIT;

	if (u->request->force)
		return 0;
	if (creds_load(&u->creds, u->dir, &why) < 0)
		return err_set(err, -EPERM,
			       "cannot ask the agents whether captures are left on them: %s; or "
			       "--force", why.text);
	if (strcmp(u->creds.ca_fingerprint, u->now.ca) != 0)
		return err_set(err, -EPERM,
			       "the agents belong to another CA (%.16s...) than the credentials in "
			       "'%s' (%.16s...): name theirs with --credentials, or --force",
			       u->now.ca, u->dir, u->creds.ca_fingerprint);
	return agents_check_idle(&u->cluster, &(struct agents_how){
		.reach = u->reach, .creds = &u->creds, .port = u->now.port,
	}, true, err);
}

/* ---- tasks that outlive their service */

static bool left_on_ready_nodes(const struct undeploy *u, const json_t *tasks)
{
	size_t i;
	json_t *task;

	json_array_foreach(tasks, i, task) {
		const struct cluster_node *n;

		n = cluster_node(&u->cluster, jx_str(task, "NodeID", ""));
		if (n && !strcmp(n->state, "ready"))
			return true;
	}
	return false;
}

static int wait_gone(struct undeploy *u, const char *name, const char *id, struct err *err)
{
	int64_t end = clock_mono_ns() + GONE_NS;

	for (;;) {
		cleanup_json json_t *tasks = NULL;
		int r = service_tasks(u->engine, name, id, &tasks, err);

		if (r < 0)
			return r;
		if (!left_on_ready_nodes(u, tasks))
			return 0;
		if (clock_mono_ns() > end)
			return err_set(err, -ETIMEDOUT, "tasks of %s do not end within %lld s: "
				       "run undeploy again", name, GONE_NS / NS_PER_S);
		clock_sleep_ms(PAUSE_MS);
	}
}

static int remove_service(struct undeploy *u, const char *name, const char *id, struct err *err)
{
	int r = service_remove(u->engine, id, err);

	return r < 0 ? r : wait_gone(u, name, id, err);
}

/* ---- the job */

static int ensure_job(struct undeploy *u, struct err *err)
{
	cleanup_json json_t *spec = NULL;
	int r = service_id(u->engine, SERVICE_JOB, &u->job_id, err);

	if (r != SERVICE_E_NONE)
		return r;
	spec = service_job_spec(u->now.image);
	return service_create(u->engine, spec, &u->job_id, err);
}

/* True when on every node that can run it the job is done, or does nothing but fail. */
static bool job_ended(const struct undeploy *u, const json_t *tasks, bool patient)
{
	for (size_t i = 0; i < u->cluster.n_nodes; i++) {
		const struct cluster_node *n = &u->cluster.nodes[i];
		struct service_task t;

		if (agents_absence(n))
			continue;
		service_task_of(tasks, n->id, NULL, 0, &t);
		if (!t.complete && (patient || t.failures < HOPELESS))
			return false;
	}
	return true;
}

static void tell_node(struct undeploy *u, const struct cluster_node *n, const json_t *tasks)
{
	const char *why = agents_absence(n);
	struct service_task t;

	service_task_of(tasks, n->id, NULL, 0, &t);
	if (t.complete) {
		log_info("%s: the agent and its spool are gone", n->name);
		return;
	}
	u->unreached++;
	if (why)
		log_warn("%s: not reached, the node is %s: its volume " SERVICE_SPOOL
			 " stays, if it has one", n->name, why);
	else
		log_warn("%s: the volume " SERVICE_SPOOL " stays: %s", n->name,
			 t.why ? t.why : "the job was not done in time");
}

static int watch_job(struct undeploy *u, struct err *err)
{
	int64_t start = clock_mono_ns();

	for (;;) {
		cleanup_json json_t *tasks = NULL;
		int r = service_tasks(u->engine, SERVICE_JOB, u->job_id, &tasks, err);
		int64_t waited = clock_mono_ns() - start;

		if (r < 0)
			return r;
		if (job_ended(u, tasks, waited < PATIENCE_NS) || waited > JOB_NS) {
			for (size_t i = 0; i < u->cluster.n_nodes; i++)
				tell_node(u, &u->cluster.nodes[i], tasks);
			return 0;
		}
		clock_sleep_ms(PAUSE_MS);
	}
}

/* ---- all of it */

/* From where an undeploy that died goes on too. */
static int finish(struct undeploy *u, struct err *err)
{
	int r = watch_job(u, err);

	if (r == 0)
		r = remove_service(u, SERVICE_JOB, u->job_id, err);
	if (r == 0)
		r = secrets_sweep(u->engine, NULL, err);
	if (r < 0)
		return r;
	log_info("the credentials in '%s' stay", u->dir);
	return u->unreached ? EXIT_PARTIAL : EXIT_OK;
}

static int undeploy(struct undeploy *u, struct err *err)
{
	int r = check_idle(u, err);

	if (r == 0)
		r = ensure_job(u, err);
	if (r < 0)
		return r;
	log_info("removing the service %s", u->now.name);
	r = remove_service(u, u->now.name, u->now.id, err);
	return r < 0 ? r : finish(u, err);
}

static int undeploy_rest(struct undeploy *u, struct err *err)
{
	int r = service_id(u->engine, SERVICE_JOB, &u->job_id, err);

	if (r == 0) {
		log_info("an undeploy was interrupted: finishing it");
		return finish(u, err);
	}
	if (r == SERVICE_E_NONE)
		r = secrets_sweep(u->engine, NULL, err);
	if (r == 0)
		log_info("no agent is deployed");
	return r;
}

int cmd_undeploy(struct request *r)
{
	cleanup(undeploy_release) struct undeploy u = { .request = r };
	struct err err = ERR_INIT;
	int status = reach_open(&u.reach, r, &err);

	if (status < 0)
		return cmd_fail(r, status == -EINVAL ? EXIT_USAGE : EXIT_FAILED, &err);
	u.engine = reach_engine(u.reach);
	status = cluster_load_nodes(u.engine, &u.cluster, &err);
	if (status == 0) {
		u.dir = creds_dir(r->credentials, u.cluster.id);
		status = service_find(u.engine, &u.now, &err);
	}
	if (status == 0)
		status = service_check_ours(&u.now, &err);
	if (status == SERVICE_E_NONE)
		status = undeploy_rest(&u, &err);
	else if (status == 0)
		status = undeploy(&u, &err);
	return status < 0 ? cmd_fail(r, EXIT_FAILED, &err) : status;
}
