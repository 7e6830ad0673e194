//! Writes ELF files for tests: what linkers make, and what no linker would.

/// An ELF file to be written.
#[derive(Clone)]
pub struct Writer {
    pub is_64: bool,
    pub is_big: bool,
    /// `e_machine`: 62 is x86-64, 183 is AArch64.
    pub machine: u16,
    /// `e_type`: 2 is a program, 3 a shared object.
    pub kind: u16,
    /// The ABI byte: 0 names none, 9 is FreeBSD.
    pub abi: u8,
    pub interpreter: Option<&'static str>,
    /// Entries of the dynamic table with a string: `DT_NEEDED` is 1, `DT_SONAME` 14, `DT_RPATH` 15, `DT_RUNPATH` 29.
    pub names: Vec<(u64, String)>,
    /// `DT_FLAGS_1`: 0x0800_0000 is PIE.
    pub flags: u64,
    /// Versions that are needed: library, versions.
    pub versions: Vec<(&'static str, Vec<&'static str>)>,
    /// Further sections: name, bytes. They are loaded at `ADDRESS` and their offset in the file.
    pub sections: Vec<(&'static str, Vec<u8>)>,
    /// Whether there is a table of sections.
    pub has_sections: bool,
}

/// Where the file is loaded.
pub const ADDRESS: u64 = 0x40_0000;

impl Writer {
    /// A static program for x86-64.
    pub fn new() -> Self {
        Self {
            is_64: true,
            is_big: false,
            machine: 62,
            kind: 2,
            abi: 0,
            interpreter: None,
            names: Vec::new(),
            flags: 0,
            versions: Vec::new(),
            sections: Vec::new(),
            has_sections: true,
        }
    }

    /// A static program for AArch64.
    pub fn arm64() -> Self {
        Self { machine: 183, ..Self::new() }
    }

    /// Adds libraries.
    pub fn needs(mut self, libraries: &[&str]) -> Self {
        self.names.extend(libraries.iter().map(|name| (1, (*name).to_owned())));
        self
    }

    /// Loaded by `interpreter`.
    pub fn loaded_by(self, interpreter: &'static str) -> Self {
        Self { interpreter: Some(interpreter), kind: 3, ..self }
    }

    /// Adds a section.
    pub fn section(mut self, name: &'static str, bytes: Vec<u8>) -> Self {
        self.sections.push((name, bytes));
        self
    }

    /// The bytes of the file. Sections begin at multiples of 16, the first after the segments; `at` of the returned list
    /// says where each is loaded.
    pub fn write(&self) -> Vec<u8> {
        self.write_with_addresses().0
    }

    /// The same, with the addresses of the further sections.
    pub fn write_with_addresses(&self) -> (Vec<u8>, Vec<u64>) {
        let has_dynamic = !self.names.is_empty() || self.flags != 0 || !self.versions.is_empty();
        let segments = 1 + usize::from(self.interpreter.is_some()) + usize::from(has_dynamic);
        let (header, entry) = if self.is_64 { (64, 56) } else { (52, 32) };
        let mut body = vec![0; header + segments * entry];
        let mut headers: Vec<(u32, u64, u64)> = Vec::new();
        if let Some(interpreter) = self.interpreter {
            let at = append(&mut body, &[interpreter.as_bytes(), b"\0"].concat());
            headers.push((3, at, interpreter.len() as u64 + 1));
        }
        if has_dynamic {
            headers.push(self.dynamic(&mut body));
        }
        let mut sections = Vec::new();
        for (name, bytes) in &self.sections {
            let at = append(&mut body, bytes);
            sections.push((*name, at, bytes.len() as u64));
        }
        let loaded = body.len() as u64;
        headers.insert(0, (1, 0, loaded));
        for (number, (kind, at, size)) in headers.into_iter().enumerate() {
            let place = header + number * entry;
            let bytes = self.program_header(kind, at, size);
            body[place..place + entry].copy_from_slice(&bytes);
        }
        let table = if self.has_sections { self.section_table(&mut body, &sections) } else { (0, 0) };
        let front = self.header(segments as u16, table);
        body[..header].copy_from_slice(&front);
        (body, sections.iter().map(|(_, at, _)| ADDRESS + at).collect())
    }

    fn header(&self, segments: u16, (sections, count): (u64, u16)) -> Vec<u8> {
        let (header, entry, section) = if self.is_64 { (64, 56, 64) } else { (52, 32, 40) };
        let mut out = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(self.is_64), 1 + u8::from(self.is_big), 1, self.abi];
        out.resize(16, 0);
        self.half(&mut out, self.kind);
        self.half(&mut out, self.machine);
        self.word(&mut out, 1);
        self.address(&mut out, ADDRESS);
        self.address(&mut out, header);
        self.address(&mut out, sections);
        self.word(&mut out, 0);
        for number in [header as u16, entry, segments, section, count, count.saturating_sub(1)] {
            self.half(&mut out, number);
        }
        out
    }

