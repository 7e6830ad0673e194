use super::*;

#[test]
fn traces_of_the_build_are_removed() {
    let mut tree = tree(&[
        "etc/.pwd.lock=",
        "etc/hostname=builder",
        "etc/ldap/ldap.conf=kept",
        "etc/ldap/slapd.d/cn=config.ldif=olcRootPW",
        "etc/machine-id=0123456789abcdef",
        "etc/passwd-=x",
        "etc/resolv.conf=nameserver 10.0.0.1",
        "etc/shadow=root:*:30000:0:99999:7:::\nold:*:100:0:99999:7:::\nnone:*::::::\n",
        "etc/ssh/ssh_host_rsa_key=secret",
        "etc/ssh/ssh_host_rsa_key.pub=public",
        "etc/ssh/sshd_config=kept",
        "etc/ssl/certs/abcdef01.0@ssl-cert-snakeoil.pem",
        "etc/ssl/certs/ssl-cert-snakeoil.pem=cert",
        "etc/ssl/private/ssl-cert-snakeoil.key=key",
        "var/cache/apt/archives/lock=",
        "var/cache/apt/archives/partial/",
        "var/cache/apt/pkgcache.bin=x",
        "var/cache/debconf/config.dat=kept",
        "var/cache/debconf/config.dat-old=x",
        "var/cache/ldconfig/aux-cache=x",
        "var/lib/apt/lists/auxfiles/",
        "var/lib/apt/lists/deb_Packages=x",
        "var/lib/apt/lists/partial/",
        "var/lib/dbus/machine-id=x",
        "var/lib/dpkg/status=kept",
        "var/lib/dpkg/status-old=x",
        "var/lib/ldap/data.mdb=x",
        "var/lib/systemd/random-seed=x",
        "var/log/apt/term.log=x",
        "var/log/dpkg.log=x",
        "var/log/fontconfig.log=x",
        "var/log/wtmp=",
    ]);
    let outcome = Normalize::new(epoch()).apply(&mut tree).unwrap();
    let files: Vec<_> =
        tree.entries().filter(|entry| !entry.inode.is_directory()).map(|entry| entry.path.to_string()).collect();
    let kept = [
        "/etc/ldap/ldap.conf",
        "/etc/machine-id",
        "/etc/shadow",
        "/etc/ssh/sshd_config",
        "/var/cache/debconf/config.dat",
        "/var/lib/dpkg/status",
        "/var/log/fontconfig.log",
        "/var/log/wtmp",
    ];
    assert_eq!(files, kept);
    for folder in ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/lib/ldap", "var/log/apt"] {
        assert!(tree.is_directory(&path(folder)), "{folder}");
    }
    assert!(!tree.contains(&path("var/lib/apt/lists/auxfiles")));
    assert_eq!((text(&tree, "etc/machine-id"), text(&tree, "var/log/fontconfig.log")), (String::new(), String::new()));
    assert_eq!(text(&tree, "etc/shadow"), "root:*:19675:0:99999:7:::\nold:*:100:0:99999:7:::\nnone:*::::::\n");
    assert_eq!(outcome.counts, [("files removed", 22), ("files emptied", 2)]);
    let notes = [
        "random state left out: ssh host keys; `ssh-keygen -A` makes new ones (2 files)",
        "random state left out: systemd's random seed and credential key; made at first start (1 file)",
        "random state left out: the first directory of slapd and its configuration; `dpkg-reconfigure slapd` makes new ones (2 files)",
        "random state left out: the snakeoil certificate; `make-ssl-cert generate-default-snakeoil` makes a new one (2 files)",
    ];
    assert_eq!(outcome.notes, notes);
}

#[test]
fn what_the_recipe_puts_in_stays() {
    let mut tree = tree(&["etc/"]);
    let own = Inode::file(0o644, Content::bytes(*b"nameserver ::1"), Origin::Recipe("[[file]]".into()));
    tree.insert(path("etc/resolv.conf"), own).unwrap();
    Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert!(tree.contains(&path("etc/resolv.conf")));
}

#[test]
fn private_keys_of_scripts_are_named() {
    // Put together here, so that no scanner takes them for keys.
    let armor = |edge: &str, kind: &str| format!("-----{edge} {kind}-----\n");
    let key = |kind: &str| format!("# made\n{}MIIB\n{}", armor("BEGIN", kind), armor("END", kind));
    let magic = format!(">0=%{}>0={}", armor("BEGIN", "RSA PRIVATE KEY"), armor("BEGIN", "PGP PRIVATE KEY BLOCK"));
    let mut tree = tree(&[
        &format!("etc/x/own.key={}", key("EC PRIVATE KEY")),
        &format!("etc/x/own.asc={}", key("PGP PRIVATE KEY BLOCK")),
        &format!("etc/x/own.pem={}", key("CERTIFICATE")),
        &format!("usr/share/mime/magic={magic}"),
    ]);
    tree.inodes_where(|_| true).for_each(|inode| inode.origin = Origin::Sandbox);
    let notes = Normalize::new(epoch()).apply(&mut tree).unwrap().notes;
    let named: Vec<&str> = notes.iter().filter(|note| note.contains("private key")).map(|note| &note[..15]).collect();
    assert_eq!(named, ["`/etc/x/own.asc", "`/etc/x/own.key"]);
}

