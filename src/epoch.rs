//! The one timestamp of an image.

use std::fmt;
use std::str::FromStr;

/// Seconds since 1970-01-01T00:00:00Z: what `created` says, and what no file's mtime is later than.
///
/// Its default rule is a function of the inputs; `SOURCE_DATE_EPOCH` overrides it
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Epoch(i64);

/// A text that is no whole number of seconds between 1970 and 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a whole number of seconds since 1970 (up to the year 9999)")]
pub struct ParseEpochError(pub String);

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
const LAST: i64 = 253_402_300_799;

impl Epoch {
    /// The epoch `seconds` after 1970; what is before or beyond the year 9999 is moved to the nearest end.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.clamp(0, LAST))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// RFC 3339 in UTC, as OCI's `created` wants it: `2026-11-01T12:00:00Z`.
    pub fn rfc3339(self) -> String {
        self.timestamp().to_string()
    }

    /// The time by a strftime format, in UTC: `%Y%m%d`. An unknown conversion is an error of jiff's words.
    pub fn format(self, format: &str) -> Result<String, String> {
        jiff::fmt::strtime::format(format, self.timestamp()).map_err(|error| error.to_string())
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0).expect("an epoch is within the years 1970 to 9999")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl FromStr for Epoch {
    type Err = ParseEpochError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse::<i64>().ok().filter(|seconds| digits && *seconds <= LAST);
        seconds.map(Self).ok_or_else(|| ParseEpochError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!("0".parse(), Ok(Epoch(0)));
        assert_eq!("1700000000".parse::<Epoch>().map(Epoch::rfc3339), Ok("2023-11-14T22:13:20Z".to_owned()));
        assert_eq!(Epoch(1_700_000_000).format("%Y%m%d"), Ok("20231114".to_owned()));
        for wrong in ["", "-1", "+1", "1.5", "now", "999999999999"] {
            assert!(wrong.parse::<Epoch>().is_err(), "{wrong}");
        }
    }
}
