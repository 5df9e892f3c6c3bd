//! A pair policy as it is written, before it was checked.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Local, PairOrder, PairPolicy};
use crate::link::LinkCosts;
use crate::pool::PoolId;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<L> {
    prefill: u32,
    decode: u32,
    links: L,
    kv_bytes_per_token: u32,
    #[serde(default)]
    order: WrittenOrder,
    #[serde(default)]
    local: WrittenLocal,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum WrittenOrder {
    #[default]
    Joint,
    DecodeFirst,
    Walk {
        decodes: u32,
    },
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLocal {
    #[serde(default)]
    when: When,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<Within>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    Never,
    AtNeed,
    #[default]
    Cheaper,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Within {
    tokens: u32,
    permille: u32,
}

impl From<Local> for WrittenLocal {
    fn from(local: Local) -> Self {
        let when = match (local.is_allowed, local.when_cheaper) {
            (false, _) => When::Never,
            (true, false) => When::AtNeed,
            (true, true) => When::Cheaper,
        };
        Self { when, within: local.within.map(|(tokens, permille)| Within { tokens, permille }) }
    }
}

impl WrittenLocal {
    fn checked(self) -> Result<Local, String> {
        let local = match self.when {
            When::Never => Local::NEVER,
            When::AtNeed => Local::AT_NEED,
            When::Cheaper => Local::WHEN_CHEAPER,
        };
        match self.within {
            None => Ok(local),
            Some(_) if self.when == When::Never => {
                Err("local.within has no use with when: never; expected at-need or cheaper".to_owned())
            }
            Some(Within { permille, .. }) if permille > 1000 => {
                Err(format!("local.within.permille is {permille}; expected 0 to 1000"))
            }
            Some(Within { tokens, permille }) => Ok(local.or_within(tokens, permille)),
        }
    }
}

impl Serialize for PairPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            prefill: self.prefill.0,
            decode: self.decode.0,
            links: &self.links,
            kv_bytes_per_token: self.kv_bytes_per_token,
            order: match self.order {
                PairOrder::Joint => WrittenOrder::Joint,
                PairOrder::DecodeFirst => WrittenOrder::DecodeFirst,
                PairOrder::Walk { decodes } => WrittenOrder::Walk { decodes },
            },
            local: self.local.into(),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PairPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::<LinkCosts>::deserialize(deserializer)?;
        let order = match written.order {
            WrittenOrder::Joint => PairOrder::Joint,
            WrittenOrder::DecodeFirst => PairOrder::DecodeFirst,
            WrittenOrder::Walk { decodes } if (1..=PairOrder::MOST_DECODES).contains(&decodes) => {
                PairOrder::Walk { decodes }
            }
            WrittenOrder::Walk { decodes } => {
                let most = PairOrder::MOST_DECODES;
                return Err(D::Error::custom(format!("order.walk.decodes is {decodes}; expected 1 to {most}")));
            }
        };
        let local = written.local.checked().map_err(D::Error::custom)?;
        let (prefill, decode) = (PoolId(written.prefill), PoolId(written.decode));
        let policy = Self::new(prefill, decode, written.links, written.kv_bytes_per_token);
        Ok(policy.with_order(order).with_local(local))
    }
}
