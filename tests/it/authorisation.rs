//! Who may call what. Every operation of the OpenAPI document has a row; a new one without a row fails here.

use crate::support::{
    http::Reply,
    on_both_engines,
    spec::{self, Operation},
    tus::id_of,
    world::{Device, Person, World, read},
};
use base64::Engine;
use chengguan::{
    cases::actions::Cause,
    db::types::SpotCheckId,
    error::Code,
    identity::{
        rules::{DeviceKind, Role},
        tokens,
    },
    spotchecks,
};
use serde_json::{Value, json};

on_both_engines!(
    every_operation_lets_in_whom_its_row_says,
    a_case_of_another_unit_is_not_there,
    a_spot_check_is_for_its_unit_its_maker_and_the_centre,
);

/// `y` is let in (what it answers then is another test's business), `n` is refused, `h` is told that nothing is there.
const COLUMNS: [&str; 10] = [
    "inspector",
    "officer",
    "spot_checker",
    "liaison",
    "dispatcher",
    "verifier",
    "supervisor",
    "admin",
    "device",
    "revoked",
];

/// The columns in order; `*` needs no token at all. The case is dispatched to the liaison's unit and was reported by
/// a dispatcher; the officer is of another unit.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    //                                          i o s l d v s a  d r
    ("GET /healthz",                            "*"),
    ("GET /metrics",                            "*"),
    ("GET /readyz",                             "*"),
    ("POST /api/v1/setup",                      "*"),
    ("POST /api/v1/auth/login",                 "*"),
    ("POST /api/v1/auth/refresh",               "*"),
    ("POST /api/v1/devices/enrol",              "*"),
    ("GET /api/v1/me",                          "y y y y y y y y  n n"),
    ("GET /api/v1/units",                       "y y y y y y y y  y n"),
    ("POST /api/v1/units",                      "n n n n n n n y  n n"),
    ("GET /api/v1/users",                       "n n n n n n n y  n n"),
    ("POST /api/v1/users",                      "n n n n n n n y  n n"),
    ("GET /api/v1/devices",                     "n n n n y n n y  n n"),
    ("POST /api/v1/devices",                    "n n n n n n n y  n n"),
    ("POST /api/v1/devices/{id}/revoke",        "n n n n n n n y  n n"),
    ("GET /api/v1/devices/utilisation",         "n n n n y y y y  n n"),
    ("PUT /api/v1/devices/{id}/repair",         "n n n n n n n y  n n"),
    ("GET /api/v1/calendar",                    "y y y y y y y y  n n"),
    ("POST /api/v1/calendar/due",               "y y y y y y y y  n n"),
    ("PUT /api/v1/calendar/years/{year}",       "n n n n n n n y  n n"),
    ("PUT /api/v1/calendar/slots",              "n n n n n n n y  n n"),
    ("DELETE /api/v1/calendar/slots/{from_day}", "n n n n n n n h  n n"),
    // A class that is not there.
    ("GET /api/v1/catalogue/classes",           "y y y y y y y y  n n"),
    ("GET /api/v1/catalogue/classes/{kind}/{code}", "h h h h h h h h  n n"),
    ("GET /api/v1/catalogue/versions",          "y y y y y y y y  n n"),
    ("POST /api/v1/catalogue/import",           "n n n n n n n y  n n"),
    ("GET /api/v1/catalogue/export",            "y y y y y y y y  n n"),
    // A row of the responsibility map that is not there.
    ("GET /api/v1/grids",                       "y y y y y y y y  n n"),
    ("GET /api/v1/basemap",                     "y y y y y y y y  n n"),
    ("GET /api/v1/basemap/archive",             "h h h h h h h h  n n"),
    ("GET /api/v1/grids/map",                   "y y y y y y y y  n n"),
    ("PUT /api/v1/grids/map",                   "n n n n n n n y  n n"),
    ("GET /api/v1/responsibilities",            "y y y y y y y y  n n"),
    ("POST /api/v1/responsibilities",           "n n n n y n n y  n n"),
    ("POST /api/v1/responsibilities/rulings",   "n n n n y n y n  n n"),
    ("POST /api/v1/responsibilities/{id}/end",  "n n n n h n n h  n n"),
    ("GET /api/v1/responsibilities/suggestion", "y y y y y y y y  n n"),
    ("GET /api/v1/responsibilities/doubts",     "n n n n y y y y  n n"),
    ("GET /api/v1/responsibilities/bounces",    "n n n n y y y y  n n"),
    // A clip and a shift that are not there.
    ("GET /api/v1/workbench/queues",            "n n n y y y y y  n n"),
    ("GET /api/v1/workbench/claims",            "n n n n y y y y  n n"),
    ("PUT /api/v1/cases/{id}/claim",            "n n n n y n n n  n n"),
    ("DELETE /api/v1/cases/{id}/claim",         "n n n n y n n n  n n"),
    ("POST /api/v1/workbench/dispatch",         "n n n n y n n n  n n"),
    ("GET /api/v1/workbench/due-today",         "n n n y y y y y  n n"),
    ("GET /api/v1/workbench/urgings",           "n n n y y y y y  n n"),
    ("POST /api/v1/cases/{id}/urgings",         "n n n n y n y n  n n"),
    // It is not late.
    ("POST /api/v1/cases/{id}/appeals",         "n n n y n n n n  n n"),
    ("GET /api/v1/workbench/appeals",           "n n n y y y y y  n n"),
    ("POST /api/v1/workbench/appeals/{id}/decision", "n n n n h n n n  n n"),
    ("GET /api/v1/workbench/templates",         "y y y y y y y y  n n"),
    ("POST /api/v1/workbench/templates",        "n n n n y n n y  n n"),
    ("DELETE /api/v1/workbench/templates/{id}", "n n n n h n n h  n n"),
    ("GET /api/v1/workbench/views",             "y y y y y y y y  n n"),
    ("POST /api/v1/workbench/views",            "y y y y y y y y  n n"),
    ("DELETE /api/v1/workbench/views/{id}",     "h h h h h h h h  n n"),
    // A letter and an entry of the list that are not there.
    ("GET /api/v1/letters",                     "n n n y y y y y  n n"),
    ("POST /api/v1/letters",                    "n n n n y n y y  n n"),
    ("GET /api/v1/letters/counts",              "n n n y y y y y  n n"),
    ("GET /api/v1/letters/{id}",                "n n n h h h h h  n n"),
    ("GET /api/v1/letters/{id}/cases",          "n n n h h h h h  n n"),
    ("GET /api/v1/letters/{id}/timeline",       "n n n h h h h h  n n"),
    ("GET /api/v1/letters/{id}/document",       "n n n h h h h h  n n"),
    ("POST /api/v1/letters/{id}/commands",      "n n n h h n h h  n n"),
    ("GET /api/v1/merits",                      "y y y y y y y y  n n"),
    ("POST /api/v1/merits",                     "n n n n y n y y  n n"),
    ("GET /api/v1/merits/{id}",                 "h h h h h h h h  n n"),
    ("POST /api/v1/merits/{id}/decision",       "n n n n n n h h  n n"),
    ("POST /api/v1/merits/{id}/withdrawal",     "n n n n h n h h  n n"),
    ("GET /api/v1/clips",                       "n y n y y y y y  n n"),
    ("GET /api/v1/clips/{id}",                  "n h n h h h h h  n n"),
    ("POST /api/v1/clips/{id}/link",            "n h n h h n n n  n n"),
    ("POST /api/v1/clips/{id}/dismiss",         "n h n h h n n n  n n"),
    ("GET /api/v1/camera-assignments",          "n y n n y y y y  n n"),
    ("PUT /api/v1/camera-assignments",          "n n n n y n n y  n n"),
    ("DELETE /api/v1/camera-assignments/{id}",  "n n n n h n n h  n n"),
    // A spot that is not there.
    ("GET /api/v1/spots",                       "y y y y y y y y  n n"),
    ("POST /api/v1/spots",                      "n n n n y n n n  n n"),
    ("GET /api/v1/spots/candidates",            "n n n n y y y y  n n"),
    ("GET /api/v1/spots/top",                   "n n n y y y y y  n n"),
    ("GET /api/v1/spots/{id}",                  "h h h h h h h h  n n"),
    ("GET /api/v1/spots/{id}/timeline",         "h h h h h h h h  n n"),
    ("GET /api/v1/spots/{id}/records",          "h h h h h h h h  n n"),
    ("POST /api/v1/spots/{id}/attach",          "n n n n h n n n  n n"),
    ("POST /api/v1/spots/{id}/detach",          "n n n n h n n n  n n"),
    ("POST /api/v1/spots/{id}/observations",    "h n n n h n n n  n n"),
    ("PUT /api/v1/spots/{id}/cause",            "n n n n h n n n  n n"),
    ("POST /api/v1/spots/{id}/close",           "n n n n h n n n  n n"),
    ("GET /api/v1/statistics",                  "n n n y y y y y  n n"),
    ("GET /api/v1/statistics/records",          "n n n y y y y y  n n"),
    // A year without a self-evaluation.
    ("GET /api/v1/self-evaluations",            "n n n n y n y y  n n"),
    ("GET /api/v1/self-evaluations/{year}",     "n n n n h n h h  n n"),
    ("PUT /api/v1/self-evaluations/{year}",     "n n n n y n n y  n n"),
    ("POST /api/v1/self-evaluations/{year}/submit", "n n n n h n n h  n n"),
    ("GET /api/v1/self-evaluations/{year}/suggestions", "n n n n y n y y  n n"),
    ("GET /api/v1/self-evaluations/{year}/document", "n n n n h n h h  n n"),
    ("GET /api/v1/open-data/cases",             "n n n n y y y y  n n"),
    ("GET /api/v1/open-data/spots",             "n n n n y y y y  n n"),
    ("GET /api/v1/open-data/sites",             "n n n n y y y y  n n"),
    ("GET /api/v1/open-data/grids",             "n n n n y y y y  n n"),
    // A collection that is not there.
    ("GET /ogc",                                "n n n n y y y y  n n"),
    ("GET /ogc/api",                            "n n n n y y y y  n n"),
    ("GET /ogc/conformance",                    "n n n n y y y y  n n"),
    ("GET /ogc/collections",                    "n n n n y y y y  n n"),
    ("GET /ogc/collections/{collection}",       "n n n n h h h h  n n"),
    ("GET /ogc/collections/{collection}/items", "n n n n h h h h  n n"),
    ("GET /ogc/collections/{collection}/items/{feature}", "n n n n h h h h  n n"),
    // Open311 is for everybody, and asks for its own keys where somebody reports.
    ("GET /open311/v2/discovery.{format}",      "*"),
    ("GET /open311/v2/services.{format}",       "*"),
    ("GET /open311/v2/services/{code}.{format}", "*"),
    ("GET /open311/v2/tokens/{token}.{format}", "*"),
    ("GET /open311/v2/requests.{format}",       "*"),
    ("POST /open311/v2/requests.{format}",      "*"),
    ("GET /open311/v2/requests/{id}.{format}",  "*"),
    ("GET /open311/v2/servicerequestupdates.{format}", "*"),
    // Nothing came by it.
    ("GET /api/v1/open311/requests/{id}",       "n n n n h n n n  n n"),
    ("GET /api/v1/cases",                       "y y y y y y y y  n n"),
    ("POST /api/v1/cases",                      "y y y y y n n n  n n"),
    ("GET /api/v1/cases/{id}",                  "h h h y y y y y  n n"),
    ("GET /api/v1/cases/{id}/clocks",           "h h h y y y y y  n n"),
    ("GET /api/v1/cases/{id}/timeline",         "h h h y y y y y  n n"),
    ("POST /api/v1/cases/{id}/commands",        "h h h n y n n n  n n"),
    // The city signs its messages; the Centre looks, and there are no dead letters here.
    ("POST /api/v1/city/messages",              "*"),
    ("GET /api/v1/city/status",                 "n n n n y y y y  n n"),
    ("POST /api/v1/city/import",                "n n n n y n n y  n n"),
    ("GET /api/v1/city/cases",                  "n n n n y y y y  n n"),
    ("GET /api/v1/city/inbox",                  "n n n n y y y y  n n"),
    ("GET /api/v1/city/outbox",                 "n n n n y y y y  n n"),
    ("POST /api/v1/city/outbox/{msg_id}/resend", "n n n n h n n h  n n"),
    ("POST /api/v1/city/outbox/{msg_id}/give-up", "n n n n h n n h  n n"),
    ("GET /api/v1/city/reconciliations",        "n n n n y y y y  n n"),
    ("GET /api/v1/city/codes",                  "n n n n y y y y  n n"),
    ("PUT /api/v1/city/codes",                  "n n n n n n n y  n n"),
    ("DELETE /api/v1/city/codes",               "n n n n n n n y  n n"),
    ("GET /api/v1/sites",                       "y y y y y y y y  n n"),
    ("PUT /api/v1/sites",                       "n n n n y n n y  n n"),
    // A site that is not there.
    ("POST /api/v1/sites/{id}/strike",          "n n n n h n n h  n n"),
    ("POST /api/v1/sites/{id}/reinstate",       "n n n n h n n h  n n"),
    ("GET /api/v1/sites/{id}/versions",         "h h h h h h h h  n n"),
    ("POST /api/v1/sites/import",               "n n n n y n n y  n n"),
    ("GET /api/v1/sites/export",                "y y y y y y y y  n n"),
    ("GET /api/v1/site-substitutions",          "y y y y y y y y  n n"),
    ("PUT /api/v1/site-substitutions",          "n n n n y n n y  n n"),
    ("GET /api/v1/spot-checks",                 "y y y y y y y y  n n"),
    // A month, a line, rules and an objection that are not there.
    ("GET /api/v1/assessment/rules",            "n n n y y y y y  n n"),
    ("POST /api/v1/assessment/rules",           "n n n n y n n y  n n"),
    ("POST /api/v1/assessment/rules/{version}/approve", "n n n n n n h n  n n"),
    ("GET /api/v1/assessment/months",           "n n n y y y y y  n n"),
    ("GET /api/v1/assessment/months/{month}",   "n n n h h h h h  n n"),
    ("POST /api/v1/assessment/months/{month}/run", "n n n n y n n y  n n"),
    ("POST /api/v1/assessment/months/{month}/open", "n n n n h n n h  n n"),
    ("POST /api/v1/assessment/months/{month}/publish", "n n n n n n h n  n n"),
    ("POST /api/v1/assessment/months/{month}/what-if", "n n n n h h h h  n n"),
    ("GET /api/v1/assessment/months/{month}/pack", "n n n h h h h h  n n"),
    ("GET /api/v1/assessment/months/{month}/bulletin", "n n n h h h h h  n n"),
    ("GET /api/v1/assessment/months/{month}/lines", "n n n h h h h h  n n"),
    ("GET /api/v1/assessment/months/{month}/lines/{n}/record", "n n n h h h h h  n n"),
    ("GET /api/v1/assessment/months/{month}/lines/{n}/evidence/{evidence_id}", "n n n h h h h h  n n"),
    ("POST /api/v1/assessment/months/{month}/lines/{n}/objection", "n n n h n n n n  n n"),
    ("GET /api/v1/assessment/months/{month}/objections", "n n n h h h h h  n n"),
    ("POST /api/v1/assessment/objections/{id}/steps", "n n n n h n h h  n n"),
    ("GET /api/v1/assessment/months/{month}/editions", "n n n h h h h h  n n"),
    ("POST /api/v1/assessment/months/{month}/editions", "n n n n h n h h  n n"),
    ("POST /api/v1/assessment/editions/{id}/decision", "n n n n h n h h  n n"),
    ("GET /api/v1/assessment/review",           "n n n y y y y y  n n"),
    ("GET /api/v1/spot-checks/agreement",       "n n n n y y y y  n n"),
    ("GET /api/v1/spot-checklists",             "y y y y y y y y  n n"),
    ("PUT /api/v1/spot-checklists",             "n n n n n n n y  n n"),
    // A week without a draw.
    ("GET /api/v1/draws",                       "y y y y y y y y  n n"),
    ("GET /api/v1/draws/{week}",                "h h h h h h h h  n n"),
    ("GET /api/v1/draws/{week}/pack",           "h h h h h h h h  n n"),
    ("POST /api/v1/draws/{week}/frame",         "n n n n y n n y  n n"),
    ("PUT /api/v1/draws/{week}/commitment",     "n n n y n n n n  n n"),
    ("PUT /api/v1/draws/{week}/nonce",          "n n n y n n n n  n n"),
    ("PUT /api/v1/draws/{week}/seed",           "n n n n h n n h  n n"),
    ("POST /api/v1/draws/{week}/seed/confirm",  "n n n n h n h h  n n"),
    ("POST /api/v1/draws/{week}/run",           "n n n n h n n h  n n"),
    ("GET /api/v1/spot-teams",                  "n n n n y y y y  n n"),
    ("PUT /api/v1/spot-teams",                  "n n n n y n n y  n n"),
    // A revoked device still brings its work home; a person will look at it.
    ("POST /api/v1/sync/push",                  "n n n n n n n n  y y"),
    ("POST /api/v1/sync/epoch",                 "n n n n n n n n  y y"),
    ("POST /api/v1/sync/raw",                   "n n n n n n n n  y y"),
    ("GET /api/v1/sync/events",                 "y y y y y y y y  n n"),
    // An operation of the device's, and bytes of its that were none. The Centre looks, the dispatcher decides.
    ("GET /api/v1/sync/reviews",                "n n n n y y y y  n n"),
    ("GET /api/v1/sync/reviews/{op_id}",        "n n n n y y y y  n n"),
    ("POST /api/v1/sync/reviews/{op_id}/decision", "n n n n y n n n  n n"),
    ("GET /api/v1/sync/reviews/raw",            "n n n n y y y y  n n"),
    ("POST /api/v1/sync/reviews/raw/{id}/decision", "n n n n y n n n  n n"),
    ("GET /api/v1/sync/health",                 "n n n n y y y y  n n"),
    ("GET /api/v1/sync/health/{device_id}/losses", "n n n n y y y y  n n"),
    ("GET /api/v1/sync/ops/{op_id}/receipt",    "h h h h y y y y  y h"),
    ("GET /api/v1/sync/receipt-key",            "*"),
    ("GET /api/v1/sync/changes",                "y y y y y y y y  n n"),
    ("GET /api/v1/sync/snapshot",               "y y y y y y y y  n n"),
    // A film of the device's, linked to the case.
    ("POST /api/v1/evidence",                   "y y y y y y y y  y n"),
    ("GET /api/v1/evidence",                    "y y y y y y y y  y n"),
    ("GET /api/v1/evidence/{id}",               "h h h y y y y y  y n"),
    ("GET /api/v1/evidence/{id}/content",       "h h h y y y y y  y n"),
    ("HEAD /api/v1/evidence/{id}/content",      "h h h y y y y y  y n"),
    ("GET /api/v1/evidence/{id}/thumbnail",     "h h h y y y y y  y n"),
    // A revoked device still brings home what it signed. Without a file, what devices signed is the Centre's to see.
    ("POST /api/v1/captures",                   "n n n n n n n n  y y"),
    ("GET /api/v1/captures",                    "n n n n y y y y  n n"),
    ("GET /api/v1/captures/chains/{device_id}", "n n n n y y y y  n n"),
    ("GET /api/v1/evidence/{id}/receipt",       "h h h y y y y y  y n"),
    // Proofs are for those who trust nobody; what the leaves say is the Centre's.
    ("GET /api/v1/draw-verify.py",              "*"),
    ("GET /api/v1/log/key",                     "*"),
    ("GET /api/v1/log/checkpoint",              "*"),
    ("GET /api/v1/log/proof",                   "*"),
    ("GET /api/v1/log/consistency",             "*"),
    ("GET /api/v1/log/entries",                 "n n n n y y y y  n n"),
    ("GET /api/v1/evidence/{id}/track",         "h h h y y y y y  y n"),
    ("GET /api/v1/evidence/reuse",              "n n n n y y y y  n n"),
    ("GET /api/v1/evidence/reuse/{id}",         "n n n n y y y y  n n"),
    ("POST /api/v1/evidence/reuse/{id}/decision", "n n n n y n y n  n n"),
    // The address of the film that a ticket gives; without one it is nobody's.
    ("POST /api/v1/evidence/{id}/ticket",       "h h h y y y y y  n n"),
    ("GET /api/v1/evidence/{id}/bytes",         "*"),
    ("HEAD /api/v1/evidence/{id}/bytes",        "*"),
    ("GET /api/v1/names",                       "n n n n y y y y  n n"),
    // Custody of the film: the Centre looks, two offices decide.
    ("GET /api/v1/evidence/{id}/custody",       "n n n n y y y y  n n"),
    ("GET /api/v1/evidence/{id}/retention",     "n n n n y y y y  n n"),
    ("PUT /api/v1/evidence/{id}/retention",     "n n n n y n y y  n n"),
    ("PUT /api/v1/evidence/{id}/access-class",  "n n n n n n y n  n n"),
    ("GET /api/v1/evidence/retention/due",      "n n n n y n y y  n n"),
    ("GET /api/v1/evidence/deletions",          "n n n n y y y y  n n"),
    ("POST /api/v1/evidence/{id}/deletion",     "n n n n y n n y  n n"),
    ("POST /api/v1/evidence/{id}/deletion/approve", "n n n n n n y n  n n"),
    ("POST /api/v1/evidence/{id}/deletion/undo", "n n n n y n y y  n n"),
    ("POST /api/v1/evidence/{id}/holds",        "n n n n y n y y  n n"),
    ("POST /api/v1/evidence/{id}/holds/{hold_id}/lift", "n n n n n n y n  n n"),
    ("POST /api/v1/evidence/{id}/redactions",   "n n n n y n y n  n n"),
    ("POST /api/v1/evidence/{id}/unlink",       "n n n n y n n n  n n"),
    // An upload of the device's. Only its owner may touch it; the Centre may look.
    ("OPTIONS /api/v1/uploads",                 "*"),
    ("POST /api/v1/uploads",                    "y y y y y y y y  y n"),
    ("GET /api/v1/uploads/{id}",                "h h h h y y y y  y h"),
    ("HEAD /api/v1/uploads/{id}",               "h h h h h h h h  y h"),
    ("PATCH /api/v1/uploads/{id}",              "h h h h h h h h  y h"),
    ("POST /api/v1/uploads/{id}",               "h h h h h h h h  y h"),
    ("DELETE /api/v1/uploads/{id}",             "h h h h h h h h  y h"),
    // Last, because it ends the callers' sessions.
    ("POST /api/v1/auth/logout",                "y y y y y y y y  n n"),
];

