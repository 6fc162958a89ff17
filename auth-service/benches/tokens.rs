//! What auth-service computes for every refresh: the decision, and a signature. `cargo bench -p auth-service`

use std::time::Duration;

use auth_service::hot_paths::{
    SigningKey,
    generation::{ClaimsSource, SessionEntry, TokenGeneration, Watermark, decide},
};
use divan::{Bencher, black_box};
use shared::keys::Algorithm;

/// As long as a token's header and claims.
const INPUT: [u8; 560] = [b'x'; 560];

#[divan::bench(args = ["EdDSA", "ES256", "RS256"])]
fn sign(bencher: Bencher, algorithm: &str) {
    let algorithm = match algorithm {
        "EdDSA" => Algorithm::EdDSA,
        "ES256" => Algorithm::ES256,
        _ => Algorithm::RS256,
    };
    let key = SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm)).unwrap();
    bencher.bench(|| key.sign(black_box(&INPUT)));
}

#[divan::bench]
fn refresh_decision(bencher: Bencher) {
    let entry = SessionEntry::Alive(Watermark { generation: 7, moved_at_ms: 1_000, claims_from: None });
    let presented = TokenGeneration { generation: 7, rotated_at_ms: 1_000 };
    let grace = Duration::from_secs(10);
    bencher.bench(|| {
        decide(black_box(Some(entry)), black_box(presented), ClaimsSource::Token, black_box(60_000), grace)
    });
}

fn main() {
    divan::main();
}
