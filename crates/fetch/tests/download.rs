//! What comes over the network, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use fetch::{Options, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use support::{SHORT, Server, closed, error, get, ok, status, with_headers};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), &body].concat()
}

#[test]
fn gets_a_document() {
    for (answer, expected) in [
        (ok("openapi: 3.1.0"), "openapi: 3.1.0"),
        (ok("\u{feff}{}"), "{}"),
        (ok(""), ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n5\r\na\":1}\r\n0\r\n\r\n".into(),
            "{\"a\":1}",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end".into(), "until the end"),
        (with_headers("Content-Type: text/plain; charset=latin1\r\n", "gr\u{fc}n"), "gr\u{fc}n"),
    ] {
        let server = Server::start(move |_| answer.clone());
        let fetched = get(&server.url("/v1/openapi.json?a=b#part"), &Options::default()).unwrap();
        assert_eq!(fetched.document, expected);
        assert_eq!(fetched.url, server.url("/v1/openapi.json?a=b"));
        assert!(matches!(fetched.source, Source::Network { not_kept: None }));
        assert_eq!(fetched.warning(), None);
        let head = &server.seen()[0];
        assert!(head.starts_with("get /v1/openapi.json?a=b http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\naccept-encoding: gzip\r\n") && head.contains("ngx_http_mcp_module"), "{head}");
    }
}

#[test]
fn unpacks_gzip() {
    let server = Server::start(|_| gzip(b"openapi: 3.1.0"));
    assert_eq!(get(&server.url("/"), &Options::default()).unwrap().document, "openapi: 3.1.0");
}

#[test]
fn says_what_is_wrong() {
    let small = Options { max_size: 1000, ..Options::default() };
    let thousand = "a".repeat(1000);
    let too_large = "the document is larger than 1000 bytes; if it is meant to be, raise max_size";
    for (answer, expected) in [
        (ok(&format!("{thousand}a")).into_bytes(), too_large),
        (format!("HTTP/1.0 200 OK\r\n\r\n{thousand}a").into_bytes(), too_large),
        (gzip(&[b' '; 5_000_000]), too_large),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\xfcb".to_vec(), "the document is not UTF-8 from byte 1 on"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec(), "the answer broke off after 3 bytes: "),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
            "the answer broke off after 0 bytes: ",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "no answer: "),
        (b"".to_vec(), "no answer: "),
        (status("404 Not Found", "").into_bytes(), "the server answered 404 Not Found, and only 200"),
        (status("204 No Content", "").into_bytes(), "the server answered 204 No Content"),
        (status("304 Not Modified", "").into_bytes(), "the server answered 304 Not Modified"),
        (status("401 Unauthorized", "").into_bytes(), "https://user:password@host/"),
        (status("302 Found", "").into_bytes(), "the server answered 302 Found"),
        (status("302 Found", "Location: file:///etc/passwd\r\n").into_bytes(), "the server answered 302 Found"),
    ] {
        let server = Server::start(move |_| answer.clone());
        let url = format!("http://joe:secret@127.0.0.1:{}/a?key=secret", server.port);
        let text = error(&url, &small);
        assert!(text.starts_with(&format!("cannot fetch \"{}\": ", server.url("/a?..."))), "{text}");
        assert!(text.contains(expected), "{text} lacks {expected}");
    }
    let server = Server::start(move |_| ok(&thousand));
    assert_eq!(get(&server.url("/"), &small).unwrap().document.len(), 1000, "just as large as it may be");
}

#[test]
fn says_why_there_is_no_connection() {
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = bound.local_addr().unwrap().port();
    drop(bound);
    let text = error(&format!("http://joe:secret@127.0.0.1:{port}/"), &Options::default());
    assert!(text.contains("no connection: Connection refused"), "{text}");

    // A label of more than 63 bytes is no name, whatever the machine's name servers say.
    let text = error(&format!("http://{}.example/", "a".repeat(64)), &Options::default());
    assert!(text.contains("the host's name has no address: "), "{text}");
}

#[test]
fn sends_credentials_to_their_host_only() {
    let other = Server::start(|_| ok("there"));
    let location = format!("Location: {}\r\n", other.url("/moved"));
    let server = Server::start(move |_| status("302 Found", &location));
    let url = format!("http://joe:secret@127.0.0.1:{}/", server.port);
    let fetched = get(&url, &Options::default()).unwrap();
    assert_eq!((fetched.document.as_str(), fetched.url), ("there", other.url("/moved")));
    assert!(server.seen()[0].contains("authorization: basic am9l".to_lowercase().as_str()));
    assert!(!other.seen()[0].contains("authorization"));

    let server = Server::start(|_| ok("here"));
    let fetched = get(&format!("http://joe:secret@127.0.0.1:{}/", server.port), &Options::default()).unwrap();
    assert_eq!(fetched.url, server.url("/"), "credentials are no part of where a document lies");
}

#[test]
fn counts_redirects() {
    let server = Server::start(|head| {
        let step: usize = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        if step == 0 { ok("done") } else { status("307 Temporary Redirect", &format!("Location: {}\r\n", step - 1)) }
    });
    let options = Options { max_redirects: 2, ..Options::default() };
    let fetched = get(&server.url("/2"), &options).unwrap();
    assert_eq!((fetched.document.as_str(), fetched.url), ("done", server.url("/0")));
    assert!(error(&server.url("/3"), &options).contains("more than 2 redirects, the next one to \"http://127.0.0.1:"));
    assert_eq!(server.seen().len(), 3 + 3);

    let circle = Server::start(|_| status("301 Moved Permanently", "Location: /?token=secret\r\n"));
    let text = error(&circle.url("/"), &Options::default());
    assert!(text.contains("more than 5 redirects") && text.contains("name the last URL instead"), "{text}");

    let away = Server::start(|_| status("302 Found", "Location: ftp://joe:secret@h/\r\n"));
    let text = error(&away.url("/"), &Options::default());
    assert!(text.contains("a redirect to \"ftp://h/\", which is neither http nor https"), "{text}");
}

#[test]
fn ends_in_time() {
    /// What a server does, and what is said of it.
    type Case = (fn(&mut dyn support::Stream), &'static str);
    let cases: [Case; 3] = [
        (closed, "no complete answer within 200ms"),
        (
            |stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").unwrap();
                closed(stream);
            },
            "no complete answer within 200ms",
        ),
        (
            |stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").unwrap();
                // A drop now and then, so that no time-out of a single read would end it.
                while stream.write_all(b"a").is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            },
            "no complete answer within 200ms; if the source is that slow, raise timeout",
        ),
    ];
    let options = Options { timeout: SHORT, ..Options::default() };
    for (answer, expected) in cases {
        let server = Server::raw(move |_, stream| answer(stream));
        let start = Instant::now();
        let text = error(&server.url("/"), &options);
        assert!(text.contains(expected), "{text}");
        assert!(start.elapsed() >= SHORT && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    // The handshake of TLS belongs to the connection.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { connect_timeout: SHORT, ..Options::default() };
    let text = error(&format!("https://{}/", silent.local_addr().unwrap()), &options);
    assert!(text.contains("no connection within 200ms; check the address, the port and the firewall"), "{text}");
}
