//! `/api/v1/city/import`.

use super::{
    actions::{Taken, take_messages, take_rows},
    rules,
};
use crate::{
    app::App,
    catalogue::sheets,
    city::routes::message,
    error::{Error, FileFault, Result},
    http::{auth::Caller, body, problem},
    identity::rules::Role,
};
use actix_web::{HttpRequest, http::header, post, web};
use serde::Serialize;
use utoipa::ToSchema;

/// The largest file, bytes.
const LARGEST_FILE: usize = 16 << 20;
/// Lines that are taken in one transaction.
const AT_ONCE: usize = 200;
const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const LINES: &str = "application/x-ndjson";

/// What became of a file of the city's.
#[derive(Serialize, ToSchema)]
struct CityImported {
    /// Lines or rows that had their effect.
    applied: usize,
    /// Those that were here already.
    duplicate: usize,
    /// Messages that wait for one before them, which the file did not have.
    waiting: usize,
    /// Messages that were refused, by the line they stand in; their numbers are used, unless they can't be read.
    faults: Vec<FileFault>,
}

impl From<Taken> for CityImported {
    fn from(taken: Taken) -> CityImported {
        let fault = |(row, error): (u32, Error)| {
            let (_, chinese, _) = problem::catalogue(error.code);
            let detail = error.detail.map(|detail| format!("（{detail}）")).unwrap_or_default();
            FileFault { sheet: None, row, column: String::new(), problem: format!("{chinese}{detail}") }
        };
        CityImported {
            applied: taken.applied,
            duplicate: taken.duplicate,
            waiting: taken.waiting,
            faults: taken.refused.into_iter().map(fault).collect(),
        }
    }
}

/// Take a file of the city's, where the network fails: its messages, one a line (`application/x-ndjson`), each judged alone;
/// or a table of dispatches (`text/csv`, xlsx) with the columns 市案件编号, 截止时间 (both needed), 部件或事件, 大类代码, 小类代码,
/// 小类名称, 问题描述, 地址, 经度, 纬度, 坐标系, 责任单位代码, 派遣时间, of which nothing is imported while there is any fault. What was
/// imported before has no second effect. Cases are acknowledged to the city as soon as there is a link.
#[utoipa::path(
    tag = "city",
    request_body(content(
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )),
    responses((status = 200, body = CityImported))
)]
#[post("/city/import")]
pub(in crate::city) async fn city_import(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<CityImported>> {
    let who = caller.role(&[Role::Dispatcher, Role::Admin])?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.trim_start().to_ascii_lowercase();
    let media_type = [CSV, LINES].into_iter().find(|known| kind.starts_with(known)).unwrap_or(XLSX);
    let bytes = body::read_as(&request, payload.into_inner(), media_type, LARGEST_FILE).await?;
    tracing::info!(user = %who.user_id, media_type, bytes = bytes.len(), "a file of the city's is imported");
    if media_type != LINES {
        let read = move || {
            rules::dispatches(&if media_type == CSV { sheets::read_csv(&bytes)? } else { sheets::read_xlsx(&bytes)? })
        };
        let rows = web::block(read).await.map_err(Error::internal)??;
        return Ok(web::Json(app.db.write(move |tx| take_rows(tx, &rows)).await?.into()));
    }
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut lines = lines.map(|(number, line)| (number, message(line))).collect::<Vec<_>>().into_iter();
    let mut taken = Taken::default();
    while !lines.as_slice().is_empty() {
        let part: Vec<_> = lines.by_ref().take(AT_ONCE).collect();
        taken = app
            .db
            .write(move |tx| {
                take_messages(tx, part, &mut taken)?;
                Ok(taken)
            })
            .await?;
    }
    Ok(web::Json(taken.into()))
}
