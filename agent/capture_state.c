/* SPDX-License-Identifier: Apache-2.0
 *
 * capture_state.c - what is known of a capture: its report, its state file, its files
 *
 * The state file: {"report": …, "body_sha256": …, "finished_ns": …, "served": […]}.
 */
#include "capture_inside.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

size_t capture_count_armed(const struct capture *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->report.n_targets; i++)
		n += c->report.targets[i].state == WIRE_ARMED;
	return n;
}

bool capture_goes_on(const struct capture *c)
{
	return c->arming || c->following || c->joining || capture_count_armed(c);
}

void capture_settle(struct capture *c)
{
	if (!c->report.running || c->suspended || capture_goes_on(c))
		return;
	c->report.running = false;
	c->finished_ns = clock_wall_ns();
	c->dirty = true;
	if (c->feed)
		feed_end(c->feed);
}

struct feed *capture_feed(struct capture *c)
{
	return c->feed;
}

static bool is_served(const struct capture *c, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(c->served, i, one)
		if (!strcmp(json_string_value(one) ? json_string_value(one) : "", name))
			return true;
	return false;
}

/* The lock is held. */
static bool all_served(const struct capture *c)
{
	size_t files = 0;

	for (size_t i = 0; i < c->report.n_targets; i++) {
		const struct wire_target *t = &c->report.targets[i];

		for (size_t k = 0; k < t->n_files; k++, files++)
			if (!is_served(c, t->files[k].name))
				return false;
	}
	return files > 0;
}

/* Free it. */
static void *copy_list(const void *list, size_t n, size_t size)
{
	void *copy = xcalloc(n + 1, size);

	if (n)
		memcpy(copy, list, n * size);
	return copy;
}

/*
 * Of these copies: what is being opened is neither armed nor has it failed, and nobody is told of it before
 * that is known. Those that joined stand behind the others, in the order of their entries.
 */
static void leave_out_undecided(struct wire_report *r)
{
	const size_t first = r->n_targets - r->n_joined;
	size_t n = 0, n_joined = 0;

	for (size_t i = 0; i < r->n_targets; i++) {
		if (target_is_undecided(&r->targets[i]))
			continue;
		if (i >= first)
			r->joined[n_joined++] = r->joined[i - first];
		r->targets[n++] = r->targets[i];
	}
	if (n < r->n_targets)
		r->n_joined = n_joined;
	r->n_targets = n;
}

/* r's lists are copies. */
static json_t *encode_report(const struct capture *c, struct wire_report *r, enum capture_view view)
{
	const bool files = view != CAPTURE_VIEW_COUNTERS || !r->running;
	json_t *j;

	r->targets = copy_list(r->targets, r->n_targets, sizeof(*r->targets));
	r->joined = copy_list(r->joined, r->n_joined, sizeof(*r->joined));
	for (size_t i = 0; !files && i < r->n_targets; i++)
		r->targets[i].n_files = 0;
	if (view != CAPTURE_VIEW_STATE)
		leave_out_undecided(r);
	capture_disguise(c, r);
	j = wire_report_encode(r);
	free(r->targets);
	free(r->joined);
	return j;
}

/* The lock is held. */
static json_t *encode(struct capture *c, enum capture_view view)
{
	struct wire_report r = c->report;	/* shallow: the encoder only reads */

	r.now_ns = clock_wall_ns();
	if (view != CAPTURE_VIEW_TOKEN)
		r.token[0] = '\0';
	if (view == CAPTURE_VIEW_BRIEF)
		r.context = NULL;
	return encode_report(c, &r, view);
}

json_t *capture_report(struct capture *c, enum capture_view view)
{
	json_t *j;

	pthread_mutex_lock(&c->lock);
	capture_settle(c);
	j = encode(c, view);
	pthread_mutex_unlock(&c->lock);
	return j;
}

void capture_facts(struct capture *c, struct capture_facts *out)
{
	pthread_mutex_lock(&c->lock);
	capture_settle(c);
	*out = (struct capture_facts){
		.running = c->report.running, .fetched = c->report.fetched,
		.dropped = c->report.dropped != NULL, .live = c->feed, .targets_armed = capture_count_armed(c),
		.finished_ns = c->finished_ns,
	};
	for (size_t i = 0; i < c->report.n_targets; i++) {
		out->bytes += c->report.targets[i].bytes;
		out->files += c->report.targets[i].n_files;
	}
	pthread_mutex_unlock(&c->lock);
}

