//! Python in an environment: where modules go, and the scripts that start entry points.

use rattler_conda_types::package::{EntryPoint, IndexJson};

use crate::tree::{PathError, TreePath};

/// The Python of an environment.
#[derive(Clone, Debug)]
pub(super) struct Python {
    /// `3.12`.
    pub(super) version: String,
    /// `3.12.1`.
    pub(super) full: String,
    /// Below the prefix: `lib/python3.12/site-packages`.
    pub(super) site_packages: String,
}

impl Python {
    /// What the package `python` of an environment says.
    pub(super) fn of(index: &IndexJson) -> Self {
        let full = index.version.to_string();
        let mut parts = full.split('.');
        let version = match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) => format!("{major}.{minor}"),
            _ => full.clone(),
        };
        let usual = || format!("lib/python{version}/site-packages");
        let site_packages = index.python_site_packages_path.clone().unwrap_or_else(usual);
        Self { version, full, site_packages }
    }

    /// Major and minor number.
    pub(super) fn numbers(&self) -> (u32, u32) {
        let (major, minor) = self.version.split_once('.').unwrap_or((&self.version, "0"));
        (major.parse().unwrap_or(3), minor.parse().unwrap_or(0))
    }

    /// The interpreter, for the first line of scripts.
    pub(super) fn program(&self, prefix: &str) -> String {
        format!("{prefix}/bin/python{}", self.version)
    }

    /// Where a file of a noarch package goes (<https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html>):
    /// `site-packages` and `python-scripts` are names for this Python's own places.
    pub(super) fn place(&self, path: &TreePath) -> Result<TreePath, PathError> {
        let bytes = path.as_bytes();
        let below = |folder: &[u8]| bytes.strip_prefix(folder).filter(|rest| rest.is_empty() || rest[0] == b'/');
        if let Some(rest) = below(b"site-packages") {
            return TreePath::new([self.site_packages.as_bytes(), rest].concat());
        }
        match below(b"python-scripts") {
            Some(rest) => TreePath::new([b"bin", rest].concat()),
            None => Ok(path.clone()),
        }
    }

    /// The script of an entry point.
    pub(super) fn script(&self, prefix: &str, module: &str, function: &str) -> String {
        let object = function.split('.').next().unwrap_or(function);
        format!(
            "#!{}\nimport sys\nfrom {module} import {object}\n\nif __name__ == \"__main__\":\n    sys.exit({function}())\n",
            self.program(prefix)
        )
    }

    /// The script of a noarch package's entry point, and its path below the prefix.
    pub(super) fn entry_point(&self, prefix: &str, point: &EntryPoint) -> Result<(TreePath, String), PathError> {
        let path = TreePath::new(["bin/", &point.command].concat())?;
        Ok((path, self.script(prefix, &point.module, &point.function)))
    }
}
