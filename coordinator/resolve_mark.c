/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve_mark.c - one name among many, and what was named so far; pure
 *
 * Names are matched as Docker does: the full id, the full name, a unique beginning of an id.
 */
#include "resolve_parts.h"

#include <errno.h>
#include <string.h>

/* ---- marks ---- */

struct marks marks_new(size_t n)
{
	return (struct marks){ xcalloc(n + 1, sizeof(bool)), xcalloc(n + 1, sizeof(bool)), n };
}

void marks_set(struct marks *m, size_t i, bool exclude)
{
	(exclude ? m->out : m->in)[i] = true;
}

bool *marks_end(struct marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->in[i] = m->in[i] && !m->out[i];
	free(m->out);
	return m->in;
}

void marks_drop(struct marks *m)
{
	free(m->in);
	free(m->out);
}

/* ---- one name among many ---- */

struct item marks_service(const struct cluster *c, size_t i)
{
	return (struct item){ c->services[i].id, c->services[i].name };
}

struct item marks_node(const struct cluster *c, size_t i)
{
	return (struct item){ c->nodes[i].id, c->nodes[i].name };
}

struct item marks_network(const struct cluster *c, size_t i)
{
	return (struct item){ c->networks[i].id, c->networks[i].name };
}

struct item marks_container(const struct cluster *c, size_t i)
{
	return (struct item){ c->containers[i].id, c->containers[i].name };
}

enum pass { BY_PATTERN, BY_ID, BY_NAME, BY_ID_BEGIN };

static bool fits(enum pass by, const char *name, const struct item *item)
{
	switch (by) {
	case BY_PATTERN:
		return selector_glob(name, item->name);
	case BY_ID:
		return strcmp(item->id, name) == 0;
	case BY_NAME:
		return strcmp(item->name, name) == 0;
	default:
		return str_starts(item->id, name);
	}
}

static size_t mark_pass(struct work *w, struct marks *m, get_item *get, const struct selector *s,
			enum pass by)
{
	size_t found = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct item item = get(w->c, i);

		if (!fits(by, s->name, &item))
			continue;
		marks_set(m, i, s->exclude);
		found++;
	}
	return found;
}

size_t marks_by_name(struct work *w, struct marks *m, get_item *get, const struct selector *s)
{
	return mark_pass(w, m, get, s, BY_NAME);
}

int marks_find(struct work *w, struct marks *m, get_item *get, const struct selector *s,
		      struct err *err)
{
	static const char *const of[] = { [BY_NAME] = "the name", [BY_ID_BEGIN] = "the beginning" };

	if (s->glob)
		return (int)mark_pass(w, m, get, s, BY_PATTERN);
	for (enum pass by = BY_ID; by <= BY_ID_BEGIN; by++) {
		size_t found = mark_pass(w, m, get, s, by);

		if (found > 1)
			return err_set(err, -EINVAL, "'%s' is %s of several %ss%s", s->name, of[by],
				       selector_kind_text(s->kind),
				       by == BY_NAME ? ": name one by its id" : "' ids");
		if (found)
			return 1;
	}
	return 0;
}

