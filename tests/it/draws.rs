//! The week's draw over HTTP, its visits by sync, and the three verifiers on one file of vectors.

use crate::support::{
    field::Field,
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    world::{Person, World, read},
};
use chengguan::{
    canonical::canonical,
    db::types::UnitId,
    error::Code,
    identity::{
        rules::Role,
        tokens::{hex, sha256},
    },
    spotchecks::{
        self,
        draws::draw::{self, Frame, FrameSite, FrameUnit, Mismatch, Pack, Source, SourceName, Substitution, UnitNonce},
        library::{self, rules::SiteEntry},
        rules::{SiteKind, week_of},
    },
    tlog,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

on_both_engines!(
    a_week_is_framed_committed_to_sealed_and_drawn_and_anybody_can_compute_it_again,
    visits_are_seen_when_they_may_be_and_a_site_out_of_reach_gives_way_to_the_next,
    a_second_visit_is_blind_and_says_how_far_two_teams_agree,
);

const DICE: &str = "01234567890123456789";

/// A world with teams and sites; who acts in it is signed in anew whenever time has moved.
struct Week<'w> {
    world: &'w World,
    week: String,
    dispatcher: Person,
    supervisor: Person,
    liaison: Person,
    stranger: Person,
    /// Of teams T1 and T2, each on a handheld.
    checkers: [Field<'w>; 2],
}

impl Week<'_> {
    fn new(world: &World) -> Week<'_> {
        let (liaison, stranger) = (world.person(Role::Liaison), world.person(Role::Liaison));
        let checkers = [Field::new(world, Role::SpotChecker), Field::new(world, Role::SpotChecker)];
        let units: Vec<UnitId> =
            [&liaison, &stranger].iter().map(|person| person.unit.as_deref().unwrap().parse().unwrap()).collect();
        world.write(move |tx| {
            for unit_id in &units {
                // Nobody has a market; there are three of everything else.
                for kind in SiteKind::ALL.iter().filter(|kind| **kind != SiteKind::Market) {
                    for n in 1..=3 {
                        let entry = SiteEntry {
                            code: None,
                            unit_id: *unit_id,
                            kind: *kind,
                            name: format!("{}{n}", kind.chinese()),
                            address: None,
                            position: Some((27.44, 109.94)),
                            geometry: None,
                            active_from: None,
                        };
                        library::actions::put(tx, None, entry)?;
                    }
                }
            }
            Ok(())
        });
        let members = [(&checkers[0], "T1"), (&checkers[1], "T2")];
        let members = members.map(|(field, team)| json!({"user_id": field.person.id, "team": team}));
        let put = world.put("/api/v1/spot-teams").by(&world.admin().token).json(&json!({"members": members})).send();
        assert_eq!(put.expect(200)["members"].as_array().map(Vec::len), Some(2));
        let week = week_of(world.now() + TimeDelta::days(7));
        let (dispatcher, supervisor) = (world.person(Role::Dispatcher), world.person(Role::Supervisor));
        Week { world, week, dispatcher, supervisor, liaison, stranger, checkers }
    }

    fn token(&self, person: &Person) -> String {
        self.world.sign_in(&person.username, None).token
    }

    fn post(&self, by: &Person, path: &str, body: &Value) -> crate::support::http::Reply {
        self.world.post(&format!("/api/v1/draws/{}/{path}", self.week)).by(&self.token(by)).json(body).send()
    }

    fn put(&self, by: &Person, path: &str, body: &Value) -> crate::support::http::Reply {
        self.world.put(&format!("/api/v1/draws/{}/{path}", self.week)).by(&self.token(by)).json(body).send()
    }

    fn run(&self, by: &Person) -> crate::support::http::Reply {
        self.world.post(&format!("/api/v1/draws/{}/run", self.week)).by(&self.token(by)).send()
    }

    fn get(&self, by: &Person, path: &str) -> crate::support::http::Reply {
        self.world.get(&format!("/api/v1/draws/{}{path}", self.week)).by(&self.token(by)).send()
    }

    fn frame(&self) -> Value {
        let at = |hours: i64| self.world.now() + TimeDelta::hours(hours);
        json!({"commit_until": at(2), "lottery_at": at(4), "sources": [{"name": "骰子", "issue": self.week}],
            "double_after_weeks": 8})
    }

    fn results(&self, throws: &str) -> Value {
        json!({"sources": [{"name": "骰子", "issue": self.week, "result": throws, "origin": "监督室录像"}]})
    }

    /// Drawn, without commitments of units.
    fn drawn(self) -> Self {
        self.post(&self.dispatcher, "frame", &self.frame()).expect(200);
        self.world.wait(TimeDelta::hours(5));
        self.put(&self.dispatcher, "seed", &self.results(DICE)).expect(200);
        self.post(&self.supervisor, "seed/confirm", &self.results(DICE)).expect(200);
        self.run(&self.dispatcher).expect(200);
        self
    }

    /// The visits the person sees now.
    fn picks(&self, by: &Person) -> Vec<Value> {
        self.get(by, "").expect(200)["picks"].as_array().cloned().unwrap()
    }

    /// Moves to nine in the morning of a day.
    fn go_to(&self, day: &str) {
        let morning: DateTime<Utc> = format!("{day}T01:00:00Z").parse().unwrap();
        self.world.wait(morning - self.world.now());
    }

    fn checker(&self, team: &Value) -> &Field<'_> {
        &self.checkers[usize::from(team == "T2")]
    }
}

