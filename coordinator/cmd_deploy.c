/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_deploy.c - puts the agent on every node, or brings it up to date
 *
 * What is there is made equal to what is wanted, whatever happened before: nothing there,
 * the same, an older agent, or a deploy that died in the middle. The order makes every point
 * of death harmless:
 *
 *	credentials on disk -> secrets -> service -> agents answer -> old secrets removed
 *
 * and for --rotate the new credentials lie in DIR.new until the agents answer under them, then take
 * DIR's place. So the CA that the service names (its label) is always on disk: in DIR when a
 * rotation died before the service was changed, or after it was done; in DIR.new in between.
 */
#include "cmd.h"

#include "agents.h"
#include "creds_file.h"
#include "log.h"
#include "rollout.h"
#include "secrets.h"
#include "service_call.h"
#include "units.h"
#include "version.h"

#include <errno.h>
#include <string.h>

struct deploy {
	const struct request *request;
	struct reach *reach;
	struct engine *engine;		/* its */
	struct cluster cluster;
	char *dir, *new_dir;
	struct creds creds;		/* that the agents shall have */
	struct creds old;		/* while a rotation begins: that they have now */
	bool rotating;
	struct service_now now;
	bool deployed;			/* now is filled */
	struct secrets secrets;
	json_t *spec;
	char *service_id;
	int64_t force_update;
};

static void deploy_release(struct deploy *d)
{
	json_decref(d->spec);
	free(d->service_id);
	secrets_release(&d->secrets);
	service_now_release(&d->now);
	creds_release(&d->creds);
	creds_release(&d->old);
	free(d->dir);
	free(d->new_dir);
	cluster_release(&d->cluster);
	reach_close(d->reach);
}

/* ---- credentials */

static int make_credentials(const char *dir, struct creds *out, struct err *err)
{
	int r = creds_create(dir, err);

	creds_release(out);
	if (r < 0)
		return r;
	log_info("made a CA, an agent's and a client's certificate in '%s'", dir);
	return creds_load(out, dir, err);
}

/* Nobody has the old ones, so the new ones can take their place at once. */
static int replace_unused(struct deploy *d, struct err *err)
{
	int r = make_credentials(d->new_dir, &d->creds, err);

	if (r == 0)
		r = creds_swap(d->dir, err);
	if (r < 0)
		return r;
	creds_release(&d->creds);
	return creds_load(&d->creds, d->dir, err);
}

/* No service: no CA but the one on disk counts, and without that a new one is made. */
static int first_credentials(struct deploy *d, struct err *err)
{
	struct err why = ERR_INIT;
	int r = creds_discard(d->new_dir, err);

	if (r < 0)
		return r;
	r = creds_load(&d->creds, d->dir, &why);
	if (r == -ENOENT && d->request->rotate)
		return err_set(err, -ENOENT, "no agent is deployed: there is nothing to rotate");
	if (r == -ENOENT)
		return make_credentials(d->dir, &d->creds, err);
	if (r < 0)
		return err_set(err, r, "%s", why.text);
	return d->request->rotate ? replace_unused(d, err) : 0;
}

/* A rotation that died after the service was changed is finished now. */
static bool resume_rotation(struct deploy *d)
{
	struct creds fresh = CREDS_INIT;

	if (creds_load(&fresh, d->new_dir, NULL) < 0)
		return false;
	if (strcmp(fresh.ca_fingerprint, d->now.ca) != 0) {
		creds_release(&fresh);
		return false;
	}
	log_info("a rotation was interrupted: finishing it");
	creds_release(&d->creds);
	d->creds = fresh;
	d->rotating = true;
	return true;
}

/* A restart of the agents ends what runs on them. has: the credentials that they have now. */
static int check_idle(const struct deploy *d, const struct creds *has, struct err *err)
{
	if (d->request->force)
		return 0;
	return agents_check_idle(&d->cluster, &(struct agents_how){
		.reach = d->reach, .creds = has, .port = d->now.port,
	}, false, err);
}

static int begin_rotation(struct deploy *d, struct err *err)
{
	int r = check_idle(d, &d->creds, err);

	if (r < 0)
		return r;
	d->old = d->creds;
	d->creds = (struct creds)CREDS_INIT;
	r = make_credentials(d->new_dir, &d->creds, err);
	d->rotating = r == 0;
	return r;
}

