/* SPDX-License-Identifier: Apache-2.0
 *
 * tap.c - a node without an agent, spoken to as if it had one
 */
#include "tap_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap_clock.h"
#include "version.h"

#define ARM_BEGIN_MS 6000	/* fleet_node.c waits 8 s for all of it */

/* ---- making ---- */

static int make_dir(struct tap *t, struct err *err)
{
	cleanup_free char *node = names_clean(t->at.node_id, 64);
	char tag[9];

	util_random_hex(tag, 4);
	t->dir = xasprintf(".tap-%s-%s", node, tag);
	if (mkdirat(t->at.staging_fd, t->dir, 0700))
		return err_errno(err, "cannot make a folder for what node %s captures",
				 t->at.node_name);
	t->dirfd = openat(t->at.staging_fd, t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dirfd < 0)
		return err_errno(err, "cannot open a folder for what node %s captures",
				 t->at.node_name);
	return 0;
}

static void release_capture(struct tap *t)
{
	for (size_t i = 0; i < t->n_targets; i++)
		tap_target_stop(&t->targets[i], WIRE_END_STOPPED);
	for (size_t i = 0; i < t->n_targets; i++)
		tap_target_release(&t->targets[i]);
	free(t->targets);
	t->targets = NULL;
	t->n_targets = 0;
	wire_report_release(&t->report);
	wire_arm_release(&t->arm);
	t->report = (struct wire_report){ 0 };
	t->arm = (struct wire_arm){ 0 };
	t->has_capture = false;
}

static void tap_free(void *arg)
{
	struct tap *t = arg;

	release_capture(t);
	if (t->at.source->free)
		t->at.source->free(t->at.arg);
	util_close(t->dirfd);
	if (t->dir)
		util_remove_tree_at(t->at.staging_fd, t->dir);
	free(t->dir);
	free((char *)t->at.node_id);
	free((char *)t->at.node_name);
	free((char *)t->at.version);
	free((char *)t->at.peer);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	free(t);
}

struct tap *tap_new(const struct tap_place *at, struct err *err)
{
	struct tap *t = xcalloc(1, sizeof(*t));

	t->at = *at;
	t->at.node_id = xstrdup(at->node_id);
	t->at.node_name = xstrdup(at->node_name);
	t->at.version = xstrdup_null(at->version);
	t->at.peer = xstrdup(at->peer);
	t->dirfd = -1;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	if (make_dir(t, err)) {
		tap_free(t);
		return NULL;
	}
	return t;
}

int tap_open(struct link **out, const struct tap_place *at, struct err *err)
{
	struct err why = ERR_INIT;
	struct tap *t = tap_new(at, &why);

	if (!t)
		return err_set(err, why.code, "%s", why.text);
	*out = link_wrap(&tap_ops, t, at->peer);
	return 0;
}

/* ---- the report ---- */

static int copy_report(struct tap *t, struct wire_report *out, bool token, struct err *err)
{
	cleanup_json json_t *j = NULL;
	struct wire_report r;
	bool running = false;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n_targets; i++)
		running = running || t->report.targets[i].state == WIRE_ARMED ||
			  !t->targets[i].settled;
	t->report.running = running;
	r = t->report;		/* shallow: the encoder only reads */
	r.now_ns = clock_wall_ns() + t->skew_ns;
	if (!token)
		r.token[0] = '\0';
	j = wire_report_encode(&r);
	pthread_mutex_unlock(&t->lock);
	return wire_report_decode(j, out, err) < 0 ? -EPROTO : 0;
}

static int check_id(const struct tap *t, const char *id, struct err *err)
{
	if (t->has_capture && !strcmp(t->report.id, id))
		return 0;
	err_set(err, -ENOENT, "%s has no capture %s", t->at.peer, id);
	return LINK_E_NOT_FOUND;
}

static int op_report(void *arg, const char *id, struct wire_report *out, struct err *err)
{
	int r = check_id(arg, id, err);

	return r ? r : copy_report(arg, out, false, err);
}

