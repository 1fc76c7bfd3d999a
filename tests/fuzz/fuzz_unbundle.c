/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_unbundle.c - archives that are anything: names are clean, bytes within the limit, and what a manifest
 * in them says of itself holds; verify comes to an end
 */
#include "../../coordinator/verify.h"
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "names.h"

#define LIMIT (1 << 20)

static void judge_name(const char *name)
{
	cleanup_free char *clean = names_clean(name, NAMES_FILE_MAX - 1);

	expect(*name && *name != '.' && !strchr(name, '/') && !strcmp(clean, name));
}

static void walk(const char *path)
{
	struct unbundle *u;
	struct unbundle_entry e;
	struct err err = ERR_INIT;
	int64_t sum = 0;
	ssize_t got = 0;
	char piece[4096];
	int r = unbundle_open(&u, path, &err);

	expect(r <= 0 && (r == 0) == !*err.text);
	if (r < 0)
		return;
	unbundle_limit(u, LIMIT);
	while (got == 0 && (r = unbundle_next(u, &e, &err)) == 0) {
		judge_name(e.name);
		while ((got = unbundle_read(u, piece, sizeof(piece))) > 0)
			sum += got;
		expect(got == 0 || *unbundle_why(u));
		expect(sum <= LIMIT);
	}
	expect(got < 0 || (r == UNBUNDLE_E_END) == !*err.text);
	unbundle_close(u);
}

static void count(void *arg, const char *file, const char *text)
{
	*(size_t *)arg += file && *text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct verify_result v;
	struct account a;
	struct err err = ERR_INIT;
	size_t problems = 0;
	char path[64];

	expect(fd >= 0 && util_write_full(fd, data, size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	walk(path);
	expect(verify_archive(path, count, &problems, &v, &err) < 0 || v.problems == problems);
	close(fd);

	if (account_decode((const char *)data, size, &a, NULL) < 0)
		a.n_files = 0;
	for (size_t i = 0; i < a.n_files; i++) {
		judge_name(a.files[i].name);
		expect(account_file(&a, a.files[i].name) == &a.files[i]);
		expect(a.files[i].target < a.n_targets && a.files[i].bytes >= 0);
	}
	account_release(&a);
	return 0;
}
