/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_lend_test.c - blocks of a ring that are lent: each packet is there once, whatever comes back when
 */
#include "sniff_world.h"
#include "segment.h"

#include <sys/mman.h>

#define LARGE 1400		/* bytes of a payload */
#define LARGE_AT (WORLD_FRAME - WORLD_PAYLOAD)
#define LARGE_FRAME (LARGE_AT + LARGE)
#define CHUNK 1500		/* such packets: two blocks of a ring of 8 MiB, and some */
#define LOANS_MAX 64

/* UDP packets over loopback: a number, and bytes that follow from it. */
static void fill_large(uint8_t *payload, int number)
{
	memcpy(payload, &number, sizeof(number));
	for (size_t k = sizeof(number); k < LARGE; k++)
		payload[k] = (uint8_t)(number * 31 + (int)k);
}

static void send_large(int from, int n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(WORLD_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t payload[LARGE];

	assert_return_code(bind(r, (struct sockaddr *)&to, sizeof(to)), errno);
	for (int i = 0; i < n; i++) {
		fill_large(payload, from + i);
		assert_int_equal(sendto(s, payload, LARGE, 0, (struct sockaddr *)&to, sizeof(to)),
				 LARGE);
	}
	close(s);
	close(r);
}

struct loan {
	struct segment_lent *l;
	uint64_t offset;
	size_t size;
};

enum manner {
	REFUSED,
	AT_ONCE,
	LATER,				/* by another thread */
	BY_CHANCE,
};

/* One file of all packets, which a sink writes and blocks are lent to: as a target's. */
struct borrower {
	struct made made;
	int fd;
	uint64_t size;
	int sent, by_sink, by_lender, offers;
	enum manner manner;
	unsigned seed, most;		/* most: blocks that were lent at once */

	pthread_t thread;		/* gives back; what follows is under the lock */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct loan loans[LOANS_MAX];
	size_t n;
	bool keeps, stop;
};

static void write_at(const struct borrower *b, const void *p, size_t n, uint64_t offset)
{
	assert_int_equal(pwrite(b->fd, p, n, (off_t)offset), n);
}

/* Only now are the block's bytes read: nobody may have touched them since it was lent. */
static void give_back(const struct borrower *b, const struct loan *w)
{
	write_at(b, w->l->data, w->size, w->offset);
	w->l->done(w->l);
}

static void *give_back_later(void *arg)
{
	struct borrower *b = arg;

	pthread_mutex_lock(&b->lock);
	while (!b->stop || b->n) {
		struct loan w;

		if (!b->n || b->keeps) {
			pthread_cond_wait(&b->more, &b->lock);
			continue;
		}
		w = b->loans[0];
		pthread_mutex_unlock(&b->lock);
		clock_sleep_ms(1);
		give_back(b, &w);
		pthread_mutex_lock(&b->lock);
		memmove(b->loans, b->loans + 1, --b->n * sizeof(w));
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static size_t count_loans(struct borrower *b)
{
	size_t n;

	pthread_mutex_lock(&b->lock);
	n = b->n;
	pthread_mutex_unlock(&b->lock);
	return n;
}

static void keep(struct borrower *b, bool keeps)
{
	pthread_mutex_lock(&b->lock);
	b->keeps = keeps;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
}

static void hand_on(struct borrower *b, const struct loan *w)
{
	pthread_mutex_lock(&b->lock);
	assert_true(b->n < LOANS_MAX);
	b->loans[b->n++] = *w;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
}

static uint32_t sum_of(const struct segment_lent *l)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < l->n_counts; i++)
		sum += l->counts[i];
	return sum;
}

static bool lender(void *arg, struct segment_lent *l)
{
	static const uint32_t numbers[8] = { 0 };
	struct borrower *b = arg;
	const unsigned kind = b->manner == BY_CHANCE ? (unsigned)rand_r(&b->seed) % 3 : b->manner;
	const struct loan w = { l, b->size, l->size };
	const uint32_t packets = l->packets;
	unsigned lent;

	b->offers++;
	assert_int_equal(sum_of(l), packets);
	assert_int_equal(l->size % 4096, 0);
	assert_true(l->first_ns <= l->last_ns);
	if (kind == REFUSED)
		return false;
	l->lay(l, numbers);
	lent = ring_lent(b->made.sniff->ring);
	b->most = lent > b->most ? lent : b->most;
	b->size += w.size;
	b->by_lender += (int)packets;
	if (kind == AT_ONCE)
		give_back(b, &w);
	else
		hand_on(b, &w);
	return true;
}

/* A disk that is behind now and then, where all goes by chance. */
static bool put_packets(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	struct borrower *b = arg;
	const size_t most = b->manner == BY_CHANCE && rand_r(&b->seed) % 8 == 0 ? n / 2 : n;
	uint8_t block[4096];

	for (size_t i = 0; i < most; i++) {
		const size_t size = pcapng_put_packet(block, &p[i]);

		write_at(b, block, size, b->size);
		b->size += size;
	}
	b->by_sink += (int)most;
	*taken = most;
	return most == n;
}

static void begin_file(struct borrower *b)
{
	const struct pcapng_interface lo = { .name = "lo", .link_type = 1, .snaplen = 262144 };
	cleanup_buf struct buf header = BUF_INIT(4096);

	b->fd = memfd_create("packets", MFD_CLOEXEC);
	assert_return_code(b->fd, errno);
	assert_int_equal(pcapng_put_section(&header, &(struct pcapng_section){ 0 }), 0);
	assert_int_equal(pcapng_put_interface(&header, &lo), 0);
	write_at(b, header.data, header.len, 0);
	b->size = header.len;
}

static struct borrower *borrow(enum manner manner, size_t ring_bytes)
{
	struct borrower *b = xcalloc(1, sizeof(*b));

	b->manner = manner;
	b->seed = 1;
	begin_file(b);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
	assert_int_equal(pthread_create(&b->thread, NULL, give_back_later, b), 0);
	b->made = make((struct sniff_options){ .interface = "lo", .ring_bytes = ring_bytes });
	sniff_set_lender(b->made.sniff, lender, b);
	return b;
}

static void end_borrower(struct borrower *b)
{
	unmake(&b->made);
	assert_int_equal(count_loans(b), 0);
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->more);
	close(b->fd);
	free(b);
}

