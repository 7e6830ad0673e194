//! rootsmith forges container base images: a recipe becomes a lock, the lock a root filesystem, and that an OCI image of
//! one layer, the same bytes on every machine.
//!
//! This page is the map of the code. What a recipe may say is in `docs/recipe.md`; what the bytes depend on is in
//! `docs/reproducibility.md`.
//!
//! # The shape
//!
//! ```text
//! recipe.toml --load--> Recipe --resolve--> Pin (the lock) --fetch--> Rootfs { tree, epoch }
//!                                                               |     unpack, lay, configure in the sandbox
//!                                                     run steps | of the recipe, in the sandbox
//!                                                               |
//!                    prune -> files -> accounts -> certificates -> harden -> normalize      passes on the tree
//!                                                               |
//!                          pack: canonical tar -> diff ID -> compress -> digest      conda environments: further layers
//!                                                               |
//!                                Layer + configuration -> Image -> publish to destinations
//! ```
//!
//! 1. [`recipe::load()`] turns TOML into checked types. All mistakes of a recipe are found in one run, each with its place.
//! 2. A [`source`] resolves what the recipe asks for into a [`lock::Pin`]: every input by digest. Pins are the lock file.
//! 3. Fetching takes a pin and a list of mirrors, never the recipe, and gives a [`source::Rootfs`].
//! 4. Code of the image runs behind the [`sandbox`] and nowhere else. What comes out is read back as data; owners, modes
//!    and devices are data from then on, so nothing after it needs privileges.
//! 5. The [passes](pass) change the tree, and nothing but the tree.
//! 6. [`image::pack`] writes the tree as one layer into the [`store`], and [`image::Image`] puts a configuration to it.
//! 7. [`dest::publish`] gives the finished image to each destination. None can change it.
//!
//! # The direction of imports
//!
//! A module imports from lower ranks, or from inside its own folder. Equal ranks do not import each other.
//! `tests/it/architecture.rs` holds the table and fails where an import goes against it.
//!
//! | rank | modules | what |
//! | --- | --- | --- |
//! | 0 | [`digest`] [`platform`] [`epoch`] [`interrupt`] [`package`] [`report`] [`shared_path`] [`to_disk`] | the words |
//! | 1 | [`tree`] [`oci`] [`recipe`] [`store`] | files as data, documents, recipes, blobs |
//! | 2 | [`archive`] [`lock`] [`http`] [`engine`] [`openpgp`] [`sandbox`] [`elf`] | tar and compression, pins, downloads, Docker, signatures, other programs, what programs need |
//! | 3 | [`context`] [`image`] [`inventory`] [`registry`] | what is handed down; layers and images; packages found in a tree; registries |
//! | 4 | [`source`] [`pass`] [`dest`] `conda` | the families: each has members that do not know each other |
//! | 5 | [`error`] | the sum of what can go wrong, and the exit code of each |
//! | 6 | [`ops`] | one verb a file; here the families meet |
//! | 7 | [`cli`] | flags, environment, output |
//! | 8 | `main` | the entry |
//!
//! # The nouns
//!
//! - [`tree::Tree`]: a filesystem as data. Paths lead to inodes; hard links share one; walking it gives parents before
//!   children, in one order everywhere. [`tree::Content`] is where a file's bytes are: in memory, in a host file, or in a
//!   slice of a blob of the store. Making a tree touches no disk.
//! - [`lock::Pin`] and [`lock::Lock`]: exactly which inputs, by digest and path within a repository, so that any mirror
//!   serves; and all of a recipe's pins in a file beside it.
//! - [`source::Rootfs`]: a tree as its source left it, and the time that follows from its inputs.
//! - [`pass::Pass`]: a change of a tree that is the same for the same tree. [`pass::list`] gives those of a recipe, in order.
//! - [`store::Store`]: blobs by digest, and remembered results. A blob is written beside, checked and renamed, so that a
//!   killed process leaves none that lies.
//! - [`image::Layer`], [`image::Image`], [`image::Index`]: finished values. [`oci::Raw`] keeps the exact bytes of their
//!   documents; nothing is serialised twice.
//! - [`dest::Destination`]: a place that takes blobs, manifests and names. [`dest::publish`] alone knows the order.
//! - [`sandbox::Sandbox`], [`sandbox::Session`], [`sandbox::Step`]: the one way to run a program of the image. A session
//!   holds a stage, an empty root directory; a tree is put into it, steps run, the changed tree is collected.
//! - [`context::Context`]: the store, downloads, the sandbox, the asked-for time and the reporter. Settings are not in it:
//!   they travel in the options of each operation.
//!
//! # Following one build
//!
//! From `main` to the written layout, in the order of reading. A test counts the files and their lines.
//!
//! 1. `main.rs`: becomes the sandbox's worker, where it was started as that, or the command line.
//! 2. `cli/mod.rs`: environment and flags become a `Session`; what comes back is printed, or explained.
//! 3. `cli/build.rs`: flags become `BuildOptions`.
//! 4. `ops/build.rs`: the whole build on one page: lock, fetch, run steps, passes, pack, publish.
//! 5. `ops/lock.rs`: the lock beside the recipe, where it fits; else a new one.
//! 6. `ops/source/mod.rs`: which family resolves and fetches what.
//! 7. `source/debian/resolve.rs`: reads the suites, has packages chosen, and makes the pin.
//! 8. `source/debian/fetch.rs`: what becomes of the packages, by which installer.
//! 9. `source/debian/install.rs`: two stages: lay files and dpkg's database, run `dpkg --configure -a`.
//! 10. `sandbox/session.rs`: our side of the stage: put, run, read, collect.
//! 11. `pass/mod.rs`: what a pass is, and the list of them.
//! 12. `image/layer.rs`: tree to tar to compressed blob, with both digests, in one reading.
//! 13. `ops/publish.rs`: from `-o` to destinations.
//! 14. `dest/mod.rs`: the order in which a destination is given things.
//! 15. `dest/layout.rs`: the folder of an OCI layout.
//!
//! ## What they lean on
//!
//! Each of these is behind one documented function and can be taken at its word: reading a recipe ([`recipe::load()`]),
//! control files, versions, relations, signatures and the solver (the public modules of [`source::debian`]), the threads
//! that unpack what was downloaded (its `unpacking`), a .deb's files (its `unpack`), dpkg's rules for files that meet (its
//! `lay`), the canonical tar ([`archive::write_tar`]), the block-parallel compressor ([`archive::Compressor`]), downloads
//! with retries ([`http::Http`]), and documents of an image ([`image::Image::assemble`]); behind a session is
//! `sandbox/worker.rs`: the three doors, devices, limits, secrets.
//!
//! # What must hold
//!
//! - **No chance reaches an image.** No `HashMap` or `HashSet`: `clippy.toml` forbids them, because their order is random.
//!   Documents are written as canonical JSON ([`oci::canonical_json`]). Threads compress blocks of a fixed size, so their
//!   number does not show.
//! - **No clock.** The one time of an image is its [`epoch`](epoch::Epoch): `SOURCE_DATE_EPOCH`, else the newest date
//!   that follows from the inputs. `clippy.toml` forbids the clock; `cli/build.rs` looks at it, to judge whether a Release
//!   has expired. Files that are made here carry the epoch; times of programs in the sandbox and of local files are
//!   replaced by it; later ones are moved back to it ([`pass::Normalize`]).
//! - **Nothing of the host.** The environment is read in `cli/environment.rs` alone; host name, name servers, umask, time
//!   zone and locale reach neither the sandbox nor a tree. The host's apt sources say where to download, and nothing else.
//! - **Checked before used.** A package index is believed because a Release names its digest and a key signs the Release;
//!   a package, because the index or the lock names its digest. Archives are read into trees, never unpacked onto the host.
//! - **Whole or not there.** Outputs are written beside their place, synced and renamed. What must go when the program is
//!   told to end is noted in [`interrupt`].
//! - **A change of bytes is a new format.** [`lock::FORMAT`] is the version of every behaviour that changes an image's
//!   bytes; the compressors are pinned to exact versions for the same reason.
//!
//! # What the sandbox fixes
//!
//! Scripts of packages write what they see. Through every door ([`sandbox::Door`]) they see the same:
//!
//! - `sandbox/filter.rs`, a seccomp filter: syncs succeed and do nothing; Internet sockets cannot be made unless a step
//!   asks for the network; calls that tell the time of day, the system's name and the processors stop for the tracer.
//! - `sandbox/tracer.rs`, a ptrace tracer: answers those calls with the epoch, `localhost` and one processor, and hides
//!   the vDSO, by which the clock is read without a call. A program that waits for the time to pass sees it pass. All that
//!   a step started ends with it. Signals are taken as programs take them at their start.
//! - `sandbox/names.rs`: name servers and `localhost` for steps that ask for the network, as long as they run.
//! - `sandbox/worker.rs`: devices, umask, limits on files and core dumps, and a `/sys` without the host's.
//! - `sandbox/stage.rs`: what programs wrote gets the epoch as its time when it is collected.
//! - `source/debian/scripts.rs` and `ops/run.rs`: the environment, which is ours alone.
//!
//! # Conda
//!
//! The module `conda`, behind the default feature of that name, makes environments that go on top of a root filesystem as
//! layers of their own. It stands beside the sources: a pin is resolved and fetched, and nothing of it runs but in the
//! sandbox. Rattler's crates choose packages and reach channels; their runtime starts and ends in `conda/network.rs`.
//!
//! # Errors
//!
//! Each module has one error enum whose variants say what could not be done to what, with the cause behind and the help
//! beside. [`error::Error`] sums them; [`error::Error::blame`] says whose turn it is to mend it, and that is the exit code:
//! 2 what was typed or written, 3 this machine, 4 a mirror or registry, 70 a bug. An operation that ends well with the
//! answer no gives 1, and Ctrl-C gives 130.
//!
//! Standard output carries the answer alone (a digest, JSON, changes); all else goes to the standard error.

pub mod archive;
pub mod cli;
#[cfg(feature = "conda")]
pub mod conda;
pub mod context;
pub mod dest;
pub mod digest;
pub mod elf;
pub mod engine;
pub mod epoch;
pub mod error;
pub mod http;
pub mod image;
pub mod interrupt;
pub mod inventory;
pub mod lock;
pub mod oci;
pub mod openpgp;
pub mod ops;
pub mod package;
pub mod pass;
pub mod platform;
pub mod recipe;
pub mod registry;
pub mod report;
pub mod sandbox;
pub mod shared_path;
pub mod source;
pub mod store;
pub mod to_disk;
pub mod tree;
