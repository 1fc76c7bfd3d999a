/* SPDX-License-Identifier: Apache-2.0
 *
 * target.c - one target of a capture
 *
 * A target has a thread from the moment that it is armed until its files are whole. The thread
 * alone touches the handles and the files. Others write `wanted_end` under the capture's lock
 * and wake it; the first reason stays. A limit, an error or a lost network is found by the thread
 * itself. The sockets pin the namespace, so they are closed as soon as the end is known.
 */
#include "target.h"
#include "netns.h"
#include "sniff.h"
#include "writer.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define IDLE_MS 1000		/* the thread looks up so often when nothing is to be done */
#define FLUSH_MS 250		/* what is older is written, so within twice that */

struct target {
	struct target_env env;
	size_t number;
	const struct wire_wanted *wanted;
	struct wire_target *seen;
	char *netns_file;		/* NULL: the agent's own namespace */
	struct netns_id netns;
	struct sniff *sniff;
	struct writer *writer;
	pthread_t thread;
	bool has_thread;
	int wake;			/* eventfd */
	/* under the lock: asked for by others */
	enum wire_end wanted_end;
	int64_t wanted_stop_ns;
	char *wanted_error;
	/* the thread's own */
	bool asked;			/* the end is by wanted_end, as of stop_ns */
	int64_t stop_ns;
	int sink_result;
	struct err sink_err;
	int64_t told_packets, told_bytes;	/* to the metrics */
};

struct target *target_new(const struct target_env *env, size_t number, struct wire_target *seen)
{
	struct target *t = xcalloc(1, sizeof(*t));

	t->env = *env;
	t->number = number;
	t->wanted = &env->arm->targets[number];
	t->seen = seen;
	t->seen->state = WIRE_FAILED;
	t->wake = -1;
	return t;
}

static void add_note(void *arg, const char *text)
{
	struct target *t = arg;
	struct wire_target *s = t->seen;

	pthread_mutex_lock(t->env.lock);
	if (s->n_notes < WIRE_NOTES_MAX) {
		s->notes = xrealloc(s->notes, s->n_notes + 1, sizeof(*s->notes));
		s->notes[s->n_notes++] = xasprintf("%.*s", WIRE_TEXT_MAX, text);
	}
	pthread_mutex_unlock(t->env.lock);
}

/* ---- opening ---- */

/* The API's own traffic stays out of what is captured in the host's namespace. */
static char *compose_filter(const struct target *t)
{
	const struct node *n = t->env.node;
	const char *own = t->env.arm->filter;

	if (t->netns_file || !n->port)
		return xstrdup_null(own);
	return xasprintf("not (tcp port %u and host %s)%s%s%s", n->port, n->address,
			 own ? " and (" : "", own ? own : "", own ? ")" : "");
}

static int open_sniff(void *arg, struct err *err)
{
	struct target *t = arg;
	cleanup_free char *filter = compose_filter(t);
	struct sniff_options o = {
		.interface = t->env.arm->interface, .filter = filter,
		.snaplen = t->env.arm->snaplen, .note = add_note, .arg = t,
	};

	return sniff_open(&t->sniff, &o, err);
}

static int enter(struct target *t, struct err *err)
{
	cleanup_close int ns = -1;
	int r;

	if (t->netns_file)
		r = netns_open(&ns, t->env.node->netns_dir, t->netns_file, err);
	else
		r = netns_open_own(&ns, err);
	if (!r)
		r = netns_identify(ns, &t->netns, err);
	return r ? r : netns_run(ns, open_sniff, t, err);
}

static int find(struct target *t, struct engine *e, struct err *err)
{
	struct local_place place;
	int r = local_find(e, t->env.node, t->wanted, &place, err);

	pthread_mutex_lock(t->env.lock);
	t->seen->container_id = take_ptr(&place.container_id);
	t->seen->image = take_ptr(&place.image);
	pthread_mutex_unlock(t->env.lock);
	t->netns_file = take_ptr(&place.netns_file);
	if (!r && place.paused)
		add_note(t, "the container is paused");
	local_place_release(&place);
	return r;
}

