/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_login_test.c - whom we trust, and who lets us in: host keys, keys, jumps, silence
 */
#include "sshd.h"

#include <errno.h>
#include <pthread.h>

#include "../../coordinator/remote.h"

static int setup(void **state)
{
	sshd_setup();
	return 0;
}

static int teardown(void **state)
{
	sshd_cleanup();
	return 0;
}

/* Nothing is left of the test before. */
static int begin(void **state)
{
	sh("rm -f %s/.ssh/known_hosts %s/.ssh/config", sshd_home, sshd_home);
	return 0;
}

static int open_port(struct remote **r, uint16_t port, bool accept_new, struct err *err)
{
	const struct remote_place at = { .host = "127.0.0.1", .port = port,
					 .accept_new = accept_new };

	*r = NULL;
	err_reset(err);
	return remote_open(r, &at, err);
}

static void assert_works(struct remote *r)
{
	cleanup_buf struct buf out = BUF_INIT(100);
	struct remote_job job = { .command = "echo $((6 * 7))", .out = &out, .timeout_ms = 10000 };

	assert_int_equal(remote_do(r, &job, NULL), 0);
	assert_string_equal(out.data, "42\n");
}

/* ---- the host's key ---- */

static void test_an_unknown_key_is_refused_and_accepted_when_asked(void **state)
{
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd s;

	sshd_start(&s, "");
	assert_int_equal(open_port(&r, s.port, false, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "is not known"));
	assert_non_null(strstr(err.text, "--ssh-accept-new"));
	sh("ssh-keygen -lf %s/key.pub | cut -d' ' -f2 >%s/print", s.dir, s.dir);
	{
		cleanup_free char *path = xasprintf("%s/print", s.dir);
		cleanup_free char *print = util_read_file(path, 1000);

		print[strcspn(print, "\n")] = '\0';
		assert_non_null(strstr(err.text, print));
	}

	assert_int_equal(open_port(&r, s.port, true, &err), 0);
	assert_works(r);
	remote_close(r);
	/* OpenSSH finds what was written down */
	sh("ssh-keygen -F '[127.0.0.1]:%u' -f %s/.ssh/known_hosts >/dev/null", s.port, sshd_home);
	assert_int_equal(open_port(&r, s.port, false, &err), 0);
	remote_close(r);
	sshd_stop(&s);
}

static void test_a_changed_key_is_refused_always(void **state)
{
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd s;

	sshd_start(&s, "");
	sh("ssh-keygen -q -t ed25519 -N '' -f %s/other", s.dir);
	sh("echo \"[127.0.0.1]:%u $(cut -d' ' -f1,2 %s/other.pub)\" >>%s/.ssh/known_hosts", s.port,
	   s.dir, sshd_home);
	for (int accept = 0; accept <= 1; accept++) {
		assert_int_equal(open_port(&r, s.port, accept, &err), -EKEYREJECTED);
		assert_non_null(strstr(err.text, "ssh-keygen -R"));
	}
	sshd_stop(&s);
}

static void test_hashed_names_are_found(void **state)
{
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd s;

	sshd_start(&s, "");
	sshd_trust(&s);
	sh("ssh-keygen -q -H -f %s/.ssh/known_hosts >/dev/null 2>&1", sshd_home);
	assert_int_equal(open_port(&r, s.port, false, &err), 0);
	remote_close(r);
	sshd_stop(&s);
}

/* ---- our keys ---- */

static void test_each_kind_of_key(void **state)
{
	static const char *const kinds[] = { "ed25519", "ecdsa", "rsa" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct err err = ERR_INIT;
		char more[200];
		struct remote *r;
		struct sshd s;

		sh("rm -f %s/.ssh/config; ssh-keygen -q -t %s -N '' -f %s/%s", sshd_home, kinds[i],
		   sshd_home, kinds[i]);
		snprintf(more, sizeof(more), "AuthorizedKeysFile %s/%s.pub\\n", sshd_home, kinds[i]);
		sshd_start(&s, more);
		sshd_trust(&s);
		assert_int_equal(open_port(&r, s.port, false, &err), -EACCES);
		assert_non_null(strstr(err.text, "does not let us in"));
		sh("printf 'Host 127.0.0.1\\n IdentityFile %s/%s\\n' >%s/.ssh/config", sshd_home,
		   kinds[i], sshd_home);
		if (open_port(&r, s.port, false, &err) < 0)
			fail_msg("%s: %s", kinds[i], err.text);
		assert_works(r);
		remote_close(r);
		sshd_stop(&s);
	}
}

