//! `[harden]` and `[certificates]`.

use std::path::PathBuf;

use super::fields::Fields;
use super::mistake::Mistake;
use super::shape::{ANY, Key, Keys, Shape, Text, Words, itself, text};
use super::words::{ImagePath, MAX_ID, Misfit, UserName};

/// What makes the image harder to misuse. Every profile is a choice of the other keys, which can be set one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harden {
    /// The user that the image runs as, made in the image.
    pub user: Option<UserRequest>,
    /// What becomes process 1.
    pub init: Init,
    /// The local file of tini, where it is neither a package's nor put in by `[[file]]`.
    pub local_init: Option<PathBuf>,
    /// What happens to setuid and setgid bits of files.
    pub setuid: Setuid,
    /// Whether file capabilities are taken away.
    pub strip_capabilities: bool,
    /// Whether world-writable files and folders, and the modes of account files, `/root` and `/tmp`, are mended.
    pub mend_permissions: bool,
    /// Whether passwords of all accounts are locked.
    pub lock_accounts: bool,
}

impl Harden {
    /// The packages that a distribution has to install for it: tini, unless a local one is put in.
    pub fn packages(&self) -> Vec<&'static str> {
        match self.init {
            Init::Tini if self.local_init.is_none() => vec!["tini"],
            Init::Tini | Init::None => Vec::new(),
        }
    }
}

/// A user, and a group of the same name or one that the image has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRequest {
    /// The name of both.
    pub name: UserName,
    /// The user's id, 1 to 2^31 - 1.
    pub uid: u32,
    /// The group's id, 0 to 2^31 - 1. One other than the user's may be that of any group of the image.
    pub gid: u32,
    /// The home folder.
    pub home: ImagePath,
    /// The login shell.
    pub shell: ImagePath,
}

/// What becomes process 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// The image's own command.
    #[default]
    None,
    /// tini, which reaps orphans and passes signals on.
    Tini,
}

/// What happens to setuid and setgid bits of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Setuid {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Strip,
    /// They go but for these files.
    StripBut(Vec<ImagePath>),
}

/// Where tini is looked for: where Debian and Fedora have it, then Alpine, and places of those who put it by hand.
pub const TINI_PLACES: [&str; 4] = ["/usr/bin/tini", "/sbin/tini", "/usr/sbin/tini", "/tini"];

pub(super) static KEYS: Keys = Keys {
    name: "[harden]",
    groups: &[&[
        Key {
            name: "profile",
            shape: Shape::Word(Words { known: &["none", "baseline"], later: &["strict", "distroless"] }),
            about: "`baseline`: setuid and capabilities stripped, permissions fixed, accounts locked; `none` where it is not given",
        },
        Key { name: "user", shape: Shape::Table(&USER), about: "the user that the image runs as" },
        Key {
            name: "init",
            shape: Shape::Text(INIT),
            about: "what becomes process 1: `tini`, a local tini by its path (`./tini`), or `none`",
        },
        Key {
            name: "setuid",
            shape: Shape::Either(
                &Shape::Word(Words { known: &["strip", "keep"], later: &[] }),
                &Shape::List(&Shape::Text(text::<ImagePath>("a path of the image"))),
            ),
            about: "setuid and setgid bits: `strip`, `keep`, or the files that keep them",
        },
        Key { name: "capabilities", shape: STRIP, about: "file capabilities: `strip` or `keep`" },
        Key {
            name: "permissions",
            shape: Shape::Word(Words { known: &["fix", "keep"], later: &[] }),
            about: "world-writable files, and the modes of account files, /root and /tmp: `fix` or `keep`",
        },
        Key { name: "lock-accounts", shape: Shape::Flag { only: None }, about: "lock the passwords of all accounts" },
        Key { name: "package-manager", shape: Shape::Word(KEEP), about: "the package manager stays" },
        Key { name: "shells", shape: Shape::Word(KEEP), about: "shells stay" },
    ]],
    later: &[],
};

const INIT: Text = Text { what: "an init", check: check_init };
const STRIP: Shape = Shape::Word(Words { known: &["strip", "keep"], later: &[] });
const KEEP: Words = Words { known: &["keep"], later: &["remove"] };