/* Until nothing is ready. */
static void take_all(struct borrower *b, struct sniff_taken *taken)
{
	int r;

	do
		r = sniff_take(b->made.sniff, put_packets, b, taken, NULL);
	while (r == SNIFF_E_SINK);
	assert_int_equal(r, 0);
}

static void send_and_take(struct borrower *b, int n)
{
	struct sniff_taken taken;

	send_large(b->sent, n);
	b->sent += n;
	take_all(b, &taken);
	assert_true(sniff_has_lent(b->made.sniff) || !ring_lent(b->made.sniff->ring));
}

static void drain_all(struct borrower *b)
{
	int r;

	sniff_halt(b->made.sniff);
	sniff_settle();
	do {
		r = sniff_drain(b->made.sniff, put_packets, b, NULL);
		if (r == SNIFF_E_LATER)
			clock_sleep_ms(1);
	} while (r);
	for (int ms = 0; ms < 5000 && count_loans(b); ms++)
		clock_sleep_ms(1);
	assert_int_equal(ring_lent(b->made.sniff->ring), 0);
	assert_false(sniff_has_lent(b->made.sniff));
}

static void check_packet(const struct pcapng_packet *p, int *next, int *gaps)
{
	uint8_t payload[LARGE];
	int number;

	assert_int_equal(p->interface, 0);
	assert_int_equal(p->caplen, LARGE_FRAME);
	assert_int_equal(p->len, LARGE_FRAME);
	memcpy(&number, p->data + LARGE_AT, sizeof(number));
	if (number < *next)
		fail_msg("%d comes again, or late: %d was to come", number, *next);
	fill_large(payload, number);
	assert_memory_equal(p->data + LARGE_AT, payload, LARGE);
	*gaps += number - *next;
	*next = number + 1;
}

/* Each packet, in order, once; but for `missing` of them. */
static void check_file(const struct borrower *b, int missing)
{
	struct err err = ERR_INIT;
	struct pcapng_block k;
	struct pcapng_reader *r;
	int next = 0, gaps = 0, rc;

	assert_int_equal(lseek(b->fd, 0, SEEK_SET), 0);
	r = pcapng_reader_new(b->fd);
	while ((rc = pcapng_next(r, &k, &err)) == 0)
		if (k.kind == PCAPNG_PACKET)
			check_packet(&k.packet, &next, &gaps);
	if (rc != PCAPNG_E_END)
		fail_msg("%s", err.text);
	pcapng_reader_free(r);
	gaps += b->sent - next;
	assert_int_equal(gaps, missing);
	assert_int_equal(b->by_sink + b->by_lender, b->sent - missing);
}

