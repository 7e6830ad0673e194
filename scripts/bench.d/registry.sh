# Pushing an image of 170 MB to a registry on this machine, which is emptied before each run.

port=$((20000 + $$ % 10000))
mkdir -p "$work/registry"
cat > "$work/registry.yml" <<CONFIG
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/registry }, delete: { enabled: true } }
http: { addr: "127.0.0.1:$port" }
CONFIG
docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 &
registry_process=$!
trap 'kill "$registry_process" "$mirror_process" 2> /dev/null || true; rm -rf "$work"' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/v2/"; do sleep 0.1; done

# One layer that does not compress.
mkdir -p "$work/image/rootfs"
head -c 170M /dev/urandom > "$work/image/rootfs/data"
tar -C "$work/image/rootfs" -cf "$work/image/rootfs.tar" data
"$program" import "$work/image/rootfs.tar" --platform linux/amd64 -o "oci:$work/image/layout:t" --store "$work/image/store" --progress none > /dev/null
reference=127.0.0.1:$port/bench:t
script push "'$program' push oci:../image/layout docker://$reference --plain-http --store store --progress none"
script skopeo "skopeo copy --quiet --dest-tls-verify=false oci:../image/layout:t docker://$reference"
script push-again "'$program' push oci:../image/layout docker://$reference --plain-http --store store --progress none"
script skopeo-again "skopeo copy --quiet --dest-tls-verify=false oci:../image/layout:t docker://$reference"
for name in push skopeo; do
    script "reset-$name" 'rm -rf ../registry/* /var/lib/containers/cache/blob-info-cache-v1.boltdb'
    measure "$name"
    measure "$name-again"
done
write_table registry "$(
    echo '| an image of 170 MiB in one layer | first | ratio | again | ratio |'
    echo '| --- | --- | --- | --- | --- |'
    for name in skopeo push; do
        case $name in skopeo) words='skopeo copy' ;; push) words='rootsmith push' ;; esac
        printf '| %s | %.3f s | %s | %.3f s | %s |\n' "$words" "$(median "$name")" "$(ratio "$(median "$name")" "$(median skopeo)")" \
            "$(median "$name-again")" "$(ratio "$(median "$name-again")" "$(median skopeo-again)")"
    done
    echo
    measured "$runs runs each; $(skopeo --version), $(docker-registry --version | head -n 1)."
)"
kill "$registry_process"
