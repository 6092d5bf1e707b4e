//! One test per way in which a safetensors file can lie.

use elman_formats::safetensors::{Error, Values, deserialize};

/// A file of a header and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// One entry of a header.
fn entry(name: &str, dtype: &str, shape: &str, offsets: [u64; 2]) -> String {
    let [begin, end] = offsets;
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

/// The message of the error that a header with some data gives.
fn refusal(header: &str, data: &[u8]) -> String {
    deserialize(&file(header, data)).expect_err(header).to_string()
}

fn refusal_of(entries: &[String], data: &[u8]) -> String {
    refusal(&format!("{{{}}}", entries.join(",")), data)
}

#[test]
fn too_short_for_its_length() {
    for length in 0..8 {
        let error = deserialize(&vec![0; length]).unwrap_err();
        assert_eq!(error.to_string(), "not a valid safetensors file: header too small");
    }
}

#[test]
fn header_length_bombs() {
    for length in [u64::MAX, u64::MAX - 7, 1 << 63, 100_000_001] {
        let error = deserialize(&length.to_le_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "not a valid safetensors file: header too large");
    }
    let mut bytes = 100_000_000u64.to_le_bytes().to_vec();
    bytes.extend(b"{}");
    let error = deserialize(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "not a valid safetensors file: invalid header length");
}

#[test]
fn header_that_is_no_json_object() {
    for header in ["", "{", "[]", "null", "7", "{} {}", "{\"a\"}", "{\"a\":}", "\"\u{0}\""] {
        assert!(refusal(header, &[]).starts_with("not a valid safetensors file: header: "), "{header}");
    }
    let invalid_utf8 = [&3u64.to_le_bytes()[..], b"{\xff}"].concat();
    assert!(matches!(deserialize(&invalid_utf8), Err(Error::Header(_))));
}

#[test]
fn truncated_data() {
    let header = format!("{{{}}}", entry("w", "F32", "[2]", [0, 8]));
    for length in 0..8 {
        assert_eq!(
            refusal(&header, &vec![0; length]),
            format!(
                "not a valid safetensors file: the data of tensor `w` should end at byte 8, but the file has {length} bytes of data"
            )
        );
    }
}

#[test]
fn trailing_bytes() {
    let one = entry("w", "F32", "[2]", [0, 8]);
    assert_eq!(
        refusal_of(&[one], &[0; 9]),
        "not a valid safetensors file: incomplete metadata, file not fully covered"
    );
    assert!(refusal("{}", &[0]).contains("not fully covered"));
}

#[test]
fn overlaps() {
    let entries = [entry("a", "F32", "[2]", [0, 8]), entry("b", "F32", "[2]", [4, 12])];
    assert_eq!(refusal_of(&entries, &[0; 12]), "not a valid safetensors file: invalid offset for tensor `b`");
    let same = [entry("a", "F32", "[2]", [0, 8]), entry("b", "F32", "[2]", [0, 8])];
    assert!(refusal_of(&same, &[0; 8]).contains("invalid offset for tensor"));
}

#[test]
fn holes() {
    let entries = [entry("a", "F32", "[1]", [0, 4]), entry("b", "F32", "[1]", [8, 12])];
    assert_eq!(refusal_of(&entries, &[0; 12]), "not a valid safetensors file: invalid offset for tensor `b`");
    assert!(refusal_of(&[entry("a", "F32", "[1]", [4, 8])], &[0; 8]).contains("invalid offset"));
}

#[test]
fn offsets_that_run_backwards_or_wrap_around() {
    assert!(refusal_of(&[entry("a", "F32", "[1]", [4, 0])], &[0; 4]).contains("invalid offset"));
    let error = refusal_of(&[entry("a", "F32", "[1]", [0, u64::MAX])], &[0; 4]);
    assert!(error.contains("should end at byte 18446744073709551615"), "{error}");
    for offsets in ["[0]", "[0,4,4]", "[-4,0]", "[0,4.0]", "[0,1e1]", "[0,18446744073709551616]", "4"] {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}}}"#);
        assert!(refusal(&header, &[0; 4]).contains("header: "), "{offsets}");
    }
}

#[test]
fn sizes_that_disagree_with_the_shape() {
    for (dtype, shape) in [("F32", "[3]"), ("F64", "[2]"), ("F16", "[2,1]"), ("F32", "[]"), ("F32", "[0]")] {
        assert_eq!(
            refusal_of(&[entry("w", dtype, shape, [0, 8])], &[0; 8]),
            "not a valid safetensors file: invalid shape, data type, or offset for tensor",
            "{dtype} {shape}"
        );
    }
}

#[test]
fn shape_products_that_overflow() {
    for shape in [
        "[4294967296,4294967296]",
        "[2,9223372036854775808]",
        "[18446744073709551615]",
        "[2305843009213693953]",
    ] {
        assert_eq!(
            refusal_of(&[entry("w", "F32", shape, [0, 4])], &[0; 4]),
            "not a valid safetensors file: overflow computing buffer size from shape and/or element type",
            "{shape}"
        );
    }
}

#[test]
fn dimensions_that_are_no_counts() {
    for shape in ["[-1]", "[1.0]", "[1.5]", "[\"1\"]", "[null]", "{}", "1", "[18446744073709551616]", "[NaN]"]
    {
        assert!(refusal_of(&[entry("w", "F32", shape, [0, 4])], &[0; 4]).contains("header: "), "{shape}");
    }
    let rank = |n: usize| format!("[{}]", vec!["1"; n].join(","));
    let error = refusal_of(&[entry("w", "F32", &rank(65), [0, 4])], &[0; 4]);
    assert!(error.contains("expected a list of at most 64 dimensions"), "{error}");
    let most = format!("{{{}}}", entry("w", "F32", &rank(64), [0, 4]));
    assert_eq!(deserialize(&file(&most, &[0; 4])).unwrap().entries[0].shape, [1; 64]);
}

