# A memory recorder and analyzer for Go. `make demo` and `make test` set up what is missing.

CC           ?= gcc
CACHE        ?= $(CURDIR)/.cache
BUILD        ?= build
BIN          ?= bin
PREFIX       ?= /usr/local
PROGRAM_PREFIX ?=
VERSION      := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

LIBPERF      := $(CACHE)/libperf
LIBS         := libtracefs libtraceevent libelf libdw libzstd capstone zlib libprotobuf-c libxxhash libcurl
# Where the libraries are not installed yet only `deps` and `clean` can be made.
LIB_CFLAGS   := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LIB_LDLIBS   := $(shell pkg-config --libs $(LIBS) 2>/dev/null)

OPT          ?= -O2 -g
SANITIZE     ?=
WARNINGS     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ALL_CFLAGS   := -std=gnu11 -D_GNU_SOURCE $(OPT) $(WARNINGS) $(SANITIZE) -I. -I$(BUILD)/gen \
                $(LIB_CFLAGS) -DGMT_VERSION='"$(VERSION)"' $(CFLAGS)
PERF_CFLAGS  := -isystem $(LIBPERF)/include
PERF_LIBS    := $(LIBPERF)/libperf.a $(LIBPERF)/libapi.a
ALL_LDFLAGS  := $(SANITIZE) $(LDFLAGS)

sources       = $(sort $(wildcard $(1)/*.c))
objects       = $(patsubst %.c,$(BUILD)/%.o,$(1))

PROTOS       := $(wildcard formats/*.proto)
GEN_OBJS     := $(patsubst %.proto,$(BUILD)/gen/%.pb-c.o,$(PROTOS))
FORMATS      := $(call objects,$(call sources,formats)) $(GEN_OBJS)
COMMON       := $(call objects,$(call sources,common))
# Everything but the mains, so that unit tests can link any module.
RECORD       := $(call objects,$(filter-out record/main.c,$(call sources,record)))
ANALYZE      := $(call objects,$(filter-out analyze/main.c,$(call sources,analyze)))
UNIT_TESTS   := $(patsubst %.c,$(BUILD)/%,$(call sources,tests/unit))

.PHONY: all
all: $(BIN)/record $(BIN)/analyze

$(BIN)/record: $(BUILD)/record/main.o $(BUILD)/librecord.a $(BUILD)/libcommon.a $(BUILD)/libformats.a $(PERF_LIBS)
$(BIN)/analyze: $(BUILD)/analyze/main.o $(BUILD)/libanalyze.a $(BUILD)/libcommon.a $(BUILD)/libformats.a
$(BIN)/record $(BIN)/analyze:
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -lm -lpthread

$(BUILD)/libformats.a: $(FORMATS)
$(BUILD)/libcommon.a: $(COMMON)
$(BUILD)/librecord.a: $(RECORD)
$(BUILD)/libanalyze.a: $(ANALYZE)
$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(if $(filter record/%,$<),$(PERF_CFLAGS)) -MMD -MP -c -o $@ $<

# Code that protoc-c writes is not held to our warnings.
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(BUILD)/gen $<
$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c
	$(CC) -std=gnu11 $(OPT) $(SANITIZE) -w -I$(BUILD)/gen $(LIB_CFLAGS) $(CFLAGS) -c -o $@ $<
$(FORMATS): | $(patsubst %.proto,$(BUILD)/gen/%.pb-c.h,$(PROTOS))
.PRECIOUS: $(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/librecord.a $(BUILD)/libanalyze.a $(BUILD)/libcommon.a $(BUILD)/libformats.a $(PERF_LIBS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -lcmocka -lm -lpthread

.PHONY: unit
unit: $(UNIT_TESTS)
	@set -e; for t in $(UNIT_TESTS); do $$t; done

.PHONY: format lint clean
format:
	clang-format -i $(wildcard */*.[ch] tests/*/*.[ch])
lint:
	clang-format --dry-run -Werror $(wildcard */*.[ch] tests/*/*.[ch])
clean:
	rm -rf $(BUILD) $(BIN)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
