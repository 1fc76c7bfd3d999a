/* SPDX-License-Identifier: Apache-2.0
 *
 * service.c - the agent as a Swarm service: its specification as JSON; pure
 *
 * Namespaces. The engine makes a file for each below <exec-root>/netns when it makes its first
 * sandbox. On a Swarm with an ingress network that is at the node's joining; without one it
 * is at the first container, and a bind mount whose source is missing is refused, so the agent
 * could not be that first container. The folder above always exists (it holds the engine's own
 * state), hence that is bound; with rslave a netns/ that appears later, and the namespaces
 * mounted in it, appear in the container. Nothing is given away by it that docker.sock
 * would not give. The exec-root is the default one: /var/run/docker.
 *
 * Images have /var/run as a link to /run, as a folder, or not at all: targets are below /run.
 */
#include "service.h"

#include "digest.h"
#include "units.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define AGENT "/usr/bin/swarmcap-agent"
#define RUN_DIR "/run/swarmcap"
#define SOCKET RUN_DIR "/agent.sock"
#define SECRETS_DIR "/run/secrets"
#define SPOOL_DIR "/var/lib/swarmcap"
#define ENGINE_SOCKET "/var/run/docker.sock"
#define ENGINE_SOCKET_HERE "/run/docker.sock"
#define ENGINE_URL "unix://" ENGINE_SOCKET_HERE
#define EXEC_ROOT "/var/run/docker"
#define EXEC_ROOT_HERE "/run/docker"

#define MEMORY_MAX (512LL << 20)
#define RESTART_DELAY (1 * NS_PER_S)
#define STOP_GRACE (10 * NS_PER_S)
#define APPARMOR_SINCE 44		/* API 1.44 */

#define LABEL "swarmcap."

const char *const service_settings[SERVICE_N_SETTINGS] = {
	[SERVICE_KEEP] = "keep", [SERVICE_QUOTA] = "quota", [SERVICE_FLOOR] = "floor",
	[SERVICE_RING_BYTES] = "ring-bytes",
};

/* ---- parts that agent and job share */

static json_t *linux_nodes(void)
{
	return json_pack("{s:[s]}", "Constraints", "node.platform.os==linux");
}

static json_t *host_network(void)
{
	return json_pack("[{s:s}]", "Target", "host");
}

static json_t *engine_socket(void)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", ENGINE_SOCKET, "Target",
			 ENGINE_SOCKET_HERE, "ReadOnly", 1);
}

/* ---- the agent */

/* An address alone is the network of one. */
static char *network_of(const char *listen)
{
	const char *all_bits = strchr(listen, ':') ? "/128" : "/32";

	return xasprintf("%s%s", listen, strchr(listen, '/') ? "" : all_bits);
}

static void add_arg(json_t *args, const char *name, const char *value)
{
	cleanup_free char *option = xasprintf("--%s", name);

	json_array_append_new(args, json_string(option));
	json_array_append_new(args, jx_text(value));
}

static json_t *args(const struct service_want *w)
{
	cleanup_free char *port = xasprintf("%u", w->port);
	const char *const fixed[] = {
		"--listen-swarm", port, "--socket", SOCKET, "--tls-dir", SECRETS_DIR,
		"--spool", SPOOL_DIR, "--engine", ENGINE_URL,
		"--netns-dir", EXEC_ROOT_HERE "/netns",
	};
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		json_array_append_new(a, json_string(fixed[i]));

	if (w->listen && *w->listen) {
		cleanup_free char *net = network_of(w->listen);

		add_arg(a, "listen-net", net);
	}
	for (size_t i = 0; i < SERVICE_N_SETTINGS; i++)
		if (w->settings[i] && *w->settings[i])
			add_arg(a, service_settings[i], w->settings[i]);
	return a;
}

static json_t *mounts(void)
{
	json_t *exec_root = json_pack("{s:s, s:s, s:s, s:b, s:{s:s}}", "Type", "bind", "Source",
				      EXEC_ROOT, "Target", EXEC_ROOT_HERE, "ReadOnly", 1,
				      "BindOptions", "Propagation", "rslave");
	json_t *spool = json_pack("{s:s, s:s, s:s, s:{s:b, s:{s:s}}}", "Type", "volume", "Source",
				  SERVICE_SPOOL, "Target", SPOOL_DIR, "VolumeOptions", "NoCopy", 1,
				  "Labels", "swarmcap", "1");
	json_t *run = json_pack("{s:s, s:s, s:{s:i, s:i}}", "Type", "tmpfs", "Target", RUN_DIR,
				"TmpfsOptions", "SizeBytes", 1 << 20, "Mode", 0700);

	return json_pack("[o, o, o, o]", engine_socket(), exec_root, spool, run);
}