#[test]
fn names_given_twice() {
    let twice = [entry("w", "F32", "[1]", [0, 4]), entry("w", "F32", "[1]", [0, 4])];
    assert_eq!(
        refusal_of(&twice, &[0; 4]),
        "not a valid safetensors file: the tensor `w` is given more than once"
    );
    let escaped = [entry("w", "F32", "[1]", [0, 4]), entry("\\u0077", "F32", "[1]", [0, 4])];
    assert!(refusal_of(&escaped, &[0; 4]).contains("`w` is given more than once"));
    assert_eq!(
        refusal(r#"{"__metadata__":{"a":"1","a":"2"}}"#, &[]),
        "not a valid safetensors file: the metadata key `a` is given more than once"
    );
    assert!(
        refusal(r#"{"__metadata__":{},"__metadata__":{}}"#, &[]).contains("`__metadata__` is given more")
    );
    let field = r#"{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    assert!(refusal(field, &[0; 4]).contains("duplicate field `dtype`"));
}

#[test]
fn deep_and_foreign_json() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for header in [
        format!(r#"{{"w":{{"dtype":{deep},"shape":[1],"data_offsets":[0,4]}}}}"#),
        format!(r#"{{"w":{{"dtype":"F32","shape":{deep},"data_offsets":[0,4]}}}}"#),
        format!(r#"{{"w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":{deep}}}}}"#),
        format!(r#"{{"w":{deep}}}"#),
        format!(r#"{{"__metadata__":{deep}}}"#),
        format!(r#"{{"__metadata__":{{"a":{deep}}}}}"#),
        deep.replace('[', "{\"a\":").replace(']', "}"),
        deep,
    ] {
        let error = refusal(&header, &[0; 4]);
        assert!(error.contains("header: "), "{error}");
    }
    for value in ["1", "null", "[]", "{}"] {
        let header = format!(r#"{{"__metadata__":{{"a":{value}}}}}"#);
        assert!(refusal(&header, &[]).contains("expected a string"), "{value}");
    }
    let missing = r#"{"w":{"dtype":"F32","shape":[1]}}"#;
    assert!(refusal(missing, &[0; 4]).contains("missing field `data_offsets`"));
}

#[test]
fn kinds_without_a_counterpart() {
    for (dtype, size) in [
        ("U8", 1),
        ("BOOL", 1),
        ("I8", 1),
        ("I16", 2),
        ("U32", 4),
        ("U64", 8),
        ("C64", 8),
        ("F8_E4M3", 1),
        ("F128", 16),
        ("f32", 4),
    ] {
        assert_eq!(
            refusal_of(&[entry("model.ids", dtype, "[1]", [0, size])], &vec![0; size as usize]),
            format!("tensor `model.ids` has dtype {dtype}; expected one of F64, F32, F16, BF16, I64, I32")
        );
    }
}

#[test]
fn integers_that_do_not_fit() {
    let header = format!("{{{}}}", entry("step", "I64", "[2]", [0, 16]));
    let data = |second: i64| [7i64.to_le_bytes(), second.to_le_bytes()].concat();
    assert_eq!(
        refusal(&header, &data(1 << 40)),
        "tensor `step` has dtype I64 and its element 1 is 1099511627776, which does not fit into int32"
    );
    let bytes = file(&header, &data(-9));
    let archive = deserialize(&bytes).unwrap();
    assert_eq!(archive.entries[0].values().unwrap(), Values::Int32(vec![7, -9]));
}

#[test]
fn odd_but_legal_files() {
    assert!(deserialize(&file("{}", &[])).unwrap().entries.is_empty());
    assert!(deserialize(&file(" \n{ }\t ", &[])).unwrap().metadata.is_empty());
    assert!(deserialize(&file(r#"{"__metadata__":null}"#, &[])).unwrap().metadata.is_empty());

    // Header order differs from data order, and names are any text.
    let header = [
        entry("constructor", "BF16", "[2]", [16, 20]),
        entry("__proto__", "F16", "[2]", [12, 16]),
        entry("", "F32", "[]", [8, 12]),
        entry("é\\n", "F64", "[1,1]", [0, 8]),
        entry("empty", "F32", "[2,0]", [20, 20]),
    ]
    .join(",");
    let mut data = 0.1f64.to_le_bytes().to_vec();
    data.extend(2.5f32.to_le_bytes());
    data.extend([0x00, 0x3c, 0x01, 0x00]); // 1 and the smallest subnormal half
    data.extend([0x80, 0x3f, 0x80, 0xff]); // 1 and -∞
    let header = format!(r#"{{{header},"__metadata__":{{"__proto__":"x","format":"pt"}}}}"#);
    let bytes = file(&header, &data);
    let archive = deserialize(&bytes).unwrap();
    let read: Vec<_> = archive
        .entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.shape.as_slice(), entry.values().unwrap()))
        .collect();
    let expected: [(&str, &[usize], Values); 5] = [
        ("é\n", &[1, 1], Values::Float64(vec![0.1])),
        ("", &[], Values::Float32(vec![2.5])),
        ("__proto__", &[2], Values::Float32(vec![1.0, 2f32.powi(-24)])),
        ("constructor", &[2], Values::Float32(vec![1.0, f32::NEG_INFINITY])),
        ("empty", &[2, 0], Values::Float32(vec![])),
    ];
    assert_eq!(read, expected);
    assert_eq!(archive.metadata["__proto__"], "x");
    assert_eq!(archive.metadata["format"], "pt");
}
