//! The node types that come with this crate: one file each, and one line each in
//! [`standard`].

mod boolean;
mod constant;
mod control;
mod data;
mod date;
mod dictionary;
mod equality;
mod input;
mod json;
mod list;
mod math;
mod output;
mod select;
mod text;
mod ui;

use crate::node::NodeType;

/// Every node type of the standard library.
pub(crate) fn standard() -> Vec<NodeType> {
    vec![
        boolean::compare::node(),
        boolean::conditional_switch::node(),
        boolean::logical_operator::node(),
        boolean::not::node(),
        constant::bool::node(),
        constant::date::node(),
        constant::date_time::node(),
        constant::dict::node(),
        constant::float::node(),
        constant::integer::node(),
        constant::list::node(),
        constant::select::node(),
        constant::string::node(),
        control::chunk::node(),
        control::collect::node(),
        control::collection::node(),
        control::count::node(),
        control::cross::node(),
        control::distinct::node(),
        control::drop::node(),
        control::for_each::node(),
        control::r#if::node(),
        control::last::node(),
        control::r#loop::node(),
        control::reroute::node(),
        control::switch::node(),
        control::take::node(),
        control::try_catch::node(),
        control::zip::node(),
        data::add_column::node(),
        data::aggregate::node(),
        data::drop_duplicates::node(),
        data::filter::node(),
        data::import_csv::node(),
        data::select_column::node(),
        data::slice::node(),
        data::sort_by_column::node(),
        date::add::node(),
        date::add_time_delta::node(),
        date::boundary_time::node(),
        date::date_difference::node(),
        date::date_range::node(),
        date::date_to_datetime::node(),
        date::datetime_to_date::node(),
        date::diff::node(),
        date::format::node(),
        date::format_datetime::node(),
        date::get_quarter::node(),
        date::get_weekday::node(),
        date::is_date_in_range::node(),
        date::parse_date::node(),
        date::parse_datetime::node(),
        date::start_end::node(),
        dictionary::combine::node(),
        dictionary::get_value::node(),
        dictionary::make_dictionary::node(),
        dictionary::parse_json::node(),
        dictionary::to_json::node(),
        input::boolean::node(),
        input::file_path::node(),
        input::float::node(),
        input::folder_path::node(),
        input::integer::node(),
        input::select::node(),
        input::string::node(),
        input::string_list::node(),
        json::get_path::bool(),
        json::get_path::dict(),
        json::get_path::float(),
        json::get_path::int(),
        json::get_path::list(),
        json::get_path::str(),
        json::parse_dict::node(),
        json::parse_list::node(),
        json::stringify::node(),
        list::get_element::node(),
        list::length::node(),
        list::list_range::node(),
        list::range::node(),
        list::sort::node(),
        list::sum::node(),
        math::add::node(),
        math::cosine::node(),
        math::divide::node(),
        math::function::node(),
        math::modulus::node(),
        math::multiply::node(),
        math::power::node(),
        math::sine::node(),
        math::sqrt::node(),
        math::subtract::node(),
        output::output::node(),
        text::collect::node(),
        text::concat::node(),
        text::contains::node(),
        text::extract_json::node(),
        text::format_text::node(),
        text::join::node(),
        text::length::node(),
        text::prompt::node(),
        text::regex_match::node(),
        text::regex_replace::node(),
        text::replace::node(),
        text::slice::node(),
        text::split::node(),
        text::template_text::node(),
        text::to_lowercase::node(),
        text::to_string::node(),
        text::to_uppercase::node(),
        text::trim_whitespace::node(),
        ui::comment::node(),
        ui::group::node(),
        ui::preview::node(),
    ]
}

/// What every node file needs.
mod prelude {
    pub(super) use std::sync::Arc;

    pub(super) use serde::Deserialize;
    pub(super) use serde_json::{Map, Value, json};

    pub(super) use crate::{
        bounds::{self, BoundedText},
        engine::{Inputs, NodeContext},
        metadata::Property,
        node::{NodeError, NodeType, Outputs, Role},
        python,
        types::TypeDescriptor,
    };
}
