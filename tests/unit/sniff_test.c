/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_test.c - the capture engine in a namespace of its own: known numbers of packets
 */
#include "agent_world.h"
#include "../../agent/sniff_inside.h"
#include "../../agent/ring.h"

#include <sys/mman.h>

static bool root;

struct seen {
	int n, limit, refuse;		/* refuse: from this packet on nothing is taken; 0: never */
	uint32_t caplen, len, interface;
	int64_t last_ns;
	bool ordered;
	int notes, each[8];
	int counter;			/* the next number that a payload of world_send may carry */
	int gaps, repeats;
};

/* world_send numbers its payloads. */
static void look_at_number(struct seen *s, const struct pcapng_packet *p)
{
	int number;

	if (p->caplen < WORLD_FRAME)
		return;
	memcpy(&number, p->data + WORLD_FRAME - WORLD_PAYLOAD, sizeof(number));
	s->gaps += number > s->counter;
	s->repeats += number < s->counter;
	s->counter = number + 1;
}

/* > 0: it was the last one; < 0: it was not taken. */
static int count_one(struct seen *s, const struct pcapng_packet *p)
{
	if (s->refuse && s->n + 1 >= s->refuse)
		return -1;
	s->ordered &= p->ts_ns >= s->last_ns;
	s->last_ns = p->ts_ns;
	s->caplen = p->caplen;
	s->len = p->len;
	s->interface = p->interface;
	s->each[p->interface % 8]++;
	look_at_number(s, p);
	s->n++;
	return s->limit && s->n == s->limit;
}

static bool count(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	int r = 0;

	for (*taken = 0; !r && *taken < n; *taken += r >= 0)
		r = count_one(arg, &p[*taken]);
	return !r;
}

static void note(void *arg, const char *text)
{
	((struct seen *)arg)->notes++;
}

/* A sniff with its program, bound. */
struct made {
	struct program *program;
	struct sniff *sniff;
};

static struct made make(struct sniff_options o)
{
	struct made m = { 0 };
	struct err err = ERR_INIT;

	o.ring_bytes = o.ring_bytes ? o.ring_bytes : 1 << 20;
	o.retire_ms = o.retire_ms ? o.retire_ms : SNIFF_RETIRE_MS;
	o.snaplen = o.snaplen ? o.snaplen : 262144;
	if (program_new(&m.program, o.filter, o.snaplen, &err))
		fail_msg("%s", err.text);
	o.program = m.program;
	if (sniff_open(&m.sniff, &o, &err))
		fail_msg("%s", err.text);
	assert_int_equal(sniff_bind(m.sniff, &err), 0);
	return m;
}

static struct made open_with(const char *filter, uint32_t snaplen)
{
	return make((struct sniff_options){ .interface = "lo", .filter = filter, .snaplen = snaplen });
}

static void unmake(struct made *m)
{
	sniff_close(m->sniff);
	program_free(m->program);
}

/* Until all is there; the result of the last call. */
static int drain(struct made *m, struct seen *seen)
{
	struct err err = ERR_INIT;
	int r;

	sniff_halt(m->sniff);
	sniff_settle();
	for (int i = 0; (r = sniff_drain(m->sniff, count, seen, &err)) == SNIFF_E_LATER; i++) {
		assert_true(i < 5000);
		clock_sleep_ms(1);
	}
	return r;
}

static uint64_t dropped(struct made *m)
{
	struct sniff_counts c;

	sniff_counts(m->sniff, &c);
	return c.dropped;
}

static void test_each_packet_once(void **state)
{
	struct seen seen = { .ordered = true };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(500);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 500);
	assert_int_equal(seen.gaps + seen.repeats, 0);
	assert_int_equal(seen.len, WORLD_FRAME);
	assert_int_equal(seen.caplen, WORLD_FRAME);
	assert_true(seen.ordered);
	assert_true(clock_wall_ns() - seen.last_ns < 5 * NS_PER_S);
	assert_int_equal(dropped(&m), 0);
	unmake(&m);
}

