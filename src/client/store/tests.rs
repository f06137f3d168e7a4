//! What the client's store keeps, and keeps apart.

use super::*;
use crate::{
    client::keep::{Extent, Keep},
    db::types::{DeviceId, OpId},
    env::Env,
    identity::rules::DeviceKind,
    sync::wire::{
        self, Base, Change, ChangeType, Changes, EvidenceRef, OpResult, PushResponse, Snapshot, Status, Target,
    },
};
use std::path::PathBuf;
use uuid::Uuid;

struct Bench {
    folder: PathBuf,
    store: Store,
    now: DateTime<Utc>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn bench() -> Bench {
    let env = Env::system();
    let folder = std::env::temp_dir().join(format!("chengguan-store-{}", env.id()));
    let mut store = Store::open(&folder.join("device.db")).unwrap();
    let now = env.now();
    store.set_identity(&identity(1), ClockOffset { offset_ms: 0, measured_at: now }).unwrap();
    Bench { folder, store, now }
}

fn identity(epoch: i32) -> Identity {
    let (device, kind) = (DeviceId(Uuid::from_u128(9)), DeviceKind::Handheld);
    Identity { device, name: "h1".into(), kind, epoch, pkcs8: vec![1] }
}

fn target(n: u128) -> Target {
    Target { kind: "case".into(), id: Uuid::from_u128(n) }
}

impl Bench {
    fn draft(&self, op: u128, on: u128, base: Option<Base>) -> Draft {
        Draft {
            op_id: OpId(Uuid::from_u128(op)),
            r#type: if base.is_none() { "case.note".into() } else { "case.handle".into() },
            target: target(on),
            base,
            depends_on: vec![],
            actor: UserId(Uuid::from_u128(1)),
            session: SessionId(Uuid::from_u128(2)),
            occurred_at: self.now,
            mono: None,
            gps: None,
            args: serde_json::json!({"text": "x"}),
            attachments: vec![],
        }
    }

    fn save(&mut self, op: u128, on: u128, base: Option<Base>) -> Queued {
        let draft = self.draft(op, on, base);
        let saved = self.store.save(draft).unwrap();
        self.store.waiting(1000).unwrap().into_iter().find(|q| q.op_id == saved.op_id).unwrap()
    }

    fn answer(&mut self, batch: &[Queued], results: Vec<OpResult>, generation: &str) {
        self.answer_missing(batch, results, generation, &[]);
    }

    fn answer_missing(&mut self, batch: &[Queued], results: Vec<OpResult>, generation: &str, missing: &[i64]) {
        let response = PushResponse {
            generation: generation.into(),
            server_time: self.now,
            push_token: "t".into(),
            results,
            unprocessed_from: None,
            retry_after_ms: 0,
            missing_seqs: missing.to_vec(),
        };
        let attempt = self.store.begin_attempt().unwrap();
        assert!(self.store.acknowledge(&attempt, batch, &response, self.now).unwrap());
    }

    fn page(&mut self, prev: &str, next: &str, changes: Vec<Change>) -> bool {
        let page = Changes {
            generation: "g".into(),
            server_time: self.now,
            seq: changes.iter().map(|change| change.seq).max().unwrap_or(0),
            prev: prev.into(),
            next: next.into(),
            has_more: false,
            changes,
            floor: 0,
            digest: None,
            next_poll_s: 60,
        };
        self.store.apply(&page, self.now).unwrap()
    }

    fn snapshot(&mut self, items: Vec<Change>) {
        self.snapshot_of(Extent::Whole, &["a", "b"], &["a", "b"], items);
    }

    fn snapshot_of(&mut self, extent: Extent, scope: &[&str], of: &[&str], items: Vec<Change>) {
        let words = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let page = Snapshot {
            generation: "g".into(),
            server_time: self.now,
            cursor: "c0".into(),
            seq: items.iter().map(|change| change.seq).max().unwrap_or(0),
            next_page: None,
            scope: words(scope),
            of: words(of),
            items,
        };
        self.store.live(None, "g").unwrap();
        self.store.snapshot_begin().unwrap();
        self.store.snapshot_page(&page).unwrap();
        self.store.snapshot_finish(&page, extent, self.now).unwrap();
    }

