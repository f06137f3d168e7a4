//! The operation types of this server, and how older ones are read as newer ones.

use super::wire::Op;
use crate::error::{Code, Result};
use serde_json::Value;

/// The types and versions that an area acts on as they are.
const CURRENT: &[Version] = &[
    ("case.report", 1),
    ("case.dispatch", 1),
    ("case.handle", 1),
    ("case.apply_closing", 1),
    ("case.refuse_closing", 1),
    ("case.request_verification", 1),
    ("case.verify", 1),
    ("case.notify_closing", 1),
    ("case.confirm_closing", 1),
    ("case.return", 1),
    ("case.request_extension", 1),
    ("case.decide_extension", 1),
    ("case.request_hold", 1),
    ("case.decide_hold", 1),
    ("case.resume", 1),
    ("case.void", 1),
    ("case.reopen", 1),
    ("case.note", 1),
    ("case.edit", 1),
    ("spot_check.record", 1),
    ("spot.observe", 1),
];

/// A type in one version.
type Version = (&'static str, i32);
/// Turns arguments of one version into those of the next.
type Upcast = fn(Value) -> Result<Value>;

/// How older operations are read: type and version, the type and version they become, and how. Kept for ever, because a
/// handheld may lie in a drawer for ever.
const UPCASTS: &[(Version, Version, Upcast)] = &[
    // The first handhelds called the unit's own step by the city's word for it (反馈) and its words `text`.
    (("case.feedback", 1), ("case.handle", 1), |args| renamed(args, "text", "note")),
];

fn renamed(mut args: Value, from: &str, to: &str) -> Result<Value> {
    let object = args.as_object_mut().ok_or(Code::ArgsInvalid)?;
    if let Some(value) = object.remove(from) {
        object.insert(to.to_owned(), value);
    }
    Ok(args)
}

/// Every type and version this server can act on.
pub fn known() -> impl Iterator<Item = Version> {
    CURRENT.iter().copied().chain(UPCASTS.iter().map(|(from, _, _)| *from))
}

/// Whether this server can act on the type in this version.
pub fn supported(op_type: &str, version: i32) -> bool {
    known().any(|known| known == (op_type, version))
}

/// What an operation of an unknown type waits for: a server that knows it.
pub fn wait_for(op_type: &str, version: i32) -> String {
    format!("type:{op_type}:{version}")
}

/// The operation in the newest version of its type; its own bytes stay as they came.
///
/// # Errors
/// `args_invalid`.
pub fn upcast(op: &Op) -> Result<std::borrow::Cow<'_, Op>> {
    let mut op = std::borrow::Cow::Borrowed(op);
    while let Some((_, (name, version), turn)) =
        UPCASTS.iter().find(|((name, version), _, _)| *name == op.r#type && *version == op.v)
    {
        let owned = op.to_mut();
        owned.args = turn(std::mem::take(&mut owned.args))?;
        (owned.r#type, owned.v) = ((*name).to_owned(), *version);
    }
    Ok(op)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_upcast_ends_at_a_current_type() {
        for ((name, version), _, _) in UPCASTS {
            let (mut at, mut steps) = ((*name, *version), 0);
            while let Some((_, to, _)) = UPCASTS.iter().find(|(from, _, _)| *from == at) {
                (at, steps) = (*to, steps + 1);
                assert!(steps < 10, "{name} {version} never ends");
            }
            assert!(CURRENT.contains(&at), "{name} {version} ends at {at:?}");
        }
    }

    #[test]
    fn the_first_handhelds_feedback_is_a_step_of_the_unit() {
        let args = renamed(serde_json::json!({ "text": "已清理" }), "text", "note").unwrap();
        assert_eq!(args, serde_json::json!({ "note": "已清理" }));
        assert!(supported("case.feedback", 1) && !supported("case.feedback", 2));
    }
}
