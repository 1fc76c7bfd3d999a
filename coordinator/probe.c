/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - which routes to a node would work, found out without capturing
 */
#include "probe.h"

#include "buf.h"
#include "hire.h"
#include "hire_image.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define WIDTH REACH_WIDTH
#define LOOK_MS 10000
#define TALK_MAX 8192

static const char script[] =
	"echo uid=$(id -u); echo machine=$(uname -m); PATH=$PATH:/usr/sbin:/sbin;"
	" for p in tar sha256sum nsenter tcpdump; do command -v $p >/dev/null 2>&1 && echo has=$p; done;"
	" [ \"$(id -u)\" = 0 ] || { sudo -n true 2>/dev/null && echo sudo=yes; };"
	" [ -S /var/run/docker.sock ] && echo socket=yes;"
	" if docker ps -q >/dev/null 2>&1; then echo docker=yes;"
	" elif sudo -n docker ps -q >/dev/null 2>&1; then echo docker=sudo; fi;"
	" for d in /var/tmp /tmp /run; do t=$(mktemp \"$d/swarmcap-try.XXXXXX\" 2>/dev/null) || continue;"
	" printf '#!/bin/sh\\n' >\"$t\"; chmod 700 \"$t\"; \"$t\" 2>/dev/null && echo executes=yes; rm -f \"$t\"; done; :";

/* ---- facts ---- */

static bool says(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strcspn(text, "\n") == n && !strncmp(text, line, n))
			return true;
	return false;
}

void probe_decode(const char *text, struct probe_facts *out)
{
	const char *machine = strstr(text, "machine=");

	*out = (struct probe_facts){
		.root = says(text, "uid=0"), .sudo = says(text, "sudo=yes"),
		.tar = says(text, "has=tar"), .sha256sum = says(text, "has=sha256sum"),
		.nsenter = says(text, "has=nsenter"), .tcpdump = says(text, "has=tcpdump"),
		.socket = says(text, "socket=yes"), .executes = says(text, "executes=yes"),
		.docker = says(text, "docker=yes"), .docker_by_sudo = says(text, "docker=sudo"),
	};
	if (machine)
		snprintf(out->machine, sizeof(out->machine), "%.*s",
			 (int)strcspn(machine + 8, "\n"), machine + 8);
}

/* ---- verdicts ---- */

