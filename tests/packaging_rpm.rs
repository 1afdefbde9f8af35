//! The RPM package in real transactions: `rpm --root`, with packages made of real wheels.
//!
//! In: the package as `rpm/build` builds it from this tree, and those of `tests/rpm/packages`. Each test has a
//! tree of its own, with a shell, the directories of Fedora's Python, and a database of rpm's. After each
//! transaction the index has to say what importlib.metadata says of the tree, `status` that it is fresh, and
//! `rpm -V` nothing at all.
//!
//! Needs root (rpm changes its root directory), rpmbuild, and what `tests/setup` provides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test's helpers are tests too

#[path = "support/container.rs"]
mod container;
#[path = "support/packaging.rs"]
mod packaging;
mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use container::Container;
use support::{
    Answer, FIELDS_AND_PATH, Interpreter, Library, Twins, difference, newest_oracle,
    public_directory, query, repository, run, skip, text, tree, within,
};

/// What is on `sys.path` in a tree, but for the standard library.
const SITES: [&str; 3] = [
    "/usr/local/lib/python3.13/site-packages",
    "/usr/lib64/python3.13/site-packages",
    SITE,
];
const SITE: &str = "/usr/lib/python3.13/site-packages";
const INDEX: &str = "usr/lib/epcache/index";

// ---- packages

/// What is installed in these tests.
struct Packages {
    directory: tempfile::TempDir,
    epcache: PathBuf,
    oracle: Interpreter,
}

/// All packages, made once; `None`, with a word about it, where they cannot be made here.
fn packages() -> Option<&'static Packages> {
    static PACKAGES: OnceLock<Option<Packages>> = OnceLock::new();
    PACKAGES.get_or_init(make_packages).as_ref()
}

fn make_packages() -> Option<Packages> {
    const WHAT: &str = "the RPM package";
    if packaging::being_built(WHAT) {
        return None;
    }
    if !nix::unistd::geteuid().is_root() {
        skip(WHAT, "only root can change the root directory");
        return None;
    }
    for program in ["rpm", "rpmbuild", "unzip"] {
        if run(within(20, program).arg("--version")).status.code() == Some(127) {
            skip(WHAT, &format!("{program} is not installed"));
            return None;
        }
    }
    let (venv, oracle) = (tree("venv")?, newest_oracle()?);
    let directory = public_directory();
    let began = Instant::now();
    let made = Command::new("timeout")
        .args(["--kill-after=5", "300"])
        .arg(repository().join("tests/rpm/packages"))
        .arg(directory.path())
        .arg(venv.parent().expect("the test cache").join("wheels"))
        .arg(venv.join("bin/python"))
        .args(["-m", "pip"])
        .stdin(Stdio::null())
        .output()
        .expect("tests/rpm/packages");
    assert!(made.status.success(), "{}", text(&made.stderr));
    // Without %check: these tests are running already. And with little optimization, which takes a minute.
    let built = Command::new("timeout")
        .args(["--kill-after=5", "900"])
        .arg(repository().join("rpm/build"))
        .arg(directory.path().join("epcache"))
        .args(["--without", "check"])
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpm"),
        )
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .stdin(Stdio::null())
        .output()
        .expect("rpm/build");
    let said = text(&built.stdout) + &text(&built.stderr);
    assert!(built.status.success(), "{said}");
    let found = fs::read_dir(directory.path().join("epcache")).unwrap();
    let mut found = found.map(|entry| entry.unwrap().path());
    // The Python reader's packages lie beside it.
    let is_program = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("epcache-")
    };
    let epcache = found.find(is_program).expect("a package");
    support::say(&format!(
        "packaging_rpm: packages made in {} s",
        began.elapsed().as_secs()
    ));
    Some(Packages {
        directory,
        epcache,
        oracle,
    })
}

impl Packages {
    /// A package of one of the sets in tests/rpm/wheels.txt.
    fn python(&self, set: &str, name: &str) -> PathBuf {
        let path = self.directory.path().join(set);
        path.join(format!("python3-{name}.rpm"))
    }

