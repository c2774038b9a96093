//! Dataframes: what goes in and what comes out.

mod common;

use clawnode_workflows::{RunStatus, limits};
use common::{graph, results, run};
use serde_json::{Value, json};

/// Runs one node with the given properties; its `output` is the result.
fn of(kind: &str, data: Value) -> Value {
    let kind = format!("nodetool.data.{kind}");
    let nodes = [("n", kind.as_str(), data), ("o", "nodetool.output.Output", json!({"name": "r"}))];
    results(graph(&nodes, &["n.output -> o.value"]))["r"][0].clone()
}

fn error_of(kind: &str, data: Value) -> String {
    let kind = format!("nodetool.data.{kind}");
    let (_, outcome) = run(graph(&[("n", &kind, data)], &[]));
    assert_eq!(outcome.status, RunStatus::Failed);
    let error = outcome.error.expect("a failed run has an error");
    let own = format!(" (node n, {kind})");
    error.strip_suffix(&own).unwrap_or_else(|| panic!("{error}")).to_owned()
}

/// A dataframe of columns `name:type`.
fn table(columns: &[&str], rows: Value) -> Value {
    let column = |column: &&str| {
        let (name, data_type) = column.rsplit_once(':').expect("name:type");
        json!({"name": name, "data_type": data_type, "description": ""})
    };
    let columns: Vec<Value> = columns.iter().map(column).collect();
    json!({"type": "dataframe", "columns": columns, "data": rows})
}

fn people() -> Value {
    table(
        &["name:string", "age:int", "city:string"],
        json!([
            ["Ann", 31, "Rome"],
            ["Bob", 25, "Oslo"],
            ["Cy", null, "Rome"],
            ["Dee", 40, "Oslo"]
        ]),
    )
}

#[test]
fn csv_becomes_a_table_of_typed_columns() {
    for (text, expected) in [
        ("a,b\n1,x\n2,y\n", table(&["a:int", "b:string"], json!([[1, "x"], [2, "y"]]))),
        ("", table(&[], json!([]))),
        ("\n\n", table(&[], json!([]))),
        ("a,b", table(&["a:object", "b:object"], json!([]))),
        ("a\n1\n2.5\n", table(&["a:float"], json!([[1.0], [2.5]]))),
        ("a\n1\n\n\nx\n", table(&["a:string"], json!([["1"], ["x"]]))),
        ("a,b\n,1\n2,\n", table(&["a:int", "b:int"], json!([[null, 1], [2, null]]))),
        ("a\nTrue\nfalse\n", table(&["a:object"], json!([[true], [false]]))),
        (
            "a\n2026-01-02\n2026-01-02T03:04:05Z\n",
            table(&["a:datetime"], json!([["2026-01-02"], ["2026-01-02T03:04:05Z"]])),
        ),
        // What a number would lose stays a text.
        ("zip\n00501\n10001\n", table(&["zip:string"], json!([["00501"], ["10001"]]))),
        (
            "n\n99999999999999999999\n1\n",
            table(&["n:string"], json!([["99999999999999999999"], ["1"]])),
        ),
        ("n\n0\n-0.5\n1e3\n", table(&["n:float"], json!([[0.0], [-0.5], [1000.0]]))),
        ("n\n1e999\n", table(&["n:string"], json!([["1e999"]]))),
        ("n\nnan\ninf\n", table(&["n:string"], json!([["nan"], ["inf"]]))),
        // Quotes, a byte order mark, other line ends, other separators.
        (
            "a,b\n\"x,\"\"y\"\"\",\"1\n2\"\n",
            table(&["a:string", "b:string"], json!([["x,\"y\"", "1\n2"]])),
        ),
        ("\u{feff}a,b\r\n1,2\r\n", table(&["a:int", "b:int"], json!([[1, 2]]))),
        // A comma in the data is no separator when the first line has none.
        (" a ;b\n1,5;x\n", table(&["a:string", "b:string"], json!([["1,5", "x"]]))),
        ("a\tb\n1\t2\n", table(&["a:int", "b:int"], json!([[1, 2]]))),
        ("a|b\n1|2", table(&["a:int", "b:int"], json!([[1, 2]]))),
        (",a\n0,x\n", table(&["Unnamed: 0:int", "a:string"], json!([[0, "x"]]))),
    ] {
        assert_eq!(of("ImportCSV", json!({"csv_data": text})), expected, "{text:?}");
    }
}

