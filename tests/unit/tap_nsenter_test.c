/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_nsenter_test.c - the route ssh-nsenter: real nsenter and tcpdump, the node's shell without ssh
 *
 * remote.h is stood in for by processes of ours: a "node" is `sh -c` with a docker of the test's in
 * PATH, and its ssh connection breaks when the test says so. Containers are network namespaces.
 */
#include "judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../coordinator/reach.h"
#include "../../coordinator/tap_parts.h"

#define ID "20261123T143905Z-3fa9c1"
#define TASK "task1"
#define PORT 4242

/* ---- the node ---- */

struct remote {
	bool dead;
	int channels;
};

struct remote_exit {
	pid_t pid;
	struct remote *remote;
};

static struct remote node, further;
static int channels_max = 1000, opened;
static const char *shell = "sh";
static pid_t started[256];
static size_t n_started;
static pthread_mutex_t node_lock = PTHREAD_MUTEX_INITIALIZER;

int remote_start(struct remote *r, const char *command, struct remote_process *p, struct err *err)
{
	int in[2], out[2], errs[2];
	pid_t pid;

	pthread_mutex_lock(&node_lock);
	if (r->channels >= channels_max) {
		pthread_mutex_unlock(&node_lock);
		return err_set(err, -EPROTO, "the server opens no further channel");
	}
	r->channels++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, errs), 0);
	pid = fork();
	if (pid == 0) {
		dup2(in[1], 0);
		dup2(out[1], 1);
		dup2(errs[1], 2);
		execlp("setsid", "setsid", "sh", "-c", command, NULL);
		_exit(127);
	}
	started[n_started++ % ARRAY_SIZE(started)] = pid;
	close(in[1]);
	close(out[1]);
	close(errs[1]);
	p->in = in[0];
	p->out = out[0];
	p->err = errs[0];
	p->end = xcalloc(1, sizeof(*p->end));
	*p->end = (struct remote_exit){ pid, r };
	pthread_mutex_unlock(&node_lock);
	return 0;
}

int remote_wait(struct remote_process *p, int timeout_ms)
{
	int status = 0;

	for (; timeout_ms > 0; timeout_ms -= 20) {
		if (waitpid(p->end->pid, &status, WNOHANG) == p->end->pid) {
			p->end->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		clock_sleep_ms(20);
	}
	return -ETIMEDOUT;
}

void remote_process_release(struct remote_process *p)
{
	p->in = util_close(p->in);
	p->out = util_close(p->out);
	p->err = util_close(p->err);
	if (p->end) {
		pthread_mutex_lock(&node_lock);
		p->end->remote->channels--;
		pthread_mutex_unlock(&node_lock);
	}
	free(p->end);
	p->end = NULL;
}

int remote_do(struct remote *r, struct remote_job *job, struct err *err)
{
	cleanup_free char *line = xasprintf("%s 2>%s/errs", job->command, judge_dir);
	cleanup_free char *path = xasprintf("%s/errs", judge_dir);
	cleanup_free char *errs = NULL;
	char text[4096];
	FILE *f = popen(line, "re");

	buf_add(job->out, text, fread(text, 1, sizeof(text), f));
	job->status = WEXITSTATUS(pclose(f));
	errs = util_read_file(path, sizeof(text));
	buf_add(job->errs, errs, strlen(errs));
	return 0;
}

bool remote_alive(struct remote *r)
{
	return !r->dead;
}

const char *remote_name(const struct remote *r)
{
	return "root@node1";
}

void remote_close(struct remote *r)
{
	opened--;
}

char *remote_quote(const char *word)
{
	struct buf b = BUF_INIT(1u << 20);

	buf_addf(&b, "'");
	for (; *word; word++)
		if (*word == '\'')
			buf_addf(&b, "'\\''");
		else
			buf_add(&b, word, 1);
	buf_addf(&b, "'");
	return buf_take(&b);
}

static int more(void *arg, struct remote **out, struct err *err)
{
	opened++;
	*out = &further;
	return 0;
}

/* ---- containers ---- */

static void write_file(const char *name, const char *text, mode_t mode)
{
	cleanup_free char *path = xasprintf("%s/%s", judge_dir, name);
	FILE *f = fopen(path, "we");

	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

/* What docker would say of a process in a namespace of its own, with two interfaces. */
static pid_t make_container(const char *id)
{
	cleanup_free char *file = xasprintf("c-%s", id), *text = NULL;
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) || system("ip link set lo up; ip link add eth0 type veth peer name far0;"
						    "ip addr add 10.0.1.5/24 dev eth0;"
						    "ip link set eth0 up"))
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	text = xasprintf("true %d 2026-01-01T00:00:00Z %s\n", (int)pid, TASK);
	write_file(file, text, 0644);
	return pid;
}

