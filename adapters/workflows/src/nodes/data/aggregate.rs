use std::collections::HashMap;

use super::{
    dataframe::{Dataframe, kind, property},
    order::order,
};
use crate::nodes::{equality::identity, prelude::*};

#[derive(Deserialize)]
struct Aggregate {
    dataframe: Dataframe,
    columns: String,
    aggregation: String,
}

const AGGREGATIONS: [&str; 10] =
    ["sum", "mean", "count", "min", "max", "std", "var", "median", "first", "last"];

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.Aggregate",
        "Aggregate",
        "Groups the rows of a dataframe by the values of some columns and makes one row of each \
         group, in the order in which the groups begin. sum, mean, std, var and median are of the \
         columns with numbers and leave the others out; std and var are those of a sample, null \
         for less than two values. Null counts nowhere.",
    )
    .property(property("dataframe"))
    .property(
        Property::str("columns", "")
            .describe("The columns to group by, with commas in between; empty for one group."),
    )
    .property(
        Property::one_of("aggregation", &AGGREGATIONS)
            .describe("What becomes of the values of a column in a group."),
    )
    .output("output", kind())
    .compute(|p: Aggregate| {
        let Dataframe { columns, rows } = &p.dataframe;
        let keys = p.dataframe.places(&p.columns)?;
        let is_taken = |&place: &usize| {
            let takes_any =
                matches!(p.aggregation.as_str(), "count" | "min" | "max" | "first" | "last");
            !keys.contains(&place) && (takes_any || columns[place].data_type.is_number())
        };
        let taken: Vec<usize> = (0..columns.len()).filter(is_taken).collect();

        let mut places = HashMap::new();
        let mut groups: Vec<Vec<&Vec<Value>>> = Vec::new();
        for row in rows {
            let key: Vec<String> = keys.iter().map(|&at| identity(&row[at])).collect();
            let group = *places.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(row);
        }
        let row = |group: Vec<&Vec<Value>>| {
            let own = keys.iter().map(|&at| group[0][at].clone());
            let made = taken.iter().map(|&at| {
                let values = group.iter().map(|row| &row[at]).filter(|value| !value.is_null());
                aggregated(&p.aggregation, &values.collect::<Vec<_>>())
            });
            own.chain(made).collect()
        };
        let names = keys.iter().chain(&taken).map(|&at| columns[at].name.clone()).collect();
        Dataframe::inferred(names, groups.into_iter().map(row).collect())
    })
}

fn aggregated(aggregation: &str, values: &[&Value]) -> Value {
    let numbers = || values.iter().filter_map(|value| value.as_f64()).collect::<Vec<_>>();
    match aggregation {
        "count" => Value::from(values.len()),
        "first" => values.first().copied().cloned().unwrap_or_default(),
        "last" => values.last().copied().cloned().unwrap_or_default(),
        "min" => values.iter().copied().min_by(|a, b| order(a, b)).cloned().unwrap_or_default(),
        "max" => values.iter().copied().max_by(|a, b| order(a, b)).cloned().unwrap_or_default(),
        "mean" => mean(&numbers()).map_or(Value::Null, Value::from),
        "median" => median(numbers()).map_or(Value::Null, Value::from),
        "var" => variance(&numbers()).map_or(Value::Null, Value::from),
        "std" => variance(&numbers()).map(f64::sqrt).map_or(Value::Null, Value::from),
        _ => sum(values),
    }
}

/// Exact for whole numbers, as long as the sum fits one.
fn sum(values: &[&Value]) -> Value {
    let whole = values.iter().try_fold(0_i64, |sum, value| sum.checked_add(value.as_i64()?));
    whole.map_or_else(
        || values.iter().filter_map(|value| value.as_f64()).sum::<f64>().into(),
        Value::from,
    )
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() % 2 {
        1 => Some(numbers[middle]),
        _ if numbers.is_empty() => None,
        _ => mean(&numbers[middle - 1..=middle]),
    }
}

/// Of a sample: divided by one less than there are numbers.
fn variance(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers)?;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (numbers.len() > 1).then(|| squares / (numbers.len() - 1) as f64)
}
