use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A command line that cannot be run.
#[derive(Debug, thiserror::Error)]

pub(crate) enum CommandError {
    /// It has no word, or quotes that are not closed.
    #[error("{0:?} is no command line: it is empty, or a quote in it is not closed")]
    Syntax(String),
    /// The operating system does not run it.
    #[error("cannot run {program:?}")]
    Run {
        /// The first word.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// The words of a command line, with placeholders filled in after splitting, so that no value is split.
pub(crate) fn words(line: &str, values: &[(&str, &str)]) -> Result<Vec<String>, CommandError> {
    let words = shlex::split(line).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| CommandError::Syntax(line.to_owned()))?;
    let fill = |word: String| {
        values.iter().fold(word, |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    Ok(words.into_iter().map(fill).collect())
}

/// A program that was started. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    last_words: Arc<Mutex<String>>,
}

impl Process {
    pub(crate) fn start(
        line: &str,
        values: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<Self, CommandError> {
        let words = words(line, values)?;
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CommandError::Run { program: words[0].clone(), source })?;
        let last_words = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let last_words = Arc::clone(&last_words);
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    *last_words.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            });
        }
        Ok(Self { child, last_words })
    }

    /// How the process ended; waits for it.
    pub(crate) async fn ended(&mut self) -> String {
        let status = self.child.wait().await;
        // What it said last is still on its way.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        if words.is_empty() {
            format!("the process ended ({status}) without a word on stderr")
        } else {
            format!("the process ended ({status}); its last line on stderr: {words}")
        }
    }

    pub(crate) async fn ended_within(&mut self, within: Duration) -> Option<ExitStatus> {
        timeout(within, self.child.wait()).await.ok()?.ok()
    }

    /// Sends SIGTERM; false where there are no signals.
    pub(crate) async fn terminate(&self) -> bool {
        let Some(id) = self.child.id().filter(|_| cfg!(unix)) else { return false };
        let kill = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        kill.is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_spaces_stays_one_word() {
        let line = "node --url '{url}' --token={token} 'two words'";
        let values = [("url", "ws://h/ x"), ("token", "a b")];
        let expected = ["node", "--url", "ws://h/ x", "--token=a b", "two words"];
        assert_eq!(words(line, &values).expect("valid"), expected);
        for wrong in ["", "  ", "node 'open"] {
            assert!(words(wrong, &[]).is_err(), "{wrong:?}");
        }
    }
}