/* ---- arm ---- */

static void fill_report(struct tap *t)
{
	struct wire_report *r = &t->report;
	const struct wire_arm *a = &t->arm;

	snprintf(r->id, sizeof(r->id), "%s", a->id);
	util_random_hex(r->token, (WIRE_TOKEN_HEX - 1) / 2);
	r->node_id = xstrdup(t->at.node_id);
	r->node_name = xstrdup(t->at.node_name);
	r->version = xstrdup(t->at.version ? t->at.version : SWARMCAP_VERSION);
	r->attached = a->attached;
	r->context = json_incref(a->context);
	r->targets = xcalloc(a->n_targets + 1, sizeof(*r->targets));
	r->n_targets = a->n_targets;
	for (size_t i = 0; i < a->n_targets; i++) {
		r->targets[i].key = xstrdup(a->targets[i].key);
		r->targets[i].state = WIRE_FAILED;
		r->targets[i].container_id = xstrdup_null(a->targets[i].container_id);
	}
}

static void begin_all(struct tap *t)
{
	t->targets = xcalloc(t->arm.n_targets + 1, sizeof(*t->targets));
	t->n_targets = t->arm.n_targets;
	t->arm_until_ns = clock_mono_ns() + ARM_BEGIN_MS * NS_PER_MS;
	for (size_t i = 0; i < t->n_targets; i++) {
		struct tap_target *one = &t->targets[i];
		struct err err = ERR_INIT;

		*one = (struct tap_target){ .tap = t, .number = i, .wake = -1,
					    .wanted = &t->arm.targets[i],
					    .seen = &t->report.targets[i] };
		if (!tap_target_begin(one, &err))
			continue;
		pthread_mutex_lock(&t->lock);
		one->seen->error = xstrdup(err.text);
		one->settled = true;
		pthread_mutex_unlock(&t->lock);
	}
}

static void wait_settled(struct tap *t)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n_targets; i++)
		while (!t->targets[i].settled)
			pthread_cond_wait(&t->changed, &t->lock);
	t->report.armed_ns = clock_wall_ns() + t->skew_ns;
	pthread_mutex_unlock(&t->lock);
}

/* A copy by the way that an agent would get it. */
static int copy_arm(struct tap *t, const struct wire_arm *a, struct err *err)
{
	cleanup_json json_t *j = wire_arm_encode(a);

	if (wire_arm_decode(j, &t->arm, err) == 0)
		return 0;
	wire_arm_release(&t->arm);
	t->arm = (struct wire_arm){ 0 };
	return -EPROTO;
}

static int op_arm(void *arg, const struct wire_arm *a, struct wire_report *out, struct err *err)
{
	struct tap *t = arg;

	if (strcmp(a->node_id, t->at.node_id)) {
		err_set(err, -EPROTO, "%s is node '%s', not '%s'", t->at.peer, t->at.node_id,
			a->node_id);
		return LINK_E_WRONG_NODE;
	}
	if (t->has_capture && strcmp(t->report.id, a->id)) {
		err_set(err, -EBUSY, "%s captures already", t->at.peer);
		return LINK_E_REFUSED;
	}
	if (!t->has_capture) {
		int r = copy_arm(t, a, err);

		if (r)
			return r;
		t->has_capture = true;
		fill_report(t);
		begin_all(t);
		wait_settled(t);
	}
	return copy_report(t, out, true, err);
}

/* ---- renew, stop, remove ---- */

static int op_renew(void *arg, const struct link_word *w, struct wire_report *out, struct err *err)
{
	struct tap *t = arg;
	int r = check_id(t, w->id, err);

	if (r)
		return r;
	if (strcmp(t->report.token, w->token)) {
		err_set(err, -EACCES, "%s was given another token", t->at.peer);
		return LINK_E_REFUSED;
	}
	pthread_mutex_lock(&t->lock);
	if (w->window_ns > 0 && !t->report.window_start_ns)
		t->report.window_start_ns = w->window_ns;
	pthread_mutex_unlock(&t->lock);
	return copy_report(t, out, false, err);
}