static int matching_credentials(struct deploy *d, struct err *err)
{
	struct err why = ERR_INIT;
	int r = creds_load(&d->creds, d->dir, &why);

	if (r == 0 && !strcmp(d->creds.ca_fingerprint, d->now.ca)) {
		r = creds_discard(d->new_dir, err);
		return r == 0 && d->request->rotate ? begin_rotation(d, err) : r;
	}
	if (resume_rotation(d))
		return 0;
	if (r == 0)
		return err_set(err, -EPERM,
			       "the agents belong to another CA (%.16s...) than the credentials in "
			       "'%s' (%.16s...): name theirs with --credentials, or undeploy where "
			       "they are", d->now.ca, d->dir, d->creds.ca_fingerprint);
	if (r == -ENOENT)
		return err_set(err, -EPERM,
			       "agents of another CA (%.16s...) are deployed, and there are no "
			       "credentials in '%s': name theirs with --credentials, or undeploy "
			       "where they are", d->now.ca, d->dir);
	return err_set(err, r, "%s", why.text);
}

static int check_credentials(const struct deploy *d, struct err *err)
{
	char when[UNITS_TIME_MAX];
	int64_t now = clock_wall_ns();

	if (!d->creds.agent_expires_ns)
		return err_set(err, -ENOENT,
			       "'%s' has no agent's certificate: deploy with the directory of who "
			       "deployed first", d->creds.dir);
	if (d->creds.agent_expires_ns < now || d->creds.client_expires_ns < now)
		return err_set(err, -EKEYEXPIRED,
			       "the certificates in '%s' expired on %.10s: "
			       "`swarmcap deploy --rotate`", d->creds.dir,
			       units_format_time(d->creds.client_expires_ns, when));
	return 0;
}

static int find_credentials(struct deploy *d, struct err *err)
{
	int r;

	d->dir = creds_dir(d->request->credentials, d->cluster.id);
	if (creds_is_file(d->dir))
		return err_set(err, -ENOTDIR, "'%s' is a client's file, which is not enough to "
			       "deploy: name the directory of who deployed first", d->dir);
	d->new_dir = creds_new_dir(d->dir);
	r = d->deployed ? matching_credentials(d, err) : first_credentials(d, err);
	return r < 0 ? r : check_credentials(d, err);
}

/* ---- the service */

static int look(struct deploy *d, struct err *err)
{
	int r = reach_open(&d->reach, d->request, err);

	if (r < 0)
		return r;
	d->engine = reach_engine(d->reach);
	r = cluster_load_nodes(d->engine, &d->cluster, err);
	if (r < 0)
		return r;
	r = service_find(d->engine, &d->now, err);
	d->deployed = r == 0;
	if (d->deployed)
		r = service_check_ours(&d->now, err);
	if (d->deployed)
		d->service_id = xstrdup(d->now.id);
	return r < 0 ? r : 0;
}

static uint16_t wanted_port(const struct deploy *d)
{
	if (d->request->port)
		return d->request->port;
	return d->deployed ? d->now.port : SWARMCAP_PORT;
}

/* What an option does not say stays as it is. */
static json_t *wanted_spec(const struct deploy *d)
{
	const struct request *r = d->request;
	struct service_want want = {
		.image = r->image ? r->image : d->now.image,
		.listen = r->listen ? r->listen : d->now.listen,
		.port = wanted_port(d),
		.api_version = engine_version(d->engine),
		.ca_fingerprint = d->creds.ca_fingerprint,
		.secrets = d->secrets.items,
		.force_update = d->force_update,
	};

	for (size_t i = 0; i < SERVICE_N_SETTINGS; i++)
		want.settings[i] = r->settings[i] ? r->settings[i] : d->now.settings[i];
	return service_spec(&want);
}

