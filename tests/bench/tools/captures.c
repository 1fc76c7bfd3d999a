/* SPDX-License-Identifier: Apache-2.0
 *
 * captures.c - captures DIR FILES BYTES: so many pcapng files of one traffic, together of so many bytes
 *
 * Packets of mixed sizes, a microsecond apart, each in the file that chance chose: the worst that can be
 * merged, since no two that follow each other come from one file. Prints the number of packets.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA_MAX 1514u
#define BUFFER (64u << 10)
#define START_NS 1795444745000000000ULL

static uint64_t state = 88172645463325252ULL;

/* xorshift: the same files on every machine */
static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void put32(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static FILE *begin(const char *dir, unsigned long i)
{
	static const uint8_t resolution[] = { 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0 };
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%05lu.pcapng", dir, i);
	f = fopen(path, "we");
	if (!f)
		err(1, "%s", path);
	setvbuf(f, NULL, _IOFBF, BUFFER);
	put32(f, 0x0a0d0d0a);
	put32(f, 28);
	put32(f, 0x1a2b3c4d);
	put32(f, 1);
	put32(f, UINT32_MAX);
	put32(f, UINT32_MAX);
	put32(f, 28);
	put32(f, 1);
	put32(f, 32);
	put32(f, 1);
	put32(f, 262144);
	fwrite(resolution, sizeof(resolution), 1, f);
	put32(f, 32);
	return f;
}

static uint32_t size_of_packet(void)
{
	static const uint32_t sizes[] = { 66, 66, 66, 128, 576, 1514, 1514, 1514 };

	return sizes[chance() % 8];
}

static uint32_t put_packet(FILE *f, uint64_t ns, const uint8_t *data)
{
	uint32_t n = size_of_packet(), size = 32 + ((n + 3) & ~3u);

	put32(f, 6);
	put32(f, size);
	put32(f, 0);
	put32(f, (uint32_t)(ns >> 32));
	put32(f, (uint32_t)ns);
	put32(f, n);
	put32(f, n);
	fwrite(data, size - 32, 1, f);
	put32(f, size);
	return size;
}

int main(int argc, char **argv)
{
	unsigned long files, packets = 0;
	unsigned long long bytes;
	uint8_t data[DATA_MAX + 2];
	FILE **f;

	if (argc != 4)
		errx(2, "captures DIR FILES BYTES");
	files = strtoul(argv[2], NULL, 10);
	bytes = strtoull(argv[3], NULL, 10);
	f = calloc(files, sizeof(*f));
	if (!files || !f)
		errx(2, "how many files?");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)chance();
	for (unsigned long i = 0; i < files; i++)
		f[i] = begin(argv[1], i);
	for (unsigned long long sum = 0; sum < bytes; packets++)
		sum += put_packet(f[chance() % files], START_NS + 1000 * packets, data);
	for (unsigned long i = 0; i < files; i++)
		if (fclose(f[i]))
			err(1, "%s", argv[1]);
	printf("%lu\n", packets);
	return 0;
}
