//! Why `hallmark serve` cannot be started, and what to type.
//!
//! Turns what kept the gate from its start into advice: which files it takes, and which address.

use std::{io::ErrorKind, net::SocketAddr};

use super::{args::Serve, files::whereabouts_of};
use crate::gate::ServeError;

/// What to do where the gate cannot be started: what lies where a file should, and what to type.
pub(super) fn help(error: &ServeError, args: &Serve) -> Vec<String> {
    match error {
        ServeError::File { path, .. } => {
            whereabouts_of(path).into_iter().chain([to_give(args)]).collect()
        }
        ServeError::Pem { .. } | ServeError::Tls { .. } => vec![to_give(args)],
        ServeError::Listen { listen, error } => vec![to_listen(*listen, error.kind(), args)],
        ServeError::Stopped(_) => Vec::new(),
    }
}

/// Which files to give, and by what: the option where it was used, else the key that says the same.
fn to_give(args: &Serve) -> String {
    let by = match args.tls_certificate.is_some() || args.tls_key.is_some() {
        true => "--tls-certificate and --tls-key",
        false => {
            "gate.certificate and gate.key in hallmark.yaml, or --tls-certificate and --tls-key"
        }
    };
    format!(
        "give a certificate chain in PEM, the server's own first, and the private key of that one: {by}"
    )
}

fn to_listen(listen: SocketAddr, why: ErrorKind, args: &Serve) -> String {
    let by = match args.listen.is_some() {
        true => "--listen HOST:PORT",
        false => "gate.listen in hallmark.yaml, or --listen HOST:PORT",
    };
    let port = listen.port();
    match why {
        ErrorKind::AddrInUse => format!(
            "another program listens there, perhaps another hallmark serve; end it (ss -ltnp 'sport = :{port}' shows which), \
             or take another port: {by}"
        ),
        ErrorKind::PermissionDenied => {
            format!(
                "a port below 1024 takes the capability CAP_NET_BIND_SERVICE; take another: {by}"
            )
        }
        ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address; 0.0.0.0 stands for each that it has: {by}")
        }
        _ => format!("take another address: {by}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_keeps_the_gate_from_its_start_is_told_with_what_to_type() {
        let args = |listen: Option<&str>, certificate: Option<&str>| Serve {
            listen: listen.map(|text| text.parse().unwrap()),
            tls_certificate: certificate.map(PathBuf::from),
            tls_key: None,
        };
        let listening = |kind: ErrorKind| ServeError::Listen {
            listen: "127.0.0.1:443".parse().unwrap(),
            error: kind.into(),
        };
        let absent = || ServeError::File {
            path: "/nowhere/tls.crt".into(),
            error: ErrorKind::NotFound.into(),
        };
        let by_file = args(None, None);
        let by_option = args(Some("127.0.0.1:443"), Some("/nowhere/tls.crt"));
        let (used, denied) = (ErrorKind::AddrInUse, ErrorKind::PermissionDenied);
        let cases: [(ServeError, &Serve, &str); 7] = [
            (listening(used), &by_file, "port: gate.listen in hallmark.yaml, or --listen"),
            (listening(used), &by_option, "ss -ltnp 'sport = :443' shows which"),
            (listening(denied), &by_option, "CAP_NET_BIND_SERVICE; take another: --listen"),
            (listening(ErrorKind::AddrNotAvailable), &by_option, "it has: --listen"),
            (absent(), &by_option, "there is no folder /nowhere"),
            (absent(), &by_option, "of that one: --tls-certificate and --tls-key"),
            (absent(), &by_file, "gate.certificate and gate.key in hallmark.yaml, or --tls"),
        ];
        for (error, args, want) in cases {
            let told = help(&error, args).join("\n");
            assert!(told.contains(want), "{error}: {told}");
        }
    }
}
