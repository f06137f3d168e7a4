//! `/api/v1/statistics`.

use super::{
    actions::{self, Cut, Line},
    rules::{self, By, Counts, Figure, Period, Rate, Rates},
};
use crate::{
    app::App,
    cases::{self, routes::Case},
    db::types::CaseId,
    error::Result,
    http::{
        auth::Caller,
        parameter::{self, page_limit, text},
        table::Routes,
    },
};
use actix_web::{get, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(statistics_table).service(statistics_records);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TableFilter {
    /// `2026-10`, `2026-Q4` or `2026`; the present month by default.
    period: Option<String>,
    /// What the lines are; one for all by default.
    by: Option<By>,
}

#[derive(Serialize, ToSchema)]
struct Statistics {
    period: String,
    /// The first moment.
    from: DateTime<Utc>,
    /// The first moment after.
    until: DateTime<Utc>,
    by: By,
    /// The counting rule, for whoever prints the figures.
    rule: String,
    /// Those with most cases first.
    lines: Vec<StatisticsLine>,
}

#[derive(Serialize, ToSchema)]
struct StatisticsLine {
    /// A unit's or a person's id, a class's or a grid's code (empty for cases without one), or empty.
    key: String,
    name: String,
    counts: Counts,
    rates: Rates,
    /// The period before (环比).
    before: Past,
    /// The same period a year before (同比).
    year_before: Past,
}

#[derive(Serialize, ToSchema)]
struct Past {
    counts: Counts,
    rates: Rates,
    /// How much the total has changed since, of then.
    change: Rate,
}

impl Past {
    fn new(then: Counts, now: &Counts) -> Past {
        Past { rates: Rates::from(&then), change: Rate::of(now.total - then.total, then.total), counts: then }
    }
}

impl From<Line> for StatisticsLine {
    fn from(line: Line) -> StatisticsLine {
        StatisticsLine {
            key: line.key,
            name: line.name,
            rates: Rates::from(&line.counts),
            before: Past::new(line.before, &line.counts),
            year_before: Past::new(line.year_before, &line.counts),
            counts: line.counts,
        }
    }
}

fn period_of(text: Option<&str>, now: DateTime<Utc>) -> Result<Period> {
    text.map_or_else(|| Ok(Period::month_of(now)), str::parse)
}

/// The figures of a period by the county's rules, with those of the period and of the year before.
#[utoipa::path(tag = "statistics", params(TableFilter), responses((status = 200, body = Statistics)))]
#[get("/statistics")]
async fn statistics_table(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<TableFilter>,
) -> Result<web::Json<Statistics>> {
    let unit = caller.user()?.only_unit()?;
    let now = app.env.now();
    let period = period_of(filter.period.as_deref(), now)?;
    let by = filter.by.unwrap_or(By::All);
    let lines = app.db.read(move |db| db.snapshot(|db| actions::table(db, period, by, unit, now))).await?;
    let (from, until) = period.span();
    let lines = lines.into_iter().map(StatisticsLine::from).collect();
    Ok(web::Json(Statistics { period: period.to_string(), from, until, by, rule: rules::rule(by), lines }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecordFilter {
    /// `2026-10`, `2026-Q4` or `2026`; the present month by default.
    period: Option<String>,
    /// What the lines are; one for all by default.
    by: Option<By>,
    /// The line's key; empty by default.
    key: Option<String>,
    /// The figure; the total by default.
    figure: Option<Figure>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<CaseId>,
}

#[derive(Serialize, ToSchema)]
struct Records {
    items: Vec<Case>,
    /// Null on the last page.
    next: Option<CaseId>,
}

/// The cases behind a figure: exactly those that it counts.
#[utoipa::path(tag = "statistics", params(RecordFilter), responses((status = 200, body = Records)))]
#[get("/statistics/records")]
async fn statistics_records(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<RecordFilter>,
) -> Result<web::Json<Records>> {
    let unit = caller.user()?.only_unit()?;
    let now = app.env.now();
    let RecordFilter { period, by, key, figure, limit, cursor } = filter.into_inner();
    let period = period_of(period.as_deref(), now)?;
    let (by, key, limit) = (by.unwrap_or(By::All), text("key", key)?.unwrap_or_default(), page_limit(limit)?);
    let figure = figure.unwrap_or(Figure::Total);
    let cut = Cut { after: cursor, limit };
    let mut rows = app
        .db
        .read(move |db| {
            let ids = actions::records(db, period, (by, &key), figure, unit, now, cut)?;
            cases::actions::cases_by_id(db, &ids)
        })
        .await?;
    rows.sort_unstable_by_key(|row| row.id);
    let next = parameter::next(&rows, limit, |r| r.id);
    Ok(web::Json(Records { items: rows.into_iter().map(|row| Case::new(row, now)).collect(), next }))
}
