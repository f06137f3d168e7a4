//! The exchange with the city's platform: each message, what may go wrong on the way, and a simulated stretch of traffic.

use crate::support::{
    http::Reply,
    on_both_engines,
    process::chengguan,
    scratch::Folder,
    world::{Engine, Options, Person, World, block_on, read},
};
use chengguan::{
    city::{
        actions, outbox, sweep,
        wire::{self, Envelope},
    },
    config::{Config, city::CityLink},
    error::Code,
    identity::rules::Role,
    sim::city::{
        City,
        link::{self, Faults, Running},
        year::{self, County, Plan, Staff},
    },
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::{fs, net::SocketAddr};

on_both_engines!(
    engine:
    a_case_goes_round_the_whole_loop_with_the_city,
    a_failed_verification_an_extension_and_a_return_reach_the_other_side,
    what_is_not_signed_or_not_from_the_city_is_refused,
    a_repeat_gets_the_first_answer_and_has_no_second_effect,
    messages_ahead_of_a_gap_are_kept_and_applied_in_order,
    a_message_that_can_not_be_applied_is_refused_for_good_and_uses_its_number,
    codes_of_the_city_are_translated_both_ways,
    what_the_city_refuses_is_a_dead_letter_that_a_person_sends_anew_or_gives_up,
    a_city_that_is_down_is_tried_again_later_and_nothing_is_lost,
    messages_that_the_city_has_lost_are_sent_again,
    two_senders_take_turns,
    without_a_link_nothing_is_queued_and_with_one_again_it_is_told,
    lists_are_compared_and_what_is_on_its_way_is_no_difference,
    messages_come_from_a_file_too_and_only_once,
    a_stretch_of_traffic_with_faults_on_ends_with_both_books_equal,
);

const SECRET: &str = "a secret of both sides";

fn linked(config: &mut Config) {
    // Where the city really listens is told to each turn of the sender.
    config.city = Some(keys("http://127.0.0.1:1/messages".into()));
}

fn keys(url: String) -> CityLink {
    CityLink { url, keys: vec![("k1".into(), SECRET.into())] }
}

/// A county with a link, a city that runs, and people.
pub struct Scene {
    pub world: World,
    city: Running,
    pub dispatcher: Person,
    liaison: Person,
    seq: std::cell::Cell<i64>,
}

impl Scene {
    pub fn new(engine: Engine) -> Scene {
        let world = World::with(engine, Options { config: linked, ..Options::default() });
        let env = world.app.env.clone();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let city = link::start(City::new(env.clone()), free, keys(String::new()), env).unwrap();
        let (dispatcher, liaison) = (world.person(Role::Dispatcher), world.person(Role::Liaison));
        Scene { world, city, dispatcher, liaison, seq: std::cell::Cell::new(0) }
    }

    pub fn envelope(&self, seq: i64, kind: &str, body: Value) -> Value {
        json!({
            "msgId": self.world.name("m"), "type": kind, "schema": wire::SCHEMA, "from": "431200", "to": "431221",
            "sentAt": "2026-11-23T09:00:00+08:00", "seq": seq, "body": body, "vendor": {"kept": true},
        })
    }

    fn send_signed(&self, bytes: Vec<u8>, key: &str, signature: &str) -> Reply {
        let call = self.world.post("/api/v1/city/messages").header(wire::KEY_HEADER, key);
        call.header(wire::SIGNATURE_HEADER, signature).bytes(wire::MEDIA_TYPE, bytes).send()
    }

    fn send(&self, message: &Value) -> Value {
        let bytes = message.to_string().into_bytes();
        let signature = wire::sign(SECRET, &bytes);
        self.send_signed(bytes, "k1", &signature).expect(200)
    }

    /// The city's next message, which must be applied.
    fn next(&self, kind: &str, body: Value) -> Value {
        self.seq.set(self.seq.get() + 1);
        let reply = self.send(&self.envelope(self.seq.get(), kind, body));
        assert_eq!(reply["code"], "ok", "{reply}");
        reply
    }

    /// A case of the city's; returns our id of it.
    fn dispatched(&self, number: &str) -> String {
        let body = json!({
            "cityCaseNo": number, "kind": "event", "mainTypeCode": "04", "subTypeCode": "05", "typeName": "店外经营",
            "desc": "超出门窗外摆放", "lon": 109.944, "lat": 27.44, "deadline": "2026-11-24T10:00:00+08:00",
            "unit": {"code": "U012"}, "urgent": false,
        });
        self.next(wire::DISPATCH, body);
        self.city_case(number)["case_id"].as_str().unwrap().to_owned()
    }

    pub fn city_case(&self, number: &str) -> Value {
        let page = self.get("cases?limit=200");
        page["items"].as_array().unwrap().iter().find(|case| case["city_number"] == number).cloned().unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        self.world.get(&format!("/api/v1/city/{path}")).by(&self.dispatcher.token).send().expect(200)
    }

    fn command(&self, by: &Person, case: &str, kind: &str, args: Value) {
        let path = format!("/api/v1/cases/{case}/commands");
        self.world.post(&path).by(&by.token).json(&json!({"type": kind, "args": args})).send().expect(200);
    }

    /// Steps 1 to 4.
    fn up_to_verification(&self, case: &str) {
        let due = self.world.now() + TimeDelta::hours(20);
        self.command(&self.dispatcher, case, "dispatch", json!({"unit_id": self.liaison.unit, "due_at": due}));
        self.again_up_to_verification(case);
    }

    fn again_up_to_verification(&self, case: &str) {
        self.command(&self.liaison, case, "handle", json!({"note": "已整改"}));
        self.command(&self.liaison, case, "apply_closing", json!({"note": "申请结案"}));
        self.command(&self.dispatcher, case, "request_verification", json!({}));
    }

    fn state(&self, case: &str) -> String {
        read(&self.world.get(&format!("/api/v1/cases/{case}")).by(&self.dispatcher.token).send().expect(200)["state"])
    }

    /// Types of what waits to be sent or was sent, in order.
    pub fn outbox(&self) -> Vec<String> {
        let page = self.get("outbox?limit=200");
        page["items"].as_array().unwrap().iter().rev().map(|message| read(&message["kind"])).collect()
    }

    /// One turn of the sender; how many messages are done with.
    fn turn(&self, city: &str) -> usize {
        let app = &self.world.app;
        block_on(sweep::turn(&app.db, &app.env, &keys(city.to_owned()), "me")).unwrap().done
    }

    fn url(&self) -> String {
        format!("http://{}/messages", self.city.address)
    }
}

fn a_case_goes_round_the_whole_loop_with_the_city(engine: Engine) {
    let scene = Scene::new(engine);
    let case = scene.dispatched("4312002026112300001");
    let ours = scene.world.get(&format!("/api/v1/cases/{case}")).by(&scene.dispatcher.token).send().expect(200);
    assert_eq!(
        (&ours["title"], &ours["class_code"], &ours["state"]),
        (&json!("店外经营"), &json!("0405"), &json!("reported"))
    );
    assert_eq!(ours["class_kind"], json!("event"));
    assert_eq!(ours["position"], json!({"lat": 27.44, "lon": 109.944, "datum": "cgcs2000"}));
    let known = scene.city_case("4312002026112300001");
    assert_eq!(
        (&known["state"], &known["number"], &known["due_at"]),
        (&json!("received"), &ours["number"], &Value::Null)
    );
    assert_eq!((&known["due_differs"], &known["dispatch"]["urgent"]), (&json!(false), &json!(false)));
    scene.up_to_verification(&case);
    // The unit has until another moment than the city said.
    let known = scene.city_case("4312002026112300001");
    assert_eq!((&known["state"], &known["due_differs"]), (&json!("verifying"), &json!(true)));
    assert_eq!(scene.get("cases?due_differs=true")["items"].as_array().unwrap().len(), 1);
    let number = json!({"cityCaseNo": "4312002026112300001"});
    let passed = json!({"cityCaseNo": "4312002026112300001", "passed": true, "at": "2026-11-23T11:00:00+08:00"});
    let reply = scene.next(wire::VERIFICATION_RESULT, passed);
    assert_eq!(reply["countyCaseNo"], ours["number"]);
    assert_eq!(scene.city_case("4312002026112300001")["updated_at"], "2026-11-23T03:00:00Z");
    scene.next(wire::CLOSING_NOTICE, number);
    assert_eq!(
        (scene.state(&case).as_str(), &scene.city_case("4312002026112300001")["state"]),
        ("verified", &json!("closed"))
    );
    scene.command(&scene.dispatcher, &case, "confirm_closing", json!({}));
    assert_eq!(scene.state(&case), "closed");
    // The city's own steps are not told back to it.
    assert_eq!(scene.outbox(), [wire::ACKNOWLEDGE, wire::FEEDBACK, wire::VERIFICATION_REQUEST]);
    let feedback = &scene.get("outbox")["items"][1];
    assert_eq!((&feedback["body"]["note"], &feedback["body"]["countyCaseNo"]), (&json!("已整改"), &ours["number"]));
    assert_eq!(scene.get("status")["queued"], 3);
    let whole = &scene.get("inbox")["items"][2]["envelope"];
    assert_eq!((&whole["vendor"], &whole["type"]), (&json!({"kept": true}), &json!(wire::DISPATCH)));
}

fn a_failed_verification_an_extension_and_a_return_reach_the_other_side(engine: Engine) {
    let scene = Scene::new(engine);
    let case = scene.dispatched("1");
    let due = scene.world.now() + TimeDelta::hours(20);
    scene.command(&scene.dispatcher, &case, "dispatch", json!({"unit_id": scene.liaison.unit, "due_at": due}));
    let until = "2026-11-27T10:00:00Z";
    scene.command(&scene.liaison, &case, "request_extension", json!({"until": until, "reason": "需协调"}));
    let decision = json!({"cityCaseNo": "1", "granted": true, "reason": "同意", "until": until});
    scene.next(wire::EXTENSION_DECISION, decision.clone());
    let known = scene.city_case("1");
    assert_eq!(
        (&known["city_due_at"], &known["due_at"], &known["due_differs"]),
        (&json!(until), &json!(until), &json!(false))
    );
    // Word of an extension that nobody here waits for moves the city's deadline only, and is noted.
    scene.next(wire::EXTENSION_DECISION, json!({"cityCaseNo": "1", "granted": true, "until": "2026-11-30T10:00:00Z"}));
    assert_eq!(scene.city_case("1")["due_differs"], true);
    scene.again_up_to_verification(&case);
    scene.next(wire::VERIFICATION_RESULT, json!({"cityCaseNo": "1", "passed": false, "note": "未整改到位"}));
    assert_eq!((scene.state(&case).as_str(), &scene.city_case("1")["state"]), ("dispatched", &json!("rework")));
    let other = scene.dispatched("2");
    scene.command(&scene.dispatcher, &other, "void", json!({"reason": "void", "note": "不属我县管辖"}));
    assert_eq!(scene.city_case("2")["state"], "returned");
    let kinds = [wire::ACKNOWLEDGE, wire::EXTENSION_REQUEST, wire::FEEDBACK, wire::VERIFICATION_REQUEST];
    assert_eq!(scene.outbox(), [&kinds[..], &[wire::ACKNOWLEDGE, wire::RETURN]].concat());
    assert_eq!(scene.get("outbox")["items"][0]["body"]["reason"], "void");
    // The city insists: the same number comes anew, as a new case.
    let anew = scene.dispatched("2");
    assert!(anew != other && scene.state(&anew) == "reported" && scene.state(&other) == "void");
}

fn what_is_not_signed_or_not_from_the_city_is_refused(engine: Engine) {
    let scene = Scene::new(engine);
    let good = scene.envelope(1, wire::SKIP, json!({}));
    let bytes = good.to_string().into_bytes();
    let signature = wire::sign(SECRET, &bytes);
    let other = wire::sign("another secret of theirs", &bytes);
    for (key, signature) in [("k2", signature.as_str()), ("k1", other.as_str()), ("k1", ""), ("", "")] {
        scene.send_signed(bytes.clone(), key, signature).refused(Code::SignatureWrong);
    }
    let mut changed = bytes.clone();
    let at = changed.len() - 2;
    changed[at] = b' ';
    scene.send_signed(changed, "k1", &signature).refused(Code::SignatureWrong);
    let wrong = |bytes: &[u8]| scene.send_signed(bytes.to_vec(), "k1", &wire::sign(SECRET, bytes));
    wrong(b"").refused(Code::JsonMalformed);
    wrong(b"{").refused(Code::JsonMalformed);
    wrong(b"[1]").refused(Code::BodyInvalid);
    wrong(b"{\"msgId\":\"\\u0000\"}").refused(Code::NulCharacter);
    for (field, value) in [
        ("from", json!("430000")),
        ("to", json!("431200")),
        ("schema", json!("x/1")),
        ("seq", json!(0)),
        ("msgId", json!("")),
        ("msgId", json!("编号")),
    ] {
        let mut message = good.clone();
        message[field] = value;
        wrong(message.to_string().as_bytes()).refused(Code::ValueInvalid);
    }
    let status = scene.get("status");
    assert_eq!((&status["applied_seq"], &status["waiting"], &status["linked"]), (&json!(0), &json!(0), &json!(true)));
    let unlinked = World::start(engine);
    let call = unlinked.post("/api/v1/city/messages").header(wire::KEY_HEADER, "k1");
    call.header(wire::SIGNATURE_HEADER, &signature).bytes(wire::MEDIA_TYPE, bytes).send().refused(Code::NotFound);
}

fn a_repeat_gets_the_first_answer_and_has_no_second_effect(engine: Engine) {
    let scene = Scene::new(engine);
    let body = json!({"cityCaseNo": "1", "deadline": "2026-11-24T10:00:00+08:00"});
    let message = scene.envelope(1, wire::DISPATCH, body.clone());
    let first = scene.send(&message);
    let second = scene.send(&message);
    assert_eq!(
        (&second["code"], &second["first"], &second["expectedSeq"]),
        (&json!("duplicate"), &json!("ok"), &json!(2))
    );
    assert_eq!(second["countyCaseNo"], first["countyCaseNo"]);
    assert_eq!((scene.get("cases")["items"].as_array().unwrap().len(), scene.outbox().len()), (1, 1));
    // The name or the number of another message.
    let mut renamed = message.clone();
    renamed["msgId"] = json!("another");
    assert_eq!(scene.send(&renamed)["reason"], "idempotency_mismatch");
    let mut renumbered = message.clone();
    renumbered["seq"] = json!(2);
    assert_eq!(scene.send(&renumbered)["reason"], "op_id_reused");
    // The same case under a new message: a new deadline, no new case.
    let later = json!({"cityCaseNo": "1", "deadline": "2026-11-25T10:00:00+08:00"});
    let again = scene.send(&scene.envelope(2, wire::DISPATCH, later));
    assert_eq!((&again["code"], &again["countyCaseNo"]), (&json!("ok"), &first["countyCaseNo"]));
    assert_eq!(scene.city_case("1")["city_due_at"], "2026-11-25T02:00:00Z");
}

fn messages_ahead_of_a_gap_are_kept_and_applied_in_order(engine: Engine) {
    let scene = Scene::new(engine);
    let case = |number: &str| json!({"cityCaseNo": number, "deadline": "2026-11-24T10:00:00+08:00"});
    let third = scene.envelope(3, wire::DISPATCH, case("c"));
    let reply = scene.send(&third);
    assert_eq!(
        (&reply["code"], &reply["reason"], &reply["expectedSeq"]),
        (&json!("retry"), &json!("seq_gap"), &json!(1))
    );
    assert_eq!(scene.send(&third)["code"], "retry");
    assert_eq!(scene.send(&scene.envelope(3, wire::DISPATCH, case("x")))["reason"], "idempotency_mismatch");
    assert_eq!(scene.send(&scene.envelope(5000, wire::DISPATCH, case("x")))["code"], "retry");
    scene.send(&scene.envelope(2, wire::DISPATCH, case("b")));
    let status = scene.get("status");
    assert_eq!((&status["waiting"], &status["applied_seq"]), (&json!(2), &json!(0)));
    assert_eq!(scene.get("inbox?outcome=waiting")["items"].as_array().unwrap().len(), 2);
    let reply = scene.send(&scene.envelope(1, wire::DISPATCH, case("a")));
    assert_eq!((&reply["code"], &reply["expectedSeq"]), (&json!("ok"), &json!(4)));
    assert_eq!(scene.send(&third)["code"], "duplicate");
    let mut items = scene.get("cases")["items"].as_array().unwrap().clone();
    items.sort_by_key(|case| case["number"].as_str().unwrap().to_owned());
    let order: Vec<&str> = items.iter().map(|case| case["city_number"].as_str().unwrap()).collect();
    assert_eq!(order, ["a", "b", "c"]);
    // A message that was given up leaves word under its number.
    assert_eq!(scene.send(&scene.envelope(5, wire::DISPATCH, case("e")))["code"], "retry");
    assert_eq!(scene.send(&scene.envelope(4, wire::SKIP, json!({})))["expectedSeq"], 6);
    assert_eq!(scene.send(&scene.envelope(5, wire::SKIP, json!({})))["first"], "ok");
}

fn a_message_that_can_not_be_applied_is_refused_for_good_and_uses_its_number(engine: Engine) {
    let scene = Scene::new(engine);
    let case = scene.dispatched("1");
    let refused = [
        (wire::CLOSING_NOTICE, json!({"cityCaseNo": "1"}), "stage_forbids"),
        (wire::VERIFICATION_RESULT, json!({"cityCaseNo": "9", "passed": true}), "not_found"),
        (wire::VERIFICATION_RESULT, json!({"cityCaseNo": "1"}), "body_invalid"),
        (wire::DISPATCH, json!({"cityCaseNo": "2"}), "body_invalid"),
        (wire::DISPATCH, json!({"cityCaseNo": "", "deadline": "2026-11-24T10:00:00Z"}), "value_invalid"),
        (wire::DISPATCH, json!({"cityCaseNo": "3", "deadline": "0000-11-24T10:00:00Z"}), "value_invalid"),
        (wire::LIST, json!([]), "body_invalid"),
        ("case.unheard_of", json!({}), "value_invalid"),
    ];
    for (n, (kind, body, reason)) in (2..).zip(refused) {
        let message = scene.envelope(n, kind, body);
        let reply = scene.send(&message);
        assert_eq!((&reply["code"], &reply["reason"]), (&json!("invalid"), &json!(reason)), "{reply}");
        assert_eq!((&reply["expectedSeq"], &scene.send(&message)["first"]), (&json!(n + 1), &json!("invalid")));
    }
    assert_eq!(scene.state(&case), "reported");
    assert_eq!(scene.get("inbox?outcome=invalid")["items"].as_array().unwrap().len(), 8);
}

fn codes_of_the_city_are_translated_both_ways(engine: Engine) {
    let scene = Scene::new(engine);
    let units = scene.world.get("/api/v1/units").by(&scene.dispatcher.token).send().expect(200);
    let units = units["items"].as_array().or(units.as_array()).unwrap().clone();
    let unit = units.iter().find(|unit| unit["id"] == json!(scene.liaison.unit)).unwrap()["code"].clone();
    let admin = scene.world.admin().token.clone();
    let put = |kind: &str, city: &str, county: &Value| {
        let code = json!({"kind": kind, "city_code": city, "county_code": county});
        scene.world.put("/api/v1/city/codes").by(&admin).json(&code).send()
    };
    put("unit", "U012", &unit).expect_status(204);
    put("class", "event-0405", &json!("020405")).expect_status(204);
    put("class", "event-0405", &json!("0204051")).expect_status(204);
    put("class", "event-0406", &json!("x")).refused(Code::ValueInvalid);
    put("unit", "U013", &json!("nowhere")).refused(Code::NotFound);
    put("unit", "", &unit).refused(Code::ValueInvalid);
    assert_eq!(scene.get("codes")["items"].as_array().unwrap().len(), 2);
    let case = scene.dispatched("1");
    let ours = scene.world.get(&format!("/api/v1/cases/{case}")).by(&scene.dispatcher.token).send().expect(200);
    assert_eq!(ours["class_code"], "0204051");
    scene.up_to_verification(&case);
    let told = &scene.get("outbox")["items"][0]["body"]["unit"];
    assert_eq!((&told["code"], &told["countyCode"]), (&json!("U012"), &unit));
    let delete = || scene.world.call("DELETE", "/api/v1/city/codes?kind=unit&city_code=U012").by(&admin).send();
    delete().expect_status(204);
    delete().refused(Code::NotFound);
}

fn what_the_city_refuses_is_a_dead_letter_that_a_person_sends_anew_or_gives_up(engine: Engine) {
    let scene = Scene::new(engine);
    // The simulated city has never heard of these.
    scene.dispatched("1");
    scene.dispatched("2");
    assert_eq!(scene.turn(&scene.url()), 2);
    let dead = scene.get("outbox?dead=true")["items"].clone();
    assert_eq!((dead.as_array().unwrap().len(), &scene.get("status")["dead"]), (2, &json!(2)));
    assert!(dead[0]["last_error"].as_str().unwrap().contains("unknown_case"), "{dead}");
    let settle = |message: &Value, how: &str, body: Value| {
        let path = format!("/api/v1/city/outbox/{}/{how}", message["msg_id"].as_str().unwrap());
        scene.world.post(&path).by(&scene.dispatcher.token).json(&body).send()
    };
    settle(&dead[0], "give-up", json!({"reason": ""})).refused(Code::ValueInvalid);
    let given_up = settle(&dead[0], "give-up", json!({"reason": "电话已告知"})).expect(200);
    assert_eq!((&given_up["state"], &given_up["settled_note"]), (&json!("refused"), &json!("电话已告知")));
    settle(&dead[0], "resend", json!({})).refused(Code::ReviewClosed);
    let resent = settle(&dead[1], "resend", json!({})).expect(200);
    assert_eq!((&resent["seq"], &resent["kind"], &resent["body"]), (&json!(3), &dead[1]["kind"], &dead[1]["body"]));
    assert_eq!(scene.get("outbox?dead=true")["items"], json!([]));
    settle(&resent, "resend", json!({})).refused(Code::ReviewClosed);
    // Nobody answers: it may be given up as well, and its number carries word of that.
    assert_eq!(scene.turn("http://127.0.0.1:1/messages"), 0);
    let replaced = settle(&resent, "give-up", json!({"reason": "重复"})).expect(200);
    assert_eq!(replaced["state"], "replaced");
    assert_eq!(scene.turn(&scene.url()), 1);
    let last = &scene.get("outbox?state=delivered")["items"][0];
    assert_eq!(
        (&last["seq"], &last["kind"], &last["body"]["instead"]),
        (&json!(3), &json!(wire::SKIP), &resent["msg_id"])
    );
}

fn a_city_that_is_down_is_tried_again_later_and_nothing_is_lost(engine: Engine) {
    let mut scene = Scene::new(engine);
    scene.city.shared.city().dispatch();
    let target = format!("http://{}/api/v1/city/messages", scene.world.address);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    scene.city.shared.deliver(&agent, &target, 10);
    scene.city.shared.set_down(true);
    for attempts in 1..=12 {
        assert_eq!(scene.turn(&scene.url()), 0);
        // Not before its time.
        assert_eq!(scene.turn(&scene.url()), 0);
        let waiting = &scene.get("outbox")["items"][0];
        assert_eq!((&waiting["attempts"], &waiting["state"]), (&json!(attempts), &json!("queued")));
        assert_eq!(waiting["last_error"], "HTTP 503");
        scene.world.wait(TimeDelta::minutes(8));
        scene.dispatcher = scene.world.sign_in(&scene.dispatcher.username, None);
    }
    assert_eq!((&scene.get("status")["dead"], &scene.get("status")["last_error"]), (&json!(1), &json!("HTTP 503")));
    scene.city.shared.set_down(false);
    assert_eq!((scene.turn(&scene.url()), scene.city.shared.city().unacknowledged()), (1, 0));
    let status = scene.get("status");
    assert_eq!((&status["dead"], &status["queued"]), (&json!(0), &json!(0)));
}

fn messages_that_the_city_has_lost_are_sent_again(engine: Engine) {
    let scene = Scene::new(engine);
    for _ in 0..3 {
        scene.city.shared.city().dispatch();
    }
    let target = format!("http://{}/api/v1/city/messages", scene.world.address);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    scene.city.shared.deliver(&agent, &target, 10);
    assert_eq!(scene.turn(&scene.url()), 3);
    // A backup is put back at the city: it knows its cases, and has heard nothing of ours.
    let restored = scene.city.shared.city().restored();
    *scene.city.shared.city() = restored;
    scene.dispatched_by_hand("x");
    assert_eq!(scene.turn(&scene.url()), 0, "the city says where it stands");
    assert_eq!((scene.turn(&scene.url()), scene.city.shared.city().unacknowledged()), (4, 0));
}

impl Scene {
    /// A case under the number that comes after what the simulated city has sent.
    fn dispatched_by_hand(&self, number: &str) {
        self.seq.set(read(&self.get("status")["applied_seq"]));
        self.next(wire::DISPATCH, json!({"cityCaseNo": number, "deadline": "2026-11-24T10:00:00+08:00"}));
    }
}

fn two_senders_take_turns(engine: Engine) {
    let scene = Scene::new(engine);
    scene.dispatched("1");
    let app = &scene.world.app;
    let turn = |me: &str| block_on(sweep::turn(&app.db, &app.env, &keys(scene.url()), me)).unwrap().done;
    assert_eq!(turn("a"), 1);
    scene.dispatched("2");
    assert_eq!((turn("b"), turn("a")), (0, 1));
    scene.dispatched("3");
    // One that died loses its turn.
    scene.world.wait(TimeDelta::minutes(2));
    assert_eq!((turn("b"), turn("a")), (1, 0));
}

fn without_a_link_nothing_is_queued_and_with_one_again_it_is_told(engine: Engine) {
    let scene = Scene::new(engine);
    let case = scene.dispatched("1");
    scene.world.write(|tx| actions::connect(tx, false));
    scene.up_to_verification(&case);
    assert_eq!(scene.outbox(), [wire::ACKNOWLEDGE]);
    assert_eq!(scene.city_case("1")["state"], "received");
    scene.world.write(|tx| actions::connect(tx, true));
    scene.world.write(outbox::catch_up);
    assert_eq!(scene.outbox(), [wire::ACKNOWLEDGE, wire::FEEDBACK, wire::VERIFICATION_REQUEST]);
    assert_eq!(scene.city_case("1")["state"], "verifying");
    // A case of our own is not the city's business.
    let report = json!({"title": "井盖破损"});
    scene.world.post("/api/v1/cases").by(&scene.dispatcher.token).json(&report).send().expect(201);
    assert_eq!(scene.outbox().len(), 3);
}

fn lists_are_compared_and_what_is_on_its_way_is_no_difference(engine: Engine) {
    let scene = Scene::new(engine);
    for number in ["1", "2", "3"] {
        scene.dispatched(number);
    }
    let case = scene.dispatched("4");
    scene.up_to_verification(&case);
    let item =
        |number: &str, state: &str| json!({"cityCaseNo": number, "state": state, "updatedAt": "2026-11-23T01:00:00Z"});
    let items = json!([item("1", "received"), item("2", "closed"), item("4", "received"), item("9", "received")]);
    // The city has heard the four acknowledgements and not the rest.
    scene.next(wire::LIST, json!({"seenSeq": 4, "items": items}));
    let found = &scene.get("reconciliations")["items"][0];
    assert_eq!((&found["items"], &found["in_flight"]), (&json!(4), &json!(1)));
    let differences = json!([
        {"cityCaseNo": "2", "city": "closed", "county": "received"},
        {"cityCaseNo": "3", "city": null, "county": "received"},
        {"cityCaseNo": "9", "city": "received", "county": null},
    ]);
    assert_eq!(found["differences"], differences);
    let told = &scene.get("outbox")["items"][0];
    assert_eq!((&told["kind"], &told["body"]["differences"]), (&json!(wire::LIST_RESULT), &differences));
    // A part holds for its range only.
    let part = json!({"seenSeq": 6, "after": "1", "until": "2", "items": [item("2", "received")]});
    scene.next(wire::LIST, part);
    assert_eq!(scene.get("reconciliations?limit=1")["items"][0]["differences"], json!([]));
}

fn messages_come_from_a_file_too_and_only_once(engine: Engine) {
    let scene = Scene::new(engine);
    let folder = Folder::new("city");
    let case = |number: &str| json!({"cityCaseNo": number, "deadline": "2026-11-24T10:00:00+08:00"});
    let first = scene.envelope(1, wire::DISPATCH, case("1"));
    scene.send(&first);
    let lines =
        [first, scene.envelope(3, wire::DISPATCH, case("3")), scene.envelope(2, wire::CLOSING_NOTICE, case("1"))];
    let import = |text: &str| {
        fs::write(folder.path().join("messages.jsonl"), text).unwrap();
        let mut command = chengguan(folder.path());
        command.args(["city", "import", "messages.jsonl", "--database-url", &scene.world.app.config.database_url]);
        let output = command.output().unwrap();
        let told = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8(told).unwrap())
    };
    let text = lines.map(|line| line.to_string()).join("\n\n");
    let (good, told) = import(&text);
    assert!(good && told.contains("line 3: retry seq_gap; next is 2"), "{told}");
    assert!(told.contains("line 5: invalid stage_forbids reported; next is 4"), "{told}");
    assert!(told.ends_with("messages.jsonl: 1 duplicate, 1 invalid, 1 retry\n"), "{told}");
    assert_eq!(import(&text), (true, "messages.jsonl: 3 duplicate\n".to_owned()));
    assert_eq!(scene.get("cases")["items"].as_array().unwrap().len(), 2);
    let (good, told) = import("{\"msgId\": 1}");
    assert!(!good && told.contains("line 1: body_invalid"), "{told}");
}