    /// All packages of a set.
    fn set(&self, set: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join(set)).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

// ---- a tree

/// A system of its own.
struct System {
    packages: &'static Packages,
    directory: tempfile::TempDir,
}

impl System {
    /// With a shell and the directories of Python, and nothing else.
    fn new(packages: &'static Packages) -> Self {
        let directory = public_directory();
        let system = Self {
            packages,
            directory,
        };
        system.rpm("-U", packages.set("base"));
        system
    }

    /// The same, with epcache and the new set.
    fn furnished(packages: &'static Packages) -> Self {
        let system = Self::new(packages);
        system.rpm("-U", packages.set("new"));
        system.rpm("-U", [&packages.epcache]);
        system.settled("furnished");
        system
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside.trim_start_matches('/'))
    }

    fn rpm_command(&self) -> Command {
        let mut command = within(120, "rpm");
        // There are no locales in a tree, and bash would say so.
        command.env("LC_ALL", "C");
        command
            .env("HOME", "/nonexistent")
            .args(["--dbpath", "/var/lib/rpm"]);
        command.arg("--root").arg(self.directory.path());
        command
    }

    /// A transaction, which has to succeed and to say nothing. `action` may be several words.
    fn rpm<S: AsRef<OsStr>>(&self, action: &str, packages: impl IntoIterator<Item = S>) {
        let said = self.hurt(action, packages);
        assert!(said.is_empty(), "rpm {action}: {said:?}");
    }

    /// A transaction, which has to succeed. What was said meanwhile.
    fn hurt<S: AsRef<OsStr>>(
        &self,
        action: &str,
        packages: impl IntoIterator<Item = S>,
    ) -> Vec<String> {
        let mut command = self.rpm_command();
        command.args(action.split(' ')).args(packages);
        succeeded(&command_name(&command), &run(&mut command))
    }

    /// The same, in a mount namespace of its own, after `prepare` (a line of shell, with `$root` for the tree) has run.
    fn hurt_behind<S: AsRef<OsStr>>(
        &self,
        prepare: &str,
        action: &str,
        packages: impl IntoIterator<Item = S>,
        then: &str,
    ) -> Vec<String> {
        let script = format!(
            "set -e; root=$1; shift; {prepare}; rpm --root \"$root\" --dbpath /var/lib/rpm {action} \"$@\"; {then}"
        );
        let mut command = within(120, "unshare");
        command.env("LC_ALL", "C");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "bash",
                "-c",
                &script,
                "bash",
            ])
            .arg(self.directory.path())
            .args(packages);
        succeeded(&command_name(&command), &run(&mut command))
    }

    /// `epcache`, inside.
    fn epcache(&self) -> Command {
        let mut command = within(60, "chroot");
        command.env_remove("EPCACHE_INDEX");
        command.arg(self.directory.path()).arg("/usr/bin/epcache");
        command
    }

    /// What a library says of the tree.
    fn expected(&self) -> Vec<support::EntryPoint> {
        let paths = SITES.map(|site| self.path(site)).to_vec();
        let oracle = &self.packages.oracle;
        let mut answers = oracle.ask(Library::Backport, Twins::Chosen, &[paths]);
        answers.remove(0).expect("the library's answer")
    }

    /// What epcache says, and what it says about it.
    fn answer(&self, freshness: &str) -> (Answer, String) {
        let paths = SITES.iter().flat_map(|site| ["--path", site]);
        query(&mut self.epcache(), paths.chain(["--freshness", freshness]))
    }

    /// A lookup gives the right answer, whatever has become of the index.
    fn answers(&self, step: &str) {
        let (answer, said) = self.answer("auto");
        if let Some(difference) = difference(&answer, &self.expected(), FIELDS_AND_PATH) {
            panic!("{step}: {difference}{said}");
        }
    }

    /// The index itself says what is there, and everything is as it should be.
    fn settled(&self, step: &str) {
        let expected = self.expected();
        for freshness in ["trust", "auto", "strict"] {
            let (answer, said) = self.answer(freshness);
            if let Some(difference) = difference(&answer, &expected, FIELDS_AND_PATH) {
                panic!("{step}: --freshness {freshness}: {difference}{said}");
            }
            assert_eq!(said, "", "{step}: --freshness {freshness}");
        }
        let status = run(self.epcache().arg("status"));
        assert_eq!(
            status.status.code(),
            Some(0),
            "{step}: {}",
            text(&status.stdout)
        );
        let said = text(&status.stdout);
        assert!(said.contains("installed for rpm"), "{step}: {said}");
        self.untouched(step);
    }

    /// `rpm -V` finds nothing to complain of.
    fn untouched(&self, step: &str) {
        let verified = run(self.rpm_command().args(["-V", "epcache"]));
        let said = text(&verified.stdout) + &without_notes(&verified.stderr).join("\n");
        assert!(
            verified.status.success() && said.is_empty(),
            "{step}: rpm -V: {said}"
        );
    }

    /// The old index, after a failure: whole, and but for the suspect byte what it was.
    fn old_index_is_whole(&self, step: &str, old: &[u8]) {
        let now = fs::read(self.path(INDEX)).expect("the old index");
        let different = old.iter().zip(&now).filter(|(a, b)| a != b).count();
        assert!(
            old.len() == now.len() && different <= 1,
            "{step}: {different} bytes differ"
        );
        let verified = run(self.epcache().arg("verify").arg(Path::new("/").join(INDEX)));
        assert!(
            verified.status.success(),
            "{step}: {}",
            text(&verified.stderr)
        );
    }

    /// Every file and directory, but for those of rpm and of the programs that make users.
    fn contents(&self) -> BTreeSet<String> {
        let found = run(within(60, "find").current_dir(self.directory.path()).args([
            ".",
            "-path",
            "./var/lib/rpm",
            "-prune",
            "-o",
            "-path",
            "./etc",
            "-prune",
            "-o",
            "-print",
        ]));
        text(&found.stdout).lines().map(str::to_owned).collect()
    }
}

