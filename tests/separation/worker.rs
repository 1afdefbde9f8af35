//! The rights that the worker keeps.

use super::*;

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
