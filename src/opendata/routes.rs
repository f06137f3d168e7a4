//! `/api/v1/open-data`.

use super::{
    actions::Wanted,
    export::{Order, blocks},
    rules::Collection,
    tables::Growing,
};
use crate::{
    app::App,
    cases::rules::Stage,
    db::types::UnitId,
    error::Result,
    http::{auth::Caller, parameter::text, table::Routes},
    identity::rules::{CENTRE, text_enum},
    spots::rules::SpotState,
};
use actix_web::{HttpResponse, get, http::header, web};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::IntoParams;

/// Mounts the area under `/api/v1`. Each collection has its own operation: its filters are those of its list.
pub fn routes(cfg: &mut Routes) {
    cfg.service(open_cases).service(open_sites).service(open_spots).service(open_grids);
}

text_enum! {
    /// What an export is written as.
    ExportFormat {
        /// Comma-separated, UTF-8 with a byte order mark; a text that a spreadsheet would take for a formula begins with
        /// an apostrophe.
        Csv = "csv",
        /// Excel; long codes are text and keep their digits.
        Xlsx = "xlsx",
        /// A GeoJSON FeatureCollection, WGS-84.
        GeoJson = "geojson",
    }
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

async fn export(
    app: web::Data<App>,
    caller: Caller,
    collection: Collection,
    format: Option<ExportFormat>,
    wanted: Wanted,
) -> Result<HttpResponse> {
    let who = caller.role(CENTRE)?;
    let format = format.unwrap_or(ExportFormat::Csv);
    tracing::info!(user = %who.user_id, %collection, %format, "open data is exported");
    let day = app.env.now().with_timezone(&Shanghai).format("%Y%m%d");
    let name = format!("attachment; filename=\"{collection}-{day}.{format}\"");
    let wanted = Arc::new(Wanted { now: app.env.now(), ..wanted });
    let order = Order { app, collection, wanted };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_DISPOSITION, name));
    Ok(match format {
        ExportFormat::Csv => response.content_type("text/csv; charset=utf-8").streaming(order.pieces(Growing::Csv)),
        ExportFormat::GeoJson => {
            response.content_type("application/geo+json").streaming(order.pieces(Growing::GeoJson(false)))
        }
        ExportFormat::Xlsx => response.content_type(XLSX).streaming(blocks(order.book().await?)),
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OpenCaseFilter {
    /// csv by default.
    format: Option<ExportFormat>,
    /// Only in this stage.
    state: Option<Stage>,
    /// Only of this unit.
    unit_id: Option<UnitId>,
}

/// All cases, newest first.
///
/// Columns (heading / property): 案件编号 number; 环节 state; 标题 title; 部件或事件 class_kind; 分类代码 class_code (GB/T
/// 30428.2); 地址 address; 经度 longitude and 纬度 latitude (WGS-84, degrees); 责任单位 unit; 上报时间 reported_at; 派遣时间 dispatched_at; 截止时间
/// due_at, extensions and holds included; 处置时间 handled_at; 结案时间 closed_at; 及时结案 timely; 返工次数 rework_count; 延期次数
/// extension_count; 紧急程度 priority (0 普通, 1 紧急, 2 特急); 更新时间 updated_at. Tables have Beijing time and Chinese words,
/// GeoJSON RFC 3339 and the words of this API. Not open: who reported, the description, and in title and address what
/// looks like a telephone, an identity card or a mail address.
#[utoipa::path(
    tag = "open data",
    params(OpenCaseFilter),
    responses((
        status = 200,
        content(
            (String = "text/csv"),
            (String = "application/geo+json"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )
    ))
)]
#[get("/open-data/cases")]
async fn open_cases(app: web::Data<App>, caller: Caller, filter: web::Query<OpenCaseFilter>) -> Result<HttpResponse> {
    let OpenCaseFilter { format, state, unit_id } = filter.into_inner();
    export(app, caller, Collection::Cases, format, Wanted { state, unit_id, ..Wanted::default() }).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OpenSiteFilter {
    /// csv by default.
    format: Option<ExportFormat>,
    /// Only of this unit.
    unit_id: Option<UnitId>,
}

/// The sites of the sample library.
///
/// Columns (heading / property): 责任单位 unit; 点位编号 code; 类别 kind; 名称 name; 地址 address; 经度 longitude and 纬度 latitude
/// (WGS-84, degrees); 更新时间 updated_at.
#[utoipa::path(
    tag = "open data",
    params(OpenSiteFilter),
    responses((
        status = 200,
        content(
            (String = "text/csv"),
            (String = "application/geo+json"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )
    ))
)]
#[get("/open-data/sites")]
async fn open_sites(app: web::Data<App>, caller: Caller, filter: web::Query<OpenSiteFilter>) -> Result<HttpResponse> {
    let OpenSiteFilter { format, unit_id } = filter.into_inner();
    export(app, caller, Collection::Sites, format, Wanted { unit_id, ..Wanted::default() }).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OpenSpotFilter {
    /// csv by default.
    format: Option<ExportFormat>,
    /// Only open or closed ones.
    state: Option<SpotState>,
    /// Only those in grids whose code begins so.
    grid: Option<String>,
}

/// The spots: where a problem comes back.
///
/// Columns (heading / property): 部件或事件 class_kind; 分类代码 class_code; 地址 address, without what looks personal; 经度 longitude
/// and 纬度 latitude (WGS-84, degrees); 半径（米） radius_m; 网格编码 grid_code; 状态 state; 成因 cause; 案件数 case_count; 补拍数
/// observation_count; 返潮次数 recurrence_count; 蘑菇指数 mushroom_index (weighted open days of the last 90 days); 首次发现时间
/// first_seen_at; 最近发现时间 last_seen_at; 销号时间 closed_at. Not open: the words on the cause.
#[utoipa::path(
    tag = "open data",
    params(OpenSpotFilter),
    responses((
        status = 200,
        content(
            (String = "text/csv"),
            (String = "application/geo+json"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )
    ))
)]
#[get("/open-data/spots")]
async fn open_spots(app: web::Data<App>, caller: Caller, filter: web::Query<OpenSpotFilter>) -> Result<HttpResponse> {
    let OpenSpotFilter { format, state: spot_state, grid } = filter.into_inner();
    let prefix = text("grid", grid)?;
    export(app, caller, Collection::Spots, format, Wanted { spot_state, prefix, ..Wanted::default() }).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OpenGridFilter {
    /// csv by default.
    format: Option<ExportFormat>,
    /// Only those whose code begins so.
    prefix: Option<String>,
}

/// The grid units; their shapes in GeoJSON, their outermost degrees in tables.
///
/// Columns (heading / property): 网格编码 code (14–16 digits); 网格名称 name; 西至经度 west, 南至纬度 south, 东至经度 east, 北至纬度 north
/// (WGS-84 or CGCS2000, degrees); 导入时间 imported_at.
#[utoipa::path(
    tag = "open data",
    params(OpenGridFilter),
    responses((
        status = 200,
        content(
            (String = "text/csv"),
            (String = "application/geo+json"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )
    ))
)]
#[get("/open-data/grids")]
async fn open_grids(app: web::Data<App>, caller: Caller, filter: web::Query<OpenGridFilter>) -> Result<HttpResponse> {
    let OpenGridFilter { format, prefix } = filter.into_inner();
    let prefix = text("prefix", prefix)?;
    export(app, caller, Collection::Grids, format, Wanted { prefix, ..Wanted::default() }).await
}
