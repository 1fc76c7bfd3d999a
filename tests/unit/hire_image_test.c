/* SPDX-License-Identifier: Apache-2.0
 *
 * hire_image_test.c - the agent's image as a file; tar writes what is read
 */
#include "../../coordinator/hire_image.h"
#include "buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONFIG "{\"architecture\":\"arm64\",\"rootfs\":{\"diff_ids\":[\"sha256:" DIGEST "\"]}}"

static char dir[] = "/tmp/swarmcap-image-test-XXXXXX";

static void put(const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	char *slash = strrchr(path, '/');
	FILE *f;

	*slash = '\0';
	mkdir(path, 0700);
	*slash = '/';
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void sh(const char *command)
{
	cleanup_free char *in_dir = xasprintf("cd %s && %s", dir, command);

	assert_int_equal(system(in_dir), 0);
}

static int load(struct hire_image *out, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/image.tar", dir);

	err_reset(err);
	return hire_image_load(out, path, err);
}

static int start(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int clear(void **state)
{
	sh("rm -rf ./*");
	return 0;
}

static int finish(void **state)
{
	sh("rm -rf ./*");
	return rmdir(dir);
}

static void test_whole(void **state)
{
	struct hire_image image;
	struct err err = ERR_INIT;

	put("manifest.json", "[{\"Config\":\"c.json\",\"Layers\":[\"l/layer.tar\"]}]");
	put("c.json", CONFIG);
	put("l/layer.tar", "the tree, as it is");
	sh("tar -cf image.tar manifest.json c.json l");
	assert_int_equal(load(&image, &err), 0);
	assert_string_equal(image.architecture, "arm64");
	assert_string_equal(image.sha256, DIGEST);
	assert_int_equal(image.len, strlen("the tree, as it is"));
	assert_memory_equal(image.tree, "the tree, as it is", image.len);
	hire_image_release(&image);
	assert_null(image.tree);
}

/* What is refused, by which word; the tree is never handed out then. */
static void refused(int code, const char *words)
{
	struct hire_image image;
	struct err err = ERR_INIT;

	assert_int_equal(load(&image, &err), code);
	assert_non_null(strstr(err.text, words));
	assert_non_null(strstr(err.text, "image.tar"));
	assert_null(image.tree);
}

static void test_refused(void **state)
{
	refused(-ENOENT, "cannot read");
	put("image.tar", "no tar at all");
	refused(-EINVAL, "cannot read");
	put("c.json", CONFIG);
	put("l/layer.tar", "tree");
	put("k/layer.tar", "another");
	sh("tar -cf image.tar c.json");
	refused(-EINVAL, "is not the agent's image");
	sh("tar -cf image.tar l");
	refused(-EINVAL, "is not the agent's image");
	sh("tar -cf image.tar c.json k l");
	refused(-EINVAL, "is not the agent's image");
	put("c.json", "{\"rootfs\":");
	sh("tar -cf image.tar c.json l");
	refused(-EINVAL, "");
	put("c.json", "{\"rootfs\":{\"diff_ids\":[\"sha256:" DIGEST ";rm\"]}}");
	sh("tar -cf image.tar c.json l");
	refused(-EINVAL, "is not the agent's image");
	put("c.json", "{\"rootfs\":{\"diff_ids\":[\"sha256:$(reboot)456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcd\"]}}");
	sh("tar -cf image.tar c.json l");
	refused(-EINVAL, "is not the agent's image");
}

/* Cut in the middle of its tree: no half of an agent. */
static void test_cut(void **state)
{
	put("c.json", CONFIG);
	put("l/layer.tar", "");
	sh("head -c 100000 /dev/zero >l/layer.tar && tar -cf whole.tar c.json l && "
	   "head -c 50000 whole.tar >image.tar");
	refused(-EINVAL, "is broken");
}

static void test_too_large(void **state)
{
	put("l/layer.tar", "");
	sh("truncate -s 257M l/layer.tar && tar -cf image.tar l");
	refused(-EFBIG, "too large");
}

static void test_architecture(void **state)
{
	assert_string_equal(hire_image_architecture("x86_64"), "amd64");
	assert_string_equal(hire_image_architecture("aarch64"), "arm64");
	assert_string_equal(hire_image_architecture("armv7l"), "arm");
	assert_string_equal(hire_image_architecture("riscv64"), "riscv64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_whole, clear),
		cmocka_unit_test_teardown(test_refused, clear),
		cmocka_unit_test_teardown(test_cut, clear),
		cmocka_unit_test_teardown(test_too_large, clear),
		cmocka_unit_test(test_architecture),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
