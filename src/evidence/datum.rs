//! Positions and the datums that Chinese devices and maps state them in.
//!
//! A handheld may report WGS-84 (the chip), CGCS2000 (survey software), GCJ-02 (高德, 腾讯) or BD-09 (百度). The same
//! street corner differs by 300–700 m between them, so a stamp without its datum proves nothing: what the device sent is
//! kept as sent, and comparisons are made in WGS-84.
//!
//! Invariants:
//! - A [`Position`] is finite and in range (`a_position_outside_the_globe_is_refused`).
//! - `to_wgs84` undoes `from_wgs84` to better than a millimetre (`there_and_back_is_the_same_place`).
//! - Outside China nothing is shifted (`outside_china_nothing_moves`).

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The coordinate system that a latitude and longitude are stated in.
///
/// CGCS2000 (the legal system, EPSG:4490) differs from WGS-84 by less than a metre: 0.1 mm in the ellipsoid, decimetres
/// in the epoch. It is treated as equal, because no handheld measures better than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Datum {
    Wgs84,
    Cgcs2000,
    Gcj02,
    Bd09,
}

impl Datum {
    pub const ALL: [Self; 4] = [Self::Wgs84, Self::Cgcs2000, Self::Gcj02, Self::Bd09];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Cgcs2000 => "cgcs2000",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of [`Datum::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown datum {0:?}")]
pub struct UnknownDatum(String);

impl FromStr for Datum {
    type Err = UnknownDatum;

    /// Accepts exactly what [`Datum::as_str`] gives; the wire has one spelling.
    fn from_str(name: &str) -> Result<Self, UnknownDatum> {
        Self::ALL.into_iter().find(|datum| datum.as_str() == name).ok_or_else(|| UnknownDatum(name.to_owned()))
    }
}

/// A place on the ground in degrees; which datum, the holder must say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Degrees")]
pub struct Position {
    lat: f64,
    lon: f64,
}

/// Why a pair of numbers is no [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PositionError {
    #[error("latitude {0} is not within -90 and 90 degrees")]
    Latitude(f64),
    #[error("longitude {0} is not within -180 and 180 degrees")]
    Longitude(f64),
}

impl Position {
    /// Latitude −90..=90 north positive, longitude −180..=180 east positive, in degrees.
    ///
    /// # Errors
    /// Names the number that is out of range, infinite or not a number.
    pub fn new(lat: f64, lon: f64) -> Result<Self, PositionError> {
        // `contains` is false for NaN and the infinities too.
        if !(-90.0..=90.0).contains(&lat) {
            return Err(PositionError::Latitude(lat));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(PositionError::Longitude(lon));
        }
        Ok(Self { lat, lon })
    }

    /// Degrees, north positive.
    #[must_use]
    pub const fn lat(self) -> f64 {
        self.lat
    }

    /// Degrees, east positive.
    #[must_use]
    pub const fn lon(self) -> f64 {
        self.lon
    }

    /// Whether the community formula shifts this place. The box is the one every published implementation uses; it
    /// covers some of the neighbouring countries, which does not matter to a county in Hunan.
    fn is_in_shifted_area(self) -> bool {
        (72.004..=137.8347).contains(&self.lon) && (0.8293..=55.8271).contains(&self.lat)
    }
}

/// The unchecked form that JSON arrives in.
#[derive(Deserialize)]
struct Degrees {
    lat: f64,
    lon: f64,
}

impl TryFrom<Degrees> for Position {
    type Error = PositionError;

    fn try_from(degrees: Degrees) -> Result<Self, PositionError> {
        Self::new(degrees.lat, degrees.lon)
    }
}

/// States in WGS-84 a position that was given in `datum`.
#[must_use]
pub fn to_wgs84(position: Position, datum: Datum) -> Position {
    match datum {
        Datum::Wgs84 | Datum::Cgcs2000 => position,
        Datum::Gcj02 | Datum::Bd09 if !position.is_in_shifted_area() => position,
        Datum::Gcj02 => undo(position, gcj02_from_wgs84),
        Datum::Bd09 => undo(position, |wgs84| bd09_from_gcj02(gcj02_from_wgs84(wgs84))),
    }
}

/// States in `datum` a position that was given in WGS-84, for instance to draw it on a map of that datum.
#[must_use]
pub fn from_wgs84(position: Position, datum: Datum) -> Position {
    match datum {
        Datum::Wgs84 | Datum::Cgcs2000 => position,
        Datum::Gcj02 | Datum::Bd09 if !position.is_in_shifted_area() => position,
        Datum::Gcj02 => gcj02_from_wgs84(position),
        Datum::Bd09 => bd09_from_gcj02(gcj02_from_wgs84(position)),
    }
}

/// Mean radius of the Earth in metres: R1 = (2a + b)/3 of GRS 80 (Moritz, Geodetic Reference System 1980, 2000).
///
/// Code copied between map sites often takes the equator's 6 378 137 m instead, which reads 0.1 % longer.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Great-circle distance in metres by the haversine formula, which stays exact for the few metres that matter here
/// where the arc-cosine form loses its digits. Both positions must be in the same datum.
#[must_use]
pub fn distance_m(a: Position, b: Position) -> f64 {
    let half_lat = (b.lat - a.lat).to_radians() / 2.0;
    let half_lon = (b.lon - a.lon).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + a.lat.to_radians().cos() * b.lat.to_radians().cos() * half_lon.sin().powi(2);
    // Rounding may push antipodes a hair above 1, where asin has no value.
    2.0 * EARTH_RADIUS_M * h.min(1.0).sqrt().asin()
}

/// Semi-major axis and squared eccentricity of the Krasovsky 1940 ellipsoid, as the community formula has them.
const KRASOVSKY_A_M: f64 = 6_378_245.0;
const KRASOVSKY_EE: f64 = 0.006_693_421_622_965_943;

/// The published approximation of the state's shift ("Mars coordinates"). The true algorithm is secret; this one agrees
/// with 高德 to about a metre inside China.
fn gcj02_from_wgs84(position: Position) -> Position {
    let x = position.lon - 105.0;
    let y = position.lat - 35.0;
    let wave = |amplitude: f64, argument: f64| amplitude * (argument * PI).sin() * 2.0 / 3.0;

    let ripple = wave(20.0, 6.0 * x) + wave(20.0, 2.0 * x);
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + ripple
        + wave(20.0, y)
        + wave(40.0, y / 3.0)
        + wave(160.0, y / 12.0)
        + wave(320.0, y / 30.0);
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + ripple
        + wave(20.0, x)
        + wave(40.0, x / 3.0)
        + wave(150.0, x / 12.0)
        + wave(300.0, x / 30.0);

    let phi = position.lat.to_radians();
    let m = 1.0 - KRASOVSKY_EE * phi.sin().powi(2);
    let metres_per_radian_north = KRASOVSKY_A_M * (1.0 - KRASOVSKY_EE) / (m * m.sqrt());
    let metres_per_radian_east = KRASOVSKY_A_M / m.sqrt() * phi.cos();
    Position {
        lat: position.lat + (north_m / metres_per_radian_north).to_degrees(),
        lon: position.lon + (east_m / metres_per_radian_east).to_degrees(),
    }
}

/// 百度's further twist on top of GCJ-02.
fn bd09_from_gcj02(position: Position) -> Position {
    const X_PI: f64 = PI * 3000.0 / 180.0;
    let radius = position.lon.hypot(position.lat) + 2e-5 * (position.lat * X_PI).sin();
    let angle = position.lat.atan2(position.lon) + 3e-6 * (position.lon * X_PI).cos();
    Position { lat: radius * angle.sin() + 0.006, lon: radius * angle.cos() + 0.0065 }
}

/// Inverts a shift by fixed-point iteration: the shift changes slowly from place to place, so taking the shift at the
/// last guess off the target lands ever nearer. Ten steps leave less than 1e-9° (0.1 mm). The usual one-step inverses
/// leave up to 2 m (GCJ-02) and 0.3 m (BD-09).
fn undo(target: Position, forward: impl Fn(Position) -> Position) -> Position {
    let mut guess = target;
    for _ in 0..10 {
        let shifted = forward(guess);
        guess = Position { lat: guess.lat + target.lat - shifted.lat, lon: guess.lon + target.lon - shifted.lon };
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> Position {
        Position::new(lat, lon).unwrap()
    }

    fn assert_near(got: Position, want: Position, degrees: f64, what: &str) {
        assert!(
            (got.lat - want.lat).abs() < degrees && (got.lon - want.lon).abs() < degrees,
            "{what}: {got:?} {want:?}"
        );
    }

    #[test]
    fn gcj02_agrees_with_published_vectors() {
        for (wgs84, gcj02) in [
            (at(116.404, 39.915), at(116.410_244_499_169_38, 39.916_404_281_501_64)),
            (at(121.527_210_6, 31.177_427_6), at(121.531_541_859_215, 31.175_303_983_645_97)),
            (at(113.912_316, 22.543_847), at(113.917_176_480_836_3, 22.540_796_131_694_766)),
            (at(116.377_817, 39.911_954), at(116.384_047_224_556_57, 39.913_345_455_360_69)),
        ] {
            // Two of the sources round to five decimals inside; half a metre is the agreement they claim.
            assert_near(from_wgs84(wgs84, Datum::Gcj02), gcj02, 5e-6, "forward");
            assert_near(to_wgs84(gcj02, Datum::Gcj02), wgs84, 5e-6, "inverse");
        }
        let exact = from_wgs84(at(116.404, 39.915), Datum::Gcj02);
        assert_near(exact, at(116.410_244_499_169_38, 39.916_404_281_501_64), 1e-12, "to the last digit");
    }

    #[test]
    fn bd09_agrees_with_published_vectors() {
        let gcj02 = at(116.404, 39.915);
        assert_near(bd09_from_gcj02(gcj02), at(116.410_369_493_710_29, 39.921_336_993_510_21), 1e-12, "forward");
        // The published inverse is the one-step form with its 0.3 m residual.
        let published = at(116.397_627_291_193_15, 39.908_656_739_576_31);
        assert!(distance_m(undo(gcj02, bd09_from_gcj02), published) < 0.5);
    }

    #[test]
    fn the_county_seat_lands_where_each_map_draws_it() {
        let zhongfang = at(109.944, 27.440);
        let gcj02 = from_wgs84(zhongfang, Datum::Gcj02);
        let bd09 = from_wgs84(zhongfang, Datum::Bd09);
        assert_near(gcj02, at(109.948_513_51, 27.436_534_17), 1e-8, "gcj02");
        assert_near(bd09, at(109.954_992_33, 27.442_556_13), 1e-8, "bd09");
        assert!((distance_m(zhongfang, gcj02) - 589.0).abs() < 1.0);
        assert!((distance_m(zhongfang, bd09) - 1121.0).abs() < 2.0);
    }

    #[test]
    fn the_one_step_inverse_of_the_literature_is_near_ours() {
        let one_step = at(116.397_755_500_830_61, 39.913_595_718_498_36);
        assert!(distance_m(to_wgs84(at(116.404, 39.915), Datum::Gcj02), one_step) < 2.0);
    }

    #[test]
    fn there_and_back_is_the_same_place() {
        for datum in Datum::ALL {
            for step in 0..400 {
                let place = at(75.0 + f64::from(step % 20) * 3.0, 5.0 + f64::from(step / 20) * 2.4);
                let back = to_wgs84(from_wgs84(place, datum), datum);
                assert!(distance_m(place, back) < 0.001, "{datum} {place:?} {back:?}");
            }
        }
    }

    #[test]
    fn outside_china_nothing_moves() {
        for place in [at(11.885, 43.467), at(-0.0806, 51.4169), at(-180.0, -90.0), at(180.0, 90.0)] {
            for datum in Datum::ALL {
                assert_eq!(from_wgs84(place, datum), place);
                assert_eq!(to_wgs84(place, datum), place);
            }
        }
    }

    #[test]
    fn cgcs2000_is_taken_as_wgs84() {
        let place = at(109.944, 27.440);
        assert_eq!(to_wgs84(place, Datum::Cgcs2000), place);
        assert_eq!(from_wgs84(place, Datum::Cgcs2000), place);
    }

    #[test]
    fn distances_agree_with_the_published_one_and_the_simple_cases() {
        let shanghai = Position::new(31.175_303_98, 121.531_541_86).unwrap();
        let beijing = Position::new(39.913_345_46, 116.384_047_22).unwrap();
        // Published with the equator's radius.
        let published = 1_078_164.0 * EARTH_RADIUS_M / 6_378_137.0;
        assert!((distance_m(shanghai, beijing) - published).abs() < 1.0);
        assert!(distance_m(beijing, beijing).abs() < f64::EPSILON);
        assert!((distance_m(at(0.0, 0.0), at(180.0, 0.0)) - PI * EARTH_RADIUS_M).abs() < 1.0);
        assert!((distance_m(at(179.9995, 0.0), at(-179.9995, 0.0)) - 111.2).abs() < 0.1, "across the date line");
    }

    #[test]
    fn a_position_outside_the_globe_is_refused() {
        for (lat, lon) in [(90.1, 0.0), (-91.0, 0.0), (f64::NAN, 0.0), (f64::INFINITY, 0.0)] {
            assert!(matches!(Position::new(lat, lon), Err(PositionError::Latitude(_))), "{lat}");
        }
        for (lat, lon) in [(0.0, 180.5), (0.0, -181.0), (0.0, f64::NAN), (0.0, f64::NEG_INFINITY)] {
            assert!(matches!(Position::new(lat, lon), Err(PositionError::Longitude(_))), "{lon}");
        }
        assert!(serde_json::from_str::<Position>(r#"{"lat":127.4,"lon":109.9}"#).is_err());
        assert!(serde_json::from_str::<Position>(r#"{"lat":27.44,"lon":109.944}"#).is_ok());
    }

    #[test]
    fn the_name_on_the_wire_is_one_and_the_same_everywhere() {
        for datum in Datum::ALL {
            assert_eq!(datum.as_str().parse(), Ok(datum));
            assert_eq!(serde_json::to_string(&datum).unwrap(), format!("\"{datum}\""));
        }
        assert!("GCJ-02".parse::<Datum>().is_err());
    }
}
