/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_damage_test.c - files that are cut, damaged, or cannot be read
 */
#include "pcapng_made.h"

#include <errno.h>

static void cut_at_every_byte(void **state)
{
	struct made m = made_new(false);
	size_t ends[8] = { 0 }, n = 1;

	made_section(&m);
	ends[n++] = m.b.len;
	made_interface(&m, 228, 0);
	ends[n++] = m.b.len;
	for (uint64_t i = 0; i < 4; i++) {
		made_packet(&m, 0, 4 - i, "data"); /* backwards in time */
		ends[n++] = m.b.len;
	}

	for (size_t len = 0, whole = 0; len <= m.b.len; len++) {
		struct pcapng_summary s;
		struct err err = ERR_INIT;
		int fd = made_file(&m.b, len);

		while (whole + 1 < n && ends[whole + 1] <= len)
			whole++;
		assert_int_equal(lseek(fd, 0, SEEK_END), len);
		assert_int_equal(pcapng_summarize(fd, &s, &err), 0);
		assert_int_equal(s.whole, ends[whole]);
		assert_int_equal(s.cut, ends[whole] != len);
		assert_int_equal(s.packets, whole > 2 ? whole - 2 : 0);
		assert_int_equal(s.interfaces, whole > 1);
		assert_int_equal(s.link_type, whole > 1 ? 228 : 0);
		assert_int_equal(s.last_ns, whole > 2 ? 4000 : 0);
		assert_int_equal(s.first_ns, whole > 2 ? 4000 - 1000 * (whole - 3) : 0);
		assert_string_equal(err.text, "");
		close(fd);
	}
	buf_release(&m.b);
}

static void a_cut_is_told_with_its_place(void **state)
{
	struct made m = made_new(true);
	struct reading x;

	made_section(&m);
	made_interface(&m, 1, 0);
	m.b.len -= 3;
	reading_begin(&x, &m.b);
	reading_expect(&x, PCAPNG_SECTION);
	assert_int_equal(pcapng_next(x.r, &x.block, &x.err), PCAPNG_E_CUT);
	assert_string_equal(x.err.text, "the capture ends inside a block, at byte 45");
	reading_end(&x);
	buf_release(&m.b);
}

struct damage {
	size_t at;		/* in the file: section 0, interface 28, packet 60 */
	uint32_t v;
	size_t n;
	const char *sentence;
};

static void damage_is_told_with_its_place(void **state)
{
	const struct damage list[] = {
		{ 0, 0xa1b2c3d4, 4, "damaged at byte 0: no pcapng file" },
		{ 8, 0x11111111, 4, "damaged at byte 0: a section header of no known byte order" },
		{ 12, 2, 2, "damaged at byte 0: a section of another version than 1" },
		{ 32, 31, 4, "damaged at byte 28: no block has such a length" },
		{ 32, 8, 4, "damaged at byte 28: no block has such a length" },
		{ 32, PCAPNG_BLOCK_MAX + 4, 4, "damaged at byte 28: no block has such a length" },
		{ 56, 28, 4, "damaged at byte 28: a block's two lengths differ" },
		{ 46, 60, 2, "damaged at byte 28: options that go past their block" },
		{ 48, 20, 1, "damaged at byte 28: an interface whose timestamps are too fine" },
		{ 48, 0xc0, 1, "damaged at byte 28: an interface whose timestamps are too fine" },
		{ 68, 1, 4, "damaged at byte 60: a packet of an interface that was not described" },
		{ 80, 9, 4, "damaged at byte 60: a packet larger than its block" },
		{ 80, UINT32_MAX, 4, "damaged at byte 60: a packet larger than its block" },
		{ 80, 2, 4, "damaged at byte 60: options that go past their block" },
		{ 60, 3, 4, NULL },
		{ 60, 5, 4, "damaged at byte 60: options that go past their block" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct made m = made_new(false);
		struct reading x;
		int r;

		made_section(&m);
		made_begin(&m, 1);
		made_add(&m, 1, 4);
		made_add(&m, 0, 4);
		made_option(&m, 9, "\x09", 1);
		made_option(&m, 0, "", 0);
		made_end(&m);
		made_packet(&m, 0, 1, "datadata");
		made_patch(&m, list[i].at, list[i].v, list[i].n);

		reading_begin(&x, &m.b);
		while ((r = pcapng_next(x.r, &x.block, &x.err)) == 0)
			;
		assert_int_equal(r, list[i].sentence ? -EINVAL : PCAPNG_E_END);
		assert_string_equal(x.err.text, list[i].sentence ? list[i].sentence : "");
		reading_end(&x);
		buf_release(&m.b);
	}
}

static void zeros_behind_are_no_blocks(void **state)
{
	struct made m = made_new(false);
	struct pcapng_summary s;
	size_t len;
	int fd;

	made_section(&m);
	made_interface(&m, 1, 0);
	made_packet(&m, 0, 1, "data");
	len = m.b.len;
	for (int i = 0; i < 1024; i++)
		made_add(&m, 0, 4);
	fd = made_file(&m.b, m.b.len);
	assert_int_equal(pcapng_summarize(fd, &s, NULL), 0);
	assert_int_equal(s.whole, len);
	assert_int_equal(s.packets, 1);
	assert_true(s.cut);
	close(fd);
	buf_release(&m.b);
}

static void too_many_interfaces(void **state)
{
	struct made m = made_new(false);
	struct pcapng_summary s;
	int fd;

	made_section(&m);
	for (int i = 0; i <= PCAPNG_INTERFACES_MAX; i++)
		made_interface(&m, 1, 0);
	fd = made_file(&m.b, m.b.len);
	assert_int_equal(pcapng_summarize(fd, &s, NULL), 0);
	assert_int_equal(s.interfaces, PCAPNG_INTERFACES_MAX);
	assert_true(s.cut);
	close(fd);
	buf_release(&m.b);
}

static void errors_of_reading(void **state)
{
	struct pcapng_summary s;
	struct err err = ERR_INIT;

	assert_int_equal(pcapng_summarize(-1, &s, &err), -EBADF);
	assert_non_null(strstr(err.text, "cannot read the capture"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(a_cut_is_told_with_its_place),
		cmocka_unit_test(damage_is_told_with_its_place),
		cmocka_unit_test(zeros_behind_are_no_blocks),
		cmocka_unit_test(too_many_interfaces),
		cmocka_unit_test(errors_of_reading),
	};

	return cmocka_run_group_tests_name("pcapng_damage", tests, NULL, NULL);
}
