/* SPDX-License-Identifier: Apache-2.0
 *
 * extcap_test.c - what Wireshark is answered, judged by Wireshark's own expressions, and in time
 */
#include "fake_http.h"
#include "recorded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <sys/wait.h>

#include "../../coordinator/extcap.h"
#include "../../coordinator/options.h"
#include "../../coordinator/request.h"
#include "../../coordinator/resolve.h"
#include "version.h"

#define LIST_HEAD "extcap {version=" SWARMCAP_VERSION "}{display=Docker Swarm}\n"
#define WORDS_MAX 32
#define FAR_BEYOND_MS 20000	/* what hangs would hang for longer: http.h */

/* ---- a program that is called ---- */

static int split(const char *line, char *text, char **argv)
{
	char *save = NULL;
	int argc = 0;

	strcpy(text, line);
	for (char *w = strtok_r(text, " ", &save); w && argc < WORDS_MAX; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

#define CHILD "--child"		/* LINE MS: called() in a process of its own */

static void run_child(const char *line, long list_ms)
{
	char text[1024], *argv[WORDS_MAX + 1];
	int argc = split(line, text, argv);
	struct err err = ERR_INIT;
	int status;

	if (list_ms) {
		extcap_list(list_ms, false, &err);
		status = 0;
	} else {
		status = extcap_main(argc, argv);
	}
	fflush(stdout);
	_exit(status);
}

/* Status, with what it says in out. list_ms: extcap_list alone, with this time. */
static int called(const char *line, long list_ms, char *out, size_t size)
{
	int fds[2], status = 0;
	char ms[32];
	size_t n = 0;
	pid_t pid;

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	fflush(stdout);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		/* a fake engine's thread may hold a lock of malloc's just now: this program anew has none */
		snprintf(ms, sizeof(ms), "%ld", list_ms);
		dup2(fds[1], STDOUT_FILENO);
		execl("/proc/self/exe", "extcap_test", CHILD, line, ms, NULL);
		_exit(127);
	}
	close(fds[1]);
	for (;;) {
		struct pollfd p = { .fd = fds[0], .events = POLLIN };
		ssize_t k;

		if (poll(&p, 1, FAR_BEYOND_MS) == 0) {
			kill(pid, SIGKILL);
			fail_msg("'%s' does not end", line);
		}
		k = read(fds[0], out + n, size - 1 - n);
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	out[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_called(void **state)
{
	assert_true(extcap_is_called("swarmcap-extcap"));
	assert_true(extcap_is_called("/usr/lib/x86_64-linux-gnu/wireshark/extcap/swarmcap-extcap"));
	assert_false(extcap_is_called("swarmcap"));
	assert_false(extcap_is_called("/opt/swarmcap-extcap/swarmcap"));
	assert_false(extcap_is_called(NULL));
}

/* ---- calls ---- */

static char words[1024];
static char *argv_of[WORDS_MAX + 1];

static int parse(const char *line, struct extcap_call *c, struct err *err)
{
	int argc = split(line, words, argv_of);

	*err = (struct err)ERR_INIT;
	return extcap_parse(argc, argv_of, c, err);
}

static void check_action(const char *line, enum extcap_action action)
{
	struct extcap_call c;
	struct err err;

	if (parse(line, &c, &err) < 0 || c.action != action)
		fail_msg("'%s': action %d, %s", line, c.action, err.text);
}

static void test_actions(void **state)
{
	check_action("x --extcap-interfaces --extcap-version=4.0", EXTCAP_INTERFACES);
	check_action("x --extcap-interfaces", EXTCAP_INTERFACES);
	check_action("x --extcap-dlts --extcap-interface swarmcap:web", EXTCAP_DLTS);
	check_action("x --extcap-config --extcap-interface swarmcap:stack:shop", EXTCAP_CONFIG);
	check_action("x --extcap-interface swarmcap:node:n1 --extcap-config --extcap-reload-option node",
		     EXTCAP_CONFIG);
	check_action("x --extcap-capture-filter tcp --extcap-interface swarmcap:web", EXTCAP_CHECK);
	check_action("x --capture --extcap-interface swarmcap:web --fifo /tmp/f --extcap-capture-filter udp",
		     EXTCAP_CAPTURE);
	check_action("x --capture --extcap-interface swarmcap:web --fifo /tmp/f --extcap-control-in "
		     "/tmp/i --extcap-control-out /tmp/o", EXTCAP_CAPTURE);
	check_action("x --help", EXTCAP_HELP);
	check_action("x --version", EXTCAP_VERSION);
}

static void check_refused(const char *line, const char *sentence)
{
	struct extcap_call c;
	struct err err;
	int rc = parse(line, &c, &err);

	if (rc != -EINVAL || !strstr(err.text, sentence))
		fail_msg("'%s': %d, \"%s\", wanted \"%s\"", line, rc, err.text, sentence);
}

static void test_refused(void **state)
{
	check_refused("x", "--help");
	check_refused("x --extcap-config", "--extcap-interface is needed");
	check_refused("x --extcap-dlts --extcap-interface eth0", "'eth0' is no interface of ours");
	check_refused("x --extcap-dlts --extcap-interface swarmcap:", "no interface of ours");
	check_refused("x --extcap-dlts --extcap-interface swarmcap:!web", "no interface of ours");
	check_refused("x --extcap-dlts --extcap-interface swarmcap:a/b", "no interface of ours");
	check_refused("x --capture --extcap-interface swarmcap:web", "--fifo is needed");
	check_refused("x --capture --fifo /tmp/f", "--extcap-interface is needed");
	check_refused("x --extcap-interfaces web", "unexpected 'web'");
	check_refused("x --extcap-interfaces --nonsense", "'--nonsense'");
	check_refused("x --extcap-config --extcap-interface", "a value is needed");
}

/* ---- the request that it becomes ---- */

static void test_request(void **state)
{
	struct extcap_call c;
	struct request r;
	struct err err;

	assert_int_equal(parse("x --capture --extcap-interface swarmcap:stack:shop --fifo /tmp/f "
			       "--extcap-capture-filter tcp --snaplen 96 --node n1,n2 --no-follow "
			       "--max-targets 7 --tasks 2 --interface eth0 --delay 2s --no-clock-correction", &c, &err), 0);
	assert_string_equal(c.fifo, "/tmp/f");
	if (extcap_request(&c, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(r.command, "live");
	assert_int_equal(r.n_selectors, 1);
	assert_string_equal(r.selectors[0], "stack:shop");
	assert_string_equal(r.filter, "tcp");
	assert_int_equal(r.snaplen, 96);
	assert_int_equal(r.n_only_nodes, 1);
	assert_string_equal(r.only_nodes[0], "n1,n2");
	assert_true(r.no_follow);
	assert_int_equal(r.max_targets, 7);
	assert_int_equal(r.tasks, 2);
	assert_string_equal(r.interface, "eth0");
	assert_int_equal(r.delay_ms, 2000);
	assert_true(r.no_clock_correction);
	assert_int_equal(r.verbosity, LOG_WARN);
	request_release(&r);
}

/* Wireshark passes on empty values, and any text from its dialogue. */
static void test_request_values(void **state)
{
	char *argv[] = {
		(char *)"x", (char *)"--capture", (char *)"--extcap-interface", (char *)"swarmcap:-x",
		(char *)"--fifo", (char *)"/tmp/f", (char *)"--node", (char *)"", (char *)"--tasks",
		(char *)"", (char *)"--extcap-capture-filter", (char *)"", (char *)"-v", NULL,
	};
	struct extcap_call c;
	struct request r;
	struct err err = ERR_INIT;

	assert_int_equal(extcap_parse(ARRAY_SIZE(argv) - 1, argv, &c, &err), 0);
	if (extcap_request(&c, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(r.selectors[0], "-x");
	assert_null(r.filter);
	assert_int_equal(r.n_only_nodes, 0);
	assert_int_equal(r.tasks, 0);
	/* a block of dumpcap holds 262144 bytes, the packet's own frame included */
	assert_int_equal(r.snaplen, 261120);
	assert_int_equal(r.verbosity, LOG_DEBUG);
	request_release(&r);

	argv[9] = (char *)"-h";
	err = (struct err)ERR_INIT;
	assert_int_equal(extcap_parse(ARRAY_SIZE(argv) - 1, argv, &c, &err), 0);
	assert_int_equal(extcap_request(&c, &r, &err), -EINVAL);
	assert_string_equal(err.text, "--tasks '-h': not a number of tasks from 1 on");
	request_release(&r);
}

/* ---- lines, as extcap_parser.c takes them apart ---- */

#define SENTENCE "^[\t| ]*(arg|value|interface|extcap|dlt|control)[\t| ]+\\{"

/* The value of {key=...} in a line; false: there is none. A value ends where Wireshark ends it. */
static bool value_of(const char *line, const char *key, char *out, size_t size)
{
	cleanup_free char *begin = xasprintf("{%s=", key);
	const char *at = strstr(line, begin), *end;

	if (!at)
		return false;
	at += strlen(begin);
	for (end = at; *end && !(*end == '}' && strchr("{ \n", end[1])); end++)
		;
	snprintf(out, size, "%.*s", (int)(end - at), at);
	return true;
}

static bool is_sentence(const char *line)
{
	regex_t re;
	int rc;

	assert_int_equal(regcomp(&re, SENTENCE, REG_EXTENDED | REG_NOSUB), 0);
	rc = regexec(&re, line, 0, NULL, 0);
	regfree(&re);
	return rc == 0;
}

static char *printed(const struct cluster *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	extcap_print_interfaces(f, c);
	fclose(f);
	return text;
}

/* Each line's interface means something that is there. How many there are. */
static size_t check_interfaces(const struct cluster *c)
{
	cleanup_free char *text = printed(c);
	char *rest = text, *line = strsep(&rest, "\n"), name[256], shown[256];
	size_t n = 0;

	assert_string_equal(line, "extcap {version=" SWARMCAP_VERSION "}{display=Docker Swarm}");
	while ((line = strsep(&rest, "\n")) && *line) {
		char *selector;
		struct err err = ERR_INIT;

		assert_true(is_sentence(line));
		assert_true(value_of(line, "value", name, sizeof(name)));
		assert_true(value_of(line, "display", shown, sizeof(shown)));
		assert_int_equal(name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					     "0123456789_.:-")], '\0');
		selector = (char *)extcap_selector(name);
		if (!selector || resolve_check(&selector, 1, c, &err) != 0)
			fail_msg("'%s': %s", line, err.text);
		n++;
	}
	assert_null(rest);
	return n;
}

static void test_interfaces(void **state)
{
	struct cluster c;
	cleanup_free char *text = NULL;

	recorded_cluster(&c, true);
	text = printed(&c);
	/* 11 services, one stack, 3 nodes */
	assert_int_equal(check_interfaces(&c), 15);
	assert_non_null(strstr(text, "\ninterface {value=swarmcap:web}{display=Swarm service web}\n"));
	assert_non_null(strstr(text, "\ninterface {value=swarmcap:stack:shop}{display=Swarm stack shop}\n"));
	assert_non_null(strstr(text, "\ninterface {value=swarmcap:node:node1}{display=Swarm node node1}\n"));
	assert_non_null(strstr(text, "\ninterface {value=swarmcap:node:node3}{display=Swarm node node3 (down)}\n"));
	cluster_release(&c);
}

static void add_service(struct cluster *c, const char *id, const char *name, const char *stack)
{
	cleanup_json json_t *j = json_pack("{s:s, s:{s:s, s:{s:s}}}", "ID", id, "Spec", "Name", name,
					   "Labels", "com.docker.stack.namespace", stack);

	assert_int_equal(cluster_decode_service(j, c, NULL), 0);
}

static void test_odd_names(void **state)
{
	struct cluster c = CLUSTER_INIT;
	cleanup_json json_t *info = recorded("info");
	cleanup_json json_t *nodes = json_pack(
		"[{s:s, s:{s:s}}, {s:s, s:{s:s}}, {s:s, s:{s:s}}, {s:s, s:{s:s}}]", "ID", "idone",
		"Description", "Hostname", "same", "ID", "idtwo", "Description", "Hostname", "same",
		"ID", "idthree", "Description", "Hostname", "a,b} {value=x}\n", "ID", "idfour",
		"Description", "Hostname", "");
	cleanup_free char *text = NULL, *longest = xmalloc(121);

	memset(longest, 'a', 120);
	longest[120] = '\0';
	assert_int_equal(cluster_decode_info(info, &c, NULL), 0);
	assert_int_equal(cluster_decode_nodes(nodes, &c, NULL), 0);
	add_service(&c, "sidone", "ingress", "s{p}");
	add_service(&c, "sidtwo", "a}{b", "shop");
	add_service(&c, "sidthree", longest, "shop");
	text = printed(&c);
	/* 3 services, of two stacks the one that can be named, 4 nodes */
	assert_int_equal(check_interfaces(&c), 8);
	assert_non_null(strstr(text, "{value=swarmcap:service:ingress}{display=Swarm service ingress}\n"));
	assert_non_null(strstr(text, "{value=swarmcap:sidtwo}{display=Swarm service a__b}\n"));
	assert_non_null(strstr(text, "{value=swarmcap:sidthree}"));
	assert_non_null(strstr(text, "{value=swarmcap:node:idone}{display=Swarm node same}\n"));
	assert_non_null(strstr(text, "{value=swarmcap:node:idtwo}{display=Swarm node same}\n"));
	assert_non_null(strstr(text, "{value=swarmcap:node:idthree}{display=Swarm node a,b_ _value=x__}\n"));
	assert_non_null(strstr(text, "{value=swarmcap:node:idfour}"));
	cluster_release(&c);
}

static void test_dlts(void **state)
{
	char out[4096];

	assert_int_equal(called("x --extcap-dlts --extcap-interface swarmcap:web", 0, out, sizeof(out)), 0);
	assert_true(is_sentence(out));
	assert_non_null(strstr(out, "{number=1}{name=EN10MB}"));
}

/* Each option of the dialogue is one of `live`, and is taken with its default. */
static void check_option(const char *line, int number)
{
	char call[64], text[512], type[32];
	const struct command_row *live = options_command("live");
	bool known = false;

	assert_true(is_sentence(line));
	assert_true(value_of(line, "number", text, sizeof(text)));
	assert_int_equal(atoi(text), number);
	assert_true(value_of(line, "call", call, sizeof(call)) && str_starts(call, "--"));
	assert_true(value_of(line, "display", text, sizeof(text)) && *text);
	assert_true(value_of(line, "tooltip", text, sizeof(text)) && *text);
	assert_true(value_of(line, "type", type, sizeof(type)));
	for (size_t i = 0; i < options_n_rows; i++)
		if (!strcmp(options_rows[i].name, call + 2) && options_rows[i].commands & live->bit)
			known = !options_rows[i].arg == !strcmp(type, "boolflag");
	if (!known)
		fail_msg("%s is no option of live, or of another type", call);
	if (strcmp(type, "boolflag") && value_of(line, "default", text, sizeof(text))) {
		cleanup_free char *full = xasprintf("x --capture --extcap-interface swarmcap:web "
						    "--fifo f %s %s", call, text);
		struct extcap_call c;
		struct request r;
		struct err err;

		assert_int_equal(parse(full, &c, &err), 0);
		if (extcap_request(&c, &r, &err) < 0)
			fail_msg("%s: %s", full, err.text);
		request_release(&r);
	}
}

static void test_config(void **state)
{
	char out[8192], *rest = out, *line;
	int n = 0;

	assert_int_equal(called("x --extcap-config --extcap-interface swarmcap:web", 0, out, sizeof(out)), 0);
	while ((line = strsep(&rest, "\n")) && *line)
		check_option(line, n++);
	assert_true(n >= 6);
}

static void test_filter(void **state)
{
	char out[4096];

	assert_int_equal(called("x --extcap-interface swarmcap:web --extcap-capture-filter tcp", 0,
				out, sizeof(out)), 0);
	assert_string_equal(out, "");
	/* status 0, or Wireshark would not read it */
	assert_int_equal(called("x --extcap-interface swarmcap:web --extcap-capture-filter tcpp", 0,
				out, sizeof(out)), 0);
	assert_non_null(strstr(out, "filter 'tcpp' does not compile"));
	assert_int_equal(called("x --extcap-interface swarmcap:web --extcap-capture-filter \x1b[1m", 0,
				out, sizeof(out)), 0);
	assert_null(strchr(out, '\x1b'));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

/* ---- the Engine ---- */

static void use_engine(const char *host)
{
	unsetenv("DOCKER_CONTEXT");
	unsetenv("DOCKER_TLS_VERIFY");
	unsetenv("DOCKER_TLS");
	setenv("DOCKER_CONFIG", "/nonexistent", 1);
	setenv("DOCKER_HOST", host, 1);
}

/* Of a service there is a tasks' file too, but nobody asks. */
static enum MHD_Result play(void *arg, struct MHD_Connection *c, const char *url,
			    const char *method, const char *version, const char *data,
			    size_t *data_len, void **seen)
{
	static const char *const ping[] = { "Api-Version", "1.41", NULL };
	const char *names[] = { "info", "nodes", "services" };
	const char *slash = strrchr(url, '/');

	if (strcmp(slash, "/_ping") == 0)
		return fake_answer(c, 200, "OK", 2, ping);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = xasprintf("tests/unit/data/engine_%s.json", names[i]);
		cleanup_free char *text = strcmp(slash + 1, names[i]) ? NULL :
					  util_read_file(path, 1 << 20);

		if (text)
			return fake_answer(c, 200, text, strlen(text), NULL);
	}
	return fake_answer(c, 500, "{}", 2, NULL);
}

static void test_list(void **state)
{
	cleanup_free char *host = NULL;
	char out[8192];
	struct fake f;

	fake_start_unix(&f, play, NULL);
	host = xasprintf("unix://%s", f.path);
	use_engine(host);
	/* a busy machine, under a sanitizer: not the time is asked here */
	assert_int_equal(called("x --extcap-interfaces --extcap-version=4.0", 30000, out, sizeof(out)), 0);
	fake_stop(&f);
	assert_true(str_starts(out, LIST_HEAD "interface {value=swarmcap:"));
	assert_non_null(strstr(out, "{value=swarmcap:web}"));
	assert_non_null(strstr(out, "{value=swarmcap:stack:shop}"));
	assert_non_null(strstr(out, "{value=swarmcap:node:node2}"));
}

static void check_empty(const char *host, long list_ms)
{
	char out[8192];

	use_engine(host);
	assert_int_equal(called("x --extcap-interfaces", list_ms, out, sizeof(out)), 0);
	assert_string_equal(out, LIST_HEAD);
}

static void test_no_engine(void **state)
{
	check_empty("unix:///nonexistent/docker.sock", 0);
	check_empty("nonsense://x", 0);
	check_empty("tcp://127.0.0.1:1", 0);
}

/* Connects, since the kernel does it, and says nothing. */
static void test_silent_engine(void **state)
{
	struct fake f = { 0 };
	cleanup_free char *host = NULL;

	fake_listen_unix(&f);
	host = xasprintf("unix://%s", f.path);
	check_empty(host, 300);
	check_empty(host, 0);
	close(f.listener);
	unlink(f.path);
	rmdir(f.dir);
}

static void test_silent_ssh(void **state)
{
	struct fake f = { 0 };
	cleanup_free char *host = NULL;

	fake_listen_tcp(&f);
	host = xasprintf("ssh://nobody@127.0.0.1:%u", f.port);
	check_empty(host, 300);
	close(f.listener);
}

/* A byte now and then, so that nothing seems to hang. */
static void *drip(void *arg)
{
	struct fake *f = arg;
	int fd = accept(f->listener, NULL, NULL);

	send(fd, "HTTP/1.1 200 OK\r\n", 17, MSG_NOSIGNAL);
	while (send(fd, "a", 1, MSG_NOSIGNAL) == 1)
		usleep(20000);
	close(fd);
	return NULL;
}

static void test_dripping_engine(void **state)
{
	struct fake f = { 0 };
	cleanup_free char *host = NULL;
	pthread_t t;

	fake_listen_unix(&f);
	assert_int_equal(pthread_create(&t, NULL, drip, &f), 0);
	host = xasprintf("unix://%s", f.path);
	check_empty(host, 300);
	pthread_join(t, NULL);
	close(f.listener);
	unlink(f.path);
	rmdir(f.dir);
}

/* The promise is 2 s, and the program has to start, too. */
static void test_time(void **state)
{
	assert_true(EXTCAP_LIST_MS <= 1500);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_called),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_request_values),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_dlts),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_no_engine),
		cmocka_unit_test(test_silent_engine),
		cmocka_unit_test(test_silent_ssh),
		cmocka_unit_test(test_dripping_engine),
		cmocka_unit_test(test_time),
	};

	if (argc == 4 && !strcmp(argv[1], CHILD))
		run_child(argv[2], strtol(argv[3], NULL, 10));
	return cmocka_run_group_tests_name("extcap", tests, NULL, NULL);
}
