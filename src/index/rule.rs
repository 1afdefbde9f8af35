//! The rule of the specification that a damaged index breaks: `docs/specification/file.md` has them
//! all.

use super::source::Damage;

/// A rule of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its number, such as `F21`.
    pub number: &'static str,
    /// What it says, as it stands there.
    pub text: &'static str,
}

macro_rules! rules {
    ($($number:literal $text:literal: $($what:literal)*;)*) => {
        /// The rules that a verifier checks, each with the texts of [`Damage::Malformed`] for it.
        const RULES: &[(Rule, &[&str])] = &[$((Rule { number: $number, text: $text }, &[$($what),*]),)*];
    };
}

rules! {
    "F4" "A string is an offset and a length in bytes; it lies within its pool, or within the body for a path, and is no longer than section 14 allows.":
        "a string beyond its pool" "a string beyond the limit" "an offset beyond the end";
    "F5" "Names of groups, names and values of entry points, requirements and import names are UTF-8.":
        "a string that is not UTF-8";
    "F6" "No string has a control character.":
        "a control character";
    "F8" "A row number is less than the number of rows of its table, and a run of rows ends within its table.":
        "a row number beyond its table" "an entry point of nothing" "a group's entry points"
        "a distribution's entry points" "a distribution's files" "an import name of nothing";
    "F10" "A file has at least 64 bytes, and starts with the magic.":;
    "F11" "The major version is 1.":;
    "F13" "The header's CRC is that of its bytes 20 to 63.":;
    "F14" "The file is not larger than 268,435,456 bytes.":;
    "F15" "The size in the header is the size of the file.":;
    "F16" "The number of blocks is ⌈(size − 64 − 4 *B*) / 4096⌉, and the checksums of so many blocks fit into the file.":
        "number of blocks" "more checksums than fit";
    "F17" "No size of a row is below 16, 56, 64, 8, 16, 16, 8, 24 and 8, in this order.":
        "sizes of rows";
    "F18" "Directory table and record table end within the body.":
        "more directories than fit";
    "F20" "Checksum number *i*, a u32 at file offset 64 + 4 *i*, is the CRC of block *i*.":;
    "F21" "The rows are sorted by path, bytewise, and no path is there twice.":
        "directories out of order";
    "F22" "Each row names a record that exists.":
        "a directory without a record";
    "F23" "Each record is named by exactly one row without the flag *alias*.":
        "a record without a path" "a record with two paths";
    "F25" "Segments lie behind the record table, in the order of its rows, and do not overlap.":
        "records that overlap";
    "F26" "The tables of a segment end at or before its pool, the pool starts at or before the end of the segment, and the segment ends within the body.":
        "a record longer than its place";
    "F27" "A record with the flag *missing* has no distributions.":
        "distributions in a missing directory";
    "F28" "A record has the flag *unread* if, and only if, one of its distributions has it.":
        "a record's unread flag";
    "F31" "A file name is not empty, `.` or `..`, and has no `/` and no zero byte.":
        "a file name that is none";
    "F32" "The runs of references, and the runs of files, follow each other: the first starts at 0, each other one where the one before it ends.":
        "a distribution's rows out of order";
    "F33" "The last run of references, and the last run of files, end where their tables end.":
        "rows without a distribution";
    "F34" "Requirements are the strings of `Distribution.requires`, joined by line feeds; without the flag *has requirements* there are none, and with it they are not *unknown*.":
        "requirements that are none";
    "F35" "Import names are what `packages_distributions()` chooses from, in the form and order of their *source*, joined by line feeds; without a source there are none, and with one they are not *unknown*.":
        "import names from nowhere" "an import name that is none" "import names out of order";
    "F37" "The hash of a key is its FNV-1a with 32 bits.":
        "a name's hash";
    "F38" "The rows are sorted by hash, then by key, bytewise; of one key the chosen distribution comes first, then the others by number; each distribution is there once.":
        "names out of order";
    "F39" "Of the distributions of one key, exactly one does not have the flag *shadowed*.":
        "twins of which not one is chosen";
    "F40" "The rows are sorted by name, bytewise, and no name is there twice.":
        "groups out of order";
    "F41" "The runs of groups follow each other from 0 to the end of the entry table, and none is empty.":
        "groups that overlap" "entry points without a group";
    "F42" "In a group, entry points of distributions with core metadata come before those of distributions without.":
        "a group's entry points out of order";
    "F44" "A reference names an entry point of the distribution that has the reference.":
        "an entry point of another distribution";
    "F45" "A reference names the group whose run the entry point is in.":
        "an entry point in another's group";
    "F46" "Each entry point is named by one reference.":
        "an entry point referred to twice";
    "F47" "In the run of a distribution, kinds ascend.":
        "a distribution's files out of order";
    "F49" "Strings of one table ascend in the order of its rows, and do not overlap.":
        "strings out of order";
    "F50" "The strings of a table are together not longer than their pool.":
        "strings that overlap";
    "F51" "For each distribution, the hash of each of its import names is there once, and nothing else; the rows are sorted by hash, then by number.":
        "an import table that is not that of the names" "an import name that is not in the table";
}

impl Damage {
    /// The rule that is broken; None where the file could not be read.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        let numbered = |number| {
            let mut rules = RULES.iter().map(|(rule, _)| *rule);
            rules.find(|rule| rule.number == number)
        };
        match self {
            Self::Io(_) => None,
            Self::NotAnIndex => numbered("F10"),
            Self::OtherVersion(_) => numbered("F11"),
            Self::Checksum("the header") => numbered("F13"),
            Self::Checksum(_) => numbered("F20"),
            Self::TooLarge => numbered("F14"),
            Self::Size { .. } => numbered("F15"),
            Self::Malformed(what) => {
                let mut rules = RULES.iter().filter(|(_, words)| words.contains(what));
                rules.next().map(|(rule, _)| *rule)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_in_the_specification_word_for_word() {
        let page = include_str!("../../docs/specification/file.md");
        let paragraphs = page.split("\n\n").map(|it| it.replace('\n', " "));
        let paragraphs: Vec<String> = paragraphs.collect();
        for (rule, _) in RULES {
            let wanted = format!("**{}.** {}", rule.number, rule.text);
            assert!(
                paragraphs.contains(&wanted),
                "docs/specification/file.md: {wanted}"
            );
        }
    }

    #[test]
    fn every_damage_has_a_rule() {
        let sources = [
            include_str!("body.rs"),
            include_str!("read.rs"),
            include_str!("record.rs"),
            include_str!("verify.rs"),
            include_str!("view.rs"),
        ];
        let mut found = Vec::new();
        for source in sources {
            for rest in source.split("Malformed(").skip(1) {
                let Some((what, _)) = rest
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|it| it.split_once('"'))
                else {
                    continue;
                };
                assert!(
                    Damage::Malformed(what.to_owned().leak()).rule().is_some(),
                    "{what}"
                );
                found.push(what);
            }
        }
        for what in RULES.iter().flat_map(|(_, words)| *words) {
            assert!(found.contains(what), "nothing says {what}");
        }
    }
}