fn command_name(command: &Command) -> String {
    format!("{command:?}")
}

/// What a successful command has said, line by line.
fn succeeded(what: &str, output: &Output) -> Vec<String> {
    let said = without_notes(&output.stderr);
    assert!(
        output.status.success(),
        "{what}: {:?}: {said:?}",
        output.status
    );
    said
}

/// Debian's rpm has a note on each run with `--root`.
fn without_notes(said: &[u8]) -> Vec<String> {
    let lines = text(said);
    let is_note = |line: &str| {
        line.starts_with("rpm: RPM should not be used directly")
            || line.starts_with("rpm: However assuming you know")
    };
    let own = lines.lines().filter(|line| !is_note(line));
    own.map(str::to_owned).collect()
}

/// One line from epcache: for each of its triggers, of which an upgrade starts two.
fn one_line(step: &str, said: &[String]) {
    let mut lines: Vec<_> = said.iter().map(|line| untemporary(line)).collect();
    lines.dedup();
    let is_one = lines.len() == 1 && said.len() <= 2;
    assert!(
        is_one && said.iter().all(|line| line.starts_with("epcache: ")),
        "{step}: {said:?}"
    );
}

/// A line up to the name of a temporary file.
fn untemporary(line: &str) -> &str {
    line.split_once("/.index.")
        .map_or(line, |(before, _)| before)
}

#[test]
fn rpmlint_finds_no_error() {
    let Some(packages) = packages() else { return };
    let mut command = within(120, "rpmlint");
    command
        .arg("--rpmlintrc")
        .arg(repository().join("rpm/epcache.rpmlintrc"));
    command
        .arg(repository().join("rpm/epcache.spec"))
        .arg(&packages.epcache);
    let output = run(&mut command);
    let found = text(&output.stdout);
    if output.status.code() == Some(127) {
        return skip("rpmlint", "it is not installed");
    }
    assert!(
        found.contains("1 packages and 1 specfiles checked; 0 errors"),
        "{found}{}",
        text(&output.stderr)
    );
}

