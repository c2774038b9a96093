//! The nodes for dates.

mod common;

use clawnode_workflows::limits::MAX_DATES;
use common::{check, outputs_of};
use serde_json::{Value, json};

fn date(year: i32, month: u32, day: u32) -> Value {
    json!({"type": "date", "year": year, "month": month, "day": day})
}

fn datetime(date: (i32, u32, u32), time: (u32, u32, u32), microsecond: u32) -> Value {
    json!({
        "type": "datetime", "year": date.0, "month": date.1, "day": date.2,
        "hour": time.0, "minute": time.1, "second": time.2, "microsecond": microsecond,
        "tzinfo": "UTC", "utc_offset": 0,
    })
}

#[test]
fn dates_are_made_of_their_parts() {
    let (constant, with_time) = ("nodetool.constant.Date", "nodetool.constant.DateTime");
    let mut berlin = datetime((2026, 11, 26), (8, 30, 15), 250_000);
    berlin["utc_offset"] = 3600.into();
    berlin["tzinfo"] = "CET".into();
    let parts = |offset: i64, unit: &str, fraction: i64| {
        json!({
            "year": 2026, "month": 11, "day": 26, "hour": 8, "minute": 30, "second": 15,
            unit: fraction, "tzinfo": "CET", "utc_offset": offset,
        })
    };
    check(&[
        (constant, json!({}), Ok(date(1900, 1, 1))),
        (constant, json!({"year": 2024, "month": 2, "day": 29}), Ok(date(2024, 2, 29))),
        (constant, json!({"year": 2026, "month": 2, "day": 29}), Err("2026-02-29 does not exist")),
        (constant, json!({"year": 0}), Err("0-01-01 does not exist")),
        (constant, json!({"month": 999}), Err("1900-999-01 does not exist")),
        (with_time, json!({}), Ok(datetime((1900, 1, 1), (0, 0, 0), 0))),
        (with_time, parts(60, "millisecond", 250), Ok(berlin.clone())),
        (with_time, parts(3600, "microsecond", 250_000), Ok(berlin)),
        (with_time, json!({"hour": 24}), Err("24:00:00.000000 does not exist")),
        (with_time, json!({"utc_offset": 1_000_000}), Err("an offset of 1000000 seconds does not")),
        (with_time, json!({"millisecond": i64::MAX}), Err("does not exist")),
    ]);
}

#[test]
fn dates_are_read_and_written() {
    let (parse, with_time) = ("lib.date.ParseDate", "lib.date.ParseDateTime");
    let format = "lib.date.FormatDateTime";
    let mut east = datetime((2026, 11, 26), (8, 30, 0), 0);
    east["utc_offset"] = 7200.into();
    east["tzinfo"] = "UTC+02".into();
    let date_in = |text: &str, format: &str| json!({"date_string": text, "input_format": format});
    let time_in =
        |text: &str, format: &str| json!({"datetime_string": text, "input_format": format});
    let written =
        |value: Value, format: &str| json!({"input_datetime": value, "output_format": format});
    check(&[
        (parse, json!({"date_string": "2026-11-26"}), Ok(date(2026, 11, 26))),
        (parse, date_in("11/26/2026", "%m/%d/%Y"), Ok(date(2026, 11, 26))),
        (parse, date_in("26/11/2026", "%d/%m/%Y"), Ok(date(2026, 11, 26))),
        (parse, date_in("November 26, 2026", "%B %d, %Y"), Ok(date(2026, 11, 26))),
        (parse, date_in("20261126_083000", "%Y%m%d_%H%M%S"), Ok(date(2026, 11, 26))),
        (
            parse,
            json!({"date_string": "26.11.2026"}),
            Err("date_string \"26.11.2026\" is not written as %Y-%m-%d"),
        ),
        (parse, json!({}), Err("choose another input_format")),
        (parse, date_in("2026", "%Y"), Err("expects one of \"%Y-%m-%d\"")),
        (
            with_time,
            json!({"datetime_string": "2026-11-26"}),
            Ok(datetime((2026, 11, 26), (0, 0, 0), 0)),
        ),
        (
            with_time,
            time_in("2026-11-26T08:30:01", "%Y-%m-%dT%H:%M:%S"),
            Ok(datetime((2026, 11, 26), (8, 30, 1), 0)),
        ),
        (with_time, time_in("2026-11-26T08:30:00+0200", "%Y-%m-%dT%H:%M:%S%z"), Ok(east.clone())),
        (with_time, time_in("2026-11-26", "%Y-%m-%dT%H:%M:%S"), Err("is not written as")),
        (format, json!({"input_datetime": date(2026, 1, 2)}), Ok(json!("January 02, 2026"))),
        (format, written(json!("2026-11-26"), "%d/%m/%Y"), Ok(json!("26/11/2026"))),
        (format, written(east, "%Y-%m-%dT%H:%M:%S%z"), Ok(json!("2026-11-26T08:30:00+0200"))),
        (format, written(json!(1500), "%Y%m%d_%H%M%S"), Ok(json!("19700101_000001"))),
        (
            format,
            json!({"input_datetime": "tomorrow"}),
            Err("give text such as 2026-11-26T08:30:00Z, or connect a Date or DateTime node"),
        ),
        (format, json!({}), Err("input_datetime is no date: it is not set")),
        (format, json!({"input_datetime": {"year": 0}}), Err("it is not set")),
        (format, json!({"input_datetime": {"year": "x"}}), Err("its year is \"x\"")),
        (format, json!({"input_datetime": true}), Err("it is a bool")),
        (format, json!({"input_datetime": i64::MAX}), Err("milliseconds is out of range")),
    ]);
}

