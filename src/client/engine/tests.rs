//! The engine on a real store and against answers made by hand: every way the road can break.

use super::*;
use crate::{
    client::{
        device::Identity,
        keep::Position,
        rules::TOO_OLD,
        store::{Draft, MediaState, Store},
    },
    db::types::{DeviceId, SessionId, UserId},
    env::Env,
    identity::{
        rules::DeviceKind,
        tokens::{hex, sha256},
    },
    sync::wire::{self, Change, ChangeType, DigestCheck, EpochReason, OpResult, Status, Target},
};
use chrono::TimeDelta;
use serde_json::{json, value::to_raw_value};
use std::{collections::BTreeMap, path::PathBuf};
use uuid::Uuid;

const PUSH: Want = Want::Push;
const PULL: Want = Want::Pull { wait_s: 0 };
const PACE: Pace = Pace { first: Duration::from_secs(2), cap: Duration::from_secs(300) };

struct Rig {
    folder: PathBuf,
    store: Store,
    engine: Engine,
    now: DateTime<Utc>,
    generation: String,
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn rig() -> Rig {
    let env = Env::system();
    let folder = std::env::temp_dir().join(format!("chengguan-engine-{}", env.id()));
    let mut store = Store::open(&folder.join("device.db")).unwrap();
    let now = env.now();
    store.set_identity(&identity(), ClockOffset { offset_ms: 0, measured_at: now }).unwrap();
    Rig { folder, store, engine: engine(), now, generation: "g".into() }
}

fn identity() -> Identity {
    let device = DeviceId(Uuid::from_u128(9));
    Identity { device, name: "h".into(), kind: DeviceKind::Handheld, epoch: 1, pkcs8: vec![1] }
}

fn engine() -> Engine {
    Engine::new(About { app: "test/1".into(), storage_persisted: Some(true), pace: PACE })
}

fn problem(status: u16, code: &str) -> Heard {
    Heard::Problem { status, code: code.into(), detail: None, retry_after: None, date: None }
}

fn target(n: u128) -> Target {
    Target { kind: "case".into(), id: Uuid::from_u128(n) }
}

fn upsert(n: u128, ver: i64, keys: &[&str]) -> Change {
    Change {
        seq: ver,
        t: ChangeType::Upsert,
        kind: "case".into(),
        id: Uuid::from_u128(n).to_string(),
        ver: Some(ver),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        data: Some(to_raw_value(&json!({"ver": ver})).unwrap()),
    }
}

fn leave(n: u128) -> Change {
    Change { t: ChangeType::Leave, ver: None, keys: vec![], data: None, ..upsert(n, 9, &[]) }
}

impl Rig {
    fn at(&self) -> Moment<'static> {
        Moment { now: self.now, mono_ms: 5, boot: "b", dice: u32::MAX }
    }

    fn save(&mut self, op: u128) {
        let draft = Draft {
            op_id: OpId(Uuid::from_u128(op)),
            r#type: "case.note".into(),
            target: target(op),
            base: None,
            depends_on: vec![],
            actor: UserId(Uuid::from_u128(1)),
            session: SessionId(Uuid::from_u128(2)),
            occurred_at: self.now,
            mono: None,
            gps: None,
            args: json!({"text": "x"}),
            attachments: vec![],
        };
        self.store.save(draft).unwrap();
    }

    fn next(&mut self, want: Want) -> Next {
        let at = self.at();
        self.engine.next(&mut self.store, want, at).unwrap()
    }

