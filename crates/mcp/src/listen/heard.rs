//! How much a client has heard of what was published for its session.

use std::fmt;

use super::BusId;

/// Machines that are told apart; of more, the one that was heard least lately is forgotten.
const MAX_MACHINES: usize = 16;

/// The last message of each machine that a client has heard: what the id of an event says, and `Last-Event-ID` says again.
///
/// The last message alone would not do. What two machines publish at the same time reaches a client in any order, so that
/// a message with a smaller id than the last one may be one that it has heard, or one that is yet to come. The messages of
/// one machine come in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// One for each machine, in ascending order.
    last: Vec<BusId>,
}

impl Heard {
    /// Reads what [`fmt::Display`] writes: ids with `+` between them.
    pub fn parse(text: &str) -> Option<Heard> {
        let mut heard = Heard::default();
        for id in text.split('+').take(MAX_MACHINES) {
            heard.note(BusId::parse(id)?);
        }
        Some(heard)
    }

    /// Whether a message has been heard.
    pub fn has(&self, id: BusId) -> bool {
        self.last.iter().any(|last| last.machine() == id.machine() && id <= *last)
    }

    /// A message is heard.
    pub(super) fn note(&mut self, id: BusId) {
        if self.has(id) {
            return;
        }
        self.last.retain(|last| last.machine() != id.machine());
        if self.last.len() == MAX_MACHINES {
            self.last.remove(0);
        }
        self.last.push(id);
        self.last.sort_unstable();
    }

    /// What comes after this message of any machine has not been heard, whatever was claimed.
    pub(super) fn cut(&mut self, id: BusId) {
        for last in self.last.iter_mut().filter(|last| **last > id) {
            *last = id.of_machine(last.machine());
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.last.iter().enumerate() {
            let plus = if index > 0 { "+" } else { "" };
            write!(f, "{plus}{id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(time: u64, machine: u16) -> BusId {
        BusId { time, tag: 0 }.of_machine(machine)
    }

    #[test]
    fn what_one_machine_says_does_not_hide_what_another_one_said_before() {
        let mut heard = Heard::default();
        heard.note(id(7, 1));
        assert!(heard.has(id(7, 1)) && heard.has(id(6, 1)) && !heard.has(id(8, 1)));
        assert!(!heard.has(id(3, 2)), "it may be yet to come");
        heard.note(id(3, 2));
        assert_eq!(heard.to_string(), "3:2+7:1");
        // A message that comes later has a smaller id, and the client still has the others.
        assert!(heard.has(id(7, 1)) && heard.has(id(3, 2)) && !heard.has(id(4, 2)));
        heard.note(id(2, 2));
        assert_eq!(heard.to_string(), "3:2+7:1");
    }

    #[test]
    fn it_comes_back_as_it_was_sent() {
        for text in ["5:0", "3:2+7:1", "3:65538+3:65539+18446744073709551615:1"] {
            assert_eq!(Heard::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "+", "1:1+", "1:1,2:2", "1:1+x"] {
            assert_eq!(Heard::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn it_does_not_grow_without_a_limit() {
        let mut heard = Heard::default();
        (0..100).for_each(|number| heard.note(id(number, number as u16)));
        assert_eq!(heard.to_string().split('+').count(), MAX_MACHINES);
        assert!(heard.has(id(99, 99)) && heard.has(id(84, 84)) && !heard.has(id(83, 83)));
        let many = (0..100).map(|number| id(number, number as u16).to_string()).collect::<Vec<_>>().join("+");
        assert_eq!(Heard::parse(&many).unwrap().to_string().split('+').count(), MAX_MACHINES);
    }

    #[test]
    fn a_claim_ends_where_it_is_cut() {
        let mut heard = Heard::parse("3:2+90:1").unwrap();
        heard.cut(id(9, 5));
        assert_eq!(heard.to_string(), "3:2+9:1");
    }
}
