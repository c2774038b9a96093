//! The nodes for text.

mod common;

use std::task::{Context, Poll, Waker};

use clawnode_workflows::{
    Edge, Node,
    limits::{MAX_COLLECTED, MAX_JSON_PATH, MAX_JSON_PATH_DEPTH, MAX_REGEX_TEXT, MAX_TEXT},
};
use common::{check, error_of, graph, of, outputs_of, results, start};
use serde_json::{Value, json};

#[test]
fn texts_are_joined_replaced_and_split() {
    let (join, replace) = ("nodetool.text.Join", "nodetool.text.Replace");
    let split = "nodetool.text.Split";
    let of = |text: &str, old: &str, new: &str| json!({"text": text, "old": old, "new": new});
    check(&[
        (join, json!({}), Ok(json!(""))),
        (
            join,
            json!({"strings": ["a", 1, 2.0, true, null, ["b"]], "separator": ", "}),
            Ok(json!("a, 1, 2.0, True, None, ['b']")),
        ),
        (join, json!({"strings": ["a"], "separator": ", "}), Ok(json!("a"))),
        (join, json!({"strings": "a"}), Err("property strings expects list[any] but got str")),
        (replace, of("one two one", "one", "1"), Ok(json!("1 two 1"))),
        (replace, of("ab", "", "-"), Ok(json!("-a-b-"))),
        (replace, json!({"text": "größer", "old": "ö"}), Ok(json!("grßer"))),
        (split, json!({}), Ok(json!([""]))),
        (split, json!({"text": "a,b,,c"}), Ok(json!(["a", "b", "", "c"]))),
        (split, json!({"text": "a - b", "delimiter": " - "}), Ok(json!(["a", "b"]))),
        (split, json!({"text": "a", "delimiter": ""}), Err("delimiter is empty; set it to what")),
    ]);
}

#[test]
fn texts_that_nodes_build_are_bounded() {
    let half = "x".repeat(MAX_TEXT / 2);
    let join = |second: &str| json!({"strings": [half, second]});
    assert_eq!(of("nodetool.text.Join", join(&half))[0].as_str().map(str::len), Some(MAX_TEXT));
    let longer = half.clone() + "x";
    for (kind, data) in [
        ("nodetool.text.Join", join(&longer)),
        ("nodetool.text.Concat", json!({"a": half, "b": longer})),
        ("nodetool.text.Replace", json!({"text": longer, "old": "x", "new": "xx"})),
        ("nodetool.text.ToString", json!({"value": [half, longer]})),
        ("nodetool.dictionary.ToJSON", json!({"dictionary": {"a": half, "b": longer}})),
        (
            "nodetool.text.RegexReplace",
            json!({
                "text": "x".repeat(17), "pattern": "x", "replacement": "x".repeat(MAX_TEXT / 16),
            }),
        ),
    ] {
        let error = error_of(kind, data);
        assert!(error.contains("more than 16777216 bytes; make it of fewer or"), "{kind}: {error}");
    }
    let commas = ",".repeat(MAX_COLLECTED - 1);
    let parts = of("nodetool.text.Split", json!({"text": commas}));
    assert_eq!(parts[0].as_array().map(Vec::len), Some(MAX_COLLECTED));
    let error = error_of("nodetool.text.Split", json!({"text": commas + ","}));
    assert!(error.contains("more than 1000000 elements"), "{error}");
}

#[test]
fn characters_are_taken_as_in_python() {
    let slice = "nodetool.text.Slice";
    let of = |start: i64, stop: i64, step: i64| json!({"text": "größer", "start": start, "stop": stop, "step": step});
    check(&[
        (slice, json!({}), Ok(json!(""))),
        (slice, json!({"text": "größer"}), Ok(json!("größer"))),
        (slice, of(0, 3, 1), Ok(json!("grö"))),
        (slice, of(-2, 0, 1), Ok(json!("er"))),
        (slice, of(1, -1, 2), Ok(json!("rß"))),
        (slice, of(0, 0, -1), Ok(json!("reßörg"))),
        (slice, of(3, 0, -1), Ok(json!("ßör"))),
        (slice, of(4, 2, 1), Ok(json!(""))),
        (slice, of(-99, 99, 1), Ok(json!("größer"))),
        (slice, of(0, 0, 0), Err("step is 0; use 1 for every character")),
    ]);
}

