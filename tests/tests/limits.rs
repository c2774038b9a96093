//! Every bound of the workspace, its default, and where it is tested: at the bound, and one past it.
//!
//! The reason of each default stands where the bound is declared. The table is held against the sources: every field of a `Limits`
//! and every constant that is named like a bound must have a row, and every test a row names must exist.

use std::fs;
use std::path::{Path, PathBuf};

struct Row {
    limit: &'static str,
    default: &'static str,
    /// `file::test`, from the root of the workspace. One test often shows both sides.
    at: &'static str,
    past: &'static str,
}

const fn row(
    limit: &'static str,
    default: &'static str,
    at: &'static str,
    past: &'static str,
) -> Row {
    Row { limit, default, at, past }
}

const fn both(limit: &'static str, default: &'static str, test: &'static str) -> Row {
    row(limit, default, test, test)
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // limit, default, at the bound, one past it
    both("node/config.rs running", "64", "protocol-core/src/ledger/tests.rs::running_work_is_bounded_and_the_rest_waits_its_turn"),
    both("node/config.rs owed", "1,024", "protocol-core/src/ledger/tests.rs::what_is_owed_is_bounded"),
    both("node/config.rs owed (refusals)", "1,024", "protocol-core/src/ledger/tests.rs::refusals_are_bounded"),
    both("node/config.rs waiting_bytes", "64 MiB", "protocol-core/src/ledger/tests.rs::waiting_bytes_are_bounded"),
    both("node/config.rs result_bytes", "24 MiB", "protocol-core/src/ledger/tests.rs::a_result_is_bounded"),
    both("node/config.rs result_bytes (failures)", "24 MiB", "protocol-core/src/ledger/bounds.rs::a_failure_is_measured_as_it_is_written"),
    both("node/config.rs result_bytes (custom messages)", "24 MiB", "protocol-core/src/node/tests.rs::a_custom_message_is_no_larger_than_a_result"),
    both("node/config.rs kept_bytes", "64 MiB", "protocol-core/src/ledger/tests.rs::kept_results_are_bounded_and_delivered_ones_give_way"),
    both("node/config.rs remembered", "10,000", "protocol-core/src/ledger/tests.rs::answered_requests_are_remembered_in_number_and_time"),
    both("node/config.rs remembered_for", "1 h", "protocol-core/src/ledger/tests.rs::answered_requests_are_remembered_in_number_and_time"),
    both("node/config.rs updates", "256", "protocol-core/src/ledger/tests.rs::updates_are_bounded_in_number_oldest_first"),
    both("node/config.rs update_bytes", "16 MiB", "protocol-core/src/ledger/tests.rs::updates_are_bounded_in_bytes_over_all_work"),
    both("node/config.rs transmit_bytes", "256 KiB", "protocol-core/src/node/tests.rs::updates_and_answers_wait_in_the_node_once_enough_waits_for_the_socket"),
    both("node/config.rs fault_replies", "10", "protocol-core/src/faults.rs::a_burst_is_cut_off_and_time_earns_more"),
    both("node/config.rs websocket", "see below", "tests/bench/tests/memory_bound.rs::no_flood_makes_a_node_hold_more_than_its_bound"),
    both("websocket/limits.rs max_message", "25 MiB", "protocol-core/src/websocket/tests/limits.rs::a_message_at_its_limit_passes_and_one_beyond_fails_at_its_header"),
    both("websocket/limits.rs max_head", "16 KiB", "protocol-core/src/websocket/tests/opening_client.rs::a_head_at_its_limit_passes_and_one_beyond_fails"),
    both("websocket/limits.rs max_head (early data)", "16 KiB", "protocol-core/src/websocket/tests/opening_server.rs::bytes_behind_the_request_are_bounded"),
    both("websocket/limits.rs max_refusal_body", "4 KiB", "protocol-core/src/websocket/tests/opening_client.rs::a_refusal_keeps_its_body_up_to_a_limit"),
    both("websocket/limits.rs max_interim_answers", "8", "protocol-core/src/websocket/tests/opening_client.rs::interim_answers_are_skipped_up_to_a_limit"),
    both("websocket/limits.rs max_pending_pongs", "32", "protocol-core/src/websocket/tests/limits.rs::pongs_that_wait_are_bounded"),
    both("MAX_HEADERS", "100", "protocol-core/src/websocket/tests/opening_client.rs::a_head_at_its_limit_passes_and_one_beyond_fails"),
    both("MOST_HEAD_BYTES", "16 KiB", "protocol-core/src/proxy.rs::a_head_at_its_bound_is_read_and_one_byte_more_is_not"),
    both("MOST_INTERIM_ANSWERS", "8", "protocol-core/src/proxy.rs::as_many_interim_answers_as_the_bound_are_skipped_and_one_more_is_not"),
    both("MOST_PHRASE_BYTES", "256", "protocol-core/src/proxy.rs::a_phrase_is_kept_up_to_its_bound"),
    both("peer/mod.rs websocket", "see above", "tests/bench/tests/peer_memory_bound.rs::no_flood_makes_a_peer_hold_more_than_its_bound"),
    both("peer/mod.rs websocket (max_message, sending)", "25 MiB", "protocol-core/src/peer/tests.rs::a_request_that_no_node_could_read_is_not_sent"),
    both("peer/mod.rs transmit_bytes", "64 MiB", "protocol-core/src/peer/tests.rs::what_waits_for_a_node_is_bounded"),
    row("peer/mod.rs transmit_bytes (fault replies)", "64 MiB", "protocol-core/src/peer/tests.rs::faulty_messages_are_told_within_a_limit", "protocol-core/src/peer/tests.rs::a_node_that_sends_faults_and_reads_nothing_fills_no_memory"),
    both("peer/mod.rs fault_replies", "10", "protocol-core/src/peer/tests.rs::fault_replies_at_the_bound_of_their_number_are_sent_and_one_past_it_is_not"),
    both("peer/mod.rs transmit_bytes (replies)", "64 MiB", "protocol-core/src/dialect/openclaw/gateway/tests.rs::a_node_that_says_more_than_it_reads_is_thrown_out"),
    both("peer/mod.rs open_requests", "1,024", "protocol-core/src/dialect/openclaw/gateway/tests.rs::as_many_requests_as_the_bound_are_open_and_one_more_is_refused"),
    both("MOST_CONNECT_BYTES (reading)", "64 KiB", "protocol-core/src/dialect/openclaw/gateway/tests.rs::a_connect_of_65_536_bytes_is_read_and_a_larger_one_is_not"),
    both("MOST_PENDING_FRAMES", "15", "protocol-core/src/dialect/openclaw/gateway/tests.rs::fifteen_frames_may_wait_for_the_decision_and_not_one_more"),
    both("MOST_UNAUTHORIZED", "10", "protocol-core/src/dialect/openclaw/gateway/tests.rs::ten_calls_in_a_row_without_a_right_to_them_are_answered_and_not_one_more"),
    both("MOST_NAME_SHOWN", "64", "protocol-core/src/dialect/openclaw/gateway/schema.rs::a_name_of_64_bytes_is_told_and_a_longer_one_is_cut"),
    both("LONGEST_ORDINARY", "16 letters or digits", "protocol-core/src/secret.rs::what_no_text_holds_by_chance_is_hidden_everywhere"),
    both("LONGEST_APART_MS", "2 min", "protocol-core/src/dialect/openclaw/gateway/tests.rs::a_signature_of_two_minutes_ago_is_still_good"),
    both("MOST_NAME_BYTES (openclaw)", "1 KiB", "protocol-core/src/dialect/openclaw/gateway/tests.rs::the_name_of_a_request_has_1024_bytes_at_most"),
    both("MOST_NAME_BYTES (requests)", "1 KiB", "protocol-core/src/dialect/nodetool/tests.rs::a_user_id_is_quoted_only_when_it_is_short"),
    both("MOST_NAME_BYTES (acknowledgements)", "1 KiB", "protocol-core/src/peer/tests.rs::an_acknowledgement_names_no_endless_request"),
    both("MOST_CAPABILITIES_BYTES", "256 KiB", "protocol-core/src/dialect/nodetool/tests.rs::what_a_node_can_do_must_be_said_in_256_kib"),
    both("MOST_REASON_BYTES", "1 KiB", "protocol-core/src/ledger/bounds.rs::the_reason_of_a_refusal_is_cut"),
    both("MOST_ERROR_BYTES", "64 KiB", "protocol-core/src/node/tests.rs::the_text_of_a_gateways_error_is_cut_and_details_out_of_all_proportion_are_left_out"),
    both("adapters/gateway/src/config.rs connections", "4,096", "adapters/gateway/tests/gateway/limits.rs::as_many_connections_as_the_bound_are_served_and_one_more_waits_its_turn"),
    both("adapters/gateway/src/config.rs nodes", "2,048", "adapters/gateway/src/book/bounds.rs::as_many_nodes_as_the_bound_are_taken_and_one_more_only_in_the_place_of_a_lost_one"),
    both("adapters/gateway/src/config.rs body_bytes", "25 MiB", "adapters/gateway/tests/gateway/limits.rs::a_body_at_the_bound_is_taken_and_one_byte_more_is_not"),
    both("adapters/gateway/src/config.rs in_flight", "4,096", "adapters/gateway/src/book/bounds.rs::as_many_requests_as_the_bound_are_in_flight_and_one_more_is_refused"),
    both("adapters/gateway/src/config.rs unaccepted_bytes", "256 MiB", "adapters/gateway/src/book/bounds.rs::requests_of_as_many_bytes_as_the_bound_wait_and_one_byte_more_is_refused"),
    both("adapters/gateway/src/config.rs finished", "10,000", "adapters/gateway/src/book/bounds.rs::as_many_finished_requests_as_the_bound_are_remembered_and_one_more_makes_the_oldest_go"),
    both("adapters/gateway/src/config.rs events", "10,000", "adapters/gateway/src/book/bounds.rs::as_many_events_as_the_bound_are_kept_and_one_more_makes_the_oldest_go"),
    both("adapters/gateway/src/config.rs event_bytes", "16 MiB", "adapters/gateway/src/book/bounds.rs::events_of_as_many_bytes_as_the_bound_are_kept_and_one_byte_more_makes_the_oldest_go"),
    both("adapters/gateway/src/config.rs kept_bytes", "256 MiB", "adapters/gateway/src/book/bounds.rs::answers_and_events_of_as_many_bytes_as_the_bound_are_kept_and_one_byte_more_makes_the_oldest_go"),
    both("MOST_SENDS", "3", "adapters/gateway/src/book/bounds.rs::a_request_is_sent_three_times_and_not_a_fourth"),
    both("LONGEST_ID", "256 bytes", "adapters/gateway/src/book/bounds.rs::a_job_id_is_kept_up_to_its_bound"),
    both("LARGEST_REGISTRATION", "256 KiB", "adapters/gateway/src/book/bounds.rs::what_a_node_says_of_itself_is_bounded"),
    both("LARGEST_PAGE", "500", "adapters/gateway/tests/gateway/limits.rs::a_page_has_at_most_five_hundred_requests"),
    both("MOST_EVENTS", "256", "adapters/runtime/src/events.rs::as_many_events_as_the_bound_wait_and_one_more_makes_the_oldest_go"),
    both("MOST_BYTES", "16 MiB", "adapters/runtime/src/events.rs::events_of_as_many_bytes_as_the_bound_wait_and_one_byte_more_makes_the_oldest_go"),
    both("adapters/runtime authorize (decisions under way)", "owed", "tests/runtimes/tests/suite/hooks.rs::as_many_decisions_as_the_bound_are_under_way_and_one_more_is_refused"),
    both("MOST_UNOBSERVED_PROGRESS", "1,024", "tests/runtimes/tests/suite/hooks.rs::progress_takes_half_of_the_room_and_one_more_is_missed"),
    both("MOST_UNOBSERVED", "2,048", "adapters/runtime/src/request.rs::as_many_events_as_the_bound_wait_and_one_more_is_missed_where_it_happened"),
    both("MOST_TOKEN_BYTES", "64 KiB", "adapters/runtime/src/credentials.rs::a_token_file_may_have_as_many_bytes_as_the_bound_and_not_one_more"),
    both("MOST_ADDRESSES", "16", "adapters/runtime/src/connect.rs::as_many_addresses_as_the_bound_are_tried_and_one_more_is_not"),
    both("MAX_NODES", "10,000", "adapters/workflows/tests/validation.rs::the_size_of_a_graph_is_bounded"),
    both("MAX_EDGES", "50,000", "adapters/workflows/tests/validation.rs::the_size_of_a_graph_is_bounded"),
    both("MAX_LOOPS", "100", "adapters/workflows/tests/nodes_control.rs::the_loops_of_a_graph_are_bounded"),
    both("MAX_ITERATIONS", "100,000", "adapters/workflows/tests/nodes_control.rs::the_iterations_of_a_loop_are_bounded"),
    both("MAX_DISTINCT_BYTES", "64 MiB", "adapters/workflows/tests/nodes_control.rs::what_distinct_remembers_is_bounded"),
    both("MAX_TABLE_CELLS", "1,000,000", "adapters/workflows/tests/nodes_data.rs::a_table_is_bounded"),
    both("MAX_TABLE_COLUMNS", "1,000", "adapters/workflows/tests/nodes_data.rs::the_columns_of_a_table_are_bounded"),
    both("MAX_CSV_BYTES", "16 MiB", "adapters/workflows/tests/nodes_data.rs::csv_is_bounded"),
    both("MAX_CONDITION", "64 KiB", "adapters/workflows/tests/nodes_data.rs::conditions_are_bounded"),
    both("EDGE_BUFFER", "3", "adapters/workflows/tests/engine.rs::as_many_values_as_the_bound_wait_at_an_input_and_the_sender_of_one_more_waits_too"),
    both("MAX_EDGE_BUFFER", "100,000", "adapters/workflows/tests/engine.rs::a_buffer_grows_to_its_limit_and_no_further"),
    both("EVENT_BUFFER", "64", "adapters/workflows/tests/engine.rs::waiting_events_are_bounded"),
    both("MAX_OUTPUT_VALUES", "100,000", "adapters/workflows/tests/engine.rs::an_output_keeps_a_bounded_number_of_values"),
    both("MAX_COLLECTED", "1,000,000", "adapters/workflows/src/engine/actor.rs::a_list_is_bounded"),
    both("MAX_DEPTH", "100", "adapters/workflows/src/engine/actor.rs::a_list_is_nested_to_a_limit"),
    both("MAX_VALUE", "64 MiB", "adapters/workflows/src/bounds.rs::a_value_is_built_to_its_limit"),
    both("MAX_TEXT", "16 MiB", "adapters/workflows/src/bounds.rs::a_text_grows_to_its_limit"),
    both("MAX_REGEX_TEXT", "4 MiB", "adapters/workflows/tests/nodes_text.rs::the_size_of_a_pattern_and_its_text_is_bounded"),
    both("MAX_REGEX_PROGRAM", "8 MiB", "adapters/workflows/tests/nodes_text.rs::the_size_of_a_pattern_and_its_text_is_bounded"),
    both("MAX_JSON_PATH", "1 KiB", "adapters/workflows/tests/nodes_text.rs::the_work_of_a_json_path_is_bounded"),
    both("MAX_JSON_PATH_DEPTH", "8", "adapters/workflows/tests/nodes_text.rs::the_work_of_a_json_path_is_bounded"),
    both("MAX_JSON_PATH_VISITS", "10,000,000", "adapters/workflows/tests/nodes_text.rs::the_work_of_a_json_path_is_bounded"),
    both("MAX_INDENT", "10", "adapters/workflows/tests/nodes_list.rs::json_is_read_and_written"),
    both("MAX_DATES", "36,525", "adapters/workflows/tests/nodes_date.rs::the_number_of_dates_is_bounded"),
    both("POLL_BUDGET", "256", "adapters/workflows/tests/engine.rs::an_endless_stream_lets_its_host_work"),
    both("DRAIN_BUDGET", "10,000", "adapters/workflows/tests/budgets.rs::what_is_under_way_when_a_node_fails_goes_on_for_its_budget_and_no_longer"),
    both("MAX_NODE_UPDATE_VALUE", "16 KiB", "adapters/workflows/src/engine/event.rs::large_values_are_described"),
    both("MAX_TEMPLATE_OUTPUT", "4 MiB", "adapters/workflows/tests/nodes.rs::templates_are_bounded_in_size"),
    both("MAX_TEMPLATE_SOURCE", "1 MiB", "adapters/workflows/tests/nodes.rs::templates_are_bounded_in_size"),
    both("TEMPLATE_FUEL", "1,000,000", "adapters/workflows/tests/budgets.rs::a_template_may_use_its_fuel_and_no_more"),
    both("TEMPLATE_RECURSION", "64", "adapters/workflows/tests/budgets.rs::macros_may_call_each_other_to_their_depth_and_no_deeper"),
    both("MAX_WORKFLOW_FILE", "25 MiB", "adapters/commands/tests/commands.rs::a_broken_file_is_reported_and_hides_nothing"),
    both("MAX_WORKFLOW_FILES", "10,000", "adapters/commands/tests/commands.rs::the_number_of_files_is_bounded"),
    both("node/config.rs calls", "1,024", "protocol-core/src/dialect/openclaw/tests/calls.rs::calls_without_a_reply_are_bounded"),
    both("MOST_CONNECT_BYTES", "64 KiB", "protocol-core/src/dialect/openclaw/tests/handshake.rs::the_path_gives_way_to_the_commands_and_then_there_is_no_more_room"),
    both("MOST_BYTES", "25 MiB, or what the gateway says", "protocol-core/src/dialect/openclaw/tests/invokes.rs::a_result_goes_as_text_as_it_is_or_not_at_all_as_the_gateway_has_room"),
    both("websocket/limits.rs max_message (openclaw)", "25 MiB", "protocol-core/src/dialect/openclaw/tests/closing.rs::what_a_gateway_says_has_as_many_bytes_as_this_node_takes_and_not_one_more"),
    both("MOST_OPERATOR_BYTES", "100 MiB", "adapters/tokio/tests/operator/asking.rs::a_message_of_100_mib_is_read_and_one_byte_more_is_not"),
    both("MOST_CHUNK_UNITS", "16,384", "protocol-core/src/dialect/openclaw/tests/invokes.rs::progress_goes_in_numbered_pieces_of_16384_units"),
    both("LONGEST_DELAY", "5 s", "protocol-core/src/dialect/openclaw/tests/publications.rs::what_is_said_too_early_is_said_again_and_a_missing_approval_is_told"),
    both("MOST_SETUP_CODE_BYTES", "24 KiB", "protocol-core/src/dialect/openclaw/setup_code.rs::eight_places_and_24_kib_are_the_most"),
    both("MOST_CANDIDATES", "8", "protocol-core/src/dialect/openclaw/setup_code.rs::eight_places_and_24_kib_are_the_most"),
    both("MOST_TEXT_BYTES", "512", "protocol-core/src/dialect/openclaw/refusal.rs::anything_is_read_and_cut_to_size"),
    both("adapters/nodes/src/limits.rs response_bytes", "16 MiB", "adapters/nodes/tests/nodes/http.rs::an_answer_at_the_bound_is_taken_and_a_larger_one_is_not"),
    both("adapters/nodes/src/limits.rs request_bytes", "16 MiB", "adapters/nodes/tests/nodes/http.rs::a_body_at_the_bound_is_sent_and_a_larger_one_is_not"),
    both("adapters/nodes/src/limits.rs request_time", "30 s", "adapters/nodes/tests/nodes/http.rs::a_server_that_says_nothing_is_given_up"),
    both("adapters/nodes/src/limits.rs redirects", "10", "adapters/nodes/tests/nodes/http.rs::redirects_are_followed_up_to_the_bound"),
    both("adapters/nodes/src/limits.rs requests_at_once", "64", "adapters/nodes/tests/nodes/http.rs::as_many_requests_as_the_bound_run_and_one_more_waits"),
    both("adapters/nodes/src/limits.rs file_bytes", "16 MiB", "adapters/nodes/tests/nodes/files.rs::a_file_at_the_bound_is_read_and_written_and_a_larger_one_is_not"),
    both("adapters/nodes/src/limits.rs listed_entries", "100,000", "adapters/nodes/tests/nodes/files.rs::as_many_entries_as_the_bound_are_listed_and_one_more_is_an_error"),
    both("adapters/nodes/src/limits.rs folder_depth", "64", "adapters/nodes/tests/nodes/files.rs::folders_are_entered_as_deep_as_the_bound_and_no_deeper"),
    both("adapters/nodes/src/limits.rs rows", "10,000", "adapters/nodes/tests/nodes/sqlite.rs::as_many_rows_as_the_bound_are_given_and_one_more_is_an_error"),
    both("adapters/nodes/src/limits.rs row_bytes", "16 MiB", "adapters/nodes/tests/nodes/sqlite.rs::rows_at_the_bound_of_their_size_are_given_and_larger_ones_are_not"),
    both("adapters/nodes/src/limits.rs query_time", "30 s", "adapters/nodes/tests/nodes/sqlite.rs::a_statement_may_take_its_time_and_no_more"),
    both("adapters/nodes/src/limits.rs code_source_bytes", "1 MiB", "adapters/nodes/tests/nodes/code.rs::code_at_the_bound_runs_and_longer_code_does_not"),
    both("adapters/nodes/src/limits.rs code_memory_bytes", "64 MiB", "adapters/nodes/tests/nodes/code.rs::no_script_takes_more_memory_than_it_may"),
    both("adapters/nodes/src/limits.rs code_output_bytes", "16 MiB", "adapters/nodes/tests/nodes/code.rs::outputs_at_the_bound_are_given_and_a_byte_more_is_not"),
    both("adapters/nodes/src/limits.rs code_log_lines", "1,000", "adapters/nodes/tests/nodes/code.rs::as_many_lines_as_the_bound_are_logged_and_one_more_is_counted"),
    both("adapters/nodes/src/limits.rs code_time", "5 min", "adapters/nodes/tests/nodes/code.rs::a_script_at_the_bound_of_its_time_is_told_so"),
    both("adapters/nodes/src/limits.rs scripts_at_once", "8", "adapters/nodes/tests/nodes/code.rs::as_many_scripts_as_the_bound_run_and_one_more_waits"),
    both("adapters/nodes/src/limits.rs model_bytes", "16 MiB", "adapters/nodes/tests/nodes/models.rs::an_answer_at_the_bound_is_taken_and_a_larger_one_is_not"),
    both("adapters/nodes/src/limits.rs model_silence", "2 min", "adapters/nodes/tests/nodes/models.rs::a_model_that_falls_silent_is_given_up"),
    both("adapters/nodes/src/limits.rs model_time", "30 min", "adapters/nodes/tests/nodes/models.rs::a_model_that_falls_silent_is_given_up"),
    both("adapters/nodes/src/limits.rs command_output_bytes", "4 MiB", "adapters/nodes/tests/nodes/commands.rs::output_at_the_bound_is_given_and_more_ends_the_command"),
    both("adapters/nodes/src/limits.rs command_time", "5 min", "adapters/nodes/tests/nodes/commands.rs::a_command_may_take_its_time_and_no_more"),
    both("adapters/nodes/src/limits.rs commands_at_once", "16", "adapters/nodes/tests/nodes/commands.rs::as_many_commands_as_the_bound_run_and_one_more_waits"),
    both("MAX_STACK", "2 MiB", "adapters/nodes/tests/nodes/code.rs::functions_call_each_other_to_a_depth"),
    both("MOST_OUTPUTS", "100,000", "adapters/nodes/tests/nodes/code.rs::outputs_at_the_bound_are_given_and_a_byte_more_is_not"),
    both("MOST_LINE_BYTES", "8 KiB", "adapters/nodes/tests/nodes/code.rs::as_many_lines_as_the_bound_are_logged_and_one_more_is_counted"),
    both("MOST_LOG_BYTES (script)", "1 MiB", "adapters/nodes/tests/nodes/code.rs::as_many_lines_as_the_bound_are_logged_and_one_more_is_counted"),
    both("MOST_MODELS", "10,000", "adapters/nodes/tests/nodes/models.rs::a_list_of_as_many_models_as_the_bound_is_given_and_no_more"),
    both("MOST_METADATA_BYTES", "256 KiB", "tests/runtimes/tests/suite/connecting.rs::metadata_of_256_kib_is_said_and_not_a_byte_more"),
    both("MOST_MODELS_OF_A_SOURCE", "10,000", "adapters/store/tests/models.rs::a_source_offers_as_many_models_as_the_bound_and_not_one_more"),
    both("MOST_MODELS (in the store)", "100,000", "adapters/store/src/models.rs::as_many_models_as_the_bound_are_kept_and_beyond_it_the_offers_not_seen_for_long_go"),
    both("MAX_MODELS_LIMIT", "200", "adapters/commands/tests/models.rs::models_are_listed_as_the_filters_say"),
    both("MAX_COLLECTIONS_LIMIT", "100", "adapters/commands/tests/commands.rs::collections_are_listed_counted_and_found_by_their_user_only"),
    both("MAX_NODE_EVENTS", "100", "adapters/commands/tests/jobs.rs::of_a_node_in_a_stream_as_many_events_as_the_bound_are_kept_and_not_one_more"),
    both("MAX_BACKGROUND_JOBS", "8", "adapters/commands/tests/jobs.rs::as_many_background_jobs_as_the_bound_run_and_one_more_is_scheduled"),
    both("MAX_WAITING_JOBS", "1,000", "adapters/commands/tests/jobs.rs::as_many_background_jobs_as_the_bound_wait_and_one_more_is_refused"),
    both("MAX_LIST_LIMIT", "10,000", "adapters/commands/tests/commands.rs::wrong_arguments_are_named"),
    both("MOST_PAGE_ROWS", "10,000", "adapters/store/src/page.rs::a_page_has_at_least_one_row_and_at_most_the_bound"),
    both("MOST_LOGS", "1,000", "adapters/store/tests/store.rs::the_newest_1000_logs_of_a_job_are_kept_and_not_one_more"),
    both("MOST_EVENTS (store)", "10,000", "adapters/store/tests/store.rs::the_newest_10_000_events_of_a_job_are_kept_and_not_one_more"),
    both("MOST_JOBS", "100,000", "adapters/store/src/jobs.rs::ended_jobs_beyond_the_bound_go_and_others_stay"),
    both("MOST_HISTORY_BYTES", "4 GiB", "adapters/store/src/history.rs::jobs_of_as_many_bytes_as_the_bound_are_kept_and_past_it_the_oldest_ended_one_goes"),
    both("MOST_WAITING_ROWS", "10,000", "adapters/store/src/writer.rs::as_many_records_as_the_bound_wait_and_one_more_is_dropped_and_counted"),
    both("MOST_WAITING_BYTES", "16 MiB", "adapters/store/src/writer.rs::records_of_as_many_bytes_as_the_bound_wait_and_one_byte_more_is_dropped"),
    both("MOST_BATCHED", "1,000", "adapters/store/src/writer.rs::a_transaction_takes_as_much_as_its_bound_and_not_one_more"),
    both("MOST_LOG_BYTES", "64 KiB", "adapters/store/tests/store.rs::long_logs_are_cut_and_of_large_events_the_size_is_kept"),
    both("MOST_EVENT_BYTES", "64 KiB", "adapters/store/tests/store.rs::long_logs_are_cut_and_of_large_events_the_size_is_kept"),
    both("MOST_RESULT_BYTES", "1 MiB", "adapters/store/tests/store.rs::a_result_of_as_many_bytes_as_the_bound_is_kept_and_of_a_larger_one_the_size"),
    both("MOST_WORKFLOW_BYTES", "25 MiB", "adapters/store/tests/store.rs::a_workflow_of_25_mib_is_kept_and_a_larger_one_is_not"),
    both("MOST_IDLE_READERS", "4", "adapters/store/src/store.rs::as_many_readers_as_the_bound_are_kept_and_not_one_more"),
    both("MOST_NAME_BYTES (store)", "1 KiB", "adapters/store/tests/assets.rs::names_metadata_and_depth_have_bounds"),
    both("MOST_METADATA_BYTES", "64 KiB", "adapters/store/tests/assets.rs::names_metadata_and_depth_have_bounds"),
    both("MOST_FOLDER_DEPTH", "64", "adapters/store/tests/assets.rs::names_metadata_and_depth_have_bounds"),
    both("MOST_ASSET_BYTES", "4 GiB", "adapters/store/src/assets.rs::a_file_of_as_many_bytes_as_the_bound_is_copied_and_one_byte_more_is_not"),
    both("MOST_ADDED_DOCUMENTS", "10,000", "adapters/store/tests/collections.rs::documents_have_bounds_in_number_and_size"),
    both("MOST_DOCUMENT_BYTES", "4 MiB", "adapters/store/tests/collections.rs::documents_have_bounds_in_number_and_size"),
];

