/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapfile.h - classic pcap files with nanoseconds, for tools that know no pcapng
 *
 * Written is little-endian with the nanosecond magic; a file has one link type and no
 * interfaces, names or statistics. Used like pcapng.h's encoders.
 */
#ifndef PCAPFILE_H
#define PCAPFILE_H

#include "pcapng.h"

#define PCAPFILE_HEADER_SIZE 24

/* Appends the file header: 0 or -EFBIG. */
int pcapfile_put_header(struct buf *b, uint16_t link_type, uint32_t snaplen);
size_t pcapfile_packet_size(uint32_t caplen);
/* Returns the bytes written, pcapfile_packet_size(). The interface and the flags are lost. */
size_t pcapfile_put_packet(void *out, const struct pcapng_packet *p);

/*
 * As pcapng_summarize, both byte orders, micro- and nanoseconds. A record without a length
 * ends `whole` too: it is what stands in blocks of a file system that were never written.
 */
int pcapfile_summarize(int fd, struct pcapng_summary *out, struct err *err);

#endif