#[test]
fn csv_that_is_no_table_is_refused() {
    for (text, expected) in [
        (
            "a,b\n1,2\n1,2,3\n",
            "line 3 of the CSV text has 3 fields, but the first line names 2 columns; quote fields \
             that contain the separator",
        ),
        (
            "a,b\n1\n",
            "line 2 of the CSV text has 1 fields, but the first line names 2 columns; quote fields \
             that contain the separator",
        ),
        (
            "a,b\n1,2\n3,\"x\n4,5\n",
            "a quoted field in the CSV record of line 3 has no end; double a quote inside of a \
             quoted field",
        ),
        ("a,b,a\n", "columns 1 and 3 are both called \"a\"; names must be unique"),
    ] {
        assert_eq!(error_of("ImportCSV", json!({"csv_data": text})), expected, "{text:?}");
    }
}

#[test]
fn csv_is_bounded() {
    let text = |length: usize| format!("a\n{}", "x".repeat(length - 2));
    let most = limits::MAX_CSV_BYTES;
    assert_eq!(
        of("ImportCSV", json!({"csv_data": text(most)}))["data"][0][0].as_str().unwrap().len(),
        most - 2
    );
    assert_eq!(
        error_of("ImportCSV", json!({"csv_data": text(most + 1)})),
        "the CSV text has 16777217 bytes; the most is 16777216"
    );
}

#[test]
fn a_table_is_bounded() {
    let text = |rows: usize| "a,b\n".to_owned() + &"1,2\n".repeat(rows);
    let most = limits::MAX_TABLE_CELLS / 2;
    // The header has two cells more.
    let nodes = |rows| {
        let import = ("i", "nodetool.data.ImportCSV", json!({"csv_data": text(rows)}));
        run(graph(
            &[import, ("n", "nodetool.data.Aggregate", json!({}))],
            &["i.output -> n.dataframe"],
        ))
        .1
    };
    assert_eq!(nodes(most - 1).error, None);
    assert_eq!(
        nodes(most).error.unwrap(),
        "the CSV text has more than 1000000 cells (node i, nodetool.data.ImportCSV)"
    );
    let cells = |rows: usize| table(&["a:int"], (0..rows).map(|_| json!([1])).collect());
    let most = limits::MAX_TABLE_CELLS;
    let count = json!({"dataframe": cells(most), "aggregation": "count"});
    assert_eq!(of("Aggregate", count)["data"], json!([[most]]));
    assert_eq!(
        error_of("Aggregate", json!({"dataframe": cells(most + 1)})),
        "the dataframe has 1000001 cells (1000001 rows); the most is 1000000, take it apart before"
    );
}

#[test]
fn the_columns_of_a_table_are_bounded() {
    let header = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("c{index}")).collect();
        json!({"csv_data": names.join(",")})
    };
    let most = limits::MAX_TABLE_COLUMNS;
    assert_eq!(of("ImportCSV", header(most))["columns"].as_array().unwrap().len(), most);
    assert_eq!(
        error_of("ImportCSV", header(most + 1)),
        "the dataframe has 1001 columns; the most is 1000"
    );
}

#[test]
fn columns_are_selected() {
    let select =
        |columns: &str| of("SelectColumn", json!({"dataframe": people(), "columns": columns}));
    assert_eq!(
        select("city, name"),
        table(
            &["city:string", "name:string"],
            json!([["Rome", "Ann"], ["Oslo", "Bob"], ["Rome", "Cy"], ["Oslo", "Dee"]])
        )
    );
    assert_eq!(select(""), people());
    let wrong = |columns: &str| {
        error_of("SelectColumn", json!({"dataframe": people(), "columns": columns}))
    };
    assert_eq!(wrong("Name"), "there is no column \"Name\"; the dataframe has name, age, city");
    assert_eq!(wrong("age,age"), "column \"age\" is named twice");
}

