//! What RFC 6455 says of sequences of frames; the numbers are those of the Autobahn test suite.

mod support;

use support::{BINARY, CLOSE, CONTINUATION, MORE, Outcome, PING, PONG, Random, TEXT, close, feed, frame, header, sent};
use websocket::{Event, Socket};

/// Long enough for all of Autobahn's lengths here.
const MAX: usize = 65536;

fn outcome(bytes: &[u8]) -> Outcome {
    support::feed_every_way(|| Socket::new(MAX), bytes, &mut Random(0x9e37_79b9))
}

/// Its name, the client's frames, and what comes of them (see `Outcome::shown`).
type Case<'a> = (&'a str, &'a [Vec<u8>], &'a [&'a str]);

fn check(cases: &[Case]) {
    for (name, frames, expected) in cases {
        let outcome = outcome(&frames.concat());
        assert_eq!(outcome.shown(), *expected, "{name}");
        assert_eq!(outcome.is_closed, expected.contains(&"closed"), "{name}");
    }
}

#[test]
fn the_rfc_s_examples() {
    // Section 5.7; the unmasked ones are a server's.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(outcome(&hello).shown(), ["message Hello"]);
    let mut socket = Socket::new(MAX);
    socket.send("Hello");
    assert_eq!(socket.take_output(), [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    let ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(outcome(&ping).output, [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(outcome(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).shown(), ["closed", "close 1002"]);
}

#[test]
fn lengths_1_1() {
    for length in [0, 1, 125, 126, 127, 128, 65535, 65536] {
        let text = "*".repeat(length);
        let outcome = outcome(&frame(TEXT, &text));
        assert_eq!(outcome.events, [Event::Message(text)]);
        assert_eq!(outcome.output, []);
    }
}

#[test]
fn binary_messages_1_2() {
    check(&[
        ("1.2.1", &[frame(BINARY, "")], &["closed", "close 1003"]),
        ("1.2.2", &[frame(BINARY, [0xfe; 125])], &["closed", "close 1003"]),
        ("its header is enough", &[header(BINARY, 9)], &["closed", "close 1003"]),
        ("a fragment", &[frame(BINARY ^ MORE, "a")], &["closed", "close 1003"]),
    ]);
}

#[test]
fn pings_2() {
    let text = "*".repeat(125);
    check(&[
        ("2.1", &[frame(PING, "")], &["pong "]),
        ("2.2", &[frame(PING, "Hello, world!")], &["pong Hello, world!"]),
        ("2.3", &[frame(PING, [0, 0xff, 0xfe])], &["pong \0\u{fffd}\u{fffd}"]),
        ("2.4", &[frame(PING, &text)], &[&format!("pong {text}")]),
        ("2.5", &[frame(PING, [0xfe; 126])], &["closed", "close 1002"]),
        ("2.7", &[frame(PONG, "")], &[]),
        ("2.8", &[frame(PONG, "unsolicited")], &[]),
        ("2.9", &[frame(PONG, "unsolicited"), frame(PING, "a")], &["pong a"]),
        ("2.10", &[frame(PING, "a"), frame(PING, "b"), frame(PING, "c")], &["pong a", "pong b", "pong c"]),
        ("a long pong", &[frame(PONG, [0xfe; 126])], &["closed", "close 1002"]),
    ]);
}

#[test]
fn a_flood_of_pings_is_answered_within_bounds() {
    let pings: Vec<u8> = (0..1000).flat_map(|number| frame(PING, format!("{number:0>125}"))).collect();
    let mut socket = Socket::new(MAX);
    for _ in 0..2 {
        socket.receive(&pings, &mut |event| panic!("{event:?}"));
        let pongs = sent(&socket.take_output());
        assert_eq!(pongs.len(), 17);
        assert_eq!(pongs.last(), Some(&format!("pong {:0>125}", 999)));
    }
    // What ends the connection comes last.
    let ends: [fn(&mut Socket); 2] =
        [|socket| socket.close(1000, ""), |socket| socket.receive(&close(1000, ""), &mut |_| {})];
    for end in ends {
        let mut socket = Socket::new(MAX);
        socket.receive(&pings, &mut |event| panic!("{event:?}"));
        end(&mut socket);
        let pongs = sent(&socket.take_output());
        assert_eq!(pongs[16..], [format!("pong {:0>125}", 999), "close 1000".to_owned()]);
    }
}

#[test]
fn reserved_bits_3() {
    for bits in 1..8 {
        for first in [TEXT, PING, CLOSE, CONTINUATION] {
            let bytes = [frame(TEXT, "Hello"), frame(first | (bits << 4), ""), frame(PING, "")].concat();
            assert_eq!(outcome(&bytes).shown(), ["message Hello", "closed", "close 1002"], "{bits} {first:#x}");
        }
    }
}

#[test]
fn opcodes_4() {
    for opcode in (3..8).chain(11..16) {
        let bytes = [frame(TEXT, "Hello"), frame(0x80 | opcode, "payload"), frame(PING, "")].concat();
        assert_eq!(outcome(&bytes).shown(), ["message Hello", "closed", "close 1002"], "{opcode}");
    }
}

#[test]
fn fragments_5() {
    let first = |text: &str| frame(TEXT ^ MORE, text);
    let middle = |text: &str| frame(CONTINUATION ^ MORE, text);
    let last = |text: &str| frame(CONTINUATION, text);
    check(&[
        ("5.1", &[frame(PING ^ MORE, "a"), last("b")], &["closed", "close 1002"]),
        ("5.2", &[frame(PONG ^ MORE, "a"), last("b")], &["closed", "close 1002"]),
        ("5.3", &[first("a"), last("b")], &["message ab"]),
        ("5.6", &[first("a"), frame(PING, "p"), last("b")], &["message ab", "pong p"]),
        ("5.9", &[last("a"), frame(TEXT, "b")], &["closed", "close 1002"]),
        ("5.12", &[middle("a"), frame(TEXT, "b")], &["closed", "close 1002"]),
        ("5.15", &[first("a"), last("b"), middle("c"), last("d")], &["message ab", "closed", "close 1002"]),
        ("5.18", &[first("a"), frame(TEXT, "b")], &["closed", "close 1002"]),
        (
            "5.19",
            &[first("a"), middle("b"), frame(PING, "1"), middle("c"), frame(PING, "2"), middle("d"), last("e")],
            &["message abcde", "pong 1", "pong 2"],
        ),
        ("two messages", &[first("a"), last("b"), first("c"), last("d")], &["message ab", "message cd"]),
        ("no end", &[first("a"), middle("b")], &[]),
        ("a close in between", &[first("a"), close(1000, ""), last("b")], &["closed", "close 1000"]),
        ("a binary message in between", &[first("a"), frame(BINARY, "b")], &["closed", "close 1002"]),
        ("a fragmented close", &[frame(CLOSE ^ MORE, [3, 0xe8])], &["closed", "close 1002"]),
    ]);
}

#[test]
fn utf8_6() {
    let text = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \u{ffff}\u{10ffff}\u{fdd0}";
    let mut by_byte: Vec<Vec<u8>> =
        text.bytes().map(|byte| frame(CONTINUATION ^ MORE, [byte])).chain([frame(CONTINUATION, "")]).collect();
    by_byte[0][0] = TEXT ^ MORE;
    let message = format!("message {text}");
    check(&[
        ("6.1.1", &[frame(TEXT, "")], &["message "]),
        ("6.1.2", &[frame(TEXT ^ MORE, ""), frame(CONTINUATION ^ MORE, ""), frame(CONTINUATION, "")], &["message "]),
        ("6.2.2", &[frame(TEXT, text)], &[&message]),
        ("6.2.3", &by_byte, &[&message]),
        ("6.4.1", &[frame(TEXT ^ MORE, b"\xce\xba\xf4\x90\x80\x80")], &["closed", "close 1007"]),
        ("6.4.3", &[header(TEXT, 9), vec![0xf8 ^ 0x37]], &["closed", "close 1007"]),
    ]);
    let wrong: [&[u8]; 14] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xce",
        b"\xe1\xbd",
        b"\xf0\x90\x80",
        b"\x80",
        b"\xbf\xbf",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
    ];
    for bytes in wrong {
        check(&[
            ("6.3", &[frame(TEXT, bytes)], &["closed", "close 1007"]),
            ("at the end", &[frame(TEXT ^ MORE, "a"), frame(CONTINUATION, bytes)], &["closed", "close 1007"]),
            ("at the beginning", &[frame(TEXT ^ MORE, bytes), frame(CONTINUATION, "a")], &["closed", "close 1007"]),
        ]);
    }
}

#[test]
fn closes_7() {
    let longest = "*".repeat(123);
    check(&[
        ("7.1.1", &[frame(TEXT, "a"), frame(CLOSE, "")], &["message a", "closed", "close"]),
        ("7.1.2", &[close(1000, ""), close(1001, "")], &["closed", "close 1000"]),
        ("7.1.3", &[close(1000, ""), frame(PING, "")], &["closed", "close 1000"]),
        ("7.1.4", &[close(1000, ""), frame(TEXT, "a")], &["closed", "close 1000"]),
        ("7.3.2", &[frame(CLOSE, "a")], &["closed", "close 1002"]),
        ("7.3.4", &[close(1000, "Hello")], &["closed", "close 1000"]),
        ("7.3.5", &[close(1000, &longest)], &["closed", "close 1000"]),
        ("7.3.6", &[close(1000, longest + "*")], &["closed", "close 1002"]),
        ("7.5.1", &[close(1000, b"\xce\xba\xed\xa0\x80")], &["closed", "close 1007"]),
    ]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        check(&[("7.7", &[close(code, "")], &["closed", &format!("close {code}")])]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        check(&[("7.9", &[close(code, "")], &["closed", "close 1002"])]);
    }
}

#[test]
fn too_large_9() {
    let half = vec![b'a'; MAX / 2];
    let above = MAX as u64 + 1;
    check(&[
        ("its header is enough", &[frame(TEXT, "a"), header(TEXT, above)], &["message a", "closed", "close 1009"]),
        ("the largest length", &[header(TEXT, u64::MAX)], &["closed", "close 1009"]),
        ("a fragment", &[header(TEXT ^ MORE, above)], &["closed", "close 1009"]),
        (
            "two fragments",
            &[frame(TEXT ^ MORE, &half), frame(PING, ""), header(CONTINUATION, MAX as u64 / 2 + 1)],
            &["closed", "pong ", "close 1009"],
        ),
        ("two that fit", &[frame(TEXT ^ MORE, &half), frame(CONTINUATION, &half)], &["message of 65536"]),
        ("a control frame", &[header(PING, u64::MAX)], &["closed", "close 1002"]),
    ]);
}

/// A connection on which the server has said something, and closed.
fn closing() -> Socket {
    let mut socket = Socket::new(MAX);
    socket.receive(&frame(TEXT ^ MORE, "begun")[..8], &mut |event| panic!("{event:?}"));
    socket.send("before");
    socket.close(1001, "the server goes away");
    socket.close(1000, "twice");
    socket.send("after");
    socket.ping();
    socket
}

#[test]
fn after_its_close_the_server_waits_for_the_client_s() {
    // The rest of the frame that had begun, then others.
    let rest = || frame(TEXT ^ MORE, "begun")[8..].to_vec();
    let ours = ["sent before", "close 1001"];
    let cases: &[(&str, &[Vec<u8>], bool)] = &[
        ("nothing", &[rest()], false),
        ("messages", &[rest(), frame(CONTINUATION, "its end"), frame(TEXT, "another"), frame(BINARY, "b")], false),
        ("what is never read", &[rest(), header(TEXT, u64::MAX), vec![0xff; 100]], false),
        ("a ping", &[rest(), frame(PING, "p"), frame(PONG, "")], false),
        ("its close", &[rest(), frame(TEXT, "late"), close(1001, ""), frame(TEXT, "later")], true),
        ("an empty close", &[rest(), frame(CLOSE, "")], true),
        ("a wrong close", &[rest(), close(999, "")], true),
        ("a fault", &[rest(), frame(TEXT | 0x40, "")], true),
    ];
    for (name, frames, is_closed) in cases {
        let outcome = support::feed_every_way(closing, &frames.concat(), &mut Random(7));
        let events: &[Event] = if *is_closed { &[Event::Closed] } else { &[] };
        assert_eq!(outcome.events, events, "{name}");
        assert_eq!(sent(&outcome.output), ours, "{name}");
        assert_eq!(outcome.is_closed, *is_closed, "{name}");
    }
}

#[test]
fn a_closed_connection_is_silent() {
    let mut socket = Socket::new(MAX);
    let mut events = Vec::new();
    socket.receive(&close(1000, ""), &mut |event| events.push(event));
    socket.send("late");
    socket.ping();
    socket.close(1000, "");
    socket.receive(&frame(TEXT, "late"), &mut |event| events.push(event));
    assert_eq!(events, [Event::Closed]);
    assert_eq!(sent(&socket.take_output()), ["close 1000"]);
    assert_eq!(socket.take_output(), []);
}

#[test]
fn a_reason_is_cut_between_characters() {
    for (reason, length) in [("", 0), ("bye", 3), (&*"a".repeat(124), 123), (&*"é".repeat(100), 122)] {
        let mut socket = Socket::new(MAX);
        socket.close(1011, reason);
        let output = socket.take_output();
        assert_eq!(output[..4], [CLOSE, 2 + length as u8, 0x03, 0xf3]);
        assert_eq!(&output[4..], &reason.as_bytes()[..length]);
    }
}

#[test]
fn long_messages_are_sent_whole() {
    for length in [125, 126, 65535, 65536] {
        let mut socket = Socket::new(1);
        socket.send(&"a".repeat(length));
        socket.send("b");
        let first = if length > 200 { format!("sent of {length}") } else { format!("sent {}", "a".repeat(length)) };
        assert_eq!(sent(&socket.take_output()), [&first, "sent b"]);
    }
}

#[test]
fn whoever_answers_a_ping_was_heard() {
    let mut socket = Socket::new(MAX);
    assert!(socket.heard());
    for answer in [frame(PONG, ""), frame(TEXT, "a"), header(TEXT, 9), vec![0]] {
        socket.ping();
        assert_eq!(sent(&socket.take_output()), ["ping "]);
        assert!(!socket.heard());
        socket.receive(&[], &mut |event| panic!("{event:?}"));
        assert!(!socket.heard());
        socket.receive(&answer, &mut |_| {});
        assert!(socket.heard());
    }
    assert_eq!(feed(socket, []).events, []);
}
