/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_names.c - which words of a pcap-filter expression libpcap would look up, and as what
 *
 * The tokens are those of libpcap 1.10's scanner: at each place the longest match counts, and
 * of equally long ones the first of MAC address, number, IPv4 address or prefix, IPv6
 * address, word. So "6000-6008" and "len-1" are words, "aabbccddeeff" is a MAC address. A
 * word that is no keyword is looked up, as what the qualifiers before it say. Qualifiers hold
 * until the next ones ("port http or https"), so walking from left to right is enough.
 *
 * What the scanner refuses may come out as anything here, but must not hide a word that
 * libpcap would look up; the filter fuzzer watches the look-ups themselves.
 */
#include "filter_names.h"

#include <arpa/inet.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define HEX DIGITS "ABCDEFabcdef"
#define SPACE " \t\r\n"

enum class {
	C_OTHER,		/* operators, numbers, addresses, keywords that end a head */
	C_WORD,			/* no keyword */
	C_LINK, C_IP, C_IP6, C_ARP, C_TCP, C_UDP, C_SCTP, C_REST,	/* protocols */
	C_DIR,
	C_HOST, C_NET, C_PORT, C_PORTRANGE, C_PROTO, C_GATEWAY,
	C_AND_OR,
	C_NOT,
	C_TAKES_WORD,		/* the next word is one of libpcap's own ("llc rr", "dir tods") */
};

static const struct {
	enum class class;
	const char *words;	/* a space before and behind each */
} keywords[] = {
	{ C_LINK, " link ether ppp slip fddi tr wlan " },
	{ C_IP, " ip " },
	{ C_IP6, " ip6 " },
	{ C_ARP, " arp rarp " },
	{ C_TCP, " tcp " },
	{ C_UDP, " udp " },
	{ C_SCTP, " sctp " },
	{ C_REST, " icmp igmp igrp pim vrrp carp radio icmp6 ah esp atalk aarp decnet lat sca "
		  "moprc mopdl iso esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx "
		  "netbeui " },
	{ C_DIR, " src dst ra ta addr1 addr2 addr3 addr4 address1 address2 address3 address4 " },
	{ C_HOST, " host " },
	{ C_NET, " net " },
	{ C_PORT, " port " },
	{ C_PORTRANGE, " portrange " },
	{ C_PROTO, " proto protochain " },
	{ C_GATEWAY, " gateway " },
	{ C_AND_OR, " and or " },
	{ C_NOT, " not " },
	{ C_TAKES_WORD, " type subtype direction dir llc on ifname rset ruleset reason action " },
	{ C_OTHER, " mask less greater byte broadcast multicast len length inbound outbound "
		   "ifindex vlan mpls pppoed pppoes geneve lane metac bcc oam oamf4 oamf4ec oamf4sc sc "
		   "ilmic vpi vci connectmsg metaconnect rnr rulenum srnr subrulenum fisu lssu lsu "
		   "msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls " },
	{ C_OTHER, " icmptype icmpcode icmp-echoreply icmp-unreach icmp-sourcequench icmp-redirect "
		   "icmp-echo icmp-routeradvert icmp-routersolicit icmp-timxceed icmp-paramprob "
		   "icmp-tstamp icmp-tstampreply icmp-ireq icmp-ireqreply icmp-maskreq "
		   "icmp-maskreply " },
	{ C_OTHER, " icmp6type icmp6code icmp6-destinationunreach icmp6-packettoobig "
		   "icmp6-timeexceeded icmp6-parameterproblem icmp6-echo icmp6-echoreply "
		   "icmp6-multicastlistenerquery icmp6-multicastlistenerreportv1 "
		   "icmp6-multicastlistenerdone icmp6-routersolicit icmp6-routeradvert "
		   "icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect icmp6-routerrenum "
		   "icmp6-nodeinformationquery icmp6-nodeinformationresponse "
		   "icmp6-ineighbordiscoverysolicit icmp6-ineighbordiscoveryadvert "
		   "icmp6-multicastlistenerreportv2 icmp6-homeagentdiscoveryrequest "
		   "icmp6-homeagentdiscoveryreply icmp6-mobileprefixsolicit "
		   "icmp6-mobileprefixadvert icmp6-certpathsolicit icmp6-certpathadvert "
		   "icmp6-multicastrouteradvert icmp6-multicastroutersolicit "
		   "icmp6-multicastrouterterm " },
	{ C_OTHER, " tcpflags tcp-fin tcp-syn tcp-rst tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr " },
};

