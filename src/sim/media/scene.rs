//! A street as a child would draw it: sky, houses, pavement, road, a heap of rubbish, a van that drives through.

use image::{Rgb, RgbImage};

use super::Noise;

/// Draws the street of `seed`; `step` moves the van by a sixteenth of the width. Everything scales with the size.
pub(super) fn draw(seed: u64, width: u32, height: u32, step: u32) -> RgbImage {
    let mut noise = Noise(seed);
    let mut canvas = Canvas { pixels: RgbImage::new(width, height) };
    let (unit_x, unit_y) = ((width / 64).max(1), (height / 48).max(1));

    let sky = colour(&mut noise, 120, 100);
    canvas.sky(sky, height * 5 / 8);
    // No two streets have the same lines, or a hash of pictures would take all streets for one.
    let (ground, mut left) = (24 + noise.below(10), 0);
    while left < 64 {
        let (wide, tall) = (5 + noise.below(10), 8 + noise.below(16));
        let wall = colour(&mut noise, 90, 120);
        canvas.fill(left * unit_x, (ground - tall) * unit_y, wide * unit_x, tall * unit_y, wall);
        for window in 0..tall / 4 {
            let (glass, top) = (colour(&mut noise, 40, 160), ground + 1 - tall + window * 4);
            canvas.fill((left + 1) * unit_x, top * unit_y, 2 * unit_x, 2 * unit_y, glass);
            canvas.fill((left + wide - 3) * unit_x, top * unit_y, 2 * unit_x, 2 * unit_y, glass);
        }
        left += wide + noise.below(4);
    }
    canvas.fill(0, ground * unit_y, width, 4 * unit_y, [150, 148, 140]);
    canvas.fill(0, (ground + 4) * unit_y, width, height, [70, 70, 74]);
    let painted = noise.below(8);
    for dash in 0..9 {
        canvas.fill((dash * 8 + painted).saturating_sub(8) * unit_x, 42 * unit_y, 4 * unit_x, unit_y, [225, 220, 200]);
    }
    let heap = noise.below(44);
    for _ in 0..14 {
        let (x, y, radius) = (heap + noise.below(10), ground + noise.below(4), 1 + noise.below(2));
        let bag = colour(&mut noise, 20, 140);
        canvas.disc(x * unit_x, y * unit_y, radius * unit_x, bag);
    }
    let paint = colour(&mut noise, 60, 180);
    let van = (noise.below(64) + step * 4) % 64 * unit_x;
    canvas.fill(van, 36 * unit_y, 12 * unit_x, 5 * unit_y, paint);
    canvas.disc(van + 2 * unit_x, 41 * unit_y, unit_x, [25, 25, 25]);
    canvas.disc(van + 10 * unit_x, 41 * unit_y, unit_x, [25, 25, 25]);
    canvas.grain(&mut noise);
    canvas.pixels
}

fn colour(noise: &mut Noise, base: u8, spread: u8) -> [u8; 3] {
    [(); 3].map(|()| base.saturating_add(u8::try_from(noise.below(spread.into())).unwrap_or(0)))
}

struct Canvas {
    pixels: RgbImage,
}

impl Canvas {
    /// A rectangle, cut at the edges of the picture.
    fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: [u8; 3]) {
        let (right, bottom) = ((left + width).min(self.pixels.width()), (top + height).min(self.pixels.height()));
        for y in top..bottom {
            for x in left..right {
                self.pixels.put_pixel(x, y, Rgb(colour));
            }
        }
    }

    fn disc(&mut self, middle_x: u32, middle_y: u32, radius: u32, colour: [u8; 3]) {
        for y in middle_y.saturating_sub(radius)..(middle_y + radius).min(self.pixels.height()) {
            for x in middle_x.saturating_sub(radius)..(middle_x + radius).min(self.pixels.width()) {
                if x.abs_diff(middle_x).pow(2) + y.abs_diff(middle_y).pow(2) <= radius.pow(2) {
                    self.pixels.put_pixel(x, y, Rgb(colour));
                }
            }
        }
    }

    fn sky(&mut self, top: [u8; 3], height: u32) {
        for y in 0..height {
            // Towards white at the horizon.
            let fade = |channel: u8| {
                let whiter = u32::from(255 - channel) * y / height.max(1);
                channel.saturating_add(u8::try_from(whiter).unwrap_or(0))
            };
            self.fill(0, y, self.pixels.width(), 1, top.map(fade));
        }
    }

    /// What a small sensor adds: three bits in each channel. It also makes any two pictures differ everywhere.
    fn grain(&mut self, noise: &mut Noise) {
        for eight in self.pixels.chunks_mut(8) {
            for (channel, grain) in eight.iter_mut().zip(noise.next().to_le_bytes()) {
                *channel ^= grain & 7;
            }
        }
    }
}
