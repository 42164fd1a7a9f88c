//! Boot images for Talos Linux, composed on request.

fn main() {}
