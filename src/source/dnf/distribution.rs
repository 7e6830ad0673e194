//! What is known of each distribution: its repositories, its keys, the packages of each shape, and rpm's database.

use super::DnfError;
use crate::platform::{Architecture, Platform};
use crate::recipe::{DatabaseFormat, DnfRequest, DnfShape, RepositoryPlace, RpmDistribution};

/// A distribution's repository: its id and where it is.
pub(super) struct Known {
    pub(super) id: &'static str,
    pub(super) place: RepositoryPlace,
}

/// Package managers, which the shape `micro` is without.
const MANAGERS: [&str; 5] = ["dnf", "dnf5", "microdnf", "tdnf", "yum"];

/// The repositories that a distribution's own packages come from; variables are not replaced yet.
pub(super) fn repositories(distribution: RpmDistribution) -> Vec<Known> {
    let base = |id, url: &str| Known { id, place: RepositoryPlace::Base(vec![url.to_owned()]) };
    let two = |root: &str| {
        vec![
            base("baseos", &format!("{root}/BaseOS/$basearch/os")),
            base("appstream", &format!("{root}/AppStream/$basearch/os")),
        ]
    };
    match distribution {
        RpmDistribution::Fedora => {
            let link = |id, repository: &str| {
                let url = format!("https://mirrors.fedoraproject.org/metalink?repo={repository}&arch=$basearch");
                Known { id, place: RepositoryPlace::Metalink(url) }
            };
            vec![link("fedora", "fedora-$releasever"), link("updates", "updates-released-f$releasever")]
        }
        RpmDistribution::Alma => two("https://repo.almalinux.org/almalinux/$releasever"),
        RpmDistribution::Rocky => two("https://dl.rockylinux.org/pub/rocky/$releasever"),
        RpmDistribution::CentosStream => two("https://mirror.stream.centos.org/$releasever-stream"),
        RpmDistribution::Ubi => {
            let root = "https://cdn-ubi.redhat.com/content/public/ubi/dist/ubi$releasever_major/$releasever/$basearch";
            vec![base("baseos", &format!("{root}/baseos/os")), base("appstream", &format!("{root}/appstream/os"))]
        }
        RpmDistribution::Amazon => {
            let url = "https://cdn.amazonlinux.com/al$releasever/core/mirrors/latest/$basearch/mirror.list";
            vec![Known { id: "amazonlinux", place: RepositoryPlace::MirrorList(url.to_owned()) }]
        }
        RpmDistribution::AzureLinux => {
            vec![base("azurelinux-base", "https://packages.microsoft.com/azurelinux/$releasever/prod/base/$basearch")]
        }
        RpmDistribution::Rhel | RpmDistribution::Other => Vec::new(),
    }
}

/// Where the distribution publishes the keys that sign its packages; nothing where that is for the recipe to say.
pub(super) fn key_urls(distribution: RpmDistribution) -> &'static [&'static str] {
    match distribution {
        RpmDistribution::Fedora => &["https://fedoraproject.org/fedora.gpg"],
        RpmDistribution::Alma => &["https://repo.almalinux.org/almalinux/RPM-GPG-KEY-AlmaLinux-$releasever_major"],
        RpmDistribution::Rocky => &["https://dl.rockylinux.org/pub/rocky/RPM-GPG-KEY-Rocky-$releasever_major"],
        RpmDistribution::CentosStream => &[
            "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-Official",
            "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-Official-SHA256",
        ],
        RpmDistribution::Ubi => &["https://security.access.redhat.com/data/fd431d51.txt"],
        RpmDistribution::AzureLinux => &["https://packages.microsoft.com/keys/microsoft.asc"],
        RpmDistribution::Rhel | RpmDistribution::Amazon | RpmDistribution::Other => &[],
    }
}

/// The packages that a shape consists of, before the recipe's own.
pub(super) fn packages(distribution: RpmDistribution, shape: DnfShape) -> Vec<&'static str> {
    let release = match distribution {
        RpmDistribution::Fedora => "fedora-release-container",
        RpmDistribution::Alma => "almalinux-release",
        RpmDistribution::Rocky => "rocky-release",
        RpmDistribution::CentosStream => "centos-stream-release",
        RpmDistribution::Rhel | RpmDistribution::Ubi => "redhat-release",
        RpmDistribution::Amazon => "system-release",
        RpmDistribution::AzureLinux => "azurelinux-release",
        RpmDistribution::Other => return Vec::new(),
    };
    let (manager, small_manager) = match distribution {
        RpmDistribution::Fedora => ("dnf5", "dnf5"),
        RpmDistribution::AzureLinux => ("tdnf", "tdnf"),
        _ => ("dnf", "microdnf"),
    };
    let mut packages = vec![release, "filesystem"];
    packages.extend(match distribution {
        RpmDistribution::AzureLinux => ["coreutils", "glibc"],
        _ => ["coreutils-single", "glibc-minimal-langpack"],
    });
    if shape != DnfShape::Micro {
        packages.push("bash");
        packages.push(if shape == DnfShape::Minimal { small_manager } else { manager });
    }
    if matches!(shape, DnfShape::Standard | DnfShape::Init) {
        packages.extend(["findutils", "gzip", "tar", "xz"]);
    }
    if shape == DnfShape::Init {
        packages.push("systemd");
    }
    packages
}

/// Packages that a shape must not have.
pub(super) fn excluded(shape: DnfShape) -> &'static [&'static str] {
    if shape == DnfShape::Micro { &MANAGERS } else { &[] }
}

/// Where rpm's database is, and rpm's name of its form.
pub(super) fn database(request: &DnfRequest) -> Result<(String, DatabaseFormat), DnfError> {
    let major: u32 = request.release.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    let moved = match request.distribution {
        RpmDistribution::Fedora => major >= 36,
        RpmDistribution::Amazon | RpmDistribution::AzureLinux => false,
        RpmDistribution::Other => true,
        _ => major >= 10,
    };
    let is_red_hat = matches!(
        request.distribution,
        RpmDistribution::Alma
            | RpmDistribution::Rocky
            | RpmDistribution::CentosStream
            | RpmDistribution::Rhel
            | RpmDistribution::Ubi
    );
    if is_red_hat && (1..9).contains(&major) && request.database.is_none() {
        return Err(DnfError::OldDatabase {
            distribution: request.distribution.to_string(),
            release: request.release.clone(),
        });
    }
    let usual = if moved { "/usr/lib/sysimage/rpm" } else { "/var/lib/rpm" };
    Ok((request.database.clone().unwrap_or_else(|| usual.to_owned()), request.database_format))
}

/// What modular packages are made for (`module_platform_id` of dnf.conf(5)).
pub(super) fn module_platform(request: &DnfRequest) -> Option<String> {
    let major = request.release.split('.').next().unwrap_or_default();
    match request.distribution {
        RpmDistribution::Fedora => Some(format!("platform:f{major}")),
        RpmDistribution::Amazon | RpmDistribution::AzureLinux | RpmDistribution::Other => None,
        _ => Some(format!("platform:el{major}")),
    }
}

/// rpm's name of the architecture, which is also `$basearch`.
pub(super) fn architecture(platform: Platform) -> &'static str {
    match platform.architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "aarch64",
        Architecture::Arm => "armhfp",
        Architecture::I386 => "i386",
        Architecture::Ppc64le => "ppc64le",
        Architecture::Riscv64 => "riscv64",
        Architecture::S390x => "s390x",
        Architecture::ArmV6 => "armv6hl",
        Architecture::ArmV5 => "armv5tel",
        Architecture::Mips64le => "mips64el",
        Architecture::Loong64 => "loongarch64",
    }
}
