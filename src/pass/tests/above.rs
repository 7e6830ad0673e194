use super::*;

/// What is on top of `base` after the passes of a recipe, with what steps have left in `made`.
fn above(base: &[&str], made: &[&str], text: &str) -> Vec<String> {
    let base = tree(base);
    let mut whole = base.clone();
    for entry in tree(made).entries() {
        let inode = Inode { origin: Origin::Sandbox, ..Inode::clone(entry.inode) };
        if !whole.contains(entry.path) {
            whole.insert(entry.path.clone(), inode).unwrap();
        }
    }
    for pass in list_above(base.clone(), &recipe(text), Before::default(), epoch()).unwrap() {
        pass.apply(&mut whole).unwrap();
    }
    paths(&whole).into_iter().filter(|path| !paths(&base).contains(path)).collect()
}

#[test]
fn the_recipes_own_files_stay_in_runtime_folders() {
    let text = "[[file]]\npath = \"/run/app/lock\"\ncontent = \"x\"\n[[file]]\npath = \"/tmp/seed\"\ncontent = \"x\"\n";
    let new = above(&["run/old=", "tmp/"], &["run/app/made=", "run/made=", "tmp/made=", "srv/made="], text);
    assert_eq!(new, ["/run/app", "/run/app/lock", "/srv", "/srv/made", "/tmp/seed"]);
}