#[test]
fn dates_are_calculated_with() {
    let (add, weekday) = ("lib.date.AddTimeDelta", "lib.date.GetWeekday");
    let (within, range) = ("lib.date.IsDateInRange", "lib.date.DateRange");
    let (to_datetime, to_date) = ("lib.date.DateToDatetime", "lib.date.DatetimeToDate");
    let delta = |days: i64, hours: i64, minutes: i64| json!({"input_datetime": "2024-02-28T23:30", "days": days, "hours": hours, "minutes": minutes});
    let between = |date: &str, inclusive: bool| {
        json!({
            "check_date": date, "start_date": "2026-01-01", "end_date": "2026-01-31",
            "inclusive": inclusive,
        })
    };
    let days = |start: &str, end: &str, step: i64| json!({"start_date": start, "end_date": end, "step_days": step});
    check(&[
        (add, delta(0, 0, 0), Ok(datetime((2024, 2, 28), (23, 30, 0), 0))),
        (add, delta(1, 0, 30), Ok(datetime((2024, 3, 1), (0, 0, 0), 0))),
        (add, delta(-1, -24, 0), Ok(datetime((2024, 2, 26), (23, 30, 0), 0))),
        (add, delta(i64::MAX, 0, 0), Err("leads out of the years 1 to 9999; add less")),
        (add, delta(-800_000, 0, 0), Err("leads out of the years")),
        (add, json!({}), Err("input_datetime is no date")),
        (weekday, json!({"input_datetime": "2026-11-26"}), Ok(json!("Thursday"))),
        (weekday, json!({"input_datetime": "2026-11-26", "as_name": false}), Ok(json!(3))),
        (weekday, json!({}), Err("input_datetime is no date")),
        (within, between("2026-01-15", true), Ok(json!(true))),
        (within, between("2026-01-31", true), Ok(json!(true))),
        (within, between("2026-01-31", false), Ok(json!(false))),
        (within, between("2026-02-01T00:30+01:00", true), Ok(json!(false))),
        (within, json!({}), Err("check_date is no date")),
        (
            range,
            days("2026-01-30", "2026-02-02", 2),
            Ok(json!([
                datetime((2026, 1, 30), (0, 0, 0), 0),
                datetime((2026, 2, 1), (0, 0, 0), 0)
            ])),
        ),
        (range, days("2026-01-02", "2026-01-01", 1), Ok(json!([]))),
        (
            range,
            days("9999-12-29", "9999-12-29", i64::MAX),
            Ok(json!([datetime((9999, 12, 29), (0, 0, 0), 0)])),
        ),
        (range, days("2026-01-01", "2026-01-02", 0), Err("step_days is 0; use 1 or more")),
        (
            to_datetime,
            json!({"input_date": date(2026, 1, 2)}),
            Ok(datetime((2026, 1, 2), (0, 0, 0), 0)),
        ),
        (to_datetime, json!({}), Err("input_date is no date")),
        (to_date, json!({"input_datetime": "2026-01-02T23:00-05:00"}), Ok(date(2026, 1, 2))),
        (to_date, json!({}), Err("input_datetime is no date")),
    ]);
}

