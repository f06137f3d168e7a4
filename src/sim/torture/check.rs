//! The reckoning: what the devices' stores and ledgers say, against the server's tables and against what it tells a
//! stranger over HTTP.
//!
//! The invariants by their names in the protocol's test plan: I1 acknowledged is durable, I2 one application, I3 a
//! result stays, I4 nothing undecided without its payload, I5 effect, result and feed together, I6 chains in order,
//! C1 each view is its scope, C2 the feed has no holes, T1 bytes are as they were, S1 what was signed is one whole chain,
//! L1 everybody came home.

use super::{
    Report,
    device::{PACE, PATIENCE, ledger_path, store_path},
    ledger::{self, Told},
};
use crate::{
    client::{
        ClientError, Result,
        http::Api,
        rules::batch,
        store::{MediaState, Queued, Sent, Store},
        sync::{Client, Step},
    },
    db::{
        Db, Purpose,
        schema::{case_events, cases, changes, spot_checks, sync_clock, sync_ops, sync_raw},
        types::{CaseId, DeviceId, OpId},
    },
    env::Env,
    identity::tokens::{hex, sha256},
    sim::{
        check::{self, Findings},
        county::{Account, County},
        office::Desk,
    },
    sync::wire::{Base, MAX_OPS, Op, Status},
};
use diesel::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

/// Kinds of records that devices see.
const KINDS: [&str; 6] = ["unit", "site", "case", "spot_check", "evidence", "spot"];

/// An operation as the server keeps it.
struct Kept {
    device: DeviceId,
    raw: Vec<u8>,
    status: Status,
    code: Option<String>,
    ver: Option<i64>,
    conflict: bool,
}

/// What the server's tables hold.
struct Tables {
    ops: HashMap<OpId, Kept>,
    /// The effects of each operation: the case and its place in the timeline, or nothing for a spot check.
    effects: HashMap<OpId, Vec<Option<(CaseId, i64)>>>,
    /// Operations that the feed names, with the numbers.
    told: HashMap<OpId, HashSet<i64>>,
    /// Bytes that came as bytes.
    raw: HashSet<Vec<u8>>,
}

/// One device at the end of the day.
struct Home {
    name: String,
    client: Client,
    told: Told,
    device: DeviceId,
    answered: Vec<Sent>,
}

/// Compares everything, and writes what it finds into the report.
///
/// # Errors
/// When something can't be read at all.
pub fn reckon(url: &str, database: &str, folders: &[PathBuf], county: &County, report: &mut Report) -> Result<()> {
    let api = Api::new(url, PATIENCE)?;
    let mut homes = Vec::new();
    for (n, folder) in folders.iter().enumerate() {
        homes.push(open(n, folder, &api)?);
    }
    // Signing in may release what waited for it, which others then read: first all of them, then the reading.
    for (home, (_, account)) in homes.iter_mut().zip(&county.handhelds) {
        home.client.login(&account.username, &account.password)?;
    }
    for home in &mut homes {
        read_to_the_end(&mut home.client)?;
        home.answered = home.client.store.answered()?;
    }
    let mut db = Db::open(database, Purpose::Read).map_err(|e| ClientError::Store(e.to_string()))?;
    let tables = tables(&mut db)?;
    feed(&mut db, report)?;
    timelines(&mut db, report)?;
    let mut known = HashSet::new();
    let mut stored = HashSet::new();
    for home in &mut homes {
        stored.extend(home.client.store.media(MediaState::Stored)?.into_iter().map(|media| media.sha256));
    }
    for home in &mut homes {
        operations(home, &tables, report)?;
        chains(home, &tables, report)?;
        again(home, &tables, &stored, report)?;
        known.extend(home.answered.iter().map(|sent| sent.op_id));
    }
    for (op, kept) in tables.ops.iter().filter(|(op, _)| !known.contains(op)) {
        report.doubled.push(format!("I2: the server keeps {op} of device {}, which no device ever made", kept.device));
    }
    for ((home, folder), (_, account)) in homes.iter_mut().zip(folders).zip(&county.handhelds) {
        view(home, folder, &api, account, report)?;
    }
    files(&api, county, &mut homes, report)
}