    fn cases(&mut self) -> Vec<(String, i64)> {
        self.store.records("case").unwrap().into_iter().map(|(id, ver, _)| (id, ver)).collect()
    }
}

fn result(op: u128, status: Status, ver: Option<i64>) -> OpResult {
    OpResult {
        op_id: Some(OpId(Uuid::from_u128(op))),
        status,
        duplicate: false,
        code: None,
        detail: None,
        ver,
        result_seq: Some(1),
        winner: None,
        conflict_id: None,
        waiting: vec![],
        adjusted: vec![],
        resolved_by: None,
    }
}

fn change(t: ChangeType, n: u128, ver: i64) -> Change {
    keyed(t, n, ver, &["a"])
}

fn keyed(t: ChangeType, n: u128, ver: i64, keys: &[&str]) -> Change {
    let data = (t == ChangeType::Upsert).then(|| json(&serde_json::json!({"ver": ver})));
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Change { seq: ver, t, kind: "case".into(), id: Uuid::from_u128(n).to_string(), ver: Some(ver), keys, data }
}

fn json(value: &impl Serialize) -> Box<serde_json::value::RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

#[test]
fn numbers_are_dense_bytes_never_change_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut b = bench();
    let first = b.save(1, 5, None);
    for op in 2..=5 {
        b.save(op, 5, None);
    }
    let summary = b.store.outbox_summary().unwrap();
    assert_eq!((summary.depth, summary.high_seq, summary.oldest), (5, 5, Some(b.now)));
    let mode = std::fs::metadata(b.folder.join("device.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // As after a crash: nothing but the file remains.
    b.store = Store::open(&b.folder.join("device.db")).unwrap();
    let waiting = b.store.waiting(10).unwrap();
    assert_eq!((waiting.len(), &waiting[0]), (5, &first));
}

#[test]
fn a_draft_with_an_id_that_is_there_already_saves_nothing() {
    let mut b = bench();
    b.save(1, 5, None);
    let draft = b.draft(1, 5, None);
    assert!(b.store.save(draft).is_err());
    assert_eq!(b.store.outbox_summary().unwrap().high_seq, 1);
}

#[test]
fn an_answer_empties_the_outbox_by_id_and_ignores_what_it_was_not_asked() {
    let mut b = bench();
    let batch = [b.save(1, 5, None), b.save(2, 5, None), b.save(3, 5, None)];
    let unread = OpResult { op_id: None, ..result(0, Status::Rejected, None) };
    b.answer(&batch, vec![result(1, Status::Conflict, None), unread, result(77, Status::Applied, None)], "g");
    assert_eq!(b.store.waiting(10).unwrap(), vec![batch[2].clone()]);
    let sent = b.store.answered().unwrap();
    let words: Vec<_> = sent.iter().map(|s| (s.op_id.0.as_u128(), s.result.status)).collect();
    assert_eq!(words, [(1, Status::Conflict), (2, Status::Rejected)]);
    assert_eq!(sent[0].raw, batch[0].raw);
}

#[test]
fn a_new_life_of_the_server_brings_answered_work_back_in_its_order() {
    let mut b = bench();
    let first = [b.save(1, 5, None), b.save(2, 5, None)];
    b.answer(&first, vec![result(1, Status::Applied, Some(1)), result(2, Status::Applied, Some(2))], "g");
    let second = [b.save(3, 5, None)];
    b.answer(&second, vec![result(3, Status::Applied, Some(1))], "restored");
    let waiting: Vec<_> = b.store.waiting(10).unwrap();
    assert_eq!(waiting, first);
}

#[test]
fn a_page_is_applied_once_and_only_where_it_continues() {
    let mut b = bench();
    assert!(!b.page("c0", "c1", vec![change(ChangeType::Upsert, 5, 1)]), "no snapshot yet");
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    assert!(b.page("c0", "c1", vec![change(ChangeType::Upsert, 5, 2), change(ChangeType::Upsert, 6, 1)]));
    assert!(!b.page("c0", "c1", vec![change(ChangeType::Upsert, 5, 9)]), "a repeated answer");
    let id = |n| Uuid::from_u128(n).to_string();
    assert_eq!(b.cases(), [(id(5), 3), (id(6), 1)]);
    assert!(b.page("c1", "c2", vec![change(ChangeType::Leave, 5, 4)]));
    assert_eq!(b.cases(), [(id(6), 1)]);
}

#[test]
fn a_record_that_left_stays_under_queued_work_and_a_snapshot_keeps_the_outbox() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3), change(ChangeType::Upsert, 6, 1)]);
    let batch = [b.save(1, 5, Some(Base::Version { ver: 3 }))];
    b.page("c0", "c1", vec![change(ChangeType::Leave, 5, 4)]);
    assert_eq!(b.store.base_for(&target(5)).unwrap(), Some(Base::Op { op: batch[0].op_id }));
    b.snapshot(vec![change(ChangeType::Upsert, 7, 1)]);
    assert_eq!(b.cases(), [(Uuid::from_u128(7).to_string(), 1)]);
    assert_eq!(b.store.waiting(10).unwrap(), batch);
}

