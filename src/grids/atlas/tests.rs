//! Maps as surveyors send them, and what is wrong with some.

use super::*;
use crate::grids::geojson;
use serde_json::{Value, json};

/// A square of a thousandth of a degree, about 100 m.
fn square(x: f64, y: f64) -> Value {
    json!([[x, y], [x + 0.001, y], [x + 0.001, y + 0.001], [x, y + 0.001], [x, y]])
}

fn feature(code: &str, coordinates: Value) -> Value {
    let geometry = json!({"type": "Polygon", "coordinates": coordinates});
    json!({"type": "Feature", "properties": {"code": code, "name": "网格"}, "geometry": geometry})
}

fn map(features: &[Value]) -> Vec<u8> {
    json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes()
}

fn code(n: usize) -> String {
    format!("431221100001{n:03}")
}

fn faults(features: &[Value]) -> Vec<String> {
    let faults = geojson::read(&map(features)).unwrap_err().faults;
    faults.into_iter().map(|fault| format!("{} {} {}", fault.row, fault.column, fault.problem)).collect()
}

#[test]
fn a_point_lies_in_its_grid_on_a_border_in_the_first_and_in_a_hole_in_none() {
    let hole = json!([
        [110.0004, 27.0004],
        [110.0004, 27.0006],
        [110.0006, 27.0006],
        [110.0006, 27.0004],
        [110.0004, 27.0004]
    ]);
    let features = [
        feature(&code(2), json!([square(110.0, 27.0), hole])),
        feature(&code(1), json!([square(110.001, 27.0)])),
        json!({"type": "Feature", "properties": {"code": "43122110000102", "name": "两块"}, "geometry":
            {"type": "MultiPolygon", "coordinates": [[square(110.01, 27.0)], [square(110.02, 27.0)]]}}),
    ];
    let grids = geojson::read(&map(&features)).unwrap();
    let again = geojson::read(geojson::write(&grids).to_string().as_bytes()).unwrap();
    assert_eq!(again, grids);
    let atlas = Atlas::new(grids);
    for (lon, lat, expected) in [
        (110.0002, 27.0002, Some(code(2))),
        (110.0015, 27.0005, Some(code(1))),
        (110.001, 27.0005, Some(code(1))),
        (110.0, 27.0, Some(code(2))),
        (110.0005, 27.0005, None),
        (110.0205, 27.0005, Some("43122110000102".to_owned())),
        (110.0155, 27.0005, None),
        (0.0, 0.0, None),
    ] {
        assert_eq!(atlas.at(lon, lat), expected.into_iter().collect::<Vec<_>>(), "{lon} {lat}");
    }
    assert_eq!(atlas.overlaps(), []);
}

#[test]
fn overlaps_are_told_with_their_area_and_common_borders_are_none() {
    let features = [
        feature(&code(1), json!([square(110.0, 27.0)])),
        feature(&code(2), json!([square(110.0005, 27.0)])),
        feature(&code(3), json!([square(110.0015, 27.0)])),
        // A survey's last digits.
        feature(&code(4), json!([square(110.000_000_001, 27.001)])),
    ];
    let atlas = Atlas::new(geojson::read(&map(&features)).unwrap());
    let overlaps = atlas.overlaps();
    assert_eq!(overlaps.len(), 1, "{overlaps:?}");
    assert_eq!((&overlaps[0].a, &overlaps[0].b), (&code(1), &code(2)));
    // 0.0005° × 0.001° at 27° north: 49.6 m × 110.8 m.
    assert!((overlaps[0].area_m2 - 5_500.0).abs() < 60.0, "{overlaps:?}");
    assert_eq!(atlas.at(110.0007, 27.0005), [code(1), code(2)]);
}

#[test]
fn all_that_is_wrong_with_a_map_is_told() {
    let bow = json!([[[110.0, 27.0], [110.001, 27.001], [110.001, 27.0], [110.0, 27.001], [110.0, 27.0]]]);
    let outside = json!([square(110.0, 27.0), square(110.01, 27.0)]);
    let open = json!([[[110.0, 27.0], [110.001, 27.0], [110.001, 27.001], [110.0, 27.001]]]);
    let swapped = json!([[[27.0, 110.0], [27.001, 110.0], [27.001, 110.001], [27.0, 110.0]]]);
    let mut nameless = feature(&code(8), json!([square(110.0, 27.0)]));
    nameless["properties"]["name"] = json!(" ");
    nameless["properties"]["code"] = json!(431_221_100_001_008_u64);
    let told = faults(&[
        feature(&code(1), bow),
        feature("431222100001001", outside),
        feature("4312211", open),
        feature(&code(4), swapped),
        feature(&code(5), json!([square(110.0, 27.0)])),
        feature(&code(5), json!([])),
        json!({"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [110.0, 27.0]}}),
        nameless,
        json!(7),
    ]);
    let expected = [
        "1 geometry 外环自相交",
        "2 code “431222100001001”不以本县行政区划代码 431221 开头",
        "2 geometry 第 1 个内环不在外环之内",
        "3 code “4312211”不是 14–16 位数字",
        "3 geometry 环没有闭合：首尾应为同一点，至少四个点",
        "4 geometry 坐标 27, 110 不是经度、纬度（度）",
        "6 geometry 没有坐标",
        "6 code 与第 5 个要素的编码相同",
        "7 code 缺少网格编码",
        "7 name 应为 1–50 个字",
    ];
    assert_eq!(told[..expected.len()], expected, "{told:#?}");
    assert!(told[10].starts_with("7 geometry 不是 Polygon 或 MultiPolygon"));
    assert_eq!(told[11..13], ["8 code 应为文本，不是数值", "8 name 应为 1–50 个字"]);
    assert!(told[13].starts_with("9  不是 GeoJSON 要素"), "{told:#?}");
    for nothing in
        [&b""[..], b"[]", br#"{"type":"Feature","features":[]}"#, br#"{"type":"FeatureCollection","features":[]}"#]
    {
        assert_eq!(geojson::read(nothing).unwrap_err().faults[0].row, 0);
    }
    let many: Vec<[f64; 2]> = (0..6_000).map(|n| [110.0 + f64::from(n) / 1e6, 27.0]).collect();
    assert_eq!(faults(&[feature(&code(1), json!([many]))]), ["1 geometry 超过 5000 个点"]);
}
