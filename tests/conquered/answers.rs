//! What the parent does with the answers and the end of a conquered worker.

use super::*;

#[test]
fn the_parent_reports_how_the_worker_ended() {
    if !root_for("a conquered worker that dies") {
        return;
    }
    let prey = Prey::new();
    let cases = [
        ("crash", "ended: killed by SIGSEGV"),
        ("abort", "ended: it aborted, perhaps out of memory"),
        ("panic", "a bug in epcache: panicked at "),
        ("exit 0", "ended: exit status 0"),
        ("exit 7", "ended: exit status 7"),
        ("close", "ended: it closed its pipe"),
        ("half-a-frame", "ended: exit status 0"),
    ];
    for (job, expected) in cases {
        let ran = prey.conquer(job);
        assert!(gave_up(&ran).contains(expected), "{job}: {ran:?}");
    }
    // Processor time: a lower limit that exists already stays.
    let run = Run {
        processor: Some(2),
        ..Run::of("spin")
    };
    let ran = prey.conquer_with(&run, &REFRESH);
    assert!(
        gave_up(&ran).ends_with("it used up its processor time"),
        "{ran:?}"
    );
    prey.is_unharmed();
}

#[test]
fn invalid_messages_are_refused() {
    if !root_for("a conquered worker that talks nonsense") {
        return;
    }
    let prey = Prey::new();
    let nonsense = "sent an invalid message: ";
    let cases = [
        ("garbage", "a frame of 2779096485 bytes"),
        ("long-frame", "a frame of 4294967295 bytes"),
        ("done-first", "a frame of kind 24 where none belongs"),
        ("index-first", "more of an index than announced"),
        ("counts-twice", "a frame of kind 17 where none belongs"),
        ("announce", "an index of 18446744073709551615 bytes"),
        ("begin-again", "an unexpected frame of kind 0"),
        ("unknown", "a frame of kind 200 where none belongs"),
        ("reserved", "an unexpected frame of kind 9"),
        ("ten-gigabytes", "more of an index than announced"),
        ("promise", "a frame of kind 24 where none belongs"),
        ("crumbs 0", "too many frames"),
        ("crumbs 1", "too many frames"),
        ("crumbs 1000", "too many frames"),
        ("progress", "too many frames"),
        ("remarks", "too many remarks"),
        ("files", "too much in files"),
        ("many-files", "a file for no consumer"),
    ];
    for (job, expected) in cases {
        let sends_an_index = ["ten-gigabytes", "crumbs 1000"].contains(&job);
        let ran = prey.conquer_cheaply(job, if sends_an_index { 256 } else { 0 }, &REFRESH);
        let why = gave_up(&ran);
        assert!(
            why.ends_with(&format!("{nonsense}{expected}")),
            "{job}: {why}"
        );
    }
    // Its text is shown as one harmless line.
    for job in ["refuse", "panicked", "failed"] {
        let ran = prey.conquer(job);
        assert!(gave_up(&ran).contains("all is well"), "{job}: {ran:?}");
    }
    prey.is_unharmed();
}

#[test]
fn the_largest_valid_answer_costs_the_parent_little() {
    if !root_for("a conquered worker that says much") {
        return;
    }
    let prey = Prey::new();
    let refresh = [&REFRESH[..], &["--json"]].concat();
    let ran = prey.conquer_cheaply("everything 16000000", 16, &refresh);
    assert_eq!(ran.code, 0, "{ran:?}");
    let index = fs::read(prey.tree.path("index/index")).unwrap();
    assert!(index.len() > 10 << 20, "{}", index.len());
    assert!(ran.stdout.len() > 4 << 20 && !ran.stdout.contains('\x01'));
    // A view that is written, and then compared with the existing one.
    prey.tree.system("root");
    let registration = "[consumer]\ngroups = *\nview = json\n";
    let registrations = "root/usr/lib/epcache/consumers.d";
    prey.tree
        .file(&format!("{registrations}/x.conf"), registration);
    let refresh = ["refresh", "-q", "--system", "--root", "root", "--full"];
    for _ in 0..2 {
        let ran = prey.conquer_cheaply("view", 0, &refresh);
        assert_eq!(ran.code, 0, "{ran:?}");
        let view = prey.tree.path("root/usr/lib/epcache/views/x.json");
        assert_eq!(fs::metadata(view).unwrap().len(), 32 << 20);
    }
}

