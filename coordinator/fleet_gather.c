/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_gather.c - one node's files come into the staging folder, whole or not at all
 */
#include "fleet_parts.h"

#include <errno.h>

#define FETCH_TRIES 5

static void on_progress(void *arg, size_t n)
{
	fleet_fetched(arg, n);
}

/* 0; -errno when no further file will come from this node; 1: this one did not. */
static int fetch_one(struct fleet_talk *t, struct wire_file *file, char **out)
{
	struct fleet *f = t->fleet;
	cleanup_free char *name = xasprintf("%zu-%s", t->index, file->name);
	struct link_file want = {
		.id = f->job.plan->id,
		.spool_name = file->name,
		.name = name,
		.dirfd = f->staging_fd,
		.bytes = file->bytes,
		.xxh128 = file->xxh128,
		.sha256 = file->sha256,
		.tries = FETCH_TRIES,
		.cancel = &f->cancel,
		.progress = on_progress,
		.arg = f,
	};
	struct err err = ERR_INIT;
	bool local = false;
	int rc = link_fetch(t->link, &want, &local, &err);

	if (rc == 0) {
		fleet_note(t, "fetched %s, %lld bytes", file->name, (long long)file->bytes);
		*out = take_ptr(&name);
		return 0;
	}
	if (!t->node->fetch_err.code)
		t->node->fetch_err = err;
	if (local)
		fleet_disk_failed(f, &err);
	if (local || rc == -ECANCELED)
		return -ECANCELED;
	if (rc > 0 || rc == -EBADMSG || rc == -EMSGSIZE || rc == -EINVAL)
		return 1;
	fleet_blame(t, fleet_loss(rc), &err);
	fleet_tell(t, FLEET_NODE_GONE, NULL, err.text);
	return rc;
}

void fleet_gather_files(struct fleet_talk *t)
{
	struct wire_report *r = &t->node->report;
	size_t total = 0, at = 0;
	int rc = 0;

	for (size_t i = 0; i < r->n_targets; i++)
		total += r->targets[i].n_files;
	t->node->fetched = xcalloc(total + 1, sizeof(*t->node->fetched));
	t->node->n_fetched = total;
	for (size_t i = 0; i < r->n_targets; i++)
		for (size_t k = 0; k < r->targets[i].n_files && rc >= 0; k++, at++)
			rc = fetch_one(t, &r->targets[i].files[k], &t->node->fetched[at]);
}
