/* SPDX-License-Identifier: Apache-2.0
 *
 * hire_push.c - an agent that is sent to a node over ssh, for the time of one capture
 *
 *	look	one script says who we are there, what machine it is, what it lacks
 *	send	the image's tree as one tar, into a directory of mode 0700; its digest is checked there
 *	start	by the tree's own loader, so that nothing of the node's libraries matters
 *	link	each connection is the agent's socket forwarded, or `swarmcap-agent dial` where it is root's
 *
 * The far agent is held by its stdin, as a local one is: when our session ends, whatever way, it removes
 * itself as soon as nothing unfetched is left (agent/serve.c).
 */
#include "hire.h"

#include "hire_image.h"
#include "reach.h"
#include "version.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 10000
#define SEND_MS 120000
#define GO_MS 3000
#define TALK_MAX 4096

struct push {
	struct remote *remote;
	struct remote_process process;	/* the agent's; its stdin holds it */
	char *dir;			/* there */
	char *program;			/* how it is called there: loader, libraries, file; quoted */
	const char *sudo;		/* "" or "sudo -n " */
	/* The socket can be reached without us running anything. A live view dials by two threads. */
	atomic_bool forwarded;
};

/* What a node says of itself, as far as it matters here. */
struct facts {
	bool root, sudo, tar, sum, docker, installed;
	char machine[32];
};

static const char look_script[] =
	"echo uid=$(id -u); echo machine=$(uname -m);"
	" for p in tar sha256sum; do command -v $p >/dev/null 2>&1 && echo has=$p; done;"
	" [ \"$(id -u)\" = 0 ] || { sudo -n true 2>/dev/null && echo sudo=yes; };"
	" [ -S /var/run/docker.sock ] && echo docker=yes;"
	" [ \"$(swarmcap-agent --version 2>/dev/null)\" = \"swarmcap-agent " SWARMCAP_VERSION
	"\" ] && echo installed=yes; :";

/* $1: the capture; $2: the digest; stdin: the tar. Says dir=, loader=, libraries=. */
static const char send_script[] =
	"set -e; umask 077; dir=; for base in /var/tmp /tmp /run; do d=$base/swarmcap-$1;"
	" mkdir -m 700 \"$d\" 2>/dev/null || continue;"
	" if printf '#!/bin/sh\\n' 2>/dev/null >\"$d/try\" && chmod 700 \"$d/try\" && \"$d/try\" 2>/dev/null; then rm \"$d/try\"; dir=$d; break; fi; rm -rf \"$d\"; done;"
	" [ \"$dir\" ] || { echo 'fault=no directory where programs may run'; exit 1; };"
	" trap 'rm -rf \"$dir\"' EXIT;"
	" [ \"$2\" ] || { trap - EXIT; echo \"dir=$dir\"; exit 0; };"
	" cat >\"$dir/tree.tar\" || { echo 'fault=no room for the agent'; exit 1; };"
	" echo \"$2  $dir/tree.tar\" | sha256sum -c >/dev/null 2>&1 ||"
	" { echo 'fault=the agent did not arrive whole (is the disk full?)'; exit 1; };"
	" mkdir \"$dir/root\"; tar -xf \"$dir/tree.tar\" -C \"$dir/root\" || { echo 'fault=no room for the agent'; exit 1; };"
	" rm \"$dir/tree.tar\"; trap - EXIT; echo \"dir=$dir\";"
	" echo \"loader=$(find \"$dir/root\" -name 'ld-linux*' | head -n 1)\";"
	" echo \"libraries=$(find \"$dir/root\" -name '*.so.*' | sed 's,/[^/]*$,,' | sort -u | tr '\\n' ':')\"";

/* Another coordinator's agent for this capture. */
static const char find_script[] =
	"for base in /var/tmp /tmp /run; do d=$base/swarmcap-$1; [ -S \"$d/agent.sock\" ] || continue;"
	" echo \"dir=$d\"; echo \"loader=$(find \"$d/root\" -name 'ld-linux*' 2>/dev/null | head -n 1)\";"
	" echo \"libraries=$(find \"$d/root\" -name '*.so.*' 2>/dev/null | sed 's,/[^/]*$,,' | sort -u | tr '\\n' ':')\";"
	" break; done";

static int closed(struct err *err, int code, const char *fmt, const char *name)
{
	cleanup_free char *text = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	text = xasprintf(fmt, name);
#pragma GCC diagnostic pop
	err_set(err, code, "%s", text);
	return REACH_E_CLOSED;
}

/* The value of the line "key=..." in what a script said; NULL: none. Free it. */
static char *value_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, key, n) && line[n] == '=')
			return xasprintf("%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
	return NULL;
}

static bool says(const char *text, const char *line)
{
	cleanup_free char *whole = xasprintf("\n%s", text), *wanted = xasprintf("\n%s\n", line);

	return strstr(whole, wanted) != NULL;
}

