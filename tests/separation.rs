//! The process that reads packages can do nothing else: no package code is executed, nothing is
//! read as root, and the process has given up all other rights.

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

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cli::{NOBODY, Tree, left_out, root_for, run, set_mode};
use epcache::privsep::{self, Bounds, Job, Policy, Privileges, Terms};
use nix::errno::Errno;
use nix::libc;
use separation::{Call, StuckMount, calls, can_trace, contains, traced, unread};

const SITE: &str = "root/usr/lib/python3.11/site-packages";

/// A user who is neither root nor [`NOBODY`].
const STRANGER: u32 = 1234;

// ---- no package code is executed

/// A system in which all code that Python would run leaves a trace, and a `bin` with a `python3`
/// that does.
fn trapped() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    let fire = format!("open({:?}, 'w').close()\n", tree.text("fired"));
    for name in ["sitecustomize", "usercustomize", "evil", "sys", "importlib"] {
        tree.file(&format!("{SITE}/{name}.py"), &fire);
    }
    for name in [
        "sitecustomize.py",
        "os.py",
        "site.py",
        "encodings/__init__.py",
    ] {
        tree.file(&format!("root/usr/lib/python3.11/{name}"), &fire);
    }
    tree.file(
        &format!("{SITE}/evil.pth"),
        format!("import evil; {fire}import evil\n/usr/lib/more\n"),
    );
    tree.file("startup.py", &fire);
    tree.dist(
        SITE,
        "evil",
        "[g]\nevil = evil:main\n[console_scripts]\nevil = evil:main\n",
    );
    // A registered consumer gets files, and nothing else.
    tree.file(
        "root/usr/lib/epcache/consumers.d/evil.conf",
        "groups = *\nview = json tsv\nstamp = yes\n",
    );
    let script = format!("#!/bin/sh\n: >'{}'\n", tree.text("fired"));
    for name in ["python3", "python", "python3.11", "python3.12", "ldd", "sh"] {
        for directory in ["bin", "root/usr/local/bin"] {
            set_mode(tree.file(&format!("{directory}/{name}"), &script), 0o755);
        }
    }
    for name in ["python3", "python3.12"] {
        set_mode(tree.file(&format!("root/usr/bin/{name}"), &script), 0o755);
    }
    tree
}

/// System calls that change files without opening them.
const CHANGES: [&str; 22] = [
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "chmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchownat",
    "truncate",
    "setxattr",
    "utimensat",
];

#[test]
fn no_package_code_is_executed_and_only_the_index_is_written() {
    if !can_trace("execution") {
        return;
    }
    for arguments in [
        &["refresh", "-q", "--root", "root"][..],
        &["refresh", "-q", "--path", SITE, "--output", "out/index"],
        &[
            "trigger",
            "dpkg",
            "--root",
            "root",
            "--",
            "triggered",
            "/usr/lib/python3",
        ],
    ] {
        let tree = trapped();
        tree.dir("out");
        // The first run finds no index, the second one does.
        for round in 0..2 {
            let mut command = traced(
                &tree,
                &["-e", "trace=%process,%network,%file,%desc"],
                arguments,
            );
            command.env("PATH", format!("{}:/usr/bin:/bin", tree.text("bin")));
            command.env("PYTHONSTARTUP", tree.path("startup.py"));
            command.env("PYTHONPATH", tree.path(SITE));
            command.env("LD_PRELOAD", "libm.so.6");
            let ran = run(&mut command);
            let Some(processes) = calls("execution", &tree, &ran) else {
                return;
            };
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
            assert!(!tree.path("fired").exists(), "{arguments:?}");
            let calls: Vec<_> = processes.iter().flatten().collect();
            let executions = calls.iter().filter(|call| call.name.starts_with("execve"));
            assert_eq!(executions.count(), 1, "{arguments:?}: itself");
            let processes = calls
                .iter()
                .filter(|call| call.name == "fork" || is_fork(call));
            // A trigger has one more, for which the first process only waits.
            let expected = 1 + usize::from(arguments[0] == "trigger");
            assert_eq!(processes.count(), expected, "{arguments:?}: the worker");
            let network = [
                "socket",
                "socketpair",
                "connect",
                "bind",
                "sendto",
                "sendmsg",
            ];
            let to_network: Vec<_> = calls
                .iter()
                .filter(|call| network.contains(&&*call.name))
                .collect();
            assert!(to_network.is_empty(), "{to_network:?}");
            let folder = match arguments[1] {
                "-q" if arguments[2] == "--path" => tree.path("out"),
                _ => tree.path("root/usr/lib/epcache"),
            };
            for call in calls.iter().filter(|call| call.opens_for_writing()) {
                let path = call.opened().unwrap();
                let name = path.file_name().unwrap().to_str().unwrap();
                let at = path.parent().unwrap();
                let expected = at == folder
                    && (name.starts_with("index.") || name == "index" || name == "state")
                    // A file is replaced, never written in place: views and stamps above all.
                    || ["", "views", "changed"].map(|below| folder.join(below)).contains(&at.into())
                        && name.starts_with('.');
                assert!(expected || path == Path::new("/dev/null"), "{call:?}");
            }
            let changes = calls.iter().filter(|call| CHANGES.contains(&&*call.name));
            for call in changes.filter(|call| !call.result.starts_with('-')) {
                assert_eq!(call.user, 0, "{call:?}");
                let at = folder.to_str().unwrap();
                let in_folder = ["", "/views", "/changed"]
                    .iter()
                    .any(|below| call.arguments.contains(&format!("<{at}{below}>")));
                assert!(
                    in_folder || call.name == "mkdirat" && round == 0,
                    "{call:?}"
                );
            }
        }
    }
}

