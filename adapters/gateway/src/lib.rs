//! A development gateway for clawnode nodes: many nodes, an HTTP API to submit work.
//!
//! ```text
//!   nodes  == WebSocket ==>  +---------+  <== HTTP ==  programs, curl, clawnode run
//!                            | Gateway |
//!   nodes  == WebSocket ==>  +---------+  == events ==>
//! ```
//!
//! One port serves both: nodes connect to any path with an `Upgrade: websocket` header, everything else is the HTTP API.
//!
//! ```no_run
//! use clawnode_gateway::{Config, Gateway};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::new("127.0.0.1:8080".parse()?);
//! config.auth_token = Some("s3cret".to_owned().into());
//! let gateway = Gateway::bind(config).await?;
//! println!("listening on {}", gateway.local_addr());
//! gateway.run(async { std::future::pending().await }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Contract
//!
//! [`Gateway::run`] serves until its argument resolves, then closes the connections to the nodes and lets what answers HTTP finish; what
//! does not end in time is cut, and [`StopError`] says how much that was. What a node or a client does wrong is its own error, and nobody
//! else's. Every table has a bound: [`Limits`].
//!
//! A node for it is ten lines of `clawnode-tokio`, whose
//! [cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md) goes on from there. The [`client`] asks it from Rust.
//!
//! # The HTTP API
//!
//! Bodies are JSON. Everything but `GET /health` needs the token as `Authorization: Bearer TOKEN`, if the gateway has one.
//! An error is `{"error": "..."}`, a sentence that says what to do, with the status that fits.
//!
//! | | |
//! | --- | --- |
//! | `POST /api/requests` | [submit work](#submit-work) |
//! | `GET /api/requests` | [list requests](#list-requests) |
//! | `GET /api/requests/{id}` | [one request, with its answer](#one-request) |
//! | `GET /api/requests/{id}/events` | [its news as they come](#the-events-of-a-request) |
//! | `GET /api/nodes` | [list nodes](#nodes) |
//! | `GET /health` | 200 while the process lives, no token needed |
//! | `GET /ready` | 200 while it takes work, with the number of `nodes` connected; 503 once it is stopping |
//!
//! ## Submit work
//!
//! ```sh
//! curl -H 'Authorization: Bearer s3cret' http://127.0.0.1:8080/api/requests \
//!     -d '{"workflow_id": "greet", "params": {"name": "Ada"}}'
//! curl -H 'Authorization: Bearer s3cret' http://127.0.0.1:8080/api/requests \
//!     -d '{"command": "list_workflows", "args": {}, "node_id": "node-A", "request_id": "list-1"}'
//! ```
//!
//! | field | |
//! | --- | --- |
//! | `workflow_id`, `graph` or `command` | exactly one: a workflow the node knows, one the request carries (an object with `nodes` and `edges`), or a command's name |
//! | `params` | for a workflow: an object with values for its inputs, default `{}` |
//! | `args` | for a command: an object, default `{}` |
//! | `node_id` | the node to do it; without it, of the nodes that are connected and able the one with the least work in flight, the first by id among equals |
//! | `user_id` | on whose behalf; without it the node decides |
//! | `request_id` | a name for the request, 1 to 256 bytes without control characters; without it the gateway makes one |
//!
//! Any other field is an error. The answer is 202 with `request_id`, `node_id` and `status`.
//!
//! A `request_id` makes submitting safe to repeat: the same content (the same bytes in `graph`, `params` and `args`) under
//! the same id gives 200 and [what is known](#one-request), other content 409. A request whose answer or news arrived
//! without the gateway having sent it, as happens after a restart of the gateway, counts as the same content.
//!
//! | status | when |
//! | --- | --- |
//! | 400 | the body is not as described |
//! | 401 | the token is missing or wrong |
//! | 404 | no node of that `node_id` has ever connected |
//! | 409 | the `request_id` has other content, or the named node does not serve this |
//! | 408 | the body took longer than a minute |
//! | 413 | the body is larger than 25 MiB, or would not fit a message to a node |
//! | 503 | no able node is connected, or too much is in flight; `Retry-After` says when to try again |
//!
//! ## One request
//!
//! `GET /api/requests/{id}`, an id percent-encoded. `?wait=SECONDS` waits for the answer that long, at most 5 minutes.
//!
//! ```json
//! {
//!   "request_id": "0b5c…", "node_id": "node-A", "kind": "workflow", "name": "greet", "status": "completed",
//!   "job_id": "5d1f…", "result": {"greeting": "hello Ada"}, "error": null,
//!   "created_at": "2026-11-22T11:43:40.170128Z", "updated_at": "…", "finished_at": "…",
//!   "last_event_id": 7, "events_dropped": 0
//! }
//! ```
//!
//! `name` is the workflow's id, null for a graph, or the command; `kind` and `name` are null for a request that this process
//! did not send. The `status` is:
//!
//! | | |
//! | --- | --- |
//! | `sent` | on its way to the node |
//! | `accepted` | the node has taken it |
//! | `running` | the node has sent news of it |
//! | `completed` | done: `result` is an object |
//! | `failed` | not done: `error` says why, `result` may hold a part |
//! | `lost` | the connection to the node ended before the answer; `error` says how. It may still run there. When the node is back and delivers, the request is completed or failed after all |
//!
//! When a node comes back, a request it never accepted is sent to it again under the same id, at most twice more. One that it
//! had accepted is not: the node has it, and delivers the answer by itself. If the node comes back as another process, which it
//! tells by another `instance_id` in its `metadata`, such a request has failed: its work ended with the former process.
//!
//! ## The events of a request
//!
//! `GET /api/requests/{id}/events` is a stream of [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html):
//! those kept, from the first or from the one after `Last-Event-ID`, then live ones. It ends after the answer; asked again
//! after that, 204 stops a browser's `EventSource`.
//!
//! ```text
//! id: 1
//! event: accepted
//! data: {"message":"Workflow execution started"}
//!
//! id: 2
//! event: update
//! data: {"job_id":"5d1f…","update_type":"node_update","data":{"node_id":"1","status":"running"}}
//!
//! id: 3
//! event: answer
//! data: {"status":"completed","job_id":"5d1f…","result":{"greeting":"hello Ada"},"error":null}
//! ```
//!
//! `lost` has `{"reason": "…"}`, and the stream goes on. `resent` has `{}`: the node is back and gets the request again.
//! `dropped` has `{"dropped": 12}`: that many events, from here on, are not kept any more. Ids increase. Lines that begin
//! with `:` only keep the connection alive.
//!
//! ## List requests
//!
//! `GET /api/requests?status=running&node_id=node-A&limit=50`: the latest first, `{"requests": [...], "next": "841"}`, each as
//! [above](#one-request) without its `result`. All three filters are optional; `limit` is 1 to 500, by default 50. The next page
//! is at `&before=` the value of `next`; null says there is none.
//!
//! ## Nodes
//!
//! `GET /api/nodes`: every node that is connected, or was and is still remembered.
//!
//! ```json
//! {"nodes": [{
//!   "node_id": "node-A", "status": "connected", "says": "active", "workflows": true, "commands": ["list_workflows"],
//!   "metadata": {"user_id": "1"}, "in_flight": 1, "address": "127.0.0.1:50312", "connected_at": "…",
//!   "last_seen_at": "…", "last_heartbeat_at": "…", "lost_at": null, "lost_reason": null
//! }]}
//! ```
//!
//! `status` is `connected` or `lost`; `says` is the status in the node's last heartbeat.
//!
//! # Without a token
//!
//! A gateway without a token listens on loopback addresses only. Since any web page may talk to those through the user's
//! browser, it then also refuses requests that come from other origins or name another host.
//!
//! # What it does not do
//!
//! It keeps everything in memory: after a restart only what nodes still deliver is known. It speaks neither TLS nor HTTP/2;
//! a reverse proxy in front can.

mod access;
mod api;
mod book;
pub mod client;
mod config;
mod gateway;
mod link;
mod shared;
mod status;
mod upgrade;

pub use config::{Config, Limits, Timing};
pub use gateway::{Gateway, StopError};
pub use status::Status;
