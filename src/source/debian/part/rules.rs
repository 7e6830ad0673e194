//! Configuration and data that programs and libraries read, which no table of an ELF file names.

/// What every image keeps, where it has it: what names the distribution, accounts, certificate authorities, time zones.
pub(super) const ALWAYS: &[&str] = &[
    "etc/{passwd,group,nsswitch.conf,os-release,debian_version,lsb-release,protocols,services,mime.types}",
    "etc/ssl/certs/**",
    "usr/lib/os-release",
    "usr/share/zoneinfo/**",
];

/// Files, and what they read: where one of the first is kept, all of the second are. Paths as on a merged /usr.
pub(super) const RULES: &[(&[&str], &[&str])] = &[
    (
        &["usr/lib/**/libc.so.6"],
        &[
            "etc/{gai.conf,host.conf,ld.so.conf,localtime,timezone}",
            "etc/ld.so.conf.d/*",
            "usr/lib/locale/C.utf8/**",
            "usr/lib/*/libnss_{compat,dns,files}.so.2",
            "usr/lib/*/gconv/gconv-modules*",
            "usr/lib/*/gconv/gconv-modules.d/*",
            "usr/lib/*/gconv/{ISO8859-1,ISO8859-15,UTF-7,UTF-16,UTF-32,UNICODE,ANSI_X3.110,CP1252}.so",
        ],
    ),
    (
        &["usr/lib/**/libcrypto.so.3"],
        &["etc/ssl/openssl.cnf", "usr/lib/ssl/*", "usr/lib/*/ossl-modules/*", "usr/lib/*/engines-3/*"],
    ),
    (&["usr/lib/**/libgnutls.so.30"], &["etc/gnutls/**"]),
    (
        &["usr/lib/**/libp11-kit.so.0"],
        &["etc/pkcs11/**", "usr/share/p11-kit/**", "usr/lib/*/pkcs11/**", "usr/lib/*/p11-kit/**"],
    ),
    (&["usr/lib/**/libkrb5.so.3"], &["etc/krb5.conf", "etc/krb5.conf.d/**", "usr/lib/*/krb5/**"]),
    (&["usr/lib/**/libgssapi_krb5.so.2"], &["etc/gss/**", "usr/lib/*/gss/**"]),
    (&["usr/lib/**/libsasl2.so.2"], &["usr/lib/*/sasl2/**", "etc/sasl2/**"]),
    (&["usr/lib/**/libldap.so.2", "usr/lib/**/libldap-2.5.so.0"], &["etc/ldap/**"]),
    (&["usr/lib/**/libtirpc.so.3"], &["etc/netconfig", "etc/rpc", "etc/bindresvport.blacklist"]),
    (
        &["usr/lib/**/libtinfo.so.6", "usr/lib/**/libncurses*.so.6"],
        &["etc/terminfo/**", "usr/lib/terminfo/**", "usr/share/terminfo/**"],
    ),
    (&["usr/lib/**/libreadline.so.8"], &["etc/inputrc"]),
    (&["usr/lib/**/libmagic.so.1"], &["etc/magic*", "usr/lib/file/**", "usr/share/file/**", "usr/share/misc/magic*"]),
    (
        &["usr/lib/**/libfontconfig.so.1"],
        &["etc/fonts/**", "usr/share/fontconfig/**", "usr/share/fonts/**", "usr/share/xml/fontconfig/**"],
    ),
    (&["usr/lib/**/libpam.so.0"], &["etc/pam.conf", "etc/pam.d/**", "etc/security/**", "usr/lib/*/security/**"]),
    (&["usr/lib/**/libxml2.so.*"], &["etc/xml/**"]),
    (&["usr/lib/**/libdbus-1.so.3"], &["usr/share/dbus-1/**", "etc/dbus-1/**"]),
    (&["usr/lib/**/libgio-2.0.so.0"], &["usr/lib/*/gio/modules/**", "usr/share/glib-2.0/schemas/**"]),
    (&["usr/lib/**/libgdk_pixbuf-2.0.so.0"], &["usr/lib/*/gdk-pixbuf-2.0/**"]),
    (
        &["usr/lib/**/libMagickCore*.so.*"],
        &["etc/ImageMagick-*/**", "usr/lib/*/ImageMagick-*/**", "usr/share/ImageMagick-*/**"],
    ),
    (&["usr/lib/**/libgvc.so.*"], &["usr/lib/*/graphviz/**"]),
    (&["usr/lib/**/libproj.so.*"], &["usr/share/proj/**"]),
    (&["usr/lib/**/libgdal.so.*"], &["usr/share/gdal/**"]),
    (&["usr/lib/**/libodbc.so.2"], &["etc/odbc*.ini", "usr/lib/*/odbc/**"]),
    (&["usr/lib/**/libenchant-2.so.2"], &["usr/lib/*/enchant-2/**", "usr/share/enchant-2/**"]),
    (&["usr/lib/**/libgphoto2.so.6"], &["usr/lib/*/libgphoto2*/**"]),
    (&["usr/lib/**/libmariadb.so.3"], &["usr/lib/*/libmariadb3/**", "etc/mysql/**"]),
    (&["usr/lib/**/libpq.so.5"], &["etc/postgresql-common/pg_service.conf"]),
    (&["usr/lib/**/libtcl8.6.so", "usr/lib/**/libtcl9.0.so"], &["usr/share/tcltk/**", "usr/lib/tcltk/**"]),
    (
        &["usr/bin/python3.*", "usr/lib/**/libpython3.*.so.1.0"],
        &["etc/python3*/**", "usr/lib/python3/**", "usr/lib/python3.*/**"],
    ),
    (
        &["usr/bin/perl", "usr/bin/perl5.*", "usr/lib/**/libperl.so.5.*"],
        &[
            "etc/perl/**",
            "usr/lib/*/perl-base/**",
            "usr/lib/*/perl/**",
            "usr/lib/*/perl5/**",
            "usr/share/perl/**",
            "usr/share/perl5/**",
        ],
    ),
    (
        &["usr/bin/ruby*", "usr/lib/**/libruby*.so.*"],
        &["usr/lib/ruby/**", "usr/lib/*/ruby/**", "usr/share/rubygems-integration/**", "var/lib/gems/**"],
    ),
    (&["usr/bin/php*", "usr/sbin/php-fpm*"], &["etc/php/**", "usr/lib/php/**", "usr/share/php/**"]),
    (
        &["usr/bin/node", "usr/bin/nodejs", "usr/lib/**/libnode.so.*"],
        &["usr/share/nodejs/**", "usr/share/node_modules/**"],
    ),
    (&["usr/bin/lua*", "usr/lib/**/liblua*.so.*"], &["usr/share/lua/**", "usr/lib/*/lua/**"]),
    (&["usr/lib/jvm/*/bin/java"], &["usr/lib/jvm/**", "etc/java-*-openjdk/**", "etc/.java/**"]),
    (&["usr/bin/bash"], &["etc/bash.bashrc", "etc/profile"]),
    (&["usr/bin/busybox"], &["busybox", "busybox/**"]),
    (&["usr/bin/git"], &["usr/lib/git-core/**", "usr/share/git-core/**", "etc/gitconfig"]),
    (&["usr/bin/ssh"], &["etc/ssh/ssh_config", "etc/ssh/ssh_config.d/**", "etc/ssh/moduli"]),
    (&["usr/sbin/sshd"], &["etc/ssh/**", "usr/lib/openssh/**"]),
    (
        &["usr/sbin/nginx"],
        &["etc/nginx/**", "usr/lib/nginx/**", "usr/share/nginx/**", "var/log/nginx/**", "var/www/**"],
    ),
    (&["usr/sbin/apache2"], &["etc/apache2/**", "usr/lib/apache2/**", "usr/share/apache2/**", "var/www/**"]),
    (&["usr/sbin/haproxy"], &["etc/haproxy/**", "usr/share/haproxy/**"]),
    (&["usr/bin/redis-server", "usr/bin/redis-check-rdb"], &["etc/redis/**"]),
    (&["usr/bin/memcached"], &["etc/memcached.conf"]),
    (
        &["usr/lib/postgresql/*/bin/postgres"],
        &["usr/lib/postgresql/**", "usr/share/postgresql/**", "etc/postgresql-common/**"],
    ),
    (&["usr/sbin/mariadbd"], &["etc/mysql/**", "usr/lib/mysql/**", "usr/share/mariadb/**", "usr/share/mysql/**"]),
    (&["usr/sbin/named"], &["etc/bind/**", "usr/lib/*/bind/**", "usr/share/dns/**"]),
    (&["usr/sbin/unbound"], &["etc/unbound/**", "usr/share/dns/**"]),
    (&["usr/sbin/dnsmasq"], &["etc/dnsmasq.conf", "etc/dnsmasq.d/**", "usr/share/dns/**"]),
    (&["usr/bin/rsync"], &["etc/rsyncd.conf"]),
    (&["usr/bin/wget"], &["etc/wgetrc"]),
    (&["usr/bin/vim.*", "usr/bin/vim"], &["etc/vim/**", "usr/share/vim/**"]),
    (&["usr/bin/gs"], &["usr/share/ghostscript/**", "usr/share/color/icc/ghostscript/**", "var/lib/ghostscript/**"]),
    (&["usr/lib/R/bin/exec/R"], &["usr/lib/R/**", "usr/share/R/**", "etc/R/**"]),
    (&["usr/lib/erlang/**/beam.smp"], &["usr/lib/erlang/**"]),
    (&["usr/bin/guile*", "usr/lib/**/libguile-*.so.*"], &["usr/share/guile/**", "usr/lib/*/guile/**"]),
];

#[cfg(test)]
mod tests {
    use globset::GlobBuilder;

    use super::*;

    #[test]
    fn patterns_compile_and_are_relative() {
        let all = RULES.iter().flat_map(|(of, with)| of.iter().chain(*with)).chain(ALWAYS);
        for pattern in all {
            assert!(GlobBuilder::new(pattern).literal_separator(true).build().is_ok(), "{pattern}");
            assert!(!pattern.starts_with('/') && !pattern.contains(' '), "{pattern}");
        }
    }

    #[test]
    fn no_two_rules_are_of_the_same_file() {
        let mut first: Vec<_> = RULES.iter().flat_map(|(of, _)| *of).collect();
        let count = first.len();
        first.sort();
        first.dedup();
        assert_eq!(first.len(), count);
    }
}
