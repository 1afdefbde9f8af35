//! `epcache trigger`: the reports of rpm and dpkg lead to a refresh or not. After any failure the
//! package manager goes on, the old index stays and is marked suspect, and one line says what
//! happened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use cli::{Ran, Tree, left_out, mode, names, root_for, run, tool_for};
use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

const SITE: &str = "/usr/lib/python3.11/site-packages";
const INDEX: &str = "root/usr/lib/epcache/index";
const RPM: [&str; 4] = ["trigger", "rpm", "--root", "root"];
const DPKG: [&str; 4] = ["trigger", "dpkg", "--root", "root"];
const SUSPECT_AT: usize = epcache::index::format::SUSPECT_AT as usize;

/// A system with an index that lacks one distribution, `new`.
fn outdated() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    tree.dist(&format!("root{SITE}"), "new", "[g]\nnew = new:main\n");
    tree
}

/// Runs a command with this on standard input. The command need not read it.
fn fed(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let written = scope(|threads| {
        let writer = threads.spawn(move || stdin.write_all(input));
        let output = child.wait_with_output().unwrap();
        (output, writer.join().unwrap())
    });
    let (output, written) = written;
    written.expect("a broken pipe for the package manager");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The content of the published index, without a look at the directories.
fn indexed(tree: &Tree) -> Vec<String> {
    names_found(tree, "trust")
}

/// The answer of a lookup.
fn looked_up(tree: &Tree) -> Vec<String> {
    names_found(tree, "auto")
}

fn names_found(tree: &Tree, freshness: &str) -> Vec<String> {
    let arguments = [
        "query",
        "g",
        "--json",
        "--root",
        "root",
        "--freshness",
        freshness,
    ];
    let ran = run(tree.epcache(&arguments).arg("-q"));
    let found = ran.json();
    let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
    let mut found: Vec<_> = found.as_array().unwrap().iter().map(name).collect();
    found.sort();
    found
}

fn is_suspect(tree: &Tree) -> bool {
    fs::read(tree.path(INDEX)).unwrap()[SUSPECT_AT] != 0
}

/// What `status` says of the triggers.
fn triggers(tree: &Tree) -> Value {
    let ran = run(&mut tree.epcache(&["status", "--root", "root", "--json"]));
    ran.json()["triggers"].clone()
}

fn silent(ran: &Ran) {
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
}

// ---- rpm

#[test]
fn rpm_refreshes_when_the_list_has_metadata_a_pth_file_or_a_search_directory() {
    for touched in [
        "/a-1.dist-info/METADATA\n",
        "/A-1.DIST-INFO\n",
        "/a.egg-info/entry_points.txt\n",
        "/a-1.egg\n",
        "/a.pth\n",
        "\n",
        "/a.pth",
    ] {
        let tree = outdated();
        let list = format!("{SITE}/a/__init__.py\n{SITE}{touched}");
        silent(&fed(&mut tree.epcache(&RPM), list.as_bytes()));
        assert_eq!(indexed(&tree), ["new", "sys"], "{touched:?}");
    }
}

#[test]
fn rpm_returns_at_once_if_nothing_relevant_was_touched() {
    let tree = outdated();
    let before = fs::read(tree.path(INDEX)).unwrap();
    let before_names = names(tree.path("root/usr/lib/epcache"));
    let list = format!("{SITE}/a\n{SITE}/a/__init__.py\n/usr/lib/python3.11/os.py\n");
    silent(&fed(&mut tree.epcache(&RPM), list.as_bytes()));
    assert_eq!(fs::read(tree.path(INDEX)).unwrap(), before);
    assert_eq!(names(tree.path("root/usr/lib/epcache")), before_names);
    assert_eq!(indexed(&tree), ["sys"]);
    // Nothing was looked at: there is no such root.
    let ran = fed(
        &mut tree.epcache(&["trigger", "rpm", "--root", "gone"]),
        list.as_bytes(),
    );
    silent(&ran);
}

#[test]
fn without_a_list_everything_is_read() {
    let empty = |stdin: Stdio| {
        let tree = outdated();
        silent(&run(tree.epcache(&RPM).stdin(stdin)));
        assert_eq!(indexed(&tree), ["new", "sys"]);
    };
    empty(Stdio::null());
    empty(Stdio::piped()); // and closed at once
    let tree = outdated();
    let mut shell = tree.program("sh".as_ref());
    shell.env("EPCACHE", env!("CARGO_BIN_EXE_epcache"));
    silent(&run(
        shell.args(["-c", "\"$EPCACHE\" trigger rpm --root root <&-"])
    ));
    assert_eq!(indexed(&tree), ["new", "sys"]);
    if tool_for("a terminal on standard input", "script") {
        let tree = outdated();
        let began = Instant::now();
        let mut terminal = tree.on_terminal("\"$EPCACHE\" trigger rpm --root root; echo $?");
        terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut terminal = terminal.spawn().unwrap();
        let typing = terminal.stdin.take(); // nobody does, and nobody ends it
        let shown = terminal.wait_with_output().unwrap().stdout;
        drop(typing);
        assert_eq!(String::from_utf8_lossy(&shown).trim(), "0");
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(indexed(&tree), ["new", "sys"]);
    }
}

#[test]
fn a_slow_list_is_waited_for_with_any_mode_of_standard_input() {
    let tree = outdated();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut command = tree.epcache(&RPM);
    let trigger = command.stdin(OwnedFd::from(theirs)).stderr(Stdio::piped());
    let trigger = trigger.spawn().unwrap();
    drop(command);
    for _ in 0..3 {
        sleep(Duration::from_millis(200));
        ours.write_all(format!("{SITE}/a.py\n").as_bytes())
            .expect("a broken pipe for the package manager");
    }
    drop(ours);
    let output = trigger.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(indexed(&tree), ["sys"], "all of the list was read");
}

#[test]
fn lines_without_text_or_end_or_of_any_length_are_accepted() {
    for list in [
        [SITE.as_bytes(), b"/\xff\xfe-1.dist-info/\0"].concat(),
        b"x".repeat(5 << 20),
        [
            b"/a/\0\xff\n".to_vec(),
            b"/y".repeat(3 << 20),
            b"\n/b\n".to_vec(),
        ]
        .concat(),
    ] {
        let tree = outdated();
        silent(&fed(&mut tree.epcache(&RPM), &list));
        assert_eq!(indexed(&tree), ["new", "sys"], "{}", list.len());
    }
}

#[test]
fn the_arguments_of_rpm_triggers_are_ignored() {
    for arguments in [&["0"][..], &["1", "nonsense"], &["triggered", ""]] {
        let tree = outdated();
        let irrelevant = format!("{SITE}/a.py\n");
        silent(&fed(
            tree.epcache(&RPM).args(arguments),
            irrelevant.as_bytes(),
        ));
        assert_eq!(indexed(&tree), ["sys"], "{arguments:?}");
        silent(&run(tree.epcache(&RPM).args(arguments)));
        assert_eq!(indexed(&tree), ["new", "sys"], "{arguments:?}");
    }
}

#[test]
fn the_longest_list_ever_seen_costs_neither_memory_nor_a_broken_pipe() {
    const LINES: usize = 5_196_138;
    const BYTES: usize = 433 << 20;
    const PEAK_KIB: u64 = 20 << 10;
    let irrelevant = format!("{SITE}/some_package/with/modules/and_long_names_module.py\n");
    let odd = b"z".repeat(1 << 20);
    let many: String = (0..500)
        .map(|number| {
            format!("/opt/app{number}/lib/python3.11/site-packages/a-1.dist-info/METADATA\n")
        })
        .collect();
    let lists: [(&str, &[u8]); 3] = [
        ("modules alone", irrelevant.as_bytes()),
        ("metadata in many places", many.as_bytes()),
        ("one line without an end", &odd),
    ];
    for (what, repeated) in lists {
        let tree = outdated();
        let mut block = repeated.repeat((1 << 20) / repeated.len());
        block.truncate(block.len() / repeated.len() * repeated.len());
        let mut child = Command::new(env!("CARGO_BIN_EXE_epcache"))
            .args(RPM)
            .current_dir(tree.path(""))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let began = Instant::now();
        let mut written = 0;
        while written < BYTES {
            stdin.write_all(&block).expect("a broken pipe");
            written += block.len();
        }
        let took = began.elapsed();
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: u64 = peak
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
        let lines = written / repeated.len();
        println!("{what}: {written} bytes, {lines} lines, {took:?}, peak {peak} KiB");
        assert!(what != "modules alone" || lines > LINES);
        assert!(peak < PEAK_KIB, "{what}: {peak} KiB");
    }
}

// ---- dpkg

#[test]
fn the_arguments_of_dpkg_lead_to_a_refresh() {
    for arguments in [
        &[
            "triggered",
            "/usr/lib/python3/dist-packages /usr/lib/python3.11",
        ][..],
        &["triggered", "epcache-refresh"],
        &["configure", ""],
        &["configure", "0.1.0-1"],
        &["abort-upgrade", "0.1.0-1"],
        &["abort-remove"],
        &["abort-deconfigure", "in-favour", "some-package", "1"],
        &[],
    ] {
        for before in [&[][..], &["--"]] {
            let tree = outdated();
            silent(&run(tree.epcache(&DPKG).args(before).args(arguments)));
            assert_eq!(indexed(&tree), ["new", "sys"], "{before:?} {arguments:?}");
        }
    }
}

#[test]
fn options_count_at_any_place_and_are_never_words_of_the_package_manager() {
    for arguments in [
        &["dpkg", "configure", "1", "--root", "root"][..],
        &["dpkg", "configure", "1", "--root=root"],
        &["dpkg", "triggered", "epcache-refresh", "--root", "root"],
        &["dpkg", "--strict", "configure", "--root", "root", "1", "-q"],
        &["rpm", "/tmp/list", "0", "--root", "root"],
        &["dpkg", "--root", "root", "--", "configure", "1"],
    ] {
        let tree = outdated();
        silent(&run(tree.epcache(&["trigger"]).args(arguments)));
        assert_eq!(indexed(&tree), ["new", "sys"], "{arguments:?}");
    }
    let tree = outdated();
    let ran = run(&mut tree.epcache(&["trigger", "dpkg", "configure", "--root", "gone"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.complaint().contains("--root gone: No such"), "{ran:?}");
    let ran = run(&mut tree.epcache(&["trigger", "dpkg", "configure", "--root=gone", "--strict"]));
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn an_unknown_or_misplaced_option_refreshes_nothing() {
    let tree = outdated();
    for (arguments, said) in [
        (&["--roots", "gone"][..], "unexpected argument '--roots'"),
        (&["configure", "1", "--roots"], "unexpected argument"),
        (&["configure", "1", "-x"], "unexpected argument '-x'"),
        (&["--", "configure", "1", "--root"], "options stand before"),
        (&["--", "configure", "--strict"], "options stand before"),
        (&["configure", "--root", ""], "a value is required for"),
    ] {
        // Where it would work if it treated unknown options as words.
        let mut command = tree.epcache(&["trigger", "dpkg"]);
        command.args(arguments);
        let ran = run(command.env("DPKG_ROOT", tree.path("root")));
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(ran.complaint().contains(said), "{arguments:?}: {ran:?}");
        assert_eq!(indexed(&tree), ["sys"], "{arguments:?}");
        command.arg("--strict");
        if !arguments.contains(&"--") {
            assert_eq!(run(&mut command).code, 2, "{arguments:?}");
        }
    }
}

#[test]
fn the_root_of_dpkg_is_used() {
    let tree = outdated();
    let ran = run(tree
        .epcache(&["trigger", "dpkg", "configure", ""])
        .env("DPKG_ROOT", tree.path("root")));
    silent(&ran);
    assert_eq!(indexed(&tree), ["new", "sys"]);
    // The command line has priority.
    let tree = outdated();
    let ran = run(tree.epcache(&DPKG).env("DPKG_ROOT", tree.path("gone")));
    silent(&ran);
    assert_eq!(indexed(&tree), ["new", "sys"]);
    let ran = run(tree
        .epcache(&["trigger", "dpkg"])
        .env("DPKG_ROOT", tree.path("gone")));
    assert_eq!(ran.code, 0);
    assert!(ran.complaint().contains("gone"), "{ran:?}");
}

#[test]
fn the_first_trigger_makes_the_first_index() {
    let tree = Tree::new();
    tree.system("root");
    silent(&run(tree.epcache(&DPKG).args(["configure", ""])));
    assert_eq!(indexed(&tree), ["sys"]);
    assert_eq!(
        names(tree.path("root/usr/lib/epcache")),
        ["index", "index.lock", "state"]
    );
}

// ---- the switch

#[test]
fn a_trigger_that_is_switched_off_reads_the_list_and_reports_in_one_line() {
    let list = format!("{SITE}/a-1.dist-info/METADATA\n").repeat(20_000);
    let check = |tree: &Tree, ran: &Ran, why: &str| {
        assert_eq!(ran.code, 0);
        assert!(ran.complaint().contains(why), "{ran:?}");
        assert_eq!(indexed(tree), ["sys"]);
        assert!(!is_suspect(tree));
    };
    let tree = outdated();
    tree.file("root/etc/epcache.conf", "[epcache]\nauto-update = no\n");
    let ran = fed(tree.epcache(&RPM).arg("--strict"), list.as_bytes());
    check(&tree, &ran, "auto-update = no");
    let told = triggers(&tree);
    assert!(
        told["switched_off"]
            .as_str()
            .unwrap()
            .contains("auto-update = no")
    );
    let last = &told["last_runs"]["rpm"];
    assert_eq!(last["result"], "skipped");
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .contains("auto-update = no")
    );
    let ran = run(&mut tree.epcache(&["status", "--root", "root"]));
    assert!(
        ran.stdout
            .contains("switched off: the configuration says auto-update = no\n")
    );
    silent(&run(tree
        .epcache(&["refresh", "-q", "--root", "root"])
        .env("EPCACHE_DISABLE", "1")));
    assert_eq!(
        indexed(&tree),
        ["new", "sys"],
        "by hand it still is refreshed"
    );

    let tree = outdated();
    let ran = fed(
        tree.epcache(&RPM).env("EPCACHE_DISABLE", "1"),
        list.as_bytes(),
    );
    check(&tree, &ran, "EPCACHE_DISABLE");
    let ran = run(tree.epcache(&DPKG).arg("-q").env("EPCACHE_DISABLE", "yes"));
    silent_or(&ran, "EPCACHE_DISABLE");
    assert_eq!(indexed(&tree), ["sys"]);
    silent(&run(tree.epcache(&DPKG).env("EPCACHE_DISABLE", "0")));
    assert_eq!(indexed(&tree), ["new", "sys"]);
}

fn silent_or(ran: &Ran, text: &str) {
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr.is_empty() || ran.stderr.contains(text),
        "{ran:?}"
    );
}

#[test]
fn an_invalid_switch_is_named_and_counts_as_on() {
    let tree = outdated();
    tree.file(
        "root/etc/epcache.conf",
        "[epcache]\nauto-update = perhaps\n",
    );
    let ran = run(&mut tree.epcache(&DPKG));
    assert_eq!(ran.code, 0);
    assert!(
        ran.complaint()
            .contains("/etc/epcache.conf:2: auto-update: 'perhaps'"),
        "{ran:?}"
    );
    assert_eq!(indexed(&tree), ["new", "sys"]);
}

// ---- failures

/// Checks that the trigger has failed without harm: status 0, one line, the old index is suspect,
/// and lookups give the new answer.
fn failed_without_harm(tree: &Tree, ran: &Ran, why: &str) {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.complaint().contains(why), "{ran:?}");
    assert!(
        ran.complaint().contains("epcache refresh --system --root "),
        "{ran:?}"
    );
    assert_eq!(indexed(tree), ["sys"], "the old index is there");
    assert!(is_suspect(tree));
    assert_eq!(looked_up(tree), ["new", "sys"]);
    assert_eq!(run(&mut tree.epcache(&["verify", "-q", INDEX])).code, 0);
}

/// The next trigger repairs it.
fn repaired_by_the_next(tree: &Tree) {
    silent(&run(&mut tree.epcache(&DPKG)));
    assert_eq!(indexed(tree), ["new", "sys"]);
    assert!(!is_suspect(tree));
    assert_eq!(
        names(tree.path("root/usr/lib/epcache")),
        ["index", "index.lock", "state"]
    );
}

#[test]
fn a_trigger_does_not_wait_long_for_the_lock() {
    let tree = outdated();
    let lock = File::options()
        .write(true)
        .open(tree.path(&format!("{INDEX}.lock")))
        .unwrap();
    let held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let began = Instant::now();
    let ran = run(&mut tree.epcache(&DPKG));
    let took = began.elapsed();
    failed_without_harm(
        &tree,
        &ran,
        "index.lock: another refresh has held it for 5 s",
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    let last = &triggers(&tree)["last_runs"]["dpkg"];
    assert_eq!(last["result"], "failed");
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .contains("another refresh")
    );
    let ran = run(tree.epcache(&DPKG).args(["configure", "--strict"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    ran.complaint();
    drop(held);
    repaired_by_the_next(&tree);
}

#[test]
fn a_lock_that_is_released_in_time_is_waited_for() {
    let tree = outdated();
    let lock = File::options()
        .write(true)
        .open(tree.path(&format!("{INDEX}.lock")))
        .unwrap();
    let held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let waiting = tree.epcache(&DPKG).stderr(Stdio::piped()).spawn().unwrap();
    sleep(Duration::from_millis(1000));
    drop(held);
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "nothing is amiss: {output:?}");
    assert_eq!(indexed(&tree), ["new", "sys"]);
}

#[test]
fn a_trigger_killed_at_any_step_leaves_the_old_index_suspect() {
    let name = "a killed trigger";
    if !tool_for(name, "strace") {
        return;
    }
    for step in ["fchmod", "fsync", "rename,renameat,renameat2"] {
        let tree = outdated();
        let mut strace = tree.program("strace".as_ref());
        strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={step}")]);
        strace.args(["-e", &format!("inject={step}:signal=KILL:error=EIO")]);
        strace.arg(env!("CARGO_BIN_EXE_epcache")).args(DPKG);
        let ended = strace.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{step}: {said}");
        assert!(said.contains("killed by SIGKILL"), "{step}: {said}");
        assert_eq!(indexed(&tree), ["sys"], "{step}");
        assert!(is_suspect(&tree), "{step}");
        assert_eq!(looked_up(&tree), ["new", "sys"], "{step}");
        repaired_by_the_next(&tree);
    }
}

#[test]
fn a_suspect_index_is_written_again_even_if_nothing_changed() {
    let tree = outdated();
    silent(&run(&mut tree.epcache(&DPKG)));
    let fresh = fs::read(tree.path(INDEX)).unwrap();
    for arguments in [&DPKG[..], &["refresh", "-q", "--root", "root"]] {
        let file = File::options().write(true).open(tree.path(INDEX)).unwrap();
        file.write_all_at(&[1], SUSPECT_AT as u64).unwrap();
        assert_ne!(fs::read(tree.path(INDEX)).unwrap(), fresh);
        silent(&run(&mut tree.epcache(arguments)));
        assert_eq!(fs::read(tree.path(INDEX)).unwrap(), fresh);
    }
}

#[test]
fn on_a_full_disk_the_old_index_stays_and_is_suspect() {
    let name = "a trigger on a full disk";
    if !root_for(name) || !tool_for(name, "unshare") {
        return;
    }
    let tree = outdated();
    // Not even the state can be written: the line is all there is.
    let line = "mkdir -m 755 small; mount -t tmpfs -o size=64k,mode=755 none small; \
                cp -a root/usr/lib/epcache/. small/; mount --bind small root/usr/lib/epcache; \
                dd if=/dev/zero of=small/fill bs=4k 2>/dev/null || true; \
                \"$EPCACHE\" trigger dpkg --root root triggered /usr/lib/python3.11; echo status $?; \
                ls -A small; \"$EPCACHE\" verify -q small/index && echo sound; \
                od -An -tu1 -j12 -N1 small/index; \
                \"$EPCACHE\" query -q g --root root; \
                rm small/fill; \"$EPCACHE\" trigger dpkg --root root; \
                od -An -tu1 -j12 -N1 small/index; ls -A small";
    let ran = run(&mut tree.with_mounts(line));
    let lines: Vec<_> = ran.stdout.lines().map(str::trim).collect();
    let expected = [
        "status 0",
        "fill",
        "index",
        "index.lock",
        "state",
        "sound",
        "1",
    ];
    assert_eq!(lines[..7], expected, "{ran:?}");
    assert_eq!(lines[9..], ["0", "index", "index.lock", "state"], "{ran:?}");
    assert!(
        lines[7..9].iter().any(|line| line.contains("new:main")),
        "{ran:?}"
    );
    assert!(
        ran.complaint().contains("No space left on device"),
        "{ran:?}"
    );
}

#[test]
fn on_a_read_only_file_system_the_old_index_stays() {
    let name = "a trigger on a read-only file system";
    if !root_for(name) || !tool_for(name, "unshare") {
        return;
    }
    let tree = outdated();
    let before = fs::read(tree.path(INDEX)).unwrap();
    tree.dir("root/var");
    let remount =
        |what: &str| format!("mount --bind {what} {what}; mount -o remount,ro,bind {what}; ");
    let trigger = "\"$EPCACHE\" trigger dpkg --root root; echo status $?; \
                   \"$EPCACHE\" query -q g --root root | cut -f2 | sort | tr '\\n' ' '";
    let both = format!("{}{}{trigger}", remount("root/usr"), remount("root/var"));
    let ran = run(&mut tree.with_mounts(&both));
    assert_eq!(ran.stdout, "status 0\nnew sys ", "{ran:?}");
    assert!(ran.complaint().contains("Read-only file system"), "{ran:?}");
    assert_eq!(fs::read(tree.path(INDEX)).unwrap(), before);
    // With a writable /var, there is an index and a state.
    let ran = run(&mut tree.with_mounts(&format!("{}{trigger}", remount("root/usr"))));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("status 0\nnew sys ", "")
    );
    assert_eq!(
        names(tree.path("root/var/cache/epcache")),
        ["index", "index.lock", "state"]
    );
    assert_eq!(triggers(&tree)["last_runs"]["dpkg"]["result"], "ok");
}

#[test]
fn without_write_permission_it_says_so_and_goes_on() {
    let tree = outdated();
    let ran = run(&mut tree.as_user(&DPKG));
    if !cli::is_root() {
        return left_out(
            "a trigger without rights",
            "whoever runs the tests owns the tree",
        );
    }
    assert_eq!(ran.code, 0);
    assert!(ran.complaint().contains("Permission denied"), "{ran:?}");
    assert_eq!(indexed(&tree), ["sys"]);
    assert_eq!(looked_up(&tree), ["new", "sys"]);
}

#[test]
fn an_unreadable_search_directory_is_a_separate_failure() {
    let tree = outdated();
    tree.link("loop", "root/opt/loop");
    tree.file("root/etc/epcache.conf", "directories = /opt/loop\n");
    let ran = run(&mut tree.epcache(&DPKG));
    assert_eq!(ran.code, 0);
    assert!(
        ran.complaint().contains("/opt/loop: cannot be read"),
        "{ran:?}"
    );
    assert_eq!(indexed(&tree), ["new", "sys"], "the others are published");
    assert!(!is_suspect(&tree));
    assert_eq!(triggers(&tree)["last_runs"]["dpkg"]["result"], "failed");
}

#[test]
fn bad_packages_are_not_reported_to_the_package_manager() {
    let tree = outdated();
    tree.dist(&format!("root{SITE}"), "bad", "[g]\nno equals sign\n");
    silent(&run(&mut tree.epcache(&DPKG)));
    assert_eq!(indexed(&tree), ["new", "sys"]);
}

#[test]
fn a_wrong_call_in_a_script_stops_no_transaction() {
    let tree = outdated();
    for (arguments, code) in [
        (&["trigger"][..], 0),
        (&["trigger", "apt"], 0),
        (&["trigger", "dpkg", "--root"], 0),
        (&["trigger", "--strict", "apt"], 2),
    ] {
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(
            ran.complaint().contains("see epcache help trigger"),
            "{ran:?}"
        );
    }
}

// ---- state, status, journal

#[test]
fn status_shows_the_last_runs_of_triggers_and_their_results() {
    let tree = outdated();
    assert_eq!(triggers(&tree)["last_runs"]["refresh"]["result"], "ok");
    silent(&run(&mut tree.epcache(&DPKG)));
    let told = triggers(&tree);
    let last = &told["last_runs"]["dpkg"];
    assert_eq!(
        (&last["result"], &last["message"]),
        (&"ok".into(), &"".into())
    );
    assert!((epcache::state::now() - last["time"].as_i64().unwrap()).abs() < 60);
    assert!(last["duration_ms"].as_u64().unwrap() < 60_000);
    assert!(told.get("switched_off").is_none());
    let state = tree.path("root/usr/lib/epcache/state");
    assert_eq!(mode(&state), 0o644);
    let ran = run(&mut tree.epcache(&["status", "--root", "root"]));
    assert!(ran.stdout.contains("Triggers: not installed\n"), "{ran:?}");
    let line = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("  ok         dpkg  "))
        .unwrap();
    assert!(line.contains(" ago, in "), "{line}");
    // Text that another program has written there does not reach a terminal unchanged.
    fs::write(
        &state,
        "[rpm]\ntime = 1\nresult = failed\nmessage = a\x1b[2Jb\n",
    )
    .unwrap();
    let ran = run(&mut tree.epcache(&["status", "--root", "root"]));
    assert!(ran.stdout.contains("a\\x1b[2Jb"), "{ran:?}");
}

#[test]
fn a_refresh_of_another_scope_writes_no_state() {
    let tree = outdated();
    let state = tree.path("root/usr/lib/epcache/state");
    fs::remove_file(&state).unwrap();
    for arguments in [
        &["--image"][..],
        &["--dry-run"],
        &["--output", "elsewhere"],
        &["--path", SITE, "--output", "elsewhere"],
    ] {
        run(tree
            .epcache(&["refresh", "-q", "--root", "root"])
            .args(arguments));
        assert!(!state.exists(), "{arguments:?}");
    }
}

#[test]
fn with_a_source_date_the_state_is_the_same_at_any_time() {
    let tree = outdated();
    silent(&run(tree.epcache(&DPKG).env("SOURCE_DATE_EPOCH", "77")));
    let state = fs::read_to_string(tree.path("root/usr/lib/epcache/state")).unwrap();
    assert!(
        state.starts_with("[dpkg]\ntime = 77\nresult = ok\nduration-ms = 0\nmessage = \n"),
        "{state}"
    );
}

#[test]
fn status_shows_which_triggers_are_installed() {
    let tree = outdated();
    assert_eq!(triggers(&tree)["installed"], Value::Array(vec![]));
    tree.file(
        "root/var/lib/dpkg/triggers/File",
        "/usr/share/man man-db\n/usr/lib/python3 epcache-not/noawait\n",
    );
    assert_eq!(triggers(&tree)["installed"], Value::Array(vec![]));
    tree.file(
        "root/var/lib/dpkg/triggers/File",
        "/usr/share/man man-db\n/usr/lib/python3/dist-packages epcache/noawait\n",
    );
    assert_eq!(triggers(&tree)["installed"][0], "dpkg");
    tree.file("root/usr/lib/epcache/triggers.d/rpm", "");
    let ran = run(&mut tree.epcache(&["status", "--root", "root"]));
    assert!(
        ran.stdout
            .contains("Triggers: installed for dpkg and rpm\n"),
        "{ran:?}"
    );
}

#[test]
fn a_failure_reaches_the_journal_or_syslog_but_not_from_a_chroot() {
    let name = "a failure in the journal";
    if !root_for(name) || !tool_for(name, "unshare") || !tool_for(name, "chroot") {
        return;
    }
    let tree = outdated();
    tree.dir("run/systemd/journal");
    tree.dir("dev");
    let journal = tree.path("run/systemd/journal/socket");
    let syslog = tree.path("dev/log");
    let received = |socket: &UnixDatagram| {
        let mut buffer = vec![0; 4096];
        socket.set_nonblocking(true).unwrap();
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    };
    // The system itself is read here, but its places for indexes cannot be written to. In a new PID
    // namespace, because not every user may see the root of the first process.
    let places = "mount --bind run /run; mount --bind dev /dev; \
                  for place in /usr /var; do mount --bind $place $place; mount -o remount,ro,bind $place; done; ";
    let namespace = |line: &str| {
        let mut command = tree.with_mounts("unshare --pid --fork --mount-proc sh -euc \"$LINE\"");
        command.env("LINE", format!("{places}{line}"));
        run(&mut command)
    };
    let fail = "\"$EPCACHE\" trigger dpkg </dev/null";
    fs::write(tree.path("dev/null"), "").unwrap();
    let listening = UnixDatagram::bind(&journal).unwrap();
    let ran = namespace(fail);
    assert_eq!(ran.code, 0);
    let said = ran.complaint();
    assert!(said.contains("Read-only file system"), "{ran:?}");
    let message = received(&listening).expect("a datagram");
    assert!(message.starts_with("PRIORITY=3\nSYSLOG_IDENTIFIER=epcache\nMESSAGE=dpkg trigger: "));
    assert_eq!(message.lines().count(), 3, "{message}");
    assert!(message.contains("Read-only file system"), "{message}");

    // In a chroot, the same sockets belong to another system.
    let chrooted = "mkdir slash; mount -t tmpfs none slash; cp \"$EPCACHE\" slash/epcache; \
                    for name in usr lib lib64 bin var proc run dev; do \
                    if [ -h /$name ]; then cp -P /$name slash/; \
                    elif [ -d /$name ]; then mkdir slash/$name; mount --rbind /$name slash/$name; fi; done; \
                    chroot slash /epcache trigger dpkg </dev/null";
    let ran = namespace(chrooted);
    assert_eq!(ran.code, 0);
    assert!(ran.complaint().contains("Read-only file system"), "{ran:?}");
    assert_eq!(received(&listening), None);
    let below_a_root = "for place in root/usr root/var; do mount --bind $place $place; \
                        mount -o remount,ro,bind $place; done; \"$EPCACHE\" trigger dpkg --root root";
    tree.dir("root/var");
    let ran = namespace(below_a_root);
    assert!(ran.complaint().contains("Read-only file system"), "{ran:?}");
    assert_eq!(received(&listening), None, "below another root");

    drop(listening);
    fs::remove_file(&journal).unwrap();
    let listening = UnixDatagram::bind(&syslog).unwrap();
    let ran = namespace(fail);
    assert_eq!(ran.code, 0);
    let message = received(&listening).expect("a datagram");
    assert!(message.starts_with("<27>epcache["), "{message}");
    assert!(message.contains("]: dpkg trigger: "), "{message}");
    drop(listening);
    fs::remove_file(&syslog).unwrap();
    let ran = namespace(fail);
    assert_eq!(ran.code, 0, "nobody listens: {ran:?}");
    ran.complaint();
}
