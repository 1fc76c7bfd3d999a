/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_watch.c - any stream of events: the same deaths and starts however it is cut into pieces
 *
 * The first byte is the size of the pieces. The module is compiled in here, so that its
 * captures are ours. A NUL, of which JSON has none, ends the piece that it comes in, so streams
 * with one are not compared.
 */
#include "../../agent/follow.h"
#include "fuzz.h"

#include "buf.h"

static struct buf deaths = BUF_INIT(8 << 20);

static void note_death(struct captures *r, const char *container_id)
{
	buf_addf(&deaths, "%s\n", container_id);
}

static void note_start(struct follow *f, const char *container_id)
{
	buf_addf(&deaths, "+%s\n", container_id);
}

static void note_missed(struct follow *f)
{
}

#define captures_container_died note_death
#define follow_container note_start
#define follow_missed note_missed
#include "../../agent/watch.c"

/* The ids of the dead. Free it. */
static char *feed(const char *data, size_t size, size_t piece)
{
	struct watch w = { .pending = BUF_INIT(EVENT_MAX),
			   .follow = (struct follow *)&deaths };
	int64_t since = 0;

	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (take_events(&w, data + at, n) < 0)
			break;
		if (w.since_ns < since)
			abort();
		since = w.since_ns;
	}
	buf_release(&w.pending);
	return buf_take(&deaths);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *whole = NULL, *cut = NULL;

	if (!size || size > (1 << 14))
		return 0;
	whole = feed((const char *)data + 1, size - 1, size);
	cut = feed((const char *)data + 1, size - 1, (size_t)data[0] + 1);
	if (!memchr(data + 1, '\0', size - 1) && strcmp(whole ? whole : "", cut ? cut : ""))
		abort();
	return 0;
}
