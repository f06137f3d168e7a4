//! A year of thirty-two units: every path of the rules, month by month, each published and replayed.

use crate::{
    statistics::until,
    support::{
        on_both_engines,
        scene::digest,
        tus::Tus,
        world::{World, read},
    },
};
use chengguan::{
    assessment::{
        actions,
        objections::actions as objections,
        pack,
        reckon::{Line, Total},
        rules::Verdict,
    },
    cases::{
        actions::{Cause, Held},
        desk,
        report::Report,
        rules::{Command, Dispatch, Note, Nothing, Verify},
    },
    db::types::{CaseId, SpotCheckId, UnitId},
    error::Result,
    identity::{
        self,
        rules::{Actor, Role},
    },
    merits::{self, rules::NewMerit},
    spotchecks::{
        self,
        library::{self, rules::SiteEntry, store::SitesWanted},
        rules::{Record, SiteKind},
    },
    supervision,
};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_engines!(a_year_of_all_units_goes_through_every_path_and_each_month_replays);

/// The county's units and the people who make the months.
#[derive(Clone)]
struct County {
    units: Vec<UnitId>,
    dispatchers: [Actor; 2],
    supervisors: [Actor; 2],
    verifier: Actor,
    checker: Actor,
    liaison: Actor,
    /// A stored paper.
    paper: String,
}

impl County {
    fn new(world: &World) -> County {
        let units = world.write(|tx| {
            identity::actions::county_load(tx)?;
            let units = identity::actions::unit_list(tx.db, tx.now.year())?;
            Ok(units.into_iter().map(|(unit, _)| unit.id).collect::<Vec<_>>())
        });
        assert_eq!(units.len(), 32);
        let clerk = world.person(Role::Dispatcher);
        Tus::new(world, &clerk.token).upload(b"a paper from above", &[]);
        let actor = |role| world.person(role).actor();
        County {
            units,
            dispatchers: [clerk.actor(), actor(Role::Dispatcher)],
            supervisors: [actor(Role::Supervisor), actor(Role::Supervisor)],
            verifier: actor(Role::Verifier),
            checker: actor(Role::SpotChecker),
            liaison: world.person_of(Role::Liaison, Some(read(&json!(world.unit())))).actor(),
            paper: digest(b"a paper from above"),
        }
    }

    fn liaison_of(&self, unit: UnitId) -> Actor {
        Actor { unit_id: Some(unit), ..self.liaison.clone() }
    }

    /// Reports and dispatches one unit's cases.
    fn dispatch(&self, world: &World, wanted: Vec<(UnitId, DateTime<Utc>)>) -> Vec<CaseId> {
        let county = self.clone();
        world.write(move |tx| {
            let mut held = Held::default();
            let cause = Cause { op: None, device: None, occurred_at: tx.now };
            let mut ids = Vec::new();
            for (unit_id, due_at) in wanted {
                let id = CaseId(tx.id());
                let report = Report { title: "乱堆物料".into(), ..Report::default() };
                desk::report(&mut held.desk(tx), &county.dispatchers[0], id, report, cause)?;
                let dispatch = Dispatch { unit_id, due_at: Some(due_at), limit: None, priority: 0 };
                let command = Command::Dispatch(dispatch);
                desk::command(&mut held.desk(tx), &county.dispatchers[0], id, &command, None, false, cause)?;
                ids.push(id);
            }
            held.clear(tx)?;
            Ok(ids)
        })
    }

    /// Brings cases to their end.
    fn close(&self, world: &World, cases: Vec<(UnitId, CaseId)>) {
        let county = self.clone();
        world.write(move |tx| {
            let mut held = Held::default();
            held.fetch(tx, &cases.iter().map(|(_, id)| *id).collect::<Vec<_>>())?;
            let cause = Cause { op: None, device: None, occurred_at: tx.now };
            let note = || Note { note: "已清理".into() };
            for (unit, id) in cases {
                let liaison = county.liaison_of(unit);
                let steps: [(&Actor, Command); 6] = [
                    (&liaison, Command::Handle(note())),
                    (&liaison, Command::ApplyClosing(note())),
                    (&county.dispatchers[0], Command::RequestVerification(Nothing {})),
                    (&county.verifier, Command::Verify(Verify { passed: true, note: String::new() })),
                    (&county.verifier, Command::NotifyClosing(Nothing {})),
                    (&county.dispatchers[0], Command::ConfirmClosing(Nothing {})),
                ];
                for (who, command) in &steps {
                    desk::command(&mut held.desk(tx), who, id, command, None, false, cause)?;
                }
            }
            held.clear(tx)
        });
    }

