use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use clawnode_nodes::Access;
use clawnode_workflows::{Edge, Graph, Node, RunRequest, RunStatus};
use futures_lite::future::block_on;
use serde_json::{Value, json};

use crate::common::{all, engine, error_of, finish, last, limits, of, start};

const CODE: &str = "nodetool.code.Code";

fn run(code: &str) -> Result<Value, String> {
    of(&Access::default(), CODE, json!({"code": code}))
}

#[test]
fn scripts_and_what_they_give() {
    for (code, expected) in [
        ("return {output: 1}", json!(1)),
        ("return 1", json!(1)),
        ("return 'größe'", json!("größe")),
        ("return [1, 2]", json!([1, 2])),
        ("return {output: {a: [null, true, 1.5]}}", json!({"a": [null, true, 1.5]})),
        ("output('output', 7)", json!(7)),
        ("await emit('output', 7)", json!(7)),
        ("output('output', undefined)", json!(null)),
        ("return NaN", json!(null)),
        ("return new Date(0)", Value::Null),
        ("const x = await Promise.resolve(4); return x + 1", json!(5)),
        ("return [3, 1, 2].sort().map((n) => n * 2)", json!([2, 4, 6])),
        ("return 'a1b22'.replace(/[0-9]+/g, '#')", json!("a#b#")),
        (
            "return typeof require + typeof process + typeof fetch",
            json!("undefinedundefinedundefined"),
        ),
    ] {
        let given = all(&Access::default(), CODE, json!({"code": code}), &["output"]).unwrap();
        let last = given["output"]
            .as_array()
            .and_then(|values| values.last())
            .cloned()
            .unwrap_or_default();
        assert_eq!(last, expected, "{code}");
    }
}

#[test]
fn what_is_returned_goes_to_an_output_that_needs_no_declaration() {
    let engine = engine(&Access::default());
    let mut graph = Graph::default();
    graph.nodes.push(Node::new("n", CODE).with("code", "return 6 * 7"));
    graph.nodes.push(Node::new("o", "nodetool.output.Output").with("name", "answer"));
    graph.edges.push(Edge::new("n", "output", "o", "value"));
    let (_, outcome) = finish(engine.run(RunRequest::new("job", graph)).unwrap());
    assert_eq!(json!(outcome.outputs), json!({"answer": [42]}));
}

#[test]
fn inputs_are_read_by_name() {
    let data = json!({
        "code": "return {sum: inputs.a + inputs.b, names: Object.keys(inputs).sort()}",
        "a": 2, "b": 3,
    });
    let expected = json!({"sum": 5, "names": ["a", "b"]});
    assert_eq!(last(&Access::default(), CODE, data, &["sum", "names"]), Ok(expected));
    let data = json!({"code": "return inputs.deep.list[1]", "deep": {"list": [0, "größe"]}});
    assert_eq!(of(&Access::default(), CODE, data), Ok(json!("größe")));
}

#[test]
fn an_output_gets_as_many_values_as_the_script_gives() {
    let data = json!({"code": "for (let i = 0; i < 3; i++) output('n', i); return {done: true}"});
    let given = all(&Access::default(), CODE, data, &["n", "done"]);
    assert_eq!(given, Ok(json!({"n": [0, 1, 2], "done": [true]})));
    assert_eq!(
        all(&Access::default(), CODE, json!({"code": ""}), &["n"]),
        Ok(json!({"n": [null]}))
    );
}

