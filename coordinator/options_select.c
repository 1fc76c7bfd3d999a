/* SPDX-License-Identifier: Apache-2.0
 *
 * options_select.c - which of what the selectors mean
 */
#include "options_parts.h"

#include "selector.h"
#include "units.h"

#include <errno.h>
#include <string.h>

#define TASKS_MOST 100000

int options_set_node(struct request *r, const char *value, struct err *err)
{
	const char *at = value;

	for (;; at++) {
		at += *at == '!';
		if (!*at || *at == ',')
			return err_set(err, -EINVAL, "--node '%s': the name of a node is needed, "
				       "as in node1,'edge*'", value);
		at += strcspn(at, ",");
		if (!*at)
			break;
	}
	if (r->n_only_nodes == REQUEST_SELECTORS_MAX)
		return err_set(err, -EINVAL, "--node: more than %d of them", REQUEST_SELECTORS_MAX);
	r->only_nodes[r->n_only_nodes++] = value;
	return 0;
}

int options_set_tasks(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_u64(value, 1, TASKS_MOST, &n) < 0)
		return err_set(err, -EINVAL, "--tasks '%s': not a number of tasks from 1 on", value);
	r->tasks = (int64_t)n;
	return 0;
}

int options_set_members(struct request *r, const char *value, struct err *err)
{
	r->members = true;
	return 0;
}

int options_set_max_targets(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_u64(value, 1, TASKS_MOST, &n) < 0)
		return err_set(err, -EINVAL, "--max-targets '%s': not a number from 1 to %d", value,
			       TASKS_MOST);
	r->max_targets = (int64_t)n;
	return 0;
}

int options_set_yes(struct request *r, const char *value, struct err *err)
{
	r->yes = true;
	return 0;
}

/* Options that are selectors of a kind of their own. */
static int add_kind(struct request *r, enum selector_kind kind, const char *value, struct err *err)
{
	cleanup_free char *word = selector_text(kind, value);
	struct err why = ERR_INIT;
	char **at = r->owned + r->n_owned;
	size_t n = 0;
	int rc = selector_expand(word, at, REQUEST_SELECTORS_MAX - r->n_selectors, &n, &why);

	r->n_owned += n;
	for (size_t i = 0; i < n; i++)
		r->selectors[r->n_selectors++] = at[i];
	return rc < 0 ? err_set(err, -EINVAL, "--%s '%s': %s", selector_kind_text(kind), value,
				why.text) : 0;
}

int options_set_vxlan(struct request *r, const char *value, struct err *err)
{
	r->vxlan = true;
	return add_kind(r, SELECTOR_VXLAN, value, err);
}

int options_set_path(struct request *r, const char *value, struct err *err)
{
	return add_kind(r, SELECTOR_PATH, value, err);
}

int options_set_interfaces(struct request *r, const char *value, struct err *err)
{
	r->interfaces = true;
	return 0;
}

int options_set_watch(struct request *r, const char *value, struct err *err)
{
	r->watch = true;
	return 0;
}
