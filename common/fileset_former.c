/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_former.c - the files of one target: those that a former life of the program left
 *
 * They are whole by now. What they hold counts as if this life had written it, so limits are
 * exact over a restart. Which group a file belongs to is known when the group's first interface
 * is declared: until then it waits in `former`.
 */
#include "fileset_parts.h"

#include <string.h>

void fileset_go_on(struct fileset *f, const struct fileset_former *former)
{
	f->packets = f->removed_packets = former->removed_packets;
	f->old_bytes = f->removed_bytes = former->removed_bytes;
	f->old_truncated = former->truncated;
	for (size_t i = 0; i < former->n_files; i++) {
		const struct wire_file *w = &former->files[i];
		struct fileset_old *o = xcalloc(1, sizeof(*o)), **at = &f->former;

		o->f = f;
		o->number = w->segment;
		o->suffix = xstrdup_null(w->suffix);
		o->name = xstrdup(w->name);
		o->packets = w->packets;
		o->bytes = w->bytes;
		f->packets += w->packets;
		f->old_bytes += w->bytes;
		while (*at && (*at)->number <= o->number)
			at = &(*at)->next;
		o->next = *at;
		*at = o;
	}
}

static bool is_of(const struct fileset_old *o, const struct fileset_group *g)
{
	return o->suffix && g->suffix ? !strcmp(o->suffix, g->suffix) : !o->suffix && !g->suffix;
}

void fileset_adopt(struct fileset *f, struct fileset_group *g)
{
	struct fileset_old **from = &f->former, **to = &f->old;

	pthread_mutex_lock(&f->lock);
	while (*to)
		to = &(*to)->next;
	while (*from) {
		struct fileset_old *o = *from;

		if (!is_of(o, g)) {
			from = &o->next;
			continue;
		}
		*from = o->next;
		o->next = NULL;
		o->group = (size_t)(g - f->groups);
		if (g->number <= o->number)
			g->number = o->number + 1;
		*to = o;
		to = &o->next;
		atomic_fetch_add(&f->n_old, 1);
	}
	pthread_mutex_unlock(&f->lock);
}
