//! Which servers are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Trusts the authorities of `ca_file`, or those of the system.
///
/// A system without any is not an error: an http URL needs none, and for https the handshake says what is missing.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut authorities = RootCertStore::empty();
    match ca_file {
        None => {
            authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            let loaded = rustls_native_certs::load_certs_from_paths(Some(file), None);
            if let Some(error) = loaded.errors.first() {
                return Err(format!("the authorities of \"{}\" cannot be read: {error}", file.display()));
            }
            if authorities.add_parsable_certificates(loaded.certs).0 == 0 {
                return Err(format!("\"{}\" holds no certificate in PEM form", file.display()));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(config.with_root_certificates(authorities).with_no_client_auth())
}
