# How the C is built. Included by the Makefile; objects and binaries go to $(BUILD).
#   make build                                all binaries
#   make SANITIZER=address,undefined unit     beside the normal build, in build-address-undefined/
#   make COVERAGE=yes build                   with counters for gcov, in build-coverage/
SANITIZER ?=
COVERAGE  ?=
comma     := ,
BUILD     ?= build$(if $(SANITIZER),-$(subst $(comma),-,$(SANITIZER)))$(if $(COVERAGE),-coverage)

PKGS      := libpq hiredis libcurl libcjson libjwt libcrypto libutf8proc
WARNINGS  := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
             -Wimplicit-fallthrough -Wvla -Werror
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
             -ftrivial-auto-var-init=zero -fno-strict-aliasing -fno-delete-null-pointer-checks -fPIE
ifeq ($(SANITIZER)$(COVERAGE),)
HARDENING += -D_FORTIFY_SOURCE=3
endif
OPTIMIZE  := -O2
# What is instrumented warns of more than there is; the normal build's warnings are the ones that count.
ifneq ($(SANITIZER),)
OPTIMIZE  := -O1
SANITIZE  := -Wno-error=format-truncation -fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ifneq ($(COVERAGE),)
# not optimized, so that a line is a line; atomic counters, as the threads of a worker share them
INSTRUMENT := -Wno-error=format-truncation --coverage -fprofile-update=atomic -O0
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CFLAGS_ALL  = $(OPTIMIZE) -g -std=gnu11 $(WARNINGS) $(HARDENING) -D_GNU_SOURCE -Ilib -I. -I$(BUILD)/gen -MMD -MP -pthread \
              $(PKG_CFLAGS) $(SANITIZE) $(INSTRUMENT) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code $(SANITIZE) $(INSTRUMENT) $(LDFLAGS)
LIBS        = $(PKG_LIBS) -lfcgi -lm
TEST_LIBS   = $(shell pkg-config --libs check 2>/dev/null)

