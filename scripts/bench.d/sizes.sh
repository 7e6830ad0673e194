# Time and memory against the number of packages. Memory is the largest sum, over all processes, of what each has for
# itself and its share of what it shares (Pss), and of what lies in file systems in memory.

# weigh COMMAND...: writes its seconds and its largest memory in MiB.
weigh() {
    local before peak=0 now start end
    before=$(awk '$1 == "Shmem:" { print $2 }' /proc/meminfo)
    start=$(date +%s.%N)
    setsid "$@" > /dev/null 2>> "$work/sizes.log" &
    local session=$!
    while kill -0 "$session" 2> /dev/null; do
        now=$(
            for process in $(ps -o pid= -s "$session"); do
                sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$process/smaps_rollup" 2> /dev/null
            done | awk '{ s += $1 } END { print s + 0 }'
        )
        now=$((now + $(awk '$1 == "Shmem:" { print $2 }' /proc/meminfo) - before))
        [ "$now" -le "$peak" ] || peak=$now
        sleep 0.05
    done
    wait "$session"
    end=$(date +%s.%N)
    awk -v start="$start" -v end="$end" -v peak="$peak" 'BEGIN { printf "%.1f %.0f\n", end - start, peak / 1024 }'
}

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
SETS
    echo
    measured "one run each, from an empty store; $(mmdebstrap --version), $(umoci --version | head -n 1)."
)"
