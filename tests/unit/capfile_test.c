/* SPDX-License-Identifier: Apache-2.0
 *
 * capfile_test.c - files of all magics, made by hand and by editcap, whole, cut and looked back into
 */
#include "capfile.h"
#include "judge.h"
#include "pcapng_made.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/param.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_PATCHED 0xa1b2cd34u
#define S0 (T0 / NS_PER_S)

static void put_header(struct made *m, uint32_t magic, uint16_t minor)
{
	made_add(m, magic, 4);
	made_add(m, 2, 2);
	made_add(m, minor, 2);
	made_add(m, 0, 8);
	made_add(m, 4096, 4);
	made_add(m, 0x24000071, 4);	/* LINKTYPE_LINUX_SLL, with a frame check sequence of 2 */
}

static void put_record(struct made *m, uint32_t fraction, const char *data, bool patched)
{
	made_add(m, (uint64_t)S0, 4);
	made_add(m, fraction, 4);
	made_add(m, strlen(data), 4);
	made_add(m, 1500, 4);
	if (patched) {
		made_add(m, 7, 4);
		made_add(m, 0x800, 2);
		made_add(m, 0, 2);
	}
	assert_int_equal(buf_add(&m->b, data, strlen(data)), 0);
}

struct opened {
	int fd;
	struct capfile *c;
	struct pcapng_block block;
	struct err err;
};

static void begin(struct opened *o, const struct buf *b, size_t len)
{
	memset(o, 0, sizeof(*o));
	o->fd = made_file(b, len);
	o->c = capfile_new(o->fd);
}

static void end(struct opened *o)
{
	capfile_free(o->c);
	close(o->fd);
}

static void expect(struct opened *o, enum pcapng_kind kind)
{
	int r = capfile_next(o->c, &o->block, &o->err);

	if (r != 0)
		fail_msg("%d: %s", r, o->err.text);
	assert_int_equal(o->block.kind, kind);
}

static void expect_packet(struct opened *o, int64_t ts_ns, const char *data)
{
	expect(o, PCAPNG_PACKET);
	assert_int_equal(o->block.packet.interface, 0);
	assert_int_equal(o->block.packet.ts_ns, ts_ns);
	assert_int_equal(o->block.packet.len, 1500);
	assert_int_equal(o->block.packet.caplen, strlen(data));
	assert_memory_equal(o->block.packet.data, data, strlen(data));
}

static void classic_files_of_all_magics(void **state)
{
	static const uint32_t magics[] = { MAGIC_US, MAGIC_NS, MAGIC_PATCHED };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(magics); i++) {
		struct made m = made_new(i % 2);
		uint32_t magic = magics[i / 2];
		struct opened o;

		put_header(&m, magic, 4);
		put_record(&m, 1, "abcde", magic == MAGIC_PATCHED);
		put_record(&m, 999999, "", magic == MAGIC_PATCHED);

		assert_true(capfile_is((uint8_t *)m.b.data, m.b.len));
		begin(&o, &m.b, m.b.len);
		expect(&o, PCAPNG_SECTION);
		expect(&o, PCAPNG_INTERFACE);
		assert_int_equal(o.block.interface.link_type, 0x71);
		assert_int_equal(o.block.interface.snaplen, 4096);
		assert_null(o.block.interface.name);
		expect_packet(&o, S0 * NS_PER_S + (magic == MAGIC_NS ? 1 : 1000), "abcde");
		expect_packet(&o, S0 * NS_PER_S + 999999 * (magic == MAGIC_NS ? 1 : 1000), "");
		assert_int_equal(capfile_offset(o.c), m.b.len);
		assert_int_equal(capfile_next(o.c, &o.block, &o.err), PCAPNG_E_END);
		assert_int_equal(capfile_next(o.c, &o.block, &o.err), PCAPNG_E_END);
		end(&o);
		buf_release(&m.b);
	}
}

static void assert_refused(const struct buf *b, int code, const char *sentence)
{
	struct opened o;

	begin(&o, b, b->len);
	for (int again = 0; again < 2; again++) {
		o.err = (struct err)ERR_INIT;
		assert_int_equal(capfile_next(o.c, &o.block, &o.err), code);
		assert_string_equal(o.err.text, sentence);
	}
	end(&o);
}

static void others_are_refused_in_words(void **state)
{
	struct made m = made_new(true);

	assert_refused(&m.b, PCAPNG_E_CUT, "the file is empty");
	put_header(&m, 0xa12b3c4du, 4);
	assert_refused(&m.b, -EINVAL, "a modified pcap file of Navtel: it is not read");
	assert_true(capfile_is((uint8_t *)m.b.data, m.b.len));
	buf_reset(&m.b);
	put_header(&m, MAGIC_US, 2);
	assert_refused(&m.b, -EINVAL, "a pcap file of version 2.2: only 2.3 and later are read");
	buf_reset(&m.b);
	assert_int_equal(buf_add(&m.b, "PK\3\4 and so on", 15), 0);
	assert_refused(&m.b, -EINVAL, "neither a pcapng nor a pcap file");
	assert_false(capfile_is((uint8_t *)m.b.data, m.b.len));
	assert_false(capfile_is((uint8_t *)"\n\r\r", 3));
	buf_release(&m.b);
}

