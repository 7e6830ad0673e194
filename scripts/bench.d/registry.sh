# Pushing an image of 170 MB to a registry on this machine, which is emptied before each run. What it keeps is in memory: to
# wait for its disk is the same for every client.

port=$((20000 + $$ % 10000))
mkdir -p "$work/registry"
mount -t tmpfs -o mode=700 rootsmith-bench "$work/registry"
cat > "$work/registry.yml" <<CONFIG
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/registry }, delete: { enabled: true } }
http: { addr: "127.0.0.1:$port" }
CONFIG
docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 &
registry_process=$!
trap 'kill "$registry_process" "$mirror_process" 2> /dev/null || true; umount "$work/registry" 2> /dev/null || true; rm -rf "$work"' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/v2/"; do sleep 0.1; done

# Layers that do not compress: one, and four of as many bytes together, as a base with an environment has.
one() {
    head -c 170M /dev/urandom > "$work/image/data"
    tar -C "$work/image" -cf "$work/image/data.tar" data
    umoci raw add-layer --image "$work/image/one:t" "$work/image/data.tar"
}
four() {
    local layer
    for layer in 1 2 3 4; do
        head -c 42500K /dev/urandom > "$work/image/data-$layer"
        tar -C "$work/image" -cf "$work/image/data.tar" "data-$layer"
        umoci raw add-layer --image "$work/image/four:t" "$work/image/data.tar"
    done
}
mkdir -p "$work/image"
rows=
for layers in one four; do
    umoci init --layout "$work/image/$layers"
    umoci new --image "$work/image/$layers:t"
    "$layers"
    umoci gc --layout "$work/image/$layers"
    reference=127.0.0.1:$port/bench:$layers
    pushed="'$program' push oci:../image/$layers:t docker://$reference --plain-http --store store --progress none"
    copied="skopeo copy --quiet --dest-tls-verify=false oci:../image/$layers:t docker://$reference"
    for again in '' -again; do
        script "push-$layers$again" "$pushed"
        script "skopeo-$layers$again" "$copied"
    done
    for name in skopeo push; do
        script "reset-$name-$layers" 'rm -rf ../registry/* /var/lib/containers/cache/blob-info-cache-v1.boltdb'
        measure "$name-$layers"
        measure "$name-$layers-again"
        case $name in skopeo) words='skopeo copy' ;; push) words='rootsmith push' ;; esac
        first=$(median "$name-$layers") second=$(median "$name-$layers-again")
        rows+=$(printf '| %s, %s | %.3f s | %s | %.3f s | %s |' "$words" "$layers" \
            "$first" "$(ratio "$first" "$(median "skopeo-$layers")")" "$second" "$(ratio "$second" "$(median "skopeo-$layers-again")")")$'\n'
    done
done
write_table registry "$(
    echo '| an image of 170 MiB in one layer, or in four, to a registry in memory | first | ratio | again | ratio |'
    echo '| --- | --- | --- | --- | --- |'
    echo "$rows"
    measured "$runs runs each; $(skopeo --version), $(docker-registry --version | head -n 1)."
)"
kill "$registry_process"
wait "$registry_process" || true
umount "$work/registry"
