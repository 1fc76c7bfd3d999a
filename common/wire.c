/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.c - structs to JSON, and their release; the shapes stand in wire_fields.c
 */
#include "wire.h"

#include <string.h>

#include "buf.h"
#include "utf8.h"
#include "wire_fields.h"

#define ERROR_TEXT_MAX 1024

/* Members are reached by offset; these read one of the type that the row promises. */
#define MEMBER(base, f, type) (*(type *)((char *)(uintptr_t)(base) + (f)->offset))
#define N_ELEMENTS(base, f) (*(size_t *)((char *)(uintptr_t)(base) + (f)->count))

/* The first struct of a list; copied, because its pointer has a type of its own. */
static char *elements_of(const struct wire_field *f, const void *base)
{
	char *p;

	memcpy(&p, (const char *)base + f->offset, sizeof(p));
	return p;
}

const char *wire_kind_text(enum wire_kind k)
{
	return (size_t)k < ARRAY_SIZE(wire_kind_words) ? wire_kind_words[k] : "unknown";
}

const char *wire_end_text(enum wire_end e)
{
	return (size_t)e < ARRAY_SIZE(wire_end_words) ? wire_end_words[e] : NULL;
}

/* ---- encoding ---- */

static json_t *encode_text(const struct wire_field *f, const char *s)
{
	cleanup_json json_t *whole = jx_text(s);

	if (!s || !(f->flags & WIRE_F_CUT) || json_string_length(whole) <= (size_t)f->max)
		return take_ptr(&whole);
	return json_stringn(json_string_value(whole),
			    utf8_cut(json_string_value(whole), (size_t)f->max));
}

static json_t *encode_texts(const struct wire_field *f, const void *base)
{
	char **texts = MEMBER(base, f, char **);
	size_t n = N_ELEMENTS(base, f);
	json_t *list = json_array();

	if ((f->flags & WIRE_F_CUT) && n > (size_t)f->max)
		n = (size_t)f->max;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, encode_text(f, texts[i] ? texts[i] : ""));
	return list;
}

static json_t *encode_shape(const struct wire_shape *s, const void *base);

static json_t *encode_list(const struct wire_field *f, const void *base)
{
	const char *element = elements_of(f, base);
	json_t *list = json_array();

	for (size_t i = N_ELEMENTS(base, f); i > 0; i--, element += f->shape->size)
		json_array_append_new(list, encode_shape(f->shape, element));
	return list;
}

static json_t *encode_int(const struct wire_field *f, const void *base)
{
	if (f->width == sizeof(int32_t))
		return json_integer(MEMBER(base, f, int32_t));
	return json_integer(MEMBER(base, f, int64_t));
}

static json_t *encode_enum(const struct wire_field *f, unsigned int value)
{
	return jx_text(value < f->n_words ? f->words[value] : f->words[0]);
}

/* NULL: the field is left out. */
static json_t *encode_field(const struct wire_field *f, const void *base)
{
	const char *text;

	switch (f->type) {
	case WIRE_T_VERSION:
		return json_integer(WIRE_VERSION);
	case WIRE_T_TEXT:
		text = MEMBER(base, f, const char *);
		return encode_text(f, text ? text : "");
	case WIRE_T_TEXT_NULL:
		text = MEMBER(base, f, const char *);
		return encode_text(f, f->check && text && !*text ? NULL : text);
	case WIRE_T_CHARS:
		text = &MEMBER(base, f, const char);
		return (f->flags & WIRE_F_OMIT) && !*text ? NULL : jx_text(text);
	case WIRE_T_INT:
		return encode_int(f, base);
	case WIRE_T_LIMIT:
		return MEMBER(base, f, int64_t) ? encode_int(f, base) : json_null();
	case WIRE_T_BOOL:
		return json_boolean(MEMBER(base, f, bool));
	case WIRE_T_ENUM:
		return encode_enum(f, MEMBER(base, f, unsigned int));
	case WIRE_T_BOOL_WORD:
		return encode_enum(f, MEMBER(base, f, bool));
	case WIRE_T_TEXTS:
		return encode_texts(f, base);
	case WIRE_T_LIST:
		return encode_list(f, base);
	case WIRE_T_PART:
		return encode_shape(f->shape, base);
	case WIRE_T_OBJECT:
		return json_incref(MEMBER(base, f, json_t *));
	}
	return NULL;
}

static json_t *encode_shape(const struct wire_shape *s, const void *base)
{
	json_t *object = json_object();

	for (size_t i = 0; i < s->n; i++) {
		json_t *value = encode_field(&s->fields[i], base);

		if (value)
			json_object_set_new(object, s->fields[i].name, value);
	}
	return object;
}

json_t *wire_arm_encode(const struct wire_arm *a)
{
	return encode_shape(&wire_arm_shape, a);
}

json_t *wire_report_encode(const struct wire_report *r)
{
	return encode_shape(&wire_report_shape, r);
}

json_t *wire_info_encode(const struct wire_info *i)
{
	return encode_shape(&wire_info_shape, i);
}