static void kill_container(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* n numbered packets over the container's loopback */
static void send_packets(pid_t container, int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		cleanup_free char *path = xasprintf("/proc/%d/ns/net", (int)container);
		int fd = open(path, O_RDONLY | O_CLOEXEC), s, l;

		if (setns(fd, CLONE_NEWNET))
			_exit(1);
		s = socket(AF_INET, SOCK_DGRAM, 0);
		l = socket(AF_INET, SOCK_DGRAM, 0);
		if (bind(l, (struct sockaddr *)&to, sizeof(to)))
			_exit(1);
		for (int i = 0; i < n; i++)
			sendto(s, &i, sizeof(i), 0, (struct sockaddr *)&to, sizeof(to));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- the tap ---- */

static int staging;

static struct wire_arm arm_of(size_t n)
{
	struct wire_arm a = { .node_id = xstrdup("n1"), .node_name = xstrdup("node1"),
			      .attached = true, .lease_ms = 60000, .deadline_ms = 60000,
			      .snaplen = 262144, .n_targets = n };

	snprintf(a.id, sizeof(a.id), "%s", ID);
	a.targets = xcalloc(n, sizeof(*a.targets));
	for (size_t i = 0; i < n; i++) {
		a.targets[i].key = xasprintf("web.%zu", i);
		a.targets[i].kind = WIRE_TASK;
		a.targets[i].label = xasprintf("web.%zu.k7x2a9", i);
		a.targets[i].container_id = xasprintf("abc%zu", i);
		a.targets[i].task_id = xstrdup(TASK);
	}
	return a;
}

static struct link *open_tap(struct err *err, int *rc)
{
	const struct tap_place at = { .node_id = "n1", .node_name = "node1", .peer = "ssh to node1",
				      .staging_fd = staging, .more = more };
	struct link *l = NULL;

	*rc = tap_nsenter_open(&l, &at, &node, NULL, err);
	return l;
}

static struct link *armed(struct wire_arm *a, struct wire_report *report)
{
	struct err err = ERR_INIT;
	int rc;
	struct link *l = open_tap(&err, &rc);

	if (rc || link_arm(l, a, report, &err))
		fail_msg("%s", err.text);
	wire_arm_release(a);
	for (size_t i = 0; i < report->n_targets; i++)
		if (report->targets[i].state != WIRE_ARMED)
			fail_msg("%s: %s", report->targets[i].key, report->targets[i].error);
	return l;
}

static void stop(struct link *l, struct wire_report *report)
{
	const struct link_word w = { .id = ID, .reason = "stopped", .window_ns = 5 };
	struct err err = ERR_INIT;

	wire_report_release(report);
	if (link_stop(l, &w, report, &err))
		fail_msg("%s", err.text);
	assert_false(report->running);
}

static void await_end(struct link *l, struct wire_report *report)
{
	for (int i = 0; i < 200; i++) {
		wire_report_release(report);
		assert_int_equal(link_report(l, ID, report, NULL), 0);
		if (!report->running)
			return;
		clock_sleep_ms(50);
	}
	fail_msg("the capture runs on");
}

static void fetch(struct link *l, const struct wire_file *file, const char *name)
{
	char sha256[DIGEST_HEX];
	const struct link_file f = { .id = ID, .spool_name = file->name, .name = name,
				     .dirfd = staging, .bytes = file->bytes,
				     .xxh128 = file->xxh128, .sha256 = sha256 };
	cleanup_free char *sum = xasprintf("sha256sum %s", name);
	cleanup_free char *xxh = xasprintf("xxhsum -H2 %s", name);
	struct err err = ERR_INIT;
	struct stat st;
	bool local;

	if (link_fetch(l, &f, &local, &err))
		fail_msg("%s", err.text);
	assert_int_equal(fstatat(staging, name, &st, 0), 0);
	assert_int_equal(st.st_size, file->bytes);
	judge_says(sum, sha256);
	judge_says(xxh, file->xxh128);
}

/* None of the processes that were started, nor a child of theirs, is left. */
static void nothing_is_left(void)
{
	for (int tries = 0;; tries++) {
		cleanup_free char *out = judge_run("pgrep -x tcpdump | wc -l");
		size_t left = 0;

		for (size_t i = 0; i < n_started && i < ARRAY_SIZE(started); i++) {
			waitpid(started[i], NULL, WNOHANG);
			left += kill(-started[i], 0) == 0;
		}
		if (!left)
			break;
		if (tries > 150)
			fail_msg("%zu are left, tcpdump: %s", left, out);
		clock_sleep_ms(50);
	}
	n_started = 0;
}

static const char *end_text(const struct wire_report *r)
{
	return wire_end_text(r->targets[0].end) ? wire_end_text(r->targets[0].end) : "none";
}

static void test_packets_come_home(void **state)
{
	struct wire_arm a = arm_of(1);
	struct wire_report report = { 0 };
	pid_t c = make_container("abc0");
	struct link *l;

	a.filter = xstrdup("udp port 4242");
	l = armed(&a, &report);
	send_packets(c, 500);
	stop(l, &report);
	assert_string_equal(end_text(&report), "stopped");
	assert_int_equal(report.targets[0].packets, 500);
	assert_int_equal(report.targets[0].received, 500);
	assert_int_equal(report.targets[0].dropped_kernel, 0);
	assert_true(report.targets[0].n_notes > 0);
	assert_null(report.targets[0].error);
	assert_int_equal(report.targets[0].n_interfaces, 2);
	fetch(l, &report.targets[0].files[0], "0-a.pcapng");
	judge_says("capinfos -Mc 0-a.pcapng", "500");
	judge_says("capinfos -M 0-a.pcapng", "Name = eth0");
	judge_says("capinfos -M 0-a.pcapng", "Description = web.0.k7x2a9@node1 eth0 (10.0.1.5/24)");
	judge_says("capinfos -M 0-a.pcapng", "linux-sll2");
	judge_says("tshark -r 0-a.pcapng -T fields -e frame.interface_name | sort | uniq -c",
		   "500 lo");
	judge_says("tcpdump -nr 0-a.pcapng 2>/dev/null | wc -l", "500");
	assert_int_equal(link_remove(l, ID, NULL), 0);
	link_free(l);
	wire_report_release(&report);
	nothing_is_left();
	kill_container(c);
	judge_says("ls -A | grep -c '^.tap' || true", "0");
}

static void test_limit_by_packets(void **state)
{
	struct wire_arm a = arm_of(1);
	struct wire_report report = { 0 };
	pid_t c = make_container("abc0");
	struct link *l;

	a.max_packets = 123;
	l = armed(&a, &report);
	send_packets(c, 500);
	await_end(l, &report);
	assert_string_equal(end_text(&report), "packets");
	fetch(l, &report.targets[0].files[0], "0-p.pcapng");
	judge_says("capinfos -Mc 0-p.pcapng", "123");
	link_free(l);
	wire_report_release(&report);
	nothing_is_left();
	kill_container(c);
}

static void test_container_dies(void **state)
{
	struct wire_arm a = arm_of(1);
	struct wire_report report = { 0 };
	pid_t c = make_container("abc0");
	struct link *l = armed(&a, &report);

	send_packets(c, 20);
	clock_sleep_ms(300);
	kill_container(c);
	await_end(l, &report);
	assert_string_equal(end_text(&report), "task-ended");
	assert_int_equal(report.targets[0].packets, 20);
	link_free(l);
	wire_report_release(&report);
	nothing_is_left();
}

/* The connection breaks: what came is whole, and the far side ends by itself. */
static void test_node_is_lost(void **state)
{
	struct wire_arm a = arm_of(1);
	struct wire_report report = { 0 };
	pid_t c = make_container("abc0");
	struct link *l = armed(&a, &report);

	send_packets(c, 50);
	for (int i = 0; i < 100 && report.targets[0].packets < 50; i++) {
		clock_sleep_ms(50);
		wire_report_release(&report);
		assert_int_equal(link_report(l, ID, &report, NULL), 0);
	}
	node.dead = true;
	kill(-started[0], SIGKILL);
	await_end(l, &report);
	node.dead = false;
	assert_string_equal(end_text(&report), "node-lost");
	assert_non_null(strstr(report.targets[0].error, "ssh"));
	assert_int_equal(report.targets[0].packets, 50);
	fetch(l, &report.targets[0].files[0], "0-l.pcapng");
	judge_says("capinfos -Mc 0-l.pcapng", "50");
	link_free(l);
	wire_report_release(&report);
	nothing_is_left();
	kill_container(c);
}

/* Twelve tasks of one node; its sshd takes ten channels on a connection. */
static void test_many_targets(void **state)
{
	struct wire_arm a = arm_of(12);
	struct wire_report report = { 0 };
	struct link *l;
	pid_t c[12];

	channels_max = 10;
	for (int i = 0; i < 12; i++) {
		cleanup_free char *id = xasprintf("abc%d", i);

		c[i] = make_container(id);
	}
	l = armed(&a, &report);
	assert_int_equal(opened, 1);
	for (int i = 0; i < 12; i++)
		send_packets(c[i], 10 + i);
	stop(l, &report);
	for (int i = 0; i < 12; i++)
		assert_int_equal(report.targets[i].packets, 10 + i);
	link_free(l);
	assert_int_equal(opened, 0);
	wire_report_release(&report);
	nothing_is_left();
	for (int i = 0; i < 12; i++)
		kill_container(c[i]);
	channels_max = 1000;
}

/* Each names its cause; none is armed. */
static void check_refused(const char *want)
{
	struct wire_arm a = arm_of(1);
	struct wire_report report = { 0 };
	struct err err = ERR_INIT;
	int rc;
	struct link *l = open_tap(&err, &rc);

	assert_int_equal(rc, 0);
	assert_int_equal(link_arm(l, &a, &report, &err), 0);
	assert_int_equal(report.targets[0].state, WIRE_FAILED);
	if (!strstr(report.targets[0].error, want))
		fail_msg("not '%s' but: %s", want, report.targets[0].error);
	wire_arm_release(&a);
	wire_report_release(&report);
	link_free(l);
	nothing_is_left();
}

static void test_another_task(void **state)
{
	cleanup_free char *text = NULL;
	pid_t c = make_container("abc0");

	text = xasprintf("true %d 2026-01-01T00:00:00Z other\n", (int)c);
	write_file("c-abc0", text, 0644);
	check_refused("no longer what was planned");
	write_file("c-abc0", "false 0 2026-01-01T00:00:00Z " TASK "\n", 0644);
	check_refused("no longer what was planned");
	unlinkat(staging, "c-abc0", 0);
	check_refused("no such container");
	kill_container(c);
}

/* PATH has only what is linked into the folder. */
static void test_missing_programs(void **state)
{
	struct err err = ERR_INIT;
	int rc;

	write_file("docker", "#!/bin/sh\necho 'docker: not found' >&2; exit 1\n", 0755);
	open_tap(&err, &rc);
	assert_int_equal(rc, REACH_E_CLOSED);
	assert_non_null(strstr(err.text, "docker client"));
}

static int set_up(void **state)
{
	cleanup_free char *path = NULL;

	if (geteuid() || judge_setup(state))
		return -1;
	signal(SIGPIPE, SIG_IGN);
	path = xasprintf("%s:%s", judge_dir, getenv("PATH"));
	setenv("PATH", path, 1);
	setenv("SSH_CONNECTION", "10.0.0.9 4711 10.0.0.1 22", 1);
	setenv("JUDGE", judge_dir, 1);
	write_file("docker", "#!/bin/sh\n[ $1 = inspect ] || exit 0\nfor id; do :; done\n"
			     "cat $JUDGE/c-$id 2>/dev/null || "
			     "{ echo \"Error: no such container: $id\" >&2; exit 1; }\n", 0755);
	staging = open(judge_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return staging < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_come_home),
		cmocka_unit_test(test_limit_by_packets),
		cmocka_unit_test(test_container_dies),
		cmocka_unit_test(test_node_is_lost),
		cmocka_unit_test(test_many_targets),
		cmocka_unit_test(test_another_task),
		cmocka_unit_test(test_missing_programs),
	};

	(void)shell;
	return cmocka_run_group_tests(tests, set_up, judge_teardown);
}