/* The open block is not waited for, though its time is a second. */
static void test_one_packet_then_stop(void **state)
{
	WORLD_SKIP(root);
	for (int i = 0; i < 20; i++) {
		struct made m = open_with(NULL, 0);
		struct seen seen = { 0 };
		int64_t start;

		world_send(1);
		start = clock_mono_ns();
		assert_int_equal(drain(&m, &seen), 0);
		assert_true(clock_mono_ns() - start < 500 * NS_PER_MS);
		assert_int_equal(seen.n, 1);
		unmake(&m);
	}
}

static void test_nothing_after_the_halt(void **state)
{
	struct seen seen = { .ordered = true };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(20);
	sniff_halt(m.sniff);
	world_send(30);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 20);
	unmake(&m);
}

static void test_nothing_before_the_bind(void **state)
{
	struct sniff_options o = { .interface = "lo", .ring_bytes = 1 << 20, .retire_ms = 1000,
				   .snaplen = 262144 };
	struct seen seen = { 0 };
	struct made m = { 0 };

	WORLD_SKIP(root);
	assert_int_equal(program_new(&m.program, NULL, 262144, NULL), 0);
	o.program = m.program;
	assert_int_equal(sniff_open(&m.sniff, &o, NULL), 0);
	world_send(20);
	assert_int_equal(sniff_bind(m.sniff, NULL), 0);
	world_send(3);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 3);
	unmake(&m);
}

static void test_filter_and_snaplen(void **state)
{
	struct seen seen = { 0 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with("udp port 4243", 0);
	world_send(10);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 0);
	unmake(&m);
	m = open_with("udp port 4242", 60);
	world_send(10);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 10);
	assert_int_equal(seen.caplen, 60);
	assert_int_equal(seen.len, WORLD_FRAME);
	unmake(&m);
}

static void test_sink_ends_it(void **state)
{
	struct seen seen = { .limit = 7 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(50);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(seen.n, 7);
	unmake(&m);
}

/* What a sink refused comes first the next time; nothing is lost or repeated. */
static void test_refused_packet_comes_again(void **state)
{
	struct seen seen = { .refuse = 11 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(50);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(seen.n, 10);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(seen.n, 10);
	seen.refuse = 0;
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 50);
	assert_int_equal(seen.gaps + seen.repeats, 0);
	unmake(&m);
}

static void test_block_given_up(void **state)
{
	struct seen seen = { .refuse = 11 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(50);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(sniff_drop_block(m.sniff), 40);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 10);
	unmake(&m);
}

static void test_refusals(void **state)
{
	struct sniff_options o = { .interface = "eth7", .snaplen = 100 };
	struct program *p = NULL;
	struct sniff *s = NULL;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	assert_int_equal(program_new(&p, NULL, 100, &err), 0);
	o.program = p;
	assert_int_equal(sniff_open(&s, &o, &err), -ENODEV);
	assert_non_null(strstr(err.text, "eth7"));
	assert_null(s);
	program_free(p);
}

static void test_budget(void **state)
{
	struct ring_budget budget = { .total = 1 << 20 };
	struct sniff_options o = { .interface = "lo", .snaplen = 100, .ring_bytes = 8 << 20,
				   .retire_ms = 1000, .budget = &budget };
	struct program *p = NULL;
	struct sniff *a = NULL, *b = NULL;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	assert_int_equal(program_new(&p, NULL, 100, &err), 0);
	o.program = p;
	assert_int_equal(sniff_open(&a, &o, &err), 0);
	assert_int_equal(atomic_load(&budget.used), 1 << 20);
	assert_int_equal(sniff_open(&b, &o, &err), -ENOBUFS);
	sniff_close(a);
	assert_int_equal(atomic_load(&budget.used), 0);
	program_free(p);
}

/* ---- growing ---- */

static void *grow(void *arg)
{
	struct made *m = arg;
	struct err err = ERR_INIT;

	if (sniff_grow(m->sniff, &err))
		fail_msg("%s", err.text);
	return NULL;
}

/* Packets go on while one ring takes over from another: each is there, and once. */
static void test_growing_loses_and_repeats_nothing(void **state)
{
	struct seen seen = { 0 };
	struct sniff_taken taken = { 0 };
	struct sniff_counts before, after;
	pthread_t grower;
	struct made m;
	int sent = 0;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 2 << 20 });
	sniff_counts(m.sniff, &before);
	assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
	for (int i = 0; i < 3000 && !taken.fd_changed; i++) {
		world_send(1);
		seen.counter = 0;	/* each call numbers anew */
		sent++;
		assert_int_equal(sniff_take(m.sniff, count, &seen, &taken, NULL), 0);
		if (i % 10 == 0)
			clock_sleep_ms(1);
	}
	assert_true(taken.fd_changed);
	pthread_join(grower, NULL);
	sniff_retire(m.sniff);
	world_send(200);
	sent += 200;
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, sent);
	sniff_counts(m.sniff, &after);
	assert_true(after.ring_bytes > before.ring_bytes);
	assert_int_equal(after.dropped, 0);
	unmake(&m);
}

