//! The schema: one on two engines, up from nothing and down again; and a start that can't work says why.

use crate::support::{
    pg,
    process::{Command, chengguan},
    scratch::Folder,
    world::Engine,
};
use chengguan::db::{Db, Purpose, migrate};
use diesel::{
    QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{Bool, Text},
};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One column as an engine, or `src/db/schema`, describes it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

/// A database of one engine and what keeps it alive.
struct Fresh {
    db: Db,
    url: String,
    _folder: Folder,
    _database: Option<pg::Database>,
}

fn empty(engine: Engine) -> Fresh {
    let folder = Folder::new("migrations");
    let database = (engine == Engine::Postgres).then(pg::Database::empty);
    let url = match &database {
        Some(database) => database.url.clone(),
        None => format!("sqlite:{}", folder.path().join("m.db").display()),
    };
    Fresh { db: Db::open(&url, Purpose::Write).unwrap(), url, _folder: folder, _database: database }
}

fn columns(db: &mut Db) -> Vec<Column> {
    let sql = match db {
        Db::Postgres(_) => {
            "SELECT table_name::text, column_name::text AS name, data_type::text AS kind, is_nullable = 'YES' AS nullable \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%' \
             ORDER BY table_name, ordinal_position"
        }
        Db::Sqlite(_) => {
            "SELECT t.name AS table_name, c.name, c.type AS kind, c.\"notnull\" = 0 AS nullable \
             FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%' \
             AND t.name NOT LIKE 'case\\_grams%' ESCAPE '\\' \
             ORDER BY t.name, c.cid"
        }
    };
    sql_query(sql).load(db).unwrap()
}

/// What `src/db/schema` says, with the type's name on the engine.
fn declared(engine: Engine) -> Vec<Column> {
    let mut source = String::new();
    for file in fs::read_dir(Path::new(ROOT).join("src/db/schema")).unwrap() {
        source += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    let mut table = String::new();
    let mut found = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (") {
            name.clone_into(&mut table);
        } else if let Some((name, kind)) = line.trim_end_matches(',').split_once(" -> ") {
            let inner = kind.strip_prefix("Nullable<").and_then(|k| k.strip_suffix('>'));
            found.push(Column {
                table_name: table.clone(),
                name: name.into(),
                kind: type_on(engine, inner.unwrap_or(kind)).into(),
                nullable: inner.is_some(),
            });
        }
    }
    found
}

fn type_on(engine: Engine, kind: &str) -> &'static str {
    let (sqlite, postgres) = match kind {
        "Uid" => ("TEXT", "uuid"),
        "Utc" => ("INTEGER", "timestamp with time zone"),
        "Doc" => ("TEXT", "jsonb"),
        "Text" => ("TEXT", "text"),
        "Binary" => ("BLOB", "bytea"),
        "SmallInt" => ("INTEGER", "smallint"),
        "Integer" => ("INTEGER", "integer"),
        "BigInt" => ("INTEGER", "bigint"),
        "Double" => ("REAL", "double precision"),
        "Bool" => ("INTEGER", "boolean"),
        other => panic!("the type {other} of schema.rs is unknown to this test"),
    };
    if engine == Engine::Sqlite { sqlite } else { postgres }
}

fn by_table(columns: Vec<Column>) -> BTreeMap<String, Vec<Column>> {
    let mut tables = BTreeMap::<_, Vec<Column>>::new();
    for column in columns {
        tables.entry(column.table_name.clone()).or_default().push(column);
    }
    for columns in tables.values_mut() {
        columns.sort_by(|a, b| a.name.cmp(&b.name));
    }
    tables
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| -> BTreeSet<String> {
        let folder = Path::new(ROOT).join("migrations").join(engine);
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    let sqlite = names("sqlite");
    assert!(sqlite.len() >= 5, "{sqlite:?}");
    assert_eq!(sqlite, names("postgres"));
}

#[test]
fn every_table_of_the_schema_is_there_with_its_columns_and_no_other() {
    for engine in Engine::all("migrations::every_table_of_the_schema_is_there_with_its_columns_and_no_other") {
        let mut fresh = empty(engine);
        migrate::check(&mut fresh.db, true).unwrap();
        let (found, declared) = (by_table(columns(&mut fresh.db)), by_table(declared(engine)));
        assert!(declared.len() > 15, "the schema was read: {:?}", declared.keys());
        assert_eq!(found.keys().collect::<Vec<_>>(), declared.keys().collect::<Vec<_>>(), "{engine:?}");
        for (table, columns) in &declared {
            assert_eq!(&found[table], columns, "{engine:?}: {table}");
        }
    }
}

#[test]
fn sqlite_tables_are_strict_and_documents_are_checked() {
    let mut fresh = empty(Engine::Sqlite);
    migrate::check(&mut fresh.db, true).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("migrations/sqlite")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path().join("up.sql")).unwrap();
        for statement in text.split(';').filter(|part| part.contains("CREATE TABLE")) {
            assert!(statement.trim_end().ends_with("STRICT") || statement.contains("STRICT"), "{statement}");
        }
    }
    let documents = declared_documents();
    assert!(!documents.is_empty());
    for (table, column) in documents {
        #[derive(QueryableByName)]
        struct Sql {
            #[diesel(sql_type = Text)]
            sql: String,
        }
        let found: Sql = sql_query(format!("SELECT sql FROM sqlite_schema WHERE name = '{table}' AND type = 'table'"))
            .get_result(&mut fresh.db)
            .unwrap();
        assert!(found.sql.contains(&format!("json_valid({column})")), "{table}.{column} takes what is no JSON");
    }
}

