/* SPDX-License-Identifier: Apache-2.0
 *
 * agent_group.h - one world for all tests of a program: cmocka_run_group_tests(tests, set_up, tear_down)
 */
#ifndef AGENT_GROUP_H
#define AGENT_GROUP_H

#include "agent_world.h"

static struct world w;
static bool root;		/* for WORLD_SKIP */

static inline int set_up(void **state)
{
	root = world_enter();
	world_make(&w);
	return 0;
}

static inline int tear_down(void **state)
{
	world_free(&w);
	return 0;
}

#endif
