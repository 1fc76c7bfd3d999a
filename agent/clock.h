/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h - a clock that jumps, for tests
 *
 * A node's clock cannot be set for one node of a lab alone. So where SWARMCAP_TEST_CLOCK_FILE names
 * a file, the seconds in it (as in 0.75 or -3600) are added to the agent's wall clock
 * and to the timestamps of packets alike: to others it is a node whose clock is wrong, and
 * jumps when the file changes. The kernel's clock and monotonic time stay as they are.
 */
#ifndef CLOCK_H
#define CLOCK_H

#define CLOCK_FILE_ENV "SWARMCAP_TEST_CLOCK_FILE"
#define CLOCK_SHIFT_MAX_S (100LL * 366 * 24 * 3600)

/* Looks at the file: several times a second. Without the variable nothing happens. */
void clock_file_tick(void);

#endif
