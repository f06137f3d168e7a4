//! Walks the segments of a JPEG and the chunks of a PNG to the two things of interest: the picture's size and the EXIF
//! block. Nothing is decoded here, and pixels are skipped, not read.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Facts, Kind, exif, note};

/// The longest EXIF block that is looked at: what fits in one JPEG segment after its length and `Exif\0\0`. In a PNG it
/// could be gigabytes, and `nom-exif` copies each entry's bytes, so that many entries over one large block would keep it
/// busy for hours.
const MAX_EXIF_BYTES: usize = 65_535 - 2 - 6;

/// How many segments or chunks are walked before giving up; a 100 MB PNG in 8 KiB chunks has 12 500.
const MAX_PARTS: usize = 20_000;

pub(super) fn read<R: Read + Seek>(source: &mut R, facts: &mut Facts) {
    let found = if facts.kind == Kind::Png { walk_png(source) } else { walk_jpeg(source) };
    match found.size {
        Some((width, height)) if width > 0 && height > 0 => facts.set_size(width, height),
        _ => facts.note(note::HEADER_BROKEN),
    }
    if let Some(tiff) = found.exif {
        exif::read(&tiff, facts);
    }
}

#[derive(Default)]
struct Found {
    size: Option<(u32, u32)>,
    exif: Option<Vec<u8>>,
    progressive: bool,
}

/// The frame header of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JpegFrame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Coded in several passes, which costs a decoder three times the memory.
    pub(crate) progressive: bool,
}

/// The frame header, or `None` when the bytes have none before the first scan.
pub(crate) fn jpeg_frame<R: Read + Seek>(source: &mut R) -> Option<JpegFrame> {
    let found = walk_jpeg(source);
    found.size.map(|(width, height)| JpegFrame { width, height, progressive: found.progressive })
}

/// Whatever was found before the walk ended, be it at the picture data or at a broken segment.
fn walk_jpeg<R: Read + Seek>(source: &mut R) -> Found {
    let mut found = Found::default();
    // An error only means that there is no more to find; the caller sees what is missing.
    let _: io::Result<()> = walk_jpeg_into(source, &mut found);
    found
}

fn walk_jpeg_into<R: Read + Seek>(source: &mut R, found: &mut Found) -> io::Result<()> {
    source.seek(SeekFrom::Start(2))?;
    for _ in 0..MAX_PARTS {
        if byte(source)? != 0xFF {
            return Ok(());
        }
        let mut marker = byte(source)?;
        while marker == 0xFF {
            // Fill bytes are allowed before a marker (ITU-T T.81, B.1.1.2).
            marker = byte(source)?;
        }
        match marker {
            // TEM and RSTn stand alone.
            0x01 | 0xD0..=0xD7 => continue,
            // End of image, or start of scan: the frame header must have come before.
            0xD9 | 0xDA => return Ok(()),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(array(source)?));
        let Some(length) = length.checked_sub(2) else { return Ok(()) };
        match marker {
            // SOF0…SOF15; C4, C8 and CC are tables and a reserved code.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) && found.size.is_none() && length >= 5 => {
                let [_, h1, h0, w1, w0] = array(source)?;
                found.size = Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into()));
                found.progressive = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
                skip(source, length - 5)?;
            }
            0xE1 if found.exif.is_none() => {
                let block = take(source, length)?;
                found.exif = block.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec);
            }
            _ => skip(source, length)?,
        }
    }
    Ok(())
}

fn walk_png<R: Read + Seek>(source: &mut R) -> Found {
    let mut found = Found::default();
    let _: io::Result<()> = walk_png_into(source, &mut found);
    found
}

fn walk_png_into<R: Read + Seek>(source: &mut R, found: &mut Found) -> io::Result<()> {
    source.seek(SeekFrom::Start(8))?;
    for _ in 0..MAX_PARTS {
        let length = u32::from_be_bytes(array(source)?) as usize;
        match &array::<4, R>(source)? {
            b"IHDR" if length >= 8 && found.size.is_none() => {
                let (width, height) = (u32::from_be_bytes(array(source)?), u32::from_be_bytes(array(source)?));
                found.size = Some((width, height));
                skip(source, length - 8 + 4)?;
            }
            b"eXIf" if length <= MAX_EXIF_BYTES && found.exif.is_none() => {
                found.exif = Some(take(source, length)?);
                skip(source, 4)?;
            }
            b"IEND" => return Ok(()),
            // Each chunk ends with a checksum of four bytes.
            _ => skip(source, length.saturating_add(4))?,
        }
    }
    Ok(())
}

fn byte<R: Read>(source: &mut R) -> io::Result<u8> {
    array::<1, R>(source).map(|[byte]| byte)
}

fn array<const N: usize, R: Read>(source: &mut R) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// `length` is below 64 KiB at each call.
fn take<R: Read>(source: &mut R, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip<R: Seek>(source: &mut R, length: usize) -> io::Result<()> {
    // Within the buffer of a `BufReader` this costs no system call.
    source.seek_relative(i64::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// Start, an EXIF-less APP1, fill bytes, a table, a frame header of 640x480 with marker `sof`, start of scan.
    fn jpeg(sof: u8) -> Vec<u8> {
        let mut bytes = b"\xFF\xD8\xFF\xE1\0\x06http\xFF\xFF\xFF\xC4\0\x03\0\xFF".to_vec();
        bytes.push(sof);
        bytes.extend(b"\0\x0B\x08\x01\xE0\x02\x80\x01\x01\x11\0\xFF\xDA\0\x02");
        bytes
    }

    #[test]
    fn the_size_of_a_jpeg_is_that_of_its_frame_header() {
        let frame = jpeg_frame(&mut Cursor::new(jpeg(0xC0)));
        assert_eq!(frame, Some(JpegFrame { width: 640, height: 480, progressive: false }));
        assert!(jpeg_frame(&mut Cursor::new(jpeg(0xC2))).unwrap().progressive);
    }

    #[test]
    fn a_jpeg_cut_before_its_frame_header_has_no_size() {
        let whole = jpeg(0xC0);
        for length in 0..26 {
            assert_eq!(jpeg_frame(&mut Cursor::new(&whole[..length])), None, "{length}");
        }
    }

    #[test]
    fn a_png_chunk_that_claims_gigabytes_is_not_read() {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR\0\0\x02\x80\0\0\x01\xE0\x08\x02\0\0\0crc!".to_vec();
        bytes.extend(b"\xFF\xFF\xFF\xFFeXIfII*\0");
        let found = walk_png(&mut Cursor::new(bytes));
        assert_eq!((found.size, found.exif), (Some((640, 480)), None));
    }
}
