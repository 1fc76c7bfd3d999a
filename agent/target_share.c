/* SPDX-License-Identifier: Apache-2.0
 *
 * target_share.c - a namespace that several targets turn out to have is captured once
 *
 * The coordinator knows a namespace by the container that it was made for, as far as it knows that
 * container. What it does not know (a side-car of a side-car, whose middle was not selected) shows here:
 * the same inode. Only a container's can turn out to be another's; all others are known by name. The one
 * that it was made for keeps it, since it goes with that one.
 */
#include "target_inside.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Open, and by no former life, which would have found out. */
static bool is_new(const struct target *t)
{
	return (t->files || t->live_out) && !t->former;
}

static bool is_same(const struct target *a, const struct target *b)
{
	return a->netns.dev == b->netns.dev && a->netns.ino == b->netns.ino &&
	       same_text(a->filter, b->filter);
}

/* A feed that knows its interfaces keeps them, without packets. */
static void fold(struct target *t, const struct target *into)
{
	const char *key = into->wanted->key;

	sniff_close(t->sniff);
	t->sniff = NULL;
	target_live_free(take_ptr(&t->live_out));
	fileset_discard(t->files);
	t->files = NULL;
	pthread_mutex_lock(t->env.lock);
	t->seen->same_as = xstrdup(key);
	t->seen->error = xasprintf("its network namespace is captured as %s", key);
	pthread_mutex_unlock(t->env.lock);
}

enum claim { GUEST, MADE_FOR, BY_NAME };

static enum claim claim_of(const struct target *t)
{
	if (!local_needs_engine(t->wanted->kind))
		return BY_NAME;
	return t->guest ? GUEST : MADE_FOR;
}

/* The one that has it rather than v[i]; of equals the first. NULL: there is none. */
static const struct target *find_owner(struct target *const *v, size_t n, size_t i)
{
	const struct target *best = v[i];

	for (size_t k = 0; k < n; k++) {
		enum claim has, wants;

		if (k == i || !is_new(v[k]) || !is_same(v[k], v[i]))
			continue;
		has = claim_of(best);
		wants = claim_of(v[k]);
		if (wants > has || (wants == has && best == v[i] && k < i))
			best = v[k];
	}
	return best == v[i] ? NULL : best;
}

void targets_share(struct target *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct target *owner;

		if (!is_new(v[i]) || !local_needs_engine(v[i]->wanted->kind))
			continue;
		owner = find_owner(v, n, i);
		if (owner)
			fold(v[i], owner);
	}
}
