mod writer;

use std::io::Write;

use super::*;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};
use writer::{Writer, auditable, framed, go_build_info};

fn parsed(writer: &Writer) -> Elf {
    read(&writer.write()).unwrap().unwrap()
}

fn libc() -> Writer {
    Writer::new().loaded_by("/lib64/ld-linux-x86-64.so.2").needs(&["libc.so.6"])
}

#[test]
fn platforms_follow_from_the_header() {
    let of = |machine, is_64, is_big, abi| {
        let elf = parsed(&Writer { machine, is_64, is_big, abi, ..Writer::new() });
        (elf.platform().map(|platform| platform.to_string()), elf.target())
    };
    for (machine, is_64, is_big, name) in [
        (62, true, false, "linux/amd64"),
        (183, true, false, "linux/arm64"),
        (40, false, false, "linux/arm"),
        (3, false, false, "linux/386"),
        (21, true, false, "linux/ppc64le"),
        (243, true, false, "linux/riscv64"),
        (22, true, true, "linux/s390x"),
    ] {
        assert_eq!(of(machine, is_64, is_big, 0).0.as_deref(), Some(name));
        assert_eq!(of(machine, is_64, is_big, 3).0.as_deref(), Some(name), "GNU's own ABI byte is Linux");
    }
    assert_eq!(of(62, false, false, 0), (None, "a 32-bit little-endian x86 processor".to_owned()), "x32");
    assert_eq!(of(21, true, true, 0).1, "a 64-bit big-endian PowerPC processor");
    assert_eq!(of(8, false, true, 0).1, "a 32-bit big-endian MIPS processor");
    assert_eq!(of(62, true, false, 9), (None, "freebsd".to_owned()));
}

#[test]
fn programs_libraries_and_the_rest() {
    let kind = |writer: Writer| parsed(&writer).kind;
    let pie = || Writer { kind: 3, flags: 0x0800_0000, ..Writer::new() };
    assert_eq!(kind(Writer::new()), Kind::Program);
    assert_eq!(kind(pie()), Kind::Program, "a static PIE");
    assert!(parsed(&pie()).is_static() && parsed(&Writer::new()).is_static());
    assert_eq!(kind(libc()), Kind::Program);
    assert!(!parsed(&libc()).is_static());
    assert_eq!(kind(Writer { kind: 3, ..Writer::new() }), Kind::Program, "packed, without a dynamic table");
    let library = Writer { kind: 3, names: vec![(14, "libx.so.1".to_owned())], ..Writer::new() };
    assert_eq!(parsed(&library).soname.as_deref(), Some("libx.so.1"));
    assert_eq!(kind(library.clone()), Kind::Library);
    assert_eq!(kind(library.loaded_by("/lib64/ld-linux-x86-64.so.2")), Kind::Library, "libc.so.6 can be started, too");
    assert_eq!(kind(Writer { kind: 1, ..Writer::new() }), Kind::Other);
    assert_eq!(read(b"#!/bin/sh\n").unwrap(), None);
    assert_eq!(read(b"").unwrap(), None);
}

#[test]
fn what_is_loaded_is_named() {
    let names = vec![(15, "/old:$ORIGIN".to_owned()), (29, "$ORIGIN/../lib:".to_owned())];
    let versions =
        vec![("libc.so.6", vec!["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_PRIVATE"]), ("libm.so.6", vec!["GLIBC_2.9"])];
    for (is_64, is_big) in [(true, false), (false, false), (true, true), (false, true)] {
        let writer = Writer { is_64, is_big, names: names.clone(), versions: versions.clone(), ..Writer::new() };
        let elf = parsed(&writer.loaded_by("/lib/ld.so").needs(&["libc.so.6", "libm.so.6"]));
        assert_eq!(elf.interpreter.as_deref(), Some("/lib/ld.so"));
        assert_eq!(elf.needed, ["libc.so.6", "libm.so.6"]);
        assert_eq!(
            (elf.rpath.as_slice(), elf.runpath.as_slice()),
            (&["/old".into(), "$ORIGIN".into()][..], &["$ORIGIN/../lib".into()][..])
        );
        assert_eq!(elf.versions["libm.so.6"].iter().collect::<Vec<_>>(), ["GLIBC_2.9"]);
        assert_eq!(elf.newest_version("GLIBC").as_deref(), Some("2.34"), "by numbers, not by letters");
        assert_eq!(elf.newest_version("GLIBCXX"), None);
    }
}

