/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_live_merge.c - two streams that are anything, and come in pieces of any size, become one that is
 * whole: every packet that could be read is in it, and in order, but for those that it calls late
 *
 * The first two bytes say where the second stream begins, the third how wrong its clock is, the fourth how
 * large the pieces are.
 */
#include "../../coordinator/live_merge.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *data;
	size_t size, at, come;
};

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static ssize_t read_source(void *arg, void *p, size_t n)
{
	struct source *s = arg;

	n = n < s->come - s->at ? n : s->come - s->at;
	if (!n)
		return s->at == s->size ? 0 : -EAGAIN;
	memcpy(p, s->data + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	expect(fd >= 0 && util_write_full(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static uint64_t packets_of(const struct source *s)
{
	cleanup_close int fd = file_of(s->data, s->size);
	struct capfile *c = capfile_new(fd);
	struct pcapng_block b;
	uint64_t n = 0;

	while (capfile_next(c, &b, NULL) == 0)
		n += b.kind == PCAPNG_PACKET;
	capfile_free(c);
	return n;
}

static void judge(const struct buf *out, const struct live_merge_counts *c)
{
	cleanup_close int fd = file_of(out->data, out->len);
	struct pcapng_reader *reader = pcapng_reader_new(fd);
	struct pcapng_block b;
	uint64_t back = 0, packets = 0;
	uint32_t interfaces = 0;
	int64_t latest = 0;
	int n;

	while ((n = pcapng_next(reader, &b, NULL)) == 0) {
		interfaces += b.kind == PCAPNG_INTERFACE;
		if (b.kind != PCAPNG_PACKET)
			continue;
		packets++;
		back += b.packet.ts_ns < latest;
		latest = b.packet.ts_ns > latest ? b.packet.ts_ns : latest;
	}
	expect(n == PCAPNG_E_END && packets == c->packets && interfaces == c->interfaces);
	expect(back <= c->late);
	pcapng_reader_free(reader);
}

/* One more piece of it. */
static void come(struct source *s, size_t piece)
{
	s->come = s->size - s->come < piece ? s->size : s->come + piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = size < 5 ? 0 : 4 + (size_t)(data[0] | data[1] << 8) % (size - 4);
	struct live_merge *m;
	struct source s[2];
	struct live_input *in[2];
	struct live_merge_counts c;
	struct buf out = BUF_INIT(256u << 20);
	size_t piece;

	if (size < 5)
		return 0;
	piece = (size_t)data[3] * 16 + 1;
	m = live_merge_new(NS_PER_S, "fuzz");
	s[0] = (struct source){ .data = data + 4, .size = at - 4 };
	s[1] = (struct source){ .data = data + at, .size = size - at };
	for (int i = 0; i < 2; i++)
		in[i] = live_merge_add(m, "n", &(struct capfile_source){
			.read = read_source, .arg = &s[i], .fd = -1 });
	live_merge_set_clock(in[1], &(struct merge_clock){
		.offset_ns = ((int64_t)data[2] - 128) * NS_PER_S });
	while (!live_merge_is_over(in[0]) || !live_merge_is_over(in[1])) {
		for (int i = 0; i < 2; i++) {
			come(&s[i], piece);
			live_merge_read(in[i], NULL);
		}
		live_merge_take(m, 1795444746 * NS_PER_S, &out);
	}
	live_merge_end(m, &out);
	live_merge_count(m, &c);
	expect(c.packets == packets_of(&s[0]) + packets_of(&s[1]));
	judge(&out, &c);
	live_merge_free(m);
	buf_release(&out);
	return 0;
}
