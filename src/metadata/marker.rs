//! Environment markers: the conditions behind the `;` of a requirement.
//!
//! Input: a marker and what is known of an environment. Output: whether the marker holds. No extra
//! is requested, so `extra` is empty. An unknown value makes the answer unknown, unless the rest of
//! the marker decides it.

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifier};

/// Deeper parentheses are not parsed.
const DEEPEST: usize = 32;

/// The environment of a marker: CPython on Linux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Major and minor version of Python.
    pub version: (u8, u8),
    /// `platform_machine`, if it is known.
    pub machine: Option<String>,
}

impl Environment {
    /// The possible values of a variable: one, or several that are all possible here.
    fn values(&self, variable: &str) -> Option<Vec<String>> {
        let (major, minor) = self.version;
        let one = |value: &str| Some(vec![value.to_owned()]);
        match variable {
            "python_version" => Some(vec![format!("{major}.{minor}")]),
            // The patch release is not known.
            "python_full_version" | "implementation_version" => {
                Some(["0", "99"].map(|it| format!("{major}.{minor}.{it}")).into())
            }
            "os_name" | "os.name" => one("posix"),
            "sys_platform" | "sys.platform" => one("linux"),
            "platform_system" => one("Linux"),
            "platform_python_implementation"
            | "platform.python_implementation"
            | "python_implementation" => one("CPython"),
            "implementation_name" => one("cpython"),
            "platform_machine" | "platform.machine" => Some(self.machine.iter().cloned().collect()),
            "platform_release" | "platform_version" | "platform.version" => Some(Vec::new()),
            "extra" => one(""),
            _ => None,
        }
    }
}

/// Whether a marker holds. `None` if it cannot be parsed or is not known.
#[must_use]
pub fn evaluate(marker: &str, environment: &Environment) -> Option<bool> {
    let mut parser = Parser {
        rest: marker,
        environment,
    };
    let result = parser.either(0)?;
    parser.rest.trim().is_empty().then_some(result)?
}

struct Parser<'m> {
    rest: &'m str,
    environment: &'m Environment,
}

