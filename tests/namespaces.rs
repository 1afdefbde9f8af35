//! Packages are read as another user or not at all: what happens if the kernel, a container or the
//! administrator's configuration is in the way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "namespaces/refusals.rs"]
mod refusals;
#[path = "support/separation.rs"]
mod separation;

use std::fs;
use std::os::unix::fs::{chown, lchown};
use std::path::Path;
use std::process::Command;

use cli::{NOBODY, Ran, Tree, names, quoted, root_for, run, set_mode, tool_for};
use epcache::index::format::SUSPECT_AT;
use nix::errno::Errno;
use nix::libc;
use separation::{Call, calls, can_trace, contains};
use serde_json::{Value, json};

const SITE: &str = "root/usr/lib/python3.11/site-packages";
const INDEX: &str = "root/usr/lib/epcache/index";

/// A system, and `etc` for the running system's /etc.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dir("etc");
    tree
}

/// A line of shell that sees `etc` in /etc, with `$EPCACHE`, and `$FILTER` to start a program with.
fn with_etc(tree: &Tree, line: &str) -> Command {
    let line = format!("mount -t overlay none -o lowerdir=etc:/etc /etc\n{line}");
    let mut command = tree.with_mounts(&line);
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/separation/filtered.py");
    command.env("FILTER", filter);
    command
}

fn sandbox(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["sandbox"].clone()
}

/// How much of Landlock this kernel has.
fn landlock() -> String {
    let tree = tree();
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "--dry-run", "--json"]));
    sandbox(&ran)["landlock"].as_str().unwrap().to_owned()
}

/// The user that packages are read as here.
fn user() -> u32 {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("_epcache:"));
    line.unwrap().split(':').nth(2).unwrap().parse().unwrap()
}

/// /etc/passwd with another line for this user, or without one.
fn passwd(line: &str) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let others = users.lines().filter(|line| !line.starts_with("_epcache:"));
    let mut text: String = others.map(|line| format!("{line}\n")).collect();
    text.push_str(line);
    text
}

/// A way to be root and unable to become another user: its name, the change to the tree, the
/// command in front of the program, and the message.
type Case = (&'static str, fn(&Tree), String, &'static str);

#[test]
fn a_user_namespace_with_a_single_user_has_no_root_to_give_up() {
    let test = "a user namespace";
    if !root_for(test) {
        return;
    }
    let tree = tree();
    let epcache = quoted(tree.public_program());
    set_mode(tree.file("secret", "[g]\nsecret = stolen:main\n"), 0o600);
    fs::remove_file(tree.path(&format!("{SITE}/sys-1.dist-info/entry_points.txt"))).unwrap();
    tree.link(
        tree.path("secret"),
        &format!("{SITE}/sys-1.dist-info/entry_points.txt"),
    );
    chown(tree.dir("out"), Some(NOBODY), Some(NOBODY)).unwrap();
    let become_user =
        format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups unshare -Urm");
    let refresh = format!("{epcache} refresh --path {SITE} --output out/index --json");
    let ran = run(&mut tree.with_mounts(&format!("{become_user} {refresh}")));
    let expected = json!({"privileges": "namespace", "landlock": landlock(), "seccomp": true});
    assert_eq!(sandbox(&ran), expected, "{ran:?}");
    assert!(ran.warnings()[0].contains("may not be read"), "{ran:?}");
    assert!(!contains(
        &fs::read(tree.path("out/index")).unwrap(),
        "stolen"
    ));

    // /proc does not tell whose root this is.
    fs::remove_file(tree.path("out/index")).unwrap();
    let line = format!(
        "{become_user} sh -euc {}",
        quoted(format!("mount -t tmpfs none /proc; {refresh} --dry-run"))
    );
    let ran = run(&mut tree.with_mounts(&line));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.complaint()
            .contains("and /proc does not say why): nothing is read"),
        "{ran:?}"
    );
    assert!(!tree.path("out/index").exists());
}

