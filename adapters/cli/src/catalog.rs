//! What this program can do, without a gateway: its commands and its node types.

use std::io::{self, Write};
use std::iter;

use clawnode_commands::catalog::{self, CommandInfo};
use clawnode_commands::{
    Commands, FoundNode, GetNodeInfo, ListNodes, NodeInfo, NodeRow, SearchNodes,
    limits::MAX_LIST_LIMIT,
};
use clawnode_nodes::Access;
use clawnode_store::Store;
use clawnode_workflows::Generation;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Failure;
use crate::output::{note, print, print_json};
use crate::{client, options, system, workflows};

/// A command that `connect` serves.
#[derive(Serialize)]
struct Served {
    name: &'static str,
    description: &'static str,
    parameters: Value,
}

impl From<CommandInfo> for Served {
    fn from(CommandInfo { name, description, parameters, .. }: CommandInfo) -> Self {
        Self { name, description, parameters }
    }
}

/// The sixteen of nodetool, and the one of OpenClaw's that is served besides.
fn served() -> Vec<Served> {
    let which = Served {
        name: system::WHICH,
        description: "Finds programs by their names; a command of OpenClaw, served besides nodetool's sixteen.",
        parameters: system::which_parameters(),
    };
    catalog::commands().into_iter().map(Served::from).chain([which]).collect()
}

/// Prints the commands, or one with its parameters.
pub(crate) fn commands(options: &options::Commands) -> Result<(), Failure> {
    let all = served();
    let Some(name) = &options.name else {
        return match options.json {
            true => print_json(&json!({ "commands": all })),
            false => print(|out| {
                all.iter().try_for_each(|command| {
                    writeln!(out, "{:20}  {}", command.name, command.description)
                })
            }),
        };
    };
    let found = all.iter().find(|command| command.name == name).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|command| command.name).collect();
        Failure::usage(format!("there is no command {name}; there are: {}", known.join(", ")))
    })?;
    match options.json {
        true => print_json(found),
        false => print(|out| describe_command(out, found)),
    }
}

/// Prints the node types, or one of them; or the nodes of a gateway.
pub(crate) async fn nodes(options: options::Nodes) -> Result<(), Failure> {
    if let Some(gateway) = options.gateway {
        return client::list_nodes(&gateway, &options.token).await;
    }
    let commands = Commands::new(workflows::engine(&Access::default()), Store::in_memory()?);
    let user = clawnode_commands::DEFAULT_USER_ID;
    if let Some(node_type) = options.name {
        let info = commands.get_node_info(user, &GetNodeInfo { node_type, user_id: None });
        let info = info.map_err(|error| {
            Failure::usage(format!("{error}; `clawnode nodes --search TEXT` looks for words"))
        })?;
        return match options.json {
            true => print_json(&info),
            false => print(|out| describe_node(out, &info)),
        };
    }
    let wanted = options.generation.map(Generation::from);
    let is_wanted =
        |row: &NodeRow| wanted.is_none_or(|wanted| names_of(row, wanted).next().is_some());
    let rows: Vec<NodeRow> = match &options.search {
        Some(text) => {
            let mut search = SearchNodes::new(text);
            let most = std::mem::replace(&mut search.n_results, MAX_LIST_LIMIT);
            let row = |node| match node {
                FoundNode::Row(row) => Some(row),
                FoundNode::Full(_) => None,
            };
            let found = commands.search_nodes(user, &search)?.nodes.into_iter().filter_map(row);
            found.filter(is_wanted).take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
        }
        None => {
            let params = ListNodes { limit: MAX_LIST_LIMIT, ..ListNodes::default() };
            commands.list_nodes(user, &params)?.nodes.into_iter().filter(is_wanted).collect()
        }
    };
    match options.json {
        true => print_json(&json!({ "count": rows.len(), "nodes": rows })),
        false => {
            if let (Some(text), []) = (&options.search, rows.as_slice()) {
                let among = wanted.map(|wanted| format!(" of {wanted}")).unwrap_or_default();
                note(&format!("no node type{among} matches {text:?}; `clawnode nodes` lists all"));
            }
            print(|out| list_nodes(out, &rows, wanted))
        }
    }
}

impl From<options::Generation> for Generation {
    fn from(generation: options::Generation) -> Self {
        match generation {
            options::Generation::Python => Self::Python,
            options::Generation::TypeScript => Self::TypeScript,
        }
    }
}

/// The names that a node type has in a generation.
fn names_of(row: &NodeRow, generation: Generation) -> impl Iterator<Item = &str> {
    let names = row.names.iter().filter(move |known| known.generations.contains(&generation));
    names.map(|known| known.name.as_str())
}

