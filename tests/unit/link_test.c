/* SPDX-License-Identifier: Apache-2.0
 *
 * link_test.c - clocks estimated; answers of an agent, good and bad; files fetched in pieces
 */
#include "../../coordinator/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "fake_http.h"

#define ID "20261123T143905Z-3fa9c1"
#define FILE_SIZE 200000

/* ---- clock */

static void clock_takes_the_shortest_round_trip(void **state)
{
	const struct link_probe probes[] = {
		{ 1000, 6000, 3000 },	/* 2000 ns: offset 4000 */
		{ 5000, 10250, 5500 },	/* 500 ns: offset 5000 */
		{ 9000, 20000, 19000 },
	};
	struct link_clock c;

	link_clock_estimate(probes, 3, &c);
	assert_int_equal(c.offset_ns, 5000);
	assert_int_equal(c.error_ns, 250);
	assert_int_equal(c.probes, 3);
}

static void clock_may_be_behind(void **state)
{
	const struct link_probe probe = { 1000000, 1, 1000001 };
	struct link_clock c;

	link_clock_estimate(&probe, 1, &c);
	assert_int_equal(c.offset_ns, 1 - 1000000);
	assert_int_equal(c.error_ns, 1);
}

static void clock_ignores_nonsense(void **state)
{
	const struct link_probe probes[] = {
		{ 5000, 5000, 4000 },	/* received before it was sent */
		{ 5000, 0, 5100 },
		{ 5000, -7, 5100 },
	};
	struct link_clock c;

	link_clock_estimate(probes, 3, &c);
	assert_int_equal(c.probes, 0);
	assert_int_equal(c.offset_ns, 0);
	link_clock_estimate(NULL, 0, &c);
	assert_int_equal(c.probes, 0);
}

static void clock_drift_is_followed(void **state)
{
	const struct link_clock first = { .offset_ns = 1000, .error_ns = 100, .probes = 8, .at_ns = 5 * NS_PER_S };
	struct link_clock later = { .offset_ns = 1150, .error_ns = 60, .probes = 8, .at_ns = 15 * NS_PER_S };
	const struct link_clock none = { 0 };
	struct link_clock c;

	/* within the errors: the better one, and no drift */
	link_clock_join(&first, &later, &c);
	assert_int_equal(c.offset_ns, 1150);
	assert_int_equal(c.error_ns, 60);
	assert_int_equal(c.drift_ppb, 0);
	assert_int_equal(link_clock_offset(&c, NS_PER_S), 1150);

	/* 20 ppm */
	later.offset_ns = 201000;
	link_clock_join(&first, &later, &c);
	assert_int_equal(c.drift_ppb, 20000);
	assert_int_equal(c.error_ns, 100);
	assert_int_equal(link_clock_offset(&c, 5 * NS_PER_S), 1000);
	assert_int_equal(link_clock_offset(&c, 6 * NS_PER_S), 21000);
	assert_int_equal(link_clock_offset(&c, 4 * NS_PER_S), -19000);
	later.offset_ns = -199000;
	link_clock_join(&first, &later, &c);
	assert_int_equal(c.drift_ppb, -20000);

	/* it was set: nothing is linear, and nothing certain */
	later.offset_ns = 3 * NS_PER_S + 1000;
	link_clock_join(&first, &later, &c);
	assert_int_equal(c.offset_ns, 1000);
	assert_int_equal(c.drift_ppb, 0);
	assert_int_equal(c.error_ns, 3 * NS_PER_S + 100);

	link_clock_join(&none, &later, &c);
	assert_int_equal(c.offset_ns, later.offset_ns);
	link_clock_join(&first, &none, &c);
	assert_int_equal(c.offset_ns, 1000);
	link_clock_join(&first, &first, &c);
	assert_int_equal(c.offset_ns, 1000);
}

/* ---- an agent that answers what the test wants */

struct agent {
	struct fake fake;
	unsigned int status;
	const char *text;
	/* of files */
	char *bytes;
	size_t serve;			/* bytes of the first answers, then the connection breaks */
	int broken;			/* how many answers break */
	int wrong;			/* how many answers have a wrong byte */
	atomic_int requests;
	const char *sum;		/* what it answers when it is asked for a file's checksum */
	atomic_int sums;		/* how often it was */
	int silent;			/* the first ones of those are not answered */
	bool ignore_range;
	size_t shortened;		/* 0: the file has all its bytes */
};