#[test]
fn values_are_printed_and_texts_measured() {
    let (to_string, length) = ("nodetool.text.ToString", "nodetool.text.Length");
    let trim = "nodetool.text.TrimWhitespace";
    let measure = |text: &str, measure: &str| json!({"text": text, "measure": measure});
    check(&[
        (to_string, json!({"value": "it's"}), Ok(json!("it's"))),
        (to_string, json!({"value": "it's", "mode": "repr"}), Ok(json!("\"it's\""))),
        (to_string, json!({"value": [true, null, 1.0]}), Ok(json!("[True, None, 1.0]"))),
        (to_string, json!({}), Ok(json!("None"))),
        (to_string, json!({"mode": "json"}), Err("expects one of \"str\", \"repr\"")),
        (length, json!({}), Ok(json!(0))),
        (length, json!({"text": "größer"}), Ok(json!(6))),
        (length, measure(" one  two\nthree ", "words"), Ok(json!(3))),
        (length, measure("one\r\ntwo\n\nfour", "lines"), Ok(json!(4))),
        (length, measure("one\n", "lines"), Ok(json!(1))),
        (length, json!({"text": " a ", "trim_whitespace": true}), Ok(json!(1))),
        (length, measure("x", "bytes"), Err("expects one of \"characters\"")),
        (trim, json!({"text": "\t a b\n"}), Ok(json!("a b"))),
        (trim, json!({"text": " a ", "trim_end": false}), Ok(json!("a "))),
        (trim, json!({"text": " a ", "trim_start": false}), Ok(json!(" a"))),
        (trim, json!({"text": " a ", "trim_start": false, "trim_end": false}), Ok(json!(" a "))),
        ("nodetool.text.ToUppercase", json!({"text": "größer"}), Ok(json!("GRÖSSER"))),
        ("nodetool.text.ToUppercase", json!({}), Ok(json!(""))),
        ("nodetool.text.ToLowercase", json!({"text": "ÄBC Σ"}), Ok(json!("äbc σ"))),
        ("nodetool.text.ToLowercase", json!({}), Ok(json!(""))),
    ]);
}

#[test]
fn texts_are_looked_for() {
    let contains = "nodetool.text.Contains";
    let among = |mode: &str, values: &[&str]| json!({"text": "red and Green", "search_values": values, "match_mode": mode});
    check(&[
        (contains, json!({"text": "red", "substring": "e"}), Ok(json!(true))),
        (contains, json!({"text": "red", "substring": "E"}), Ok(json!(false))),
        (
            contains,
            json!({"text": "red", "substring": "E", "case_sensitive": false}),
            Ok(json!(true)),
        ),
        (contains, json!({"text": "red", "substring": "x", "match_mode": "none"}), Ok(json!(true))),
        (contains, json!({}), Ok(json!(true))),
        (contains, among("any", &["blue", "red"]), Ok(json!(true))),
        (contains, among("any", &["blue", "green"]), Ok(json!(false))),
        (contains, among("all", &["Green", "red"]), Ok(json!(true))),
        (contains, among("all", &["blue", "red"]), Ok(json!(false))),
        (contains, among("none", &["blue", "red"]), Ok(json!(false))),
        (contains, among("none", &["blue"]), Ok(json!(true))),
        (contains, among("some", &["blue"]), Err("expects one of \"any\", \"all\", \"none\"")),
    ]);
}

#[test]
fn patterns_are_found_and_replaced() {
    let (find, replace) = ("nodetool.text.RegexMatch", "nodetool.text.RegexReplace");
    let group =
        |group: i64| json!({"text": "a=1 b=22 c", "pattern": r"(\w)(?:=(\d+))?", "group": group});
    let with = |replacement: &str| json!({"text": "a=1 b=2", "pattern": r"(?P<key>\w)=(\d)", "replacement": replacement});
    check(&[
        (find, group(0), Ok(json!(["a=1", "b=22", "c"]))),
        (find, group(1), Ok(json!(["a", "b", "c"]))),
        (find, group(2), Ok(json!(["1", "22", ""]))),
        (find, group(3), Err("group is 3, but the pattern has 2; use 0 to 2")),
        (find, group(-1), Err("use 0 to 2")),
        (find, json!({"text": "aab", "pattern": "x"}), Ok(json!([]))),
        (find, json!({"text": "a", "pattern": "("}), Err("pattern: regex parse error")),
        (find, json!({"text": "a", "pattern": "(?=a)"}), Err("look-around")),
        (find, json!({"text": "a", "pattern": r"(a)\1"}), Err("backreferences are not supported")),
        (replace, with(r"\2=\1"), Ok(json!("1=a 2=b"))),
        (replace, with(r"\g<key>:\g<2>"), Ok(json!("a:1 b:2"))),
        (
            replace,
            with("$2=$<key> $& $$ $7 $x \\q"),
            Ok(json!("1=a a=1 $ $7 $x \\q 2=b b=2 $ $7 $x \\q")),
        ),
        (replace, with(r"\\1\n"), Ok(json!("\\1\n \\1\n"))),
        (replace, with(""), Ok(json!(" "))),
        (
            replace,
            with(r"\3"),
            Err("replacement uses group \"3\", which the pattern does not have"),
        ),
        (
            replace,
            json!({"text": "aaa", "pattern": "a", "replacement": "b", "count": 2}),
            Ok(json!("bba")),
        ),
        (replace, json!({"text": "ab", "pattern": "", "replacement": "-"}), Ok(json!("-a-b-"))),
        (replace, json!({"text": "a", "pattern": "["}), Err("pattern: regex parse error")),
    ]);
}