/* ---- look ---- */

static int look(struct push *p, struct facts *out, struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT(TALK_MAX);
	cleanup_free char *script = remote_quote(look_script);
	cleanup_free char *command = xasprintf("sh -c %s", script), *machine = NULL;
	struct remote_job job = { .command = command, .out = &text, .timeout_ms = LOOK_MS };
	int rc = remote_do(p->remote, &job, err);

	if (rc < 0)
		return rc;
	machine = value_of(text.data, "machine");
	snprintf(out->machine, sizeof(out->machine), "%s", machine ? machine : "?");
	out->root = says(text.data, "uid=0");
	out->sudo = says(text.data, "sudo=yes");
	out->tar = says(text.data, "has=tar");
	out->sum = says(text.data, "has=sha256sum");
	out->docker = says(text.data, "docker=yes");
	out->installed = says(text.data, "installed=yes");
	return 0;
}

/* attach: what is there already needs no more than a look at it */
static int judge(const struct push *p, const struct facts *f, bool attach, struct err *err)
{
	const char *name = remote_name(p->remote);

	if (!f->root && !f->sudo)
		return closed(err, -EACCES, "%s is not root, and sudo asks for a password there: allow "
			      "it without one (sudoers: NOPASSWD)", name);
	if (attach)
		return 0;
	if (!f->docker)
		return closed(err, -ENOENT, "%s has no /var/run/docker.sock", name);
	if (f->installed)
		return 0;
	if (!f->tar)
		return closed(err, -ENOENT, "%s has no tar: install it", name);
	return f->sum ? 0 : closed(err, -ENOENT, "%s has no sha256sum: install it", name);
}

/* ---- send ---- */

/* What it is called by, from the places that a script told. */
static void keep_places(struct push *p, const char *text)
{
	cleanup_free char *loader = value_of(text, "loader"), *libraries = value_of(text, "libraries");
	cleanup_free char *file = NULL, *a = NULL, *b = NULL, *c = NULL;

	p->dir = value_of(text, "dir");
	if (!p->dir)
		return;
	if (!loader || !*loader) {
		p->program = xstrdup("swarmcap-agent");
		return;
	}
	file = xasprintf("%s/root/usr/bin/swarmcap-agent", p->dir);
	a = remote_quote(loader);
	b = remote_quote(libraries ? libraries : "");
	c = remote_quote(file);
	p->program = xasprintf("%s --library-path %s %s", a, b, c);
}

static int run_script(struct push *p, const char *script, struct remote_job *job, const char *args,
		      struct err *err)
{
	cleanup_free char *quoted = remote_quote(script);
	cleanup_free char *command = xasprintf("%ssh -c %s sh %s", p->sudo, quoted, args);

	job->command = command;
	return remote_do(p->remote, job, err);
}

static int send_tree(struct push *p, const struct hire *h, const struct hire_image *image,
		     struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT(TALK_MAX), safe = BUF_INIT(TALK_MAX);
	cleanup_free char *args = xasprintf("%s '%s'", h->capture_id, image ? image->sha256 : "");
	struct remote_job job = { .out = &text, .timeout_ms = SEND_MS,
				  .input = image ? image->tree : NULL,
				  .input_len = image ? image->len : 0 };
	int rc = run_script(p, send_script, &job, args, err);
	cleanup_free char *fault = NULL;

	/* too slow a line for the agent may do for packets */
	if (rc == -ETIMEDOUT && remote_alive(p->remote))
		return REACH_E_CLOSED;
	if (rc < 0)
		return rc;
	keep_places(p, text.data);
	if (job.status == 0 && p->dir)
		return 0;
	fault = value_of(text.data, "fault");
	buf_add_safe(&safe, fault ? fault : "the agent cannot be unpacked");
	err_set(err, -EIO, "%s on %s", safe.data, remote_name(p->remote));
	return REACH_E_CLOSED;
}

static int send_image(struct push *p, const struct hire *h, const struct facts *f, struct err *err)
{
	cleanup_free char *path = hire_find_image();
	struct hire_image image;
	int rc;

	if (!path)
		return closed(err, -ENOENT, "%s", "the agent's image is not beside swarmcap: make it by "
			      "`make image`, or name it in SWARMCAP_IMAGE");
	rc = hire_image_load(&image, path, err);
	if (rc == 0 && strcmp(hire_image_architecture(f->machine), image.architecture)) {
		err_set(err, -ENOEXEC, "%s is a machine of another architecture (%s) than the agent's "
			"image here (%s)", remote_name(p->remote), f->machine, image.architecture);
		rc = REACH_E_CLOSED;
	}
	if (rc == 0)
		rc = send_tree(p, h, &image, err);
	hire_image_release(&image);
	return rc == -EINVAL || rc == -EFBIG || rc == -ENOENT ? REACH_E_CLOSED : rc;
}

/* ---- start ---- */