#[test]
fn errors_say_where_they_are() {
    for (code, said) in [
        ("\nthrow new TypeError('no way')", "TypeError: no way (line 2 of the code)"),
        (
            "return 1;\nlet a = ;",
            "SyntaxError: unexpected token in expression: ';' (line 2 of the code)",
        ),
        ("throw 'just text'", "the code threw just text"),
        ("throw {a: 1}", r#"the code threw {"a":1}"#),
        ("missing()", "ReferenceError: missing is not defined (line 1 of the code)"),
        ("await Promise.reject(new Error('later'))", "Error: later (line 1 of the code)"),
        ("await new Promise(() => {})", "the code waits for something that never comes"),
        ("return {output: 1n}", "TypeError: "),
        ("const a = {}; a.a = a; return a", "TypeError: circular reference"),
        ("import('fs')", ""),
        ("await import('fs')", "Error"),
    ] {
        match all(&Access::default(), CODE, json!({"code": code}), &[]) {
            Ok(_) => assert_eq!(said, "", "{code}"),
            Err(error) => assert!(error.contains(said), "{code}: {error}"),
        }
    }
    assert!(error_of(&Access::default(), CODE, json!({"timeout": 0})).contains("timeout"));
}

#[test]
fn the_console_writes_to_the_log() {
    let code = "console.log('a', 1, {b: [2]}); console.warn('w'); throw new Error('x')";
    let (events, outcome) = finish(start(&Access::default(), CODE, json!({"code": code}), &[]));
    assert_eq!(outcome.status, RunStatus::Failed);
    let lines = events.iter().filter(|event| event.update_type == "log_update");
    let lines: Vec<_> =
        lines.map(|event| (&event.data["severity"], &event.data["content"])).collect();
    assert_eq!(lines[0], (&json!("info"), &json!(r#"a 1 {"b":[2]}"#)));
    assert_eq!(lines[1], (&json!("warning"), &json!("w")));
}

#[test]
fn what_a_script_logs_and_gives_is_seen_while_it_runs() {
    let code = "console.log('begun'); output('output', 1); console.log('given'); while (true) {}";
    let mut run =
        start(&Access::default(), CODE, json!({"code": code, "timeout": 300}), &["output"]);
    let seen = block_on(async {
        let (mut lines, mut values) = (Vec::new(), Vec::new());
        while lines.len() < 2 || values.is_empty() {
            let event = run.next_event().await.expect("the run goes on");
            match event.update_type {
                "log_update" => lines.push(event.data["content"].clone()),
                "output_update" => values.push(event.data["value"].clone()),
                _ => {}
            }
        }
        json!([lines, values])
    });
    assert_eq!(seen, json!([["begun", "given"], [1]]));
    run.cancel();
    let (_, outcome) = finish(run);
    assert_eq!(outcome.status, RunStatus::Cancelled);
    assert_eq!(json!(outcome.outputs), json!({"output": [1]}));
}

#[test]
fn what_a_script_gave_before_it_failed_was_given() {
    let access =
        Access::default().limits(limits(|limits| limits.code_time = Duration::from_secs(2)));
    for (end, said) in [
        ("throw new Error('x')", "Error: x"),
        ("while (true) {}", "longer than 2 s"),
        // What the engine does not interrupt.
        ("Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)", "longer than 2 s"),
    ] {
        let code = format!("console.log('a'); output('output', 1); output('output', 2); {end}");
        let (events, outcome) = finish(start(&access, CODE, json!({"code": code}), &["output"]));
        let error = outcome.error.unwrap();
        assert!(outcome.status == RunStatus::Failed && error.contains(said), "{end}: {error}");
        assert_eq!(json!(outcome.outputs), json!({"output": [1, 2]}), "{end}");
        let lines = events.iter().filter(|event| event.update_type == "log_update");
        let lines: Vec<_> = lines.map(|event| &event.data["content"]).collect();
        assert_eq!(lines, ["a"], "{end}");
    }
}

#[test]
fn the_end_of_the_node_shows_the_last_value_of_each_output() {
    let code = "output('a', 1); output('a', 2); return {b: 3}";
    let (events, _) = finish(start(&Access::default(), CODE, json!({"code": code}), &["a", "b"]));
    let ends = |event: &&clawnode_workflows::RunEvent| {
        event.data["node_id"] == "n" && event.data["status"] == "completed"
    };
    let end = events.iter().find(ends).unwrap();
    assert_eq!(end.data["result"], json!({"a": 2, "b": 3}));
}

#[test]
fn a_script_may_be_the_body_of_a_loop() {
    let mut graph = Graph::default();
    let repeat = Node::new("l", "nodetool.control.Loop").with("initial", 1);
    graph.nodes.push(repeat.with("max_iterations", 5));
    let mut double = Node::new("n", CODE).with("code", "return inputs.value * 2");
    double.dynamic_properties.insert("value".to_owned(), Value::Null);
    graph.nodes.push(double);
    graph.nodes.push(Node::new("o", "nodetool.output.Output").with("name", "o"));
    graph.edges.push(Edge::new("l", "value", "n", "value"));
    graph.edges.push(Edge::new("n", "output", "l", "next"));
    graph.edges.push(Edge::new("l", "done", "o", "value"));
    let run = engine(&Access::default()).run(RunRequest::new("job", graph)).unwrap();
    assert_eq!(json!(finish(run).1.outputs), json!({"o": [32]}));
}

#[test]
fn a_script_has_nothing_but_the_language() {
    let code = "return Object.getOwnPropertyNames(globalThis).filter((name) => !/^[A-Z]/.test(name)).sort().join(' ')";
    let globals = run(code).unwrap();
    for forbidden in [
        "std",
        "os",
        "bjs",
        "fs",
        "print",
        "load",
        "read",
        "quit",
        "scriptArgs",
        "fetch",
        "require",
        "process",
        "Deno",
    ] {
        assert!(!globals.as_str().unwrap().split(' ').any(|name| name == forbidden), "{globals}");
    }
    // What one script changes, another does not see.
    run("globalThis.x = 1; Array.prototype.map = null; return 1").unwrap();
    assert_eq!(run("return [1].map(() => typeof x)"), Ok(json!(["undefined"])));
    // The way in is closed behind the script's own functions.
    for code in [
        "JSON.stringify = () => '{'; return {output: 1}",
        "Array.isArray = () => { throw 1 }; Object.keys = () => ['output']; return {output: 1}",
        "Promise.prototype.then = () => 1; return 1",
        "output.call(null, {toString() { return 'output' }}, 1)",
        "return (0, eval)('this').constructor.constructor('return 1')()",
    ] {
        let _ = run(code);
    }
}

#[test]
fn no_script_runs_longer_than_it_may() {
    let access =
        Access::default().limits(limits(|limits| limits.code_time = Duration::from_millis(300)));
    for code in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch {} finally { continue } }",
        "const again = () => Promise.resolve().then(again); await again()",
        "const again = () => { Promise.resolve().then(again); Promise.resolve().then(again) }; again(); await new Promise(() => {})",
        "async function f() { while (true) await null } await f()",
        "/^(a+)+$/.test('a'.repeat(40) + 'b')",
        // What the engine does not interrupt.
        "new Array(1e9).sort(() => 1)",
        "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
        "new Set({length: 2 ** 53 - 1, [Symbol.iterator]: Array.prototype.values})",
        "let s = 'x'; while (true) { s.split('') }",
        "[...(function* () { while (true) yield 1 })()].length; while (true) {}",
        "return {get output() { while (true) {} }}",
        "return {output: {toJSON() { while (true) {} }}}",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e9); while (true) {}",
        "new Proxy({}, {ownKeys() { while (true) {} }}); return new Proxy({}, {ownKeys() { while (true) {} }})",
        "JSON.parse('[1]', () => { while (true) {} })",
    ] {
        let (sender, done) = channel();
        let access = access.clone();
        thread::spawn(move || {
            let _ = sender.send(error_of(&access, CODE, json!({"code": code})));
        });
        let error = done
            .recv_timeout(Duration::from_secs(60))
            .unwrap_or_else(|_| panic!("{code} still runs"));
        let ended = ["longer than 0.3 s", "more memory", "invalid array length", "Error"];
        assert!(ended.iter().any(|end| error.contains(end)), "{code}: {error}");
    }
}

#[test]
fn a_script_at_the_bound_of_its_time_is_told_so() {
    let error =
        error_of(&Access::default(), CODE, json!({"code": "while (true) {}", "timeout": 1}));
    assert_eq!(error, "the code took longer than 1 s; a longer timeout may help");
    let access =
        Access::default().limits(limits(|limits| limits.code_time = Duration::from_millis(100)));
    let error = error_of(&access, CODE, json!({"code": "while (true) {}", "timeout": 1000}));
    assert_eq!(error, "the code took longer than 0.1 s; a longer timeout may help");
    assert_eq!(run("return 1"), Ok(json!(1)));
}

#[test]
fn no_script_takes_more_memory_than_it_may() {
    let access =
        Access::default().limits(limits(|limits| limits.code_memory_bytes = 8 * 1024 * 1024));
    for code in [
        "const a = []; while (true) a.push('x'.repeat(1000) + a.length)",
        "let s = 'x'; while (true) s += s",
        "new ArrayBuffer(1e9)",
        "return 'x'.repeat(1e8)",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, {})",
    ] {
        let error = error_of(&access, CODE, json!({"code": code}));
        let said = ["more memory than 8 MiB", "string too long", "invalid array buffer length"];
        assert!(said.iter().any(|said| error.contains(said)), "{code}: {error}");
    }
    // What fits is fine.
    let fits = of(&access, CODE, json!({"code": "return new ArrayBuffer(4e6).byteLength"}));
    assert_eq!(fits, Ok(json!(4_000_000)));
}