/* Blocks fill while one ring takes over. True: the first was left while it still received. */
static bool grow_in_a_flood(void)
{
	struct made m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 1 << 20 });
	struct seen seen = { 0 };
	struct sniff_taken taken = { 0 };
	struct ring_counts before, after;
	struct sniff_counts counts;
	pthread_t grower;
	int sent = 0;

	assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
	for (int i = 0; i < 30000 && !taken.fd_changed; i++) {
		world_send(100);
		sent += 100;
		assert_int_equal(sniff_take(m.sniff, count, &seen, &taken, NULL), 0);
	}
	assert_true(taken.fd_changed);
	pthread_join(grower, NULL);
	ring_counts(m.sniff->next, &before);
	world_send(100);
	sent += 100;
	ring_counts(m.sniff->next, &after);
	sniff_retire(m.sniff);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, sent);
	sniff_counts(m.sniff, &counts);
	assert_int_equal(counts.dropped, 0);
	unmake(&m);
	return after.received > before.received;
}

/* What is left in the first ring has come by the second. Where we are too slow to fill a block, once more. */
static void test_a_flood_does_not_wait_for_the_first_ring_to_end(void **state)
{
	bool left = false;

	WORLD_SKIP(root);
	for (int i = 0; !left && i < 20; i++)
		left = grow_in_a_flood();
	assert_true(left);
}

static bool is_halted(struct sniff *s)
{
	bool halted;

	pthread_mutex_lock(&s->lock);
	halted = s->halted_ns != 0;
	pthread_mutex_unlock(&s->lock);
	return halted;
}

/*
 * A reader that stood still finds the first ring full, and told to stop a moment ago. What only the second has
 * since then is not what the first dropped: all that it dropped stays counted.
 */
static void test_drops_stay_counted(void **state)
{
	WORLD_SKIP(root);
	for (int i = 0; i < 10; i++) {
		struct made m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 1 << 20 });
		struct seen seen = { 0 };
		struct sniff_taken taken = { 0 };
		struct sniff_counts counts;
		pthread_t grower;

		world_send(20000);
		assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
		while (!is_halted(m.sniff))
			sched_yield();
		world_send(50);
		while (!taken.fd_changed)
			assert_int_equal(sniff_take(m.sniff, count, &seen, &taken, NULL), 0);
		pthread_join(grower, NULL);
		sniff_retire(m.sniff);
		assert_int_equal(drain(&m, &seen), 0);
		sniff_counts(m.sniff, &counts);
		assert_in_range(counts.dropped, 1, 20000);
		assert_int_equal(seen.n + counts.dropped, 20050);
		unmake(&m);
	}
}

