//! The part of `epcache status` about registered consumers.
//!
//! The input is a root, the output is its registered consumers and mistakes in registrations.

use std::io::Write;

use serde::Serialize;

use crate::consumers;
use crate::rooted::Root;
use crate::terminal::{BAD, DIM, HEADING, Output, escape};

/// The registered consumers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Consumers {
    registered: Vec<String>,
    /// Mistakes in registrations.
    problems: Vec<String>,
}

impl Consumers {
    pub(super) fn look(root: &Root) -> Self {
        let (consumers, remarks) = consumers::read(root);
        Self {
            registered: consumers
                .into_iter()
                .map(|consumer| consumer.name)
                .collect(),
            problems: remarks.iter().map(ToString::to_string).collect(),
        }
    }

    /// Prints nothing without registrations, because most users have none.
    pub(super) fn print(&self, output: &mut Output) -> std::io::Result<()> {
        if self.registered.is_empty() && self.problems.is_empty() {
            return Ok(());
        }
        write!(output, "{HEADING}Consumers{HEADING:#}: ")?;
        if self.registered.is_empty() {
            writeln!(output, "{DIM}none{DIM:#}")?;
        } else {
            writeln!(output, "{}", self.registered.join(", "))?;
        }
        for problem in &self.problems {
            writeln!(output, "  {BAD}mistake{BAD:#}    {}", escape(problem))?;
        }
        Ok(())
    }
}