#[test]
fn functions_call_each_other_to_a_depth() {
    assert_eq!(run("const f = (n) => n ? 1 + f(n - 1) : 0; return f(500)"), Ok(json!(500)));
    for code in [
        "const f = () => f() + 1; f()",
        "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)",
        "JSON.parse('['.repeat(1e5))",
        "eval('('.repeat(1e5))",
        "new RegExp('('.repeat(1e5))",
        "class A { toString() { return String(this) } } String(new A())",
    ] {
        assert!(run(code).is_err(), "{code}");
    }
}

#[test]
fn outputs_at_the_bound_are_given_and_a_byte_more_is_not() {
    let access = Access::default().limits(limits(|limits| limits.code_output_bytes = 20));
    // The name has 6 bytes, the quotes 2.
    let give = |code: &str| of(&access, CODE, json!({"code": code}));
    assert_eq!(give("return 'x'.repeat(12)"), Ok(json!("x".repeat(12))));
    assert!(give("return 'x'.repeat(13)").unwrap_err().contains("more than 20 bytes"));
    // Catching the exception does not help.
    assert!(
        give("try { output('a', 'x'.repeat(99)) } catch {} return 1")
            .unwrap_err()
            .contains("more than 20 bytes")
    );
    assert!(run("for (let i = 0; i < 100_000; i++) output('n', i)").is_ok());
    assert!(
        run("for (let i = 0; i <= 100_000; i++) output('n', i)")
            .unwrap_err()
            .contains("100000 values")
    );
}

