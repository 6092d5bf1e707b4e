//! Model files: tensors of JavaScript to bytes and back.

use std::collections::BTreeMap;

use elman_formats::safetensors::{self, Elements, Tensor, Values};
use napi::bindgen_prelude::*;
use napi::{Property, PropertyAttributes};
use napi_derive::napi;

use crate::js::arrays::{Floats, Ints};
use crate::js::bytes::Bytes;
use crate::js::error::{BindingError, BindingResult};
use crate::js::exports::export;
use crate::js::memory::Dtype;
use crate::js::numbers::size;
use crate::js::returned::new_array;

/// The largest dimension that JavaScript can name.
const MAX_DIMENSION: usize = (1 << 53) - 1;

/// Writes tensors and texts in the safetensors format. An entry is `{ name, dtype, shape, data }`.
#[napi(catch_unwind, ts_return_type = "Uint8Array")]
pub fn serialize_safetensors<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "FileEntry[]")] entries: Vec<Object<'env>>,
    #[napi(ts_arg_type = "Record<string, string> | null")] metadata: Option<Object<'env>>,
) -> Result<Unknown<'env>> {
    let entries: Vec<Entry<'_>> =
        entries.iter().map(|entry| Entry::read(*env, entry)).collect::<Result<_>>()?;
    let metadata = metadata.map_or(Ok(BTreeMap::new()), |texts| read_texts(&texts))?;
    let file = export(*env, || {
        let tensors: Vec<Tensor<'_>> = entries.iter().map(Entry::tensor).collect::<BindingResult<_>>()?;
        Ok(safetensors::serialize(&tensors, &metadata)?)
    })?;
    new_array(env, &file)
}

/// A tensor on its way into a file.
struct Entry<'a> {
    name: String,
    shape: Vec<usize>,
    data: Data<'a>,
}

enum Data<'a> {
    Floats(Dtype, Floats<'a>),
    Ints(Ints<'a>),
}

impl Entry<'_> {
    fn read(env: Env, entry: &Object<'_>) -> Result<Self> {
        let missing = |field: &str| {
            BindingError::Kind(format!(
                "expected a tensor with name, dtype, shape and data, got none of {field}"
            ))
            .throw(env.raw())
        };
        let name: String = entry.get("name")?.ok_or_else(|| missing("name"))?;
        let dtype: String = entry.get("dtype")?.ok_or_else(|| missing("dtype"))?;
        let shape: Vec<f64> = entry.get("shape")?.ok_or_else(|| missing("shape"))?;
        let shape =
            export(env, || shape.iter().map(|&d| size(d, "a dimension")).collect::<BindingResult<_>>())?;
        let data = if dtype == "int32" {
            Data::Ints(entry.get("data")?.ok_or_else(|| missing("data"))?)
        } else {
            let floats: Floats<'_> = entry.get("data")?.ok_or_else(|| missing("data"))?;
            // Its memory is looked at when all entries have been read: reading may run a getter.
            export(env, || Ok(Data::Floats(Dtype::by_name(&dtype)?, floats)))?
        };
        Ok(Self { name, shape, data })
    }

    fn tensor(&self) -> BindingResult<Tensor<'_>> {
        let elements = match &self.data {
            Data::Ints(ints) => Elements::Int32(ints.get()?),
            Data::Floats(expected, floats) => match floats.dtype()? {
                dtype if dtype != *expected => {
                    let (name, expected) = (&self.name, expected.array());
                    return Err(BindingError::Kind(format!(
                        "{name}: expected a {expected}, got a {}",
                        dtype.array()
                    )));
                }
                Dtype::F32 => Elements::Float32(floats.get()?),
                _ => Elements::Float64(floats.get()?),
            },
        };
        Ok(Tensor { name: &self.name, shape: &self.shape, elements })
    }
}

/// The texts of an object's own properties.
fn read_texts(object: &Object<'_>) -> Result<BTreeMap<String, String>> {
    let keys = object.get_all_property_names(
        KeyCollectionMode::OwnOnly,
        KeyFilter::SkipSymbols,
        KeyConversion::NumbersToStrings,
    )?;
    let mut texts = BTreeMap::new();
    for i in 0..keys.get_array_length()? {
        let key: String = keys.get_element(i)?;
        if let Some(text) = object.get(&key)? {
            texts.insert(key, text);
        }
    }
    Ok(texts)
}

/// A tensor of a file.
#[napi(object, object_from_js = false)]
pub struct FileEntry<'env> {
    /// Its key in the state dict.
    pub name: String,
    /// `float32`, `float64` or `int32`.
    #[napi(ts_type = "'float32' | 'float64' | 'int32'")]
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<f64>,
    /// Its elements, in an array of their own.
    #[napi(ts_type = "Float32Array | Float64Array | Int32Array")]
    pub data: Unknown<'env>,
}

/// What is in a file.
#[napi(object, object_from_js = false)]
pub struct FileContents<'env> {
    /// The tensors in the order of their data.
    pub entries: Vec<FileEntry<'env>>,
    /// The texts that go along.
    #[napi(ts_type = "Record<string, string>")]
    pub metadata: Object<'env>,
}

/// Reads the safetensors format: F16 and BF16 become float32, I64 becomes int32 if every value fits.
#[napi(catch_unwind)]
pub fn deserialize_safetensors<'env>(env: &'env Env, bytes: Bytes<'env>) -> Result<FileContents<'env>> {
    let archive = export(*env, || {
        let archive = safetensors::deserialize(bytes.get())?;
        for entry in &archive.entries {
            if let Some(dimension) = entry.shape.iter().find(|&&d| d > MAX_DIMENSION) {
                let name = &entry.name;
                return Err(BindingError::Range(format!("tensor `{name}` has a dimension of {dimension}")));
            }
        }
        Ok(archive)
    })?;
    let mut entries = Vec::with_capacity(archive.entries.len());
    for entry in archive.entries {
        let values = export(*env, || Ok(entry.values()?))?;
        let (dtype, data) = match values {
            Values::Float32(v) => ("float32", new_array(env, &v)?),
            Values::Float64(v) => ("float64", new_array(env, &v)?),
            Values::Int32(v) => ("int32", new_array(env, &v)?),
        };
        let shape = entry.shape.iter().map(|&d| d as f64).collect();
        entries.push(FileEntry { name: entry.name, dtype: dtype.to_owned(), shape, data });
    }
    Ok(FileContents { entries, metadata: write_texts(env, &archive.metadata)? })
}

/// An object of texts. Its properties are defined, not assigned: `__proto__` is a key like any other.
fn write_texts<'env>(env: &'env Env, texts: &BTreeMap<String, String>) -> Result<Object<'env>> {
    let attributes =
        PropertyAttributes::Writable | PropertyAttributes::Enumerable | PropertyAttributes::Configurable;
    let mut properties = Vec::with_capacity(texts.len());
    for (key, text) in texts {
        let text = env.create_string(text)?;
        let property = Property::new().with_name(env, key.as_str())?;
        properties.push(property.with_value(&text).with_property_attributes(attributes));
    }
    let mut object = Object::new(env)?;
    object.define_properties(&properties)?;
    Ok(object)
}
