//! `/api/v1/catalogue`.

use super::{
    actions, national,
    rules::{self, CaseClass, ClassKey, ClassKind},
    sheets::{self, TableFormat},
    store::VersionRow,
};
use crate::{
    app::App,
    db::types::UserId,
    error::{Code, Error, Result},
    http::{
        auth::Caller,
        body,
        parameter::{page_limit, text},
        table::Routes,
    },
    identity::rules::Role,
};
use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(class_page)
        .service(class_get)
        .service(catalogue_versions)
        .service(catalogue_import)
        .service(catalogue_export);
}

const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// The largest file that is imported, bytes.
const LARGEST_FILE: usize = 8 << 20;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ClassFilter {
    /// Only components or only events.
    kind: Option<ClassKind>,
    /// Only of this big class, two digits.
    big: Option<String>,
    /// Only those whose code begins so, or whose names or filing conditions hold it.
    q: Option<String>,
    /// Only of this scheme.
    scheme_version: Option<String>,
    /// Of this version instead of the one in force; 0 is the national one.
    version: Option<i32>,
    /// 1–200, 50 by default.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Classes {
    /// The version they are of.
    version: i32,
    /// By kind, code and scheme.
    items: Vec<CaseClass>,
    /// Null on the last page.
    next: Option<String>,
}

/// A place in the order of the classes.
fn cursor_of(key: &ClassKey) -> String {
    format!("{}.{}.{}", key.kind, key.code, key.scheme_version)
}

