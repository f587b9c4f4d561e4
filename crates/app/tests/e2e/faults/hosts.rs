//! Several hosts of one database, and a replica of it.

use std::sync::Arc;

use rstest::rstest;
use tempfile::TempDir;
use upstream_fakes::Fakes;
use url::Url;

use super::{Proxy, proxy::Line};
use crate::{
    database::{Database, Kind},
    pictures::jpeg,
    server::Server,
};

/// A server whose database has two hosts: a proxy, and the database server itself.
async fn start(line: Line) -> (Proxy, Server) {
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Mysql, folder.path()).await);
    let url = Url::parse(database.url()).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306));
    let proxy = Proxy::to(target.clone(), line).await;
    let hosts = format!("@127.0.0.1:{},{target}/", proxy.port);
    let both = database.url().replace(&format!("@{target}/"), &hosts);
    assert!(both.contains(&hosts), "{both}");
    let fakes = Fakes::start().await.unwrap();
    let variables = [
        ("ETIQUETA__DATABASE__URL", &*both),
        ("ETIQUETA__DATABASE__TIMEOUT", "4s"),
    ];
    let server = Server::start_on(database, folder, fakes, &variables).await;
    (proxy, server)
}

#[rstest]
#[case::down(Line::Down)]
#[case::hung(Line::Hung)]
#[tokio::test]
async fn a_host_that_does_not_answer_is_passed_over(#[case] line: Line) {
    let (_proxy, server) = start(line).await;
    server.register(&jpeg(1), "").await;
    assert_eq!(server.whole_images().await, 1);
}

#[rstest]
#[case::down(Line::Down)]
#[case::hung(Line::Hung)]
#[tokio::test]
async fn new_connections_go_to_the_next_host(#[case] line: Line) {
    let (proxy, server) = start(Line::Up).await;
    server.register(&jpeg(1), "").await;
    proxy.set(line);
    server.until_back("/images").await;
    server.until_uploads_work(&jpeg(2)).await;
    assert_eq!(server.whole_images().await, 2);
}

#[tokio::test]
async fn lists_come_from_the_replica() {
    // Nothing replicates here, so that it shows where an answer is from.
    let replica = Server::start(Kind::Mysql).await;
    let url = replica.database.url().to_owned();
    let variables = [("ETIQUETA__DATABASE__READ_URL", &*url)];
    let fakes = Fakes::start().await.unwrap();
    let server = Server::start_with(Kind::Mysql, fakes, &variables).await;
    let image = server.register(&jpeg(1), "").await;
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    assert_eq!(server.json(&path).await["id"], image["id"]);
    for list in ["/images", "/tags", "/images?limit=5"] {
        assert_eq!(server.json(list).await.as_array().unwrap().len(), 0);
    }
    let replicated = replica.register(&jpeg(2), "").await;
    assert_eq!(server.json("/images").await[0]["id"], replicated["id"]);
    assert_ne!(server.json("/tags").await.as_array().unwrap().len(), 0);
}