#[test]
fn a_chain_names_its_own_last_step_until_the_feed_shows_it() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    assert_eq!(b.store.base_for(&target(5)).unwrap(), Some(Base::Version { ver: 3 }));
    let first = b.save(1, 5, Some(Base::Version { ver: 3 }));
    b.save(2, 5, None);
    let own = Some(Base::Op { op: first.op_id });
    assert_eq!(b.store.base_for(&target(5)).unwrap(), own, "a note is no step");
    b.answer(&[first], vec![result(1, Status::Applied, Some(4))], "g");
    assert_eq!(b.store.base_for(&target(5)).unwrap(), own);
    b.page("c0", "c1", vec![change(ChangeType::Upsert, 5, 4)]);
    assert_eq!(b.store.base_for(&target(5)).unwrap(), Some(Base::Version { ver: 4 }));
    let refused = b.save(3, 5, Some(Base::Version { ver: 4 }));
    b.answer(&[refused], vec![result(3, Status::Conflict, None)], "g");
    assert_eq!(b.store.base_for(&target(5)).unwrap(), Some(Base::Version { ver: 4 }));
}

#[test]
fn an_outcome_in_the_feed_replaces_the_first_word_and_answers_what_waits() {
    let mut b = bench();
    b.snapshot(vec![]);
    let batch = [b.save(1, 5, None), b.save(2, 5, None)];
    b.answer(&batch[..1], vec![result(1, Status::Held, None)], "g");
    let outcome = |op: u128| Change {
        seq: 1,
        t: ChangeType::OpResult,
        kind: "op".into(),
        id: Uuid::from_u128(op).to_string(),
        ver: None,
        keys: vec![],
        data: Some(json(&result(op, Status::Applied, Some(2)))),
    };
    b.page("c0", "c1", vec![outcome(1), outcome(2), outcome(99)]);
    let statuses: Vec<_> = b.store.answered().unwrap().into_iter().map(|s| s.result.status).collect();
    assert_eq!(statuses, [Status::Applied, Status::Applied]);
    assert_eq!(b.store.waiting(10).unwrap(), []);
}

