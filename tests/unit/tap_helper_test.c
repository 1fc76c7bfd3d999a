/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_helper_test.c - the helper's container: what is asked of the Engine, and what is left alone
 *
 * With $HELPER_SOCKET set (tests/system/helper.bats) the program is no test, but the route by hand: it
 * captures the container $HELPER_CONTAINER of task $HELPER_TASK through the Engine at that socket
 * until its stdin ends, and writes the capture to $HELPER_OUT; what it needs meanwhile is in $HELPER_DIR.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "../../coordinator/helper_box.h"
#include "../../coordinator/hire.h"
#include "../../coordinator/reach.h"
#include "../../coordinator/tap_helper.h"

#define CAPTURE_ID "20261123T143905Z-3fa9c1"

static struct wire_arm an_arm(void)
{
	struct wire_arm a = { .deadline_ms = 60000, .lease_ms = 60000, .snaplen = 262144,
			      .filter = (char *)"tcp port 80" };

	snprintf(a.id, sizeof(a.id), CAPTURE_ID);
	return a;
}

static struct wire_wanted a_task(void)
{
	return (struct wire_wanted){ .key = (char *)"web.1", .kind = WIRE_TASK,
				     .label = (char *)"web.1", .container_id = (char *)"c0ffee",
				     .task_id = (char *)"t1" };
}

/* The security of the route stands in this body. */
static void test_body(void **state)
{
	struct wire_arm a = an_arm();
	struct wire_wanted w = a_task();
	const struct box_plan p = { .image = "i", .kind = BOX_AGENT, .arm = &a, .wanted = &w,
				    .now_s = 1000 };
	cleanup_json json_t *j = box_encode(&p);
	cleanup_free char *host = jx_dump(jx_get(j, "HostConfig"));
	cleanup_free char *cmd = jx_dump(jx_get(j, "Cmd"));

	assert_string_equal(host,
		"{\"NetworkMode\":\"container:c0ffee\",\"CapDrop\":[\"ALL\"],"
		"\"CapAdd\":[\"NET_RAW\"],\"ReadonlyRootfs\":true,\"AutoRemove\":true,"
		"\"Memory\":268435456,\"PidsLimit\":32,\"SecurityOpt\":[\"no-new-privileges\"],"
		"\"LogConfig\":{\"Type\":\"none\"},\"Init\":false}");
	assert_string_equal(cmd, "[\"sniff\",\"--beat\",\"60\",\"--snaplen\",\"262144\","
			    "\"--filter\",\"tcp port 80\"]");
	assert_null(jx_get(j, "Entrypoint"));
	assert_false(jx_bool(j, "Tty", true));
	assert_true(jx_bool(j, "OpenStdin", false));
	assert_true(jx_bool(j, "StdinOnce", false));
	assert_string_equal(jx_str(j, "Labels.=" BOX_LABEL, ""), CAPTURE_ID);
	assert_string_equal(jx_str(j, "Labels.=" BOX_LABEL_DEADLINE, ""), "1180");
}

static void test_body_of_tcpdump(void **state)
{
	struct wire_arm a = an_arm();
	struct wire_wanted w = a_task();
	struct box_plan p = { .image = "i", .kind = BOX_BARE, .arm = &a, .wanted = &w };
	cleanup_json json_t *bare = box_encode(&p), *shell = NULL;
	cleanup_free char *bare_cmd = jx_dump(jx_get(bare, "Cmd")), *shell_cmd = NULL;

	assert_string_equal(bare_cmd, "[\"-G\",\"61\",\"-W\",\"1\",\"-i\",\"any\",\"-n\",\"-U\","
			    "\"-s\",\"262144\",\"-w\",\"-\",\"--\",\"tcp port 80\"]");
	p.kind = BOX_SHELL;
	a.interface = (char *)"eth0";
	w.kind = WIRE_HOST;
	shell = box_encode(&p);
	shell_cmd = jx_dump(jx_get(shell, "Cmd"));
	assert_non_null(strstr(shell_cmd, "[\"sh\",\"60\",\"-i\",\"eth0\""));
	assert_int_equal(jx_len(shell, "Entrypoint"), 3);
	assert_string_equal(jx_str(shell, "HostConfig.NetworkMode", ""), "host");
	assert_string_equal(jx_str(shell, "HostConfig.UsernsMode", ""), "host");
}

static void test_times(void **state)
{
	assert_int_equal(box_parse_time("2026-11-23T14:39:05.123456789Z"), 1795444745);
	assert_int_equal(box_parse_time("2026-11-23T14:39:05Z"), 1795444745);
	assert_int_equal(box_parse_time("2026-11-23T16:09:05.1+01:30"), 1795444745);
	assert_int_equal(box_parse_time("2026-11-23T10:39:05-04:00"), 1795444745);
	assert_int_equal(box_parse_time(""), -1);
	assert_int_equal(box_parse_time("2026-11-23"), -1);
	assert_int_equal(box_parse_time("2026-11-23T14:39:05 CET"), -1);
	assert_int_equal(box_parse_time("9999999-11-23T14:39:05Z"), -1);
}

