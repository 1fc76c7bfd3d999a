/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_files.c - what files of the archive are called, and the hosts file
 */
#include "manifest_parts.h"

#include <arpa/inet.h>
#include <string.h>

#include "buf.h"

/*
 * A number is in the name where it tells two segments of one suffix apart: those of a rotation,
 * and what an agent recovered beside a later one. With rotation asked for each file has its own,
 * a lone one too, so that no name depends on how many there are.
 */
static bool has_siblings(const struct wire_target *r, size_t file)
{
	const char *suffix = r->files[file].suffix;

	for (size_t i = 0; i < r->n_files; i++) {
		const char *other = r->files[i].suffix;

		if (i != file && !suffix == !other && (!suffix || !strcmp(suffix, other)))
			return true;
	}
	return false;
}

/* "name.pcapng" -> "name_2.pcapng"; a name that grew too long loses its first letters. */
static char *told_apart(const char *name, unsigned int n)
{
	const char *dot = strrchr(name, '.');
	int stem = dot ? (int)(dot - name) : (int)strlen(name);
	cleanup_free char *full = xasprintf("%.*s_%u%s", stem, name, n, dot ? dot : "");
	size_t len = strlen(full);

	return names_clean(full + (len < NAMES_FILE_MAX ? 0 : len - NAMES_FILE_MAX + 1),
			   NAMES_FILE_MAX - 1);
}

static char *unique(const json_t *names, char *name)
{
	cleanup_free char *first = name;
	char *other;

	if (!json_object_get(names, first))
		return take_ptr(&first);
	for (unsigned int n = 2;; n++) {
		other = told_apart(first, n);
		if (!json_object_get(names, other))
			return other;
		free(other);
	}
}

static char *file_name(const struct manifest_work *w, const struct manifest_source *from,
		       size_t file)
{
	const struct wire_file *f = &from->report->files[file];
	cleanup_free char *suffix = f->suffix ? names_clean(f->suffix, 32) : NULL;
	int64_t joined = from->target->joined_ns;
	bool numbered = request_rotates(w->in->request) || has_siblings(from->report, file);

	return unique(w->names, names_file(&(struct names_file){
		.host = from->node->plan->file_host, .target = from->target->key,
		.stamp_ns = joined ? manifest_corrected(from->node, joined) : w->in->start_ns,
		.segment = numbered ? f->segment : -1, .suffix = suffix,
		.ext = w->in->request->format == WIRE_PCAP ? "pcap" : "pcapng",
	}));
}

json_t *manifest_add_file(struct manifest_work *w, const struct manifest_source *from, size_t file,
			  const char *staged)
{
	const struct wire_file *f = &from->report->files[file];
	struct manifest *m = w->out;
	struct manifest_file *here;
	char *name = file_name(w, from, file);

	m->files = xrealloc(m->files, m->n_files + 1, sizeof(*m->files));
	here = &m->files[m->n_files++];
	*here = (struct manifest_file){
		.staged = xstrdup(staged), .name = name, .bytes = f->bytes,
	};
	memcpy(here->sha256, f->sha256, sizeof(here->sha256));
	m->bytes = manifest_sum(m->bytes, f->bytes);
	json_object_set_new(w->names, name, json_true());

	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o}",
			 "name", name,
			 "bytes", jx_count(f->bytes),
			 "packets", jx_count(f->packets),
			 "sha256", f->sha256,
			 "first", manifest_time(f->packets ? f->first_ns : 0),
			 "last", manifest_time(f->packets ? f->last_ns : 0));
}

/* ---- hosts */

struct host {
	int family;
	unsigned char address[16];
	const char *text;
	char *name;
};

static bool host_init(struct host *h, const struct wire_host *from)
{
	memset(h, 0, sizeof(*h));
	if (!from->address || !from->name)
		return false;
	if (inet_pton(AF_INET, from->address, h->address) == 1)
		h->family = AF_INET;
	else if (inet_pton(AF_INET6, from->address, h->address) == 1)
		h->family = AF_INET6;
	else
		return false;
	h->text = from->address;
	h->name = names_clean(from->name, NAMES_FILE_MAX - 1);
	return true;
}

/* IPv4 first, by number, then by name */
static int host_compare(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	int order = x->family - y->family;

	if (!order)
		order = memcmp(x->address, y->address, sizeof(x->address));
	return order ? order : strcmp(x->name, y->name);
}

char *manifest_hosts(const struct manifest_input *in)
{
	const struct plan *p = in->plan;
	size_t n_joined;
	cleanup_free struct wire_host *joined = manifest_joined_hosts(in, &n_joined);
	struct host *list = xcalloc(p->n_hosts + n_joined + 1, sizeof(*list));
	struct buf text = BUF_INIT(SIZE_MAX);
	size_t n = 0;

	for (size_t i = 0; i < p->n_hosts; i++)
		n += host_init(&list[n], &p->hosts[i]);
	for (size_t i = 0; i < n_joined; i++)
		n += host_init(&list[n], &joined[i]);
	qsort(list, n, sizeof(*list), host_compare);
	for (size_t i = 0; i < n; i++)
		if (!i || host_compare(&list[i - 1], &list[i]))
			buf_addf(&text, "%s\t%s\n", list[i].text, list[i].name);
	for (size_t i = 0; i < n; i++)
		free(list[i].name);
	for (size_t i = 0; i < n_joined; i++)
		free(joined[i].address);
	free(list);
	return buf_take(&text);
}
