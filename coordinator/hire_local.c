/* SPDX-License-Identifier: Apache-2.0
 *
 * hire_local.c - an agent on our own node, for the time of one capture
 *
 * It is our child, but not of our terminal: ^C is ours to act upon. What holds it is its stdin: when
 * that closes, because we are done or dead, it ends as soon as nothing unfetched is left.
 */
#include "hire.h"

#include "reach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM "/var/lib/swarmcap"
#define GO_MS 3000		/* for its end, once it is dismissed */
#define LOG_MAX (64 << 10)

struct local {
	char *dir;
	pid_t pid;
	int hold;		/* its stdin */
};

static int closed(struct err *err, int code, const char *why)
{
	err_set(err, code, "%s", why);
	return REACH_E_CLOSED;
}

static bool answers(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return false;
	memcpy(a.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

/* ---- its process ---- */

static int spawn(struct local *l, char *const argv[], int in, int out, const char *log)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	rc = posix_spawn(&l->pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -rc;
}

/* And the last line of its log. */
static int failed(const struct local *l, bool in_time, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/agent.log", l->dir);
	cleanup_free char *text = util_read_file(path, LOG_MAX);
	cleanup_buf struct buf safe = BUF_INIT(1024);
	size_t n = text ? strlen(text) : 0;
	char *line;

	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	line = text ? strrchr(text, '\n') : NULL;
	buf_add_safe(&safe, line ? line + 1 : n ? text : "it says nothing");
	if (in_time)
		err_set(err, -EIO, "the agent does not start here: %s", safe.data);
	else
		err_set(err, -ETIMEDOUT, "the agent here is not ready after %d s: %s", HIRE_READY_S,
			safe.data);
	return REACH_E_CLOSED;
}

static int wait_ready(const struct local *l, int out, struct err *err)
{
	struct pollfd p = { .fd = out, .events = POLLIN };
	char word[8] = "";
	int n = poll(&p, 1, HIRE_READY_S * 1000);

	if (n > 0 && read(out, word, sizeof(word) - 1) > 0 && str_starts(word, "ready"))
		return 0;
	return failed(l, n != 0, err);
}

static int start(struct local *l, const char *agent, const char *engine, struct err *err)
{
	cleanup_free char *log = xasprintf("%s/agent.log", l->dir);
	cleanup_free char *host = xasprintf("unix://%s", engine);
	char *const argv[] = { (char *)(uintptr_t)agent, (char *)"--temporary", l->dir,
			       (char *)"--engine", host, NULL };
	cleanup_close int in = -1, out = -1, theirs = -1;
	int a[2], b[2], rc;

	if (pipe2(a, O_CLOEXEC) < 0)
		return err_errno(err, "cannot start an agent");
	in = a[0];
	l->hold = a[1];
	if (pipe2(b, O_CLOEXEC) < 0)
		return err_errno(err, "cannot start an agent");
	out = b[0];
	theirs = b[1];
	rc = spawn(l, argv, in, theirs, log);
	if (rc < 0)
		return err_set(err, rc, "cannot start '%s': %s", agent, strerror(-rc));
	theirs = util_close(theirs);
	return wait_ready(l, out, err);
}

static void local_free(void *arg)
{
	struct local *l = arg;
	int64_t until = clock_mono_ns() + GO_MS * NS_PER_MS;

	l->hold = util_close(l->hold);
	while (l->pid > 0 && waitpid(l->pid, NULL, WNOHANG) == 0 && clock_mono_ns() < until)
		clock_sleep_ms(20);
	free(l->dir);
	free(l);
}

/* It never said that it is ready: nothing of it stays. */
static void give_up(struct local *l)
{
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
		l->pid = 0;
	}
	util_remove_tree_at(AT_FDCWD, l->dir);
	local_free(l);
}

/* ---- the link ---- */

static int make_dir(const char *dir, struct err *err)
{
	if (mkdir(ROOM, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make " ROOM);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make '%s'", dir);
	return 0;
}

static int link_to(struct link **out, const struct hire *h, struct local *l, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/agent.sock", l->dir);
	const struct link_place at = { .address = path, .cancel = h->cancel };
	int rc = link_new(out, &at, err);

	if (rc == 0)
		link_on_free(*out, local_free, l);
	return rc;
}

int hire_local(struct link **out, const struct hire *h, const char *engine_socket, struct err *err)
{
	cleanup_free char *agent = hire_find_agent(), *sock = NULL;
	struct local *l;
	int rc = 0;

	if (geteuid() != 0)
		return closed(err, -EPERM, "capturing on this node needs root: run as root, or with sudo");
	if (!agent)
		return closed(err, -ENOENT, "swarmcap-agent is neither beside swarmcap nor in PATH");
	l = xcalloc(1, sizeof(*l));
	l->hold = -1;
	l->dir = xasprintf(ROOM "/hired-%s", h->capture_id);
	sock = xasprintf("%s/agent.sock", l->dir);
	if (h->attach && access(l->dir, F_OK) < 0) {
		local_free(l);
		return closed(err, -ENOENT, "this node keeps no such capture");
	}
	if (h->attach && answers(sock))
		return link_to(out, h, l, err);
	rc = make_dir(l->dir, err);
	if (rc == 0)
		rc = start(l, agent, engine_socket, err);
	if (rc != 0) {
		/* an attached one's directory holds a capture */
		if (h->attach)
			local_free(l);
		else
			give_up(l);
		return rc;
	}
	return link_to(out, h, l, err);
}
