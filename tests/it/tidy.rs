//! The source read as text: what may import what, how long a file may be, what must not stay behind.
//!
//! The order of the areas is the architecture: calls only go down. See the page of `src/lib.rs`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Top-level modules, lowest first; those of one line stand side by side and may use each other.
const ORDER: &[&[&str]] = &[
    &["error", "env", "config", "canonical"],
    &["db", "blob", "document"],
    &["identity"],
    &["calendar"],
    &["catalogue"],
    &["tlog"],
    &["evidence"],
    &["grids", "basemap"],
    &["captures"],
    &["cases"],
    &["city"],
    &["statistics"],
    &["spots"],
    &["workbench"],
    &["spotchecks"],
    &["supervision"],
    &["merits"],
    &["assessment"],
    &["selfeval"],
    &["clips"],
    &["proof"],
    &["opendata"],
    &["ogc"],
    &["open311"],
    &["sync"],
    &["client", "dock", "sim"],
    &["jobs", "http", "app", "cli"],
];

/// The edge's files: they hold HTTP, or carry bytes between a request, the disk and a transaction, so they may use
/// `http` and `app`, which stand above their areas.
const EDGE: &[&str] = &[
    "routes.rs",
    "push.rs",
    "content.rs",
    "append.rs",
    "create.rs",
    "finish.rs",
    "sweep.rs",
    "writer.rs",
    "export.rs",
    "check.rs",
];

/// What a file of this name may not use, because its work is another's.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "rules.rs",
        &[
            "diesel",
            "actix_web",
            "std::fs",
            "std::net",
            "tokio",
            "ureq",
            "crate::db",
            "crate::blob",
            "crate::http",
            "crate::app",
        ],
    ),
    (
        "wire.rs",
        &[
            "diesel",
            "actix_web",
            "std::fs",
            "std::net",
            "tokio",
            "ureq",
            "crate::db",
            "crate::blob",
            "crate::http",
            "crate::app",
        ],
    ),
    ("store.rs", &["actix_web", "tokio", "std::fs", "crate::blob", "crate::http", "crate::app"]),
    ("actions.rs", &["actix_web", "tokio", "std::fs", "crate::blob", "crate::http", "crate::app"]),
    ("routes.rs", &["diesel"]),
];

/// The ids and portable values of `db` and the arithmetic of digests are data, not storage: rules may use them.
const VALUES: [&str; 2] = ["crate::db::types", "crate::blob::digest"];

const MOST_LINES: usize = 600;

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Its area: `identity` for `src/identity/rules.rs`, `app` for `src/app.rs`.
    fn area(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Without comments, and without the unit tests at the end.
    fn code(&self) -> String {
        let program = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = program.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Every path it names, `use` trees expanded: `crate::db::types::At`.
    fn paths(&self) -> BTreeSet<String> {
        let code = self.code();
        let mut found = BTreeSet::new();
        for root in ["crate", "diesel", "actix_web", "std", "tokio", "ureq"] {
            for (at, _) in code.match_indices(&format!("{root}::")) {
                let before = code[..at].chars().next_back().unwrap_or(' ');
                if !(before.is_alphanumeric() || before == '_' || before == ':') {
                    expand("", &mut code[at..].chars().peekable(), &mut found);
                }
            }
        }
        found
    }
}

/// Reads one `use` tree, `a::{b, c::d}`, or a plain path.
fn expand(prefix: &str, rest: &mut std::iter::Peekable<std::str::Chars>, found: &mut BTreeSet<String>) {
    let mut path = prefix.to_owned();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        match rest.peek() {
            Some('{') => {
                rest.next();
                loop {
                    expand(&path, rest, found);
                    while rest.next_if(|c| c.is_whitespace()).is_some() {}
                    match rest.next() {
                        Some(',') => {}
                        // The end of the tree, or something that is none.
                        _ => return,
                    }
                }
            }
            Some(c) if c.is_alphanumeric() || *c == '_' || *c == '*' => {
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == '*') {
                    path.push(c);
                }
                let mut colons = rest.clone();
                if colons.next() == Some(':') && colons.next() == Some(':') {
                    rest.next();
                    rest.next();
                    path.push_str("::");
                } else {
                    found.insert(path);
                    while rest.next_if(|c| c.is_alphanumeric() || c.is_whitespace() || *c == '_').is_some() {}
                    return;
                }
            }
            // After a trailing comma there is nothing more.
            _ => return,
        }
    }
}

fn sources(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "node_modules") {
                waiting.push(path);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|e| e == *ending)) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 3, "{folders:?}: nothing was read");
    found
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|level| level.contains(&module))
}

