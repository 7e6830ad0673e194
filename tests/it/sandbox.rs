//! What programs see in the sandbox, whichever way it was entered.

use crate::support::door::DOORS;
use crate::support::require::{Need, find, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

/// Java finds its libraries by the first, systemd's programs change files by descriptors, shells read `/dev/fd`. Directories
/// have one order, whatever the order of the file system, and can be emptied while they are read. The C library sends itself
/// real-time signals when a program with threads changes its user. Writers of pipes end when nobody reads any more.
const SCRIPT: &str = r#"
exec > /srv/said
yes | head -n 1
awk '/^SigIgn/ { print substr($2, length($2) - 3) }' /proc/self/status
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
pub const SAID: &str = "y\n0000\n/usr/bin/readlink\n/proc is a mountpoint\nproc\nproc\n/proc proc\nsubstituted\npiped\nonce more\n\
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

#[test]
fn steps_change_the_recipes_files_and_know_the_hosts_name_servers() {
    require!(Need::Root, Need::Program("busybox"));
    let workspace = Workspace::new();
    std::fs::copy(find("busybox").unwrap(), workspace.path("busybox")).unwrap();
    std::fs::copy("/etc/resolv.conf", workspace.path("resolv.conf")).unwrap();
    let script = "set -e; echo two >> /etc/changed; rm /etc/gone /etc/link; chmod 0600 /etc/closed; ln -s kept /etc/link; \
                  mv /etc/folder/moved /etc/moved";
    let looks = "set -e; cmp /etc/resolv.conf /etc/asked; grep -q localhost /etc/hosts; echo mine > /etc/kept";
    workspace.write(
        "steps.toml",
        &format!(
            r#"
name = "steps"
[from.scratch]
[[file]]
path = "/bin/busybox"
source = "busybox"
[[file]]
path = "/etc/asked"
source = "resolv.conf"
[[file]]
path = "/etc/changed"
content = "one\n"
[[file]]
path = "/etc/gone"
content = "gone\n"
[[file]]
path = "/etc/closed"
content = "closed\n"
[[file]]
path = "/etc/kept"
content = "kept\n"
[[file]]
path = "/etc/link"
link = "changed"
[[file]]
path = "/etc/folder/moved"
content = "moved\n"
[[run]]
command = ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin; {script}"]
[[run]]
command = ["/bin/sh", "-c", "{looks}"]
network = true
[[run]]
command = ["/bin/sh", "-c", "test ! -e /etc/resolv.conf && test ! -e /etc/hosts"]
"#
        ),
    );
    workspace.rootsmith(["build", "steps.toml", "-o", "rootfs-dir:root", "--progress", "none"]).succeeded();
    let read = |name: &str| std::fs::read_to_string(workspace.path("root/etc").join(name)).unwrap_or_default();
    let texts = ["changed", "gone", "closed", "kept", "folder/moved", "moved", "resolv.conf", "hosts"].map(read);
    assert_eq!(texts, ["one\ntwo\n", "", "closed\n", "mine\n", "", "moved\n", "", ""]);
    assert_eq!(std::fs::read_link(workspace.path("root/etc/link")).unwrap(), std::path::Path::new("kept"));
    let mode = std::fs::metadata(workspace.path("root/etc/closed")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o7777, 0o600);
}
