//! Ubuntu's recipe, against a stand-in: packages of Debian, repacked with zstd in an archive that says it is Ubuntu's.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use rootsmith::http::{Http, HttpOptions};

use crate::support::archive;
use crate::support::deb::xz;
use crate::support::layout::Layout;
use crate::support::require::{Need, mirror, require};
use crate::support::workspace::{Workspace, mirrors, run};

const RELEASE: &str =
    "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04\nDISTRIB_CODENAME=noble\nDISTRIB_DESCRIPTION=\"Ubuntu 24.04 LTS\"\n";

const COMPONENTS: [&str; 2] = ["main", "universe"];

const RELEASES: [&str; 3] = ["jammy", "noble", "resolute"];

#[test]
fn the_noble_recipe_builds_from_a_local_archive() {
    require!(Need::Root, Need::Mirror, Need::Program("apt-ftparchive"), Need::Program("dpkg-deb"), Need::Amd64);
    let workspace = Workspace::new();
    let packages = debian_packages(&workspace);
    assert!(packages.len() > 70, "{packages:?}");
    write_archive(&workspace, &packages);
    for release in RELEASES {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("recipes/{release}.toml"));
        let text = format!(
            "extends = \"{}\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nkeyring = \"key.asc\"\n\
             [[from.debian.repository]]\nurl = \"file://{}\"\n",
            recipe.display(),
            workspace.path("archive").display()
        );
        workspace.write(&format!("{release}.toml"), &text);
    }
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    for release in ["jammy", "resolute"] {
        workspace.rootsmith(["lock", &format!("{release}.toml"), "--progress", "none"]).succeeded();
        let lock = fs::read_to_string(workspace.path(&format!("{release}.lock"))).unwrap();
        assert!(
            lock.contains(&format!("suites = [\"{release}\", \"{release}-updates\", \"{release}-security\"]")),
            "{lock}"
        );
        assert!(lock.contains("signed-by = \"/usr/share/keyrings/ubuntu-archive-keyring.gpg\""), "{lock}");
    }
    workspace.rootsmith(["build", "noble.toml", "-o", "oci:out", "--progress", "none"]).succeeded();
    let image = Layout::open(&workspace.path("out")).image();
    assert_eq!(image.file("etc/lsb-release"), RELEASE.as_bytes());
    let status = String::from_utf8(image.file("var/lib/dpkg/status")).unwrap();
    assert!(status.matches("Status: install ok installed").count() > 70);
    assert!(!status.contains("unpacked") && !status.contains("half-configured"));
    let entries = image.listing();
    let sources: Vec<u8> = ["etc/apt/sources.list", "etc/apt/sources.list.d/ubuntu.sources"]
        .iter()
        .filter(|path| entries.contains_key(**path))
        .flat_map(|path| image.file(path))
        .collect();
    assert!(String::from_utf8(sources).unwrap().contains("noble"), "the image's own sources are Ubuntu's");
}

/// The paths of the packages of a Debian image like the recipe's, in the mirror.
fn debian_packages(workspace: &Workspace) -> Vec<String> {
    let recipe = "name = \"like\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\nupdates = false\n\
                  packages = [\"ca-certificates\", \"tini\", \"tzdata\"]\n";
    workspace.write("like.toml", recipe);
    workspace.rootsmith(["lock", "like.toml"].map(str::to_owned).into_iter().chain(mirrors())).succeeded();
    let lock = fs::read_to_string(workspace.path("like.lock")).unwrap();
    let paths = lock.split("path = \"").skip(1).filter_map(|rest| rest.split('"').next());
    paths.map(str::to_owned).collect()
}

fn write_archive(workspace: &Workspace, packages: &[String]) {
    let root = workspace.path("archive");
    let http = Http::new(HttpOptions::default());
    let mirror = mirror().expect("the test has required a mirror");
    for component in COMPONENTS {
        fs::create_dir_all(root.join("pool").join(component)).unwrap();
    }
    for path in packages {
        let bytes = http.fetch_bytes(&format!("{mirror}/debian/{path}"), 64 << 20).unwrap();
        let name = path.rsplit('/').next().unwrap();
        // As in Ubuntu, tini is no part of main.
        let component = if name.starts_with("tini_") { "universe" } else { "main" };
        let deb = root.join("pool").join(component).join(name);
        fs::write(&deb, repacked(&bytes)).unwrap();
        if name.starts_with("base-files_") {
            say_it_is_ubuntu(&deb, &workspace.path("base-files"));
        }
    }
    for release in RELEASES {
        for pocket in ["", "-updates", "-security"] {
            write_suite(&root, release, pocket);
        }
    }
}

/// All packages are in the main suite; the others are there, and empty.
fn write_suite(root: &Path, release: &str, pocket: &str) {
    let suite = &format!("{release}{pocket}");
    for component in COMPONENTS {
        let index = match pocket {
            "" => {
                let pool = format!("pool/{component}");
                run(Command::new("apt-ftparchive").args(["packages", &pool]).current_dir(root))
            }
            _ => String::new(),
        };
        let folder = root.join(format!("dists/{suite}/{component}/binary-amd64"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Packages"), &index).unwrap();
        fs::write(folder.join("Packages.zst"), zstd::encode_all(index.as_bytes(), 3).unwrap()).unwrap();
        fs::write(folder.join("Packages.xz"), xz(index.as_bytes())).unwrap();
    }
    let options = [
        ("Origin", "Ubuntu"),
        ("Label", "Ubuntu"),
        ("Suite", suite),
        ("Codename", release),
        ("Architectures", "amd64"),
        ("Components", "main universe"),
    ];
    let mut command = Command::new("apt-ftparchive");
    for (name, value) in options {
        command.arg("-o").arg(format!("APT::FTPArchive::Release::{name}={value}"));
    }
    let release = run(command.args(["release", &format!("dists/{suite}")]).current_dir(root));
    fs::write(root.join(format!("dists/{suite}/InRelease")), archive::sign(&release)).unwrap();
}

/// A .deb with the same contents, compressed by zstd as Ubuntu's are.
fn repacked(deb: &[u8]) -> Vec<u8> {
    let mut archive = ar::Archive::new(deb);
    let mut builder = ar::Builder::new(Vec::new());
    while let Some(member) = archive.next_entry() {
        let mut member = member.unwrap();
        let mut name = String::from_utf8(member.header().identifier().to_vec()).unwrap();
        let mtime = member.header().mtime();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        if let Some(stem) = name.strip_suffix(".xz") {
            let mut plain = Vec::new();
            liblzma::read::XzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
            name = format!("{stem}.zst");
            bytes = zstd::encode_all(plain.as_slice(), 1).unwrap();
        }
        let mut header = ar::Header::new(name.into_bytes(), bytes.len() as u64);
        header.set_mode(0o100644);
        header.set_mtime(mtime);
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn say_it_is_ubuntu(deb: &Path, folder: &Path) {
    run(Command::new("dpkg-deb").arg("--raw-extract").arg(deb).arg(folder));
    let mut file = fs::File::create(folder.join("etc/lsb-release")).unwrap();
    file.write_all(RELEASE.as_bytes()).unwrap();
    run(Command::new("dpkg-deb").args(["-Zzstd", "--build"]).arg(folder).arg(deb));
}
