/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_lay_test.c - blocks made by hand, as the kernel's with PACKET_RESERVE, and what becomes of them
 *
 * A block is an allocation of just its size, full of STALE before: that must be seen nowhere in the piece.
 */
#include "judge.h"
#include "../../agent/ring_lay.h"

#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <pcap/pcap.h>

#include "../../common/pcapng_format.h"
#include "../../common/pcapng_packet.h"

#define SIZE (1u << 20)
#define MAC 84u			/* where the kernel puts an Ethernet header */
#define FIRST 48u		/* and the first frame */
#define END_MIN 23u		/* behind a packet's bytes: padding, flags, filler, end of options, length */
#define SNAPLEN 262144
#define SECOND 1795444745
#define STALE 0xee
#define FRAMES_MAX 400

enum { ETH0 = 3, ETH1 = 5, LO = 1 };	/* sll_ifindex; in the file they are 0 to 2 */

static uint8_t *block, *before;
static uint32_t size;
static struct tpacket_block_desc *desc;
static struct tpacket3_hdr *last;	/* the frame that was put last */
static int unwanted;			/* sll_ifindex */
static struct pcapng_packet want[FRAMES_MAX];	/* what the copying way makes of `before` */

static void make_block(uint32_t bytes)
{
	free(block);
	free(before);
	size = bytes;
	block = aligned_alloc(RING_LAY_ALIGN, size);
	before = aligned_alloc(RING_LAY_ALIGN, size);
	assert_true(block && before);
	memset(block, STALE, size);
	last = NULL;
	desc = (struct tpacket_block_desc *)(void *)block;
	desc->version = 1;
	desc->hdr.bh1.block_status = TP_STATUS_USER | TP_STATUS_BLK_TMO;
	desc->hdr.bh1.num_pkts = 0;
	desc->hdr.bh1.offset_to_first_pkt = FIRST;
	desc->hdr.bh1.seq_num = 77;
}

static int begin(void **state)
{
	make_block(SIZE);
	unwanted = 0;
	return 0;
}

static int end(void **state)
{
	free(block);
	free(before);
	block = before = NULL;
	return 0;
}

static struct sockaddr_ll *from_of(struct tpacket3_hdr *h)
{
	return (struct sockaddr_ll *)(void *)((uint8_t *)h + TPACKET_ALIGN(sizeof(*h)));
}

static void *place_of_next(void)
{
	if (!last)
		return block + FIRST;
	if (!last->tp_next_offset)
		last->tp_next_offset = (MAC + last->tp_snaplen + 7) & ~7u;
	return (uint8_t *)last + last->tp_next_offset;
}

/* The next frame: behind the last, or where that one says. */
static struct tpacket3_hdr *put(uint32_t caplen, uint32_t len)
{
	const uint32_t i = desc->hdr.bh1.num_pkts++;
	struct tpacket3_hdr *h = place_of_next();
	uint8_t *data = (uint8_t *)h + MAC;

	assert_true(data + caplen <= block + size);
	*h = (struct tpacket3_hdr){
		.tp_sec = SECOND, .tp_nsec = 7 + i, .tp_snaplen = caplen, .tp_len = len,
		.tp_status = TP_STATUS_USER, .tp_mac = MAC, .tp_net = MAC + ETH_HLEN,
	};
	*from_of(h) = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_ifindex = ETH0, .sll_halen = 6,
					    .sll_hatype = ARPHRD_ETHER, .sll_pkttype = PACKET_HOST };
	for (uint32_t k = 0; k < caplen; k++)
		data[k] = (uint8_t)(i * 13 + k * 7);
	if (caplen >= ETH_HLEN)
		memcpy(data + 2 * ETH_ALEN, "\x88\xb5", 2);	/* of experiments: no dissector wants it */
	desc->hdr.bh1.blk_len = (uint32_t)(data + caplen + 7 - block) & ~7u;
	return last = h;
}

static struct tpacket3_hdr *put_from(uint32_t caplen, uint32_t len, int index, uint8_t type)
{
	struct tpacket3_hdr *h = put(caplen, len);

	from_of(h)->sll_ifindex = index;
	from_of(h)->sll_hatype = index == LO ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	from_of(h)->sll_pkttype = type;
	return h;
}

