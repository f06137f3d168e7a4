//! The queues of the Centre's work: which cases wait for what.

use crate::{db::Db, identity::rules::text_enum};
use serde::{Deserialize, Serialize};

text_enum! {
    /// Cases that wait for the same thing. One case may be in several.
    Queue {
        /// 待受理、待派遣: reported.
        Accept = "accept",
        /// 回退: returned by a unit.
        Redispatch = "redispatch",
        /// 待处置: with a unit, its clock running.
        Handle = "handle",
        /// 返工: with a unit again.
        Rework = "rework",
        /// 已超期: the deadline has passed.
        Overdue = "overdue",
        /// 延期审批.
        Extension = "extension",
        /// 挂账审批.
        HoldRequest = "hold_request",
        /// 挂账: the clock stands still.
        Held = "held",
        /// 待审核: the unit asked for closing.
        Audit = "audit",
        /// 核查中: with the city's collector.
        Verify = "verify",
        /// 待结案: the city sent its closing notice.
        Confirm = "confirm",
    }
}

const RUNNING: &str =
    "state IN ('reported', 'dispatched', 'handled', 'closing_applied', 'verifying', 'verified', 'returned')";

/// A condition on cases in an engine's words: its parameters, and `{held}` for a clock that stands still, which is when
/// the last pause has no end.
#[must_use]
pub fn in_words_of(db: &Db, text: &str) -> String {
    let (text, last) = match db {
        Db::Postgres(_) => (text.to_owned(), "(pauses ->> -1)"),
        Db::Sqlite(_) => (text.replace('$', "?"), "json_extract(pauses, '$[#-1]')"),
    };
    text.replace("{held}", &format!("COALESCE({last} NOT LIKE '%\"until\"%', FALSE)"))
}

impl Queue {
    /// The condition on a case, for [`in_words_of`]. `{now}` stands for the moment.
    pub(super) fn condition(self) -> String {
        let text = match self {
            Queue::Accept => "state = 'reported'",
            Queue::Redispatch => "state = 'returned'",
            Queue::Handle => "state IN ('dispatched', 'handled') AND NOT {held}",
            Queue::Rework => "state IN ('dispatched', 'handled') AND rework_count > 0",
            // By the stages, which are few: nearly every deadline there ever was has passed, and its index holds them all.
            Queue::Overdue => "{running} AND COALESCE(due_at, due_at) < {now} AND NOT {held}",
            Queue::Extension => "extension_until IS NOT NULL AND {running}",
            Queue::HoldRequest => "hold_reason IS NOT NULL AND {running}",
            Queue::Held => "state IN ('dispatched', 'handled') AND {held}",
            Queue::Audit => "state = 'closing_applied'",
            Queue::Verify => "state = 'verifying'",
            Queue::Confirm => "state = 'verified'",
        };
        text.replace("{running}", RUNNING)
    }
}
