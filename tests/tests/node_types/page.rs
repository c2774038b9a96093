//! `docs/nodes.md`, which is written from what the node types say about themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::{env, fs};

use clawnode_workflows::{
    Edge, Generation, Graph, Node, NodeLibrary, NodeMetadata, NodeName, NodeType, Property, Run,
    RunOutcome, RunRequest, RunStatus, Workflow, validate,
};
use serde_json::{Map, Value, json};

use crate::{engine, read, root};

const PAGE: &str = "docs/nodes.md";

/// Set to anything, it makes the test write the page.
const WRITE: &str = "CLAWNODE_WRITE_DOCS";

#[test]
fn the_page_is_what_the_node_types_say() {
    let page = page(engine().library());
    if env::var_os(WRITE).is_some() {
        fs::write(root().join(PAGE), &page).expect("the page can be written");
    }
    let committed = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let differing = page.lines().zip(committed.lines()).find(|(now, before)| now != before);
    assert!(
        page == committed,
        "{PAGE} is not what the node types say, first here: {differing:#?}\nWrite it with \
         {WRITE}=1 cargo test -p clawnode-tests --test node_types, and commit it."
    );
}

/// What the page says of permissions is what the nodes ask for.
#[test]
fn a_node_without_its_permission_names_the_option() {
    let engine = engine();
    for node in engine.library().iter() {
        let Some(group) = group(node) else { continue };
        let outcome = run_alone(node);
        if group.needs.is_empty() {
            assert_eq!(outcome, Ok(()), "{node:?}");
        }
        if let Some(option) = group.needs.first() {
            let error = outcome.expect_err(node.name());
            assert!(error.contains(option), "{node:?} needs {option}, and says: {error}");
        }
    }
}

#[test]
fn what_is_not_in_the_pure_library_belongs_to_one_feature() {
    let pure = NodeLibrary::standard();
    for node in engine().library().iter() {
        let groups = GROUPS.iter().filter(|group| group.has(node.name())).count();
        assert_eq!(groups, usize::from(pure.get(node.name()).is_none()), "{node:?}");
    }
}

/// The node types behind a feature of `clawnode-nodes`.
struct Group {
    feature: &'static str,
    /// Names, or beginnings of names with `*`.
    types: &'static [&'static str],
    /// The option without which none of them runs, and those that allow more.
    needs: &'static [&'static str],
}

#[rustfmt::skip]
const GROUPS: &[Group] = &[
    Group { feature: "http", types: &["lib.http.*"], needs: &["--allow-host", "--allow-private-addresses"] },
    Group { feature: "files", types: &["lib.os.*", "nodetool.workspace.*"], needs: &["--allow-folder"] },
    Group { feature: "sqlite", types: &["lib.sqlite.*"], needs: &["--allow-folder", "--allow-database-writes"] },
    Group { feature: "code", types: &["nodetool.code.Code"], needs: &[] },
    Group { feature: "models", types: &["nodetool.agents.*", "nodetool.generators.*"], needs: &["--models-url"] },
    Group {
        feature: "commands",
        types: &["nodetool.code.ExecuteCommand", "nodetool.code.RunShellCommand"],
        needs: &["--allow-commands"],
    },
];

impl Group {
    fn has(&self, name: &str) -> bool {
        self.types.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => *pattern == name,
        })
    }
}

fn group(node: &NodeType) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.has(node.name()))
}

/// Runs a graph of the node and an output, with something to do in each property.
fn run_alone(node: &NodeType) -> Result<(), String> {
    let Value::Object(mut data) = json!({
        "code": "return {done: true}", "command": "true", "database_name": "a.db", "execution_mode": "subprocess", "folder": "a", "path": "a", "prompt": "a",
        "sql": "SELECT 1", "table_name": "a", "text": "a", "url": "http://example.org/",
    }) else {
        unreachable!("it is an object");
    };
    data.retain(|name, _| node.find_property(name).is_some());
    let mut alone = Node::new("n", node.name());
    alone.data = data;
    alone.dynamic_outputs.insert("done".to_owned(), json!({"type": "any"}));
    let output = node.metadata().outputs.first().map_or("done", |output| output.name.as_str());
    let mut out = Node::new("o", "nodetool.output.Output");
    out.data.insert("name".to_owned(), "o".into());
    let edges = vec![Edge::new("n", output, "o", "value")];
    let graph = Graph { nodes: vec![alone, out], edges, extra: Map::new() };
    let run = engine().run(RunRequest::new("job", graph)).map_err(|error| error.to_string())?;
    match finish(run) {
        outcome if outcome.status == RunStatus::Completed => Ok(()),
        outcome => Err(outcome.error.unwrap_or_default()),
    }
}

fn finish(mut run: Run) -> RunOutcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { while run.next_event().await.is_some() {} });
    run.into_outcome().expect("a run has an outcome")
}

