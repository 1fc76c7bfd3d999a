/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c - the tables of commands and options, and what each option's value may be
 */
#include "options_parts.h"

#include "bundle.h"
#include "route.h"
#include "ssh_host.h"
#include "units.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define SETTLE_MAX_MS (3600 * 1000LL)

static int set_host(struct request *r, const char *value, struct err *err)
{
	if (!*value)
		return err_set(
			err, -EINVAL,
			"--host: an engine is needed, as in unix:///var/run/docker.sock");
	r->engine_host = value;
	return 0;
}

static int set_context(struct request *r, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--context: a name is needed (docker context ls)");
	r->context = value;
	return 0;
}

static int set_tls(struct request *r, const char *value, struct err *err)
{
	r->tls = true;
	return 0;
}

static int set_tls_verify(struct request *r, const char *value, struct err *err)
{
	r->tls = r->tls_verify = true;
	return 0;
}

static int set_file(const char **field, const char *option, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "%s: a file is needed", option);
	*field = value;
	return 0;
}

static int set_tls_ca(struct request *r, const char *value, struct err *err)
{
	return set_file(&r->tls_ca, "--tlscacert", value, err);
}

static int set_tls_cert(struct request *r, const char *value, struct err *err)
{
	return set_file(&r->tls_cert, "--tlscert", value, err);
}

static int set_tls_key(struct request *r, const char *value, struct err *err)
{
	return set_file(&r->tls_key, "--tlskey", value, err);
}

static int set_credentials(struct request *r, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--credentials: a directory or a file is needed");
	r->credentials = value;
	return 0;
}

static int set_quiet(struct request *r, const char *value, struct err *err)
{
	if (r->verbosity == LOG_DEBUG)
		return err_set(err, -EINVAL, "-q and -v contradict each other");
	r->verbosity = LOG_ERROR;
	return 0;
}

static int set_verbose(struct request *r, const char *value, struct err *err)
{
	if (r->verbosity == LOG_ERROR)
		return err_set(err, -EINVAL, "-q and -v contradict each other");
	r->verbosity = LOG_DEBUG;
	return 0;
}

static int set_json(struct request *r, const char *value, struct err *err)
{
	r->json = true;
	return 0;
}

static int set_output(struct request *r, const char *value, struct err *err)
{
	const char *wrong = *value ? bundle_check_name(value) : "the name of an archive is needed";

	if (wrong)
		return err_set(err, -EINVAL, "--output '%s': %s", value, wrong);
	r->output = value;
	return 0;
}

static int set_force(struct request *r, const char *value, struct err *err)
{
	r->force = true;
	return 0;
}

static int set_no_follow(struct request *r, const char *value, struct err *err)
{
	r->no_follow = true;
	return 0;
}

static int set_dry_run(struct request *r, const char *value, struct err *err)
{
	r->dry_run = true;
	return 0;
}

static int set_route(struct request *r, const char *value, struct err *err)
{
	if (route_parse(value) == ROUTE_NONE)
		return err_set(err, -EINVAL, "--route '%s': neither agent, local, ssh-push, "
			       "ssh-nsenter nor ssh-helper", value);
	r->route = value;
	return 0;
}

static int set_ssh_host(struct request *r, const char *value, struct err *err)
{
	struct err why = ERR_INIT;

	if (ssh_host_check(value, &why) < 0)
		return err_set(err, -EINVAL, "--ssh-host '%s': %s", value, why.text);
	if (r->n_ssh_hosts == REQUEST_SELECTORS_MAX)
		return err_set(err, -EINVAL, "--ssh-host: more than %d of them",
			       REQUEST_SELECTORS_MAX);
	r->ssh_hosts[r->n_ssh_hosts++] = value;
	return 0;
}

static int set_ssh_accept_new(struct request *r, const char *value, struct err *err)
{
	r->ssh_accept_new = true;
	return 0;
}

static int set_helper_image(struct request *r, const char *value, struct err *err)
{
	if (!*value || *value == '-' || strpbrk(value, " \t\n"))
		return err_set(err, -EINVAL, "--helper-image '%s': not the name of an image",
			       value);
	r->helper_image = value;
	return 0;
}

static int set_pull(struct request *r, const char *value, struct err *err)
{
	r->pull = true;
	return 0;
}

static int set_json_file(struct request *r, const char *value, struct err *err)
{
	return set_file(&r->json_file, "--json", value, err);
}

