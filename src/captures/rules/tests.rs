//! One record, and many that name each other: whatever is dropped, moved, changed, repeated or made twice has a name.

use super::*;
use crate::identity::tokens::{fresh_pkcs8, public_key};
use uuid::Uuid;

struct Bench {
    signer: SigningKey,
    key: PublicKey,
}

fn bench() -> Bench {
    let pkcs8 = fresh_pkcs8().unwrap();
    let key = PublicKey::of(&public_key(&pkcs8).unwrap()).unwrap();
    Bench { signer: SigningKey::of(&pkcs8).unwrap(), key }
}

fn content(epoch: i32, seq: i64, prev: &str) -> Content {
    Content {
        v: VERSION,
        device: DeviceId(Uuid::from_u128(9)),
        epoch,
        seq,
        prev: prev.to_owned(),
        r#type: "action".into(),
        body: Map::new(),
        media: vec![Medium { sha256: hex(&sha256(&seq.to_le_bytes())), size: seq }],
        lat_e6: Some(27_440_000 + seq as i32),
        lon_e6: Some(109_944_456),
        datum: Some(Datum::Wgs84),
        accuracy_mm: Some(4_500),
        fix_age_ms: Some(900),
        wall_ms: 1_790_000_000_000 + i64::from(epoch) * 3_600_000 + seq * 60_000,
        mono_ms: Some(seq * 60_000),
        boot: Some(format!("b{epoch}")),
        beacon: None,
    }
}

impl Bench {
    /// So many records of an epoch, each on the one before.
    fn chain(&self, epoch: i32, count: i64, mut prev: String) -> Vec<String> {
        let mut one = |seq| {
            let raw = self.signer.sign(content(epoch, seq, &prev)).unwrap();
            prev = digest(&raw);
            raw
        };
        (1..=count).map(&mut one).collect()
    }

    fn findings(&self, records: &[String]) -> Vec<(usize, Fault)> {
        let bytes: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
        verify_chain(&bytes, &self.key).into_iter().map(|finding| (finding.index, finding.flag.code)).collect()
    }
}

fn digest(raw: &str) -> String {
    hex(&sha256(raw.as_bytes()))
}

#[test]
fn a_whole_chain_over_two_epochs_has_no_finding() {
    let bench = bench();
    let mut records = bench.chain(1, 5, GENESIS.into());
    let last = digest(records.last().unwrap());
    records.extend(bench.chain(3, 4, last));
    assert_eq!(bench.findings(&records), []);
}

#[test]
fn what_is_dropped_moved_changed_repeated_or_made_twice_is_named() {
    let bench = bench();
    let whole = bench.chain(1, 6, GENESIS.into());
    let but = |f: &dyn Fn(&mut Vec<String>)| {
        let mut records = whole.clone();
        f(&mut records);
        bench.findings(&records)
    };
    assert_eq!(but(&|records| drop(records.remove(2))), [(2, Fault::Gap)]);
    assert_eq!(but(&|records| drop(records.remove(0))), [(0, Fault::Gap)]);
    assert_eq!(but(&|records| records.swap(2, 3)), [(3, Fault::Reordered)]);
    assert_eq!(but(&|records| records.insert(5, whole[2].clone())), [(5, Fault::Replayed)]);
    // Changed without the key: the signature tells, and the chain lacks it.
    let changed = |records: &mut Vec<String>| records[2] = records[2].replace("27440003", "27440004");
    assert_eq!(but(&changed), [(2, Fault::BadSignature), (3, Fault::Gap)]);
    // Changed with the key: the next record tells, and its neighbours too, by their clocks and places.
    let other = |seq: i64| {
        let prev = digest(&whole[seq as usize - 2]);
        let body = Map::from_iter([("n".to_owned(), Value::from(1))]);
        bench.signer.sign(Content { body, ..content(1, seq, &prev) }).unwrap()
    };
    assert_eq!(but(&|records| records[2] = other(3)), [(2, Fault::Edited)]);
    // Made twice: both are there.
    assert_eq!(but(&|records| records.push(other(6))), [(6, Fault::Fork)]);
    // An epoch that goes on from a record that nobody has.
    let lost = bench.chain(2, 1, digest("?"));
    assert_eq!(but(&|records| records.extend(lost.clone())), [(6, Fault::Gap)]);
}

#[test]
fn another_devices_key_signs_nothing_of_this_one() {
    let (bench, other) = (bench(), self::bench());
    let records = bench.chain(1, 2, GENESIS.into());
    assert_eq!(other.findings(&records), [(0, Fault::BadSignature), (1, Fault::BadSignature)]);
    assert_eq!(verify_record(records[0].as_bytes(), &other.key).unwrap_err().code, Fault::BadSignature);
    assert_eq!(verify_record(records[0].as_bytes(), &bench.key).unwrap().content.seq, 1);
}

#[test]
fn every_byte_that_is_changed_is_noticed() {
    let bench = bench();
    let raw = bench.chain(1, 1, GENESIS.into()).remove(0).into_bytes();
    for at in 0..raw.len() {
        for mask in [1, 0x20, 0x80] {
            let mut changed = raw.clone();
            changed[at] ^= mask;
            assert!(verify_record(&changed, &bench.key).is_err(), "byte {at}: {}", String::from_utf8_lossy(&changed));
        }
    }
}

