use std::time::Duration;

/// How much one node may use. The defaults suit workflows of people; what goes past a limit fails its node with a text that names
/// the limit, and nothing is cut silently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one HTTP answer after decompression. 16 MiB: an answer becomes one value in memory, and in messages.
    pub response_bytes: usize,
    /// Bytes of the body of one HTTP request, those to models included. 16 MiB, as for answers.
    pub request_bytes: usize,
    /// Time from the start of a request to the last byte of its answer, redirects included. 30 s, as NodeTool has it.
    pub request_time: Duration,
    /// Redirects that one request follows. 10, as browsers and curl are near.
    pub redirects: usize,
    /// HTTP requests at once, those to models included; more wait for their turn. 64, which bounds sockets and memory.
    pub requests_at_once: usize,
    /// Bytes of one file that is read or written. 16 MiB, as for HTTP answers.
    pub file_bytes: usize,
    /// Entries of folders that one listing looks at. 100,000, which takes about a second.
    pub listed_entries: usize,
    /// Folders below each other that one listing enters. 64, deeper than people make them.
    pub folder_depth: usize,
    /// Rows of one query. 10,000, more than a person reads.
    pub rows: usize,
    /// Bytes of the values of one query. 16 MiB, as for files.
    pub row_bytes: usize,
    /// Time of one query, waiting for a locked database included. 30 s.
    pub query_time: Duration,
    /// Bytes of the source text of one script. 1 MiB.
    pub code_source_bytes: usize,
    /// Memory of one running script. 64 MiB, in which its inputs and outputs have to fit.
    pub code_memory_bytes: usize,
    /// Bytes of JSON of all that one script gives. 16 MiB, as for files.
    pub code_output_bytes: usize,
    /// Lines that one script writes to the log; later ones are counted, not kept. 1,000.
    pub code_log_lines: usize,
    /// The longest `timeout` of a script; its property may ask for less. 5 min.
    pub code_time: Duration,
    /// Scripts at once; more wait for their turn. 8, which bounds the memory and the processors that scripts take.
    pub scripts_at_once: usize,
    /// Bytes of one answer of a model, with everything around it. 16 MiB, which is millions of tokens.
    pub model_bytes: usize,
    /// Silence of a model before and within its answer. 2 min: a local model may first have to be loaded.
    pub model_silence: Duration,
    /// Time of one answer of a model. 30 min.
    pub model_time: Duration,
    /// Bytes that one command writes, both streams together. 4 MiB.
    pub command_output_bytes: usize,
    /// Time of one command. 5 min.
    pub command_time: Duration,
    /// Commands at once; more wait for their turn. 16.
    pub commands_at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            response_bytes: 16 * MIB,
            request_bytes: 16 * MIB,
            request_time: Duration::from_secs(30),
            redirects: 10,
            requests_at_once: 64,
            file_bytes: 16 * MIB,
            listed_entries: 100_000,
            folder_depth: 64,
            rows: 10_000,
            row_bytes: 16 * MIB,
            query_time: Duration::from_secs(30),
            code_source_bytes: MIB,
            code_memory_bytes: 64 * MIB,
            code_output_bytes: 16 * MIB,
            code_log_lines: 1_000,
            code_time: Duration::from_secs(5 * 60),
            scripts_at_once: 8,
            model_bytes: 16 * MIB,
            model_silence: Duration::from_secs(2 * 60),
            model_time: Duration::from_secs(30 * 60),
            command_output_bytes: 4 * MIB,
            command_time: Duration::from_secs(5 * 60),
            commands_at_once: 16,
        }
    }
}

/// A number of bytes for people, in the largest unit that divides it.
#[allow(dead_code, reason = "each group of nodes that measures bytes uses it")]
pub(crate) fn shown_bytes(bytes: usize) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        _ if bytes.is_multiple_of(1024 * 1024) => format!("{} MiB", bytes / (1024 * 1024)),
        _ if bytes.is_multiple_of(1024) => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} bytes"),
    }
}
