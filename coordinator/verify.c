/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.c - is an archive what its manifest and its digests say?
 */
#include "verify.h"

#include <errno.h>
#include <string.h>

#include "capfile.h"
#include "digest.h"
#include "units.h"
#include "../common/pcapng_parse.h"

#define DRAIN (256u << 10)
#define SENTENCE 512

struct work {
	struct unbundle *u;
	struct account account;
	json_t *digests;		/* of every file that is there */
	char *sums;			/* SHA256SUMS */
	verify_problem *problem;
	void *arg;
	struct verify_result *out;

	/* of the file that is being read */
	const char *name;
	struct digest *digest;
	int64_t bytes;
	int broken;			/* -errno of reading the archive */
};

static void complain(struct work *w, const char *file, const char *fmt, ...) PRINTF(3, 4);
static void complain(struct work *w, const char *file, const char *fmt, ...)
{
	char text[SENTENCE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->out->problems++;
	w->problem(w->arg, file, text);
}

/* ---- reading one file */

/* The capture reader's source: what it takes is counted and summed up on the way. */
static ssize_t take(void *arg, void *p, size_t n)
{
	struct work *w = arg;
	ssize_t got = unbundle_read(w->u, p, n);

	if (got < 0) {
		w->broken = (int)got;
		return -EIO;
	}
	digest_add(w->digest, p, (size_t)got);
	w->bytes += got;
	return got;
}

static int drain(struct work *w)
{
	cleanup_free char *piece = xmalloc(DRAIN);

	while (take(w, piece, DRAIN) > 0)
		continue;
	return w->broken;
}

static void check_time(struct work *w, const char *what, int64_t ns, bool any, const char *said)
{
	char text[UNITS_TIME_MAX];

	units_format_time(ns, text);
	if (strcmp(any ? text : "", said))
		complain(w, w->name, "its %s packet is of %s, the manifest says %s", what,
			 any ? text : "no time", *said ? said : "none");
}

static void check_counts(struct work *w, const struct account_file *f,
			 const struct pcapng_summary *s)
{
	w->out->files++;
	w->out->packets += (int64_t)s->packets;
	w->out->bytes += w->bytes;
	if (w->bytes != f->bytes)
		complain(w, w->name, "it has %lld bytes, the manifest says %lld",
			 (long long)w->bytes, (long long)f->bytes);
	if ((int64_t)s->packets != f->packets)
		complain(w, w->name, "it has %llu packets, the manifest says %lld",
			 (unsigned long long)s->packets, (long long)f->packets);
	check_time(w, "first", s->first_ns, s->packets > 0, f->first);
	check_time(w, "last", s->last_ns, s->packets > 0, f->last);
}

/* Structure to its end, or to what is wrong with it. f: what the manifest says; NULL: nothing. */
static int read_capture(struct work *w, const struct account_file *f)
{
	const struct capfile_source from = { .read = take, .arg = w, .fd = -1 };
	struct capfile *c = capfile_new_from(&from);
	struct pcapng_summary sum = { 0 };
	struct pcapng_block block;
	struct err err = ERR_INIT;
	int n;

	while ((n = capfile_next(c, &block, &err)) == 0)
		if (block.kind == PCAPNG_PACKET)
			pcapng_sum_packet(&sum, block.packet.ts_ns);
	capfile_free(c);
	if (w->broken || drain(w) < 0)
		return w->broken;
	if (n != PCAPNG_E_END)
		complain(w, w->name, "%s", err.text);
	if (f)
		check_counts(w, f, &sum);
	return 0;
}

static int read_file(struct work *w, const struct unbundle_entry *e, struct err *err)
{
	const struct account_file *f = account_file(&w->account, e->name);
	bool merged = w->account.merged && !strcmp(w->account.merged, e->name);
	char hex[DIGEST_HEX];
	size_t len = 0;
	int rc;

	if (!strcmp(e->name, "SHA256SUMS"))
		return unbundle_text(w->u, ACCOUNT_TEXT_MAX, &w->sums, &len, err);
	w->name = e->name;
	w->bytes = 0;
	w->digest = digest_new();
	rc = f || merged ? read_capture(w, f) : drain(w);
	w->digest = digest_end(w->digest, hex);
	if (rc < 0)
		return err_set(err, rc, "%s", unbundle_why(w->u));
	if (f && strcmp(hex, f->sha256))
		complain(w, e->name, "its digest is not the one in the manifest");
	json_object_set_new(w->digests, e->name, json_string(hex));
	return 0;
}

/* ---- what should be there */

/* "<hex>  <name>"; the line is cut into its parts. */
static bool split_line(char *line, char **name)
{
	size_t n = DIGEST_HEX - 1;

	if (strlen(line) < n + 3 || line[n] != ' ' || (line[n + 1] != ' ' && line[n + 1] != '*'))
		return false;
	line[n] = '\0';
	*name = line + n + 2;
	return digest_is_hex(line);
}

/* What SHA256SUMS has spoken of is taken out of the digests. */
static void check_sums(struct work *w)
{
	char *save = NULL, *name;
	const char *left;
	json_t *value;

	for (char *line = strtok_r(w->sums, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!split_line(line, &name)) {
			complain(w, "SHA256SUMS", "a line is not as sha256sum writes it");
			continue;
		}
		value = json_object_get(w->digests, name);
		if (!value)
			complain(w, name, "it is in SHA256SUMS, but not there");
		else if (strcmp(json_string_value(value), line))
			complain(w, name, "its digest is not the one in SHA256SUMS");
		json_object_del(w->digests, name);
	}
	json_object_foreach(w->digests, left, value)
		complain(w, left, "it is not in SHA256SUMS");
}

static void check_files(struct work *w)
{
	const struct account *a = &w->account;

	for (size_t i = 0; i < a->n_files; i++)
		if (!json_object_get(w->digests, a->files[i].name))
			complain(w, a->files[i].name, "it is in the manifest, but not there");
	if (a->merged && !json_object_get(w->digests, a->merged))
		complain(w, a->merged, "it is in the manifest, but not there");
}

/* A ring of files has let go of some, and a file that could not be fetched is missing. */
static void check_targets(struct work *w)
{
	const struct account *a = &w->account;
	bool ring = jx_int(a->json, "capture.limits.keep_files", 0) > 0;
	bool missing = jx_len(a->json, "missing") > 0;

	for (size_t i = 0; i < a->n_targets; i++) {
		const struct account_target *t = &a->targets[i];
		int64_t sum = 0;

		for (size_t k = t->first_file; k < t->first_file + t->n_files; k++)
			sum += a->files[k].packets;
		if (t->packets < 0 || sum == t->packets || (sum < t->packets && (ring || missing)))
			continue;
		complain(w, "manifest.json", "%.64s has %lld packets, its files %lld", t->label,
			 (long long)t->packets, (long long)sum);
	}
}

static int read_all(struct work *w, struct err *err)
{
	struct unbundle_entry e;
	int rc;

	unbundle_limit(w->u, account_limit(&w->account));
	while ((rc = unbundle_next(w->u, &e, err)) == 0) {
		rc = read_file(w, &e, err);
		if (rc < 0)
			return rc;
	}
	return rc == UNBUNDLE_E_END ? 0 : rc;
}

int verify_archive(const char *path, verify_problem *problem, void *arg, struct verify_result *out,
		   struct err *err)
{
	struct work w = { .problem = problem, .arg = arg, .out = out, .digests = json_object() };
	int rc = account_load(path, &w.account, err);

	*out = (struct verify_result){ 0 };
	if (rc == 0)
		rc = unbundle_open(&w.u, path, err);
	if (rc == 0)
		rc = read_all(&w, err);
	if (rc == 0) {
		check_files(&w);
		check_targets(&w);
		if (w.sums)
			check_sums(&w);
		else
			complain(&w, "SHA256SUMS", "it is not there");
	}
	unbundle_close(w.u);
	account_release(&w.account);
	json_decref(w.digests);
	free(w.sums);
	return rc;
}
