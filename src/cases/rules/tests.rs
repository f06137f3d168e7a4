//! The law book, walked through.

use super::*;
use crate::db::types::{SessionId, UserId};
use chrono::TimeDelta;
use uuid::Uuid;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::hours(hours)
}

fn unit(n: u128) -> UnitId {
    UnitId(Uuid::from_u128(n))
}

fn who(role: Role, unit_id: Option<UnitId>) -> Actor {
    Actor {
        user_id: UserId(Uuid::from_u128(1)),
        name: "某".into(),
        role,
        unit_id,
        session_id: SessionId(Uuid::from_u128(2)),
        device_id: None,
    }
}

fn decide(state: State, command: &Command, who: &Actor, now: DateTime<Utc>) -> Result<Next, Refusal> {
    super::decide(state, command, who, now, &Calendar::default())
}

fn centre() -> Actor {
    who(Role::Dispatcher, None)
}

fn liaison() -> Actor {
    who(Role::Liaison, Some(unit(7)))
}

fn note() -> Note {
    Note { note: "已清理".into() }
}

fn reason() -> Reason {
    Reason { reason: "不属于本单位".into() }
}

fn dispatch() -> Command {
    Command::Dispatch(Dispatch { unit_id: unit(7), due_at: Some(at(48)), limit: None, priority: 0 })
}

/// Runs commands one hour apart, each by the person who may.
fn walk(commands: &[(Command, Actor)]) -> Next {
    let mut next = Next { state: State::Reported, rework: 0, extended: 0 };
    for (hour, (command, actor)) in commands.iter().enumerate() {
        command.check(actor).unwrap();
        let n = decide(next.state.clone(), command, actor, at(hour as i64))
            .unwrap_or_else(|e| panic!("{command:?}: {e:?}"));
        next = Next { state: n.state, rework: next.rework + n.rework, extended: next.extended + n.extended };
    }
    next
}

fn seven_steps() -> Vec<(Command, Actor)> {
    vec![
        (dispatch(), centre()),
        (Command::Handle(note()), liaison()),
        (Command::ApplyClosing(note()), liaison()),
        (Command::RequestVerification(Nothing {}), centre()),
        (Command::Verify(Verify { passed: true, note: String::new() }), who(Role::Verifier, None)),
        (Command::NotifyClosing(Nothing {}), who(Role::Verifier, None)),
        (Command::ConfirmClosing(Nothing {}), centre()),
    ]
}

#[test]
fn the_seven_steps_close_a_case_in_time() {
    let next = walk(&seven_steps());
    assert!(matches!(next.state, State::Closed { timely: true, closed_at, .. } if closed_at == at(6)));
    assert_eq!(next.rework, 0);
}

#[test]
fn late_closing_is_marked_late() {
    let steps = seven_steps();
    let before = walk(&steps[..6]).state;
    let next = decide(before, &steps[6].0, &steps[6].1, at(49)).unwrap();
    assert!(matches!(next.state, State::Closed { timely: false, .. }));
}

#[test]
fn no_step_can_be_skipped() {
    let steps = seven_steps();
    for done in 0..=steps.len() {
        let state = walk(&steps[..done]).state;
        for (later, (command, actor)) in steps.iter().enumerate() {
            let allowed = decide(state.clone(), command, actor, at(10)).is_ok();
            assert_eq!(allowed, later == done, "after {done} steps, step {} is {allowed}", later + 1);
        }
    }
}

#[test]
fn a_step_somebody_already_took_counts_as_reached() {
    let steps = seven_steps();
    for done in 1..=steps.len() {
        let state = walk(&steps[..done]).state;
        for (command, actor) in &steps[..done] {
            let refusal = decide(state.clone(), command, actor, at(10)).unwrap_err();
            assert!(matches!(refusal, Refusal::Stage { reached: true }), "{command:?} after {done}: {refusal:?}");
        }
    }
    let elsewhere = Command::Dispatch(Dispatch { unit_id: unit(8), due_at: Some(at(48)), limit: None, priority: 0 });
    let refusal = decide(walk(&steps[..1]).state, &elsewhere, &centre(), at(10)).unwrap_err();
    assert!(matches!(refusal, Refusal::Stage { reached: false }), "another unit is not the same dispatch");
}

#[test]
fn a_refused_application_and_a_failed_verification_go_back_for_rework() {
    let steps = seven_steps();
    let mut refused = steps[..3].to_vec();
    refused.push((Command::RefuseClosing(reason()), centre()));
    let next = walk(&refused);
    assert_eq!((next.state.stage(), next.rework), (Stage::Dispatched, 1));
    let mut failed = steps[..4].to_vec();
    failed.push((Command::Verify(Verify { passed: false, note: "仍有垃圾".into() }), who(Role::Verifier, None)));
    failed.extend_from_slice(&steps[1..]);
    let next = walk(&failed);
    assert_eq!((next.state.stage(), next.rework), (Stage::Closed, 1));
}