/// Bounds without a row yet, and why each is less urgent than the others.
const GAPS: &[(&str, &str)] = &[
    ("MAX_CHUNK_LINE", "within max_head's and the floods' reach; http.rs"),
    ("MOST_MESSAGE_BYTES", "cuts a failure's sentence, which the ledger's budgets bound before"),
    ("MAX_CONTROL", "a rule of RFC 6455, tested with the frames"),
    ("MAX_HEADER", "a fact of RFC 6455, no bound of ours"),
    ("MOST_IDLE", "memory the recorder keeps between blocks, not data"),
    ("MOST_SPARE", "memory the recording keeps between batches, not data"),
    ("MOST_HELD", "the recorder ends the recording past it"),
    ("MOST_FORMS", "forms in which the recorder looks for secrets"),
    ("MOST_KNOWN", "secrets that the recorder knows at once"),
    (
        "MOST_WITHHELD",
        "the recorder ends the recording past it; tested at it and past it in recording/tests/openclaw.rs",
    ),
    ("MOST_FINISHED", "a full part of a recording waits for its taker past it"),
    ("LARGEST_BODY", "what a checkpoint leaves out, to be supplied later"),
    ("LARGEST_PLACEHOLDER", "what a damaged recording may claim"),
    ("MOST_PLACEHOLDERS", "what a damaged recording may claim"),
    ("MOST_COUNTED", "what a damaged recording may claim"),
    ("LONGEST_NUMBER", "a fact of the recording's form"),
    ("MOST_WAITING", "the recording ends when its file is so far behind"),
    ("MOST_TO_WRITE", "the recording ends when its file is so far behind"),
    ("LARGEST_HEAD", "the HTTP library's own bound, given by the gateway"),
    ("LONGEST_STATUS", "cuts a word for display"),
    ("MAX_EVENT", "the client of the gateway, which trusts its gateway"),
    ("LARGEST_REFUSAL", "the client of the gateway, which trusts its gateway"),
    ("LONGEST_RETRY_AFTER", "a time, tested with the reconnects"),
    ("LONGEST_STALL", "a time, tested with the pongs"),
    ("DEFAULT_MAX", "a default of a node's property"),
    ("MOST_SHOWN", "cuts a list of options for display"),
    ("MOST_WAITING_PIECES", "a model's answer waits for its node past it"),
    ("MOST_WAITING_LINES", "a command waits for its node past it"),
    ("MOST_ERROR", "cuts texts for display"),
    ("MOST_STDOUT", "cuts texts for display"),
    ("LONGEST_WAIT", "a time, within query_time, tested with the locked database"),
    ("MOST", "cuts texts for display"),
    ("LONGEST", "cuts texts for display"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it has a parent").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_test_in_the_table_exists() {
    for Row { limit, default, at, past } in TABLE {
        assert!(!default.is_empty(), "{limit}");
        for test in [at, past] {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{limit}: {test}"));
            let test = format!("fn {name}(");
            assert!(read(file).contains(&test), "{limit}: no {name} in {file}");
        }
    }
}

#[test]
fn every_field_of_a_limits_has_a_row() {
    for (file, short) in [
        ("protocol-core/src/node/config.rs", "node/config.rs"),
        ("protocol-core/src/websocket/limits.rs", "websocket/limits.rs"),
        ("protocol-core/src/peer/mod.rs", "peer/mod.rs"),
        ("adapters/gateway/src/config.rs", "adapters/gateway/src/config.rs"),
        ("adapters/nodes/src/limits.rs", "adapters/nodes/src/limits.rs"),
    ] {
        let source = read(file);
        let (_, fields) = source.split_once("pub struct Limits {").expect("it has limits");
        let (fields, _) = fields.split_once("\n}").expect("they end");
        let names =
            fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
        for name in names {
            let limit = format!("{short} {name}");
            assert!(TABLE.iter().any(|row| row.limit == limit), "no row for {limit}");
        }
    }
}

#[test]
fn every_constant_named_like_a_bound_has_a_row_or_a_reason() {
    let crates = [
        "protocol-core",
        "adapters/gateway",
        "adapters/runtime",
        "adapters/tokio",
        "adapters/async-std",
        "adapters/smol",
        "adapters/nodes",
        "adapters/commands",
        "adapters/store",
        "adapters/workflows",
    ];
    let mut seen = 0;
    for file in crates.iter().flat_map(|path| sources(&root().join(path).join("src"))) {
        let source = fs::read_to_string(&file).expect("it was listed");
        for name in source.lines().filter_map(constant).filter(|name| is_bound(name)) {
            seen += 1;
            let known = TABLE.iter().any(|row| row.limit.split(' ').next() == Some(name));
            let excused = GAPS.iter().any(|(gap, _)| *gap == name);
            assert!(known || excused, "{name} in {} has neither", file.display());
            assert!(!(known && excused), "{name} has both");
        }
    }
    assert!(seen > 40, "{seen}");
}

/// The name of the number that a line declares.
fn constant(line: &str) -> Option<&str> {
    let (_, declared) = line.split_once("const ")?;
    let (name, kind) = declared.split_once(": ")?;
    let number = ["usize", "u32", "u64", "Duration"].iter().any(|number| kind.starts_with(number));
    number.then_some(name)
}

fn is_bound(name: &str) -> bool {
    ["MOST", "MAX", "LONGEST", "LARGEST"].iter().any(|start| name.starts_with(start))
        || ["_BUFFER", "_BUDGET", "_FUEL", "_RECURSION"]
            .iter()
            .any(|end| name.ends_with(end) && name != "READ_BUFFER")
}

/// The Rust files below a folder, without tests of their own and fuzz targets.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("it can be read").path();
        let skipped = path.ends_with("fuzzing") || path.ends_with("tests");
        if path.is_dir() && !skipped {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
