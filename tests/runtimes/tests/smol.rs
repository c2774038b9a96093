//! The suite on smol.

mod suite;

use clawnode_smol::Smol as Tested;
use smol::block_on;