static int open_writer(struct target *t, struct err *err)
{
	struct writer_plan p = {
		.spool = t->env.spool, .dirfd = t->env.dirfd, .target = t->number,
		.arm = t->env.arm, .wanted = t->wanted, .node_name = t->env.node->name,
		.kernel = t->env.node->kernel,
	};
	int r;

	p.ifaces = sniff_interfaces(t->sniff, &p.n_ifaces);
	r = writer_open(&t->writer, &p, err);
	if (!r && writer_loses_interfaces(t->writer))
		add_note(t, "a pcap file does not tell interfaces apart");
	return r;
}

static void show_interfaces(struct target *t)
{
	size_t n;
	const struct iface *v = sniff_interfaces(t->sniff, &n);
	struct wire_interface *w = xcalloc(n, sizeof(*w));
	char mac[18];

	for (size_t i = 0; i < n; i++)
		w[i] = (struct wire_interface){
			.name = xstrdup(v[i].name), .index = v[i].index, .mtu = v[i].mtu,
			.mac = v[i].has_mac ? xstrdup(iface_mac_text(&v[i], mac)) : NULL,
			.link_type = xstrdup(v[i].link_text),
		};
	t->seen->interfaces = w;
	t->seen->n_interfaces = n;
}

static void *drain(void *arg);

static int start(struct target *t, struct err *err)
{
	int r = 0;

	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->wake < 0)
		return err_errno(err, "cannot watch the target");
	pthread_mutex_lock(t->env.lock);
	show_interfaces(t);
	t->seen->started_ns = clock_wall_ns();
	t->seen->bytes = writer_bytes(t->writer);
	errno = pthread_create(&t->thread, NULL, drain, t);
	if (errno)
		r = err_errno(err, "cannot start a thread for the target");
	else
		t->seen->state = WIRE_ARMED;
	t->has_thread = !r;
	pthread_mutex_unlock(t->env.lock);
	return r;
}

void target_open(struct target *t, struct engine *e, const struct err *why)
{
	struct err err = ERR_INIT;
	int r = 0;

	if (!e && local_needs_engine(t->wanted->kind))
		r = err_set(&err, -ENOTCONN, "%s", why->text);
	if (!r)
		r = find(t, e, &err);
	if (!r)
		r = enter(t, &err);
	if (!r)
		r = open_writer(t, &err);
	if (!r)
		r = start(t, &err);
	if (!r)
		return;
	sniff_close(t->sniff);
	t->sniff = NULL;
	pthread_mutex_lock(t->env.lock);
	t->seen->error = xstrdup(err.text);
	pthread_mutex_unlock(t->env.lock);
}

/* ---- capturing ---- */

static int sink(void *arg, const struct pcapng_packet *p)
{
	struct target *t = arg;

	t->sink_result = writer_add(t->writer, p, &t->sink_err);
	if (!t->sink_result || t->sink_result == WRITER_E_PACKETS)
		return t->sink_result;
	return -1;
}

static struct sniff_counts *counts(struct target *t, size_t *n)
{
	struct sniff_counts *c;

	sniff_interfaces(t->sniff, n);
	c = xcalloc(*n, sizeof(*c));
	for (size_t i = 0; i < *n; i++)
		sniff_counts(t->sniff, i, &c[i]);
	return c;
}

/* What the report shows while the target is captured. The lock is held. */
static void publish(struct target *t, const struct sniff_counts *c, size_t n)
{
	struct wire_target *s = t->seen;
	int64_t dropped = s->dropped_kernel;

	s->received = 0;
	s->dropped_kernel = 0;
	for (size_t i = 0; i < n; i++) {
		s->received += (int64_t)c[i].received;
		s->dropped_kernel += (int64_t)c[i].dropped;
	}
	s->packets = writer_packets(t->writer);
	s->bytes = writer_bytes(t->writer);
	s->truncated = writer_truncated(t->writer);
	atomic_fetch_add(&t->env.metrics->packets,
			 (unsigned long long)(s->packets - t->told_packets));
	atomic_fetch_add(&t->env.metrics->bytes, (unsigned long long)(s->bytes - t->told_bytes));
	atomic_fetch_add(&t->env.metrics->dropped,
			 (unsigned long long)(s->dropped_kernel - dropped));
	t->told_packets = s->packets;
	t->told_bytes = s->bytes;
}

static enum wire_end end_of_sink(int result)
{
	switch (result) {
	case WRITER_E_PACKETS:
		return WIRE_END_PACKETS;
	case WRITER_E_BYTES:
		return WIRE_END_BYTES;
	case -EDQUOT:
		return WIRE_END_QUOTA;
	case -ENOSPC:
		return WIRE_END_DISK_FLOOR;
	default:
		return WIRE_END_ERROR;
	}
}

