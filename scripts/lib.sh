# What the scripts share. Source it; it needs `root`, the folder of the repository.

target=${CARGO_TARGET_DIR:-$root/target}

say() { printf '%s\n' "$*" >&2; }

# Packages of Debian and Ubuntu that the tests use, beside a C compiler and Rust.
packages='apache2-utils apt-utils attr busybox-static cpio createrepo-c crun curl debootstrap dnf docker-registry docker.io dpkg e2fsprogs g++ gnupg hyperfine libc-bin mmdebstrap openssl podman qemu-user-static rpm skopeo squashfs-tools squashfs-tools-ng uidmap umoci util-linux zstd'
programs='apt-ftparchive busybox cpio createrepo_c crun curl debootstrap dnf docker docker-registry dpkg-deb gpg htpasswd mkfs.ext4 g++ hyperfine mmdebstrap openssl podman qemu-aarch64-static rpmbuild skopeo newuidmap umoci setfattr setpriv tar2sqfs unsquashfs zstd'

# Installs what is missing, as root; says what is missing, as anybody else.
install_needs() {
    local missing='' program
    for program in $programs; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" > /dev/null || missing="$missing $program"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        say "installing what the tests need:$missing"
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get -qq update > /dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages > /dev/null
    else
        say "missing:$missing. Tests that need them are skipped. As root: apt-get install $packages"
    fi
}

# The user through whose subordinate ids tests go.
make_tester() {
    [ "$(id -u)" = 0 ] || return 0
    id tester > /dev/null 2>&1 || useradd --create-home tester
    local file
    for file in /etc/subuid /etc/subgid; do
        grep -q '^tester:' "$file" 2> /dev/null || echo 'tester:100000:65536' >> "$file"
    done
}

# The addresses of this machine's Debian archive (first line) and security archive (second), out of its apt sources.
upstreams() {
    {
        sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\(https\{0,1\}:[^ ]*\) .*/\2/p' \
            /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null || true
        sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2> /dev/null | tr ' ' '\n' || true
    } | sed 's,/*$,,' > "$1"
    local main security
    main=$(grep -m 1 '/debian$' "$1" || true)
    security=$(grep -m 1 '/debian-security$' "$1" || true)
    echo "${main:-http://ftp.debian.org/debian}"
    echo "${security:-${main:-http://ftp.debian.org/debian}-security}"
}

# Starts the caching mirror; sets `mirror` and `mirror_process`. Its files are kept in `mirror` of the target folder. The
# program is built with it: alone, it and what it needs would be compiled a second time, for other features.
start_mirror() {
    local scratch address
    scratch=$(mktemp -d)
    mapfile -t address < <(upstreams "$scratch/sources")
    cargo build --quiet --example mirror --bin rootsmith --manifest-path "$root/Cargo.toml"
    mkfifo "$scratch/address"
    "$target/debug/examples/mirror" --upstream "${address[0]}" --security "${address[1]}" \
        --cache "$target/mirror" --log "$target/mirror.log" > "$scratch/address" &
    mirror_process=$!
    read -r mirror < "$scratch/address"
    rm -r "$scratch"
    # Without the archive, tests that need it are skipped.
    if ! curl --silent --fail --max-time 60 --output /dev/null "$mirror/debian/dists/trixie/InRelease"; then
        say "the Debian archive at ${address[0]} does not answer"
        mirror=
    fi
}
