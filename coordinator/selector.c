/* SPDX-License-Identifier: Apache-2.0
 *
 * selector.c - what the user names, as text and as a struct; pure
 */
#include "selector.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "wire.h"

#define INGRESS "ingress"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

static const char *const kinds[] = {
	[SELECTOR_SERVICE] = "service", [SELECTOR_STACK] = "stack", [SELECTOR_TASK] = "task",
	[SELECTOR_CONTAINER] = "container", [SELECTOR_NODE] = "node",
	[SELECTOR_NETWORK] = "network", [SELECTOR_INGRESS] = INGRESS,
	[SELECTOR_VXLAN] = "vxlan", [SELECTOR_PATH] = "path",
};

const char *selector_kind_text(enum selector_kind k)
{
	return kinds[k];
}

char *selector_text(enum selector_kind k, const char *name)
{
	return xasprintf("%s:%s", kinds[k], name);
}

bool selector_is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?");
}

/* A '*' that was passed is gone back to once, for each character of the text. */
bool selector_glob(const char *p, const char *t)
{
	const char *star = NULL, *from = NULL;

	while (*t) {
		if (*p == '*') {
			star = ++p;
			from = t;
		} else if (*p == '?' || *p == *t) {
			p++;
			t++;
		} else if (star) {
			p = star;
			t = ++from;
		} else {
			return false;
		}
	}
	return p[strspn(p, "*")] == '\0';
}

/* ---- one selector ---- */

/* The kind in front of the first ':'; its length with the ':', 0: there is none. */
static size_t find_kind(const char *s, enum selector_kind *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i]);

		if (i != SELECTOR_INGRESS && str_starts(s, kinds[i]) && s[n] == ':') {
			*out = (enum selector_kind)i;
			return n + 1;
		}
	}
	return 0;
}

/*
 * Docker's names. Nodes may have any name, networks nearly; what may reach a URL is checked where
 * the URL is made.
 */
static bool is_name(const struct selector *s)
{
	bool any = s->kind == SELECTOR_NODE || s->kind == SELECTOR_NETWORK ||
		   s->kind == SELECTOR_VXLAN;

	if (!*s->name || strlen(s->name) > WIRE_TEXT_MAX)
		return false;
	for (const char *p = s->name; *p; p++)
		if (any ? iscntrl((unsigned char)*p) : !strchr(LETTERS "*?", *p))
			return false;
	return s->kind != SELECTOR_CONTAINER || s->glob || isalnum((unsigned char)*s->name);
}

int selector_parse(const char *text, struct selector *out, struct err *err)
{
	struct selector s = { .kind = SELECTOR_SERVICE, .exclude = *text == '!' };
	const char *at = text + s.exclude;
	size_t n = find_kind(at, &s.kind);

	s.name = at + n;
	if (n == 0 && strcmp(at, INGRESS) == 0)
		s.kind = SELECTOR_INGRESS;
	if (n == 0 && strchr(at, ':'))
		return err_set(err, -EINVAL, "cannot select '%.64s': services ('web'), and stack:, task:, "
			       "container:, node:, network:, vxlan: and path: with a name, and ingress",
			       at);
	s.glob = selector_is_glob(s.name);
	if (!is_name(&s))
		return err_set(err, -EINVAL, "'%.64s' is not the name of a %s", at, kinds[s.kind]);
	*out = s;
	return 0;
}

/* ---- a list ---- */

static char *encode(const struct selector *s)
{
	const char *bang = s->exclude ? "!" : "";

	if (s->kind == SELECTOR_INGRESS ||
	    (s->kind == SELECTOR_SERVICE && strcmp(s->name, INGRESS) != 0))
		return xasprintf("%s%s", bang, s->name);
	return xasprintf("%s%s:%s", bang, kinds[s->kind], s->name);
}

/* One name of the list, with what it has from those before it. */
static int add(const char *part, const struct selector *before, char **out, struct selector *now,
	       struct err *err)
{
	enum selector_kind own;
	bool bang = *part == '!', has_kind = find_kind(part + bang, &own) || strchr(part, ':');
	bool inherits = !has_kind && before->kind != SELECTOR_SERVICE;
	cleanup_free char *text = xasprintf("%s%s%s%s", bang || before->exclude ? "!" : "",
					    inherits ? kinds[before->kind] : "",
					    inherits ? ":" : "", part + bang);
	int r = selector_parse(text, now, err);

	if (r == 0)
		*out = encode(now);
	if (now->kind == SELECTOR_INGRESS)
		now->kind = SELECTOR_SERVICE;	/* it is no prefix: nothing is inherited */
	now->name = NULL;
	return r;
}

int selector_expand(const char *word, char **list, size_t max, size_t *n, struct err *err)
{
	struct selector before = { .kind = SELECTOR_SERVICE };
	cleanup_free char *copy = xstrdup(word);
	char *rest = copy, *part;

	*n = 0;
	while ((part = strsep(&rest, ","))) {
		struct selector now = before;
		int r;

		if (*n == max)
			return err_set(err, -E2BIG, "too many selectors");
		r = add(part, &before, &list[*n], &now, err);
		if (r < 0)
			return r;
		before = now;
		++*n;
	}
	return 0;
}