/// One message for all that is wrong, so that one run shows everything.
#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_file_has_at_most_600_lines() {
    let all = sources(&["src", "tests", "benches", "web/src"], &["rs", "ts", "vue", "css", "mjs", "py", "html"]);
    let long = all.iter().filter(|source| source.text.lines().count() > MOST_LINES);
    none(long.map(|source| format!("{}: {} lines", source.path, source.text.lines().count())).collect());
}

#[test]
fn every_file_begins_with_its_page() {
    let all = sources(&["src", "tests"], &["rs"]);
    let bare = all.iter().filter(|source| !source.text.starts_with("//! "));
    none(bare.map(|source| format!("{}: begins without a `//!` sentence", source.path)).collect());
}

#[test]
fn every_module_has_its_place_in_the_order() {
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules = library.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    let strange: Vec<String> = modules.filter(|module| rank(module).is_none()).map(str::to_owned).collect();
    assert_eq!(strange, Vec::<String>::new(), "give them a place in ORDER");
}

#[test]
fn calls_go_down_the_order_of_the_areas() {
    let mut wrong = Vec::new();
    for source in sources(&["src"], &["rs"]) {
        let Some(own) = rank(source.area()) else {
            assert!(matches!(source.path.as_str(), "src/lib.rs" | "src/main.rs"), "{}", source.path);
            continue;
        };
        for path in source.paths() {
            let used = path.strip_prefix("crate::").and_then(|rest| rest.split("::").next());
            let Some(theirs) = used.and_then(rank) else { continue };
            let edge = EDGE.contains(&source.name()) && matches!(used, Some("http" | "app"));
            if theirs > own && !edge {
                wrong.push(format!("{} uses {path}, which stands above it", source.path));
            }
        }
    }
    none(wrong);
}

#[test]
fn a_file_uses_what_its_name_allows() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources(&["src"], &["rs"]) {
        let Some((name, forbidden)) = FORBIDDEN.iter().find(|(name, _)| *name == source.name()) else { continue };
        seen.insert(*name);
        for path in source.paths() {
            let hit = forbidden.iter().any(|root| path == *root || path.starts_with(&format!("{root}::")));
            let value = VALUES.iter().any(|root| path == *root || path.starts_with(&format!("{root}::")));
            if hit && !value {
                wrong.push(format!("{} uses {path}", source.path));
            }
            let foreign = path.strip_prefix("crate::").and_then(|rest| rest.split_once("::"));
            if let ("store.rs" | "actions.rs", Some((area, inside))) = (*name, foreign)
                && area != source.area()
                && (inside == "store" || inside.starts_with("store::"))
            {
                wrong.push(format!("{} uses {path}: ask that area's actions", source.path));
            }
        }
    }
    assert!(seen.contains("rules.rs") && seen.contains("store.rs") && seen.contains("routes.rs"), "{seen:?}");
    none(wrong);
}

/// What decides in sync, on both sides: the server, the clients and the simulator run the same files.
const WITHOUT_IO: &[&str] = &[
    "src/sync/engine.rs",
    "src/sync/record.rs",
    "src/sync/types.rs",
    "src/sync/verdict.rs",
    "src/sync/pull.rs",
    "src/sync/wire.rs",
    "src/cases/desk.rs",
    "src/cases/edit.rs",
    "src/client/keep.rs",
    "src/client/rules.rs",
    "src/client/engine/mod.rs",
    "src/client/engine/sending.rs",
    "src/client/engine/reading.rs",
];

#[test]
fn what_decides_in_sync_touches_no_clock_dice_disk_network_or_database() {
    let roots = [
        "diesel",
        "actix_web",
        "tokio",
        "ureq",
        "std::fs",
        "std::net",
        "std::thread",
        "std::io",
        "crate::env",
        "crate::blob",
        "crate::app",
        "crate::http",
        "crate::db::Db",
        "crate::db::Tx",
        "crate::db::Database",
    ];
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources(&["src"], &["rs"]).iter().filter(|s| WITHOUT_IO.contains(&s.path.as_str())) {
        seen += 1;
        let under = |path: &&String| roots.iter().any(|root| path == root || path.starts_with(&format!("{root}::")));
        wrong.extend(source.paths().iter().filter(under).map(|path| format!("{} uses {path}", source.path)));
        let words = [".await", "Instant::now", "SystemTime", "rand::"];
        wrong.extend(words.iter().filter(|w| source.code().contains(**w)).map(|w| format!("{}: {w}", source.path)));
    }
    assert_eq!(seen, WITHOUT_IO.len(), "each of these files is there");
    none(wrong);
}

