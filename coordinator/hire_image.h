/* SPDX-License-Identifier: Apache-2.0
 *
 * hire_image.h - the agent's image as a file: its architecture, and its tree as one tar
 */
#ifndef HIRE_IMAGE_H
#define HIRE_IMAGE_H

#include "digest.h"
#include "err.h"

#define HIRE_IMAGE_MAX (256u << 20)

struct hire_image {
	char architecture[32];		/* "amd64", as images call it */
	char sha256[DIGEST_HEX];	/* of the tree, as the image's configuration says */
	void *tree;			/* a tar */
	size_t len;
};

/* An image of one layer, as `docker save` and deploy/mkimage write it. -ENOENT, -EINVAL, -EFBIG. */
int hire_image_load(struct hire_image *out, const char *path, struct err *err);
void hire_image_release(struct hire_image *i);
/* `uname -m` in the words of images: "amd64" for "x86_64"; others as they are. */
const char *hire_image_architecture(const char *machine);

#endif
