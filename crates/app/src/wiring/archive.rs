//! The database of the Flask program that Etiqueta replaces.

use std::sync::Arc;

use anyhow::bail;
use domain::ports::PictureArchive;
use image_store_diesel::{MysqlServer, StoreUrl, StoreUrlError};
use picture_archive_flask::{FlaskArchive, FlaskDatabase, FlaskTls};

/// The pictures in the database at a URL, which has the form of `database.url`. Nothing is connected to yet.
pub fn flask_archive(url: &str) -> anyhow::Result<Arc<dyn PictureArchive>> {
    let server = match url.parse()? {
        StoreUrl::Mysql(server) => server,
        StoreUrl::Sqlite { .. } => bail!(StoreUrlError::Server),
    };
    let MysqlServer {
        hosts,
        user,
        password,
        database,
        tls,
    } = server;
    let Some(host) = hosts.into_iter().next() else {
        bail!(StoreUrlError::Server);
    };
    Ok(Arc::new(FlaskArchive::new(FlaskDatabase {
        host: host.name,
        port: host.port,
        user,
        password,
        name: database,
        tls: tls.map(|tls| FlaskTls {
            ca: tls.ca,
            verify: tls.verify,
        }),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_has_the_tables() {
        assert!(flask_archive("mysql://user:password@db/Pictures").is_ok());
        for url in ["sqlite://pictures.db", "mysql://db", "db"] {
            assert!(flask_archive(url).is_err(), "{url}");
        }
    }
}
