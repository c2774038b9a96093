use crate::nodes::{
    input::{input, path},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    input("FolderPathInput", "Folder Path Input", "path of a folder", path("folder_path"))
}