/* More than three batches of frames, some of them truncated, and one as large as they come. */
static void put_mixed(void)
{
	static const uint32_t caplens[] = { 60, 1514, 65, 9014, 342, 4094, 61, 1515, 2963 };
	static const struct { int index; uint8_t type; } froms[] = {
		{ ETH0, PACKET_HOST }, { ETH1, PACKET_MULTICAST }, { ETH0, PACKET_OUTGOING },
		{ LO, PACKET_HOST },
	};

	for (uint32_t i = 0; i < 120; i++) {
		const uint32_t caplen = i == 50 ? 65549 : caplens[i % ARRAY_SIZE(caplens)];

		put_from(caplen, caplen + (i % 7 ? 0 : 1000), froms[i % ARRAY_SIZE(froms)].index,
			 froms[i % ARRAY_SIZE(froms)].type);
	}
}

static uint32_t number(void *arg, const struct sockaddr_ll *from)
{
	return from->sll_ifindex == ETH0 ? 0 : from->sll_ifindex == ETH1 ? 1 : 2;
}

static bool wants(void *arg, const struct sockaddr_ll *from)
{
	return from->sll_ifindex != unwanted;
}

/* ---- the copying way ---- */

static size_t copy_before(void)
{
	struct ring_frame f[32];
	struct ring_cursor c;
	size_t n, total = 0;

	ring_cursor_init(&c, before, size);
	while ((n = ring_cursor_take(&c, f, ARRAY_SIZE(f)))) {
		assert_in_range(total + n, 1, FRAMES_MAX);
		for (size_t i = 0; i < n;) {
			size_t k = ring_frames_to_packets(f + i, n - i, number(NULL, f[i].from),
							  RING_LINK_ETHERNET, SNAPLEN, want + total);

			i += k;
			total += k;
		}
	}
	return total;
}

static void assert_same(const struct pcapng_packet *a, const struct pcapng_packet *b)
{
	assert_int_equal(a->interface, b->interface);
	assert_int_equal(a->ts_ns, b->ts_ns);
	assert_int_equal(a->caplen, b->caplen);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->flags, b->flags);
	assert_memory_equal(a->data, b->data, a->caplen);
}

/* ---- the piece, byte by byte ---- */

static void assert_zeros(const uint8_t *from, const uint8_t *to)
{
	assert_true(from <= to);
	while (from < to)
		assert_int_equal(*from++, 0);
}

/* The options of a packet's block: flags, where there are any, a filler, the end. */
static uint32_t flags_of(const uint8_t *at, const uint8_t *to)
{
	uint32_t flags = 0;

	if (get16(at, false) == PCAPNG_EPB_FLAGS) {
		assert_int_equal(get16(at + 2, false), 4);
		flags = get32(at + 4, false);
		assert_int_not_equal(flags, 0);
		at += 8;
	}
	assert_int_equal(get16(at, false), PCAPNG_OPT_FILLER);
	assert_ptr_equal(at + 4 + get16(at + 2, false), to - 4);
	assert_zeros(at + 4, to);
	return flags;
}

static struct pcapng_packet packet_of(const uint8_t *at, uint32_t bytes)
{
	struct pcapng_packet p = {
		.interface = get32(at + 8, false), .caplen = get32(at + 20, false),
		.len = get32(at + 24, false), .data = at + PCAPNG_PACKET_HEAD,
		.ts_ns = (int64_t)((uint64_t)get32(at + 12, false) << 32 | get32(at + 16, false)),
	};
	const uint8_t *options = p.data + pcapng_padded(p.caplen);

	assert_int_equal(get32(at, false), PCAPNG_BLOCK_PACKET);
	assert_in_range(p.caplen, 0, bytes - PCAPNG_PACKET_HEAD - 12);
	assert_zeros(p.data + p.caplen, options);
	p.flags = flags_of(options, at + bytes - 4);
	return p;
}

