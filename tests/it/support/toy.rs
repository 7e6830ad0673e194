//! A small distribution for tests: a base system of a few packages whose maintainer scripts really run.
//!
//! Its shell is the host's static busybox, whose bytes differ from machine to machine; the golden recipe removes it at
//! last. Everything else is written here: dpkg, for one, is a script.

use std::fs;
use std::path::Path;

use super::archive::{self, Suite};
use super::deb::{Deb, Node, Package, Packing};
use super::require::find;

/// Applets of busybox that the packages' scripts use, and those that tests want to find in the image.
const APPLETS: [&str; 25] = [
    "awk", "cat", "chgrp", "chmod", "chown", "cp", "date", "env", "find", "grep", "hostname", "id", "ln", "ls",
    "mkdir", "mv", "nproc", "rm", "sed", "sh", "sort", "sleep", "touch", "true", "uname",
];

/// Writes the archive into `folder`.
pub fn write(folder: &Path) {
    write_as("golden", folder);
}

/// Writes the archive into `folder`, as the suite of another name.
pub fn write_as(suite: &'static str, folder: &Path) {
    archive::write(folder, &suite_called(suite), &packages());
}

/// The suite of this name.
pub fn suite_called(suite: &'static str) -> Suite {
    Suite { origin: "Golden", suite, codename: suite, date: "Sun, 15 Jun 2025 15:06:40 UTC", more: "" }
}

/// Its packages.
pub fn packages() -> Vec<Deb> {
    let packages = [base_files(), base_passwd(), busybox(), dpkg(), greeting(), facts(), slow()];
    packages.iter().map(Package::build).collect()
}

fn essential(name: &str, version: &str) -> Package {
    Package::new(name, version).field("Essential", "yes").field("Priority", "required")
}

fn base_files() -> Package {
    let mut package = essential("base-files", "13")
        .packed(Packing::Xz)
        .script("postinst", BASE_FILES_POSTINST)
        .file("usr/lib/os-release", 0o644, "ID=golden\nNAME=\"Golden\"\nVERSION_CODENAME=golden\nVERSION_ID=1\n")
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file("usr/share/doc/base-files/copyright", 0o644, "Nobody's.\n")
        .file("usr/share/doc/base-files/README", 0o644, "Pruned by the preset docs.\n")
        .directory("root", 0o700)
        .directory("tmp", 0o1777)
        .directory("var/tmp", 0o1777)
        .entry("var/mail", 0o2775, (0, 8), Node::Directory);
    for link in ["bin", "lib", "lib64", "sbin"] {
        package = package.directory(&format!("usr/{link}"), 0o755).symlink(link, &format!("usr/{link}"));
    }
    for folder in ["boot", "dev", "home", "mnt", "opt", "proc", "run", "srv", "sys", "var/cache", "var/log"] {
        package = package.directory(folder, 0o755);
    }
    package
}

