//! The cost of each refresh: the refresh decision, and a signature.
//!
//! `cargo bench -p auth-service`

use std::time::Duration;

use auth_service::hot_paths::{
    OriginHash, Outages, SigningKey,
    refresh_decision::{
        ClaimsSource, GracePeriod, Presented, Rotation, SessionEntry, TokenGeneration, Watermark,
        decide,
    },
};
use divan::{Bencher, black_box};
use shared::keys::Algorithm;

/// A message of the size of a token's header and claims.
const MESSAGE: [u8; 560] = [b'x'; 560];

#[divan::bench(args = ["EdDSA", "ES256", "RS256"])]
fn sign(bencher: Bencher, algorithm: &str) {
    let algorithm: Algorithm = algorithm.parse().unwrap();
    let key = SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm)).unwrap();
    bencher.bench(|| key.sign(black_box(&MESSAGE)));
}

#[divan::bench]
fn refresh_decision(bencher: Bencher) {
    let origin = OriginHash::from_bits(7);
    let watermark = Watermark { generation: 7, moved_at_ms: 1_000, origin, ..Watermark::default() };
    let entry = Some(SessionEntry::Alive(watermark));
    let presented = Presented {
        token: TokenGeneration { generation: 7, rotated_at_ms: 1_000 },
        claims: ClaimsSource::Token,
        origin,
        rotation: Rotation::On,
    };
    let outages = Outages::default();
    let grace = GracePeriod { now_ms: 60_000, length: Duration::from_secs(10), outages: &outages };
    bencher.bench(|| decide(black_box(entry), black_box(&presented), black_box(&grace)));
}

fn main() {
    divan::main();
}
