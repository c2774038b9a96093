//! Each node type: what goes in and what comes out.

mod common;

use std::{fs, path::Path};

use clawnode_workflows::{Generation, NodeLibrary, NodeType, RunStatus};
use common::{check, error_of, graph, of, results, run};
use serde_json::{Value, json};

#[test]
fn constants_and_inputs_give_their_value() {
    for (kind, value, default) in [
        ("nodetool.constant.String", json!("x"), json!("")),
        ("nodetool.constant.Integer", json!(7), json!(0)),
        ("nodetool.constant.Float", json!(0.5), json!(0.0)),
        ("nodetool.constant.Bool", json!(true), json!(false)),
        ("nodetool.constant.List", json!([1, "a", null]), json!([])),
        ("nodetool.constant.Dict", json!({"a": {"b": 1}}), json!({})),
        ("nodetool.constant.Select", json!("x"), json!("")),
        ("nodetool.input.StringInput", json!("x"), json!("")),
        ("nodetool.input.IntegerInput", json!(7), json!(0)),
        ("nodetool.input.FloatInput", json!(0.5), json!(0.0)),
        ("nodetool.input.BooleanInput", json!(true), json!(false)),
        ("nodetool.input.SelectInput", json!("x"), json!("")),
        ("nodetool.input.StringListInput", json!(["a", "b"]), json!([])),
        ("nodetool.input.FilePathInput", json!("a/b.txt"), json!("")),
        ("nodetool.input.FolderPathInput", json!("a/b"), json!("")),
    ] {
        assert_eq!(of(kind, json!({"name": "p", "value": value})), json!([value]), "{kind}");
        assert_eq!(of(kind, json!({"name": "p"})), json!([default]), "{kind}");
        assert_eq!(of(kind, json!({"name": "p", "value": null})), json!([default]), "{kind}");
    }
}

#[test]
fn a_choice_is_one_of_its_options() {
    for kind in ["nodetool.constant.Select", "nodetool.input.SelectInput"] {
        let options = ["red", "green"];
        check(&[
            (kind, json!({"name": "p", "value": "red", "options": options}), Ok(json!("red"))),
            (kind, json!({"name": "p", "options": options}), Ok(json!(""))),
            (
                kind,
                json!({"name": "p", "value": "blue", "options": options}),
                Err("value \"blue\" is none of the options; use one of red, green"),
            ),
        ]);
    }
    let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let error = error_of("nodetool.constant.Select", json!({"value": "x", "options": many}));
    assert!(error.contains(", 18, 19, ..."), "{error}");
}

#[test]
fn a_list_of_texts_has_texts() {
    let kind = "nodetool.input.StringListInput";
    check(&[
        (kind, json!({"name": "p", "value": ["a", 1, true]}), Ok(json!(["a", "1", "True"]))),
        (
            kind,
            json!({"name": "p", "value": ["a", []]}),
            Err("element 1 of value is a list; give a list of texts"),
        ),
        (kind, json!({"name": "p", "value": "a"}), Err("expects list[str] but got str")),
    ]);
}

#[test]
fn a_text_input_keeps_its_length() {
    let kind = "nodetool.input.StringInput";
    assert_eq!(of(kind, json!({"name": "p", "value": "größer", "max_length": 3})), json!(["grö"]));
    assert_eq!(
        of(kind, json!({"name": "p", "value": "größer", "max_length": 0})),
        json!(["größer"])
    );
}

