//! What lies under the handheld's map: tiles of one host that the page may speak to, or the county's own archive. No
//! database has a part in it, so one engine is enough.

use crate::support::world::{Engine, Options, World};
use chengguan::{
    config::{
        Config,
        basemap::{Basemap, TileDatum},
    },
    error::Code,
    identity::rules::Role,
};
use serde_json::json;
use std::fs;

const TEMPLATE: &str = "https://t0.example.cn/vec_w?z={z}&x={x}&y={y}&tk=k";
const SOURCE: &str = "审图号：GS（2024）0650号 天地图";

fn policy(world: &World, page: &str) -> String {
    let reply = world.get(page).send();
    reply.header("content-security-policy").expect("each page has one").to_owned()
}

#[test]
fn the_handhelds_page_may_speak_to_the_configured_host_and_no_other() {
    let config = |config: &mut Config| {
        config.basemap = Basemap::parse(Some(TEMPLATE), None, Some("gcj02")).unwrap();
        config.map_attribution = Some(SOURCE.to_owned());
    };
    let world = World::with(Engine::Sqlite, Options { config, ..Options::default() });
    let person = world.person(Role::Inspector);
    let source = world.get("/api/v1/basemap").by(&person.token).send().expect(200);
    assert_eq!(source, json!({ "template": TEMPLATE, "archive": null, "datum": "gcj02", "attribution": SOURCE }));
    world.get("/api/v1/basemap/archive").by(&person.token).send().refused(Code::NotFound);
    let field = policy(&world, "/field/");
    assert!(field.ends_with("; connect-src 'self' https://t0.example.cn"), "{field}");
    assert!(field.starts_with("default-src 'self'; "), "{field}");
    assert!(!policy(&world, "/console/").contains("connect-src"));
}

#[test]
fn an_archive_is_read_by_ranges() {
    let config = |config: &mut Config| {
        fs::create_dir_all(&config.data).unwrap();
        let path = config.data.join("county.pmtiles");
        fs::write(&path, (0..5 * 1024 * 1024_u32).map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>()).unwrap();
        config.basemap = Some(Basemap::Archive { path, datum: TileDatum::Wgs84 });
    };
    let world = World::with(Engine::Sqlite, Options { config, ..Options::default() });
    let person = world.person(Role::Officer);
    let source = world.get("/api/v1/basemap").by(&person.token).send().expect(200);
    assert_eq!(
        source,
        json!({ "template": null, "archive": "/api/v1/basemap/archive", "datum": "wgs84", "attribution": null })
    );
    let ask = |range: &str| world.get("/api/v1/basemap/archive").by(&person.token).header("range", range).send();
    let part = ask("bytes=3-9");
    part.expect_status(206);
    assert_eq!(part.bytes, [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(part.header("content-range"), Some("bytes 3-9/5242880"));
    let tag = part.header("etag").unwrap().to_owned();
    // What asks for all of it gets the beginning: nothing holds it whole.
    let whole = world.get("/api/v1/basemap/archive").by(&person.token).send();
    assert_eq!((whole.status, whole.bytes.len()), (206, 4 * 1024 * 1024));
    assert_eq!(whole.header("etag"), Some(tag.as_str()));
    ask("bytes=5242880-").refused(Code::RangeInvalid);
    assert!(!policy(&world, "/field/").contains("connect-src"));
}

#[test]
fn without_a_setting_there_are_no_tiles() {
    let config = |config: &mut Config| config.map_attribution = Some(SOURCE.to_owned());
    let world = World::with(Engine::Sqlite, Options { config, ..Options::default() });
    let person = world.person(Role::SpotChecker);
    let source = world.get("/api/v1/basemap").by(&person.token).send().expect(200);
    assert_eq!(source, json!({ "template": null, "archive": null, "datum": "wgs84", "attribution": null }));
    world.get("/api/v1/basemap/archive").by(&person.token).send().refused(Code::NotFound);
}
