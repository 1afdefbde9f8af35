//! What the tests of the command line share: a tree of files to try things on, and ways to run epcache in it, as
//! another user, on a terminal, or in a file system of its own.
//!
//! Nothing of the caller's environment reaches epcache, and nothing it does reaches the system it runs on.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A user that owns nothing.
pub(crate) const NOBODY: u32 = 65534;

/// A temporary directory that every user can reach.
pub(crate) struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        set_mode(directory.path(), 0o755);
        Self { directory }
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match name.trim_start_matches('/') {
            "" => self.directory.path().to_owned(),
            name => self.directory.path().join(name),
        }
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("mkdir");
        path
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        fs::write(&path, content).expect("write");
        path
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        symlink(target, path).expect("symlink");
    }

    /// A distribution, version 1, in a search directory. `entry_points` is its entry_points.txt.
    pub(crate) fn dist(&self, directory: &str, name: &str, entry_points: &str) -> PathBuf {
        let metadata = format!("{directory}/{name}-1.dist-info");
        let headers = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n");
        self.file(&format!("{metadata}/METADATA"), headers);
        self.file(&format!("{metadata}/entry_points.txt"), entry_points);
        self.path(&metadata)
    }

    /// A Debian-like system: one interpreter, one distribution `sys` with the entry point `[g] sys = sys:main`.
    pub(crate) fn system(&self, root: &str) -> PathBuf {
        self.file(&format!("{root}/usr/bin/python3.11"), "\x7fELF\x02");
        for name in ["python3.11/os.py", "python3.11/site.py"] {
            self.file(&format!("{root}/usr/lib/{name}"), "");
        }
        self.dist(
            &format!("{root}/usr/lib/python3.11/site-packages"),
            "sys",
            "[g]\nsys = sys:main\n",
        );
        self.path(root)
    }

    /// A virtual environment of that system's interpreter, with the entry point `[g] env = env:main`.
    pub(crate) fn venv(&self, name: &str) -> PathBuf {
        self.system("python");
        let home = self.path("python/usr/bin");
        self.file(
            &format!("{name}/pyvenv.cfg"),
            format!(
                "home = {}\nversion = 3.11.2\ninclude-system-site-packages = false\n",
                home.display()
            ),
        );
        self.link(home.join("python3.11"), &format!("{name}/bin/python3.11"));
        self.link("python3.11", &format!("{name}/bin/python"));
        let site = format!("{name}/lib/python3.11/site-packages");
        self.dist(&site, "env", "[g]\nenv = env:main\n");
        self.path(name)
    }

    /// The user's site directory below a home directory.
    pub(crate) fn user_site(home: &str) -> String {
        format!("{home}/.local/lib/python3.11/site-packages")
    }

    /// epcache as this user, in this directory.
    pub(crate) fn epcache(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_epcache").as_ref());
        command.args(arguments);
        command
    }

    /// A program with a small and known environment, ended after a minute (exit status 124).
    pub(crate) fn program(&self, program: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]).arg(program);
        command.env_clear().env("LC_ALL", "C.UTF-8");
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        command.current_dir(self.directory.path());
        command.stdin(Stdio::null());
        command
    }

    /// Where other users can start epcache too.
    pub(crate) fn public_program(&self) -> PathBuf {
        let copy = self.path(".bin/epcache");
        if !copy.exists() {
            self.dir(".bin");
            // By another process: what this one has open for writing, a child of another thread inherits, and
            // a program that anyone has open for writing does not start.
            let ran = Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_epcache"))
                .arg(&copy)
                .status();
            assert!(ran.expect("cp").success());
            set_mode(&copy, 0o755);
        }
        copy
    }

    /// epcache as somebody who is not root: nobody, or whoever runs the tests.
    pub(crate) fn as_user(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(&self.public_program());
        command.args(arguments);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Gives something to the user of [`Tree::as_user`].
    pub(crate) fn give(&self, name: &str) {
        if is_root() {
            chown(self.path(name), Some(NOBODY), Some(NOBODY)).expect("chown");
        }
    }

    /// A line of shell, with `$EPCACHE`, on a terminal of 80 columns.
    pub(crate) fn on_terminal(&self, line: &str) -> Command {
        let mut command = self.program("script".as_ref());
        command
            .arg("-qefc")
            .arg(format!("stty cols 80 rows 24; {line}"));
        command.arg("/dev/null");
        command.env("EPCACHE", env!("CARGO_BIN_EXE_epcache"));
        command
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm-256color");
        command
    }

    /// A line of shell, with `$EPCACHE`, in a mount namespace of its own. For root only.
    pub(crate) fn with_mounts(&self, line: &str) -> Command {
        let mut command = self.program("unshare".as_ref());
        command.args(["--mount", "--propagation", "private", "sh", "-euc", line]);
        command.env("EPCACHE", env!("CARGO_BIN_EXE_epcache"));
        command
    }

    /// Publishes an index of search directories.
    pub(crate) fn refresh(&self, directories: &[&str], output: &str) {
        let mut command = self.epcache(&["refresh", "--path"]);
        command.args(directories).args(["--output", output]);
        let ran = run(&mut command);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line on standard error.
    pub(crate) fn complaint(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.trim_end()
    }

    /// The warnings on standard error.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        let warnings = self.stderr.lines();
        warnings
            .filter_map(|line| line.strip_prefix("epcache: warning: "))
            .collect()
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let code = output.status.code().unwrap_or(-1);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        ![101, 124, 134].contains(&code),
        "a panic, or no end: {command:?}: {stderr}"
    );
    Ran {
        code,
        stdout,
        stderr,
    }
}

/// Says that something was not tested, and why. A failure where `EPCACHE_TEST_REQUIRE_ALL` is set.
pub(crate) fn left_out(name: &str, reason: &str) {
    let required = std::env::var_os("EPCACHE_TEST_REQUIRE_ALL")
        .is_some_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "{name} was left out: {reason}");
    // Not by a macro: the harness would keep it to itself.
    let _ = writeln!(io::stderr(), "left out: {name}: {reason}");
}

/// Whether this is root, who may mount and become others. Says so where not.
pub(crate) fn root_for(name: &str) -> bool {
    if !is_root() {
        left_out(name, "needs root");
    }
    is_root()
}

/// Whether a tool is installed. Says so where not.
pub(crate) fn tool_for(name: &str, tool: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|directory| directory.join(tool).exists());
    if !there {
        left_out(name, &format!("needs {tool}"));
    }
    there
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub(crate) fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).expect("stat").permissions().mode() & 0o7777
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("list");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("list")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// A word as the shell takes it.
pub(crate) fn quoted(path: impl AsRef<OsStr>) -> String {
    format!(
        "'{}'",
        path.as_ref()
            .to_str()
            .expect("UTF-8")
            .replace('\'', r"'\''")
    )
}