const HEAD: &str = "\
# Node types

What workflows are made of: each node type with its names, its properties and their defaults, and its outputs. This page is written from
what the types say about themselves; `clawnode nodes NAME` says it of one, and what each property means, but not its feature and what it
needs. `clawnode nodes --search TEXT` finds types, and `clawnode nodes --generation python` lists one generation. To write the page after a
change: `CLAWNODE_WRITE_DOCS=1 cargo test -p clawnode-tests --test node_types`.

";

const GENERATIONS: &str = "\
NodeTool's nodes were written in Python until January 2026, and are written in TypeScript since. The two share a part of their names. A
workflow of either finds its types here under the names that it has; a type that is known under one name to the one and under another to
the other is both.

";

const FILE: &str = r#"{
  "id": "shout",
  "name": "Shout",
  "description": "Greets somebody, and counts the letters.",
  "graph": {
    "nodes": [
      {"id": "who", "type": "nodetool.input.StringInput", "data": {"name": "who", "value": "world"}},
      {"id": "text", "type": "nodetool.text.FormatText", "data": {"template": "Hello, {{ name }}!"}, "dynamic_properties": {"name": null}},
      {
        "id": "code",
        "type": "nodetool.code.Code",
        "data": {"code": "return {loud: inputs.text.toUpperCase(), letters: inputs.text.length}"},
        "dynamic_properties": {"text": null},
        "dynamic_outputs": {"loud": {"type": "str"}, "letters": {"type": "int"}}
      },
      {"id": "out1", "type": "nodetool.output.Output", "data": {"name": "greeting"}},
      {"id": "out2", "type": "nodetool.output.Output", "data": {"name": "letters"}}
    ],
    "edges": [
      {"source": "who", "sourceHandle": "output", "target": "text", "targetHandle": "name"},
      {"source": "text", "sourceHandle": "output", "target": "code", "targetHandle": "text"},
      {"source": "code", "sourceHandle": "loud", "target": "out1", "targetHandle": "value"},
      {"source": "code", "sourceHandle": "letters", "target": "out2", "targetHandle": "value"}
    ]
  }
}"#;

const COMMAND: &str = "clawnode run shout.json --param who=Ada";

const RESULT: &str = r#"{"greeting": ["HELLO, ADA!"], "letters": [11]}"#;

/// The file of the page, as it stands there, does what the page says.
#[test]
fn the_workflow_file_of_the_page_runs() {
    let committed = read(PAGE);
    let (_, after) = committed.split_once("```json\n").expect("the page has a file");
    let (file, after) = after.split_once("\n```\n").expect("the file ends");
    assert!(after.contains(COMMAND) && after.contains(RESULT), "{after}");
    let file = serde_json::from_str(file).expect("it is JSON");
    let workflow = Workflow::from_json(file, "a-file").expect("it is a workflow");
    assert_eq!(workflow.id, "shout");
    let engine = engine();
    let report = validate(&workflow.graph, engine.library());
    assert_eq!((report.errors, report.warnings, report.suggestions), (vec![], vec![], vec![]));
    let mut request = RunRequest::new("job", workflow.graph);
    request.params.insert("who".to_owned(), "Ada".into());
    let outcome = finish(engine.run(request).expect("it runs"));
    assert_eq!(outcome.error, None);
    let result: Value = serde_json::from_str(RESULT).expect("it is JSON");
    assert_eq!(json!(outcome.outputs), result);
}

fn workflow_file() -> String {
    format!(
        "## A workflow file

A workflow is one JSON file, as NodeTool exports it. This is `shout.json`:

```json
{FILE}
```

`{COMMAND}` runs it, and `{RESULT}` is what it says as `result`.

- `nodes` have an `id`, which is theirs alone, a `type` of this page, and in `data` the values of its properties. What neither `data` nor an
  edge gives has its default.
- `edges` lead from an output of a node (`source`, `sourceHandle`) to a property of another (`target`, `targetHandle`). A property takes
  one edge, one that is a list several.
- What is called `name` in the `data` of an input and of an output is what `--param` and the result call it. An input that no `--param` names
  has its `value`.
- A type with `*` among its properties takes others: each is in `dynamic_properties` with its value, or `null` where an edge gives it. A
  type with `*` among its outputs gives others: each is in `dynamic_outputs` with its type, `any` if nothing else is known.

The keys around `graph` may be left out: `nodes` and `edges` alone are a workflow, whose id is the name of its file. `clawnode workflow
validate --file FILE` names what is wrong with a file. `clawnode workflow import FILE` keeps it, and a node with `--workflows FOLDER` has all
those of a folder.

## What the tables say

"
    )
}

