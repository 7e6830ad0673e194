//! Which files of packages are left out.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::recipe::CondaPreset;
use crate::tree::TreePath;

/// The files that presets leave out, by their paths below the prefix.
pub(super) struct Pruned(GlobSet);

impl Pruned {
    /// Those of these presets.
    pub(super) fn new(presets: &[CondaPreset]) -> Self {
        let mut set = GlobSetBuilder::new();
        for glob in presets.iter().flat_map(|preset| preset.globs()) {
            set.add(GlobBuilder::new(glob).literal_separator(true).build().expect("the presets' globs are tested"));
        }
        Self(set.build().expect("a set of globs that compile compiles"))
    }

    /// Whether a path is left out.
    pub(super) fn drops(&self, path: &TreePath) -> bool {
        self.0.is_match(path.as_relative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets() {
        use CondaPreset::*;
        let drops = |preset, path: &'static str| Pruned::new(&[preset]).drops(&TreePath::literal(path));
        assert!(drops(StaticLibraries, "lib/libz.a") && !drops(StaticLibraries, "lib/libz.so"));
        assert!(drops(Headers, "include/curl/curl.h") && !drops(Headers, "lib/include.so"));
        assert!(drops(Docs, "share/man/man1/xz.1") && drops(Docs, "ssl/man/man1/x") && !drops(Docs, "share/x"));
        assert!(drops(Tests, "lib/python3.12/test/x.py"));
        assert!(drops(Tests, "lib/python3.12/site-packages/numpy/tests/x.py"));
        assert!(drops(SourceMaps, "share/jupyter/a.js.map") && drops(PkgConfig, "lib/pkgconfig/zlib.pc"));
        assert!(!Pruned::new(&[]).drops(&TreePath::literal("lib/libz.a")));
    }
}
