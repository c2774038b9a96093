use crate::nodes::{
    input::{input, path},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    input("FilePathInput", "File Path Input", "path of a file", path("file_path"))
}
