//! Layers, images and indexes.
