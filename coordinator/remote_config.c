/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_config.c - what ssh's configuration says of a host, told by `ssh -G`
 */
#include "remote_config.h"

#include "buf.h"
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (256u << 10)
#define HOST_MAX 255

bool remote_config_is_host(const char *host)
{
	size_t n = strlen(host);

	if (n == 0 || n > HOST_MAX || *host == '-')
		return false;
	for (const char *p = host; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._:%", *p))
			return false;
	return true;
}

/* ---- decoding ---- */

static char *expand(const char *path, size_t n, const char *home)
{
	if (n >= 2 && !strncmp(path, "~/", 2))
		return xasprintf("%s/%.*s", home, (int)(n - 2), path + 2);
	if (n >= 3 && !strncmp(path, "%d/", 3))
		return xasprintf("%s/%.*s", home, (int)(n - 3), path + 3);
	return xasprintf("%.*s", (int)n, path);
}

/* The words of value, at the end of the list; what passes its end is left out. */
static void add_files(char *list[REMOTE_FILES_MAX], const char *value, const char *home)
{
	size_t n = 0;

	while (n < REMOTE_FILES_MAX - 1 && list[n])
		n++;
	while (*value && n < REMOTE_FILES_MAX - 1) {
		size_t len = strcspn(value, " \t");

		if (len && (len != 4 || strncmp(value, "none", 4)))
			list[n++] = expand(value, len, home);
		value += len + strspn(value + len, " \t");
	}
}

static void add_file(char *list[REMOTE_FILES_MAX], const char *value, const char *home)
{
	size_t n = 0;

	while (n < REMOTE_FILES_MAX - 1 && list[n])
		n++;
	if (n < REMOTE_FILES_MAX - 1)
		list[n] = expand(value, strlen(value), home);
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = strcmp(value, "none") ? xstrdup(value) : NULL;
}

static int take(struct remote_config *c, const char *key, const char *value, const char *home)
{
	uint64_t port;

	if (!strcmp(key, "hostname"))
		set(&c->hostname, value);
	else if (!strcmp(key, "user"))
		set(&c->user, value);
	else if (!strcmp(key, "hostkeyalias"))
		set(&c->host_key_alias, value);
	else if (!strcmp(key, "proxyjump"))
		set(&c->proxy_jump, value);
	else if (!strcmp(key, "proxycommand"))
		set(&c->proxy_command, value);
	else if (!strcmp(key, "identitiesonly"))
		c->identities_only = !strcmp(value, "yes");
	else if (!strcmp(key, "identityfile"))
		add_file(c->identity_files, value, home);
	else if (!strcmp(key, "certificatefile"))
		add_file(c->certificate_files, value, home);
	else if (!strcmp(key, "userknownhostsfile"))
		add_files(c->user_known_hosts, value, home);
	else if (!strcmp(key, "globalknownhostsfile"))
		add_files(c->global_known_hosts, value, home);
	else if (!strcmp(key, "identityagent")) {
		free(c->identity_agent);
		c->identity_agent = strcmp(value, "SSH_AUTH_SOCK") ?
			expand(value, strlen(value), home) : NULL;
	} else if (!strcmp(key, "port")) {
		if (units_parse_u64(value, 1, UINT16_MAX, &port) < 0)
			return -EINVAL;
		c->port = (uint16_t)port;
	}
	return 0;
}

int remote_config_decode(struct remote_config *out, const char *text, const char *home,
			 struct err *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *line;

	*out = (struct remote_config){ 0 };
	while ((line = strsep(&rest, "\n"))) {
		char *value = line + strcspn(line, " ");

		if (!*value)
			continue;
		*value++ = '\0';
		if (take(out, line, value, home) < 0)
			return err_set(err, -EINVAL, "`ssh -G` answers with a %s that is none: '%.64s'",
				       line, value);
	}
	if (!out->hostname || !out->user || !out->port)
		return err_set(err, -EINVAL, "`ssh -G` does not tell host, user and port");
	return 0;
}

/* ---- asking ---- */

static const char *passwd_home(void)
{
	static _Thread_local char home[4096];
	struct passwd entry, *found = NULL;
	char text[4096];

	if (getpwuid_r(getuid(), &entry, text, sizeof(text), &found) != 0 || !found)
		return "/";
	snprintf(home, sizeof(home), "%s", entry.pw_dir);
	return home;
}

char *remote_config_own_name(void)
{
	struct passwd entry, *found = NULL;
	char text[4096];

	getpwuid_r(getuid(), &entry, text, sizeof(text), &found);
	return xstrdup(found ? entry.pw_name : "root");
}

static const char *home_dir(void)
{
	const char *home = getenv("HOME");

	return home && *home == '/' ? home : passwd_home();
}

static int spawn(char *const argv[], int out_fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, out_fd, 2);
	rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -rc;
}

