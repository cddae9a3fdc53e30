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
