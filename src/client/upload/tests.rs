//! What each answer of the server means for an upload.

use super::*;

fn item() -> Item {
    Item {
        path: "/x/y.mp4".into(),
        size: 100,
        sha256: "ab".repeat(32),
        mime: "video/mp4".into(),
        filename: "执法 1.mp4".into(),
        captured_at: DateTime::from_timestamp(1_790_000_000, 0),
        captured_from: None,
    }
}

fn url() -> String {
    "/api/v1/uploads/u".into()
}

fn ask() -> Step {
    Step::Ask { url: url() }
}

fn send(offset: u64) -> Step {
    Step::Send { url: url(), offset }
}

fn confirm() -> Step {
    Step::Confirm { url: url(), evidence: Some("/api/v1/evidence/e".into()) }
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    Answer::made(status, headers, "")
}

#[test]
fn creation_names_the_upload_and_a_known_file_needs_no_bytes() {
    let begun = answer(201, &[("location", "/api/v1/uploads/u")]);
    assert_eq!(after(&Step::Create, Some(&begun), &item()), After::Do(send(0)));
    let known = answer(201, &[("location", "/api/v1/uploads/u"), ("upload-offset", "100")]);
    let unnamed = Step::Confirm { url: url(), evidence: None };
    assert_eq!(after(&Step::Create, Some(&known), &item()), After::Do(unnamed.clone()));
    let status = Answer::made(200, &[], r#"{"evidence_id":"00000000-0000-0000-0000-000000000001"}"#);
    let After::Do(Step::Confirm { evidence: Some(path), .. }) = after(&unnamed, Some(&status), &item()) else {
        panic!("the status names the evidence")
    };
    assert_eq!(path, "/api/v1/evidence/00000000-0000-0000-0000-000000000001");
    assert!(matches!(after(&Step::Create, None, &item()), After::Wait(Step::Create, ..)));
    assert!(matches!(after(&Step::Create, Some(&answer(413, &[])), &item()), After::Refused(_)));
    assert!(matches!(after(&Step::Create, Some(&answer(507, &[])), &item()), After::Wait(Step::Create, ..)));
}

#[test]
fn whatever_breaks_a_body_is_asked_with_head() {
    for reply in [None, Some(answer(409, &[])), Some(answer(423, &[])), Some(answer(502, &[])), Some(answer(204, &[]))]
    {
        let next = after(&send(40), reply.as_ref(), &item());
        assert!(matches!(&next, After::Wait(step, ..) if *step == ask()), "{next:?}");
    }
    let part = answer(204, &[("upload-offset", "70")]);
    assert_eq!(after(&send(40), Some(&part), &item()), After::Do(send(70)));
    assert_eq!(after(&ask(), Some(&answer(200, &[("upload-offset", "55")])), &item()), After::Do(send(55)));
}

#[test]
fn a_lost_upload_begins_anew_and_a_wrong_digest_never_does() {
    for step in [ask(), send(40)] {
        for status in [404, 410] {
            assert_eq!(after(&step, Some(&answer(status, &[])), &item()), After::Do(Step::Create));
        }
    }
    assert!(matches!(after(&send(40), Some(&answer(460, &[])), &item()), After::Refused(_)));
    assert!(matches!(after(&send(40), Some(&answer(403, &[])), &item()), After::Blocked(_)));
    let beyond = answer(200, &[("upload-offset", "101")]);
    assert_eq!(after(&ask(), Some(&beyond), &item()), After::Do(Step::Create));
}

#[test]
fn only_the_same_hash_and_size_in_state_stored_count() {
    let record = |sha: &str, size: u64, state: &str| {
        let body = format!(
            r#"{{"id":"00000000-0000-0000-0000-000000000001","sha256":"{sha}","size":{size},"state":"{state}","stored_at":null}}"#
        );
        Answer::made(200, &[], &body)
    };
    let good = "AB".repeat(32);
    assert!(matches!(after(&confirm(), Some(&record(&good, 100, "stored")), &item()), After::Stored(_)));
    for wrong in [record(&good, 99, "stored"), record(&good, 100, "declared"), record(&"ac".repeat(32), 100, "stored")]
    {
        assert!(matches!(after(&confirm(), Some(&wrong), &item()), After::Wait(step, ..) if step == ask()));
    }
}

#[test]
fn the_metadata_is_tus_and_the_key_depends_on_all_of_it() {
    let item = item();
    let first = item.metadata();
    assert!(first.starts_with("filename ") && first.split(',').count() == 4, "{first}");
    let renamed = Item { filename: "b.mp4".into(), ..item.clone() };
    assert_ne!(renamed.idempotency_key(), item.idempotency_key());
    assert_eq!(item.idempotency_key(), item.clone().idempotency_key());
}