/* The bytes of the file's block at `at`: it is inside of the piece, and says so at both ends. */
static uint32_t framed(uint32_t at, uint32_t piece)
{
	uint32_t bytes;

	assert_in_range(at, 0, piece - PCAPNG_FRAME);
	bytes = get32(block + at + 4, false);
	assert_int_equal(bytes % 4, 0);
	assert_in_range(bytes, PCAPNG_FRAME, piece - at);
	assert_int_equal(get32(block + at + bytes - 4, false), bytes);
	return bytes;
}

/* Nothing but what the format says, zeros, and the description, where the kernel looks for it. */
static void assert_sound(uint32_t piece, size_t packets)
{
	uint32_t at = framed(0, piece);

	assert_int_equal(get32(block, false), PCAPNG_BLOCK_FILLER);
	assert_memory_equal(block + 8, before + 8, sizeof(*desc) - 8);
	assert_zeros(block + sizeof(*desc), block + at - 4);
	for (size_t i = 0; i < packets; i++) {
		const uint32_t bytes = framed(at, piece);
		const struct pcapng_packet p = packet_of(block + at, bytes);

		assert_same(&p, &want[i]);
		at += bytes;
	}
	assert_int_equal(at, piece);
	assert_memory_equal(block + piece, before + piece, size - piece);
}

static bool survey(uint32_t snaplen, struct ring_survey *out)
{
	bool fit;

	memcpy(before, block, size);
	fit = ring_survey(block, size, snaplen, wants, NULL, out);
	assert_memory_equal(block, before, size);
	return fit;
}

/* What the survey said. The piece is as the copying way has it; its packets are in `want`. */
static struct ring_survey lay(void)
{
	struct ring_survey s;

	assert_true(survey(SNAPLEN, &s));
	assert_int_equal(s.size % RING_LAY_ALIGN, 0);
	assert_in_range(s.size, 1, size);
	ring_lay(block, size, number, NULL);
	assert_int_equal(copy_before(), s.packets);
	assert_sound(s.size, s.packets);
	return s;
}

/* ---- a file with the piece, and others' programs ---- */

static void save(uint32_t piece)
{
	static const char *const names[] = { "eth0", "eth1", "lo" };
	const struct pcapng_section section = { .application = "ring_lay_test" };
	struct pcapng_interface i = { .link_type = RING_LINK_ETHERNET, .snaplen = SNAPLEN };
	cleanup_buf struct buf b = BUF_INIT(4 << 20);

	assert_int_equal(pcapng_put_section(&b, &section), 0);
	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		i.name = names[k];
		assert_int_equal(pcapng_put_interface(&b, &i), 0);
	}
	assert_int_equal(buf_add(&b, block, piece), 0);
	judge_save("laid.pcapng", &b);
}

static uint32_t save_mixed(void)
{
	struct ring_survey s;

	put_mixed();
	s = lay();
	save(s.size);
	assert_int_equal(s.packets, 120);
	return s.packets;
}

static char *as_tshark_tells(uint32_t n)
{
	struct buf b = BUF_INIT(1 << 20);

	for (const struct pcapng_packet *p = want; p < want + n; p++) {
		assert_int_equal(buf_addf(&b, "%lld.%09lld\t%u\t%u\t%u\t", p->ts_ns / NS_PER_S,
					  p->ts_ns % NS_PER_S, p->interface, p->len, p->caplen), 0);
		if (p->flags)
			assert_int_equal(buf_addf(&b, "0x%08x", p->flags & 3), 0);
		assert_int_equal(buf_add(&b, "\n", 1), 0);
	}
	return buf_take(&b);
}

static void test_others_read_it(void **state)
{
	const uint32_t n = save_mixed();
	cleanup_free char *expected = as_tshark_tells(n);
	cleanup_free char *told = judge_run("tshark -r laid.pcapng -T fields -e frame.time_epoch "
		"-e frame.interface_id -e frame.len -e frame.cap_len -e frame.packet_flags_direction");

	assert_string_equal(told, expected);
	judge_says("capinfos -M laid.pcapng", "Number of packets:   120\n");
	judge_says("tcpdump --count -nn -r laid.pcapng", "120 packets");
}