#define KEYWORD_MAX 40

static enum class word_class(const char *word, size_t len)
{
	char spaced[KEYWORD_MAX + 3];

	if (len > KEYWORD_MAX)
		return C_WORD;
	snprintf(spaced, sizeof(spaced), " %.*s ", (int)len, word);
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (strstr(keywords[i].words, spaced))
			return keywords[i].class;
	return C_WORD;
}

/* n groups of least to most hex digits with sep between: the length, 0 when there is no match. */
static size_t match_groups(const char *s, int n, char sep, size_t least, size_t most)
{
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		size_t digits = strspn(s + at, HEX);

		if (i > 0 && sep) {
			if (s[at] != sep)
				return 0;
			digits = strspn(s + ++at, HEX);
		}
		digits = digits > most ? most : digits;
		if (digits < least)
			return 0;
		at += digits;
	}
	return at;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t match_mac(const char *s)
{
	size_t n = larger(match_groups(s, 6, ':', 1, 2), match_groups(s, 6, '-', 1, 2));

	n = larger(n, match_groups(s, 6, '.', 1, 2));
	n = larger(n, match_groups(s, 3, '.', 4, 4));
	return larger(n, match_groups(s, 3, '\0', 4, 4));
}

/* "ab:cd:": digits and colons in turn, two or more times; libpcap calls it a bogus MAC address. */
static size_t match_bogus_mac(const char *s)
{
	size_t at = 0;
	int pairs = 0;

	for (;; pairs++) {
		size_t digits = strspn(s + at, HEX);
		size_t colons = digits > 2 ? 0 : strspn(s + at + digits, ":");

		if (digits == 0 || colons == 0)
			return pairs >= 2 ? at : 0;
		at += digits + colons;
	}
}

static size_t match_number(const char *s)
{
	size_t n;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		n = strspn(s + 2, HEX);
		return n ? n + 2 : 1;
	}
	return strspn(s, DIGITS);
}

/* One to four numbers with dots between. */
static size_t match_dotted(const char *s)
{
	size_t at = match_number(s), n;

	for (int i = 1; at && i < 4 && s[at] == '.'; i++) {
		n = match_number(s + at + 1);
		if (!n)
			break;
		at += 1 + n;
	}
	return at;
}

static size_t match_v6(const char *s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	size_t n = strspn(s, HEX ":.");

	if (!memchr(s, ':', n))
		return 0;
	for (n = n < sizeof(text) ? n : sizeof(text) - 1; n >= 2; n--) {
		memcpy(text, s, n);
		text[n] = '\0';
		if (inet_pton(AF_INET6, text, &ignored) == 1)
			return n;
	}
	return 0;
}

static size_t match_word(const char *s)
{
	size_t n = strspn(s, LETTERS DIGITS) ? strspn(s, LETTERS DIGITS "-_.") : 0;

	while (n > 0 && (s[n - 1] == '-' || s[n - 1] == '_'))
		n--;
	return n;
}

static size_t match_operator(const char *s)
{
	static const char two[][3] = { "&&", "||", ">=", "<=", "!=", "==", "<<", ">>" };

	for (size_t i = 0; i < ARRAY_SIZE(two); i++)
		if (str_starts(s, two[i]))
			return 2;
	return 1;
}

static enum class operator_class(const char *s, size_t len)
{
	if (len == 2 && (s[0] == '&' || s[0] == '|'))
		return C_AND_OR;
	return len == 1 && *s == '!' ? C_NOT : C_OTHER;
}

