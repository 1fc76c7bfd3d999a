/* SPDX-License-Identifier: Apache-2.0
 *
 * floor.c - the least that capturing can cost: a packet ring whose blocks are counted, and nothing else;
 * with a file, the least that writing can cost: they are written as they are, past the page cache
 *
 *	floor INTERFACE [FILE]
 *
 * Until SIGINT; then what lies in the open block is waited for. Prints "NANOSECONDS PACKETS DROPS": the CPU time is of
 * waiting, counting and writing alone, since making a ring of this size takes longer than counting a million packets.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1u << 20)
#define BLOCKS 64
#define RETIRE_MS 100

static volatile sig_atomic_t stopping;

static void stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static uint8_t *make_ring(int fd)
{
	struct tpacket_req3 req = {
		.tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = 2048,
		.tp_frame_nr = BLOCK / 2048 * BLOCKS, .tp_retire_blk_tov = RETIRE_MS,
	};
	int version = TPACKET_V3;
	void *ring;

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		err(1, "packet ring");
	ring = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		err(1, "mmap");
	return ring;
}

static void bind_to(int fd, const char *interface)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};

	if (!sa.sll_ifindex || bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		err(1, "%s", interface);
}

/* Takes all whole blocks from *at on, into the file if there is one. */
static uint64_t take(uint8_t *ring, unsigned *at, int file)
{
	uint64_t packets = 0;

	for (;; *at = (*at + 1) % BLOCKS) {
		struct tpacket_block_desc *b = (void *)(ring + (size_t)*at * BLOCK);

		if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return packets;
		packets += b->hdr.bh1.num_pkts;
		if (file >= 0 && write(file, b, BLOCK) != BLOCK)
			err(1, "write");
		__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
}

static long long used(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = stop };
	struct tpacket_stats_v3 stats = { 0 };
	socklen_t len = sizeof(stats);
	uint64_t packets = 0;
	unsigned at = 0;
	long long before;
	uint8_t *ring;
	int fd, file = -1;

	if (argc != 2 && argc != 3)
		errx(2, "usage: floor INTERFACE [FILE]");
	if (argc == 3 && (file = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_DIRECT, 0600)) < 0)
		err(1, "%s", argv[2]);
	sigaction(SIGINT, &action, NULL);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "packet socket");
	ring = make_ring(fd);
	before = used();
	bind_to(fd, argv[1]);
	for (int rest = 3; rest; rest -= stopping) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		poll(&p, 1, RETIRE_MS);
		packets += take(ring, &at, file);
	}
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	printf("%lld %llu %u\n", used() - before, (unsigned long long)packets, stats.tp_drops);
	return 0;
}
