use super::*;

fn all() -> Rootfs {
    rootfs(Parts { bundle: Bundle::Mozilla, timezones: true }, Epoch::from_seconds(7))
}

fn text(tree: &Tree, path: &str) -> String {
    let inode = tree.get(&TreePath::new(path).unwrap()).unwrap();
    String::from_utf8(inode.content().unwrap().read().unwrap()).unwrap()
}

#[test]
fn the_skeleton_is_what_a_static_program_expects() {
    let bare = rootfs(Parts { bundle: Bundle::None, timezones: false }, Epoch::default()).tree;
    let mode = |path: &str| bare.get(&TreePath::new(path).unwrap()).map(|inode| inode.meta.mode);
    assert_eq!((mode("tmp"), mode("var/tmp"), mode("root")), (Some(0o1777), Some(0o1777), Some(0o700)));
    assert!(text(&bare, "etc/passwd").starts_with("root:*:0:0:root:/root:"));
    assert!(text(&bare, "etc/group").contains("nobody:*:65534:\n"));
    assert!(text(&bare, "etc/nsswitch.conf").contains("hosts: files dns\n"));
    assert_eq!((mode("etc/ssl"), mode("usr/share/zoneinfo")), (None, None));
    let empty = rootfs(Parts { bundle: Bundle::Empty, timezones: false }, Epoch::default());
    assert_eq!(text(&empty.tree, "etc/ssl/certs/ca-certificates.crt"), "");
    assert_eq!(empty.summary, "scratch");
}

#[test]
fn the_bundle_is_pem_of_every_authority() {
    let rootfs = all();
    let text = text(&rootfs.tree, "etc/ssl/certs/ca-certificates.crt");
    let count = text.matches("-----BEGIN CERTIFICATE-----\n").count();
    assert_eq!(count, webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
    assert!(count > 100 && rootfs.summary.starts_with(&format!("scratch with {count} certificate authorities")));
    assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----END CERTIFICATE-----\n"));
    let first: String = text.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, first).unwrap();
    assert_eq!(bytes, webpki_root_certs::TLS_SERVER_ROOT_CERTS[0].as_ref());
}

#[test]
fn time_zones_are_files_that_programs_read() {
    let tree = all().tree;
    let zone = |name: &str| {
        let path = TreePath::new(format!("usr/share/zoneinfo/{name}")).unwrap();
        tree.get(&path).unwrap().content().unwrap().read().unwrap()
    };
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5", "Asia/Calcutta"] {
        assert!(zone(name).starts_with(b"TZif"), "{name}");
    }
    assert_eq!(zone("Asia/Calcutta"), zone("Asia/Kolkata"));
    let id = |name: &str| tree.id(&TreePath::new(format!("usr/share/zoneinfo/{name}")).unwrap());
    assert_eq!(id("Asia/Calcutta"), id("Asia/Kolkata"));
    let berlin = jiff::tz::TimeZone::tzif("Europe/Berlin", &zone("Europe/Berlin")).unwrap();
    let summer = berlin.to_offset(jiff::Timestamp::from_second(1_750_000_000).unwrap());
    assert_eq!(summer.seconds(), 7200);
    assert!(tree.entries().all(|entry| entry.inode.meta.mtime == 7), "all has the image's time");
}
