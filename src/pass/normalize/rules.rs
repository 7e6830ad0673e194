//! The table of what is removed or emptied, and why.
//!
//! Sources: mmdebstrap's `run_cleanup`, debuerreotype's `fixup` and `.tar-exclude`, live-build's chroot hooks 8000 to
//! 9020, mkosi's list of identity files, <https://wiki.debian.org/ReproducibleInstalls>.

use crate::tree::{Inode, Origin};

/// What is done to some paths.
pub(super) struct Rule {
    /// The paths, relative to the root; `*` stays within a component, `**` does not.
    pub(super) paths: &'static str,
    pub(super) action: Action,
    /// Why, in a few words; for random state, what it is and how to make it anew.
    pub(super) why: &'static str,
    /// For what was made by chance, so that a person should know that it is not there: the program that wants it to be there,
    /// as paths; empty where it makes it by itself.
    pub(super) wanted_by: Option<&'static str>,
}

/// What is done to a path.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// It goes, with all below.
    Remove,
    /// It goes, unless it is a folder or a symbolic link.
    RemoveFiles,
    /// It stays as an empty file.
    Empty,
    /// It stays with this text.
    Write(&'static str),
    /// It stays; if it is a Berkeley DB, of up to 64 MiB and written in the sandbox, its identity follows from its path.
    Identify,
}

impl Action {
    /// Whether it can be done to an inode.
    pub(super) fn fits(self, inode: &Inode) -> bool {
        match self {
            Self::Remove => true,
            Self::RemoveFiles => !inode.is_directory() && inode.symlink_target().is_none(),
            Self::Empty | Self::Write(_) => inode.is_file(),
            Self::Identify => {
                inode.origin == Origin::Sandbox && inode.content().is_some_and(|content| content.size() <= 64 << 20)
            }
        }
    }
}

const fn rule(paths: &'static str, action: Action, why: &'static str) -> Rule {
    Rule { paths, action, why, wanted_by: None }
}

const fn random(program: &'static str, paths: &'static str, why: &'static str) -> Rule {
    Rule { paths, action: Action::Remove, why, wanted_by: Some(program) }
}

const BACKUP: &str = "the state before the last change";
const LOCK: &str = "a lock, held by nobody";
const LOG: &str = "a log of the build";
const IDENTITY: &str = "the identity of one machine";
const HOST: &str = "a trace of the machine that built the image; engines put their own there";
const DATABASE: &str = "the number of an inode, and others, by which Berkeley DB knows a file";
const LISTS: &str = "apt's downloads, made anew by `apt-get update`";
const FETCHED: &str = "dnf's downloads, made anew by `dnf makecache`";
const HISTORY: &str = "what dnf did, with times and command lines";
const CACHE: &str = "a cache with times or random names in it, made anew by its program";