static int set_summary(struct request *r, const char *value, struct err *err)
{
	return set_file(&r->summary, "--summary", value, err);
}

static int set_export(struct request *r, const char *value, struct err *err)
{
	return set_file(&r->export_file, "--export", value, err);
}

static int set_settle(struct request *r, const char *value, struct err *err)
{
	if (units_parse_duration(value, &r->settle_ms) < 0 || r->settle_ms > SETTLE_MAX_MS)
		return err_set(err, -EINVAL, "--settle '%s': not a time up to 1h, as in 500ms or "
			       "2s", value);
	return 0;
}

static int set_only_on_failure(struct request *r, const char *value, struct err *err)
{
	r->only_on_failure = true;
	return 0;
}

static int set_require_all(struct request *r, const char *value, struct err *err)
{
	r->require_all = true;
	return 0;
}

const struct command_row options_commands[] = {
	{ "capture", "SELECTOR...", "capture until a limit or ^C, then write one archive",
	  OPT_CAPTURE, 1, REQUEST_SELECTORS_MAX, "selector", false },
	{ "run", "SELECTOR... -- COMMAND...", "capture while a command runs; its exit status is "
	  "passed on", OPT_RUN, 1, REQUEST_SELECTORS_MAX, "selector", false },
	{ "start", "SELECTOR...", "begin a capture that goes on by itself, and print its id",
	  OPT_START, 1, REQUEST_SELECTORS_MAX, "selector", false },
	{ "live", "SELECTOR...", "one pcapng stream of all of it on stdout, for Wireshark or tshark",
	  OPT_LIVE, 1, REQUEST_SELECTORS_MAX, "selector", false },
	{ "status", "[ID]", "list running and finished captures on the nodes, or one's tasks",
	  OPT_STATUS, 0, 1, "capture id", false },
	{ "stop", "ID", "end a capture on every node", OPT_STOP, 1, 1, "capture id", false },
	{ "fetch", "ID", "gather a capture that was left on the nodes into an archive", OPT_FETCH,
	  1, 1, "capture id", false },
	{ "rm", "ID", "drop a capture from every node's spool", OPT_RM, 1, 1, "capture id", false },
	{ "ls", "[SELECTOR...]", "list what can be captured, where, and by which route", OPT_LS, 0,
	  REQUEST_SELECTORS_MAX, "selector", false },
	{ "deploy", "", "put the agent on every node, or bring it up to date", OPT_DEPLOY, 0, 0,
	  NULL, false },
	{ "undeploy", "", "take the agent away, leaving nothing behind", OPT_UNDEPLOY, 0, 0, NULL,
	  false },
	{ "doctor", "", "tell whether every node can capture, and if not, why", OPT_DOCTOR, 0, 0,
	  NULL, false },
	{ "archive info", "FILE", "tell what is in an archive, without unpacking it",
	  OPT_ARCHIVE_INFO, 1, 1, "file", true },
	{ "archive verify", "FILE", "check an archive: digests, counts, and each capture file",
	  OPT_ARCHIVE_VERIFY, 1, 1, "file", true },
	{ "archive merge", "FILE...", "merge archives and capture files into one, by corrected time",
	  OPT_ARCHIVE_MERGE, 1, INT_MAX, "file", true },
};
const size_t options_n_commands = ARRAY_SIZE(options_commands);

