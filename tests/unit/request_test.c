/* SPDX-License-Identifier: Apache-2.0
 *
 * request_test.c - argv in, request or one clear sentence out; help and table say the same
 */
#include "../../coordinator/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/options.h"
#include "version.h"

#define ARGS_MAX 400
#define ID "20261123T143905Z-3fa9c1"

/* Splits at spaces; the words live as long as the next call. */
static int parse(const char *line, struct request *r, struct err *err)
{
	static char text[8192];
	char *argv[ARGS_MAX + 2] = { (char *)"swarmcap" }, *save = NULL;
	int argc = 1;

	*err = (struct err)ERR_INIT;
	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok_r(text, " ", &save); w && argc < ARGS_MAX; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return request_parse(argc, argv, r, err);
}

static void assert_refused(const char *line, const char *sentence)
{
	struct request r;
	struct err err;
	int rc = parse(line, &r, &err);

	if (rc != -EINVAL || !strstr(err.text, sentence))
		fail_msg("'%s': %d, \"%s\", wanted \"%s\"", line, rc, err.text, sentence);
	request_release(&r);
}

static void defaults(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("capture web", &r, &err), 0);
	assert_string_equal(r.command, "capture");
	assert_int_equal(r.n_selectors, 1);
	assert_string_equal(r.selectors[0], "web");
	assert_int_equal(r.snaplen, 262144);
	assert_int_equal(r.duration_ms, 0);
	assert_int_equal(r.max_bytes, 0);
	assert_int_equal(r.max_packets, 0);
	assert_false(request_rotates(&r));
	assert_int_equal(r.keep_files, 0);
	assert_int_equal(r.format, WIRE_PCAPNG);
	assert_int_equal(r.verbosity, LOG_INFO);
	assert_null(r.filter);
	assert_null(r.output);
	assert_false(r.json || r.force || r.dry_run);
	assert_int_equal(r.fetch_rate, 0);
	request_release(&r);
}

static void archives(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("archive merge a.tar.zst lb.pcap=edge1,offset=+3ms -o all.pcapng "
			       "--no-clock-correction --force --json", &r, &err), 0);
	assert_string_equal(r.command, "archive merge");
	assert_int_equal(r.n_files, 2);
	assert_string_equal(r.files[0], "a.tar.zst");
	assert_string_equal(r.files[1], "lb.pcap=edge1,offset=+3ms");
	assert_string_equal(r.output, "all.pcapng");
	assert_true(r.no_clock_correction && r.force && r.json);
	assert_int_equal(r.n_selectors, 0);
	request_release(&r);

	assert_int_equal(parse("-q archive info web/", &r, &err), 0);
	assert_string_equal(r.command, "archive info");
	assert_string_equal(r.files[0], "web/");
	request_release(&r);

	assert_refused("archive", "no command 'archive' alone: archive info, archive verify, "
				  "archive merge");
	assert_refused("archive eat x", "no command 'archive' alone");
	assert_refused("archive verify", "archive verify: a file is needed");
	assert_refused("archive verify a b", "archive verify: unexpected 'b'");
	assert_refused("archive merge a -o dir/", "--output 'dir/': the name of a file is needed");
	assert_refused("archive info --filter x a", "'archive info' has no option '--filter'");
	assert_refused("capture web --no-clock-correction", "it is of --merge, which is not given");
	assert_refused("archive merge --merge a", "'archive merge' has no option '--merge'");
	assert_int_equal(parse("capture web --merge --no-clock-correction", &r, &err), 0);
	assert_true(r.merge && r.no_clock_correction);
	request_release(&r);
}

static void everything(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("-H unix:///s capture -f tcp -i eth0 -s 96 -d 1500ms --max-bytes 2M "
			       "--max-packets=100 --format pcap -o x.zip --force --dry-run --json -v "
			       "--credentials /c web service:db", &r, &err), 0);
	assert_string_equal(r.engine_host, "unix:///s");
	assert_string_equal(r.filter, "tcp");
	assert_string_equal(r.interface, "eth0");
	assert_int_equal(r.snaplen, 96);
	assert_int_equal(r.duration_ms, 1500);
	assert_int_equal(r.max_bytes, 2 << 20);
	assert_int_equal(r.max_packets, 100);
	assert_int_equal(r.format, WIRE_PCAP);
	assert_string_equal(r.output, "x.zip");
	assert_true(r.json && r.force && r.dry_run);
	assert_int_equal(r.verbosity, LOG_DEBUG);
	assert_string_equal(r.credentials, "/c");
	assert_int_equal(r.n_selectors, 2);
	assert_string_equal(r.selectors[1], "db");
	request_release(&r);
}

