//! The documents around the features: landing page, conformance, collections, the API's own description. Pure.

use crate::opendata::rules::{Collection, Feature};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::form_urlencoded;

/// What this server keeps to.
const CONFORMS_TO: [&str; 3] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
];
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
/// The media type of GeoJSON (RFC 7946).
pub(super) const GEOJSON: &str = "application/geo+json";
const JSON: &str = "application/json";
/// The media type of an API's description.
pub(super) const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";
/// Features of a page unless told.
pub(super) const USUAL: i64 = 100;
/// Features of a page at most.
pub(super) const MOST: i64 = 1000;

fn link(href: &str, rel: &str, media_type: &str, title: &str) -> Value {
    json!({"href": href, "rel": rel, "type": media_type, "title": title})
}

/// The landing page; `base` is the address of it.
pub(super) fn landing(base: &str) -> Value {
    json!({
        "title": "中方县城市管理开放数据",
        "description": "案件、抽检点位、问题点位、单元网格（OGC API – Features，CRS84）",
        "links": [
            link(base, "self", JSON, "本页"),
            link(&format!("{base}/api"), "service-desc", OPENAPI, "接口说明（OpenAPI 3.0）"),
            link(&format!("{base}/conformance"), "conformance", JSON, "符合的标准"),
            link(&format!("{base}/collections"), "data", JSON, "数据集"),
        ],
    })
}

pub(super) fn conformance() -> Value {
    json!({ "conformsTo": CONFORMS_TO })
}

pub(super) fn collections(base: &str) -> Value {
    let all: Vec<Value> = Collection::ALL.iter().map(|one| collection(base, *one)).collect();
    json!({"links": [link(&format!("{base}/collections"), "self", JSON, "数据集")], "collections": all})
}

pub(super) fn collection(base: &str, collection: Collection) -> Value {
    let here = format!("{base}/collections/{collection}");
    json!({
        "id": collection.as_str(),
        "title": collection.title(),
        "description": collection.description(),
        "itemType": "feature",
        "crs": [CRS84],
        "links": [
            link(&here, "self", JSON, collection.title()),
            link(&format!("{here}/items"), "items", GEOJSON, collection.title()),
        ],
    })
}

/// What a page of features was asked with, for the links of it.
pub(super) struct Asked<'a> {
    pub(super) limit: i64,
    pub(super) bbox: Option<&'a str>,
    pub(super) datetime: Option<&'a str>,
    pub(super) cursor: Option<&'a str>,
}

impl Asked<'_> {
    fn address(&self, base: &str, collection: Collection) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        let named = [("bbox", self.bbox), ("datetime", self.datetime), ("cursor", self.cursor)];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            query.append_pair(name, value);
        }
        format!("{base}/collections/{collection}/items?{}", query.finish())
    }
}

/// A page of features.
pub(super) fn items(
    base: &str,
    collection: Collection,
    features: &[Feature],
    (asked, next): (&Asked, Option<&str>),
    matched: Option<i64>,
    now: DateTime<Utc>,
) -> Value {
    let mut links = vec![
        link(&asked.address(base, collection), "self", GEOJSON, "本页"),
        link(&format!("{base}/collections/{collection}"), "collection", JSON, collection.title()),
    ];
    if next.is_some() {
        let next = Asked { cursor: next, ..*asked };
        links.push(link(&next.address(base, collection), "next", GEOJSON, "下一页"));
    }
    let mut page = json!({
        "type": "FeatureCollection",
        "timeStamp": now,
        "numberReturned": features.len(),
        "links": links,
        "features": features.iter().map(|feature| feature.geojson(collection)).collect::<Vec<_>>(),
    });
    if let Some(matched) = matched {
        page["numberMatched"] = json!(matched);
    }
    page
}

/// One feature.
pub(super) fn item(base: &str, collection: Collection, feature: &Feature) -> Value {
    let above = format!("{base}/collections/{collection}");
    let mut document = feature.geojson(collection);
    document["links"] = json!([
        link(&format!("{above}/items/{}", feature.id), "self", GEOJSON, "本要素"),
        link(&above, "collection", JSON, collection.title()),
    ]);
    document
}

/// The API in OpenAPI 3.0, the version that the standard's class names. The platform's own document is a newer one.
pub(super) fn openapi(base: &str) -> Value {
    let parameter = |name: &str, place: &str, words: &str, schema: Value| {
        json!({"name": name, "in": place, "required": place == "path", "description": words, "schema": schema,
            "style": if place == "path" { "simple" } else { "form" }, "explode": false})
    };
    let answer = |media_type: &str, summary: &str, id: &str, parameters: Value| {
        json!({"get": {
            "operationId": id, "summary": summary, "parameters": parameters, "security": [{"bearer": []}],
            "responses": {
                "200": {"description": "OK", "content": {media_type: {"schema": {"type": "object"}}}},
                "default": {"description": "RFC 9457",
                    "content": {"application/problem+json": {"schema": {"type": "object"}}}},
            },
        }})
    };
    let f = parameter("f", "query", "格式", json!({"type": "string", "enum": ["json"]}));
    let mut paths = json!({
        "/": answer(JSON, "首页", "landing", json!([f])),
        "/api": answer(OPENAPI, "接口说明", "api", json!([f])),
        "/conformance": answer(JSON, "符合的标准", "conformance", json!([f])),
        "/collections": answer(JSON, "数据集", "collections", json!([f])),
    });
    for collection in Collection::ALL {
        let (path, title) = (format!("/collections/{collection}"), collection.title());
        let limit = json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL});
        let bbox = json!({"type": "array", "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
            "items": {"type": "number"}});
        let text = json!({"type": "string"});
        let asked = json!([
            f,
            parameter("limit", "query", "每页要素数", limit),
            parameter("bbox", "query", "西,南,东,北（CRS84，度）", bbox),
            parameter("datetime", "query", collection.description(), text.clone()),
            parameter("cursor", "query", "下一页的起点，见 next 链接", text.clone()),
        ]);
        let id = parameter("featureId", "path", "要素编号", text);
        paths[&path] = answer(JSON, title, &format!("{collection}_collection"), json!([f]));
        paths[format!("{path}/items")] = answer(GEOJSON, title, &format!("{collection}_items"), asked);
        paths[format!("{path}/items/{{featureId}}")] =
            answer(GEOJSON, title, &format!("{collection}_item"), json!([id, f]));
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": "中方县城市管理开放数据", "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    })
}