/* Wireshark can dissect the format itself, and complains about everything that is wrong. */
static void test_dissector_finds_no_fault(void **state)
{
	cleanup_free char *out = NULL;

	for (uint32_t i = 0; i < 40; i++)
		put_from(600 + i, 600 + i, i % 2 ? ETH0 : LO, PACKET_HOST);
	save(lay().size);
	out = judge_run("tshark -r laid.pcapng -X 'read_format:MIME Files Format' -V");
	assert_null(strstr(out, "Expert Info"));
	assert_null(strstr(out, "Malformed"));
	assert_non_null(strstr(out, "Captured Length: 639\n"));
}

static void test_libpcap_sees_the_same_bytes(void **state)
{
	cleanup_free char *path = xasprintf("%s/laid.pcapng", judge_dir);
	const uint32_t n = save_mixed();
	char why[PCAP_ERRBUF_SIZE] = "";
	struct pcap_pkthdr *h;
	const uint8_t *data;
	pcap_t *p;

	p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	assert_string_equal(why, "");
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(pcap_next_ex(p, &h, &data), 1);
		assert_int_equal(h->ts.tv_sec * NS_PER_S + h->ts.tv_usec, want[i].ts_ns);
		assert_int_equal(h->caplen, want[i].caplen);
		assert_int_equal(h->len, want[i].len);
		assert_memory_equal(data, want[i].data, h->caplen);
	}
	assert_int_equal(pcap_next_ex(p, &h, &data), PCAP_ERROR_BREAK);
	pcap_close(p);
}

static void test_our_reader_reads_it(void **state)
{
	cleanup_free char *path = xasprintf("%s/laid.pcapng", judge_dir);
	const uint32_t n = save_mixed();
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct pcapng_reader *r = pcapng_reader_new(fd);
	struct pcapng_block b;
	uint32_t i = 0;
	int how;

	while ((how = pcapng_next(r, &b, NULL)) == 0) {
		if (b.kind != PCAPNG_PACKET)
			continue;
		assert_in_range(i, 0, n - 1);
		assert_same(&b.packet, &want[i++]);
	}
	assert_int_equal(how, PCAPNG_E_END);
	assert_int_equal(i, n);
	pcapng_reader_free(r);
}

/* ---- what can be laid ---- */

static void test_every_padding(void **state)
{
	for (uint32_t caplen = 600; caplen < 668; caplen++) {
		put_from(caplen, caplen, ETH0, PACKET_OTHERHOST);
		put_from(caplen, caplen, LO, PACKET_OUTGOING);
	}
	assert_int_equal(lay().packets, 136);
}

/* On loopback nothing has a direction, and no option says so. */
static void test_flags(void **state)
{
	put_from(900, 900, LO, PACKET_HOST);
	put_from(901, 901, ETH1, PACKET_OUTGOING);
	put_from(902, 902, ETH0, PACKET_BROADCAST);
	lay();
	assert_int_equal(want[0].flags, 0);
	assert_int_equal(want[1].flags, PCAPNG_OUTBOUND);
	assert_int_equal(want[2].flags, PCAPNG_INBOUND | 3 << 2);
}

/* Frames are taken in batches of 32: less than one, just one, and more than two. */
static void test_any_number_of_frames(void **state)
{
	for (uint32_t n = 1; n < 70; n++) {
		make_block(256 << 10);
		for (uint32_t i = 0; i < n; i++)
			put(1000 + i * 5, 1514);
		assert_int_equal(lay().packets, n);
	}
}

static void test_survey_counts(void **state)
{
	struct ring_survey s;

	put(1000, 1500);
	put(1001, 1001)->tp_sec = SECOND - 2;
	put(999, 1000)->tp_sec = SECOND + 3;
	put(9000, 9000);
	s = lay();
	assert_int_equal(s.packets, 4);
	assert_int_equal(s.truncated, 2);
	assert_int_equal(s.first_ns, (SECOND - 2) * NS_PER_S + 8);
	assert_int_equal(s.last_ns, (SECOND + 3) * NS_PER_S + 9);
	assert_int_equal(s.size, 4 * RING_LAY_ALIGN);
}

