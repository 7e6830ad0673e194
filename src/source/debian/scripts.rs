//! What maintainer scripts are run with, and the stand-ins that keep them from starting services and give them their locale.

use super::locale_archive;
use crate::epoch::Epoch;
use crate::sandbox::Step;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// The environment of dpkg and the scripts that it runs. Nothing of the host is in it. Perl's and Python's hashes are
/// seeded, because scripts write files in the order of hashes.
const ENVIRONMENT: [(&str, &str); 10] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
    ("LANGUAGE", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("PERL_HASH_SEED", "0"),
    ("PYTHONHASHSEED", "0"),
    ("TERM", "dumb"),
];

/// invoke-rc.d asks it whether a service may be started; 101 forbids it
/// (<https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>).
const POLICY: &str = "usr/sbin/policy-rc.d";
const POLICY_TEXT: &[u8] = b"#!/bin/sh\nexit 101\n";

/// Started by old scripts directly.
const STARTER: &str = "usr/sbin/start-stop-daemon";
const STARTER_TEXT: &[u8] = b"#!/bin/sh\nexit 0\n";

/// A step that runs `command` as dpkg runs in a container: no terminal, no questions, no network.
pub(super) fn step(command: &[&str], time: Epoch) -> Step {
    let mut environment: Vec<(String, String)> =
        ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    environment.push(("SOURCE_DATE_EPOCH".to_owned(), time.seconds().to_string()));
    Step {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        environment,
        folder: "/".to_owned(),
        time: time.seconds(),
        network: false,
        secrets: Vec::new(),
    }
}

/// A step that runs the preinst of a package which is unpacked already, as dpkg would for a first installation
/// (deb-preinst(5), and dpkg(1) for the environment).
pub(super) fn preinst(name: &str, architecture: &str, time: Epoch) -> Step {
    let mut step = step(&["/var/lib/dpkg/tmp.ci/preinst", "install"], time);
    let variables = [
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_MAINTSCRIPT_ARCH", architecture),
        ("DPKG_MAINTSCRIPT_NAME", "preinst"),
        ("DPKG_MAINTSCRIPT_PACKAGE", name),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DPKG_ROOT", ""),
    ];
    step.environment.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    step
}

/// The stand-ins in a tree, and what they stand for.
pub(super) struct StandIns(Vec<(TreePath, Vec<u8>, Option<Inode>)>);

impl StandIns {
    /// Puts them into the tree. Where packages make locales of their own, no archive of them is among them.
    pub(super) fn put(tree: &mut Tree, makes_locales: bool) -> Self {
        let programs =
            [(POLICY, POLICY_TEXT), (STARTER, STARTER_TEXT)].map(|(path, text)| (path, 0o755, text.to_vec()));
        let locales = if makes_locales { None } else { locale_archive::of(tree) };
        let locales = locales.map(|archive| (locale_archive::PATH, 0o644, archive));
        let stand_ins = programs.into_iter().chain(locales).map(|(path, mode, bytes)| {
            let path = TreePath::literal(path);
            let before = tree.get(&path).cloned();
            let stand_in = Inode::file(mode, Content::bytes(bytes.clone()), Origin::Sandbox);
            // A tree without /usr/sbin gets one; a base system has it.
            let _ = tree.insert_with_parents(path.clone(), stand_in);
            (path, bytes, before)
        });
        Self(stand_ins.collect())
    }

    /// Takes them out again. A file that a script put in the place of one of them stays.
    pub(super) fn take_out(self, tree: &mut Tree) {
        for (path, bytes, before) in self.0 {
            let content =
                tree.get(&path).and_then(Inode::content).filter(|content| content.size() == bytes.len() as u64);
            let untouched = content.is_some_and(|content| content.read().is_ok_and(|found| found == bytes));
            if untouched {
                let _ = match before {
                    Some(inode) => tree.insert(path, inode).map(drop),
                    None => tree.remove(&path).map(drop),
                };
            }
        }
    }
}
