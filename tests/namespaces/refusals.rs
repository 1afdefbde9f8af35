//! Roots that cannot be given up: nothing is read.

use super::*;

fn cases() -> Vec<Case> {
    let filter = |rules: &[(i64, i32)]| {
        let rules: Vec<_> = rules
            .iter()
            .map(|(call, errno)| format!("{call}={errno}"))
            .collect();
        format!("/usr/bin/python3 \"$FILTER\" {}", rules.join(","))
    };
    let nothing: fn(&Tree) = |_| ();
    vec![
        (
            "a configured user that does not exist",
            |tree| drop(tree.file("etc/epcache.conf", "user = gone\n")),
            String::new(),
            "the configuration says user = gone, which is not in /etc/passwd or /usr/lib/passwd: \
             packages are not read as another user",
        ),
        (
            "_epcache itself, configured and not there",
            |tree| {
                tree.file("etc/passwd", passwd(""));
                tree.file("etc/epcache.conf", "user = _epcache\n");
            },
            String::new(),
            "the configuration says user = _epcache, which is not in /etc/passwd or \
             /usr/lib/passwd: packages are not read as another user",
        ),
        (
            "no user of its own, and no Landlock",
            |tree| drop(tree.file("etc/passwd", passwd(""))),
            filter(&[(libc::SYS_landlock_create_ruleset, libc::ENOSYS)]),
            "packages are read as nobody only in a sandbox (as a user _epcache also without one), and this kernel \
             has no Landlock",
        ),
        (
            "no user of its own, and no seccomp",
            |tree| drop(tree.file("etc/passwd", passwd(""))),
            filter(&[(libc::SYS_seccomp, libc::EINVAL)]),
            "packages are read as nobody only in a sandbox (as a user _epcache also without one), and this kernel \
             has no seccomp filters",
        ),
        (
            "nobody configured, and no Landlock",
            |tree| drop(tree.file("etc/epcache.conf", "user = nobody\n")),
            filter(&[(libc::SYS_landlock_create_ruleset, libc::ENOSYS)]),
            "packages are read as nobody only in a sandbox (as a user _epcache also without one), and this kernel \
             has no Landlock",
        ),
        (
            "root for a user",
            |tree| drop(tree.file("etc/epcache.conf", "user = root\n")),
            String::new(),
            "packages cannot be read as the user 'root', which has root's user or group",
        ),
        (
            "a user in root's group",
            |tree| drop(tree.file("etc/passwd", passwd("_epcache:x:999:0::/:/bin/false\n"))),
            String::new(),
            "packages cannot be read as the user '_epcache', which has root's user or group",
        ),
        (
            "a user whose number stands for no change",
            |tree| {
                drop(tree.file(
                    "etc/passwd",
                    passwd("_epcache:x:4294967295:7::/:/bin/false\n"),
                ))
            },
            String::new(),
            "root's privileges cannot be dropped (it only looked as if they were)",
        ),
        (
            "a group whose number stands for no change",
            |tree| {
                drop(tree.file(
                    "etc/passwd",
                    passwd("_epcache:x:999:4294967295::/:/bin/false\n"),
                ))
            },
            String::new(),
            "root's privileges cannot be dropped (it only looked as if they were)",
        ),
        (
            "no CAP_SETUID",
            nothing,
            "setpriv --bounding-set -setuid".into(),
            "root's privileges cannot be dropped (setresuid: Operation not permitted)",
        ),
        (
            "no CAP_SETGID",
            nothing,
            "setpriv --groups 42 --bounding-set -setgid".into(),
            "root's privileges cannot be dropped (setgroups: Operation not permitted)",
        ),
        (
            "a filter that refuses setresuid",
            nothing,
            filter(&[(libc::SYS_setresuid, libc::EPERM)]),
            "root's privileges cannot be dropped (setresuid: Operation not permitted)",
        ),
        (
            "a filter that refuses setgroups, as a user namespace may",
            nothing,
            filter(&[(libc::SYS_setgroups, libc::EPERM)]),
            "root's privileges cannot be dropped (setgroups: Operation not permitted)",
        ),
        (
            "a filter that fakes setresuid",
            nothing,
            filter(&[(libc::SYS_setresuid, 0)]),
            "root's privileges cannot be dropped (it only looked as if they were)",
        ),
        (
            "a filter that fakes setresgid",
            nothing,
            filter(&[(libc::SYS_setresgid, 0)]),
            "root's privileges cannot be dropped (it only looked as if they were)",
        ),
        (
            "a filter that fakes setgroups",
            nothing,
            format!(
                "setpriv --groups 42 {}",
                filter(&[(libc::SYS_setgroups, 0)])
            ),
            "root's privileges cannot be dropped (it only looked as if they were)",
        ),
        (
            "a filter that has no such user",
            nothing,
            filter(&[(libc::SYS_setresuid, libc::EINVAL)]),
            "root's privileges cannot be dropped (this user namespace has users, but not the one to read \
             packages as)",
        ),
        (
            "capabilities that outlive the change",
            nothing,
            "setpriv --securebits +no_setuid_fixup".into(),
            "root's privileges cannot be dropped (they can be taken back)",
        ),
        (
            "a filter that fakes capset",
            |tree| drop(tree.file("etc/epcache.conf", "privilege-drop = no\n")),
            filter(&[(libc::SYS_capset, 0)]),
            "root's privileges cannot be dropped (capabilities are left)",
        ),
        (
            "a user namespace of root's own",
            nothing,
            "unshare -Ur".into(),
            "root's privileges cannot be dropped (this user namespace has nobody but root, and that is root \
             outside as well)",
        ),
    ]
}

