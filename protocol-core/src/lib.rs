//! core
mod random;
