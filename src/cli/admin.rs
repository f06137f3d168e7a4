//! `chengguan user|device|unit`: administration on the machine itself, straight on the database.

use super::{Common, say};
use crate::{
    app::App,
    db::Tx,
    env::Env,
    error::Result as ActionResult,
    identity::{
        actions::{self, NewUser},
        devices, passwords,
        rules::{DeviceKind, Role, UnitClass},
    },
};
use chrono::{Datelike, SecondsFormat};
use clap::{Args, Subcommand};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Args)]
pub(super) struct UserArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an account; prints a generated password once.
    Add {
        /// Name to sign in with.
        username: String,
        /// The person's name.
        #[arg(long)]
        name: String,
        /// inspector, officer, spot_checker, liaison, dispatcher, verifier, supervisor or admin.
        #[arg(long)]
        role: Role,
        /// Code of the person's unit.
        #[arg(long)]
        unit: Option<String>,
    },
    /// All accounts.
    List,
    /// Disable an account and end its sessions.
    Disable {
        /// Name to sign in with.
        username: String,
    },
    /// Give an account a new generated password, printed once; lifts a lock.
    ResetPassword {
        /// Name to sign in with.
        username: String,
    },
}

#[derive(Args)]
pub(super) struct DeviceArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// Add a device, or give one a new code; prints the one-time enrolment code.
    Add {
        /// The label on the device.
        name: String,
        /// handheld, camera or dock.
        #[arg(long)]
        kind: DeviceKind,
    },
    /// All devices.
    List,
    /// Revoke a device at once.
    Revoke {
        /// The label on the device.
        name: String,
    },
}

#[derive(Args)]
pub(super) struct UnitArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: UnitCommand,
}

#[derive(Subcommand)]
enum UnitCommand {
    /// Add a unit.
    Add {
        /// Short code.
        code: String,
        /// Full name.
        #[arg(long)]
        name: String,
        /// A or B.
        #[arg(long)]
        class: UnitClass,
        /// The year the class holds from; this year when absent.
        #[arg(long)]
        year: Option<i32>,
    },
    /// Set a unit's class for a year.
    Class {
        /// Short code.
        code: String,
        /// A or B.
        #[arg(long)]
        class: UnitClass,
        /// The year.
        #[arg(long)]
        year: i32,
    },
    /// Load the county's 32 units that are missing.
    LoadCounty,
    /// All units.
    List,
}

/// Opens the database of the settings and runs one transaction on it.
pub(super) fn with<T: Send + 'static>(
    common: &Common,
    f: impl FnOnce(&mut Tx) -> ActionResult<T> + Send + 'static,
) -> Result<T, Box<dyn std::error::Error>> {
    let config = common.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let db = App::open_for_administration(&config, Env::system()).await?;
        Ok(db.write(f).await?)
    })
}

pub(super) fn user(args: UserArgs) -> Outcome {
    let env = Env::system();
    match args.command {
        UserCommand::Add { username, name, role, unit } => {
            let password = passwords::generate(&env);
            let password_hash = actions::password_hash(&env, &password)?;
            let row = with(&args.common, move |tx| {
                let unit_id = match unit {
                    Some(code) => Some(actions::unit_by_code(tx.db, &code)?.id),
                    None => None,
                };
                actions::user_add(tx, NewUser { username, name, role, unit_id, password_hash })
            })?;
            say(format_args!("{} {} {}", row.username, row.role, row.id));
            say(format_args!("password (shown once): {password}"));
        }
        UserCommand::List => {
            for row in with(&args.common, |tx| actions::user_list(tx.db))? {
                let state = if row.disabled_at.is_some() { "disabled" } else { "active" };
                say(format_args!("{}\t{}\t{}\t{state}", row.username, row.role, row.name));
            }
        }
        UserCommand::Disable { username } => {
            let row = with(&args.common, move |tx| actions::user_disable(tx, &username))?;
            say(format_args!("{} is disabled, its sessions are ended", row.username));
        }
        UserCommand::ResetPassword { username } => {
            let password = passwords::generate(&env);
            let hash = actions::password_hash(&env, &password)?;
            let row = with(&args.common, move |tx| actions::user_reset(tx, &username, hash))?;
            say(format_args!("{}: new password (shown once): {password}", row.username));
        }
    }
    Ok(())
}

pub(super) fn device(args: DeviceArgs) -> Outcome {
    match args.command {
        DeviceCommand::Add { name, kind } => {
            let (row, code) = with(&args.common, move |tx| devices::device_add(tx, &name, kind))?;
            say(format_args!("{} {} {}", row.name, row.kind, row.id));
            say(format_args!("enrolment code (works once, for 7 days): {code}"));
        }
        DeviceCommand::List => {
            let (rows, epochs) =
                with(&args.common, |tx| Ok((devices::device_list(tx.db)?, devices::epochs_newest(tx.db)?)))?;
            for row in rows {
                let state = match (&row.revoked_at, &row.enrolled_at) {
                    (Some(_), _) => "revoked",
                    (None, Some(_)) => "enrolled",
                    (None, None) => "not enrolled",
                };
                let seen = epochs
                    .get(&row.id)
                    .and_then(|e| e.last_push_at)
                    .map(|at| at.0.to_rfc3339_opts(SecondsFormat::Secs, true));
                say(format_args!("{}\t{}\t{state}\t{}", row.name, row.kind, seen.unwrap_or_default()));
            }
        }
        DeviceCommand::Revoke { name } => {
            let row = with(&args.common, move |tx| {
                let id = devices::device_by_name(tx.db, &name)?.id;
                devices::device_revoke(tx, id)
            })?;
            say(format_args!("{} is revoked", row.name));
        }
    }
    Ok(())
}

pub(super) fn unit(args: UnitArgs) -> Outcome {
    let this_year = |tx: &Tx| tx.now.with_timezone(&chrono_tz::Asia::Shanghai).year();
    match args.command {
        UnitCommand::Add { code, name, class, year } => {
            let row = with(&args.common, move |tx| {
                let year = year.unwrap_or_else(|| this_year(tx));
                actions::unit_add(tx, &code, &name, year, class)
            })?;
            say(format_args!("{} {}", row.code, row.name));
        }
        UnitCommand::Class { code, class, year } => {
            with(&args.common, move |tx| actions::unit_class_set(tx, &code, year, class))?;
            say("done");
        }
        UnitCommand::LoadCounty => {
            let added = with(&args.common, actions::county_load)?;
            say(format_args!("{added} units added"));
        }
        UnitCommand::List => {
            let rows = with(&args.common, move |tx| {
                let year = this_year(tx);
                actions::unit_list(tx.db, year)
            })?;
            for (row, class) in rows {
                say(format_args!("{}\t{}\t{}", row.code, class.unwrap_or_default(), row.name));
            }
        }
    }
    Ok(())
}
