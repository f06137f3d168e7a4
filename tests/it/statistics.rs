//! The county's figures from a year of cases with real timelines, and the records behind them.

use crate::{
    opendata::{import_grids, position},
    support::{
        on_both_engines,
        world::{Engine, Person, World, read},
    },
};
use chengguan::{
    cases::{
        actions::{Cause, Held},
        desk,
        report::{Position, Report},
        rules::{
            Command, Dispatch, ExtensionDecision, ExtensionRequest, HoldDecision, Note, Nothing, Reason, Resumption,
            Verify,
        },
    },
    db::types::CaseId,
    error::Code,
    evidence::datum::Datum,
    identity::rules::{Actor, Role},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

on_both_engines!(
    a_year_of_cases_comes_out_as_the_county_printed_it,
    a_case_belongs_to_the_month_of_its_deadline,
    a_number_opens_to_exactly_its_records,
    what_is_on_hold_is_not_overdue,
    a_liaison_sees_the_own_units_figures_alone,
    a_period_or_figure_that_is_none_is_refused,
);

/// None, a grid of `import_grids`, the other one, or outside of both, by the hour; each in another datum.
fn place_of(due_at: DateTime<Utc>) -> Option<Position> {
    let n = due_at.timestamp() / 3600 % 4;
    let datum = Datum::ALL[n as usize];
    (n > 0).then(|| position(109.85 + 0.1 * n as f64, 27.44, datum))
}

/// The people of the loop.
#[derive(Clone)]
pub struct Loop {
    dispatcher: Actor,
    liaison: Actor,
    verifier: Actor,
}

impl Loop {
    fn new(world: &World) -> (Loop, Person, Person) {
        let (dispatcher, liaison) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
        (Loop::of(world, &dispatcher, &liaison), dispatcher, liaison)
    }

    /// The loop between a dispatcher and a unit.
    pub fn of(world: &World, dispatcher: &Person, liaison: &Person) -> Loop {
        let verifier = world.person(Role::Verifier).actor();
        Loop { dispatcher: dispatcher.actor(), liaison: liaison.actor(), verifier }
    }

    /// The steps after the dispatch up to the confirmation.
    pub fn to_the_end(&self) -> Vec<(&Actor, Command)> {
        let note = || Note { note: "已清理".into() };
        vec![
            (&self.liaison, Command::Handle(note())),
            (&self.liaison, Command::ApplyClosing(note())),
            (&self.dispatcher, Command::RequestVerification(Nothing {})),
            (&self.verifier, Command::Verify(Verify { passed: true, note: String::new() })),
            (&self.verifier, Command::NotifyClosing(Nothing {})),
            (&self.dispatcher, Command::ConfirmClosing(Nothing {})),
        ]
    }

    /// Reports and dispatches cases with these deadlines.
    pub fn dispatch(&self, world: &World, deadlines: Vec<DateTime<Utc>>) -> Vec<CaseId> {
        let people = self.clone();
        let ids: Vec<CaseId> = deadlines.iter().map(|_| CaseId(world.app.env.id())).collect();
        let cases: Vec<_> = ids.iter().copied().zip(deadlines).collect();
        world.write(move |tx| {
            let mut held = Held::default();
            let cause = Cause { op: None, device: None, occurred_at: tx.now };
            for (id, due_at) in cases {
                let report = Report {
                    title: "店外经营".into(),
                    class_code: Some(if due_at.timestamp() % 3 == 0 { "0405".into() } else { "0110".into() }),
                    position: place_of(due_at),
                    ..Report::default()
                };
                desk::report(&mut held.desk(tx), &people.dispatcher, id, report, cause)?;
                let unit_id = people.liaison.unit_id.unwrap();
                let dispatch = Dispatch { unit_id, due_at: Some(due_at), limit: None, priority: 0 };
                let command = Command::Dispatch(dispatch);
                desk::command(&mut held.desk(tx), &people.dispatcher, id, &command, None, false, cause)?;
            }
            held.clear(tx)
        });
        ids
    }

    /// Brings cases through the first so many of some steps.
    pub fn step(&self, world: &World, ids: &[CaseId], steps: Vec<(&Actor, Command)>) {
        let steps: Vec<(Actor, Command)> = steps.into_iter().map(|(who, command)| (who.clone(), command)).collect();
        for ids in ids.chunks(500) {
            let (ids, steps) = (ids.to_vec(), steps.clone());
            world.write(move |tx| {
                let mut held = Held::default();
                held.fetch(tx, &ids)?;
                let cause = Cause { op: None, device: None, occurred_at: tx.now };
                for id in ids {
                    for (who, command) in &steps {
                        desk::command(&mut held.desk(tx), who, id, command, None, false, cause)?;
                    }
                }
                held.clear(tx)
            });
        }
    }
}

fn first_of(year: i32, month: i32) -> DateTime<Utc> {
    let (year, month) = (year + (month - 1) / 12, (month - 1) % 12 + 1);
    read(&json!(format!("{year}-{month:02}-01T00:00:00+08:00")))
}

/// Waits until a moment.
pub fn until(world: &World, at: DateTime<Utc>) {
    world.wait((at - world.now()).max(TimeDelta::zero()));
}

fn line(world: &World, by: &Person, period: &str) -> Value {
    let path = format!("/api/v1/statistics?period={period}");
    world.get(&path).by(&by.token).send().expect(200)["lines"][0].clone()
}

/// N, C and T of 2020 with their rates, from the county's own report.
const PRINTED: Year = ((14_664, 8_907, 5_867), ["60.74%", "40.01%", "51.41%"]);
/// A tenth of it: what differs between the engines are the queries, and it shows with fewer cases, too.
const TENTH: Year = ((1_466, 891, 587), ["60.78%", "40.04%", "51.45%"]);

type Year = ((usize, usize, usize), [&'static str; 3]);

fn a_year_of_cases_comes_out_as_the_county_printed_it(world: &World) {
    let (people, dispatcher, _) = Loop::new(world);
    let ((all, closed, timely), rates) = if world.engine == Engine::Sqlite { PRINTED } else { TENTH };
    let share = |whole: usize, month: usize| whole / 12 + usize::from(month < whole % 12);
    let mut late: Vec<CaseId> = Vec::new();
    let mut expected = Vec::new();
    for month in 0..12 {
        let (first, next) = (first_of(2027, month as i32 + 1), first_of(2027, month as i32 + 2));
        until(world, first);
        // Those of the month before come to their end now, after their deadlines: they count where they belong.
        people.step(world, &std::mem::take(&mut late), people.to_the_end());
        let (n, c, t) = (share(all, month), share(closed, month), share(timely, month));
        let minutes = (next - first).num_minutes() - 3 * 24 * 60;
        let due = |n: usize| first + TimeDelta::days(3) + TimeDelta::minutes(n as i64 * 37 % minutes);
        let ids = people.dispatch(world, (0..n).map(due).collect());
        until(world, first + TimeDelta::days(2));
        let (done, rest) = ids.split_at(t);
        people.step(world, done, people.to_the_end());
        late = rest[..c - t].to_vec();
        // What is never closed stands in every place that there is.
        let open = &rest[c - t..];
        let places: Vec<&[CaseId]> = open.chunks(open.len().div_ceil(4)).collect();
        let mut steps = people.to_the_end();
        steps.truncate(3);
        people.step(world, places[1], steps[..1].to_vec());
        people.step(world, places[2], steps.clone());
        steps.push((&people.verifier, Command::Verify(Verify { passed: false, note: "仍有垃圾".into() })));
        people.step(world, places[3], steps);
        expected.push((n, c, t, places.iter().map(|place| place.len()).collect::<Vec<_>>()));
    }
    until(world, first_of(2028, 1));
    people.step(world, &late, people.to_the_end());
    until(world, first_of(2028, 1) + TimeDelta::hours(1));
    let dispatcher = world.sign_in(&dispatcher.username, None);
    let year = line(world, &dispatcher, "2027");
    let counts = &year["counts"];
    assert_eq!((&counts["total"], &counts["closed"], &counts["timely"]), (&json!(all), &json!(closed), &json!(timely)));
    let text = |rate: &str| year["rates"][rate]["text"].clone();
    let told = [text("resolution"), text("timely"), text("comprehensive")];
    assert_eq!(told, rates.map(|rate| json!(rate)));
    for (month, (n, c, t, places)) in expected.into_iter().enumerate() {
        let counts = line(world, &dispatcher, &format!("2027-{:02}", month + 1))["counts"].clone();
        let found = [&counts["total"], &counts["closed"], &counts["timely"], &counts["late"]].map(read::<usize>);
        assert_eq!(found, [n, c, t, c - t], "month {}", month + 1);
        let open = ["not_handled", "not_applied", "in_verification", "not_passed"].map(|f| read::<usize>(&counts[f]));
        assert_eq!(open.as_slice(), places, "month {}", month + 1);
    }
    // Quarters are the sum of their months, and know the ones before.
    let quarter = line(world, &dispatcher, "2027-Q2");
    let months =
        [4, 5, 6].map(|month| read::<i64>(&line(world, &dispatcher, &format!("2027-{month:02}"))["counts"]["total"]));
    assert_eq!(quarter["counts"]["total"], json!(months.iter().sum::<i64>()));
    assert_eq!(quarter["before"]["counts"], line(world, &dispatcher, "2027-Q1")["counts"]);
    assert_eq!(year["year_before"]["change"]["text"], json!("—"), "there was nothing in the year before");
}

fn a_case_belongs_to_the_month_of_its_deadline(world: &World) {
    let (people, dispatcher, _) = Loop::new(world);
    let (january, february) = (first_of(2027, 1), first_of(2027, 2));
    let second = TimeDelta::seconds(1);
    let ids = people.dispatch(world, vec![january - second, january, february - second, february]);
    let total = |by: &Person, period: &str| line(world, by, period)["counts"]["total"].clone();
    let totals = ["2026-12", "2027-01", "2027-02"].map(|period| total(&dispatcher, period));
    assert_eq!(totals, [json!(1), json!(2), json!(1)], "24:00 is the next day's 00:00");
    // An extension across the end of the month takes it along.
    let asked = ExtensionRequest { until: february + TimeDelta::days(5), reason: "需等待配件".into() };
    let granted = ExtensionDecision { granted: true, reason: String::new() };
    let steps = vec![
        (&people.liaison, Command::RequestExtension(asked)),
        (&people.dispatcher, Command::DecideExtension(granted)),
    ];
    people.step(world, &ids[2..3], steps);
    let totals = ["2026-12", "2027-01", "2027-02"].map(|period| total(&dispatcher, period));
    assert_eq!(totals, [json!(1), json!(1), json!(2)]);
    assert_eq!(line(world, &dispatcher, "2027-02")["counts"]["extended"], json!(1));
    // What a unit has sent back has no deadline until it is dispatched anew.
    people.step(world, &ids[..1], vec![(&people.liaison, Command::Return(Reason { reason: "非本单位".into() }))]);
    assert_eq!(total(&dispatcher, "2026-12"), json!(0));
    // To be closed exactly at the deadline is in time, a second later is late.
    until(world, january);
    people.step(world, &ids[1..2], people.to_the_end());
    until(world, february + second);
    people.step(world, &ids[3..], people.to_the_end());
    let dispatcher = world.sign_in(&dispatcher.username, None);
    assert_eq!(line(world, &dispatcher, "2027-01")["counts"]["timely"], json!(1));
    assert_eq!(line(world, &dispatcher, "2027-02")["counts"]["late"], json!(1));
}

fn a_number_opens_to_exactly_its_records(world: &World) {
    let (people, dispatcher, liaison) = Loop::new(world);
    let first = first_of(2027, 1);
    let ids = people.dispatch(world, (0..30).map(|n| first + TimeDelta::hours(n)).collect());
    people.step(world, &ids[..10], people.to_the_end());
    people.step(world, &ids[10..15], people.to_the_end()[..1].to_vec());
    import_grids(world);
    for by in ["all", "unit", "class", "reporter", "grid"] {
        let path = format!("/api/v1/statistics?period=2027-01&by={by}");
        let table = world.get(&path).by(&dispatcher.token).send().expect(200);
        assert!(table["rule"].as_str().unwrap().contains("截止时间"));
        let lines = table["lines"].as_array().unwrap();
        assert_eq!(lines.iter().map(|line| read::<i64>(&line["counts"]["total"])).sum::<i64>(), 30, "{by}");
        for line in lines {
            let key = line["key"].as_str().unwrap();
            for (figure, count) in line["counts"].as_object().unwrap() {
                let (mut found, mut cursor) = (0, String::new());
                loop {
                    let path = format!(
                        "/api/v1/statistics/records?period=2027-01&by={by}&key={key}&figure={figure}&limit=7{cursor}"
                    );
                    let page = world.get(&path).by(&dispatcher.token).send().expect(200);
                    found += page["items"].as_array().unwrap().len();
                    match page["next"].as_str() {
                        Some(next) => cursor = format!("&cursor={next}"),
                        None => break,
                    }
                }
                assert_eq!(&json!(found), count, "{by} {key} {figure}");
            }
        }
    }
    let grids = world.get("/api/v1/statistics?period=2027-01&by=grid").by(&dispatcher.token).send().expect(200);
    assert!(grids["rule"].as_str().unwrap().contains("现行网格"));
    let lines: Vec<(&str, &str, usize)> = grids["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["key"].as_str().unwrap(), line["name"].as_str().unwrap(), read(&line["counts"]["total"])))
        .collect();
    let hours = |wanted: &[i64]| (0..30).filter(|n| wanted.contains(&((first.timestamp() / 3600 + n) % 4))).count();
    // Without a place and outside of all is one line; a place counts where it is, in whatever datum it was measured.
    let expected = [
        ("", "", hours(&[0, 3])),
        ("43122100100101", "网格43122100100101", hours(&[1])),
        ("43122100100102", "网格43122100100102", hours(&[2])),
    ];
    assert!(lines.len() == 3 && expected.iter().all(|line| lines.contains(line)), "{lines:?}");
    let by_unit = world.get("/api/v1/statistics?period=2027-01&by=unit").by(&dispatcher.token).send().expect(200);
    assert_eq!(by_unit["lines"][0]["key"].as_str(), liaison.unit.as_deref());
    assert!(by_unit["lines"][0]["name"].as_str().is_some_and(|name| name.starts_with("单位")), "{by_unit}");
}

fn what_is_on_hold_is_not_overdue(world: &World) {
    let (people, dispatcher, _) = Loop::new(world);
    let first = first_of(2027, 1);
    let ids = people.dispatch(world, vec![first; 3]);
    let hold = || {
        let granted = HoldDecision { granted: true, reason: String::new() };
        vec![
            (&people.liaison, Command::RequestHold(Reason { reason: "等待配件".into() })),
            (&people.dispatcher, Command::DecideHold(granted)),
        ]
    };
    people.step(world, &ids[..2], hold());
    // The second goes on before its deadline, so it has a pause with an end, and is late like the third.
    people.step(world, &ids[1..2], vec![(&people.dispatcher, Command::Resume(Resumption::default()))]);
    until(world, first + TimeDelta::days(1));
    let dispatcher = world.sign_in(&dispatcher.username, None);
    let counts = line(world, &dispatcher, "2027-01")["counts"].clone();
    assert_eq!((&counts["total"], &counts["overdue"], &counts["not_handled"]), (&json!(3), &json!(2), &json!(3)));
}

fn a_liaison_sees_the_own_units_figures_alone(world: &World) {
    let (people, dispatcher, liaison) = Loop::new(world);
    let (others, _, other) = Loop::new(world);
    let first = first_of(2027, 1);
    people.dispatch(world, vec![first; 3]);
    others.dispatch(world, vec![first; 4]);
    assert_eq!(line(world, &dispatcher, "2027-01")["counts"]["total"], json!(7));
    assert_eq!(line(world, &liaison, "2027-01")["counts"]["total"], json!(3));
    let unit = other.unit.clone().unwrap();
    let path = format!("/api/v1/statistics/records?period=2027-01&by=unit&key={unit}&figure=total");
    assert_eq!(world.get(&path).by(&liaison.token).send().expect(200)["items"], json!([]));
    assert_eq!(world.get(&path).by(&other.token).send().expect(200)["items"].as_array().map(Vec::len), Some(4));
}

fn a_period_or_figure_that_is_none_is_refused(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    for query in ["period=2026-13", "period=x", "by=weather", "period=2026-Q5", "period="] {
        let path = format!("/api/v1/statistics?{query}");
        world.get(&path).by(&dispatcher.token).send().refused(Code::ParameterInvalid);
    }
    for query in ["figure=luck", "key=%00", "limit=0", "cursor=x"] {
        let path = format!("/api/v1/statistics/records?{query}");
        world.get(&path).by(&dispatcher.token).send().refused(Code::ParameterInvalid);
    }
    world.get("/api/v1/statistics").by(&world.person(Role::Officer).token).send().refused(Code::RoleForbidden);
    let nothing = line(world, &dispatcher, "2026-01");
    assert_eq!((&nothing["counts"]["total"], &nothing["rates"]["resolution"]["text"]), (&json!(0), &json!("—")));
}