/// A separate process, not a thread. A fallback of libc may do less than it seems: `realpath`
/// without `readlink` returns no path.
#[test]
fn the_worker_makes_only_system_calls_that_the_filter_knows() {
    if !can_trace("unknown system calls") {
        return;
    }
    let tree = trapped();
    tree.dir("out");
    tree.link(SITE, "link");
    for arguments in [
        &["refresh", "-q", "--root", "root"][..],
        &["refresh", "-q", "--path", "link", "--output", "out/index"],
        &["refresh", "-q", "--system", "--dry-run"],
    ] {
        let ran = run(&mut traced(&tree, &[], arguments));
        let Some(processes) = calls("unknown system calls", &tree, &ran) else {
            return;
        };
        assert_eq!(ran.code, 0, "{ran:?}");
        let worker = processes
            .iter()
            .find_map(|calls| {
                let filtered = calls.iter().position(|call| call.name == "seccomp");
                calls.get(filtered? + 1..)
            })
            .expect("a filtered process");
        assert!(worker.iter().any(|call| call.name.starts_with("readlink")));
        let unknown: Vec<_> = worker
            .iter()
            .filter(|call| call.result.contains("ENOSYS"))
            .collect();
        assert!(unknown.is_empty(), "{arguments:?}: {unknown:?}");
    }
}

fn is_fork(call: &Call) -> bool {
    call.name.starts_with("clone") && !call.arguments.contains("CLONE_THREAD")
}

#[test]
fn a_failed_trigger_tells_the_journal_when_its_worker_is_gone() {
    let test = "the journal";
    if !can_trace(test) {
        return;
    }
    // The running system's own index, in a view of the system with another /usr/lib and
    // configuration.
    let tree = Tree::new();
    tree.file("etc/epcache.conf", "require-sandbox = yes\n");
    tree.dir("layer");
    let mut command = tree.with_mounts(
        "mount -t tmpfs none layer && mkdir layer/up layer/work
         mount -t overlay none -o lowerdir=etc:/etc /etc
         mount -t overlay none -o lowerdir=/usr/lib,upperdir=layer/up,workdir=layer/work /usr/lib
         mkdir calls
         exec strace -ff -qq -y -e signal=none -e trace=%network,%process,kill,seccomp -o calls/of \
              -e inject=seccomp:error=EINVAL \"$EPCACHE\" trigger dpkg",
    );
    let ran = run(&mut command);
    let Some(processes) = calls(test, &tree, &ran) else {
        return;
    };
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.complaint()
            .contains("this kernel has no seccomp filters"),
        "{ran:?}"
    );
    // The first process only waits, and passes on output.
    let [first, parent, workers @ ..] = processes.as_slice() else {
        panic!("{ran:?}")
    };
    let gone = parent
        .iter()
        .position(|call| call.name == "wait4" && call.result != "0");
    let sockets = parent.iter().position(|call| call.name == "socket");
    assert!(gone.is_some() && gone < sockets, "{gone:?}, {sockets:?}");
    for call in workers.iter().chain([first]).flatten() {
        assert_ne!(call.name, "socket");
    }
}

