/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_order_test.c - who is next among few and many, as qsort puts them
 */
#include "../../coordinator/merge_parts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define INPUTS_MAX 70u
#define EACH 9u

struct turn {
	int64_t ts_ns;
	uint32_t input;
};

static int by_time(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->ts_ns != y->ts_ns)
		return x->ts_ns < y->ts_ns ? -1 : 1;
	return (int)x->input - (int)y->input;
}

/* Few different times, so that many are equal; each input's are in order. */
static void as_qsort_puts_them(void **state)
{
	static struct turn v[INPUTS_MAX][EACH], all[INPUTS_MAX * EACH];

	srand(7);
	for (uint32_t n = 1; n <= INPUTS_MAX; n++) {
		size_t at[INPUTS_MAX] = { 0 };
		int64_t times[INPUTS_MAX], now;
		struct merge_order *o;

		for (uint32_t i = 0; i < n; i++) {
			int64_t t = rand() % 5;

			for (uint32_t k = 0; k < EACH; k++, t += rand() % 4)
				all[i * EACH + k] = v[i][k] = (struct turn){ t, i };
			times[i] = v[i][0].ts_ns;
		}
		qsort(all, n * EACH, sizeof(*all), by_time);

		o = merge_order_new(times, n);
		for (size_t k = 0; k < n * EACH; k++) {
			size_t i = merge_order_first(o, &now);

			assert_int_equal(i, all[k].input);
			assert_int_equal(now, all[k].ts_ns);
			merge_order_change(o, ++at[i] < EACH ? v[i][at[i]].ts_ns : MERGE_ENDED);
		}
		merge_order_first(o, &now);
		assert_int_equal(now, MERGE_ENDED);
		merge_order_free(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_qsort_puts_them),
	};

	return cmocka_run_group_tests_name("merge_order", tests, NULL, NULL);
}
