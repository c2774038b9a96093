//! `lib.date` and `lib.datetime`: calculating with dates. No node reads a clock.

pub(super) mod add;
pub(super) mod add_time_delta;
pub(super) mod boundary_time;
pub(super) mod date_difference;
pub(super) mod date_range;
pub(super) mod date_to_datetime;
pub(super) mod datetime_to_date;
pub(super) mod diff;
pub(super) mod format;
pub(super) mod format_datetime;
mod formats;
pub(super) mod get_quarter;
pub(super) mod get_weekday;
pub(super) mod is_date_in_range;
pub(super) mod moment;
pub(super) mod parse_date;
pub(super) mod parse_datetime;
mod period;
pub(super) mod start_end;
mod units;