static void test_first_and_last_time(void **state)
{
	struct tpacket3_hdr *h = put(1000, 1000);
	struct ring_survey s;

	h->tp_sec = UINT32_MAX;
	h->tp_nsec = NS_PER_S - 1;
	put(1000, 1000)->tp_sec = 0;
	s = lay();
	assert_int_equal(s.first_ns, 8);
	assert_int_equal(s.last_ns, UINT32_MAX * NS_PER_S + NS_PER_S - 1);
}

/* The kernel's word for whose the block is, and what ring.c reads when it is given back. */
static void test_description_stays(void **state)
{
	const struct tpacket_hdr_v1 *h = &desc->hdr.bh1;

	put(1000, 1000);
	put(1000, 1000);
	lay();
	assert_ptr_equal(&h->block_status, block + 8);
	assert_int_equal(h->block_status, TP_STATUS_USER | TP_STATUS_BLK_TMO);
	assert_int_equal(h->num_pkts, 2);
	assert_int_equal(h->seq_num, 77);
}

static void test_least_frame(void **state)
{
	put(ETH_HLEN, 1000);
	put(4000, 4000);
	put(ETH_HLEN, ETH_HLEN);
	assert_int_equal(lay().packets, 3);
}

/* ---- where it ends ---- */

static void assert_refused(uint32_t snaplen)
{
	struct ring_survey s;

	assert_false(survey(snaplen, &s));
}

/* One frame, with `rest` bytes of the block behind it. */
static void put_with_rest(uint32_t bytes, uint32_t rest)
{
	make_block(bytes);
	put(size - rest - FIRST - MAC, 65536);
}

static void test_brim_full(void **state)
{
	put_with_rest(8192, 0);
	assert_refused(SNAPLEN);
	put_with_rest(8192, END_MIN - 1);
	assert_refused(SNAPLEN);
	put_with_rest(8192, END_MIN);
	assert_int_equal(lay().size, 8192);
	put_with_rest(8192, END_MIN + RING_LAY_ALIGN - 1);
	assert_int_equal(lay().size, 8192);
	put_with_rest(8192, END_MIN + RING_LAY_ALIGN);
	assert_int_equal(lay().size, 4096);
}

/* Two frames; so many bytes from the end of the first one's packet to the head of the other's block. */
static void put_with_gap(uint32_t caplen, uint32_t gap)
{
	make_block(SIZE);
	put(caplen, caplen)->tp_next_offset = caplen + gap + PCAPNG_PACKET_HEAD;
	put(70000, 70000);
}

/* An option's length has 16 bits. */
static void test_gap(void **state)
{
	put_with_gap(604, 60000);
	assert_int_equal(lay().packets, 2);
	put_with_gap(603, 60001);
	assert_refused(SNAPLEN);
	put_with_gap(604, 65536);
	assert_refused(SNAPLEN);
}

/* A lone frame that begins inside of the description, whose fields are some of its own. */
static void put_near_description(uint16_t mac)
{
	struct tpacket3_hdr *h = (struct tpacket3_hdr *)(void *)(block + 8);

	*h = (struct tpacket3_hdr){ .tp_next_offset = desc->hdr.bh1.block_status, .tp_sec = 1, .tp_nsec = 8,
				    .tp_snaplen = 1000, .tp_len = 1000, .tp_mac = mac };
	assert_int_equal(desc->hdr.bh1.num_pkts, 1);
	assert_int_equal(desc->hdr.bh1.offset_to_first_pkt, 8);
	*from_of(h) = (struct sockaddr_ll){ .sll_ifindex = ETH0, .sll_hatype = ARPHRD_ETHER };
	memset((uint8_t *)h + mac, 5, 1000);
}

static void test_near_the_description(void **state)
{
	put_near_description(68);
	assert_refused(SNAPLEN);
	put_near_description(72);
	assert_int_equal(lay().packets, 1);
}

/* With its alignment: blk_len is in steps of 8. */
static void test_mean(void **state)
{
	put(512 - FIRST - MAC - 8, 1000);
	assert_int_equal(desc->hdr.bh1.blk_len, 504);
	assert_refused(SNAPLEN);
	make_block(SIZE);
	put(512 - FIRST - MAC - 7, 1000);
	assert_int_equal(lay().packets, 1);
	make_block(SIZE);
	for (uint32_t i = 0; i < 100; i++)
		put(i % 10 ? 60 : 3000, 3000);
	assert_refused(SNAPLEN);
}

