//! Who gets in, and for how long.

use crate::support::{
    http::Reply,
    on_both_engines,
    world::{Engine, Options, PASSWORD, World, read},
};
use chengguan::{
    error::Code,
    identity::{
        rules::{DeviceKind, Role},
        tokens::{self, PublicJwk},
    },
};
use chrono::TimeDelta;
use serde_json::json;

on_both_engines!(
    the_setup_code_makes_the_first_administrator_and_works_once,
    a_second_start_voids_the_setup_code_of_the_first,
    without_an_account_nothing_lets_anybody_in,
    five_wrong_passwords_lock_the_account_for_fifteen_minutes,
    a_right_password_forgets_the_wrong_ones_before_it,
    an_unknown_name_is_answered_like_a_wrong_password,
    a_refresh_token_works_once_and_its_second_use_ends_the_session,
    a_session_ends_after_thirty_days_and_by_logging_out,
    an_access_token_expires_after_fifteen_minutes,
    forged_and_foreign_tokens_are_refused,
    a_disabled_person_is_out_at_once_and_back_after_a_reset,
    a_device_enrols_once_with_its_code,
    an_enrolment_code_expires_after_seven_days_and_a_new_one_voids_it,
    a_new_enrolment_replaces_the_key_and_starts_an_epoch,
    a_revoked_device_is_out_at_once_and_cannot_enrol_again,
    a_device_key_must_be_a_point_on_the_curve,
    a_session_begun_on_a_device_belongs_to_it,
    a_units_class_belongs_to_a_year_and_past_years_stay,
    the_countys_units_are_loaded_once,
    a_liaison_needs_a_unit_that_exists,
    a_name_is_taken_once,
);

fn login(world: &World, username: &str, password: &str) -> Reply {
    world.post("/api/v1/auth/login").json(&json!({"username": username, "password": password})).send()
}

fn refresh(world: &World, token: &str) -> Reply {
    world.post("/api/v1/auth/refresh").json(&json!({"refresh_token": token})).send()
}

fn me(world: &World, token: &str) -> Reply {
    world.get("/api/v1/me").by(token).send()
}

fn the_setup_code_makes_the_first_administrator_and_works_once(world: &World) {
    let code = world.app.setup_code.clone().unwrap();
    let body =
        |code: &str, username: &str| json!({"code": code, "username": username, "name": "王", "password": PASSWORD});
    let setup = |code: &str, username: &str| world.post("/api/v1/setup").json(&body(code, username)).send();
    setup("aaaa-bbbb-cccc-dddd", "eve").refused(Code::CodeWrong);
    let made = setup(&code, "first").expect(201);
    assert_eq!(made["role"], "admin");
    setup(&code, "second").refused(Code::CodeWrong);
    let token = world.sign_in("first", None).token;
    let users = world.get("/api/v1/users").by(&token).send().expect(200);
    assert_eq!(users["items"].as_array().map(Vec::len), Some(1));
}

fn a_second_start_voids_the_setup_code_of_the_first(world: &World) {
    let first = world.app.setup_code.clone().unwrap();
    let second = world.again().app.setup_code.clone().unwrap();
    assert_ne!(first, second);
    let setup = |code: &str| {
        let body = json!({"code": code, "username": "first", "name": "王", "password": PASSWORD});
        world.post("/api/v1/setup").json(&body).send()
    };
    setup(&first).refused(Code::CodeWrong);
    setup(&second).expect(201);
    assert_eq!(world.again().app.setup_code, None, "a server with an administrator prints no code");
}

fn without_an_account_nothing_lets_anybody_in(world: &World) {
    for (name, password) in [("admin", "admin"), ("admin", ""), ("root", "root"), ("", ""), ("admin", PASSWORD)] {
        login(world, name, password).refused(Code::CredentialsWrong);
    }
    refresh(world, "x").refused(Code::TokenInvalid);
    refresh(world, "01900000-0000-7000-8000-000000000001.00").refused(Code::TokenInvalid);
    world.get("/api/v1/units").send().refused(Code::CredentialsMissing);
    let key = tokens::fresh_pkcs8().unwrap();
    world.enrol("", &key).refused(Code::CodeWrong);
    world.enrol(&world.app.setup_code.clone().unwrap(), &key).refused(Code::CodeWrong);
}

