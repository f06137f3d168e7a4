//! Cases by the hundred thousand, made inside the database: the same rows as the server would have written, only faster.
//!
//! Everything of a record is there (case, timeline, feed rows, operations with their results), so indexes, caches and
//! page counts are those of a county that has worked for years. This file is the only place that knows the columns.

use crate::{
    county::County,
    figures::Done,
    places::{Engine, Place},
};
use diesel::connection::SimpleConnection;

/// How many lines the timelines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Reported: one line, one change, one operation a case.
    One,
    /// Reported, dispatched and handled by the unit.
    Three,
}

impl Lines {
    fn count(self) -> u64 {
        match self {
            Lines::One => 1,
            Lines::Three => 3,
        }
    }
}

/// Adds `count` cases. Those of the first device's person are all in view of the Centre; every `count / 500`th belongs
/// to the unit of the county, so that the unit's own people see 500 however many there are.
pub fn cases(place: &Place, county: &County, count: u64, lines: Lines) -> Done {
    let device = &county.devices[0];
    let text = match place.engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    // From millis 2020-01-01 on: older than every id the measured devices make.
    let sql = text
        .replace("{count}", &count.to_string())
        .replace("{lines}", &lines.count().to_string())
        .replace("{every}", &(count / 500).max(1).to_string())
        .replace("{unit}", &county.unit.to_string())
        .replace("{user}", &device.user.to_string())
        .replace("{device}", &device.id.to_string());
    let mut db = place.open()?;
    db.batch_execute("BEGIN")?;
    db.batch_execute(&sql)?;
    db.batch_execute("COMMIT")?;
    // What an engine does on its own in time, done now: the measured rounds shall not pay for the load.
    db.batch_execute(match place.engine {
        Engine::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE);",
        Engine::Postgres => "VACUUM ANALYZE; ",
    })?;
    if place.engine == Engine::Postgres {
        db.batch_execute("CHECKPOINT")?;
    }
    Ok(())
}

/// Ends all cases but the last 2,000 as a county does over years, a month's 1,222 in each month from 2020 on, and makes all
/// of them findable by their words; every thousandth by a word of its own.
pub fn years(place: &Place, count: u64) -> Done {
    let grams = |words: &str| {
        let chars: Vec<String> = words.chars().filter(|c| c.is_alphanumeric()).map(String::from).collect();
        let pairs = chars.windows(2).map(|pair| pair.concat());
        chars.iter().cloned().chain(pairs).collect::<Vec<_>>().join(" ")
    };
    let (often, seldom) = ("井盖缺失，人行道，存在安全隐患", "喷泉旁井盖缺失，存在安全隐患");
    let (dispatched, due, handled) = match place.engine {
        Engine::Sqlite => ("{at}", "{at} + 259200000000", "{at} + 86400000000"),
        Engine::Postgres => ("{at}", "{at} + interval '3 days'", "{at} + interval '1 day'"),
    };
    let at = match place.engine {
        Engine::Sqlite => "(1577836800000000 + CAST(substr(number, 7) AS INTEGER) * 2121000000)",
        Engine::Postgres => {
            "(timestamptz '2020-01-01 00:00:00Z' + substr(number, 7)::bigint * interval '2121 seconds')"
        }
    };
    let sql = format!(
        "UPDATE cases SET state = 'closed', unit_id = (SELECT id FROM units ORDER BY id LIMIT 1), timely = TRUE, \
         dispatched_at = {dispatched}, due_at = {due}, handled_at = {handled}, applied_at = {handled}, \
         closed_at = {handled} WHERE substr(number, 7) < '{open:014}'; \
         INSERT INTO case_words (case_id, words, grams) SELECT id, \
         CASE WHEN number LIKE '%000' THEN '{seldom}' ELSE '{often}' END, \
         CASE WHEN number LIKE '%000' THEN '{}' ELSE '{}' END FROM cases ORDER BY id;",
        grams(seldom),
        grams(often),
        open = count.saturating_sub(2_000),
    );
    let mut db = place.open()?;
    db.batch_execute(&format!("BEGIN; {} COMMIT;", sql.replace("{at}", at)))?;
    db.batch_execute(match place.engine {
        Engine::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE);",
        Engine::Postgres => "VACUUM ANALYZE; ",
    })?;
    Ok(())
}

