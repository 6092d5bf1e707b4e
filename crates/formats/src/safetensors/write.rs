//! Tensors → bytes, always the same bytes for the same tensors.
//!
//! ```text
//! order of the data: wider elements first (so that every tensor is aligned to its element), else as given
//! header:            metadata by key, then the tensors in the order of their data; blanks up to a multiple of 8
//! ```
//!
//! The reference crate's own writer sorts tensors by name, which would lose the order of a state dict, and puts
//! metadata in the order of a randomly seeded hash table; so the header is laid out here, and read back by that crate
//! in the tests.

use super::{Elements, Error, LENGTH_PREFIX, MAX_HEADER_LENGTH, METADATA_KEY};
use safetensors::tensor::TensorInfo;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::{BTreeMap, HashSet};

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Its key in the state dict; any text except `__metadata__`, unique in the file.
    pub name: &'a str,
    /// Its dimensions; empty for a scalar.
    pub shape: &'a [usize],
    /// Its elements in row-major order, as many as the product of `shape`.
    pub elements: Elements<'a>,
}

/// Writes tensors in the format of Python's `safetensors.torch.save`.
///
/// * `tensors`: what to write. Reading gives them back in this order as long as they are of one element width.
/// * `metadata`: texts that go along, such as a version.
///
/// # Errors
///
/// [`Error::LengthMismatch`], [`Error::ReservedName`], [`Error::DuplicateTensor`], [`Error::HeaderTooLong`], or
/// [`Error::OutOfMemory`].
pub fn serialize(tensors: &[Tensor<'_>], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    let mut names = HashSet::with_capacity(tensors.len());
    for tensor in tensors {
        check(tensor)?;
        if !names.insert(tensor.name) {
            let tensor = tensor.name.to_owned();
            return Err(Error::DuplicateTensor { tensor });
        }
    }

    let mut ordered: Vec<&Tensor> = tensors.iter().collect();
    ordered.sort_by_key(|tensor| std::cmp::Reverse(tensor.elements.dtype().bitsize())); // stable
    let mut header = serde_json::to_vec(&Header { tensors: &ordered, metadata }).map_err(Error::Header)?;
    header.resize(header.len().next_multiple_of(LENGTH_PREFIX), b' ');
    if header.len() > MAX_HEADER_LENGTH {
        return Err(Error::HeaderTooLong { limit: MAX_HEADER_LENGTH, actual: header.len() });
    }

    let data_length: usize = ordered.iter().map(|tensor| byte_length(tensor)).sum();
    let mut file = Vec::new();
    file.try_reserve_exact(LENGTH_PREFIX + header.len() + data_length)?;
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    for tensor in ordered {
        tensor.elements.append_to(&mut file);
    }
    Ok(file)
}

fn byte_length(tensor: &Tensor<'_>) -> usize {
    tensor.elements.len() * tensor.elements.dtype().bitsize() / 8
}

fn check(tensor: &Tensor<'_>) -> Result<(), Error> {
    if tensor.name == METADATA_KEY {
        return Err(Error::ReservedName);
    }
    let expected = tensor.shape.iter().try_fold(1usize, |product, &dimension| product.checked_mul(dimension));
    if expected != Some(tensor.elements.len()) {
        return Err(Error::LengthMismatch {
            tensor: tensor.name.to_owned(),
            shape: tensor.shape.to_vec(),
            expected: expected.map_or("more than can be counted".to_owned(), |n| n.to_string()),
            actual: tensor.elements.len(),
        });
    }
    Ok(())
}

/// The JSON object that precedes the data.
struct Header<'a> {
    /// In the order of their data.
    tensors: &'a [&'a Tensor<'a>],
    metadata: &'a BTreeMap<String, String>,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry(METADATA_KEY, self.metadata)?;
        }
        let mut begin = 0;
        for tensor in self.tensors {
            let end = begin + byte_length(tensor);
            let info = TensorInfo {
                dtype: tensor.elements.dtype(),
                shape: tensor.shape.to_vec(),
                data_offsets: (begin, end),
            };
            map.serialize_entry(tensor.name, &info)?;
            begin = end;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    fn tensor<'a>(name: &'a str, shape: &'a [usize], elements: Elements<'a>) -> Tensor<'a> {
        Tensor { name, shape, elements }
    }

    #[test]
    fn the_reference_crate_reads_what_is_written() {
        let metadata = BTreeMap::from([("b".into(), "2".into()), ("a".into(), "é\"\\".into())]);
        let tensors = [
            tensor("w", &[2, 2], Elements::Float32(&[1.0, -0.0, f32::INFINITY, 1e-45])),
            tensor("scalar", &[], Elements::Float64(&[std::f64::consts::PI])),
            tensor("none", &[3, 0], Elements::Float32(&[])),
            tensor("steps", &[2], Elements::Int32(&[i32::MIN, 7])),
        ];
        let file = serialize(&tensors, &metadata).unwrap();
        let (header_length, header) = SafeTensors::read_metadata(&file).unwrap();
        assert_eq!((header_length + LENGTH_PREFIX) % 8, 0);
        assert_eq!(header.offset_keys(), ["scalar", "w", "none", "steps"]);
        assert_eq!(header.metadata().as_ref().unwrap().len(), 2);
        assert_eq!(header.metadata().as_ref().unwrap()["a"], "é\"\\");

        let archive = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(archive.tensor("w").unwrap().shape(), [2, 2]);
        assert_eq!(archive.tensor("w").unwrap().data()[12..], 1u32.to_le_bytes());
        assert_eq!(archive.tensor("scalar").unwrap().data(), std::f64::consts::PI.to_le_bytes());
        assert_eq!(archive.tensor("none").unwrap().shape(), [3, 0]);
        let steps = archive.tensor("steps").unwrap();
        assert_eq!(steps.data()[..4], i32::MIN.to_le_bytes());
    }

    /// Byte for byte what Python's `safetensors.torch.save({"w": torch.tensor([1.0, 2.0])})` gives.
    #[test]
    fn the_bytes_are_those_of_python() {
        let file = serialize(&[tensor("w", &[2], Elements::Float32(&[1.0, 2.0]))], &BTreeMap::new()).unwrap();
        let mut expected = 56u64.to_le_bytes().to_vec();
        expected.extend(br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  "#);
        expected.extend([0, 0, 128, 63, 0, 0, 0, 64]);
        assert_eq!(file, expected);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let refuse = |tensors: &[Tensor]| serialize(tensors, &BTreeMap::new()).unwrap_err().to_string();
        let two = Elements::Float32(&[1.0, 2.0]);
        assert_eq!(refuse(&[tensor("w", &[3], two)]), "tensor `w` of shape [3] has 2 elements, expected 3");
        assert_eq!(
            refuse(&[tensor("w", &[usize::MAX, 2], two)]),
            format!(
                "tensor `w` of shape [{}, 2] has 2 elements, expected more than can be counted",
                usize::MAX
            )
        );
        assert_eq!(
            refuse(&[tensor("__metadata__", &[2], two)]),
            "a tensor cannot be named `__metadata__`: the format reserves that name"
        );
        assert_eq!(
            refuse(&[tensor("w", &[2], two), tensor("w", &[2], two)]),
            "not a valid safetensors file: the tensor `w` is given more than once"
        );
        let long = "x".repeat(MAX_HEADER_LENGTH);
        assert!(refuse(&[tensor(&long, &[2], two)]).starts_with("the header would have 1000000"));
    }
}
