//! What to ask next, from the last question and its answer; touches nothing.
//!
//! Whatever is unclear is asked with HEAD, the server's offset is believed, 460 is final, and "stored" is only what the
//! server says of the file's own hash and size.

use super::{super::http::Answer, Item};
use crate::{client::ClientError, db::types::EvidenceId};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::time::Duration;

/// The next request of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// POST: a new upload.
    Create,
    /// HEAD: how much is there?
    Ask {
        /// The upload.
        url: String,
    },
    /// PATCH from this offset on.
    Send {
        /// The upload.
        url: String,
        /// Bytes that are there.
        offset: u64,
    },
    /// GET: is it stored, and is it this file?
    Confirm {
        /// The upload.
        url: String,
        /// The evidence it became, once that is known.
        evidence: Option<String>,
    },
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Go on.
    Do(Step),
    /// Wait (at least as long as asked), then go on.
    Wait(Step, Option<Duration>, String),
    /// The server will never take this file.
    Refused(String),
    /// The server will not take anything from this device until a person acts.
    Blocked(String),
    /// It is there.
    Stored(Stored),
}

/// The part of an upload's status that leads to its evidence.
#[derive(Deserialize)]
struct Status {
    evidence_id: Option<EvidenceId>,
}

/// The part of the server's evidence record that a receipt stands on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    pub(super) id: EvidenceId,
    pub(super) sha256: String,
    pub(super) size: u64,
    state: String,
    pub(super) stored_at: Option<DateTime<Utc>>,
}

/// Decides from a step and its answer; `None` is no answer, so what the server did is unknown.
pub fn after(step: &Step, answer: Option<&Answer>, item: &Item) -> After {
    let Some(answer) = answer else { return After::Wait(retry(step), None, "no answer".into()) };
    let offset = || answer.header("upload-offset").and_then(|v| v.trim().parse::<u64>().ok());
    match (step, answer.status) {
        (_, 408 | 423 | 425 | 429 | 500..=599) => After::Wait(retry(step), answer.retry_after(), said(answer)),
        // HEAD has no body to say why; creation does, and finds the same upload again if there is no reason.
        (Step::Ask { .. }, 401 | 403) => After::Do(Step::Create),
        (_, 401) => After::Blocked(said(answer)),
        (Step::Create, 200 | 201) => match answer.header("location") {
            Some(url) => onward(url, offset().unwrap_or(0), item, answer),
            None => After::Blocked("the server named no upload".into()),
        },
        (Step::Ask { url }, 200 | 204) => match offset() {
            Some(offset) if offset <= item.size => onward(url, offset, item, answer),
            _ => After::Do(Step::Create),
        },
        (Step::Send { url, offset: before }, 204) => match offset() {
            Some(offset) if offset > *before && offset <= item.size => onward(url, offset, item, answer),
            // Also a proxy that swallowed the header: ask.
            _ => After::Wait(Step::Ask { url: url.clone() }, None, "no progress".into()),
        },
        (Step::Ask { .. } | Step::Send { .. }, 404 | 410) => After::Do(Step::Create),
        (Step::Send { url, .. }, 409) => {
            After::Wait(Step::Ask { url: url.clone() }, Some(Duration::ZERO), said(answer))
        }
        (Step::Send { url, .. }, 400) if answer.code().as_deref() == Some("body_interrupted") => {
            After::Wait(Step::Ask { url: url.clone() }, None, said(answer))
        }
        (Step::Ask { url }, 409) => After::Wait(Step::Ask { url: url.clone() }, None, said(answer)),
        (Step::Confirm { url, evidence: None }, 200) => {
            match answer.json::<Status>().ok().and_then(|s| s.evidence_id) {
                Some(id) => After::Do(confirm(url, Some(format!("/api/v1/evidence/{id}")))),
                None => missing(url),
            }
        }
        (Step::Confirm { url, evidence: Some(_) }, 200) => match stored(answer, item) {
            Some(stored) => After::Stored(stored),
            None => missing(url),
        },
        (Step::Confirm { url, .. }, 404 | 410) => missing(url),
        (_, 403) => After::Blocked(said(answer)),
        _ => After::Refused(said(answer)),
    }
}

/// Unclear what happened to bytes: ask. Everything else is harmless to repeat.
fn retry(step: &Step) -> Step {
    match step {
        Step::Send { url, .. } => Step::Ask { url: url.clone() },
        other => other.clone(),
    }
}

fn onward(url: &str, offset: u64, item: &Item, answer: &Answer) -> After {
    if offset < item.size {
        return After::Do(Step::Send { url: url.to_owned(), offset });
    }
    After::Do(confirm(url, answer.header("content-location").map(str::to_owned)))
}

fn confirm(url: &str, evidence: Option<String>) -> Step {
    Step::Confirm { url: url.to_owned(), evidence }
}

fn missing(url: &str) -> After {
    After::Wait(Step::Ask { url: url.to_owned() }, None, "the server does not have the file yet".into())
}

fn said(answer: &Answer) -> String {
    match answer.refusal() {
        ClientError::Refused { code, detail: Some(detail), .. } => format!("{code}: {detail}"),
        ClientError::Refused { code, .. } => code,
        other => other.to_string(),
    }
}

/// The record in an answer, if it says that exactly this file is stored.
fn stored(answer: &Answer, item: &Item) -> Option<Stored> {
    let stored: Stored = answer.json().ok()?;
    let same = stored.sha256.eq_ignore_ascii_case(&item.sha256) && stored.size == item.size;
    (same && stored.state == "stored").then_some(stored)
}

#[cfg(test)]
mod tests {
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
            words: vec![],
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
        for reply in
            [None, Some(answer(409, &[])), Some(answer(423, &[])), Some(answer(502, &[])), Some(answer(204, &[]))]
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
        for wrong in
            [record(&good, 99, "stored"), record(&good, 100, "declared"), record(&"ac".repeat(32), 100, "stored")]
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
}