#[test]
fn the_size_of_a_pattern_and_its_text_is_bounded() {
    let find = "nodetool.text.RegexMatch";
    let longest = "x".repeat(MAX_REGEX_TEXT);
    assert_eq!(of(find, json!({"text": longest, "pattern": "y"})), json!([[]]));
    let error = error_of(find, json!({"text": longest + "x", "pattern": "y"}));
    assert!(error.contains("at most 4194304, so split it before"), "{error}");

    // How many bytes a pattern takes is the library's affair: one of many pieces that fits, and
    // one of a piece more than fit.
    let repeated = |times: usize| json!({"text": "", "pattern": format!(r"\w{{{times}}}")});
    assert_eq!(of(find, repeated(50)), json!([[]]));
    let error = error_of(find, repeated(500));
    assert!(error.contains("more than 8388608 bytes; use smaller repetitions"), "{error}");
}

#[test]
fn a_search_that_goes_over_a_text_again_and_again_lets_others_work() {
    // Looks for a letter that is no capital up to the end of the text, after each match.
    let data = json!({"text": "A".repeat(20_000), "pattern": ".*[^A-Z]|[A-Z]"});
    for kind in ["nodetool.text.RegexMatch", "nodetool.text.RegexReplace"] {
        let mut run = start(graph(&[("n", kind, data.clone())], &[])).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = run.poll_next_event(&mut cx) {
            assert!(event.is_some(), "the search ended");
        }
    }
}

#[test]
fn json_is_looked_into() {
    let extract = "nodetool.text.ExtractJSON";
    let text = r#"{"items": [{"name": "a", "price": 5}, {"name": "b", "price": 15}], "n": null}"#;
    let first = |path: &str| json!({"text": text, "json_path": path});
    let all = |path: &str| json!({"text": text, "json_path": path, "find_all": true});
    check(&[
        (extract, first("$.items[1].name"), Ok(json!("b"))),
        (extract, first("items[-1].price"), Ok(json!(15))),
        (extract, first("$.n"), Ok(json!(null))),
        (extract, json!({"text": "[7, 8]"}), Ok(json!(7))),
        (extract, all("$..name"), Ok(json!(["a", "b"]))),
        (extract, all("$.items[?@.price > 10].name"), Ok(json!(["b"]))),
        (extract, all("$.x"), Ok(json!([]))),
        (extract, first("$.x"), Err("json_path $.x leads to nothing in this text")),
        (extract, first("$.items["), Err("json_path $.items[: ")),
        (extract, json!({"text": "{"}), Err("text is not JSON: ")),
        (extract, json!({}), Err("text is empty")),
    ]);
}

