//! Every limit of this crate, with its unit and its reason.

/// Nodes in one graph. A graph is checked and planned in memory before it runs; the largest
/// graphs people draw have a few hundred nodes, so this stops generated nonsense only.
pub const MAX_NODES: usize = 10_000;

/// Edges in one graph, for the same reason as [`MAX_NODES`].
pub const MAX_EDGES: usize = 50_000;

/// Loops in one graph. Each is checked against the whole graph; people nest two or three.
pub const MAX_LOOPS: usize = 100;

/// Passes that a loop may be told to make for one initial value. One that needs more is better
/// computed inside of a node; a larger number is refused rather than run for hours.
pub const MAX_ITERATIONS: u64 = 100_000;

/// Values that wait at one input handle before its senders have to wait (protocol page 1.4).
pub const EDGE_BUFFER: usize = 3;

/// Values that may wait at one input handle after its buffer had to grow.
///
/// A buffer grows beyond [`EDGE_BUFFER`] only when the whole run would stand still otherwise,
/// for example when a stream reaches a node both directly and through a `Collect`. This bounds
/// what such a graph can hold in memory; one value more fails the run.
pub const MAX_EDGE_BUFFER: usize = 100_000;

/// Events that wait to be taken before the nodes that make them have to wait. Small, since a
/// consumer that falls behind should slow the run down instead of filling memory.
pub const EVENT_BUFFER: usize = 64;

/// Values kept for one output name in the result of a run. The result is one message, so an
/// endless stream into an Output node has to end somewhere; one value more fails the run.
pub const MAX_OUTPUT_VALUES: usize = 100_000;

/// Values that `Collect` and a gathering list input take into one list.
pub const MAX_COLLECTED: usize = 1_000_000;

/// Bytes that `Distinct` remembers of the items it has passed on: the JSON text of what tells each
/// apart, and 48 for its entry. That is about a million short keys; one byte more fails the run.
pub const MAX_DISTINCT_BYTES: usize = 64 * 1024 * 1024;

/// Cells of one dataframe; a row counts as one at least. More than a message could carry anyway.
pub const MAX_TABLE_CELLS: usize = 1_000_000;

/// Columns of one dataframe. Wide tables of measurements have a few hundred.
pub const MAX_TABLE_COLUMNS: usize = 1_000;

/// Bytes of one text that is read as CSV.
pub const MAX_CSV_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one condition on the rows of a dataframe.
pub const MAX_CONDITION: usize = 64 * 1024;

/// Levels of lists and objects inside one value that a node builds. A reader of JSON gives up
/// at about 128 levels, and an event and its message take some of them; a chain of thousands of
/// `Collect` nodes could otherwise build a value that overflows the stack of whoever reads it.
pub const MAX_DEPTH: usize = 100;

/// Bytes, estimated, of one list or dictionary that a node builds out of others. Without it a
/// chain of nodes that each put a value twice into the next one would double it at every step.
pub const MAX_VALUE: usize = 64 * 1024 * 1024;

/// Bytes of one text that a node builds. A result is one message and has to fit into it
/// together with others; more belongs into a file.
pub const MAX_TEXT: usize = 16 * 1024 * 1024;

/// Bytes of text that a regular expression searches. Some patterns look at the rest of the
/// text again after each match, so a search may take the square of this; it lets others work
/// meanwhile, and can be cancelled.
pub const MAX_REGEX_TEXT: usize = 4 * 1024 * 1024;

/// Bytes that a regular expression may take when it is compiled: about a hundred `\w`, each of
/// which stands for all letters of Unicode. Bounds the time to compile it, too.
pub const MAX_REGEX_PROGRAM: usize = 8 * 1024 * 1024;

/// Bytes of one JSONPath expression.
pub const MAX_JSON_PATH: usize = 1024;

/// Levels of brackets inside one JSONPath expression; its parser descends into each of them.
pub const MAX_JSON_PATH_DEPTH: usize = 8;

/// Values that a JSONPath expression may look at, as estimated before it runs: `$..*..*` looks
/// at each value once for each pair of values above it.
pub const MAX_JSON_PATH_VISITS: usize = 10_000_000;

/// Spaces by which `StringifyJSON` indents each level, as many as JavaScript's
/// `JSON.stringify` takes at most.
pub const MAX_INDENT: usize = 10;

/// Dates of one `DateRange`: each day of a hundred years.
pub const MAX_DATES: usize = 36_525;

/// Node steps and events that one poll of a run handles before it lets its host run other work.
pub const POLL_BUDGET: u32 = 256;

/// Node steps that a run spends, after a node failed, on values that were already under way.
pub const DRAIN_BUDGET: u32 = 10_000;

/// Bytes of JSON, estimated, of one value inside a `node_update`. That event tells how far a
/// run is; results travel in `output_update`. Larger values are replaced by a short description.
pub const MAX_NODE_UPDATE_VALUE: usize = 16 * 1024;

/// Bytes of text that one template may produce.
pub const MAX_TEMPLATE_OUTPUT: usize = 4 * 1024 * 1024;

/// Bytes of one template's source text.
pub const MAX_TEMPLATE_SOURCE: usize = 1024 * 1024;

/// Instructions that one template may execute; stops nested loops that would run for hours.
pub const TEMPLATE_FUEL: u64 = 1_000_000;

/// Depth of nested macro calls and blocks in a template; stops endless recursion.
pub const TEMPLATE_RECURSION: usize = 64;

/// Bytes of one workflow file.
pub const MAX_WORKFLOW_FILE: u64 = 25 * 1024 * 1024;

/// Workflow files of one directory; those after the limit, in name order, are left out.
pub const MAX_WORKFLOW_FILES: usize = 10_000;
