//! `nodetool.dictionary`: making and using dictionaries.

pub(super) mod combine;
pub(super) mod get_value;
pub(super) mod make_dictionary;
pub(super) mod parse_json;
pub(super) mod to_json;
