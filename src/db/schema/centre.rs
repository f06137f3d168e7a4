//! What the centre works with: units, cases, checks, the calendar, the catalogue, the map and the link to the city.

tables! {
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
    open311_requests (case_id) {
        case_id -> Uid,
        api_key -> Text,
        service_code -> Text,
        service_name -> Text,
        description -> Text,
        address_id -> Nullable<Text>,
        media_url -> Nullable<Text>,
        email -> Nullable<Text>,
        phone -> Nullable<Text>,
        first_name -> Nullable<Text>,
        last_name -> Nullable<Text>,
        device_id -> Nullable<Text>,
        account_id -> Nullable<Text>,
        received_at -> Utc,
    }
}