#[test]
fn root_is_given_up_in_a_container_with_its_own_users() {
    let test = "a container's users";
    if !root_for(test) {
        return;
    }
    let tree = tree();
    tree.dir("root/usr/lib/epcache");
    tree.public_program();
    let line = format!(
        "unshare --user --mount sleep 60 &
         until [ \"$(readlink /proc/$!/ns/user)\" != \"$(readlink /proc/self/ns/user)\" ]; do sleep 0.02; done
         echo '0 100000 65536' >/proc/$!/uid_map
         echo '0 100000 65536' >/proc/$!/gid_map
         chown -R 100000:100000 {}
         status=0
         nsenter --user --target $! .bin/epcache refresh --root root --json || status=$?
         kill $!
         exit $status",
        tree.text("root")
    );
    let ran = run(&mut tree.with_mounts(&line));
    let expected =
        json!({"privileges": "dropped", "uid": user(), "landlock": landlock(), "seccomp": true});
    assert_eq!(sandbox(&ran), expected, "{ran:?}");
}

#[test]
fn privileges_are_kept_if_the_administrator_wants_it_but_capabilities_are_not() {
    let test = "privilege-drop = no";
    if !root_for(test) {
        return;
    }
    let tree = tree();
    tree.file("etc/epcache.conf", "privilege-drop = no\n");
    for (name, owner) in [("roots", 0), ("users", 1234)] {
        let metadata = tree.dist(SITE, name, &format!("[g]\n{name} = {name}:main\n"));
        set_mode(metadata.join("entry_points.txt"), 0o600);
        lchown(metadata.join("entry_points.txt"), Some(owner), None).unwrap();
    }
    let ran = run(&mut with_etc(
        &tree,
        "\"$EPCACHE\" refresh --root root --json",
    ));
    let expected = json!({"privileges": "kept", "landlock": landlock(), "seccomp": true});
    assert_eq!(sandbox(&ran), expected, "{ran:?}");
    // All users read the system's index.
    let index = fs::read(tree.path(INDEX)).unwrap();
    assert!(!contains(&index, "roots:main") && !contains(&index, "users:main"));
    // Only root reads the index of a closed tree.
    set_mode(tree.path(SITE), 0o700);
    let line =
        format!("\"$EPCACHE\" refresh --path \"$PWD/{SITE}\" --output \"$PWD/out/index\" --json");
    let ran = run(&mut with_etc(&tree, &line));
    assert_eq!(sandbox(&ran), expected, "{ran:?}");
    let index = fs::read(tree.path("out/index")).unwrap();
    assert!(contains(&index, "roots:main") && !contains(&index, "users:main"));
    assert_eq!(separation::unread(&index), ["users-1.dist-info"]);
}

#[test]
fn an_image_cannot_configure_how_packages_are_read() {
    if !root_for("an image's configuration") {
        return;
    }
    let tree = tree();
    tree.file(
        "root/etc/epcache.conf",
        "privilege-drop = no\nrequire-sandbox = no\nuser = root\n",
    );
    tree.file("root/etc/passwd", "_epcache:x:4321:4321::/:/bin/false\n");
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "--json"]));
    assert_eq!(sandbox(&ran)["privileges"], "dropped");
    assert_eq!(sandbox(&ran)["uid"], user());
}

#[test]
fn missing_kernel_features_are_reported_once_or_are_fatal() {
    let test = "a kernel without sandboxes";
    if !can_trace(test) {
        return;
    }
    let here = landlock();
    let no_landlock = [(libc::SYS_landlock_create_ruleset, libc::ENOSYS)];
    let no_seccomp = [(libc::SYS_seccomp, libc::EINVAL)];
    let switched_off = [(libc::SYS_landlock_create_ruleset, libc::EOPNOTSUPP)];
    let neither = [no_landlock[0], (libc::SYS_seccomp, libc::ENOSYS)];
    for (rules, lack, landlock, seccomp) in [
        (&no_landlock[..], "no Landlock", "missing", true),
        (&switched_off, "no Landlock", "missing", true),
        (&no_seccomp, "no seccomp filters", &*here, false),
        (
            &neither,
            "neither Landlock nor seccomp filters",
            "missing",
            false,
        ),
    ] {
        let tree = tree();
        let filter: Vec<_> = rules
            .iter()
            .map(|(call, errno)| format!("{call}={errno}"))
            .collect();
        let filter = format!(
            "/usr/bin/python3 \"$FILTER\" {} \"$EPCACHE\"",
            filter.join(",")
        );
        let ran = run(&mut with_etc(
            &tree,
            &format!("{filter} refresh --root root --json"),
        ));
        let expected = json!({
            "privileges": "dropped", "uid": user(), "landlock": landlock, "seccomp": seccomp
        });
        assert_eq!(sandbox(&ran), expected);
        let said = format!("epcache: warning: this kernel has {lack}: packages were read without");
        assert_eq!(ran.complaint(), said);
        let trigger = format!("{filter} trigger dpkg --root root");
        let ran = run(&mut with_etc(&tree, &trigger));
        let said = format!("this kernel has {lack}: packages are read without");
        assert!(ran.code == 0 && ran.complaint().ends_with(&said), "{ran:?}");

        tree.file("etc/epcache.conf", "require-sandbox = yes\n");
        let index = fs::read(tree.path(INDEX)).unwrap();
        let ran = run(&mut with_etc(
            &tree,
            &format!("{filter} refresh --root root"),
        ));
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.complaint()
                .contains("require-sandbox = yes, and this kernel has no"),
            "{ran:?}"
        );
        let ran = run(&mut with_etc(&tree, &trigger));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.complaint().contains("nothing is read"), "{ran:?}");
        let mut now = fs::read(tree.path(INDEX)).unwrap();
        assert_eq!(std::mem::replace(&mut now[SUSPECT_AT as usize], 0), 1);
        assert!(now == index);
    }
}

