/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_decode.c - JSON to structs; what comes is hostile
 *
 * The shapes of wire_fields.c are walked row by row. `struct at` is the way from the root to
 * the value in hand, kept on the stack, so that a refusal can name it: "targets[3].key: ...".
 * Structs begin as zeros and lists are counted before they are filled: a struct can be
 * released whatever the decoder had to say.
 */
#include "wire.h"

#include <errno.h>
#include <string.h>

#include "wire_fields.h"

#define WHERE_MAX 160

#define MEMBER(base, f, type) (*(type *)((char *)(base) + (f)->offset))
#define N_ELEMENTS(base, f) (*(size_t *)((char *)(base) + (f)->count))

struct at {
	const struct at *up;		/* NULL: the root */
	const char *name;		/* NULL: an element of the list above */
	size_t index;
	struct err *err;
};

static void at_format(const struct at *at, char *out, size_t size)
{
	size_t n;

	out[0] = '\0';
	if (!at->up)
		return;
	at_format(at->up, out, size);
	n = strlen(out);
	if (at->name)
		snprintf(out + n, size - n, "%s%s", n ? "." : "", at->name);
	else
		snprintf(out + n, size - n, "[%zu]", at->index);
}

static int refuse(const struct at *at, const char *why)
{
	char where[WHERE_MAX];

	at_format(at, where, sizeof(where));
	return err_set(at->err, -EINVAL, "%s: %s", *where ? where : "body", why);
}

static int refuse_above(const struct at *at, int64_t max, const char *unit)
{
	char why[96];

	snprintf(why, sizeof(why), "more than %lld%s", (long long)max, unit);
	return refuse(at, why);
}

/* ---- values ---- */

/* A copy in *out; NULL for a value that is absent. */
static int decode_text(const struct wire_field *f, const json_t *j, char **out,
		       const struct at *at)
{
	const char *s = json_string_value(j);
	size_t n = json_string_length(j);

	if (!j)
		return 0;
	if (!s)
		return refuse(at, "is no string");
	if (strlen(s) != n)
		return refuse(at, "has a NUL in it");
	if (n > (size_t)f->max)
		return refuse_above(at, f->max, " bytes");
	if (f->type != WIRE_T_TEXT && f->check && n == 0)
		return 0;
	if (f->check && !f->check->fits(s))
		return refuse(at, f->check->rule);

	*out = xstrdup(s);
	return 0;
}

static int decode_chars(const struct wire_field *f, const json_t *j, char *out,
			const struct at *at)
{
	cleanup_free char *s = NULL;
	int r = decode_text(f, j, &s, at);

	if (r < 0)
		return r;
	if (!s && (f->flags & WIRE_F_REQUIRED))
		return refuse(at, f->check->rule);
	if (s && strlen(s) >= f->width)
		return refuse_above(at, (int64_t)f->width - 1, " bytes");
	if (s)
		memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int decode_int(const struct wire_field *f, const json_t *j, void *base,
		      const struct at *at)
{
	int64_t n = json_integer_value(j);

	if (!j)
		return 0;
	if (!json_is_integer(j))
		return refuse(at, "is no integer");
	if (n < f->min)
		return refuse(at, f->min ? "is less than 1" : "is negative");
	if (n > f->max)
		return refuse_above(at, f->max, "");

	if (f->width == sizeof(int32_t))
		MEMBER(base, f, int32_t) = (int32_t)n;
	else
		MEMBER(base, f, int64_t) = n;
	return 0;
}

static int decode_bool(const struct wire_field *f, const json_t *j, void *base,
		       const struct at *at)
{
	if (j && !json_is_boolean(j))
		return refuse(at, "is neither true nor false");
	MEMBER(base, f, bool) = json_is_true(j);
	return 0;
}

static int decode_word(const struct wire_field *f, const json_t *j, unsigned int *out,
		       const struct at *at)
{
	const char *s = json_string_value(j);

	if (!j)
		return 0;
	for (unsigned int i = 0; s && i < f->n_words; i++)
		if (f->words[i] && strcmp(s, f->words[i]) == 0) {
			*out = i;
			return 0;
		}
	return refuse(at, "is none of the known words");
}

static int decode_object(const struct wire_field *f, const json_t *j, json_t **out,
			 const struct at *at)
{
	if (!j)
		return 0;
	if (!json_is_object(j))
		return refuse(at, "is no object");
	if (json_dumpb(j, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII) > (size_t)f->max)
		return refuse_above(at, f->max, " bytes as text");

	*out = json_deep_copy(j);
	if (!*out)
		util_out_of_memory();
	return 0;
}

/* ---- lists and shapes ---- */

static int list_length(const struct wire_field *f, const json_t *j, size_t *n,
		       const struct at *at)
{
	*n = json_array_size(j);
	if (j && !json_is_array(j))
		return refuse(at, "is no list");
	if (*n > (size_t)f->max)
		return refuse_above(at, f->max, " elements");
	return 0;
}

static int decode_texts(const struct wire_field *f, const json_t *j, void *base,
			const struct at *at)
{
	char **texts;
	size_t n;
	int r = list_length(f, j, &n, at);

	if (r < 0 || n == 0)
		return r;
	texts = xcalloc(n, sizeof(*texts));
	MEMBER(base, f, char **) = texts;
	N_ELEMENTS(base, f) = n;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct at here = { at, NULL, i, at->err };

		r = decode_text(f, json_array_get(j, i), &texts[i], &here);
	}
	return r;
}

