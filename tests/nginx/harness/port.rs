//! Ports that belong to this process.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A port of 127.0.0.1 that nobody else gets as long as this lives.
///
/// A bound socket that does not listen keeps the kernel from giving the port to anybody who asks for some port, or
/// connects from one. Whoever asks for this very port with `SO_REUSEADDR`, as nginx does, can listen on it; until then
/// connections to it are refused.
pub(crate) struct Port {
    address: SocketAddr,
    _reserved: OwnedFd,
}

impl Port {
    pub(crate) fn reserve() -> Port {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        Port { address, _reserved: socket }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