fn page(library: &NodeLibrary) -> String {
    let mut page = HEAD.to_owned();
    page += &workflow_file();
    page += GENERATIONS;
    page += "| known to | node types |\n| --- | --- |\n";
    let mut counts = BTreeMap::new();
    for node in library.iter() {
        *counts.entry(whole(node.metadata())).or_insert(0) += 1;
    }
    let known = [
        ("Python only", &[Generation::Python][..]),
        ("TypeScript only", &[Generation::TypeScript]),
        ("both", &[Generation::Python, Generation::TypeScript]),
        ("neither, as they are our own", &[Generation::Own]),
        ("not established", &[]),
    ];
    for (title, generations) in known {
        let count = counts.remove(&generations.iter().copied().collect()).unwrap_or(0);
        writeln!(page, "| {title} | {count} |").expect("a text takes all");
    }
    assert!(counts.is_empty(), "{counts:?}");
    writeln!(page, "| all | {} |", library.len()).expect("a text takes all");
    page += NOTES;

    let mut namespaces: BTreeMap<&str, Vec<&NodeType>> = BTreeMap::new();
    for node in library.iter() {
        namespaces.entry(&node.metadata().namespace).or_default().push(node);
    }
    for (namespace, nodes) in namespaces {
        page += &table(namespace, &nodes);
    }
    page
}

const NOTES: &str = "
An empty cell in the column of the generation says that it is not established, which is no word about where the type is not.

Behind a property stands what it takes, and its value when it is neither set nor connected. `*` is any that a graph adds to the node, and
a stream is an output that may give several values in one run of its node.

`feature` is the cargo feature of `clawnode-nodes` and of the program that a type is in; the others are always there. `needs` are options of
`clawnode connect` and `run`: without the first of them no node of the type does its work, and each other allows more.
";

/// The generations in which a type is known under any of its names.
fn whole(metadata: &NodeMetadata) -> BTreeSet<Generation> {
    metadata.names.iter().flat_map(|known| known.generations.iter().copied()).collect()
}

fn table(namespace: &str, nodes: &[&NodeType]) -> String {
    let touches = nodes.iter().any(|node| group(node).is_some());
    let mut columns = vec!["type", "other names", "generation", "properties", "outputs"];
    if touches {
        columns.extend(["feature", "needs"]);
    }
    let rows = nodes.iter().map(|node| {
        let metadata = node.metadata();
        let (name, others) = metadata.names.split_first().expect("a type has its own name");
        let mut cells = vec![
            code(&name.name),
            joined(others.iter().map(other_name)),
            generations(name),
            joined(properties(metadata)),
            joined(outputs(metadata)),
        ];
        if touches {
            let group = group(node);
            cells.push(group.map_or_else(String::new, |group| code(group.feature)));
            cells.push(joined(group.iter().flat_map(|group| group.needs).map(|need| code(need))));
        }
        cells
    });
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut table = format!("\n## {namespace}\n\n");
    table += &line(columns.iter().map(|&column| column.to_owned()).collect());
    table += &line(vec!["---".to_owned(); columns.len()]);
    table.extend(rows.map(line));
    table
}

fn other_name(other: &NodeName) -> String {
    match generations(other) {
        unknown if unknown.is_empty() => code(&other.name),
        known => format!("{} ({known})", code(&other.name)),
    }
}

fn generations(name: &NodeName) -> String {
    match name.generations.as_slice() {
        [Generation::Python, Generation::TypeScript] => "both".to_owned(),
        generations => joined(generations.iter().map(ToString::to_string)),
    }
}

fn properties(metadata: &NodeMetadata) -> impl Iterator<Item = String> {
    let any = metadata.is_dynamic.then(|| code("*"));
    metadata.properties.iter().map(property).chain(any)
}

fn property(property: &Property) -> String {
    let Property { name, kind, default, required, .. } = property;
    match required {
        true => format!("{} (required)", code(&format!("{name}: {}", kind.choices()))),
        false => code(&format!("{name}: {} = {}", kind.choices(), shown(default))),
    }
}

fn outputs(metadata: &NodeMetadata) -> impl Iterator<Item = String> {
    let any = metadata.supports_dynamic_outputs.then(|| code("*"));
    let own = metadata.outputs.iter().map(|output| {
        let stream = if output.stream { " (stream)" } else { "" };
        format!("{}{stream}", code(&format!("{}: {}", output.name, output.kind.choices())))
    });
    own.chain(any)
}

/// A value as JSON; of a long text its beginning.
fn shown(value: &Value) -> String {
    const LONGEST_SHOWN: usize = 40;
    match value {
        Value::String(text) if text.chars().count() > LONGEST_SHOWN => {
            let beginning: String = text.chars().take(LONGEST_SHOWN).collect();
            format!("{}...", json!(beginning))
        }
        value => value.to_string(),
    }
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn joined(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(", ")
}