void capture_persist(struct capture *c)
{
	cleanup_json json_t *state = NULL;
	struct err err = ERR_INIT;
	bool forgotten, running;

	if (c->feed) {
		pthread_mutex_lock(&c->lock);
		capture_settle(c);
		c->dirty = false;
		pthread_mutex_unlock(&c->lock);
		return;
	}
	pthread_mutex_lock(&c->persisting);
	pthread_mutex_lock(&c->lock);
	capture_settle(c);
	c->dirty = false;
	forgotten = c->forgotten;
	running = c->report.running;
	state = json_pack("{s:o, s:s, s:I, s:o}", "report", encode(c, CAPTURE_VIEW_STATE),
			  "body_sha256", c->body_digest, "finished_ns", (json_int_t)c->finished_ns,
			  "served", json_deep_copy(c->served));	/* written without the lock */
	pthread_mutex_unlock(&c->lock);
	if (!forgotten && spool_write_json(c->dirfd, SPOOL_STATE, state, &err)) {
		pthread_mutex_lock(&c->lock);
		c->dirty = true;	/* the next tick tries again */
		pthread_mutex_unlock(&c->lock);
	} else if (!running) {
		life_remove(c->dirfd);
	}
	pthread_mutex_unlock(&c->persisting);
}

/* ---- files ---- */

/* The lock is held. NULL: there is no such file. */
static struct wire_file *find_file(const struct capture *c, const char *name)
{
	for (size_t i = 0; i < c->report.n_targets; i++)
		for (size_t k = 0; k < c->report.targets[i].n_files; k++)
			if (!strcmp(c->report.targets[i].files[k].name, name))
				return &c->report.targets[i].files[k];
	return NULL;
}

int capture_open_file(struct capture *c, const char *name, int *fd, int64_t *size, struct err *err)
{
	cleanup_free char *dropped = NULL;
	const struct wire_file *f;
	struct stat st;
	int64_t known;

	pthread_mutex_lock(&c->lock);
	f = find_file(c, name);
	known = f ? f->bytes : -1;
	dropped = xstrdup_null(c->report.dropped);
	pthread_mutex_unlock(&c->lock);
	if (known < 0)
		return err_set(err, -ENOENT, "the capture has no such file");
	if (dropped)
		return err_set(err, -ESTALE, "the capture's files were dropped at %s", dropped);
	*fd = openat(c->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0)
		return err_errno(err, "cannot open %s in the spool", name);
	if (fstat(*fd, &st)) {
		*fd = util_close(*fd);
		return err_errno(err, "cannot open %s in the spool", name);
	}
	if (st.st_size < known) {
		*fd = util_close(*fd);
		return err_set(err, -EIO, "%s is damaged: it has %lld of its %lld bytes", name,
			       (long long)st.st_size, (long long)known);
	}
	*size = st.st_size;
	return 0;
}

bool capture_file_sum(struct capture *c, const char *name, char hex[CHECKSUM_HEX])
{
	const struct wire_file *f;

	pthread_mutex_lock(&c->lock);
	f = find_file(c, name);
	snprintf(hex, CHECKSUM_HEX, "%s", f ? f->xxh128 : "");
	pthread_mutex_unlock(&c->lock);
	return *hex;
}

void capture_note_sum(struct capture *c, const char *name, const char *hex)
{
	struct wire_file *f;

	pthread_mutex_lock(&c->lock);
	f = find_file(c, name);
	if (f && !*f->xxh128) {
		snprintf(f->xxh128, sizeof(f->xxh128), "%s", hex);
		c->dirty = true;
	}
	pthread_mutex_unlock(&c->lock);
}

void capture_served(struct capture *c, const char *name)
{
	pthread_mutex_lock(&c->lock);
	capture_settle(c);
	if (!is_served(c, name)) {
		json_array_append_new(c->served, json_string(name));
		c->dirty = true;
	}
	if (!c->report.fetched && !c->report.running && all_served(c)) {
		c->report.fetched = true;
		c->dirty = true;
	}
	pthread_mutex_unlock(&c->lock);
}

int capture_drop(struct capture *c, const char *why, struct err *err)
{
	char when[UNITS_TIME_MAX];
	int r;

	pthread_mutex_lock(&c->lock);
	if (!c->report.dropped)
		c->report.dropped =
			xasprintf("%s: %s", units_format_time(clock_wall_ns(), when), why);
	pthread_mutex_unlock(&c->lock);
	r = spool_remove_files(c->env.spool, c->report.id, err);
	capture_persist(c);
	return r;
}

void capture_forget(struct capture *c)
{
	pthread_mutex_lock(&c->persisting);
	pthread_mutex_lock(&c->lock);
	c->forgotten = true;
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&c->persisting);
}
