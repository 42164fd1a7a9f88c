//! What requests mean, against vectors recorded from the reference. One binary: linking takes longer than running.

// `cfg(test)` always holds here; it tells clippy that helpers may unwrap.
#[cfg(test)]
mod cmdline;
#[cfg(test)]
mod meta;
#[cfg(test)]
mod path;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod render;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod versions;
