/* SPDX-License-Identifier: Apache-2.0
 *
 * options_parts.h - what the table of options takes from its other files; of no use to others
 */
#ifndef OPTIONS_PARTS_H
#define OPTIONS_PARTS_H

#include "options.h"

typedef int option_set(struct request *r, const char *value, struct err *err);

/* options_capture.c */
option_set options_set_filter, options_set_interface, options_set_snaplen, options_set_duration,
	options_set_max_bytes, options_set_max_packets, options_set_rotate_bytes,
	options_set_rotate_time, options_set_keep_files, options_set_fetch_rate, options_set_format,
	options_set_delay;

/* options_archive.c */
option_set options_set_merged, options_set_merge, options_set_no_clock_correction;

/* options_deploy.c */
option_set options_set_image, options_set_listen, options_set_port, options_set_rotate,
	options_set_keep, options_set_quota, options_set_floor, options_set_ring_bytes;

/* options_select.c */
option_set options_set_node, options_set_tasks, options_set_members, options_set_max_targets,
	options_set_yes, options_set_watch, options_set_interfaces, options_set_vxlan, options_set_path;

#endif