LIB_SRC      := $(sort $(wildcard lib/*/*.c))
FCGI_SRC     := $(sort $(wildcard fcgi/*.c))
FAKES_SRC    := $(sort $(wildcard tests/fakes/*.c))
UNIT_SRC     := $(sort $(wildcard tests/unit/*.c))
CONTRACT_SRC := $(sort $(wildcard tests/contract/*.c))
UPSTREAM_SRC := $(sort $(wildcard tests/fakes/upstream/*.c))
LOAD_SRC     := tests/bench/stream_load.c
DB_BENCH_SRC := tests/bench/db_bench.c
HOT_PATH_SRC := tests/bench/hot_path.c
DRAIN_SRC    := tests/bench/sse_drain.c
FLOOR_SRC    := tests/bench/floor.c
COUNTED_SRC  := tests/bench/count_allocations.c
FILTER_SRC   := tests/sandbox/syscall_filter.c
ALL_SRC      := $(LIB_SRC) $(FCGI_SRC) $(FAKES_SRC) $(UNIT_SRC) $(CONTRACT_SRC) $(UPSTREAM_SRC) $(LOAD_SRC) $(DB_BENCH_SRC) $(HOT_PATH_SRC) $(DRAIN_SRC) $(FLOOR_SRC) $(COUNTED_SRC) $(FILTER_SRC)
FORMATTED    := $(sort $(wildcard lib/*/*.[ch] fcgi/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch]))
obj           = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# Lua scripts become C strings: lib/redis/admission.lua -> $(BUILD)/gen/redis/admission.lua.h
EMBEDDED     := $(patsubst lib/%,$(BUILD)/gen/%.h,$(wildcard lib/*/*.lua))

.SECONDARY: $(EMBEDDED)
.DELETE_ON_ERROR: # what a full disk cut short is newer than its source, and would stay

# What --version says: made once, and then written anew at any `make` that finds another version there.
VERSION := $(shell scripts/version $(BUILD)/gen/version.h)
$(BUILD)/gen/version.h: scripts/version
	@mkdir -p $(@D)
	scripts/version --header >$@
$(BUILD)/obj/fcgi/main.o: | $(BUILD)/gen/version.h

BINARIES     := $(addprefix $(BUILD)/,chat-fcgi test-upstream stream-load sse-drain floor db-bench hot-path unit-tests contract-tests)

.PHONY: build unit contract asan format format-check layers
build: $(BINARIES)

$(BUILD)/chat-fcgi: $(call obj,$(FCGI_SRC)) $(BUILD)/libchat.a
$(BUILD)/unit-tests: $(call obj,$(UNIT_SRC) $(FAKES_SRC) $(filter-out fcgi/main.c,$(FCGI_SRC))) $(BUILD)/libchat.a
$(BUILD)/contract-tests: $(call obj,$(CONTRACT_SRC) $(FAKES_SRC)) $(BUILD)/libchat.a
$(BUILD)/test-upstream: $(call obj,$(UPSTREAM_SRC))
$(BUILD)/stream-load: $(call obj,$(LOAD_SRC))
$(BUILD)/sse-drain: $(call obj,$(DRAIN_SRC))
$(BUILD)/floor: $(call obj,$(FLOOR_SRC))
$(BUILD)/db-bench: $(call obj,$(DB_BENCH_SRC)) $(BUILD)/libchat.a
$(BUILD)/hot-path: $(call obj,$(HOT_PATH_SRC) $(FAKES_SRC) $(filter-out fcgi/main.c,$(FCGI_SRC))) $(BUILD)/libchat.a
$(BINARIES):
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(if $(findstring -tests,$@),$(TEST_LIBS)) $(LIBS)

# for the tests alone: not among what `make build` makes, as libseccomp is none of the service's
$(BUILD)/syscall-filter: $(call obj,$(FILTER_SRC))
	$(CC) $(LDFLAGS_ALL) -o $@ $^ -lseccomp

# the program with its allocations counted, for scripts/bench counts alone
$(BUILD)/chat-fcgi-counted: $(call obj,$(FCGI_SRC) $(COUNTED_SRC)) $(BUILD)/libchat.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libchat.a: $(call obj,$(LIB_SRC))
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c | $(EMBEDDED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/gen/%.h: lib/% scripts/embed
	@mkdir -p $(@D)
	scripts/embed $< > $@

-include $(patsubst %.o,%.d,$(call obj,$(ALL_SRC)))

# Fuzz targets, by clang, against the library as clang's sanitizers see it. fuzz-json is tests/fuzz/fuzz_json.c.
FUZZ_TARGETS  := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_BINARIES := $(addprefix $(BUILD)/fuzz-,$(FUZZ_TARGETS))
FUZZ_LIB_SRC  := $(filter-out lib/loop/% lib/postgres/% lib/redis/% lib/relay/% lib/upstream/%,$(LIB_SRC)) lib/postgres/search_text.c lib/upstream/response.c fcgi/request.c fcgi/records.c
FUZZ_CFLAGS    = -O1 -g -std=gnu11 -D_GNU_SOURCE -Ilib -Itests -I. -I$(BUILD)/gen -MMD -MP -pthread -fno-omit-frame-pointer \
                 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all $(PKG_CFLAGS)
fuzz_obj       = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(1))

.PHONY: fuzz-targets
fuzz-targets: $(FUZZ_BINARIES)
$(FUZZ_BINARIES): $(BUILD)/fuzz-%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/obj/tests/fuzz/json_oracle.o $(BUILD)/fuzz/libchat.a
	clang -fsanitize=fuzzer,address,undefined -pthread -o $@ $^ $(PKG_LIBS) -lfcgi -ljansson -lm
$(BUILD)/fuzz/libchat.a: $(call fuzz_obj,$(FUZZ_LIB_SRC))
	rm -f $@ && ar rcs $@ $^
$(BUILD)/fuzz/obj/%.o: %.c | $(EMBEDDED)
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -c -o $@ $<

-include $(patsubst %.o,%.d,$(call fuzz_obj,$(FUZZ_LIB_SRC) $(wildcard tests/fuzz/*.c)))

unit: $(BUILD)/unit-tests ## C unit tests
	scripts/unit-tests $(BUILD)/unit-tests
contract: $(BUILD)/contract-tests ## store tests, against DATABASE_URL and REDIS_URL
	$(BUILD)/contract-tests
asan: ## C unit tests under AddressSanitizer and UBSan
	CK_FORK=no $(MAKE) SANITIZER=address,undefined unit
format: ## format the C sources
	clang-format -i $(FORMATTED)
format-check:
	clang-format --dry-run -Werror $(FORMATTED)
layers:
	scripts/check-layers
