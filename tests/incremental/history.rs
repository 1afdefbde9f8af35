//! Random changes that package managers, users and accidents make to search directories, always the
//! same for one seed. Every step changes the times of the metadata directories that it changes, or
//! their names.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use epcache::worker::Named;

/// A generator of numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

pub(crate) struct History {
    root: tempfile::TempDir,
    /// A text for the last step.
    last: String,
    /// How many trees lie beside the search directories as targets of links.
    elsewhere: usize,
}

const DIRECTORIES: [&str; 3] = ["one", "two", "x-1.0.egg"];
const NAMES: [&str; 14] = [
    "alpha", "beta", "gamma", "delta", "Epsilon", "zeta_one", "zeta.one", "eta", "theta", "iota",
    "kappa", "lambda", "mü", "_nu",
];
const VERSIONS: [&str; 5] = ["1.0", "1.1", "2.0", "10.0", "odd version"];
const GROUPS: [&str; 5] = ["console_scripts", "plugins", "a.b", "zz", "once"];

impl History {
    pub(crate) fn new(random: &mut Random) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["one", "two"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let mut history = Self {
            root,
            last: String::new(),
            elsewhere: 0,
        };
        for _ in 0..random.below(40) {
            let directory = history.directory(random);
            if directory.is_dir() {
                history.install(random, &directory);
            }
        }
        history
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        DIRECTORIES
            .iter()
            .map(|name| self.root.path().join(name))
            .collect()
    }

    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    fn directory(&self, random: &mut Random) -> PathBuf {
        // Most changes are in the first one.
        let number = [0, 0, 0, 0, 1, 1, 2][random.below(7)];
        self.root.path().join(DIRECTORIES[number])
    }

    /// Makes a change, and adds the metadata directories that a package manager would name for it.
    pub(crate) fn step(&mut self, random: &mut Random, named: &mut Named) {
        let directory = self.directory(random);
        let before = identities(&directory);
        let kind = random.below(24);
        match kind {
            0..=5 if directory.is_dir() => self.install(random, &directory),
            6..=9 => each(random, &directory, |random, path| {
                rewrite(random, path);
            }),
            10 | 11 => each(random, &directory, |_, path| remove(path)),
            12 | 13 => each(random, &directory, |random, path| {
                let to = path.with_file_name(metadata_name(random));
                if fs::symlink_metadata(&to).is_err() {
                    fs::rename(path, to).unwrap();
                }
            }),
            // Set to some time, as package managers do. The ctime changes.
            14 => each(random, &directory, |random, path| {
                set_modified(path, random.below(3))
            }),
            15 if directory.is_dir() => set_modified(&directory, random.below(3)),
            16 => each(random, &directory, |random, path| {
                rewrite(random, path);
                set_modified(path, 1);
            }),
            17 => each(random, &directory, |random, path| {
                remove(path);
                fill(random, path);
            }),
            18 => self.link(random, &directory),
            19 => swap(random, &directory),
            20 => each(random, &directory, |_, path| {
                let mode = fs::metadata(path).map_or(0o755, |it| it.permissions().mode());
                let _ = fs::set_permissions(path, Permissions::from_mode(mode ^ 0o020));
            }),
            21 if directory.is_dir() => fs::write(directory.join("module.py"), "").unwrap(),
            22 if random.below(4) == 0 => come_or_go(&directory),
            // Everything is unpacked again: other ctimes, the same mtimes.
            23 if directory.is_dir() => copy(&directory),
            _ => {}
        }
        self.last = format!("a step of kind {kind} in {}", directory.display());
        let after = identities(&directory);
        let names = before.keys().chain(after.keys());
        let changed = names.filter(|name| before.get(*name) != after.get(*name));
        named
            .entry(directory.clone())
            .or_default()
            .extend(changed.cloned());
    }

    fn install(&mut self, random: &mut Random, directory: &Path) {
        let name = match directory.ends_with("x-1.0.egg") {
            true => random
                .of(&["EGG-INFO", "egg-info", "y.egg-info"])
                .to_owned(),
            false => metadata_name(random),
        };
        let path = directory.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            return;
        }
        match random.below(12) {
            0 if path.to_string_lossy().ends_with(".egg-info") => {
                fs::write(path, headers(random)).unwrap()
            }
            1 => symlink("nowhere", path).unwrap(),
            _ => fill(random, &path),
        }
    }

    /// A metadata directory that lies elsewhere, as with stow and Nix.
    fn link(&mut self, random: &mut Random, directory: &Path) {
        let path = directory.join(metadata_name(random));
        if directory.is_dir() && fs::symlink_metadata(&path).is_err() {
            self.elsewhere += 1;
            let target = self
                .root
                .path()
                .join(format!("elsewhere-{}", self.elsewhere));
            fill(random, &target);
            symlink(target, path).unwrap();
        }
    }
}