#[test]
fn if_root_cannot_be_given_up_nothing_is_read() {
    let test = "a root that cannot be given up";
    if !can_trace(test) || !tool_for(test, "setpriv") {
        return;
    }
    for (name, prepare, prefix, reason) in cases() {
        let tree = tree();
        let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
        assert_eq!(ran.code, 0, "{ran:?}");
        tree.dist(SITE, "new", "[g]\nnew = new:main\n");
        prepare(&tree);
        let index = fs::read(tree.path(INDEX)).unwrap();
        let folder = names(tree.path("root/usr/lib/epcache"));
        for (command, code) in [("refresh --root root", 2), ("trigger dpkg --root root", 0)] {
            let _ = fs::remove_dir_all(tree.path("calls"));
            tree.dir("calls");
            let strace =
                "strace -ff -qq -y -e signal=none -e trace=%file,%process,setresuid -o calls/of";
            let ran = run(&mut with_etc(
                &tree,
                &format!("{strace} {prefix} \"$EPCACHE\" {command}"),
            ));
            let Some(processes) = calls(test, &tree, &ran) else {
                return;
            };
            assert_eq!(ran.code, code, "{name}: {ran:?}");
            let said = format!("{reason}: nothing is read");
            assert!(ran.complaint().contains(&said), "{name}: {said}: {ran:?}");
            let site = tree.path("root/usr/lib/python3.11");
            let opens = |call: &&Call| call.opened().is_some_and(|path| path.starts_with(&site));
            let opened: Vec<_> = processes.iter().flatten().filter(opens).collect();
            assert!(opened.is_empty(), "{name}: {opened:?}");
        }
        // The old index stays and is marked suspect.
        let mut now = fs::read(tree.path(INDEX)).unwrap();
        assert_eq!(
            std::mem::replace(&mut now[SUSPECT_AT as usize], 0),
            1,
            "{name}"
        );
        assert!(now == index, "{name}");
        let with_state: Vec<_> = names(tree.path("root/usr/lib/epcache"));
        assert_eq!(with_state, folder, "{name}");
        let status = run(&mut tree.epcache(&["status", "--root", "root", "--json"]));
        assert_eq!(
            status.json()["triggers"]["last_runs"]["dpkg"]["result"],
            "failed",
            "{name}"
        );
    }
}