json_t *wire_error_encode(const char *code, const char *message)
{
	return json_pack("{s:{s:o,s:o}}", "error", "code", jx_text(code), "message",
			 jx_text(message ? message : ""));
}

char *wire_error_text(const char *body, size_t len, const char *def)
{
	cleanup_buf struct buf raw = BUF_INIT(ERROR_TEXT_MAX);
	cleanup_buf struct buf safe = BUF_INIT(8 * ERROR_TEXT_MAX);
	cleanup_json json_t *j = NULL;
	const char *code, *message;

	if (jx_parse(body, len, "answer", &j, NULL) < 0)
		return xstrdup_null(def);
	code = jx_str(j, "error.code", NULL);
	message = jx_str(j, "error.message", "");
	if (!code || !*code || buf_add(&raw, code, utf8_cut(code, 64)) < 0)
		return xstrdup_null(def);
	if (*message) {
		buf_addf(&raw, ": ");
		buf_add(&raw, message, utf8_cut(message, ERROR_TEXT_MAX - 128));
	}

	buf_add_safe(&safe, raw.data);
	return buf_take(&safe);
}

struct wire_network *wire_networks_copy(const struct wire_network *list, size_t n)
{
	struct wire_network *copy = xcalloc(n, sizeof(*copy));

	for (size_t i = 0; i < n; i++) {
		char **addresses = xcalloc(list[i].n_addresses, sizeof(*addresses));

		for (size_t j = 0; j < list[i].n_addresses; j++)
			addresses[j] = xstrdup(list[i].addresses[j]);
		copy[i] = (struct wire_network){
			.name = xstrdup(list[i].name),
			.id = xstrdup_null(list[i].id),
			.vni = list[i].vni,
			.addresses = addresses,
			.n_addresses = list[i].n_addresses,
		};
	}
	return copy;
}

struct wire_service *wire_services_copy(const struct wire_service *list, size_t n)
{
	struct wire_service *copy = xcalloc(n, sizeof(*copy));

	for (size_t i = 0; i < n; i++) {
		char **except = xcalloc(list[i].n_except, sizeof(*except));

		for (size_t k = 0; k < list[i].n_except; k++)
			except[k] = xstrdup(list[i].except[k]);
		copy[i] = (struct wire_service){
			.id = xstrdup(list[i].id), .name = xstrdup(list[i].name), .except = except,
			.n_except = list[i].n_except,
		};
	}
	return copy;
}

const struct wire_service *wire_service_takes(const struct wire_service *list, size_t n,
					      const char *service_id, const char *task,
					      const char *task_id)
{
	const struct wire_service *s = NULL;

	for (size_t i = 0; i < n && !s; i++)
		if (!strcmp(list[i].id, service_id))
			s = &list[i];
	for (size_t i = 0; s && i < s->n_except; i++)
		if (!strcmp(s->except[i], task) || !strcmp(s->except[i], task_id))
			return NULL;
	return s;
}

/* ---- release ---- */

static void release_shape(const struct wire_shape *s, void *base);

static void release_texts(const struct wire_field *f, void *base)
{
	char **texts = MEMBER(base, f, char **);

	for (size_t i = 0; i < N_ELEMENTS(base, f); i++)
		free(texts[i]);
	free(texts);
}

static void release_list(const struct wire_field *f, void *base)
{
	char *elements = elements_of(f, base);

	for (size_t i = 0; i < N_ELEMENTS(base, f); i++)
		release_shape(f->shape, elements + i * f->shape->size);
	free(elements);
}

static void release_shape(const struct wire_shape *s, void *base)
{
	for (const struct wire_field *f = s->fields; f < s->fields + s->n; f++) {
		if (f->type == WIRE_T_TEXT || f->type == WIRE_T_TEXT_NULL)
			free(MEMBER(base, f, char *));
		else if (f->type == WIRE_T_TEXTS)
			release_texts(f, base);
		else if (f->type == WIRE_T_LIST)
			release_list(f, base);
		else if (f->type == WIRE_T_OBJECT)
			json_decref(MEMBER(base, f, json_t *));
	}
}

void wire_networks_release(struct wire_network *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < list[i].n_addresses; k++)
			free(list[i].addresses[k]);
		free(list[i].addresses);
		free(list[i].name);
		free(list[i].id);
	}
	free(list);
}

void wire_services_release(struct wire_service *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < list[i].n_except; k++)
			free(list[i].except[k]);
		free(list[i].except);
		free(list[i].name);
		free(list[i].id);
	}
	free(list);
}

void wire_arm_release(struct wire_arm *a)
{
	release_shape(&wire_arm_shape, a);
	memset(a, 0, sizeof(*a));
}

void wire_report_release(struct wire_report *r)
{
	release_shape(&wire_report_shape, r);
	memset(r, 0, sizeof(*r));
}

void wire_info_release(struct wire_info *i)
{
	release_shape(&wire_info_shape, i);
	memset(i, 0, sizeof(*i));
}
