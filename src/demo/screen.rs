//! What the audience sees: headings, paragraphs, rows.

use std::io::Write as _;

use crate::base::Clock;
use crate::terminal::{Palette, Tone, WIDTH, clock_time};

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    palette: Palette,
    clock: Clock,
    scene: usize,
}

impl Screen {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            palette: Palette::of_stdout(),
            clock,
            scene: 0,
        }
    }

    pub(super) const fn palette(&self) -> Palette {
        self.palette
    }

    /// Text as it is. An audience that has left is no failure.
    #[expect(clippy::unused_self, reason = "who has no screen writes nothing on it")]
    pub(super) fn text(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).ok();
        stdout.flush().ok();
    }

    /// A heading with the number of the scene.
    pub(super) fn scene(&mut self, title: &str) {
        self.scene += 1;
        let title = format!("{}. {title}", self.scene);
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 1));
        self.text(&format!(
            "\n{} {}\n\n",
            self.palette.paint(Tone::Strong, &title),
            self.palette.paint(Tone::Quiet, &rule)
        ));
    }

    /// A line of what happens, with the time.
    pub(super) fn happens(&self, what: &str) {
        let time = clock_time(self.clock.now());
        let time = self.palette.paint(Tone::Quiet, &time);
        self.text(&format!("  {time}  {what}\n"));
    }

    /// An indented line.
    pub(super) fn line(&self, text: &str) {
        self.text(&format!("  {text}").replace("  \n", "\n"));
        self.text("\n");
    }
}
