# A conda environment of eleven packages on a small base, from a local channel.

data=${ROOTSMITH_TEST_DATA:-$root/../shared/data}/conda/real
if [ ! -d "$data" ]; then
    say "there are no conda channels at $data: that part is left out"
    return 0
fi
mkdir -p "$work/conda"
printf 'name = "base"\nplatforms = ["linux/amd64"]\n[from.debian]\nsuite = "trixie"\nvariant = "essential"\n' > "$work/base.toml"
script base "$(ours base)"
"$work/base.sh" > /dev/null
{
    printf 'name: bench\nchannels: ["%s"]\ndependencies:\n' "$(realpath "$data")"
    printf '  - %s\n' curl openssl sqlite xz zlib ncurses readline libpng jpeg expat libagg
} > "$work/conda/environment.yml"
layer="'$program' layer oci:../base/out --conda ../conda/environment.yml -o oci:out --store store"
for name in conda-warm conda-cold; do
    script "$name" "$layer --progress none"
done
script reset-conda-warm 'rm -rf ../conda-warm/out'
script reset-conda-cold 'rm -rf ../conda-cold/out ../conda-cold/store'
measure conda-warm
measure conda-cold
# Each phase with its time, and the most memory at once, of one run with a full store.
script conda-phases "$layer --progress lines 2> ../conda/phases"
cp -a "$work/conda-warm/store" "$work/conda-phases/store"
weighed=$(weigh "$work/conda-phases.sh")
phases=$(sed -n 's/^ *\([a-z]*\)  .*(\([0-9.]* s\))$/\1 \2/p' "$work/conda/phases" | paste -sd, | sed 's/,/, /g')
write_table conda "$(
    echo '| curl, openssl, sqlite, xz, zlib, ncurses, readline, libpng, jpeg, expat, libagg | layers | median |'
    echo '| --- | --- | --- |'
    printf '| rootsmith layer, packages in the store | %s | %.3f s |\n' "$(size conda-warm/out)" "$(median conda-warm)"
    printf '| the same, empty store | %s | %.3f s |\n' "$(size conda-cold/out)" "$(median conda-cold)"
    echo
    echo "The phases with packages in the store: $phases. At most ${weighed##* } MiB of memory at once. The layers' sizes include the base's."
    echo
    measured "$runs runs each."
)"
