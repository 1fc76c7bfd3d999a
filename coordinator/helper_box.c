/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_box.c - the helper's container: what it may, and that nothing of it is left
 */
#include "helper_box.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define GONE_MS 10000
#define GONE_STEP_MS 50
#define SWEEP_MAX 256	/* of one call: there are never so many of ours */

/*
 * tcpdump is process 1, since its end is the container's. Beside it the shell holds the lease: it
 * ends tcpdump when stdin does, or when nothing came on it for a while; dash knows no time-out of
 * read, there it is the end of stdin alone. Signals reach process 1 only once it has handlers: so
 * again and again.
 */
static const char script[] =
	"exec 3<&0; beat=\"read -t $1\"; shift\n"
	"$beat x </dev/null 2>/dev/null; [ $? -lt 2 ] || beat=read\n"
	"(while $beat x; do :; done <&3; while kill -INT 1; do sleep 1; done) >/dev/null 2>&1 &\n"
	"exec tcpdump \"$@\" </dev/null 3<&-";

static void add(json_t *list, const char *text)
{
	json_array_append_new(list, jx_text(text));
}

static void add_number(json_t *list, int64_t n)
{
	cleanup_free char *text = xasprintf("%lld", (long long)n);

	add(list, text);
}

static const char *filter_of(const struct box_plan *p)
{
	return p->wanted->filter ? p->wanted->filter : p->arm->filter;
}

static json_t *agent_arguments(const struct box_plan *p)
{
	const struct wire_arm *a = p->arm;
	json_t *list = json_array();

	add(list, "sniff");
	add(list, "--beat");
	add_number(list, BOX_BEAT_S);
	add(list, "--snaplen");
	add_number(list, a->snaplen);
	if (a->interface) {
		add(list, "--interface");
		add(list, a->interface);
	}
	if (filter_of(p)) {
		add(list, "--filter");
		add(list, filter_of(p));
	}
	return list;
}

/* Alone, tcpdump has no lease: -G and -W end it at the deadline, with the next packet. */
static json_t *tcpdump_arguments(const struct box_plan *p)
{
	const struct wire_arm *a = p->arm;
	json_t *list = json_array();

	if (p->kind == BOX_SHELL) {
		add(list, "sh");
		add_number(list, BOX_BEAT_S);
	} else {
		add(list, "-G");
		add_number(list, a->deadline_ms / 1000 + 1);
		add(list, "-W");
		add(list, "1");
	}
	add(list, "-i");
	add(list, a->interface ? a->interface : "any");
	add(list, "-n");
	add(list, "-U");
	add(list, "-s");
	add_number(list, a->snaplen);
	add(list, "-w");
	add(list, "-");
	if (filter_of(p)) {
		add(list, "--");
		add(list, filter_of(p));
	}
	return list;
}

/* An Engine that remaps users joins the task's container in its user namespace, but not the host. */
static json_t *host_config(const struct box_plan *p)
{
	bool host = p->wanted->kind == WIRE_HOST;
	cleanup_free char *mode = host ? xstrdup("host") :
				  xasprintf("container:%s", p->wanted->container_id);
	json_t *j = json_pack("{s:s, s:[s], s:[s], s:b, s:b, s:i, s:i, s:[s], s:{s:s}, s:b}",
			 "NetworkMode", mode, "CapDrop", "ALL", "CapAdd", "NET_RAW",
			 "ReadonlyRootfs", 1, "AutoRemove", 1, "Memory", BOX_MEMORY,
			 "PidsLimit", BOX_PIDS, "SecurityOpt", "no-new-privileges",
			 "LogConfig", "Type", "none", "Init", 0);

	if (host)
		json_object_set_new(j, "UsernsMode", json_string("host"));
	return j;
}

json_t *box_encode(const struct box_plan *p)
{
	int64_t end_s = p->now_s + p->arm->deadline_ms / 1000 + 2 * BOX_BEAT_S;
	cleanup_free char *deadline = xasprintf("%lld", (long long)end_s);
	json_t *j = json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:{s:s, s:s}, s:{s:[s]}}",
			      "Image", p->image, "User", "0:0", "Tty", 0, "OpenStdin", 1,
			      "StdinOnce", 1, "AttachStdin", 1, "AttachStdout", 1,
			      "AttachStderr", 1, "Labels", BOX_LABEL, p->arm->id,
			      BOX_LABEL_DEADLINE, deadline, "Healthcheck", "Test", "NONE");

	if (!j)
		util_out_of_memory();
	if (p->kind == BOX_SHELL)
		json_object_set_new(j, "Entrypoint", json_pack("[s, s, s]", "sh", "-c", script));
	else if (p->kind == BOX_BARE)
		json_object_set_new(j, "Entrypoint", json_pack("[s]", "tcpdump"));
	json_object_set_new(j, "Cmd", p->kind == BOX_AGENT ? agent_arguments(p) :
							     tcpdump_arguments(p));
	json_object_set_new(j, "HostConfig", host_config(p));
	return j;
}