#[test]
fn enrolling_anew_numbers_what_waits_from_one_and_names_the_old_labels() {
    let mut b = bench();
    let offset = ClockOffset { offset_ms: 0, measured_at: b.now };
    let first = b.save(1, 5, None);
    b.save(2, 5, None);
    b.answer(&[first], vec![result(1, Status::Applied, None)], "g");
    b.store.set_identity(&identity(2), offset).unwrap();
    let waiting = b.store.waiting(10).unwrap();
    let op: wire::Op = serde_json::from_str(&waiting[0].raw).unwrap();
    assert_eq!((waiting.len(), op.op_id.0.as_u128(), op.seq), (1, 2, 1));
    assert_eq!(op.was, Some(wire::Was { epoch: 1, seq: 2, was: None }));
    let saved = b.save(3, 5, None);
    assert_eq!(serde_json::from_str::<wire::Op>(&saved.raw).unwrap().seq, 2);
    let attempt = b.store.begin_attempt().unwrap();
    assert_eq!((attempt.epoch, attempt.number, attempt.push_token), (2, 1, None));
}

#[test]
fn only_the_newest_try_may_settle_and_a_second_telling_changes_nothing() {
    let mut b = bench();
    let batch = [b.save(1, 5, None)];
    let old = b.store.begin_attempt().unwrap();
    let new = b.store.begin_attempt().unwrap();
    let mut response = PushResponse {
        generation: "g".into(),
        server_time: b.now,
        push_token: "t".into(),
        results: vec![result(1, Status::Held, None)],
        unprocessed_from: None,
        retry_after_ms: 0,
        missing_seqs: vec![],
    };
    assert!(!b.store.acknowledge(&old, &batch, &response, b.now).unwrap());
    assert_eq!(b.store.waiting(10).unwrap(), batch);
    assert!(b.store.acknowledge(&new, &batch, &response, b.now).unwrap());
    response.results = vec![result(1, Status::Rejected, None)];
    b.store.acknowledge(&new, &batch, &response, b.now).unwrap();
    assert_eq!(b.store.answered().unwrap()[0].result.status, Status::Held, "the first word, or the feed's");
}

#[test]
fn a_record_that_left_goes_when_its_work_and_its_photos_have_gone() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    let mut draft = b.draft(1, 5, None);
    let evidence = EvidenceRef {
        sha256: "ab".repeat(32),
        size: 5,
        mime: "image/jpeg".into(),
        role: "before".into(),
        need: "none".into(),
        captured_at: None,
    };
    draft.attachments = vec![Attachment { path: "/photos/1.jpg".into(), evidence }];
    b.store.save(draft).unwrap();
    b.page("c0", "c1", vec![change(ChangeType::Leave, 5, 4)]);
    assert_eq!((b.cases().len(), b.store.gone("case").unwrap().len()), (0, 1));
    let batch = b.store.waiting(10).unwrap();
    b.answer(&batch, vec![result(1, Status::Applied, None)], "g");
    assert_eq!(b.store.gone("case").unwrap().len(), 1, "its photo is still here");
    b.store.media_stored(&"ab".repeat(32), "{}").unwrap();
    assert_eq!(b.store.gone("case").unwrap().len(), 0);
}

#[test]
fn a_partial_snapshot_takes_away_what_it_shows_to_be_gone_and_leaves_the_rest() {
    let mut b = bench();
    let items = [(1, "a"), (2, "b"), (3, "b"), (4, "c"), (5, "a")].map(|(n, k)| keyed(ChangeType::Upsert, n, 2, &[k]));
    b.snapshot_of(Extent::Whole, &["a", "b", "c"], &["a", "b", "c"], items.into());
    b.save(9, 3, Some(Base::Version { ver: 2 }));
    // The reader has lost `b` and won `d`; `c` is read again. 5 went on in the feed meanwhile.
    let came = vec![keyed(ChangeType::Upsert, 6, 1, &["d"]), keyed(ChangeType::Upsert, 5, 1, &["a", "d"])];
    b.snapshot_of(Extent::Part, &["a", "c", "d"], &["c", "d"], came);
    let id = |n| Uuid::from_u128(n).to_string();
    assert_eq!(b.cases(), [(id(1), 2), (id(5), 2), (id(6), 1)]);
    let gone: Vec<String> = b.store.gone("case").unwrap().into_iter().map(|(id, ..)| id).collect();
    assert_eq!(gone, [id(3)], "its operation still waits");
}

