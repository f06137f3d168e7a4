//! The rules of letters.

use super::{grounds::*, *};
use uuid::Uuid;

/// Hours after Monday, 2026-11-23, 09:00 in Beijing: worked is 9–12 and 14–18 by the usual slots.
fn at(hours: i64) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-23T01:00:00Z").unwrap().to_utc() + TimeDelta::hours(hours)
}

fn term(due: i64) -> Term {
    Term { due_at: at(due), extension: None, reminded: false, level: 0 }
}

fn words() -> Words {
    Words { words: "已核实".into() }
}

fn reply() -> Command {
    Command::Reply(Reply { words: "已整改".into(), evidence: vec![] })
}

fn ask(until: i64) -> Command {
    Command::RequestExtension(ExtensionRequest { until: at(until), words: "等待配件".into() })
}

fn decide(granted: bool) -> Command {
    Command::DecideExtension(ExtensionDecision { granted, words: "同意".into() })
}

fn grade(outcome: LetterOutcome, score: Option<i32>) -> Command {
    Command::Grade(Grade { outcome, score, words: "现场核查".into() })
}

fn draft() -> Draft {
    Draft {
        unit_id: UnitId(Uuid::nil()),
        kind: LetterKind::Complaint,
        subject: "关于夜市油烟的督办".into(),
        text: "请整改。".into(),
        note: None,
        case_ids: vec![],
        spot_ids: vec![],
        evidence: vec![],
        limit: Some(Limit::new(LimitKind::UrgentHour, 10.0).unwrap()),
        due_at: None,
    }
}

/// Follows commands, each at its hour; the last code when one is refused.
fn follow(mut state: State, steps: &[(i64, Command)]) -> Result<State, Code> {
    for (hour, command) in steps {
        state = apply(state, command, &Calendar::default(), at(*hour)).map_err(|e| e.code)?;
    }
    Ok(state)
}

#[test]
fn the_score_follows_the_table() {
    for (outcome, in_time, expected) in [
        (LetterOutcome::Fulfilled, true, 100_000),
        (LetterOutcome::Fulfilled, false, 55_000),
        (LetterOutcome::Partly, true, 50_000),
        (LetterOutcome::Partly, false, 27_500),
        (LetterOutcome::Unfulfilled, true, 0),
        (LetterOutcome::Unfulfilled, false, 0),
    ] {
        assert_eq!(score(outcome, in_time), expected, "{outcome} {in_time}");
    }
}

#[test]
fn a_letter_goes_from_draft_to_grade() {
    let drafted = State::Drafted(draft().deadline().unwrap());
    let issued = follow(drafted, &[(0, Command::Issue(Nothing {}))]).unwrap();
    assert_eq!(issued, State::Issued(term(10)));
    let replied = follow(issued, &[(1, Command::Receive(Nothing {})), (9, reply())]).unwrap();
    assert_eq!(replied, State::Replied(term(10), at(9)));
    let graded = follow(replied, &[(20, grade(LetterOutcome::Fulfilled, None))]).unwrap();
    assert_eq!(graded, State::Graded(term(10), LetterOutcome::Fulfilled, Some(at(9)), 100_000));
    assert_eq!(counted(&graded).unwrap(), (100_000, "按期回复，评定为完成，计 100 分".to_owned()));
    assert!(replied.open() && !graded.open());
    // The office may be stricter than the rule, and never more generous.
    let stricter = follow(replied, &[(20, grade(LetterOutcome::Partly, Some(40_500)))]).unwrap();
    assert_eq!(counted(&stricter).unwrap().1, "按期回复，评定为部分完成，计 40.5 分（按规则 50 分，督查室酌减）");
    for score in [50_001, -1] {
        assert_eq!(
            follow(replied, &[(20, grade(LetterOutcome::Partly, Some(score)))]).unwrap_err(),
            Code::ValueInvalid
        );
    }
}

#[test]
fn the_reply_that_is_accepted_decides_whether_it_was_in_time() {
    let again = [(9, reply()), (11, Command::RefuseReply(words())), (12, reply())];
    let replied = follow(State::Received(term(10)), &again).unwrap();
    let graded = follow(replied, &[(20, grade(LetterOutcome::Fulfilled, None))]).unwrap();
    assert_eq!(counted(&graded).unwrap(), (55_000, "逾期回复，评定为完成，计 55 分".to_owned()));
    let on_the_dot =
        follow(State::Received(term(10)), &[(10, reply()), (11, grade(LetterOutcome::Partly, None))]).unwrap();
    assert_eq!(counted(&on_the_dot).unwrap().0, 50_000);
}

