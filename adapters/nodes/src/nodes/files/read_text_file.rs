use std::io::Read;

use clawnode_workflows::{NodeContext, NodeError, NodeType, TypeDescriptor};
use serde::Deserialize;

use super::{encoding, find_encoding, path};
use crate::access::Access;
use crate::blocking::unblock;
use crate::folders::Place;
use crate::limits::shown_bytes;

#[derive(Deserialize)]
struct ReadTextFile {
    path: String,
    encoding: String,
}

pub(super) fn node(access: &Access) -> NodeType {
    let access = access.clone();
    NodeType::new("nodetool.workspace.ReadTextFile", "Read Text File", "Reads a file as text.")
        .alias("lib.os.ReadTextFile")
        .property(path())
        .property(encoding())
        .output("output", TypeDescriptor::str())
        .process(move |p: ReadTextFile, _: NodeContext| {
            let access = access.clone();
            unblock(move |_| read(&access, &p))
        })
}

fn read(access: &Access, p: &ReadTextFile) -> Result<String, NodeError> {
    let encoding = find_encoding(&p.encoding)?;
    let place = Place::find(access, &p.path)?;
    let most = access.bounds().file_bytes;
    let dir = place.dir()?;
    let unreadable = |error| place.error("be read", &error);
    // A pipe or a device could keep its reader for ever.
    if !dir.metadata(&place.below).map_err(unreadable)?.is_file() {
        return Err(format!("{:?} is no file", place.given()).into());
    }
    let file = dir.open(&place.below).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most {
        return Err(format!("{:?} is larger than {}", place.given(), shown_bytes(most)).into());
    }
    let (text, _, faulty) = encoding.decode(&bytes);
    if faulty {
        return Err(format!(
            "{:?} is not text in {}; set another encoding",
            place.given(),
            encoding.name()
        )
        .into());
    }
    Ok(text.into_owned())
}
