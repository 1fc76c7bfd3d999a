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

static void *keep(void *arg)
{
	struct keeper *k = arg;

	while (!atomic_load(&k->stopping)) {
		clock_file_tick();
		captures_tick(k->captures);
		clock_sleep_ms(KEEPER_TICK_MS);
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
