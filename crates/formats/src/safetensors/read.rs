//! Bytes → tensors, with every malformed file refused before anything is allocated for its tensors.
//!
//! ```text
//! 1. the length in front must lie inside the file
//! 2. the header is walked once: no name twice, no data beyond the end, only kinds that have a counterpart here
//! 3. the reference crate checks all the rest: no overlap, no gap, nothing left over, sizes that follow from shapes
//! 4. I64 elements must fit into 32 bits
//! ```
//!
//! Step 2 keeps to the header's own grammar, so nested or oversized JSON ends there and never reaches the reference
//! crate, which would hold a multiple of it in memory. `Archive` borrows the file: elements are decoded one tensor at
//! a time, by [`Entry::values`].

use super::{Error, LENGTH_PREFIX, MAX_HEADER_LENGTH, METADATA_KEY, Values, element};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The most dimensions that a tensor may have; PyTorch's own limit is 64.
const MAX_RANK: usize = 64;

/// A checked safetensors file.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    /// The tensors in the order of their data.
    pub entries: Vec<Entry<'a>>,
    /// The texts that go along, by key.
    pub metadata: BTreeMap<String, String>,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its key in the state dict.
    pub name: String,
    /// Its dimensions; empty for a scalar.
    pub shape: Vec<usize>,
    dtype: Dtype,
    bytes: &'a [u8],
}

impl Entry<'_> {
    /// Decodes the elements: F64 and F32 as they are, F16 and BF16 widened to f32, I32 and I64 as i32.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`].
    pub fn values(&self) -> Result<Values, Error> {
        element::read(self.dtype, self.bytes)?.ok_or_else(|| Error::UnsupportedDtype {
            tensor: self.name.clone(),
            dtype: self.dtype.to_string(),
        })
    }
}

/// Reads a safetensors file.
///
/// * `file`: all its bytes, at any alignment.
///
/// # Errors
///
/// [`Error::Malformed`], [`Error::Header`], [`Error::DuplicateTensor`], [`Error::DuplicateMetadata`] or
/// [`Error::OutsideFile`] for a file that breaks the format's rules; [`Error::UnsupportedDtype`] or
/// [`Error::IntegerOutOfRange`] for tensors that have no counterpart here.
pub fn deserialize(file: &[u8]) -> Result<Archive<'_>, Error> {
    let (header, data_length) = split(file)?;
    let Declarations { mut tensors, metadata } = serde_json::from_slice(header).map_err(Error::Header)?;
    check_declarations(&tensors, data_length)?;
    let metadata = unique(metadata)?;
    tensors.sort_by_key(|tensor| tensor.fields.data_offsets); // stable: empty tensors keep their order

    let checked = SafeTensors::deserialize(file)?;
    let mut entries = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let view = checked.tensor(&tensor.name)?;
        if view.dtype() == Dtype::I64
            && let Some((index, value)) = element::first_wide_integer(view.data())
        {
            let tensor = tensor.name;
            return Err(Error::IntegerOutOfRange { tensor, index, value });
        }
        entries.push(Entry {
            shape: view.shape().to_vec(),
            dtype: view.dtype(),
            bytes: view.data(),
            name: tensor.name,
        });
    }
    Ok(Archive { entries, metadata })
}

/// The header, and how many bytes follow it.
fn split(file: &[u8]) -> Result<(&[u8], u64), Error> {
    let (length, rest) = file.split_first_chunk::<LENGTH_PREFIX>().ok_or(SafeTensorError::HeaderTooSmall)?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_LENGTH as u64 {
        return Err(SafeTensorError::HeaderTooLarge.into());
    }
    let (header, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(SafeTensorError::InvalidHeaderLength)?;
    Ok((header, data.len() as u64))
}

fn check_declarations(tensors: &[Declaration], data_length: u64) -> Result<(), Error> {
    let mut names = HashSet::with_capacity(tensors.len());
    for Declaration { name, fields } in tensors {
        if !names.insert(name) {
            return Err(Error::DuplicateTensor { tensor: name.clone() });
        }
        if !matches!(&*fields.dtype, "F64" | "F32" | "F16" | "BF16" | "I64" | "I32") {
            return Err(Error::UnsupportedDtype { tensor: name.clone(), dtype: fields.dtype.clone() });
        }
        if fields.data_offsets.1 > data_length {
            return Err(Error::OutsideFile {
                tensor: name.clone(),
                end: fields.data_offsets.1,
                available: data_length,
            });
        }
    }
    Ok(())
}

fn unique(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Error> {
    let mut map = BTreeMap::new();
    for (key, text) in pairs {
        if map.contains_key(&key) {
            return Err(Error::DuplicateMetadata { key });
        }
        map.insert(key, text);
    }
    Ok(map)
}

/// The header as it is written, repeated names included.
#[derive(Default)]
struct Declarations {
    tensors: Vec<Declaration>,
    metadata: Vec<(String, String)>,
}

struct Declaration {
    name: String,
    fields: Fields,
}

/// What the header says of one tensor; the shape is left to the reference crate, only its rank is limited here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    dtype: String,
    #[serde(rename = "shape")]
    _shape: Rank,
    data_offsets: (u64, u64),
}

impl<'de> Deserialize<'de> for Declarations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Header;
        impl<'de> Visitor<'de> for Header {
            type Value = Declarations;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Declarations, A::Error> {
                let mut declarations = Declarations::default();
                let mut metadata = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name != METADATA_KEY {
                        let fields = map.next_value()?;
                        declarations.tensors.push(Declaration { name, fields });
                    } else if metadata.replace(map.next_value::<Option<Pairs>>()?).is_some() {
                        return Err(A::Error::custom("`__metadata__` is given more than once"));
                    }
                }
                if let Some(Some(Pairs(pairs))) = metadata {
                    declarations.metadata = pairs;
                }
                Ok(declarations)
            }
        }
        deserializer.deserialize_map(Header)
    }
}

/// A JSON object of texts, repeated keys included.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

/// A list of at most [`MAX_RANK`] dimensions, none of which is kept.
struct Rank;

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dimensions;
        impl<'de> Visitor<'de> for Dimensions {
            type Value = Rank;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a list of at most {MAX_RANK} dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rank, A::Error> {
                let mut rank = 0;
                while seq.next_element::<u64>()?.is_some() {
                    rank += 1;
                    if rank > MAX_RANK {
                        return Err(A::Error::invalid_length(rank, &self));
                    }
                }
                Ok(Rank)
            }
        }
        deserializer.deserialize_seq(Dimensions)
    }
}
