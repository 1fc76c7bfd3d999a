/* SPDX-License-Identifier: Apache-2.0
 *
 * options_select.c - which of what the selectors mean
 */
#include "options_parts.h"

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

int options_set_watch(struct request *r, const char *value, struct err *err)
{
	r->watch = true;
	return 0;
}
