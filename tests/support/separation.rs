//! Shared by the tests of privilege separation: the system calls of each epcache process, file
//! servers that die, system-call filters as containers have them, and the content of an index.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use epcache::index::format::distribution_flag;
use epcache::index::{self, Index};

use super::cli::{Ran, Tree, left_out, root_for, tool_for};

// ---- system calls

/// A system call of epcache.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) process: u32,
    /// The effective user of the process at that time.
    pub(crate) user: u32,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) result: String,
}

impl Call {
    /// The path that it opens.
    pub(crate) fn opened(&self) -> Option<PathBuf> {
        if !["open", "openat", "openat2", "creat"].contains(&&*self.name) {
            return None;
        }
        if let Some(path) = within(&self.result, '<', '>') {
            return Some(PathBuf::from(path));
        }
        let (directory, rest) = self.arguments.split_once('"').unwrap_or_default();
        let directory = within(directory, '<', '>').unwrap_or("/");
        let path = rest.split('"').next().unwrap_or_default();
        Some(Path::new(directory).join(path))
    }

    /// Whether it opens a file for more than reading.
    pub(crate) fn opens_for_writing(&self) -> bool {
        let flags = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"];
        self.name == "creat"
            || (self.opened().is_some() && flags.iter().any(|flag| self.arguments.contains(flag)))
    }
}

fn within(text: &str, open: char, close: char) -> Option<&str> {
    let (_, rest) = text.split_once(open)?;
    rest.rsplit_once(close).map(|(inside, _)| inside)
}

/// epcache under strace, as root. `options` are for strace.
pub(crate) fn traced(tree: &Tree, options: &[&str], arguments: &[&str]) -> Command {
    let _ = fs::remove_dir_all(tree.path("calls"));
    tree.dir("calls");
    let mut strace = tree.program("strace".as_ref());
    strace.args(["-ff", "-qq", "-y", "-s", "4096", "-e", "signal=none"]);
    strace.arg("-o").arg(tree.path("calls/of")).args(options);
    strace.arg(env!("CARGO_BIN_EXE_epcache")).args(arguments);
    strace
}

/// The system calls of a [`traced`] epcache: those of each process (thread) in order, the first
/// process first. `None` if tracing is not possible, which is printed.
pub(crate) fn calls(test: &str, tree: &Tree, ran: &Ran) -> Option<Vec<Vec<Call>>> {
    if ran.stderr.contains("strace:") {
        left_out(test, "strace may not trace here");
        return None;
    }
    let mut logs = BTreeMap::new();
    for entry in fs::read_dir(tree.path("calls")).expect("list") {
        let path = entry.expect("list").path();
        let process: u32 = path.extension()?.to_str()?.parse().expect("a process id");
        let log = fs::read(&path).expect("read");
        logs.insert(process, String::from_utf8_lossy(&log).into_owned());
    }
    // Sorted by parent and child: numbers alone do not tell, because they may start again.
    let made: Vec<u32> = logs
        .values()
        .flat_map(|log| log.lines())
        .filter_map(child)
        .collect();
    let mut users: BTreeMap<u32, u32> = BTreeMap::new();
    let first = logs.keys().find(|process| !made.contains(process)).copied();
    let mut ahead = vec![first.expect("a first process")];
    let mut all = Vec::new();
    while !ahead.is_empty() {
        let process = ahead.remove(0);
        let mut user = users.get(&process).copied().unwrap_or_default();
        let mut calls = Vec::new();
        for line in logs
            .get(&process)
            .map(|log| log.lines())
            .into_iter()
            .flatten()
        {
            let Some((name, rest)) = line.split_once('(') else {
                continue;
            };
            let Some((arguments, result)) = rest.rsplit_once(" = ") else {
                continue;
            };
            calls.push(Call {
                process,
                user,
                name: name.to_owned(),
                arguments: arguments.trim_end().to_owned(),
                result: result.to_owned(),
            });
            if name == "setresuid" && result == "0" {
                let effective = arguments.split(", ").nth(1).unwrap_or_default();
                user = effective.parse().unwrap_or(user);
            }
            if let Some(child) = child(line) {
                users.insert(child, user);
                ahead.push(child);
            }
        }
        all.push(calls);
    }
    Some(all)
}

