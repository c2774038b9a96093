//! The nodes for lists, dictionaries and JSON.

mod common;

use clawnode_workflows::limits::{MAX_COLLECTED, MAX_DEPTH, MAX_INDENT};
use common::{check, error_of, of, outputs_of};
use serde_json::{Value, json};

#[test]
fn elements_are_counted_and_taken() {
    let (length, get) = ("nodetool.list.Length", "nodetool.list.GetElement");
    check(&[
        (length, json!({}), Ok(json!(0))),
        (length, json!({"values": [1, [2, 3]]}), Ok(json!(2))),
        (get, json!({"values": ["a", "b", "c"]}), Ok(json!("a"))),
        (get, json!({"values": ["a", "b", "c"], "index": 1}), Ok(json!("b"))),
        (get, json!({"values": ["a", "b", "c"], "index": -1}), Ok(json!("c"))),
        (get, json!({"values": ["a", "b", "c"], "index": -3}), Ok(json!("a"))),
        (
            get,
            json!({"values": ["a", "b", "c"], "index": 3}),
            Err("index is 3, but the list has 3 elements; use -3 to 2"),
        ),
        (get, json!({"values": ["a", "b", "c"], "index": i64::MIN}), Err("use -3 to 2")),
        (get, json!({}), Err("index is 0, but the list is empty")),
    ]);
}

#[test]
fn ranges_count_up_and_down() {
    let (list, range) = ("nodetool.list.ListRange", "nodetool.list.Range");
    check(&[
        (list, json!({}), Ok(json!([]))),
        (list, json!({"stop": 3}), Ok(json!([0, 1, 2]))),
        (list, json!({"start": 1, "stop": 8, "step": 3}), Ok(json!([1, 4, 7]))),
        (list, json!({"start": 3, "stop": -1, "step": -2}), Ok(json!([3, 1]))),
        (list, json!({"start": 3, "stop": 0}), Ok(json!([]))),
        (
            list,
            json!({"start": i64::MIN, "stop": i64::MAX, "step": i64::MAX}),
            Ok(json!([i64::MIN, -1, i64::MAX - 1])),
        ),
        (list, json!({"stop": 3, "step": 0}), Err("step is 0; use a positive step")),
        (list, json!({"start": i64::MIN, "stop": i64::MAX}), Err("more than 1000000 elements")),
        (range, json!({}), Ok(json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))),
        (range, json!({"count": 2, "start": 5, "step": 7}), Ok(json!([0, 1]))),
        (range, json!({"start": 1, "stop": 6, "step": 2}), Ok(json!([1, 3, 5]))),
        (range, json!({"count": -1}), Ok(json!([]))),
        (
            range,
            json!({"stop": 4, "max_output_length": 3}),
            Err("the range has 4 numbers but max_output_length is 3; raise it"),
        ),
        (range, json!({"stop": 3, "max_output_length": 3}), Ok(json!([0, 1, 2]))),
    ]);
    let most = of(list, json!({"stop": MAX_COLLECTED}));
    assert_eq!(most[0].as_array().map(Vec::len), Some(MAX_COLLECTED));
    let error = error_of(list, json!({"stop": MAX_COLLECTED + 1}));
    assert!(error.contains("more than 1000000 elements; make it in smaller parts"), "{error}");
}

