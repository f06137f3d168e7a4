//! argon2id, with the crate's defaults (19 MiB, 2 passes: OWASP's minimum), about 15 ms a hash; at the least cost in a
//! simulation.

use crate::{
    env::Env,
    error::{Error, Result},
};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

/// Hashes a password into a PHC string. Takes CPU time: call it outside of transactions.
///
/// # Errors
/// `internal`, when the algorithm refuses its input.
pub fn hash(env: &Env, password: &str) -> Result<String> {
    let salt = env.bytes::<16>();
    // A simulation has no secret that slowness would guard, and makes people by the hundred.
    let params = if env.is_simulated() {
        Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).map_err(Error::internal)?
    } else {
        Params::default()
    };
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), &salt).map_err(Error::internal)?;
    Ok(hash.to_string())
}

/// Whether the password is the one behind the hash. A missing account costs the same time as a wrong password.
pub fn matches(password: &str, hash: Option<&str>) -> bool {
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

/// A password a person can type from paper: 4 groups of 4, without look-alikes; 77 bits.
pub fn generate(env: &Env) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let group = || (0..4).map(|_| char::from(LETTERS[env.below(31) as usize])).collect::<String>();
    [group(), group(), group(), group()].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_matches_and_no_other() {
        let env = Env::system();
        let hashed = hash(&env, "correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(matches("correct horse", Some(&hashed)));
        assert!(!matches("correct horsf", Some(&hashed)));
        assert!(!matches("correct horse", None));
        assert_ne!(hashed, hash(&env, "correct horse").unwrap());
    }

    #[test]
    fn a_simulation_hashes_at_the_least_cost() {
        let env = Env::simulated(chrono::DateTime::UNIX_EPOCH, 1).0;
        let hashed = hash(&env, "correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hashed}");
        assert!(matches("correct horse", Some(&hashed)));
        assert!(!matches("correct horsf", Some(&hashed)));
    }
}
