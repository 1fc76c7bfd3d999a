/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_block_test.c - blocks made by hand, as the kernel's header files describe them
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <string.h>

#include "../../agent/overlap.h"

#define SIZE 4096
#define MAC 82			/* where the kernel puts an Ethernet header */

static union {
	uint8_t bytes[SIZE];
	struct tpacket_block_desc desc;
} block;

/* The next frame, behind the last; its bytes count up from `first`. */
static struct tpacket3_hdr *put(uint32_t caplen, uint32_t len, uint8_t first)
{
	uint32_t at = block.desc.hdr.bh1.offset_to_first_pkt;
	struct tpacket3_hdr *h;
	struct sockaddr_ll *from;

	for (uint32_t i = 0; i < block.desc.hdr.bh1.num_pkts; i++)
		at += ((struct tpacket3_hdr *)(void *)(block.bytes + at))->tp_next_offset;
	h = (struct tpacket3_hdr *)(void *)(block.bytes + at);
	from = (struct sockaddr_ll *)(void *)(block.bytes + at + TPACKET_ALIGN(sizeof(*h)));
	*h = (struct tpacket3_hdr){
		.tp_next_offset = (MAC + caplen + 7) & ~7u, .tp_sec = 1795444745, .tp_nsec = 7,
		.tp_snaplen = caplen, .tp_len = len, .tp_mac = MAC, .tp_net = MAC + ETH_HLEN,
	};
	*from = (struct sockaddr_ll){ .sll_ifindex = 3, .sll_hatype = ARPHRD_ETHER,
				      .sll_pkttype = PACKET_HOST, .sll_halen = 6,
				      .sll_protocol = htons(ETH_P_IP), .sll_addr = "\2\0\0\0\0\5" };
	for (uint32_t i = 0; i < caplen; i++)
		((uint8_t *)h)[MAC + i] = (uint8_t)(first + i);
	block.desc.hdr.bh1.num_pkts++;
	return h;
}

static struct sockaddr_ll *from_of(struct tpacket3_hdr *h)
{
	return (struct sockaddr_ll *)(void *)((uint8_t *)h + TPACKET_ALIGN(sizeof(*h)));
}

static int begin(void **state)
{
	memset(&block, 0, sizeof(block));
	block.desc.hdr.bh1.offset_to_first_pkt = 48;
	return 0;
}

static struct ring_cursor cursor(void)
{
	struct ring_cursor c;

	ring_cursor_init(&c, &block, SIZE);
	return c;
}

static struct pcapng_packet only(uint16_t link_type, uint32_t snaplen)
{
	struct ring_cursor c = cursor();
	struct pcapng_packet p = { 0 };
	struct ring_frame f;

	assert_int_equal(ring_cursor_take(&c, &f, 1), 1);
	assert_int_equal(ring_frames_to_packets(&f, 1, 0, link_type, snaplen, &p), 1);
	return p;
}

static void test_frames_in_order(void **state)
{
	struct ring_frame f[4];
	struct ring_cursor c;

	put(60, 60, 0);
	put(100, 1500, 10);
	put(64, 64, 20);
	c = cursor();
	assert_int_equal(ring_cursor_take(&c, f, 2), 2);
	assert_int_equal(f[0].head->tp_snaplen, 60);
	assert_int_equal(f[1].head->tp_len, 1500);
	assert_int_equal(ring_cursor_take(&c, f, 4), 1);
	assert_int_equal(f[0].head->tp_snaplen, 64);
	assert_int_equal(ring_cursor_take(&c, f, 4), 0);
	assert_false(c.damaged);
}

static void test_plain_packet(void **state)
{
	struct pcapng_packet p;

	put(60, 1514, 5);
	p = only(RING_LINK_ETHERNET, 262144);
	assert_int_equal(p.ts_ns, 1795444745000000007LL);
	assert_int_equal(p.caplen, 60);
	assert_int_equal(p.len, 1514);
	assert_int_equal(p.data[0], 5);
	assert_int_equal(p.flags, PCAPNG_INBOUND | 1 << 2);
}

static void test_direction(void **state)
{
	struct tpacket3_hdr *h = put(60, 60, 0);

	from_of(h)->sll_pkttype = PACKET_OUTGOING;
	assert_int_equal(only(RING_LINK_ETHERNET, 100).flags, PCAPNG_OUTBOUND);
	from_of(h)->sll_pkttype = PACKET_MULTICAST;
	assert_int_equal(only(RING_LINK_ETHERNET, 100).flags, PCAPNG_INBOUND | 2 << 2);
	from_of(h)->sll_hatype = ARPHRD_LOOPBACK;
	assert_int_equal(only(RING_LINK_ETHERNET, 100).flags, 0);
	from_of(h)->sll_hatype = ARPHRD_ETHER;
	from_of(h)->sll_pkttype = 200;
	assert_int_equal(only(RING_LINK_ETHERNET, 100).flags, 0);
}

/* The tag that the kernel took off stands behind the addresses again. */
static void test_vlan_tag(void **state)
{
	struct tpacket3_hdr *h = put(60, 1514, 0);
	struct pcapng_packet p;

	h->tp_status = TP_STATUS_VLAN_VALID;
	h->hv1.tp_vlan_tci = 0x6005;
	p = only(RING_LINK_ETHERNET, 262144);
	assert_int_equal(p.caplen, 64);
	assert_int_equal(p.len, 1518);
	assert_memory_equal(p.data, "\0\1\2\3\4\5\6\7\10\11\12\13\x81\0\x60\5\14\15", 18);
}

