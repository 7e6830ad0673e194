use miette::Diagnostic;

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An index from lines like `name version | Field: value | Field: value`.
pub(super) fn index(lines: &str) -> Packages {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(" | ");
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text += &format!("Package: {name}\nVersion: {version}\nFilename: {name}.deb\nSize: 1\nSHA256: {HEX}\n");
        let fields: Vec<_> = parts.map(|field| field.replace('~', "|")).collect();
        if !fields.iter().any(|field| field.starts_with("Architecture")) {
            text += "Architecture: amd64\n";
        }
        text += &format!("{}\n\n", fields.join("\n"));
    }
    Packages::parse(text.replace("\n\n\n", "\n\n").into_bytes()).unwrap()
}

fn repository<'a>(suite: &'a str, packages: &'a Packages) -> Repository<'a> {
    Repository { suite, aliases: &[], priority: 500, packages }
}

struct Asked<'a> {
    variant: Variant,
    excluded: &'a [&'a str],
    recommends: bool,
    preferred: &'a [&'a str],
}

const PLAIN: Asked<'static> =
    Asked { variant: Variant::Custom, excluded: &[], recommends: false, preferred: &PREFERRED };

fn ask(asked: &Asked<'_>, repositories: &[Repository<'_>], wanted: &str) -> Result<Vec<String>, SolveError> {
    let wanted = wanted.split_whitespace().map(str::parse).collect::<Result<Vec<Wanted>, _>>()?;
    let request = Request {
        architecture: "amd64",
        variant: asked.variant,
        wanted: &wanted,
        excluded: asked.excluded,
        recommends: asked.recommends,
        preferred: asked.preferred,
    };
    let solution = solve(&request, repositories)?;
    Ok(solution.packages.iter().map(|chosen| format!("{} {}", chosen.record.name(), chosen.record.version())).collect())
}

