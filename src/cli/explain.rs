//! The long texts of errors, by their codes.

mod texts;

use std::fmt::Write;

use texts::TEXTS;

use crate::error::Error;

/// The text for `code`, or the list of all codes where there is none.
pub fn explain(code: Option<&str>) -> Result<String, Error> {
    let Some(code) = code else {
        let mut text = String::new();
        for (code, about, _) in TEXTS {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{code:<24} {about}");
        }
        return Ok(text);
    };
    if let Some((code, about, text)) = TEXTS.iter().find(|(known, ..)| *known == code) {
        return Ok(format!("{code}: {about}\n\n{text}\n"));
    }
    if code.starts_with('/') {
        return Err(Error::Usage {
            message: format!("`{code}` is a path, and nothing says of which image"),
            help: format!("`rootsmith explain {code} --image oci:DIR`, or `--image RECIPE.toml`"),
        });
    }
    let nearest = TEXTS.iter().map(|(known, ..)| (strsim::jaro_winkler(known, code), known));
    let nearest = nearest.filter(|(alike, _)| *alike > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    Err(Error::Usage {
        message: format!("there is no error with the code `{code}`"),
        help: match nearest {
            Some((_, known)) => format!("did you mean `{known}`? `rootsmith explain` lists all"),
            None => "`rootsmith explain` lists all".to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of a source file: what its attributes `error` and `diagnostic` say of each.
    fn errors(source: &str) -> Vec<&str> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        // From one message to the next, without the documentation and the rest of the enum.
        let whole = code.split("#[error(").skip(1);
        whole.map(|rest| rest.split(" {\n").next().unwrap_or(rest)).collect()
    }

    fn code_of(error: &str) -> Option<&str> {
        let (_, rest) = error.split_once("code(")?;
        rest.split(')').next()
    }

    #[test]
    fn every_code_has_its_text() {
        let mut codes = Vec::new();
        for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
            let path = entry.unwrap().into_path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            // In modules whose errors have codes of their own, all have one, but those that stand for another.
            let module = path.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_string_lossy();
            let own = source.contains(&format!("code({module}::"));
            for error in errors(&source) {
                let code = code_of(error);
                let is_complete = !own || code.is_some() || error.contains("transparent");
                assert!(is_complete, "{}: there is no code for {error}", path.display());
                codes.extend(code.map(str::to_owned));
            }
        }
        codes.sort_unstable();
        let texts: Vec<&str> = TEXTS.iter().map(|(code, ..)| *code).collect();
        assert_eq!(texts, codes);
    }

    #[test]
    fn near_codes_are_offered() {
        assert!(explain(Some("http::slow")).unwrap().contains("half a minute"));
        assert!(explain(None).unwrap().lines().count() > 20);
        let error = miette::Report::new(explain(Some("http::mismtch")).unwrap_err());
        assert!(error.help().unwrap().to_string().contains("`http::mismatch`"));
        assert!(explain(Some("completely different")).is_err());
    }
}
