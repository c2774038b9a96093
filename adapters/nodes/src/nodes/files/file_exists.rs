use std::io::ErrorKind;

use clawnode_workflows::{NodeContext, NodeType, TypeDescriptor};
use serde::Deserialize;

use super::path;
use crate::access::Access;
use crate::blocking::unblock;
use crate::folders::Place;

#[derive(Deserialize)]
struct FileExists {
    path: String,
}

pub(super) fn node(access: &Access) -> NodeType {
    let access = access.clone();
    NodeType::new(
        "lib.os.FileExists",
        "File Exists",
        "Whether there is a file or folder at a path.",
    )
    .property(path())
    .output("output", TypeDescriptor::bool())
    .process(move |p: FileExists, _: NodeContext| {
        let access = access.clone();
        unblock(move |_| {
            let place = Place::find(&access, &p.path)?;
            match place.dir()?.metadata(&place.below) {
                Ok(_) => Ok(true),
                Err(error) => match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(false),
                    _ => Err(place.error("be looked at", &error)),
                },
            }
        })
    })
}
