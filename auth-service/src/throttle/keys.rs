//! Names of the counters. They contain MACs under the secret of the service, so that Redis holds
//! neither the names that clients typed nor their addresses.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::types::{Account, Attempt};
use crate::domain::address::AddressPrefix;

/// Number of bytes of a MAC in the name of a counter.
const MAC_BYTES: usize = 12;
/// Number of bytes of the MAC of an address in the list of a user's addresses.
pub const ADDRESS_MAC_BYTES: usize = 8;

/// The names of the counters of one attempt. Those of one account have a common hash tag, so one
/// server of a cluster holds them.
#[derive(Clone, Debug)]
pub struct CounterKeys {
    /// `None` if the attempt concerns no name.
    pub name: Option<NameKeys>,
    pub bucket: String,
    /// MAC of the address. `None` if the address is not known.
    pub address_mac: Option<[u8; ADDRESS_MAC_BYTES]>,
    /// Whether the counter [`NameKeys::own`] counts.
    pub is_own_lane: bool,
}

/// The names of a name's counters.
#[derive(Clone, Debug)]
pub struct NameKeys {
    /// Counter of strangers.
    pub strangers: String,
    /// Counter of the client's device or address.
    pub own: String,
    /// Addresses from which the user has logged in.
    pub addresses: String,
}

impl CounterKeys {
    pub fn has_name(&self) -> bool {
        self.name.is_some()
    }
}

/// Makes the names of counters.
pub struct KeyMaker {
    key: hmac::Key,
    prefix: String,
}

impl KeyMaker {
    pub fn new(secret: &[u8; 32], prefix: &str) -> Self {
        Self { key: hmac::Key::new(HMAC_SHA256, secret), prefix: prefix.to_owned() }
    }

    pub fn of_attempt(&self, attempt: &Attempt<'_>) -> CounterKeys {
        let Attempt { account, name, device, address } = *attempt;
        let (tag, revision) = match account {
            Account::Unknown => (self.mac(b"name", &[name]), 0),
            Account::User { id, revision } => (self.mac(b"user", &[id.as_bytes()]), revision),
        };
        let account = format!("{}th{{{tag}}}:", self.prefix);
        let counter = self.mac(b"counter", &[&revision.to_be_bytes(), name]);
        let lane = match device {
            Some(sid) => format!("d{}", self.mac(b"device", &[sid.0.as_bytes()])),
            None => format!("a{}", self.mac(b"address", &[&address.to_bytes()])),
        };
        let name = NameKeys {
            strangers: format!("{account}{counter}"),
            own: format!("{account}{counter}:{lane}"),
            addresses: format!("{account}addresses"),
        };
        let is_own_lane = device.is_some();
        CounterKeys { name: Some(name), is_own_lane, ..self.of_address(address) }
    }

    pub fn of_address(&self, address: AddressPrefix) -> CounterKeys {
        let bucket = self.mac(b"bucket", &[&address.to_bytes()]);
        let is_known = address != AddressPrefix::Unknown;
        CounterKeys {
            name: None,
            bucket: format!("{}ta{{{bucket}}}", self.prefix),
            address_mac: is_known.then(|| self.tag(b"known", &[&address.to_bytes()])),
            is_own_lane: false,
        }
    }

    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.tag::<MAC_BYTES>(purpose, parts))
    }

    fn tag<const N: usize>(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; N] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose);
        context.update(b"\0");
        parts.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        tag.as_ref()[..N].try_into().expect("a prefix of 32 bytes")
    }
}
