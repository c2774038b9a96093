//! The connection, and what proves who connects.

use std::io;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use clawnode_protocol::dialect::openclaw::DeviceToken;
use clawnode_protocol::node::Input;
use clawnode_protocol::proxy::Refusal;
use clawnode_protocol::{Credentials as Shown, Secret};
use tracing::{info, trace, warn};

use super::{Driver, Gateway, Reply};
use crate::connect::connect;
use crate::handler::BoxFuture;
use crate::proxy::Unconnected;
use crate::runtime::{ByteStream, Runtime};
use crate::transport::Transport;

pub(super) enum Link<S> {
    Down,
    Connecting(BoxFuture<Result<Transport<S>, Unconnected>>),
    Up(Up<S>),
}

pub(super) struct Up<S> {
    transport: Transport<S>,
    /// The gateway may still send something.
    readable: bool,
    /// The stream may hold back something that was written.
    flush: bool,
    /// Writing failed. What can still be read may say why, so that comes first.
    broken: Option<io::Error>,
}

impl<R: Runtime> Driver<R> {
    pub(super) fn connect(&mut self, cx: &mut TaskContext<'_>) -> bool {
        if let Some(keeping) = &mut self.keeping {
            if let Poll::Ready(kept) = keeping.as_mut().poll(cx) {
                self.keeping = None;
                match kept {
                    Ok(()) => self.feed(Input::DeviceTokenKept),
                    Err(why) => self.feed(Input::DeviceTokenNotKept(&why)),
                }
                return true;
            }
        }
        if let Some(asking) = &mut self.asking {
            let Poll::Ready(answer) = asking.as_mut().poll(cx) else { return false };
            self.asking = None;
            match answer {
                Ok(shown) => self.feed(Input::Credentials(shown)),
                Err(why) => self.feed(Input::CredentialsFailed(&why)),
            }
            return true;
        }
        let Link::Connecting(connecting) = &mut self.link else { return false };
        match connecting.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(transport)) => {
                self.link = Link::Up(Up { transport, readable: true, flush: false, broken: None });
                self.feed(Input::Connected);
            }
            Poll::Ready(Err(Unconnected::Failed(error))) => {
                self.link = Link::Down;
                self.feed(Input::ConnectFailed(&error.to_string()));
            }
            Poll::Ready(Err(Unconnected::Refused(refusal))) => {
                self.link = Link::Down;
                let Refusal { status, reason: why, retry_after, .. } = &refusal;
                let retry_after = retry_after.map(|time| time.wait(self.runtime.now().utc));
                self.feed(Input::ProxyRefused { status: *status, why, retry_after });
            }
        }
        true
    }

    pub(super) fn open(&mut self) {
        let Gateway { url, tls, proxy } = &self.gateway;
        info!(gateway = url.shown(), through_proxy = proxy.is_some(), "connecting");
        let (runtime, tls) = (self.runtime.clone(), tls.clone());
        let (url, proxy) = (url.clone(), proxy.clone());
        self.link = Link::Connecting(Box::pin(async move {
            let stream = match proxy {
                Some(proxy) => proxy.connect(&runtime, &url).await?,
                None => connect(&runtime, &url.host, url.port).await?,
            };
            match tls {
                Some(tls) => Ok(Transport::Tls(tls.connect(stream).await?)),
                None => Ok(Transport::Plain(stream)),
            }
        }));
    }

    pub(super) fn write(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        if up.broken.is_some() {
            return false;
        }
        let bytes = self.core.transmit();
        if bytes.is_empty() {
            if up.flush {
                match up.transport.poll_flush(cx) {
                    Poll::Ready(Ok(())) => up.flush = false,
                    Poll::Ready(Err(error)) => up.broken = Some(error),
                    Poll::Pending => {}
                }
            }
            return false;
        }
        match up.transport.poll_write(cx, bytes) {
            Poll::Ready(Ok(count)) if count > 0 => {
                up.flush = true;
                trace!(bytes = count, "sent");
                self.feed(Input::Sent(count));
                true
            }
            Poll::Ready(Ok(_)) => {
                up.broken = Some(io::ErrorKind::WriteZero.into());
                false
            }
            Poll::Ready(Err(error)) => {
                up.broken = Some(error);
                false
            }
            Poll::Pending => false,
        }
    }

    pub(super) fn read(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        let read =
            if up.readable { up.transport.poll_read(cx, &mut self.buffer) } else { Poll::Pending };
        match read {
            Poll::Ready(Ok(0)) => {
                up.readable = false;
                self.feed(Input::ReceivedEof);
            }
            Poll::Ready(Ok(count)) => {
                trace!(bytes = count, "received");
                let now = self.runtime.now();
                let fed = self.core.handle(now, Input::Received(&self.buffer[..count]));
                debug_assert!(fed.is_ok(), "there is a connection");
                self.drain();
            }
            Poll::Ready(Err(error)) => self.feed(Input::Disconnected(&error.to_string())),
            Poll::Pending => match up.broken.take() {
                Some(error) => self.feed(Input::Disconnected(&error.to_string())),
                None => return false,
            },
        }
        true
    }

    /// Lets go of the stream, or of the attempt to have one.
    pub(super) fn disconnect(&mut self) {
        self.asking = None;
        // What was given is still kept, but nobody waits for it.
        if let Some(keeping) = self.keeping.take() {
            self.runtime.spawn(async move {
                let _ = keeping.await;
            });
        }
        if let Link::Up(mut up) = std::mem::replace(&mut self.link, Link::Down) {
            // TLS says goodbye if the socket takes it at once; nothing is worth waiting for now.
            let _ = up.transport.poll_close(&mut TaskContext::from_waker(std::task::Waker::noop()));
        }
    }

    /// All credentials there are: the shared ones, and what the device keeps.
    pub(super) fn authenticate(&self) -> BoxFuture<Result<Shown, String>> {
        let shared = self.credentials.fetch(&self.runtime);
        let headers = self.headers.clone();
        let Some(openclaw) = &self.openclaw else {
            return Box::pin(async move {
                let mut shown = Shown::token(shared.await?);
                shown.headers = headers;
                Ok(shown)
            });
        };
        let tokens = Arc::clone(&openclaw.tokens);
        let kept = self.on_thread(move || tokens.load());
        let (password, bootstrap) = (openclaw.password.clone(), openclaw.bootstrap_token.clone());
        Box::pin(async move {
            let mut shown = Shown::token(shared.await?);
            shown.device_token = match kept.await {
                Ok(kept) => kept,
                Err(why) => {
                    warn!(why, "the device token that is kept cannot be read");
                    None
                }
            };
            shown.password = password;
            shown.bootstrap_token = bootstrap;
            shown.headers = headers;
            Ok(shown)
        })
    }

    pub(super) fn sign(&mut self, text: &Secret) {
        let signer = self.openclaw.as_ref().and_then(|openclaw| openclaw.signer.as_ref());
        let signed = signer.map_or_else(|| Err("there is no key".to_owned()), |key| key.sign(text));
        self.replies.push_back(Reply::Signature(signed));
    }

    pub(super) fn keep_device_token(&mut self, token: DeviceToken) {
        let Some(openclaw) = &self.openclaw else { return };
        let tokens = Arc::clone(&openclaw.tokens);
        self.keeping = Some(self.on_thread(move || tokens.keep(&token)));
    }

    pub(super) fn forget_device_token(&self) {
        let Some(openclaw) = &self.openclaw else { return };
        let tokens = Arc::clone(&openclaw.tokens);
        let forgotten = self.on_thread(move || tokens.forget());
        self.runtime.spawn(async move {
            if let Err(why) = forgotten.await {
                warn!(
                    why,
                    "the device token, which the gateway takes no more, cannot be forgotten"
                );
            }
        });
    }

    /// Work that may block, on a thread of its own.
    fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> BoxFuture<Result<T, String>> {
        let (done, answer) = async_channel::bounded(1);
        self.runtime.spawn_blocking(move || {
            let _ = done.try_send(work());
        });
        Box::pin(
            async move { answer.recv().await.unwrap_or_else(|_| Err("it panicked".to_owned())) },
        )
    }
}
