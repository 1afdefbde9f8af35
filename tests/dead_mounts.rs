//! Paths on a file system that does not answer: the program ends within its time limit, and only
//! the worker ever looks at them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/separation.rs"]
mod separation;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{scope, spawn};
use std::time::{Duration, Instant};

use cli::{Ran, Tree, names, run, tool_for};
use nix::fcntl::{Flock, FlockArg};
use separation::{Call, StuckMount, calls, can_trace, pause};

/// How long a worker of a trigger may send nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tree with a system in `root`, and a configuration for the running system that names a
/// directory.
fn tree(directory: &str) -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dist("site", "a", "[g]\na = a:main\n");
    let configuration = format!("[epcache]\ndirectories = {directory}\n");
    tree.file(
        "etc/epcache.conf",
        configuration.replace("$TREE", &tree.text("")),
    );
    tree.dir("layer");
    tree.dir("out");
    tree
}

/// A mount where nothing is answered.
const MOUNT: &str = "dead";

/// A line of shell with the tree's configuration and an index of its own on the running system.
fn configured(tree: &Tree, line: &str) -> Command {
    tree.with_mounts(&format!(
        "mount -t tmpfs none layer && mkdir layer/up layer/work
         mount -t overlay none -o lowerdir=etc:/etc /etc
         mount -t overlay none -o lowerdir=/usr/lib,upperdir=layer/up,workdir=layer/work /usr/lib
         mkdir -p calls; {line}"
    ))
}

const STRACE: &str = "exec strace -ff -qq -y -s 4096 -e signal=none -o calls/of";

/// The process of epcache that started the worker, and the worker, below a process that a test has
/// started. A trigger has one more process above them.
fn processes(child: &Child) -> Option<(u32, u32)> {
    let mut process = child.id();
    let mut chain = Vec::new();
    loop {
        let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).ok();
        if read("comm")?.trim() == "epcache" {
            chain.push(process);
            let wanted = if read("cmdline")?.contains("trigger") {
                3
            } else {
                2
            };
            if let (true, [.., parent, worker]) = (chain.len() == wanted, chain.as_slice()) {
                return Some((*parent, *worker));
            }
        }
        let below = read(&format!("task/{process}/children"))?;
        process = below.split_whitespace().next()?.parse().ok()?;
    }
}

/// Checks that only the worker has looked at the mount, and how far it has come.
fn only_the_worker_looks(tree: &Tree, ran: &Ran, what: &str, as_root: bool) {
    let Some(processes) = calls(what, tree, ran) else {
        return;
    };
    let mount = tree.text(MOUNT);
    let looks = |call: &Call| {
        let named = [format!("\"{mount}"), format!("<{mount}")];
        named.iter().any(|text| call.arguments.contains(text))
            // Step by step, from the directory above.
            || call.arguments.contains(&format!("<{}>, \"{MOUNT}\"", tree.text("")))
    };
    let own = |call: &&Call| call.name != "execve" && looks(call);
    let is_worker = |calls: &&Vec<Call>| calls.iter().any(|call| call.name == "setsid");
    let others = processes.iter().filter(|calls| !is_worker(calls));
    let by_others: Vec<_> = others.flatten().filter(own).collect();
    assert!(by_others.is_empty(), "{what}: {by_others:?}");
    let worker = processes.iter().find(is_worker).expect("a worker");
    assert!(worker.iter().any(looks), "{what}: nobody has looked");
    let position = |what: &str| worker.iter().position(|call| call.name == what);
    let first = worker.iter().position(looks).unwrap();
    for before in ["close_range", "setsid", "landlock_restrict_self"] {
        assert!(
            position(before).is_some_and(|at| at < first),
            "{what}: {before}"
        );
    }
    let dropped = position("setresuid").expect("another user");
    assert_eq!(first < dropped, as_root, "{what}");
    if as_root {
        // Everything that it opens as root until then is a directory, or is opened with O_PATH.
        for call in worker[first..dropped]
            .iter()
            .filter(|call| call.opened().is_some())
        {
            let flags = ["O_PATH", "O_DIRECTORY"];
            let is_harmless = flags.iter().any(|flag| call.arguments.contains(flag));
            assert!(is_harmless && !call.opens_for_writing(), "{what}: {call:?}");
        }
    }
}