#[test]
fn the_rpm_package_has_what_make_installs() {
    let Some(packages) = packages() else { return };
    let query = |arguments: &[&str]| {
        let listed = run(within(60, "rpm").args(arguments).arg(&packages.epcache));
        assert!(listed.status.success(), "{}", text(&listed.stderr));
        text(&listed.stdout)
    };
    let doc = "/usr/share/doc/epcache";
    let mut made = packaging::installed_by_make([doc, "", "/usr/share/zsh/site-functions"]);
    made.insert("/usr/lib/epcache/triggers.d/rpm".to_owned());
    // Neither directories, nor what is only listed (ghosts), nor what rpm adds by itself. Licences are where its macro
    // puts them.
    let format = "[%{FILEMODES:perms} %{FILEFLAGS:fflags} %{FILENAMES}\n]";
    let listed = query(&["-qp", "--qf", format]);
    let files = listed.lines().filter_map(|line| {
        let (mode, rest) = line.split_once(' ')?;
        let (flags, name) = rest.split_once(' ')?;
        let counts = !mode.starts_with('d')
            && !flags.contains(['g', 'l'])
            && !name.starts_with("/usr/lib/.build-id/");
        counts.then(|| name.trim_end_matches(".gz").to_owned())
    });
    assert_eq!(files.collect::<BTreeSet<_>>(), made);
    let licences = query(&["-qp", "--licensefiles"]);
    assert_eq!(licences.lines().count(), 2, "{licences}");
}

/// The distribution's presets decide, and as long as they say nothing of epcache, what they say of all others.
#[test]
fn what_is_enabled_after_installation_is_the_distributions_presets_to_say() {
    let Some(packages) = packages() else { return };
    let Some(container) = Container::new("presets") else {
        return;
    };
    fs::copy(&packages.epcache, container.root().join("epcache.rpm")).unwrap();
    let rpm = ["rpm", "--force-debian", "--nodeps"];
    let install = || container.chroot(&[&rpm[..], &["-i", "/epcache.rpm"]].concat());
    let erase = || container.chroot(&[&rpm[..], &["-e", "epcache"]].concat());
    let presets = "/usr/lib/systemd/system-preset";
    // Fedora's last word.
    let last = format!("{presets}/99-default-disable.preset");
    container.write(&last, "disable *\n");
    install();
    assert_eq!(container.enabled(), [false, false]);
    erase();
    let listed = "enable epcache.path\nenable epcache.timer\n";
    container.write(&format!("{presets}/90-default.preset"), listed);
    install();
    assert_eq!(container.enabled(), [true, true]);
    erase();
    assert_eq!(container.enabled(), [false, false]);
    // No package brings a preset of its own.
    let own = run(within(60, "rpm").args(["-qpl"]).arg(&packages.epcache));
    assert!(!text(&own.stdout).contains("preset"));
}

// ---- the walk

#[test]
fn the_index_follows_every_transaction() {
    let Some(packages) = packages() else { return };
    // Installed after the Python packages.
    let system = System::furnished(packages);

    system.rpm("-U --oldpackage", packages.set("old"));
    system.settled("downgraded");
    system.rpm("-U", [packages.python("new", "stevedore")]);
    system.settled("upgraded");

    // One upstream version, other entry points: the search directory's times stay as they are.
    system.rpm("-U", packages.set("revision"));
    system.settled("revised in place");
    let metadata = system.path(SITE).join("stevedore-5.10.0.dist-info");
    let mtime = |name: &str| fs::metadata(metadata.join(name)).unwrap().mtime();
    assert_eq!(
        mtime("entry_points.txt"),
        mtime("METADATA"),
        "a clamped time"
    );

    system.rpm("-e", ["python3-keyring"]);
    system.settled("erased");
    system.rpm("-e", ["python3-pytest-xdist", "python3-wheel"]);
    system.settled("two erased, one in lib64, one in /usr/local");
    system.rpm(
        "-U",
        [
            packages.python("new", "setuptools"),
            packages.python("new", "wheel"),
        ],
    );
    system.settled("one upgraded, one installed");

    // The package that owns site-packages sets its time back to when it was built.
    system.rpm("-U --replacepkgs", [packages.python("base", "libs")]);
    let format = "[%{FILENAMES} %{FILEMTIMES}\n]";
    let owned = run(system
        .rpm_command()
        .args(["-q", "--qf", format, "python3-libs"]));
    let mtime = fs::metadata(system.path(SITE)).unwrap().mtime();
    let owned = text(&owned.stdout);
    assert!(
        owned.contains(&format!("{SITE} {mtime}\n")),
        "{mtime}: {owned}"
    );
    system.settled("site-packages installed anew");

    system.rpm("-U --replacepkgs", [&packages.epcache]);
    system.settled("epcache installed anew");
}

