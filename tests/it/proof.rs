//! Bundles that hold without us, and the check that finds what was changed behind our back.

use crate::{
    authorisation::dispatched_case,
    support::{
        on_both_engines,
        process::chengguan,
        scratch::Folder,
        tus::Tus,
        world::{Person, World, block_on},
    },
};
use chengguan::{
    blob::digest::hex,
    error::{Code, Result},
    identity::{rules::Role, tokens::sha256},
    proof::{
        bundle::{BundleFault, MANIFEST, PROOFS},
        check::{self, Checked},
        export::{self, Exported},
        verify::{Report, verify},
    },
    sim::media::{PhotoSpec, VideoSpec, photo, video},
    tlog::{LogKey, LogName},
};
use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

on_both_engines!(
    a_bundle_holds_in_another_folder_and_with_no_database,
    each_of_a_thousand_changed_bytes_is_found_and_named,
    files_that_were_added_removed_or_exchanged_are_named,
    a_bundle_is_for_those_who_may_see_the_case_and_overwrites_nothing,
    an_export_is_on_record_and_tells_all_of_what_is_restricted,
    the_check_agrees_with_what_was_honestly_kept,
    the_check_names_what_was_changed_behind_its_back,
    a_check_that_has_no_time_left_goes_on_where_it_stopped,
);

/// A case with two photos and a film.
struct Scene {
    folder: Folder,
    who: Person,
    case: String,
}

impl Scene {
    fn new(world: &World) -> Scene {
        let who = world.person(Role::Dispatcher);
        let case = dispatched_case(world, &who, &world.unit());
        let small = |seed| photo(&PhotoSpec { width: 64, height: 48, ..PhotoSpec::new(seed) });
        for bytes in
            [small(1), small(2), video(&VideoSpec { width: 32, height: 32, target_bytes: 20_000, ..VideoSpec::new(3) })]
        {
            let pairs = [("sha256", hex(&sha256(&bytes))), ("case_id", case.clone())];
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Tus::new(world, &who.token).upload(&bytes, &pairs);
        }
        Scene { folder: Folder::new("bundle"), who, case }
    }

    fn export_as(&self, world: &World, who: &Person, name: &str) -> Result<Exported> {
        let to = self.folder.path().join(name);
        block_on(export::export(&world.app, &who.actor(), self.case.parse().unwrap(), "法院调取", &to))
    }

