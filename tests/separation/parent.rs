//! The rights that the parent keeps.

use super::*;

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