    fn program_header(&self, kind: u32, at: u64, size: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.word(&mut out, kind);
        if self.is_64 {
            self.word(&mut out, 6);
        }
        for number in [at, ADDRESS + at, ADDRESS + at, size, size] {
            self.address(&mut out, number);
        }
        if !self.is_64 {
            self.word(&mut out, 6);
        }
        self.address(&mut out, 16);
        out
    }

    /// Appends strings, versions and the dynamic table; gives the segment of that.
    fn dynamic(&self, body: &mut Vec<u8>) -> (u32, u64, u64) {
        let mut strings = vec![0];
        let mut entries: Vec<(u64, u64)> = Vec::new();
        for (tag, name) in &self.names {
            entries.push((*tag, intern(&mut strings, name)));
        }
        let mut versions = Vec::new();
        for (number, (library, names)) in self.versions.iter().enumerate() {
            let last = number + 1 == self.versions.len();
            self.half(&mut versions, 1);
            self.half(&mut versions, names.len() as u16);
            self.word(&mut versions, intern(&mut strings, library) as u32);
            self.word(&mut versions, 16);
            self.word(&mut versions, if last { 0 } else { 16 + 16 * names.len() as u32 });
            for (at, name) in names.iter().enumerate() {
                self.word(&mut versions, 0);
                self.half(&mut versions, 0);
                self.half(&mut versions, 2);
                self.word(&mut versions, intern(&mut strings, name) as u32);
                self.word(&mut versions, if at + 1 == names.len() { 0 } else { 16 });
            }
        }
        entries.push((5, ADDRESS + append(body, &strings)));
        if !versions.is_empty() {
            entries.push((0x6fff_fffe, ADDRESS + append(body, &versions)));
            entries.push((0x6fff_ffff, self.versions.len() as u64));
        }
        if self.flags != 0 {
            entries.push((0x6fff_fffb, self.flags));
        }
        entries.push((0, 0));
        let mut table = Vec::new();
        for (tag, value) in entries {
            self.address(&mut table, tag);
            self.address(&mut table, value);
        }
        let at = append(body, &table);
        (2, at, table.len() as u64)
    }

    fn section_table(&self, body: &mut Vec<u8>, sections: &[(&str, u64, u64)]) -> (u64, u16) {
        let mut names = vec![0];
        let mut table = vec![0; if self.is_64 { 64 } else { 40 }];
        let mut push = |name: u64, kind: u32, address: u64, at: u64, size: u64| {
            self.word(&mut table, name as u32);
            self.word(&mut table, kind);
            for number in [2, address, at, size] {
                self.address(&mut table, number);
            }
            self.word(&mut table, 0);
            self.word(&mut table, 0);
            self.address(&mut table, 1);
            self.address(&mut table, 0);
        };
        for (name, at, size) in sections {
            push(intern(&mut names, name), 1, ADDRESS + at, *at, *size);
        }
        let own = intern(&mut names, ".shstrtab");
        let at = append(body, &names);
        push(own, 3, 0, at, names.len() as u64);
        let place = append(body, &table);
        (place, sections.len() as u16 + 2)
    }

    fn half(&self, out: &mut Vec<u8>, number: u16) {
        out.extend(if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn word(&self, out: &mut Vec<u8>, number: u32) {
        out.extend(if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn address(&self, out: &mut Vec<u8>, number: u64) {
        match (self.is_64, self.is_big) {
            (false, _) => self.word(out, number as u32),
            (true, true) => out.extend(number.to_be_bytes()),
            (true, false) => out.extend(number.to_le_bytes()),
        }
    }
}

/// A Go build info section in the form since Go 1.18: version and modules inline.
pub fn go_build_info(version: &str, modules: &str) -> Vec<u8> {
    let mut out = b"\xff Go buildinf:".to_vec();
    out.extend([8, 2]);
    out.resize(32, 0);
    for text in [version.as_bytes().to_vec(), framed(modules)] {
        let mut left = text.len();
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
        out.extend(text);
    }
    out
}

/// The text of modules with the 16 bytes before and after it that Go puts there.
pub fn framed(modules: &str) -> Vec<u8> {
    if modules.is_empty() {
        return Vec::new();
    }
    [[0x30; 16].as_slice(), modules.as_bytes(), &[0x32; 16]].concat()
}

/// The section of `cargo auditable` with this JSON.
pub fn auditable(json: &str) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(json.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// Appends at a multiple of 16; gives where.
fn append(body: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    body.resize(body.len().next_multiple_of(16), 0);
    let at = body.len() as u64;
    body.extend_from_slice(bytes);
    at
}

fn intern(strings: &mut Vec<u8>, text: &str) -> u64 {
    let at = strings.len() as u64;
    strings.extend_from_slice(text.as_bytes());
    strings.push(0);
    at
}