static bool orphan(const char *state, const char *labels, int64_t created)
{
	cleanup_free char *text = xasprintf("{\"State\":\"%s\",\"Created\":%lld,\"Labels\":{%s}}",
					    state, (long long)created, labels);
	cleanup_json json_t *j = NULL;

	assert_int_equal(jx_parse(text, strlen(text), "test", &j, NULL), 0);
	return box_is_orphan(j, 10000);
}

#define OURS "\"swarmcap.helper\":\"x\","

static void test_orphans(void **state)
{
	assert_false(orphan("running", OURS "\"swarmcap.deadline\":\"10000\"", 9000));
	assert_true(orphan("running", OURS "\"swarmcap.deadline\":\"9999\"", 9000));
	assert_true(orphan("running", OURS "\"swarmcap.deadline\":\"soon\"", 9000));
	assert_true(orphan("exited", OURS "\"swarmcap.deadline\":\"10001\"", 9000));
	assert_true(orphan("created", OURS "\"swarmcap.deadline\":\"10001\"", 9000));
	assert_false(orphan("created", OURS "\"swarmcap.deadline\":\"10001\"", 9990));
	/* of others, whatever they are */
	assert_false(orphan("exited", "\"swarmcap.deadline\":\"1\"", 1));
	assert_false(orphan("exited", "", 1));
}

/* ---- by hand ---- */

static int dial(void *arg, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", (const char *)arg);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return err_errno(err, "cannot reach %s", sa.sun_path);
	return take_fd(&fd);
}

static char *environment(const char *name)
{
	char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int fetch(struct link *l, const struct wire_file *f, const char *to, struct err *err)
{
	struct link_file file = { .id = CAPTURE_ID, .spool_name = f->name, .name = to,
				  .dirfd = AT_FDCWD, .bytes = f->bytes, .xxh128 = f->xxh128,
				  .tries = 1 };
	bool local;

	return link_fetch(l, &file, &local, err);
}

static void tell_target(const struct wire_target *t)
{
	fprintf(stderr, "end %s, packets %lld, received %lld, dropped %lld\n",
		wire_end_text(t->end), (long long)t->packets, (long long)t->received,
		(long long)t->dropped_kernel);
	for (size_t i = 0; i < t->n_notes; i++)
		fprintf(stderr, "note %s\n", t->notes[i]);
	for (size_t i = 0; i < t->n_interfaces; i++)
		fprintf(stderr, "interface %s\n", t->interfaces[i].name);
	if (t->error)
		fprintf(stderr, "error %s\n", t->error);
}

static int wait_for_files(struct link *l, struct wire_report *r, struct err *err)
{
	int rc = 0;

	for (int i = 0; !rc && r->running && i < 200; i++) {
		clock_sleep_ms(100);
		wire_report_release(r);
		rc = link_report(l, CAPTURE_ID, r, err);
	}
	return rc;
}

static int capture(struct link *l, struct err *err)
{
	struct wire_arm a = an_arm();
	struct wire_wanted w = a_task();
	struct wire_report r = { 0 };
	const struct link_word word = { .id = CAPTURE_ID, .reason = "stopped" };
	char byte;
	int rc;

	w.container_id = environment("HELPER_CONTAINER");
	w.task_id = environment("HELPER_TASK");
	a.filter = environment("HELPER_FILTER");
	a.targets = &w;
	a.n_targets = 1;
	a.node_id = a.node_name = (char *)"node1";
	rc = link_arm(l, &a, &r, err);
	if (!rc && r.targets[0].state == WIRE_FAILED)
		rc = err_set(err, -EIO, "%s", r.targets[0].error);
	if (!rc) {
		fprintf(stderr, "armed\n");
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		wire_report_release(&r);
		rc = link_stop(l, &word, &r, err);
	}
	if (!rc)
		rc = wait_for_files(l, &r, err);
	if (!rc) {
		tell_target(&r.targets[0]);
		rc = fetch(l, &r.targets[0].files[0], environment("HELPER_OUT"), err);
	}
	wire_report_release(&r);
	return rc;
}

static int by_hand(void)
{
	const struct helper_place at = {
		.dialer = { dial, environment("HELPER_SOCKET") }, .node = "node1",
		.image = environment("HELPER_IMAGE"), .pull = environment("HELPER_PULL"),
	};
	cleanup_free char *dir = xasprintf("%s/helper-XXXXXX", environment("HELPER_DIR"));
	struct tap_place tap = { .node_id = "node1", .node_name = "node1", .peer = "node1" };
	struct helper *h = NULL;
	struct link *l = NULL;
	struct err err = ERR_INIT;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = helper_new(&h, &at, &err);
	if (!rc && mkdtemp(dir)) {
		tap.source = helper_source(h);
		tap.arg = h;
		tap.version = helper_version(h);
		tap.staging_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = tap_open(&l, &tap, &err);
		rc = rc ? rc : capture(l, &err);
		link_free(l);
		util_close(tap.staging_fd);
		util_remove_tree_at(AT_FDCWD, dir);
	}
	if (rc)
		fprintf(stderr, "%s%s\n", rc == REACH_E_CLOSED ? "closed: " : "", err.text);
	return rc ? 1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_body_of_tcpdump),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_orphans),
	};

	if (environment("HELPER_SOCKET"))
		return by_hand();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
