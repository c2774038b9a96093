use std::cmp::Ordering;

use super::order::order;
use crate::{
    limits::{MAX_CONDITION, MAX_DEPTH},
    node::NodeError,
    nodes::{equality::identity, prelude::*},
};

/// A condition on the row of a table, as pandas' `query` has them, without arithmetic.
pub(super) struct Condition(Expression);

enum Expression {
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    /// `a < b < c`: each neighbour with the next.
    Compare(Box<Self>, Vec<(Comparison, Self)>),
    Column(usize),
    Literal(Value),
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

impl Condition {
    /// Reads a condition; `place` knows where the columns are.
    pub(super) fn parse(
        text: &str,
        place: impl Fn(&str) -> Result<usize, NodeError>,
    ) -> Result<Self, NodeError> {
        if text.len() > MAX_CONDITION {
            let length = text.len();
            return Err(
                format!("the condition has {length} bytes; the most is {MAX_CONDITION}").into()
            );
        }
        let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, place };
        let expression = parser.either()?;
        match parser.peek() {
            None => Ok(Self(expression)),
            Some(token) => Err(unexpected(Some(token))),
        }
    }

    /// Whether a row meets it.
    pub(super) fn holds(&self, row: &[Value]) -> Result<bool, String> {
        self.0.holds(row)
    }
}