static void test_a_key_of_the_agent(void **state)
{
	struct err err = ERR_INIT;
	char more[200];
	struct remote *r;
	struct sshd s;

	sh("ssh-keygen -q -t ed25519 -N '' -f %s/held", sshd_home);
	snprintf(more, sizeof(more), "AuthorizedKeysFile %s/held.pub\\n", sshd_home);
	sshd_start(&s, more);
	sshd_trust(&s);
	sh("ssh-agent -a %s/agent >%s/agent.sh && SSH_AUTH_SOCK=%s/agent ssh-add -q %s/held && rm %s/held",
	   sshd_home, sshd_home, sshd_home, sshd_home, sshd_home);
	assert_int_equal(open_port(&r, s.port, false, &err), -EACCES);
	sh("printf 'IdentityAgent %s/agent\\n' >%s/.ssh/config", sshd_home, sshd_home);
	assert_int_equal(open_port(&r, s.port, false, &err), 0);
	assert_works(r);
	remote_close(r);
	sh("rm %s/.ssh/config", sshd_home);
	{
		cleanup_free char *path = xasprintf("%s/agent", sshd_home);

		setenv("SSH_AUTH_SOCK", path, 1);
		assert_int_equal(open_port(&r, s.port, false, &err), 0);
		unsetenv("SSH_AUTH_SOCK");
	}
	remote_close(r);
	sh(". %s/agent.sh >/dev/null && kill $SSH_AGENT_PID", sshd_home);
	sshd_stop(&s);
}

static void test_a_certificate(void **state)
{
	struct err err = ERR_INIT;
	char more[300];
	struct remote *r;
	struct sshd s;

	sh("cd %s && ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f signed && "
	   "ssh-keygen -q -s ca -I tests -n root signed.pub", sshd_home);
	snprintf(more, sizeof(more), "TrustedUserCAKeys %s/ca.pub\\nAuthorizedKeysFile none\\n",
		 sshd_home);
	sshd_start(&s, more);
	sshd_trust(&s);
	assert_int_equal(open_port(&r, s.port, false, &err), -EACCES);
	sh("printf 'IdentityFile %s/signed\\n' >%s/.ssh/config", sshd_home, sshd_home);
	assert_int_equal(open_port(&r, s.port, false, &err), 0);
	assert_works(r);
	remote_close(r);
	sshd_stop(&s);
}

/* ---- ways ---- */

static void test_through_another(void **state)
{
	struct remote_place at = { .host = "127.0.0.1" };
	struct remote *first, *second;
	struct err err = ERR_INIT;
	struct sshd a, b;

	sshd_start(&a, "");
	sshd_start(&b, "");
	sshd_trust(&a);
	assert_int_equal(open_port(&first, a.port, false, &err), 0);
	at.port = b.port;
	at.via = first;
	assert_int_equal(remote_open(&second, &at, &err), -EKEYREJECTED);
	sshd_trust(&b);
	assert_int_equal(remote_open(&second, &at, &err), 0);
	assert_works(second);
	remote_close(second);
	remote_close(first);
	sshd_stop(&a);
	sshd_stop(&b);
}

/* The hop's key and the second host's are both checked; HostName, Port and User are followed. */
static void test_proxy_jump(void **state)
{
	const struct remote_place at = { .host = "inner" };
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd a, b;

	sshd_start(&a, "");
	sshd_start(&b, "");
	sh("printf 'Host inner\\n HostName 127.0.0.1\\n Port %u\\n User root\\n ProxyJump root@127.0.0.1:%u\\n' "
	   ">%s/.ssh/config", b.port, a.port, sshd_home);
	assert_int_equal(remote_open(&r, &at, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "on the way to inner"));
	sshd_trust(&a);
	err_reset(&err);
	assert_int_equal(remote_open(&r, &at, &err), -EKEYREJECTED);
	assert_null(strstr(err.text, "on the way"));
	sshd_trust(&b);
	assert_int_equal(remote_open(&r, &at, &err), 0);
	assert_works(r);
	remote_close(r);
	sshd_stop(&a);
	sshd_stop(&b);
}

static void test_proxy_command(void **state)
{
	const struct remote_place at = { .host = "behind" };
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd a;

	sshd_start(&a, "");
	sshd_trust(&a);
	sh("printf 'Host behind\\n HostName 127.0.0.1\\n Port %u\\n User root\\n "
	   "ProxyCommand bash -c \"exec 3<>/dev/tcp/127.0.0.1/%u; cat <&3 & cat >&3\"\\n' >%s/.ssh/config",
	   a.port, a.port, sshd_home);
	if (remote_open(&r, &at, &err) < 0)
		fail_msg("%s", err.text);
	assert_works(r);
	remote_close(r);
	sshd_stop(&a);
}

