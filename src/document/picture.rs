//! A QR code as squares, and as a picture for files that want one.

use crate::error::{Error, Result};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use qrcode::{Color, EcLevel, QrCode};

/// The squares of a QR code, row by row, without the white border it needs.
pub(super) struct Squares {
    /// Of one side.
    pub(super) side: usize,
    /// Whether each is dark.
    dark: Vec<bool>,
}

/// How many squares wide the white border is (ISO/IEC 18004).
pub(super) const QUIET: usize = 4;

impl Squares {
    /// Of a text. Level M: a print may lose 15% of it.
    pub(super) fn of(text: &str) -> Result<Squares> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(Error::internal)?;
        let dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Ok(Squares { side: code.width(), dark })
    }

    /// The dark ones as stripes `(column, row, length)`, which are fewer and print without seams.
    pub(super) fn stripes(&self) -> Vec<(usize, usize, usize)> {
        let mut found: Vec<(usize, usize, usize)> = Vec::new();
        for row in 0..self.side {
            for column in (0..self.side).filter(|column| self.dark[row * self.side + column]) {
                match found.last_mut().filter(|(from, at, long)| *at == row && from + *long == column) {
                    Some((_, _, long)) => *long += 1,
                    None => found.push((column, row, 1)),
                }
            }
        }
        found
    }

    /// A grey PNG with its border, and the pixels of its side.
    pub(super) fn png(&self) -> Result<(Vec<u8>, u32)> {
        const PIXELS: usize = 8;
        let side = (self.side + 2 * QUIET) * PIXELS;
        let mut grey = vec![255; side * side];
        for (column, row, long) in self.stripes() {
            for y in (row + QUIET) * PIXELS..(row + QUIET + 1) * PIXELS {
                let from = y * side + (column + QUIET) * PIXELS;
                grey[from..from + long * PIXELS].fill(0);
            }
        }
        let pixels = u32::try_from(side).map_err(Error::internal)?;
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&grey, pixels, pixels, ExtendedColorType::L8).map_err(Error::internal)?;
        Ok((png, pixels))
    }
}
