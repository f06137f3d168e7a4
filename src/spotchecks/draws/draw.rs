//! The draw itself: from a frame and a seed to the week's visits, the same on every machine. Pure; `api-spec/draw.md`
//! says the same in words, `api-spec/draw-vectors.json` in examples.

use crate::{
    canonical::canonical,
    identity::tokens::{hex, sha256},
    spotchecks::rules::SiteKind,
};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};
use utoipa::ToSchema;

#[cfg(test)]
mod tests;

/// The rule's version; a frame names the one it is drawn by.
pub const RULE: &str = "1";
/// How many visits of a kind a unit has in a week.
pub const QUOTA: [(SiteKind, usize); 7] = [
    (SiteKind::MainRoad, 2),
    (SiteKind::BackStreet, 2),
    (SiteKind::Residential, 1),
    (SiteKind::Market, 1),
    (SiteKind::Construction, 1),
    (SiteKind::Toilet, 1),
    (SiteKind::Other, 1),
];
/// The name of the Centre among those who have a nonce.
pub const CENTRE: &str = "centre";
/// What counts for the nonce of a unit that did not open one.
pub const UNOPENED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is drawn from, published before anybody can know the seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// `chengguan-draw-frame/1`.
    pub format: String,
    /// The rule's version.
    pub rule: String,
    /// ISO week.
    pub week: String,
    /// Which events the seed will come from: fixed here, or somebody could choose between seeds.
    pub sources: Vec<SourceName>,
    /// Which kinds stand in for a missing one.
    pub substitution: Substitution,
    /// The teams' codes.
    pub teams: Vec<String>,
    /// The days of the visits, in order.
    pub days: Vec<String>,
    /// The time bands, such as `09:00-11:30`.
    pub bands: Vec<String>,
    /// How many of a thousand visits another team checks again.
    pub recheck_per_mille: u32,
    /// A site without a visit for so many weeks has two tickets; null: every site has one.
    pub double_after_weeks: Option<u32>,
    /// Until when units commit to a nonce, RFC 3339.
    pub commit_until: String,
    /// When the public event takes place, RFC 3339: nonces are opened before it.
    pub lottery_at: String,
    /// SHA-256 of the Centre's own nonce. It is opened when the week is over: until then nobody can compute the draw
    /// from what is public, and nobody can choose it after the event.
    pub centre_commitment: String,
    /// All units with a site, by code.
    pub units: Vec<FrameUnit>,
}

/// An event the seed comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceName {
    /// `双色球`, `福彩3D` or `骰子`.
    pub name: String,
    /// The number of the lottery's draw, seven digits; for dice the week.
    pub issue: String,
}

/// A version of the rules of substitution (顺位补抽).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Substitution {
    /// 0 came with the program.
    pub version: i32,
    /// For each kind those that stand in for it, in order.
    pub stand_ins: BTreeMap<String, Vec<SiteKind>>,
}

/// A unit and its sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameUnit {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// By code.
    pub sites: Vec<FrameSite>,
}

/// A site that may be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameSite {
    /// Its code.
    pub code: String,
    /// Its kind.
    pub kind: SiteKind,
    /// Its tickets, 1 or more.
    pub weight: u32,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// `chengguan-draw-result/1`.
    pub format: String,
    /// ISO week.
    pub week: String,
    /// SHA-256 of the frame's text.
    pub frame_sha256: String,
    /// SHA-256 of the seed's text.
    pub seed_sha256: String,
    /// By code, as in the frame.
    pub units: Vec<DrawnUnit>,
    /// What another team visits again.
    pub rechecks: Vec<Recheck>,
}

/// A unit's week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnUnit {
    /// The unit's code.
    pub code: String,
    /// Who visits it.
    pub team: String,
    /// On which day.
    pub day: String,
    /// In which time band.
    pub band: String,
    /// By slot.
    pub picks: Vec<Pick>,
    /// What is left of each kind, in the order in which it takes the place of a site that can't be reached.
    pub reserves: BTreeMap<String, Vec<String>>,
}