#[test]
fn texts_are_joined() {
    let kind = "nodetool.text.Concat";
    assert_eq!(of(kind, json!({})), json!([""]));
    assert_eq!(of(kind, json!({"a": "x", "b": 1})), json!(["x1"]));
    let mut joined = graph(
        &[
            ("n", kind, json!({"a": "x"})),
            ("d", "nodetool.constant.Integer", json!({"value": 4})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &["d.output -> n.d", "n.output -> o.value"],
    );
    let more = json!({"d": null, "c": true, "e": ["!", 1]});
    joined.nodes[0].dynamic_properties = more.as_object().unwrap().clone();
    assert_eq!(results(joined)["r"], json!(["xTrue4!1"]));
}

#[test]
fn numbers_are_compared() {
    for (a, comparison, b, expected) in [
        (json!(1), "==", json!(1.0), true),
        (json!(1), "!=", json!(2), true),
        (json!(2.5), ">", json!(2), true),
        (json!(2), "<", json!(2), false),
        (json!(2), ">=", json!(2), true),
        (json!(3), "<=", json!(2), false),
        (json!(9_007_199_254_740_993_i64), ">", json!(9_007_199_254_740_992_i64), true),
    ] {
        let data = json!({"a": a, "b": b, "comparison": comparison});
        assert_eq!(of("nodetool.boolean.Compare", data), json!([expected]), "{a} {comparison} {b}");
    }
    assert_eq!(of("nodetool.boolean.Compare", json!({})), json!([true]));
}

#[test]
fn conditions_are_combined() {
    for (operation, table) in [
        ("and", [false, false, false, true]),
        ("or", [false, true, true, true]),
        ("xor", [false, true, true, false]),
        ("nand", [true, true, true, false]),
        ("nor", [true, false, false, false]),
    ] {
        for (index, expected) in table.into_iter().enumerate() {
            let data = json!({"a": index & 2 != 0, "b": index & 1 != 0, "operation": operation});
            assert_eq!(of("nodetool.boolean.LogicalOperator", data), json!([expected]));
        }
    }
    assert_eq!(
        of("nodetool.boolean.LogicalOperator", json!({"a": "yes", "b": [0]})),
        json!([true])
    );
    assert_eq!(of("nodetool.boolean.Not", json!({})), json!([true]));
    assert_eq!(of("nodetool.boolean.Not", json!({"value": "x"})), json!([false]));
    let switch = json!({"condition": 1, "if_true": {"a": 1}, "if_false": 2});
    assert_eq!(of("nodetool.boolean.ConditionalSwitch", switch), json!([{"a": 1}]));
    assert_eq!(of("nodetool.boolean.ConditionalSwitch", json!({"if_false": 2})), json!([2]));
    assert_eq!(of("nodetool.boolean.ConditionalSwitch", json!({})), json!([null]));
}

#[test]
fn templates_print_as_in_python() {
    let render = |template: &str, variables: Value| {
        let mut one = graph(
            &[
                ("n", "nodetool.text.FormatText", json!({"template": template})),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
            ],
            &["n.output -> o.value"],
        );
        one.nodes[0].dynamic_properties = variables.as_object().unwrap().clone();
        let (_, outcome) = run(one);
        match outcome.error {
            Some(error) => Err(error),
            None => Ok(outcome.outputs["r"][0].as_str().unwrap().to_owned()),
        }
    };
    for (template, variables, expected) in [
        ("plain", json!({}), "plain"),
        ("{{ b }} {{ n }} {{ f }}", json!({"b": true, "n": null, "f": 1.0}), "True None 1.0"),
        ("{{ l }}", json!({"l": ["a", 1, false]}), "['a', 1, False]"),
        ("[{{ missing }}]", json!({}), "[]"),
        ("{{ Name|upper }} {{ NAME }}", json!({"name": "a", "Name": "b"}), "B b"),
        ("{% for n in l %}{{ n }}{% endfor %}{{ n }}", json!({"l": [1], "n": 2}), "12"),
        ("{{ s|upper }} {{ s|length }}", json!({"s": "abc"}), "ABC 3"),
        ("{{ s|truncate(8) }}", json!({"s": "one two three four"}), "one..."),
        ("{{ s|truncate(8, true) }}", json!({"s": "one two three four"}), "one t..."),
        ("{{ s|truncate(15) }}", json!({"s": "one two three four"}), "one two three four"),
        ("{{ s|replace('a', 'b')|title }}", json!({"s": "aha"}), "Bhb"),
        ("{{ l|sort|join(', ') }}", json!({"l": [3, 1, 2]}), "1, 2, 3"),
        ("{{ l|first }}{{ l|last }}", json!({"l": [3, 1, 2]}), "32"),
        ("{{ x|default('none') }}", json!({}), "none"),
        ("{% if b %}yes{% else %}no{% endif %}", json!({"b": []}), "no"),
        ("{{ html }}", json!({"html": "<b>&"}), "<b>&"),
        ("{% for i in l %}{{ loop.index }}{{ i }} {% endfor %}", json!({"l": "ab"}), "1a 2b "),
    ] {
        assert_eq!(render(template, variables).as_deref(), Ok(expected), "{template}");
    }
    let deep = format!("{{{{ {}", "([{a:".repeat(100_000));
    for (template, reason) in [
        (deep.as_str(), "template: "),
        ("{{ ", "template: "),
        ("{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", "fuel"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "template: "),
        ("{{ 'x'|indent(2000000000) }}\n{{ 'a\nb'|indent(2000000000) }}", "template: "),
        ("{{ 'x' * 2000000000 }}", "template: "),
    ] {
        let error = render(template, json!({})).unwrap_err();
        assert!(error.contains(reason), "{template}: {error}");
    }
}

#[test]
fn templates_are_bounded_in_size() {
    use clawnode_workflows::limits::{MAX_TEMPLATE_OUTPUT, MAX_TEMPLATE_SOURCE};
    let kind = "nodetool.text.FormatText";
    let source = "x".repeat(MAX_TEMPLATE_SOURCE);
    assert_eq!(of(kind, json!({"template": source})), json!([source]));
    let error = error_of(kind, json!({"template": source.clone() + "x"}));
    assert!(error.contains("the most is 1048576"), "{error}");

    let part = MAX_TEMPLATE_OUTPUT / 4;
    let template = |last: usize| {
        let parts = "{{ s }}".repeat(3);
        let mut one = graph(
            &[
                ("n", kind, json!({"template": parts + "{{ l }}"})),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
            ],
            &["n.output -> o.value"],
        );
        let variables = json!({"s": "s".repeat(part), "l": "l".repeat(last)});
        one.nodes[0].dynamic_properties = variables.as_object().unwrap().clone();
        run(one).1
    };
    let most = template(part);
    assert_eq!(most.error, None);
    assert_eq!(most.outputs["r"][0].as_str().unwrap().len(), MAX_TEMPLATE_OUTPUT);
    let more = template(part + 1).error.unwrap();
    assert!(more.contains("more than 4194304 bytes"), "{more}");
}

#[test]
fn streams_are_grouped_gathered_and_passed_on() {
    let list = |n: u32| json!({"value": (0..n).collect::<Vec<_>>()});
    let chunk = |count: u32, size: Value| {
        results(graph(
            &[
                ("l", "nodetool.constant.List", list(count)),
                ("s", "nodetool.control.Collection", json!({})),
                ("n", "nodetool.control.Chunk", size),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
                ("i", "nodetool.output.Output", json!({"name": "i"})),
            ],
            &[
                "l.output -> s.items",
                "s.output -> n.input_item",
                "n.output -> o.value",
                "n.index -> i.value",
            ],
        ))
    };
    assert_eq!(chunk(5, json!({"size": 2})), json!({"r": [[0, 1], [2, 3], [4]], "i": [0, 1, 2]}));
    assert_eq!(chunk(4, json!({"size": 2})), json!({"r": [[0, 1], [2, 3]], "i": [0, 1]}));
    assert_eq!(chunk(2, json!({"size": 0})), json!({"r": [[0], [1]], "i": [0, 1]}));
    assert_eq!(chunk(11, json!({}))["i"], json!([0, 1]));
    assert_eq!(chunk(0, json!({})), json!({"r": [null], "i": [null]}));

    let each = results(graph(
        &[
            ("l", "nodetool.constant.List", json!({"value": ["a", "b"]})),
            ("e", "nodetool.control.ForEach", json!({})),
            ("r", "nodetool.control.Reroute", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
            ("i", "nodetool.output.Output", json!({"name": "i"})),
            ("c", "nodetool.control.Collect", json!({})),
            ("all", "nodetool.output.Output", json!({"name": "all"})),
        ],
        &[
            "l.output -> e.input_list",
            "e.output -> r.input_value",
            "r.output -> o.value",
            "e.index -> i.value",
            "r.output -> c.input_item",
            "c.output -> all.value",
        ],
    ));
    assert_eq!(each, json!({"r": ["a", "b"], "i": [0, 1], "all": [["a", "b"]]}));
}

#[test]
fn a_branch_that_is_not_taken_ends() {
    let branch = |condition: bool| {
        results(graph(
            &[
                ("c", "nodetool.constant.Bool", json!({"value": condition})),
                ("v", "nodetool.constant.String", json!({"value": "v"})),
                ("if", "nodetool.control.If", json!({})),
                ("t", "nodetool.text.Concat", json!({"b": " yes"})),
                ("f", "nodetool.text.Concat", json!({"b": " no"})),
                ("ot", "nodetool.output.Output", json!({"name": "t"})),
                ("of", "nodetool.output.Output", json!({"name": "f"})),
            ],
            &[
                "c.output -> if.condition",
                "v.output -> if.value",
                "if.if_true -> t.a",
                "if.if_false -> f.a",
                "t.output -> ot.value",
                "f.output -> of.value",
            ],
        ))
    };
    assert_eq!(branch(true), json!({"t": ["v yes"], "f": [null]}));
    assert_eq!(branch(false), json!({"t": [null], "f": ["v no"]}));
}

#[test]
fn a_condition_rules_a_whole_stream_or_one_item_each() {
    let routed = |conditions: Value| {
        results(graph(
            &[
                ("c", "nodetool.control.Collection", json!({"items": conditions})),
                ("v", "nodetool.control.Collection", json!({"items": [1, 2, 3]})),
                ("if", "nodetool.control.If", json!({})),
                ("ot", "nodetool.output.Output", json!({"name": "t"})),
                ("of", "nodetool.output.Output", json!({"name": "f"})),
            ],
            &[
                "c.output -> if.condition",
                "v.output -> if.value",
                "if.if_true -> ot.value",
                "if.if_false -> of.value",
            ],
        ))
    };
    assert_eq!(routed(json!([1])), json!({"t": [1, 2, 3], "f": [null]}));
    assert_eq!(routed(json!([1, 0, "x"])), json!({"t": [1, 3], "f": [2]}));
    assert_eq!(routed(json!([0, 1])), json!({"t": [2, 3], "f": [1]}));
    assert_eq!(routed(json!([])), json!({"t": [null], "f": [1, 2, 3]}));
}

#[test]
fn a_preview_shows_each_value() {
    let (_, outcome) = run(graph(
        &[
            ("s", "nodetool.control.Collection", json!({"items": [1, {"a": null}]})),
            ("p", "nodetool.workflows.base_node.Preview", json!({})),
        ],
        &["s.output -> p.value"],
    ));
    assert_eq!(json!(outcome.previews), json!({"p": [1, {"a": null}]}));
}

#[test]
fn remarks_never_run() {
    let (events, outcome) = run(graph(
        &[
            ("c", "nodetool.workflows.base_node.Comment", json!({"comment": {"rich": []}})),
            ("g", "nodetool.workflows.base_node.Group", json!({})),
        ],
        &[],
    ));
    assert_eq!(outcome.status, RunStatus::Completed);
    assert!(events.iter().all(|event| event.update_type == "job_update"));
}

#[test]
fn every_node_describes_itself() {
    let library = NodeLibrary::standard();
    for node in library.iter() {
        let metadata = node.metadata();
        assert!(!metadata.title.is_empty() && metadata.description.ends_with('.'), "{node:?}");
        for property in &metadata.properties {
            let description = property.description.as_deref().unwrap_or_default();
            assert!(description.ends_with('.'), "{node:?}, {}", property.name);
        }
        assert_eq!(library.get(node.name()).map(|n| n.name()), Some(node.name()));
    }
    assert_eq!(
        library.get("nodetool.workflows.base_node.Reroute").map(|node| node.name()),
        Some("nodetool.control.Reroute")
    );
}

#[test]
fn each_name_says_which_generations_have_it() {
    use Generation::{Own, Python, TypeScript};
    for (name, generations) in [
        ("nodetool.text.Concat", vec![Python, TypeScript]),
        ("nodetool.text.Prompt", vec![TypeScript]),
        ("lib.math.Sine", vec![Python]),
        ("nodetool.workflows.base_node.Comment", vec![Python, TypeScript]),
        ("lib.math.Concat", vec![]),
        ("text", vec![]),
    ] {
        let node = NodeType::new(name, "Any", "Any.");
        assert_eq!(node.metadata().names[0].generations, generations, "{name}");
    }
    let node = NodeType::new("demo.A", "A", "A.").alias("demo.B").own().alias("lib.os.FileExists");
    assert_eq!(node.aliases().collect::<Vec<_>>(), ["demo.B", "lib.os.FileExists"]);
    let generations: Vec<_> = node.metadata().names.iter().map(|name| &name.generations).collect();
    assert_eq!(generations, [&vec![Own], &vec![Own], &vec![Python, TypeScript]]);
    assert_eq!(
        json!(Python).to_string() + &json!(TypeScript).to_string(),
        "\"python\"\"typescript\""
    );
}

/// By its full name in any file of tests of nodes, or by its last part in that of its group.
#[test]
fn every_node_is_tested() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("nodes"));
    let sources: String = files.map(|file| fs::read_to_string(file.path()).unwrap()).collect();
    for node in NodeLibrary::standard().iter() {
        let mut parts = node.name().rsplit('.');
        let (last, group) = (parts.next().unwrap(), parts.next().unwrap());
        let of_group = fs::read_to_string(tests.join(format!("nodes_{group}.rs")));
        let is_tested = sources.contains(&format!("\"{}\"", node.name()))
            || of_group.is_ok_and(|source| source.contains(&format!("\"{last}\"")));
        assert!(is_tested, "{node:?} has no row");
    }
}