fn open(n: usize, folder: &Path, api: &Api) -> Result<Home> {
    let mut store = Store::open(&store_path(folder))?;
    let told = match ledger_path(folder) {
        path if path.exists() => ledger::read(&path)?,
        _ => Told::default(),
    };
    let device = store.identity()?.device;
    let client = Client::new(store, api.clone(), Env::system(), "torture/1", PACE);
    Ok(Home { name: format!("device {}", n + 1), client, told, device, answered: Vec::new() })
}

fn read_to_the_end(client: &mut Client) -> Result<()> {
    for _ in 0..100_000 {
        match client.pull()? {
            Step::Idle => return Ok(()),
            Step::Moved => {}
            Step::Wait(wait, _) => std::thread::sleep(wait),
            Step::Stopped(need) => return Err(ClientError::Unreadable(format!("reading the feed: {need:?}"))),
        }
    }
    Err(ClientError::Offline("the feed has no end".into()))
}

fn tables(db: &mut Db) -> Result<Tables> {
    type Row = (OpId, DeviceId, Vec<u8>, String, Option<String>, Option<i64>);
    let rows: Vec<Row> = sync_ops::table
        .select((sync_ops::op_id, sync_ops::device_id, sync_ops::raw, sync_ops::status, sync_ops::code, sync_ops::ver))
        .load(db)?;
    let conflicts: Vec<OpId> =
        sync_ops::table.filter(sync_ops::conflict_id.is_not_null()).select(sync_ops::op_id).load(db)?;
    let conflicts: HashSet<OpId> = conflicts.into_iter().collect();
    let mut ops = HashMap::new();
    for (op, device, raw, status, code, ver) in rows {
        let status = status.parse()?;
        ops.insert(op, Kept { device, raw, status, code, ver, conflict: conflicts.contains(&op) });
    }
    let mut effects: HashMap<OpId, Vec<Option<(CaseId, i64)>>> = HashMap::new();
    let events: Vec<(Option<OpId>, CaseId, i64)> =
        case_events::table.select((case_events::op_id, case_events::case_id, case_events::seq)).load(db)?;
    for (op, case, seq) in events.into_iter().filter_map(|(op, case, seq)| Some((op?, case, seq))) {
        effects.entry(op).or_default().push(Some((case, seq)));
    }
    let checks: Vec<Option<OpId>> = spot_checks::table.select(spot_checks::op_id).load(db)?;
    for op in checks.into_iter().flatten() {
        effects.entry(op).or_default().push(None);
    }
    let mut told: HashMap<OpId, HashSet<i64>> = HashMap::new();
    let feed: Vec<(i64, Option<OpId>)> = changes::table.select((changes::seq, changes::op_id)).load(db)?;
    for (seq, op) in feed.into_iter().filter_map(|(seq, op)| Some((seq, op?))) {
        told.entry(op).or_default().insert(seq);
    }
    let raw: Vec<Vec<u8>> = sync_raw::table.select(sync_raw::raw).load(db)?;
    Ok(Tables { ops, effects, told, raw: raw.into_iter().collect() })
}

/// C2: the feed's numbers are dense from the oldest that is kept to the counter.
fn feed(db: &mut Db, report: &mut Report) -> Result<()> {
    let head: i64 = sync_clock::table.select(sync_clock::n).first(db)?;
    let mut numbers: Vec<i64> = changes::table.select(changes::seq).load(db)?;
    numbers.sort_unstable();
    report.feed_rows = numbers.len() as u64;
    for pair in numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1) {
        report.holes.push(format!("C2: the feed goes from {} to {}", pair[0], pair[1]));
    }
    if numbers.last().is_some_and(|last| *last != head) {
        report.holes.push(format!("C2: the feed ends at {:?}, the counter at {head}", numbers.last()));
    }
    Ok(())
}

