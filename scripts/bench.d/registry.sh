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
start_registry() {
    case $1 in
        docker-registry) docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 & ;;
        *) "$second" > "$work/registry.address" 2> "$work/registry.log" & ;;
    esac
    registry_process=$!
    until [ "$1" = docker-registry ] || [ -s "$work/registry.address" ]; do sleep 0.1; done
    [ "$1" = docker-registry ] || port=$(sed 's/.*://' "$work/registry.address")
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/v2/"; do sleep 0.1; done
}
stop_registry() {
    kill "$registry_process" 2> /dev/null || true
    wait "$registry_process" 2> /dev/null || true
    rm -f "$work/registry.address"
}
trap 'stop_registry; kill "$mirror_process" 2> /dev/null || true; umount "$work/registry" 2> /dev/null || true; rm -rf "$work"' EXIT
# go-containerregistry's, which keeps all in memory, as the tests have compiled it: tests/it/registry_second.rs.
second=$(find "$target/tmp" -maxdepth 1 -name 'registry-*' -type f -perm -u+x 2> /dev/null | head -n 1)
[ -n "$second" ] || say 'only docker-registry: run `scripts/test --test it registry_second` for the other'

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
for layers in one four; do
    umoci init --layout "$work/image/$layers"
    umoci new --image "$work/image/$layers:t"
    "$layers"
    umoci gc --layout "$work/image/$layers"
done
# Before each first push the registry starts anew, with nothing in it; the second finds all of it there.
rows=
for kind in docker-registry ${second:+go-containerregistry}; do
    start_registry "$kind"
    for layers in one four; do
        reference=127.0.0.1:$port/bench
        script push "'$program' push oci:../image/$layers:t docker://$reference-ours-$layers:t --plain-http --store store --progress none"
        script skopeo "skopeo copy --quiet --dest-tls-verify=false oci:../image/$layers:t docker://$reference-skopeo-$layers:t"
        for name in skopeo push; do
            script "reset-$name" 'rm -rf ../registry/* store /var/lib/containers/cache/blob-info-cache-v1.boltdb'
        done
        for name in skopeo push; do
            rm -f "$work/$name.times" "$work/$name-again.times"
        done
        for ((run = 0; run <= runs; run++)); do
            for name in skopeo push; do
                stop_registry
                "$work/reset-$name.sh"
                start_registry "$kind"
                sed -i "s,127\.0\.0\.1:[0-9]*,127.0.0.1:$port,g" "$work/$name.sh"
                for again in '' -again; do
                    start=$(date +%s.%N)
                    "$work/$name.sh" > /dev/null 2>> "$work/measure.log"
                    [ "$run" = 0 ] || echo "$start $(date +%s.%N)" >> "$work/$name$again.times"
                done
            done
        done
        for name in skopeo skopeo-again push push-again; do median_of_times "$name"; done
        for name in skopeo push; do
            case $name in skopeo) words='skopeo copy' ;; push) words='rootsmith push' ;; esac
            first=$(median "$name") second_time=$(median "$name-again")
            rows+=$(printf '| %s | %s, %s | %.3f s | %s | %.3f s | %s |' "$kind" "$words" "$layers" \
                "$first" "$(ratio "$first" "$(median skopeo)")" "$second_time" "$(ratio "$second_time" "$(median skopeo-again)")")$'\n'
        done
    done
    stop_registry
done
write_table registry "$(
    echo '| registry | an image of 170 MiB in one layer, or in four | first | ratio | again | ratio |'
    echo '| --- | --- | --- | --- | --- | --- |'
    echo "$rows"
    measured "$runs runs each, in turn; $(skopeo --version), $(docker-registry --version | head -n 1)."
)"
umount "$work/registry"
