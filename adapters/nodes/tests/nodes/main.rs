//! Each node type: what goes in, what comes out, and what it does not get at.
#![allow(missing_docs, unreachable_pub)]

mod common;

#[cfg(feature = "code")]
mod code;
#[cfg(all(feature = "commands", unix))]
mod commands;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "models")]
mod models;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(all(
    feature = "code",
    feature = "commands",
    feature = "files",
    feature = "http",
    feature = "models",
    feature = "sqlite"
))]
#[test]
fn every_type_is_found_by_its_names_of_both_generations() {
    let engine = common::engine(&clawnode_nodes::Access::default());
    for name in [
        "lib.http.GetRequest",
        "lib.http.PostRequest",
        "lib.http.JSONGetRequest",
        "lib.http.JSONPostRequest",
        "lib.http.GetText",
        "lib.http.GetJSON",
        "lib.http.Post",
        "nodetool.workspace.ReadTextFile",
        "nodetool.workspace.WriteTextFile",
        "lib.os.ReadTextFile",
        "lib.os.WriteTextFile",
        "lib.os.FileExists",
        "lib.os.ListFiles",
        "lib.sqlite.ExecuteSQL",
        "lib.sqlite.Query",
        "nodetool.code.Code",
        "nodetool.code.ExecuteCommand",
        "nodetool.code.RunShellCommand",
        "nodetool.agents.Agent",
        "nodetool.agents.Summarizer",
        "nodetool.generators.ListGenerator",
    ] {
        let node = engine.library().get(name).unwrap_or_else(|| panic!("there is no {name}"));
        let metadata = node.metadata();
        assert!(!metadata.description.is_empty(), "{name}");
        let undescribed =
            metadata.properties.iter().filter(|property| property.description.is_none());
        let undescribed: Vec<_> = undescribed.map(|property| property.name.as_str()).collect();
        assert!(undescribed.is_empty(), "{name}: {undescribed:?}");
    }
}
