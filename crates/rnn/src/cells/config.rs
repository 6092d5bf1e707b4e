//! Named values from which a stack is built.

use std::collections::BTreeMap;
use std::fmt;

use crate::Error;

/// A value of a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number of features, layers, ….
    Size(usize),
    /// A switch.
    Flag(bool),
    /// One of several names.
    Name(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => write!(f, "{size}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Name(name) => write!(f, "'{name}'"),
        }
    }
}

/// Values by name, as in TypeScript: `inputSize`, `numLayers`, ….
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(BTreeMap<String, Value>);

impl<K: Into<String>> FromIterator<(K, Value)> for Config {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(values: I) -> Self {
        Self(values.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl Config {
    /// Removes and returns a size, which must not be 0.
    pub(super) fn size(&mut self, key: &'static str) -> Result<usize, Error> {
        self.take(key, "a positive integer", |value| match value {
            Value::Size(size) if size > 0 => Ok(size),
            other => Err(other),
        })
    }

    /// Removes and returns a size that may be 0, which means none.
    pub(super) fn size_or_none(&mut self, key: &'static str) -> Result<Option<usize>, Error> {
        self.take(key, "an integer", |value| match value {
            Value::Size(size) => Ok(Some(size).filter(|&size| size > 0)),
            other => Err(other),
        })
    }

    /// Removes and returns a flag.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, Error> {
        self.take(
            key,
            "true or false",
            |value| if let Value::Flag(flag) = value { Ok(flag) } else { Err(value) },
        )
    }

    /// Removes a name and returns its value in `choices`.
    pub(super) fn choice<R: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, R)],
    ) -> Result<R, Error> {
        let expected = || choices.iter().map(|&(name, _)| name).collect::<Vec<_>>().join(" or ");
        self.take(key, expected(), |value| {
            let chosen = choices.iter().find(|(name, _)| matches!(&value, Value::Name(n) if n == name));
            chosen.map(|&(_, chosen)| chosen).ok_or(value)
        })
    }

    fn take<R>(
        &mut self,
        key: &'static str,
        expected: impl Into<String>,
        convert: impl FnOnce(Value) -> Result<R, Value>,
    ) -> Result<R, Error> {
        let value = self.0.remove(key).ok_or(Error::ConfigMissing(key))?;
        convert(value).map_err(|actual| Error::ConfigValue {
            key,
            expected: expected.into(),
            actual: actual.to_string(),
        })
    }

    /// Checks that every value has been taken.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.0.into_keys().next().map_or(Ok(()), |key| Err(Error::ConfigUnknown(key)))
    }
}