#[test]
fn the_work_of_a_json_path_is_bounded() {
    let extract = "nodetool.text.ExtractJSON";
    let path = |path: &str, text: &str| json!({"text": text, "json_path": path, "find_all": true});
    let longest = format!("$['{}']", "x".repeat(MAX_JSON_PATH - 5));
    assert_eq!(of(extract, path(&longest, "{}")), json!([[]]));
    let error = error_of(extract, path(&(longest + " "), "{}"));
    assert!(error.contains("json_path may have 1024 bytes; shorten it"), "{error}");

    let nested =
        |levels: usize| format!("$[?{}@.a{}]", "(".repeat(levels - 1), ")".repeat(levels - 1));
    assert_eq!(
        of(extract, path(&nested(MAX_JSON_PATH_DEPTH), r#"[{"a": 1}]"#)),
        json!([[{"a": 1}]])
    );
    let error = error_of(extract, path(&nested(MAX_JSON_PATH_DEPTH + 1), "[]"));
    assert!(error.contains("8 levels of brackets inside each other"), "{error}");

    // An expression of the most brackets, as long as it may be, is read at once.
    let term = nested(MAX_JSON_PATH_DEPTH).replacen("$[?", "", 1);
    let terms = vec![term.trim_end_matches(']'); 50].join("||");
    assert_eq!(of(extract, path(&format!("$[?{terms}]"), r#"[{"a": 1}]"#)), json!([[{"a": 1}]]));

    // 10 levels and 10 values: as many steps as 10 to the number of descents and one more.
    let levels = "[".repeat(10) + &"]".repeat(10);
    assert_eq!(of(extract, path(&"..*".repeat(6), &levels)).as_array().map(Vec::len), Some(1));
    let error = error_of(extract, path(&"..*".repeat(7), &levels));
    assert!(error.contains("could look at more than 10000000 values"), "{error}");
    let many = format!("[{}]", vec!["1"; 4_000].join(","));
    let error = error_of(extract, path("$[?@ == count($[*])]", &many));
    assert!(error.contains("use fewer of `..`, `?` and `,`"), "{error}");
    let error = error_of(extract, path(&"[0,0,0,0]".repeat(12), &levels));
    assert!(error.contains("could look at"), "{error}");
}

#[test]
fn variables_are_filled_in() {
    let fill = |kind: &str, data: Value, variables: Value| {
        outputs_of(kind, data, variables, &["output"]).map(|outputs| outputs["output"][0].clone())
    };
    let variables = json!({"name": "Ada", "n": 2, "1": 1, "": 1, "inner": "{name} {{ name }}"});
    for (text, expected) in [
        ("plain", "plain"),
        ("Hi {{ name }}, {name}!", "Hi Ada, Ada!"),
        ("{{ name|upper }} {{ n + 1 }}", "ADA 3"),
        ("{inner}", "{name} {{ name }}"),
        ("{\"json\": {n} } {unknown} {", "{\"json\": 2 } {unknown} {"),
        ("{n}} {} {1}", "{n}} {} {1}"),
        ("{{name}}{name}{{ name }}", "AdaAdaAda"),
    ] {
        let prompt = fill("nodetool.text.Prompt", json!({"prompt": text}), variables.clone());
        assert_eq!(prompt, Ok(json!(expected)), "{text}");
        let own = fill("nodetool.text.Template", json!({"string": text}), variables.clone());
        assert_eq!(own, Ok(json!(expected)), "{text}");
        let values = json!({"string": text, "values": variables});
        assert_eq!(
            fill("nodetool.text.Template", values, json!({})),
            Ok(json!(expected)),
            "{text}"
        );
    }
    let both = json!({"string": "{a}{b}", "values": {"a": 1, "b": 1}});
    assert_eq!(fill("nodetool.text.Template", both, json!({"b": 2})), Ok(json!("12")));
    let error = fill("nodetool.text.Template", json!({"values": [1]}), json!({})).unwrap_err();
    assert!(error.contains("values is a list; give a dictionary"), "{error}");
    let error = fill("nodetool.text.Prompt", json!({"prompt": "{{ a"}), json!({})).unwrap_err();
    assert!(error.contains("template: "), "{error}");
    let braces = "{".repeat(500_000);
    assert!(fill("nodetool.text.Template", json!({"string": braces}), json!({"a": 1})).is_err());
}

#[test]
fn a_prompt_passes_its_variables_on() {
    let mut graph = graph(
        &[
            ("p", "nodetool.text.Prompt", json!({"prompt": "{a}"})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
            ("v", "nodetool.output.Output", json!({"name": "v"})),
        ],
        &["p.output -> o.value", "p.a -> v.value"],
    );
    let error = start(graph.clone()).unwrap_err().to_string();
    assert!(error.contains("starts at output \"a\", which node p"), "{error}");
    graph.nodes[0].dynamic_properties = json!({"a": [1]}).as_object().unwrap().clone();
    assert_eq!(results(graph.clone()), json!({"r": ["[1]"], "v": [[1]]}));

    graph.nodes[0].dynamic_properties.clear();
    graph.nodes.push(Node::new("s", "nodetool.control.Collection"));
    graph.nodes[3].data = json!({"items": [1, 2]}).as_object().unwrap().clone();
    graph.edges.push(Edge::new("s", "output", "p", "a"));
    assert_eq!(results(graph), json!({"r": ["1", "2"], "v": [1, 2]}));
}

#[test]
fn a_stream_of_texts_becomes_one() {
    let collected = |items: Value, separator: &str| {
        results(graph(
            &[
                ("s", "nodetool.control.Collection", json!({"items": items})),
                ("c", "nodetool.text.Collect", json!({"separator": separator})),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
            ],
            &["s.output -> c.input_item", "c.output -> o.value"],
        ))["r"][0]
            .clone()
    };
    assert_eq!(collected(json!(["a", "b", 1]), ", "), json!("a, b, 1"));
    assert_eq!(collected(json!([]), ", "), json!(""));
}