#[test]
fn what_is_no_record_says_why() {
    let bench = bench();
    let good = bench.chain(1, 1, GENESIS.into()).remove(0);
    let why = |raw: &str| Record::read(raw.as_bytes()).unwrap_err();
    for raw in ["", "{", "null", "[]", "1.5", "{}", "\u{feff}{}", &format!(" {good}"), &good.replace(':', ": ")] {
        assert!(!why(raw).is_empty(), "{raw}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!why(&deep).is_empty());
    for (from, to) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""seq":1"#, r#""seq":0"#),
        (r#""seq":1"#, r#""seq":9007199254740992"#),
        (r#""epoch":1"#, r#""epoch":-1"#),
        (r#""epoch":1"#, r#""epoch":1.0"#),
        ("\"datum\":\"wgs84\"", "\"datum\":\"mars\""),
        (r#""lat_e6":27440001"#, r#""lat_e6":90000001"#),
        (r#""accuracy_mm":4500"#, r#""accuracy_mm":-1"#),
        (r#""type":"action""#, r#""type":"Action!""#),
        (r#","boot":"b1""#, ""),
        (r#""boot":"b1""#, r#""boot":"""#),
        (r#","sig":""#, r#","sig":"A"#),
        (GENESIS, "00"),
        ("00000000-0000-0000-0000-000000000009", "00000000000000000000000000000009"),
    ] {
        let raw = good.replace(from, to);
        assert_ne!(raw, good, "{from}");
        assert!(!why(&raw).is_empty(), "{raw}");
    }
    assert_eq!(malformed("a\0b\nc").detail, "abc");
    let flood = content(1, 1, GENESIS);
    let flood = Content { media: vec![flood.media[0].clone(); MOST_MEDIA + 1], ..flood };
    assert_eq!(bench.signer.sign(flood).unwrap_err().code, Code::ValueInvalid);
}

#[test]
fn members_of_a_newer_version_are_signed_and_kept() {
    let bench = bench();
    let raw = bench.chain(1, 1, GENESIS.into()).remove(0);
    let added = raw.replace(r#""v":1"#, r#""v":1,"zeal":5"#).replace(r#","v":1,"zeal":5"#, r#","v":1"#);
    assert_eq!(added, raw);
    let with = raw.replace(r#","wall_ms""#, r#","vigour":5,"wall_ms""#);
    assert_eq!(verify_record(with.as_bytes(), &bench.key).unwrap_err().code, Fault::BadSignature, "it is signed too");
}

#[test]
fn clocks_and_positions_that_can_not_be_are_flagged() {
    let first = content(1, 1, GENESIS);
    let next = || content(1, 2, GENESIS);
    let codes = |record: Content| -> Vec<Fault> {
        let flags = alone(&record).into_iter().chain(beside(&first, &record));
        flags.map(|flag| flag.code).collect()
    };
    assert_eq!(codes(next()), []);
    assert_eq!(codes(Content { wall_ms: next().wall_ms + 120_000, ..next() }), []);
    assert_eq!(codes(Content { wall_ms: next().wall_ms + 120_001, ..next() }), [Fault::ClockDrift]);
    assert_eq!(codes(Content { wall_ms: first.wall_ms - 1_001, ..next() }), [Fault::ClockBack]);
    assert_eq!(codes(Content { wall_ms: first.wall_ms - 900_000, ..next() }), [Fault::ClockBack, Fault::ClockDrift]);
    assert_eq!(codes(Content { mono_ms: Some(59_999), ..next() }), [Fault::ClockBack]);
    let rebooted = Content { mono_ms: Some(5), boot: Some("b2".into()), ..next() };
    assert_eq!(codes(Content { wall_ms: rebooted.wall_ms + 3_600_000, ..rebooted }), []);
    assert_eq!(codes(Content { mono_ms: None, boot: None, ..next() }), []);
    assert_eq!(codes(Content { fix_age_ms: Some(60_000), ..next() }), []);
    assert_eq!(codes(Content { fix_age_ms: Some(60_001), ..next() }), [Fault::FixOld]);
    assert_eq!(codes(Content { accuracy_mm: Some(0), ..next() }), [Fault::AccuracyZero]);
    assert_eq!(codes(Content { lat_e6: first.lat_e6, ..next() }), [Fault::FixRepeated]);
    let (none, at) = (Content { lat_e6: None, lon_e6: None, datum: None, ..next() }, 1_790_000_000_000);
    assert_eq!(codes(none), []);
    assert_eq!(bounds(at, at + 120_000, at + 500_000), None);
    assert_eq!(bounds(at, at + 120_001, at + 500_000).unwrap().code, Fault::WallOutOfBounds);
    assert_eq!(bounds(at + 120_000, at - 5, at), None);
    assert_eq!(bounds(at + 120_001, at - 5, at).unwrap().code, Fault::WallOutOfBounds);
}

#[test]
fn a_key_signs_from_its_own_epoch_on_until_the_next_one() {
    let key = || PublicKey::of(&public_key(&fresh_pkcs8().unwrap()).unwrap()).unwrap();
    let keys = [(1, key()), (4, key())];
    let of = |epoch| -> Vec<bool> {
        let found = keys_of_epoch(&keys, epoch);
        keys.iter().map(|(_, key)| found.iter().any(|found| std::ptr::eq(*found, key))).collect()
    };
    assert_eq!(
        [of(0), of(1), of(3), of(4), of(9)].concat(),
        [true, true, true, false, true, false, false, true, false, true]
    );
    assert!(keys_of_epoch(&keys[1..], 3).is_empty());
}

#[test]
fn a_chain_of_ten_thousand_verifies() {
    let bench = bench();
    let records = bench.chain(1, 10_000, GENESIS.into());
    let bytes: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
    let began = std::time::Instant::now();
    assert_eq!(verify_chain(&bytes, &bench.key), []);
    let took = began.elapsed();
    eprintln!("10000 records verified in {took:?}");
}
