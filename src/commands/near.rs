//! Finds names that are similar to a missing one. The input is a word and candidates.

/// The maximum number of names.
const NAMED: usize = 3;

/// The candidates that are most similar to a word, best first. Empty if none is similar.
pub(super) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Vec<&'c str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '.', '_', ' '], "");
    let word = plain(word);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in candidates {
        let other = plain(candidate);
        let (short, long) = match other.len() < word.len() {
            true => (&other, &word),
            false => (&word, &other),
        };
        let rank = if short.len() >= 3 && long.contains(short.as_str()) {
            long.len() - short.len()
        } else {
            // One wrong letter in three is a typing error. More make another word.
            let most = long.chars().count() / 3;
            let Some(mistakes) = mistakes(&word, &other).filter(|it| *it <= most.min(3)) else {
                continue;
            };
            mistakes
        };
        near.push((rank, candidate));
    }
    near.sort();
    near.into_iter().map(|(_, name)| name).take(NAMED).collect()
}

/// How many letters are missing, added, replaced, or swapped with the next one. `None` for long
/// words, where counting would take long.
fn mistakes(one: &str, other: &str) -> Option<usize> {
    const LONGEST: usize = 64;
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    if one.len().max(other.len()) > LONGEST {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, other_letter) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let same = usize::from(letter != other_letter);
            let mut least = (at(&last, column) + same)
                .min(at(&last, column + 1) + 1)
                .min(at(&this, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && one.get(row - 1) == Some(other_letter)
                && other.get(column - 1) == Some(letter);
            if is_swapped {
                least = least.min(at(&before, column - 1) + 1);
            }
            this.push(least);
        }
        before = std::mem::replace(&mut last, this);
    }
    last.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_suggested_and_others_are_not() {
        let groups = [
            "pytest11",
            "console_scripts",
            "flake8.extension",
            "gui_scripts",
            "x",
        ];
        for (word, expected) in [
            ("pytest", &["pytest11"][..]),
            ("pytest-11", &["pytest11"]),
            ("PyTest11", &["pytest11"]),
            ("pytset11", &["pytest11"]),
            ("console-script", &["console_scripts"]),
            ("scripts", &["gui_scripts", "console_scripts"]),
            ("flake8", &["flake8.extension"]),
            ("babel.checkers", &[]),
            ("", &[]),
            ("y", &[]),
        ] {
            assert_eq!(nearest(word, &groups), expected, "{word}");
        }
        let long = "x".repeat(100);
        assert_eq!(nearest(&long, &["y"]), [""; 0]);
    }
}
