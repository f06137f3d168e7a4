//! Connections that take in no more than is wanted of them.
//!
//! Left alone, the framework reads 128 KiB ahead of whoever takes a body, and as much again behind that, into buffers that
//! double as they grow: half a MiB a connection that nobody asked for, when a hundred devices send faster than the disk
//! writes. Here a connection reads [`SIP`] bytes at a time, and while a [`Sipped`] body is taken, only when its taker has
//! nothing left. What is not read waits in the kernel, and that slows the sender down.

use actix_web::{HttpRequest, error::PayloadError, web};
use bytes::Bytes;
use futures_util::Stream;
use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take},
    net::TcpStream,
};

/// What a connection reads at a time, bytes: a little less than a power of two, or the framework doubles its buffer for
/// bytes that don't come.
const SIP: usize = 30 * 1024;

/// How much a connection may read. It and whoever takes the body of its request share one, in one thread.
#[derive(Clone)]
pub struct Meter(Rc<Shared>);

struct Shared {
    left: Cell<usize>,
    /// Somebody says when to read on.
    governed: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Meter {
    fn new() -> Meter {
        Meter(Rc::new(Shared { left: Cell::new(SIP), governed: Cell::new(false), waiting: Cell::new(None) }))
    }

    fn govern(&self) {
        self.0.governed.set(true);
        self.0.left.set(0);
    }

    fn release(&self) {
        self.0.governed.set(false);
        self.read_on();
    }

    fn read_on(&self) {
        self.0.left.set(SIP);
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }

    /// How much may be read now; if nothing, the waker is called once that changes.
    fn allowance(&self, waker: &Waker) -> usize {
        let left = self.0.left.get();
        if left == 0 {
            self.0.waiting.set(Some(waker.clone()));
            if !self.0.governed.get() {
                // What has come is looked at, and the other connections have their turn.
                self.read_on();
            }
        }
        left
    }
}

/// A connection with a [`Meter`].
pub struct Metered {
    io: Take<TcpStream>,
    meter: Meter,
}

impl Metered {
    /// Meters a connection.
    pub fn new(io: TcpStream) -> Metered {
        Metered { io: io.take(0), meter: Meter::new() }
    }

    /// Its meter, to be left in the connection's data, where [`sipped`] looks for it.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    fn whole(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(self.get_mut().io.get_mut())
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Metered { io, meter } = self.get_mut();
        let left = meter.allowance(cx.waker());
        if left == 0 {
            return Poll::Pending;
        }
        io.set_limit(left as u64);
        let before = buf.filled().len();
        let outcome = Pin::new(io).poll_read(cx, buf);
        meter.0.left.set(left - (buf.filled().len() - before));
        outcome
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.whole().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.whole().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.get_ref().is_write_vectored()
    }
}

/// A body whose connection reads only when its taker waits.
pub struct Sipped {
    body: web::Payload,
    meter: Option<Meter>,
}

/// Takes a body in sips. To be called before the handler first waits, or more has come in by then.
pub fn sipped(request: &HttpRequest, body: web::Payload) -> Sipped {
    let meter = request.conn_data::<Meter>().cloned();
    if let Some(meter) = &meter {
        meter.govern();
    }
    Sipped { body, meter }
}

impl Stream for Sipped {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.body).poll_next(cx);
        if let (Poll::Pending, Some(meter)) = (&next, &this.meter) {
            meter.read_on();
        }
        next
    }
}

impl Drop for Sipped {
    fn drop(&mut self) {
        if let Some(meter) = &self.meter {
            meter.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::AsyncWriteExt,
        net::TcpListener,
        time::{Duration, timeout},
    };

    #[tokio::test]
    async fn a_governed_connection_reads_only_what_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut connection = Metered::new(listener.accept().await.unwrap().0);
        let meter = connection.meter();
        let sending = tokio::spawn(async move {
            sender.write_all(&vec![7; 4 * SIP]).await.unwrap();
            sender
        });
        let mut sip = vec![0; SIP];
        connection.read_exact(&mut sip).await.unwrap();
        connection.read_exact(&mut sip).await.unwrap();
        meter.govern();
        let silent = timeout(Duration::from_millis(50), connection.read(&mut sip)).await;
        assert!(silent.is_err(), "nobody asked");
        meter.read_on();
        connection.read_exact(&mut sip).await.unwrap();
        assert!(timeout(Duration::from_millis(50), connection.read(&mut sip)).await.is_err(), "that was all");
        meter.release();
        connection.read_exact(&mut sip).await.unwrap();
        drop(sending.await.unwrap());
        assert_eq!(connection.read(&mut sip).await.unwrap(), 0);
    }
}
