//! Writes the EXIF segment of a JPEG (CIPA DC-008): a little-endian TIFF of three directories.

use chrono::{DateTime, FixedOffset};

use super::PhotoSpec;

/// One entry of a directory.
struct Entry {
    tag: u16,
    format: u16,
    count: u32,
    bytes: Vec<u8>,
}

impl Entry {
    fn bytes(tag: u16, bytes: &[u8]) -> Self {
        Self { tag, format: 1, count: length(bytes), bytes: bytes.to_vec() }
    }

    /// Text ends in 0. UTF-8 instead of ASCII is against the letter of the standard, and what Chinese phones do.
    fn text(tag: u16, text: &str) -> Self {
        let bytes = [text.as_bytes(), &[0]].concat();
        Self { tag, format: 2, count: length(&bytes), bytes }
    }

    fn short(tag: u16, value: u16) -> Self {
        Self { tag, format: 3, count: 1, bytes: value.to_le_bytes().to_vec() }
    }

    fn long(tag: u16, value: u32) -> Self {
        Self { tag, format: 4, count: 1, bytes: value.to_le_bytes().to_vec() }
    }

    fn rationals(tag: u16, values: &[(u32, u32)]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|(n, d)| [n.to_le_bytes(), d.to_le_bytes()].concat()).collect();
        Self { tag, format: 5, count: length(&bytes) / 8, bytes }
    }

    fn undefined(tag: u16, bytes: &[u8]) -> Self {
        Self { tag, format: 7, count: length(bytes), bytes: bytes.to_vec() }
    }
}

/// The whole APP1 segment, marker and length included.
pub(super) fn segment(spec: &PhotoSpec) -> Vec<u8> {
    let tiff = tiff(spec);
    let size = u16::try_from(tiff.len() + 8).expect("texts are cut so that the block stays below 8 KiB");
    [&[0xFF, 0xE1][..], &size.to_be_bytes(), b"Exif\0\0", &tiff].concat()
}

fn tiff(spec: &PhotoSpec) -> Vec<u8> {
    let mut exif = vec![Entry::undefined(0x9000, b"0232")];
    if let Some(taken_at) = spec.taken_at {
        let local = taken_at.format("%Y:%m:%d %H:%M:%S").to_string();
        let offset = taken_at.format("%:z").to_string();
        exif.push(Entry::text(0x9003, &local));
        exif.push(Entry::text(0x9004, &local));
        exif.push(Entry::text(0x9010, &offset));
        exif.push(Entry::text(0x9011, &offset));
    }
    exif.push(Entry::undefined(0x9101, &[1, 2, 3, 0])); // ComponentsConfiguration: Y Cb Cr
    exif.push(Entry::undefined(0xA000, b"0100")); // FlashpixVersion
    exif.push(Entry::short(0xA001, 1)); // ColorSpace: sRGB
    let (width, height) =
        if (5..=8).contains(&spec.orientation) { (spec.height, spec.width) } else { (spec.width, spec.height) };
    exif.push(Entry::long(0xA002, width));
    exif.push(Entry::long(0xA003, height));
    let gps = gps(spec);

    // Entries stand in the order of their tags.
    let mut main = Vec::new();
    if let Some(description) = &spec.description {
        main.push(Entry::text(0x010E, cut(description)));
    }
    main.push(Entry::text(0x010F, cut(&spec.make)));
    main.push(Entry::text(0x0110, cut(&spec.model)));
    main.push(Entry::short(0x0112, spec.orientation.into()));
    main.push(Entry::rationals(0x011A, &[(72, 1)])); // XResolution, YResolution in ResolutionUnit inch
    main.push(Entry::rationals(0x011B, &[(72, 1)]));
    main.push(Entry::short(0x0128, 2));
    if let Some(taken_at) = spec.taken_at {
        main.push(Entry::text(0x0132, &taken_at.format("%Y:%m:%d %H:%M:%S").to_string()));
    }
    main.push(Entry::short(0x0213, 1)); // YCbCrPositioning: centred
    // The directories follow one another: main, EXIF, GPS. An entry takes 12 bytes whatever its value, so that the size
    // of `main` is known before the two pointers are.
    let pointers = if gps.is_empty() { 1 } else { 2 };
    let exif_at = 8 + directory_size(&main) + pointers * 12;
    let gps_at = exif_at + directory_size(&exif);
    main.push(Entry::long(0x8769, exif_at));
    if !gps.is_empty() {
        main.push(Entry::long(0x8825, gps_at));
    }
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    write_directory(&mut tiff, &main);
    write_directory(&mut tiff, &exif);
    if !gps.is_empty() {
        write_directory(&mut tiff, &gps);
    }
    tiff
}

