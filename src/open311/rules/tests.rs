//! What a report and a question may say.

use super::*;
use crate::catalogue::national;

fn fields(text: &str) -> Fields {
    Fields::read(text.as_bytes()).unwrap()
}

fn told(text: &str) -> Result<Told, Fault> {
    Told::read(&fields(text), national::classes())
}

#[test]
fn a_report_has_a_service_and_a_place() {
    let report = told("service_code=component-0101&lat=27.44&long=109.95&description=a%0D%0Ab").unwrap();
    assert_eq!((report.service_name.as_str(), report.description.as_str()), ("上水井盖", "a\nb"));
    assert_eq!(report.report.position, Some(Position { lat: 27.44, lon: 109.95, datum: "wgs84".into() }));
    assert_eq!((report.report.class_code.as_deref(), report.report.title.as_str()), (Some("0101"), "上水井盖"));
    let placed = told("service_code=component-0101&address_id=A-7").unwrap();
    assert_eq!(placed.report.address.as_deref(), Some("A-7"));
    for (text, status, field) in [
        ("lat=1&long=1", 400, "service_code"),
        ("service_code=999&lat=1&long=1", 404, "service_code"),
        ("service_code=event-0101x&lat=1&long=1", 404, "service_code"),
        ("service_code=component-0101", 400, "位置"),
        ("service_code=component-0101&lat=1", 400, "lat"),
        ("service_code=component-0101&lat=91&long=1", 400, "lat"),
        ("service_code=component-0101&lat=x&long=1", 400, "lat"),
        ("service_code=component-0101&lat=NaN&long=1", 400, "lat"),
        ("service_code=component-0101&address_string=a%0Ab", 400, "address_string"),
        ("service_code=component-0101&address_id=a&attribute[condition]=99", 400, "attribute"),
    ] {
        let fault = told(text).unwrap_err();
        assert!(fault.status == status && fault.description.contains(field), "{text}: {fault:?}");
    }
    assert_eq!(Fields::read(b"a=%00").unwrap_err().status, 400);
}

#[test]
fn a_long_description_is_kept_whole_and_the_case_has_its_beginning() {
    let text = |n: usize| format!("service_code=component-0101&address_id=a&description={}", "a".repeat(n));
    let report = told(&text(4000)).unwrap();
    assert_eq!((report.description.len(), report.report.description.len()), (4000, 2000));
    assert_eq!(told(&text(4001)).unwrap_err().status, 400);
    let chosen = told("service_code=component-0101&address_id=a&attribute%5Bcondition%5D=2&description=b").unwrap();
    assert_eq!(chosen.report.description, "立案条件：盖体破损\nb");
}

#[test]
fn a_question_spans_ninety_days_at_most() {
    let now: DateTime<Utc> = "2026-11-23T01:00:00Z".parse().unwrap();
    let asked = |text: &str| Asked::read(&fields(text), now);
    let usual = asked("").unwrap();
    assert_eq!((usual.from, usual.until, usual.closed), (now - SPAN, now, None));
    let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(asked("start_date=2026-01-01T00:00:00Z").unwrap().until, from + SPAN);
    assert_eq!(asked("end_date=2026-01-01T00:00:00Z").unwrap().from, from - SPAN);
    assert_eq!(asked("status=open,closed").unwrap().closed, None);
    assert_eq!(asked("status=closed").unwrap().closed, Some(true));
    assert_eq!(asked("service_code=a&service_code=b,c").unwrap().service_codes, ["a", "b", "c"]);
    for wrong in [
        "start_date=2026-01-01T00:00:00Z&end_date=2026-06-01T00:00:00Z",
        "start_date=2026-02-01T00:00:00Z&end_date=2026-01-01T00:00:00Z",
        "start_date=01-02-2026",
        "end_date=0001-01-01T00:00:00Z",
        "status=lost",
    ] {
        assert_eq!(asked(wrong).unwrap_err().status, 400, "{wrong}");
    }
}

#[test]
fn a_key_opens_only_when_it_is_known() {
    let keys = "app:0123456789abcdef,web:fedcba9876543210".parse().unwrap();
    assert_eq!(key_holder(&keys, Some("fedcba9876543210")).unwrap(), "web");
    for wrong in [None, Some("fedcba987654321"), Some("app")] {
        assert_eq!(key_holder(&keys, wrong).unwrap_err().status, 403);
    }
    assert!(fields("jurisdiction_id=431221").jurisdiction().is_ok());
    assert_eq!(fields("jurisdiction_id=boston").jurisdiction().unwrap_err().status, 404);
}
