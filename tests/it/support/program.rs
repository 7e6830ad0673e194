//! Programs for tests: a small one in C, and rootsmith itself, both linked on this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::workspace::run;

/// Says who and where it is, what the files that it is given hold (at most a line of each), and the time in Tokyo.
const SOURCE: &str = r#"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **words) {
    char folder[4096], line[256];
    printf("ids %d:%d in %s\n", getuid(), getgid(), getcwd(folder, sizeof folder));
    for (int at = 1; at < count; at++) {
        FILE *file = fopen(words[at], "r");
        if (!file) { printf("%s: none\n", words[at]); continue; }
        printf("%s: %s", words[at], fgets(line, sizeof line, file) ? line : "\n");
    }
    setenv("TZ", "Asia/Tokyo", 1);
    tzset();
    time_t noon = 1750000000;
    strftime(line, sizeof line, "%H:%M %Z", localtime(&noon));
    printf("%s\n", line);
    return 0;
}
"#;

/// Compiles it to `path`, with further flags.
pub fn compile(path: &Path, flags: &[&str]) {
    let source = path.with_extension("c");
    fs::write(&source, SOURCE).unwrap();
    run(Command::new("cc").args(["-O1", "-o"]).arg(path).args(flags).arg(&source));
    fs::remove_file(source).unwrap();
}

/// Links rootsmith without shared libraries, out of what cargo compiled for this test.
pub fn link_rootsmith(path: &Path) {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let libraries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let own = libraries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("librootsmith-") && name.ends_with(".rlib")
    });
    // Those of earlier builds may lie beside it.
    let library = own.max_by_key(|entry| entry.metadata().unwrap().modified().unwrap()).unwrap().path();
    let mut link = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    link.current_dir(env!("CARGO_MANIFEST_DIR"));
    link.args(["--edition=2024", "--crate-name=rootsmith", "-Ctarget-feature=+crt-static", "-Cstrip=symbols"]);
    link.arg("--extern").arg(format!("rootsmith={}", library.display()));
    link.arg("-L").arg(format!("dependency={}", folder.display())).arg("-o").arg(path).arg("src/main.rs");
    run(&mut link);
}
