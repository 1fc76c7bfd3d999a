/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff.c - the capture engine, by libpcap
 *
 * One handle per interface, so that each packet keeps its real link-layer header and its own
 * interface. Each handle shows one packet, its head, and a round takes the oldest head again and
 * again: so the packets of a round are in order of time. The head is a copy, because libpcap gives
 * a block back to the kernel together with its last packet, before pcap_next_ex returns it.
 *
 * Three things about libpcap that are easily got wrong:
 *  - the snapshot length is enforced by the kernel only through a filter: there is always one;
 *  - its counters include the second sight of each packet on loopback, which it hides from us:
 *    received is counted here, and only the drops are the kernel's;
 *  - at the end, packets lie in a block that is not full yet: it is handed over when it has been
 *    open for a retire interval (two, when the kernel's timer just missed it), so the end is
 *    waited for (sniff_drain) and the packets are taken by their timestamps.
 */
#include "sniff.h"
#include "wire.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <string.h>

struct handle {
	pcap_t *pcap;
	int fd;
	bool shown;			/* head and data hold a packet */
	struct pcap_pkthdr head;
	u_char *data;
	size_t room;			/* bytes of data */
	bool empty;			/* nothing more in this round */
	bool gone;
	int64_t failed_ns;		/* when reading failed first; monotonic, 0: never */
	uint64_t received;
	uint64_t dropped;		/* the last known */
};

struct sniff {
	struct iface_list ifaces;	/* v[i] belongs to handles[i] */
	struct handle *handles;
	int64_t stop_ns;		/* later packets are passed over */
	bool taken;			/* by hand_over, since it was last looked at */
};

struct program {
	int link;
	struct bpf_program code;
};

/*
 * What sniff_open works with. Compiling may take libpcap long, so it is done once per link type;
 * on an open handle, because only for those it looks for VLAN tags beside the packet.
 */
struct opening {
	const struct sniff_options *o;
	struct program *programs;
	size_t n_programs;
};

/* Link types whose number in files differs from libpcap's own on Linux. */
static uint16_t link_type_of(int dlt)
{
	return dlt == DLT_RAW ? 101 : (uint16_t)dlt;
}

static int set_up(pcap_t *p, uint32_t snaplen)
{
	return pcap_set_snaplen(p, (int)snaplen) || pcap_set_promisc(p, 0) ||
	       pcap_set_timeout(p, SNIFF_RETIRE_MS) || pcap_set_buffer_size(p, SNIFF_RING_BYTES) ||
	       pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
}

static int activate(pcap_t *p, const char *name, struct err *err)
{
	int r = pcap_activate(p);

	if (r == PCAP_ERROR_NO_SUCH_DEVICE || r == PCAP_ERROR_IFACE_NOT_UP)
		return err_set(err, -ENODEV, "interface %s: %s", name, pcap_statustostr(r));
	if (r == PCAP_ERROR_PERM_DENIED)
		return err_set(err, -EPERM, "cannot capture on %s: CAP_NET_RAW is missing", name);
	if (r < 0)
		return err_set(err, -EIO, "cannot capture on %s: %s", name,
			       r == PCAP_ERROR ? pcap_geterr(p) : pcap_statustostr(r));
	return 0;
}

/* The filter for the handle's link type; NULL: pcap_geterr says why not. */
static struct bpf_program *compile(struct opening *w, pcap_t *p)
{
	const char *filter = w->o->filter ? w->o->filter : "";
	struct program *new;

	for (size_t i = 0; i < w->n_programs; i++)
		if (w->programs[i].link == pcap_datalink(p))
			return &w->programs[i].code;
	w->programs = xrealloc(w->programs, w->n_programs + 1, sizeof(*w->programs));
	new = &w->programs[w->n_programs];
	new->link = pcap_datalink(p);
	if (pcap_compile(p, &new->code, filter, 1, PCAP_NETMASK_UNKNOWN))
		return NULL;
	w->n_programs++;
	return &new->code;
}

static void opening_release(struct opening *w)
{
	for (size_t i = 0; i < w->n_programs; i++)
		pcap_freecode(&w->programs[i].code);
	free(w->programs);
}

static int set_filter(struct opening *w, pcap_t *p, const char *name, struct err *err)
{
	struct bpf_program *program = compile(w, p);

	if (!program)
		return err_set(err, -EINVAL, "the filter does not fit interface %s (%s): %s", name,
			       pcap_datalink_val_to_name(pcap_datalink(p)), pcap_geterr(p));
	if (pcap_setfilter(p, program))		/* the handle keeps a copy */
		return err_set(err, -EIO, "cannot set the filter on %s: %s", name, pcap_geterr(p));
	return 0;
}

static int open_handle(struct handle *h, struct iface *i, struct opening *w, struct err *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	const char *link;
	int r;

	h->pcap = pcap_create(i->name, text);
	if (!h->pcap)
		return err_set(err, -EIO, "cannot capture on %s: %s", i->name, text);
	if (set_up(h->pcap, w->o->snaplen))
		return err_set(err, -EIO, "cannot set up the capture on %s", i->name);
	r = activate(h->pcap, i->name, err);
	if (r)
		return r;
	r = set_filter(w, h->pcap, i->name, err);
	if (r)
		return r;
	if (pcap_setnonblock(h->pcap, 1, text))
		return err_set(err, -EIO, "cannot set up the capture on %s: %s", i->name, text);
	h->fd = pcap_get_selectable_fd(h->pcap);
	link = pcap_datalink_val_to_name(pcap_datalink(h->pcap));
	i->link_type = link_type_of(pcap_datalink(h->pcap));
	snprintf(i->link_text, sizeof(i->link_text), "%s", link ? link : "UNKNOWN");
	return 0;
}

static void close_handle(struct handle *h)
{
	if (h->pcap)
		pcap_close(h->pcap);
	free(h->data);
	*h = (struct handle){ .fd = -1 };
}

static void note(const struct sniff_options *o, const char *text)
{
	if (o->note)
		o->note(o->arg, text);
}

/* An interface that cannot be opened is left out with a note, unless it was asked for by name. */
static int open_one(struct sniff *s, struct iface *i, struct opening *w, struct err *err)
{
	struct handle h = { .fd = -1 };
	struct err why = ERR_INIT;
	int r;

	if (!i->up)
		r = err_set(&why, -ENODEV, "interface %s is down", i->name);
	else
		r = open_handle(&h, i, w, &why);
	if (!r) {
		s->handles[s->ifaces.n] = h;
		s->ifaces.v[s->ifaces.n++] = *i;
		*i = (struct iface){ 0 };
		return 0;
	}
	close_handle(&h);
	if (w->o->interface || r == -EPERM)
		return err_set(err, r, "%s", why.text);
	note(w->o, why.text);
	return 0;
}

int sniff_open(struct sniff **out, const struct sniff_options *o, struct err *err)
{
	cleanup_iface_list struct iface_list all = IFACE_LIST_INIT;
	cleanup(opening_release) struct opening w = { .o = o };
	struct sniff *s;
	int r = iface_list(&all, err);

	if (r)
		return r;
	s = xcalloc(1, sizeof(*s));
	s->stop_ns = INT64_MAX;
	s->handles = xcalloc(all.n + 1, sizeof(*s->handles));
	s->ifaces.v = xcalloc(all.n + 1, sizeof(*s->ifaces.v));
	for (size_t i = 0; !r && i < all.n; i++)
		if (!o->interface || !strcmp(o->interface, all.v[i].name))
			r = open_one(s, &all.v[i], &w, err);
	if (!r && !s->ifaces.n && o->interface)
		r = err_set(err, -ENODEV, "no interface %s in the namespace", o->interface);
	else if (!r && !s->ifaces.n)
		r = err_set(err, -ENODEV, "no interface in the namespace could be opened");
	if (r)
		sniff_close(s);
	else
		*out = s;
	return r;
}

void sniff_close(struct sniff *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->ifaces.n; i++)
		close_handle(&s->handles[i]);
	free(s->handles);
	iface_list_release(&s->ifaces);
	free(s);
}

