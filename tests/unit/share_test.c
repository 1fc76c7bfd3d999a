/* SPDX-License-Identifier: Apache-2.0
 *
 * share_test.c - targets that turn out to have one namespace: one ring, one file, both known
 */
#include "agent_netns.h"
#include "fake_http.h"

#define WAIT_MS 20000
#define CONTAINER(id, mode, file) \
	"{'Id': '" id "', 'State': {'Running': true}, 'HostConfig': {'NetworkMode': '" mode "'}, " \
	"'NetworkSettings': {'SandboxKey': '/var/run/docker/netns/" file "'}}"

static bool root;
static struct world w;
static struct fake fake;

static const char *const version_header[] = { "Api-Version", "1.41", NULL };

/* owner and other have a namespace; middle lives in owner's, far in middle's; onhost has the host's. */
static const char *const containers[][2] = {
	{ "owner", CONTAINER("owner", "app", "aaaa00000001") },
	{ "middle", CONTAINER("middle", "container:owner", "") },
	{ "far", CONTAINER("far", "container:middle", "") },
	{ "other", CONTAINER("other", "app", "aaaa00000002") },
	{ "onhost", CONTAINER("onhost", "host", "default") },
};

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	if (strstr(url, "/_ping"))
		return fake_answer(c, 200, "OK", 2, version_header);
	for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
		cleanup_free char *path = xasprintf("/v1.41/containers/%s/json", containers[i][0]);
		cleanup_free char *body = xstrdup(containers[i][1]);

		if (strcmp(url, path) != 0)
			continue;
		for (char *p = body; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		return fake_answer(c, 200, body, strlen(body), version_header);
	}
	return fake_answer(c, 404, "{}", 2, version_header);
}

/* Names end with NULL; "host" is the host. */
static struct wire_arm arm_of(const char *const *names)
{
	struct wire_arm a;
	size_t n = 0;

	while (names[n])
		n++;
	a = world_arm(WORLD_ID, n);
	for (size_t i = 0; i < n; i++) {
		free(a.targets[i].key);
		a.targets[i].key = xstrdup(names[i]);
		if (!strcmp(names[i], "host"))
			continue;
		a.targets[i].kind = WIRE_CONTAINER;
		a.targets[i].container_id = xstrdup(names[i]);
	}
	return a;
}

#define ARM(...) arm_of((const char *const[]){ __VA_ARGS__, NULL })

/* as: of each target whose namespace it is captured as; NULL: by itself. */
static void check(const struct wire_report *r, const char *const *as)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		const struct wire_target *t = &r->targets[i];

		assert_int_equal(t->state, as[i] ? WIRE_FAILED : WIRE_ARMED);
		if (as[i]) {
			assert_string_equal(t->same_as, as[i]);
			assert_non_null(strstr(t->error, as[i]));
		} else {
			assert_null(t->same_as);
		}
	}
}

#define CHECK(r, ...) check(r, (const char *const[]){ __VA_ARGS__ })

static void drop(struct capture *c)
{
	captures_remove(w.captures, WORLD_ID, NULL);
	capture_unref(c);
}

static void test_chain(void **state)
{
	struct wire_arm a = ARM("far", "other", "owner", "middle");
	struct pcapng_summary sum;
	cleanup_free char *path = NULL;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	world_report(c, &r);
	CHECK(&r, "owner", NULL, NULL, "owner");
	wire_report_release(&r);
	netns_send(&w, "aaaa00000001", 7);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	world_wait_finished(c, WAIT_MS);
	world_report(c, &r);
	assert_int_equal(r.targets[2].state, WIRE_ENDED);
	assert_int_equal(r.targets[2].packets, 7);
	assert_int_equal(r.targets[0].n_files + r.targets[2].n_files + r.targets[3].n_files, 1);
	path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, r.targets[2].files[0].name);
	world_summarize(path, &sum);
	assert_int_equal(sum.packets, 7);
	wire_report_release(&r);
	drop(c);
}

