# SPDX-License-Identifier: Apache-2.0
#
#   make            build/swarmcap and build/swarmcap-agent
#   make demo       installs what is missing, raises a three-node Swarm, captures a service
#   make check      the same set-up, then every test; SAN=address,undefined or SAN=thread
#   make unit       the modules' own tests
#   make system     the programs on a real Swarm; FILES=tests/system/x.bats for some
#   make fuzz       each parser for SECONDS=60; NAMES="wire filter" for some
#   make bench      ratios against the way by hand, into docs/bench
#   make lint       cppcheck and shellcheck
#   make image      build/image.tar: the agent, for docker load
#   make fresh      both commands on a newly installed Debian 12 (minutes)
#   make install    DESTDIR=, PREFIX=/usr/local, EXTCAPDIR= (Wireshark's folder; as tshark says, or none)
#   make clean
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
EXTCAPDIR ?= $(shell tshark -G folders 2>/dev/null | sed -nE 's/^(Global )?Extcap path:[[:space:]]*//p' | head -n 1)
SAN ?=
B ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma := ,

PKGS := libcurl libmicrohttpd libpcap libarchive jansson gnutls libssh libxxhash
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 -Wundef -Wno-unused-parameter
HARD := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
CFLAGS ?= -O2 -g
# The way of a packet leads through many small functions of several modules: joined when programs are linked.
# Objects hold both kinds of code, so the many unit tests link as fast as ever.
LTO := $(if $(SAN),,$(if $(findstring gcc,$(CC)),-flto=auto -ffat-lto-objects))
AR := $(if $(LTO),gcc-ar,ar)
# A line that will be written is asked for as one's own: else a store waits once more, for those who have read it.
# Every x86-64 knows the instruction, or passes over it.
FAST := $(if $(filter x86_64,$(shell uname -m)),-mprfchw)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(HARD) $(FAST) $(LTO) -pthread -Iinclude -MMD -MP \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) $(shell pkg-config --cflags $(PKGS))
ALL_LDFLAGS = $(LDFLAGS) $(if $(LTO),-fno-lto) -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))
LIBS = $(shell pkg-config --libs $(PKGS))

# What a sanitizer finds ends the program with a status that no test expects; agents in containers write it
# into their spool, where tests/system/helpers.bash looks.
ifneq ($(SAN),)
export ASAN_OPTIONS := exitcode=99
export UBSAN_OPTIONS := exitcode=99:print_stacktrace=1
export TSAN_OPTIONS := exitcode=99
export IMAGE_ENV := $(foreach s,ASAN UBSAN TSAN,$(s)_OPTIONS=exitcode=99:log_path=/var/lib/swarmcap/sanitizer)
endif

