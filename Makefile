# ctckpt. Output goes to build/; `make help` lists the targets.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
COMPDIR ?= $(PREFIX)/share/bash-completion/completions
B ?= build
VERSION := 0.1.0

PKGS := libcap libseccomp libcgroup jansson libxxhash libzstd liblz4
WARN := -Wall -Wextra -Werror -Wvla -Wshadow -Wstrict-prototypes -Wmissing-prototypes
HARDEN := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-plt
OPT ?= -O2 -g
CFLAGS ?=
ALL_CFLAGS = -std=gnu17 $(OPT) $(WARN) $(HARDEN) -D_GNU_SOURCE -DCTCKPT_VERSION='"$(VERSION)"' \
	-Ilib -Iinclude -I$(B)/gen $(shell pkg-config --cflags $(PKGS)) -MMD -MP $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread

LIB_SRC := $(sort $(wildcard lib/*/*.c lib/kind/*/*.c))
KIND_SRC := $(sort $(filter-out lib/kind/support/%,$(wildcard lib/kind/*/*.c)))
KINDS := $(notdir $(KIND_SRC:.c=))
CMD_SRC := $(sort $(wildcard cmd/*.c))
VICTIM_SRC := $(sort $(wildcard tests/victim/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/gen/kinds.o
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
VICTIMS := $(VICTIM_SRC:tests/victim/%.c=$(B)/victim/%)
UNITS := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)

all: $(B)/ctckpt

$(B)/ctckpt: $(CMD_OBJ) $(B)/libctckpt.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

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

$(B)/unit/%: tests/unit/%.c $(B)/libctckpt.a $(wildcard tests/unit/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libctckpt.a $(LIBS)

victims: $(VICTIMS)
units: $(UNITS)

clean:
	rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d)

.PHONY: all victims units clean
.DELETE_ON_ERROR:
