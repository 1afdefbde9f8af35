//! A search directory of four distributions with an index of it, and the answers of readers.
//!
//! The input is a change to the directory by a test. The output is the answers of each level of
//! freshness afterwards, by the library and by the program, the number of metadata directories that
//! had to be read, and the output of `status`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use epcache::freshness::{self, Circumstances, Level, Listing, Recall, Verdict};
use epcache::index::Index;
use epcache::index::format::record_flag;
use epcache::lookup::{Answers, OpenIndex, PlaceKind, State, entry_points, examine};
use epcache::rooted::Root;
use epcache::scan::budget::Budget;
use epcache::scan::{self, Difference, Extent, Purpose, Scanned};
use epcache::worker::{self, Request, Scope};
use tempfile::TempDir;

use crate::machine::{as_user, at_second, chown, epcache, modified, run, set_modified, text};
use crate::mounts::Mount;

/// In the order in which tests list the results of the levels.
pub(crate) const LEVELS: [(Level, &str); 4] = [
    (Level::Auto, "auto"),
    (Level::Fast, "fast"),
    (Level::Strict, "strict"),
    (Level::Trust, "trust"),
];

/// The distributions of a new site: name, and content of entry_points.txt.
const INSTALLED: [(&str, Option<&str>); 4] = [
    ("alpha", Some("alpha:one")),
    ("beta", Some("beta:one")),
    ("gamma", Some("gamma:one")),
    ("plain", None),
];

/// The number of metadata directories of a new site.
pub(crate) const ALPHA: &str = "alpha-1.0.dist-info";
pub(crate) const BETA: &str = "beta-1.0.dist-info";
pub(crate) const PLAIN: &str = "plain-1.0.dist-info";

/// A user that owns nothing.
pub(crate) const NOBODY: u32 = 65534;

/// The answer of a reader after a change, and whether it warns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Told {
    /// The content of the index, silently.
    Old,
    /// The present content, silently.
    New,
    /// The present content, and a warning that the index is wrong.
    Warned,
}

/// An answer: the entry points of the group `plugins`, and whether there was a warning.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) entries: Vec<String>,
    pub(crate) warning: Option<String>,
}

/// The reads of a lookup.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    /// Metadata directories.
    pub(crate) read: usize,
    pub(crate) differences: Vec<Difference>,
    /// Whether the record was trusted without a closer look.
    pub(crate) at_once: bool,
}

pub(crate) struct Site {
    /// The search directory.
    pub(crate) dir: PathBuf,
    /// The root of a small system that has the directory on `sys.path`.
    pub(crate) root: PathBuf,
    /// Whether the indexes are in the file tree `usr`, with the directory, or in `var`.
    pub(crate) index_in_usr: bool,
    /// The answers of the indexes when they were made.
    before: Vec<String>,
    /// Mounted on `usr`.
    pub(crate) mount: Option<Mount>,
    _temporary: TempDir,
}

impl Site {
    /// Four distributions and a fresh index.
    pub(crate) fn new() -> Self {
        let mut site = Self::empty();
        site.install_all();
        site.refresh();
        site
    }

    /// The same on its own file system, which holds all of `usr`. `None` if that is not possible.
    pub(crate) fn mounted(mount: impl FnOnce(&Path) -> Option<Mount>) -> Option<Self> {
        let mut site = Self::bare();
        site.mount = Some(mount(&site.usr())?);
        site.make_dir();
        site.install_all();
        site.refresh();
        Some(site)
    }

    /// An empty search directory without an index.
    pub(crate) fn empty() -> Self {
        let site = Self::bare();
        site.make_dir();
        site
    }

    /// An empty one that the index knows: one that it does not know is taken for a mistake.
    pub(crate) fn emptied() -> Self {
        let mut site = Self::empty();
        site.install("first", None);
        site.refresh();
        fs::remove_dir_all(site.path("first-1.0.dist-info")).unwrap();
        site.refresh();
        site
    }

    fn bare() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        fs::set_permissions(temporary.path(), Permissions::from_mode(0o755)).unwrap();
        let root = temporary.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("usr")).unwrap();
        // `status` asks about a directory that is gone too.
        fs::write(
            root.join("etc/epcache.conf"),
            "directories = /usr/lib/python3/dist-packages\n",
        )
        .unwrap();
        Self {
            dir: root.join("usr/lib/python3/dist-packages"),
            root,
            index_in_usr: false,
            before: Vec::new(),
            mount: None,
            _temporary: temporary,
        }
    }

    fn make_dir(&self) {
        fs::create_dir_all(&self.dir).unwrap();
    }

    pub(crate) fn install_all(&self) {
        for (name, entry_point) in INSTALLED {
            self.install(name, entry_point);
        }
    }

    pub(crate) fn usr(&self) -> PathBuf {
        self.root.join("usr")
    }

    /// The index of the directory by its path on this machine.
    pub(crate) fn index(&self) -> PathBuf {
        let tree = if self.index_in_usr { "usr" } else { "var" };
        self.root.join(tree).join("index/index")
    }

    /// The index of the small system, for `status`.
    fn system_index(&self) -> PathBuf {
        let place = if self.index_in_usr {
            "usr/lib/epcache/index"
        } else {
            "var/cache/epcache/index"
        };
        self.root.join(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    // ---- changes

    /// Installs version 1.0, with its own time: installing two packages takes no measurable time.
    pub(crate) fn install(&self, name: &str, entry_point: Option<&str>) {
        let metadata = self.path(&format!("{name}-1.0.dist-info"));
        fs::create_dir(&metadata).unwrap();
        let headers = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
        fs::write(metadata.join("METADATA"), headers).unwrap();
        if let Some(value) = entry_point {
            fs::write(metadata.join("entry_points.txt"), plugins(name, value)).unwrap();
        }
        let age = Duration::from_nanos(1_000_000_007) * (1 + u32::from(name.as_bytes()[0]));
        set_modified(&metadata, SystemTime::now() - age);
    }

    pub(crate) fn remove(&self, metadata_directory: &str) {
        fs::remove_dir_all(self.path(metadata_directory)).unwrap();
    }

    /// Replaces alpha's entry_points.txt by another one of the same size and with the same mtime,
    /// as in a rebuilt package, by renaming, as dpkg and rpm do. The search directory does not
    /// change.
    pub(crate) fn upgrade_alpha(&self) {
        self.upgrade_alpha_to("alpha:two");
    }

    pub(crate) fn upgrade_alpha_to(&self, value: &str) {
        let file = self.path(ALPHA).join("entry_points.txt");
        self.upgrade_alpha_with(value, modified(&file));
    }

    pub(crate) fn upgrade_alpha_with(&self, value: &str, mtime: SystemTime) {
        let metadata = self.path(ALPHA);
        let fresh = metadata.join("entry_points.txt.dpkg-new");
        fs::write(&fresh, plugins("alpha", value)).unwrap();
        set_modified(&fresh, mtime);
        fs::rename(&fresh, metadata.join("entry_points.txt")).unwrap();
    }

    /// Makes a change, and resets the mtimes of the directory and its metadata directories.
    pub(crate) fn keeping_mtimes(&self, change: impl FnOnce()) {
        let paths = self.directories();
        let mtimes: Vec<_> = paths.iter().map(|path| modified(path)).collect();
        change();
        for (path, mtime) in paths.iter().zip(mtimes) {
            // Removed or unchanged ones need no reset.
            if path.exists() && modified(path) != mtime {
                set_modified(path, mtime);
            }
        }
    }

    /// Sets all mtimes in the directory, and its own, to one value.
    pub(crate) fn clamp(&self, mtime: SystemTime) {
        for path in self.everything() {
            set_modified(&path, mtime);
        }
    }

    /// Sets times as packages contain them: whole seconds, each different.
    pub(crate) fn set_packaged_times(&self) {
        for (number, path) in (0..).zip(self.everything()) {
            set_modified(&path, at_second(1_700_000_000 + number));
        }
    }

    /// Changes every ctime and no mtime, as `chmod -R` does.
    pub(crate) fn renew_ctimes(&self) {
        for path in self.everything() {
            let permissions = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, permissions).unwrap();
        }
    }

    /// The search directory and its metadata directories.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.dir.clone()];
        paths.extend(
            fs::read_dir(&self.dir)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_dir()),
        );
        paths
    }

    fn everything(&self) -> Vec<PathBuf> {
        let mut paths = self.directories();
        for directory in paths.clone().into_iter().skip(1) {
            paths.extend(
                fs::read_dir(&directory)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        paths
    }

    // ---- indexes

    /// Makes the indexes again, with the program.
    pub(crate) fn refresh(&mut self) {
        self.refresh_with(&[], None);
    }

    pub(crate) fn refresh_with(&mut self, options: &[&str], epoch: Option<u64>) {
        let mut command = epcache();
        command.args(["refresh", "--path"]).arg(&self.dir);
        command.arg("--output").arg(self.index());
        self.run_refresh(command, options, epoch);
        let mut command = epcache();
        command
            .args(["refresh", "--system", "--root"])
            .arg(&self.root);
        command.arg("--output").arg(self.system_index());
        self.run_refresh(command, options, epoch);
        self.remember();
    }

    fn run_refresh(&self, mut command: Command, options: &[&str], epoch: Option<u64>) {
        command.args(options);
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch.to_string());
        }
        let output = run(&mut command);
        assert!(
            output.status.success(),
            "{command:?}: {}",
            text(&output.stderr)
        );
    }

    /// Makes the index as another user, who may not read everything, and gives it to root.
    pub(crate) fn refresh_as(&mut self, user: u32) {
        let folder = self.index().parent().unwrap().to_owned();
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        chown(&folder, user);
        let mut command = epcache();
        command.args(["refresh", "--path"]).arg(&self.dir);
        command.arg("--output").arg(self.index());
        self.run_refresh(as_user(command, user), &[], None);
        chown(&folder, 0);
        chown(&self.index(), 0);
        self.remember();
    }

    /// From now on, the content of the index is the old answer.
    pub(crate) fn remember(&mut self) {
        self.before = self.answer(Level::Trust).entries;
    }

    /// Marks the indexes as a failed refresh does.
    pub(crate) fn suspect(&self) {
        for index in [self.index(), self.system_index()] {
            let at = epcache::index::format::SUSPECT_AT;
            let file = fs::File::options().write(true).open(&index).unwrap();
            file.write_all_at(&[1], at).unwrap();
        }
    }

    // ---- the present content, and the answers of readers

    /// The present content, read without any index.
    pub(crate) fn now(&self) -> Vec<String> {
        self.ask(&[], Level::Auto).entries
    }

    /// The answer of the index when it was made.
    pub(crate) fn before(&self) -> &[String] {
        &self.before
    }

    /// The answer of the library.
    pub(crate) fn answer(&self, level: Level) -> Answer {
        let opened = OpenIndex::open(&Root::system(), &self.index(), PlaceKind::Given);
        let indexes: Vec<_> = opened.into_iter().collect();
        self.ask(&indexes, level)
    }

    fn ask(&self, indexes: &[OpenIndex], level: Level) -> Answer {
        let answers = Answers::find(
            &Root::system(),
            std::slice::from_ref(&self.dir),
            indexes,
            &|_| level,
        );
        assert!(answers.damaged.is_empty(), "{:?}", answers.damaged);
        let found = entry_points(&answers, Some("plugins"), None).unwrap();
        let entries = found.iter().map(|entry| {
            let version = String::from_utf8_lossy(&entry.distribution.version);
            format!("{} {version} {}", entry.name, entry.value)
        });
        Answer {
            entries: entries.collect(),
            warning: (!answers.stale.is_empty()).then(|| format!("{:?}", answers.stale)),
        }
    }

    /// The answer of the program.
    pub(crate) fn query(&self, level: &str) -> Answer {
        self.query_as(0, level)
    }

    pub(crate) fn query_as(&self, user: u32, level: &str) -> Answer {
        let mut command = epcache();
        command.args(["query", "plugins", "--json", "--freshness", level, "--path"]);
        command.arg(&self.dir).arg("--index").arg(self.index());
        if user != 0 {
            command = as_user(command, user);
        }
        let output = run(&mut command);
        let said = text(&output.stderr);
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {said}"));
        let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
        let entries: Vec<_> = rows
            .iter()
            .map(|row| {
                let [name, version, value] =
                    ["name", "version", "value"].map(|name| field(row, name));
                format!("{name} {version} {value}")
            })
            .collect();
        assert_eq!(output.status.code(), Some(i32::from(entries.is_empty())));
        Answer {
            entries,
            warning: (!said.is_empty()).then_some(said),
        }
    }

    /// The reads of a lookup at this level.
    pub(crate) fn effort(&self, level: Level) -> Effort {
        let index = OpenIndex::open(&Root::system(), &self.index(), PlaceKind::Given).unwrap();
        let record = index.find(&Root::system(), &self.dir).unwrap().unwrap();
        let root = Root::system();
        let circumstances = index.circumstances();
        let verdict = freshness::check(&record, level, circumstances, &root, &self.dir).unwrap();
        let Verdict::LookCloser(listing) = verdict else {
            return Effort {
                at_once: true,
                ..Effort::default()
            };
        };
        let Ok(directory) = root.open_dir(&self.dir) else {
            return Effort::default();
        };
        let all_same = listing.sightings.len() == record.distribution_count() as usize
            && listing
                .sightings
                .iter()
                .all(|sighting| sighting.same_as.is_some());
        if record.has(record_flag::SORTED) && all_same {
            let state = examine(&record, level, circumstances, &root, &self.dir).unwrap();
            assert!(matches!(state, State::Fresh));
        }
        let scanned = scan::directory(
            &directory,
            listing,
            Some(&record),
            (Purpose::Running, Extent::Everything),
            &mut Budget::default(),
            &mut |_| (),
        )
        .unwrap();
        Effort {
            read: scanned.read,
            differences: scanned.differences,
            at_once: false,
        }
    }

    /// The result of a refresh of the directory that starts from the old index.
    pub(crate) fn rescan(&self) -> Scanned {
        let root = Root::system();
        let index = OpenIndex::open(&root, &self.index(), PlaceKind::Given).unwrap();
        let record = index.find(&root, &self.dir).unwrap().unwrap();
        let directory = root.open_dir(&self.dir).unwrap();
        let recall = || Recall::of(&record, None, &directory);
        let listing = Listing::settled_since(&directory, None, &recall).unwrap();
        scan::directory(
            &directory,
            listing,
            Some(&record),
            (Purpose::Running, Extent::Everything),
            &mut Budget::default(),
            &mut |_| (),
        )
        .unwrap()
    }

    /// The exit status of `status`.
    fn status(&self) -> Option<i32> {
        let mut command = epcache();
        let output = run(command.args(["status", "--root"]).arg(&self.root));
        output.status.code()
    }

    // ---- what tests expect

    /// Checks that the directory answers differently now, and that the levels [auto, fast, strict,
    /// trust] do this.
    #[track_caller]
    pub(crate) fn tells(&self, expected: [Told; 4]) {
        assert_ne!(self.now(), self.before, "nothing has changed");
        self.tells_at_most(expected);
        let status = if expected[2] == Told::Warned { 3 } else { 0 };
        assert_eq!(self.status(), Some(status), "exit status of `status`");
    }

    #[track_caller]
    pub(crate) fn tells_at_most(&self, expected: [Told; 4]) {
        for ((level, word), told) in LEVELS.into_iter().zip(expected) {
            for (who, answer) in [
                ("library", self.answer(level)),
                ("program", self.query(word)),
            ] {
                let wanted = if told == Told::Old {
                    self.before.clone()
                } else {
                    self.now()
                };
                assert_eq!(answer.entries, wanted, "{who} at {word}");
                let warned = told == Told::Warned;
                let warning = answer.warning.as_deref().unwrap_or_default();
                assert_eq!(!warning.is_empty(), warned, "{who} at {word}: {warning}");
                let times = warning.matches(" from the index (").count();
                assert!(
                    !warned || who == "library" || times == 1,
                    "told once: {warning}"
                );
            }
        }
    }

    /// Checks that the directory answers as before without a warning, and how many metadata
    /// directories are read again at the levels [auto, fast, strict, trust].
    #[track_caller]
    pub(crate) fn reads_again(&self, expected: [usize; 4]) {
        let sorted = |mut entries: Vec<String>| {
            entries.sort();
            entries
        };
        assert_eq!(sorted(self.now()), sorted(self.before.clone()));
        self.tells_in_order_of_now();
        assert_eq!(self.status(), Some(0), "exit status of `status`");
        for ((level, word), read) in LEVELS.into_iter().zip(expected) {
            let effort = self.effort(level);
            assert_eq!(
                (effort.read, effort.differences.as_slice()),
                (read, &[][..]),
                "at {word}"
            );
        }
    }

    #[track_caller]
    fn tells_in_order_of_now(&self) {
        let sorted = |mut entries: Vec<String>| {
            entries.sort();
            entries
        };
        for (level, word) in LEVELS {
            for (who, answer) in [
                ("library", self.answer(level)),
                ("program", self.query(word)),
            ] {
                assert_eq!(
                    sorted(answer.entries),
                    sorted(self.now()),
                    "{who} at {word}"
                );
                assert_eq!(answer.warning, None, "{who} at {word}");
            }
        }
    }

    /// After a refresh that starts from the old index, readers trust the record without a closer
    /// look.
    #[track_caller]
    pub(crate) fn settles_with_a_refresh(&self) {
        let scanned = self.rescan();
        let bytes = epcache::index::write::index(&[scanned.record], false).unwrap();
        let index = Index::open(bytes).unwrap();
        assert!(
            // What is taken over of a copy has the old times of its files, which strict looks at; a real
            // refresh reads copies.
            believed(&index, Level::Auto),
            "not believed after a refresh"
        );
    }
}

