//! Counting, by each engine in its own words: sums of spans and local days have no common ones.

use crate::{
    db::{
        Db,
        schema::{device_repairs, evidence},
        types::{At, DeviceId, Uid, Utc},
    },
    error::Result,
};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

#[derive(QueryableByName)]
pub(super) struct Camera {
    #[diesel(sql_type = Text)]
    pub(super) camera: String,
    #[diesel(sql_type = BigInt)]
    pub(super) files: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) key_files: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) recorded_s: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) linked_s: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) unclaimed_s: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) dismissed_s: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) within_24h: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) days: i64,
    #[diesel(sql_type = Nullable<Utc>)]
    pub(super) last_used_at: Option<At>,
    #[diesel(sql_type = Nullable<Utc>)]
    pub(super) last_seen_at: Option<At>,
}

#[derive(QueryableByName)]
pub(super) struct Rostered {
    #[diesel(sql_type = Text)]
    pub(super) camera: String,
    #[diesel(sql_type = BigInt)]
    pub(super) seconds: i64,
}

#[derive(QueryableByName)]
pub(super) struct Handheld {
    #[diesel(sql_type = Uid)]
    pub(super) device_id: DeviceId,
    #[diesel(sql_type = BigInt)]
    pub(super) ops: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) pushes: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) days: i64,
    #[diesel(sql_type = Nullable<Utc>)]
    pub(super) last_used_at: Option<At>,
}

#[derive(QueryableByName)]
pub(super) struct Dock {
    #[diesel(sql_type = Uid)]
    pub(super) device_id: DeviceId,
    #[diesel(sql_type = BigInt)]
    pub(super) files: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) days: i64,
    #[diesel(sql_type = Nullable<Utc>)]
    pub(super) last_used_at: Option<At>,
}