/// A site that is visited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// 1–9; the kind that is owed follows from it.
    pub slot: u32,
    /// The kind that is owed; the site may be of one that stands in.
    pub kind: SiteKind,
    /// The site's code.
    pub site: String,
    /// Its place on the way, from 1.
    pub order: u32,
}

/// A blind second visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// The unit's code.
    pub unit: String,
    /// The slot of the first visit.
    pub slot: u32,
    /// The site's code.
    pub site: String,
    /// Another team than the first.
    pub team: String,
    /// The day after the first visit, or the last day.
    pub day: String,
}

/// The key that tickets are drawn with: SHA-256 of the seed's text, 64 hexadecimal digits.
pub fn key(seed: &str) -> String {
    hex(&sha256(seed.as_bytes()))
}

/// A ticket, compared as 32 bytes: SHA-256 of the key and a text.
pub fn ticket(key: &str, text: &str) -> [u8; 32] {
    let mut ticket = [0; 32];
    ticket.copy_from_slice(&sha256(format!("{key}{text}").as_bytes()));
    ticket
}

/// The best ticket of a site: one for the plain code, or one each for `code#1` … `code#w`.
pub fn best_ticket(key: &str, code: &str, weight: u32) -> [u8; 32] {
    let many = (1..=weight).filter(|_| weight > 1).map(|n| ticket(key, &format!("{code}#{n}"))).min();
    many.unwrap_or_else(|| ticket(key, code))
}

/// Codes in the order of their best tickets.
fn sorted<'a>(key: &str, sites: impl Iterator<Item = &'a FrameSite>) -> VecDeque<String> {
    let mut drawn: Vec<_> = sites.map(|site| (best_ticket(key, &site.code, site.weight), site.code.clone())).collect();
    drawn.sort_unstable();
    drawn.into_iter().map(|(_, code)| code).collect()
}

/// Slot, its kind, and the code of its site.
pub type Slots = Vec<(u32, SiteKind, String)>;
/// What is left of each kind, in order.
pub type Reserves = BTreeMap<String, Vec<String>>;

/// The sites of a unit for each slot, and what is left of each kind.
pub fn draw_unit(key: &str, unit: &FrameUnit, substitution: &Substitution) -> (Slots, Reserves) {
    let of = |kind: SiteKind| sorted(key, unit.sites.iter().filter(|site| site.kind == kind));
    let mut left: BTreeMap<String, VecDeque<String>> =
        QUOTA.iter().map(|(kind, _)| (kind.to_string(), of(*kind))).collect();
    let slots = QUOTA.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
    let mut slots: Vec<(u32, SiteKind, Option<String>)> = (1..)
        .zip(slots)
        .map(|(slot, kind)| (slot, kind, left.get_mut(kind.as_str()).and_then(VecDeque::pop_front)))
        .collect();
    // Only when every kind has had its own is what is left given to those that lack.
    for (_, kind, site) in slots.iter_mut().filter(|(_, _, site)| site.is_none()) {
        let mut stand_ins = substitution.stand_ins.get(kind.as_str()).into_iter().flatten();
        *site = stand_ins.find_map(|kind| left.get_mut(kind.as_str()).and_then(VecDeque::pop_front));
    }
    let picks = slots.into_iter().filter_map(|(slot, kind, site)| Some((slot, kind, site?))).collect();
    let left = left.into_iter().filter(|(_, codes)| !codes.is_empty());
    (picks, left.map(|(kind, codes)| (kind, codes.into())).collect())
}

/// What takes the place of a site of a kind that can't be reached: the next of the kind's reserves that is not `used`,
/// then of those kinds that stand in for it.
pub fn next_of(
    unit: &DrawnUnit,
    kind: SiteKind,
    substitution: &Substitution,
    used: &BTreeSet<String>,
) -> Option<String> {
    let stand_ins = substitution.stand_ins.get(kind.as_str()).into_iter().flatten();
    let mut order =
        std::iter::once(&kind).chain(stand_ins).filter_map(|kind| unit.reserves.get(kind.as_str())).flatten();
    order.find(|code| !used.contains(*code)).cloned()
}