static void no(struct probe_verdict *v, const char *word, const char *fmt, ...) PRINTF(3, 4);
static void no(struct probe_verdict *v, const char *word, const char *fmt, ...)
{
	cleanup_buf struct buf safe = BUF_INIT(4 * sizeof(v->why));
	char text[sizeof(v->why)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_add_safe(&safe, text);
	*v = (struct probe_verdict){ .state = PROBE_NO };
	snprintf(v->word, sizeof(v->word), "%s", word);
	snprintf(v->why, sizeof(v->why), "%s", safe.data);
}

static void yes(struct probe_verdict *v)
{
	*v = (struct probe_verdict){ .state = PROBE_OK };
}

static void need_root(const char *name, struct probe_verdict *v)
{
	no(v, "sudo", "%s is not root, and sudo asks for a password there: allow it without one "
	   "(sudoers: NOPASSWD), or use another user", name);
}

static void need_image(const struct probe_facts *f, const char *image, struct probe_verdict *v)
{
	if (!image)
		no(v, "image", "the agent's image is not beside swarmcap: make it by `make image`, or "
		   "name it in SWARMCAP_IMAGE");
	else
		no(v, "arch", "the machine is %s, and the agent's image here is for %s", f->machine,
		   image);
}

static bool image_fits(const struct probe_facts *f, const char *image)
{
	return image && !strcmp(hire_image_architecture(f->machine), image);
}

static void judge_push(const struct probe_facts *f, const char *name, const char *image,
		       struct probe_verdict *v)
{
	if (!f->root && !f->sudo)
		need_root(name, v);
	else if (!f->socket)
		no(v, "docker", "there is no /var/run/docker.sock at %s", name);
	else if (!image_fits(f, image))
		need_image(f, image, v);
	else if (!f->tar || !f->sha256sum)
		no(v, f->tar ? "sha256sum" : "tar", "%s has no %s: install it", name,
		   f->tar ? "sha256sum" : "tar");
	else if (!f->executes)
		no(v, "noexec", "no directory of %s lets programs run (/var/tmp, /tmp, /run)", name);
	else
		yes(v);
}

static void judge_nsenter(const struct probe_facts *f, const char *name, struct probe_verdict *v)
{
	if (!f->root && !f->sudo)
		need_root(name, v);
	else if (!f->docker && !f->docker_by_sudo)
		no(v, "docker", "%s may not use docker: put it into the group docker", name);
	else if (!f->nsenter || !f->tcpdump)
		no(v, f->nsenter ? "tcpdump" : "nsenter", "%s has no %s: install it", name,
		   f->nsenter ? "tcpdump" : "nsenter (util-linux)");
	else
		yes(v);
}

static void judge_helper(const struct probe_facts *f, const char *name, const char *image,
			 struct probe_verdict *v)
{
	if (!f->docker && !f->docker_by_sudo)
		no(v, "docker", "%s may not use docker: put it into the group docker", name);
	else if (!image_fits(f, image))
		need_image(f, image, v);
	else
		yes(v);
}

void probe_judge(const struct probe_facts *f, const char *name, const char *image,
		 struct probe *out)
{
	judge_push(f, name, image, &out->routes[ROUTE_SSH_PUSH]);
	judge_nsenter(f, name, &out->routes[ROUTE_SSH_NSENTER]);
	judge_helper(f, name, image, &out->routes[ROUTE_SSH_HELPER]);
}

void probe_judge_session(int rc, const char *why, struct probe *out)
{
	const char *word = rc == -ECONNREFUSED ? "refused" : rc == -EKEYREJECTED ? "host key" :
			   rc == -EACCES ? "login" : rc == -ETIMEDOUT ? "timeout" : "no ssh";

	for (int r = 0; r < ROUTE_N; r++)
		if (route_is_ssh((enum route)r))
			no(&out->routes[r], word, "%s", why);
}

enum route probe_best(const struct probe *p)
{
	for (int r = 0; r < ROUTE_N; r++)
		if (p->routes[r].state == PROBE_OK)
			return (enum route)r;
	return ROUTE_NONE;
}

/* ---- asking ---- */

struct round {
	const struct probe_how *how;
	const struct agents *agents;
	struct probe *out;
	struct hire_image image;	/* without its tree: for the architecture */
	size_t next;			/* atomic */
};

static void judge_agent(const struct round *r, const struct agent *a, struct probe_verdict *v)
{
	const char *absence = agents_absence(a->node);

	if (!r->how->deployed)
		no(v, "none", "no agent is deployed: `swarmcap deploy --image IMAGE`");
	else if (a->answers)
		yes(v);
	else if (absence)
		no(v, "none", "the node is %s: no agent runs there", absence);
	else
		no(v, "no answer", "no agent answers: %s", a->err.text);
}

static void judge_local(const struct round *r, const struct agent *a, struct probe_verdict *v)
{
	cleanup_free char *program = hire_find_agent();
	const char *self = r->how->cluster->self_node_id;

	*v = (struct probe_verdict){ .state = PROBE_NONE };
	if (!reach_is_local(r->how->reach) || strcmp(self ? self : "", a->node->id))
		return;
	if (geteuid() != 0)
		no(v, "root", "capturing here needs root: run as root, or with sudo");
	else if (!program)
		no(v, "program", "swarmcap-agent is neither beside swarmcap nor in PATH");
	else
		yes(v);
}

static void judge_ssh(const struct round *r, const struct agent *a, struct probe *out)
{
	const struct plan_node node = {
		.id = a->node->id, .name = a->node->name, .address = a->node->address,
	};
	cleanup_buf struct buf text = BUF_INIT(TALK_MAX);
	cleanup_free char *quoted = remote_quote(script), *command = xasprintf("sh -c %s", quoted);
	struct remote_job job = { .command = command, .out = &text, .timeout_ms = LOOK_MS };
	struct remote *remote = NULL;
	struct err err = ERR_INIT;
	struct probe_facts facts;
	int rc = reach_remote(r->how->reach, &node, &remote, &err);

	if (rc == 0)
		rc = remote_do(remote, &job, &err);
	if (rc < 0) {
		probe_judge_session(rc, err.text, out);
		return;
	}
	probe_decode(text.data, &facts);
	probe_judge(&facts, remote_name(remote),
		    *r->image.architecture ? r->image.architecture : NULL, out);
}

static void probe_node(const struct round *r, const struct agent *a, struct probe *out)
{
	judge_agent(r, a, &out->routes[ROUTE_AGENT]);
	judge_local(r, a, &out->routes[ROUTE_LOCAL]);
	if (!strcmp(a->node->state, "ready"))
		judge_ssh(r, a, out);
	else
		probe_judge_session(-EHOSTDOWN, "the node is down", out);
}

static void *work(void *arg)
{
	struct round *r = arg;
	size_t i;

	while ((i = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED)) < r->agents->n)
		probe_node(r, &r->agents->items[i], &r->out[i]);
	return NULL;
}

void probe_all(const struct probe_how *how, const struct agents *agents, struct probe *out)
{
	struct round r = { .how = how, .agents = agents, .out = out };
	cleanup_free char *image = hire_find_image();
	pthread_t threads[WIDTH];
	size_t n = 0;

	if (image && hire_image_load(&r.image, image, NULL) == 0) {
		free(r.image.tree);
		r.image.tree = NULL;
	}
	while (n < WIDTH && n + 1 < agents->n && pthread_create(&threads[n], NULL, work, &r) == 0)
		n++;
	work(&r);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}
