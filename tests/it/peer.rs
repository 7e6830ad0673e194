//! The variants are the same as mmdebstrap's: packages and every path, but for what the list of differences gives a reason
//! for. An entry of the list that is not needed any more fails, too.

use std::collections::BTreeSet;

use crate::support::peer::{BASE, Request, compare};
use crate::support::require::{Need, require};
use crate::support::workspace::Workspace;

#[test]
fn trixie_is_what_mmdebstrap_makes() {
    variants("trixie");
}

#[test]
fn bookworm_is_what_mmdebstrap_makes() {
    variants("bookworm");
}

fn variants(suite: &'static str) {
    require!(Need::Root, Need::Program("mmdebstrap"), Need::Mirror, Need::Amd64);
    let workspace = Workspace::new();
    let mut used = BTreeSet::new();
    for variant in ["essential", "apt", "minbase"] {
        let comparison = compare(&workspace, &Request { suite, variant, packages: &[] }, 1);
        let unexplained = comparison.unexplained;
        let total = unexplained.len();
        assert!(total == 0, "{suite} {variant}: {total} differences without a reason:\n{}", unexplained.join("\n"));
        used.extend(comparison.meant);
    }
    let applies = |index: &usize| [suite, "*"].contains(&BASE[*index].suites) && !used.contains(index);
    let unused: Vec<_> = (0..BASE.len()).filter(applies).map(|index| BASE[index].reason).collect();
    assert!(unused.is_empty(), "{suite}: reasons for what is no difference any more: {unused:?}");
}
