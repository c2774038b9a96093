//! JSONPath (RFC 9535) within limits.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::{
    limits::{MAX_JSON_PATH, MAX_JSON_PATH_DEPTH, MAX_JSON_PATH_VISITS},
    node::NodeError,
};

/// The values of `data` that `path` leads to.
pub(super) fn query<'a>(path: &str, data: &'a Value) -> Result<Vec<&'a Value>, NodeError> {
    let path = match path.starts_with('$') {
        true => path.to_owned(),
        false if path.starts_with(['[', '.']) => format!("${path}"),
        false => format!("$.{path}"),
    };
    if path.len() > MAX_JSON_PATH {
        return Err(format!("json_path may have {MAX_JSON_PATH} bytes; shorten it").into());
    }
    let cost = Cost::of(&path);
    if cost.depth > MAX_JSON_PATH_DEPTH {
        return Err(format!(
            "json_path may have {MAX_JSON_PATH_DEPTH} levels of brackets inside each other; use \
             two nodes, one after the other"
        )
        .into());
    }
    let parsed = JsonPath::parse(&path)
        .map_err(|error| NodeError::from(format!("json_path {path}: {error}")))?;
    if cost.visits(data) > MAX_JSON_PATH_VISITS {
        return Err(format!(
            "json_path {path} could look at more than {MAX_JSON_PATH_VISITS} values of this \
             text; use fewer of `..`, `?` and `,`"
        )
        .into());
    }
    Ok(parsed.query(data).all())
}

/// What decides how much work an expression is, read from its text.
#[derive(Default)]
struct Cost {
    /// Levels of brackets.
    depth: usize,
    /// How often it goes through all levels: `..` and filters.
    descents: u32,
    /// How many expressions in filters start at the root again.
    restarts: u32,
    /// How many expressions in filters start at the current value.
    currents: usize,
    /// How often one value can be taken by several selectors, as in `['a', 'a']`.
    copies: usize,
}

impl Cost {
    fn of(path: &str) -> Self {
        let mut cost = Self { copies: 1, ..Self::default() };
        let mut selectors: Vec<usize> = Vec::new();
        let mut quote = None;
        let mut before = '\0';
        for c in path.chars().skip(1) {
            match (c, quote) {
                (c, Some(open)) if c == open && before != '\\' => quote = None,
                // A backslash that is itself escaped escapes nothing.
                ('\\', Some(_)) if before == '\\' => {
                    before = '\0';
                    continue;
                }
                (_, Some(_)) => {}
                ('\'' | '"', None) => quote = Some(c),
                ('[' | '(', None) => {
                    selectors.push(1);
                    cost.depth = cost.depth.max(selectors.len());
                }
                (']' | ')', None) => {
                    cost.copies = cost.copies.saturating_mul(selectors.pop().unwrap_or(1));
                }
                (',', None) => {
                    if let Some(last) = selectors.last_mut() {
                        *last += 1;
                    }
                }
                ('.', None) if before == '.' => cost.descents += 1,
                ('?', None) => cost.descents += 1,
                ('$', None) => cost.restarts += 1,
                ('@', None) => cost.currents += 1,
                _ => {}
            }
            before = c;
        }
        cost
    }

    /// At most how many values of `data` are looked at.
    fn visits(&self, data: &Value) -> usize {
        let (values, levels) = measure(data);
        values
            .saturating_mul(levels.saturating_pow(self.descents))
            .saturating_mul(values.saturating_pow(self.restarts))
            .saturating_mul(self.copies)
            .saturating_mul(self.currents.max(1))
    }
}

/// How many values there are, and on how many levels.
fn measure(data: &Value) -> (usize, usize) {
    let (mut values, mut levels) = (0, 0);
    let mut rest = vec![(data, 1)];
    while let Some((value, level)) = rest.pop() {
        values += 1;
        levels = levels.max(level);
        match value {
            Value::Array(items) => rest.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(map) => rest.extend(map.values().map(|item| (item, level + 1))),
            _ => {}
        }
    }
    (values, levels)
}
