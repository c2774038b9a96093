//! What a node says of its machine, and finds on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clawnode_tokio::{Context, Failed, HostStats, NodeBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sysinfo::{Disks, MemoryRefreshKind, System};

/// Registers `system.which`, which looks for programs and runs none.
pub(crate) fn serve(builder: NodeBuilder) -> NodeBuilder {
    builder.blocking_command(WHICH, |_: Context, params: Which| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        Ok::<_, Failed>(Found { bins: which(params.bins, &folders) })
    })
}

/// The JSON Schema of the arguments of `system.which`.
pub(crate) fn which_parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "bins": {
                "type": "array",
                "items": { "type": "string" },
                "description": "The names of the programs; the answer has the paths of those that are found.",
            },
        },
        "required": ["bins"],
    })
}

/// Names of programs (openclaw page 12.2).
#[derive(Deserialize)]
struct Which {
    bins: Vec<String>,
}

/// Their absolute paths; those that were not found are left out.
#[derive(Serialize)]
struct Found {
    bins: BTreeMap<String, String>,
}

fn which(bins: Vec<String>, folders: &[PathBuf]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for bin in bins {
        let name = bin.trim();
        if name.is_empty() || name.contains('/') {
            continue;
        }
        let places = folders.iter().filter(|folder| folder.is_absolute());
        if let Some(place) = places.map(|folder| folder.join(name)).find(|place| place.is_file()) {
            found.insert(name.to_owned(), place.to_string_lossy().into_owned());
        }
    }
    found
}

/// How this machine is doing; `data` is on the disk that counts.
pub(crate) fn host_stats(data: &Path) -> HostStats {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let load = System::load_average();
    let disks = Disks::new_with_refreshed_list();
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let disk = disks
        .list()
        .iter()
        .filter(|disk| data.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len());
    HostStats {
        cpu_count: std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        load_average: [load.one, load.five, load.fifteen],
        memory_total_bytes: system.total_memory(),
        memory_free_bytes: system.available_memory(),
        disk_total_bytes: disk.map_or(0, |disk| disk.total_space()),
        disk_available_bytes: disk.map_or(0, |disk| disk.available_space()),
    }
}

/// The command's name.
pub(crate) const WHICH: &str = "system.which";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_bare_names_in_the_first_folder_that_has_them() {
        let folder = std::env::temp_dir().join(format!("clawnode-which-{}", std::process::id()));
        let (first, second) = (folder.join("first"), folder.join("second"));
        for place in [&first, &second] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::write(place.join("tool"), "").unwrap();
        }
        std::fs::write(second.join("other"), "").unwrap();
        let asked = [" tool ", "other", "absent", "", "  ", "a/tool", "first"];
        let found = which(
            asked.map(str::to_owned).to_vec(),
            &[PathBuf::from("relative"), first.clone(), second.clone()],
        );
        let expected = BTreeMap::from([
            ("tool".to_owned(), first.join("tool").to_string_lossy().into_owned()),
            ("other".to_owned(), second.join("other").to_string_lossy().into_owned()),
        ]);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn this_machine_has_processors_memory_and_a_disk() {
        let stats = host_stats(Path::new("/"));
        assert!(stats.cpu_count > 0 && stats.memory_total_bytes > 0);
        assert!(stats.memory_free_bytes <= stats.memory_total_bytes);
    }
}
