//! The form in which Helm stores a release: JSON, gzipped, in base64.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

/// Kubernetes keeps at most 1 MiB in an object; more than this unpacked is no record of a release.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Stored data that is no record.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The outer layer.
    #[error("it is not base64")]
    Base64(#[source] base64::DecodeError),
    /// The middle layer.
    #[error("it cannot be unpacked")]
    Gzip(#[source] std::io::Error),
    /// More data than a record can have.
    #[error("it is longer than {} MiB when unpacked", LONGEST / 1024 / 1024)]
    TooLong,
    /// The inner layer.
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
}

/// Reads what is stored under `release`. Records that were not gzipped are read as well, as Helm does.
///
/// # Errors
///
/// Which layer is damaged.
pub fn decode(stored: &[u8]) -> Result<Map<String, Value>, CodecError> {
    let packed = STANDARD.decode(stored).map_err(CodecError::Base64)?;
    let json = if packed.starts_with(&[0x1f, 0x8b]) { unpack(&packed)? } else { packed };
    serde_json::from_slice(&json).map_err(CodecError::Json)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut json = Vec::new();
    GzDecoder::new(packed).take(LONGEST + 1).read_to_end(&mut json).map_err(CodecError::Gzip)?;
    if u64::try_from(json.len()).is_ok_and(|length| length > LONGEST) {
        return Err(CodecError::TooLong);
    }
    Ok(json)
}

/// Writes a record as it is stored under `release`.
///
/// # Errors
///
/// None in practice: it is written to memory.
pub fn encode(record: &Map<String, Value>) -> Result<Vec<u8>, CodecError> {
    let json = serde_json::to_vec(record).map_err(CodecError::Json)?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&json).map_err(CodecError::Gzip)?;
    let packed = packed.finish().map_err(CodecError::Gzip)?;
    Ok(STANDARD.encode(packed).into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6).prop_map(|map| map.into_iter().collect())
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_the_same(record in prop::collection::btree_map(".*", any_json(), 0..8)) {
            let record: Map<String, Value> = record.into_iter().collect();
            prop_assert_eq!(decode(&encode(&record).unwrap()).unwrap(), record);
        }

        #[test]
        fn damaged_data_is_an_error_and_no_panic(data: Vec<u8>, cut in 0_usize..400, flip in 0_usize..400) {
            let _ = decode(&data);
            let record = json!({"name": "x", "manifest": "kind: RuntimeClass\n".repeat(20)});
            let mut stored = encode(record.as_object().unwrap()).unwrap();
            let length = stored.len();
            stored[flip % length] ^= 1;
            stored.truncate(cut);
            let _ = decode(&stored);
        }
    }

    #[test]
    fn an_unpacked_record_is_read() {
        let stored = STANDARD.encode(r#"{"name":"x"}"#);
        assert_eq!(decode(stored.as_bytes()).unwrap()["name"], "x");
    }

    #[test]
    fn each_damaged_layer_is_named() {
        assert_eq!(decode(b"!").unwrap_err().to_string(), "it is not base64");
        assert_eq!(
            decode(STANDARD.encode([0x1f, 0x8b, 0]).as_bytes()).unwrap_err().to_string(),
            "it cannot be unpacked"
        );
        assert_eq!(decode(STANDARD.encode("[").as_bytes()).unwrap_err().to_string(), "it is not JSON");
    }
}
