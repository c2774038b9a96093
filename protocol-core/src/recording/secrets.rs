//! Secrets, and what stands for them in a recording.

use std::ops::Range;

use memchr::memmem;

use crate::secret::{Credentials, Secret};

/// What a recording must not hold, in every form in which it may be quoted.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    forms: Vec<Form>,
    /// The length of the longest form.
    longest: usize,
    /// What stands for each credential, the one last learned at the end.
    known: Vec<(Secret, Secret)>,
    /// How many were learned.
    learned: u64,
}

/// One way to write a secret, and the same of its stand-in, equally long.
struct Form {
    finder: memmem::Finder<'static>,
    stand_in: Vec<u8>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Form(..)")
    }
}

impl Secrets {
    /// The secrets in the query of the gateway's address.
    pub(super) fn of_target(target: &str) -> Self {
        let mut secrets = Self::default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let name = name.to_ascii_lowercase();
            let telling = SECRET_NAMES.iter().any(|part| name.contains(part));
            if telling || value.len() >= LONG_VALUE {
                secrets.add(value.as_bytes(), stand_in(value, 0).as_bytes());
            }
        }
        secrets
    }

    /// Learns a credential that the node is about to show, or was given. Returns what stands for it: for another credential of
    /// the same form, something else.
    pub(super) fn learn(&mut self, secret: &Secret) -> Secret {
        let known = self.known.iter().position(|(known, _)| known == secret);
        let stand_in = match known.map(|index| self.known.remove(index)) {
            Some((_, stand_in)) => stand_in,
            None => {
                self.learned += 1;
                Secret::new(stand_in(secret.expose(), self.learned - 1))
            }
        };
        if self.known.len() == MOST_KNOWN {
            self.known.remove(0);
        }
        self.known.push((secret.clone(), stand_in.clone()));
        for write in [raw, percent_encoded, percent_encoded_small, in_json, in_json_with_slashes] {
            self.add(write(secret).as_bytes(), write(&stand_in).as_bytes());
        }
        stand_in
    }

    /// The same credentials as stand-ins.
    pub(super) fn learn_all(&mut self, credentials: &Credentials) -> Credentials {
        let Credentials { token, password, device_token, bootstrap_token, headers } = credentials;
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), self.learn(value))).collect();
        let mut learn = |secret: &Option<Secret>| secret.as_ref().map(|secret| self.learn(secret));
        Credentials {
            token: learn(token),
            password: learn(password),
            device_token: learn(device_token),
            bootstrap_token: learn(bootstrap_token),
            headers,
        }
    }

    /// What stands for a credential.
    pub(super) fn stand_in_of(&self, secret: &Secret) -> Secret {
        let known = self.known.iter().find(|(known, _)| known == secret);
        known.map_or_else(
            || Secret::new(stand_in(secret.expose(), 0)),
            |(_, stand_in)| stand_in.clone(),
        )
    }

    fn add(&mut self, secret: &[u8], stand_in: &[u8]) {
        debug_assert_eq!(secret.len(), stand_in.len(), "stand-ins are equally long");
        if secret.len() < SHORTEST || secret.len() != stand_in.len() {
            return;
        }
        // What is learned again is in use, and stays longest.
        self.forms.retain(|form| form.finder.needle() != secret);
        if self.forms.len() == MOST_FORMS {
            self.forms.remove(0);
        }
        self.forms.push(Form {
            finder: memmem::Finder::new(secret).into_owned(),
            stand_in: stand_in.to_vec(),
        });
        self.longest = self.forms.iter().map(|form| form.stand_in.len()).max().unwrap_or(0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Puts stand-ins where `text` quotes a secret; says how often it did.
    pub(super) fn replace(&self, text: &mut [u8]) -> usize {
        let mut found = 0;
        for form in &self.forms {
            let mut from = 0;
            while let Some(at) = form.finder.find(&text[from..]) {
                let end = from + at + form.stand_in.len();
                text[from + at..end].copy_from_slice(&form.stand_in);
                from = end;
                found += 1;
            }
        }
        found
    }

    /// How many of the last bytes of `text` may be the beginning of a secret.
    fn begun_in(&self, text: &[u8]) -> usize {
        let mut longest = 0;
        for form in &self.forms {
            let secret = form.finder.needle();
            let start = text.len() - text.len().min(secret.len() - 1);
            let mut rest = &text[start..];
            while let Some(at) = memchr::memchr(secret[0], rest) {
                rest = &rest[at..];
                if secret.starts_with(rest) {
                    longest = longest.max(rest.len());
                    break;
                }
                rest = &rest[1..];
            }
        }
        longest
    }
}

/// Joins the pieces of a text, to find secrets that lie across two of them.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// The end of the text so far, as far as it may be the beginning of a secret, and where each byte is kept.
    begun: Vec<u8>,
    places: Vec<usize>,
    /// Where the record begins that holds the first of them.
    record: usize,
}

