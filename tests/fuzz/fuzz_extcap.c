/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_extcap.c - any argv of Wireshark, words split at NUL, and a cluster with those words as names:
 * a call, a request or a sentence, and lines that Wireshark takes apart as they were meant
 */
#include "../../coordinator/extcap.h"
#include "fuzz.h"

#include <string.h>

#include "../../coordinator/request.h"
#include "../../coordinator/resolve.h"

#define WORDS_MAX 64

static void check_call(int argc, char **argv)
{
	struct extcap_call c;
	struct err err = ERR_INIT;
	struct request r;
	int rc = extcap_parse(argc, argv, &c, &err);

	expect(rc == 0 || (rc < 0 && *err.text));
	if (rc < 0)
		return;
	expect(c.action < EXTCAP_DLTS || extcap_selector(c.interface));
	expect(c.action != EXTCAP_CHECK || c.filter);
	if (c.action != EXTCAP_CAPTURE)
		return;
	expect(c.fifo && *c.fifo);
	rc = extcap_request(&c, &r, &err);
	expect(rc < 0 ? *err.text : r.n_selectors > 0 && strcmp(r.command, "live") == 0);
	request_release(&r);
}

/* "interface {value=swarmcap:NAME}{display=TEXT}" with nothing in between that ends them early. */
static void check_line(const char *line, const struct cluster *c)
{
	static const char begin[] = "interface {value=", middle[] = "}{display=";
	char name[256], *selector;
	size_t n;

	expect(str_starts(line, begin));
	line += strlen(begin);
	n = strcspn(line, "{}");
	expect(n < sizeof(name) && str_starts(line + n, middle));
	memcpy(name, line, n);
	name[n] = '\0';
	line += n + strlen(middle);
	expect(strcmp(line + strcspn(line, "{}"), "}") == 0);
	selector = (char *)extcap_selector(name);
	/* what bears the id of another as its name may be meant twice */
	expect(selector && resolve_check(&selector, 1, c, NULL) != CLUSTER_E_UNKNOWN);
}

static void check_list(const struct cluster *c)
{
	char *text = NULL, *rest, *line;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	extcap_print_interfaces(f, c);
	fclose(f);
	for (const char *p = text; *p; p++)
		expect(*p == '\n' || (*p >= ' ' && *p <= '~'));
	rest = text;
	expect(str_starts(strsep(&rest, "\n"), "extcap {version="));
	while ((line = strsep(&rest, "\n")) && *line)
		check_line(line, c);
	free(text);
}

/* Decoded, since that is what bounds and cuts names. */
static void name_all(struct cluster *c, char *const *names, int n)
{
	cleanup_json json_t *nodes = json_array();

	for (int i = 0; i < n; i++) {
		cleanup_free char *id = xasprintf("id%dx", i);
		cleanup_json json_t *service = json_pack("{s:s, s:{s:o, s:{s:o}}}", "ID", id, "Spec",
			"Name", jx_text(names[i]), "Labels", "com.docker.stack.namespace",
			jx_text(names[n - 1 - i]));

		cluster_decode_service(service, c, NULL);
		json_array_append_new(nodes, json_pack("{s:s, s:{s:o}}", "ID", id, "Description",
						       "Hostname", jx_text(names[i])));
	}
	cluster_decode_nodes(nodes, c, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size + 1), *argv[WORDS_MAX + 2] = { (char *)EXTCAP_PROGRAM };
	struct cluster c = CLUSTER_INIT;
	int argc = 1;

	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	for (size_t at = 0; at < size && argc <= WORDS_MAX; at += strlen(text + at) + 1)
		argv[argc++] = text + at;
	name_all(&c, argv, argc);
	check_list(&c);
	cluster_release(&c);
	check_call(argc, argv);
	free(text);
	return 0;
}
