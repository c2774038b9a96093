//! What this machine keeps as a device of OpenClaw gateways: its identity, and what gateways gave it.
//!
//! ```text
//! DIR/identity.json           the device's key, made once, for its owner's eyes only
//! DIR/identity.lock           held for as long as a process is connected as this device
//! DIR/gateways/HASH.json      per gateway: what it speaks, and the token it gave
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clawnode_protocol::dialect;
use clawnode_tokio::Secret;
use clawnode_tokio::openclaw::{DeviceToken, DeviceTokens, Identity};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use etcetera::BaseStrategy;
use fs4::fs_std::FileExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Failure;

/// The folder of all this.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Held while this process is connected as this device.
#[derive(Debug)]
pub(crate) struct IdentityLock {
    _file: File,
}

/// The token of one gateway and role.
#[derive(Debug, Clone)]
pub(crate) struct FileTokens {
    data: DataDir,
    url: String,
    role: String,
}

#[derive(Serialize, Deserialize)]
struct IdentityFile {
    version: u32,
    device_id: String,
    seed: Zeroizing<String>,
}

/// What is known of one gateway.
#[derive(Default, Serialize, Deserialize)]
struct Gateway {
    /// Without the query, which may hold a token.
    url: String,
    dialect: Option<String>,
    #[serde(default)]
    tokens: Vec<Token>,
}

#[derive(Serialize, Deserialize)]
struct Token {
    device_id: String,
    role: String,
    scopes: Vec<String>,
    token: Zeroizing<String>,
}

impl DataDir {
    /// The folder that the option names, or the platform's own place for such data. It is made when something is to be kept.
    pub(crate) fn open(chosen: Option<&Path>) -> Result<Self, Failure> {
        let path = match chosen {
            Some(path) => path.to_owned(),
            None => default_path()?,
        };
        if path.exists() && !path.is_dir() {
            return Err(Failure::usage(format!(
                "--data-dir: {} is a file; give a folder",
                path.display()
            )));
        }
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the identity is kept.
    pub(crate) fn identity_path(&self) -> PathBuf {
        self.path.join("identity.json")
    }

    /// The device's identity, made now if there is none and `create` says so.
    pub(crate) fn identity(&self, create: bool) -> Result<Option<Identity>, Failure> {
        let path = self.identity_path();
        let text = match read_private(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if create { self.new_identity().map(Some) } else { Ok(None) };
            }
            Err(error) => return Err(unusable(&path, &error)),
        };
        let file: IdentityFile =
            serde_json::from_str(&text).map_err(|_| unusable(&path, &"it is no identity file"))?;
        if file.version != VERSION {
            return Err(unusable(&path, &"a newer clawnode wrote it; use that one"));
        }
        let identity = seed(&file.seed).map(Identity::from_seed);
        match identity {
            Some(identity) if identity.device_id() == file.device_id => Ok(Some(identity)),
            _ => Err(unusable(
                &path,
                &"it is damaged; restore it, or make a new one with `clawnode identity new --force`",
            )),
        }
    }

