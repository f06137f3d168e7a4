//! Rows of clips, of the roster and of repairs; what proposals are made of.

use crate::{
    db::{
        Db, Each, MultiBackend,
        schema::{
            camera_assignments, case_events, cases, clips, device_repairs, devices, evidence, evidence_links, sync_ops,
            uploads, users,
        },
        types::{AssignmentId, At, CaseId, DeviceId, EvidenceId, Json, UnitId, UserId},
    },
    error::Result,
};
use diesel::{
    dsl::{AsSelect, SqlTypeOf},
    prelude::*,
};

/// A clip.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = clips, treat_none_as_null = true)]
pub struct ClipRow {
    /// The video.
    pub evidence_id: EvidenceId,
    /// The camera's serial.
    pub camera: String,
    /// The camera among the devices, when it is one.
    pub device_id: Option<DeviceId>,
    /// Who wore it.
    pub user_id: Option<UserId>,
    /// Who says so: `roster` or `name`.
    pub user_from: Option<String>,
    /// The start by the camera's clock.
    pub recorded_at: At,
    /// Who says so: `name`, `file`, `mtime`, `device` or `received`.
    pub recorded_from: String,
    /// The camera's clock minus the true time, milliseconds, when it is known.
    pub clock_offset_ms: Option<i64>,
    /// Who says so.
    pub clock_from: Option<String>,
    /// The start, with that error taken off.
    pub started_at: At,
    /// The end.
    pub ended_at: At,
    /// Marked as a key file (重点文件) on the camera.
    pub key_file: bool,
    /// What does not fit, `[{code, detail}]`.
    pub doubts: Json,
    /// See `rules::ClipState`.
    pub state: String,
    /// The case that fits best, when one is proposed.
    pub best_case: Option<CaseId>,
    /// Its score.
    pub best_score: Option<i32>,
    /// When cases were last looked for.
    pub judged_at: At,
    /// Who linked or dismissed it.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<At>,
    /// Why.
    pub reason: Option<String>,
    /// When its bytes were verified.
    pub arrived_at: At,
}

/// One shift.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = camera_assignments)]
pub struct ShiftRow {
    /// Its id.
    pub id: AssignmentId,
    /// The camera's serial.
    pub camera: String,
    /// Who carries it.
    pub user_id: UserId,
    /// From then.
    pub from_at: At,
    /// Until then.
    pub until_at: At,
    /// Who entered it; none from the command line.
    pub set_by: Option<UserId>,
    /// When.
    pub set_at: At,
}

/// A stored video, as far as it makes a clip.
#[derive(Debug, Clone, Queryable)]
pub(super) struct Video {
    pub(super) id: EvidenceId,
    pub(super) captured_at: Option<At>,
    pub(super) declared_at: At,
    pub(super) stored_at: Option<At>,
    pub(super) facts: Option<Json>,
    /// The sender's kind and label.
    pub(super) kind: String,
    pub(super) sender: String,
    /// What it said.
    pub(super) metadata: String,
}

type VideoOf = (
    evidence::id,
    evidence::captured_at,
    evidence::declared_at,
    evidence::stored_at,
    evidence::facts,
    devices::kind,
    devices::name,
    uploads::metadata,
);

/// The stored files with these digests that a camera or a dock sent and that are no clips yet, with the first upload of
/// each; of all digests when none are named.
pub(super) fn videos_new(db: &mut Db, sha256s: Option<&[String]>, limit: i64) -> Result<Vec<Video>> {
    let known = clips::table.filter(clips::evidence_id.eq(evidence::id));
    let mut query = evidence::table
        .inner_join(uploads::table.on(uploads::evidence_id.assume_not_null().eq(evidence::id)))
        .inner_join(devices::table.on(devices::id.eq(uploads::device_id.assume_not_null())))
        .filter(uploads::evidence_id.is_not_null())
        .filter(uploads::device_id.is_not_null())
        .filter(uploads::state.eq("accepted"))
        .filter(devices::kind.eq_any(["camera", "dock"]))
        .filter(evidence::state.eq("stored"))
        .filter(evidence::media_type.like("video/%"))
        .filter(diesel::dsl::not(diesel::dsl::exists(known)))
        .order((evidence::id.asc(), uploads::created_at.asc(), uploads::id.asc()))
        .select(VideoOf::default())
        .limit(limit)
        .into_boxed();
    if let Some(sha256s) = sha256s {
        query = query.filter(evidence::sha256.eq_any(sha256s.to_vec()));
    }
    let mut rows: Vec<Video> = query.load(db)?;
    rows.dedup_by_key(|row| row.id);
    Ok(rows)
}

