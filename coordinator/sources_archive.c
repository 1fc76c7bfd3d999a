/* SPDX-License-Identifier: Apache-2.0
 *
 * sources_archive.c - the capture files of an archive, or of what will be one, as inputs of a merge
 *
 * A merge reads all its inputs side by side, which an archive that is compressed as one stream does
 * not allow: it is unpacked once, file behind file, into one file that has no name.
 */
#include "sources_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

#define PIECE (256u << 10)
#define HOSTS_MAX ACCOUNT_TEXT_MAX
#define TMP "/var/tmp"		/* on a disk, where /tmp may be memory */

/* ---- names */

/* The lines of the hosts file, "address <tab> name"; the text is cut into its parts. */
static void add_hosts(struct sources *s, char *text)
{
	char *save = NULL;

	sources_keep_text(s, text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *tab = strchr(line, '\t');

		if (!tab)
			continue;
		*tab = '\0';
		s->names = xrealloc(s->names, s->n_names + 1, sizeof(*s->names));
		s->names[s->n_names++] = (struct pcapng_name){ line, tab + 1 };
	}
}

/* ---- inputs */

static struct account *new_account(struct sources *s)
{
	struct account *a = xcalloc(1, sizeof(*a));

	s->accounts = xrealloc(s->accounts, s->n_accounts + 1, sizeof(*s->accounts));
	s->accounts[s->n_accounts++] = a;
	return a;
}

static void add_clocks(struct sources *s, const struct account *a)
{
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct account_node *n = &a->nodes[i];

		if (n->n_targets)
			sources_add_clock(s, &(struct source_clock){
				.who = xstrdup(n->name), .is_known = n->has_clock,
				.offset_ns = n->offset_ns, .error_ns = n->error_ns,
				.drift = n->drift,
			});
	}
}

/* Room for all files of an account, so that they stand in the manifest's order, wherever they lie. */
static void make_room(struct sources *s, const struct account *a)
{
	s->inputs = xrealloc(s->inputs, s->n + a->n_files + 1, sizeof(*s->inputs));
}

/* in: where its bytes are. */
static void add_input(struct sources *s, const struct account *a, const struct account_file *f,
		      const char *path, struct merge_input *in)
{
	const struct account_target *t = &a->targets[f->target];
	const struct account_node *n = account_node(a, t);

	in->path = sources_keep_text(s, path ? xasprintf("%s: %s", path, f->name)
					     : xstrdup(f->name));
	in->label = sources_keep_text(s, xasprintf("%s@%s", t->label, t->node));
	in->where = t->where;
	in->interface = t->interface;
	in->group = s->groups + f->target + 1;
	if (n && !s->no_clock_correction)
		in->clock = (struct merge_clock){ n->offset_ns, n->drift, n->from_ns };
	s->inputs[s->n + (size_t)(f - a->files)] = *in;
}

static void end_account(struct sources *s, const struct account *a)
{
	add_clocks(s, a);
	s->n += a->n_files;
	s->groups += a->n_targets;
}

/* ---- an archive */

static int open_scratch(const struct sources *s, struct err *err)
{
	const char *dir = getenv("TMPDIR");
	cleanup_free char *path = xasprintf("%s/swarmcap-XXXXXX", dir && *dir ? dir : TMP);
	int fd = s->scratch < 0 ? -1 : openat(s->scratch, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot unpack an archive into '%s'", path);
	unlink(path);
	return fd;
}

struct unpacking {
	struct sources *s;
	const struct account *a;
	const char *path;
	struct unbundle *u;
	int scratch;			/* -1: not needed yet */
	int64_t size;			/* of what is in it */
	size_t n_files;			/* that were found */
};

static int unpack(struct unpacking *x, struct merge_input *in, struct err *err)
{
	cleanup_free char *piece = xmalloc(PIECE);
	ssize_t got;

	if (x->scratch < 0) {
		x->scratch = open_scratch(x->s, err);
		if (x->scratch < 0)
			return x->scratch;
		sources_keep_fd(x->s, x->scratch);
	}
	in->fd = x->scratch;
	in->is_part = true;
	in->begin = x->size;
	while ((got = unbundle_read(x->u, piece, PIECE)) > 0) {
		int r = util_write_full(x->scratch, piece, (size_t)got);

		if (r < 0)
			return err_set(err, r, "cannot unpack '%s': %s", x->path, strerror(-r));
		in->size += got;
	}
	x->size += in->size;
	return got < 0 ? err_set(err, (int)got, "%s", unbundle_why(x->u)) : 0;
}

static int add_entry(struct unpacking *x, const struct unbundle_entry *e, struct err *err)
{
	const struct account_file *f = account_file(x->a, e->name);
	struct merge_input in = { .fd = -1 };
	char *text;
	int r;

	if (!strcmp(e->name, "hosts")) {
		r = unbundle_text(x->u, HOSTS_MAX, &text, NULL, err);
		if (r == 0)
			add_hosts(x->s, text);
		return r;
	}
	if (!f)
		return 0;
	if (unbundle_fd(x->u) < 0) {
		r = unpack(x, &in, err);
		if (r < 0)
			return r;
	} else {
		in.fd = fcntl(unbundle_fd(x->u), F_DUPFD_CLOEXEC, 0);
		if (in.fd < 0)
			return err_errno(err, "cannot open '%s' in '%s'", e->name, x->path);
		sources_keep_fd(x->s, in.fd);
	}
	add_input(x->s, x->a, f, x->path, &in);
	x->n_files++;
	return 0;
}

int sources_add_archive(struct sources *s, const char *path, struct err *err)
{
	struct account *a = new_account(s);
	struct unpacking x = { .s = s, .a = a, .path = path, .scratch = -1 };
	struct unbundle_entry e;
	int r = account_load(path, a, err);

	if (r == 0)
		r = unbundle_open(&x.u, path, err);
	if (r < 0)
		return r;
	make_room(s, a);
	unbundle_limit(x.u, account_limit(a));
	while ((r = unbundle_next(x.u, &e, err)) == 0 && (r = add_entry(&x, &e, err)) == 0)
		continue;
	unbundle_close(x.u);
	if (r < 0)
		return r;
	if (x.n_files < a->n_files)
		return err_set(err, -EINVAL, "'%s': of the %zu files that its manifest speaks of, "
			       "%zu are not in it", path, a->n_files, a->n_files - x.n_files);
	end_account(s, a);
	return 0;
}

/* ---- what will be one */

int sources_add_staged(struct sources *s, const struct manifest *m, int dirfd, struct err *err)
{
	cleanup_free char *text = jx_dump(m->json);
	struct account *a = new_account(s);
	size_t found = 0;
	int r = account_decode(text, strlen(text), a, err);

	if (r < 0)
		return r;
	add_hosts(s, xstrdup(m->hosts));
	make_room(s, a);
	for (size_t i = 0; i < m->n_files; i++) {
		const struct account_file *f = account_file(a, m->files[i].name);
		int fd = openat(dirfd, m->files[i].staged, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return err_errno(err, "cannot read the fetched file '%s'", m->files[i].name);
		sources_keep_fd(s, fd);
		if (f)
			add_input(s, a, f, NULL, &(struct merge_input){ .fd = fd });
		found += f != NULL;
	}
	if (found < a->n_files)
		return err_set(err, -EINVAL, "the manifest speaks of files that were not fetched");
	end_account(s, a);
	return 0;
}
