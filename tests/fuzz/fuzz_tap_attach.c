/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_tap_attach.c - what an Engine may say on an attached connection
 *
 * The head is parsed; then the whole input is fed as frames, at once and in pieces as long as
 * its first byte says: both must give the same.
 */
#include "../../coordinator/tap_attach.h"
#include "fuzz.h"
#include "buf.h"

#include <errno.h>
#include <string.h>

static int take(void *arg, enum tap_pipe pipe, const void *p, size_t n)
{
	struct buf *b = arg;

	expect(pipe >= TAP_STDOUT && pipe <= TAP_SYSTEM && n > 0);
	return buf_add(&b[pipe], p, n);
}

static int feed(const uint8_t *data, size_t size, size_t piece, struct buf *b)
{
	struct tap_frames f = TAP_FRAMES_INIT;
	int r = 0;

	for (size_t at = 0; !r && at < size; at += piece)
		r = tap_frames_feed(&f, data + at, size - at < piece ? size - at : piece, take, b,
				    NULL);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole[4], cut[4];
	struct tap_head h;
	int r = tap_head_parse((const char *)data, size, &h, NULL);

	expect(r == 0 || r == -EAGAIN || r == -EPROTO);
	expect(r || (h.size <= size && h.size <= TAP_HEAD_MAX && h.status >= 100 && h.status < 1000));
	if (!size)
		return 0;
	for (size_t i = 0; i < 4; i++)
		whole[i] = cut[i] = (struct buf)BUF_INIT(1 << 20);
	r = feed(data + 1, size - 1, size, whole);
	expect(r == 0 || r == -EPROTO || r == -EFBIG);
	expect(feed(data + 1, size - 1, 1u + data[0], cut) == r);
	for (size_t i = 0; i < 4; i++) {
		expect(whole[i].len == cut[i].len);
		expect(memcmp(whole[i].data, cut[i].data, cut[i].len) == 0);
		buf_release(&whole[i]);
		buf_release(&cut[i]);
	}
	return 0;
}