    fn visit(&self, world: &World, unit: UnitId, deduction: i32) {
        let checker = self.checker.clone();
        world.write(move |tx| {
            let wanted = SitesWanted { unit_id: Some(unit), ..SitesWanted::default() };
            let site = match library::actions::sites(tx.db, &checker, wanted)?.pop() {
                Some(site) => site,
                None => library::actions::put(tx, None, main_road(unit))?,
            };
            let items = json!([{"code": "1.1", "text": "路面不洁", "deduction": deduction}]);
            let week = spotchecks::rules::week_of(tx.now);
            let record: Record = of(&json!({"site_id": site.id, "week": week, "items": items}))?;
            let cause = Cause { op: None, device: None, occurred_at: tx.now };
            let id = SpotCheckId(tx.id());
            spotchecks::actions::check_record(tx, &checker, id, &record, (None, &[]), cause).map(drop)
        });
    }

    /// A letter that is answered; what the office thinks of the answer.
    fn letter(&self, world: &World, unit: UnitId, outcome: &'static str) {
        let county = self.clone();
        world.write(move |tx| {
            let due_at = tx.now + TimeDelta::days(5);
            let draft = json!({
                "unit_id": unit, "kind": "campaign", "subject": "关于爱国卫生月的督办", "text": "请整改。", "due_at": due_at,
            });
            let row = supervision::actions::draft(tx, &county.dispatchers[0], of(&draft)?)?;
            let mut command = |who: &Actor, command: Value| {
                supervision::actions::command(tx, who, row.id, of(&command)?, None, "中城督办").map(drop)
            };
            let (office, liaison) = (&county.supervisors[0], county.liaison_of(unit));
            command(office, json!({"type": "issue", "args": {}}))?;
            command(&liaison, json!({"type": "receive", "args": {}}))?;
            command(&liaison, json!({"type": "reply", "args": {"words": "已完成"}}))?;
            command(office, json!({"type": "grade", "args": {"outcome": outcome, "words": "实地查看"}}))
        });
    }

    fn merit(&self, world: &World, unit: UnitId, month: &str, item: &'static str, times: i32) {
        let (county, month) = (self.clone(), month.to_owned());
        world.write(move |tx| {
            let today = tx.now.with_timezone(&chrono_tz::Asia::Shanghai).date_naive();
            let new: NewMerit = of(&json!({
                "unit_id": unit, "month": month, "item": item, "times": times, "summary": "见文件", "happened_on": today,
                "source": "市城管委通报", "evidence": [county.paper],
            }))?;
            let row = merits::actions::enter(tx, &county.dispatchers[0], new)?;
            merits::actions::decide(tx, &county.supervisors[0], row.id, true, "属实").map(drop)
        });
    }

    /// Objects to a late line of the month, and wins.
    fn object(&self, world: &World, month: &str, line: &Line) {
        let (county, month, line) = (self.clone(), month.to_owned(), line.clone());
        world.write(move |tx| {
            let liaison = county.liaison_of(line.unit_id);
            let filed = objections::file(tx, &liaison, &month, line.n, "停电")?.row;
            let finding = objections::Finding { verdict: Verdict::Upheld, delta: 1_000, words: "属实".into() };
            for who in [&county.dispatchers[0], &county.dispatchers[1], &county.supervisors[1]] {
                objections::step(tx, who, filed.id, &finding)?;
            }
            Ok(())
        });
    }
}

fn of<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(chengguan::error::Error::internal)
}

fn main_road(unit_id: UnitId) -> SiteEntry {
    SiteEntry {
        code: None,
        unit_id,
        kind: SiteKind::MainRoad,
        name: "中山路".into(),
        address: None,
        position: None,
        geometry: None,
        active_from: None,
    }
}

/// A morning in the county.
fn morning(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    read(&json!(format!("{year}-{month:02}-{day:02}T09:00:00+08:00")))
}

