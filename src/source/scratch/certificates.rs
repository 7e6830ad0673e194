//! The certificate authorities that Mozilla trusts for servers, as the file that programs read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The text of `/etc/ssl/certs/ca-certificates.crt` (PEM, RFC 7468), and how many certificates it has.
pub(super) fn bundle() -> (String, usize) {
    let size: usize = TLS_SERVER_ROOT_CERTS.iter().map(|certificate| certificate.len() * 7 / 5 + 64).sum();
    let mut text = String::with_capacity(size);
    let mut body = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        body.clear();
        STANDARD.encode_string(certificate, &mut body);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    (text, TLS_SERVER_ROOT_CERTS.len())
}
