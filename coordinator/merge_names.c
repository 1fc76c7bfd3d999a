/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_names.c - addresses and names, each pair once, in the order in which they came
 *
 * Twelve files of one capture carry the same names. A JSON object is a hash that is at hand.
 */
#include "merge_parts.h"

#include "jx.h"

#define NAMES_MAX 100000u		/* more than a Swarm has tasks; hostile inputs end there */

struct merge_names {
	json_t *known;			/* "address name" */
	struct pcapng_name *v;
	size_t n, size;
};

struct merge_names *merge_names_new(void)
{
	struct merge_names *n = xcalloc(1, sizeof(*n));

	n->known = json_object();
	return n;
}

void merge_names_free(struct merge_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++) {
		free((char *)n->v[i].address);
		free((char *)n->v[i].name);
	}
	free(n->v);
	json_decref(n->known);
	free(n);
}

bool merge_names_add(struct merge_names *n, const char *address, const char *name)
{
	cleanup_free char *pair = xasprintf("%s %s", address, name);

	/* a name that is no UTF-8 cannot be a key: it is no name either */
	if (n->n == NAMES_MAX || json_object_get(n->known, pair) ||
	    json_object_set_new(n->known, pair, json_true()) < 0)
		return false;
	if (n->n == n->size) {
		n->size = n->size ? 2 * n->size : 64;
		n->v = xrealloc(n->v, n->size, sizeof(*n->v));
	}
	n->v[n->n++] = (struct pcapng_name){ xstrdup(address), xstrdup(name) };
	return true;
}

int merge_names_put(const struct merge_names *n, struct buf *b)
{
	return pcapng_put_names(b, n->v, n->n);
}
