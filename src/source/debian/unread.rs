//! Where packages are that no index has which was read: components that the recipe leaves out.

use std::sync::Arc;

use super::index::{self, Packages};
use super::solve::Missing;
use super::suite::Suite;
use crate::context::Context;
use crate::report::Silent;

/// Indexes that are larger, packed, are not fetched for a hint (Debian's `non-free` has 100 kB, Ubuntu's `universe` 15 MB).
const MOST: u64 = 1 << 20;

/// A component of a suite that is not read.
struct Unread<'s> {
    component: &'s str,
    /// What it has, where that is small.
    packages: Vec<Packages>,
    is_known: bool,
}

/// Says of each missing package in which component it is, where that can be found out, or which are not read.
pub(super) fn hint(missing: Vec<&mut Missing>, suites: &[Suite], architecture: &str, context: &Context) {
    // The distribution's own suite, of which all others are parts.
    let Some(suite) = suites.first().filter(|suite| !missing.is_empty() && !suite.wanted.is_flat()) else { return };
    let quiet = Context { reporter: Arc::new(Silent), ..context.clone() };
    let unread = unread(suite, architecture, &quiet);
    let read = &suite.wanted.components;
    let with = |component: &str| {
        let all = read.iter().map(String::as_str).chain([component]).map(|name| format!("\"{name}\""));
        format!("`components = [{}]` in [from.debian]", all.collect::<Vec<_>>().join(", "))
    };
    for missing in missing {
        let has = |packages: &Packages| packages.records().any(|record| record.name() == missing.name);
        let found = unread.iter().find(|unread| unread.packages.iter().any(has));
        let others: Vec<&str> =
            unread.iter().filter(|unread| !unread.is_known).map(|unread| unread.component).collect();
        if let Some(found) = found {
            let component = found.component;
            missing.hint =
                Some(format!("it is in the component `{component}`, which is not read: {}", with(component)));
        } else if let [first, ..] = others[..] {
            let start = missing.hint.take().map(|hint| format!("{hint} Else ")).unwrap_or_default();
            let others = others.join(", ");
            missing.hint =
                Some(format!("{start}it may be in a component that is not read ({others}): {}", with(first)));
        }
    }
}

fn unread<'s>(suite: &'s Suite, architecture: &str, context: &Context) -> Vec<Unread<'s>> {
    let read = |component: &str| suite.wanted.components.iter().any(|read| read.rsplit('/').next() == Some(component));
    let names = suite.release.components.iter().map(String::as_str);
    // Debian's installer has packages of its own, which are for no system.
    let names = names.filter(|name| !read(name) && !name.contains("debian-installer"));
    let look = |component: &'s str| {
        let files = index::choose(&suite.release, Some(component), architecture).unwrap_or_default();
        let small = !files.is_empty() && files.iter().all(|file| file.forms[0].size <= MOST);
        let packages: Vec<_> =
            files.iter().filter(|_| small).filter_map(|file| suite.wanted.index(file, 0, context).ok()).collect();
        Unread { component, is_known: small && packages.len() == files.len(), packages }
    };
    names.map(look).collect()
}
