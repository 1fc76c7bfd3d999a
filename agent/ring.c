/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.c - a packet socket with a TPACKET_V3 ring
 *
 * The socket is made with protocol 0: it gets its filter and its ring while no packet can come,
 * so there is nothing to flush, and binding is one cheap call.
 *
 * The end. A filter that takes nothing stops the flow at once. What came before lies in blocks
 * that are handed over and in the one that is still open, which the kernel would hand over
 * when its time is up: up to two intervals of a second. We do not wait for that. The kernel counts
 * a block's packets in the block itself, and a block that is being filled has the next sequence
 * number: after a grace period (membarrier: no processor is inside the old filter any more) what
 * it says is all there is. The kernel's own count of packets tells whether that is so, and if it
 * ever is not, the timer is waited for.
 */
#include "ring.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCKS_WANTED 8		/* of one ring: half of them and a quarter can be told apart */
#define FRAME_SIZE 2048		/* of no meaning in version 3, but it must divide a block */
#define SETTLE_MS 20		/* where membarrier is not to be had */
#define LENT_SHARE 4		/* so much of a ring may be lent: a disk that stalls does not fill it */
#define HELD_NS (50 * NS_PER_MS)	/* nothing that is lent came back for so long: the disk stalls; */
#define HELD_PAUSE_NS (2 * NS_PER_S)	/* so long after that it gets no more */
#define RETURN_MS 1		/* between two looks whether what is lent is back */

struct ring {
	int fd;
	unsigned ifindex, retire_ms;
	uint8_t *map;
	uint32_t block_size, blocks;
	uint32_t next;			/* the block that is read next */
	uint64_t sequence;		/* its number, as the kernel counts them: from 1 */
	uint64_t seen;			/* packets in released and in lent blocks */
	atomic_uint lent;		/* blocks that are not back yet, the next ones for the kernel; */
	atomic_bool *is_lent;		/* which */
	_Atomic int64_t moved_ns;	/* monotonic: when one came back last, or was lent while none was */
	int64_t held_ns;		/* monotonic: when it was last seen that the disk stalls; 0: never */
	int64_t give_up_ns;		/* waiting for the timer, at the end; monotonic, 0: not yet */
	struct ring_counts counts;
	struct ring_budget *budget;
};

/* ---- memory ---- */

static size_t size_of(const struct ring *r)
{
	return (size_t)r->block_size * r->blocks;
}

static uint32_t block_size_for(size_t bytes)
{
	uint32_t size = RING_BLOCK_MIN;

	while (size < RING_BLOCK_MAX && (size_t)size * 2 * BLOCKS_WANTED <= bytes)
		size *= 2;
	return size;
}

static bool take(struct ring_budget *b, size_t n)
{
	size_t used = b ? atomic_load(&b->used) : 0;

	if (!b)
		return true;
	while (used + n <= b->total)
		if (atomic_compare_exchange_weak(&b->used, &used, used + n))
			return true;
	return false;
}

static void give(struct ring_budget *b, size_t n)
{
	if (b)
		atomic_fetch_sub(&b->used, n);
}

static bool try_size(struct ring *r)
{
	struct tpacket_req3 q = {
		.tp_block_size = r->block_size, .tp_block_nr = r->blocks,
		.tp_frame_size = FRAME_SIZE, .tp_frame_nr = r->block_size / FRAME_SIZE * r->blocks,
		.tp_retire_blk_tov = r->retire_ms,
	};

	if (!take(r->budget, size_of(r))) {
		errno = ENOBUFS;
		return false;
	}
	if (setsockopt(r->fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)) == 0)
		return true;
	give(r->budget, size_of(r));
	return false;
}