/// Classes with their conditions.
#[utoipa::path(tag = "catalogue", params(ClassFilter), responses((status = 200, body = Classes)))]
#[get("/catalogue/classes")]
async fn class_page(
    app: web::Data<App>,
    caller: Caller,
    filter: web::Query<ClassFilter>,
) -> Result<web::Json<Classes>> {
    caller.user()?;
    let ClassFilter { kind, big, q, scheme_version, version, limit, cursor } = filter.into_inner();
    let limit = usize::try_from(page_limit(limit)?).unwrap_or_default();
    let (version, classes) = app.db.read(move |db| actions::classes(db, version)).await?;
    let wanted = |class: &&CaseClass| {
        kind.is_none_or(|kind| class.kind == kind)
            && big.as_ref().is_none_or(|big| class.big_code() == big)
            && scheme_version.as_ref().is_none_or(|scheme| class.scheme_version == *scheme)
            && q.as_ref().is_none_or(|words| class.matches(words.trim()))
            && cursor.as_ref().is_none_or(|cursor| cursor_of(&class.key()) > *cursor)
    };
    let items: Vec<CaseClass> = classes.iter().filter(wanted).take(limit).cloned().collect();
    let next = items.last().filter(|_| items.len() == limit).map(|class| cursor_of(&class.key()));
    Ok(web::Json(Classes { version, items, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ClassAsked {
    /// The scheme the code is of; GB/T30428.2-2013 by default.
    scheme_version: Option<String>,
    /// As this version has it, instead of the last one that does; 0 is the national one.
    version: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct ClassInVersion {
    /// The version that has it so.
    version: i32,
    /// Whether that is the one in force; a class that no longer is stays readable.
    in_force: bool,
    class: CaseClass,
}

/// One class with its conditions.
#[utoipa::path(
    tag = "catalogue",
    params(("kind" = ClassKind, Path), ("code" = String, Path, description = "4 or 5 digits"), ClassAsked),
    responses((status = 200, body = ClassInVersion))
)]
#[get("/catalogue/classes/{kind}/{code}")]
async fn class_get(
    app: web::Data<App>,
    caller: Caller,
    path: web::Path<(String, String)>,
    asked: web::Query<ClassAsked>,
) -> Result<web::Json<ClassInVersion>> {
    caller.user()?;
    let (ClassAsked { scheme_version, version }, (kind, code)) = (asked.into_inner(), path.into_inner());
    let kind: ClassKind = kind.parse().map_err(|_| Error::not_found("kind"))?;
    let scheme_version = text("scheme_version", scheme_version)?.unwrap_or_else(|| national::SCHEME.to_owned());
    let code = text("code", Some(code))?.unwrap_or_default();
    let key = ClassKey { kind: kind.as_str(), code, scheme_version };
    let found = app
        .db
        .read(move |db| {
            let (version, class) = actions::class_get(db, &key, version)?;
            Ok(ClassInVersion { version, in_force: version == actions::in_force(db)?, class })
        })
        .await?;
    Ok(web::Json(found))
}

#[derive(Serialize, ToSchema)]
struct CatalogueVersions {
    /// The version in force.
    in_force: i32,
    /// The last first; at the end the national one, 0.
    items: Vec<CatalogueVersion>,
}

#[derive(Serialize, ToSchema)]
struct CatalogueVersion {
    version: i32,
    /// Where it comes from.
    source: String,
    imported_by: Option<UserId>,
    /// Null for the one that comes with the program.
    imported_at: Option<DateTime<Utc>>,
}

impl From<VersionRow> for CatalogueVersion {
    fn from(row: VersionRow) -> CatalogueVersion {
        let VersionRow { version, source, imported_by, imported_at } = row;
        CatalogueVersion { version, source, imported_by, imported_at: Some(imported_at.0) }
    }
}

/// The versions of the catalogue. None is ever removed, so that every case's class can be looked up.
#[utoipa::path(tag = "catalogue", responses((status = 200, body = CatalogueVersions)))]
#[get("/catalogue/versions")]
async fn catalogue_versions(app: web::Data<App>, caller: Caller) -> Result<web::Json<CatalogueVersions>> {
    caller.user()?;
    let mut items: Vec<CatalogueVersion> =
        app.db.read(actions::versions).await?.into_iter().map(CatalogueVersion::from).collect();
    let source = national::SOURCE.to_owned();
    items.push(CatalogueVersion { version: actions::NATIONAL, source, imported_by: None, imported_at: None });
    Ok(web::Json(CatalogueVersions { in_force: items.first().map_or(actions::NATIONAL, |item| item.version), items }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportOptions {
    /// The scheme of rows that name none; GB/T30428.2-2013 by default, 1–40 characters.
    scheme_version: Option<String>,
    /// Where the table comes from, 1–200 characters.
    source: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CatalogueImported {
    /// In force from now on.
    version: i32,
    classes: usize,
    conditions: usize,
}

/// Import a table as the catalogue in force from now on. It has the columns of an exported one; blank cells of a class
/// say what stands above. With any error nothing is imported, and `faults` tells them all.
#[utoipa::path(
    tag = "catalogue",
    params(ImportOptions),
    request_body(content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    responses((status = 200, body = CatalogueImported))
)]
#[post("/catalogue/import")]
async fn catalogue_import(
    app: web::Data<App>,
    caller: Caller,
    options: web::Query<ImportOptions>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<web::Json<CatalogueImported>> {
    let who = caller.role(&[Role::Admin])?;
    let ImportOptions { scheme_version, source } = options.into_inner();
    let scheme = text("scheme_version", scheme_version)?.unwrap_or_else(|| national::SCHEME.to_owned());
    if !(1..=40).contains(&scheme.trim().chars().count()) {
        return Err(Code::ParameterInvalid.with("scheme_version: 1–40 characters"));
    }
    let source = text("source", source)?.unwrap_or_else(|| "接口导入".to_owned());
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = if kind.trim_start().to_ascii_lowercase().starts_with(CSV) { CSV } else { XLSX };
    let bytes = body::read_as(&request, payload.into_inner(), media_type, LARGEST_FILE).await?;
    let read = move || {
        let sheets = if media_type == CSV { sheets::read_csv(&bytes)? } else { sheets::read_xlsx(&bytes)? };
        rules::assemble(&sheets, scheme.trim())
    };
    let classes = web::block(read).await.map_err(Error::internal)??;
    let (version, classes) = app.db.write(move |tx| actions::import(tx, Some(who.user_id), &source, classes)).await?;
    let conditions = classes.iter().map(|class| class.conditions.len()).sum();
    Ok(web::Json(CatalogueImported { version, classes: classes.len(), conditions }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportOptions {
    /// xlsx by default.
    format: Option<TableFormat>,
    /// Of this version instead of the one in force; 0 is the national one.
    version: Option<i32>,
}

/// The catalogue as a table that can be imported again.
#[utoipa::path(
    tag = "catalogue",
    params(ExportOptions),
    responses((
        status = 200,
        content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
    ))
)]
#[get("/catalogue/export")]
async fn catalogue_export(
    app: web::Data<App>,
    caller: Caller,
    options: web::Query<ExportOptions>,
) -> Result<HttpResponse> {
    caller.user()?;
    let ExportOptions { format, version } = options.into_inner();
    let format = format.unwrap_or(TableFormat::Xlsx);
    let (version, classes) = app.db.read(move |db| actions::classes(db, version)).await?;
    let bytes = web::block(move || sheets::write(format, &classes)).await.map_err(Error::internal)??;
    let (media_type, ending) = match format {
        TableFormat::Csv => ("text/csv; charset=utf-8", "csv"),
        TableFormat::Xlsx => (XLSX, "xlsx"),
    };
    let name = format!("attachment; filename=\"catalogue-{version}.{ending}\"");
    Ok(HttpResponse::Ok().content_type(media_type).insert_header((header::CONTENT_DISPOSITION, name)).body(bytes))
}