#[test]
fn lists_are_added_up_and_sorted() {
    let (sum, sort) = ("nodetool.list.Sum", "nodetool.list.Sort");
    let descending = |values: Value| json!({"values": values, "order": "descending"});
    check(&[
        (sum, json!({"values": [1, 2, 3]}), Ok(json!(6))),
        (sum, json!({"values": [1, 0.5, true]}), Ok(json!(2.5))),
        (sum, json!({}), Err("the list is empty; a sum needs at least one number")),
        (sum, json!({"values": [1, "2"]}), Err("element 1 is a str; a sum takes numbers only")),
        (sum, json!({"values": [u64::MAX, 1]}), Err("beyond the whole numbers")),
        (sort, json!({}), Ok(json!([]))),
        (sort, json!({"values": [3, 1.5, 2, true]}), Ok(json!([true, 1.5, 2, 3]))),
        (sort, json!({"values": ["b", "B", "a"]}), Ok(json!(["B", "a", "b"]))),
        (sort, json!({"values": [[2, 1], [1, 9], [1]]}), Ok(json!([[1], [1, 9], [2, 1]]))),
        (sort, descending(json!([1, 3, 2])), Ok(json!([3, 2, 1]))),
        (sort, descending(json!([1, 1.0, true])), Ok(json!([1, 1.0, true]))),
        (sort, json!({"values": [1, "a"]}), Err("sort numbers or texts only")),
        (sort, json!({"values": [{"a": 1}, {}]}), Err("cannot tell which of")),
    ]);
    // No mixture of values has an order that contradicts itself.
    let mixed: Vec<Value> = (0..2_000)
        .map(|n| match n % 5 {
            0 => json!(n * 7919 % 1009),
            1 => json!(f64::from(n * 31 % 997) / 2.0),
            2 => json!((n * 17 % 883).to_string()),
            3 => json!([n % 3, {"n": n}]),
            _ => json!(null),
        })
        .collect();
    let error = error_of(sort, json!({"values": mixed}));
    assert!(error.contains("comes first; sort numbers or texts only"), "{error}");
}

#[test]
fn dictionaries_are_made_and_used() {
    let (get, combine) = ("nodetool.dictionary.GetValue", "nodetool.dictionary.Combine");
    let dict = json!({"a": 1, "b": null});
    check(&[
        (get, json!({"dictionary": dict, "key": "a"}), Ok(json!(1))),
        (get, json!({"dictionary": dict, "key": "b", "default": 2}), Ok(json!(null))),
        (get, json!({"dictionary": dict, "key": "c", "default": 2}), Ok(json!(2))),
        (get, json!({}), Ok(json!(null))),
        (get, json!({"dictionary": [1]}), Err("property dictionary expects dict but got list")),
        (combine, json!({}), Ok(json!({}))),
        (
            combine,
            json!({"dict_a": {"a": 1, "b": 1}, "dict_b": {"b": 2, "c": 2}}),
            Ok(json!({"a": 1, "b": 2, "c": 2})),
        ),
        (combine, json!({"dict_b": "x"}), Err("property dict_b expects dict but got str")),
    ]);
    let make = |entries: Value| {
        let made =
            outputs_of("nodetool.dictionary.MakeDictionary", json!({}), entries, &["output"]);
        made.map(|outputs| outputs["output"][0].clone())
    };
    assert_eq!(make(json!({})), Ok(json!({})));
    assert_eq!(make(json!({"a": 1, "b": [null]})), Ok(json!({"a": 1, "b": [null]})));
    let mut deep = json!([]);
    for _ in 2..MAX_DEPTH {
        deep = json!([deep]);
    }
    assert!(make(json!({"a": deep})).is_ok());
    let error = make(json!({"a": [deep]})).unwrap_err();
    assert!(error.contains("nested more than 100 levels deep; build it flatter"), "{error}");
}