/// UUIDv7-shaped ids: 48 bits of time, one millisecond a case, then a digit for the table and the number.
const SQLITE: &str = r#"
CREATE TEMP TABLE n AS
WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count}),
  others AS MATERIALIZED (SELECT row_number() OVER (ORDER BY id) - 1 AS r, id FROM units WHERE id <> '{unit}')
SELECT i,
  substr(printf('%012x', 1577836800000 + i), 1, 8) || '-' || substr(printf('%012x', 1577836800000 + i), 9, 4) AS head,
  1577836800000000 + i * 1000 AS at,
  CASE WHEN i % {every} = 0 THEN '{unit}'
       ELSE (SELECT id FROM others WHERE r = i % 31) END AS unit
FROM numbers;
CREATE TEMP TABLE l AS
SELECT n.*, k.k, (i - 1) * {lines} + k.k AS line, head || '-7001-8000-' || printf('%012x', i) AS case_id,
  head || '-7002-8' || printf('%03x', k.k) || '-' || printf('%012x', i) AS event_id,
  head || '-7003-8' || printf('%03x', k.k) || '-' || printf('%012x', i) AS op_id
FROM n, (SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3) k WHERE k.k <= {lines};
INSERT INTO cases (id, number, ver, lines, state, title, description, class_code, unit_id, reported_by, reported_at,
  dispatched_at, due_at, handled_at, updated_at)
SELECT head || '-7001-8000-' || printf('%012x', i), '431221' || printf('%014d', i), {lines}, {lines},
  CASE {lines} WHEN 1 THEN 'reported' ELSE 'handled' END, '井盖缺失', '人行道井盖缺失，存在安全隐患', '1101',
  CASE {lines} WHEN 1 THEN NULL ELSE unit END, '{user}', at,
  CASE {lines} WHEN 1 THEN NULL ELSE at + 200 END, CASE {lines} WHEN 1 THEN NULL ELSE at + 259200000000 END,
  CASE {lines} WHEN 1 THEN NULL ELSE at + 400 END, at + 400
FROM n;
INSERT INTO case_events (id, case_id, seq, ver, at, occurred_at, actor_id, device_id, op_id, command, outcome, state,
  note, args)
SELECT event_id, case_id, k, k, at + k, at, '{user}', '{device}', op_id,
  CASE k WHEN 1 THEN 'report' WHEN 2 THEN 'dispatch' ELSE 'handle' END, 'applied',
  CASE k WHEN 1 THEN 'reported' WHEN 2 THEN 'dispatched' ELSE 'handled' END,
  CASE k WHEN 3 THEN '已补装' END, '{"note":"已补装"}'
FROM l ORDER BY line;
INSERT INTO sync_ops (op_id, device_id, epoch, seq, actor_id, op_type, op_version, target_kind, target_id, raw,
  occurred_at, received_at, status, ver, waiting)
SELECT op_id, '{device}', 0, line, '{user}',
  CASE k WHEN 1 THEN 'case.report' WHEN 2 THEN 'case.dispatch' ELSE 'case.handle' END, 1, 'case', case_id,
  CAST(printf('{"op_id":"%s","seq":%d,"type":"case.handle","v":1,"target":{"kind":"case","id":"%s"},', op_id, line, case_id)
    || '"actor":"{user}","occurred_at":"2020-01-01T00:00:00Z","args":{"note":"已补装"}}' AS BLOB),
  at, at, 'applied', k, '[]'
FROM l ORDER BY line;
INSERT INTO changes (seq, kind, entity_id, keys_before, keys_after, op_id, changed_at)
SELECT (SELECT n FROM sync_clock) + line, 'case', case_id,
  CASE k WHEN 1 THEN '' WHEN 2 THEN 'centre user:{user}' ELSE 'centre user:{user} unit:' || unit END,
  CASE k WHEN 1 THEN 'centre user:{user}' ELSE 'centre user:{user} unit:' || unit END, op_id, at