src = $(wildcard $(1)/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))
PROGRAMS := $(B)/swarmcap $(B)/swarmcap-agent
TOOLS := $(patsubst tests/bench/tools/%.c,$(B)/bench/%,$(wildcard tests/bench/tools/*.c))
UNITS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*_test.c))
ROOMS := $(B)/libcoordinator.a $(B)/libagent.a $(B)/libcommon.a

all: $(PROGRAMS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/lib%.a: ; @rm -f $@; echo "  AR   $@"; $(AR) rcs $@ $^
$(B)/libcommon.a: $(call obj,$(call src,common))
$(B)/libagent.a: $(call obj,$(filter-out agent/main.c,$(call src,agent)))
$(B)/libcoordinator.a: $(call obj,$(filter-out coordinator/main.c,$(call src,coordinator)))

$(B)/swarmcap: $(B)/coordinator/main.o $(B)/libcoordinator.a $(B)/libcommon.a
$(B)/swarmcap-agent: $(B)/agent/main.o $(B)/libagent.a $(B)/libcommon.a
$(PROGRAMS):
	@echo "  LD   $@"
	@$(CC) $(ALL_LDFLAGS) $(if $(LTO),$(CFLAGS) $(LTO)) -o $@ $^ $(LIBS)

$(B)/unit/%: $(B)/tests/unit/%.o $(ROOMS)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(B)/bench/%: tests/bench/tools/%.c
	@mkdir -p $(@D)
	@$(CC) $(filter-out -Iinclude,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ $<	# <err.h> is the system's

# alone: nothing of ours judges us
$(B)/frames $(B)/judge: $(B)/%: tests/system/%.c
	@mkdir -p $(@D)
	@$(CC) $(filter-out -Iinclude -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ $< -lpcap

$(B)/carry: tests/bench/ssh/carry.c $(B)/libcoordinator.a $(B)/libcommon.a
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.SECONDARY:
-include $(wildcard $(B)/*/*.d $(B)/tests/*/*.d)

# ---- tests: each ends with "N passed, N failed" ----

unit: $(UNITS)
	@tests/run-units $(UNITS)

units: $(UNITS) $(TOOLS) $(B)/frames $(B)/judge

tools: $(TOOLS)

system-parts: all image $(B)/workload.tar $(B)/frames $(B)/judge

system: system-parts
	@BUILD=$(abspath $(B)) tests/run-bats $(or $(FILES),$(wildcard tests/system/*.bats))

SECONDS ?= 60
fuzz:
	@BUILD=$(abspath build) tests/fuzz/run $(SECONDS) $(NAMES)

check: setup
	@tests/check "$(SAN)"

bench: all tools image $(B)/workload.tar
	@bad=0; for b in tests/bench/*/run; do BUILD=$(abspath $(B)) DOCS=$(abspath docs/bench) $$b || bad=1; done; exit $$bad

fresh:
	@tests/fresh

# Off: what cppcheck 2.10 does not understand (jansson's loops, statement expressions), and NULL as a sentinel.
lint:
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
		$(addprefix --suppress=,missingIncludeSystem unknownMacro varFuncNullUB internalAstError ctuuninitvar arrayIndexThenCheck) \
		-Iinclude common agent coordinator
	shellcheck -x $$(git grep -lE '^#!/bin/(ba)?sh' -- tests deploy .ci)

# ---- what runs elsewhere ----

image: $(B)/image.tar
$(B)/image.tar: $(B)/swarmcap-agent deploy/mkimage deploy/mkroot
	@deploy/mkimage $< $@

$(B)/workload.tar: tests/lab/workload.c tests/lab/mkworkload
	@mkdir -p $(@D)
	@tests/lab/mkworkload $@

setup:
	@deploy/install-deps

demo: setup
	@$(MAKE) --no-print-directory -j2 all image $(B)/workload.tar
	@BUILD=$(abspath $(B)) tests/demo

install: all image
	install -D -m 755 $(B)/swarmcap $(DESTDIR)$(PREFIX)/bin/swarmcap
	install -D -m 755 $(B)/swarmcap-agent $(DESTDIR)$(PREFIX)/bin/swarmcap-agent
	install -D -m 644 $(B)/image.tar $(DESTDIR)$(PREFIX)/share/swarmcap/image.tar
	install -D -m 644 docs/swarmcap.1 $(DESTDIR)$(PREFIX)/share/man/man1/swarmcap.1
	install -D -m 644 docs/swarmcap-agent.8 $(DESTDIR)$(PREFIX)/share/man/man8/swarmcap-agent.8
	ln -sf swarmcap.1 $(DESTDIR)$(PREFIX)/share/man/man1/swarmcap-extcap.1
	@dir='$(EXTCAPDIR)'; [ -n "$$dir" ] || { echo 'no EXTCAPDIR: no interfaces in Wireshark'; exit 0; }; \
	set -x; mkdir -p "$(DESTDIR)$$dir" && ln -sf $(PREFIX)/bin/swarmcap "$(DESTDIR)$$dir/swarmcap-extcap"

clean:
	rm -rf build

help:
	@sed -n 's/^#   //p' Makefile

.PHONY: all unit units tools system-parts system fuzz check bench fresh lint image setup demo install clean help