const struct iface *sniff_interfaces(const struct sniff *s, size_t *n)
{
	*n = s->ifaces.n;
	return s->ifaces.v;
}

static int64_t stamp(const struct pcap_pkthdr *h)
{
	return h->ts.tv_sec * NS_PER_S + h->ts.tv_usec;	/* tv_usec holds nanoseconds here */
}

static void keep(u_char *arg, const struct pcap_pkthdr *head, const u_char *data)
{
	struct handle *h = (struct handle *)(void *)arg;

	if (head->caplen > h->room) {
		h->room = head->caplen;
		h->data = xrealloc(h->data, h->room, 1);
	}
	memcpy(h->data, data, head->caplen);
	h->head = *head;
	h->shown = true;
}

/*
 * Shows the handle's next packet. A handle that fails has lost its interface, but the last
 * packets may lie in a block that the kernel still holds: it is given up a drain's time later.
 */
static void show(struct handle *h)
{
	int r = pcap_dispatch(h->pcap, 1, keep, (u_char *)h);

	h->empty = !h->shown;
	if (h->shown)
		h->failed_ns = 0;
	if (r >= 0)
		return;
	if (!h->failed_ns)
		h->failed_ns = clock_mono_ns();
	h->gone = clock_mono_ns() - h->failed_ns >= SNIFF_DRAIN_MS * NS_PER_MS;
}

