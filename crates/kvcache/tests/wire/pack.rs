//! MessagePack written by hand: an encoder that shares nothing with the crate's own.

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Ext(i8, Vec<u8>),
}

use Value::{Array, Bytes, Ext, Float, Int, Map, Nil, Text, Uint};

pub(crate) fn text(text: &str) -> Value {
    Text(text.to_owned())
}

pub(crate) fn list<T: Copy>(of: &[T], value: fn(T) -> Value) -> Value {
    Array(of.iter().map(|&each| value(each)).collect())
}

pub(crate) fn map(fields: &[(&str, Value)]) -> Value {
    Map(fields.iter().map(|(name, value)| (text(name), value.clone())).collect())
}

/// The bytes of a value. Lengths are written wide on purpose wherever `wide` says so: readers must take any form.
pub(crate) fn pack(value: &Value, wide: bool) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, wide, &mut out);
    out
}

fn put(value: &Value, wide: bool, out: &mut Vec<u8>) {
    match value {
        Nil => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 + u8::from(*value)),
        Int(value) => match *value {
            0..=127 if !wide => out.push(*value as u8),
            -32..=-1 if !wide => out.push(*value as u8),
            value if i8::try_from(value).is_ok() => out.extend([0xd0, value as u8]),
            value => {
                out.push(0xd3);
                out.extend(value.to_be_bytes());
            }
        },
        Uint(value) => match *value {
            0..=127 if !wide => out.push(*value as u8),
            128..=255 if !wide => out.extend([0xcc, *value as u8]),
            value => {
                out.push(0xcf);
                out.extend(value.to_be_bytes());
            }
        },
        Float(value) => {
            out.push(0xcb);
            out.extend(value.to_be_bytes());
        }
        Text(text) => {
            length(text.len(), [0xa0, 31], 0xdb, wide, out);
            out.extend(text.as_bytes());
        }
        Bytes(bytes) => {
            length(bytes.len(), [0, 0], 0xc6, true, out);
            out.extend(bytes);
        }
        Array(values) => {
            length(values.len(), [0x90, 15], 0xdd, wide, out);
            values.iter().for_each(|value| put(value, wide, out));
        }
        Map(pairs) => {
            length(pairs.len(), [0x80, 15], 0xdf, wide, out);
            for (key, value) in pairs {
                put(key, wide, out);
                put(value, wide, out);
            }
        }
        Ext(kind, bytes) => {
            length(bytes.len(), [0, 0], 0xc9, true, out);
            out.push(*kind as u8);
            out.extend(bytes);
        }
    }
}

fn length(length: usize, [short, most]: [u8; 2], long: u8, wide: bool, out: &mut Vec<u8>) {
    if !wide && length <= usize::from(most) {
        out.push(short | length as u8);
    } else {
        out.push(long);
        out.extend((length as u32).to_be_bytes());
    }
}
