/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapfile_test.c - classic files: judged by others, cut at every byte, of another byte order
 */
#include "judge.h"
#include "pcapfile.h"
#include "pcapng_made.h"

/* Ethernet, IPv4 10.0.1.5 -> 10.0.1.6, UDP 1000 -> 2000, 4 bytes */
static const uint8_t udp4[] = {
	0x02, 0x42, 0x0a, 0x00, 0x01, 0x06, 0x02, 0x42, 0x0a, 0x00, 0x01, 0x05, 0x08, 0x00,
	0x45, 0x00, 0x00, 0x20, 0x00, 0x01, 0x00, 0x00, 0x40, 0x11, 0x64, 0xc0,
	0x0a, 0x00, 0x01, 0x05, 0x0a, 0x00, 0x01, 0x06,
	0x03, 0xe8, 0x07, 0xd0, 0x00, 0x0c, 0x00, 0x00, 'p', 'i', 'n', 'g',
};

static void classic_files(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(4096);
	uint8_t out[256];
	const struct pcapng_packet p = { 7, T0, 43, 1514, udp4, 1 };

	assert_int_equal(pcapfile_put_header(&b, 1, 262144), 0);
	assert_int_equal(b.len, PCAPFILE_HEADER_SIZE);
	assert_int_equal(pcapfile_put_packet(out, &p), pcapfile_packet_size(43));
	assert_int_equal(buf_add(&b, out, pcapfile_packet_size(43)), 0);
	judge_save("d.pcap", &b);

	judge_says("tshark -r d.pcap -T fields -e frame.time_epoch -e frame.len -e frame.cap_len",
		    "1795444745.120334551\t1514\t43\n");
	judge_says("capinfos -M d.pcap", "File timestamp precision:  nanoseconds (9)\n");
	judge_says("tcpdump -nn -r d.pcap", "10.0.1.5.1000 > 10.0.1.6.2000");
}

static void put_classic(struct buf *b, int64_t ts, const char *data)
{
	uint8_t out[256];
	struct pcapng_packet p = { 0, ts, (uint32_t)strlen(data), 1500, (const uint8_t *)data, 0 };

	assert_int_equal(buf_add(b, out, pcapfile_put_packet(out, &p)), 0);
}

static void classic_cut_at_every_byte(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(4096);
	size_t ends[4];

	assert_int_equal(pcapfile_put_header(&b, 113, 262144), 0);
	ends[0] = b.len;
	for (size_t i = 1; i < 4; i++) {
		put_classic(&b, T0 - (int64_t)i, "data");
		ends[i] = b.len;
	}
	assert_int_equal(buf_add(&b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 19), 0);

	for (size_t len = 0, whole = 0; len <= b.len; len++) {
		struct pcapng_summary s;
		int fd = made_file(&b, len);

		while (whole + 1 < 4 && ends[whole + 1] <= len)
			whole++;
		assert_int_equal(pcapfile_summarize(fd, &s, NULL), 0);
		assert_int_equal(s.whole, len < ends[0] ? 0 : ends[whole]);
		assert_int_equal(s.cut, s.whole != len);
		assert_int_equal(s.packets, whole);
		assert_int_equal(s.link_type, len < ends[0] ? 0 : 113);
		assert_int_equal(s.last_ns, whole ? T0 - 1 : 0);
		assert_int_equal(s.first_ns, whole ? T0 - (int64_t)whole : 0);
		close(fd);
	}
}

static void classic_of_another_order(void **state)
{
	struct made m = made_new(true);
	struct pcapng_summary s;
	int fd;

	made_add(&m, 0xa1b2c3d4, 4);		/* microseconds */
	made_add(&m, 2, 2);
	made_add(&m, 4, 2);
	made_add(&m, 0, 8);
	made_add(&m, 65535, 4);
	made_add(&m, 101, 4);
	made_add(&m, 12, 4);
	made_add(&m, 34, 4);
	made_add(&m, 4, 4);
	made_add(&m, 4, 4);
	made_add_bytes(&m, "data", 4);
	fd = made_file(&m.b, m.b.len);
	assert_int_equal(pcapfile_summarize(fd, &s, NULL), 0);
	assert_int_equal(s.packets, 1);
	assert_int_equal(s.link_type, 101);
	assert_int_equal(s.first_ns, 12000034000);
	assert_false(s.cut);
	close(fd);
	buf_release(&m.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classic_files),
		cmocka_unit_test(classic_cut_at_every_byte),
		cmocka_unit_test(classic_of_another_order),
	};

	return cmocka_run_group_tests_name("pcapfile", tests, judge_setup, judge_teardown);
}