/* A side-car's end is not the end; the owner's is. Without the owner the first has it. */
static void test_ends(void **state)
{
	struct wire_arm a = ARM("far", "owner");
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	capture_container_died(c, "far");
	world_report(c, &r);
	CHECK(&r, "owner", NULL);
	wire_report_release(&r);
	capture_container_died(c, "owner");
	world_wait_finished(c, WAIT_MS);
	world_report(c, &r);
	assert_int_equal(r.targets[1].end, WIRE_END_TASK_ENDED);
	wire_report_release(&r);
	drop(c);

	a = ARM("far", "middle");
	c = world_start(&w, &a);
	world_report(c, &r);
	CHECK(&r, NULL, "far");
	wire_report_release(&r);
	drop(c);
}

/* The host's is known by its name: who has it, too, is another name of it, wherever it stands. */
static void test_host(void **state)
{
	struct wire_arm a = ARM("onhost", "host", "owner");
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	world_report(c, &r);
	CHECK(&r, "host", NULL, NULL);
	wire_report_release(&r);
	drop(c);
}

/* What is seen through another filter is another capture. */
static void test_filters(void **state)
{
	struct wire_arm a = ARM("onhost", "host", "owner", "far");
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.targets[1].filter = xstrdup("udp port 4789");
	a.targets[2].filter = xstrdup("tcp");
	a.targets[3].filter = xstrdup("tcp");
	c = world_start(&w, &a);
	world_report(c, &r);
	CHECK(&r, NULL, NULL, NULL, "owner");
	wire_report_release(&r);
	drop(c);
}

static size_t count_rings(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		int domain = 0;
		socklen_t len = sizeof(domain);

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0)
			n += domain == AF_PACKET;
	}
	return n;
}

/* Files of the capture's directory that begin with the number of a target, hidden or not. */
static size_t count_files(int target)
{
	cleanup_free char *dir = xasprintf("%s/%s", w.spool_dir, WORLD_ID);
	DIR *d = opendir(dir);
	struct dirent *f;
	size_t n = 0;

	assert_non_null(d);
	while ((f = readdir(d))) {
		const char *name = f->d_name + strspn(f->d_name, ".");

		n += name[0] == '0' + target && name[1] == '-';
	}
	closedir(d);
	return n;
}

/* Nothing is left of the ring and the file that were let go. */
static void test_lets_go(void **state)
{
	struct wire_arm a = ARM("owner", "middle", "far");
	struct capture *c;

	WORLD_SKIP(root);
	for (int i = 0; i < WAIT_MS / 10 && count_rings(); i++)
		clock_sleep_ms(10);	/* of the last test's */
	assert_int_equal(count_rings(), 0);
	c = world_start(&w, &a);
	assert_int_equal(count_rings(), 1);
	assert_int_equal(count_files(0), 1);
	assert_int_equal(count_files(1) + count_files(2), 0);
	drop(c);
}

/* A live view too gets each packet once. */
static void test_live(void **state)
{
	struct wire_arm a = ARM("far", "owner", "other");
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.live = a.attached = true;
	c = world_start(&w, &a);
	world_report(c, &r);
	CHECK(&r, "owner", NULL, NULL);
	assert_int_equal(count_rings(), 2);
	wire_report_release(&r);
	drop(c);
}

static int set_up(void **state)
{
	root = world_enter();
	if (!root)
		return 0;
	world_make(&w);
	fake_start_unix(&fake, answer, NULL);
	free(w.node.engine);
	w.node.engine = xasprintf("unix://%s", fake.path);
	netns_make(&w, "aaaa00000001");
	netns_make(&w, "aaaa00000002");
	return 0;
}

static int tear_down(void **state)
{
	if (!root)
		return 0;
	netns_remove(&w, "aaaa00000001");
	netns_remove(&w, "aaaa00000002");
	world_free(&w);
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_lets_go),
		cmocka_unit_test(test_live),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
