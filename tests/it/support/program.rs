//! Programs for tests: a small one in C, compiled by this machine.

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
    std::fs::write(&source, SOURCE).unwrap();
    run(Command::new("cc").args(["-O1", "-o"]).arg(path).args(flags).arg(&source));
    std::fs::remove_file(source).unwrap();
}