static json_t *secrets(const struct service_secret *s)
{
	json_t *all = json_array();

	for (int i = 0; i < SERVICE_N_SECRETS; i++) {
		json_t *file = json_pack("{s:s, s:s, s:s, s:i}", "Name", s[i].file, "UID", "0",
					 "GID", "0", "Mode", 0400);

		json_array_append_new(all, json_pack("{s:s, s:s, s:o}", "SecretID", s[i].id,
						     "SecretName", s[i].name, "File", file));
	}
	return all;
}

/* "1.44" and later. An engine before it would ignore the field, and keep its own profile. */
static bool knows_apparmor(const char *api_version)
{
	uint64_t minor;

	return str_starts(api_version, "1.") &&
	       units_parse_u64(api_version + 2, 0, 1000, &minor) == 0 && minor >= APPARMOR_SINCE;
}

/*
 * Whether SELinux' container_t and every AppArmor profile let a namespace be entered by its
 * file is not certain: both are off, and the capabilities are what bounds the agent.
 */
static json_t *privileges(const char *api_version)
{
	json_t *p = json_pack("{s:{s:b}}", "SELinuxContext", "Disable", 1);

	if (knows_apparmor(api_version))
		json_object_set_new(p, "AppArmor", json_pack("{s:s}", "Mode", "disabled"));
	return p;
}

static json_t *health_check(void)
{
	return json_pack("{s:[s, s, s, s, s], s:I, s:I, s:I, s:i}", "Test", "CMD", AGENT, "health",
			 "--socket", SOCKET, "Interval", (json_int_t)(5 * NS_PER_S), "Timeout",
			 (json_int_t)(5 * NS_PER_S), "StartPeriod", (json_int_t)(30 * NS_PER_S),
			 "Retries", 5);
}

static json_t *container(const struct service_want *w)
{
	json_t *c = json_pack("{s:o, s:[s], s:o, s:[s], s:b, s:I}", "Image", jx_text(w->image),
			      "Command", AGENT, "Args", args(w), "Env",
			      "SWARMCAP_NODE_ID={{.Node.ID}}", "ReadOnly", 1, "StopGracePeriod",
			      (json_int_t)STOP_GRACE);

	json_object_set_new(c, "CapabilityDrop", json_pack("[s]", "ALL"));
	json_object_set_new(c, "CapabilityAdd",
			    json_pack("[s, s]", "CAP_SYS_ADMIN", "CAP_NET_RAW"));
	json_object_set_new(c, "Mounts", mounts());
	json_object_set_new(c, "Secrets", secrets(w->secrets));
	json_object_set_new(c, "Privileges", privileges(w->api_version));
	json_object_set_new(c, "Healthcheck", health_check());
	return c;
}

static json_t *task_template(const struct service_want *w)
{
	json_t *restart = json_pack("{s:s, s:I}", "Condition", "any", "Delay",
				    (json_int_t)RESTART_DELAY);
	json_t *limits = json_pack("{s:{s:I}}", "Limits", "MemoryBytes", (json_int_t)MEMORY_MAX);

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "ContainerSpec", container(w),
			 "Networks", host_network(), "Placement", linux_nodes(),
			 "RestartPolicy", restart, "Resources", limits);
}

static json_t *labels(const struct service_want *w)
{
	cleanup_free char *port = xasprintf("%u", w->port);
	json_t *all = json_pack("{s:s, s:s, s:s, s:s}", SERVICE_LABEL_VERSION, SWARMCAP_VERSION,
				SERVICE_LABEL_CA, w->ca_fingerprint, SERVICE_LABEL_PORT, port,
				SERVICE_LABEL_LISTEN, w->listen ? w->listen : "");

	for (size_t i = 0; i < SERVICE_N_SETTINGS; i++) {
		cleanup_free char *key = xasprintf(LABEL "%s", service_settings[i]);

		if (w->settings[i] && *w->settings[i])
			json_object_set_new(all, key, jx_text(w->settings[i]));
	}
	return all;
}

/*
 * The digest of everything so far becomes a label: of the service, where the next deploy
 * compares it, and of the container, where it tells a task of this specification from one of
 * the last.
 */
static void seal(json_t *spec)
{
	cleanup_free char *text = jx_dump(spec);
	struct digest *d = digest_new();
	char hex[DIGEST_HEX];

	digest_add(d, text, strlen(text));
	digest_end(d, hex);
	json_object_set_new(json_object_get(spec, "Labels"), SERVICE_LABEL_SPEC, json_string(hex));
	json_object_set_new(jx_get(spec, "TaskTemplate.ContainerSpec"), "Labels",
			    json_pack("{s:s}", SERVICE_LABEL_SPEC, hex));
}

