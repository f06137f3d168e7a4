//! `api-spec/capture-vectors.json`: capture records that another client can test itself with. This program runs the
//! same; `UPDATE=1` writes them anew, with a fresh key.

use chengguan::{
    canonical::canonical,
    captures::rules::{Content, GENESIS, Medium, PublicKey, Record, SigningKey, VERSION, verify_chain, verify_record},
    db::types::DeviceId,
    evidence::datum::Datum,
    identity::tokens::{PublicJwk, fresh_pkcs8, hex, public_key, sha256},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

#[derive(Serialize, Deserialize)]
struct Vectors {
    canonical: Vec<Spelling>,
    key: PublicJwk,
    record: Example,
    chains: Vec<Chain>,
}

/// A JSON text and its one spelling; none when it has none.
#[derive(Serialize, Deserialize)]
struct Spelling {
    why: String,
    json: String,
    canonical: Option<String>,
}

/// A record, the bytes that are signed, and the hash that the next one names.
#[derive(Serialize, Deserialize)]
struct Example {
    raw: String,
    signed: String,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Chain {
    why: String,
    records: Vec<String>,
    findings: Vec<Found>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    index: usize,
    code: String,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("api-spec/capture-vectors.json")
}

fn found(records: &[String], key: &PublicKey) -> Vec<Found> {
    let bytes: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
    let findings = verify_chain(&bytes, key).into_iter();
    findings.map(|finding| Found { index: finding.index, code: finding.flag.code.to_string() }).collect()
}

#[test]
fn records_are_read_as_the_vectors_say() {
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&fresh()).unwrap();
        fs::write(path(), text + "\n").unwrap();
    }
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    for Spelling { why, json, canonical: expected } in vectors.canonical {
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(canonical(&value).ok(), expected, "{why}");
    }
    let key = PublicKey::of(&vectors.key.point().unwrap()).unwrap();
    let Example { raw, signed, sha256: hash } = vectors.record;
    let record = verify_record(raw.as_bytes(), &key).unwrap();
    assert_eq!((&record.sha256, hex(&sha256(raw.as_bytes()))), (&hash, hash.clone()));
    let mut value: Value = serde_json::from_str(&raw).unwrap();
    value.as_object_mut().unwrap().remove("sig");
    assert_eq!(canonical(&value).unwrap(), signed);
    for Chain { why, records, findings } in vectors.chains {
        assert_eq!(found(&records, &key), findings, "{why}");
    }
}

struct Maker {
    signer: SigningKey,
    key: PublicKey,
    chains: Vec<Chain>,
}

fn content(epoch: i32, seq: i64, prev: String) -> Content {
    Content {
        v: VERSION,
        device: DeviceId(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0009)),
        epoch,
        seq,
        prev,
        r#type: "action".into(),
        body: json!({"op_type": "case.report", "说明": "现场"}).as_object().unwrap().clone(),
        media: vec![Medium { sha256: hex(&sha256(&seq.to_be_bytes())), size: 200_000 + seq }],
        lat_e6: Some(27_440_123 + i32::try_from(seq).unwrap()),
        lon_e6: Some(109_944_456),
        datum: Some(Datum::Gcj02),
        accuracy_mm: Some(4_500),
        fix_age_ms: Some(900),
        wall_ms: 1_795_395_600_000 + i64::from(epoch) * 3_600_000 + seq * 60_000,
        mono_ms: Some(seq * 60_000),
        boot: Some(format!("b{epoch}")),
        beacon: None,
    }
}

fn hash(raw: &str) -> String {
    hex(&sha256(raw.as_bytes()))
}

impl Maker {
    fn sign(&self, content: Content) -> String {
        self.signer.sign(content).unwrap()
    }

    fn chain(&self, epoch: i32, count: i64, mut prev: String) -> Vec<String> {
        let mut one = |seq| {
            let raw = self.sign(content(epoch, seq, prev.clone()));
            prev = hash(&raw);
            raw
        };
        (1..=count).map(&mut one).collect()
    }

    /// Adds a chain of which exactly this is found.
    fn add(&mut self, why: &str, records: Vec<String>, expected: &[(usize, &str)]) {
        let findings = found(&records, &self.key);
        let expected: Vec<Found> =
            expected.iter().map(|(index, code)| Found { index: *index, code: (*code).into() }).collect();
        assert_eq!(findings, expected, "{why}");
        self.chains.push(Chain { why: why.into(), records, findings });
    }
}

