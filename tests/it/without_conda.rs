//! A program that was built without conda: all else is as ever, and it says what it lacks.

use crate::support::workspace::Workspace;

#[test]
fn environments_are_refused_with_what_is_missing() {
    let workspace = Workspace::new();
    workspace.write("environment.yml", "channels: [a]\ndependencies: [b]\n");
    workspace.write(
        "x.toml",
        "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.scratch]\n[[conda]]\nenvironment = \"environment.yml\"\n",
    );
    let missing = workspace.rootsmith(["build", "x.toml"]);
    missing.failed_with(3).says("built without conda").says("the feature `conda`");
    assert!(!workspace.path("x.lock").exists());
    let explained = workspace.rootsmith(["explain", "conda::missing"]);
    assert!(explained.succeeded().stdout.contains("--no-default-features"));
    // Mistakes are found all the same.
    workspace.write("x.toml", "name = \"x\"\n[from.scratch]\n[[conda]]\nlayers = \"many\"\n");
    workspace.rootsmith(["build", "x.toml"]).failed_with(2).says("`environment` is missing").says("per-package");
}