// ---- nothing is read as root

/// A search directory `site` with files that only root may read, for each reason that there is.
fn partly_private() -> Tree {
    let tree = Tree::new();
    tree.dist("site", "open", "[g]\nopen = open:main\n");
    let private = |name: &str| {
        let metadata = tree.dist("site", name, "");
        fs::remove_file(metadata.join("entry_points.txt")).unwrap();
        let secret = tree.file(
            &format!("secret-{name}"),
            format!("[g]\n{name} = stolen:{name}\n"),
        );
        set_mode(&secret, 0o600);
        (metadata.join("entry_points.txt"), secret)
    };
    // Files that root installs with `umask 077`.
    tree.dist("site", "umask", "[g]\numask = stolen:umask\n");
    for file in ["METADATA", "entry_points.txt"] {
        set_mode(tree.path(&format!("site/umask-1.dist-info/{file}")), 0o600);
    }
    set_mode(tree.path("site/umask-1.dist-info"), 0o700);
    let (entry_points, secret) = private("hard");
    fs::hard_link(secret, entry_points).unwrap();
    let (entry_points, secret) = private("soft");
    std::os::unix::fs::symlink(secret, entry_points).unwrap();
    let (entry_points, _) = private("shadow");
    std::os::unix::fs::symlink("/etc/shadow", entry_points).unwrap();
    tree.dist("closed", "linked", "[g]\nlinked = stolen:linked\n");
    set_mode(tree.path("closed"), 0o700);
    tree.link(
        tree.path("closed/linked-1.dist-info"),
        "site/linked-1.dist-info",
    );
    // Files that the unread ones shadow.
    for name in ["umask", "hard", "soft", "linked"] {
        tree.dist("later", name, &format!("[g]\n{name} = later:{name}\n"));
    }
    tree
}

const UNREAD: [&str; 5] = ["hard", "linked", "shadow", "soft", "umask"];

#[test]
fn files_that_only_root_may_read_are_in_no_index_but_still_shadow() {
    if !root_for("files of root's own") {
        return;
    }
    let tree = partly_private();
    tree.dir("out");
    let ran = run(&mut tree.epcache(&[
        "refresh",
        "--path",
        "site",
        "later",
        "--output",
        "out/index",
        "--json",
    ]));
    assert_eq!(ran.code, 0, "{ran:?}");
    for name in UNREAD {
        let text = format!(
            "site/{name}-1.dist-info: may not be read by everybody, left to readers that may"
        );
        assert!(
            ran.warnings()
                .iter()
                .any(|warning| warning.ends_with(&text)),
            "{name}: {ran:?}"
        );
    }
    let index = fs::read(tree.path("out/index")).unwrap();
    assert!(!contains(&index, "stolen") && contains(&index, "later"));
    assert_eq!(
        unread(&index),
        UNREAD.map(|name| format!("{name}-1.dist-info"))
    );

    let query = [
        "query",
        "g",
        "--path",
        "site",
        "--path",
        "later",
        "--index",
        "out/index",
    ];
    let others = run(&mut tree.as_user(&query));
    for name in ["hard", "soft"] {
        assert!(!others.stdout.contains(name), "shadowed: {others:?}");
    }
    let live = run(&mut tree.as_user(&query[..6]));
    assert_eq!(others.stdout, live.stdout);
    let roots = run(&mut tree.epcache(&query));
    let mut found: Vec<_> = roots.stdout.lines().collect();
    found.sort_unstable();
    let expected = [
        "g\thard\tstolen:hard",
        "g\tlinked\tstolen:linked",
        "g\topen\topen:main",
        "g\tsoft\tstolen:soft",
        "g\tumask\tstolen:umask",
    ];
    assert_eq!(found, expected, "{roots:?}");
}