#[test]
fn an_extension_moves_the_deadline_once_it_is_granted() {
    let received = State::Received(Term { reminded: true, ..term(10) });
    let asked = follow(received, &[(5, ask(30))]).unwrap();
    let granted = follow(asked, &[(12, decide(true))]).unwrap();
    assert_eq!(granted, State::Received(term(30)), "the unit is reminded of the new one too");
    let refused = follow(asked, &[(6, decide(false))]).unwrap();
    assert_eq!(refused, received);
    for (state, hour, command, code) in [
        (asked, 6, ask(40), Code::ExtensionPending),
        (received, 5, ask(10), Code::DueAtInvalid),
        (received, 10, ask(30), Code::DueAtInvalid),
        (received, 5, ask(24 * 4000), Code::DueAtInvalid),
        (received, 5, decide(true), Code::ExtensionAbsent),
        (State::Issued(term(10)), 5, ask(30), Code::StageForbids),
    ] {
        assert_eq!(follow(state, &[(hour, command)]).unwrap_err(), code);
    }
    // Who asked may still reply; there is nothing to grant then.
    let replied = follow(asked, &[(9, reply())]).unwrap();
    assert_eq!(replied, State::Replied(Term { reminded: true, ..term(10) }, at(9)));
}

#[test]
fn who_never_answers_is_graded_after_the_deadline_and_no_better_than_unfulfilled() {
    for state in [State::Issued(term(10)), State::Received(term(10))] {
        let graded = follow(state, &[(11, grade(LetterOutcome::Unfulfilled, None))]).unwrap();
        assert_eq!(counted(&graded).unwrap(), (0, "未回复，评定为未完成，计 0 分".to_owned()));
        assert_eq!(follow(state, &[(10, grade(LetterOutcome::Unfulfilled, None))]).unwrap_err(), Code::StageForbids);
        assert_eq!(follow(state, &[(11, grade(LetterOutcome::Partly, None))]).unwrap_err(), Code::StageForbids);
        assert_eq!(counted(&state).unwrap().0, 0);
    }
}

#[test]
fn what_a_stage_does_not_allow_is_refused() {
    let all = || {
        [
            Command::Receive(Nothing {}),
            reply(),
            ask(30),
            Command::Revise(Box::new(draft())),
            Command::Issue(Nothing {}),
            Command::RefuseReply(words()),
            decide(true),
            grade(LetterOutcome::Fulfilled, None),
            Command::Withdraw(words()),
        ]
    };
    let graded = State::Graded(term(10), LetterOutcome::Partly, Some(at(9)), 50_000);
    for (state, allowed) in [
        (State::Drafted(draft().deadline().unwrap()), &["revise", "issue", "withdraw"][..]),
        (State::Issued(term(10)), &["receive", "withdraw"]),
        (State::Received(term(10)), &["reply", "request_extension", "withdraw"]),
        (State::Replied(term(10), at(4)), &["refuse_reply", "grade", "withdraw"]),
        (graded, &[]),
        (State::Withdrawn, &[]),
    ] {
        let good = |command: &Command| apply(state, command, &Calendar::default(), at(5)).is_ok();
        let found: Vec<&str> = all().iter().filter(|command| good(command)).map(Command::name).collect();
        assert_eq!(found, allowed, "{}", state.stage());
    }
    assert_eq!(counted(&State::Withdrawn), None);
    let wordless = Command::Withdraw(Words { words: " ".into() });
    assert_eq!(follow(State::Issued(term(10)), &[(1, wordless)]).unwrap_err(), Code::ValueInvalid);
    let past = State::Drafted(Deadline::At(at(1)));
    assert_eq!(follow(past, &[(2, Command::Issue(Nothing {}))]).unwrap_err(), Code::DueAtInvalid);
}

#[test]
fn the_county_office_decides_and_the_unit_answers() {
    let (drafted, issued) = (State::Drafted(Deadline::At(at(9))), State::Issued(term(10)));
    assert_eq!(Command::Withdraw(words()).roles(&drafted), DRAFTERS);
    assert_eq!(Command::Withdraw(words()).roles(&issued), ISSUERS);
    assert!(!Command::Issue(Nothing {}).roles(&drafted).contains(&Role::Dispatcher));
    assert_eq!(reply().roles(&issued), [Role::Liaison]);
    assert!(!grade(LetterOutcome::Partly, None).roles(&issued).contains(&Role::Liaison));
}

#[test]
fn the_clock_reminds_once_and_escalates_by_working_days() {
    let calendar = Calendar::default();
    // Due on Wednesday, 09:00.
    let mut state = State::Received(term(48));
    let mut said = Vec::new();
    for hour in 0..24 * 12 {
        if let Some(nudge) = nudge(&state, &calendar, at(hour)) {
            said.push((hour, nudge));
            state = nudged(state, nudge);
        }
    }
    // Eight hours are worked a day. Level 2 is two working days later, on Friday; level 3 three more, next Wednesday.
    let expected =
        [(24, Nudge::Remind), (49, Nudge::Escalate(1)), (24 * 4, Nudge::Escalate(2)), (24 * 9, Nudge::Escalate(3))];
    assert_eq!(said, expected);
    // Without a look for two weeks it goes straight to where it stands.
    let late = nudge(&State::Issued(term(0)), &calendar, at(24 * 14));
    assert_eq!(late, Some(Nudge::Escalate(3)));
    assert_eq!(nudge(&State::Replied(term(0), at(1)), &calendar, at(24 * 14)), None);
}

