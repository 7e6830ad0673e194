//! PAX extended header records: `<length> <key>=<value>\n`, where the length counts itself (POSIX `pax`, section "pax
//! Extended Header"). Values are bytes: a record ends where its length says, not at a newline.

/// Key and value of a record.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Splits the body of a PAX header into keys and values, in their order.
///
/// Fails with what is wrong, worded to follow "an entry with".
pub fn parse(mut body: &[u8]) -> Result<Vec<Record<'_>>, &'static str> {
    const WRONG: &str = "a PAX header that cannot be read";
    let mut records = Vec::new();
    while !body.is_empty() {
        let space = body.iter().take(8).position(|byte| *byte == b' ').ok_or(WRONG)?;
        let digits = std::str::from_utf8(&body[..space]).map_err(|_| WRONG)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
        let length = digits.parse::<usize>().ok().filter(|_| plain).ok_or(WRONG)?;
        let record = body.get(space + 1..length).ok_or(WRONG)?.strip_suffix(b"\n").ok_or(WRONG)?;
        let equals = record.iter().position(|byte| *byte == b'=').filter(|at| *at > 0).ok_or(WRONG)?;
        records.push((&record[..equals], &record[equals + 1..]));
        body = &body[length..];
    }
    Ok(records)
}

/// Appends one record.
pub fn append(body: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + digits(length) != length {
        length = rest + digits(length);
    }
    body.extend_from_slice(length.to_string().as_bytes());
    body.push(b' ');
    body.extend_from_slice(key);
    body.push(b'=');
    body.extend_from_slice(value);
    body.push(b'\n');
}

/// A decimal number of a PAX value.
pub fn decimal(value: &[u8]) -> Option<u64> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| plain)?.parse().ok()
}

/// Seconds of a PAX time, `-1234.5678`, rounded down.
pub fn seconds(value: &[u8]) -> Option<i64> {
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let dot = value.iter().position(|byte| *byte == b'.').unwrap_or(value.len());
    let whole = i64::try_from(decimal(&value[..dot])?).ok()?;
    let fraction = value.get(dot + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let below = negative && fraction.iter().any(|digit| *digit != b'0');
    Some(if negative { -whole - i64::from(below) } else { whole })
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        for size in [0, 1, 80, 85, 88, 89, 90, 91, 980, 985, 990, 995] {
            let value = vec![b'\n'; size];
            let mut body = Vec::new();
            append(&mut body, b"path", &value);
            append(&mut body, b"x", b"a=b");
            assert_eq!(parse(&body).unwrap(), [(&b"path"[..], &value[..]), (b"x", b"a=b")], "{size}");
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for wrong in ["x", "5 a=", "6 a=b", "+6 a=b\n", "4 a=\n", "5 =b\n", "99999999999 a=b\n", " 6 a=b\n", "6 a=b\n7"]
        {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds(b"1.9"), Some(1));
        assert_eq!(seconds(b"-1.5"), Some(-2));
        assert_eq!(seconds(b"-1.0"), Some(-1));
        for wrong in [&b"NaN"[..], b"1e30", b"", b".5", b"99999999999999999999", b"1.x", b"--1"] {
            assert_eq!(seconds(wrong), None);
        }
    }
}
