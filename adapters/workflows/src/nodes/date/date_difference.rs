use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct DateDifference {
    start_date: Value,
    end_date: Value,
}

/// As in Python, the parts count up from the days: an hour back is -1 days and 23 hours.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.DateDifference",
        "Date Difference",
        "Gives the time from one date to another: all of it in seconds, and in days, hours, \
         minutes and seconds.",
    )
    .property(moment::property("start_date").describe("The first date."))
    .property(moment::property("end_date").describe("The second date."))
    .output("total_seconds", TypeDescriptor::int())
    .output("days", TypeDescriptor::int())
    .output("hours", TypeDescriptor::int())
    .output("minutes", TypeDescriptor::int())
    .output("seconds", TypeDescriptor::int())
    .compute(|p: DateDifference| {
        let start = moment::read(&p.start_date, "start_date")?.timestamp();
        let end = moment::read(&p.end_date, "end_date")?.timestamp();
        let microseconds = end.as_microsecond() - start.as_microsecond();
        let seconds = microseconds.div_euclid(1_000_000);
        let of_day = seconds.rem_euclid(86_400);
        Ok(Outputs::new()
            .with("total_seconds", microseconds / 1_000_000)
            .with("days", seconds.div_euclid(86_400))
            .with("hours", of_day / 3600)
            .with("minutes", of_day % 3600 / 60)
            .with("seconds", of_day % 60))
    })
}