/// Whether a piece of evidence is a video: asked of everything that arrives, so that [`videos_new`] is not.
pub(super) fn is_video(db: &mut Db, sha256: &str) -> Result<bool> {
    let piece = evidence::table.filter(evidence::sha256.eq(sha256)).select(evidence::media_type);
    Ok(piece.get_result::<String>(db).optional()?.is_some_and(|media_type| media_type.starts_with("video/")))
}

pub(super) fn clip_add(db: &mut Db, row: &ClipRow) -> Result<bool> {
    Ok(Each(diesel::insert_into(clips::table).values(row).on_conflict_do_nothing()).execute(db)? > 0)
}

pub(super) fn clip_save(db: &mut Db, row: &ClipRow) -> Result<()> {
    diesel::update(clips::table.find(row.evidence_id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn clip_get(db: &mut Db, id: EvidenceId) -> Result<Option<ClipRow>> {
    Ok(clips::table.find(id).select(ClipRow::as_select()).get_result(db).optional()?)
}

/// The clip with its row locked until the transaction ends.
pub(super) fn clip_locked(db: &mut Db, id: EvidenceId) -> Result<Option<ClipRow>> {
    if let Db::Postgres(c) = db {
        return Ok(clips::table.find(id).select(ClipRow::as_select()).for_update().first(c).optional()?);
    }
    // SQLite has one writer: the transaction itself is the lock.
    clip_get(db, id)
}

/// Whose clips a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Everybody's.
    All,
    /// Those of a unit's officers.
    Unit(UnitId),
    /// A person's own.
    Own(UserId),
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whose.
    pub sight: Sight,
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this camera.
    pub camera: Option<String>,
    /// Only of this wearer.
    pub user_id: Option<UserId>,
    /// Only recordings that were not over by then.
    pub from: Option<At>,
    /// Only recordings that began before this.
    pub until: Option<At>,
    /// Oldest first, as a queue is worked off; else newest first.
    pub oldest_first: bool,
    /// Those behind this one.
    pub after: Option<EvidenceId>,
    /// At most that many.
    pub limit: i64,
}

type Clips<'a> = clips::BoxedQuery<'a, MultiBackend, SqlTypeOf<AsSelect<ClipRow, MultiBackend>>>;

fn in_sight<'a>(sight: Sight) -> Clips<'a> {
    let all = clips::table.select(ClipRow::as_select()).into_boxed();
    match sight {
        Sight::All => all,
        Sight::Own(user) => all.filter(clips::user_id.eq(user)),
        Sight::Unit(unit) => {
            let people = users::table.filter(users::unit_id.eq(unit)).select(users::id.nullable());
            all.filter(clips::user_id.eq_any(people))
        }
    }
}

pub(super) fn clip_page(db: &mut Db, page: &Page) -> Result<Vec<ClipRow>> {
    let mut query = in_sight(page.sight);
    if let Some(state) = &page.state {
        query = query.filter(clips::state.eq(state));
    }
    if let Some(camera) = &page.camera {
        query = query.filter(clips::camera.eq(camera));
    }
    if let Some(user) = page.user_id {
        query = query.filter(clips::user_id.eq(user));
    }
    if let Some(from) = page.from {
        query = query.filter(clips::ended_at.ge(from));
    }
    if let Some(until) = page.until {
        query = query.filter(clips::started_at.lt(until));
    }
    query = match (page.after, page.oldest_first) {
        (Some(after), true) => query.filter(clips::evidence_id.gt(after)),
        (Some(after), false) => query.filter(clips::evidence_id.lt(after)),
        (None, _) => query,
    };
    query =
        if page.oldest_first { query.order(clips::evidence_id.asc()) } else { query.order(clips::evidence_id.desc()) };
    Ok(query.limit(page.limit).load(db)?)
}

/// How many clips there are in each state, and since when the oldest waits.
pub(super) fn clip_counts(db: &mut Db) -> Result<Vec<(String, i64, Option<At>)>> {
    Ok(clips::table
        .group_by(clips::state)
        .select((clips::state, diesel::dsl::count_star(), diesel::dsl::min(clips::arrived_at)))
        .order(clips::state.asc())
        .load(db)?)
}

/// Clips of a camera that begin in a span and that nobody has decided about.
pub(super) fn clips_open_of(db: &mut Db, camera: &str, from: At, until: At) -> Result<Vec<ClipRow>> {
    Ok(clips::table
        .filter(clips::camera.eq(camera))
        .filter(clips::started_at.ge(from))
        .filter(clips::started_at.lt(until))
        .filter(clips::state.eq_any(["unclaimed", "proposed"]))
        .order(clips::evidence_id.asc())
        .select(ClipRow::as_select())
        .load(db)?)
}

/// Clips that nobody has decided about and for which no case was looked for since then; those of before `oldest` rest.
pub(super) fn clips_stale(db: &mut Db, judged_before: At, oldest: At, limit: i64) -> Result<Vec<ClipRow>> {
    Ok(clips::table
        .filter(clips::state.eq_any(["unclaimed", "proposed"]))
        .filter(clips::judged_at.lt(judged_before))
        .filter(clips::arrived_at.ge(oldest))
        .order(clips::judged_at.asc())
        .limit(limit)
        .select(ClipRow::as_select())
        .load(db)?)
}

/// The first link of a clip to a case, whoever made it.
pub(super) fn case_link(db: &mut Db, id: EvidenceId) -> Result<Option<(Option<UserId>, At)>> {
    Ok(evidence_links::table
        .filter(evidence_links::evidence_id.eq(id))
        .filter(evidence_links::target_kind.eq("case"))
        .order(evidence_links::linked_at.asc())
        .select((evidence_links::user_id, evidence_links::linked_at))
        .first(db)
        .optional()?)
}

/// A latitude and a longitude, WGS-84, degrees, and what the file says.
pub(super) type PlaceRow = (Option<f64>, Option<f64>, Option<Json>);

/// Where the stamp or the file says that a video was taken.
pub(super) fn stamped_place(db: &mut Db, id: EvidenceId) -> Result<Option<PlaceRow>> {
    Ok(evidence::table
        .find(id)
        .select((evidence::wgs84_lat, evidence::wgs84_lon, evidence::facts))
        .get_result(db)
        .optional()?)
}

pub(super) fn unit_of(db: &mut Db, user: UserId) -> Result<Option<UnitId>> {
    Ok(users::table.find(user).select(users::unit_id).get_result(db).optional()?.flatten())
}

/// A line of a timeline with the operation behind it, for its place.
pub(super) type DeedRow = (CaseId, UserId, At, Option<Vec<u8>>);

/// What a person did about cases in a span.
pub(super) fn deeds_by(db: &mut Db, user: UserId, from: At, until: At, limit: i64) -> Result<Vec<DeedRow>> {
    Ok(case_events::table
        .left_join(sync_ops::table.on(sync_ops::op_id.nullable().eq(case_events::op_id)))
        .filter(case_events::actor_id.eq(user))
        .filter(case_events::occurred_at.between(from, until))
        .order(case_events::id.asc())
        .limit(limit)
        .select((case_events::case_id, case_events::actor_id, case_events::occurred_at, sync_ops::raw.nullable()))
        .load(db)?)
}

/// What anybody did about these cases in a span.
pub(super) fn deeds_about(db: &mut Db, ids: &[CaseId], from: At, until: At) -> Result<Vec<DeedRow>> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(500) {
        rows.extend(
            case_events::table
                .left_join(sync_ops::table.on(sync_ops::op_id.nullable().eq(case_events::op_id)))
                .filter(case_events::case_id.eq_any(chunk))
                .filter(case_events::occurred_at.between(from, until))
                .order(case_events::id.asc())
                .select((
                    case_events::case_id,
                    case_events::actor_id,
                    case_events::occurred_at,
                    sync_ops::raw.nullable(),
                ))
                .load::<DeedRow>(db)?,
        );
    }
    Ok(rows)
}

/// A case as a candidate: its unit, its place and datum.
pub(super) type CaseRow = (CaseId, Option<UnitId>, Option<f64>, Option<f64>, Option<String>);

pub(super) fn cases_named(db: &mut Db, ids: &[CaseId]) -> Result<Vec<CaseRow>> {
    Ok(cases::table
        .filter(cases::id.eq_any(ids))
        .select((cases::id, cases::unit_id, cases::lat, cases::lon, cases::datum))
        .load(db)?)
}

/// Cases in a rectangle of degrees that were open in a span, newest first.
pub(super) fn cases_about(
    db: &mut Db,
    [south, west, north, east]: [f64; 4],
    from: At,
    until: At,
    limit: i64,
) -> Result<Vec<CaseRow>> {
    Ok(cases::table
        .filter(cases::lat.between(south, north))
        .filter(cases::lon.between(west, east))
        .filter(cases::reported_at.le(until))
        .filter(cases::closed_at.is_null().or(cases::closed_at.ge(from)))
        .order(cases::id.desc())
        .limit(limit)
        .select((cases::id, cases::unit_id, cases::lat, cases::lon, cases::datum))
        .load(db)?)
}

pub(super) fn shift_add(db: &mut Db, row: &ShiftRow) -> Result<()> {
    diesel::insert_into(camera_assignments::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn shift_remove(db: &mut Db, id: AssignmentId) -> Result<Option<ShiftRow>> {
    let row: Option<ShiftRow> =
        camera_assignments::table.find(id).select(ShiftRow::as_select()).get_result(db).optional()?;
    diesel::delete(camera_assignments::table.find(id)).execute(db)?;
    Ok(row)
}

/// The shifts of a camera that touch a span, in order.
pub(super) fn shifts_touching(db: &mut Db, camera: &str, from: At, until: At) -> Result<Vec<ShiftRow>> {
    Ok(camera_assignments::table
        .filter(camera_assignments::camera.eq(camera))
        .filter(camera_assignments::from_at.lt(until))
        .filter(camera_assignments::until_at.gt(from))
        .order(camera_assignments::from_at.asc())
        .select(ShiftRow::as_select())
        .load(db)?)
}

/// Which shifts a list shows.
#[derive(Debug, Clone, Default)]
pub struct ShiftPage {
    /// Only of this camera.
    pub camera: Option<String>,
    /// Only of this person.
    pub user_id: Option<UserId>,
    /// Only what ends after this.
    pub from: Option<At>,
    /// Only what begins before this.
    pub until: Option<At>,
    /// Those before this one.
    pub after: Option<AssignmentId>,
    /// At most that many.
    pub limit: i64,
}

/// Those entered last first.
pub(super) fn shift_page(db: &mut Db, page: &ShiftPage) -> Result<Vec<ShiftRow>> {
    let mut query = camera_assignments::table.select(ShiftRow::as_select()).into_boxed();
    if let Some(camera) = &page.camera {
        query = query.filter(camera_assignments::camera.eq(camera));
    }
    if let Some(user) = page.user_id {
        query = query.filter(camera_assignments::user_id.eq(user));
    }
    if let Some(from) = page.from {
        query = query.filter(camera_assignments::until_at.gt(from));
    }
    if let Some(until) = page.until {
        query = query.filter(camera_assignments::from_at.lt(until));
    }
    if let Some(after) = page.after {
        query = query.filter(camera_assignments::id.lt(after));
    }
    Ok(query.order(camera_assignments::id.desc()).limit(page.limit).load(db)?)
}

/// Marks a device as waiting for repair, or clears the mark.
pub(super) fn repair_set(db: &mut Db, device: DeviceId, by: UserId, at: At, reason: Option<&str>) -> Result<()> {
    diesel::delete(device_repairs::table.find(device)).execute(db)?;
    if let Some(reason) = reason {
        let row = (
            device_repairs::device_id.eq(device),
            device_repairs::reason.eq(reason),
            device_repairs::set_by.eq(by),
            device_repairs::set_at.eq(at),
        );
        diesel::insert_into(device_repairs::table).values(row).execute(db)?;
    }
    Ok(())
}

/// What the first camera or dock that brought a video said.
pub(super) fn metadata_of(db: &mut Db, id: EvidenceId) -> Result<Option<String>> {
    Ok(uploads::table
        .inner_join(devices::table.on(devices::id.eq(uploads::device_id.assume_not_null())))
        .filter(uploads::device_id.is_not_null())
        .filter(uploads::evidence_id.eq(id))
        .filter(uploads::state.eq("accepted"))
        .filter(devices::kind.eq_any(["camera", "dock"]))
        .order((uploads::created_at.asc(), uploads::id.asc()))
        .select(uploads::metadata)
        .first(db)
        .optional()?)
}

/// The camera with this label.
pub(super) fn camera_labelled(db: &mut Db, label: &str) -> Result<Option<DeviceId>> {
    Ok(devices::table
        .filter(devices::name.eq(label))
        .filter(devices::kind.eq("camera"))
        .select(devices::id)
        .get_result(db)
        .optional()?)
}

/// The officer with this number: their user name.
pub(super) fn officer_numbered(db: &mut Db, number: &str) -> Result<Option<UserId>> {
    Ok(users::table
        .filter(users::username.eq(number))
        .filter(users::role.eq("officer"))
        .select(users::id)
        .get_result(db)
        .optional()?)
}

pub(super) fn user_known(db: &mut Db, user: UserId) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(users::table.find(user))).get_result(db)?)
}

/// Whether a clip is linked to this case.
pub(super) fn linked_to(db: &mut Db, id: EvidenceId, case: CaseId) -> Result<bool> {
    let link = evidence_links::table
        .filter(evidence_links::evidence_id.eq(id))
        .filter(evidence_links::target_kind.eq("case"))
        .filter(evidence_links::target_id.eq(case.to_string()));
    Ok(diesel::select(diesel::dsl::exists(link)).get_result(db)?)
}