static void damage_ends_a_classic_file(void **state)
{
	struct made m = made_new(false);
	struct opened o;

	put_header(&m, MAGIC_US, 4);
	put_record(&m, 5, "abcd", false);
	put_record(&m, 1000000, "abcd", false);
	begin(&o, &m.b, m.b.len);
	expect(&o, PCAPNG_SECTION);
	expect(&o, PCAPNG_INTERFACE);
	expect_packet(&o, S0 * NS_PER_S + 5000, "abcd");
	assert_int_equal(capfile_next(o.c, &o.block, &o.err), -EINVAL);
	assert_string_equal(o.err.text, "damaged at byte 44: no second has such a fraction");
	end(&o);

	made_patch(&m, 52, 1u << 30, 4);
	made_patch(&m, 48, 6, 4);
	begin(&o, &m.b, m.b.len);
	expect(&o, PCAPNG_SECTION);
	expect(&o, PCAPNG_INTERFACE);
	expect(&o, PCAPNG_PACKET);
	assert_int_equal(capfile_next(o.c, &o.block, &o.err), -EINVAL);
	assert_string_equal(o.err.text, "damaged at byte 44: no packet has such a length");
	end(&o);
	buf_release(&m.b);
}

/* Two packets; the ends of what is whole are given. */
static void assert_cuts(const struct buf *b, const size_t ends[3])
{
	for (size_t len = 0; len <= b->len; len++) {
		struct opened o;
		size_t packets = 0;
		int r;

		begin(&o, b, len);
		while ((r = capfile_next(o.c, &o.block, &o.err)) == 0)
			packets += o.block.kind == PCAPNG_PACKET;
		assert_int_equal(packets, (len >= ends[1]) + (len >= ends[2]));
		if (len == ends[0] || len == ends[1] || len == ends[2])
			assert_int_equal(r, PCAPNG_E_END);
		else if (len > ends[0])
			assert_int_equal(r, PCAPNG_E_CUT);
		end(&o);
	}
}

static void cut_at_every_byte(void **state)
{
	struct made m = made_new(true);
	size_t ends[3];

	put_header(&m, MAGIC_NS, 4);
	ends[0] = m.b.len;
	put_record(&m, 0, "first", false);
	ends[1] = m.b.len;
	put_record(&m, 1, "second", false);
	ends[2] = m.b.len;
	assert_cuts(&m.b, ends);

	buf_reset(&m.b);
	made_section(&m);
	made_interface(&m, 1, 0);
	ends[0] = m.b.len;
	made_packet(&m, 0, 1, "first");
	ends[1] = m.b.len;
	made_packet(&m, 0, 2, "second");
	ends[2] = m.b.len;
	assert_cuts(&m.b, ends);
	buf_release(&m.b);
}

/* ---- looking back, from a source that gives little at a time */

struct kept {
	const uint8_t *data;
	uint64_t offset;
	int64_t ts_ns;
};

struct drops {
	const struct buf *b;
	size_t at;
	int fails;		/* -errno at the end instead of it */
};

static ssize_t read_little(void *arg, void *p, size_t n)
{
	struct drops *d = arg;
	size_t got = MIN(MIN(n, 7), d->b->len - d->at);

	memcpy(p, d->b->data + d->at, got);
	d->at += got;
	return got == 0 && d->fails ? d->fails : (ssize_t)got;
}

/* Half of them by the short way, where that is one: it tells the same. */
static bool next_packet(struct capfile *c, uint32_t i, struct kept *out, struct err *err)
{
	struct pcapng_block block;
	struct pcapng_plain plain;

	if (i % 2 && capfile_next_plain(c, &plain)) {
		assert_int_equal(capfile_offset(c), plain.offset + plain.size);
		*out = (struct kept){ plain.raw + 28, plain.offset, plain.ts_ns };
		return true;
	}
	do
		if (capfile_next(c, &block, err) != 0)
			return false;
	while (block.kind != PCAPNG_PACKET);
	*out = (struct kept){ block.packet.data, block.offset, block.packet.ts_ns };
	return true;
}