/// Every rule; for a path, the first that fits counts.
pub(super) const RULES: &[Rule] = &[
    // Identity.
    rule("etc/machine-id", Action::Empty, IDENTITY),
    rule("var/lib/dbus/machine-id", Action::Remove, IDENTITY),
    rule("etc/machine-info", Action::Remove, IDENTITY),
    rule("etc/hostname", Action::RemoveFiles, HOST),
    rule("etc/mailname", Action::RemoveFiles, HOST),
    rule("etc/resolv.conf", Action::RemoveFiles, HOST),
    rule("etc/udev/rules.d/70-persistent-{cd,net}.rules", Action::Remove, HOST),
    rule("etc/mdadm/mdadm.conf", Action::Remove, HOST),
    rule("etc/apt/apt.conf.d/01autoremove-kernels", Action::Remove, HOST),
    rule("etc/adjtime", Action::Write("0.0 0 0.0\n0\nUTC\n"), HOST),
    // Random state.
    random("usr/sbin/sshd", "etc/ssh/ssh_host_{*_key,*_key.pub}", "ssh host keys; `ssh-keygen -A` makes new ones"),
    random(
        "usr/sbin/make-ssl-cert",
        "etc/ssl/{certs/ssl-cert-snakeoil.pem,private/ssl-cert-snakeoil.key}",
        "the snakeoil certificate; `make-ssl-cert generate-default-snakeoil` makes a new one",
    ),
    Rule {
        action: Action::RemoveFiles,
        ..random(
            "etc/ca-certificates/update.d/jks-keystore",
            "etc/ssl/certs/java/cacerts",
            "Java's trust store; `update-ca-certificates -f` makes a new one",
        )
    },
    random(
        "usr/sbin/{mariadbd,mysqld}",
        "var/lib/mysql/**",
        "the first database of MariaDB or MySQL; `mariadb-install-db` makes a new one",
    ),
    random(
        "usr/lib/postgresql/*/bin/postgres",
        "{var/lib,etc}/postgresql/*/**",
        "the first cluster of PostgreSQL; `pg_createcluster` makes a new one",
    ),
    random(
        "usr/sbin/slapd",
        "{etc/ldap/slapd.d,var/lib/ldap}/**",
        "the first directory of slapd and its configuration; `dpkg-reconfigure slapd` makes new ones",
    ),
    random(
        "",
        "var/lib/{systemd/random-seed,systemd/credential.secret,urandom/random-seed}",
        "systemd's random seed and credential key; made at first start",
    ),
    random("usr/sbin/named", "etc/bind/rndc.key", "BIND's control key; `rndc-confgen -a` makes a new one"),
    random(
        "usr/sbin/unbound-control",
        "etc/unbound/unbound_{server,control}.{key,pem}",
        "Unbound's control keys; `unbound-control-setup` makes new ones",
    ),
    random(
        "usr/sbin/nsd",
        "etc/nsd/nsd_{server,control}.{key,pem}",
        "NSD's control keys; `nsd-control-setup` makes new ones",
    ),
    random(
        "usr/sbin/dnssec-trigger-control",
        "etc/dnssec-trigger/dnssec_trigger_{server,control}.{key,pem}",
        "DNSSEC-Trigger's control keys; `dnssec-trigger-control-setup` makes new ones",
    ),
    random(
        "usr/share/backuppc",
        "etc/backuppc/htpasswd",
        "BackupPC's first password; `htpasswd -c /etc/backuppc/htpasswd backuppc` sets one",
    ),
    random(
        "usr/sbin/ejabberdctl",
        "etc/ejabberd/ejabberd.pem",
        "ejabberd's certificate; `openssl req -new -x509 -nodes` makes a new one",
    ),
    random(
        "usr/sbin/freeradius",
        "etc/freeradius/*/certs/dh",
        "FreeRADIUS's parameters of Diffie-Hellman; `openssl dhparam` makes new ones",
    ),
    random(
        "usr/share/sendmail/update_tls",
        "etc/mail/tls/sendmail-{client,common,server}.{crt,csr,key,prm}",
        "sendmail's keys and certificates; `/usr/share/sendmail/update_tls new` makes new ones",
    ),
    random(
        "usr/sbin/postsrsd",
        "etc/postsrsd.secret",
        "PostSRSd's secret; `head -c 18 /dev/urandom | base64 > /etc/postsrsd.secret` makes a new one",
    ),
    random(
        "usr/sbin/bacula-*",
        "etc/bacula/common_default_passwords",
        "Bacula's passwords; `dpkg-reconfigure bacula-common` makes new ones",
    ),
    random(
        "usr/sbin/dropbear",
        "etc/dropbear/{dropbear_*_host_key,dropbear_*_host_key.pub}",
        "Dropbear's host keys; `dropbearkey` makes new ones",
    ),
    random("usr/sbin/xrdp", "etc/xrdp/rsakeys.ini", "xrdp's key pair; `xrdp-keygen xrdp auto` makes a new one"),
    random("usr/sbin/nvme", "etc/nvme/host{nqn,id}", "the names of an NVMe host; `nvme gen-hostnqn` makes a new one"),
    random(
        "usr/{sbin,bin}/rabbitmq-server",
        "var/lib/rabbitmq/.erlang.cookie",
        "RabbitMQ's cookie; made at first start",
    ),
    random(
        "usr/sbin/iscsid",
        "etc/iscsi/initiatorname.iscsi",
        "the name of the iSCSI initiator; `iscsi-iname` makes a new one",
    ),
    random("usr/sbin/munged", "etc/munge/munge.key", "MUNGE's key; `mungekey --create` makes a new one"),
    random(
        "usr/{bin,sbin}/mk{imapd,pop3d,esmtpd}cert",
        "etc/courier/{imapd.pem,pop3d.pem,esmtpd.pem,dhparams.pem}",
        "Courier's certificates and parameters; `mkimapdcert`, `mkpop3dcert`, `mkesmtpdcert` and `mkdhparams` make new ones",
    ),
    random(
        "usr/sbin/firebird",
        "{etc/firebird/*/SYSDBA.password,var/lib/firebird/*/system/security*.fdb}",
        "Firebird's first password and the database with it; `dpkg-reconfigure firebird4.0-server` makes new ones",
    ),
    random(
        "usr/bin/ovs-pki",
        "var/lib/openvswitch/pki/**",
        "Open vSwitch's certificate authorities; `ovs-pki init` makes new ones",
    ),
    random(
        "usr/bin/etckeeper",
        "etc/.git",
        "the history that etckeeper began, with keys and passwords in it; `etckeeper init` begins a new one",
    ),
    random("usr/sbin/dkms", "var/lib/dkms/mok.{key,pub}", "the key that signs modules; `dkms` makes a new one"),
    random(
        "usr/sbin/popularity-contest",
        "etc/{popularity-contest.conf,cron.d/popularity-contest}",
        "the number of a host in Debian's popularity contest; `dpkg-reconfigure popularity-contest` makes a new one",
    ),
    // Databases of packages.
    rule("{etc,var/lib}/**/*.db", Action::Identify, DATABASE),
    rule("etc/sasldb2", Action::Identify, DATABASE),
    // Backups and locks.
    rule("etc/{passwd,group,shadow,gshadow,subuid,subgid}-", Action::Remove, BACKUP),
    rule("etc/.pwd.lock", Action::Remove, LOCK),
    rule("var/cache/debconf/*-old", Action::Remove, BACKUP),
    rule("var/lib/dpkg/*-old", Action::Remove, BACKUP),
    rule("var/lib/ucf/{hashfile,registry}.[0-9]*", Action::Remove, BACKUP),
    rule("usr/share/info/dir.old", Action::Remove, BACKUP),
    rule("etc/apt/{sources.list,trusted.gpg}~", Action::Remove, BACKUP),
    rule("etc/apt/trustdb.gpg", Action::Remove, BACKUP),
    rule("boot/*.{bak,old-dkms}", Action::Remove, BACKUP),
    // What apt fetched.
    rule("var/lib/apt/lists/auxfiles", Action::Remove, LISTS),
    rule("var/lib/apt/lists/**", Action::RemoveFiles, LISTS),
    rule("var/cache/apt/*.bin", Action::Remove, LISTS),
    rule("var/cache/apt/archives/**", Action::RemoveFiles, LISTS),
    // What dnf fetched and noted.
    rule("var/cache/{dnf,libdnf5,yum,microdnf,tdnf}/**", Action::RemoveFiles, FETCHED),
    rule("var/lib/dnf/history.sqlite*", Action::Remove, HISTORY),
    rule("usr/lib/sysimage/libdnf5/transaction_history.sqlite*", Action::Remove, HISTORY),
    // Caches.
    rule("var/cache/ldconfig/aux-cache", Action::Remove, CACHE),
    rule("var/cache/man/**", Action::RemoveFiles, CACHE),
    rule("var/cache/fontconfig/**", Action::RemoveFiles, CACHE),
    rule("usr/share/fonts/**/.uuid", Action::Remove, CACHE),
    rule("var/cache/{app-info,swcatalog}/cache/**", Action::RemoveFiles, CACHE),
    rule("usr/share/icons/*/icon-theme.cache", Action::Remove, CACHE),
    rule("var/lib/systemd/catalog/database", Action::Remove, CACHE),
    rule("{etc,var}/.updated", Action::Remove, CACHE),
    // Logs.
    rule("var/log/{dpkg,bootstrap,alternatives}.log", Action::Remove, LOG),
    rule("var/log/apt/{history.log,term.log,eipp.log.xz}", Action::Remove, LOG),
    rule("var/log/journal/**", Action::Remove, LOG),
    rule("var/log/**", Action::Empty, LOG),
    rule("var/lib/texmf/web2c/**/*.log", Action::Empty, LOG),
];