#[test]
fn calls_that_old_container_runtimes_refuse_are_not_needed() {
    let test = "container runtimes' filters";
    if !root_for(test) {
        return;
    }
    let calls = [
        libc::SYS_close_range,
        libc::SYS_openat2,
        libc::SYS_statx,
        libc::SYS_clone3,
        libc::SYS_faccessat2,
        libc::SYS_rseq,
        libc::SYS_getrandom,
        libc::SYS_landlock_restrict_self,
    ];
    let tree = tree();
    // Enough for threads.
    for number in 0..600 {
        tree.dist(SITE, &format!("d{number}"), "[g]\nd = d:main\n");
    }
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = fs::read(tree.path(INDEX)).unwrap();
    for errno in [Errno::EPERM, Errno::ENOSYS] {
        let all: Vec<_> = calls
            .iter()
            .map(|call| format!("{call}={}", errno as i32))
            .collect();
        // Each alone, and all together.
        for rules in all.iter().chain([&all.join(",")]) {
            let line = format!(
                "/usr/bin/python3 \"$FILTER\" {rules} \"$EPCACHE\" refresh --full --root root --json"
            );
            let ran = run(&mut with_etc(&tree, &line));
            let in_force = sandbox(&ran);
            assert_eq!(in_force["privileges"], "dropped", "{rules}");
            assert_eq!(in_force["seccomp"], true, "{rules}");
            assert!(fs::read(tree.path(INDEX)).unwrap() == expected, "{rules}");
        }
    }
}

#[test]
fn neither_proc_nor_devices_are_needed() {
    let test = "a system without /proc and /dev";
    if !root_for(test) {
        return;
    }
    let filter = format!("/usr/bin/python3 \"$FILTER\" {}=1", libc::SYS_close_range);
    for line in [
        "mount -t tmpfs none /proc".to_owned(),
        "mount -t tmpfs none /dev".to_owned(),
        "mount -t tmpfs none /proc; mount -t tmpfs none /dev".to_owned(),
        // A regular file in place of the null device.
        "mount -t tmpfs none /dev; echo >/dev/null".to_owned(),
        format!(
            "mount -t tmpfs none /proc; mount -t tmpfs none /dev; exec {filter} \"$EPCACHE\" refresh --root root --json"
        ),
    ] {
        let tree = tree();
        let ran = run(&mut with_etc(
            &tree,
            &format!("{line}\n\"$EPCACHE\" refresh --root root --json"),
        ));
        let expected = json!({"privileges": "dropped", "uid": user(), "landlock": landlock(), "seccomp": true});
        assert_eq!(sandbox(&ran), expected, "{line}");
        assert_eq!(ran.json()["entry_points"], 1, "{line}");
    }
}

#[test]
fn in_a_chroot_its_own_users_count() {
    let test = "a chroot";
    if !root_for(test) {
        return;
    }
    let tree = tree();
    tree.public_program();
    for name in ["usr", "tree", "etc"] {
        tree.dir(&format!("chroot/{name}"));
    }
    for name in ["bin", "lib", "lib64"] {
        match fs::read_link(Path::new("/").join(name)) {
            Ok(target) => tree.link(target, &format!("chroot/{name}")),
            Err(_) => return cli::left_out(test, "/usr is not merged here"),
        }
    }
    let line = "mount --rbind /usr chroot/usr; mount --bind . chroot/tree
                exec chroot chroot /tree/.bin/epcache refresh --root /tree/root --json";
    let expected = |uid: u32| json!({"privileges": "dropped", "uid": uid, "landlock": landlock(), "seccomp": true});
    assert_eq!(sandbox(&run(&mut tree.with_mounts(line))), expected(NOBODY));
    tree.file("chroot/etc/passwd", "_epcache:x:4321:4321::/:/bin/false\n");
    assert_eq!(sandbox(&run(&mut tree.with_mounts(line))), expected(4321));
}

#[test]
fn the_end_of_a_worker_is_known_with_any_inherited_signal_settings() {
    let test = "a worker that is killed";
    if !root_for(test) {
        return;
    }
    // Only the worker sets a filter. A process that is not waited for would be forgotten.
    let killed = format!(
        "/usr/bin/python3 \"$FILTER\" {}=-1 \"$EPCACHE\" refresh --root root",
        libc::SYS_seccomp
    );
    for inherited in ["", "env --ignore-signal=CHLD"] {
        let tree = tree();
        let ran = run(&mut with_etc(&tree, &format!("{inherited} {killed}")));
        assert_eq!(ran.code, 2, "{ran:?}");
        let said = "does the work ended: it made a forbidden system call";
        assert!(ran.complaint().ends_with(said), "{inherited} {ran:?}");
    }
}

#[test]
fn a_pid_namespace_makes_no_difference() {
    let test = "a PID namespace";
    if !root_for(test) {
        return;
    }
    let tree = tree();
    let line = "unshare --pid --fork --mount-proc \"$EPCACHE\" refresh --root root --json";
    assert_eq!(sandbox(&run(&mut tree.with_mounts(line)))["uid"], user());
}
