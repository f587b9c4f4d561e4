//! Decodes files as the server does, for `scripts/compare-pictures`.
//!
//! `cargo run -p image-codec --example copies -- SIDE < PATHS`
//!
//! For each path, one a line, it writes a line `copy WIDTH HEIGHT` followed by the pixels, three bytes each,
//! or a line `refused` or `failed` with the reason.

use std::{
    error::Error,
    fs,
    io::{self, BufRead as _, Write as _},
    num::NonZeroU32,
};

use domain::ports::{CallContext, CodecError, ImageCodec as _};
use image_codec::{CodecSettings, PictureCodec};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let side: NonZeroU32 = std::env::args().nth(1).ok_or("which side?")?.parse()?;
    let codec = PictureCodec::new(CodecSettings::default());
    let mut out = io::stdout().lock();
    for path in io::stdin().lock().lines() {
        let file = fs::read(path?)?;
        match codec.decode(file.into(), side, &CallContext::local()).await {
            Ok(picture) => {
                writeln!(
                    out,
                    "copy {} {}",
                    picture.scaled_width, picture.scaled_height
                )?;
                out.write_all(&picture.pixels)?;
            }
            Err(CodecError::Failed(cause)) => writeln!(out, "failed {cause}")?,
            Err(refusal) => writeln!(out, "refused {refusal}")?,
        }
        out.flush()?;
    }
    Ok(())
}
