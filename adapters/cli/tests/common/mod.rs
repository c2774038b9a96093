//! The program as processes of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "s3cret-t0ken";

/// A running clawnode. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = clawnode(arguments)
            .env("CLAWNODE_LOG", "debug")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("stderr is piped");
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writer.lock().expect("no writer panics").push_str(&(line + "\n"));
            }
        });
        Self { child, log }
    }

    /// A gateway on `listen`, and the address it really listens on.
    pub(crate) fn gateway(listen: &str) -> (Self, String) {
        let gateway = Self::start(&["gateway", "--listen", listen, "--auth-token", TOKEN]);
        let line = gateway.wait_for("nodes connect to ws://");
        let address = line.split("ws://").nth(1).and_then(|rest| rest.split(',').next());
        (gateway, address.expect("the address is in the line").to_owned())
    }

    /// A node of the gateway at `address`, registered.
    pub(crate) fn node(address: &str, more: &[&str]) -> Self {
        let url = format!("ws://{address}");
        let mut arguments =
            vec!["connect", "--url", &url, "--auth-token", TOKEN, "--reconnect-delay", "0.2"];
        arguments.extend(more);
        let node = Self::start(&arguments);
        node.wait_for("registered and ready");
        node
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no writer panics").clone()
    }

    /// Waits for a line with `text` and returns it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let find = || self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
        within_a_minute(find)
            .unwrap_or_else(|| panic!("no log line with {text:?} in time:\n{}", self.log()))
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill").args([signal, &pid]).status().expect("there is a kill").success()
        );
    }

    /// The exit code, waiting for the end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        wait_until("the program to end", || self.child.try_wait().expect("it was started")).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program on a data folder of its own.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.to_str().expect("the path is UTF-8").to_owned()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = clawnode(arguments);
        command.env("CLAWNODE_DATA_DIR", self.data_dir());
        command.stdin(Stdio::null()).output().expect("the program runs")
    }

    /// The JSON of what must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout_json(&output)
    }

    /// What must succeed prints.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("it is UTF-8")
    }

    /// What a failure says, and its exit code.
    pub(crate) fn failure(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(arguments);
        (output.status.code(), stderr(&output))
    }
}

pub(crate) fn clawnode(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clawnode"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CLAWNODE_")) {
        command.env_remove(name);
    }
    // Whatever a node keeps, it keeps apart from what this machine's user has.
    command.env("CLAWNODE_DATA_DIR", data_dir());
    // Nodes of several tests run at once, and one at a time can hold a store.
    if !arguments.contains(&"--data-dir") {
        command.env("CLAWNODE_IN_MEMORY", "true");
    }
    command
}

/// A folder of this test process.
pub(crate) fn data_dir() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("clawnode-tests-{}", std::process::id()))
}

/// Runs the program to its end.
pub(crate) fn output(arguments: &[&str]) -> Output {
    clawnode(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

pub(crate) fn stdout_json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn example(name: &str) -> String {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "workflows", "examples", name].iter().collect();
    path.to_str().expect("the path is UTF-8").to_owned()
}

pub(crate) fn temporary_file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{name}", std::process::id()));
    std::fs::File::create(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("a file can be written");
    path
}

/// One HTTP request, for what the program itself has no command for.
pub(crate) fn http(address: &str, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("the gateway listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    answer
}

pub(crate) fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within_a_minute(look).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

fn within_a_minute<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}
