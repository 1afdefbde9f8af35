# What packagers expect: make, make test, make install DESTDIR=… PREFIX=…

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
CARGOFLAGS ?= --locked
INSTALL ?= install

bindir = $(PREFIX)/bin
docdir = $(PREFIX)/share/doc/epcache
target = $(or $(CARGO_TARGET_DIR),target)

.PHONY: build try test check install clean

build:
	$(CARGO) build --release $(CARGOFLAGS)

# Indexes this machine's own Python packages into a place of your own, and looks around in it.
try: build
	@packaging/try $(target)/release/epcache

# What can be tested without installing anything. What is left out says so by name.
test:
	$(CARGO) test $(CARGOFLAGS)

# Installs what the tests need (as root, on Debian), and runs every test.
check:
	tests/run

install: build
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(docdir)
	$(INSTALL) -m 755 $(target)/release/epcache $(DESTDIR)$(bindir)/epcache
	ln -sf epcache $(DESTDIR)$(bindir)/refresh-entrypoints-cache
	$(INSTALL) -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE \
		docs/format.md docs/layout.md docs/decisions.md $(DESTDIR)$(docdir)

clean:
	$(CARGO) clean