static USER: Keys = Keys {
    name: "`user` in [harden]",
    groups: &[&[
        Key {
            name: "name",
            shape: Shape::Text(text::<UserName>("a user name")),
            about: "the name of the user and its group",
        },
        Key { name: "uid", shape: ID, about: "the user's number" },
        Key { name: "gid", shape: GROUP_ID, about: "the group's number; the user's where it is not given" },
        Key {
            name: "home",
            shape: Shape::Text(text::<ImagePath>("a path of the image")),
            about: "the home folder; /home/NAME where it is not given",
        },
        Key {
            name: "shell",
            shape: Shape::Text(text::<ImagePath>("a path of the image")),
            about: "the login shell; /usr/sbin/nologin where it is not given",
        },
    ]],
    later: &[],
};

const ID: Shape = Shape::Integer { least: 1, most: MAX_ID as i64 };
/// The group may be root's, whose files platforms that choose the user themselves rely on.
const GROUP_ID: Shape = Shape::Integer { least: 0, most: MAX_ID as i64 };

pub(super) static CERTIFICATES: Keys = Keys {
    name: "[certificates]",
    groups: &[&[Key {
        name: "extra",
        shape: Shape::SetWithFiles(&Shape::Text(ANY), itself, |_| true),
        about: "PEM files of certificate authorities to trust",
    }]],
    later: &[],
};

/// Reads `[harden]`.
pub(super) fn read(mut fields: Fields<'_>) -> Harden {
    let baseline = fields.string("profile").as_deref() == Some("baseline");
    let user = fields.table("user", &USER).and_then(read_user);
    let (init, local_init) = match fields.word_or_file("init", &["tini", "none"]) {
        Some(Ok(word)) if word == "tini" => (Init::Tini, None),
        Some(Err(file)) => (Init::Tini, Some(file)),
        _ => (Init::None, None),
    };
    let setuid = match fields.string_or_list("setuid") {
        Some(Ok(word)) if word == "strip" => Setuid::Strip,
        Some(Ok(_)) => Setuid::Keep,
        Some(Err(kept)) => Setuid::StripBut(kept),
        None if baseline => Setuid::Strip,
        None => Setuid::Keep,
    };
    let strip_capabilities = fields.string("capabilities").map_or(baseline, |word| word == "strip");
    let mend_permissions = fields.string("permissions").map_or(baseline, |word| word == "fix");
    let lock_accounts = fields.flag("lock-accounts").unwrap_or(baseline);
    fields.string("package-manager");
    fields.string("shells");
    fields.finish();
    Harden { user, init, local_init, setuid, strip_capabilities, mend_permissions, lock_accounts }
}

/// Reads `[certificates]`.
pub(super) fn read_certificates(mut fields: Fields<'_>) -> Vec<PathBuf> {
    let extra = fields.local_files("extra");
    fields.finish();
    extra
}

fn check_init(found: &str) -> Result<(), Misfit> {
    if matches!(found, "tini" | "none") || found.contains('/') {
        return Ok(());
    }
    Err(Misfit::new(
        found,
        "an init",
        "`tini`, `none`, or the path of a local tini with a slash in it, such as `./tini`",
    ))
}

fn read_user(mut fields: Fields<'_>) -> Option<UserRequest> {
    let name_place = fields.place_of("name");
    let name = fields.required::<UserName>("name");
    let uid = fields.required_number("uid");
    let gid = fields.number("gid");
    let home = fields.text("home");
    let shell = fields.text("shell");
    if name.as_ref().is_some_and(|name| name.as_str() == "root") {
        let clash = "the user that the image runs as is named `root`".to_owned();
        fields.error(name_place, Mistake::Clash(clash, "choose another name, or leave out `user`"));
    }
    fields.finish();
    let (name, uid) = (name?, uid?);
    let path = |text: String| text.parse::<ImagePath>().expect("a user's name makes a path");
    let home = home.unwrap_or_else(|| path(format!("/home/{name}")));
    let shell = shell.unwrap_or_else(|| path("/usr/sbin/nologin".to_owned()));
    Some(UserRequest { gid: gid.unwrap_or(uid), name, uid, home, shell })
}
