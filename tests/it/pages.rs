//! What a browser gets: the console, the documentation, and nothing from elsewhere.

use crate::support::{on_both_engines, world::World};
use chengguan::error::Code;
use serde_json::Value;

on_both_engines!(
    the_root_leads_to_the_console,
    the_documentation_shows_this_servers_own_description,
    a_page_may_load_nothing_from_elsewhere,
    the_server_says_that_it_lives_and_works,
);

fn the_root_leads_to_the_console(world: &World) {
    let root = world.get("/").send();
    assert_eq!((root.status, root.header("location")), (307, Some("/console/")));
    let page = world.get("/console/").send();
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("<html"), "{page}");
    let again = world.get("/console/").header("if-none-match", page.header("etag").unwrap()).send();
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    let field = world.get("/field").send();
    assert_eq!((field.status, field.header("location")), (307, Some("/field/")));
    let worker = world.get("/field/sw.js").send();
    assert_eq!(worker.status, 200);
    assert_eq!(worker.header("cache-control"), Some("no-cache"), "an update must be seen at once");
    world.get("/console/nothing-here.js").send().refused(Code::RouteUnknown);
    world.get("/assets/../Cargo.toml").send().refused(Code::RouteUnknown);
}

fn the_documentation_shows_this_servers_own_description(world: &World) {
    let page = world.get("/docs/").send();
    assert_eq!(page.status, 200);
    let script = world.get("/docs/swagger-initializer.js").send();
    let script = String::from_utf8_lossy(&script.bytes).into_owned();
    assert!(script.contains("/openapi.json"), "{script}");
    let served: Value = world.get("/openapi.json").send().expect(200);
    let generated = serde_json::to_value(chengguan::http::openapi()).unwrap();
    assert_eq!(served, generated);
}

fn a_page_may_load_nothing_from_elsewhere(world: &World) {
    for path in ["/console/", "/field/", "/docs/", "/api/v1/me"] {
        let answer = world.get(path).send();
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

fn the_server_says_that_it_lives_and_works(world: &World) {
    assert_eq!(world.get("/healthz").send().expect(200)["status"], "ok");
    assert_eq!(world.get("/readyz").send().expect(200)["status"], "ok");
}
