//! Three SQL types that mean the same on both engines, the Rust values they carry, and the typed ids.
//!
//! | Rust | PostgreSQL | SQLite |
//! |---|---|---|
//! | typed ids | `uuid` | `TEXT` |
//! | [`At`] | `timestamptz` | `INTEGER`, microseconds since 1970 |
//! | [`Json`] | `jsonb` | `TEXT` with a `json_valid` check |
//!
//! A `Json` is never hashed or signed: `jsonb` reorders keys. Bytes that must stay as they came go to `Binary`.

use super::MultiBackend;
use chrono::DateTime;
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::Pg,
    query_builder::QueryId,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{self, HasSqlType, SqlType},
    sqlite::Sqlite,
};
use serde::{Deserialize, Serialize};

/// `uuid` on PostgreSQL, `TEXT` on SQLite.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(name = "uuid"), sqlite_type(name = "Text"))]
pub struct Uid;
/// `timestamptz` on PostgreSQL, whole microseconds since the epoch on SQLite.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(name = "timestamptz"), sqlite_type(name = "Long"))]
pub struct Utc;
/// `jsonb` on PostgreSQL, `TEXT` on SQLite.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(name = "jsonb"), sqlite_type(name = "Text"))]
pub struct Doc;

impl sql_types::SqlOrd for Uid {}
impl sql_types::SqlOrd for Utc {}

macro_rules! multi {
    ($sql:ty) => {
        impl HasSqlType<$sql> for MultiBackend {
            fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
                MultiBackend::lookup_sql_type::<$sql>(lookup)
            }
        }
    };
}
multi!(Uid);
multi!(Utc);
multi!(Doc);

macro_rules! portable {
    ($rust:ty, $sql:ty) => {
        impl FromSql<$sql, MultiBackend> for $rust {
            fn from_sql(bytes: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                bytes.from_sql::<$rust, $sql>()
            }
        }
        impl ToSql<$sql, MultiBackend> for $rust {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
                out.set_value((<$sql>::default(), self));
                Ok(IsNull::No)
            }
        }
    };
}

/// A moment, microseconds; serialised as RFC 3339 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow, Serialize, Deserialize,
)]
#[diesel(sql_type = Utc)]
#[serde(transparent)]
pub struct At(pub DateTime<chrono::Utc>);
/// A JSON document that is only ever read as a document.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow, Serialize, Deserialize)]
#[diesel(sql_type = Doc)]
#[serde(transparent)]
pub struct Json(pub serde_json::Value);

portable!(At, Utc);
portable!(Json, Doc);

impl ToSql<Utc, Pg> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <DateTime<chrono::Utc> as ToSql<sql_types::Timestamptz, Pg>>::to_sql(&self.0, out)
    }
}
impl FromSql<Utc, Pg> for At {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <DateTime<chrono::Utc> as FromSql<sql_types::Timestamptz, Pg>>::from_sql(bytes).map(At)
    }
}
impl ToSql<Utc, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.timestamp_micros());
        Ok(IsNull::No)
    }
}
impl FromSql<Utc, Sqlite> for At {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<sql_types::BigInt, Sqlite>>::from_sql(bytes)?;
        Ok(At(DateTime::from_timestamp_micros(micros).ok_or("time out of range")?))
    }
}
impl ToSql<Doc, Pg> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <serde_json::Value as ToSql<sql_types::Jsonb, Pg>>::to_sql(&self.0, out)
    }
}
impl FromSql<Doc, Pg> for Json {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <serde_json::Value as FromSql<sql_types::Jsonb, Pg>>::from_sql(bytes).map(Json)
    }
}
impl ToSql<Doc, Sqlite> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}
impl FromSql<Doc, Sqlite> for Json {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Json(serde_json::from_str(&<String as FromSql<sql_types::Text, Sqlite>>::from_sql(bytes)?)?))
    }
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {$(
        $(#[doc = $doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow,
            Serialize, Deserialize, utoipa::ToSchema,
        )]
        #[diesel(sql_type = Uid)]
        #[serde(transparent)]
        #[schema(value_type = uuid::Uuid)]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> { text.parse().map($name) }
        }
        portable!($name, Uid);
        impl ToSql<Uid, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <uuid::Uuid as ToSql<sql_types::Uuid, Pg>>::to_sql(&self.0, out)
            }
        }
        impl FromSql<Uid, Pg> for $name {
            fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                <uuid::Uuid as FromSql<sql_types::Uuid, Pg>>::from_sql(bytes).map($name)
            }
        }
        impl ToSql<Uid, Sqlite> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(self.0.to_string());
                Ok(IsNull::No)
            }
        }
        impl FromSql<Uid, Sqlite> for $name {
            fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                Ok($name(<String as FromSql<sql_types::Text, Sqlite>>::from_sql(bytes)?.parse()?))
            }
        }
    )*};
}