static void test_vlan_tag_of_a_provider(void **state)
{
	struct tpacket3_hdr *h = put(60, 60, 0);

	h->tp_status = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	h->hv1.tp_vlan_tci = 9;
	h->hv1.tp_vlan_tpid = ETH_P_8021AD;
	assert_memory_equal(only(RING_LINK_ETHERNET, 262144).data + 12, "\x88\xa8\0\11", 4);
}

/* The tag counts toward the snaplen; the packet stays inside of it. */
static void test_vlan_tag_and_snaplen(void **state)
{
	struct tpacket3_hdr *h = put(60, 1514, 0);
	struct pcapng_packet p;

	h->tp_status = TP_STATUS_VLAN_VALID;
	p = only(RING_LINK_ETHERNET, 60);
	assert_int_equal(p.caplen, 60);
	assert_int_equal(p.len, 1518);
}

static void test_cooked(void **state)
{
	struct tpacket3_hdr *h = put(74, 114, 0);
	struct pcapng_packet p;

	from_of(h)->sll_hatype = ARPHRD_SIT;
	from_of(h)->sll_pkttype = PACKET_OUTGOING;
	p = only(RING_LINK_COOKED, 262144);
	assert_int_equal(p.caplen, 60 + 16);
	assert_int_equal(p.len, 100 + 16);
	assert_memory_equal(p.data, "\0\4\3\x08\0\6\2\0\0\0\0\5\0\0\x08\0\16\17", 18);
}

static void test_link_types(void **state)
{
	assert_int_equal(ring_link_type(ARPHRD_ETHER), RING_LINK_ETHERNET);
	assert_int_equal(ring_link_type(ARPHRD_LOOPBACK), RING_LINK_ETHERNET);
	assert_int_equal(ring_link_type(ARPHRD_NONE), RING_LINK_RAW);
	assert_int_equal(ring_link_type(ARPHRD_SIT), RING_LINK_COOKED);
	assert_int_equal(ring_link_type(4711), RING_LINK_COOKED);
}

static void assert_damaged(size_t frames)
{
	struct ring_cursor c = cursor();
	struct ring_frame f;
	size_t n = 0;

	while (ring_cursor_take(&c, &f, 1))
		n++;
	assert_int_equal(n, frames);
	assert_true(c.damaged);
}

static void test_damage_ends_the_block(void **state)
{
	struct tpacket3_hdr *h = put(60, 60, 0);

	put(60, 60, 0);
	h->tp_next_offset = 8;
	assert_damaged(1);
	h->tp_next_offset = SIZE;
	assert_damaged(1);
	h->tp_next_offset = ((MAC + 60 + 7) & ~7u) + 1;
	assert_damaged(1);
	h->tp_next_offset = (MAC + 60 + 7) & ~7u;
	h->tp_snaplen = SIZE;
	assert_damaged(0);
	h->tp_snaplen = 60;
	h->tp_mac = 20;
	assert_damaged(0);
	h->tp_mac = MAC;
	block.desc.hdr.bh1.num_pkts = 1000;
	assert_damaged(2);
}

/* ---- overlap.h ---- */

static void test_overlap(void **state)
{
	struct overlap o = OVERLAP_INIT;

	assert_false(overlap_take(&o, 5));
	for (uint64_t i = 1; i <= 10000; i++)
		overlap_note(&o, i * 4096);	/* all begin their search at the same place */
	overlap_note(&o, 4096);
	for (uint64_t i = 1; i <= 10000; i++)
		assert_true(overlap_take(&o, i * 4096));
	assert_true(overlap_take(&o, 4096));
	assert_false(overlap_take(&o, 4096));
	assert_false(overlap_take(&o, 8192));
	overlap_release(&o);
}

static void test_overlap_keys(void **state)
{
	struct tpacket3_hdr *a = put(60, 60, 0), *b = put(60, 60, 0);
	struct ring_frame f = { a, from_of(a) }, g = { b, from_of(b) };
	uint64_t key = overlap_key(&f);

	assert_int_equal(key, overlap_key(&g));
	b->tp_nsec++;
	assert_int_not_equal(key, overlap_key(&g));
	b->tp_nsec--;
	from_of(b)->sll_ifindex++;
	assert_int_not_equal(key, overlap_key(&g));
	from_of(b)->sll_ifindex--;
	((uint8_t *)b)[MAC + 59]++;
	assert_int_not_equal(key, overlap_key(&g));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_frames_in_order, begin),
		cmocka_unit_test_setup(test_plain_packet, begin),
		cmocka_unit_test_setup(test_direction, begin),
		cmocka_unit_test_setup(test_vlan_tag, begin),
		cmocka_unit_test_setup(test_vlan_tag_of_a_provider, begin),
		cmocka_unit_test_setup(test_vlan_tag_and_snaplen, begin),
		cmocka_unit_test_setup(test_cooked, begin),
		cmocka_unit_test_setup(test_link_types, begin),
		cmocka_unit_test_setup(test_damage_ends_the_block, begin),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test_setup(test_overlap_keys, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