/// Everybody who may call, and what they call about.
pub struct Cast {
    tokens: Vec<String>,
    case: String,
    unit: String,
    device: String,
    evidence: String,
    upload: String,
    op: String,
    raw: String,
}

impl Cast {
    /// One person of each role, a device and a revoked one.
    pub fn new(world: &World) -> Cast {
        let people: Vec<Person> = Role::ALL.iter().map(|role| world.person(*role)).collect();
        assert!(people.iter().map(|p| p.role.as_str()).eq(COLUMNS[..8].iter().copied()), "the columns are the roles");
        let of = |role: Role| people.iter().find(|person| person.role == role).unwrap();
        let unit = of(Role::Liaison).unit.clone().unwrap();
        let case = dispatched_case(world, of(Role::Dispatcher), &unit);
        let (device, revoked): (Device, Device) =
            (world.device(DeviceKind::Handheld), world.device(DeviceKind::Handheld));
        world.revoke(&revoked);
        let token = world.device_token(&device);
        let film = upload(world, &token, b"film", 4, &format!(",case_id {}", base64(case.as_bytes())));
        let evidence = film.header("content-location").expect("a whole file becomes evidence").to_owned();
        let track = b"time,lat,lon\n1795314616,27.44,109.95\n";
        let beside = base64(tokens::hex(&tokens::sha256(b"film")).as_bytes());
        upload(world, &token, track, track.len(), &format!(",sidecar_of {beside}"));
        let open = upload(world, &token, b"", 10, "");
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (evidence, upload) = (last(&evidence), id_of(open.header("location").unwrap()).to_owned());
        // Nobody's session: it waits for a person.
        let op = json!({
            "op_id": world.app.env.id(), "seq": 1, "type": "case.note", "v": 1, "actor": world.app.env.id(),
            "session": world.app.env.id(), "occurred_at": world.now(), "args": {"text": "x"},
        });
        let push = json!({
            "protocol": 1, "app": "test/1", "device": device.id, "epoch": device.epoch, "attempt": 1,
            "clock": {"wall": world.now(), "mono_ms": 1, "boot": "b"}, "outbox": {"depth": 1, "high_seq": 1}, "ops": [op],
        });
        world.post("/api/v1/sync/push").by(&token).json(&push).send().expect(200);
        world.post("/api/v1/sync/raw").by(&token).bytes("application/octet-stream", "?").send().expect(200);
        let raws = world.get("/api/v1/sync/reviews/raw").by(&of(Role::Dispatcher).token).send().expect(200);
        let (op, raw): (String, String) = (read(&op["op_id"]), read(&raws["items"][0]["id"]));
        let mut tokens: Vec<String> = people.into_iter().map(|person| person.token).collect();
        tokens.extend([token, world.device_token(&revoked)]);
        Cast { tokens, case, unit, device: world.device(DeviceKind::Camera).id.to_string(), evidence, upload, op, raw }
    }

