/* SPDX-License-Identifier: Apache-2.0
 *
 * jx_some.c - of a large text only what is read goes through jansson
 *
 * A manager's list of 1,000 tasks is 2.7 MB, most of which nobody looks at, and jansson spends 200
 * instructions on each byte. So the text is copied without the rest: values that no path leads to are passed
 * over bracket by bracket. A value reached by a path is copied byte for byte, and jansson judges it.
 * Whatever looks odd here ends the copying, and jansson gets the whole text.
 */
#include "jx.h"

#include <string.h>

struct sieve {
	const char *at, *end;
	char *out;			/* never gets ahead of at */
	const char *const *paths;
	size_t n_paths;
	int depth;
};

/* Which paths lead here: a bit for each. rest[i] is what is left of path i. */
struct place {
	const char *rest[JX_PATHS_MAX];
	uint64_t open;
};

enum way { LEAVE, ENTER, KEEP };

static void skip_space(struct sieve *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* Behind the string that begins here; false: it does not end. */
static bool skip_string(struct sieve *s)
{
	const char *from = s->at;

	for (;;) {
		const char *quote = memchr(s->at + 1, '"', (size_t)(s->end - s->at - 1)), *p = quote;

		if (!quote)
			return false;
		while (p - 1 > from && p[-1] == '\\')
			p--;
		s->at = quote;
		if ((quote - p) % 2 == 0)
			break;
	}
	s->at++;
	return true;
}

static bool skip_brackets(struct sieve *s)
{
	char closing[JX_DEPTH_MAX];
	int depth = 0;

	do {
		if (s->at == s->end)
			return false;
		switch (*s->at) {
		case '"':
			if (!skip_string(s))
				return false;
			continue;
		case '{':
		case '[':
			if (s->depth + depth == JX_DEPTH_MAX)
				return false;
			closing[depth++] = *s->at == '{' ? '}' : ']';
			break;
		case '}':
		case ']':
			if (closing[--depth] != *s->at)
				return false;
			break;
		default:
			break;
		}
		s->at++;
	} while (depth);
	return true;
}

static bool skip_value(struct sieve *s)
{
	const char *from = s->at;

	if (s->at == s->end)
		return false;
	if (*s->at == '"')
		return skip_string(s);
	if (*s->at == '{' || *s->at == '[')
		return skip_brackets(s);
	while (s->at < s->end && !strchr(",]} \t\r\n\"[{:", *s->at))
		s->at++;
	return s->at > from;
}

static void put(struct sieve *s, char c)
{
	*s->out++ = c;
}

/* What stands between from and here. */
static void copy(struct sieve *s, const char *from)
{
	size_t n = (size_t)(s->at - from);

	memcpy(s->out, from, n);
	s->out += n;
}

/* One step along the paths that lead to p. */
static enum way step(const struct sieve *s, const struct place *p, const char *key, size_t n,
		     struct place *next)
{
	enum way way = LEAVE;

	next->open = 0;
	if (memchr(key, '.', n))
		return LEAVE;		/* no path speaks of it */
	for (size_t i = 0; i < s->n_paths; i++) {
		const char *rest = p->rest[i];

		if (!(p->open >> i & 1) || strncmp(rest, key, n) != 0 || (rest[n] && rest[n] != '.'))
			continue;
		if (!rest[n])
			return KEEP;
		next->rest[i] = rest + n + 1;
		next->open |= UINT64_C(1) << i;
		way = ENTER;
	}
	return way;
}

static bool sift_value(struct sieve *s, const struct place *p);

/* A key with its value. An escape in a key may be any letter. */
static bool sift_member(struct sieve *s, const struct place *p, bool *any)
{
	const char *key = s->at, *end;
	struct place next;
	enum way way;

	if (s->at == s->end || *s->at != '"' || !skip_string(s))
		return false;
	end = s->at - 1;
	if (memchr(key, '\\', (size_t)(end - key)) || memchr(key, '\0', (size_t)(end - key)))
		return false;
	skip_space(s);
	if (s->at == s->end || *s->at++ != ':')
		return false;
	way = step(s, p, key + 1, (size_t)(end - key - 1), &next);
	skip_space(s);
	if (way == LEAVE)
		return skip_value(s);
	if (*any)
		put(s, ',');
	*any = true;
	memcpy(s->out, key, (size_t)(end + 1 - key));
	s->out += end + 1 - key;
	put(s, ':');
	key = s->at;
	if (way == ENTER)
		return sift_value(s, &next);
	if (!skip_value(s))
		return false;
	copy(s, key);
	return true;
}

static bool sift_element(struct sieve *s, const struct place *p, bool *any)
{
	if (*any)
		put(s, ',');
	*any = true;
	return sift_value(s, p);
}

/* An object or an array; elements of an array are where the array is. */
static bool sift_inside(struct sieve *s, const struct place *p, char closing)
{
	bool (*sift)(struct sieve *, const struct place *, bool *) =
		closing == '}' ? sift_member : sift_element;
	bool any = false;

	put(s, *s->at++);
	skip_space(s);
	while (s->at < s->end && *s->at != closing) {
		if (!sift(s, p, &any))
			return false;
		skip_space(s);
		if (s->at == s->end || (*s->at != ',' && *s->at != closing))
			return false;
		if (*s->at == closing)
			break;
		s->at++;
		skip_space(s);
		if (s->at < s->end && *s->at == closing)
			return false;
	}
	if (s->at == s->end)
		return false;
	put(s, *s->at++);
	return true;
}

static bool sift_value(struct sieve *s, const struct place *p)
{
	const char *from = s->at;
	bool ok;

	if (s->at < s->end && (*s->at == '{' || *s->at == '[')) {
		if (s->depth == JX_DEPTH_MAX)
			return false;
		s->depth++;
		ok = sift_inside(s, p, *s->at == '{' ? '}' : ']');
		s->depth--;
		return ok;
	}
	if (!skip_value(s))
		return false;
	copy(s, from);
	return true;
}

/* The shorter text's length, 0: this is not to be shortened. */
static size_t sift(const char *text, size_t len, const char *const *paths, char *out)
{
	struct sieve s = { .at = text, .end = text + len, .out = out, .paths = paths };
	struct place root = { .open = 0 };

	for (; paths[s.n_paths]; s.n_paths++) {
		if (s.n_paths == JX_PATHS_MAX)
			return 0;
		root.rest[s.n_paths] = paths[s.n_paths];
		root.open |= UINT64_C(1) << s.n_paths;
	}
	skip_space(&s);
	if (!sift_value(&s, &root))
		return 0;
	skip_space(&s);
	return s.at == s.end ? (size_t)(s.out - out) : 0;
}

int jx_parse_some(const char *text, size_t len, const char *const *paths, const char *what,
		  json_t **out, struct err *err)
{
	cleanup_free char *some = len <= JX_SIZE_MAX ? xmalloc(len + 1) : NULL;
	size_t n = some ? sift(text, len, paths, some) : 0;

	if (n && jx_parse(some, n, what, out, NULL) == 0)
		return 0;
	return jx_parse(text, len, what, out, err);
}
