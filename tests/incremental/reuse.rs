//! What is reused of an old index, and what is read again.

use super::*;

#[test]
fn an_index_that_is_damaged_or_foreign_is_not_reused() {
    let (_tree, paths, good) = three();
    let wanted = full(&paths);
    let read_all = |old: &[u8], what: &str| {
        let now = incremental(&paths, old, Some(Named::new()));
        assert_eq!(now.reused, 0, "{what}");
        assert_same(&now, &wanted, what);
    };
    for length in (0..good.len()).step_by(37) {
        read_all(&good[..length], "cut off");
    }
    for at in (0..good.len()).filter(|&at| !(10..16).contains(&at)) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        read_all(&bad, &format!("a byte at {at} flipped"));
    }
    read_all(&[good.clone(), vec![0]].concat(), "a byte too many");
    let with_number = |at: usize, number: u32| {
        let mut other = good.clone();
        other[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let sum = checksum(&other[HEADER_CHECKED_FROM..64]);
        other[16..20].copy_from_slice(&sum.to_le_bytes());
        other
    };
    read_all(&with_number(8, 2), "another version of the format");
    read_all(&with_number(36, RULES + 1), "packages read by other rules");
    read_all(&with_number(36, RULES | 1 << 31), "of an image");
    let (_other, other_paths, other) = three();
    assert_ne!(paths, other_paths);
    read_all(&other, "of another directory");
    assert_eq!(incremental(&paths, &good, None).reused, 3, "as it is");
}

/// An index whose body was changed, with checksums to match.
fn altered(index: &[u8], alter: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let blocks = u32::from_le_bytes(index[24..28].try_into().unwrap());
    let body = HEADER + 4 * usize::try_from(blocks).unwrap();
    let mut index = index.to_vec();
    alter(&mut index[body..]);
    let sums: Vec<u8> = index[body..]
        .chunks(BLOCK)
        .flat_map(|block| checksum(block).to_le_bytes())
        .collect();
    index[HEADER..body].copy_from_slice(&sums);
    index
}

/// The index with another mtime or ctime of its first distribution.
fn with_stamp(index: &[u8], at: usize, stamp: Stamp) -> Vec<u8> {
    altered(index, |body| {
        let segment = &body[DIRECTORY_ROW..DIRECTORY_ROW + 4];
        let row = usize::try_from(u32::from_le_bytes(segment.try_into().unwrap())).unwrap();
        body[row + at..row + at + 8].copy_from_slice(&stamp.raw().to_le_bytes());
    })
}

const MTIME: usize = 16;
const CTIME: usize = 24;

#[test]
fn a_distribution_whose_recorded_times_tell_nothing_is_read_with_any_list() {
    let (tree, paths, good) = three();
    let wanted = full(&paths);
    let now = fs::metadata(tree.path("site")).unwrap().ctime();
    let (missing, future) = (Stamp::UNKNOWN, Stamp::new(now + 3600, 5));
    let past = Stamp::new(now - 3600, 5);
    for (at, stamp, told) in [
        (CTIME, missing, true),
        (MTIME, missing, true),
        (CTIME, future, true),
        (MTIME, past, false),
        (CTIME, past, false),
    ] {
        let old = with_stamp(&good, at, stamp);
        let now = incremental(&paths, &old, told.then(Named::new));
        assert_eq!((now.reused, now.scanned), (2, 1), "{stamp:?} at {at}");
        assert_same(&now, &wanted, &format!("{stamp:?} at {at}"));
    }
}

#[test]
fn a_record_whose_times_tell_nothing_is_not_reused() {
    let (_tree, paths, good) = three();
    let wanted = full(&paths);
    let with_flags = |flags: u32| {
        altered(&good, |body| {
            let at = DIRECTORY_ROW + 12;
            assert_eq!(body[at..at + 4], [0; 4], "the flags of the only record");
            body[at..at + 4].copy_from_slice(&flags.to_le_bytes());
        })
    };
    for flags in [record_flag::SILENT, record_flag::SORTED] {
        let now = incremental(&paths, &with_flags(flags), Some(Named::new()));
        assert_eq!(now.reused, 0, "{flags}");
        assert_same(&now, &wanted, &format!("flags {flags}"));
    }
    let now = incremental(&paths, &with_flags(1 << 20), Some(Named::new()));
    assert_same(&now, &wanted, "a flag that nobody knows of");
}