fn five_wrong_passwords_lock_the_account_for_fifteen_minutes(world: &World) {
    let person = world.person(Role::Inspector);
    for _ in 0..5 {
        login(world, &person.username, "wrong horse").refused(Code::CredentialsWrong);
    }
    let locked = login(world, &person.username, PASSWORD);
    locked.refused(Code::AccountLocked);
    assert!(locked.header("retry-after").is_some());
    me(world, &person.token).expect(200);
    world.wait(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    login(world, &person.username, PASSWORD).refused(Code::AccountLocked);
    world.wait(TimeDelta::seconds(1));
    login(world, &person.username, PASSWORD).expect(200);
}

fn a_right_password_forgets_the_wrong_ones_before_it(world: &World) {
    let person = world.person(Role::Inspector);
    for _ in 0..3 {
        for _ in 0..4 {
            login(world, &person.username, "wrong horse").refused(Code::CredentialsWrong);
        }
        login(world, &person.username, PASSWORD).expect(200);
    }
}

fn an_unknown_name_is_answered_like_a_wrong_password(world: &World) {
    let person = world.person(Role::Inspector);
    let mut known = login(world, &person.username, "wrong horse").refused(Code::CredentialsWrong);
    let mut unknown = login(world, "nobody", "wrong horse").refused(Code::CredentialsWrong);
    for answer in [&mut known, &mut unknown] {
        answer["request_id"] = json!(null);
    }
    assert_eq!(known, unknown);
}

fn a_refresh_token_works_once_and_its_second_use_ends_the_session(world: &World) {
    let person = world.person(Role::Inspector);
    let next = refresh(world, &person.refresh).expect(200);
    let token: String = read(&next["access_token"]);
    me(world, &token).expect(200);
    refresh(world, &person.refresh).refused(Code::RefreshReused);
    me(world, &token).refused(Code::SessionEnded);
    refresh(world, next["refresh_token"].as_str().unwrap()).refused(Code::SessionEnded);
    let other = world.sign_in(&person.username, None);
    me(world, &other.token).expect(200);
}

fn a_session_ends_after_thirty_days_and_by_logging_out(world: &World) {
    let person = world.person(Role::Inspector);
    let other = world.sign_in(&person.username, None);
    world.post("/api/v1/auth/logout").by(&person.token).send().expect(204);
    me(world, &person.token).refused(Code::SessionEnded);
    refresh(world, &person.refresh).refused(Code::SessionEnded);
    world.wait(TimeDelta::days(30) - TimeDelta::seconds(1));
    let next = refresh(world, &other.refresh).expect(200);
    world.wait(TimeDelta::seconds(1));
    refresh(world, next["refresh_token"].as_str().unwrap()).refused(Code::SessionEnded);
}

fn an_access_token_expires_after_fifteen_minutes(world: &World) {
    let person = world.person(Role::Inspector);
    world.wait(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    me(world, &person.token).expect(200);
    world.wait(TimeDelta::seconds(1));
    me(world, &person.token).refused(Code::TokenExpired);
    refresh(world, &person.refresh).expect(200);
}

fn forged_and_foreign_tokens_are_refused(world: &World) {
    let person = world.person(Role::Admin);
    let refused = |token: &str| drop(me(world, token).refused(Code::TokenInvalid));
    refused("");
    refused("a.b.c");
    refused(&person.refresh);
    let parts: Vec<&str> = person.token.split('.').collect();
    refused(&format!("{}.{}.", parts[0], parts[1]));
    refused(&format!("{}.{}.{}", parts[0], parts[1].replacen('e', "f", 1), parts[2]));
    // The same claims without a signature, as libraries once accepted.
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    refused(&format!("{unsigned}.{}.", parts[1]));
    world.get("/api/v1/me").header("authorization", &person.token).send().refused(Code::TokenInvalid);
    world.get("/api/v1/me").header("authorization", "Basic YWRtaW46YWRtaW4=").send().refused(Code::TokenInvalid);
    // Another server's token, for the very same account and session.
    let stranger = World::with(world.engine, Options::default());
    let foreign = stranger.app.keys.sign_user(person.id, person.session, world.now(), TimeDelta::minutes(15)).unwrap();
    refused(&foreign);
    // A device that nobody knows, and a known device's name under another key.
    let device = world.device(DeviceKind::Handheld);
    let key = tokens::fresh_pkcs8().unwrap();
    let by_key = |key: &[u8], id| tokens::sign_device(key, id, world.now(), TimeDelta::minutes(10)).unwrap();
    world.get("/api/v1/units").by(&by_key(&key, device.id)).send().refused(Code::TokenInvalid);
    let unknown = chengguan::db::types::DeviceId(world.app.env.id());
    world.get("/api/v1/units").by(&by_key(&key, unknown)).send().refused(Code::DeviceUnknown);
    world.get("/api/v1/units").by(&by_key(&device.key, device.id)).send().expect(200);
    let endless = tokens::sign_device(&device.key, device.id, world.now(), TimeDelta::days(2)).unwrap();
    world.get("/api/v1/units").by(&endless).send().refused(Code::TokenInvalid);
    let token = world.device_token(&device);
    world.wait(TimeDelta::minutes(16));
    world.get("/api/v1/units").by(&token).send().refused(Code::TokenExpired);
}

fn a_disabled_person_is_out_at_once_and_back_after_a_reset(world: &World) {
    let person = world.person(Role::Inspector);
    let name = person.username.clone();
    world.write(move |tx| chengguan::identity::actions::user_disable(tx, &name));
    me(world, &person.token).refused(Code::AccountDisabled);
    refresh(world, &person.refresh).refused(Code::AccountDisabled);
    login(world, &person.username, PASSWORD).refused(Code::AccountDisabled);
    login(world, &person.username, "wrong horse").refused(Code::CredentialsWrong);
    let (name, hash) = (person.username.clone(), world.hash("staple battery"));
    world.write(move |tx| chengguan::identity::actions::user_reset(tx, &name, hash));
    me(world, &person.token).refused(Code::SessionEnded);
    login(world, &person.username, PASSWORD).refused(Code::CredentialsWrong);
    login(world, &person.username, "staple battery").expect(200);
}

fn a_device_enrols_once_with_its_code(world: &World) {
    let (name, code) = world.device_code(DeviceKind::Handheld);
    let (key, other) = (tokens::fresh_pkcs8().unwrap(), tokens::fresh_pkcs8().unwrap());
    world.enrol("aaaa-bbbb-cccc-dddd", &key).refused(Code::CodeWrong);
    let enrolled = world.enrol(&code, &key).expect(201);
    assert_eq!((enrolled["name"].as_str(), enrolled["epoch"].as_i64()), (Some(name.as_str()), Some(1)));
    world.enrol(&code, &other).refused(Code::CodeWrong);
    let token = tokens::sign_device(&key, read(&enrolled["device_id"]), world.now(), TimeDelta::minutes(10)).unwrap();
    world.get("/api/v1/units").by(&token).send().expect(200);
}

fn an_enrolment_code_expires_after_seven_days_and_a_new_one_voids_it(world: &World) {
    let key = tokens::fresh_pkcs8().unwrap();
    let (name, first) = world.device_code(DeviceKind::Camera);
    let body = json!({"name": name, "kind": "camera"});
    let again = world.post("/api/v1/devices").by(&world.admin().token).json(&body).send().expect(201);
    world.enrol(&first, &key).refused(Code::CodeWrong);
    world.wait(TimeDelta::days(7));
    world.enrol(again["code"].as_str().unwrap(), &key).refused(Code::CodeWrong);
    let admin = world.sign_in("admin", None);
    let other = json!({"name": name, "kind": "dock"});
    world.post("/api/v1/devices").by(&admin.token).json(&other).send().refused(Code::AlreadyExists);
}

fn a_new_enrolment_replaces_the_key_and_starts_an_epoch(world: &World) {
    let device = world.device(DeviceKind::Handheld);
    let body = json!({"name": device.name, "kind": "handheld"});
    let again = world.post("/api/v1/devices").by(&world.admin().token).json(&body).send().expect(201);
    let before = world.device_token(&device);
    world.get("/api/v1/units").by(&before).send().expect(200);
    let key = tokens::fresh_pkcs8().unwrap();
    let enrolled = world.enrol(again["code"].as_str().unwrap(), &key).expect(201);
    assert_eq!(read::<chengguan::db::types::DeviceId>(&enrolled["device_id"]), device.id);
    assert_eq!(enrolled["epoch"].as_i64(), Some(device.epoch + 1));
    world.get("/api/v1/units").by(&before).send().refused(Code::TokenInvalid);
}

fn a_revoked_device_is_out_at_once_and_cannot_enrol_again(world: &World) {
    let device = world.device(DeviceKind::Handheld);
    let token = world.device_token(&device);
    let person = world.person(Role::Inspector);
    world.get("/api/v1/units").by(&token).send().expect(200);
    world.revoke(&device);
    world.get("/api/v1/units").by(&token).send().refused(Code::DeviceRevoked);
    let body = json!({"username": person.username, "password": PASSWORD, "device_token": token});
    world.post("/api/v1/auth/login").json(&body).send().refused(Code::DeviceRevoked);
    let (name, key) = (device.name.clone(), tokens::fresh_pkcs8().unwrap());
    let (_, code) = world.write(move |tx| chengguan::identity::devices::device_add(tx, &name, DeviceKind::Handheld));
    world.enrol(&code, &key).refused(Code::DeviceRevoked);
}

fn a_device_key_must_be_a_point_on_the_curve(world: &World) {
    let (_, code) = world.device_code(DeviceKind::Handheld);
    let key = tokens::fresh_pkcs8().unwrap();
    let good = PublicJwk::from_point(&tokens::public_key(&key).unwrap());
    let enrol =
        |jwk: &PublicJwk| world.post("/api/v1/devices/enrol").json(&json!({"code": code, "public_key": jwk})).send();
    let wrong = [
        PublicJwk { y: good.x.clone(), ..good.clone() },
        PublicJwk { x: String::new(), ..good.clone() },
        PublicJwk { x: "*".into(), ..good.clone() },
        PublicJwk { crv: "P-384".into(), ..good.clone() },
        PublicJwk { kty: "RSA".into(), ..good.clone() },
    ];
    for jwk in wrong {
        enrol(&jwk).refused(Code::ValueInvalid);
    }
    enrol(&good).expect(201);
}

fn a_session_begun_on_a_device_belongs_to_it(world: &World) {
    let person = world.person(Role::Inspector);
    let device = world.device(DeviceKind::Handheld);
    assert!(me(world, &person.token).expect(200)["session"]["device_id"].is_null());
    let on_it = world.sign_in(&person.username, Some(&device));
    assert_eq!(me(world, &on_it.token).expect(200)["session"]["device_id"], device.id.to_string());
    let body = json!({"username": person.username, "password": PASSWORD, "device_token": person.token});
    world.post("/api/v1/auth/login").json(&body).send().refused(Code::TokenInvalid);
}

fn a_units_class_belongs_to_a_year_and_past_years_stay(world: &World) {
    let admin = &world.admin().token;
    let body = json!({"code": "CG01", "name": "城管局", "year": 2026, "class": "B"});
    world.post("/api/v1/units").by(admin).json(&body).send().expect(201);
    world.write(|tx| {
        use chengguan::identity::{actions, rules::UnitClass};
        actions::unit_class_set(tx, "CG01", 2027, UnitClass::A)
    });
    let class_of = |token: &str| world.get("/api/v1/units").by(token).send().expect(200)["items"][0]["class"].clone();
    assert_eq!(class_of(admin), "B");
    // 1 January 2027 begins in Beijing while London still has 2026.
    world.wait("2026-12-31T15:59:59Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() - world.now());
    assert_eq!(class_of(&world.sign_in("admin", None).token), "B");
    world.wait(TimeDelta::seconds(1));
    assert_eq!(class_of(&world.sign_in("admin", None).token), "A");
    let past = world.read(|db| chengguan::identity::actions::unit_list(db, 2026));
    assert_eq!(past[0].1.as_deref(), Some("B"));
    world.wait(TimeDelta::days(365));
    assert_eq!(class_of(&world.sign_in("admin", None).token), "A", "a class holds until the next is set");
}

fn the_countys_units_are_loaded_once(world: &World) {
    use chengguan::identity::actions;
    assert_eq!(world.write(actions::county_load), 32);
    assert_eq!(world.write(actions::county_load), 0);
    let units = world.get("/api/v1/units").by(&world.admin().token).send().expect(200);
    assert_eq!(units["items"].as_array().map(Vec::len), Some(32));
}

fn a_liaison_needs_a_unit_that_exists(world: &World) {
    let admin = &world.admin().token;
    let add = |unit: Option<&str>| {
        let body = json!({"username": "li", "name": "李", "role": "liaison", "unit_id": unit, "password": PASSWORD});
        world.post("/api/v1/users").by(admin).json(&body).send()
    };
    add(None).refused(Code::ValueInvalid);
    add(Some("01900000-0000-7000-8000-000000000001")).refused(Code::NotFound);
    add(Some(&world.unit())).expect(201);
}

fn a_name_is_taken_once(world: &World) {
    let admin = &world.admin().token;
    let user = json!({"username": "li", "name": "李", "role": "inspector", "password": PASSWORD});
    world.post("/api/v1/users").by(admin).json(&user).send().expect(201);
    world.post("/api/v1/users").by(admin).json(&user).send().refused(Code::AlreadyExists);
    let unit = json!({"code": "CG01", "name": "城管局", "year": 2026, "class": "B"});
    world.post("/api/v1/units").by(admin).json(&unit).send().expect(201);
    world.post("/api/v1/units").by(admin).json(&unit).send().refused(Code::AlreadyExists);
    let same_name = json!({"code": "CG02", "name": "城管局", "year": 2026, "class": "B"});
    world.post("/api/v1/units").by(admin).json(&same_name).send().refused(Code::AlreadyExists);
}

/// Not a scenario of one engine: the two worlds stand side by side.
#[test]
fn two_engines_answer_the_same_bytes() {
    let engines = Engine::all("identity::two_engines_answer_the_same_bytes");
    let transcripts: Vec<Vec<String>> = engines.into_iter().map(transcript).collect();
    assert!(transcripts[0].len() > 10);
    for other in &transcripts[1..] {
        assert_eq!(&transcripts[0], other);
    }
}

/// What a run of requests is answered. With one seed and one clock even the ids are equal.
fn transcript(engine: Engine) -> Vec<String> {
    let world = World::start(engine);
    let mut said = Vec::new();
    let mut note = |reply: Reply| said.push(format!("{reply}"));
    note(login(&world, "nobody", "wrong horse"));
    let admin = &world.admin().token;
    let unit = json!({"code": "CG01", "name": "城管局 ' \" \\ 井盖 🕳", "year": 2026, "class": "B"});
    note(world.post("/api/v1/units").by(admin).json(&unit).send());
    note(world.post("/api/v1/units").by(admin).json(&unit).send());
    for role in Role::ALL {
        let unit_id = (*role == Role::Liaison).then(|| world.get("/api/v1/units").by(admin).send().json());
        let unit_id = unit_id.map(|units| units["items"][0]["id"].clone());
        let body = json!({
            "username": world.name("Z"), "name": "张\n伟", "role": role, "unit_id": unit_id, "password": PASSWORD,
        });
        note(world.post("/api/v1/users").by(admin).json(&body).send());
    }
    for name in ["b", "a", "C", "Ä", "井", "_"] {
        let body = json!({"name": name, "kind": "camera"});
        note(world.post("/api/v1/devices").by(admin).json(&body).send());
    }
    for path in ["/api/v1/units", "/api/v1/users", "/api/v1/devices", "/api/v1/me"] {
        note(world.get(path).by(admin).send());
    }
    said
}