fn gps(spec: &PhotoSpec) -> Vec<Entry> {
    let Some(position) = spec.position else { return Vec::new() };
    let mut gps = vec![
        Entry::bytes(0, &[2, 3, 0, 0]),
        Entry::text(1, if position.lat() < 0.0 { "S" } else { "N" }),
        Entry::rationals(2, &sexagesimal(position.lat())),
        Entry::text(3, if position.lon() < 0.0 { "W" } else { "E" }),
        Entry::rationals(4, &sexagesimal(position.lon())),
    ];
    if let Some(altitude_m) = spec.altitude_m {
        gps.push(Entry::bytes(5, &[u8::from(altitude_m < 0.0)]));
        gps.push(Entry::rationals(6, &[(rounded(altitude_m.abs() * 100.0), 100)]));
    }
    let utc = spec.taken_at.as_ref().map(DateTime::<FixedOffset>::to_utc);
    if let Some(utc) = utc {
        let part = |format: &str| utc.format(format).to_string().parse().unwrap_or(0);
        gps.push(Entry::rationals(7, &[(part("%H"), 1), (part("%M"), 1), (part("%S"), 1)]));
    }
    gps.push(Entry::text(0x12, "WGS-84"));
    if let Some(utc) = utc {
        gps.push(Entry::text(0x1D, &utc.format("%Y:%m:%d").to_string()));
    }
    gps
}

/// Degrees, minutes, seconds; a millionth of a second is 0.03 mm.
fn sexagesimal(degrees: f64) -> [(u32, u32); 3] {
    let degrees = degrees.abs();
    let minutes = degrees.fract() * 60.0;
    let seconds = minutes.fract() * 60.0;
    [(rounded(degrees.floor()), 1), (rounded(minutes.floor()), 1), (rounded(seconds * 1e6), 1_000_000)]
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
fn rounded(number: f64) -> u32 {
    number.round() as u32
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("texts are cut to 2 KiB and all else is short")
}

/// The text, or as much of it as fits in 2 KiB.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(2048)).unwrap_or(text)
}

/// Count, entries, pointer to a next directory, and then the values longer than four bytes at even offsets.
fn directory_size(entries: &[Entry]) -> u32 {
    let values: u32 =
        entries.iter().map(|e| length(&e.bytes)).filter(|size| *size > 4).map(|size| size + size % 2).sum();
    2 + u32::try_from(entries.len()).unwrap_or(0) * 12 + 4 + values
}

fn write_directory(tiff: &mut Vec<u8>, entries: &[Entry]) {
    let mut value_at = length(tiff) + 2 + u32::try_from(entries.len()).unwrap_or(0) * 12 + 4;
    let mut values = Vec::new();
    tiff.extend(u16::try_from(entries.len()).unwrap_or(0).to_le_bytes());
    for entry in entries {
        tiff.extend(entry.tag.to_le_bytes());
        tiff.extend(entry.format.to_le_bytes());
        tiff.extend(entry.count.to_le_bytes());
        if entry.bytes.len() <= 4 {
            let mut inline = entry.bytes.clone();
            inline.resize(4, 0);
            tiff.extend(inline);
        } else {
            tiff.extend(value_at.to_le_bytes());
            values.extend_from_slice(&entry.bytes);
            values.resize(values.len() + entry.bytes.len() % 2, 0);
            value_at += length(&entry.bytes) + length(&entry.bytes) % 2;
        }
    }
    tiff.extend([0; 4]);
    tiff.extend(values);
}