#[test]
fn the_number_of_dates_is_bounded() {
    // 36,525 days and as many steps less one.
    let range = |end: &str| {
        let data = json!({"start_date": "1900-01-01", "end_date": end});
        outputs_of("lib.date.DateRange", data, json!({}), &["output"])
    };
    let most = range("2000-01-01").unwrap();
    assert_eq!(most["output"][0].as_array().map(Vec::len), Some(MAX_DATES));
    let error = range("2000-01-02").unwrap_err();
    assert!(error.contains("more than 36525 dates; raise step_days or make it"), "{error}");
}

#[test]
fn the_time_between_dates_is_counted() {
    let all = ["total_seconds", "days", "hours", "minutes", "seconds"];
    let parts = |start: &str, end: &str| {
        let data = json!({"start_date": start, "end_date": end});
        outputs_of("lib.date.DateDifference", data, json!({}), &all)
    };
    assert_eq!(
        parts("2026-01-01", "2026-01-02T01:02:03"),
        Ok(
            json!({"total_seconds": [90123], "days": [1], "hours": [1], "minutes": [2], "seconds": [3]})
        )
    );
    assert_eq!(
        parts("2026-01-01T01:00", "2026-01-01"),
        Ok(
            json!({"total_seconds": [-3600], "days": [-1], "hours": [23], "minutes": [0], "seconds": [0]})
        )
    );
    assert!(parts("2026-01-01", "").unwrap_err().contains("end_date is no date: it is not set"));

    let all = ["diff", "is_before", "is_after", "is_same"];
    let diff = |a: &str, b: &str, unit: &str| {
        let data = json!({"date_a": a, "date_b": b, "unit": unit});
        outputs_of("lib.datetime.Diff", data, json!({}), &all)
    };
    let expected = |diff: i64, order: i64| {
        json!({
            "diff": [diff], "is_before": [order < 0], "is_after": [order > 0],
            "is_same": [order == 0],
        })
    };
    for (a, b, unit, count, order) in [
        ("2026-03-01", "2026-02-01", "day", 28, 1),
        ("2026-02-01", "2026-03-01", "week", -4, -1),
        ("2026-03-31", "2026-02-28", "month", 1, 1),
        ("2026-02-27", "2026-01-28", "month", 0, 1),
        ("2026-01-01", "2024-06-01", "year", 1, 1),
        ("2026-01-01T00:00:01.5Z", "2026-01-01", "millisecond", 1500, 1),
        ("2026-01-01T01:00+01:00", "2026-01-01", "second", 0, 0),
        ("9999-12-29", "0001-01-01", "millisecond", 315_537_638_400_000, 1),
    ] {
        assert_eq!(diff(a, b, unit), Ok(expected(count, order)), "{a} {b} {unit}");
    }
    assert!(diff("2026", "2026-01-01", "day").unwrap_err().contains("date_a is no date"));
}

#[test]
fn dates_are_moved_and_written_by_a_pattern() {
    let add = |date: &str, amount: i64, unit: &str| {
        let data = json!({"date": date, "amount": amount, "unit": unit});
        let outputs = outputs_of("lib.datetime.Add", data, json!({}), &["iso", "epoch_ms", "date"]);
        outputs.map(|outputs| outputs["iso"][0].clone())
    };
    assert_eq!(add("2026-01-31", 1, "month"), Ok(json!("2026-02-28T00:00:00.000Z")));
    assert_eq!(add("2026-01-31T12:00+02:00", -1, "hour"), Ok(json!("2026-01-31T09:00:00.000Z")));
    assert_eq!(add("2024-02-29", 1, "year"), Ok(json!("2025-02-28T00:00:00.000Z")));
    assert_eq!(add("2026-01-01", 1500, "millisecond"), Ok(json!("2026-01-01T00:00:01.500Z")));
    assert!(add("2026-01-01", 9000, "year").unwrap_err().contains("leads out of the years 1 to"));
    assert!(add("", 1, "day").unwrap_err().contains("date is no date: it is not set"));

    let format = |date: Value, pattern: &str| {
        let data = json!({"date": date, "pattern": pattern});
        let all = ["formatted", "iso", "epoch_ms"];
        outputs_of("lib.datetime.Format", data, json!({}), &all)
    };
    assert_eq!(
        format(
            json!("2026-01-02T03:04:05.678Z"),
            "YYYY YY MM M DD D HH H mm m ss s SSS Z [YYYY] é"
        ),
        Ok(json!({
            "formatted": ["2026 26 01 1 02 2 03 3 04 4 05 5 678 +00:00 YYYY é"],
            "iso": ["2026-01-02T03:04:05.678Z"],
            "epoch_ms": [1_767_323_045_678_i64],
        }))
    );
    assert!(format(json!(null), "YYYY").unwrap_err().contains("date is no date"));
}