#[test]
fn rules_wait_for_nothing_and_only_the_edge_opens_a_transaction() {
    let mut wrong = Vec::new();
    for source in sources(&["src"], &["rs"]) {
        let forbidden: &[&str] = match source.name() {
            "rules.rs" | "wire.rs" => &["async ", ".await", ".write(", ".read(", "&mut Db", "&mut Tx"],
            "store.rs" | "actions.rs" => &["async ", ".await", ".write(", ".transaction("],
            _ => continue,
        };
        let code = source.code();
        let hits = forbidden.iter().filter(|word| code.contains(**word));
        wrong.extend(hits.map(|word| format!("{} holds {word:?}", source.path)));
    }
    none(wrong);
}

#[test]
fn nothing_unfinished_or_switched_off_stays_behind() {
    // In two parts, so that this file does not find itself.
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore"), concat!("FIX", "ME")];
    let mut wrong = Vec::new();
    for source in sources(&["src", "tests", "benches", "web/src"], &["rs", "ts", "vue", "mjs", "py"]) {
        wrong.extend(
            words.iter().filter(|word| source.text.contains(**word)).map(|word| format!("{}: {word}", source.path)),
        );
        let skips = ["it.skip(", "test.skip(", "describe.skip(", ".only("];
        wrong.extend(
            skips
                .iter()
                .filter(|word| source.text.contains(**word) && !source.path.ends_with(".rs"))
                .map(|word| format!("{}: {word}", source.path)),
        );
    }
    none(wrong);
}

/// The names that a source's types bear in the OpenAPI document.
fn schemas(source: &Source) -> Vec<String> {
    let code = source.code();
    let (mut found, mut waits, mut renamed) = (Vec::new(), false, None);
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[derive(") || line.ends_with("ToSchema,") {
            (waits, renamed) = (line.contains("ToSchema"), None);
        } else if waits && let Some((_, name)) = line.split_once("#[schema(as = ") {
            renamed = Some(word(name));
        } else if waits && let Some((_, name)) = line.split_once("struct ").or_else(|| line.split_once("enum ")) {
            // What a macro names is named where it is used.
            found.extend(Some(renamed.take().unwrap_or_else(|| word(name))).filter(|name| !name.is_empty()));
            waits = false;
        }
    }
    for (at, _) in code.match_indices("text_enum! {\n") {
        found.extend(code[at..].lines().skip(1).find(|line| !line.trim().is_empty()).map(|line| word(line.trim())));
    }
    found
}

#[test]
fn no_two_types_bear_one_name_in_the_interface() {
    // utoipa keeps one of them without a word, and every reference to the other then means the wrong one.
    let mut owners = std::collections::BTreeMap::<String, Vec<String>>::new();
    for source in sources(&["src"], &["rs"]) {
        for name in schemas(&source) {
            owners.entry(name).or_default().push(source.path.clone());
        }
    }
    assert!(owners.len() > 350, "{} types were found", owners.len());
    let twice = owners.into_iter().filter(|(_, paths)| paths.len() > 1);
    none(twice.map(|(name, paths)| format!("{name}: {}", paths.join(", "))).collect());
}

#[test]
fn no_file_holds_both_sides_of_a_merge() {
    let mut all = sources(
        &["src", "tests", "benches", "migrations", "web/src"],
        &["rs", "ts", "vue", "mjs", "py", "sql", "toml"],
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            all.push(Source { path: name, text: fs::read_to_string(&path).unwrap_or_default() });
        }
    }
    assert!(all.iter().any(|source| source.path == "clippy.toml"));
    let mark = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
    none(all.iter().filter(|source| source.text.lines().any(mark)).map(|source| source.path.clone()).collect());
}

#[test]
fn the_reader_of_use_trees_reads_them() {
    let text = "use crate::{\n    app::App,\n    db::{Tx, types::{At, UserId as Id}},\n};\nfn f() { crate::http::go(); $crate::env::x }\nuse diesel::prelude::*;\n// crate::no\n";
    let source = Source { path: "src/x/store.rs".into(), text: text.into() };
    let expected = [
        "crate::app::App",
        "crate::db::Tx",
        "crate::db::types::At",
        "crate::db::types::UserId",
        "crate::env::x",
        "crate::http::go",
        "diesel::prelude::*",
    ];
    assert_eq!(source.paths().into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((source.area(), source.name()), ("x", "store.rs"));
}
