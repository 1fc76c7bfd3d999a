/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_pcap.h - libpcap instead of a ring of our own, where the kernel refuses one
 *
 * One handle per interface that is there at the beginning. Packets of one take come in order of
 * time; takes may overlap by the retire interval, because each interface has a ring of its own.
 */
#ifndef SNIFF_PCAP_H
#define SNIFF_PCAP_H

#include "sniff.h"

#define SNIFF_PCAP_RETIRE_MS 60

struct sniff_pcap;

/* In the namespace. Interfaces that cannot be opened leave the list with a note; -ENODEV: all. */
int sniff_pcap_open(struct sniff_pcap **out, const struct sniff_options *o,
		    struct iface_list *ifaces, struct err *err);
void sniff_pcap_close(struct sniff_pcap *s);
int sniff_pcap_fd(const struct sniff_pcap *s);
/* As sniff_take and sniff_drain. */
int sniff_pcap_take(struct sniff_pcap *s, sniff_sink *sink, void *arg, struct err *err);
int sniff_pcap_drain(struct sniff_pcap *s, sniff_sink *sink, void *arg, struct err *err);
/* Packets that come later are not handed over. From any thread. */
void sniff_pcap_halt(struct sniff_pcap *s);
uint64_t sniff_pcap_dropped(struct sniff_pcap *s);

#endif
