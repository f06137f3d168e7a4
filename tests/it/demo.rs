//! The demonstration as a test: a small county lives its day on both engines, and the reckoning notices what is wrong.

use crate::support::{
    scratch::Folder,
    world::{Engine, Options, World},
};
use chengguan::{
    assessment::gather,
    client::http::Api,
    env::Env,
    sim::{
        check::{self, Findings},
        county::{self, Passwords, Size},
        fleet::{self, Plan, Progress},
        handheld::PATIENCE,
        office::Desk,
    },
    spotchecks::rules::week_of,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: usize) {}
    fn step(&self) {}
}

#[test]
fn a_small_county_loses_nothing_and_the_check_sees_a_broken_file() {
    for engine in Engine::all("a_small_county_loses_nothing") {
        let world = World::with(engine, Options { simulated: false, ..Options::default() });
        let passwords = Passwords::fresh(&Env::system()).unwrap();
        let size = Size { handhelds: 5, cameras: 5 };
        let county = world.write(move |tx| county::load(tx, size, &passwords));
        let folder = Folder::new("demo");
        let plan = Plan { folder: folder.path().to_owned(), media: vec![], seed: 3, photo_width: 96 };
        let report = fleet::run(&plan, world.address, &county, &Silent).unwrap();
        assert!(report.good(), "{report}");
        assert_eq!((report.devices_home, report.docked), (10, 1));
        // Every unit's nine sites were judged by the checklist, next week's are drawn, and the month is on trial.
        let judged = &report.judged;
        let counts = gather::weeks(judged.month.parse().unwrap()).contains(&week_of(Env::system().now()));
        assert_eq!((judged.drawn, judged.visits, judged.units), (32, 288, 32), "{report}");
        assert_eq!((judged.rechecks, judged.checks), (0, if counts { 288 } else { 0 }), "one team alone: {report}");
        let found = &report.found;
        // Where the people of the demonstration stand is one place, for what they do and what they photograph.
        assert!(found.noted.values().all(|notes| !notes.contains("position_differs")), "{:?}", found.noted);
        assert!(found.operations > 300 && found.repeats == found.operations, "{report}");
        // The faults were real: connections broke, repeats were told apart, bodies went on.
        assert!(report.pushes_cut > 0 && report.duplicates > 0 && report.uploads.resumed > 0, "{report}");
        for status in ["applied", "superseded", "held", "rejected"] {
            assert!(found.statuses.contains_key(status), "no {status}: {report}");
        }
        // The officer's film found its case; what nobody rostered waits.
        let filmed = report.filmed;
        assert!(filmed.clips >= 6 && filmed.linked >= 1 && filmed.linked < filmed.clips, "{report}");
        assert!(filmed.linked_min >= 15 && (filmed.in_use, filmed.not_in_use) == (5, 0), "{report}");
        // A second run on the same data finds the county there and gives new codes.
        let passwords = Passwords::fresh(&Env::system()).unwrap();
        let again = world.write(move |tx| county::load(tx, size, &passwords));
        assert_eq!(again.handhelds[0].1.user_id, county.handhelds[0].1.user_id);
        // A bit rots on the server's disk: the reader must see it.
        let blob = any_file(&world.app.config.data.join("blobs")).unwrap();
        let mut bytes = fs::read(&blob).unwrap();
        let sha256 = blob.file_name().unwrap().to_str().unwrap().to_owned();
        let size = bytes.len() as u64;
        bytes[0] ^= 1;
        fs::write(&blob, bytes).unwrap();
        let api = Api::new(&format!("http://{}", world.address), PATIENCE).unwrap();
        let desk = Desk::sign_in(&api, &again.supervisor).unwrap();
        let mut found = Findings::default();
        check::files(&desk, &[(sha256, size), ("0".repeat(64), 5)], &mut found, &|| {}).unwrap();
        assert_eq!((found.bad_files.len(), found.photos + found.videos), (2, 0), "{found:?}");
    }
}

fn any_file(folder: &Path) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        let found = if path.is_dir() { any_file(&path) } else { Some(path) };
        if found.as_ref().and_then(|f| f.file_name()).is_some_and(|name| name.len() == 64) {
            return found;
        }
    }
    None
}
