//! Where the token comes from.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use clawnode_protocol::Secret;

use crate::handler::BoxFuture;
use crate::runtime::Runtime;

/// A way to have a credential at each attempt to connect.
pub(crate) enum Credentials {
    None,
    Token(Secret),
    File(PathBuf),
    Provider(Provider),
}

type Provider = Arc<dyn Fn() -> BoxFuture<Result<Secret, String>> + Send + Sync>;

impl Credentials {
    pub(crate) fn provider<S, E, F, Fut>(provider: F) -> Self
    where
        S: Into<Secret>,
        E: std::fmt::Display,
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, E>> + Send + 'static,
    {
        Self::Provider(Arc::new(move || {
            let asked = provider();
            Box::pin(async move { asked.await.map(Into::into).map_err(|error| error.to_string()) })
        }))
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Fetches the credential for one attempt. An error says what is wrong and how to cure it, and never holds the
    /// credential.
    pub(crate) fn fetch<R: Runtime>(
        &self,
        runtime: &R,
    ) -> BoxFuture<Result<Option<Secret>, String>> {
        match self {
            Self::None => Box::pin(std::future::ready(Ok(None))),
            Self::Token(token) => Box::pin(std::future::ready(Ok(Some(token.clone())))),
            Self::File(path) => {
                let (path, runtime) = (path.clone(), runtime.clone());
                Box::pin(async move {
                    // A file system may be slow, and a pipe has no end of time.
                    let (read, answer) = async_channel::bounded(1);
                    runtime.spawn_blocking(move || {
                        let _ = read.try_send(read_token(&path));
                    });
                    let read = answer.recv().await;
                    read.unwrap_or_else(|_| Err("the token file was not read".to_owned())).map(Some)
                })
            }
            Self::Provider(provider) => {
                let provider = Arc::clone(provider);
                Box::pin(async move { ask(provider).await.map(Some) })
            }
        }
    }
}

/// Asks a provider; its panic is a failed attempt, not the end of the node.
async fn ask(provider: Provider) -> Result<Secret, String> {
    let mut asked = None;
    let answer = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            asked.get_or_insert_with(|| provider()).as_mut().poll(cx)
        }));
        polled.unwrap_or_else(|_| Poll::Ready(Err("it panicked".to_owned())))
    })
    .await;
    answer.map_err(|error| format!("the credentials provider gave no token: {error}"))
}

fn read_token(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_TOKEN_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            format!("the token file {shown} cannot be read ({error}); it is tried again at the next attempt")
        })?;
    if bytes.len() as u64 > MOST_TOKEN_BYTES {
        let most = MOST_TOKEN_BYTES;
        return Err(format!(
            "the token file {shown} has more than {most} bytes; is it the right file?"
        ));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| format!("the token file {shown} is not text; is it the right file?"))?;
    match text.trim() {
        "" => Err(format!("the token file {shown} is empty; write the token into it")),
        token => Ok(Secret::new(token)),
    }
}

/// Far more than any token has, and too little to hurt: a wrong path may lead to a huge file.
const MOST_TOKEN_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_may_have_as_many_bytes_as_the_bound_and_not_one_more() {
        let path = std::env::temp_dir().join(format!("clawnode-token-{}", std::process::id()));
        let read = |bytes: u64| {
            std::fs::write(&path, "x".repeat(usize::try_from(bytes).unwrap())).unwrap();
            read_token(&path).map(|token| token.expose().len() as u64)
        };
        assert_eq!(read(MOST_TOKEN_BYTES), Ok(MOST_TOKEN_BYTES));
        assert!(read(MOST_TOKEN_BYTES + 1).unwrap_err().contains("more than"));
        std::fs::remove_file(&path).unwrap();
    }
}
