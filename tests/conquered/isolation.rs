//! A conquered worker cannot reach the network, other processes, root or the terminal.

use super::*;

#[test]
fn a_conquered_worker_cannot_talk_to_other_processes() {
    if !guards_for("a conquered worker that connects") {
        return;
    }
    let prey = Prey::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("epcache-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listening = UnixListener::bind_addr(&address).unwrap();
    let path = prey.tree.path("open/socket");
    let _by_path = UnixListener::bind(&path).unwrap();
    set_mode(&path, 0o777);
    let told_by = |without| {
        let run = Run {
            without,
            ..Run::of("talk")
        }
        .fact("port", tcp.local_addr().unwrap().port())
        .fact("abstract", &name);
        told(&prey.conquer_with(&run, &REFRESH))
    };
    all_refused(&told_by(&[]), &["EPERM"], &[]);
    all_refused(&told_by(&["landlock"]), &["EPERM"], &[]);
    // Landlock covers TCP and abstract names.
    let told = told_by(&["seccomp"]);
    for (name, by) in [
        ("tcp", "EACCES"),
        ("bind", "EACCES"),
        ("unix-abstract", "EPERM"),
    ] {
        assert_eq!(told[name], by, "{name} in {told:?}");
    }
    let told = told_by(&["seccomp", "landlock"]);
    all_succeeded(
        &told,
        &[
            "tcp",
            "udp",
            "bind",
            "unix-path",
            "unix-abstract",
            "netlink",
            "socketpair",
        ],
    );
    prey.is_unharmed();
}

#[test]
fn the_parent_is_out_of_reach() {
    if !guards_for("a conquered worker that turns on its parent") {
        return;
    }
    let of_root = |job: &str, without| {
        let prey = Prey::new();
        let told = told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of(job)
            },
            &REFRESH,
        ));
        prey.is_unharmed();
        told
    };
    for without in [&[][..], &["landlock"]] {
        let told = of_root("parent", without);
        all_refused(&told, &["EPERM", "ENOSYS", "EACCES", "EROFS"], &[]);
        assert_eq!(told["kill"], "EPERM");
    }
    // Another user would be enough.
    let without: &[_] = &["seccomp", "landlock"];
    all_refused(&of_root("parent", without), &["EPERM", "EACCES"], &[]);
    all_refused(&of_root("trace", without), &["EPERM"], &[]);

    // With the same user, the filter prevents it, except where reading is enough. Landlock prevents
    // that.
    let of_nobody = |job: &str, without| {
        let prey = Prey::of_nobody();
        let run = Run {
            without,
            user: Some(NOBODY),
            ..Run::of(job)
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        prey.is_unharmed();
        told
    };
    all_refused(
        &of_nobody("parent", &[]),
        &["EPERM", "ENOSYS", "EACCES", "EROFS"],
        &[],
    );
    all_refused(
        &of_nobody("parent", &["seccomp"]),
        &["EPERM", "EACCES"],
        &["limits"],
    );
    all_refused(&of_nobody("trace", &["seccomp"]), &["EPERM"], &[]);
    let told = of_nobody("parent", &["landlock"]);
    let reading = ["read-memory", "environment", "descriptor"];
    all_refused(&told, &["EPERM", "ENOSYS", "EROFS"], &reading);
    let told = of_nobody("parent", &["seccomp", "landlock"]);
    all_succeeded(
        &told,
        &["kill", "tkill", "tgkill", "sigqueue", "pidfd-signal"],
    );
}

#[test]
fn there_is_no_way_back_to_root() {
    if !root_for("a conquered worker that would be root again") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("rise")
            },
            &REFRESH,
        ))
    };
    let told = told_by(&[]);
    all_refused(&told, &["ENOSYS"], &["shadow"]);
    assert_eq!(told["shadow"], "EACCES");
    // Without a filter, the user has no right to it.
    let told = told_by(&["seccomp", "landlock"]);
    all_refused(&told, &["EPERM"], &["shadow"]);
    assert_eq!(told["shadow"], "EACCES");
    prey.is_unharmed();
}

#[test]
fn the_callers_terminal_is_out_of_reach() {
    if !root_for("a conquered worker on a terminal")
        || !tool_for("a conquered worker on a terminal", "script")
    {
        return;
    }
    let prey = Prey::new();
    for (without, by) in [(&[][..], "ENOTTY"), (&["seccomp", "landlock"], "ENOTTY")] {
        let run_ = Run {
            without,
            ..Run::of("terminal")
        };
        let mut command = prey
            .tree
            .on_terminal("\"$PROGRAM\" --exact as_program --nocapture --test-threads=1");
        command.env("PROGRAM", program::own_path());
        let ran = run(prey.facts(run_).environment(&mut command, &REFRESH));
        assert_eq!(ran.code, 2, "{ran:?}");
        let line = ran.stdout.split_once("epcache: error: attempts:");
        let (_, line) = line.unwrap_or_else(|| panic!("{ran:?}"));
        let said: BTreeMap<_, _> = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .collect();
        // It has no terminal, and cannot open one by that name.
        assert_eq!(said["open"], "ENXIO", "{said:?}");
        for typed in ["type-0", "type-1", "type-2", "acquire"] {
            assert_eq!(said[typed], by, "{typed} in {said:?}");
        }
    }
    prey.is_unharmed();
}

#[test]
fn a_conquered_worker_cannot_start_processes_or_threads() {
    if !root_for("a conquered worker that multiplies") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("multiply")
            },
            &REFRESH,
        ))
    };
    all_refused(&told_by(&["limits"]), &["EPERM", "ENOSYS"], &[]);
    all_refused(&told_by(&["seccomp"]), &["EAGAIN"], &[]);
    all_refused(&told_by(&[]), &["EPERM", "ENOSYS"], &[]);
    all_succeeded(
        &told_by(&["seccomp", "limits"]),
        &["clone", "clone3", "thread", "bomb"],
    );
    prey.is_unharmed();
}
