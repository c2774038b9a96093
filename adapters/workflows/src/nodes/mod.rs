//! The node types that come with this crate: one file each, and one line each in
//! [`standard`].

mod boolean;
mod constant;
mod control;
mod data;
mod equality;
mod input;
mod output;
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
        constant::dict::node(),
        constant::float::node(),
        constant::integer::node(),
        constant::list::node(),
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
        input::boolean::node(),
        input::float::node(),
        input::integer::node(),
        input::string::node(),
        output::output::node(),
        text::concat::node(),
        text::format_text::node(),
        ui::comment::node(),
        ui::group::node(),
        ui::preview::node(),
    ]
}

/// What every node file needs.
mod prelude {
    pub(super) use std::sync::Arc;

    pub(super) use serde::Deserialize;
    pub(super) use serde_json::{Map, Value};

    pub(super) use crate::{
        engine::{Inputs, NodeContext},
        metadata::Property,
        node::{NodeType, Role},
        python,
        types::TypeDescriptor,
    };
}