/// What differs between the engines.
struct Words {
    from: &'static str,
    until: &'static str,
    least: &'static str,
    greatest: &'static str,
    /// Around a span: its whole seconds.
    span: [&'static str; 2],
    /// Around a moment: its local day. Asia/Shanghai has been eight hours ahead all year since 1991.
    day: [&'static str; 2],
}

fn words(db: &Db) -> Words {
    match db {
        Db::Postgres(_) => Words {
            from: "$1",
            until: "$2",
            least: "LEAST",
            greatest: "GREATEST",
            span: ["CAST(FLOOR(EXTRACT(EPOCH FROM (", "))) AS BIGINT)"],
            day: ["FLOOR((EXTRACT(EPOCH FROM ", ") + 28800) / 86400)"],
        },
        Db::Sqlite(_) => Words {
            from: "?1",
            until: "?2",
            least: "MIN",
            greatest: "MAX",
            span: ["((", ") / 1000000)"],
            day: ["((", " + 28800000000) / 86400000000)"],
        },
    }
}

impl Words {
    fn span(&self, span: &str) -> String {
        format!("{}{span}{}", self.span[0], self.span[1])
    }

    fn day(&self, moment: &str) -> String {
        format!("{}{moment}{}", self.day[0], self.day[1])
    }
}

/// A sum of whole numbers, 0 of nothing, where a condition holds.
fn sum(what: &str, when: &str) -> String {
    format!("CAST(COALESCE(SUM(CASE WHEN {when} THEN {what} ELSE 0 END), 0) AS BIGINT)")
}

macro_rules! load {
    ($db:expr, $text:expr, $from:expr, $until:expr) => {
        sql_query($text).bind::<Utc, _>($from).bind::<Utc, _>($until).load($db)?
    };
}

/// Each camera's footage of a span, and its last signs of life of any time before the span's end.
pub(super) fn cameras(db: &mut Db, from: At, until: At) -> Result<Vec<Camera>> {
    let words = words(db);
    let (since, lasts) = (format!("started_at >= {}", words.from), words.span("ended_at - started_at"));
    let late = words.span("arrived_at - ended_at");
    let and = |more: &str| format!("{since} AND {more}");
    let text = format!(
        "SELECT camera, {files} AS files, {keys} AS key_files, {recorded} AS recorded_s, {linked} AS linked_s, \
         {unclaimed} AS unclaimed_s, {dismissed} AS dismissed_s, {soon} AS within_24h, \
         COUNT(DISTINCT CASE WHEN {since} THEN {day} END) AS days, \
         MAX(started_at) AS last_used_at, MAX(arrived_at) AS last_seen_at \
         FROM clips WHERE started_at < {} GROUP BY camera",
        words.until,
        files = sum("1", &since),
        keys = sum("1", &and("key_file")),
        recorded = sum(&lasts, &since),
        linked = sum(&lasts, &and("state = 'linked'")),
        unclaimed = sum(&lasts, &and("state IN ('unclaimed', 'proposed')")),
        dismissed = sum(&lasts, &and("state = 'dismissed'")),
        soon = sum("1", &and(&format!("{late} <= 86400"))),
        day = words.day("started_at"),
    );
    Ok(load!(db, text, from, until))
}

/// Seconds of a span that each camera was to be carried.
pub(super) fn rostered(db: &mut Db, from: At, until: At) -> Result<Vec<Rostered>> {
    let words = words(db);
    let Words { from: a, until: b, least, greatest, .. } = &words;
    let span = words.span(&format!("{least}(until_at, {b}) - {greatest}(from_at, {a})"));
    let text = format!(
        "SELECT camera, {} AS seconds FROM camera_assignments WHERE until_at > {a} AND from_at < {b} GROUP BY camera",
        sum(&span, "until_at > from_at")
    );
    Ok(load!(db, text, from, until))
}

/// What each device pushed in a span, and its last push with an operation of any time before the span's end.
pub(super) fn handhelds(db: &mut Db, from: At, until: At) -> Result<Vec<Handheld>> {
    let words = words(db);
    let since = format!("received_at >= {}", words.from);
    let text = format!(
        "SELECT device_id, {ops} AS ops, COUNT(DISTINCT CASE WHEN {since} THEN received_at END) AS pushes, \
         COUNT(DISTINCT CASE WHEN {since} THEN {day} END) AS days, MAX(received_at) AS last_used_at \
         FROM sync_ops WHERE received_at < {} GROUP BY device_id",
        words.until,
        ops = sum("1", &since),
        day = words.day("received_at"),
    );
    Ok(load!(db, text, from, until))
}

/// What each device uploaded in a span.
pub(super) fn docks(db: &mut Db, from: At, until: At) -> Result<Vec<Dock>> {
    let words = words(db);
    let since = format!("progressed_at >= {}", words.from);
    let text = format!(
        "SELECT device_id, {files} AS files, {bytes} AS bytes, \
         COUNT(DISTINCT CASE WHEN {since} THEN {day} END) AS days, MAX(progressed_at) AS last_used_at \
         FROM uploads WHERE state = 'accepted' AND device_id IS NOT NULL AND progressed_at < {} GROUP BY device_id",
        words.until,
        files = sum("1", &since),
        bytes = sum("durable_offset", &since),
        day = words.day("progressed_at"),
    );
    Ok(load!(db, text, from, until))
}

/// Photos and videos that each device declared and that arrived in a span.
pub(super) fn evidence_of(db: &mut Db, from: At, until: At) -> Result<Vec<(DeviceId, i64)>> {
    Ok(evidence::table
        .filter(evidence::device_id.is_not_null())
        .filter(evidence::stored_at.ge(from))
        .filter(evidence::stored_at.lt(until))
        .group_by(evidence::device_id)
        .select((evidence::device_id.assume_not_null(), diesel::dsl::count_star()))
        .load(db)?)
}

/// Devices that wait for repair, and why.
pub(super) fn repairs(db: &mut Db) -> Result<Vec<(DeviceId, String)>> {
    Ok(device_repairs::table.select((device_repairs::device_id, device_repairs::reason)).load(db)?)
}
