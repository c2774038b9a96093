//! The state of a node as bytes, for the checkpoints of a recording, in the form of its numbers and texts.
//!
//! [`state!`](crate::state::state) takes every field of a struct and every variant of an enum: one that is missing does not compile.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

pub(crate) use crate::recording::wire::{Cursor, Malformed};
use crate::recording::wire::{put_bytes, put_duration, put_number, put_size};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::work::WorkId;

/// Something that a checkpoint holds.
pub(crate) trait State: Sized {
    fn save(&self, to: &mut Saver<'_>);

    /// What was saved. What it names elsewhere may be missing: that is for the one to check who puts the parts together.
    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed>;
}

/// Where state is saved, without its secrets.
pub(crate) struct Saver<'a> {
    pub(crate) out: Vec<u8>,
    /// Gives what is saved in place of a secret.
    pub(crate) stand_in: &'a dyn Fn(&Secret) -> Secret,
    /// The digests of requests that quote a secret, as they are with its stand-in.
    pub(crate) digests: &'a BTreeMap<WorkId, u128>,
    /// Of larger answers that were delivered only the size is saved, and their work is noted here.
    pub(crate) largest_body: usize,
    pub(crate) omitted: BTreeSet<WorkId>,
}

impl Saver<'_> {
    /// Where what holds no secrets is saved as it is.
    pub(crate) fn plain(out: Vec<u8>) -> Self {
        let (stand_in, digests) = (&Secret::clone, &NO_DIGESTS);
        Self { out, stand_in, digests, largest_body: usize::MAX, omitted: BTreeSet::new() }
    }
}

static NO_DIGESTS: BTreeMap<WorkId, u128> = BTreeMap::new();

macro_rules! state {
    (struct $name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::state::State for $name {
            fn save(&self, to: &mut $crate::state::Saver<'_>) {
                let Self { $($field),* } = self;
                $($crate::state::State::save($field, to);)*
            }

            fn load(from: &mut $crate::state::Cursor<'_>) -> Result<Self, $crate::state::Malformed> {
                Ok(Self { $($field: $crate::state::State::load(from)?),* })
            }
        }
    };
    (enum $name:ident {
        $($number:literal = $variant:ident
            $( ( $($part:ident),* ) )?
            $( { $($field:ident),* } )?
        ),* $(,)?
    }) => {
        impl $crate::state::State for $name {
            fn save(&self, to: &mut $crate::state::Saver<'_>) {
                match self {
                    $(Self::$variant $( ( $($part),* ) )? $( { $($field),* } )? => {
                        to.out.push($number);
                        $($($crate::state::State::save($part, to);)*)?
                        $($($crate::state::State::save($field, to);)*)?
                    })*
                }
            }

            fn load(from: &mut $crate::state::Cursor<'_>) -> Result<Self, $crate::state::Malformed> {
                Ok(match from.byte()? {
                    $($number => {
                        $($(let $part = $crate::state::State::load(from)?;)*)?
                        $($(let $field = $crate::state::State::load(from)?;)*)?
                        Self::$variant $( ( $($part),* ) )? $( { $($field),* } )?
                    })*
                    _ => return Err($crate::state::Malformed::Value),
                })
            }
        }
    };
}

pub(crate) use state;

impl State for bool {
    fn save(&self, to: &mut Saver<'_>) {
        to.out.push((*self).into());
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        from.flag()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl State for $number {
            fn save(&self, to: &mut Saver<'_>) {
                put_number(&mut to.out, u64::try_from(*self).expect("no number is wider"));
            }

            fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                from.number()?.try_into().map_err(|_| Malformed::Value)
            }
        }
    )*};
}

numbers!(u32, u64, usize);

impl State for u128 {
    fn save(&self, to: &mut Saver<'_>) {
        to.out.extend_from_slice(&self.to_le_bytes());
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self::from_le_bytes(from.array()?))
    }
}

impl State for Duration {
    fn save(&self, to: &mut Saver<'_>) {
        put_duration(&mut to.out, *self);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        from.duration()
    }
}

impl State for Timestamp {
    fn save(&self, to: &mut Saver<'_>) {
        to.out.extend_from_slice(&self.as_micros().to_le_bytes());
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self::from_micros(i64::from_le_bytes(from.array()?)))
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl State for $text {
            fn save(&self, to: &mut Saver<'_>) {
                put_bytes(&mut to.out, self.as_bytes());
            }

            fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                from.text().map(|text| text.to_owned().into())
            }
        }
    )*};
}

texts!(String, Box<str>, Arc<str>, Cow<'static, str>);

impl State for Vec<u8> {
    fn save(&self, to: &mut Saver<'_>) {
        put_bytes(&mut to.out, self);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        from.bytes().map(<[u8]>::to_vec)
    }
}

impl State for Secret {
    fn save(&self, to: &mut Saver<'_>) {
        let stand_in = (to.stand_in)(self);
        put_bytes(&mut to.out, stand_in.expose().as_bytes());
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        from.text().map(Self::new)
    }
}

impl State for Box<RawValue> {
    fn save(&self, to: &mut Saver<'_>) {
        put_bytes(&mut to.out, self.get().as_bytes());
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        RawValue::from_string(from.text()?.to_owned()).map_err(|_| Malformed::Value)
    }
}

impl<T: State> State for Option<T> {
    fn save(&self, to: &mut Saver<'_>) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.save(to);
        }
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        if from.flag()? { T::load(from).map(Some) } else { Ok(None) }
    }
}

macro_rules! pointers {
    ($($pointer:ident),*) => {$(
        impl<T: State> State for $pointer<T> {
            fn save(&self, to: &mut Saver<'_>) {
                (**self).save(to);
            }

            fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                T::load(from).map(Self::new)
            }
        }
    )*};
}

pointers!(Arc, Box);

impl<A: State, B: State> State for (A, B) {
    fn save(&self, to: &mut Saver<'_>) {
        let (a, b) = self;
        a.save(to);
        b.save(to);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok((A::load(from)?, B::load(from)?))
    }
}

macro_rules! lists {
    ($($list:ty, $item:ty, [$($bounds:tt)*];)*) => {$(
        impl<$($bounds)*> State for $list {
            fn save(&self, to: &mut Saver<'_>) {
                put_size(&mut to.out, self.len());
                self.iter().for_each(|item| item.save(to));
            }

            fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                // The count is only a word: nothing is reserved for it.
                (0..from.size()?).map(|_| <$item>::load(from)).collect()
            }
        }
    )*};
}

lists! {
    Vec<T>, T, [T: State];
    VecDeque<T>, T, [T: State];
    BTreeSet<T>, T, [T: State + Ord];
}

impl<K: State + Ord, V: State> State for BTreeMap<K, V> {
    fn save(&self, to: &mut Saver<'_>) {
        put_size(&mut to.out, self.len());
        for (key, value) in self {
            key.save(to);
            value.save(to);
        }
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        (0..from.size()?).map(|_| <(K, V)>::load(from)).collect()
    }
}
