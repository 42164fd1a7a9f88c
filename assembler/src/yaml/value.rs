//! Values of no fixed shape.

use bstr::BString;

/// A value of the free-form overlay options, and of whatever else is written as YAML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that fits 128 bits (64 bits, signed or unsigned, in practice).
    Integer(i128),
    /// A floating-point number.
    Float(f64),
    /// A point in time, as RFC 3339 text.
    Timestamp(String),
    /// A text.
    Text(BString),
    /// A list.
    List(Vec<Value>),
    /// A map; keys of nested maps may be any scalar.
    Map(Vec<(Value, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<&BString> for Value {
    fn from(text: &BString) -> Value {
        Value::Text(text.clone())
    }
}
