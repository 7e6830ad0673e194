//! Wheels in conda environments: which fit, and what they say of themselves.

use std::fs;
use std::io::Write;
use std::path::Path;

use rootsmith::digest::Digest;

use crate::conda::{Image, layer, text};
use crate::conda_inputs::{PREFIX, with_packages};
use crate::support::conda::Package;

#[test]
fn wheels_fit_or_are_refused() {
    let python = Package::new("python", "3.12.1").file("bin/python3.12", "#!/bin/sh\n", 0o755);
    let workspace = with_packages(vec![python, Package::new("tool", "1").file("x", "x", 0o644)]);
    let wheel = |tags: &str| {
        let name = format!("My.Tool-1.0-{tags}.whl");
        let hex = write_wheel(&workspace.path(&name));
        format!("./{name}#sha256={hex}")
    };
    let ask = |dependencies: &str, line: &str| {
        let text =
            format!("channels: [./channel]\ndependencies:\n  - {dependencies}\n  - pip:\n    - \"my-tool @ {line}\"\n");
        workspace.write("environment.yml", &text);
        layer(&workspace, &[])
    };
    let pure = wheel("py3-none-any");
    ask("python", &pure).succeeded();
    let files = Image::open(workspace.path("out")).files();
    let site = format!("{PREFIX}/lib/python3.12/site-packages");
    let record = text(&files, &format!("{site}/My.Tool-1.0.dist-info/RECORD"));
    assert!(record.contains("tool.py,sha256=") && record.contains("../../../bin/tool,sha256="), "{record}");
    assert!(
        record.contains("tool/_vendor/other-2.dist-info/RECORD,sha256="),
        "the record of another within it is a file"
    );
    assert_eq!(
        text(&files, &format!("{PREFIX}/bin/tool")).lines().next().unwrap(),
        format!("#!/{PREFIX}/bin/python3.12")
    );
    assert_eq!(
        text(&files, &format!("{PREFIX}/bin/run")).lines().next().unwrap(),
        format!("#!/{PREFIX}/bin/python3.12")
    );
    assert_eq!(text(&files, &format!("{PREFIX}/share/tool.txt")), "data");
    assert!(!files.contains_key(&format!("{PREFIX}/bin/other")), "what is within it starts nothing");
    let lock = fs::read_to_string(workspace.path("environment.rootsmith.lock")).unwrap();
    assert!(lock.contains("name = \"my-tool\"") && lock.contains("url = \"./My.Tool-1.0-py3-none-any.whl\""), "{lock}");
    ask("python", &wheel("cp312-cp312-manylinux_2_28_x86_64")).succeeded();
    ask("python", &wheel("cp312-cp312-manylinux_2_38_x86_64")).failed_with(2).says("glibc 2.36");
    ask("python", &wheel("cp311-cp311-manylinux_2_28_x86_64")).failed_with(2).says("cp312");
    ask("python", &wheel("cp312-cp312-musllinux_1_2_x86_64")).failed_with(2).says("musllinux");
    ask("tool", &pure).failed_with(2).says("no python");
    ask("python", &pure[..pure.len() - 1]).failed_with(2).says("sha256");
    let wrong = format!("{}#sha256={}", pure.split('#').next().unwrap(), "0".repeat(64));
    ask("python", &wrong).failed_with(4).says("has the wrong bytes");
}

#[test]
fn exact_lists_have_wheels_too() {
    let python = Package::new("python", "3.12.1").file("bin/python3.12", "#!/bin/sh\n", 0o755);
    let workspace = with_packages(vec![python]);
    let package = workspace.path("channel/linux-64/python-3.12.1-0.conda");
    let digest = Digest::of_file(&package).unwrap().hex();
    let ask = |tags: &str| {
        let name = format!("My.Tool-1.0-{tags}.whl");
        let hex = write_wheel(&workspace.path(&name));
        // As `conda-lock render --kind explicit` writes it.
        let wheel = format!("# pip my-tool @ file://{} --hash=sha256:{hex}", workspace.path(&name).display());
        let text = format!("# platform: linux-64\n@EXPLICIT\nfile://{}#sha256:{digest}\n{wheel}\n", package.display());
        workspace.write("explicit.txt", &text);
        workspace.rootsmith(["layer", "base", "--conda", "explicit.txt", "-o", "oci:out", "--progress", "lines"])
    };
    ask("cp312-cp312-manylinux_2_28_x86_64").succeeded();
    let files = Image::open(workspace.path("out")).files();
    assert!(files.contains_key(&format!("{PREFIX}/lib/python3.12/site-packages/tool.py")));
    ask("cp312-cp312-manylinux_2_38_x86_64").failed_with(2).says("glibc 2.36");
    let text = fs::read_to_string(workspace.path("explicit.txt")).unwrap().replace("--hash=sha256:", "--hash=md5:");
    workspace.write("explicit.txt", &text);
    workspace.rootsmith(["layer", "base", "--conda", "explicit.txt", "-o", "oci:out"]).failed_with(2).says("my-tool");
}

