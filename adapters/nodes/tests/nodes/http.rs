use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use clawnode_nodes::{Access, AllowedHost};
use serde_json::{Value, json};

use crate::common::{Server, answer, error_of, last, limits, of, run_until, server, start};

/// May ask servers on this machine.
fn local() -> Access {
    Access::default().allow_host("127.0.0.1".parse().unwrap()).allow_private_addresses()
}

/// Answers by the path that is asked.
fn sample() -> Server {
    server(|request, stream| {
        let path = request.line.split(' ').nth(1).unwrap();
        match path {
            "/text" => answer(
                stream,
                "200 OK",
                "Content-Type: text/plain; charset=latin1\r\n",
                b"gr\xfc\xdfe",
            ),
            "/json" => answer(stream, "200 OK", "", r#"{"a":[1,2]}"#),
            "/list" => answer(stream, "200 OK", "", "[1]"),
            "/empty" => answer(stream, "204 No Content", "", ""),
            "/missing" => answer(stream, "404 Not Found", "", "no such page"),
            "/json-error" => answer(stream, "422 Unprocessable Content", "", r#"{"why":"x"}"#),
            "/echo" => {
                let said =
                    json!({"line": request.line, "body": request.body, "headers": request.headers});
                answer(stream, "200 OK", "", said.to_string());
            }
            path if path.starts_with("/size/") => {
                answer(stream, "200 OK", "", vec![b'x'; path[6..].parse().unwrap()]);
            }
            path if path.starts_with("/hop/") => {
                let left: u32 = path[5..].parse().unwrap();
                match left.checked_sub(1) {
                    Some(left) => {
                        answer(stream, "302 Found", &format!("Location: /hop/{left}\r\n"), "")
                    }
                    None => answer(stream, "200 OK", "", "arrived"),
                }
            }
            path => match path.strip_prefix("/to?") {
                Some(target) => answer(stream, "302 Found", &format!("Location: {target}\r\n"), ""),
                None => answer(stream, "200 OK", "", "other"),
            },
        }
    })
}

#[test]
fn requests_and_their_answers() {
    let (access, server) = (local(), sample());
    for (kind, path, more, expected) in [
        ("GetRequest", "/text", json!({}), json!("grüße")),
        ("GetRequest", "/empty", json!({}), json!("")),
        ("JSONGetRequest", "/json", json!({}), json!({"a": [1, 2]})),
        ("JSONGetRequest", "/list", json!({}), json!([1])),
        ("PostRequest", "/text", json!({"data": "x"}), json!("grüße")),
        ("JSONPostRequest", "/json", json!({"data": {"b": 1}}), json!({"a": [1, 2]})),
    ] {
        let mut data = more;
        data["url"] = server.url(path).into();
        assert_eq!(of(&access, &format!("lib.http.{kind}"), data), Ok(expected), "{kind} {path}");
    }
    for (kind, path, more, expected) in [
        ("GetText", "/text", json!({}), json!({"output": "grüße", "status": 200})),
        ("GetText", "/missing", json!({}), json!({"output": "no such page", "status": 404})),
        ("GetJSON", "/json", json!({}), json!({"output": {"a": [1, 2]}, "status": 200})),
        ("GetJSON", "/json-error", json!({}), json!({"output": {"why": "x"}, "status": 422})),
        ("Post", "/list", json!({"body": [1]}), json!({"output": [1], "status": 200})),
        (
            "Post",
            "/missing",
            json!({"body": null}),
            json!({"output": "no such page", "status": 404}),
        ),
    ] {
        let mut data = more;
        data["url"] = server.url(path).into();
        let kind = format!("lib.http.{kind}");
        assert_eq!(
            last(&access, &kind, data, &["output", "status"]),
            Ok(expected),
            "{kind} {path}"
        );
    }
}

#[test]
fn what_is_sent() {
    let (access, server) = (local(), sample());
    let echo = |kind: &str, mut data: Value| {
        data["url"] = server.url("/echo").into();
        let said = of(&access, kind, data).unwrap();
        match said {
            Value::String(text) => serde_json::from_str(&text).unwrap(),
            said => said,
        }
    };
    let said: Value = echo("lib.http.PostRequest", json!({"data": "größe"}));
    assert_eq!((&said["line"], &said["body"]), (&json!("POST /echo HTTP/1.1"), &json!("größe")));
    let said = echo("lib.http.JSONPostRequest", json!({"data": {"a": 1}}));
    assert_eq!(said["body"], r#"{"a":1}"#);
    assert_eq!(said["headers"]["content-type"], "application/json");
    let said = echo("lib.http.Post", json!({"body": "x", "headers": r#"{"X-Key": "k", "N": 1}"#}));
    assert_eq!(said["body"], r#""x""#);
    assert_eq!((&said["headers"]["x-key"], &said["headers"]["n"]), (&json!("k"), &json!("1")));
    let said = echo("lib.http.GetJSON", json!({"headers": {"Accept": "text/csv"}}));
    assert_eq!(said["headers"]["accept"], "text/csv");
    let agent = said["headers"]["user-agent"].as_str().unwrap();
    assert!(agent.starts_with("clawnode/"), "{agent}");
}

#[test]
fn errors_say_what_is_wrong() {
    let (access, server) = (local(), sample());
    for (kind, url, more, said) in [
        (
            "GetRequest",
            server.url("/missing"),
            json!({}),
            "127.0.0.1 answers 404 Not Found: no such page",
        ),
        ("JSONGetRequest", server.url("/text"), json!({}), "not with JSON"),
        ("GetJSON", server.url("/empty"), json!({}), "not with JSON"),
        ("GetText", String::new(), json!({}), "the URL is empty"),
        ("GetText", "no url".to_owned(), json!({}), "is no URL"),
        ("GetText", "file:///etc/passwd".to_owned(), json!({}), "begins with http:// or https://"),
        ("GetText", server.url("/"), json!({"headers": "{"}), "headers is no JSON object"),
        ("GetText", server.url("/"), json!({"headers": {"Host": "x"}}), "cannot be set"),
        ("GetText", server.url("/"), json!({"headers": {"a b": "x"}}), "no name of a header"),
        (
            "GetText",
            server.url("/"),
            json!({"headers": {"A": "x\r\nB: y"}}),
            "the value of the header A",
        ),
        ("GetText", "http://127.0.0.1:1/".to_owned(), json!({}), "127.0.0.1 cannot be reached"),
    ] {
        let mut data = more;
        data["url"] = url.into();
        let error = error_of(&access, &format!("lib.http.{kind}"), data);
        assert!(error.contains(said), "{error}");
    }
    // A password of a URL is not repeated.
    let error =
        error_of(&access, "lib.http.GetText", json!({"url": "http://ada:s3cret@127.0.0.1:1/"}));
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn no_host_is_asked_that_is_not_allowed() {
    let server = sample();
    let ask =
        |access: &Access, url: &str| error_of(access, "lib.http.GetText", json!({"url": url}));
    // The port is named as well: the host may be allowed at another.
    let other_port = Access::default()
        .allow_host("127.0.0.1:1".parse().unwrap())
        .allow_host("[::1]:1".parse().unwrap());
    for access in [&Access::default(), &other_port] {
        for (url, place) in [
            (server.url("/text"), format!("127.0.0.1:{}", server.port)),
            ("https://example.org/".to_owned(), "example.org:443".to_owned()),
            ("http://[::1]:8080/".to_owned(), "[::1]:8080".to_owned()),
        ] {
            let said =
                format!("the host {place} is not allowed; allow it with --allow-host {place}");
            assert_eq!(ask(access, &url), said);
            assert_eq!(place.parse::<AllowedHost>().unwrap().to_string(), place);
        }
    }
    // The host is allowed, its address is not: in every spelling, and by name.
    let any = Access::default().allow_host("*".parse().unwrap());
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "127.0.0.1.",
        "１２７.0.0.1",
        "localhost",
        "LOCALHOST",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "10.0.0.1",
    ] {
        let error = ask(&any, &format!("http://{host}:{}/text", server.port));
        assert!(
            error.contains("no public address") && error.contains("--allow-private-addresses"),
            "{host}: {error}"
        );
    }
    // The part before @ is no host.
    let example = Access::default().allow_host("example.org".parse().unwrap());
    let error = ask(&example, &format!("http://example.org@127.0.0.1:{}/", server.port));
    let said = format!("the host 127.0.0.1:{} is not allowed", server.port);
    assert!(error.contains(&said), "{error}");
    assert!(server.received.try_recv().is_err(), "something was asked");
}

#[test]
fn only_the_allowed_port_is_asked() {
    let (server, other) = (sample(), sample());
    let host = format!("localhost:{}", server.port);
    let access = Access::default().allow_host(host.parse().unwrap()).allow_private_addresses();
    let ask = |port: u16| {
        of(&access, "lib.http.GetRequest", json!({"url": format!("http://localhost:{port}/")}))
    };
    assert_eq!(ask(server.port), Ok(json!("other")));
    assert!(ask(other.port).is_err());
}

#[test]
fn redirects_are_checked_like_urls() {
    let (access, server) = (local(), sample());
    let other = sample();
    let ask = |target: &str| {
        of(&access, "lib.http.GetRequest", json!({"url": server.url(&format!("/to?{target}"))}))
    };
    assert_eq!(ask("/other"), Ok(json!("other")));
    for target in [
        format!("http://localhost:{}/text", other.port),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[::1]/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let error = ask(&target).unwrap_err();
        assert!(
            error.contains("redirected elsewhere") || error.contains("answers 302"),
            "{target}: {error}"
        );
    }
    assert!(other.received.try_recv().is_err(), "something was asked");
}

#[test]
fn redirects_are_followed_up_to_the_bound() {
    let (access, server) = (local().limits(limits(|limits| limits.redirects = 3)), sample());
    let ask = |hops: u32| {
        of(&access, "lib.http.GetRequest", json!({"url": server.url(&format!("/hop/{hops}"))}))
    };
    assert_eq!(ask(3), Ok(json!("arrived")));
    assert!(ask(4).unwrap_err().contains("more than 3 redirects"));
}

#[test]
fn an_answer_at_the_bound_is_taken_and_a_larger_one_is_not() {
    let (access, server) =
        (local().limits(limits(|limits| limits.response_bytes = 2048)), sample());
    let ask = |path: &str| of(&access, "lib.http.GetRequest", json!({"url": server.url(path)}));
    assert_eq!(ask("/size/2048").unwrap().as_str().unwrap().len(), 2048);
    assert_eq!(ask("/size/2049").unwrap_err(), "the answer is larger than 2 KiB");
}

#[test]
fn an_answer_is_measured_after_decompression() {
    // 1 MiB of zeros, and as many again: gzip makes about a thousandth of it.
    let bomb = server(|_, stream| {
        let packed = include_bytes!("zeros.gz");
        answer(stream, "200 OK", "Content-Encoding: gzip\r\n", packed);
    });
    let access = local().limits(limits(|limits| limits.response_bytes = 64 * 1024));
    let error = error_of(&access, "lib.http.GetText", json!({"url": bomb.url("/")}));
    assert_eq!(error, "the answer is larger than 64 KiB");
}

#[test]
fn a_body_at_the_bound_is_sent_and_a_larger_one_is_not() {
    let (access, server) = (local().limits(limits(|limits| limits.request_bytes = 10)), sample());
    let send = |data: &str| {
        of(&access, "lib.http.PostRequest", json!({"url": server.url("/"), "data": data}))
    };
    assert_eq!(send("0123456789"), Ok(json!("other")));
    assert_eq!(send("0123456789x").unwrap_err(), "the body is larger than 10 bytes");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = server(|_, _| thread::sleep(Duration::from_secs(20)));
    let access = local().limits(limits(|limits| limits.request_time = Duration::from_secs(2)));
    let error = error_of(&access, "lib.http.GetText", json!({"url": silent.url("/")}));
    assert_eq!(error, "127.0.0.1 did not answer in time; the most is 2 s");
}

#[test]
fn as_many_requests_as_the_bound_run_and_one_more_waits() {
    let busy = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&busy);
    let server = server(move |_, stream| {
        let alone = !seen.swap(true, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(50));
        seen.store(false, Ordering::SeqCst);
        answer(stream, "200 OK", "", if alone { "alone" } else { "not alone" });
    });
    let access = local().limits(limits(|limits| limits.requests_at_once = 1));
    let engine = crate::common::engine(&access);
    let asks = (0..4).map(|_| {
        let mut node = clawnode_workflows::Node::new("n", "lib.http.GetRequest");
        node.data.insert("url".to_owned(), server.url("/").into());
        let mut out = clawnode_workflows::Node::new("o", "nodetool.output.Output");
        out.data.insert("name".to_owned(), "r".into());
        let edge = clawnode_workflows::Edge::new("n", "output", "o", "value");
        let graph = clawnode_workflows::Graph {
            nodes: vec![node, out],
            edges: vec![edge],
            extra: Default::default(),
        };
        let run = engine.run(clawnode_workflows::RunRequest::new("job", graph)).unwrap();
        thread::spawn(move || crate::common::finish(run).1.outputs["r"][0].clone())
    });
    for ask in asks.collect::<Vec<_>>() {
        assert_eq!(ask.join().unwrap(), "alone");
    }
}

#[test]
fn a_run_that_is_dropped_ends_its_request() {
    let (sender, ended) = channel();
    let (begun, arrived) = channel();
    let server = server(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
        let _ = begun.send(());
        // The other side closes.
        let _ = std::io::Read::read(stream, &mut [0; 1]);
        let _ = sender.send(());
    });
    let mut run = start(&local(), "lib.http.GetText", json!({"url": server.url("/")}), &[]);
    run_until(&mut run, &arrived);
    drop(run);
    ended.recv_timeout(Duration::from_secs(20)).expect("the connection is closed");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(Arc::new(config.clone())).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let access =
        Access::default().allow_host("localhost".parse().unwrap()).allow_private_addresses();
    let error =
        error_of(&access, "lib.http.GetText", json!({"url": format!("https://localhost:{port}/")}));
    assert!(error.contains("certificate"), "{error}");
}
