//! What programs see in the sandbox, whichever way it was entered.

use crate::support::door::DOORS;
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

/// Java finds its libraries by the first, systemd's programs change files by descriptors, shells read `/dev/fd`.
const SCRIPT: &str = r#"
exec > /srv/said
readlink /proc/self/exe
mountpoint /proc
stat --file-system --format %T /proc /proc/
cut -d ' ' -f 2,3 /proc/mounts | grep proc
cat <(echo substituted)
echo piped | cat /dev/stdin
(exec /proc/self/exe -c 'echo once more')
exec 5< /usr/lib
readlink /proc/$$/fd/5
mkdir /srv/closed
exec 6< /srv/closed
chmod 0700 /proc/self/fd/6
stat --format '%a %n' /srv/closed
perl -e 'open my $file, "<", "/proc/$$/comm" or die; print <$file>; print -e "/proc/none" ? "there" : "not there", "\n"'
grep -c ^MemTotal /proc/meminfo
ls -d /proc/self/fd/
"#;

/// What it says.
pub const SAID: &str = "/usr/bin/readlink\n/proc is a mountpoint\nproc\nproc\n/proc proc\nsubstituted\npiped\nonce more\n\
                    /usr/lib\n700 /srv/closed\nperl\nnot there\n1\n/proc/self/fd/\n";

/// A recipe with a step that looks at `/proc`, and writes what it sees to `/srv/said`.
pub fn recipe() -> String {
    format!(
        "name = \"looking\"\n[from.debian]\nsuite = \"trixie\"\nvariant = \"essential\"\n\
         [[run]]\ncommand = [\"bash\", \"-euc\", '''{SCRIPT}''']\n"
    )
}

#[test]
fn proc_tells_a_program_of_itself() {
    require!(Need::Doors, Need::Mirror);
    for door in DOORS {
        let workspace = Workspace::new();
        workspace.write("looking.toml", &recipe());
        door.prepare(&workspace);
        let words = door.prefix().iter().map(Into::into).chain([binary().into_os_string()]);
        let arguments = ["build", "looking.toml", "-o", "rootfs-tar:looking.tar", "--progress", "none"];
        finish(workspace.command(words).args(arguments).args(mirrors())).succeeded();
        let said = run(&mut workspace.command(["tar", "-xOf", "looking.tar", "srv/said"]));
        assert_eq!(said, SAID, "{door:?}");
        let left = run(&mut workspace.command(["tar", "-tf", "looking.tar"]));
        assert!(
            !left.lines().any(|path| path.trim_start_matches("./").starts_with("proc/") && path.len() > 7),
            "{left}"
        );
    }
}
