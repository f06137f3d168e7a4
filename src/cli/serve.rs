//! `chengguan serve`.

use super::{Common, say};
use crate::{
    app::App,
    config::{Config, LogFormat},
    env::Env,
    http::server,
};
use actix_web::web;
use tracing_subscriber::EnvFilter;

type Outcome = Result<(), Box<dyn std::error::Error>>;

pub(super) fn run(common: &Common) -> Outcome {
    let config = common.load()?;
    log(&config)?;
    actix_web::rt::System::new().block_on(async move {
        let app = web::Data::new(App::open(config, Env::system()).await?);
        let bound = server::bind(app.clone()).map_err(|e| format!("can't listen on {}: {e}", app.config.listen))?;
        greet(&app, &bound.address.to_string());
        crate::evidence::uploads::start(app.clone().into_inner());
        crate::proof::check::start(app.clone().into_inner());
        crate::evidence::custody::start(app.clone().into_inner());
        crate::city::sweep::start(app.clone().into_inner());
        bound.server.await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Starts logging to standard error.
///
/// # Errors
/// When the filter can't be read.
pub(crate) fn log(config: &Config) -> Outcome {
    let filter = EnvFilter::try_new(&config.log).map_err(|e| format!("setting log: {:?}: {e}", config.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}

/// What a person sees after the start.
pub(crate) fn greet(app: &App, address: &str) {
    say(format_args!("chengguan {} listens on http://{address}/", env!("CARGO_PKG_VERSION")));
    if let Some(code) = &app.setup_code {
        say(format_args!("No administrator yet. One-time code for the first one: {code}"));
        say(format_args!(
            "  curl -X POST http://{address}/api/v1/setup -H 'Content-Type: application/json' -d \
             '{{\"code\":\"{code}\",\"username\":\"admin\",\"name\":\"管理员\",\"password\":\"…at least 10 characters…\"}}'"
        ));
    }
}
