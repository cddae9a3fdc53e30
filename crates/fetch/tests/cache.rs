//! The last good copy.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use fetch::{Fetched, Options, Source, fetch};
use support::{Server, error, get, ok, status, with_headers};
use tempfile::TempDir;

fn with_cache() -> (Options, TempDir) {
    let dir = TempDir::new().unwrap();
    (Options { cache: Some(dir.path().to_owned()), ..Options::default() }, dir)
}

fn files(dir: &TempDir) -> Vec<PathBuf> {
    fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Gives one answer after the other.
fn in_turn(answers: Vec<String>) -> Server {
    let next = AtomicUsize::new(0);
    Server::start(move |_| answers[next.fetch_add(1, Ordering::Relaxed)].clone())
}

/// Takes what does not begin with "bad".
fn read_good(url: &str, options: &Options) -> Fetched<String> {
    fetch(url, options, |text, _| if text.starts_with("bad") { Err("it is bad".into()) } else { Ok(text.into()) })
        .unwrap()
}

#[test]
fn stands_in_for_the_source() {
    let (options, dir) = with_cache();
    let server = in_turn(vec![
        status("302 Found", "Location: /v2/openapi.yaml\r\n"),
        ok("good"),
        ok("bad"),
        status("503 Service Unavailable", ""),
        with_headers("Content-Type: text/html\r\n", "bad"),
        ok("better"),
        status("404 Not Found", ""),
    ]);
    let url = format!("http://joe:secret@127.0.0.1:{}/openapi.yaml?key=secret", server.port);
    assert!(matches!(read_good(&url, &options).source, Source::Network { not_kept: None }));

    let file = files(&dir).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("127.0.0.1_openapi.yaml-") && !name.contains("secret"), "{name}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::File::open(&file).unwrap().set_modified(SystemTime::now() - Duration::from_secs(3 * 3600 + 5)).unwrap();

    for expected in ["the document cannot be used: it is bad", "answered 503", "it is an HTML page"] {
        let fetched = read_good(&url, &options);
        assert_eq!(fetched.document, "good");
        assert_eq!(fetched.url, server.url("/v2/openapi.yaml"), "relative URLs in it still mean the same");
        let warning = fetched.warning().unwrap();
        assert!(warning.contains(expected) && !warning.contains("secret"), "{warning}");
        let end = format!("; the copy of 3 h ago is used, \"{}\"", file.display());
        assert!(warning.starts_with("cannot fetch \"http://127.0.0.1:") && warning.ends_with(&end), "{warning}");
        let Source::Cache { age, .. } = fetched.source else { panic!("not from the cache") };
        assert_eq!(age.as_secs() / 60, 180);
    }
    assert_eq!(read_good(&url, &options).document, "better");
    assert_eq!(read_good(&url, &options).document, "better", "the copy was replaced");
    assert_eq!(files(&dir), [file], "nothing is left of the writing");
}

#[test]
fn survives_a_source_that_is_down() {
    let (options, dir) = with_cache();
    let url = support::once(ok("good"));
    assert_eq!(get(&url, &options).unwrap().document, "good");
    let fetched = get(&url, &options).unwrap();
    assert_eq!(fetched.document, "good");
    let warning = fetched.warning().unwrap();
    assert!(warning.contains("no connection: Connection refused") && warning.contains("; the copy of "), "{warning}");

    let text = error(&format!("{url}other"), &options);
    assert!(text.contains("no connection: "), "{text}");
    assert!(text.ends_with(&format!("; there is no copy of it in \"{}\" yet", dir.path().display())), "{text}");
}

#[test]
fn asks_only_for_what_is_new() {
    let (options, dir) = with_cache();
    let tagged = |body| with_headers("ETag: \"v1\"\r\n", body);
    let server = in_turn(vec![
        tagged("one"),
        status("304 Not Modified", ""),
        status("302 Found", "Location: /elsewhere\r\n"),
        status("304 Not Modified", ""),
        status("302 Found", "Location: /elsewhere\r\n"),
        tagged("two"),
        ok("three"),
        ok("four"),
    ]);
    let url = server.url("/openapi.json");
    assert_eq!(get(&url, &options).unwrap().document, "one");
    let file = files(&dir).remove(0);
    fs::File::open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();

    let fetched = get(&url, &options).unwrap();
    assert_eq!((fetched.document.as_str(), fetched.warning()), ("one", None));
    let age = fs::metadata(&file).unwrap().modified().unwrap().elapsed().unwrap();
    assert!(age < Duration::from_secs(60), "the copy is as good as new");
    let asked: Vec<bool> = server.seen().iter().map(|head| head.contains("\r\nif-none-match: \"v1\"\r\n")).collect();
    assert_eq!(asked, [false, true]);

    assert_eq!(get(&url, &options).unwrap().document, "two", "another place, the same tag");
    assert_eq!(server.seen().len(), 4);
    assert_eq!(get(&url, &options).unwrap().document, "three");
    assert_eq!(get(&url, &options).unwrap().document, "four");
    let asked: Vec<bool> = server.seen().iter().map(|head| head.contains("if-none-match")).collect();
    assert_eq!(asked, [true, false], "the third came without a tag");
}

#[test]
fn takes_no_damaged_copy() {
    let (options, dir) = with_cache();
    let server = in_turn(
        std::iter::once(with_headers("ETag: \"v1\"\r\n", "paths: {}\n\ninfo: {}"))
            .chain((0..8).map(|_| status("500 Internal Server Error", "")))
            .collect(),
    );
    let url = server.url("/");
    assert_eq!(get(&url, &options).unwrap().document, "paths: {}\n\ninfo: {}");
    let file = files(&dir).remove(0);
    let whole = fs::read(&file).unwrap();
    assert_eq!(get(&url, &options).unwrap().document, "paths: {}\n\ninfo: {}", "the copy itself is good");
    server.seen();

    let cut = &whole[..whole.len() - 1];
    for content in [cut, b"", b"\n\n", b"a: b\n\nc", b"\xff", &[b'a'; 100]] {
        fs::write(&file, content).unwrap();
        let text = error(&url, &options);
        assert!(text.contains("answered 500 Internal Server Error"), "{text}");
        assert!(text.contains("is damaged") || text.contains("cannot be read: "), "{text}");
        assert!(!server.seen()[0].contains("if-none-match"), "what it says of itself is not believed");
    }
    fs::write(&file, &whole).unwrap();
    let small = Options { max_size: 5, ..options };
    assert!(error(&url, &small).contains("is larger than 5 bytes"));
}

#[test]
fn says_when_there_is_no_good_copy_either() {
    let (options, _dir) = with_cache();
    let server = in_turn(vec![ok("good"), ok("fine"), status("500 Internal Server Error", "")]);
    let url = server.url("/");
    get(&url, &options).unwrap();
    for expected in ["the document cannot be used: not today; the copy", "answered 500"] {
        let text = fetch::<()>(&url, &options, |_, _| Err("not today".into())).unwrap_err().to_string();
        assert!(text.contains(expected) && text.ends_with("cannot be used either: not today"), "{text}");
    }
}

#[test]
fn works_without_a_place_for_copies() {
    let server = Server::start(|_| ok("good"));
    let file = tempfile::NamedTempFile::new().unwrap();
    for dir in ["/nowhere/at/all".into(), file.path().to_owned()] {
        let options = Options { cache: Some(dir.clone()), ..Options::default() };
        let fetched = get(&server.url("/"), &options).unwrap();
        assert_eq!(fetched.document, "good");
        let warning = fetched.warning().unwrap();
        assert!(warning.starts_with(&format!("cannot keep a copy in \"{}\": ", dir.display())), "{warning}");
        assert!(warning.contains("the directory must exist"), "{warning}");
    }
}
