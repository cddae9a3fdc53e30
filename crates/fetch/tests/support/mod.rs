//! Small servers, each for one test.

#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use fetch::{FetchError, Fetched, Options, fetch};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Ends with the test's process.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// The head of every request.
    pub(crate) requests: mpsc::Receiver<String>,
}

impl Server {
    /// Calls `answer` with the head of every request, one after another; what it returns is sent.
    pub(crate) fn start<A: AsRef<[u8]>>(answer: impl Fn(&str) -> A + Send + 'static) -> Self {
        Self::raw(move |head, stream| drop(stream.write_all(answer(head).as_ref())))
    }

    pub(crate) fn raw(answer: impl Fn(&str, &mut dyn Stream) + Send + 'static) -> Self {
        Self::listen(answer, Ok)
    }

    pub(crate) fn https<A: AsRef<[u8]>>(
        authority: &Authority,
        host: &str,
        answer: impl Fn(&str) -> A + Send + 'static,
    ) -> Self {
        let config = authority.server(host);
        Self::listen(
            move |head, stream| {
                let _ = stream.write_all(answer(head).as_ref());
            },
            move |tcp| {
                let tls = rustls::ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
                Ok(rustls::StreamOwned::new(tls, tcp))
            },
        )
    }

    fn listen<S: Stream>(
        answer: impl Fn(&str, &mut dyn Stream) + Send + 'static,
        wrap: impl Fn(TcpStream) -> std::io::Result<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let mut stream = wrap(tcp.unwrap()).unwrap();
                // A connection that ends before its request is a refused handshake.
                let Some(head) = read_head(&mut stream) else { continue };
                let _ = sender.send(head.clone());
                answer(&head, &mut stream);
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    /// The heads of the requests that were made, in lower case.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.requests.try_iter().map(|head| head.to_lowercase()).collect()
    }
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// The URL of a server that is down once it has sent `answer`.
pub(crate) fn once(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        read_head(&mut stream).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

/// Returns when the client has closed the connection.
pub(crate) fn closed(stream: &mut dyn Stream) {
    let _ = stream.read(&mut [0]);
}

pub(crate) fn ok(body: &str) -> String {
    with_headers("", body)
}

/// `headers` are whole lines.
pub(crate) fn with_headers(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

pub(crate) fn status(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n")
}

/// A certificate authority that nobody else knows.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn server(&self, host: &str) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }
}

/// Long enough for a busy machine, short enough to be waited for.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

pub(crate) fn get(url: &str, options: &Options) -> Result<Fetched<String>, FetchError> {
    fetch(url, options, |text, _| Ok(text.to_owned()))
}

/// The error, which must be one line without the password that these tests use.
pub(crate) fn error(url: &str, options: &Options) -> String {
    let text = get(url, options).unwrap_err().to_string();
    assert!(!text.contains('\n') && !text.contains("secret"), "{text}");
    text
}
