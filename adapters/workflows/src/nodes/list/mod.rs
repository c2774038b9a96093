//! `nodetool.list`: making and using lists.

pub(super) mod get_element;
pub(super) mod length;
pub(super) mod list_range;
pub(super) mod range;
pub(super) mod sort;
pub(super) mod sum;

use crate::nodes::prelude::*;

/// The whole numbers from `start` up or down to, but not including, `stop`.
fn numbers(start: i64, stop: i64, step: i64, most: usize) -> Result<Vec<Value>, NodeError> {
    if step == 0 {
        return Err(
            "step is 0; use a positive step to count up, a negative one to count down".into()
        );
    }
    let (first, end, wide) = (i128::from(start), i128::from(stop), i128::from(step));
    let distance = if step > 0 { end - first } else { first - end };
    let count = (distance + wide.abs() - 1).max(0) / wide.abs();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    bounds::check_list(count)?;
    if count > most {
        return Err(format!(
            "the range has {count} numbers but max_output_length is {most}; raise it or count less"
        )
        .into());
    }
    // No number lies outside of `start..stop`.
    Ok((0..count as i128).map(|at| Value::from((first + at * wide) as i64)).collect())
}
