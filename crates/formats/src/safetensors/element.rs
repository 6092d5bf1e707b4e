//! Elements ↔ little-endian bytes.
//!
//! `F16` (1 sign, 5 exponent, 10 fraction bits) and `BF16` (1, 8, 7) are subsets of `F32` (1, 8, 23), so widening
//! them loses nothing. `I64` is narrowed only after [`first_wide_integer`] found no value outside `i32`.

use super::{Elements, Values};
use half::{bf16, f16};
use safetensors::Dtype;
use std::collections::TryReserveError;

/// Reads a run of fixed-width elements; `bytes.len()` is a multiple of `WIDTH`, which the reader has checked.
fn decode<const WIDTH: usize, T>(
    bytes: &[u8],
    element: impl Fn([u8; WIDTH]) -> T,
) -> Result<Vec<T>, TryReserveError> {
    let (elements, _) = bytes.as_chunks::<WIDTH>();
    let mut values = Vec::new();
    values.try_reserve_exact(elements.len())?;
    values.extend(elements.iter().map(|&bytes| element(bytes)));
    Ok(values)
}

/// The elements of a tensor as this package holds them, or `None` for a kind that it has no counterpart for.
pub(super) fn read(dtype: Dtype, bytes: &[u8]) -> Result<Option<Values>, TryReserveError> {
    Ok(Some(match dtype {
        Dtype::F64 => Values::Float64(decode(bytes, f64::from_le_bytes)?),
        Dtype::F32 => Values::Float32(decode(bytes, f32::from_le_bytes)?),
        Dtype::F16 => Values::Float32(decode(bytes, |b| f16::from_le_bytes(b).to_f32())?),
        Dtype::BF16 => Values::Float32(decode(bytes, |b| bf16::from_le_bytes(b).to_f32())?),
        Dtype::I32 => Values::Int32(decode(bytes, i32::from_le_bytes)?),
        Dtype::I64 => Values::Int32(decode(bytes, |b| i64::from_le_bytes(b) as i32)?),
        _ => return Ok(None),
    }))
}

/// The first of a run of `I64` elements that does not fit into `i32`, with its position.
pub(super) fn first_wide_integer(bytes: &[u8]) -> Option<(usize, i64)> {
    let (elements, _) = bytes.as_chunks::<8>();
    let mut values = elements.iter().map(|&b| i64::from_le_bytes(b)).enumerate();
    values.find(|&(_, value)| i32::try_from(value).is_err())
}

impl Elements<'_> {
    /// The kind under which the elements are written.
    pub(super) fn dtype(&self) -> Dtype {
        match self {
            Self::Float32(_) => Dtype::F32,
            Self::Float64(_) => Dtype::F64,
            Self::Int32(_) => Dtype::I32,
        }
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Float32(values) => values.len(),
            Self::Float64(values) => values.len(),
            Self::Int32(values) => values.len(),
        }
    }

    /// Appends the elements' bytes; the caller has reserved the room.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Float32(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Self::Float64(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Self::Int32(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a small float by its definition, in float64 (which holds every one of them exactly).
    fn by_definition(bits: u16, exponent_bits: u32) -> f64 {
        let fraction_bits = 15 - exponent_bits;
        let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
        let exponent = i32::from(bits >> fraction_bits & ((1 << exponent_bits) - 1));
        let fraction = f64::from(bits & ((1 << fraction_bits) - 1)) / f64::from(1 << fraction_bits);
        let bias = (1 << (exponent_bits - 1)) - 1;
        if exponent == (1 << exponent_bits) - 1 {
            return if fraction == 0.0 { sign * f64::INFINITY } else { f64::NAN };
        }
        if exponent == 0 {
            sign * fraction * 2f64.powi(1 - bias)
        } else {
            sign * (1.0 + fraction) * 2f64.powi(exponent - bias)
        }
    }

    #[test]
    fn every_half_and_bfloat_widens_to_its_own_value() {
        for bits in 0..=u16::MAX {
            for (dtype, exponent_bits) in [(Dtype::F16, 5), (Dtype::BF16, 8)] {
                let Some(Values::Float32(values)) = read(dtype, &bits.to_le_bytes()).unwrap() else {
                    panic!("{dtype} must become float32");
                };
                let expected = by_definition(bits, exponent_bits);
                let actual = f64::from(values[0]);
                assert!(
                    actual.to_bits() == expected.to_bits() || (actual.is_nan() && expected.is_nan()),
                    "{dtype} {bits:#06x}: got {actual}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn integers_at_the_edge_of_32_bits() {
        let bytes = |values: &[i64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let fits = bytes(&[0, i64::from(i32::MAX), i64::from(i32::MIN)]);
        assert_eq!(first_wide_integer(&fits), None);
        assert_eq!(read(Dtype::I64, &fits).unwrap(), Some(Values::Int32(vec![0, i32::MAX, i32::MIN])));
        assert_eq!(first_wide_integer(&bytes(&[7, 1 << 31])), Some((1, 1 << 31)));
        assert_eq!(first_wide_integer(&bytes(&[-(1 << 31) - 1])), Some((0, -(1 << 31) - 1)));
    }
}
