//! The vectors of `verifiers/vectors`, which verifiers in all languages pass. Its `README.md`
//! describes the format.
#![cfg(feature = "testing")]

mod feed;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use shared::{
    Verifier, VerifierBuilder, VerifyError,
    clock::Clock,
    keys::{JwkSet, PublicKey},
};

/// Reads a file of vectors.
fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let file = format!("{}/../verifiers/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).expect(&file);
    serde_json::from_str(&text).expect(&file)
}

/// The settings of the verifier, which each file has.
#[derive(Deserialize)]
struct Settings {
    now: i64,
    issuer: String,
    audience: String,
    leeway: u64,
}

impl Settings {
    /// Returns the settings of a verifier, and its clock, which shows `now`.
    fn builder(&self) -> (VerifierBuilder, Clock) {
        let clock = Clock::system();
        let ahead = self.now * 1000 - clock.now_ms();
        clock.advance(Duration::from_millis(ahead.try_into().expect("now is in the future")));
        let builder = Verifier::builder(&self.issuer)
            .audience(&self.audience)
            .leeway(Duration::from_secs(self.leeway))
            .clock(clock.clone());
        (builder, clock)
    }

    /// Returns a verifier whose clock has just been set. A clock that was set a second ago would
    /// change the verdict of a token that is about to expire.
    fn verifier(&self, keys: &JwkSet) -> Verifier {
        self.builder().0.build_with_keys(keys)
    }
}

#[derive(Deserialize)]
struct TokenFile {
    #[serde(flatten)]
    settings: Settings,
    keys: JwkSet,
    tokens: Vec<TokenVector>,
}

#[derive(Deserialize)]
struct TokenVector {
    #[serde(default)]
    name: String,
    token: String,
    verdict: String,
    claims: Option<Value>,
}

/// Returns the verdict of a verifier, in the words of the vectors.
fn verdict(verifier: &Verifier, token: &str) -> String {
    match verifier.verify_with_known_keys(token) {
        Ok(_) => "accepted".into(),
        Err(error) => snake_case(error),
    }
}

/// Returns the name of a variant in snake case.
fn snake_case(error: VerifyError) -> String {
    let mut name = String::new();
    for letter in format!("{error:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[test]
fn every_token_gets_its_verdict() {
    let file: TokenFile = read("tokens.json");
    assert!(file.tokens.len() > 500);
    let mut wrong = Vec::new();
    for vector in &file.tokens {
        let verifier = file.settings.verifier(&file.keys);
        // Twice, because the cache must not change the verdict.
        let verdicts = [(); 2].map(|()| verdict(&verifier, &vector.token));
        if verdicts != [&*vector.verdict; 2] {
            wrong.push(format!("{}: {verdicts:?}, not {}", vector.name, vector.verdict));
        }
        if let Some(expected) = &vector.claims {
            let claims = verifier.verify_with_known_keys(&vector.token).unwrap();
            assert_eq!(&serde_json::to_value(&*claims).unwrap(), expected, "{}", vector.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(flatten)]
    settings: Settings,
    sets: Vec<KeySetVector>,
}

#[derive(Deserialize)]
struct KeySetVector {
    name: String,
    jwks: JwkSet,
    usable: Vec<String>,
    tokens: Vec<TokenVector>,
}

#[test]
fn of_every_key_set_exactly_the_usable_keys_are_used() {
    let file: KeyFile = read("keys.json");
    assert!(file.sets.len() > 100);
    let mut wrong = Vec::new();
    for set in &file.sets {
        let keys = set.jwks.keys.iter().filter_map(|jwk| PublicKey::from_jwk(jwk).ok());
        let mut usable: Vec<String> = keys.map(|(kid, _)| kid).collect();
        usable.sort();
        if usable != set.usable {
            wrong.push(format!("{}: {usable:?} are usable, not {:?}", set.name, set.usable));
        }
        let verifier = file.settings.verifier(&set.jwks);
        for vector in &set.tokens {
            let verdict = verdict(&verifier, &vector.token);
            if verdict != vector.verdict {
                wrong.push(format!("{}: {verdict}, not {}", set.name, vector.verdict));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
