/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.c - pcap-filter expressions: checked early, host names resolved once
 *
 * pcap_compile() looks names up as it parses, with whatever the machine's resolver is. Here
 * it never gets to: each name is replaced first, by what the look-up gave (filter_resolve) or,
 * to judge the expression's form alone, by a placeholder of the same kind (filter_check). A
 * name with several values becomes "(A or B)", which the grammar takes wherever it takes one.
 *
 * With placeholders the optimizer stays off: it would find "host a and not host b" impossible.
 * libpcap is reentrant since 1.8: each call has a handle of its own, and any thread may call.
 */
#include "filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>

#include "filter_lookup.h"

#define SNAPLEN 262144
#define SHOWN_MAX 200			/* bytes of an expression in a sentence */
#define PLACED_MAX (16 * FILTER_MAX)	/* one letter may become an IPv6 placeholder */

static void close_pcap(pcap_t **p)
{
	if (*p)
		pcap_close(*p);
}

/* Compiles what is in code, speaks of expr. */
static int compile(const char *expr, const char *code, bool optimize, struct err *err)
{
	cleanup(close_pcap) pcap_t *p = NULL;
	struct bpf_program program;

	p = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
	if (!p)
		util_out_of_memory();

	if (pcap_compile(p, &program, code, optimize, PCAP_NETMASK_UNKNOWN) < 0)
		return err_set(err, -EINVAL, "filter '%.*s%s' does not compile: %s", SHOWN_MAX,
			       expr, strlen(expr) > SHOWN_MAX ? "..." : "", pcap_geterr(p));
	pcap_freecode(&program);
	return 0;
}

/* In bytes, and in terms: libpcap would take a minute for 16 KiB of ports. */
static int check_bounds(const char *expr, struct err *err)
{
	struct filter_scan s = FILTER_SCAN_INIT(expr);
	struct filter_token t;
	int terms = 1;

	if (strnlen(expr, FILTER_MAX + 1) > FILTER_MAX)
		return err_set(err, -EINVAL, "the filter is too long: at most %d bytes are taken",
			       FILTER_MAX);
	while (filter_next(&s, &t))
		terms += t.joins;
	if (terms > FILTER_TERMS_MAX)
		return err_set(err, -EINVAL, "the filter has too many terms: %d, at most %d are "
			       "taken", terms, FILTER_TERMS_MAX);
	return 0;
}

/* What only the node's own files could answer, or nobody: to be written as a number. */
static int refuse_kind(const struct filter_token *t, struct err *err)
{
	int n = t->name_len > SHOWN_MAX ? SHOWN_MAX : (int)t->name_len;

	switch (t->kind) {
	case FILTER_NET:
		return err_set(err, -EINVAL, "the filter names the network '%.*s': "
			       "give the network as a number", n, t->name);
	case FILTER_LINK:
		return err_set(err, -EINVAL, "the filter names the link-layer address '%.*s': "
			       "give the address as a number", n, t->name);
	case FILTER_GATEWAY:
		return err_set(err, -EINVAL, "the filter names the gateway '%.*s': give its "
			       "hardware address as a number, with 'ether host'", n, t->name);
	default:
		return 0;
	}
}

typedef int replace_fn(const struct filter_token *t, struct buf *out, struct err *err);

/* Never lets a replacement grow together with its neighbours into another token. */
static int add_replaced(struct buf *out, const struct filter_token *t, replace_fn *replace,
			struct err *err)
{
	static const char apart[] = " \t\r\n()";
	int rc = refuse_kind(t, err);

	if (rc == 0 && out->len > 0 && !strchr(apart, out->data[out->len - 1]))
		rc = buf_add(out, " ", 1);
	if (rc == 0)
		rc = replace(t, out, err);
	if (rc == 0 && !strchr(apart, t->start[t->len]))
		rc = buf_add(out, " ", 1);
	return rc;
}

static int replace_names(const char *expr, replace_fn *replace, struct buf *out, struct err *err)
{
	struct filter_scan s = FILTER_SCAN_INIT(expr);
	struct filter_token t;
	const char *copied = expr;

	while (filter_next(&s, &t)) {
		int rc;

		if (t.kind == FILTER_PLAIN)
			continue;
		rc = buf_add(out, copied, (size_t)(t.start - copied));
		if (rc == 0)
			rc = add_replaced(out, &t, replace, err);
		if (rc < 0)
			return rc;
		copied = t.start + t.len;
	}
	return buf_add(out, copied, strlen(copied));
}

static int placeholder(const struct filter_token *t, struct buf *out, struct err *err)
{
	const char *text;

	switch (t->kind) {
	case FILTER_PORT:
	case FILTER_PROTO:
		text = "6";
		break;
	case FILTER_PORTRANGE:
		text = "6-7";
		break;
	default:
		text = t->of == FILTER_OF_IP6 ? "2001:db8::1" : "192.0.2.1";
	}
	return buf_add(out, text, strlen(text));
}

/* The form alone: a name stands for itself. */
static int check_form(const char *expr, struct err *err)
{
	cleanup_buf struct buf placed = BUF_INIT(PLACED_MAX);
	int rc = replace_names(expr, placeholder, &placed, err);

	return rc < 0 ? rc : compile(expr, placed.data, false, err);
}

int filter_check(const char *expr, struct err *err)
{
	int rc = check_bounds(expr, err);

	if (rc < 0)
		return rc;
	return filter_has_names(expr) ? check_form(expr, err) : compile(expr, expr, true, err);
}

int filter_resolve(const char *expr, char **out, struct err *err)
{
	cleanup_buf struct buf numbers = BUF_INIT(FILTER_MAX);
	int rc = filter_check(expr, err);

	if (rc == 0)
		rc = replace_names(expr, filter_lookup, &numbers, err);
	if (rc == -EFBIG)
		return err_set(err, -EINVAL, "the filter is too long with numbers for its names: "
			       "at most %d bytes are taken", FILTER_MAX);
	/* numbers may be too many, or a contradiction that names were not */
	if (rc == 0 && strcmp(expr, numbers.data) != 0)
		rc = filter_check(numbers.data, err);
	if (rc < 0)
		return rc;

	*out = buf_take(&numbers);
	return 0;
}

bool filter_has_names(const char *expr)
{
	struct filter_scan s = FILTER_SCAN_INIT(expr);
	struct filter_token t;

	if (strnlen(expr, FILTER_MAX + 1) > FILTER_MAX)
		return true;
	while (filter_next(&s, &t))
		if (t.kind != FILTER_PLAIN)
			return true;
	return false;
}