static struct handle *oldest(struct sniff *s)
{
	struct handle *best = NULL;

	for (size_t i = 0; i < s->ifaces.n; i++) {
		struct handle *h = &s->handles[i];

		if (!h->shown && !h->empty && !h->gone)
			show(h);
		if (h->shown && (!best || stamp(&h->head) < stamp(&best->head)))
			best = h;
	}
	return best;
}

static int hand_over(struct sniff *s, struct handle *h, sniff_sink *sink, void *arg)
{
	struct pcapng_packet p = {
		.interface = (uint32_t)(h - s->handles), .ts_ns = stamp(&h->head),
		.caplen = h->head.caplen, .len = h->head.len, .data = h->data,
	};
	int r;

	h->shown = false;
	if (p.ts_ns > s->stop_ns)
		return 0;
	s->taken = true;
	r = sink(arg, &p);
	h->received += r >= 0;
	return r;
}

static int take_round(struct sniff *s, sniff_sink *sink, void *arg)
{
	struct handle *h;

	for (size_t i = 0; i < s->ifaces.n; i++)
		s->handles[i].empty = false;
	for (int n = 0; n < SNIFF_ROUND_PACKETS && (h = oldest(s)); n++)
		if (hand_over(s, h, sink, arg))
			return SNIFF_E_SINK;
	return 0;
}

/* Whether the task's network is gone: loopback alone stays as long as our sockets pin it. */
static bool is_gone(const struct sniff *s)
{
	size_t others = 0, gone = 0;

	for (size_t i = 0; i < s->ifaces.n; i++) {
		others += !s->ifaces.v[i].loopback;
		gone += !s->ifaces.v[i].loopback && s->handles[i].gone;
	}
	return others ? others == gone : s->handles[0].gone;
}

/* No waiting while a packet is shown, and only a little for a handle that fails. */
static int shorten(const struct sniff *s, int timeout_ms)
{
	for (size_t i = 0; i < s->ifaces.n; i++) {
		if (s->handles[i].shown)
			return 0;
		if (s->handles[i].failed_ns && !s->handles[i].gone && timeout_ms > SNIFF_RETIRE_MS)
			timeout_ms = SNIFF_RETIRE_MS;
	}
	return timeout_ms;
}

static int wait_readable(struct sniff *s, int wake_fd, int timeout_ms, struct err *err)
{
	struct pollfd p[WIRE_INTERFACES_MAX + 1];
	nfds_t n = 0;

	p[n++] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
	for (size_t i = 0; i < s->ifaces.n; i++)
		if (!s->handles[i].gone)
			p[n++] = (struct pollfd){ .fd = s->handles[i].fd, .events = POLLIN };
	if (poll(p, n, shorten(s, timeout_ms)) < 0 && errno != EINTR)
		return err_errno(err, "cannot wait for packets");
	return 0;
}

int sniff_round(struct sniff *s, int wake_fd, int timeout_ms, sniff_sink *sink, void *arg,
		struct err *err)
{
	int r = wait_readable(s, wake_fd, timeout_ms, err);

	if (r)
		return r;
	r = take_round(s, sink, arg);
	if (r)
		return r;
	return is_gone(s) ? SNIFF_E_GONE : 0;
}

int sniff_drain(struct sniff *s, int64_t stop_ns, sniff_sink *sink, void *arg, struct err *err)
{
	int64_t now = clock_mono_ns(), end = now + SNIFF_DRAIN_MS * NS_PER_MS,
		last = now + SNIFF_DRAIN_MAX_MS * NS_PER_MS;
	int r = 0;

	s->stop_ns = stop_ns;
	s->taken = false;
	/* a sink that waited for its disk leaves packets that the kernel handed over long ago */
	for (; !r && (now < end || (s->taken && now < last)); now = clock_mono_ns()) {
		int left = now < end ? (int)((end - now) / NS_PER_MS) + 1 : 0;

		s->taken = false;
		r = sniff_round(s, -1, left < SNIFF_RETIRE_MS ? left : SNIFF_RETIRE_MS, sink, arg,
				err);
	}
	return r;
}

void sniff_counts(struct sniff *s, size_t interface, struct sniff_counts *out)
{
	struct handle *h = &s->handles[interface];
	struct pcap_stat st;

	if (!h->gone && pcap_stats(h->pcap, &st) == 0)
		h->dropped = st.ps_drop;
	out->received = h->received + h->dropped;
	out->dropped = h->dropped;
}