fn describe_command(out: &mut dyn Write, command: &Served) -> io::Result<()> {
    writeln!(out, "{}: {}\n", command.name, command.description)?;
    let required = command.parameters["required"].as_array().cloned().unwrap_or_default();
    let all = command.parameters["properties"].as_object();
    for (name, schema) in all.into_iter().flatten() {
        let default = match &schema["default"] {
            _ if required.iter().any(|it| it == name) => "required".to_owned(),
            Value::Null => "optional".to_owned(),
            default => format!("default {default}"),
        };
        let text = schema["description"].as_str().unwrap_or_default();
        writeln!(out, "  {name:20}  {} ({}, {default})", one_line(text), kind(schema))?;
    }
    Ok(())
}

/// The types that a schema allows, but for null, which optional arguments allow.
fn kind(schema: &Value) -> String {
    let own = schema.get("type").into_iter().flat_map(|kind| match kind {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    });
    let choices = schema["anyOf"].as_array().into_iter().flatten();
    let kinds = own.chain(choices.map(|choice| choice["type"].clone()));
    let named: Vec<String> = kinds
        .filter_map(|kind| kind.as_str().filter(|kind| *kind != "null").map(str::to_owned))
        .collect();
    named.join(" or ")
}

/// Lists node types by their names in a generation, or by their own.
fn list_nodes(
    out: &mut dyn Write,
    rows: &[NodeRow],
    generation: Option<Generation>,
) -> io::Result<()> {
    let name = |row: &NodeRow| {
        let there = generation.and_then(|generation| names_of(row, generation).next());
        there.unwrap_or(&row.node_type).to_owned()
    };
    let width = rows.iter().map(|row| name(row).len()).max().unwrap_or(0);
    rows.iter().try_for_each(|row| {
        let summary = row.description.lines().next().unwrap_or_default();
        writeln!(out, "{:width$}  {}", name(row), one_line(summary))
    })
}

fn describe_node(out: &mut dyn Write, info: &NodeInfo) -> io::Result<()> {
    let node = &info.metadata;
    writeln!(out, "{} ({})\n\n{}\n", node.node_type, node.title, node.description)?;
    let names = node.names.iter().map(|known| {
        let generations: Vec<_> = known.generations.iter().map(ToString::to_string).collect();
        let whose = match generations.as_slice() {
            [] => "generation not known".to_owned(),
            generations => generations.join(", "),
        };
        format!("  {:40}  {whose}", known.name)
    });
    let properties = node.properties.iter().map(|property| {
        let text = property.description.as_deref().unwrap_or_default();
        let default = match property.required {
            true => "required".to_owned(),
            false => format!("default {}", property.default),
        };
        format!("  {:20}  {text} ({}, {default})", property.name, property.kind.choices())
    });
    let outputs = node.outputs.iter().map(|output| {
        let stream = if output.stream { ", several" } else { "" };
        format!("  {:20}  ({}{stream})", output.name, output.kind.choices())
    });
    let lines = iter::once("names".to_owned())
        .chain(names)
        .chain(iter::once("properties".to_owned()))
        .chain(properties)
        .chain(node.is_dynamic.then(|| "  and any that a graph adds".to_owned()))
        .chain(iter::once("outputs".to_owned()))
        .chain(outputs)
        .chain(node.supports_dynamic_outputs.then(|| "  and any that a graph adds".to_owned()));
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A text without its line breaks.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_what_there_is_to_choose_from() {
        let store = Store::in_memory().unwrap();
        let commands = Commands::new(workflows::engine(&Access::default()), store);
        for (name, lines) in [
            (
                "nodetool.boolean.Compare",
                &[
                    "(int | float, default 0)",
                    r#"("==" | "!=" | ">" | "<" | ">=" | "<=", default "==")"#,
                ][..],
            ),
            ("lib.date.GetWeekday", &["(str | int)"]),
            ("nodetool.constant.Select", &["(list[str], default [])"]),
            ("nodetool.control.Collection", &["(list[any], default [])", "(any, several)"]),
        ] {
            let asked = GetNodeInfo { node_type: name.to_owned(), user_id: None };
            let info = commands.get_node_info(clawnode_commands::DEFAULT_USER_ID, &asked).unwrap();
            let mut text = Vec::new();
            describe_node(&mut text, &info).unwrap();
            let text = String::from_utf8(text).unwrap();
            for line in lines {
                assert!(text.contains(line), "{line}: {text}");
            }
        }
    }
}
