//! Checkpoints as signed notes: C2SP tlog-checkpoint and signed-note, Ed25519.
//!
//! ```text
//! <origin>
//! <size>
//! <root, base64>
//!
//! — <name> <base64 of 4 bytes of key hash and the signature>
//! ```

use super::merkle::Hash;
use crate::{
    error::{Code, Error, Result},
    identity::tokens::{hex, sha256},
};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The kind of signature, the first byte of a key in a note: Ed25519.
const ED25519_NOTE: u8 = 1;

/// A signed state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// The log's own key.
pub struct LogKey {
    pair: Ed25519KeyPair,
    name: LogName,
}

/// Who signs: the public half, and the name that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogName {
    public: Vec<u8>,
}

impl LogKey {
    /// A fresh key, PKCS#8.
    ///
    /// # Errors
    /// `internal`, when the library can't make one.
    pub fn fresh() -> Result<Vec<u8>> {
        let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
        Ok(pair.to_pkcs8().map_err(Error::internal)?.as_ref().to_vec())
    }

    /// A key from stored material.
    ///
    /// # Errors
    /// `internal`, when the material is damaged.
    pub fn load(pkcs8: &[u8]) -> Result<LogKey> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(Error::internal)?;
        let name = LogName { public: pair.public_key().as_ref().to_vec() };
        Ok(LogKey { pair, name })
    }

    /// The public half.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// Signs a state of the log.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let text = self.name.text(checkpoint);
        let signature = self.pair.sign(text.as_bytes());
        let signed = [self.name.id().as_slice(), signature.as_ref()].concat();
        format!("{text}\n— {} {}\n", self.name.name(), STANDARD.encode(signed))
    }
}

impl LogName {
    /// The log's name, also its origin: it follows from the key, so two logs never share one.
    pub fn name(&self) -> String {
        format!("chengguan/{}", &hex(&sha256(&self.public))[..16])
    }

    /// The key as verifiers take it: `name+id+key`.
    pub fn verifier(&self) -> String {
        let key = [&[ED25519_NOTE], self.public.as_slice()].concat();
        format!("{}+{}+{}", self.name(), hex(&self.id()), STANDARD.encode(key))
    }

    /// Reads what [`LogName::verifier`] wrote.
    ///
    /// # Errors
    /// `value_invalid` for anything else.
    pub fn parse(verifier: &str) -> Result<LogName> {
        let wrong = || Code::ValueInvalid.with("log key: name+id+base64");
        let key = verifier.splitn(3, '+').nth(2).and_then(|key| STANDARD.decode(key).ok()).ok_or_else(wrong)?;
        let Some((&ED25519_NOTE, public)) = key.split_first() else { return Err(wrong()) };
        let name = LogName { public: public.to_vec() };
        // Its own writing is the only one: the name and the id follow from the key.
        if public.len() == 32 && name.verifier() == verifier { Ok(name) } else { Err(wrong()) }
    }

    /// Checks a signed note of this log.
    ///
    /// # Errors
    /// What is wrong, in a few words: another origin, another key, a changed byte.
    pub fn verify(&self, note: &str) -> Result<Checkpoint, &'static str> {
        let (text, signatures) = note.split_once("\n\n").ok_or("no signature")?;
        let mut lines = text.split('\n');
        let (Some(_), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
            return Err("three lines are needed");
        };
        let size: u64 = size.parse().map_err(|_| "the size is no number")?;
        let root =
            STANDARD.decode(root).ok().and_then(|root| Hash::try_from(root).ok()).ok_or("the root is no hash")?;
        let checkpoint = Checkpoint { size, root };
        let text = self.text(&checkpoint);
        let line = signatures.strip_prefix(&format!("— {} ", self.name())).and_then(|rest| rest.strip_suffix('\n'));
        let signed = line.and_then(|line| STANDARD.decode(line).ok()).ok_or("no signature of this log")?;
        let signature = signed.strip_prefix(self.id().as_slice()).ok_or("signed with another key")?;
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(text.as_bytes(), signature)
            .map_err(|_| "the signature does not fit")?;
        // Base64 and numbers have more than one spelling; what was signed has one.
        if note == format!("{text}\n— {} {}\n", self.name(), STANDARD.encode(&signed)) {
            Ok(checkpoint)
        } else {
            Err("not spelled as it was signed")
        }
    }

    fn id(&self) -> [u8; 4] {
        let key = [self.name().as_bytes(), &[b'\n', ED25519_NOTE], &self.public].concat();
        let hash = sha256(&key);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn text(&self, checkpoint: &Checkpoint) -> String {
        format!("{}\n{}\n{}\n", self.name(), checkpoint.size, STANDARD.encode(checkpoint.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_good_for_its_log_only_and_no_byte_of_it_can_change() {
        let key = LogKey::load(&LogKey::fresh().unwrap()).unwrap();
        let checkpoint = Checkpoint { size: 70, root: [7; 32] };
        let note = key.sign(&checkpoint);
        let name = LogName::parse(&key.name().verifier()).unwrap();
        assert_eq!(name.verify(&note).unwrap(), checkpoint);
        let other = LogKey::load(&LogKey::fresh().unwrap()).unwrap();
        assert!(other.name().verify(&note).is_err());
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(name.verify(&changed).is_err(), "byte {at}, bit {bit}: {changed}");
            }
        }
        for bad in ["", "a+b", "a+b+c", &key.name().verifier().to_uppercase()] {
            assert!(LogName::parse(bad).is_err());
        }
    }
}