    /// A caller whom the operation lets in; none for an operation without token.
    pub fn entitled(&self, operation: &Operation) -> Option<&str> {
        let letters = letters(row(operation).unwrap_or("*"));
        // Where the cast has nothing to be let in to, whoever hears that it is not there has the right.
        let column = ['y', 'h'].iter().find_map(|wanted| letters.iter().position(|letter| letter == wanted))?;
        Some(&self.tokens[column])
    }

    /// The operation's path, about things that exist where the cast has some.
    pub fn path(&self, operation: &Operation) -> String {
        let id = match operation.path.split('/').nth(3) {
            Some("cases") => &self.case,
            Some("devices" | "captures") => &self.device,
            Some("evidence") => &self.evidence,
            Some("uploads") => &self.upload,
            Some("calendar") if operation.path.contains("/years/") => "2027",
            Some("calendar") => "2026-06-01",
            Some("assessment") if !operation.path.contains("/{id}/") => "1",
            Some("draws") => "2026-W48",
            Some("self-evaluations") => "2027",
            Some("sync") if operation.path.contains("/raw/") => &self.raw,
            Some("sync") if operation.path.contains("/health/") => &self.device,
            Some("sync") => &self.op,
            _ => "01900000-0000-7000-8000-000000000001",
        };
        let needed = operation.required_query();
        let mut query: Vec<String> = needed.iter().map(|name| format!("{name}=x")).collect();
        // Else it would last ten minutes.
        query.extend(operation.path.ends_with("/sync/events").then(|| "for=0".to_owned()));
        let mark = if query.is_empty() { "" } else { "?" };
        // A line has a number, a file has an id.
        let path = operation.path_with(id).replace("/evidence/1", "/evidence/01900000-0000-7000-8000-000000000001");
        format!("{path}{mark}{}", query.join("&"))
    }