    fn export(&self, world: &World, name: &str) -> PathBuf {
        self.export_as(world, &self.who, name).unwrap().folder
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn name(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

fn faults(report: &Report) -> Vec<(BundleFault, &str)> {
    report.findings.iter().map(|finding| (finding.fault, finding.path.as_str())).collect()
}

fn a_bundle_holds_in_another_folder_and_with_no_database(world: &World) {
    let scene = Scene::new(world);
    let exported = scene.export_as(world, &scene.who, "a").unwrap();
    assert_eq!((exported.originals, exported.files), (3, files(&exported.folder).len()));
    let elsewhere = scene.folder.path().join("别处");
    fs::rename(&exported.folder, &elsewhere).unwrap();
    let ours = LogName::parse(&exported.log).unwrap();
    let report = verify(&elsewhere, Some(&ours));
    assert_eq!(faults(&report), []);
    // Each piece was accepted, linked and exported; and the bundle is sealed.
    assert_eq!((report.originals, report.leaves, report.key_compared), (3, 10, true));
    let trusting = verify(&elsewhere, None);
    assert!(trusting.findings.is_empty() && !trusting.key_compared);
    let other = LogKey::load(&LogKey::fresh().unwrap()).unwrap();
    let foreign = verify(&elsewhere, Some(other.name()));
    assert!(faults(&foreign).contains(&(BundleFault::LogKeyForeign, MANIFEST)), "{foreign:?}");
    assert!(faults(&foreign).contains(&(BundleFault::CheckpointInvalid, PROOFS)), "{foreign:?}");
    let page = fs::read_to_string(elsewhere.join("index.html")).unwrap();
    assert!(page.contains("井盖破损") && page.contains(&exported.log) && !page.contains("http"), "{page}");

    // As an outsider would: the program, a folder, nothing else.
    let command = |arguments: &[&str]| {
        let mut command = chengguan(scene.folder.path());
        let output = command.arg("verify").arg(&elsewhere).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (good, said) = command(&["--log-key", &exported.log]);
    assert!(good && said.contains("3 件原件") && said.contains("公钥一致"), "{said}");
    fs::write(elsewhere.join("case.json"), "{}").unwrap();
    let (good, said) = command(&[]);
    assert!(!good && said.contains("✗ case.json") && said.contains("file_changed"), "{said}");
}

fn each_of_a_thousand_changed_bytes_is_found_and_named(world: &World) {
    let scene = Scene::new(world);
    let folder = scene.export(world, "b");
    let key = world.app.log.name();
    let files = files(&folder);
    let mut random = 88_172_645_463_325_252_u64;
    let mut below = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % n as u64).unwrap()
    };
    for round in 0..1000 {
        // Every file in turn, so that the small ones are changed as often as the films.
        let file = &files[round % files.len()];
        let good = fs::read(file).unwrap();
        let (mut bad, at, bit) = (good.clone(), below(good.len()), below(8));
        bad[at] ^= 1 << bit;
        fs::write(file, &bad).unwrap();
        let report = verify(&folder, Some(key));
        let named = name(&folder, file);
        assert!(
            report.findings.iter().any(|finding| finding.path == named),
            "round {round}: bit {bit} of byte {at} of {named} was changed: {report:?}"
        );
        fs::write(file, &good).unwrap();
    }
    assert_eq!(faults(&verify(&folder, Some(key))), []);
}

fn files_that_were_added_removed_or_exchanged_are_named(world: &World) {
    let scene = Scene::new(world);
    let folder = scene.export(world, "c");
    let find = |kind: &str| files(&folder).into_iter().find(|file| name(&folder, file).starts_with(kind)).unwrap();
    fs::write(folder.join("originals/more.jpg"), "x").unwrap();
    assert_eq!(faults(&verify(&folder, None)), [(BundleFault::FileUnlisted, "originals/more.jpg")]);
    fs::remove_file(folder.join("originals/more.jpg")).unwrap();

    let original = find("originals/");
    let moved = folder.join("aside");
    fs::rename(&original, &moved).unwrap();
    let report = verify(&folder, None);
    let expected = BTreeSet::from([
        (BundleFault::FileMissing.as_str(), name(&folder, &original)),
        (BundleFault::FileUnlisted.as_str(), "aside".to_owned()),
    ]);
    let found: BTreeSet<_> = report.findings.iter().map(|f| (f.fault.as_str(), f.path.clone())).collect();
    assert_eq!(found, expected);
    fs::rename(&moved, &original).unwrap();

    // Another export of the same case is honest in itself; parts of the two do not go together.
    world.wait(TimeDelta::seconds(1));
    let other = scene.export(world, "d");
    fs::copy(other.join(MANIFEST), folder.join(MANIFEST)).unwrap();
    assert!(faults(&verify(&folder, None)).contains(&(BundleFault::ManifestChanged, MANIFEST)));
    fs::remove_file(folder.join(PROOFS)).unwrap();
    assert!(faults(&verify(&folder, None)).contains(&(BundleFault::Unreadable, PROOFS)));
    let nothing = verify(&folder.join("nowhere"), None);
    assert!(faults(&nothing).contains(&(BundleFault::Unreadable, MANIFEST)));
}

fn a_bundle_is_for_those_who_may_see_the_case_and_overwrites_nothing(world: &World) {
    let scene = Scene::new(world);
    let stranger = world.person(Role::Liaison);
    assert_eq!(scene.export_as(world, &stranger, "e").unwrap_err().code, Code::NotFound);
    assert!(!scene.folder.path().join("e").exists());
    let folder = scene.export(world, "f");
    fs::write(folder.join("mine"), "x").unwrap();
    assert_eq!(scene.export_as(world, &scene.who, "f").unwrap_err().code, Code::AlreadyExists);
    assert!(folder.join("mine").exists());
    // What an interrupted export left does not stay in the next one's way.
    let part = scene.folder.path().join("g.part");
    fs::create_dir(&part).unwrap();
    fs::write(part.join("left"), "x").unwrap();
    assert_eq!(faults(&verify(&scene.export(world, "g"), None)), []);
    // A damaged original is no evidence to hand over.
    let original = originals(world).remove(0);
    flip(&original);
    assert_eq!(scene.export_as(world, &scene.who, "h").unwrap_err().code, Code::Internal);
    assert!(!scene.folder.path().join("h").exists());
}

fn an_export_is_on_record_and_tells_all_of_what_is_restricted(world: &World) {
    let (scene, supervisor) = (Scene::new(world), world.person(Role::Supervisor));
    let page = world.get("/api/v1/evidence").by(&supervisor.token).send().expect(200);
    let at = format!("/api/v1/evidence/{}", page["items"][0]["id"].as_str().unwrap());
    let restrict = json!({"class": "restricted", "reason": "涉及未成年人"});
    world.put(&format!("{at}/access-class")).by(&supervisor.token).json(&restrict).send().expect(200);
    world.wait(TimeDelta::seconds(1));
    let folder = scene.export(world, "i");
    for piece in page["items"].as_array().unwrap() {
        let record = format!("/api/v1/evidence/{}/custody?limit=1", piece["id"].as_str().unwrap());
        let last = world.get(&record).by(&supervisor.token).send().expect(200)["items"][0].clone();
        assert_eq!((&last["action"], &last["reason"]), (&json!("exported"), &json!("法院调取")));
        assert_eq!(last["user_id"], json!(scene.who.id));
        let record = folder.join(format!("evidence/{}.json", piece["sha256"].as_str().unwrap()));
        let record: Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
        assert!(record["facts"].is_object() && record["masked"] == false, "{record}");
    }
}

fn originals(world: &World) -> Vec<PathBuf> {
    let kept = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 64);
    files(&world.app.config.data.join("blobs")).into_iter().filter(kept).collect()
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[5] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn checked(world: &World) -> Checked {
    settle(world);
    block_on(check::check(&world.app, Duration::from_secs(60))).unwrap()
}

fn settle(world: &World) {
    // What is younger must look younger: ids of one millisecond have no order.
    world.wait(TimeDelta::seconds(1));
    let key = world.app.log.clone();
    world.write(move |tx| {
        while chengguan::tlog::actions::sequence(tx, &key, 500)? > 0 {}
        Ok(())
    });
}

fn the_check_agrees_with_what_was_honestly_kept(world: &World) {
    assert_eq!(checked(world).findings, []);
    Scene::new(world);
    let seen = checked(world);
    assert_eq!(seen.findings, []);
    assert_eq!((seen.evidence, seen.originals, seen.next), (3, 3, None));
    assert!(seen.leaves >= 3 && seen.trees >= 1 && seen.bytes > 0, "{seen:?}");
    settle(world);
    let token = world.person(Role::Verifier).token;
    let said = world.get("/api/v1/log/entries?subject=check").by(&token).send().expect(200);
    let leaf: Value = serde_json::from_str(said["items"][0]["leaf"].as_str().unwrap()).unwrap();
    assert_eq!((&leaf["body"]["originals"], &leaf["body"]["findings"]), (&3.into(), &0.into()));
}

/// What a check finds after something was done straight to the database.
fn found(world: &World, sql: &str) -> BTreeSet<&'static str> {
    let sql = sql.to_owned();
    world.write(move |tx| Ok(tx.db.batch_execute(&sql)?));
    checked(world).findings.iter().map(|finding| finding.disagreement.as_str()).collect()
}

fn the_check_names_what_was_changed_behind_its_back(world: &World) {
    Scene::new(world);
    let originals = originals(world);
    flip(&originals[0]);
    fs::remove_file(&originals[1]).unwrap();
    let in_files = found(world, "SELECT 1");
    assert_eq!(in_files, BTreeSet::from(["original_damaged", "original_missing"]));
    flip(&originals[0]);
    let one = "(SELECT min(sha256) FROM evidence)";
    let sized = found(world, &format!("UPDATE evidence SET size = size + 1 WHERE sha256 = {one}"));
    assert!(sized.contains("evidence_unlogged"), "{sized:?}");
    // Called deleted, and nobody had deleted it.
    let hidden =
        found(world, "UPDATE evidence SET state = 'deleted' WHERE sha256 = (SELECT max(sha256) FROM evidence)");
    assert!(hidden.contains("evidence_missing"), "{hidden:?}");
    let rewritten =
        found(world, "UPDATE log_entries SET leaf = replace(leaf, '\"v\":1', '\"v\":2') WHERE leaf_index = 0");
    assert!(rewritten.is_superset(&BTreeSet::from(["leaf_changed", "tree_rewritten"])), "{rewritten:?}");
    // Whoever also mends the leaf's hash still can't mend what was signed.
    let one = "(SELECT min(leaf_index) FROM log_entries WHERE kind = 'evidence' AND leaf_index > 0)";
    let removed = found(world, &format!("DELETE FROM log_entries WHERE leaf_index = {one}"));
    assert!(removed.contains("leaf_missing"), "{removed:?}");
}

fn a_check_that_has_no_time_left_goes_on_where_it_stopped(world: &World) {
    Scene::new(world);
    settle(world);
    let mut read = 0;
    for round in 0..3 {
        let seen = block_on(check::check(&world.app, Duration::ZERO)).unwrap();
        settle(world);
        assert_eq!((seen.originals, seen.evidence, seen.next.is_some()), (1, 3, true), "round {round}");
        read += seen.originals;
    }
    assert_eq!(read, 3);
    let again = block_on(check::check(&world.app, Duration::from_secs(60))).unwrap();
    assert_eq!((again.originals, again.next), (0, None), "the last one had stopped behind the last original");
    settle(world);
    assert_eq!(block_on(check::check(&world.app, Duration::from_secs(60))).unwrap().originals, 3);
}