#[test]
fn periods_have_a_start_and_an_end() {
    let boundary = "lib.date.BoundaryTime";
    let of = |date: &str, period: &str, boundary: &str| json!({"input_datetime": date, "period": period, "boundary": boundary});
    let mut sunday = of("2026-11-26T08:30", "week", "start");
    sunday["start_monday"] = false.into();
    let (midnight, last) = ((0, 0, 0), (23, 59, 59));
    check(&[
        (
            boundary,
            json!({"input_datetime": "2026-11-26T08:30"}),
            Ok(datetime((2026, 11, 26), midnight, 0)),
        ),
        (boundary, of("2026-11-26", "day", "end"), Ok(datetime((2026, 11, 26), last, 999_999))),
        (boundary, of("2026-11-26", "week", "start"), Ok(datetime((2026, 11, 23), midnight, 0))),
        (boundary, of("2026-11-29", "week", "end"), Ok(datetime((2026, 11, 29), last, 999_999))),
        (boundary, sunday, Ok(datetime((2026, 11, 22), midnight, 0))),
        (boundary, of("2024-02-10", "month", "end"), Ok(datetime((2024, 2, 29), last, 999_999))),
        (boundary, of("2026-11-26", "year", "start"), Ok(datetime((2026, 1, 1), midnight, 0))),
        (boundary, of("2026-11-26", "year", "end"), Ok(datetime((2026, 12, 31), last, 999_999))),
        (boundary, of("9999-12-29", "week", "end"), Err("the week leads out of the years")),
        (boundary, json!({}), Err("input_datetime is no date")),
    ]);

    let quarter = |date: &str| {
        let all = ["quarter", "quarter_start", "quarter_end"];
        outputs_of("lib.date.GetQuarter", json!({"input_datetime": date}), json!({}), &all)
    };
    for (date, number, start, end) in [
        ("2024-02-10", 1, (2024, 1, 1), (2024, 3, 31)),
        ("2026-12-31T23:59", 4, (2026, 10, 1), (2026, 12, 31)),
    ] {
        assert_eq!(
            quarter(date),
            Ok(json!({
                "quarter": [number], "quarter_start": [datetime(start, midnight, 0)],
                "quarter_end": [datetime(end, midnight, 0)],
            }))
        );
    }
    assert!(quarter("").unwrap_err().contains("input_datetime is no date"));

    let start_end = |date: &str, unit: &str| {
        let data = json!({"date": date, "unit": unit});
        let all = ["start_iso", "end_iso", "start", "end"];
        let outputs = outputs_of("lib.datetime.StartEnd", data, json!({}), &all)?;
        Ok::<_, String>([outputs["start_iso"][0].clone(), outputs["end_iso"][0].clone()])
    };
    for (unit, start, end) in [
        ("millisecond", "2026-11-26T07:30:15.250Z", "2026-11-26T07:30:15.250Z"),
        ("second", "2026-11-26T07:30:15.000Z", "2026-11-26T07:30:15.999Z"),
        ("minute", "2026-11-26T07:30:00.000Z", "2026-11-26T07:30:59.999Z"),
        ("hour", "2026-11-26T07:00:00.000Z", "2026-11-26T07:59:59.999Z"),
        ("day", "2026-11-25T23:00:00.000Z", "2026-11-26T22:59:59.999Z"),
        ("week", "2026-11-21T23:00:00.000Z", "2026-11-28T22:59:59.999Z"),
        ("month", "2026-10-31T23:00:00.000Z", "2026-11-30T22:59:59.999Z"),
        ("year", "2025-12-31T23:00:00.000Z", "2026-12-31T22:59:59.999Z"),
    ] {
        let found = start_end("2026-11-26T08:30:15.250+01:00", unit);
        assert_eq!(found, Ok([json!(start), json!(end)]), "{unit}");
    }
    assert!(start_end("", "day").unwrap_err().contains("date is no date"));
}
