//! Makes the bindings from the headers of the nginx that the module is built for.
//!
//! `NGINX_SOURCE_DIR` holds nginx's `src/`, `NGINX_BUILD_DIR` the `objs/` that `./configure` wrote (`ngx_auto_config.h`,
//! `Makefile`); `scripts/build` sets both. Six C files are compiled beside them: `shim.c`, nginx's macros and inline
//! functions, `bell.c`, which workers are rung with, `roll.c`, which of them live,
//! `lasting_log.c`, a log that outlives its cycle, and `inner.c`, requests that come on no client's
//! connection, go into the module; `layout.c`, the C side of `tests/layout.rs`, only into that test.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    for variable in ["NGINX_SOURCE_DIR", "NGINX_BUILD_DIR"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let source = directory("NGINX_SOURCE_DIR");
    let build = directory("NGINX_BUILD_DIR");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let includes = include_directories(&source, &build);

    bindings(&includes, &out.join("bindings.rs"));
    compile("mcp_shim", "src/ngx/shim.c", &includes).compile("mcp_shim");
    compile("mcp_bell", "src/ngx/bell.c", &includes).compile("mcp_bell");
    compile("mcp_lasting_log", "src/ngx/lasting_log.c", &includes).compile("mcp_lasting_log");
    compile("mcp_roll", "src/ngx/roll.c", &includes).compile("mcp_roll");
    compile("mcp_inner", "src/ngx/inner.c", &includes).compile("mcp_inner");
    compile("mcp_layout", "src/ngx/layout.c", &includes).cargo_metadata(false).compile("mcp_layout");
    println!("cargo::rustc-link-arg-tests={}", out.join("libmcp_layout.a").display());

    println!("cargo::rustc-check-cfg=cfg(ngx_pcre)");
    let config = fs::read_to_string(build.join("ngx_auto_config.h")).expect("ngx_auto_config.h is readable");
    if config.contains("NGX_PCRE ") {
        println!("cargo::rustc-cfg=ngx_pcre");
    }
}

fn directory(variable: &str) -> PathBuf {
    match env::var_os(variable) {
        Some(path) => fs::canonicalize(&path).unwrap_or_else(|e| panic!("{variable}={path:?}: {e}")),
        None => panic!("{variable} is not set: build with scripts/build, which knows where nginx's headers are"),
    }
}

/// The `-I` paths of nginx's own Makefile, so that what nginx was configured with is what we see.
fn include_directories(source: &Path, build: &Path) -> Vec<PathBuf> {
    let makefile = fs::read_to_string(build.join("Makefile")).expect("NGINX_BUILD_DIR holds a Makefile");
    println!("cargo::rerun-if-changed={}", build.join("Makefile").display());
    let all_incs = makefile.split("ALL_INCS = ").nth(1).expect("the Makefile sets ALL_INCS");
    let end = all_incs.find("\n\n").unwrap_or(all_incs.len());
    let mut paths: Vec<PathBuf> = all_incs[..end]
        .split_whitespace()
        .filter(|word| !matches!(*word, "-I" | "\\"))
        .map(|word| if word == "objs" { build.to_owned() } else { source.join(word) })
        .collect();
    paths.push(build.to_owned());
    paths
}

fn compile(name: &str, file: &str, includes: &[PathBuf]) -> cc::Build {
    println!("cargo::rerun-if-changed={file}");
    let mut compiler = cc::Build::new();
    compiler
        .file(file)
        .includes(includes)
        .warnings(true)
        .extra_warnings(false)
        .flag_if_supported("-Wno-unused-parameter");
    compiler.define("NGX_HTTP_MCP_UNIT", format!("\"{name}\"").as_str());
    compiler
}

fn bindings(includes: &[PathBuf], to: &Path) {
    println!("cargo::rerun-if-changed=src/ngx/wrapper.h");
    bindgen::Builder::default()
        .header("src/ngx/wrapper.h")
        .clang_args(includes.iter().map(|path| format!("-I{}", path.display())))
        .allowlist_type("ngx_.*")
        .allowlist_function("ngx_.*")
        .allowlist_var("(ngx|NGX|nginx|NGINX)_.*|AF_INET6?|O_NOFOLLOW|O_NONBLOCK")
        .allowlist_type("sockaddr_in6?")
        .use_core()
        .layout_tests(false)
        .derive_debug(false)
        .generate_comments(false)
        .prepend_enum_name(false)
        .generate()
        .expect("bindgen reads nginx's headers")
        .write_to_file(to)
        .expect("OUT_DIR is writable");
}
