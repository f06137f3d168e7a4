//! `chengguan import-outbox`: what a handheld could not send, from the file that its page wrote.

use super::say;
use crate::{
    client::{
        device::explain,
        http::{Api, Patience},
        parcel::Parcel,
    },
    env::Env,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The file, outbox-….tar
    file: PathBuf,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    server: String,
}

pub(super) fn run(args: &ImportArgs) -> Result<(), Box<dyn std::error::Error>> {
    let mut parcel = Parcel::open(&args.file)?;
    say(parcel.words());
    let api = Api::new(&args.server, Patience::default())?;
    let delivered = parcel.deliver(&api, &Env::system()).map_err(|error| {
        let words = explain(&error);
        if words.contains("token_") {
            "the file is older than 24 hours: write it anew on the device (我的 → 导出未传数据包)".to_owned()
        } else {
            words
        }
    })?;
    for (word, count) in &delivered.ops {
        say(format_args!("{count} operations: {word}"));
    }
    say(format_args!("{} signed records kept, {} photos stored", delivered.captures, delivered.photos));
    for trouble in &delivered.troubles {
        say(trouble);
    }
    if delivered.troubles.is_empty() { Ok(()) } else { Err("not everything arrived; keep the file".into()) }
}