static uint64_t all_dropped(struct borrower *b, uint64_t *held)
{
	struct sniff_counts c;

	sniff_counts(b->made.sniff, &c);
	*held = c.dropped_held;
	return c.dropped + c.dropped_held;
}

static void flood(enum manner manner, size_t ring_bytes)
{
	struct borrower *b = borrow(manner, ring_bytes);
	uint64_t lost, held;

	for (int i = 0; i < 12; i++)
		send_and_take(b, (int)(ring_bytes / (8 << 10)) * 3 / 2);
	drain_all(b);
	assert_true(b->offers > 0);
	assert_int_equal(b->by_lender > 0, manner != REFUSED);
	/* on a busy machine the other thread may sleep while the ring goes round */
	lost = all_dropped(b, &held);
	if (manner == REFUSED || manner == AT_ONCE)
		assert_int_equal(lost, 0);
	check_file(b, (int)lost);
	end_borrower(b);
}

static void test_lender_that_refuses(void **state)
{
	WORLD_SKIP(root);
	flood(REFUSED, 8 << 20);
}

static void test_lent(void **state)
{
	WORLD_SKIP(root);
	for (size_t ring = 4 << 20; ring <= 16 << 20; ring *= 2) {
		flood(AT_ONCE, ring);
		flood(LATER, ring);
		flood(BY_CHANCE, ring);
	}
}

/* Small packets, blocks that are small, and a block whose time was up before there was much in it: they are copied. */
static void test_not_offered(void **state)
{
	struct borrower *b;

	WORLD_SKIP(root);
	b = borrow(LATER, 1 << 20);
	for (int i = 0; i < 10; i++)
		send_and_take(b, 150);
	drain_all(b);
	check_file(b, 0);
	assert_int_equal(b->offers, 0);
	end_borrower(b);
	b = borrow(LATER, 8 << 20);
	world_send(10000);
	drain_all(b);
	assert_int_equal(b->by_sink, 10000);
	assert_int_equal(b->offers, 0);
	end_borrower(b);
}

/* Until all is given back, and blocks are lent again: a disk that stood still for long gets none for a while. */
static void lend_again(struct borrower *b)
{
	const int64_t until = clock_mono_ns() + 10 * NS_PER_S;
	const int before = b->by_lender;

	keep(b, false);
	for (int ms = 0; ms < 5000 && count_loans(b); ms++)
		clock_sleep_ms(1);
	assert_int_equal(ring_lent(b->made.sniff->ring), 0);
	assert_false(sniff_has_lent(b->made.sniff));
	while (b->by_lender == before) {
		assert_true(clock_mono_ns() < until);
		send_and_take(b, CHUNK);
		clock_sleep_ms(20);
	}
}

/*
 * A quarter of the ring, and not more; what comes meanwhile is copied. All of it was read each time, so nobody may
 * think that the ring fills up: what lies in front of the reader may be lent, but is not to be read.
 */
static void test_lent_for_long(void **state)
{
	struct borrower *b;
	uint64_t held;

	WORLD_SKIP(root);
	b = borrow(LATER, 8 << 20);
	keep(b, true);
	for (int i = 0; i < 7; i++) {
		send_and_take(b, 500);
		for (unsigned quarters = 1; quarters <= 3; quarters++)
			assert_false(sniff_is_filled(b->made.sniff, quarters));
	}
	assert_int_equal(b->most, 2);
	assert_int_equal(b->offers, 2);
	assert_int_equal(count_loans(b), 2);
	assert_true(b->by_sink > 1000);
	lend_again(b);
	drain_all(b);
	assert_int_equal(b->most, 2);
	assert_int_equal(all_dropped(b, &held), 0);
	check_file(b, 0);
	end_borrower(b);
}

/* Of those that are kept. */
static void give_back_one(struct borrower *b)
{
	struct loan w;

	pthread_mutex_lock(&b->lock);
	w = b->loans[0];
	memmove(b->loans, b->loans + 1, --b->n * sizeof(w));
	pthread_mutex_unlock(&b->lock);
	give_back(b, &w);
}

