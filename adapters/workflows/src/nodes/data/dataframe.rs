use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::DateTime};
use serde_json::json;

use crate::{
    limits::{MAX_TABLE_CELLS, MAX_TABLE_COLUMNS},
    node::{NodeError, Outputs},
    nodes::prelude::*,
};

/// A table. As JSON, in an edge or a result, it is
///
/// ```json
/// {"type": "dataframe", "columns": [{"name": "n", "data_type": "int", "description": ""}], "data": [[1], [null]]}
/// ```
///
/// with one list per row. Read are also rows as objects, either alone or under the key `rows` or
/// `data`, as newer graphs have them; their columns are those of all rows.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(try_from = "Value")]
pub(super) struct Dataframe {
    pub(super) columns: Vec<Column>,
    /// Each as long as there are columns.
    pub(super) rows: Vec<Vec<Value>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) description: String,
}

/// What the values of a column are; each may also be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataType {
    Int,
    Float,
    /// Texts that are dates, with or without a time.
    Datetime,
    String,
    /// Anything, for example true and false.
    Object,
}

impl Dataframe {
    /// A table of columns whose types are those of their values.
    pub(super) fn inferred(names: Vec<String>, rows: Vec<Vec<Value>>) -> Result<Self, NodeError> {
        let column = |(index, name)| Column {
            name,
            data_type: DataType::of(rows.iter().map(|row: &Vec<Value>| &row[index])),
            description: String::new(),
        };
        let columns = names.into_iter().enumerate().map(column).collect();
        let table = Self { columns, rows };
        table.check_size()?;
        table.check_names()?;
        Ok(table)
    }

    /// The place of a column.
    pub(super) fn place(&self, name: &str) -> Result<usize, NodeError> {
        let place = self.columns.iter().position(|column| column.name == name);
        place.ok_or_else(|| {
            let names: Vec<&str> =
                self.columns.iter().take(NAMES_SHOWN).map(|c| c.name.as_str()).collect();
            let more = if self.columns.len() > NAMES_SHOWN { ", ..." } else { "" };
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") + more };
            format!("there is no column {name:?}; the dataframe has {known}").into()
        })
    }

    /// The places of columns in a list of names with commas in between.
    pub(super) fn places(&self, names: &str) -> Result<Vec<usize>, NodeError> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let places = names.map(|name| self.place(name)).collect::<Result<Vec<_>, _>>()?;
        let mut seen = BTreeSet::new();
        match places.iter().find(|place| !seen.insert(**place)) {
            None => Ok(places),
            Some(&twice) => {
                Err(format!("column {:?} is named twice", self.columns[twice].name).into())
            }
        }
    }

    fn check_size(&self) -> Result<(), NodeError> {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if columns > MAX_TABLE_COLUMNS {
            return Err(format!(
                "the dataframe has {columns} columns; the most is {MAX_TABLE_COLUMNS}"
            )
            .into());
        }
        let cells = rows.saturating_mul(columns.max(1));
        if cells > MAX_TABLE_CELLS {
            return Err(format!(
                "the dataframe has {cells} cells ({rows} rows); the most is {MAX_TABLE_CELLS}, \
                 take it apart before"
            )
            .into());
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), NodeError> {
        let mut places = BTreeMap::new();
        for (place, column) in self.columns.iter().enumerate() {
            if let Some(first) = places.insert(&column.name, place) {
                return Err(format!(
                    "columns {} and {} are both called {:?}; names must be unique",
                    first + 1,
                    place + 1,
                    column.name
                )
                .into());
            }
        }
        Ok(())
    }

    fn check_types(&self) -> Result<(), NodeError> {
        for (number, row) in self.rows.iter().enumerate() {
            if row.len() != self.columns.len() {
                return Err(format!(
                    "row {} of the dataframe has {} values for {} columns",
                    number + 1,
                    row.len(),
                    self.columns.len()
                )
                .into());
            }
            for (column, value) in self.columns.iter().zip(row) {
                if !column.data_type.takes(value) {
                    return Err(format!(
                        "column {:?} is of type {}, but row {} has {} there",
                        column.name,
                        column.data_type.name(),
                        number + 1,
                        python::type_name(value)
                    )
                    .into());
                }
            }
        }
        Ok(())
    }

    fn from_objects(rows: Vec<Value>) -> Result<Self, NodeError> {
        let mut names = Vec::new();
        let mut places = BTreeMap::new();
        let mut objects = Vec::with_capacity(rows.len());
        for (number, row) in rows.into_iter().enumerate() {
            let Value::Object(row) = row else {
                let kind = python::type_name(&row);
                return Err(format!("row {} is no object but {kind}", number + 1).into());
            };
            for name in row.keys() {
                if !places.contains_key(name) {
                    places.insert(name.clone(), names.len());
                    names.push(name.clone());
                }
            }
            let cells = (number + 1).saturating_mul(names.len().max(1));
            if cells > MAX_TABLE_CELLS || names.len() > MAX_TABLE_COLUMNS {
                return Err(format!(
                    "the dataframe has more than {MAX_TABLE_CELLS} cells or {MAX_TABLE_COLUMNS} \
                     columns; take it apart before"
                )
                .into());
            }
            objects.push(row);
        }
        let cells = |mut row: Map<String, Value>| {
            names.iter().map(|name| row.remove(name).unwrap_or_default()).collect()
        };
        let rows = objects.into_iter().map(cells).collect();
        Self::inferred(names, rows)
    }

    fn from_parts(mut parts: Map<String, Value>) -> Result<Self, NodeError> {
        let columns = parts.remove("columns").unwrap_or_default();
        let data = parts.remove("data").or_else(|| parts.remove("rows")).unwrap_or_default();
        let uri = parts.get("uri").and_then(Value::as_str).unwrap_or_default();
        let rows = match data {
            Value::Null if !uri.is_empty() => {
                return Err(
                    "the dataframe is an asset and its data is not in the graph; import its \
                            text with ImportCSV"
                        .into(),
                );
            }
            Value::Null => Vec::new(),
            Value::Array(rows) => rows,
            other => {
                let kind = python::type_name(&other);
                return Err(format!("the data of a dataframe is a list of rows, not {kind}").into());
            }
        };
        let columns = match columns {
            Value::Array(columns) => columns,
            _ if rows.iter().all(Value::is_object) => return Self::from_objects(rows),
            _ => return Err("a dataframe with rows needs the list of its columns".into()),
        };
        if !rows.is_empty() && rows.iter().all(Value::is_object) {
            return Self::from_objects(rows);
        }
        let row = |(number, row)| match row {
            Value::Array(cells) => Ok(cells),
            other => {
                let kind = python::type_name(&other);
                Err(NodeError::from(format!("row {} is no list but {kind}", number + 1)))
            }
        };
        let rows = rows.into_iter().enumerate().map(row).collect::<Result<Vec<_>, _>>()?;
        let columns = columns.into_iter().map(Column::from_json).collect::<Result<_, _>>()?;
        let table = Self { columns, rows };
        table.check_size()?;
        table.check_names()?;
        table.check_types()?;
        Ok(table)
    }
}

