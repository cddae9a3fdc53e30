//! Names that a form or a query repeats before each value.

use serde_json::{Map, Value};

use super::InvalidArguments;

/// Bytes of names that a call may repeat. No real one comes near; but a long name over a long list would make gigabytes
/// of a message of one.
const MOST: usize = 4 << 20;

/// Refuses arguments whose names would be written too often.
pub(super) fn check<'v>(arguments: impl Iterator<Item = (&'v str, &'v Value)>) -> Result<(), InvalidArguments> {
    let mut bytes: usize = 0;
    for (name, value) in arguments {
        bytes = bytes.saturating_add(of_member(name, value).bytes);
        if bytes > MOST {
            return Err(InvalidArguments(format!(
                "invalid arguments: the values in \"{}\" are too many for the length of their names",
                name.chars().take(100).collect::<String>()
            )));
        }
    }
    Ok(())
}

/// What is written if each leaf has its own line, with all names that lead to it.
#[derive(Default)]
struct Repetition {
    leaves: usize,
    bytes: usize,
}

impl Repetition {
    fn add(mut self, other: Repetition) -> Repetition {
        self.leaves += other.leaves;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self
    }
}

fn of(value: &Value) -> Repetition {
    match value {
        Value::Array(items) => items.iter().map(of).fold(Repetition::default(), Repetition::add),
        Value::Object(members) => of_members(members),
        _ => Repetition { leaves: 1, bytes: 0 },
    }
}

fn of_members(members: &Map<String, Value>) -> Repetition {
    members.iter().map(|(name, value)| of_member(name, value)).fold(Repetition::default(), Repetition::add)
}

fn of_member(name: &str, value: &Value) -> Repetition {
    let Repetition { leaves, bytes } = of(value);
    Repetition { leaves, bytes: bytes.saturating_add(name.len().saturating_mul(leaves)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_name_counts_for_every_leaf_below_it() {
        let cases = [
            (json!(1), 0),
            (json!([1, [2, "x"]]), 0),
            (json!({"ab": 1, "c": "x"}), 3),
            (json!({"ab": [1, 2, 3]}), 6),
            (json!({"ab": {"c": 1, "d": [1, 1]}}), 6 + 3),
            (json!([{"a": 1}, {"a": []}]), 1),
        ];
        for (value, expected) in cases {
            assert_eq!(of(&value).bytes, expected, "{value}");
        }
    }
}
