//! Every limit of this crate, with its unit and its reason.

/// Rows of one page at most. A page is held in memory and mostly goes into one message.
pub const MOST_PAGE_ROWS: u32 = 10_000;

/// Log rows kept for one job, the newest (protocol page 1.2).
pub const MOST_LOGS: i64 = 1_000;

/// Events kept for one job, the newest. A stream of 100,000 items has hundreds of thousands; the last ten thousand tell how it
/// ended.
pub const MOST_EVENTS: i64 = 10_000;

/// Jobs kept, the newest of all users; of those that are older the ended ones go, with their logs and events. At 200 jobs a day
/// that is more than a year.
pub const MOST_JOBS: u32 = 100_000;

/// Bytes of all jobs that are kept, with their parameters, results, logs and events; beyond it the oldest ended ones go. That is
/// more than a year of 200 jobs a day with 50 KiB each, little beside a disk, and five times what one job can leave in results, logs
/// and events, so that a job does not go as it ends for its own size.
pub const MOST_HISTORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Logs and events that wait to be written before the newest is dropped: some seconds of a busy node.
pub const MOST_WAITING_ROWS: usize = 10_000;

/// Bytes of the logs and events that wait to be written, before the newest is dropped.
pub const MOST_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// Logs, events and other writes of one transaction, so that no caller waits for an endless one.
pub const MOST_BATCHED: usize = 1_000;

/// Bytes of the message of one log row, and of its exception; what is longer is cut.
pub const MOST_LOG_BYTES: usize = 64 * 1024;

/// Bytes of the payload of one event; of a larger one its size is kept. Results have a place of their own.
pub const MOST_EVENT_BYTES: usize = 64 * 1024;

/// Bytes of the result of one job, as JSON; of a larger one its size is kept. What people read is far smaller, and one fits into a
/// message.
pub const MOST_RESULT_BYTES: usize = 1024 * 1024;

/// Bytes of one workflow, as of a workflow file.
pub const MOST_WORKFLOW_BYTES: usize = 25 * 1024 * 1024;

/// Connections for reading that are kept open between calls. More are opened when more threads read at once.
pub const MOST_IDLE_READERS: usize = 4;

/// Bytes of an id, a name or a user: what people and programs make up is far shorter.
pub const MOST_NAME_BYTES: usize = 1024;

/// Bytes of the metadata of an asset, a collection or a document, as JSON.
pub const MOST_METADATA_BYTES: usize = 64 * 1024;

/// Bytes of the content of one asset: 4 GiB, which holds a film and stops what never ends.
pub const MOST_ASSET_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Folders in the path of an asset, so that finding it stays cheap.
pub const MOST_FOLDER_DEPTH: usize = 64;

/// Documents that are added to a collection at once, which others wait for.
pub const MOST_ADDED_DOCUMENTS: usize = 10_000;

/// Bytes of the text of one document: a long book. What is longer is better found in parts.
pub const MOST_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// Models that one service offers a user: as many as `clawnode_nodes::list_models` gives, and as one page holds.
pub const MOST_MODELS_OF_A_SOURCE: usize = 10_000;

/// Models kept, of all users and services: what ten of the largest services offer. Beyond it the offers of services go that are
/// not seen for the longest time.
pub const MOST_MODELS: u32 = 100_000;
