//! The fake of a vision server: OpenAI's chat completions, with the habits of those that speak them.

mod answer;
mod handle;
mod question;
mod state;

pub use answer::Habit;
pub use handle::Vision;
