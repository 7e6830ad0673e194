//! What there is to say about each code, in alphabetical order.

/// Code, a few words, the text.
pub(super) const TEXTS: &[(&str, &str, &str)] = &[
    (
        "conda::channel",
        "a text that names no channel, or none that may be written there",
        "A channel is a name (`conda-forge`), an address of https, http, file or oci, or a path from the folder of \
         the file that names it. `defaults` stands for several channels, so those are named one by one. Logins and \
         tokens are read from rattler's file (RATTLER_AUTH_FILE) and from netrc: in an address they would get into \
         the lock.",
    ),
    (
        "conda::content",
        "a file of a conda package that is in the store cannot be read",
        "Packages are unpacked into the store, and read from there while layers are made. The disk may be damaged, or \
         something has changed the store: `rootsmith store verify` says what is not whole, and takes it out.",
    ),
    (
        "conda::denied",
        "a package or channel that the recipe does not allow",
        "`allowed-channels` names the only channels that packages may come from, those of locks and explicit lists \
         included. Add the channel there, or take the package from one of those.",
    ),
    (
        "conda::download",
        "a file of a channel cannot be fetched",
        "The server was asked several times. Private channels need a login in rattler's file (RATTLER_AUTH_FILE) or \
         in netrc, for the host of the address.",
    ),
    (
        "conda::environment",
        "a file that says what is in an environment cannot be understood",
        "It is an environment.yml, a pixi.lock, a conda-lock.yml or an explicit list; which of them is told by its \
         text, not by its name. The place of the mistake is shown where it is known.",
    ),
    (
        "conda::fetch",
        "a package that a channel lists cannot be had",
        "The channel's list and its files do not fit each other, or the server does not answer. What was locked is \
         fetched by its digest: another build of the same name is never taken in its place. `rootsmith lock --update \
         RECIPE` chooses anew.",
    ),
    (
        "conda::glibc",
        "the base has an older C library than the lock was made for",
        "Packages were chosen for the glibc of the base at that time. On an older one some would not start. Lock \
         anew, or use the newer base.",
    ),
    (
        "conda::index",
        "the packages of a channel cannot be listed",
        "A channel has a `repodata.json` (or shards) in a folder for each platform. Offline, lists are not asked for: \
         build once with the network, or from a lock that fits.",
    ),
    (
        "conda::mismatch",
        "a file has other bytes than its list says",
        "It was changed after it was listed, or the list is another channel's. The file was thrown away.",
    ),
    (
        "conda::missing",
        "this rootsmith was built without conda",
        "Conda environments are a feature of the build, on unless it is turned off: `cargo build` has it, `cargo \
         build --no-default-features` does not.",
    ),
    (
        "conda::no_python",
        "a Python package in an environment without Python",
        "Packages for any Python, and wheels, are put where the environment's own Python looks for modules. Add \
         `python` to the dependencies.",
    ),
    (
        "conda::package",
        "a conda package is damaged",
        "Its digest is the one that was listed, so it was damaged when it was made. Choose another version or build \
         of it.",
    ),
    (
        "conda::pip",
        "a package of pip that is not a pinned wheel",
        "A `pip` section may name wheels with their SHA-256, by address or path. A requirement such as `requests>=2` \
         would be chosen by an index at the time of the build, and a source distribution runs code of its own: take \
         the conda package of that name, or build the wheel first.",
    ),
    (
        "conda::place",
        "the base has something where the environment goes",
        "The folders above an environment are folders in the base too, not links or files: programs have the path in \
         them. Choose another `prefix`.",
    ),
    (
        "conda::platform",
        "a lock of another tool has nothing for the platform",
        "A pixi.lock, a conda-lock.yml or an explicit list is for the platforms that it was made for. Lock it for \
         this one too, or leave the platform out of the recipe.",
    ),
    (
        "conda::prefix",
        "the prefix is longer than a package has room for",
        "Programs hold the prefix in a place of fixed length, mostly of 255 letters, in old packages of fewer. Choose \
         a shorter `prefix`.",
    ),
    (
        "conda::prepare",
        "what asks channels could not be started",
        "The program could not start its threads, or make its client for the network; the reason is shown. A limit on \
         processes or open files (`ulimit -a`) is a common cause.",
    ),
    (
        "conda::solve",
        "no set of packages is what was asked for",
        "The reason is the solver's own. It chose among the channels' packages for this platform, with the virtual \
         packages that the help names: `__glibc` is that of the base, `__cuda` is there where the recipe says so.",
    ),
    (
        "conda::symbols",
        "a program needs a newer C library than the base has",
        "The versions of symbols in the program were compared with the base after installing. The channel's list did \
         not say it, or `virtual-packages` named another glibc than the base has.",
    ),
    (
        "conda::wheel",
        "a wheel is damaged",
        "Its digest is the one that was asked for, so it was damaged when it was made: a file of it has a path that leads \
         out of the environment, or the list of its files or its `METADATA` is missing. Build it again, or take another \
         version or the conda package of that name.",
    ),
    (
        "http::absent",
        "the server does not have the file (404 or 410)",
        "Mirrors drop old versions of a package when a new one comes, and some mirrors lack suites or architectures. The \
         other mirrors are asked; where none has the file, a locked package may still be in the distribution's dated \
         archive. Otherwise take the newer version: `rootsmith lock --update=NAME RECIPE`.",
    ),
    (
        "http::address",
        "a text that is no address to fetch from",
        "Inputs are fetched from addresses of http, https and file, and from absolute paths. A path with a space or \
         another special character is written plainly in a path, and percent-encoded in an address of file.",
    ),
    (
        "http::cancelled",
        "another download went wrong first",
        "Downloads run side by side, and the first error ends them all. That one is shown; this one only says that a \
         download was ended early.",
    ),
    (
        "http::certificates",
        "a file of certificates cannot be used",
        "A file of --ca-file holds one or more certificates in PEM form: blocks from `-----BEGIN CERTIFICATE-----` to \
         `-----END CERTIFICATE-----`. A file in DER form is turned into one by `openssl x509 -inform der -in F -out G`.",
    ),
    (
        "http::exhausted",
        "no mirror gave the file",
        "Every mirror was asked, those with passing trouble (no answer, a broken connection, 5xx) several times with \
         growing pauses. The reason of each is shown below the error.",
    ),
    (
        "http::file",
        "a local file cannot be read",
        "A folder of this machine is used as a mirror, and a file in it is there but may not be read, or is no file.",
    ),
    (
        "http::interrupted",
        "the connection broke",
        "A download ended before its end, again and again. What has arrived is kept in the store, and the next run goes \
         on from there. Proxies that cut off long connections are a common cause.",
    ),
    (
        "http::mismatch",
        "a file has the wrong bytes",
        "Every input is compared with the digest that a signed index, or the lock, gives for it. Wrong bytes are thrown \
         away. A mirror in the middle of an update heals by itself; a proxy that answers with a page of its own, or \
         somebody who changes files on the way, does not. Where the lock is wrong because a vendor replaced a file under \
         its old name, `rootsmith lock --update=NAME RECIPE` takes the new one, after a look at why.",
    ),
    (
        "http::no_candidate",
        "there is nowhere to fetch a file from",
        "No mirror is known for a repository of the lock: it is not one of the known distributions, and neither the \
         recipe nor a flag names an address.",
    ),
    (
        "http::no_network",
        "this machine has no working network",
        "Names could not be looked up, or there is no route. In a container without a network, build with --offline from \
         a store that has everything. Behind a proxy, set http_proxy and https_proxy; apt's own settings are used, too.",
    ),
    (
        "http::offline",
        "something is not in the store, and the network is off",
        "--offline and --frozen turn the network off. Build once without them, with the same lock and the same store, \
         and everything is there.",
    ),
    (
        "http::prepare",
        "downloads could not be prepared",
        "The program could not start its threads or read the machine's certificates. A limit on processes or open files \
         (`ulimit -a`) is a common cause.",
    ),
    (
        "http::proxy",
        "the proxy wants a login",
        "Put it into the address: http_proxy=http://USER:PASSWORD@HOST:PORT. Characters like @ are percent-encoded (%40). \
         It is not shown in messages.",
    ),
    (
        "http::redirect",
        "a redirect that is not followed",
        "Redirects in a circle, more than ten, from https to http, and to anything but http and https are not followed. \
         A sign-in page of a network is a common cause.",
    ),
    (
        "http::refused",
        "the server wants a login",
        "Logins are read from ~/.netrc (or the file that NETRC names), /etc/apt/auth.conf and /etc/apt/auth.conf.d/*.conf, in \
         the form `machine HOST/PATH login USER password PASSWORD`. Without a scheme before HOST they are sent over https \
         only. A repository of a recipe may name a secret with its login: `login = \"ID\"`, and `--secret id=ID,src=FILE`. \
         None of them is shown, or gets into a lock or an image.",
    ),
    (
        "http::slow",
        "a server sends too slowly",
        "A transfer must bring at least 1 KiB a second over half a minute. Slower servers are left for the next mirror.",
    ),
    (
        "http::status",
        "a server has a problem",
        "The server answered with a status that is neither success nor one with a message of its own here. 429 and 5xx are \
         asked again after the pause that the server asks for, up to a minute.",
    ),
    (
        "http::too_long",
        "a file is longer than it may be",
        "The size is known from a signed index or the lock, or is bounded for documents. A download is cut off at the \
         first byte beyond it.",
    ),
    (
        "http::unknown_host",
        "there is no server of that name",
        "The name in the address could not be looked up, though a name server answered. It is misspelt, or known only \
         within another network.",
    ),
    (
        "http::unreachable",
        "a server does not answer",
        "No connection could be made: nothing listens there, or something on the way drops it.",
    ),
    (
        "http::untrusted",
        "a server's certificate is not trusted",
        "The machine's own authorities are trusted, and Mozilla's where the machine has none. For an authority of your \
         own, or a proxy that opens connections, give its certificate with --ca-file FILE.",
    ),
    (
        "lock::format",
        "a lock is of another version",
        "The format of a lock says which behaviour made its image. It changes when the same inputs would give other \
         bytes. An older rootsmith builds an older lock; `rootsmith lock --update RECIPE` moves to the new format.",
    ),
    (
        "lock::inconsistent",
        "the parts of a lock contradict each other",
        "A package is there twice, or comes from a repository that is not listed. Editing by hand and merging two \
         branches do that. Take one side, or write the lock anew.",
    ),
    ("lock::io", "a lock cannot be read or written", "The lock is beside the recipe, with the extension `lock`."),
    ("lock::not_text", "a lock is not text", "The file has bytes that are not UTF-8: it is damaged, or another file."),
    (
        "lock::syntax",
        "a lock cannot be read",
        "A lock is TOML in UTF-8 with lines that end in a line feed alone; git with core.autocrlf changes that, which \
         `*.lock -text` in .gitattributes prevents. Of a merge that two branches did not agree on, take one side whole: \
         `git checkout --ours`. The place is shown.",
    ),
    (
        "registry::absent",
        "the registry does not have it (404)",
        "The name may be misspelt, the tag may be gone, or the repository private: many registries do not say that \
         something exists to those who may not see it. A locked base is asked for by its digest; where that is gone \
         too, `rootsmith lock --update RECIPE` takes what the tag means now.",
    ),
    (
        "registry::answer",
        "an answer that is not one of a registry",
        "The answer cannot be understood: a web page of a proxy or a sign-in, a manifest of an old schema, or one \
         that can be read as two things. `curl -i https://HOST/v2/` shows what is there; a registry answers with \
         JSON, or asks for a login.",
    ),
    (
        "registry::blocked",
        "registries.conf forbids it",
        "An entry of registries.conf with `blocked = true` covers the name. Whoever keeps this machine's \
         configuration wants it so; CONTAINERS_REGISTRIES_CONF names another file.",
    ),
    (
        "registry::certificates",
        "a certificate or key that cannot be used",
        "Files of /etc/containers/certs.d/HOST/ and its likes are PEM: `*.crt` for authorities, `*.cert` with `*.key` \
         beside it for our own. The cause says what is wrong with this one.",
    ),
    (
        "registry::configuration",
        "a registries.conf that cannot be used",
        "The file is not TOML of the form in containers-registries.conf(5), version 2. The message says where it \
         stops being that.",
    ),
    (
        "registry::damaged",
        "a local image that is not what its manifest says",
        "A blob of the image to be pushed has other bytes than its manifest names by digest. The disk or a copy has \
         damaged it; nothing of it was given a name in the registry. Make the image anew, or copy it from where it is \
         whole.",
    ),
    (
        "registry::file",
        "a local file that is to be pushed cannot be read",
        "The image's file is gone, or may not be read by you. The cause says which.",
    ),
    (
        "registry::helper",
        "a program that keeps logins does not give one",
        "Docker's config.json names programs that keep logins, `docker-credential-NAME`, in `credsStore` and \
         `credHelpers`. This one is not installed, took longer than a minute, or ended with the words shown.",
    ),
    (
        "registry::immutable",
        "a tag that may not be moved",
        "The registry keeps tags as they were first set, and this one is another image's. Push another tag, or none, \
         with `--push-by-digest`.",
    ),
    (
        "registry::interrupted",
        "the connection to a registry broke",
        "It was taken up again several times, and broke each time. What had arrived is not sent or fetched again in \
         the next run.",
    ),
    (
        "registry::login",
        "a user and password that are not taken",
        "The registry was asked with them and said no. Many registries want a token that is made in their settings in \
         place of the password, and some want another user name with it.",
    ),
    (
        "registry::login_file",
        "a file of logins that cannot be used",
        "The file is not JSON of the form of Docker's config.json, or an entry in it is not what logins are: `auth` \
         is base64 of `user:password`. The message names the place, and no more, as there are passwords in the file.",
    ),
    (
        "registry::login_refused",
        "the registry does not take the login that it was sent",
        "It answered 401 or 403 although a login was sent: the message names whose it is, and the file or variable that \
         it is from. It may be out of date, or without the right to do this in this repository; a token may be good \
         for pulling alone. `rootsmith login REGISTRY` tries another and keeps it.",
    ),
    (
        "registry::mismatch",
        "other bytes than the digest says",
        "What arrived does not have the digest that was asked for, and was thrown away. A cache or proxy on the way, \
         or the registry's storage, is broken.",
    ),
    (
        "registry::no_repository",
        "the registry has no such repository, and makes none by itself",
        "Most registries make a repository when something is first pushed to it. Some, such as Amazon's, want it to be \
         created before, on their pages or by their own tools; in others an administrator has to allow it.",
    ),
    (
        "registry::offline",
        "the network is off",
        "`--offline` and `--frozen` turn the network off, and what is needed of the registry is not in the store. One \
         run without them puts it there.",
    ),
    (
        "registry::realm",
        "the registry wants its login sent to somebody else",
        "A registry names the server that changes a login into a token. It gets the login only where it is the \
         registry's own host or of its domain, as `auth.example.com` is for `registry.example.com`; else somebody who \
         answers in the registry's place could have it sent anywhere. If you know the host to be right, \
         `--trust-realm HOST` allows it.",
    ),
    (
        "registry::redirect",
        "the registry leads to where we do not go",
        "Redirects are followed from https only to https, without the login, at most ten in a row, and not from \
         outside into this machine or its link-local network, where clouds give out the machine's credentials.",
    ),
    (
        "registry::refused",
        "the registry does not let you",
        "It answered 401 or 403: there is no login for it, or a login without the right for this repository. \
         `rootsmith login REGISTRY` tries a login and keeps it. Some registries answer so for repositories that do \
         not exist.",
    ),
    (
        "registry::status",
        "the registry answered with an error",
        "The status and the registry's own words are in the message. Requests that met 408, 429 or 5xx were made \
         again, after the time that the registry asked for, if that was not more than a minute.",
    ),
    (
        "registry::token_server",
        "the server that gives out a registry's tokens does not answer",
        "The registry was reached, and sends its users to another server, which is named, for a token. This machine does \
         not reach that one: a proxy or firewall may let through the registry alone, or the registry is set up with a \
         name that only its own network knows.",
    ),
    (
        "registry::too_large",
        "a document larger than any image has",
        "Manifests, indexes and configurations of images have at most 4 MiB: registries and engines take no larger \
         ones. More is not read.",
    ),
    (
        "registry::unknown_host",
        "there is no registry of that name",
        "The name servers know no such host. The first part of a name is a registry where it has a dot or a port, or is \
         `localhost`; every other name is of Docker Hub.",
    ),
    (
        "registry::unreachable",
        "no connection to the registry",
        "Nobody answers at that name and port. A registry of this machine may be without TLS; any other is asked by \
         https, unless `--plain-http` is given.",
    ),
    (
        "registry::untrusted",
        "a certificate that is not trusted",
        "The registry's certificate is not signed by an authority that this machine knows. One of your own is trusted \
         by `--ca-file FILE`, or, for this registry alone, as /etc/containers/certs.d/HOST:PORT/ca.crt.",
    ),
    (
        "store::full",
        "the store's file system is full",
        "Space, inodes or a quota are used up. `rootsmith store gc` removes what has not been used for 30 days, `rootsmith \
         store gc --all` everything. Nothing is broken by it: the store is a cache.",
    ),
    (
        "store::held",
        "another process holds a download",
        "Two builds that need the same file download it once. The other one has neither finished nor come further for a \
         while: it is stopped, or hangs.",
    ),
    ("store::in_use", "the store is in use", "Tidying waits until nobody uses the store. `--wait` waits for that."),
    (
        "store::io",
        "the store's file system answered with an error",
        "The system's words are below the error. The store must be on a file system with ordinary files and renames.",
    ),
    (
        "store::mismatch",
        "a blob has other bytes than expected",
        "The bytes do not fit the digest that they were announced with. They were thrown away.",
    ),
    (
        "store::read_only",
        "the store may not be written to",
        "It is on a read-only file system, or belongs to another user: a build as root leaves files of root. A store that \
         has everything also serves when it may only be read.",
    ),
    ("usage", "what was typed makes no sense", "`rootsmith help COMMAND` shows what a command takes."),
];