/* Rounds until there is a reason to end. */
static enum wire_end run(struct target *t, struct err *err)
{
	enum wire_end end = WIRE_END_NONE;

	while (!end) {
		int wait = writer_is_flushed(t->writer) ? IDLE_MS : FLUSH_MS;
		int r = sniff_round(t->sniff, t->wake, wait, sink, t, err);
		cleanup_free struct sniff_counts *c = NULL;
		size_t n;

		if (r == SNIFF_E_SINK)
			end = end_of_sink(t->sink_result);
		else if (r)
			end = r == SNIFF_E_GONE ? WIRE_END_TASK_ENDED : WIRE_END_ERROR;
		if (!end) {
			t->sink_result = writer_flush_aged(t->writer, FLUSH_MS, &t->sink_err);
			end = t->sink_result ? end_of_sink(t->sink_result) : WIRE_END_NONE;
		}
		c = counts(t, &n);
		pthread_mutex_lock(t->env.lock);
		publish(t, c, n);
		if (!end && t->wanted_end) {
			end = t->wanted_end;
			t->asked = true;
			t->stop_ns = t->wanted_stop_ns;
		}
		pthread_mutex_unlock(t->env.lock);
	}
	return end;
}

/* The last packets of a target that others ended; a limit may still be reached by them. */
static enum wire_end run_out(struct target *t, enum wire_end end, struct err *err)
{
	int r = sniff_drain(t->sniff, t->stop_ns, sink, t, err);

	return r == SNIFF_E_SINK ? end_of_sink(t->sink_result) : end;
}

static void finish(struct target *t, enum wire_end end, struct err *err)
{
	size_t n;
	cleanup_free struct sniff_counts *c = counts(t, &n);
	struct writer_end w = {
		.counts = c, .start_ns = t->seen->started_ns, .end_ns = t->stop_ns,
	};
	struct wire_target *s = t->seen;
	int r = writer_finish(t->writer, &w, err);

	pthread_mutex_lock(t->env.lock);
	publish(t, c, n);
	s->files = w.files;
	s->n_files = w.n_files;
	s->end = r ? WIRE_END_ERROR : end;
	if (t->wanted_error || err->code)
		s->error = t->wanted_error ? take_ptr(&t->wanted_error) : xstrdup(err->text);
	s->stopped_ns = t->stop_ns;
	s->state = WIRE_ENDED;
	pthread_cond_broadcast(t->env.changed);
	pthread_mutex_unlock(t->env.lock);
}

static void *drain(void *arg)
{
	struct target *t = arg;
	struct err err = ERR_INIT;
	enum wire_end end = run(t, &err);

	if (t->asked)
		end = run_out(t, end, &err);
	else
		t->stop_ns = clock_wall_ns();
	if (!err.code)
		err = t->sink_err;
	finish(t, end, &err);
	writer_free(t->writer);
	t->writer = NULL;
	sniff_close(t->sniff);
	t->sniff = NULL;
	return NULL;
}

/* ---- from outside ---- */

void target_stop(struct target *t, enum wire_end end, int64_t stop_ns, const char *error)
{
	const uint64_t one = 1;

	pthread_mutex_lock(t->env.lock);
	if (t->seen->state == WIRE_ARMED && !t->wanted_end) {
		t->wanted_end = end;
		t->wanted_stop_ns = stop_ns;
		t->wanted_error = xstrdup_null(error);
		if (write(t->wake, &one, sizeof(one)) < 0)
			errno = 0;	/* full: it is awake already */
	}
	pthread_mutex_unlock(t->env.lock);
}

void target_check(struct target *t)
{
	bool armed;

	pthread_mutex_lock(t->env.lock);
	armed = t->seen->state == WIRE_ARMED;
	pthread_mutex_unlock(t->env.lock);
	if (armed && t->netns_file &&
	    !netns_shows(t->env.node->netns_dir, t->netns_file, &t->netns))
		target_stop(t, WIRE_END_TASK_ENDED, clock_wall_ns(), NULL);
}

void target_free(struct target *t)
{
	if (!t)
		return;
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	sniff_close(t->sniff);
	writer_free(t->writer);
	util_close(t->wake);
	free(t->netns_file);
	free(t->wanted_error);
	free(t);
}