ids! {
    /// A responsible unit (责任单位).
    UnitId,
    /// A person with an account.
    UserId,
    /// A handheld, body camera or dock.
    DeviceId,
    /// One sign-in of one person.
    SessionId,
    /// A case (案件).
    CaseId,
    /// One line of a case's timeline.
    EventId,
    /// A word to a unit that its time runs out (催办).
    UrgingId,
    /// A unit's objection to a case's being late (申诉).
    AppealId,
    /// Words that are said again and again.
    TemplateId,
    /// Saved filters of a list.
    ViewId,
    /// A photo or video.
    EvidenceId,
    /// A line of the record of who did what with evidence.
    CustodyEventId,
    /// A reason to keep evidence whatever the calendar says.
    HoldId,
    /// A deletion of evidence, from its proposal to its end.
    DeletionId,
    /// A resumable upload.
    UploadId,
    /// A photo that shows the same as another one.
    MatchId,
    /// A place of the sample library (抽样检查库).
    SiteId,
    /// One visit to a site.
    SpotCheckId,
    /// A visit that a draw decided.
    PickId,
    /// An operation made on a device; the idempotency key of sync.
    OpId,
    /// A disagreement between an operation and the record that a person must look at.
    ConflictId,
    /// A capture record.
    CaptureId,
    /// An entry of the transparency log.
    LogEntryId,
    /// One shift of one person with one body camera.
    AssignmentId,
    /// A message to the city's platform.
    MessageId,
    /// A row of the responsibility map.
    ResponsibilityId,
    /// A place of a recurring problem (问题点位).
    SpotId,
    /// A line of what happened to such a place.
    SpotEventId,
    /// A supervision letter (督办函).
    LetterId,
    /// A line of what happened to such a letter.
    LetterStepId,
    /// An entry of the positive/negative list (正负面清单).
    MeritId,
    /// A unit's objection to a score line (申诉).
    ObjectionId,
    /// An edition of a published month (版次).
    EditionId,
    /// A record behind a score line, whatever its kind.
    RecordId,
}

/// Whether a JSON text escapes U+0000 anywhere. PostgreSQL can't store it, SQLite can: nobody gets it in.
pub fn holds_nul(json: &[u8]) -> bool {
    let escape = b"\\u0000";
    let mut from = 0;
    while let Some(at) = json[from..].windows(escape.len()).position(|w| w == escape) {
        let at = from + at;
        // An even run of backslashes before it means that this backslash is itself escaped.
        let run = json[..at].iter().rev().take_while(|b| **b == b'\\').count();
        if run.is_multiple_of(2) {
            return true;
        }
        from = at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_not_one() {
        assert!(holds_nul(br#"{"a":"x\u0000"}"#));
        assert!(!holds_nul(br#"{"a":"x\\u0000"}"#));
        assert!(holds_nul(br#"{"a":"x\\\u0000"}"#));
        assert!(!holds_nul(b"{}"));
    }
}
