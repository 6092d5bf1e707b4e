//! The cells, each in a folder of its own, and the one place that knows them by name.

mod config;
mod elman;
mod gates;
mod gru;
mod jordan;
mod lstm;
mod projection;

use std::sync::Arc;

use elman_kernels::Scalar;

pub use self::config::{Config, Value};
use crate::cell::Cell;
use crate::{Error, Stack};

/// The most layers of a stack: their parameters are listed by name.
const MAX_LAYERS: usize = 1 << 16;

/// A stack of the cell called `cell`.
///
/// | cell | keys of `config` |
/// |---|---|
/// | all | `inputSize`, `numLayers`, `bidirectional`, `bare` (names of parameters without layer and direction) |
/// | `elman` | `hiddenSize`, `bias`, `nonlinearity` (`tanh` or `relu`) |
/// | `gru` | `hiddenSize`, `bias` |
/// | `lstm` | `hiddenSize`, `projSize` (0: no projection), `bias` |
/// | `jordan` | `hiddenSize`, `outputSize`, `bias`, `nonlinearity`, `outputNonlinearity` (`identity`, `tanh` or `sigmoid`) |
///
/// # Errors
///
/// If the cell or a key is unknown, a key is missing, a value is of the wrong kind, or a size is 0 or too large.
pub fn build<T: Scalar>(cell: &str, config: &Config) -> Result<Stack<T>, Error> {
    let mut config = config.clone();
    let cell: Arc<dyn Cell<T>> = match cell {
        "elman" => Arc::new(elman::Elman::from_config(&mut config)?),
        "gru" => Arc::new(gru::Gru::from_config(&mut config)?),
        "lstm" => Arc::new(lstm::Lstm::from_config(&mut config)?),
        "jordan" => Arc::new(jordan::Jordan::from_config(&mut config)?),
        other => return Err(Error::UnknownCell(other.to_owned())),
    };
    let (input_size, layers) = (config.size("inputSize")?, config.size("numLayers")?);
    let (bidirectional, bare) = (config.flag("bidirectional")?, config.flag("bare")?);
    config.finish()?;
    if layers > MAX_LAYERS {
        let (expected, actual) = (format!("at most {MAX_LAYERS}"), layers.to_string());
        return Err(Error::ConfigValue { key: "numLayers", expected, actual });
    }
    Stack::new(cell, input_size, layers, bidirectional, bare)
}

/// A cell with sizes H and O and one choice of its options, for the tests that every cell runs.
#[cfg(test)]
type Choose = fn(usize, usize, usize) -> crate::reference::Subject;

/// The cells that are tested: all.
#[cfg(test)]
pub(crate) const TESTED: [Choose; 4] = [
    elman::reference::subject,
    jordan::reference::subject,
    lstm::reference::subject,
    gru::reference::subject,
];
