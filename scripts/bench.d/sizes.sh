# Time and memory against the number of packages.

sizes_rows() {
    local packages count ours theirs
    while read -r packages; do
        printf 'name = "sizes"\nplatforms = ["linux/amd64"]\n[from.debian]\nsuite = "trixie"\nvariant = "%s"\npackages = [%s]\n' \
            "${packages%% *}" "$(printf '%s' "${packages#* }" | sed 's/[^ ][^ ]*/"&"/g; s/ /, /g')" > "$work/sizes.toml"
        say "measuring: $packages"
        rm -rf "$work/sizes" "$work/sizes.lock"
        script sizes "$(ours sizes)"
        "$work/sizes.sh" > /dev/null # fills the mirror
        count=$("$program" inspect "oci:$work/sizes/out" | awk '$1 == "Packages" { print $2 }')
        rm -rf "$work/sizes" "$work/sizes.lock"
        script sizes "$(ours sizes)"
        ours=$(weigh "$work/sizes.sh")
        script peer "mmdebstrap --quiet --variant=${packages%% *} --include='${packages#* }' trixie rootfs.tar '${sources[0]}' '${sources[1]}' '${sources[2]}'
umoci init --layout layout && umoci new --image layout:t && umoci raw add-layer --image layout:t rootfs.tar"
        theirs=$(weigh "$work/peer.sh")
        rm -rf "$work/peer"
        printf '| %s | %s s | %s MiB | %s s | %s MiB | %s |\n' "$count" $ours $theirs "$(ratio "${ours% *}" "${theirs% *}")"
    done
}

write_table sizes "$(
    echo '| packages | rootsmith | | mmdebstrap, umoci | | of mmdebstrap |'
    echo '| --- | --- | --- | --- | --- | --- |'
    sizes_rows <<'SETS'
essential base-files
minbase base-files
minbase build-essential
minbase postgresql nginx python3-numpy default-jre-headless
minbase libreoffice-core texlive-base
minbase task-xfce-desktop
minbase gnome kde-standard build-essential libreoffice
SETS
    echo
    measured "one run each, from an empty store; $(mmdebstrap --version), $(umoci --version | head -n 1)."
)"
