/* SPDX-License-Identifier: Apache-2.0
 *
 * spool_test.c - the spool: names, quota and floor, what is counted, what is kept
 */
#include "agent_world.h"
#include "../../agent/spool.h"

static struct world w;

static void test_names(void **state)
{
	static const char *const bad[] = {
		"", "0.pcapng", "0-.pcapng", "0-000", "0-000.erf", "-1-000.pcapng", "x-000.pcapng",
		"0-000-.pcapng", "0-000raw.pcapng", "0-000.pcapng.part", "../0-000.pcapng",
		"1234567-000.pcapng", "0-000-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.pcapng",
	};
	char *name = segment_file_name(12, 3, "raw", WIRE_PCAPNG), *hidden, *suffix;
	size_t target;
	int segment;

	assert_string_equal(name, "12-003-raw.pcapng");
	assert_true(segment_parse_name(name, &target, &segment, &suffix));
	assert_int_equal(target, 12);
	assert_int_equal(segment, 3);
	assert_string_equal(suffix, "raw");
	free(suffix);
	hidden = segment_hidden_name(name);
	assert_string_equal(hidden, ".12-003-raw.pcapng.part");
	free(hidden);
	free(name);
	assert_true(segment_parse_name("0-000.pcapng", &target, &segment, &suffix));
	assert_null(suffix);
	assert_int_equal(segment_format_of("0-000.pcapng"), WIRE_PCAPNG);
	name = segment_file_name(7, 0, NULL, WIRE_PCAP);
	assert_string_equal(name, "7-000.pcap");
	assert_true(segment_parse_name(name, &target, &segment, &suffix));
	assert_int_equal(target, 7);
	assert_int_equal(segment_format_of(name), WIRE_PCAP);
	free(name);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (segment_parse_name(bad[i], &target, &segment, &suffix))
			fail_msg("taken for a spool's name: '%s'", bad[i]);
}

static void test_private(void **state)
{
	struct stat st;
	int fd;

	assert_return_code(stat(w.spool_dir, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(spool_create_dir(w.spool, WORLD_ID, &fd, NULL), 0);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(fd);
	assert_int_equal(spool_create_dir(w.spool, WORLD_ID, &fd, NULL), -EEXIST);
	assert_int_equal(spool_create_dir(w.spool, "../outside", &fd, NULL), -EINVAL);
	assert_int_equal(spool_open_dir(w.spool, "..", &fd, NULL), -EINVAL);
	assert_int_equal(spool_remove_dir(w.spool, ".", NULL), -EINVAL);
	assert_int_equal(spool_remove_dir(w.spool, WORLD_ID, NULL), 0);
	assert_int_equal(spool_open_dir(w.spool, WORLD_ID, &fd, NULL), -ENOENT);
}

static void put(const char *name, size_t n)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, (off_t)n), errno);
	close(fd);
}

/* What a former life left is counted; records are not, and stay when the files go. */
static void test_counts_what_is_there(void **state)
{
	struct spool_room room;
	json_t *j = NULL;
	int fd;

	assert_int_equal(spool_create_dir(w.spool, WORLD_ID, &fd, NULL), 0);
	put("0-000.pcapng", 1000);
	put(".1-000.pcapng.part", 500);
	j = json_pack("{s:i}", "a", 1);
	assert_int_equal(spool_write_json(fd, SPOOL_STATE, j, NULL), 0);
	jx_freep(&j);
	world_close(&w);
	world_open(&w, &(struct spool_limits){ .quota = 4000, .floor = 0 });
	spool_room(w.spool, &room);
	assert_int_equal(room.used, 1500);
	assert_int_equal(room.quota, 4000);
	assert_int_equal(spool_remove_files(w.spool, WORLD_ID, NULL), 0);
	spool_room(w.spool, &room);
	assert_int_equal(room.used, 0);
	assert_int_equal(spool_read_json(fd, SPOOL_STATE, &j, NULL), 0);
	assert_int_equal(jx_int(j, "a", 0), 1);
	jx_freep(&j);
	assert_int_equal(faccessat(fd, "0-000.pcapng", F_OK, 0), -1);
	assert_int_equal(spool_read_json(fd, "absent.json", &j, NULL), -ENOENT);
	assert_int_equal(spool_remove_dir(w.spool, WORLD_ID, NULL), 0);
	close(fd);
}

static bool make_room(void *arg, int64_t n)
{
	int *calls = arg;

	if (++*calls > 2)
		return false;
	spool_give(w.spool, 300);
	return true;
}

static void test_quota(void **state)
{
	struct err err = ERR_INIT;
	int calls = 0;

	assert_int_equal(spool_take(w.spool, 3900, NULL), 0);
	assert_int_equal(spool_pressure(w.spool, 100), 0);
	assert_int_equal(spool_pressure(w.spool, 101), -EDQUOT);
	assert_int_equal(spool_take(w.spool, 101, &err), -EDQUOT);
	assert_non_null(strstr(err.text, "quota"));
	spool_on_full(w.spool, make_room, &calls);
	assert_int_equal(spool_take(w.spool, 500, NULL), 0);	/* two calls made 600 */
	assert_int_equal(calls, 2);
	assert_int_equal(spool_take(w.spool, 1000, NULL), -EDQUOT);
	assert_int_equal(calls, 3);
	spool_give(w.spool, 4000);
	spool_on_full(w.spool, NULL, NULL);
}

static void test_floor(void **state)
{
	struct spool_room room;
	struct err err = ERR_INIT;

	world_close(&w);
	world_open(&w, &(struct spool_limits){ .quota = 1LL << 50, .floor = 1LL << 50 });
	assert_int_equal(spool_take(w.spool, 1, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "floor"));
	world_close(&w);
	world_open(&w, &(struct spool_limits){ .quota = -1, .floor = -1 });
	spool_room(w.spool, &room);
	assert_true(room.quota <= SPOOL_QUOTA_MAX && room.quota <= room.size / 10);
	assert_true(room.floor <= room.size / 20 && room.floor > room.size / 21);
}

static int set_up(void **state)
{
	world_make(&w);
	return 0;
}

static int tear_down(void **state)
{
	world_free(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_counts_what_is_there),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_floor),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
