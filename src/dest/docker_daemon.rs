//! `docker-daemon:REF`: the Docker engine of this machine.

use std::path::Path;

use super::archive::Members;
use super::{Blob, Contents, DestError, Destination};
use crate::digest::Digest;
use crate::engine::{Engine, EngineError};
use crate::oci::Reference;

/// A Docker engine that loads the image from the same archive that [`super::ArchiveFile`] writes.
pub struct DockerDaemon {
    engine: Engine,
    names: Vec<Reference>,
    members: Members,
}

impl DockerDaemon {
    /// Will load the image through `socket` and call it `names`.
    pub fn new(socket: &Path, names: &[Reference]) -> Result<Self, DestError> {
        if names.is_empty() {
            return Err(DestError::NoName { destination: "the Docker daemon" });
        }
        Ok(Self { engine: Engine::new(socket), names: names.to_vec(), members: Members::default() })
    }
}

impl Destination for DockerDaemon {
    fn has(&mut self, _: &Digest, _: u64) -> Result<bool, DestError> {
        Ok(false)
    }

    fn put_blob(&mut self, blob: &Blob, _: &dyn Fn(u64)) -> Result<(), DestError> {
        self.members.put(blob);
        Ok(())
    }

    fn put_manifest(&mut self, manifest: &Blob) -> Result<(), DestError> {
        self.members.put(manifest);
        Ok(())
    }

    fn finish(self: Box<Self>, contents: &Contents, advance: &dyn Fn(u64)) -> Result<(), DestError> {
        let loaded = self.engine.load(|body| self.members.write(contents, &self.names, body, advance));
        loaded.map_err(|error| match error {
            EngineError::Talk { socket, source } => DestError::Daemon { socket, source },
            EngineError::Refused { message, .. } => DestError::DaemonRefused { message },
        })
    }
}
