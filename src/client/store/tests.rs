//! What the client's store keeps, and keeps apart.

use super::*;
use crate::{
    db::types::{DeviceId, OpId},
    env::Env,
    identity::rules::DeviceKind,
    sync::wire::{Base, Change, ChangeType, Changes, EvidenceRef, OpResult, PushResponse, Snapshot, Status, Target},
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
        let response = PushResponse {
            generation: generation.into(),
            server_time: self.now,
            results,
            unprocessed_from: None,
            retry_after_ms: 0,
            missing_seqs: vec![],
        };
        self.store.acknowledge(batch, &response, self.now).unwrap();
    }

    fn page(&mut self, prev: &str, next: &str, changes: Vec<Change>) -> bool {
        let page = Changes {
            generation: "g".into(),
            server_time: self.now,
            prev: prev.into(),
            next: next.into(),
            has_more: false,
            changes,
            next_poll_s: 60,
        };
        self.store.apply(&page, self.now).unwrap()
    }

    fn snapshot(&mut self, items: Vec<Change>) {
        let page =
            Snapshot { generation: "g".into(), server_time: self.now, cursor: "c0".into(), next_page: None, items };
        self.store.snapshot_begin().unwrap();
        self.store.snapshot_page(&page).unwrap();
        self.store.snapshot_finish(&page, self.now).unwrap();
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
    }
}

fn change(t: ChangeType, n: u128, ver: i64) -> Change {
    let data = (t == ChangeType::Upsert).then(|| serde_json::json!({"ver": ver}));
    Change { seq: ver, t, kind: "case".into(), id: Uuid::from_u128(n).to_string(), ver: Some(ver), data }
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
        data: Some(serde_json::to_value(result(op, Status::Applied, Some(2))).unwrap()),
    };
    b.page("c0", "c1", vec![outcome(1), outcome(2), outcome(99)]);
    let statuses: Vec<_> = b.store.answered().unwrap().into_iter().map(|s| s.result.status).collect();
    assert_eq!(statuses, [Status::Applied, Status::Applied]);
    assert_eq!(b.store.waiting(10).unwrap(), []);
}

#[test]
fn a_new_epoch_goes_on_counting_while_old_work_waits() {
    let mut b = bench();
    let offset = ClockOffset { offset_ms: 0, measured_at: b.now };
    let old = b.save(1, 5, None);
    b.store.set_identity(&identity(2), offset).unwrap();
    assert_eq!(b.store.outbox_summary().unwrap().high_seq, 1);
    b.answer(&[old], vec![result(1, Status::Applied, None)], "g");
    b.store.set_identity(&identity(3), offset).unwrap();
    assert_eq!(b.store.outbox_summary().unwrap().high_seq, 0);
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