/// I2, I5: each case's timeline is dense, and so are the versions in it, up to the case's own; numbers are unique.
fn timelines(db: &mut Db, report: &mut Report) -> Result<()> {
    let rows: Vec<(CaseId, String, i64, i64)> =
        cases::table.select((cases::id, cases::number, cases::ver, cases::lines)).load(db)?;
    let events: Vec<(CaseId, i64, Option<i64>)> =
        case_events::table.select((case_events::case_id, case_events::seq, case_events::ver)).load(db)?;
    let mut lines: HashMap<CaseId, (Vec<i64>, Vec<i64>)> = HashMap::new();
    for (case, seq, ver) in events {
        let entry = lines.entry(case).or_default();
        entry.0.push(seq);
        entry.1.extend(ver);
    }
    let mut numbers = HashSet::new();
    report.cases = rows.len() as u64;
    for (case, number, ver, count) in rows {
        let (mut seqs, mut vers) = lines.remove(&case).unwrap_or_default();
        seqs.sort_unstable();
        vers.sort_unstable();
        if !seqs.into_iter().eq(1..=count) || !vers.into_iter().eq(1..=ver) {
            report.doubled.push(format!("I2: the timeline of case {number} ({case}) is not dense up to {count}/{ver}"));
        }
        if !numbers.insert(number.clone()) {
            report.doubled.push(format!("I2: the number {number} was given twice"));
        }
    }
    for case in lines.keys() {
        report.missing.push(format!("I5: case {case} has a timeline and is not there"));
    }
    Ok(())
}

/// I1, I2, I3, I4, I5 for every operation that this device has ever called saved.
fn operations(home: &mut Home, tables: &Tables, report: &mut Report) -> Result<()> {
    let name = &home.name;
    let sent: HashMap<OpId, &Sent> = home.answered.iter().map(|sent| (sent.op_id, sent)).collect();
    let waiting = home.client.store.waiting(MAX_OPS)?;
    report.saved += home.told.saved.len().max(sent.len()) as u64;
    report.acknowledged += sent.len() as u64;
    for told in home.told.lives.values() {
        report.pushed += told[0];
        report.duplicates += told[1];
        report.unanswered += told[2];
        report.files_sent += told[3];
        report.file_cuts += told[4];
    }
    report.stopped.extend(home.told.stopped.iter().map(|what| format!("{name}: {what}")));
    if !waiting.is_empty() {
        report.not_home.push(format!("L1: {name}: {} operations still wait", waiting.len()));
    }
    for (op, hash) in &home.told.saved {
        match sent.get(op) {
            None if waiting.iter().any(|queued| queued.op_id == *op) => {}
            None => report.missing.push(format!("{name}: {op} was called saved, and its own store has lost it")),
            Some(sent) if hex(&sha256(sent.raw.as_bytes())) != *hash => {
                report.changed.push(format!("{name}: the bytes of {op} changed in its own store"));
            }
            Some(_) => {}
        }
    }
    for (op, answers) in &home.told.answered {
        if !sent.contains_key(op) {
            report.missing.push(format!("{name}: the answer to {op} was stored, and is gone from the device"));
        }
        for (status, code, ver) in answers.iter().filter(|(status, ..)| terminal(*status)) {
            let now = tables.ops.get(op).map(|kept| (kept.status, kept.code.clone(), kept.ver));
            if now.as_ref().is_some_and(|now| *now != (*status, code.clone(), *ver)) {
                report.changed.push(format!("I3: {name}: {op} was {status} {code:?} {ver:?}, is {now:?}"));
            }
        }
    }
    for sent in &home.answered {
        one(home, sent, tables, report);
    }
    Ok(())
}

/// Results that must never change again.
fn terminal(status: Status) -> bool {
    matches!(status, Status::Applied | Status::Merged | Status::Superseded | Status::Rejected)
}

fn one(home: &Home, sent: &Sent, tables: &Tables, report: &mut Report) {
    let (name, op, status) = (&home.name, sent.op_id, sent.result.status);
    *report.statuses.entry(status.to_string()).or_default() += 1;
    if status == Status::Quarantined {
        // Nobody was revoked here, so each of these is a fault that the server found in itself.
        report.stopped.push(format!("{name}: the server put {op} aside ({:?})", sent.result.code));
    }
    let Some(kept) = tables.ops.get(&op) else {
        if status == Status::Quarantined && tables.raw.contains(sent.raw.as_bytes()) {
            return;
        }
        report.missing.push(format!("I1: {name}: {op} was answered {status} and is not on the server"));
        return;
    };
    if kept.raw != sent.raw.as_bytes() {
        let which = if terminal(kept.status) { "I1" } else { "I4" };
        report.changed.push(format!("{which}: {name}: the server keeps other bytes of {op} than were sent"));
    }
    if kept.device != home.device {
        report.changed.push(format!("{name}: the server keeps {op} as another device's"));
    }
    if kept.status != status {
        report.changed.push(format!(
            "I3: {name}: {op} is {status} on the device and {} on the server after everything was read",
            kept.status
        ));
    }
    if kept.status == Status::Conflict && !kept.conflict {
        report.changed.push(format!("I4: {name}: {op} is a conflict that nobody can find"));
    }
    let effects = tables.effects.get(&op).map_or(0, Vec::len);
    match (kept.status.settled_well(), effects) {
        (true, 1) | (false, 0) => {}
        (true, 0) => report.missing.push(format!("I5: {name}: {op} is {} and had no effect", kept.status)),
        (_, n) => report.doubled.push(format!("I2: {name}: {op} is {} and had {n} effects", kept.status)),
    }
    if kept.status == Status::Applied {
        // The feed is as long as the run: nothing has been forgotten.
        if !tables.told.contains_key(&op) {
            report.missing.push(format!("I5: {name}: {op} is applied and the feed does not tell"));
        }
    }
}