FROM l ORDER BY line;
UPDATE sync_clock SET n = n + {count} * {lines};
DROP TABLE l;
DROP TABLE n;
"#;

const POSTGRES: &str = r#"
CREATE TEMP TABLE n ON COMMIT DROP AS
SELECT i, substr(lpad(to_hex(1577836800000 + i), 12, '0'), 1, 8) || '-' || substr(lpad(to_hex(1577836800000 + i), 12, '0'), 9, 4) AS head,
  timestamptz '2020-01-01 00:00:00Z' + i * interval '1 millisecond' AS at,
  CASE WHEN i % {every} = 0 THEN '{unit}'::uuid ELSE others.ids[1 + i % 31] END AS unit
FROM generate_series(1::bigint, {count}) i,
  (SELECT array_agg(id ORDER BY id) AS ids FROM units WHERE id <> '{unit}') others;
CREATE TEMP TABLE l ON COMMIT DROP AS
SELECT n.*, k, (i - 1) * {lines} + k AS line, (head || '-7001-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS case_id,
  (head || '-7002-800' || k || '-' || lpad(to_hex(i), 12, '0'))::uuid AS event_id,
  (head || '-7003-800' || k || '-' || lpad(to_hex(i), 12, '0'))::uuid AS op_id
FROM n, generate_series(1, {lines}) k;
INSERT INTO cases (id, number, ver, lines, state, title, description, class_code, unit_id, reported_by, reported_at,
  dispatched_at, due_at, handled_at, updated_at)
SELECT (head || '-7001-8000-' || lpad(to_hex(i), 12, '0'))::uuid, '431221' || lpad(i::text, 14, '0'), {lines}, {lines},
  CASE {lines} WHEN 1 THEN 'reported' ELSE 'handled' END, '井盖缺失', '人行道井盖缺失，存在安全隐患', '1101',
  CASE {lines} WHEN 1 THEN NULL ELSE unit END, '{user}', at,
  CASE {lines} WHEN 1 THEN NULL ELSE at END, CASE {lines} WHEN 1 THEN NULL ELSE at + interval '3 days' END,
  CASE {lines} WHEN 1 THEN NULL ELSE at END, at
FROM n ORDER BY i;
INSERT INTO case_events (id, case_id, seq, ver, at, occurred_at, actor_id, device_id, op_id, command, outcome, state,
  note, args)
SELECT event_id, case_id, k, k, at, at, '{user}', '{device}', op_id,
  CASE k WHEN 1 THEN 'report' WHEN 2 THEN 'dispatch' ELSE 'handle' END, 'applied',
  CASE k WHEN 1 THEN 'reported' WHEN 2 THEN 'dispatched' ELSE 'handled' END,
  CASE k WHEN 3 THEN '已补装' END, '{"note":"已补装"}'
FROM l ORDER BY line;
INSERT INTO sync_ops (op_id, device_id, epoch, seq, actor_id, op_type, op_version, target_kind, target_id, raw,
  occurred_at, received_at, status, ver, waiting)
SELECT op_id, '{device}', 0, line, '{user}',
  CASE k WHEN 1 THEN 'case.report' WHEN 2 THEN 'case.dispatch' ELSE 'case.handle' END, 1, 'case', case_id::text,
  convert_to(format('{"op_id":"%s","seq":%s,"type":"case.handle","v":1,"target":{"kind":"case","id":"%s"},', op_id, line, case_id)
    || '"actor":"{user}","occurred_at":"2020-01-01T00:00:00Z","args":{"note":"已补装"}}', 'UTF8'),
  at, at, 'applied', k, '[]'
FROM l ORDER BY line;
INSERT INTO changes (seq, kind, entity_id, keys_before, keys_after, op_id, changed_at)
SELECT (SELECT n FROM sync_clock) + line, 'case', case_id::text,
  CASE k WHEN 1 THEN '' WHEN 2 THEN 'centre user:{user}' ELSE 'centre user:{user} unit:' || unit END,
  CASE k WHEN 1 THEN 'centre user:{user}' ELSE 'centre user:{user} unit:' || unit END, op_id, at
FROM l ORDER BY line;
UPDATE sync_clock SET n = n + {count} * {lines};
"#;