static void ways_to_the_nodes(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("--ssh-accept-new capture web container:db --route ssh-push "
			       "--ssh-host n1=a --ssh-host %=%.lan --helper-image i:1 --pull", &r,
			       &err), 0);
	assert_string_equal(r.route, "ssh-push");
	assert_int_equal(r.n_ssh_hosts, 2);
	assert_string_equal(r.ssh_hosts[1], "%=%.lan");
	assert_true(r.ssh_accept_new && r.pull);
	assert_string_equal(r.helper_image, "i:1");
	assert_string_equal(r.selectors[1], "container:db");
	request_release(&r);

	assert_refused("capture container:", "not the name of a container");
	assert_refused("capture container:../x", "not the name of a container");
	assert_refused("capture container:a/b", "not the name of a container");
}

static void lists_and_exclusions(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("capture web,stack:shop,other !task:web.2,web.3 --node a,b* --node !c "
			       "--tasks 2 --members --max-targets 7 --yes ingress", &r, &err), 0);
	assert_int_equal(r.n_selectors, 6);
	assert_string_equal(r.selectors[0], "web");
	assert_string_equal(r.selectors[1], "stack:shop");
	assert_string_equal(r.selectors[2], "stack:other");
	assert_string_equal(r.selectors[3], "!task:web.2");
	assert_string_equal(r.selectors[4], "!task:web.3");
	assert_string_equal(r.selectors[5], "ingress");
	assert_int_equal(r.n_only_nodes, 2);
	assert_string_equal(r.only_nodes[1], "!c");
	assert_int_equal(r.tasks, 2);
	assert_int_equal(r.max_targets, 7);
	assert_true(r.members && r.yes);
	request_release(&r);

	assert_int_equal(parse("capture --path web,db -o x.tar", &r, &err), 0);
	assert_int_equal(r.n_selectors, 2);
	assert_string_equal(r.selectors[1], "path:db");
	request_release(&r);
	assert_int_equal(parse("capture node:a --vxlan app", &r, &err), 0);
	assert_true(r.vxlan);
	assert_string_equal(r.selectors[0], "vxlan:app");
	request_release(&r);
	assert_refused("capture web --vxlan app", "--vxlan: it narrows node:");
	assert_refused("capture --path a/b", "--path 'a/b'");

	assert_int_equal(parse("ls !web", &r, &err), 0);
	assert_int_equal(r.max_targets, 256);
	request_release(&r);
	assert_refused("capture web --node ,", "--node");
	assert_refused("capture web --node a,!", "--node");
	assert_refused("capture web --tasks 0", "--tasks '0'");
	assert_refused("capture web --max-targets x", "--max-targets 'x'");
	assert_refused("capture web,", "not the name of a service");
	assert_refused("fetch --yes " ID, "'fetch' has no option '--yes'");
}

static void rotation(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("capture web --keep-files 2 --rotate-bytes 64k", &r, &err), 0);
	assert_int_equal(r.rotate_bytes, 64 << 10);
	assert_int_equal(r.rotate_ms, 0);
	assert_int_equal(r.keep_files, 2);
	assert_true(request_rotates(&r));
	request_release(&r);
	assert_int_equal(parse("capture --rotate-time=1s --rotate-bytes=2G web", &r, &err), 0);
	assert_int_equal(r.rotate_bytes, 2LL << 30);
	assert_int_equal(r.rotate_ms, 1000);
	assert_int_equal(r.keep_files, 0);
	request_release(&r);
	assert_int_equal(parse("capture web --rotate-time 24h --keep-files 4096", &r, &err), 0);
	assert_true(request_rotates(&r));
	request_release(&r);

	assert_refused("capture web --keep-files 3", "--keep-files: there is but one file without "
		       "--rotate-bytes or --rotate-time");
	assert_refused("capture web --rotate-time 1s --keep-files 1",
		       "--keep-files '1': not a number of files from 2 to 4096");
	assert_refused("capture web --rotate-time 1s --keep-files 4097", "--keep-files '4097'");
	assert_refused("capture web --rotate-time 1s --keep-files x", "--keep-files 'x'");
	assert_refused("capture web --rotate-bytes 65535", "--rotate-bytes '65535': less than 64k");
	assert_refused("capture web --rotate-bytes 5x", "--rotate-bytes '5x': not a size");
	assert_refused("capture web --rotate-bytes 300T", "--rotate-bytes '300T': not a size");
	assert_refused("capture web --rotate-time 999ms", "--rotate-time '999ms': shorter than 1s");
	assert_refused("capture web --rotate-time 5", "--rotate-time '5': not a time");
	assert_refused("capture web --rotate-time 25h", "--rotate-time '25h': longer than 24h");
}

