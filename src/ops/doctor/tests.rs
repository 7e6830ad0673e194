use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use super::*;
use crate::platform::{Architecture, Platform};

/// A machine made of files.
struct Fake {
    root: tempfile::TempDir,
}

impl Fake {
    fn new(uid: u32, capabilities: u64) -> Self {
        let fake = Self { root: tempfile::tempdir().unwrap() };
        fake.file("proc/self/status", &format!("Name:\tx\nUid:\t{uid}\t{uid}\t0\t0\nCapEff:\t{capabilities:016x}\n"));
        fake.file("proc/sys/user/max_user_namespaces", "1000\n");
        fake.file("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable:    2000000 kB\n");
        fake.file("etc/passwd", "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n");
        fake
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn program(&self, name: &str, mode: u32) {
        let path = self.file(&format!("bin/{name}"), "");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn options(&self) -> DoctorOptions {
        let root = self.root.path().to_owned();
        DoctorOptions {
            store: root.join("not/there/yet"),
            path: vec![root.join("bin")],
            root,
            docker_host: None,
            proxies: Vec::new(),
            mirrors: Vec::new(),
            registries: crate::http::RegistrySettings::default(),
        }
    }

    fn diagnosis(&self) -> Diagnosis {
        doctor(&self.options())
    }
}

fn states(checks: &[Check]) -> Vec<State> {
    checks.iter().map(|check| check.state).collect()
}

fn named<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap()
}

/// The default of Docker's containers.
const DOCKER: u64 = 0xa804_25fb;

#[test]
fn root_takes_the_first_door() {
    let diagnosis = Fake::new(0, 0x1ff_ffff_ffff).diagnosis();
    assert_eq!(states(&diagnosis.doors), [State::Ok, State::Missing, State::Ok]);
    assert!(diagnosis.sources[0].detail.contains("`root`"));
}

#[test]
fn a_container_takes_the_last() {
    let diagnosis = Fake::new(0, DOCKER).diagnosis();
    assert_eq!(states(&diagnosis.doors), [State::Missing, State::Missing, State::Ok]);
    assert_eq!(diagnosis.sources[0].state, State::Ok);
    let diagnosis = Fake::new(0, DOCKER & !(1 << 27)).diagnosis();
    assert!(diagnosis.doors[2].detail.contains("CAP_MKNOD"));
    assert_eq!(diagnosis.sources[0].state, State::Missing);
}

#[test]
fn a_user_gets_the_line_to_type() {
    let fake = Fake::new(1000, 0);
    fake.file("etc/subuid", "other:100000:65536\n");
    fake.file("etc/subgid", "other:100000:65536\nmore:300000:65536\nbroken\n");
    let diagnosis = fake.diagnosis();
    assert_eq!(states(&diagnosis.doors), [State::Missing; 3]);
    let line = "sudo usermod --add-subuids 165536-231071 --add-subgids 365536-431071 me";
    assert!(diagnosis.doors[1].ways_out.iter().any(|way_out| way_out == line), "{diagnosis}");
    assert!(diagnosis.sources[0].ways_out.iter().any(|way_out| way_out == line), "{diagnosis}");
    assert!(diagnosis.to_string().contains("newuidmap or newgidmap is missing"), "{diagnosis}");
}

#[test]
fn a_user_with_all_has_the_second_door() {
    let fake = Fake::new(1000, 0);
    fake.file("etc/subuid", "me:100000:65536\n");
    fake.file("etc/subgid", "1000:100000:65536\n");
    fake.program("newuidmap", 0o4755);
    fake.program("newgidmap", 0o4755);
    assert_eq!(states(&fake.diagnosis().doors), [State::Missing, State::Ok, State::Missing]);
    fake.program("newgidmap", 0o755);
    assert_eq!(fake.diagnosis().doors[1].state, State::Limited, "file capabilities are not seen");
    fake.program("newgidmap", 0o644);
    assert_eq!(fake.diagnosis().doors[1].state, State::Missing);
    fake.program("newgidmap", 0o4755);
    let switches = [
        ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"),
        ("proc/sys/kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone"),
        ("proc/sys/user/max_user_namespaces", "0", "max_user_namespaces"),
    ];
    for (path, value, word) in switches {
        let path = fake.file(path, value);
        let door = fake.diagnosis().doors.remove(1);
        assert!(door.state == State::Missing && door.detail.contains(word) && !door.ways_out.is_empty(), "{door}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_engine_is_looked_for() {
    let fake = Fake::new(1000, 0);
    let docker = |options: &DoctorOptions| named(&doctor(options).outputs, "docker-daemon").clone();
    let mut options = fake.options();
    assert_eq!(docker(&options).state, State::Missing);
    let socket = fake.file("var/run/docker.sock", "");
    assert_eq!(docker(&options).state, State::Missing, "a file is no socket");
    fs::remove_file(&socket).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(docker(&options).state, State::Ok);
    options.docker_host = Some("tcp://10.0.0.1:2375".into());
    assert_eq!(docker(&options).state, State::Limited);
    assert_eq!(named(&doctor(&options).outputs, "containers-storage").state, State::Missing);
    fake.program("skopeo", 0o755);
    assert_eq!(named(&doctor(&options).outputs, "containers-storage").state, State::Ok);
}

#[test]
fn programs_that_keep_logins_are_looked_for() {
    let fake = Fake::new(1000, 0);
    let mut options = fake.options();
    let check = |options: &DoctorOptions| named(&doctor(options).outputs, "docker (registries)").clone();
    assert_eq!(check(&options).state, State::Ok);
    options.registries.login_files = vec![fake.file("config.json", "{\"credsStore\": \"vault\"}")];
    let found = check(&options);
    assert!(found.state == State::Limited && found.detail.contains("docker-credential-vault"), "{found}");
    fake.program("docker-credential-vault", 0o755);
    assert!(check(&options).detail.contains("config.json"));
    fake.file("config.json", "{");
    assert_eq!(check(&options).state, State::Limited);
}

#[test]
fn memory_is_that_of_the_control_group() {
    let fake = Fake::new(1000, 0);
    assert_eq!(named(&fake.diagnosis().machine, "memory").detail, "2.0 GB free");
    fake.file("sys/fs/cgroup/memory.max", "max\n");
    assert_eq!(named(&fake.diagnosis().machine, "memory").state, State::Ok);
    fake.file("sys/fs/cgroup/memory.max", "100000000\n");
    assert_eq!(named(&fake.diagnosis().machine, "memory").state, State::Limited);
}

#[test]
fn a_machine_without_proc_is_named() {
    let root = tempfile::tempdir().unwrap();
    let fake = Fake { root };
    let mut options = fake.options();
    options.mirrors = vec![HostMirror { url: "http://me:pass@a.example/debian".into(), suites: vec!["trixie".into()] }];
    let diagnosis = doctor(&options);
    assert_eq!(named(&diagnosis.machine, "/proc").state, State::Missing);
    assert!(diagnosis.to_string().contains("http://a.example/debian (trixie)"), "{diagnosis}");
    assert_eq!(serde_json::to_value(&diagnosis).unwrap()["schema"], "rootsmith/doctor/1");
}

#[test]
fn platforms_and_what_is_missing_for_them() {
    let fake = Fake::new(0, u64::MAX);
    fake.file("proc/sys/kernel/osrelease", "6.1.0\n");
    let host = Platform { architecture: Architecture::host().unwrap() };
    let foreign = if host.name() == "linux/s390x" { "linux/riscv64" } else { "linux/s390x" };
    let diagnosis = fake.diagnosis();
    assert_eq!(diagnosis.platforms.len(), Architecture::all().count());
    assert_eq!(named(&diagnosis.platforms, host.name()).state, State::Ok);
    let check = named(&diagnosis.platforms, foreign);
    assert_eq!(check.state, State::Missing);
    assert!(check.ways_out.iter().any(|way| way.contains("qemu-user-static")), "{check:?}");
    assert!(diagnosis.to_string().contains("\nPlatforms, for packages with scripts"));
}