#[test]
fn one_transaction_may_erase_and_install() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    // What obsoletes another is installed, and the other erased, in one transaction.
    system.rpm("-U", packages.set("swap"));
    assert!(
        !system
            .path(SITE)
            .join("flake8_comprehensions-3.17.0.dist-info")
            .exists()
    );
    system.settled("one erased while another was installed");
}

#[test]
fn epcache_may_be_there_first_and_leaves_nothing() {
    let Some(packages) = packages() else { return };
    let system = System::new(packages);
    let before = system.contents();
    system.rpm("-U", [&packages.epcache]);
    system.settled("without any Python package");
    let users = fs::read_to_string(system.path("etc/passwd")).unwrap();
    assert!(users.contains("_epcache:"), "{users}");
    let (all, twice) = (packages.set("new"), packages.python("new", "stevedore"));
    system.rpm("-U", &all);
    system.settled("with all of them");
    system.rpm("-U --replacepkgs", [&twice]);
    system.settled("with one of them again");

    // The last transaction takes epcache along with what it has indexed, and all that it keeps beside the index.
    for directory in ["usr/lib/epcache", "var/cache/epcache"] {
        for kept in ["views", "changed"] {
            let kept = system.path(directory).join(kept);
            fs::create_dir_all(&kept).unwrap();
            fs::write(kept.join("some"), "").unwrap();
        }
    }
    system.untouched("with views and stamps");
    let installed = run(system.rpm_command().args(["-qa", "python3-*"]));
    let installed = text(&installed.stdout);
    let gone = installed
        .lines()
        .filter(|name| !name.starts_with("python3-libs"));
    system.rpm("-e", gone.chain(["epcache"]));
    let left: Vec<_> = system
        .contents()
        .symmetric_difference(&before)
        .cloned()
        .collect();
    assert!(left.is_empty(), "left, or gone with it: {left:?}");
}

#[test]
fn without_python_there_is_an_index_too() {
    let Some(packages) = packages() else { return };
    let system = System::new(packages);
    system.rpm("-e", ["python3-libs"]);
    system.rpm("-U", [&packages.epcache]);
    assert!(system.path(INDEX).exists());
    system.untouched("without Python");
}

#[test]
fn a_lookup_before_any_trigger_has_run_finds_what_was_just_unpacked() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    system.rpm("-U", packages.set("revision"));
    let answer = fs::read_to_string(system.path("tmp/answer")).unwrap();
    assert!(answer.contains("stevedore:second"), "in %post: {answer}");
    system.settled("after the transaction");

    // A transaction without triggers, and the time of site-packages set back after it.
    system.rpm("-U --oldpackage --notriggers", packages.set("old"));
    system.answers("without triggers");
    system.rpm(
        "-U --replacepkgs --notriggers",
        [packages.python("base", "libs")],
    );
    system.answers("with the time of site-packages set back");
    let status = run(system.epcache().arg("status"));
    assert_eq!(status.status.code(), Some(3), "{}", text(&status.stdout));
    // The next trigger mends it.
    system.rpm("-e", ["python3-twine"]);
    system.settled("after the next trigger");
}

