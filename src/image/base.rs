//! The image that another one stands on.

use oci_spec::image::{History, HistoryBuilder};

use super::Layer;

/// The layers of an image that another one keeps, byte for byte, below its own; without any for an image of its own.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// What the image's history says, entries without a layer too.
    pub history: Vec<History>,
}

impl Base {
    /// Keeps `layers`, whose image has this history. A history that does not tell of as many layers as there are is
    /// replaced by one that does: programs that pair the two would err.
    pub fn new(layers: Vec<Layer>, history: Vec<History>) -> Self {
        let told = history.iter().filter(|entry| !entry.empty_layer().unwrap_or(false)).count();
        if told == layers.len() {
            return Self { layers, history };
        }
        let entry = HistoryBuilder::default().created_by("layer of the base image").build();
        let history = vec![entry.expect("no field is required"); layers.len()];
        Self { layers, history }
    }
}