static bool is_capturing(const struct tap *t)
{
	for (size_t i = 0; i < t->n_targets; i++)
		if (!t->targets[i].settled || t->report.targets[i].state == WIRE_ARMED)
			return true;
	return false;
}

static void stop_all(struct tap *t, enum wire_end end)
{
	for (size_t i = 0; i < t->n_targets; i++)
		tap_target_stop(&t->targets[i], end);
	pthread_mutex_lock(&t->lock);
	while (is_capturing(t))
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static int op_stop(void *arg, const struct link_word *w, struct wire_report *out, struct err *err)
{
	struct tap *t = arg;
	int r = check_id(t, w->id, err);

	if (r)
		return r;
	stop_all(t, w->reason && !strcmp(w->reason, "duration") ? WIRE_END_DURATION
								: WIRE_END_STOPPED);
	pthread_mutex_lock(&t->lock);
	if (w->window_ns > 0 && !t->report.window_stop_ns)
		t->report.window_stop_ns = w->window_ns;
	pthread_mutex_unlock(&t->lock);
	return copy_report(t, out, false, err);
}

static int op_remove(void *arg, const char *id, struct err *err)
{
	struct tap *t = arg;
	int r = check_id(t, id, err);

	if (r)
		return r;
	stop_all(t, WIRE_END_STOPPED);
	for (size_t i = 0; i < t->report.n_targets; i++)
		for (size_t k = 0; k < t->report.targets[i].n_files; k++)
			unlinkat(t->dirfd, t->report.targets[i].files[k].name, 0);
	release_capture(t);
	return 0;
}

/* ---- files ---- */

static const struct wire_file *find_file(const struct tap *t, const char *name)
{
	for (size_t i = 0; i < t->report.n_targets; i++)
		for (size_t k = 0; k < t->report.targets[i].n_files; k++)
			if (!strcmp(t->report.targets[i].files[k].name, name))
				return &t->report.targets[i].files[k];
	return NULL;
}

static int digest(const struct tap *t, const char *name, char *hex, struct err *err)
{
	cleanup_close int fd = openat(t->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int r = fd < 0 ? -errno : digest_fd(fd, hex);

	errno = -r;
	return r ? err_errno(err, "cannot read %s beside the archive", name) : 0;
}

/* They lie on our own disk: a file moves. */
static int op_fetch(void *arg, const struct link_file *f, bool *local, struct err *err)
{
	struct tap *t = arg;
	int r = check_id(t, f->id, err);

	*local = false;
	if (r)
		return r;
	if (!find_file(t, f->spool_name)) {
		err_set(err, -ENOENT, "%s has no file %s", t->at.peer, f->spool_name);
		return LINK_E_NOT_FOUND;
	}
	if (f->sha256 && digest(t, f->spool_name, f->sha256, err)) {
		*local = true;
		return err ? err->code : -EIO;
	}
	if (linkat(t->dirfd, f->spool_name, f->dirfd, f->name, 0)) {
		*local = true;
		return err_errno(err, "cannot create '%s' beside the archive", f->name);
	}
	unlinkat(t->dirfd, f->spool_name, 0);
	if (f->progress)
		f->progress(f->arg, (size_t)f->bytes);
	return 0;
}

static int op_clock(void *arg, int probes, struct link_clock *out, struct err *err)
{
	struct tap *t = arg;

	*out = (struct link_clock){ 0 };
	if (!t->at.remote)
		return err_set(err, -ENOTCONN, "%s has no clock", t->at.peer);
	return tap_clock(t->at.remote, probes, out, err);
}

const struct link_ops tap_ops = {
	.clock = op_clock, .arm = op_arm, .report = op_report, .renew = op_renew, .stop = op_stop,
	.remove = op_remove, .fetch = op_fetch, .free = tap_free,
};
