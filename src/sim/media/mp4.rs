//! Writes an MP4 (ISO/IEC 14496-12) with one H.264 track: headers first, so that a browser can start before the rest is
//! there; then all samples in one chunk; then filler inside the same `mdat`, which players pass over.

use std::io::{self, Write};

use super::h264::{Coder, PROFILE};
use super::{Noise, VideoSpec, scene};

/// Milliseconds from frame to frame; longer for recordings beyond a quarter of an hour, to bound the sample table.
const FRAME_MS: u32 = 200;
const MAX_FRAMES: u32 = 5_000;

/// Key frames are held in memory together.
const MAX_KEY_FRAMES: u64 = 16;

/// Seconds from 1904-01-01 to 1970-01-01.
const MAC_EPOCH_S: i64 = 2_082_844_800;

/// Units of all durations, per second.
const TIMESCALE: u32 = 1_000;

pub(super) fn write(spec: &VideoSpec, out: &mut impl Write) -> io::Result<u64> {
    let coder = Coder::new(spec.width, spec.height);
    let interval_ms = FRAME_MS.max(spec.duration_ms.div_ceil(MAX_FRAMES));
    let frames = spec.duration_ms.div_ceil(interval_ms).max(1);
    let samples = samples(spec, coder, frames);

    let ftyp = boxed(b"ftyp", &[b"isom", &[0, 0, 2, 0], b"isomiso2avc1mp41"]);
    // The position of the samples depends on the length of the header, which does not depend on the position.
    let header_bytes = ftyp.len() + moov(spec, coder, interval_ms, &samples, 0).len();
    let sample_bytes: usize = samples.iter().map(|sample| sample.bytes.len()).sum();
    let before_filler = (header_bytes + 8 + sample_bytes) as u64;
    let filler = spec.target_bytes.saturating_sub(before_filler);
    let mdat_bytes = 8 + sample_bytes as u64 + filler;
    // A 32-bit size of 1 says that the true one follows in 64 bits, which take eight bytes off the filler.
    let (mdat_head, filler) = match u32::try_from(mdat_bytes) {
        Ok(short) => ([&short.to_be_bytes()[..], b"mdat"].concat(), filler),
        Err(_) => ([&1_u32.to_be_bytes()[..], b"mdat", &mdat_bytes.to_be_bytes()].concat(), filler.saturating_sub(8)),
    };
    let moov = moov(spec, coder, interval_ms, &samples, header_bytes + mdat_head.len());

    out.write_all(&ftyp)?;
    out.write_all(&moov)?;
    out.write_all(&mdat_head)?;
    for sample in &samples {
        out.write_all(&sample.bytes)?;
    }
    write_filler(Noise(spec.seed ^ 0xF111_E500), filler, out)?;
    Ok((header_bytes + mdat_head.len() + sample_bytes) as u64 + filler)
}

struct Sample {
    /// Length-prefixed NAL unit.
    bytes: Vec<u8>,
    is_key: bool,
}

/// As many key frames as the wanted length has room for, spread evenly, each a step further on the road.
fn samples(spec: &VideoSpec, coder: Coder, frames: u32) -> Vec<Sample> {
    let room = spec.target_bytes.saturating_sub(4_096 + u64::from(frames) * 24);
    let keys = (room / coder.key_frame_bytes()).clamp(1, MAX_KEY_FRAMES.min(frames.into()));
    let key_of = |frame: u32| u32::try_from(u64::from(frame) * keys / u64::from(frames)).unwrap_or(0);
    let mut since_key = 0;
    (0..frames)
        .map(|frame| {
            let is_key = frame == 0 || key_of(frame) != key_of(frame - 1);
            since_key = if is_key { 0 } else { since_key + 1 };
            let nal = if is_key {
                let step = key_of(frame);
                coder.key_frame(&scene::draw(spec.seed, coder.width(), coder.height(), step), step)
            } else {
                coder.repeat_frame(since_key)
            };
            Sample { bytes: [&size(nal.len()).to_be_bytes()[..], &nal].concat(), is_key }
        })
        .collect()
}

