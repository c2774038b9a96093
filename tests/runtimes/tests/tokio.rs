//! The suite on tokio, on one thread as in the smallest programs.

mod suite;

use clawnode_tokio::Tokio as Tested;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let one_thread = tokio::runtime::Builder::new_current_thread().enable_all().build();
    one_thread.expect("it can be built").block_on(future)
}
