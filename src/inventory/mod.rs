//! Packages found in a tree.
