/* SPDX-License-Identifier: Apache-2.0
 *
 * overlap.c - which packets two sockets saw both
 *
 * A note that is used up leaves a mark, so that the search for others goes on past it.
 */
#include "overlap.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SIZE 4096
#define USED UINT64_MAX

uint64_t overlap_key(const struct ring_frame *f)
{
	const struct tpacket3_hdr *h = f->head;
	uint64_t seed = ((uint64_t)h->tp_sec << 32 | h->tp_nsec) ^
			((uint64_t)(uint32_t)f->from->sll_ifindex << 40) ^ h->tp_len;
	uint64_t key = XXH3_64bits_withSeed((const uint8_t *)h + h->tp_mac, h->tp_snaplen, seed);

	return key == 0 || key == USED ? 1 : key;
}

static void put(struct overlap *o, uint64_t key)
{
	size_t i = key & (o->size - 1);

	while (o->keys[i])
		i = (i + 1) & (o->size - 1);
	o->keys[i] = key;
	o->n++;
}

static void grow(struct overlap *o)
{
	struct overlap old = *o;

	o->size = old.size ? 2 * old.size : FIRST_SIZE;
	o->keys = xcalloc(o->size, sizeof(*o->keys));
	o->n = 0;
	for (size_t i = 0; i < old.size; i++)
		if (old.keys[i] && old.keys[i] != USED)
			put(o, old.keys[i]);
	free(old.keys);
}

void overlap_note(struct overlap *o, uint64_t key)
{
	if (o->n >= OVERLAP_MAX) {
		o->overflowed++;
		return;
	}
	if (2 * (o->n + 1) > o->size)
		grow(o);
	put(o, key);
}

bool overlap_take(struct overlap *o, uint64_t key)
{
	if (!o->size)
		return false;
	for (size_t i = key & (o->size - 1); o->keys[i]; i = (i + 1) & (o->size - 1)) {
		if (o->keys[i] != key)
			continue;
		o->keys[i] = USED;
		return true;
	}
	return false;
}

void overlap_release(struct overlap *o)
{
	free(o->keys);
	*o = (struct overlap)OVERLAP_INIT;
}