#[test]
fn what_is_not_settled_is_asked_for_again_after_a_snapshot_which_may_have_gone_past_the_word_about_it() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    let batch = [b.save(1, 5, None), b.save(2, 5, None), b.save(3, 5, None)];
    let of = |op, status, duplicate, seq| OpResult { duplicate, result_seq: seq, ..result(op, status, None) };
    let first =
        vec![of(1, Status::Held, false, None), of(2, Status::Held, true, None), of(3, Status::Applied, false, Some(5))];
    b.answer(&batch, first, "g");
    b.snapshot_of(Extent::Part, &["a"], &["a"], vec![change(ChangeType::Upsert, 5, 9)]);
    assert_eq!(b.store.waiting(10).unwrap(), batch[..2], "at their old place, byte for byte");
    b.answer(&batch[..2], vec![of(1, Status::Applied, true, Some(9)), of(2, Status::Applied, true, Some(9))], "g");
    assert!(b.store.answered().unwrap().iter().all(|sent| sent.result.status == Status::Applied));
    assert_eq!(b.store.unseen(&target(5)).unwrap(), []);
    // The server had the first under its own number, and would miss it if it were restored from a backup.
    b.answer_missing(&[], vec![], "g", &[1, 2]);
    assert_eq!(b.store.waiting(10).unwrap(), batch[..1]);
}

#[test]
fn own_steps_lie_over_the_record_until_it_shows_them() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    let first = b.save(1, 5, Some(Base::Version { ver: 3 }));
    let second = b.save(2, 5, Some(Base::Op { op: first.op_id }));
    b.save(3, 6, None);
    let seen = |b: &mut Bench| -> Vec<u128> {
        b.store.unseen(&target(5)).unwrap().iter().map(|unseen| unseen.op_id.0.as_u128()).collect()
    };
    assert_eq!(seen(&mut b), [1, 2]);
    let applied = |op, seq| OpResult { result_seq: Some(seq), ..result(op, Status::Applied, Some(4)) };
    b.answer(&[first, second], vec![applied(1, 7), applied(2, 8)], "g");
    assert_eq!(seen(&mut b), [1, 2], "answered, and not in the record yet");
    b.page("c0", "c1", vec![change(ChangeType::Upsert, 5, 7)]);
    assert_eq!(seen(&mut b), [2]);
    b.page("c1", "c2", vec![change(ChangeType::Upsert, 5, 8)]);
    assert_eq!(seen(&mut b), []);
}

#[test]
fn old_settled_work_is_forgotten_once_the_feed_has_shown_it() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    let batch = [b.save(1, 5, None), b.save(2, 5, None), b.save(3, 5, None)];
    let seen = |op, status, seq| OpResult { result_seq: Some(seq), ..result(op, status, None) };
    let results = vec![seen(1, Status::Applied, 3), seen(2, Status::Applied, 4), seen(3, Status::Held, 3)];
    b.answer(&batch, results, "g");
    let later = b.now + chrono::TimeDelta::seconds(1);
    assert_eq!(b.store.forget(b.now).unwrap(), 0);
    assert_eq!(b.store.forget(later).unwrap(), 1);
    assert_eq!(b.store.answered().unwrap().len(), 2);
}

#[test]
fn a_revoked_device_can_read_nothing_and_still_has_its_work() {
    let mut b = bench();
    b.snapshot(vec![change(ChangeType::Upsert, 5, 3)]);
    let batch = [b.save(1, 5, None)];
    b.store.wipe().unwrap();
    assert_eq!((b.cases(), b.store.position().unwrap()), (vec![], None));
    assert_eq!(b.store.waiting(10).unwrap(), batch);
}

