//! An inspection for people.

use std::fmt::{self, Write};

use super::{Config, Inspection, Named, Usage};
use crate::ops::facts::bytes;

impl Inspection {
    /// Some screens of text; ends with a newline.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a text takes everything");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        if let Some(digest) = &self.digest {
            writeln!(out, "Digest        {digest}")?;
        }
        if let Some(manifest) = self.manifest.filter(|manifest| Some(*manifest) != self.digest) {
            writeln!(out, "Manifest      {manifest}")?;
        }
        if let Some(release) = &self.os_release {
            let name = release.pretty_name.as_ref().unwrap_or(&release.id);
            writeln!(out, "Distribution  {}", plain(name))?;
        }
        if let Some(config) = &self.config {
            write_config(config, out)?;
        }
        let files = &self.files;
        writeln!(
            out,
            "Files         {} files, {} directories, {} symbolic links, {} special, {} setuid or setgid",
            files.regular, files.directories, files.symlinks, files.special, files.setuid_or_setgid
        )?;
        writeln!(out, "Packages      {}", self.packages.len())?;
        for state in &self.made_at_start {
            writeln!(out, "Not in it     {state}")?;
        }
        write_platforms(&self.manifests, out)?;
        if !self.layers.is_empty() {
            writeln!(out, "\nLayers")?;
        }
        for layer in &self.layers {
            let (size, whole) = (bytes(layer.size), bytes(layer.uncompressed_size));
            writeln!(out, "  {}  {size:>9} stored  {whole:>9} uncompressed", layer.digest)?;
        }
        writeln!(out, "\nLargest")?;
        write_usage(&self.usage, 1, out)?;
        let mut largest: Vec<_> = self.packages.iter().filter(|package| package.installed_size > 0).collect();
        largest.sort_by_key(|package| std::cmp::Reverse(package.installed_size));
        if !largest.is_empty() {
            writeln!(out, "\nLargest packages")?;
        }
        for package in largest.iter().take(10) {
            let (name, version) = (plain(&package.name), plain(&package.version));
            writeln!(out, "  {:>9}  {name} {version}", bytes(package.installed_size))?;
        }
        Ok(())
    }
}

pub(super) fn write_config(config: &Config, out: &mut String) -> fmt::Result {
    let mut line = |name: &str, value: &str| match value {
        "" => Ok(()),
        value => writeln!(out, "{name:<13} {}", plain(value)),
    };
    line("Platform", &config.platform)?;
    line("Created", config.created.as_deref().unwrap_or_default())?;
    line("User", if config.user.is_empty() { "root (none set)" } else { &config.user })?;
    line("Entrypoint", &words(&config.entrypoint))?;
    line("Command", &words(&config.cmd))?;
    line("Directory", config.working_dir.as_deref().unwrap_or_default())?;
    line("Stop signal", config.stop_signal.as_deref().unwrap_or_default())?;
    line("Ports", &config.exposed_ports.join(", "))?;
    line("Volumes", &config.volumes.join(", "))?;
    config.env.iter().try_for_each(|variable| line("Environment", variable))?;
    config.labels.iter().try_for_each(|(name, value)| line("Label", &format!("{name}={value}")))
}

/// What an index names.
pub(super) fn write_platforms(manifests: &[Named], out: &mut String) -> fmt::Result {
    let platform = |one: &Named| one.platform.clone().unwrap_or_else(|| one.media_type.clone());
    write_list("Platforms", manifests, &platform, out)
}

/// Things with a digest, one a line, under a title where there are any.
pub(super) fn write_list(title: &str, all: &[Named], what: &dyn Fn(&Named) -> String, out: &mut String) -> fmt::Result {
    if !all.is_empty() {
        writeln!(out, "\n{title}")?;
    }
    all.iter().try_for_each(|one| writeln!(out, "  {}  {:>9}  {}", one.digest, bytes(one.size), plain(&what(one))))
}

fn write_usage(usage: &Usage, depth: usize, out: &mut String) -> fmt::Result {
    writeln!(out, "{}{:>9}  {}", "  ".repeat(depth), bytes(usage.bytes), usage.path)?;
    usage.children.iter().try_for_each(|child| write_usage(child, depth + 1, out))
}

/// Arguments as somebody would type them.
fn words(words: &[String]) -> String {
    let simple = |word: &String| !word.is_empty() && !word.contains([' ', '\t', '\'', '"', '\\', '$']);
    let word = |word: &String| if simple(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Without control characters, which could play tricks on a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
