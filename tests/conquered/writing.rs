//! A conquered worker cannot write, except into the pipe.

use super::*;

#[test]
fn a_conquered_worker_cannot_write_where_all_users_may_write() {
    if !guards_for("a conquered worker that writes") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("write open")
            },
            &REFRESH,
        ))
    };
    // The filter, with or without Landlock.
    for without in [&[][..], &["landlock"]] {
        let told = told_by(without);
        all_refused(&told, &["EROFS", "ENOSYS"], &["write-on", "map"]);
        assert_eq!((&*told["write-on"], &*told["map"]), ("EBADF", "EACCES"));
        for open in [
            "write",
            "read-write",
            "append",
            "unnamed",
            "create",
            "truncate-on-open",
        ] {
            assert_eq!(told[open], "EROFS", "{open}");
        }
        prey.is_unharmed();
    }
    // Only Landlock. It does not cover times and attributes.
    let told = told_by(&["seccomp"]);
    let of_the_descriptor = ["EBADF", "EINVAL"];
    let by = [&["EACCES", "EPERM", "EXDEV"][..], &of_the_descriptor].concat();
    all_refused(&told, &by, &["touch", "xattr", "rmdir", "old-unlink"]);
    for one in [
        "write",
        "create",
        "truncate",
        "truncate-on-open",
        "unlink",
        "mkdir",
        "symlink",
        "fifo",
    ] {
        assert_eq!(told[one], "EACCES", "{one} in {told:?}");
    }
    prey.is_unharmed();
    // Neither. The file size limit allows no byte beyond the present ones.
    let run = Run {
        without: &["seccomp", "landlock"],
        ..Run::of("fill")
    };
    let ran = prey.conquer_with(&run, &REFRESH);
    assert!(ran.complaint().ends_with("fill=EFBIG"), "{ran:?}");
    prey.is_unharmed();
    // Without the limit too.
    let told = told_by(&["seccomp", "landlock", "limits"]);
    let possible = [
        "write",
        "read-write",
        "append",
        "openat2",
        "touch",
        "truncate",
        "mkdir",
        "symlink",
        "rename",
    ];
    all_succeeded(&told, &possible);
}

#[test]
fn without_landlock_and_filter_a_conquered_worker_cannot_write_roots_files() {
    if !root_for("a conquered worker that writes") {
        return;
    }
    let prey = Prey::new();
    let without: [&[_]; 2] = [&[], &["seccomp", "landlock"]];
    for (without, by) in without.into_iter().zip([
        &["EROFS", "ENOSYS"][..],
        &["EACCES", "EPERM", "EBADF", "EINVAL", "ENOENT"],
    ]) {
        let run = Run {
            without,
            ..Run::of("write closed")
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        all_refused(&told, by, &["write-on", "map", "rmdir"]);
        assert_ne!(told["write"], "ENOENT");
        prey.is_unharmed();
    }
    // Also below the index's own folder.
    fs::write(prey.tree.path("index/victim"), "untouched").unwrap();
    for without in without {
        let run = Run {
            without,
            ..Run::of("write index")
        }
        .fact("index", prey.tree.text("index"));
        let told = told(&prey.conquer_with(&run, &REFRESH));
        assert!(!told.values().any(|said| said.starts_with('+')), "{told:?}");
        assert_eq!(
            fs::read_to_string(prey.tree.path("index/victim")).unwrap(),
            "untouched"
        );
    }
    fs::remove_file(prey.tree.path("index/victim")).unwrap();
    prey.is_unharmed();
}

#[test]
fn a_conquered_worker_of_the_owner_cannot_write_either() {
    if !guards_for("a conquered worker of another user") {
        return;
    }
    for (without, held) in [
        (&["landlock"][..], true),
        (&["seccomp"], true),
        (&["seccomp", "landlock", "limits"], false),
    ] {
        let prey = Prey::of_nobody();
        let run = Run {
            without,
            user: Some(NOBODY),
            ..Run::of("write closed")
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        let writes = ["write", "create", "truncate", "unlink", "mkdir", "append"];
        if held {
            for name in writes {
                assert!(
                    !told[name].starts_with('+'),
                    "{without:?}: {name} in {told:?}"
                );
            }
        } else {
            all_succeeded(
                &told,
                &["write", "truncate", "rename", "mkdir", "append", "chmod"],
            );
        }
    }
}