#[test]
fn json_is_read_and_written() {
    let (dict, list) = ("lib.json.ParseDict", "lib.json.ParseList");
    let (parse, to_json) = ("nodetool.dictionary.ParseJSON", "nodetool.dictionary.ToJSON");
    let stringify = "lib.json.StringifyJSON";
    let text = |text: &str| json!({"json_string": text});
    check(&[
        (dict, text("{\"a\": [1, 2.0, null]}"), Ok(json!({"a": [1, 2.0, null]}))),
        (dict, text("{}"), Ok(json!({}))),
        (dict, json!({}), Err("json_string is empty; give a JSON text such as {\"a\": 1}")),
        (dict, text("[1]"), Err("JSON of type list; this node reads type dict")),
        (dict, text("{'a': 1}"), Err("json_string is not JSON: key must be a string at line 1")),
        (dict, text("{\"a\": NaN}"), Err("json_string is not JSON")),
        (list, text(" [1, \"a\"] "), Ok(json!([1, "a"]))),
        (list, text("[]"), Ok(json!([]))),
        (list, text("{}"), Err("JSON of type dict; this node reads type list")),
        (parse, text("{\"ä\": true}"), Ok(json!({"ä": true}))),
        (parse, text("{}"), Ok(json!({}))),
        (parse, text("3"), Err("JSON of type int; this node reads type dict")),
        (to_json, json!({}), Ok(json!("{}"))),
        (to_json, json!({"dictionary": {"a": [1.0, "ä"]}}), Ok(json!("{\"a\":[1.0,\"ä\"]}"))),
        (to_json, json!({"dictionary": 1}), Err("property dictionary expects dict but got int")),
        (stringify, json!({}), Ok(json!("{}"))),
        (stringify, json!({"data": {"a": [1]}}), Ok(json!("{\n  \"a\": [\n    1\n  ]\n}"))),
        (stringify, json!({"data": [1, "ä\n"], "indent": 0}), Ok(json!("[1,\"ä\\n\"]"))),
        (stringify, json!({"data": null}), Ok(json!("null"))),
        (stringify, json!({"data": [1], "indent": MAX_INDENT}), Ok(json!("[\n          1\n]"))),
        (stringify, json!({"indent": MAX_INDENT + 1}), Err("indent is 11; use 0 to 10")),
        (stringify, json!({"indent": -1}), Err("indent is -1; use 0 to 10")),
    ]);
    let deep = "[".repeat(10_000);
    let error = error_of(list, json!({"json_string": deep}));
    assert!(error.contains("recursion limit"), "{error}");
}

#[test]
fn paths_lead_to_values_of_a_type() {
    let (str, int) = ("lib.json.GetJSONPathStr", "lib.json.GetJSONPathInt");
    let (float, bool) = ("lib.json.GetJSONPathFloat", "lib.json.GetJSONPathBool");
    let (list, dict) = ("lib.json.GetJSONPathList", "lib.json.GetJSONPathDict");
    let data = json!({
        "user": {"name": "Ada", "tags": ["x", {"id": 7}]}, "n": "42", "f": -2.9, "nothing": null,
    });
    let at = |path: &str| json!({"data": data, "path": path});
    let or = |path: &str, default: Value| json!({"data": data, "path": path, "default": default});
    check(&[
        (str, at("user.name"), Ok(json!("Ada"))),
        (str, at("user.tags.1.id"), Ok(json!("7"))),
        (str, at("user.tags.2"), Ok(json!(""))),
        (str, at("user.tags.+0"), Ok(json!(""))),
        (str, or("nothing", json!("none")), Ok(json!("none"))),
        (str, or("", json!("none")), Ok(json!("none"))),
        (int, at("n"), Ok(json!(42))),
        (int, at("f"), Ok(json!(-2))),
        (int, or("x.y", json!(5)), Ok(json!(5))),
        (
            int,
            at("user.name"),
            Err("the value at path \"user.name\" is a str that is no whole number"),
        ),
        (float, at("f"), Ok(json!(-2.9))),
        (float, at("n"), Ok(json!(42.0))),
        (float, at("x"), Ok(json!(0.0))),
        (float, at("user"), Err("is a dict that is no number")),
        (bool, at("user"), Ok(json!(true))),
        (bool, at("x"), Ok(json!(false))),
        (list, at("user.tags"), Ok(json!(["x", {"id": 7}]))),
        (list, at("x"), Ok(json!([]))),
        (list, at("n"), Err("is a str that is no list")),
        (dict, at("user.tags.1"), Ok(json!({"id": 7}))),
        (dict, or("x", json!({"a": 1})), Ok(json!({"a": 1}))),
        (dict, at("user.tags"), Err("is a list that is no dictionary")),
    ]);
}
