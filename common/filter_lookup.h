/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_lookup.h - numbers for one name of a pcap-filter expression
 *
 * Appends the number, or "(A or B)" when the name has several that fit its qualifiers.
 * -ENOENT: it has none; -EFBIG, err untouched: out is full.
 */
#ifndef FILTER_LOOKUP_H
#define FILTER_LOOKUP_H

#include "buf.h"
#include "err.h"
#include "filter_names.h"

int filter_lookup(const struct filter_token *t, struct buf *out, struct err *err);

#endif