/*
 * A disk that stands still, or is slow: the ring is full up to what is lent, and that is not taken for what came. What
 * the kernel drops meanwhile is counted as what it is, from the first packet on.
 */
static void test_ring_comes_round_to_what_is_lent(void **state)
{
	uint64_t lost, held, before;
	struct borrower *b;

	WORLD_SKIP(root);
	b = borrow(LATER, 8 << 20);
	keep(b, true);
	for (int i = 0; i < 10; i++)
		send_and_take(b, CHUNK);
	assert_int_equal(count_loans(b), 2);
	before = all_dropped(b, &held);
	assert_true(before > 0);
	assert_int_equal(held, before);
	give_back_one(b);
	for (int i = 0; i < 5; i++)
		send_and_take(b, CHUNK);
	lost = all_dropped(b, &held);
	assert_true(lost > before);
	assert_int_equal(held, lost);
	lend_again(b);
	send_and_take(b, CHUNK);
	drain_all(b);
	assert_int_equal(all_dropped(b, &held), lost);
	check_file(b, (int)lost);
	end_borrower(b);
}

static void *let_go(void *arg)
{
	clock_sleep_ms(150);
	keep(arg, false);
	return NULL;
}

/* What comes back at the moment when we look at it is the kernel's: it is not taken for one that just came. */
static void give_back_while_we_look(void)
{
	struct borrower *b = borrow(LATER, 4 << 20);
	struct sniff_taken taken;
	uint64_t lost, held;

	keep(b, true);
	for (int i = 0; i < 10; i++)
		send_and_take(b, CHUNK / 2);
	assert_int_equal(count_loans(b), 2);
	lost = all_dropped(b, &held);
	keep(b, false);
	while (count_loans(b))
		take_all(b, &taken);
	send_and_take(b, CHUNK);
	drain_all(b);
	assert_int_equal(all_dropped(b, &held), lost);
	check_file(b, (int)lost);
	end_borrower(b);
}

static void test_given_back_while_we_look(void **state)
{
	WORLD_SKIP(root);
	for (int i = 0; i < 10; i++)
		give_back_while_we_look();
}

static void test_close_waits_for_what_is_lent(void **state)
{
	int64_t start = clock_mono_ns();
	struct borrower *b;
	pthread_t thread;

	WORLD_SKIP(root);
	b = borrow(LATER, 8 << 20);
	keep(b, true);
	send_and_take(b, CHUNK);
	assert_int_equal(count_loans(b), 2);
	assert_int_equal(pthread_create(&thread, NULL, let_go, b), 0);
	end_borrower(b);
	assert_true(clock_mono_ns() - start >= 150 * NS_PER_MS);
	pthread_join(thread, NULL);
}

/* Two rings for a while, and blocks of the first that are still lent when it is left. */
static void test_lent_while_growing(void **state)
{
	struct sniff_taken taken = { 0 };
	struct borrower *b;
	pthread_t grower;
	uint64_t held;
	int before;

	WORLD_SKIP(root);
	b = borrow(LATER, 8 << 20);
	send_and_take(b, CHUNK);
	assert_int_equal(pthread_create(&grower, NULL, grow, &b->made), 0);
	for (int i = 0; i < 3000 && !taken.fd_changed; i++) {
		send_large(b->sent, 200);
		b->sent += 200;
		take_all(b, &taken);
	}
	assert_true(taken.fd_changed);
	pthread_join(grower, NULL);
	sniff_retire(b->made.sniff);
	before = b->by_lender;
	for (int i = 0; i < 100 && b->by_lender == before; i++) {
		send_and_take(b, CHUNK);
		clock_sleep_ms(5);
	}
	assert_true(b->by_lender > before);
	drain_all(b);
	assert_int_equal(all_dropped(b, &held), 0);
	check_file(b, 0);
	end_borrower(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lender_that_refuses),
		cmocka_unit_test(test_lent),
		cmocka_unit_test(test_not_offered),
		cmocka_unit_test(test_lent_for_long),
		cmocka_unit_test(test_ring_comes_round_to_what_is_lent),
		cmocka_unit_test(test_given_back_while_we_look),
		cmocka_unit_test(test_close_waits_for_what_is_lent),
		cmocka_unit_test(test_lent_while_growing),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