    /// A body the operation takes, about things that exist where it makes a difference.
    pub fn body(&self, operation: &Operation) -> Option<Value> {
        let mut body = spec::sample(operation.json_body()?);
        if let Some(unit) = body.pointer_mut("/args/unit_id") {
            *unit = json!(self.unit);
        }
        Some(body)
    }

    fn call(&self, world: &World, operation: &Operation, token: Option<&str>) -> Reply {
        let call = world.call(operation.method, &self.path(operation)).by_some(token);
        if operation.path.starts_with("/api/v1/uploads") {
            let call = call.header("tus-resumable", "1.0.0").header("upload-offset", "0");
            let call = call.header("x-http-method-override", "PATCH");
            return call.bytes("application/offset+octet-stream", "").send();
        }
        match self.body(operation) {
            Some(body) => call.json(&body).send(),
            None => call.send(),
        }
    }
}

/// Creates an upload with these first bytes of it.
fn upload(world: &World, token: &str, bytes: &[u8], length: usize, metadata: &str) -> Reply {
    let sha256 = base64(tokens::hex(&tokens::sha256(bytes)).as_bytes());
    let call = world.post("/api/v1/uploads").by(token).header("tus-resumable", "1.0.0");
    let call = call.header("upload-length", &length.to_string());
    let call = call.header("upload-metadata", &format!("sha256 {sha256}{metadata}"));
    let kind = if bytes.is_empty() { "" } else { "application/offset+octet-stream" };
    let reply = call.bytes(kind, bytes).send();
    reply.expect_status(201);
    reply
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A case dispatched to a unit.
pub fn dispatched_case(world: &World, dispatcher: &Person, unit: &str) -> String {
    let report = json!({"title": "井盖破损", "description": "人行道上"});
    let case: String = read(&world.post("/api/v1/cases").by(&dispatcher.token).json(&report).send().expect(201)["id"]);
    let due = world.now() + chrono::TimeDelta::days(3);
    let dispatch = json!({"type": "dispatch", "args": {"unit_id": unit, "due_at": due}});
    world.post(&format!("/api/v1/cases/{case}/commands")).by(&dispatcher.token).json(&dispatch).send().expect(200);
    case
}

fn row(operation: &Operation) -> Option<&'static str> {
    let name = operation.name();
    ROWS.iter().find(|(row, _)| *row == name).map(|(_, letters)| *letters)
}