impl Expression {
    fn holds(&self, row: &[Value]) -> Result<bool, String> {
        match self {
            Self::Or(any) => {
                for part in any {
                    if part.holds(row)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(all) => {
                for part in all {
                    if !part.holds(row)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(part) => Ok(!part.holds(row)?),
            Self::Compare(first, rest) => {
                let mut left = first.value(row)?;
                for (comparison, right) in rest {
                    let right = right.value(row)?;
                    if !comparison.holds(&left, &right)? {
                        return Ok(false);
                    }
                    left = right;
                }
                Ok(true)
            }
            Self::Column(_) | Self::Literal(_) => Ok(python::truthy(&self.value(row)?)),
        }
    }

    fn value(&self, row: &[Value]) -> Result<Value, String> {
        match self {
            Self::Column(place) => Ok(row[*place].clone()),
            Self::Literal(value) => Ok(value.clone()),
            other => other.holds(row).map(Value::from),
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> Result<bool, String> {
        match self {
            Self::Equal => return Ok(identity(left) == identity(right)),
            Self::NotEqual => return Ok(identity(left) != identity(right)),
            Self::In | Self::NotIn => {
                let found = match right {
                    Value::Array(items) => {
                        let wanted = identity(left);
                        items.iter().any(|item| identity(item) == wanted)
                    }
                    Value::String(text) => left.as_str().is_some_and(|part| text.contains(part)),
                    Value::Null => false,
                    other => {
                        let kind = python::type_name(other);
                        return Err(format!("in needs a list or a text, not {kind}"));
                    }
                };
                return Ok(found == (self == Self::In));
            }
            _ => {}
        }
        if left.is_null() || right.is_null() {
            return Ok(false);
        }
        let (kinds, same) = (
            (python::type_name(left), python::type_name(right)),
            std::mem::discriminant(left) == std::mem::discriminant(right),
        );
        if !same {
            return Err(format!("{} and {} have no order; use == or !=", kinds.0, kinds.1));
        }
        let found = order(left, right);
        Ok(match self {
            Self::Less => found == Ordering::Less,
            Self::LessOrEqual => found != Ordering::Greater,
            Self::Greater => found == Ordering::Greater,
            _ => found != Ordering::Less,
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Column(String),
    Literal(Value),
    Symbol(&'static str),
}

struct Parser<P> {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    place: P,
}

impl<P: Fn(&str) -> Result<usize, NodeError>> Parser<P> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += usize::from(token.is_some());
        token
    }

    /// Takes the next token if it is one of those names of the same thing.
    fn accept(&mut self, names: &[&str]) -> bool {
        let found = match self.peek() {
            Some(Token::Word(word)) => names.contains(&word.as_str()),
            Some(Token::Symbol(symbol)) => names.contains(symbol),
            _ => false,
        };
        self.next += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Expression, NodeError> {
        let mut parts = vec![self.both()?];
        while self.accept(&["or", "||", "|"]) {
            parts.push(self.both()?);
        }
        Ok(single(parts, Expression::Or))
    }

    fn both(&mut self) -> Result<Expression, NodeError> {
        let mut parts = vec![self.negation()?];
        while self.accept(&["and", "&&", "&"]) {
            parts.push(self.negation()?);
        }
        Ok(single(parts, Expression::And))
    }

    fn negation(&mut self) -> Result<Expression, NodeError> {
        if self.accept(&["not", "!", "~"]) {
            self.descend()?;
            let part = self.negation()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(part)));
        }
        let first = self.operand()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison()? {
            rest.push((comparison, self.operand()?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Compare(Box::new(first), rest) })
    }

    fn comparison(&mut self) -> Result<Option<Comparison>, NodeError> {
        use Comparison::{Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual, NotIn};
        if self.accept(&["not"]) {
            return match self.accept(&["in"]) {
                true => Ok(Some(NotIn)),
                false => Err(unexpected(self.peek())),
            };
        }
        let all: [(&[&str], _); 7] = [
            (&["==", "==="], Equal),
            (&["!=", "!=="], NotEqual),
            (&["<="], LessOrEqual),
            (&["<"], Less),
            (&[">="], GreaterOrEqual),
            (&[">"], Greater),
            (&["in"], In),
        ];
        Ok(all.into_iter().find(|(names, _)| self.accept(names)).map(|(_, found)| found))
    }

    fn operand(&mut self) -> Result<Expression, NodeError> {
        match self.take() {
            Some(Token::Literal(value)) => Ok(Expression::Literal(value)),
            Some(Token::Column(name)) => (self.place)(&name).map(Expression::Column),
            Some(Token::Word(word)) => match word.as_str() {
                "true" | "True" => Ok(Expression::Literal(true.into())),
                "false" | "False" => Ok(Expression::Literal(false.into())),
                "null" | "None" => Ok(Expression::Literal(Value::Null)),
                "and" | "or" | "in" => Err(unexpected(Some(&Token::Word(word)))),
                name => (self.place)(name).map(Expression::Column),
            },
            Some(Token::Symbol("(")) => {
                self.descend()?;
                let inner = self.either()?;
                self.depth -= 1;
                match self.accept(&[")"]) {
                    true => Ok(inner),
                    false => Err(unexpected(self.peek())),
                }
            }
            Some(Token::Symbol("[")) => self.list(),
            other => Err(unexpected(other.as_ref())),
        }
    }

    fn list(&mut self) -> Result<Expression, NodeError> {
        let mut items = Vec::new();
        while !self.accept(&["]"]) {
            match self.operand()? {
                Expression::Literal(value) if !value.is_array() => items.push(value),
                _ => return Err("a list in the condition has numbers and texts only".into()),
            }
            if !self.accept(&[","]) && self.peek() != Some(&Token::Symbol("]")) {
                return Err(unexpected(self.peek()));
            }
        }
        Ok(Expression::Literal(Value::Array(items)))
    }

    fn descend(&mut self) -> Result<(), NodeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let error = format!("the condition is nested more than {MAX_DEPTH} levels deep");
            return Err(error.into());
        }
        Ok(())
    }
}

fn single(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}

fn unexpected(token: Option<&Token>) -> NodeError {
    let found = match token {
        None => "the condition ends too early".to_owned(),
        Some(Token::Word(text) | Token::Column(text)) => {
            format!("{text:?} is not expected there")
        }
        Some(Token::Symbol(text)) => format!("{text:?} is not expected there"),
        Some(Token::Literal(value)) => format!("{value} is not expected there"),
    };
    format!("{found}; write a condition as: age > 30 and status in ['a', 'b']").into()
}

fn tokens(text: &str) -> Result<Vec<Token>, NodeError> {
    const SYMBOLS: [&str; 19] = [
        "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "<", ">", "(", ")", "[", "]", ",", "!",
        "~", "&", "|",
    ];
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => {
                let (content, length) = quoted(rest, first)?;
                all.push(match first {
                    '`' => Token::Column(content),
                    _ => Token::Literal(content.into()),
                });
                length
            }
            '0'..='9' | '-' | '.' => {
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
                let exponent = |at: usize| matches!(rest.as_bytes()[at - 1], b'e' | b'E');
                let ends = |&(at, c): &(usize, char)| {
                    at > 0 && !fits(c) && !(matches!(c, '-' | '+') && exponent(at))
                };
                let end = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
                all.push(Token::Literal(number(&rest[..end])?));
                end
            }
            c if c.is_alphabetic() || c == '_' => {
                let fits = |c: char| c.is_alphanumeric() || c == '_';
                let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
                all.push(Token::Word(rest[..end].to_owned()));
                end
            }
            other => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let Some(symbol) = symbol else {
                    return Err(unexpected(Some(&Token::Word(other.to_string()))));
                };
                all.push(Token::Symbol(symbol));
                symbol.len()
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(all)
}

/// The text in quotes at the beginning, and how long it is with its quotes.
fn quoted(text: &str, quote: char) -> Result<(String, usize), NodeError> {
    let mut content = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            content.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Ok((content, at + quote.len_utf8()));
        } else {
            content.push(c);
        }
    }
    Err(format!("a text in the condition has no end: {quote} is missing").into())
}

fn number(text: &str) -> Result<Value, NodeError> {
    let plain = text.replace('_', "");
    let whole = plain.parse::<i64>().map(Value::from).ok();
    let number = whole.or_else(|| {
        let float = plain.parse::<f64>().ok().filter(|float| float.is_finite())?;
        Some(Value::from(float))
    });
    number.ok_or_else(|| format!("{text:?} in the condition is no number").into())
}
