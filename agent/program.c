/* SPDX-License-Identifier: Apache-2.0
 *
 * program.c - a pcap-filter expression as one program for a socket that sees all interfaces
 *
 * The parts stand one behind the other; jumps inside of libpcap's code are relative, so nothing in
 * them has to be moved. Only unconditional jumps reach further than 255 instructions: the head is
 * made of pairs, "is it not this type, skip the next", "jump to its part".
 *
 * Cooked frames have no header that libpcap's code could look at: it is compiled for one of 16
 * bytes (DLT_LINUX_SLL), and its loads are moved to the network header, which the kernel
 * knows (SKF_NET_OFF), as libpcap does for its own cooked sockets.
 */
#include "program.h"
#include "ring_block.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdatomic.h>
#include <string.h>

#define CODE_MAX BPF_MAXINSNS
#define COOKED_LEN 16
#define COOKED_PROTOCOL 14	/* where the header has it */

enum { ETHERNET, RAW, COOKED, PARTS };

static const struct {
	int dlt;
	uint16_t link_type;
	const char *name;
} parts[PARTS] = {
	[ETHERNET] = { DLT_EN10MB, RING_LINK_ETHERNET, "EN10MB" },
	[RAW] = { DLT_RAW, RING_LINK_RAW, "RAW" },
	[COOKED] = { DLT_LINUX_SLL, RING_LINK_COOKED, "LINUX_SLL" },
};

struct program {
	struct sock_filter *code;
	size_t n;
	char *refusals[PARTS];
	size_t starts[PARTS];
};

static struct sock_filter stmt(uint16_t code, uint32_t k)
{
	return (struct sock_filter)BPF_STMT(code, k);
}

static void add(struct program *p, struct sock_filter one)
{
	p->code[p->n++] = one;
}

/* ---- the parts ---- */

static bool uses_vlan(const char *expr)
{
	return strstr(expr, "vlan");
}

/* A handle that lives, on our own loopback; NULL: there is none, and tags in packets must do. */
static pcap_t *open_live(uint32_t snaplen)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create("lo", text);

	if (!p)
		return NULL;
	pcap_set_snaplen(p, (int)snaplen);
	if (pcap_activate(p) >= 0)
		return p;
	pcap_close(p);
	return NULL;
}

static pcap_t *open_for(int part, const char *expr, uint32_t snaplen)
{
	pcap_t *p = NULL;

	if (part == ETHERNET && uses_vlan(expr))
		p = open_live(snaplen);
	if (!p)
		p = pcap_open_dead(parts[part].dlt, (int)snaplen);
	if (!p)
		util_out_of_memory();
	return p;
}

/* A load from the cooked header, or from behind it. False: from what the kernel does not show. */
static bool move_load(struct sock_filter *f)
{
	if (f->k >= (uint32_t)SKF_AD_OFF)
		return true;			/* asks the kernel beside the packet already */
	if (f->k >= COOKED_LEN)
		f->k += (uint32_t)SKF_NET_OFF - COOKED_LEN;
	else if (f->k == COOKED_PROTOCOL)
		f->k = (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL);
	else if (f->k == 0)
		f->k = (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE);
	else
		return false;
	return true;
}

static bool move_loads(struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned class = BPF_CLASS(code[i].code), mode = BPF_MODE(code[i].code);

		if (class != BPF_LD && class != BPF_LDX)
			continue;
		if (mode != BPF_ABS && mode != BPF_IND && mode != BPF_MSH)
			continue;
		if (!move_load(&code[i]))
			return false;
	}
	return true;
}

/* Appends the part's code; -EINVAL: it has none, and refuses. */
static int add_part(struct program *p, int part, const char *expr, uint32_t snaplen)
{
	pcap_t *h = open_for(part, expr, snaplen);
	struct bpf_program code;
	const char *why = NULL;
	size_t before = p->n;

	if (pcap_compile(h, &code, expr, 1, PCAP_NETMASK_UNKNOWN)) {
		p->refusals[part] = xasprintf("the filter does not fit link type %s: %s",
					      parts[part].name, pcap_geterr(h));
		pcap_close(h);
		return -EINVAL;
	}
	if (p->n + code.bf_len > CODE_MAX - PARTS)
		why = "the filter is too long for a socket";
	for (size_t i = 0; !why && i < code.bf_len; i++)
		add(p, (struct sock_filter){ code.bf_insns[i].code, code.bf_insns[i].jt,
					     code.bf_insns[i].jf, code.bf_insns[i].k });
	if (!why && part == COOKED && !move_loads(p->code + before, p->n - before))
		why = "the filter looks at link-layer headers, which such interfaces do not show";
	if (why) {
		p->n = before;
		p->refusals[part] = xstrdup(why);
	}
	pcap_freecode(&code);
	pcap_close(h);
	return why ? -EINVAL : 0;
}

/* ---- the head ---- */

static const struct {
	uint32_t hardware;
	int part;
} types[] = {
	{ ARPHRD_ETHER, ETHERNET },
	{ ARPHRD_NONE, RAW },
	{ ARPHRD_RAWIP, RAW },
};

/*
 *	A = hardware type
 *	loopback? then: outgoing? refuse; else jump to Ethernet
 *	each type: jump to its part
 *	jump to cooked
 */
#define LOOPBACK_CODE 5
#define HEAD_LEN (1 + LOOPBACK_CODE + 2 * ARRAY_SIZE(types) + 1)

static void jump_to(struct sock_filter *code, size_t at, size_t target)
{
	code[at] = stmt(BPF_JMP | BPF_JA, (uint32_t)(target - at - 1));
}

static void put_head(struct program *p)
{
	struct sock_filter *c = p->code;
	size_t n = 0;

	c[n++] = stmt(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE));
	c[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0,
					      LOOPBACK_CODE - 1);
	c[n++] = stmt(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	c[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1);
	c[n++] = stmt(BPF_RET | BPF_K, 0);
	jump_to(c, n, p->starts[ETHERNET]);
	n++;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		c[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, types[i].hardware,
						      0, 1);
		jump_to(c, n, p->starts[types[i].part]);
		n++;
	}
	jump_to(c, n, p->starts[COOKED]);
}

int program_new(struct program **out, const char *expr, uint32_t snaplen, struct err *err)
{
	struct program *p = xcalloc(1, sizeof(*p));
	int fits = 0;

	p->code = xcalloc(CODE_MAX + HEAD_LEN, sizeof(*p->code));
	p->n = HEAD_LEN;
	for (int i = 0; i < PARTS; i++) {
		p->starts[i] = p->n;
		if (!add_part(p, i, expr ? expr : "", snaplen))
			fits++;
		else
			add(p, stmt(BPF_RET | BPF_K, 0));
	}
	put_head(p);
	if (fits) {
		*out = p;
		return 0;
	}
	err_set(err, -EINVAL, "%s", p->refusals[ETHERNET]);
	program_free(p);
	return -EINVAL;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	for (int i = 0; i < PARTS; i++)
		free(p->refusals[i]);
	free(p->code);
	free(p);
}

struct sock_fprog program_code(const struct program *p)
{
	return (struct sock_fprog){ (unsigned short)p->n, p->code };
}

const char *program_refusal(const struct program *p, uint16_t link_type)
{
	for (int i = 0; i < PARTS; i++)
		if (parts[i].link_type == link_type)
			return p->refusals[i];
	return NULL;
}
