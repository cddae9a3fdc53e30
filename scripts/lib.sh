# Sourced by the scripts beside it: where things are, what the machine has, how to get what it lacks.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-$ROOT/target}")
for name in NGINX_SOURCE_DIR NGINX_BUILD_DIR; do
    [ -z "${!name:-}" ] || printf -v "$name" %s "$(realpath -m "${!name}")"
done
CALLED_FROM=$PWD
cd "$ROOT"
RUST_VERSION=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# Debian keeps nginx in a directory that an ordinary user's PATH does not have; rustup is new to a shell that ran before it.
PATH=$PATH:/usr/sbin:/sbin:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
NGINX=${NGINX:-nginx}
MODULES=/usr/lib/nginx/modules

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }
have() { command -v "$1" >/dev/null; }
is_root() { [ "$(id -u)" = 0 ]; }
listening() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

rust_is_new_enough() {
    local tool version
    for tool in rustc cargo; do
        version=$("$tool" --version 2>/dev/null | cut -d ' ' -f 2) || return 1
        at_least "$version" "$RUST_VERSION" || return 1
    done
}

# A rustup without a toolchain, or an old one, may stand before Debian's Rust in PATH.
use_rust() {
    rust_is_new_enough && return
    PATH=/usr/bin:$PATH
    hash -r
    rust_is_new_enough || die "no Rust $RUST_VERSION or later here: run scripts/install-deps, or see https://rustup.rs"
}

rust_host() { rustc -vV | sed -n 's/^host: //p'; }
llvm_profdata() { echo "$(rustc --print sysroot)/lib/rustlib/$(rust_host)/bin/llvm-profdata"; }

nginx_version() { "$NGINX" -v 2>&1 | sed -n 's/^nginx version: [^/]*\/\([0-9.]*\).*/\1/p'; }
header_version() { sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$1/src/core/nginx.h" 2>/dev/null; }

# Exports NGINX_SOURCE_DIR and NGINX_BUILD_DIR, which the build needs; configures Debian's headers when neither is given.
use_nginx_headers() {
    if [ -n "${NGINX_BUILD_DIR:-}" ]; then
        NGINX_SOURCE_DIR=${NGINX_SOURCE_DIR:-$(dirname "$NGINX_BUILD_DIR")}
    elif [ -n "${NGINX_SOURCE_DIR:-}" ]; then
        NGINX_BUILD_DIR=$NGINX_SOURCE_DIR/objs
    else
        NGINX_SOURCE_DIR=/usr/share/nginx/src
        configure_debian_headers
    fi
    export NGINX_SOURCE_DIR NGINX_BUILD_DIR
    [ -e "$NGINX_BUILD_DIR/ngx_auto_config.h" ] || die "no ngx_auto_config.h in \"$NGINX_BUILD_DIR\": run nginx's ./configure with the arguments that \"nginx -V\" shows, and set NGINX_BUILD_DIR to its objs directory"

    local headers nginx
    headers=$(header_version "$NGINX_SOURCE_DIR")
    [ -n "$headers" ] || die "no nginx headers in \"$NGINX_SOURCE_DIR\": set NGINX_SOURCE_DIR to nginx's source directory"
    if have "$NGINX"; then
        nginx=$(nginx_version)
        [ "$nginx" = "$headers" ] || die "\"$NGINX\" is $nginx, but the headers in \"$NGINX_SOURCE_DIR\" are $headers: nginx only loads a module of its own version, so set NGINX, or NGINX_SOURCE_DIR and NGINX_BUILD_DIR"
    fi
}

configure_debian_headers() {
    local version work flags
    version=$(header_version "$NGINX_SOURCE_DIR")
    [ -n "$version" ] || die "no nginx headers here: run scripts/install-deps (Debian's nginx-dev), or set NGINX_SOURCE_DIR and NGINX_BUILD_DIR"
    work=$TARGET/nginx-$version
    NGINX_BUILD_DIR=$work/objs
    flags=$(cksum <"$NGINX_SOURCE_DIR/conf_flags")
    [ "$(cat "$work/configured" 2>/dev/null)" != "$flags" ] || return 0
    rm -rf "$work"
    mkdir -p "$work"
    # configure writes a Makefile where it stands, so it stands among links.
    ln -s "$NGINX_SOURCE_DIR"/{auto,src,configure} "$work"
    say "configuring the headers of nginx $version"
    (
        cd "$work"
        . "$NGINX_SOURCE_DIR/conf_flags"
        ./configure "${NGX_CONF_FLAGS[@]}"
    ) >"$work/configure.log" 2>&1 || die "nginx's configure failed: $(tail -n 5 "$work/configure.log")"
    echo "$flags" >"$work/configured"
}

# Exports MCP_NCHAN, by which the tests know that there is Nchan.
use_nchan() {
    if [ -e "$MODULES/ngx_nchan_module.so" ]; then export MCP_NCHAN=$MODULES/ngx_nchan_module.so; fi
}