const BASE_FILES_POSTINST: &str = "#!/bin/sh
set -e
if [ \"$1\" = configure ] && [ -z \"$2\" ]; then
    echo 'Welcome to Golden' > /etc/motd
    touch /var/log/wtmp
    chgrp 43 /var/log/wtmp
    chmod 664 /var/log/wtmp
    mkdir -p /var/lib/golden
    echo left > /tmp/left-behind
    echo left > /run/left-behind
fi
";

fn base_passwd() -> Package {
    essential("base-passwd", "3.6")
        .packed(Packing::Gzip)
        .script("preinst", BASE_PASSWD_PREINST)
        .script("postinst", BASE_PASSWD_POSTINST)
        .file("usr/share/base-passwd/passwd.master", 0o644, PASSWD)
        .file("usr/share/base-passwd/group.master", 0o644, GROUP)
}

const PASSWD: &str = "root:*:0:0:root:/root:/bin/sh
daemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";

const GROUP: &str = "root:*:0:\ndaemon:*:1:\nmail:*:8:\nshadow:*:42:\nutmp:*:43:\nnogroup:*:65534:\n";

const BASE_PASSWD_PREINST: &str = "#!/bin/sh
set -e
if [ \"$1\" = install ] && [ ! -e /etc/passwd ]; then
    cp /usr/share/base-passwd/passwd.master /etc/passwd
    cp /usr/share/base-passwd/group.master /etc/group
fi
";

/// The last day of a password's change is today's, as `passwd` writes it: rootsmith's clock must hide that.
const BASE_PASSWD_POSTINST: &str = "#!/bin/sh
set -e
today=$(($(date +%s) / 86400))
sed \"s/:.*/:*:$today:0:99999:7:::/\" /etc/passwd > /etc/shadow
chgrp 42 /etc/shadow
chmod 640 /etc/shadow
";

fn busybox() -> Package {
    let path = find("busybox").expect("the test has required busybox");
    let mut package =
        essential("busybox", "1").packed(Packing::Zstd).file("usr/bin/busybox", 0o755, fs::read(path).unwrap());
    for applet in APPLETS {
        package = package.symlink(&format!("usr/bin/{applet}"), "busybox");
    }
    package
}

fn dpkg() -> Package {
    essential("dpkg", "1.22").packed(Packing::Zstd).field("Pre-Depends", "busybox").file("usr/bin/dpkg", 0o755, DPKG)
}

/// Configures what is unpacked, in the order of the status file.
const DPKG: &str = r#"#!/bin/sh
set -e
database=/var/lib/dpkg
if [ "$*" != "--configure -a" ]; then
    echo "dpkg: this archive's dpkg cannot do: $*" >&2
    exit 2
fi
for package in $(awk '/^Package: /{name=$2} /^Status: install ok unpacked/{print name}' $database/status); do
    echo "Setting up $package ..."
    for path in $(cat $database/info/$package.conffiles 2> /dev/null | grep '^/'); do
        if [ -e "$path.dpkg-new" ]; then mv "$path.dpkg-new" "$path"; fi
    done
    script=$database/info/$package.postinst
    if [ -x "$script" ]; then
        DPKG_MAINTSCRIPT_PACKAGE=$package DPKG_MAINTSCRIPT_NAME=postinst "$script" configure ""
    fi
done
sed 's/^Status: install ok unpacked/Status: install ok installed/' $database/status > $database/status-new
mv $database/status-new $database/status
"#;

/// Everything that a package may ship, and an idle preinst.
fn greeting() -> Package {
    let long = format!("usr/share/greeting/{}/{}", "long".repeat(30), "name".repeat(30));
    Package::new("greeting", "2.0-1")
        .packed(Packing::Zstd)
        .field("Depends", "base-files (>= 12), dpkg | absent")
        .field("Multi-Arch", "foreign")
        .script("preinst", "#!/bin/sh\nset -e\ndpkg-maintscript-helper rm_conffile /etc/old 1.0~ -- \"$@\"\n")
        .control_file("conffiles", 0o644, "/etc/greeting.conf\n")
        .control_file("triggers", 0o644, "interest-noawait /usr/share/greeting\n")
        .file("etc/greeting.conf", 0o640, "greeting = hello\n")
        .file("usr/bin/greet", 0o4755, "#!/bin/sh\necho hello\n")
        .entry("usr/bin/wave", 0o755, (0, 0), Node::HardLink("usr/bin/greet".to_owned()))
        .entry("usr/share/greeting/owned", 0o2640, (1, 8), Node::File(b"owned\n".to_vec()))
        .entry("usr/share/greeting/pipe", 0o600, (0, 0), Node::Fifo)
        .file("usr/share/greeting/gr\u{fc}\u{df}e \u{4f60}\u{597d}", 0o644, "h\u{e9}llo\n")
        .file("usr/share/greeting/empty", 0o644, "")
        .file("usr/share/greeting/large", 0o644, "golden ".repeat(400_000))
        .file(&long, 0o644, "long\n")
        .file("usr/share/man/man1/greet.1", 0o644, "Pruned by the preset man.\n")
        .symlink("usr/share/greeting/link", &format!("/{long}"))
}

/// Its postinst writes down all that could tell one machine, user or day from another.
fn facts() -> Package {
    Package::new("facts", "1.0")
        .packed(Packing::Gzip)
        .field("Architecture", "all")
        .field("Depends", "greeting (= 2.0-1)")
        .script("postinst", FACTS_POSTINST)
        .file("usr/share/facts/about", 0o644, "what a maintainer script can see\n")
}

const FACTS_POSTINST: &str = "#!/bin/sh
set -e
{
    echo \"date: $(date) $(date +%s)\"
    echo \"hostname: $(hostname)\"
    echo \"processors: $(nproc)\"
    echo \"kernel: $(uname -snrvm)\"
    echo \"umask: $(umask)\"
    echo \"user: $(id -u):$(id -g) $(id -G)\"
    echo \"folder: $(pwd)\"
    echo \"files:\" $(find /usr/bin)
    env | grep -v -e '^SHLVL=' -e '^_=' | sort
} > /etc/build-facts
";

/// Takes its time, for tests of interruption.
fn slow() -> Package {
    Package::new("slow", "1.0").script("postinst", "#!/bin/sh\nset -e\necho sleeping\nsleep 600\n")
}
