//! Trees that change meanwhile.

use super::*;

/// A system in which an attacker may replace one distribution by anything. An index must not
/// contain `outsider`, which every user could read, or `secretive`, which only root could.
fn contested() -> Tree {
    let tree = Tree::new();
    tree.system("root");
    tree.dist(SITE, "aaa", "[g]\naaa = aaa:main\n");
    tree.dist(SITE, "zzz", "[g]\nzzz = zzz:main\n");
    // Another one, in directories of an attacker.
    tree.dist(THEIRS, "aaa", "[g]\naaa = aaa:main\n");
    tree.dist(THEIRS, "zzz", "[g]\nzzz = zzz:main\n");
    for directory in tree.path(THEIRS).ancestors().take(3) {
        lchown(directory, Some(STRANGER), None).unwrap();
    }
    for (place, says) in [("outside", "outsider"), ("secret", "secretive")] {
        let text = format!("[g]\nx = {says}:main\n");
        tree.dist(place, "x", &text);
        tree.dist(&format!("{place}/python3.11/site-packages"), says, &text);
        tree.file(&format!("{place}/file"), &text);
    }
    set_mode(tree.path("secret/file"), 0o600);
    set_mode(tree.path("secret"), 0o700);
    tree
}

/// Puts something in place of the distribution: one of several kinds, by number.
fn put(tree: &Tree, at: &Path, number: usize) {
    let entry_points = at.join("entry_points.txt");
    let directory = || {
        let _ = fs::create_dir(at);
        let _ = fs::write(at.join("METADATA"), "Name: x\nVersion: 1\n");
    };
    match number % 16 {
        0 => drop(symlink(tree.path("outside/x-1.dist-info"), at)),
        1 => drop(symlink(tree.path("secret/x-1.dist-info"), at)),
        2 => drop(symlink("../../../../../outside/x-1.dist-info", at)),
        3 => drop(mkfifo(at, Mode::S_IRWXU | Mode::S_IROTH)),
        4 => drop(fs::write(at, "Name: x\n")),
        5 => drop(symlink(at, at)),
        6 => drop(symlink("/proc/self/root", at)),
        7 => drop(symlink("/dev/zero", at)),
        other => {
            directory();
            match other {
                8 => drop(symlink(tree.path("outside/file"), entry_points)),
                9 => drop(symlink(tree.path("secret/file"), entry_points)),
                10 => drop(fs::hard_link(tree.path("secret/file"), entry_points)),
                11 => drop(mkfifo(&entry_points, Mode::S_IRWXU | Mode::S_IROTH)),
                12 => drop(fs::create_dir(entry_points)),
                13 => drop(symlink("/dev/zero", entry_points)),
                14 => drop(symlink("/proc/self/environ", entry_points)),
                _ => drop(fs::write(entry_points, "[g]\nx = honest:main\n")),
            }
        }
    }
}

fn remove(at: &Path) {
    if fs::remove_file(at).is_err() {
        let _ = fs::remove_dir_all(at);
    }
}

/// A refresh of that system, or of its search directory by path. Returns its result, and the names
/// that must not be in the index.
fn refresh(tree: &Tree, below_root: bool) -> (Ran, PathBuf, &'static [&'static str]) {
    let arguments: (&[&str], _, &'static [_]) = if below_root {
        // No link leads out of a root.
        (
            &["refresh", "-q", "--root", "root"],
            INDEX,
            &["outsider", "secretive", "SECRET"],
        )
    } else {
        (
            &["refresh", "-q", "--path", THEIRS, "--output", "to/index"],
            "to/index",
            &["secretive", "SECRET"],
        )
    };
    let (arguments, index, forbidden) = arguments;
    let ran = run(tree.epcache(arguments).env("SECRET", "SECRET"));
    (ran, tree.path(index), forbidden)
}