static int decode_shape(const struct wire_shape *s, const json_t *j, void *base,
			const struct at *at);

static int decode_list(const struct wire_field *f, const json_t *j, void *base,
		       const struct at *at)
{
	char *elements;
	size_t n;
	int r = list_length(f, j, &n, at);

	if (r < 0 || n == 0)
		return r;
	elements = xcalloc(n, f->shape->size);
	/* copied, because the pointer there has a type of its own */
	memcpy((char *)base + f->offset, &elements, sizeof(elements));
	N_ELEMENTS(base, f) = n;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct at here = { at, NULL, i, at->err };

		r = decode_shape(f->shape, json_array_get(j, i), elements + i * f->shape->size,
				 &here);
	}
	return r;
}

static int decode_field(const struct wire_field *f, const json_t *j, void *base,
			const struct at *at)
{
	unsigned int word = 0;
	int r;

	switch (f->type) {
	case WIRE_T_VERSION:
		return 0;
	case WIRE_T_TEXT:
		if (!j)
			MEMBER(base, f, char *) = xstrdup("");
		/* fallthrough */
	case WIRE_T_TEXT_NULL:
		return decode_text(f, j, &MEMBER(base, f, char *), at);
	case WIRE_T_CHARS:
		return decode_chars(f, j, &MEMBER(base, f, char), at);
	case WIRE_T_INT:
	case WIRE_T_LIMIT:
		return decode_int(f, j, base, at);
	case WIRE_T_BOOL:
		return decode_bool(f, j, base, at);
	case WIRE_T_ENUM:
		return decode_word(f, j, &MEMBER(base, f, unsigned int), at);
	case WIRE_T_BOOL_WORD:
		r = decode_word(f, j, &word, at);
		MEMBER(base, f, bool) = word != 0;
		return r;
	case WIRE_T_TEXTS:
		return decode_texts(f, j, base, at);
	case WIRE_T_LIST:
		return decode_list(f, j, base, at);
	case WIRE_T_PART:
		return j ? decode_shape(f->shape, j, base, at) : 0;
	case WIRE_T_OBJECT:
		return decode_object(f, j, &MEMBER(base, f, json_t *), at);
	}
	return refuse(at, "cannot be read");
}

static int decode_shape(const struct wire_shape *s, const json_t *j, void *base,
			const struct at *at)
{
	if (!json_is_object(j))
		return refuse(at, "is no object");

	for (const struct wire_field *f = s->fields; f < s->fields + s->n; f++) {
		const json_t *value = json_object_get(j, f->name);
		struct at here = { at, f->name, 0, at->err };
		int r;

		if (json_is_null(value))
			value = NULL;
		if (!value && (f->flags & WIRE_F_REQUIRED))
			return refuse(&here, "is missing");
		r = decode_field(f, value, base, &here);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what one row cannot say ---- */

static int check_unique(json_t *seen, const char *key, size_t index, struct err *err)
{
	if (json_object_get(seen, key))
		return err_set(err, -EINVAL, "targets[%zu].key: %s was there before", index, key);
	json_object_set_new(seen, key, json_true());
	return 0;
}

static int check_wanted(const struct wire_wanted *w, size_t index, struct err *err)
{
	if (w->container_id || (w->kind != WIRE_TASK && w->kind != WIRE_CONTAINER))
		return 0;
	return err_set(err, -EINVAL, "targets[%zu].container_id: is missing", index);
}

static int check_version(const json_t *j, struct err *err)
{
	const json_t *version = json_object_get(j, "version");

	if (!json_is_object(j))
		return err_set(err, -EINVAL, "body: is no object");
	if (!json_is_integer(version))
		return err_set(err, -EINVAL, "version: is missing");
	if (json_integer_value(version) == WIRE_VERSION)
		return 0;
	err_set(err, -EINVAL, "version: %lld is not spoken here, only %d",
		(long long)json_integer_value(version), WIRE_VERSION);
	return WIRE_E_VERSION;
}

int wire_arm_decode(const json_t *j, struct wire_arm *out, struct err *err)
{
	const struct at root = { NULL, NULL, 0, err };
	cleanup_json json_t *seen = json_object();
	int r;

	memset(out, 0, sizeof(*out));
	r = check_version(j, err);
	if (r == 0)
		r = decode_shape(&wire_arm_shape, j, out, &root);
	if (r == 0 && out->attached && out->lease_ms < 1)
		return err_set(err, -EINVAL, "lease_ms: is missing, and the capture is attached");

	for (size_t i = 0; r == 0 && i < out->n_targets; i++) {
		r = check_unique(seen, out->targets[i].key, i, err);
		if (r == 0)
			r = check_wanted(&out->targets[i], i, err);
	}
	return r;
}

int wire_report_decode(const json_t *j, struct wire_report *out, struct err *err)
{
	const struct at root = { NULL, NULL, 0, err };
	cleanup_json json_t *seen = json_object();
	int r;

	memset(out, 0, sizeof(*out));
	r = decode_shape(&wire_report_shape, j, out, &root);
	for (size_t i = 0; r == 0 && i < out->n_targets; i++)
		r = check_unique(seen, out->targets[i].key, i, err);
	return r;
}

int wire_info_decode(const json_t *j, struct wire_info *out, struct err *err)
{
	const struct at root = { NULL, NULL, 0, err };

	memset(out, 0, sizeof(*out));
	return decode_shape(&wire_info_shape, j, out, &root);
}