/// The process or thread that a line of strace creates.
fn child(line: &str) -> Option<u32> {
    let makes = ["clone(", "clone3(", "fork(", "vfork("];
    makes.iter().find(|name| line.starts_with(**name))?;
    line.rsplit(" = ").next()?.parse().ok()
}

// ---- file servers

/// A directory whose file server dies while it is asked for the content of one file.
pub(crate) struct StuckMount {
    mount: PathBuf,
    reached: PathBuf,
    server: Child,
}

impl StuckMount {
    /// Shows `source` at `mount`. Reads of `file` in it never end.
    pub(crate) fn new(
        test: &str,
        tree: &Tree,
        source: &str,
        mount: &str,
        file: &str,
    ) -> Option<Self> {
        let source = tree.path(source);
        Self::serve(test, tree, "stuck_fs.py", mount, |mount, reached| {
            vec![source, mount, file.into(), reached]
        })
    }

    /// Nothing at `mount` is answered. `killable` says whether SIGKILL ends the wait.
    pub(crate) fn dead(test: &str, tree: &Tree, mount: &str, killable: bool) -> Option<Self> {
        Self::serve(test, tree, "dead_fs.py", mount, |mount, reached| {
            let killable = killable.then(|| "killable".into());
            [mount, reached].into_iter().chain(killable).collect()
        })
    }

    fn serve(
        test: &str,
        tree: &Tree,
        script: &str,
        mount: &str,
        arguments: impl FnOnce(PathBuf, PathBuf) -> Vec<PathBuf>,
    ) -> Option<Self> {
        if !root_for(test) {
            return None;
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/separation");
        let (mount, reached) = (tree.dir(mount), tree.path("reached"));
        // Debian's own Python has the module of Debian's package.
        let server = Command::new("/usr/bin/python3")
            .arg(folder.join(script))
            .args(arguments(mount.clone(), reached.clone()))
            .stdin(Stdio::null())
            .spawn();
        let mut stuck = Self {
            mount,
            reached,
            server: server.expect("/usr/bin/python3"),
        };
        let at = format!(" {} ", stuck.mount.display());
        let is_mounted =
            || fs::read_to_string("/proc/self/mounts").is_ok_and(|text| text.contains(&at));
        for _ in 0..600 {
            if is_mounted() {
                return Some(stuck);
            }
            if stuck.server.try_wait().expect("a child").is_some() {
                break;
            }
            pause();
        }
        left_out(test, "a FUSE file system could not be mounted");
        None
    }

    /// Waits until a process waits for the file, as long as `reader` exists.
    pub(crate) fn wait_for_reader(&self, reader: &mut Child) {
        while !self.reached.exists() {
            let ended = reader.try_wait().expect("a child");
            assert!(
                ended.is_none(),
                "it ended without reading the file: {ended:?}"
            );
            pause();
        }
    }
}

impl Drop for StuckMount {
    fn drop(&mut self) {
        // Without a server, the kernel ends all waits.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.mount)
            .status();
    }
}

pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

// ---- filters

/// epcache with a filter: these calls fail with these errnos. 0 means success without any effect.
pub(crate) fn filtered(tree: &Tree, rules: &[(i64, i32)], program: &[&str]) -> Command {
    let rules: Vec<_> = rules
        .iter()
        .map(|(call, errno)| format!("{call}={errno}"))
        .collect();
    let mut command = tree.program("/usr/bin/python3".as_ref());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/separation/filtered.py"));
    command.arg(rules.join(",")).args(program);
    command
}

// ---- indexes

/// The names of the metadata directories that an index calls unread, sorted. The index must be
/// valid.
pub(crate) fn unread(bytes: &[u8]) -> Vec<String> {
    let index = Index::open(bytes.to_vec()).expect("an index");
    index::verify(&index).expect("a sound index");
    let mut names = Vec::new();
    for number in 0..index.record_count() {
        let record = index.record(number).expect("a record");
        for number in 0..record.distribution_count() {
            let distribution = record.distribution(number).expect("a distribution");
            if distribution.has(distribution_flag::UNREAD) {
                names.push(String::from_utf8_lossy(&distribution.file_name).into_owned());
            }
        }
    }
    names.sort();
    names
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Root and strace, which most of these tests need.
pub(crate) fn can_trace(test: &str) -> bool {
    root_for(test) && tool_for(test, "strace")
}
