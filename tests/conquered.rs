//! A worker that has been taken over: with anything it tries, the old index stays, nothing else
//! changes, and the program ends in time with one clear message.
//!
//! Each hostile job runs in place of the worker's, in this test program, which is started once more
//! (see `conquered/program.rs`). If two guards prevent one thing, the job runs again without either
//! of them, and once without any: a test that passes without any guard would test nothing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect"
)]
#![allow(unsafe_code, reason = "an attacker is not careful either")]

#[path = "conquered/answers.rs"]
mod answers;
#[path = "support/cli.rs"]
mod cli;
#[path = "../fuzz/index_checks.rs"]
mod index_checks;
#[path = "index_support/mod.rs"]
mod index_support;
#[path = "conquered/isolation.rs"]
mod isolation;
#[path = "conquered/jobs.rs"]
mod jobs;
#[path = "conquered/limits.rs"]
mod limits;
#[path = "conquered/program.rs"]
mod program;
#[path = "conquered/writing.rs"]
mod writing;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use cli::{NOBODY, Ran, Tree, names, root_for, run, set_mode, tool_for};
use epcache::index::format::SUSPECT_AT;
use epcache::index::{Index, verify};
use jobs::CANARY;
use program::{LEFT_BEHIND, Run};

/// Not a test itself: the tests below start it.
#[test]
fn as_program() {
    program::live();
}

const REFRESH: [&str; 6] = ["refresh", "-q", "--path", "site", "--output", "index/index"];

/// Things to protect: an index, a folder that all users may write to, and one of root's.
struct Prey {
    tree: Tree,
    index: Vec<u8>,
}

impl Prey {
    fn new() -> Self {
        let tree = Tree::new();
        tree.dist("site", "a", "[g]\na = a:main\n[console_scripts]\nb = a:b\n");
        tree.dist("site", "b", "[g]\nc = b:main\n");
        tree.dir("index");
        tree.refresh(&["site"], "index/index");
        // The second one would be different.
        tree.dist("site", "new", "[g]\nnew = new:main\n");
        for folder in ["open", "closed"] {
            tree.file(&format!("{folder}/victim"), "untouched");
        }
        set_mode(tree.path("open"), 0o777);
        set_mode(tree.path("open/victim"), 0o666);
        let index = fs::read(tree.path("index/index")).unwrap();
        Self { tree, index }
    }

    /// Gives everything to a user, who then is the parent's and the worker's user.
    fn of_nobody() -> Self {
        let prey = Self::new();
        for name in [
            "index",
            "index/index",
            "index/index.lock",
            "open",
            "open/victim",
            "closed",
            "closed/victim",
        ] {
            prey.tree.give(name);
        }
        prey
    }

    fn facts(&self, run: Run) -> Run {
        let tree = |name| self.tree.text(name);
        run.fact("open", tree("open"))
            .fact("closed", tree("closed"))
            .fact("inherited", tree("index/index"))
    }

    fn conquer_with(&self, run_: &Run, arguments: &[&str]) -> Ran {
        let mut command = self.tree.program(&program::own_path());
        let ran = run(self.facts(run_.clone()).command(&mut command, arguments));
        assert_ne!(
            ran.code,
            i32::from(LEFT_BEHIND),
            "somebody is left: {run_:?}: {ran:?}"
        );
        ran
    }

    fn conquer(&self, job: &str) -> Ran {
        self.conquer_with(&Run::of(job), &REFRESH)
    }

    /// The same, with a limit on the parent's memory beside an index of so many MiB, and on its
    /// time.
    fn conquer_cheaply(&self, job: &str, index: u64, arguments: &[&str]) -> Ran {
        let peak = self.tree.text("peak");
        let ran = self.conquer_with(&Run::of(job).fact("peak", &peak), arguments);
        let peak = fs::read_to_string(peak).unwrap();
        let peak = peak.parse::<u64>().unwrap() / 1024;
        println!("{job}: {peak} MiB");
        assert!(peak < index + 64, "{job}: {peak} MiB");
        ran
    }

    /// Checks that nothing has changed.
    fn is_unharmed(&self) {
        let index = fs::read(self.tree.path("index/index")).unwrap();
        assert!(index == self.index, "the index is another");
        verify(&Index::open(index).unwrap()).unwrap();
        assert_eq!(names(self.tree.path("index")), ["index", "index.lock"]);
        for folder in ["open", "closed"] {
            assert!(
                names(self.tree.path(folder))
                    .iter()
                    .all(|name| ["victim", "socket"].contains(&name.as_str()))
            );
            let victim = fs::read_to_string(self.tree.path(folder).join("victim"));
            assert_eq!(victim.unwrap(), "untouched");
        }
        assert_eq!(cli::mode(self.tree.path("open/victim")), 0o666);
        assert_eq!(cli::mode(self.tree.path("closed/victim")), 0o644);
    }
}

/// Whether this machine has all guards that the tests take away: for root, with a kernel that has
/// all of Landlock. Prints why not.
fn guards_for(name: &str) -> bool {
    if !root_for(name) {
        return false;
    }
    let tree = Tree::new();
    tree.dist("site", "a", "");
    let dry = [
        "refresh",
        "--dry-run",
        "--json",
        "--path",
        "site",
        "--output",
        "index",
    ];
    let sandbox = run(&mut tree.epcache(&dry)).json()["sandbox"].clone();
    let all = sandbox["landlock"] == "full" && sandbox["seccomp"] == true;
    if !all {
        cli::left_out(name, &format!("this kernel has not all guards: {sandbox}"));
    }
    all
}

/// Checks that the program ended with status 2 and one line that names the reason.
fn gave_up(ran: &Ran) -> &str {
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        !ran.stderr.contains(CANARY) && !ran.stdout.contains(CANARY),
        "{ran:?}"
    );
    let line = ran.complaint();
    assert!(!line.chars().any(char::is_control), "{ran:?}");
    line.strip_prefix("epcache: error: ")
        .unwrap_or_else(|| panic!("{ran:?}"))
}

/// The kernel's answer to each attempt of a job: the name of an errno, or `+` and a number.
fn told(ran: &Ran) -> BTreeMap<String, String> {
    let line = gave_up(ran)
        .strip_prefix("attempts:")
        .unwrap_or_else(|| panic!("{ran:?}"));
    line.split_whitespace()
        .map(|word| word.split_once('=').expect("a name and what came of it"))
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect()
}

/// Checks that all of these attempts failed with one of these errnos, except the named ones.
fn all_refused(told: &BTreeMap<String, String>, by: &[&str], but: &[&str]) {
    assert!(!told.is_empty());
    for (name, said) in told {
        assert!(
            but.contains(&name.as_str()) || by.contains(&said.as_str()),
            "{name}: {said} in {told:?}"
        );
    }
}

/// Checks that these attempts succeeded: without a guard they can.
fn all_succeeded(told: &BTreeMap<String, String>, names: &[&str]) {
    for name in names {
        assert!(told[*name].starts_with('+'), "{name} in {told:?}");
    }
}
