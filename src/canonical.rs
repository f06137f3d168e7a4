//! One spelling of a JSON value, for what is hashed or signed: RFC 8785, for the values we use.
//!
//! Keys are sorted by their UTF-16 code units, nothing stands between tokens, strings are escaped as ECMAScript does.
//! Numbers are whole: a float has many spellings in the world and one here would invite the others, so it is refused.

use crate::error::{Code, Result};
use serde_json::Value;
use std::fmt::Write;

/// The largest whole number that every reader of JSON keeps exactly (RFC 7493 §2.2).
const MOST: i64 = (1 << 53) - 1;

/// The canonical text of a value.
///
/// # Errors
/// `value_invalid` for a number with a fraction, or one beyond ±(2⁵³ − 1).
pub fn canonical(value: &Value) -> Result<String> {
    let mut text = String::new();
    put(value, &mut text)?;
    Ok(text)
}

fn put(value: &Value, text: &mut String) -> Result<()> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(yes) => text.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => {
            let whole = number.as_i64().filter(|n| (-MOST..=MOST).contains(n));
            let whole =
                whole.ok_or_else(|| Code::ValueInvalid.with(format!("{number}: whole numbers up to 2^53-1")))?;
            text.push_str(&whole.to_string());
        }
        Value::String(string) => put_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                put(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<(Vec<u16>, &String, &Value)> =
                members.iter().map(|(key, value)| (key.encode_utf16().collect(), key, value)).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            text.push('{');
            for (n, (_, key, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                put_string(key, text);
                text.push(':');
                put(value, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn put_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' => drop(write!(text, "\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_by_code_units_and_strings_have_one_spelling() {
        // The order of RFC 8785 §3.2.3, where a surrogate pair sorts before U+FB33.
        let value = json!({
            "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7,
        });
        let text = canonical(&value).unwrap();
        assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}");
        let odd = json!(["\u{1}\"\\/\u{7f}中", null, true, [], {}]);
        assert_eq!(canonical(&odd).unwrap(), "[\"\\u0001\\\"\\\\/\u{7f}中\",null,true,[],{}]");
    }

    #[test]
    fn what_has_no_single_spelling_is_refused() {
        for number in ["1.5", "1e400", "9007199254740992", "-9007199254740992", "1.0"] {
            let Ok(value) = serde_json::from_str::<Value>(number) else { continue };
            assert_eq!(canonical(&value).unwrap_err().code, Code::ValueInvalid, "{number}");
        }
        assert_eq!(canonical(&json!([9_007_199_254_740_991_i64, 0, -5])).unwrap(), "[9007199254740991,0,-5]");
    }
}
