//! One line for each answer, without what is random in it: names, tokens and fresh ids. Two servers that decide alike
//! leave the same lines.

use crate::{
    client::engine::{Ask, Heard},
    sync::wire::{Change, OpResult},
};

/// A question and its answer.
pub fn told(ask: &Ask, heard: &Heard) -> String {
    let asked = match ask {
        Ask::Push(push) => {
            let tried = &push.attempt;
            format!("push {}/{} of {}", tried.epoch, tried.number, push.batch.len())
        }
        Ask::Raw(op) => format!("raw {}", op.op_id),
        Ask::Epoch(ask) => format!("epoch {} {}", ask.request.epoch, ask.request.reason),
        Ask::Changes(ask) => format!("changes{}", if ask.digest { " digest" } else { "" }),
        Ask::Snapshot(ask) => format!("snapshot {:?} since {}", ask.keys, ask.since.is_some()),
        Ask::Refresh => "refresh".to_owned(),
    };
    format!("{asked} -> {}", answer(heard))
}

fn ordinal(generation: &str) -> u64 {
    crate::db::feed::generation_ordinal(generation)
}

fn answer(heard: &Heard) -> String {
    match heard {
        Heard::Push(push) => {
            let results: Vec<String> = push.results.iter().map(result).collect();
            format!("g{} {} missing {:?}", ordinal(&push.generation), results.join(" | "), push.missing_seqs)
        }
        Heard::Raw(raw) => raw.status.to_string(),
        Heard::Epoch(epoch) => format!("g{} epoch {}", ordinal(&epoch.generation), epoch.epoch),
        Heard::Changes(page) => {
            let digest = if page.digest.is_some() { " digest" } else { "" };
            let more = if page.has_more { "+" } else { "" };
            format!("g{} ..{}{more} {}{digest}", ordinal(&page.generation), page.seq, changes(&page.changes))
        }
        Heard::Snapshot(page) => format!(
            "g{} at {} of {:?} scope {:?} more {} {}",
            ordinal(&page.generation),
            page.seq,
            page.of,
            page.scope,
            page.next_page.is_some(),
            changes(&page.items)
        ),
        Heard::Problem { status, code, .. } => format!("{status} {code}"),
        Heard::Refreshed => "refreshed".to_owned(),
        Heard::Nothing => "nothing".to_owned(),
        Heard::Strange(what) => format!("strange: {what}"),
    }
}

fn changes(changes: &[Change]) -> String {
    let one = |change: &Change| {
        let Change { seq, t, kind, id, ver, keys, data } = change;
        let data: serde_json::Value =
            data.as_ref().and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or_default();
        // A photo's record has an id of its own on each server.
        let id = if kind == "evidence" { data["sha256"].as_str().unwrap_or("a photo") } else { id.as_str() };
        let told: Option<OpResult> = serde_json::from_value(data.clone()).ok().filter(|_| kind == "op_result");
        let (state, told) = (&data["state"], told.map(|told| result(&told)).unwrap_or_default());
        let state = if kind == "case" { state.to_string() } else { String::new() };
        format!("[{seq} {t} {kind} {id} {ver:?} {} {state}{told}]", keys.join(","))
    };
    let mut lines: Vec<String> = changes.iter().map(one).collect();
    lines.sort_unstable();
    lines.concat()
}

fn result(result: &OpResult) -> String {
    let OpResult { op_id, status, duplicate, code, ver, result_seq, winner, waiting, adjusted, .. } = result;
    let id = op_id.map(|id| id.to_string()).unwrap_or_default();
    format!(
        "{id} {status}{} {code:?} {ver:?} #{result_seq:?} {winner:?} {waiting:?} {adjusted:?} {}",
        if *duplicate { " again" } else { "" },
        if result.conflict_id.is_some() { "named" } else { "" }
    )
}