#[test]
fn an_index_with_false_numbers_is_not_published() {
    if !root_for("a conquered worker that lies") {
        return;
    }
    let prey = Prey::new();
    let unsound = "the new index is invalid and is not published: ";
    for job in ["damage", "cut", "no-index", "nothing"] {
        let ran = prey.conquer(job);
        assert!(gave_up(&ran).starts_with(unsound), "{job}: {ran:?}");
    }
    // Only the index that it was given can be called unchanged.
    let full = [&REFRESH[..], &["--full"]].concat();
    let ran = prey.conquer_with(&Run::of("unchanged"), &full);
    assert_eq!(gave_up(&ran), "the worker returned no index");
    // With correct checksums. index_damage.rs tests what `verify` finds; here only that it is
    // called.
    for number in [0x7fff_ffff, u32::MAX] {
        for offset in lies(&prey) {
            let ran = prey.conquer(&format!("lie {offset}={number}"));
            assert!(
                gave_up(&ran).starts_with(unsound),
                "{number} at {offset}: {ran:?}"
            );
        }
    }
    prey.is_unharmed();
}

/// Positions of numbers that matter: the counts in the header, the positions of a record and its
/// tables.
fn lies(prey: &Prey) -> Vec<usize> {
    let number =
        |at: usize| u32::from_le_bytes(prey.index[at..at + 4].try_into().unwrap()) as usize;
    let body = 64 + 4 * number(24);
    let record = body + number(28) * 16;
    let mut all = vec![28, 32, body];
    all.extend([0, 4, 8, 16, 20, 24, 28].map(|at| record + at));
    all
}

#[test]
fn a_silent_or_slow_worker_is_ended() {
    if !root_for("a conquered worker that takes its time") {
        return;
    }
    let prey = Prey::new();
    for (job, expected) in [
        ("hang silence", "sent nothing for 0 s"),
        ("deaf silence", "sent nothing for 0 s"),
        ("spin silence", "sent nothing for 0 s"),
        ("hang time", "were not read within 0 s: gave up"),
        ("progress time", "were not read within 0 s: gave up"),
        ("progress size", "sent more than 1048576 bytes: gave up"),
    ] {
        let ran = prey.conquer(job);
        assert_eq!(ran.code, 2, "{job}: {ran:?}");
        assert!(ran.complaint().contains(expected), "{job}: {ran:?}");
    }
    prey.is_unharmed();
}

#[test]
fn a_worker_that_does_not_end_after_its_last_message_is_killed_and_its_index_published() {
    if !root_for("a conquered worker that stays") {
        return;
    }
    let prey = Prey::new();
    let ran = prey.conquer("truth-and-then-nothing");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let index = fs::read(prey.tree.path("index/index")).unwrap();
    assert!(index != prey.index);
    verify(&Index::open(index).unwrap()).unwrap();
}

#[test]
fn the_worker_ends_with_its_parent() {
    if !root_for("a conquered worker without a parent") {
        return;
    }
    let prey = Prey::new();
    for job in ["hang", "deaf", "spin"] {
        let run = Run::of(job).fact("killed", "soon");
        let ran = prey.conquer_with(&run, &REFRESH);
        assert_eq!(ran.code, 128 + 9, "{job}: {ran:?}");
        prey.is_unharmed();
    }
}

#[test]
fn a_conquered_worker_does_not_fail_the_package_manager() {
    if !root_for("a conquered worker of a trigger") {
        return;
    }
    let prey = Prey::new();
    prey.tree.system("root");
    let ran = run(&mut prey
        .tree
        .epcache(&["refresh", "-q", "--system", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = ["var/cache", "var/lib", "usr/lib"]
        .map(|folder| prey.tree.path("root").join(folder).join("epcache/index"));
    let path = path.iter().find(|path| path.exists()).expect("an index");
    let mut index = fs::read(path).unwrap();
    index[SUSPECT_AT as usize] = 1;
    for job in [
        "crash",
        "garbage",
        "damage",
        "forbidden execve",
        "close",
        "panic",
        "multiply",
        "write open",
    ] {
        let ran = prey.conquer_with(&Run::of(job), &["trigger", "dpkg", "--root", "root"]);
        assert_eq!(
            (ran.code, ran.stderr.lines().count()),
            (0, 1),
            "{job}: {ran:?}"
        );
        assert!(ran.stderr.contains("dpkg trigger: "), "{job}: {ran:?}");
        assert!(
            fs::read(path).unwrap() == index,
            "{job}: the old index, under suspicion"
        );
        verify(&Index::open(index.clone()).unwrap()).unwrap();
    }
    prey.is_unharmed();
}