#[test]
fn only_the_worker_looks_at_named_directories() {
    let test = "who looks at a dead mount";
    if !can_trace(test) {
        return;
    }
    const OWN: &str = "$TREE/dead/site";
    let cases = [
        (OWN, "\"$EPCACHE\" trigger dpkg", true),
        (OWN, "\"$EPCACHE\" refresh -q --system", true),
        (
            "",
            "\"$EPCACHE\" refresh -q --path dead/site --output out/index",
            true,
        ),
        (
            "",
            "\"$EPCACHE\" refresh -q --path site dead/a/b/c site/../dead --output out/index",
            true,
        ),
    ];
    for (directory, line, as_root) in cases {
        let tree = tree(directory);
        let Some(mount) = StuckMount::dead(test, &tree, MOUNT, false) else {
            return;
        };
        let mut command = configured(&tree, &format!("{STRACE} {line}"));
        let mut started = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        mount.wait_for_reader(&mut started);
        let (parent, worker) = processes(&started).expect("a worker");
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
        assert!(status.contains("\nNoNewPrivs:\t1\n"), "{line}: {status}");
        let session = |process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            let rest = stat.rsplit(')').next().unwrap().to_owned();
            rest.split(' ').nth(4).unwrap().parse::<u32>().unwrap()
        };
        assert_eq!(
            (session(worker), session(parent) == worker),
            (worker, false),
            "{line}"
        );
        for entry in fs::read_dir(format!("/proc/{worker}/fd")).unwrap() {
            let to = fs::read_link(entry.unwrap().path()).unwrap();
            let to = to.to_str().unwrap();
            let known = to == "/dev/null"
                || to.starts_with("pipe:")
                || to.starts_with('/') && !to.contains("calls");
            assert!(known, "{line}: {to}");
        }
        drop(mount);
        let output = started.wait_with_output().unwrap();
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        only_the_worker_looks(&tree, &ran, line, as_root);
    }
}

