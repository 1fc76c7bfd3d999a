/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_tap_talk.c - tcpdump's stderr: at once and byte by byte it must say the same
 */
#include "../../coordinator/tap_talk.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tap_talk whole, cut;

	tap_talk_init(&whole);
	tap_talk_init(&cut);
	tap_talk_feed(&whole, (const char *)data, size);
	for (size_t i = 0; i < size; i++)
		tap_talk_feed(&cut, (const char *)data + i, 1);
	tap_talk_end(&whole);
	tap_talk_end(&cut);
	expect(whole.listening == cut.listening && whole.captured == cut.captured);
	expect(whole.received == cut.received && whole.dropped_kernel == cut.dropped_kernel);
	expect(whole.n_interfaces == cut.n_interfaces && whole.n_interfaces <= WIRE_INTERFACES_MAX);
	expect(whole.n_notes <= TAP_NOTES_MAX && whole.words.len == cut.words.len);
	tap_talk_blame(&whole, NULL);
	tap_talk_release(&whole);
	tap_talk_release(&cut);
	return 0;
}
