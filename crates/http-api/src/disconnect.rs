//! Whether the client of a connection is still there.
//!
//! The HTTP library goes on with a request whose client has closed the connection, and tells nobody. So
//! each connection's socket is kept a second time, to look at it: the end of what the client sends, or a
//! reset, says that it is gone. A client that only stops sending looks the same, and counts as gone.

use std::{
    any::Any,
    io::ErrorKind,
    net::TcpStream,
    os::fd::AsRawFd,
    sync::{Arc, Weak},
};

use actix_web::{HttpRequest, dev::Extensions, rt};
use domain::ports::{CallContext, ClientKey};
use socket2::SockRef;

/// The other end of a connection.
struct Peer(TcpStream);

/// Keeps the sockets of new connections, as long as no more than so many files are open: where they are
/// scarce, it is better to serve one more connection than to know when its client goes.
pub(super) fn keeping(open_files: usize) -> impl Fn(&dyn Any, &mut Extensions) {
    move |connection, extensions| {
        let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() else {
            return;
        };
        // Numbers are given out from the lowest on.
        if let Ok(socket) = SockRef::from(stream).try_clone()
            && usize::try_from(socket.as_raw_fd()).is_ok_and(|number| number < open_files)
        {
            extensions.insert(Arc::new(Peer(socket.into())));
        }
    }
}

/// The context of the work on a request. It is cancelled with the connection, too.
pub(super) fn context(request: &HttpRequest, client: ClientKey) -> CallContext {
    let context = match request.conn_data::<Arc<Peer>>() {
        None => CallContext::local(),
        Some(peer) => {
            let peer: Weak<Peer> = Arc::downgrade(peer);
            CallContext::cancelled_when(move || peer.upgrade().is_none_or(|peer| !peer.is_there()))
        }
    };
    context.for_client(client)
}

impl Peer {
    /// Looks without taking anything away, and without waiting: the socket is one that does not block.
    fn is_there(&self) -> bool {
        match self.0.peek(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}