static int run(char *const argv[], struct buf *out, int *status)
{
	cleanup_close int from = -1, to = -1;
	char chunk[4096];
	int fds[2], rc;
	pid_t pid;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	from = fds[0];
	to = fds[1];
	rc = spawn(argv, to, &pid);
	if (rc < 0)
		return rc;
	to = util_close(to);
	while ((n = read(from, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int defaults(struct remote_config *out, const char *host, const char *user, uint16_t port)
{
	static const char *const keys[] = { "id_ed25519", "id_ecdsa", "id_rsa" };
	const char *home = home_dir();

	*out = (struct remote_config){
		.hostname = xstrdup(host), .port = port ? port : 22,
		.user = user ? xstrdup(user) : remote_config_own_name(),
	};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		out->identity_files[i] = xasprintf("%s/.ssh/%s", home, keys[i]);
	out->user_known_hosts[0] = xasprintf("%s/.ssh/known_hosts", home);
	out->global_known_hosts[0] = xstrdup("/etc/ssh/ssh_known_hosts");
	return 0;
}

/* OpenSSH looks for its files where the passwd file says; we go where $HOME says. */
static char *own_config(void)
{
	const char *home = home_dir();
	cleanup_free char *path = xasprintf("%s/.ssh/config", home);

	if (!strcmp(home, passwd_home()))
		return NULL;
	return access(path, R_OK) == 0 ? take_ptr(&path) : xstrdup("/dev/null");
}

static void use_own_known_hosts(struct remote_config *c)
{
	cleanup_free char *theirs = xasprintf("%s/", passwd_home());
	const char *home = home_dir();
	size_t n = strlen(theirs);

	if (!strcmp(home, passwd_home()))
		return;
	for (size_t i = 0; c->user_known_hosts[i]; i++) {
		cleanup_free char *old = c->user_known_hosts[i];

		c->user_known_hosts[i] = str_starts(old, theirs) && str_starts(old + n, ".ssh/") ?
			xasprintf("%s/%s", home, old + n) : xstrdup(old);
	}
}

int remote_config_load(struct remote_config *out, const char *host, const char *user, uint16_t port,
		       struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT(OUTPUT_MAX);
	cleanup_free char *config = own_config(), *number = xasprintf("%u", port);
	char *argv[12] = { (char *)"ssh", (char *)"-G" };
	int n = 2, status = 0, rc;

	*out = (struct remote_config){ 0 };
	if (!remote_config_is_host(host) || (user && (*user == '-' || strpbrk(user, " \t\n'\""))))
		return err_set(err, -EINVAL, "'%.64s' is not a host that ssh could reach", host);
	if (config) {
		argv[n++] = (char *)"-F";
		argv[n++] = config;
	}
	if (user) {
		argv[n++] = (char *)"-l";
		argv[n++] = (char *)(uintptr_t)user;
	}
	if (port) {
		argv[n++] = (char *)"-p";
		argv[n++] = number;
	}
	argv[n++] = (char *)"--";
	argv[n] = (char *)(uintptr_t)host;

	rc = run(argv, &text, &status);
	if (rc == -ENOENT)
		return defaults(out, host, user, port);
	if (rc < 0)
		return err_set(err, rc, "cannot run ssh: %s", strerror(-rc));
	if (status != 0) {
		cleanup_buf struct buf words = BUF_INIT(1024);

		text.data[text.len < 200 ? text.len : 200] = '\0';
		buf_add_safe(&words, text.len ? text.data : "it fails");
		return err_set(err, -EINVAL, "ssh's configuration is broken: %s", words.data);
	}
	rc = remote_config_decode(out, text.data, home_dir(), err);
	use_own_known_hosts(out);
	return rc;
}

static void release_list(char *list[REMOTE_FILES_MAX])
{
	for (size_t i = 0; i < REMOTE_FILES_MAX; i++)
		free(list[i]);
}

void remote_config_release(struct remote_config *c)
{
	release_list(c->identity_files);
	release_list(c->certificate_files);
	release_list(c->user_known_hosts);
	release_list(c->global_known_hosts);
	free(c->hostname);
	free(c->user);
	free(c->host_key_alias);
	free(c->identity_agent);
	free(c->proxy_jump);
	free(c->proxy_command);
	*c = (struct remote_config){ 0 };
}
