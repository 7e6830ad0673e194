//! The table of what presets remove.
//!
//! Sources: the operations of virt-sysprep(1), systemd's `machine-id(5)` and list of identity files, the places where
//! programs document that they keep logins.

use crate::recipe::CapturePreset;

/// What is done to some paths.
pub(super) struct Rule {
    /// The preset that it belongs to.
    pub(super) preset: CapturePreset,
    /// The paths, relative to the root; `*` stays within a component, `**` does not; `~/` is the home of every account.
    pub(super) paths: &'static [&'static str],
    pub(super) action: Action,
    /// What is there, in a few words.
    pub(super) what: &'static str,
}

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It goes, with all below.
    Remove,
    /// It goes, unless it is a directory: directories stay, empty.
    RemoveFiles,
    /// It stays as an empty file.
    Empty,
    /// It stays with this text.
    Write(&'static str),
}

impl Action {
    /// Whether it can be done to what is there.
    pub(super) fn fits(self, is_directory: bool, is_file: bool) -> bool {
        match self {
            Self::Remove => true,
            Self::RemoveFiles => !is_directory,
            Self::Empty | Self::Write(_) => is_file,
        }
    }
}

const fn rule(preset: CapturePreset, action: Action, what: &'static str, paths: &'static [&'static str]) -> Rule {
    Rule { preset, paths, action, what }
}

const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
const FSTAB: &str = "# The file systems of the captured machine are not those of this one.\n";
const ADJTIME: &str = "0.0 0 0.0\n0\nUTC\n";

use Action::{Empty, Remove, RemoveFiles, Write};
use CapturePreset as P;

/// Every rule; for a path, the first that fits and whose preset is on counts.
pub(super) const RULES: &[Rule] = &[
    rule(P::MachineId, Empty, "the machine's identity", &["etc/machine-id"]),
    rule(
        P::MachineId,
        Remove,
        "the machine's identity",
        &[
            "var/lib/dbus/machine-id",
            "var/lib/systemd/{random-seed,credential.secret,tpm2-srk-public-key.*}",
            "var/lib/{urandom,random-seed}/**",
            "var/lib/systemd/{timers,timesync,linger,rfkill,backlight}/*",
            "etc/smolt/**",
            "etc/sysconfig/hw-uuid",
        ],
    ),
    rule(P::Hostname, Write(HOSTS), "own lines of /etc/hosts", &["etc/hosts"]),
    rule(
        P::Hostname,
        RemoveFiles,
        "the machine's name",
        &["etc/hostname", "etc/mailname", "etc/HOSTNAME", "etc/machine-info", "etc/hostid", "etc/nodename"],
    ),
    rule(
        P::Network,
        RemoveFiles,
        "the machine's network",
        &[
            "etc/resolv.conf",
            "etc/network/interfaces.d/*",
            "etc/netplan/*",
            "etc/NetworkManager/system-connections/**",
            "etc/wpa_supplicant/*.conf",
            "etc/sysconfig/network-scripts/{ifcfg,keys,route}-*",
            "etc/systemd/network/*",
            "etc/udev/rules.d/70-persistent-{cd,net}.rules",
            "etc/udev/rules.d/75-persistent-net-generator.rules",
            "etc/iwd/**",
            "var/lib/iwd/**",
            "var/lib/{dhcp,dhclient,dhcpcd,dhcp3,NetworkManager,connman,bluetooth,wicked}/**",
            "etc/iscsi/initiatorname.iscsi",
            "var/lib/iscsi/**",
            "etc/nvme/host{nqn,id}",
        ],
    ),
    rule(P::Network, Write("auto lo\niface lo inet loopback\n"), "the machine's network", &["etc/network/interfaces"]),
    rule(P::Hardware, Empty, "the machine's file systems", &["etc/mtab"]),
    rule(P::Hardware, Write(FSTAB), "the machine's file systems", &["etc/fstab"]),
    rule(P::Hardware, Write(ADJTIME), "the machine's clock", &["etc/adjtime"]),
    rule(
        P::Hardware,
        RemoveFiles,
        "the machine's disks",
        &[
            "etc/crypttab",
            "etc/mdadm{.conf,/mdadm.conf}",
            "etc/lvm/{archive,backup,cache,devices}/**",
            "etc/multipath/{wwids,bindings,prkeys}",
            "etc/blkid{.tab,.tab.old,/*}",
            "etc/zfs/zpool.cache",
            "etc/cryptsetup-keys.d/**",
            "etc/fake-hwclock.data",
        ],
    ),
    rule(
        P::Ssh,
        Remove,
        "ssh keys",
        &["etc/ssh/ssh_host_*", "etc/ssh/sshd_config.d/*cloudimg*", "~/.ssh", "etc/dropbear/*_host_key"],
    ),
    rule(
        P::Passwords,
        Remove,
        "old password hashes",
        &[
            "etc/{passwd,group,shadow,gshadow}{-,.bak,.old,.orig,~,.rpmsave,.dpkg-old}",
            "etc/security/opasswd*",
            "etc/tcb",
            "var/backups/{passwd,group,shadow,gshadow}.bak*",
            "var/cache/debconf/passwords.dat*",
            "root/{anaconda,original}-ks.cfg",
        ],
    ),
    rule(
        P::Keys,
        RemoveFiles,
        "private keys of services",
        &[
            "etc/ssl/private/**",
            "etc/pki/tls/private/**",
            "etc/pki/{consumer,entitlement}/**",
            "etc/pki/CA/private/**",
            "etc/letsencrypt/**",
            "var/lib/{acme,certbot,caddy}/**",
            "etc/krb5.keytab",
            "etc/*.keytab",
            "etc/wireguard/**",
            "etc/openvpn/**/*.{key,p12,pfx}",
            "etc/ipsec.secrets",
            "etc/ipsec.d/private/**",
            "etc/swanctl/{private,rsa,ecdsa,pkcs8,pkcs12}/**",
            "etc/{puppet,puppetlabs}/**/ssl/**",
            "var/lib/puppet/ssl/**",
            "etc/salt/pki/**",
            "etc/chef/*.pem",
            "etc/kubernetes/**",
            "etc/etcd/{pki,ssl}/**",
            "etc/docker/key.json",
            "etc/bind/rndc.key",
            "etc/rndc.key",
            "etc/unbound/unbound_{server,control}.{key,pem}",
            "etc/dovecot/{private,ssl}/**",
            "etc/ssl/certs/ssl-cert-snakeoil.pem",
            "var/lib/rabbitmq/.erlang.cookie",
            "var/lib/samba/private/**",
            "var/lib/{sss,ipa,ipa-client}/{db,secrets,keytabs,restore}/**",
            "var/lib/fwupd/pki/**",
            "var/lib/{tor,i2p}/**/{private_key,hs_ed25519_secret_key,secret_*}",
            "~/.gnupg/{private-keys-v1.d/**,secring.gpg,openpgp-revocs.d/**,random_seed}",
            "~/.local/share/keyrings/**",
            "~/.pki/**",
            "~/.config/{age,sops}/**",
        ],
    ),
    rule(
        P::Credentials,
        Remove,
        "logins and tokens",
        &[
            "~/.{aws,azure,kube,terraform.d,chef,vagrant.d,minikube,oci,bluemix,doctl}",
            "~/.config/{gcloud,gh,glab-cli,hub,rclone,doctl,op,heroku,helm,containers/auth.json,configstore,pip/pip.conf}",
            "~/.config/{google-chrome,chromium,BraveSoftware,microsoft-edge,Slack,discord,Signal}",
            "~/.{mozilla,thunderbird,password-store,purple}",
            "~/.docker/config.json",
            "~/.dockercfg",
            "~/.netrc",
            "~/_netrc",
            "~/.git-credentials",
            "~/.config/git/credentials",
            "~/.npmrc",
            "~/.yarnrc",
            "~/.yarnrc.yml",
            "~/.pypirc",
            "~/.pip/pip.conf",
            "~/.m2/settings{,-security}.xml",
            "~/.gradle/gradle.properties",
            "~/.cargo/credentials{,.toml}",
            "~/.gem/credentials",
            "~/.composer/auth.json",
            "~/.nuget/NuGet/NuGet.Config",
            "~/.terraformrc",
            "~/.s3cfg",
            "~/.boto",
            "~/.pgpass",
            "~/.my.cnf",
            "~/.mylogin.cnf",
            "~/.vault-token",
            "~/.smbcredentials",
            "~/.huggingface/token",
            "~/.cache/huggingface/{token,stored_tokens}",
            "~/.{claude,codex,gemini,cursor}{,.json}",
            "etc/apt/auth.conf",
            "etc/apt/auth.conf.d/*",
            "etc/docker/config.json",
            "etc/containers/auth.json",
            "etc/{samba,cifs}*/*cred*",
            "etc/ppp/{chap,pap}-secrets",
            "etc/mysql/debian.cnf",
            "etc/msmtprc",
            "etc/exim4/passwd.client",
            "etc/postfix/sasl_passwd{,.db}",
            "etc/davfs2/secrets",
            "etc/sasldb2",
        ],
    ),
    rule(
        P::Histories,
        Remove,
        "what was typed",
        &[
            "~/.*_history",
            "~/.*hist",
            "~/.{viminfo,lesshst,wget-hsts,sqlite_history,Rhistory,node_repl_history,recently-used,calc_history}",
            "~/.local/share/{fish/fish_history,recently-used.xbel,zsh/history}",
            "~/.local/state/{bash/history,zsh/history,less/history}",
            "~/.config/fish/fish_history",
            "~/.histfile",
            "~/.zsh_sessions",
            "~/.local/share/nano",
            "~/.sudo_as_admin_successful",
        ],
    ),
    rule(
        P::Cloud,
        Remove,
        "cloud and installer state",
        &[
            "var/lib/cloud/*",
            "etc/cloud/cloud.cfg.d/{50,90,99}*",
            "etc/cloud/cloud-init.disabled",
            "var/lib/{waagent,amazon,google,google_guest_agent,oracle-cloud-agent,walinuxagent}",
            "var/lib/{ubuntu-advantage,landscape,rhsm,rhn}/*",
            "etc/ubuntu-advantage/*.json",
            "etc/landscape/client.conf",
            "etc/{rhsm,sysconfig/rhn}/systemid*",
            "etc/{yum,dnf}/vars/uuid",
            "var/log/{installer,anaconda}",
            "root/install.log*",
            "etc/preseed*",
        ],
    ),
    rule(
        P::Kernel,
        RemoveFiles,
        "kernels and boot loaders",
        &["boot/**", "{initrd.img,vmlinuz}{,.old}", "etc/kernel/cmdline", "etc/default/grub*", "etc/grub.d/40_custom"],
    ),
    rule(
        P::Kernel,
        Remove,
        "kernel modules and firmware",
        &[
            "{usr/,}lib/modules/*",
            "{usr/,}lib/firmware/*",
            "usr/src/linux-*",
            "var/lib/{initramfs-tools,dkms,shim-signed}/*",
        ],
    ),
    rule(
        P::Containers,
        Remove,
        "storage of containers and machines",
        &[
            "var/lib/{docker,containerd,containers,kubelet,etcd,rancher,k0s,cni,lxc,lxd,incus,lxcfs,buildkit,buildah,machines}/*",
            "var/lib/{libvirt,snapd,flatpak,waydroid}/*",
            "var/snap/*",
            "snap/*",
            "~/.local/share/{docker,containers,buildkit,libvirt,lxc,flatpak}",
            "etc/{cni,rancher}/*",
        ],
    ),
    rule(
        P::Databases,
        Remove,
        "databases",
        &[
            "var/lib/{mysql,mariadb,redis,valkey,mongodb,mongo,ldap,elasticsearch,opensearch,influxdb,cassandra,clickhouse,couchdb,neo4j,prometheus,grafana}/*",
            "var/lib/{postgresql,pgsql}/*/*",
        ],
    ),
    rule(
        P::Mail,
        RemoveFiles,
        "mail and jobs that wait",
        &[
            "var/{spool,}/mail/**",
            "var/spool/{cron,anacron,at,atjobs,atspool,postfix,exim4,exim,mqueue,clientmqueue,cups,nullmailer,abrt}/**",
            "var/lib/{postfix,dovecot}/**",
            "~/{Maildir,Mail,mbox}/**",
        ],
    ),
    rule(
        P::Logs,
        RemoveFiles,
        "logs",
        &["var/log/**", "var/account/**", "var/lib/{logrotate,rsyslog,sa}/**", "var/lib/logrotate.status"],
    ),
    rule(
        P::Caches,
        RemoveFiles,
        "caches",
        &[
            "var/cache/{apt,dnf,yum,libdnf5,zypp,apk,pacman,man,fontconfig,ldconfig,PackageKit,app-info,swcatalog,snapd,cups,samba,private}/**",
            "var/lib/apt/lists/**",
            "var/lib/{PackageKit,dnf/history*,yum/history*,mlocate,plocate,command-not-found,update-notifier}/**",
            "etc/apk/cache/**",
        ],
    ),
    rule(P::Caches, Remove, "caches of homes", &["~/.cache", "~/.npm", "~/.ccache", "~/.thumbnails"]),
    rule(
        P::Temporary,
        Remove,
        "temporary files",
        &[
            "var/tmp/*",
            "mnt/*",
            "media/*",
            "lost+found",
            "*/lost+found",
            ".snapshots",
            "timeshift",
            "~/.local/share/Trash",
            "{tmp,run,dev,proc,sys}.old",
        ],
    ),
    rule(
        P::Crashes,
        Remove,
        "crash reports",
        &["var/crash/*", "var/lib/systemd/{coredump,pstore}/*", "var/spool/abrt*/*", "var/lib/{apport,kdump}/**"],
    ),
    rule(
        P::Backups,
        RemoveFiles,
        "copies of before a change",
        &[
            "{etc,root,srv,var}/**/*{~,.bak,.swp,.swo}",
            "etc/**/*.{dpkg-old,dpkg-bak,dpkg-tmp,ucf-old,rpmsave,rpmorig,pacsave}",
            "etc/{subuid,subgid}-",
            "etc/.pwd.lock",
            "var/backups/**",
            "var/lib/dpkg/*-old",
            "var/cache/debconf/*-old",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_relative_and_tell_what_is_there() {
        for rule in RULES {
            assert!(!rule.what.is_empty());
            for path in rule.paths {
                assert!(!path.starts_with('/') && !path.ends_with('/'), "{path}");
            }
        }
    }

    #[test]
    fn every_preset_has_a_rule_or_code() {
        let by_code = [P::Users, P::SpecialFiles];
        for (preset, name, _) in crate::recipe::CAPTURE_PRESETS {
            let ruled = RULES.iter().any(|rule| rule.preset == preset);
            assert!(ruled || by_code.contains(&preset), "{name}");
        }
    }
}