#[test]
fn the_target_of_a_link_is_looked_at_with_any_list() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    let inside = tree.dist("elsewhere", "b", "[g]\nb = b:main\n");
    tree.link(inside.to_str().unwrap(), "site/b-1.dist-info");
    let paths = vec![tree.path("site")];
    let old = full(&paths).index;
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    let now = incremental(&paths, &old, Some(Named::new()));
    assert_eq!((now.reused, now.scanned), (1, 1));
    assert_same(&now, &full(&paths), "behind a link");
}

#[test]
fn with_a_list_that_leads_to_an_unknown_place_everything_is_looked_at() {
    let (tree, paths, old) = three();
    let inside = tree.path("site/a-1.dist-info");
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    tree.link("loop", "loop");
    let named = Named::from([(tree.path("loop"), BTreeSet::new())]);
    let now = incremental(&paths, &old, Some(named));
    assert_eq!((now.reused, now.scanned), (2, 1));
    assert_same(&now, &full(&paths), "a directory that cannot be told");
}

#[test]
fn warnings_are_repeated_if_no_time_has_changed() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    let bare = tree.dir("site/bare-1.dist-info").join("entry_points.txt");
    fs::write(&bare, "[g]\nb = b:main\n").unwrap();
    let paths = vec![tree.path("site")];
    for content in ["[g]\n# b\nb = b:main\n", "[g]\nb = b:other\n"] {
        let old = full(&paths).index;
        fs::write(&bare, content).unwrap();
        let now = incremental(&paths, &old, None);
        assert_eq!((now.reused, now.scanned), (1, 1));
        assert!(!now.unchanged, "{content}");
        assert_same(&now, &full(&paths), content);
    }
}

#[test]
fn a_special_file_is_not_reused_as_an_index() {
    let (tree, paths, _) = three();
    for other in [File::open("/dev/zero"), File::open(tree.path("site"))] {
        let mut request = Request::full(Scope::Paths(paths.clone()), Purpose::Running);
        request.old = Some(other.unwrap());
        let product = worker::run(&Root::system(), &request, &mut |_| ()).unwrap();
        assert_eq!(product.scanned, 3);
    }
}

/// The checksums are right, but the content is false. The result must be valid, and must not
/// contain the false content where anything shows that it is false.
#[test]
fn an_index_made_to_mislead_does_no_harm() {
    let (_tree, paths, good) = three();
    let wanted = full(&paths).index;
    let mut random = Random::new(1);
    let mut believed = 0;
    for _ in 0..3000 {
        let lie = altered(&good, |body| {
            for _ in 0..1 + random.below(3) {
                let at = random.below(body.len());
                body[at] = body[at].wrapping_add(1 + u8::try_from(random.below(255)).unwrap());
            }
        });
        let now = incremental(&paths, &lie, None);
        verify(&Index::open(now.index.clone()).unwrap()).unwrap();
        assert_eq!(now.distributions, 3);
        believed += usize::from(now.index != wanted);
    }
    // Only root writes an index, so its content is trusted as long as the times are the same.
    println!("{believed} of 3000 lies believed");
    assert!(believed < 1500);
}

#[test]
fn a_wrong_list_does_not_hide_added_or_removed_distributions() {
    let (tree, paths, old) = three();
    fs::remove_dir_all(tree.path("site/a-1.dist-info")).unwrap();
    fs::rename(
        tree.path("site/b-1.dist-info"),
        tree.path("site/b-2.dist-info"),
    )
    .unwrap();
    tree.dist("site", "d", "[g]\nd = d:main\n");
    for named in [
        Named::new(),
        Named::from([(
            "/elsewhere".into(),
            BTreeSet::from([b"c-1.dist-info".to_vec()]),
        )]),
    ] {
        assert_same(
            &incremental(&paths, &old, Some(named)),
            &full(&paths),
            "a wrong list",
        );
    }
}