#[test]
fn code_at_the_bound_runs_and_longer_code_does_not() {
    let access = Access::default().limits(limits(|limits| limits.code_source_bytes = 10));
    assert_eq!(of(&access, CODE, json!({"code": "return  10"})), Ok(json!(10)));
    assert_eq!(
        error_of(&access, CODE, json!({"code": "return   10"})),
        "the code is larger than 10 bytes"
    );
}

#[test]
fn as_many_lines_as_the_bound_are_logged_and_one_more_is_counted() {
    let access = Access::default().limits(limits(|limits| limits.code_log_lines = 2));
    let log = |code: &str| {
        let (events, _) = finish(start(&access, CODE, json!({"code": code}), &[]));
        let lines = events.iter().filter(|event| event.update_type == "log_update");
        lines.map(|event| event.data["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(log("console.log(1); console.log(2)"), ["1", "2"]);
    assert_eq!(
        log("console.log(1); console.log(2); console.log(3)"),
        ["1", "2", "1 more lines were not kept"]
    );
    let long = log("console.log('x'.repeat(8192)); console.log('x'.repeat(8193))");
    assert_eq!((long[0].len(), long[1].len()), (8192, 8195));
    let access = Access::default();
    let code = "for (let i = 0; i < 129; i++) console.log('x'.repeat(8192))";
    let (events, _) = finish(start(&access, CODE, json!({"code": code}), &[]));
    assert!(events.iter().any(|event| event.data["content"] == "1 more lines were not kept"));
}

#[test]
fn as_many_scripts_as_the_bound_run_and_one_more_waits() {
    let access = Access::default().limits(limits(|limits| {
        limits.scripts_at_once = 1;
        limits.code_time = Duration::from_secs(60);
    }));
    let engine = crate::common::engine(&access);
    let graph = |code: &str| {
        let mut node = clawnode_workflows::Node::new("n", CODE);
        node.data.insert("code".to_owned(), code.into());
        clawnode_workflows::Graph { nodes: vec![node], edges: vec![], extra: Default::default() }
    };
    let run =
        |code: &str| engine.run(clawnode_workflows::RunRequest::new("job", graph(code))).unwrap();
    let (mut endless, mut waits) = (run("while (true) {}"), run("return 1"));
    let ended = |run: &mut clawnode_workflows::Run, most: Duration| {
        block_on(futures_lite::future::or(
            async {
                while run.next_event().await.is_some() {}
                true
            },
            async {
                crate::common::sleep(most).await;
                false
            },
        ))
    };
    assert!(!ended(&mut endless, Duration::from_millis(200)));
    assert!(!ended(&mut waits, Duration::from_millis(200)));
    // Dropping a run ends its script.
    drop(endless);
    assert!(ended(&mut waits, Duration::from_secs(60)));
}

#[test]
fn a_script_whose_values_nobody_takes_ends_with_its_run() {
    let access = Access::default().limits(limits(|limits| limits.scripts_at_once = 1));
    let engine = engine(&access);
    let run = |code: &str| {
        let mut graph = Graph::default();
        let node = Node::new("n", CODE).with("code", code).with("timeout", 300);
        graph.nodes.push(node);
        graph.nodes.push(Node::new("o", "nodetool.output.Output").with("name", "o"));
        graph.edges.push(Edge::new("n", "output", "o", "value"));
        engine.run(RunRequest::new("job", graph)).unwrap()
    };
    let mut untaken = run("for (let i = 0; i < 100_000; i++) output('output', i)");
    block_on(async {
        while untaken.next_event().await.expect("the run goes on").update_type != "output_update" {}
    });
    untaken.cancel();
    assert_eq!(finish(untaken).1.status, RunStatus::Cancelled);
    // It has its turn when the other has ended.
    assert_eq!(finish(run("return 1")).1.status, RunStatus::Completed);
}
