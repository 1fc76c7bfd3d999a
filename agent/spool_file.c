/* SPDX-License-Identifier: Apache-2.0
 *
 * spool_file.c - what lies inside a capture's directory: segments and JSON
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int take(void *spool, int64_t n, struct err *err)
{
	return spool_take(spool, n, err);
}

static void give(void *spool, int64_t n)
{
	spool_give(spool, n);
}

struct segment_room spool_segment_room(struct spool *s)
{
	return (struct segment_room){ take, give, s };
}

int spool_write_json(int dirfd, const char *name, const json_t *j, struct err *err)
{
	cleanup_free char *text = jx_dump(j);
	int r = util_write_file_at(dirfd, name, text, strlen(text), 0600);

	if (!r)
		return 0;
	errno = -r;
	return err_errno(err, "cannot write %s into the spool", name);
}

int spool_read_json(int dirfd, const char *name, json_t **out, struct err *err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_free char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, "cannot read %s in the spool", name);
	if (!S_ISREG(st.st_mode) || st.st_size > SPOOL_JSON_MAX)
		return err_set(err, -EFBIG, "%s in the spool is no file of ours", name);
	text = xcalloc(1, (size_t)st.st_size + 1);
	r = util_read_full(fd, text, (size_t)st.st_size);
	if (r) {
		errno = -r;
		return err_errno(err, "cannot read %s in the spool", name);
	}
	return jx_parse(text, (size_t)st.st_size, name, out, err);
}
