//! Tar in and out, and compression.
//!
//! Reading never touches the host's file system: a tar becomes [`Item`]s, and items become a tree. Writing is
//! canonical: a tree has exactly one tar, and a tar exactly one compressed form for each [`Compression`].

mod apply;
mod blocks;
mod compress;
mod cpio;
mod decompress;
mod error;
mod extended;
mod header;
mod layer;
mod pax;
mod read;
mod row;
mod sparse;
mod write;

pub use apply::{Applier, Apply, Duplicates};
pub use blocks::{decompress_blocks, decompress_member};
pub use compress::{Compressed, Compression, Compressor, Effort, ParseCompressionError};
pub use cpio::{CpioError, CpioOmissions, write_cpio};
pub use decompress::{Format, decompress};
pub use error::ArchiveError;
pub use layer::{LayerApplier, read_layer_file};
pub use read::{Item, Limits, What, read_tar, read_tar_file, read_tar_file_ahead};
pub use write::{SpecialFiles, TarWriter, is_kept_attribute, write_layer, write_tar, write_tar_by_entry};