#[test]
fn what_lies_before_the_last_letter_gives_no_ground() {
    let known = Known {
        dispatched_at: at(0),
        due_at: at(10),
        on_hold: false,
        reworks: 0,
        returns: 0,
        marked_at: None,
        last_letter_at: None,
    };
    let last = |hour| Some(at(hour));
    for (known, hour, expected) in [
        (known, 10, None),
        (known, 11, Some(Ground::Overdue)),
        (Known { on_hold: true, ..known }, 11, None),
        (Known { marked_at: last(8), ..known }, 9, Some(Ground::Overdue)),
        (Known { marked_at: last(8), last_letter_at: last(8), ..known }, 9, None),
        (Known { marked_at: last(8), last_letter_at: last(8), ..known }, 11, Some(Ground::Overdue)),
        (Known { last_letter_at: last(10), ..known }, 11, None),
        (Known { last_letter_at: last(11), ..known }, 99, None),
        (Known { reworks: 1, returns: 1, ..known }, 5, None),
        (Known { reworks: 2, ..known }, 5, Some(Ground::Reworked)),
        (Known { reworks: 2, last_letter_at: last(1), ..known }, 5, None),
        (Known { returns: 2, ..known }, 5, Some(Ground::Returned)),
        (Known { returns: 2, last_letter_at: last(-1), ..known }, 5, Some(Ground::Returned)),
    ] {
        assert_eq!(ground(&known, at(hour)), expected, "{known:?} at {hour}");
    }
    assert_eq!((Ground::Overdue.kind(), Ground::Reworked.kind()), (LetterKind::Overdue, LetterKind::Repeated));
}

#[test]
fn a_draft_has_one_deadline_and_its_bases_once() {
    let case = CaseId(Uuid::from_u128(7));
    let checked = Draft { case_ids: vec![case, case], evidence: vec!["a".into(), "a".into()], ..draft() };
    let checked = checked.checked(at(0)).unwrap();
    assert_eq!((checked.case_ids, checked.evidence), (vec![case], vec!["a".to_owned()]));
    let limit = draft().limit;
    for (wrong, code) in [
        (Draft { limit: None, ..draft() }, Code::ValueInvalid),
        (Draft { due_at: Some(at(9)), ..draft() }, Code::ValueInvalid),
        (Draft { limit: None, due_at: Some(at(-1)), ..draft() }, Code::DueAtInvalid),
        (Draft { limit: None, due_at: Some(DateTime::<Utc>::MAX_UTC), ..draft() }, Code::DueAtInvalid),
        (Draft { subject: String::new(), limit, ..draft() }, Code::ValueInvalid),
        (Draft { text: "长".repeat(5001), ..draft() }, Code::ValueInvalid),
        (Draft { case_ids: (0..51).map(|n| CaseId(Uuid::from_u128(n))).collect(), ..draft() }, Code::ValueInvalid),
        (Draft { evidence: (0..21).map(|n| n.to_string()).collect(), ..draft() }, Code::ValueInvalid),
    ] {
        assert_eq!(wrong.checked(at(0)).unwrap_err().code, code);
    }
}

#[test]
fn a_letter_is_printed_with_its_number_deadline_office_and_day() {
    let item = PaperItem {
        number: "431221-20261101-0007".into(),
        title: "店外经营".into(),
        address: "人民路".into(),
        remark: "截止 2026-11-20 18:00".into(),
    };
    let facts = Facts {
        number: Some("中城督办〔2026〕12号"),
        unit: "县水利局",
        kind: LetterKind::FromAbove,
        subject: "关于排水口的督办",
        text: "第一段。\n\n 第二段。",
        note: Some("怀政督〔2026〕3号"),
        items: vec![item.clone()],
        due_at: Some(at(48)),
        office: "中方县人民政府督查室",
        at: at(0),
        stage: LetterStage::Issued,
    };
    let paper = document(&facts);
    assert_eq!(
        paper.paragraphs,
        ["第一段。", "第二段。", "督办依据：上级交办问题；怀政督〔2026〕3号。", "办理时限：2026年11月25日09时00分前。",]
    );
    assert_eq!((paper.title.as_str(), paper.number.as_str()), ("督办函", "中城督办〔2026〕12号"));
    assert_eq!((paper.addressee.as_str(), paper.date.as_str()), ("县水利局：", "2026年11月23日"));
    assert_eq!((paper.items, paper.signature.as_str()), (vec![item], "中方县人民政府督查室"));
    let unissued = document(&Facts { number: None, due_at: None, note: None, stage: LetterStage::Drafted, ..facts });
    assert_eq!((unissued.title.as_str(), unissued.number.as_str()), ("督办函（草稿）", ""));
    assert_eq!(unissued.paragraphs.last().unwrap(), "督办依据：上级交办问题。");
    assert_eq!(number("中城督办", year_of(at(24 * 39 - 8)), 1), "中城督办〔2027〕1号", "New Year is local");
}
