//! The members of an ar archive, in the plain form that `.deb` files use: no long names, no symbol table.

use std::io::{Read, Seek, SeekFrom};

use crate::epoch::Epoch;

use super::Problem;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Most members; a `.deb` has three, or a few more with signatures.
const LIMIT: usize = 32;

/// One member.
pub(super) struct Member {
    /// Its name, without the spaces and the `/` that fill the header's field.
    pub(super) name: String,
    /// Its date.
    pub(super) date: Epoch,
    /// Where its bytes start in the file.
    pub(super) offset: u64,
    /// How many they are.
    pub(super) size: u64,
}

/// Lists the members of a file; their bytes lie wholly inside it.
pub(super) fn members(file: &mut (impl Read + Seek)) -> Result<Vec<Member>, Problem> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut magic = [0; MAGIC.len()];
    if length < MAGIC.len() as u64 || file.read_exact(&mut magic).is_err() || &magic != MAGIC {
        return Err(Problem::reason("it is not an ar archive"));
    }
    let mut members = Vec::new();
    let mut position = MAGIC.len() as u64;
    while position < length {
        if members.len() == LIMIT {
            return Err(Problem::reason(format!("it has more than {LIMIT} members")));
        }
        if length - position < HEADER as u64 {
            return Err(Problem::reason("it ends inside a member's header"));
        }
        let mut header = [0; HEADER];
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(&mut header)?;
        let offset = position + HEADER as u64;
        let member = read_header(&header, offset).ok_or_else(|| Problem::reason("a member's header is damaged"))?;
        let end = offset.checked_add(member.size).filter(|end| *end <= length);
        let end = end.ok_or_else(|| Problem::reason(format!("it ends inside `{}`", member.name)))?;
        // Members start at even offsets; the last one need not be filled up.
        position = end + end % 2;
        members.push(member);
    }
    Ok(members)
}

fn read_header(header: &[u8; HEADER], offset: u64) -> Option<Member> {
    let field = |from: usize, to: usize| std::str::from_utf8(&header[from..to]).ok().map(str::trim_end);
    let number = |from, to| field(from, to).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok();
    let name = field(0, 16)?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let date: i64 = if field(16, 28)?.is_empty() { 0 } else { number(16, 28)? as i64 };
    let size: u64 = number(48, 58)?;
    let whole = plain && &header[58..] == b"`\n";
    whole.then(|| Member { name: name.to_owned(), date: Epoch::from_seconds(date), offset, size })
}