/// Whether the record is trusted without a closer look.
pub(crate) fn believed(index: &Index<Vec<u8>>, level: Level) -> bool {
    let record = &index.record(0).unwrap();
    let path = String::from_utf8(index.paths().unwrap().remove(0)).unwrap();
    let path = PathBuf::from(path);
    let now = Circumstances::default();
    let verdict = freshness::check(record, level, now, &Root::system(), &path).unwrap();
    matches!(verdict, Verdict::Fresh)
}

/// An unpublished index of a directory, made in this process as quickly as possible.
pub(crate) fn quick_index(dir: &Path) -> Index<Vec<u8>> {
    let request = Request::full(Scope::Paths(vec![dir.to_owned()]), Purpose::Running);
    let product = worker::run(&Root::system(), &request, &mut |_| ()).unwrap();
    Index::open(product.index).unwrap()
}

/// The state of such an index's record for a reader at this level.
pub(crate) fn quick_look(index: &Index<Vec<u8>>, dir: &Path, level: Level) -> State {
    let record = index.record(0).unwrap();
    examine(
        &record,
        level,
        Circumstances::default(),
        &Root::system(),
        dir,
    )
    .unwrap()
}

/// The text of an entry_points.txt with one entry point.
pub(crate) fn plugins(name: &str, value: &str) -> String {
    format!("[plugins]\n{name} = {value}\n")
}
