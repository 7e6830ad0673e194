//! Archives of strangers: every kind of wrong one, and what becomes of it.
//!
//! Nothing is ever written to the host: an archive becomes a tree, or an error that says why not.

mod damage;
mod entries;
mod headers;
mod images;

use std::fs;
use std::io::Write;

use rootsmith::archive::Limits;
use rootsmith::image::{self, Choice};
use rootsmith::tree::{Content, Node, Tree, escape};
use serde_json::{Value, json};

use crate::support::raw_tar::{
    Entry, Field, base256, body, device, directory, docker_archive, entry, file, global, gnu_long, hard_link,
    image_config, oci_archive, oci_archive_of, pax, symlink, tar, unfinished,
};

/// What becomes of an archive.
enum Expected {
    /// A tree of exactly these paths.
    Kept(&'static [&'static str]),
    /// A tree whose full text has this in it.
    Shows(&'static str),
    /// An error in which this phrase is.
    Refused(&'static str),
}
use Expected::{Kept, Refused, Shows};

/// Small quotas, so that bombs can be small too.
fn limits() -> Limits {
    Limits { entries: 1000, bytes: 8 << 20, sparse: 1 << 20, ..Limits::default() }
}

/// Reads an archive; nothing of the machine may have changed afterwards.
fn read(archive: &[u8]) -> Result<Tree, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    fs::write(&path, archive).unwrap();
    let opened = image::open(&path, &Choice::default(), &limits(), &temporary);
    let result = opened.map_err(|error| chain(&error)).map(|opened| in_memory(&opened.tree));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is beside the archive: {left:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(fs::read(&path).unwrap().len(), archive.len());
    result
}

/// The tree with its contents, which outlives the archive.
fn in_memory(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    for inode in tree.inodes_where(|_| true) {
        if let Node::File(content) = &mut inode.node {
            *content = Content::bytes(content.read().unwrap());
        }
    }
    tree
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// One word for the kind, then the path, and where a link leads.
fn listing(tree: &Tree) -> Vec<String> {
    let text = tree.to_text().unwrap();
    let short = |line: &str| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let path = words[3].split(" sha256:").next().unwrap().split(" mtime=").next().unwrap();
        format!("{} {path}", words[2])
    };
    text.lines().skip(1).map(short).collect()
}

fn check(cases: Vec<(&str, Vec<u8>, Expected)>) {
    let mut wrong = Vec::new();
    for (name, archive, expected) in cases {
        let found = read(&archive);
        let fits = match (&expected, &found) {
            (Kept(paths), Ok(tree)) => listing(tree) == **paths,
            (Shows(phrase), Ok(tree)) => tree.to_text().unwrap().contains(phrase),
            (Refused(phrase), Err(error)) => {
                error.contains(phrase) && error.chars().all(|c| c == '\n' || !c.is_control())
            }
            _ => false,
        };
        if !fits {
            let mut found = format!("{:?}", found.map(|tree| tree.to_text().unwrap()));
            found.truncate(2000);
            wrong.push(format!("{name}:\n    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn case(name: &'static str, entries: &[Entry], expected: Expected) -> (&'static str, Vec<u8>, Expected) {
    (name, tar(entries), expected)
}

/// One image of these layers, each a list of entries.
fn layers(name: &'static str, layers: &[&[Entry]], expected: Expected) -> (&'static str, Vec<u8>, Expected) {
    let layers: Vec<Vec<u8>> = layers.iter().map(|entries| tar(entries)).collect();
    (name, docker_archive(&layers, json!({})), expected)
}

const NOWHERE: &str = "has an entry whose name leads nowhere";
const NO_DIRECTORY: &str = "is not a directory";
const ROOT: &str = "the root of a tree is always a directory";

fn sparse_of(entry: &Entry) -> Vec<Entry> {
    vec![entry.clone(), file("after", "")]
}
