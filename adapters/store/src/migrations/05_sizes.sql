-- Bytes of one row: its texts, and about what SQLite needs beside them (of a job also its times and index entries).
ALTER TABLE jobs ADD COLUMN row_bytes INTEGER GENERATED ALWAYS AS (
    256 + octet_length(id) + octet_length(user_id) + octet_length(job_type)
    + coalesce(octet_length(workflow_id), 0) + octet_length(params)
    + coalesce(octet_length(error), 0) + coalesce(octet_length(result), 0)
) VIRTUAL;

ALTER TABLE job_logs ADD COLUMN row_bytes INTEGER GENERATED ALWAYS AS (
    32 + octet_length(timestamp) + octet_length(level) + octet_length(logger) + octet_length(message)
    + octet_length(module) + octet_length(function) + coalesce(octet_length(exc_info), 0)
) VIRTUAL;

ALTER TABLE run_events ADD COLUMN row_bytes INTEGER GENERATED ALWAYS AS (
    32 + octet_length(event_type) + octet_length(event_time) + coalesce(octet_length(node_id), 0)
    + octet_length(payload)
) VIRTUAL;

-- Bytes of a job with its logs and events. Apart from `jobs`, where each change would write parameters and result anew, and the
-- sum would read them.
CREATE TABLE job_sizes (
    job   INTEGER PRIMARY KEY REFERENCES jobs (place) ON DELETE CASCADE,
    bytes INTEGER NOT NULL
) STRICT;

INSERT INTO job_sizes (job, bytes)
SELECT place, row_bytes
       + coalesce((SELECT sum(row_bytes) FROM job_logs WHERE job = place), 0)
       + coalesce((SELECT sum(row_bytes) FROM run_events WHERE job = place), 0)
FROM jobs;