const struct option_row options_rows[] = {
	{ "node", 0, "LIST", OPT_PLANNING | OPT_LS, false, options_set_node,
	  "only on these nodes, as in node1,'edge*' or '!node3'; repeatable" },
	{ "tasks", 0, "N", OPT_PLANNING, false, options_set_tasks,
	  "only the first N running tasks of each service" },
	{ "members", 0, NULL, OPT_PLANNING | OPT_LS, false, options_set_members,
	  "with network:, also the tasks and containers that are attached to it" },
	{ "path", 0, "SERVICE", OPT_PLANNING, false, options_set_path,
	  "all points of view: its tasks, overlays, ingress_sbox, VXLAN on its hosts; repeatable" },
	{ "vxlan", 0, "NETWORK", OPT_PLANNING, false, options_set_vxlan,
	  "of node: only the VXLAN packets of this overlay; repeatable" },
	{ "max-targets", 0, "N", OPT_PLANNING, false, options_set_max_targets,
	  "ask before more targets than these are captured; default: 256" },
	{ "interfaces", 0, NULL, OPT_LS, false, options_set_interfaces,
	  "also the interfaces of what is listed, as the nodes' agents tell them" },
	{ "watch", 0, NULL, OPT_LS, false, options_set_watch,
	  "list again every 2 seconds, until ^C" },
	{ "yes", 0, NULL, OPT_PLANNING, false, options_set_yes,
	  "capture however many targets there are" },
	{ "filter", 'f', "EXPR", OPT_PLANNING, false, options_set_filter,
	  "only packets that match (pcap-filter), checked before any node is contacted" },
	{ "interface", 'i', "NAME", OPT_PLANNING, false, options_set_interface,
	  "one interface of each task; default: all, loopback included" },
	{ "snaplen", 's', "N", OPT_PLANNING, false, options_set_snaplen,
	  "bytes kept of each packet; default: 262144" },
	{ "duration", 'd', "TIME", OPT_PLANNING, false, options_set_duration,
	  "how long, as in 500ms, 30s, 5m or 1h; default: until ^C, at most 24h" },
	{ "max-bytes", 0, "SIZE", OPT_CAPTURING, false, options_set_max_bytes,
	  "size of each task's files, as in 64k, 100M or 2G (powers of 1024)" },
	{ "max-packets", 0, "N", OPT_CAPTURING, false, options_set_max_packets,
	  "packets of each task" },
	{ "rotate-bytes", 0, "SIZE", OPT_CAPTURING, false, options_set_rotate_bytes,
	  "begin a new file before one is larger; at least 64k" },
	{ "rotate-time", 0, "TIME", OPT_CAPTURING, false, options_set_rotate_time,
	  "begin a new file when one is older; at least 1s" },
	{ "keep-files", 0, "N", OPT_CAPTURING, false, options_set_keep_files,
	  "of each task only the last N files of a rotation, 2 to 4096" },
	{ "format", 0, "pcapng|pcap", OPT_CAPTURING, false, options_set_format,
	  "of the capture files; default: pcapng" },
	{ "no-follow", 0, NULL, OPT_PLANNING, false, set_no_follow,
	  "tasks that start during the capture do not join it" },
	{ "output", 'o', "FILE", OPT_GATHERING, false, set_output,
	  "the archive: .tar, .tar.gz, .tar.zst, .zip, or DIR/ for plain files" },
	{ "output", 'o', "FILE", OPT_ARCHIVE_MERGE, false, options_set_merged,
	  "a pcapng file, or - for stdout; default: the first FILE's name and -merged.pcapng" },
	{ "merge", 0, NULL, OPT_GATHERING, false, options_set_merge,
	  "add merged.pcapng: all packets, by corrected time" },
	{ "no-clock-correction", 0, NULL, OPT_GATHERING | OPT_ARCHIVE_MERGE, false,
	  options_set_no_clock_correction,
	  "leave timestamps of the merged file as the nodes' clocks made them" },
	{ "no-clock-correction", 0, NULL, OPT_LIVE, false, options_set_no_clock_correction,
	  "leave timestamps as the nodes' clocks made them" },
	{ "delay", 0, "TIME", OPT_LIVE, false, options_set_delay,
	  "how long packets wait for older ones of other nodes, up to 10s; default: 200ms" },
	{ "force", 0, NULL, OPT_GATHERING | OPT_ARCHIVE_MERGE, false, set_force,
	  "replace an output that exists" },
	{ "fetch-rate", 0, "RATE", OPT_GATHERING, false, options_set_fetch_rate,
	  "bytes per second that are fetched from each node, as in 10M; at least 64k" },
	{ "dry-run", 0, NULL, OPT_PLANNING, false, set_dry_run,
	  "print who would capture what, and stop" },
	{ "image", 0, "IMAGE", OPT_DEPLOY, false, options_set_image,
	  "the agent's image; needed the first time only" },
	{ "listen", 0, "NETWORK", OPT_DEPLOY, false, options_set_listen,
	  "listen on each node's address within it; default: the advertise address" },
	{ "port", 0, "N", OPT_DEPLOY, false, options_set_port, "the agent's TCP port; default: 9473" },
	{ "keep", 0, "DURATION", OPT_DEPLOY, false, options_set_keep,
	  "agents drop captures that nobody fetched for so long; default: 24h" },
	{ "quota", 0, "SIZE", OPT_DEPLOY, false, options_set_quota,
	  "disk that an agent's captures may take; default: a tenth, at most 10G" },
	{ "floor", 0, "SIZE", OPT_DEPLOY, false, options_set_floor,
	  "disk that an agent leaves free; default: a twentieth" },
	{ "ring-bytes", 0, "SIZE", OPT_DEPLOY, false, options_set_ring_bytes,
	  "memory of an agent's packet rings; default: 256M" },
	{ "rotate", 0, NULL, OPT_DEPLOY, false, options_set_rotate,
	  "make new certificates and give them to the agents" },
	{ "force", 0, NULL, OPT_DEPLOY | OPT_UNDEPLOY, false, set_force,
	  "even while captures run or lie unfetched on the nodes" },
	{ "route", 0, "ROUTE", OPT_REACH, false, set_route,
	  "agent, local, ssh-push, ssh-nsenter or ssh-helper; default: the first that works" },
	{ "ssh-host", 0, "NODE=HOST", OPT_REACH, false, set_ssh_host,
	  "[USER@]HOST[:PORT] of a node for ssh, as in '%=%.example.net'; repeatable" },
	{ "helper-image", 0, "IMAGE", OPT_HELPER, false, set_helper_image,
	  "an image with tcpdump for the route ssh-helper; default: the agent's" },
	{ "pull", 0, NULL, OPT_HELPER, false, set_pull,
	  "the helper's image may be pulled" },
	{ "json", 0, NULL, (OPT_REACH & ~(OPT_RUN | OPT_LIVE)) | OPT_ARCHIVE, false, set_json,
	  "one JSON object per line, on stdout" },
	{ "json", 0, "FILE", OPT_RUN, false, set_json_file,
	  "one JSON object per line, into FILE; stdout is the command's" },
	{ "settle", 0, "TIME", OPT_RUN, false, set_settle,
	  "capture on for so long after the command, as in 500ms" },
	{ "only-on-failure", 0, NULL, OPT_RUN, false, set_only_on_failure,
	  "drop the captures when the command succeeded" },
	{ "require-all", 0, NULL, OPT_RUN, false, set_require_all,
	  "do not start the command unless everything is captured" },
	{ "summary", 0, "FILE", OPT_RUN, false, set_summary,
	  "append a Markdown table to FILE, as for a job's summary page" },
	{ "export", 0, "FILE", OPT_DEPLOY, false, set_export,
	  "write what it takes to capture into one file, mode 0600, as for a CI secret" },
	{ "host", 'H', "ENGINE", OPT_ALL, true, set_host,
	  "a manager's engine: unix://, tcp:// or ssh://; default: as the docker command" },
	{ "context", 'c', "NAME", OPT_ALL, true, set_context,
	  "a docker context; default: $DOCKER_CONTEXT, else the one in use" },
	{ "tls", 0, NULL, OPT_ALL, true, set_tls, "TLS to an engine at tcp://, whoever it is" },
	{ "tlsverify", 0, NULL, OPT_ALL, true, set_tls_verify,
	  "TLS to an engine at tcp:// that proves who it is" },
	{ "tlscacert", 0, "FILE", OPT_ALL, true, set_tls_ca,
	  "whom to believe; default: ca.pem in $DOCKER_CERT_PATH, else ~/.docker" },
	{ "tlscert", 0, "FILE", OPT_ALL, true, set_tls_cert, "our certificate; default: cert.pem there" },
	{ "tlskey", 0, "FILE", OPT_ALL, true, set_tls_key, "its key; default: key.pem there" },
	{ "ssh-accept-new", 0, NULL, OPT_ALL, true, set_ssh_accept_new,
	  "note the keys of hosts that ssh does not know yet; a changed key is refused" },
	{ "credentials", 0, "PLACE", OPT_ALL, true, set_credentials,
	  "certificates: a directory, or a file of --export; default: $SWARMCAP_CREDENTIALS, "
	  "else ~/.config/swarmcap/<cluster id>" },
	{ "quiet", 'q', NULL, OPT_ALL | OPT_ARCHIVE, true, set_quiet, "say nothing but errors" },
	{ "verbose", 'v', NULL, OPT_ALL | OPT_ARCHIVE, true, set_verbose, "say more" },
};
const size_t options_n_rows = ARRAY_SIZE(options_rows);

const struct command_row *options_command(const char *name)
{
	for (size_t i = 0; i < options_n_commands; i++)
		if (!strcmp(options_commands[i].name, name))
			return &options_commands[i];
	return NULL;
}
