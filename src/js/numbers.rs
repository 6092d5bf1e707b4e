//! Numbers of JavaScript as sizes and integers.

use super::error::{BindingError, BindingResult};

/// `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A size that came as a double: an integer from 0 to 2⁵³ - 1.
pub(crate) fn size(value: f64, name: &str) -> BindingResult<usize> {
    integer(value, name).and_then(|i| {
        usize::try_from(i).map_err(|_| BindingError::Range(format!("{name} must not be negative, got {i}")))
    })
}

/// An integer that came as a double, safe in both directions.
pub(crate) fn integer(value: f64, name: &str) -> BindingResult<i64> {
    if value.fract() != 0.0 || value.abs() > MAX_SAFE_INTEGER || value.is_nan() {
        return Err(BindingError::Range(format!("{name} must be a safe integer, got {value}")));
    }
    Ok(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_integers_are_sizes() {
        assert_eq!(size(0.0, "n").ok(), Some(0));
        assert_eq!(size(MAX_SAFE_INTEGER, "n").ok(), Some(9_007_199_254_740_991));
        for bad in [-1.0, 1.9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, MAX_SAFE_INTEGER + 1.0] {
            assert!(matches!(size(bad, "n"), Err(BindingError::Range(_))), "{bad}");
        }
        assert_eq!(integer(-7.0, "n").ok(), Some(-7));
    }
}