#[test]
fn below_a_root_no_directory_of_the_host_is_looked_at() {
    let test = "a directory that an image names";
    if !can_trace(test) {
        return;
    }
    for line in [
        "trigger --strict dpkg --root root",
        "refresh -q --root root",
    ] {
        let tree = tree("");
        let name = tree.text("dead/site");
        tree.file("root/etc/epcache.conf", format!("directories = {name}\n"));
        // From the image's root, the same name leads to another directory.
        tree.dist(&format!("root{name}"), "inner", "[g]\ninner = inner:main\n");
        let Some(_mount) = StuckMount::dead(test, &tree, MOUNT, false) else {
            return;
        };
        let ran = run(&mut tree.with_mounts(&format!("mkdir calls; {STRACE} \"$EPCACHE\" {line}")));
        let Some(processes) = calls(test, &tree, &ran) else {
            return;
        };
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
        let mount = tree.text(MOUNT);
        let named = [format!("\"{mount}"), format!("<{mount}")];
        let looks = |call: &&Call| named.iter().any(|text| call.arguments.contains(text));
        let looked: Vec<_> = processes.iter().flatten().filter(looks).collect();
        assert!(looked.is_empty(), "{looked:?}");
        let ran =
            run(&mut tree.epcache(&["query", "g", "inner", "--root", "root", "--path", &name]));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

/// A command that must end within a time, and its output.
struct Case {
    name: &'static str,
    /// Whether SIGKILL ends a wait at the mount.
    killable: bool,
    line: &'static str,
    code: i32,
    said: &'static str,
    within: Duration,
}

const LATE: Duration = PATIENCE.saturating_add(Duration::from_secs(15));
const SOON: Duration = Duration::from_secs(15);

/// All at the same time: they wait, and need no processor for that.
#[test]
fn the_program_ends_within_its_time_limit() {
    let test = "a dead mount";
    if !cli::root_for(test) || !tool_for(test, "faketime") {
        return;
    }
    let frozen =
        "export LD_PRELOAD=$(faketime now printenv LD_PRELOAD) FAKETIME='2026-01-01 00:00:00';";
    let silent = "sent nothing for 30 s (does a file system hang?): gave up";
    let cases = [
        Case::new("the configuration", false, "\"$EPCACHE\" trigger dpkg", 0, silent),
        Case::new("the configuration, where a wait can be ended", true, "\"$EPCACHE\" trigger rpm </dev/null", 0, silent),
        Case::new("an image's configuration", false, "mkdir root/mnt root/etc; mount --bind dead root/mnt; echo 'directories = /mnt/site' >root/etc/epcache.conf
                   \"$EPCACHE\" trigger dpkg --root root", 0, silent),
        Case::new("a clock that stands still", false, "$FROZEN \"$EPCACHE\" trigger dpkg", 0, silent),
        Case::new("variables that a trigger has no use for", false, "export HOME=$PWD/dead/home VIRTUAL_ENV=$PWD/dead/venv XDG_CACHE_HOME=$PWD/dead/c XDG_CONFIG_HOME=$PWD/dead/d
                   \"$EPCACHE\" trigger --strict dpkg --root root; \"$EPCACHE\" refresh -q --root root", 0, ""),
        Case::new("a home", true, "export HOME=$PWD/dead/home; exec \"$EPCACHE\" refresh -q --user", 2, "dead/home: no answer for 30 s: gave up"),
        Case::new("an environment that is named", true, "exec \"$EPCACHE\" refresh -q --venv dead/venv", 2, "no answer for 30 s: gave up"),
        Case::new("a user's environment", true, "cp \"$EPCACHE\" epcache; export VIRTUAL_ENV=$PWD/dead/venv
                   exec setpriv --reuid 65534 --regid 65534 --clear-groups ./epcache refresh -q", 2, "no answer for 30 s: gave up"),
        Case::new("a query", true, "\"$EPCACHE\" query g --path dead/site", 2, "dead/site: no answer for 30 s: gave up"),
        Case::new("status", true, "\"$EPCACHE\" status", 2, "dead/site: no answer for 30 s: gave up"),
    ];
    scope(|threads| {
        let running: Vec<_> = cases
            .iter()
            .map(|case| threads.spawn(move || case.check(test, frozen)))
            .collect();
        for thread in running {
            thread.join().unwrap();
        }
    });
}

impl Case {
    /// A case without output ends soon.
    fn new(
        name: &'static str,
        killable: bool,
        line: &'static str,
        code: i32,
        said: &'static str,
    ) -> Self {
        Self {
            name,
            killable,
            line,
            code,
            said,
            within: if said.is_empty() { SOON } else { LATE },
        }
    }

    fn check(&self, test: &str, frozen: &str) {
        let tree = tree("$TREE/dead/site");
        let Some(mount) = StuckMount::dead(test, &tree, MOUNT, self.killable) else {
            return;
        };
        // In the end it lets all waiting processes go, which may hold the pipes.
        let (ended, end) = mpsc::channel();
        let mount = spawn(move || end.recv_timeout(LATE + SOON).is_ok().then_some(mount));
        let began = Instant::now();
        let line = self.line.replace("$FROZEN", frozen);
        let mut started = configured(&tree, &line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut worker = None;
        while self.within == LATE && worker.is_none() && began.elapsed() < SOON {
            worker = processes(&started).map(|(_, worker)| worker);
            if started.try_wait().unwrap().is_some() {
                break;
            }
            pause();
        }
        // Reads all output: a worker that is left behind must not hold the pipes.
        let output = started.wait_with_output().unwrap();
        let took = began.elapsed();
        let _ = ended.send(());
        let _mount = mount.join().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let name = self.name;
        assert_eq!(output.status.code(), Some(self.code), "{name}: {said}");
        assert!(took < self.within, "{name}: {took:?}: {said}");
        assert!(said.contains(self.said), "{name}: {said}");
        assert!(!self.said.is_empty() || said.is_empty(), "{name}: {said}");
        if let (Some(worker), false) = (worker, self.killable) {
            let status = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
            assert!(
                status.contains(" D "),
                "{name}: a worker that could not be ended is still there: {status}"
            );
        }
    }
}

#[test]
fn all_waits_end_if_the_clock_stands_still() {
    let test = "a clock that stands still";
    if !cli::root_for(test) || !tool_for(test, "faketime") {
        return;
    }
    let preload = Command::new("faketime")
        .args(["now", "printenv", "LD_PRELOAD"])
        .output()
        .unwrap();
    let preload = String::from_utf8(preload.stdout).unwrap();
    let tree = tree("");
    let frozen = |arguments: &[&str]| {
        let mut command = tree.program(Path::new(env!("CARGO_BIN_EXE_epcache")));
        command.args(arguments);
        command
            .env("LD_PRELOAD", preload.trim())
            .env("FAKETIME", "2026-01-01 00:00:00");
        run(&mut command)
    };
    // Nothing to wait for but the clock's next tick.
    for arguments in [
        &["refresh", "-q", "--root", "root"][..],
        &["trigger", "--strict", "dpkg", "--root", "root"],
        &["refresh", "-q", "--path", "site", "--output", "out/index"],
        &["query", "-q", "g", "sys", "--root", "root"],
    ] {
        tree.dist("site", "b", "[g]\nb = b:main\n");
        let began = Instant::now();
        let ran = frozen(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{arguments:?}");
    }
    assert_eq!(names(tree.path("out")), ["index", "index.lock"]);
    // Another writer keeps the lock.
    let lock = File::options()
        .write(true)
        .open(tree.path("root/usr/lib/epcache/index.lock"))
        .unwrap();
    let _held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let ran = frozen(&["trigger", "dpkg", "--root", "root"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("another refresh has held it for 5 s"),
        "{ran:?}"
    );
}