static void test_halt_while_growing(void **state)
{
	WORLD_SKIP(root);
	for (int ms = 0; ms < 80; ms += 8) {
		struct made m = make((struct sniff_options){ .interface = "lo" });
		struct seen seen = { 0 };
		pthread_t grower;

		assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
		world_send(50);
		clock_sleep_ms(ms);
		assert_int_equal(drain(&m, &seen), 0);
		assert_int_equal(seen.n, 50);
		assert_int_equal(seen.gaps + seen.repeats, 0);
		pthread_join(grower, NULL);
		unmake(&m);
	}
}

static void test_half_a_ring_must_grow(void **state)
{
	struct seen seen = { 0 };
	struct made m;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 512 << 10 });
	assert_false(sniff_must_grow(m.sniff));
	assert_false(sniff_is_filled(m.sniff, 1));
	world_send(2 * (128 << 10) / WORLD_FRAME);	/* with 86 bytes of headers each, more than two blocks */
	assert_true(sniff_is_filled(m.sniff, 2));
	assert_true(sniff_must_grow(m.sniff));
	assert_false(sniff_must_grow(m.sniff));
	assert_int_equal(drain(&m, &seen), 0);
	unmake(&m);
}

/* ---- lending ---- */

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

/*
 * A disk that stands still: the ring is full up to what is lent, and that is not taken for what came. What the kernel
 * drops meanwhile is counted as what it is.
 */
static void test_ring_comes_round_to_what_is_lent(void **state)
{
	uint64_t lost, held;
	struct borrower *b;

	WORLD_SKIP(root);
	b = borrow(LATER, 8 << 20);
	keep(b, true);
	send_and_take(b, CHUNK);
	clock_sleep_ms(100);
	for (int i = 0; i < 10; i++)
		send_and_take(b, CHUNK);
	assert_int_equal(count_loans(b), 2);
	lost = all_dropped(b, &held);
	assert_true(lost > 0);
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

/* ---- interfaces ---- */

static int run_ip(const char *args)
{
	cleanup_free char *command = xasprintf("ip %s 2>/dev/null", args);

	return system(command);
}

static void send_to_port(uint16_t port, int packets)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char payload[WORLD_PAYLOAD] = "";

	inet_pton(AF_INET, "10.9.8.9", &to.sin_addr);
	for (int i = 0; i < packets; i++)
		assert_int_equal(sendto(s, payload, sizeof(payload), 0, (struct sockaddr *)&to,
					sizeof(to)), sizeof(payload));
	close(s);
}

static bool make_veth(void)
{
	return root && !run_ip("link add sc0 type veth peer name sc1") &&
	       !run_ip("link set sc0 up") && !run_ip("link set sc1 up") &&
	       !run_ip("addr add 10.9.8.7/24 dev sc0") &&
	       !run_ip("neigh add 10.9.8.9 lladdr 02:00:00:00:00:09 dev sc0");
}

/* One that comes later is known by its name; its filter is the same. */
static void test_interface_that_comes_later(void **state)
{
	struct seen seen = { 0 };
	const struct iface *v;
	struct made m;
	size_t n;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .filter = "udp port 4242", .note = note, .arg = &seen });
	sniff_interfaces(m.sniff, &n);
	assert_int_equal(n, 1);
	WORLD_SKIP(make_veth());
	send_to_port(WORLD_PORT, 7);
	send_to_port(WORLD_PORT + 1, 7);
	world_send(5);
	assert_int_equal(drain(&m, &seen), 0);
	v = sniff_interfaces(m.sniff, &n);
	assert_int_equal(n, 3);
	assert_int_equal(seen.n, 19);	/* both ends of the veth see the seven */
	assert_int_equal(seen.each[0], 5);
	assert_int_equal(seen.each[1], 7);
	assert_int_equal(seen.each[2], 7);
	assert_string_equal(v[1].name, "sc0");
	assert_string_equal(v[1].addresses[0], "10.9.8.7/24");
	assert_string_equal(v[2].link_text, "EN10MB");
	unmake(&m);
	assert_int_equal(run_ip("link del sc0"), 0);
}

