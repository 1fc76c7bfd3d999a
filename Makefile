# SPDX-License-Identifier: Apache-2.0
#
#   make            build/swarmcap and build/swarmcap-agent
#   make demo       installs what is missing, raises a three-node Swarm, captures a service
#   make check      the same set-up, then every test; SAN=address,undefined or SAN=thread
#   make help       the other targets
CC ?= gcc
SAN ?=
B ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma := ,

PKGS := libcurl libmicrohttpd libpcap libarchive jansson gnutls
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 -Wundef -Wno-unused-parameter
HARD := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(HARD) -pthread -Iinclude -MMD -MP \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) $(shell pkg-config --cflags $(PKGS))
ALL_LDFLAGS = $(LDFLAGS) -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))
LIBS = $(shell pkg-config --libs $(PKGS))

src = $(wildcard $(1)/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))
PROGRAMS := $(B)/swarmcap $(B)/swarmcap-agent
UNITS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*_test.c))
ROOMS := $(B)/libcoordinator.a $(B)/libagent.a $(B)/libcommon.a

all: $(PROGRAMS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/lib%.a: ; @rm -f $@; echo "  AR   $@"; ar rcs $@ $^
$(B)/libcommon.a: $(call obj,$(call src,common))
$(B)/libagent.a: $(call obj,$(filter-out agent/main.c,$(call src,agent)))
$(B)/libcoordinator.a: $(call obj,$(filter-out coordinator/main.c,$(call src,coordinator)))

$(B)/swarmcap: $(B)/coordinator/main.o $(B)/libcoordinator.a $(B)/libcommon.a
$(B)/swarmcap-agent: $(B)/agent/main.o $(B)/libagent.a $(B)/libcommon.a
$(PROGRAMS):
	@echo "  LD   $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/unit/%: $(B)/tests/unit/%.o $(ROOMS)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

-include $(wildcard $(B)/*/*.d $(B)/tests/*/*.d)

unit: $(UNITS)
	@tests/run-units $(UNITS)

clean:
	rm -rf build

.PHONY: all unit clean