fn a_week_is_framed_committed_to_sealed_and_drawn_and_anybody_can_compute_it_again(world: &World) {
    let week = Week::new(world);
    let (nonce, liar) = ("ab".repeat(20), "cd".repeat(20));
    let commitment = json!({"commitment": hex(&sha256(nonce.as_bytes()))});
    week.put(&week.liaison, "commitment", &commitment).refused(Code::NotFound);
    let mut grindable = week.frame();
    grindable["sources"] = json!([{"name": "福彩3D", "issue": "2026312"}]);
    week.post(&week.dispatcher, "frame", &grindable).refused(Code::ValueInvalid);
    let framed = week.post(&week.dispatcher, "frame", &week.frame()).expect(200);
    assert_eq!((&framed["state"], framed["frame"]["units"].as_array().map(Vec::len)), (&json!("framed"), Some(2)));
    assert!(framed["frame"]["units"][0]["sites"].as_array().unwrap().iter().all(|site| site["weight"] == 2));
    // While nobody relies on it, it can be published anew.
    let again = week.post(&week.dispatcher, "frame", &week.frame()).expect(200);
    assert_ne!(again["frame_sha256"], framed["frame_sha256"], "the Centre has a fresh nonce");
    week.put(&week.liaison, "commitment", &commitment).expect_status(204);
    week.put(&week.liaison, "commitment", &commitment).refused(Code::AlreadyExists);
    week.put(&week.stranger, "commitment", &commitment).expect_status(204);
    week.post(&week.dispatcher, "frame", &week.frame()).refused(Code::DrawStageForbids);
    let opened = json!({"nonce": nonce});
    week.put(&week.liaison, "nonce", &opened).refused(Code::DrawStageForbids);
    world.wait(TimeDelta::hours(3));
    week.put(&week.liaison, "nonce", &json!({"nonce": liar})).refused(Code::ValueInvalid);
    week.put(&week.liaison, "nonce", &opened).expect_status(204);
    week.put(&week.dispatcher, "seed", &week.results(DICE)).refused(Code::DrawStageForbids);
    world.wait(TimeDelta::hours(2));
    week.put(&week.stranger, "nonce", &opened).refused(Code::DrawStageForbids);
    week.post(&week.supervisor, "seed/confirm", &week.results(DICE)).refused(Code::DrawStageForbids);
    week.put(&week.dispatcher, "seed", &week.results("123")).refused(Code::ValueInvalid);
    week.put(&week.dispatcher, "seed", &week.results(DICE)).expect(200);
    week.post(&week.dispatcher, "seed/confirm", &week.results(DICE)).refused(Code::SecondPersonRequired);
    week.post(&week.supervisor, "seed/confirm", &week.results("11111111111111111111")).refused(Code::ValueInvalid);
    week.run(&week.dispatcher).refused(Code::DrawStageForbids);
    week.post(&week.supervisor, "seed/confirm", &week.results(DICE)).expect(200);
    let drawn = week.run(&week.dispatcher).expect(200);
    week.run(&week.dispatcher).refused(Code::DrawStageForbids);
    assert_eq!(drawn["picks"].as_array().unwrap().iter().filter(|pick| pick["recheck"] == false).count(), 18);
    assert!(drawn["seed"].as_str().unwrap().contains(&format!("={nonce}")));
    let open: Vec<bool> =
        drawn["commitments"].as_array().unwrap().iter().map(|one| one["opened_at"].is_string()).collect();
    assert_eq!(open.iter().filter(|open| **open).count(), 1, "who did not open is listed");
    // The log knew the frame before the seed, and the result before the visits.
    let subject = format!("draw:{}", week.week);
    let facts = world.read(move |db| tlog::actions::list(db, Some(&subject), None, None, 50));
    let mut phases: Vec<String> =
        facts.iter().map(|fact| read(&serde_json::from_str::<Value>(&fact.leaf).unwrap()["body"]["phase"])).collect();
    phases.sort();
    assert_eq!(phases, ["commit", "commit", "frame", "frame", "result", "seed"]);
    // Nobody outside the Centre can compute the visits before the week is over; then everybody can.
    let seen = week.get(&week.liaison, "").expect(200);
    assert_eq!(
        (&seen["seed"], &seen["commitments"][0]["nonce"], &seen["picks"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    week.get(&week.liaison, "/pack").refused(Code::DrawStageForbids);
    let pack = week.get(&week.dispatcher, "/pack").expect(200);
    world.wait(TimeDelta::days(14));
    assert_eq!(week.get(&week.liaison, "/pack").expect(200), pack);
    assert_eq!(week.picks(&week.liaison).len(), drawn["picks"].as_array().map_or(0, Vec::len));
    named_on_the_answer(world, &drawn, &pack);
    let pack: Pack = read(&pack);
    let outcome = draw::verify(&pack).unwrap();
    assert_eq!(pack.frame_sha256, again["frame_sha256"].as_str().unwrap());
    // Without a market the sixth visit is one that stands in for it.
    let sixth = outcome.units[0].picks.iter().find(|pick| pick.slot == 6).unwrap();
    assert!(sixth.kind == SiteKind::Market && sixth.site.contains("-other-"), "{sixth:?}");
    let listed = world.get("/api/v1/draws").by(&week.token(&week.liaison)).send().expect(200);
    assert_eq!(listed["items"][0]["result_sha256"], pack.result_sha256.as_str());
}

/// The verifier that the answer names, downloaded without a token, agrees with the pack, by the command that it names.
fn named_on_the_answer(world: &World, draw: &Value, pack: &Value) {
    let verifier = world.get(draw["verify"]["verifier"].as_str().unwrap()).send();
    assert!(verifier.header("content-type").is_some_and(|kind| kind.starts_with("text/x-python")));
    assert_eq!(verifier.bytes, fs::read(api_spec("draw-verify.py")).unwrap());
    let folder = Folder::new("verifier");
    fs::write(folder.path().join("draw-verify.py"), verifier.bytes).unwrap();
    let command: String = read(&draw["verify"]["commands"][0]);
    let words: Vec<&str> = command.split(' ').collect();
    fs::write(folder.path().join(words.last().unwrap()), pack.to_string()).unwrap();
    let told = Command::new(words[0]).args(&words[1..]).current_dir(folder.path()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

/// A file that comes with an operation.
fn photo(sha256: &str, role: &str) -> Value {
    json!({"sha256": sha256, "size": 1000, "mime": "image/jpeg", "role": role})
}

/// A record of a visit by the usual checklist, at the site's point; the second item costs `lost` points.
fn record(field: &Field, world: &World, pick: &Value, lost: i64) -> Value {
    let version = spotchecks::checklist::usual();
    let kind = site_kind(&pick["site_code"]);
    let (shot, signature) = (hex(&sha256(b"shot")), hex(&sha256(b"signature")));
    let answer = |(n, item): (usize, &spotchecks::checklist::CheckItem)| match n {
        1 if lost > 0 => json!({"item": item.code, "finding": "deduct", "deduction": lost * i64::from(item.step),
            "text": "有积水", "photos": [shot]}),
        0 => json!({"item": item.code, "finding": "not_applicable"}),
        _ => json!({"item": item.code, "finding": "pass"}),
    };
    let answers: Vec<Value> = version.of(kind).iter().enumerate().map(answer).collect();
    let args = json!({"site_id": pick["site_id"], "week": "", "pick_id": pick["id"], "checklist_version": 1,
        "answers": answers, "arrived_at": world.now() - TimeDelta::minutes(9), "left_at": world.now(), "signature": signature});
    let mut op = field.op("spot_check.record", "spot_check", world.app.env.id(), args);
    op["evidence"] = json!([photo(&shot, "scene"), photo(&signature, "signature")]);
    op["gps"] = json!({"lat": 27.4403, "lon": 109.94, "datum": "wgs84", "accuracy_m": 8.0});
    op
}

/// The kind in a made code, `u-1-main_road-001`.
fn site_kind(code: &Value) -> SiteKind {
    let code = code.as_str().unwrap();
    *SiteKind::ALL.iter().find(|kind| code.contains(&format!("-{kind}-"))).unwrap()
}

fn visits_are_seen_when_they_may_be_and_a_site_out_of_reach_gives_way_to_the_next(world: &World) {
    let week = Week::new(world).drawn();
    let all = week.picks(&week.dispatcher);
    let own = |pick: &&Value| pick["unit_id"] == week.liaison.unit.as_deref().unwrap() && pick["recheck"] == false;
    let first = all.iter().find(own).unwrap().clone();
    let field = week.checker(&first["team"]);
    let checker = &field.person;
    assert_eq!(week.picks(checker), Vec::<Value>::new(), "not before the day");
    week.go_to(first["day"].as_str().unwrap());
    let today = week.picks(checker);
    assert!(today.iter().all(|pick| pick["team"] == first["team"] && pick["day"] == first["day"]), "{today:?}");
    assert_eq!(today.iter().filter(own).count(), 9);
    // A handheld takes along where they are, and where it goes when one can't be reached.
    let sites = |by: &Person| week.get(by, "").expect(200)["sites"].as_array().cloned().unwrap();
    let along: BTreeSet<String> = sites(checker).iter().map(|site| read(&site["code"])).collect();
    let due = today.iter().flat_map(|pick| pick["substitutes"].as_array().unwrap().iter().chain([&pick["site_code"]]));
    assert_eq!(along, due.map(read).collect());
    assert_eq!(sites(&week.dispatcher), Vec::<Value>::new());
    let with =
        |code: Code, op: &Value, field: &Field| assert_eq!(field.result(op, "rejected")["code"], code.as_str(), "{op}");
    let other = &week.checkers[usize::from(first["team"] == "T1")];
    let at = |mut op: Value| {
        op["args"]["week"] = json!(week.week);
        op
    };
    let visit = today.iter().find(own).unwrap();
    with(Code::NotFound, &at(record(other, world, visit, 0)), other);
    let mut bare = at(record(field, world, visit, 1));
    bare["args"]["answers"][1]["photos"] = json!([]);
    with(Code::ValueInvalid, &bare, field);
    let mut elsewhere = at(record(field, world, visit, 0));
    elsewhere["args"]["site_id"] = today.iter().filter(own).nth(1).unwrap()["site_id"].clone();
    with(Code::ValueInvalid, &elsewhere, field);
    let op = at(record(field, world, visit, 1));
    field.result(&op, "applied");
    with(Code::AlreadyExists, &at(record(field, world, visit, 0)), field);
    // The unit sees what was visited, and the record behind it.
    let seen = week.picks(&week.liaison);
    assert_eq!(
        seen.iter().map(|pick| (&pick["id"], &pick["state"])).collect::<Vec<_>>(),
        [(&visit["id"], &json!("visited"))]
    );
    assert_eq!(week.picks(&week.stranger), Vec::<Value>::new());
    let checks = world.get("/api/v1/spot-checks").by(&week.token(&week.liaison)).send().expect(200);
    let check = &checks["items"][0];
    assert_eq!(
        (&check["pick_id"], &check["outside_fence"], &check["recheck"]),
        (&visit["id"], &json!(false), &json!(false))
    );
    let items = spotchecks::checklist::usual().of(site_kind(&visit["site_code"])).to_vec();
    let applies: i32 = items.iter().skip(1).map(|item| item.points).sum();
    let exact = f64::from(applies - items[1].step) * 100_000.0 / f64::from(applies);
    assert!((check["score"].as_f64().unwrap() - exact).abs() <= 0.5, "{check}");
    let sealed: spotchecks::rules::Record = read(&op["args"]);
    let seal = spotchecks::actions::seal(read(&op["target"]["id"]), &sealed).unwrap();
    assert_eq!(check["seal_sha256"], seal.as_str());
    // Out of reach: a photo shows it, and the next of the published order takes its place, nothing else.
    let gone = today.iter().filter(own).nth(1).unwrap();
    let next = gone["substitutes"][0].as_str().unwrap().to_owned();
    let args =
        json!({"site_id": gone["site_id"], "week": week.week, "pick_id": gone["id"], "unreachable": "道路封闭施工"});
    let out = field.op("spot_check.record", "spot_check", world.app.env.id(), args);
    with(Code::ValueInvalid, &out, field);
    let args = out["args"].clone();
    let mut out = field.op("spot_check.record", "spot_check", world.app.env.id(), args);
    out["evidence"] = json!([photo(&hex(&sha256(b"closed")), "scene")]);
    field.result(&out, "applied");
    let turns: Vec<Value> =
        week.picks(checker).into_iter().filter(|pick| pick["slot"] == gone["slot"] && own(&pick)).collect();
    assert_eq!(turns.iter().map(|pick| pick["state"].clone()).collect::<Vec<_>>(), ["unreachable", "open"]);
    assert_eq!(turns[1]["site_code"], next.as_str());
    with(Code::ValueInvalid, &at(record(field, world, gone, 0)), field);
    // A handheld that was offline names the visit it knew.
    let mut second = at(record(field, world, &turns[1], 0));
    second["args"]["pick_id"] = gone["id"].clone();
    field.result(&second, "applied");
    // An app that does not know the draw is taken; its choice of site counts for nothing.
    let old = json!({"site_id": turns[1]["site_id"], "week": week.week, "items": []});
    field.result(&field.op("spot_check.record", "spot_check", world.app.env.id(), old), "applied");
    let weeks = vec![week.week.clone()];
    let scored = world.read(move |db| spotchecks::actions::scored(db, &weeks));
    assert_eq!(scored.len(), 2);
    let scored: BTreeSet<String> = scored.iter().map(|row| row.site_id.to_string()).collect();
    assert_eq!(scored, [&visit["site_id"], &turns[1]["site_id"]].map(|id| read(id)).into());
}

fn a_second_visit_is_blind_and_says_how_far_two_teams_agree(world: &World) {
    let week = Week::new(world).drawn();
    let all = week.picks(&week.dispatcher);
    let again = all.iter().find(|pick| pick["recheck"] == true).unwrap();
    let first = all.iter().find(|pick| pick["site_id"] == again["site_id"] && pick["recheck"] == false).unwrap();
    assert_ne!(again["team"], first["team"]);
    for (pick, lost) in [(first, 0), (again, 2)] {
        if pick["day"] != json!(world.now().date_naive()) {
            week.go_to(pick["day"].as_str().unwrap());
        }
        let field = week.checker(&pick["team"]);
        let mut op = record(field, world, pick, lost);
        op["args"]["week"] = json!(week.week);
        field.result(&op, "applied");
    }
    let unit = if first["unit_id"] == week.liaison.unit.as_deref().unwrap() { &week.liaison } else { &week.stranger };
    assert_eq!(week.picks(unit).len(), 1, "the unit knows of the first visit only");
    let checks = world.get("/api/v1/spot-checks").by(&week.token(unit)).send().expect(200);
    assert_eq!(checks["items"].as_array().map(Vec::len), Some(1));
    let path = format!("/api/v1/spot-checks/agreement?week={}", week.week);
    let told = world.get(&path).by(&week.token(&week.supervisor)).send().expect(200);
    let items = spotchecks::checklist::usual().of(site_kind(&first["site_code"])).len();
    assert_eq!((&told["pairs"], &told["answered"]), (&json!(1), &json!(items)));
    let same: i64 = told["items"].as_array().unwrap().iter().map(|item| item["same"].as_i64().unwrap()).sum();
    assert_eq!(same + 1, i64::try_from(items).unwrap());
    assert_eq!(told["checkers"][0]["user_id"], json!(week.checker(&first["team"]).person.id));
    assert!(told["checkers"][0]["mean_difference"].as_f64().unwrap() > 0.0, "the first was milder: {told}");
    let weeks = vec![week.week.clone()];
    assert_eq!(world.read(move |db| spotchecks::actions::scored(db, &weeks)).len(), 1);
}

/// A pack, and whether it holds: the first thing that does not agree, or null.
#[derive(Serialize, Deserialize)]
struct Vector {
    name: String,
    mismatch: Option<Mismatch>,
    pack: Pack,
}

#[derive(Serialize, Deserialize)]
struct Vectors {
    /// Seed, code, tickets of the code, the best one.
    tickets: Vec<(String, String, u32, String)>,
    packs: Vec<Vector>,
}

fn pack(frame: &Frame, sources: Vec<Source>, opened: &[&str]) -> Pack {
    let digest = |text: &str| hex(&sha256(text.as_bytes()));
    let text = |value: Value| canonical(&value).unwrap();
    let frame_text = text(serde_json::to_value(frame).unwrap());
    let unit = |unit: &FrameUnit| {
        let nonce = digest(&unit.code);
        let is_open = opened.contains(&unit.code.as_str());
        UnitNonce { unit: unit.code.clone(), commitment: Some(digest(&nonce)), nonce: is_open.then_some(nonce) }
    };
    let commitment = Some(frame.centre_commitment.clone());
    let mut nonces = vec![UnitNonce { unit: draw::CENTRE.into(), commitment, nonce: Some("ab".repeat(32)) }];
    nonces.extend(frame.units.iter().map(unit));
    let seed = draw::seed_text(&frame.week, &sources, &nonces);
    let result = text(serde_json::to_value(draw::draw(frame, &digest(&frame_text), &seed)).unwrap());
    Pack {
        format: "chengguan-draw-pack/1".into(),
        frame_sha256: digest(&frame_text),
        frame: frame_text,
        frame_entry: "01900000-0000-7000-8000-000000000001".into(),
        sources,
        nonces,
        seed,
        result_sha256: digest(&result),
        result,
        result_entry: "01900000-0000-7000-8000-000000000002".into(),
    }
}

fn vectors() -> Vectors {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let unit = |code: &str, missing: &[SiteKind], weight: fn(usize) -> u32| {
        let kinds = SiteKind::ALL.iter().filter(|kind| !missing.contains(kind));
        let site = |kind: &SiteKind, n: usize| FrameSite {
            code: format!("{code}-{kind}-{n:03}"),
            kind: *kind,
            weight: weight(n),
        };
        let sites = kinds.flat_map(|kind| (1..=3).map(move |n| site(kind, n)));
        let mut sites: Vec<FrameSite> = sites.collect();
        sites.sort_by(|a, b| a.code.cmp(&b.code));
        FrameUnit { code: code.to_owned(), name: format!("单位{code}"), sites }
    };
    let names = [("双色球", "2026134", "03-08-11-19-24-31+07"), ("福彩3D", "2026312", "4-0-7")];
    let sources = |names: &[(&str, &str, &str)]| -> Vec<Source> {
        let source = |(name, issue, result): &(&str, &str, &str)| Source {
            name: (*name).into(),
            issue: (*issue).into(),
            result: (*result).into(),
            origin: "开奖公告".into(),
        };
        names.iter().map(source).collect()
    };
    let stand_ins = library::rules::usual_substitution().stand_ins;
    let frame = |units: Vec<FrameUnit>, names: &[(&str, &str, &str)]| Frame {
        format: "chengguan-draw-frame/1".into(),
        rule: draw::RULE.into(),
        week: "2026-W48".into(),
        sources: names.iter().map(|one| SourceName { name: one.0.into(), issue: one.1.into() }).collect(),
        substitution: Substitution { version: 0, stand_ins: stand_ins.clone() },
        teams: words(&["T1", "T2", "东队"]),
        days: words(&["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27"]),
        bands: words(&["09:00-11:30", "14:30-17:00"]),
        recheck_per_mille: 50,
        double_after_weeks: None,
        commit_until: "2026-11-21T10:00:00Z".into(),
        lottery_at: "2026-11-22T13:15:00Z".into(),
        centre_commitment: hex(&sha256("ab".repeat(32).as_bytes())),
        units,
    };
    let plain = |_: usize| 1;
    let dice = [("骰子", "2026-W48", DICE)];
    let whole = pack(
        &frame((1..=3).map(|n| unit(&format!("A{n:02}"), &[], plain)).collect(), &names),
        sources(&names),
        &["A01", "A03"],
    );
    let lacking = frame(
        vec![
            unit("A01", &[SiteKind::Market, SiteKind::Toilet, SiteKind::Construction], plain),
            unit("B02", &[], plain),
        ],
        &dice,
    );
    let mut good = vec![
        ("三个单位，双色球和福彩3D", whole.clone()),
        ("缺类别的单位按顺位补抽", pack(&lacking, sources(&dice), &[])),
        (
            "久未抽到的点位有两张签",
            pack(&frame(vec![unit("A01", &[], |n| if n % 2 == 0 { 2 } else { 1 })], &dice), sources(&dice), &["A01"]),
        ),
    ];
    let mut one_team = frame(vec![unit("A01", &[], plain)], &dice);
    one_team.teams.truncate(1);
    good.push(("只有一队，没有复核", pack(&one_team, sources(&dice), &[])));
    let mut packs: Vec<Vector> =
        good.into_iter().map(|(name, pack)| Vector { name: name.into(), mismatch: None, pack }).collect();
    let mut bad = |name: &str, mismatch: Mismatch, change: fn(&mut Pack)| {
        let mut pack = whole.clone();
        change(&mut pack);
        packs.push(Vector { name: name.into(), mismatch: Some(mismatch), pack });
    };
    bad("抽样框改一个字节", Mismatch::Frame, |pack| {
        pack.frame = pack.frame.replace("A02-toilet-002", "A02-toilet-009")
    });
    bad("抽样框改动且重算哈希", Mismatch::Draw, |pack| {
        pack.frame = pack.frame.replace("A02-toilet-002", "A02-toilet-009");
        pack.frame_sha256 = hex(&sha256(pack.frame.as_bytes()));
    });
    bad("种子改一个字节", Mismatch::Seed, |pack| pack.seed = pack.seed.replace("+07|", "+08|"));
    bad("开奖号码改一位", Mismatch::Seed, |pack| pack.sources[1].result = "4-0-8".into());
    bad("期号不是抽样框写明的", Mismatch::Sources, |pack| pack.sources[0].issue = "2026135".into());
    bad("打开的随机数不是承诺的", Mismatch::Nonce, |pack| pack.nonces[1].nonce = Some("00".repeat(32)));
    bad("中心没有打开随机数", Mismatch::Nonce, |pack| pack.nonces[0].nonce = None);
    bad("结果改一个点位", Mismatch::Draw, |pack| pack.result = pack.result.replacen("T1", "T2", 1));
    bad("结果哈希不符", Mismatch::Result, |pack| pack.result_sha256 = draw::UNOPENED.into());
    bad("格式未知", Mismatch::Format, |pack| pack.format = "chengguan-draw-pack/2".into());
    let published = "2026-W47|福彩3D:2026312=4-0-7|commit:3f1c";
    let tickets = [("U07/main/027", 1), ("U07/main/007", 1), ("U07-公厕-001", 1), ("U07/main/027", 3)];
    let ticket = |(code, weight): (&str, u32)| {
        let best = draw::best_ticket(&draw::key(published), code, weight);
        (published.to_owned(), code.to_owned(), weight, hex(&best))
    };
    Vectors { tickets: tickets.into_iter().map(ticket).collect(), packs }
}

fn api_spec(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("api-spec").join(name)
}

#[test]
fn the_stored_vectors_are_those_of_this_program_which_agrees_with_them() {
    let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(api_spec("draw-vectors.json"), &text).unwrap();
    }
    let stored = fs::read_to_string(api_spec("draw-vectors.json")).unwrap();
    assert!(stored == text, "api-spec/draw-vectors.json: run with UPDATE=1 and look at the difference");
    for Vector { name, mismatch, pack } in serde_json::from_str::<Vectors>(&stored).unwrap().packs {
        assert_eq!(draw::verify(&pack).err(), mismatch, "{name}");
    }
}

#[test]
fn the_command_line_says_whether_a_pack_agrees() {
    let folder = Folder::new("draw");
    for Vector { name, mismatch, pack } in vectors().packs.into_iter().take(5) {
        fs::write(folder.path().join("pack.json"), serde_json::to_string(&pack).unwrap()).unwrap();
        let run = chengguan(folder.path()).args(["draw", "verify", "pack.json"]).output().unwrap();
        assert_eq!(run.status.success(), mismatch.is_none(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn the_short_verifier_in_python_agrees_with_the_vectors() {
    let python = env::var_os("TEST_TUS_PY").unwrap_or_else(|| "python3".into());
    let run = Command::new(python)
        .arg(api_spec("draw-verify.py"))
        .arg("--vectors")
        .arg(api_spec("draw-vectors.json"))
        .output();
    let run = run.expect("python3 is there");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    assert!(told.contains("14 packs"), "{told}");
}