/// Draws a week. A frame without teams, days or bands gives empty words for them.
pub fn draw(frame: &Frame, frame_sha256: &str, seed: &str) -> Outcome {
    let key = key(seed);
    let at = |list: &[String], n: usize| list.get(n % list.len().max(1)).cloned().unwrap_or_default();
    // One order of the units decides day, team and band, so that every team has as many of each as the others.
    let mut round: Vec<&str> = frame.units.iter().map(|unit| unit.code.as_str()).collect();
    round.sort_by_cached_key(|code| ticket(&key, &format!("round|{code}")));
    let places: BTreeMap<&str, usize> = (0..).zip(round).map(|(n, code)| (code, n)).collect();
    let (days, teams) = (frame.days.len().max(1), frame.teams.len().max(1));
    let one = |unit: &FrameUnit| {
        let (picks, reserves) = draw_unit(&key, unit, &frame.substitution);
        let mut way: Vec<&str> = picks.iter().map(|(_, _, site)| site.as_str()).collect();
        way.sort_by_cached_key(|site| ticket(&key, &format!("order|{site}")));
        let order = |site: &str| (1..).zip(&way).find(|(_, there)| **there == site).map_or(0, |(n, _)| n);
        let picks = picks.iter().map(|(slot, kind, site)| Pick {
            slot: *slot,
            kind: *kind,
            site: site.clone(),
            order: order(site),
        });
        let n = places.get(unit.code.as_str()).copied().unwrap_or_default();
        DrawnUnit {
            code: unit.code.clone(),
            day: at(&frame.days, n),
            team: at(&frame.teams, n / days),
            band: at(&frame.bands, n / days / teams),
            picks: picks.collect(),
            reserves,
        }
    };
    let units: Vec<DrawnUnit> = frame.units.iter().map(one).collect();
    Outcome {
        format: "chengguan-draw-result/1".to_owned(),
        week: frame.week.clone(),
        frame_sha256: frame_sha256.to_owned(),
        seed_sha256: key,
        rechecks: rechecks(frame, &units, seed),
        units,
    }
}

/// The visits that another team repeats: as many in a thousand as the frame says, at least one, drawn with a second
/// seed.
fn rechecks(frame: &Frame, units: &[DrawnUnit], seed: &str) -> Vec<Recheck> {
    let second = key(&format!("recheck|{seed}"));
    let mut picks: Vec<(&DrawnUnit, &Pick)> =
        units.iter().flat_map(|unit| unit.picks.iter().map(move |pick| (unit, pick))).collect();
    let count = (picks.len() * frame.recheck_per_mille as usize + 500) / 1000;
    picks.sort_by_cached_key(|(_, pick)| ticket(&second, &pick.site));
    let recheck = |(unit, pick): &(&DrawnUnit, &Pick)| {
        let others = frame.teams.iter().filter(|team| **team != unit.team);
        let team = others.max_by_key(|team| Reverse(ticket(&second, &format!("team|{}|{team}", pick.site))))?;
        let next = frame.days.iter().skip_while(|day| **day != unit.day).nth(1).unwrap_or(&unit.day);
        Some(Recheck {
            unit: unit.code.clone(),
            slot: pick.slot,
            site: pick.site.clone(),
            team: team.clone(),
            day: next.clone(),
        })
    };
    let least = usize::from(frame.recheck_per_mille > 0);
    picks.iter().take(count.max(least)).filter_map(recheck).collect()
}

/// A public event, as two people typed it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `双色球`, `福彩3D` or `骰子`.
    pub name: String,
    /// The number of the lottery's draw; for dice the week.
    pub issue: String,
    /// `03-08-11-19-24-31+07`; `4-0-7`; twenty digits of a ten-sided die.
    pub result: String,
    /// Where it was read, or who threw and where the film is; 1–300 characters.
    pub origin: String,
}