fn fresh() -> Vectors {
    let pkcs8 = fresh_pkcs8().unwrap();
    let point = public_key(&pkcs8).unwrap();
    let (signer, key) = (SigningKey::of(&pkcs8).unwrap(), PublicKey::of(&point).unwrap());
    let mut maker = Maker { signer, key, chains: vec![] };
    let whole = maker.chain(1, 5, GENESIS.into());
    let but = |f: &dyn Fn(&mut Vec<String>)| {
        let mut records = whole.clone();
        f(&mut records);
        records
    };
    let second = |with: &dyn Fn(Content) -> Content| maker.sign(with(content(1, 2, hash(&whole[0]))));
    let pair = |second: String| vec![whole[0].clone(), second];
    let edited = but(&|records| {
        records[2] = maker.sign(Content { r#type: "edit".into(), ..content(1, 3, hash(&whole[1])) });
    });
    let forked = but(&|records| {
        records.push(maker.sign(Content { r#type: "copy".into(), ..content(1, 5, hash(&whole[3])) }));
    });
    let linked = but(&|records| records.extend(maker.chain(3, 2, hash(&whole[4]))));
    let lost = but(&|records| records.extend(maker.chain(3, 2, "ab".repeat(32))));
    let clock = |wall: i64, mono: i64| {
        pair(second(&move |c: Content| Content {
            wall_ms: c.wall_ms + wall,
            mono_ms: c.mono_ms.map(|ms| ms + mono),
            ..c
        }))
    };
    let (drift, back, mono) = (clock(120_001, 0), clock(-61_001, -59_000), clock(0, -60_001));
    let fix =
        pair(second(&|c| Content { lat_e6: Some(27_440_124), accuracy_mm: Some(0), fix_age_ms: Some(60_001), ..c }));
    let bare = pair(second(&|c| Content {
        lat_e6: None,
        lon_e6: None,
        datum: None,
        accuracy_mm: None,
        fix_age_ms: None,
        mono_ms: None,
        boot: None,
        media: vec![],
        ..c
    }));
    for (why, records, expected) in [
        ("a whole chain", whole.clone(), vec![]),
        ("a chain that goes on in a later epoch", linked, vec![]),
        ("a record with nothing but what it must have", bare, vec![]),
        ("one record is missing", but(&|records| drop(records.remove(2))), vec![(2, "gap")]),
        ("the beginning is missing", but(&|records| drop(records.remove(0))), vec![(0, "gap")]),
        ("the end of the epoch before is missing", lost, vec![(5, "gap")]),
        ("two are in the wrong order", but(&|records| records.swap(2, 3)), vec![(3, "reordered")]),
        ("one comes twice", but(&|records| records.push(whole[1].clone())), vec![(5, "replayed")]),
        ("two have one number", forked, vec![(5, "fork")]),
        ("one was changed with the key, after the next was made", edited, vec![(2, "edited")]),
        (
            "one was changed without the key",
            but(&|records| records[2] = records[2].replace("27440126", "27440127")),
            vec![(2, "bad_signature"), (3, "gap")],
        ),
        (
            "one is not in its one spelling",
            but(&|records| records[4] = records[4].replace(",\"v\":1", ", \"v\":1")),
            vec![(4, "malformed")],
        ),
        ("the wall clock was set within a boot", drift, vec![(1, "clock_drift")]),
        ("the wall clock went back", back, vec![(1, "clock_back")]),
        ("the monotonic clock went back", mono, vec![(1, "clock_back")]),
        (
            "an old position, claimed exact, the same as before",
            fix,
            vec![(1, "fix_old"), (1, "accuracy_zero"), (1, "fix_repeated")],
        ),
    ] {
        maker.add(why, records, &expected);
    }
    let raw = whole[1].clone();
    assert!(Record::read(raw.as_bytes()).is_ok());
    let mut value: Value = serde_json::from_str(&raw).unwrap();
    value.as_object_mut().unwrap().remove("sig");
    let signed = canonical(&value).unwrap();
    let spelling = |why: &str, json: &str, canonical: Option<&str>| Spelling {
        why: why.into(),
        json: json.into(),
        canonical: canonical.map(str::to_owned),
    };
    Vectors {
        canonical: vec![
            spelling(
                "names are sorted and nothing stands between",
                "{ \"b\" : [ 1, null ], \"a\" : true }",
                Some("{\"a\":true,\"b\":[1,null]}"),
            ),
            spelling(
                "names are sorted by UTF-16 code units",
                "{\"\\ufb33\":1,\"\\ud83d\\ude00\":2,\"\\u20ac\":3}",
                Some("{\"€\":3,\"😀\":2,\"\u{fb33}\":1}"),
            ),
            spelling(
                "only what must be escaped is",
                "\"\\u0001\\u0008\\u0009\\u000a\\u000c\\u000d\\u0022\\u005c\\/\\u007f\\u4e2d\"",
                Some("\"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}中\""),
            ),
            spelling(
                "the largest whole numbers",
                "[9007199254740991,-9007199254740991,0]",
                Some("[9007199254740991,-9007199254740991,0]"),
            ),
            spelling("a fraction has no spelling here", "[1.5]", None),
            spelling("a larger number has none either", "9007199254740992", None),
        ],
        key: PublicJwk::from_point(&point),
        record: Example { sha256: hash(&raw), raw, signed },
        chains: maker.chains,
    }
}