static void what_was_read_stays(void **state)
{
	for (int classic = 0; classic <= 1; classic++) {
		struct made m = made_new(false);
		struct drops d = { &m.b, 0, 0 };
		const struct capfile_source from = {
			.read = read_little, .arg = &d, .fd = -1, .read_size = 64,
		};
		struct capfile *c = capfile_new_from(&from);
		struct capfile_memory *memory = capfile_memory_new(64, 1);
		struct kept kept[64];
		struct err err = ERR_INIT;
		size_t n = 0;

		if (classic)
			put_header(&m, MAGIC_NS, 4);
		else
			made_section(&m);
		if (!classic)
			made_interface(&m, 1, 0);
		for (uint32_t i = 0; i < 64; i++) {
			char data[] = "packet 0";

			data[7] = (char)('0' + i);
			if (classic)
				put_record(&m, i, data, false);
			else
				made_packet(&m, 0, i, data);
		}

		capfile_keep(c, memory);
		while (n < 64 && next_packet(c, n, &kept[n], &err)) {
			assert_int_equal(kept[n].ts_ns, classic ? S0 * NS_PER_S + n : 1000 * n);
			n++;
			/* five are wanted, whatever was read meanwhile */
			for (size_t i = n < 5 ? 0 : n - 5; i < n; i++)
				assert_true(kept[i].data[7] == '0' + i);
			capfile_drop(c, kept[n < 5 ? 0 : n - 5].offset);
			capfile_settle(memory);
		}
		assert_int_equal(n, 64);
		assert_int_equal(capfile_next(c, &(struct pcapng_block){ 0 }, &err), PCAPNG_E_END);
		assert_string_equal(err.text, "");
		capfile_free(c);
		capfile_memory_free(memory);
		buf_release(&m.b);
	}
}

static void a_source_may_fail(void **state)
{
	struct made m = made_new(false);
	struct drops d = { &m.b, 0, -EIO };
	const struct capfile_source from = { .read = read_little, .arg = &d, .fd = -1 };
	struct pcapng_block block;
	struct err err = ERR_INIT;
	struct capfile *c = capfile_new_from(&from);

	made_section(&m);
	assert_int_equal(capfile_next(c, &block, &err), 0);
	assert_int_equal(capfile_next(c, &block, &err), -EIO);
	assert_string_equal(err.text, "cannot read the capture: Input/output error");
	capfile_free(c);
	buf_release(&m.b);
}

/* ---- names */

static void note_name(void *arg, const char *address, const char *name)
{
	buf_addf(arg, "%s %s\n", address, name);
}

static void names_are_told(void **state)
{
	for (int big = 0; big <= 1; big++) {
		struct made m = made_new(big);
		cleanup_buf struct buf got = BUF_INIT(1024);
		struct opened o;

		made_section(&m);
		made_begin(&m, 4);
		made_option(&m, 1, "\x0a\0\1\5web.1\0www\0", 14);
		made_option(&m, 9, "what is this", 12);
		made_option(&m, 2, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5six", 20);
		made_option(&m, 1, "\x0a\0\1", 3);
		made_option(&m, 1, "\x0a\0\1\6 no end", 11);
		made_option(&m, 0, "", 0);
		made_option(&m, 1, "\x0a\0\1\7late", 9);
		made_end(&m);

		begin(&o, &m.b, m.b.len);
		expect(&o, PCAPNG_SECTION);
		expect(&o, PCAPNG_NAMES);
		pcapng_each_name(&o.block, note_name, &got);
		assert_string_equal(got.data, "10.0.1.5 web.1\n10.0.1.5 www\nfd00::5 six\n");
		end(&o);
		buf_release(&m.b);
	}
}

/* ---- other people's files */

static void assert_as_written(const char *form, int64_t grain)
{
	cleanup_free char *command = xasprintf("editcap -F %s in.pcap out.cap", form);
	cleanup_free char *path = xasprintf("%s/out.cap", judge_dir);
	cleanup_close int fd = -1;
	struct pcapng_block block;
	struct err err = ERR_INIT;
	struct capfile *c;
	int64_t n = 0;
	int r;

	free(judge_run(command));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	c = capfile_new(fd);
	while ((r = capfile_next(c, &block, &err)) == 0) {
		if (block.kind != PCAPNG_PACKET)
			continue;
		assert_int_equal(block.packet.ts_ns, (S0 * NS_PER_S + n * 1001) / grain * grain);
		assert_int_equal(block.packet.caplen, 20 + n);
		assert_int_equal(block.packet.len, 1500);
		n++;
	}
	if (r != PCAPNG_E_END)
		fail_msg("%s: %s", form, err.text);
	assert_int_equal(n, 100);
	capfile_free(c);
}

static void editcap_files_are_read(void **state)
{
	struct made m = made_new(true);
	char data[128];

	put_header(&m, MAGIC_NS, 4);
	made_patch(&m, 20, 1, 4);
	memset(data, 'x', sizeof(data));
	for (uint32_t i = 0; i < 100; i++) {
		data[20 + i] = '\0';
		put_record(&m, i * 1001, data, false);
		data[20 + i] = 'x';
	}
	judge_save("in.pcap", &m.b);
	assert_as_written("pcapng", 1);
	assert_as_written("nsecpcap", 1);
	assert_as_written("pcap", 1000);
	assert_as_written("modpcap", 1000);
	buf_release(&m.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classic_files_of_all_magics),
		cmocka_unit_test(others_are_refused_in_words),
		cmocka_unit_test(damage_ends_a_classic_file),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(what_was_read_stays),
		cmocka_unit_test(a_source_may_fail),
		cmocka_unit_test(names_are_told),
		cmocka_unit_test(editcap_files_are_read),
	};

	return cmocka_run_group_tests_name("capfile", tests, judge_setup, judge_teardown);
}