/// I6: an operation took effect only after all that it builds on, and in that order.
fn chains(home: &Home, tables: &Tables, report: &mut Report) -> Result<()> {
    for sent in &home.answered {
        let op: Op = serde_json::from_str(&sent.raw).map_err(|e| ClientError::Store(e.to_string()))?;
        let base = match op.base {
            Some(Base::Op { op }) => Some(op),
            _ => None,
        };
        let Some(own) = tables.effects.get(&op.op_id) else { continue };
        for before in base.into_iter().chain(op.depends_on) {
            report.links += 1;
            let well = tables.ops.get(&before).is_some_and(|kept| kept.status.settled_well());
            let earlier = tables.effects.get(&before);
            // Within one case the timeline tells the order.
            let in_order = earlier.is_some_and(|earlier| {
                earlier.iter().flatten().all(|(case, seq)| own.iter().flatten().all(|(c, s)| c != case || s > seq))
            });
            if !well || !in_order {
                report.changed.push(format!("I6: {}: {} took effect before or without {before}", home.name, op.op_id));
            }
        }
    }
    Ok(())
}

/// I1, I3 over HTTP: everything is sent again, and each must be known with the very result the device has.
fn again(home: &mut Home, tables: &Tables, stored: &HashSet<String>, report: &mut Report) -> Result<()> {
    let queued: Vec<Queued> =
        home.answered.iter().map(|sent| Queued { op_id: sent.op_id, raw: sent.raw.clone() }).collect();
    let mut from = 0;
    while from < queued.len() {
        let part = &queued[from..];
        let part = &part[..batch(part.iter().map(|queued| queued.raw.len()), MAX_OPS)];
        let response = home.client.push_again(part)?;
        if response.results.is_empty() {
            return Err(ClientError::Unreadable(format!("{}: a repeat of {} has no results", home.name, part.len())));
        }
        for (sent, result) in home.answered[from..].iter().zip(&response.results) {
            let (first, now) = (&sent.result, result);
            let same = now.op_id == Some(sent.op_id) && now.status == first.status && now.ver == first.ver;
            if !now.duplicate {
                let op = sent.op_id;
                report.missing.push(format!("I1: {}: {op} was answered and was new to the server", home.name));
            } else if !same {
                report.changed.push(format!("I3: {}: {first:?} was answered {now:?} again", home.name));
            }
            if now.status == Status::Held && !waits(&now.waiting, tables, stored) {
                let (op, keys) = (sent.op_id, now.waiting.join(" "));
                report.stuck.push(format!("L1: {}: {op} is held for {keys:?}, which has come", home.name));
            }
        }
        report.repeats += response.results.len() as u64;
        from += response.results.len();
    }
    Ok(())
}

/// Whether something that a held operation waits for is still to come. Everybody has signed in, so no login is.
fn waits(keys: &[String], tables: &Tables, stored: &HashSet<String>) -> bool {
    keys.iter().any(|key| match key.split_once(':') {
        Some(("op", id)) => {
            let before = id.parse().ok().and_then(|id: OpId| tables.ops.get(&id));
            before.is_none_or(|kept| !kept.status.settled_well())
        }
        Some(("evidence", sha256)) => !stored.contains(sha256),
        Some(("login", _)) => false,
        _ => true,
    })
}

type View = BTreeMap<(String, String), (i64, serde_json::Value)>;