/// A consumer comes with a package of its own, and goes with it.
#[test]
fn a_registered_consumer_is_told_of_its_own_entry_points_and_of_no_others() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    let view = system.path("usr/lib/epcache/views/pytest-plugins.tsv");
    let stamp = system.path("usr/lib/epcache/changed/pytest-plugins");
    let stamped = || {
        let inode = fs::metadata(&stamp).unwrap().ino();
        (inode, fs::read_to_string(&stamp).unwrap())
    };
    let told = |step: &str| {
        system.settled(step);
        let view = fs::read_to_string(&view).unwrap();
        let told: BTreeSet<_> = view
            .lines()
            .map(|line| line.split('\t').take(3).collect::<Vec<_>>().join(" "))
            .collect();
        let expected: BTreeSet<_> = system
            .expected()
            .into_iter()
            .filter(|entry| entry.group == "pytest11")
            .map(|entry| format!("{} {} {}", entry.group, entry.name, entry.value))
            .collect();
        assert_eq!(told, expected, "{step}");
        assert!(!told.is_empty(), "{step}");
    };
    assert!(!view.exists() && !stamp.exists());
    system.rpm("-U", packages.set("consumer"));
    told("registered");
    let first = stamped();
    system.rpm("-e", ["python3-twine"]);
    told("an unrelated one erased");
    assert_eq!(stamped(), first);
    system.rpm("-U", [packages.python("new", "twine")]);
    told("an unrelated one installed");
    assert_eq!(stamped(), first);
    system.rpm("-e", ["python3-pytest-xdist"]);
    assert_ne!(stamped().1, first.1, "a plugin erased");
    told("a plugin erased");
    system.rpm("-U", [packages.python("new", "pytest-xdist")]);
    told("a plugin installed");
    system.rpm("-e", ["pytest-plugins"]);
    system.settled("the consumer erased");
    assert!(!view.exists() && !stamp.exists());
    // epcache goes before its consumer does, and leaves nothing but what is the other's.
    system.rpm("-U", packages.set("consumer"));
    system.rpm("-e", ["epcache"]);
    let left = fs::read_dir(system.path("usr/lib/epcache")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["consumers.d"]);
}

// ---- harm

#[test]
fn where_usr_is_read_only_the_index_goes_to_var() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    let old = fs::read(system.path(INDEX)).unwrap();
    let said = system.hurt_behind(
        "mount --bind \"$root/usr/lib/epcache\" \"$root/usr/lib/epcache\"; \
         mount -o remount,bind,ro \"$root/usr/lib/epcache\"",
        "-U --oldpackage",
        packages.set("old"),
        "",
    );
    assert!(said.is_empty(), "{said:?}");
    assert!(system.path("var/cache/epcache/index").exists());
    system.old_index_is_whole("/usr read-only", &old);
    system.answers("/usr read-only");
    system.untouched("/usr read-only");
}

#[test]
fn where_the_index_cannot_be_written_at_all_one_line_says_so() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    let old = fs::read(system.path(INDEX)).unwrap();
    let read_only = |directory: &str| {
        format!(
            "mkdir -p \"$root/{directory}\"; mount --bind \"$root/{directory}\" \"$root/{directory}\"; \
             mount -o remount,bind,ro \"$root/{directory}\""
        )
    };
    let said = system.hurt_behind(
        &format!(
            "{}; {}",
            read_only("usr/lib/epcache"),
            read_only("var/cache/epcache")
        ),
        "-U --oldpackage",
        packages.set("old"),
        "",
    );
    one_line("read-only", &said);
    system.old_index_is_whole("read-only", &old);
    system.answers("read-only");
}

#[test]
fn on_a_full_disk_the_old_index_stays() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    let old = fs::read(system.path(INDEX)).unwrap();
    // What is in the small file system is copied out before it goes away.
    let said = system.hurt_behind(
        "mkdir /tmp/.full.$$; mount -t tmpfs -o size=128k,mode=755 full /tmp/.full.$$; \
         cp -a \"$root\"/usr/lib/epcache/. /tmp/.full.$$; \
         mount --move /tmp/.full.$$ \"$root/usr/lib/epcache\"; rmdir /tmp/.full.$$; \
         dd if=/dev/zero of=\"$root/usr/lib/epcache/filler\" bs=4k status=none 2>/dev/null || true",
        "-U --oldpackage",
        packages.set("old"),
        "rm \"$root/usr/lib/epcache/filler\"; ls -A \"$root/usr/lib/epcache\" >\"$root/tmp/left\"; \
         cp -a \"$root/usr/lib/epcache/index\" \"$root/tmp/index\"",
    );
    one_line("full", &said);
    let left = fs::read_to_string(system.path("tmp/left")).unwrap();
    assert!(!left.contains(".tmp"), "left behind: {left}");
    fs::copy(system.path("tmp/index"), system.path(INDEX)).unwrap();
    system.old_index_is_whole("full", &old);
    system.answers("full");
}