impl Joiner {
    /// The text goes on with this piece of `out`, in the record that begins at `record`. Says how often it quoted a secret.
    pub(super) fn join(
        &mut self,
        out: &mut [u8],
        piece: Range<usize>,
        record: usize,
        secrets: &Secrets,
    ) -> usize {
        let mut found = secrets.replace(&mut out[piece.clone()]);
        let reach = piece.len().min(secrets.longest.saturating_sub(1));
        if self.begun.is_empty() {
            let tail = piece.end - reach..piece.end;
            let begun = secrets.begun_in(&out[tail]);
            if begun > 0 {
                self.places.extend(piece.end - begun..piece.end);
                self.begun.extend_from_slice(&out[piece.end - begun..piece.end]);
                self.record = record;
            }
            return found;
        }
        let old = self.begun.len();
        self.places.extend(piece.start..piece.start + reach);
        self.begun.extend_from_slice(&out[piece.start..piece.start + reach]);
        let across = secrets.replace(&mut self.begun);
        if across > 0 {
            found += across;
            for (byte, place) in self.begun.iter().zip(&self.places) {
                out[*place] = *byte;
            }
        }
        if piece.len() > reach {
            self.forget();
            let begun = secrets.begun_in(&out[piece.end - reach..piece.end]);
            self.places.extend(piece.end - begun..piece.end);
            self.begun.extend_from_slice(&out[piece.end - begun..piece.end]);
            self.record = record;
        } else {
            let begun = secrets.begun_in(&self.begun);
            let gone = self.begun.len() - begun;
            self.begun.drain(..gone);
            self.places.drain(..gone);
            if gone >= old {
                self.record = record;
            }
        }
        found
    }

    /// The text ends here.
    pub(super) fn forget(&mut self) {
        self.begun.clear();
        self.places.clear();
    }

    /// Where the record begins from which on bytes may still change.
    pub(super) fn held(&self) -> Option<usize> {
        (!self.begun.is_empty()).then_some(self.record)
    }

    /// The first `count` bytes of what is kept are gone.
    pub(super) fn shift(&mut self, count: usize) {
        self.record = self.record.saturating_sub(count);
        for place in &mut self.places {
            *place -= count;
        }
    }
}

/// A text of the same length in bytes and of the same classes of characters, so that what is valid stays valid and what
/// must be encoded stays as long. Letters become letters that are hexadecimal digits as well, for the sake of escapes. Texts of
/// one form are told apart by their number, written into the last letters and digits.
pub(super) fn stand_in(text: &str, number: u64) -> String {
    let mut rest = number;
    let mut next = |first: u8, count: u64| {
        let digit = rest % count;
        rest /= count;
        char::from(first + digit as u8)
    };
    let characters: Vec<char> = text
        .chars()
        .rev()
        .map(|character| match character {
            'a'..='z' => next(b'a', 6),
            'A'..='Z' => next(b'A', 6),
            '0'..='9' => next(b'1', 9),
            ascii if ascii.is_ascii() => ascii,
            wide => match wide.len_utf8() {
                2 => '\u{e9}',
                3 => '\u{20ac}',
                _ => '\u{1f511}',
            },
        })
        .collect();
    characters.into_iter().rev().collect()
}

/// A path and query with stand-ins for all values of the query.
pub(super) fn stand_in_target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{name}={}", stand_in(value, 0)),
            None => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

fn raw(secret: &Secret) -> String {
    secret.expose().to_owned()
}

fn percent_encoded(secret: &Secret) -> String {
    secret.percent_encoded()
}

/// With small hexadecimal digits, which some write.
fn percent_encoded_small(secret: &Secret) -> String {
    let encoded = secret.percent_encoded();
    let mut parts = encoded.split('%');
    let mut small = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        small.push('%');
        small.push_str(&digits.to_ascii_lowercase());
        small.push_str(rest);
    }
    small
}

fn in_json(secret: &Secret) -> String {
    let quoted = serde_json::to_string(secret.expose()).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

fn in_json_with_slashes(secret: &Secret) -> String {
    in_json(secret).replace('/', "\\/")
}

/// Parts of the names of query parameters whose values are secret however short they are.
const SECRET_NAMES: [&str; 9] =
    ["token", "key", "secret", "pass", "auth", "sig", "cred", "jwt", "code"];

/// Values of other parameters are sought in what the gateway says from this length on: shorter ones are words that it
/// may well use.
const LONG_VALUE: usize = 16;

/// Shorter secrets are sought nowhere: they would be found by chance.
const SHORTEST: usize = 4;

/// Credentials that are known at once: four that a node shows, what a gateway gives, and what there was before.
const MOST_KNOWN: usize = 16;

/// The same in all their forms, of which most have one.
const MOST_FORMS: usize = 4 * MOST_KNOWN;