struct piece {
	struct agent *agent;
	size_t from, cut;
	bool wrong;
};

static ssize_t read_piece(void *arg, uint64_t at, char *to, size_t max)
{
	struct piece *p = arg;
	size_t pos = p->from + at, n = FILE_SIZE - pos;

	if (pos >= p->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = n < max ? n : max;
	n = n < p->cut - pos ? n : p->cut - pos;
	memcpy(to, p->agent->bytes + pos, n);
	if (p->wrong)
		to[0] ^= 1;
	return (ssize_t)n;
}

static enum MHD_Result serve_file(struct agent *a, struct MHD_Connection *c)
{
	const char *range = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Range");
	struct piece *p = xcalloc(1, sizeof(*p));
	struct MHD_Response *r;
	enum MHD_Result rc;
	unsigned int status = 200;

	p->agent = a;
	p->cut = a->broken-- > 0 ? a->serve : FILE_SIZE;
	p->wrong = a->wrong-- > 0;
	if (range && !a->ignore_range) {
		p->from = strtoul(range + strlen("bytes="), NULL, 10);
		p->cut = p->from + p->cut < FILE_SIZE ? p->from + p->cut : FILE_SIZE;
		status = 206;
	}
	r = MHD_create_response_from_callback((a->shortened ? a->shortened : FILE_SIZE) - p->from, 16384, read_piece, p, free);
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **con)
{
	struct agent *a = arg;
	static int seen;

	if (!*con) {
		*con = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	a->requests++;
	if (a->bytes && strstr(url, "/sum")) {
		if (++a->sums <= a->silent)
			return MHD_NO;
		return fake_answer(c, a->status, a->sum, strlen(a->sum), NULL);
	}
	if (a->bytes && strstr(url, "/files/"))
		return serve_file(a, c);
	return fake_answer(c, a->status, a->text, strlen(a->text), NULL);
}

static struct link *dial(struct agent *a)
{
	struct err err = ERR_INIT;
	struct link *l = NULL;

	fake_start_unix(&a->fake, handle, a);
	assert_int_equal(link_new(&l, &(struct link_place){ .address = a->fake.path }, &err), 0);
	return l;
}

static void hang_up(struct agent *a, struct link *l)
{
	link_free(l);
	fake_stop(&a->fake);
}

static const char a_report[] =
	"{\"id\": \"" ID "\", \"token\": \"0123456789abcdef0123456789abcdef\", \"node_id\": \"n1\","
	" \"node_name\": \"node1\", \"version\": \"0.1.0\", \"state\": \"running\","
	" \"targets\": []}";

static int ask_report(unsigned int status, const char *text, struct err *err)
{
	struct agent a = { .status = status, .text = text };
	struct link *l = dial(&a);
	struct wire_report r;
	int rc = link_report(l, ID, &r, err);

	wire_report_release(&r);
	hang_up(&a, l);
	return rc;
}

static void answers_become_results(void **state)
{
	static const struct {
		unsigned int status;
		const char *text;
		int rc;
		const char *words;
	} cases[] = {
		{ 200, a_report, 0, "" },
		{ 404, "{\"error\": {\"code\": \"not-found\", \"message\": \"no such capture\"}}",
		  LINK_E_NOT_FOUND, "no such capture" },
		{ 404, "<html>", LINK_E_NOT_FOUND, "speaks another API" },
		{ 403, "{\"error\": {\"code\": \"forbidden\", \"message\": \"not you\"}}",
		  LINK_E_REFUSED, "not you" },
		{ 500, "", LINK_E_REFUSED, "HTTP status 500" },
		{ 409, "{\"error\": {\"code\": \"wrong-node\", \"message\": \"I am n2\"}}",
		  LINK_E_WRONG_NODE, "I am n2" },
		{ 200, "nonsense", -EPROTO, "" },
		{ 200, "{}", -EPROTO, "" },
		{ 200,
		  "{\"id\": \"20261123T143905Z-000000\", \"node_id\": \"n1\","
		  " \"state\": \"running\"}",
		  -EPROTO, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		int rc = ask_report(cases[i].status, cases[i].text, &err);

		if (rc != cases[i].rc || !strstr(err.text, cases[i].words))
			fail_msg("case %zu: %d '%s'", i, rc, err.text);
	}
}

static void an_id_is_checked_before_it_is_a_path(void **state)
{
	struct agent a = { .status = 200, .text = a_report };
	struct link *l = dial(&a);
	struct err err = ERR_INIT;
	struct wire_report r;

	assert_int_equal(link_report(l, "../info", &r, &err), -EINVAL);
	wire_report_release(&r);
	assert_int_equal(link_remove(l, "x", NULL), -EINVAL);
	assert_int_equal(a.requests, 0);
	hang_up(&a, l);
}

static void arm_wants_the_right_node(void **state)
{
	struct wire_arm arm = { .node_id = (char *)"n1",
				.node_name = (char *)"node1",
				.snaplen = 96 };
	struct agent a = { .status = 201, .text = a_report };
	struct link *l = dial(&a);
	struct err err = ERR_INIT;
	struct wire_report r;

	strcpy(arm.id, ID);
	assert_int_equal(link_arm(l, &arm, &r, &err), 0);
	assert_string_equal(r.token, "0123456789abcdef0123456789abcdef");
	wire_report_release(&r);
	arm.node_id = (char *)"n2";
	assert_int_equal(link_arm(l, &arm, &r, &err), LINK_E_WRONG_NODE);
	assert_non_null(strstr(err.text, "'n1', not 'n2'"));
	wire_report_release(&r);
	hang_up(&a, l);
}

static void time_is_told(void **state)
{
	struct agent a = { .status = 200, .text = "{\"now_ns\": 1763908745000000000}" };
	struct link *l = dial(&a);
	struct link_clock c;

	assert_int_equal(link_clock(l, 5, &c, NULL), 0);
	assert_int_equal(c.probes, 5);
	assert_int_equal(a.requests, 5);
	assert_true(c.error_ns > 0);
	a.text = "{\"now_ns\": \"late\"}";
	assert_int_equal(link_clock(l, 5, &c, NULL), -EPROTO);
	hang_up(&a, l);
}

/* ---- fetch */

struct fetched {
	char dir[32];
	int dirfd;
	char xxh128[CHECKSUM_HEX], sha256[DIGEST_HEX];
	struct link_file want;
	size_t progress;
};

static void count(void *arg, size_t n)
{
	((struct fetched *)arg)->progress += n;
}

static void fetch_prepare(struct fetched *f, struct agent *a)
{
	struct checksum *c = checksum_new();

	a->bytes = xmalloc(FILE_SIZE);
	for (size_t i = 0; i < FILE_SIZE; i++)
		a->bytes[i] = (char)(i * 7 + i / 251);
	checksum_add(c, a->bytes, FILE_SIZE);
	checksum_end(c, f->xxh128);

	strcpy(f->dir, "/tmp/swarmcap-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dirfd = open(f->dir, O_DIRECTORY | O_CLOEXEC);
	f->want = (struct link_file){ .id = ID,
				      .spool_name = "0-000.pcapng",
				      .name = "0-x",
				      .dirfd = f->dirfd,
				      .bytes = FILE_SIZE,
				      .xxh128 = f->xxh128,
				      .sha256 = f->sha256,
				      .tries = 3,
				      .progress = count,
				      .arg = f };
}

static void fetch_clean(struct fetched *f, struct agent *a)
{
	close(f->dirfd);
	util_remove_tree_at(AT_FDCWD, f->dir);
	free(a->bytes);
}

static int fetch(struct agent *a, struct fetched *f, struct err *err)
{
	struct link *l = dial(a);
	bool local = true;
	int rc = link_fetch(l, &f->want, &local, err);

	assert_false(local);
	hang_up(a, l);
	return rc;
}

static void assert_whole(const struct fetched *f)
{
	char hex[DIGEST_HEX];
	int fd = openat(f->dirfd, f->want.name, O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(digest_fd(fd, hex), 0);
	assert_string_equal(hex, f->sha256);
	close(fd);
}

static void assert_absent(const struct fetched *f)
{
	assert_int_equal(faccessat(f->dirfd, f->want.name, F_OK, 0), -1);
}

static void fetches_at_once(void **state)
{
	struct agent a = { 0 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), 0);
	assert_int_equal(a.requests, 1);
	assert_int_equal(f.progress, FILE_SIZE);
	assert_whole(&f);
	fetch_clean(&f, &a);
}

/* As fast as was allowed, through a break too, and every byte is right. */
static void fetches_at_a_rate(void **state)
{
	struct agent a = { .serve = FILE_SIZE / 2, .broken = 1 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;
	struct link *l = dial(&a);
	int64_t before = clock_mono_ns();
	bool local = true;

	fetch_prepare(&f, &a);
	link_set_fetch_rate(l, FILE_SIZE / 2);
	assert_int_equal(link_fetch(l, &f.want, &local, &err), 0);
	assert_in_range((clock_mono_ns() - before) / NS_PER_MS, 2000, 10000);
	assert_whole(&f);
	hang_up(&a, l);
	fetch_clean(&f, &a);
}

static void resumes_what_breaks(void **state)
{
	struct agent a = { .serve = 80000, .broken = 2 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), 0);
	assert_int_equal(a.requests, 3);
	assert_int_equal(f.progress, FILE_SIZE);
	assert_whole(&f);
	fetch_clean(&f, &a);
}

static void resumes_where_ranges_are_ignored(void **state)
{
	struct agent a = { .serve = 80000, .broken = 1, .ignore_range = true };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), 0);
	assert_whole(&f);
	fetch_clean(&f, &a);
}

static void wrong_bytes_are_fetched_again(void **state)
{
	struct agent a = { .wrong = 1 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), 0);
	assert_int_equal(a.requests, 2);
	assert_whole(&f);
	fetch_clean(&f, &a);
}

static void wrong_bytes_twice_are_an_error(void **state)
{
	struct agent a = { .wrong = 2 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "does not match, twice"));
	assert_absent(&f);
	fetch_clean(&f, &a);
}

