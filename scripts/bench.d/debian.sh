# From archive to image: Debian 13, variant minbase.

cat > "$work/trixie.toml" <<'RECIPE'
name = "trixie"
platforms = ["linux/amd64"]
[from.debian]
suite = "trixie"
RECIPE

layer='umoci init --layout layout && umoci new --image layout:t && umoci raw add-layer --image layout:t rootfs.tar'
script mmdebstrap "mmdebstrap --quiet --variant=minbase trixie rootfs.tar '${sources[0]}' '${sources[1]}' '${sources[2]}' && $layer"
script debootstrap "debootstrap --variant=minbase trixie rootfs '$mirror/debian' > /dev/null
rm -rf rootfs/var/cache/apt/archives/*.deb rootfs/var/lib/apt/lists/*
tar --numeric-owner --xattrs --sort=name -C rootfs -cf rootfs.tar . && $layer"
# The same packages as recipes/trixie.toml: certificates for TLS, whose scripts take long, and an init.
script mmdebstrap-recipe "mmdebstrap --quiet --variant=minbase --include=ca-certificates,tini trixie rootfs.tar '${sources[0]}' '${sources[1]}' '${sources[2]}' && $layer"
cp "$root/recipes/trixie.toml" "$work/recipe.toml"
script cold-recipe "$(ours recipe)"
script warm-recipe "$(ours recipe --fresh)"
script other-recipe "$(ours recipe)"
script other "$(ours trixie)"
# A store that has built another recipe, which has these packages and one more.
sed 's/^packages = \[/&"less", /' "$work/recipe.toml" > "$work/more-recipe.toml"
{ cat "$work/trixie.toml"; echo 'packages = ["less"]'; } > "$work/more.toml"
script more-recipe "$(ours more-recipe)"
script more "$(ours more)"
script cold "$(ours trixie)"
script warm "$(ours trixie --fresh)"
script changed "$(ours changed)"
script same "$(ours same)"
# The state that a run begins with.
script reset-mmdebstrap "rm -rf ../mmdebstrap/*"
script reset-debootstrap "rm -rf ../debootstrap/*"
script reset-mmdebstrap-recipe "rm -rf ../mmdebstrap-recipe/*"
script reset-cold-recipe "rm -rf ../cold-recipe/* ../recipe.lock"
script reset-warm-recipe "rm -rf ../warm-recipe/out"
script reset-other-recipe "rm -rf ../other-recipe/*; cp -a ../more-recipe/store ../other-recipe/"
script reset-other "rm -rf ../other/*; cp -a ../more/store ../other/"
script reset-cold "rm -rf ../cold/* ../trixie.lock" # the others resolve anew too
script reset-warm "rm -rf ../warm/out"
# A label, a file and the user are others in every run.
script reset-changed "rm -rf ../changed/out; cp ../trixie.toml ../changed.toml
printf '[[file]]\npath = \"/etc/note\"\ncontent = \"%s\"\n[harden]\nuser = { name = \"app\", uid = %s }\n[image]\nlabels = { note = \"%s\" }\n' \\
    \$\$ \$((1000 + \$\$ % 50000)) \$\$ >> ../changed.toml"
script reset-same "rm -rf ../same/out; cp ../trixie.toml ../same.toml"

"$work/cold.sh" > /dev/null # fills the mirror
"$work/cold-recipe.sh" > /dev/null
"$work/more.sh" > /dev/null
"$work/more-recipe.sh" > /dev/null
measure_in_turn mmdebstrap debootstrap cold warm other changed same mmdebstrap-recipe cold-recipe warm-recipe other-recipe
# As `row`, and what it is of the first.
with_base() { echo "$(row "$@") $(ratio "$(median "$1")" "$(median mmdebstrap)") |"; }

write_table debian "$(
    echo '| | layer | median | of mmdebstrap | of mmdebstrap minbase |'
    echo '| --- | --- | --- | --- | --- |'
    with_base mmdebstrap mmdebstrap 'mmdebstrap, umoci' "$(size mmdebstrap/layout)"
    with_base debootstrap mmdebstrap 'debootstrap, tar, umoci' "$(size debootstrap/layout)"
    with_base cold mmdebstrap 'rootsmith, empty store, no lock' "$(size cold/out)"
    with_base warm mmdebstrap 'rootsmith, `--fresh`: only what was downloaded is in the store' "$(size warm/out)"
    with_base other mmdebstrap 'rootsmith, packages in the store, of another recipe' "$(size other/out)"
    with_base changed mmdebstrap 'rootsmith, other label, file and user' "$(size changed/out)"
    with_base same mmdebstrap 'rootsmith, nothing changed' "$(size same/out)"
    with_base mmdebstrap-recipe mmdebstrap-recipe 'mmdebstrap with the packages of `recipes/trixie.toml`, umoci' "$(size mmdebstrap-recipe/layout)"
    with_base cold-recipe mmdebstrap-recipe '`recipes/trixie.toml`, empty store, no lock' "$(size cold-recipe/out)"
    with_base warm-recipe mmdebstrap-recipe '`recipes/trixie.toml`, `--fresh`' "$(size warm-recipe/out)"
    with_base other-recipe mmdebstrap-recipe '`recipes/trixie.toml`, packages in the store, of another recipe' "$(size other-recipe/out)"
    echo
    measured "$runs runs each, in turn; $(mmdebstrap --version), $(debootstrap --version), $(umoci --version | head -n 1)."
)"
