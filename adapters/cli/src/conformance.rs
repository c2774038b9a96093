use clawnode_conformance::{
    Call, Check, GatewayUnderTest, Level, NodeUnderTest, Pace, Report, Selection, Submit,
    check_gateway, check_node, gateway_checks, node_checks,
};
use serde_json::Value;

use crate::client::read_token;
use crate::error::{FAILED, Failure};
use crate::{options, output};

/// Checks a node or a gateway and shows the report.
pub(crate) async fn check(options: options::Conformance) -> Result<(), Failure> {
    let selection = if options.only.is_empty() {
        Selection::all()
    } else {
        Selection::only(&options.only)
            .map_err(|error| Failure::usage(format!("--only: {error} (--list)")))?
    };
    if options.list {
        return list(&options);
    }
    let mut pace = Pace::default();
    pace.patience = options.patience;
    pace.settle = options.settle;
    pace.jobs = usize::from(options.jobs);
    let token = read_token(&options.token)?;
    let call = |name: Option<String>, args: Value| name.map(|name| Call::new(name, args));
    let json = options.json;
    let report = if let Some(command_line) = options.node {
        let mut node = NodeUnderTest::new(command_line);
        node.token = token;
        node.heartbeat_interval = options.heartbeat_interval;
        node.quick = call(options.command, options.args);
        node.slow = call(options.slow_command, options.slow_args);
        node.unique = call(options.unique_command, options.unique_args);
        node.workflows = options.workflow;
        node.pace = pace;
        check_node(node, &selection).await
    } else if let Some(url) = options.gateway {
        let mut gateway = GatewayUnderTest::new(url);
        gateway.token = token;
        gateway.submit = options.http.map(Submit::Http).or(options.submit.map(Submit::Command));
        gateway.pace = pace;
        let report = check_gateway(gateway, &selection).await;
        report.map_err(|error| Failure::usage(format!("--gateway: {error}")))?
    } else {
        return Err(Failure::usage("say what to check: --node CMD or --gateway URL"));
    };
    show(&report, json)?;
    if report.passed {
        Ok(())
    } else {
        Err(Failure::new(FAILED, format!("the {} does not conform", report.subject)))
    }
}

/// The checks of what was asked for, or all.
fn list(options: &options::Conformance) -> Result<(), Failure> {
    let (node, gateway) = (options.node.is_some(), options.gateway.is_some());
    let nodes = node_checks().filter(|_| node || !gateway);
    let gateways = gateway_checks().filter(|_| !node);
    let checks: Vec<&Check> = nodes.chain(gateways).collect();
    if options.json {
        return print(&serde_json::to_string_pretty(&checks)?);
    }
    let mut text = String::new();
    for check in checks {
        let level = match check.level {
            Level::Required => "",
            Level::Recommended => " (recommended)",
        };
        text.push_str(&format!(
            "{}{level}\n    {} ({})\n    expected: {}\n",
            check.id, check.rule, check.source, check.expected
        ));
    }
    print(text.trim_end())
}

fn show(report: &Report, json: bool) -> Result<(), Failure> {
    if json { print(&serde_json::to_string_pretty(report)?) } else { print(&report.to_string()) }
}

fn print(text: &str) -> Result<(), Failure> {
    output::print(|out| writeln!(out, "{text}"))
}