/* As large as wanted, or half of that, and so on down to the smallest. */
static int make_ring(struct ring *r, size_t bytes, struct err *err)
{
	const size_t least = (size_t)RING_BLOCK_MIN * RING_BLOCKS_MIN;

	for (;;) {
		bytes = bytes < least ? least : bytes;
		r->block_size = block_size_for(bytes);
		r->blocks = (uint32_t)(bytes / r->block_size);
		if (try_size(r))
			break;
		if (bytes == least || (errno != ENOMEM && errno != ENOBUFS)) {
			r->blocks = 0;
			return err_errno(err, "cannot have a packet ring");
		}
		bytes /= 2;
	}
	r->is_lent = xcalloc(r->blocks, sizeof(*r->is_lent));
	r->map = mmap(NULL, size_of(r), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return err_errno(err, "cannot map a packet ring");
	}
	return 0;
}

/* ---- life ---- */

static int set_up(struct ring *r, const struct ring_options *o, struct err *err)
{
	const struct sock_fprog code = program_code(o->program);
	const unsigned reserve = RING_RESERVE;
	int version = TPACKET_V3;

	r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 && errno == EPERM)
		return err_set(err, -EPERM, "cannot capture: CAP_NET_RAW is missing");
	if (r->fd < 0)
		return err_errno(err, "cannot make a packet socket");
	if (setsockopt(r->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)))
		return err_errno(err, "cannot have a packet ring of version 3");
	if (setsockopt(r->fd, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve)))
		return err_errno(err, "cannot have room in front of packets");
	if (setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)))
		return err_errno(err, "cannot set the filter");
	return make_ring(r, o->bytes, err);
}

int ring_open(struct ring **out, const struct ring_options *o, struct err *err)
{
	struct ring *r = xcalloc(1, sizeof(*r));
	int rc;

	*r = (struct ring){ .fd = -1, .ifindex = o->ifindex, .retire_ms = o->retire_ms,
			    .sequence = 1, .budget = o->budget };
	rc = set_up(r, o, err);
	if (rc)
		ring_close(r);
	else
		*out = r;
	return rc;
}

void ring_close(struct ring *r)
{
	if (!r)
		return;
	while (ring_lent(r))
		clock_sleep_ms(RETURN_MS);
	if (r->map)
		munmap(r->map, size_of(r));
	util_close(r->fd);
	give(r->budget, size_of(r));
	free(r->is_lent);
	free(r);
}

int ring_bind(struct ring *r, struct err *err)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htobe16(ETH_P_ALL),
				  .sll_ifindex = (int)r->ifindex };

	if (bind(r->fd, (struct sockaddr *)&to, sizeof(to)))
		return err_errno(err, "cannot start to capture");
	return 0;
}

int ring_fd(const struct ring *r)
{
	return r->fd;
}

size_t ring_bytes(const struct ring *r)
{
	return size_of(r);
}

/* ---- blocks ---- */

static struct tpacket_block_desc *block_at(const struct ring *r, uint32_t i)
{
	return (struct tpacket_block_desc *)(void *)(r->map + (size_t)i * r->block_size);
}

static uint32_t status(const struct tpacket_block_desc *b)
{
	return __atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
}

/* Its status, where it is to be read; else 0. The kernel may come round to one that is lent, and waits for it, as we do. */
static uint32_t ready(const struct ring *r, uint32_t i)
{
	uint32_t s;

	if (atomic_load(&r->is_lent[i]))
		return 0;
	s = status(block_at(r, i));	/* behind the look at is_lent, see ring_return */
	return s & TP_STATUS_USER ? s : 0;
}

void *ring_block(const struct ring *r, bool *timed_out)
{
	uint32_t s = ready(r, r->next);

	if (!s)
		return NULL;
	if (timed_out)
		*timed_out = s & TP_STATUS_BLK_TMO;
	return block_at(r, r->next);
}

uint32_t ring_block_size(const struct ring *r)
{
	return r->block_size;
}

static struct tpacket_block_desc *pass_on(struct ring *r)
{
	struct tpacket_block_desc *b = block_at(r, r->next);

	r->seen += b->hdr.bh1.num_pkts;
	r->sequence = b->hdr.bh1.seq_num + 1;
	r->next = (r->next + 1) % r->blocks;
	return b;
}

