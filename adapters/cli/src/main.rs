//! A node of an agent gateway in one small program.
fn main() {}
