//! The command.
fn main() -> std::process::ExitCode {
    if let Some(code) = rootsmith::sandbox::become_worker_if_asked() {
        return code;
    }
    if std::env::args().nth(1).as_deref() == Some("trial") {
        use rootsmith::*;
        let mirror = |id: &str, u: &str| (id.to_owned(), u.to_owned());
        let m = std::env::args().nth(3).unwrap();
        let lock = ops::lock::LockOptions {
            locked: false,
            now: epoch::Epoch::from_seconds(1795248000),
            mirrors: source::debian::archives::MirrorSettings {
                chosen: vec![
                    mirror("debian", &format!("{m}/debian")),
                    mirror("debian-security", &format!("{m}/debian-security")),
                ],
                host: vec![],
            },
        };
        let options = ops::build::BuildOptions {
            recipe: std::env::args().nth(2).unwrap().into(),
            variant: None,
            lock,
            tags: vec![],
            targets: vec![],
            threads: std::num::NonZeroUsize::new(2).unwrap(),
            secrets: Default::default(),
        };
        struct R(std::time::Instant);
        impl report::Reporter for R {
            fn report(&self, e: report::Event<'_>) {
                if !matches!(e, report::Event::Advance { .. }) {
                    eprintln!("{:?} {e:?}", self.0.elapsed());
                }
            }
        }
        let context = context::Context {
            store: store::Store::open(std::path::Path::new(&std::env::args().nth(4).unwrap())).unwrap(),
            http: http::Http::new(Default::default()),
            sandbox: sandbox::Sandbox,
            epoch: None,
            reporter: Box::new(R(std::time::Instant::now())),
        };
        match ops::build::build(&options, &context) {
            Ok(b) => {
                eprintln!("{} {:?}", b.digest(), b.passes);
                println!("{}", b.image.layers[0].path.display())
            }
            Err(e) => eprintln!("{:?}", miette::Report::new(e)),
        }
    }
    std::process::ExitCode::SUCCESS
}