fn write_filler(mut noise: Noise, length: u64, out: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    let mut left = length;
    while left > 0 {
        for eight in block.chunks_exact_mut(8) {
            eight.copy_from_slice(&noise.next().to_le_bytes());
        }
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        out.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

fn moov(spec: &VideoSpec, coder: Coder, interval_ms: u32, samples: &[Sample], samples_at: usize) -> Vec<u8> {
    let created_s = spec
        .taken_at
        .and_then(|at| at.timestamp().checked_add(MAC_EPOCH_S))
        .and_then(|seconds| u32::try_from(seconds).ok())
        .unwrap_or(0)
        .to_be_bytes();
    let duration = spec.duration_ms.to_be_bytes();
    let timescale = TIMESCALE.to_be_bytes();
    let (width, height) = (coder.width(), coder.height());

    let mvhd = boxed(
        b"mvhd",
        // Rate 1, volume 1, upright, next track 2.
        &[
            &[0; 4],
            &created_s,
            &created_s,
            &timescale,
            &duration,
            &[0, 1, 0, 0, 1, 0],
            &[0; 10],
            &UPRIGHT,
            &[0; 24],
            &[0, 0, 0, 2],
        ],
    );
    let tkhd = boxed(
        b"tkhd",
        // Enabled and in the movie; track 1; size as 16.16.
        &[
            &[0, 0, 0, 3],
            &created_s,
            &created_s,
            &[0, 0, 0, 1, 0, 0, 0, 0],
            &duration,
            &[0; 16],
            &UPRIGHT,
            &(width << 16).to_be_bytes(),
            &(height << 16).to_be_bytes(),
        ],
    );
    // Language "und".
    let mdhd = boxed(b"mdhd", &[&[0; 4], &created_s, &created_s, &timescale, &duration, &[0x55, 0xC4, 0, 0]]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], b"vide", &[0; 12], b"VideoHandler\0"]);
    let dref = boxed(b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1], &boxed(b"url ", &[&[0, 0, 0, 1]])]);
    let minf = boxed(
        b"minf",
        &[
            &boxed(b"vmhd", &[&[0, 0, 0, 1], &[0; 8]]),
            &boxed(b"dinf", &[&dref]),
            &sample_table(spec, coder, interval_ms, samples, samples_at),
        ],
    );
    let trak = boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])]);
    boxed(b"moov", &[&mvhd, &trak, &user_data(spec)])
}

fn sample_table(spec: &VideoSpec, coder: Coder, interval_ms: u32, samples: &[Sample], samples_at: usize) -> Vec<u8> {
    let count = size(samples.len());
    let [width, height] =
        [coder.width(), coder.height()].map(|side| u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes());
    let (sps, pps) = (coder.sequence_parameters(), Coder::picture_parameters());
    let short = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    let avcc = boxed(b"avcC", &[&[1], &PROFILE, &[0xFF, 0xE1], &short(&sps), &sps, &[1], &short(&pps), &pps]);
    let avc1 = boxed(
        b"avc1",
        // Data reference 1; 72 dpi; one frame a sample; no name; 24 bits.
        &[
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0; 16],
            &width,
            &height,
            &[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0; 32],
            &[0, 0x18, 0xFF, 0xFF],
            &avcc,
        ],
    );
    // All frames but the last take an interval; the last takes what remains.
    let last_ms = spec.duration_ms.saturating_sub(interval_ms.saturating_mul(count - 1));
    let times = [count - 1, interval_ms, 1, last_ms];
    let times = if count == 1 { &times[2..] } else { &times[..] };
    let keys: Vec<u32> = (1..).zip(samples).filter(|(_, sample)| sample.is_key).map(|(number, _)| number).collect();
    let sizes: Vec<u32> = samples.iter().map(|sample| size(sample.bytes.len())).collect();
    boxed(
        b"stbl",
        &[
            &boxed(b"stsd", &[&words(&[0, 1]), &avc1]),
            &boxed(b"stts", &[&words(&[0, size(times.len()) / 2]), &words(times)]),
            &boxed(b"stss", &[&words(&[0, size(keys.len())]), &words(&keys)]),
            &boxed(b"stsc", &[&words(&[0, 1, 1, count, 1])]),
            &boxed(b"stsz", &[&words(&[0, 0, count]), &words(&sizes)]),
            &boxed(b"stco", &[&words(&[0, 1, size(samples_at)])]),
        ],
    )
}

/// Place and device as Android and most cameras write them.
fn user_data(spec: &VideoSpec) -> Vec<u8> {
    let mut items = Vec::new();
    if let Some(position) = spec.position {
        let altitude = spec.altitude_m.map(|metres| format!("{metres:+.1}")).unwrap_or_default();
        items.push(text(b"\xA9xyz", &format!("{:+010.6}{:+011.6}{altitude}/", position.lat(), position.lon())));
    }
    items.push(text(b"\xA9mak", &spec.make));
    items.push(text(b"\xA9mod", &spec.model));
    boxed(b"udta", &[&items.concat()])
}

/// Length, language "und", text; cut to 1 KiB.
fn text(kind: &[u8; 4], text: &str) -> Vec<u8> {
    let text = text.get(..text.floor_char_boundary(1_024)).unwrap_or(text);
    boxed(kind, &[&u16::try_from(text.len()).unwrap_or(0).to_be_bytes(), &[0x55, 0xC4], text.as_bytes()])
}

/// The identity as 16.16 and 2.30 fixed point.
const UPRIGHT: [u8; 36] = {
    let mut matrix = [0; 36];
    matrix[1] = 1;
    matrix[17] = 1;
    matrix[32] = 0x40;
    matrix
};

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(size(length).to_be_bytes());
    bytes.extend(kind);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("headers and samples are a few megabytes; only the filler is longer")
}
