//! What workflows may reach outside this program.

use std::path::{Path, PathBuf};

use clap::Args;
use clawnode_nodes::{Access, ModelService};
use clawnode_protocol::Secret;

use crate::error::Failure;
use crate::options::http_url;
use crate::options::switch::Switch;

/// What workflows that run in this process may reach: nothing that is not said here.
#[derive(Debug, Args)]
pub(crate) struct AccessOptions {
    /// Let workflows ask this host over HTTP: example.org, *.example.org, example.org:8443, or * for every host; without a port
    /// all its ports are meant. May be given several times
    #[arg(long, env = "CLAWNODE_ALLOW_HOST", value_name = "HOST", value_delimiter = ',', help_heading = HEADING)]
    pub(crate) allow_host: Vec<String>,
    /// Let the allowed hosts be on this machine, in its network, or at other addresses that are not public
    #[arg(long, env = "CLAWNODE_ALLOW_PRIVATE_ADDRESSES", value_parser = Switch, help_heading = HEADING)]
    pub(crate) allow_private_addresses: bool,
    /// Let workflows read and write files below this folder; may be given several times. Paths that are not absolute are below the
    /// first
    #[arg(long, env = "CLAWNODE_ALLOW_FOLDER", value_name = "DIR", value_delimiter = ',', help_heading = HEADING)]
    pub(crate) allow_folder: Vec<PathBuf>,
    /// Let workflows change the SQLite databases in the allowed folders, not only read them
    #[arg(long, env = "CLAWNODE_ALLOW_DATABASE_WRITES", value_parser = Switch, help_heading = HEADING)]
    pub(crate) allow_database_writes: bool,
    /// Let workflows run commands of the system, which can do anything that this program can
    #[arg(long, env = "CLAWNODE_ALLOW_COMMANDS", value_parser = Switch, help_heading = HEADING)]
    pub(crate) allow_commands: bool,
    /// An OpenAI-compatible API whose models workflows may ask, such as http://127.0.0.1:11434/v1
    #[arg(long, env = "CLAWNODE_MODELS_URL", value_name = "URL", value_parser = http_url, help_heading = HEADING)]
    pub(crate) models_url: Option<String>,
    /// The key of that API; on a command line other users of this machine can see it, unlike in a file or the environment
    #[arg(long, env = "CLAWNODE_MODELS_KEY", value_name = "KEY", hide_env_values = true, help_heading = HEADING)]
    pub(crate) models_key: Option<String>,
    /// A file with the key of that API. Goes before --models-key
    #[arg(long, env = "CLAWNODE_MODELS_KEY_FILE", value_name = "FILE", requires = "models_url", help_heading = HEADING)]
    pub(crate) models_key_file: Option<PathBuf>,
    /// The model of nodes that name none
    #[arg(long, env = "CLAWNODE_MODEL", value_name = "ID", help_heading = HEADING)]
    pub(crate) model: Option<String>,
}

pub(crate) const HEADING: &str = "What workflows may reach";

impl AccessOptions {
    pub(crate) fn access(&self) -> Result<Access, Failure> {
        self.check_features()?;
        let mut access = Access::default();
        // An empty environment variable is one that is not set.
        for host in self.allow_host.iter().map(|host| host.trim()).filter(|host| !host.is_empty()) {
            let host =
                host.parse().map_err(|error| Failure::usage(format!("--allow-host: {error}")))?;
            access = access.allow_host(host);
        }
        for folder in self.allow_folder.iter().filter(|folder| !folder.as_os_str().is_empty()) {
            access = access
                .allow_folder(folder)
                .map_err(|error| Failure::usage(format!("--allow-folder: {error}")))?;
        }
        if self.allow_private_addresses {
            access = access.allow_private_addresses();
        }
        if self.allow_database_writes {
            access = access.allow_database_writes();
        }
        if self.allow_commands {
            access = access.allow_commands();
        }
        if let Some(url) = &self.models_url {
            let key = match (&self.models_key_file, &self.models_key) {
                (Some(file), _) => Some(read_key(file)?),
                (None, Some(key)) if !key.trim().is_empty() => Some(Secret::new(key.trim())),
                (None, _) => None,
            };
            let model = self.model.clone().filter(|model| !model.is_empty());
            access = access.models(ModelService::new(url).key(key).default_model(model));
        }
        Ok(access)
    }

    /// What this program was built without cannot be allowed.
    fn check_features(&self) -> Result<(), Failure> {
        let has_host = self.allow_host.iter().any(|host| !host.trim().is_empty());
        let has_folder = self.allow_folder.iter().any(|folder| !folder.as_os_str().is_empty());
        let asked = [
            ("--allow-host", has_host, cfg!(feature = "http"), "http"),
            (
                "--allow-folder",
                has_folder,
                cfg!(any(feature = "files", feature = "sqlite")),
                "files",
            ),
            (
                "--allow-database-writes",
                self.allow_database_writes,
                cfg!(feature = "sqlite"),
                "sqlite",
            ),
            ("--allow-commands", self.allow_commands, cfg!(feature = "commands"), "commands"),
            ("--models-url", self.models_url.is_some(), cfg!(feature = "models"), "models"),
        ];
        match asked.iter().find(|(_, given, built, _)| *given && !built) {
            None => Ok(()),
            Some((option, _, _, feature)) => Err(Failure::usage(format!(
                "{option}: this program was built without the feature `{feature}`"
            ))),
        }
    }
}

fn read_key(file: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read the key from {}: {error}", file.display()))
    })?;
    match text.trim() {
        "" => Err(Failure::usage(format!("the key file {} is empty", file.display()))),
        key => Ok(Secret::new(key)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Just {
        #[command(flatten)]
        access: AccessOptions,
    }

    fn access(arguments: &[&str]) -> Result<Access, Failure> {
        Just::parse_from([&["clawnode"], arguments].concat()).access.access()
    }

    #[test]
    fn nothing_is_allowed_that_is_not_said() {
        let access = access(&[]).unwrap_or_else(|failure| panic!("{}", failure.message()));
        assert_eq!(format!("{access:?}"), format!("{:?}", Access::default()));
    }

    #[test]
    fn what_is_said_is_allowed() {
        let said = [
            "--allow-host",
            "a.org,*.b.org",
            "--models-url",
            "http://127.0.0.1/v1",
            "--models-key",
            "s3cret",
            "--model",
            "m",
        ];
        let access = access(&said).unwrap_or_else(|failure| panic!("{}", failure.message()));
        let hosts: Vec<_> = access.hosts().iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["a.org", "*.b.org"]);
        let models = access.model_service().unwrap();
        assert_eq!(models.key, Some(Secret::new("s3cret")));
        assert_eq!(models.default_model.as_deref(), Some("m"));
    }

    #[test]
    fn what_cannot_be_allowed_is_told_with_its_option() {
        for (said, expected) in [
            (["--allow-host", "http://a.org"], "--allow-host: \"http://a.org\" is no host"),
            (
                ["--allow-folder", "/no/such/folder"],
                "--allow-folder: the folder /no/such/folder cannot be used",
            ),
        ] {
            let Err(failure) = access(&said) else { panic!("{said:?}") };
            assert!(failure.message().contains(expected), "{}", failure.message());
        }
    }
}
