//! The configurations that are there to be copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Conf, nginx};

fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-conf");
    let mut found: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Copies a directory with what is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            _ = fs::copy(entry.path(), target).unwrap()
        }
    }
}

/// The module's own directives as `src/directives.rs` has them: the name of each, and whether it is a word of a block.
fn directives() -> Vec<(&'static str, bool)> {
    let source = include_str!("../../src/directives.rs");
    let table = source.split("DIRECTIVES: ").nth(1).unwrap();
    let entries = table.split("directive(").skip(1).filter_map(|entry| {
        let (name, rest) = entry.trim_start().strip_prefix("c\"")?.split_once("\",")?;
        let kind = rest.trim_start().split([' ', ',']).next()?;
        let is_word = !name.starts_with("mcp");
        // What is looked at or refused belongs to other modules.
        (!is_word || !matches!(kind, "ANYWHERE" | "BLOCKS")).then_some((name, is_word))
    });
    let directives: Vec<_> = entries.collect();
    assert!(directives.len() > 80, "{directives:?}");
    directives
}

#[test]
fn one_example_has_every_directive() {
    let example = include_str!("../../nginx-conf/everything/nginx.conf");
    let begins = |line: &str, name: &str| {
        let line = line.trim_start_matches(['#', ' ']);
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', ';', '{']))
    };
    // Several short ones may stand in one line.
    let lines = || example.lines().flat_map(|line| line.split(['{', ';']).map(|part| format!("{part} ")));
    let missing: Vec<_> =
        directives().into_iter().filter(|(name, _)| !lines().any(|line| begins(&line, name))).collect();
    assert!(missing.is_empty(), "nginx-conf/everything has none of {missing:?}");
}

#[test]
fn the_readme_describes_every_directive() {
    let readme = include_str!("../../README.md");
    let described = |&(name, is_word): &(&str, bool)| match is_word {
        true => readme.contains(&format!("`{name} ")) || readme.contains(&format!("Syntax:  {name} ")),
        false => {
            let sections = readme.split("\n### ").find(|section| {
                let heading = section.lines().next().unwrap_or_default();
                heading.split(", ").any(|title| title == name)
            });
            let syntax = |section: &str| section.contains(&format!("  {name} "));
            sections.is_some_and(|section| {
                syntax(section) && ["Syntax: ", "Default: ", "Context: "].iter().all(|part| section.contains(part))
            })
        }
    };
    let missing: Vec<_> = directives().into_iter().filter(|directive| !described(directive)).collect();
    assert!(missing.is_empty(), "README.md does not describe {missing:?}");
}

#[test]
fn every_example_is_a_right_configuration() {
    let module = fs::canonicalize(Conf::module()).unwrap();
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        let directory = tempfile::tempdir().unwrap();
        copy(&example, directory.path());
        for name in ["modules", "logs", "temp"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        let nchan = std::env::var_os("MCP_NCHAN").expect("MCP_NCHAN names Nchan's module");
        for (name, module) in [("ngx_http_mcp_module.so", module.as_os_str()), ("ngx_nchan_module.so", &nchan)] {
            std::os::unix::fs::symlink(module, directory.path().join("modules").join(name)).unwrap();
        }
        let mut command = Command::new(nginx());
        command.args(["-t", "-e", "stderr", "-g", "pid nginx.pid;", "-c", "nginx.conf", "-p"]).arg(directory.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("[warn]"), "{}:\n{said}", example.display());
    }
}