#[test]
fn a_returned_case_is_dispatched_anew_and_a_case_in_hand_cannot_be_voided() {
    let returned = vec![(dispatch(), centre()), (Command::Return(reason()), liaison())];
    let state = walk(&returned).state;
    assert_eq!(state, State::Returned { unit_id: unit(7) });
    let void = Command::Void(VoidArgs { reason: VoidReason::Duplicate, note: String::new() });
    assert_eq!(decide(state.clone(), &void, &centre(), at(3)).unwrap().state, State::Void(VoidReason::Duplicate));
    let again = Command::Dispatch(Dispatch { unit_id: unit(8), due_at: Some(at(72)), limit: None, priority: 0 });
    assert_eq!(decide(state, &again, &centre(), at(3)).unwrap().state.unit_id(), Some(unit(8)));
    assert!(decide(walk(&returned[..1]).state, &void, &centre(), at(3)).is_err());
}

#[test]
fn only_a_self_handled_case_is_taken_back_and_only_a_report_makes_one() {
    let (reopen, own) = (Command::Reopen(reason()), State::Void(VoidReason::SelfHandled));
    assert_eq!(decide(own.clone(), &reopen, &centre(), at(1)).unwrap().state, State::Reported);
    for state in [State::Void(VoidReason::HandledOnSpot), State::Reported, walk(&seven_steps()).state] {
        assert!(matches!(decide(state, &reopen, &centre(), at(1)), Err(Refusal::Stage { reached: false })));
    }
    assert!(decide(own, &dispatch(), &centre(), at(1)).is_err(), "it is dispatched only after it was taken back");
    assert_eq!(reopen.check(&liaison()).unwrap_err().code, Code::RoleForbidden);
    let void = Command::Void(VoidArgs { reason: VoidReason::SelfHandled, note: String::new() });
    assert_eq!(void.check(&centre()).unwrap_err().code, Code::ValueInvalid);
}

#[test]
fn an_extension_moves_the_deadline_only_when_granted() {
    let ask = Command::RequestExtension(ExtensionRequest { until: at(96), reason: "材料未到".into() });
    let asked = walk(&[(dispatch(), centre()), (ask.clone(), liaison())]).state;
    let code = |r: Result<Next, Refusal>| match r.unwrap_err() {
        Refusal::Never(e) => e.code,
        Refusal::Stage { .. } => panic!("a matter of the stage"),
    };
    assert_eq!(code(decide(asked.clone(), &ask, &liaison(), at(2))), Code::ExtensionPending);
    for (granted, due) in [(true, at(96)), (false, at(48))] {
        let decision = Command::DecideExtension(ExtensionDecision { granted, reason: String::new() });
        let next = decide(asked.clone(), &decision, &centre(), at(3)).unwrap();
        assert!(matches!(&next.state, State::InHand(_, a) if a.due_at == due && a.extension.is_none()));
        assert_eq!(next.extended, i32::from(granted));
        assert_eq!(code(decide(next.state, &decision, &centre(), at(3))), Code::ExtensionAbsent);
    }
    let sooner = Command::RequestExtension(ExtensionRequest { until: at(24), reason: "早".into() });
    assert_eq!(code(decide(walk(&[(dispatch(), centre())]).state, &sooner, &liaison(), at(1))), Code::DueAtInvalid);
    let past = Command::Dispatch(Dispatch { unit_id: unit(7), due_at: Some(at(0)), limit: None, priority: 0 });
    assert_eq!(code(decide(State::Reported, &past, &centre(), at(0))), Code::DueAtInvalid);
}

#[test]
fn only_the_own_unit_and_the_right_role_may_act() {
    let state = walk(&[(dispatch(), centre())]).state;
    let stranger = who(Role::Liaison, Some(unit(8)));
    let refusal = decide(state, &Command::Handle(note()), &stranger, at(1)).unwrap_err();
    assert!(matches!(refusal, Refusal::Never(e) if e.code == Code::UnitForeign));
    assert_eq!(dispatch().check(&liaison()).unwrap_err().code, Code::RoleForbidden);
    assert_eq!(
        Command::ConfirmClosing(Nothing {}).check(&who(Role::Admin, None)).unwrap_err().code,
        Code::RoleForbidden
    );
    assert_eq!(Command::Handle(Note { note: " ".into() }).check(&liaison()).unwrap_err().code, Code::ValueInvalid);
}

#[test]
fn a_remark_changes_nothing_at_any_stage() {
    let steps = seven_steps();
    for done in 0..=steps.len() {
        let state = walk(&steps[..done]).state;
        let remark = Command::Note(Text { text: "现场照片已补".into() });
        assert_eq!(decide(state.clone(), &remark, &liaison(), at(9)).unwrap().state, state);
    }
}

#[test]
fn the_wire_form_is_strict() {
    let parse = |s: &str| serde_json::from_str::<Command>(s);
    assert_eq!(parse(r#"{"type":"handle","args":{"note":"好"}}"#).unwrap().name(), "handle");
    assert!(parse(r#"{"type":"handle","args":{"note":"好","x":1}}"#).is_err());
    assert!(parse(r#"{"type":"handle"}"#).is_err());
    assert!(parse(r#"{"type":"explode","args":{}}"#).is_err());
    assert!(parse(r#"{"type":"void","args":{"reason":"because"}}"#).is_err());
}
