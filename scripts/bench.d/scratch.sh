# A scratch image of a static program of 5 MB.

mkdir -p "$work/scratch"
[ -e "$work/app" ] || {
    printf 'int main(void) { return 0; }\n' > "$work/app.c"
    head -c 4200000 /dev/urandom > "$work/app.data"
    printf '.section .rodata\n.incbin "%s"\n.section .note.GNU-stack,"",@progbits\n' "$work/app.data" > "$work/data.s"
    cc -static -o "$work/app" "$work/app.c" "$work/data.s"
}
script scratch "'$program' build --binary ../app -o oci:out --store store --progress none"
script reset-scratch "rm -rf ../scratch/*"
script again "'$program' build --binary ../app -o oci:out --store store --progress none"
script reset-again "rm -rf ../again/out"
measure scratch
measure again
write_table scratch "$(
    echo "| a program of $(du -k --apparent-size "$work/app" | cut -f 1) KiB | layer | median |"
    echo '| --- | --- | --- |'
    printf '| rootsmith build --binary, empty store | %s | %.3f s |\n' "$(size scratch/out)" "$(median scratch)"
    printf '| the same again | %s | %.3f s |\n' "$(size again/out)" "$(median again)"
    echo
    measured "$runs runs each."
)"
