//! The API's documents are generated from the code and checked in; `UPDATE=1` writes them anew.

use crate::support::spec;
use chengguan::{error::Code, evidence::media::FLAGS, http::problem};
use std::{
    collections::{BTreeSet, HashSet},
    env,
    fmt::Write,
    fs,
    path::Path,
};

/// Compares a generated document with the one in the repository, or writes it.
fn hold(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("api-spec").join(name);
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, generated).unwrap();
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(generated.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or(stored.lines().count().min(generated.lines().count())) + 1;
    assert!(
        stored == generated,
        "api-spec/{name} is not what the code says, from line {line} on; run `UPDATE=1 cargo test --test it openapi` \
         and look at the difference before committing it"
    );
}

#[test]
fn the_stored_openapi_document_is_the_generated_one() {
    let text = serde_json::to_string_pretty(spec::document()).unwrap();
    hold("openapi.json", &(text + "\n"));
}

#[test]
fn the_stored_problem_catalogue_lists_every_code() {
    let mut page = String::from(
        "# Problems\n\n\
         Every refusal of this API is an RFC 9457 `application/problem+json` body. `code` is stable and meant for\n\
         programs; `title` is meant for people, in the language that `Accept-Language` names first (`en`, otherwise\n\
         Chinese). The same codes stand in the results of a sync push. Generated from `src/http/problem.rs`.\n\n\
         | code | status | 中文 | English |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let (status, chinese, english) = problem::catalogue(*code);
        writeln!(page, "| `{}` | {status} | {chinese} | {english} |", code.as_str()).unwrap();
    }
    page.push_str(
        "\n## Flags of evidence\n\n\
         What does not fit between the declaration of a piece of evidence, its file, the track beside it and the server's\n\
         clock stands in `flags` of the piece, `{code, detail}`; `detail` holds figures. A flag corrects nothing: a person\n\
         judges. Generated from `src/evidence/media/compare.rs`.\n\n\
         | code | 中文 | English |\n|---|---|---|\n",
    );
    for (code, chinese, english) in FLAGS {
        writeln!(page, "| `{code}` | {chinese} | {english} |").unwrap();
    }
    hold("problems.md", &page);
}

#[test]
fn every_code_is_unique_readable_and_has_an_error_status() {
    let mut seen = HashSet::new();
    for code in Code::ALL {
        let text = code.as_str();
        assert!(seen.insert(text), "{text} stands twice");
        assert!(text.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{text}");
        assert_eq!(Code::parse(text), Some(*code));
        let (status, chinese, english) = problem::catalogue(*code);
        assert!((400..600).contains(&status), "{text}: {status}");
        assert!(!chinese.is_ascii() && english.is_ascii(), "{text}: {chinese} / {english}");
    }
}

#[test]
fn every_operation_has_a_name_a_tag_and_a_sentence() {
    let mut names = HashSet::new();
    for operation in spec::operations() {
        let name = operation.text("operationId");
        assert!(!name.is_empty() && names.insert(name.clone()), "{}: operationId {name:?}", operation.name());
        assert!(!operation.text("summary").is_empty(), "{}: no summary", operation.name());
        assert!(operation.has_tag(), "{}: no tag", operation.name());
    }
}

#[test]
fn every_name_that_the_document_refers_to_is_in_it() {
    fn names<'d>(of: &'d serde_json::Value, found: &mut BTreeSet<&'d str>) {
        match of {
            serde_json::Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(|name| name.as_str()?.strip_prefix("#/components/schemas/")));
                fields.values().for_each(|inner| names(inner, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|inner| names(inner, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(chengguan::http::openapi()).unwrap();
    let mut referred = BTreeSet::new();
    names(&document, &mut referred);
    assert!(referred.len() > 100, "{referred:?}");
    let known = document["components"]["schemas"].as_object().unwrap();
    referred.retain(|name| !known.contains_key(*name));
    assert_eq!(referred, BTreeSet::new());
}