#[test]
fn root_opens_no_file_in_a_search_directory() {
    if !can_trace("opens") {
        return;
    }
    let tree = partly_private();
    tree.system("root");
    tree.dir("out");
    // Also in a tree that only root may enter: the directory itself is held with O_PATH.
    tree.dist("private/site", "inner", "[g]\ninner = inner:main\n");
    set_mode(tree.path("private"), 0o700);
    for (site, arguments) in [
        (
            "site",
            &["refresh", "-q", "--path", "site", "--output", "out/index"][..],
        ),
        (
            "private/site",
            &[
                "refresh",
                "-q",
                "--path",
                "private/site",
                "--output",
                "out/index",
            ],
        ),
        (SITE, &["refresh", "-q", "--root", "root"]),
        (
            SITE,
            &[
                "trigger",
                "dpkg",
                "--root",
                "root",
                "--",
                "triggered",
                "/usr/lib/python3",
            ],
        ),
    ] {
        let ran = run(&mut traced(
            &tree,
            &["-e", "trace=%process,%file,setresuid"],
            arguments,
        ));
        let Some(processes) = calls("opens", &tree, &ran) else {
            return;
        };
        assert_eq!(ran.code, 0, "{ran:?}");
        let site = tree.path(site);
        let opens = |call: &&Call| call.opened().is_some_and(|path| path.starts_with(&site));
        let calls: Vec<_> = processes.iter().flatten().filter(opens).collect();
        let (by_root, by_others): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| call.user == 0);
        assert!(by_others.len() > 2, "{arguments:?}: {by_others:?}");
        for call in by_root {
            let holds =
                call.opened().as_deref() == Some(&*site) && call.arguments.contains("O_PATH");
            assert!(holds, "{arguments:?}: {call:?}");
        }
    }
}

// ---- the rights that the worker keeps

/// What `/proc` shows of a process.
struct Seen {
    status: BTreeMap<String, String>,
    limits: String,
    descriptors: BTreeMap<u32, PathBuf>,
    environment: Vec<u8>,
    directory: PathBuf,
    session: u32,
    owner: u32,
}

impl Seen {
    fn of(process: &str) -> Self {
        let at = Path::new("/proc").join(process);
        let text = |name: &str| fs::read_to_string(at.join(name)).unwrap();
        let status = text("status");
        let fields = status.lines().filter_map(|line| line.split_once(':'));
        let descriptors = fs::read_dir(at.join("fd")).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let number = entry.file_name().to_str().unwrap().parse().unwrap();
            (number, fs::read_link(entry.path()).unwrap())
        });
        let stat = text("stat");
        let session = stat.rsplit(')').next().unwrap().split(' ').nth(4).unwrap();
        Self {
            status: fields
                .map(|(name, value)| (name.into(), value.trim().into()))
                .collect(),
            limits: text("limits"),
            descriptors: descriptors.collect(),
            environment: fs::read(at.join("environ")).unwrap(),
            directory: fs::read_link(at.join("cwd")).unwrap(),
            session: session.parse().unwrap(),
            owner: fs::metadata(at.join("mem")).unwrap().uid(),
        }
    }

    fn status(&self, name: &str) -> &str {
        self.status.get(name).map_or("", String::as_str)
    }
}

/// A worker that waits for a dead file server, and the parent that waits for it.
struct Waiting {
    parent: Child,
    worker: u32,
    _mount: StuckMount,
}

