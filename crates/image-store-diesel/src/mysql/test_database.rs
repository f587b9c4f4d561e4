//! Databases for unit tests.

use std::sync::Arc;

use diesel::sql_query;
use diesel_async::RunQueryDsl;
use domain::{ImageId, ports::Database};
use domain_testing::at;

use super::{Connection, Diagnostics, connect_with, open_patiently, sql::Sizes};
use crate::{Migrator, MysqlServer, PoolSettings, Signals, StoreUrl};

/// A migrated database. A failing test leaves it behind.
pub(super) struct TestDatabase {
    server: MysqlServer,
}

impl TestDatabase {
    pub(super) async fn create() -> Self {
        let url = std::env::var("ETIQUETA_TEST_MYSQL_URL")
            .expect("ETIQUETA_TEST_MYSQL_URL must name a server; scripts/test starts one");
        let Ok(StoreUrl::Mysql(mut server)) = url.parse() else {
            panic!("ETIQUETA_TEST_MYSQL_URL is not the URL of a server");
        };
        let mut connection = open_patiently(&server, &Diagnostics::default())
            .await
            .unwrap();
        let id = ImageId::new(at(0)).to_string().replace('-', "");
        server.database = format!("etiqueta_test_{id}");
        let create = format!("CREATE DATABASE {}", server.database);
        sql_query(create).execute(&mut connection).await.unwrap();
        let url = StoreUrl::Mysql(server.clone());
        Migrator::new(&url).run().await.unwrap();
        Self { server }
    }

    pub(super) fn store(&self, sizes: Sizes) -> Arc<dyn Database> {
        self.concrete(sizes)
    }

    /// A store whose pools the test can access.
    pub(super) fn concrete(&self, sizes: Sizes) -> Arc<super::sql::Store> {
        Arc::new(
            connect_with(
                &self.server,
                PoolSettings::default(),
                Signals::default(),
                sizes,
            )
            .unwrap(),
        )
    }

    pub(super) async fn connection(&self) -> Connection {
        open_patiently(&self.server, &Diagnostics::default())
            .await
            .unwrap()
    }

    pub(super) async fn remove(self) {
        let drop = format!("DROP DATABASE {}", self.server.database);
        let mut connection = self.connection().await;
        sql_query(drop).execute(&mut connection).await.unwrap();
    }
}
