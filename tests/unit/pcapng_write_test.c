/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_write_test.c - what the writer writes; tshark, capinfos and tcpdump are the judges
 */
#include "judge.h"
#include "pcapng.h"

#include <errno.h>

#define T0 1795444745120334551LL	/* 2026-11-23T14:39:05.120334551Z */

/* Ethernet, IPv4 10.0.1.5 -> 10.0.1.6, UDP 1000 -> 2000, 4 bytes */
static const uint8_t udp4[] = {
	0x02, 0x42, 0x0a, 0x00, 0x01, 0x06, 0x02, 0x42, 0x0a, 0x00, 0x01, 0x05, 0x08, 0x00,
	0x45, 0x00, 0x00, 0x20, 0x00, 0x01, 0x00, 0x00, 0x40, 0x11, 0x64, 0xc0,
	0x0a, 0x00, 0x01, 0x05, 0x0a, 0x00, 0x01, 0x06,
	0x03, 0xe8, 0x07, 0xd0, 0x00, 0x0c, 0x00, 0x00, 'p', 'i', 'n', 'g',
};

/* Ethernet, IPv6 fd00::5 -> fd00::6, no next header */
static const uint8_t bare6[] = {
	0x02, 0x42, 0x0a, 0x00, 0x01, 0x06, 0x02, 0x42, 0x0a, 0x00, 0x01, 0x05, 0x86, 0xdd,
	0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3b, 0x40,
	0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
	0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6,
};

static void put(struct buf *b, const struct pcapng_packet *p)
{
	uint8_t out[4096];
	size_t n = pcapng_packet_size(p->caplen, p->flags);

	assert_in_range(n, 1, sizeof(out));
	assert_int_equal(pcapng_put_packet(out, p), n);
	assert_int_equal(buf_add(b, out, n), 0);
}

static void put_section(struct buf *b)
{
	const struct pcapng_section section = {
		.hardware = "x86_64", .os = "Linux 6.1.0", .application = "swarmcap 0.1.0",
		.comment = "host node1",
	};

	assert_int_equal(pcapng_put_section(b, &section), 0);
}

static void put_interface(struct buf *b, const char *name, const char *description)
{
	const struct pcapng_interface i = {
		.name = name, .description = description, .filter = "udp or ip6",
		.link_type = 1, .snaplen = 262144, .has_mac = true,
		.mac = { 0x02, 0x42, 0x0a, 0x00, 0x01, 0x05 },
	};

	assert_int_equal(pcapng_put_interface(b, &i), 0);
}

static void put_all(struct buf *b)
{
	const struct pcapng_name names[] = {
		{ "10.0.1.5", "web" }, { "10.0.1.5/24", "web.3.k7x2a9" },
		{ "fd00::5/64", "six.1.aaaaaa" }, { "nonsense", "x" }, { "10.0.1.7", "" },
	};
	const struct pcapng_stats stats = {
		.interface = 0, .ts_ns = T0 + 10, .start_ns = T0 - 10, .end_ns = T0 + 10,
		.received = 12, .dropped = 34, .comment = "drops of all interfaces",
	};

	put_section(b);
	put_interface(b, "eth0", "web.3.k7x2a9@node1 eth0 (app 10.0.1.5/24)");
	put_interface(b, "lo", NULL);
	assert_int_equal(pcapng_put_names(b, names, ARRAY_SIZE(names)), 0);
	put(b, &(struct pcapng_packet){ 0, T0, sizeof(udp4), sizeof(udp4), udp4,
					PCAPNG_OUTBOUND });
	put(b, &(struct pcapng_packet){ 1, T0 + 1, sizeof(bare6), sizeof(bare6), bare6, 0 });
	put(b, &(struct pcapng_packet){ 0, T0 + 2, 43, 1514, udp4, PCAPNG_INBOUND });
	assert_int_equal(pcapng_put_stats(b, &stats), 0);
}

static void tshark_reads_packets(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	cleanup_free char *out = NULL;

	put_all(&b);
	judge_save("a.pcapng", &b);
	out = judge_run("tshark -r a.pcapng -T fields -e frame.time_epoch -e frame.interface_name "
		    "-e frame.interface_description -e frame.len -e frame.cap_len "
		    "-e frame.packet_flags_direction -e udp.dstport");
	assert_string_equal(out,
		"1795444745.120334551\teth0\tweb.3.k7x2a9@node1 eth0 (app 10.0.1.5/24)"
		"\t46\t46\t0x00000002\t2000\n"
		"1795444745.120334552\tlo\t\t54\t54\t\t\n"
		"1795444745.120334553\teth0\tweb.3.k7x2a9@node1 eth0 (app 10.0.1.5/24)"
		"\t1514\t43\t0x00000001\t2000\n");
}

static void tshark_reads_names(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	cleanup_free char *out = NULL;

	put_all(&b);
	judge_save("a.pcapng", &b);
	out = judge_run("tshark -r a.pcapng -N n -o nameres.use_external_name_resolver:FALSE "
		    "-T fields -e ip.src_host -e ip.dst_host -e ipv6.src_host");
	assert_string_equal(out, "web.3.k7x2a9\t10.0.1.6\t\n\t\tsix.1.aaaaaa\n"
				 "web.3.k7x2a9\t10.0.1.6\t\n");
}

