/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_fields.h - the shape of each struct of wire.h as a table
 *
 * One row per JSON field, in the order of docs/PROTOCOL.md. The encoder, the decoder and
 * release all walk the same rows, so that a new field is one row and one struct member.
 */
#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include "wire.h"

enum wire_type {
	WIRE_T_VERSION,		/* the constant 1; no member */
	WIRE_T_TEXT,		/* char *, never NULL when decoded */
	WIRE_T_TEXT_NULL,	/* char *; null, absent (and "" where there is a check): NULL */
	WIRE_T_CHARS,		/* char[width]; absent or null: "" */
	WIRE_T_INT,		/* int64_t, or 32 bits; from min to max */
	WIRE_T_LIMIT,		/* int64_t, 0 is null */
	WIRE_T_BOOL,
	WIRE_T_ENUM,		/* by words; words[0] NULL: null */
	WIRE_T_BOOL_WORD,	/* bool by words[0] and words[1] */
	WIRE_T_TEXTS,		/* char ** with a count */
	WIRE_T_LIST,		/* structs of a shape, with a count */
	WIRE_T_PART,		/* an object in the JSON, the same struct here */
	WIRE_T_OBJECT,		/* json_t *, kept as it is; NULL: left out */
};

#define WIRE_F_REQUIRED 1u	/* absent and null are refused */
#define WIRE_F_CUT 2u		/* for people: the encoder shortens what is too long */
#define WIRE_F_OMIT 4u		/* "" is left out by the encoder */

/* What a text must look like besides its length; rule ends the sentence that refuses it. */
struct wire_check {
	bool (*fits)(const char *s);
	const char *rule;
};

struct wire_shape;

struct wire_field {
	const char *name;
	enum wire_type type;
	unsigned int flags;
	size_t offset, width;		/* of the member */
	size_t count;			/* offset of the list's size_t */
	int64_t min, max;		/* of a number; max: bytes of a text, elements of a list */
	const struct wire_check *check;
	const char *const *words;	/* of an enum */
	size_t n_words;
	const struct wire_shape *shape;
};

struct wire_shape {
	size_t size;			/* of the struct */
	const struct wire_field *fields;
	size_t n;
};

extern const struct wire_shape wire_arm_shape;
extern const struct wire_shape wire_report_shape;
extern const struct wire_shape wire_info_shape;

extern const char *const wire_kind_words[6];
extern const char *const wire_end_words[12];

#endif