static void test_named_interface_that_goes(void **state)
{
	struct seen seen = { 0 };
	struct made m;

	WORLD_SKIP(make_veth());
	m = make((struct sniff_options){ .interface = "sc0" });
	send_to_port(WORLD_PORT, 5);
	world_send(5);
	assert_int_equal(run_ip("link set sc0 down"), 0);
	assert_int_equal(sniff_check(m.sniff), 0);
	assert_int_equal(run_ip("link del sc0"), 0);
	assert_int_equal(sniff_check(m.sniff), SNIFF_E_GONE);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.each[0], seen.n);
	assert_true(seen.n >= 5);
	unmake(&m);
}

/* As if the kernel refused a ring: libpcap does it, and the report will say so. */
static void test_libpcap_instead(void **state)
{
	struct seen seen = { .ordered = true };
	struct made m;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .filter = "udp port 4242", .without_ring = true, .note = note,
					 .arg = &seen });
	assert_int_equal(seen.notes, 1);
	world_send(50);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 50);
	assert_int_equal(seen.gaps + seen.repeats, 0);
	assert_true(seen.ordered);
	assert_int_equal(dropped(&m), 0);
	unmake(&m);
}

struct directions {
	uint32_t flags[2];
	int n;
};

static bool keep_flags(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	struct directions *d = arg;

	for (size_t i = 0; i < n; i++, d->n++)
		if (d->n < 2)
			d->flags[d->n] = p[i].flags;
	*taken = n;
	return true;
}

static void test_direction(void **state)
{
	struct directions d = { 0 };
	struct made m;

	WORLD_SKIP(make_veth());
	m = make((struct sniff_options){ .filter = "udp port 4242" });
	send_to_port(WORLD_PORT, 1);
	sniff_halt(m.sniff);
	sniff_settle();
	assert_int_equal(sniff_drain(m.sniff, keep_flags, &d, NULL), 0);
	assert_int_equal(d.n, 2);
	assert_int_equal(d.flags[0] & 3, PCAPNG_OUTBOUND);	/* at sc0 */
	assert_int_equal(d.flags[1] & 3, PCAPNG_INBOUND);	/* at sc1 */
	unmake(&m);
	assert_int_equal(run_ip("link del sc0"), 0);
}

static int set_up(void **state)
{
	root = world_enter();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_once),
		cmocka_unit_test(test_one_packet_then_stop),
		cmocka_unit_test(test_nothing_after_the_halt),
		cmocka_unit_test(test_nothing_before_the_bind),
		cmocka_unit_test(test_filter_and_snaplen),
		cmocka_unit_test(test_sink_ends_it),
		cmocka_unit_test(test_refused_packet_comes_again),
		cmocka_unit_test(test_block_given_up),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_growing_loses_and_repeats_nothing),
		cmocka_unit_test(test_a_flood_does_not_wait_for_the_first_ring_to_end),
		cmocka_unit_test(test_drops_stay_counted),
		cmocka_unit_test(test_halt_while_growing),
		cmocka_unit_test(test_half_a_ring_must_grow),
		cmocka_unit_test(test_lender_that_refuses),
		cmocka_unit_test(test_lent),
		cmocka_unit_test(test_not_offered),
		cmocka_unit_test(test_lent_for_long),
		cmocka_unit_test(test_ring_comes_round_to_what_is_lent),
		cmocka_unit_test(test_given_back_while_we_look),
		cmocka_unit_test(test_close_waits_for_what_is_lent),
		cmocka_unit_test(test_lent_while_growing),
		cmocka_unit_test(test_interface_that_comes_later),
		cmocka_unit_test(test_named_interface_that_goes),
		cmocka_unit_test(test_direction),
		cmocka_unit_test(test_libpcap_instead),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
