//! The directive `task`.

use crate::tool::ConfigError;

/// What a tool's `task` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskRules {
    /// Milliseconds between two looks at a job that does not say when to come again.
    pub(crate) interval: u64,
    /// Seconds for which a task's id is good.
    pub(crate) ttl: u64,
    /// Milliseconds for which a call is held at the most.
    pub(crate) hold: u64,
    /// Stateless clients must take tasks.
    pub(crate) required: bool,
}

/// Units of times, in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const DAY: u64 = 86_400_000;

impl TaskRules {
    /// `task poll [interval=TIME] [ttl=TIME] [hold=TIME] [required]`; 2 s, 1 d and 5 m unless said otherwise.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, ConfigError> {
        let Some(("poll", options)) = args.split_first().map(|(kind, options)| (*kind, options)) else {
            return Err(ConfigError(
                "\"task\" takes poll, and then may take interval=TIME, ttl=TIME, hold=TIME and required".into(),
            ));
        };
        let mut rules = TaskRules { interval: 2000, ttl: 86_400, hold: 300_000, required: false };
        for option in options {
            match option.split_once('=') {
                None if *option == "required" => rules.required = true,
                Some(("interval", time)) => rules.interval = parse_time(option, time, 100, DAY)?,
                Some(("ttl", time)) => rules.ttl = parse_time(option, time, 1000, 365 * DAY)? / 1000,
                Some(("hold", time)) => rules.hold = parse_time(option, time, 1000, DAY)?,
                _ => {
                    return Err(ConfigError(format!(
                        "invalid value \"{option}\" in \"task\"; it takes interval=TIME, ttl=TIME, hold=TIME and required"
                    )));
                }
            }
        }
        Ok(rules)
    }
}

/// Milliseconds of a time within limits.
fn parse_time(option: &str, time: &str, least: u64, most: u64) -> Result<u64, ConfigError> {
    let digits = time.len() - time.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = time.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, milliseconds)| *milliseconds);
    let value = unit.zip(number.parse::<u64>().ok()).and_then(|(unit, number)| unit.checked_mul(number));
    value.filter(|value| (least..=most).contains(value)).ok_or_else(|| {
        ConfigError(format!(
            "invalid value \"{option}\" in \"task\"; it takes a number and ms, s, m, h or d, from {least}ms to {}s",
            most / 1000
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_read() {
        let plain = TaskRules { interval: 2000, ttl: 86_400, hold: 300_000, required: false };
        for (args, expected) in [
            (&["poll"][..], plain),
            (&["poll", "required"], TaskRules { required: true, ..plain }),
            (
                &["poll", "interval=250ms", "ttl=2h", "hold=90s"],
                TaskRules { interval: 250, ttl: 7200, hold: 90_000, ..plain },
            ),
            (&["poll", "interval=1m", "ttl=7d"], TaskRules { interval: 60_000, ttl: 604_800, ..plain }),
        ] {
            assert_eq!(TaskRules::parse(args), Ok(expected));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, expected) in [
            (&[][..], "\"task\" takes poll"),
            (&["callback"], "\"task\" takes poll"),
            (&["poll", "often"], "invalid value \"often\""),
            (&["poll", "required=on"], "invalid value \"required=on\""),
            (&["poll", "interval=5"], "invalid value \"interval=5\" in \"task\"; it takes a number and ms"),
            (&["poll", "interval=1ms"], "from 100ms to 86400s"),
            (&["poll", "ttl=0s"], "invalid value \"ttl=0s\""),
            (&["poll", "hold=s"], "invalid value \"hold=s\""),
            (&["poll", "hold=2d"], "invalid value \"hold=2d\""),
            (&["poll", "ttl=99999999999999999999d"], "invalid value"),
            (&["poll", "ttl=1999999999999999999d"], "invalid value"),
        ] {
            let error = TaskRules::parse(args).unwrap_err().0;
            assert!(error.contains(expected), "{error}");
        }
    }
}
