use clap::CommandFactory;

use super::*;

/// Every command, also those that have no operation yet.
#[derive(Debug, Parser)]
enum Every {
    Build(BuildArgs),
    Lock(LockArgs),
    Inspect(InspectArgs),
    Init(InitArgs),
    Schema(SchemaArgs),
}

fn lock(words: &[&str]) -> LockArgs {
    match Every::try_parse_from([&["x", "lock"], words].concat()).unwrap() {
        Every::Lock(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_command_is_sound_and_has_help() {
    Cli::command().debug_assert();
    Every::command().debug_assert();
    let mut commands = vec![Cli::command(), Every::command()];
    while let Some(command) = commands.pop() {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        commands.extend(command.get_subcommands().cloned());
    }
}

#[test]
fn updates_do_not_swallow_the_recipe() {
    assert_eq!(lock(&["r.toml"]).updated_packages(), None);
    assert_eq!(lock(&["--update", "r.toml"]).updated_packages(), Some(vec![]));
    assert_eq!(lock(&["--update=bash,tar", "r.toml"]).updated_packages(), Some(vec!["bash", "tar"]));
    assert!(Every::try_parse_from(["x", "lock", "--update", "--frozen", "r.toml"]).is_err());
}

#[test]
fn a_build_with_everything() {
    let words = "x build r.toml -o oci:out -o rootfs-tar:x -t 13 --variant debug --frozen \
                 --mirror http://a --mirror /b --secret id=auth,src=/x,y --threads 2 --json";
    let Every::Build(arguments) = Every::try_parse_from(words.split_whitespace()).unwrap() else { panic!() };
    assert_eq!(arguments.outputs, ["oci:out", "rootfs-tar:x"]);
    assert_eq!(arguments.network.mirrors, ["http://a", "/b"]);
    assert!(arguments.network.is_offline() && arguments.network.is_locked());
    assert_eq!(arguments.secrets, [Secret { id: "auth".into(), source: "/x,y".into() }]);
    assert!(Every::try_parse_from(["x", "build", "r.toml", "--threads", "0"]).is_err());
}

#[test]
fn secrets_must_have_a_plain_name() {
    for text in ["", "auth", "id=auth", "id=,src=/x", "id=../x,src=/x", "id=a/b,src=/x", "id=a,src=", "src=/x,id=a"] {
        assert!(text.parse::<Secret>().is_err(), "{text}");
    }
}
