/* SPDX-License-Identifier: Apache-2.0
 *
 * keeper.c - the thread that keeps leases, deadlines, the quota and state files
 */
#include "clock.h"
#include "keeper.h"

#include <errno.h>

struct keeper {
	struct captures *captures;
	pthread_t thread;
	atomic_bool stopping;
};

/* Limits of time that were known at the last tick are not passed; the rest can wait. */
static int time_to_tick(int64_t limit_ns)
{
	int64_t ms = (limit_ns - clock_mono_ns()) / NS_PER_MS + 1;

	return ms < 1 ? 1 : ms < KEEPER_TICK_MS ? (int)ms : KEEPER_TICK_MS;
}

static void *keep(void *arg)
{
	struct keeper *k = arg;

	while (!atomic_load(&k->stopping)) {
		int64_t limit;

		clock_file_tick();
		limit = captures_tick(k->captures);
		clock_sleep_ms(time_to_tick(limit));
	}
	return NULL;
}

int keeper_start(struct keeper **out, struct captures *r, struct err *err)
{
	struct keeper *k = xcalloc(1, sizeof(*k));

	k->captures = r;
	errno = pthread_create(&k->thread, NULL, keep, k);
	if (errno) {
		free(k);
		return err_errno(err, "cannot start the keeper's thread");
	}
	*out = k;
	return 0;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	atomic_store(&k->stopping, true);
	pthread_join(k->thread, NULL);
	free(k);
}
