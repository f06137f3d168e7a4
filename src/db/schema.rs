//! Every table, in the three portable types. One file on purpose: joins and the feed cross the areas.
macro_rules! tables {
    ($($name:ident ($($pk:ident),+) {$($body:tt)*})*) => {$(
        diesel::table! {
            use diesel::sql_types::*;
            use crate::db::types::{Doc, Uid, Utc};
            $name ($($pk),+) {$($body)*}
        }
    )*};
}

tables! {
    sync_clock (id) {
        id -> SmallInt,
        n -> BigInt,
        floor -> BigInt,
        generation -> Text,
    }
    changes (seq) {
        seq -> BigInt,
        kind -> Text,
        entity_id -> Text,
        keys_before -> Text,
        keys_after -> Text,
        op_id -> Nullable<Uid>,
        changed_at -> Utc,
    }
    sync_ops (op_id) {
        op_id -> Uid,
        device_id -> Uid,
        epoch -> Integer,
        seq -> BigInt,
        actor_id -> Nullable<Uid>,
        session_id -> Nullable<Uid>,
        op_type -> Text,
        op_version -> Integer,
        target_kind -> Nullable<Text>,
        target_id -> Nullable<Text>,
        raw -> Binary,
        occurred_at -> Nullable<Utc>,
        received_at -> Utc,
        status -> Text,
        code -> Nullable<Text>,
        detail -> Nullable<Text>,
        ver -> Nullable<BigInt>,
        result_seq -> Nullable<BigInt>,
        conflict_id -> Nullable<Uid>,
        winner_op -> Nullable<Uid>,
        waiting -> Doc,
        was_epoch -> Nullable<Integer>,
        was_seq -> Nullable<BigInt>,
        corrected_at -> Nullable<Utc>,
        time_confidence -> Text,
        adjusted -> Nullable<Text>,
        resolved_by -> Nullable<Uid>,
        resolved_at -> Nullable<Utc>,
        resolution -> Nullable<Text>,
        resolution_reason -> Nullable<Text>,
    }
    sync_waits (wait_key, op_id) {
        wait_key -> Text,
        op_id -> Uid,
    }
    sync_raw (id) {
        id -> Uid,
        device_id -> Uid,
        received_at -> Utc,
        code -> Text,
        raw -> Binary,
        raw_sha256 -> Binary,
        resolved_by -> Nullable<Uid>,
        resolved_at -> Nullable<Utc>,
        resolution_reason -> Nullable<Text>,
    }
    server_secrets (name) {
        name -> Text,
        secret -> Binary,
        created_at -> Utc,
    }
    units (id) {
        id -> Uid,
        code -> Text,
        name -> Text,
        created_at -> Utc,
    }
    unit_classes (unit_id, year) {
        unit_id -> Uid,
        year -> Integer,
        class -> Text,
    }
    users (id) {
        id -> Uid,
        username -> Text,
        name -> Text,
        role -> Text,
        unit_id -> Nullable<Uid>,
        password_hash -> Text,
        failed_logins -> Integer,
        locked_until -> Nullable<Utc>,
        disabled_at -> Nullable<Utc>,
        created_at -> Utc,
    }
    devices (id) {
        id -> Uid,
        name -> Text,
        kind -> Text,
        public_key -> Nullable<Binary>,
        enrolment_code_sha256 -> Nullable<Binary>,
        enrolment_expires_at -> Nullable<Utc>,
        enrolled_at -> Nullable<Utc>,
        revoked_at -> Nullable<Utc>,
        epoch -> Integer,
        created_at -> Utc,
    }
    device_epochs (device_id, epoch) {
        device_id -> Uid,
        epoch -> Integer,
        reason -> Text,
        started_at -> Utc,
        pushes -> BigInt,
        attempt -> BigInt,
        attempt_sha256 -> Nullable<Binary>,
        high_seq -> BigInt,
        received -> BigInt,
        received_seq -> BigInt,
        depth -> BigInt,
        oldest_at -> Nullable<Utc>,
        app -> Nullable<Text>,
        last_push_at -> Nullable<Utc>,
        clock_offset_ms -> Nullable<BigInt>,
        storage_persisted -> Nullable<Bool>,
        media_waiting -> Nullable<BigInt>,
        feed_seq -> BigInt,
        digest_at -> Nullable<Utc>,
        digest_matched -> Nullable<Bool>,
    }
    sessions (id) {
        id -> Uid,
        user_id -> Uid,
        device_id -> Nullable<Uid>,
        refresh_sha256 -> Binary,
        previous_refresh_sha256 -> Nullable<Binary>,
        created_at -> Utc,
        expires_at -> Utc,
        ended_at -> Nullable<Utc>,
        end_reason -> Nullable<Text>,
    }
    evidence (id) {
        id -> Uid,
        sha256 -> Text,
        size -> BigInt,
        media_type -> Text,
        state -> Text,
        filename -> Nullable<Text>,
        captured_at -> Nullable<Utc>,
        lat -> Nullable<Double>,
        lon -> Nullable<Double>,
        datum -> Nullable<Text>,
        wgs84_lat -> Nullable<Double>,
        wgs84_lon -> Nullable<Double>,
        accuracy_m -> Nullable<Double>,
        fix_age_s -> Nullable<Double>,
        position_source -> Nullable<Text>,
        role -> Nullable<Text>,
        device_id -> Nullable<Uid>,
        user_id -> Nullable<Uid>,
        declared_at -> Utc,
        stored_at -> Nullable<Utc>,
        facts -> Nullable<Doc>,
        flags -> Doc,
        access_class -> Text,
        retention_class -> Text,
        delete_at -> Nullable<Utc>,
        derived_from -> Nullable<Uid>,
    }
    custody_events (id) {
        id -> Uid,
        evidence_id -> Uid,
        action -> Text,
        user_id -> Nullable<Uid>,
        device_id -> Nullable<Uid>,
        at -> Utc,
        reason -> Nullable<Text>,
        detail -> Doc,
        request_id -> Nullable<Text>,
        log_entry_id -> Uid,
    }
    evidence_holds (id) {
        id -> Uid,
        evidence_id -> Uid,
        reason -> Text,
        set_by -> Uid,
        set_at -> Utc,
        lifted_by -> Nullable<Uid>,
        lifted_at -> Nullable<Utc>,
        lift_reason -> Nullable<Text>,
    }
    evidence_deletions (id) {
        id -> Uid,
        evidence_id -> Uid,
        state -> Text,
        reason -> Text,
        proposed_by -> Uid,
        proposed_at -> Utc,
        approved_by -> Nullable<Uid>,
        approved_at -> Nullable<Utc>,
        approval_reason -> Nullable<Text>,
        delete_at -> Nullable<Utc>,
        undone_by -> Nullable<Uid>,
        undone_at -> Nullable<Utc>,
        undo_reason -> Nullable<Text>,
        done_at -> Nullable<Utc>,
        removing_until -> Nullable<Utc>,
        bytes_removed_at -> Nullable<Utc>,
    }
    evidence_links (evidence_id, target_kind, target_id, role) {
        evidence_id -> Uid,
        target_kind -> Text,
        target_id -> Text,
        role -> Text,
        need -> Text,
        op_id -> Nullable<Uid>,
        user_id -> Nullable<Uid>,
        linked_at -> Utc,
    }
    uploads (id) {
        id -> Uid,
        owner -> Text,
        device_id -> Nullable<Uid>,
        user_id -> Nullable<Uid>,
        length -> Nullable<BigInt>,
        durable_offset -> BigInt,
        metadata -> Text,
        declared_sha256 -> Nullable<Text>,
        idempotency_key -> Nullable<Text>,
        filename -> Nullable<Text>,
        media_type -> Nullable<Text>,
        state -> Text,
        writer_epoch -> BigInt,
        evidence_id -> Nullable<Uid>,
        actual_sha256 -> Nullable<Text>,
        created_at -> Utc,
        progressed_at -> Utc,
        expires_at -> Utc,
    }
    cases (id) {
        id -> Uid,
        number -> Text,
        ver -> BigInt,
        lines -> BigInt,
        state -> Text,
        title -> Text,
        description -> Text,
        class_code -> Nullable<Text>,
        address -> Nullable<Text>,
        lat -> Nullable<Double>,
        lon -> Nullable<Double>,
        datum -> Nullable<Text>,
        unit_id -> Nullable<Uid>,
        reported_by -> Uid,
        reported_at -> Utc,
        dispatched_at -> Nullable<Utc>,
        due_at -> Nullable<Utc>,
        limit_kind -> Nullable<Text>,
        limit_tenths -> Nullable<Integer>,
        pauses -> Doc,
        hold_reason -> Nullable<Text>,
        handled_at -> Nullable<Utc>,
        applied_at -> Nullable<Utc>,
        passed -> Bool,
        extension_until -> Nullable<Utc>,
        extension_reason -> Nullable<Text>,
        extension_count -> Integer,
        rework_count -> Integer,
        priority -> Integer,
        closed_at -> Nullable<Utc>,
        timely -> Nullable<Bool>,
        void_reason -> Nullable<Text>,
        updated_at -> Utc,
    }
    case_events (id) {
        id -> Uid,
        case_id -> Uid,
        seq -> BigInt,
        ver -> Nullable<BigInt>,
        at -> Utc,
        occurred_at -> Utc,
        actor_id -> Uid,
        device_id -> Nullable<Uid>,
        op_id -> Nullable<Uid>,
        command -> Text,
        outcome -> Text,
        state -> Text,
        note -> Nullable<Text>,
        args -> Doc,
    }
    case_numbers (day) {
        day -> Text,
        last -> BigInt,
    }
    spot_sites (id) {
        id -> Uid,
        unit_id -> Uid,
        kind -> Text,
        slot -> Integer,
        name -> Text,
        address -> Nullable<Text>,
        lat -> Nullable<Double>,
        lon -> Nullable<Double>,
        ver -> BigInt,
        updated_at -> Utc,
    }
    spot_checks (id) {
        id -> Uid,
        site_id -> Uid,
        unit_id -> Uid,
        week -> Text,
        score -> Integer,
        items -> Doc,
        note -> Nullable<Text>,
        lat -> Nullable<Double>,
        lon -> Nullable<Double>,
        accuracy_m -> Nullable<Double>,
        checked_at -> Utc,
        recorded_at -> Utc,
        actor_id -> Uid,
        device_id -> Nullable<Uid>,
        op_id -> Nullable<Uid>,
    }
    photo_hashes (evidence_id) {
        evidence_id -> Uid,
        state -> Text,
        queued_at -> Utc,
        lease_until -> Utc,
        tries -> Integer,
        seq -> Nullable<BigInt>,
        coarse -> Nullable<Binary>,
        fine -> Nullable<Binary>,
    }
    photo_hash_clock (id) {
        id -> SmallInt,
        n -> BigInt,
    }
    photo_pairs (evidence_id, other_id) {
        evidence_id -> Uid,
        other_id -> Uid,
        distance -> Integer,
        found_at -> Utc,
    }
    photo_matches (id) {
        id -> Uid,
        class -> Text,
        distance -> Integer,
        evidence_id -> Uid,
        target_kind -> Text,
        target_id -> Text,
        other_id -> Uid,
        other_kind -> Text,
        other_target -> Text,
        found_at -> Utc,
        decision -> Nullable<Text>,
        reason -> Nullable<Text>,
        decided_by -> Nullable<Uid>,
        decided_at -> Nullable<Utc>,
    }
    evidence_tracks (evidence_id, of_sha256) {
        evidence_id -> Uid,
        of_sha256 -> Text,
        datum -> Text,
        points -> Nullable<Binary>,
    }
    log_entries (id) {
        id -> Uid,
        kind -> Text,
        subject -> Text,
        leaf -> Text,
        leaf_hash -> Binary,
        recorded_at -> Utc,
        leaf_index -> Nullable<BigInt>,
        sequenced_at -> Nullable<Utc>,
    }
    log_tiles (level, idx) {
        level -> SmallInt,
        idx -> BigInt,
        hashes -> Binary,
    }
    log_head (id) {
        id -> SmallInt,
        size -> BigInt,
    }
    log_checkpoints (size) {
        size -> BigInt,
        root -> Binary,
        note -> Text,
        signed_at -> Utc,
    }
    device_keys (device_id, epoch) {
        device_id -> Uid,
        epoch -> Integer,
        public_key -> Binary,
        enrolled_at -> Utc,
    }
    captures (id) {
        id -> Uid,
        device_id -> Uid,
        sender_id -> Uid,
        epoch -> Nullable<Integer>,
        seq -> Nullable<BigInt>,
        sha256 -> Text,
        prev -> Nullable<Text>,
        raw -> Binary,
        status -> Text,
        findings -> Doc,
        gap_from -> Nullable<BigInt>,
        edited -> Bool,
        received_at -> Utc,
        floor_at -> Nullable<Utc>,
        lower_at -> Nullable<Utc>,
    }
    capture_media (capture_id, sha256) {
        capture_id -> Uid,
        sha256 -> Text,
        size -> BigInt,
    }
    clips (evidence_id) {
        evidence_id -> Uid,
        camera -> Text,
        device_id -> Nullable<Uid>,
        user_id -> Nullable<Uid>,
        user_from -> Nullable<Text>,
        recorded_at -> Utc,
        recorded_from -> Text,
        clock_offset_ms -> Nullable<BigInt>,
        clock_from -> Nullable<Text>,
        started_at -> Utc,
        ended_at -> Utc,
        key_file -> Bool,
        doubts -> Doc,
        state -> Text,
        best_case -> Nullable<Uid>,
        best_score -> Nullable<Integer>,
        judged_at -> Utc,
        decided_by -> Nullable<Uid>,
        decided_at -> Nullable<Utc>,
        reason -> Nullable<Text>,
        arrived_at -> Utc,
    }
    camera_assignments (id) {
        id -> Uid,
        camera -> Text,
        user_id -> Uid,
        from_at -> Utc,
        until_at -> Utc,
        set_by -> Nullable<Uid>,
        set_at -> Utc,
    }
    calendar_years (year) {
        year -> Integer,
        source -> Text,
        imported_by -> Nullable<Uid>,
        imported_at -> Utc,
    }
    calendar_days (day) {
        day -> Text,
        year -> Integer,
        kind -> Text,
        name -> Text,
    }
    working_slots (from_day, from_min) {
        from_day -> Text,
        from_min -> Integer,
        until_min -> Integer,
        set_by -> Nullable<Uid>,
        set_at -> Utc,
    }
    catalogue_versions (version) {
        version -> Integer,
        source -> Text,
        imported_by -> Nullable<Uid>,
        imported_at -> Utc,
    }
    catalogue_classes (version, scheme_version, kind, code) {
        version -> Integer,
        scheme_version -> Text,
        kind -> Text,
        code -> Text,
        big_name -> Text,
        name -> Text,
    }
    catalogue_conditions (version, scheme_version, kind, code, number) {
        version -> Integer,
        scheme_version -> Text,
        kind -> Text,
        code -> Text,
        number -> Integer,
        filing -> Text,
        closing -> Text,
        limit_kind -> Text,
        limit_tenths -> Integer,
        remark -> Text,
    }
    grids (code) {
        code -> Text,
        name -> Text,
        shape -> Doc,
        west -> Double,
        south -> Double,
        east -> Double,
        north -> Double,
        imported_at -> Utc,
    }
    responsibilities (id) {
        id -> Uid,
        area -> Text,
        class_kind -> Nullable<Text>,
        class_code -> Text,
        from_min -> Nullable<Integer>,
        until_min -> Nullable<Integer>,
        unit_id -> Uid,
        ruling -> Bool,
        reason -> Text,
        set_by -> Nullable<Uid>,
        set_at -> Utc,
        ended_by -> Nullable<Uid>,
        ended_at -> Nullable<Utc>,
    }
    device_repairs (device_id) {
        device_id -> Uid,
        reason -> Text,
        set_by -> Uid,
        set_at -> Utc,
    }
    city_directions (direction) {
        direction -> Text,
        seq -> BigInt,
        enabled -> Bool,
        held_by -> Nullable<Text>,
        held_until -> Nullable<Utc>,
    }
    city_cases (city_number) {
        city_number -> Text,
        case_id -> Uid,
        state -> Text,
        due_at -> Utc,
        unit_code -> Nullable<Text>,
        line -> BigInt,
        dispatch -> Doc,
        received_at -> Utc,
        updated_at -> Utc,
    }
    city_inbox (msg_id) {
        msg_id -> Text,
        seq -> BigInt,
        kind -> Text,
        envelope -> Doc,
        outcome -> Nullable<Text>,
        reason -> Nullable<Text>,
        detail -> Nullable<Text>,
        county_number -> Nullable<Text>,
        received_at -> Utc,
        applied_at -> Nullable<Utc>,
    }
    city_outbox (msg_id) {
        msg_id -> Uid,
        seq -> BigInt,
        kind -> Text,
        case_id -> Nullable<Uid>,
        body -> Doc,
        state -> Text,
        attempts -> Integer,
        next_try_at -> Utc,
        last_error -> Nullable<Text>,
        queued_at -> Utc,
        settled_at -> Nullable<Utc>,
        settled_by -> Nullable<Uid>,
        settled_note -> Nullable<Text>,
    }
    city_codes (kind, city_code) {
        kind -> Text,
        city_code -> Text,
        county_code -> Text,
    }
    city_reconciliations (seq) {
        seq -> BigInt,
        received_at -> Utc,
        items -> Integer,
        in_flight -> Integer,
        differences -> Doc,
    }
}

diesel::allow_tables_to_appear_in_same_query! {
    sync_clock, changes, sync_ops, sync_waits, sync_raw, server_secrets, units, unit_classes, users, devices,
    device_epochs, sessions, evidence, custody_events, evidence_holds, evidence_deletions, evidence_links, uploads,
    cases, case_events, case_numbers, spot_sites, spot_checks, photo_hashes, photo_hash_clock, photo_pairs,
    photo_matches, evidence_tracks, log_entries, log_tiles, log_head, log_checkpoints, device_keys, captures,
    capture_media, clips, camera_assignments, device_repairs, calendar_years, calendar_days, working_slots,
    city_directions, city_cases, city_inbox, city_outbox, city_codes, city_reconciliations, catalogue_versions,
    catalogue_classes, catalogue_conditions, grids, responsibilities
}