impl TryFrom<Value> for Dataframe {
    type Error = NodeError;

    fn try_from(value: Value) -> Result<Self, NodeError> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Array(rows) => Self::from_objects(rows),
            Value::Object(parts) => Self::from_parts(parts),
            other => Err(format!(
                "a dataframe is an object with columns and data, or a list of objects, not {}",
                python::type_name(&other)
            )
            .into()),
        }
    }
}

impl From<Dataframe> for Value {
    fn from(table: Dataframe) -> Self {
        let column = |column: Column| {
            json!({
                "name": column.name,
                "data_type": column.data_type.name(),
                "description": column.description,
            })
        };
        json!({
            "type": "dataframe",
            "columns": table.columns.into_iter().map(column).collect::<Vec<_>>(),
            "data": table.rows,
        })
    }
}

impl From<Dataframe> for Outputs {
    fn from(table: Dataframe) -> Self {
        Value::from(table).into()
    }
}

impl Column {
    fn from_json(value: Value) -> Result<Self, NodeError> {
        let name = match &value {
            Value::String(name) => Some(name.as_str()),
            _ => value["name"].as_str(),
        };
        let Some(name) = name else {
            return Err("a column of a dataframe has a name and a data_type".into());
        };
        let data_type = match &value["data_type"] {
            Value::Null => DataType::Object,
            kind => kind.as_str().and_then(DataType::from_name).ok_or_else(|| {
                NodeError::from(format!(
                    "column {name:?} has the data_type {kind}; it is one of int, float, datetime, \
                     string and object"
                ))
            })?,
        };
        let description = value["description"].as_str().unwrap_or_default().to_owned();
        Ok(Self { name: name.to_owned(), data_type, description })
    }
}

impl DataType {
    const ALL: [Self; 5] = [Self::Int, Self::Float, Self::Datetime, Self::String, Self::Object];

    fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Datetime => "datetime",
            Self::String => "string",
            Self::Object => "object",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether values of the type are numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Object, _) | (_, Value::Null) => true,
            (Self::Int, Value::Number(number)) => {
                number.as_f64().is_some_and(|float| float.fract() == 0.0)
            }
            (Self::Float, Value::Number(_)) => true,
            (Self::Datetime | Self::String, Value::String(_)) => true,
            _ => false,
        }
    }

    /// The first type that all values are of.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Self {
        let mut values = values.filter(|value| !value.is_null());
        if values.clone().next().is_none() {
            return Self::Object;
        }
        let is_whole = |value: &Value| value.is_i64() || value.is_u64();
        let is_date = |value: &Value| value.as_str().is_some_and(is_datetime);
        if values.clone().all(is_whole) {
            Self::Int
        } else if values.clone().all(Value::is_number) {
            Self::Float
        } else if values.clone().all(is_date) {
            Self::Datetime
        } else if values.all(Value::is_string) {
            Self::String
        } else {
            Self::Object
        }
    }
}

/// Whether the text is a date of ISO 8601, with or without a time and an offset.
fn is_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dated = bytes.len() >= "2026-01-02".len() && bytes[4] == b'-' && bytes[7] == b'-';
    dated && (text.parse::<DateTime>().is_ok() || text.parse::<Timestamp>().is_ok())
}

/// The property through which a node gets its table.
pub(super) fn property(name: &str) -> Property {
    let empty = Value::from(Dataframe::default());
    Property::new(name, kind(), empty).describe("The dataframe.")
}

/// The type of a table.
pub(super) fn kind() -> TypeDescriptor {
    TypeDescriptor::new("dataframe")
}

/// Names of columns that an error shows.
const NAMES_SHOWN: usize = 20;