static int wait_ready(struct push *p, struct err *err)
{
	struct pollfd list = { .fd = p->process.out, .events = POLLIN };
	cleanup_buf struct buf safe = BUF_INIT(TALK_MAX);
	char talk[512] = "";
	int ready = poll(&list, 1, HIRE_READY_S * 1000);
	ssize_t n = ready > 0 ? read(p->process.out, talk, sizeof(talk) - 1) : 0;

	if (n > 0 && str_starts(talk, "ready"))
		return 0;
	if (!remote_alive(p->remote))
		return err_set(err, -EPIPE, "lost %s while the agent started", remote_name(p->remote));
	if (ready == 0) {
		err_set(err, -ETIMEDOUT, "the agent on %s is not ready after %d s",
			remote_name(p->remote), HIRE_READY_S);
		return REACH_E_CLOSED;
	}
	talk[n > 0 ? strcspn(talk, "\n") : 0] = '\0';
	buf_add_safe(&safe, *talk ? talk : "it says nothing");
	err_set(err, -EIO, "the agent does not start on %s: %s", remote_name(p->remote), safe.data);
	return REACH_E_CLOSED;
}

static int start(struct push *p, struct err *err)
{
	cleanup_free char *dir = remote_quote(p->dir);
	/* its last words come on stdout when it fails */
	cleanup_free char *script = xasprintf("%s --temporary %s 2>%s/agent.log || tail -n 1 %s/agent.log; "
					      "[ -e %s/spool ] || rm -rf %s", p->program, dir, dir, dir,
					      dir, dir);
	cleanup_free char *quoted = remote_quote(script);
	cleanup_free char *command = xasprintf("%ssh -c %s", p->sudo, quoted);
	int rc = remote_start(p->remote, command, &p->process, err);

	return rc < 0 ? rc : wait_ready(p, err);
}

/* ---- the link ---- */

static int dial(void *arg, struct err *err)
{
	struct push *p = arg;
	cleanup_free char *sock = xasprintf("%s/agent.sock", p->dir), *quoted = remote_quote(sock);
	cleanup_free char *command = xasprintf("%s%s dial %s", p->sudo, p->program, quoted);
	int fd = p->forwarded ? remote_dial_unix(p->remote, sock, NULL) : -EACCES;

	if (fd >= 0 || !remote_alive(p->remote))
		return fd >= 0 ? fd : err_set(err, -EPIPE, "the ssh session to %s is dead",
					      remote_name(p->remote));
	p->forwarded = false;
	return remote_start_socket(p->remote, command, err);
}

static void remove_dir(struct push *p)
{
	cleanup_free char *dir = p->dir ? remote_quote(p->dir) : NULL;
	cleanup_free char *command = dir ? xasprintf("%srm -rf %s", p->sudo, dir) : NULL;
	struct remote_job job = { .command = command, .timeout_ms = LOOK_MS };

	if (command)
		remote_do(p->remote, &job, NULL);
}

static void push_free(void *arg)
{
	struct push *p = arg;

	if (p->process.end) {
		p->process.in = util_close(p->process.in);
		remote_wait(&p->process, GO_MS);
		remote_process_release(&p->process);
	}
	free(p->dir);
	free(p->program);
	free(p);
}

static int find(struct push *p, const struct hire *h, struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT(TALK_MAX);
	struct remote_job job = { .out = &text, .timeout_ms = LOOK_MS };
	int rc = run_script(p, find_script, &job, h->capture_id, err);

	if (rc < 0)
		return rc;
	keep_places(p, text.data);
	return p->dir ? 0 : closed(err, -ENOENT, "%s keeps no such capture", remote_name(p->remote));
}

static int hire(struct push *p, const struct hire *h, struct err *err)
{
	struct facts f = { 0 };
	int rc = look(p, &f, err);

	if (rc == 0)
		rc = judge(p, &f, h->attach, err);
	if (rc != 0)
		return rc;
	p->sudo = f.root ? "" : "sudo -n ";
	p->forwarded = f.root;
	if (h->attach)
		return find(p, h, err);
	rc = f.installed ? send_tree(p, h, NULL, err) : send_image(p, h, &f, err);
	return rc == 0 ? start(p, err) : rc;
}

int hire_push(struct link **out, const struct hire *h, struct remote *r, struct err *err)
{
	struct push *p = xcalloc(1, sizeof(*p));
	const struct http_dialer dialer = { dial, p };
	const struct link_place at = { .address = remote_name(r), .dialer = &dialer,
				       .cancel = h->cancel };
	int rc;

	p->remote = r;
	p->process = (struct remote_process)REMOTE_PROCESS_NULL;
	p->sudo = "";
	rc = hire(p, h, err);
	if (rc == 0)
		rc = link_new(out, &at, err);
	if (rc == 0) {
		link_on_free(*out, push_free, p);
		return 0;
	}
	if (!h->attach)
		remove_dir(p);
	push_free(p);
	return rc;
}
