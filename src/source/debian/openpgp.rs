//! placeholder
use crate::epoch::Epoch;
/// placeholder
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("x")]
pub struct OpenPgpError;
/// placeholder
pub struct Keyring;
/// placeholder
pub struct Verified { /// t
    pub text: Vec<u8>, /// f
    pub fingerprint: String }
/// placeholder
pub fn cleartext(signed: &[u8]) -> Result<Vec<u8>, OpenPgpError> { let s = String::from_utf8_lossy(signed); let a = s.find("\n\n").unwrap_or(0) + 2; let b = s.find("-----BEGIN PGP SIG").unwrap_or(s.len()); Ok(s[a..b].as_bytes().to_vec()) }
impl Keyring {
    /// placeholder
    pub fn parse(_: &[u8], _: &str) -> Result<Self, OpenPgpError> { Ok(Keyring) }
    /// placeholder
    pub fn built_in(_: &str) -> Option<Self> { Some(Keyring) }
    /// placeholder
    pub fn verify_clearsigned(&self, s: &[u8], _: Option<Epoch>) -> Result<Verified, OpenPgpError> { Ok(Verified { text: cleartext(s)?, fingerprint: "0000".into() }) }
    /// placeholder
    pub fn verify_detached(&self, _: &[u8], _: &[u8], _: Option<Epoch>) -> Result<String, OpenPgpError> { Ok("0000".into()) }
}
