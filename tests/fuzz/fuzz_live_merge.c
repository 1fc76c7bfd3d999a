/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_live_merge.c - two streams that are anything, and come in pieces of any size, become one that is
 * whole: every packet that could be read is in it, and in order, but for those that it calls late
 *
 * The first two bytes say where the second stream begins, the third how wrong its clock is, the fourth how
 * large the pieces are.
 */
#include "../../coordinator/live_merge.h"
#include "judge.h"

#include <errno.h>
#include <string.h>

struct source {
	const uint8_t *data;
	size_t size, at, come;
};

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
	int fd;

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
	expect(c.packets == packets_of(s[0].data, s[0].size) + packets_of(s[1].data, s[1].size));
	fd = file_of(out.data, out.len);
	expect(judge(fd, c.packets, c.interfaces) <= c.late);
	close(fd);
	live_merge_free(m);
	buf_release(&out);
	return 0;
}