static void fetch_rate(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("capture web --fetch-rate 10M", &r, &err), 0);
	assert_int_equal(r.fetch_rate, 10 << 20);
	request_release(&r);
	assert_int_equal(parse("fetch --fetch-rate=65536 " ID, &r, &err), 0);
	assert_int_equal(r.fetch_rate, 65536);
	request_release(&r);
	assert_refused("capture web --fetch-rate 63k", "--fetch-rate '63k': less than 64k");
	assert_refused("capture web --fetch-rate 0", "--fetch-rate '0': less than 64k");
	assert_refused("fetch --fetch-rate 10Mbit " ID, "--fetch-rate '10Mbit': not bytes per second");
	assert_refused("rm --fetch-rate 1M " ID, "'rm' has no option '--fetch-rate'");
}

static void last_wins_and_order_is_free(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("capture -d 1s --format pcap web -f tcp -d 2s -f udp --format pcapng",
			       &r, &err), 0);
	assert_int_equal(r.duration_ms, 2000);
	assert_string_equal(r.filter, "udp");
	assert_int_equal(r.format, WIRE_PCAPNG);
	assert_int_equal(r.n_selectors, 1);
	request_release(&r);

	assert_int_equal(parse("capture -- -odd", &r, &err), 0);
	assert_string_equal(r.selectors[0], "-odd");
	request_release(&r);
}

static void other_commands(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("deploy --image a:1 --listen 10.0.0.1 --port 9999 --rotate --force", &r, &err), 0);
	assert_string_equal(r.image, "a:1");
	assert_string_equal(r.listen, "10.0.0.1");
	assert_int_equal(r.port, 9999);
	assert_true(r.rotate && r.force);
	request_release(&r);

	assert_int_equal(parse("fetch -o d/ " ID, &r, &err), 0);
	assert_string_equal(r.selectors[0], ID);
	request_release(&r);

	assert_int_equal(parse("ls", &r, &err), 0);
	request_release(&r);
	assert_int_equal(parse("doctor --json", &r, &err), 0);
	request_release(&r);
}

static void detached(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("start web service:api -f tcp -d 1h --rotate-time 10s --json", &r, &err), 0);
	assert_int_equal(r.n_selectors, 2);
	assert_int_equal(r.rotate_ms, 10000);
	request_release(&r);
	assert_int_equal(parse("status", &r, &err), 0);
	assert_int_equal(r.n_selectors, 0);
	request_release(&r);
	assert_int_equal(parse("status --json " ID, &r, &err), 0);
	assert_string_equal(r.selectors[0], ID);
	request_release(&r);
	assert_int_equal(parse("stop " ID, &r, &err), 0);
	request_release(&r);
	assert_refused("start", "a selector is needed");
	/* an archive is what fetch makes */
	assert_refused("start web -o x.tar", "no option '-o'");
	assert_refused("start web --fetch-rate 1M", "no option '--fetch-rate'");
	assert_refused("stop", "a capture id is needed");
	assert_refused("stop web", "'web' is not a capture id");
	assert_refused("status " ID " " ID, "unexpected");
}

/* What stands behind the first "--" is the command's, whatever it looks like. */
static void a_command_to_run(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("run web -f tcp api --settle 500ms --summary s.md --json=e --require-all "
			       "--only-on-failure -o x.tar -- make -f x --json --help -- y", &r, &err), 0);
	assert_int_equal(r.n_selectors, 2);
	assert_string_equal(r.selectors[1], "api");
	assert_string_equal(r.filter, "tcp");
	assert_int_equal(r.settle_ms, 500);
	assert_string_equal(r.summary, "s.md");
	assert_string_equal(r.json_file, "e");
	assert_false(r.json);
	assert_true(r.require_all && r.only_on_failure);
	assert_string_equal(r.child[0], "make");
	assert_string_equal(r.child[3], "--json");
	assert_string_equal(r.child[5], "--");
	assert_string_equal(r.child[6], "y");
	assert_null(r.child[7]);
	request_release(&r);

	assert_int_equal(parse("run --help", &r, &err), REQUEST_E_HELP);
	request_release(&r);
	assert_refused("run web", "a command is needed");
	assert_refused("run web --", "a command is needed");
	assert_refused("run -- make", "a selector is needed");
	assert_refused("run web --settle 2h -- x", "--settle '2h': not a time up to 1h");
	assert_refused("run web --settle now -- x", "--settle 'now'");
	assert_refused("run web --summary= -- x", "--summary");
	assert_refused("run web --json -- x", "'--json' needs a value");
	assert_refused("capture web --settle 1s", "no option '--settle'");
}

