//! A node that finds out which dialect its gateway speaks.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{
    FromGateway, Message, Name, NodeSession, Rules, ToGateway, Unsayable, nodetool, openclaw,
};
use crate::node::Endpoint;
use crate::secret::{Credentials, Secret};
use crate::state::{Cursor, Malformed, Saver, State, state};
use crate::time::Timestamp;
use crate::websocket::{ClientRequest, Closed, Connection, InvalidRequest};

/// Who a node is in both dialects, when only the gateway knows which of them it speaks.
///
/// A gateway that begins with a challenge speaks openclaw; one that says nothing for a second speaks nodetool. The choice is kept
/// for the connections that follow, and corrected when the gateway closes with a word about an invalid first frame. It can be read
/// from [`Node::dialect`](crate::Node::dialect), and be remembered for another life.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Who it is to a nodetool gateway. The HTTP upgrade request is this dialect's, as it comes before any choice.
    pub nodetool: nodetool::Config,
    /// Who it is to an openclaw gateway.
    pub openclaw: openclaw::Config,
    /// What the gateway spoke in another life, if that is remembered. It is tried first, without waiting for a challenge.
    pub remembered: Option<Name>,
}

impl Config {
    /// A node that is prepared for both.
    pub fn new(nodetool: nodetool::Config, openclaw: openclaw::Config) -> Self {
        Self { nodetool, openclaw, remembered: None }
    }
}

state!(struct Config { nodetool, openclaw, remembered });

/// The session of whichever dialect it is.
#[derive(Debug)]
pub(super) struct Node {
    nodetool: nodetool::Node,
    openclaw: openclaw::Node,
    chosen: Option<Name>,
    /// Whether the choice was proved: by a challenge, or by anything said after a registration.
    proved: bool,
}

impl Node {
    pub(super) fn new(config: Config) -> Self {
        Self {
            nodetool: nodetool::Node::new(config.nodetool),
            openclaw: openclaw::Node::new(config.openclaw),
            chosen: config.remembered,
            proved: false,
        }
    }

    fn session(&self) -> &dyn NodeSession {
        match self.chosen {
            Some(Name::Openclaw) => &self.openclaw,
            Some(Name::Nodetool) | None => &self.nodetool,
        }
    }

    fn session_mut(&mut self) -> &mut dyn NodeSession {
        match self.chosen {
            Some(Name::Openclaw) => &mut self.openclaw,
            Some(Name::Nodetool) | None => &mut self.nodetool,
        }
    }
}

impl NodeSession for Node {
    fn name(&self) -> Option<Name> {
        self.chosen
    }

    fn rules(&self) -> Rules {
        self.session().rules()
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
    ) -> Result<ClientRequest, InvalidRequest> {
        self.session().request(endpoint, credentials)
    }

    fn begin(&mut self, credentials: &Credentials) {
        self.openclaw.begin(credentials);
        self.nodetool.begin(credentials);
    }

    fn registers_unasked(&self) -> bool {
        self.chosen.is_some_and(|_| self.session().registers_unasked())
    }

    fn patience(&self) -> Option<Duration> {
        self.chosen.is_none().then_some(PATIENCE)
    }

    fn patience_ended(&mut self) -> bool {
        let undecided = self.chosen.is_none();
        if undecided {
            self.chosen = Some(Name::Nodetool);
        }
        undecided
    }

    fn misunderstood(&mut self, closed: &Closed) -> bool {
        let Closed::Clean { code: Some(code), reason, .. } = closed else { return false };
        let wrong = code.get() == 1008 && reason.contains("invalid request frame");
        if !wrong || self.proved || self.chosen != Some(Name::Nodetool) {
            return false;
        }
        self.chosen = Some(Name::Openclaw);
        true
    }

    fn awaits_welcome(&self) -> bool {
        self.session().awaits_welcome()
    }

    fn read(&mut self, message: Message<'_>) -> FromGateway {
        if self.chosen.is_none() {
            let heard = self.openclaw.read(message);
            if matches!(heard, FromGateway::Challenge { .. }) {
                self.chosen = Some(Name::Openclaw);
                self.proved = true;
                return heard;
            }
            // Whatever it says, a gateway that says anything else first does not speak openclaw.
            self.chosen = Some(Name::Nodetool);
            return FromGateway::Challenge { sign: None };
        }
        self.proved = true;
        self.session_mut().read(message)
    }

    fn write(
        &mut self,
        utc: Timestamp,
        words: ToGateway<'_>,
        out: &mut Connection,
    ) -> Result<(), Unsayable> {
        self.session_mut().write(utc, words, out)
    }

    fn takes_custom(&self, text: &str) -> bool {
        self.session().takes_custom(text)
    }

    fn has_calls(&self) -> bool {
        // What is published before the choice is not lost by it.
        self.chosen.is_none() || self.session().has_calls()
    }

    fn secrets_heard(&self) -> (&[Secret], usize) {
        self.openclaw.secrets_heard()
    }

    fn sign_text_with(&self, credentials: &Credentials) -> Option<Secret> {
        self.openclaw.sign_text_with(credentials)
    }

    fn connect_with(
        &self,
        commands: &[String],
        credentials: &Credentials,
        signature: Option<&str>,
    ) -> Option<Vec<u8>> {
        self.openclaw.connect_with(commands, credentials, signature)
    }

    fn save(&self, to: &mut Saver<'_>) {
        let Self { nodetool, openclaw, chosen, proved } = self;
        nodetool.save(to);
        openclaw.save(to);
        chosen.save(to);
        proved.save(to);
    }

    fn load(&mut self, from: &mut Cursor<'_>) -> Result<(), Malformed> {
        self.nodetool.load(from)?;
        self.openclaw.load(from)?;
        self.chosen = State::load(from)?;
        self.proved = State::load(from)?;
        Ok(())
    }
}

/// How long a gateway has for its challenge. It is the first thing an openclaw gateway does, so this is mostly the way there and
/// back, and all of it is lost time with a nodetool gateway.
const PATIENCE: Duration = Duration::from_secs(1);
