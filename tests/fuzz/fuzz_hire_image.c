/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_hire_image.c - image.tar: what is taken has a digest and an architecture that are words
 */
#include "buf.h"
#include "fuzz.h"
#include "util.h"

#include "../../coordinator/hire_image.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_close int fd = memfd_create("image", MFD_CLOEXEC);
	struct hire_image image;
	char path[64];

	expect(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (hire_image_load(&image, path, NULL) == 0) {
		expect(strlen(image.sha256) == DIGEST_HEX - 1);
		expect(strspn(image.sha256, "0123456789abcdef") == DIGEST_HEX - 1);
		expect(strlen(image.architecture) < sizeof(image.architecture));
		expect(image.len <= HIRE_IMAGE_MAX);
	} else {
		expect(!image.tree);
	}
	hire_image_release(&image);
	return 0;
}
