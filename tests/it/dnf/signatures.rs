//! Packages and repositories that are not what they should be.

use super::*;

#[test]
fn packages_are_signed_by_the_right_key() {
    require_toy!();
    let workspace = workspace(&recipe(Signed::Well, PACKAGES));
    build(&workspace, &[]).succeeded();
    let lock = fs::read_to_string(workspace.path("toy.lock")).unwrap();
    let key = finish(
        Command::new("gpg")
            .args(["--show-keys", "--with-colons"])
            .arg(Toy::new().key())
            .env("HOME", workspace.path("home")),
    );
    let fingerprint =
        key.stdout.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned();
    assert_eq!(lock.matches(&format!("signed-by = \"{fingerprint}\"")).count(), 8, "{lock}");

    // Unsigned packages, taken only where the recipe says so.
    let unsigned = recipe(Signed::Not, PACKAGES);
    let image = image(&unsigned);
    assert!(image.listing().contains_key("usr/bin/greet"));
    let strict = unsigned.replace("trust = \"unsigned\"", &format!("keyring = [\"{}\"]", Toy::new().key().display()));
    let refused = build(&self::workspace(&strict), &[]);
    refused.failed_with(4).says("cannot trust").says("has no OpenPGP signature").says("trust = \"unsigned\"");
    let no_keys = build(&self::workspace(&unsigned.replace("trust = \"unsigned\"", "")), &[]);
    no_keys.failed_with(2).says("nothing says which keys sign the packages of the repository `toy`");

    // A stranger's.
    let wrong = build(&self::workspace(&recipe(Signed::Wrongly, PACKAGES)), &[]);
    wrong.failed_with(4).says("cannot trust").says("is not in the keyring");

    // The recipe can say which key it has to be.
    let pinned = recipe(Signed::Well, PACKAGES) + &format!("fingerprints = [\"{fingerprint}\"]\n");
    build(&self::workspace(&pinned), &[]).succeeded();
    let other = recipe(Signed::Well, PACKAGES) + &format!("fingerprints = [\"{}\"]\n", "0".repeat(40));
    build(&self::workspace(&other), &[])
        .failed_with(2)
        .says("has none of the keys in `fingerprints`")
        .says(&fingerprint);
}

#[test]
fn a_changed_payload_is_noticed_even_where_the_index_fits_it() {
    require_toy!();
    let workspace = workspace("");
    let copied = copy_repository(&workspace);
    let package = copied.join("applause-1-1.noarch.rpm");
    let mut bytes = fs::read(&package).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&package, bytes).unwrap();
    index(&copied, None);
    workspace.write("toy.toml", &at(&copied, "packages = [\"applause\"]"));
    build(&workspace, &[]).failed_with(4).says("its payload is not the one that its header speaks of");
}
