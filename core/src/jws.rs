//! Compact JSON Web Signatures with an Ed25519 key in nkeys form.
//!
//! Owns the three parts of a token and their signature, for NATS JWTs and for the platform's own
//! tokens. It must not know what the claims mean, what time it is, or where a key is kept: whoever
//! verifies a token still has to check its expiry, its audience and its revocation.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde::Serialize;

/// What the header says a token is signed with.
///
/// The verifier names the one it expects, so a token can't choose its own check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `ed25519-nkey`, the name that NATS gives to Ed25519.
    Nkey,
    /// `EdDSA`, the registered name (RFC 8037).
    EdDsa,
}

/// Why a token was not made or not believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the token is not three parts of unpadded base64url")]
    Shape,
    #[error("the token's header is not the expected one")]
    Header,
    #[error("the token's signature does not fit this key")]
    Signature,
    #[error("the claims can't be written as JSON")]
    Claims(#[source] serde_json::Error),
    #[error("the key can't sign")]
    Key(#[source] nkeys::error::Error),
}

// === impl Algorithm ===

impl Algorithm {
    fn header(self) -> String {
        let text = match self {
            Self::Nkey => r#"{"typ":"JWT","alg":"ed25519-nkey"}"#,
            Self::EdDsa => r#"{"typ":"JWT","alg":"EdDSA"}"#,
        };
        BASE64URL_NOPAD.encode(text.as_bytes())
    }
}

/// Signs the claims; the key must hold its seed.
pub fn sign<T: Serialize>(alg: Algorithm, claims: &T, key: &KeyPair) -> Result<String, Error> {
    let claims = serde_json::to_vec(claims).map_err(Error::Claims)?;
    let signed = format!("{}.{}", alg.header(), BASE64URL_NOPAD.encode(&claims));
    let signature = sign_text(signed.as_bytes(), key)?;
    Ok(format!("{signed}.{signature}"))
}

/// Signs bytes as they are, in unpadded base64url: the third part of a token, and what a NATS
/// client answers to the server's nonce.
pub fn sign_text(text: &[u8], key: &KeyPair) -> Result<String, Error> {
    let signature = key.sign(text).map_err(Error::Key)?;
    Ok(BASE64URL_NOPAD.encode(&signature))
}

/// Returns the claims' bytes of a token that this key signed with this algorithm.
///
/// Only the very header that [`sign`] writes is accepted: every token here is our own, and a
/// header read leniently is where tokens get forged.
pub fn verify(token: &str, key: &KeyPair, alg: Algorithm) -> Result<Vec<u8>, Error> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Error::Shape)?;
    let (header, claims) = signed.split_once('.').ok_or(Error::Shape)?;
    let decode = |part: &str| {
        BASE64URL_NOPAD
            .decode(part.as_bytes())
            .map_err(|_| Error::Shape)
    };
    // A fourth part leaves a dot in `claims`, which is no base64url.
    let (signature, claims) = (decode(signature)?, decode(claims)?);
    if header != alg.header() {
        return Err(Error::Header);
    }
    key.verify(signed.as_bytes(), &signature)
        .map_err(|_| Error::Signature)?;
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nkeys::KeyPairType;
    use serde_json::{Value, json};

    fn key(byte: u8) -> KeyPair {
        KeyPair::new_from_raw(KeyPairType::Account, [byte; 32]).unwrap()
    }

    #[test]
    fn a_signed_token_verifies_with_the_public_key_alone() {
        for alg in [Algorithm::Nkey, Algorithm::EdDsa] {
            let claims = json!({"sub": "someone", "exp": 12});
            let token = sign(alg, &claims, &key(1)).unwrap();
            let public = KeyPair::from_public_key(&key(1).public_key()).unwrap();
            let read: Value =
                serde_json::from_slice(&verify(&token, &public, alg).unwrap()).unwrap();
            assert_eq!(read, claims);
        }
    }

    #[test]
    fn another_key_or_algorithm_is_refused() {
        let token = sign(Algorithm::EdDsa, &json!({}), &key(1)).unwrap();
        let other_key = verify(&token, &key(2), Algorithm::EdDsa);
        assert!(matches!(other_key, Err(Error::Signature)));
        let other_algorithm = verify(&token, &key(1), Algorithm::Nkey);
        assert!(matches!(other_algorithm, Err(Error::Header)));
    }

    #[test]
    fn a_changed_claim_is_refused() {
        let token = sign(Algorithm::EdDsa, &json!({"sub": "a"}), &key(1)).unwrap();
        let other = sign(Algorithm::EdDsa, &json!({"sub": "b"}), &key(2)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = other.split('.').nth(1).unwrap();
        let forged = format!("{}.{claims}.{}", parts[0], parts[2]);
        let answer = verify(&forged, &key(1), Algorithm::EdDsa);
        assert!(matches!(answer, Err(Error::Signature)));
    }

    #[test]
    fn a_header_that_means_the_same_is_still_refused() {
        for header in [
            r#"{"alg":"EdDSA","typ":"JWT"}"#,
            r#"{"typ":"JWT","alg":"none"}"#,
            r#"{"typ":"JWT","alg":"EdDSA","crit":[]}"#,
        ] {
            let signed = format!(
                "{}.{}",
                BASE64URL_NOPAD.encode(header.as_bytes()),
                BASE64URL_NOPAD.encode(b"{}")
            );
            let token = format!(
                "{signed}.{}",
                sign_text(signed.as_bytes(), &key(1)).unwrap()
            );
            let answer = verify(&token, &key(1), Algorithm::EdDsa);
            assert!(matches!(answer, Err(Error::Header)), "{header}");
        }
    }

    #[test]
    fn anything_but_three_parts_of_base64url_is_refused() {
        let token = sign(Algorithm::EdDsa, &json!({}), &key(1)).unwrap();
        let (signed, _) = token.rsplit_once('.').unwrap();
        for bad in [
            String::new(),
            "..".to_owned() + &token,
            signed.to_owned(),
            format!("{token}."),
            format!("{token}.x"),
            format!("{token}="),
            format!("{token} "),
            token.replacen('.', "..", 1),
        ] {
            let answer = verify(&bad, &key(1), Algorithm::EdDsa);
            assert!(matches!(answer, Err(Error::Shape)), "{bad}: {answer:?}");
        }
    }

    #[test]
    fn a_public_key_signs_nothing() {
        let public = KeyPair::from_public_key(&key(1).public_key()).unwrap();
        assert!(matches!(
            sign(Algorithm::Nkey, &json!({}), &public),
            Err(Error::Key(_))
        ));
    }
}
