use super::*;
use crate::tree::{Content, Inode, Origin};

/// A header of strings and numbers, as rpm writes it.
fn header(strings: &[(u32, &str)], numbers: &[(u32, u32)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let mut entry = |tag: u32, kind: u32, bytes: &[u8]| {
        for number in [tag, kind, data.len() as u32, 1] {
            index.extend(number.to_be_bytes());
        }
        data.extend_from_slice(bytes);
    };
    for (tag, number) in numbers {
        entry(*tag, 4, &number.to_be_bytes());
    }
    for (tag, text) in strings {
        entry(*tag, 6, format!("{text}\0").as_bytes());
    }
    let count = (index.len() / 16) as u32;
    [&count.to_be_bytes()[..], &(data.len() as u32).to_be_bytes(), &index, &data].concat()
}

fn bash() -> Vec<u8> {
    let strings = [
        (tag::NAME, "bash"),
        (tag::VERSION, "5.2"),
        (tag::RELEASE, "1.fc43"),
        (tag::ARCH, "x86_64"),
        (tag::SOURCERPM, "bash-src-5.2-1.fc43.src.rpm"),
    ];
    header(&strings, &[(tag::EPOCH, 2), (tag::SIZE, 4096)])
}

fn key() -> Vec<u8> {
    header(&[(tag::NAME, "gpg-pubkey"), (tag::VERSION, "1"), (tag::RELEASE, "2")], &[])
}

fn tree(path: &str, bytes: Vec<u8>) -> Tree {
    let mut tree = Tree::new();
    let inode = Inode::file(0o644, Content::bytes(bytes), Origin::Sandbox);
    tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
    tree
}

fn expect_bash(tree: &Tree) {
    let found = packages(tree).unwrap();
    let expected = Package {
        manager: Manager::Rpm,
        name: "bash".to_owned(),
        version: "2:5.2-1.fc43".to_owned(),
        architecture: "x86_64".to_owned(),
        source: Some("bash-src".to_owned()),
        installed_size: 4096,
    };
    assert_eq!(found, [expected]);
}

/// A database of ndb's form: a page of slots, then the blobs.
fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [&b"RpmP"[..], &[0; 8], &1u32.to_le_bytes(), &[0; 16]].concat();
    let mut blobs = Vec::new();
    for slot in 0..254 {
        file.extend(b"Slot");
        let Some(header) = headers.get(slot) else {
            file.extend([0; 12]);
            continue;
        };
        let blocks = (16 + header.len() + 12).div_ceil(16);
        for number in [slot as u32 + 1, ((4096 + blobs.len()) / 16) as u32, blocks as u32] {
            file.extend(number.to_le_bytes());
        }
        let start = blobs.len();
        blobs.extend(b"BlbS");
        for number in [slot as u32 + 1, 0, header.len() as u32] {
            blobs.extend(number.to_le_bytes());
        }
        blobs.extend_from_slice(header);
        blobs.resize(start + blocks * 16, 0);
    }
    [file, blobs].concat()
}

