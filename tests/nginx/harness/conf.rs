//! The configuration of a test's nginx.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::nginx::{Nginx, nginx, prepare};
use super::port::Port;

/// Directives for a test's nginx, which come to stand in a file with whatever every nginx here needs.
///
/// `LISTEN` in a directive becomes the address that nginx listens on, and words given by [`Conf::with`] become what they
/// stand for.
#[derive(Default)]
pub(crate) struct Conf {
    http: String,
    server: String,
    listen: String,
    names: Option<String>,
    location: Option<String>,
    after: String,
    words: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    connections: Option<usize>,
    main: String,
    starter: Vec<String>,
    without_nchan: bool,
}

impl Conf {
    /// A server without an MCP location of its own.
    pub(crate) fn new() -> Conf {
        Conf::default()
    }

    /// A server with `location = /mcp { mcp on; … }`.
    pub(crate) fn location(directives: &str) -> Conf {
        Conf { location: Some(directives.to_owned()), ..Conf::default() }
    }

    /// Adds directives to `http { … }`.
    pub(crate) fn http(mut self, directives: &str) -> Conf {
        self.http += directives;
        self
    }

    /// Adds directives to the server.
    pub(crate) fn server(mut self, directives: &str) -> Conf {
        self.server += directives;
        self
    }

    /// Adds directives to `http { … }` that stand after the server.
    pub(crate) fn after(mut self, directives: &str) -> Conf {
        self.after += directives;
        self
    }

    /// Adds directives that stand outside of every block.
    pub(crate) fn main(mut self, directives: &str) -> Conf {
        self.main += directives;
        self
    }

    /// So few connections in each worker.
    pub(crate) fn connections(mut self, count: usize) -> Conf {
        self.connections = Some(count);
        self
    }

    /// Does not load Nchan, whatever `MCP_NCHAN` says.
    pub(crate) fn without_nchan(mut self) -> Conf {
        self.without_nchan = true;
        self
    }

    /// Has nginx started by another command, which is to become nginx (`exec`): it gets nginx's as its last arguments, in
    /// the directory of nginx.conf.
    pub(crate) fn started_by(mut self, command: &[&str]) -> Conf {
        self.starter = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Other names of the server than `localhost`; none at all if this is empty.
    pub(crate) fn server_name(mut self, names: &str) -> Conf {
        self.names = Some(names.to_owned());
        self
    }

    /// Adds parameters to the server's `listen`.
    pub(crate) fn listen(mut self, parameters: &str) -> Conf {
        self.listen = format!(" {parameters}");
        self
    }

    /// Makes `word` stand for a value in all directives.
    pub(crate) fn with(mut self, word: &str, value: impl Display) -> Conf {
        self.words.push((word.to_owned(), value.to_string()));
        self
    }

    /// Puts a file beside nginx.conf.
    pub(crate) fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Conf {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Starts nginx and awaits its workers.
    pub(crate) fn start(self) -> Nginx {
        let port = Port::reserve();
        let directory = self.write(&port);
        Nginx::start_by(directory, port, self.starter)
    }

    /// Writes nginx.conf and what it needs into a directory of its own.
    pub(crate) fn write(&self, port: &Port) -> TempDir {
        let directory = tempfile::Builder::new().prefix("mcp-live-").tempdir().unwrap();
        prepare(directory.path());
        self.write_into(directory.path(), port);
        directory
    }

    /// Writes nginx.conf and the files beside it.
    pub(crate) fn write_into(&self, directory: &Path, port: &Port) {
        for (name, content) in &self.files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::write(directory.join("nginx.conf"), self.text(port)).unwrap();
    }

    /// Runs `nginx -t`: what it says of the configuration, and whether it takes it.
    pub(crate) fn check(&self) -> (bool, String) {
        let port = Port::reserve();
        let (status, output) = Conf::check_in(self.write(&port).path());
        (status.success(), output)
    }

    /// The same for a configuration that was [written](Conf::write).
    pub(crate) fn check_in(directory: &Path) -> (ExitStatus, String) {
        let mut command = Command::new(nginx());
        let output = command.arg("-t").args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(directory).output();
        let output = output.unwrap_or_else(|error| panic!("\"{}\" does not run: {error}", nginx()));
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The number of the line with this in it.
    pub(crate) fn line_of(&self, text: &str) -> Option<usize> {
        self.text(&Port::reserve()).lines().position(|line| line.contains(text)).map(|index| index + 1)
    }

    /// The directives, for the message of a failure.
    pub(crate) fn shown(&self) -> String {
        let location = self.location.as_deref().unwrap_or_default();
        [&self.http, &self.server, location, &self.after].join("\n")
    }

    /// The whole file. The MCP location begins at the start of a line and ends before one.
    fn text(&self, port: &Port) -> String {
        let location = match &self.location {
            Some(directives) => format!("location = /mcp {{\nmcp on;\n{directives}\n}}\n"),
            None => String::new(),
        };
        let http = &self.http;
        let server = &self.server;
        let names = match self.names.as_deref() {
            Some("") => String::new(),
            names => format!("server_name {};", names.unwrap_or("localhost")),
        };
        let listen = &self.listen;
        let after = &self.after;
        let text = format!(
            "http {{\n{COMMON}\n{http}\nserver {{\nlisten LISTEN{listen};\n{names}\n{server}\n{location}}}\n{after}}}\n"
        );
        let text = text.replace("LISTEN", &port.to_string());
        let text = self.words.iter().fold(text, |text, (word, value)| text.replace(word, value));
        let connections = self.connections.unwrap_or(256);
        format!("{}{}\nevents {{ worker_connections {connections}; }}\n{text}", self.head(), self.main)
    }

    /// The module.
    pub(crate) fn module() -> PathBuf {
        let module = std::env::var_os("MCP_MODULE").expect(
            "MCP_MODULE is not set: run cargo build, then set it to target/debug/libngx_http_mcp_module.so, or run scripts/test live",
        );
        absolute("MCP_MODULE", module.as_ref())
    }

    /// What stands before `http { … }`.
    fn head(&self) -> String {
        let mut head = String::new();
        if let Some(nchan) = std::env::var_os("MCP_NCHAN").filter(|_| !self.without_nchan) {
            head += &format!("load_module {};\n", absolute("MCP_NCHAN", nchan.as_ref()).display());
        }
        head += &format!("load_module {};\n", Conf::module().display());
        // Workers of a root's nginx would be nobody, who may not read the directory.
        if rustix::process::geteuid().is_root() {
            head += "user root;\n";
        }
        head + "daemon off;\nworker_processes 2;\npid nginx.pid;\nerror_log stderr info;\n"
    }
}

fn absolute(variable: &str, path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|error| panic!("{variable}={}: {error}", path.display()))
}

/// Directories for what does not fit into memory; and room for the variables of Nchan beside the module's.
const COMMON: &str = "access_log off;
variables_hash_max_size 2048;
client_body_temp_path temp/body;
proxy_temp_path temp/proxy;
fastcgi_temp_path temp/fastcgi;
uwsgi_temp_path temp/uwsgi;
scgi_temp_path temp/scgi;";
