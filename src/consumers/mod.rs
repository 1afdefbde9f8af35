//! Registered consumers: programs that want files about some groups of entry points.
//!
//! The input is an index and the registrations: files `NAME.conf` below
//! `/usr/lib/epcache/consumers.d` and `/etc/epcache/consumers.d`. A file in the second directory
//! replaces the one of the same name in the first. The output is the content of the files that they
//! want beside the index: *views* (`views/NAME.json`, `.tsv`) with just those entry points, and
//! *change stamps* (`changed/NAME`) with a digest of them. No code of a consumer is run. No mistake
//! in a registration is fatal. This room does not know where the files are published.

mod view;

use crate::config::{
    self, Line, MOST_REMARKS, Remark, TOTAL_LIMIT, content, drop_ins, lines, shown, switch,
};
use crate::rooted::Root;
use glob::Pattern;

pub use view::{Files, files};

const DIRECTORIES: [&str; 2] = ["/usr/lib/epcache/consumers.d", "/etc/epcache/consumers.d"];

/// The folder of views, beside the index.
pub const VIEWS: &str = "views";
/// The folder of change stamps, beside the index.
pub const STAMPS: &str = "changed";

/// The maximum number of consumers: further registrations are not read.
pub const MOST: usize = config::MOST_DROP_INS;

/// A registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The name of the registration's file, without `.conf`.
    pub name: String,
    /// `groups`: shell patterns. A group is wanted if its name matches one of them.
    pub groups: Vec<Pattern>,
    /// `view` and `stamp`.
    pub forms: Vec<Form>,
}

/// The form of a file for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An array of objects, as `epcache query --json` prints them.
    Json,
    /// Lines of group, name, value, distribution, version and metadata directory, separated by
    /// tabs.
    Tsv,
    /// A digest of the entry points.
    Stamp,
}

impl Form {
    /// All forms, in the order in which their files are written. Stamps come last, so that the
    /// views are up to date when a stamp changes.
    pub const ALL: [Self; 3] = [Self::Json, Self::Tsv, Self::Stamp];

    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "json" => Self::Json,
            "tsv" => Self::Tsv,
            _ => return None,
        })
    }

    /// The folder of these files, beside the index.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Json | Self::Tsv => VIEWS,
            Self::Stamp => STAMPS,
        }
    }

    /// The name of a consumer's file in its folder.
    #[must_use]
    pub fn file_name(self, consumer: &str) -> String {
        match self {
            Self::Json => format!("{consumer}.json"),
            Self::Tsv => format!("{consumer}.tsv"),
            Self::Stamp => consumer.to_owned(),
        }
    }
}

/// Reads the registrations below a root, in the order of their names.
#[must_use]
pub fn read(root: &Root) -> (Vec<Consumer>, Vec<Remark>) {
    let (mut consumers, mut remarks) = (Vec::new(), Vec::new());
    let mut left = TOTAL_LIMIT;
    for (file_name, path) in drop_ins(root, DIRECTORIES) {
        let name = file_name
            .to_str()
            .and_then(|name| name.strip_suffix(".conf"));
        let mut remark = |line, text: String| {
            if remarks.len() < MOST_REMARKS {
                let path = path.clone();
                remarks.push(Remark { path, line, text });
            }
        };
        let Some(name) = name.filter(|name| is_usable(name)) else {
            let text = "its name may only contain letters, digits, '.', '_' and '-': ignored";
            remark(None, text.into());
            continue;
        };
        match content(root, &path, &mut left) {
            // Disabled by an empty file, or a link to /dev/null.
            Ok(None) => {}
            Ok(Some(text)) if text.trim_ascii().is_empty() => {}
            Ok(Some(text)) => consumers.extend(parse(name, &text, &mut remark)),
            Err(error) => remark(None, format!("cannot be read, ignored: {error}")),
        }
    }
    remarks.truncate(MOST_REMARKS);
    (consumers, remarks)
}

/// The name becomes part of file names and of a unit's name.
fn is_usable(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with(['.', '-'])
        && name.chars().all(is_fine)
}

fn parse(
    name: &str,
    content: &[u8],
    remark: &mut impl FnMut(Option<usize>, String),
) -> Option<Consumer> {
    let mut consumer = Consumer {
        name: name.to_owned(),
        groups: Vec::new(),
        forms: Vec::new(),
    };
    let mut is_ours = true;
    for (line, said) in lines(content) {
        let mut remark = |text: String| remark(Some(line), text);
        let (key, value) = match said {
            Line::Mistake(text) => {
                remark(text);
                continue;
            }
            Line::Section(name) => {
                is_ours = name == "consumer";
                if !is_ours {
                    let name = shown(&name);
                    remark(format!(
                        "unknown section [{name}], its settings are ignored"
                    ));
                }
                continue;
            }
            Line::Setting(..) if !is_ours => continue,
            Line::Setting(key, value) => (key, value),
        };
        let words = value.split_whitespace();
        match key.as_str() {
            "groups" => {
                for word in words {
                    match Pattern::new(word) {
                        Ok(pattern) => consumer.groups.push(pattern),
                        Err(error) => remark(format!("groups: '{word}': {error}")),
                    }
                }
            }
            "view" => {
                for word in words {
                    match Form::of_word(word) {
                        Some(form) => consumer.forms.push(form),
                        None => remark(format!("view: '{word}' is neither json nor tsv, ignored")),
                    }
                }
            }
            "stamp" => match switch(&value) {
                Some(true) => consumer.forms.push(Form::Stamp),
                Some(false) => {}
                None => remark(format!(
                    "stamp: '{value}' is neither yes nor no, treated as no"
                )),
            },
            _ => remark(format!("unknown key '{}', line ignored", shown(&key))),
        }
    }
    consumer.forms = Form::ALL
        .into_iter()
        .filter(|form| consumer.forms.contains(form))
        .collect();
    if consumer.groups.is_empty() || consumer.forms.is_empty() {
        remark(
            None,
            "ignored: it needs groups, and a view or a stamp".into(),
        );
        return None;
    }
    Some(consumer)
}

#[cfg(test)]
mod tests;
