//! What people do: on a device, from what it shows them; and at the Centre.

use super::{
    mutant::Mutant,
    pocket::Pocket,
    server::{BREAKS, Server},
    world::World,
};
use crate::{
    cases::rules::Command,
    client::{
        Result,
        store::{Attachment, Draft},
    },
    db::types::{CaseId, OpId},
    identity::{
        rules::Role,
        tokens::{hex, sha256},
    },
    sync::wire::{Base, EvidenceRef, Target},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::path::PathBuf;
use uuid::Uuid;

/// Words that break whoever acts on them.
pub const POISON: &str = "☠";

/// A case as a device shows it.
struct Shown {
    id: Uuid,
    state: String,
    title: String,
}

fn shown<S: Server, P: Pocket>(world: &mut World<S, P>, place: usize) -> Result<Vec<Shown>> {
    let sight = world.devices[place].pocket.sight()?;
    let cases = sight.iter().filter(|((kind, _), _)| kind == "case");
    Ok(cases
        .filter_map(|((_, id), (_, data))| {
            let data: Value = serde_json::from_str(data).ok()?;
            let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
            Some(Shown { id: id.parse().ok()?, state: text("state"), title: text("title") })
        })
        .collect())
}

/// The person who holds a device does something.
///
/// # Errors
/// The store's own.
pub fn act<S: Server, P: Pocket>(world: &mut World<S, P>, place: usize) -> Result<()> {
    let cases = shown(world, place)?;
    let user = world.devices[place].user;
    let role = world.people.iter().find(|somebody| somebody.user == user).map_or(Role::Inspector, |s| s.role);
    let all = world.ledger.cases().len();
    let reports = all < 2 || all < 5 && world.once_in(6) || world.once_in(40);
    if reports && role != Role::Verifier {
        let target = Target { kind: "case".into(), id: world.env.id() };
        let title = format!("井盖 {}", world.dice(1000));
        let photo = world.once_in(3).then_some("none");
        save(world, place, "case.report", target.clone(), Seen::None, json!({ "title": title }), photo)?;
        // One more word about it while offline.
        if world.once_in(3) {
            let args = json!({ "title": { "old": title, "new": format!("{title}!") } });
            save(world, place, "case.edit", target, Seen::Shown, args, None)?;
        }
        return Ok(());
    }
    let Some(case) = cases.get(world.pick(cases.len().max(1))) else { return Ok(()) };
    let target = Target { kind: "case".into(), id: case.id };
    let words = json!({ "note": format!("已清理 {}", world.dice(100)) });
    match (role, case.state.as_str(), world.dice(12)) {
        (_, _, 0) => save(world, place, "case.note", target, Seen::None, json!({ "text": "现场仍有积水" }), None)?,
        (_, _, 1) => {
            let args = json!({ "title": { "old": case.title, "new": format!("垃圾 {}", world.dice(9)) } });
            save(world, place, "case.edit", target, Seen::Shown, args, None)?;
        }
        (_, _, 2) => odd(world, place, target)?,
        (Role::Officer | Role::Liaison, "dispatched", 3..6) => {
            save(world, place, "case.return", target, Seen::Shown, json!({ "reason": "不属本单位" }), None)?;
        }
        (Role::Officer | Role::Liaison, "dispatched", _) => {
            let photo = world.once_in(2).then_some("before_close");
            let old = world.once_in(6);
            let (name, args) =
                if old { ("case.feedback", json!({ "text": "已处置" })) } else { ("case.handle", words) };
            save(world, place, name, target.clone(), Seen::Shown, args, photo)?;
            if world.once_in(2) {
                save(world, place, "case.apply_closing", target, Seen::Shown, json!({ "note": "申请结案" }), None)?;
            }
        }
        (Role::Officer | Role::Liaison, "handled", _) => {
            save(world, place, "case.apply_closing", target, Seen::Shown, json!({ "note": "申请结案" }), None)?;
        }
        (Role::Dispatcher, "reported" | "returned", _) => {
            let args = dispatch(world);
            save(world, place, "case.dispatch", target, Seen::Shown, args, None)?;
        }
        (Role::Dispatcher, "closing_applied", _) => {
            save(world, place, "case.request_verification", target, Seen::Shown, json!({}), None)?;
        }
        (Role::Dispatcher, "verifying", _) => {
            save(world, place, "case.verify", target.clone(), Seen::Shown, json!({ "passed": true }), None)?;
            save(world, place, "case.notify_closing", target.clone(), Seen::Shown, json!({}), None)?;
            save(world, place, "case.confirm_closing", target, Seen::Shown, json!({}), None)?;
        }
        (Role::Dispatcher, "verified", _) => {
            save(world, place, "case.confirm_closing", target, Seen::Shown, json!({}), None)?;
        }
        _ => save(world, place, "case.note", target, Seen::None, json!({ "text": "已知悉" }), None)?,
    }
    Ok(())
}

fn dispatch<S: Server, P: Pocket>(world: &World<S, P>) -> Value {
    let unit = world.units[world.pick(world.units.len())];
    json!({ "unit_id": unit, "due_at": world.env.now() + TimeDelta::days(60), "priority": 0 })
}

/// Something that no normal app would send.
fn odd<S: Server, P: Pocket>(world: &mut World<S, P>, place: usize, target: Target) -> Result<()> {
    match world.dice(5) {
        0 if world.ruins() => save(world, place, "case.note", target, Seen::None, json!({ "text": POISON }), None),
        1 => save(world, place, "case.note", target, Seen::None, json!({ "text": BREAKS }), None),
        2 => save(world, place, "case.sweep", target, Seen::None, json!({}), None),
        3 => save(world, place, "case.note", target, Seen::None, json!({ "nonsense": true }), None),
        // It builds on work that somebody else made, or that never comes.
        _ => {
            let known = world.ledger.recent(world.pick(8));
            let on = if world.once_in(8) { Some(OpId(world.env.id())) } else { known };
            save(world, place, "case.note", target, Seen::After(on), json!({ "text": "接上条" }), None)
        }
    }
}

enum Seen {
    /// It only adds.
    None,
    /// What the device shows.
    Shown,
    /// It depends on this one.
    After(Option<OpId>),
}

fn save<S: Server, P: Pocket>(
    world: &mut World<S, P>,
    place: usize,
    name: &str,
    target: Target,
    seen: Seen,
    args: Value,
    photo: Option<&str>,
) -> Result<()> {
    let (wall, mono_ms, boot) = world.wall(place);
    let op_id = OpId(world.env.id());
    let waiting = world.devices[place].pocket.waiting(10_000)?;
    let pocket = &mut world.devices[place].pocket;
    let after = match seen {
        // What the person did last to this case and nobody has answered: whatever the client says, it builds on that.
        Seen::Shown => world.ledger.last_step(&waiting, target.id),
        _ => None,
    };
    let (base, depends_on) = match seen {
        Seen::None => (None, vec![]),
        Seen::Shown => (pocket.seen(&target)?.or(after.map(|op| Base::Op { op })), vec![]),
        Seen::After(op) => (None, op.into_iter().collect()),
    };
    let bytes = sha256(op_id.to_string().as_bytes());
    let attachments: Vec<Attachment> = photo
        .map(|need| Attachment {
            path: PathBuf::from("photo.jpg"),
            evidence: EvidenceRef {
                sha256: hex(&bytes),
                size: 100,
                mime: "image/jpeg".into(),
                role: "scene".into(),
                need: need.to_owned(),
                captured_at: None,
            },
        })
        .into_iter()
        .collect();
    if photo.is_some() {
        world.photos.push((place, hex(&bytes)));
    }
    let device = &mut world.devices[place];
    let draft = Draft {
        op_id,
        r#type: name.to_owned(),
        target,
        base,
        depends_on,
        actor: device.user,
        session: device.access.session,
        occurred_at: wall,
        mono: Some((mono_ms, boot)),
        gps: None,
        args,
        attachments,
    };
    let op = device.pocket.save(draft)?;
    world.record(place, op, after);
    Ok(())
}

/// A dispatcher at the Centre moves some case on, or tries to; returns whether it moved.
pub fn office<S: Server, P: Pocket>(world: &mut World<S, P>) -> bool {
    let cases = world.ledger.cases();
    if cases.is_empty() {
        return false;
    }
    let case = CaseId(cases[world.pick(cases.len())]);
    let named = |name: &str, args: Value| json!({ "type": name, "args": args });
    let text = match world.dice(14) {
        0..6 => named("dispatch", dispatch(world)),
        6 => named("refuse_closing", json!({ "reason": "照片不清" })),
        7 | 8 => named("request_verification", json!({})),
        9 => named("verify", json!({ "passed": true })),
        10 => named("notify_closing", json!({})),
        11 => named("confirm_closing", json!({})),
        12 => named("note", json!({ "text": "请尽快" })),
        _ => {
            if !world.once_in(3) {
                return false;
            }
            named("void", json!({ "reason": "duplicate" }))
        }
    };
    let Ok(command) = serde_json::from_value::<Command>(text) else { return false };
    world.server.office(world.dispatcher, case, &command)
}

/// The device's store is emptied: a browser tidied up, or somebody reset it.
///
/// # Errors
/// The store's own.
pub fn wipe<S: Server, P: Pocket>(world: &mut World<S, P>, place: usize) -> Result<()> {
    world.devices[place].pocket.reset()
}

/// A planted defect: the queue of the last person goes when the next one comes.
pub fn drop_work<S: Server, P: Pocket>(world: &mut World<S, P>, place: usize) {
    debug_assert_eq!(world.mutant, Some(Mutant::ShiftDropsWork));
    world.devices[place].pocket.drop_work();
}
