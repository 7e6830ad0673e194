# The memory that an import takes, of a tar and of one twenty times as large. Needs 14 GB below TMPDIR.

mkdir -p "$work/memory/large"
head -c 64M /dev/urandom > "$work/memory/block"
# Random bytes, so that neither holes nor compression make them small.
for file in 1 2 3 4; do
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat "$work/memory/block"; done > "$work/memory/large/$file"
done
tar -C "$work/memory/large" -cf "$work/large.tar" .
head -c 170000000 "$work/memory/large/1" > "$work/memory/small"
tar -C "$work/memory" -cf "$work/small.tar" small
rm -r "$work/memory"

for tar in small large; do
    script "ours-$tar" "'$program' import ../$tar.tar --platform linux/amd64 -o oci:out --store store --progress none > /dev/null"
    script "umoci-$tar" "umoci init --layout layout && umoci new --image layout:t && umoci raw add-layer --image layout:t ../$tar.tar 2> /dev/null"
done

# The files of a process, and of all that it has started, that tell its memory.
processes() {
    echo "/proc/$1/status"
    local child
    for child in $(cat "/proc/$1/task/$1/children" 2> /dev/null); do processes "$child"; done
}

# peak NAME: runs the script NAME; the most memory that all its processes had together, in MiB.
peak() {
    "$work/$1.sh" &
    local shell=$! most=0 now
    while kill -0 "$shell" 2> /dev/null; do
        # shellcheck disable=SC2046
        now=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' $(processes "$shell") 2> /dev/null | awk '{s += $1} END {print s + 0}')
        [ "$now" -le "$most" ] || most=$now
        sleep 0.02
    done
    wait "$shell"
    rm -rf "${work:?}/$1"/*
    echo $((most / 1024))
}
mebibytes() { echo $(($(stat -c %s "$work/$1.tar") / 1048576)); }
write_table memory "$(
    echo "| most memory of all processes | a tar of $(mebibytes small) MiB | a tar of $(mebibytes large) MiB |"
    echo '| --- | --- | --- |'
    echo "| umoci raw add-layer, gzip | $(peak umoci-small) MiB | $(peak umoci-large) MiB |"
    echo "| rootsmith import, gzip | $(peak ours-small) MiB | $(peak ours-large) MiB |"
    echo
    measured "1 run each; $(umoci --version | head -n 1)."
)"
