# ctckpt. Output goes to build/; `make help` lists the targets.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
COMPDIR ?= $(PREFIX)/share/bash-completion/completions
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
LIBEXECDIR ?= $(PREFIX)/libexec
# Where podman and CRI-O look, with PREFIX=/usr.
HOOKSDIR ?= $(PREFIX)/share/containers/oci/hooks.d
B ?= build
VERSION := 0.1.0

PKGS := libcap libseccomp libcgroup jansson libxxhash libzstd liblz4 libmnl libnftables nettle
WARN := -Wall -Wextra -Werror -Wvla -Wshadow -Wstrict-prototypes -Wmissing-prototypes
HARDEN := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-plt
OPT ?= -O2 -g
CFLAGS ?=
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
SOAK_ROUNDS ?= 50
ALL_CFLAGS = -std=gnu17 $(OPT) $(WARN) $(HARDEN) -D_GNU_SOURCE -DCTCKPT_VERSION='"$(VERSION)"' \
	-DCTCKPT_SYSCONFDIR='"$(SYSCONFDIR)"' -DCTCKPT_LIBEXECDIR='"$(LIBEXECDIR)"' \
	-Ilib -Iinclude -I$(B)/gen $(shell pkg-config --cflags $(PKGS)) -MMD -MP $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread

LIB_SRC := $(sort $(wildcard lib/*/*.c lib/kind/*/*.c))
KIND_SRC := $(sort $(filter-out lib/kind/support/%,$(wildcard lib/kind/*/*.c)))
KIND_PARTS := container task memory fd
KINDS := $(notdir $(KIND_SRC:.c=))
CMD_SRC := $(sort $(wildcard cmd/*.c))
VICTIM_SRC := $(sort $(wildcard tests/victim/*.c))
VICTIM_SRC_32 := compat posix_timers signals syscalls thread tls
UNIT_SRC := $(sort $(wildcard tests/unit/*.c))
# Tools over images that are no fuzzers.
FORGERS := damage forge hunt
FUZZ_SRC := $(sort $(filter-out $(FORGERS:%=tests/fuzz/%.c),$(wildcard tests/fuzz/*.c)))
FUZZ_CFLAGS = -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/gen/kinds.o
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
VICTIMS := $(VICTIM_SRC:tests/victim/%.c=$(B)/victim/%)
# As programs of 32 bits, too, where the compiler makes them.
HAS_32 := $(shell echo 'int main(void) { return 0; }' | \
	$(CC) -m32 -static -x c -o /dev/null - 2>/dev/null && echo yes)
VICTIMS_32 := $(if $(HAS_32),$(VICTIM_SRC_32:%=$(B)/victim/32/%))
UNITS := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
# Programs that the test scripts use, and programs that are checkpointed as they are.
TOOL_SRC := $(sort $(wildcard tests/tools/*.c tests/programs/*.c tests/bench/*.c))
TOOLS := $(TOOL_SRC:tests/%.c=$(B)/tests/%)
FUZZERS := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
MAN1 := $(sort $(wildcard man/*.1))
MAN5 := $(B)/man/ctckpt-image.5 man/ctckpt-policy.5
MAN7 := $(B)/man/ctckpt-kinds.7 $(sort $(wildcard man/*.7))
HOOKS := $(patsubst %,$(B)/hooks/ctckpt-%.json,createRuntime poststart poststop precreate)
# What the public headers include, these among them; relative to lib/ and include/.
HEADERS = $(sort $(filter lib/% include/%,$(shell $(CC) -MM -D_GNU_SOURCE -Ilib -Iinclude \
	$(wildcard include/ctckpt/*.h))))

# Default: the program.
all: $(B)/ctckpt $(B)/restore-init

$(B)/ctckpt: $(CMD_OBJ) $(B)/libctckpt.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# No library, no stack of its own; below the addresses that a restore uses (restore/template.c).
$(B)/restore-init: share/waiter.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE -static -nostdlib -fno-pie \
		-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
		-Wl,-Ttext-segment=0x8000000,--build-id=none,-z,noexecstack,-z,norelro -o $@ $<

$(B)/libctckpt.a: $(LIB_OBJ)
	rm -f $@ && ar rcs $@ $^

# The table of kinds: one line a file in lib/kind/*/.
$(B)/gen/kinds.c: $(KIND_SRC) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "kind/kind.h"'; \
	   for k in $(KINDS); do echo "extern const struct kind kind_$$k;"; done; \
	   echo 'const struct kind *const kinds[] = {'; \
	   for k in $(KINDS); do echo "	&kind_$$k,"; done; \
	   echo '	NULL,'; echo '};'; } > $@

$(B)/gen/kinds.o: $(B)/gen/kinds.c
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/victim/%: tests/victim/%.c $(wildcard tests/victim/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(OPT) $(WARN) -D_GNU_SOURCE -o $@ $< -lpthread

$(B)/victim/32/%: tests/victim/%.c $(wildcard tests/victim/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(OPT) $(WARN) -D_GNU_SOURCE -m32 -static -o $@ $< -lpthread

$(B)/unit/%: tests/unit/%.c $(B)/libctckpt.a $(wildcard tests/unit/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libctckpt.a $(LIBS)

$(B)/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(OPT) $(WARN) -D_GNU_SOURCE -o $@ $< -lpthread

# libFuzzer, with the library compiled for it.
$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(ALL_CFLAGS) $(FUZZ_CFLAGS) -c -o $@ $<

$(B)/fuzz/obj/kinds.o: $(B)/gen/kinds.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(ALL_CFLAGS) $(FUZZ_CFLAGS) -c -o $@ $<

$(B)/fuzz/libctckpt.a: $(LIB_SRC:%.c=$(B)/fuzz/obj/%.o) $(B)/fuzz/obj/kinds.o
	rm -f $@ && ar rcs $@ $^

$(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/libctckpt.a $(wildcard tests/fuzz/*.h)
	$(FUZZ_CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -g -fsanitize=fuzzer,address,undefined \
		-o $@ $< $(B)/fuzz/libctckpt.a $(LIBS)

$(FORGERS:%=$(B)/tests/%): $(B)/tests/%: tests/fuzz/%.c $(B)/libctckpt.a $(wildcard tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libctckpt.a $(LIBS)

# One section for each folder of kinds, one paragraph for each kind.
$(B)/man/ctckpt-kinds.7: man/ctckpt-kinds.head $(wildcard man/kinds/*.mdoc) Makefile
	@mkdir -p $(@D)
	@{ cat man/ctckpt-kinds.head; \
	   for part in $(KIND_PARTS); do \
		texts=$$(for kind in $$(ls lib/kind/$$part/*.c); do \
			ls man/kinds/$$(basename $$kind .c).mdoc 2>/dev/null; done); \
		if [ -n "$$texts" ]; then \
			echo ".Ss Kinds of $$part"; echo '.Bl -tag -width Ds'; cat $$texts; echo '.El'; \
		fi; done; cat man/ctckpt-kinds.foot; } > $@

# Its tables of records come from the structs.
$(B)/man/ctckpt-image.5: man/ctckpt-image.5 man/records tools/records $(LIB_SRC)
	@mkdir -p $(@D)
	tools/records > $@

# What lacks a rule of the policy must not compile.
$(B)/policy.checked: tools/check-policy lib/policy/classes.h lib/policy/classes.c \
		lib/kind/support/fields.h lib/kind/task/oom.c man/ctckpt-policy.5
	CC='$(CC)' tools/check-policy
	touch $@

# One file for each stage: the schema has no other way to tell the hook. They name PREFIX.
$(HOOKS): $(B)/hooks/ctckpt-%.json: share/oci-hook.json force
	@mkdir -p $(@D)
	sed -e 's|@PATH@|$(LIBEXECDIR)/ctckpt/oci-hook|' -e 's|@STAGE@|$*|' \
		-e 's/@WHEN@/$(if $(filter precreate,$*),restore,name|auto|restore)/' $< > $@

force:

manual: $(MAN5) $(MAN7)
hooks: $(HOOKS)
victims: $(VICTIMS) $(VICTIMS_32)
units: $(UNITS) $(B)/policy.checked
test-tools: $(TOOLS) $(FORGERS:%=$(B)/tests/%)
fuzzers: $(FUZZERS)

# ---- what people ask for ----

# Run unit tests and bats, as root and as an ordinary user; installs what is missing when root.
test:
	tests/run

# Unit tests, and bats in the main mode only.
check:
	tests/run -q

# Style, static analysis, layers, manual, two compilers.
lint:
	tools/lint

# A container frozen, saved and restored, as an ordinary user; installs what is missing when root.
demo:
	tools/demo

# Times of checkpoint and restore beside what this machine can do at all.
bench: all test-tools
	tests/bench/run

# Hostile images, policies and texts of /proc: every fuzzer for FUZZ_SECONDS.
fuzz: fuzzers
	tests/fuzz/run $(FUZZ_SECONDS)

# How much of the reader of images the tests and seeds reach: 95 % of its lines at least.
coverage: all
	tests/fuzz/coverage

# Random states against the oracle, for longer: SOAK_ROUNDS of them in each container.
soak:
	ORACLE_ROUNDS=$(SOAK_ROUNDS) BATS_TEST_TIMEOUT=3600 tests/run -q oracle.bats

# Each check switched off in turn: does a test miss it? Takes six minutes.
mutate:
	rm -rf $(B)/mutate
	tools/mutate instrument . $(B)/mutate
	tools/mutate score $(B)/mutate

# Program, manual, completion, hooks, library and headers, to DESTDIR and PREFIX.
install: all manual hooks
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(COMPDIR) $(LIBDIR)/pkgconfig \
		$(LIBEXECDIR)/ctckpt $(HOOKSDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7)
	install -m 0755 $(B)/ctckpt $(DESTDIR)$(BINDIR)
	$(B)/ctckpt completion bash > $(DESTDIR)$(COMPDIR)/ctckpt
	install -m 0755 $(B)/restore-init $(DESTDIR)$(LIBEXECDIR)/ctckpt
	ln -sf $(BINDIR)/ctckpt $(DESTDIR)$(LIBEXECDIR)/ctckpt/oci-hook
	install -m 0644 $(HOOKS) $(DESTDIR)$(HOOKSDIR)
	install -m 0644 $(MAN1) $(DESTDIR)$(MANDIR)/man1
	install -m 0644 $(MAN5) $(DESTDIR)$(MANDIR)/man5
	install -m 0644 $(MAN7) $(DESTDIR)$(MANDIR)/man7
	install -m 0644 $(B)/libctckpt.a $(DESTDIR)$(LIBDIR)
	for header in $(HEADERS); do \
		target=$${header#lib/}; target=ctckpt/$${target#include/ctckpt/}; \
		install -D -m 0644 $$header $(DESTDIR)$(INCLUDEDIR)/$$target || exit 1; done
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR:$(PREFIX)%=$${prefix}%)' \
		'includedir=$(INCLUDEDIR:$(PREFIX)%=$${prefix}%)' \
		'Name: ctckpt' 'Description: checkpoint and restore of containers' \
		'Version: $(VERSION)' 'Requires.private: $(PKGS)' \
		'Cflags: -I$${includedir} -I$${includedir}/ctckpt' \
		'Libs: -L$${libdir} -lctckpt' 'Libs.private: -lpthread' \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/ctckpt.pc

# Remove what was built.
clean:
	rm -rf $(B)

# This list.
help:
	@awk '/^# /{text = substr($$0, 3); next} /^[a-z]+:/ && text {sub(":.*", "", $$1); \
		printf "make %-10s%s\n", $$1, text} {text = ""}' Makefile

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(LIB_SRC:%.c=$(B)/fuzz/obj/%.d)

.PHONY: mutate all manual hooks victims units test-tools fuzzers test check lint demo bench fuzz coverage soak install clean help force
.DELETE_ON_ERROR:
