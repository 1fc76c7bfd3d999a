/* SPDX-License-Identifier: Apache-2.0
 *
 * program_test.c - programs that the kernel takes; what they select is sniff_test's and engine.bats'
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../agent/program.h"
#include "../../agent/ring_block.h"

static struct program *make(const char *expr, uint32_t snaplen)
{
	struct program *p = NULL;
	struct err err = ERR_INIT;

	if (program_new(&p, expr, snaplen, &err))
		fail_msg("%s", err.text);
	return p;
}

/* The kernel checks every jump and load of it. */
static void assert_accepted(const struct program *p)
{
	const struct sock_fprog code = program_code(p);
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_return_code(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)), errno);
	close(s);
}

static void test_the_kernel_takes_them(void **state)
{
	static const char *const filters[] = {
		NULL, "", "tcp port 80", "icmp or icmp6", "udp portrange 5000-6000 and not host 10.0.0.1",
		"ip6 host fd00::1", "vlan 5", "vlan 5 and udp", "not vlan", "greater 100", "inbound",
		"ip[6:2] & 0x1fff != 0", "tcp[tcpflags] & tcp-syn != 0", "ether host 02:00:00:00:00:01",
	};

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct program *p = make(filters[i], 262144);

		assert_accepted(p);
		assert_null(program_refusal(p, RING_LINK_ETHERNET));
		program_free(p);
	}
}

/* ret #k of each part is the snaplen: the kernel cuts. */
static void test_snaplen_is_the_answer(void **state)
{
	struct program *p = make("udp", 96);
	const struct sock_fprog code = program_code(p);
	int answers = 0;

	for (size_t i = 0; i < code.len; i++)
		if (code.filter[i].code == (BPF_RET | BPF_K) && code.filter[i].k)
			answers += code.filter[i].k == 96 ? 1 : 1000;
	assert_in_range(answers, 3, 999);
	program_free(p);
}

static void test_what_does_not_fit(void **state)
{
	struct program *p = make("ether host 02:00:00:00:00:01", 262144);

	assert_null(program_refusal(p, RING_LINK_ETHERNET));
	assert_non_null(strstr(program_refusal(p, RING_LINK_RAW), "RAW"));
	assert_non_null(program_refusal(p, RING_LINK_COOKED));
	assert_accepted(p);
	program_free(p);
}

static void test_errors(void **state)
{
	struct program *p = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(program_new(&p, "udp prt 5", 100, &err), -EINVAL);
	assert_non_null(strstr(err.text, "filter"));
	assert_null(p);
}

static void test_too_long(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 16);
	struct program *p = NULL;
	struct err err = ERR_INIT;

	for (int i = 0; i < 128; i++)
		buf_addf(&b, "%sip[%d:4] = %d", i ? " or " : "", i, i * 7);
	if (program_new(&p, b.data, 100, &err))
		assert_non_null(strstr(err.text, "too long"));
	else
		assert_accepted(p);
	program_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_kernel_takes_them),
		cmocka_unit_test(test_snaplen_is_the_answer),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
