//! What programs see in the sandbox, whichever way it was entered.

use crate::support::door::DOORS;
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

/// Java finds its libraries by the first, systemd's programs change files by descriptors, shells read `/dev/fd`. Directories
/// have one order, whatever the order of the file system, and can be emptied while they are read. The C library sends itself
/// real-time signals when a program with threads changes its user.
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
exec 7> /srv/one
ln --logical /proc/self/fd/7 /srv/two
stat --format '%h %n' /srv/two
rm /srv/one /srv/two
perl -e 'open my $file, "<", "/proc/$$/comm" or die; print <$file>; print -e "/proc/none" ? "there" : "not there", "\n"'
(trap 'echo caught' RTMIN; kill -RTMIN $BASHPID)
(kill -RTMAX $BASHPID) || echo $?
grep -c ^MemTotal /proc/meminfo
ls -d /proc/self/fd/
mkdir /srv/up /srv/down
(cd /srv/up && touch $(seq 3000))
(cd /srv/down && touch $(seq 3000 -1 1))
cmp <(ls -U /srv/up) <(ls -U /srv/down)
ls -U /srv/up | wc -l
ls -U /srv/up | head -n 3
perl -e '
    opendir my $folder, "/srv/up";
    readdir $folder for 1..7;
    my ($at, $name) = (telldir $folder, readdir $folder);
    readdir $folder for 1..2000;
    seekdir $folder, $at;
    print readdir $folder eq $name ? "back\n" : "lost\n";
'
rm -r /srv/up
find /srv/down -delete
ls /srv
"#;

/// What it says.
pub const SAID: &str = "/usr/bin/readlink\n/proc is a mountpoint\nproc\nproc\n/proc proc\nsubstituted\npiped\nonce more\n\
                    /usr/lib\n700 /srv/closed\n2 /srv/two\nperl\nnot there\ncaught\n192\n1\n/proc/self/fd/\n3000\n1710\n1711\n1712\nback\nclosed\nsaid\n";

/// A recipe with a step that looks at `/proc`, and writes what it sees to `/srv/said`.
pub fn recipe() -> String {
    format!(
        "name = \"looking\"\n[from.debian]\nsuite = \"trixie\"\nvariant = \"essential\"\n\
         [[run]]\ncommand = [\"bash\", \"-euc\", '''{SCRIPT}''']\n"
    )
}

#[test]
fn programs_see_the_same_everywhere() {
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
