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
    /// Whether it was made by chance, so that a person should know that it is not there.
    pub(super) random: bool,
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
    Rule { paths, action, why, random: false }
}

const fn random(paths: &'static str, action: Action, why: &'static str) -> Rule {
    Rule { paths, action, why, random: true }
}

const SSH: &str = "ssh host keys; `ssh-keygen -A` makes new ones";
const SNAKEOIL: &str = "the snakeoil certificate; `make-ssl-cert generate-default-snakeoil` makes a new one";
const JAVA: &str = "Java's trust store; `update-ca-certificates -f` makes a new one";
const MARIADB: &str = "the first database of MariaDB or MySQL; `mariadb-install-db` makes a new one";
const POSTGRESQL: &str = "the first cluster of PostgreSQL; `pg_createcluster` makes a new one";
const SLAPD: &str = "the first directory of slapd and its configuration; `dpkg-reconfigure slapd` makes new ones";
const SYSTEMD: &str = "systemd's random seed and credential key; made at first start";
const BIND: &str = "BIND's control key; `rndc-confgen -a` makes a new one";
const UNBOUND: &str = "Unbound's control keys; `unbound-control-setup` makes new ones";
const DNSSEC: &str = "DNSSEC-Trigger's control keys; `dnssec-trigger-control-setup` makes new ones";
const BACKUPPC: &str = "BackupPC's first password; `htpasswd -c /etc/backuppc/htpasswd backuppc` sets one";
const EJABBERD: &str = "ejabberd's certificate; `openssl req -new -x509 -nodes` makes a new one";
const FREERADIUS: &str = "FreeRADIUS's parameters of Diffie-Hellman; `openssl dhparam` makes new ones";
const SENDMAIL: &str = "sendmail's keys and certificates; `/usr/share/sendmail/update_tls new` makes new ones";
const POSTSRSD: &str = "PostSRSd's secret; `head -c 18 /dev/urandom | base64 > /etc/postsrsd.secret` makes a new one";
const BACULA: &str = "Bacula's passwords; `dpkg-reconfigure bacula-common` makes new ones";
const RABBITMQ: &str = "RabbitMQ's cookie; made at first start";
const DROPBEAR: &str = "Dropbear's host keys; `dropbearkey` makes new ones";
const NSD: &str = "NSD's control keys; `nsd-control-setup` makes new ones";
const XRDP: &str = "xrdp's key pair; `xrdp-keygen xrdp auto` makes a new one";
const NVME: &str = "the names of an NVMe host; `nvme gen-hostnqn` makes a new one";
const ISCSI: &str = "the name of the iSCSI initiator; `iscsi-iname` makes a new one";
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

/// State that is made at first start, since an image never has it: paths of the programs that want it, its own, and what it is.
pub(super) const MADE_AT_START: [(&str, &str, &str); 21] = [
    ("usr/sbin/sshd", "etc/ssh/ssh_host_*_key", SSH),
    ("usr/sbin/make-ssl-cert", "etc/ssl/private/ssl-cert-snakeoil.key", SNAKEOIL),
    ("etc/ca-certificates/update.d/jks-keystore", "etc/ssl/certs/java/cacerts", JAVA),
    ("usr/sbin/{mariadbd,mysqld}", "var/lib/mysql/*", MARIADB),
    ("usr/lib/postgresql/*/bin/postgres", "var/lib/postgresql/*/*", POSTGRESQL),
    ("usr/sbin/slapd", "etc/ldap/slapd.d/*", SLAPD),
    ("usr/sbin/named", "etc/bind/rndc.key", BIND),
    ("usr/sbin/unbound-control", "etc/unbound/unbound_server.key", UNBOUND),
    ("usr/sbin/dnssec-trigger-control", "etc/dnssec-trigger/dnssec_trigger_server.key", DNSSEC),
    ("usr/share/backuppc", "etc/backuppc/htpasswd", BACKUPPC),
    ("usr/sbin/ejabberdctl", "etc/ejabberd/ejabberd.pem", EJABBERD),
    ("usr/sbin/freeradius", "etc/freeradius/*/certs/dh", FREERADIUS),
    ("usr/share/sendmail/update_tls", "etc/mail/tls/sendmail-common.key", SENDMAIL),
    ("usr/sbin/postsrsd", "etc/postsrsd.secret", POSTSRSD),
    ("usr/sbin/bacula-*", "etc/bacula/common_default_passwords", BACULA),
    ("usr/sbin/dropbear", "etc/dropbear/dropbear_*_host_key", DROPBEAR),
    ("usr/sbin/nsd", "etc/nsd/nsd_server.key", NSD),
    ("usr/sbin/xrdp", "etc/xrdp/rsakeys.ini", XRDP),
    ("usr/sbin/nvme", "etc/nvme/hostnqn", NVME),
    ("usr/{sbin,bin}/rabbitmq-server", "var/lib/rabbitmq/.erlang.cookie", RABBITMQ),
    ("usr/sbin/iscsid", "etc/iscsi/initiatorname.iscsi", ISCSI),
];

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
    random("etc/ssh/ssh_host_*_key", Action::Remove, SSH),
    random("etc/ssh/ssh_host_*_key.pub", Action::Remove, SSH),
    random("etc/ssl/certs/ssl-cert-snakeoil.pem", Action::Remove, SNAKEOIL),
    random("etc/ssl/private/ssl-cert-snakeoil.key", Action::Remove, SNAKEOIL),
    random("etc/ssl/certs/java/cacerts", Action::RemoveFiles, JAVA),
    random("var/lib/mysql/**", Action::Remove, MARIADB),
    random("{var/lib,etc}/postgresql/*/**", Action::Remove, POSTGRESQL),
    random("{etc/ldap/slapd.d,var/lib/ldap}/**", Action::Remove, SLAPD),
    random("var/lib/systemd/{random-seed,credential.secret}", Action::Remove, SYSTEMD),
    random("var/lib/{urandom,systemd}/random-seed", Action::Remove, SYSTEMD),
    random("etc/bind/rndc.key", Action::Remove, BIND),
    random("etc/unbound/unbound_{server,control}.{key,pem}", Action::Remove, UNBOUND),
    random("etc/nsd/nsd_{server,control}.{key,pem}", Action::Remove, NSD),
    random("etc/dnssec-trigger/dnssec_trigger_{server,control}.{key,pem}", Action::Remove, DNSSEC),
    random("etc/backuppc/htpasswd", Action::Remove, BACKUPPC),
    random("etc/ejabberd/ejabberd.pem", Action::Remove, EJABBERD),
    random("etc/freeradius/*/certs/dh", Action::Remove, FREERADIUS),
    random("etc/mail/tls/sendmail-{client,common,server}.{crt,csr,key,prm}", Action::Remove, SENDMAIL),
    random("etc/postsrsd.secret", Action::Remove, POSTSRSD),
    random("etc/bacula/common_default_passwords", Action::Remove, BACULA),
    random("etc/dropbear/dropbear_*_host_key", Action::Remove, DROPBEAR),
    random("etc/dropbear/dropbear_*_host_key.pub", Action::Remove, DROPBEAR),
    random("etc/xrdp/rsakeys.ini", Action::Remove, XRDP),
    random("etc/nvme/host{nqn,id}", Action::Remove, NVME),
    random("var/lib/rabbitmq/.erlang.cookie", Action::Remove, RABBITMQ),
    random("etc/iscsi/initiatorname.iscsi", Action::Remove, ISCSI),
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
