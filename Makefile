# What packagers expect: make, make test, make install DESTDIR=… PREFIX=…, make uninstall, make deb, make rpm

PREFIX ?= /usr/local
DESTDIR ?=
DOCDIR ?= $(PREFIX)/share/doc/epcache
LICENSEDIR ?= $(PREFIX)/share/licenses/epcache
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
CARGO ?= cargo
CARGOFLAGS ?= --locked

target = $(or $(CARGO_TARGET_DIR),target)

.PHONY: build try quick test check install uninstall install-python install-python-auto deb rpm clean

build:
	$(CARGO) build --release $(CARGOFLAGS)

# Indexes this machine's own Python packages into a folder of its own below target, and looks around.
try:
	@echo 'Compiles epcache and the crates that it needs: a few minutes on two cores, some 200 MB below $(target).'
	@$(MAKE) --no-print-directory build
	@packaging/try $(target)/release/epcache

# What can be tested without installing anything. What is left out says so by name.
test:
	$(CARGO) test $(CARGOFLAGS)

# Some two minutes, once everything is compiled: the units, and all test programs but these.
SLOW = budget budget_pth concurrency conquered consumers_recipes consumers_units dead_mounts \
	dependencies differential faults foreign_file_systems hook hostile_trees images index_hostile \
	index_roundtrip make_install namespaces nobody odd_surroundings packaging_dpkg packaging_rpm python \
	python_cpython python_differential python_mutations python_programs reproducible separation \
	shared_tree special_files units

quick:
	$(CARGO) test $(CARGOFLAGS) --lib --bins \
		$(patsubst %,--test %,$(filter-out $(SLOW),$(basename $(notdir $(wildcard tests/*.rs)))))

# Installs what the tests need (as root, on Debian), and runs every test.
check:
	tests/run

# What is installed where: packaging/files
install: build
	packaging/install '$(abspath $(target))/release/epcache' '$(DESTDIR)' '$(PREFIX)' \
		'$(DOCDIR)' '$(LICENSEDIR)' '$(ZSHDIR)'

uninstall:
	packaging/install --remove '$(DESTDIR)' '$(PREFIX)' '$(DOCDIR)' '$(LICENSEDIR)' '$(ZSHDIR)'

# The Python reader, and what puts it to use at every start of an interpreter: PYTHONDIR is a site directory.
PYTHONDIR ?= $(shell python3 -Ic 'import sysconfig; print(sysconfig.get_path("purelib"))')

install-python:
	packaging/install-python reader '$(DESTDIR)' '$(PYTHONDIR)'

install-python-auto:
	packaging/install-python auto '$(DESTDIR)' '$(PYTHONDIR)'

# The Debian packages, in dist/ (docs/packaging.md says what it needs).
deb:
	packaging/deb

# The RPM package, in dist/ (rpm/build says what it needs).
rpm:
	rpm/build

# All that a release publishes, in dist/ (RELEASING.md).
.PHONY: dist
dist:
	packaging/dist

clean:
	$(CARGO) clean