fn metadata_name(random: &mut Random) -> String {
    let name = random.of(&NAMES);
    let version = random.of(&VERSIONS);
    match random.below(12) {
        0 => format!("{name}.egg-info"),
        1 => format!("{name}-{version}-py3.11.egg-info"),
        2 => format!("{name}-{version}.DIST-INFO"),
        3 => format!("{name}.dist-info"),
        _ => format!("{name}-{version}.dist-info"),
    }
}

fn headers(random: &mut Random) -> String {
    let name = random.of(&NAMES);
    let version = random.of(&VERSIONS);
    match random.below(6) {
        0 => String::new(),
        1 => format!("Name: {name}\n"),
        _ => format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n"),
    }
}

fn entry_points(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(4) {
        text += &format!("[{}]\n", random.of(&GROUPS));
        for number in 0..random.below(3) {
            let value = random.of(&["a:main", "a.b:c [extra]", "not a reference", "ü"]);
            text += &format!("{}{number} = {value}\n", random.of(&NAMES));
        }
    }
    if random.below(20) == 0 {
        text += "[x]\nno equals sign\n";
    }
    text
}

/// Makes a metadata directory.
fn fill(random: &mut Random, path: &Path) {
    fs::create_dir(path).unwrap();
    if random.below(8) != 0 {
        fs::write(
            path.join(random.of(&["METADATA", "METADATA", "PKG-INFO"])),
            headers(random),
        )
        .unwrap();
    }
    match random.below(10) {
        0..=2 => {}
        3 => symlink("nowhere", path.join("entry_points.txt")).unwrap(),
        _ => fs::write(path.join("entry_points.txt"), entry_points(random)).unwrap(),
    }
}

/// An upgrade in place as dpkg does it: a new file is renamed over the old one.
fn rewrite(random: &mut Random, path: &Path) {
    let new = path.join("file.dpkg-new");
    let (name, text) = match random.below(3) {
        0 => ("METADATA", headers(random)),
        _ => ("entry_points.txt", entry_points(random)),
    };
    if fs::write(&new, text).is_err() {
        return; // a plain file, or a link that leads nowhere
    }
    if random.below(2) == 0 {
        set_modified(&new, 1);
    }
    fs::rename(new, path.join(name)).unwrap();
}

fn remove(path: &Path) {
    fs::remove_dir_all(path)
        .or_else(|_| fs::remove_file(path))
        .unwrap();
}

/// Changes one of the metadata directories.
fn each(random: &mut Random, directory: &Path, what: impl Fn(&mut Random, &Path)) {
    let mut there: Vec<_> = metadata_in(directory);
    there.sort();
    if !there.is_empty() {
        let path = there.swap_remove(random.below(there.len()));
        what(random, &path);
    }
}

fn swap(random: &mut Random, directory: &Path) {
    let mut there = metadata_in(directory);
    there.sort();
    if there.len() > 1 {
        let one = there.swap_remove(random.below(there.len()));
        let other = there.swap_remove(random.below(there.len()));
        let between = directory.join("between");
        fs::rename(&one, &between).unwrap();
        fs::rename(&other, &one).unwrap();
        fs::rename(&between, &other).unwrap();
    }
}

fn come_or_go(directory: &Path) {
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    } else {
        fs::create_dir(directory).unwrap();
    }
}

fn copy(directory: &Path) {
    let other = directory.with_extension("copy");
    let done = std::process::Command::new("cp")
        .arg("-a")
        .args([directory, &other])
        .status();
    assert!(done.unwrap().success());
    fs::remove_dir_all(directory).unwrap();
    fs::rename(other, directory).unwrap();
}

fn metadata_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_metadata = |path: &PathBuf| {
        let name = path.to_string_lossy().to_lowercase();
        name.ends_with(".dist-info") || name.ends_with("egg-info")
    };
    paths.filter(is_metadata).collect()
}

/// The identity of each metadata directory, which shows a change as a package manager would know
/// it.
fn identities(directory: &Path) -> BTreeMap<Vec<u8>, (u64, i64, i64, i64, i64)> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    let paths = metadata_in(directory).into_iter();
    paths
        .map(|path| {
            let name = path.file_name().unwrap().as_bytes().to_vec();
            let it = fs::metadata(&path)
                .or_else(|_| fs::symlink_metadata(&path))
                .unwrap();
            (
                name,
                (
                    it.ino(),
                    it.mtime(),
                    it.mtime_nsec(),
                    it.ctime(),
                    it.ctime_nsec(),
                ),
            )
        })
        .collect()
}

fn set_modified(path: &Path, which: usize) {
    let time = match which {
        0 => SystemTime::now(),
        1 => SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        _ => SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5),
    };
    if let Ok(file) = fs::File::open(path) {
        file.set_modified(time).unwrap();
    }
}
