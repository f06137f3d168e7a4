//! How long evidence is kept, and its deletion: by two people, with a week to undo it, and never by accident.

use crate::support::{
    on_both_engines,
    scene::{Scene, because, block_on, digest, over},
    tus::Tus,
    world::{Person, World, read},
};
use chengguan::{
    db::feed,
    error::Code,
    evidence::{custody::sweep, uploads},
    proof::check,
    sim::media::{PhotoSpec, photo},
    tlog,
};
use chrono::TimeDelta;
use diesel::{RunQueryDsl, sql_query};
use serde_json::{Value, json};

on_both_engines!(
    evidence_is_due_when_its_longest_reason_is_over,
    a_deletion_takes_two_people_and_seven_days,
    a_hold_or_an_open_case_keeps_evidence,
    bytes_that_come_again_end_a_deletion_that_waits,
    deleted_bytes_that_come_again_are_kept_and_noted,
    bytes_wait_until_the_old_ones_are_removed,
    a_removal_that_was_cut_off_is_finished,
);

fn evidence_is_due_when_its_longest_reason_is_over(world: &World) {
    let mut scene = Scene::new(world);
    scene.wait(over() - TimeDelta::minutes(1));
    assert_eq!(scene.due(), 0);
    scene.post(&scene.dispatcher, "/deletion", &because("到期")).refused(Code::RetentionRunning);
    scene.wait(TimeDelta::minutes(1));
    assert_eq!(scene.due(), 1);
    assert_eq!(scene.get(&scene.dispatcher, "/retention").expect(200)["class"], "general");

    // A case keeps it: without end while it is open, then for years.
    let case = scene.case();
    scene.link(&case);
    let kept = scene.get(&scene.dispatcher, "/retention").expect(200);
    assert_eq!((&kept["class"], &kept["delete_after"], scene.due()), (&json!("case_linked"), &Value::Null, 0));
    scene.void(&case);
    let kept = scene.get(&scene.dispatcher, "/retention").expect(200);
    assert!(kept["delete_after"].as_str().unwrap().starts_with("2057-05-25T01:00:00"), "{kept}");
    scene.wait(TimeDelta::days(30 * 365 + 8));
    assert_eq!(scene.due(), 1);

    // A person asks for more; taking it back is for the inspectors.
    let raise = |class: &str| json!({"class": class, "reason": "重大案件"});
    scene.put(&scene.dispatcher, "/retention", &raise("hold")).refused(Code::ValueInvalid);
    let kept = scene.put(&scene.dispatcher, "/retention", &raise("key")).expect(200);
    assert_eq!((&kept["class"], &kept["raised_to"], scene.due()), (&json!("key"), &json!("key"), 0));
    scene.post(&scene.dispatcher, "/deletion", &because("到期")).refused(Code::RetentionRunning);
    scene.put(&scene.dispatcher, "/retention", &raise("general")).refused(Code::RoleForbidden);
    scene.put(&scene.supervisor, "/retention", &raise("general")).expect(200);
    assert_eq!(scene.due(), 1);

    // Nothing was deleted by the calendar.
    assert_eq!((scene.sweep(), scene.has_bytes(), scene.listed(&scene.reporter)), (0, true, 1));
    // Two more, and a page each.
    for seed in [7, 8] {
        Tus::new(world, &scene.reporter.token)
            .upload(&photo(&PhotoSpec { width: 64, height: 64, ..PhotoSpec::new(seed) }), &[]);
        scene.wait(TimeDelta::seconds(1));
    }
    scene.wait(over());
    let (mut found, mut cursor) = (Vec::<String>::new(), String::new());
    loop {
        let path = format!("/api/v1/evidence/retention/due?limit=1{cursor}");
        let page = world.get(&path).by(&scene.dispatcher.token).send().expect(200);
        found.extend(page["items"].as_array().unwrap().iter().map(|due| read::<String>(&due["evidence"]["id"])));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut ordered = found.clone();
    ordered.sort();
    assert_eq!((found.len(), found.first().map(String::as_str), &found), (3, Some(scene.id()), &ordered));
    let bad = world.get("/api/v1/evidence/retention/due?cursor=x").by(&scene.dispatcher.token).send();
    bad.refused(Code::CursorInvalid);
}

fn a_deletion_takes_two_people_and_seven_days(world: &World) {
    let mut scene = Scene::new(world);
    scene.wait(over());
    scene.get(&scene.reporter, "/thumbnail").expect_status(200);
    scene.post(&scene.supervisor, "/deletion", &because("到期")).refused(Code::RoleForbidden);
    scene.post(&scene.supervisor, "/deletion/approve", &because("同意")).refused(Code::DeletionAbsent);
    scene.post(&scene.dispatcher, "/deletion", &because("到期")).expect(201);
    scene.post(&scene.dispatcher, "/deletion", &because("到期")).refused(Code::DeletionPending);
    scene.post(&scene.dispatcher, "/deletion/approve", &because("同意")).refused(Code::RoleForbidden);
    assert_eq!(scene.listed(&scene.reporter), 1, "a proposal hides nothing");
    // Whoever proposed it can't approve it in another office.
    let name = scene.dispatcher.username.clone();
    let moved = move |role: &'static str, name: String| {
        world.write(move |tx| {
            let sql = format!("UPDATE users SET role = '{role}' WHERE username = '{name}'");
            Ok(sql_query(sql).execute(tx.db)?)
        });
    };
    moved("supervisor", name.clone());
    let both = world.sign_in(&name, None);
    scene.post(&both, "/deletion/approve", &because("同意")).refused(Code::SecondPersonRequired);
    moved("dispatcher", name);

    let before = world.read(feed::life).head;
    let approved = scene.post(&scene.supervisor, "/deletion/approve", &because("同意")).expect(200);
    let [told] = &world.read(move |db| feed::after(db, before, 10))[..] else { panic!("one change") };
    assert!(told.keys_before.contains(&format!("user:{}", scene.reporter.id)) && told.keys_after.is_empty());
    assert_eq!((&approved["state"], &approved["approval_reason"]), (&json!("approved"), &json!("同意")));
    assert_eq!((scene.listed(&scene.reporter), scene.listed(&scene.dispatcher)), (0, 0));
    scene.get(&scene.reporter, "").refused(Code::NotFound);
    scene.get(&scene.reporter, "/content").refused(Code::NotFound);
    scene.get(&scene.supervisor, "/content").refused(Code::EvidenceDeleted);
    assert_eq!(scene.get(&scene.supervisor, "").expect(200)["delete_at"], approved["delete_at"]);
    scene.wait(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert_eq!((scene.sweep(), scene.has_bytes()), (0, true));
    let waiting = world.get("/api/v1/evidence/deletions?state=approved").by(&scene.dispatcher.token).send().expect(200);
    assert_eq!(waiting["items"].as_array().unwrap().len(), 1);
    scene.post(&scene.dispatcher, "/deletion/undo", &because("仍需使用")).expect(200);
    scene.post(&scene.dispatcher, "/deletion/undo", &because("仍需使用")).refused(Code::DeletionAbsent);
    assert!(scene.get(&scene.reporter, "/content").bytes == scene.bytes);
    scene.wait(TimeDelta::days(1));
    assert_eq!((scene.sweep(), scene.has_bytes()), (0, true));

    scene.delete();
    scene.wait(TimeDelta::days(7));
    let digest = digest(&scene.bytes);
    assert!(world.app.originals.derived(&digest, "-320.jpg").unwrap().is_some());
    assert_eq!((scene.sweep(), scene.has_bytes()), (1, false));
    assert!(world.app.originals.derived(&digest, "-320.jpg").unwrap().is_none());
    assert_eq!(scene.sweep(), 0);
    scene.post(&scene.supervisor, "/deletion/undo", &because("晚了")).refused(Code::DeletionAbsent);
    scene.post(&scene.supervisor, "/holds", &because("晚了")).refused(Code::EvidenceDeleted);
    scene.get(&scene.dispatcher, "/content").refused(Code::EvidenceDeleted);
    let stone = scene.get(&scene.dispatcher, "").expect(200);
    assert_eq!((&stone["state"], &stone["sha256"]), (&json!("deleted"), &json!(digest)));
    assert_eq!((&stone["size"], &stone["facts"]), (&json!(scene.bytes.len()), &Value::Null));
    let done = scene.get(&scene.dispatcher, "/retention").expect(200)["deletion"].clone();
    assert_eq!((&done["state"], &done["reason"]), (&json!("done"), &json!("到期")));
    assert!(done["bytes_removed_at"].is_string(), "{done}");
    // The nightly check reads of it in the log.
    world.wait(TimeDelta::seconds(1));
    let key = world.app.log.clone();
    world.write(move |tx| {
        while tlog::actions::sequence(tx, &key, 500)? > 0 {}
        Ok(())
    });
    let seen = block_on(check::check(&world.app, std::time::Duration::ZERO)).unwrap();
    assert_eq!((seen.findings.len(), seen.evidence, seen.leaves > 7), (0, 0, true), "{seen:?}");
    let steps = ["deletion_proposed", "deletion_approved", "deletion_undone", "downloaded"];
    let again = ["deletion_proposed", "deletion_approved", "deleted"];
    assert_eq!(scene.actions(), [&steps[..], &again[..]].concat());
}

fn a_hold_or_an_open_case_keeps_evidence(world: &World) {
    let mut scene = Scene::new(world);
    let case = scene.case();
    scene.wait(over());
    let hold = |scene: &Scene, reason: &str| {
        read::<String>(&scene.post(&scene.dispatcher, "/holds", &because(reason)).expect(201)["id"])
    };
    let lift =
        |scene: &Scene, person: &Person, id: &str| scene.post(person, &format!("/holds/{id}/lift"), &because("已结案"));
    // Holds stack, and each is lifted on its own.
    let (first, second) = (hold(&scene, "行政复议"), hold(&scene, "诉讼"));
    let propose = |scene: &Scene| scene.post(&scene.dispatcher, "/deletion", &because("到期"));
    propose(&scene).refused(Code::LegalHold);
    lift(&scene, &scene.dispatcher, &first).refused(Code::RoleForbidden);
    lift(&scene, &scene.supervisor, &first).expect(200);
    lift(&scene, &scene.supervisor, &first).refused(Code::NotFound);
    propose(&scene).refused(Code::LegalHold);
    let kept = scene.get(&scene.dispatcher, "/retention").expect(200);
    assert_eq!((&kept["class"], kept["holds"].as_array().unwrap().len()), (&json!("hold"), 2));
    lift(&scene, &scene.supervisor, &second).expect(200);

    // A hold ends a deletion that waits.
    scene.delete();
    let third = hold(&scene, "信访");
    assert_eq!(scene.listed(&scene.reporter), 1);
    scene.wait(TimeDelta::days(8));
    assert_eq!((scene.sweep(), scene.has_bytes()), (0, true));
    lift(&scene, &scene.supervisor, &third).expect(200);

    // And so does a case that it proves.
    scene.delete();
    scene.link(&case);
    assert_eq!(scene.listed(&scene.reporter), 1);
    scene.wait(TimeDelta::days(8));
    assert_eq!((scene.sweep(), scene.has_bytes()), (0, true));
    propose(&scene).refused(Code::CaseOpen);
    let causes: Vec<Value> = scene
        .record()
        .iter()
        .filter(|e| e["action"] == "deletion_undone")
        .map(|e| e["detail"]["cause"].clone())
        .collect();
    assert_eq!(causes, ["hold_set", "linked"]);
}

fn bytes_that_come_again_end_a_deletion_that_waits(world: &World) {
    let mut scene = Scene::new(world);
    scene.wait(over());
    scene.delete();
    let sender = world.sign_in(&scene.reporter.username, None);
    scene.tick();
    // Not answered by "we have it": the bytes must come, or the only copy would go in seven days.
    Tus::new(world, &sender.token).upload(&scene.bytes, &[("sha256", &digest(&scene.bytes))]);
    assert_eq!(scene.listed(&scene.reporter), 1);
    let last = scene.record().pop().unwrap();
    assert_eq!((&last["action"], &last["detail"]["cause"]), (&json!("deletion_undone"), &json!("arrived_again")));
    scene.wait(TimeDelta::days(8));
    assert_eq!(scene.sweep(), 0);
    assert!(scene.get(&scene.reporter, "/content").bytes == scene.bytes);
}

fn deleted_bytes_that_come_again_are_kept_and_noted(world: &World) {
    let mut scene = Scene::new(world);
    scene.wait(over());
    scene.delete();
    scene.wait(TimeDelta::days(7));
    assert_eq!(scene.sweep(), 1);
    scene.wait(TimeDelta::minutes(5));
    let at = Tus::new(world, &scene.reporter.token).upload(&scene.bytes, &[]);
    assert_eq!(at, scene.at, "the same digest is the same evidence");
    let evidence = scene.get(&scene.reporter, "").expect(200);
    let flags = evidence["flags"].as_array().unwrap();
    assert!(flags.iter().any(|flag| flag["code"] == "was_deleted"), "{evidence}");
    assert_eq!((&evidence["state"], &evidence["delete_at"]), (&json!("stored"), &Value::Null));
    assert!(scene.actions().contains(&"arrived_again".to_owned()));
    // Its time begins anew.
    scene.post(&scene.dispatcher, "/deletion", &because("到期")).refused(Code::RetentionRunning);
    assert_eq!((scene.sweep(), scene.has_bytes()), (0, true));
}

fn bytes_wait_until_the_old_ones_are_removed(world: &World) {
    let mut scene = Scene::new(world);
    scene.wait(over());
    scene.delete();
    scene.wait(TimeDelta::days(7));
    assert_eq!(block_on(sweep::give_up(&world.app)).unwrap(), 1);
    // Decided, and the bytes are still there: new ones in their place would be removed with them.
    let tus = Tus::new(world, &scene.reporter.token);
    let location = tus.begin(scene.bytes.len(), &[]);
    let answer = tus.patch(&location, 0, &scene.bytes);
    assert!(answer.status != 204 || answer.header("content-location").is_none(), "{answer}");
    let app = world.app.clone().into_inner();
    assert_eq!(block_on(uploads::resume(&app)).unwrap(), 0);
    assert_eq!((scene.sweep(), scene.has_bytes()), (1, false));
    assert_eq!(block_on(uploads::resume(&app)).unwrap(), 0, "another server may still be at it");
    scene.wait(TimeDelta::minutes(5));
    assert_eq!((block_on(uploads::resume(&app)).unwrap(), scene.has_bytes()), (1, true));
    assert!(scene.get(&scene.reporter, "/content").bytes == scene.bytes);
    assert_eq!((scene.sweep(), scene.has_bytes()), (0, true));
}

fn a_removal_that_was_cut_off_is_finished(world: &World) {
    let mut scene = Scene::new(world);
    scene.wait(over());
    scene.delete();
    scene.wait(TimeDelta::days(7));
    // A crash after the decision: the bytes are there, and count as deleted.
    assert_eq!(block_on(sweep::give_up(&world.app)).unwrap(), 1);
    assert!(scene.has_bytes());
    scene.get(&scene.supervisor, "/content").refused(Code::EvidenceDeleted);
    let again = world.again();
    assert_eq!(block_on(sweep::sweep(&again.app)).unwrap(), 1);
    assert!(!scene.has_bytes());
    // A crash after the bytes went and before that was noted: the next one finds nothing to remove, and notes it.
    let scene = {
        let mut other = Scene { bytes: b"a film".to_vec(), ..scene };
        other.at = Tus::new(world, &other.reporter.token).upload(&other.bytes, &[]);
        other.wait(over());
        other.delete();
        other.wait(TimeDelta::days(7));
        other
    };
    assert_eq!(block_on(sweep::give_up(&world.app)).unwrap(), 1);
    world.app.originals.remove(&digest(&scene.bytes)).unwrap();
    assert_eq!((scene.sweep(), scene.sweep()), (1, 0));
    let deleted = scene.actions().iter().filter(|action| *action == "deleted").count();
    assert_eq!(deleted, 1, "one decision is one line");
}
