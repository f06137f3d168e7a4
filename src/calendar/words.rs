//! Limits as people write them in tables: `2紧急工作时`, `4小时`, `5天`, `1.5工作时`, `3个工作日`.

use super::rules::{Limit, LimitKind};
use crate::error::{Code, Result};

/// Longest first: the shorter ones end the longer ones. In the tables of case standards a bare hour is a working hour
/// and a bare day a working day.
const UNITS: &[(&str, LimitKind)] = &[
    ("紧急工作时", LimitKind::UrgentHour),
    ("紧急工作日", LimitKind::NaturalDay),
    ("紧急小时", LimitKind::UrgentHour),
    ("个工作日", LimitKind::WorkDay),
    ("自然日", LimitKind::NaturalDay),
    ("工作时", LimitKind::WorkHour),
    ("工作日", LimitKind::WorkDay),
    ("小时", LimitKind::WorkHour),
    ("天", LimitKind::WorkDay),
    ("日", LimitKind::WorkDay),
];

/// Reads a limit; what stands behind it (`1紧急工作时制止`) is given back as a remark.
///
/// # Errors
/// `value_invalid`.
pub fn read(text: &str) -> Result<(Limit, &str)> {
    let text = text.trim();
    let wrong =
        || Code::ValueInvalid.with(format!("{text:?} is no limit such as 2紧急工作时, 4工作时, 5工作日 or 3自然日"));
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let value: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let rest = text[digits..].trim_start();
    let found = UNITS.iter().find_map(|(word, kind)| rest.strip_prefix(word).map(|rest| (*kind, rest)));
    let (kind, remark) = found.ok_or_else(wrong)?;
    Ok((Limit::new(kind, value)?, remark.trim()))
}

/// A limit as it is written in Chinese: `2紧急工作时`.
#[must_use]
pub fn write(limit: Limit) -> String {
    let unit = match limit.kind {
        LimitKind::UrgentHour => "紧急工作时",
        LimitKind::NaturalDay => "自然日",
        LimitKind::WorkHour => "工作时",
        LimitKind::WorkDay => "工作日",
    };
    format!("{}{unit}", limit.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_tables_write_them() {
        for (text, kind, value, remark) in [
            ("2紧急工作时", LimitKind::UrgentHour, 2.0, ""),
            (" 4小时  ", LimitKind::WorkHour, 4.0, ""),
            ("4工作时", LimitKind::WorkHour, 4.0, ""),
            ("1.5工作时", LimitKind::WorkHour, 1.5, ""),
            ("15天", LimitKind::WorkDay, 15.0, ""),
            ("2工作日", LimitKind::WorkDay, 2.0, ""),
            ("3 个工作日", LimitKind::WorkDay, 3.0, ""),
            ("2紧急工作日", LimitKind::NaturalDay, 2.0, ""),
            ("7自然日", LimitKind::NaturalDay, 7.0, ""),
            ("1紧急工作时制止", LimitKind::UrgentHour, 1.0, "制止"),
        ] {
            assert_eq!(read(text).unwrap(), (Limit::new(kind, value).unwrap(), remark), "{text}");
        }
        for wrong in ["", "天", "2", "2周", "-1天", "0天", "1..5天", "1.25天", "99999天", "两天"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for kind in LimitKind::ALL {
            for value in [0.5, 1.0, 15.0, 1000.0] {
                let limit = Limit::new(*kind, value).unwrap();
                assert_eq!(read(&write(limit)).unwrap(), (limit, ""));
            }
        }
    }
}