#[test]
fn a_directory_by_another_name_in_the_list_is_the_same_directory() {
    let (tree, paths, old) = three();
    let inside = tree.path("site/a-1.dist-info");
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    tree.link("site", "alias");
    let named = Named::from([(
        tree.path("alias"),
        BTreeSet::from([b"a-1.dist-info".to_vec()]),
    )]);
    let now = incremental(&paths, &old, Some(named));
    assert_eq!((now.reused, now.scanned), (2, 1));
    assert_same(&now, &full(&paths), "an alias");
}

#[test]
fn a_change_that_only_the_list_could_show_is_stale_until_everything_is_looked_at() {
    let (tree, paths, old) = three();
    let inside = tree.path("site/a-1.dist-info");
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    let blind = incremental(&paths, &old, Some(Named::new()));
    assert!(
        blind.unchanged,
        "an in-place upgrade that the list did not name"
    );
    assert_same(&incremental(&paths, &old, None), &full(&paths), "looked at");
}

#[test]
fn a_file_rewritten_in_place_is_stale_until_a_full_refresh() {
    let (tree, paths, old) = three();
    fs::write(
        tree.path("site/a-1.dist-info/entry_points.txt"),
        "[g]\nnew = new:main\n",
    )
    .unwrap();
    let stale = incremental(&paths, &old, None);
    assert!(stale.unchanged);
    let tree = &tree;
    let refresh = |arguments: &[&str]| {
        let ran = run(tree.epcache(&REFRESH).args(arguments));
        assert_eq!(ran.code, 0, "{ran:?}");
        let query = [
            "query",
            "g",
            "--path",
            "site",
            "--index",
            "index",
            "--freshness",
            "trust",
        ];
        run(&mut tree.epcache(&query)).stdout
    };
    fs::write(tree.path("index"), &old).unwrap();
    assert!(!refresh(&[]).contains("new:main"));
    let mended = refresh(&["--full"]);
    assert!(mended.contains("g\tnew\tnew:main"), "{mended}");
}

#[test]
fn unusable_distributions_are_read_and_reported_again() {
    let tree = Tree::new();
    tree.dist("site", "good", "[g]\na = a:b\n");
    tree.dist("site", "bad", "[g]\nno equals sign\n");
    tree.dist("site", "link", "[g]\na = a:b\n");
    fs::remove_file(tree.path("site/link-1.dist-info/entry_points.txt")).unwrap();
    tree.link("nowhere", "site/link-1.dist-info/entry_points.txt");
    tree.dir("site/empty-1.dist-info");
    let first = summary(&tree, &[]);
    let second = summary(&tree, &[]);
    assert_eq!(second["warnings"], first["warnings"]);
    assert_eq!(second["warnings"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&second["reused"], &second["scanned"]),
        (&1.into(), &3.into())
    );
    assert_eq!(second["written"], false, "and it is the same again");
}

#[test]
fn permissions_that_were_granted_are_noticed() {
    let name = "permissions that were granted";
    if !cli::root_for(name) {
        return;
    }
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:b\n");
    let secret = tree
        .dist("site", "secret", "[g]\ns = s:b\n")
        .join("entry_points.txt");
    cli::set_mode(&secret, 0o600);
    tree.dir("out");
    tree.give("out");
    let refresh = || {
        let ran = run(&mut tree.as_user(&[
            "refresh",
            "--path",
            "site",
            "--output",
            "out/index",
            "--json",
        ]));
        ran.json()
    };
    assert_eq!(refresh()["entry_points"], 1);
    cli::set_mode(&secret, 0o644); // moves no time of the directory
    let summary = refresh();
    assert_eq!(summary["entry_points"], 2);
    assert_eq!(
        (&summary["reused"], &summary["scanned"]),
        (&1.into(), &1.into())
    );
}