const MODULES: &str = "path\texample.com/tool/cmd/tool\nmod\texample.com/tool\tv1.2.3\th1:x=\n\
    dep\tgolang.org/x/sys\tv0.30.0\th1:y=\ndep\texample.com/old\tv0.1.0\n=>\texample.com/fork\tv0.2.0\th1:z=\n\
    dep\texample.com/part\tv0.0.1\n=>\t./internal/part\t(devel)\n\
    build\tCGO_ENABLED=0\nbuild\tGOOS=linux\nbuild\t-ldflags=\"-s -X \\\"a=b\\\"\"\n";

fn check_go(elf: &Elf) {
    let go = elf.go.as_ref().unwrap();
    assert_eq!((go.go_version.as_str(), go.path.as_deref()), ("go1.25.4", Some("example.com/tool/cmd/tool")));
    let module = |path: &str, version: &str| GoModule { path: path.to_owned(), version: version.to_owned() };
    assert_eq!(go.main, Some(module("example.com/tool", "v1.2.3")));
    assert_eq!(
        go.modules,
        [
            module("golang.org/x/sys", "v0.30.0"),
            module("example.com/fork", "v0.2.0"),
            module("example.com/part", "v0.0.1")
        ]
    );
    assert_eq!((go.settings["CGO_ENABLED"].as_str(), go.settings["-ldflags"].as_str()), ("0", "-s -X \"a=b\""));
}

#[test]
fn go_says_what_a_program_was_built_of() {
    let inline = Writer::new().section(".go.buildinfo", go_build_info("go1.25.4", MODULES));
    check_go(&parsed(&inline));
    check_go(&parsed(&Writer { has_sections: false, ..inline.clone() }));
    let bare = Writer::new().section(".go.buildinfo", go_build_info("go1.25.4", ""));
    assert_eq!(parsed(&bare).go.unwrap().modules, []);
    let other = Writer::new().section(".go.buildinfo", go_build_info("go1.25.4", "build\tGOOS=openbsd\n"));
    assert_eq!(parsed(&other).target(), "openbsd");
}

/// The form before Go 1.18: addresses of headers of strings, in the program's own order and size.
#[test]
fn go_before_1_18_says_it_by_addresses() {
    for (is_64, is_big) in [(true, false), (false, false), (true, true), (false, true)] {
        let size = if is_64 { 8 } else { 4 };
        let number = |number: u64| -> Vec<u8> {
            let big = number.to_be_bytes()[8 - size..].to_vec();
            if is_big { big } else { big.into_iter().rev().collect() }
        };
        let texts = [b"go1.25.4".to_vec(), framed(MODULES)];
        let filled = |addresses: &[u64]| {
            let mut info = b"\xff Go buildinf:".to_vec();
            info.extend([size as u8, u8::from(is_big)]);
            info.extend(number(addresses[1]));
            info.extend(number(addresses[2]));
            info.resize(64, 0);
            let header = |text: usize| [number(addresses[3 + text]), number(texts[text].len() as u64)].concat();
            let base = Writer { is_64, is_big, machine: if is_64 { 22 } else { 20 }, ..Writer::new() };
            base.section(".go.buildinfo", info)
                .section(".a", header(0))
                .section(".b", header(1))
                .section(".c", texts[0].clone())
                .section(".d", texts[1].clone())
        };
        let (_, addresses) = filled(&[0; 5]).write_with_addresses();
        check_go(&parsed(&filled(&addresses)));
        let elsewhere = [addresses[0], u64::from(u32::MAX), 3, 0, 0];
        assert_eq!(parsed(&filled(&elsewhere)).go, None);
    }
}