/// A hash of Berkeley DB: its first page, one of items, and one of overflow for each header.
fn bdb(headers: &[Vec<u8>], word: fn(u32) -> [u8; 4], half: fn(u16) -> [u8; 2]) -> Vec<u8> {
    const PAGE: usize = 1024;
    let mut meta = vec![0; PAGE];
    meta[12..16].copy_from_slice(&word(MAGIC_OF_HASH));
    meta[20..24].copy_from_slice(&word(PAGE as u32));
    meta[25] = 8;
    let mut items = vec![0; PAGE];
    items[25] = 13;
    let (mut end, mut places, mut overflow) = (PAGE, Vec::new(), Vec::new());
    let mut put = |item: &[u8]| {
        end -= item.len();
        items[end..end + item.len()].copy_from_slice(item);
        places.push(end as u16);
    };
    put(&[1, 0, 0, 0, 0]);
    put(&[1, 9, 0, 0, 0]);
    for header in headers {
        put(&[1, 1, 0, 0, 0]);
        let first = 2 + (overflow.len() / PAGE) as u32;
        put(&[&[3, 0, 0, 0], &word(first)[..], &word(header.len() as u32)].concat());
        let chunks: Vec<_> = header.chunks(PAGE - 26).collect();
        for (number, chunk) in chunks.iter().enumerate() {
            let mut page = vec![0; PAGE];
            let next = if number + 1 < chunks.len() { first + number as u32 + 1 } else { 0 };
            page[16..20].copy_from_slice(&word(next));
            page[25] = 7;
            page[26..26 + chunk.len()].copy_from_slice(chunk);
            overflow.extend(page);
        }
    }
    items[20..22].copy_from_slice(&half(places.len() as u16));
    for (number, place) in places.iter().enumerate() {
        items[26 + number * 2..28 + number * 2].copy_from_slice(&half(*place));
    }
    [meta, items, overflow].concat()
}

const MAGIC_OF_HASH: u32 = 0x0006_1561;

#[test]
fn ndb_databases() {
    let file = ndb(&[key(), bash()]);
    expect_bash(&tree("usr/lib/sysimage/rpm/Packages.db", file.clone()));
    for wrong in [4, 4096, 4096 + 20, file.len() - 60] {
        let error = packages(&tree("var/lib/rpm/Packages.db", file[..wrong].to_vec()));
        assert!(matches!(error, Err(InventoryError::Damaged { .. })), "{wrong}: {error:?}");
    }
}

#[test]
fn berkeley_databases_of_both_byte_orders() {
    expect_bash(&tree("var/lib/rpm/Packages", bdb(&[bash(), key()], u32::to_le_bytes, u16::to_le_bytes)));
    expect_bash(&tree("var/lib/rpm/Packages", bdb(&[bash(), key()], u32::to_be_bytes, u16::to_be_bytes)));
    let mut circle = bdb(&[header(&[(tag::NAME, &"x".repeat(3000))], &[])], u32::to_le_bytes, u16::to_le_bytes);
    circle[2 * 1024 + 16] = 1;
    let error = packages(&tree("var/lib/rpm/Packages", circle));
    assert!(matches!(error, Err(InventoryError::Damaged { .. })), "{error:?}");
}

#[test]
fn manifests_of_azure_linux() {
    let text = "bash\t5.2-1.azl3\t1\t2\tMicrosoft\t(none)\t4096\tx86_64\t0\tbash-src-5.2-1.azl3.src.rpm\n\
                tzdata\t2026a-1.azl3\t1\t2\tMicrosoft\t1\t12\tnoarch\t0\ttzdata-2026a-1.azl3.src.rpm\nnonsense\n";
    let found = packages(&tree(MANIFEST, text.into())).unwrap();
    let lines: Vec<String> =
        found.iter().map(|one| format!("{} {} {} {:?}", one.name, one.version, one.architecture, one.source)).collect();
    assert_eq!(lines, ["bash 5.2-1.azl3 x86_64 Some(\"bash-src\")", "tzdata 1:2026a-1.azl3 noarch None"]);
}

#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let sound = [("Packages.db", ndb(&[bash()])), ("Packages", bdb(&[bash()], u32::to_le_bytes, u16::to_le_bytes))];
    for (file, sound) in sound {
        for place in (0..sound.len()).step_by(7) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = sound.clone();
                bytes[place] = value;
                drop(packages(&tree(&format!("var/lib/rpm/{file}"), bytes)));
            }
        }
    }
    let garbage = packages(&tree("var/lib/rpm/rpmdb.sqlite", vec![0x41; 5000]));
    assert!(matches!(garbage, Err(InventoryError::Damaged { .. })), "{garbage:?}");
    assert!(Header::parse(&[0xff; 64]).is_none());
    assert_eq!(Header::parse(&bash()).unwrap().string(9999), None);
}
