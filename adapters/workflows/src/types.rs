//! Type descriptors of properties and outputs, and which of them fit together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::python;

/// What kind of value a property takes or an output gives (protocol page 1.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypeDescriptor {
    /// `any`, `str`, `int`, `float`, `bool`, `list`, `dict`, `tuple`, `union`, `enum`, `none`
    /// or the name of an asset kind such as `image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether null is a value of the type.
    #[serde(default)]
    pub optional: bool,
    /// The values of an `enum`.
    #[serde(default)]
    pub values: Option<Vec<Value>>,
    /// The element type of a list, or the members of a union.
    #[serde(default)]
    pub type_args: Vec<Self>,
    /// A name for the type, when it has one of its own.
    #[serde(default)]
    pub type_name: Option<String>,
}

impl TypeDescriptor {
    /// A plain type by its name, for example `str`.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            optional: false,
            values: None,
            type_args: Vec::new(),
            type_name: None,
        }
    }

    /// Any value.
    pub fn any() -> Self {
        Self::new("any")
    }

    /// Text.
    pub fn str() -> Self {
        Self::new("str")
    }

    /// A whole number.
    pub fn int() -> Self {
        Self::new("int")
    }

    /// A number.
    pub fn float() -> Self {
        Self::new("float")
    }

    /// True or false.
    pub fn bool() -> Self {
        Self::new("bool")
    }

    /// A JSON object.
    pub fn dict() -> Self {
        Self::new("dict")
    }

    /// A list whose elements are of type `element`.
    pub fn list(element: Self) -> Self {
        Self { type_args: vec![element], ..Self::new("list") }
    }

    /// One of several types.
    pub fn union(members: Vec<Self>) -> Self {
        Self { type_args: members, ..Self::new("union") }
    }

    /// One of the given texts.
    pub fn one_of(values: &[&str]) -> Self {
        let values = values.iter().map(|value| Value::from(*value)).collect();
        Self { values: Some(values), ..Self::new("enum") }
    }

    /// The type for people; of an enum and a union what there is to choose from: `"and" | "or"`,
    /// `int | float`.
    ///
    /// ```
    /// use clawnode_workflows::TypeDescriptor;
    ///
    /// let number = TypeDescriptor::union(vec![TypeDescriptor::int(), TypeDescriptor::float()]);
    /// assert_eq!(number.choices(), "int | float");
    /// assert_eq!(TypeDescriptor::list(TypeDescriptor::str()).choices(), "list[str]");
    /// ```
    pub fn choices(&self) -> String {
        let choices: Vec<String> = match (self.kind.as_str(), &self.values) {
            ("enum", Some(values)) => values.iter().map(Value::to_string).collect(),
            ("union", _) => self.type_args.iter().map(Self::choices).collect(),
            _ => return self.to_string(),
        };
        choices.join(" | ")
    }

    /// Whether the type is a list.
    pub fn is_list(&self) -> bool {
        self.kind == "list"
    }

    /// Whether a value of type `self` may flow into a property of type `target`.
    ///
    /// The rule of protocol page 1.4: `any` fits both ways, int and float fit each other,
    /// `T` fits `list[T]` (values are gathered), unions and enums fit member by member,
    /// otherwise the base types have to be equal.
    pub fn fits(&self, target: &Self) -> bool {
        if self.kind == "any" || target.kind == "any" {
            return true;
        }
        if self.kind == "union" {
            return self.type_args.iter().any(|member| member.fits(target));
        }
        if target.kind == "union" {
            return target.type_args.iter().any(|member| self.fits(member));
        }
        if self.is_list() && target.is_list() {
            return match (self.type_args.first(), target.type_args.first()) {
                (Some(from), Some(to)) => from.fits(to),
                _ => true,
            };
        }
        if target.is_list() {
            return target.type_args.first().is_none_or(|element| self.fits(element));
        }
        match (self.kind.as_str(), target.kind.as_str()) {
            ("enum", "enum") => match (&self.values, &target.values) {
                (Some(from), Some(to)) => from.iter().any(|value| to.contains(value)),
                _ => true,
            },
            ("enum", "str") | ("str", "enum") => true,
            ("int", "float") | ("float", "int") => true,
            (from, to) => from == to,
        }
    }

    /// Turns `value` into one of this type, the way a Python property takes it: numbers of the
    /// other kind are converted, anything is true or false, numbers become text. The error says
    /// what was expected and what came.
    pub(crate) fn coerce(&self, value: Value) -> Result<Value, String> {
        if value.is_null() && self.optional {
            return Ok(value);
        }
        match self.kind.as_str() {
            "str" => match value {
                Value::String(_) => Ok(value),
                Value::Number(_) | Value::Bool(_) => Ok(Value::String(python::text(&value))),
                other => Err(self.mismatch(&other)),
            },
            "int" => match &value {
                Value::Number(number) if number.is_f64() => number
                    .as_f64()
                    .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)
                    .map(|float| Value::from(float as i64))
                    .ok_or_else(|| self.mismatch(&value)),
                Value::Number(_) => Ok(value),
                Value::Bool(flag) => Ok(Value::from(i64::from(*flag))),
                _ => Err(self.mismatch(&value)),
            },
            "float" => match &value {
                Value::Number(_) => Ok(value),
                Value::Bool(flag) => Ok(Value::from(f64::from(u8::from(*flag)))),
                _ => Err(self.mismatch(&value)),
            },
            "bool" => Ok(Value::Bool(python::truthy(&value))),
            "list" if !value.is_array() => Err(self.mismatch(&value)),
            "dict" if !value.is_object() => Err(self.mismatch(&value)),
            "enum" if self.values.as_ref().is_some_and(|all| !all.contains(&value)) => {
                Err(self.mismatch(&value))
            }
            "union" => {
                // A member that takes the value as it is goes before one that converts it.
                let unchanged =
                    |member: &&Self| member.coerce(value.clone()).as_ref() == Ok(&value);
                if self.type_args.iter().any(|member| unchanged(&member)) {
                    return Ok(value);
                }
                let converted = self.type_args.iter().find_map(|m| m.coerce(value.clone()).ok());
                converted.ok_or_else(|| self.mismatch(&value))
            }
            _ => Ok(value),
        }
    }

    /// Whether null means "not set" for a property of this type.
    pub(crate) fn null_is_unset(&self) -> bool {
        !self.optional && self.kind != "any"
    }

    fn mismatch(&self, value: &Value) -> String {
        let shown = match value {
            Value::Number(_) | Value::Bool(_) => format!(" ({})", python::text(value)),
            Value::String(text) if text.len() <= 40 => format!(" ({text:?})"),
            _ => String::new(),
        };
        format!("expects {self} but got {}{shown}", python::type_name(value))
    }
}

impl std::fmt::Display for TypeDescriptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind.as_str(), &self.values) {
            ("enum", Some(values)) => {
                f.write_str("one of ")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            (kind, _) if !self.type_args.is_empty() => {
                write!(f, "{kind}[")?;
                for (index, member) in self.type_args.iter().enumerate() {
                    write!(f, "{}{member}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            (kind, _) => f.write_str(kind),
        }
    }
}