static void give_to_kernel(struct tpacket_block_desc *b)
{
	__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

void ring_release(struct ring *r)
{
	give_to_kernel(pass_on(r));
}

/* The kernel fills the block behind those that wait. It drops what comes for one that is lent. */
static bool kernel_waits(const struct ring *r)
{
	uint32_t i = r->next;

	for (uint32_t n = 0; n < r->blocks && ready(r, i); n++)
		i = (i + 1) % r->blocks;
	return atomic_load(&r->is_lent[i]);
}

bool ring_is_held(struct ring *r)
{
	int64_t now;

	if (!ring_lent(r))
		return false;
	now = clock_mono_ns();
	if (now - atomic_load(&r->moved_ns) < HELD_NS)
		return kernel_waits(r);
	r->held_ns = now;
	return true;
}

bool ring_may_lend(const struct ring *r)
{
	return ring_lent(r) < r->blocks / LENT_SHARE &&
	       (!r->held_ns || clock_mono_ns() - r->held_ns >= HELD_PAUSE_NS);
}

void ring_lend(struct ring *r)
{
	if (!atomic_fetch_add(&r->lent, 1))
		atomic_store(&r->moved_ns, clock_mono_ns());
	atomic_store(&r->is_lent[r->next], true);
	pass_on(r);
}

void ring_return(struct ring *r, void *block)
{
	const size_t i = (size_t)((uint8_t *)block - r->map) / r->block_size;

	give_to_kernel(block);		/* first: what is not lent and not the kernel's is read */
	atomic_store(&r->is_lent[i], false);
	atomic_store(&r->moved_ns, clock_mono_ns());
	atomic_fetch_sub(&r->lent, 1);
}

unsigned ring_lent(const struct ring *r)
{
	return atomic_load(&r->lent);
}

uint64_t ring_open_block(const struct ring *r, int64_t *since_ns)
{
	const struct tpacket_hdr_v1 *h = &block_at(r, r->next)->hdr.bh1;

	*since_ns = 0;
	if (h->seq_num == r->sequence)
		*since_ns = (int64_t)h->ts_first_pkt.ts_sec * NS_PER_S + h->ts_first_pkt.ts_nsec;
	return r->sequence;
}

bool ring_is_filled(const struct ring *r, unsigned quarters)
{
	uint32_t ahead = r->blocks * quarters / 4;

	return ready(r, (r->next + (ahead ? ahead - 1 : 0)) % r->blocks);
}

/* ---- the end ---- */

void ring_halt(struct ring *r)
{
	struct sock_filter nothing = { .code = BPF_RET | BPF_K, .k = 0 };
	const struct sock_fprog code = { 1, &nothing };

	/* fails for want of memory only; then packets that come later are captured, too */
	setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code));
}

void ring_settle(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		clock_sleep_ms(SETTLE_MS);
}

/* All that the kernel counted is in released blocks and this many packets. */
static bool is_all(struct ring *r, uint32_t packets)
{
	struct ring_counts c;

	ring_counts(r, &c);
	return r->seen + packets >= c.received - c.dropped;
}

int ring_last(struct ring *r, void **out)
{
	struct tpacket_block_desc *b = block_at(r, r->next);
	uint32_t packets = b->hdr.bh1.seq_num == r->sequence ? b->hdr.bh1.num_pkts : 0;
	int64_t now = clock_mono_ns();

	if (!r->give_up_ns)
		r->give_up_ns = now + 2 * r->retire_ms * NS_PER_MS;
	if (!is_all(r, packets) && now < r->give_up_ns)
		return RING_E_LATER;
	*out = packets ? b : NULL;
	return 0;
}

void ring_counts(struct ring *r, struct ring_counts *out)
{
	struct tpacket_stats_v3 s;
	socklen_t n = sizeof(s);

	/* reading sets the kernel's to zero */
	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &s, &n) == 0) {
		r->counts.received += s.tp_packets;
		r->counts.dropped += s.tp_drops;
	}
	*out = r->counts;
}

void ring_share_stamps(struct ring *r)
{
	const int on = 1;

	setsockopt(r->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
}
