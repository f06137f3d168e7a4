//! Every table, in the three portable types. In one place on purpose: joins and the feed cross the areas.

macro_rules! tables {
    ($($name:ident ($($pk:ident),+) {$($body:tt)*})*) => {$(
        diesel::table! {
            use diesel::sql_types::*;
            use crate::db::types::{Doc, Uid, Utc};
            $name ($($pk),+) {$($body)*}
        }
    )*};
}

mod centre;
mod field;
mod judging;

pub use self::{centre::*, field::*, judging::*};

diesel::allow_tables_to_appear_in_same_query! {
    sync_clock, changes, sync_ops, sync_waits, sync_raw, server_secrets, units, unit_classes, users, devices,
    device_epochs, sessions, evidence, custody_events, evidence_holds, evidence_deletions, evidence_links, uploads,
    cases, case_events, case_numbers, spot_sites, spot_checks, photo_hashes, photo_hash_clock, photo_pairs,
    photo_matches, evidence_tracks, log_entries, log_tiles, log_head, log_checkpoints, device_keys, captures,
    capture_media, clips, camera_assignments, device_repairs, calendar_years, calendar_days, working_slots,
    city_directions, city_cases, city_inbox, city_outbox, city_codes, city_reconciliations, catalogue_versions,
    catalogue_classes, catalogue_conditions, grids, responsibilities,
    case_words, case_claims, case_urgings, case_appeals, case_templates, saved_views,
    spots, spot_cases, spot_events, open311_requests,
    assessment_rules, assessment_months, score_lines, score_totals, score_editions, score_objections, score_objection_steps,
    letters, letter_steps, letter_cases, letter_spots, letter_numbers, merits,
    spot_site_versions, spot_substitutions, spot_checklists, spot_team_members, draws, draw_commitments, draw_picks,
    self_evaluations
}
