/* SPDX-License-Identifier: Apache-2.0
 *
 * account.c - a manifest that is read back
 */
#include "account.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "digest.h"
#include "names.h"
#include "units.h"
#include "wire.h"

#define PPB 1e9
#define DRIFT_MAX_PPB 10000000		/* a hundredth: no clock is so bad */
#define WHERE_MAX 512

static int wrong(struct err *err, const char *what, size_t i)
{
	return err_set(err, -EINVAL, "the manifest is damaged: %s of entry %zu", what, i);
}

/* A count that may be absent, as -1. */
static int64_t count_of(const json_t *j, const char *key)
{
	int64_t n = jx_int(j, key, -1);

	return n < 0 || n > WIRE_COUNT_MAX ? -1 : n;
}

/* ---- nodes */

static void decode_clock(const json_t *j, int64_t start_ns, struct account_node *n)
{
	int64_t drift = jx_int(j, "clock_drift_ppb", 0);

	n->offset_ns = jx_int(j, "clock_offset_ns", 0);
	n->error_ns = jx_int(j, "clock_error_ns", 0);
	n->has_clock = json_is_integer(jx_get(j, "clock_offset_ns")) && n->error_ns >= 0 &&
		       n->offset_ns < WIRE_TIME_MAX && n->offset_ns > -WIRE_TIME_MAX;
	if (!n->has_clock)
		n->offset_ns = n->error_ns = 0;
	if (!n->has_clock || !start_ns || drift < -DRIFT_MAX_PPB || drift > DRIFT_MAX_PPB)
		return;
	n->drift = (double)drift / PPB;
	n->from_ns = start_ns + n->offset_ns;
}

/* Of two that share a name the first. */
static void index_node(struct account *a, size_t i)
{
	cleanup_free char *id = xasprintf("id %s", a->nodes[i].id);
	cleanup_free char *name = xasprintf("name %s", a->nodes[i].name);

	if (*a->nodes[i].id && !json_object_get(a->node_index, id))
		json_object_set_new(a->node_index, id, json_integer((json_int_t)i));
	if (!json_object_get(a->node_index, name))
		json_object_set_new(a->node_index, name, json_integer((json_int_t)i));
}

static void decode_nodes(struct account *a)
{
	const json_t *list = jx_get(a->json, "nodes");
	int64_t start_ns = 0;

	units_parse_time(jx_str(a->json, "window.start", ""), &start_ns);
	a->n_nodes = json_array_size(list);
	a->nodes = xcalloc(a->n_nodes + 1, sizeof(*a->nodes));
	for (size_t i = 0; i < a->n_nodes; i++) {
		const json_t *j = json_array_get(list, i);

		a->nodes[i].name = jx_str(j, "name", "");
		a->nodes[i].id = jx_str(j, "id", "");
		decode_clock(j, start_ns, &a->nodes[i]);
		index_node(a, i);
	}
}

/* ---- targets */

/* As names_task does, from what the manifest keeps of it. */
static char *make_label(const json_t *j)
{
	const char *task = jx_str(j, "task", NULL), *id = jx_str(j, "task_id", "");
	const char *kind = jx_str(j, "kind", "target");

	if (task && *id)
		return xasprintf("%.256s.%.6s", task, id);
	if (task)
		return xasprintf("%.256s", task);
	id = jx_str(j, "container_id", "");
	return *id ? xasprintf("%.32s %.12s", kind, id) : xasprintf("%.32s", kind);
}

static char *make_where(const json_t *j)
{
	cleanup_buf struct buf b = BUF_INIT(WHERE_MAX);
	const json_t *networks = jx_get(j, "networks");

	for (size_t i = 0; i < json_array_size(networks); i++) {
		const json_t *net = json_array_get(networks, i);
		const json_t *addresses = jx_get(net, "addresses");

		for (size_t k = 0; k < json_array_size(addresses); k++)
			buf_addf(&b, "%s%s %s", b.len ? ", " : " (", jx_str(net, "name", "-"),
				 jx_str(json_array_get(addresses, k), "", "-"));
	}
	if (b.len)
		buf_addf(&b, ")");
	return buf_take(&b);
}

static const char *only_interface(const json_t *j)
{
	const json_t *list = jx_get(j, "interfaces");
	const char *found = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = jx_str(json_array_get(list, i), "name", "");

		if (!strcmp(name, "lo"))
			continue;
		if (found)
			return NULL;
		found = name;
	}
	return found;
}

