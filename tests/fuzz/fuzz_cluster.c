/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_cluster.c - any answers of a manager: refused with a sentence, or a plan that holds
 *
 * The input is {"info": ..., "nodes": ..., "services": [...], "tasks": ..., "networks": ...,
 * "attachments": ...}; each decoder sees
 * the whole of it, too. Whatever was decoded is selected, planned, printed and told to agents.
 */
#include "../../coordinator/plan.h"
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

/* 0, or an error with a sentence that no terminal minds. */
static bool decoded(int rc, struct err *err)
{
	expect(rc == 0 ? err->code == 0 : rc < 0 && err->code == rc && *err->text);
	for (const char *p = err->text; *p; p++)
		expect((unsigned char)*p >= ' ' && *p != 0x7f);
	err_reset(err);
	return rc == 0;
}

static void decode_parts(const json_t *root, struct cluster *c)
{
	const json_t *service;
	struct err err = ERR_INIT;
	size_t i;

	decoded(cluster_decode_info(jx_get(root, "info"), c, &err), &err);
	decoded(cluster_decode_nodes(jx_get(root, "nodes"), c, &err), &err);
	json_array_foreach(jx_get(root, "services"), i, service)
		decoded(cluster_decode_service(service, c, &err), &err);
	decoded(cluster_decode_tasks(jx_get(root, "tasks"), c, &err), &err);
	decoded(cluster_decode_networks(jx_get(root, "networks"), c, &err), &err);
	decoded(cluster_decode_attachments(jx_get(root, "attachments"), c, &err), &err);
}

static void decode_whole(const json_t *root)
{
	struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;

	decoded(cluster_decode_info(root, &c, &err), &err);
	decoded(cluster_decode_nodes(root, &c, &err), &err);
	decoded(cluster_decode_service(root, &c, &err), &err);
	decoded(cluster_decode_tasks(root, &c, &err), &err);
	decoded(cluster_decode_networks(root, &c, &err), &err);
	decoded(cluster_decode_attachments(root, &c, &err), &err);
	cluster_release(&c);
}

/* Keys are unique on their node, and no namespace is captured twice. */
static void check_target(const struct target *t, json_t *keys)
{
	cleanup_free char *clean = names_clean(t->key, 128);
	bool container = t->kind == WIRE_TASK || t->kind == WIRE_CONTAINER;

	expect(strcmp(clean, t->key) == 0);
	expect(!json_object_get(keys, t->key));
	json_object_set_new(keys, t->key, json_true());
	expect(container == (t->container_id != NULL));
	expect(!container || (*t->container_id && !strpbrk(t->container_id, "/.?#")));
}

/* An agent would take the request, and another coordinator understand its context. */
static void check_node(const struct plan *p, const struct plan_node *n, const struct request *r,
		       const struct cluster *c)
{
	cleanup_json json_t *keys = json_object();
	struct wire_arm sent, taken;
	struct err err = ERR_INIT;
	cleanup_json json_t *j = NULL;

	expect(*n->address && *n->file_host && !strchr(n->file_host, '/'));
	for (size_t i = 0; i < n->n_targets; i++)
		check_target(&n->targets[i], keys);

	plan_arm(p, n, r, c, &sent);
	j = wire_arm_encode(&sent);
	expect(wire_arm_decode(j, &taken, &err) == 0);
	wire_arm_release(&sent);
	wire_arm_release(&taken);
}

static void check_plan(const struct cluster *c, const struct request *asked)
{
	struct request r = *asked;
	struct plan p = PLAN_INIT;
	struct err err = ERR_INIT;
	cleanup_file FILE *null = fopen("/dev/null", "we");
	int rc = plan_make(&r, c, "20261123T143905Z-3fa9c1", &p, &err);

	expect(rc == 0 ? plan_targets(&p) > 0 : (rc == PLAN_E_NOTHING || rc == -EINVAL) &&
						plan_targets(&p) == 0);
	for (size_t i = 0; i < p.n_nodes; i++)
		check_node(&p, &p.nodes[i], &r, c);
	plan_print(null, &p, false);
	plan_print(null, &p, true);
	plan_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *root = NULL;
	struct cluster c = CLUSTER_INIT;
	struct request r = { .snaplen = WIRE_SNAPLEN_MAX };

	if (jx_parse((const char *)data, size, "the input", &root, NULL) < 0)
		return 0;
	decode_whole(root);
	decode_parts(root, &c);
	r.selectors[r.n_selectors++] = (char *)"*";
	check_plan(&c, &r);
	r.selectors[r.n_selectors++] = (char *)"node:*";
	r.selectors[r.n_selectors++] = (char *)"ingress";
	r.selectors[r.n_selectors++] = (char *)"network:*";
	r.selectors[r.n_selectors++] = (char *)"container:*";
	r.members = true;
	check_plan(&c, &r);
	r.selectors[r.n_selectors++] = (char *)"path:*";
	r.selectors[r.n_selectors++] = (char *)"vxlan:*";
	r.selectors[r.n_selectors++] = (char *)"!node:*";
	check_plan(&c, &r);
	r.tasks = 1;
	r.n_selectors = 0;
	check_plan(&c, &r);
	cluster_release(&c);
	return 0;
}
