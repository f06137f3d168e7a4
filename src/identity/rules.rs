//! Roles, and who sees what.

use crate::{
    db::types::{DeviceId, SessionId, UnitId, UserId},
    error::{Code, Result},
};
use serde::{Deserialize, Serialize};

macro_rules! text_enum {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $text:tt,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[doc = $vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The word used in SQL and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::Error;
            fn from_str(text: &str) -> Result<$name, crate::error::Error> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err(crate::error::Code::ValueInvalid.with(format!(
                        "{text:?} is not one of: {}", [$($text,)*].join(", ")
                    ))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}
pub(crate) use text_enum;

text_enum! {
    /// What a person does in the loop.
    Role {
        /// 信息采集员: reports problems in the street.
        Inspector = "inspector",
        /// 执法队员: wears a body camera, handles cases.
        Officer = "officer",
        /// 抽检人员: works through the week's sample.
        SpotChecker = "spot_checker",
        /// 智慧城管专干: one per unit; sees the unit's own cases.
        Liaison = "liaison",
        /// 派遣员: the Smart Centre.
        Dispatcher = "dispatcher",
        /// 市采集员: verifies for the city.
        Verifier = "verifier",
        /// 县政府督查室: watches.
        Supervisor = "supervisor",
        /// 系统管理员.
        Admin = "admin",
    }
}

text_enum! {
    /// What a device is.
    DeviceKind {
        /// 智慧城管通.
        Handheld = "handheld",
        /// 执法记录仪.
        Camera = "camera",
        /// 采集站, uploads for many cameras.
        Dock = "dock",
    }
}

text_enum! {
    /// The two classes of assessed units; ranked apart.
    UnitClass {
        /// A类: lead departments.
        A = "A",
        /// B类: units with part of the task.
        B = "B",
    }
}

/// The person behind a request or an operation, with what decides their rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person.
    pub user_id: UserId,
    /// Shown in timelines.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Their unit, for liaisons and officers.
    pub unit_id: Option<UnitId>,
    /// The session they act in.
    pub session_id: SessionId,
    /// The device the session, or the operation, belongs to.
    pub device_id: Option<DeviceId>,
}

/// Everybody at the Centre, in the city's verification and at the county government sees every case.
pub const CENTRE: &[Role] = &[Role::Dispatcher, Role::Verifier, Role::Supervisor, Role::Admin];

impl Actor {
    /// The audience keys this person holds: a record is visible when it carries one of them.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = vec!["all".to_owned(), format!("user:{}", self.user_id)];
        if CENTRE.contains(&self.role) {
            keys.push("centre".into());
        }
        if self.role == Role::SpotChecker {
            keys.push("spotchecks".into());
        }
        if self.role == Role::Inspector {
            keys.push("spots".into());
        }
        keys.extend(self.unit_of_cases().map(|unit| format!("unit:{unit}")));
        keys
    }

    /// Whose figures this person sees: of all units at the Centre, of the own one as its liaison.
    ///
    /// # Errors
    /// `role_forbidden` for everybody else.
    pub fn only_unit(&self) -> Result<Option<UnitId>> {
        match self.role {
            role if CENTRE.contains(&role) => Ok(None),
            Role::Liaison => self.unit_of_cases().map(Some).ok_or_else(|| Code::RoleForbidden.into()),
            _ => Err(Code::RoleForbidden.into()),
        }
    }

    /// The unit whose cases this person works on.
    pub fn unit_of_cases(&self) -> Option<UnitId> {
        self.unit_id.filter(|_| matches!(self.role, Role::Liaison | Role::Officer))
    }

    /// Refuses roles outside `roles`.
    ///
    /// # Errors
    /// `role_forbidden`.
    pub fn must_be(&self, roles: &[Role]) -> Result<()> {
        if roles.contains(&self.role) { Ok(()) } else { Err(Code::RoleForbidden.into()) }
    }
}

/// Wrong passwords in a row before the account locks.
pub const LOCK_AFTER: i32 = 5;
/// How long it stays locked.
pub const LOCK_FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
/// How long an access token lives.
pub const ACCESS_FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
/// How long a session can be refreshed.
pub const SESSION_FOR: chrono::TimeDelta = chrono::TimeDelta::days(30);
/// How long a device's enrolment code works.
pub const CODE_FOR: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// Checks a user name: 2–64 of letters, digits, `.`, `_`, `-`.
///
/// # Errors
/// `value_invalid`.
pub fn username(text: &str) -> Result<()> {
    let good = (2..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if good { Ok(()) } else { Err(Code::ValueInvalid.with("username: 2–64 letters, digits, . _ -")) }
}

/// Checks a password: 10–200 characters.
///
/// # Errors
/// `value_invalid`.
pub fn password(text: &str) -> Result<()> {
    if (10..=200).contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(Code::ValueInvalid.with("password: 10–200 characters"))
    }
}

/// Checks a text that people read: 1–`max` characters, no control characters but line breaks.
///
/// # Errors
/// `value_invalid`, naming the field.
pub fn text(field: &str, value: &str, max: usize) -> Result<()> {
    let count = value.chars().count();
    if count == 0 || value.trim().is_empty() {
        return Err(Code::ValueInvalid.with(format!("{field}: must not be empty")));
    }
    if count > max {
        return Err(Code::ValueInvalid.with(format!("{field}: at most {max} characters")));
    }
    if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Code::ValueInvalid.with(format!("{field}: holds control characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_liaison_holds_the_key_of_the_own_unit_and_not_the_centres() {
        let unit = UnitId(Uuid::from_u128(9));
        let actor = Actor {
            user_id: UserId(Uuid::from_u128(1)),
            name: "专干".into(),
            role: Role::Liaison,
            unit_id: Some(unit),
            session_id: SessionId(Uuid::from_u128(2)),
            device_id: None,
        };
        assert!(actor.keys().contains(&format!("unit:{unit}")));
        assert!(!actor.keys().contains(&"centre".to_owned()));
        let dispatcher = Actor { role: Role::Dispatcher, ..actor };
        assert!(dispatcher.keys().contains(&"centre".to_owned()));
        assert!(!dispatcher.keys().iter().any(|k| k.starts_with("unit:")));
    }

    #[test]
    fn names_and_passwords_have_bounds() {
        assert!(username("a").is_err() && username("zhang.wei-2").is_ok() && username("张伟").is_err());
        assert!(password("short").is_err() && password("一二三四五六七八九十").is_ok());
        assert!(
            text("title", " \n", 9).is_err() && text("title", "a\u{7}b", 9).is_err() && text("t", "井盖", 2).is_ok()
        );
    }
}
