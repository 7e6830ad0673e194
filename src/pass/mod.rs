//! Pure changes of a tree.
