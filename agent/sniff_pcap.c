/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_pcap.c - libpcap instead of a ring of our own, where the kernel refuses one
 *
 * Each handle shows one packet, its head, and a take hands over the oldest head again and again.
 * The head is a copy, because libpcap gives a block back to the kernel together with its last
 * packet, before pcap_dispatch returns it.
 *
 * At the end packets lie in a block that is not full yet: it is handed over when it has been open
 * for a retire interval (two, when the kernel's timer just missed it), so the end is waited for,
 * and the packets are taken by their timestamps.
 */
#include "sniff_pcap.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/epoll.h>

#define RING_BYTES (2 << 20)	/* per interface */
#define TAKE_PACKETS 8192
#define DRAIN_MS (2 * SNIFF_PCAP_RETIRE_MS + 30)

struct handle {
	pcap_t *pcap;
	bool shown;			/* head and data hold a packet */
	bool empty;			/* nothing more in this take */
	struct pcap_pkthdr head;
	u_char *data;
	size_t room;			/* bytes of data */
	uint64_t dropped;		/* the last known */
};

struct sniff_pcap {
	struct handle *handles;
	size_t n;
	int epoll;
	_Atomic int64_t stop_ns;	/* wall clock; later packets are passed over */
	int64_t drained_ns;		/* monotonic; 0: the end has not begun */
};

/* ---- opening ---- */

static int set_up(pcap_t *p, uint32_t snaplen)
{
	return pcap_set_snaplen(p, (int)snaplen) || pcap_set_promisc(p, 0) ||
	       pcap_set_timeout(p, SNIFF_PCAP_RETIRE_MS) || pcap_set_buffer_size(p, RING_BYTES) ||
	       pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
}

/* A handle that is there, or NULL with the sentence. */
static pcap_t *open_one(const char *name, const struct sniff_options *o, struct err *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(name, text);
	struct bpf_program code;
	int r;

	if (!p || set_up(p, o->snaplen)) {
		err_set(err, -EIO, "cannot capture on %s: %s", name, text);
		return p ? (pcap_close(p), NULL) : NULL;
	}
	r = pcap_activate(p);
	if (r >= 0) {
		r = pcap_compile(p, &code, o->filter ? o->filter : "", 1, PCAP_NETMASK_UNKNOWN);
		if (!r) {
			r = pcap_setfilter(p, &code);
			pcap_freecode(&code);
		}
	}
	if (r >= 0 && !pcap_setnonblock(p, 1, text))
		return p;
	err_set(err, -EIO, "cannot capture on %s: %s", name,
		r == PCAP_ERROR || r >= 0 ? pcap_geterr(p) : pcap_statustostr(r));
	pcap_close(p);
	return NULL;
}

/* libpcap's numbers are those of files, but for raw IP. */
static void set_link(struct iface *i, pcap_t *p)
{
	const char *text = pcap_datalink_val_to_name(pcap_datalink(p));

	i->link_type = pcap_datalink(p) == DLT_RAW ? RING_LINK_RAW : (uint16_t)pcap_datalink(p);
	snprintf(i->link_text, sizeof(i->link_text), "%s", text ? text : "UNKNOWN");
}

static void drop_iface(struct iface_list *l, size_t i)
{
	struct iface_list one = { xcalloc(1, sizeof(struct iface)), 1 };

	one.v[0] = l->v[i];
	iface_list_release(&one);
	memmove(&l->v[i], &l->v[i + 1], (--l->n - i) * sizeof(*l->v));
}

static int add(struct sniff_pcap *s, pcap_t *p)
{
	struct epoll_event e = { .events = EPOLLIN };

	s->handles[s->n++] = (struct handle){ .pcap = p };
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, pcap_get_selectable_fd(p), &e);
}

static int open_all(struct sniff_pcap *s, const struct sniff_options *o,
		    struct iface_list *ifaces, struct err *err)
{
	for (size_t i = 0; i < ifaces->n;) {
		struct err why = ERR_INIT;
		pcap_t *p = open_one(ifaces->v[i].name, o, &why);

		if (p && add(s, p))
			return err_errno(err, "cannot watch a capture handle");
		if (p) {
			set_link(&ifaces->v[i++], p);
			continue;
		}
		if (o->note)
			o->note(o->arg, why.text);
		drop_iface(ifaces, i);
	}
	return s->n ? 0 : err_set(err, -ENODEV, "no interface in the namespace could be opened");
}

int sniff_pcap_open(struct sniff_pcap **out, const struct sniff_options *o,
		    struct iface_list *ifaces, struct err *err)
{
	struct sniff_pcap *s = xcalloc(1, sizeof(*s));
	int r;

	s->handles = xcalloc(ifaces->n + 1, sizeof(*s->handles));
	atomic_store(&s->stop_ns, INT64_MAX);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = s->epoll < 0 ? err_errno(err, "cannot watch capture handles")
			 : open_all(s, o, ifaces, err);
	if (r)
		sniff_pcap_close(s);
	else
		*out = s;
	return r;
}

void sniff_pcap_close(struct sniff_pcap *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		pcap_close(s->handles[i].pcap);
		free(s->handles[i].data);
	}
	util_close(s->epoll);
	free(s->handles);
	free(s);
}

int sniff_pcap_fd(const struct sniff_pcap *s)
{
	return s->epoll;
}

/* ---- reading ---- */

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

static struct handle *oldest(struct sniff_pcap *s)
{
	struct handle *best = NULL;

	for (struct handle *h = s->handles; h < s->handles + s->n; h++) {
		/* a handle that fails has lost its interface, and nothing more comes */
		if (!h->shown && !h->empty) {
			pcap_dispatch(h->pcap, 1, keep, (u_char *)h);
			h->empty = !h->shown;
		}
		if (h->shown && (!best || stamp(&h->head) < stamp(&best->head)))
			best = h;
	}
	return best;
}

int sniff_pcap_take(struct sniff_pcap *s, sniff_sink *sink, void *arg, struct err *err)
{
	struct handle *h;

	for (size_t i = 0; i < s->n; i++)
		s->handles[i].empty = false;
	for (int n = 0; n < TAKE_PACKETS && (h = oldest(s)); n++) {
		struct pcapng_packet p = {
			.interface = (uint32_t)(h - s->handles), .ts_ns = stamp(&h->head),
			.caplen = h->head.caplen, .len = h->head.len, .data = h->data,
		};
		size_t taken = 1;
		bool goes_on = p.ts_ns > atomic_load(&s->stop_ns) || sink(arg, &p, 1, &taken);

		h->shown = !taken;
		if (!goes_on)
			return SNIFF_E_SINK;
	}
	return 0;
}

void sniff_pcap_halt(struct sniff_pcap *s)
{
	int64_t never = INT64_MAX;

	atomic_compare_exchange_strong(&s->stop_ns, &never, clock_kernel_ns());
}

int sniff_pcap_drain(struct sniff_pcap *s, sniff_sink *sink, void *arg, struct err *err)
{
	int r;

	if (!s->drained_ns)
		s->drained_ns = clock_mono_ns() + DRAIN_MS * NS_PER_MS;
	r = sniff_pcap_take(s, sink, arg, err);
	if (r)
		return r;
	return clock_mono_ns() < s->drained_ns ? SNIFF_E_LATER : 0;
}

uint64_t sniff_pcap_dropped(struct sniff_pcap *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct pcap_stat st;

		if (pcap_stats(s->handles[i].pcap, &st) == 0)
			s->handles[i].dropped = st.ps_drop;
		sum += s->handles[i].dropped;
	}
	return sum;
}
