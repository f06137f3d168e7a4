//! Binding, running and stopping the HTTP server.

use super::{edge, intake::Metered, pages, parameter_errors, routes, unknown};
use crate::{app::App, evidence::uploads};
use actix_http::{HttpService, error::DispatchError};
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    body::{BodySize, MessageBody},
    dev::{AppConfig, Extensions, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderValue},
    },
    middleware::{Compress, Next, from_fn},
    web,
};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::net::{TcpSocket, TcpStream};

/// A bound server: its address, and the future that runs it until a signal or `handle().stop(true)`.
pub struct Bound {
    /// Where it listens; with port 0 in the settings, this is the real one.
    pub address: SocketAddr,
    /// Runs the server.
    pub server: Server,
}

/// Connections that may wait to be taken.
const BACKLOG: u32 = 1024;

/// Answers below this many bytes go out as they are.
const PACK_FROM: u64 = 1024;
const UNPACKED: HeaderValue = HeaderValue::from_static("identity");

/// Binds the address of the settings. SIGINT and SIGTERM stop it gracefully: open requests have 30 s.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(app: web::Data<App>) -> std::io::Result<Bound> {
    let (listen, workers) = (app.config.listen, app.config.workers);
    let blocking = app.config.connections as usize + uploads::FILES_AT_ONCE;
    let listener = listener(listen)?;
    let address = listener.local_addr()?;
    let server = Server::build();
    let stopping = server.graceful_shutdown_signal();
    let factory = move || {
        let actix = actix_web::App::new()
            .configure(routes)
            .app_data(app.clone())
            .configure(parameter_errors)
            .configure(pages::routes)
            .default_service(web::to(unknown::unknown))
            .wrap(from_fn(edge::edge))
            .wrap(from_fn(short_unpacked))
            .wrap(Compress::default())
            .wrap(from_fn(head_unpacked));
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .client_request_timeout(Duration::from_secs(10))
            // A slow link must still get an early answer to a large body.
            .client_disconnect_timeout(Duration::from_secs(5))
            .keep_alive(Duration::from_secs(75))
            .local_addr(address)
            .on_connect_ext(|connection: &Metered, data: &mut Extensions| {
                data.insert(connection.meter());
            })
            .h1(map_config(actix.into_factory().map_err(|e| e.error_response()), |()| AppConfig::default()));
        fn_service(|io: TcpStream| async move {
            let peer = io.peer_addr().ok();
            Ok::<_, DispatchError>((Metered::new(io), peer))
        })
        .and_then(http)
    };
    let server = server
        .workers(workers)
        // Beyond what disk and database can do at once, threads only take memory and turns.
        .worker_max_blocking_threads(blocking)
        .shutdown_timeout(30)
        .listen("http", listener, factory)?;
    Ok(Bound { address, server: server.run() })
}

fn listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Keeps the packer away from answers to HEAD: it would announce a coding for a body that never comes, and a client that
/// unpacks what it reads calls that a broken stream.
async fn head_unpacked<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if request.method() == Method::HEAD {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    let mut response = next.call(request).await?;
    if response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding == UNPACKED) {
        response.headers_mut().remove(header::CONTENT_ENCODING);
    }
    Ok(response)
}

/// Keeps the packer away from short answers: it clears a quarter of a megabyte for each, and they fit one packet anyway.
/// It leaves alone what says that it has a coding; [`head_unpacked`] takes this one off, which no answer should name
/// (RFC 9110 §8.4.1).
async fn short_unpacked<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    if matches!(response.response().body().size(), BodySize::Sized(size) if size < PACK_FROM)
        && !response.headers().contains_key(header::CONTENT_ENCODING)
    {
        response.headers_mut().insert(header::CONTENT_ENCODING, UNPACKED);
    }
    Ok(response)
}