#[test]
fn without_the_user_packages_are_read_as_nobody() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    for file in ["etc/passwd", "etc/group"] {
        let content = fs::read_to_string(system.path(file)).unwrap();
        let rest = content.lines().filter(|line| !line.starts_with("_epcache"));
        fs::write(
            system.path(file),
            rest.collect::<Vec<_>>().join("\n") + "\n",
        )
        .unwrap();
    }
    let said = system.hurt("-U --oldpackage", packages.set("old"));
    assert!(said.is_empty(), "{said:?}");
    system.settled("without the user");
}

#[test]
fn a_lock_that_somebody_holds_costs_one_line() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    let old = fs::read(system.path(INDEX)).unwrap();
    let mut holder = Command::new("flock")
        .arg(system.path("usr/lib/epcache/index.lock"))
        .args(["sleep", "60"])
        .stdin(Stdio::null())
        .spawn()
        .expect("flock");
    std::thread::sleep(Duration::from_millis(300));
    let said = system.hurt("-U --oldpackage", packages.set("old"));
    one_line("locked", &said);
    system.old_index_is_whole("locked", &old);
    system.answers("locked");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn in_odd_surroundings_the_index_follows_all_the_same() {
    const SIGNALS: &str = "import os, sys; from signal import *; ";
    let python = |code: &str| {
        let become_rpm = "os.execvp(\"rpm\", [\"rpm\"] + sys.argv[1:])";
        format!("rpm() {{ timeout 60 python3 -Ic '{SIGNALS}{code}; {become_rpm}' \"$@\"; }}")
    };
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    assert!(!system.path("dev").exists(), "trees have no /dev");
    for prepare in [
        python("pthread_sigmask(SIG_BLOCK, [SIGCHLD])"),
        python("pthread_sigmask(SIG_BLOCK, valid_signals())"),
        python("signal(SIGINT, SIG_IGN)"),
        "exec <&-".into(),
        "exec >&-".into(),
        "exec 2>&-".into(),
        "exec <&- >&- 2>&-".into(),
        "mkdir \"$root/dev\"".into(),
    ] {
        let said = system.hurt_behind(&prepare, "-U --oldpackage", packages.set("old"), "");
        assert!(said.is_empty(), "{prepare}: {said:?}");
        system.settled(&prepare);
        let said = system.hurt_behind(
            &prepare.replace("mkdir", "ls"),
            "-U --replacepkgs",
            packages.set("new"),
            "",
        );
        assert!(said.is_empty(), "{prepare}: {said:?}");
        system.settled(&prepare);
    }
    let left = fs::read_dir(system.path("dev")).unwrap().count();
    assert_eq!(left, 0, "in /dev");
}

#[test]
fn a_trigger_that_is_killed_half_way_costs_one_line() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    let old = fs::read(system.path(INDEX)).unwrap();
    let (program, real) = (system.path("usr/bin/epcache"), system.path("usr/bin/real"));
    fs::rename(&program, &real).unwrap();
    // The kernel ends it while it writes the new index, by a signal that nobody expects.
    fs::write(
        &program,
        "#!/bin/sh\nulimit -f 1\nexec /usr/bin/real \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let said = system.hurt("-U --oldpackage", packages.set("old"));
    fs::rename(&real, &program).unwrap();
    // The shell may have a line of its own about it.
    let ours = |line: &String| untemporary(line).starts_with("epcache: ");
    one_line("killed", &said.into_iter().filter(ours).collect::<Vec<_>>());
    system.old_index_is_whole("killed", &old);
    system.answers("killed");
    // The next one clears up.
    system.rpm("-e", ["python3-twine"]);
    system.settled("after a killed trigger");
    let left = fs::read_dir(system.path("usr/lib/epcache")).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name());
    assert!(
        left.into_iter()
            .all(|name| !name.to_string_lossy().ends_with(".tmp"))
    );
}

#[test]
fn without_the_program_the_transaction_succeeds() {
    let Some(packages) = packages() else { return };
    let system = System::furnished(packages);
    fs::remove_file(system.path("usr/bin/epcache")).unwrap();
    // A list that no pipe holds, and nobody reads it.
    system.rpm("-U", packages.set("bulk"));
    system.rpm("-e", ["python3-babel"]);
    system.rpm("-U --replacepkgs", [&packages.epcache]);
    system.settled("with the program again");
}