impl Waiting {
    /// `prefix` starts epcache, in a shell.
    fn new(test: &str, tree: &Tree, prefix: &str, user: Option<u32>) -> Option<Self> {
        tree.dist("source", "stuck", "[g]\nstuck = stuck:main\n");
        for name in ["source", "source/stuck-1.dist-info"] {
            set_mode(tree.path(name), 0o755);
        }
        let mount = StuckMount::new(test, tree, "source", "site", "stuck-1.dist-info/METADATA")?;
        let mut command = Command::new("bash");
        let line = format!(
            "{prefix} '{}' refresh --path '{}' --output '{}'",
            tree.public_program().display(),
            tree.text("site"),
            tree.text("out/index"),
        );
        command.args(["-euc", &line]).current_dir(tree.dir("out"));
        command
            .env("SECRET", "not for the worker")
            .env("LD_PRELOAD", "libm.so.6");
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut parent = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        mount.wait_for_reader(&mut parent);
        let children = format!("/proc/{0}/task/{0}/children", parent.id());
        let children = fs::read_to_string(children).unwrap();
        Some(Self {
            worker: children.trim().parse().expect("one child"),
            parent,
            _mount: mount,
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

/// What holds for every worker, as any user.
fn has_given_up_all_rights(seen: &Seen, kept: usize) {
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(seen.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(
        (seen.status("NoNewPrivs"), seen.status("Seccomp")),
        ("1", "2")
    );
    assert_eq!(seen.status("Umask"), "0077");
    assert_eq!(seen.directory, Path::new("/"));
    assert_eq!(
        String::from_utf8_lossy(&seen.environment).trim_matches('\0'),
        ""
    );
    let mut names: Vec<_> = seen
        .descriptors
        .values()
        .map(|path| path.to_str().unwrap())
        .collect();
    // Three ends of pipes whose other ends are closed, and the pipe to the parent.
    let dead = [0, 1, 2].map(|number| seen.descriptors[&number].to_str().unwrap());
    assert!(dead.iter().all(|end| end.starts_with("pipe:")), "{names:?}");
    names.retain(|name| !dead.contains(name) && !name.contains("/site"));
    assert!(
        names.len() == 1 && names[0].starts_with("pipe:"),
        "{names:?}"
    );
    // The file that it waits for, its directory, descriptors that are held, and three dead pipes.
    assert!(
        seen.descriptors.len() <= 3 + 1 + 2 + kept,
        "{:?}",
        seen.descriptors
    );
    for (limit, value) in [
        ("Max cpu time", "60"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "1024"),
        ("Max locked memory", "0"),
        ("Max address space", "4294967296"),
        ("Max msgqueue size", "0"),
    ] {
        let line = seen
            .limits
            .lines()
            .find(|line| line.starts_with(limit))
            .unwrap();
        let mut values = line[limit.len()..].split_whitespace();
        // One second more until it is killed, so that a signal names the reason first.
        let most = if limit == "Max cpu time" { "61" } else { value };
        let is_limited = values.next() == Some(value) && values.next() == Some(most);
        assert!(
            is_limited || cfg!(not(target_pointer_width = "64")),
            "{line}"
        );
    }
    // A process that cannot be traced belongs to root in /proc.
    assert_eq!(seen.owner, 0);
}

/// A secret behind a descriptor, and one that was opened before the limit was lowered.
const LEAKS: &str = "exec 9</etc/shadow 900</etc/shadow; ulimit -Sn 256; exec";

#[test]
fn a_worker_of_root_is_another_user_and_holds_no_files() {
    let tree = Tree::new();
    let test = "a live worker of root's";
    let Some(waiting) = Waiting::new(test, &tree, LEAKS, None) else {
        return;
    };
    let worker = Seen::of(&waiting.worker.to_string());
    let parent = Seen::of(&waiting.parent.id().to_string());
    has_given_up_all_rights(&worker, 1);
    let ids = fs::read_to_string("/etc/passwd").unwrap();
    let ids = ids
        .lines()
        .find(|line| line.starts_with("_epcache:"))
        .unwrap();
    let ids: Vec<_> = ids.split(':').collect();
    assert_eq!(worker.status("Uid"), [ids[2]; 4].join("\t"));
    assert_eq!(worker.status("Gid"), [ids[3]; 4].join("\t"));
    assert_eq!(worker.status("Groups"), "");
    assert_eq!(worker.status("CapBnd"), "0000000000000000");
    assert_eq!(worker.session, waiting.worker, "a session of its own");
    // Its helper threads have the same rights.
    for entry in fs::read_dir(format!("/proc/{}/task", waiting.worker)).unwrap() {
        let thread = entry.unwrap().file_name().into_string().unwrap();
        let thread = Seen::of(&format!("{0}/task/{thread}", waiting.worker));
        for name in ["Uid", "Gid", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp"] {
            assert_eq!(thread.status(name), worker.status(name), "{name}");
        }
    }
    // The process that waits for it keeps one capability of root's, to end it.
    for (set, kept) in [
        ("CapPrm", "20"),
        ("CapEff", "20"),
        ("CapInh", "0"),
        ("CapAmb", "0"),
    ] {
        assert_eq!(
            parent.status(set).trim_start_matches('0'),
            kept.trim_start_matches('0'),
            "{set}"
        );
    }
    assert_eq!(parent.status("NoNewPrivs"), "1");
}

#[test]
fn descriptors_are_closed_without_close_range() {
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        let tree = Tree::new();
        let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/separation/filtered.py");
        let rule = format!("{}={}", libc::SYS_close_range, errno as i32);
        let prefix = format!("{LEAKS} /usr/bin/python3 '{}' {rule}", filter.display());
        let Some(waiting) = Waiting::new("leaked descriptors", &tree, &prefix, None) else {
            return;
        };
        has_given_up_all_rights(&Seen::of(&waiting.worker.to_string()), 1);
    }
}

#[test]
fn a_worker_of_another_user_has_given_up_the_same() {
    let tree = Tree::new();
    tree.dir("out");
    if root_for("a live worker of a user's") {
        chown(tree.path("out"), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let test = "a live worker of a user's";
    let Some(waiting) = Waiting::new(test, &tree, "exec", Some(STRANGER)) else {
        return;
    };
    let worker = Seen::of(&waiting.worker.to_string());
    has_given_up_all_rights(&worker, 1);
    assert_eq!(
        worker.status("Uid"),
        [STRANGER.to_string().as_str(); 4].join("\t")
    );
    assert_eq!(worker.session, waiting.worker);
    let parent = Seen::of(&waiting.parent.id().to_string());
    assert_eq!(
        (parent.status("CapPrm"), parent.status("NoNewPrivs")),
        ("0000000000000000", "1")
    );
}

#[test]
fn a_worker_ends_when_its_parent_is_killed() {
    let tree = Tree::new();
    let Some(mut waiting) = Waiting::new("an orphan", &tree, "exec", None) else {
        return;
    };
    waiting.parent.kill().unwrap();
    waiting.parent.wait().unwrap();
    // It cannot handle a signal while it waits for the dead server, but the signal has arrived.
    let pending =
        fs::read_to_string(format!("/proc/{}/status", waiting.worker)).unwrap_or_default();
    let kill = 1u64 << 8;
    let is_told = pending.lines().any(|line| {
        let bits = line
            .strip_prefix("ShdPnd:")
            .or_else(|| line.strip_prefix("SigPnd:"));
        bits.is_some_and(|bits| u64::from_str_radix(bits.trim(), 16).unwrap() & kill != 0)
    });
    assert!(
        is_told || pending.is_empty() || pending.contains("(zombie)"),
        "{pending}"
    );
}

// ---- the rights that the parent keeps

/// A job that does nothing, with the usual terms except for where the parent writes.
fn run_a_job(writable: &Path) -> Privileges {
    let policy = Policy {
        drop_privileges: cli::is_root(),
        ..Policy::default()
    };
    let writable = fs::File::open(writable).unwrap();
    let terms = Terms {
        policy: &policy,
        bounds: Bounds {
            silence: Duration::from_secs(60),
            time: Duration::from_secs(60),
            size: 1 << 20,
        },
        kept: &[],
        writable: &[writable.as_fd()],
    };
    let job = Job {
        enter: Box::new(|| false),
        prepare: Box::new(|| ()),
        work: Box::new(|sender| {
            let _ = sender.send(privsep::kind::FIRST_OF_JOB, b"");
        }),
    };
    let (sandbox, _worker) = privsep::run(terms, job, &mut |_| Ok(true)).unwrap();
    if sandbox.landlock == privsep::Landlock::Missing {
        left_out("what the parent may write", "this kernel has no Landlock");
    }
    sandbox.privileges
}

#[test]
fn the_parent_writes_only_where_it_should_and_executes_nothing() {
    if !root_for("what the parent may") {
        return;
    }
    let tree = Tree::new();
    tree.dir("in");
    tree.dir("out");
    tree.file("out/there", "");
    // A thread is confined alone.
    let confined = std::thread::scope(|scope| {
        let body = || {
            assert!(matches!(
                run_a_job(&tree.path("in")),
                Privileges::Dropped(_)
            ));
            fs::write(tree.path("in/a"), "a").unwrap();
            fs::rename(tree.path("in/a"), tree.path("in/b")).unwrap();
            assert_eq!(fs::read(tree.path("out/there")).unwrap(), b"");
            let refused = [
                fs::write(tree.path("out/new"), "").unwrap_err(),
                fs::write(tree.path("out/there"), "x").unwrap_err(),
                fs::remove_file(tree.path("out/there")).unwrap_err(),
                fs::create_dir(tree.path("out/dir")).unwrap_err(),
                Command::new("/bin/true").status().unwrap_err(),
                chown(tree.path("in/b"), Some(NOBODY), None).unwrap_err(),
                std::net::TcpListener::bind("127.0.0.1:0").unwrap_err(),
            ];
            refused.map(|error| error.kind())
        };
        scope.spawn(body).join()
    });
    assert_eq!(confined.unwrap(), [ErrorKind::PermissionDenied; 7]);
    assert_eq!(cli::names(tree.path("out")), ["there"]);
}