fn a_stretch_of_traffic_with_faults_on_ends_with_both_books_equal(engine: Engine) {
    let mut scene = Scene::new(engine);
    let staff = Staff { dispatcher: scene.dispatcher.actor(), liaison: scene.liaison.actor() };
    let faults = Faults { slow: 2, slow_ms: 5, twice: 60, swapped: 60, lost: 60, down: 60 };
    let target = format!("http://{}/api/v1/city/messages", scene.world.address);
    let (app, city) = (&scene.world.app, &scene.city.shared);
    let link = keys(scene.url());
    let plan = Plan { cases: 200, days: 10, faults };
    let county =
        County { db: &app.db, env: &app.env, clock: &scene.world.clock, staff: &staff, url: &target, link: &link };
    let report = block_on(year::live(county, city, plan)).unwrap();
    assert!(report.good(), "{report}");
    let tally = &report.tally;
    assert_eq!((report.states.values().sum::<u64>(), tally.listed, tally.compared), (200, 200, 1), "{report}");
    // The faults did happen, or this shows nothing.
    assert!(tally.repeats > 0 && tally.duplicates > 0 && tally.retries > 0 && report.down > 0, "{report}");
    let closed = report.states["closed"];
    assert!(closed > 100 && closed + report.states["returned"] == 200, "{report}");
    scene.dispatcher = scene.world.sign_in(&scene.dispatcher.username, None);
    let cases = scene.world.get("/api/v1/cases?limit=200").by(&scene.dispatcher.token).send().expect(200);
    assert_eq!((cases["items"].as_array().unwrap().len(), &cases["next"].is_string()), (200, &true));
    let _: Envelope = read(&scene.get("inbox?limit=1")["items"][0]["envelope"]);
}