/* A report that tells no checksum: the agent is asked behind the bytes. */
static void the_agent_is_asked_for_a_sum(void **state)
{
	cleanup_free char *right = NULL;
	struct agent a = { .status = 200, .serve = 80000, .broken = 1, .silent = 1 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	a.sum = right = xasprintf("{\"xxh128\": \"%s\"}", f.xxh128);
	f.want.xxh128 = "";
	assert_int_equal(fetch(&a, &f, &err), 0);
	assert_int_equal(a.sums, 2);
	assert_int_equal(f.progress, FILE_SIZE);
	assert_whole(&f);
	fetch_clean(&f, &a);
}

static void another_sum_is_an_error(void **state)
{
	struct agent a = { .status = 200, .sum = "{\"xxh128\": \"0123456789abcdef0123456789abcdef\"}" };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	f.want.xxh128 = "";
	assert_int_equal(fetch(&a, &f, &err), -EBADMSG);
	assert_int_equal(a.sums, 2);
	assert_non_null(strstr(err.text, "does not match, twice"));
	assert_absent(&f);
	fetch_clean(&f, &a);
}

/* What cannot be checked is not taken for good. */
static void no_sum_is_an_error(void **state)
{
	static const struct {
		unsigned int status;
		const char *sum, *why;
		int rc;
	} list[] = {
		{ 200, "{}", "tells no checksum", -EPROTO },
		{ 200, "{\"xxh128\": \"\"}", "tells no checksum", -EPROTO },
		{ 200, "{\"xxh128\": \"0123\"}", "tells no checksum", -EPROTO },
		{ 200, "[", "the answer of the agent", -EPROTO },
		{ 500, "{\"error\": {\"code\": \"internal\", \"message\": \"bad disk\"}}", "bad disk",
		  LINK_E_REFUSED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct agent a = { .status = list[i].status, .sum = list[i].sum };
		struct fetched f = { 0 };
		struct err err = ERR_INIT;

		fetch_prepare(&f, &a);
		f.want.xxh128 = "";
		assert_int_equal(fetch(&a, &f, &err), list[i].rc);
		assert_int_equal(a.sums, 1);
		assert_non_null(strstr(err.text, list[i].why));
		assert_absent(&f);
		fetch_clean(&f, &a);
	}
}

/* Not a connection that broke: it is fetched once more, and then it is this file's error. */
static void a_shortened_file_is_damaged(void **state)
{
	struct agent a = { .shortened = FILE_SIZE / 2 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "has but"));
	assert_int_equal(a.requests, 2);
	assert_absent(&f);
	fetch_clean(&f, &a);
}

static void a_file_named_twice_is_the_agents_fault(void **state)
{
	struct agent a = { 0 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	assert_int_equal(fetch(&a, &f, &err), 0);
	assert_int_equal(fetch(&a, &f, &err), -EINVAL);
	assert_non_null(strstr(err.text, "twice"));
	assert_whole(&f);
	fetch_clean(&f, &a);
}

static void more_than_announced_is_refused(void **state)
{
	struct agent a = { 0 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	f.want.bytes = FILE_SIZE - 1;
	assert_int_equal(fetch(&a, &f, &err), -EMSGSIZE);
	assert_absent(&f);
	fetch_clean(&f, &a);
}

static void gives_up_when_nothing_comes(void **state)
{
	struct agent a = { .serve = 0, .broken = 100 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	f.want.tries = 2;
	assert_true(fetch(&a, &f, &err) < 0);
	assert_int_equal(a.requests, 2);
	assert_absent(&f);
	fetch_clean(&f, &a);
}

static void hostile_names_are_no_paths(void **state)
{
	static const char *const names[] = { "../x", ".x", "", "a/b", "a\nb" };
	struct agent a = { 0 };
	struct fetched f = { 0 };

	fetch_prepare(&f, &a);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = ERR_INIT;

		f.want.spool_name = names[i];
		assert_int_equal(fetch(&a, &f, &err), -EINVAL);
	}
	assert_int_equal(a.requests, 0);
	fetch_clean(&f, &a);
}

static void cancelled_fetch_ends(void **state)
{
	volatile bool cancel = true;
	struct agent a = { .serve = 1000, .broken = 100 };
	struct fetched f = { 0 };
	struct err err = ERR_INIT;

	fetch_prepare(&f, &a);
	f.want.cancel = &cancel;
	assert_true(fetch(&a, &f, &err) < 0);
	assert_true(a.requests <= 1);
	fetch_clean(&f, &a);
}

static int start_curl(void **state)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int stop_curl(void **state)
{
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_takes_the_shortest_round_trip),
		cmocka_unit_test(clock_may_be_behind),
		cmocka_unit_test(clock_ignores_nonsense),
		cmocka_unit_test(clock_drift_is_followed),
		cmocka_unit_test(answers_become_results),
		cmocka_unit_test(an_id_is_checked_before_it_is_a_path),
		cmocka_unit_test(arm_wants_the_right_node),
		cmocka_unit_test(time_is_told),
		cmocka_unit_test(fetches_at_once),
		cmocka_unit_test(fetches_at_a_rate),
		cmocka_unit_test(resumes_what_breaks),
		cmocka_unit_test(resumes_where_ranges_are_ignored),
		cmocka_unit_test(wrong_bytes_are_fetched_again),
		cmocka_unit_test(wrong_bytes_twice_are_an_error),
		cmocka_unit_test(the_agent_is_asked_for_a_sum),
		cmocka_unit_test(another_sum_is_an_error),
		cmocka_unit_test(no_sum_is_an_error),
		cmocka_unit_test(a_shortened_file_is_damaged),
		cmocka_unit_test(a_file_named_twice_is_the_agents_fault),
		cmocka_unit_test(more_than_announced_is_refused),
		cmocka_unit_test(gives_up_when_nothing_comes),
		cmocka_unit_test(hostile_names_are_no_paths),
		cmocka_unit_test(cancelled_fetch_ends),
	};

	return cmocka_run_group_tests(tests, start_curl, stop_curl);
}