static int decode_file(struct account *a, const json_t *j, struct err *err)
{
	struct account_file f = {
		.name = jx_str(j, "name", ""), .sha256 = jx_str(j, "sha256", ""),
		.bytes = count_of(j, "bytes"), .packets = count_of(j, "packets"),
		.first = jx_str(j, "first", ""), .last = jx_str(j, "last", ""),
		.target = a->n_targets,
	};
	cleanup_free char *clean = names_clean(f.name, NAMES_FILE_MAX - 1);

	if (strcmp(clean, f.name))
		return wrong(err, "the name of a file", a->n_targets);
	if (f.bytes < 0 || f.packets < 0)
		return wrong(err, "the size of a file", a->n_targets);
	if (!digest_is_hex(f.sha256))
		return wrong(err, "the digest of a file", a->n_targets);
	if (json_object_get(a->index, f.name))
		return wrong(err, "a file of two targets, or one that is there twice",
			     a->n_targets);
	json_object_set_new(a->index, f.name, json_integer((json_int_t)a->n_files));
	a->files = xrealloc(a->files, a->n_files + 1, sizeof(*a->files));
	a->files[a->n_files++] = f;
	a->bytes += f.bytes;
	if (a->n_files > UNBUNDLE_FILES_MAX || a->bytes > WIRE_COUNT_MAX)
		return wrong(err, "too many files, up to those", a->n_targets);
	return 0;
}

static int decode_target(struct account *a, const json_t *j, struct err *err)
{
	struct account_target *t = &a->targets[a->n_targets];
	const json_t *files = jx_get(j, "files");
	struct account_node *node;
	int rc = 0;

	*t = (struct account_target){
		.json = j, .label = make_label(j), .where = make_where(j),
		.node = jx_str(j, "node", ""), .interface = only_interface(j),
		.packets = count_of(j, "packets"), .received = count_of(j, "received"),
		.dropped_kernel = count_of(j, "dropped_kernel"),
		.dropped_agent = count_of(j, "dropped_agent"),
		.first_file = a->n_files, .n_files = json_array_size(files),
	};
	node = account_node(a, t);
	if (node)
		node->n_targets += t->n_files > 0;
	for (size_t i = 0; rc == 0 && i < t->n_files; i++)
		rc = decode_file(a, json_array_get(files, i), err);
	a->n_targets++;
	return rc;
}

int account_decode(const char *text, size_t len, struct account *out, struct err *err)
{
	const json_t *list;
	int rc;

	*out = (struct account)ACCOUNT_INIT;
	rc = jx_parse(text, len, "the manifest", &out->json, err);
	if (rc < 0)
		return rc;
	if (jx_int(out->json, "schema", 0) != 1)
		return err_set(err, -EINVAL, "the manifest is not of schema 1");
	out->index = json_object();
	out->node_index = json_object();
	decode_nodes(out);
	out->merged = jx_str(out->json, "capture.merged", NULL);
	list = jx_get(out->json, "targets");
	if (!json_is_array(list))
		return err_set(err, -EINVAL, "the manifest is damaged: it has no targets");
	out->targets = xcalloc(json_array_size(list) + 1, sizeof(*out->targets));
	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
		rc = decode_target(out, json_array_get(list, i), err);
	return rc;
}

static int find_manifest(struct unbundle *u, const char *path, struct account *out,
			 struct err *err)
{
	cleanup_free char *text = NULL;
	struct unbundle_entry e;
	size_t len = 0;
	int rc;

	while ((rc = unbundle_next(u, &e, err)) == 0)
		if (!strcmp(e.name, "manifest.json"))
			break;
	if (rc == UNBUNDLE_E_END)
		return err_set(err, -EINVAL, "'%s' holds no manifest.json", path);
	if (rc == 0)
		rc = unbundle_text(u, ACCOUNT_TEXT_MAX, &text, &len, err);
	if (rc == 0) {
		rc = account_decode(text, len, out, err);
		if (rc < 0)
			err_add(err, " ('%s')", path);
	}
	return rc;
}

int account_load(const char *path, struct account *out, struct err *err)
{
	struct unbundle *u;
	int rc;

	*out = (struct account)ACCOUNT_INIT;
	rc = unbundle_open(&u, path, err);
	if (rc < 0)
		return rc;
	rc = find_manifest(u, path, out, err);
	unbundle_close(u);
	return rc;
}

void account_release(struct account *a)
{
	for (size_t i = 0; i < a->n_targets; i++) {
		free(a->targets[i].label);
		free(a->targets[i].where);
	}
	free(a->nodes);
	free(a->targets);
	free(a->files);
	json_decref(a->index);
	json_decref(a->node_index);
	json_decref(a->json);
	*a = (struct account)ACCOUNT_INIT;
}

int64_t account_limit(const struct account *a)
{
	return 2 * a->bytes + 4 * (int64_t)ACCOUNT_TEXT_MAX;
}

struct account_node *account_node(const struct account *a, const struct account_target *t)
{
	cleanup_free char *id = xasprintf("id %s", jx_str(t->json, "node_id", ""));
	cleanup_free char *name = xasprintf("name %s", t->node);
	const json_t *i = json_object_get(a->node_index, id);

	if (!i)
		i = json_object_get(a->node_index, name);
	return i ? &a->nodes[json_integer_value(i)] : NULL;
}

const struct account_file *account_file(const struct account *a, const char *name)
{
	const json_t *i = json_object_get(a->index, name);

	return i ? &a->files[json_integer_value(i)] : NULL;
}