static void test_forwarding_that_is_forbidden(void **state)
{
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd s;

	sshd_start(&s, "AllowTcpForwarding no\\nAllowStreamLocalForwarding no\\n");
	sshd_trust(&s);
	assert_int_equal(open_port(&r, s.port, false, &err), 0);
	assert_int_equal(remote_dial_tcp(r, "127.0.0.1", s.port, &err), -EACCES);
	assert_non_null(strstr(err.text, "forbids"));
	/* OpenSSH does not tell this from a socket where nobody listens */
	assert_int_equal(remote_dial_unix(r, "/run/x", NULL), -ECONNREFUSED);
	assert_works(r);
	remote_close(r);
	sshd_stop(&s);
}

/* ---- bad luck ---- */

static void test_nobody_listens(void **state)
{
	struct err err = ERR_INIT;
	struct remote *r;

	assert_int_equal(open_port(&r, sshd_free_port(), false, &err), -ECONNREFUSED);
	assert_int_equal(remote_open(&r, &(struct remote_place){ .host = "-oProxyCommand=x" }, NULL),
			 -EINVAL);
}

/* One that accepts and says nothing costs a bounded time; a cancelled opening ends at once. */
static void test_a_server_that_never_speaks(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err = ERR_INIT;
	volatile bool cancel = true;
	struct remote_place at = { .host = "127.0.0.1" };
	struct remote *r;
	int64_t since = clock_mono_ns();

	assert_return_code(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_return_code(listen(fd, 8), 0);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(open_port(&r, ntohs(sa.sin_port), false, &err), -ETIMEDOUT);
	assert_true(clock_mono_ns() - since < 2LL * REMOTE_LOGIN_MS * NS_PER_MS);

	since = clock_mono_ns();
	at.port = ntohs(sa.sin_port);
	at.cancel = &cancel;
	assert_int_equal(remote_open(&r, &at, NULL), -ECANCELED);
	assert_true(clock_mono_ns() - since < 3 * NS_PER_S);
}

/* sshd's session process is killed: every descriptor ends, and says so. */
static void test_a_session_that_is_killed(void **state)
{
	struct remote_process p;
	struct err err = ERR_INIT;
	struct remote *r;
	struct sshd s;
	char c;

	sshd_start(&s, "");
	sshd_trust(&s);
	assert_int_equal(open_port(&r, s.port, false, &err), 0);
	assert_int_equal(remote_start(r, "echo $PPID; exec sleep 60", &p, &err), 0);
	{
		char pid[32] = "";

		for (size_t n = 0; n < sizeof(pid) - 1 && read(p.out, pid + n, 1) == 1; n++)
			if (pid[n] == '\n')
				break;
		assert_true(atoi(pid) > 1);
		assert_return_code(kill(atoi(pid), SIGKILL), 0);
	}
	assert_int_equal(read(p.out, &c, 1), 0);
	assert_int_equal(read(p.err, &c, 1), 0);
	assert_int_equal(remote_wait(&p, 10000), -EPIPE);
	remote_process_release(&p);
	assert_false(remote_alive(r));
	assert_int_equal(remote_dial_tcp(r, "127.0.0.1", s.port, &err), -EPIPE);
	remote_close(r);
	sshd_stop(&s);
}

static void *open_and_close(void *arg)
{
	struct err err = ERR_INIT;
	struct remote *r;

	if (open_port(&r, *(uint16_t *)arg, false, &err) < 0)
		return xstrdup(err.text);
	remote_close(r);
	return NULL;
}

/* sshd drops all connections past two that are not logged in; each of ours gets in all the same. */
static void test_many_at_once(void **state)
{
	pthread_t threads[16];
	struct sshd s;
	char *bad;

	sshd_start(&s, "MaxStartups 8:30:10\\n");
	sshd_trust(&s);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &s.port), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], (void **)&bad);
		if (bad)
			fail_msg("%s", bad);
	}
	sshd_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_unknown_key_is_refused_and_accepted_when_asked, begin),
		cmocka_unit_test_setup(test_a_changed_key_is_refused_always, begin),
		cmocka_unit_test_setup(test_hashed_names_are_found, begin),
		cmocka_unit_test_setup(test_each_kind_of_key, begin),
		cmocka_unit_test_setup(test_a_key_of_the_agent, begin),
		cmocka_unit_test_setup(test_a_certificate, begin),
		cmocka_unit_test_setup(test_through_another, begin),
		cmocka_unit_test_setup(test_proxy_jump, begin),
		cmocka_unit_test_setup(test_proxy_command, begin),
		cmocka_unit_test_setup(test_forwarding_that_is_forbidden, begin),
		cmocka_unit_test_setup(test_nobody_listens, begin),
		cmocka_unit_test_setup(test_a_server_that_never_speaks, begin),
		cmocka_unit_test_setup(test_a_session_that_is_killed, begin),
		cmocka_unit_test_setup(test_many_at_once, begin),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
