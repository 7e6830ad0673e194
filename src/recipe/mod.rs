//! The recipe: what a person wants, as checked values.
