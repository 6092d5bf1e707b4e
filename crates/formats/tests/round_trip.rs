//! Whatever is written is read back, bit for bit and in order.

use elman_formats::safetensors::{Elements, Tensor, Values, deserialize, serialize};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Elements as bits, so that NaN payloads take part in the comparison.
fn bits(values: &Values) -> Vec<u64> {
    match values {
        Values::Float32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        Values::Float64(v) => v.iter().map(|x| x.to_bits()).collect(),
        Values::Int32(v) => v.iter().map(|&x| u64::from(x.cast_unsigned())).collect(),
    }
}

fn borrowed(values: &Values) -> Elements<'_> {
    match values {
        Values::Float32(v) => Elements::Float32(v),
        Values::Float64(v) => Elements::Float64(v),
        Values::Int32(v) => Elements::Int32(v),
    }
}

fn width(values: &Values) -> usize {
    if matches!(values, Values::Float64(_)) { 8 } else { 4 }
}

/// A name, a shape and as many random bit patterns as it needs.
fn tensor() -> impl Strategy<Value = (Vec<usize>, Values)> {
    (vec(0usize..5, 0..4), 0..3).prop_flat_map(|(shape, kind)| {
        let length = shape.iter().product::<usize>();
        vec(any::<u64>(), length).prop_map(move |bits| {
            let values = match kind {
                0 => Values::Float32(bits.iter().map(|&b| f32::from_bits(b as u32)).collect()),
                1 => Values::Float64(bits.iter().map(|&b| f64::from_bits(b)).collect()),
                _ => Values::Int32(bits.iter().map(|&b| b as i32).collect()),
            };
            (shape.clone(), values)
        })
    })
}

proptest! {
    #[test]
    fn bits_order_and_metadata_survive(
        tensors in btree_map(".*", tensor(), 0..6).prop_map(Vec::from_iter).prop_shuffle(),
        metadata in btree_map(".*", ".*", 0..4),
    ) {
        prop_assume!(tensors.iter().all(|(name, _)| name != "__metadata__"));
        let given: Vec<Tensor> = tensors
            .iter()
            .map(|(name, (shape, values))| Tensor { name, shape, elements: borrowed(values) })
            .collect();
        let file = serialize(&given, &metadata).unwrap();
        prop_assert_eq!(&file, &serialize(&given, &metadata.clone()).unwrap());

        // At an odd address, too.
        let mut shifted = vec![0];
        shifted.extend(&file);
        let archive = deserialize(&shifted[1..]).unwrap();
        prop_assert_eq!(&archive.metadata, &metadata);
        let (wide, narrow): (Vec<_>, Vec<_>) = tensors.iter().partition(|(_, (_, v))| width(v) == 8);
        let expected: Vec<_> = wide.into_iter().chain(narrow).collect();
        prop_assert_eq!(archive.entries.len(), expected.len());
        for (entry, (name, (shape, values))) in archive.entries.iter().zip(expected) {
            let read = entry.values().unwrap();
            prop_assert_eq!((&entry.name, &entry.shape, bits(&read)), (name, shape, bits(values)));
            prop_assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(values));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_read_but_never_panics(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let shape = [2, 3];
        let tensors = [
            Tensor { name: "a", shape: &shape, elements: Elements::Float32(&[1.0; 6]) },
            Tensor { name: "b", shape: &shape, elements: Elements::Int32(&[5; 6]) },
        ];
        let metadata = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let mut file = serialize(&tensors, &metadata).unwrap();
        let cut = cut.index(file.len());
        prop_assert!(deserialize(&file[..cut]).is_err());
        let position = position.index(file.len());
        file[position] = byte;
        if let Ok(archive) = deserialize(&file) {
            let read: usize = archive.entries.iter().map(|entry| bits(&entry.values().unwrap()).len()).sum();
            prop_assert!(read <= 12 * 2);
        }
    }
}
