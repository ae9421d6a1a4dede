# A memory recorder and analyzer for Go. `make demo` and `make test` set up what is missing.

CC           ?= gcc
CACHE        ?= $(CURDIR)/.cache
BUILD        ?= build
BIN          ?= bin
PREFIX       ?= /usr/local
DESTDIR      ?=
# Put before the programs' names by `install`, for systems that have another `record` or `analyze`.
PROGRAM_PREFIX ?=
VERSION      := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
export CACHE BUILD BIN

LIBPERF      := $(CACHE)/libperf
LIBS         := libtracefs libtraceevent libelf libdw libzstd capstone zlib libprotobuf-c libxxhash libcurl jansson
# Empty where a library is not installed yet; then nothing is compiled (see `ready`).
LIB_CFLAGS   := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LIB_LDLIBS   := $(shell pkg-config --libs $(LIBS) 2>/dev/null)

OPT          ?= -O2 -g
SANITIZE     ?=
WARNINGS     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ALL_CFLAGS   := -std=gnu11 -D_GNU_SOURCE $(OPT) $(WARNINGS) $(SANITIZE) -I. -I$(BUILD)/gen \
                $(LIB_CFLAGS) $(CFLAGS)
# libperf's internal headers lean on the kernel tools' own, which lie in private/include.
PERF_CFLAGS  := -isystem $(LIBPERF)/include -isystem $(LIBPERF)/private/include
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
E2E_TOOLS    := $(patsubst %.c,$(BUILD)/%,$(call sources,tests/e2e))
MODULES      := $(BUILD)/libcommon.a $(BUILD)/libformats.a

.PHONY: all
all: $(BIN)/record $(BIN)/analyze

$(BIN)/record: $(BUILD)/record/main.o $(BUILD)/librecord.a $(MODULES) $(PERF_LIBS)
$(BIN)/analyze: $(BUILD)/analyze/main.o $(BUILD)/libanalyze.a $(MODULES)
$(BIN)/record $(BIN)/analyze:
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -lm -lpthread -ldl

$(BUILD)/libformats.a: $(FORMATS)
$(BUILD)/libcommon.a: $(COMMON)
$(BUILD)/librecord.a: $(RECORD)
$(BUILD)/libanalyze.a: $(ANALYZE)
$(BUILD)/%.a: $(BUILD)/.objects
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $(filter %.o,$^)

