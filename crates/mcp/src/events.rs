//! The events of a body that comes in parts: `text/event-stream`, or one JSON value a line.

use memchr::{memchr, memchr2};

use crate::headers::EVENT_STREAM;

/// How a body is divided into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `text/event-stream`, as the HTML standard reads it.
    EventStream,
    /// `application/x-ndjson` and its other names: a line is an event.
    Lines,
}

impl Format {
    /// The format of a body of this type; none if it is to be taken as a whole.
    pub(crate) fn of(content_type: Option<&[u8]>) -> Option<Format> {
        const LINES: [&str; 5] = [
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/json-lines",
            "application/x-jsonlines",
        ];
        let essence = content_type?.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        if is(EVENT_STREAM) { Some(Format::EventStream) } else { LINES.into_iter().any(is).then_some(Format::Lines) }
    }
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// What `event:` says; empty without it.
    pub(crate) name: &'a str,
    pub(crate) data: &'a [u8],
}

/// An event is larger than what is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Reads events from a body that comes in parts.
#[derive(Debug)]
pub(crate) struct EventReader {
    format: Format,
    /// Bytes of an event that are taken at the most.
    limit: usize,
    /// The line so far.
    line: Vec<u8>,
    /// The last line ended in a carriage return, which a line feed may follow.
    after_return: bool,
    is_first_line: bool,
    name: String,
    data: Vec<u8>,
    has_data: bool,
}

impl EventReader {
    pub(crate) fn new(format: Format, limit: usize) -> Self {
        EventReader {
            format,
            limit,
            line: Vec::new(),
            after_return: false,
            is_first_line: true,
            name: String::new(),
            data: Vec::new(),
            has_data: false,
        }
    }

    /// Takes the next part of the body; `sink` gets the events that it completes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = match self.format {
                Format::EventStream => memchr2(b'\n', b'\r', bytes),
                Format::Lines => memchr(b'\n', bytes),
            };
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + self.data.len() + part.len() > self.limit {
                return Err(TooLarge);
            }
            let Some(end) = end else {
                self.line.extend_from_slice(part);
                return Ok(());
            };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            // Most lines come in one piece and need not be copied first.
            if self.line.is_empty() {
                self.line(part, sink);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.line(&line, sink);
                line.clear();
                self.line = line;
            }
        }
        Ok(())
    }

    /// The body is complete. An event that only lacks its last line break counts, as it would be lost otherwise.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.line(&line, sink);
        }
        self.dispatch(sink);
    }

    fn line(&mut self, mut line: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        match self.format {
            Format::Lines => {
                let data = line.trim_ascii();
                if !data.is_empty() {
                    sink(Event { name: "", data });
                }
            }
            Format::EventStream if line.is_empty() => self.dispatch(sink),
            Format::EventStream => self.field(line),
        }
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // A comment, an id, the time to wait before a reconnection: nothing to a call.
            _ => {}
        }
    }

    fn dispatch(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if std::mem::take(&mut self.has_data) {
            sink(Event { name: &self.name, data: &self.data });
        }
        self.name.clear();
        self.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, parts: &[&[u8]]) -> Vec<(String, String)> {
        let mut reader = EventReader::new(format, 1000);
        let mut events = Vec::new();
        let mut sink = |event: Event<'_>| {
            events.push((event.name.to_owned(), String::from_utf8_lossy(event.data).into_owned()));
        };
        for part in parts {
            reader.push(part, &mut sink).unwrap();
        }
        reader.finish(&mut sink);
        events
    }

    /// As one piece, byte by byte, and in two pieces everywhere.
    fn check(format: Format, body: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
        let body = body.as_bytes();
        assert_eq!(read(format, &[body]), expected);
        assert_eq!(read(format, &body.chunks(1).collect::<Vec<_>>()), expected);
        for at in 0..body.len() {
            assert_eq!(read(format, &[&body[..at], &body[at..]]), expected, "split at {at}");
        }
    }

    #[test]
    fn an_event_stream_is_read_as_the_html_standard_says() {
        for (body, expected) in [
            ("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")][..]),
            ("data: a\r\n\r\ndata: b\r\rdata:c\n\n", &[("", "a"), ("", "b"), ("", "c")]),
            ("event: progress\ndata: 1\n\ndata: 2\n\n", &[("progress", "1"), ("", "2")]),
            ("data: one\ndata:  two\ndata\n\n", &[("", "one\n two\n")]),
            (": comment\n\nid: 7\nretry: 10\nevent: x\n\ndata: a\n\n", &[("", "a")]),
            ("\u{feff}data: a\n\n", &[("", "a")]),
            ("data\n\n", &[("", "")]),
            ("data: the last break is missing", &[("", "the last break is missing")]),
            ("dat: no field\n\n", &[]),
            ("", &[]),
        ] {
            check(Format::EventStream, body, expected);
        }
    }

    #[test]
    fn a_line_is_an_event() {
        check(Format::Lines, "{\"a\":1}\n\n {\"b\":2} \r\n3", &[("", "{\"a\":1}"), ("", "{\"b\":2}"), ("", "3")]);
        check(Format::Lines, "\u{feff}1\n2\n", &[("", "1"), ("", "2")]);
    }

    #[test]
    fn an_event_has_a_limit_and_their_sum_has_none() {
        for format in [Format::EventStream, Format::Lines] {
            let mut reader = EventReader::new(format, 10);
            for _ in 0..100 {
                assert_eq!(reader.push(b"data: 123\n\n", &mut |_| {}), Ok(()));
            }
            assert_eq!(reader.push(b"data: 12345\n\n", &mut |_| {}), Err(TooLarge));
        }
        let mut reader = EventReader::new(Format::EventStream, 20);
        let mut push = || reader.push(b"data: 123\n", &mut |_| {});
        assert!(push().is_ok() && push().is_ok() && push().is_ok() && push().is_ok());
        assert_eq!(push(), Err(TooLarge));
    }

    #[test]
    fn the_type_says_how_a_body_is_divided() {
        for (content_type, expected) in [
            ("text/event-stream", Some(Format::EventStream)),
            ("Text/Event-Stream; charset=utf-8", Some(Format::EventStream)),
            ("application/x-ndjson", Some(Format::Lines)),
            ("application/jsonl;charset=utf-8", Some(Format::Lines)),
            ("application/json", None),
            ("text/plain", None),
        ] {
            assert_eq!(Format::of(Some(content_type.as_bytes())), expected);
        }
        assert_eq!(Format::of(None), None);
    }
}
