//! Directories whose files are resources, and skills: what changes on the disk, and what is never shown of it. What the core
//! makes of them is in `tests/wire`.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Conf, DEADLINE, Events, Nginx, Port, Request, Session, all_refused, refused, request, taken};

const UPDATED: &str = "notifications/resources/updated";
const RELISTED: &str = "notifications/resources/list_changed";

fn skill(name: &str, text: &str) -> String {
    format!("---\nname: {name}\ndescription: Does {name}.\n---\n{text}\n")
}

fn read(nginx: &Nginx, uri: &str) -> Value {
    let response = nginx.send(&request(1, "resources/read", json!({"uri": uri})).header("Mcp-Name", uri));
    assert_eq!(response.status, 200, "{uri}: {}", response.text());
    response.result()["contents"][0].clone()
}

/// The URIs that are listed, by pages.
fn listed(nginx: &Nginx) -> Vec<String> {
    let mut uris = Vec::new();
    let mut params = json!({});
    loop {
        let result = nginx.send(&request(1, "resources/list", params)).result();
        uris.extend(result["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap().to_owned()));
        match result.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return uris,
        }
    }
}

/// Asks until the answer is as it should be: a worker notices a change when it looks the next time.
fn until<T: PartialEq + std::fmt::Debug>(expected: &T, ask: impl Fn() -> T) {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if answer == *expected {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "expected {expected:?}\n     got {answer:?}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_listed_can_be_read_and_nothing_else() {
    let conf = Conf::location(
        "mcp_page_size 2;
         mcp_resource \"docs:///{+path}\" { file \"docs/{path}\"; list on; hide *.tmp; }
         mcp_skills skills skill://team/;",
    )
    .http("types { text/html html; image/png png; }\ndefault_type text/plain;\n")
    .file("docs/a.html", "<p>")
    .file("docs/b.md", "# b")
    .file("docs/in/ü&?.txt", "deep")
    .file("docs/in/c.tmp", "secret")
    .file("docs/.env", "secret")
    .file("secret/s.txt", "secret")
    .file("skills/pdf/SKILL.md", skill("pdf", "# PDF"))
    .file("skills/pdf/form.png", [0, 255]);
    let port = Port::reserve();
    let directory = conf.write(&port);
    let path = directory.path();
    symlink(path.join("secret/s.txt"), path.join("docs/link.txt")).unwrap();
    symlink(path.join("secret"), path.join("docs/out")).unwrap();
    symlink(path.join("docs"), path.join("docs/in/loop")).unwrap();
    symlink(path.join("secret"), path.join("skills/pdf/out")).unwrap();
    let mut nginx = Nginx::start(directory, port);
    let uris = listed(&nginx);
    let expected = [
        "docs:///a.html",
        "docs:///b.md",
        "docs:///in/%C3%BC&%3F.txt",
        "skill://team/pdf/SKILL.md",
        "skill://team/pdf/form.png",
    ];
    assert_eq!(uris, expected);
    for (uri, contents) in uris.iter().zip([
        json!({"mimeType": "text/html", "text": "<p>"}),
        json!({"mimeType": "text/markdown", "text": "# b"}),
        json!({"mimeType": "text/plain", "text": "deep"}),
        json!({"mimeType": "text/markdown", "text": skill("pdf", "# PDF")}),
        json!({"mimeType": "image/png", "blob": "AP8="}),
    ]) {
        let mut actual = read(&nginx, uri);
        assert_eq!(actual.as_object_mut().unwrap().shift_remove("uri"), Some(json!(uri)));
        assert_eq!(actual, contents, "{uri}");
    }
    for uri in [
        "docs:///.env",
        "docs:///in/c.tmp",
        "docs:///link.txt",
        "docs:///out/s.txt",
        "docs:///in/loop/a.html",
        "docs:///../secret/s.txt",
        "docs:///in/%2e%2e/%2e%2e/secret/s.txt",
        "docs:///in",
        "skill://team/pdf/out/s.txt",
        "skill://team/../secret/s.txt",
    ] {
        let response = nginx.send(&request(1, "resources/read", json!({"uri": uri})).header("Mcp-Name", uri));
        assert_eq!((response.status, response.error_code()), (400, -32602), "{uri}");
        assert!(!response.text().contains("\"secret\""), "{}", response.text());
    }
    for refused in ["docs/link.txt", "docs/out/s.txt", "docs/in/loop/a.html", "skills/pdf/out/s.txt"] {
        nginx.expect_in_log(refused);
    }
}

#[test]
fn clients_hear_of_files_that_come_change_and_go() {
    let nginx = Conf::location(
        "mcp_heartbeat 1s;
         mcp_resource \"docs:///{+path}\" { file \"docs/{path}\"; list on; }",
    )
    .listen("reuseport")
    .file("docs/a.txt", "a")
    .file("docs/b.txt", "b")
    .start();
    let session = Session::open(&nginx, "2025-11-25");
    let subscribe = session.request(1, "resources/subscribe", json!({"uri": "docs:///a.txt"}));
    assert_eq!(nginx.send(&subscribe).status, 200);
    let stream = session.carry(Request::new("GET").header("Accept", "text/event-stream"));
    let mut events = Events::open(nginx.connect(), &stream);

    let docs = nginx.path("docs");
    fs::write(docs.join("a.txt"), "another").unwrap();
    assert_eq!(events.notification(UPDATED), json!({"uri": "docs:///a.txt"}));
    fs::create_dir(docs.join("new")).unwrap();
    fs::write(docs.join("new/c.txt"), "c").unwrap();
    assert_eq!(events.notification(RELISTED), Value::Null);
    let expected = ["docs:///a.txt", "docs:///b.txt", "docs:///new/c.txt"].map(str::to_owned);
    until(&expected.to_vec(), || listed(&nginx));
    assert_eq!(read(&nginx, "docs:///new/c.txt")["text"], "c");
    fs::remove_file(docs.join("a.txt")).unwrap();
    assert_eq!(events.notification(UPDATED), json!({"uri": "docs:///a.txt"}));
    assert_eq!(events.notification(RELISTED), Value::Null);
    until(&expected[1..].to_vec(), || listed(&nginx));
}

#[test]
fn skills_are_what_lies_on_the_disk() {
    let mut nginx = Conf::location("mcp_skills skills;")
        .file("skills/pdf/SKILL.md", skill("pdf", "# PDF"))
        .file("skills/broken/SKILL.md", skill("other", ""))
        .start();
    let skills = || -> Vec<Value> {
        let result = nginx.send(&request(1, "skills/list", json!({}))).result();
        result["skills"].as_array().unwrap().clone()
    };
    let names = || skills().iter().map(|skill| skill["frontmatter"]["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(), [json!("pdf")]);
    let before = skills();
    let root = nginx.path("skills");
    // A change that neither the size nor, within the same second, the time of the last change shows.
    fs::write(root.join("pdf/SKILL.md"), skill("pdf", "# DPF")).unwrap();
    until(&true, || skills() != before);
    fs::write(root.join("broken/SKILL.md"), skill("broken", "")).unwrap();
    until(&vec![json!("broken"), json!("pdf")], names);
    fs::create_dir(root.join("xls")).unwrap();
    fs::write(root.join("xls/SKILL.md"), skill("xls", "")).unwrap();
    until(&vec![json!("broken"), json!("pdf"), json!("xls")], names);
    fs::remove_dir_all(root.join("pdf")).unwrap();
    until(&vec![json!("broken"), json!("xls")], names);
    nginx.expect_in_log("skills/broken/SKILL.md\" is no skill: its name \"other\" is not that of its directory");
}

#[test]
fn many_files_are_not_listed_without_end() {
    let conf = Conf::location("mcp_resource \"docs:///{+path}\" { file \"docs/{path}\"; list on; }");
    let port = Port::reserve();
    let directory = conf.write(&port);
    let docs = directory.path().join("docs/in");
    fs::create_dir_all(&docs).unwrap();
    for number in 0..10_100 {
        fs::File::create(docs.join(number.to_string())).unwrap();
    }
    let mut nginx = Nginx::start(directory, port);
    assert_eq!(listed(&nginx).len(), 9_999);
    nginx.expect_in_log("docs\" has more than 10000 files: not all are listed");
}

#[test]
fn wrong_directories_are_refused() {
    let resource = |uri: &str, directives: &str| {
        Conf::location(&format!("mcp_resource \"{uri}\" {{ #here\n{directives}\n}}\n")).file("d/a", "")
    };
    all_refused([
        (resource("a:{v}", "file \"none/{v}\"; list on;"), vec!["\"mcp_resource\"", "needs a directory", "none\""]),
        (resource("a:{v}", "file \"d/{v}\"; hide *.tmp;"), vec!["\"hide\"", "add \"list on\""]),
        (resource("a:b", "file d/a; list on;"), vec!["\"list\"", "for a template whose contents are a \"file\""]),
        (resource("a:{v}", "text x; list on;"), vec!["\"list\"", "for a template whose contents are a \"file\""]),
        (resource("a:{v}/{w}", "file \"d/{v}{w}\"; list on;"), vec!["\"list\"", "a URI with one variable"]),
        (resource("a:{v}", "file \"d/{v}{v}\"; list on;"), vec!["\"list\"", "the variable of the URI in it, once"]),
    ]);
    for (directives, texts) in [
        ("mcp_resource \"a:{v}\" {\nfile \"d/{v}\"; list yes; #here\n}", &["\"list\"", "takes on or off"][..]),
        ("mcp_resource \"a:{v}\" {\nfile \"d/{v}\"; list on;\nhide /d; #here\n}", &["\"hide\"", "such as *.tmp"]),
        ("mcp_skills; #here", &["\"mcp_skills\"", "invalid number of arguments"]),
        ("mcp_skills none; #here", &["\"mcp_skills\"", "needs a directory", "none\" cannot be listed"]),
        ("mcp_skills d skill://team; #here", &["\"mcp_skills\"", "a URI that ends with \"/\"", "\"skill://team\""]),
        ("mcp_skills d team/; #here", &["\"mcp_skills\"", "invalid URI", "a scheme"]),
        ("mcp_skills d;\nmcp_skills d; #here", &["\"mcp_skills\"", "is duplicate"]),
    ] {
        refused(Conf::location(directives).file("d/a", ""), texts);
    }
    refused(
        Conf::new().server("location /x {\nmcp_skills d; #here\n}\n").file("d/a", ""),
        &["\"mcp_skills\"", "needs \"mcp on\""],
    );
    taken(Conf::location("mcp_skills d; mcp_skills d skill://team/;").file("d/a", ""));
}