#[test]
fn a_resolv_conf_that_is_a_link_stays() {
    let mut tree = tree(&["etc/resolv.conf@../run/systemd/resolve/stub-resolv.conf"]);
    Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert!(tree.contains(&path("etc/resolv.conf")));
}

#[test]
fn times_and_attributes_of_the_host_go() {
    let mut tree = tree(&["a=", "b=", "c@a"]);
    let set = |tree: &mut Tree, at: &str, mtime, names: &[&str]| {
        let meta = &mut tree.get_mut(&path(at)).unwrap().meta;
        meta.mtime = mtime;
        names.iter().for_each(|name| meta.xattrs.set(name, [1]));
    };
    set(&mut tree, "a", EPOCH + 1, &["security.selinux", "security.capability", "user.x"]);
    set(&mut tree, "b", EPOCH - 1, &["trusted.overlay.opaque", "system.posix_acl_access"]);
    set(&mut tree, "c", -5, &[]);
    tree.get_mut(&path("c")).unwrap().meta = Meta { mode: 0o755, mtime: -5, ..Meta::new(0) };
    let outcome = Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert_eq!(outcome.counts, [("times moved to the epoch", 2), ("attributes dropped", 3)]);
    let empty = crate::digest::Digest::of(b"");
    let before = EPOCH - 1;
    let expected = format!(
        "0755 0:0 dir /\n0644 0:0 file /a {empty} 0 mtime={EPOCH} security.capability=01 user.x=01\n\
         0644 0:0 file /b {empty} 0 mtime={before}\n0777 0:0 symlink /c -> a\n"
    );
    assert_eq!(tree.to_text().unwrap(), expected);
}

#[test]
fn the_rules_of_the_table_are_patterns() {
    // Making the pass compiles every one; a file of each kind is found by the rule meant for it.
    let mut tree = tree(&["etc/machine-id=x"]);
    tree.get_mut(&path("etc/machine-id")).unwrap().node = Node::Directory;
    Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert!(tree.is_directory(&path("etc/machine-id")), "a rule for files does not touch a folder");
}

#[test]
fn what_is_made_at_first_start_is_named_unless_it_is_there() {
    let programs = ["usr/sbin/sshd=x", "usr/lib/postgresql/17/bin/postgres=x"];
    let mut tree = tree(&programs);
    let ssh = "ssh host keys; `ssh-keygen -A` makes new ones";
    let postgresql = "the first cluster of PostgreSQL; `pg_createcluster` makes a new one";
    assert_eq!(state_of_first_start(&tree), [ssh, postgresql]);
    let notes = Normalize::new(epoch()).apply(&mut tree).unwrap().notes;
    assert_eq!(notes, [ssh, postgresql].map(|what| format!("random state not made: {what}")));
    let key = Inode::file(0o600, Content::bytes(*b"key"), Origin::Recipe("[[file]]".into()));
    tree.insert_with_parents(path("etc/ssh/ssh_host_rsa_key"), key).unwrap();
    assert_eq!(state_of_first_start(&tree), [postgresql]);
}

#[test]
fn databases_of_scripts_are_known_by_their_paths() {
    // A Berkeley DB of one page: a hash.
    let database = |identity: u8| {
        let mut bytes = vec![identity; 512];
        bytes[12..16].copy_from_slice(&0x0006_1561_u32.to_le_bytes());
        bytes[20..24].copy_from_slice(&512_u32.to_le_bytes());
        bytes[24..28].copy_from_slice(&[0, 8, 0, 0]);
        bytes[72..].fill(0);
        bytes
    };
    let normalized = |identity: u8, origin: Origin| {
        let mut tree = Tree::new();
        let inode = Inode::file(0o644, Content::bytes(database(identity)), origin);
        tree.insert_with_parents(path("etc/aliases.db"), inode).unwrap();
        Normalize::new(epoch()).apply(&mut tree).unwrap();
        tree.get(&path("etc/aliases.db")).unwrap().content().unwrap().read().unwrap()[52..72].to_vec()
    };
    assert_eq!(normalized(1, Origin::Sandbox), normalized(2, Origin::Sandbox));
    assert_eq!(normalized(1, Origin::Package("postfix".into())), [1; 20], "its package vouches for it");
}
