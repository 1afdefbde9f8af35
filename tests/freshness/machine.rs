//! The machine: times and owners of files, and programs with a time limit and a known environment.
//!
//! The input is a test's request. The output is the result, or a line with the reason why the test
//! is skipped.

use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

pub(crate) fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

pub(crate) fn set_modified(path: &Path, mtime: SystemTime) {
    let times = FileTimes::new().set_modified(mtime);
    File::open(path).unwrap().set_times(times).unwrap();
}

/// This many seconds after 1970.
pub(crate) fn at_second(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// mtime and ctime.
pub(crate) fn times(path: &Path) -> [(i64, i64); 2] {
    let metadata = fs::metadata(path).unwrap();
    [
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
    ]
}

pub(crate) fn chown(path: &Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Says that something was not tested, and why. A failure where `EPCACHE_TEST_REQUIRE_ALL` is set.
pub(crate) fn leave_out(name: &str, reason: &str) {
    let required = std::env::var_os("EPCACHE_TEST_REQUIRE_ALL")
        .is_some_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "{name} could not be tested: {reason}");
    // Not by a macro: the test harness would capture what a passing test prints.
    let _ = writeln!(std::io::stderr(), "left out: {name}: {reason}");
}

/// Whether a test that changes owners or mounts can go on.
pub(crate) fn needs_root(name: &str) -> bool {
    if !is_root() {
        leave_out(name, "only root may do what it takes");
    }
    is_root()
}

/// Runs a program that a test needs. Where it cannot, the test is left out.
pub(crate) fn tool(test: &str, command: &mut Command) -> bool {
    match command.output() {
        // 127: `timeout` did not find it.
        Ok(output) if output.status.code() == Some(127) => {
            leave_out(test, &text(&output.stderr));
            false
        }
        Ok(output) => {
            assert!(
                output.status.success(),
                "{command:?}: {}",
                text(&output.stderr)
            );
            true
        }
        Err(error) => {
            leave_out(test, &format!("{command:?}: {error}"));
            false
        }
    }
}

/// epcache, with nothing of the caller's environment that would change its answer.
pub(crate) fn epcache() -> Command {
    within(120, env!("CARGO_BIN_EXE_epcache"))
}

/// A program that is ended after so many seconds, with a small and known environment.
pub(crate) fn within(seconds: u32, program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &seconds.to_string(), program]);
    command.env_clear().env("LC_ALL", "C.UTF-8").env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command.stdin(Stdio::null());
    command
}

pub(crate) fn as_user(mut command: Command, user: u32) -> Command {
    command.uid(user).gid(user);
    command
}

pub(crate) fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