    #[track_caller]
    fn ask(&mut self, want: Want) -> Ask {
        match self.next(want) {
            Next::Ask(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    fn hear(&mut self, ask: &Ask, heard: &Heard) -> Step {
        let at = self.at();
        self.engine.heard(&mut self.store, ask, heard, at).unwrap()
    }

    #[track_caller]
    fn push(&mut self) -> Box<AskPush> {
        match self.ask(PUSH) {
            Ask::Push(push) => push,
            other => panic!("{other:?}"),
        }
    }

    /// The answer that applies the whole push.
    fn applied(&self, push: &AskPush) -> Heard {
        let result = |queued: &Queued| OpResult {
            op_id: Some(queued.op_id),
            status: Status::Applied,
            duplicate: false,
            code: None,
            detail: None,
            ver: None,
            result_seq: Some(1),
            winner: None,
            conflict_id: None,
            waiting: vec![],
            adjusted: vec![],
            resolved_by: None,
        };
        Heard::Push(Box::new(PushResponse {
            generation: self.generation.clone(),
            server_time: self.now,
            push_token: format!("after {}", push.attempt.number),
            results: push.batch.iter().map(result).collect(),
            unprocessed_from: None,
            retry_after_ms: 0,
            missing_seqs: vec![],
        }))
    }

    fn waiting(&mut self) -> Vec<u128> {
        self.store.waiting(1000).unwrap().iter().map(|queued| queued.op_id.0.as_u128()).collect()
    }

    fn labels(&mut self) -> Vec<(i64, Option<wire::Was>)> {
        let read = |queued: &Queued| serde_json::from_str::<wire::Op>(&queued.raw).unwrap();
        self.store.waiting(1000).unwrap().iter().map(read).map(|op| (op.seq, op.was)).collect()
    }

    fn part(&self, of: &[&str], items: Vec<Change>) -> Heard {
        Heard::Snapshot(Box::new(Snapshot {
            generation: self.generation.clone(),
            server_time: self.now,
            cursor: "c0".into(),
            seq: 1,
            next_page: None,
            scope: vec!["a".into(), "b".into()],
            of: of.iter().map(|key| (*key).to_owned()).collect(),
            items,
        }))
    }

    fn page(&self, prev: &str, next: &str, changes: Vec<Change>) -> Changes {
        Changes {
            generation: self.generation.clone(),
            server_time: self.now,
            seq: 1,
            prev: prev.into(),
            next: next.into(),
            has_more: false,
            changes,
            floor: 0,
            digest: None,
            next_poll_s: 30,
        }
    }

    /// The first whole snapshot, and the first page after it with digests that match.
    fn begin(&mut self, items: Vec<Change>) {
        let ask = self.ask(PULL);
        assert!(matches!(&ask, Ask::Snapshot(AskSnapshot { page: None, since: None, .. })), "{ask:?}");
        let part = self.part(&["a", "b"], items);
        assert_eq!(self.hear(&ask, &part), Step::Moved);
        let ask = self.ask(PULL);
        assert!(matches!(&ask, Ask::Changes(AskChanges { digest: true, .. })), "{ask:?}");
        let page = self.page("c0", "c1", vec![]);
        assert_eq!(self.hear(&ask, &Heard::Changes(Box::new(page))), Step::Idle);
    }

    fn cases(&mut self) -> Vec<u128> {
        let rows = self.store.records("case").unwrap();
        rows.iter().map(|(id, ..)| Uuid::parse_str(id).unwrap().as_u128()).collect()
    }

    fn cursor(&mut self) -> Option<String> {
        self.store.position().unwrap().map(|Position { cursor, .. }| cursor)
    }
}

#[test]
fn a_lost_answer_brings_the_same_bytes_again_and_late_ones_change_nothing() {
    let mut rig = rig();
    rig.save(1);
    let first = rig.push();
    assert_eq!((first.request.attempt, first.request.push_token.clone()), (1, None));
    let lost = Ask::Push(first.clone());
    assert!(matches!(rig.hear(&lost, &Heard::Nothing), Step::Wait(..)));
    // As after a power cut: only the file remains.
    rig.engine = engine();
    let second = rig.push();
    assert_eq!((second.request.attempt, &second.batch), (2, &first.batch));
    let late = rig.applied(&first);
    rig.hear(&lost, &late);
    assert_eq!(rig.waiting(), [1], "an answer to a question that is over");
    let answer = rig.applied(&second);
    let ask = Ask::Push(second);
    assert_eq!(rig.hear(&ask, &answer), Step::Moved);
    // The network delivered the push twice; its second answer comes now.
    rig.hear(&ask, &problem(409, "epoch_stale"));
    assert!(matches!(rig.next(PUSH), Next::Idle));
    let Ask::Push(alive) = rig.ask(Want::Heartbeat) else { panic!("a heartbeat is a push") };
    assert_eq!((alive.request.ops.len(), alive.request.push_token.as_deref()), (0, Some("after 2")));
    let health = alive.request.health.clone().unwrap();
    assert_eq!((health.storage_persisted, health.media_waiting), (Some(true), Some(0)));
    let answer = rig.applied(&alive);
    assert_eq!(rig.hear(&Ask::Push(alive), &answer), Step::Idle);
}

#[test]
fn an_operation_that_breaks_the_server_goes_as_bytes_and_the_others_go_on() {
    let mut rig = rig();
    (1..=8).for_each(|op| rig.save(op));
    let mut pushes = 0;
    let raw = loop {
        match rig.ask(PUSH) {
            Ask::Push(push) => {
                pushes += 1;
                let broken = push.batch.iter().any(|queued| queued.op_id.0.as_u128() == 3);
                let answer = if broken { problem(500, "internal") } else { rig.applied(&push) };
                rig.hear(&Ask::Push(push), &answer);
            }
            other => break other,
        }
    };
    assert!(pushes < 20, "{pushes}");
    assert_eq!(rig.waiting()[0], 3);
    let Ask::Raw(op) = &raw else { panic!("{raw:?}") };
    let answer = wire::RawResponse { status: Status::Quarantined, sha256: hex(&sha256(op.raw.as_bytes())) };
    assert_eq!(rig.hear(&raw, &Heard::Raw(answer)), Step::Moved);
    while let Next::Ask(Ask::Push(push)) = rig.next(PUSH) {
        let answer = rig.applied(&push);
        rig.hear(&Ask::Push(push), &answer);
    }
    assert_eq!(rig.waiting(), []);
}

#[test]
fn a_push_refused_for_its_envelope_stops_and_sends_nothing_as_bytes() {
    let mut rig = rig();
    (1..=8).for_each(|op| rig.save(op));
    for (status, code) in [(422, "body_invalid"), (400, "parameter_invalid"), (422, "value_invalid")] {
        let push = Ask::Push(rig.push());
        let step = rig.hear(&push, &problem(status, code));
        assert_eq!(step, Step::Stopped(Need::Look(format!("the server refused: {code}"))));
    }
    let push = rig.push();
    assert_eq!((push.batch.len(), rig.waiting().len()), (8, 8), "whoever mends it finds everything as it was");
}

#[test]
fn a_body_that_broke_off_on_the_way_goes_again_as_it_is() {
    let mut rig = rig();
    (1..=8).for_each(|op| rig.save(op));
    for _ in 0..20 {
        let push = rig.push();
        assert_eq!(push.batch.len(), 8);
        assert!(matches!(rig.hear(&Ask::Push(push), &problem(400, "body_interrupted")), Step::Wait(..)));
    }
}

/// Answers every push alike until `enough` of the step that came of it.
fn refused_until(rig: &mut Rig, answer: &Heard, enough: impl Fn(&Step) -> bool) -> Step {
    for _ in 0..50 {
        let ask = rig.ask(PUSH);
        assert!(matches!(ask, Ask::Push(_)), "{ask:?}");
        let step = rig.hear(&ask, answer);
        if enough(&step) {
            return step;
        }
    }
    panic!("no end");
}

#[test]
fn what_refuses_even_an_empty_push_gets_no_operation_as_bytes() {
    let mut rig = rig();
    (1..=3).for_each(|op| rig.save(op));
    // A box on the way that mangles or forbids everything.
    for answer in [problem(400, ""), problem(400, "json_malformed")] {
        let step = refused_until(&mut rig, &answer, |step| matches!(step, Step::Stopped(_)));
        assert!(matches!(step, Step::Stopped(Need::Look(_))), "{step:?}");
        assert_eq!(rig.waiting(), [1, 2, 3]);
    }
    // A server that breaks on everything is only waited for.
    let mut steps = 0;
    for _ in 0..50 {
        let ask = rig.ask(PUSH);
        assert!(matches!(ask, Ask::Push(_)), "{ask:?}");
        let step = rig.hear(&ask, &problem(500, "internal"));
        assert!(matches!(step, Step::Wait(..) | Step::Moved), "{step:?}");
        steps += u32::from(matches!(step, Step::Wait(..)));
    }
    assert!(steps > 30, "{steps} of 50 waited");
    // When it is well again, the operations go as what they are.
    while let Next::Ask(ask) = rig.next(PUSH) {
        let Ask::Push(push) = &ask else { panic!("{ask:?}") };
        let answer = rig.applied(push);
        rig.hear(&ask, &answer);
    }
    assert_eq!(rig.waiting(), []);
}

#[test]
fn what_not_even_the_raw_endpoint_takes_stays_and_blocks_nothing() {
    let mut rig = rig();
    rig.save(1);
    rig.save(2);
    let raw = loop {
        match rig.ask(PUSH) {
            Ask::Push(push) => drop(rig.hear(&Ask::Push(push), &problem(413, "body_too_large"))),
            other => break other,
        }
    };
    rig.hear(&raw, &problem(413, "body_too_large"));
    let push = rig.push();
    assert_eq!(push.batch[0].op_id.0.as_u128(), 2);
    let answer = rig.applied(&push);
    rig.hear(&Ask::Push(push), &answer);
    let next = rig.next(PUSH);
    assert!(matches!(next, Next::Stopped(Need::Look(_))), "{next:?}");
    assert_eq!(rig.waiting(), [1]);
}

#[test]
fn a_copy_of_a_store_numbers_its_work_anew_and_goes_on() {
    let mut rig = rig();
    (1..=2).for_each(|op| rig.save(op));
    let push = rig.push();
    assert_eq!(rig.hear(&Ask::Push(push), &problem(409, "epoch_stale")), Step::Moved);
    let ask = rig.ask(PUSH);
    let Ask::Epoch(epoch) = &ask else { panic!("{ask:?}") };
    assert_eq!((epoch.request.epoch, epoch.request.reason), (1, EpochReason::Copied));
    let response = EpochResponse { epoch: 4, push_token: "new".into(), generation: "g".into(), server_time: rig.now };
    // A second answer to the same question begins nothing.
    rig.hear(&ask, &Heard::Epoch(response.clone()));
    rig.hear(&ask, &Heard::Epoch(EpochResponse { epoch: 5, ..response }));
    let was = |seq| Some(wire::Was { epoch: 1, seq, was: None });
    assert_eq!(rig.labels(), [(1, was(1)), (2, was(2))]);
    let push = rig.push();
    let said = (push.request.epoch, push.request.attempt, push.request.push_token.as_deref());
    assert_eq!(said, (4, 1, Some("new")));
    assert_eq!(rig.hear(&Ask::Push(push), &problem(409, "epoch_stale")), Step::Moved);
    let ask = rig.ask(PUSH);
    let again = EpochResponse { epoch: 6, push_token: "n".into(), generation: "g".into(), server_time: rig.now };
    assert!(matches!(rig.hear(&ask, &Heard::Epoch(again)), Step::Wait(..)), "not in a circle");
}

#[test]
fn a_wiped_store_asks_for_an_epoch_before_anything_else() {
    let mut rig = rig();
    rig.store = Store::open(&rig.folder.join("new.db")).unwrap();
    rig.store.adopt(&identity()).unwrap();
    rig.save(1);
    let ask = rig.ask(PUSH);
    let Ask::Epoch(epoch) = &ask else { panic!("{ask:?}") };
    assert_eq!((epoch.request.epoch, epoch.request.reason), (0, EpochReason::Wiped));
    let response = EpochResponse { epoch: 2, push_token: "n".into(), generation: "g".into(), server_time: rig.now };
    rig.hear(&ask, &Heard::Epoch(response));
    assert_eq!(rig.labels(), [(1, None)]);
    assert_eq!(rig.push().request.epoch, 2);
}

#[test]
fn a_new_life_of_the_server_gets_back_what_the_old_one_had_answered() {
    let mut rig = rig();
    rig.begin(vec![upsert(1, 1, &["a"])]);
    rig.save(1);
    let push = rig.push();
    let bytes = push.batch.clone();
    let answer = rig.applied(&push);
    rig.hear(&Ask::Push(push), &answer);
    rig.save(2);
    // The old life's answer is still on its way when the feed shows the new one.
    let push = rig.push();
    let old = rig.applied(&push);
    rig.generation = "h".into();
    let ask = rig.ask(PULL);
    let page = rig.page("c1", "c2", vec![]);
    assert_eq!(rig.hear(&ask, &Heard::Changes(Box::new(page))), Step::Moved);
    assert_eq!(rig.waiting(), [1, 2]);
    rig.hear(&Ask::Push(push), &old);
    assert_eq!(rig.waiting(), [1, 2], "the old life's word is worth nothing");
    assert_eq!(rig.store.waiting(1).unwrap(), bytes, "its own bytes and labels");
    let ask = rig.ask(PULL);
    assert!(matches!(&ask, Ask::Snapshot(AskSnapshot { since: None, .. })), "{ask:?}");
    // And when a push shows it first, that push's operations are settled.
    let push = rig.push();
    rig.generation = "i".into();
    let answer = rig.applied(&push);
    rig.hear(&Ask::Push(push), &answer);
    assert_eq!(rig.waiting(), []);
}

#[test]
fn other_keys_are_read_beside_what_is_here() {
    let mut rig = rig();
    rig.begin(vec![upsert(1, 1, &["a"]), upsert(2, 1, &["z"])]);
    let ask = rig.ask(PULL);
    assert_eq!(rig.hear(&ask, &problem(409, "scope_changed")), Step::Moved);
    let ask = rig.ask(PULL);
    let Ask::Snapshot(part) = &ask else { panic!("{ask:?}") };
    assert_eq!((part.since.as_deref(), part.keys.len()), (Some("c1"), 0));
    let answer = rig.part(&["b"], vec![upsert(3, 1, &["b"])]);
    rig.hear(&ask, &answer);
    assert_eq!(rig.cases(), [1, 3]);
    assert_eq!(rig.cursor().as_deref(), Some("c0"));
}

#[test]
fn a_record_that_leaves_stays_until_its_work_is_sent() {
    let mut rig = rig();
    rig.begin(vec![upsert(1, 1, &["a"]), upsert(2, 1, &["a"])]);
    rig.save(1);
    let ask = rig.ask(PULL);
    let page = rig.page("c1", "c2", vec![leave(1), leave(2)]);
    rig.hear(&ask, &Heard::Changes(Box::new(page)));
    assert_eq!((rig.cases(), rig.store.gone("case").unwrap().len()), (vec![], 1));
    let push = rig.push();
    let answer = rig.applied(&push);
    rig.hear(&Ask::Push(push), &answer);
    assert_eq!(rig.store.gone("case").unwrap().len(), 0);
}

#[test]
fn digests_that_differ_read_their_keys_again_and_are_told_to_the_server() {
    let mut rig = rig();
    rig.begin(vec![upsert(1, 1, &["a"]), upsert(2, 1, &["b"])]);
    let sum = |n: u128| format!("{:016x}", wire::digest_of("case", &Uuid::from_u128(n).to_string(), 1));
    let good: BTreeMap<String, String> = [("a".into(), sum(1)), ("b".into(), sum(2))].into();
    let mut cursor = 1;
    let mut compared = 0;
    while compared < 2 {
        let ask = rig.ask(PULL);
        let Ask::Changes(changes) = &ask else { panic!("{ask:?}") };
        let digest = changes.digest.then(|| match compared {
            0 => good.clone(),
            _ => [("a".into(), sum(1)), ("b".into(), sum(7))].into(),
        });
        compared += u32::from(digest.is_some());
        let mut page = rig.page(&format!("c{cursor}"), &format!("c{}", cursor + 1), vec![]);
        page.digest = digest;
        cursor += 1;
        rig.hear(&ask, &Heard::Changes(Box::new(page)));
        assert!(cursor < 60);
        let check = rig.store.digest_check().unwrap();
        assert_eq!(check.map(|check| check.matched), [None, Some(true), Some(false)][compared as usize]);
    }
    let ask = rig.ask(PULL);
    let Ask::Snapshot(part) = &ask else { panic!("{ask:?}") };
    assert_eq!((part.keys.as_slice(), part.since.clone()), (&["b".to_owned()][..], Some(format!("c{cursor}"))));
    let answer = rig.part(&["b"], vec![upsert(7, 1, &["b"])]);
    rig.hear(&ask, &answer);
    assert_eq!(rig.cases(), [1, 7]);
    let push = rig.ask(Want::Heartbeat);
    let Ask::Push(push) = push else { panic!("{push:?}") };
    assert_eq!(push.request.health.unwrap().digest.map(|check| check.matched), Some(false));
}

#[test]
fn a_device_that_is_often_restarted_still_compares_once_a_day() {
    let mut rig = rig();
    rig.begin(vec![upsert(1, 1, &["a"])]);
    let asks = |rig: &mut Rig| {
        rig.engine = engine();
        let ask = rig.ask(PULL);
        let Ask::Changes(changes) = ask else { panic!("{ask:?}") };
        changes.digest
    };
    assert!(asks(&mut rig), "it was never compared");
    let check = DigestCheck { at: rig.now, matched: true };
    rig.store.set_digest_check(check).unwrap();
    rig.now += TimeDelta::hours(23);
    assert!(!asks(&mut rig));
    rig.now += TimeDelta::hours(1);
    assert!(asks(&mut rig), "a day ago");
    rig.now -= TimeDelta::days(400);
    assert!(asks(&mut rig), "the clock was wrong, then or now");
    // A reader of too much gets no digest, and is not told so on each page.
    let ask = rig.ask(PULL);
    let page = rig.page("c1", "c2", vec![]);
    assert_eq!(rig.hear(&ask, &Heard::Changes(Box::new(page))), Step::Idle);
    let ask = rig.ask(PULL);
    assert!(matches!(ask, Ask::Changes(AskChanges { digest: false, .. })), "{ask:?}");
}

#[test]
fn a_revoked_device_reads_nothing_more_and_still_sends() {
    let mut rig = rig();
    rig.begin(vec![upsert(1, 1, &["a"])]);
    rig.save(1);
    let ask = rig.ask(PULL);
    assert_eq!(rig.hear(&ask, &problem(403, "device_revoked")), Step::Stopped(Need::Enrol));
    assert_eq!((rig.cases(), rig.cursor()), (vec![], None));
    assert_eq!(rig.store.media(MediaState::Waiting).unwrap(), []);
    assert_eq!(rig.push().batch.len(), 1);
}

#[test]
fn a_server_that_refuses_each_cursor_is_asked_ever_more_slowly() {
    let mut rig = rig();
    rig.begin(vec![]);
    let mut waits = vec![];
    for _ in 0..4 {
        let ask = rig.ask(PULL);
        waits.push(rig.hear(&ask, &problem(410, "cursor_expired")));
        let ask = rig.ask(PULL);
        assert!(matches!(ask, Ask::Snapshot(_)), "{ask:?}");
        let part = rig.part(&["a"], vec![]);
        rig.hear(&ask, &part);
    }
    let wait = |seconds| Step::Wait(Duration::from_secs(seconds), "resync".into());
    assert_eq!(waits, [Step::Moved, wait(4), wait(8), wait(16)]);
    let ask = rig.ask(PULL);
    let page = rig.page("c0", "c1", vec![]);
    rig.hear(&ask, &Heard::Changes(Box::new(page)));
    let ask = rig.ask(PULL);
    assert_eq!(rig.hear(&ask, &problem(410, "cursor_expired")), Step::Moved);
}

#[test]
fn an_ended_session_stops_reading_and_not_sending() {
    let mut rig = rig();
    rig.begin(vec![]);
    rig.save(1);
    let ask = rig.ask(PULL);
    assert_eq!(rig.hear(&ask, &problem(401, "token_expired")), Step::Moved);
    let ask = rig.ask(PULL);
    assert!(matches!(ask, Ask::Refresh), "{ask:?}");
    // What a box on the way forbids ends nothing.
    assert!(matches!(rig.hear(&ask, &problem(403, "")), Step::Wait(..)));
    let ask = rig.ask(PULL);
    assert_eq!(rig.hear(&ask, &problem(401, "token_invalid")), Step::Stopped(Need::SignIn));
    let ask = rig.ask(PULL);
    assert!(matches!(rig.hear(&ask, &problem(403, "")), Step::Stopped(Need::Look(_))));
    // Pushing needs the device's key alone, and mends its own clock.
    let push = Ask::Push(rig.push());
    let date = Some(rig.now + TimeDelta::hours(2));
    let refused = Heard::Problem { status: 401, code: "token_expired".into(), detail: None, retry_after: None, date };
    assert_eq!(rig.hear(&push, &refused), Step::Moved);
    let push = rig.push();
    let answer = rig.applied(&push);
    assert_eq!(rig.hear(&Ask::Push(push), &answer), Step::Moved);
    let ask = rig.ask(PULL);
    let step = rig.hear(&ask, &problem(426, "protocol_unsupported"));
    assert_eq!(step, Step::Stopped(Need::Look(TOO_OLD.into())));
    assert_eq!(rig.waiting(), []);
}
