/* SPDX-License-Identifier: Apache-2.0
 *
 * agent_world.h - a place for the agent's tests: a network namespace of their own, a spool
 *
 * world_enter moves the test program into a new network and mount namespace, with loopback up and
 * nothing else in it: what the agent calls the host's namespace is this one, and all packets
 * in it are the test's. Without root the tests are skipped.
 */
#ifndef AGENT_WORLD_H
#define AGENT_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../agent/captures.h"
#include "pcapfile.h"

#define WORLD_PORT 4242
#define WORLD_ID "20261123T143905Z-3fa9c1"
#define WORLD_PAYLOAD 100	/* bytes of a packet's data; 142 with its headers */
#define WORLD_FRAME (14 + 20 + 8 + WORLD_PAYLOAD)

struct world {
	char dir[64], *spool_dir;
	struct node node;
	struct spool *spool;
	struct metrics metrics;
	struct works works;
	struct captures *captures;
	struct capture_env env;
};

static inline void world_loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	r.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_return_code(ioctl(s, SIOCSIFFLAGS, &r), errno);
	close(s);
}

/* False: not root. */
static inline bool world_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return false;
	assert_return_code(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	world_loopback_up();
	return true;
}

static inline void world_open(struct world *w, const struct spool_limits *limits)
{
	struct err err = ERR_INIT;

	assert_int_equal(spool_open(&w->spool, w->spool_dir, limits, &err), 0);
	assert_int_equal(works_start(&w->works, WORKS_RING_BYTES, &err), 0);
	w->env = (struct capture_env){ .node = &w->node, .spool = w->spool,
				       .metrics = &w->metrics, .works = &w->works };
	w->captures = captures_new(&w->env, CAPTURES_KEEP_MS);
	spool_on_full(w->spool, captures_make_room, w->captures);
}

static inline void world_make(struct world *w)
{
	const struct spool_limits none = { .quota = 256 << 20, .floor = 0 };

	*w = (struct world){ .dir = "/tmp/swarmcap-agent-test-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	w->spool_dir = xasprintf("%s/spool", w->dir);
	w->node = (struct node){
		.id = xstrdup("node1id"), .name = xstrdup("node1"), .address = xstrdup(""),
		.engine_version = xstrdup("20.10"), .kernel = xstrdup("6.1"),
		.engine = xasprintf("unix://%s/none.sock", w->dir), .netns_dir = xstrdup(w->dir),
	};
	world_open(w, &none);
}

/* The agent is gone; its spool stays. */
static inline void world_close(struct world *w)
{
	if (w->captures)
		captures_stop_all(w->captures, WIRE_END_AGENT_LOST, NULL);
	captures_free(w->captures);
	w->captures = NULL;
	works_stop(&w->works);
	spool_close(w->spool);
	w->spool = NULL;
}

static inline int world_remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static inline void world_free(struct world *w)
{
	world_close(w);
	node_release(&w->node);
	free(w->spool_dir);
	nftw(w->dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* n UDP packets over loopback, each seen once. */
static inline void world_send(int n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(WORLD_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char payload[WORLD_PAYLOAD] = "";
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* somebody listens, or there would be answers that nobody is there */
	assert_return_code(bind(r, (struct sockaddr *)&to, sizeof(to)), errno);
	for (int i = 0; i < n; i++) {
		memcpy(payload, &i, sizeof(i));
		assert_int_equal(sendto(s, payload, sizeof(payload), 0, (struct sockaddr *)&to,
					sizeof(to)), sizeof(payload));
	}
	close(s);
	close(r);
}

static inline void world_summarize(const char *path, struct pcapng_summary *out)
{
	struct err err = ERR_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	if (segment_format_of(path) == WIRE_PCAP)
		assert_int_equal(pcapfile_summarize(fd, out, &err), 0);
	else
		assert_int_equal(pcapng_summarize(fd, out, &err), 0);
	assert_false(out->cut);
	close(fd);
}

/* A request for the namespace that the program stands in. */
static inline struct wire_arm world_arm(const char *id, size_t targets)
{
	struct wire_arm a = { .node_id = xstrdup("node1id"), .node_name = xstrdup("node1"),
			      .lease_ms = 60000, .deadline_ms = 60000, .snaplen = 262144 };

	snprintf(a.id, sizeof(a.id), "%s", id);
	a.targets = xcalloc(targets, sizeof(*a.targets));
	a.n_targets = targets;
	for (size_t i = 0; i < targets; i++) {
		a.targets[i].key = xasprintf("host%zu", i);
		a.targets[i].kind = WIRE_HOST;
		a.targets[i].label = xstrdup("host");
	}
	return a;
}

/* Arms and takes the reference; the capture must be new. */
static inline struct capture *world_start(struct world *w, struct wire_arm *a)
{
	struct capture *c = NULL;
	struct err err = ERR_INIT;

	if (captures_arm(w->captures, a, "digest", &c, &err))
		fail_msg("%s", err.text);
	wire_arm_release(a);
	return c;
}

/* The report as a struct; release it. */
static inline void world_report(struct capture *c, struct wire_report *r)
{
	cleanup_json json_t *j = capture_report(c, CAPTURE_VIEW_FULL);
	struct err err = ERR_INIT;

	if (wire_report_decode(j, r, &err))
		fail_msg("%s", err.text);
}

static inline void world_wait_finished(struct capture *c, int ms)
{
	struct capture_facts f;

	for (int i = 0; i < ms / 10; i++) {
		capture_facts(c, &f);
		if (!f.running)
			return;
		clock_sleep_ms(10);
	}
	fail_msg("the capture still runs after %d ms", ms);
}

#define WORLD_SKIP(ok) do { if (!(ok)) { print_message("needs root\n"); skip(); } } while (0)

#endif