#[test]
fn cargo_auditable_says_what_a_program_was_built_of() {
    let json = r#"{"packages":[{"name":"serde","version":"1.0.228","source":"registry"},
        {"name":"cc","version":"1.2.0","source":"registry","kind":"build"},
        {"name":"tool","version":"0.1.0","source":"local","dependencies":[0],"root":true}]}"#;
    let elf = parsed(&Writer::new().section(".dep-v0", auditable(json)));
    let found: Vec<_> = elf.crates.iter().map(|one| (one.name.as_str(), one.version.as_str(), one.is_root)).collect();
    assert_eq!(found, [("serde", "1.0.228", false), ("tool", "0.1.0", true)]);
    let bomb = auditable(&" ".repeat(9 << 20));
    for wrong in [b"no zlib".to_vec(), auditable("[1, 2"), auditable("{\"packages\": 3}"), bomb] {
        assert_eq!(parsed(&Writer::new().section(".dep-v0", wrong)).crates, []);
    }
}

/// Every byte changed in some ways, and every length: nothing panics, hangs or takes memory that the file has not.
#[test]
fn damaged_files_are_refused_or_read() {
    let writer = Writer { versions: vec![("libc.so.6", vec!["GLIBC_2.34"])], ..libc() };
    let writer =
        writer.section(".go.buildinfo", go_build_info("go1.25.4", MODULES)).section(".dep-v0", auditable("{}"));
    for writer in [writer.clone(), Writer { is_64: false, is_big: true, ..writer }] {
        let whole = writer.write();
        for length in 0..whole.len() {
            let _ = read(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }
    assert!(matches!(read(b"\x7fELF"), Err(ElfError::Damaged { .. })));
    assert!(matches!(read(b"\x7fELF\x07aaaaaaaaaaaaaaaaaaaaaaa"), Err(ElfError::Damaged { .. })));
    let mut cut = libc().write();
    cut.truncate(200);
    assert!(matches!(read(&cut), Err(ElfError::Damaged { .. })));
}

#[test]
fn a_piece_of_a_file_is_read_in_place() {
    let bytes = libc().section(".go.buildinfo", go_build_info("go1.25.4", MODULES)).write();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[b"before".as_slice(), &bytes, b"behind"].concat()).unwrap();
    let slice = |offset, size| Content::Slice { path: file.path().into(), offset, size };
    let found = read_content(&slice(6, bytes.len() as u64)).unwrap().unwrap();
    assert_eq!(found, read(&bytes).unwrap().unwrap());
    check_go(&found);
    assert_eq!(read_content(&slice(0, bytes.len() as u64)).unwrap(), None);
    assert_eq!(read_content(&slice(6, 3)).unwrap(), None);
    assert!(matches!(read_content(&slice(6, 100)), Err(ElfError::Damaged { .. })), "what is behind is not its own");
    assert!(matches!(
        read_content(&Content::Slice { path: std::path::Path::new("/nowhere").into(), offset: 0, size: 9 }),
        Err(ElfError::Io(_))
    ));
}

/// This test itself, made by a linker that is not ours.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_real_program_is_read() {
    let path = std::env::current_exe().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let elf = read_content(&Content::Slice { path: path.into(), offset: 0, size }).unwrap().unwrap();
    assert_eq!((elf.kind, elf.architecture), (Kind::Program, Architecture::host()));
    assert!(elf.interpreter.as_deref().is_some_and(|path| path.contains("/ld")));
    assert!(elf.needed.contains(&"libc.so.6".to_owned()) && elf.versions.contains_key("libc.so.6"));
    assert!(elf.newest_version("GLIBC").is_some_and(|version| version.starts_with("2.")));
    assert!(elf.go.is_none() && elf.crates.is_empty());
}

fn tree(files: &[(&str, Vec<u8>)]) -> Tree {
    let mut tree = Tree::new();
    for (path, bytes) in files {
        let inode = Inode::file(0o755, Content::bytes(bytes.clone()), Origin::Sandbox);
        tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
    }
    tree
}