fn seen(store: &mut Store) -> Result<View> {
    let mut view = View::new();
    for kind in KINDS {
        for (id, ver, data) in store.records(kind)? {
            view.insert((kind.to_owned(), id), (ver, data));
        }
    }
    Ok(view)
}

/// C1: what the feed has made of the device's view is what a fresh reader of the same scope gets, and the cases in it
/// are those that the person is shown over REST.
fn view(home: &mut Home, folder: &Path, api: &Api, account: &Account, report: &mut Report) -> Result<()> {
    let own = seen(&mut home.client.store)?;
    let path = folder.join("fresh.db");
    for ending in ["", "-wal", "-shm"] {
        drop(fs::remove_file(folder.join(format!("fresh.db{ending}"))));
    }
    let mut fresh = Store::open(&path)?;
    fresh.set_session(Some(&home.client.store.session()?))?;
    let mut fresh = Client::new(fresh, api.clone(), Env::system(), "torture/1", PACE);
    read_to_the_end(&mut fresh)?;
    let truth = seen(&mut fresh.store)?;
    report.rows_compared += truth.len() as u64;
    let keys: BTreeSet<_> = own.keys().chain(truth.keys()).collect();
    for (kind, id) in keys {
        let key = (kind.clone(), id.clone());
        let what = match (own.get(&key), truth.get(&key)) {
            (Some(own), Some(truth)) if own == truth => continue,
            (Some((own, _)), Some((truth, _))) => format!("shows version {own}, the server has {truth}, or other data"),
            (Some(_), None) => "is a ghost: the server does not show it".to_owned(),
            _ => "is missing: the server shows it".to_owned(),
        };
        report.views.push(format!("C1: {}: {kind} {id} {what}", home.name));
    }
    let desk = Desk::sign_in(api, account)?;
    let shown: BTreeMap<String, i64> = desk
        .all("/api/v1/cases?limit=200")?
        .iter()
        .filter_map(|case| Some((case["id"].as_str()?.to_owned(), case["ver"].as_i64()?)))
        .collect();
    let view: BTreeMap<String, i64> =
        own.into_iter().filter(|((kind, _), _)| kind == "case").map(|((_, id), (ver, _))| (id, ver)).collect();
    if shown != view {
        let odd = shown.iter().filter(|(id, ver)| view.get(*id) != Some(ver)).count();
        let (a, b) = (view.len(), shown.len());
        report.views.push(format!("C1: {}: {a} cases in view, {b} over REST, {odd} of these differ", home.name));
    }
    Ok(())
}

/// T1: every file that a device has a receipt for comes back as it was sent.
fn files(api: &Api, county: &County, homes: &mut [Home], report: &mut Report) -> Result<()> {
    let reader = Desk::sign_in(api, &county.supervisor)?;
    let mut expected = Vec::new();
    for home in homes.iter_mut() {
        let stored = home.client.store.media(MediaState::Stored)?;
        expected.extend(stored.into_iter().map(|media| (media.sha256, u64::try_from(media.size).unwrap_or(0))));
        let waiting = home.client.store.media(MediaState::Waiting)?.len();
        if waiting > 0 {
            report.not_home.push(format!("L1: {}: {waiting} files still wait", home.name));
        }
    }
    let mut found = Findings::default();
    check::files(&reader, &expected, &mut found, &|| {})?;
    report.files += found.photos + found.videos;
    report.bad_files.extend(std::mem::take(&mut found.bad_files).into_iter().map(|what| format!("T1: {what}")));
    report.doubled.extend(std::mem::take(&mut found.doubled));
    for home in homes {
        check::captures(&reader, &home.name, &mut home.client.store, &mut found)?;
    }
    report.captures += found.captures;
    report.missing.extend(found.unsigned.into_iter().map(|what| format!("S1: {what}")));
    // No store was copied, so a number that two records bear, or none, is a chain that a crash has broken.
    if (found.gaps, found.forks) != (0, 0) {
        report.changed.push(format!("S1: {} gaps and {} forks in what devices signed", found.gaps, found.forks));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_decided_results_are_final() {
        let open: Vec<Status> = Status::ALL.iter().copied().filter(|status| !terminal(*status)).collect();
        assert_eq!(open, [Status::Conflict, Status::Held, Status::Quarantined]);
    }
}
