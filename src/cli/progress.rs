//! Progress on terminals, for work that takes longer than a second.

use std::time::Duration;

use assembler::forge::Forge;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Nothing is shown before this has passed.
const DELAY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// A spinner while something of unknown length goes on; drawn on standard error, only if that is a terminal.
pub(super) fn spinner(message: String) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg} ({elapsed})").expect("the template is valid"),
    );
    bar.set_message(message);
    delayed(&bar);
    bar
}

/// Waits for `work`, and says on `spinner` what extensions are being prepared for it meanwhile.
pub(super) async fn watch<T>(
    spinner: &ProgressBar,
    forge: &Forge,
    work: impl Future<Output = T>,
) -> T {
    const MIB: u64 = 1 << 20;
    let message = spinner.message();
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => {
                let preparing = forge.preparing();
                let parts = preparing.iter().map(|part| {
                    format!("{}, {} of {} MiB", part.what, part.done / MIB, part.total.div_ceil(MIB))
                });
                let parts: Vec<_> = std::iter::once(message.clone()).chain(parts).collect();
                spinner.set_message(parts.join("; "));
            }
        }
    }
}

/// A bar for a known number of bytes.
pub(super) fn bytes(message: String, len: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    let template = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    bar.set_style(
        ProgressStyle::with_template(template)
            .expect("the template is valid")
            .progress_chars("=> "),
    );
    bar.set_message(message);
    delayed(&bar);
    bar
}

/// Hides a bar until it has lived for [`DELAY`].
fn delayed(bar: &ProgressBar) {
    bar.set_draw_target(ProgressDrawTarget::hidden());
    let weak = bar.downgrade();
    std::thread::spawn(move || {
        std::thread::sleep(DELAY);
        if let Some(bar) = weak.upgrade()
            && !bar.is_finished()
        {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    });
}