int box_check_target(struct engine *e, const struct wire_wanted *w, struct err *err)
{
	cleanup_free char *path = NULL;
	cleanup_json json_t *j = NULL;
	const char *task;
	int r;

	if (w->kind == WIRE_HOST)
		return 0;
	if ((w->kind != WIRE_TASK && w->kind != WIRE_CONTAINER) || !w->container_id)
		return err_set(err, -EOPNOTSUPP, "a helper container can stand beside a container "
			       "or on the host only: other namespaces take the routes agent, "
			       "local or ssh-push");
	path = xasprintf("/containers/%s/json", w->container_id);
	r = engine_get(e, path, &j, err);
	if (r == ENGINE_E_NOT_FOUND) {
		err_reset(err);
		return err_set(err, -ENOENT, "the container is gone");
	}
	if (r)
		return r < 0 ? r : -EIO;
	task = jx_str(j, "Config.Labels.=com.docker.swarm.task.id", "");
	if (w->task_id && strcmp(task, w->task_id))
		return err_set(err, -ENOENT, "the container is not the task's any more");
	if (!jx_bool(j, "State.Running", false))
		return err_set(err, -ENOENT, "the container does not run any more");
	return 0;
}

int box_create(struct engine *e, const struct box_plan *p, char **id, struct err *err)
{
	cleanup_json json_t *body = box_encode(p), *answer = NULL;
	cleanup_free char *path = NULL;
	char random[13];
	const char *got;
	int r;

	util_random_hex(random, 6);
	path = xasprintf("/containers/create?name=swarmcap-helper-%s-%s", p->arm->id, random);
	r = engine_send(e, "POST", path, body, &answer, err);
	if (r)
		return r < 0 || r == ENGINE_E_NOT_FOUND ? r : -EIO;
	got = jx_str(answer, "Id", "");
	if (strlen(got) < 12 || strspn(got, "0123456789abcdef") != strlen(got))
		return err_set(err, -EPROTO, "Docker did not tell the helper container's id");
	*id = xstrdup(got);
	return 0;
}

int box_start(struct engine *e, const char *id, struct err *err)
{
	cleanup_free char *path = xasprintf("/containers/%s/start", id);
	struct err why = ERR_INIT;
	int r = engine_send(e, "POST", path, NULL, NULL, &why);

	if (!r)
		return 0;
	err_set(err, r < 0 ? r : -EIO, "cannot start the helper container: %s", why.text);
	/* runc's words, through containerd and the Engine: 400 or 404 or 500 by version */
	if (strstr(why.text, "executable file not found") ||
	    strstr(why.text, "no such file or directory: unknown"))
		return BOX_E_NO_PROGRAM;
	return r < 0 ? r : -EIO;
}

void box_interrupt(struct engine *e, const char *id)
{
	cleanup_free char *path = xasprintf("/containers/%s/kill?signal=INT", id);

	engine_send(e, "POST", path, NULL, NULL, NULL);
}

void box_remove(struct engine *e, const char *id)
{
	cleanup_free char *path = xasprintf("/containers/%s?force=1&v=1", id);
	cleanup_free char *look = xasprintf("/containers/%s/json", id);
	int64_t end = clock_mono_ns() + GONE_MS * NS_PER_MS;

	/* AutoRemove may be under way: 409, and gone a moment later */
	for (;;) {
		cleanup_json json_t *j = NULL;
		int r = engine_send(e, "DELETE", path, NULL, NULL, NULL);

		if (r < 0 || r == ENGINE_E_NOT_FOUND)
			return;
		r = engine_get(e, look, &j, NULL);
		if (r == ENGINE_E_NOT_FOUND || r < 0 || clock_mono_ns() >= end)
			return;
		clock_sleep_ms(GONE_STEP_MS);
	}
}

int64_t box_parse_time(const char *text)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int hours, minutes;
	int64_t s;
	char sign;

	if (!p || tm.tm_year < 70 || tm.tm_year > 1000)
		return -1;
	s = timegm(&tm);
	if (*p == '.')
		p += 1 + strspn(p + 1, "0123456789");
	if (!strcmp(p, "Z"))
		return s;
	if (sscanf(p, "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-'))
		return -1;
	s -= (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
	return s < 0 ? -1 : s;
}

/*
 * Ours says until when it may be of use. One that was created and never started stays for ever;
 * one that has ended the Engine removes, unless it was restarted meanwhile.
 */
bool box_is_orphan(const json_t *c, int64_t now_s)
{
	const char *deadline = jx_str(c, "Labels.=" BOX_LABEL_DEADLINE, NULL);
	const char *state = jx_str(c, "State", "");

	if (!jx_str(c, "Labels.=" BOX_LABEL, NULL))
		return false;
	if (!strcmp(state, "exited") || !strcmp(state, "dead"))
		return true;
	if (!strcmp(state, "created") && now_s - jx_int(c, "Created", now_s) > BOX_UNUSED_S)
		return true;
	return !deadline || strtoll(deadline, NULL, 10) < now_s;
}

int box_sweep(struct engine *e, int64_t now_s, struct err *err)
{
	cleanup_free char *filters = engine_filters("label", BOX_LABEL, NULL);
	cleanup_free char *path = xasprintf("/containers/json?all=1&%s", filters);
	cleanup_json json_t *list = NULL;
	int r = engine_get(e, path, &list, err);

	for (size_t i = 0; !r && i < json_array_size(list) && i < SWEEP_MAX; i++) {
		const json_t *c = json_array_get(list, i);
		cleanup_free char *id = engine_escape(jx_str(c, "Id", ""));

		if (*id && box_is_orphan(c, now_s))
			box_remove(e, id);
	}
	return r < 0 ? r : r ? -EIO : 0;
}