fn refusal(tree: &Tree, path: &str, platform: &str) -> Option<(String, String)> {
    let path = TreePath::new(path).unwrap();
    let elf = read_content(tree.get(&path).unwrap().content().unwrap()).unwrap().unwrap();
    let error = check(tree, &path, &elf, platform.parse().unwrap(), &[]).err()?;
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
    Some((error.to_string(), help))
}

#[test]
fn a_program_needs_its_platform() {
    let tree = tree(&[("app", Writer::arm64().write())]);
    assert_eq!(refusal(&tree, "app", "linux/arm64"), None);
    let (message, help) = refusal(&tree, "app", "linux/amd64").unwrap();
    assert_eq!(message, "cannot run `/app` on linux/amd64: it is for linux/arm64");
    assert!(help.contains("`source = {"), "{help}");
}

#[test]
fn a_dynamic_program_is_told_what_it_lacks_and_what_has_it() {
    let program = |writer: Writer| refusal(&tree(&[("app", writer.write())]), "app", "linux/amd64").unwrap();
    let versions = |newest: &'static str| vec![("libc.so.6", vec!["GLIBC_2.2.5", newest])];
    let (message, help) =
        program(Writer { versions: versions("GLIBC_2.34"), ..libc().needs(&["libssl.so.3", "libodd.so.1"]) });
    let lacks = "`/lib64/ld-linux-x86-64.so.2`, `libc.so.6`, `libssl.so.3`, `libodd.so.1`";
    assert!(message.ends_with(lacks), "{message}");
    for part in ["trixie-slim.toml", "glibc 2.34", "\"libssl3t64\"", "have `libodd.so.1`", "-static"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let (_, help) = program(Writer { versions: versions("GLIBC_2.38"), ..libc() });
    assert!(help.contains("trixie-slim") && !help.contains("bookworm"), "{help}");
    let (_, help) = program(Writer { versions: versions("GLIBC_2.99"), ..libc() });
    assert!(help.contains("newer than Debian 13"), "{help}");
    let musl = Writer::new().loaded_by("/lib/ld-musl-x86_64.so.1").needs(&["libc.musl-x86_64.so.1", "libgcc_s.so.1"]);
    let (_, help) = program(musl);
    assert!(help.contains("recipes/alpine.toml") && help.contains("\"libgcc\""), "{help}");
    let go = libc().section(".go.buildinfo", go_build_info("go1.25.4", MODULES));
    assert!(program(go).1.starts_with("build it with `CGO_ENABLED=0`"));
    assert!(program(Writer::new().loaded_by("/nix/store/x/lib/ld-linux-x86-64.so.2")).1.contains("Nix"));
}

#[test]
fn libraries_are_found_as_the_interpreter_finds_them() {
    let library =
        |needs: &[&str]| Writer { kind: 3, names: vec![(14, "x".to_owned())], ..Writer::new() }.needs(needs).write();
    let loader = ("lib64/ld-linux-x86-64.so.2", library(&[]));
    let base = [loader.clone(), ("lib/x86_64-linux-gnu/libc.so.6", library(&[]))];
    let with = |program: Writer, more: &[(&str, Vec<u8>)]| {
        let files = [base.as_slice(), more, &[("opt/app/bin/app", program.write())]].concat();
        refusal(&tree(&files), "opt/app/bin/app", "linux/amd64").map(|(message, _)| message)
    };
    assert_eq!(with(libc(), &[]), None);
    let own = |tag: u64| Writer { names: vec![(tag, "$ORIGIN/../lib".to_owned())], ..Writer::new() };
    let own = |tag| own(tag).loaded_by("/lib64/ld-linux-x86-64.so.2").needs(&["libown.so.1", "libc.so.6"]);
    let more = [("opt/app/lib/libown.so.1", library(&["libdeep.so.2"])), ("opt/app/lib/libdeep.so.2", library(&[]))];
    assert_eq!(with(own(15), &more), None, "RPATH counts for libraries of libraries");
    let message = with(own(29), &more).unwrap();
    assert!(message.ends_with("there is no `libdeep.so.2`"), "RUNPATH does not: {message}");
    let other = [("lib/libown.so.1", Writer { kind: 3, ..Writer::arm64() }.needs(&[]).write())];
    let message = with(own(29), &other).unwrap();
    assert!(message.ends_with("`libown.so.1`"), "of another processor: {message}");
    let circle = [("lib/liba.so", library(&["libb.so"])), ("lib/libb.so", library(&["liba.so"]))];
    assert_eq!(with(libc().needs(&["liba.so"]), &circle), None);
}

#[test]
fn interpreters_know_folders_of_their_own() {
    let library = || Writer { kind: 3, names: vec![(14, "x".to_owned())], ..Writer::new() }.write();
    let glibc = ("lib64/ld-linux-x86-64.so.2", library());
    let musl = ("lib/ld-musl-x86_64.so.1", library());
    let with = |program: Writer, files: &[(&str, Vec<u8>)], searched: &[String]| {
        let tree = tree(&[files, &[("app", program.write())]].concat());
        let path = TreePath::literal("app");
        let elf = read_content(tree.get(&path).unwrap().content().unwrap()).unwrap().unwrap();
        check(&tree, &path, &elf, "linux/amd64".parse().unwrap(), searched).err().map(|error| error.to_string())
    };
    let of_musl = || Writer::new().loaded_by("/lib/ld-musl-x86_64.so.1").needs(&["libx.so"]);
    let local = ("usr/local/lib/libc.so.6", library());
    assert!(with(libc(), &[glibc.clone(), local.clone()], &[]).unwrap().ends_with("there is no `libc.so.6`"));
    assert_eq!(with(libc(), &[glibc.clone(), local, ("etc/ld.so.cache", Vec::new())], &[]), None);
    assert_eq!(with(of_musl(), &[musl.clone(), ("usr/local/lib/libx.so", library())], &[]), None);
    assert!(with(of_musl(), &[musl.clone(), ("lib64/libx.so", library())], &[]).is_some());
    let list = ("etc/ld-musl-x86_64.path", b"/opt/a\n/opt/b\n".to_vec());
    assert_eq!(with(of_musl(), &[musl, list, ("opt/b/libx.so", library())], &[]), None);
    let own = ("opt/lib/libc.so.6", library());
    assert!(with(libc(), &[glibc.clone(), own.clone()], &[]).is_some());
    assert_eq!(with(libc(), &[glibc, own], &["/opt/lib".to_owned()]), None);
}

#[test]
fn an_interpreter_must_be_executable() {
    let library = || Writer { kind: 3, names: vec![(14, "x".to_owned())], ..Writer::new() }.write();
    let loader = "lib64/ld-linux-x86-64.so.2";
    let mut tree = tree(&[("app", libc().write()), ("lib/libc.so.6", library()), (loader, library())]);
    assert_eq!(refusal(&tree, "app", "linux/amd64"), None);
    let id = tree.id(&TreePath::literal(loader)).unwrap();
    tree.inode_mut(id).meta.mode = 0o644;
    let (message, help) = refusal(&tree, "app", "linux/amd64").unwrap();
    assert!(
        message.ends_with("nobody may execute its interpreter `/lib64/ld-linux-x86-64.so.2` (mode 0644)"),
        "{message}"
    );
    assert!(help.contains("0755"), "{help}");
}

#[test]
fn formats_by_their_first_bytes() {
    assert_eq!(format(b"#! /usr/bin/env python3\nx"), Format::Script("/usr/bin/env".to_owned()));
    assert_eq!(format(b"#!"), Format::Script(String::new()));
    assert_eq!(format(b"\xfe\xed\xfa\xcf"), Format::MachO);
    assert_eq!(format(b"MZ\x90"), Format::Windows);
    assert_eq!(format(b"\x7fELF"), Format::Elf);
    assert_eq!(format(b""), Format::Other);
}