static void bad_values(void **state)
{
	assert_refused("capture web -d 0s", "--duration '0s': shorter than 1ms");
	assert_refused("capture web -d 30", "--duration '30': not a time");
	assert_refused("capture web -d -1s", "--duration '-1s': not a time");
	assert_refused("capture web -d 25h", "--duration '25h': longer than 24h");
	assert_refused("capture web -s 0", "--snaplen '0'");
	assert_refused("capture web -s 262145", "--snaplen '262145'");
	assert_refused("capture web -s 1x", "--snaplen '1x'");
	assert_refused("capture web --max-bytes 0", "--max-bytes '0'");
	assert_refused("capture web --max-bytes 1Q", "--max-bytes '1Q': not a size");
	assert_refused("capture web --max-packets 0", "--max-packets '0'");
	assert_refused("capture web --format ng", "--format 'ng': neither pcapng nor pcap");
	assert_refused("capture web --format=", "--format '': neither pcapng nor pcap");
	assert_refused("capture web -o x.rar", "--output 'x.rar'");
	assert_refused("capture web -i a/b", "--interface 'a/b'");
	assert_refused("capture web -i longerthanfifteen", "--interface 'longerthanfifteen': longer than");
	assert_refused("deploy --port 0", "--port '0'");
	assert_refused("deploy --port 65536", "--port '65536'");
	assert_refused("deploy --listen node1", "--listen 'node1'");
	assert_refused("deploy --keep 24", "--keep '24'");
	assert_refused("deploy --quota 10e", "--quota '10e'");
	assert_refused("deploy --floor -1", "--floor '-1'");
	assert_refused("deploy --ring-bytes 512k", "--ring-bytes '512k'");
	assert_refused("capture web --ring-bytes 1M", "--ring-bytes");
	assert_refused("deploy --listen 0.0.0.0", "--listen '0.0.0.0'");
}

static void bad_operands(void **state)
{
	assert_refused("capture", "capture: a selector is needed");
	assert_refused("capture stuck:shop", "cannot select 'stuck:shop'");
	assert_refused("capture !web", "nothing is selected");
	assert_refused("capture service:", "'service:' is not the name of a service");
	assert_refused("fetch", "fetch: a capture id is needed");
	assert_refused("fetch " ID " " ID, "fetch: unexpected '" ID "'");
	assert_refused("fetch ../../etc/passwd", "'../../etc/passwd' is not a capture id");
	assert_refused("rm 20261123T143905Z-3FA9C1", "is not a capture id");
	assert_refused("doctor node1", "doctor: unexpected 'node1'");
}

static void too_many_selectors(void **state)
{
	char line[8 + 2 * (REQUEST_SELECTORS_MAX + 1) + 1] = "capture";

	for (int i = 0; i < REQUEST_SELECTORS_MAX + 1; i++)
		strcat(line, " a");
	assert_refused(line, "capture: more than 256 selectors");
}

static void unknown_options(void **state)
{
	assert_refused("capture web --nonsense", "'capture' has no option '--nonsense' (see 'swarmcap capture --help')");
	assert_refused("capture web --rotate", "'capture' has no option '--rotate'");
	assert_refused("fetch --rotate-bytes=5M " ID, "'fetch' has no option '--rotate-bytes'");
	assert_refused("fetch --no-follow " ID, "'fetch' has no option '--no-follow'");
	assert_refused("capture web --route ssh", "--route 'ssh': neither agent");
	assert_refused("capture web --ssh-host n1", "--ssh-host 'n1': not NODE=");
	assert_refused("capture web --helper-image -x", "not the name of an image");
	assert_refused("deploy --route agent", "'deploy' has no option '--route'");
	assert_refused("fetch --pull " ID, "'fetch' has no option '--pull'");
	assert_refused("capture web -x", "'capture' has no option '-x'");
	assert_refused("capture web -c x -H unix:///x --context=", "--context: a name is needed");
	assert_refused("rm --filter tcp " ID, "'rm' has no option '--filter'");
	assert_refused("--filter tcp capture web", "'swarmcap' has no option '--filter' (see 'swarmcap --help')");
	assert_refused("capture web --duration", "option '--duration' needs a value");
	assert_refused("capture web -d", "option '-d' needs a value");
	assert_refused("capture web --force=yes", "option '--force' takes no value");
	assert_refused("capture web -q -v", "-q and -v contradict each other");
	assert_refused("tail web", "no command 'tail' (see 'swarmcap --help')");
	assert_refused("", "a command is needed");
}

