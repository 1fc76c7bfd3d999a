/* SPDX-License-Identifier: Apache-2.0
 *
 * netns_test.c - namespaces by file: real ones, plain files, hostile names
 */
#include "agent_world.h"
#include "../../agent/iface.h"
#include "../../agent/netns.h"

static bool root;
static char dir[] = "/tmp/swarmcap-netns-XXXXXX";

static void touch(const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	close(fd);
}

static void *make_namespace(void *arg)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, (const char *)arg);

	assert_return_code(unshare(CLONE_NEWNET), errno);
	assert_return_code(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), errno);
	return NULL;
}

/* A namespace shown as the engine shows it. */
static void show_namespace(const char *name)
{
	pthread_t t;

	touch(name);
	assert_int_equal(pthread_create(&t, NULL, make_namespace, (void *)(uintptr_t)name), 0);
	pthread_join(t, NULL);
}

static void hide_namespace(const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);

	umount2(path, MNT_DETACH);
	unlink(path);
}

static void test_plain_file(void **state)
{
	struct err err = ERR_INIT;
	int ns = -1;

	touch("plain");
	assert_int_equal(netns_open(&ns, dir, "plain", &err), -EINVAL);
	assert_non_null(strstr(err.text, "mount propagation is broken"));
	assert_non_null(strstr(err.text, "rslave"));
	assert_int_equal(ns, -1);
}

static void test_missing_and_hostile(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../plain", "/proc/self/ns/net", "a/b" };
	int ns = -1;

	assert_int_equal(netns_open(&ns, dir, "absent", NULL), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(netns_open(&ns, dir, bad[i], NULL), -EINVAL);
	assert_int_equal(netns_open(&ns, dir, NULL, NULL), -EINVAL);
}

static int look(void *arg, struct err *err)
{
	return iface_list(arg, err);
}

static void test_enter(void **state)
{
	struct iface_list l = IFACE_LIST_INIT;
	struct netns_id before, after, inside;
	struct err err = ERR_INIT;
	int ns = -1, own = -1;

	WORLD_SKIP(root);
	show_namespace("abc123");
	assert_int_equal(netns_open(&ns, dir, "abc123", &err), 0);
	assert_int_equal(netns_identify(ns, &inside, &err), 0);
	assert_int_equal(netns_open_own(&own, &err), 0);
	assert_int_equal(netns_identify(own, &before, &err), 0);
	close(own);
	assert_int_not_equal(before.ino, inside.ino);

	assert_int_equal(netns_run(ns, look, &l, &err), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].name, "lo");
	assert_false(l.v[0].up);	/* ours is up: it was another namespace that was asked */
	iface_list_release(&l);

	assert_int_equal(netns_open_own(&own, &err), 0);
	assert_int_equal(netns_identify(own, &after, &err), 0);
	assert_int_equal(before.ino, after.ino);
	close(own);
	close(ns);

	assert_true(netns_shows(dir, "abc123", &inside));
	assert_false(netns_shows(dir, "abc123", &before));
	hide_namespace("abc123");
	assert_false(netns_shows(dir, "abc123", &inside));
}

static int refuse(void *arg, struct err *err)
{
	return err_set(err, -EPERM, "no");
}

static void test_result_passes(void **state)
{
	struct err err = ERR_INIT;
	int ns = -1;

	WORLD_SKIP(root);
	assert_int_equal(netns_open_own(&ns, &err), 0);
	assert_int_equal(netns_run(ns, refuse, NULL, &err), -EPERM);
	assert_string_equal(err.text, "no");
	close(ns);
}

static void test_find_network(void **state)
{
	char *name;

	touch("1-4ia15yxtxe");
	touch("12-4ia15yxtxe");
	touch("9-4ia15yxtxe");
	touch("lb_4ia15yxtx");
	touch("77-4ia15yxtxeX");
	name = netns_find_network(dir, "4ia15yxtxeabcdefghijklmno");
	assert_string_equal(name, "12-4ia15yxtxe");
	free(name);
	assert_null(netns_find_network(dir, "5ia15yxtxeabcdefghijklmno"));
	assert_null(netns_find_network(dir, "short"));
	assert_null(netns_find_network("/nowhere", "4ia15yxtxeabcdefghijklmno"));
}

static void test_check_dir(void **state)
{
	char *note = NULL;

	assert_false(netns_check_dir(dir, &note)); /* plain files only, from the tests before */
	assert_non_null(strstr(note, "rslave"));
	free(note);
	assert_false(netns_check_dir("/nowhere", &note));
	free(note);
	WORLD_SKIP(root);
	show_namespace("real");
	assert_true(netns_check_dir(dir, &note));
	assert_null(note);
	hide_namespace("real");
}

static int set_up(void **state)
{
	root = world_enter();
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	return nftw(dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_file),
		cmocka_unit_test(test_missing_and_hostile),
		cmocka_unit_test(test_enter),
		cmocka_unit_test(test_result_passes),
		cmocka_unit_test(test_find_network),
		cmocka_unit_test(test_check_dir),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
