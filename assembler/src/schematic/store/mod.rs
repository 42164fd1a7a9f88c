//! Where schematics are kept.