fn declared_documents() -> Vec<(String, String)> {
    let of_postgres = declared(Engine::Postgres).into_iter();
    of_postgres.filter(|column| column.kind == "jsonb").map(|column| (column.table_name, column.name)).collect()
}

#[test]
fn every_migration_goes_down_and_up_again() {
    for engine in Engine::all("migrations::every_migration_goes_down_and_up_again") {
        let mut fresh = empty(engine);
        migrate::check(&mut fresh.db, true).unwrap();
        let before = columns(&mut fresh.db);
        let folder =
            |name: &str| FileBasedMigrations::from_path(Path::new(ROOT).join("migrations").join(name)).unwrap();
        let undone = match &mut fresh.db {
            Db::Sqlite(c) => c.revert_all_migrations(folder("sqlite")).unwrap().len(),
            Db::Postgres(c) => c.revert_all_migrations(folder("postgres")).unwrap().len(),
        };
        assert!(undone >= 5);
        assert_eq!(columns(&mut fresh.db), vec![], "{engine:?}: something is left");
        migrate::check(&mut fresh.db, true).unwrap();
        assert_eq!(columns(&mut fresh.db), before, "{engine:?}");
    }
}

#[test]
fn a_second_start_changes_nothing() {
    for engine in Engine::all("migrations::a_second_start_changes_nothing") {
        let mut fresh = empty(engine);
        migrate::check(&mut fresh.db, true).unwrap();
        fresh.db.batch_execute("UPDATE sync_clock SET n = 7").unwrap();
        let mut again = Db::open(&fresh.url, Purpose::Write).unwrap();
        migrate::check(&mut again, true).unwrap();
        migrate::check(&mut again, false).unwrap();
        let head = chengguan::db::feed::life(&mut again).unwrap().head;
        assert_eq!(head, 7);
    }
}

#[test]
fn starting_many_processes_at_once_migrates_once() {
    for engine in Engine::all("migrations::starting_many_processes_at_once_migrates_once") {
        let fresh = empty(engine);
        let url = &fresh.url;
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4)
                .map(|_| scope.spawn(move || migrate::check(&mut Db::open(url, Purpose::Write).unwrap(), true)))
                .collect();
            for start in starts {
                let outcome = start.join().unwrap();
                assert!(outcome.is_ok(), "{engine:?}: {outcome:?}");
            }
        });
    }
}

#[test]
fn no_migrate_refuses_an_empty_database_and_names_what_is_pending() {
    for engine in Engine::all("migrations::no_migrate_refuses_an_empty_database_and_names_what_is_pending") {
        let fresh = empty(engine);
        let said = refused(&["serve", "--no-migrate", "--listen", "127.0.0.1:0", "--database-url", &fresh.url]);
        assert!(said.contains("5 migration(s)") || said.contains("migration(s)"), "{said}");
        assert!(said.contains("0001_feed") && said.contains("0002_identity"), "{said}");
        assert!(said.contains("--no-migrate"), "{said}");
        let mut db = Db::open(&fresh.url, Purpose::Write).unwrap();
        assert_eq!(columns(&mut db), vec![], "{engine:?}: it made tables all the same");
    }
}

#[test]
fn a_postgresql_that_is_down_is_an_error_and_never_an_empty_file() {
    // Port 1 of this machine: nobody listens there.
    for url in ["postgres://nobody@127.0.0.1:1/oops", "postgresql://127.0.0.1:1/oops", "postgres://"] {
        let (said, files) = run_refused(&["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
        assert!(said.contains("PostgreSQL can't be reached"), "{url}: {said}");
        assert_eq!(files, Vec::<String>::new(), "{url}");
    }
    // Diesel's own way of opening would take this for the name of a SQLite file.
    for url in ["host=127.0.0.1 port=1 dbname=oops", "mysql://127.0.0.1/oops", "oops", "", "SQLITE:x"] {
        let (said, files) = run_refused(&["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
        assert!(said.contains("sqlite: or postgres://") && said.contains("--database-url"), "{url}: {said}");
        assert_eq!(files, Vec::<String>::new(), "{url}");
    }
    assert!(matches!(
        Db::open("host=127.0.0.1 port=1 dbname=oops", Purpose::Write),
        Err(chengguan::db::OpenError::Scheme(_))
    ));
}

#[test]
fn a_sqlite_file_that_cannot_be_opened_is_named() {
    let said = refused(&["serve", "--listen", "127.0.0.1:0", "--database-url", "sqlite:no/such/folder/x.db"]);
    assert!(said.contains("no/such/folder/x.db"), "{said}");
}

fn refused(arguments: &[&str]) -> String {
    run_refused(arguments).0
}

/// Runs the program in an empty folder: it must fail with one line. Returns that line and the files it left.
fn run_refused(arguments: &[&str]) -> (String, Vec<String>) {
    let folder = Folder::new("refused");
    let output = Command::output(chengguan(folder.path()).args(arguments)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?} did not fail");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("chengguan: ")).collect();
    assert_eq!(lines.len(), 1, "{arguments:?}: {said}");
    let files = folder.files().iter().map(|path| path.display().to_string()).collect();
    (said, files)
}