/* Cuts the next token; its class. t->len is 0 at the end. */
static enum class cut(const char *s, struct filter_token *t)
{
	size_t known, word;

	*t = (struct filter_token){ .start = s, .name = s };
	if (!*s)
		return C_OTHER;
	if (*s == '\\' && strcspn(s + 1, " !()\n\t") > 0) {
		t->name = s + 1;
		t->name_len = strcspn(s + 1, " !()\n\t");
		t->len = t->name_len + 1;
		return C_WORD;
	}

	known = larger(match_mac(s), match_dotted(s));
	known = larger(known, larger(match_v6(s), match_bogus_mac(s)));
	word = match_word(s);
	t->len = t->name_len = larger(known, word);
	if (t->len == 0) {
		t->len = match_operator(s);
		return operator_class(s, t->len);
	}
	return word > known ? word_class(s, word) : C_OTHER;
}

static enum filter_of protocol(enum class c)
{
	switch (c) {
	case C_LINK: return FILTER_OF_LINK;
	case C_IP: return FILTER_OF_IP;
	case C_IP6: return FILTER_OF_IP6;
	case C_ARP: return FILTER_OF_ARP;
	case C_TCP: return FILTER_OF_TCP;
	case C_UDP: return FILTER_OF_UDP;
	case C_SCTP: return FILTER_OF_SCTP;
	case C_REST: return FILTER_OF_REST;
	default: return FILTER_OF_ANY;
	}
}

static enum filter_kind address_kind(enum class c)
{
	switch (c) {
	case C_NET: return FILTER_NET;
	case C_PORT: return FILTER_PORT;
	case C_PORTRANGE: return FILTER_PORTRANGE;
	case C_PROTO: return FILTER_PROTO;
	case C_GATEWAY: return FILTER_GATEWAY;
	default: return FILTER_HOST;
	}
}

/* A qualifier that follows no other begins a new head, and what the last one said is over. */
static void qualify(struct filter_scan *s, enum class c)
{
	if (!s->head || protocol(c) != FILTER_OF_ANY) {
		s->kind = FILTER_HOST;
		s->of = protocol(c);
	}
	if (address_kind(c) != FILTER_HOST)
		s->kind = address_kind(c);
	s->head = true;
}

static enum filter_kind word_kind(const struct filter_scan *s)
{
	if (s->last == C_TAKES_WORD)
		return FILTER_PLAIN;
	/* the protocols of Ethernet, LLC and ISO are built into libpcap */
	if (s->kind == FILTER_PROTO && (s->of == FILTER_OF_LINK || s->of == FILTER_OF_REST))
		return FILTER_PLAIN;
	return s->kind == FILTER_HOST && s->of == FILTER_OF_LINK ? FILTER_LINK : s->kind;
}

/* "6000-6008" is a word of digits; libpcap reads it without a look-up. */
static bool is_number_range(const char *s, size_t len)
{
	size_t first = strspn(s, DIGITS), second = strspn(s + first + (s[first] == '-'), DIGITS);

	return first > 0 && second > 0 && s[first] == '-' && first + 1 + second == len;
}

bool filter_next(struct filter_scan *s, struct filter_token *t)
{
	enum class c = cut(s->at + strspn(s->at, SPACE), t);

	s->at = t->start + t->len;
	switch (c) {
	case C_WORD:
		t->of = s->of;
		t->kind = word_kind(s);
		if (t->kind == FILTER_PORTRANGE && is_number_range(t->name, t->name_len))
			t->kind = FILTER_PLAIN;
		s->head = false;
		break;
	case C_AND_OR:
		t->joins = true;
		/* "src or dst" is one qualifier */
		s->head = s->head && s->last == C_DIR;
		break;
	case C_NOT:
		break;
	case C_OTHER:
		s->head = s->head && *t->start == '(';
		break;
	case C_TAKES_WORD:
		s->head = false;
		break;
	default:
		qualify(s, c);
	}
	s->last = c;
	return t->len > 0;
}