#[test]
fn rows_are_sliced() {
    for (start, end, names) in [
        (json!(0), json!(2), vec!["Ann", "Bob"]),
        (json!(1), json!(-1), vec!["Bob", "Cy", "Dee"]),
        (json!(-2), json!(-1), vec!["Cy", "Dee"]),
        (json!(0), json!(-3), vec!["Ann"]),
        (json!(3), json!(99), vec!["Dee"]),
        (json!(3), json!(1), vec![]),
        (json!(99), json!(-1), vec![]),
        (json!(-99), json!(i64::MIN), vec![]),
    ] {
        let sliced =
            of("Slice", json!({"dataframe": people(), "start_index": start, "end_index": end}));
        let found: Vec<&str> =
            sliced["data"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
        assert_eq!(found, names, "{start} {end}");
        assert_eq!(sliced["columns"], people()["columns"]);
    }
    assert_eq!(of("Slice", json!({})), table(&[], json!([])));
}

#[test]
fn rows_are_sorted() {
    let names = |column: &str| {
        let sorted = of("SortByColumn", json!({"df": people(), "column": column}));
        let names = sorted["data"].as_array().unwrap().iter();
        names.map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("age"), ["Bob", "Ann", "Dee", "Cy"]);
    assert_eq!(names("city"), ["Bob", "Dee", "Ann", "Cy"]);
    let mixed =
        table(&["x:object"], json!([["b"], [null], [10], [9.5], [true], [[1]], ["a"], [false]]));
    assert_eq!(
        of("SortByColumn", json!({"df": mixed, "column": "x"}))["data"],
        json!([[false], [true], [9.5], [10], ["a"], ["b"], [[1]], [null]])
    );
    assert_eq!(
        error_of("SortByColumn", json!({"df": people()})),
        "there is no column \"\"; the dataframe has name, age, city"
    );
}

#[test]
fn the_same_rows_are_dropped() {
    let twice = table(
        &["a:float", "b:string"],
        json!([[1, "x"], [1.0, "x"], [1, "y"], [null, "x"], [null, "x"]]),
    );
    assert_eq!(
        of("DropDuplicates", json!({"df": twice}))["data"],
        json!([[1, "x"], [1, "y"], [null, "x"]])
    );
    assert_eq!(of("DropDuplicates", json!({})), table(&[], json!([])));
    assert_eq!(
        error_of("DropDuplicates", json!({"df": 3})),
        "a dataframe is an object with columns and data, or a list of objects, not int"
    );
}

#[test]
fn a_column_is_added_or_replaced() {
    let add = |name: &str, values: Value| {
        of("AddColumn", json!({"dataframe": people(), "column_name": name, "values": values}))
    };
    let added = add("score", json!([1, 2, 3.5, null]));
    assert_eq!(
        added["columns"][3],
        json!({"name": "score", "data_type": "float", "description": ""})
    );
    assert_eq!(added["data"][2], json!(["Cy", null, "Rome", 3.5]));
    let replaced = add("age", json!(["a", "b", "c", "d"]));
    assert_eq!(replaced["columns"][1]["data_type"], "string");
    assert_eq!(replaced["data"][0], json!(["Ann", "a", "Rome"]));
    assert_eq!(
        of("AddColumn", json!({"column_name": "n", "values": [1, 2]})),
        table(&["n:int"], json!([[1], [2]]))
    );
    let wrong = |name: &str, values: Value| {
        error_of("AddColumn", json!({"dataframe": people(), "column_name": name, "values": values}))
    };
    assert_eq!(
        wrong("x", json!([1])),
        "there are 1 values for the 4 rows of the dataframe; give as many"
    );
    assert_eq!(wrong("", json!([1, 2, 3, 4])), "the new column has no name; set column_name");
}

#[test]
fn groups_are_aggregated() {
    let aggregate = |columns: &str, aggregation: &str| {
        let sales = table(
            &["shop:string", "item:string", "n:int", "price:float"],
            json!([
                ["a", "x", 1, 1.5],
                ["b", "x", 2, 2.0],
                ["a", "y", 3, null],
                ["a", "x", 5, 0.5],
                ["b", "z", null, 1.0]
            ]),
        );
        of("Aggregate", json!({"dataframe": sales, "columns": columns, "aggregation": aggregation}))
    };
    assert_eq!(
        aggregate("shop", "sum"),
        table(&["shop:string", "n:int", "price:float"], json!([["a", 9, 2.0], ["b", 2, 3.0]]))
    );
    for (aggregation, expected) in [
        ("mean", json!([["a", 3.0, 1.0], ["b", 2.0, 1.5]])),
        ("median", json!([["a", 3.0, 1.0], ["b", 2.0, 1.5]])),
        ("var", json!([["a", 4.0, 0.5], ["b", null, 0.5]])),
        ("std", json!([["a", 2.0, 0.5_f64.sqrt()], ["b", null, 0.5_f64.sqrt()]])),
        ("count", json!([["a", 3, 3, 2], ["b", 2, 1, 2]])),
        ("min", json!([["a", "x", 1, 0.5], ["b", "x", 2, 1.0]])),
        ("max", json!([["a", "y", 5, 1.5], ["b", "z", 2, 2.0]])),
        ("first", json!([["a", "x", 1, 1.5], ["b", "x", 2, 2.0]])),
        ("last", json!([["a", "x", 5, 0.5], ["b", "z", 2, 1.0]])),
    ] {
        assert_eq!(aggregate("shop", aggregation)["data"], expected, "{aggregation}");
    }
    assert_eq!(aggregate("", "sum")["data"], json!([[11, 5.0]]));
    assert_eq!(aggregate("shop,item", "count")["data"].as_array().unwrap().len(), 4);
    assert_eq!(of("Aggregate", json!({})), table(&[], json!([])));
    let large = table(&["n:int"], json!([[i64::MAX], [1]]));
    assert_eq!(
        of("Aggregate", json!({"dataframe": large}))["data"],
        json!([[9.223_372_036_854_776e18]])
    );
    let unknown = json!({"dataframe": people(), "columns": "nowhere"});
    assert_eq!(
        error_of("Aggregate", unknown),
        "there is no column \"nowhere\"; the dataframe has name, age, city"
    );
}

fn filtered(condition: &str) -> Vec<String> {
    let kept = of("Filter", json!({"df": people(), "condition": condition}));
    let rows = kept["data"].as_array().unwrap().iter();
    rows.map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rows_are_filtered() {
    for (condition, expected) in [
        ("", "Ann Bob Cy Dee"),
        ("age > 30", "Ann Dee"),
        ("age > 30 and city == 'Rome'", "Ann"),
        ("age < 30 or name == \"Cy\"", "Bob Cy"),
        ("30 <= age <= 35", "Ann"),
        ("100 <= age <= 200", ""),
        ("city in ['Oslo', 'Bern']", "Bob Dee"),
        ("city not in ['Oslo']", "Ann Cy"),
        ("not (age < 30)", "Ann Cy Dee"),
        ("age == null", "Cy"),
        ("age != null && !(age >= 40)", "Ann Bob"),
        ("(age == 25) | (age == 40.0)", "Bob Dee"),
        ("`age` >= 31 and true", "Ann Dee"),
        ("age", "Ann Bob Dee"),
        ("'e' in name", "Dee"),
        ("age > -1.5e1", "Ann Bob Dee"),
        ("name < 'B'", "Ann"),
        ("name in []", ""),
    ] {
        assert_eq!(filtered(condition).join(" "), expected, "{condition}");
    }
    let spaced = table(&["total price:int"], json!([[1], [2]]));
    assert_eq!(
        of("Filter", json!({"df": spaced, "condition": "`total price` > 1"}))["data"],
        json!([[2]])
    );
}

#[test]
fn a_condition_that_makes_no_sense_is_refused() {
    let hint = "; write a condition as: age > 30 and status in ['a', 'b']";
    for (condition, expected) in [
        ("size > 3", "there is no column \"size\"; the dataframe has name, age, city".to_owned()),
        ("age >", format!("the condition ends too early{hint}")),
        ("age > 30 40", format!("40 is not expected there{hint}")),
        ("(age > 30", format!("the condition ends too early{hint}")),
        ("age = 30", format!("\"=\" is not expected there{hint}")),
        ("and age", format!("\"and\" is not expected there{hint}")),
        ("age not 3", format!("3 is not expected there{hint}")),
        ("name == 'x", "a text in the condition has no end: ' is missing".to_owned()),
        ("age > 3x", "\"3x\" in the condition is no number".to_owned()),
        ("city in [name]", "a list in the condition has numbers and texts only".to_owned()),
        ("age > 'x'", "row 1: int and str have no order; use == or !=".to_owned()),
        ("name in 3", "row 1: in needs a list or a text, not int".to_owned()),
    ] {
        assert_eq!(
            error_of("Filter", json!({"df": people(), "condition": condition})),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn conditions_are_bounded() {
    let most = limits::MAX_CONDITION;
    let padded = |length: usize| "age > 30".to_owned() + &" ".repeat(length - 8);
    assert_eq!(filtered(&padded(most)), ["Ann", "Dee"]);
    assert_eq!(
        error_of("Filter", json!({"df": people(), "condition": padded(most + 1)})),
        "the condition has 65537 bytes; the most is 65536"
    );
    let nested = |depth: usize| "(".repeat(depth) + "age > 30" + &")".repeat(depth);
    assert_eq!(filtered(&nested(limits::MAX_DEPTH)), ["Ann", "Dee"]);
    for deep in [nested(limits::MAX_DEPTH + 1), "not ".repeat(limits::MAX_DEPTH + 1) + "age"] {
        assert_eq!(
            error_of("Filter", json!({"df": people(), "condition": deep})),
            "the condition is nested more than 100 levels deep"
        );
    }
}

#[test]
fn other_forms_of_a_table_are_read() {
    let expected = table(&["a:int", "b:string"], json!([[1, null], [2, "x"]]));
    let rows = json!([{"a": 1}, {"a": 2, "b": "x"}]);
    for form in [
        rows.clone(),
        json!({"rows": rows}),
        json!({"data": rows}),
        json!({"type": "dataframe", "uri": "", "asset_id": null, "columns": null, "data": rows}),
        json!({"columns": ["a", "b"], "data": rows}),
    ] {
        assert_eq!(of("Slice", json!({"dataframe": form})), expected, "{form}");
    }
    let empty =
        json!({"type": "dataframe", "uri": "", "asset_id": null, "data": null, "columns": null});
    for form in [empty, json!(null), json!({}), json!([])] {
        assert_eq!(of("Slice", json!({"dataframe": form})), table(&[], json!([])));
    }
    let described =
        json!({"columns": [{"name": "a", "data_type": "int", "description": "d"}], "data": [[1]]});
    assert_eq!(of("Slice", json!({"dataframe": described}))["columns"][0]["description"], "d");
}

#[test]
fn a_table_that_does_not_fit_its_columns_is_refused() {
    for (form, expected) in [
        (
            table(&["a:int"], json!([[1], [1, 2]])),
            "row 2 of the dataframe has 2 values for 1 columns",
        ),
        (
            table(&["a:int"], json!([[1], ["x"]])),
            "column \"a\" is of type int, but row 2 has str there",
        ),
        (
            table(&["a:int"], json!([[1.5]])),
            "column \"a\" is of type int, but row 1 has float there",
        ),
        (
            table(&["a:money"], json!([])),
            "column \"a\" has the data_type \"money\"; it is one of int, float, datetime, string and object",
        ),
        (
            table(&["a:int", "a:int"], json!([])),
            "columns 1 and 2 are both called \"a\"; names must be unique",
        ),
        (json!({"columns": [3], "data": []}), "a column of a dataframe has a name and a data_type"),
        (json!({"columns": ["a"], "data": [3]}), "row 1 is no list but int"),
        (json!({"data": [[1]]}), "a dataframe with rows needs the list of its columns"),
        (json!({"columns": [], "data": "x"}), "the data of a dataframe is a list of rows, not str"),
        (json!([{"a": 1}, 2]), "row 2 is no object but int"),
        (
            json!({"type": "dataframe", "uri": "asset://x", "data": null}),
            "the dataframe is an asset and its data is not in the graph; import its text with ImportCSV",
        ),
    ] {
        assert_eq!(error_of("DropDuplicates", json!({"df": form})), expected, "{form}");
    }
}