/// A part of the seed that nobody else could know before: the Centre's, named `centre`, or a unit's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitNonce {
    /// The unit's code, or `centre`.
    pub unit: String,
    /// SHA-256 of the nonce's text; null when it did not commit.
    pub commitment: Option<String>,
    /// Null when it did not open: zeros count.
    pub nonce: Option<String>,
}

/// The seed's text: week, events and nonces, in their order, with bars between them.
pub fn seed_text(week: &str, sources: &[Source], nonces: &[UnitNonce]) -> String {
    let mut parts = vec![week.to_owned()];
    parts.extend(sources.iter().map(|source| format!("{}:{}={}", source.name, source.issue, source.result)));
    parts.extend(nonces.iter().map(|one| format!("nonce:{}={}", one.unit, one.nonce.as_deref().unwrap_or(UNOPENED))));
    parts.join("|")
}

/// All that a verifier needs, in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// `chengguan-draw-pack/1`.
    pub format: String,
    /// The frame's text, as it was hashed.
    pub frame: String,
    /// Its SHA-256, as it was published before.
    pub frame_sha256: String,
    /// The entry of the transparency log that says so.
    pub frame_entry: String,
    /// The events.
    pub sources: Vec<Source>,
    /// The Centre's, then one of each unit of the frame, by code.
    pub nonces: Vec<UnitNonce>,
    /// The seed's text.
    pub seed: String,
    /// The result's text, as it was hashed.
    pub result: String,
    /// Its SHA-256, as it was published.
    pub result_sha256: String,
    /// The entry of the transparency log that says so.
    pub result_entry: String,
}

/// Why a pack is not what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// It is no pack, or of a rule this program does not know.
    Format,
    /// The frame's text has another hash.
    Frame,
    /// The events are not those that the frame names.
    Sources,
    /// A nonce is not the one that was committed to, or not one of each unit is there.
    Nonce,
    /// The seed's text is not made of its parts.
    Seed,
    /// The frame and the seed give another result.
    Draw,
    /// The result's text has another hash.
    Result,
}

/// Draws a pack again.
///
/// # Errors
/// The first thing that does not agree.
pub fn verify(pack: &Pack) -> Result<Outcome, Mismatch> {
    let digest = |text: &str| hex(&sha256(text.as_bytes()));
    if pack.format != "chengguan-draw-pack/1" {
        return Err(Mismatch::Format);
    }
    if digest(&pack.frame) != pack.frame_sha256 {
        return Err(Mismatch::Frame);
    }
    let frame: Frame = serde_json::from_str(&pack.frame).map_err(|_| Mismatch::Format)?;
    if frame.format != "chengguan-draw-frame/1" || frame.rule != RULE {
        return Err(Mismatch::Format);
    }
    let named = pack.sources.iter().map(|source| (&source.name, &source.issue));
    if !named.eq(frame.sources.iter().map(|source| (&source.name, &source.issue))) {
        return Err(Mismatch::Sources);
    }
    let opened = |one: &UnitNonce| one.nonce.as_ref().is_none_or(|nonce| Some(digest(nonce)) == one.commitment);
    let names = std::iter::once(CENTRE).chain(frame.units.iter().map(|unit| unit.code.as_str()));
    let centre = |one: &UnitNonce| one.nonce.is_some() && one.commitment.as_ref() == Some(&frame.centre_commitment);
    if !pack.nonces.iter().map(|one| one.unit.as_str()).eq(names)
        || !pack.nonces.iter().all(opened)
        || !pack.nonces.first().is_some_and(centre)
    {
        return Err(Mismatch::Nonce);
    }
    if seed_text(&frame.week, &pack.sources, &pack.nonces) != pack.seed {
        return Err(Mismatch::Seed);
    }
    let outcome = draw(&frame, &pack.frame_sha256, &pack.seed);
    let text = serde_json::to_value(&outcome).ok().and_then(|value| canonical(&value).ok());
    if text.as_ref() != Some(&pack.result) {
        return Err(Mismatch::Draw);
    }
    if digest(&pack.result) != pack.result_sha256 {
        return Err(Mismatch::Result);
    }
    Ok(outcome)
}
