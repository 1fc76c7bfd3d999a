/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_context.c - any contexts that agents give back: a sentence, or a plan that holds
 *
 * The input is a list of reports. Those that are no reports never reach the plan, as in life.
 */
#include "../../coordinator/plan.h"
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#define REPORTS_MAX 8
/* names_file() sees to a leading dot */
#define KEY_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static size_t decode(const json_t *root, struct wire_report *reports)
{
	const json_t *j;
	size_t i, n = 0;

	json_array_foreach(root, i, j) {
		if (n == REPORTS_MAX)
			break;
		if (wire_report_decode(j, &reports[n], NULL) == 0)
			n++;
		else
			wire_report_release(&reports[n]);
	}
	return n;
}

static void check_node(const struct plan_node *n)
{
	/* without a Swarm the id is "" */
	expect(n->id && *n->file_host && !strchr(n->file_host, '/'));
	for (const struct target *t = n->targets; t < n->targets + n->n_targets; t++) {
		expect(*t->key && !t->key[strspn(t->key, KEY_CHARS)]);
		expect(t->slot >= 0 && strcmp(t->node_id, n->id) == 0);
	}
}

static void check_plan(const struct plan *p, const struct request *r, const struct cluster *c)
{
	cleanup_file FILE *null = fopen("/dev/null", "we");

	expect(names_is_id(p->id));
	expect(c->n_nodes == p->n_nodes && r->n_selectors <= REQUEST_SELECTORS_MAX);
	expect(r->duration_ms >= 0 && r->snaplen <= WIRE_SNAPLEN_MAX);
	for (size_t i = 0; i < r->n_selectors; i++)
		expect(strlen(r->selectors[i]) <= WIRE_CONTEXT_MAX);
	for (size_t i = 0; i < p->n_nodes; i++)
		check_node(&p->nodes[i]);
	plan_print(null, p, false);
	plan_print(null, p, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_report reports[REPORTS_MAX] = { 0 };
	struct request r = { .n_selectors = 0 };
	struct cluster c = CLUSTER_INIT;
	struct plan p = PLAN_INIT;
	struct err err = ERR_INIT;
	cleanup_json json_t *root = NULL;
	size_t n;
	int rc;

	if (jx_parse((const char *)data, size, "the input", &root, NULL) < 0)
		return 0;
	n = decode(root, reports);
	rc = plan_from_reports(reports, n, &p, &r, &c, &err);
	expect(rc == 0 ? err.code == 0 : rc == -EINVAL && err.code == rc && *err.text);
	if (rc == 0)
		check_plan(&p, &r, &c);

	free(r.filter);
	plan_release(&p);
	cluster_release(&c);
	for (size_t i = 0; i < n; i++)
		wire_report_release(&reports[i]);
	return 0;
}
