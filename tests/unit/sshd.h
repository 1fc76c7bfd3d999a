/* SPDX-License-Identifier: Apache-2.0
 *
 * sshd.h - a real sshd for tests, on a port of 127.0.0.1, with keys and a $HOME of its own
 */
#ifndef SSHD_H
#define SSHD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util.h"

struct sshd {
	char dir[64];
	uint16_t port;
	pid_t pid;
};

static char sshd_home[64];	/* $HOME of the tests: .ssh/id, .ssh/known_hosts, .ssh/config */

__attribute__((unused)) PRINTF(1, 2) static void sh(const char *fmt, ...)
{
	char *command;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
	free(command);
}

/* Once a program, before the first sshd. */
static void sshd_setup(void)
{
	snprintf(sshd_home, sizeof(sshd_home), "/tmp/swarmcap-ssh-XXXXXX");
	assert_non_null(mkdtemp(sshd_home));
	setenv("HOME", sshd_home, 1);
	unsetenv("SSH_AUTH_SOCK");
	sh("mkdir -m 700 %s/.ssh && ssh-keygen -q -t ed25519 -N '' -f %s/.ssh/id_ed25519", sshd_home,
	   sshd_home);
	mkdir("/run/sshd", 0755);
}

static void sshd_cleanup(void)
{
	sh("rm -rf %s", sshd_home);
}

static uint16_t sshd_free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static bool sshd_answers(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	close(fd);
	return yes;
}

/* more: lines of sshd_config that go first, or "". Its key is not yet in known_hosts. */
static void sshd_start(struct sshd *s, const char *more)
{
	char config[128], log[128];

	snprintf(s->dir, sizeof(s->dir), "/tmp/swarmcap-sshd-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->port = sshd_free_port();
	sh("ssh-keygen -q -t ed25519 -N '' -f %s/key", s->dir);
	sh("{ printf '%%b' '%s'; printf '%%s\\n' 'ListenAddress 127.0.0.1:%u' 'HostKey %s/key' "
	   "'AuthorizedKeysFile %s/.ssh/id_ed25519.pub' 'StrictModes no' 'UsePAM no' 'PidFile none' "
	   "'PermitRootLogin yes' 'PasswordAuthentication no'; } >%s/config",
	   more, s->port, s->dir, sshd_home, s->dir);
	snprintf(config, sizeof(config), "%s/config", s->dir);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	s->pid = fork();
	if (s->pid == 0) {
		setpgid(0, 0);
		/* a test that fails stops nothing */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", config, "-E", log, NULL);
		_exit(127);
	}
	for (int i = 0; !sshd_answers(s->port); i++) {
		assert_true(i < 500);
		clock_sleep_ms(10);
	}
}

/* The key goes where the client looks. */
__attribute__((unused)) static void sshd_trust(const struct sshd *s)
{
	sh("echo \"[127.0.0.1]:%u $(cut -d' ' -f1,2 %s/key.pub)\" >>%s/.ssh/known_hosts", s->port,
	   s->dir, sshd_home);
}

/* The listener, not the sessions: those are its children, in groups of their own. */
static void sshd_stop(struct sshd *s)
{
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
	sh("rm -rf %s", s->dir);
}

#endif
