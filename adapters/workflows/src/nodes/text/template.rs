//! Jinja templates whose results look as those of Jinja2 on Python, with every resource bounded.

use std::{collections::BTreeMap, io, sync::LazyLock};

use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, value};
use serde_json::Map;

use crate::{
    limits::{MAX_TEMPLATE_OUTPUT, MAX_TEMPLATE_SOURCE, TEMPLATE_FUEL, TEMPLATE_RECURSION},
    node::NodeError,
    python,
};

/// The filters and settings all templates share.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.set_recursion_limit(TEMPLATE_RECURSION);
    environment.set_formatter(write_like_python);
    environment.add_filter("truncate", truncate);
    environment.add_filter("string", |value: &Value| text(value));
    environment
});

/// Renders `template` with `variables`.
pub(super) fn render(
    template: &str,
    variables: &Map<String, serde_json::Value>,
) -> Result<String, NodeError> {
    if template.len() > MAX_TEMPLATE_SOURCE {
        return Err(format!(
            "the template has {} bytes; the most is {MAX_TEMPLATE_SOURCE}",
            template.len()
        )
        .into());
    }
    if !template.contains('{') {
        return Ok(template.to_owned());
    }
    let mut bounded = Bounded { text: Vec::new(), full: false };
    let result = ENVIRONMENT.template_from_named_str("template", template).and_then(|parsed| {
        let wanted = parsed.undeclared_variables(false);
        let found = wanted.iter().filter_map(|name| Some((name, find(name, variables)?)));
        let known: BTreeMap<_, _> = variables.iter().chain(found).collect();
        parsed.render_captured_to(value::Serde(known), &mut bounded).map(|_| ())
    });
    if bounded.full {
        return Err(format!("the template gives more than {MAX_TEMPLATE_OUTPUT} bytes").into());
    }
    result.map_err(|error| NodeError::from(format!("template: {error}")))?;
    String::from_utf8(bounded.text).map_err(NodeError::new)
}

/// The variable called `name`, in capital or small letters: the original makes no difference.
fn find<'a>(
    name: &str,
    variables: &'a Map<String, serde_json::Value>,
) -> Option<&'a serde_json::Value> {
    let same = |known: &&String| known.to_lowercase() == name.to_lowercase();
    variables.get(name).or_else(|| variables.get(variables.keys().find(same)?))
}

/// As [`render`], but `{name}` of a known variable stands for `{{ name }}`, too.
pub(super) fn render_braces(
    template: &str,
    variables: &Map<String, serde_json::Value>,
) -> Result<String, NodeError> {
    let mut doubled = String::new();
    let mut done = 0;
    for (at, _) in template.match_indices('{') {
        let rest = &template[at + 1..];
        let end = rest.find(|c: char| !is_in_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let stands_alone =
            !template[..at].ends_with('{') && after.starts_with('}') && !after.starts_with("}}");
        if stands_alone && is_name(name) && variables.contains_key(name) {
            doubled += &template[done..at];
            doubled += &format!("{{{{ {name} }}}}");
            done = at + name.len() + 2;
        }
    }
    doubled += &template[done..];
    render(&doubled, variables)
}

/// Whether Jinja reads these characters as a name, not as a number or as nothing.
fn is_name(characters: &str) -> bool {
    characters.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

/// Whether Jinja takes `c` as a part of a variable's name.
fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Bounded {
    text: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > MAX_TEMPLATE_OUTPUT {
            self.full = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_like_python(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return out.write_str(text).map_err(Error::from);
    }
    out.write_str(&text(value)).map_err(Error::from)
}

/// Python's `str(value)`; nothing for a variable that does not exist, as in Jinja2.
fn text(value: &Value) -> String {
    if value.is_undefined() {
        return String::new();
    }
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    match serde_json::to_value(value) {
        Ok(json) => python::text(&json),
        Err(_) => value.to_string(),
    }
}

/// Jinja2's `truncate(length=255, killwords=False, end='...', leeway=5)`.
fn truncate(text: &str, args: value::Rest<Value>) -> Result<String, Error> {
    let number = |index: usize, default: usize| match args.get(index) {
        Some(value) => usize::try_from(value.clone()),
        None => Ok(default),
    };
    let (length, leeway) = (number(0, 255)?, number(3, 5)?);
    let kill_words = args.get(1).is_some_and(Value::is_true);
    let end = args.get(2).and_then(Value::as_str).unwrap_or("...");
    let total = text.chars().count();
    let end_length = end.chars().count();
    if length < end_length {
        let message = format!("truncate needs a length of at least {end_length}");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    if total <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let kept: String = text.chars().take(length - end_length).collect();
    let kept = match kept.rsplit_once(' ') {
        Some((words, _)) if !kill_words => words,
        _ => &kept,
    };
    Ok(format!("{kept}{end}"))
}
