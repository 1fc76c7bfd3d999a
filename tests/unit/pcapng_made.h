/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_made.h - capture files by hand, in either byte order; for tests
 */
#ifndef PCAPNG_MADE_H
#define PCAPNG_MADE_H

#include "pcapng.h"

#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 1795444745120334551LL	/* 2026-11-23T14:39:05.120334551Z */
#define SECTION 0x0a0d0d0au

struct made {
	struct buf b;
	bool big;
	size_t start;		/* of the open block */
};

static inline struct made made_new(bool big)
{
	return (struct made){ BUF_INIT(96 << 20), big, 0 };
}

/* An integer of n bytes over what is there. */
static inline void made_patch(struct made *m, size_t at, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m->b.data[at + i] = (char)(v >> 8 * (m->big ? n - 1 - i : i));
}

static inline void made_add(struct made *m, uint64_t v, size_t n)
{
	assert_int_equal(buf_add(&m->b, "\0\0\0\0\0\0\0", n), 0);
	made_patch(m, m->b.len - n, v, n);
}

static inline void made_add_bytes(struct made *m, const char *p, size_t n)
{
	assert_int_equal(buf_add(&m->b, p, n), 0);
	made_add(m, 0, (4 - n % 4) % 4);
}

static inline void made_begin(struct made *m, uint32_t type)
{
	m->start = m->b.len;
	made_add(m, type, 4);
	made_add(m, 0, 4);
}

static inline void made_end(struct made *m)
{
	uint32_t size = (uint32_t)(m->b.len - m->start) + 4;

	made_add(m, size, 4);
	made_patch(m, m->start + 4, size, 4);
}

static inline void made_option(struct made *m, uint16_t code, const char *p, size_t n)
{
	made_add(m, code, 2);
	made_add(m, n, 2);
	made_add_bytes(m, p, n);
}

static inline void made_section(struct made *m)
{
	made_begin(m, SECTION);
	made_add(m, 0x1a2b3c4d, 4);
	made_add(m, 1, 2);
	made_add(m, 0, 2);
	made_add(m, UINT64_MAX, 8);
	made_end(m);
}

static inline void made_interface(struct made *m, uint16_t link_type, uint32_t snaplen)
{
	made_begin(m, 1);
	made_add(m, link_type, 2);
	made_add(m, 0, 2);
	made_add(m, snaplen, 4);
	made_end(m);
}

/* An interface with if_tsresol, and if_tsoffset unless 0. */
static inline void made_clocked(struct made *m, uint8_t resolution, int64_t offset)
{
	made_begin(m, 1);
	made_add(m, 1, 2);
	made_add(m, 0, 2);
	made_add(m, 0, 4);
	made_option(m, 9, (const char *)&resolution, 1);
	if (offset) {
		made_add(m, 14, 2);
		made_add(m, 8, 2);
		made_add(m, (uint64_t)offset, 8);
	}
	made_end(m);
}

static inline void made_packet(struct made *m, uint32_t interface_index, uint64_t ts,
			       const char *data)
{
	made_begin(m, 6);
	made_add(m, interface_index, 4);
	made_add(m, ts >> 32, 4);
	made_add(m, ts & UINT32_MAX, 4);
	made_add(m, strlen(data), 4);
	made_add(m, 1500, 4);
	made_add_bytes(m, data, strlen(data));
	made_end(m);
}

static inline int made_file(const struct buf *b, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(util_write_full(fd, b->data, len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* ---- reading it ---- */

struct reading {
	int fd;
	struct pcapng_reader *r;
	struct pcapng_block block;
	struct err err;
};

static inline void reading_begin(struct reading *x, const struct buf *b)
{
	memset(x, 0, sizeof(*x));
	x->fd = made_file(b, b->len);
	x->r = pcapng_reader_new(x->fd);
}

static inline void reading_end(struct reading *x)
{
	pcapng_reader_free(x->r);
	close(x->fd);
}

static inline void reading_expect(struct reading *x, enum pcapng_kind kind)
{
	int r = pcapng_next(x->r, &x->block, &x->err);

	if (r != 0)
		fail_msg("%d: %s", r, x->err.text);
	assert_int_equal(x->block.kind, kind);
}

#endif