static void live_view(void **state)
{
	struct request r;
	struct err err = ERR_INIT;

	assert_int_equal(parse("live web -s 60 -d 5s --no-clock-correction", &r, &err), 0);
	assert_int_equal(r.delay_ms, REQUEST_DELAY_MS);
	assert_true(r.no_clock_correction);
	request_release(&r);
	assert_int_equal(parse("live --node n1 web --delay 1s", &r, &err), 0);
	assert_int_equal(r.delay_ms, 1000);
	assert_int_equal(r.n_only_nodes, 1);
	request_release(&r);
	assert_int_equal(parse("live web --delay 0s", &r, &err), 0);
	request_release(&r);
	assert_refused("live web --delay 11s", "--delay '11s': not a time up to 10s");
	assert_refused("live web --delay soon", "--delay 'soon': not a time");
	assert_refused("live web --json", "'live' has no option '--json'");
	assert_refused("live web -o x.tar", "'live' has no option '-o'");
	assert_refused("live web --max-bytes 1M", "'live' has no option '--max-bytes'");
	assert_refused("capture web --delay 1s", "'capture' has no option '--delay'");
	assert_refused("live", "a selector is needed");
}

static void help_and_version(void **state)
{
	struct request r;
	struct err err;

	assert_int_equal(parse("--help", &r, &err), REQUEST_E_HELP);
	assert_null(r.command);
	assert_int_equal(parse("--version", &r, &err), REQUEST_E_VERSION);
	for (size_t i = 0; i < options_n_commands; i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s --help", options_commands[i].name);
		assert_int_equal(parse(line, &r, &err), REQUEST_E_HELP);
		assert_string_equal(r.command, options_commands[i].name);
	}
}

static char *help_text(const char *command)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	request_help(to, command);
	fclose(to);
	return text;
}

/* Is "--name" a word that begins an entry of the help? */
static bool help_has(const char *help, const char *name)
{
	char word[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(word, sizeof(word), "--%s%s", name, i ? "\n" : " ");
		if (strstr(help, word))
			return true;
	}
	return false;
}

static void every_option_is_in_help(void **state)
{
	for (size_t c = 0; c < options_n_commands; c++) {
		char *help = help_text(options_commands[c].name);

		for (size_t i = 0; i < options_n_rows; i++) {
			bool takes = options_rows[i].commands & options_commands[c].bit;

			if (takes && !help_has(help, options_rows[i].name))
				fail_msg("help of %s lacks --%s", options_commands[c].name, options_rows[i].name);
		}
		free(help);
	}
}

/* And the reverse: whatever help shows as an option is one that parsing knows. */
static void help_shows_nothing_else(void **state)
{
	for (size_t c = 0; c < options_n_commands; c++) {
		char *help = help_text(options_commands[c].name), *save = NULL;

		for (char *l = strtok_r(help, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
			char *name = strstr(l, "--");
			bool known = false;

			if (strncmp(l, "  ", 2) || !name)
				continue;
			name += 2;
			name[strcspn(name, " ")] = 0;
			for (size_t i = 0; i < options_n_rows; i++)
				known |= options_rows[i].commands & options_commands[c].bit &&
					 !strcmp(options_rows[i].name, name);
			if (!known && strcmp(name, "help"))
				fail_msg("help of %s shows --%s", options_commands[c].name, name);
		}
		free(help);
	}
}

static void program_help_lists_commands(void **state)
{
	char *help = help_text(NULL);

	for (size_t c = 0; c < options_n_commands; c++)
		assert_non_null(strstr(help, options_commands[c].name));
	assert_non_null(strstr(help, "--version"));
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(everything),
		cmocka_unit_test(archives),
		cmocka_unit_test(ways_to_the_nodes),
		cmocka_unit_test(rotation),
		cmocka_unit_test(fetch_rate),
		cmocka_unit_test(last_wins_and_order_is_free),
		cmocka_unit_test(other_commands),
		cmocka_unit_test(detached),
		cmocka_unit_test(a_command_to_run),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(bad_operands),
		cmocka_unit_test(too_many_selectors),
		cmocka_unit_test(lists_and_exclusions),
		cmocka_unit_test(unknown_options),
		cmocka_unit_test(live_view),
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(every_option_is_in_help),
		cmocka_unit_test(help_shows_nothing_else),
		cmocka_unit_test(program_help_lists_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
