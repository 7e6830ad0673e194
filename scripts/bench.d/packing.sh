# From the tar of a root filesystem to an image, and nothing else.

mkdir -p "$work/packing"
packed=$work/packing/rootfs.tar
[ -e "$packed" ] || mmdebstrap --quiet --variant=minbase --include=perl,ca-certificates trixie "$packed" "${sources[@]}"
layout='umoci init --layout layout && umoci new --image layout:t && umoci raw add-layer'
script umoci-gzip "$layout --image layout:t '$packed'"
script umoci-zstd "$layout --compress zstd --image layout:t '$packed'"
for kind in gzip zstd; do
    import="'$program' import '$packed' -o oci:out --store store --progress none --compression $kind"
    script "ours-$kind" "$import"
    script "one-$kind" "taskset --cpu-list 0 $import"
    # Two of these at once: more than what they do together, two processors cannot.
    script "two-$kind" "(mkdir a && cd a && taskset --cpu-list 0 $import) & (mkdir b && cd b && taskset --cpu-list 1 $import); wait \$!"
    for program_of in ours one two umoci; do
        script "reset-$program_of-$kind" "rm -rf ../$program_of-$kind/*"
    done
done
names='umoci-gzip ours-gzip one-gzip two-gzip ours-zstd one-zstd two-zstd'
! umoci raw add-layer --help | grep -q -- --compress || names="$names umoci-zstd"
# shellcheck disable=SC2086
measure_in_turn $names
write_table packing "$(
    echo "| a tar of $(du -m --apparent-size "$packed" | cut -f 1) MiB | layer | median | of umoci's gzip |"
    echo '| --- | --- | --- | --- |'
    row umoci-gzip umoci-gzip 'umoci raw add-layer, gzip' "$(size umoci-gzip/layout)"
    [ ! -e "$work/umoci-zstd.json" ] || row umoci-zstd umoci-gzip 'umoci raw add-layer, zstd' "$(size umoci-zstd/layout)"
    row ours-gzip umoci-gzip 'rootsmith import, gzip, empty store' "$(size ours-gzip/out)"
    row one-gzip umoci-gzip 'the same on one processor' "$(size one-gzip/out)"
    row two-gzip umoci-gzip 'two of these at once, each on its own processor' "$(size two-gzip/a/out)"
    row ours-zstd umoci-gzip 'rootsmith import, zstd, empty store' "$(size ours-zstd/out)"
    row one-zstd umoci-gzip 'the same on one processor' "$(size one-zstd/out)"
    row two-zstd umoci-gzip 'two of these at once, each on its own processor' "$(size two-zstd/a/out)"
    echo
    measured "$runs runs each, in turn; $(umoci --version | head -n 1)."
)"