json_t *service_spec(const struct service_want *w)
{
	json_t *update = json_pack("{s:i, s:s, s:s}", "Parallelism", 0, "Order", "stop-first",
				   "FailureAction", "continue");
	json_t *spec = json_pack("{s:s, s:o, s:{s:{}}, s:o, s:o}", "Name", SWARMCAP_SERVICE,
				 "Labels", labels(w), "Mode", "Global",
				 "TaskTemplate", task_template(w), "UpdateConfig", update);

	if (!spec)
		util_out_of_memory();
	seal(spec);
	json_object_set_new(json_object_get(spec, "TaskTemplate"), "ForceUpdate",
			    json_integer(w->force_update));
	return spec;
}

const char *service_digest(const json_t *spec)
{
	return jx_str(spec, "Labels.=" SERVICE_LABEL_SPEC, "");
}

/*
 * ---- the job
 *
 * A global service that runs once, not one of Swarm's own jobs (GlobalJob): those leave their
 * tasks and containers behind for ever when they are removed (moby#42789).
 */

json_t *service_job_spec(const char *image)
{
	json_t *box = json_pack("{s:o, s:[s, s, s, s, s], s:[s], s:b, s:[o], s:{s:{s:b}}}",
				"Image", jx_text(image), "Command", AGENT, "drop-volume",
				SERVICE_SPOOL, "--engine", ENGINE_URL,
				"CapabilityDrop", "ALL", "ReadOnly", 1,
				"Mounts", engine_socket(),
				"Privileges", "SELinuxContext", "Disable", 1);
	/* until the agent's container has let go of the volume */
	json_t *restart = json_pack("{s:s, s:I}", "Condition", "on-failure", "Delay",
				    (json_int_t)RESTART_DELAY);
	json_t *task = json_pack("{s:o, s:o, s:o, s:o}", "ContainerSpec", box,
				 "Networks", host_network(), "Placement", linux_nodes(),
				 "RestartPolicy", restart);
	json_t *spec = json_pack("{s:s, s:{s:s}, s:{s:{}}, s:o}", "Name", SERVICE_JOB,
				 "Labels", "swarmcap", "1", "Mode", "Global", "TaskTemplate", task);

	if (!spec)
		util_out_of_memory();
	return spec;
}

/* ---- what is there */

int service_decode(const json_t *service, struct service_now *out, struct err *err)
{
	const json_t *labels = jx_get(service, "Spec.Labels");
	const json_t *task = jx_get(service, "Spec.TaskTemplate");
	const char *name = jx_str(service, "Spec.Name", "");
	const char *ca = jx_str(labels, "=" SERVICE_LABEL_CA, "");
	uint64_t port;

	if (units_parse_u64(jx_str(labels, "=" SERVICE_LABEL_PORT, ""), 1, UINT16_MAX, &port) < 0)
		return err_set(err, -EINVAL,
			       "the label " SERVICE_LABEL_PORT " of the service '%s' is no port",
			       name);

	*out = (struct service_now){
		.id = xstrdup(jx_str(service, "ID", "")),
		.name = xstrdup(name),
		.image = xstrdup(jx_str(task, "ContainerSpec.Image", "")),
		.listen = xstrdup(jx_str(labels, "=" SERVICE_LABEL_LISTEN, "")),
		.ca = xstrdup(digest_is_hex(ca) ? ca : ""),
		.spec = xstrdup(jx_str(labels, "=" SERVICE_LABEL_SPEC, "")),
		.port = (uint16_t)port,
		.index = jx_int(service, "Version.Index", 0),
		.force_update = jx_int(task, "ForceUpdate", 0),
	};
	for (size_t i = 0; i < SERVICE_N_SETTINGS; i++) {
		cleanup_free char *path = xasprintf("=" LABEL "%s", service_settings[i]);

		out->settings[i] = xstrdup(jx_str(labels, path, ""));
	}
	return 0;
}

int service_check_ours(const struct service_now *s, struct err *err)
{
	if (*s->ca && !strcmp(s->name, SWARMCAP_SERVICE))
		return 0;
	return err_set(err, -EPERM,
		       "the agents' service '%s' was not made by `swarmcap deploy`: it goes as it "
		       "came (a stack with `docker stack rm`)", s->name);
}

void service_now_release(struct service_now *s)
{
	free(s->id);
	free(s->name);
	free(s->image);
	free(s->listen);
	free(s->ca);
	free(s->spec);
	for (size_t i = 0; i < SERVICE_N_SETTINGS; i++)
		free(s->settings[i]);
	*s = (struct service_now)SERVICE_NOW_INIT;
}