/// The names chosen from one suite, or why there are none.
fn names(lines: &str, wanted: &str) -> String {
    let index = index(lines);
    match ask(&PLAIN, &[repository("trixie", &index)], wanted) {
        Ok(chosen) => chosen.iter().map(|text| text.split(' ').next().unwrap()).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn dependencies_and_the_first_alternative() {
    assert_eq!(names("a 1 | Depends: b, c\nb 1 | Pre-Depends: d\nc 1\nd 1\ne 1", "a"), "a b c d");
    assert_eq!(names("a 1 | Depends: b ~ c\nb 1\nc 1", "a"), "a b");
    assert_eq!(names("a 1 | Depends: missing ~ c\nb 1\nc 1", "a"), "a c");
    assert_eq!(names("a 1 | Depends: b ~ c\nb 1 | Depends: missing\nc 1", "a"), "a c");
    assert_eq!(names("a 1 | Depends: b (>= 2) ~ c\nb 1\nc 1", "a"), "a c");
    // What is wanted anyway satisfies before anything new does, in whichever order it is named.
    assert_eq!(names("a 1 | Depends: b ~ c\nb 1\nc 1", "a c"), "a c");
    // A circle is no trouble.
    assert_eq!(names("a 1 | Depends: b\nb 1 | Depends: a", "b"), "a b");
    // What came in before a later package made it unneeded stays, as with apt.
    assert_eq!(names("a 1 | Depends: x ~ y, b\nb 1 | Depends: y\nx 1\ny 1", "a"), "a b x y");
}

#[test]
fn names_that_are_provided() {
    let real = "a 1 | Depends: v\nv 1\np 1 | Provides: v";
    assert_eq!(names(real, "a"), "a v");
    assert_eq!(names("a 1 | Depends: v\np 1 | Provides: v", "a"), "a p");
    assert_eq!(names("a 1 | Depends: v\np 1 | Provides: v\nq 1 | Provides: v | Priority: important", "a"), "a q");
    assert_eq!(names("a 1 | Depends: v\np 1 | Provides: v | Essential: yes\nq 1 | Provides: v", "a"), "a p");
    // The one that the index speaks of later, be it only in a relation.
    assert_eq!(names("a 1 | Depends: v\np 1 | Provides: v\nq 1 | Provides: v", "a"), "a q");
    assert_eq!(names("a 1 | Depends: v | Suggests: q\np 1 | Provides: v\nq 1 | Provides: v", "a"), "a p");
    // Versions.
    let versioned = "a 1 | Depends: v (>= 2)\np 1 | Provides: v (= 1)\nq 1 | Provides: v\nr 1 | Provides: v (= 2)";
    assert_eq!(names(versioned, "a"), "a r");
    assert_eq!(names("p 1 | Provides: v", "v"), "p");
    assert_eq!(
        names("p 1 | Provides: v\nq 1 | Provides: v", "v"),
        "`v` is no package, but a name that several packages provide"
    );
}

#[test]
fn conflicts_and_breaks() {
    assert_eq!(names("a 1 | Depends: b ~ c\nb 1 | Conflicts: x\nc 1\nx 1", "x a"), "a c x");
    assert_eq!(names("a 1 | Depends: b ~ c\nb 1\nc 1\nx 1 | Breaks: b (<< 2)", "x a"), "a c x");
    assert_eq!(names("a 1 | Depends: b\nb 2\nx 1 | Breaks: b (<< 2)", "x a"), "a b x");
    // Against a name that it provides itself a package has nothing.
    assert_eq!(names("m 1 | Provides: mta | Conflicts: mta\na 1 | Depends: mta", "a"), "a m");
    assert_eq!(
        names("m 1 | Provides: mta | Conflicts: mta\nn 1 | Provides: mta", "m n"),
        "m and n cannot be installed together: m 1 conflicts with n 1"
    );
    // apt would find the first way closed only after it has gone it; here another one is found.
    let late = "a 1 | Depends: b ~ c, d\nb 1\nc 1\nd 1 | Breaks: b";
    assert_eq!(names(late, "a"), "a c d");
}

#[test]
fn an_older_version_where_only_that_fits() {
    let (new, old) = (index("a 2 | Depends: missing\nb 2\n"), index("a 1\nb 1\n"));
    let repositories = [repository("new", &new), repository("old", &old)];
    assert_eq!(ask(&PLAIN, &repositories, "a b").unwrap(), ["a 1", "b 2"]);
}

#[test]
fn versions_suites_and_priorities() {
    let (stable, backports) = (index("a 1 | Depends: b\nb 1"), index("a 2 | Depends: b (>= 2)\nb 2"));
    let mut repositories = [repository("trixie", &stable), repository("trixie-backports", &backports)];
    assert_eq!(ask(&PLAIN, &repositories, "a").unwrap(), ["a 2", "b 2"]);
    repositories[1].priority = 100;
    repositories[1].aliases = &["stable-backports"];
    assert_eq!(ask(&PLAIN, &repositories, "a").unwrap(), ["a 1", "b 1"]);
    for pinned in ["a=2", "a/trixie-backports", "a/stable-backports", "a:amd64=2", "a a=2"] {
        assert_eq!(ask(&PLAIN, &repositories, pinned).unwrap(), ["a 2", "b 2"], "{pinned}");
    }
    assert_eq!(ask(&PLAIN, &repositories, "a=2*").unwrap(), ["a 2", "b 2"]);
    // Of several that fit, the one that would be taken without.
    assert_eq!(ask(&PLAIN, &repositories, "a=?").unwrap(), ["a 1", "b 1"]);
    let error = |wanted| ask(&PLAIN, &repositories, wanted).unwrap_err();
    assert_eq!(error("a=3*").to_string(), "there is no `a=3*`");
    assert_eq!(error("a=3*").help().unwrap().to_string(), "there is 1 (trixie), 2 (trixie-backports)");
    assert_eq!(error("a=3").to_string(), "there is no `a=3`");
    assert_eq!(error("a=3").help().unwrap().to_string(), "there is 1 (trixie), 2 (trixie-backports)");
    assert_eq!(error("a/sid").to_string(), "there is no `a/sid`");
    assert_eq!(error("a=1 a=2").to_string(), "two versions of a are asked for at once");
    assert!(error("a:arm64").to_string().contains("the archive has the package, but not for arm64"));
    repositories[1].priority = -1;
    assert!(ask(&PLAIN, &repositories, "a=2").is_err());
}

/// What is chosen of suites, each with its lines, for what is asked: versions, and the suites they are taken from.
fn taken(suites: &[(&str, i16, &str)], wanted: &str) -> String {
    let indexes: Vec<_> = suites.iter().map(|(_, _, lines)| index(lines)).collect();
    let repositories: Vec<_> = suites
        .iter()
        .zip(&indexes)
        .map(|((suite, priority, _), packages)| Repository { suite, aliases: &[], priority: *priority, packages })
        .collect();
    let wanted: Vec<Wanted> = wanted.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let request = Request {
        architecture: "amd64",
        variant: Variant::Custom,
        wanted: &wanted,
        excluded: &[],
        recommends: false,
        preferred: &PREFERRED,
    };
    let told = |chosen: &Chosen<'_>| {
        let (record, suite) = (chosen.record, repositories[chosen.repository].suite);
        format!("{} {} {suite} {}", record.name(), record.version(), &record.digest().hex()[..1])
    };
    match solve(&request, &repositories) {
        Ok(solution) => solution.packages.iter().map(told).collect::<Vec<_>>().join(", "),
        Err(error) => format!("{error} [{}]", error.help().unwrap()),
    }
}

#[test]
fn what_several_suites_have_can_be_asked_of_each() {
    let both = [
        ("noble", 500, "ssl 1\na 1 | Depends: ssl"),
        ("noble-updates", 500, "ssl 2"),
        ("noble-security", 500, "ssl 2"),
    ];
    assert_eq!(taken(&both, "ssl"), "ssl 2 noble-updates e");
    assert_eq!(taken(&both, "ssl/noble-updates"), "ssl 2 noble-updates e");
    assert_eq!(taken(&both, "ssl/noble-security"), "ssl 2 noble-security e");
    assert_eq!(taken(&both, "a ssl ssl/noble-security"), "a 1 noble e, ssl 2 noble-security e");
    assert_eq!(taken(&both, "ssl/noble"), "ssl 1 noble e");
    assert_eq!(
        taken(&both, "ssl/sid"),
        "there is no `ssl/sid` [there is 2 (noble-updates, noble-security), 1 (noble)]"
    );
    // The same version, and other bytes.
    let other = format!("ssl 2 | SHA256: {}", HEX.replace('e', "a"));
    let rebuilt = [("main", 500, "ssl 2"), ("vendor", 500, other.as_str())];
    assert_eq!(taken(&rebuilt, "ssl"), "ssl 2 main e");
    assert_eq!(taken(&rebuilt, "ssl/main"), "ssl 2 main e");
    assert_eq!(taken(&rebuilt, "ssl/vendor"), "ssl 2 vendor a");
}

#[test]
fn the_highest_priority_of_a_version_counts() {
    let suites = [("backports", 100, "a 3\nb 3"), ("stable", 500, "a 2\nb 2"), ("vendor", 500, "a 3")];
    assert_eq!(taken(&suites, "a b"), "a 3 backports e, b 2 stable e");
}

#[test]
fn a_suite_and_a_version_count_together() {
    let suites = [
        ("trixie", 500, "go 2:1.24-1"),
        ("trixie-backports", 100, "go 2:1.24-1\ngo 2:1.25-1\ngo 2:1.24-2"),
        ("sid", 50, "go 2:1.25-2\ngo 2:1.24-3"),
    ];
    assert_eq!(taken(&suites, "go=2:1.2*"), "go 2:1.24-1 trixie e");
    assert_eq!(taken(&suites, "go/trixie-backports=2:1.25*"), "go 2:1.25-1 trixie-backports e");
    assert_eq!(taken(&suites, "go/sid=2:1.24*"), "go 2:1.24-3 sid e");
    assert_eq!(taken(&suites, "go/trixie-backports=2:1.24-1"), "go 2:1.24-1 trixie-backports e");
    assert!(taken(&suites, "go/trixie=2:1.25*").starts_with("there is no `go/trixie=2:1.25*` ["));
}

#[test]
fn architectures() {
    assert_eq!(names("a 1 | Depends: b, c:amd64, d:native\nb 1 | Architecture: all\nc 1\nd 1", "a"), "a b c d");
    assert_eq!(names("a 1 | Depends: b:any\nb 1 | Multi-Arch: allowed", "a"), "a b");
    assert!(names("a 1 | Depends: b:any\nb 1", "a").contains("cannot be installed"));
    assert!(names("a 1 | Depends: b:arm64\nb 1", "a").contains("cannot be installed"));
    assert_eq!(names("a 1 | Architecture: arm64", "a"), "trixie has no package `a`");
}

const SYSTEM: &str = "
    apt 3 | Priority: required | Depends: libapt
    bash 5 | Essential: yes | Priority: required | Depends: libc
    gawk 1 | Provides: awk
    init 1 | Essential: yes | Pre-Depends: usrmerge ~ usr-is-merged, awk
    libapt 3 | Depends: libc
    libc 2 | Recommends: idn
    idn 1
    mawk 1 | Provides: awk | Priority: required
    nano 1 | Priority: important
    perl 5
    tzdata 1 | Priority: required | Depends: debconf
    debconf 1
    usr-is-merged 1
    usrmerge 1 | Depends: perl
    file 1 | Priority: standard
    build-essential 12";

#[test]
fn variants() {
    let index = index(SYSTEM);
    let repositories = [repository("trixie", &index)];
    let of = |variant, wanted| {
        let chosen = ask(&Asked { variant, ..PLAIN }, &repositories, wanted).unwrap();
        chosen.iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let essential = "bash init libc mawk usr-is-merged";
    assert_eq!(of(Variant::Custom, ""), "");
    assert_eq!(of(Variant::Essential, ""), essential);
    assert_eq!(of(Variant::Apt, ""), "apt bash init libapt libc mawk usr-is-merged");
    let minbase = of(Variant::Minbase, "");
    assert_eq!(minbase, "apt bash debconf init libapt libc mawk tzdata usr-is-merged");
    assert_eq!(of(Variant::Important, "").split(' ').count(), minbase.split(' ').count() + 1);
    assert_eq!(of(Variant::Standard, "").split(' ').count(), minbase.split(' ').count() + 2);
    assert!(of(Variant::Buildd, "").contains("build-essential"));
    // The essential packages are chosen first, and what is named does not change that choice.
    assert_eq!(of(Variant::Essential, "gawk"), "bash gawk init libc mawk usr-is-merged");
    let apts_choice = Asked { variant: Variant::Essential, preferred: &[], ..PLAIN };
    assert!(ask(&apts_choice, &repositories, "").unwrap().contains(&"perl 5".to_owned()));
    let recommends = Asked { recommends: true, ..PLAIN };
    assert_eq!(ask(&recommends, &repositories, "bash").unwrap(), ["bash 5", "idn 1", "libc 2"]);
}

#[test]
fn a_recommendation_that_cannot_be_met_is_left_out() {
    let index = index("a 1 | Recommends: b, c ~ d, e\nb 1 | Depends: missing\nd 1\ne 1 | Conflicts: a");
    let asked = Asked { recommends: true, ..PLAIN };
    assert_eq!(ask(&asked, &[repository("trixie", &index)], "a").unwrap(), ["a 1", "d 1"]);
}

#[test]
fn stages_marks_and_reasons() {
    let index = index(SYSTEM);
    let repositories = [repository("trixie", &index)];
    let wanted = ["gawk".parse().unwrap()];
    let request = Request {
        architecture: "amd64",
        variant: Variant::Minbase,
        wanted: &wanted,
        excluded: &[],
        recommends: false,
        preferred: &PREFERRED,
    };
    let solution = solve(&request, &repositories).unwrap();
    let of = |name: &str| solution.packages.iter().find(|chosen| chosen.record.name() == name).unwrap();
    let flags = |name| (of(name).essential_stage, of(name).automatic);
    assert_eq!(flags("bash"), (true, false));
    assert_eq!(flags("libc"), (true, false));
    assert_eq!(flags("apt"), (false, false));
    assert_eq!(flags("libapt"), (false, true));
    assert_eq!(flags("tzdata"), (false, false));
    assert_eq!(flags("debconf"), (false, true));
    assert_eq!(flags("gawk"), (false, false));
    assert_eq!(of("bash").reason, Reason::Essential);
    assert_eq!(of("tzdata").reason, Reason::Variant(Variant::Minbase));
    assert_eq!(of("gawk").reason, Reason::Requested);
    let needed = Reason::NeededBy { package: "apt", relation: "libapt", recommended: false };
    assert_eq!(of("libapt").reason, needed);
}

#[test]
fn what_cannot_be_is_explained() {
    assert_eq!(
        names("nginx 1 | Depends: libfoo (>= 2)\nlibfoo 1.9", "nginx"),
        "nginx cannot be installed: nginx 1 needs libfoo (>= 2), and the newest in trixie is 1.9"
    );
    assert_eq!(
        names("a 1 | Depends: b\nb 1 | Depends: c ~ d (>= 3)\nd 2", "a"),
        "a cannot be installed: a 1 needs b; b 1 needs c | d (>= 3), and trixie has no c, and the newest in trixie is 2"
    );
    assert_eq!(
        names("a 1 | Depends: x\nb 1 | Depends: y\nx 1 | Conflicts: y\ny 1", "a b"),
        "a and b cannot be installed together: a 1 needs x; b 1 needs y; x 1 conflicts with y 1"
    );
    assert_eq!(
        names("a 1 | Depends: v (>= 2)\np 1 | Provides: v (= 1)", "a"),
        "a cannot be installed: a 1 needs v (>= 2), and nothing provides that version of v"
    );
}

#[test]
fn several_suites_have_not() {
    let (one, other) = (index("a 1 | Depends: b"), index("c 1"));
    let error = ask(&PLAIN, &[repository("local files", &one), repository("trixie", &other)], "a").unwrap_err();
    assert_eq!(error.to_string(), "a cannot be installed: a 1 needs b, and local files and trixie have no b");
}

#[test]
fn unknown_names_get_a_suggestion() {
    let index = index("nginx 1\nnginx-core 1\npython3-numpy 1\nzlib1g 1\ncar 1\ncat 1");
    let help = |wanted| {
        let error = ask(&PLAIN, &[repository("trixie", &index)], wanted).unwrap_err();
        assert_eq!(error.to_string(), format!("trixie has no package `{wanted}`"));
        error.help().unwrap().to_string()
    };
    assert_eq!(help("ngnix"), "did you mean nginx?");
    assert_eq!(help("ngin"), "did you mean nginx?");
    assert_eq!(help("cas"), "did you mean car or cat?");
    assert_eq!(help("python-numpy"), "did you mean python3-numpy?");
    assert!(help("quux").starts_with("look for it at"));
    let two = [repository("trixie", &index), repository("trixie-updates", &index)];
    assert_eq!(ask(&PLAIN, &two, "quux").unwrap_err().to_string(), "trixie and trixie-updates have no package `quux`");
    let several = ask(&PLAIN, &[repository("trixie", &index)], "ngnix cat quux cat=7 cas cas").unwrap_err();
    assert_eq!(several.to_string(), "trixie has no packages `ngnix`, `quux`, `cas`; there is no `cat=7`");
    let help = several.help().unwrap().to_string();
    assert!(help.starts_with("`ngnix`: did you mean nginx?\n`quux`: look for it at"), "{help}");
    assert!(help.ends_with("\n`cas`: did you mean car or cat?\n`cat=7`: there is 1 (trixie)"), "{help}");
}

/// The names chosen where some are left out.
fn without(excluded: &[&str], recommends: bool, lines: &str, wanted: &str) -> String {
    let index = index(lines);
    let asked = Asked { variant: Variant::Essential, excluded, recommends, preferred: &PREFERRED };
    match ask(&asked, &[repository("trixie", &index)], wanted) {
        Ok(chosen) => chosen.iter().map(|text| text.split(' ').next().unwrap()).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{error} [{}]", error.help().unwrap()),
    }
}

#[test]
fn packages_that_are_left_out() {
    let lines = "a 1 | Depends: b ~ c | Recommends: r\nb 1\nc 1\nd 1 | Depends: b\nr 1\nm 1 | Provides: mta\n\
                 n 1 | Depends: mta\ne 1 | Essential: yes\nf 1 | Essential: yes";
    assert_eq!(without(&[], true, lines, "a"), "a b e f r");
    assert_eq!(without(&["b", "r", "f"], true, lines, "a"), "a c e");
    let help = "take it out of `exclude`, or leave out what needs it as well";
    assert_eq!(
        without(&["b"], false, lines, "d"),
        format!("d cannot be installed: d 1 needs b, and `exclude` leaves out b [{help}]")
    );
    assert_eq!(
        without(&["m"], false, lines, "n"),
        format!("n cannot be installed: n 1 needs mta, and `exclude` leaves out m [{help}]")
    );
    assert!(without(&["b"], false, lines, "b").starts_with("`b` is needed, and `exclude` leaves it out ["));
    // An essential package that another one needs is missed.
    let needed = "e 1 | Essential: yes | Depends: f\nf 1 | Essential: yes";
    assert!(without(&["f"], false, needed, "").contains("e 1 needs f, and `exclude` leaves out f"));
}

#[test]
fn texts_that_name_no_package() {
    for text in ["", "=1", "a=", "a= 1", "a=x", "a/", "a/b/c", "a:", "a:b:c", "a b", "-a", "a;b"] {
        assert!(matches!(text.parse::<Wanted>(), Err(SolveError::BadWanted { .. })), "{text}");
    }
    for text in ["a", "g++", "libc6:amd64", "a=1:2-3", "a:amd64=1", "a/trixie-backports", "a:amd64/sid=1:2*"] {
        assert_eq!(text.parse::<Wanted>().unwrap().to_string(), text);
    }
}

#[test]
fn a_relation_that_cannot_be_read_is_named() {
    let error = names("a 1 | Depends: b (>= 1\nb 1", "a");
    assert_eq!(error, "cannot read `Depends` of a");
}

/// Two architectures: libraries beside each other, tools of one for both, and packages of `all`.
const TWO: &str = "app 1 | Depends: lib, tool, data, base:any
lib 1 | Multi-Arch: same
tool 1 | Multi-Arch: foreign
base 1 | Multi-Arch: allowed
data 1 | Architecture: all | Multi-Arch: foreign
plain 1
app 1 | Architecture: i386 | Depends: lib, tool, data, base:any
lib 1 | Architecture: i386 | Multi-Arch: same
tool 1 | Architecture: i386 | Multi-Arch: foreign
plain 1 | Architecture: i386
strict 1 | Architecture: i386 | Depends: plain
loose 1 | Architecture: i386 | Depends: plain:any
only 1 | Architecture: i386
other 1 | Architecture: arm64";

#[test]
fn packages_of_further_architectures() {
    let index = index(TWO);
    let repositories = [repository("trixie", &index)];
    let chosen = |wanted: &str| {
        let wanted: Vec<Wanted> = wanted.split_whitespace().map(|text| text.parse().unwrap()).collect();
        let request = Request {
            architecture: "amd64",
            variant: Variant::Custom,
            wanted: &wanted,
            excluded: &[],
            recommends: false,
            preferred: &PREFERRED,
        };
        let name = |chosen: &Chosen<'_>| format!("{}:{}", chosen.record.name(), chosen.record.architecture());
        match solve(&request, &repositories) {
            Ok(solution) => solution.packages.iter().map(name).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(chosen("app"), "app:amd64 base:amd64 data:all lib:amd64 tool:amd64");
    // Its own library; tools, data and what is allowed as they are for the system.
    assert_eq!(chosen("app:i386"), "app:i386 base:amd64 data:all lib:i386 tool:i386");
    assert_eq!(chosen("app:i386 tool"), "app:i386 base:amd64 data:all lib:i386 tool:amd64");
    assert_eq!(chosen("lib lib:i386"), "lib:amd64 lib:i386");
    assert_eq!(chosen("only:i386"), "only:i386");
    // What is for one architecture at a time serves that one alone.
    assert_eq!(chosen("strict:i386"), "plain:i386 strict:i386");
    assert!(chosen("strict:i386 plain").contains("cannot be there beside"), "{}", chosen("strict:i386 plain"));
    assert!(chosen("loose:i386").contains("loose:i386 1 needs plain:any"), "{}", chosen("loose:i386"));
    assert_eq!(chosen("base:i386"), "there is no `base:i386`: the archive has the package, but not for i386");
    assert!(chosen("other").starts_with("trixie has no package `other`"), "{}", chosen("other"));
}

#[test]
fn siblings_are_of_one_version() {
    let (new, old) = (
        index("lib 2 | Multi-Arch: same"),
        index("lib 1 | Architecture: i386 | Multi-Arch: same\nlib 1 | Multi-Arch: same"),
    );
    let repositories = [repository("new", &new), repository("old", &old)];
    assert_eq!(ask(&PLAIN, &repositories, "lib lib:i386").unwrap(), ["lib 1", "lib 1"]);
}
