//! Grids as GeoJSON (RFC 7946): a FeatureCollection of polygons with `code` and `name`.

use super::atlas::{Grid, fault, shape_faults};
use crate::{
    error::{Error, FileFault, Result},
    identity::county::REGION,
};
use geo::{Coord, LineString, MultiPolygon, Polygon};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most grids of a map.
const MOST_GRIDS: usize = 20_000;
/// The most corners of a grid. A unit is about a hundred metres wide; the check for self-intersection is quadratic.
const MOST_CORNERS: usize = 5_000;

#[derive(Deserialize)]
struct Collection {
    r#type: String,
    features: Vec<Value>,
}

#[derive(Deserialize)]
struct Feature {
    #[serde(default)]
    properties: Value,
    geometry: Value,
}

type Rings = Vec<Vec<Vec<f64>>>;

/// A geometry as it is written.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Polygon { coordinates: Rings },
    MultiPolygon { coordinates: Vec<Rings> },
}

/// Reads a map of grids.
///
/// # Errors
/// `table_invalid` with everything that is wrong; the row is the feature's number, from 1.
pub fn read(bytes: &[u8]) -> Result<Vec<Grid>> {
    let whole = |problem: String| Error::faults(vec![fault(0, "", problem)]);
    let Collection { r#type, features } =
        serde_json::from_slice(bytes).map_err(|error| whole(format!("不是 GeoJSON 要素集合：{error}")))?;
    if r#type != "FeatureCollection" {
        return Err(whole("不是 GeoJSON 要素集合（FeatureCollection）".to_owned()));
    }
    if !(1..=MOST_GRIDS).contains(&features.len()) {
        return Err(whole(format!("应有 1–{MOST_GRIDS} 个网格")));
    }
    let (mut grids, mut faults) = (Vec::with_capacity(features.len()), Vec::new());
    let mut seen = BTreeMap::<String, usize>::new();
    for (n, value) in (1..).zip(features) {
        let before = faults.len();
        let grid = feature(n, value, &mut faults);
        if let Some(first) = seen.get(&grid.code) {
            faults.push(fault(n, "code", format!("与第 {first} 个要素的编码相同")));
        } else if faults.len() == before {
            seen.insert(grid.code.clone(), n);
        }
        grids.push(grid);
    }
    if faults.is_empty() { Ok(grids) } else { Err(Error::faults(faults)) }
}

fn feature(n: usize, value: Value, faults: &mut Vec<FileFault>) -> Grid {
    let mut grid = Grid { code: String::new(), name: String::new(), shape: MultiPolygon::new(Vec::new()) };
    let Feature { properties, geometry } = match serde_json::from_value(value) {
        Ok(feature) => feature,
        Err(error) => {
            faults.push(fault(n, "", format!("不是 GeoJSON 要素：{error}")));
            return grid;
        }
    };
    match code(&properties["code"]) {
        Ok(code) => grid.code = code,
        Err(problem) => faults.push(fault(n, "code", problem)),
    }
    let name = properties["name"].as_str().unwrap_or_default().trim();
    if (1..=50).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        grid.name = name.to_owned();
    } else {
        faults.push(fault(n, "name", "应为 1–50 个字"));
    }
    match shape(geometry) {
        Ok(shape) => {
            let wrong = shape_faults(&shape);
            faults.extend(wrong.into_iter().map(|problem| fault(n, "geometry", problem)));
            grid.shape = shape;
        }
        Err(problem) => faults.push(fault(n, "geometry", problem)),
    }
    grid
}

fn code(value: &Value) -> Result<String, String> {
    let code = match value {
        Value::String(code) => code.trim(),
        // A number of 16 digits may have lost its last one on the way.
        Value::Number(_) => return Err("应为文本，不是数值".to_owned()),
        _ => return Err("缺少网格编码".to_owned()),
    };
    if !(14..=16).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("“{code}”不是 14–16 位数字"));
    }
    if !code.starts_with(REGION) {
        return Err(format!("“{code}”不以本县行政区划代码 {REGION} 开头"));
    }
    Ok(code.to_owned())
}

/// A geometry as a shape, its rings closed as they came.
///
/// # Errors
/// What is wrong, in Chinese.
pub fn shape(geometry: Value) -> Result<MultiPolygon<f64>, String> {
    let polygons = match serde_json::from_value(geometry) {
        Ok(Geometry::Polygon { coordinates }) => vec![coordinates],
        Ok(Geometry::MultiPolygon { coordinates }) => coordinates,
        Err(error) => return Err(format!("不是 Polygon 或 MultiPolygon：{error}")),
    };
    if polygons.is_empty() || polygons.iter().any(Vec::is_empty) {
        return Err("没有坐标".to_owned());
    }
    if polygons.iter().flatten().map(Vec::len).sum::<usize>() > MOST_CORNERS {
        return Err(format!("超过 {MOST_CORNERS} 个点"));
    }
    let mut shapes = Vec::with_capacity(polygons.len());
    for rings in polygons {
        let mut lines = rings.into_iter().map(ring);
        let exterior = lines.next().unwrap_or_else(|| Err("没有外环".to_owned()))?;
        shapes.push(Polygon::new(exterior, lines.collect::<Result<_, _>>()?));
    }
    Ok(MultiPolygon::new(shapes))
}

fn ring(positions: Vec<Vec<f64>>) -> Result<LineString<f64>, String> {
    let mut line = Vec::with_capacity(positions.len());
    for position in positions {
        // A height may follow; it is nobody's here.
        let [x, y, ..] = position[..] else { return Err("坐标应为经度、纬度两个数".to_owned()) };
        if !((-180.0..=180.0).contains(&x) && (-90.0..=90.0).contains(&y)) {
            return Err(format!("坐标 {x}, {y} 不是经度、纬度（度）"));
        }
        line.push(Coord { x, y });
    }
    if line.len() < 4 || line.first() != line.last() {
        return Err("环没有闭合：首尾应为同一点，至少四个点".to_owned());
    }
    Ok(LineString::new(line))
}

/// A shape as a GeoJSON geometry.
#[must_use]
pub fn geometry(shape: &MultiPolygon<f64>) -> Value {
    let ring = |line: &LineString<f64>| line.coords().map(|at| [at.x, at.y]).collect::<Vec<_>>();
    let rings = |polygon: &Polygon<f64>| {
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect::<Vec<_>>()
    };
    match &shape.0[..] {
        [one] => json!({"type": "Polygon", "coordinates": rings(one)}),
        many => json!({"type": "MultiPolygon", "coordinates": many.iter().map(rings).collect::<Vec<_>>()}),
    }
}

/// Grids as a map that can be imported again.
#[must_use]
pub fn write(grids: &[Grid]) -> Value {
    let feature = |grid: &Grid| {
        let properties = json!({"code": grid.code, "name": grid.name});
        json!({"type": "Feature", "id": grid.code, "properties": properties, "geometry": geometry(&grid.shape)})
    };
    json!({"type": "FeatureCollection", "features": grids.iter().map(feature).collect::<Vec<_>>()})
}
