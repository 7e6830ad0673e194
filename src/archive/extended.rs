//! What headers in front of an entry say about it: GNU long names (`L`, `K`) and PAX records (`x`).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tar::Header;

use super::{header, pax};
use crate::tree::Xattrs;

/// Everything said about the next entry so far.
#[derive(Default)]
pub struct Extended {
    /// GNU's long name.
    pub name: Option<Vec<u8>>,
    /// GNU's long link target.
    pub link: Option<Vec<u8>>,
    /// The PAX records.
    pub pax: Option<Pax>,
}

/// The PAX records that mean something here.
#[derive(Default)]
pub struct Pax {
    path: Option<Vec<u8>>,
    linkpath: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<i64>,
    /// `SCHILY.xattr.*` and `LIBARCHIVE.xattr.*`, by the attribute's name, and `SCHILY.acl.*`, as text.
    pub xattrs: Xattrs,
    /// `GNU.sparse.*`, in order, without that prefix.
    pub sparse: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Access control lists, and the attributes that the kernel has them in.
const ACLS: [(&[u8], &[u8]); 3] = [
    (b"SCHILY.acl.access", b"system.posix_acl_access"),
    (b"SCHILY.acl.default", b"system.posix_acl_default"),
    (b"SCHILY.acl.ace", b"system.nfs4_acl"),
];

/// As bsdtar writes it, without padding, and as others do (libarchive, archive_write_set_format_pax.c).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Extended {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.pax.is_none()
    }

    /// The entry's name, without padding. Naming it in both ways is how archives are made that two programs read
    /// differently, so it is refused.
    pub fn path(&self, header: &Header) -> Result<Vec<u8>, String> {
        let pax = self.pax.as_ref().and_then(|pax| pax.path.as_ref());
        one_name(self.name.as_ref(), pax, || header.path_bytes().into_owned())
    }

    /// The target of a link, under the same rule; empty where there is none.
    pub fn target(&self, header: &Header) -> Result<Vec<u8>, String> {
        let pax = self.pax.as_ref().and_then(|pax| pax.linkpath.as_ref());
        one_name(self.link.as_ref(), pax, || header.link_name_bytes().unwrap_or_default().into_owned())
    }

    /// Bytes of content behind the header. PAX has the word only where the header's field is too small: programs that
    /// disagree about the size see different entries (CVE-2025-62518, CVE-2026-33055).
    pub fn size(&self, header: &Header) -> Result<u64, String> {
        let field = header::number(&header.as_old().size).ok_or("a size that cannot be read")?;
        let field = u64::try_from(field).map_err(|_| "a negative size")?;
        match self.pax.as_ref().and_then(|pax| pax.size) {
            Some(size) if size != field && size <= header::OCTAL_SIZE => {
                Err(format!("two sizes: {field} in its header and {size} in its PAX records"))
            }
            Some(size) => Ok(size),
            None => Ok(field),
        }
    }

    /// Numeric owner and group.
    pub fn owner(&self, header: &Header) -> Result<(u32, u32), String> {
        let old = header.as_old();
        let pax = self.pax.as_ref();
        let user = owner(pax.and_then(|pax| pax.uid), &old.uid).ok_or("an owner that is no number below 2^32")?;
        let group = owner(pax.and_then(|pax| pax.gid), &old.gid).ok_or("a group that is no number below 2^32")?;
        Ok((user, group))
    }

    /// Modification time in whole seconds.
    pub fn mtime(&self, header: &Header) -> Result<i64, String> {
        let pax = self.pax.as_ref().and_then(|pax| pax.mtime);
        Ok(pax.or_else(|| header::number(&header.as_old().mtime)).ok_or("a time that cannot be read")?)
    }
}

impl Pax {
    /// Reads the body of an `x` header. Of a key that comes twice the last counts (POSIX). Values larger than
    /// `largest_xattr` bytes are refused in extended attributes.
    pub fn parse(body: &[u8], largest_xattr: u64) -> Result<Self, String> {
        let mut all = Self::default();
        let mut encoded = Vec::new();
        for (key, value) in pax::parse(body)? {
            match key {
                b"path" => all.path = Some(value.to_vec()),
                b"linkpath" => all.linkpath = Some(value.to_vec()),
                b"size" => all.size = Some(pax::decimal(value).ok_or("a PAX size that is no number")?),
                b"uid" => all.uid = Some(pax::decimal(value).ok_or("a PAX owner that is no number")?),
                b"gid" => all.gid = Some(pax::decimal(value).ok_or("a PAX group that is no number")?),
                b"mtime" => all.mtime = Some(pax::seconds(value).ok_or("a PAX time that is no number")?),
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        all.set_xattr(name, value, largest_xattr)?;
                    } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                        encoded.push((unescaped(name), value));
                    } else if let Some((_, name)) = ACLS.iter().find(|(acl, _)| key == *acl) {
                        all.set_xattr(name, value, largest_xattr)?;
                    } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                        all.sparse.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        for (name, value) in encoded {
            if all.xattrs.value(&name).is_none() {
                let value = BASE64.decode(value).map_err(|_| "an extended attribute that is not base64")?;
                all.set_xattr(&name, &value, largest_xattr)?;
            }
        }
        Ok(all)
    }

    fn set_xattr(&mut self, name: &[u8], value: &[u8], largest: u64) -> Result<(), String> {
        if name.is_empty() || name.contains(&0) {
            return Err("an extended attribute without a usable name".to_owned());
        }
        if value.len() as u64 > largest {
            return Err(format!("an extended attribute of more than {largest} bytes"));
        }
        self.xattrs.set(name, value);
        Ok(())
    }

    /// Looks at the body of a `g` header, which speaks about all entries that follow. What only one entry can have
    /// is refused there; comments and the like are of no use here.
    pub fn check_global(body: &[u8]) -> Result<(), String> {
        const OF_ONE_ENTRY: [&[u8]; 6] = [b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"];
        for (key, _) in pax::parse(body)? {
            if OF_ONE_ENTRY.contains(&key)
                || key.starts_with(b"GNU.sparse.")
                || key.starts_with(b"SCHILY.")
                || key.starts_with(b"LIBARCHIVE.xattr.")
            {
                return Err(format!("a global PAX header that sets `{}` for all", crate::tree::escape(key)));
            }
        }
        Ok(())
    }
}

/// A name with `%3D` and the like for some of its bytes.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        match (*first == b'%').then(|| digit(after.first()).zip(digit(after.get(1)))).flatten() {
            Some((high, low)) => {
                plain.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

fn one_name(gnu: Option<&Vec<u8>>, pax: Option<&Vec<u8>>, field: impl Fn() -> Vec<u8>) -> Result<Vec<u8>, String> {
    match (gnu, pax) {
        (Some(_), Some(_)) => Err("two names: one in GNU's way and one in its PAX records".to_owned()),
        (Some(name), None) | (None, Some(name)) => Ok(name.clone()),
        (None, None) => Ok(field()),
    }
}

fn owner(pax: Option<u64>, field: &[u8]) -> Option<u32> {
    match pax {
        Some(number) => number.try_into().ok(),
        None => header::number(field)?.try_into().ok(),
    }
}