#[test]
fn wheels_are_compared_with_what_they_say_of_themselves() {
    let python = Package::new("python", "3.12.1").file("bin/python3.12", "#!/bin/sh\n", 0o755);
    let numpy = Package::new("numpy-base", "1.26").file(
        "lib/python3.12/site-packages/numpy-1.26.dist-info/METADATA",
        "Name: numpy\n",
        0o644,
    );
    let workspace = with_packages(vec![python, numpy]);
    let ask = |files: &[(&str, &str)]| {
        let name = "a_tool-1.0-py3-none-any.whl";
        let hex = write_zip(&workspace.path(name), files);
        let text = format!(
            "channels: [./channel]\ndependencies:\n  - python\n  - numpy-base\n  - pip:\n    - \"a-tool @ ./{name}#sha256={hex}\"\n"
        );
        workspace.write("environment.yml", &text);
        layer(&workspace, &[])
    };
    let record = ("a_tool-1.0.dist-info/RECORD", "");
    let says = |lines: &str| {
        let text = format!("Metadata-Version: 2.1\n{lines}\n");
        ask(&[("a.py", ""), ("a_tool-1.0.dist-info/METADATA", &text), record])
    };
    let needs = "Requires-Dist: numpy>=1\nRequires-Dist: absent>=2\nRequires-Dist: win ; sys_platform == 'win32'";
    let finished = says(&format!("Name: A.Tool\nVersion: 1.0\nRequires-Python: >=3.8\n{needs}"));
    finished.succeeded().says("the wheel a-tool 1.0 needs what the environment has not: absent>=2; add it");
    let finished = says("Name: A.Tool\nVersion: 1.0\nRequires-Python: >=3.13");
    finished.failed_with(2).says("it needs Python >=3.13, and the environment has 3.12.1").says("a_tool-1.0-py3");
    says("Name: other\nVersion: 1.0").failed_with(2).says("`METADATA` says other 1.0");
    says("Name: a-tool\nVersion: 2.0").failed_with(2).says("`METADATA` says a-tool 2.0");
    let finished = ask(&[("a_tool-1.0.dist-info/METADATA", "Name: a-tool\nVersion: 1.0\n")]);
    finished.failed_with(4).says("cannot install the wheel a-tool 1.0").says("no `RECORD`");
    let finished = ask(&[("../../evil", "x"), record]);
    finished.failed_with(4).says("cannot install the wheel a-tool 1.0").says("evil");
}

/// Writes a wheel with a module, commands, data, and another distribution within it; gives its digest.
fn write_wheel(path: &Path) -> String {
    let files = [
        ("tool.py", "def main():\n    pass\n"),
        ("tool/_vendor/other-2.dist-info/RECORD", "x,,\n"),
        ("tool/_vendor/other-2.dist-info/entry_points.txt", "[console_scripts]\nother = other:main\n"),
        ("My.Tool-1.0.data/scripts/run", "#!python\nprint(1)\n"),
        ("My.Tool-1.0.data/data/share/tool.txt", "data"),
        ("My.Tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: My.Tool\nVersion: 1.0\n"),
        ("My.Tool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"),
        ("My.Tool-1.0.dist-info/entry_points.txt", "[console_scripts]\ntool = tool:main\n"),
        ("My.Tool-1.0.dist-info/RECORD", ""),
    ];
    write_zip(path, &files)
}

/// Writes a zip of these files; gives its digest.
fn write_zip(path: &Path, files: &[(&str, &str)]) -> String {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, text) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    Digest::of(&fs::read(path).unwrap()).hex()
}
