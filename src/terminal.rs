//! Output for users: no raw metadata reaches a terminal, and tables are aligned.
//!
//! The input is text, rows or values. The output is standard output, and lines on standard error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::metadata::text::is_control;

/// The maximum width of a column. A longer cell is not cut, and moves the rest of its row.
const WIDEST: usize = 40;

/// Headings, names of groups.
pub(crate) const HEADING: Style = Style::new().bold();
/// Names of entry points.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();
/// Less important text.
pub(crate) const DIM: Style = Style::new().dimmed();
/// A good state.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// A bad state.
pub(crate) const BAD: Style = AnsiColor::Yellow.on_default();

/// The text with control characters, and characters that reorder text, replaced by escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if !is_unprintable(c) => escaped.push(c),
            c if u32::from(c) < 0x100 => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
        }
    }
    Cow::Owned(escaped)
}

/// Bytes of a file name, or of a name from one, for terminals.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    escape(&String::from_utf8_lossy(bytes)).into_owned()
}

/// C0, DEL and C1 (escape sequences start with these), line and paragraph separators, and controls
/// of bidirectional text.
fn is_unprintable(c: char) -> bool {
    is_control(c)
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A path quoted as a word for a shell, in a command that a user may copy.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Writes one line to standard error. An error is ignored.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "epcache: {}", escape(text));
}

/// Standard output, buffered, with colours if a terminal shows them and NO_COLOR is not set.
pub(crate) struct Output {
    stream: io::BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
    is_terminal: bool,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let choice = anstream::AutoStream::choice(&stdout);
        let is_terminal = stdout.is_terminal();
        let stream = io::BufWriter::new(anstream::AutoStream::new(stdout.lock(), choice));
        Self {
            stream,
            is_terminal,
        }
    }

    /// Whether the output goes to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// A value as JSON. Characters that must not reach a terminal become JSON escapes.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(JsonEscapes(self), value)?;
        writeln!(self)
    }

    /// Rows of cells in aligned columns, each with its style.
    pub(crate) fn table<const N: usize>(
        &mut self,
        styles: [Style; N],
        rows: &[[String; N]],
    ) -> io::Result<()> {
        let mut widths = [0; N];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count().min(WIDEST));
            }
        }
        for row in rows {
            for (number, ((cell, width), style)) in row.iter().zip(widths).zip(styles).enumerate() {
                write!(self, "{style}{cell}{style:#}")?;
                if number + 1 < N {
                    let padding = width.saturating_sub(cell.chars().count()) + 2;
                    write!(self, "{:padding$}", "")?;
                }
            }
            writeln!(self)?;
        }
        Ok(())
    }
}

/// Writes JSON piece by piece: it may be far longer than the value.
struct JsonEscapes<'o>(&'o mut Output);

impl Write for JsonEscapes<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        // serde_json cuts only between characters.
        let mut rest = std::str::from_utf8(buffer).map_err(io::Error::other)?;
        while let Some(at) = rest.find(|c| c != '\n' && is_unprintable(c)) {
            let (before, from) = rest.split_at(at);
            self.0.write_all(before.as_bytes())?;
            let mut following = from.chars();
            // All of them are in the basic multilingual plane.
            for c in following.by_ref().take(1) {
                write!(self.0, "\\u{:04x}", u32::from(c))?;
            }
            rest = following.as_str();
        }
        self.0.write_all(rest.as_bytes())?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Sends warnings and errors to standard error, one line each. `filters` has env_logger's syntax.
pub fn start_log(verbose: u8, quiet: bool, filters: &str) {
    let level = match (quiet, verbose) {
        (true, _) => log::LevelFilter::Error,
        (_, 0) => log::LevelFilter::Warn,
        (_, 1) => log::LevelFilter::Info,
        (..) => log::LevelFilter::Debug,
    };
    env_logger::Builder::new()
        .filter_level(level)
        .parse_filters(filters)
        .format(|target, record| {
            let level = match record.level() {
                log::Level::Error => "error: ",
                log::Level::Warn => "warning: ",
                _ => "",
            };
            writeln!(
                target,
                "epcache: {level}{}",
                escape(&record.args().to_string())
            )
        })
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(escape("a\x1b[2Jb\u{9b}c\x7f"), "a\\x1b[2Jb\\x9bc\\x7f");
        assert_eq!(escape("tab\tand\u{202e}txt"), "tab\\x09and\\u202etxt");
    }

    #[test]
    fn a_path_becomes_one_word_of_a_shell() {
        let word = |path: &str| shell_word(Path::new(path));
        assert_eq!(word("/usr/lib/x-1.0"), "/usr/lib/x-1.0");
        assert_eq!(word("/my venv"), "'/my venv'");
        assert_eq!(word("it's;$(x)"), r"'it'\''s;$(x)'");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        assert!(matches!(
            escape("zażółć = gęślą.jaźń:日本"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(escape_bytes(b"a\xff\x1b"), "a\u{fffd}\\x1b");
    }
}