/// An operand of a comparison.
enum Operand<'m> {
    Variable(&'m str),
    Literal(&'m str),
}

/// The outer [`Option`] is about the grammar, the inner one about the value.
type Known = Option<Option<bool>>;

impl<'m> Parser<'m> {
    fn either(&mut self, depth: usize) -> Known {
        let mut result = self.both(depth)?;
        while self.word("or") {
            result = match (result, self.both(depth)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Some(result)
    }

    fn both(&mut self, depth: usize) -> Known {
        let mut result = self.one(depth)?;
        while self.word("and") {
            result = match (result, self.one(depth)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Some(result)
    }

    fn one(&mut self, depth: usize) -> Known {
        if self.sign("(") {
            if depth == DEEPEST {
                return None;
            }
            let result = self.either(depth + 1)?;
            return self.sign(")").then_some(result);
        }
        let left = self.operand()?;
        let operator = self.operator()?;
        let right = self.operand()?;
        self.compare(&left, operator, &right)
    }

    fn operand(&mut self) -> Option<Operand<'m>> {
        let text = self.rest.trim_start();
        for quote in ['"', '\''] {
            if let Some(inner) = text.strip_prefix(quote) {
                let (literal, rest) = inner.split_once(quote)?;
                self.rest = rest;
                return Some(Operand::Literal(literal));
            }
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let (variable, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        (!variable.is_empty()).then_some(Operand::Variable(variable))
    }

    fn operator(&mut self) -> Option<&'static str> {
        const SIGNS: [&str; 8] = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];
        if let Some(sign) = SIGNS.into_iter().find(|sign| self.sign(sign)) {
            return Some(sign);
        }
        if self.word("not") {
            return self.word("in").then_some("not in");
        }
        self.word("in").then_some("in")
    }

    fn sign(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A word that ends here.
    fn word(&mut self, word: &str) -> bool {
        let is_end = |it: &&str| !it.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let rest = self.rest.trim_start().strip_prefix(word);
        let rest = rest.filter(is_end);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The outer [`Option`] is empty if there is no such variable.
    fn compare(&self, left: &Operand<'_>, operator: &str, right: &Operand<'_>) -> Known {
        let values = |operand: &Operand<'_>| match operand {
            Operand::Literal(text) => Some(vec![(*text).to_owned()]),
            Operand::Variable(name) => self.environment.values(name),
        };
        let is_version = [left, right]
            .into_iter()
            .any(|it| matches!(it, Operand::Variable(name) if name.contains("version")));
        let (left, right) = (values(left)?, values(right)?);
        let pairs = left
            .iter()
            .flat_map(|it| right.iter().map(move |r| (it, r)));
        let mut results = pairs.map(|(l, r)| compare(l, operator, r, is_version));
        let Some(first) = results.next() else {
            return Some(None);
        };
        Some(first.filter(|_| results.all(|it| it == first)))
    }
}

fn compare(left: &str, operator: &str, right: &str, is_version: bool) -> Option<bool> {
    match operator {
        "in" => return Some(right.contains(left)),
        "not in" => return Some(!right.contains(left)),
        _ => {}
    }
    if is_version {
        let specifier = VersionSpecifier::from_str(&format!("{operator}{right}"));
        if let (Ok(specifier), Ok(version)) = (specifier, Version::from_str(left)) {
            return Some(specifier.contains(&version));
        }
    }
    match operator {
        "==" | "===" => Some(left == right),
        "!=" => Some(left != right),
        "<" => Some(left < right),
        ">" => Some(left > right),
        "<=" => Some(left <= right),
        ">=" => Some(left >= right),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(marker: &str) -> Option<bool> {
        let environment = Environment {
            version: (3, 11),
            machine: None,
        };
        evaluate(marker, &environment)
    }

    #[test]
    fn markers_hold_as_in_the_specification() {
        for (marker, expected) in [
            ("python_version >= '3.8'", Some(true)),
            ("python_version<'3.9'", Some(false)),
            ("'3.9' <= python_version", Some(true)),
            ("python_version == '3.11.*'", Some(true)),
            ("python_version in '3.10 3.11'", Some(true)),
            ("python_version not in '2.7, 3.5'", Some(true)),
            ("python_full_version >= '3.11'", Some(true)),
            ("python_full_version < '3.12'", Some(true)),
            ("python_full_version < '3.11.4'", None),
            ("sys_platform == 'win32'", Some(false)),
            (
                "sys_platform != \"win32\" and os_name == 'posix'",
                Some(true),
            ),
            ("os_name == 'nt' or python_version > '3'", Some(true)),
            (
                "os_name == 'nt' or os_name == 'posix' and extra == 'x'",
                Some(false),
            ),
            (
                "(os_name == 'nt' or os_name == 'posix') and extra == 'x'",
                Some(false),
            ),
            ("platform_python_implementation != 'PyPy'", Some(true)),
            ("platform_machine == 'x86_64'", None),
            ("platform_machine == 'x86_64' and extra == 'y'", Some(false)),
            ("platform_machine == 'x86_64' or extra == ''", Some(true)),
            ("extra == 'x'", Some(false)),
        ] {
            assert_eq!(holds(marker), expected, "{marker}");
        }
    }

    #[test]
    fn the_value_of_an_invalid_marker_is_unknown() {
        for bad in [
            "",
            "python_version",
            "python_version >",
            "python_version > 3.8",
            "(os_name == 'x'",
            "os_name == 'x')",
            "os_name == 'x' andy os_name == 'y'",
            "os_name not 'x'",
            "color == 'red'",
            "os_name = 'x'",
            "os_name == 'x",
        ] {
            assert_eq!(holds(bad), None, "{bad}");
        }
        let deep = "(".repeat(100_000) + "os_name == 'x'";
        assert_eq!(holds(&deep), None);
    }
}
