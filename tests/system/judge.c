/* SPDX-License-Identifier: Apache-2.0
 *
 * judge.c - what is in capture files, as libpcap reads them
 *
 *   judge numbers FILE...
 *       "packets P distinct D first A last B twice T" over all the files: the numbers that frames.c puts into packets
 *   judge same OURS THEIRS
 *       0 when both have the same frames, as often, whatever their order, and 99 % of the times are within 1 ms
 *   judge inversion FILE
 *       the largest step back in time, in microseconds
 */
#include <endian.h>
#include <err.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "SCAPSEQ:"			/* as in frames.c */
#define MARK_LEN 8

struct frame {
	int64_t ns;
	uint64_t hash, number;
	uint32_t len, caplen;
	size_t position;
	bool marked;
};

struct file {
	struct frame *v;
	size_t n, room;
};

static uint64_t hash_of(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

static void keep(u_char *arg, const struct pcap_pkthdr *h, const u_char *data)
{
	struct file *f = (struct file *)(void *)arg;
	const uint8_t *mark = memmem(data, h->caplen, MARK, MARK_LEN);
	struct frame *x;
	uint64_t n;

	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : 1024;
		f->v = realloc(f->v, f->room * sizeof(*f->v));
		if (!f->v)
			err(1, "memory");
	}
	x = &f->v[f->n];
	*x = (struct frame){ .ns = h->ts.tv_sec * 1000000000LL + h->ts.tv_usec, .len = h->len,
			     .caplen = h->caplen, .hash = hash_of(data, h->caplen), .position = f->n++ };
	if (!mark || (size_t)(data + h->caplen - mark) < MARK_LEN + sizeof(n))
		return;
	memcpy(&n, mark + MARK_LEN, sizeof(n));
	x->number = be64toh(n);
	x->marked = true;
}

static void read_file(struct file *f, const char *path)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);

	if (!p)
		errx(1, "%s: %s", path, text);
	if (pcap_loop(p, -1, keep, (u_char *)f) < 0)
		errx(1, "%s: %s", path, pcap_geterr(p));
	pcap_close(p);
}

static int by_number(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->marked != y->marked)
		return x->marked ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int command_numbers(char **arg)
{
	struct file f = { 0 };
	size_t marked = 0, twice = 0;

	for (; *arg; arg++)
		read_file(&f, *arg);
	if (f.n)
		qsort(f.v, f.n, sizeof(*f.v), by_number);
	for (; marked < f.n && f.v[marked].marked; marked++)
		twice += marked && f.v[marked].number == f.v[marked - 1].number;
	printf("packets %zu distinct %zu first %llu last %llu twice %zu\n", f.n, marked - twice,
	       marked ? (unsigned long long)f.v[0].number : 0,
	       marked ? (unsigned long long)f.v[marked - 1].number : 0, twice);
	free(f.v);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return (x->caplen > y->caplen) - (x->caplen < y->caplen);
}

static int by_bytes_and_place(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;
	int r = by_bytes(a, b);

	return r ? r : (x->position > y->position) - (x->position < y->position);
}

static void tell(const char *who, const struct frame *x)
{
	printf("only in %s: frame %zu, %u of %u bytes, at %lld.%09lld\n", who, x->position + 1, x->caplen,
	       x->len, (long long)(x->ns / 1000000000), (long long)(x->ns % 1000000000));
}

static int64_t inversion(const struct file *f)
{
	int64_t most = 0, latest = INT64_MIN;

	for (size_t i = 0; i < f->n; i++) {
		if (latest > f->v[i].ns && latest - f->v[i].ns > most)
			most = latest - f->v[i].ns;
		if (f->v[i].ns > latest)
			latest = f->v[i].ns;
	}
	return most / 1000;
}

static int command_same(char **arg)
{
	struct file a = { 0 }, b = { 0 };
	size_t i = 0, k = 0, both = 0, near = 0, other = 0;
	int64_t back_a, back_b;

	read_file(&a, arg[0]);
	read_file(&b, arg[1]);
	back_a = inversion(&a);
	back_b = inversion(&b);
	if (a.n)
		qsort(a.v, a.n, sizeof(*a.v), by_bytes_and_place);
	if (b.n)
		qsort(b.v, b.n, sizeof(*b.v), by_bytes_and_place);
	while (i < a.n || k < b.n) {
		int r = i == a.n ? 1 : k == b.n ? -1 : by_bytes(&a.v[i], &b.v[k]);

		if (!r) {
			near += llabs(a.v[i++].ns - b.v[k++].ns) <= 1000000;
			both++;
		} else if (other++ < 20) {
			tell(r < 0 ? arg[0] : arg[1], r < 0 ? &a.v[i] : &b.v[k]);
		}
		i += r < 0;
		k += r > 0;
	}
	printf("both %zu other %zu within_1ms %zu inversion_us %lld theirs_us %lld\n", both, other, near,
	       (long long)back_a, (long long)back_b);
	free(a.v);
	free(b.v);
	return other || !both || near * 100 < both * 99;
}

static int command_inversion(char **arg)
{
	struct file f = { 0 };

	read_file(&f, arg[0]);
	printf("%lld\n", (long long)inversion(&f));
	free(f.v);
	return 0;
}

static const struct command {
	const char *name;
	int least;
	int (*run)(char **arg);
} commands[] = {
	{ "numbers", 1, command_numbers }, { "same", 2, command_same }, { "inversion", 1, command_inversion },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].least)
			return commands[i].run(argv + 2);
	errx(2, "usage: judge numbers|same|inversion ...: see judge.c");
}