# The objects that print the version are made anew with each version, the others are not.
VERSIONED    := $(call objects,$(shell grep -ls GMT_VERSION $(wildcard */*.c)))
$(VERSIONED): $(BUILD)/.version
VERSION_FLAG  = $(if $(filter $@,$(VERSIONED)),-DGMT_VERSION='"$(VERSION)"')

$(BUILD)/%.o: %.c $(BUILD)/.flags | ready
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(VERSION_FLAG) $(if $(filter record/%,$<),$(PERF_CFLAGS)) -MMD -MP -c -o $@ $<

$(RECORD) $(BUILD)/record/main.o: | $(PERF_LIBS)

# Code that protoc-c writes is not held to our warnings.
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto | ready
	@mkdir -p $(@D)
	protoc-c --c_out=$(BUILD)/gen $<
$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c $(BUILD)/.flags
	$(CC) -std=gnu11 $(OPT) $(SANITIZE) -w -I$(BUILD)/gen $(LIB_CFLAGS) $(CFLAGS) -c -o $@ $<
$(FORMATS): | $(patsubst %.proto,$(BUILD)/gen/%.pb-c.h,$(PROTOS))
.PRECIOUS: $(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h

$(UNIT_TESTS) $(E2E_TOOLS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/librecord.a $(BUILD)/libanalyze.a $(MODULES) $(PERF_LIBS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -lcmocka -lm -lpthread -ldl
.SECONDARY: $(UNIT_TESTS:=.o) $(E2E_TOOLS:=.o)

# Each of these files holds a text that what depends on it was made from, and is written only where
# that text has changed: the compiler and its flags, the version, the list of objects.
STAMP_flags   = $(CC) $(ALL_CFLAGS) $(PERF_CFLAGS)
STAMP_version = $(VERSION)
STAMP_objects = $(FORMATS) $(COMMON) $(RECORD) $(ANALYZE)
$(BUILD)/.flags $(BUILD)/.version $(BUILD)/.objects: $(BUILD)/.%: always
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(STAMP_$*))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(STAMP_$*))' > $@
.PHONY: always
always:

# Says what to do where the libraries or libperf are not there; `all` installs nothing by itself.
.PHONY: ready
ready:
ifeq ($(LIB_LDLIBS),)
	@build-aux/deps.sh --check $(CACHE) build >&2; \
		echo "the libraries are not all installed: run 'make deps'" >&2; exit 1
endif
$(PERF_LIBS) &:
	@echo "libperf is not built in $(LIBPERF): run 'make deps'" >&2; exit 1

.PHONY: deps
deps:
	@build-aux/deps.sh $(CACHE)

.PHONY: unit
unit: $(UNIT_TESTS)
	@set -e; for t in $(UNIT_TESTS); do $$t; done

# What deps installs is seen by a new make only.
.PHONY: test demo bench corpus
test: deps
	@$(MAKE) --no-print-directory all unit-tests
	@tests/run.sh
demo:
	@build-aux/deps.sh $(CACHE) demo
	@$(MAKE) --no-print-directory all
	@tests/demo.sh
bench: all
	@tests/bench/run.sh
	@tests/bench/placement.sh
	@tests/bench/native.sh
	@tests/bench/rate.sh
	@tests/bench/span.sh
	@tests/bench/analyze.sh
# How often the judgement is right, on programs of which the truth is known.
corpus: all
	@tests/corpus.sh
.PHONY: unit-tests
unit-tests: $(UNIT_TESTS) $(E2E_TOOLS)

# Every parser under clang's libFuzzer, with sanitizers, in a build directory of its own. Runs on a
# copy of its seeds; an input that fails is left beside the fuzzer.
FUZZ_SECONDS ?= 10
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_FLAGS   := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
FUZZERS      := $(patsubst %.c,$(BUILD)/%,$(call sources,tests/fuzz))
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libanalyze.a $(MODULES)
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIB_LDLIBS) -lm -lpthread -ldl
.SECONDARY: $(FUZZERS:=.o)
.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)
fuzz:
	@$(MAKE) --no-print-directory CC=clang BUILD=$(FUZZ_BUILD) OPT='-O1 -g' \
		SANITIZE='$(FUZZ_FLAGS)' fuzzers
	@for f in $(FUZZERS:$(BUILD)/%=$(FUZZ_BUILD)/%); do \
		echo "$$f: $(FUZZ_SECONDS) s"; \
		name=$${f##*/fuzz_} seeds=$$(mktemp -d) && \
		cp -r tests/fuzz/corpus/$$name/. $$seeds && \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 \
			-artifact_prefix=$${f%/*}/$$name- -verbosity=0 -print_final_stats=1 \
			$$seeds; \
		status=$$?; rm -rf $$seeds; [ $$status = 0 ] || exit 1; \
	done

# The names in the manual pages, and in their examples, follow PROGRAM_PREFIX.
MAN_NAMES     = sed -e 's/^\(\.Nm\|\.Xr\) \(record\|analyze\)\>/\1 $(PROGRAM_PREFIX)\2/' \
                    -e "/^\.Bd/,/^\.Ed/s/\(^\|[ ']\)\(record\|analyze\) /\1$(PROGRAM_PREFIX)\2 /g"
.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	for p in record analyze; do \
		install -m 755 $(BIN)/$$p $(DESTDIR)$(PREFIX)/bin/$(PROGRAM_PREFIX)$$p && \
		$(MAN_NAMES) man/$$p.1 > $(DESTDIR)$(PREFIX)/share/man/man1/$(PROGRAM_PREFIX)$$p.1 && \
		chmod 644 $(DESTDIR)$(PREFIX)/share/man/man1/$(PROGRAM_PREFIX)$$p.1 || exit 1; \
	done
uninstall:
	for p in record analyze; do \
		rm -f $(DESTDIR)$(PREFIX)/bin/$(PROGRAM_PREFIX)$$p \
			$(DESTDIR)$(PREFIX)/share/man/man1/$(PROGRAM_PREFIX)$$p.1; \
	done

.PHONY: format lint clean
C_FILES      := $(wildcard */*.[ch] tests/*/*.[ch] tests/programs/*/*.[ch])
SCRIPTS      := $(wildcard build-aux/*.sh tests/*.sh tests/*/*.sh) .ci/run
format:
	@clang-format -i $(C_FILES)
	gofmt -w tests/programs
lint:
	@clang-format --dry-run -Werror $(C_FILES)
	@shellcheck -x -S warning $(SCRIPTS)
	@test -z "$$(git ls-files -s 2>/dev/null | grep ^120000)" || { echo "links in the tree"; exit 1; }
	@test -z "$$(gofmt -l tests/programs)" || { gofmt -d tests/programs; exit 1; }
clean:
	rm -rf $(BUILD) $(BIN)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