static void capinfos_reads_headers(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);

	put_all(&b);
	judge_save("a.pcapng", &b);
	judge_says("capinfos -M a.pcapng", "Number of packets:   3\n");
	judge_says("capinfos -M a.pcapng", "File timestamp precision:  nanoseconds (9)\n");
	judge_says("capinfos -M a.pcapng", "Capture application: swarmcap 0.1.0\n");
	judge_says("capinfos -M a.pcapng", "Capture oper-sys:    Linux 6.1.0\n");
	judge_says("capinfos -M a.pcapng", "Capture hardware:    x86_64\n");
	judge_says("capinfos -M a.pcapng", "Capture comment:     host node1\n");
	judge_says("capinfos -M a.pcapng", "Filter string = udp or ip6\n");
	judge_says("capinfos -M a.pcapng", "Number of stat entries = 1\n");
	judge_says("tcpdump -nn -r a.pcapng", "10.0.1.5.1000 > 10.0.1.6.2000: UDP, length 4\n");
}

/* Wireshark can dissect the format itself, and complains about everything that is wrong. */
static void dissector_finds_no_fault(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	cleanup_free char *out = NULL;

	put_all(&b);
	judge_save("a.pcapng", &b);
	out = judge_run("tshark -r a.pcapng -X 'read_format:MIME Files Format' -V");
	assert_null(strstr(out, "Expert Info"));
	assert_null(strstr(out, "Malformed"));
	assert_non_null(strstr(out, "Number of Dropped Packets: 34\n"));
	assert_non_null(strstr(out, "Number of Received Packets: 12\n"));
	assert_non_null(strstr(out, "drops of all interfaces"));
}

static void texts_are_cut_and_safe(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	cleanup_free char *text = xmalloc(70001), *out = NULL, *long_name = xmalloc(301);
	const struct pcapng_name names[] = { { "10.0.1.5", long_name } };

	text[0] = 'a';
	for (size_t i = 1; i < 70000; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[69999] = '\0';
	memset(long_name, 'n', 300);
	long_name[300] = '\0';
	put_section(&b);
	put_interface(&b, "e\x1b]0;x\n\xff", text);
	assert_int_equal(pcapng_put_names(&b, names, 1), 0);
	put(&b, &(struct pcapng_packet){ 0, T0, sizeof(udp4), sizeof(udp4), udp4, 0 });
	judge_save("b.pcapng", &b);

	judge_says("tshark -r b.pcapng -T fields -e frame.interface_name", "e\\x1b]0;x\\x0a\\xff");
	judge_says("capinfos -M b.pcapng", "Number of packets:   1\n");
	out = judge_run("tshark -r b.pcapng -T fields -e frame.interface_description");
	assert_int_equal(strspn(out, "a\xc3\xa4"), 65535);
}

static void ceilings_leave_the_buffer_alone(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(100);
	const struct pcapng_section section = { .comment = "a comment that is quite long, so "
		"long that the section with it does not fit into a hundred bytes" };
	const struct pcapng_name none = { "no address", "name" };

	assert_int_equal(buf_add(&b, "x", 1), 0);
	assert_int_equal(pcapng_put_section(&b, &section), -EFBIG);
	assert_string_equal(b.data, "x");
	assert_int_equal(pcapng_put_names(&b, &none, 1), 0);
	assert_int_equal(b.len, 1);
}

static void many_names_take_several_blocks(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(8 << 20);
	struct pcapng_name *names = xcalloc(8192, sizeof(*names));
	char long_name[256];

	memset(long_name, 'n', 255);
	long_name[255] = '\0';
	for (size_t i = 0; i < 8192; i++)
		names[i] = (struct pcapng_name){ "10.0.1.5", long_name };
	put_section(&b);
	put_interface(&b, "eth0", NULL);
	assert_int_equal(pcapng_put_names(&b, names, 8192), 0);
	put(&b, &(struct pcapng_packet){ 0, T0, sizeof(udp4), sizeof(udp4), udp4, 0 });
	free(names);
	judge_save("c.pcapng", &b);
	judge_says("capinfos -M c.pcapng", "Number of packets:   1\n");
}

/* Small packets are copied in a way of their own (pcapng_packet.h); its borders are at 32, 64 and 128 bytes. */
static void any_length_is_copied_whole(void **state)
{
	uint8_t from[300], out[400];

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (uint32_t n = 0; n < sizeof(from) - 1; n++) {
		const struct pcapng_packet p = { 0, T0, n, n, from + 1, 0 };
		const size_t size = pcapng_packet_size(n, 0), padded = (n + 3) / 4 * 4;
		const uint8_t zeros[3] = { 0 };

		memset(out, 0xaa, sizeof(out));
		assert_int_equal(pcapng_put_packet(out + 4, &p), size);
		assert_memory_equal(out + 4 + 28, from + 1, n);
		assert_memory_equal(out + 4 + 28 + n, zeros, padded - n);
		assert_memory_equal(out, "\xaa\xaa\xaa\xaa", 4);
		assert_memory_equal(out + 4 + size, "\xaa\xaa\xaa\xaa", 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tshark_reads_packets),
		cmocka_unit_test(tshark_reads_names),
		cmocka_unit_test(capinfos_reads_headers),
		cmocka_unit_test(dissector_finds_no_fault),
		cmocka_unit_test(texts_are_cut_and_safe),
		cmocka_unit_test(ceilings_leave_the_buffer_alone),
		cmocka_unit_test(many_names_take_several_blocks),
		cmocka_unit_test(any_length_is_copied_whole),
	};

	return cmocka_run_group_tests_name("pcapng_write", tests, judge_setup, judge_teardown);
}
