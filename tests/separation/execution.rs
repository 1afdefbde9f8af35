//! No package code is executed, and only the index is written.

use super::*;

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