/// One month's records: who has cases, what becomes of them, who is visited, urged, praised and blamed.
fn live(world: &World, county: &County, month: u32) {
    let name = format!("2027-{month:02}");
    until(world, morning(2027, month, 12));
    let mut wanted = Vec::new();
    for (u, unit) in county.units.iter().enumerate() {
        let none = (u + month as usize).is_multiple_of(11);
        let cases = if none { 0 } else { 1 + (u * 7 + month as usize) % 3 };
        wanted.extend((0..cases).map(|k| (*unit, (u + k + month as usize) % 3)));
    }
    let due = morning(2027, month, 20);
    let ids = county.dispatch(world, wanted.iter().map(|(unit, _)| (*unit, due)).collect());
    let with = |outcome: usize| {
        let all = wanted.iter().zip(&ids).filter(|((_, wanted), _)| *wanted == outcome);
        all.map(|((unit, _), id)| (*unit, *id)).collect::<Vec<_>>()
    };
    county.close(world, with(0));
    for (u, unit) in county.units.iter().enumerate() {
        if u % 4 == 0 {
            county.visit(world, *unit, 1_000 * i32::try_from(u).unwrap());
            county.visit(world, *unit, 40_000);
        }
        if (u + month as usize) % 8 == 1 {
            county.letter(world, *unit, if u % 2 == 0 { "fulfilled" } else { "partly" });
        }
    }
    county.merit(world, county.units[month as usize], &name, "exposed", 1);
    county.merit(world, county.units[20], &name, "fault", 3);
    county.merit(world, county.units[21], &name, "reputation_won", 4);
    county.merit(world, county.units[22], &name, "praised", 1);
    until(world, morning(2027, month, 22));
    county.close(world, with(1));
}

/// Runs, opens, objects to and publishes a month; its lines and totals.
fn judge(world: &World, county: &County, month: u32) -> (Vec<Line>, Vec<Total>) {
    let name = format!("2027-{month:02}");
    let (year, next) = (2027 + i32::try_from(month / 12).unwrap(), month % 12 + 1);
    until(world, morning(year, next, 1));
    let (clerk, office, opened) = (county.dispatchers[0].clone(), county.supervisors[0].clone(), name.clone());
    world.write(move |tx| {
        let trial = actions::trial(tx.db, &opened, tx.now)?;
        actions::run(tx, &clerk, trial)?;
        actions::open(tx, &clerk, &opened)
    });
    let lines = |name: String| world.read(move |db| actions::lines(db, &name, None, 0, 100_000));
    let before = lines(name.clone());
    county.object(world, &name, before.iter().find(|line| line.item == "late").unwrap());
    until(world, morning(year, next, 11));
    let published = name.clone();
    let (text, totals) = world.write(move |tx| {
        actions::publish(tx, &office, &published)?;
        let row = actions::month_row(tx.db, &published)?;
        let totals = actions::standing(tx.db, &row)?.units;
        let (_, pack) = actions::pack_of(tx.db, &office, &published, None)?;
        Ok((pack, totals.into_iter().map(|(_, total)| total).collect::<Vec<_>>()))
    });
    let replayed = pack::replay(&text).unwrap();
    assert_eq!(replayed.differences, Vec::<String>::new(), "{name}");
    let after = lines(name);
    assert_eq!(after[..before.len()], before[..], "an objection adds a line and changes none");
    assert_eq!((after.len(), replayed.lines), (before.len() + 1, after.len()));
    (after, totals)
}

fn a_year_of_all_units_goes_through_every_path_and_each_month_replays(world: &World) {
    let county = County::new(world);
    // The year before had more cases in December.
    until(world, morning(2026, 12, 12));
    let before = county.units[..6].iter().flat_map(|unit| [(*unit, morning(2026, 12, 20)); 9]).collect();
    county.dispatch(world, before);
    let (mut items, mut ties, mut unranked, mut vetoes) = (BTreeSet::new(), 0, 0, 0);
    for month in 1..=12 {
        live(world, &county, month);
        let (lines, totals) = judge(world, &county, month);
        items.extend(lines.iter().map(|line| line.item.clone()));
        for total in &totals {
            let own = lines.iter().filter(|line| line.unit_id == total.unit_id);
            assert_eq!(own.map(|line| line.delta).sum::<i32>(), total.total, "month {month}");
            unranked += usize::from(total.class.is_some() && total.rank.is_none());
            vetoes += usize::from(total.veto);
        }
        ties += totals.windows(2).filter(|w| w[0].class == w[1].class && w[0].rank == w[1].rank).count();
    }
    let all = [
        "timely",
        "late",
        "unsolved",
        "check",
        "letter",
        "none",
        "fewer_cases",
        "praised",
        "reputation_won",
        "fault",
        "exposed",
        "cap",
        "veto",
        "counter",
    ];
    let missing: Vec<&&str> = all.iter().filter(|item| !items.contains(**item)).collect();
    assert!(missing.is_empty() && vetoes == 12 && ties > 12 && unranked > 12, "{missing:?} {ties} {unranked}");
    let year = world.read(|db| actions::review(db, "2027".parse().unwrap()));
    assert_eq!((year.units.len(), year.missing.len()), (33, 0), "the county's and the one of the liaison");
    assert!(year.units.iter().filter(|unit| unit.rank.is_some()).all(|unit| unit.months >= 10));
}
