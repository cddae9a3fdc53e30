//! Certificates.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use fetch::Options;
use support::{Authority, Server, error, get, ok, status};

fn trusting(authority: &Authority) -> (Options, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (Options { ca_file: Some(file.path().to_owned()), ..Options::default() }, file)
}

fn url(server: &Server, rest: &str) -> String {
    format!("https://127.0.0.1:{}{rest}", server.port)
}

#[test]
fn verifies_the_server() {
    let authority = Authority::new();
    let (options, _file) = trusting(&authority);
    let server = Server::https(&authority, "127.0.0.1", |_| ok("openapi: 3.1.0"));
    assert_eq!(get(&url(&server, "/"), &options).unwrap().document, "openapi: 3.1.0");

    let text = error(&url(&server, "/"), &Options::default());
    assert!(text.contains("no secure connection: ") && text.contains("name it with ca_file"), "{text}");
    let (others, _file) = trusting(&Authority::new());
    let text = error(&url(&server, "/"), &others);
    assert!(text.contains("no secure connection: invalid peer certificate"), "{text}");

    let server = Server::https(&authority, "api.example.com", |_| ok("never sent"));
    let text = error(&url(&server, "/"), &options);
    assert!(text.contains("no secure connection: invalid peer certificate: certificate not valid for name"), "{text}");

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || plain.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap());
    let text = error(&format!("https://{address}/"), &options);
    assert!(text.contains("no secure connection: received corrupt message"), "{text}");
}

/// In a process of its own, because the system's authorities are replaced by its environment.
#[test]
fn trusts_the_authorities_of_the_system() {
    if let Ok(url) = std::env::var("TEST_URL") {
        assert_eq!(get(&url, &Options::default()).unwrap().document, "openapi: 3.1.0");
        return;
    }
    let authority = Authority::new();
    let (options, _file) = trusting(&authority);
    let server = Server::https(&authority, "127.0.0.1", |_| ok("openapi: 3.1.0"));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "trusts_the_authorities_of_the_system"])
        .env("TEST_URL", url(&server, "/"))
        .env("SSL_CERT_FILE", options.ca_file.unwrap())
        // Proxies of the environment do not count.
        .env("https_proxy", "http://127.0.0.1:1")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn follows_no_redirect_to_http() {
    let authority = Authority::new();
    let (options, _file) = trusting(&authority);
    let plain = Server::start(|_| ok("forged"));
    let location = format!("Location: {}\r\n", plain.url("/"));
    let server = Server::https(&authority, "127.0.0.1", move |_| status("302 Found", &location));
    let text = error(&url(&server, "/"), &options);
    assert!(text.contains("a redirect from https to \"http://127.0.0.1:"), "{text}");
    assert!(plain.seen().is_empty());

    let server = Server::https(&authority, "127.0.0.1", |_| ok("safe"));
    let location = format!("Location: {}\r\n", url(&server, "/"));
    let upgrade = Server::start(move |_| status("302 Found", &location));
    assert_eq!(get(&upgrade.url("/"), &options).unwrap().url, url(&server, "/"));
}

#[test]
fn says_what_is_wrong_with_the_file_of_authorities() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    for (file, expected) in
        [(empty.path().to_owned(), "holds no certificate in PEM form"), ("/nowhere/ca.pem".into(), "cannot be read: ")]
    {
        let options = Options { ca_file: Some(file), ..Options::default() };
        let text = error("https://127.0.0.1:1/", &options);
        assert!(text.contains(expected), "{text}");
    }
}