static void test_snaplen(void **state)
{
	struct ring_survey s;

	put(1000, 1000);
	put(1001, 1500);
	put(1000, 1000);
	assert_refused(1000);
	assert_true(survey(1001, &s));
}

/* ---- what is refused ---- */

/* Frames 1, 2 and 3, each of which could be laid. Returns 2. */
static struct tpacket3_hdr *put_three(void)
{
	struct tpacket3_hdr *middle;

	make_block(65536);
	put(1000, 1000);
	middle = put(1000, 1000);
	put_from(1000, 1000, ETH1, PACKET_HOST);
	return middle;
}

static void test_refused_frames(void **state)
{
	struct ring_survey s;

	put_three();
	assert_true(survey(SNAPLEN, &s));
	put_three()->tp_status |= TP_STATUS_VLAN_VALID;
	assert_refused(SNAPLEN);
	for (uint16_t mac = MAC - 3; mac < MAC + 4; mac++) {
		put_three()->tp_mac = mac;
		if (mac % 4)
			assert_refused(SNAPLEN);
	}
	put_three()->tp_snaplen = ETH_HLEN - 1;
	assert_refused(SNAPLEN);
	put_three();
	unwanted = ETH1;
	assert_refused(SNAPLEN);
}

static void test_refused_damage(void **state)
{
	static const uint32_t nexts[] = { 0, 8, 67, 1089, 65536, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(nexts); i++) {
		put_three()->tp_next_offset = nexts[i];
		assert_refused(SNAPLEN);
	}
	put_three()->tp_snaplen = 65536;
	assert_refused(SNAPLEN);
	put_three()->tp_mac = 64;
	assert_refused(SNAPLEN);
	put_three();
	desc->hdr.bh1.num_pkts = 4;
	assert_refused(SNAPLEN);
	desc->hdr.bh1.num_pkts = 0;
	assert_refused(SNAPLEN);
	desc->hdr.bh1.num_pkts = 3;
	desc->hdr.bh1.offset_to_first_pkt = FIRST + 4;
	assert_refused(SNAPLEN);
}

/* What the kernel says of a frame inside of the one before, which would be written over before it is read. */
static void test_refused_frame_inside_another(void **state)
{
	struct tpacket3_hdr *h = put(600, 600), *inside;

	h->tp_next_offset = 72;
	inside = put(1000, 1000);
	inside->tp_mac = 2000;
	assert_refused(SNAPLEN);
	h->tp_mac = 1000;	/* the filler in front of it reaches over the other */
	assert_refused(SNAPLEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_others_read_it, begin, end),
		cmocka_unit_test_setup_teardown(test_dissector_finds_no_fault, begin, end),
		cmocka_unit_test_setup_teardown(test_libpcap_sees_the_same_bytes, begin, end),
		cmocka_unit_test_setup_teardown(test_our_reader_reads_it, begin, end),
		cmocka_unit_test_setup_teardown(test_every_padding, begin, end),
		cmocka_unit_test_setup_teardown(test_flags, begin, end),
		cmocka_unit_test_setup_teardown(test_any_number_of_frames, begin, end),
		cmocka_unit_test_setup_teardown(test_survey_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_first_and_last_time, begin, end),
		cmocka_unit_test_setup_teardown(test_description_stays, begin, end),
		cmocka_unit_test_setup_teardown(test_least_frame, begin, end),
		cmocka_unit_test_setup_teardown(test_brim_full, begin, end),
		cmocka_unit_test_setup_teardown(test_gap, begin, end),
		cmocka_unit_test_setup_teardown(test_near_the_description, begin, end),
		cmocka_unit_test_setup_teardown(test_mean, begin, end),
		cmocka_unit_test_setup_teardown(test_snaplen, begin, end),
		cmocka_unit_test_setup_teardown(test_refused_frames, begin, end),
		cmocka_unit_test_setup_teardown(test_refused_damage, begin, end),
		cmocka_unit_test_setup_teardown(test_refused_frame_inside_another, begin, end),
	};

	return cmocka_run_group_tests_name("ring_lay", tests, judge_setup, judge_teardown);
}