static int apply(struct deploy *d, struct err *err)
{
	int r;

	if (!d->deployed) {
		log_info("creating the service %s", SWARMCAP_SERVICE);
		return service_create(d->engine, d->spec, &d->service_id, err);
	}
	if (!strcmp(service_digest(d->spec), d->now.spec) &&
	    d->force_update == d->now.force_update) {
		log_info("the service %s is as it should be", SWARMCAP_SERVICE);
		return 0;
	}
	r = check_idle(d, d->old.dir ? &d->old : &d->creds, err);
	if (r < 0)
		return r;
	log_info("updating the service %s", SWARMCAP_SERVICE);
	return service_update(d->engine, &d->now, d->spec, err);
}

static int wait_for_agents(struct deploy *d, struct rollout_result *res, struct err *err)
{
	const struct rollout ro = {
		.reach = d->reach,
		.engine = d->engine,
		.cluster = &d->cluster,
		.creds = &d->creds,
		.service_id = d->service_id,
		.digest = service_digest(d->spec),
		.force_update = d->force_update,
		.port = wanted_port(d),
	};

	return rollout_wait(&ro, res, err);
}

static int make_it_so(struct deploy *d, struct rollout_result *res, struct err *err)
{
	int r;

	json_decref(d->spec);
	d->spec = wanted_spec(d);
	r = apply(d, err);
	return r < 0 ? r : wait_for_agents(d, res, err);
}

/*
 * The same tag may stand for a newer image by now, on some nodes: the specification does not
 * show it, the agents' own words do. One restart lets every node take what the tag means there.
 */
static int renew_stale_agents(struct deploy *d, struct rollout_result *res, struct err *err)
{
	int r;

	service_now_release(&d->now);
	r = service_find(d->engine, &d->now, err);
	if (r != 0)
		return r < 0 ? r : err_set(err, -ENOENT, "the service was removed meanwhile");
	d->force_update = d->now.force_update + 1;
	log_info("agents of another version than " SWARMCAP_VERSION " answer: restarting them");
	return make_it_so(d, res, err);
}

/* ---- the end */

/* What only the agents of before needed. */
static int clean_up(struct deploy *d, struct err *err)
{
	if (d->rotating) {
		int r = creds_swap(d->dir, err);

		if (r < 0)
			return r;
		log_info("the new certificates are in '%s'", d->dir);
	}
	return secrets_sweep(d->engine, &d->secrets, err);
}

static int export(const struct deploy *d, struct err *err)
{
	const char *file = d->request->export_file;
	int r = file ? creds_file_export(d->dir, file, err) : 0;

	if (r == 0 && file)
		log_info("what it takes to capture is in '%s': whoever has it can", file);
	return r;
}

static int verdict(const struct rollout_result *res)
{
	if (res->other_version)
		log_warn("%zu of %zu agents are of another version than " SWARMCAP_VERSION
			 ": name its image with --image, or load it on those nodes",
			 res->other_version, res->answering);
	if (res->wanted == 0)
		log_warn("Swarm schedules an agent on no node");
	log_info("%zu of %zu agents answer", res->answering, res->wanted);
	if (res->answering == 0)
		return EXIT_FAILED;
	return res->answering < res->wanted || res->other_version ? EXIT_PARTIAL : EXIT_OK;
}

static int deploy(struct deploy *d, struct err *err)
{
	struct rollout_result res = { 0 };
	int r = find_credentials(d, err);

	if (r == 0)
		r = secrets_ensure(d->engine, &d->creds, &d->secrets, err);
	d->force_update = d->now.force_update;
	if (r == 0)
		r = make_it_so(d, &res, err);
	if (r == 0 && d->deployed && res.other_version)
		r = renew_stale_agents(d, &res, err);
	if (r == 0 && res.answering > 0)
		r = clean_up(d, err);
	if (r == 0 && res.answering > 0)
		r = export(d, err);
	return r < 0 ? r : verdict(&res);
}

int cmd_deploy(struct request *r)
{
	cleanup(deploy_release) struct deploy d = { .request = r };
	struct err err = ERR_INIT;
	int status = look(&d, &err);

	if (status < 0)
		return cmd_fail(r, EXIT_FAILED, &err);
	if (!d.deployed && !r->image) {
		err_set(&err, -EINVAL, "no agent is deployed yet: name its image with --image");
		return cmd_fail(r, EXIT_USAGE, &err);
	}
	status = deploy(&d, &err);
	return status < 0 ? cmd_fail(r, EXIT_FAILED, &err) : status;
}