/// What is wrong with the index.
fn verdict(ran: &Ran, index: &Path, forbidden: &[&str]) -> Result<(), String> {
    if ![0, 1].contains(&ran.code) {
        return Err(format!("{ran:?}"));
    }
    let bytes = sound(index);
    match forbidden.iter().find(|text| contains(&bytes, text)) {
        Some(text) => Err(format!("{text} in {}", index.display())),
        None => Ok(()),
    }
}

#[test]
fn a_replaced_distribution_does_not_lead_elsewhere() {
    if !root_for("links out of a tree") {
        return;
    }
    let tree = contested();
    tree.dir("to");
    let places = [SITE, THEIRS].map(|site| tree.path(site).join("x-1.dist-info"));
    for number in 0..16 {
        for at in &places {
            put(&tree, at, number);
        }
        for below_root in [true, false] {
            let (ran, index, forbidden) = refresh(&tree, below_root);
            assert_eq!(ran.code, 0, "{number}: {ran:?}");
            assert_eq!(verdict(&ran, &index, forbidden), Ok(()), "{number}");
            let bytes = fs::read(index).unwrap();
            assert!(
                contains(&bytes, "aaa:main") && contains(&bytes, "zzz:main"),
                "{number}"
            );
        }
        for at in &places {
            remove(at);
        }
    }
}

/// Replaces a search directory, and the directory above it, by links for a moment each.
fn swap_directories(tree: &Tree, site: &Path, done: &AtomicBool) {
    let above = site.parent().unwrap();
    let aside = above.with_file_name("aside");
    let link = above.with_file_name("link");
    for number in 0.. {
        let outside = tree
            .path(["outside", "secret"][number % 2])
            .join("python3.11");
        let (place, target) = match number % 4 {
            0 | 1 => (site, outside.join("site-packages")),
            _ => (above, outside),
        };
        symlink(target, &link).unwrap();
        lchown(&link, Some(STRANGER), None).unwrap();
        fs::rename(place, &aside).unwrap();
        fs::rename(&link, place).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        fs::remove_file(place).unwrap();
        fs::rename(&aside, place).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        if done.load(Ordering::Relaxed) {
            break;
        }
    }
}

#[test]
fn changes_meanwhile_neither_stop_a_refresh_nor_lead_it_outside() {
    if !root_for("races") {
        return;
    }
    const ROUNDS: usize = 1000;
    const LONG_ENOUGH: Duration = Duration::from_secs(20);
    let tree = contested();
    tree.dir("to");
    let (done, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failure = std::thread::scope(|scope| {
        for site in [SITE, THEIRS].map(|site| tree.path(site)) {
            let (tree, done, swaps) = (&tree, &done, &swaps);
            // One thread replaces the distribution and its files. It starts and ends without
            // replacements.
            let at = site.join("x-1.dist-info");
            let mine = tree.dir(&format!("mine-{}", site.components().count()));
            scope.spawn(move || {
                for number in 0.. {
                    let made = mine.join("made");
                    put(tree, &made, number);
                    let _ = fs::rename(&made, &at);
                    std::thread::yield_now();
                    let gone = mine.join("gone");
                    let _ = fs::rename(&at, &gone);
                    remove(&made);
                    remove(&gone);
                    swaps.fetch_add(1, Ordering::Relaxed);
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            // The other replaces the directories above it by links that lead out.
            scope.spawn(move || swap_directories(tree, &site, done));
        }
        let started = Instant::now();
        let mut failure = None;
        for round in 0..ROUNDS {
            if started.elapsed() > LONG_ENOUGH {
                break;
            }
            let (ran, index, forbidden) = refresh(&tree, round % 4 != 3);
            let wrong = std::panic::catch_unwind(|| verdict(&ran, &index, forbidden));
            if let Err(wrong) = wrong.unwrap_or_else(|_| Err("an index that is not sound".into())) {
                failure = Some(format!("round {round}: {wrong}"));
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        failure
    });
    assert_eq!(failure, None);
    assert!(
        swaps.load(Ordering::Relaxed) > 16,
        "each kind at least once"
    );
}

// ---- file servers that die
