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

/// Every name is there with its feature, and not without it.
#[test]
fn every_type_is_found_by_its_names_of_both_generations() {
    let features: [(bool, &[&str]); 6] = [
        (
            cfg!(feature = "http"),
            &[
                "lib.http.GetRequest",
                "lib.http.PostRequest",
                "lib.http.JSONGetRequest",
                "lib.http.JSONPostRequest",
                "lib.http.GetText",
                "lib.http.GetJSON",
                "lib.http.Post",
            ],
        ),
        (
            cfg!(feature = "files"),
            &[
                "nodetool.workspace.ReadTextFile",
                "nodetool.workspace.WriteTextFile",
                "lib.os.ReadTextFile",
                "lib.os.WriteTextFile",
                "lib.os.FileExists",
                "lib.os.ListFiles",
            ],
        ),
        (cfg!(feature = "sqlite"), &["lib.sqlite.ExecuteSQL", "lib.sqlite.Query"]),
        (cfg!(feature = "code"), &["nodetool.code.Code"]),
        (
            cfg!(feature = "commands"),
            &["nodetool.code.ExecuteCommand", "nodetool.code.RunShellCommand"],
        ),
        (
            cfg!(feature = "models"),
            &[
                "nodetool.agents.Agent",
                "nodetool.agents.Summarizer",
                "nodetool.generators.ListGenerator",
            ],
        ),
    ];
    let engine = common::engine(&clawnode_nodes::Access::default());
    for (is_on, names) in features {
        for name in names {
            let node = engine.library().get(name);
            assert_eq!(node.is_some(), is_on, "{name}");
            let Some(node) = node else { continue };
            let metadata = node.metadata();
            assert!(!metadata.description.is_empty(), "{name}");
            let undescribed =
                metadata.properties.iter().filter(|property| property.description.is_none());
            let undescribed: Vec<_> = undescribed.map(|property| property.name.as_str()).collect();
            assert!(undescribed.is_empty(), "{name}: {undescribed:?}");
        }
    }
}