    /// Makes a new identity in place of whatever there is, which stays as `identity.json.1`.
    pub(crate) fn new_identity(&self) -> Result<Identity, Failure> {
        let path = self.identity_path();
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|error| unusable(&path, &error))?;
        let identity = Identity::from_seed(*seed);
        let file = IdentityFile {
            version: VERSION,
            device_id: identity.device_id().to_owned(),
            seed: Zeroizing::new(BASE64URL_NOPAD.encode(&*seed)),
        };
        let old = path.with_extension("json.1");
        match fs::rename(&path, &old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(&path, &error)),
        }
        self.write_private(&path, &file).map_err(|error| unusable(&path, &error))?;
        Ok(identity)
    }

    /// Makes sure that no other process is connected as this device: of two such connections the older is dead without knowing.
    pub(crate) fn lock(&self) -> Result<IdentityLock, Failure> {
        let path = self.path.join("identity.lock");
        let failed = |error: &dyn std::fmt::Display| unusable(&path, error);
        self.make().map_err(|error| failed(&error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = private(&mut options).open(&path).map_err(|error| failed(&error))?;
        if !FileExt::try_lock_exclusive(&file).map_err(|error| failed(&error))? {
            let holder = noted_holder(&mut file);
            return Err(Failure::usage(format!(
                "another clawnode ({holder}) is connected as this device; stop it, or give this one another --data-dir"
            )));
        }
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(|error| failed(&error))?;
        Ok(IdentityLock { _file: file })
    }

    /// The process that is connected as this device, if there is one: its id, or "another process" if it did not say. Looks only.
    pub(crate) fn holder(&self) -> io::Result<Option<String>> {
        let mut file = match File::open(self.path.join("identity.lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(if FileExt::try_lock_shared(&file)? { None } else { Some(noted_holder(&mut file)) })
    }

    /// Where the token of this gateway is kept.
    pub(crate) fn tokens(&self, url: &str, role: &str) -> FileTokens {
        FileTokens { data: self.clone(), url: url.to_owned(), role: role.to_owned() }
    }

    /// What this gateway spoke last.
    pub(crate) fn remembered_dialect(&self, url: &str) -> Option<dialect::Name> {
        match self.gateway(url).ok()?.dialect.as_deref()? {
            "nodetool" => Some(dialect::Name::Nodetool),
            "openclaw" => Some(dialect::Name::Openclaw),
            _ => None,
        }
    }

    /// Keeps what this gateway speaks.
    pub(crate) fn remember_dialect(&self, url: &str, name: dialect::Name) -> Result<(), Failure> {
        let name = match name {
            dialect::Name::Openclaw => "openclaw",
            _ => "nodetool",
        };
        self.change(url, |gateway| gateway.dialect = Some(name.to_owned()))
            .map_err(|error| unusable(&self.gateway_path(url), &error))
    }

    /// The gateways that gave tokens, and the roles these are good for.
    pub(crate) fn gateways(&self) -> Vec<(String, Vec<String>)> {
        let Ok(files) = fs::read_dir(self.path.join("gateways")) else { return Vec::new() };
        let read = files.flatten().filter_map(|file| {
            let text = read_private(&file.path()).ok()?;
            let gateway: Gateway = serde_json::from_str(&text).ok()?;
            let roles = gateway.tokens.iter().map(|token| token.role.clone()).collect();
            Some((gateway.url, roles))
        });
        let mut gateways: Vec<_> = read.collect();
        gateways.sort();
        gateways
    }

    fn gateway_path(&self, url: &str) -> PathBuf {
        let hash = HEXLOWER.encode(&Sha256::digest(shown(url))[..16]);
        self.path.join("gateways").join(hash + ".json")
    }

    fn gateway(&self, url: &str) -> io::Result<Gateway> {
        let path = self.gateway_path(url);
        match read_private(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Gateway::default()),
            Err(error) => Err(error),
        }
    }

    fn change(&self, url: &str, change: impl FnOnce(&mut Gateway)) -> io::Result<()> {
        let path = self.gateway_path(url);
        // What cannot be read is of no use to anybody: it is written anew.
        let mut gateway = self.gateway(url).unwrap_or_default();
        gateway.url = shown(url);
        change(&mut gateway);
        self.make()?;
        fs::create_dir_all(self.path.join("gateways"))?;
        self.write_private(&path, &gateway)
    }

    fn make(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)
    }

    /// Writes a file that only its owner may read, wholly or not at all.
    fn write_private(&self, path: &Path, content: &impl Serialize) -> io::Result<()> {
        self.make()?;
        let unique = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let temporary = path.with_extension(format!("{}-{unique}", std::process::id()));
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            let mut file = private(&mut options).open(&temporary)?;
            let text = Zeroizing::new(serde_json::to_string_pretty(content)?);
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            // The name is on the disk only when its folder is.
            match path.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

impl FileTokens {
    fn device_id(&self) -> Result<String, String> {
        match self.data.identity(false) {
            Ok(Some(identity)) => Ok(identity.device_id().to_owned()),
            Ok(None) => Err("there is no identity any more".to_owned()),
            Err(failure) => Err(failure.message().to_owned()),
        }
    }

    fn fail(&self, error: &io::Error) -> String {
        unusable(&self.data.gateway_path(&self.url), error).message().to_owned()
    }
}

impl DeviceTokens for FileTokens {
    fn load(&self) -> Result<Option<Secret>, String> {
        let gateway = self.data.gateway(&self.url).map_err(|error| self.fail(&error))?;
        if gateway.tokens.is_empty() {
            return Ok(None);
        }
        let device_id = self.device_id()?;
        let mut tokens = gateway.tokens.into_iter();
        let kept = tokens.find(|token| token.role == self.role && token.device_id == device_id);
        Ok(kept.map(|token| Secret::new(token.token.as_str())))
    }

    fn keep(&self, given: &DeviceToken) -> Result<(), String> {
        let device_id = self.device_id()?;
        let kept = self.data.change(&self.url, |gateway| {
            gateway.dialect = Some("openclaw".to_owned());
            gateway.tokens.retain(|token| token.role != self.role);
            gateway.tokens.push(Token {
                device_id,
                role: self.role.clone(),
                scopes: given.scopes.clone(),
                token: Zeroizing::new(given.token.expose().to_owned()),
            });
        });
        kept.map_err(|error| self.fail(&error))
    }

    fn forget(&self) -> Result<(), String> {
        let forgotten = self.data.change(&self.url, |gateway| {
            gateway.tokens.retain(|token| token.role != self.role);
        });
        forgotten.map_err(|error| self.fail(&error))
    }
}

/// The platform's own place for data. A home folder that only the list of users knows may be that of somebody else, such as root.
fn default_path() -> Result<PathBuf, Failure> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let strategy = match cfg!(unix) && !is_set("HOME") && !is_set("XDG_DATA_HOME") {
        true => None,
        false => etcetera::choose_base_strategy().ok(),
    };
    let strategy = strategy.ok_or_else(|| {
        Failure::usage("there is no home folder: HOME is not set; give --data-dir")
    })?;
    Ok(strategy.data_dir().join("clawnode"))
}

/// Who locked the file, as far as it says.
fn noted_holder(file: &mut File) -> String {
    let mut holder = String::new();
    let _ = file.take(32).read_to_string(&mut holder);
    match holder.trim().parse::<u32>() {
        Ok(process) => format!("process {process}"),
        Err(_) => "another process".to_owned(),
    }
}

/// The URL without its query, which may hold a token, and with one spelling for one place.
fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase()
}

fn seed(text: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Reads a file of secrets, unless others may read it too.
fn read_private(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            let why = format!("others can read it; run: chmod 600 {}", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MOST_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// For its owner's eyes only.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{} cannot be used: {why}", path.display()))
}

const VERSION: u32 = 1;

/// Far more than any of these files has.
const MOST_FILE_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(DataDir);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("clawnode-device-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            Self(DataDir { path })
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.path);
        }
    }

    #[test]
    fn an_identity_is_made_once_and_for_its_owner_alone() {
        let folder = Folder::new("once");
        let data = &folder.0;
        assert!(data.identity(false).unwrap().is_none());
        let made = data.identity(true).unwrap().unwrap();
        let again = data.identity(true).unwrap().unwrap();
        assert_eq!(made.device_id(), again.device_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&data.identity_path()), 0o600);
            assert_eq!(mode(&data.path), 0o700);
            fs::set_permissions(data.identity_path(), fs::Permissions::from_mode(0o640)).unwrap();
            let refused = data.identity(true).unwrap_err();
            assert!(refused.message().contains("chmod 600"), "{}", refused.message());
        }
    }

    #[test]
    fn a_damaged_identity_is_never_replaced_unasked() {
        let folder = Folder::new("damaged");
        let data = &folder.0;
        let first = data.identity(true).unwrap().unwrap();
        let whole = fs::read_to_string(data.identity_path()).unwrap();
        let seed = whole.split("\"seed\": \"").nth(1).unwrap().split('"').next().unwrap();
        for damaged in
            [&whole[..whole.len() / 2], "", &whole.replace("\"version\": 1", "\"version\": 2")]
        {
            fs::write(data.identity_path(), damaged).unwrap();
            let refused = data.identity(true).unwrap_err();
            assert!(!refused.message().contains(seed));
            assert_eq!(fs::read_to_string(data.identity_path()).unwrap(), *damaged);
        }
        let second = data.new_identity().unwrap();
        assert_ne!(first.device_id(), second.device_id());
        assert!(data.path.join("identity.json.1").exists());
    }

    #[test]
    fn one_process_at_a_time_is_this_device() {
        let folder = Folder::new("lock");
        assert_eq!(folder.0.holder().unwrap(), None);
        assert!(!folder.0.path.exists(), "a look makes nothing");
        let held = folder.0.lock().unwrap();
        let holder = folder.0.holder().unwrap();
        assert_eq!(holder, Some(format!("process {}", std::process::id())));
        let refused = folder.0.lock().unwrap_err();
        let pid = std::process::id().to_string();
        assert!(refused.message().contains(&pid), "{}", refused.message());
        drop(held);
        assert_eq!(folder.0.holder().unwrap(), None);
        folder.0.lock().unwrap();
    }

    #[test]
    fn tokens_are_kept_by_gateway_and_role_for_this_device_alone() {
        let folder = Folder::new("tokens");
        let data = &folder.0;
        data.identity(true).unwrap();
        let tokens = data.tokens("WS://Gateway.test/?token=x", "node");
        assert_eq!(tokens.load(), Ok(None));
        let given: DeviceToken = DeviceToken::new("s3cret", "node");
        tokens.keep(&given).unwrap();
        assert_eq!(
            data.tokens("ws://gateway.test", "node").load(),
            Ok(Some(Secret::new("s3cret")))
        );
        assert_eq!(data.tokens("ws://gateway.test", "operator").load(), Ok(None));
        assert_eq!(data.tokens("ws://other.test", "node").load(), Ok(None));
        assert_eq!(data.remembered_dialect("ws://gateway.test"), Some(dialect::Name::Openclaw));
        assert_eq!(data.gateways(), [("ws://gateway.test".to_owned(), vec!["node".to_owned()])]);
        let files = fs::read_dir(data.path.join("gateways")).unwrap().count();
        assert_eq!(files, 1, "nothing half written is left");
        data.new_identity().unwrap();
        assert_eq!(tokens.load(), Ok(None), "it was another device's");
        tokens.keep(&given).unwrap();
        tokens.forget().unwrap();
        assert_eq!(tokens.load(), Ok(None));
    }
}