fn letters(row: &str) -> Vec<char> {
    row.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let operations: Vec<String> = spec::operations().iter().map(Operation::name).collect();
    let rows: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    let without: Vec<&String> = operations.iter().filter(|name| !rows.contains(&name.as_str())).collect();
    let stale: Vec<&&str> = rows.iter().filter(|name| !operations.iter().any(|o| o == *name)).collect();
    assert!(without.is_empty(), "give these a row in ROWS: {without:#?}");
    assert!(stale.is_empty(), "these rows have no operation: {stale:#?}");
    for (name, row) in ROWS {
        assert!(*row == "*" || letters(row).len() == COLUMNS.len(), "{name}: {row}");
        assert_eq!(rows.iter().filter(|other| *other == name).count(), 1, "{name} stands twice");
    }
}

#[test]
fn the_document_says_which_operations_need_a_token() {
    for operation in spec::operations() {
        assert_eq!(operation.needs_token(), row(operation) != Some("*"), "{}", operation.name());
    }
}

fn every_operation_lets_in_whom_its_row_says(world: &World) {
    let cast = Cast::new(world);
    let mut wrong = Vec::new();
    for (name, row) in ROWS {
        let operation = spec::operations().iter().find(|operation| operation.name() == *name).unwrap();
        let bare = cast.call(world, operation, None);
        if *row == "*" {
            if matches!(bare.code().as_str(), "credentials_missing" | "role_forbidden" | "user_required") {
                wrong.push(format!("without a token: {bare}"));
            }
            continue;
        }
        let forged = cast.call(world, operation, Some("a.b.c"));
        assert_eq!((bare.status, forged.status), (401, 401), "{bare} {forged}");
        // A HEAD has no body to say it in.
        if operation.method != "HEAD" {
            bare.refused(Code::CredentialsMissing);
            forged.refused(Code::TokenInvalid);
        }
        for (n, letter) in letters(row).into_iter().enumerate() {
            let reply = cast.call(world, operation, Some(&cast.tokens[n]));
            let found = match reply.status {
                401 | 403 => 'n',
                404 if row.contains('h') && matches!(reply.code().as_str(), "not_found" | "") => 'h',
                _ => 'y',
            };
            if found != letter {
                wrong.push(format!("{} should be {letter:?}: {reply}", COLUMNS[n]));
            }
            if found == 'n' && operation.method != "HEAD" {
                let codes = [Code::RoleForbidden, Code::UserRequired, Code::DeviceRequired, Code::DeviceRevoked];
                assert!(codes.iter().any(|code| code.as_str() == reply.code()), "{}: {reply}", COLUMNS[n]);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn a_case_of_another_unit_is_not_there(world: &World) {
    let (ours, theirs) = (world.person(Role::Liaison), world.person(Role::Liaison));
    let dispatcher = world.person(Role::Dispatcher);
    let case = dispatched_case(world, &dispatcher, ours.unit.as_deref().unwrap());
    let path = format!("/api/v1/cases/{case}");
    world.get(&path).by(&ours.token).send().expect(200);
    let missing = world.get("/api/v1/cases/01900000-0000-7000-8000-000000000001").by(&theirs.token).send();
    let hidden = world.get(&path).by(&theirs.token).send();
    let same = |reply: &Reply| {
        let mut body = reply.refused(Code::NotFound);
        body["request_id"] = Value::Null;
        body
    };
    assert_eq!(same(&missing), same(&hidden), "nothing may tell that it exists");
    let note = json!({"type": "note", "args": {"text": "x"}});
    world.post(&format!("{path}/commands")).by(&theirs.token).json(&note).send().refused(Code::NotFound);
    let list = |person: &Person, query: &str| {
        let page = world.get(&format!("/api/v1/cases{query}")).by(&person.token).send().expect(200);
        page["items"].as_array().map(Vec::len)
    };
    let by_unit = format!("?unit_id={}", ours.unit.as_deref().unwrap());
    assert_eq!((list(&ours, ""), list(&theirs, ""), list(&theirs, &by_unit)), (Some(1), Some(0), Some(0)));
    // Another checker's second visit is blind; an officer without a unit belongs to none, not to all.
    let stray = world.person_of(Role::Officer, None);
    world.get(&path).by(&stray.token).send().refused(Code::NotFound);
    assert_eq!((list(&stray, ""), list(&stray, &by_unit)), (Some(0), Some(0)));
}

fn a_spot_check_is_for_its_unit_its_maker_and_the_centre(world: &World) {
    let people = |role: Role| world.person(role);
    let (ours, theirs, checker) = (people(Role::Liaison), people(Role::Liaison), people(Role::SpotChecker));
    let site = json!({"unit_id": ours.unit, "kind": "main_road", "name": "人民路"});
    let site = world.put("/api/v1/sites").by(&world.admin().token).json(&site).send().expect(200);
    let items = json!([{"code": "1.1", "text": "果皮箱满溢", "deduction": 500}]);
    let record: spotchecks::rules::Record = read(&json!({"site_id": site["id"], "week": "2026-W48", "items": items}));
    let (who, at) = (checker.actor(), world.now());
    world.write(move |tx| {
        let cause = Cause { op: None, device: None, occurred_at: at };
        let id = SpotCheckId(tx.id());
        spotchecks::actions::check_record(tx, &who, id, &record, (None, &[]), cause)
    });
    let seen = |person: &Person, query: &str| {
        let page = world.get(&format!("/api/v1/spot-checks{query}")).by(&person.token).send().expect(200);
        page["items"].as_array().map(Vec::len).unwrap()
    };
    let by_unit = format!("?unit_id={}", ours.unit.as_deref().unwrap());
    for person in [&ours, &checker, &people(Role::Supervisor), &people(Role::Dispatcher)] {
        assert_eq!((seen(person, ""), seen(person, &by_unit)), (1, 1), "{:?}", person.role);
    }
    // Another checker's second visit is blind; an officer without a unit belongs to none, not to all.
    let stray = world.person_of(Role::Officer, None);
    for person in [&theirs, &stray, &people(Role::Inspector), &people(Role::SpotChecker), &people(Role::Officer)] {
        assert_eq!((seen(person, ""), seen(person, &by_unit)), (0, 0), "{:?}", person.role);
    }
}
