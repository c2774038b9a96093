//! The suite on async-std.

mod suite;

use async_std::task::block_on;
use clawnode_async_std::AsyncStd as Tested;