#[test]
fn a_file_of_the_first_version_opens_with_its_outbox_byte_for_byte() {
    let folder = std::env::temp_dir().join(format!("chengguan-store-{}", Env::system().id()));
    let path = folder.join("device.db");
    let raw = |n: u32| format!(r#"{{ "seq":{n}, "args":{{"x":1.10}},"evidence":[{{"sha256":"aa{n}"}}] }}"#);
    {
        let mut db = open(&path).unwrap();
        db.batch_execute(include_str!("version_1.sql")).unwrap();
        let me = serde_json::to_string(&identity(3)).unwrap();
        let mut sql = format!(
            "INSERT INTO meta VALUES ('identity', '{me}'), ('next_seq', '12'), ('generation', '\"g\"'), ('position', '{{\"generation\":\"g\",\"cursor\":\"c\"}}');"
        );
        for n in 1..=11u32 {
            let id = Uuid::from_u128(u128::from(n));
            let (table, more) = if n <= 4 {
                let result = serde_json::to_string(&result(u128::from(n), Status::Applied, Some(1))).unwrap();
                (
                    "sent (op_id, epoch, seq, chains, target_kind, target_id, made_at, raw, answered_at, status, result)",
                    format!(", 5, 'applied', '{result}'"),
                )
            } else {
                ("outbox (op_id, epoch, seq, chains, target_kind, target_id, made_at, raw)", String::new())
            };
            sql += &format!("INSERT INTO {table} VALUES ('{id}', 3, {n}, 1, 'case', '{id}', 5, '{}'{more});", raw(n));
        }
        let five = Uuid::from_u128(5);
        sql += &format!("INSERT INTO base VALUES ('case', '{five}', 2, 0, '{{}}');");
        sql += "INSERT INTO media (sha256, path, size, mime, filename, added_at, state) VALUES ('aa5', '/a', 1, 'x', 'a', 1, 'waiting');";
        db.batch_execute(&sql).unwrap();
    }
    let mut store = Store::open(&path).unwrap();
    let waiting = store.waiting(100).unwrap();
    let texts: Vec<&str> = waiting.iter().map(|queued| queued.raw.as_str()).collect();
    assert_eq!(texts, (5..=11).map(raw).collect::<Vec<_>>());
    let summary = store.outbox_summary().unwrap();
    assert_eq!((summary.depth, summary.high_seq), (7, 11));
    assert_eq!(store.answered().unwrap().len(), 4);
    assert_eq!((store.records("case").unwrap().len(), store.position().unwrap()), (1, None));
    assert_eq!(store.begin_attempt().unwrap().number, 1);
    // Its photo waits, so the record stays even without the operation.
    store.live(Some("g"), "h").unwrap();
    let all: Vec<u128> = store.waiting(100).unwrap().iter().map(|queued| queued.op_id.0.as_u128()).collect();
    assert_eq!(all, (1..=11).collect::<Vec<_>>(), "what was answered comes first again");
    drop(store);
    drop(std::fs::remove_dir_all(&folder));
}

#[test]
fn a_file_waits_until_the_server_has_it_or_refuses_it() {
    let mut b = bench();
    let attachment = |n: u8| Attachment {
        path: format!("/photos/{n}.jpg").into(),
        evidence: EvidenceRef {
            sha256: format!("{n:064x}"),
            size: 5,
            mime: "image/jpeg".into(),
            role: "before".into(),
            need: "none".into(),
            captured_at: None,
        },
    };
    let mut draft = b.draft(1, 5, None);
    draft.attachments = vec![attachment(1), attachment(2)];
    b.store.save(draft).unwrap();
    let again = Draft { attachments: vec![attachment(1)], ..b.draft(2, 6, None) };
    b.store.save(again).unwrap();
    assert_eq!(b.store.media(MediaState::Waiting).unwrap().len(), 2);
    b.store.media_stored(&format!("{:064x}", 1), "{}").unwrap();
    b.store.media_refused(&format!("{:064x}", 2), "digest").unwrap();
    assert!(b.store.media(MediaState::Waiting).unwrap().is_empty());
    assert_eq!(b.store.media(MediaState::Refused).unwrap()[0].reason.as_deref(), Some("digest"));
}
