//! What `epcache status` shows. What is as it should be is left out, unless more is asked for.

use std::io::{Result, Write};

use super::super::{duration, plural};
use super::words::{FRESH, MISSING};
use super::{IndexStatus, RecordStatus, Report};
use crate::terminal::{BAD, DIM, GOOD, HEADING, Output, escape};

/// As much of a reason as a person is shown on a terminal.
const REASON: usize = 66;

/// The command that only root may run.
const SYSTEM: &str = "epcache refresh --system";

impl Report {
    /// `all`: also what is as it should be.
    pub(super) fn print(&self, output: &mut Output, all: bool) -> Result<()> {
        for index in &self.indexes {
            if all || index.state != MISSING || index.is_given {
                index.print(output, all)?;
            }
        }
        let missing = self.directories.iter();
        let missing = missing.filter(|it| it.state == MISSING && (all || it.is_there));
        for (number, directory) in missing.enumerate() {
            if number == 0 {
                writeln!(output, "{HEADING}Not in any index{HEADING:#}")?;
            }
            writeln!(output, "  {}", directory.path.shown())?;
        }
        let skipped = self.skipped.iter();
        let skipped = skipped.filter(|skipped| all || !skipped.is_usual);
        for (number, skipped) in skipped.enumerate() {
            if number == 0 {
                writeln!(output, "{HEADING}Skipped{HEADING:#}")?;
            }
            let line = skipped.line.map(|line| format!(":{line}"));
            writeln!(
                output,
                "  {}{}",
                skipped.path.shown(),
                line.unwrap_or_default()
            )?;
            let mut why = escape(&skipped.why).into_owned();
            if output.is_terminal() {
                if let Some((end, _)) = why.char_indices().nth(REASON) {
                    why.truncate(end);
                    why.push('…');
                }
            }
            writeln!(output, "             {DIM}{why}{DIM:#}")?;
        }
        if let Some(triggers) = self.triggers.as_ref().filter(|it| all || !it.is_empty()) {
            triggers.print(output)?;
        }
        if let Some(consumers) = &self.consumers {
            consumers.print(output)?;
        }
        for command in &self.mending {
            let who = match command.starts_with(SYSTEM) && !nix::unistd::geteuid().is_root() {
                true => ", as root",
                false => "",
            };
            let command = escape(command);
            writeln!(output, "To mend it{who}: {HEADING}{command}{HEADING:#}")?;
        }
        Ok(())
    }
}

impl IndexStatus {
    fn print(&self, output: &mut Output, all: bool) -> Result<()> {
        let style = match self.state {
            FRESH => GOOD,
            MISSING => DIM,
            _ => BAD,
        };
        write!(
            output,
            "{HEADING}{}{HEADING:#} ({} index): {style}{}{style:#}",
            self.path.shown(),
            self.kind,
            self.state
        )?;
        if let Some(why) = &self.why {
            write!(output, ", {}", escape(why))?;
        }
        if let (Some(age), Some(size)) = (self.age_seconds, self.size) {
            write!(
                output,
                ", {} old, {} KiB",
                duration(age),
                size.div_ceil(1024)
            )?;
        }
        if self.suspect {
            write!(
                output,
                ", suspect: a later refresh has failed, or is still at work"
            )?;
        }
        writeln!(output)?;
        let mut shown = self
            .records
            .iter()
            .filter(|record| all || !record.is_usual());
        shown.try_for_each(|record| record.print(output))
    }
}

impl RecordStatus {
    /// Whether it is fresh, and of a directory that is missing or empty, as many on `sys.path` are.
    fn is_usual(&self) -> bool {
        self.state == FRESH && self.distributions == 0 && self.problems.is_empty()
    }

    fn print(&self, output: &mut Output) -> Result<()> {
        let style = if self.state == FRESH { GOOD } else { BAD };
        let what = if self.missing {
            "not there".to_owned()
        } else {
            let distributions =
                plural(self.distributions as usize, "distribution", "distributions");
            let entry_points = plural(self.entry_points as usize, "entry point", "entry points");
            format!("{distributions}, {entry_points}")
        };
        writeln!(
            output,
            "  {style}{:<10}{style:#} {}  {DIM}{what}{DIM:#}",
            self.state,
            self.path.shown(),
        )?;
        for why in self.why.iter().chain(&self.problems) {
            writeln!(output, "             {}", escape(why))?;
        }
        Ok(())
    }
}
