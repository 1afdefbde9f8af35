//! File servers that die.

use super::*;

#[test]
fn a_trigger_gives_up_on_a_file_system_that_hangs_and_keeps_the_old_index() {
    let test = "a file system that hangs";
    if !can_trace(test) {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let before = fs::read(tree.path(INDEX)).unwrap();
    tree.dist("server", "stuck", "[g]\nstuck = stuck:main\n");
    let Some(_mount) = StuckMount::new(
        test,
        &tree,
        "server",
        "root/usr/lib/python3.11/lib-dynload",
        "stuck-1.dist-info/METADATA",
    ) else {
        return;
    };
    let ran = run(&mut tree.epcache(&["trigger", "dpkg", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let said =
        "the process that reads packages sent nothing for 30 s (does a file system hang?): gave up";
    assert!(ran.complaint().contains(said), "{ran:?}");
    let mut after = fs::read(tree.path(INDEX)).unwrap();
    assert_eq!(
        std::mem::replace(&mut after[SUSPECT_AT as usize], 0),
        1,
        "suspect"
    );
    assert!(before == after);
}

#[test]
fn a_worker_that_waits_for_a_dead_file_server_is_left_behind() {
    let test = "a dead file server";
    let tree = Tree::new();
    tree.dist("server", "stuck", "[g]\nstuck = stuck:main\n");
    let Some(mount) = StuckMount::new(test, &tree, "server", "site", "stuck-1.dist-info/METADATA")
    else {
        return;
    };
    let dead = tree.path("site/stuck-1.dist-info/METADATA");
    // In its own thread, which is confined for good.
    let trouble = std::thread::scope(|scope| {
        let body = || {
            let policy = Policy::default();
            let terms = Terms {
                policy: &policy,
                bounds: Bounds {
                    silence: Duration::from_secs(1),
                    time: Duration::from_secs(60),
                    size: 1 << 20,
                },
                kept: &[],
                writable: &[],
            };
            let job = Job {
                enter: Box::new(|| false),
                prepare: Box::new(|| ()),
                work: Box::new(|_| drop(fs::read(&dead))),
            };
            privsep::run(terms, job, &mut |_| Ok(false)).map(drop)
        };
        scope.spawn(body).join().unwrap()
    });
    assert!(matches!(trouble, Err(Trouble::Silent(1))), "{trouble:?}");
    drop(mount);
}
